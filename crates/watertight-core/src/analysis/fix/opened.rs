//! What one cluster allows that another one of the same pods does not.
//!
//! One side is held against one side first: where every row of the later cluster allows no more than
//! the row of the same pods did, nothing is new and no pair is looked at. Only what a side allows more
//! is followed to the pairs that it can make.
//!
//! INVARIANT: parties are those that are in both clusters, and addresses outside; an answer that is
//! less sure than "denied" counts as allowed, so that nothing opens unseen.

mod groups;
mod pairs;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use self::groups::{Both, Classes, Group, Own};
use crate::eval::reach::{Band, Outcome, Peer as Seen, Reach, RowId, SetId, Side};
use crate::eval::{Evaluator, Family, Party};
use crate::manifest::Direction;
use crate::rules::some_of;
use crate::sets::{Protocol, Runs};
use crate::world::EndpointId;

/// A cluster with its rows.
#[derive(Clone, Copy, Debug)]
pub struct State<'s, 'w> {
    /// The cluster.
    pub eval: &'s Evaluator<'w>,
    /// Its rows.
    pub reach: &'s Reach,
}

/// Ports on which somebody may talk to somebody who could not before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opened {
    /// Who connects.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

impl std::fmt::Display for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {} ", self.from, self.to)?;
        let protocol = self.protocol.word();
        match (self.protocol, self.first, self.last) {
            (Protocol::Icmp, ..) => f.write_str(protocol),
            (_, 0 | 1, u16::MAX) => write!(f, "all {protocol}"),
            (_, first, last) if first == last => write!(f, "{first}/{protocol}"),
            (_, first, last) => write!(f, "{first}-{last}/{protocol}"),
        }
    }
}

/// At most three of them, in words.
#[must_use]
pub fn examples(opened: &[Opened]) -> String {
    let all: Vec<_> = opened.iter().map(|one| format!("`{one}`")).collect();
    some_of(&all)
}

/// What `after` allows and `before` does not: at least one of it if there is any, and no more than
/// `limit`. A name of DNS is asked about if both worlds know it.
#[must_use]
pub fn opened(before: State<'_, '_>, after: State<'_, '_>, limit: usize) -> Vec<Opened> {
    Comparison::new(before, after).opened(limit)
}

/// Whether two clusters allow the same.
#[must_use]
pub fn same(a: State<'_, '_>, b: State<'_, '_>) -> bool {
    opened(a, b, 1).is_empty() && opened(b, a, 1).is_empty()
}

/// A direction, and what is allowed and may be, before and after.
type Sets = (Direction, (SetId, SetId), (SetId, SetId));

struct Comparison<'s, 'w> {
    before: State<'s, 'w>,
    after: State<'s, 'w>,
    groups: Vec<Group>,
    /// The classes of all groups, after and before, each pair once and in order.
    classes: Vec<(u32, u32)>,
    /// Those that belong to no class.
    names: Vec<usize>,
    /// What has been found out about sets.
    known: RefCell<FxHashMap<Sets, bool>>,
    /// One address of every stretch that some block bounds.
    addresses: Vec<Group>,
}

/// What is found, and how much of it is wanted.
struct Openings<'c> {
    limit: usize,
    found: BTreeSet<Opened>,
    /// Who stands for others that open as well.
    groups: Vec<(Direction, &'c Group, &'c Group)>,
}

impl Openings<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }

    fn cut(self) -> Vec<Opened> {
        self.found.into_iter().take(self.limit).collect()
    }
}

impl<'s, 'w> Comparison<'s, 'w> {
    fn new(before: State<'s, 'w>, after: State<'s, 'w>) -> Self {
        let groups = groups::common(before, after);
        let classes: BTreeSet<(u32, u32)> = groups
            .iter()
            .filter_map(|group| group.classes.1.zip(group.classes.0))
            .collect();
        let all = groups.iter().enumerate();
        let names = all.filter(|(_, group)| group.classes.0.zip(group.classes.1).is_none());
        Self {
            names: names.map(|(at, _)| at).collect(),
            classes: classes.into_iter().collect(),
            known: RefCell::default(),
            addresses: groups::addresses(before, after),
            before,
            after,
            groups,
        }
    }

