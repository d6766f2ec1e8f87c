//! Two units, exactly: by parts where rows alone decide, and group by group where a pod could meet
//! itself (K-75), its own node (K-73, K-74), or another reading of host-network pods (K-72).

use rustc_hash::FxHashMap;

use super::ReachMap;
use super::profile::{Answer, ProfileId, Profiles};
use super::sides::of_class;
use super::source::{Found, Scratch};
use super::units::{Group, Seen, Standing, Unit};
use crate::engine::{EndpointToHost, NodeLocal};
use crate::eval::reach::{Reach, RowId};
use crate::eval::{Family, Party};
use crate::manifest::Direction;
use crate::world::{NodeId, World};

/// Which rows are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reading {
    Default,
    HostNetwork,
    Strict,
}

/// Whose row is asked about which class: reading, direction, row, class, family.
type Asked = (Reading, bool, RowId, u32, Family);

/// What rows say about single classes, for the pair of units at hand: hardly any other asks the same,
/// and a small table is a fast one.
#[derive(Debug, Default)]
pub(super) struct PairMemo {
    known: FxHashMap<Asked, ProfileId>,
}

impl PairMemo {
    fn one(
        &mut self,
        profiles: &mut Profiles,
        (reach, reading, unsure): (&Reach, Reading, Answer),
        direction: Direction,
        (row, class): (RowId, u32),
        family: Family,
    ) -> ProfileId {
        if row == RowId::EVERYTHING {
            return ProfileId::ALL;
        }
        let key = (reading, direction == Direction::Egress, row, class, family);
        *self.known.entry(key).or_insert_with(|| {
            of_class(
                reach.side(direction),
                profiles,
                (row, class),
                family,
                unsure,
            )
        })
    }

    /// What both rows of a pair allow.
    fn both(
        &mut self,
        profiles: &mut Profiles,
        reach: (&Reach, Reading, Answer),
        (from, to): (&Seen, &Seen),
        family: Family,
    ) -> ProfileId {
        let sent = (from.egress, to.class);
        let sent = self.one(profiles, reach, Direction::Egress, sent, family);
        if sent == ProfileId::NONE {
            return sent;
        }
        let taken = (to.ingress, from.class);
        let taken = self.one(profiles, reach, Direction::Ingress, taken, family);
        profiles.meet(sent, taken)
    }
}

/// How many pairs two groups make.
struct Pairs {
    all: usize,
    /// Those on one node.
    on_one_node: usize,
}

impl ReachMap<'_, '_> {
    /// What the members of a source may send to those of a destination.
    pub(super) fn pair(&self, source: u32, target: u32, scratch: &mut Scratch) -> Found {
        let mut found = Found::default();
        let units = (
            self.sources().all().get(source as usize),
            self.targets().all().get(target as usize),
        );
        let (Some(from), Some(to)) = units else {
            return found;
        };
        let overlap = self.overlap(source, target);
        let exact = overlap || from.conditional || to.conditional;
        if !exact {
            self.by_parts(source, target, &mut found, scratch);
        }
        if exact || from.irregular || to.irregular {
            self.by_groups((from, to), (overlap, exact), &mut found, scratch);
        }
        found
    }

    /// Pods with networks of their own.
    fn by_parts(&self, source: u32, target: u32, found: &mut Found, scratch: &mut Scratch) {
        let profiles = &mut scratch.profiles;
        for from in self.egress_parts.of(source as usize) {
            for to in self.ingress_parts.of(target as usize) {
                let mut over = |family: Family| {
                    let (egress, ingress) = (&self.egress, &self.ingress);
                    let sent = match from.row {
                        RowId::EVERYTHING => ProfileId::ALL,
                        row => egress.profile(
                            profiles,
                            egress.bands(row),
                            family,
                            &to.classes,
                            |plain| egress.share(plain, family, &to.classes),
                        ),
                    };
                    if sent == ProfileId::NONE {
                        return sent;
                    }
                    let taken = match to.row {
                        RowId::EVERYTHING => ProfileId::ALL,
                        row => ingress.profile(
                            profiles,
                            ingress.bands(row),
                            family,
                            &from.classes,
                            |plain| ingress.share(plain, family, &from.classes),
                        ),
                    };
                    profiles.meet(sent, taken)
                };
                let Some(family) = from.families.common(to.families) else {
                    found.add(profiles, ProfileId::NONE);
                    continue;
                };
                let met = over(family);
                if from.families.both_known && to.families.both_known {
                    let v6 = over(Family::V6);
                    found.add_family(profiles, Family::V4, met);
                    found.add_family(profiles, Family::V6, v6);
                }
                found.add(profiles, met);
            }
        }
    }

