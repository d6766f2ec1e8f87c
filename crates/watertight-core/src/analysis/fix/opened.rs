//! What one cluster allows that another one of the same pods does not.
//!
//! One side is held against one side first: where every row of the later cluster allows no more than
//! the row of the same pods did, nothing is new and no pair is looked at. Only what a side allows more
//! is followed to the pairs that it can make.
//!
//! INVARIANT: parties are those that are in both clusters, and addresses outside; an answer that is
//! less sure than "denied" counts as allowed, so that nothing opens unseen.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::eval::reach::{Band, Outcome, Peer as Seen, Ports, Reach, RowId, SetId, Side};
use crate::eval::{Connection, Evaluator, Family, Party};
use crate::manifest::Direction;
use crate::policy::{Peer, Ruleset};
use crate::rules::some_of;
use crate::sets::{Protocol, Runs};
use crate::world::{Endpoint, EndpointId, NameId, NodeId, World};

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
/// `limit`.
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

/// A party in both clusters.
type Both = (Party, Party);

/// Classes, before and after.
type Classes = (Option<u32>, Option<u32>);

/// Parties that no row tells apart, by one of them.
struct Group {
    party: Both,
    classes: Classes,
    /// Rows before and after, by direction: ingress, egress.
    rows: [(RowId, RowId); 2],
    own: Own,
}

/// What no class or row tells of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Own {
    /// The node of a host-network pod, before and after.
    host: (Option<Option<NodeId>>, Option<Option<NodeId>>),
    /// The families of its addresses, a bit each.
    families: u8,
    /// Whether it stands for several pods.
    template: bool,
}

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
    addresses: Vec<IpAddr>,
}

fn slot(direction: Direction) -> usize {
    usize::from(direction == Direction::Egress)
}

