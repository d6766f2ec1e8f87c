//! What the selectors of peers select, found once for all rules.
//!
//! Selectors that say the same share one entry, whichever policy they stand in. Members are looked
//! up when somebody asks: most questions are about a few of them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustc_hash::FxHashMap;

use super::{names_asked, one_of_each};
use crate::eval::Evaluator;
use crate::manifest::Direction;
use crate::policy::{EndpointSelector, NamespaceScope, Peer};
use crate::rules::Context;
use crate::sets::{LabelSelector, Operator};
use crate::world::{EndpointId, NamespaceId, World};

/// A peer with more workloads than this is not looked at one by one.
pub(in crate::rules) const FEW: usize = 64;

/// The namespaces that namespace selectors match, by what they say.
type Scopes = FxHashMap<Box<[u32]>, Arc<[NamespaceId]>>;

/// Evaluated selectors.
#[derive(Debug)]
pub(in crate::rules) struct Index {
    /// The selectors of the ruleset, by where they are.
    placed: FxHashMap<usize, Arc<Entry>>,
    /// All of them, by what they say.
    said: Mutex<FxHashMap<Box<[u32]>, Arc<Entry>>>,
    scopes: Mutex<Scopes>,
    /// By namespace.
    workloads: Vec<OnceLock<Arc<[EndpointId]>>>,
}

/// What one selector selects.
#[derive(Debug, Default)]
struct Entry {
    some: OnceLock<bool>,
    all: OnceLock<Arc<[EndpointId]>>,
    few: OnceLock<Option<Arc<[EndpointId]>>>,
}

impl Index {
    pub(in crate::rules) fn new(eval: &Evaluator<'_>) -> Self {
        let mut placed = FxHashMap::default();
        let mut said: FxHashMap<Box<[u32]>, Arc<Entry>> = FxHashMap::default();
        let mut key = Vec::new();
        let tiers = Direction::BOTH.map(|direction| eval.ruleset.tiers(direction));
        let policies = tiers.iter().flat_map(|tiers| tiers.iter());
        let policies = policies.flat_map(|tier| &tier.policies);
        for peer in policies.flat_map(|p| &p.rules).flat_map(|rule| &rule.peers) {
            if let Peer::Endpoints(selector, _) = peer
                && selector.also.is_none()
            {
                spell(eval.world, selector, &mut key);
                let entry = match said.get(&*key) {
                    Some(entry) => Arc::clone(entry),
                    None => Arc::clone(said.entry(key.as_slice().into()).or_default()),
                };
                placed.insert(place(selector), entry);
            }
        }
        Self {
            placed,
            said: Mutex::new(said),
            scopes: Mutex::default(),
            workloads: eval
                .world
                .namespaces
                .iter()
                .map(|_| OnceLock::new())
                .collect(),
        }
    }

    fn entry(&self, world: &World, selector: &EndpointSelector) -> Arc<Entry> {
        if let Some(entry) = self.placed.get(&place(selector)) {
            return Arc::clone(entry);
        }
        if selector.also.is_some() {
            // What more it asks is not spelled.
            return Arc::default();
        }
        let mut key = Vec::new();
        spell(world, selector, &mut key);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(said.entry(key.into()).or_default())
    }

    /// The namespaces of a scope.
    pub(super) fn namespaces(&self, world: &World, scope: &NamespaceScope) -> Arc<[NamespaceId]> {
        let selector = match scope {
            NamespaceScope::Only(namespace) => return Arc::from([*namespace]),
            NamespaceScope::Matching(selector) => selector,
        };
        let mut key = Vec::new();
        spell_labels(world, selector, &mut key);
        {
            let scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = scopes.get(&*key) {
                return Arc::clone(found);
            }
        }
        let found = in_scope(world, selector);
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(scopes.entry(key.into()).or_insert(found))
    }

    /// The endpoints of a selector, namespace by namespace, until enough are seen.
    fn each(
        &self,
        eval: &Evaluator<'_>,
        selector: &EndpointSelector,
        mut is_enough: impl FnMut(&[EndpointId]) -> bool,
    ) {
        match &selector.namespaces {
            _ if selector.also.is_some() => {
                is_enough(&eval.members(selector));
            }
            NamespaceScope::Only(_) => {
                is_enough(&eval.members(selector));
            }
            scope @ NamespaceScope::Matching(_) => {
                let namespaces = self.namespaces(eval.world, scope);
                let Some(first) = namespaces.first() else {
                    return;
                };
                let mut one = EndpointSelector {
                    also: None,
                    namespaces: NamespaceScope::Only(*first),
                    pods: selector.pods.clone(),
                };
                for namespace in namespaces.iter() {
                    one.namespaces = NamespaceScope::Only(*namespace);
                    if is_enough(&eval.members(&one)) {
                        break;
                    }
                }
            }
        }
    }

