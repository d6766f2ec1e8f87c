//! A suppression suppresses nothing.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static UNUSED: Rule = Rule {
    id: "WT010",
    name: "unused-suppression",
    severity: Severity::Warning,
    summary: "a suppression suppresses nothing",
    source: include_str!("wt010_unused_suppression.rs"),
    check: Check::Suppression,
};
