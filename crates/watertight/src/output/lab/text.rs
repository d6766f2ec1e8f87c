//! `-o text`: the cluster, the verdict, the counts, the matrix, each difference, and what packets cannot show.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::LabReport;
use watertight_core::report::lab::{LabDifference, LabReason};
use watertight_core::rules::count;

use super::conclusion::{Conclusion, problem};
use super::{by_pair, cluster, connection, matrix, name, reason};
use crate::output::{because, one_line, verdict, wrap};

/// Differences, pairs and policies that are listed one by one.
const MOST: usize = 50;

/// Pairs that are listed with a reason that many have.
const EXAMPLES: usize = 3;

pub(super) fn render(
    report: &LabReport,
    color: bool,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = Text {
        report,
        color,
        width,
    };
    writeln!(out, "{}\n", cluster(report))?;
    let conclusion = Conclusion::of(report);
    let style = if conclusion.is_good() {
        AnsiColor::Green
    } else {
        AnsiColor::Red
    };
    let found = text.styled(style.on_default().bold(), &conclusion.text());
    writeln!(out, "packets and prediction differ: {found}\n")?;
    text.problems(out)?;
    counts(report, out)?;
    writeln!(out)?;
    matrix::fitting(report, color, width, out)?;
    text.differences(out)?;
    text.reasons("inconclusive", &report.inconclusive, out)?;
    text.reasons("not judged", &report.unjudged, out)?;
    text.assumed(out)?;
    text.rest(out)
}

/// Numbers below each other, each with what it counts.
fn counts(report: &LabReport, out: &mut dyn Write) -> io::Result<()> {
    let counts = &report.counts;
    let digits = counts.tried.to_string().len();
    let mut line = |number: usize, indent: usize, text: &str| {
        writeln!(out, "  {:indent$}{number:>digits$} {text}", "")
    };
    match report.sampled_from {
        Some(all) => {
            let text = format!("connections tried, evenly taken from {all}");
            line(counts.tried, 0, &text)?;
        }
        None => line(counts.tried, 0, "connections tried")?,
    }
    line(counts.allowed, 0, "allowed: packets arrived, as predicted")?;
    line(
        counts.denied,
        0,
        "denied: packets did not arrive, as predicted",
    )?;
    if counts.denied > 0 {
        line(
            counts.proved,
            2,
            "proved by the rule that logged the packet",
        )?;
        line(
            counts.controls,
            2,
            "with a control that arrived without policies",
        )?;
    }
    let others = [
        (
            counts.differ,
            "different: packets did what was not predicted",
        ),
        (
            counts.inconclusive,
            "inconclusive: without policies nothing arrived either, or it could not be tried",
        ),
        (
            counts.not_judged,
            "not judged: the prediction is uncertain, or packets do not show what decides",
        ),
    ];
    for (number, text) in others.into_iter().filter(|(number, _)| *number > 0) {
        line(number, 0, text)?;
    }
    Ok(())
}

struct Text<'r> {
    report: &'r LabReport,
    color: bool,
    width: usize,
}

