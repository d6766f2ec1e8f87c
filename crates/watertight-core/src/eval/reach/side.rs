//! All rows of one direction, and which endpoint has which.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

mod ready;

use self::ready::Ready;
use super::classes::Classes;
use super::follow::Moved;
use super::row::{Band, Item, Row, Tiers, compute};
use super::selectors::Selectors;
use super::sets::Sets;
use crate::eval::compile::Selections;
use crate::eval::{Evaluator, can_be_selected};
use crate::manifest::Direction;
use crate::policy::{PolicyRef, Rule};
use crate::sets::{PortMatch, Protocol};
use crate::world::{EndpointId, NamespaceId, NodeId, Symbol};

/// A row of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(u32);

impl RowId {
    /// The row of endpoints that no policy of the direction selects.
    pub const EVERYTHING: Self = Self(0);

    pub(super) fn at(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The position among the rows.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A named port that a rule asks for.
type PortName = (Symbol, Protocol);
/// The ports that an endpoint calls by names in question.
type OwnPorts = Box<[(Symbol, Protocol, u16)]>;

/// What of an endpoint itself decides about its row, besides its policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Itself {
    ports: OwnPorts,
    /// Its node, where rules are about that.
    node: Option<NodeId>,
}

/// What rules ask of an endpoint itself.
#[derive(Clone, Debug, Default)]
struct Asks {
    names: FxHashSet<PortName>,
    node: bool,
}

impl Asks {
    fn nothing(&self) -> bool {
        self.names.is_empty() && !self.node
    }
}

/// All rows of one direction.
#[derive(Clone, Debug)]
pub struct Side {
    direction: Direction,
    pub(super) sets: Sets,
    selectors: Selectors,
    /// By tier, then policy, then rule.
    rules: Vec<Vec<Arc<[Ready]>>>,
    rows: Vec<Row>,
    ids: FxHashMap<(Box<[PolicyRef]>, Itself), RowId>,
    /// By endpoint.
    of_endpoint: Vec<RowId>,
    /// By node.
    of_node: Vec<RowId>,
    /// The number of rows and sets when everything was computed.
    fresh: usize,
}

impl Side {
    pub(super) fn new(eval: &Evaluator<'_>, classes: &Classes, direction: Direction) -> Self {
        let mut side = Self {
            direction,
            sets: Sets::new(),
            selectors: Selectors::default(),
            rules: Vec::new(),
            rows: vec![Row::everything()],
            ids: FxHashMap::default(),
            of_endpoint: vec![RowId::EVERYTHING; eval.world.endpoints.len()],
            of_node: Vec::new(),
            fresh: 0,
        };
        for tier in eval.ruleset.tiers(direction) {
            let policies = tier.policies.iter();
            let policies = policies.map(|policy| side.ready(eval, classes, &policy.rules));
            let policies: Vec<_> = policies.collect();
            side.rules.push(policies);
        }
        for namespace in eval.world.namespace_ids() {
            side.assign(eval, classes, namespace);
        }
        for node in eval.world.node_ids() {
            let row = side.find_node(eval, classes, node);
            side.of_node.push(row);
        }
        side.sets.settle();
        side.fresh = side.stored();
        side
    }

    fn stored(&self) -> usize {
        self.rows.len() + self.sets.len()
    }

