//! Pairs of units with other answers than before, as rectangles: sources, destinations, one change.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::alike::Alike;
use super::change::{Ports, Shifted, Shifts};
use super::joint::Joint;
use crate::analysis::map::{Kept, ReachMap, SourceRow, Unit};
use crate::manifest::Direction;

/// Sources and destinations of which every pair changes alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairChange {
    /// Who connects, by number, in order.
    pub from: Vec<u32>,
    /// To whom.
    pub to: Vec<u32>,
    /// What changes.
    pub change: Shifted,
}

/// So many sources are worked on together: what is found and not yet sorted in stays small, and threads
/// seldom wait for each other.
const TOGETHER: usize = 2048;

/// So many sources are the work of one thread at a time.
const PIECE: usize = 64;

/// What sources reach in one of the maps.
type Rows<'r> = &'r mut dyn FnMut(u32) -> SourceRow;

/// The maps of both worlds between the same units.
pub(super) struct Maps<'m, 'w> {
    pub old: &'m ReachMap<'m, 'w>,
    pub new: &'m ReachMap<'m, 'w>,
}

/// From the units of a map to those of both worlds, and back.
struct Numbers {
    /// By unit of the map: its position among those that are compared.
    position: Vec<u32>,
    /// By position.
    own: Vec<Option<u32>>,
}

impl Numbers {
    fn new(of_name: &FxHashMap<&str, u32>, count: usize, units: &[Unit]) -> Self {
        let position: Vec<u32> = units
            .iter()
            .map(|unit| of_name.get(&*unit.name).copied().unwrap_or(u32::MAX))
            .collect();
        let mut own = vec![None; count];
        for (number, position) in (0..).zip(&position) {
            if let Some(entry) = own.get_mut(*position as usize) {
                *entry = Some(number);
            }
        }
        Self { position, own }
    }

    fn position(&self, own: u32) -> u32 {
        self.position.get(own as usize).copied().unwrap_or(u32::MAX)
    }
}

/// What groups pairs besides their change: units with different numbers are kept apart.
#[derive(Clone, Copy)]
pub(super) struct Keys<'k> {
    pub source: &'k [u32],
    pub target: &'k [u32],
}

fn key(of: &[u32], unit: u32) -> u32 {
    of.get(unit as usize).copied().unwrap_or(0)
}

/// Pairs with one change and one key at each end: sources, and targets.
type Rectangles = FxHashMap<(u32, u32, u32), FxHashMap<Arc<[u32]>, Vec<u32>>>;

/// Collects rectangles.
#[derive(Default)]
pub(super) struct Collected {
    shifts: Shifts,
    /// By change and keys, then by destinations: the sources.
    found: Rectangles,
}

impl Collected {
    /// Compares what is between those who are concerned in a direction and one of each group of the others, in both
    /// maps, for all of the groups.
    pub(super) fn compare(
        &mut self,
        joint: &Joint,
        maps: &Maps<'_, '_>,
        concerned: &[u32],
        (direction, alike): (Direction, &Alike),
        keys: Keys<'_>,
    ) {
        let (sources, targets) = match direction {
            Direction::Egress => (concerned, &*alike.first),
            Direction::Ingress => (&*alike.first, concerned),
        };
        let mut round = Rectangles::default();
        let of_name = |of: &[u32]| -> FxHashMap<&str, u32> {
            let names = of.iter().map(|number| joint.name(*number));
            names.zip(0..).collect()
        };
        let (source_names, target_names) = (of_name(sources), of_name(targets));
        let [old_sources, new_sources] = [maps.old, maps.new]
            .map(|map| Numbers::new(&source_names, sources.len(), map.sources().all()));
        let [old_targets, new_targets] = [maps.old, maps.new]
            .map(|map| Numbers::new(&target_names, targets.len(), map.targets().all()));
        let (before, after) = (Kept::default(), Kept::default());
        let reached: Mutex<Vec<Reached>> = Mutex::default();
        let positions: Vec<usize> = (0..sources.len()).collect();
        for positions in positions.chunks(TOGETHER) {
            let pieces: Vec<&[usize]> = positions.chunks(PIECE).collect();
            let found = crate::parallel::few(&pieces, |piece| {
                // As long as the destinations are many: made once a worker.
                let lock = || reached.lock().unwrap_or_else(PoisonError::into_inner);
                let mut own = lock().pop().unwrap_or_default();
                let mut of_piece = |old_row: Rows<'_>, new_row: Rows<'_>| {
                    let sources = piece.iter().map(|source| {
                        let own_number = |numbers: &Numbers| numbers.own.get(*source).copied();
                        let old = own_number(&old_sources).flatten().map(&mut *old_row);
                        let new = own_number(&new_sources).flatten().map(&mut *new_row);
                        of_source(
                            targets,
                            (old.as_ref(), &old_targets),
                            (new.as_ref(), &new_targets),
                            keys.target,
                            &mut own,
                        )
                    });
                    sources.collect::<Vec<_>>()
                };
                let found = maps.old.with_rows(&before, |old_row| {
                    maps.new
                        .with_rows(&after, |new_row| of_piece(old_row, new_row))
                });
                lock().push(own);
                found
            });
            let found = found.into_iter().flatten();
            let sources = positions.iter().filter_map(|at| sources.get(*at));
            for (source, found) in sources.zip(found) {
                for ((before, after, target_key), targets) in found {
                    let Some(change) = self.shifts.add(before, after) else {
                        continue;
                    };
                    let of = (change, key(keys.source, *source), target_key);
                    let of = round.entry(of).or_default();
                    of.entry(targets.into()).or_default().push(*source);
                }
            }
        }
        // Who is alike changes alike.
        #[expect(clippy::iter_over_hash_type, reason = "sorted in `finish`")]
        for (of, rectangles) in round {
            let found = self.found.entry(of).or_default();
            #[expect(clippy::iter_over_hash_type, reason = "sorted in `finish`")]
            for (targets, sources) in rectangles {
                let (sources, targets) = match direction {
                    Direction::Egress => (sources, alike.all_of(&targets).into()),
                    Direction::Ingress => (alike.all_of(&sources), targets),
                };
                found.entry(targets).or_default().extend(sources);
            }
        }
    }

