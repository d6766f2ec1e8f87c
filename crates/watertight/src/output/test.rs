//! The formats of `test`. All of them print the report and nothing else.

mod junit;
mod tap;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::explain::{Answer, ExplainReport};
use watertight_core::report::intent::{IntentReport, IntentResult};
use watertight_core::rules::count;

use super::{explain, harmless, one_line};

pub(crate) use junit::junit;
pub(crate) use tap::tap;

/// Everything that the text format needs.
#[derive(Debug)]
pub(crate) struct Rendering<'a> {
    /// The results.
    pub(crate) report: &'a IntentReport,
    /// Whether to use colour.
    pub(crate) color: bool,
    /// The columns to stay within where that is possible.
    pub(crate) width: usize,
}

/// `-o json`
pub(crate) fn json(report: &IntentReport, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// `-o text`: a line for each statement, and what breaks it.
pub(crate) fn text(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    for result in &rendering.report.statements {
        rendering.result(result, out)?;
    }
    writeln!(out, "{}", closing(rendering.report))
}

/// `3 statements: 2 hold, 1 fails`
pub(super) fn closing(report: &IntentReport) -> String {
    let summary = &report.summary;
    let verb = |number: usize, one: &str, many: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    };
    let parts = [
        (summary.passed, "holds", "hold"),
        (summary.failed, "fails", "fail"),
        (
            summary.expected_failures,
            "fails as expected",
            "fail as expected",
        ),
        (
            summary.unexpected_passes,
            "holds though a gap was expected",
            "hold though gaps were expected",
        ),
        (summary.vacuous, "is about nobody", "are about nobody"),
        (
            summary.errors,
            "cannot be read or judged",
            "cannot be read or judged",
        ),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, many)| verb(*number, one, many))
        .collect();
    let statements = count(summary.statements, "statement");
    match told.as_slice() {
        [] => statements,
        told => format!("{statements}: {}", told.join(", ")),
    }
}

/// Where a statement is: `k8s/shop.intents.yaml:7`.
pub(super) fn place(result: &IntentResult) -> String {
    match &result.location {
        Some(at) => format!("{}:{}", one_line(&at.path), at.line),
        None => one_line(&result.file),
    }
}

/// The sentence about a statement, with the number of pairs that break it too.
pub(super) fn sentence(result: &IntentResult) -> String {
    let message = one_line(&result.message);
    match result.more {
        0 => message,
        more => format!("{message}, and {} like it", count(more, "other pair")),
    }
}

impl Rendering<'_> {
    fn result(&self, result: &IntentResult, out: &mut dyn Write) -> io::Result<()> {
        let (word, style) = match result.status.as_str() {
            "pass" => ("ok", AnsiColor::Green),
            "xfail" => ("xfail", AnsiColor::Yellow),
            "xpass" => ("XPASS", AnsiColor::Red),
            "vacuous" => ("VACUOUS", AnsiColor::Red),
            "fail" => ("FAIL", AnsiColor::Red),
            _ => ("ERROR", AnsiColor::Red),
        };
        let style = style.on_default().bold();
        let name = one_line(&result.name);
        write!(out, "{} {name}", self.styled(style, &format!("{word:<7}")))?;
        if result.is_bad() {
            let place = place(result);
            write!(
                out,
                "   {}",
                self.styled(AnsiColor::Blue.on_default(), &place)
            )?;
        }
        writeln!(out)?;
        if result.message.is_empty() {
            return Ok(());
        }
        writeln!(out, "        {}", sentence(result))?;
        if let Some(reason) = result.reason.as_deref().filter(|_| result.is_bad()) {
            writeln!(out, "        it must hold: {}", one_line(reason))?;
        }
        if let Some(answer) = &result.counterexample {
            for line in self.explained(answer)?.lines() {
                writeln!(out, "          {line}")?;
            }
        }
        Ok(())
    }

    /// The block that `explain` prints.
    fn explained(&self, answer: &Answer) -> io::Result<String> {
        explained(
            self.report,
            answer,
            self.color,
            self.width.saturating_sub(10),
        )
    }

    fn styled(&self, style: Style, text: &str) -> String {
        let text = harmless(text);
        if !self.color {
            return text.into_owned();
        }
        format!("{style}{text}{style:#}")
    }
}

/// What `explain` prints about a connection.
pub(super) fn explained(
    report: &IntentReport,
    answer: &Answer,
    color: bool,
    width: usize,
) -> io::Result<String> {
    let report = ExplainReport {
        api_version: report.api_version.clone(),
        kind: "ExplainReport".into(),
        tool: report.tool.clone(),
        engine: report.engine.clone(),
        summary: Default::default(),
        problems: Vec::new(),
        assumptions: Vec::new(),
        answers: vec![answer.clone()],
    };
    let mut text = Vec::new();
    let rendering = explain::Rendering {
        report: &report,
        color,
        width,
        verbose: false,
    };
    explain::text(&rendering, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