    /// Whether changes have left so much behind that a new start is better.
    pub(super) fn is_worn(&self) -> bool {
        self.stored() > 2 * self.fresh + 1024
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    /// The rows of endpoints that any of these policies selects.
    fn rows_of(&self, policies: &BTreeSet<PolicyRef>) -> Vec<RowId> {
        if policies.is_empty() {
            return Vec::new();
        }
        let of_any = |key: &[PolicyRef]| key.iter().any(|at| policies.contains(at));
        let keys = self.ids.iter().filter(|((key, _), _)| of_any(key));
        let mut rows: Vec<RowId> = keys.map(|(_, row)| *row).collect();
        rows.sort_unstable();
        rows
    }

    /// The endpoints that had a row of any of these policies.
    pub(super) fn selected_by(&self, policies: &BTreeSet<PolicyRef>) -> Vec<EndpointId> {
        let rows = self.rows_of(policies);
        if rows.is_empty() {
            return Vec::new();
        }
        let all = self.of_endpoint.iter().enumerate();
        all.filter(|(_, row)| rows.binary_search(row).is_ok())
            .map(|(at, _)| EndpointId::at(at))
            .collect()
    }

    /// The policies with a rule that has to look at its peers again because of new classes.
    pub(super) fn policies_with_peers(
        &self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        fresh: &[u32],
    ) -> Vec<PolicyRef> {
        let egress = self.direction == Direction::Egress;
        let matches = |rule: &Rule| {
            // A new class may give a name a number that no band was cut at (K-57).
            let named = |item: &PortMatch| {
                matches!(item, PortMatch::Named { .. } | PortMatch::Except { .. })
            };
            (egress && rule.traffic.iter().any(named))
                || rule.peers.iter().any(|peer| {
                    let mut fresh = fresh.iter();
                    fresh.any(|class| classes.may_match(eval.world, peer, *class))
                })
        };
        let mut found = Vec::new();
        if fresh.is_empty() {
            return found;
        }
        for (tier, of) in eval.ruleset.tiers(self.direction).iter().enumerate() {
            for (policy, of) in of.policies.iter().enumerate() {
                if of.rules.iter().any(matches) {
                    found.push(PolicyRef {
                        direction: self.direction,
                        tier,
                        policy,
                    });
                }
            }
        }
        found
    }

    /// Looks at the rules of policies again; `forget` what selectors selected, if classes are new.
    pub(super) fn renew(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        policies: &BTreeSet<PolicyRef>,
        forget: bool,
    ) {
        if forget {
            self.selectors.clear();
        }
        for at in policies {
            let ready = self.ready(eval, classes, &eval.ruleset[*at].rules);
            if self.rules.len() <= at.tier {
                self.rules.resize_with(at.tier + 1, Vec::new);
            }
            if let Some(tier) = self.rules.get_mut(at.tier) {
                if tier.len() <= at.policy {
                    tier.resize_with(at.policy + 1, Arc::default);
                }
                if let Some(entry) = tier.get_mut(at.policy) {
                    *entry = ready;
                }
            }
        }
    }

    /// Computes the rows of these policies again; tells which they are.
    pub(super) fn recompute(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        policies: &BTreeSet<PolicyRef>,
    ) -> Vec<RowId> {
        if policies.is_empty() {
            return Vec::new();
        }
        let of_any = |key: &[PolicyRef]| key.iter().any(|at| policies.contains(at));
        let keys = self.ids.iter().filter(|((key, _), _)| of_any(key));
        let keys: Vec<_> = keys.map(|(key, row)| (key.clone(), *row)).collect();
        let mut changed = Vec::new();
        for ((policies, own), id) in keys {
            let row = self.compute(eval, classes, &policies, &own);
            if let Some(entry) = self.rows.get_mut(id.index())
                && *entry != row
            {
                *entry = row;
                changed.push(id);
            }
        }
        changed
    }

    /// Makes place for a policy in the middle of a tier: those behind it move.
    pub(super) fn make_room(&mut self, at: PolicyRef) {
        if let Some(tier) = self.rules.get_mut(at.tier)
            && at.policy <= tier.len()
        {
            tier.insert(at.policy, Arc::default());
        }
        let moved = std::mem::take(&mut self.ids).into_iter();
        let moved = moved.map(|((mut policies, own), row)| {
            for of in &mut policies {
                if of.tier == at.tier && of.policy >= at.policy {
                    of.policy += 1;
                }
            }
            ((policies, own), row)
        });
        self.ids = moved.collect();
    }

    /// The same rows, of policies that have moved; rows of others are nobody's when namespaces get theirs
    /// anew. `counts` says how many policies the tiers have now.
    pub(super) fn with_policies(&self, counts: impl Iterator<Item = usize>, moved: &Moved) -> Self {
        let mut rules: Vec<_> = counts.map(|count| vec![Arc::default(); count]).collect();
        for (tier, of) in self.rules.iter().enumerate() {
            for (policy, of) in of.iter().enumerate() {
                let direction = self.direction;
                let at = PolicyRef {
                    direction,
                    tier,
                    policy,
                };
                let place = moved.get(&at).and_then(|at| {
                    let tier: &mut Vec<Arc<[Ready]>> = rules.get_mut(at.tier)?;
                    tier.get_mut(at.policy)
                });
                if let Some(place) = place {
                    place.clone_from(of);
                }
            }
        }
        let ids = self.ids.iter().filter_map(|((policies, own), row)| {
            let policies: Option<Box<[PolicyRef]>> =
                policies.iter().map(|at| moved.get(at).copied()).collect();
            Some(((policies?, own.clone()), *row))
        });
        Self {
            direction: self.direction,
            sets: self.sets.clone(),
            selectors: Selectors::default(),
            rules,
            rows: self.rows.clone(),
            ids: ids.collect(),
            of_endpoint: self.of_endpoint.clone(),
            of_node: self.of_node.clone(),
            fresh: self.fresh,
        }
    }

    /// Every row.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The sets that bands name.
    #[must_use]
    pub fn sets(&self) -> &Sets {
        &self.sets
    }

    /// The row of a node.
    #[must_use]
    pub fn row_of_node(&self, node: NodeId) -> RowId {
        let row = self.of_node.get(node.index());
        row.copied().unwrap_or(RowId::EVERYTHING)
    }

    /// The row of an endpoint.
    #[must_use]
    pub fn row_of(&self, endpoint: EndpointId) -> RowId {
        let row = self.of_endpoint.get(endpoint.index());
        row.copied().unwrap_or(RowId::EVERYTHING)
    }

    /// A row.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "ids are only made with their rows")]
    pub fn row(&self, id: RowId) -> &Row {
        &self.rows[id.index()]
    }

    /// The band of a row that a port is in.
    #[must_use]
    pub fn band(&self, id: RowId, protocol: Protocol, port: u16) -> Option<&Band> {
        self.row(id).band(protocol, port)
    }

    fn rules_of(&self, at: PolicyRef) -> &[Ready] {
        let policies = self.rules.get(at.tier);
        policies
            .and_then(|policies| policies.get(at.policy))
            .map_or(&[], |rules| &**rules)
    }

    /// Gives every endpoint of a namespace its row; tells those that had another one.
    pub(super) fn assign(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        namespace: NamespaceId,
    ) -> Vec<EndpointId> {
        let mut changed = Vec::new();
        let Some(selections) = eval.compiled.of_namespace(eval, namespace) else {
            return changed;
        };
        let endpoints = eval.world.endpoints.len();
        if self.of_endpoint.len() < endpoints {
            self.of_endpoint.resize(endpoints, RowId::EVERYTHING);
        }
        // By the number of the list, where the endpoint's own ports take no part.
        let mut known: FxHashMap<usize, (Asks, Option<RowId>)> = FxHashMap::default();
        for (position, endpoint) in eval.world[namespace].endpoints.iter().enumerate() {
            let row = self.find(eval, classes, selections, &mut known, (position, *endpoint));
            if let Some(entry) = self.of_endpoint.get_mut(endpoint.index())
                && *entry != row
            {
                *entry = row;
                changed.push(*endpoint);
            }
        }
        changed
    }

    fn find(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        selections: &Selections,
        known: &mut FxHashMap<usize, (Asks, Option<RowId>)>,
        (position, endpoint): (usize, EndpointId),
    ) -> RowId {
        let (number, policies) = selections.list(self.direction, position);
        if policies.is_empty() || !can_be_selected(eval.world, &eval.switches, endpoint) {
            return RowId::EVERYTHING;
        }
        let (asks, row) = known
            .entry(number)
            .or_insert_with(|| (self.asks(policies), None));
        if let Some(row) = row {
            return *row;
        }
        let own = Itself {
            ports: own_ports(eval, endpoint, &asks.names),
            node: eval.world[endpoint].node.filter(|_| asks.node),
        };
        let key = (Box::from(policies), own);
        let found = match self.ids.get(&key) {
            Some(found) => *found,
            None => self.add(eval, classes, key),
        };
        if asks.nothing() {
            *row = Some(found);
        }
        found
    }

    fn find_node(&mut self, eval: &Evaluator<'_>, classes: &Classes, node: NodeId) -> RowId {
        let policies = eval.policies_of_node(node, self.direction);
        if policies.is_empty() {
            return RowId::EVERYTHING;
        }
        let own = Itself {
            ports: OwnPorts::default(),
            node: Some(node).filter(|_| self.asks(policies).node),
        };
        let key = (Box::from(policies), own);
        match self.ids.get(&key) {
            Some(found) => *found,
            None => self.add(eval, classes, key),
        }
    }

    fn asks(&self, policies: &[PolicyRef]) -> Asks {
        let mut asks = Asks::default();
        for rule in policies.iter().flat_map(|at| self.rules_of(*at)) {
            asks.node |= rule.relative;
            if self.direction == Direction::Ingress {
                asks.names.extend(rule.names.iter().copied());
                for without in &rule.without {
                    let names = without.names.iter();
                    asks.names
                        .extend(names.map(|name| (*name, without.protocol)));
                }
            }
        }
        asks
    }

    fn add(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        key: (Box<[PolicyRef]>, Itself),
    ) -> RowId {
        let row = self.compute(eval, classes, &key.0, &key.1);
        let id = RowId::at(self.rows.len());
        self.rows.push(row);
        self.ids.insert(key, id);
        id
    }

    fn compute(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        policies: &[PolicyRef],
        own: &Itself,
    ) -> Row {
        let mut items = Vec::new();
        let mut object = 0;
        let mut before: Option<PolicyRef> = None;
        for at in policies {
            if before.is_none_or(|before| before.tier != at.tier || !eval.are_one(before, *at)) {
                object += 1;
            }
            before = Some(*at);
            let rules = self.rules.get(at.tier).and_then(|tier| tier.get(at.policy));
            let of = &eval.ruleset[*at];
            let count = rules.map_or(0, |rules| rules.len());
            for index in 0..count {
                let Some(rule) = self.rules_of(*at).get(index).cloned() else {
                    continue;
                };
                let peers = match of.rules.get(index).filter(|_| rule.relative) {
                    Some(rule) => self.peers(eval, classes, rule, own.node),
                    None => rule.peers,
                };
                let template = Item {
                    protocol: Protocol::Tcp,
                    first: 0,
                    last: 0,
                    tier: at.tier,
                    tie: of.tie.map(|tie| (tie, object)),
                    action: rule.action,
                    yes: peers.yes,
                    maybe: peers.maybe,
                };
                self.items(classes, &rule, template, own, &mut items);
            }
        }
        let isolating = |at: &PolicyRef| (*at, eval.ruleset[*at].isolates);
        let tiers = Tiers::new(policies.iter().map(isolating));
        compute(&mut self.sets, &tiers, &items)
    }
}

/// The ports of an endpoint that have one of these names (K-52..K-56).
fn own_ports(eval: &Evaluator<'_>, endpoint: EndpointId, names: &FxHashSet<PortName>) -> OwnPorts {
    let ports = eval.world[endpoint].ports.iter().filter_map(|port| {
        let name = port.name?;
        names
            .contains(&(name, port.protocol))
            .then_some((name, port.protocol, port.number))
    });
    let mut ports: Vec<_> = ports.collect();
    ports.sort_unstable();
    ports.dedup();
    ports.into()
}
