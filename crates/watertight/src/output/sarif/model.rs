//! The part of SARIF 2.1.0 that is written. Names are those of the standard.

use std::collections::BTreeMap;

use serde::Serialize;
use watertight_core::report;

#[derive(Serialize)]
pub(in crate::output) struct Log {
    #[serde(rename = "$schema")]
    pub(in crate::output) schema: &'static str,
    pub(in crate::output) version: &'static str,
    pub(in crate::output) runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Run {
    pub(in crate::output) tool: Tool,
    pub(in crate::output) invocations: [Invocation; 1],
    pub(in crate::output) column_kind: &'static str,
    pub(in crate::output) results: Vec<SarifResult>,
}

#[derive(Serialize)]
pub(in crate::output) struct Tool {
    pub(in crate::output) driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Driver {
    pub(in crate::output) name: String,
    pub(in crate::output) semantic_version: String,
    pub(in crate::output) rules: Vec<ReportingDescriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct ReportingDescriptor {
    pub(in crate::output) id: &'static str,
    pub(in crate::output) name: &'static str,
    pub(in crate::output) short_description: Text,
    pub(in crate::output) full_description: Text,
    pub(in crate::output) help: Multiformat,
    pub(in crate::output) default_configuration: Configuration,
    pub(in crate::output) properties: Properties,
}

#[derive(Serialize)]
pub(in crate::output) struct Multiformat {
    pub(in crate::output) text: String,
    pub(in crate::output) markdown: String,
}

#[derive(Serialize)]
pub(in crate::output) struct Configuration {
    pub(in crate::output) level: &'static str,
}

/// Properties that code scanning reads.
#[derive(Serialize)]
pub(in crate::output) struct Properties {
    #[serde(rename = "security-severity", skip_serializing_if = "Option::is_none")]
    pub(in crate::output) security_severity: Option<&'static str>,
    pub(in crate::output) tags: [&'static str; 3],
    pub(in crate::output) precision: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Invocation {
    pub(in crate::output) execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::output) tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
pub(in crate::output) struct Notification {
    pub(in crate::output) level: &'static str,
    pub(in crate::output) message: Text,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct SarifResult {
    pub(in crate::output) rule_id: &'static str,
    pub(in crate::output) rule_index: usize,
    pub(in crate::output) level: &'static str,
    pub(in crate::output) message: Text,
    pub(in crate::output) locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::output) related_locations: Vec<RelatedLocation>,
    pub(in crate::output) partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::output) suppressions: Vec<Suppression>,
}

#[derive(Serialize)]
pub(in crate::output) struct Text {
    text: String,
}

impl Text {
    pub(in crate::output) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Location {
    pub(in crate::output) physical_location: PhysicalLocation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct RelatedLocation {
    pub(in crate::output) id: usize,
    pub(in crate::output) physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::output) message: Option<Text>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct PhysicalLocation {
    pub(in crate::output) artifact_location: ArtifactLocation,
    pub(in crate::output) region: Region,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct ArtifactLocation {
    pub(in crate::output) uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::output) uri_base_id: Option<&'static str>,
}

/// Lines and columns from 1; the end column is the one behind the last character.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Region {
    start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<u32>,
}

impl Region {
    /// A whole line.
    pub(in crate::output) fn line(line: u32) -> Self {
        Self {
            start_line: line,
            start_column: None,
            end_line: None,
            end_column: None,
        }
    }

    /// An empty span has no end: readers would show nothing.
    pub(in crate::output) fn of(at: &report::Location) -> Self {
        let is_empty = (at.line, at.column) >= (at.end_line, at.end_column);
        Self {
            start_line: at.line,
            start_column: Some(at.column),
            end_line: (!is_empty).then_some(at.end_line),
            end_column: (!is_empty).then_some(at.end_column),
        }
    }
}

#[derive(Serialize)]
pub(in crate::output) struct Suppression {
    pub(in crate::output) kind: &'static str,
    pub(in crate::output) justification: String,
}