    /// Group by group; of units without members in common only what takes part with a host.
    fn by_groups(
        &self,
        (from, to): (&Unit, &Unit),
        (overlap, exact): (bool, bool),
        found: &mut Found,
        scratch: &mut Scratch,
    ) {
        scratch.memo.known.clear();
        for a in self.sources().groups_of(from) {
            for b in self.targets().groups_of(to) {
                let pods = [a, b].map(|group| group.look.standing == Standing::Pod);
                if pods == [true, true] && !exact {
                    continue;
                }
                let open = [a.look.seen.egress, b.look.seen.ingress] == [RowId::EVERYTHING; 2];
                if open && [a, b].map(|group| group.look.standing) == [Standing::Node; 2] {
                    // What nodes do among themselves is no matter of the cluster's policies, unless
                    // some are about them.
                    continue;
                }
                let pairs = self.pairs((a, b), overlap);
                if pairs.all > 0 {
                    self.groups((a, b), &pairs, found, scratch);
                }
            }
        }
    }

    fn groups(
        &self,
        (a, b): (&Group, &Group),
        pairs: &Pairs,
        found: &mut Found,
        scratch: &mut Scratch,
    ) {
        let families = (a.look.families, b.look.families);
        let Some(family) = families.0.common(families.1) else {
            found.add(&mut scratch.profiles, ProfileId::NONE);
            return;
        };
        let both_known = families.0.both_known && families.1.both_known;
        for over in [Family::V4, Family::V6] {
            if over != family && !both_known {
                continue;
            }
            let (policed, exempt) = self.judge((a, b), over, scratch);
            let profiles = &mut scratch.profiles;
            let (inside, outside) = match exempt {
                Some(exempt) => (
                    (pairs.on_one_node > 0).then_some(exempt),
                    (pairs.all > pairs.on_one_node).then_some(policed),
                ),
                None => (None, Some(policed)),
            };
            for more in inside.into_iter().chain(outside) {
                if over == family {
                    found.add(profiles, more);
                }
                if both_known {
                    found.add_family(profiles, over, more);
                }
            }
        }
    }

    /// The answer for members on different nodes, and for those on one if it is another.
    fn judge(
        &self,
        (a, b): (&Group, &Group),
        family: Family,
        scratch: &mut Scratch,
    ) -> (ProfileId, Option<ProfileId>) {
        let (profiles, memo) = (&mut scratch.profiles, &mut scratch.memo);
        let ends = (&a.look.seen, &b.look.seen);
        let reading = (self.reach, Reading::Default, self.unsure);
        let default = memo.both(profiles, reading, ends, family);
        let by_host_pod = [a, b]
            .iter()
            .any(|group| group.look.standing == Standing::HostPod);
        let other = match (self.other(), a.look.other.as_ref(), b.look.other.as_ref()) {
            (Some((_, reach)), Some(from), Some(to)) if by_host_pod => {
                let reading = (reach, Reading::HostNetwork, self.unsure);
                Some(memo.both(profiles, reading, (from, to), family))
            }
            _ => None,
        };
        let mut policed = match other {
            Some(other) => profiles.unless(default, other, Answer::HostNetwork),
            None => default,
        };
        let strict = match (self.strict(), a.look.strict, b.look.strict) {
            (Some(reach), Some(from), Some(to)) if a.look.conditional || b.look.conditional => {
                let reading = (reach, Reading::Strict, self.unsure);
                Some(memo.both(profiles, reading, (&from, &to), family))
            }
            _ => None,
        };
        if let Some(strict) = strict {
            policed = profiles.unless(policed, strict, Answer::Requests);
        }
        let on_host = |group: &Group| group.look.standing != Standing::Pod;
        let is_pod = |group: &Group| group.look.standing != Standing::Node;
        let (to_pod, from_pod) = (on_host(a) && is_pod(b), is_pod(a) && on_host(b));
        let node_local = self.eval.switches.node_local;
        let exempt = match node_local {
            NodeLocal::ExemptBoth => to_pod || from_pod,
            NodeLocal::ExemptIngress => to_pod,
            NodeLocal::None => false,
        };
        if !exempt {
            let changes = self.eval.switches.endpoint_to_host != EndpointToHost::Return;
            let to_own_node = changes && a.look.standing == Standing::Pod && on_host(b);
            let near = to_own_node.then(|| self.to_own_node(a, b, family, scratch));
            return (policed, near);
        }
        let mut near = ProfileId::ALL;
        if self.node_local_is_open && !to_pod {
            near = profiles.unless(near, default, Answer::NodeLocal);
            if let Some(other) = other {
                near = profiles.unless(near, other, Answer::HostNetwork);
            }
        }
        (policed, Some(near))
    }

