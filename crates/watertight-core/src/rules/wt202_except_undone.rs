//! Another rule allows what an except withholds.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT202",
    name: "except-undone",
    severity: Severity::Error,
    summary: "another rule allows what an except withholds",
    source: include_str!("wt202_except_undone.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
