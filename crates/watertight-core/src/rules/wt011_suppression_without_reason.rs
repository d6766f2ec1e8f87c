//! A suppression gives no reason.
//!
//! ## What it finds
//! Comments, annotations and entries of `.watertight.yaml` that name a rule and say nothing on why.
//! Such a suppression does not count: the finding it was meant for is reported as well.
//!
//! ## Why it matters
//! A suppression is a decision to live with a hole. Whoever reviews it in a year has to know what
//! was weighed, and by then nobody remembers.
//!
//! ## Example
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: broker
//!   namespace: shop
//!   annotations:
//!     ignore.watertight.dev/wt201: ""
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: broker
//!   namespace: shop
//!   annotations:
//!     ignore.watertight.dev/wt201: "hands out credentials, reads them from the metadata service"
//! ```
//! On a line, the reason stands behind the bracket:
//! `# watertight: ignore[WT205] the office network`.
//!
//! ## Semantics
//! - none: this is about the suppression, not about the policy

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static NO_REASON: Rule = Rule {
    id: "WT011",
    name: "suppression-without-reason",
    severity: Severity::Error,
    summary: "a suppression gives no reason",
    source: include_str!("wt011_suppression_without_reason.rs"),
    check: Check::Suppression,
};
