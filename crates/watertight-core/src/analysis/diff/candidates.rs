//! Which units may be met otherwise than before: those whose own rows differ, column by column.
//!
//! INVARIANT: an answer about a pair of units can differ only if the source is among the senders or the
//! destination among the receivers. Units among them whose answers are the same after all cost time and
//! nothing else.

use rustc_hash::FxHashMap;

use super::Judged;
use super::joint::{Columns, Joint, Match, group_pairs};
use super::moved::{Moved, concerned};
use crate::analysis::felt::Felt;
use crate::analysis::map::{Look, Seen, Unit, Views};
use crate::eval::Family;
use crate::eval::reach::{Band, Reach, RowId, SetId, Side};
use crate::manifest::Direction;
use crate::sets::{Protocol, Runs};
use crate::world::NodeId;

/// Units to be looked at, by number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Candidates {
    /// Whose egress may differ.
    pub senders: Vec<u32>,
    /// Whose ingress may differ.
    pub receivers: Vec<u32>,
    /// The classes that egress rows of senders treat otherwise, and those that ingress rows of receivers
    /// do; none if it may be any.
    moved: Option<[Classes; 2]>,
}

/// Classes by reading, as each has its own.
pub(super) type Classes = Vec<(Reading, Runs<u32>)>;

/// A reading of host-network pods or of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Plain,
    Other,
    Strict,
}

impl Reading {
    fn reach<'r>(self, views: Views<'r>) -> &'r Reach {
        let also = match self {
            Self::Plain => None,
            Self::Other => views.other,
            Self::Strict => views.strict,
        };
        also.unwrap_or(views.reach)
    }

    pub(super) fn seen(self, look: &Look) -> Seen {
        let also = match self {
            Self::Plain => None,
            Self::Other => look.other,
            Self::Strict => look.strict,
        };
        also.unwrap_or(look.seen)
    }
}

/// What is compared of a unit that both worlds have.
struct Pairs<'j> {
    unit: u32,
    looks: Vec<(&'j Look, &'j Look)>,
}

