//! Which pairs of two units have to be judged: what the labels of a pair do not decide is whether it
//! is one pod, and whether the two are on one node.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Unit;
use crate::eval::Party;
use crate::world::{EndpointId, NodeId, World};

/// Pairs that are judged as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// Who connects; none for addresses.
    pub(super) from: Option<Party>,
    /// To whom; none for addresses.
    pub(super) to: Option<Party>,
    /// How many pairs there are like this one.
    pub(super) count: usize,
    /// Whether the two are one pod.
    pub(super) is_own: bool,
}

/// The pairs of two units.
pub(super) fn pairs(world: &World, from: &Unit, to: &Unit) -> Vec<Pair> {
    let mut found = Vec::new();
    let mut add = |from: EndpointId, to: EndpointId, count: usize, is_own: bool| {
        if count > 0 {
            found.push(Pair {
                from: Some(Party::Endpoint(from)),
                to: Some(Party::Endpoint(to)),
                count,
                is_own,
            });
        }
    };
    match (from, to) {
        (Unit::Endpoints(sources), Unit::Endpoints(targets)) => {
            let (Some(source), Some(target)) = (sources.first(), targets.first()) else {
                return found;
            };
            let host = |id: &EndpointId| world[*id].host_network.is_some();
            let own: usize = if world[*source].template {
                0
            } else {
                let known: FxHashSet<_> = targets.iter().collect();
                sources.iter().filter(|id| known.contains(id)).count()
            };
            let total = sources.len().saturating_mul(targets.len()) - own;
            let mut near = None;
            if host(source) != host(target) || (host(source) && host(target)) {
                near = same_node(world, sources, targets);
            }
            if let Some((from, to, count)) = near {
                add(from, to, count, false);
            }
            let far = total - near.map_or(0, |(_, _, count)| count);
            if far > 0 {
                let apart = sources.iter().find_map(|from| {
                    let fits = |to: &&EndpointId| {
                        (from != *to || world[*from].template)
                            && (near.is_none() || !on_one_node(world, *from, **to))
                    };
                    Some((*from, *targets.iter().find(fits)?))
                });
                if let Some((from, to)) = apart {
                    add(from, to, far, false);
                }
            }
            if own > 0 {
                let known: FxHashSet<_> = targets.iter().collect();
                if let Some(one) = sources.iter().find(|id| known.contains(id)) {
                    add(*one, *one, own, true);
                }
            }
        }
        (Unit::Endpoints(pods), Unit::Node(node)) | (Unit::Node(node), Unit::Endpoints(pods)) => {
            let forward = matches!(from, Unit::Endpoints(_));
            let is_here = |id: &&EndpointId| world[**id].node == Some(*node);
            let here = pods.iter().filter(is_here).count();
            let sides = [
                (pods.iter().find(is_here), here),
                (pods.iter().find(|id| !is_here(id)), pods.len() - here),
            ];
            for (pod, count) in sides {
                let Some(pod) = pod else { continue };
                let (pod, node) = (Party::Endpoint(*pod), Party::Node(*node));
                let (from, to) = if forward { (pod, node) } else { (node, pod) };
                found.push(Pair {
                    from: Some(from),
                    to: Some(to),
                    count,
                    is_own: false,
                });
            }
        }
        (Unit::Endpoints(pods), other @ Unit::Addresses(_))
        | (other @ Unit::Addresses(_), Unit::Endpoints(pods)) => {
            let forward = matches!(from, Unit::Endpoints(_));
            let owner = other.address();
            let pod = owner.and_then(|ip| world.endpoint_at(ip));
            let node = match pod {
                Some(id) => world[id].node,
                None => owner.and_then(|ip| world.node_at(ip)),
            };
            // Itself, on the node of the address, and all others.
            let place = |id: &EndpointId| match world[*id].node {
                _ if pod == Some(*id) => 0,
                here if here.is_some() && here == node => 1,
                _ => 2,
            };
            for wanted in 0..3 {
                let mut there = pods.iter().filter(|id| place(id) == wanted);
                let Some(example) = there.next() else {
                    continue;
                };
                let count = 1 + there.count();
                let example = Some(Party::Endpoint(*example));
                found.push(Pair {
                    from: example.filter(|_| forward),
                    to: example.filter(|_| !forward),
                    count,
                    is_own: wanted == 0,
                });
            }
        }
        (Unit::Endpoints(pods), Unit::Name(_)) | (Unit::Name(_), Unit::Endpoints(pods)) => {
            found.push(Pair {
                from: from.example(),
                to: to.example(),
                count: pods.len(),
                is_own: false,
            });
        }
        _ => found.push(Pair {
            from: from.example(),
            to: to.example(),
            count: 1,
            is_own: false,
        }),
    }
    found
}

fn on_one_node(world: &World, one: EndpointId, other: EndpointId) -> bool {
    world[one].node.is_some() && world[one].node == world[other].node
}

/// A pair of different pods on one node, and how many such pairs there are.
fn same_node(
    world: &World,
    sources: &[EndpointId],
    targets: &[EndpointId],
) -> Option<(EndpointId, EndpointId, usize)> {
    let mut on: FxHashMap<NodeId, Vec<EndpointId>> = FxHashMap::default();
    for target in targets {
        if let Some(node) = world[*target].node {
            on.entry(node).or_default().push(*target);
        }
    }
    let mut example = None;
    let mut count = 0usize;
    for source in sources {
        let Some(there) = world[*source].node.and_then(|node| on.get(&node)) else {
            continue;
        };
        for target in there.iter().filter(|target| *target != source) {
            count += 1;
            example = example.or(Some((*source, *target)));
        }
    }
    example.map(|(from, to)| (from, to, count))
}
