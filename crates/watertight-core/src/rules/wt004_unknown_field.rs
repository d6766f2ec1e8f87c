//! A field that the API does not know is dropped.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static UNKNOWN_FIELD: Rule = Rule {
    id: "WT004",
    name: "unknown-field",
    severity: Severity::Error,
    summary: "a field that the API does not know is dropped",
    source: include_str!("wt004_unknown_field.rs"),
    check: Check::Reading,
};
