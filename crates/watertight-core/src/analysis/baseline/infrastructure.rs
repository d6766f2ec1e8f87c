//! What every workload needs of the cluster itself: its DNS, and for some its API server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::needs::{Block, Ports, Whom};
use super::units::Units;
use crate::facts::ranges::{LINK_LOCAL_V4, node_local_dns};
use crate::manifest::{Hint, Said};
use crate::sets::Protocol;
use crate::world::{DnsServer, EndpointId, World};

/// The cluster's DNS.
#[derive(Clone, Debug, Default)]
pub struct Dns {
    /// Whom to allow, on which ports.
    pub peers: BTreeMap<Whom, BTreeSet<Ports>>,
    /// The server pods.
    pub servers: Vec<DnsServer>,
    /// The addresses of caches on every node.
    pub caches: Vec<IpAddr>,
    /// Whether the servers were assumed (M-2).
    pub assumed: bool,
    /// What a reader should know.
    pub comments: Vec<String>,
}

const PORTS: [Ports; 2] = [
    Ports::Range(Protocol::Udp, 53, 53),
    Ports::Range(Protocol::Tcp, 53, 53),
];

impl Dns {
    /// The DNS of a world.
    #[must_use]
    pub fn find(world: &World, units: &Units, hints: &[Hint]) -> Self {
        let mut dns = Self {
            assumed: world.assumed.dns.is_some(),
            ..Self::default()
        };
        let system = |server: &DnsServer| {
            let namespace = &world[world[server.endpoint].namespace].name;
            matches!(&**namespace, "kube-system" | "openshift-dns")
        };
        let mut servers = world.dns_servers();
        if servers.iter().any(system) {
            servers.retain(system);
        }
        for server in &servers {
            let Some(unit) = units.of_endpoint(server.endpoint) else {
                continue;
            };
            let ports = dns.peers.entry(Whom::Unit(unit)).or_default();
            let speaks = [(Protocol::Udp, server.udp), (Protocol::Tcp, server.tcp)];
            for (protocol, port) in speaks {
                ports.extend(port.map(|port| Ports::one(protocol, port)));
            }
        }
        dns.servers = servers;
        if world.symbols.get("node-local-dns").is_some() {
            let caches = world.node_local_dns();
            if !caches.is_empty() {
                dns.node_local(world, units, hints, &caches);
            }
        }
        if dns.assumed {
            dns.comments.push(
                "The input has no DNS: these are the labels and ports that most clusters use."
                    .to_owned(),
            );
        }
        dns
    }

    /// Caches on every node.
    fn node_local(&mut self, world: &World, units: &Units, hints: &[Hint], caches: &[EndpointId]) {
        let (on_host, pods): (Vec<EndpointId>, Vec<EndpointId>) = caches
            .iter()
            .partition(|id| world[**id].host_network.is_some());
        for unit in units.of_endpoints(&pods) {
            self.peers
                .entry(Whom::Unit(unit))
                .or_default()
                .extend(PORTS);
        }
        if on_host.is_empty() {
            return;
        }
        let cache_units = units.of_endpoints(&on_host);
        let dialled = world.dns_service().map(|id| world[id].cluster_ips.clone());
        let dialled = dialled.unwrap_or_default();
        let is_cache = |hint: &&Hint| {
            let named = |unit: &super::units::UnitId| {
                let unit = &units[*unit];
                *hint.kind == *unit.kind
                    && *hint.name == *unit.name
                    && hint.namespace.as_deref() == Some(&*world[unit.namespace].name)
            };
            cache_units.iter().any(named)
        };
        let mut addresses = BTreeSet::new();
        for hint in hints.iter().filter(is_cache) {
            for said in &hint.said {
                let Said::Value { value, .. } = said else {
                    continue;
                };
                let words = value.split([',', ' ', '=']);
                let ips = words.filter_map(|word| word.parse::<IpAddr>().ok());
                addresses
                    .extend(ips.filter(|ip| LINK_LOCAL_V4.contains(ip) || dialled.contains(ip)));
            }
        }
        if addresses.is_empty() {
            addresses.extend(node_local_dns().first().map(|cache| cache.address));
            self.comments.push(
                "The cache on every node: the input does not tell its address; this is the usual one."
                    .to_owned(),
            );
        }
        let blocks = addresses.iter().map(|ip| Block::whole(IpNet::from(*ip)));
        let whom = Whom::Blocks(blocks.collect());
        self.peers.entry(whom).or_default().extend(PORTS);
        self.caches = addresses.into_iter().collect();
    }

    /// Whether there is nobody to ask.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.peers.values().all(BTreeSet::is_empty)
    }
}

/// The API server.
#[derive(Clone, Debug, Default)]
pub struct ApiServer {
    /// Where it listens; empty if the input does not tell.
    pub addresses: BTreeSet<(IpAddr, u16)>,
}

impl ApiServer {
    /// The usual port.
    pub const PORT: u16 = 6443;

    /// The API server of a world: the addresses behind the Service, or those of static pods.
    #[must_use]
    pub fn find(world: &World) -> Self {
        let service = world.service("default", "kubernetes").map(|id| &world[id]);
        let listed = service.into_iter().flat_map(|service| &service.addresses);
        let mut addresses: BTreeSet<_> = listed
            .filter(|address| address.protocol == Protocol::Tcp)
            .map(|address| (address.ip, address.port))
            .collect();
        if addresses.is_empty() && world.symbols.get("kube-apiserver").is_some() {
            let servers = world.endpoint_ids().filter(|id| {
                world[*id].host_network.is_some()
                    && world.label(*id, "component") == Some("kube-apiserver")
            });
            for id in servers {
                let mut ports = world[id].ports.iter();
                let tcp = ports.find(|port| port.protocol == Protocol::Tcp);
                let port = tcp.map_or(Self::PORT, |port| port.number);
                addresses.extend(world[id].ips.iter().map(|ip| (*ip, port)));
            }
        }
        Self { addresses }
    }

    /// Whom to allow, by port.
    #[must_use]
    pub fn peers(&self) -> BTreeMap<u16, Whom> {
        let mut by_port: BTreeMap<u16, Vec<Block>> = BTreeMap::new();
        for (ip, port) in &self.addresses {
            let blocks = by_port.entry(*port).or_default();
            blocks.push(Block::whole(IpNet::from(*ip)));
        }
        let blocks = by_port.into_iter();
        blocks
            .map(|(port, blocks)| (port, Whom::Blocks(blocks)))
            .collect()
    }
}
