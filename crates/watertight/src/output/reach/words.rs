//! Ports, addresses and outcomes in a few characters.
//!
//! `*` marks what holds for some of the pods only, `~` what holds for certain requests only, `?` what is
//! uncertain; a format that uses them
//! explains them.

use watertight_core::report::reach::{ReachConnection, ReachPorts, ReachRange};

/// How much of a pair is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::output) enum Openness {
    /// Nothing.
    Closed,
    /// Nothing for sure, but something may be.
    Uncertain,
    /// Some ports, or some pods.
    Part,
    /// Every port, for every pod.
    Open,
}

impl Openness {
    pub(in crate::output) fn of(ports: &[ReachPorts]) -> Self {
        match ports {
            [] => Self::Closed,
            [one] if one.protocol == "any" && is_plain(one) => Self::Open,
            _ if ports.iter().any(|ports| ports.verdict == "allow") => Self::Part,
            _ => Self::Uncertain,
        }
    }

    /// Of a connection, IPv6 included.
    pub(in crate::output) fn of_connection(connection: &ReachConnection) -> Self {
        let v4 = Self::of(&connection.ports);
        match connection.ipv6.as_deref().map(Self::of) {
            None => v4,
            Some(v6) if v6 == v4 => v4,
            Some(v6) => v4.max(v6).min(Self::Part),
        }
    }

    pub(in crate::output) fn word(self) -> &'static str {
        match self {
            Self::Closed => "denied",
            Self::Uncertain => "uncertain",
            Self::Part => "part",
            Self::Open => "open",
        }
    }
}

fn is_plain(ports: &ReachPorts) -> bool {
    ports.verdict == "allow" && !ports.some && !ports.conditional
}

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Protocol (a position in the list), first and last port.
type Range = (usize, u16, u16);

fn ranges(ports: &ReachPorts) -> impl Iterator<Item = Range> + '_ {
    let of = PROTOCOLS.iter().enumerate();
    let of = of.filter(|(_, word)| ports.protocol == "any" || ports.protocol == **word);
    of.map(|(protocol, _)| (protocol, ports.first, ports.last))
}

/// Neighbours become one.
fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut found: Vec<Range> = Vec::new();
    for (protocol, first, last) in ranges {
        match found.last_mut() {
            Some((of, _, end)) if *of == protocol && first <= end.saturating_add(1) => {
                *end = last.max(*end);
            }
            _ => found.push((protocol, first, last)),
        }
    }
    found
}

fn spelled(ranges: &[Range], mark: &str) -> Vec<String> {
    let whole = |range: &&Range| (range.1, range.2) == (1, u16::MAX);
    if ranges.iter().filter(whole).count() == PROTOCOLS.len() {
        return vec![format!("all{mark}")];
    }
    let spelled = ranges.iter().map(|range| {
        let (protocol, first, last) = *range;
        let word = PROTOCOLS.get(protocol).copied().unwrap_or_default();
        if whole(&range) {
            format!("all {word}{mark}")
        } else if first == last {
            format!("{first}/{word}{mark}")
        } else {
            format!("{first}-{last}/{word}{mark}")
        }
    });
    spelled.collect()
}

/// `8080/tcp, 9000/tcp*, all?`: what holds for every pod, then what holds for some, then what is
/// uncertain; what is said later is said of the other ports.
pub(in crate::output) fn ports(ports: &[ReachPorts]) -> String {
    let mut parts = Vec::new();
    let mut said: Vec<Range> = Vec::new();
    for (uncertain, some, conditional, mark) in [
        (false, false, false, ""),
        (false, false, true, "~"),
        (false, true, false, "*"),
        (false, true, true, "*~"),
        (true, false, false, "?"),
        (true, false, true, "?~"),
        (true, true, false, "*?"),
        (true, true, true, "*?~"),
    ] {
        let of = ports.iter().filter(|ports| {
            let found = (ports.why.is_some(), ports.some, ports.conditional);
            found == (uncertain, some, conditional)
        });
        let own: Vec<Range> = of.flat_map(ranges).collect();
        if own.is_empty() {
            continue;
        }
        // A range with what was said inside of it reads better than the pieces around that.
        let all = merged(own.iter().chain(&said).copied().collect());
        let is_new = |range: &Range| own.iter().any(|own| inside(own, range));
        let told: Vec<Range> = all.iter().copied().filter(is_new).collect();
        parts.extend(spelled(&told, mark));
        said = all;
    }
    parts.join(", ")
}

fn inside(range: &Range, of: &Range) -> bool {
    range.0 == of.0 && of.1 <= range.1 && range.2 <= of.2
}

/// The ports of a connection, with those of IPv6 where they are others.
pub(in crate::output) fn connection(connection: &ReachConnection) -> String {
    let both = |list: &[ReachPorts]| match list {
        [] => "none".to_owned(),
        list => ports(list),
    };
    match &connection.ipv6 {
        None => both(&connection.ports),
        Some(ipv6) => format!("{}; IPv6: {}", both(&connection.ports), both(ipv6)),
    }
}

/// At most this many characters of an answer about ports, with an ellipsis.
pub(in crate::output) fn short(text: &str, most: usize) -> String {
    super::super::shortened(text, most).into_owned()
}

