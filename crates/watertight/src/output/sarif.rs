//! `-o sarif`: SARIF 2.1.0 as GitHub's code scanning reads it.
//!
//! INVARIANT: every result has a location, a rule that the run lists, and a fingerprint that does
//! not depend on lines; the limits of code scanning are kept, and a cut is told.

pub(super) mod model;

use std::collections::BTreeMap;
use std::io::{self, Write};

use watertight_core::diag;
use watertight_core::report::{self, Finding};
use watertight_core::rules::{Check, Rule};
use watertight_core::source::without_revision;

use super::{Rendering, because, connection, harmless, shortened, verdict};
use model::{
    ArtifactLocation, Configuration, Driver, Invocation, Location, Log, Multiformat, Notification,
    PhysicalLocation, Properties, Region, RelatedLocation, ReportingDescriptor, Run, SarifResult,
    Suppression, Text, Tool,
};

/// What code scanning accepts in one run.
const MAX_RESULTS: usize = 25_000;
const MAX_RELATED: usize = 100;
/// Characters of a message and of a description of a rule.
const MAX_TEXT: usize = 1000;

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &log(rendering, MAX_RESULTS))?;
    writeln!(out)
}

/// A finding with the reason to suppress it, if it is suppressed.
pub(super) struct Entry<'a> {
    pub(super) finding: &'a Finding,
    pub(super) rule: &'static Rule,
    pub(super) severity: diag::Severity,
    pub(super) reason: Option<&'a str>,
}

fn log(rendering: &Rendering<'_>, limit: usize) -> Log {
    let (report, checked) = (rendering.report, rendering.checked);
    let open = rendering.findings().iter().zip(&checked.findings);
    let open = open.map(|(finding, found)| (finding, found, None));
    let suppressed = report.suppressed.iter().zip(&checked.suppressed);
    let suppressed =
        suppressed.map(|(said, found)| (&said.finding, &found.finding, Some(said.reason.as_str())));
    let mut entries: Vec<_> = open
        .chain(suppressed)
        .map(|(finding, found, reason)| Entry {
            finding,
            rule: found.rule,
            severity: found.severity,
            reason,
        })
        .collect();
    let mut notifications = Vec::new();
    if !report.summary.complete {
        let text = "some of the input could not be read or analysed, so results may be missing";
        notifications.push(Notification {
            level: "error",
            message: Text::new(text),
        });
    }
    if let Some(cut @ 1..) = entries.len().checked_sub(limit) {
        // The sort is stable: within a severity the first places stay.
        entries.sort_by_key(|entry| (entry.reason.is_some(), std::cmp::Reverse(entry.severity)));
        entries.truncate(limit);
        let text =
            format!("{cut} results of the lowest severity are left out: a run can have {limit}");
        notifications.push(Notification {
            level: "warning",
            message: Text::new(text),
        });
    }
    let used: BTreeMap<&str, &Rule> = entries
        .iter()
        .map(|entry| (entry.rule.id, entry.rule))
        .collect();
    let indices: BTreeMap<&str, usize> = used.keys().copied().zip(0..).collect();
    let fallback = fallback(rendering);
    let results = entries
        .iter()
        .map(|entry| {
            let index = indices.get(entry.rule.id).copied().unwrap_or_default();
            result(entry, index, &fallback)
        })
        .collect();
    let driver = Driver {
        name: report.tool.name.clone(),
        semantic_version: report.tool.version.clone(),
        rules: used.values().map(|rule| descriptor(rule)).collect(),
    };
    Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool { driver },
            invocations: [Invocation {
                execution_successful: report.summary.complete,
                tool_execution_notifications: notifications,
            }],
            column_kind: "unicodeCodePoints",
            results,
        }],
    }
}

/// Code scanning wants a place for every result: for those without, a file of this run.
fn fallback(rendering: &Rendering<'_>) -> String {
    let mut placed = rendering
        .findings()
        .iter()
        .filter_map(|found| found.locations.first());
    let first_file = || {
        rendering
            .sources
            .iter()
            .next()
            .map(|(_, file)| file.name().to_owned())
    };
    placed
        .next()
        .map(|at| at.path.clone())
        .or_else(first_file)
        .unwrap_or_else(|| ".".into())
}

