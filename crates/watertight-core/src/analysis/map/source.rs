//! One source against all destinations.
//!
//! Most destinations are met through their shape. One by one are looked at: those that the source's
//! own policies name, those that share members with it, and whatever nodes and host-network pods take
//! part in, for the node that a pod runs on is exempt (K-73, K-74).

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::ReachMap;
use super::pairs::PairMemo;
use super::parts::Part;
use super::profile::{Answer, ProfileId, Profiles, Span};
use super::shapes::{Shape, ShapePart};
use super::sides::{EVERYBODY, Share};
use crate::eval::reach::RowId;
use crate::eval::{Connection as Flow, Family, Party};

/// Destinations that a source reaches alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// On which ports; over IPv4 where both ends have it (K-68).
    pub ports: Arc<[Span]>,
    /// On which ports over IPv6, where both ends are known to have both families and this differs.
    pub ipv6: Option<Arc<[Span]>>,
    /// The destinations, in order.
    pub targets: Vec<u32>,
}

/// What a source reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// The source.
    pub source: u32,
    /// Whom it reaches, in the order of the first destination of each.
    pub connections: Vec<Connection>,
}

/// An answer about two units that is still growing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    ports: Option<ProfileId>,
    /// Of those pairs alone that are known to have both families, over each.
    both: [Option<ProfileId>; 2],
}

impl Found {
    /// Adds pairs, over the family that they use.
    pub(super) fn add(&mut self, profiles: &mut Profiles, more: ProfileId) {
        profiles.add(&mut self.ports, more);
    }

    /// Adds pairs that are known to have both families, over one of them.
    pub(super) fn add_family(&mut self, profiles: &mut Profiles, family: Family, more: ProfileId) {
        let [v4, v6] = &mut self.both;
        profiles.add(if family == Family::V4 { v4 } else { v6 }, more);
    }

    fn finish(self) -> Answered {
        let [v4, v6] = self.both;
        Answered {
            ports: self.ports.unwrap_or(ProfileId::NONE),
            ipv6: v6.filter(|_| v4 != v6),
        }
    }
}

/// What is known of a pair of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Answered {
    ports: ProfileId,
    ipv6: Option<ProfileId>,
}

impl Answered {
    pub(super) const NONE: Self = Self {
        ports: ProfileId::NONE,
        ipv6: None,
    };

    fn is_none(self) -> bool {
        self.ports == ProfileId::NONE && self.ipv6.is_none_or(|ipv6| ipv6 == ProfileId::NONE)
    }
}

/// What one worker keeps between sources.
#[derive(Debug)]
pub(super) struct Scratch {
    pub profiles: Profiles,
    pub memo: PairMemo,
    universal: FxHashMap<(RowId, Family), ProfileId>,
    /// By plain set of the ingress side, for the part and family at hand.
    shares: Vec<(u32, Share)>,
    /// By part of shapes, for the same: what is allowed to it.
    met: Vec<(u32, ProfileId)>,
    /// Counts the parts and families; older entries are void.
    round: u32,
    /// By destination: the source that it was looked at for.
    looked_at: Vec<u32>,
    /// By destination: a position in the list of distinct answers, if there is one.
    answer_of: Vec<u32>,
}

const NO_ANSWER: u32 = u32::MAX;

/// No more pairs are asked why an answer is uncertain.
const MOST_ASKED: usize = 64;

/// Whether rows cannot tell why it is uncertain.
fn is_open(answer: Answer) -> bool {
    answer == Answer::Address
}

impl Scratch {
    pub(super) fn new(map: &ReachMap<'_, '_>) -> Self {
        let targets = map.targets().all().len();
        Self {
            profiles: Profiles::new(),
            memo: PairMemo::default(),
            universal: FxHashMap::default(),
            shares: vec![(0, Share::None); map.ingress.len()],
            met: vec![(0, ProfileId::NONE); map.shapes.parts.len()],
            round: 0,
            looked_at: vec![u32::MAX; targets],
            answer_of: vec![NO_ANSWER; targets],
        }
    }
}

/// The distinct answers of one source.
#[derive(Default)]
struct Answers {
    list: Vec<Answered>,
    numbers: FxHashMap<Answered, u32>,
}

impl Answers {
    fn number(&mut self, answered: Answered) -> u32 {
        *self.numbers.entry(answered).or_insert_with(|| {
            self.list.push(answered);
            u32::try_from(self.list.len() - 1).unwrap_or(NO_ANSWER)
        })
    }
}