impl<'s, 'w> Comparison<'s, 'w> {
    fn new(before: State<'s, 'w>, after: State<'s, 'w>) -> Self {
        let mut groups = Vec::new();
        let mut seen = FxHashSet::default();
        let rows = |a: &dyn Fn(State<'_, '_>, Direction) -> RowId,
                    b: &dyn Fn(State<'_, '_>, Direction) -> RowId| {
            Direction::BOTH.map(|direction| (direction, a(before, direction), b(after, direction)))
        };
        for (a, b) in common_endpoints(before.eval.world, after.eval.world) {
            let classes = (before.reach.class_of(a), after.reach.class_of(b));
            let of = rows(
                &|state, direction| state.reach.side(direction).row_of(a),
                &|state, direction| state.reach.side(direction).row_of(b),
            );
            let (one, other) = (&before.eval.world[a], &after.eval.world[b]);
            let own = Own {
                host: (
                    one.host_network.is_some().then_some(one.node),
                    other.host_network.is_some().then_some(other.node),
                ),
                families: families(one) | families(other) << 2,
                template: one.template,
            };
            if seen.insert((classes, of, own)) {
                let party = (Party::Endpoint(a), Party::Endpoint(b));
                groups.push(Group::new(party, classes, of, own));
            }
        }
        for a in before.eval.world.node_ids() {
            let name = &before.eval.world[a].name;
            let Some(b) = after.eval.world.node(name) else {
                continue;
            };
            let classes = (before.reach.class_of_node(a), after.reach.class_of_node(b));
            let of = rows(
                &|state, direction| state.reach.side(direction).row_of_node(a),
                &|state, direction| state.reach.side(direction).row_of_node(b),
            );
            let party = (Party::Node(a), Party::Node(b));
            groups.push(Group::new(party, classes, of, Own::default()));
        }
        let names = |world: &World| -> FxHashMap<Box<str>, usize> {
            let names = world.names.iter().enumerate();
            names.map(|(at, name)| (name.text.clone(), at)).collect()
        };
        let known = names(after.eval.world);
        for (at, name) in before.eval.world.names.iter().enumerate() {
            if let Some(other) = known.get(&name.text) {
                let both = (name_at(at), name_at(*other));
                let open = [Direction::Ingress, Direction::Egress]
                    .map(|direction| (direction, RowId::EVERYTHING, RowId::EVERYTHING));
                groups.push(Group::new(both, (None, None), open, Own::default()));
            }
        }
        let mut addresses = BTreeSet::new();
        bounds(before.eval.ruleset, &mut addresses);
        bounds(after.eval.ruleset, &mut addresses);
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
            before,
            after,
            groups,
            addresses: addresses.into_iter().collect(),
        }
    }

    fn opened(&self, limit: usize) -> Vec<Opened> {
        let mut found = BTreeSet::new();
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
                self.of_row(direction, rows, &subjects, limit, &mut found);
                if found.len() >= limit {
                    return found.into_iter().take(limit).collect();
                }
            }
        }
        found.into_iter().collect()
    }

    /// What the pods of one row may do after and could not before.
    fn of_row(
        &self,
        direction: Direction,
        rows: (RowId, RowId),
        subjects: &[&Group],
        limit: usize,
        found: &mut BTreeSet<Opened>,
    ) {
        let points = self.points(direction, rows);
        let Some(subject) = subjects.first() else {
            return;
        };
        if !self.may_widen(direction, rows, &points) {
            // Whoever has no class is asked about one by one.
            let peers = self.names.iter().filter_map(|at| self.groups.get(*at));
            for peer in peers {
                if self.is_wider(direction, subject.party, peer.party, &points) {
                    for subject in subjects {
                        self.pair(direction, subject.party, peer.party, found);
                    }
                }
            }
            return;
        }
        let mut known: FxHashMap<(Classes, Own), bool> = FxHashMap::default();
        for peer in &self.groups {
            let widened = || self.is_wider(direction, subject.party, peer.party, &points);
            // Peers do not tell members of a class apart.
            let wider = match peer.classes {
                (Some(_), Some(_)) => {
                    let key = (peer.classes, peer.own);
                    *known.entry(key).or_insert_with(widened)
                }
                _ => widened(),
            };
            if wider {
                for subject in subjects {
                    self.pair(direction, subject.party, peer.party, found);
                    if found.len() >= limit {
                        return;
                    }
                }
            }
        }
        for ip in &self.addresses {
            let address = (Party::Address(*ip), Party::Address(*ip));
            if self.is_wider(direction, subject.party, address, &points) {
                for subject in subjects {
                    self.pair(direction, subject.party, address, found);
                    if found.len() >= limit {
                        return;
                    }
                }
            }
        }
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

    /// Both sides of one pair.
    fn pair(&self, direction: Direction, subject: Both, other: Both, found: &mut BTreeSet<Opened>) {
        let (from, to) = match direction {
            Direction::Egress => (subject, other),
            Direction::Ingress => (other, subject),
        };
        let (before, after) = (self.before, self.after);
        let mut add = |protocol, (first, last)| {
            found.insert(Opened {
                from: spell(after.eval.world, from.1),
                to: spell(after.eval.world, to.1),
                protocol,
                first,
                last,
            });
        };
        let then = before.ports(from.0, to.0);
        for ports in &after.ports(from.1, to.1) {
            for part in wider(ports, &then) {
                add(ports.protocol, part);
            }
        }
        // The usual family is IPv4 (K-68); what both have addresses for is asked over IPv6 too.
        let both = |world: &World, party| match party {
            Party::Endpoint(id) => families(&world[id]) == 3,
            _ => false,
        };
        if both(after.eval.world, from.1) && both(after.eval.world, to.1) {
            for (protocol, port) in self.points_of(from, to) {
                let by_six = |state: State<'_, '_>, from, to| {
                    let mut connection = Connection::new(from, to, protocol, port);
                    connection.family = Some(Family::V6);
                    connection.port = connection.port.filter(|_| protocol != Protocol::Icmp);
                    state.reach.outcome(state.eval, &connection)
                };
                if by_six(after, from.1, to.1) > by_six(before, from.0, to.0) {
                    add(protocol, (port, port));
                }
            }
        }
    }

    /// One port of every band that takes part in a pair.
    fn points_of(&self, from: Both, to: Both) -> BTreeSet<(Protocol, u16)> {
        let mut points = BTreeSet::new();
        for (direction, subject) in [(Direction::Egress, from), (Direction::Ingress, to)] {
            if let (Party::Endpoint(a), Party::Endpoint(b)) = subject {
                let before = self.before.reach.side(direction).row_of(a);
                let after = self.after.reach.side(direction).row_of(b);
                points.append(&mut self.points(direction, (before, after)));
            }
        }
        points
    }
}

impl Group {
    fn new(party: Both, classes: Classes, of: [(Direction, RowId, RowId); 2], own: Own) -> Self {
        let mut rows = [(RowId::EVERYTHING, RowId::EVERYTHING); 2];
        for (direction, before, after) in of {
            if let Some(row) = rows.get_mut(slot(direction)) {
                *row = (before, after);
            }
        }
        Self {
            party,
            classes,
            rows,
            own,
        }
    }

