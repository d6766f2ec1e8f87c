//! The outside: addresses and names that units reach, or are reached from, otherwise than before.

use rustc_hash::FxHashMap;

use super::change::{Ports, Shifted, Shifts};
use super::joint::Joint;
use crate::analysis::map::{self, OutsideRow, Reached, Span, Units, beyond};
use crate::manifest::Direction;
use crate::sets::{Bound, Runs};
use crate::world::World;

/// Addresses and names with one change, for some units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideChange {
    /// Egress: the units send; ingress: they are met.
    pub direction: Direction,
    /// The units, by number, in order.
    pub units: Vec<u32>,
    /// The IPv4 addresses.
    pub v4: Runs<u32>,
    /// The IPv6 addresses.
    pub v6: Runs<u128>,
    /// DNS names.
    pub names: Vec<Box<str>>,
    /// What changes.
    pub change: Shifted,
}

/// The rows of one direction in one world.
pub(super) struct Side<'s> {
    pub units: &'s Units,
    pub rows: &'s [OutsideRow],
    pub world: &'s World,
}

/// Addresses of pods and nodes.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// Those that have an owner in one world only: they are outside in the other one, which is no
    /// change of what is allowed.
    moved: (Runs<u32>, Runs<u128>),
    /// All of them: a range of nothing else is not outside.
    all: (Runs<u32>, Runs<u128>),
}

impl Owned {
    pub(super) fn of([(a4, a6), (b4, b6)]: [&map::Owned; 2]) -> Self {
        Self {
            moved: (
                a4.difference(b4).union(&b4.difference(a4)),
                a6.difference(b6).union(&b6.difference(a6)),
            ),
            all: (a4.union(b4), a6.union(b6)),
        }
    }
}

/// What of the outside changes alike: the addresses, the names, the change.
type Part = (Runs<u32>, Runs<u128>, Vec<Box<str>>, Shifted);

/// The rows of a unit in both worlds, and the key that keeps it apart.
type Rows = (Option<usize>, Option<usize>, u32);

