//! An API server would refuse this object.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static INVALID: Rule = Rule {
    id: "WT003",
    name: "invalid-object",
    severity: Severity::Error,
    summary: "an API server would refuse this object",
    source: include_str!("wt003_invalid_object.rs"),
    check: Check::Reading,
};
