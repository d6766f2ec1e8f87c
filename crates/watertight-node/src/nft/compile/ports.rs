//! Traffic as conditions on protocol, port and ICMP message.

use std::collections::BTreeMap;

use watertight_core::engine::Icmp;
use watertight_core::eval::Family;
use watertight_core::sets::{PortMatch, Protocol, Runs};

use super::sets::{Sets, Way, destination, family_is, members_of, number};
use crate::nft::table::{Bytes, Contents, Element, Field, KeyType, Match, Set, Table};

/// Protocols that have ports.
const WITH_PORTS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

/// The condition on a transport protocol.
pub(super) fn protocol_is(number: u8) -> Match {
    Match::Is(Field::Protocol, Bytes::EMPTY.protocol(number))
}

fn between(field: Field, (first, last): (u16, u16)) -> Match {
    let value = |port| Bytes::EMPTY.port(port);
    if first == last {
        return Match::Is(field, value(first));
    }
    Match::Between {
        field,
        first: value(first),
        last: value(last),
        not: false,
    }
}

/// The ways in which traffic can be any of these.
pub(super) fn ways(
    sets: &Sets<'_, '_>,
    table: &mut Table,
    traffic: &[PortMatch],
    source_ports: Option<&[(u16, u16)]>,
    icmp: Icmp,
) -> Vec<Way> {
    let mut found = Vec::new();
    let mut ranges: BTreeMap<Protocol, Vec<(u16, u16)>> = BTreeMap::new();
    for item in traffic {
        match item {
            PortMatch::Any => found.push(Way::default()),
            PortMatch::Everything => found.push(everything(icmp)),
            PortMatch::Range {
                protocol,
                first,
                last,
                ..
            } => {
                ranges.entry(*protocol).or_default().push((*first, *last));
            }
            PortMatch::Icmp {
                family,
                first,
                last,
                ..
            } => {
                let mut matches = vec![
                    family_is(*family),
                    protocol_is(number(Protocol::Icmp, *family)),
                ];
                if (*first, *last) != (0, u16::MAX) {
                    matches.push(between(Field::IcmpMessage, (*first, *last)));
                }
                found.push(Way {
                    family: Some(*family),
                    matches,
                });
            }
            PortMatch::Except {
                protocol,
                ranges: out,
                names,
                ..
            } => {
                let left = Runs::from_unsorted(out.clone()).complement();
                if names.is_empty() {
                    ranges.entry(*protocol).or_default().extend(left.iter());
                    continue;
                }
                for family in Family::BOTH {
                    // Where no pod has an address, none has a port.
                    let names = names.iter().filter(|_| sets.families.contains(&family));
                    let not_named = names.map(|name| Match::In {
                        fields: vec![destination(family), Field::Protocol, Field::DestinationPort],
                        set: sets.named(table, name, *protocol, family),
                        not: true,
                    });
                    let not_named: Vec<Match> = not_named.collect();
                    found.extend(left.iter().map(|range| {
                        let mut matches = in_range(*protocol, range);
                        // A packet of the other family is in no set of this one.
                        matches.insert(0, family_is(family));
                        matches.extend(not_named.iter().cloned());
                        Way {
                            family: Some(family),
                            matches,
                        }
                    }));
                }
            }
            PortMatch::Named { protocol, name, .. } => {
                for family in sets.families.clone() {
                    let set = sets.named(table, name, *protocol, family);
                    let fields = vec![destination(family), Field::Protocol, Field::DestinationPort];
                    found.push(Way {
                        family: Some(family),
                        matches: vec![Match::In {
                            fields,
                            set,
                            not: false,
                        }],
                    });
                }
            }
        }
    }
    found.extend(numbers(sets, table, ranges));
    if found
        .iter()
        .any(|way| way.matches.is_empty() && way.family.is_none())
    {
        found = vec![Way::default()];
    }
    match source_ports {
        Some(source) => from_ports(&found, source),
        None => found,
    }
}

/// K-21, K-61.
fn everything(icmp: Icmp) -> Way {
    let not = |number: u8| Match::Between {
        field: Field::Protocol,
        first: Bytes::EMPTY.protocol(number),
        last: Bytes::EMPTY.protocol(number),
        not: true,
    };
    match icmp {
        Icmp::AllPortsRules | Icmp::Exempt => Way::default(),
        Icmp::Drop => Way {
            family: None,
            matches: vec![not(1), not(58)],
        },
    }
}

fn in_range(protocol: Protocol, (first, last): (u16, u16)) -> Vec<Match> {
    let mut matches = vec![protocol_is(number(protocol, Family::V4))];
    // Nobody listens on port 0, but a rule for all ports lets it through.
    if first > 1 || last < u16::MAX {
        matches.push(between(Field::DestinationPort, (first, last)));
    }
    matches
}

/// One range is compared with, several are looked up.
fn numbers(
    sets: &Sets<'_, '_>,
    table: &mut Table,
    ranges: BTreeMap<Protocol, Vec<(u16, u16)>>,
) -> Vec<Way> {
    let ranges: Vec<(Protocol, (u16, u16))> = ranges
        .into_iter()
        .flat_map(|(protocol, ranges)| {
            let runs: Vec<_> = Runs::from_unsorted(ranges).iter().collect();
            runs.into_iter().map(move |run| (protocol, run))
        })
        .collect();
    match *ranges {
        [] => Vec::new(),
        [(protocol, range)] => vec![Way {
            family: None,
            matches: in_range(protocol, range),
        }],
        _ => {
            let words = ranges
                .iter()
                .map(|(protocol, (first, last))| match first == last {
                    true => format!("{}_{first}", protocol.word()),
                    false => format!("{}_{first}-{last}", protocol.word()),
                });
            let definition = words.collect::<Vec<_>>().join("_");
            let set = sets.name("p", &definition, &definition);
            let element = |(protocol, (first, last)): &(Protocol, (u16, u16))| {
                let protocol = Bytes::EMPTY.protocol(number(*protocol, Family::V4));
                Element {
                    first: protocol.port(*first),
                    last: protocol.port(*last),
                }
            };
            let contents = members_of(ranges.iter().map(element).collect());
            let has_ranges = matches!(&contents, Contents::Members(all) if all.iter().any(|one| one.first != one.last));
            let members = Set {
                key: vec![KeyType::Protocol, KeyType::Port],
                ranges: has_ranges,
                contents,
            };
            table.sets.entry(set.clone()).or_insert(members);
            vec![Way {
                family: None,
                matches: vec![Match::In {
                    fields: vec![Field::Protocol, Field::DestinationPort],
                    set,
                    not: false,
                }],
            }]
        }
    }
}

/// C-47: only from these ports. What has no ports has no source port either.
fn from_ports(ways: &[Way], source: &[(u16, u16)]) -> Vec<Way> {
    let mut found = Vec::new();
    for way in ways {
        let says = |of: &Match| match of {
            Match::Is(Field::Protocol, _) => true,
            Match::In { fields, .. } => fields.contains(&Field::Protocol),
            _ => false,
        };
        let protocols: Vec<Option<Protocol>> = match way.matches.iter().any(says) {
            true => vec![None],
            false => WITH_PORTS.map(Some).into(),
        };
        for protocol in protocols {
            for range in source {
                let mut way = way.clone();
                way.matches
                    .extend(protocol.map(|protocol| protocol_is(number(protocol, Family::V4))));
                way.matches.push(between(Field::SourcePort, *range));
                found.push(way);
            }
        }
    }
    found
}
