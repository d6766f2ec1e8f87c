//! Statements about addresses that no pod and no node owns, and about DNS names.
//!
//! A name stands for addresses that nobody knows. So whoever is sent there by name is in most of the
//! internet, and in no block of it in particular.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::PortRange;
use super::check::Broken;
use super::ends::Table;
use super::exact::{self, Exact, is_of, joined};
use super::flows::{Rule, Task, TaskKind, shown, told};
use super::ports::{Flat, first_not_allowed, first_not_denied, of_spans};
use super::whom::Ends;
use crate::analysis::map::{Answer, OutsideRow, PROTOCOLS, Span};
use crate::analysis::parties::{Selection, What};
use crate::manifest::Direction;
use crate::sets::{Bound, Family, Protocol, Runs};
use crate::world::NameId;

/// An address that breaks a statement.
struct Found {
    ip: IpAddr,
    port: (Protocol, u16),
    span: Option<Span>,
}

/// Judges what a statement says of the outside.
pub(super) fn judge(table: &Table<'_, '_>, task: &mut Task) {
    match &task.kind {
        TaskKind::Flow {
            rule,
            sources,
            targets,
            from,
            to,
            spared,
        } => {
            let rule = *rule;
            let mut found = Vec::new();
            let mut pairs = 0;
            let sides = [
                (Direction::Egress, sources, to),
                (Direction::Ingress, targets, from),
            ];
            let spared = match rule {
                Rule::Only(Direction::Egress) => &spared.names,
                // Names that are asked about are asked about one by one.
                _ => &to.names,
            };
            let by_name = |unit| match rule {
                Rule::Only(Direction::Egress) => true,
                Rule::Deny | Rule::Only(Direction::Ingress) => is_most_of_internet(table, unit, to),
                Rule::Allow => false,
            };
            for (direction, units, addresses) in sides {
                if !addresses.has_addresses() {
                    continue;
                }
                for unit in units.list() {
                    pairs += 1;
                    let row = table.outside_of(direction, *unit);
                    let is_free = table.has_free_nodes(*unit, direction);
                    let address = match rule {
                        Rule::Allow
                            if is_free
                                && row.is_none()
                                && anywhere(table, *unit, addresses, &task.ranges).is_some() =>
                        {
                            None
                        }
                        Rule::Deny if is_free => anywhere(table, *unit, addresses, &task.ranges),
                        Rule::Allow => not_allowed(table, *unit, row, addresses, &task.ranges),
                        Rule::Deny | Rule::Only(_) => {
                            not_denied(table, row, addresses, &task.ranges)
                        }
                    };
                    if let Some(address) = address {
                        found.push(broken(table, rule, (direction, *unit), &address));
                    } else if direction == Direction::Egress && by_name(*unit) {
                        found.extend(name(table, (rule, *unit), row, spared, &task.ranges));
                    }
                }
            }
            task.pairs += pairs;
            for broken in found {
                task.breaks(|| broken);
            }
        }
        TaskKind::Exact(exact) if exact.outside.has_addresses() => {
            let units = exact.subject.list();
            let found: Vec<Broken> = units
                .iter()
                .filter_map(|unit| differs(table, exact, *unit, &task.ranges))
                .collect();
            task.pairs += units.len();
            for broken in found {
                task.breaks(|| broken);
            }
        }
        TaskKind::Exact(_) => {}
    }
}

