//! Statements about addresses that no pod and no node owns.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::PortRange;
use super::check::{Broken, Shown};
use super::ends::Table;
use super::exact::{self, Exact, joined};
use super::flows::{Rule, Task, TaskKind, shown, told};
use super::ports::{Flat, first_not_allowed, first_not_denied, of_spans};
use super::whom::Ends;
use crate::analysis::map::{OutsideRow, Span};
use crate::analysis::parties::{PortQuery, Selection, What};
use crate::eval::Party;
use crate::manifest::Direction;
use crate::sets::{Protocol, Runs};
use crate::world::World;

/// So many addresses are looked at for one that nobody owns.
const MOST_LOOKED_AT: usize = 4096;

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
            for (direction, units, addresses) in sides {
                if !addresses.has_addresses() {
                    continue;
                }
                for unit in units.list() {
                    pairs += 1;
                    let row = table.outside_of(direction, *unit);
                    let address = match rule {
                        Rule::Allow => not_allowed(table.world, row, addresses, &task.ranges),
                        Rule::Deny | Rule::Only(_) => {
                            not_denied(table.world, row, addresses, &task.ranges)
                        }
                    };
                    if let Some(address) = address {
                        found.push(broken(table, rule, (direction, *unit), &address));
                    } else if rule == Rule::Only(Direction::Egress)
                        && direction == Direction::Egress
                        && let Some(broken) =
                            name(table, *unit, row, (addresses, spared), &task.ranges)
                    {
                        found.push(broken);
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
    world: &World,
    row: Option<&OutsideRow>,
    addresses: &Ends,
    ranges: &[PortRange],
) -> Option<Found> {
    let (mut v4, mut v6) = (addresses.v4.clone(), addresses.v6.clone());
    let mut worst: Vec<(&Runs<u32>, &Runs<u128>, &[Span])> = Vec::new();
    for reached in row.into_iter().flat_map(|row| &row.reached) {
        if first_not_allowed(&reached.ports, ranges).is_none() {
            v4 = v4.difference(&reached.v4);
            v6 = v6.difference(&reached.v6);
        } else {
            worst.push((&reached.v4, &reached.v6, &reached.ports));
        }
    }
    let ip = pick(world, &v4, &v6)?;
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

fn at(spans: &[Span], (protocol, port): (Protocol, u16)) -> Option<Span> {
    let mut spans = spans.iter().copied();
    spans.find(|span| span.protocol == protocol && (span.first..=span.last).contains(&port))
}

/// An address of those in question on which something in question is not denied.
fn not_denied(
    world: &World,
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
            ip: pick(world, &v4, &v6)?,
            port,
            span: at(&reached.ports, port),
        })
    })
}

/// A name that is reached, though neither it nor all addresses may be.
fn name(
    table: &Table<'_, '_>,
    unit: u32,
    row: Option<&OutsideRow>,
    (addresses, spared): (&Ends, &Ends),
    ranges: &[PortRange],
) -> Option<Broken> {
    if addresses.v4.is_empty() && addresses.v6.is_empty() {
        return None;
    }
    for (spans, names) in row.into_iter().flat_map(|row| &row.names) {
        let Some(port) = first_not_denied(spans, ranges) else {
            continue;
        };
        let Some(name) = names.iter().find(|name| !spared.names.contains(name)) else {
            continue;
        };
        let rule = Rule::Only(Direction::Egress);
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
fn pick(world: &World, v4: &Runs<u32>, v6: &Runs<u128>) -> Option<IpAddr> {
    let is_free = |ip: &IpAddr| Party::Address(*ip).resolve(world) == Party::Address(*ip);
    let examples = [
        Ipv4Addr::new(203, 0, 113, 9),
        Ipv4Addr::new(169, 254, 169, 254),
    ];
    let example = examples.into_iter().find(|ip| v4.contains((*ip).into()));
    if let Some(ip) = example.map(IpAddr::V4).filter(is_free) {
        return Some(ip);
    }
    // Nobody is met at the first addresses of all.
    let narrow = v4.iter().flat_map(|(first, last)| {
        let first = match last - first {
            _ if first == 0 && last > 0x0100_0001 => 0x0100_0001,
            // The first address of a block is nobody's.
            2.. => first + 1,
            _ => first,
        };
        (first..=last).map(|ip| IpAddr::V4(ip.into()))
    });
    if let Some(ip) = narrow.take(MOST_LOOKED_AT).find(is_free) {
        return Some(ip);
    }
    let example = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
    if v6.contains(example.into()) && is_free(&IpAddr::V6(example)) {
        return Some(IpAddr::V6(example));
    }
    let wide = v6.iter().flat_map(|(first, last)| first..=last);
    let wide = wide.map(|ip| IpAddr::V6(ip.into()));
    wide.take(MOST_LOOKED_AT).find(is_free)
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
    if v4 != exact.v4 || v6 != exact.v6 {
        return Some(other_addresses(table, exact, unit, (&v4, &v6)));
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

fn other_addresses(
    table: &Table<'_, '_>,
    exact: &Exact,
    unit: u32,
    (v4, v6): (&Parts<u32>, &Parts<u128>),
) -> Broken {
    let none4 = Runs::default();
    let none6 = Runs::default();
    let ip = first_differing(v4, &exact.v4)
        .and_then(|set| pick(table.world, &set, &none6))
        .or_else(|| first_differing(v6, &exact.v6).and_then(|set| pick(table.world, &none4, &set)));
    let own = table.selection(unit);
    let Some(ip) = ip else {
        return Broken {
            message: format!("{}: other addresses than expected", own.text),
            more: 0,
            shown: None,
        };
    };
    let (expected, actual) = match ip {
        IpAddr::V4(ip) => (said(&exact.v4, ip.into()), said(v4, ip.into())),
        IpAddr::V6(ip) => (said(&exact.v6, ip.into()), said(v6, ip.into())),
    };
    differing(exact.direction, own, address(ip), &expected, &actual)
}

fn said<T: crate::sets::Bound>(parts: &Parts<T>, number: T) -> Flat {
    let found = parts.iter().find(|(set, _)| set.contains(number));
    found.map_or(Flat::new(), |(_, flat)| flat.clone())
}

/// Addresses of which two lists say different things.
fn first_differing<T: crate::sets::Bound>(one: &Parts<T>, other: &Parts<T>) -> Option<Runs<T>> {
    for (these, those) in [(one, other), (other, one)] {
        for (set, flat) in these {
            let same = those.iter().find(|(_, said)| said == flat);
            let rest = match same {
                Some((same, _)) => set.difference(same),
                None => set.clone(),
            };
            if !rest.is_empty() {
                return Some(rest);
            }
        }
    }
    None
}

fn differing(
    direction: Direction,
    own: Selection,
    other: Selection,
    expected: &Flat,
    actual: &Flat,
) -> Broken {
    let (from, to) = match direction {
        Direction::Egress => (own, other),
        Direction::Ingress => (other, own),
    };
    let flow = crate::analysis::parties::spell(&from.text, &to.text, &[]);
    let message = format!(
        "{flow}: expected {}, found {}",
        exact::words(expected),
        exact::words(actual)
    );
    let port = exact::difference(expected, actual);
    Broken {
        message,
        more: 0,
        shown: port.map(|(protocol, port, lost)| Shown {
            from,
            to,
            ports: vec![PortQuery::Range {
                protocol,
                first: port,
                last: port,
            }],
            had_to_be_allowed: lost,
        }),
    }
}
