//! A suppression gives no reason.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static NO_REASON: Rule = Rule {
    id: "WT011",
    name: "suppression-without-reason",
    severity: Severity::Error,
    summary: "a suppression gives no reason",
    source: include_str!("wt011_suppression_without_reason.rs"),
    check: Check::Suppression,
};
