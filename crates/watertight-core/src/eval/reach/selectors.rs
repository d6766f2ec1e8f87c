//! What the peers of rules select, as sets; equal peers are looked up once.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::atoms::{Address, addresses};
use super::classes::Classes;
use super::sets::{SetId, Sets};
use crate::eval::matching::{Match, Owner};
use crate::eval::{Evaluator, Family};
use crate::policy::{Covers, EndpointSelector, NamespaceScope, Peer, Rule};
use crate::sets::{Expression, IpBlock, LabelSelector, Operator, Runs};
use crate::world::{NameId, NodeId, Symbol, World};

/// The peers of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peers {
    /// Those that match.
    pub yes: SetId,
    /// Those that match if an address that is not known lies in a block (M-1).
    pub maybe: SetId,
}

impl Peers {
    fn certain(yes: SetId) -> Self {
        Self {
            yes,
            maybe: SetId::NONE,
        }
    }
}

/// Whose addresses, and which networks.
type Blocks = (Covers, Box<[Option<IpNet>]>);

/// Selectors that were looked up.
#[derive(Clone, Debug, Default)]
pub(super) struct Selectors {
    scopes: FxHashMap<Box<[u32]>, Runs<u32>>,
    labels: FxHashMap<Box<[u32]>, Runs<u32>>,
    /// Scope and labels.
    endpoints: FxHashMap<Box<[u32]>, SetId>,
    /// What label selectors cannot say.
    also: FxHashMap<Arc<Expression>, Runs<u32>>,
    /// The blocks of a rule, each with what it leaves out; `None` ends one.
    blocks: FxHashMap<Blocks, Peers>,
}

impl Selectors {
    /// Forgets everything: the classes are others.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The peers of a rule; `own` is the node of the endpoints in question, where rules ask for it.
    pub(super) fn peers(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        sets: &mut Sets,
        rule: &Rule,
        own: Option<NodeId>,
    ) -> Peers {
        let mut look = Look {
            known: self,
            eval,
            classes,
            sets,
            own,
        };
        let mut found = look.any_of(&rule.peers);
        if let Some(family) = rule.family {
            let of_family = sets.of_family(family);
            found.yes = sets.intersection(found.yes, of_family);
            found.maybe = sets.intersection(found.maybe, of_family);
        }
        found
    }

    fn endpoints(
        &mut self,
        world: &World,
        classes: &Classes,
        sets: &mut Sets,
        selector: &EndpointSelector,
    ) -> SetId {
        let mut key = Vec::new();
        match &selector.namespaces {
            NamespaceScope::Only(namespace) => {
                key.extend([0, u32::try_from(namespace.index()).unwrap_or(u32::MAX)]);
            }
            NamespaceScope::Matching(labels) => {
                key.push(1);
                encode(world, labels, &mut key);
            }
        }
        let scope_ends = key.len();
        encode(world, &selector.pods, &mut key);
        if selector.also.is_none()
            && let Some(known) = self.endpoints.get(&*key)
        {
            return *known;
        }
        let (scope_key, labels_key) = key.split_at_checked(scope_ends).unwrap_or_default();
        let scope = lookup(&mut self.scopes, scope_key, || {
            classes.in_scope(world, &selector.namespaces)
        });
        let labels = lookup(&mut self.labels, labels_key, || {
            classes.with_labels(world, &selector.pods)
        });
        let found = scope.intersection(labels);
        if let Some(also) = &selector.also {
            let also = match self.also.get(also) {
                Some(known) => known,
                None => {
                    let holding = classes.holding(world, also);
                    self.also.entry(also.clone()).or_insert(holding)
                }
            };
            return sets.of_classes(found.intersection(also));
        }
        let set = sets.of_classes(found);
        self.endpoints.insert(key.into(), set);
        set
    }
}

/// A look at the peers of one rule.
struct Look<'l, 'w> {
    known: &'l mut Selectors,
    eval: &'l Evaluator<'w>,
    classes: &'l Classes,
    sets: &'l mut Sets,
    own: Option<NodeId>,
}

