//! NetworkPolicy into the Ruleset: one tier, allow rules only, every policy isolates.

use super::{Action, EndpointSelector, NamespaceScope, Origin, Peer, Policy, Rule, Ruleset, Tier};
use crate::engine::{EndPort, EnforcementSwitch, PolicyTypesGate, Switches};
use crate::manifest::{
    Direction, NetworkPolicySpec, PeerKind, PolicyPeer, PolicyPort, PolicyRule, PortRef,
};
use crate::sets::{LabelSelector, PortMatch};
use crate::world::{NamespaceId, World};

/// The name of the tier that holds all NetworkPolicies.
const TIER: &str = "NetworkPolicy";

/// Lowers all NetworkPolicies of a world, as an engine with these switches reads them.
#[must_use]
pub fn lower_kubernetes(world: &World, switches: &Switches) -> Ruleset {
    let mut ruleset = Ruleset::default();
    if switches.enforcement == EnforcementSwitch::None {
        return ruleset;
    }
    for direction in Direction::BOTH {
        let policies = world
            .policy_ids()
            .filter(|id| acts_on(&world[*id].spec, direction, switches))
            .map(|id| {
                let policy = &world[id];
                let rules = &policy.spec.section(direction).rules;
                Policy {
                    subject: EndpointSelector {
                        namespaces: NamespaceScope::Only(policy.namespace),
                        pods: policy.spec.pod_selector.clone(),
                    },
                    isolates: true,
                    rules: rules
                        .iter()
                        .map(|rule| lower_rule(rule, policy.namespace, switches))
                        .collect(),
                    origin: Origin::Kubernetes(id),
                }
            })
            .collect();
        let tiers = match direction {
            Direction::Ingress => &mut ruleset.ingress,
            Direction::Egress => &mut ruleset.egress,
        };
        tiers.push(Tier {
            name: TIER,
            policies,
        });
    }
    ruleset
}

/// Whether a policy isolates its pods in a direction (K-7, K-10, L-79).
fn acts_on(spec: &NetworkPolicySpec, direction: Direction, switches: &Switches) -> bool {
    let rules_present = !spec.section(direction).rules.is_empty();
    spec.covers(direction)
        || (switches.policy_types_gate == PolicyTypesGate::Sections && rules_present)
}

fn lower_rule(rule: &PolicyRule, own: NamespaceId, switches: &Switches) -> Rule {
    let peers = if rule.peers.is_empty() {
        vec![Peer::Any]
    } else {
        rule.peers
            .iter()
            .map(|peer| lower_peer(peer, own))
            .collect()
    };
    let traffic = if rule.ports.is_empty() {
        vec![PortMatch::Everything]
    } else {
        rule.ports
            .iter()
            .map(|port| lower_port(port, switches))
            .collect()
    };
    Rule {
        action: Action::Allow,
        peers,
        traffic,
        span: rule.span,
    }
}

fn lower_peer(peer: &PolicyPeer, own: NamespaceId) -> Peer {
    match &peer.kind {
        PeerKind::IpBlock(block) => Peer::Block(block.clone()),
        PeerKind::Selectors { pod, namespace } => {
            let namespaces = match namespace {
                // K-24: without a namespaceSelector, pods of the policy's own namespace.
                None => NamespaceScope::Only(own),
                Some(selector) => NamespaceScope::Matching(selector.clone()),
            };
            // K-25, K-31: a missing podSelector does not constrain.
            let pods = pod
                .clone()
                .unwrap_or_else(|| LabelSelector::everything(peer.span));
            Peer::Endpoints(EndpointSelector { namespaces, pods }, peer.span)
        }
    }
}

fn lower_port(port: &PolicyPort, switches: &Switches) -> PortMatch {
    let (protocol, span) = (port.protocol, port.span);
    match &port.port {
        Some(PortRef::Name(name)) => PortMatch::Named {
            protocol,
            name: name.clone(),
            span,
        },
        Some(PortRef::Number(first)) => {
            let last = match switches.endport {
                EndPort::Supported => port.end_port.unwrap_or(*first),
                EndPort::FirstOnly => *first,
            };
            PortMatch::Range {
                protocol,
                first: *first,
                last,
                span,
            }
        }
        // K-48: all ports of this protocol only.
        None => PortMatch::Range {
            protocol,
            first: 0,
            last: u16::MAX,
            span,
        },
    }
}