    fn opened(&self, limit: usize) -> Vec<Opened> {
        let mut openings = Openings {
            limit,
            found: BTreeSet::new(),
            groups: Vec::new(),
        };
        for direction in Direction::BOTH {
            // Pods with the same rows before and after are asked about once.
            let mut subjects: BTreeMap<((RowId, RowId), Own), Vec<&Group>> = BTreeMap::new();
            for group in &self.groups {
                let rows = group.row(direction);
                if rows.1 != RowId::EVERYTHING || rows.0 != RowId::EVERYTHING {
                    subjects.entry((rows, group.own)).or_default().push(group);
                }
            }
            for ((rows, _), subjects) in subjects {
                self.of_row(direction, rows, &subjects, &mut openings);
                if openings.is_full() {
                    return openings.cut();
                }
            }
        }
        for (direction, subject, other) in std::mem::take(&mut openings.groups) {
            for one in &subject.members {
                for other in &other.members {
                    let opened = self.pair(direction, *one, *other);
                    openings.found.extend(opened);
                    if openings.is_full() {
                        return openings.cut();
                    }
                }
            }
        }
        openings.cut()
    }

    /// What the pods of one row may do after and could not before.
    fn of_row<'c>(
        &'c self,
        direction: Direction,
        rows: (RowId, RowId),
        subjects: &[&'c Group],
        openings: &mut Openings<'c>,
    ) {
        let points = self.points(direction, rows);
        let Some(subject) = subjects.first() else {
            return;
        };
        let others: Vec<&Group> = if self.may_widen(direction, rows, &points) {
            self.groups.iter().chain(&self.addresses).collect()
        } else {
            // Whoever has no class is asked about one by one.
            let names = self.names.iter();
            names.filter_map(|at| self.groups.get(*at)).collect()
        };
        let mut known: FxHashMap<(Classes, Own), bool> = FxHashMap::default();
        for other in others {
            let widened = || self.is_wider(direction, subject.party, other.party, &points);
            // Peers do not tell members of a class apart.
            let wider = match other.classes {
                (Some(_), Some(_)) => {
                    let key = (other.classes, other.own);
                    *known.entry(key).or_insert_with(widened)
                }
                _ => widened(),
            };
            if wider {
                for subject in subjects {
                    self.ask(direction, subject, other, openings);
                    if openings.is_full() {
                        return;
                    }
                }
            }
        }
    }

