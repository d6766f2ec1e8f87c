//! A Service as destination: its backends, with the ports that its ports lead to (K-79, K-80).
//!
//! INVARIANT: a Service port without a backend is told, never taken for a denial.

use rustc_hash::FxHashMap;

use super::addresses::Range;
use super::explainer::Target;
use super::ports::Asked;
use super::{Explainer, Part, Refusal, Unit, units};
use crate::analysis::parties::PortQuery;
use crate::manifest::Direction;
use crate::sets::Protocol;
use crate::world::{Backend, EndpointId, ServiceId, ServicePort, World};

impl Explainer<'_> {
    pub(super) fn service_as_source(&self, id: ServiceId) -> Refusal {
        let world = self.eval.world;
        let mut behind: Vec<_> = world
            .selected_by(id)
            .into_iter()
            .map(|endpoint| format!("`{}`", world.display_name(endpoint)))
            .collect();
        behind.sort_unstable();
        behind.dedup();
        let hint = match behind.as_slice() {
            [] => "its pods do".to_owned(),
            names => format!("its pods do: {}", crate::rules::some_of(names)),
        };
        Refusal {
            part: Part::From,
            message: format!("a Service opens no connections; {hint}"),
        }
    }

    /// The backends of a Service, each with the ports that its ports lead to (K-79).
    pub(super) fn behind(
        &self,
        id: ServiceId,
        others: &[EndpointId],
        queries: &[PortQuery],
        notes: &mut Vec<String>,
    ) -> Result<Vec<Target>, Refusal> {
        let world = self.eval.world;
        let service = &world[id];
        let asked = service_ports(world, id, queries)?;
        let dialled = service.cluster_ips.first().copied();
        let mut by_endpoint: FxHashMap<_, Vec<Asked>> = FxHashMap::default();
        let mut endpoints = Vec::new();
        let mut addresses: Vec<Target> = Vec::new();
        for (port, protocol) in asked {
            let backends = world.backends(id, port, protocol);
            if backends.is_empty() {
                notes.push(self.no_backends(id, port, protocol.word()));
            }
            for backend in backends {
                match backend {
                    Backend::Endpoint(endpoint, target) => {
                        let through = Asked::through(protocol, target, port, dialled);
                        let known = by_endpoint.entry(endpoint).or_insert_with(|| {
                            endpoints.push(endpoint);
                            Vec::new()
                        });
                        known.push(through);
                    }
                    Backend::Address(ip, target) => {
                        let unit = Unit::Addresses(vec![Range::from(ipnet::IpNet::from(ip))]);
                        let through = Asked::through(protocol, target, port, dialled);
                        match addresses.iter_mut().find(|target| target.unit == unit) {
                            Some(target) => target.asked.push(through),
                            None => addresses.push(Target {
                                unit,
                                asked: vec![through],
                            }),
                        }
                    }
                }
            }
        }
        let units = units::of_endpoints(self, &endpoints, others, Direction::Egress);
        let mut targets = Vec::new();
        for unit in units {
            let Unit::Endpoints(members) = unit else {
                continue;
            };
            // Addresses of an EndpointSlice may have ports of their own.
            let mut split: Vec<(Vec<Asked>, Vec<_>)> = Vec::new();
            for member in members {
                let asked = by_endpoint.remove(&member).unwrap_or_default();
                match split.iter_mut().find(|(known, _)| *known == asked) {
                    Some((_, members)) => members.push(member),
                    None => split.push((asked, vec![member])),
                }
            }
            targets.extend(split.into_iter().map(|(asked, members)| Target {
                unit: Unit::Endpoints(members),
                asked,
            }));
        }
        targets.extend(addresses);
        if targets.is_empty() {
            let message = if notes.is_empty() {
                "the Service has no ports".to_owned()
            } else {
                notes.join("; ")
            };
            return Err(Refusal::to(message));
        }
        Ok(targets)
    }

    fn no_backends(&self, id: ServiceId, port: u16, protocol: &str) -> String {
        let world = self.eval.world;
        let service = &world[id];
        let name = format!("{}/svc/{}", world[service.namespace].name, service.name);
        let behind = world.selected_by(id);
        let why = if service.selector.is_empty() {
            "it has no selector, and the input has no EndpointSlice for it (K-83)".to_owned()
        } else if behind.is_empty() {
            let pairs = service.selector.iter();
            let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
            format!("no pod has the labels {}", pairs.join(","))
        } else {
            let of = |declared: &&ServicePort| declared.port == port;
            match service.ports.iter().find(of).map(|found| &found.target) {
                Some(Err(target)) => format!("its pods name no port `{target}`"),
                _ => "its pods are not running".into(),
            }
        };
        format!("nothing is behind {name}:{port}/{protocol}: {why}")
    }
}

/// The ports of a Service that queries mean.
fn service_ports(
    world: &World,
    id: ServiceId,
    queries: &[PortQuery],
) -> Result<Vec<(u16, Protocol)>, Refusal> {
    let service = &world[id];
    let mut found = Vec::new();
    for declared in &service.ports {
        let asked = queries.iter().any(|query| match query {
            PortQuery::Range {
                protocol,
                first,
                last,
            } => *protocol == declared.protocol && (*first..=*last).contains(&declared.port),
            PortQuery::Named { name, protocol } => {
                declared.name.as_deref() == Some(name)
                    && protocol.is_none_or(|protocol| protocol == declared.protocol)
            }
            PortQuery::Icmp => false,
        });
        if queries.is_empty() || asked {
            found.push((declared.port, declared.protocol));
        }
    }
    if found.is_empty() {
        let name = format!("{}/svc/{}", world[service.namespace].name, service.name);
        let declared: Vec<_> = service
            .ports
            .iter()
            .map(|port| {
                let name = port.name.as_deref();
                let name = name.map_or(String::new(), |name| format!(" ({name})"));
                format!("{}/{}{name}", port.port, port.protocol.word())
            })
            .collect();
        let asked: Vec<_> = queries.iter().map(ToString::to_string).collect();
        let has = if declared.is_empty() {
            "it has no ports".to_owned()
        } else {
            format!("it has {}", declared.join(", "))
        };
        let message = format!("{name} has no port {}; {has}", asked.join(","));
        return Err(if queries.is_empty() {
            Refusal::to(message)
        } else {
            Refusal::ports(message)
        });
    }
    Ok(found)
}
