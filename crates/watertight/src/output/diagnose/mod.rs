//! What `diagnose` prints: the answer in the first line, then the six steps; as text, JSON and one HTML page.
//!
//! INVARIANT: a format says nothing that is not in the report.

mod html;
mod text;

use std::io::{self, Write};

use watertight_core::report::diagnose::{DiagnosedEngine, ObjectValue};
use watertight_core::report::{DiagnoseReport, Finding};
use watertight_core::rules::count;

use crate::args::DiagnoseFormat;

/// What objects show is not what packets do.
const CAVEAT: &str = "the API shows what should enforce policies; only packets prove what does: `watertight verify` sends them";

/// Writes a report as a format; colour, width, and whether to tell everything.
pub(crate) fn render(
    report: &DiagnoseReport,
    format: DiagnoseFormat,
    (color, width, verbose): (bool, usize, bool),
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        DiagnoseFormat::Text => text::render(report, color, width, verbose, out),
        DiagnoseFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)
        }
        DiagnoseFormat::Html => html::render(report, out),
    }
}

/// `the cluster: 14 pods; Cilium 1.19.2; 3 nodes; eks v1.36.2, read 2026-11-23T07:00:00Z`
fn about(report: &DiagnoseReport) -> String {
    let mut parts = vec![format!("{}: {}", report.target, count(report.pods, "pod"))];
    if let Some(engine) = report.engines.first() {
        parts.push(engine_name(engine));
    }
    if !report.nodes.is_empty() {
        parts.push(count(report.nodes.len(), "node"));
    }
    if let Some(cluster) = &report.cluster {
        let words = [&cluster.provider, &cluster.version].into_iter().flatten();
        let words: Vec<_> = words.map(String::as_str).collect();
        if !words.is_empty() {
            parts.push(words.join(" "));
        }
        if let Some(taken) = &cluster.taken {
            parts.push(format!("read {taken}"));
        }
    }
    parts.join("; ")
}

fn engine_name(engine: &DiagnosedEngine) -> String {
    match &engine.version {
        Some(version) => format!("{} {version}", engine.name),
        None => engine.name.clone(),
    }
}

/// `ConfigMap kube-system/cilium-config data.enable-policy: never (dump.yaml:5:18)`
fn value(value: &ObjectValue) -> String {
    let place = match &value.place {
        Some(at) => format!(" ({}:{}:{})", at.path, at.line, at.column),
        None => String::new(),
    };
    format!("{}, {}: {}{place}", value.object, value.field, value.value)
}

/// What could not be read, and where; a list that was refused has no place that helps.
fn problem_of(problem: &Finding) -> String {
    match problem
        .locations
        .first()
        .filter(|_| problem.rule != "WT013")
    {
        Some(at) => format!("{}:{}:{}: {}", at.path, at.line, at.column, problem.message),
        None => problem.message.clone(),
    }
}

/// Nodes that are not all right, by pool: `2 linux nodes of pool a: not-enforced`.
fn pools(report: &DiagnoseReport) -> Vec<String> {
    let pools = report.pools.iter().map(|pool| {
        let name = match pool.name.as_str() {
            "" => String::new(),
            name => format!(" of {name}"),
        };
        let kind = match pool.kind.as_str() {
            "linux" => String::new(),
            kind => format!("{kind} "),
        };
        let nodes = match pool.nodes {
            1 => format!("1 {kind}node"),
            more => format!("{more} {kind}nodes"),
        };
        format!("{nodes}{name}: {}", pool.enforcement)
    });
    pools.collect()
}
