//! An API server would refuse this object.
//!
//! ## What it finds
//! Values that the API does not accept: a port that is quoted, a CIDR without a prefix length, an
//! exception that does not lie inside its block, a misspelt policy type, an empty peer, a label value
//! that YAML reads as a number, a missing name. The finding names the field, and where only one
//! correction is possible it carries that as a fix. All faults of an object are reported, not the first
//! alone.
//!
//! Entries that look odd and are valid (`ingress: []`, two equal rules, a selector that matches
//! nothing) are not reported here.
//!
//! A CIDR in loose spelling, such as `10.0.0.5/24`, is an error for Kubernetes 1.36 and later and a
//! warning for earlier releases (`--k8s-version`, switch `strict_cidr`).
//!
//! ## Why it matters
//! The object never reaches the cluster, so it is left out of the analysis as well. A refused policy
//! protects nothing, often without anybody noticing: the pipeline that applies it fails on this one
//! object while the rest of the release goes out.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {canary: true}}
//!   ingress:
//!   - from:
//!     - ipBlock: {cidr: 10.0.0.7}
//!     ports:
//!     - {protocol: tcp, port: "80"}
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {canary: "true"}}
//!   ingress:
//!   - from:
//!     - ipBlock: {cidr: 10.0.0.7/32}
//!     ports:
//!     - {protocol: TCP, port: 80}
//! ```
//!
//! ## Semantics
//! - V-1 to V-26: what the API server refuses
//! - V-27, V-28: what it takes, however odd it looks
//! - K-32: a peer is an ipBlock or selectors, never both

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static INVALID: Rule = Rule {
    id: "WT003",
    name: "invalid-object",
    severity: Severity::Error,
    summary: "an API server would refuse this object",
    source: include_str!("wt003_invalid_object.rs"),
    check: Check::Reading,
};
