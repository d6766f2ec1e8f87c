//! `-o html`: one page that needs nothing else. The matrix is a table with headers that stay in view; a cell
//! tells its ports when it is pointed at, and in full when it is clicked. Without its few lines of script it
//! lacks that click and nothing more: the ports are listed source by source below.

use std::io::{self, Write};

use watertight_core::report::LabReport;
use watertight_core::report::lab::{LabDifference, LabPair};

use super::conclusion::{Conclusion, problem};
use super::{Cell, cluster, connection, ends, name, reason};
use crate::output::reach::page::{begin, escaped};
use crate::output::{because, one_line, verdict};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

impl Cell {
    fn class(self) -> &'static str {
        match self {
            Self::Untried => "untried",
            Self::NotJudged => "unjudged",
            Self::Closed => "none",
            Self::Open => "all",
            Self::Part => "some",
            Self::Inconclusive => "unclear",
            Self::Differs => "differs",
        }
    }
}

pub(super) fn render(report: &LabReport, out: &mut dyn Write) -> io::Result<()> {
    let conclusion = Conclusion::of(report);
    let title = format!("Packets and prediction differ: {}", conclusion.text());
    let title = escaped(&title);
    begin(&title, STYLE, out)?;
    writeln!(out, "<h1>{title}</h1>")?;
    writeln!(
        out,
        "<p>{}; engine: {}; by {} {}.</p>",
        escaped(&cluster(report)),
        escaped(&report.engine.name),
        escaped(&report.tool.name),
        escaped(&report.tool.version),
    )?;
    if !report.problems.is_empty() {
        let what = if report.complete {
            "Not evaluated:"
        } else {
            "Incomplete:"
        };
        writeln!(out, "<div role=\"alert\"><strong>{what}</strong>")?;
        list(report.problems.iter().map(problem), out)?;
        writeln!(out, "</div>")?;
    }
    counts(report, out)?;
    differences(report, out)?;
    matrix(report, out)?;
    details(report, out)?;
    rest(report, out)?;
    writeln!(out, "<script>\n{SCRIPT}</script>\n</body>\n</html>")
}

fn counts(report: &LabReport, out: &mut dyn Write) -> io::Result<()> {
    let counts = &report.counts;
    let rows = [
        (counts.tried, "connections tried"),
        (counts.allowed, "allowed: packets arrived, as predicted"),
        (
            counts.denied,
            "denied: packets did not arrive, as predicted",
        ),
        (
            counts.proved,
            "of the denied ones, proved by the rule that logged the packet",
        ),
        (
            counts.controls,
            "of the denied ones, with a control that arrived without policies",
        ),
        (counts.differ, "different"),
        (counts.inconclusive, "inconclusive"),
        (counts.not_judged, "not judged"),
    ];
    writeln!(out, "<table class=\"counts\">")?;
    for (number, text) in rows {
        writeln!(
            out,
            "<tr><td>{number}</td><th scope=\"row\">{text}</th></tr>"
        )?;
    }
    writeln!(out, "</table>")
}

fn differences(report: &LabReport, out: &mut dyn Write) -> io::Result<()> {
    if report.differences.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>Differences</h2>")?;
    for difference in &report.differences {
        write_difference(difference, out)?;
    }
    Ok(())
}

fn write_difference(difference: &LabDifference, out: &mut dyn Write) -> io::Result<()> {
    let evidence = &difference.predicted;
    let line = |text: &str| escaped(&one_line(text));
    writeln!(
        out,
        "<details open class=\"difference\"><summary>{}</summary>\n<dl>",
        line(&connection(difference))
    )?;
    let predicted = format!("{}: {}", verdict(evidence), because(evidence));
    let seen = format!("{}: {}", difference.observed, difference.detail);
    writeln!(out, "<dt>predicted</dt><dd>{}</dd>", line(&predicted))?;
    writeln!(out, "<dt>seen</dt><dd>{}</dd>", line(&seen))?;
    if !difference.kernel.is_empty() {
        writeln!(out, "<dt>kernel</dt>")?;
    }
    for rule in &difference.kernel {
        writeln!(out, "<dd><code>{}</code></dd>", line(rule))?;
    }
    writeln!(out, "</dl></details>")
}

/// What there is to say of a pair, list by list.
fn lists(pair: &LabPair) -> impl Iterator<Item = (&'static str, &Vec<String>)> {
    let all = [
        ("differ", &pair.differ),
        ("arrive", &pair.allowed),
        ("do not arrive", &pair.denied),
        ("inconclusive", &pair.inconclusive),
        ("not judged", &pair.not_judged),
    ];
    all.into_iter().filter(|(_, ports)| !ports.is_empty())
}

