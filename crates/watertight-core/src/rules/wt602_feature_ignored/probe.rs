//! Connections that try one line of a policy.

use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::uses::{Part, Use};
use crate::eval::{Connection, Party};
use crate::manifest::Direction;
use crate::policy::{EndpointSelector, NamespaceScope, Peer, Rule, RuleRef};
use crate::rules::Context;
use crate::sets::{IpBlock, PortMatch, Protocol};
use crate::world::{EndpointId, NamespaceId};

/// Pods that a policy applies to and that are tried.
const SUBJECTS: usize = 3;
/// Members of one selector that are tried.
const MEMBERS: usize = 3;
/// Addresses of nobody in particular, from the ranges that are kept for documentation.
const SOMEWHERE: [&str; 2] = ["203.0.113.10", "2001:db8::10"];

/// Makes connections; remembers who a selector selects.
#[derive(Debug, Default)]
pub(super) struct Prober {
    members: FxHashMap<String, Vec<EndpointId>>,
}

/// What to dial of a port range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PortOf {
    First,
    Last,
}

/// Whom to dial of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressOf {
    /// An address that the block covers.
    Block,
    /// An address that it leaves out.
    Except,
}

impl Prober {
    /// Connections to or from pods of the policy that only this line is meant to decide.
    pub(super) fn connections(
        &mut self,
        context: &Context<'_>,
        line: &Use,
        ports: PortOf,
        addresses: AddressOf,
    ) -> Vec<Connection> {
        let Some(policy) = context.policy_ref(line.policy, line.direction) else {
            return Vec::new();
        };
        let rule = RuleRef {
            policy,
            rule: line.rule,
        };
        let rule = &context.eval.ruleset[rule];
        let mut found = Vec::new();
        for subject in sample(context.eval.subjects_of(policy)) {
            for peer in self.parties(context, line, rule, subject, addresses) {
                found.extend(between(context, line, rule, subject, peer, ports));
            }
        }
        found
    }

    fn parties(
        &mut self,
        context: &Context<'_>,
        line: &Use,
        rule: &Rule,
        subject: EndpointId,
        addresses: AddressOf,
    ) -> Vec<Party> {
        let mut found = Vec::new();
        for (at, peer) in rule.peers.iter().enumerate() {
            if matches!(line.part, Part::Peer(wanted) if wanted != at) {
                continue;
            }
            match peer {
                Peer::Any => {
                    let groups = context.groups().iter().map(|group| group.example());
                    found.extend(groups.take(MEMBERS).map(Party::Endpoint));
                    found.extend(SOMEWHERE.iter().filter_map(|text| address(text)));
                }
                Peer::Endpoints(selector, _) => {
                    let members = self.members(context, selector);
                    found.extend(members.iter().copied().map(Party::Endpoint));
                }
                Peer::Block(block, _) if addresses == AddressOf::Except => {
                    let left_out = block.except.iter().filter_map(|except| inside(except.net));
                    found.extend(left_out.map(Party::Address));
                }
                Peer::Block(block, _) => found.extend(covered(block).map(Party::Address)),
                _ => {}
            }
        }
        found.retain(|party| *party != Party::Endpoint(subject));
        found
    }

    /// Some of the pods that a selector selects.
    fn members(&mut self, context: &Context<'_>, selector: &EndpointSelector) -> &[EndpointId] {
        let scope = match &selector.namespaces {
            NamespaceScope::Only(namespace) => namespace.index().to_string(),
            NamespaceScope::Matching(labels) => labels.to_string(),
        };
        let key = format!("{scope} {}", selector.pods);
        self.members
            .entry(key)
            .or_insert_with(|| select(context, selector))
    }
}

/// Connections between pods of the policy and this party that the line is meant to decide.
pub(super) fn connections_with(context: &Context<'_>, line: &Use, peer: Party) -> Vec<Connection> {
    let Some(policy) = context.policy_ref(line.policy, line.direction) else {
        return Vec::new();
    };
    let rule = RuleRef {
        policy,
        rule: line.rule,
    };
    let rule = &context.eval.ruleset[rule];
    let subjects = sample(context.eval.subjects_of(policy)).into_iter();
    subjects
        .filter(|subject| Party::Endpoint(*subject) != peer)
        .flat_map(|subject| between(context, line, rule, subject, peer, PortOf::First))
        .collect()
}

fn between(
    context: &Context<'_>,
    line: &Use,
    rule: &Rule,
    subject: EndpointId,
    peer: Party,
    ports: PortOf,
) -> Vec<Connection> {
    let (from, to) = match line.direction {
        Direction::Ingress => (peer, Party::Endpoint(subject)),
        Direction::Egress => (Party::Endpoint(subject), peer),
    };
    dialled(context, line, rule, to, ports)
        .into_iter()
        .map(|(protocol, port)| Connection::new(from, to, protocol, port))
        .collect()
}

fn select(context: &Context<'_>, selector: &EndpointSelector) -> Vec<EndpointId> {
    let world = context.world;
    let of = |namespace: NamespaceId| {
        let endpoints = world[namespace].endpoints.iter().copied();
        endpoints.filter(|id| {
            let labelled = selector.pods.matches(|key| world.label(*id, key));
            labelled && context.eval.can_be_subject(*id)
        })
    };
    match &selector.namespaces {
        NamespaceScope::Only(namespace) => of(*namespace).take(MEMBERS).collect(),
        NamespaceScope::Matching(labels) => world
            .namespace_ids()
            .filter(|id| labels.matches(|key| world.namespace_label(*id, key)))
            .flat_map(of)
            .take(MEMBERS)
            .collect(),
    }
}

