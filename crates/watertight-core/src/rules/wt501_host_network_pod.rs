//! A pod on the host network is outside all policies.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT501",
    name: "host-network-pod",
    severity: Severity::Warning,
    summary: "a pod on the host network is outside all policies",
    source: include_str!("wt501_host_network_pod.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
