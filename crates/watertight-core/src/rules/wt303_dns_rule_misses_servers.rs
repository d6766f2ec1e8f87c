//! A DNS rule matches no DNS server of this cluster.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT303",
    name: "dns-rule-misses-servers",
    severity: Severity::Warning,
    summary: "a DNS rule matches no DNS server of this cluster",
    source: include_str!("wt303_dns_rule_misses_servers.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