/// An address of those in question from which, or to which, not everything in question is allowed.
fn not_allowed(
    table: &Table<'_, '_>,
    unit: u32,
    row: Option<&OutsideRow>,
    addresses: &Ends,
    ranges: &[PortRange],
) -> Option<Found> {
    let (mut v4, mut v6) = (addresses.v4.clone(), addresses.v6.clone());
    // Who has no IPv6 has the world where all of IPv4 is allowed.
    let [has_v4, has_v6] = [Family::V4, Family::V6].map(|family| table.has_family(unit, family));
    if !has_v6 && has_v4 && !v4.is_empty() {
        v6 = Runs::default();
    } else if !has_v4 && has_v6 && !v6.is_empty() {
        v4 = Runs::default();
    }
    let mut worst: Vec<(&Runs<u32>, &Runs<u128>, &[Span])> = Vec::new();
    for reached in row.into_iter().flat_map(|row| &row.reached) {
        if first_not_allowed(&reached.ports, ranges).is_none() {
            v4 = v4.difference(&reached.v4);
            v6 = v6.difference(&reached.v6);
        } else {
            worst.push((&reached.v4, &reached.v6, &reached.ports));
        }
    }
    let ip = pick(table, &v4, &v6)?;
    let holds = |(v4, v6, _): &&(&Runs<u32>, &Runs<u128>, &[Span])| match ip {
        IpAddr::V4(ip) => v4.contains(ip.into()),
        IpAddr::V6(ip) => v6.contains(ip.into()),
    };
    let spans = worst
        .iter()
        .find(holds)
        .map_or(&[][..], |(.., spans)| spans);
    let port = first_not_allowed(spans, ranges)?;
    Some(Found {
        ip,
        port,
        span: at(spans, port),
    })
}

/// Nothing holds back a node that is under no policy.
fn anywhere(
    table: &Table<'_, '_>,
    unit: u32,
    addresses: &Ends,
    ranges: &[PortRange],
) -> Option<Found> {
    let spans: Vec<Span> = PROTOCOLS
        .map(|protocol| Span {
            protocol,
            first: 1,
            last: u16::MAX,
            most: Answer::Allowed,
            least: Answer::Allowed,
        })
        .to_vec();
    let port = first_not_denied(&spans, ranges)?;
    let of = |family| table.has_family(unit, family);
    let v4 = Some(&addresses.v4).filter(|_| of(Family::V4));
    let v6 = Some(&addresses.v6).filter(|_| of(Family::V6));
    Some(Found {
        ip: pick(
            table,
            v4.unwrap_or(&Runs::default()),
            v6.unwrap_or(&Runs::default()),
        )?,
        port,
        span: at(&spans, port),
    })
}

fn at(spans: &[Span], (protocol, port): (Protocol, u16)) -> Option<Span> {
    let mut spans = spans.iter().copied();
    spans.find(|span| span.protocol == protocol && (span.first..=span.last).contains(&port))
}

/// An address of those in question on which something in question is not denied.
fn not_denied(
    table: &Table<'_, '_>,
    row: Option<&OutsideRow>,
    addresses: &Ends,
    ranges: &[PortRange],
) -> Option<Found> {
    let mut reached = row.into_iter().flat_map(|row| &row.reached);
    reached.find_map(|reached| {
        let port = first_not_denied(&reached.ports, ranges)?;
        let v4 = reached.v4.intersection(&addresses.v4);
        let v6 = reached.v6.intersection(&addresses.v6);
        Some(Found {
            ip: pick(table, &v4, &v6)?,
            port,
            span: at(&reached.ports, port),
        })
    })
}

/// Whether addresses are most of the public ones of a family that a unit has.
fn is_most_of_internet(table: &Table<'_, '_>, unit: u32, addresses: &Ends) -> bool {
    let Some((v4, v6)) = &table.internet else {
        return false;
    };
    let has = |family| table.has_family(unit, family);
    has(Family::V4) && is_most(&addresses.v4, v4) || has(Family::V6) && is_most(&addresses.v6, v6)
}

fn is_most<T: Bound + Into<u128>>(some: &Runs<T>, all: &Runs<T>) -> bool {
    let size = |runs: &Runs<T>| {
        let sizes = runs.iter().map(|(first, last)| last.into() - first.into());
        sizes.fold(0u128, |sum, size| {
            sum.saturating_add(size).saturating_add(1)
        })
    };
    size(&some.intersection(all)) > size(all) / 2
}

