//! The API server is allowed by labels, which never match it.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT306",
    name: "api-server-by-label",
    severity: Severity::Error,
    summary: "the API server is allowed by labels, which never match it",
    source: include_str!("wt306_api_server_by_label.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
