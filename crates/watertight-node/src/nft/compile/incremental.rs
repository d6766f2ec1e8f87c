//! The table of a node as pods come, change and go, one by one.
//!
//! [`Compiler`] holds what [`compile`](super::compile) made, and what its elements follow from. A pod that comes
//! changes elements of sets, and brings or takes along the chains of its class; what else is affected by it
//! (host-network pods, addresses with two owners, peers that are whoever is no pod) makes everything anew.
//!
//! INVARIANT: after each change the table is the one that `compile` makes of the same world.

mod elements;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::{FxHashMap, FxHashSet};
use watertight_core::engine::{AllowLocalhost, EnforcementSwitch, NodeLocal};
use watertight_core::eval::{Evaluator, Family};
use watertight_core::manifest::Direction;
use watertight_core::manifest::Ips;
use watertight_core::policy::PolicyRef;
use watertight_core::world::{EndpointId, Lifecycle, NodeId, Port, Shared};

use self::elements::is_member;
use super::addresses::{Owners, has_network};
use super::policies::{Maker, Parts};
use super::sets::{Meaning, Sets, digit};
use super::{Compiled, Left, Options, finished, make};
use crate::nft::delta::{self, Change};
use crate::nft::table::{Set, Table};

/// A node's table, and how it changes.
#[derive(Debug)]
pub struct Compiler {
    node: NodeId,
    ranges: Box<[IpNet]>,
    options: Options,
    compiled: Compiled,
    /// Whether pods can be followed one by one at all.
    follows: bool,
    meanings: BTreeMap<Box<str>, Meaning>,
    /// The parts of the objects of the ruleset, which stays.
    parts: Parts,
    pods: FxHashMap<EndpointId, Pod>,
    /// Addresses of endpoints, of those too that do not run yet, and how many have each.
    claims: FxHashMap<EndpointId, Ips>,
    owners: FxHashMap<IpAddr, usize>,
    /// Endpoints on the host network.
    on_host: FxHashSet<EndpointId>,
    lists: FxHashMap<Vec<PolicyRef>, Box<str>>,
    classes: FxHashMap<Box<str>, Class>,
    /// How many classes have a use for what is there for classes only.
    users: BTreeMap<Item, usize>,
}

/// What came of a change.
#[derive(Clone, Debug)]
pub struct Followed {
    /// What changes in the kernel.
    pub changes: Vec<Change>,
    /// Whether everything was made anew.
    pub rebuilt: bool,
}

/// A pod as it was.
#[derive(Clone, Debug)]
struct Pod {
    ips: Ips,
    ports: Shared<Port>,
    is_local: bool,
    classes: [Option<Box<str>>; 2],
}

#[derive(Debug, Default)]
struct Class {
    list: Vec<PolicyRef>,
    /// The local pods of it; a node of it counts as one that stays.
    pods: usize,
    items: Vec<Item>,
}

/// Something that classes share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Chain(Box<str>),
    Set(Box<str>),
    Blame(Box<str>),
    Left(Left),
}

/// Changes in the making: in which order they come is decided at the end.
#[derive(Debug, Default)]
struct Draft {
    lost: Vec<(Box<str>, Set)>,
    gained: Vec<(Box<str>, Set)>,
    /// What a class brings, and what goes with one.
    new: Table,
    old_chains: Vec<Box<str>>,
    old_sets: Vec<Box<str>>,
}

