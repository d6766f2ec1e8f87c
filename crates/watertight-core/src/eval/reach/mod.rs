//! Reach: every pair at once, without enumerating pairs.
//!
//! Endpoints that no peer of any rule tells apart are one class; endpoints with the same policies
//! share a row for each direction; a row says, for bands of ports, which classes and which addresses
//! are allowed. A connection is allowed if the source's egress row has the destination and the
//! destination's ingress row has the source.
//!
//! Cost grows with the endpoints, the distinct selectors and the rows, never with pairs.
//! `Evaluator::verdict` is the oracle: [`Reach::outcome`] gives the same answer for every connection.

mod atoms;
mod classes;
mod follow;
mod row;
mod selectors;
mod sets;
mod side;
mod update;

use std::net::IpAddr;

pub(crate) use atoms::bounds;
use classes::Classes;
pub(crate) use follow::Same;
pub use row::{Band, Row};
pub use sets::{SetId, Sets};
pub use side::{RowId, Side};
pub use update::{Change, Updated};

use super::matching::Traffic;
use super::verdict::{End, VXLAN};
use super::{Connection, Evaluator, Family, Own, Party, Reason, Verdict};
use crate::engine::{Icmp, PodTunnels};
use crate::manifest::Direction;
use crate::sets::Protocol;
use crate::world::{EndpointId, NameId, NodeId};

/// What rows say of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is denied.
    Denied,
    /// It depends on what the input does not say (M-1).
    Uncertain,
    /// It is allowed.
    Allowed,
}

impl Outcome {
    /// What a verdict comes to.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        match (verdict.uncertain, verdict.allowed) {
            (Some(_), _) => Self::Uncertain,
            (None, true) => Self::Allowed,
            (None, false) => Self::Denied,
        }
    }
}

/// A peer, as sets know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A class of endpoints and nodes, seen over a family.
    Class(u32, Family),
    /// An address that belongs to none of them.
    Address(IpAddr),
}

/// Ports of one protocol with one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ports {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port; for ICMP the first message, its type in the high byte.
    pub first: u16,
    /// The last port, or message.
    pub last: u16,
    /// The outcome.
    pub outcome: Outcome,
}

/// All rows of a world under a ruleset.
#[derive(Clone, Debug)]
pub struct Reach {
    classes: Classes,
    ingress: Side,
    egress: Side,
}

impl Reach {
    /// Computes all rows.
    #[must_use]
    pub fn new(eval: &Evaluator<'_>) -> Self {
        // Both sides ask which policies select whom.
        let (classes, ()) = both(|| Classes::new(eval), || eval.compiled.prepare(eval));
        let (ingress, egress) = both(
            || Side::new(eval, &classes, Direction::Ingress),
            || Side::new(eval, &classes, Direction::Egress),
        );
        Self {
            classes,
            ingress,
            egress,
        }
    }

    /// The rows of a direction.
    #[must_use]
    pub fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// Whether the pods, nodes and names of both are in classes of the same numbers.
    pub(crate) fn has_classes_of(&self, other: &Self) -> bool {
        self.classes.number_as(&other.classes)
    }

    /// The class of an endpoint; none if it owns no address (K-33, K-86).
    #[must_use]
    pub fn class_of(&self, endpoint: EndpointId) -> Option<u32> {
        self.classes.of_endpoint(endpoint)
    }

    /// The class of a node.
    #[must_use]
    pub fn class_of_node(&self, node: NodeId) -> Option<u32> {
        self.classes.of_node(node)
    }

    /// The class of a DNS name.
    #[must_use]
    pub fn class_of_name(&self, name: NameId) -> Option<u32> {
        self.classes.of_name(name)
    }

    /// Judges a connection by rows.
    #[must_use]
    pub fn outcome(&self, eval: &Evaluator<'_>, connection: &Connection) -> Outcome {
        let tunnel = eval.switches.pod_tunnels == PodTunnels::Drop;
        let plain = (!tunnel || connection.protocol != Protocol::Udp).then_some(connection);
        plain
            .and_then(|connection| self.of_two_pods(connection))
            .unwrap_or_else(|| self.of_any(eval, connection))
    }

