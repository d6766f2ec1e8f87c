//! The most memory that a process held at once, as the kernel booked it.
//!
//! The kernel's number is a maximum over all children that a process has waited for. So [`peak`] is a subcommand: a
//! fresh process runs one child and tells what it held. Nothing is polled, so nothing is missed.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::measure::Job;

/// Run a program and print the most bytes that it held in memory at once
#[derive(Debug, clap::Args)]
pub(crate) struct PeakArgs {
    /// Exit codes that mean it did its work
    #[arg(long, value_delimiter = ',', default_value = "0")]
    success: Vec<i32>,
    program: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// The hidden subcommand under which `main` calls [`peak`].
const PEAK_COMMAND: &str = "bench-peak";

pub(crate) fn peak(args: PeakArgs) -> anyhow::Result<()> {
    let job = Job {
        program: args.program,
        args: args.args,
        success: args.success,
    };
    job.run()?;
    if let Some(bytes) = peak_of_children() {
        writeln!(io::stdout().lock(), "{bytes}")?;
    }
    Ok(())
}

/// The most bytes that a job holds in memory at once, where the platform tells; `this_program` is this one's file.
pub(super) fn peak_of(job: &Job, this_program: &Path) -> anyhow::Result<Option<u64>> {
    parse(&wrapped(job, this_program).output()?)
}

fn parse(printed: &str) -> anyhow::Result<Option<u64>> {
    let printed = printed.trim();
    let bytes = (!printed.is_empty()).then(|| printed.parse());
    bytes
        .transpose()
        .with_context(|| format!("`{PEAK_COMMAND}` printed `{printed}`"))
}

/// The job that runs another one and tells its peak.
fn wrapped(job: &Job, this_program: &Path) -> Job {
    let codes: Vec<String> = job.success.iter().map(i32::to_string).collect();
    let mut args: Vec<OsString> = vec![
        PEAK_COMMAND.into(),
        format!("--success={}", codes.join(",")).into(),
        job.program.clone().into(),
    ];
    args.extend(job.args.iter().cloned());
    Job {
        program: this_program.to_owned(),
        args,
        success: vec![0],
    }
}

#[cfg(unix)]
fn peak_of_children() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};

    // The unit is the system's own business.
    let unit = if cfg!(target_vendor = "apple") {
        1
    } else {
        1024
    };
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let peak = u64::try_from(usage.max_rss()).ok();
    peak.filter(|peak| *peak > 0).map(|peak| peak * unit)
}

#[cfg(not(unix))]
fn peak_of_children() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::{Args as _, FromArgMatches as _};

    use super::{Job, PeakArgs, parse, peak, peak_of, wrapped};

    fn shell(script: &str) -> Job {
        Job {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            success: vec![0, 3],
        }
    }

    fn inner(of: &Job) -> PeakArgs {
        let command = PeakArgs::augment_args(clap::Command::new("bench-peak"));
        PeakArgs::from_arg_matches(&command.get_matches_from(&of.args)).unwrap()
    }

    #[test]
    fn a_job_goes_through_the_subcommand_unchanged() {
        let outer = wrapped(&shell("exit 3"), Path::new("xtask"));
        assert_eq!(outer.args[0], "bench-peak");
        assert_eq!(outer.success, [0]);
        let inner = inner(&outer);
        assert_eq!(inner.program, Path::new("/bin/sh"));
        assert_eq!(inner.args, ["-c", "exit 3"]);
        assert_eq!(inner.success, [0, 3]);
        peak(inner).unwrap();
    }

    #[test]
    fn the_failure_of_the_job_is_told() {
        let outer = wrapped(
            &shell("echo error: no such path >&2; exit 2"),
            Path::new(""),
        );
        let error = peak(inner(&outer)).unwrap_err().to_string();
        assert!(error.ends_with("error: no such path"), "{error}");
    }

    #[test]
    fn the_number_is_read_from_what_is_printed() {
        assert_eq!(parse("4096\n").unwrap(), Some(4096));
        assert_eq!(parse("").unwrap(), None);
        assert!(parse("no number").is_err());
        let by = |program: &str| peak_of(&shell("exit 0"), Path::new(program));
        assert_eq!(by("/bin/true").unwrap(), None);
        assert!(by("/bin/false").is_err());
        assert!(by("/bin/echo").is_err());
    }

    #[test]
    #[cfg(unix)]
    fn children_are_counted() {
        shell("exit 0").run().unwrap();
        let peak = super::peak_of_children().unwrap();
        // Any process holds more than a page, and none of these tests' a gigabyte.
        assert!((10_000..1 << 30).contains(&peak), "{peak}");
    }
}
