//! The API server is allowed by its Service address or port.

use super::{Check, Context, Rule};
use crate::diag::{Finding, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT307",
    name: "api-server-by-service-address",
    severity: Severity::Error,
    summary: "the API server is allowed by its Service address or port",
    source: include_str!("wt307_api_server_by_service_address.rs"),
    check: Check::World(check),
};

fn check(_context: &Context<'_>, _findings: &mut Vec<Finding>) {}
