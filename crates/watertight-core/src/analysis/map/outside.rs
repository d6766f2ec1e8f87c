//! The outside: which addresses a unit may send to, and from which it may be met, as few ranges.
//!
//! Units with the same rows have the same answer, which is found once: the bounds of all ranges in
//! their rows cut the address space, and neighbours with equal answers are one range. An address that
//! a pod or a node of the input owns is theirs: such addresses inside of a range are no part of the
//! answer.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::ReachMap;
use super::profile::{Answer, ProfileId, Profiles, Span};
use super::question::Outside;
use super::units::{Families, Group, Standing, Unit, Units};
use crate::eval::reach::{Band, Outcome, Reach, RowId, SetId, Sets};
use crate::eval::{Family, Party};
use crate::manifest::Direction;
use crate::policy::Peer;
use crate::sets::{Bound, Runs};
use crate::world::{NameId, World};

/// Addresses with the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// On which ports.
    pub ports: Arc<[Span]>,
    /// The IPv4 addresses.
    pub v4: Runs<u32>,
    /// The IPv6 addresses.
    pub v6: Runs<u128>,
}

/// Units that have the same answer about the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideRow {
    /// Egress: the units send; ingress: they are met.
    pub direction: Direction,
    /// The addresses, in order; an address is in one of them at most.
    pub reached: Vec<Reached>,
    /// DNS names that are reached otherwise than any address is (A-31, L-57), by ports.
    pub names: Vec<(Arc<[Span]>, Vec<NameId>)>,
    /// Sources for egress, destinations for ingress; in order.
    pub units: Vec<u32>,
}

/// What decides about the outside: the row under each reading, and the families.
type Decider = (RowId, Option<RowId>, Option<RowId>, Families);

impl ReachMap<'_, '_> {
    /// What is reached outside, and from where outside units are reached; units of which nothing is
    /// to be said are left out.
    #[must_use]
    pub fn outside(&self) -> Vec<OutsideRow> {
        let mut rows = self.outside_of(Direction::Egress, self.sources(), &self.outside_targets);
        rows.extend(self.outside_of(Direction::Ingress, self.targets(), &self.outside_sources));
        rows
    }

    fn outside_of(
        &self,
        direction: Direction,
        units: &Units,
        outside: &Outside,
    ) -> Vec<OutsideRow> {
        if *outside == Outside::Nothing {
            return Vec::new();
        }
        let mut finder = Finder {
            map: self,
            direction,
            within: (within(outside), within(outside)),
            owned: match outside {
                Outside::World => Some(self.also.owned(self.eval.world)),
                _ => None,
            },
            profiles: Profiles::new(),
        };
        let mut by_deciders: FxHashMap<Vec<Decider>, Option<usize>> = FxHashMap::default();
        let mut by_answer: FxHashMap<(Vec<Found>, Vec<Named>), usize> = FxHashMap::default();
        let mut rows: Vec<OutsideRow> = Vec::new();
        for (number, unit) in (0..).zip(units.all()) {
            let deciders = self.deciders(direction, units, unit);
            if deciders.is_empty() {
                continue;
            }
            let row = match by_deciders.get(&deciders) {
                Some(known) => *known,
                None => {
                    let found = finder.find(&deciders);
                    let named = finder.names(units, unit, outside, &found);
                    let found = finder.unowned(found);
                    let row = (!found.is_empty() || !named.is_empty()).then(|| {
                        let answer = (found, named);
                        *by_answer
                            .entry(answer)
                            .or_insert_with_key(|(found, named)| {
                                rows.push(OutsideRow {
                                    direction,
                                    reached: finder.reached(found),
                                    names: finder.named(named),
                                    units: Vec::new(),
                                });
                                rows.len() - 1
                            })
                    });
                    by_deciders.insert(deciders, row);
                    row
                }
            };
            if let Some(row) = row.and_then(|row| rows.get_mut(row)) {
                row.units.push(number);
            }
        }
        rows
    }

