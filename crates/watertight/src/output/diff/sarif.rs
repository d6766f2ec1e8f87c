//! `-o sarif`: what a change does to connections, at the lines that do it, for code scanning.
//!
//! One result for each cause and kind of change, and the findings that the change introduces, under
//! the rules of `check`. What is settled is no result: code scanning takes every result for open.

use std::collections::BTreeMap;
use std::io::{self, Write};

use watertight_core::diag::Severity;
use watertight_core::report::Location as Place;
use watertight_core::report::diff::{DiffCause, DiffObject, DiffReport, ObservedChange};
use watertight_core::rules::{Rule, count};

use super::Rendering;
use super::rows::{self, Line, Names, Sign};
use super::words;
use crate::output::sarif::model::{
    Configuration, Driver, Invocation, Location, Log, Multiformat, Notification, PhysicalLocation,
    Properties, Region, RelatedLocation, ReportingDescriptor, Run, SarifResult, Text, Tool,
};
use crate::output::sarif::{Entry, artifact, descriptor, physical, result};
use crate::output::{harmless, shortened};

/// Rows that a message lists.
const MOST_ROWS: usize = 8;
/// Characters of a message.
const MOST_TEXT: usize = 2000;

/// A kind of change, as a rule.
struct Kind {
    id: &'static str,
    name: &'static str,
    level: &'static str,
    says: &'static str,
}

/// In the order of ids.
const KINDS: [Kind; 5] = [
    Kind {
        id: "diff/cut",
        name: "observed-connection-cut",
        level: "error",
        says: "a connection that was observed is no longer allowed",
    },
    Kind {
        id: "diff/narrowed",
        name: "connections-narrowed",
        level: "note",
        says: "connections are no longer allowed",
    },
    Kind {
        id: "diff/ports",
        name: "connections-other-ports",
        level: "warning",
        says: "connections are allowed on other ports than before",
    },
    Kind {
        id: "diff/uncertain",
        name: "connections-uncertain",
        level: "note",
        says: "connections are allowed or not, depending on what the input does not say",
    },
    Kind {
        id: "diff/widened",
        name: "connections-widened",
        level: "warning",
        says: "connections are newly allowed",
    },
];

fn kind_of(line: &Line) -> &'static str {
    match (line.sign, line.widens, line.narrows) {
        (Sign::Uncertain, ..) => "diff/uncertain",
        (_, true, false) => "diff/widened",
        (_, false, true) => "diff/narrowed",
        _ => "diff/ports",
    }
}

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &log(rendering))?;
    writeln!(out)
}

fn log(rendering: &Rendering<'_>) -> Log {
    let report = rendering.report;
    let [introduced, _] = words::findings(report);
    let used: BTreeMap<&str, &'static Rule> = introduced
        .iter()
        .filter_map(|finding| Some((finding.rule.as_str(), Rule::find(&finding.rule)?)))
        .collect();
    let rules: Vec<_> = KINDS
        .iter()
        .map(kind_descriptor)
        .chain(used.values().map(|rule| descriptor(rule)))
        .collect();
    let indices: BTreeMap<&str, usize> = rules.iter().map(|rule| rule.id).zip(0..).collect();
    let index = |id: &str| indices.get(id).copied().unwrap_or_default();
    let mut results = Vec::new();
    let names = Names::new(rendering.units);
    let fallback = fallback(report);
    let [cut, _] = words::by_outcome(report);
    results.extend(cut.iter().map(|observed| cut_result(observed, &index)));
    for cause in &report.causes {
        results.extend(of_cause(cause, &names, &fallback, &index));
    }
    for finding in introduced {
        let Some(rule) = used.get(finding.rule.as_str()) else {
            continue;
        };
        let severity = match finding.severity.as_str() {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            _ => Severity::Note,
        };
        let entry = Entry {
            finding,
            rule,
            severity,
            reason: None,
        };
        results.push(result(&entry, index(rule.id), &fallback));
    }
    let mut notifications = Vec::new();
    if !report.complete {
        let text = "some of the input could not be read or analysed, so results may be missing";
        notifications.push(Notification {
            level: "error",
            message: Text::new(text),
        });
    }
    Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: report.tool.name.clone(),
                    semantic_version: report.tool.version.clone(),
                    rules,
                },
            },
            invocations: [Invocation {
                execution_successful: report.complete,
                tool_execution_notifications: notifications,
            }],
            column_kind: "unicodeCodePoints",
            results,
        }],
    }
}

