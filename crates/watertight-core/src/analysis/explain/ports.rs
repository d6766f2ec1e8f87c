//! Ports that are asked about, cut where a rule may begin or cease to match.
//!
//! INVARIANT: what policies say of the first port of a cut span holds for every port of it.

use std::net::IpAddr;

use super::{Explainer, Refusal};
use crate::analysis::parties::PortQuery;
use crate::engine::PodTunnels;
use crate::eval::{Party, ServiceAddress};
use crate::manifest::Direction;
use crate::policy::Rule;
use crate::sets::{PortMatch, Protocol};
use crate::world::{EndpointId, World};

/// Ports of one protocol, inclusive; 0 to 0 for ICMP, which has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The protocol.
    pub protocol: Protocol,
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

/// Where VXLAN goes.
const VXLAN: u16 = 4789;

impl Span {
    const ICMP: Self = Self {
        protocol: Protocol::Icmp,
        first: 0,
        last: 0,
    };

    fn all(protocol: Protocol) -> Self {
        Self {
            protocol,
            first: 1,
            last: u16::MAX,
        }
    }

    fn one(protocol: Protocol, port: u16) -> Self {
        Self {
            protocol,
            first: port,
            last: port,
        }
    }

    /// Whether it is every port of its protocol.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self == Self::all(self.protocol) || self == Self::ICMP
    }

    /// Whether it is one port, or ICMP.
    #[must_use]
    pub fn is_one(self) -> bool {
        self.first == self.last
    }

    /// The port of a connection that stands for all; none for ICMP.
    pub(super) fn example(self) -> Option<u16> {
        (self.protocol != Protocol::Icmp).then_some(self.first)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = self.protocol.word();
        match (self.protocol, self.first, self.last) {
            (Protocol::Icmp, ..) => f.write_str(word),
            (_, first, last) if first == last => write!(f, "{first}/{word}"),
            (_, first, last) => write!(f, "{first}-{last}/{word}"),
        }
    }
}

/// Ports to judge, as the destination sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// The ports.
    pub span: Span,
    /// The Service port that leads there.
    pub service_port: Option<u16>,
    /// The address that the client dials, if the Service has one.
    pub dialled: Option<IpAddr>,
}

impl Asked {
    fn direct(span: Span) -> Self {
        Self {
            span,
            service_port: None,
            dialled: None,
        }
    }

    /// What the client dials, if it is a Service with an address.
    pub(super) fn service_address(&self) -> Option<ServiceAddress> {
        let (ip, port) = (self.dialled?, self.service_port?);
        Some(ServiceAddress { ip, port })
    }

    /// Through a Service.
    pub(super) fn through(
        protocol: Protocol,
        target: u16,
        port: u16,
        dialled: Option<IpAddr>,
    ) -> Self {
        Self {
            span: Span::one(protocol, target),
            service_port: Some(port),
            dialled,
        }
    }
}

/// The ports that a query means at a pod.
pub(super) fn at_endpoint(
    world: &World,
    endpoint: EndpointId,
    queries: &[PortQuery],
) -> Result<Vec<Asked>, Refusal> {
    let mut asked = Vec::new();
    for query in queries {
        match query {
            PortQuery::Named { name, protocol } => {
                let symbol = world.symbols.get(name);
                let known = world[endpoint].ports.iter().filter(|port| {
                    symbol.is_some()
                        && port.name == symbol
                        && protocol.is_none_or(|protocol| protocol == port.protocol)
                });
                let found: Vec<_> = known
                    .map(|port| Asked::direct(Span::one(port.protocol, port.number)))
                    .collect();
                if found.is_empty() {
                    let message = no_such_name(world, endpoint, query);
                    return Err(Refusal::ports(message));
                }
                asked.extend(found);
            }
            query => asked.extend(by_number(query)),
        }
    }
    if queries.is_empty() {
        asked.extend(every_protocol());
    }
    Ok(without_repeats(asked))
}

