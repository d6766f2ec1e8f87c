//! A document exceeds a limit against hostile input.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static LIMIT: Rule = Rule {
    id: "WT002",
    name: "input-limit",
    severity: Severity::Error,
    summary: "a document exceeds a limit against hostile input",
    source: include_str!("wt002_input_limit.rs"),
    check: Check::Reading,
};
