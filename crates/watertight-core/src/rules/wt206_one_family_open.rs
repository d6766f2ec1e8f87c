//! One address family is closed while the other is open.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT206",
    name: "one-family-open",
    severity: Severity::Warning,
    summary: "one address family is closed while the other is open",
    source: include_str!("wt206_one_family_open.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
