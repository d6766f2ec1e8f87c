//! What has to be refused, and what has to be told.
//!
//! The note of a case names the complaint of the tool that it comes from. INVARIANT: a complaint that
//! is known here must be met by a finding about the same thing; any refusal will do for the others.

use std::path::Path;

use watertight_core::check::{CheckOptions, Checked, check};

use super::manifests::{assume, read, switches};

/// A complaint, and the rules of docs/semantics.md one of which a refusal has to cite.
const REFUSALS: &[(&str, &[&str])] = &[
    ("CidrErrTitle", &["V-14", "V-15", "V-17", "V-18", "V-19"]),
    (
        "SelectorErrTitle",
        &["V-21", "V-22", "V-23", "V-24", "V-25", "V-26"],
    ),
    ("CombinedRulePeerErrStr", &["V-16"]),
    ("EmptyRulePeerErrStr", &["V-13"]),
    ("EndPortWithNamedPortErrStr", &["V-8"]),
    ("IllegalPortRangeError", &["V-10"]),
];

/// A complaint, and the finding that has to be there.
const WARNINGS: &[(&str, Told)] = &[
    ("WrongStartCharacterErr", Told::Rule("WT001")),
    ("NoK8sNetworkPolicyResourcesFound", Told::Rule("WT101")),
    ("UnmarshalErr", Told::NoObject),
];

enum Told {
    /// A finding of this rule.
    Rule(&'static str),
    /// Documents that are counted as no objects.
    NoObject,
}

/// Reading has to leave something out.
pub(super) fn refused(manifests: &Path, complaint: &str) -> anyhow::Result<Vec<String>> {
    let checked = checked(manifests)?;
    if checked.is_complete() {
        return Ok(vec![
            "expected a refusal, but everything is accepted".to_owned(),
        ]);
    }
    let Some((_, ids)) = REFUSALS.iter().find(|(name, _)| complaint.contains(name)) else {
        return Ok(Vec::new());
    };
    let mut refusals = checked.findings.iter().filter(|finding| finding.incomplete);
    if refusals.any(|finding| finding.why.iter().any(|id| ids.contains(id))) {
        return Ok(Vec::new());
    }
    let ids = ids.join(" or ");
    Ok(vec![format!(
        "expected a refusal by {ids}, but others are cited"
    )])
}

/// Something has to be said about what was read.
pub(super) fn warned(manifests: &Path, complaint: &str) -> anyhow::Result<Vec<String>> {
    let checked = checked(manifests)?;
    let told = WARNINGS.iter().find(|(name, _)| complaint.contains(name));
    let (met, what) = match told {
        Some((_, Told::Rule(id))) => {
            let met = checked
                .findings
                .iter()
                .any(|finding| finding.rule.id == *id);
            (met, format!("a finding of {id}"))
        }
        Some((_, Told::NoObject)) => (
            checked.not_objects > 0,
            "a document that is no object".to_owned(),
        ),
        None => (!checked.findings.is_empty(), "a finding".to_owned()),
    };
    Ok(match met {
        true => Vec::new(),
        false => vec![format!("expected {what}, but there is none")],
    })
}

fn checked(manifests: &Path) -> anyhow::Result<Checked> {
    let mut options = CheckOptions {
        assume: assume(),
        ..CheckOptions::default()
    };
    options.profile.switches = switches();
    Ok(check(&read(manifests)?, &options))
}