fn matrix(report: &LabReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<h2>Rows connect to columns</h2>")?;
    write!(out, "<ul class=\"legend\" aria-label=\"Legend\">")?;
    for (cell, text) in Cell::LEGEND {
        let (class, sign) = (cell.class(), cell.sign());
        write!(
            out,
            "<li><span class=\"{class}\" aria-hidden=\"true\">{sign}</span> {text}</li>"
        )?;
    }
    writeln!(out, "</ul>")?;
    writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Matrix\">\n<table class=\"matrix\">"
    )?;
    write!(
        out,
        "<thead><tr><th scope=\"col\" class=\"corner\">from \\ to</th>"
    )?;
    let (rows, columns) = (ends(report, |pair| pair.from), ends(report, |pair| pair.to));
    for at in columns.iter().copied() {
        let Some(party) = report.parties.get(at) else {
            continue;
        };
        let label = escaped(&one_line(&name(report, at)));
        let about = escaped(&one_line(&about(party)));
        write!(
            out,
            "<th scope=\"col\" title=\"{about}\"><span>{label}</span></th>"
        )?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    let mut pairs = report.pairs.iter().peekable();
    for from in rows {
        let Some(party) = report.parties.get(from) else {
            continue;
        };
        let label = escaped(&one_line(&name(report, from)));
        let about = escaped(&one_line(&about(party)));
        write!(out, "<tr><th scope=\"row\" title=\"{about}\">{label}</th>")?;
        for to in columns.iter().copied() {
            let pair = pairs.next_if(|pair| (pair.from, pair.to) == (from, to));
            let Some(pair) = pair else {
                write!(out, "<td class=\"untried\">-</td>")?;
                continue;
            };
            let cell = Cell::of(pair);
            let mut title = format!("{} \u{2192} {}", name(report, from), name(report, to));
            for (what, ports) in lists(pair) {
                title.push_str(&format!("; {what}: {}", ports.join(", ")));
            }
            write!(
                out,
                "<td class=\"{}\" title=\"{}\">{}</td>",
                cell.class(),
                escaped(&one_line(&title)),
                cell.sign()
            )?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table>\n</div>")?;
    writeln!(out, "<output class=\"panel\" hidden></output>")
}

/// The node and the addresses of a party.
fn about(party: &watertight_core::report::lab::LabParty) -> String {
    let addresses = party.addresses.join(", ");
    match &party.node {
        Some(node) => format!("{addresses} on {node}"),
        None => addresses,
    }
}

/// Every pair in words.
fn details(report: &LabReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<h2>Ports</h2>")?;
    for pairs in report.pairs.chunk_by(|a, b| a.from == b.from) {
        let Some(first) = pairs.first() else {
            continue;
        };
        writeln!(
            out,
            "<details><summary>{} <span>{}</span></summary>\n<table>",
            escaped(&one_line(&name(report, first.from))),
            pairs.len()
        )?;
        for pair in pairs {
            let to = escaped(&one_line(&name(report, pair.to)));
            write!(out, "<tr><th scope=\"row\">{to}</th><td>")?;
            for (number, (what, ports)) in lists(pair).enumerate() {
                let gap = if number == 0 { "" } else { "<br>" };
                write!(out, "{gap}{what}: {}", escaped(&ports.join(", ")))?;
            }
            writeln!(out, "</td></tr>")?;
        }
        writeln!(out, "</table></details>")?;
    }
    Ok(())
}

/// What is not judged, assumed, left out, and not shown by packets.
fn rest(report: &LabReport, out: &mut dyn Write) -> io::Result<()> {
    let left: Vec<String> = report
        .left_out
        .iter()
        .map(|left| format!("{} {}", left.name, left.reason))
        .collect();
    let unsaid: Vec<String> = report
        .unsaid
        .iter()
        .map(|one| {
            let place = one.place.as_ref();
            let place = place.map_or(String::new(), |at| format!(" ({}:{})", at.path, at.line));
            format!("{}{place} {}", one.policy, one.text)
        })
        .collect();
    let assumed = report.assumptions.iter();
    let assumed = assumed.map(|one| format!("{}: {}", one.id, one.text));
    let unclear = report.inconclusive.iter().map(reason);
    let unjudged = report.unjudged.iter().map(reason);
    for (heading, lines) in [
        ("Inconclusive", unclear.collect()),
        ("Not judged", unjudged.collect()),
        ("Assumed where the input does not say", assumed.collect()),
        ("Not in the lab", left),
        ("What packets cannot show", unsaid),
    ] {
        if lines.is_empty() {
            continue;
        }
        writeln!(out, "<h2>{heading}</h2>")?;
        list(lines.into_iter(), out)?;
    }
    Ok(())
}

fn list(lines: impl Iterator<Item = String>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<ul>")?;
    for line in lines {
        writeln!(out, "<li>{}</li>", escaped(&one_line(&line)))?;
    }
    writeln!(out, "</ul>")
}
