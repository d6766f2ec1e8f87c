//! Who is at one end of a rule: as a peer at the other end, as a condition at the own one.
//!
//! Calico turns selectors into sets of addresses: those of pods, the networks of sets, the expected
//! addresses of host endpoints (C-41). An address belongs to whoever is meant by any of them, so the
//! complement of a set is everybody else in the world (C-42).

use ipnet::IpNet;

use super::hosts::Host;
use super::{Lowering, Named, scope};
use crate::manifest::policy::calico::{EntityRule, ServiceRef};
use crate::policy::{Covers, EndpointSelector, NamespaceScope, Peer};
use crate::sets::{
    CalicoSelector, Cidr, Expression, Family, IpBlock, LabelSelector, Operator, PortMatch,
    Requirement,
};
use crate::source::Span;
use crate::world::{Backend, ServiceId};

/// A condition: any of these peers.
pub(super) type Condition = Vec<Peer>;

/// What the own end of a rule must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OwnEnd {
    /// What must hold of a pod.
    pub pods: Expression,
    /// The hosts of which it holds, by position.
    pub hosts: Vec<usize>,
}

/// What a Service stands for: who, and on which ports (C-50).
pub(super) struct ServiceEnd {
    pub peers: Condition,
    pub traffic: PortMatch,
}

fn block(cidr: Cidr) -> Peer {
    let block = IpBlock {
        cidr,
        except: Vec::new(),
        span: cidr.span,
    };
    Peer::Block(block, Covers::ALL)
}

fn nobody_of(peers: Condition) -> Peer {
    let mut peers = peers;
    match peers.pop() {
        Some(only) if peers.is_empty() => Peer::Not(Box::new(only)),
        last => Peer::Not(Box::new(Peer::AnyOf(
            peers.into_iter().chain(last).collect(),
        ))),
    }
}

/// Whether a network holds an address of a host.
fn covers(nets: &[IpNet], host: &Host<'_>) -> bool {
    let covered = |ip| nets.iter().any(|net| net.contains(&ip));
    host.own_ips.iter().copied().any(covered)
}

fn nets_of(cidrs: &[Cidr]) -> Vec<IpNet> {
    cidrs.iter().map(|cidr| cidr.net).collect()
}

