//! Units that answers cannot tell apart, as long as only some others are asked about.
//!
//! A change that is felt by everybody is mostly felt by everybody alike: one unit of a kind is compared, and
//! what comes of it holds for all.
//!
//! INVARIANT: between a unit that is concerned and two units of one group, the maps of both worlds say the
//! same, port by port; and both have the same key.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Judged;
use super::joint::Joint;
use crate::analysis::map::{Families, Unit, Units, tells_why};
use crate::eval::Family;
use crate::eval::reach::{Reach, RowId, SetId, Side};
use crate::manifest::Direction;
use crate::sets::{Protocol, Runs};

/// Who is asked about, and what keeps units apart besides their answers, by unit.
pub(super) struct Asked<'a> {
    /// The units that are concerned, in order.
    pub concerned: &'a [u32],
    /// In which direction their own rows may differ.
    pub direction: Direction,
    /// By unit: those with other keys are kept apart.
    pub keys: &'a [u32],
}

/// Groups of units.
#[derive(Debug)]
pub(super) struct Alike {
    /// One unit of each group, in order.
    pub first: Vec<u32>,
    /// The others, by the first one.
    others: FxHashMap<u32, Vec<u32>>,
}

impl Alike {
    /// Groups units by how they meet those that are concerned.
    pub(super) fn find(
        joint: &Joint,
        judged: [&Judged<'_, '_>; 2],
        units: &[u32],
        asked: &Asked<'_>,
    ) -> Self {
        let both = |number: u32| {
            let of = joint.units.get(number as usize).copied();
            of.map_or([None, None], |of| joint.both(of))
        };
        // Nodes are met in their places, and so is who is on their networks (K-73).
        let irregular = |number: &u32| {
            let mut units = both(*number).into_iter().flatten();
            units.any(|unit| unit.irregular)
        };
        let is_free =
            |number: &u32| asked.concerned.binary_search(number).is_err() && !irregular(number);
        let free: Vec<u32> = units.iter().copied().filter(is_free).collect();
        let [old, new] = judged;
        let tells_why = tells_why(old.eval) && tells_why(new.eval);
        if free.is_empty() || !tells_why || asked.concerned.iter().any(irregular) {
            return Self {
                first: units.to_vec(),
                others: FxHashMap::default(),
            };
        }
        let before = |number: u32| {
            let [before, _] = both(number);
            before
        };
        let after = |number: u32| {
            let [_, after] = both(number);
            after
        };
        let (before, after) = crate::parallel::both(
            || keys((&joint.old, old.reach), &free, asked, before),
            || keys((&joint.new, new.reach), &free, asked, after),
        );
        let mut others: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        let mut known: FxHashMap<(u32, u32, u32), u32> = FxHashMap::default();
        let mut like_others: FxHashSet<u32> = FxHashSet::default();
        for (number, (before, after)) in free.iter().zip(before.into_iter().zip(after)) {
            let key = asked.keys.get(*number as usize).copied().unwrap_or(0);
            let first = *known.entry((before, after, key)).or_insert(*number);
            if first != *number {
                others.entry(first).or_default().push(*number);
                like_others.insert(*number);
            }
        }
        let first = units.iter().filter(|number| !like_others.contains(number));
        Self {
            first: first.copied().collect(),
            others,
        }
    }

    /// Whether no unit is like another one.
    pub(super) fn is_trivial(&self) -> bool {
        self.others.is_empty()
    }

    /// All units of the groups of some, in order.
    pub(super) fn all_of(&self, first: &[u32]) -> Vec<u32> {
        let mut all = first.to_vec();
        let others = first.iter().filter_map(|first| self.others.get(first));
        all.extend(others.flatten());
        all.sort_unstable();
        all
    }
}

/// By unit, a number for how it meets the concerned ones in one of the worlds.
fn keys<'j>(
    (units, reach): (&'j Units, &'j Reach),
    numbers: &[u32],
    asked: &Asked<'_>,
    own: impl Fn(u32) -> Option<&'j Unit>,
) -> Vec<u32> {
    let concerned = asked.concerned.iter().filter_map(|number| own(*number));
    let concerned: Vec<&Unit> = concerned.collect();
    let mut met = Met::new(units, reach, &concerned, asked.direction);
    numbers.iter().map(|number| met.key(own(*number))).collect()
}

