//! Parties that no row tells apart, in both clusters.
//!
//! One connection is asked about for a whole group. What no class or row tells is between two pods: a
//! pod always reaches itself (K-75), and a node and its pods may be let alone (K-73). So a group has up
//! to two members that stand for it, on different nodes if any two are.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::State;
use crate::eval::Party;
use crate::eval::reach::{RowId, bounds};
use crate::manifest::Direction;
use crate::policy::Peer;
use crate::world::{Endpoint, EndpointId, NameId, NodeId, World};

/// A party in both clusters.
pub(super) type Both = (Party, Party);

/// Classes, before and after.
pub(super) type Classes = (Option<u32>, Option<u32>);

/// Rows before and after, by direction: ingress, egress.
type Rows = [(RowId, RowId); 2];

const EVERYTHING: Rows = [(RowId::EVERYTHING, RowId::EVERYTHING); 2];

/// Parties that no row tells apart.
pub(super) struct Group {
    /// The first of them.
    pub party: Both,
    /// Another one, if there is any and it is not the same to ask it.
    other: Option<Both>,
    /// All of them.
    pub members: Vec<Both>,
    pub classes: Classes,
    rows: Rows,
    pub own: Own,
}

/// What no class or row tells of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Own {
    /// The node of a host-network pod, before and after.
    host: (Option<Option<NodeId>>, Option<Option<NodeId>>),
    /// The families of its addresses, a bit each.
    families: u8,
    /// Whether it stands for several pods.
    template: bool,
}

impl Group {
    fn alone(party: Both, classes: Classes, rows: Rows) -> Self {
        Self {
            party,
            other: None,
            members: vec![party],
            classes,
            rows,
            own: Own::default(),
        }
    }

    /// Somebody outside, whom no policy is about.
    fn outside(party: Both) -> Self {
        Self::alone(party, (None, None), EVERYTHING)
    }

    pub(super) fn row(&self, direction: Direction) -> (RowId, RowId) {
        let [ingress, egress] = self.rows;
        match direction {
            Direction::Ingress => ingress,
            Direction::Egress => egress,
        }
    }

    /// Pairs that stand for all of one group with another one.
    pub(super) fn witnesses(&self, other: &Self) -> impl Iterator<Item = (Both, Both)> {
        // Only here it matters which pod it is, or where.
        let matters = std::ptr::eq(self, other) || self.is_on_host() || other.is_on_host();
        let of = |group: &Self| [Some(group.party), group.other.filter(|_| matters)];
        let (own, others) = (of(self), of(other));
        let own = own.into_iter().flatten();
        own.flat_map(move |own| others.into_iter().flatten().map(move |other| (own, other)))
    }

    fn is_on_host(&self) -> bool {
        matches!(self.party, (Party::Node(_), _)) || self.own.host != (None, None)
    }

    fn add(&mut self, party: Both, nodes: impl Fn(Both) -> [Option<NodeId>; 2]) {
        self.members.push(party);
        // Two pods of one template are as one of it is to itself.
        let is_apart = |other: &Both| nodes(*other) != nodes(self.party);
        let has_apart = self.other.as_ref().is_some_and(is_apart);
        if !self.own.template && (self.other.is_none() || !has_apart && is_apart(&party)) {
            self.other = Some(party);
        }
    }
}

/// All pods, nodes and names that are in both clusters.
pub(super) fn common(before: State<'_, '_>, after: State<'_, '_>) -> Vec<Group> {
    let worlds = (before.eval.world, after.eval.world);
    let mut groups = endpoints(before, after);
    for a in worlds.0.node_ids() {
        let Some(b) = worlds.1.node(&worlds.0[a].name) else {
            continue;
        };
        let classes = (before.reach.class_of_node(a), after.reach.class_of_node(b));
        let rows = Direction::BOTH.map(|direction| {
            let (old, new) = (before.reach.side(direction), after.reach.side(direction));
            (old.row_of_node(a), new.row_of_node(b))
        });
        groups.push(Group::alone(
            (Party::Node(a), Party::Node(b)),
            classes,
            rows,
        ));
    }
    let known: FxHashMap<&str, NameId> = worlds
        .1
        .name_ids()
        .map(|id| (&*worlds.1[id].text, id))
        .collect();
    for a in worlds.0.name_ids() {
        if let Some(b) = known.get(&*worlds.0[a].text) {
            groups.push(Group::outside((Party::Name(a), Party::Name(*b))));
        }
    }
    groups
}

