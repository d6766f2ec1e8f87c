//! Sets of peers, each stored once.
//!
//! A set says which classes of endpoints are in it, per address family, and which addresses of the
//! outside world. Its four parts are shared between sets, and equal sets have equal ids. A union with
//! a large set is kept as a list of its members: thousands of rows that each add a few pods of their
//! own to what one block covers shall not repeat the block.

use std::borrow::Cow;
use std::hash::{BuildHasher as _, Hash};
use std::net::IpAddr;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::Peer;
use crate::eval::Family;
use crate::sets::{Bound, Runs};

/// A set of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetId(u32);

impl SetId {
    /// Nobody.
    pub const NONE: Self = Self(0);
    /// Anybody.
    pub const ALL: Self = Self(1);
}

/// A part of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PartId(u32);

impl PartId {
    const NONE: Self = Self(0);
    const ALL: Self = Self(1);
}

/// The parts of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Parts {
    /// Classes of endpoints and nodes, when seen over IPv4 and over IPv6.
    classes: [PartId; 2],
    /// Addresses that belong to none of them.
    v4: PartId,
    v6: PartId,
}

impl Parts {
    const fn same(part: PartId) -> Self {
        Self {
            classes: [part; 2],
            v4: part,
            v6: part,
        }
    }

    fn map2(self, other: Self, mut op: impl FnMut(Axis, PartId, PartId) -> PartId) -> Self {
        let [mine4, mine6] = self.classes;
        let [other4, other6] = other.classes;
        let narrow = op(Axis::Classes, mine4, other4);
        // Most sets have the same classes over both families.
        let wide = match (mine4, other4) == (mine6, other6) {
            true => narrow,
            false => op(Axis::Classes, mine6, other6),
        };
        Self {
            classes: [narrow, wide],
            v4: op(Axis::V4, self.v4, other.v4),
            v6: op(Axis::V6, self.v6, other.v6),
        }
    }
}

#[derive(Clone, Copy)]
enum Axis {
    Classes,
    V4,
    V6,
}

/// Values that are stored once.
#[derive(Clone, Debug)]
struct Pool<T> {
    items: Vec<T>,
    /// By hash: the latest item that has it.
    latest: FxHashMap<u64, u32>,
    /// By item: the one before it with the same hash.
    before: Vec<Option<u32>>,
}

impl<T: Eq + Hash> Pool<T> {
    fn starting_with(items: impl IntoIterator<Item = T>) -> Self {
        let mut pool = Self {
            items: Vec::new(),
            latest: FxHashMap::default(),
            before: Vec::new(),
        };
        for item in items {
            pool.intern(item);
        }
        pool
    }

    fn intern(&mut self, item: T) -> u32 {
        let hash = FxBuildHasher.hash_one(&item);
        let latest = self.latest.get(&hash).copied();
        let mut known = latest;
        while let Some(id) = known {
            if *self.get(id) == item {
                return id;
            }
            known = self.before.get(id as usize).copied().flatten();
        }
        let id = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        self.items.push(item);
        self.before.push(latest);
        self.latest.insert(hash, id);
        id
    }

    #[expect(clippy::indexing_slicing, reason = "ids are only made by `intern`")]
    fn get(&self, id: u32) -> &T {
        &self.items[id as usize]
    }
}

fn runs<T: Bound>() -> Pool<Runs<T>> {
    Pool::starting_with([Runs::default(), Runs::all()])
}

/// How a set is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stored {
    Parts(Parts),
    /// The union of these, which are stored as parts; in order.
    Union(Box<[SetId]>),
}

/// A set of more runs than this is not copied into unions ...
const LARGE: usize = 64;
/// ... unless there are more of them than this.
const MEMBERS: usize = 8;

/// All sets of one direction.
#[derive(Clone, Debug)]
pub struct Sets {
    /// Classes and IPv4 addresses.
    narrow: Pool<Runs<u32>>,
    /// IPv6 addresses.
    wide: Pool<Runs<u128>>,
    sets: Pool<Stored>,
    /// What was combined before: many rows begin alike.
    combined: FxHashMap<(Op, SetId, SetId), SetId>,
}

impl Sets {
    pub(super) fn new() -> Self {
        Self {
            narrow: runs(),
            wide: runs(),
            sets: Pool::starting_with(
                [PartId::NONE, PartId::ALL].map(|part| Stored::Parts(Parts::same(part))),
            ),
            combined: FxHashMap::default(),
        }
    }

    /// Forgets what helps only while many rows are made.
    pub(super) fn settle(&mut self) {
        self.combined = FxHashMap::default();
    }

    /// Stores a set.
    pub(super) fn intern(
        &mut self,
        classes: [Runs<u32>; 2],
        v4: Runs<u32>,
        v6: Runs<u128>,
    ) -> SetId {
        let parts = Parts {
            classes: classes.map(|runs| PartId(self.narrow.intern(runs))),
            v4: PartId(self.narrow.intern(v4)),
            v6: PartId(self.wide.intern(v6)),
        };
        self.put(parts)
    }

