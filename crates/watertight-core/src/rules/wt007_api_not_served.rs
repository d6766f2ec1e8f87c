//! An apiVersion that clusters no longer serve.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static NOT_SERVED: Rule = Rule {
    id: "WT007",
    name: "api-not-served",
    severity: Severity::Error,
    summary: "an apiVersion that clusters no longer serve",
    source: include_str!("wt007_api_not_served.rs"),
    check: Check::Reading,
};