    /// The plain case: two pods with networks of their own, not through a Service. Only rows decide.
    fn of_two_pods(&self, connection: &Connection) -> Option<Outcome> {
        let Connection {
            from: Party::Endpoint(from),
            to: Party::Endpoint(to),
            protocol: Protocol::Tcp | Protocol::Udp | Protocol::Sctp,
            source_port: None,
            icmp: None,
            family: None,
            service: None,
            via_node: None,
            reply: false,
            ..
        } = *connection
        else {
            return None;
        };
        let (source, [from4, from6]) = self.classes.plain(from)?;
        let (target, [to4, to6]) = self.classes.plain(to)?;
        let family = match (from != to, from4 && to4, from6 && to6) {
            (true, true, _) => Family::V4,
            (true, false, true) => Family::V6,
            _ => return None,
        };
        let (protocol, port) = (connection.protocol, connection.port.unwrap_or_default());
        let decided = |side: &Side, own: EndpointId, other: u32| {
            let row = side.row_of(own);
            if row == RowId::EVERYTHING {
                return Outcome::Allowed;
            }
            side.of_port(row, Peer::Class(other, family), protocol, port)
        };
        let egress = decided(&self.egress, from, target);
        Some(match egress {
            Outcome::Denied => egress,
            _ => egress.min(decided(&self.ingress, to, source)),
        })
    }

    fn of_any(&self, eval: &Evaluator<'_>, connection: &Connection) -> Outcome {
        if connection.source_port.is_some() || connection.via_node.is_some() {
            // Rows know neither source ports nor the nodes on the way.
            return Outcome::of(&eval.verdict(connection));
        }
        let (source, target) = match eval.settle(connection) {
            Ok(ends) => ends,
            Err(Reason::Exempt(..)) => return Outcome::Allowed,
            Err(_) => return Outcome::Denied,
        };
        let (remote, traffic) = eval.seen_at_egress(connection, &target);
        let egress = self.one_side(eval, Direction::Egress, &source, &remote, traffic);
        if egress == Outcome::Denied {
            return Outcome::Denied;
        }
        let (remote, traffic) = eval.seen_at_ingress(connection, &source);
        egress.min(self.one_side(eval, Direction::Ingress, &target, &remote, traffic))
    }

    fn one_side(
        &self,
        eval: &Evaluator<'_>,
        direction: Direction,
        own: &End,
        remote: &End,
        traffic: Traffic<'_>,
    ) -> Outcome {
        let row = self.row_of(eval, direction, own, remote);
        if row == RowId::EVERYTHING {
            return Outcome::Allowed;
        }
        let side = self.side(direction);
        let port = traffic.port.unwrap_or_default();
        match (
            side.band(row, traffic.protocol, port),
            self.peer(eval, remote),
        ) {
            (Some(band), Some(peer)) => side.of_band(band, peer),
            _ => Outcome::Denied,
        }
    }

    /// The row of an end, unless it is nobody that policies apply to.
    fn row_of(&self, eval: &Evaluator<'_>, direction: Direction, own: &End, remote: &End) -> RowId {
        let side = self.side(direction);
        match eval.own(own.party) {
            Some(Own::Endpoint(id)) => side.row_of(id),
            Some(Own::Node(id)) if !eval.is_let_in(direction, id, &remote.remote) => {
                side.row_of_node(id)
            }
            _ => RowId::EVERYTHING,
        }
    }

    /// Judges one direction of one endpoint alone, whatever the other side says.
    #[must_use]
    pub fn decide(
        &self,
        eval: &Evaluator<'_>,
        direction: Direction,
        subject: EndpointId,
        other: Party,
        protocol: Protocol,
        port: u16,
    ) -> Outcome {
        let Some(remote) = eval.other_end(subject, other) else {
            return Outcome::Allowed;
        };
        let row = self.side(direction).row_of(subject);
        match self.peer(eval, &remote) {
            _ if row == RowId::EVERYTHING => Outcome::Allowed,
            Some(peer) => self.side(direction).of_port(row, peer, protocol, port),
            None => Outcome::Denied,
        }
    }

    /// An end of a connection as sets know it.
    fn peer(&self, eval: &Evaluator<'_>, end: &End) -> Option<Peer> {
        let family = end.remote.family;
        match end.party {
            Party::Endpoint(id) => Some(Peer::Class(self.classes.of_endpoint(id)?, family)),
            Party::Node(id) => {
                let known = end.party.address(eval.world, family);
                let class = match end.remote.address {
                    // Another address of the node than the one that its class goes by.
                    Some(ip) if Some(ip) != known => self.classes.of_node_ip(ip),
                    _ => None,
                };
                Some(Peer::Class(
                    class.or_else(|| self.classes.of_node(id))?,
                    family,
                ))
            }
            Party::Name(id) => Some(Peer::Class(self.classes.of_name(id)?, family)),
            Party::Address(ip) => Some(Peer::Address(ip)),
        }
    }

