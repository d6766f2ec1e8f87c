//! Endpoints and rules that come after the classes were made.

use std::net::IpAddr;

use super::asked::names;
use super::{Class, Classes, NOBODY, Place, number, owner_slot};
use crate::eval::Evaluator;
use crate::eval::reach::atoms::{Address, Atoms, addresses};
use crate::manifest::Direction;
use crate::policy::{Peer, Rule};
use crate::sets::{IpBlock, Runs};
use crate::world::{EndpointId, World};

/// What became of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::eval::reach) enum Joined {
    /// It is of a class that was there, or of none.
    Known,
    /// It is the first of this class.
    New(u32),
    /// It has something that the classes were not made for.
    Apart,
}

/// More blocks than this in one rule are not worth looking at one by one.
const BLOCKS: usize = 64;

impl Classes {
    /// Whether the classes tell apart all that the peers of a rule tell apart.
    pub(in crate::eval::reach) fn can_tell(
        &mut self,
        world: &World,
        direction: Direction,
        rule: &Rule,
    ) -> bool {
        let mut blocks = Vec::new();
        for peer in &rule.peers {
            match peer {
                Peer::Any => {}
                Peer::Endpoints(selector, _) if selector.also.is_none() => {
                    // A key that no endpoint has tells nothing apart.
                    let keys = selector.pods.requirements.iter();
                    let mut keys =
                        keys.filter_map(|requirement| world.symbols.get(&requirement.key));
                    if keys.any(|key| !self.keys.contains(key)) {
                        return false;
                    }
                }
                Peer::Block(block, _) => blocks.push(block),
                _ => return false,
            }
        }
        if direction == Direction::Egress {
            for item in &rule.traffic {
                let mut names = names(item)
                    .iter()
                    .filter_map(|name| world.symbols.get(name));
                if names.any(|name| !self.port_names.contains(name)) {
                    return false;
                }
            }
        }
        blocks.len() <= BLOCKS && blocks.into_iter().all(|block| self.cut(world, block))
    }

    fn cut(&mut self, world: &World, block: &IpBlock) -> bool {
        fn used<A: Address>(world: &World, is_meant: &dyn Fn(A) -> bool) -> bool {
            let pods = world.endpoints.iter();
            let pods = pods.flat_map(|endpoint| endpoint.ips.iter());
            let nodes = world.nodes.iter().flat_map(|node| node.ips.iter());
            let mut ips = pods.chain(nodes).filter_map(|ip: &IpAddr| A::of(*ip));
            ips.any(is_meant)
        }
        self.v4.cut(block, |is_meant| used(world, is_meant))
            && self.v6.cut(block, |is_meant| used(world, is_meant))
    }

    /// Finds or makes the class of an endpoint that is new or changed.
    pub(in crate::eval::reach) fn put(&mut self, eval: &Evaluator<'_>, id: EndpointId) -> Joined {
        let endpoint = &eval.world[id];
        let names = endpoint.ports.iter().filter_map(|port| port.name);
        let keys = endpoint.labels.iter().map(|(key, _)| *key);
        // A selector may have asked for a text that nobody had then.
        let unheard = keys.chain(names).any(|text| text.number() >= self.symbols);
        // Accounts are numbered in the order in which they are met.
        if unheard
            || self.accounts.is_some()
            || endpoint.namespace.index() >= self.in_namespace.len()
        {
            return Joined::Apart;
        }
        if self.of_endpoint.len() <= id.index() {
            self.of_endpoint.resize(id.index() + 1, NOBODY);
            self.plain.resize(id.index() + 1, [false; 2]);
        }
        let mut class = Class::default();
        let (found, joined) = if self.describe(eval, id, &mut class) {
            let mut key = Vec::new();
            class.key(&mut key);
            match self.numbers.get(&*key) {
                Some(known) => (*known, Joined::Known),
                None => {
                    let fresh = number(self.classes.len());
                    self.numbers.insert(key.into(), fresh);
                    self.include(&class, fresh);
                    self.classes.push(class.clone());
                    (fresh, Joined::New(fresh))
                }
            }
        } else {
            (NOBODY, Joined::Known)
        };
        if let Some(entry) = self.of_endpoint.get_mut(id.index()) {
            *entry = found;
        }
        if let Some(entry) = self.plain.get_mut(id.index()) {
            *entry = class.plain(found);
        }
        joined
    }

    /// Enters a new class into the tables.
    fn include(&mut self, class: &Class, number: u32) {
        let one = Runs::range(number, number);
        let add = |runs: &mut Runs<u32>| *runs = runs.union(&one);
        for (key, value) in &class.labels {
            if !self.with_label.contains_key(&(*key, *value)) {
                self.values.entry(*key).or_default().push(*value);
            }
            add(self.with_label.entry((*key, *value)).or_default());
            add(self.with_key.entry(*key).or_default());
        }
        for (name, protocol, port) in &class.ports {
            let numbers = self.with_port.entry((*name, *protocol)).or_default();
            add(numbers.entry(*port).or_default());
        }
        let namespace = class
            .namespace
            .and_then(|id| self.in_namespace.get_mut(id.index()));
        namespace.into_iter().for_each(add);
        if class.selectable {
            add(&mut self.selectable);
        }
        if class.on_host {
            add(self.on_node.entry(class.node).or_default());
        }
        let owner = owner_slot(class.owner());
        self.owned.get_mut(owner).into_iter().for_each(add);
        let unknown = self.unknown.get_mut(owner).into_iter().flatten();
        for (place, unknown) in class.places.iter().zip(unknown) {
            if *place == Place::Unknown {
                add(unknown);
            }
        }
        if let Place::Atom(atom) = class.places[0] {
            self.v4.occupy(atom, number);
        }
        if let Place::Atom(atom) = class.places[1] {
            self.v6.occupy(atom, number);
        }
    }

    /// Whether the sets of a peer have to take a new class in.
    pub(in crate::eval::reach) fn may_match(&self, world: &World, peer: &Peer, class: u32) -> bool {
        match peer {
            // Everybody is in the set already.
            Peer::Any => false,
            Peer::Endpoints(selector, _) => self.is_selected(world, selector, class),
            Peer::Block(block, _) => self.get(class).is_some_and(|class| {
                let [v4, v6] = class.places;
                self.v4.may_cover(block, v4) || self.v6.may_cover(block, v6)
            }),
            _ => true,
        }
    }
}

impl<A: Address> Atoms<A> {
    fn may_cover(&self, block: &IpBlock, place: Place) -> bool {
        match place {
            Place::None => false,
            Place::Unknown => true,
            Place::Atom(atom) => self
                .start_of(atom)
                .is_some_and(|start| addresses(block).contains(start)),
        }
    }
}
