//! Why an answer is another one than before: which object that was added, removed or edited decides.
//!
//! Units are kept apart by the changed policies that select them, so that the pairs of a rectangle have
//! the same possible causes. One pair of each rectangle is judged in both worlds, and the sides that
//! moved tell which of those objects it was.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::change::Level;
use super::joint::Joint;
use super::objects::{Changed, NamespaceChange, UnitChange};
use super::{Judged, OutsideChange, PairChange};
use crate::analysis::felt::Felt;
use crate::analysis::map::Unit;
use crate::eval::reach::Outcome;
use crate::eval::{Connection, Decision, Evaluator, Judged as Judgement, Party, Verdict};
use crate::manifest::Direction;
use crate::policy::Origin;
use crate::world::World;

/// What makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A policy object: the position in the list of changes.
    Object(usize),
    /// Labels of a namespace: the position in the list of changes.
    Namespace(usize),
    /// A workload: the position in the list of changes.
    Unit(usize),
    /// None of these: addresses, nodes, other assumptions.
    Other,
}

/// A connection whose answer is another one than before.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// In the old world; none if an end is not there.
    pub old: Option<(Connection, Verdict)>,
    /// In the new world.
    pub new: Option<(Connection, Verdict)>,
}

/// Finds causes.
pub(super) struct Causes<'c, 'e, 'w> {
    pub joint: &'c Joint,
    pub judged: [&'c Judged<'e, 'w>; 2],
    pub changed: &'c Changed,
    felt: Option<&'c Felt>,
    of_unit: FxHashMap<u32, usize>,
    of_namespace: BTreeMap<&'c str, usize>,
    /// By unit: the possible causes at its own end, as source and as destination.
    pub source_keys: Vec<u32>,
    pub target_keys: Vec<u32>,
    sets: Vec<BTreeSet<Cause>>,
}

