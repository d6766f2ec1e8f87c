//! `-o html`: one page that needs nothing else: the verdict, what would be cut, the causes with their
//! connections, and a matrix of namespaces. Without its few lines of script it lacks the filter and
//! nothing more.

use std::collections::BTreeMap;
use std::io::{self, Write};

use watertight_core::report::diff::{DiffCause, DiffReport, DiffRow, DiffValue};
use watertight_core::report::{Evidence, Finding};
use watertight_core::rules::count;

use super::Rendering;
use super::fold::folded;
use super::rows::{self, Names, Sign};
use super::words;
use crate::output::one_line;
use crate::output::reach::page::{begin, escaped};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    let report = rendering.report;
    let names = Names::new(rendering.units);
    let verdict = escaped(&words::verdict(report));
    begin(&format!("Network policies: {verdict}"), STYLE, out)?;
    head(report, &verdict, out)?;
    observed(report, out)?;
    matrix(report, out)?;
    if !report.causes.is_empty() {
        filter(report, out)?;
    }
    for cause in &folded(report) {
        self::cause(cause, &names, out)?;
    }
    if let Some(told) = words::without_effect(report) {
        writeln!(
            out,
            "<h2>No connection changes because of</h2>\n<p>{}</p>",
            escaped(&told)
        )?;
    }
    findings(report, out)?;
    writeln!(
        out,
        "<p class=\"foot\">{} {}, engine {}.</p>\n<script>\n{SCRIPT}</script>\n</body>\n</html>",
        escaped(&report.tool.name),
        escaped(&report.tool.version),
        escaped(&report.new.engine.name)
    )
}

fn head(report: &DiffReport, verdict: &str, out: &mut dyn Write) -> io::Result<()> {
    let class = match report.verdict.word.as_str() {
        "same" | "safe" | "narrows" => "good",
        "unsafe" | "unknown" => "bad",
        _ => "care",
    };
    writeln!(out, "<h1 class=\"{class}\">{verdict}</h1>")?;
    if !report.complete {
        writeln!(
            out,
            "<p role=\"alert\"><strong>Incomplete:</strong> not everything could be read.</p>"
        )?;
    }
    writeln!(
        out,
        "<p>From <code>{}</code> to <code>{}</code>.</p>",
        escaped(&one_line(&report.old.source)),
        escaped(&one_line(&report.new.source))
    )?;
    let counts = &report.counts;
    writeln!(out, "<ul class=\"counts\" aria-label=\"Pairs\">")?;
    for (sign, word, number) in [
        (Sign::Lost, "lose", counts.lost),
        (Sign::Gained, "gain", counts.gained),
        (Sign::Ports, "gain and lose", counts.mixed),
        (Sign::Uncertain, "uncertain", counts.uncertain),
    ] {
        let class = class_of(sign);
        writeln!(out, "<li class=\"{class}\"><b>{number}</b> {word}</li>")?;
    }
    writeln!(out, "</ul>")
}

fn class_of(sign: Sign) -> &'static str {
    match sign {
        Sign::Gained => "gained",
        Sign::Lost => "lost",
        Sign::Ports => "ports",
        Sign::Uncertain => "uncertain",
    }
}

fn observed(report: &DiffReport, out: &mut dyn Write) -> io::Result<()> {
    let headings = [
        "Observed, and no longer allowed",
        "Observed, with another answer than before",
    ];
    for (heading, list) in headings.into_iter().zip(words::by_outcome(report)) {
        if list.is_empty() {
            continue;
        }
        writeln!(
            out,
            "<h2>{heading}</h2>\n<table class=\"observed\">\n<thead><tr><th scope=\"col\">connection</th>\
             <th scope=\"col\">times</th><th scope=\"col\">after</th><th scope=\"col\">before</th></tr></thead>"
        )?;
        for observed in list {
            writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&words::observed(observed)),
                observed.times,
                escaped(&words::answer(&observed.new)),
                escaped(&words::answer(&observed.old)),
            )?;
        }
        writeln!(out, "</table>")?;
    }
    Ok(())
}

