//! A suppression is past its date.
//!
//! ## What it finds
//! Entries of `.watertight.yaml` whose `expires` lies in the past. The date is the last day on
//! which the entry counts; from the next day on its findings are reported again, beside this one.
//!
//! ## Why it matters
//! A date on a suppression is a promise to fix something by then. The run that breaks it is the
//! reminder.
//!
//! ## Example
//! ```yaml
//! suppressions:
//! - rule: WT101
//!   namespaces: [legacy]
//!   reason: legacy moves to its own cluster in January
//!   expires: 2020-01-31
//! ```
//!
//! ## Instead
//! Fix what was suppressed and remove the entry, or decide again and say until when:
//! ```yaml
//! suppressions:
//! - rule: WT101
//!   namespaces: [legacy]
//!   reason: the move was put off, see the plan of the platform team
//!   expires: 2030-06-30
//! ```
//!
//! ## Semantics
//! - none: this is about the suppression, not about the policy

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
