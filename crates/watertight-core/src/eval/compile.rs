//! Selectors over symbols, and which policies select which endpoints.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::engine::Switches;
use crate::manifest::Direction;
use crate::policy::{EndpointSelector, NamespaceScope, PolicyRef, Ruleset, Subject, Tier};
use crate::sets::{LabelSelector, Operator};
use crate::world::{EndpointId, NamespaceId, NodeId, Seen, Symbol, World};

use super::{Evaluator, can_be_selected};

/// The endpoints of a policy, once somebody has asked for them.
type Subjects = OnceLock<Box<[EndpointId]>>;

/// Which policies select which endpoints, found out namespace by namespace when somebody asks: a
/// question about two pods of a large cluster shall not pay for all others.
#[derive(Debug)]
pub(super) struct Compiled {
    /// By direction, then by namespace: the policies that select in this namespace only.
    local: [Vec<Vec<PolicyRef>>; 2],
    /// By direction: the policies that select by namespace labels.
    anywhere: [Vec<Anywhere>; 2],
    /// By direction, then by node: the policies about nodes.
    nodes: [FxHashMap<NodeId, Vec<PolicyRef>>; 2],
    /// By namespace.
    namespaces: Vec<OnceLock<Selections>>,
    /// By direction, then by tier, then by policy.
    subjects: [Vec<Vec<Subjects>>; 2],
}

/// A policy that selects by namespace labels; what it asks is looked up once for all namespaces.
#[derive(Debug)]
struct Anywhere {
    at: PolicyRef,
    /// Of namespaces, and of pods.
    matchers: OnceLock<[Matcher; 2]>,
}

impl Anywhere {
    fn matchers(&self, of: &Evaluator<'_>) -> &[Matcher; 2] {
        self.matchers.get_or_init(|| {
            let nothing = || [const { Matcher::NOTHING }; 2];
            let subject = of.ruleset[self.at].subject.endpoints();
            subject.map_or_else(nothing, |subject| match &subject.namespaces {
                NamespaceScope::Matching(labels) => {
                    [labels, &subject.pods].map(|labels| Matcher::new(of.world, labels))
                }
                NamespaceScope::Only(_) => nothing(),
            })
        })
    }
}

/// The policies of the endpoints of one namespace. Few lists are distinct.
#[derive(Debug)]
pub(super) struct Selections {
    /// By direction, then by the position of the endpoint in the namespace: a position in `lists`.
    of: [Vec<usize>; 2],
    lists: Vec<Box<[PolicyRef]>>,
}

impl Selections {
    /// The policies of the endpoint at a position of its namespace, with the number of the list.
    pub(super) fn list(&self, direction: Direction, position: usize) -> (usize, &[PolicyRef]) {
        let lists = self.of.get(slot(direction));
        let number = lists
            .and_then(|lists| lists.get(position))
            .copied()
            .unwrap_or(0);
        (number, self.lists.get(number).map_or(&[], |list| &**list))
    }
}

pub(super) fn slot(direction: Direction) -> usize {
    match direction {
        Direction::Ingress => 0,
        Direction::Egress => 1,
    }
}

