//! AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy into the Ruleset: a tier
//! before NetworkPolicy and one behind it, neither of which isolates.
//!
//! Policies stand in the order of their priorities. Those with the same priority are tied,
//! unless the engine is known to go by name.

use super::nodes::nodes;
use super::{
    Action, Covers, EndpointSelector, NamespaceScope, Origin, Peer, Policy, Rule, Subject, Tier,
};
use crate::engine::{BaselineScope, Switches, Tie};
use crate::manifest::policy::admin::{
    AdminAction, AdminPeer, AdminPeerKind, AdminPods, AdminPolicy, AdminPort, AdminRule, AdminTier,
    Relation,
};
use crate::manifest::{Direction, PolicyObject};
use crate::sets::{DomainLabels, DomainPattern, IpBlock, PortMatch, Protocol};
use crate::source::Span;
use crate::world::{NamespaceId, ObjectId, PolicyId, World};

/// The tier before NetworkPolicy.
pub const ADMIN_TIER: &str = "Admin";

/// The tier behind NetworkPolicy.
pub const BASELINE_TIER: &str = "Baseline";

/// The tier that keeps pods with a NetworkPolicy from the one behind it.
pub(super) const SCOPE_TIER: &str = "Baseline scope";

/// Lowers the admin policies of a tier in a direction; none if there are none.
#[must_use]
pub fn lower_admin(
    world: &World,
    switches: &Switches,
    tier: AdminTier,
    direction: Direction,
) -> Option<Tier> {
    let mut found: Vec<(ObjectId, &AdminPolicy)> = world
        .object_ids()
        .filter_map(|id| match &world[id].object {
            PolicyObject::Admin(policy) => Some((id, policy)),
            _ => None,
        })
        .filter(|(_, policy)| policy.tier == tier && !policy.rules(direction).is_empty())
        .collect();
    if found.is_empty() {
        return None;
    }
    // the name makes the order one that can be repeated.
    found.sort_by_key(|(id, policy)| (policy.priority, &world[*id].name));
    let policies = found.chunk_by(|(_, one), (_, other)| one.priority == other.priority);
    let policies = policies.flat_map(|same| {
        let tied = same.len() > 1 && switches.tie == Tie::Error;
        same.iter().flat_map(move |(id, policy)| {
            let mut lowered = lower(world, *id, policy, direction);
            for part in &mut lowered {
                part.tie = tied.then_some(u32::from(policy.priority));
            }
            lowered
        })
    });
    let name = match tier {
        AdminTier::Admin => ADMIN_TIER,
        AdminTier::Baseline => BASELINE_TIER,
    };
    Some(Tier::new(name, policies.collect()))
}

/// The tier between NetworkPolicy and Baseline with which any NetworkPolicy turns Baseline off for
/// its pods, in both directions; none if the engine goes by direction.
#[must_use]
pub fn lower_baseline_scope(
    world: &World,
    switches: &Switches,
    direction: Direction,
) -> Option<Tier> {
    if switches.baseline_scope == BaselineScope::PerDirection {
        return None;
    }
    let ids = world.policy_ids();
    let policies = ids.map(|id| lower_baseline_exemption(world, id));
    lower_admin(world, switches, AdminTier::Baseline, direction)
        .map(|_| Tier::new(SCOPE_TIER, policies.collect()))
}

/// What one NetworkPolicy does for its pods in that tier.
pub(super) fn lower_baseline_exemption(world: &World, id: PolicyId) -> Policy {
    let policy = &world[id];
    let subject = EndpointSelector::new(
        NamespaceScope::Only(policy.namespace),
        policy.spec.pod_selector.clone(),
    );
    let mut lowered = Policy::new(Subject::Endpoints(subject), Origin::Kubernetes(id));
    let any = vec![PortMatch::Any];
    let rule = Rule::new(Action::Allow, vec![Peer::Any], any, policy.span);
    lowered.rules.push(rule);
    lowered
}

/// Lowers one policy in a direction. It selects pods only, never those of the host network.
/// Peers that compare namespaces with the subject's make one policy a namespace.
fn lower(world: &World, id: ObjectId, policy: &AdminPolicy, direction: Direction) -> Vec<Policy> {
    let rules = policy.rules(direction);
    let lower_for = |subject: EndpointSelector, own| {
        let mut lowered = Policy::new(Subject::Endpoints(subject), Origin::Object(id));
        let rules = rules.iter().map(|rule| lower_rule(world, rule, own));
        lowered.rules = rules.collect();
        lowered
    };
    let mut peers = rules.iter().flat_map(|rule| &rule.peers);
    if !peers.any(|peer| matches!(peer.kind, AdminPeerKind::Related(_))) {
        return vec![lower_for(pods(&policy.subject), None)];
    }
    let selected = world.namespace_ids().filter(|id| {
        let labels = &policy.subject.namespaces;
        labels.matches(|key| world.namespace_label(*id, key))
    });
    selected
        .map(|id| {
            let only = NamespaceScope::Only(id);
            let subject = EndpointSelector::new(only, policy.subject.pods.clone());
            lower_for(subject, Some(id))
        })
        .collect()
}

