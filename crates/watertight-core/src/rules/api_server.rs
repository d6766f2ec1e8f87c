//! The API server as rules see it: the Service that pods dial, and the addresses behind it.
//!
//! The server runs on the host network or outside the cluster, so policies can name it by address
//! only, and most engines see the address and port behind the Service.
//!
//! INVARIANT: `shut` is only said where every address is known to be denied.

use std::net::IpAddr;

use super::Context;
use super::proposal::{self, Allow, Whom};
use crate::diag::Fix;
use crate::engine::ServiceDnat;
use crate::eval::{Connection, Party, Reason, ServiceAddress};
use crate::facts::ranges::{RangeKind, of_kind};
use crate::manifest::Direction;
use crate::policy::{Peer, PolicyRef, Rule};
use crate::sets::{PortMatch, Protocol};
use crate::source::Span;
use crate::world::EndpointId;

/// The port of the Service; the API server writes the object itself, always like that.
pub(super) const SERVICE_PORT: u16 = 443;
/// The usual port of the server.
const SERVER_PORT: u16 = 6443;
/// More addresses than these are no list to write by hand.
const MOST: usize = 8;

/// The API server of the world.
#[derive(Debug)]
pub(super) struct ApiServer {
    /// The addresses of the Service `default/kubernetes`; empty if it was not read.
    pub service_ips: Vec<IpAddr>,
    /// Where the server listens; empty if that was not read.
    pub addresses: Vec<(IpAddr, u16)>,
}