impl Look<'_, '_> {
    fn any_of(&mut self, peers: &[Peer]) -> Peers {
        let mut yes = Vec::with_capacity(peers.len());
        let mut maybe = Vec::new();
        // Blocks of one rule are looked up together: there may be thousands.
        let mut blocks: Vec<(Covers, Vec<&IpBlock>)> = Vec::new();
        for peer in peers {
            if let Peer::Block(block, covers) = peer {
                match blocks.iter_mut().find(|(of, _)| of == covers) {
                    Some((_, list)) => list.push(block),
                    None => blocks.push((*covers, vec![block])),
                }
                continue;
            }
            let found = self.peer(peer);
            yes.push(found.yes);
            maybe.push(found.maybe);
        }
        for (covers, blocks) in blocks {
            let found = self.blocks(&blocks, covers);
            yes.push(found.yes);
            maybe.push(found.maybe);
        }
        let (yes, maybe) = (self.sets.union(&yes), self.sets.union(&maybe));
        Peers {
            yes,
            maybe: self.sets.difference(maybe, yes),
        }
    }

    fn peer(&mut self, peer: &Peer) -> Peers {
        match peer {
            Peer::Any => Peers::certain(SetId::ALL),
            Peer::Endpoints(selector, _) => Peers::certain(self.known.endpoints(
                self.eval.world,
                self.classes,
                self.sets,
                selector,
            )),
            Peer::Block(block, covers) => self.blocks(&[block], *covers),
            Peer::Nodes(nodes, _) => {
                let on = nodes
                    .iter()
                    .filter_map(|node| self.classes.on_node(Some(*node)));
                let yes = Runs::union_of(on);
                self.hosts(yes)
            }
            Peer::AnyNode(_) => {
                let hosts = self.classes.owned(Owner::Host).cloned().unwrap_or_default();
                Peers::certain(self.sets.of_classes(hosts))
            }
            Peer::OwnNode(_) => self.own_node(),
            Peer::OtherNodes(_) => {
                let own = self.own_node();
                let hosts = self.classes.owned(Owner::Host).cloned().unwrap_or_default();
                let hosts = self.sets.of_classes(hosts);
                let not = self.not(own);
                Peers {
                    yes: self.sets.intersection(not.yes, hosts),
                    maybe: self.sets.intersection(not.maybe, hosts),
                }
            }
            Peer::Outside(_) => {
                let names = self.classes.names(|_| true);
                let set = self
                    .sets
                    .intern([names.clone(), names], Runs::all(), Runs::all());
                Peers::certain(set)
            }
            Peer::Domain(pattern, ..) => {
                let world = self.eval.world;
                let is_meant = |id: NameId| pattern.matches(&world[id].text);
                let names = self.classes.names(is_meant);
                let ips: Vec<IpAddr> = world
                    .name_ids()
                    .filter(|id| is_meant(*id))
                    .flat_map(|id| world[id].ips.iter().copied())
                    .collect();
                let set = self.sets.intern([names.clone(), names], of(&ips), of(&ips));
                Peers::certain(set)
            }
            Peer::All(parts) => {
                let mut found = Peers::certain(SetId::ALL);
                for part in parts {
                    let part = self.peer(part);
                    let possible = self.sets.union(&[found.yes, found.maybe]);
                    let of_part = self.sets.union(&[part.yes, part.maybe]);
                    let possible = self.sets.intersection(possible, of_part);
                    let yes = self.sets.intersection(found.yes, part.yes);
                    found = Peers {
                        yes,
                        maybe: self.sets.difference(possible, yes),
                    };
                }
                found
            }
            Peer::AnyOf(parts) => self.any_of(parts),
            Peer::Not(part) => {
                let part = self.peer(part);
                self.not(part)
            }
        }
    }

    fn not(&mut self, peers: Peers) -> Peers {
        let possible = self.sets.union(&[peers.yes, peers.maybe]);
        Peers {
            yes: self.sets.difference(SetId::ALL, possible),
            maybe: peers.maybe,
        }
    }

    /// These on the host network; those of which no node is known may be.
    fn hosts(&mut self, yes: Runs<u32>) -> Peers {
        let maybe = self.classes.on_node(None).cloned().unwrap_or_default();
        Peers {
            yes: self.sets.of_classes(yes),
            maybe: self.sets.of_classes(maybe),
        }
    }