/// A name that is reached, though it may not be.
fn name(
    table: &Table<'_, '_>,
    (rule, unit): (Rule, u32),
    row: Option<&OutsideRow>,
    spared: &[NameId],
    ranges: &[PortRange],
) -> Option<Broken> {
    for (spans, names) in row.into_iter().flat_map(|row| &row.names) {
        let Some(port) = first_not_denied(spans, ranges) else {
            continue;
        };
        let is_spared = |name| spared.iter().any(|of| is_of(table.world, *of, name));
        let Some(name) = names.iter().find(|name| !is_spared(**name)) else {
            continue;
        };
        let from = table.selection(unit);
        let to = Selection {
            text: format!("fqdn:{}", table.world[*name].text),
            what: What::Name(*name),
        };
        return Some(Broken {
            message: told(rule, (&from, &to), port, at(spans, port).as_ref()),
            more: 0,
            shown: Some(shown(rule, from, to, port)),
        });
    }
    None
}

/// An address that nobody in the cluster owns; one that people know as an example where that is among
/// them.
fn pick(table: &Table<'_, '_>, v4: &Runs<u32>, v6: &Runs<u128>) -> Option<IpAddr> {
    let (own4, own6) = &table.owned;
    let examples = [
        Ipv4Addr::new(203, 0, 113, 9),
        Ipv4Addr::new(169, 254, 169, 254),
    ];
    let is_free = |ip: &Ipv4Addr| v4.contains((*ip).into()) && !own4.contains((*ip).into());
    if let Some(ip) = examples.into_iter().find(is_free) {
        return Some(IpAddr::V4(ip));
    }
    let usual = v4.iter().find_map(|(first, last)| {
        let first = match last - first {
            // Nobody is met at the first addresses of all.
            _ if first == 0 && last > 0x0100_0001 => 0x0100_0001,
            // The first address of a block is nobody's.
            2.. => first + 1,
            _ => first,
        };
        free(first, last, own4)
    });
    let any4 = || v4.iter().find_map(|(first, last)| free(first, last, own4));
    if let Some(ip) = usual.or_else(any4) {
        return Some(IpAddr::V4(ip.into()));
    }
    let example = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
    if v6.contains(example.into()) && !own6.contains(example.into()) {
        return Some(IpAddr::V6(example));
    }
    let any6 = v6.iter().find_map(|(first, last)| free(first, last, own6));
    any6.map(|ip| IpAddr::V6(ip.into()))
}

/// The first address of a range that is owned by nobody.
fn free<T: Bound>(first: T, last: T, owned: &Runs<T>) -> Option<T> {
    match owned.run_of(first) {
        None => Some(first),
        Some((_, end)) => end.next().filter(|next| *next <= last),
    }
}

fn address(ip: IpAddr) -> Selection {
    Selection {
        text: format!("ip:{ip}"),
        what: What::Addresses(vec![IpNet::from(ip)]),
    }
}

fn broken(
    table: &Table<'_, '_>,
    rule: Rule,
    (direction, unit): (Direction, u32),
    found: &Found,
) -> Broken {
    let (own, other) = (table.selection(unit), address(found.ip));
    let (from, to) = match direction {
        Direction::Egress => (own, other),
        Direction::Ingress => (other, own),
    };
    Broken {
        message: told(rule, (&from, &to), found.port, found.span.as_ref()),
        more: 0,
        shown: Some(shown(rule, from, to, found.port)),
    }
}

