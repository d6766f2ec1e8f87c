//! `-o text`: for somebody who reads it at three in the morning. The answer first, each step on a line, and
//! below a step that failed what shows it and what to do.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::DiagnoseReport;
use watertight_core::report::diagnose::{DiagnoseItem, DiagnoseStep};

use super::{CAVEAT, about, pools, problem_of, value};
use crate::output::{because, connection, one_line, verdict, wrap};

/// Items of a step that are told; of the first, all.
const ITEMS: usize = 3;

/// Pools that are listed one by one.
const MOST: usize = 8;

pub(super) fn render(
    report: &DiagnoseReport,
    color: bool,
    width: usize,
    verbose: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = Text {
        report,
        color,
        width,
        verbose,
    };
    text.answer(out)?;
    writeln!(out)?;
    for step in &report.steps {
        text.step(step, out)?;
    }
    writeln!(out)?;
    text.nodes(out)?;
    if !report.complete {
        for problem in &report.problems {
            text.hanging("incomplete: ", &problem_of(problem), out)?;
        }
    }
    if report.answer != "decorative" {
        text.hanging("note: ", CAVEAT, out)?;
    }
    Ok(())
}

struct Text<'r> {
    report: &'r DiagnoseReport,
    color: bool,
    width: usize,
    verbose: bool,
}

impl Text<'_> {
    fn answer(&self, out: &mut dyn Write) -> io::Result<()> {
        let style = match self.report.answer.as_str() {
            "real" => AnsiColor::Green,
            "unknown" => AnsiColor::Yellow,
            _ => AnsiColor::Red,
        };
        let word = &self.report.answer;
        let indent = " ".repeat(word.len() + 2);
        let room = self.width.saturating_sub(indent.len());
        let because = wrap(&one_line(&self.report.because), room);
        let because = because.replace('\n', &format!("\n{indent}"));
        let word = self.styled(style.on_default().bold(), word);
        writeln!(out, "{word}: {because}")?;
        writeln!(out, "{}", wrap(&one_line(&about(self.report)), self.width))
    }

    fn step(&self, step: &DiagnoseStep, out: &mut dyn Write) -> io::Result<()> {
        let (word, style) = match step.state.as_str() {
            "passed" => ("passed ", AnsiColor::Green.on_default()),
            "failed" => ("FAILED ", AnsiColor::Red.on_default().bold()),
            "unknown" => ("UNKNOWN", AnsiColor::Yellow.on_default().bold()),
            _ => ("-      ", Style::new().dimmed()),
        };
        let word = self.styled(style, word);
        let room = self.width.saturating_sub(25).max(30);
        let summary = wrap(&one_line(&step.summary), room);
        let summary = summary.replace('\n', &format!("\n{:25}", ""));
        writeln!(out, "{} {:13} {word}  {summary}", step.number, step.name)?;
        let is_told = matches!(step.state.as_str(), "failed" | "unknown");
        let mut left = 0;
        for (number, item) in step.items.iter().enumerate() {
            if self.verbose {
                self.item(step, item, out)?;
            } else if is_told && (item.cause || step.number == 1) {
                if step.number == 1 || number < ITEMS {
                    self.item(step, item, out)?;
                } else {
                    left += 1;
                }
            }
        }
        let more = left + if is_told { step.more } else { 0 };
        if more > 0 {
            writeln!(
                out,
                "     ... and {more} more; `watertight check` lists all"
            )?;
        }
        Ok(())
    }

    fn item(
        &self,
        step: &DiagnoseStep,
        item: &DiagnoseItem,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if item.text != step.summary {
            self.line("     ", &item.text, out)?;
        }
        for shown in &item.values {
            self.line("       see  ", &value(shown), out)?;
        }
        if let (Some(at), true) = (&item.place, item.values.is_empty()) {
            let rule = item
                .id
                .as_ref()
                .map_or(String::new(), |id| format!(" [{id}]"));
            let place = format!("{}:{}:{}{rule}", at.path, at.line, at.column);
            self.line("       see  ", &place, out)?;
        }
        for evidence in item.connections.iter().take(2) {
            let shown = format!(
                "{} {}: {}",
                connection(evidence),
                verdict(evidence),
                because(evidence)
            );
            self.line("       see  ", &shown, out)?;
        }
        match item.advice.as_ref().filter(|_| item.cause) {
            Some(advice) => self.line("       do   ", advice, out),
            None => Ok(()),
        }
    }

    fn nodes(&self, out: &mut dyn Write) -> io::Result<()> {
        let pools = pools(self.report);
        for pool in pools.iter().take(MOST) {
            writeln!(out, "{}", one_line(pool))?;
        }
        match pools.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => writeln!(out, "... and {more} more pools; -o json lists every node"),
        }
    }

    /// A text that goes on below itself.
    fn line(&self, label: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let room = self.width.saturating_sub(label.len()).max(30);
        let text = wrap(&one_line(text), room);
        let indent = format!("\n{:1$}", "", label.len());
        writeln!(out, "{label}{}", text.replace('\n', &indent))
    }

    fn hanging(&self, label: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
        self.line(label, text, out)
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}
