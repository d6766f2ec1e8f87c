//! Runs a process and measures it from outside: wall time, processor time, peak memory.
//!
//! Wall time is from before the spawn to after the exit. Processor time comes from `/proc/self/stat` in ticks of
//! 10 ms, so only a sum over many runs means something. Peak memory is the highest `VmHWM` seen by polling, so it
//! is a lower bound; polling costs time, so runs that are polled are not timed. Both are absent without `/proc`.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// Often enough to see a process of a few milliseconds more than once.
const POLL: Duration = Duration::from_micros(250);
/// What the kernel counts processor time in: 100 ticks a second on every platform that Rust's std supports well.
const TICKS_PER_SECOND: f64 = 100.0;

/// A command that can be run many times.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    /// Exit codes that mean it did its work.
    pub(super) success: &'static [i32],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) wall: Duration,
    /// User and system time in seconds.
    pub(super) cpu: Option<f64>,
}

impl Job {
    pub(super) fn time(&self) -> anyhow::Result<Timing> {
        let cpu_before = children_ticks();
        let start = Instant::now();
        self.run(|_| {})?;
        let wall = start.elapsed();
        let cpu = cpu_before
            .zip(children_ticks())
            .map(|(before, after)| after.saturating_sub(before) as f64 / TICKS_PER_SECOND);
        Ok(Timing { wall, cpu })
    }

    /// At least this many bytes were resident at once.
    pub(super) fn peak_memory(&self) -> anyhow::Result<Option<u64>> {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let mut poll = None;
            let result = self.run(|process| {
                let done = &done;
                poll = Some(scope.spawn(move || poll_peak(process, done)));
            });
            done.store(true, Ordering::Relaxed);
            let peak = poll.and_then(|thread| thread.join().ok()).flatten();
            result.map(|()| peak)
        })
    }

    /// `started` gets the process id.
    fn run(&self, started: impl FnOnce(u32)) -> anyhow::Result<()> {
        let context = || format!("cannot run `{}`", self.program.display());
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(context)?;
        started(child.id());
        let mut said = Vec::new();
        if let Some(stderr) = &mut child.stderr {
            stderr.read_to_end(&mut said).with_context(context)?;
        }
        let status = child.wait().with_context(context)?;
        self.judge(status, &said)
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

fn poll_peak(process: u32, done: &AtomicBool) -> Option<u64> {
    let path = format!("/proc/{process}/status");
    let mut peak = None;
    while !done.load(Ordering::Relaxed) {
        // Without a file it has been reaped; without the line it has exited.
        let Some(now) = fs::read_to_string(&path)
            .ok()
            .as_deref()
            .and_then(high_water_mark)
        else {
            break;
        };
        peak = peak.max(Some(now));
        thread::sleep(POLL);
    }
    peak
}

/// `VmHWM` of a `/proc/PID/status`, in bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Processor time of all children that have been waited for, in ticks.
fn children_ticks() -> Option<u64> {
    parse_children_ticks(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn parse_children_ticks(stat: &str) -> Option<u64> {
    // Field 2 is the program's name in brackets and may hold anything; 16 and 17 are cutime and cstime.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name
        .split_ascii_whitespace()
        .skip(13)
        .map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::{Job, high_water_mark, parse_children_ticks};

    fn shell(script: &str, success: &'static [i32]) -> Job {
        Job {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            success,
        }
    }

    #[test]
    fn fields_of_proc() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 200 0 0 3 4 50 6 20 0 1 0 100 0 0";
        assert_eq!(parse_children_ticks(stat), Some(56));
        assert_eq!(parse_children_ticks("7 (x) S 1"), None);
        assert_eq!(
            high_water_mark("VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\n"),
            Some(2048 * 1024)
        );
        assert_eq!(high_water_mark("Name:\tx\n"), None);
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
                success: &[0]
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
    #[cfg(target_os = "linux")]
    fn memory_of_a_process_is_seen() {
        let peak = shell("sleep 0.05", &[0]).peak_memory().unwrap().unwrap();
        assert!(peak > 100 * 1024, "{peak}");
        assert!(shell("exit 2", &[0]).peak_memory().is_err());
    }
}