    /// What a pod may send to its own node where policies are asked about it (C-72).
    fn to_own_node(
        &self,
        pod: &Group,
        host: &Group,
        family: Family,
        scratch: &mut Scratch,
    ) -> ProfileId {
        let (profiles, memo) = (&mut scratch.profiles, &mut scratch.memo);
        let mut to = host.look.seen;
        match self.eval.switches.endpoint_to_host {
            EndpointToHost::Drop => return ProfileId::NONE,
            EndpointToHost::Accept => to.ingress = RowId::EVERYTHING,
            EndpointToHost::Return => {}
        }
        let reading = (self.reach, Reading::Default, self.unsure);
        memo.both(profiles, reading, (&pod.look.seen, &to), family)
    }

    fn pairs(&self, (a, b): (&Group, &Group), overlap: bool) -> Pairs {
        let from = self
            .sources()
            .parties
            .get(a.parties.clone())
            .unwrap_or_default();
        let to = self
            .targets()
            .parties
            .get(b.parties.clone())
            .unwrap_or_default();
        let mut pairs = Pairs {
            all: from.len().saturating_mul(to.len()),
            on_one_node: 0,
        };
        let by_node = [a, b]
            .iter()
            .any(|group| group.look.standing != Standing::Pod);
        if by_node {
            let nodes = (
                self.sources()
                    .nodes
                    .get(a.nodes.clone())
                    .unwrap_or_default(),
                self.targets()
                    .nodes
                    .get(b.nodes.clone())
                    .unwrap_or_default(),
            );
            pairs.on_one_node = in_common(nodes.0, nodes.1);
        }
        if overlap {
            for party in from.iter().filter(|party| to.binary_search(party).is_ok()) {
                if is_itself(self.eval.world, *party) {
                    pairs.all = pairs.all.saturating_sub(1);
                    if by_node && has_node(self.eval.world, *party) {
                        pairs.on_one_node = pairs.on_one_node.saturating_sub(1);
                    }
                }
            }
        }
        pairs
    }
}

/// The number of pairs on one node; both lists are in order.
fn in_common(a: &[(NodeId, usize)], b: &[(NodeId, usize)]) -> usize {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let both = short.iter().filter_map(|(node, count)| {
        let at = long.binary_search_by_key(node, |(node, _)| *node).ok()?;
        long.get(at).map(|(_, other)| count.saturating_mul(*other))
    });
    both.sum()
}

/// Whether a party is one pod: a pod to itself is no connection (K-75), two pods of one template are.
fn is_itself(world: &World, party: Party) -> bool {
    match party {
        Party::Endpoint(id) => !world[id].template,
        _ => true,
    }
}

fn has_node(world: &World, party: Party) -> bool {
    match party {
        Party::Endpoint(id) => world[id].node.is_some(),
        Party::Node(_) => true,
        Party::Address(_) | Party::Name(_) => false,
    }
}
