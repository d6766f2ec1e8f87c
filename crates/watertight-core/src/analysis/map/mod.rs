//! The map: who can reach whom, on which ports, pair by pair of pods, workloads or namespaces.
//!
//! Built on rows, never on pairs of pods: a source is held against the few shapes that destinations
//! have, and only where its own policies name somebody is that somebody looked at. Answers come source
//! by source, so that a large map can be written while it is made.
//!
//! INVARIANT: for two single pods the map says what `verdict` says, about every port; for groups it
//! says the best answer of any pair, and whether pairs differ. ICMP has no ports and is no part of it.

mod outside;
mod pairs;
mod parts;
mod profile;
mod question;
mod rows;
mod services;
mod shapes;
mod sides;
mod source;
#[cfg(test)]
mod tests;
mod units;

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

pub use outside::{OutsideRow, Reached};
pub(super) use outside::{Owned, beyond, owned};
pub use profile::{Answer, PROTOCOLS, Span, is_everything, is_uniform};
pub use question::{Outside, Question, QuestionError};
pub use services::{ServiceBackend, ServicePort};
pub use source::{Connection, SourceRow};
pub use units::{By, Isolation, Unit, UnitKind, Units};

use crate::analysis::felt::{self, Felt};
use crate::analysis::readings::{Point, Readings};
use crate::engine::{Engine, HostNetwork, NodeLocal, Profile};
use crate::eval::reach::Reach;
use crate::eval::{Evaluator, Family, Party};
use crate::manifest::Direction;
use crate::policy::{Peer, Rule, Tier};
use crate::sets::{Protocol, Runs};
use crate::world::{ServiceId, World};
use parts::Parts;
pub(super) use question::{End, Ends};
pub(super) use rows::Kept;
use shapes::{ByClass, Shapes};
use sides::PlainSide;
use units::Standing;
pub(super) use units::{Families, Group, Look, Seen, Views};

/// Rows under other readings.
#[derive(Debug)]
pub(in crate::analysis) struct Alternatives<'w> {
    /// Host-network pods as pods with labels, where that is open (K-71, K-72).
    other: Option<(Evaluator<'w>, Reach)>,
    /// For a request that no rule admits, where rules admit certain requests only.
    strict: Option<Reach>,
    /// The addresses of pods and nodes.
    owned: OnceLock<Owned>,
}

impl<'w> Alternatives<'w> {
    pub(in crate::analysis) fn new(
        eval: &Evaluator<'w>,
        profile: &Profile,
        pinned: &[String],
    ) -> Self {
        let other = other(eval, profile, pinned);
        Self::with(eval, other.map(|eval| (Reach::new(&eval), eval)))
    }

    /// Those of two worlds; `felt` says what differs.
    pub(in crate::analysis) fn of_two(
        judged: [(&Evaluator<'w>, &Profile, &[String]); 2],
        felt: Option<&Felt>,
    ) -> [Self; 2] {
        let [(old, ..), (new, ..)] = judged;
        let others = judged.map(|(eval, profile, pinned)| other(eval, profile, pinned));
        let [before, after] = match others {
            [Some(before), Some(after)] => {
                let [old_rows, new_rows] = felt::rows([&before, &after], felt);
                [Some((old_rows, before)), Some((new_rows, after))]
            }
            others => others.map(|eval| eval.map(|eval| (Reach::new(&eval), eval))),
        };
        [Self::with(old, before), Self::with(new, after)]
    }

    fn with(eval: &Evaluator<'w>, other: Option<(Reach, Evaluator<'w>)>) -> Self {
        Self {
            other: other.map(|(reach, eval)| (eval, reach)),
            strict: strict(eval),
            owned: OnceLock::new(),
        }
    }

    /// The addresses of pods and nodes of the world that these are rows of.
    pub(in crate::analysis) fn owned(&self, world: &World) -> &Owned {
        self.owned.get_or_init(|| owned(world))
    }

    /// The rows under each reading, beside those of the plain one.
    pub(in crate::analysis) fn views<'r>(&'r self, reach: &'r Reach) -> Views<'r> {
        Views {
            reach,
            other: self.other.as_ref().map(|(_, reach)| reach),
            strict: self.strict.as_ref(),
        }
    }
}

/// The evaluator that takes host-network pods for pods with labels, where that may be so.
fn other<'w>(eval: &Evaluator<'w>, profile: &Profile, pinned: &[String]) -> Option<Evaluator<'w>> {
    let mut hosts = eval.world.endpoints.iter();
    let may_be = eval.switches.host_network == HostNetwork::NodeIp
        && is_open(profile, pinned, Point::HostNetwork)
        && hosts.any(|endpoint| endpoint.host_network.is_some());
    let mut switches = eval.switches;
    switches.host_network = HostNetwork::PodLabels;
    may_be.then(|| Evaluator::new(eval.world, eval.ruleset, switches))
}

