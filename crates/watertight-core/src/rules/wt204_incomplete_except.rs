//! An except misses metadata addresses.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT204",
    name: "incomplete-except",
    severity: Severity::Warning,
    summary: "an except misses metadata addresses",
    source: include_str!("wt204_incomplete_except.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
