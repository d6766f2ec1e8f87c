//! A block for the Internet covers private ranges, pods or nodes.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT205",
    name: "block-covers-private",
    severity: Severity::Warning,
    summary: "a block for the Internet covers private ranges, pods or nodes",
    source: include_str!("wt205_block_covers_private.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
