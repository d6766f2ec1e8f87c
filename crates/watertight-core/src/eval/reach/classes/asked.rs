//! What the peers of rules ask for: only that tells classes apart.

use super::Chosen;
use crate::eval::Evaluator;
use crate::manifest::Direction;
use crate::policy::{Peer, Rule};
use crate::sets::{Expression, IpBlock, LabelsOf, PortMatch};
use crate::world::World;

#[derive(Default)]
pub(super) struct Asked<'r> {
    pub keys: Chosen,
    pub port_names: Chosen,
    pub blocks: Vec<&'r IpBlock>,
    pub nodes: bool,
    pub accounts: bool,
}

impl<'r> Asked<'r> {
    pub(super) fn of(eval: &Evaluator<'r>) -> Self {
        let mut asked = Self::default();
        for direction in Direction::BOTH {
            for tier in eval.ruleset.tiers(direction) {
                for rule in tier.policies.iter().flat_map(|policy| &policy.rules) {
                    asked.rule(eval.world, direction, rule);
                }
            }
        }
        asked
    }

    fn rule(&mut self, world: &World, direction: Direction, rule: &'r Rule) {
        for peer in &rule.peers {
            peer.leaves(&mut |leaf| self.peer(world, leaf));
        }
        if direction == Direction::Egress {
            for item in &rule.traffic {
                for name in names(item) {
                    if let Some(name) = world.symbols.get(name) {
                        self.port_names.insert(name);
                    }
                }
            }
        }
    }

    fn peer(&mut self, world: &World, peer: &'r Peer) {
        match peer {
            Peer::Endpoints(selector, _) => {
                let keys = selector.pods.requirements.iter();
                let keys = keys.map(|requirement| &*requirement.key);
                keys.for_each(|key| self.key(world, key));
                if let Some(also) = selector.also.as_deref() {
                    also.leaves(&mut |leaf| self.expression(world, leaf));
                }
            }
            Peer::Block(block, _) => self.blocks.push(block),
            Peer::Nodes(..) | Peer::OwnNode(_) | Peer::OtherNodes(_) => self.nodes = true,
            Peer::Any
            | Peer::AnyNode(_)
            | Peer::Outside(_)
            | Peer::Domain(..)
            | Peer::All(_)
            | Peer::AnyOf(_)
            | Peer::Not(_) => {}
        }
    }

    fn expression(&mut self, world: &World, leaf: &Expression) {
        match leaf {
            Expression::Label {
                of: LabelsOf::Endpoint,
                key,
                ..
            } => self.key(world, key),
            Expression::Label {
                of: LabelsOf::ServiceAccount,
                ..
            }
            | Expression::ServiceAccount(_) => self.accounts = true,
            _ => {}
        }
    }

    fn key(&mut self, world: &World, key: &str) {
        if let Some(key) = world.symbols.get(key) {
            self.keys.insert(key);
        }
    }
}

/// The port names that an item asks for.
pub(super) fn names(item: &PortMatch) -> &[Box<str>] {
    match item {
        PortMatch::Named { name, .. } => std::slice::from_ref(name),
        PortMatch::Except { names, .. } => names,
        PortMatch::Everything
        | PortMatch::Any
        | PortMatch::Range { .. }
        | PortMatch::Icmp { .. } => &[],
    }
}