    /// Whether a rule that may decide for a party is about a name.
    fn is_named_by(&self, party: Party, name: NameId) -> bool {
        let world = self.eval.world;
        let text = &world[name].text;
        let policies = match party {
            Party::Endpoint(id) => self.eval.policies_of(id, Direction::Egress),
            Party::Node(id) => self.eval.policies_of_node(id, Direction::Egress),
            Party::Address(_) | Party::Name(_) => &[],
        };
        let rules = policies.iter().flat_map(|at| &self.eval.ruleset[*at].rules);
        let mut found = false;
        for peer in rules.flat_map(|rule| &rule.peers) {
            peer.leaves(&mut |leaf| {
                if let Peer::Domain(pattern, ..) = leaf {
                    found |= pattern.matches(text);
                }
            });
        }
        found
    }

    fn deciders(&self, direction: Direction, units: &Units, unit: &Unit) -> Vec<Decider> {
        let groups = units.groups_of(unit).iter();
        let is_judged = |group: &&Group| match (group.look.standing, direction) {
            (Standing::Node, Direction::Egress) => group.look.seen.egress != RowId::EVERYTHING,
            (Standing::Node, Direction::Ingress) => group.look.seen.ingress != RowId::EVERYTHING,
            _ => true,
        };
        let pods = groups.filter(is_judged);
        let decider = |group: &Group| {
            let look = &group.look;
            let row = |seen: &super::units::Seen| match direction {
                Direction::Egress => seen.egress,
                Direction::Ingress => seen.ingress,
            };
            let on_host = look.standing == Standing::HostPod;
            let other = look.other.as_ref().filter(|_| on_host).map(row);
            let strict = look.strict.as_ref().filter(|_| look.conditional);
            (row(&look.seen), other, strict.map(row), look.families)
        };
        let mut found: Vec<Decider> = pods.map(decider).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Addresses with one profile.
type Found = (ProfileId, Runs<u32>, Runs<u128>);

/// DNS names with one profile.
type Named = (ProfileId, Vec<NameId>);

struct Finder<'m, 'e, 'w> {
    map: &'m ReachMap<'e, 'w>,
    direction: Direction,
    /// The addresses in question.
    within: (Runs<u32>, Runs<u128>),
    /// Those that pods and nodes own.
    owned: Option<&'m Owned>,
    profiles: Profiles,
}

impl Finder<'_, '_, '_> {
    fn find(&mut self, deciders: &[Decider]) -> Vec<Found> {
        let v4 = self.sweep::<u32>(deciders, Family::V4, &self.within.0.clone());
        let v6 = self.sweep::<u128>(deciders, Family::V6, &self.within.1.clone());
        let mut ids: Vec<ProfileId> = v4.iter().map(|(id, ..)| *id).collect();
        for (id, ..) in &v6 {
            if !ids.contains(id) {
                ids.push(*id);
            }
        }
        let runs4 = |id| {
            v4.iter()
                .find(|(of, _)| *of == id)
                .map(|(_, runs)| runs.clone())
        };
        let runs6 = |id| {
            v6.iter()
                .find(|(of, _)| *of == id)
                .map(|(_, runs)| runs.clone())
        };
        let found = ids.into_iter().map(|id| {
            let (v4, v6) = (runs4(id), runs6(id));
            (id, v4.unwrap_or_default(), v6.unwrap_or_default())
        });
        found.collect()
    }

    /// Without the ranges in which nobody is but pods and nodes, which are told by name.
    fn unowned(&self, found: Vec<Found>) -> Vec<Found> {
        let left = found.into_iter().map(|(id, v4, v6)| match self.owned {
            Some((own4, own6)) => (id, beyond(&v4, own4), beyond(&v6, own6)),
            None => (id, v4, v6),
        });
        left.filter(|(_, v4, v6)| !v4.is_empty() || !v6.is_empty())
            .collect()
    }

