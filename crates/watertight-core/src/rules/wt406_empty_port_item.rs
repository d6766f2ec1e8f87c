//! An empty port item means all TCP ports only.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT406",
    name: "empty-port-item",
    severity: Severity::Warning,
    summary: "an empty port item means all TCP ports only",
    source: include_str!("wt406_empty_port_item.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