    /// Classes, whatever the family they are seen over.
    pub(super) fn of_classes(&mut self, classes: Runs<u32>) -> SetId {
        self.intern([classes.clone(), classes], Runs::default(), Runs::default())
    }

    /// Everybody, seen over one family.
    pub(super) fn of_family(&mut self, family: Family) -> SetId {
        let (all, none) = (PartId::ALL, PartId::NONE);
        self.put(match family {
            Family::V4 => Parts {
                classes: [all, none],
                v4: all,
                v6: none,
            },
            Family::V6 => Parts {
                classes: [none, all],
                v4: none,
                v6: all,
            },
        })
    }

    fn put(&mut self, parts: Parts) -> SetId {
        SetId(self.sets.intern(Stored::Parts(parts)))
    }

    /// The sets that make up a set: itself, unless it is a union that is not stored as one.
    #[must_use]
    pub fn members(&self, set: SetId) -> Vec<SetId> {
        match self.sets.get(set.0) {
            Stored::Parts(_) => vec![set],
            Stored::Union(members) => members.to_vec(),
        }
    }

    /// The parts of each member.
    fn parts(&self, set: SetId) -> impl Iterator<Item = Parts> + '_ {
        let (one, more) = match self.sets.get(set.0) {
            Stored::Parts(parts) => (Some(*parts), &[][..]),
            Stored::Union(members) => (None, &**members),
        };
        let more = more.iter().filter_map(|set| match self.sets.get(set.0) {
            Stored::Parts(parts) => Some(*parts),
            Stored::Union(_) => None,
        });
        one.into_iter().chain(more)
    }

    /// The number of distinct sets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sets.items.len()
    }

    /// Whether there is no set; there always are two.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The classes in a set, seen over a family.
    #[must_use]
    pub fn classes(&self, set: SetId, family: Family) -> Cow<'_, Runs<u32>> {
        joined(self.parts(set).map(|parts| {
            let [v4, v6] = parts.classes;
            let part = if family == Family::V4 { v4 } else { v6 };
            self.narrow.get(part.0)
        }))
    }

    /// The IPv4 addresses in a set that belong to no endpoint and no node.
    #[must_use]
    pub fn v4(&self, set: SetId) -> Cow<'_, Runs<u32>> {
        joined(self.parts(set).map(|parts| self.narrow.get(parts.v4.0)))
    }

    /// The IPv6 addresses in a set that belong to no endpoint and no node.
    #[must_use]
    pub fn v6(&self, set: SetId) -> Cow<'_, Runs<u128>> {
        joined(self.parts(set).map(|parts| self.wide.get(parts.v6.0)))
    }

    /// Whether a peer is in a set.
    #[must_use]
    pub fn has(&self, set: SetId, peer: Peer) -> bool {
        match set {
            SetId::NONE => false,
            SetId::ALL => true,
            _ => self.parts(set).any(|parts| match peer {
                Peer::Class(class, Family::V4) => {
                    self.narrow.get(parts.classes[0].0).contains(class)
                }
                Peer::Class(class, Family::V6) => {
                    self.narrow.get(parts.classes[1].0).contains(class)
                }
                Peer::Address(IpAddr::V4(ip)) => self.narrow.get(parts.v4.0).contains(ip.into()),
                Peer::Address(IpAddr::V6(ip)) => self.wide.get(parts.v6.0).contains(ip.into()),
            }),
        }
    }

    pub(super) fn union(&mut self, sets: &[SetId]) -> SetId {
        match *sets {
            [] => return SetId::NONE,
            [one] => return one,
            _ if sets.contains(&SetId::ALL) => return SetId::ALL,
            _ => {}
        }
        let mut members: Vec<SetId> = Vec::with_capacity(sets.len());
        for set in sets.iter().filter(|set| **set != SetId::NONE) {
            match self.sets.get(set.0) {
                Stored::Parts(_) => members.push(*set),
                Stored::Union(more) => members.extend_from_slice(more),
            }
        }
        members.sort_unstable();
        members.dedup();
        match *members {
            [] => return SetId::NONE,
            [one] => return one,
            _ => {}
        }
        let (large, small): (Vec<SetId>, Vec<SetId>) =
            members.iter().partition(|set| self.is_large(**set));
        if large.is_empty() || large.len() > MEMBERS {
            return self.merge(&members);
        }
        let mut members = large;
        if !small.is_empty() {
            let small = self.merge(&small);
            members.push(small);
        }
        match *members {
            _ if members.contains(&SetId::ALL) => SetId::ALL,
            [one] => one,
            _ => {
                members.sort_unstable();
                members.dedup();
                SetId(self.sets.intern(Stored::Union(members.into())))
            }
        }
    }

    fn is_large(&self, set: SetId) -> bool {
        self.parts(set).any(|parts| {
            let [classes4, classes6] = parts.classes;
            let narrow = [classes4, classes6, parts.v4];
            let narrow = narrow
                .iter()
                .map(|part| self.narrow.get(part.0).iter().len());
            narrow
                .max()
                .unwrap_or(0)
                .max(self.wide.get(parts.v6.0).iter().len())
                > LARGE
        })
    }

    /// The union as one set of parts.
    fn merge(&mut self, members: &[SetId]) -> SetId {
        let parts: Vec<Parts> = members.iter().flat_map(|set| self.parts(*set)).collect();
        if let [one] = *parts {
            return self.put(one);
        }
        let mut narrow = |of: fn(&Parts) -> PartId| {
            let all: Vec<PartId> = parts.iter().map(of).collect();
            union(&mut self.narrow, all)
        };
        let over4 = narrow(|parts| parts.classes[0]);
        let mut all = parts.iter();
        let over6 = match all.all(|parts| parts.classes[0] == parts.classes[1]) {
            true => over4,
            false => narrow(|parts| parts.classes[1]),
        };
        let classes = [over4, over6];
        let v4 = narrow(|parts| parts.v4);
        let v6 = union(&mut self.wide, parts.iter().map(|parts| parts.v6).collect());
        self.put(Parts { classes, v4, v6 })
    }

    /// A set as parts.
    fn one(&mut self, set: SetId) -> Parts {
        if let Stored::Parts(parts) = self.sets.get(set.0) {
            return *parts;
        }
        let members = self.members(set);
        let merged = self.merge(&members);
        let found = self.parts(merged).next();
        found.unwrap_or(Parts::same(PartId::NONE))
    }

    pub(super) fn intersection(&mut self, a: SetId, b: SetId) -> SetId {
        match (a, b) {
            (SetId::NONE, _) | (_, SetId::NONE) => SetId::NONE,
            (SetId::ALL, other) | (other, SetId::ALL) => other,
            _ if a == b => a,
            _ => self.combine(a, b, Op::And),
        }
    }

    pub(super) fn difference(&mut self, a: SetId, b: SetId) -> SetId {
        match (a, b) {
            (SetId::NONE, _) | (_, SetId::ALL) => SetId::NONE,
            (_, SetId::NONE) => a,
            _ if a == b => SetId::NONE,
            _ => self.combine(a, b, Op::Without),
        }
    }

    fn combine(&mut self, a: SetId, b: SetId, op: Op) -> SetId {
        if let Some(known) = self.combined.get(&(op, a, b)) {
            return *known;
        }
        let (mine, other) = (self.one(a), self.one(b));
        let parts = mine.map2(other, |axis, a, b| match axis {
            Axis::Classes | Axis::V4 => op.apply(&mut self.narrow, a, b),
            Axis::V6 => op.apply(&mut self.wide, a, b),
        });
        let found = self.put(parts);
        self.combined.insert((op, a, b), found);
        found
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    And,
    Without,
}

