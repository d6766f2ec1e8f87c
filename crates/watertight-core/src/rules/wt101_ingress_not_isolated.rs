//! Pods accept connections from everywhere.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT101",
    name: "ingress-not-isolated",
    severity: Severity::Warning,
    summary: "pods accept connections from everywhere",
    source: include_str!("wt101_ingress_not_isolated.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
