//! Host endpoints as nodes that policies are about (C-63..C-70).
//!
//! A node is one subject, its interfaces are not told apart: where it has host endpoints for named
//! interfaces, they speak for it, and one for all interfaces does not. A host endpoint of a node that
//! is not known is left out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::peers::Condition;
use super::rules::Owner;
use super::{Lowering, objects};
use crate::manifest::Direction;
use crate::manifest::PolicyObject;
use crate::manifest::policy::calico::{
    CalicoObject, CalicoPort, CalicoPortKind, CalicoProfile, CalicoProtocol, HostEndpoint,
};
use crate::policy::{Action, Covers, Origin, Peer, Policy, Rule, Subject, Tier};
use crate::sets::{CalicoSelector, Cidr, IpBlock, PortMatch, Protocol};
use crate::world::{NodeId, ObjectId, PolicyItem, World};

/// The interface name that means all of them.
const ALL_INTERFACES: &str = "*";

/// The profile of host endpoints that Calico makes, which allows everything (C-65).
const ALLOW_ALL: &str = "projectcalico-default-allow";

/// The start of the names of the profiles of namespaces, which allow everything (C-8).
const OF_NAMESPACE: &str = "kns.";

/// Ports that hosts always accept (C-64).
const FAILSAFE_IN: &[(Protocol, u16)] = &[
    (Protocol::Tcp, 22),
    (Protocol::Udp, 68),
    (Protocol::Tcp, 179),
    (Protocol::Tcp, 2379),
    (Protocol::Tcp, 2380),
    (Protocol::Tcp, 5473),
    (Protocol::Tcp, 6443),
    (Protocol::Tcp, 6666),
    (Protocol::Tcp, 6667),
];

/// Ports that hosts may always connect to (C-64).
const FAILSAFE_OUT: &[(Protocol, u16)] = &[
    (Protocol::Udp, 53),
    (Protocol::Udp, 67),
    (Protocol::Tcp, 179),
    (Protocol::Tcp, 2379),
    (Protocol::Tcp, 2380),
    (Protocol::Tcp, 5473),
    (Protocol::Tcp, 6443),
    (Protocol::Tcp, 6666),
    (Protocol::Tcp, 6667),
];

/// A host endpoint that speaks for its node.
#[derive(Debug)]
pub(super) struct Host<'w> {
    item: &'w PolicyItem,
    endpoint: &'w HostEndpoint,
    node: NodeId,
    /// The addresses that packets to and from it have: what is expected, or else the node's.
    pub own_ips: Vec<IpAddr>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Hosts<'w> {
    world: &'w World,
    hosts: Vec<Host<'w>>,
    profiles: BTreeMap<&'w str, (ObjectId, &'w CalicoProfile)>,
}

