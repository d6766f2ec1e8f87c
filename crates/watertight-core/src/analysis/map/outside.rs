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
use crate::eval::Family;
use crate::eval::reach::{Band, Reach, RowId, SetId, Sets};
use crate::manifest::Direction;
use crate::sets::{Bound, Runs};

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
    /// Sources for egress, destinations for ingress; in order.
    pub units: Vec<u32>,
}

/// What decides about the outside: the row under each reading, and the families.
type Decider = (RowId, Option<RowId>, Families);

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
            profiles: Profiles::new(),
        };
        let mut by_deciders: FxHashMap<Vec<Decider>, Option<usize>> = FxHashMap::default();
        let mut by_answer: FxHashMap<Vec<Found>, usize> = FxHashMap::default();
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
                    let row = (!found.is_empty()).then(|| {
                        *by_answer.entry(found).or_insert_with_key(|found| {
                            rows.push(OutsideRow {
                                direction,
                                reached: finder.reached(found),
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

    fn deciders(&self, direction: Direction, units: &Units, unit: &Unit) -> Vec<Decider> {
        let groups = units.groups_of(unit).iter();
        let pods = groups.filter(|group| group.look.standing != Standing::Node);
        let decider = |group: &Group| {
            let look = &group.look;
            let row = |seen: &super::units::Seen| match direction {
                Direction::Egress => seen.egress,
                Direction::Ingress => seen.ingress,
            };
            let on_host = look.standing == Standing::HostPod;
            let other = look.other.as_ref().filter(|_| on_host).map(row);
            (row(&look.seen), other, look.families)
        };
        let mut found: Vec<Decider> = pods.map(decider).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Addresses with one profile.
type Found = (ProfileId, Runs<u32>, Runs<u128>);

struct Finder<'m, 'e, 'w> {
    map: &'m ReachMap<'e, 'w>,
    direction: Direction,
    /// The addresses in question.
    within: (Runs<u32>, Runs<u128>),
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

    fn reached(&self, found: &[Found]) -> Vec<Reached> {
        let reached = found.iter().map(|(id, v4, v6)| Reached {
            ports: Arc::clone(self.profiles.get(*id)),
            v4: v4.clone(),
            v6: v6.clone(),
        });
        reached.collect()
    }

    /// The addresses of one family, by profile, in the order of the first address of each.
    fn sweep<A: Address>(
        &mut self,
        deciders: &[Decider],
        family: Family,
        within: &Runs<A>,
    ) -> Vec<(ProfileId, Runs<A>)> {
        let map = self.map;
        let other = map.other.as_ref().map(|(_, reach)| reach);
        let mut rows: Vec<(Open<'_, A>, Option<Open<'_, A>>)> = Vec::new();
        let mut without = false;
        for (row, second, families) in deciders {
            if !families.has(family) {
                without = true;
                continue;
            }
            let second = match (second, other) {
                (Some(row), Some(reach)) => Some(Open::new(reach, self.direction, *row)),
                _ => None,
            };
            rows.push((Open::new(map.reach, self.direction, *row), second));
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
        for (row, second) in &rows {
            for open in std::iter::once(row).chain(second) {
                open.bands.iter().for_each(|(_, runs)| cut(runs));
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
            for (row, second) in &rows {
                let mut at = row.at(first, &mut self.profiles);
                if let Some(second) = second {
                    let second = second.at(first, &mut self.profiles);
                    at = self.profiles.unless(at, second, Answer::HostNetwork);
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

/// What a row opens to addresses of one family.
struct Open<'r, A: Address> {
    bands: Vec<(Band, Cow<'r, Runs<A>>)>,
}

impl<'r, A: Address> Open<'r, A> {
    fn new(reach: &'r Reach, direction: Direction, row: RowId) -> Self {
        let side = reach.side(direction);
        let bands = side.row(row).bands().iter();
        let bands = bands.map(|band| (*band, A::runs(side.sets(), band.allowed)));
        Self {
            bands: bands.filter(|(_, runs)| !runs.is_empty()).collect(),
        }
    }

    fn at(&self, address: A, profiles: &mut Profiles) -> ProfileId {
        let open = self.bands.iter().filter(|(_, runs)| runs.contains(address));
        let spans = open.map(|(band, _)| Span {
            protocol: band.protocol,
            first: band.first,
            last: band.last,
            most: Answer::Allowed,
            least: Answer::Allowed,
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

/// The addresses in question, of one family.
fn within<A: Address>(outside: &Outside) -> Runs<A> {
    match outside {
        Outside::Nothing => Runs::default(),
        Outside::World => Runs::all(),
        Outside::Networks(nets) => Runs::from_unsorted(nets.iter().filter_map(A::range).collect()),
    }
}