impl Compiled {
    pub(super) fn new(world: &World, ruleset: &Ruleset) -> Self {
        let mut local = [(); 2].map(|()| vec![Vec::new(); world.namespaces.len()]);
        let mut anywhere = [const { Vec::new() }; 2];
        let mut nodes = [(); 2].map(|()| FxHashMap::<NodeId, Vec<PolicyRef>>::default());
        let subjects = Direction::BOTH.map(|direction| {
            let (local, anywhere, nodes) = (
                local.get_mut(slot(direction)),
                anywhere.get_mut(slot(direction)),
                nodes.get_mut(slot(direction)),
            );
            let (Some(local), Some(anywhere), Some(nodes)) = (local, anywhere, nodes) else {
                return Vec::new();
            };
            let tiers = ruleset.tiers(direction).iter().enumerate();
            let of_tier = |(tier, found): (usize, &Tier)| {
                for (policy, found) in found.policies.iter().enumerate() {
                    let at = PolicyRef {
                        direction,
                        tier,
                        policy,
                    };
                    match &found.subject {
                        Subject::Endpoints(selector) => match selector.namespaces {
                            NamespaceScope::Only(namespace) => {
                                if let Some(list) = local.get_mut(namespace.index()) {
                                    list.push(at);
                                }
                            }
                            NamespaceScope::Matching(_) => anywhere.push(Anywhere {
                                at,
                                matchers: OnceLock::new(),
                            }),
                        },
                        Subject::Nodes(of) => {
                            for node in of.iter() {
                                nodes.entry(*node).or_default().push(at);
                            }
                        }
                    }
                }
                found.policies.iter().map(|_| OnceLock::new()).collect()
            };
            tiers.map(of_tier).collect()
        });
        Self {
            local,
            anywhere,
            nodes,
            namespaces: world.namespaces.iter().map(|_| OnceLock::new()).collect(),
            subjects,
        }
    }

    pub(super) fn selected(
        &self,
        of: &Evaluator<'_>,
        endpoint: EndpointId,
        direction: Direction,
    ) -> &[PolicyRef] {
        let namespace = of.world[endpoint].namespace;
        let position = of.world[namespace].endpoints.binary_search(&endpoint);
        match (self.of_namespace(of, namespace), position) {
            (Some(found), Ok(position)) => found.list(direction, position).1,
            _ => &[],
        }
    }

    pub(super) fn selected_node(&self, node: NodeId, direction: Direction) -> &[PolicyRef] {
        let nodes = self.nodes.get(slot(direction));
        nodes
            .and_then(|nodes| nodes.get(&node))
            .map_or(&[], Vec::as_slice)
    }

    /// Finds the policies of all endpoints, which otherwise are found when somebody asks.
    pub(super) fn prepare(&self, of: &Evaluator<'_>) {
        // Whoever asks at the same time begins with the first: nobody waits.
        for namespace in of.world.namespace_ids().rev() {
            self.of_namespace(of, namespace);
        }
    }

    pub(super) fn of_namespace(
        &self,
        of: &Evaluator<'_>,
        namespace: NamespaceId,
    ) -> Option<&Selections> {
        let cell = self.namespaces.get(namespace.index())?;
        Some(cell.get_or_init(|| self.selections(of, namespace)))
    }

    pub(super) fn subjects(&self, of: &Evaluator<'_>, at: PolicyRef) -> &[EndpointId] {
        let tiers = self.subjects.get(slot(at.direction));
        let Some(cell) = tiers.and_then(|tiers| tiers.get(at.tier)?.get(at.policy)) else {
            return &[];
        };
        cell.get_or_init(|| {
            let subject = of.ruleset[at].subject.endpoints();
            let found = subject.map(|subject| members(of.world, &of.switches, subject));
            found.unwrap_or_default().into_boxed_slice()
        })
    }

