//! A namespaceSelector uses a label that no namespace has.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT403",
    name: "namespace-label-unset",
    severity: Severity::Warning,
    summary: "a namespaceSelector uses a label that no namespace has",
    source: include_str!("wt403_namespace_label_unset.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
