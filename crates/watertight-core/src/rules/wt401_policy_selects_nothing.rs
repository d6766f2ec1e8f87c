//! A policy selects no pod.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT401",
    name: "policy-selects-nothing",
    severity: Severity::Warning,
    summary: "a policy selects no pod",
    source: include_str!("wt401_policy_selects_nothing.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
