//! Peers as addresses: what the kernel can look up.
//!
//! A node's packets show addresses and nothing else, so the peer algebra of the normal form, which tells
//! pods, nodes and all others apart, becomes an algebra of address sets: who owns an address is known
//! here, because every endpoint of the world that is compiled has its addresses.

use std::cell::OnceCell;
use std::net::IpAddr;

use ipnet::IpNet;
use watertight_core::eval::{Evaluator, Family};
use watertight_core::policy::{Covers, EndpointSelector, Peer};
use watertight_core::sets::{IpBlock, Runs};
use watertight_core::world::{EndpointId, Lifecycle, NodeId, World};

/// Addresses of both families.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) v4: Runs<u32>,
    pub(super) v6: Runs<u128>,
}

impl Addresses {
    pub(super) fn all() -> Self {
        Self {
            v4: Runs::all(),
            v6: Runs::all(),
        }
    }

    pub(super) fn of<'i>(ips: impl IntoIterator<Item = &'i IpAddr>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for ip in ips {
            match ip {
                IpAddr::V4(ip) => v4.push(ip.to_bits()),
                IpAddr::V6(ip) => v6.push(ip.to_bits()),
            }
        }
        Self {
            v4: Runs::from_numbers(v4),
            v6: Runs::from_numbers(v6),
        }
    }

    /// A block without its exceptions (K-63).
    fn of_block(block: &IpBlock) -> Self {
        let except = block.except.iter().map(|cidr| Self::of_net(&cidr.net));
        Self::of_net(&block.cidr.net).minus(&Self::union_of(except))
    }

    /// All at once: one by one, thousands of blocks would be merged thousands of times.
    fn union_of(parts: impl Iterator<Item = Self>) -> Self {
        let parts: Vec<Self> = parts.collect();
        Self {
            v4: Runs::union_of(parts.iter().map(|part| &part.v4)),
            v6: Runs::union_of(parts.iter().map(|part| &part.v6)),
        }
    }

    pub(super) fn of_net(net: &IpNet) -> Self {
        match net {
            IpNet::V4(net) => Self {
                v4: Runs::range(net.network().to_bits(), net.broadcast().to_bits()),
                v6: Runs::default(),
            },
            IpNet::V6(net) => Self {
                v4: Runs::default(),
                v6: Runs::range(net.network().to_bits(), net.broadcast().to_bits()),
            },
        }
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.union(&other.v4),
            v6: self.v6.union(&other.v6),
        }
    }

    fn both(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.intersection(&other.v4),
            v6: self.v6.intersection(&other.v6),
        }
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.difference(&other.v4),
            v6: self.v6.difference(&other.v6),
        }
    }

    pub(super) fn is_all(&self) -> bool {
        self.v4.is_all() && self.v6.is_all()
    }
}

/// Who owns which address.
#[derive(Debug)]
pub(super) struct Owners<'e, 'w> {
    eval: &'e Evaluator<'w>,
    own: NodeId,
    // Who follows one pod may need neither.
    pods: OnceCell<Addresses>,
    nodes: OnceCell<Addresses>,
}

impl<'e, 'w> Owners<'e, 'w> {
    pub(super) fn new(eval: &'e Evaluator<'w>, own: NodeId) -> Self {
        Self {
            eval,
            own,
            pods: OnceCell::new(),
            nodes: OnceCell::new(),
        }
    }

    fn pods(&self) -> &Addresses {
        let world = self.eval.world;
        let all = || world.endpoint_ids().flat_map(|id| owned(world, id));
        self.pods.get_or_init(|| Addresses::of(all()))
    }

    fn nodes(&self) -> &Addresses {
        let world = self.eval.world;
        let all = || world.node_ids().flat_map(|id| of_node(world, id));
        self.nodes.get_or_init(|| Addresses::of(all()))
    }