impl Candidates {
    /// Finds them.
    pub(super) fn find(
        joint: &Joint,
        judged: [&Judged<'_, '_>; 2],
        views: [Views<'_>; 2],
        felt: Option<&Felt>,
    ) -> Self {
        let [old, new] = judged;
        let everybody = || 0..u32::try_from(joint.units.len()).unwrap_or(u32::MAX);
        if old.eval.switches != new.eval.switches || old.profile.engine != new.profile.engine {
            return Self {
                senders: everybody().collect(),
                receivers: everybody().collect(),
                moved: None,
            };
        }
        let has = |of: fn(&Views<'_>) -> bool| views.iter().any(of);
        let readings = [
            (Reading::Plain, true),
            (Reading::Other, has(|views| views.other.is_some())),
            (Reading::Strict, has(|views| views.strict.is_some())),
        ];
        let readings = readings.into_iter().filter(|(_, is_there)| *is_there);
        let readings: Vec<_> = readings
            .map(|(reading, _)| (reading, views.map(|views| reading.reach(views))))
            .collect();
        // Where classes are the same, rows are compared without asking who is in them.
        let mut reaches = readings.iter().map(|(_, reaches)| reaches);
        let felt = felt.filter(|_| reaches.all(|[old, new]| old.has_classes_of(new)));
        let may_differ = |unit: &Unit| match (felt, unit.namespace) {
            (Some(felt), Some(namespace)) => felt.is_touched(namespace),
            _ => true,
        };
        let places = Places::new(joint, judged);
        let mut found = Self::default();
        let mut pairs: Vec<Pairs<'_>> = Vec::new();
        for (number, of) in (0..).zip(&joint.units) {
            if !joint.both(*of).into_iter().flatten().any(may_differ) {
                continue;
            }
            match same_members(joint, judged, &places, *of) {
                Some(looks) => pairs.push(Pairs {
                    unit: number,
                    looks,
                }),
                None => {
                    found.senders.push(number);
                    found.receivers.push(number);
                }
            }
        }
        let rows_tell = felt.is_some() && found.senders.is_empty();
        found.moved = rows_tell.then(Default::default);
        for (reading, reaches) in readings {
            let columns = match felt {
                Some(_) => Columns::same(reaches.map(Reach::classes)),
                None => columns(judged, reaches, reading, &pairs),
            };
            let differing = |direction: Direction| {
                let sides = reaches.map(|reach| reach.side(direction));
                let mut rows = Rows::new(sides, &columns);
                let row = |seen: Seen| match direction {
                    Direction::Ingress => seen.ingress,
                    Direction::Egress => seen.egress,
                };
                let differs = |pairs: &&Pairs<'_>| {
                    let mut looks = pairs.looks.iter();
                    looks.any(|(old, new)| {
                        let (old, new) = (reading.seen(old), reading.seen(new));
                        !rows.are_same(row(old), row(new))
                    })
                };
                let differing: Vec<&Pairs<'_>> = pairs.iter().filter(differs).collect();
                let mut moved = Moved::new(sides);
                if rows_tell {
                    for (old, new) in differing.iter().flat_map(|pairs| &pairs.looks) {
                        let (old, new) = (reading.seen(old), reading.seen(new));
                        moved.add(row(old), row(new));
                    }
                }
                let units = differing.iter().map(|pairs| pairs.unit);
                (units.collect::<Vec<u32>>(), moved.finish())
            };
            let ((senders, met), (receivers, heard)) = crate::parallel::both(
                || differing(Direction::Egress),
                || differing(Direction::Ingress),
            );
            found.senders.extend(senders);
            found.receivers.extend(receivers);
            if let Some([of_senders, of_receivers]) = &mut found.moved {
                of_senders.push((reading, met));
                of_receivers.push((reading, heard));
            }
        }
        for list in [&mut found.senders, &mut found.receivers] {
            list.sort_unstable();
            list.dedup();
        }
        found
    }

    /// Whom a sender may reach otherwise.
    pub(super) fn targets(&self, joint: &Joint) -> Vec<u32> {
        let everybody = (0..).take(joint.units.len());
        let Some([moved, _]) = &self.moved else {
            return everybody.collect();
        };
        let is_receiver = |unit: &u32| self.receivers.binary_search(unit).is_ok();
        everybody
            .filter(|unit| is_receiver(unit) || concerned(joint, *unit, moved))
            .collect()
    }

    /// Who is no sender and may reach a receiver otherwise.
    pub(super) fn sources(&self, joint: &Joint) -> Vec<u32> {
        let everybody = (0..).take(joint.units.len());
        let others = everybody.filter(|unit| self.senders.binary_search(unit).is_err());
        match &self.moved {
            None => others.collect(),
            Some([_, moved]) => others
                .filter(|unit| concerned(joint, *unit, moved))
                .collect(),
        }
    }
}

/// The looks of members that both worlds have; none if the unit itself has changed.
fn same_members<'j>(
    joint: &'j Joint,
    judged: [&Judged<'_, '_>; 2],
    places: &Places,
    of: Match,
) -> Option<Vec<(&'j Look, &'j Look)>> {
    let [Some(old), Some(new)] = joint.both(of) else {
        return None;
    };
    // A single pod does not reach itself; one of several reaches the others (K-75).
    let alone = old.members.min(new.members) <= 1 || old.irregular || new.irregular;
    if old.members != new.members && alone {
        return None;
    }
    let pairs = group_pairs(joint, [old, new], judged.map(|judged| judged.eval.world))?;
    let mut looks = Vec::with_capacity(pairs.len());
    for (a, b) in pairs {
        let (a, b) = (joint.old.groups.get(a)?, joint.new.groups.get(b)?);
        let same = a.look.standing == b.look.standing
            && a.look.families == b.look.families
            && a.look.conditional == b.look.conditional;
        if !same {
            return None;
        }
        looks.push((&a.look, &b.look));
    }
    places.are_same(joint, old, new).then_some(looks)
}

/// Where pods are, which matters where nodes or host-network pods are met (K-73).
struct Places {
    /// Whether it matters.
    matter: bool,
    /// By node of the old world: the one of its name in the new one.
    of_old: Vec<Option<NodeId>>,
}

impl Places {
    fn new(joint: &Joint, judged: [&Judged<'_, '_>; 2]) -> Self {
        let irregular = |unit: &Unit| unit.irregular;
        let mut units = joint.old.all().iter().chain(joint.new.all());
        let matter = units.any(irregular);
        let [old, new] = judged.map(|judged| judged.eval.world);
        let by_name: FxHashMap<&str, NodeId> =
            new.node_ids().map(|id| (&*new[id].name, id)).collect();
        let found = old
            .node_ids()
            .map(|id| by_name.get(&*old[id].name).copied());
        Self {
            matter,
            of_old: found.collect(),
        }
    }

