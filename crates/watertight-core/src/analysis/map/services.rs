//! A Service as destination: its backends on their target ports, said of the port that is dialled.
//!
//! A Service is few backends, so each source is judged against each of them, with what is special
//! about Services (K-76, K-79..K-83).

use std::sync::Arc;

use super::ReachMap;
use super::profile::{Answer, Profiles, Span};
use super::source::{Connection, SourceRow};
use super::units::pod_name;
use crate::analysis::explain;
use crate::analysis::readings::{Judged, Open, Point};
use crate::eval::{Connection as Flow, Evaluator, Party, Reason};
use crate::manifest::Direction;
use crate::sets::Protocol;
use crate::world::{Backend, ServiceId};

/// A port of a Service with what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The protocol.
    pub protocol: Protocol,
    /// What clients dial.
    pub port: u16,
    /// Where they end.
    pub backends: Vec<ServiceBackend>,
}

/// One backend of a Service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceBackend {
    /// `shop/Pod/db-0`, or `ip:192.0.2.7` if it is no pod of the input.
    pub name: String,
    /// The port that it listens on.
    pub port: u16,
}

impl ReachMap<'_, '_> {
    /// The Service that is asked about.
    #[must_use]
    pub fn service(&self) -> Option<ServiceId> {
        self.service
    }

    /// Its ports, as far as they are asked about.
    #[must_use]
    pub fn service_ports(&self) -> Vec<ServicePort> {
        let Some(service) = self.service else {
            return Vec::new();
        };
        let ports = self.asked_ports(service).into_iter();
        let ports = ports.map(|(protocol, port)| {
            let backends = self
                .eval
                .world
                .backends(service, port, protocol)
                .into_iter();
            let backends = backends.map(|backend| match backend {
                Backend::Endpoint(id, port) => ServiceBackend {
                    name: pod_name(self.eval.world, id),
                    port,
                },
                Backend::Address(ip, port) => ServiceBackend {
                    name: format!("ip:{ip}"),
                    port,
                },
            });
            ServicePort {
                protocol,
                port,
                backends: backends.collect(),
            }
        });
        ports.collect()
    }

    fn asked_ports(&self, service: ServiceId) -> Vec<(Protocol, u16)> {
        let asked = |protocol: Protocol, port: u16| {
            let is_in = |(of, first, last): &(Protocol, u16, u16)| {
                *of == protocol && (*first..=*last).contains(&port)
            };
            self.ports.is_empty() || self.ports.iter().any(is_in)
        };
        let ports = self.eval.world[service].ports.iter();
        let mut ports: Vec<_> = ports
            .map(|port| (port.protocol, port.port))
            .filter(|(protocol, port)| asked(*protocol, *port))
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// What a source reaches through the Service; the one destination is number 0.
    pub(super) fn to_service(&self, service: ServiceId, source: u32) -> SourceRow {
        let unit = self.sources().all().get(source as usize);
        let parties = unit.map_or(&[][..], |unit| self.sources().parties_of(unit));
        let mut spans = Vec::new();
        for (protocol, port) in self.asked_ports(service) {
            let mut answers: Option<(Answer, Answer)> = None;
            for party in parties {
                for (_, connection, _) in self.eval.to_service(*party, service, port, protocol) {
                    // Without a cluster address nothing is translated: a pod that is its own
                    // backend does not connect (K-75).
                    let itself = connection.to.resolve(self.eval.world) == *party;
                    let template =
                        matches!(party, Party::Endpoint(id) if self.eval.world[*id].template);
                    if itself && !template && connection.service.is_none() {
                        continue;
                    }
                    let judged = self.readings.judge(self.eval, &connection);
                    let answer = answer(self.eval, &connection, &judged);
                    answers = Some(match answers {
                        Some((most, least)) => (most.max(answer), least.min(answer)),
                        None => (answer, answer),
                    });
                }
            }
            if let Some((most, least)) = answers {
                let (first, last) = (port, port);
                spans.push(Span {
                    protocol,
                    first,
                    last,
                    most,
                    least,
                });
            }
        }
        let mut profiles = Profiles::new();
        let ports = profiles.intern(spans);
        let ports = Arc::clone(profiles.get(ports));
        let some = !ports.is_empty();
        let connection = some.then(|| Connection {
            ports,
            ipv6: None,
            targets: vec![0],
        });
        SourceRow {
            source,
            connections: connection.into_iter().collect(),
        }
    }
}

pub(super) fn answer(eval: &Evaluator<'_>, connection: &Flow, judged: &Judged) -> Answer {
    let verdict = &judged.verdict;
    let carries = |direction, decision| {
        !explain::conditions(eval, direction, decision, connection).is_empty()
    };
    match &judged.open {
        None if verdict.allowed
            && verdict.reason == Reason::Policies
            && (carries(Direction::Egress, verdict.egress)
                || carries(Direction::Ingress, verdict.ingress)) =>
        {
            Answer::Requests
        }
        None if judged.verdict.allowed => Answer::Allowed,
        None => Answer::Denied,
        Some(Open::Reading { point, .. }) => match point {
            Point::HostNetwork => Answer::HostNetwork,
            Point::NodeLocal => Answer::NodeLocal,
            Point::Hairpin => Answer::Hairpin,
            Point::Icmp | Point::Snat => Answer::Address,
        },
        Some(Open::Rule { id, .. }) => Answer::of(id),
        // Maps do not ask for what was not read: the whole of a report is incomplete then.
        Some(Open::Address(_) | Open::Unread(_)) => Answer::Address,
    }
}