impl ApiServer {
    /// What the world tells of it.
    pub(super) fn find(context: &Context<'_>) -> Self {
        let world = context.world;
        let service = world.service("default", "kubernetes").map(|id| &world[id]);
        let listed = service.into_iter().flat_map(|service| &service.addresses);
        let mut addresses: Vec<_> = listed
            .filter(|address| address.protocol == Protocol::Tcp)
            .map(|address| (address.ip, address.port))
            .collect();
        if addresses.is_empty() {
            // A control plane of static pods.
            let servers = context
                .host_network()
                .filter(|id| world.label(*id, "component") == Some("kube-apiserver"));
            for id in servers {
                let mut ports = world[id].ports.iter();
                let tcp = ports.find(|port| port.protocol == Protocol::Tcp);
                let port = tcp.map_or(SERVER_PORT, |port| port.number);
                addresses.extend(world[id].ips.iter().map(|ip| (*ip, port)));
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        Self {
            service_ips: service
                .map(|service| service.cluster_ips.clone())
                .unwrap_or_default(),
            addresses,
        }
    }

    /// The address that pods dial, where policy sees it (K-79).
    pub(super) fn seen_before_translation(&self, context: &Context<'_>) -> Option<IpAddr> {
        let pre = context.eval.switches.service_dnat == ServiceDnat::Pre;
        self.service_ips.first().copied().filter(|_| pre)
    }

    /// A pod of a policy that reaches no address of the server, with the first connection.
    pub(super) fn shut(
        &self,
        context: &Context<'_>,
        at: PolicyRef,
    ) -> Option<(EndpointId, Connection)> {
        let subjects = context.eval.subjects_of(at).iter().copied();
        let read = subjects.filter(|id| !context.world[*id].assumed);
        // Some may run on the server's own node; the first few show whether all do.
        read.take(16).find_map(|client| {
            let mut denied = None;
            for connection in self.connections(client) {
                let verdict = context.eval.verdict(&connection);
                if matches!(verdict.reason, Reason::Impossible(..)) {
                    continue;
                }
                if verdict.allowed || verdict.uncertain.is_some() {
                    return None;
                }
                denied = denied.or(Some(connection));
            }
            denied.map(|connection| (client, connection))
        })
    }

    fn connections(&self, client: EndpointId) -> impl Iterator<Item = Connection> {
        let service = self.service_ips.first().map(|ip| ServiceAddress {
            ip: *ip,
            port: SERVICE_PORT,
        });
        self.addresses.iter().map(move |(ip, port)| {
            let (from, to) = (Party::Endpoint(client), Party::Address(*ip));
            Connection {
                service,
                ..Connection::new(from, to, Protocol::Tcp, *port)
            }
        })
    }

    /// The addresses with their ports, in words.
    pub(super) fn places(&self) -> String {
        let mut places: Vec<String> = self
            .addresses
            .iter()
            .take(3)
            .map(|(ip, port)| std::net::SocketAddr::new(*ip, *port).to_string())
            .collect();
        if let Some(more) = self.addresses.len().checked_sub(3).filter(|more| *more > 0) {
            places.push(format!("{more} more"));
        }
        places.join(", ")
    }

    /// A policy that allows the server for the pods of a policy.
    pub(super) fn fix(&self, context: &Context<'_>, at: PolicyRef) -> Fix {
        if !context.eval.switches.ipblock_nodes {
            return Fix::advice(
                "no `ipBlock` matches a node on this engine: allow the entity `kube-apiserver` in \
                 a CiliumNetworkPolicy",
            );
        }
        if self.addresses.is_empty() || self.addresses.len() > MOST {
            return Fix::advice(
                "allow the addresses and the port of `kubectl -n default get endpointslices -l \
                 kubernetes.io/service-name=kubernetes` with an `ipBlock` each",
            );
        }
        let mut rules: Vec<Allow> = Vec::new();
        let dialled = self.seen_before_translation(context);
        let dialled = dialled.map(|ip| (ip, SERVICE_PORT));
        for (ip, port) in self.addresses.iter().copied().chain(dialled) {
            let ports = vec![(Protocol::Tcp, port)];
            match rules.iter_mut().find(|rule| rule.ports == ports) {
                Some(rule) => rule.whom.push(Whom::Address(ip)),
                None => rules.push(Allow {
                    whom: vec![Whom::Address(ip)],
                    ports,
                }),
            }
        }
        let Some(policy) = context.written(at) else {
            return Fix::advice("allow the addresses of the API server");
        };
        let manifest = proposal::manifest(
            &context.world[policy.namespace].name,
            &proposal::free_name(context, policy.namespace, "allow-api-server"),
            &policy.spec.pod_selector,
            Direction::Egress,
            &rules,
        );
        Fix {
            manifest: Some(manifest),
            ..Fix::advice("add a policy that allows the addresses of the API server")
        }
    }
}

/// The first address of every default Service range, which is the API server's there.
pub(super) fn usual_service_ips() -> impl Iterator<Item = IpAddr> {
    of_kind(RangeKind::ServiceDefault).filter_map(|range| range.cidr.hosts().next())
}

/// Whether pods of a policy may reach a port of the server at whatever address: then one that is
/// not known is no proof of anything.
pub(super) fn open_to_all(context: &Context<'_>, at: PolicyRef) -> bool {
    let subjects = context.eval.subjects_of(at).iter().copied();
    let mut read = subjects.filter(|id| !context.world[*id].assumed);
    let Some(client) = read.next() else {
        return true;
    };
    let policies = context.policies_of(client, Direction::Egress).iter();
    let mut rules = policies.flat_map(|at| &context.eval.ruleset[*at].rules);
    rules.any(|rule| {
        let ports = [SERVICE_PORT, SERVER_PORT];
        ports.iter().any(|port| takes_tcp(rule, *port))
            && rule.peers.iter().any(|peer| match peer {
                Peer::Any => true,
                Peer::Block(block, _) => block.is_whole_family(),
                _ => false,
            })
    })
}

/// Whether a rule takes in a TCP port by its number.
pub(super) fn takes_tcp(rule: &Rule, port: u16) -> bool {
    rule.traffic.iter().any(|item| match item {
        PortMatch::Everything => true,
        PortMatch::Range {
            protocol: Protocol::Tcp,
            first,
            last,
            ..
        } => (*first..=*last).contains(&port),
        PortMatch::Except {
            protocol: Protocol::Tcp,
            ranges,
            ..
        } => {
            let left_out = |(first, last): &(u16, u16)| (*first..=*last).contains(&port);
            !ranges.iter().any(left_out)
        }
        _ => false,
    })
}

/// The item of a rule that names the server's usual port, or else the Service's.
pub(super) fn names_api_port(rule: &Rule) -> Option<(Span, u16)> {
    let ports = [SERVER_PORT, SERVICE_PORT];
    ports
        .into_iter()
        .find_map(|port| Some((names_tcp(rule, port)?, port)))
}

/// The item of a rule that names one TCP port.
pub(super) fn names_tcp(rule: &Rule, port: u16) -> Option<Span> {
    rule.traffic.iter().find_map(|item| match item {
        PortMatch::Range {
            protocol: Protocol::Tcp,
            first,
            last,
            span,
        } if (*first, *last) == (port, port) => Some(*span),
        _ => None,
    })
}

/// The note where the server's addresses were not read.
pub(super) const UNKNOWN: &str = "the input does not tell the API server's addresses; add the Service and the EndpointSlice \
     `default/kubernetes` of the cluster to have it proven";