/// What a unit reaches outside, against what is expected.
fn differs(
    table: &Table<'_, '_>,
    exact: &Exact,
    unit: u32,
    ranges: &[PortRange],
) -> Option<Broken> {
    let row = table.outside_of(exact.direction, unit);
    let reached = || row.into_iter().flat_map(|row| &row.reached);
    let v4 = reached().map(|reached| {
        let set = reached.v4.intersection(&exact.outside.v4);
        (set, of_spans(&reached.ports, ranges))
    });
    let v4 = joined(v4.collect());
    let v6 = reached().map(|reached| {
        let set = reached.v6.intersection(&exact.outside.v6);
        (set, of_spans(&reached.ports, ranges))
    });
    let v6 = joined(v6.collect());
    let [has_v4, has_v6] = [Family::V4, Family::V6].map(|family| table.has_family(unit, family));
    let expected4 = of_family(&exact.v4, &exact.v6, !has_v4 && has_v6);
    let expected6 = of_family(&exact.v6, &exact.v4, !has_v6 && has_v4);
    let sides = ((&*expected4, &v4), (&*expected6, &v6));
    if let Some(broken) = other_addresses(table, exact, unit, sides) {
        return Some(broken);
    }
    let mut found = std::collections::BTreeMap::new();
    for (spans, names) in row.into_iter().flat_map(|row| &row.names) {
        let flat = of_spans(spans, ranges);
        if !flat.is_empty() {
            found.extend(names.iter().map(|name| (*name, flat.clone())));
        }
    }
    let none = Flat::new();
    let all = exact.names.keys().chain(found.keys());
    for name in all {
        let expected = exact.names.get(name).unwrap_or(&none);
        let actual = found.get(name).unwrap_or(&none);
        let by_pattern = expected.is_empty() && exact.covers_name(table, *name, actual);
        if expected != actual && !by_pattern {
            let to = Selection {
                text: format!("fqdn:{}", table.world[*name].text),
                what: What::Name(*name),
            };
            return Some(differing(
                exact.direction,
                table.selection(unit),
                to,
                expected,
                actual,
            ));
        }
    }
    None
}

/// A part of the addresses of a family with what is said of it.
type Parts<T> = Vec<(Runs<T>, Flat)>;

/// What is expected of a family. Who lacks one cannot do there what is expected of the other, too.
fn of_family<'p, T: Bound, U>(
    parts: &'p Parts<T>,
    other: &Parts<U>,
    lacks: bool,
) -> Cow<'p, Parts<T>> {
    if !lacks {
        return Cow::Borrowed(parts);
    }
    let is_own = |(_, flat): &&(Runs<T>, Flat)| !other.iter().any(|(_, of)| of == flat);
    Cow::Owned(parts.iter().filter(is_own).cloned().collect())
}

/// What is expected and what is found.
type Sides<'p, T> = (&'p Parts<T>, &'p Parts<T>);

fn other_addresses(
    table: &Table<'_, '_>,
    exact: &Exact,
    unit: u32,
    (v4, v6): (Sides<'_, u32>, Sides<'_, u128>),
) -> Option<Broken> {
    // What pods and nodes own is no matter of the outside.
    let of_v4 = |set: Runs<u32>| pick(table, &set, &Runs::default());
    let of_v6 = |set: Runs<u128>| pick(table, &Runs::default(), &set);
    let ip = other_sets(v4).find_map(of_v4);
    let ip = ip.or_else(|| other_sets(v6).find_map(of_v6))?;
    let (expected, actual) = match ip {
        IpAddr::V4(ip) => (said(v4.0, ip.into()), said(v4.1, ip.into())),
        IpAddr::V6(ip) => (said(v6.0, ip.into()), said(v6.1, ip.into())),
    };
    let own = table.selection(unit);
    Some(differing(
        exact.direction,
        own,
        address(ip),
        &expected,
        &actual,
    ))
}

fn said<T: Bound>(parts: &Parts<T>, number: T) -> Flat {
    let found = parts.iter().find(|(set, _)| set.contains(number));
    found.map_or(Flat::new(), |(_, flat)| flat.clone())
}

/// Addresses of which two lists say different things.
fn other_sets<T: Bound>((expected, found): Sides<'_, T>) -> impl Iterator<Item = Runs<T>> {
    let ways = [(found, expected), (expected, found)];
    let rest = ways.into_iter().flat_map(|(these, those)| {
        these.iter().map(|(set, flat)| {
            let same = those.iter().find(|(_, said)| said == flat);
            same.map_or_else(|| set.clone(), |(same, _)| set.difference(same))
        })
    });
    rest.filter(|rest| !rest.is_empty())
}

fn differing(
    direction: Direction,
    own: Selection,
    other: Selection,
    expected: &Flat,
    actual: &Flat,
) -> Broken {
    let ends = match direction {
        Direction::Egress => (own, other),
        Direction::Ingress => (other, own),
    };
    exact::differing(ends, "", expected, actual)
}