    /// The pods that a selector selects, those with a network of their own.
    pub(super) fn members(&self, selector: &EndpointSelector) -> Vec<EndpointId> {
        let world = self.eval.world;
        let mut members = self.eval.members(selector);
        members.retain(|id| has_network(world, *id));
        members
    }

    /// The addresses of a peer. Those that would be found out by DNS are known only as far as the world
    /// knows them.
    pub(super) fn peer(&self, peer: &Peer) -> Addresses {
        let world = self.eval.world;
        match peer {
            Peer::Any => Addresses::all(),
            Peer::Endpoints(selector, _) => {
                let members = self.members(selector);
                Addresses::of(members.iter().flat_map(|id| owned(world, *id)))
            }
            Peer::Block(block, covers) => self.covered(Addresses::of_block(block), *covers),
            Peer::Nodes(nodes, _) => Addresses::of(nodes.iter().flat_map(|id| of_node(world, *id))),
            Peer::AnyNode(_) => self.nodes().clone(),
            Peer::OwnNode(_) => Addresses::of(of_node(world, self.own)),
            Peer::OtherNodes(_) => self.nodes().minus(&Addresses::of(of_node(world, self.own))),
            Peer::Outside(_) => self.outside(),
            Peer::Domain(pattern, ..) => {
                let names = world
                    .names
                    .iter()
                    .filter(|name| pattern.matches(&name.text));
                let found = Addresses::of(names.flat_map(|name| &name.ips));
                found.both(&self.outside())
            }
            Peer::All(parts) => {
                let parts = parts.iter().map(|part| self.peer(part));
                parts.fold(Addresses::all(), |all, part| all.both(&part))
            }
            Peer::AnyOf(parts) => self.any_of(parts),
            Peer::Not(part) => Addresses::all().minus(&self.peer(part)),
        }
    }

    pub(super) fn any_of<'p>(&self, parts: impl IntoIterator<Item = &'p Peer>) -> Addresses {
        Addresses::union_of(parts.into_iter().map(|part| self.peer(part)))
    }

    fn outside(&self) -> Addresses {
        Addresses::all().minus(self.pods()).minus(self.nodes())
    }

    /// Addresses of those owners only that a block is about (K-65, K-70, L-44, L-45).
    fn covered(&self, block: Addresses, covers: Covers) -> Addresses {
        if covers == Covers::ALL {
            return block;
        }
        let owners = [
            (covers.pods, self.pods()),
            (covers.nodes, self.nodes()),
            (covers.outside, &self.outside()),
        ];
        let covered = owners.into_iter().filter(|(covered, _)| *covered);
        let covered = covered.fold(Addresses::default(), |all, (_, owner)| all.union(owner));
        block.both(&covered)
    }

    /// The families that pods have.
    pub(super) fn families(&self) -> Vec<Family> {
        let has = |family: &Family| match family {
            Family::V4 => !self.pods().v4.is_empty(),
            Family::V6 => !self.pods().v6.is_empty(),
        };
        Family::BOTH.into_iter().filter(has).collect()
    }
}

/// Whether an endpoint owns its addresses: it runs, and not on the host network (K-72, K-86).
pub(super) fn has_network(world: &World, id: EndpointId) -> bool {
    let endpoint = &world[id];
    endpoint.host_network.is_none()
        && endpoint.lifecycle == Lifecycle::Active
        && !endpoint.ips.is_empty()
}

/// The addresses that an endpoint owns. One that two of them have in the input is one's: evaluators and packets
/// know no other.
pub(super) fn owned(world: &World, id: EndpointId) -> impl Iterator<Item = &IpAddr> {
    let ips = world[id].ips.iter().filter(move |_| has_network(world, id));
    ips.filter(move |ip| world.endpoint_at(**ip) == Some(id))
}

/// The addresses that are a node's and no pod's.
fn of_node(world: &World, id: NodeId) -> impl Iterator<Item = &IpAddr> {
    let ips = world[id].ips.iter();
    ips.filter(move |ip| world.endpoint_at(**ip).is_none() && world.node_at(**ip) == Some(id))
}
