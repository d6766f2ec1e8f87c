//! What a world can be asked, whatever was read: every party with every other one, on every port
//! where an answer may change.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use watertight_core::eval::{Connection, Family, Party, ServiceAddress};
use watertight_core::policy::{Peer, Ruleset};
use watertight_core::sets::{PortMatch, Protocol};
use watertight_core::world::{NodeId, World};

use super::{addresses, rules};

/// Addresses of one family that nobody owns, at most.
const ADDRESSES_AT_MOST: usize = 6;

/// Parties and ports of a world.
#[derive(Debug)]
pub(crate) struct Asked<'w> {
    world: &'w World,
    pub(crate) parties: Vec<Party>,
    /// Of the parties, those that are an address of an endpoint or a node.
    pub(crate) owned: Vec<Party>,
    pub(crate) ports: Vec<u16>,
}

impl<'w> Asked<'w> {
    pub(crate) fn of(world: &'w World, ruleset: &Ruleset) -> Self {
        let mut parties: Vec<Party> = world.endpoint_ids().map(Party::Endpoint).collect();
        parties.extend(world.node_ids().map(Party::Node));
        let (mut owned, mut free) = (BTreeSet::new(), BTreeSet::new());
        for ip in interesting(world, ruleset) {
            let party = Party::Address(ip);
            if party.resolve(world) == party {
                free.insert(ip);
            } else {
                owned.insert(ip);
            }
        }
        for v6 in [false, true] {
            let free: Vec<IpAddr> = free
                .iter()
                .copied()
                .filter(|ip| ip.is_ipv6() == v6)
                .collect();
            let step = free.len().div_ceil(ADDRESSES_AT_MOST).max(1);
            parties.extend(free.into_iter().step_by(step).map(Party::Address));
        }
        Self {
            world,
            parties,
            owned: owned.into_iter().map(Party::Address).collect(),
            ports: ports(world, ruleset).into_iter().collect(),
        }
    }

    /// Protocols with ports.
    pub(crate) fn traffic(&self) -> Vec<(Protocol, Option<u16>)> {
        let mut found = vec![(Protocol::Icmp, None)];
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
            found.extend(self.ports.iter().map(|port| (protocol, Some(*port))));
        }
        found
    }

    /// At most `most` connections of all that there are, spread over them.
    pub(crate) fn connections(&self, most: usize) -> Vec<Connection> {
        let traffic = self.traffic();
        let endpoints = self.world.endpoint_ids().map(Party::Endpoint);
        let parties = self.parties.iter().chain(&self.owned).copied();
        // Endpoints count twice: there are many addresses.
        let all: Vec<Party> = endpoints.chain(parties).collect();
        let total = traffic.len() * all.len() * all.len() * 5;
        let at = |index: usize| {
            let (index, (protocol, port)) = pick(index, &traffic);
            let (index, from) = pick(index, &all);
            let (index, to) = pick(index, &all);
            let mut connection = Connection::new(from, to, protocol, 0);
            connection.port = port;
            match index {
                1 => connection.family = Some(Family::V4),
                2 => connection.family = Some(Family::V6),
                3 => connection.service = self.service(port),
                4 => connection.via_node = self.entry(from, to),
                _ => {}
            }
            connection
        };
        if total <= most {
            return (0..total).map(at).collect();
        }
        // Odd multiples of a large prime meet all parts of the list alike.
        let spread = |at: usize| at.wrapping_mul(2_654_435_761) % total;
        (0..most).map(|index| at(spread(index))).collect()
    }

    /// A Service that may have been dialled on the way.
    fn service(&self, port: Option<u16>) -> Option<ServiceAddress> {
        let ips = self.world.services.iter().flat_map(|it| &it.cluster_ips);
        let ips: Vec<IpAddr> = ips.copied().collect();
        let choice = usize::from(port?);
        let ip = *ips.get(choice % ips.len().max(1))?;
        let port = self.ports[choice % self.ports.len()];
        Some(ServiceAddress { ip, port })
    }

    /// A node through which an outside connection may have come: it has an address of its family.
    fn entry(&self, from: Party, to: Party) -> Option<NodeId> {
        let Party::Address(ip) = from else {
            return None;
        };
        let nodes: Vec<NodeId> = self
            .world
            .node_ids()
            .filter(|id| {
                let ips = &self.world[*id].ips;
                ips.is_empty() || ips.iter().any(|own| own.is_ipv4() == ip.is_ipv4())
            })
            .collect();
        let choice = match to {
            Party::Endpoint(id) => id.index(),
            _ => 0,
        };
        nodes.get(choice % nodes.len().max(1)).copied()
    }
}

fn pick<T: Copy>(index: usize, of: &[T]) -> (usize, T) {
    (index / of.len(), of[index % of.len()])
}

/// The first and the last port of everything that names ports, their neighbours, and all named ports.
fn ports(world: &World, ruleset: &Ruleset) -> BTreeSet<u16> {
    let mut used = BTreeSet::from([0, u16::MAX]);
    for item in rules(ruleset).flat_map(|rule| &rule.traffic) {
        if let PortMatch::Range { first, last, .. } = item {
            used.extend([*first, *last]);
        }
    }
    let own = world.endpoints.iter().flat_map(|endpoint| &endpoint.ports);
    used.extend(own.map(|port| port.number));
    let around = |port: &u16| [port.saturating_sub(1), *port, port.saturating_add(1)];
    used.iter().flat_map(around).collect()
}

/// The addresses that anything has, and those around the bounds of all blocks.
fn interesting(world: &World, ruleset: &Ruleset) -> BTreeSet<IpAddr> {
    let pods = world.endpoints.iter().flat_map(|endpoint| &endpoint.ips);
    let nodes = world.nodes.iter().flat_map(|node| &node.ips);
    let services = world.services.iter().flat_map(|it| &it.cluster_ips);
    let mut found: BTreeSet<IpAddr> = pods.chain(nodes).chain(services).copied().collect();
    found.extend(addresses::OUTSIDE.map(|ip| ip.parse::<IpAddr>().unwrap()));
    let mut around = |net: IpNet| {
        let (first, last) = (net.network(), net.broadcast());
        let beyond = [addresses::step(first, -1), addresses::step(last, 1)];
        found.extend([first, last]);
        found.extend(beyond.into_iter().flatten());
    };
    for peer in rules(ruleset).flat_map(|rule| &rule.peers) {
        if let Peer::Block(block, _) = peer {
            around(block.cidr.net);
            block.except.iter().for_each(|except| around(except.net));
        }
    }
    world.assumed.pod_cidrs.iter().copied().for_each(around);
    found
}

/// A connection for people.
pub(crate) fn name(world: &World, connection: &Connection) -> String {
    let party = |party| match party {
        Party::Endpoint(id) => world.endpoint_name(id),
        Party::Node(id) => format!("node:{}", world[id].name),
        Party::Address(ip) => format!("[{ip}]"),
        Party::Name(id) => world[id].text.to_string(),
    };
    let (from, to) = (party(connection.from), party(connection.to));
    let protocol = connection.protocol.word();
    let port = connection.port.map_or(String::new(), |it| format!(":{it}"));
    format!(
        "{from} -> {to}{port}/{protocol} {:?} {:?} via {:?}",
        connection.family, connection.service, connection.via_node
    )
}