    /// Every rectangle, in the order of the first source and destination.
    pub(super) fn finish(self) -> Vec<PairChange> {
        let mut found = Vec::new();
        #[expect(clippy::iter_over_hash_type, reason = "sorted below")]
        for ((change, ..), rectangles) in self.found {
            // Sources with the same destinations were put together; now destinations with the same
            // sources.
            let mut joined: FxHashMap<Vec<u32>, Vec<u32>> = FxHashMap::default();
            #[expect(clippy::iter_over_hash_type, reason = "sorted below")]
            for (targets, mut sources) in rectangles {
                sources.sort_unstable();
                sources.dedup();
                joined.entry(sources).or_default().extend(targets.iter());
            }
            let change = self.shifts.get(change);
            #[expect(clippy::iter_over_hash_type, reason = "sorted below")]
            for (from, mut to) in joined {
                to.sort_unstable();
                to.dedup();
                found.push(PairChange {
                    from,
                    to,
                    change: change.clone(),
                });
            }
        }
        found.sort_by(|a, b| (&a.from, &a.to, &a.change).cmp(&(&b.from, &b.to, &b.change)));
        found
    }
}

/// By destination: the connection in each world, counted from one.
type Reached = Vec<(u32, u32)>;

/// What is new about one source: the answers before and after, the key of the destinations, and those.
type OfSource = Vec<((Ports, Ports, u32), Vec<u32>)>;

fn of_source(
    targets: &[u32],
    (old, old_numbers): (Option<&SourceRow>, &Numbers),
    (new, new_numbers): (Option<&SourceRow>, &Numbers),
    target_keys: &[u32],
    reached: &mut Reached,
) -> OfSource {
    reached.clear();
    reached.resize(targets.len(), (0, 0));
    for (at, connection) in (1..).zip(old.into_iter().flat_map(|row| &row.connections)) {
        for target in &connection.targets {
            if let Some(entry) = reached.get_mut(old_numbers.position(*target) as usize) {
                entry.0 = at;
            }
        }
    }
    for (at, connection) in (1..).zip(new.into_iter().flat_map(|row| &row.connections)) {
        for target in &connection.targets {
            if let Some(entry) = reached.get_mut(new_numbers.position(*target) as usize) {
                entry.1 = at;
            }
        }
    }
    let ports = |row: Option<&SourceRow>| -> Vec<Ports> {
        let connections = row.into_iter().flat_map(|row| &row.connections);
        let found =
            connections.map(|connection| Ports::new(&connection.ports, connection.ipv6.as_ref()));
        std::iter::once(Ports::none()).chain(found).collect()
    };
    let (before, after) = (ports(old), ports(new));
    let mut differ: FxHashMap<(u32, u32), bool> = FxHashMap::default();
    let mut found: FxHashMap<(u32, u32, u32), Vec<u32>> = FxHashMap::default();
    // Neighbours mostly answer alike.
    let mut last = ((0, 0), false);
    for (target, pair) in targets.iter().zip(&*reached) {
        if last.0 != *pair {
            let differs = differ.entry(*pair).or_insert_with(|| {
                let (old, new) = (before.get(pair.0 as usize), after.get(pair.1 as usize));
                !matches!((old, new), (Some(old), Some(new)) if old.says_as(new))
            });
            last = (*pair, *differs);
        }
        if last.1 {
            let of = (pair.0, pair.1, key(target_keys, *target));
            found.entry(of).or_default().push(*target);
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_unstable();
    let found = found.into_iter().filter_map(|((old, new, key), targets)| {
        let (old, new) = (before.get(old as usize)?, after.get(new as usize)?);
        Some(((old.clone(), new.clone(), key), targets))
    });
    found.collect()
}
