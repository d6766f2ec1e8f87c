//! Pods accept connections from everywhere.
//!
//! ## What it finds
//! Namespaces in which no policy isolates the pods for ingress, and single workloads that the
//! policies of their namespace leave out. One finding a namespace; it says whether the namespace
//! has no policy, has policies for egress only, has policies that select no pod, or has policies
//! that miss some pods.
//!
//! A policy counts by what it does. An empty `podSelector` without rules is protection, the
//! strictest there is, and so is a policy that selects by `matchExpressions`. A policy for the
//! other direction is none, and neither is one that selects no pod. Namespaces without pods are
//! left alone. The namespaces that come with a cluster (`kube-system`, `openshift-*` and the like)
//! are summed up in one note.
//!
//! Policies of other languages count as well, and so do their rules that deny everybody: pods are
//! open only if somebody whom nobody names gets through. Where such rules deny pods only, or
//! addresses outside only, the finding is a note.
//!
//! ## Why it matters
//! A pod that no policy selects for ingress accepts connections from every pod of every namespace
//! and from every address that is routed to it.
//!
//! ## Example
//! ```yaml
//! # The only policy of the namespace: nothing limits who connects to its pods.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: no-egress, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Egress]
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
//! - K-6: a pod that no policy selects for a direction is open in it
//! - K-7: a policy isolates the pods it selects, in the directions of its policyTypes
//! - K-12: isolation for one direction says nothing about the other

use super::{Check, Context, Rule, not_isolated};
use crate::diag::{Finding, Severity};
use crate::manifest::Direction;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT101",
    name: "ingress-not-isolated",
    severity: Severity::Warning,
    summary: "pods accept connections from everywhere",
    source: include_str!("wt101_ingress_not_isolated.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    not_isolated::check(context, findings, &RULE, Direction::Ingress);
}

#[cfg(test)]
mod tests;
