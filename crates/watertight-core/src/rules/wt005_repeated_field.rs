//! A field is given twice.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static REPEATED_FIELD: Rule = Rule {
    id: "WT005",
    name: "repeated-field",
    severity: Severity::Error,
    summary: "a field is given twice",
    source: include_str!("wt005_repeated_field.rs"),
    check: Check::Reading,
};
