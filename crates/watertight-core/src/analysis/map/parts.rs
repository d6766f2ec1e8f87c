//! The members of a unit that share a row: what rows say about two parts is a product of what each
//! says about the other, so that pairs need no look one by one.

use super::units::{Families, Group, Standing, Unit, Units};
use crate::eval::reach::RowId;
use crate::sets::Runs;

/// Members with one row and the same address families.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub row: RowId,
    pub families: Families,
    pub classes: Runs<u32>,
}

/// The parts of all units in one direction; nodes and host-network pods are in none.
#[derive(Debug)]
pub(super) struct Parts {
    /// By unit.
    ranges: Vec<std::ops::Range<usize>>,
    parts: Vec<Part>,
}

impl Parts {
    pub(super) fn new(units: &Units, row: impl Fn(&Group) -> RowId) -> Self {
        let mut found = Self {
            ranges: Vec::with_capacity(units.all().len()),
            parts: Vec::new(),
        };
        let mut members: Vec<(RowId, Families, u32)> = Vec::new();
        for unit in units.all() {
            members.clear();
            let regular = units
                .groups_of(unit)
                .iter()
                .filter(|group| group.look.standing == Standing::Pod);
            members.extend(
                regular.map(|group| (row(group), group.look.families, group.look.seen.class)),
            );
            members.sort_unstable();
            let first = found.parts.len();
            for part in members.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
                let Some((row, families, _)) = part.first() else {
                    continue;
                };
                found.parts.push(Part {
                    row: *row,
                    families: *families,
                    classes: Runs::from_numbers(part.iter().map(|(.., class)| *class)),
                });
            }
            found.ranges.push(first..found.parts.len());
        }
        found
    }

    pub(super) fn of(&self, unit: usize) -> &[Part] {
        let range = self.ranges.get(unit).cloned();
        range
            .and_then(|range| self.parts.get(range))
            .unwrap_or_default()
    }

    /// The rows in use.
    pub(super) fn rows(&self) -> impl Iterator<Item = RowId> + '_ {
        self.parts.iter().map(|part| part.row)
    }

    /// Classes with the units that have them.
    pub(super) fn classes(&self, units: &[Unit]) -> Vec<(u32, u32)> {
        let mut pairs = Vec::new();
        for (number, (range, unit)) in (0..).zip(self.ranges.iter().zip(units)) {
            if unit.irregular {
                continue;
            }
            for part in self.parts.get(range.clone()).unwrap_or_default() {
                let runs = part.classes.iter();
                let classes = runs.flat_map(|(first, last)| first..=last);
                pairs.extend(classes.map(|class| (class, number)));
            }
        }
        pairs
    }
}