/// Addresses in words, if they are few: `world`, `world (IPv4) except 169.254.169.254`.
pub(in crate::output) fn addresses(range: &ReachRange) -> Option<String> {
    address_list(range).map(|list| list.join(", "))
}

/// The same, item by item.
pub(in crate::output) fn address_list(range: &ReachRange) -> Option<Vec<String>> {
    told_addresses(&range.addresses)
}

/// Networks and ranges in words, item by item, if they are few.
pub(in crate::output) fn told_addresses(addresses: &[String]) -> Option<Vec<String>> {
    let (v4, v6): (Vec<&str>, Vec<&str>) = addresses
        .iter()
        .map(String::as_str)
        .partition(|address| !address.contains(':'));
    let told4 = family(&v4, "0.0.0.0", "255.255.255.255", "IPv4");
    let told6 = family(&v6, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "IPv6");
    let (told4, told6) = (told4?, told6?);
    let whole = |told: &[String], of: &str| matches!(told, [one] if one == of);
    if whole(&told4, "world (IPv4)") && whole(&told6, "world (IPv6)") {
        return Some(vec!["world".into()]);
    }
    Some(told4.into_iter().chain(told6).collect())
}

/// More pieces than this are no answer in words.
const MOST_PIECES: usize = 3;

fn family(addresses: &[&str], lowest: &str, highest: &str, word: &str) -> Option<Vec<String>> {
    let whole = [format!("{lowest}/0"), format!("{lowest}-{highest}")];
    match addresses {
        [] => return Some(Vec::new()),
        [one] if whole.contains(&(*one).to_owned()) => {
            return Some(vec![format!("world ({word})")]);
        }
        _ => {}
    }
    let ends = |address: &str| -> Option<(std::net::IpAddr, std::net::IpAddr)> {
        if let Some((first, last)) = address.split_once('-') {
            return Some((first.parse().ok()?, last.parse().ok()?));
        }
        let net: ipnet::IpNet = address.parse().ok()?;
        Some((net.network(), net.broadcast()))
    };
    let ends: Vec<_> = addresses
        .iter()
        .filter_map(|address| ends(address))
        .collect();
    let reaches = |ip: &str, of: Option<std::net::IpAddr>| of == ip.parse().ok();
    let from_start = reaches(lowest, ends.first().map(|(first, _)| *first));
    let to_end = reaches(highest, ends.last().map(|(_, last)| *last));
    if from_start && to_end && addresses.len() <= MOST_PIECES + 1 {
        let gaps = ends.windows(2).filter_map(|pair| match pair {
            [(_, before), (behind, _)] => gap(*before, *behind),
            _ => None,
        });
        let mut told = vec![format!("world ({word}) except")];
        for gap in gaps {
            match told.as_mut_slice() {
                [only] => {
                    only.push(' ');
                    only.push_str(&gap);
                    told.push(String::new());
                }
                _ => told.push(gap),
            }
        }
        told.retain(|part| !part.is_empty());
        return Some(told);
    }
    let plain = |address: &&str| {
        let alone = address.strip_suffix("/32").or(address.strip_suffix("/128"));
        alone.unwrap_or(address).to_owned()
    };
    let plain: Vec<String> = addresses.iter().map(plain).collect();
    (plain.len() <= MOST_PIECES).then_some(plain)
}

/// What lies between two addresses.
fn gap(before: std::net::IpAddr, behind: std::net::IpAddr) -> Option<String> {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    let (first, last): (IpAddr, IpAddr) = match (before, behind) {
        (IpAddr::V4(before), IpAddr::V4(behind)) => (
            Ipv4Addr::from(u32::from(before).checked_add(1)?).into(),
            Ipv4Addr::from(u32::from(behind).checked_sub(1)?).into(),
        ),
        (IpAddr::V6(before), IpAddr::V6(behind)) => (
            Ipv6Addr::from(u128::from(before).checked_add(1)?).into(),
            Ipv6Addr::from(u128::from(behind).checked_sub(1)?).into(),
        ),
        _ => return None,
    };
    if first == last {
        return Some(first.to_string());
    }
    // One network where it is one.
    let net = (0..=128u8).find_map(|prefix| {
        let net = ipnet::IpNet::new(first, prefix).ok()?;
        (net.network() == first && net.broadcast() == last).then_some(net)
    });
    Some(match net {
        Some(net) => net.to_string(),
        None => format!("{first}-{last}"),
    })
}

/// Why something is uncertain, by id, in one line.
pub(in crate::output) fn why(id: &str) -> &'static str {
    match id {
        "M-1" => {
            "an address that the input does not tell decides it: give Pod objects with addresses"
        }
        "K-72" => "engines differ on host-network pods: name yours with --engine",
        "K-73" => "engines differ on what a pod sends to its own node: name yours with --engine",
        "A-12" => "policies of the same priority disagree: give them priorities of their own",
        "C-47" => "a rule asks for source ports, which differ from connection to connection",
        "M-4" => "a rule depends on the node of a pod, which the input does not tell",
        "K-76" => {
            "engines differ on a pod that reaches itself through a Service: name yours with --engine"
        }
        _ => "see docs/semantics.md",
    }
}
