//! `-o html`: one page that needs nothing else: the answer, the steps, those that failed open, and the nodes.

use std::io::{self, Write};

use watertight_core::report::DiagnoseReport;
use watertight_core::report::diagnose::{DiagnoseItem, DiagnoseStep};

use super::{CAVEAT, about, engine_name, problem_of, value};
use crate::output::reach::page::{COLOURS, escaped};
use crate::output::{because, connection, one_line, verdict};

const STYLE: &str = include_str!("page.css");

pub(super) fn render(report: &DiagnoseReport, out: &mut dyn Write) -> io::Result<()> {
    let title = safe(&format!("{}: {}", report.answer, report.because));
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">"
    )?;
    writeln!(
        out,
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
    )?;
    writeln!(out, "<meta name=\"color-scheme\" content=\"light dark\">")?;
    writeln!(
        out,
        "<title>{title}</title>\n<style>\n{COLOURS}{STYLE}</style>\n</head>\n<body>"
    )?;
    writeln!(
        out,
        "<h1 class=\"{}\"><strong>{}</strong> {}</h1>",
        class(&report.answer),
        safe(&report.answer),
        safe(&report.because)
    )?;
    writeln!(
        out,
        "<p>{}; by {} {}.</p>",
        safe(&about(report)),
        safe(&report.tool.name),
        safe(&report.tool.version)
    )?;
    if !report.complete {
        writeln!(out, "<ul role=\"alert\">")?;
        for problem in &report.problems {
            writeln!(out, "<li>Incomplete: {}</li>", safe(&problem_of(problem)))?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "<ol class=\"steps\">")?;
    for step in &report.steps {
        write_step(step, out)?;
    }
    writeln!(out, "</ol>\n<p>{}.</p>", safe(CAVEAT))?;
    engines(report, out)?;
    nodes(report, out)?;
    writeln!(out, "</body>\n</html>")
}

fn safe(text: &str) -> String {
    escaped(&one_line(text))
}

/// The colour of an answer, a step or a node.
fn class(word: &str) -> &'static str {
    match word {
        "real" | "passed" | "enforced" | "enforced-with-window" => "good",
        "unknown" => "unclear",
        "not-applicable" => "none",
        _ => "bad",
    }
}

fn write_step(step: &DiagnoseStep, out: &mut dyn Write) -> io::Result<()> {
    let open = match step.state.as_str() {
        "failed" | "unknown" => " open",
        _ => "",
    };
    writeln!(
        out,
        "<li><details{open}><summary><span class=\"{}\">{}</span> <b>{}</b> {}</summary>\n<p>{}</p>",
        class(&step.state),
        safe(&step.state),
        safe(&step.name),
        safe(&step.summary),
        safe(&step.question)
    )?;
    if !step.items.is_empty() {
        writeln!(out, "<ul>")?;
        for item in &step.items {
            write_item(item, out)?;
        }
        if step.more > 0 {
            writeln!(out, "<li>and {} more</li>", step.more)?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "</details></li>")
}

fn write_item(item: &DiagnoseItem, out: &mut dyn Write) -> io::Result<()> {
    let class = if item.cause { " class=\"cause\"" } else { "" };
    writeln!(out, "<li{class}>{}<dl>", safe(&item.text))?;
    for shown in &item.values {
        writeln!(out, "<dt>see</dt><dd>{}</dd>", safe(&value(shown)))?;
    }
    if let (Some(at), true) = (&item.place, item.values.is_empty()) {
        let id = item
            .id
            .as_ref()
            .map_or(String::new(), |id| format!(" {id}"));
        let place = format!("{}:{}:{}{id}", at.path, at.line, at.column);
        writeln!(out, "<dt>see</dt><dd>{}</dd>", safe(&place))?;
    }
    for evidence in &item.connections {
        let shown = format!(
            "{} {}: {}",
            connection(evidence),
            verdict(evidence),
            because(evidence)
        );
        writeln!(out, "<dt>see</dt><dd>{}</dd>", safe(&shown))?;
    }
    if let Some(advice) = item.advice.as_ref().filter(|_| item.cause) {
        writeln!(out, "<dt>do</dt><dd>{}</dd>", safe(advice))?;
    }
    writeln!(out, "</dl></li>")
}

fn engines(report: &DiagnoseReport, out: &mut dyn Write) -> io::Result<()> {
    if report.engines.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>Engines</h2>\n<table>")?;
    for engine in &report.engines {
        writeln!(
            out,
            "<tr><td class=\"{}\">{}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
            class(&engine.enforcement),
            safe(&engine.enforcement),
            safe(&engine_name(engine)),
            safe(&engine.runs_as),
            safe(&value(&engine.seen))
        )?;
    }
    writeln!(out, "</table>")
}

fn nodes(report: &DiagnoseReport, out: &mut dyn Write) -> io::Result<()> {
    if report.nodes.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>Nodes</h2>\n<table>")?;
    for node in &report.nodes {
        writeln!(
            out,
            "<tr><td class=\"{}\">{}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            class(&node.enforcement),
            safe(&node.enforcement),
            safe(&node.name),
            safe(node.pool.as_deref().unwrap_or_default()),
            safe(&node.kind),
            safe(&node.because)
        )?;
    }
    writeln!(out, "</table>")
}