impl<'w> Hosts<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let found = objects(world).filter_map(|(item, object)| match object {
            CalicoObject::HostEndpoint(endpoint) => Some(Host {
                item,
                endpoint,
                node: world.node(&endpoint.node)?,
                own_ips: Vec::new(),
            }),
            _ => None,
        });
        let mut hosts: Vec<Host<'w>> = found.collect();
        let is_special =
            |host: &Host<'_>| host.endpoint.interface.as_deref() != Some(ALL_INTERFACES);
        let special = hosts.iter().filter(|host| is_special(host));
        let special: Vec<NodeId> = special.map(|host| host.node).collect();
        hosts.retain(|host| is_special(host) || !special.contains(&host.node));
        for host in &mut hosts {
            let expected = &host.endpoint.expected_ips;
            host.own_ips = match expected.is_empty() {
                true => world[host.node].ips.iter().copied().collect(),
                false => expected.clone(),
            };
        }
        let profiles = world.object_ids().filter_map(|id| match &world[id].object {
            PolicyObject::Calico(CalicoObject::Profile(profile)) => {
                Some((&*world[id].name, (id, &**profile)))
            }
            _ => None,
        });
        Self {
            world,
            hosts,
            profiles: profiles.collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    pub(super) fn positions(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.hosts.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Host<'w>> {
        self.hosts.get(at)
    }

    /// The hosts that a selector means, by position (C-18).
    pub(super) fn selected(&self, selector: &CalicoSelector) -> Vec<usize> {
        let all = self.hosts.iter().enumerate();
        let matches =
            |host: &Host<'w>| selector.matches(&|key| self.label(host.item, host.endpoint, key));
        all.filter(|(_, host)| matches(host))
            .map(|(at, _)| at)
            .collect()
    }

    /// Their nodes.
    pub(super) fn nodes(&self, hosts: impl Iterator<Item = usize>) -> Arc<[NodeId]> {
        let mut nodes: Vec<NodeId> = hosts
            .filter_map(|at| self.get(at).map(|host| host.node))
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.into()
    }

    /// The numbers that a host has for the name of a port.
    pub(super) fn port(&self, at: usize, name: &str, protocol: Protocol) -> Vec<u16> {
        let ports = self
            .get(at)
            .into_iter()
            .flat_map(|host| &host.endpoint.ports);
        let ports = ports.filter(|port| *port.name == *name && is(port.protocol, protocol));
        ports.map(|port| port.port).collect()
    }

    /// The numbers that any host has for the name of a port.
    pub(super) fn numbers_of(&self, name: &str, protocol: Protocol) -> Vec<u16> {
        let all = self.positions();
        all.flat_map(|at| self.port(at, name, protocol)).collect()
    }

    /// Hosts that have ports of these names, by position, with the addresses by which selectors find
    /// them (C-41, C-48).
    pub(super) fn named<'p>(
        &self,
        ports: impl Iterator<Item = &'p CalicoPort> + Clone,
    ) -> Vec<(usize, Condition)> {
        let asks = |name: &str| {
            let mut ports = ports.clone();
            ports.any(|port| matches!(&port.kind, CalicoPortKind::Name(asked) if **asked == *name))
        };
        let hosts = self.hosts.iter().enumerate();
        let named = hosts.filter(|(_, host)| {
            let mut ports = host.endpoint.ports.iter();
            ports.any(|port| asks(&port.name)) && !host.endpoint.expected_ips.is_empty()
        });
        let found = named.map(|(at, host)| {
            let ips = host.endpoint.expected_ips.iter();
            (at, ips.map(|ip| address(*ip, host)).collect())
        });
        found.collect()
    }

    /// What hosts accept and send before any policy (C-64).
    pub(super) fn failsafes(&self, direction: Direction) -> Option<Tier> {
        let span = self.hosts.first()?.item.span;
        let ports = match direction {
            Direction::Ingress => FAILSAFE_IN,
            Direction::Egress => FAILSAFE_OUT,
        };
        let traffic = ports.iter().map(|(protocol, port)| PortMatch::Range {
            protocol: *protocol,
            first: *port,
            last: *port,
            span,
        });
        let nodes = Subject::Nodes(self.nodes(self.positions()));
        let mut policy = Policy::new(nodes, Origin::Engine("C-64", "failsafe ports of hosts"));
        let rule = Rule::new(Action::Allow, vec![Peer::Any], traffic.collect(), span);
        policy.rules.push(rule);
        Some(Tier::new("failsafe ports", vec![policy]))
    }

    /// What becomes of connections of hosts that no tier decides: their profiles decide, or else they
    /// are refused (C-63).
    pub(super) fn profiles(&self, lowering: &Lowering<'_>, direction: Direction) -> Option<Tier> {
        let mut closed: BTreeMap<&[Box<str>], Vec<usize>> = BTreeMap::new();
        for (at, host) in self
            .hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| !is_open(host))
        {
            closed.entry(&host.endpoint.profiles).or_default().push(at);
        }
        let mut policies = Vec::new();
        for (names, hosts) in closed {
            let nodes = Subject::Nodes(self.nodes(hosts.iter().copied()));
            let owner = Owner::Hosts(hosts);
            for (id, profile) in names.iter().filter_map(|name| self.profiles.get(&**name)) {
                let rules = &profile.section(direction).rules;
                let entries = lowering.entries(rules, direction, None, &owner, Origin::Object(*id));
                policies.extend(entries.into_iter().map(|entry| Policy {
                    isolates: false,
                    ..entry
                }));
            }
            let origin = Origin::Engine("C-63", "hosts refuse what no profile allows");
            let mut rest = Policy::new(nodes, origin);
            rest.isolates = true;
            policies.push(rest);
        }
        (!policies.is_empty()).then(|| Tier::new("host profiles", policies))
    }

    /// A label of a host endpoint: its own, or one that its profiles apply (C-21).
    pub(super) fn label(
        &self,
        item: &'w PolicyItem,
        endpoint: &'w HostEndpoint,
        key: &str,
    ) -> Option<&'w str> {
        let own = self.world.symbols.value(&item.labels, key);
        own.or_else(|| {
            let profiles = endpoint.profiles.iter();
            let mut profiles = profiles.filter_map(|name| self.profiles.get(&**name));
            profiles.find_map(|(_, profile)| {
                let found = profile.labels.iter().find(|(known, _)| **known == *key);
                found.map(|(_, value)| &**value)
            })
        })
    }
}

/// Whether a profile lets everything through.
fn is_open(host: &Host<'_>) -> bool {
    let profiles = &host.endpoint.profiles;
    let mut profiles = profiles.iter();
    profiles.any(|name| **name == *ALLOW_ALL || name.starts_with(OF_NAMESPACE))
}

fn address(ip: IpAddr, host: &Host<'_>) -> Peer {
    let span = host.item.span;
    let net = IpNet::from(ip);
    let block = IpBlock {
        cidr: Cidr { net, span },
        except: Vec::new(),
        span,
    };
    Peer::Block(block, Covers::ALL)
}

fn protocol(of: CalicoProtocol) -> Option<Protocol> {
    match of.number {
        CalicoProtocol::TCP => Some(Protocol::Tcp),
        CalicoProtocol::UDP => Some(Protocol::Udp),
        CalicoProtocol::SCTP => Some(Protocol::Sctp),
        _ => None,
    }
}

fn is(of: CalicoProtocol, wanted: Protocol) -> bool {
    protocol(of) == Some(wanted)
}
