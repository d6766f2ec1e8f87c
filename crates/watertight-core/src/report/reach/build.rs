//! From a map to its report.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};

use super::{
    ReachConnection, ReachDomain, ReachExternal, ReachPorts, ReachQuery, ReachRange, ReachReport,
    ReachServicePort, ReachUnit,
};
use crate::analysis::map::{
    Answer, By, Connection, Isolation, OutsideRow, ReachMap, Reached, SourceRow, Span, Unit,
    UnitKind, Units, is_uniform,
};
use crate::diag::Finding;
use crate::engine::{PodTunnels, Profile};
use crate::eval::reach::Outcome;
use crate::facts::metadata::{self, Cloud};
use crate::facts::ranges::{self, RangeKind};
use crate::manifest::Direction;
use crate::report::build::{assumptions, engine, finding, tool};
use crate::report::{API_VERSION, Assumption};
use crate::sets::{Protocol, Runs};
use crate::source::Sources;
use crate::world::{NamespaceId, World};

/// Makes the report of a map.
#[derive(Clone, Copy, Debug)]
pub struct Reporter<'m, 'w> {
    /// The map.
    pub map: &'m ReachMap<'m, 'w>,
    /// The world of the map.
    pub world: &'m World,
    /// The files.
    pub sources: &'m Sources,
    /// The engine.
    pub profile: &'m Profile,
    /// What was asked.
    pub query: &'m ReachQuery,
}

/// The destinations of a connection by name.
#[derive(Clone, Copy, Debug)]
pub struct Names<'t, 'm, 'w> {
    reporter: Reporter<'m, 'w>,
    targets: &'t [u32],
}

impl Serialize for Names<'_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names = serializer.serialize_seq(Some(self.targets.len()))?;
        match self.reporter.map.service() {
            Some(_) => names.serialize_element(&self.reporter.service_name())?,
            None => {
                let units = self.reporter.map.targets().all();
                let named = self.targets.iter().filter_map(|at| units.get(*at as usize));
                for unit in named {
                    names.serialize_element(&unit.name)?;
                }
            }
        }
        names.end()
    }
}

/// Finds connections while they are written.
#[derive(Clone, Copy, Debug)]
pub struct Streamed<'m, 'w, 'c> {
    reporter: Reporter<'m, 'w>,
    /// Counts the pairs of units that were written.
    pairs: &'c AtomicUsize,
}

impl Serialize for Streamed<'_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut connections = serializer.serialize_seq(None)?;
        self.reporter.map.each(
            |row| row,
            |row: SourceRow| {
                let from = self.reporter.source_name(&row);
                row.connections.iter().try_for_each(|connection| {
                    let found = connection.targets.len();
                    self.pairs.fetch_add(found, Ordering::Relaxed);
                    connections.serialize_element(&ReachConnection {
                        from,
                        to: Names {
                            reporter: self.reporter,
                            targets: &connection.targets,
                        },
                        ports: ports(&connection.ports),
                        ipv6: connection.ipv6.as_deref().map(ports),
                    })
                })
            },
        )?;
        connections.end()
    }
}

impl<'m, 'w> Reporter<'m, 'w> {
    /// The whole report.
    #[must_use]
    pub fn report(&self, problems: &[&Finding], complete: bool) -> ReachReport {
        let rows = self.map.rows();
        let connections = rows.iter().flat_map(|row| self.connections(row));
        self.around(problems, complete, connections.collect())
    }

