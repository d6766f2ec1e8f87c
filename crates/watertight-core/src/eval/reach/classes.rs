//! Classes: endpoints and nodes that no peer of any rule tells apart.
//!
//! Two endpoints are of one class if they are in the same namespace, agree in every label whose key a
//! peer selector names, in every container port whose name an egress rule uses, in being on the host
//! network, and in the atoms of their addresses. Classes are numbered by namespace and labels, so that
//! what selectors select are few runs of numbers.

mod asked;
mod joining;
mod selected;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub(super) use joining::Joined;
use rustc_hash::FxHashMap;

use self::asked::Asked;
use super::atoms::{Address, Atoms};
use crate::eval::matching::Owner;
use crate::eval::{Evaluator, Family, can_be_selected};
use crate::sets::{Protocol, Runs, is_public_name};
use crate::world::{EndpointId, Lifecycle, NameId, NamespaceId, NodeId, Symbol, World};

/// No class: the endpoint owns no address (K-33, K-86).
const NOBODY: u32 = u32::MAX;

/// Ends the labels in a key.
const END: u32 = u32::MAX;

/// Where the address of a class is, in one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// It has none.
    #[default]
    None,
    /// It has one that is not known (M-1, K-72).
    Unknown,
    /// In this atom.
    Atom(u32),
}

impl Place {
    fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Unknown => 1,
            Self::Atom(atom) => atom.saturating_add(2),
        }
    }
}

/// A class.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    pub namespace: Option<NamespaceId>,
    /// By key; only keys that peer selectors name.
    labels: Vec<(Symbol, Symbol)>,
    pub on_host: bool,
    /// Only where rules tell nodes apart: the node that it is or runs on.
    node: Option<NodeId>,
    /// A DNS name, which stands for somebody outside.
    name: Option<NameId>,
    /// Whether that is a name of public DNS (M-6).
    is_public: bool,
    /// Only where selectors look at it: the number of its service account, counted from one.
    account: u32,
    /// Whether selectors can match it.
    selectable: bool,
    /// Only names that egress rules use.
    ports: Vec<(Symbol, Protocol, u16)>,
    places: [Place; 2],
}

impl Class {
    /// Equal for equal classes, ordered by namespace and labels.
    fn key(&self, key: &mut Vec<u32>) {
        key.clear();
        key.push(self.namespace.map_or(u32::MAX, |id| number(id.index())));
        key.push(u32::from(self.on_host) | u32::from(self.selectable) << 1);
        for (name, value) in &self.labels {
            key.extend([name.number(), value.number()]);
        }
        key.push(END);
        let of = |index: Option<usize>| index.map_or(END, number);
        key.extend([
            of(self.node.map(NodeId::index)),
            of(self.name.map(NameId::index)),
            self.account,
        ]);
        for (name, protocol, port) in &self.ports {
            key.extend([name.number(), *protocol as u32, u32::from(*port)]);
        }
        key.extend([END, self.places[0].code(), self.places[1].code()]);
    }
}

impl Class {
    fn owner(&self) -> Owner {
        match (self.on_host, self.name) {
            (true, _) => Owner::Host,
            (false, Some(_)) if self.is_public => Owner::PublicName,
            (false, Some(_)) => Owner::Outside,
            (false, None) => Owner::Pod,
        }
    }

    /// The families in which rows alone decide about an endpoint of this class.
    fn plain(&self, number: u32) -> [bool; 2] {
        let is_pod = number != NOBODY && !self.on_host && self.name.is_none();
        self.places.map(|place| is_pod && place != Place::None)
    }
}

/// Symbols, as one bit each.
#[derive(Clone, Debug, Default)]
struct Chosen(Vec<bool>);

