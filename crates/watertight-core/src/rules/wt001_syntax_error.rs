//! A document is no valid YAML or JSON.
//!
//! ## What it finds
//! Documents that cannot be read at all: an unclosed bracket, a tab as indentation, a string without an
//! end, a template that was never rendered. The finding points at the character where reading stopped;
//! the cause may be a line or two above it.
//!
//! A broken document hides no other. The documents before and behind it in the file, the other items of
//! a List and all other files are read and judged.
//!
//! ## Why it matters
//! Nothing in the document is part of the answer. If it holds a policy, the findings and the table show
//! a cluster without that policy, so the run counts as incomplete and ends with exit code 2.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}
//!   policyTypes: [Ingress]
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   policyTypes: [Ingress]
//! ```
//! Charts and overlays are no manifests: pipe in what `helm template` or `kustomize build` print, or
//! leave their directories out with `--exclude`.
//!
//! ## Semantics
//! - section 2: how YAML is read

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static SYNTAX: Rule = Rule {
    id: "WT001",
    name: "syntax-error",
    severity: Severity::Error,
    summary: "a document is no valid YAML or JSON",
    source: include_str!("wt001_syntax_error.rs"),
    check: Check::Reading,
};