    /// The report, with connections that are found, and counted, while it is written.
    #[must_use]
    pub fn streamed<'c>(
        &self,
        problems: &[&Finding],
        complete: bool,
        pairs: &'c AtomicUsize,
    ) -> ReachReport<Streamed<'m, 'w, 'c>> {
        let reporter = *self;
        self.around(problems, complete, Streamed { reporter, pairs })
    }

    /// Every connection while it is found.
    ///
    /// # Errors
    /// The first error of `take`.
    pub fn each<E>(
        &self,
        mut take: impl FnMut(ReachConnection<&str, Vec<&str>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let service = self.service_name();
        let units = self.map.targets().all();
        self.map.each(
            |row| row,
            |row: SourceRow| {
                let from = self.source_name(&row);
                row.connections.iter().try_for_each(|connection| {
                    let targets = connection.targets.iter();
                    let to = match self.map.service() {
                        Some(_) => vec![service.as_str()],
                        None => targets
                            .filter_map(|at| units.get(*at as usize))
                            .map(|unit| unit.name.as_str())
                            .collect(),
                    };
                    take(ReachConnection {
                        from,
                        to,
                        ports: ports(&connection.ports),
                        ipv6: connection.ipv6.as_deref().map(ports),
                    })
                })
            },
        )
    }

    /// The connections of a source.
    fn connections(&self, row: &SourceRow) -> Vec<ReachConnection> {
        let connection = |connection: &Connection| ReachConnection {
            from: self.source_name(row).to_owned(),
            to: match self.map.service() {
                Some(_) => vec![self.service_name()],
                None => names(self.map.targets(), &connection.targets),
            },
            ports: ports(&connection.ports),
            ipv6: connection.ipv6.as_deref().map(ports),
        };
        row.connections.iter().map(connection).collect()
    }

    fn source_name(&self, row: &SourceRow) -> &'m str {
        let unit = self.map.sources().all().get(row.source as usize);
        unit.map_or("", |unit| unit.name.as_str())
    }

    fn service_name(&self) -> String {
        let service = self.map.service().map(|id| &self.world[id]);
        service.map_or(String::new(), |service| {
            let namespace = &self.world[service.namespace].name;
            format!("{namespace}/svc/{}", service.name)
        })
    }

    fn around<C>(&self, problems: &[&Finding], complete: bool, connections: C) -> ReachReport<C> {
        let problems = problems.iter();
        ReachReport {
            api_version: API_VERSION.into(),
            kind: "ReachReport".into(),
            tool: tool(),
            engine: engine(self.profile),
            query: self.query.clone(),
            complete,
            problems: problems.map(|found| finding(self.sources, found)).collect(),
            assumptions: self.assumptions(),
            units: self.units(),
            service: self.service_ports(),
            connections,
            external: self.external(),
        }
    }

    /// What was assumed, and what is no part of the map.
    #[must_use]
    pub fn assumptions(&self) -> Vec<Assumption> {
        let mut found = assumptions(self.world);
        found.push(Assumption {
            id: "K-61".into(),
            text:
                "ICMP has no ports and is no part of the map: `watertight explain 'A -> B:icmp'` \
                   answers it"
                    .into(),
        });
        if self.profile.switches.pod_tunnels == PodTunnels::Drop {
            found.push(Assumption {
                id: "C-73".into(),
                text: "4789/udp is closed to pods, whatever policies say: the map leaves that out"
                    .into(),
            });
        }
        found
    }

    fn units(&self) -> Vec<ReachUnit> {
        let mut all: Vec<&Unit> = self.map.sources().all().iter().collect();
        if !self.map.is_square() {
            all.extend(self.map.targets().all());
            all.sort_by(|a, b| order(a).cmp(&order(b)));
            all.dedup_by(|a, b| a.name == b.name);
        }
        let mut found: Vec<ReachUnit> = all.into_iter().map(unit).collect();
        if let Some(service) = self.map.service() {
            found.push(ReachUnit {
                name: self.service_name(),
                kind: "service".into(),
                pods: self.world.selected_by(service).len(),
                nodes: 0,
                host_network: 0,
                assumed: false,
                ingress: "open".into(),
                egress: "open".into(),
            });
        }
        found
    }

    fn service_ports(&self) -> Vec<ReachServicePort> {
        let ports = self.map.service_ports().into_iter();
        let ports = ports.map(|port| ReachServicePort {
            protocol: port.protocol.word().into(),
            port: port.port,
            backends: port
                .backends
                .into_iter()
                .map(|backend| {
                    let name = match backend.name.strip_prefix("ip:") {
                        Some(ip) if ip.contains(':') => format!("ip:[{ip}]"),
                        _ => backend.name,
                    };
                    format!("{name}:{}", backend.port)
                })
                .collect(),
        });
        ports.collect()
    }

    /// What is reached outside, and who is reached from there.
    #[must_use]
    pub fn external(&self) -> Vec<ReachExternal> {
        let rows = self.map.outside().into_iter();
        rows.map(|row: OutsideRow| {
            let units = match row.direction {
                Direction::Egress => self.map.sources(),
                Direction::Ingress => self.map.targets(),
            };
            let range = |reached: &Reached| ReachRange {
                addresses: addresses(&reached.v4, &reached.v6),
                ports: ports(&reached.ports),
                names: named(&reached.v4, &reached.v6),
                metadata: match row.direction {
                    Direction::Egress => metadata_in(&reached.v4, &reached.v6),
                    Direction::Ingress => Vec::new(),
                },
            };
            ReachExternal {
                direction: row.direction.word().into(),
                units: names(units, &row.units),
                ranges: row.reached.iter().map(range).collect(),
                domains: row
                    .names
                    .iter()
                    .map(|(spans, names)| ReachDomain {
                        names: names
                            .iter()
                            .map(|id| format!("fqdn:{}", self.world[*id].text))
                            .collect(),
                        ports: ports(spans),
                    })
                    .collect(),
            }
        })
        .collect()
    }
}

/// How a grouping is called.
fn by_word(by: By) -> &'static str {
    match by {
        By::Pod => "pod",
        By::Workload => "workload",
        By::Namespace => "namespace",
    }
}

fn names(units: &Units, numbers: &[u32]) -> Vec<String> {
    let units = numbers
        .iter()
        .filter_map(|at| units.all().get(*at as usize));
    units.map(|unit| unit.name.clone()).collect()
}

/// By namespace, then by name; nodes come last.
fn order(unit: &Unit) -> (bool, Option<NamespaceId>, &str, &str) {
    let local = unit.name.rsplit('/').next().unwrap_or_default();
    (unit.namespace.is_none(), unit.namespace, local, &unit.name)
}

