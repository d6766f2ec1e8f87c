//! What an endpoint can reach that matters: names, credentials, the API server.

use crate::eval::{Connection, Evaluator, Party};
use crate::facts::metadata::{self, Cloud, MetadataAddress};
use crate::facts::ranges;
use crate::sets::Protocol;
use crate::world::{DnsServer, EndpointId, ServiceId, World};

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

/// The targets that exposure is judged against, looked up once a world.
#[derive(Debug)]
pub struct Targets {
    servers: Vec<DnsServer>,
    node_local: Vec<EndpointId>,
    metadata: Vec<MetadataAddress>,
    api_server: Option<ServiceId>,
}

impl Targets {
    /// Looks the targets up; `clouds` are those whose metadata services count.
    #[must_use]
    pub fn new(world: &World, clouds: &[Cloud]) -> Self {
        let mut metadata = metadata::distinct_addresses(clouds);
        metadata.retain(MetadataAddress::reachable_from_pod);
        // Some of these addresses also answer DNS: that gives no credentials away.
        for target in &mut metadata {
            target.ports.retain(|port| *port != 53);
        }
        Self {
            servers: world.dns_servers(),
            node_local: world.node_local_dns(),
            metadata,
            api_server: world
                .service("default", "kubernetes")
                .filter(|id| !world[*id].addresses.is_empty()),
        }
    }

    /// The metadata addresses that a pod could reach if nothing stopped it.
    #[must_use]
    pub fn metadata(&self) -> &[MetadataAddress] {
        &self.metadata
    }

    /// Whether the input says where the API server is.
    #[must_use]
    pub fn knows_api_server(&self) -> bool {
        self.api_server.is_some()
    }

    /// Whether an endpoint can resolve names: at a DNS server, or at a node-local cache.
    #[must_use]
    pub fn dns(&self, eval: &Evaluator<'_>, from: EndpointId) -> DnsReach {
        let from = Party::Endpoint(from);
        let allows = |to, protocol, port: Option<u16>| {
            port.is_some_and(|port| eval.allows(&Connection::new(from, to, protocol, port)))
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

    /// The metadata addresses that an endpoint can reach, each with the first open port.
    pub fn open_metadata<'t>(
        &'t self,
        eval: &'t Evaluator<'_>,
        from: EndpointId,
    ) -> impl Iterator<Item = (&'t MetadataAddress, u16)> {
        self.metadata.iter().filter_map(move |target| {
            let open = |port: &&u16| {
                let to = Party::Address(target.address);
                eval.allows(&Connection::new(
                    Party::Endpoint(from),
                    to,
                    Protocol::Tcp,
                    **port,
                ))
            };
            target.ports.iter().find(open).map(|port| (target, *port))
        })
    }

    /// Whether an endpoint can reach the API server; none where the input does not say where it is.
    #[must_use]
    pub fn api_server(&self, eval: &Evaluator<'_>, from: EndpointId) -> Option<bool> {
        let service = self.api_server?;
        let judged = eval.to_service(Party::Endpoint(from), service, 443, Protocol::Tcp);
        Some(judged.iter().any(|(_, _, verdict)| verdict.allowed))
    }
}
