//! A namespace would admit pods on the host network.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT502",
    name: "host-network-admitted",
    severity: Severity::Note,
    summary: "a namespace would admit pods on the host network",
    source: include_str!("wt502_host_network_admitted.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
