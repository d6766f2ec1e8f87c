//! Isolated pods cannot resolve names.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT301",
    name: "dns-broken",
    severity: Severity::Error,
    summary: "isolated pods cannot resolve names",
    source: include_str!("wt301_dns_broken.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
