//! The units of two worlds, matched by name, and the classes of both refined into columns.
//!
//! A column is a pair of classes, one of each world, that some endpoint, node or name has. Sets of either
//! world, seen as sets of columns, can be compared: that is the common refinement of both.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Judged;
use crate::analysis::felt::Felt;
use crate::analysis::map::{By, Unit, Units, Views};
use crate::eval::Party;
use crate::sets::Runs;
use crate::world::World;

/// A unit of either world, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// Its number among those of the old world.
    pub old: Option<u32>,
    /// Its number among those of the new world.
    pub new: Option<u32>,
}

/// All units.
#[derive(Debug)]
pub(super) struct Joint {
    pub old: Arc<Units>,
    pub new: Arc<Units>,
    /// In order of namespace and name; nodes behind all others.
    pub units: Vec<Match>,
    /// Whether nodes have names of their own.
    pub apart: bool,
    /// What pods are grouped by.
    pub by: By,
}

impl Joint {
    pub(super) fn new(
        judged: [&Judged<'_, '_>; 2],
        views: [Views<'_>; 2],
        by: By,
        felt: Option<&Felt>,
    ) -> Self {
        let units = |apart: bool| {
            let of = |judged: &Judged<'_, '_>, views: Views<'_>| {
                let world = judged.eval.world;
                let nodes: Vec<_> = world.node_ids().collect();
                let endpoints = world.endpoint_ids();
                Arc::new(Units::new(judged.eval, views, by, endpoints, &nodes, apart))
            };
            let ([old, new], [before, after]) = (judged, views);
            if felt.is_some() {
                let units = of(old, before);
                let again = Arc::new(units.again(new.eval, after));
                return (units, again);
            }
            crate::parallel::both(|| of(old, before), || of(new, after))
        };
        let ((mut old, mut new), mut apart) = (units(by == By::Pod), by == By::Pod);
        if !apart && nodes(&old).ne(nodes(&new)) {
            // Nodes that are one unit here and several there could not be compared.
            apart = true;
            (old, new) = units(apart);
        }
        let [before, after] = judged.map(|judged| judged.eval.world);
        let units = matched((&old, before), (&new, after));
        Self {
            old,
            new,
            units,
            apart,
            by,
        }
    }

    /// The name of a unit.
    pub(super) fn name(&self, number: u32) -> &str {
        match self.units.get(number as usize) {
            Some(Match { new: Some(at), .. }) => named(&self.new, *at),
            Some(Match { old: Some(at), .. }) => named(&self.old, *at),
            _ => "",
        }
    }

    /// The unit in each world.
    pub(super) fn both(&self, of: Match) -> [Option<&Unit>; 2] {
        [
            of.old.and_then(|at| self.old.all().get(at as usize)),
            of.new.and_then(|at| self.new.all().get(at as usize)),
        ]
    }
}

fn named(units: &Units, at: u32) -> &str {
    units.all().get(at as usize).map_or("", |unit| &unit.name)
}

/// The names of node units.
fn nodes(units: &Units) -> impl Iterator<Item = &str> {
    let nodes = units.all().iter().filter(|unit| unit.namespace.is_none());
    nodes.map(|unit| unit.name.as_str())
}

fn matched(old: (&Units, &World), new: (&Units, &World)) -> Vec<Match> {
    let same = old.0.all().len() == new.0.all().len()
        && old
            .0
            .all()
            .iter()
            .zip(new.0.all())
            .all(|(a, b)| a.name == b.name);
    let all = |count: usize| 0..u32::try_from(count).unwrap_or(u32::MAX);
    if same {
        let both = |at| Match {
            old: Some(at),
            new: Some(at),
        };
        return all(old.0.all().len()).map(both).collect();
    }
    let key = |(units, world): (&'_ Units, &'_ World), at: u32| {
        let unit = units.all().get(at as usize);
        let namespace = unit
            .and_then(|unit| unit.namespace)
            .map(|id| world[id].name.to_string());
        let name = unit.map_or("", |unit| &unit.name);
        let local = name.rsplit('/').next().unwrap_or_default().to_owned();
        (namespace.is_none(), namespace, local, name.to_owned())
    };
    // What is assumed on one side only is no part of the change (M-2).
    let is_assumed = |of: &Units, at: Option<u32>| {
        let unit = at.and_then(|at| of.all().get(at as usize));
        unit.is_some_and(|unit| unit.assumed)
    };
    let mut found: Vec<_> = all(old.0.all().len())
        .map(|at| (key(old, at), Some(at), None))
        .chain(all(new.0.all().len()).map(|at| (key(new, at), None, Some(at))))
        .collect();
    found.sort();
    let mut units: Vec<Match> = Vec::with_capacity(found.len());
    let mut before = None;
    for (key, old, new) in found {
        match units.last_mut() {
            Some(last) if before.as_ref() == Some(&key) => {
                last.old = last.old.or(old);
                last.new = last.new.or(new);
            }
            _ => units.push(Match { old, new }),
        }
        before = Some(key);
    }
    units.retain(|of| match of {
        Match { old: None, new: at } => !is_assumed(new.0, *at),
        Match { old: at, new: None } => !is_assumed(old.0, *at),
        _ => true,
    });
    units
}

