//! Two worlds compared: which connections come, go or change, and because of which object.
//!
//! Rows of both worlds are compared over the common refinement of their classes; only units whose rows
//! differ are looked at pair by pair, and what changes alike is one rectangle of sources and
//! destinations. So the cost follows the change, not the cluster.
//!
//! INVARIANT: two units are in a rectangle exactly if the maps of the two worlds say something else
//! about them, port by port; what is compared is what answers come to, not why they are uncertain.

mod alike;
mod candidates;
mod causes;
mod change;
mod edits;
mod joint;
mod moved;
mod objects;
mod outside;
mod pairs;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use causes::{Cause, Example};
pub use change::{Level, Ports, Shift, Shifted};
pub use edits::{Edit, Written};
pub use objects::{NamespaceChange, ObjectChange, UnitChange, What};
pub use outside::OutsideChange;
pub use pairs::PairChange;

use self::alike::{Alike, Asked};
use self::candidates::Candidates;
use self::causes::Causes;
use self::joint::Joint;
use self::objects::Changed;
use self::pairs::{Collected, Keys, Maps};
use crate::analysis::felt::Felt;
use crate::analysis::map::{Alternatives, By, End, Ends, Outside, ReachMap, UnitKind};
use crate::engine::Profile;
use crate::eval::reach::Reach;
use crate::eval::{Evaluator, Party};
use crate::manifest::Direction;
use crate::source::Sources;
use crate::world::{NodeId, World};

/// A world with its rows.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'e, 'w> {
    /// The evaluator.
    pub eval: &'e Evaluator<'w>,
    /// The rows.
    pub reach: &'e Reach,
    /// The engine.
    pub profile: &'e Profile,
    /// The switches that somebody has set.
    pub pinned: &'e [String],
}

/// A unit of either world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffUnit {
    /// The canonical spelling: `shop/Deployment/web`.
    pub name: String,
    /// What it is.
    pub kind: UnitKind,
    /// Whether the old world has it.
    pub in_old: bool,
    /// Whether the new world has it.
    pub in_new: bool,
}

/// Why something changed.
#[derive(Clone, Debug)]
pub struct Why {
    /// The objects: all of them together.
    pub causes: Vec<Cause>,
    /// One connection, judged in both worlds.
    pub example: Option<Example>,
}

/// What differs.
#[derive(Debug, Default)]
pub struct Difference {
    /// The units that changes name, by number.
    pub units: Vec<DiffUnit>,
    /// Pairs of units.
    pub pairs: Vec<(PairChange, Why)>,
    /// Units and the outside.
    pub outside: Vec<(OutsideChange, Why)>,
    /// Policy objects that are not what they were, whether anything comes of it or not.
    pub objects: Vec<ObjectChange>,
    /// Workloads whose pods are not what they were.
    pub workloads: Vec<UnitChange>,
    /// Namespaces with other labels.
    pub namespaces: Vec<NamespaceChange>,
}

impl Difference {
    /// Whether every connection is judged as before.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.outside.is_empty()
    }

    /// Whether somebody may do more than before.
    #[must_use]
    pub fn widens(&self) -> bool {
        let pairs = self.pairs.iter().map(|(change, _)| &change.change);
        let outside = self.outside.iter().map(|(change, _)| &change.change);
        pairs.chain(outside).any(Shifted::widens)
    }

    /// Whether somebody may do less than before.
    #[must_use]
    pub fn narrows(&self) -> bool {
        let pairs = self.pairs.iter().map(|(change, _)| &change.change);
        let outside = self.outside.iter().map(|(change, _)| &change.change);
        pairs.chain(outside).any(Shifted::narrows)
    }
}

/// Lets each of two worlds know the names that the other one knows, before rows are made of them.
pub fn share_names(old: &mut World, new: &mut World) {
    let texts = |world: &World| -> Vec<Box<str>> {
        world.names.iter().map(|name| name.text.clone()).collect()
    };
    let (before, after) = (texts(old), texts(new));
    for text in before {
        new.intern_name(&text);
    }
    for text in after {
        old.intern_name(&text);
    }
}

/// Compares two worlds. Objects and places of both are in the same `sources`; see [`share_names`]. Where
/// `felt` says what differs, only that is looked at.
#[must_use]
pub fn compare(
    sources: &Sources,
    old: &Judged<'_, '_>,
    new: &Judged<'_, '_>,
    by: By,
    felt: Option<&Felt>,
) -> Difference {
    let judged = [old, new];
    let worlds = judged.map(|judged| judged.eval.world);
    let asked = judged.map(|judged| (judged.eval, judged.profile, judged.pinned));
    let also = Alternatives::of_two(asked, felt).map(Arc::new);
    let views = [also[0].views(old.reach), also[1].views(new.reach)];
    let ((joint, candidates), changed) = crate::parallel::both(
        || {
            let joint = Joint::new(judged, views, by, felt);
            let candidates = Candidates::find(&joint, judged, views, felt);
            (joint, candidates)
        },
        || Changed::find(sources, worlds, felt),
    );
    let (workloads, namespaces) = match felt {
        // Nothing but NetworkPolicies differs.
        Some(_) => (Vec::new(), Vec::new()),
        None => (objects::units(&joint, worlds), objects::namespaces(worlds)),
    };
    let causes = Causes::new(&joint, judged, (&changed, &workloads, &namespaces), felt);
    let (pairs, outside) = changes(&joint, judged, also, &candidates, &causes);
    let why = |(causes, example)| Why { causes, example };
    let of_pairs = crate::parallel::map(&pairs, |change| why(causes.of_pair(change)));
    let of_outside = crate::parallel::map(&outside, |change| why(causes.of_outside(change)));
    let pairs = pairs.into_iter().zip(of_pairs).collect();
    let outside = outside.into_iter().zip(of_outside).collect();
    let units = (0..).zip(&joint.units).map(|(number, of)| DiffUnit {
        name: joint.name(number).to_owned(),
        kind: joint
            .both(*of)
            .into_iter()
            .flatten()
            .next()
            .map_or(UnitKind::Pod, |unit| unit.kind),
        in_old: of.old.is_some(),
        in_new: of.new.is_some(),
    });
    let units = units.collect();
    drop(causes);
    Difference {
        units,
        pairs,
        outside,
        objects: changed.objects,
        workloads,
        namespaces,
    }
}

