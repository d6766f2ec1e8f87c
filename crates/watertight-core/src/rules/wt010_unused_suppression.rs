//! A suppression suppresses nothing.
//!
//! ## What it finds
//! Suppressions that no finding of this run matches, and suppressions of a rule that does not
//! exist. It looks at all three places: comments (`# watertight: ignore[WT201] reason`, at the end
//! of a line or on the line above), annotations (`ignore.watertight.dev/wt201: "reason"`) and
//! entries of `.watertight.yaml`. A suppression of a rule that did not run (`--select`, `--ignore`)
//! is not counted as unused.
//!
//! ## Why it matters
//! The finding was settled, moved to another line or never was the one that was meant. A
//! suppression that stays behind will hide the next finding that happens to match it, for a reason
//! that was given for something else.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata:
//!   name: default-deny
//!   namespace: shop
//!   annotations:
//!     ignore.watertight.dev/wt201: "the broker needs the metadata service"
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress, Egress]   # nothing is open any more
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: default-deny, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress, Egress]
//! ```
//!
//! ## Semantics
//! - none: this is about the suppression, not about the policy

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static UNUSED: Rule = Rule {
    id: "WT010",
    name: "unused-suppression",
    severity: Severity::Warning,
    summary: "a suppression suppresses nothing",
    source: include_str!("wt010_unused_suppression.rs"),
    check: Check::Suppression,
};
