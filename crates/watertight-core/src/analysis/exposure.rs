//! What an endpoint can reach that matters: names, credentials, the API server.
//!
//! Asked of every group of endpoints, so the answers are read from rows: which rows contain a
//! metadata address is found once, whoever has the row.

use rustc_hash::FxHashMap;

use crate::eval::reach::{Peer, SetId, Side};
use crate::eval::{Connection, Family, Party, ServiceAddress};
use crate::facts::metadata::{self, MetadataAddress};
use crate::facts::ranges;
use crate::manifest::Direction;
use crate::rules::Context;
use crate::sets::Protocol;
use crate::world::{Backend, DnsServer, Endpoint, EndpointId, World};

/// Whether names can be resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsReach {
    /// Over UDP, at one server at least.
    pub udp: bool,
    /// Over TCP, which long answers need.
    pub tcp: bool,
}

impl DnsReach {
    /// Whether both work.
    #[must_use]
    pub fn is_alive(self) -> bool {
        self.udp && self.tcp
    }
}

/// Whether addresses of a family are open: IPv4 and IPv6.
type Open = [bool; 2];

/// The targets that exposure is judged against, looked up once a run.
#[derive(Debug)]
pub struct Targets<'c> {
    context: &'c Context<'c>,
    servers: Vec<DnsServer>,
    node_local: Vec<EndpointId>,
    /// Metadata addresses that a pod or a node of the input owns, with their ports.
    owned: Vec<MetadataAddress>,
    /// By egress row: whether it contains any other metadata address.
    metadata: Vec<Open>,
    api_server: Option<Vec<Connection>>,
}

impl<'c> Targets<'c> {
    /// Looks the targets up; the clouds of the run are those whose metadata services count.
    #[must_use]
    pub fn new(context: &'c Context<'c>) -> Self {
        let world = context.world;
        let mut targets = metadata::distinct_addresses(context.clouds);
        targets.retain(MetadataAddress::reachable_from_pod);
        // Some of these addresses also answer DNS: that gives no credentials away.
        for target in &mut targets {
            target.ports.retain(|port| *port != 53);
        }
        let (outside, owned): (Vec<_>, Vec<_>) = targets.into_iter().partition(|target| {
            let party = Party::Address(target.address);
            party.resolve(world) == party
        });
        Self {
            context,
            servers: world.dns_servers(),
            node_local: context.node_local_dns(),
            owned,
            metadata: open_rows(context.reach().side(Direction::Egress), &outside),
            api_server: api_server(context),
        }
    }

    /// Whether the input says where the API server is.
    #[must_use]
    pub fn knows_api_server(&self) -> bool {
        self.api_server.is_some()
    }

    /// Whether an endpoint can resolve names: at a DNS server, or at a node-local cache.
    #[must_use]
    pub fn dns(&self, from: EndpointId) -> DnsReach {
        let from = Party::Endpoint(from);
        let allows = |to, protocol, port: Option<u16>| {
            port.is_some_and(|port| {
                self.context
                    .allows(&Connection::new(from, to, protocol, port))
            })
        };
        let mut reach = DnsReach::default();
        for server in &self.servers {
            let to = Party::Endpoint(server.endpoint);
            reach.udp = reach.udp || allows(to, Protocol::Udp, server.udp);
            reach.tcp = reach.tcp || allows(to, Protocol::Tcp, server.tcp);
            if reach.is_alive() {
                return reach;
            }
        }
        let caches = self.node_local.iter().map(|id| Party::Endpoint(*id));
        let addresses = ranges::node_local_dns()
            .iter()
            .filter(|_| !self.node_local.is_empty())
            .map(|cache| Party::Address(cache.address));
        for to in caches.chain(addresses) {
            reach.udp = reach.udp || allows(to, Protocol::Udp, Some(53));
            reach.tcp = reach.tcp || allows(to, Protocol::Tcp, Some(53));
        }
        reach
    }

    /// Whether an endpoint that policies can apply to reaches a metadata service.
    #[must_use]
    pub fn metadata_is_open(&self, from: EndpointId) -> bool {
        let (world, reach) = (self.context.world, self.context.reach());
        let row = reach.side(Direction::Egress).row_of(from);
        let [v4, v6] = self.metadata.get(row.index()).copied().unwrap_or_default();
        let party = Party::Endpoint(from);
        let has = |family| has_family(world, &world[from], family);
        let owned = || {
            self.owned.iter().any(|target| {
                let to = Party::Address(target.address);
                let mut ports = target.ports.iter();
                ports.any(|port| {
                    self.context
                        .allows(&Connection::new(party, to, Protocol::Tcp, *port))
                })
            })
        };
        (v4 && has(Family::V4)) || (v6 && has(Family::V6)) || owned()
    }

    /// Whether an endpoint can reach the API server; none where the input does not say where it is.
    #[must_use]
    pub fn api_server(&self, from: EndpointId) -> Option<bool> {
        let mut backends = self.api_server.as_ref()?.iter();
        Some(backends.any(|backend| {
            self.context.allows(&Connection {
                from: Party::Endpoint(from),
                ..*backend
            })
        }))
    }
}

/// Whether an endpoint has an address of a family, as far as is known (M-1).
fn has_family(world: &World, endpoint: &Endpoint, family: Family) -> bool {
    if !endpoint.ips.is_empty() {
        return endpoint.ips.iter().any(|ip| Family::of(*ip) == family);
    }
    let mut assumed = world.assumed.pod_cidrs.iter();
    endpoint.host_network.is_some() || assumed.any(|cidr| Family::of(cidr.addr()) == family)
}

/// Which rows contain one of these addresses of the outside world.
fn open_rows(side: &Side, targets: &[MetadataAddress]) -> Vec<Open> {
    let sets = side.sets();
    // Few sets are distinct.
    let mut known: FxHashMap<SetId, Vec<&MetadataAddress>> = FxHashMap::default();
    let rows = side.rows().iter().map(|row| {
        let mut open = Open::default();
        for band in row.bands() {
            if band.protocol != Protocol::Tcp {
                continue;
            }
            let inside = known.entry(band.allowed).or_insert_with(|| {
                let inside = |target: &&MetadataAddress| {
                    sets.has(band.allowed, Peer::Address(target.address))
                };
                targets.iter().filter(inside).collect()
            });
            for target in inside {
                let mut ports = target.ports.iter();
                let v6 = usize::from(target.address.is_ipv6());
                if let Some(open) = open.get_mut(v6) {
                    *open |= ports.any(|port| (band.first..=band.last).contains(port));
                }
            }
        }
        open
    });
    rows.collect()
}

/// A connection to each of the backends, whoever makes it.
fn api_server(context: &Context<'_>) -> Option<Vec<Connection>> {
    let world = context.world;
    let service = world.service("default", "kubernetes")?;
    if world[service].addresses.is_empty() {
        return None;
    }
    let (port, protocol) = (443, Protocol::Tcp);
    let dialled = world[service].cluster_ips.first();
    let dialled = dialled.map(|ip| ServiceAddress { ip: *ip, port });
    let backends = world.backends(service, port, protocol).into_iter();
    let connections = backends.map(|backend| {
        let (to, port) = match backend {
            Backend::Endpoint(endpoint, port) => (Party::Endpoint(endpoint), port),
            Backend::Address(ip, port) => (Party::Address(ip), port),
        };
        Connection {
            service: dialled,
            // Whoever connects takes this place.
            ..Connection::new(to, to, protocol, port)
        }
    });
    Some(connections.collect())
}
