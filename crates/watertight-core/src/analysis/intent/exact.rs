//! `exactly`: what is allowed is this and nothing else, port by port and pair by pair.

use std::collections::BTreeMap;

use super::PortRange;
use super::check::{Broken, Shown};
use super::ends::{Set, Table};
use super::flows::{Task, TaskKind};
use super::ports::{Flat, flat, of_spans};
use super::whom::Ends;
use crate::analysis::map::{Connection, SourceRow};
use crate::analysis::parties::{PortQuery, Selection, spell};
use crate::manifest::Direction;
use crate::sets::Bound;
use crate::sets::{DomainLabels, DomainPattern, Protocol, Runs};
use crate::world::{NameId, World};

/// A part of what is allowed.
pub(super) struct Item {
    pub(super) ends: Ends,
    pub(super) flat: Flat,
    pub(super) ipv6: bool,
}

/// What is said of a pair, and over IPv6 where that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    ports: Flat,
    ipv6: Option<Flat>,
}

/// The whole of what somebody reaches, or is reached by.
pub(super) struct Exact {
    pub(super) direction: Direction,
    pub(super) subject: Set,
    pub(super) among: Set,
    /// Those of the other ends that are addresses.
    pub(super) outside: Ends,
    /// What is expected, each once; the first one is nothing.
    said: Vec<Said>,
    /// By unit of the other end: a position in `said`; in the order of units, without those of which
    /// nothing is expected.
    expected: Vec<(u32, u32)>,
    /// What is expected of addresses.
    pub(super) v4: Vec<(Runs<u32>, Flat)>,
    pub(super) v6: Vec<(Runs<u128>, Flat)>,
    /// What is expected of names.
    pub(super) names: BTreeMap<NameId, Flat>,
}

impl Exact {
    /// The sources of the pairs that it is about.
    pub(super) fn sources(&self) -> &[u32] {
        match self.direction {
            Direction::Egress => self.subject.list(),
            Direction::Ingress => self.among.list(),
        }
    }

    /// What is expected of a unit: a position in `said`.
    fn of_unit(&self, unit: u32) -> u32 {
        let found = self.expected.binary_search_by_key(&unit, |(unit, _)| *unit);
        let found = found.ok().and_then(|at| self.expected.get(at));
        found.map_or(0, |(_, at)| *at)
    }

    /// Where it is that is said of a pair; nowhere if nobody expects it.
    fn position(&self, one: &Said) -> u32 {
        let at = self.said.iter().position(|said| said == one);
        at.and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX)
    }

    /// Whether a name that is not expected is one of a pattern that is, on the same ports.
    pub(super) fn covers_name(&self, table: &Table<'_, '_>, name: NameId, found: &Flat) -> bool {
        let mut names = self.names.iter();
        names.any(|(id, flat)| flat == found && is_of(table.world, *id, name))
    }
}

/// Whether a name is one of a pattern, or that name itself.
pub(super) fn is_of(world: &World, pattern: NameId, name: NameId) -> bool {
    let text = |id: NameId| &*world[id].text;
    pattern == name || DomainPattern::new(text(pattern), DomainLabels::Within).matches(text(name))
}

/// The statement on a map; none if its units do not tell the parties apart.
pub(super) fn task(
    table: &Table<'_, '_>,
    direction: Direction,
    (subject, among): (&Ends, &Ends),
    ranges: Vec<PortRange>,
    items: &[Item],
) -> Option<Task> {
    let subject = table.units(subject)?;
    let set = table.units(among)?;
    let clip = |flat: &Flat| clipped(flat, &ranges);
    let mut said = vec![Said::default()];
    let mut expected: Vec<(u32, u32)> = Vec::new();
    // Units by the items that they are in: few combinations, however many units.
    let mut of_unit: Vec<(u32, u32)> = Vec::new();
    for (number, item) in (0..).zip(items) {
        let units = table.units(&item.ends)?;
        of_unit.extend(units.list().iter().map(|unit| (*unit, number)));
    }
    of_unit.sort_unstable();
    let mut known: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
    for same in of_unit.chunk_by(|a, b| a.0 == b.0) {
        let Some((unit, _)) = same.first() else {
            continue;
        };
        let list: Vec<u32> = same.iter().map(|(_, number)| *number).collect();
        let at = match known.get(&list) {
            Some(known) => *known,
            None => {
                let chosen = || list.iter().filter_map(|at| items.get(*at as usize));
                let joined = |ipv6: bool| {
                    let of = chosen().filter(|item| item.ipv6 == ipv6);
                    flat(of.flat_map(|item| clip(&item.flat)).collect())
                };
                let ports = joined(false);
                let ipv6 = chosen().any(|item| item.ipv6).then(|| joined(true));
                let one = Said {
                    ipv6: ipv6.filter(|ipv6| *ipv6 != ports),
                    ports,
                };
                let at = intern(&mut said, one);
                known.insert(list, at);
                at
            }
        };
        expected.push((*unit, at));
    }
    let outside = |item: &&Item| !item.ipv6;
    let v4 = items.iter().filter(outside);
    let v4 = refine(v4.map(|item| (item.ends.v4.intersection(&among.v4), clip(&item.flat))));
    let v6 = items.iter().filter(outside);
    let v6 = refine(v6.map(|item| (item.ends.v6.intersection(&among.v6), clip(&item.flat))));
    let mut names = BTreeMap::new();
    for item in items {
        for name in &item.ends.names {
            let known: &mut Flat = names.entry(*name).or_default();
            let mut both = known.clone();
            both.extend(clip(&item.flat));
            *known = flat(both);
        }
    }
    Some(Task {
        statement: 0,
        ranges,
        kind: TaskKind::Exact(Exact {
            direction,
            subject,
            among: set,
            outside: Ends {
                v4: among.v4.clone(),
                v6: among.v6.clone(),
                ..Ends::default()
            },
            said,
            expected,
            v4,
            v6,
            names,
        }),
        pairs: 0,
        broken: None,
    })
}