    fn selections(&self, of: &Evaluator<'_>, namespace: NamespaceId) -> Selections {
        let endpoints = &of.world[namespace].endpoints;
        // Lists grow by one policy at a time: a tree, whose root (0) is the empty list. Endpoints
        // with the same policies end at the same place.
        let mut tree: Vec<(usize, PolicyRef)> = Vec::new();
        let mut places: FxHashMap<(usize, PolicyRef), usize> = FxHashMap::default();
        let mut of_endpoints = Direction::BOTH.map(|direction| {
            let mut current = vec![0; endpoints.len()];
            for (at, pods) in self.candidates(of, namespace, direction) {
                let Some(subject) = of.ruleset[at].subject.endpoints() else {
                    continue;
                };
                for position in self.positions(of, namespace, at, (subject, pods)) {
                    if let Some(place) = current.get_mut(position) {
                        *place = *places.entry((*place, at)).or_insert_with(|| {
                            tree.push((*place, at));
                            tree.len()
                        });
                    }
                }
            }
            current
        });
        let mut lists: Vec<Box<[PolicyRef]>> = vec![Box::default()];
        let mut numbers: FxHashMap<usize, usize> = std::iter::once((0, 0)).collect();
        for place in of_endpoints.iter_mut().flatten() {
            *place = *numbers.entry(*place).or_insert_with(|| {
                let mut list = Vec::new();
                let mut at = *place;
                while let Some((parent, policy)) = at.checked_sub(1).and_then(|at| tree.get(at)) {
                    list.push(*policy);
                    at = *parent;
                }
                list.reverse();
                lists.push(list.into_boxed_slice());
                lists.len() - 1
            });
        }
        Selections {
            of: of_endpoints,
            lists,
        }
    }

    /// The policies that may select endpoints of a namespace, in order; those of any namespace with
    /// what they ask of pods.
    fn candidates(
        &self,
        of: &Evaluator<'_>,
        namespace: NamespaceId,
        direction: Direction,
    ) -> Vec<(PolicyRef, Option<&Matcher>)> {
        let local = self.local.get(slot(direction));
        let local = local.and_then(|local| local.get(namespace.index()));
        let local = local.into_iter().flatten().map(|at| (*at, None));
        let anywhere = self.anywhere.get(slot(direction)).into_iter().flatten();
        let anywhere = anywhere.filter_map(|policy| {
            let [labels, pods] = policy.matchers(of);
            let is_meant = labels.matches(&of.world[namespace].labels);
            is_meant.then_some((policy.at, Some(pods)))
        });
        let mut found: Vec<_> = local.chain(anywhere).collect();
        found.sort_unstable_by_key(|(at, _)| *at);
        found
    }

    /// Where in the namespace's list the endpoints are that a policy selects.
    fn positions(
        &self,
        of: &Evaluator<'_>,
        namespace: NamespaceId,
        at: PolicyRef,
        (subject, pods): (&EndpointSelector, Option<&Matcher>),
    ) -> Vec<usize> {
        let endpoints = &of.world[namespace].endpoints;
        match pods {
            None => {
                let ids = self.subjects(of, at).iter();
                ids.filter_map(|id| endpoints.binary_search(id).ok())
                    .collect()
            }
            Some(pods) => {
                let selected = |id: EndpointId| {
                    pods.matches(&of.world[id].labels)
                        && can_be_selected(of.world, &of.switches, id)
                        && also_holds(of.world, subject, id)
                };
                let all = endpoints.iter().enumerate();
                all.filter(|(_, id)| selected(**id))
                    .map(|(position, _)| position)
                    .collect()
            }
        }
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
            .filter(|id| also_holds(world, selector, *id))
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

fn also_holds(world: &World, selector: &EndpointSelector, id: EndpointId) -> bool {
    let also = selector.also.as_deref();
    also.is_none_or(|also| also.holds(&Seen(world, id)))
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
    in_scope && selector.pods.matches(|key| world.label(id, key)) && also_holds(world, selector, id)
}

/// A selector whose texts are looked up once.
#[derive(Debug)]
pub(super) struct Matcher {
    requirements: Vec<(Symbol, Test)>,
    /// It asks for a key or a value that nothing in the world has.
    never: bool,
}

#[derive(Debug)]
enum Test {
    In(Vec<Symbol>),
    NotIn(Vec<Symbol>),
    Exists,
    DoesNotExist,
}

impl Matcher {
    const NOTHING: Self = Self {
        requirements: Vec::new(),
        never: true,
    };

    pub(super) fn new(world: &World, selector: &LabelSelector) -> Self {
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

    pub(super) fn matches(&self, labels: &[(Symbol, Symbol)]) -> bool {
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
