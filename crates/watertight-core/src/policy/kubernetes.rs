//! NetworkPolicy into the Ruleset: one tier, allow rules only, every policy isolates.

use super::admin::{SCOPE_TIER, lower_baseline_exemption};
use super::calico::DEFAULT as DEFAULT_TIER;
use super::cilium::CILIUM_TIER;
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

/// What all NetworkPolicies become.
#[cfg(feature = "parallel")]
pub(super) fn lower_all<R: Send>(
    ids: &[PolicyId],
    lower: impl Fn(PolicyId) -> Option<R> + Sync,
) -> Vec<R> {
    use rayon::prelude::*;
    // Threads cost more than they save on a few hundred policies.
    if ids.len() < 1000 {
        return ids.iter().filter_map(|id| lower(*id)).collect();
    }
    ids.par_iter().filter_map(|id| lower(*id)).collect()
}

#[cfg(not(feature = "parallel"))]
pub(super) fn lower_all<R>(ids: &[PolicyId], lower: impl Fn(PolicyId) -> Option<R>) -> Vec<R> {
    ids.iter().filter_map(|id| lower(*id)).collect()
}

/// What has become of a ruleset of which one policy was lowered again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relowered {
    /// Policies that are others now, those that are new among them.
    pub changed: Vec<PolicyRef>,
    /// Policies that are new in the middle of a tier: those behind have moved by one.
    pub inserted: Vec<PolicyRef>,
}

/// Lowers one NetworkPolicy again that is new, has changed or is gone; tells which policies of the
/// ruleset are others now. One that acts in a direction no more leaves a void behind. None where its
/// place among policies of other languages (C-53, L-24) cannot be told: then everything is lowered
/// again.
pub fn relower(
    ruleset: &mut Ruleset,
    world: &World,
    switches: &Switches,
    id: PolicyId,
) -> Option<Relowered> {
    let mut found = Relowered::default();
    if switches.enforcement.is_off() {
        return Some(found);
    }
    let is_there = world.policy_ids().any(|known| known == id);
    for direction in Direction::BOTH {
        let tiers = ruleset.tiers_mut(direction);
        let has = |name: &&str| tiers.iter().any(|tier| *tier.name == **name);
        let own = [TIER, CILIUM_TIER, DEFAULT_TIER].into_iter().find(has)?;
        // L-47, L-78
        let ipblock_nodes =
            switches.ipblock_nodes || (own == CILIUM_TIER && switches.cidr_match_nodes);
        let switches = Switches {
            ipblock_nodes,
            ..*switches
        };
        let lowered = lower_kubernetes_policy(world, &switches, id, direction);
        let exemption = Some(lower_baseline_exemption(world, id));
        for (name, lowered) in [(own, lowered), (SCOPE_TIER, exemption)] {
            let lowered = lowered.filter(|_| is_there);
            let mut tiers = tiers.iter_mut().enumerate();
            let Some((tier, of)) = tiers.find(|(_, tier)| &*tier.name == name) else {
                continue;
            };
            let at = |policy| PolicyRef {
                direction,
                tier,
                policy,
            };
            match put(&mut of.policies, lowered, name, world, id)? {
                Put::Nowhere => {}
                Put::In(policy) => found.changed.push(at(policy)),
                Put::Before(policy) => {
                    found.changed.push(at(policy));
                    found.inserted.push(at(policy));
                }
            }
        }
    }
    Some(found)
}

/// As [`relower`], for those who cannot follow policies that move: none then.
pub fn relower_kubernetes(
    ruleset: &mut Ruleset,
    world: &World,
    switches: &Switches,
    id: PolicyId,
) -> Option<Vec<PolicyRef>> {
    let found = relower(ruleset, world, switches, id)?;
    found.inserted.is_empty().then_some(found.changed)
}

/// Where a policy was put.
enum Put {
    Nowhere,
    /// In the place of what it was, or behind all others.
    In(usize),
    /// Before those that are behind it now.
    Before(usize),
}

/// Puts what a NetworkPolicy has become in the place of what it was, or where it belongs; none if that
/// cannot be told.
fn put(
    policies: &mut Vec<Policy>,
    lowered: Option<Policy>,
    tier: &str,
    world: &World,
    id: PolicyId,
) -> Option<Put> {
    let origin = Origin::Kubernetes(id);
    let position = policies.iter().position(|policy| policy.origin == origin);
    Some(
        match (position.and_then(|at| policies.get_mut(at)), lowered) {
            (None, None) => Put::Nowhere,
            (None, Some(new)) => {
                let at = match tier {
                    CILIUM_TIER | DEFAULT_TIER => place(policies, tier, world, id)?,
                    _ => policies.len(),
                };
                let is_last = at == policies.len();
                policies.insert(at, new);
                if is_last {
                    Put::In(at)
                } else {
                    Put::Before(at)
                }
            }
            (Some(old), new) => {
                *old = new.unwrap_or_else(|| void(world, id));
                position.map_or(Put::Nowhere, Put::In)
            }
        },
    )
}

/// Where a new NetworkPolicy belongs among those that are there, if no policy of another language is
/// between them.
fn place(policies: &[Policy], tier: &str, world: &World, id: PolicyId) -> Option<usize> {
    let is_one = |policy: &Policy| policy.origin.kubernetes().is_some();
    let first = policies.iter().position(is_one)?;
    let behind = policies.get(first..)?;
    let count = behind.iter().take_while(|policy| is_one(policy)).count();
    let (own, others) = behind.split_at_checked(count)?;
    if others.iter().any(is_one) {
        return None;
    }
    if tier == CILIUM_TIER {
        return Some(first + count);
    }
    // C-1, C-53
    let key = |id: PolicyId| (&*world[id].name, &*world[world[id].namespace].name);
    let is_before = |policy: &Policy| policy.origin.kubernetes().map(key) < Some(key(id));
    Some(first + own.partition_point(is_before))
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

#[cfg(test)]
mod tests;
