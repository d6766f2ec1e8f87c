//! A pod on the host network is outside all policies.
//!
//! ## What it finds
//! Pods and pod templates with `hostNetwork: true`. Where a policy of the namespace selects such a
//! pod by its labels (a default deny selects every label), the author of the policy believes it
//! covered: that is a warning. Elsewhere it is a note, and so are the pods that come with the
//! cluster: one note for each of `kube-system`, `openshift-*` and the like.
//!
//! Nothing is reported on an engine that applies policies to host-network pods (switch
//! `host_network=pod-labels`), nor for pods on nodes that policies about nodes select.
//!
//! ## Why it matters
//! The pod shares the network of its node, and engines see the node, not the pod. No NetworkPolicy
//! limits who connects to it or where it connects. It reaches the metadata service of the cloud,
//! also where that one answers no further than the node itself. Rules that name the pod by label, in
//! `from` or `to`, do not match it either.
//!
//! ## Example
//! ```yaml
//! apiVersion: apps/v1
//! kind: DaemonSet
//! metadata: {name: agent, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: agent}}
//!   template:
//!     metadata: {labels: {app: agent}}
//!     spec:
//!       hostNetwork: true
//!       containers: [{name: agent, image: agent}]
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: apps/v1
//! kind: DaemonSet
//! metadata: {name: agent, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: agent}}
//!   template:
//!     metadata: {labels: {app: agent}}
//!     spec:
//!       containers: [{name: agent, image: agent}]
//! ```
//!
//! ## Semantics
//! - K-71: a host-network pod is selected by no policy
//! - K-72: as a peer it is the address of its node
//! - X-3: host-network pods are never kept from the metadata service

use std::collections::BTreeMap;

use super::isolation::{
    Probes, enforced, first_line, is_system, listed, named, telling, workloads,
};
use super::{Check, Context, Rule, count};
use crate::diag::{Finding, Fix, Severity};
use crate::engine::HostNetwork;
use crate::manifest::Direction;
use crate::world::{EndpointId, NamespaceId, PolicyId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT501",
    name: "host-network-pod",
    severity: Severity::Warning,
    summary: "a pod on the host network is outside all policies",
    source: include_str!("wt501_host_network_pod.rs"),
    check: Check::World(check),
};

/// The most pods, and the most policies, that a finding points at.
const LABELS: usize = 5;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) || context.eval.switches.host_network == HostNetwork::PodLabels {
        return;
    }
    let probes = Probes::new(context);
    let mut namespaces: BTreeMap<NamespaceId, Vec<EndpointId>> = BTreeMap::new();
    for id in context.host_network() {
        let namespace = context.world[id].namespace;
        namespaces.entry(namespace).or_default().push(id);
    }
    for (namespace, pods) in namespaces {
        let pods = workloads(context, pods);
        let pods: Vec<_> = pods
            .into_iter()
            .filter(|id| !is_guarded(context, *id))
            .collect();
        if is_system(context, namespace) {
            findings.extend(outside(context, &probes, namespace, &pods));
            continue;
        }
        let (mut selected, mut policies, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for pod in pods {
            let found = selecting(context, pod);
            if found.is_empty() {
                others.push(pod);
            } else {
                selected.push(pod);
                policies.extend(found);
            }
        }
        policies.sort_unstable();
        policies.dedup();
        findings.extend(bypassed(context, &probes, namespace, &selected, &policies));
        findings.extend(outside(context, &probes, namespace, &others));
    }
}

/// Whether policies about nodes apply to the node that a pod runs on, and so to the pod (C-63, L-74).
fn is_guarded(context: &Context<'_>, pod: EndpointId) -> bool {
    context.world[pod].node.is_some_and(|node| {
        let policies = |direction| context.eval.policies_of_node(node, direction);
        Direction::BOTH
            .iter()
            .any(|direction| !policies(*direction).is_empty())
    })
}

