//! Records as connections between the parties of a world.

use rustc_hash::FxHashMap;

use super::ends::{Finder, Who};
use super::{Record, Recorded, Reporter};
use crate::analysis::parties::asked_name;
use crate::eval::{Connection, Party, ServiceAddress};
use crate::sets::{Family, Protocol};
use crate::source::Span;
use crate::world::{Backend, NodeId, ServiceId, World};

/// A connection that was seen.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The connection.
    pub connection: Connection,
    /// The same by the destination's address, where `connection` has a DNS name for it: what either
    /// is allowed is allowed.
    pub otherwise: Option<Connection>,
    /// Who connected, as reports call it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// How often it was seen.
    pub times: u64,
    /// Whether it never came about.
    pub refused: bool,
    /// The first line that says so.
    pub span: Span,
}

/// An end of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who connected.
    From,
    /// To whom.
    To,
}

/// A record whose parties are not in the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The position in [`Recorded::flows`].
    pub record: usize,
    /// The end that is not known.
    pub side: Side,
    /// Why: a clause.
    pub why: String,
    /// The other end, where that is known.
    pub other: Option<Party>,
    /// How often it was seen.
    pub times: u64,
    /// The first line that says so.
    pub span: Span,
}

/// The records of a file in a world.
#[derive(Clone, Debug, Default)]
pub struct Matched {
    /// The connections, in the order in which they were first seen.
    pub connections: Vec<Observed>,
    /// Records about somebody who is not there.
    pub unknown: Vec<Unknown>,
}

/// What makes two connections the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    from: Party,
    to: Party,
    otherwise: Option<Party>,
    protocol: Protocol,
    port: Option<u16>,
    icmp: Option<(u8, u8)>,
    service: Option<(std::net::IpAddr, u16)>,
    node: Option<(NodeId, Option<u16>)>,
    family: Option<Family>,
}

/// How often a connection was seen, allowed and refused, by who says so.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    allowed: [u64; 3],
    refused: [u64; 3],
}

impl Tally {
    fn add(&mut self, record: &Record) {
        let counts = if record.refused {
            &mut self.refused
        } else {
            &mut self.allowed
        };
        let [unsaid, source, target] = counts;
        let count = match record.reporter {
            Reporter::Unsaid => unsaid,
            Reporter::Source => source,
            Reporter::Destination => target,
        };
        *count = count.saturating_add(record.times);
    }

    /// Whether it never came about: what the source's side lets out may be refused behind that.
    fn is_refused(&self) -> bool {
        let [unsaid, source, target] = self.allowed;
        let [_, _, refused_by_target] = self.refused;
        unsaid == 0 && target == 0 && (source == 0 || refused_by_target > 0)
    }

    /// The number of connections: both sides tell of the same ones.
    fn times(&self) -> u64 {
        let counts = if self.is_refused() {
            let [unsaid, source, target] = self.refused;
            return unsaid.saturating_add(source).saturating_add(target);
        } else {
            self.allowed
        };
        let [unsaid, source, target] = counts;
        unsaid.saturating_add(source.max(target))
    }
}

/// One place that a record leads to.
struct Place {
    party: Party,
    otherwise: Option<Party>,
    port: Option<u16>,
    service: Option<ServiceAddress>,
}

