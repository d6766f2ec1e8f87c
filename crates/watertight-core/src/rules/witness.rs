//! Connections that rules of any language match, for evidence.
//!
//! INVARIANT: whatever is made up here is judged before it is shown.

use rustc_hash::FxHashSet;

use super::Context;
use super::isolation::{OUTSIDE, is_system};
use super::selection::{Selection, sample};
use crate::diag::Evidence;
use crate::eval::{Connection, Decision, Party, Verdict};
use crate::manifest::{Dialect, Direction};
use crate::policy::{NamespaceScope, Origin, Peer, PolicyRef, Rule, RuleRef};
use crate::sets::{PortMatch, Protocol};
use crate::world::EndpointId;

/// How many ends of each kind are tried.
const ENDS: usize = 4;

/// How many pods of a selector are looked at.
const MEMBERS: usize = 64;

/// How many ports of a rule are tried.
const PORTS: usize = 3;

/// Connections of an endpoint that a rule may match, the most telling first; made up as they are
/// asked for.
pub(super) fn connections<'c>(
    context: &'c Context<'_>,
    direction: Direction,
    rule: &'c Rule,
    own: EndpointId,
) -> impl Iterator<Item = Connection> + use<'c> {
    parties(context, rule, own).flat_map(move |other| {
        let destination = sample::destination(direction, own, other);
        let ports = ports(context, rule, destination).into_iter();
        ports.map(move |port| Connection {
            family: rule.family,
            source_port: rule
                .source_ports
                .as_ref()
                .and_then(|ports| Some(ports.first()?.0)),
            ..sample::connection(direction, own, other, port)
        })
    })
}

/// Some of those whom a rule means, other than the endpoint itself.
fn parties<'c>(
    context: &'c Context<'_>,
    rule: &'c Rule,
    own: EndpointId,
) -> impl Iterator<Item = Party> + use<'c> {
    let mut seen: FxHashSet<Party> = std::iter::once(Party::Endpoint(own)).collect();
    let all = rule.peers.iter().flat_map(move |peer| {
        let mut leaves = Vec::new();
        peer.leaves(&mut |leaf| leaves.push(leaf));
        let ends = leaves
            .into_iter()
            .flat_map(move |leaf| ends(context, leaf, own));
        // What a combination leaves over may be anybody else.
        let left = matches!(peer, Peer::All(_) | Peer::Not(_));
        let left = left.then(|| strangers(context, own));
        ends.chain(left.into_iter().flatten())
    });
    all.filter(move |party| seen.insert(*party))
}

fn ends(context: &Context<'_>, leaf: &Peer, own: EndpointId) -> Vec<Party> {
    let world = context.world;
    match leaf {
        Peer::Any => strangers(context, own),
        Peer::Endpoints(selector, _) => {
            // Pods that were read, those that came with the cluster last.
            let members = Selection::new(context).first_members(selector, MEMBERS);
            let read = members.into_iter().filter(|id| !world[*id].assumed);
            let mut members: Vec<EndpointId> = read.collect();
            members.sort_by_key(|id| is_system(context, world[*id].namespace));
            members.truncate(ENDS + 1);
            members.into_iter().map(Party::Endpoint).collect()
        }
        Peer::Block(block, _) => {
            let pods = context.pods_in(block).take(ENDS).map(Party::Endpoint);
            let address = sample::address_in(block).map(Party::Address);
            address.into_iter().chain(pods).collect()
        }
        Peer::Nodes(nodes, _) => nodes.iter().take(ENDS).copied().map(Party::Node).collect(),
        Peer::AnyNode(_) => world.node_ids().take(ENDS).map(Party::Node).collect(),
        Peer::OwnNode(_) => world[own].node.map(Party::Node).into_iter().collect(),
        Peer::OtherNodes(_) => {
            let others = world
                .node_ids()
                .filter(|node| world[own].node != Some(*node));
            others.take(ENDS).map(Party::Node).collect()
        }
        Peer::Outside(_) => OUTSIDE.map(Party::Address).to_vec(),
        Peer::Domain(pattern, ..) => {
            let names = world
                .name_ids()
                .filter(|id| pattern.matches(&world[*id].text));
            names.take(ENDS).map(Party::Name).collect()
        }
        Peer::All(_) | Peer::AnyOf(_) | Peer::Not(_) => Vec::new(),
    }
}

/// Pods of other namespaces, and addresses outside.
pub(super) fn strangers(context: &Context<'_>, own: EndpointId) -> Vec<Party> {
    let namespace = context.world[own].namespace;
    let groups = context.groups().iter();
    let others =
        groups.filter(|group| group.namespace != namespace && !is_system(context, group.namespace));
    let pods = others
        .take(ENDS)
        .map(|group| Party::Endpoint(group.example()));
    pods.chain(OUTSIDE.map(Party::Address)).collect()
}

fn ports(
    context: &Context<'_>,
    rule: &Rule,
    destination: Option<EndpointId>,
) -> Vec<(Protocol, u16)> {
    let mut found = vec![sample::port(context.world, &rule.traffic, destination)];
    for item in &rule.traffic {
        if let PortMatch::Range {
            protocol, first, ..
        } = item
        {
            let port = (*protocol, (*first).max(1));
            if found.len() < PORTS && !found.contains(&port) {
                found.push(port);
            }
        }
    }
    found
}

/// The side of a connection that policies of `own` decide.
pub(super) fn side(direction: Direction, verdict: &Verdict) -> Decision {
    match direction {
        Direction::Ingress => verdict.ingress,
        Direction::Egress => verdict.egress,
    }
}

/// A verdict as evidence, with what this side says of it.
pub(super) fn evidence(
    context: &Context<'_>,
    direction: Direction,
    connection: &Connection,
    verdict: &Verdict,
) -> Evidence {
    let party = match direction {
        Direction::Ingress => connection.to,
        Direction::Egress => connection.from,
    };
    let (because, by) = context.decision(party, direction, &side(direction, verdict));
    Evidence {
        because,
        by,
        ..context.word(connection, verdict)
    }
}

/// The statement that makes a denial of this policy's language final.
pub(super) fn final_denial(context: &Context<'_>, at: PolicyRef) -> &'static str {
    let Origin::Object(id) = context.origin(at) else {
        return "A-4";
    };
    match context.world[id].kind.dialect {
        Dialect::Calico => "C-3",
        Dialect::Cilium => "L-25",
        Dialect::Antrea => "T-3",
        Dialect::EgressFirewall => "O-2",
        Dialect::Admin => "A-4",
    }
}

/// The rules of a policy with their places.
pub(super) fn rules_of<'c>(
    context: &'c Context<'_>,
    policy: PolicyRef,
) -> impl Iterator<Item = (RuleRef, &'c Rule)> + use<'c> {
    let rules = context.eval.ruleset[policy].rules.iter().enumerate();
    rules.map(move |(rule, found)| (RuleRef { policy, rule }, found))
}

/// Whether a rule is for everybody and for all traffic, or nearly.
pub(super) fn is_broad(rule: &Rule) -> bool {
    let everybody = |peer: &Peer| match peer {
        Peer::Any => true,
        Peer::Endpoints(selector, _) => {
            let all = match &selector.namespaces {
                NamespaceScope::Only(_) => false,
                NamespaceScope::Matching(labels) => labels.is_empty(),
            };
            all && selector.pods.is_empty() && selector.also.is_none()
        }
        Peer::Block(block, _) => block.is_whole_family(),
        _ => false,
    };
    let all = |item: &PortMatch| matches!(item, PortMatch::Everything | PortMatch::Any);
    rule.peers.iter().any(everybody) && rule.traffic.iter().any(all)
}
