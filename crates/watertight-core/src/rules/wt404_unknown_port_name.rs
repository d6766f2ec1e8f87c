//! A named port that no pod has.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT404",
    name: "unknown-port-name",
    severity: Severity::Warning,
    summary: "a named port that no pod has",
    source: include_str!("wt404_unknown_port_name.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