impl Compiler {
    /// Makes the table of a node, as [`compile`](super::compile) does.
    #[must_use]
    pub fn new(eval: &Evaluator<'_>, node: NodeId, ranges: &[IpNet], options: Options) -> Self {
        let mut maker = make(eval, node, ranges, options);
        let lists = std::mem::take(&mut maker.lists);
        let mut compiler = Self {
            node,
            ranges: ranges.into(),
            options,
            compiled: finished(&mut maker),
            follows: true,
            meanings: BTreeMap::new(),
            parts: Parts::default(),
            pods: FxHashMap::default(),
            claims: FxHashMap::default(),
            owners: FxHashMap::default(),
            on_host: FxHashSet::default(),
            classes: FxHashMap::default(),
            users: BTreeMap::new(),
            lists: FxHashMap::default(),
        };
        let mut lists: Vec<(Vec<PolicyRef>, Box<str>)> = lists.into_iter().collect();
        lists.sort_unstable();
        for (list, name) in lists {
            let alone = alone(&mut maker, &list);
            compiler.insert(name, list, &alone);
        }
        compiler.learn(maker);
        for direction in Direction::BOTH {
            let of_node = eval.policies_of_node(node, direction);
            if let Some(class) = compiler.class_of(of_node) {
                class.pods += 1;
            }
        }
        for id in eval.world.endpoint_ids() {
            if eval.world[id].host_network.is_some() {
                compiler.on_host.insert(id);
            }
            let claimed = claimed(eval, id);
            for ip in &claimed {
                *compiler.owners.entry(*ip).or_default() += 1;
            }
            compiler.claims.insert(id, claimed);
            let Some(mut pod) = compiler.pod(eval, id) else {
                continue;
            };
            for (direction, class) in Direction::BOTH.into_iter().zip(&mut pod.classes) {
                let list = match pod.is_local {
                    true => eval.policies_of(id, direction),
                    false => &[],
                };
                *class = compiler.lists.get(list).cloned();
                if let Some(class) = compiler.class_of(list) {
                    class.pods += 1;
                }
            }
            compiler.pods.insert(id, pod);
        }
        let switches = eval.switches;
        // Where some pods are closed to their node, which ones depends on more than elements.
        compiler.follows &= switches.node_local == NodeLocal::None
            || (switches.allow_localhost == AllowLocalhost::Auto
                && switches.enforcement != EnforcementSwitch::Always);
        compiler
    }

    /// The table as it is now, and what goes with it.
    #[must_use]
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// Anything may have changed.
    pub fn replace(&mut self, eval: &Evaluator<'_>) -> Vec<Change> {
        let new = Self::new(eval, self.node, &self.ranges, self.options);
        let changes = delta::changes(&self.compiled.table, &new.compiled.table);
        *self = new;
        changes
    }

    /// One endpoint came, changed or went, and nothing else: not the ruleset, the nodes or the namespaces.
    pub fn follow(&mut self, eval: &Evaluator<'_>, id: EndpointId) -> Followed {
        match self.followed(eval, id) {
            Some(changes) => Followed {
                changes,
                rebuilt: false,
            },
            None => Followed {
                changes: self.replace(eval),
                rebuilt: true,
            },
        }
    }

    /// None if everything has to be made anew; then nothing was done.
    fn followed(&mut self, eval: &Evaluator<'_>, id: EndpointId) -> Option<Vec<Change>> {
        let is_on_host = eval.world[id].host_network.is_some() || self.on_host.contains(&id);
        if !self.follows || is_on_host {
            return None;
        }
        let old = self.pods.get(&id).cloned();
        let mut new = self.pod(eval, id);
        let of = |pod: &Option<Pod>| pod.as_ref().map(|pod| pod.ips.clone()).unwrap_or_default();
        let (old_ips, new_ips) = (of(&old), of(&new));
        let old_claims = self.claims.get(&id).cloned().unwrap_or_default();
        let new_claims = claimed(eval, id);
        if !self.owners_stay(eval, &old_claims, &new_claims)
            || !self.families_stay(id, &old_ips, &new_ips)
        {
            return None;
        }
        let room = self.room_taken(eval, id, new.is_some())?;

        let mut draft = Draft::default();
        self.members(eval, id, &old_ips, new.as_ref(), &mut draft);
        for (set, left) in room {
            if let Some(Meaning::Ports { room, .. }) = self.meanings.get_mut(&set) {
                *room = left;
            }
        }
        let mut left = Vec::new();
        let mut maker = None;
        for (at, direction) in Direction::BOTH.into_iter().enumerate() {
            let was = old.as_ref().and_then(|pod| pod.classes.get(at)?.clone());
            let list = match &new {
                Some(pod) if pod.is_local => policies(eval, id, direction),
                _ => Vec::new(),
            };
            let is = self.acquire(eval, &mut maker, list, &mut draft);
            self.lead(direction, &old_ips, &new_ips, is.as_deref(), &mut draft);
            left.extend(was);
            if let Some(class) = new.as_mut().and_then(|pod| pod.classes.get_mut(at)) {
                *class = is;
            }
        }
        if let Some(maker) = maker {
            self.learn(maker);
        }
        // Not before: both have chains and sets in common.
        for class in left {
            self.release(&class, &mut draft);
        }
        for ip in &old_claims {
            self.owners.remove(ip);
        }
        for ip in &new_claims {
            self.owners.insert(*ip, 1);
        }
        self.claims.insert(id, new_claims);
        match new {
            Some(pod) => self.pods.insert(id, pod),
            None => self.pods.remove(&id),
        };
        Some(draft.changes())
    }

