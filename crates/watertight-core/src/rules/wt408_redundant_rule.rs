//! Rules that add nothing.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT408",
    name: "redundant-rule",
    severity: Severity::Note,
    summary: "rules that add nothing",
    source: include_str!("wt408_redundant_rule.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