/// Whether the reading of a point is open: nobody has named an engine or set its switch.
fn is_open(profile: &Profile, pinned: &[String], point: Point) -> bool {
    profile.engine == Engine::Reference && !pinned.iter().any(|switch| switch == point.switch())
}

/// All answers to one question about who can reach whom.
#[derive(Debug)]
pub struct ReachMap<'e, 'w> {
    eval: &'e Evaluator<'w>,
    reach: &'e Reach,
    also: Arc<Alternatives<'w>>,
    /// Why rows are not sure of an answer; none if it may be one thing or another.
    cause: Option<Answer>,
    /// The same, or else what is the likeliest.
    unsure: Answer,
    /// Whether engines may police what a pod sends to its own node (K-73).
    node_local_is_open: bool,
    /// For questions about single connections.
    readings: Readings<'w>,
    by: By,
    /// The ports in question; empty for all.
    ports: Vec<(Protocol, u16, u16)>,
    sources: Arc<Units>,
    /// None if they are the sources.
    targets: Option<Arc<Units>>,
    /// The Service in question: its backends are met through its address.
    service: Option<ServiceId>,
    outside_sources: Outside,
    outside_targets: Outside,
    egress: PlainSide<'e>,
    ingress: PlainSide<'e>,
    egress_parts: Parts,
    ingress_parts: Parts,
    targets_by_class: ByClass,
    /// By plain set of the egress side: whether it holds all usual destinations, by family.
    wide: Vec<[bool; 2]>,
    /// The classes of destinations that rows alone decide about, by family.
    usual: [Runs<u32>; 2],
    irregular_targets: Vec<u32>,
    shapes: Shapes,
    /// By destination, where destinations are not the sources: sources with common members.
    overlaps: FxHashMap<u32, Vec<u32>>,
    /// By source: the same the other way round.
    overlapped: FxHashMap<u32, Vec<u32>>,
}

impl<'e, 'w> ReachMap<'e, 'w> {
    /// Prepares the answers; `pinned` are the switches that somebody has set, so that their readings
    /// are not open.
    ///
    /// # Errors
    /// When the question has no answer.
    pub fn new(
        eval: &'e Evaluator<'w>,
        reach: &'e Reach,
        profile: &Profile,
        pinned: &[String],
        question: &Question<'_>,
    ) -> Result<Self, QuestionError> {
        let ends = Ends::of(eval, question)?;
        let also = Arc::new(Alternatives::new(eval, profile, pinned));
        let asked = (question.by, question.ports.clone());
        Ok(Self::between(
            eval,
            reach,
            also,
            (profile, pinned),
            ends,
            asked,
        ))
    }

