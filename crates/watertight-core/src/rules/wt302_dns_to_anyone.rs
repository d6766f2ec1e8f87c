//! Port 53 is open to every address.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT302",
    name: "dns-to-anyone",
    severity: Severity::Warning,
    summary: "port 53 is open to every address",
    source: include_str!("wt302_dns_to_anyone.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
