//! Selectors over symbols, and which policies select which endpoints.

use crate::engine::Switches;
use crate::manifest::Direction;
use crate::policy::{EndpointSelector, NamespaceScope, PolicyRef, Ruleset};
use crate::sets::{LabelSelector, Operator};
use crate::world::{EndpointId, NamespaceId, Symbol, World};

use super::can_be_selected;

/// The policies of every endpoint, and the endpoints of every policy.
#[derive(Debug)]
pub(super) struct Compiled {
    /// By direction, then by endpoint.
    selected: [Vec<Vec<PolicyRef>>; 2],
    /// By direction, then by tier, then by policy.
    subjects: [Vec<Vec<Vec<EndpointId>>>; 2],
}

fn slot(direction: Direction) -> usize {
    match direction {
        Direction::Ingress => 0,
        Direction::Egress => 1,
    }
}

impl Compiled {
    pub(super) fn new(world: &World, ruleset: &Ruleset, switches: &Switches) -> Self {
        let mut selected = [(); 2].map(|()| vec![Vec::new(); world.endpoints.len()]);
        let subjects = Direction::BOTH.map(|direction| {
            let mut tiers = Vec::new();
            for (tier, found) in ruleset.tiers(direction).iter().enumerate() {
                let mut policies = Vec::new();
                for (policy, found) in found.policies.iter().enumerate() {
                    let members = members(world, switches, &found.subject);
                    let at = PolicyRef {
                        direction,
                        tier,
                        policy,
                    };
                    for endpoint in &members {
                        let lists = selected.get_mut(slot(direction));
                        if let Some(list) = lists.and_then(|lists| lists.get_mut(endpoint.index()))
                        {
                            list.push(at);
                        }
                    }
                    policies.push(members);
                }
                tiers.push(policies);
            }
            tiers
        });
        Self { selected, subjects }
    }

    pub(super) fn selected(&self, endpoint: EndpointId, direction: Direction) -> &[PolicyRef] {
        let lists = self.selected.get(slot(direction));
        lists
            .and_then(|lists| lists.get(endpoint.index()))
            .map_or(&[], Vec::as_slice)
    }

    pub(super) fn subjects(&self, at: PolicyRef) -> &[EndpointId] {
        let tiers = self.subjects.get(slot(at.direction));
        tiers
            .and_then(|tiers| tiers.get(at.tier)?.get(at.policy))
            .map_or(&[], Vec::as_slice)
    }
}

/// The endpoints that a selector selects, in the world's order within each namespace.
pub(super) fn members(
    world: &World,
    switches: &Switches,
    selector: &EndpointSelector,
) -> Vec<EndpointId> {
    let pods = Matcher::new(world, &selector.pods);
    if pods.never {
        return Vec::new();
    }
    let of_namespace = |namespace: NamespaceId| {
        world[namespace]
            .endpoints
            .iter()
            .copied()
            .filter(|id| pods.matches(&world[*id].labels))
            .filter(|id| can_be_selected(world, switches, *id))
    };
    match &selector.namespaces {
        NamespaceScope::Only(namespace) => of_namespace(*namespace).collect(),
        NamespaceScope::Matching(labels) => {
            let matcher = Matcher::new(world, labels);
            world
                .namespace_ids()
                .filter(|namespace| matcher.matches(&world[*namespace].labels))
                .flat_map(of_namespace)
                .collect()
        }
    }
}

/// Whether one endpoint is selected.
pub(super) fn is_member(world: &World, selector: &EndpointSelector, id: EndpointId) -> bool {
    let endpoint = &world[id];
    let in_scope = match &selector.namespaces {
        NamespaceScope::Only(namespace) => endpoint.namespace == *namespace,
        NamespaceScope::Matching(labels) => {
            labels.matches(|key| world.namespace_label(endpoint.namespace, key))
        }
    };
    in_scope && selector.pods.matches(|key| world.label(id, key))
}

/// A selector whose texts are looked up once.
struct Matcher {
    requirements: Vec<(Symbol, Test)>,
    /// It asks for a key or a value that nothing in the world has.
    never: bool,
}

enum Test {
    In(Vec<Symbol>),
    NotIn(Vec<Symbol>),
    Exists,
    DoesNotExist,
}

impl Matcher {
    fn new(world: &World, selector: &LabelSelector) -> Self {
        let mut matcher = Self {
            requirements: Vec::new(),
            never: false,
        };
        for requirement in &selector.requirements {
            let symbols = |values: &[Box<str>]| -> Vec<Symbol> {
                values
                    .iter()
                    .filter_map(|value| world.symbols.get(value))
                    .collect()
            };
            let test = match &requirement.operator {
                Operator::In(values) => Test::In(symbols(values)),
                Operator::NotIn(values) => Test::NotIn(symbols(values)),
                Operator::Exists => Test::Exists,
                Operator::DoesNotExist => Test::DoesNotExist,
            };
            match (world.symbols.get(&requirement.key), test) {
                (None, Test::In(_) | Test::Exists) => matcher.never = true,
                (None, _) => {}
                (Some(_), Test::In(values)) if values.is_empty() => matcher.never = true,
                (Some(key), test) => matcher.requirements.push((key, test)),
            }
        }
        matcher
    }

    fn matches(&self, labels: &[(Symbol, Symbol)]) -> bool {
        !self.never
            && self.requirements.iter().all(|(key, test)| {
                let value = labels
                    .iter()
                    .find(|(known, _)| known == key)
                    .map(|(_, value)| *value);
                match test {
                    Test::In(values) => value.is_some_and(|value| values.contains(&value)),
                    Test::NotIn(values) => value.is_none_or(|value| !values.contains(&value)),
                    Test::Exists => value.is_some(),
                    Test::DoesNotExist => value.is_none(),
                }
            })
    }
}
