//! One side allows what the other side denies.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT407",
    name: "half-open",
    severity: Severity::Warning,
    summary: "one side allows what the other side denies",
    source: include_str!("wt407_half_open.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
