//! A policy uses what the engine ignores.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT602",
    name: "feature-ignored",
    severity: Severity::Error,
    summary: "a policy uses what the engine ignores",
    source: include_str!("wt602_feature_ignored.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
