//! A DNS rule by label cannot match DNS on the host network.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT304",
    name: "dns-on-host-network",
    severity: Severity::Warning,
    summary: "a DNS rule by label cannot match DNS on the host network",
    source: include_str!("wt304_dns_on_host_network.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
