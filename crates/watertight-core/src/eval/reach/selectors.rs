//! What the peers of rules select, as sets; equal peers are looked up once.

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::atoms::{Address, addresses};
use super::classes::Classes;
use super::sets::{SetId, Sets};
use crate::eval::matching::Match;
use crate::eval::{Evaluator, Family};
use crate::policy::{EndpointSelector, NamespaceScope, Peer, Rule};
use crate::sets::{IpBlock, LabelSelector, Operator, Runs};
use crate::world::{Symbol, World};

/// The peers of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peers {
    /// Those that match.
    pub yes: SetId,
    /// Those that match if an address that is not known lies in a block (M-1).
    pub maybe: SetId,
}

/// Selectors that were looked up.
#[derive(Clone, Debug, Default)]
pub(super) struct Selectors {
    scopes: FxHashMap<Box<[u32]>, Runs<u32>>,
    labels: FxHashMap<Box<[u32]>, Runs<u32>>,
    /// Scope and labels.
    endpoints: FxHashMap<Box<[u32]>, SetId>,
    /// The blocks of a rule, each with what it leaves out; `None` ends one.
    blocks: FxHashMap<Box<[Option<IpNet>]>, Peers>,
}

impl Selectors {
    /// Forgets everything: the classes are others.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn peers(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        sets: &mut Sets,
        rule: &Rule,
    ) -> Peers {
        let mut yes = Vec::with_capacity(rule.peers.len());
        let mut maybe = SetId::NONE;
        let mut blocks = Vec::new();
        for peer in &rule.peers {
            match peer {
                Peer::Any => yes.push(SetId::ALL),
                Peer::Endpoints(selector, _) => {
                    yes.push(self.endpoints(eval.world, classes, sets, selector));
                }
                Peer::Block(block) => blocks.push(block),
            }
        }
        if !blocks.is_empty() {
            let key = blocks.iter().flat_map(|block| {
                let nets = std::iter::once(&block.cidr).chain(&block.except);
                nets.map(|cidr| Some(cidr.net)).chain([None])
            });
            let known = self.blocks.entry(key.collect());
            let found = *known.or_insert_with(|| of_blocks(eval, classes, sets, &blocks));
            yes.push(found.yes);
            maybe = found.maybe;
        }
        let yes = sets.union(&yes);
        Peers {
            yes,
            maybe: sets.difference(maybe, yes),
        }
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
        if let Some(known) = self.endpoints.get(&*key) {
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
        let set = sets.intern([found.clone(), found], Runs::default(), Runs::default());
        self.endpoints.insert(key.into(), set);
        set
    }
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
) -> Peers {
    let v4 = of_family::<u32>(blocks);
    let v6 = of_family::<u128>(blocks);
    let known = [classes.v4.classes_in(&v4), classes.v6.classes_in(&v6)];
    let mut yes = known;
    let mut maybe = [const { Vec::new() }; 2].map(Runs::from_unsorted);
    for (family, (yes, maybe)) in [Family::V4, Family::V6]
        .into_iter()
        .zip(yes.iter_mut().zip(&mut maybe))
    {
        for on_host in [false, true] {
            let unknown = classes.unknown(family, on_host);
            if unknown.is_empty() {
                continue;
            }
            let answers = blocks
                .iter()
                .map(|block| eval.unknown_in_block(block, family, on_host));
            match answers.max() {
                Some(Match::Yes) => *yes = yes.union(unknown),
                Some(Match::Maybe) => *maybe = maybe.union(unknown),
                _ => {}
            }
        }
    }
    Peers {
        yes: sets.intern(yes, v4, v6),
        maybe: sets.intern(maybe, Runs::default(), Runs::default()),
    }
}

fn of_family<A: Address>(blocks: &[&IpBlock]) -> Runs<A> {
    let each: Vec<Runs<A>> = blocks.iter().map(|block| addresses(block)).collect();
    Runs::union_of(&each)
}