impl Lowering<'_> {
    /// Everything that a selector means: pods, networks of sets, host endpoints (C-41, C-61).
    fn selected(&self, selector: &CalicoSelector, span: Span) -> Condition {
        let pods = scope::pods(self.world, selector, span);
        let pods = pods.map(|pods| Peer::Endpoints(pods, span));
        let nets = self.networks(selector).into_iter().map(block);
        pods.into_iter().chain(nets).collect()
    }

    /// The networks of the sets and the addresses of the host endpoints that a selector means.
    fn networks(&self, selector: &CalicoSelector) -> Vec<Cidr> {
        let mut found = Vec::new();
        for named in &self.named {
            match named {
                Named::Set(item, set) => {
                    if selector.matches(&|key| scope::label(self.world, item, key)) {
                        found.extend(&set.nets);
                    }
                }
                Named::Host(item, host) => {
                    if selector.matches(&|key| self.hosts.label(item, host, key)) {
                        found.extend(host.expected_ips.iter().map(|ip| Cidr {
                            net: IpNet::from(*ip),
                            span: item.span,
                        }));
                    }
                }
            }
        }
        found
    }

    /// The conditions of the other end, Services aside; all must hold (C-35).
    pub(super) fn other_end(&self, entity: &EntityRule, namespace: Option<&str>) -> Vec<Condition> {
        let mut found = Vec::new();
        if let Some(selector) = scope::of_entity(entity, namespace) {
            let first = [
                &entity.selector,
                &entity.namespace_selector,
                &entity.not_selector,
            ];
            let span = first.into_iter().flatten().next().map(|text| text.span);
            let span = span.or(entity
                .service_accounts
                .as_ref()
                .map(|accounts| accounts.span));
            if let Some(span) = span.or(entity.span) {
                found.push(self.selected(&selector, span));
            }
        }
        if let Some(not) = &entity.not_selector {
            let meant = self.selected(&not.selector, not.span);
            found.push(vec![nobody_of(meant)]);
        }
        if !entity.nets.is_empty() {
            found.push(entity.nets.iter().copied().map(block).collect());
        }
        if !entity.not_nets.is_empty() {
            let nets = entity.not_nets.iter().copied().map(block).collect();
            found.push(vec![nobody_of(nets)]);
        }
        found
    }

    /// The same for the end at which the policy is, for connections of a family (C-36); none if the
    /// rule says nothing of it.
    pub(super) fn own_end(
        &self,
        entity: &EntityRule,
        namespace: Option<&str>,
        family: Family,
    ) -> Option<OwnEnd> {
        if !entity.names_endpoints() {
            return None;
        }
        let mut pods = Vec::new();
        let mut hosts: Vec<usize> = self.hosts.positions().collect();
        let mut ask = |selected: Expression, mut nets: Vec<IpNet>, wanted: bool| {
            // An endpoint is meant by the address that the connection has.
            nets.retain(|net| Family::of(net.addr()) == family);
            hosts.retain(|at| {
                let host = self.hosts.get(*at);
                host.is_some_and(|host| covers(&nets, host) == wanted)
            });
            let addresses = match nets.is_empty() {
                true => scope::NOBODY,
                false => Expression::Address(nets),
            };
            let meant = scope::any([selected, addresses]);
            pods.push(if wanted { meant } else { scope::not(meant) });
        };
        let selected = |selector: &CalicoSelector| {
            let pods = scope::expression(self.world, selector);
            (pods, nets_of(&self.networks(selector)))
        };
        if let Some(selector) = scope::of_entity(entity, namespace) {
            let (pods, nets) = selected(&selector);
            ask(pods, nets, true);
        }
        if let Some(not) = &entity.not_selector {
            let (pods, nets) = selected(&not.selector);
            ask(pods, nets, false);
        }
        if !entity.nets.is_empty() {
            ask(scope::NOBODY, nets_of(&entity.nets), true);
        }
        if !entity.not_nets.is_empty() {
            ask(scope::NOBODY, nets_of(&entity.not_nets), false);
        }
        Some(OwnEnd {
            pods: scope::all(pods),
            hosts,
        })
    }

    /// The endpoints of a Service, port by port (C-50). Without a namespace Calico finds none.
    pub(super) fn service(&self, service: &ServiceRef) -> Vec<ServiceEnd> {
        let found = service.namespace.as_deref();
        let found = found.and_then(|namespace| self.world.service(namespace, &service.name));
        let Some(id) = found else {
            return Vec::new();
        };
        let span = service.span;
        let pods = self.pods_behind(id, span);
        let mut ends = Vec::new();
        for port in &self.world[id].ports {
            let protocol = port.protocol;
            if let Some(pods) = &pods {
                let traffic = match &port.target {
                    Ok(number) => PortMatch::Range {
                        protocol,
                        first: *number,
                        last: *number,
                        span,
                    },
                    Err(name) => PortMatch::Named {
                        protocol,
                        name: name.clone(),
                        span,
                    },
                };
                let peers = vec![pods.clone()];
                ends.push(ServiceEnd { peers, traffic });
            }
            for backend in self.world.backends(id, port.port, protocol) {
                let (ips, number) = match backend {
                    Backend::Address(ip, number) => (vec![ip], number),
                    Backend::Endpoint(endpoint, number) => {
                        let endpoint = &self.world[endpoint];
                        // What has an address of its own is meant by its labels.
                        if pods.is_some() && endpoint.host_network.is_none() {
                            continue;
                        }
                        let of_node = endpoint.node.map(|node| &self.world[node].ips);
                        let ips = match endpoint.ips.is_empty() {
                            true => of_node.unwrap_or(&endpoint.ips),
                            false => &endpoint.ips,
                        };
                        (ips.iter().copied().collect(), number)
                    }
                };
                let net = |ip| Cidr {
                    net: IpNet::from(ip),
                    span,
                };
                let traffic = PortMatch::Range {
                    protocol,
                    first: number,
                    last: number,
                    span,
                };
                let peers = ips.into_iter().map(|ip| block(net(ip))).collect();
                ends.push(ServiceEnd { peers, traffic });
            }
        }
        ends
    }

    /// The pods that the selector of a Service means.
    fn pods_behind(&self, id: ServiceId, span: Span) -> Option<Peer> {
        let service = &self.world[id];
        if service.selector.is_empty() {
            return None;
        }
        let labels = service.selector.iter();
        let requirements = labels.map(|(key, value)| Requirement {
            key: key.clone(),
            operator: Operator::In(vec![value.clone()]),
            span,
        });
        let pods = LabelSelector {
            requirements: requirements.collect(),
            span,
        };
        let namespace = NamespaceScope::Only(service.namespace);
        Some(Peer::Endpoints(
            EndpointSelector::new(namespace, pods),
            span,
        ))
    }
}
