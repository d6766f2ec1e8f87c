//! The table of a node as pods come, change and go, one by one.
//!
//! [`Compiler`] holds what [`compile`](super::compile) made, and what its elements follow from. A pod that comes
//! changes elements of sets, and brings or takes along the chains of its class; what else is affected by it
//! (host-network pods, addresses with two owners, peers that are whoever is no pod) makes everything anew.
//!
//! INVARIANT: after each change the table is the one that `compile` makes of the same world.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::{FxHashMap, FxHashSet};
use watertight_core::engine::{AllowLocalhost, EnforcementSwitch, NodeLocal};
use watertight_core::eval::{Evaluator, Family};
use watertight_core::manifest::Direction;
use watertight_core::manifest::Ips;
use watertight_core::policy::{EndpointSelector, NamespaceScope, PolicyRef};
use watertight_core::sets::Protocol;
use watertight_core::world::{EndpointId, NodeId, Port, Seen, Shared};

use super::addresses::{Owners, has_network};
use super::policies::Maker;
use super::sets::{Meaning, Sets, digit, number};
use super::{Compiled, Left, Options, by_address, finished, make};
use crate::nft::delta::{self, Change};
use crate::nft::table::{Bytes, Contents, Element, Set, Table, Verdict};

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
    pods: FxHashMap<EndpointId, Pod>,
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
            pods: FxHashMap::default(),
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
            for ip in &pod.ips {
                *compiler.owners.entry(*ip).or_default() += 1;
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
        if !self.owners_stay(&old_ips, &new_ips) {
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
        for (at, direction) in Direction::BOTH.into_iter().enumerate() {
            let was = old.as_ref().and_then(|pod| pod.classes.get(at)?.clone());
            let list = match &new {
                Some(pod) if pod.is_local => policies(eval, id, direction),
                _ => Vec::new(),
            };
            let is = self.acquire(eval, list, &mut draft);
            self.lead(direction, &old_ips, &new_ips, is.as_ref(), &mut draft);
            left.extend(was);
            if let Some(class) = new.as_mut().and_then(|pod| pod.classes.get_mut(at)) {
                *class = is;
            }
        }
        // Not before: both have chains and sets in common.
        for class in left {
            self.release(&class, &mut draft);
        }
        for ip in &old_ips {
            self.owners.remove(ip);
        }
        for ip in &new_ips {
            self.owners.insert(*ip, 1);
        }
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

    /// Whether every address has one owner at most and a pod one of a family, and no family comes or goes.
    fn owners_stay(&self, old: &Ips, new: &Ips) -> bool {
        let owners = |ip: &IpAddr| self.owners.get(ip).copied().unwrap_or_default();
        let is_alone = old.iter().all(|ip| owners(ip) == 1)
            && new
                .iter()
                .all(|ip| owners(ip) == usize::from(old.contains(ip)));
        let has = |family| {
            self.compiled
                .table
                .sets
                .contains_key(&*format!("pods{}", digit(family)))
        };
        let stays = |family: Family| {
            let of = |ips: &Ips| ips.iter().filter(|ip| Family::of(**ip) == family).count();
            match (of(old), of(new)) {
                (0, 0) => true,
                (0 | 1, 1) => has(family),
                (1, 0) => {
                    let mut others = self.owners.keys().filter(|ip| !old.contains(ip));
                    others.any(|ip| Family::of(*ip) == family)
                }
                _ => false,
            }
        };
        is_alone && Family::BOTH.into_iter().all(stays)
    }

    /// What is left of the room of sets that a pod goes into; none where there is not enough.
    fn room_taken(
        &self,
        eval: &Evaluator<'_>,
        id: EndpointId,
        is_there: bool,
    ) -> Option<Vec<(Box<str>, usize)>> {
        let mut left = Vec::new();
        for (name, meaning) in self.meanings.iter().filter(|_| is_there) {
            let Meaning::Ports { groups, room } = meaning else {
                continue;
            };
            let groups = groups.iter().filter(|(of, _)| is_any(eval, of, id));
            let taken = groups.map(|(_, ports)| ports.len()).sum();
            left.push((name.clone(), room.checked_sub(taken)?));
        }
        Some(left)
    }

    /// Elements of sets that are there.
    fn members(
        &mut self,
        eval: &Evaluator<'_>,
        id: EndpointId,
        old: &Ips,
        new: Option<&Pod>,
        draft: &mut Draft,
    ) {
        for family in Family::BOTH {
            let of = |ips: &Ips| ips.iter().copied().find(|ip| Family::of(*ip) == family);
            let (old, ip) = (of(old), new.and_then(|pod| of(&pod.ips)));
            if old.is_none() && ip.is_none() {
                continue;
            }
            let digit = digit(family);
            let local = ip.filter(|_| new.is_some_and(|pod| pod.is_local));
            let one = |ip| Element::one(Bytes::EMPTY.ip(ip));
            let pods: Vec<Element> = local.map(one).into_iter().collect();
            self.set(&format!("pods{digit}"), old, pods, draft);
            let itself = local.map(|ip| Element::one(Bytes::EMPTY.ip(ip).ip(ip)));
            self.set(
                &format!("self{digit}"),
                old,
                itself.into_iter().collect(),
                draft,
            );
            for (name, elements) in self.named(eval, old.zip(Some(id)), ip, new) {
                self.set(&name, old, elements, draft);
            }
            let kinds = [format!("s{digit}"), format!("m{digit}")];
            let meant: Vec<(Box<str>, Vec<Element>)> = self
                .meanings
                .iter()
                .filter(|(name, _)| kinds.iter().any(|kind| name.starts_with(&**kind)))
                .map(|(name, meaning)| (name, ip.map(|ip| meant(eval, meaning, id, ip))))
                .filter(|(_, elements)| {
                    old.is_some() || elements.as_ref().is_some_and(|of| !of.is_empty())
                })
                .map(|(name, elements)| (name.clone(), elements.unwrap_or_default()))
                .collect();
            for (name, elements) in meant {
                self.set(&name, old, elements, draft);
            }
        }
    }

    /// Sets of named ports that the pod was in or has to be in.
    fn named(
        &self,
        eval: &Evaluator<'_>,
        old: Option<(IpAddr, EndpointId)>,
        ip: Option<IpAddr>,
        new: Option<&Pod>,
    ) -> BTreeMap<Box<str>, Vec<Element>> {
        let mut found: BTreeMap<Box<str>, Vec<Element>> = BTreeMap::new();
        let set = |port: &Port, family: Family| {
            let text = eval.world.symbols.text(port.name?);
            let set = Sets::named_set(text, port.protocol, family);
            self.compiled.table.sets.contains_key(&set).then_some(set)
        };
        if let Some((old, id)) = old {
            let ports = self.pods.get(&id).map(|pod| pod.ports.clone());
            let ports = ports.iter().flat_map(|ports| ports.iter());
            found.extend(
                ports
                    .filter_map(|port| set(port, Family::of(old)))
                    .map(|set| (set, Vec::new())),
            );
        }
        if let (Some(ip), Some(pod)) = (ip, new) {
            let family = Family::of(ip);
            for port in pod.ports.iter() {
                let key = Bytes::EMPTY.ip(ip).protocol(number(port.protocol, family));
                if let Some(set) = set(port, family) {
                    let element = Element::one(key.port(port.number));
                    found.entry(set).or_default().push(element);
                }
            }
        }
        found
    }

    /// Gives a set these elements of a pod in place of those that it has of the pod's old address.
    fn set(&mut self, name: &str, old: Option<IpAddr>, mut is: Vec<Element>, draft: &mut Draft) {
        let Some((name, set)) = self.compiled.table.sets.get_key_value(name) else {
            return;
        };
        let Contents::Members(members) = &set.contents else {
            return;
        };
        is.sort_unstable();
        is.dedup();
        let was = old.map(|ip| of_address(members, ip)).unwrap_or_default();
        let lost: Vec<Element> = was
            .iter()
            .filter(|one| !is.contains(one))
            .copied()
            .collect();
        is.retain(|one| !was.contains(one));
        let of = |members| Set {
            contents: Contents::Members(members),
            key: set.key.clone(),
            ranges: false,
        };
        if !lost.is_empty() {
            draft.lost.push((name.clone(), of(lost.clone())));
        }
        if !is.is_empty() {
            draft.gained.push((name.clone(), of(is.clone())));
        }
        let name = name.clone();
        let set = self.compiled.table.sets.get_mut(&name);
        if let Some(Contents::Members(members)) = set.map(|set| &mut set.contents) {
            for one in lost {
                if let Ok(at) = members.binary_search(&one) {
                    members.remove(at);
                }
            }
            for one in is {
                let at = members.partition_point(|other| *other < one);
                members.insert(at, one);
            }
        }
    }

    /// Leads a pod's addresses to its class.
    fn lead(
        &mut self,
        direction: Direction,
        old: &Ips,
        new: &Ips,
        class: Option<&Box<str>>,
        draft: &mut Draft,
    ) {
        for family in Family::BOTH {
            let name = by_address(direction, family);
            let Some(map) = self.compiled.table.sets.get_mut(&name) else {
                continue;
            };
            let key = map.key.clone();
            let Contents::Verdicts(verdicts) = &mut map.contents else {
                continue;
            };
            let of = |ips: &Ips| {
                let ip = ips.iter().copied().find(|ip| Family::of(*ip) == family);
                ip.map(|ip| Element::one(Bytes::EMPTY.ip(ip)))
            };
            let was = of(old).and_then(|at| Some((at, verdicts.get(&at)?.clone())));
            let is = of(new).and_then(|at| Some((at, Verdict::Jump(class?.clone()))));
            if was == is {
                continue;
            }
            let one = |(at, to): (Element, Verdict)| Set {
                key: key.clone(),
                ranges: false,
                contents: Contents::Verdicts(BTreeMap::from([(at, to)])),
            };
            if let Some(was) = was {
                verdicts.remove(&was.0);
                draft.lost.push((name.clone(), one(was)));
            }
            if let Some(is) = is {
                verdicts.insert(is.0, is.1.clone());
                draft.gained.push((name.clone(), one(is)));
            }
        }
    }

    /// One more pod of a class; its chains are made if it is the first one.
    fn acquire(
        &mut self,
        eval: &Evaluator<'_>,
        list: Vec<PolicyRef>,
        draft: &mut Draft,
    ) -> Option<Box<str>> {
        if list.is_empty() {
            return None;
        }
        if self.class_of(&list).is_none() {
            let sets = Sets::new(eval.world, Owners::new(eval, self.node));
            let mut maker = Maker::new(eval, self.options, sets);
            let alone = alone(&mut maker, &list);
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
            self.learn(maker);
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

fn is_any(eval: &Evaluator<'_>, selectors: &[EndpointSelector], id: EndpointId) -> bool {
    eval.can_be_subject(id) && selectors.iter().any(|of| is_member(eval, of, id))
}

/// Whether a selector selects an endpoint that can be selected.
fn is_member(eval: &Evaluator<'_>, selector: &EndpointSelector, id: EndpointId) -> bool {
    let world = eval.world;
    let namespace = world[id].namespace;
    let in_scope = match &selector.namespaces {
        NamespaceScope::Only(only) => *only == namespace,
        NamespaceScope::Matching(labels) => {
            labels.matches(|key| world.namespace_label(namespace, key))
        }
    };
    in_scope
        && selector.pods.matches(|key| world.label(id, key))
        && selector
            .also
            .as_deref()
            .is_none_or(|also| also.holds(&Seen(world, id)))
}

/// The elements that a pod has in a set.
fn meant(eval: &Evaluator<'_>, meaning: &Meaning, id: EndpointId, ip: IpAddr) -> Vec<Element> {
    let key = Bytes::EMPTY.ip(ip);
    match meaning {
        Meaning::Pods(selectors) if is_any(eval, selectors, id) => vec![Element::one(key)],
        Meaning::Pods(_) => Vec::new(),
        Meaning::Ports { groups, .. } => {
            let groups = groups.iter().filter(|(of, _)| is_any(eval, of, id));
            let ports = groups.flat_map(|(_, ports)| ports);
            let with = |(protocol, port): &(Protocol, u16)| {
                let protocol = number(*protocol, Family::of(ip));
                Element::one(key.protocol(protocol).port(*port))
            };
            ports.map(with).collect()
        }
    }
}

/// Those elements of an ordered list that begin with an address.
fn of_address(members: &[Element], ip: IpAddr) -> &[Element] {
    let key = Bytes::EMPTY.ip(ip);
    let start = members.partition_point(|one| one.first < key);
    let from = members.get(start..).unwrap_or_default();
    let end = from.partition_point(|one| one.first.as_slice().starts_with(key.as_slice()));
    from.get(..end).unwrap_or_default()
}
