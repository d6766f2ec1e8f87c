//! NetworkPolicy into the Ruleset: one tier, allow rules only, every policy isolates.

use super::admin::{SCOPE_TIER, lower_baseline_exemption};
use super::{
    Action, Covers, EndpointSelector, NamespaceScope, Origin, Peer, Policy, PolicyRef, Rule,
    Ruleset, Stage, Subject, Tier,
};
use crate::engine::{EndPort, IpBlockPods, PolicyTypesGate, Switches};
use crate::manifest::{
    Direction, NetworkPolicySpec, PeerKind, PolicyPeer, PolicyPort, PolicyRule, PortRef,
};
use crate::sets::{LabelSelector, PortMatch};
use crate::world::{NamespaceId, PolicyId, World};

/// The name of the tier that holds all NetworkPolicies.
const TIER: &str = "NetworkPolicy";

/// Lowers all NetworkPolicies of a world, as an engine with these switches reads them.
#[must_use]
pub fn lower_kubernetes(world: &World, switches: &Switches) -> Ruleset {
    let mut ruleset = Ruleset::default();
    if switches.enforcement.is_off() {
        return ruleset;
    }
    let ids: Vec<PolicyId> = world.policy_ids().collect();
    for direction in Direction::BOTH {
        let tier = Tier {
            name: TIER.into(),
            policies: lower_all(&ids, |id| {
                lower_kubernetes_policy(world, switches, id, direction)
            }),
        };
        ruleset.tiers_mut(direction).push(tier);
    }
    ruleset
}

#[cfg(feature = "parallel")]
fn lower_all(ids: &[PolicyId], lower: impl Fn(PolicyId) -> Option<Policy> + Sync) -> Vec<Policy> {
    use rayon::prelude::*;
    // Threads cost more than they save on a few hundred policies.
    if ids.len() < 1000 {
        return ids.iter().filter_map(|id| lower(*id)).collect();
    }
    ids.par_iter().filter_map(|id| lower(*id)).collect()
}

#[cfg(not(feature = "parallel"))]
fn lower_all(ids: &[PolicyId], lower: impl Fn(PolicyId) -> Option<Policy>) -> Vec<Policy> {
    ids.iter().filter_map(|id| lower(*id)).collect()
}

/// Lowers one NetworkPolicy again that is new, has changed or is gone; tells which policies of the
/// ruleset are others now. One that acts in a direction no more leaves a void behind. None where the
/// engine has NetworkPolicies among other policies (C-53, L-24): then everything is lowered again.
pub fn relower_kubernetes(
    ruleset: &mut Ruleset,
    world: &World,
    switches: &Switches,
    id: PolicyId,
) -> Option<Vec<PolicyRef>> {
    let mut changed = Vec::new();
    let has_own_tier = |direction| {
        let mut tiers = ruleset.tiers(direction).iter();
        switches.enforcement.is_off() || tiers.any(|tier| &*tier.name == TIER)
    };
    if !Direction::BOTH.into_iter().all(has_own_tier) {
        return None;
    }
    let is_there = world.policy_ids().any(|known| known == id);
    for direction in Direction::BOTH {
        let own = lower_kubernetes_policy(world, switches, id, direction);
        let exemption = Some(lower_baseline_exemption(world, id));
        for (name, lowered) in [(TIER, own), (SCOPE_TIER, exemption)] {
            let lowered = lowered.filter(|_| is_there);
            let mut tiers = ruleset.tiers_mut(direction).iter_mut().enumerate();
            let Some((at, tier)) = tiers.find(|(_, tier)| &*tier.name == name) else {
                continue;
            };
            let replaced = replace(&mut tier.policies, lowered, world, id);
            changed.extend(replaced.map(|policy| PolicyRef {
                direction,
                tier: at,
                policy,
            }));
        }
    }
    Some(changed)
}

/// Puts what a NetworkPolicy has become in the place of what it was, and tells where that is.
fn replace(
    policies: &mut Vec<Policy>,
    lowered: Option<Policy>,
    world: &World,
    id: PolicyId,
) -> Option<usize> {
    let origin = Origin::Kubernetes(id);
    let position = policies.iter().position(|policy| policy.origin == origin);
    match (position.and_then(|at| policies.get_mut(at)), lowered) {
        (None, None) => None,
        (None, Some(new)) => {
            policies.push(new);
            Some(policies.len() - 1)
        }
        (Some(old), new) => {
            *old = new.unwrap_or_else(|| void(world, id));
            position
        }
    }
}

/// What selects nobody and says nothing.
fn void(world: &World, id: PolicyId) -> Policy {
    let policy = &world[id];
    let namespaces = NamespaceScope::Only(policy.namespace);
    let nobody = EndpointSelector::new(namespaces, LabelSelector::nothing(policy.span));
    Policy::new(Subject::Endpoints(nobody), Origin::Kubernetes(id))
}

/// Lowers one NetworkPolicy in one direction; none if it does not act in it.
#[must_use]
pub fn lower_kubernetes_policy(
    world: &World,
    switches: &Switches,
    id: PolicyId,
    direction: Direction,
) -> Option<Policy> {
    let policy = &world[id];
    if !acts_on(&policy.spec, direction, switches) {
        return None;
    }
    let rules = &policy.spec.section(direction).rules;
    let namespaces = NamespaceScope::Only(policy.namespace);
    let pods = policy.spec.pod_selector.clone();
    Some(Policy {
        subject: Subject::Endpoints(EndpointSelector::new(namespaces, pods)),
        isolates: true,
        rules: rules
            .iter()
            .map(|rule| lower_rule(rule, policy.namespace, switches))
            .collect(),
        origin: Origin::Kubernetes(id),
        tie: None,
        stage: Stage::Own,
    })
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
            .map(|peer| lower_peer(peer, own, switches))
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
    Rule::new(Action::Allow, peers, traffic, rule.span)
}

/// Whose addresses an ipBlock covers (K-65, K-70).
pub(super) fn covers(switches: &Switches) -> Covers {
    Covers {
        pods: switches.ipblock_pods == IpBlockPods::Match,
        nodes: switches.ipblock_nodes,
        outside: true,
    }
}

fn lower_peer(peer: &PolicyPeer, own: NamespaceId, switches: &Switches) -> Peer {
    match &peer.kind {
        PeerKind::IpBlock(block) => Peer::Block(block.clone(), covers(switches)),
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
            Peer::Endpoints(EndpointSelector::new(namespaces, pods), peer.span)
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
