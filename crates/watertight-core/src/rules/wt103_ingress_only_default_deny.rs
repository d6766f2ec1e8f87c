//! A default deny leaves egress open.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT103",
    name: "ingress-only-default-deny",
    severity: Severity::Warning,
    summary: "a default deny leaves egress open",
    source: include_str!("wt103_ingress_only_default_deny.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