    fn row(&self, direction: Direction) -> (RowId, RowId) {
        let rows = self.rows.get(slot(direction)).copied();
        rows.unwrap_or((RowId::EVERYTHING, RowId::EVERYTHING))
    }
}

impl State<'_, '_> {
    /// The ports that one party may reach at another, and may perhaps.
    fn ports(self, from: Party, to: Party) -> Vec<Ports> {
        if let Some(ports) = self.reach.between(self.eval, from, to) {
            return ports;
        }
        // Something else than policies decides, and does so for all ports.
        let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp];
        let ports = all.map(|protocol| {
            let mut connection = Connection::new(from, to, protocol, 1);
            connection.port = connection.port.filter(|_| protocol != Protocol::Icmp);
            Ports {
                protocol,
                first: 0,
                last: u16::MAX,
                outcome: Outcome::of(&self.eval.verdict(&connection)),
            }
        });
        let allowed = ports.into_iter();
        allowed
            .filter(|ports| ports.outcome != Outcome::Denied)
            .collect()
    }
}

/// The parts of `now` that are better than what `then` says; `then` is in order.
fn wider(now: &Ports, then: &[Ports]) -> Vec<(u16, u16)> {
    let mut left = vec![(now.first, now.last)];
    let as_good = then
        .iter()
        .filter(|old| old.protocol == now.protocol && old.outcome >= now.outcome);
    for old in as_good {
        let mut rest = Vec::with_capacity(left.len() + 1);
        for (first, last) in left {
            if old.last < first || last < old.first {
                rest.push((first, last));
                continue;
            }
            if let Some(end) = old.first.checked_sub(1).filter(|end| first <= *end) {
                rest.push((first, end));
            }
            if let Some(start) = old.last.checked_add(1).filter(|start| *start <= last) {
                rest.push((start, last));
            }
        }
        left = rest;
    }
    left
}

/// Endpoints by namespace, name and kind, in both clusters.
fn common_endpoints(before: &World, after: &World) -> Vec<(EndpointId, EndpointId)> {
    type Key<'k> = (&'k str, &'k str, bool);
    fn key(world: &World, id: EndpointId) -> Key<'_> {
        let endpoint = &world[id];
        let namespace = &world[endpoint.namespace].name;
        (namespace, &endpoint.name, endpoint.template)
    }
    let known: FxHashMap<Key<'_>, EndpointId> = after
        .endpoint_ids()
        .map(|id| (key(after, id), id))
        .collect();
    let both = before
        .endpoint_ids()
        .filter_map(|id| Some((id, *known.get(&key(before, id))?)));
    both.collect()
}

/// A bit for each family of its addresses.
fn families(endpoint: &Endpoint) -> u8 {
    let bits = endpoint.ips.iter().map(|ip| 1 << u8::from(ip.is_ipv6()));
    bits.fold(0, |all: u8, bit: u8| all | bit)
}

fn name_at(index: usize) -> Party {
    Party::Name(NameId::at(index))
}

/// The first address of every stretch between the bounds of blocks.
fn bounds(ruleset: &Ruleset, found: &mut BTreeSet<IpAddr>) {
    let zero = ["0.0.0.0", "::"];
    found.extend(zero.iter().filter_map(|text| text.parse::<IpAddr>().ok()));
    let tiers = ruleset.ingress.iter().chain(&ruleset.egress);
    let rules = tiers
        .flat_map(|tier| &tier.policies)
        .flat_map(|policy| &policy.rules);
    for peer in rules.flat_map(|rule| &rule.peers) {
        peer.leaves(&mut |leaf| {
            if let Peer::Block(block, _) = leaf {
                let nets = [&block.cidr].into_iter().chain(&block.except);
                for net in nets {
                    found.insert(net.net.network());
                    found.extend(behind(net.net));
                }
            }
        });
    }
}

/// The first address behind a network.
fn behind(net: IpNet) -> Option<IpAddr> {
    match net.broadcast() {
        IpAddr::V4(last) => u32::from(last)
            .checked_add(1)
            .map(|ip| IpAddr::V4(ip.into())),
        IpAddr::V6(last) => u128::from(last)
            .checked_add(1)
            .map(|ip| IpAddr::V6(ip.into())),
    }
}

fn spell(world: &World, party: Party) -> String {
    match party {
        Party::Endpoint(id) => world.display_name(id),
        Party::Node(id) => format!("node:{}", world[id].name),
        Party::Address(ip) => format!("ip:{ip}"),
        Party::Name(id) => format!("fqdn:{}", world[id].text),
    }
}
