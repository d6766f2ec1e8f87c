//! Which connections a rule is about: protocol, ports and messages (C-45..C-49, C-51).

use std::ops::RangeInclusive;

use super::Lowering;
use crate::manifest::policy::calico::{
    CalicoPort, CalicoPortKind, CalicoProtocol, CalicoRule, HttpPath, HttpRequest, IcmpMatch,
};
use crate::policy::{HttpMatch, RequestMatch, TextMatch};
use crate::sets::{Family, PortMatch, Protocol};
use crate::source::Span;

/// Ranges of ports, or of messages.
type Ranges = Vec<(u16, u16)>;

const WHOLE: (u16, u16) = (0, u16::MAX);

/// The protocols that have ports, by their numbers.
const WITH_PORTS: [(u8, Protocol); 3] = [
    (CalicoProtocol::TCP, Protocol::Tcp),
    (CalicoProtocol::UDP, Protocol::Udp),
    (CalicoProtocol::SCTP, Protocol::Sctp),
];

/// The protocols that have messages, by their numbers.
const WITH_MESSAGES: [(u8, Family); 2] = [
    (CalicoProtocol::ICMP, Family::V4),
    (CalicoProtocol::ICMPV6, Family::V6),
];

/// The numbers that a list of ports has for a name, where the destination is no pod.
pub(super) type Numbers<'n> = &'n dyn Fn(&str, Protocol) -> Vec<u16>;

/// Whether a rule is about a protocol (C-45).
fn is_about(rule: &CalicoRule, number: u8) -> bool {
    rule.protocol.is_none_or(|only| only.number == number)
        && rule.not_protocol.is_none_or(|not| not.number != number)
}

/// The traffic of a rule. Names of ports are left to the destination, unless it is a host, whose
/// names are known.
pub(super) fn traffic(rule: &CalicoRule, host: Option<Numbers<'_>>) -> Vec<PortMatch> {
    let ports = &rule.destination.ports;
    let not_ports = &rule.destination.not_ports;
    let free = ports.is_empty() && not_ports.is_empty() && rule.source.ports.is_empty();
    let icmp = rule.icmp.or(rule.not_icmp);
    let other = |not: CalicoProtocol| {
        let known = WITH_PORTS.iter().map(|(number, _)| *number);
        let known = known.chain(WITH_MESSAGES.iter().map(|(number, _)| *number));
        !known.into_iter().any(|number| number == not.number)
    };
    if free && icmp.is_none() && rule.protocol.is_none() && rule.not_protocol.is_none_or(other) {
        return vec![PortMatch::Everything];
    }
    let span = rule.protocol.or(rule.not_protocol);
    let span = span.map_or(rule.span, |protocol| protocol.span);
    let mut found = Vec::new();
    for (number, protocol) in WITH_PORTS {
        if is_about(rule, number) && rule.icmp.is_none() {
            with_ports(ports, not_ports, protocol, span, host, &mut found);
        }
    }
    for (number, family) in WITH_MESSAGES {
        if is_about(rule, number) && ports.is_empty() && rule.source.ports.is_empty() {
            messages(rule, family, span, &mut found);
        }
    }
    found
}

fn with_ports(
    ports: &[CalicoPort],
    not_ports: &[CalicoPort],
    protocol: Protocol,
    span: Span,
    host: Option<Numbers<'_>>,
    found: &mut Vec<PortMatch>,
) {
    let range = |(first, last), span| PortMatch::Range {
        protocol,
        first,
        last,
        span,
    };
    let (out, mut out_names) = split(not_ports, protocol, host);
    out_names.sort_unstable();
    let is_cut = !out.is_empty() || !out_names.is_empty();
    if ports.is_empty() && !is_cut {
        found.push(range(WHOLE, span));
        return;
    }
    if !is_cut {
        for port in ports {
            let (ranges, names) = split(std::slice::from_ref(port), protocol, host);
            found.extend(ranges.into_iter().map(|found| range(found, port.span)));
            found.extend(names.into_iter().map(|name| PortMatch::Named {
                protocol,
                name,
                span: port.span,
            }));
        }
        return;
    }
    let (mut ranges, names) = split(ports, protocol, host);
    // What is left of names cannot be said; their ports are rarely excluded by number, too.
    found.extend(names.into_iter().map(|name| PortMatch::Named {
        protocol,
        name,
        span,
    }));
    if ports.is_empty() {
        ranges.push(WHOLE);
    } else if ranges.is_empty() {
        return;
    }
    let span = not_ports.first().map_or(span, |port| port.span);
    if out_names.is_empty() && !ports.is_empty() {
        let left = without(&ranges, &out);
        found.extend(left.into_iter().map(|left| range(left, span)));
        return;
    }
    found.push(PortMatch::Except {
        protocol,
        ranges: without(&[WHOLE], &without(&ranges, &out)),
        names: out_names,
        span,
    });
}

/// Ports by number and by name.
fn split(
    ports: &[CalicoPort],
    protocol: Protocol,
    host: Option<Numbers<'_>>,
) -> (Ranges, Vec<Box<str>>) {
    let (mut ranges, mut names) = (Vec::new(), Vec::new());
    for port in ports {
        match (&port.kind, host) {
            (CalicoPortKind::Range(first, last), _) => ranges.push((*first, *last)),
            (CalicoPortKind::Name(name), None) => names.push(name.clone()),
            (CalicoPortKind::Name(name), Some(numbers)) => {
                let numbers = numbers(name, protocol).into_iter();
                ranges.extend(numbers.map(|number| (number, number)));
            }
        }
    }
    (ranges, names)
}