fn intern(said: &mut Vec<Said>, one: Said) -> u32 {
    let at = match said.iter().position(|known| *known == one) {
        Some(at) => at,
        None => {
            said.push(one);
            said.len() - 1
        }
    };
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The part of ports that is in question.
fn clipped(flat: &Flat, ranges: &[PortRange]) -> Flat {
    let mut found = Vec::new();
    for (protocol, first, last, tag) in flat {
        for (other, low, high) in ranges {
            let (first, last) = ((*first).max(*low), (*last).min(*high));
            if protocol == other && first <= last {
                found.push((*protocol, first, last, *tag));
            }
        }
    }
    self::flat(found)
}

/// Addresses by all that is said of them together; in no two of the sets.
fn refine<T: Bound>(items: impl Iterator<Item = (Runs<T>, Flat)>) -> Vec<(Runs<T>, Flat)> {
    let mut parts: Vec<(Runs<T>, Flat)> = Vec::new();
    for (set, said) in items {
        let mut rest = set;
        let mut next = Vec::with_capacity(parts.len() + 1);
        for (known, flat) in parts {
            let common = known.intersection(&rest);
            if common.is_empty() {
                next.push((known, flat));
                continue;
            }
            rest = rest.difference(&common);
            let other = known.difference(&common);
            let mut both = flat.clone();
            both.extend(said.iter().copied());
            next.push((common, self::flat(both)));
            if !other.is_empty() {
                next.push((other, flat));
            }
        }
        if !rest.is_empty() {
            next.push((rest, said));
        }
        parts = next;
    }
    joined(parts)
}

/// Sets with the same ports become one, in the order of ports.
pub(super) fn joined<T: Bound>(parts: Vec<(Runs<T>, Flat)>) -> Vec<(Runs<T>, Flat)> {
    let mut by_flat: BTreeMap<Flat, Runs<T>> = BTreeMap::new();
    for (set, flat) in parts {
        if !set.is_empty() && !flat.is_empty() {
            let known = by_flat.entry(flat).or_default();
            *known = known.union(&set);
        }
    }
    by_flat.into_iter().map(|(flat, set)| (set, flat)).collect()
}

/// Judges the pairs of one source. Looked at are those of which something is expected or found.
pub(super) fn source<'c>(
    table: &Table<'_, '_>,
    task: &mut Task,
    row: &'c SourceRow,
    found: impl Fn(u32) -> Option<&'c Connection>,
) {
    let TaskKind::Exact(exact) = &task.kind else {
        return;
    };
    let source = row.source;
    let targets = match exact.direction {
        Direction::Egress => &exact.among,
        Direction::Ingress => &exact.subject,
    };
    let actual: Vec<(&Connection, u32)> = row
        .connections
        .iter()
        .map(|connection| {
            (
                connection,
                exact.position(&said_of(connection, &task.ranges)),
            )
        })
        .collect();
    let of_target = |target: u32| match exact.direction {
        Direction::Egress => exact.of_unit(target),
        Direction::Ingress => exact.of_unit(source),
    };
    let is_meant = |target: u32| {
        (targets.list().len() == table.len() || targets.has(target))
            && (source != target || table.has_pairs(source))
    };
    let mut wrong: Vec<u32> = Vec::new();
    for (connection, actual) in &actual {
        let differing = connection.targets.iter().copied();
        let differing = differing.filter(|target| of_target(*target) != *actual);
        wrong.extend(differing.filter(|target| is_meant(*target)));
    }
    let missing = |target: &u32| found(*target).is_none() && is_meant(*target);
    match exact.direction {
        Direction::Egress => {
            let expected = exact.expected.iter().filter(|(_, at)| *at != 0);
            wrong.extend(expected.map(|(unit, _)| *unit).filter(missing));
        }
        Direction::Ingress if exact.of_unit(source) != 0 => {
            wrong.extend(targets.list().iter().copied().filter(missing));
        }
        Direction::Ingress => {}
    }
    let more = wrong.len().saturating_sub(1);
    let first = wrong.into_iter().min();
    let told = first.map(|target| {
        let expected = exact.said.get(of_target(target) as usize);
        let actual = found(target).map(|found| said_of(found, &task.ranges));
        let (expected, actual) = (
            expected.cloned().unwrap_or_default(),
            actual.unwrap_or_default(),
        );
        broken(table, (source, target), &expected, &actual)
    });
    task.pairs += targets.list().len();
    if let Some(told) = told {
        task.breaks(|| told);
        if let Some(broken) = &mut task.broken {
            broken.more += more;
        }
    }
}