/// Code scanning wants a place for every result: for those without, the first one that there is.
fn fallback(report: &DiffReport) -> String {
    let of_causes = report.causes.iter().flat_map(|cause| &cause.objects);
    let of_causes = of_causes.filter_map(|object| object.new.as_ref().or(object.old.as_ref()));
    let [introduced, _] = words::findings(report);
    let of_findings = introduced.iter().flat_map(|found| &found.locations);
    let mut places = of_causes.chain(of_findings);
    places
        .next()
        .map_or_else(|| ".".into(), |at| at.path.clone())
}

/// An observed connection that would be cut, at the line that cuts it.
fn cut_result(observed: &ObservedChange, index: &impl Fn(&str) -> usize) -> SarifResult {
    let connection = words::observed(observed);
    let text = format!(
        "{connection} was seen {} and is no longer allowed\n\nafter: {}\nbefore: {}",
        words::times(observed.times),
        words::answer(&observed.new),
        words::answer(&observed.old)
    );
    let id = "diff/cut";
    SarifResult {
        rule_id: id,
        rule_index: index(id),
        level: "error",
        message: message(&text),
        locations: [Location {
            physical_location: physical(observed.new.by.as_ref().unwrap_or(&observed.seen)),
        }],
        related_locations: Vec::new(),
        partial_fingerprints: BTreeMap::from([("watertight/v1", format!("{id} {connection}"))]),
        suppressions: Vec::new(),
    }
}

/// Text that cannot be taken for a link.
fn message(text: &str) -> Text {
    Text::new(shortened(&harmless(text), MOST_TEXT).replace("](", "] ("))
}

fn of_cause(
    cause: &DiffCause,
    names: &Names<'_>,
    fallback: &str,
    index: &impl Fn(&str) -> usize,
) -> Vec<SarifResult> {
    let title = words::title(cause);
    let mut found: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for row in rows::rows(cause) {
        let line = names.line(row);
        let text = format!("{}: {}", line.ends(), line.told());
        found.entry(kind_of(&line)).or_default().push(text);
    }
    let edits = cause.objects.iter().flat_map(|object| &object.edits);
    let edited = edits.clone().find_map(|edit| edit.new.as_ref());
    let location = match (edited, cause.objects.first()) {
        (Some(value), _) => physical(&value.place),
        (None, Some(object)) => place(object),
        (None, None) => whole(fallback),
    };
    let kinds = KINDS.iter().filter_map(|kind| {
        let rows = found.get(kind.id)?;
        let mut text = format!("{title}: {}", kind.says);
        for row in rows.iter().take(MOST_ROWS) {
            text.push_str("\n- ");
            text.push_str(row);
        }
        let more = rows.len().saturating_sub(MOST_ROWS);
        if more > 0 {
            text.push_str(&format!("\n- ... and {}", count(more, "more row")));
        }
        Some(SarifResult {
            rule_id: kind.id,
            rule_index: index(kind.id),
            level: kind.level,
            message: message(&text),
            locations: [Location {
                physical_location: location.clone(),
            }],
            related_locations: related(cause),
            partial_fingerprints: BTreeMap::from([(
                "watertight/v1",
                format!("{} {title}", kind.id),
            )]),
            suppressions: Vec::new(),
        })
    });
    kinds.collect()
}

/// Where an object is; of one that is gone, the file that it was in.
fn place(object: &DiffObject) -> PhysicalLocation {
    match (&object.new, &object.old) {
        (Some(at), _) => physical(at),
        (None, Some(at)) => whole(&at.path),
        (None, None) => whole("."),
    }
}

fn whole(path: &str) -> PhysicalLocation {
    PhysicalLocation {
        artifact_location: artifact(path),
        region: Region::line(1),
    }
}

/// All parts that were edited.
fn related(cause: &DiffCause) -> Vec<RelatedLocation> {
    let edits = cause.objects.iter().flat_map(|object| &object.edits);
    let new = edits.filter_map(|edit| Some((words::edit(edit), &edit.new.as_ref()?.place)));
    let new: Vec<(String, &Place)> = new.take(MOST_ROWS).collect();
    new.into_iter()
        .zip(1..)
        .map(|((text, at), id)| RelatedLocation {
            id,
            physical_location: physical(at),
            message: Some(Text::new(text)),
        })
        .collect()
}

fn kind_descriptor(kind: &Kind) -> ReportingDescriptor {
    let mut says = kind.says.to_owned();
    if let Some(first) = says.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let help = format!("{says}. `watertight diff` tells which, and what decides them.");
    ReportingDescriptor {
        id: kind.id,
        name: kind.name,
        short_description: Text::new(says.clone()),
        full_description: Text::new(says),
        help: Multiformat {
            text: help.clone(),
            markdown: help,
        },
        default_configuration: Configuration { level: kind.level },
        properties: Properties {
            security_severity: None,
            tags: ["kubernetes", "networkpolicy", "change"],
            precision: "very-high",
        },
    }
}