/// Compares one direction; `keys` keeps units apart.
pub(super) fn compare(
    joint: &Joint,
    direction: Direction,
    [old, new]: [&Side<'_>; 2],
    units: &[u32],
    keys: &[u32],
    owned: &Owned,
) -> Vec<OutsideChange> {
    let (before, after) = (of_units(direction, old), of_units(direction, new));
    let mut shifts = Shifts::default();
    let mut known: FxHashMap<(Option<usize>, Option<usize>), Vec<Part>> = FxHashMap::default();
    // By rows and key: the units.
    let mut groups: Vec<(Rows, Vec<u32>)> = Vec::new();
    let mut positions: FxHashMap<Rows, usize> = FxHashMap::default();
    for unit in units {
        let name = joint.name(*unit);
        let rows = (before.get(name).copied(), after.get(name).copied());
        let of = (
            rows.0,
            rows.1,
            keys.get(*unit as usize).copied().unwrap_or(0),
        );
        let at = *positions.entry(of).or_insert_with(|| {
            groups.push((of, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, members)) = groups.get_mut(at) {
            members.push(*unit);
        }
    }
    let mut found = Vec::new();
    for ((a, b, _), units) in groups {
        let parts = known.entry((a, b)).or_insert_with(|| {
            let row = |side: &'_ Side<'_>, at: Option<usize>| side.rows.get(at?).cloned();
            let rows = [(row(old, a), old.world), (row(new, b), new.world)];
            parts(&mut shifts, rows, owned)
        });
        for (v4, v6, names, change) in &*parts {
            found.push(OutsideChange {
                direction,
                units: units.clone(),
                v4: v4.clone(),
                v6: v6.clone(),
                names: names.clone(),
                change: change.clone(),
            });
        }
    }
    found
}

/// By name of a unit: its row.
fn of_units<'s>(direction: Direction, side: &'s Side<'_>) -> FxHashMap<&'s str, usize> {
    let mut found = FxHashMap::default();
    for (at, row) in side.rows.iter().enumerate() {
        if row.direction != direction {
            continue;
        }
        let units = row.units.iter();
        let units = units.filter_map(|unit| side.units.all().get(*unit as usize));
        found.extend(units.map(|unit| (unit.name.as_str(), at)));
    }
    found
}

type Addresses<'a, A> = Vec<(&'a std::sync::Arc<[Span]>, &'a Runs<A>)>;

fn parts(shifts: &mut Shifts, rows: [(Option<OutsideRow>, &World); 2], owned: &Owned) -> Vec<Part> {
    let mut v4: FxHashMap<u32, Runs<u32>> = FxHashMap::default();
    let mut v6: FxHashMap<u32, Runs<u128>> = FxHashMap::default();
    let [(old, old_world), (new, new_world)] = &rows;
    fn reached(row: &Option<OutsideRow>) -> &[Reached] {
        row.as_ref().map_or(&[], |row| &row.reached)
    }
    let narrow = |row| -> Addresses<'_, u32> {
        let reached = reached(row).iter();
        reached
            .map(|reached| (&reached.ports, &reached.v4))
            .collect()
    };
    let wide = |row| -> Addresses<'_, u128> {
        let reached = reached(row).iter();
        reached
            .map(|reached| (&reached.ports, &reached.v6))
            .collect()
    };
    overlay(
        &narrow(old),
        &narrow(new),
        shifts,
        (&owned.moved.0, &owned.all.0),
        &mut v4,
    );
    overlay(
        &wide(old),
        &wide(new),
        shifts,
        (&owned.moved.1, &owned.all.1),
        &mut v6,
    );
    let mut named: FxHashMap<u32, Vec<Box<str>>> = FxHashMap::default();
    let names = |row: &Option<OutsideRow>, world: &World| {
        let row = row.iter().flat_map(|row| &row.names);
        let names = row.flat_map(|(ports, names)| {
            let names = names.iter();
            names.map(|name| (world[*name].text.clone(), Ports::new(ports, None)))
        });
        names.collect::<std::collections::BTreeMap<_, _>>()
    };
    let (before, after) = (names(old, old_world), names(new, new_world));
    let mut all: Vec<&Box<str>> = before.keys().chain(after.keys()).collect();
    all.sort_unstable();
    all.dedup();
    for name in all {
        let of = |names: &std::collections::BTreeMap<Box<str>, Ports>| {
            names.get(name).cloned().unwrap_or_else(Ports::none)
        };
        if let Some(change) = shifts.add(of(&before), of(&after)) {
            named.entry(change).or_default().push(name.clone());
        }
    }
    let mut changes: Vec<u32> = v4
        .keys()
        .chain(v6.keys())
        .chain(named.keys())
        .copied()
        .collect();
    changes.sort_unstable();
    changes.dedup();
    let parts = changes.into_iter().map(|change| {
        (
            v4.remove(&change).unwrap_or_default(),
            v6.remove(&change).unwrap_or_default(),
            named.remove(&change).unwrap_or_default(),
            shifts.get(change).clone(),
        )
    });
    parts.collect()
}

/// Addresses by change.
fn overlay<A: Bound>(
    old: &Addresses<'_, A>,
    new: &Addresses<'_, A>,
    shifts: &mut Shifts,
    (moved, owned): (&Runs<A>, &Runs<A>),
    found: &mut FxHashMap<u32, Runs<A>>,
) {
    let all = |of: &Addresses<'_, A>| Runs::union_of(of.iter().map(|(_, runs)| *runs));
    let nothing = std::sync::Arc::from([]);
    let rest =
        |of: &Addresses<'_, A>, without: &Addresses<'_, A>| all(of).difference(&all(without));
    let (gone, come) = (rest(old, new), rest(new, old));
    let mut before = old.clone();
    before.push((&nothing, &come));
    let mut after = new.clone();
    after.push((&nothing, &gone));
    for (was, a) in &before {
        for (is, b) in &after {
            let both = beyond(&a.intersection(b).difference(moved), owned);
            if both.is_empty() {
                continue;
            }
            if let Some(change) = shifts.add(Ports::new(was, None), Ports::new(is, None)) {
                let of = found.entry(change).or_default();
                *of = of.union(&both);
            }
        }
    }
}
