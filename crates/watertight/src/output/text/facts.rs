//! What stands below the findings: what was assumed, what was left out, and the last line.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::{CheckReport, NoFindings, Summary};
use watertight_core::rules::count;

use crate::output::{Rendering, one_line, place, wrap};

/// Kinds that are named in the line of other kinds.
const MAX_KINDS: usize = 8;

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    let report = rendering.report;
    let loud = if rendering.color {
        AnsiColor::Yellow.on_default().bold()
    } else {
        Style::new()
    };
    if !rendering.quiet {
        for assumption in &report.assumptions {
            let name = format!("assumed ({}): ", assumption.id);
            hanging(&name, &one_line(&assumption.text), rendering.width, out)?;
        }
        other_documents(&report.summary, out)?;
    }
    if rendering.show_suppressed {
        suppressed(report, out)?;
    }
    if !report.summary.not_evaluated.is_empty() {
        let kinds = kinds(&report.summary.not_evaluated, usize::MAX);
        writeln!(out, "{loud}not evaluated:{loud:#} {kinds}")?;
        writeln!(
            out,
            "               what these policies allow or deny is missing from every answer above"
        )?;
    }
    writeln!(out, "{}", last_line(report))?;
    if !report.summary.complete {
        writeln!(
            out,
            "{loud}incomplete:{loud:#} {}",
            incomplete(&report.summary)
        )?;
    }
    Ok(())
}

/// A name and a text whose further lines stand below the first.
fn hanging(name: &str, text: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let indent = format!("\n{:1$}", "", name.len());
    let text = wrap(text, width.saturating_sub(name.len()).max(40));
    writeln!(out, "{name}{}", text.replace('\n', &indent))
}

fn other_documents(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    if !summary.other_kinds.is_empty() {
        let kinds = kinds(&summary.other_kinds, MAX_KINDS);
        writeln!(out, "of no concern here: {kinds}")?;
    }
    match summary.not_objects {
        0 => Ok(()),
        1 => writeln!(out, "skipped: 1 document that is no Kubernetes object"),
        more => writeln!(
            out,
            "skipped: {more} documents that are no Kubernetes objects"
        ),
    }
}

/// `ConfigMap (4), Secret (3) and 2 more kinds`, the most frequent first.
fn kinds(kinds: &BTreeMap<String, usize>, limit: usize) -> String {
    let mut sorted: Vec<_> = kinds.iter().collect();
    sorted.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    let named: Vec<_> = sorted
        .iter()
        .take(limit)
        .map(|(kind, number)| format!("{} ({number})", one_line(kind)))
        .collect();
    let mut text = named.join(", ");
    if let Some(rest @ 1..) = sorted.len().checked_sub(named.len()) {
        text.push_str(&format!(" and {}", count(rest, "more kind")));
    }
    text
}

fn suppressed(report: &CheckReport<NoFindings>, out: &mut dyn Write) -> io::Result<()> {
    for suppressed in &report.suppressed {
        let finding = &suppressed.finding;
        let (place, message) = (one_line(&place(finding)), one_line(&finding.message));
        writeln!(
            out,
            "suppressed: {place}: {}[{}] {message}",
            finding.severity, finding.rule
        )?;
        writeln!(out, "            because: {}", one_line(&suppressed.reason))?;
    }
    Ok(())
}

fn last_line(report: &CheckReport<NoFindings>) -> String {
    let Summary { findings, .. } = &report.summary;
    let suppressed = match report.summary.suppressed {
        0 => String::new(),
        number => format!(" ({number} suppressed)"),
    };
    let analysed = format!(
        "{}, {}, {}",
        policies(report.summary.policies, report.summary.staged_policies),
        count(report.summary.workloads, "workload"),
        count(report.summary.namespaces, "namespace")
    );
    let found: Vec<_> = [
        (findings.error, "error"),
        (findings.warning, "warning"),
        (findings.note, "note"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, noun)| count(number, noun))
    .collect();
    if found.is_empty() {
        format!("No findings{suppressed}: {analysed}")
    } else {
        format!("Found {}{suppressed} in {analysed}", found.join(", "))
    }
}

fn incomplete(summary: &Summary) -> String {
    match summary.broken_documents {
        0 => "some of the input could not be analysed, so findings may be missing".into(),
        1 => "1 document could not be read, so findings may be missing".into(),
        more => format!("{more} documents could not be read, so findings may be missing"),
    }
}

/// `3 policies`, `3 policies and 1 staged one`.
fn policies(acting: usize, staged: usize) -> String {
    let acting = count(acting, "policy");
    match staged {
        0 => acting,
        1 => format!("{acting} and 1 staged one"),
        more => format!("{acting} and {more} staged ones"),
    }
}
