//! Runs a process and takes its wall time, from before the spawn to after the exit.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// A command that can be run many times.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    /// Exit codes that mean it did its work.
    pub(super) success: Vec<i32>,
}

impl Job {
    pub(super) fn time(&self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.run()?;
        Ok(start.elapsed())
    }

    pub(super) fn run(&self) -> anyhow::Result<()> {
        self.spawn(Stdio::null()).map(|_| ())
    }

    /// Runs it for what it prints.
    pub(super) fn output(&self) -> anyhow::Result<String> {
        self.spawn(Stdio::piped())
    }

    fn spawn(&self, stdout: Stdio) -> anyhow::Result<String> {
        let context = || format!("cannot run `{}`", self.program.display());
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(context)?;
        // What is piped to standard output is a line, which fits the pipe while the other one is read.
        let mut said = Vec::new();
        if let Some(stderr) = &mut child.stderr {
            stderr.read_to_end(&mut said).with_context(context)?;
        }
        let mut printed = String::new();
        if let Some(stdout) = &mut child.stdout {
            stdout.read_to_string(&mut printed).with_context(context)?;
        }
        let status = child.wait().with_context(context)?;
        self.judge(status, &said)?;
        Ok(printed)
    }

    fn judge(&self, status: ExitStatus, said: &[u8]) -> anyhow::Result<()> {
        if status
            .code()
            .is_some_and(|code| self.success.contains(&code))
        {
            return Ok(());
        }
        let said = String::from_utf8_lossy(said);
        let program = self.program.file_name().unwrap_or_default().display();
        // A backtrace or a summary may follow the error.
        let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let is_error = |line: &&str| line.to_ascii_lowercase().starts_with("error");
        match lines.clone().find(is_error).or_else(|| lines.next_back()) {
            Some(line) => bail!("`{program}` failed ({status}): {line}"),
            None => bail!("`{program}` failed ({status})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Job;

    fn shell(script: &str, success: &[i32]) -> Job {
        Job {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            success: success.to_vec(),
        }
    }

    #[test]
    fn exit_codes_that_are_fine_and_others() {
        assert!(shell("exit 1", &[0, 1]).time().is_ok());
        let message = |script| shell(script, &[0, 1]).time().unwrap_err().to_string();
        let last = message("echo first >&2; echo no such path >&2; echo >&2; exit 2");
        assert!(last.ends_with(": no such path"), "{last}");
        let error =
            message("echo reading >&2; echo error: no such path >&2; echo 1: main >&2; exit 2");
        assert!(error.ends_with(": error: no such path"), "{error}");
        assert!(message("exit 3").ends_with("3)"));
        assert!(shell("kill -9 $$", &[0, 1]).time().is_err());
        assert!(
            Job {
                program: "/nonexistent/program".into(),
                args: Vec::new(),
                success: vec![0]
            }
            .time()
            .is_err()
        );
    }

    #[test]
    fn much_output_does_not_block() {
        let script =
            "i=0; while [ $i -lt 20000 ]; do echo line-$i; echo line-$i >&2; i=$((i+1)); done";
        shell(script, &[0]).time().unwrap();
    }

    #[test]
    fn what_is_printed() {
        let job = shell("echo 7; echo no matter >&2", &[0]);
        assert_eq!(job.output().unwrap(), "7\n");
        assert!(shell("echo 7; exit 2", &[0]).output().is_err());
    }
}