/// The first, the last and one from the middle: they are likely to differ.
fn sample(subjects: &[EndpointId]) -> Vec<EndpointId> {
    let middle = subjects.get(subjects.len() / 2);
    let mut some: Vec<_> = [subjects.first(), middle, subjects.last()]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    some.dedup();
    some.truncate(SUBJECTS);
    some
}

/// What to dial at `to` so that the line decides.
fn dialled(
    context: &Context<'_>,
    line: &Use,
    rule: &Rule,
    to: Party,
    ports: PortOf,
) -> Vec<(Protocol, u16)> {
    let mut found = Vec::new();
    for (at, item) in rule.traffic.iter().enumerate() {
        if matches!(line.part, Part::Port(wanted) if wanted != at) {
            continue;
        }
        match item {
            PortMatch::Everything | PortMatch::Any => found.push((Protocol::Tcp, 80)),
            PortMatch::Except { protocol, .. } => found.push((*protocol, 80)),
            PortMatch::Icmp { .. } => {}
            PortMatch::Range {
                protocol, first: 0, ..
            } => found.push((*protocol, 80)),
            PortMatch::Range {
                protocol,
                first,
                last,
                ..
            } => {
                // An engine that ignores `endPort` has made the range one port.
                let written = line.port(context).and_then(|port| port.end_port);
                let last = written.unwrap_or(*last);
                let port = if ports == PortOf::Last { last } else { *first };
                found.push((*protocol, port));
            }
            PortMatch::Named { protocol, name, .. } => {
                let Party::Endpoint(id) = to.resolve(context.world) else {
                    continue;
                };
                let name = context.world.symbols.get(name);
                let declared = context.world[id].ports.iter().filter(|port| {
                    port.name.is_some() && port.name == name && port.protocol == *protocol
                });
                found.extend(declared.map(|port| (*protocol, port.number)));
            }
        }
    }
    found.truncate(2);
    found
}

/// An address that a block covers, as far from its edges as a few tries allow.
fn covered(block: &IpBlock) -> Option<IpAddr> {
    let net = block.cidr.net;
    let behind = block
        .except
        .iter()
        .filter_map(|except| next(except.net.broadcast()));
    let well_known = SOMEWHERE.iter().filter_map(|text| text.parse().ok());
    well_known
        .chain(inside(net))
        .chain([net.network(), net.broadcast()])
        .chain(behind)
        .find(|ip| block.contains(*ip))
}

/// An address of a network, not its first one if there is another.
fn inside(net: IpNet) -> Option<IpAddr> {
    let second = next(net.network()).filter(|ip| net.contains(ip));
    second.or(Some(net.network()))
}

fn next(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) => u32::from(v4)
            .checked_add(1)
            .map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(v6) => u128::from(v6)
            .checked_add(1)
            .map(|bits| IpAddr::V6(bits.into())),
    }
}

fn address(text: &str) -> Option<Party> {
    text.parse().ok().map(Party::Address)
}

/// Pods and nodes by address, to find one that a block covers.
#[derive(Debug, Default)]
pub(super) struct Residents {
    by_address: Vec<(IpAddr, Party)>,
    /// Pods whose address is only assumed (M-1), for each range.
    assumed: Vec<(IpNet, EndpointId)>,
}

/// Addresses of a block that are looked at, where exceptions leave the first ones out.
const TRIES: usize = 64;

impl Residents {
    /// The pods of a world.
    pub(super) fn pods(context: &Context<'_>) -> Self {
        let world = context.world;
        let mut residents = Self::default();
        let mut unknown = Vec::new();
        for id in world.endpoint_ids() {
            let endpoint = &world[id];
            if endpoint.assumed || !context.eval.can_be_subject(id) {
                continue;
            }
            let ips = endpoint.ips.iter();
            residents
                .by_address
                .extend(ips.map(|ip| (*ip, Party::Endpoint(id))));
            // Two, since one of them may be the pod that the policy is about.
            if endpoint.ips.is_empty() && unknown.len() < 2 {
                unknown.push(id);
            }
        }
        let ranges = world.assumed.pod_cidrs.iter();
        residents.assumed = ranges
            .flat_map(|range| unknown.iter().map(|id| (*range, *id)))
            .collect();
        residents.by_address.sort_unstable();
        residents
    }

    /// The nodes of a world.
    pub(super) fn nodes(context: &Context<'_>) -> Self {
        let world = context.world;
        let mut residents = Self::default();
        for id in world.node_ids() {
            let ips = world[id].ips.iter();
            residents
                .by_address
                .extend(ips.map(|ip| (*ip, Party::Node(id))));
        }
        residents.by_address.sort_unstable();
        residents
    }

    /// Some that a block covers.
    pub(super) fn in_block(&self, block: &IpBlock) -> Vec<Party> {
        let net = block.cidr.net;
        let start = self
            .by_address
            .partition_point(|(ip, _)| *ip < net.network());
        let known = self
            .by_address
            .iter()
            .skip(start)
            .take_while(|(ip, _)| net.contains(ip))
            .take(TRIES)
            .filter(|(ip, _)| block.contains(*ip))
            .map(|(_, party)| *party)
            .take(MEMBERS);
        let assumed = self
            .assumed
            .iter()
            .filter(|(range, _)| block.contains_all(*range))
            .map(|(_, id)| Party::Endpoint(*id));
        known.chain(assumed).collect()
    }
}