    /// Whether a selector selects anybody.
    pub(super) fn has_members(&self, eval: &Evaluator<'_>, selector: &EndpointSelector) -> bool {
        let entry = self.entry(eval.world, selector);
        if let Some(all) = entry.all.get() {
            return !all.is_empty();
        }
        *entry.some.get_or_init(|| {
            let mut some = false;
            self.each(eval, selector, |found| {
                some = !found.is_empty();
                some
            });
            some
        })
    }

    /// The endpoints of a selector.
    pub(super) fn members(
        &self,
        eval: &Evaluator<'_>,
        selector: &EndpointSelector,
    ) -> Arc<[EndpointId]> {
        let entry = self.entry(eval.world, selector);
        let all = entry.all.get_or_init(|| {
            let mut all = Vec::new();
            self.each(eval, selector, |found| {
                all.extend_from_slice(found);
                false
            });
            all.into()
        });
        Arc::clone(all)
    }

    /// The first endpoints of a selector, as many as are wanted if there are.
    pub(super) fn first_members(
        &self,
        eval: &Evaluator<'_>,
        selector: &EndpointSelector,
        wanted: usize,
    ) -> Vec<EndpointId> {
        let entry = self.entry(eval.world, selector);
        let mut first = Vec::new();
        match entry.all.get() {
            Some(all) => first.extend(all.iter().take(wanted)),
            None => self.each(eval, selector, |found| {
                first.extend(found.iter().take(wanted - first.len()));
                first.len() == wanted
            }),
        }
        first
    }

    /// One pod of each workload that a selector selects, assumed ones left out; none if there are
    /// more than a few.
    pub(super) fn few_workloads(
        &self,
        context: &Context<'_>,
        selector: &EndpointSelector,
    ) -> Option<Arc<[EndpointId]>> {
        let entry = self.entry(context.world, selector);
        let few = entry.few.get_or_init(|| {
            let mut few = Vec::new();
            self.each(context.eval, selector, |found| {
                let read = found.iter().copied();
                let read = read.filter(|id| !context.world[*id].assumed);
                // The pods of one workload are in one namespace.
                few.extend(one_of_each(context, read));
                few.len() > FEW
            });
            (few.len() <= FEW).then(|| few.into())
        });
        few.clone()
    }

    /// One pod that was read and that selectors can match for each workload of a namespace.
    pub(super) fn workloads(
        &self,
        context: &Context<'_>,
        namespace: NamespaceId,
    ) -> Arc<[EndpointId]> {
        let find = || -> Arc<[EndpointId]> {
            let endpoints = context.world[namespace].endpoints.iter().copied();
            let selectable =
                |id: &EndpointId| !context.world[*id].assumed && context.eval.can_be_subject(*id);
            one_of_each(context, endpoints.filter(selectable)).into()
        };
        match self.workloads.get(namespace.index()) {
            Some(cell) => Arc::clone(cell.get_or_init(find)),
            None => find(),
        }
    }
}

/// The ruleset does not move while it is looked at.
fn place(selector: &EndpointSelector) -> usize {
    std::ptr::from_ref(selector).addr()
}

fn in_scope(world: &World, selector: &LabelSelector) -> Arc<[NamespaceId]> {
    let selects = |id: &NamespaceId| selector.matches(|key| world.namespace_label(*id, key));
    // Most selectors name a namespace: no need to ask all of them.
    match names_asked(selector) {
        Some(names) => {
            let named = names.iter().filter_map(|name| world.namespace(name));
            let mut named: Vec<_> = named.filter(selects).collect();
            named.sort_unstable();
            named.dedup();
            named.into()
        }
        None => world.namespace_ids().filter(selects).collect(),
    }
}

/// A selector in numbers: those with the same numbers select the same.
fn spell(world: &World, selector: &EndpointSelector, key: &mut Vec<u32>) {
    key.clear();
    match &selector.namespaces {
        NamespaceScope::Only(namespace) => {
            key.extend([0, u32::try_from(namespace.index()).unwrap_or(u32::MAX)]);
        }
        NamespaceScope::Matching(labels) => {
            key.push(1);
            spell_labels(world, labels, key);
        }
    }
    spell_labels(world, &selector.pods, key);
}

fn spell_labels(world: &World, selector: &LabelSelector, key: &mut Vec<u32>) {
    let number = |text: &str| {
        let symbol = world.symbols.get(text);
        // Nothing has a text that is not known, whichever it is.
        symbol.map_or(u32::MAX, |symbol| symbol.number())
    };
    for requirement in &selector.requirements {
        let (operator, values): (u32, &[Box<str>]) = match &requirement.operator {
            Operator::In(values) => (0, values),
            Operator::NotIn(values) => (1, values),
            Operator::Exists => (2, &[]),
            Operator::DoesNotExist => (3, &[]),
        };
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
        key.extend([operator, number(&requirement.key), count]);
        key.extend(values.iter().map(|value| number(value)));
    }
    key.push(u32::MAX);
}
