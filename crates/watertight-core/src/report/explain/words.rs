//! How rows and ends are called, so that a reader needs no arithmetic: what is most of a protocol or of
//! a family is "all other", the rest is listed.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::explain::{self, Outcome, Range, Span, Unit};
use crate::eval::{Family, Party};
use crate::rules::{count, some_of};
use crate::sets::Protocol;
use crate::world::World;

/// More ranges than this are counted, not listed.
const MOST_LISTED: usize = 6;

/// Names for the rows of a case, in order.
pub(super) fn row_names(rows: &[explain::Row]) -> Vec<String> {
    let spans: Vec<BTreeSet<Span>> = distinct(rows.iter().map(ports_of));
    let ranges: Vec<Vec<Range>> = distinct(rows.iter().map(|row| row.addresses.clone()));
    rows.iter()
        .map(|row| {
            let mut parts = Vec::new();
            if ranges.len() > 1 || !row.addresses.is_empty() {
                parts.push(addresses(&row.addresses, &ranges));
            }
            // One set of ports for all rows is in the question already.
            if parts.is_empty() || spans.len() > 1 {
                parts.push(ports(&ports_of(row), row));
            }
            parts.retain(|part| !part.is_empty());
            let name = parts.join(" on ");
            match row.family {
                Some(family) => format!("{name} over {}", family_word(family)),
                None => name,
            }
        })
        .collect()
}

fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found: Vec<T> = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

fn ports_of(row: &explain::Row) -> BTreeSet<Span> {
    row.ports.iter().map(|asked| asked.span).collect()
}

fn size(span: &Span) -> u32 {
    u32::from(span.last - span.first) + 1
}

/// `80-90/tcp, 443/tcp`, `all udp`, `all other tcp`.
fn ports(own: &BTreeSet<Span>, row: &explain::Row) -> String {
    let through: Vec<_> = row
        .ports
        .iter()
        .filter_map(|asked| {
            let port = asked.service_port?;
            let word = asked.span.protocol.word();
            Some(if port == asked.span.first {
                format!("{port}/{word}")
            } else {
                format!("{port}/{word}, behind it {}", asked.span.first)
            })
        })
        .collect();
    if !through.is_empty() {
        return listed(&through);
    }
    let mut by_protocol: BTreeMap<Protocol, Vec<Span>> = BTreeMap::new();
    for span in own {
        by_protocol.entry(span.protocol).or_default().push(*span);
    }
    let mut parts = Vec::new();
    let mut whole = Vec::new();
    let mut others = Vec::new();
    for (protocol, spans) in &by_protocol {
        let mine: u32 = spans.iter().map(size).sum();
        if spans.iter().all(|span| span.is_whole()) {
            whole.push(protocol.word().to_owned());
        } else if spans.len() > 1 && mine > 32_768 {
            others.push(protocol.word().to_owned());
        } else {
            parts.extend(spans.iter().map(ToString::to_string));
        }
    }
    let mut told = Vec::new();
    if !parts.is_empty() {
        told.push(listed(&parts));
    }
    if whole.len() == 3 {
        told.push("all ports".into());
    } else if !others.is_empty() && whole.len() + others.len() == 3 {
        told.push("all other ports".into());
    } else {
        if !others.is_empty() {
            told.push(format!("all other {} ports", join(&others)));
        }
        if !whole.is_empty() {
            told.push(format!("all {} ports", join(&whole)).replace("all icmp ports", "icmp"));
        }
    }
    told.join(", ")
}

fn join(words: &[String]) -> String {
    some_of(words)
}

fn listed(parts: &[String]) -> String {
    match parts.split_at_checked(MOST_LISTED) {
        Some((shown, rest)) if rest.len() > 1 => {
            format!("{} and {} more", shown.join(", "), rest.len())
        }
        _ => parts.join(", "),
    }
}