impl Text<'_> {
    fn heading(&self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let text = self.styled(Style::new().bold(), text);
        writeln!(out, "\n{text}")
    }

    /// What could not be read, and policies that are not evaluated.
    fn problems(&self, out: &mut dyn Write) -> io::Result<()> {
        let problems = &self.report.problems;
        for one in problems.iter().take(MOST) {
            self.item(&problem(one), out)?;
        }
        more(problems.len(), "problem", out)?;
        if problems.is_empty() {
            return Ok(());
        }
        writeln!(out)
    }

    /// Why nothing is said of connections, and some of them.
    fn reasons(&self, heading: &str, all: &[LabReason], out: &mut dyn Write) -> io::Result<()> {
        if all.is_empty() {
            return Ok(());
        }
        self.heading(heading, out)?;
        for one in all.iter().take(MOST) {
            self.item(&reason(one), out)?;
            let pairs = by_pair(&one.connections);
            for ((from, to), ports) in pairs.iter().take(EXAMPLES) {
                let (from, to) = (name(self.report, *from), name(self.report, *to));
                let ports = ports.join(", ");
                writeln!(out, "    {}", one_line(&format!("{from} -> {to}: {ports}")))?;
            }
            let rest = pairs.len().saturating_sub(EXAMPLES);
            if rest > 0 {
                writeln!(out, "    ... and {}", count(rest, "more pair"))?;
            }
        }
        more(all.len(), "reason", out)
    }

    /// What was assumed and made up.
    fn assumed(&self, out: &mut dyn Write) -> io::Result<()> {
        let assumptions = &self.report.assumptions;
        if assumptions.is_empty() {
            return Ok(());
        }
        self.heading("assumed where the input does not say", out)?;
        for one in assumptions {
            self.item(&format!("{}: {}", one.id, one.text), out)?;
        }
        Ok(())
    }

    /// A line of a list, which goes on below itself.
    fn item(&self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let wrapped = wrap(&one_line(text), self.width.saturating_sub(4));
        for (number, line) in wrapped.lines().enumerate() {
            let indent = if number == 0 { 2 } else { 4 };
            writeln!(out, "{:indent$}{line}", "")?;
        }
        Ok(())
    }

    fn differences(&self, out: &mut dyn Write) -> io::Result<()> {
        let all = &self.report.differences;
        if all.is_empty() {
            return Ok(());
        }
        self.heading("differences", out)?;
        for difference in all.iter().take(MOST) {
            self.difference(difference, out)?;
        }
        more(all.len(), "difference", out)
    }

    fn difference(&self, difference: &LabDifference, out: &mut dyn Write) -> io::Result<()> {
        let evidence = &difference.predicted;
        let red = AnsiColor::Red.on_default().bold();
        writeln!(
            out,
            "  {}",
            self.styled(red, &one_line(&connection(difference)))
        )?;
        let predicted = format!("{}: {}", verdict(evidence), because(evidence));
        self.entry("predicted", &predicted, out)?;
        let seen = format!("{}: {}", difference.observed, difference.detail);
        self.entry("seen", &seen, out)?;
        for (number, rule) in difference.kernel.iter().enumerate() {
            let label = if number == 0 { "kernel" } else { "" };
            self.entry(label, rule, out)?;
        }
        Ok(())
    }

    /// A label, and a text that goes on below itself.
    fn entry(&self, label: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
        const LABEL: usize = 9;
        let room = self.width.saturating_sub(LABEL + 6);
        let wrapped = wrap(&one_line(text), room);
        for (number, line) in wrapped.lines().enumerate() {
            let label = if number == 0 { label } else { "" };
            writeln!(out, "    {label:LABEL$}  {line}")?;
        }
        Ok(())
    }

    /// What was left out, and what packets cannot show.
    fn rest(&self, out: &mut dyn Write) -> io::Result<()> {
        let left_out = &self.report.left_out;
        if !left_out.is_empty() {
            self.heading("not in the lab", out)?;
            for left in left_out.iter().take(MOST) {
                self.item(&format!("{} {}", left.name, left.reason), out)?;
            }
            more(left_out.len(), "thing", out)?;
        }
        let unsaid = &self.report.unsaid;
        if !unsaid.is_empty() {
            self.heading("what packets cannot show", out)?;
            for one in unsaid.iter().take(MOST) {
                let place = one.place.as_ref();
                let place = place.map_or(String::new(), |at| format!(" ({}:{})", at.path, at.line));
                self.item(&format!("{}{place} {}", one.policy, one.text), out)?;
            }
            more(unsaid.len(), "rule", out)?;
        }
        Ok(())
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        format!("{style}{text}{style:#}")
    }
}

/// How many were not listed.
fn more(all: usize, what: &str, out: &mut dyn Write) -> io::Result<()> {
    match all.saturating_sub(MOST) {
        0 => Ok(()),
        rest => writeln!(
            out,
            "  ... and {}; -o json has all of them",
            count(rest, &format!("more {what}"))
        ),
    }
}
