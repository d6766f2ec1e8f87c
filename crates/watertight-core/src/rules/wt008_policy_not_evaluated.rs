//! A policy language that is not evaluated.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static NOT_EVALUATED: Rule = Rule {
    id: "WT008",
    name: "policy-not-evaluated",
    severity: Severity::Warning,
    summary: "a policy language that is not evaluated",
    source: include_str!("wt008_policy_not_evaluated.rs"),
    check: Check::Reading,
};
