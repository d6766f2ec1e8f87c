//! Selectors of identities: which pods, nodes and reserved identities they mean (L-1..L-13).

use std::sync::Arc;

use super::{EndpointSelector, Lowering, NamespaceScope, Peer};
use crate::manifest::policy::cilium::{IdentityRequirement, IdentitySelector, Source};
use crate::sets::{Expression, LabelSelector, Operator, Requirement};
use crate::source::Span;
use crate::world::{NAME_LABEL, NamespaceId, NodeId, World};

/// Derived labels of a pod (L-1).
const NAMESPACE: &str = "io.kubernetes.pod.namespace";
const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";
const ACCOUNT: &str = "io.cilium.k8s.policy.serviceaccount";
const CLUSTER: &str = "io.cilium.k8s.policy.cluster";

/// The name of a cluster that nobody gave one.
const CLUSTER_NAME: &str = "default";

/// The pods of a subject: those of the own namespace, whatever `matchLabels` say about it (L-4).
pub(super) fn subject(
    world: &World,
    selector: &IdentitySelector,
    own: Option<NamespaceId>,
) -> EndpointSelector {
    let overridden = |part: &&IdentityRequirement| {
        own.is_some() && part.match_label && part.source == Source::K8s && *part.key == *NAMESPACE
    };
    let parts = selector
        .requirements
        .iter()
        .filter(|part| !overridden(part));
    pods(world, parts, own, selector.span)
}

/// Pods for which all requirements hold, of one namespace or of all.
fn pods<'r>(
    world: &World,
    parts: impl Iterator<Item = &'r IdentityRequirement>,
    own: Option<NamespaceId>,
    span: Span,
) -> EndpointSelector {
    let mut namespaces = LabelSelector::everything(span);
    let mut labels = LabelSelector::everything(span);
    let mut also = Vec::new();
    for part in parts {
        let requirement = |key: &str| Requirement {
            key: key.into(),
            operator: part.operator.clone(),
            span: part.span,
        };
        let never = || LabelSelector::nothing(part.span).requirements;
        if !part.source.is_k8s() {
            if !holds(&part.operator, None) {
                labels.requirements.extend(never());
            }
        } else if *part.key == *NAMESPACE {
            namespaces.requirements.push(requirement(NAME_LABEL));
        } else if let Some(key) = part.key.strip_prefix(NAMESPACE_LABELS) {
            namespaces.requirements.push(requirement(key));
        } else if *part.key == *ACCOUNT {
            match &part.operator {
                Operator::In(names) => also.push(Expression::ServiceAccount(names.clone())),
                Operator::NotIn(names) => {
                    let named = Expression::ServiceAccount(names.clone());
                    also.push(Expression::Not(Box::new(named)));
                }
                Operator::Exists => {}
                Operator::DoesNotExist => labels.requirements.extend(never()),
            }
        } else if *part.key == *CLUSTER {
            if !holds(&part.operator, Some(CLUSTER_NAME)) {
                labels.requirements.extend(never());
            }
        } else {
            labels.requirements.push(requirement(&part.key));
        }
    }
    let scope = match own {
        Some(own) if namespaces.is_empty() => NamespaceScope::Only(own),
        Some(own) => {
            namespaces.requirements.push(is_named(world, own, span));
            NamespaceScope::Matching(namespaces)
        }
        None => NamespaceScope::Matching(namespaces),
    };
    let mut selector = EndpointSelector::new(scope, labels);
    selector.also = match also.len() {
        0 => None,
        1 => also.pop().map(Arc::new),
        _ => Some(Arc::new(Expression::All(also))),
    };
    selector
}

/// Selects one namespace by its name.
pub(super) fn is_named(world: &World, namespace: NamespaceId, span: Span) -> Requirement {
    Requirement {
        key: NAME_LABEL.into(),
        operator: Operator::In(vec![world[namespace].name.clone()]),
        span,
    }
}

