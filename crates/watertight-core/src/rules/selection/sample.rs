//! Connections that stand for what a rule is about, for evidence.
//!
//! INVARIANT: whatever is made up here is judged before it is shown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{PeerAt, Selection};
use crate::diag::Evidence;
use crate::eval::{Connection, Decision, Party, Reason};
use crate::manifest::Direction;
use crate::policy::{Peer, Rule};
use crate::rules::Context;
use crate::sets::{IpBlock, PortMatch, Protocol};
use crate::world::{EndpointId, World};

/// How many ends of each kind are tried for one piece of evidence.
pub(in crate::rules) const TRIES: usize = 6;

/// An address outside of the cluster, of a family that the pod has (RFC 5737, RFC 3849).
pub(in crate::rules) fn outside(world: &World, of: EndpointId) -> Party {
    let ips = &world[of].ips;
    if ips.is_empty() || ips.iter().any(IpAddr::is_ipv4) {
        return Party::Address(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)));
    }
    Party::Address(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 10)))
}

/// An address of a block, outside of its exceptions. Of a wide block it is one for documentation, if it
/// has any (RFC 5737, RFC 3849), or else one that a host may have.
pub(in crate::rules) fn address_in(block: &IpBlock) -> Option<IpAddr> {
    let after = |net: &IpNet| -> Option<IpAddr> {
        match net.broadcast() {
            IpAddr::V4(last) => u32::from(last)
                .checked_add(1)
                .map(|ip| Ipv4Addr::from(ip).into()),
            IpAddr::V6(last) => u128::from(last)
                .checked_add(1)
                .map(|ip| Ipv6Addr::from(ip).into()),
        }
    };
    let hosts = || block.cidr.net.hosts();
    let first = hosts().nth(1).or_else(|| hosts().next());
    let behind = block.except.iter().filter_map(|except| after(&except.net));
    let own = first.into_iter().chain(behind);
    // Of a block that somebody owns, its own first address says more.
    let is_wide = block.cidr.net.prefix_len() < if block.is_v4() { 8 } else { 16 };
    let examples = EXAMPLES.into_iter().filter(|_| is_wide);
    let found = examples.chain(own).chain(ORDINARY);
    let mut found: Vec<IpAddr> = found.filter(|ip| block.contains(*ip)).collect();
    // Nobody has an address of "this" network, or one that is everybody's.
    let is_odd = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => matches!(ip.octets(), [0 | 127 | 224.., ..]),
        IpAddr::V6(ip) => matches!(ip.segments(), [0 | 0xff00.., ..]),
    };
    found.sort_by_key(is_odd);
    found.into_iter().next()
}

/// Addresses for documentation.
const EXAMPLES: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)),
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 10)),
];

/// Others, for blocks that begin where no host is.
const ORDINARY: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111)),
];

/// Some of those whom a rule means, other than the subject.
pub(in crate::rules) fn other_ends(
    selection: &Selection<'_>,
    rule: &Rule,
    subject: EndpointId,
) -> Vec<Party> {
    let world = selection.context.world;
    let mut found = Vec::new();
    for peer in &rule.peers {
        match peer {
            Peer::Any => found.push(outside(world, subject)),
            Peer::Block(block, _) => found.extend(address_in(block).map(Party::Address)),
            Peer::Endpoints(selector, _) => {
                let members = selection.first_members(selector, TRIES + 1);
                let others = members.into_iter().filter(|id| *id != subject);
                found.extend(others.take(TRIES).map(Party::Endpoint));
            }
            _ => {}
        }
        if found.len() >= TRIES {
            break;
        }
    }
    found
}

/// The destination of a connection of a subject, if it is a pod.
pub(in crate::rules) fn destination(
    direction: Direction,
    subject: EndpointId,
    other: Party,
) -> Option<EndpointId> {
    match (direction, other) {
        (Direction::Ingress, _) => Some(subject),
        (Direction::Egress, Party::Endpoint(id)) => Some(id),
        (Direction::Egress, _) => None,
    }
}

