//! Whether a rule matches a peer and its traffic.

use std::net::IpAddr;

use ipnet::IpNet;

use super::compile::is_member;
use super::connection::Family;
use super::{Evaluator, can_be_selected};
use crate::engine::{HostNetwork, Icmp as IcmpSwitch, IpBlockPods};
use crate::manifest::Direction;
use crate::policy::{Peer, Rule};
use crate::sets::{IpBlock, PortMatch, Protocol};
use crate::world::EndpointId;

/// An answer that may rest on an address that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    No,
    /// An ipBlock that covers a part of where the endpoint may lie (M-1).
    Maybe,
    Yes,
}

impl From<bool> for Match {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// What policy sees of the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote {
    /// The pod, if the other end is one.
    pub endpoint: Option<EndpointId>,
    /// Whether it is a node or a host-network pod.
    pub on_host: bool,
    pub address: Option<IpAddr>,
    pub family: Family,
}

/// What policy sees of the traffic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    pub protocol: Protocol,
    pub port: Option<u16>,
}

impl Evaluator<'_> {
    /// Peers and traffic of one rule; both must match (K-19).
    pub(super) fn rule_matches(
        &self,
        rule: &Rule,
        direction: Direction,
        subject: EndpointId,
        remote: &Remote,
        traffic: Traffic,
    ) -> (Match, bool) {
        let peers = rule
            .peers
            .iter()
            .map(|peer| self.peer_matches(peer, remote));
        let peer = peers.max().unwrap_or(Match::No);
        let ports_of = match direction {
            Direction::Ingress => Some(subject),
            // K-57: a name means nothing where the destination is no pod.
            Direction::Egress => remote.endpoint.filter(|_| {
                !remote.on_host || self.switches.host_network == HostNetwork::PodLabels
            }),
        };
        let ports = rule
            .traffic
            .iter()
            .any(|item| self.port_matches(item, traffic, ports_of));
        (peer, ports)
    }

    fn peer_matches(&self, peer: &Peer, remote: &Remote) -> Match {
        match peer {
            Peer::Any => Match::Yes,
            Peer::Endpoints(selector, _) => Match::from(remote.endpoint.is_some_and(|endpoint| {
                can_be_selected(self.world, &self.switches, endpoint)
                    && is_member(self.world, selector, endpoint)
            })),
            Peer::Block(block) => self.block_matches(block, remote),
        }
    }

    /// K-63..K-70, M-1.
    fn block_matches(&self, block: &IpBlock, remote: &Remote) -> Match {
        let outside = remote.endpoint.is_none() && !remote.on_host;
        if !outside && !self.blocks_cover(remote.on_host) {
            return Match::No;
        }
        match remote.address {
            Some(address) => block.contains(address).into(),
            None => self.unknown_in_block(block, remote.family, remote.on_host),
        }
    }

    /// Whether blocks cover addresses of nodes, or of pods, at all (K-65, K-70).
    pub(super) fn blocks_cover(&self, on_host: bool) -> bool {
        if on_host {
            self.switches.ipblock_nodes
        } else {
            self.switches.ipblock_pods == IpBlockPods::Match
        }
    }

    /// Whether a block covers a pod, or something on the host network, of unknown address (M-1).
    pub(super) fn unknown_in_block(&self, block: &IpBlock, family: Family, on_host: bool) -> Match {
        if !self.blocks_cover(on_host) {
            return Match::No;
        }
        if on_host {
            return self.node_range_matches(block, family);
        }
        let of_family = |net: &&IpNet| Family::of(net.addr()) == family;
        let ranges = self.world.assumed.pod_cidrs.iter().filter(of_family);
        ranges
            .map(
                |range| match (block.contains_all(*range), block.touches(*range)) {
                    (true, _) => Match::Yes,
                    (false, true) => Match::Maybe,
                    (false, false) => Match::No,
                },
            )
            .max()
            .unwrap_or(Match::No)
    }

    /// A host-network pod whose node is not known: certain only where all known nodes agree.
    fn node_range_matches(&self, block: &IpBlock, family: Family) -> Match {
        let nodes = self.world.nodes.iter().flat_map(|node| &node.ips);
        let (mut inside, mut outside) = (false, false);
        for ip in nodes.filter(|ip| Family::of(**ip) == family) {
            if block.contains(*ip) {
                inside = true;
            } else {
                outside = true;
            }
        }
        match (inside, outside) {
            (true, false) => Match::Yes,
            (false, true) => Match::No,
            (true, true) => Match::Maybe,
            (false, false) => {
                let same_family = Family::of(block.cidr.net.addr()) == family;
                if !same_family {
                    Match::No
                } else if block.is_whole_family() && block.except.is_empty() {
                    Match::Yes
                } else {
                    Match::Maybe
                }
            }
        }
    }

    /// K-47..K-62.
    fn port_matches(
        &self,
        item: &PortMatch,
        traffic: Traffic,
        ports_of: Option<EndpointId>,
    ) -> bool {
        if traffic.protocol == Protocol::Icmp {
            return *item == PortMatch::Everything && self.switches.icmp != IcmpSwitch::Drop;
        }
        match item {
            PortMatch::Everything => true,
            PortMatch::Range {
                protocol,
                first,
                last,
                ..
            } => {
                let port = traffic.port.unwrap_or_default();
                *protocol == traffic.protocol && (*first..=*last).contains(&port)
            }
            PortMatch::Named { protocol, name, .. } => {
                let Some(endpoint) = ports_of.filter(|_| *protocol == traffic.protocol) else {
                    return false;
                };
                let Some(name) = self.world.symbols.get(name) else {
                    return false;
                };
                // K-55: every container port of that name counts.
                self.world[endpoint].ports.iter().any(|port| {
                    port.name == Some(name)
                        && port.protocol == traffic.protocol
                        && Some(port.number) == traffic.port
                })
            }
        }
    }
}