    /// Prepares the answers about these ends.
    pub(in crate::analysis) fn between(
        eval: &'e Evaluator<'w>,
        reach: &'e Reach,
        also: Arc<Alternatives<'w>>,
        (profile, pinned): (&Profile, &[String]),
        ends: Ends,
        (by, ports): (By, Vec<(Protocol, u16, u16)>),
    ) -> Self {
        let cause = cause(eval);
        let unsure = cause.unwrap_or(Answer::Address);
        let views = also.views(reach);
        let sources = ends.sources.units(eval, views, by);
        let targets = ends
            .targets
            .as_ref()
            .map(|targets| targets.units(eval, views, by));
        let seen = targets.as_deref().unwrap_or(&sources);
        let egress_parts = Parts::new(&sources, |group| group.look.seen.egress);
        let ingress_parts = Parts::new(seen, |group| group.look.seen.ingress);
        let egress = PlainSide::new(reach.side(Direction::Egress), egress_parts.rows(), unsure);
        let ingress = PlainSide::new(reach.side(Direction::Ingress), ingress_parts.rows(), unsure);
        let usual = [Family::V4, Family::V6].map(|family| usual(seen, family));
        let [usual4, usual6] = &usual;
        let plain = 0..u32::try_from(egress.len()).unwrap_or(u32::MAX);
        let wide = plain.map(|plain| {
            [
                usual4.is_subset(egress.classes(plain, Family::V4)),
                usual6.is_subset(egress.classes(plain, Family::V6)),
            ]
        });
        let wide = wide.collect();
        let irregular = (0..).zip(seen.all()).filter(|(_, unit)| unit.irregular);
        let irregular_targets = irregular.map(|(number, _)| number).collect();
        let targets_by_class = ByClass::new(reach.classes(), ingress_parts.classes(seen.all()));
        let overlaps = match &targets {
            Some(targets) => overlaps(&sources, targets),
            None => FxHashMap::default(),
        };
        let mut overlapped: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for target in (0..).take(targets.as_ref().map_or(0, |targets| targets.all().len())) {
            for source in overlaps.get(&target).into_iter().flatten() {
                overlapped.entry(*source).or_default().push(target);
            }
        }
        let mut map = Self {
            eval,
            reach,
            also,
            cause,
            unsure,
            node_local_is_open: is_open(profile, pinned, Point::NodeLocal)
                && eval.switches.node_local == NodeLocal::ExemptBoth,
            readings: Readings::new(eval.world, eval.ruleset, profile, pinned),
            by,
            ports,
            sources,
            targets,
            service: ends.service,
            outside_sources: ends.outside_sources,
            outside_targets: ends.outside_targets,
            egress,
            ingress,
            egress_parts,
            ingress_parts,
            targets_by_class,
            wide,
            usual,
            irregular_targets,
            shapes: Shapes::default(),
            overlaps,
            overlapped,
        };
        map.shapes = map.find_shapes();
        map
    }

    /// Rows for host-network pods as pods with labels, where that is open.
    fn other(&self) -> Option<&(Evaluator<'w>, Reach)> {
        self.also.other.as_ref()
    }

    /// Rows for a request that no rule admits.
    fn strict(&self) -> Option<&Reach> {
        self.also.strict.as_ref()
    }

    fn find_shapes(&self) -> Shapes {
        let sources = ByClass::new(
            self.reach.classes(),
            self.egress_parts.classes(self.sources.all()),
        );
        let targets = (0..).zip(self.targets().all());
        let usual = targets.filter(|(_, unit)| !unit.irregular);
        Shapes::new(
            &self.ingress,
            &sources,
            self.sources.all().len(),
            usual.map(|(target, _)| (target, self.ingress_parts.of(target as usize))),
            |target| self.overlapping_sources(target),
        )
    }

    /// Who connects.
    #[must_use]
    pub fn sources(&self) -> &Units {
        &self.sources
    }

    /// To whom.
    #[must_use]
    pub fn targets(&self) -> &Units {
        self.targets.as_deref().unwrap_or(&self.sources)
    }

    /// Whether sources and destinations are the same units, under the same numbers.
    #[must_use]
    pub fn is_square(&self) -> bool {
        self.targets.is_none()
    }

    /// What pods are grouped by.
    #[must_use]
    pub fn by(&self) -> By {
        self.by
    }

    /// Whether host-network pods or nodes made answers uncertain that depend on the engine.
    #[must_use]
    pub fn judges_other_readings(&self) -> bool {
        self.other().is_some()
    }

    fn is_wide(&self, plain: u32, family: Family) -> bool {
        let wide = self.wide.get(plain as usize);
        wide.is_some_and(|[v4, v6]| if family == Family::V4 { *v4 } else { *v6 })
    }

    fn usual(&self, family: Family) -> &Runs<u32> {
        let [v4, v6] = &self.usual;
        if family == Family::V4 { v4 } else { v6 }
    }

    fn overlap(&self, source: u32, target: u32) -> bool {
        match self.targets {
            None => source == target,
            Some(_) => {
                let sources = self.overlaps.get(&target);
                sources.is_some_and(|sources| sources.contains(&source))
            }
        }
    }

    fn overlapping_sources(&self, target: u32) -> Vec<u32> {
        match self.targets {
            None => vec![target],
            Some(_) => self.overlaps.get(&target).cloned().unwrap_or_default(),
        }
    }