/// How units of one world meet those that are concerned.
struct Met<'m> {
    units: &'m Units,
    direction: Direction,
    rows: Rows<'m>,
    /// By class: which of the sets hold it that the concerned ones have in their rows.
    held: Vec<u32>,
    known: FxHashMap<Vec<Part>, u32>,
}

/// The members of a unit that share a row: what the row says of the concerned ones, the families, and how
/// these hold the members.
type Part = (u32, Families, Vec<u32>);

impl<'m> Met<'m> {
    fn new(units: &'m Units, reach: &'m Reach, concerned: &[&Unit], direction: Direction) -> Self {
        let groups = || concerned.iter().flat_map(|unit| units.groups_of(unit));
        let mut classes: Vec<u32> = groups().map(|group| group.look.seen.class).collect();
        classes.sort_unstable();
        classes.dedup();
        let rows = groups().map(|group| match direction {
            Direction::Egress => group.look.seen.egress,
            Direction::Ingress => group.look.seen.ingress,
        });
        let rows: FxHashSet<RowId> = rows.collect();
        let other = match direction {
            Direction::Egress => Direction::Ingress,
            Direction::Ingress => Direction::Egress,
        };
        Self {
            units,
            direction,
            rows: Rows {
                side: reach.side(other),
                classes,
                of_set: FxHashMap::default(),
                sets: FxHashMap::default(),
                of_row: FxHashMap::default(),
                rows: FxHashMap::default(),
            },
            held: held(reach.side(direction), &rows, reach.classes()),
            known: FxHashMap::default(),
        }
    }

    /// A number for a unit; units with one number are met alike.
    fn key(&mut self, unit: Option<&Unit>) -> u32 {
        let Some(unit) = unit else {
            return u32::MAX;
        };
        let groups = self.units.groups_of(unit).iter();
        let mut members: Vec<_> = groups
            .map(|group| {
                let seen = &group.look.seen;
                let row = match self.direction {
                    Direction::Egress => seen.ingress,
                    Direction::Ingress => seen.egress,
                };
                let held = self.held.get(seen.class as usize).copied();
                (row, group.look.families, held.unwrap_or(u32::MAX))
            })
            .collect();
        members.sort_unstable();
        members.dedup();
        let parts = members.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
        let mut parts: Vec<Part> = parts
            .filter_map(|part| {
                let (row, families, _) = *part.first()?;
                let held = part.iter().map(|(.., held)| *held).collect();
                Some((self.rows.number(row), families, held))
            })
            .collect();
        parts.sort_unstable();
        parts.dedup();
        number(&mut self.known, parts)
    }
}

/// By class, a number for the sets of some rows that hold it.
fn held(side: &Side, rows: &FxHashSet<RowId>, classes: usize) -> Vec<u32> {
    let mut sets: Vec<SetId> = rows
        .iter()
        .filter(|row| **row != RowId::EVERYTHING)
        .flat_map(|row| side.row(*row).bands())
        .flat_map(|band| [band.allowed, band.maybe])
        .collect();
    sets.sort_unstable();
    sets.dedup();
    let mut plain: Vec<SetId> = sets
        .into_iter()
        .flat_map(|set| side.sets().members(set))
        .collect();
    plain.sort_unstable();
    plain.dedup();
    // Where a set begins or ends to hold classes.
    let mut bounds: Vec<(u32, usize)> = Vec::new();
    let mut bits = 0;
    for set in plain {
        let [v4, v6] = Family::BOTH.map(|family| side.sets().classes(set, family));
        let other = (v4 != v6).then_some(v6);
        for runs in [Some(v4), other].into_iter().flatten() {
            for (first, last) in runs.iter() {
                bounds.push((first, bits));
                bounds.extend(last.checked_add(1).map(|behind| (behind, bits)));
            }
            bits += 1;
        }
    }
    bounds.sort_unstable();
    let mut bounds = bounds.into_iter().peekable();
    let mut holding = vec![0_u64; bits.div_ceil(64)];
    let mut known: FxHashMap<Vec<u64>, u32> = FxHashMap::default();
    let mut last = number(&mut known, holding.clone());
    let classes = (0..).take(classes);
    let held = classes.map(|class| {
        let mut changes = false;
        while let Some((_, bit)) = bounds.next_if(|(at, _)| *at <= class) {
            toggle(&mut holding, bit);
            changes = true;
        }
        if changes {
            last = match known.get(&holding) {
                Some(known) => *known,
                None => number(&mut known, holding.clone()),
            };
        }
        last
    });
    held.collect()
}