impl Op {
    fn apply<T: Bound>(self, pool: &mut Pool<Runs<T>>, a: PartId, b: PartId) -> PartId {
        let known = match (self, a, b) {
            (Self::And, same, other) if same == other => Some(same),
            (Self::And, PartId::NONE, _) | (Self::And, _, PartId::NONE) => Some(PartId::NONE),
            (Self::And, PartId::ALL, other) | (Self::And, other, PartId::ALL) => Some(other),
            (Self::Without, _, PartId::NONE) => Some(a),
            (Self::Without, PartId::NONE, _) | (Self::Without, _, PartId::ALL) => {
                Some(PartId::NONE)
            }
            (Self::Without, same, other) if same == other => Some(PartId::NONE),
            _ => None,
        };
        known.unwrap_or_else(|| {
            let (a, b) = (pool.get(a.0), pool.get(b.0));
            let found = match self {
                Self::And => a.intersection(b),
                Self::Without => a.difference(b),
            };
            PartId(pool.intern(found))
        })
    }
}

fn union<T: Bound>(pool: &mut Pool<Runs<T>>, mut parts: Vec<PartId>) -> PartId {
    parts.sort_unstable_by_key(|part| part.0);
    parts.dedup();
    parts.retain(|part| *part != PartId::NONE);
    match *parts {
        [] => PartId::NONE,
        [one] => one,
        _ if parts.contains(&PartId::ALL) => PartId::ALL,
        _ => {
            let found = Runs::union_of(parts.iter().map(|part| pool.get(part.0)));
            PartId(pool.intern(found))
        }
    }
}

/// The union of runs, borrowed if there is one only.
fn joined<'r, T: Bound>(mut runs: impl Iterator<Item = &'r Runs<T>>) -> Cow<'r, Runs<T>> {
    match (runs.next(), runs.next()) {
        (None, _) => Cow::Owned(Runs::default()),
        (Some(one), None) => Cow::Borrowed(one),
        (Some(one), Some(two)) => Cow::Owned(Runs::union_of([one, two].into_iter().chain(runs))),
    }
}