    fn reached(&self, found: &[Found]) -> Vec<Reached> {
        let reached = found.iter().map(|(id, v4, v6)| Reached {
            ports: Arc::clone(self.profiles.get(*id)),
            v4: v4.clone(),
            v6: v6.clone(),
        });
        reached.collect()
    }

    fn named(&self, named: &[Named]) -> Vec<(Arc<[Span]>, Vec<NameId>)> {
        let named = named.iter();
        named
            .map(|(id, names)| (Arc::clone(self.profiles.get(*id)), names.clone()))
            .collect()
    }

    /// The names that a unit may send to otherwise than to any address.
    fn names(
        &mut self,
        units: &Units,
        unit: &Unit,
        outside: &Outside,
        found: &[Found],
    ) -> Vec<Named> {
        let map = self.map;
        let asked: Vec<NameId> = match (self.direction, outside) {
            (Direction::Ingress, _) => Vec::new(),
            (_, Outside::World) => map.eval.world.name_ids().collect(),
            (_, Outside::Name(name)) => vec![*name],
            (_, Outside::Nothing | Outside::Networks(_)) => Vec::new(),
        };
        let everything = |group: &Group| group.look.seen.egress == RowId::EVERYTHING;
        let groups = units.groups_of(unit);
        let is_all = *outside == Outside::World;
        if asked.is_empty() || (is_all && groups.iter().all(everything)) {
            return Vec::new();
        }
        // What every address has is no matter of names.
        let mut common = None;
        if is_all && covers_a_family(found) {
            for (id, ..) in found {
                common = Some(match common {
                    Some(known) => self.profiles.meet(known, *id),
                    None => *id,
                });
            }
        }
        let common = self.certain(common.unwrap_or(ProfileId::NONE));
        let mut named: Vec<Named> = Vec::new();
        for name in asked {
            let mut profile = None;
            for group in groups {
                let Some(from) = units.parties.get(group.parties.start) else {
                    continue;
                };
                let one = self.sent_to(*from, name, group.look.conditional);
                self.profiles.add(&mut profile, one);
            }
            let mut profile = profile.unwrap_or(ProfileId::NONE);
            if !map.ports.is_empty() {
                profile = self.profiles.only(profile, &map.ports);
            }
            let certain = self.certain(profile);
            let is_said = certain == common && common != ProfileId::NONE;
            let named_by = |group: &Group| {
                let from = units.parties.get(group.parties.start);
                from.is_some_and(|from| map.is_named_by(*from, name))
            };
            if profile == ProfileId::NONE || (is_all && (is_said || !groups.iter().any(named_by))) {
                continue;
            }
            match named.iter_mut().find(|(of, _)| *of == profile) {
                Some((_, names)) => names.push(name),
                None => named.push((profile, vec![name])),
            }
        }
        named
    }

    /// What is certain in a profile.
    fn certain(&mut self, id: ProfileId) -> ProfileId {
        let spans = self.profiles.get(id).iter().copied();
        let spans = spans.filter(|span| span.least.outcome() == Outcome::Allowed);
        let spans = spans.collect();
        self.profiles.intern(spans)
    }

    fn sent_to(&mut self, from: Party, name: NameId, conditional: bool) -> ProfileId {
        let map = self.map;
        let mut ask = |reach: &Reach| match reach.between(map.eval, from, Party::Name(name)) {
            Some(ports) => {
                let spans = ports.iter().map(|ports| {
                    let answer = match ports.outcome {
                        Outcome::Allowed => Answer::Allowed,
                        Outcome::Uncertain => map.unsure,
                        Outcome::Denied => Answer::Denied,
                    };
                    Span {
                        protocol: ports.protocol,
                        first: ports.first,
                        last: ports.last,
                        most: answer,
                        least: answer,
                    }
                });
                let spans = spans.collect();
                self.profiles.intern(spans)
            }
            None => ProfileId::NONE,
        };
        let default = ask(map.reach);
        let strict = map.strict().filter(|_| conditional).map(ask);
        match strict {
            Some(strict) => self.profiles.unless(default, strict, Answer::Requests),
            None => default,
        }
    }

