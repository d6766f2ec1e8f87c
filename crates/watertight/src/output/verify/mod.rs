//! What `verify` prints.
//!
//! INVARIANT: a format says nothing that is not in the report, and a claim that is not enforced is told with its
//! reason.

mod junit;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, Write};

use watertight_core::report::VerifyReport;
use watertight_core::report::verify::VerifyClaim;

use crate::args::VerifyFormat;

/// Writes a report as a format.
pub(crate) fn render(
    report: &VerifyReport,
    format: VerifyFormat,
    color: bool,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        VerifyFormat::Text => text::render(report, color, width, out),
        VerifyFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)
        }
        VerifyFormat::Junit => junit::render(report, out),
    }
}

/// The node of the pod that a claim's policies select, which has to put them into effect.
fn policed<'r>(report: &'r VerifyReport, claim: &'r VerifyClaim) -> Option<&'r str> {
    if let Some(node) = claim.place.strip_prefix("node:") {
        return Some(node);
    }
    let pod = if claim.direction == "egress" {
        report.pods.get(claim.from)
    } else {
        // `heron by node b`: a node port leads to it.
        let name = claim.to.split(' ').next();
        report.pods.iter().find(|pod| Some(&*pod.name) == name)
    };
    pod?.node.as_deref()
}

/// `yarrow on b -> heron, tcp by cluster-ip`
fn connection(report: &VerifyReport, claim: &VerifyClaim) -> String {
    let from = report.pods.get(claim.from);
    let name = from.map_or("", |pod| &pod.name);
    let node = from.and_then(|pod| pod.node.as_ref());
    let node = node.map_or(String::new(), |node| format!(" on {node}"));
    let to = report.pods.iter().find(|pod| pod.name == claim.to);
    let to_node = to.and_then(|pod| pod.node.as_ref());
    let to_node = to_node.map_or(String::new(), |node| format!(" on {node}"));
    super::one_line(&format!(
        "{name}{node} -> {}{to_node}, {} {}",
        claim.to, claim.target, claim.path
    ))
}