fn without_repeats(asked: Vec<Asked>) -> Vec<Asked> {
    let mut kept: Vec<Asked> = Vec::new();
    for one in asked {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}

fn no_such_name(world: &World, endpoint: EndpointId, query: &PortQuery) -> String {
    let who = world.display_name(endpoint);
    let named = world[endpoint].ports.iter().filter_map(|port| {
        let name = world.symbols.text(port.name?);
        Some(format!("{name} ({}/{})", port.number, port.protocol.word()))
    });
    let named: Vec<_> = named.take(8).collect();
    if named.is_empty() {
        format!("{who} names no port, so that `{query}` means nothing there; write a number")
    } else {
        format!("{who} has no port `{query}`; it has {}", named.join(", "))
    }
}

/// The ports that a query means at a node or an address, where names mean nothing (K-57).
pub(super) fn elsewhere(queries: &[PortQuery]) -> Result<Vec<Asked>, Refusal> {
    if queries.is_empty() {
        return Ok(every_protocol().collect());
    }
    let mut asked = Vec::new();
    for query in queries {
        match by_number(query) {
            Some(one) => asked.push(one),
            None => {
                return Err(Refusal::ports(format!(
                    "only pods and Services name their ports, so that `{query}` means nothing \
                     there; write a number"
                )));
            }
        }
    }
    Ok(asked)
}

fn by_number(query: &PortQuery) -> Option<Asked> {
    match query {
        PortQuery::Range {
            protocol,
            first,
            last,
        } => Some(Asked::direct(Span {
            protocol: *protocol,
            first: *first,
            last: *last,
        })),
        PortQuery::Icmp => Some(Asked::direct(Span::ICMP)),
        PortQuery::Named { .. } => None,
    }
}

/// The protocols that have ports, every port of them.
fn every_protocol() -> impl Iterator<Item = Asked> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .map(|protocol| Asked::direct(Span::all(protocol)))
}

/// The rules that may decide between two parties.
pub(super) fn rules_between<'e>(
    explainer: &Explainer<'e>,
    from: Party,
    to: Party,
) -> impl Iterator<Item = &'e Rule> {
    let eval = explainer.eval();
    let of = |party: Party, direction| {
        let policies = explainer.policies_about(party, direction);
        let rules = policies.into_iter();
        rules.flat_map(move |policy| &eval.ruleset[policy].rules)
    };
    of(from, Direction::Egress).chain(of(to, Direction::Ingress))
}

/// Cuts a span at the edges of the ports that rules between two parties name.
pub(super) fn cut(explainer: &Explainer<'_>, from: Party, to: Party, span: Span) -> Vec<Span> {
    if span.first == span.last {
        return vec![span];
    }
    let world = explainer.eval().world;
    let target = match to.resolve(world) {
        Party::Endpoint(id) => Some(id),
        _ => None,
    };
    let mut edges: Vec<u16> = Vec::new();
    let mut edge = |first: u16, last: u16| {
        edges.push(first);
        edges.extend(last.checked_add(1));
    };
    let named = |name: &str, edge: &mut dyn FnMut(u16, u16)| {
        let name = world.symbols.get(name);
        let ports = target.map_or(&[][..], |id| &world[id].ports);
        for port in ports.iter().filter(|port| port.name.is_some()) {
            if port.name == name && port.protocol == span.protocol {
                edge(port.number, port.number);
            }
        }
    };
    for item in rules_between(explainer, from, to).flat_map(|rule| &rule.traffic) {
        match item {
            PortMatch::Range {
                protocol,
                first,
                last,
                ..
            } if *protocol == span.protocol => edge(*first, *last),
            PortMatch::Named { protocol, name, .. } if *protocol == span.protocol => {
                named(name, &mut edge);
            }
            PortMatch::Except {
                protocol,
                ranges,
                names,
                ..
            } if *protocol == span.protocol => {
                for (first, last) in ranges {
                    edge(*first, *last);
                }
                for name in names {
                    named(name, &mut edge);
                }
            }
            _ => {}
        }
    }
    let drops_tunnels = explainer.eval().switches.pod_tunnels == PodTunnels::Drop;
    if drops_tunnels && span.protocol == Protocol::Udp {
        // Whatever policies say (C-73).
        edge(VXLAN, VXLAN);
    }
    edges.sort_unstable();
    edges.dedup();
    let mut found = Vec::new();
    let mut rest = span;
    for edge in edges {
        if edge > rest.first && edge <= span.last {
            found.push(Span {
                last: edge - 1,
                ..rest
            });
            rest.first = edge;
        }
    }
    found.push(rest);
    found
}