fn toggle(bits: &mut [u64], bit: usize) {
    if let Some(word) = bits.get_mut(bit / 64) {
        *word ^= 1 << (bit % 64);
    }
}

/// The number of a value: each has one.
fn number<T: std::hash::Hash + Eq>(known: &mut FxHashMap<T, u32>, value: T) -> u32 {
    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
    *known.entry(value).or_insert(next)
}

/// What rows say of the concerned ones.
struct Rows<'r> {
    side: &'r Side,
    /// Those of the concerned ones, in order.
    classes: Vec<u32>,
    /// By plain set: which of the classes it holds, over each family.
    of_set: FxHashMap<SetId, Vec<u64>>,
    /// Unions of them, each once.
    sets: FxHashMap<Vec<u64>, u32>,
    of_row: FxHashMap<RowId, u32>,
    rows: FxHashMap<Vec<Band>, u32>,
}

/// A band of ports, with the sets that are allowed and may be.
type Band = (Protocol, u16, u16, u32, u32);

impl Rows<'_> {
    /// A number for a row; rows with one number say the same of the concerned ones.
    fn number(&mut self, row: RowId) -> u32 {
        if row == RowId::EVERYTHING {
            return u32::MAX;
        }
        if let Some(known) = self.of_row.get(&row) {
            return *known;
        }
        let nobody = self.set(SetId::NONE);
        let mut bands: Vec<Band> = Vec::new();
        for band in self.side.row(row).bands() {
            let sets = (self.set(band.allowed), self.set(band.maybe));
            if band.protocol == Protocol::Icmp || sets == (nobody, nobody) {
                // The map knows no ICMP.
                continue;
            }
            match bands.last_mut() {
                Some((protocol, _, last, allowed, maybe))
                    if *protocol == band.protocol
                        && last.checked_add(1) == Some(band.first)
                        && (*allowed, *maybe) == sets =>
                {
                    *last = band.last;
                }
                _ => bands.push((band.protocol, band.first, band.last, sets.0, sets.1)),
            }
        }
        let found = number(&mut self.rows, bands);
        self.of_row.insert(row, found);
        found
    }

    /// A number for a set, as far as it holds the concerned ones.
    fn set(&mut self, set: SetId) -> u32 {
        let words = self.classes.len().div_ceil(64);
        let mut union = vec![0; 2 * words];
        for plain in self.side.sets().members(set) {
            let (side, classes) = (self.side, &self.classes);
            let held = self.of_set.entry(plain).or_insert_with(|| {
                let mut bits = vec![0; 2 * words];
                for (family, bits) in Family::BOTH.into_iter().zip(bits.chunks_mut(words.max(1))) {
                    holds(&side.sets().classes(plain, family), classes, bits);
                }
                bits
            });
            for (word, held) in union.iter_mut().zip(&*held) {
                *word |= held;
            }
        }
        match self.sets.get(&union) {
            Some(known) => *known,
            None => number(&mut self.sets, union),
        }
    }
}

/// Sets a bit for each of some classes that are in a set.
fn holds(set: &Runs<u32>, classes: &[u32], bits: &mut [u64]) {
    let mut hold = |at: usize| {
        if let Some(word) = bits.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    };
    if set.iter().len() > classes.len() {
        let held = classes.iter().enumerate();
        let held = held.filter(|(_, class)| set.contains(**class));
        held.for_each(|(at, _)| hold(at));
        return;
    }
    for (first, last) in set.iter() {
        let start = classes.partition_point(|class| *class < first);
        let end = classes.partition_point(|class| *class <= last);
        (start..end).for_each(&mut hold);
    }
}