    /// A pod that owns addresses, without its classes.
    fn pod(&self, eval: &Evaluator<'_>, id: EndpointId) -> Option<Pod> {
        let endpoint = &eval.world[id];
        has_network(eval.world, id).then(|| Pod {
            ips: endpoint.ips.clone(),
            ports: endpoint.ports.clone(),
            is_local: endpoint.node == Some(self.node),
            classes: [None, None],
        })
    }

    /// Whether every address has one owner at most, which is no node.
    fn owners_stay(&self, eval: &Evaluator<'_>, old: &Ips, new: &Ips) -> bool {
        let owners = |ip: &IpAddr| self.owners.get(ip).copied().unwrap_or_default();
        // Pods come before nodes.
        let is_node = |ip: &IpAddr| eval.world.node_at(*ip).is_some();
        if old.iter().chain(new).any(is_node) {
            return false;
        }
        old.iter().all(|ip| owners(ip) == 1)
            && new
                .iter()
                .all(|ip| owners(ip) == usize::from(old.contains(ip)))
    }

    /// Whether a pod has one address of a family at most, and no family comes or goes.
    fn families_stay(&self, id: EndpointId, old: &Ips, new: &Ips) -> bool {
        let stays = |family: Family| {
            let of = |ips: &Ips| ips.iter().filter(|ip| Family::of(**ip) == family).count();
            match (of(old), of(new)) {
                (0, 0) => true,
                (0 | 1, 1) => self.has_family(family),
                (1, 0) => {
                    let others = self.pods.iter().filter(|(other, _)| **other != id);
                    let mut ips = others.flat_map(|(_, pod)| &pod.ips);
                    ips.any(|ip| Family::of(*ip) == family)
                }
                _ => false,
            }
        };
        Family::BOTH.into_iter().all(stays)
    }

    /// Whether any pod has an address of a family.
    fn has_family(&self, family: Family) -> bool {
        let pods = format!("pods{}", digit(family));
        self.compiled.table.sets.contains_key(&*pods)
    }

    /// One more pod of a class; its chains are made if it is the first one.
    fn acquire<'e, 'w>(
        &mut self,
        eval: &'e Evaluator<'w>,
        maker: &mut Option<Maker<'e, 'w>>,
        list: Vec<PolicyRef>,
        draft: &mut Draft,
    ) -> Option<Box<str>> {
        if list.is_empty() {
            return None;
        }
        if self.class_of(&list).is_none() {
            let maker = maker.get_or_insert_with(|| {
                let has = |family: &Family| self.has_family(*family);
                let families = Family::BOTH.into_iter().filter(has).collect();
                let owners = Owners::new(eval, self.node);
                let sets = Sets::with(eval.world, owners, families);
                Maker::new(eval, self.options, sets, std::mem::take(&mut self.parts))
            });
            let alone = alone(maker, &list);
            let name = maker.lists.get(&list).cloned()?;
            let table = &mut self.compiled.table;
            for (name, set) in &alone.table.sets {
                if !table.sets.contains_key(name) {
                    table.sets.insert(name.clone(), set.clone());
                    draft.new.sets.insert(name.clone(), set.clone());
                }
            }
            for (name, chain) in &alone.table.chains {
                if !table.chains.contains_key(name) {
                    table.chains.insert(name.clone(), chain.clone());
                    draft.new.chains.insert(name.clone(), chain.clone());
                }
            }
            self.compiled.blames.extend(alone.blames.clone());
            self.compiled.left.extend(alone.left.iter().copied());
            self.insert(name, list.clone(), &alone);
        }
        let name = self.lists.get(&list).cloned();
        if let Some(class) = self.class_of(&list) {
            class.pods += 1;
        }
        name
    }

    /// One pod of a class less; what nobody else uses goes with the last one.
    fn release(&mut self, name: &str, draft: &mut Draft) {
        let Some(class) = self.classes.get_mut(name) else {
            return;
        };
        class.pods = class.pods.saturating_sub(1);
        if class.pods > 0 {
            return;
        }
        let class = self.classes.remove(name).unwrap_or_default();
        self.lists.remove(&class.list);
        for item in class.items {
            let users = self.users.get_mut(&item);
            if let Some(users) = users.filter(|users| **users > 1) {
                *users -= 1;
                continue;
            }
            self.users.remove(&item);
            match item {
                Item::Chain(name) => {
                    self.compiled.table.chains.remove(&name);
                    draft.old_chains.push(name);
                }
                Item::Set(name) => {
                    self.compiled.table.sets.remove(&name);
                    self.meanings.remove(&name);
                    draft.old_sets.push(name);
                }
                Item::Blame(prefix) => _ = self.compiled.blames.remove(&prefix),
                Item::Left(left) => _ = self.compiled.left.remove(&left),
            }
        }
    }

