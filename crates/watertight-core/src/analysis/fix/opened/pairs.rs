//! Both sides of one pair: the ports on which it is allowed now and was not.

use super::groups::Both;
use super::{Opened, State};
use crate::engine::Snat;
use crate::eval::reach::{Outcome, Peer, Ports, RowId};
use crate::eval::{Connection, Family, Icmp, Party};
use crate::manifest::Direction;
use crate::sets::Protocol;
use crate::world::World;

/// What one party may open to another, and could not before.
pub(super) fn opened(
    before: State<'_, '_>,
    after: State<'_, '_>,
    from: Both,
    to: Both,
) -> Vec<Opened> {
    let (then, now) = (before.ports(from.0, to.0), after.ports(from.1, to.1));
    let mut found = all_wider(&now, &then);
    let add = |found: &mut Vec<Ports>, part: Ports| {
        let is_known = |known: &Ports| {
            (known.protocol, known.first) <= (part.protocol, part.first)
                && (part.protocol, part.last) <= (known.protocol, known.last)
        };
        if !found.iter().any(is_known) {
            found.push(part);
        }
    };
    // The usual family is IPv4 (K-68); those that speak both are asked over IPv6 too.
    if let (Some(then), Some(now)) = (before.by_six(from.0, to.0), after.by_six(from.1, to.1)) {
        for part in all_wider(&now, &then) {
            let is_wider = |port| {
                let then = before.outcome_by_six(from.0, to.0, part.protocol, port);
                after.outcome_by_six(from.1, to.1, part.protocol, port) > then
            };
            if is_wider(part.first) || is_wider(part.last) {
                add(&mut found, part);
            }
        }
    }
    for family in [Family::V4, Family::V6] {
        let then = before.through(from.0, to.0, family);
        for part in all_wider(&after.through(from.1, to.1, family), &then) {
            add(&mut found, part);
        }
    }
    let world = after.eval.world;
    let opened = found.into_iter().map(|part| Opened {
        from: spell(world, from.1),
        to: spell(world, to.1),
        protocol: part.protocol,
        first: part.first,
        last: part.last,
    });
    opened.collect()
}

impl State<'_, '_> {
    /// The ports that one party may reach at another, and may perhaps.
    fn ports(self, from: Party, to: Party) -> Vec<Ports> {
        if let Some(ports) = self.reach.between(self.eval, from, to) {
            return ports;
        }
        // Something else than policies decides, and does so for all ports.
        let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp];
        let ports = all.map(|protocol| {
            let mut connection = Connection::new(from, to, protocol, 1);
            connection.port = connection.port.filter(|_| protocol != Protocol::Icmp);
            Ports {
                protocol,
                first: 0,
                last: u16::MAX,
                outcome: Outcome::of(&self.eval.verdict(&connection)),
            }
        });
        let allowed = ports.into_iter();
        allowed
            .filter(|ports| ports.outcome != Outcome::Denied)
            .collect()
    }

    /// What rows say over IPv6, to whoever may speak it.
    fn by_six(self, from: Party, to: Party) -> Option<Vec<Ports>> {
        let class = |party| {
            let class = match party {
                Party::Endpoint(id) => self.reach.class_of(id),
                Party::Node(id) => self.reach.class_of_node(id),
                Party::Name(id) => self.reach.class_of_name(id),
                // An address has one family.
                Party::Address(_) => None,
            };
            Some(Peer::Class(class?, Family::V6))
        };
        let row = |direction, party| match party {
            Party::Endpoint(id) => self.reach.side(direction).row_of(id),
            Party::Node(id) => self.reach.side(direction).row_of_node(id),
            Party::Address(_) | Party::Name(_) => RowId::EVERYTHING,
        };
        let egress = (row(Direction::Egress, from), class(to)?);
        let ingress = (row(Direction::Ingress, to), class(from)?);
        Some(self.reach.between_rows(egress, ingress))
    }

    /// What gets to a pod from outside through a node that lends it its address (K-82): that the pod
    /// is on this very node does not matter then.
    fn through(self, node: Party, to: Party, family: Family) -> Vec<Ports> {
        let (Party::Node(node), Party::Endpoint(to)) = (node, to) else {
            return Vec::new();
        };
        let class = self.reach.class_of_node(node);
        let class = class.filter(|_| self.eval.switches.snat == Snat::NodeIp);
        let side = self.reach.side(Direction::Ingress);
        class.map_or(Vec::new(), |class| {
            side.ports(side.row_of(to), Peer::Class(class, family))
        })
    }

    fn outcome_by_six(self, from: Party, to: Party, protocol: Protocol, port: u16) -> Outcome {
        let mut connection = Connection::new(from, to, protocol, port);
        connection.family = Some(Family::V6);
        if protocol == Protocol::Icmp {
            let [kind, code] = port.to_be_bytes();
            connection.port = None;
            connection.icmp = Some(Icmp { kind, code });
        }
        self.reach.outcome(self.eval, &connection)
    }
}

fn all_wider(now: &[Ports], then: &[Ports]) -> Vec<Ports> {
    let parts = now.iter().flat_map(|ports| {
        let parts = wider(ports, then).into_iter();
        parts.map(|(first, last)| Ports {
            first,
            last,
            ..*ports
        })
    });
    parts.collect()
}

/// The parts of `now` that are better than what `then` says; `then` is in order.
fn wider(now: &Ports, then: &[Ports]) -> Vec<(u16, u16)> {
    let mut left = vec![(now.first, now.last)];
    let as_good = then
        .iter()
        .filter(|old| old.protocol == now.protocol && old.outcome >= now.outcome);
    for old in as_good {
        let mut rest = Vec::with_capacity(left.len() + 1);
        for (first, last) in left {
            if old.last < first || last < old.first {
                rest.push((first, last));
                continue;
            }
            if let Some(end) = old.first.checked_sub(1).filter(|end| first <= *end) {
                rest.push((first, end));
            }
            if let Some(start) = old.last.checked_add(1).filter(|start| *start <= last) {
                rest.push((start, last));
            }
        }
        left = rest;
    }
    left
}

fn spell(world: &World, party: Party) -> String {
    match party {
        Party::Endpoint(id) => world.display_name(id),
        Party::Node(id) => format!("node:{}", world[id].name),
        Party::Address(ip) => format!("ip:{ip}"),
        Party::Name(id) => format!("fqdn:{}", world[id].text),
    }
}