impl Chosen {
    fn insert(&mut self, symbol: Symbol) {
        let at = symbol.number() as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, false);
        }
        if let Some(entry) = self.0.get_mut(at) {
            *entry = true;
        }
    }

    fn contains(&self, symbol: Symbol) -> bool {
        self.0
            .get(symbol.number() as usize)
            .is_some_and(|chosen| *chosen)
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// All classes, and what selects them.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    /// By endpoint.
    of_endpoint: Vec<u32>,
    /// By endpoint: whether it is a pod with a network of its own and an address in a family, so that
    /// nothing but its rows decides about it.
    plain: Vec<[bool; 2]>,
    /// By node.
    of_node: Vec<u32>,
    /// By the addresses of nodes but the first of each family.
    of_node_ip: FxHashMap<IpAddr, u32>,
    /// By name.
    of_name: Vec<u32>,
    classes: Vec<Class>,
    numbers: FxHashMap<Box<[u32]>, u32>,
    /// What tells classes apart.
    keys: Chosen,
    port_names: Chosen,
    by_node: bool,
    /// Service accounts, if selectors look at them: in order of appearance.
    accounts: Option<Accounts>,
    /// The number of texts that were known then.
    symbols: u32,
    pub(super) v4: Atoms<u32>,
    pub(super) v6: Atoms<u128>,
    /// What selects them.
    with_label: FxHashMap<(Symbol, Symbol), Runs<u32>>,
    with_key: FxHashMap<Symbol, Runs<u32>>,
    /// The values of a key.
    values: FxHashMap<Symbol, Vec<Symbol>>,
    in_namespace: Vec<Runs<u32>>,
    selectable: Runs<u32>,
    /// By owner, then by family: those without a known address.
    unknown: [[Runs<u32>; 2]; 4],
    /// By owner.
    owned: [Runs<u32>; 4],
    /// What is on the host network, by node; those of which no node is known come last.
    on_node: FxHashMap<Option<NodeId>, Runs<u32>>,
    /// By the number of the account.
    with_account: Vec<Runs<u32>>,
    with_port: FxHashMap<(Symbol, Protocol), BTreeMap<u16, Runs<u32>>>,
}

/// Service accounts by namespace and name, with their numbers.
#[derive(Clone, Debug, Default)]
struct Accounts {
    numbers: FxHashMap<(NamespaceId, Box<str>), u32>,
    list: Vec<(NamespaceId, Box<str>)>,
}

impl Accounts {
    fn number(&mut self, namespace: NamespaceId, name: &str) -> u32 {
        let Self { numbers, list } = self;
        let account = (namespace, Box::from(name));
        *numbers.entry(account).or_insert_with_key(|account| {
            list.push(account.clone());
            number(list.len())
        })
    }
}

fn owner_slot(owner: Owner) -> usize {
    match owner {
        Owner::Pod => 0,
        Owner::Host => 1,
        Owner::Outside => 2,
        Owner::PublicName => 3,
    }
}

impl Classes {
    pub(super) fn new(eval: &Evaluator<'_>) -> Self {
        let asked = Asked::of(eval);
        let mut classes = Self {
            of_endpoint: Vec::new(),
            plain: Vec::new(),
            of_node: Vec::new(),
            of_node_ip: FxHashMap::default(),
            of_name: Vec::new(),
            classes: Vec::new(),
            numbers: FxHashMap::default(),
            keys: asked.keys,
            port_names: asked.port_names,
            by_node: asked.nodes,
            accounts: asked.accounts.then(Accounts::default),
            symbols: number(eval.world.symbols.len()),
            v4: Atoms::new(asked.blocks.iter().copied()),
            v6: Atoms::new(asked.blocks.iter().copied()),
            with_label: FxHashMap::default(),
            with_key: FxHashMap::default(),
            values: FxHashMap::default(),
            in_namespace: Vec::new(),
            selectable: Runs::default(),
            unknown: Default::default(),
            owned: Default::default(),
            on_node: FxHashMap::default(),
            with_account: Vec::new(),
            with_port: FxHashMap::default(),
        };
        classes.number(eval);
        classes.index(eval);
        classes
    }

