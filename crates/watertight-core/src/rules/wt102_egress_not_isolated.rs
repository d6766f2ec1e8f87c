//! Pods may connect to everywhere.
//!
//! ## What it finds
//! Namespaces in which no policy isolates the pods for egress, and single workloads that the
//! policies of their namespace leave out. One finding a namespace; it says whether the namespace
//! has no policy, has policies for ingress only, has policies that select no pod, or has policies
//! that miss some pods.
//!
//! A policy counts by what it does. An empty `podSelector` with `policyTypes: [Egress]` and no
//! rules is protection, the strictest there is. A policy for the other direction is none, and
//! neither is one that selects no pod. Where a default deny exists and merely lacks `Egress`, the
//! finding is short, since WT103 or WT104 tells what to change. Namespaces without pods are left
//! alone. The namespaces that come with a cluster (`kube-system`, `openshift-*` and the like) are
//! summed up in one note.
//!
//! Policies of other languages count as well, and so do their rules that deny everybody: pods are
//! open only if somebody whom nobody names gets through. Where such rules deny pods only, or
//! addresses outside only, the finding is a note.
//!
//! ## Why it matters
//! A pod that no policy selects for egress can send what it knows to any address, and can fetch
//! its node's credentials from the metadata service of the cloud.
//!
//! ## Example
//! ```yaml
//! # The only policy of the namespace: its pods can still connect to everything.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {}
//!   ingress:
//!   - ports: [{port: 8080}]
//! ```
//!
//! ## Instead
//! ```yaml
//! # Add a default deny for egress, and DNS, which everything else needs.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: egress, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Egress]
//!   egress:
//!   - to:
//!     - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
//!       podSelector: {matchLabels: {k8s-app: kube-dns}}
//!     ports: [{port: 53, protocol: UDP}, {port: 53}]
//! ```
//!
//! ## Semantics
//! - K-6: a pod that no policy selects for a direction is open in it
//! - K-7: a policy isolates the pods it selects, in the directions of its policyTypes
//! - K-12: isolation for one direction says nothing about the other

use super::{Check, Context, Rule, not_isolated};
use crate::diag::{Finding, Severity};
use crate::manifest::Direction;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT102",
    name: "egress-not-isolated",
    severity: Severity::Warning,
    summary: "pods may connect to everywhere",
    source: include_str!("wt102_egress_not_isolated.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    not_isolated::check(context, findings, &RULE, Direction::Egress);
}

#[cfg(test)]
mod tests;