/// A port that traffic is about: one that the destination declares, if there is one.
pub(in crate::rules) fn port(
    world: &World,
    traffic: &[PortMatch],
    destination: Option<EndpointId>,
) -> (Protocol, u16) {
    let declared = destination.map_or(&[][..], |id| &world[id].ports);
    let fitting = declared
        .iter()
        .find(|port| traffic.iter().any(|item| covers(world, item, port)));
    let written = || {
        traffic.iter().find_map(|item| match item {
            PortMatch::Range {
                protocol, first, ..
            } if *first > 0 => Some((*protocol, *first)),
            PortMatch::Range { protocol, .. } => Some((*protocol, 80)),
            _ => None,
        })
    };
    fitting
        .map(|port| (port.protocol, port.number))
        .or_else(written)
        .or_else(|| declared.first().map(|port| (port.protocol, port.number)))
        .unwrap_or((Protocol::Tcp, 80))
}

/// Whether traffic covers a port of the destination.
pub(in crate::rules) fn covers(world: &World, item: &PortMatch, port: &crate::world::Port) -> bool {
    match item {
        PortMatch::Named { protocol, name, .. } => {
            *protocol == port.protocol
                && port.name.is_some()
                && port.name == world.symbols.get(name)
        }
        item => item.takes(port.protocol, port.number),
    }
}

/// A connection seen from its subject.
pub(in crate::rules) fn connection(
    direction: Direction,
    subject: EndpointId,
    other: Party,
    (protocol, port): (Protocol, u16),
) -> Connection {
    let own = Party::Endpoint(subject);
    match direction {
        Direction::Ingress => Connection::new(other, own, protocol, port),
        Direction::Egress => Connection::new(own, other, protocol, port),
    }
}

/// The connection as evidence if it fails for one reason only: no rule of the subject admits it.
pub(in crate::rules) fn refused(
    context: &Context<'_>,
    direction: Direction,
    connection: &Connection,
) -> Option<Evidence> {
    let verdict = context.eval.verdict(connection);
    let (own, other) = match direction {
        Direction::Ingress => (verdict.ingress, verdict.egress),
        Direction::Egress => (verdict.egress, verdict.ingress),
    };
    let by_lack = matches!(own, Decision::NoRule { .. }) && verdict.uncertain.is_none();
    (verdict.reason == Reason::Policies && by_lack && other.is_allowed())
        .then(|| context.word(connection, &verdict))
}

/// The connection as evidence if it is allowed because nothing isolates the subject.
pub(in crate::rules) fn unpoliced(
    context: &Context<'_>,
    direction: Direction,
    connection: &Connection,
) -> Option<Evidence> {
    let verdict = context.eval.verdict(connection);
    let decision = match direction {
        Direction::Ingress => verdict.ingress,
        Direction::Egress => verdict.egress,
    };
    let open = matches!(decision, Decision::NotIsolated | Decision::NotSubject);
    (verdict.allowed && open).then(|| context.word(connection, &verdict))
}

/// A refused connection between a subject of the peer's policy and one of these.
pub(in crate::rules) fn refused_with(
    selection: &Selection<'_>,
    peer: &PeerAt<'_>,
    others: &[EndpointId],
) -> Option<Evidence> {
    let context = selection.context;
    let direction = peer.at.direction;
    let mut subjects = selection.subjects(peer.at).take(TRIES);
    subjects.find_map(|subject| {
        let others = others.iter().filter(|id| **id != subject).take(TRIES);
        others.copied().find_map(|other| {
            let other = Party::Endpoint(other);
            let to = destination(direction, subject, other);
            let port = port(context.world, &peer.rule.traffic, to);
            refused(
                context,
                direction,
                &connection(direction, subject, other, port),
            )
        })
    })
}