impl ReachMap<'_, '_> {
    /// What one source reaches.
    pub(super) fn row(&self, source: u32, scratch: &mut Scratch) -> SourceRow {
        let mut answers = Answers::default();
        let one_by_one = self.one_by_one(source, scratch);
        for target in &one_by_one {
            let found = self.pair(source, *target, scratch).finish();
            self.answer(*target, found, &mut answers, scratch);
        }
        if let Some(unit) = self.sources().all().get(source as usize)
            && !unit.irregular
        {
            self.by_shapes(source, &mut answers, scratch);
        }
        let mut row = self.collect(source, &answers, scratch);
        if self.cause.is_none() {
            self.find_causes(&mut row);
        }
        row
    }

    /// Asks about one pair for each uncertain answer why it is uncertain, where rows cannot tell.
    fn find_causes(&self, row: &mut SourceRow) {
        let from = self.sources().all().get(row.source as usize);
        let from = from.map_or(&[][..], |unit| self.sources().parties_of(unit));
        for connection in &mut row.connections {
            if !connection.ports.iter().any(|span| is_open(span.most)) {
                continue;
            }
            let targets = connection.targets.iter();
            let units = targets.filter_map(|target| self.targets().all().get(*target as usize));
            let to = units.flat_map(|unit| self.targets().parties_of(unit));
            let pairs: Vec<(Party, Party)> = to
                .flat_map(|to| from.iter().map(move |from| (*from, *to)))
                .take(MOST_ASKED)
                .collect();
            let why = |span: &Span| {
                let mut causes = pairs.iter().filter_map(|(from, to)| {
                    let flow = Flow::new(*from, *to, span.protocol, span.first);
                    let uncertain = self.eval.verdict(&flow).uncertain?;
                    Some(Answer::of(uncertain.id))
                });
                causes.next()
            };
            let spans = connection.ports.iter().map(|span| {
                let cause = Some(span).filter(|span| is_open(span.most)).and_then(why);
                let of = |answer| match cause {
                    Some(cause) if is_open(answer) => cause,
                    _ => answer,
                };
                Span {
                    most: of(span.most),
                    least: of(span.least),
                    ..*span
                }
            });
            connection.ports = spans.collect();
        }
    }

    fn answer(&self, target: u32, found: Answered, answers: &mut Answers, scratch: &mut Scratch) {
        let found = self.only_asked(found, &mut scratch.profiles);
        if !found.is_none()
            && let Some(entry) = scratch.answer_of.get_mut(target as usize)
        {
            *entry = answers.number(found);
        }
    }

    /// The part that is about the ports in question.
    fn only_asked(&self, found: Answered, profiles: &mut Profiles) -> Answered {
        if self.ports.is_empty() || found == Answered::NONE {
            return found;
        }
        let ports = profiles.only(found.ports, &self.ports);
        let ipv6 = found.ipv6.map(|ipv6| profiles.only(ipv6, &self.ports));
        Answered {
            ports,
            ipv6: ipv6.filter(|ipv6| *ipv6 != ports),
        }
    }

    /// The destinations to be looked at one by one, marked as such.
    fn one_by_one(&self, source: u32, scratch: &mut Scratch) -> Vec<u32> {
        let Some(unit) = self.sources().all().get(source as usize) else {
            return Vec::new();
        };
        if unit.irregular {
            return (0..)
                .zip(self.targets().all())
                .map(|(target, _)| target)
                .collect();
        }
        let mut found = Vec::new();
        let mut mark = |target: u32| {
            if let Some(seen) = scratch.looked_at.get_mut(target as usize)
                && *seen != source
            {
                *seen = source;
                found.push(target);
            }
        };
        self.overlapping_targets(source)
            .into_iter()
            .for_each(&mut mark);
        self.irregular_targets.iter().copied().for_each(&mut mark);
        for part in self.egress_parts.of(source as usize) {
            for band in self.egress.bands(part.row) {
                for plain in band.plain() {
                    for family in [Family::V4, Family::V6] {
                        if !part.families.has(family) || self.is_wide(plain, family) {
                            continue;
                        }
                        for (first, last) in self.egress.classes(plain, family).iter() {
                            let targets = self.targets_by_class.of_run(first, last);
                            targets.iter().copied().for_each(&mut mark);
                        }
                    }
                }
            }
        }
        found
    }

    /// What a row says about every destination that is met through its shape.
    fn universal(&self, row: RowId, family: Family, scratch: &mut Scratch) -> ProfileId {
        if row == RowId::EVERYTHING {
            return ProfileId::ALL;
        }
        if let Some(known) = scratch.universal.get(&(row, family)) {
            return *known;
        }
        let classes = self.usual(family);
        let share = |plain: u32| {
            if plain == EVERYBODY || self.is_wide(plain, family) {
                Share::All
            } else {
                Share::None
            }
        };
        let bands = self.egress.bands(row);
        let found = self
            .egress
            .profile(&mut scratch.profiles, bands, family, classes, share);
        scratch.universal.insert((row, family), found);
        found
    }

