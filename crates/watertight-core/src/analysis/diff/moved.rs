//! Which classes the rows of a unit treat otherwise in one world than in the other, where both worlds have
//! the same classes.
//!
//! INVARIANT: a class that is left out is allowed, and may be allowed, on the same ports in both rows.

use rustc_hash::{FxHashMap, FxHashSet};

use super::candidates::Classes;
use super::joint::Joint;
use crate::analysis::map::{Group, Unit, Units};
use crate::eval::Family;
use crate::eval::reach::{Band, RowId, SetId, Side};
use crate::sets::{Protocol, Runs};

/// Classes that rows of one direction treat otherwise.
pub(super) struct Moved<'r> {
    sides: [&'r Side; 2],
    sets: FxHashMap<(SetId, SetId), Runs<u32>>,
    rows: FxHashSet<(RowId, RowId)>,
    found: Vec<Runs<u32>>,
}

/// Who is allowed on a port, and who may be.
type Sets = (SetId, SetId);

const NOBODY: Sets = (SetId::NONE, SetId::NONE);

impl<'r> Moved<'r> {
    pub(super) fn new(sides: [&'r Side; 2]) -> Self {
        Self {
            sides,
            sets: FxHashMap::default(),
            rows: FxHashSet::default(),
            found: Vec::new(),
        }
    }

    /// Adds the classes that two rows differ in.
    pub(super) fn add(&mut self, old: RowId, new: RowId) {
        if self.rows.insert((old, new)) {
            let classes = self.between(old, new);
            self.found.push(classes);
        }
    }

    /// All that were added.
    pub(super) fn finish(self) -> Runs<u32> {
        Runs::union_of(&self.found)
    }

    fn between(&mut self, old: RowId, new: RowId) -> Runs<u32> {
        match [old, new].map(|row| row == RowId::EVERYTHING) {
            [true, true] => return Runs::default(),
            [false, false] => {}
            // A pod that is isolated in one world only.
            _ => return Runs::all(),
        }
        let [before, after] = self.sides;
        let bands = |side: &'r Side, row: RowId| -> Vec<Band> {
            let bands = side.row(row).bands().iter().copied();
            // The map knows no ICMP.
            bands
                .filter(|band| band.protocol != Protocol::Icmp)
                .collect()
        };
        let (old, new) = (bands(before, old), bands(after, new));
        let sets = |band: &Band| (band.allowed, band.maybe);
        let mut pairs: Vec<(Sets, Sets)> = Vec::new();
        for band in &old {
            let mut covered = 0;
            for other in new.iter().filter(|other| other.protocol == band.protocol) {
                let (first, last) = (band.first.max(other.first), band.last.min(other.last));
                if first <= last {
                    covered += u32::from(last - first) + 1;
                    pairs.push((sets(band), sets(other)));
                }
            }
            if covered <= u32::from(band.last - band.first) {
                pairs.push((sets(band), NOBODY));
            }
        }
        for band in &new {
            let of_protocol = old.iter().filter(|other| other.protocol == band.protocol);
            let covered = of_protocol.map(|other| {
                let (first, last) = (band.first.max(other.first), band.last.min(other.last));
                (u32::from(last) + 1).saturating_sub(u32::from(first))
            });
            if covered.sum::<u32>() <= u32::from(band.last - band.first) {
                pairs.push((NOBODY, sets(band)));
            }
        }
        let mut found = Runs::default();
        for ((allowed, maybe), (other, other_maybe)) in pairs {
            for (a, b) in [(allowed, other), (maybe, other_maybe)] {
                let differ = self.of_sets(a, b);
                if !differ.is_empty() {
                    found = found.union(differ);
                }
            }
        }
        found
    }

    /// The classes that are in one of two sets only.
    fn of_sets(&mut self, old: SetId, new: SetId) -> &Runs<u32> {
        let [before, after] = self.sides.map(Side::sets);
        self.sets.entry((old, new)).or_insert_with(|| {
            // Nobody and everybody have the same ids everywhere.
            if old == new && (old == SetId::NONE || old == SetId::ALL) {
                return Runs::default();
            }
            let mut found = Runs::default();
            for family in [Family::V4, Family::V6] {
                let (a, b) = (before.classes(old, family), after.classes(new, family));
                if a != b {
                    found = found.union(&a.difference(&b)).union(&b.difference(&a));
                }
            }
            found
        })
    }
}

/// Whether somebody may meet a unit otherwise: one of its classes is among those of a reading, or rows
/// alone do not describe it.
pub(super) fn concerned(joint: &Joint, number: u32, moved: &Classes) -> bool {
    let is_met = |units: &Units, unit: &Unit| {
        let is_among = |group: &Group| {
            let mut moved = moved.iter();
            moved.any(|(reading, classes)| classes.contains(reading.seen(&group.look).class))
        };
        unit.irregular || units.groups_of(unit).iter().any(is_among)
    };
    let of = joint.units.get(number as usize).copied();
    let [old, new] = of.map_or([None, None], |of| joint.both(of));
    old.is_some_and(|unit| is_met(&joint.old, unit))
        || new.is_some_and(|unit| is_met(&joint.new, unit))
}
