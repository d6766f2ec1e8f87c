//! Two peers where one was probably meant.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT405",
    name: "split-peer",
    severity: Severity::Warning,
    summary: "two peers where one was probably meant",
    source: include_str!("wt405_split_peer.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