    /// Finds the classes and numbers them by their keys.
    fn number(&mut self, eval: &Evaluator<'_>) {
        let world = eval.world;
        let (mut class, mut key) = (Class::default(), Vec::new());
        let mut class_of = |classes: &mut Self, class: &Class| {
            class.key(&mut key);
            if let Some(known) = classes.numbers.get(&*key) {
                return *known;
            }
            let fresh = number(classes.classes.len());
            classes.numbers.insert(key.as_slice().into(), fresh);
            classes.classes.push(class.clone());
            fresh
        };
        self.of_endpoint = vec![NOBODY; world.endpoints.len()];
        self.plain = vec![[false; 2]; world.endpoints.len()];
        for id in world.endpoint_ids() {
            let found = match self.describe(eval, id, &mut class) {
                true => class_of(self, &class),
                false => NOBODY,
            };
            if let Some(entry) = self.of_endpoint.get_mut(id.index()) {
                *entry = found;
            }
            if let Some(entry) = self.plain.get_mut(id.index()) {
                *entry = class.plain(found);
            }
        }
        for id in world.node_ids() {
            let mut class = self.describe_node(world, id);
            let own = class_of(self, &class);
            self.of_node.push(own);
            let mut seen = [false; 2];
            for ip in &world[id].ips {
                let slot = usize::from(ip.is_ipv6());
                if seen.get(slot) == Some(&true) {
                    class.places = self.places(&[*ip], |_| false);
                    let other = class_of(self, &class);
                    self.of_node_ip.insert(*ip, other);
                } else if let Some(seen) = seen.get_mut(slot) {
                    *seen = true;
                }
            }
        }
        for id in world.name_ids() {
            let class = Class {
                name: Some(id),
                is_public: is_public_name(&world[id].text),
                places: self.places(&world[id].ips, |_| true),
                ..Class::default()
            };
            let class = class_of(self, &class);
            self.of_name.push(class);
        }
        let mut order: Vec<(&[u32], u32)> = self
            .numbers
            .iter()
            .map(|(key, class)| (&**key, *class))
            .collect();
        order.sort_unstable();
        let mut renumbered = vec![NOBODY; order.len()];
        let mut sorted = Vec::with_capacity(order.len());
        for (_, old) in order {
            if let Some(entry) = renumbered.get_mut(old as usize) {
                *entry = number(sorted.len());
            }
            sorted.extend(self.classes.get(old as usize).cloned());
        }
        self.classes = sorted;
        let renumber = |class: &mut u32| {
            if let Some(new) = renumbered.get(*class as usize) {
                *class = *new;
            }
        };
        self.of_endpoint.iter_mut().for_each(renumber);
        self.of_node.iter_mut().for_each(renumber);
        self.of_node_ip.values_mut().for_each(renumber);
        self.of_name.iter_mut().for_each(renumber);
        self.numbers.values_mut().for_each(renumber);
    }

    /// Fills in the class of an endpoint as it is now; false if it owns no address.
    fn describe(&mut self, eval: &Evaluator<'_>, id: EndpointId, class: &mut Class) -> bool {
        let (world, endpoint) = (eval.world, &eval.world[id]);
        if endpoint.lifecycle != Lifecycle::Active {
            return false;
        }
        class.on_host = endpoint.host_network.is_some();
        class.selectable = can_be_selected(world, &eval.switches, id);
        class.namespace = Some(endpoint.namespace).filter(|_| class.selectable);
        class.places = self.places(&endpoint.ips, |family| {
            let cidrs = world.assumed.pod_cidrs.iter();
            class.on_host
                || cidrs
                    .map(|cidr| Family::of(cidr.addr()))
                    .any(|of| of == family)
        });
        class.node = endpoint.node.filter(|_| self.by_node && class.on_host);
        class.account = 0;
        if let Some(accounts) = self.accounts.as_mut().filter(|_| class.selectable) {
            class.account = accounts.number(endpoint.namespace, world.account_of(id));
        }
        class.labels.clear();
        class.ports.clear();
        if class.selectable {
            let labels = endpoint.labels.iter().copied();
            class
                .labels
                .extend(labels.filter(|(key, _)| self.keys.contains(*key)));
            let ports = endpoint.ports.iter().filter_map(|port| {
                let name = port.name.filter(|name| self.port_names.contains(*name))?;
                Some((name, port.protocol, port.number))
            });
            class.ports.extend(ports);
            class.ports.sort_unstable();
            class.ports.dedup();
        }
        true
    }