/// Pairs of groups of a unit that have members in common; none if members cannot be matched.
pub(super) fn group_pairs(
    joint: &Joint,
    units: [&Unit; 2],
    worlds: [&World; 2],
) -> Option<Vec<(usize, usize)>> {
    let [old, new] = units;
    let (of_old, of_new) = (old.groups.clone(), new.groups.clone());
    if of_old.len() == 1 && of_new.len() == 1 {
        return Some(vec![(of_old.start, of_new.start)]);
    }
    if old.members != new.members {
        return None;
    }
    let mut of_name: FxHashMap<(&str, bool), usize> = FxHashMap::default();
    for group in of_old {
        for party in members(&joint.old, group) {
            of_name.insert(identity(worlds[0], *party), group);
        }
    }
    let mut pairs = Vec::new();
    for group in of_new {
        for party in members(&joint.new, group) {
            pairs.push((*of_name.get(&identity(worlds[1], *party))?, group));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    Some(pairs)
}

fn members(units: &Units, group: usize) -> &[Party] {
    let range = units.groups.get(group).map(|group| group.parties.clone());
    range
        .and_then(|range| units.parties.get(range))
        .unwrap_or_default()
}

/// What a pod or node is called, whatever its world.
fn identity(world: &World, party: Party) -> (&str, bool) {
    match party {
        Party::Endpoint(id) => (&world[id].name, world[id].template),
        Party::Node(id) => (&world[id].name, false),
        Party::Address(_) | Party::Name(_) => ("", false),
    }
}

/// Lists by number, one behind the other.
#[derive(Debug, Default)]
struct Lists {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// From (number, item), sorted by number.
    fn new(count: u32, pairs: &[(u32, u32)]) -> Self {
        let mut starts = Vec::with_capacity(count as usize + 2);
        let mut at = 0usize;
        for number in 0..=count {
            starts.push(u32::try_from(at).unwrap_or(u32::MAX));
            while pairs.get(at).is_some_and(|(of, _)| *of == number) {
                at += 1;
            }
        }
        starts.push(u32::try_from(at).unwrap_or(u32::MAX));
        Self {
            starts,
            items: pairs.iter().map(|(_, item)| *item).collect(),
        }
    }

    /// The items of the numbers from `first` to `last`.
    fn of(&self, first: u32, last: u32) -> &[u32] {
        let most = self.starts.len().saturating_sub(1);
        let start =
            |number: usize| self.starts.get(number.min(most)).copied().unwrap_or(0) as usize;
        let range = start(first as usize)..start((last as usize).saturating_add(1));
        self.items.get(range).unwrap_or_default()
    }
}

/// The columns of one reading.
#[derive(Debug)]
pub(super) struct Columns {
    count: u32,
    of_old: Lists,
    of_new: Lists,
    /// Whether classes of both worlds have the same numbers.
    plain: bool,
}

impl Columns {
    /// From pairs of classes.
    pub(super) fn new(mut pairs: Vec<(u32, u32)>, classes: [usize; 2]) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let [old, new] = classes.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let count = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
        let plain = old == new && count == old && pairs.iter().all(|(old, new)| old == new);
        let by_old: Vec<_> = pairs.iter().map(|(class, _)| *class).zip(0..).collect();
        let mut by_new: Vec<_> = pairs.iter().map(|(_, class)| *class).zip(0..).collect();
        by_new.sort_unstable();
        Self {
            count,
            of_old: Lists::new(old, &by_old),
            of_new: Lists::new(new, &by_new),
            plain,
        }
    }

    /// For two worlds that have the same classes under the same numbers. A class that nothing is in
    /// counts too.
    pub(super) fn same([old, new]: [usize; 2]) -> Self {
        let same = |class: u32| (class, class);
        let classes = (0..).take(old.max(new)).map(same);
        Self::new(classes.collect(), [old, new])
    }

    /// Whether a set of old classes and a set of new ones are the same columns.
    pub(super) fn are_same(&self, old: &Runs<u32>, new: &Runs<u32>) -> bool {
        if old.is_all() && new.is_all() {
            return true;
        }
        if self.plain && !old.is_all() && !new.is_all() {
            return old == new;
        }
        seen(&self.of_old, old, self.count) == seen(&self.of_new, new, self.count)
    }
}

fn seen(lists: &Lists, classes: &Runs<u32>, count: u32) -> Runs<u32> {
    if classes.is_all() {
        return match count.checked_sub(1) {
            Some(last) => Runs::range(0, last),
            None => Runs::default(),
        };
    }
    let runs = classes.iter();
    let mut columns: Vec<u32> = runs
        .flat_map(|(first, last)| lists.of(first, last).iter().copied())
        .collect();
    if !columns.is_sorted() {
        columns.sort_unstable();
    }
    Runs::from_numbers(columns)
}
