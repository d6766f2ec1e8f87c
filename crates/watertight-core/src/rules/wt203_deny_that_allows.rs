//! A policy that looks like a deny only allows.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT203",
    name: "deny-that-allows",
    severity: Severity::Warning,
    summary: "a policy that looks like a deny only allows",
    source: include_str!("wt203_deny_that_allows.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