/// The policies that would select a pod if it had a network of its own.
fn selecting(context: &Context<'_>, pod: EndpointId) -> Vec<PolicyId> {
    let world = context.world;
    let policies = world[world[pod].namespace].policies.iter().copied();
    policies
        .filter(|id| {
            let selector = &world[*id].spec.pod_selector;
            selector.matches(|key| world.label(pod, key))
        })
        .collect()
}

/// Pods that policies select by label, in vain.
fn bypassed(
    context: &Context<'_>,
    probes: &Probes<'_, '_>,
    namespace: NamespaceId,
    pods: &[EndpointId],
    policies: &[PolicyId],
) -> Option<Finding> {
    let shown = telling(context, pods)?;
    let names = policies.iter().map(|id| context.world.policy_name(*id));
    let selects = if policies.len() == 1 {
        "selects"
    } else {
        "select"
    };
    let message = format!(
        "no policy applies to {}, which {} the host network, although {} {selects} {} by label",
        named(context, pods),
        if pods.len() == 1 { "uses" } else { "use" },
        listed(names),
        if pods.len() == 1 { "it" } else { "them" },
    );
    let finding = at_pods(context, Finding::new(&RULE, message), pods);
    let finding = policies.iter().take(LABELS).fold(finding, |finding, id| {
        let policy = &context.world[*id];
        let selector = &policy.spec.pod_selector;
        if !policy.spec.pod_selector_written {
            return finding.at(policy.name_span, "selects every pod, this one in vain");
        }
        let span = first_line(context.sources, selector.span);
        finding.at(span, "selects these labels in vain")
    });
    let mut finding = finding.evidence(probes.metadata_open(shown).or_else(|| {
        // Without a cloud in question, any address shows it.
        probes.internet_open(shown)
    })?);
    if !context.world[shown].ports.is_empty() {
        let open = probes.outside_open(shown);
        finding = open.into_iter().fold(finding, Finding::evidence);
    }
    Some(
        about(context, finding, namespace, pods)
            .note("rules that name these pods by label do not match them either (K-72)")
            .why(&["K-71", "K-72", "X-3"])
            .fix(Fix::advice(
                "take `hostNetwork: true` away where the pod can do without; otherwise guard the \
                 node itself, for instance with a HostEndpoint of Calico or the host firewall of \
                 Cilium",
            )),
    )
}

/// Pods that no policy is meant for.
fn outside(
    context: &Context<'_>,
    probes: &Probes<'_, '_>,
    namespace: NamespaceId,
    pods: &[EndpointId],
) -> Option<Finding> {
    let shown = telling(context, pods)?;
    let names = named(context, pods);
    let message = match pods.len() {
        1 => format!("{names} uses the host network, where no policy applies"),
        more => format!(
            "{} of `{}` use the host network, where no policy applies: {names}",
            count(more, "workload"),
            context.world[namespace].name
        ),
    };
    let finding = Finding::new(&RULE, message).severity(Severity::Note);
    let open = probes
        .metadata_open(shown)
        .or_else(|| probes.internet_open(shown));
    let finding = at_pods(context, finding, pods).evidence(open?);
    Some(about(context, finding, namespace, pods).why(&["K-71", "X-3"]))
}

fn at_pods(context: &Context<'_>, finding: Finding, pods: &[EndpointId]) -> Finding {
    let spans = pods.iter().filter_map(|id| context.world[*id].host_network);
    spans.take(LABELS).fold(finding, |finding, span| {
        finding.at(span, "the node's network")
    })
}

/// A finding about one workload is found under its name, so that it can be accepted there.
fn about(
    context: &Context<'_>,
    finding: Finding,
    namespace: NamespaceId,
    pods: &[EndpointId],
) -> Finding {
    finding.subject(match pods {
        [pod] => context.endpoint_subject(*pod),
        _ => context.namespace_subject(namespace),
    })
}

#[cfg(test)]
mod tests;
