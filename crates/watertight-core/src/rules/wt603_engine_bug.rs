//! The engine's version has a known enforcement bug.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT603",
    name: "engine-bug",
    severity: Severity::Warning,
    summary: "the engine's version has a known enforcement bug",
    source: include_str!("wt603_engine_bug.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