fn family_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// `10.0.0.0/8`, `all of IPv6`, `all other IPv4 addresses`.
fn addresses(own: &[Range], all: &[Vec<Range>]) -> String {
    let mut parts = Vec::new();
    if all.len() == 1
        && [Family::V4, Family::V6]
            .iter()
            .all(|family| own.iter().any(|range| range.family == *family))
    {
        return "all addresses".into();
    }
    for family in [Family::V4, Family::V6] {
        let of = |ranges: &[Range]| -> Vec<Range> {
            let of = ranges.iter().filter(|range| range.family == family);
            of.copied().collect()
        };
        let mine = of(own);
        if mine.is_empty() {
            continue;
        }
        let sharing = all.iter().filter(|ranges| !of(ranges).is_empty()).count();
        let extent = |ranges: &[Range]| {
            ranges
                .iter()
                .fold(0u128, |sum, r| sum.saturating_add(r.extent()))
        };
        let most = all.iter().map(|ranges| extent(&of(ranges))).max();
        let is_most = Some(extent(&mine)) == most;
        let large = mine.len() > 1 || mine.iter().any(|range| range.is_whole_family());
        if sharing == 1 && large {
            parts.push(format!("all {} addresses", family_word(family)));
        } else if is_most && large && sharing > 1 {
            parts.push(format!("all other {} addresses", family_word(family)));
        } else {
            let shown: Vec<_> = mine.iter().map(ToString::to_string).collect();
            parts.push(listed(&shown));
        }
    }
    parts.join(", ")
}

/// Who is at one end of a case.
pub(super) struct Members {
    pub(super) name: String,
    pub(super) members: Vec<String>,
    pub(super) pods: usize,
}

/// How units are called together.
pub(super) fn members(world: &World, units: &[Unit]) -> Members {
    let mut full = BTreeSet::new();
    let mut short = BTreeSet::new();
    let mut namespaces = BTreeSet::new();
    let (mut pods, mut nodes) = (0, 0);
    for unit in units {
        match unit {
            Unit::Endpoints(endpoints) => {
                pods += endpoints.len();
                for id in endpoints {
                    full.insert(world.display_name(*id));
                    short.insert(explain::short_name(world, Party::Endpoint(*id)));
                    namespaces.insert(world[*id].namespace);
                }
            }
            Unit::Node(node) => {
                nodes += 1;
                let name = explain::short_name(world, Party::Node(*node));
                full.insert(name.clone());
                short.insert(name);
            }
            Unit::Name(id) => {
                let name = explain::short_name(world, Party::Name(*id));
                full.insert(name.clone());
                short.insert(name);
            }
            Unit::Addresses(ranges) => match ranges.as_slice() {
                [one] if one.extent() == 0 => {
                    let party = Party::Address(one.start());
                    let name = explain::short_name(world, party);
                    full.insert(name.clone());
                    short.insert(name);
                }
                _ => {}
            },
        }
    }
    let short: Vec<_> = short.into_iter().collect();
    let plain = |name: &String| {
        let name = name.split_once('/').map_or(name.as_str(), |(_, name)| name);
        name.to_owned()
    };
    let name = match (short.len(), namespaces.len()) {
        (0, _) => "addresses".to_owned(),
        (1..=3, _) => some_of(&short),
        (many, 1) if nodes == 0 => {
            let of = namespaces.first().map(|id| &*world[*id].name);
            let names: Vec<_> = short.iter().map(plain).collect();
            let of = of.unwrap_or_default();
            format!("{many} workloads of {of}: {}", listed(&names))
        }
        (many, 0) => count(many, "node"),
        (many, _) if nodes == 0 => format!("{many} workloads"),
        (many, _) => format!("{many} workloads and nodes"),
    };
    Members {
        name,
        members: full.into_iter().collect(),
        pods,
    }
}

/// How the ports of one row are called in a sentence: those of the Service if it is one.
pub(super) fn ports_in_sentence(row: &explain::Row) -> String {
    let name = ports(&ports_of(row), row);
    match name.split_once(", behind it") {
        Some((port, _)) => port.to_owned(),
        None => name,
    }
}

/// `allow`, `deny`, `uncertain`.
pub(super) fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allow",
        Outcome::Denied => "deny",
        Outcome::Uncertain => "uncertain",
    }
}
