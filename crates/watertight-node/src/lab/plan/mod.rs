//! Who lives where in a lab, with which addresses.
//!
//! What the input says is kept: nodes, addresses of pods and nodes, cluster addresses. What it leaves open is
//! made up, from ranges that nothing in the input touches where there are such, and the same input always
//! gets the same. All of it is written into the world, so that verdicts are about the cluster that is built.
//!
//! INVARIANT: no address has two owners, and every endpoint of the world that is active is in the plan or in
//! the list of what was left out.

mod outside;
mod planner;
mod published;
mod ranges;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use watertight_core::engine::ServiceDnat;
use watertight_core::world::{EndpointId, Lifecycle, NodeId, World};

use self::planner::Planner;
pub(super) use self::ranges::GATEWAY;
pub use self::ranges::blocks;
use super::{Error, Place};

/// The most pods that a lab holds: each is a namespace.
const MOST_PODS: usize = 2_000;

/// The most nodes that a lab holds: each has a range of its own for pods.
const MOST_NODES: usize = 200;

/// How many nodes are made up where the input has none: pods meet on one node and across nodes.
const NODES: usize = 2;

/// Which address families there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

impl Families {
    /// Both.
    pub const BOTH: Self = Self { v4: true, v6: true };

    /// Whether an address is of one of them.
    #[must_use]
    pub fn include(self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        }
    }
}

/// What a lab shall be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Outside addresses besides the usual ones.
    pub outside: Vec<Outside>,
    /// Whether the usual outside addresses are there: one of the internet, those of cloud metadata, and a
    /// private one.
    pub usual_outside: bool,
    /// How many nodes there are at least; by default those of the input, or else two.
    pub nodes: Option<usize>,
    /// Only addresses of these families; by default those that pods of the input have, or else both.
    pub families: Option<Families>,
    /// Networks that made-up addresses should stay out of, besides those that NetworkPolicies name: see
    /// [`blocks`].
    pub avoid: Vec<IpNet>,
    /// Whether the engine judges Services behind their translation. Predictions know node ports and outer addresses
    /// of those alone, so that the others have none.
    pub service_dnat: ServiceDnat,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            outside: Vec::new(),
            usual_outside: true,
            nodes: None,
            families: None,
            avoid: Vec::new(),
            service_dnat: ServiceDnat::Post,
        }
    }
}

/// A node of a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which node of the world it is.
    pub id: NodeId,
    /// The name.
    pub name: Box<str>,
    /// The addresses.
    pub ips: Vec<IpAddr>,
}

/// A pod with a network of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Which endpoint of the world it is.
    pub id: EndpointId,
    /// `namespace/name`.
    pub name: Box<str>,
    /// The node that it runs on.
    pub node: NodeId,
    /// The addresses, at most one a family.
    pub ips: Vec<IpAddr>,
}

/// An address outside of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// What it stands for; an address of each family may stand for the same.
    pub name: Box<str>,
    /// The address.
    pub ip: IpAddr,
}

/// Something of the input that is not in the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// What it is called.
    pub name: Box<str>,
    /// The endpoint, if it is one.
    pub endpoint: Option<EndpointId>,
    /// Why, as a sentence without its subject: `has finished`.
    pub reason: Box<str>,
}

/// What the input leaves open and the plan makes up (M-7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MadeUp {
    /// Nodes that the input does not have.
    pub nodes: Vec<NodeId>,
    /// How many pods name no node.
    pub placed: usize,
    /// Templates of workloads, of which the input has no pods: each is one pod.
    pub templates: Vec<EndpointId>,
    /// Whether no pod of the input has an address, so that its families are not known either.
    pub families: bool,
    /// How many pods, nodes and Services have addresses that the input does not give.
    pub addresses: usize,
    /// How many ports of Services have a port on every node that the input does not give.
    pub node_ports: usize,
}

