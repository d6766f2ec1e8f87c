//! Exit codes and the last words of a run that failed.

use std::io::Write as _;
use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: the answer is good.
    Clean,
    /// 1: the answer is bad: findings, or whatever the question was about.
    Findings,
    /// 2: usage, configuration or input: something could not be analysed.
    Unable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Findings => 1,
            Exit::Unable => 2,
        })
    }
}

/// Prints an error with its causes.
pub(crate) fn complain(error: &anyhow::Error) {
    let mut stderr = anstream::stderr().lock();
    let style = anstyle::AnsiColor::Red.on_default().bold();
    let _ = writeln!(stderr, "{style}error{style:#}: {error:#}");
}

/// Prints a line of information.
pub(crate) fn say(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}