    /// The addresses of one family, by profile, in the order of the first address of each.
    fn sweep<A: Address>(
        &mut self,
        deciders: &[Decider],
        family: Family,
        within: &Runs<A>,
    ) -> Vec<(ProfileId, Runs<A>)> {
        let map = self.map;
        let other = map.other().map(|(_, reach)| reach);
        let mut rows: Vec<Readings<'_, A>> = Vec::new();
        let mut without = false;
        for (row, second, third, families) in deciders {
            if !families.has(family) {
                without = true;
                continue;
            }
            let second = match (second, other) {
                (Some(row), Some(reach)) => Some(Open::new(reach, self.direction, *row)),
                _ => None,
            };
            let third = match (third, map.strict()) {
                (Some(row), Some(reach)) => Some(Open::new(reach, self.direction, *row)),
                _ => None,
            };
            rows.push((Open::new(map.reach, self.direction, *row), second, third));
        }
        if rows.is_empty() {
            return Vec::new();
        }
        let mut cuts: Vec<A> = Vec::new();
        let mut cut = |runs: &Runs<A>| {
            for (first, last) in runs.iter() {
                cuts.push(first);
                cuts.extend(last.next());
            }
        };
        cut(within);
        for (row, second, third) in &rows {
            for open in std::iter::once(row).chain(second).chain(third) {
                open.bands.iter().for_each(|(_, _, runs)| cut(runs));
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut found: Vec<(ProfileId, Vec<(A, A)>)> = Vec::new();
        let mut positions: FxHashMap<ProfileId, usize> = FxHashMap::default();
        let mut cuts = cuts.into_iter().peekable();
        while let Some(first) = cuts.next() {
            if !within.contains(first) {
                continue;
            }
            let last = cuts
                .peek()
                .and_then(|next| next.previous())
                .unwrap_or(A::MAX);
            let mut profile = without.then_some(ProfileId::NONE);
            for (row, second, third) in &rows {
                let mut at = row.at(first, map.unsure, &mut self.profiles);
                if let Some(second) = second {
                    let second = second.at(first, map.unsure, &mut self.profiles);
                    at = self.profiles.unless(at, second, Answer::HostNetwork);
                }
                if let Some(third) = third {
                    let third = third.at(first, map.unsure, &mut self.profiles);
                    at = self.profiles.unless(at, third, Answer::Requests);
                }
                self.profiles.add(&mut profile, at);
            }
            let mut profile = profile.unwrap_or(ProfileId::NONE);
            if !map.ports.is_empty() {
                profile = self.profiles.only(profile, &map.ports);
            }
            if profile == ProfileId::NONE {
                continue;
            }
            let position = *positions.entry(profile).or_insert_with(|| {
                found.push((profile, Vec::new()));
                found.len() - 1
            });
            if let Some((_, runs)) = found.get_mut(position) {
                runs.push((first, last));
            }
        }
        found
            .into_iter()
            .map(|(profile, runs)| (profile, Runs::from_unsorted(runs)))
            .collect()
    }
}

/// Whether answers say something of every address of a family.
fn covers_a_family(found: &[Found]) -> bool {
    let v4 = Runs::union_of(
        &found
            .iter()
            .map(|(_, v4, _)| v4.clone())
            .collect::<Vec<_>>(),
    );
    let v6 = Runs::union_of(&found.iter().map(|(.., v6)| v6.clone()).collect::<Vec<_>>());
    v4.is_all() || v6.is_all()
}

/// A row by default, with host-network pods read otherwise, and for requests that no rule admits.
type Readings<'r, A> = (Open<'r, A>, Option<Open<'r, A>>, Option<Open<'r, A>>);

/// What a row opens, or may open, to addresses of one family.
struct Open<'r, A: Address> {
    bands: Vec<(Band, bool, Cow<'r, Runs<A>>)>,
}

impl<'r, A: Address> Open<'r, A> {
    fn new(reach: &'r Reach, direction: Direction, row: RowId) -> Self {
        let side = reach.side(direction);
        let bands = side.row(row).bands().iter();
        let bands = bands.flat_map(|band| {
            [(true, band.allowed), (false, band.maybe)]
                .map(|(allowed, set)| (*band, allowed, A::runs(side.sets(), set)))
        });
        Self {
            bands: bands.filter(|(_, _, runs)| !runs.is_empty()).collect(),
        }
    }