    fn own_node(&mut self) -> Peers {
        match self.own {
            Some(own) => {
                let yes = self.classes.on_node(Some(own)).cloned().unwrap_or_default();
                self.hosts(yes)
            }
            None => {
                let all = self.classes.owned(Owner::Host).cloned().unwrap_or_default();
                Peers {
                    yes: SetId::NONE,
                    maybe: self.sets.of_classes(all),
                }
            }
        }
    }

    fn blocks(&mut self, blocks: &[&IpBlock], covers: Covers) -> Peers {
        let nets = blocks.iter().flat_map(|block| {
            let nets = std::iter::once(&block.cidr).chain(&block.except);
            nets.map(|cidr| Some(cidr.net)).chain([None])
        });
        let key = (covers, nets.collect());
        if let Some(known) = self.known.blocks.get(&key) {
            return *known;
        }
        let found = of_blocks(self.eval, self.classes, self.sets, blocks, covers);
        self.known.blocks.insert(key, found);
        found
    }
}

fn of<A: Address>(ips: &[IpAddr]) -> Runs<A> {
    let ips = ips.iter().filter_map(|ip| A::of(*ip));
    Runs::from_unsorted(ips.map(|ip| (ip, ip)).collect())
}

fn lookup<'m>(
    known: &'m mut FxHashMap<Box<[u32]>, Runs<u32>>,
    key: &[u32],
    find: impl FnOnce() -> Runs<u32>,
) -> &'m Runs<u32> {
    if !known.contains_key(key) {
        known.insert(key.into(), find());
    }
    known.entry(key.into()).or_default()
}

/// A selector in symbols; equal keys select the same.
fn encode(world: &World, selector: &LabelSelector, key: &mut Vec<u32>) {
    let symbol = |text: &str| world.symbols.get(text).map_or(u32::MAX, Symbol::number);
    for requirement in &selector.requirements {
        let (operator, values): (u32, &[Box<str>]) = match &requirement.operator {
            Operator::In(values) => (0, values),
            Operator::NotIn(values) => (1, values),
            Operator::Exists => (2, &[]),
            Operator::DoesNotExist => (3, &[]),
        };
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
        key.extend([operator, symbol(&requirement.key), count]);
        key.extend(values.iter().map(|value| symbol(value)));
    }
    key.push(u32::MAX);
}

/// K-63..K-70, M-1.
fn of_blocks(
    eval: &Evaluator<'_>,
    classes: &Classes,
    sets: &mut Sets,
    blocks: &[&IpBlock],
    covers: Covers,
) -> Peers {
    let v4 = of_family::<u32>(blocks);
    let v6 = of_family::<u128>(blocks);
    let owners = Owner::ALL;
    let covered = owners.iter().filter(|owner| covers.owner(**owner));
    let covered = Runs::union_of(covered.filter_map(|owner| classes.owned(*owner)));
    let known = [classes.v4.classes_in(&v4), classes.v6.classes_in(&v6)];
    let mut yes = known.map(|known| known.intersection(&covered));
    let mut maybe = [const { Vec::new() }; 2].map(Runs::from_unsorted);
    for (family, (yes, maybe)) in [Family::V4, Family::V6]
        .into_iter()
        .zip(yes.iter_mut().zip(&mut maybe))
    {
        for owner in owners {
            let unknown = classes.unknown(family, owner);
            let Some(unknown) = unknown.filter(|of| covers.owner(owner) && !of.is_empty()) else {
                continue;
            };
            let answers = blocks
                .iter()
                .map(|block| eval.unknown_in_block(block, family, owner));
            match answers.max() {
                Some(Match::Yes) => *yes = yes.union(unknown),
                Some(Match::Maybe(_)) => *maybe = maybe.union(unknown),
                _ => {}
            }
        }
    }
    let (v4, v6) = match covers.outside {
        true => (v4, v6),
        false => (Runs::default(), Runs::default()),
    };
    Peers {
        yes: sets.intern(yes, v4, v6),
        maybe: sets.intern(maybe, Runs::default(), Runs::default()),
    }
}

fn of_family<A: Address>(blocks: &[&IpBlock]) -> Runs<A> {
    let each: Vec<Runs<A>> = blocks.iter().map(|block| addresses(block)).collect();
    Runs::union_of(&each)
}