/// The DNS names that records are about, for `World::intern_name` before [`match_to`]: policies that
/// admit names, or patterns of them, are asked about names that the world knows. Where no policy is
/// about names, only those that are spelled `fqdn:` count.
#[must_use]
pub fn names<'r>(world: &World, recorded: &'r Recorded) -> Vec<&'r str> {
    let by_name = !world.names.is_empty();
    let mut found: Vec<&str> = Vec::new();
    for record in &recorded.flows {
        if by_name {
            found.extend(record.to.names.iter().map(|name| &**name));
        }
        let ends = [&record.from, &record.to].into_iter();
        found.extend(ends.filter_map(|end| asked_name(end.spelled.as_deref()?)));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Finds the connections of a world in records.
#[must_use]
pub fn match_to(world: &World, recorded: &Recorded) -> Matched {
    let mut finder = Finder::new(world);
    let mut matched = Matched::default();
    let mut places: FxHashMap<Key, usize> = FxHashMap::default();
    let mut tallies: Vec<Tally> = Vec::new();
    for (index, record) in recorded.flows.iter().enumerate() {
        let sources = finder.who(&record.from).and_then(|who| from_of(world, who));
        let targets = finder
            .who(&record.to)
            .and_then(|who| to_of(world, who, record));
        let (sources, targets) = match (sources, targets) {
            (Ok(sources), Ok(targets)) => (sources, targets),
            (sources, targets) => {
                let (side, why, other) = match (sources, targets) {
                    (Err(why), targets) => {
                        let first = targets.ok().and_then(|list| list.into_iter().next());
                        (Side::From, why, first.map(|place| place.party))
                    }
                    (sources, targets) => {
                        let first = sources.ok().and_then(|list| list.into_iter().next());
                        (Side::To, targets.err().unwrap_or_default(), first)
                    }
                };
                matched.unknown.push(Unknown {
                    record: index,
                    side,
                    why,
                    other,
                    times: record.times,
                    span: record.span,
                });
                continue;
            }
        };
        for from in &sources {
            for place in &targets {
                let connection = connection(world, record, *from, place);
                let at = *places
                    .entry(key(&connection, place.otherwise))
                    .or_insert(tallies.len());
                if at == tallies.len() {
                    tallies.push(Tally::default());
                    matched.connections.push(Observed {
                        connection,
                        otherwise: place.otherwise.map(|to| Connection { to, ..connection }),
                        from: spell(world, *from),
                        to: spell(world, place.party),
                        times: 0,
                        refused: false,
                        span: record.span,
                    });
                }
                if let Some(tally) = tallies.get_mut(at) {
                    tally.add(record);
                }
            }
        }
    }
    for (observed, tally) in matched.connections.iter_mut().zip(&tallies) {
        observed.refused = tally.is_refused();
        observed.times = tally.times();
    }
    matched
}

/// Who connects: never a Service.
fn from_of(world: &World, who: Who) -> Result<Vec<Party>, String> {
    match who {
        Who::Parties(parties) => Ok(parties),
        Who::Named(name, ip) => Ok(vec![ip.map_or(Party::Name(name), Party::Address)]),
        Who::Service(service) => Err(format!(
            "`{}` is a Service, which opens no connections",
            service_name(world, service)
        )),
    }
}

fn to_of(world: &World, who: Who, record: &Record) -> Result<Vec<Place>, String> {
    let plain = |party| Place {
        party,
        otherwise: None,
        port: record.port,
        service: None,
    };
    match who {
        Who::Parties(parties) => Ok(parties.into_iter().map(plain).collect()),
        Who::Named(name, ip) => Ok(vec![Place {
            otherwise: ip.map(Party::Address),
            ..plain(Party::Name(name))
        }]),
        Who::Service(service) => {
            let port = record.port.unwrap_or_default();
            let backends = world.backends(service, port, record.protocol);
            let dialled = world[service].cluster_ips.first().copied();
            let address = dialled.map(|ip| ServiceAddress { ip, port });
            let mut seen = Vec::new();
            let mut found = Vec::new();
            for backend in backends {
                let (party, port) = match backend {
                    Backend::Endpoint(id, port) => {
                        let workload = world[id].workload;
                        if workload.is_some() && seen.contains(&workload) {
                            continue;
                        }
                        seen.push(workload);
                        (Party::Endpoint(id), port)
                    }
                    Backend::Address(ip, port) => (Party::Address(ip), port),
                };
                found.push(Place {
                    party,
                    otherwise: None,
                    port: Some(port),
                    service: address,
                });
            }
            if found.is_empty() {
                return Err(format!(
                    "nothing is behind port {port} of Service `{}`",
                    service_name(world, service)
                ));
            }
            Ok(found)
        }
    }
}

fn service_name(world: &World, id: ServiceId) -> String {
    let service = &world[id];
    format!("{}/{}", world[service.namespace].name, service.name)
}

fn connection(world: &World, record: &Record, from: Party, place: &Place) -> Connection {
    let mut connection = Connection {
        port: place.port,
        icmp: record.icmp,
        service: place.service,
        family: family(world, record, from, place.party),
        ..Connection::new(from, place.party, record.protocol, 0)
    };
    if let Some(dialled) = record.dialled {
        match world.node_at(dialled.ip()) {
            Some(node) => {
                connection.via_node = Some(node);
                connection.node_port = Some(dialled.port());
            }
            None => {
                connection.service = Some(ServiceAddress {
                    ip: dialled.ip(),
                    port: dialled.port(),
                });
            }
        }
    }
    connection
}

/// IPv6 if the record is of it, and both ends have it; else the evaluator chooses.
fn family(world: &World, record: &Record, from: Party, to: Party) -> Option<Family> {
    let is_v6 = |ip: Option<std::net::IpAddr>| ip.is_some_and(|ip| ip.is_ipv6());
    let both = is_v6(record.from.ip) && is_v6(record.to.ip);
    let has = |party: Party| party.address(world, Family::V6).is_some();
    (both && has(from) && has(to)).then_some(Family::V6)
}

fn key(connection: &Connection, otherwise: Option<Party>) -> Key {
    Key {
        from: connection.from,
        to: connection.to,
        otherwise,
        protocol: connection.protocol,
        port: connection.port,
        icmp: connection.icmp.map(|icmp| (icmp.kind, icmp.code)),
        service: connection.service.map(|service| (service.ip, service.port)),
        node: connection.via_node.map(|node| (node, connection.node_port)),
        family: connection.family,
    }
}

/// A party as reports call it.
fn spell(world: &World, party: Party) -> String {
    match party {
        Party::Endpoint(id) => world.display_name(id),
        Party::Node(id) => format!("node:{}", world[id].name),
        Party::Address(ip) => format!("ip:{ip}"),
        Party::Name(id) => format!("fqdn:{}", world[id].text),
    }
}