    /// Asks those that stand for two groups.
    fn ask<'c>(
        &'c self,
        direction: Direction,
        subject: &'c Group,
        other: &'c Group,
        openings: &mut Openings<'c>,
    ) {
        let pairs = subject.witnesses(other);
        let mut opened = pairs.map(|(one, other)| self.pair(direction, one, other));
        if let Some(opened) = opened.find(|opened| !opened.is_empty()) {
            openings.found.extend(opened);
            openings.groups.push((direction, subject, other));
        }
    }

    fn pair(&self, direction: Direction, subject: Both, other: Both) -> Vec<Opened> {
        let (from, to) = match direction {
            Direction::Egress => (subject, other),
            Direction::Ingress => (other, subject),
        };
        pairs::opened(self.before, self.after, from, to)
    }

    /// Whether a row allows some class or some address more than the row before, by whole sets: many
    /// rows have the same ones, and most have not changed.
    fn may_widen(
        &self,
        direction: Direction,
        rows: (RowId, RowId),
        points: &BTreeSet<(Protocol, u16)>,
    ) -> bool {
        let before = self.before.reach.side(direction);
        let after = self.after.reach.side(direction);
        let sets = |band: Option<&Band>| {
            let none = (SetId::NONE, SetId::NONE);
            band.map_or(none, |band| (band.allowed, band.maybe))
        };
        points.iter().any(|(protocol, port)| {
            let now = sets(after.band(rows.1, *protocol, *port));
            let then = sets(before.band(rows.0, *protocol, *port));
            if now == (SetId::NONE, SetId::NONE) || then.0 == SetId::ALL {
                return false;
            }
            let key = (direction, then, now);
            if let Some(known) = self.known.borrow().get(&key) {
                return *known;
            }
            let allowed = self.is_more((before, &[then.0]), (after, now.0));
            let found = allowed || self.is_more((before, &[then.0, then.1]), (after, now.1));
            self.known.borrow_mut().insert(key, found);
            found
        })
    }

    /// Whether a set has a class or an address that none of the sets before has.
    fn is_more(&self, then: (&Side, &[SetId]), now: (&Side, SetId)) -> bool {
        let (before, olds) = then;
        let (after, new) = (now.0.sets(), now.1);
        let old = before.sets();
        let by_class = [Family::V4, Family::V6].into_iter().any(|family| {
            let had = Runs::union_of(
                olds.iter()
                    .map(|set| old.classes(*set, family))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(AsRef::as_ref),
            );
            let has = after.classes(new, family);
            has.iter().any(|(first, last)| {
                let from = self.classes.partition_point(|(class, _)| *class < first);
                let classes = self.classes.iter().skip(from);
                let mut classes = classes.take_while(|(class, _)| *class <= last);
                classes.any(|(_, class)| !had.contains(*class))
            })
        });
        if by_class {
            return true;
        }
        let v4: Vec<_> = olds.iter().map(|set| old.v4(*set)).collect();
        let v6: Vec<_> = olds.iter().map(|set| old.v6(*set)).collect();
        !after
            .v4(new)
            .is_subset(&Runs::union_of(v4.iter().map(AsRef::as_ref)))
            || !after
                .v6(new)
                .is_subset(&Runs::union_of(v6.iter().map(AsRef::as_ref)))
    }

    /// One port of every band of either row, and the ports behind.
    fn points(&self, direction: Direction, rows: (RowId, RowId)) -> BTreeSet<(Protocol, u16)> {
        let mut points = BTreeSet::new();
        let before = self.before.reach.side(direction).row(rows.0);
        let after = self.after.reach.side(direction).row(rows.1);
        for band in before.bands().iter().chain(after.bands()) {
            points.insert((band.protocol, band.first));
            points.extend(band.last.checked_add(1).map(|port| (band.protocol, port)));
        }
        points
    }

    /// Whether the subject's own side allows somebody more than before.
    fn is_wider(
        &self,
        direction: Direction,
        subject: Both,
        other: Both,
        points: &BTreeSet<(Protocol, u16)>,
    ) -> bool {
        let (Party::Endpoint(a), Party::Endpoint(b)) = subject else {
            // What is about nodes is asked pair by pair.
            return true;
        };
        let (before, after) = (self.before, self.after);
        let by_six = |state: State<'_, '_>, own: EndpointId, other: Party, protocol, port| {
            let side = state.reach.side(direction);
            let class = match other {
                Party::Endpoint(id) => state.reach.class_of(id)?,
                Party::Node(id) => state.reach.class_of_node(id)?,
                Party::Address(_) | Party::Name(_) => return None,
            };
            let peer = Seen::Class(class, Family::V6);
            Some(side.of_port(side.row_of(own), peer, protocol, port))
        };
        points.iter().any(|(protocol, port)| {
            let now = after
                .reach
                .decide(after.eval, direction, b, other.1, *protocol, *port);
            let then = || {
                before
                    .reach
                    .decide(before.eval, direction, a, other.0, *protocol, *port)
            };
            // Over IPv6 as well, which pods of both families may speak.
            now != Outcome::Denied && now > then()
                || by_six(after, b, other.1, *protocol, *port)
                    > by_six(before, a, other.0, *protocol, *port)
        })
    }
}