fn unit(unit: &Unit) -> ReachUnit {
    let is_node = unit.kind == UnitKind::Node;
    let word = |isolation: Isolation| match isolation {
        Isolation::None => "open",
        Isolation::Some => "partly",
        Isolation::All => "isolated",
    };
    ReachUnit {
        name: unit.name.clone(),
        kind: match unit.kind {
            UnitKind::Namespace => "namespace",
            UnitKind::Workload => "workload",
            UnitKind::Pod => "pod",
            UnitKind::Node => "node",
            UnitKind::Service => "service",
        }
        .into(),
        pods: if is_node { 0 } else { unit.members },
        nodes: if is_node { unit.members } else { 0 },
        host_network: unit.on_host,
        assumed: unit.assumed,
        ingress: word(unit.ingress).into(),
        egress: word(unit.egress).into(),
    }
}

pub(in crate::report) fn ports(spans: &[Span]) -> Vec<ReachPorts> {
    let one = |span: &Span, protocol: &str| ReachPorts {
        protocol: protocol.into(),
        first: span.first,
        last: span.last,
        verdict: match span.most.outcome() {
            Outcome::Allowed => "allow",
            Outcome::Uncertain => "uncertain",
            Outcome::Denied => "deny",
        }
        .into(),
        some: span.differs(),
        conditional: span.most == Answer::Requests || span.least == Answer::Requests,
        why: span.most.open().map(Into::into),
    };
    match spans {
        [first, ..] if is_uniform(spans) => vec![one(first, "any")],
        _ => spans
            .iter()
            .map(|span| one(span, span.protocol.word()))
            .collect(),
    }
}

/// Networks and ranges, IPv4 first.
pub(in crate::report) fn addresses(v4: &Runs<u32>, v6: &Runs<u128>) -> Vec<String> {
    let narrow = v4.iter().map(|(first, last)| {
        let prefix = prefix(u128::from(first), u128::from(last), 32);
        spell(
            Ipv4Addr::from(first).into(),
            Ipv4Addr::from(last).into(),
            prefix,
        )
    });
    let wide = v6.iter().map(|(first, last)| {
        let prefix = prefix(first, last, 128);
        spell(
            Ipv6Addr::from(first).into(),
            Ipv6Addr::from(last).into(),
            prefix,
        )
    });
    narrow.chain(wide).collect()
}

/// The length of the prefix, if the addresses are one network.
fn prefix(first: u128, last: u128, bits: u32) -> Option<u32> {
    let differing = first ^ last;
    let host = 128 - differing.leading_zeros();
    // Host bits are all zero in the first address and all one in the last.
    let whole = differing.checked_add(1).is_none_or(u128::is_power_of_two);
    (whole && first & differing == 0).then(|| bits.saturating_sub(host))
}

fn spell(first: IpAddr, last: IpAddr, prefix: Option<u32>) -> String {
    match prefix {
        Some(prefix) => format!("{first}/{prefix}"),
        None => format!("{first}-{last}"),
    }
}

/// The ranges with a name that lie inside, if not all of their family does.
pub(in crate::report) fn named(v4: &Runs<u32>, v6: &Runs<u128>) -> Vec<String> {
    // Defaults of products are no property of an address, and nobody is met at the other two.
    let standing = ranges::ranges().iter().filter(|range| {
        use RangeKind::{Loopback, Multicast, PodDefault, ServiceDefault};
        !matches!(
            range.kind,
            Loopback | Multicast | PodDefault | ServiceDefault
        )
    });
    let inside = standing.filter(
        |range| match (range.cidr.network(), range.cidr.broadcast()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                !v4.is_all() && Runs::range(u32::from(first), u32::from(last)).is_subset(v4)
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                !v6.is_all() && Runs::range(u128::from(first), u128::from(last)).is_subset(v6)
            }
            _ => false,
        },
    );
    inside.map(|range| range.name.to_owned()).collect()
}

/// The addresses of metadata services that lie inside.
pub(in crate::report) fn metadata_in(v4: &Runs<u32>, v6: &Runs<u128>) -> Vec<String> {
    let all = metadata::distinct_addresses(Cloud::ALL).into_iter();
    let inside = all.filter(|metadata| {
        metadata.reachable_from_pod()
            && match metadata.address {
                IpAddr::V4(ip) => v4.contains(ip.into()),
                IpAddr::V6(ip) => v6.contains(ip.into()),
            }
    });
    inside
        .map(|metadata| metadata.address.to_string())
        .collect()
}

/// A question in the words of the report.
#[must_use]
pub fn query(
    by: By,
    from: Option<&str>,
    to: Option<&str>,
    ports: &[(Protocol, u16, u16)],
) -> ReachQuery {
    let port = |(protocol, first, last): &(Protocol, u16, u16)| {
        let word = protocol.word();
        if first == last {
            format!("{first}/{word}")
        } else {
            format!("{first}-{last}/{word}")
        }
    };
    ReachQuery {
        by: by_word(by).into(),
        from: from.map(Into::into),
        to: to.map(Into::into),
        ports: ports.iter().map(port).collect(),
    }
}