fn changes<'w>(
    joint: &Joint,
    [old, new]: [&Judged<'_, 'w>; 2],
    also: [Arc<Alternatives<'w>>; 2],
    candidates: &Candidates,
    causes: &Causes<'_, '_, '_>,
) -> (Vec<PairChange>, Vec<OutsideChange>) {
    let Candidates {
        senders, receivers, ..
    } = candidates;
    let keys = Keys {
        source: &causes.source_keys,
        target: &causes.target_keys,
    };
    let (targets, others) = (candidates.targets(joint), candidates.sources(joint));
    let mut collected = Collected::default();
    let [of_old, of_new] = &also;
    let (owned_before, owned_after) = crate::parallel::both(
        || of_old.owned(old.eval.world),
        || of_new.owned(new.eval.world),
    );
    let owned = outside::Owned::of([owned_before, owned_after]);
    let mut outside = Vec::new();
    let rounds = [
        (Direction::Egress, senders, &targets),
        (Direction::Ingress, receivers, &others),
    ];
    for (direction, concerned, others) in rounds {
        if concerned.is_empty() {
            continue;
        }
        let (own_keys, keys_of_others) = match direction {
            Direction::Egress => (keys.source, keys.target),
            Direction::Ingress => (keys.target, keys.source),
        };
        let asked = Asked {
            concerned,
            direction,
            keys: keys_of_others,
        };
        let alike = Alike::find(joint, [old, new], others, &asked);
        // Where nobody is like another one, they are all but a few: no need to group them again.
        let some = Some(alike.first.as_slice()).filter(|_| !alike.is_trivial());
        let ends = match direction {
            Direction::Egress => (Some(concerned.as_slice()), some),
            Direction::Ingress => (some, Some(concerned.as_slice())),
        };
        let (before, after) = crate::parallel::both(
            || map_between(joint, old, &also[0], true, ends, direction),
            || map_between(joint, new, &also[1], false, ends, direction),
        );
        let maps = Maps {
            old: &before,
            new: &after,
        };
        collected.compare(joint, &maps, concerned, (direction, &alike), keys);
        let (rows_before, rows_after) =
            crate::parallel::both(|| before.outside(), || after.outside());
        let [before_units, after_units] = match direction {
            Direction::Egress => [before.sources(), after.sources()],
            Direction::Ingress => [before.targets(), after.targets()],
        };
        let sides = [
            &outside::Side {
                units: before_units,
                rows: &rows_before,
                world: old.eval.world,
            },
            &outside::Side {
                units: after_units,
                rows: &rows_after,
                world: new.eval.world,
            },
        ];
        outside.extend(outside::compare(
            joint, direction, sides, concerned, own_keys, &owned,
        ));
    }
    (collected.finish(), outside)
}

/// The map of one world between some of its units; none for all.
fn map_between<'e, 'w>(
    joint: &Joint,
    judged: &Judged<'e, 'w>,
    also: &Arc<Alternatives<'w>>,
    is_old: bool,
    (sources, targets): (Option<&[u32]>, Option<&[u32]>),
    direction: Direction,
) -> ReachMap<'e, 'w> {
    let units = if is_old { &joint.old } else { &joint.new };
    let end = |numbers: Option<&[u32]>| {
        let Some(numbers) = numbers else {
            return End {
                endpoints: None,
                nodes: Vec::new(),
                apart: joint.apart,
                made: Some(Arc::clone(units)),
            };
        };
        let mut endpoints = Vec::new();
        let mut nodes: Vec<NodeId> = Vec::new();
        for number in numbers {
            let of = joint.units.get(*number as usize);
            let own = of.and_then(|of| if is_old { of.old } else { of.new });
            let Some(unit) = own.and_then(|own| units.all().get(own as usize)) else {
                continue;
            };
            for party in units.parties_of(unit) {
                match party {
                    Party::Endpoint(id) => endpoints.push(*id),
                    Party::Node(id) => nodes.push(*id),
                    Party::Address(_) | Party::Name(_) => {}
                }
            }
        }
        End {
            endpoints: Some(endpoints),
            nodes,
            apart: joint.apart,
            made: None,
        }
    };
    let (world, nothing) = (Outside::World, Outside::Nothing);
    let (outside_sources, outside_targets) = match direction {
        Direction::Egress => (nothing, world),
        Direction::Ingress => (world, nothing),
    };
    let ends = Ends {
        sources: end(sources),
        targets: Some(end(targets)),
        service: None,
        outside_sources,
        outside_targets,
    };
    let also = Arc::clone(also);
    let asked = (joint.by, Vec::new());
    let Judged {
        eval,
        reach,
        profile,
        pinned,
    } = *judged;
    ReachMap::between(eval, reach, also, (profile, pinned), ends, asked)
}
