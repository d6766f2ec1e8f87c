//! Exit codes and the last words of a run that failed.

use std::io::Write as _;
use std::process::ExitCode;

use crate::output::one_line;

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

/// Prints an error about a part of a text, and points at the part; columns count from 1.
pub(crate) fn complain_at(
    place: Option<&str>,
    message: &str,
    text: &str,
    column: usize,
    length: usize,
) {
    let mut stderr = anstream::stderr().lock();
    let style = anstyle::AnsiColor::Red.on_default().bold();
    let place = place.map_or(String::new(), |place| format!("{place}: "));
    let message = one_line(message);
    let _ = writeln!(stderr, "{place}{style}error{style:#}: {message}");
    let indent = " ".repeat(column.saturating_sub(1));
    let marks = "^".repeat(length.max(1));
    let text = one_line(text);
    let _ = writeln!(stderr, "  {text}\n  {indent}{style}{marks}{style:#}");
}