impl<'c, 'e, 'w> Causes<'c, 'e, 'w> {
    pub(super) fn new(
        joint: &'c Joint,
        judged: [&'c Judged<'e, 'w>; 2],
        (changed, units, namespaces): (&'c Changed, &'c [UnitChange], &'c [NamespaceChange]),
        felt: Option<&'c Felt>,
    ) -> Self {
        let of_unit = units.iter().enumerate();
        let of_unit = of_unit.map(|(at, change)| (change.unit, at)).collect();
        let of_namespace = namespaces.iter().enumerate();
        let of_namespace = of_namespace
            .map(|(at, change)| (&*change.name, at))
            .collect();
        let mut causes = Self {
            joint,
            judged,
            changed,
            felt,
            of_unit,
            of_namespace,
            source_keys: Vec::new(),
            target_keys: Vec::new(),
            sets: Vec::new(),
        };
        let mut numbers: FxHashMap<BTreeSet<Cause>, u32> = FxHashMap::default();
        for direction in Direction::BOTH {
            let mut keys = Vec::with_capacity(joint.units.len());
            let units: Vec<u32> = (0..).take(joint.units.len()).collect();
            let all = crate::parallel::map(&units, |unit| causes.possible(*unit, direction));
            for possible in all {
                let next = u32::try_from(causes.sets.len()).unwrap_or(u32::MAX);
                let key = *numbers.entry(possible).or_insert_with_key(|possible| {
                    causes.sets.push(possible.clone());
                    next
                });
                keys.push(key);
            }
            match direction {
                Direction::Egress => causes.source_keys = keys,
                Direction::Ingress => causes.target_keys = keys,
            }
        }
        causes
    }

    /// The changes that touch a unit in a direction.
    fn possible(&self, unit: u32, direction: Direction) -> BTreeSet<Cause> {
        let mut found = BTreeSet::new();
        if !self.changed.objects.is_empty() {
            let of = self.joint.units.get(unit as usize).copied();
            let [old, new] = of.map_or([None, None], |of| self.joint.both(of));
            let [before, after] = self.judged;
            let old = old.map(|unit| (before, &self.joint.old, unit));
            let new = new.map(|unit| (after, &self.joint.new, unit));
            // Changed policies are about pods of their namespace.
            let is_touched = |unit: &Unit| match (self.felt, unit.namespace) {
                (Some(felt), Some(namespace)) => felt.is_touched(namespace),
                _ => true,
            };
            for (side, is_old) in [(old, true), (new, false)] {
                let Some((judged, units, unit)) = side.filter(|(.., unit)| is_touched(unit)) else {
                    continue;
                };
                // Members of one group have the same policies.
                for group in units.groups_of(unit) {
                    let first = units.parties.get(group.parties.start);
                    let origins = first.map(|party| selecting(judged.eval, *party, direction));
                    for origin in origins.into_iter().flatten() {
                        let object = match is_old {
                            true => self.changed.of_old(origin),
                            false => self.changed.of_new(origin),
                        };
                        found.extend(object.map(Cause::Object));
                    }
                }
            }
        }
        found.extend(self.own(unit));
        found
    }

    /// How the unit itself has changed, or its namespace.
    fn own(&self, unit: u32) -> Vec<Cause> {
        let mut found = Vec::new();
        found.extend(self.of_unit.get(&unit).map(|at| Cause::Unit(*at)));
        if !self.of_namespace.is_empty() {
            let of = self.joint.units.get(unit as usize).copied();
            let [_, new] = of.map_or([None, None], |of| self.joint.both(of));
            let world = self.judged[1].eval.world;
            let name = new
                .and_then(|unit| unit.namespace)
                .map(|id| &*world[id].name);
            let at = name.and_then(|name| self.of_namespace.get(name));
            found.extend(at.map(|at| Cause::Namespace(*at)));
        }
        found
    }

    /// Why the pairs of a rectangle changed, with one of them.
    pub(super) fn of_pair(&self, change: &PairChange) -> (Vec<Cause>, Option<Example>) {
        let (Some(from), Some(to)) = (change.from.first(), change.to.first()) else {
            return (vec![Cause::Other], None);
        };
        let possible = [
            (Direction::Egress, self.set(&self.source_keys, *from)),
            (Direction::Ingress, self.set(&self.target_keys, *to)),
        ];
        let shift = change.change.shifts.first();
        let example = shift.and_then(|shift| {
            let make = |from, to| Connection::new(from, to, shift.protocol, shift.first);
            let is_meant = (shift.before, shift.after);
            // Sources and destinations of a rectangle change alike; the first pair may be one pod.
            let pairs = change.from.iter().take(3).flat_map(|from| {
                let to = change.to.iter().take(3);
                to.map(move |to| (*from, *to))
            });
            let mut pairs = pairs;
            pairs.find_map(|(from, to)| self.example(from, to, make, is_meant))
        });
        let ends = [*from, *to];
        (self.causes(&possible, &ends, example.as_ref()), example)
    }

    /// Why units meet the outside otherwise, with one connection of them.
    pub(super) fn of_outside(&self, change: &OutsideChange) -> (Vec<Cause>, Option<Example>) {
        let Some(unit) = change.units.first() else {
            return (vec![Cause::Other], None);
        };
        let keys = match change.direction {
            Direction::Egress => &self.source_keys,
            Direction::Ingress => &self.target_keys,
        };
        let possible = [(change.direction, self.set(keys, *unit))];
        let shift = change.change.shifts.first();
        let example = shift.and_then(|shift| {
            let other = |world: &World| {
                let name = change.names.first();
                let name = name.and_then(|name| {
                    let mut names = world.name_ids();
                    names.find(|id| world[*id].text == *name)
                });
                name.map(Party::Name)
                    .or_else(|| outside(change).map(Party::Address))
            };
            let [old, new] = self.judged.map(|judged| other(judged.eval.world));
            let make = |is_old: bool, own: Party| {
                let other = if is_old { old } else { new };
                other.map(|other| match change.direction {
                    Direction::Egress => Connection::new(own, other, shift.protocol, shift.first),
                    Direction::Ingress => Connection::new(other, own, shift.protocol, shift.first),
                })
            };
            self.outside_example(*unit, make, (shift.before, shift.after))
        });
        (self.causes(&possible, &[*unit], example.as_ref()), example)
    }

    fn set(&self, keys: &[u32], unit: u32) -> &BTreeSet<Cause> {
        static NONE: BTreeSet<Cause> = BTreeSet::new();
        let set = keys
            .get(unit as usize)
            .and_then(|key| self.sets.get(*key as usize));
        set.unwrap_or(&NONE)
    }

    fn causes(
        &self,
        possible: &[(Direction, &BTreeSet<Cause>)],
        ends: &[u32],
        example: Option<&Example>,
    ) -> Vec<Cause> {
        // A workload that is new or gone explains all of its connections.
        let is_new = |unit: &u32| {
            let of = self.joint.units.get(*unit as usize);
            of.is_some_and(|of| of.old.is_none() || of.new.is_none())
        };
        if ends.iter().any(is_new) {
            let own = ends.iter().filter(|unit| is_new(unit));
            let own = own.filter_map(|unit| self.of_unit.get(unit));
            return sorted(own.map(|at| Cause::Unit(*at)).collect());
        }
        let mut found = Vec::new();
        if let Some(Example {
            old: Some((_, old)),
            new: Some((_, new)),
        }) = example
        {
            let widens = outcome(new) > outcome(old);
            for (direction, _) in possible {
                let (a, b) = (side(old, *direction), side(new, *direction));
                let moved = match widens {
                    true => level(&b) > level(&a),
                    false => level(&b) < level(&a),
                };
                if moved {
                    found.extend(self.of_side(*direction, &a, &b, example));
                }
            }
        }
        // No policy that decides has changed: those at the ends have, or what else selects them.
        if found.is_empty() {
            found.extend(ends.iter().flat_map(|unit| self.own(*unit)));
        }
        if found.is_empty() {
            let objects = possible.iter().flat_map(|(_, possible)| possible.iter());
            let objects = objects.filter(|cause| matches!(cause, Cause::Object(_)));
            found.extend(objects.copied());
        }
        if found.is_empty() {
            found.push(Cause::Other);
        }
        sorted(found)
    }

    /// What moved one side.
    fn of_side(
        &self,
        direction: Direction,
        before: &Judgement,
        after: &Judgement,
        example: Option<&Example>,
    ) -> Vec<Cause> {
        let own = |of: Option<&(Connection, Verdict)>| {
            of.map(|(connection, _)| match direction {
                Direction::Egress => connection.from,
                Direction::Ingress => connection.to,
            })
        };
        let example = example.map(|example| (own(example.old.as_ref()), own(example.new.as_ref())));
        let (old_own, new_own) = example.unwrap_or_default();
        let [old, new] = self.judged;
        let was: Told<'_, 'e, 'w> = (old, old_own, before, true);
        let is = (new, new_own, after, false);
        let (allowing, denying) = if level(after) > level(before) {
            (is, was)
        } else {
            (was, is)
        };
        let changed = |(judged, own, judgement, is_old): Told<'_, 'e, 'w>, kind: Kind| {
            let origins = match (judgement.decision, kind) {
                (Decision::Rule { rule, .. }, Kind::Rule) => {
                    vec![judged.eval.ruleset[rule.policy].origin]
                }
                (Decision::NoRule { isolated_by }, Kind::Isolation) => own
                    .map_or_else(Vec::new, |own| {
                        isolating(judged.eval, own, direction, isolated_by.tier)
                    }),
                (_, Kind::Maybe) => judgement
                    .maybe
                    .map(|maybe| judged.eval.ruleset[maybe.rule.policy].origin)
                    .into_iter()
                    .collect(),
                _ => Vec::new(),
            };
            let object = |origin| match is_old {
                true => self.changed.of_old(origin),
                false => self.changed.of_new(origin),
            };
            let objects = origins.into_iter().filter_map(object);
            objects.map(Cause::Object).collect::<Vec<_>>()
        };
        // A rule that refuses comes or goes; or one that allows; or what isolates.
        let told = [
            (denying, Kind::Rule),
            (allowing, Kind::Rule),
            (denying, Kind::Maybe),
            (allowing, Kind::Maybe),
            (denying, Kind::Isolation),
        ];
        for (side, kind) in told {
            let objects = changed(side, kind);
            if !objects.is_empty() {
                return objects;
            }
        }
        Vec::new()
    }

    /// A pair of pods whose answer moved as it should.
    fn example(
        &self,
        from: u32,
        to: u32,
        make: impl Fn(Party, Party) -> Connection,
        wanted: (Level, Level),
    ) -> Option<Example> {
        let (from, to) = (self.members(from), self.members(to));
        let mut first = None;
        for a in &from {
            for b in &to {
                let judge = |at: usize| {
                    let (judged, from, to) = (self.judged.get(at)?, *a.get(at)?, *b.get(at)?);
                    let connection = make(from?, to?);
                    let is_itself = from == to && !is_template(judged.eval.world, from?);
                    (!is_itself).then(|| (connection, judged.eval.verdict(&connection)))
                };
                let example = Example {
                    old: judge(0),
                    new: judge(1),
                };
                if is_as(&example, wanted) {
                    return Some(example);
                }
                if example.old.is_some() || example.new.is_some() {
                    first = first.or(Some(example));
                }
            }
        }
        first
    }

    fn outside_example(
        &self,
        unit: u32,
        make: impl Fn(bool, Party) -> Option<Connection>,
        wanted: (Level, Level),
    ) -> Option<Example> {
        let mut first = None;
        for own in self.members(unit) {
            let judge = |at: usize| {
                let judged = self.judged.get(at)?;
                let connection = make(at == 0, (*own.get(at)?)?)?;
                Some((connection, judged.eval.verdict(&connection)))
            };
            let example = Example {
                old: judge(0),
                new: judge(1),
            };
            if is_as(&example, wanted) {
                return Some(example);
            }
            first = first.or(Some(example));
        }
        first
    }

    /// One member of each group of a unit, in the old world and in the new one.
    fn members(&self, unit: u32) -> Vec<[Option<Party>; 2]> {
        const MOST: usize = 8;
        let Some(of) = self.joint.units.get(unit as usize) else {
            return Vec::new();
        };
        let [old, new] = self.joint.both(*of);
        let first = |units: &crate::analysis::map::Units, unit: Option<&Unit>| {
            let groups = unit.map_or(&[][..], |unit| units.groups_of(unit)).iter();
            let members = groups.flat_map(|group| {
                let members = units.parties.get(group.parties.clone());
                members.unwrap_or_default().iter().take(2).copied()
            });
            members.take(MOST).collect::<Vec<Party>>()
        };
        let (a, b) = (first(&self.joint.old, old), first(&self.joint.new, new));
        let count = a.len().max(b.len());
        let at = |list: &[Party], at: usize| list.get(at).or(list.last()).copied();
        (0..count)
            .map(|index| [at(&a, index), at(&b, index)])
            .collect()
    }
}

fn is_template(world: &World, party: Party) -> bool {
    match party {
        Party::Endpoint(id) => world[id].template,
        _ => false,
    }
}

fn outcome(verdict: &Verdict) -> Outcome {
    Outcome::of(verdict)
}

/// Whether an example shows a change for the best pair.
fn is_as(example: &Example, (before, after): (Level, Level)) -> bool {
    let says = |of: Option<&(Connection, Verdict)>, level: Level| match (of, level) {
        (None, level) => level == Level::Denied,
        (Some((_, verdict)), Level::Denied) => outcome(verdict) == Outcome::Denied,
        (Some((_, verdict)), Level::Uncertain) => outcome(verdict) == Outcome::Uncertain,
        (Some((_, verdict)), _) => outcome(verdict) == Outcome::Allowed,
    };
    says(example.old.as_ref(), before) && says(example.new.as_ref(), after)
}

fn side(verdict: &Verdict, direction: Direction) -> Judgement {
    let [egress, ingress] = verdict.sides;
    match direction {
        Direction::Egress => egress,
        Direction::Ingress => ingress,
    }
}

fn level(judgement: &Judgement) -> Outcome {
    match (judgement.maybe.is_some(), judgement.is_allowed()) {
        (true, _) => Outcome::Uncertain,
        (_, true) => Outcome::Allowed,
        (_, false) => Outcome::Denied,
    }
}

/// Where the policies that select a party come from.
fn selecting<'e>(
    eval: &'e Evaluator<'_>,
    party: Party,
    direction: Direction,
) -> impl Iterator<Item = Origin> + 'e {
    policies(eval, party, direction)
        .iter()
        .map(|at| eval.ruleset[*at].origin)
}

