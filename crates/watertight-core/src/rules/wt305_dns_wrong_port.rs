//! A DNS rule names a port on which the servers do not listen.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT305",
    name: "dns-wrong-port",
    severity: Severity::Error,
    summary: "a DNS rule names a port on which the servers do not listen",
    source: include_str!("wt305_dns_wrong_port.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
