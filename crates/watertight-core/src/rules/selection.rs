//! What selectors select and what they nearly select, for the rules about selectors and ports.
//!
//! Every distinct selector is evaluated once: rules ask for the same peers again and again.
//!
//! INVARIANT: members are those of the evaluator, in its order; nothing here has a reading of
//! selectors of its own.

pub(super) mod edits;
mod index;
pub(super) mod near_miss;
pub(super) mod sample;

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::Context;
use crate::manifest::Direction;
use crate::policy::{EndpointSelector, NamespaceScope, PolicyRef};
use crate::sets::{LabelSelector, Operator, PortMatch, Requirement};
use crate::world::{EndpointId, Lifecycle, NAME_LABEL, NamespaceId, PolicyId, WorkloadId};

pub(super) use index::Index;

/// Evaluated selectors, which all rules share.
#[derive(Clone, Copy)]
pub(super) struct Selection<'c> {
    pub context: &'c Context<'c>,
}

/// One selector peer of a rule that is in force.
#[derive(Clone, Copy)]
pub(super) struct PeerAt<'c> {
    pub policy: PolicyId,
    pub at: PolicyRef,
    pub rule: &'c crate::policy::Rule,
    pub selector: &'c EndpointSelector,
    pub span: crate::source::Span,
}

impl<'c> Selection<'c> {
    pub(super) fn new(context: &'c Context<'c>) -> Self {
        Self { context }
    }

    fn index(&self) -> &'c Index {
        self.context.selectors()
    }

    /// The namespaces of a scope.
    pub(super) fn namespaces(&self, scope: &NamespaceScope) -> Arc<[NamespaceId]> {
        self.index().namespaces(self.context.world, scope)
    }

    /// Whether a selector selects anybody.
    pub(super) fn has_members(&self, selector: &EndpointSelector) -> bool {
        self.index().has_members(self.context.eval, selector)
    }

    /// The endpoints of a selector.
    pub(super) fn members(&self, selector: &EndpointSelector) -> Arc<[EndpointId]> {
        self.index().members(self.context.eval, selector)
    }

    /// The first endpoints of a selector, as many as are wanted if there are.
    pub(super) fn first_members(
        &self,
        selector: &EndpointSelector,
        wanted: usize,
    ) -> Vec<EndpointId> {
        self.index()
            .first_members(self.context.eval, selector, wanted)
    }

    /// One pod of each workload that a selector selects, assumed ones left out; none if there are
    /// more than a few.
    pub(super) fn few_workloads(&self, selector: &EndpointSelector) -> Option<Arc<[EndpointId]>> {
        self.index().few_workloads(self.context, selector)
    }

    /// One pod that was read and that selectors can match for each workload of a namespace.
    pub(super) fn workloads(&self, namespace: NamespaceId) -> Arc<[EndpointId]> {
        self.index().workloads(self.context, namespace)
    }

    /// The pods that were read among those that a policy applies to.
    pub(super) fn subjects(&self, at: PolicyRef) -> impl Iterator<Item = EndpointId> + use<'c> {
        let context = self.context;
        let subjects = context.eval.subjects_of(at).iter().copied();
        subjects.filter(|id| !context.world[*id].assumed)
    }

    /// The selector peers of all policies that apply to a pod.
    pub(super) fn peers(&self) -> Vec<PeerAt<'c>> {
        let context = self.context;
        let mut found = Vec::new();
        for &(policy, at) in policies_in_force(context) {
            for rule in &context.eval.ruleset[at].rules {
                for peer in &rule.peers {
                    if let crate::policy::Peer::Endpoints(selector, span) = peer {
                        found.push(PeerAt {
                            policy,
                            at,
                            rule,
                            selector,
                            span: *span,
                        });
                    }
                }
            }
        }
        found
    }
}

/// The policies that apply to a pod that was read, in each direction in which they act.
pub(super) fn policies_in_force<'c>(context: &'c Context<'_>) -> &'c [(PolicyId, PolicyRef)] {
    context.in_force()
}

