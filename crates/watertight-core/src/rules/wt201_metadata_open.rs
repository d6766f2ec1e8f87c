//! Pods can reach a cloud metadata service.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT201",
    name: "metadata-open",
    severity: Severity::Error,
    summary: "pods can reach a cloud metadata service",
    source: include_str!("wt201_metadata_open.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