pub(super) fn result(entry: &Entry<'_>, rule_index: usize, fallback: &str) -> SarifResult {
    let finding = entry.finding;
    let location = match finding.locations.first() {
        Some(at) => physical(at),
        None => PhysicalLocation {
            artifact_location: artifact(fallback),
            region: Region::line(1),
        },
    };
    let labels = finding
        .locations
        .iter()
        .skip(1)
        .map(|at| (at, at.label.clone()));
    let deciding = finding.evidence.iter().filter_map(|evidence| {
        let by = evidence.by.as_ref()?;
        Some((by, format!("decides {}", connection(evidence))))
    });
    let related: Vec<_> = labels.chain(deciding).take(MAX_RELATED).collect();
    // The place that decides the first proof, for a link in the message.
    let deciding = finding
        .evidence
        .first()
        .and_then(|evidence| evidence.by.as_ref());
    let link = deciding.map(|_| finding.locations.len().saturating_sub(1) + 1);
    SarifResult {
        rule_id: entry.rule.id,
        rule_index,
        level: entry.severity.word(),
        message: Text::new(message(finding, link.filter(|id| *id <= related.len()))),
        locations: [Location {
            physical_location: location,
        }],
        related_locations: related
            .iter()
            .zip(1..)
            .map(|((at, text), id)| RelatedLocation {
                id,
                physical_location: physical(at),
                message: (!text.is_empty()).then(|| Text::new(shortened(text, MAX_TEXT))),
            })
            .collect(),
        partial_fingerprints: BTreeMap::from([("watertight/v1", finding.fingerprint.clone())]),
        suppressions: entry
            .reason
            .map(|reason| Suppression {
                // All three places of suppressions are files beside the manifests.
                kind: "inSource",
                justification: reason.to_owned(),
            })
            .into_iter()
            .collect(),
    }
}

/// What is wrong, the first proof (with a link to the line that decides) and the way out.
fn message(finding: &Finding, link: Option<usize>) -> String {
    // `](` would start a link.
    let plain = |text: &str| harmless(&shortened(text, MAX_TEXT)).replace("](", "] (");
    let mut text = plain(&finding.message);
    if let Some(evidence) = finding.evidence.first() {
        let because = match (&evidence.by, link) {
            (Some(by), Some(id)) => {
                let path = by.path.replace(['[', ']', '\\'], "_");
                format!("{} ([{path}:{}]({id}))", plain(&evidence.because), by.line)
            }
            _ => plain(&because(evidence)),
        };
        let connection = plain(&connection(evidence));
        text.push_str(&format!(
            "\n\nevidence: {connection} {}: {because}",
            verdict(evidence)
        ));
    }
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("\n\nhelp: {}", plain(&fix.message)));
    }
    text
}

pub(super) fn physical(at: &report::Location) -> PhysicalLocation {
    PhysicalLocation {
        artifact_location: artifact(&at.path),
        region: Region::of(at),
    }
}

pub(super) fn artifact(path: &str) -> ArtifactLocation {
    let (uri, absolute) = uri(without_revision(path));
    ArtifactLocation {
        uri,
        uri_base_id: (!absolute).then_some("%SRCROOT%"),
    }
}

/// A path as a URI reference, and whether it is absolute.
fn uri(path: &str) -> (String, bool) {
    let path = if std::path::MAIN_SEPARATOR == '\\' {
        path.replace('\\', "/")
    } else {
        path.to_owned()
    };
    let absolute = std::path::Path::new(&path).is_absolute();
    let path = path.strip_prefix("./").unwrap_or(&path);
    let mut uri = String::with_capacity(path.len());
    if absolute {
        uri.push_str(if path.starts_with('/') {
            "file://"
        } else {
            "file:///"
        });
    }
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    (uri, absolute)
}

pub(super) fn descriptor(rule: &Rule) -> ReportingDescriptor {
    let documentation = rule.documentation();
    // Findings of reading and of suppressions are about files, not about what is open.
    let security = matches!(rule.check, Check::World(_));
    let topic = if security { "security" } else { "correctness" };
    ReportingDescriptor {
        id: rule.id,
        name: rule.name,
        short_description: Text::new(rule.summary),
        full_description: Text::new(shortened(&explanation(rule, &documentation), MAX_TEXT)),
        help: Multiformat {
            text: documentation.clone(),
            markdown: documentation,
        },
        default_configuration: Configuration {
            level: rule.severity.word(),
        },
        properties: Properties {
            security_severity: security.then_some(match rule.severity {
                diag::Severity::Error => "8.0",
                diag::Severity::Warning => "5.0",
                diag::Severity::Note => "2.0",
            }),
            tags: [topic, "kubernetes", "network-policy"],
            precision: "high",
        },
    }
}

/// The first paragraph that explains a rule, or its summary.
fn explanation(rule: &Rule, documentation: &str) -> String {
    let section = documentation
        .split_once("## What it finds\n")
        .map_or("", |(_, rest)| rest);
    let lines = section.lines().skip_while(|line| line.trim().is_empty());
    let paragraph: Vec<_> = lines
        .take_while(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .collect();
    if paragraph.is_empty() {
        rule.summary.to_owned()
    } else {
        paragraph.join(" ")
    }
}

#[cfg(test)]
mod tests;
