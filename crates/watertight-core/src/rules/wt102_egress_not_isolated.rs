//! Pods may connect to everywhere.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT102",
    name: "egress-not-isolated",
    severity: Severity::Warning,
    summary: "pods may connect to everywhere",
    source: include_str!("wt102_egress_not_isolated.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
