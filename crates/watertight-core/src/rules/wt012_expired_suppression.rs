//! A suppression is past its date.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static EXPIRED: Rule = Rule {
    id: "WT012",
    name: "expired-suppression",
    severity: Severity::Error,
    summary: "a suppression is past its date",
    source: include_str!("wt012_expired_suppression.rs"),
    check: Check::Suppression,
};