    /// The ports of every protocol on which one party may talk to another, in order, as far as
    /// policies decide it; denied ports are left out. None if something else than policies decides:
    /// then one `verdict` holds for all ports.
    #[must_use]
    pub fn between(&self, eval: &Evaluator<'_>, from: Party, to: Party) -> Option<Vec<Ports>> {
        let connection = Connection::new(from, to, Protocol::Tcp, 0);
        let (source, target) = eval.settle(&connection).ok()?;
        let egress = self.row_of(eval, Direction::Egress, &source, &target);
        let ingress = self.row_of(eval, Direction::Ingress, &target, &source);
        let (to, from) = (self.peer(eval, &target), self.peer(eval, &source));
        let (Some(to), Some(from)) = (to, from) else {
            return Some(Vec::new());
        };
        let mut found = self.between_rows((egress, to), (ingress, from));
        if eval.switches.icmp == Icmp::Exempt {
            // K-61: no policy is asked for it.
            found.retain(|ports| ports.protocol != Protocol::Icmp);
            found.push(Ports {
                protocol: Protocol::Icmp,
                first: 0,
                last: u16::MAX,
                outcome: Outcome::Allowed,
            });
        }
        let tunnel = Connection::new(source.party, target.party, Protocol::Udp, VXLAN);
        if matches!(eval.settle(&tunnel), Err(Reason::Blocked(..))) {
            found = found.into_iter().flat_map(without_vxlan).collect();
        }
        Some(found)
    }

    /// The ports that an egress row allows to a peer and an ingress row allows from another.
    #[must_use]
    pub fn between_rows(&self, egress: (RowId, Peer), ingress: (RowId, Peer)) -> Vec<Ports> {
        let sent = self.egress.ports(egress.0, egress.1);
        let accepted = self.ingress.ports(ingress.0, ingress.1);
        meet(&sent, &accepted)
    }
}

impl Side {
    fn of_band(&self, band: &Band, peer: Peer) -> Outcome {
        if self.sets.has(band.allowed, peer) {
            Outcome::Allowed
        } else if self.sets.has(band.maybe, peer) {
            Outcome::Uncertain
        } else {
            Outcome::Denied
        }
    }

    /// What a row says of a peer on a port.
    #[must_use]
    pub fn of_port(&self, row: RowId, peer: Peer, protocol: Protocol, port: u16) -> Outcome {
        let band = self.band(row, protocol, port);
        band.map_or(Outcome::Denied, |band| self.of_band(band, peer))
    }

    /// The ports on which a row allows a peer, or may; in order.
    #[must_use]
    pub fn ports(&self, row: RowId, peer: Peer) -> Vec<Ports> {
        let bands = self.row(row).bands().iter().map(|band| Ports {
            protocol: band.protocol,
            first: band.first,
            last: band.last,
            outcome: self.of_band(band, peer),
        });
        joined(bands.filter(|ports| ports.outcome != Outcome::Denied))
    }
}

/// Ports on which both sides agree, with the worse of the two outcomes; both lists are in order.
#[must_use]
pub fn meet(sent: &[Ports], accepted: &[Ports]) -> Vec<Ports> {
    let mut found = Vec::new();
    let (mut sent, mut accepted) = (sent.iter().peekable(), accepted.iter().peekable());
    while let (Some(a), Some(b)) = (sent.peek(), accepted.peek()) {
        if a.protocol == b.protocol {
            let (first, last) = (a.first.max(b.first), a.last.min(b.last));
            if first <= last {
                found.push(Ports {
                    protocol: a.protocol,
                    first,
                    last,
                    outcome: a.outcome.min(b.outcome),
                });
            }
        }
        if (a.protocol, a.last) <= (b.protocol, b.last) {
            sent.next();
        } else {
            accepted.next();
        }
    }
    joined(found.into_iter())
}

/// C-73.
fn without_vxlan(ports: Ports) -> Vec<Ports> {
    if ports.protocol != Protocol::Udp || !(ports.first..=ports.last).contains(&VXLAN) {
        return vec![ports];
    }
    let below = VXLAN.checked_sub(1).map(|last| Ports { last, ..ports });
    let above = VXLAN.checked_add(1).map(|first| Ports { first, ..ports });
    let parts = [below, above].into_iter().flatten();
    parts.filter(|part| part.first <= part.last).collect()
}

/// Neighbours with the same outcome become one.
fn joined(ports: impl Iterator<Item = Ports>) -> Vec<Ports> {
    let mut found: Vec<Ports> = Vec::new();
    for next in ports {
        match found.last_mut() {
            Some(known)
                if (known.protocol, known.outcome) == (next.protocol, next.outcome)
                    && known.last.checked_add(1) == Some(next.first) =>
            {
                known.last = next.last;
            }
            _ => found.push(next),
        }
    }
    found
}

#[cfg(feature = "parallel")]
fn both<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    rayon::join(a, b)
}

#[cfg(not(feature = "parallel"))]
fn both<A, B>(a: impl FnOnce() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}

#[cfg(test)]
mod tests;