    /// Takes up a class, of which there is no pod yet.
    fn insert(&mut self, name: Box<str>, list: Vec<PolicyRef>, alone: &Compiled) {
        let chains = alone.table.chains.keys().cloned().map(Item::Chain);
        let sets = alone.table.sets.keys().cloned().map(Item::Set);
        let blames = alone.blames.keys().cloned().map(Item::Blame);
        let left = alone.left.iter().copied().map(Item::Left);
        let items: Vec<Item> = chains.chain(sets).chain(blames).chain(left).collect();
        for item in &items {
            *self.users.entry(item.clone()).or_default() += 1;
        }
        self.lists.insert(list.clone(), name.clone());
        let class = Class {
            list,
            pods: 0,
            items,
        };
        self.classes.insert(name, class);
    }

    /// Takes up what a maker found out about sets.
    fn learn(&mut self, maker: Maker<'_, '_>) {
        self.parts = maker.parts;
        self.follows &= !maker.sets.rests_on_pods;
        for (name, meaning) in maker.sets.meanings {
            self.meanings.entry(name).or_insert(meaning);
        }
    }

    fn class_of(&mut self, list: &[PolicyRef]) -> Option<&mut Class> {
        let name = self.lists.get(list)?;
        self.classes.get_mut(name)
    }
}

impl Draft {
    /// In an order in which they can be made.
    fn changes(self) -> Vec<Change> {
        let Self {
            lost,
            gained,
            new,
            old_chains,
            old_sets,
        } = self;
        let flushed = old_chains.iter().cloned().map(Change::FlushChain);
        let mut changes: Vec<Change> = flushed.collect();
        let stays = |(name, _): &(Box<str>, Set)| !old_sets.contains(name);
        let lost = lost.into_iter().filter(stays);
        changes.extend(lost.map(|(name, set)| Change::RemoveElements(name, set)));
        let gained: Vec<(Box<str>, Set)> = gained.into_iter().filter(stays).collect();
        changes.extend(old_sets.into_iter().map(Change::DeleteSet));
        changes.extend(
            old_chains
                .into_iter()
                .map(|name| Change::DeleteChain(name, None)),
        );
        let added = new.chains.keys().cloned();
        changes.extend(added.map(|name| Change::AddChain(name, None)));
        for (name, set) in new.sets {
            changes.push(Change::AddSet(name.clone(), delta::emptied(&set)));
            if !delta::is_empty(&set) {
                changes.push(Change::AddElements(name, set));
            }
        }
        changes.extend(
            gained
                .into_iter()
                .map(|(name, set)| Change::AddElements(name, set)),
        );
        let filled = new
            .chains
            .into_iter()
            .filter(|(_, chain)| !chain.rules.is_empty());
        changes.extend(filled.map(|(name, chain)| Change::AddRules(name, chain.rules)));
        changes
    }
}

/// The addresses that an endpoint has, whether it runs or not.
fn claimed(eval: &Evaluator<'_>, id: EndpointId) -> Ips {
    let endpoint = &eval.world[id];
    match endpoint.host_network.is_none() && endpoint.lifecycle != Lifecycle::Finished {
        true => endpoint.ips.clone(),
        false => Ips::default(),
    }
}

/// What one class is made of, apart from all others.
fn alone(maker: &mut Maker<'_, '_>, list: &[PolicyRef]) -> Compiled {
    maker.made.clear();
    maker.lists.clear();
    if let Some(first) = list.first() {
        maker.class(first.direction, list);
    }
    finished(maker)
}

/// The policies that select an endpoint, in order.
fn policies(eval: &Evaluator<'_>, id: EndpointId, direction: Direction) -> Vec<PolicyRef> {
    let mut found = Vec::new();
    if !eval.can_be_subject(id) {
        return found;
    }
    for (tier, of) in eval.ruleset.tiers(direction).iter().enumerate() {
        for (policy, of) in of.policies.iter().enumerate() {
            let subject = of.subject.endpoints();
            if subject.is_some_and(|subject| is_member(eval, subject, id)) {
                found.push(PolicyRef {
                    direction,
                    tier,
                    policy,
                });
            }
        }
    }
    found
}