fn lower_rule(world: &World, rule: &AdminRule, own: Option<NamespaceId>) -> Rule {
    let action = match rule.action {
        AdminAction::Accept => Action::Allow,
        AdminAction::Deny => Action::Deny,
        AdminAction::Pass => Action::Pass,
    };
    if rule.peers.iter().any(|peer| is_unknown(peer, rule.action)) {
        return fail_closed(action, rule);
    }
    let peers = rule.peers.iter();
    let peers = peers.flat_map(|peer| lower_peer(world, peer, own));
    let peers = peers.collect();
    let traffic = match &rule.ports {
        None => vec![PortMatch::Any],
        Some(ports) => ports.iter().flat_map(lower_port).collect(),
    };
    Rule::new(action, peers, traffic, rule.span)
}

/// Whether engines do not know what a peer means; names are for rules that admit.
fn is_unknown(peer: &AdminPeer, action: AdminAction) -> bool {
    match peer.kind {
        AdminPeerKind::Unknown(_) => true,
        AdminPeerKind::Domains(_) => action != AdminAction::Accept,
        _ => false,
    }
}

/// what would admit matches nothing, and anything else denies everybody.
fn fail_closed(action: Action, rule: &AdminRule) -> Rule {
    let everything = vec![PortMatch::Any];
    match action {
        Action::Allow => Rule::new(action, Vec::new(), everything, rule.span),
        _ => Rule::new(Action::Deny, vec![Peer::Any], everything, rule.span),
    }
}

fn pods(pods: &AdminPods) -> EndpointSelector {
    let namespaces = NamespaceScope::Matching(pods.namespaces.clone());
    EndpointSelector::new(namespaces, pods.pods.clone())
}

/// Pods of one namespace after the other, by its labels.
fn related(world: &World, relation: &Relation, own: NamespaceId, span: Span) -> Vec<Peer> {
    let values = |id: NamespaceId| -> Option<Vec<&str>> {
        let keys = relation.keys.iter();
        keys.map(|key| world.namespace_label(id, key)).collect()
    };
    let wanted = values(own).filter(|values| !values.is_empty());
    let meant = world.namespace_ids().filter(|id| match &wanted {
        Some(wanted) => values(*id).is_some_and(|found| (found == *wanted) == relation.is_same),
        None => false,
    });
    meant
        .map(|id| {
            let only = NamespaceScope::Only(id);
            Peer::Endpoints(EndpointSelector::new(only, relation.pods.clone()), span)
        })
        .collect()
}

fn lower_peer(world: &World, peer: &AdminPeer, own: Option<NamespaceId>) -> Vec<Peer> {
    match &peer.kind {
        AdminPeerKind::Related(relation) => own
            .map(|own| related(world, relation, own, peer.span))
            .unwrap_or_default(),
        AdminPeerKind::Pods(selected) => vec![Peer::Endpoints(pods(selected), peer.span)],
        AdminPeerKind::Nodes(selector) if selector.is_empty() => vec![Peer::AnyNode(peer.span)],
        AdminPeerKind::Nodes(selector) => vec![Peer::Nodes(nodes(world, selector), peer.span)],
        // whoever owns the address.
        AdminPeerKind::Networks(networks) => networks
            .iter()
            .map(|network| {
                let block = IpBlock {
                    cidr: *network,
                    except: Vec::new(),
                    span: network.span,
                };
                Peer::Block(block, Covers::ALL)
            })
            .collect(),
        AdminPeerKind::Domains(names) => names
            .iter()
            .map(|name| {
                let pattern = DomainPattern::new(&name.text, DomainLabels::OneOrMore);
                Peer::Domain(pattern, "A-31", name.span)
            })
            .collect(),
        AdminPeerKind::Unknown(_) => Vec::new(),
    }
}

fn lower_port(port: &AdminPort) -> Vec<PortMatch> {
    match port {
        AdminPort::Range {
            protocol,
            first,
            last,
            span,
        } => vec![PortMatch::Range {
            protocol: *protocol,
            first: *first,
            last: *last,
            span: *span,
        }],
        // the protocol is that of the container port.
        AdminPort::Named { name, span } => [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
            .map(|protocol| PortMatch::Named {
                protocol,
                name: name.clone(),
                span: *span,
            })
            .into(),
    }
}

#[cfg(test)]
mod tests;
