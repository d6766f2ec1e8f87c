//! Units: the workloads that a baseline has policies for, and the selectors that tell them apart.
//!
//! A unit is a workload with its pods, or the pods without an owner that carry the same labels. Its
//! selector is the shortest that selects its pods and no others of the namespace, by labels that stay
//! as long as the workload does.
//!
//! INVARIANT: every endpoint that is not over is in exactly one unit.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::world::{EndpointId, Labels, Lifecycle, NamespaceId, Symbol, WorkloadId, World};

/// A unit of [`Units`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(usize);

/// One condition of a selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// The label has this value.
    Is(Box<str>, Box<str>),
    /// There is no such label.
    Lacks(Box<str>),
}

/// A workload with its pods.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The kind of the workload; `Pod` for pods without one.
    pub kind: &'static str,
    /// The name.
    pub name: Box<str>,
    /// The workload.
    pub workload: Option<WorkloadId>,
    /// Its pods, never none.
    pub members: Vec<EndpointId>,
    /// Whether they use the network of their node, so that no policy is about them.
    pub host_network: bool,
    /// What selects them.
    pub selector: Vec<Term>,
}

/// All units of a world.
#[derive(Clone, Debug, Default)]
pub struct Units {
    all: Vec<Unit>,
    of_endpoint: FxHashMap<EndpointId, UnitId>,
    of_namespace: BTreeMap<NamespaceId, Vec<UnitId>>,
}

impl std::ops::Index<UnitId> for Units {
    type Output = Unit;

    #[expect(clippy::indexing_slicing, reason = "ids are only made here")]
    fn index(&self, id: UnitId) -> &Unit {
        &self.all[id.0]
    }
}

impl Units {
    /// The units of a world.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let mut units = Self::default();
        for namespace in world.namespace_ids() {
            let found = grouped(world, namespace);
            let selectors = selectors(world, &found);
            for (mut unit, selector) in found.into_iter().zip(selectors) {
                let id = UnitId(units.all.len());
                units
                    .of_endpoint
                    .extend(unit.members.iter().map(|member| (*member, id)));
                units.of_namespace.entry(namespace).or_default().push(id);
                unit.selector = selector;
                units.all.push(unit);
            }
        }
        units
    }

    /// The unit of an endpoint; none if the endpoint is over.
    #[must_use]
    pub fn of_endpoint(&self, id: EndpointId) -> Option<UnitId> {
        self.of_endpoint.get(&id).copied()
    }

    /// The units of a namespace, by name.
    #[must_use]
    pub fn of_namespace(&self, id: NamespaceId) -> &[UnitId] {
        self.of_namespace.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The units of endpoints, each once, in order.
    #[must_use]
    pub fn of_endpoints(&self, endpoints: &[EndpointId]) -> Vec<UnitId> {
        let found = endpoints.iter().filter_map(|id| self.of_endpoint(*id));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// `shop/web`
    #[must_use]
    pub fn name(&self, world: &World, id: UnitId) -> String {
        let unit = &self[id];
        format!("{}/{}", world[unit.namespace].name, unit.name)
    }
}

/// The units of a namespace, by name and kind.
fn grouped(world: &World, namespace: NamespaceId) -> Vec<Unit> {
    let mut of_workload: BTreeMap<WorkloadId, Vec<EndpointId>> = BTreeMap::new();
    let mut alone: BTreeMap<Labels, Vec<EndpointId>> = BTreeMap::new();
    for id in &world[namespace].endpoints {
        let endpoint = &world[*id];
        if endpoint.lifecycle == Lifecycle::Finished {
            continue;
        }
        match endpoint.workload {
            Some(workload) => of_workload.entry(workload).or_default().push(*id),
            None => alone.entry(endpoint.labels.clone()).or_default().push(*id),
        }
    }
    let unit = |members: Vec<EndpointId>, workload: Option<WorkloadId>| {
        let first = members.first().map(|id| &world[*id])?;
        let (kind, name) = match workload.map(|id| &world[id]) {
            Some(workload) => (workload.kind.api(), workload.name.clone()),
            None => ("Pod", first.name.clone()),
        };
        Some(Unit {
            namespace,
            kind,
            name,
            workload,
            host_network: first.host_network.is_some(),
            members,
            selector: Vec::new(),
        })
    };
    let of_workload = of_workload
        .into_iter()
        .filter_map(|(workload, members)| unit(members, Some(workload)));
    let alone = alone
        .into_values()
        .filter_map(|members| unit(members, None));
    let mut found: Vec<_> = of_workload.chain(alone).collect();
    found.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
    found
}

/// Labels by which people tell workloads apart, the best first.
const PREFERRED: &[&str] = &[
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "app.kubernetes.io/component",
    "component",
    "app.kubernetes.io/instance",
    "name",
    "role",
    "tier",
];

/// Labels that name the job and not what it does: better than nothing.
const LAST: &[&str] = &["batch.kubernetes.io/job-name", "job-name"];

/// Labels that change with every rollout or release, or that pods of one workload do not share.
const VOLATILE: &[&str] = &[
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "chart",
    "controller-revision-hash",
    "controller-uid",
    "helm.sh/chart",
    "heritage",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
    "version",
];

type Pair = (Symbol, Symbol);

/// The selectors of the units of a namespace.
fn selectors(world: &World, units: &[Unit]) -> Vec<Vec<Term>> {
    let shapes = Shapes::new(world, units);
    (0..units.len()).map(|unit| shapes.selector(unit)).collect()
}

/// The sets of labels of a namespace, each once for a unit.
struct Shapes<'w> {
    world: &'w World,
    /// The unit and the labels.
    sets: Vec<(usize, Labels)>,
    /// By label, the positions of the sets with it.
    with: FxHashMap<Pair, Vec<usize>>,
    /// By unit, the labels that all its pods share and that stay, the best first.
    stable: Vec<Vec<Pair>>,
}

