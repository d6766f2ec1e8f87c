//! A peer selects no pod.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT402",
    name: "peer-matches-nothing",
    severity: Severity::Warning,
    summary: "a peer selects no pod",
    source: include_str!("wt402_peer_matches_nothing.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