fn holds(operator: &Operator, value: Option<&str>) -> bool {
    let listed =
        |values: &[Box<str>]| value.is_some_and(|value| values.iter().any(|one| **one == *value));
    match operator {
        Operator::In(values) => listed(values),
        Operator::NotIn(values) => !listed(values),
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
    }
}

/// Nodes by their labels; they carry the reserved identity of a host, too (L-59, L-74).
pub(super) fn nodes(world: &World, selector: &IdentitySelector) -> Arc<[NodeId]> {
    let matches = |id: &NodeId| {
        let labels = &world[*id].labels;
        selector.requirements.iter().all(|part| {
            let value = match part.source {
                Source::Reserved => (*part.key == *"host").then_some(""),
                Source::Cidr | Source::Other(_) => None,
                Source::Any | Source::K8s => world.symbols.value(labels, &part.key),
            };
            holds(&part.operator, value)
        })
    };
    world.node_ids().filter(matches).collect()
}

/// Whether an identity with these reserved labels is selected.
fn selects_reserved(selector: &IdentitySelector, labels: &[&str]) -> bool {
    selector.requirements.iter().all(|part| {
        let can_be = matches!(part.source, Source::Any | Source::Reserved);
        let value = (can_be && labels.contains(&&*part.key)).then_some("");
        holds(&part.operator, value)
    })
}

/// Whether some pod or node has addresses of both families, as in a cluster of two stacks.
pub(super) fn is_dual_stack(world: &World) -> bool {
    let both = |ips: &[std::net::IpAddr]| {
        ips.iter().any(std::net::IpAddr::is_ipv4) && ips.iter().any(std::net::IpAddr::is_ipv6)
    };
    world.endpoint_ids().any(|id| both(&world[id].ips))
        || world.node_ids().any(|id| both(&world[id].ips))
}

impl Lowering<'_> {
    /// Whom an entry of `fromEndpoints` or `toEndpoints` means.
    pub(super) fn endpoints(
        &self,
        selector: &IdentitySelector,
        own: Option<NamespaceId>,
    ) -> Vec<Peer> {
        // L-5..L-9: what the entry does not say about namespaces is added.
        let as_written = selector.requirements.iter().any(|part| {
            let labels = own.is_some() && part.key.starts_with(NAMESPACE_LABELS);
            let namespace = *part.key == *NAMESPACE || labels;
            part.source == Source::Reserved || (part.source.is_k8s() && namespace)
        });
        let scope = own.filter(|_| !as_written);
        let pods = pods(
            self.world,
            selector.requirements.iter(),
            scope,
            selector.span,
        );
        let foreign =
            |part: &IdentityRequirement| !part.source.is_k8s() && !holds(&part.operator, None);
        let mut peers = Vec::new();
        if !selector.requirements.iter().any(foreign) {
            peers.push(Peer::Endpoints(pods, selector.span));
        }
        if as_written {
            peers.extend(self.reserved(selector));
        }
        peers
    }

    /// Nodes and addresses outside that an entry selects by their reserved labels (L-3, L-8), or by
    /// asking for the lack of a label that only pods have.
    fn reserved(&self, selector: &IdentitySelector) -> Vec<Peer> {
        let span = selector.span;
        let mut identities = vec![
            ("host", Peer::OwnNode(span)),
            ("remote-node", Peer::OtherNodes(span)),
        ];
        if self.dual_stack {
            let [v4, v6] = super::peers::families(span);
            identities.extend([("world-ipv4", v4), ("world-ipv6", v6)]);
        } else {
            identities.push(("world", Peer::Outside(span)));
        }
        let api = || Peer::AnyOf(self.api.clone());
        let found = identities.into_iter().filter_map(|(label, peer)| {
            let plain = selects_reserved(selector, &[label]);
            let serving = selects_reserved(selector, &[label, "kube-apiserver"]);
            match (plain, serving && !self.api.is_empty()) {
                (true, _) if serving || self.api.is_empty() => Some(peer),
                (true, _) => Some(Peer::All(vec![peer, Peer::Not(Box::new(api()))])),
                (false, true) => Some(Peer::All(vec![peer, api()])),
                (false, false) => None,
            }
        });
        found.collect()
    }
}
