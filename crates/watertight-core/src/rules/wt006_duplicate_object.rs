//! Two objects have one name.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static DUPLICATE_OBJECT: Rule = Rule {
    id: "WT006",
    name: "duplicate-object",
    severity: Severity::Error,
    summary: "two objects have one name",
    source: include_str!("wt006_duplicate_object.rs"),
    check: Check::Reading,
};
