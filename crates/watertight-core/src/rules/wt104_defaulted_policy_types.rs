//! PolicyTypes is left to a default that surprises.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT104",
    name: "defaulted-policy-types",
    severity: Severity::Warning,
    summary: "policyTypes is left to a default that surprises",
    source: include_str!("wt104_defaulted_policy_types.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