impl<'w> Shapes<'w> {
    fn new(world: &'w World, units: &[Unit]) -> Self {
        let mut sets: Vec<(usize, Labels)> = Vec::new();
        let mut stable = Vec::with_capacity(units.len());
        for (at, unit) in units.iter().enumerate() {
            let mut own: Vec<&Labels> = unit.members.iter().map(|id| &world[*id].labels).collect();
            own.sort_unstable();
            own.dedup();
            let first = own.first().copied().cloned().unwrap_or_default();
            let shared = first.iter().copied().filter(|pair| {
                let mut others = own.iter();
                others.all(|labels| labels.contains(pair))
            });
            let mut shared: Vec<(usize, &str, Pair)> = shared
                .filter_map(|pair| {
                    let key = world.symbols.text(pair.0);
                    Some((rank(key)?, key, pair))
                })
                .collect();
            shared.sort_unstable();
            stable.push(shared.into_iter().map(|(.., pair)| pair).collect());
            // A host-network pod is nobody whom a selector selects (K-72).
            if !unit.host_network {
                sets.extend(own.into_iter().map(|labels| (at, labels.clone())));
            }
        }
        let mut with: FxHashMap<Pair, Vec<usize>> = FxHashMap::default();
        for (at, (_, labels)) in sets.iter().enumerate() {
            for pair in labels {
                with.entry(*pair).or_default().push(at);
            }
        }
        Self {
            world,
            sets,
            with,
            stable,
        }
    }

    /// The sets of other units that have all these labels.
    fn others<'s>(&'s self, unit: usize, pairs: &'s [Pair]) -> impl Iterator<Item = &'s Labels> {
        let all = pairs.is_empty().then_some(0..self.sets.len());
        let lists = pairs.iter().filter_map(|pair| self.with.get(pair));
        let shortest = lists.min_by_key(|list| list.len());
        let some = shortest.into_iter().flatten().copied();
        let candidates = all.into_iter().flatten().chain(some);
        candidates.filter_map(move |at| {
            let (of, labels) = self.sets.get(at)?;
            let fits = *of != unit && pairs.iter().all(|pair| labels.contains(pair));
            fits.then_some(labels)
        })
    }

    fn is_exact(&self, unit: usize, pairs: &[Pair]) -> bool {
        self.others(unit, pairs).next().is_none()
    }

    fn selector(&self, unit: usize) -> Vec<Term> {
        let Some(stable) = self.stable.get(unit) else {
            return Vec::new();
        };
        // A chart's name alone is the name of every release of it.
        let of = |key: &str| {
            let mut pairs = stable.iter().copied();
            pairs.find(|pair| self.world.symbols.text(pair.0) == key)
        };
        let release = [
            of("app.kubernetes.io/name"),
            of("app.kubernetes.io/instance"),
        ];
        if let [Some(name), Some(instance)] = release
            && self.is_exact(unit, &[name, instance])
        {
            return self.terms(&[name, instance]);
        }
        let single = stable.iter().map(|pair| vec![*pair]);
        let double = stable.iter().enumerate().flat_map(|(at, first)| {
            let behind = stable.iter().skip(at + 1);
            behind.map(|second| vec![*first, *second])
        });
        let mut short = single.chain(double);
        if let Some(found) = short.find(|pairs| self.is_exact(unit, pairs)) {
            return self.terms(&found);
        }
        let mut terms = self.terms(stable);
        let own: Vec<&Labels> = self
            .sets
            .iter()
            .filter(|(of, _)| *of == unit)
            .map(|(_, labels)| labels)
            .collect();
        let has = |labels: &Labels, key: Symbol| labels.iter().any(|(known, _)| *known == key);
        let mut lacking: Vec<Symbol> = Vec::new();
        for other in self.others(unit, stable) {
            if lacking.iter().any(|key| has(other, *key)) {
                continue;
            }
            let key = other.iter().map(|(key, _)| *key).find(|key| {
                rank(self.world.symbols.text(*key)).is_some()
                    && !own.iter().any(|labels| has(labels, *key))
            });
            lacking.extend(key);
        }
        let lacking = lacking.iter().map(|key| self.world.symbols.text(*key));
        terms.extend(lacking.map(|key| Term::Lacks(key.into())));
        terms.sort_unstable();
        terms
    }

    fn terms(&self, pairs: &[Pair]) -> Vec<Term> {
        let text = |symbol| Box::from(self.world.symbols.text(symbol));
        let mut terms: Vec<_> = pairs
            .iter()
            .map(|(key, value)| Term::Is(text(*key), text(*value)))
            .collect();
        terms.sort_unstable();
        terms
    }
}

/// How well a label tells workloads apart; none if it does not stay.
fn rank(key: &str) -> Option<usize> {
    if VOLATILE.contains(&key) {
        return None;
    }
    if LAST.contains(&key) {
        return Some(PREFERRED.len() + 1);
    }
    let preferred = PREFERRED.iter().position(|known| *known == key);
    Some(preferred.unwrap_or(PREFERRED.len()))
}
