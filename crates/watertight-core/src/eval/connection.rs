//! What is judged: one new connection attempt.

use std::net::IpAddr;

use crate::sets::{Family, Protocol};
use crate::world::{EndpointId, NameId, NodeId, World};

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A pod, or all pods of a template.
    Endpoint(EndpointId),
    /// A process on a node.
    Node(NodeId),
    /// An address; if a pod or node owns it, that one is meant. The ClusterIP of a Service is
    /// nobody's: ask `Evaluator::to_service`, which judges after translation (K-79).
    Address(IpAddr),
    /// Whoever a DNS name stands for, outside the cluster (A-31, L-58).
    Name(NameId),
}

/// A request on a connection that is allowed as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Box<str>,
    /// The path.
    pub path: Box<str>,
}

/// An ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// The type.
    pub kind: u8,
    /// The code.
    pub code: u8,
}

impl Icmp {
    /// A request for an echo.
    #[must_use]
    pub fn echo(family: Family) -> Self {
        let kind = match family {
            Family::V4 => 8,
            Family::V6 => 128,
        };
        Self { kind, code: 0 }
    }

    /// The type in the high byte, the code in the low one.
    #[must_use]
    pub fn number(self) -> u16 {
        u16::from_be_bytes([self.kind, self.code])
    }
}

/// What a client dialled when it reached its peer through a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceAddress {
    /// The cluster address.
    pub ip: IpAddr,
    /// The Service port.
    pub port: u16,
}

/// A new connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Who connects.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// The protocol.
    pub protocol: Protocol,
    /// The destination port as the destination sees it; none for ICMP.
    pub port: Option<u16>,
    /// The source port. Only few languages look at it (K-62, C-47).
    pub source_port: Option<u16>,
    /// The message, for ICMP; none is an echo request.
    pub icmp: Option<Icmp>,
    /// The address family; by default IPv4 where both ends have it (K-68).
    pub family: Option<Family>,
    /// The Service that was dialled (K-79).
    pub service: Option<ServiceAddress>,
    /// The node through which an outside connection enters the cluster (K-82).
    pub via_node: Option<NodeId>,
    /// The port that was dialled on that node (C-69).
    pub node_port: Option<u16>,
    /// Whether this is a packet of a connection that was allowed the other way (K-77).
    pub reply: bool,
}

impl Connection {
    /// A plain connection.
    #[must_use]
    pub fn new(from: Party, to: Party, protocol: Protocol, port: u16) -> Self {
        Self {
            from,
            to,
            protocol,
            port: Some(port),
            source_port: None,
            icmp: None,
            family: None,
            service: None,
            via_node: None,
            node_port: None,
            reply: false,
        }
    }
}

impl Party {
    /// The same party by what owns its address.
    #[must_use]
    pub fn resolve(self, world: &World) -> Self {
        let Self::Address(ip) = self else {
            return self;
        };
        if let Some(endpoint) = world.endpoint_at(ip) {
            return Self::Endpoint(endpoint);
        }
        match world.node_at(ip) {
            Some(node) => Self::Node(node),
            None => self,
        }
    }

    /// The address, if the party is named by one.
    pub(super) fn given(self) -> Option<IpAddr> {
        match self {
            Self::Address(ip) => Some(ip),
            Self::Endpoint(_) | Self::Node(_) | Self::Name(_) => None,
        }
    }

    /// Whether the party has an address of a family, as far as is known.
    pub(super) fn has_family(self, world: &World, family: Family) -> bool {
        let has = |ips: &[IpAddr]| ips.iter().any(|ip| Family::of(*ip) == family);
        match self {
            Self::Address(ip) => Family::of(ip) == family,
            Self::Name(name) => {
                let ips = &world[name].ips;
                ips.is_empty() || has(ips)
            }
            Self::Node(node) => world[node].ips.is_empty() || has(&world[node].ips),
            Self::Endpoint(id) => {
                let endpoint = &world[id];
                if !endpoint.ips.is_empty() {
                    return has(&endpoint.ips);
                }
                let cidrs = &world.assumed.pod_cidrs;
                endpoint.host_network.is_some()
                    || cidrs.iter().any(|cidr| Family::of(cidr.addr()) == family)
            }
        }
    }

    /// The address in a family, where it is known.
    #[must_use]
    pub fn address(self, world: &World, family: Family) -> Option<IpAddr> {
        let of = |ips: &[IpAddr]| ips.iter().copied().find(|ip| Family::of(*ip) == family);
        match self {
            Self::Address(ip) => Some(ip).filter(|ip| Family::of(*ip) == family),
            Self::Name(name) => of(&world[name].ips),
            Self::Node(node) => of(&world[node].ips),
            Self::Endpoint(id) => of(&world[id].ips),
        }
    }
}