    fn are_same(&self, joint: &Joint, old: &Unit, new: &Unit) -> bool {
        if !self.matter {
            return true;
        }
        let groups = |units: &'_ crate::analysis::map::Units, unit: &Unit| {
            let mut nodes = Vec::new();
            for group in units.groups_of(unit) {
                nodes.extend_from_slice(units.nodes.get(group.nodes.clone()).unwrap_or_default());
            }
            nodes
        };
        let mut before: Vec<_> = groups(&joint.old, old)
            .into_iter()
            .map(|(node, count)| (self.of_old.get(node.index()).copied().flatten(), count))
            .collect();
        let mut after: Vec<_> = groups(&joint.new, new)
            .into_iter()
            .map(|(node, count)| (Some(node), count))
            .collect();
        before.sort_unstable();
        after.sort_unstable();
        before == after
    }
}

fn columns(
    judged: [&Judged<'_, '_>; 2],
    reaches: [&Reach; 2],
    reading: Reading,
    pairs: &[Pairs<'_>],
) -> Columns {
    let looks = pairs.iter().flat_map(|pairs| &pairs.looks);
    let mut found: Vec<(u32, u32)> = looks
        .map(|(old, new)| (reading.seen(old).class, reading.seen(new).class))
        .collect();
    let [old, new] = judged.map(|judged| judged.eval.world);
    let names: FxHashMap<&str, _> = new.name_ids().map(|id| (&*new[id].text, id)).collect();
    let of_names = old.name_ids().filter_map(|id| {
        let other = names.get(&*old[id].text)?;
        let [before, after] = reaches;
        Some((before.class_of_name(id)?, after.class_of_name(*other)?))
    });
    found.extend(of_names);
    Columns::new(found, reaches.map(Reach::classes))
}

/// Compares rows of two worlds; what was compared once is remembered.
struct Rows<'r> {
    sides: [&'r Side; 2],
    columns: &'r Columns,
    rows: FxHashMap<(RowId, RowId), bool>,
    sets: FxHashMap<(SetId, SetId), bool>,
}

impl<'r> Rows<'r> {
    fn new(sides: [&'r Side; 2], columns: &'r Columns) -> Self {
        Self {
            sides,
            columns,
            rows: FxHashMap::default(),
            sets: FxHashMap::default(),
        }
    }

    fn are_same(&mut self, old: RowId, new: RowId) -> bool {
        if (old, new) == (RowId::EVERYTHING, RowId::EVERYTHING) {
            return true;
        }
        if let Some(known) = self.rows.get(&(old, new)) {
            return *known;
        }
        let [before, after] = self.sides;
        let bands = |side: &'r Side, row: RowId| {
            let bands = side.row(row).bands().iter();
            // The map knows no ICMP.
            bands.filter(|band| band.protocol != Protocol::Icmp)
        };
        let mut both = bands(before, old).zip(bands(after, new));
        let found = bands(before, old).count() == bands(after, new).count()
            && both.all(|(old, new)| {
                let ports = |band: &Band| (band.protocol, band.first, band.last);
                ports(old) == ports(new)
                    && self.sets_are_same(old.allowed, new.allowed)
                    && self.sets_are_same(old.maybe, new.maybe)
            });
        self.rows.insert((old, new), found);
        found
    }

    fn sets_are_same(&mut self, old: SetId, new: SetId) -> bool {
        // Nobody and everybody have the same ids everywhere.
        if old == new && (old == SetId::NONE || old == SetId::ALL) {
            return true;
        }
        if let Some(known) = self.sets.get(&(old, new)) {
            return *known;
        }
        let [before, after] = self.sides.map(Side::sets);
        let found = before.v4(old) == after.v4(new)
            && before.v6(old) == after.v6(new)
            && [Family::V4, Family::V6].into_iter().all(|family| {
                let (old, new) = (before.classes(old, family), after.classes(new, family));
                self.columns.are_same(&old, &new)
            });
        self.sets.insert((old, new), found);
        found
    }
}