/// Pairs of namespaces with the numbers of pairs that gain and lose.
fn matrix(report: &DiffReport, out: &mut dyn Write) -> io::Result<()> {
    let space = |name: &str| match name.split_once('/') {
        Some((namespace, _)) => namespace.to_owned(),
        None => name.strip_prefix("ns:").unwrap_or(name).to_owned(),
    };
    let mut cells: BTreeMap<(String, String), [usize; 4]> = BTreeMap::new();
    for row in report.causes.iter().flat_map(|cause| &cause.rows) {
        let at = Sign::of(row) as usize;
        for from in &row.from {
            for to in &row.to {
                let counts = cells.entry((space(from), space(to))).or_default();
                if let Some(count) = counts.get_mut(at) {
                    *count += 1;
                }
            }
        }
    }
    let mut rows: Vec<&String> = cells.keys().map(|(from, _)| from).collect();
    let mut columns: Vec<&String> = cells.keys().map(|(_, to)| to).collect();
    for list in [&mut rows, &mut columns] {
        // The world is behind all others.
        list.sort_by_key(|name| (name.as_str() == "world", name.as_str()));
        list.dedup();
    }
    if cells.len() < 2 || rows.len() > MOST_SPACES || columns.len() > MOST_SPACES {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>By namespace</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Matrix\">\n<table class=\"matrix\">\n<thead>\n<tr><th scope=\"col\">from \\ to</th>"
    )?;
    for to in &columns {
        writeln!(out, "<th scope=\"col\">{}</th>", escaped(&one_line(to)))?;
    }
    writeln!(out, "</tr>\n</thead>")?;
    for from in &rows {
        write!(
            out,
            "<tr><th scope=\"row\">{}</th>",
            escaped(&one_line(from))
        )?;
        for to in &columns {
            let counts = cells.get(&((*from).clone(), (*to).clone()));
            let signs = [Sign::Gained, Sign::Lost, Sign::Ports, Sign::Uncertain];
            let told = signs.iter().zip(counts.into_iter().flatten());
            let told: Vec<_> = told
                .filter(|(_, count)| **count > 0)
                .map(|(sign, count)| {
                    format!(
                        "<span class=\"{}\" title=\"{}\">{}{count}</span>",
                        class_of(*sign),
                        sign.word(),
                        sign.mark()
                    )
                })
                .collect();
            write!(out, "<td>{}</td>", told.join(" "))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</table>\n</div>")
}

/// A matrix with more rows or columns is no picture.
const MOST_SPACES: usize = 60;

fn filter(report: &DiffReport, out: &mut dyn Write) -> io::Result<()> {
    let causes = count(folded(report).len(), "cause");
    writeln!(out, "<h2>{causes}</h2>\n<form class=\"filter\" hidden>")?;
    for sign in [Sign::Lost, Sign::Gained, Sign::Ports, Sign::Uncertain] {
        writeln!(
            out,
            "<label><input type=\"checkbox\" name=\"{}\" checked> {}</label>",
            class_of(sign),
            sign.word()
        )?;
    }
    writeln!(out, "</form>")
}

fn cause(cause: &DiffCause, names: &Names<'_>, out: &mut dyn Write) -> io::Result<()> {
    let place = words::place_of(cause);
    let place = place.map_or(String::new(), |place| {
        format!(" <code>{}</code>", escaped(&place))
    });
    writeln!(
        out,
        "<section>\n<h3>{} {}{place}</h3>",
        words::mark(cause),
        escaped(&words::title(cause))
    )?;
    let edits = cause.objects.iter().flat_map(|object| &object.edits);
    let edits: Vec<_> = edits.collect();
    if !edits.is_empty() {
        writeln!(out, "<table class=\"edits\">")?;
        for edit in edits {
            let cell = |value: &Option<DiffValue>| match value {
                Some(value) => format!(
                    "<code title=\"{}\">{}</code>",
                    escaped(&words::at_line(&value.place)),
                    escaped(&words::value(value))
                ),
                None => String::new(),
            };
            writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td class=\"lost\">{}</td><td class=\"gained\">{}</td></tr>",
                escaped(&one_line(&edit.path)),
                cell(&edit.old),
                cell(&edit.new)
            )?;
        }
        writeln!(out, "</table>")?;
    }
    for note in cause.objects.iter().flat_map(|object| &object.notes) {
        writeln!(out, "<p>{}</p>", escaped(&one_line(note)))?;
    }
    writeln!(out, "<table class=\"rows\">")?;
    for row in rows::rows(cause) {
        self::row(row, names, out)?;
    }
    writeln!(out, "</table>\n</section>")
}

fn row(row: &DiffRow, names: &Names<'_>, out: &mut dyn Write) -> io::Result<()> {
    let line = names.line(row);
    let (class, sign) = (class_of(line.sign), line.sign);
    write!(
        out,
        "<tr data-change=\"{class}\"><td class=\"{class}\" title=\"{}\">{}</td><td>{}</td><td>{}</td><td>{}",
        sign.word(),
        sign.mark(),
        escaped(&line.from),
        escaped(&line.to),
        escaped(&line.ports)
    )?;
    if let Some(was) = &line.was {
        write!(out, "<br><small>was: {}</small>", escaped(was))?;
    }
    if let Some(example) = &row.example {
        let told = |when: &str, judged: &Option<Evidence>| match judged {
            Some(judged) => format!("<p>{when}: {}</p>", escaped(&words::answer(judged))),
            None => format!("<p>{when}: not there</p>"),
        };
        let asked = example.new.as_ref().or(example.old.as_ref());
        write!(
            out,
            "<details><summary>why</summary><p>{}</p>{}{}</details>",
            escaped(&asked.map_or(String::new(), words::asked)),
            told("before", &example.old),
            told("after", &example.new)
        )?;
    }
    writeln!(out, "</td></tr>")
}

fn findings(report: &DiffReport, out: &mut dyn Write) -> io::Result<()> {
    let headings = ["Findings introduced", "Findings resolved"];
    for (heading, list) in headings.into_iter().zip(words::findings(report)) {
        if list.is_empty() {
            continue;
        }
        writeln!(
            out,
            "<h2>{heading}</h2>\n<table class=\"findings\">\n<thead><tr><th scope=\"col\">rule</th>\
             <th scope=\"col\">what</th><th scope=\"col\">where</th></tr></thead>"
        )?;
        for finding in list {
            self::finding(finding, out)?;
        }
        writeln!(out, "</table>")?;
    }
    Ok(())
}

fn finding(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let place = finding.locations.first().map(words::at_line);
    writeln!(
        out,
        "<tr><th scope=\"row\">{} {}</th><td>{}</td><td><code>{}</code></td></tr>",
        escaped(&finding.severity),
        escaped(&finding.rule),
        escaped(&one_line(&finding.message)),
        escaped(&place.unwrap_or_default())
    )
}