/// Finds [`policies_in_force`].
pub(super) fn find_in_force(context: &Context<'_>) -> Vec<(PolicyId, PolicyRef)> {
    let mut found = Vec::new();
    for policy in context.world.policy_ids() {
        for direction in Direction::BOTH {
            let Some(at) = context.policy_ref(policy, direction) else {
                continue;
            };
            let mut subjects = context.eval.subjects_of(at).iter();
            if subjects.any(|id| !context.world[*id].assumed) {
                found.push((policy, at));
            }
        }
    }
    found
}

/// The first endpoint of each workload, and every pod without one.
pub(super) fn one_of_each(
    context: &Context<'_>,
    endpoints: impl IntoIterator<Item = EndpointId>,
) -> Vec<EndpointId> {
    let mut seen: FxHashSet<WorkloadId> = FxHashSet::default();
    endpoints
        .into_iter()
        .filter(|id| context.world[*id].workload.is_none_or(|id| seen.insert(id)))
        .collect()
}

/// The number of workloads (and pods without one) among endpoints.
pub(super) fn count_workloads(
    context: &Context<'_>,
    endpoints: impl IntoIterator<Item = EndpointId>,
) -> usize {
    one_of_each(context, endpoints).len()
}

/// The names by which a selector asks for namespaces (K-36).
pub(super) fn names_asked(selector: &LabelSelector) -> Option<&[Box<str>]> {
    selector.requirements.iter().find_map(|requirement| {
        let Operator::In(values) = &requirement.operator else {
            return None;
        };
        (*requirement.key == *NAME_LABEL).then_some(values.as_slice())
    })
}

/// Whether traffic is that of DNS: another rule speaks of it (WT303).
pub(super) fn is_dns(traffic: &[PortMatch]) -> bool {
    traffic.iter().any(|item| match item {
        PortMatch::Range { first, last, .. } => first == last && matches!(first, 53 | 5353),
        PortMatch::Named { name, .. } => name.starts_with("dns"),
        _ => false,
    })
}

/// Whether labels are those of the API server: another rule speaks of it (WT306).
pub(super) fn is_api_server(selector: &LabelSelector) -> bool {
    selector.requirements.iter().any(|requirement| {
        let Operator::In(values) = &requirement.operator else {
            return false;
        };
        values
            .iter()
            .any(|value| matches!(&**value, "kube-apiserver" | "openshift-kube-apiserver"))
    })
}

/// Pods with fitting labels that selectors pass over: on the host network (K-72), or without an
/// address (K-33, K-86).
pub(super) fn passed_over(
    context: &Context<'_>,
    namespaces: &[NamespaceId],
    pods: &LabelSelector,
) -> Vec<EndpointId> {
    let world = context.world;
    let endpoints = namespaces.iter().flat_map(|id| &world[*id].endpoints);
    endpoints
        .copied()
        .filter(|id| !context.eval.can_be_subject(*id))
        .filter(|id| pods.matches(|key| world.label(*id, key)))
        .collect()
}

/// Whether an endpoint is passed over for being on the host network.
pub(super) fn is_on_host(context: &Context<'_>, id: EndpointId) -> bool {
    let endpoint = &context.world[id];
    endpoint.lifecycle == Lifecycle::Active && endpoint.host_network.is_some()
}

/// The requirements on the key on which a selector contradicts itself (K-46).
pub(super) fn contradiction(selector: &LabelSelector) -> Vec<&Requirement> {
    for requirement in &selector.requirements {
        let of_key: Vec<_> = selector
            .requirements
            .iter()
            .filter(|other| other.key == requirement.key)
            .collect();
        let alone = LabelSelector {
            requirements: of_key.iter().copied().cloned().collect(),
            span: selector.span,
        };
        if alone.is_contradictory() {
            return of_key;
        }
    }
    Vec::new()
}

/// A selector that has one requirement only.
fn alone(requirement: &Requirement) -> LabelSelector {
    LabelSelector {
        requirements: vec![requirement.clone()],
        span: requirement.span,
    }
}

/// A requirement as messages spell it: `app=web`, `tier in (a,b)`.
pub(super) fn spell(requirement: &Requirement) -> String {
    alone(requirement).to_string()
}

#[cfg(test)]
mod tests;