fn said_of(connection: &Connection, ranges: &[PortRange]) -> Said {
    let ports = of_spans(&connection.ports, ranges);
    let ipv6 = connection.ipv6.as_deref();
    let ipv6 = ipv6.map(|spans| of_spans(spans, ranges));
    Said {
        ipv6: ipv6.filter(|ipv6| *ipv6 != ports),
        ports,
    }
}

fn broken(
    table: &Table<'_, '_>,
    (source, target): (u32, u32),
    expected: &Said,
    actual: &Said,
) -> Broken {
    let (from, to) = (table.selection(source), table.selection(target));
    let (expected, actual, over) = if expected.ports == actual.ports {
        let six = |said: &Said| said.ipv6.clone().unwrap_or_else(|| said.ports.clone());
        (six(expected), six(actual), " over IPv6")
    } else {
        (expected.ports.clone(), actual.ports.clone(), "")
    };
    differing((from, to), over, &expected, &actual)
}

/// What is said of a pair where something else was expected.
pub(super) fn differing(
    (from, to): (Selection, Selection),
    over: &str,
    expected: &Flat,
    actual: &Flat,
) -> Broken {
    let flow = spell(&from.text, &to.text, &[]);
    let message = format!(
        "{flow}{over}: expected {}, found {}",
        words(expected),
        words(actual)
    );
    let port = difference(expected, actual);
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

/// A port that two sets say different things of, and whether it had to be allowed.
fn difference(expected: &Flat, actual: &Flat) -> Option<(Protocol, u16, bool)> {
    let bounds = |flat: &Flat| -> Vec<(Protocol, u16)> {
        let ends = flat.iter().flat_map(|(protocol, first, last, _)| {
            [
                Some((*protocol, *first)),
                last.checked_add(1).map(|next| (*protocol, next)),
            ]
        });
        ends.flatten().collect()
    };
    let mut all = bounds(actual);
    all.extend(bounds(expected));
    all.sort_unstable();
    let of = |flat: &Flat, (protocol, port): (Protocol, u16)| {
        let mut parts = flat.iter();
        let found =
            parts.find(|(of, first, last, _)| *of == protocol && (*first..=*last).contains(&port));
        found.map(|(.., tag)| *tag)
    };
    let differs = |at: &(Protocol, u16)| of(expected, *at) != of(actual, *at);
    let at = all.into_iter().find(differs)?;
    Some((at.0, at.1, of(expected, at).is_some()))
}

/// `nothing`, `all ports`, `80/tcp, 53/udp (uncertain)`
fn words(flat: &Flat) -> String {
    let whole = |(_, first, last, _): &(_, u16, u16, _)| (*first, *last) == (1, u16::MAX);
    let note = |tag: &super::Tag| {
        let notes = [
            (tag.uncertain, "uncertain"),
            (tag.some, "some pods"),
            (tag.conditional, "certain requests"),
        ];
        let notes: Vec<&str> = notes
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, word)| *word)
            .collect();
        if notes.is_empty() {
            String::new()
        } else {
            format!(" ({})", notes.join(", "))
        }
    };
    match flat.as_slice() {
        [] => "nothing".to_owned(),
        [a, b, c] if [a, b, c].iter().all(|part| whole(part)) && a.3 == b.3 && b.3 == c.3 => {
            format!("all ports{}", note(&a.3))
        }
        parts => {
            let shown = parts.iter().take(6).map(|(protocol, first, last, tag)| {
                let word = protocol.word();
                let tag = note(tag);
                match (first, last) {
                    (1, &u16::MAX) => format!("all {word}{tag}"),
                    (first, last) if first == last => format!("{first}/{word}{tag}"),
                    (first, last) => format!("{first}-{last}/{word}{tag}"),
                }
            });
            let mut shown: Vec<String> = shown.collect();
            if parts.len() > shown.len() {
                shown.push(format!("{} more", parts.len() - shown.len()));
            }
            shown.join(", ")
        }
    }
}