/// Messages of ICMP: a type is the high byte, a code the low one (C-49).
fn messages(rule: &CalicoRule, family: Family, span: Span, found: &mut Vec<PortMatch>) {
    let wanted = rule.icmp.map_or(WHOLE, |icmp| range_of(&icmp));
    let out: Ranges = rule.not_icmp.iter().map(range_of).collect();
    let span = rule.icmp.or(rule.not_icmp).map_or(span, |icmp| icmp.span);
    let left = without(&[wanted], &out).into_iter();
    found.extend(left.map(|(first, last)| PortMatch::Icmp {
        family,
        first,
        last,
        span,
    }));
}

fn range_of(icmp: &IcmpMatch) -> (u16, u16) {
    let number = |kind: u8, code: u8| u16::from_be_bytes([kind, code]);
    match (icmp.kind, icmp.code) {
        (None, _) => WHOLE,
        (Some(kind), None) => (number(kind, 0), number(kind, u8::MAX)),
        (Some(kind), Some(code)) => (number(kind, code), number(kind, code)),
    }
}

/// What is left of ranges, in order.
fn without(ranges: &[(u16, u16)], out: &[(u16, u16)]) -> Ranges {
    let mut left: Vec<RangeInclusive<u32>> = ranges
        .iter()
        .map(|(first, last)| u32::from(*first)..=u32::from(*last))
        .collect();
    for (first, last) in out {
        let (first, last) = (u32::from(*first), u32::from(*last));
        let cut = |range: RangeInclusive<u32>| {
            let before = *range.start()..=(*range.end()).min(first.wrapping_sub(1));
            let behind = (*range.start()).max(last + 1)..=*range.end();
            let before = (first > 0).then_some(before);
            before
                .into_iter()
                .chain([behind])
                .filter(|part| !part.is_empty())
        };
        left = left.into_iter().flat_map(cut).collect();
    }
    left.sort_unstable_by_key(|range| *range.start());
    let narrow = |port: u32| u16::try_from(port).unwrap_or(u16::MAX);
    left.dedup();
    left.iter()
        .map(|range| (narrow(*range.start()), narrow(*range.end())))
        .collect()
}

/// The requests of a rule: every method with every path (C-51).
pub(super) fn requests(http: &HttpRequest) -> Vec<RequestMatch> {
    let optional = |count: usize| (0..count.max(1)).collect::<Vec<_>>();
    let mut found = Vec::new();
    for method in optional(http.methods.len()) {
        for path in optional(http.paths.len()) {
            let method = http.methods.get(method);
            let path = http.paths.get(path);
            if method.is_none() && path.is_none() {
                continue;
            }
            let shown = match path {
                None => String::new(),
                Some(HttpPath::Exact(path)) => format!(" {path}"),
                Some(HttpPath::Prefix(path)) => format!(" {path}*"),
            };
            let word = method.map_or("any method", |method| method);
            found.push(RequestMatch {
                text: format!("HTTP {word}{shown}").into(),
                http: Some(HttpMatch {
                    method: method.cloned().map(TextMatch::Exact),
                    path: path.map(|path| match path {
                        HttpPath::Exact(path) => TextMatch::Exact(path.clone()),
                        HttpPath::Prefix(path) => TextMatch::Prefix(path.clone()),
                    }),
                }),
                is_every: false,
                span: http.span,
            });
        }
    }
    found
}

impl Lowering<'_> {
    /// The source ports of a rule (C-47); none is any. A name stands for the numbers that any
    /// endpoint has for it.
    pub(super) fn source_ports(&self, rule: &CalicoRule) -> Option<Box<[(u16, u16)]>> {
        let source = &rule.source;
        if source.ports.is_empty() && source.not_ports.is_empty() {
            return None;
        }
        let number = rule.protocol.map(|protocol| protocol.number);
        let protocols = WITH_PORTS
            .iter()
            .filter(|(of, _)| number.is_none_or(|only| only == *of));
        let numbers = |ports: &[CalicoPort]| -> Ranges {
            let of = |(_, protocol): &(u8, Protocol)| {
                let named = |name: &str, protocol| self.numbers_of(name, protocol);
                split(ports, *protocol, Some(&named)).0
            };
            protocols.clone().flat_map(of).collect()
        };
        let wanted = match source.ports.is_empty() {
            true => vec![WHOLE],
            false => numbers(&source.ports),
        };
        Some(without(&wanted, &numbers(&source.not_ports)).into())
    }

    /// The numbers that pods and hosts have for a name.
    fn numbers_of(&self, name: &str, protocol: Protocol) -> Vec<u16> {
        let symbol = self.world.symbols.get(name);
        let ports = self.world.endpoint_ids();
        let ports = ports.flat_map(|id| self.world[id].ports.iter());
        let ports = ports
            .filter(|port| port.name.is_some() && port.name == symbol && port.protocol == protocol);
        let mut found: Vec<u16> = ports.map(|port| port.number).collect();
        found.extend(self.hosts.numbers_of(name, protocol));
        found.sort_unstable();
        found.dedup();
        found
    }
}
