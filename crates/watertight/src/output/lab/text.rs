//! `-o text`: the cluster, the verdict, the counts, the matrix, each difference, and what packets cannot show.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::LabReport;
use watertight_core::report::lab::{LabDifference, LabPair};
use watertight_core::rules::count;

use super::{cluster, connection, matrix, name, where_they_differ};
use crate::output::{because, one_line, verdict, wrap};

/// Differences, pairs and policies that are listed one by one.
const MOST: usize = 50;

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
    let agree = report.counts.differ == 0 && report.counts.allowed + report.counts.denied > 0;
    let style = if agree {
        AnsiColor::Green
    } else {
        AnsiColor::Red
    };
    let found = text.styled(style.on_default().bold(), &where_they_differ(report));
    writeln!(out, "packets and prediction differ: {found}\n")?;
    counts(report, out)?;
    writeln!(out)?;
    matrix::fitting(report, color, width, out)?;
    text.differences(out)?;
    text.pairs("inconclusive", |pair| &pair.inconclusive, out)?;
    text.rest(out)
}

/// Numbers below each other, each with what it counts.
fn counts(report: &LabReport, out: &mut dyn Write) -> io::Result<()> {
    let counts = &report.counts;
    let digits = counts.tried.to_string().len();
    let mut line = |number: usize, indent: usize, text: &str| {
        writeln!(out, "  {:indent$}{number:>digits$} {text}", "")
    };
    line(counts.tried, 0, "connections tried")?;
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

    fn pairs(
        &self,
        heading: &str,
        ports: impl Fn(&LabPair) -> &Vec<String>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let pairs = self.report.pairs.iter();
        let found: Vec<&LabPair> = pairs.filter(|pair| !ports(pair).is_empty()).collect();
        if found.is_empty() {
            return Ok(());
        }
        self.heading(heading, out)?;
        for pair in found.iter().take(MOST) {
            let (from, to) = (name(self.report, pair.from), name(self.report, pair.to));
            let text = format!("{from} -> {to}: {}", ports(pair).join(", "));
            writeln!(out, "  {}", one_line(&text))?;
        }
        more(found.len(), "pair", out)
    }

    /// What was left out, and what packets cannot show.
    fn rest(&self, out: &mut dyn Write) -> io::Result<()> {
        let left_out = &self.report.left_out;
        if !left_out.is_empty() {
            self.heading("not in the lab", out)?;
            for left in left_out.iter().take(MOST) {
                let text = format!("{} {}", left.name, left.reason);
                writeln!(out, "  {}", one_line(&text))?;
            }
            more(left_out.len(), "thing", out)?;
        }
        let unsaid = &self.report.unsaid;
        if !unsaid.is_empty() {
            self.heading("what packets cannot show", out)?;
            for one in unsaid.iter().take(MOST) {
                let place = one.place.as_ref();
                let place = place.map_or(String::new(), |at| format!(" ({}:{})", at.path, at.line));
                let text = one_line(&format!("{}{place} {}", one.policy, one.text));
                let wrapped = wrap(&text, self.width.saturating_sub(4));
                for (number, line) in wrapped.lines().enumerate() {
                    let indent = if number == 0 { 2 } else { 4 };
                    writeln!(out, "{:indent$}{line}", "")?;
                }
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
