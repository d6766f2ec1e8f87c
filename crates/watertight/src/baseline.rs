//! Baseline files: findings that were there when a team began, so that only new ones are reported.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::Value;
use watertight_core::diag::Finding;
use watertight_core::report::{API_VERSION, fingerprint};
use watertight_core::source::Sources;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'r> {
    api_version: &'static str,
    kind: &'static str,
    findings: Vec<Entry<'r>>,
}

#[derive(Serialize)]
struct Entry<'r> {
    fingerprint: String,
    rule: &'r str,
    message: &'r str,
}

const KIND: &str = "Baseline";

/// Writes findings.
pub(crate) fn write(path: &Path, sources: &Sources, findings: &[Finding]) -> anyhow::Result<()> {
    let file = File {
        api_version: API_VERSION,
        kind: KIND,
        findings: findings
            .iter()
            .map(|finding| Entry {
                fingerprint: fingerprint(sources, finding),
                rule: finding.rule.id,
                message: &finding.message,
            })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// The fingerprints of a baseline file, with how often each is there.
pub(crate) fn read(path: &Path) -> anyhow::Result<BTreeMap<String, usize>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`"))?;
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("`{shown}` is no baseline file"))?;
    if value.get("kind").and_then(Value::as_str) != Some(KIND) {
        bail!("`{shown}` is no baseline file: write one with --write-baseline");
    }
    let mut known = BTreeMap::new();
    let findings = value.get("findings").and_then(Value::as_array);
    for finding in findings.into_iter().flatten() {
        if let Some(fingerprint) = finding.get("fingerprint").and_then(Value::as_str) {
            *known.entry(fingerprint.to_owned()).or_default() += 1;
        }
    }
    Ok(known)
}
