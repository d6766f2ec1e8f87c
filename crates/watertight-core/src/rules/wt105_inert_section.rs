//! Rules that policyTypes switches off.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT105",
    name: "inert-section",
    severity: Severity::Warning,
    summary: "rules that policyTypes switches off",
    source: include_str!("wt105_inert_section.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
