//! Whether one selector, peer or port item takes in all that another one does, on any cluster.
//!
//! INVARIANT: an answer never rests on which pods there are. Where it cannot be sure it is no.

use std::collections::BTreeSet;

use crate::policy::{Covers, EndpointSelector, NamespaceScope, Peer};
use crate::sets::{IpBlock, LabelSelector, Operator, PortMatch, Requirement};
use crate::world::{NAME_LABEL, World};

/// What a selector leaves open for the value of one key.
struct Values<'s> {
    /// The key may be absent.
    absent: bool,
    /// The only values it may have, if they are a list.
    only: Option<BTreeSet<&'s str>>,
    /// Values that it does not have.
    never: BTreeSet<&'s str>,
}

impl<'s> Values<'s> {
    fn of(selector: &'s LabelSelector, key: &str) -> Self {
        let mut values = Self {
            absent: true,
            only: None,
            never: BTreeSet::new(),
        };
        let of_key = selector.requirements.iter();
        for requirement in of_key.filter(|requirement| *requirement.key == *key) {
            match &requirement.operator {
                Operator::In(listed) => {
                    values.absent = false;
                    let listed = listed.iter().map(|value| &**value);
                    values.only = Some(match &values.only {
                        Some(only) => listed.filter(|value| only.contains(value)).collect(),
                        None => listed.collect(),
                    });
                }
                Operator::NotIn(listed) => {
                    values.never.extend(listed.iter().map(|value| &**value));
                }
                Operator::Exists => values.absent = false,
                Operator::DoesNotExist => values.only = Some(BTreeSet::new()),
            }
        }
        if let Some(only) = &mut values.only {
            only.retain(|value| !values.never.contains(value));
        }
        values
    }

    fn fulfil(&self, operator: &Operator) -> bool {
        match operator {
            Operator::In(listed) => {
                let only = self.only.as_ref().filter(|_| !self.absent);
                only.is_some_and(|only| only.iter().all(|value| has(listed, value)))
            }
            Operator::NotIn(listed) => match &self.only {
                Some(only) => !only.iter().any(|value| has(listed, value)),
                None => listed.iter().all(|value| self.never.contains(&**value)),
            },
            Operator::Exists => !self.absent,
            Operator::DoesNotExist => self.only.as_ref().is_some_and(BTreeSet::is_empty),
        }
    }
}

fn has(listed: &[Box<str>], value: &str) -> bool {
    listed.iter().any(|listed| **listed == *value)
}

/// Whether everything that `narrow` selects is selected by `wide` (K-38..K-44).
pub(super) fn implies(narrow: &LabelSelector, wide: &LabelSelector) -> bool {
    wide.requirements.iter().all(|requirement| {
        let same = |one: &&Requirement| *one.key == *requirement.key;
        let mut of_key = narrow.requirements.iter().filter(same);
        match (of_key.next(), of_key.next(), &requirement.operator) {
            // The usual cases, without making sets.
            (None, _, operator) => {
                matches!(operator, Operator::NotIn(listed) if listed.is_empty())
            }
            (Some(one), None, Operator::In(listed)) => match &one.operator {
                Operator::In(only) => only.iter().all(|value| has(listed, value)),
                _ => false,
            },
            (_, _, operator) => Values::of(narrow, &requirement.key).fulfil(operator),
        }
    })
}

/// A namespace is its name, which nobody can take from it (K-35); its other labels can change.
fn scope_implies(world: &World, narrow: &NamespaceScope, wide: &NamespaceScope) -> bool {
    use NamespaceScope::{Matching, Only};
    match (narrow, wide) {
        (Only(narrow), Only(wide)) => narrow == wide,
        (Matching(narrow), Matching(wide)) => implies(narrow, wide),
        (Only(narrow), Matching(wide)) => {
            let name = Values {
                absent: false,
                only: Some(BTreeSet::from([&*world[*narrow].name])),
                never: BTreeSet::new(),
            };
            let mut requirements = wide.requirements.iter();
            requirements.all(|one| *one.key == *NAME_LABEL && name.fulfil(&one.operator))
        }
        (Matching(narrow), Only(wide)) => {
            let name = Operator::In(vec![world[*wide].name.clone()]);
            Values::of(narrow, NAME_LABEL).fulfil(&name)
        }
    }
}

fn selector_implies(world: &World, narrow: &EndpointSelector, wide: &EndpointSelector) -> bool {
    scope_implies(world, &narrow.namespaces, &wide.namespaces) && implies(&narrow.pods, &wide.pods)
}

/// Whether every address of `narrow` is in `wide` (K-63, K-66).
fn block_implies(narrow: &IpBlock, wide: &IpBlock) -> bool {
    wide.cidr.net.contains(&narrow.cidr.net)
        && !wide.except.iter().any(|except| narrow.touches(except.net))
}

/// Whether everybody whom `narrow` means is meant by `wide`.
pub(super) fn covers_peer(world: &World, wide: &Peer, narrow: &Peer) -> bool {
    match (wide, narrow) {
        (Peer::Any, _) => true,
        (Peer::Endpoints(wide, _), Peer::Endpoints(narrow, _)) => {
            selector_implies(world, narrow, wide)
        }
        (Peer::Block(wide, of), Peer::Block(narrow, _)) => {
            *of == Covers::ALL && block_implies(narrow, wide)
        }
        // Whether pods lie in a block is the engine's affair and changes with their addresses.
        _ => false,
    }
}

/// Whether all traffic of `narrow` is traffic of `wide` (K-47..K-60).
pub(super) fn covers_traffic(wide: &PortMatch, narrow: &PortMatch) -> bool {
    use PortMatch::{Everything, Named, Range};
    match (wide, narrow) {
        (Everything, _) => true,
        (
            Range {
                protocol: wide,
                first,
                last,
                ..
            },
            Range {
                protocol: narrow,
                first: from,
                last: to,
                ..
            },
        ) => wide == narrow && (*first).max(1) <= (*from).max(1) && to <= last,
        (
            Named { protocol, name, .. },
            Named {
                protocol: narrow,
                name: named,
                ..
            },
        ) => protocol == narrow && name == named,
        // A name stands for some number, whichever that is.
        (
            Range {
                protocol,
                first: 0 | 1,
                last: u16::MAX,
                ..
            },
            Named {
                protocol: narrow, ..
            },
        ) => protocol == narrow,
        _ => false,
    }
}