    fn overlapping_targets(&self, source: u32) -> Vec<u32> {
        match self.targets {
            None => vec![source],
            Some(_) => self.overlapped.get(&source).cloned().unwrap_or_default(),
        }
    }
}

/// Rows without the rules that admit certain requests only; none if there are no such rules.
fn strict(eval: &Evaluator<'_>) -> Option<Reach> {
    if eval.world.objects.is_empty() {
        return None;
    }
    let unconditional = |rule: &Rule| !rule.narrows_requests();
    let all = |tiers: &[Tier]| {
        let mut rules = tiers.iter().flat_map(|tier| &tier.policies);
        rules.all(|policy| policy.rules.iter().all(unconditional))
    };
    if all(&eval.ruleset.ingress) && all(&eval.ruleset.egress) {
        return None;
    }
    let mut ruleset = eval.ruleset.clone();
    for tier in ruleset.ingress.iter_mut().chain(&mut ruleset.egress) {
        for policy in &mut tier.policies {
            policy.rules.retain(unconditional);
        }
    }
    let strict = Evaluator::new(eval.world, &ruleset, eval.switches);
    Some(Reach::new(&strict))
}

/// Whether rows tell why an answer is uncertain, so that no pair has to be asked.
pub(super) fn tells_why(eval: &Evaluator<'_>) -> bool {
    cause(eval).is_some()
}

/// What rows are not sure of, as far as it can be but one thing.
fn cause(eval: &Evaluator<'_>) -> Option<Answer> {
    if eval.world.objects.is_empty() {
        return Some(Answer::Address);
    }
    let tiers = eval.ruleset.ingress.iter().chain(&eval.ruleset.egress);
    let policies = || tiers.clone().flat_map(|tier| &tier.policies);
    let mut rules = policies().flat_map(|policy| &policy.rules);
    let world = eval.world;
    let mut by_address = false;
    for peer in policies()
        .flat_map(|policy| &policy.rules)
        .flat_map(|rule| &rule.peers)
    {
        peer.leaves(&mut |leaf| by_address |= matches!(leaf, Peer::Block(..)));
    }
    let address = by_address
        && (world.nodes.iter().any(|node| node.ips.is_empty())
            || world
                .endpoints
                .iter()
                .any(|endpoint| endpoint.ips.is_empty()));
    let place = policies().any(|policy| {
        let peers = policy.rules.iter().flat_map(|rule| &rule.peers);
        peers.into_iter().any(Peer::is_relative)
    });
    let causes = [
        (address, Answer::Address),
        (
            rules.any(|rule| rule.source_ports.is_some()),
            Answer::SourcePort,
        ),
        (policies().any(|policy| policy.tie.is_some()), Answer::Tie),
        (place, Answer::Place),
    ];
    let mut found = causes.iter().filter(|(is, _)| *is).map(|(_, cause)| *cause);
    match (found.next(), found.next()) {
        (Some(one), None) => Some(one),
        (None, _) => Some(Answer::Address),
        _ => None,
    }
}

/// The classes of pods with networks of their own, in units without others, that have a family.
fn usual(units: &Units, family: Family) -> Runs<u32> {
    let regular = units.all().iter().filter(|unit| !unit.irregular);
    let groups = regular.flat_map(|unit| units.groups_of(unit));
    let having = groups
        .filter(|group| group.look.standing == Standing::Pod && group.look.families.has(family));
    Runs::from_numbers(having.map(|group| group.look.seen.class))
}

/// By destination: the sources with members in common.
fn overlaps(sources: &Units, targets: &Units) -> FxHashMap<u32, Vec<u32>> {
    let mut source_of: FxHashMap<Party, u32> = FxHashMap::default();
    for (number, unit) in (0..).zip(sources.all()) {
        source_of.extend(
            sources
                .parties_of(unit)
                .iter()
                .map(|party| (*party, number)),
        );
    }
    let mut found = FxHashMap::default();
    for (number, unit) in (0..).zip(targets.all()) {
        let parties = targets.parties_of(unit).iter();
        let mut own: Vec<u32> = parties
            .filter_map(|party| source_of.get(party).copied())
            .collect();
        own.sort_unstable();
        own.dedup();
        if !own.is_empty() {
            found.insert(number, own);
        }
    }
    found
}
