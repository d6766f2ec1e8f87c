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

/// The bands of a row that have ports in common with one of another row; both are in order.
fn overlapping<'b>(row: &'b [Band], band: &Band) -> impl Iterator<Item = &'b Band> + use<'b> {
    let Band {
        protocol,
        first,
        last,
        ..
    } = *band;
    let from = row.partition_point(|other| (other.protocol, other.last) < (protocol, first));
    let behind = row.get(from..).unwrap_or_default().iter();
    behind.take_while(move |other| other.protocol == protocol && other.first <= last)
}

/// How many ports two bands of one protocol have in common.
fn ports_in_both(a: &Band, b: &Band) -> u32 {
    let (first, last) = (a.first.max(b.first), a.last.min(b.last));
    (u32::from(last) + 1).saturating_sub(u32::from(first))
}

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
        let mut pairs: FxHashSet<(Sets, Sets)> = FxHashSet::default();
        for band in &old {
            let mut covered = 0;
            for other in overlapping(&new, band) {
                covered += ports_in_both(band, other);
                pairs.insert((sets(band), sets(other)));
            }
            if covered < ports_in_both(band, band) {
                pairs.insert((sets(band), NOBODY));
            }
        }
        for band in &new {
            let covered = overlapping(&old, band).map(|other| ports_in_both(band, other));
            if covered.sum::<u32>() < ports_in_both(band, band) {
                pairs.insert((NOBODY, sets(band)));
            }
        }
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_unstable();
        let differ = pairs.into_iter().flat_map(|((a, maybe_a), (b, maybe_b))| {
            [(a, b), (maybe_a, maybe_b)].map(|(a, b)| self.of_sets(a, b).clone())
        });
        Runs::union_of(&differ.collect::<Vec<_>>())
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