    fn by_shapes(&self, source: u32, answers: &mut Answers, scratch: &mut Scratch) {
        let parts = self.egress_parts.of(source as usize);
        let sends = parts.iter().any(|part| {
            [Family::V4, Family::V6].into_iter().any(|family| {
                part.families.has(family)
                    && self.universal(part.row, family, scratch) != ProfileId::NONE
            })
        });
        if !sends {
            return;
        }
        let candidates = self.shapes.candidates(source);
        // By part, then by shape: what a plain set holds of a part is looked up once.
        let mut found = vec![Found::default(); candidates.len()];
        for part in parts {
            for family in [Family::V4, Family::V6] {
                if !part.families.has(family) {
                    continue;
                }
                scratch.round = scratch.round.wrapping_add(1);
                let sent = self.universal(part.row, family, scratch);
                for (shape, found) in candidates.iter().zip(&mut found) {
                    if let Some(shape) = self.shapes.all.get(*shape as usize) {
                        self.meet_shape(part, family, sent, shape, found, scratch);
                    }
                }
            }
        }
        for (shape, found) in candidates.iter().zip(found) {
            let found = self.only_asked(found.finish(), &mut scratch.profiles);
            let Some(shape) = self
                .shapes
                .all
                .get(*shape as usize)
                .filter(|_| !found.is_none())
            else {
                continue;
            };
            let number = answers.number(found);
            for target in &shape.targets {
                if scratch.looked_at.get(*target as usize) != Some(&source)
                    && let Some(entry) = scratch.answer_of.get_mut(*target as usize)
                {
                    *entry = number;
                }
            }
        }
    }

    /// Adds what a part of a source sends to a shape over one family.
    fn meet_shape(
        &self,
        part: &Part,
        family: Family,
        sent: ProfileId,
        shape: &Shape,
        found: &mut Found,
        scratch: &mut Scratch,
    ) {
        for number in &shape.parts {
            let Some(of) = self.shapes.parts.get(*number as usize) else {
                continue;
            };
            let common = part.families.common(of.families);
            let both_known = part.families.both_known && of.families.both_known;
            match common {
                Some(common) if common == family || both_known => {
                    let met = match scratch.met.get(*number as usize) {
                        Some((round, met)) if *round == scratch.round => *met,
                        _ => {
                            let accepted = self.accepted(part, family, of, scratch);
                            let met = scratch.profiles.meet(sent, accepted);
                            if let Some(entry) = scratch.met.get_mut(*number as usize) {
                                *entry = (scratch.round, met);
                            }
                            met
                        }
                    };
                    if common == family {
                        found.add(&mut scratch.profiles, met);
                    }
                    if both_known {
                        found.add_family(&mut scratch.profiles, family, met);
                    }
                }
                // K-68: no family in common. Said once, not once a family.
                None if part.families.first() == Some(family) => {
                    found.add(&mut scratch.profiles, ProfileId::NONE);
                }
                _ => {}
            }
        }
    }

    /// What a part of a shape accepts from a part of a source.
    fn accepted(
        &self,
        part: &Part,
        family: Family,
        of: &ShapePart,
        scratch: &mut Scratch,
    ) -> ProfileId {
        if of.open {
            return ProfileId::ALL;
        }
        let (shares, round) = (&mut scratch.shares, scratch.round);
        let share = |plain: u32| match shares.get_mut(plain as usize) {
            Some((known, share)) if *known == round => *share,
            Some(entry) => {
                let share = self.ingress.share(plain, family, &part.classes);
                *entry = (round, share);
                share
            }
            None => Share::None,
        };
        self.ingress.profile(
            &mut scratch.profiles,
            &of.bands,
            family,
            &part.classes,
            share,
        )
    }

    /// Puts the destinations of each answer together, and forgets them.
    fn collect(&self, source: u32, answers: &Answers, scratch: &mut Scratch) -> SourceRow {
        let mut targets: Vec<Vec<u32>> = vec![Vec::new(); answers.list.len()];
        if !targets.is_empty() {
            for (target, number) in (0..).zip(&mut scratch.answer_of) {
                if let Some(list) = targets.get_mut(*number as usize) {
                    list.push(target);
                    *number = NO_ANSWER;
                }
            }
        }
        let mut connections: Vec<Connection> = answers
            .list
            .iter()
            .zip(targets)
            .filter(|(_, targets)| !targets.is_empty())
            .map(|(answered, targets)| Connection {
                ports: Arc::clone(scratch.profiles.get(answered.ports)),
                ipv6: answered
                    .ipv6
                    .map(|ipv6| Arc::clone(scratch.profiles.get(ipv6))),
                targets,
            })
            .collect();
        connections.sort_unstable_by(|a, b| a.targets.first().cmp(&b.targets.first()));
        SourceRow {
            source,
            connections,
        }
    }
}