/// Who lives where.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// All nodes of the world, in its order.
    pub nodes: Vec<Node>,
    /// Pods with a network of their own, in the order of the world.
    pub pods: Vec<Pod>,
    /// Host-network pods, and the nodes that they live in.
    pub on_host: BTreeMap<EndpointId, NodeId>,
    /// What those are called: `namespace/name`.
    pub host_names: BTreeMap<EndpointId, Box<str>>,
    /// Whom pods ask for names: the cluster address of the DNS Service, or else the DNS pods; empty if the
    /// cluster has none of them.
    pub dns: Vec<IpAddr>,
    /// Addresses outside.
    pub outside: Vec<Outside>,
    /// Addresses of load balancers, and other outer addresses of Services: the node to which the world outside
    /// sends what is for them.
    pub entries: BTreeMap<IpAddr, NodeId>,
    /// What is not in the lab.
    pub left_out: Vec<LeftOut>,
    /// What was made up.
    pub made_up: MadeUp,
    /// The range that made-up addresses of pods are from, for each family.
    pub pod_ranges: Vec<IpNet>,
}

impl Plan {
    /// Plans a lab for a world, and completes the world by what the plan makes up: templates become pods,
    /// and every endpoint, node and Service that is in the lab has its place and addresses.
    pub fn new(world: &mut World, options: &Options) -> Result<Self, Error> {
        let active = |id: &EndpointId| world[*id].lifecycle == Lifecycle::Active;
        let pods = world.endpoint_ids().filter(active).count();
        check("pods", pods, MOST_PODS)?;
        let known = families_of(world);
        let families = options.families.or(known).unwrap_or(Families::BOTH);
        let mut planner = Planner::new(world, families, &options.avoid);
        planner.plan.made_up.families = known.is_none();
        planner.plan(options)
    }

    /// Where an endpoint lives; none if it was left out.
    #[must_use]
    pub fn place_of(&self, id: EndpointId) -> Option<Place> {
        if self.pod(id).is_some() {
            return Some(Place::Pod(id));
        }
        self.on_host.get(&id).map(|node| Place::Node(*node))
    }

    /// A pod with a network of its own.
    #[must_use]
    pub fn pod(&self, id: EndpointId) -> Option<&Pod> {
        let found = self.pods.binary_search_by_key(&id, |pod| pod.id).ok()?;
        self.pods.get(found)
    }

    /// The node that a place is on; none for the world outside.
    #[must_use]
    pub fn node_of(&self, place: Place) -> Option<NodeId> {
        match place {
            Place::World => None,
            Place::Node(node) => Some(node),
            Place::Pod(id) => self.pod(id).map(|pod| pod.node),
        }
    }

    /// Every place, the world first.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let nodes = self.nodes.iter().map(|node| Place::Node(node.id));
        let pods = self.pods.iter().map(|pod| Place::Pod(pod.id));
        std::iter::once(Place::World).chain(nodes).chain(pods)
    }

    /// The addresses that are owned at a place.
    #[must_use]
    pub fn ips_of(&self, place: Place) -> Vec<IpAddr> {
        match place {
            Place::World => self.outside.iter().map(|outside| outside.ip).collect(),
            Place::Node(id) => {
                let node = self.nodes.iter().find(|node| node.id == id);
                node.map(|node| node.ips.clone()).unwrap_or_default()
            }
            Place::Pod(id) => self.pod(id).map(|pod| pod.ips.clone()).unwrap_or_default(),
        }
    }

    /// Which families there are addresses of.
    #[must_use]
    pub fn families(&self) -> Families {
        let pods = self.pods.iter().flat_map(|pod| &pod.ips);
        let nodes = self.nodes.iter().flat_map(|node| &node.ips);
        let outside = self.outside.iter().map(|outside| &outside.ip);
        let mut all = pods.chain(nodes).chain(outside);
        Families {
            v4: all.clone().any(|ip| ip.is_ipv4()),
            v6: all.any(|ip| ip.is_ipv6()),
        }
    }
}

fn check(what: &'static str, count: usize, most: usize) -> Result<(), Error> {
    if count > most {
        return Err(Error::TooMany { what, count, most });
    }
    Ok(())
}

/// Those that pods of the input have; none if no pod has an address.
fn families_of(world: &World) -> Option<Families> {
    let pods = world.endpoint_ids().map(|id| &world[id]);
    let mut found = Families {
        v4: false,
        v6: false,
    };
    for pod in pods.filter(|pod| pod.lifecycle == Lifecycle::Active && pod.host_network.is_none()) {
        found.v4 |= pod.ips.iter().any(IpAddr::is_ipv4);
        found.v6 |= pod.ips.iter().any(IpAddr::is_ipv6);
    }
    (found.v4 || found.v6).then_some(found)
}