    fn describe_node(&self, world: &World, id: NodeId) -> Class {
        Class {
            on_host: true,
            node: self.by_node.then_some(id),
            places: self.places(&world[id].ips, |_| true),
            ..Class::default()
        }
    }

    fn places(&self, ips: &[IpAddr], may_have: impl Fn(Family) -> bool) -> [Place; 2] {
        if ips.is_empty() {
            return [Family::V4, Family::V6].map(|family| match may_have(family) {
                true => Place::Unknown,
                false => Place::None,
            });
        }
        let v4 = ips.iter().find_map(|ip| <u32 as Address>::of(*ip));
        let v6 = ips.iter().find_map(|ip| <u128 as Address>::of(*ip));
        [
            v4.map_or(Place::None, |ip| Place::Atom(self.v4.atom(ip))),
            v6.map_or(Place::None, |ip| Place::Atom(self.v6.atom(ip))),
        ]
    }

    /// Builds the tables that answer what a selector selects.
    fn index(&mut self, eval: &Evaluator<'_>) {
        let mut labels: FxHashMap<(Symbol, Symbol), Vec<u32>> = FxHashMap::default();
        let mut keys: FxHashMap<Symbol, Vec<u32>> = FxHashMap::default();
        let mut namespaces = vec![Vec::new(); eval.world.namespaces.len()];
        let mut ports: FxHashMap<(Symbol, Protocol), BTreeMap<u16, Vec<u32>>> =
            FxHashMap::default();
        let mut selectable = Vec::new();
        let mut unknown: [[Vec<u32>; 2]; 4] = Default::default();
        let mut owned: [Vec<u32>; 4] = Default::default();
        let mut on_node: FxHashMap<Option<NodeId>, Vec<u32>> = FxHashMap::default();
        let accounts = self.accounts.as_ref();
        let mut with_account = vec![Vec::new(); accounts.map_or(0, |of| of.list.len()) + 1];
        let mut values: FxHashMap<Symbol, Vec<Symbol>> = FxHashMap::default();
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (class, number) in self.classes.iter().zip(0..) {
            for (key, value) in &class.labels {
                let having = labels.entry((*key, *value)).or_default();
                if having.is_empty() {
                    values.entry(*key).or_default().push(*value);
                }
                having.push(number);
                keys.entry(*key).or_default().push(number);
            }
            for (name, protocol, port) in &class.ports {
                let numbers = ports.entry((*name, *protocol)).or_default();
                numbers.entry(*port).or_default().push(number);
            }
            let namespace = class
                .namespace
                .and_then(|id| namespaces.get_mut(id.index()));
            if let Some(list) = namespace {
                list.push(number);
            }
            if class.selectable {
                selectable.push(number);
            }
            if let Some(list) = with_account.get_mut(class.account as usize) {
                list.push(number);
            }
            if class.on_host {
                on_node.entry(class.node).or_default().push(number);
            }
            let owner = owner_slot(class.owner());
            if let Some(list) = owned.get_mut(owner) {
                list.push(number);
            }
            for (place, unknown) in class
                .places
                .iter()
                .zip(unknown.get_mut(owner).into_iter().flatten())
            {
                if *place == Place::Unknown {
                    unknown.push(number);
                }
            }
            if let Place::Atom(atom) = class.places[0] {
                v4.push((atom, number));
            }
            if let Place::Atom(atom) = class.places[1] {
                v6.push((atom, number));
            }
        }
        let runs = |list: Vec<u32>| Runs::from_numbers(list);
        self.with_label = labels
            .into_iter()
            .map(|(of, list)| (of, runs(list)))
            .collect();
        self.with_key = keys
            .into_iter()
            .map(|(of, list)| (of, runs(list)))
            .collect();
        self.in_namespace = namespaces.into_iter().map(runs).collect();
        self.selectable = runs(selectable);
        self.values = values;
        self.unknown = unknown.map(|families| families.map(runs));
        self.owned = owned.map(runs);
        self.on_node = on_node
            .into_iter()
            .map(|(node, list)| (node, runs(list)))
            .collect();
        self.with_account = with_account.into_iter().map(runs).collect();
        self.with_port = ports
            .into_iter()
            .map(|(of, numbers)| {
                let numbers = numbers.into_iter();
                (of, numbers.map(|(port, list)| (port, runs(list))).collect())
            })
            .collect();
        self.v4.occupy_all(v4);
        self.v6.occupy_all(v6);
    }

    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }

    pub(super) fn get(&self, class: u32) -> Option<&Class> {
        self.classes.get(class as usize)
    }

    /// The class of an endpoint; none if it owns no address.
    /// Whether everything is in a class of the same number.
    pub(super) fn number_as(&self, other: &Self) -> bool {
        self.classes.len() == other.classes.len()
            && self.of_endpoint == other.of_endpoint
            && self.of_node == other.of_node
            && self.of_name == other.of_name
    }

    pub(super) fn of_endpoint(&self, id: EndpointId) -> Option<u32> {
        let class = self.of_endpoint.get(id.index()).copied();
        class.filter(|class| *class != NOBODY)
    }

    /// The class of a pod about which rows alone decide, with the families in which it has an address.
    pub(super) fn plain(&self, id: EndpointId) -> Option<(u32, [bool; 2])> {
        let families = *self.plain.get(id.index())?;
        (families != [false; 2]).then_some((*self.of_endpoint.get(id.index())?, families))
    }

    pub(super) fn of_node(&self, id: NodeId) -> Option<u32> {
        self.of_node.get(id.index()).copied()
    }

    /// The classes of a namespace.
    pub(super) fn of_namespace(&self, id: NamespaceId) -> Option<&Runs<u32>> {
        self.in_namespace.get(id.index())
    }

    /// The class of an address of a node, unless it is the first of its family.
    pub(super) fn of_node_ip(&self, ip: IpAddr) -> Option<u32> {
        self.of_node_ip.get(&ip).copied()
    }

    pub(super) fn of_name(&self, id: NameId) -> Option<u32> {
        self.of_name.get(id.index()).copied()
    }

    /// The classes whose address is not known, of one family.
    pub(super) fn unknown(&self, family: Family, owner: Owner) -> Option<&Runs<u32>> {
        let [v4, v6] = self.unknown.get(owner_slot(owner))?;
        Some(if family == Family::V4 { v4 } else { v6 })
    }

    /// The classes of an owner.
    pub(super) fn owned(&self, owner: Owner) -> Option<&Runs<u32>> {
        self.owned.get(owner_slot(owner))
    }

    /// What is on the host network of a node; of none, what may be on any.
    pub(super) fn on_node(&self, node: Option<NodeId>) -> Option<&Runs<u32>> {
        self.on_node.get(&node)
    }

    /// The names for which something holds.
    pub(super) fn names(&self, holds: impl Fn(NameId) -> bool) -> Runs<u32> {
        let classes = self.classes.iter().zip(0..);
        let of = classes.filter(|(class, _)| class.name.is_some_and(&holds));
        Runs::from_numbers(of.map(|(_, number)| number).collect::<Vec<u32>>())
    }

    /// The classes that call a port by this name, by its number (K-55).
    pub(super) fn with_port(
        &self,
        name: Symbol,
        protocol: Protocol,
    ) -> Option<&BTreeMap<u16, Runs<u32>>> {
        self.with_port.get(&(name, protocol))
    }
}