fn endpoints(before: State<'_, '_>, after: State<'_, '_>) -> Vec<Group> {
    let worlds = (before.eval.world, after.eval.world);
    let node = |world: &World, party| match party {
        Party::Endpoint(id) => world[id].node,
        _ => None,
    };
    let nodes = |party: Both| [node(worlds.0, party.0), node(worlds.1, party.1)];
    let mut groups: Vec<Group> = Vec::new();
    let mut known: FxHashMap<(Classes, Rows, Own), usize> = FxHashMap::default();
    for (a, b) in common_endpoints(worlds.0, worlds.1) {
        let classes = (before.reach.class_of(a), after.reach.class_of(b));
        let rows = Direction::BOTH.map(|direction| {
            let (old, new) = (before.reach.side(direction), after.reach.side(direction));
            (old.row_of(a), new.row_of(b))
        });
        let (one, other) = (&worlds.0[a], &worlds.1[b]);
        let own = Own {
            host: (
                one.host_network.is_some().then_some(one.node),
                other.host_network.is_some().then_some(other.node),
            ),
            families: families(one) | families(other) << 2,
            template: one.template,
        };
        let party = (Party::Endpoint(a), Party::Endpoint(b));
        let at = *known.entry((classes, rows, own)).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.add(party, nodes),
            None => groups.push(Group {
                own,
                ..Group::alone(party, classes, rows)
            }),
        }
    }
    groups
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
pub(super) fn families(endpoint: &Endpoint) -> u8 {
    let bits = endpoint.ips.iter().map(|ip| 1 << u8::from(ip.is_ipv6()));
    bits.fold(0, |all: u8, bit: u8| all | bit)
}

/// One address of every stretch that some block of either side bounds, and one that nobody owns.
pub(super) fn addresses(before: State<'_, '_>, after: State<'_, '_>) -> Vec<Group> {
    let zero = ["0.0.0.0", "::"];
    let zero = zero.iter().filter_map(|text| text.parse::<IpAddr>().ok());
    let mut found: BTreeSet<IpAddr> = zero.collect();
    let states = [before, after].into_iter();
    let tiers = states.flat_map(|state| {
        let ruleset = state.eval.ruleset;
        ruleset.ingress.iter().chain(&ruleset.egress)
    });
    let rules = tiers
        .flat_map(|tier| &tier.policies)
        .flat_map(|policy| &policy.rules);
    for peer in rules.flat_map(|rule| &rule.peers) {
        peer.leaves(&mut |leaf| {
            if let Peer::Block(block, _) = leaf {
                found.extend(bounds(block));
            }
        });
    }
    let is_owned = |ip: IpAddr| {
        let party = Party::Address(ip);
        [before, after].map(|state| party.resolve(state.eval.world)) != [party; 2]
    };
    let mut free = BTreeSet::new();
    for start in &found {
        let stretch = std::iter::successors(Some(*start), |ip| next(*ip));
        let mut stretch = stretch.take_while(|ip| ip == start || !found.contains(ip));
        free.extend(stretch.find(|ip| !is_owned(*ip)));
    }
    found.append(&mut free);
    let found = found.into_iter();
    let parties = found.map(|ip| (Party::Address(ip), Party::Address(ip)));
    parties.map(Group::outside).collect()
}

fn next(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).checked_add(1).map(|ip| IpAddr::V4(ip.into())),
        IpAddr::V6(ip) => u128::from(ip)
            .checked_add(1)
            .map(|ip| IpAddr::V6(ip.into())),
    }
}
