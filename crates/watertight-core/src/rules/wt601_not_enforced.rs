//! The network engine does not enforce policies.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT601",
    name: "not-enforced",
    severity: Severity::Error,
    summary: "the network engine does not enforce policies",
    source: include_str!("wt601_not_enforced.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