    fn at(&self, address: A, unsure: Answer, profiles: &mut Profiles) -> ProfileId {
        let open = self.bands.iter();
        let open = open.filter(|(_, _, runs)| runs.contains(address));
        let spans = open.map(|(band, allowed, _)| {
            let answer = if *allowed { Answer::Allowed } else { unsure };
            Span {
                protocol: band.protocol,
                first: band.first,
                last: band.last,
                most: answer,
                least: answer,
            }
        });
        let spans = spans.collect();
        profiles.intern(spans)
    }
}

/// Addresses of one family.
trait Address: Bound {
    fn runs(sets: &Sets, set: SetId) -> Cow<'_, Runs<Self>>;

    /// The first and the last address of a network, if it is of this family.
    fn range(net: &IpNet) -> Option<(Self, Self)>;
}

impl Address for u32 {
    fn runs(sets: &Sets, set: SetId) -> Cow<'_, Runs<Self>> {
        sets.v4(set)
    }

    fn range(net: &IpNet) -> Option<(Self, Self)> {
        match (net.network(), net.broadcast()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => Some((first.into(), last.into())),
            _ => None,
        }
    }
}

impl Address for u128 {
    fn runs(sets: &Sets, set: SetId) -> Cow<'_, Runs<Self>> {
        sets.v6(set)
    }

    fn range(net: &IpNet) -> Option<(Self, Self)> {
        match (net.network(), net.broadcast()) {
            (IpAddr::V6(first), IpAddr::V6(last)) => Some((first.into(), last.into())),
            _ => None,
        }
    }
}

/// Addresses that have an owner, of both families.
pub(in crate::analysis) type Owned = (Runs<u32>, Runs<u128>);

/// The addresses of pods and nodes.
pub(in crate::analysis) fn owned(world: &World) -> Owned {
    let pods = world.endpoint_ids().flat_map(|id| &world[id].ips);
    let pods = pods.filter(|ip| world.endpoint_at(**ip).is_some());
    let nodes = world.node_ids().flat_map(|id| &world[id].ips);
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for ip in pods.chain(nodes) {
        match ip {
            IpAddr::V4(ip) => v4.push(u32::from(*ip)),
            IpAddr::V6(ip) => v6.push(u128::from(*ip)),
        }
    }
    (Runs::from_numbers(v4), Runs::from_numbers(v6))
}

/// The ranges that have addresses other than these.
pub(in crate::analysis) fn beyond<A: Bound>(runs: &Runs<A>, owned: &Runs<A>) -> Runs<A> {
    let inside = |(first, last): &(A, A)| owned.run_of(*first).is_some_and(|(_, end)| *last <= end);
    Runs::from_unsorted(runs.iter().filter(|run| !inside(run)).collect())
}

/// The addresses in question, of one family.
fn within<A: Address>(outside: &Outside) -> Runs<A> {
    match outside {
        Outside::Nothing | Outside::Name(_) => Runs::default(),
        Outside::World => Runs::all(),
        Outside::Networks(nets) => Runs::from_unsorted(nets.iter().filter_map(A::range).collect()),
    }
}