fn policies<'e>(
    eval: &'e Evaluator<'_>,
    party: Party,
    direction: Direction,
) -> &'e [crate::policy::PolicyRef] {
    match party {
        Party::Endpoint(id) => match (eval.world[id].host_network, eval.world[id].node) {
            (Some(_), Some(node)) => eval.policies_of_node(node, direction),
            _ => eval.policies_of(id, direction),
        },
        Party::Node(id) => eval.policies_of_node(id, direction),
        Party::Address(_) | Party::Name(_) => &[],
    }
}

/// A side of an example: its world, its subject, what it comes to, and whether it is the old one.
type Told<'c, 'e, 'w> = (&'c Judged<'e, 'w>, Option<Party>, &'c Judgement, bool);

/// What of a decision may have come or gone.
#[derive(Clone, Copy)]
enum Kind {
    Rule,
    Maybe,
    Isolation,
}

/// Where the policies come from that isolate a party in a tier.
fn isolating(eval: &Evaluator<'_>, own: Party, direction: Direction, tier: usize) -> Vec<Origin> {
    let policies = policies(eval, own, direction).iter();
    policies
        .filter(|at| at.tier == tier && eval.ruleset[**at].isolates)
        .map(|at| eval.ruleset[*at].origin)
        .collect()
}

/// An address of a change.
fn outside(change: &OutsideChange) -> Option<std::net::IpAddr> {
    let v4 = change.v4.iter().next();
    let v6 = || change.v6.iter().next();
    match v4 {
        // The first address of a network is hardly ever a host.
        Some((first, last)) => {
            let ip = if first < last { first + 1 } else { first };
            Some(std::net::Ipv4Addr::from(ip).into())
        }
        None => v6().map(|(first, last)| {
            let ip = if first < last { first + 1 } else { first };
            std::net::Ipv6Addr::from(ip).into()
        }),
    }
}

fn sorted(mut causes: Vec<Cause>) -> Vec<Cause> {
    causes.sort_unstable();
    causes.dedup();
    causes
}
