//! All rows of one direction, and which endpoint has which.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::classes::Classes;
use super::row::{Band, Item, PROTOCOLS, Row, Tiers, compute, last_port};
use super::selectors::{Peers, Selectors};
use super::sets::Sets;
use crate::engine::Icmp;
use crate::eval::compile::Selections;
use crate::eval::{Evaluator, can_be_selected};
use crate::manifest::Direction;
use crate::policy::{Action, PolicyRef, Rule};
use crate::sets::{PortMatch, Protocol, Runs};
use crate::world::{EndpointId, NamespaceId, Symbol};

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

/// A rule, ready for rows.
#[derive(Clone, Debug)]
struct Ready {
    action: Action,
    peers: Peers,
    /// Protocol, first and last port.
    ranges: Box<[(Protocol, u16, u16)]>,
    names: Box<[PortName]>,
}

/// All rows of one direction.
#[derive(Clone, Debug)]
pub struct Side {
    direction: Direction,
    pub(super) sets: Sets,
    selectors: Selectors,
    /// By tier, then policy, then rule.
    rules: Vec<Vec<Box<[Ready]>>>,
    rows: Vec<Row>,
    ids: FxHashMap<(Box<[PolicyRef]>, OwnPorts), RowId>,
    /// By endpoint.
    of_endpoint: Vec<RowId>,
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
            let named = |item: &PortMatch| matches!(item, PortMatch::Named { .. });
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
                    tier.resize_with(at.policy + 1, Box::default);
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

    fn ready(&mut self, eval: &Evaluator<'_>, classes: &Classes, rules: &[Rule]) -> Box<[Ready]> {
        let rules = rules.iter().map(|rule| {
            let peers = self.selectors.peers(eval, classes, &mut self.sets, rule);
            let mut names = Vec::new();
            for item in &rule.traffic {
                if let PortMatch::Named { protocol, name, .. } = item {
                    names.extend(eval.world.symbols.get(name).map(|name| (name, *protocol)));
                }
            }
            names.sort_unstable();
            names.dedup();
            Ready {
                action: rule.action,
                peers,
                ranges: ranges(rule, eval.switches.icmp),
                names: names.into(),
            }
        });
        rules.collect()
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
        let mut known: FxHashMap<usize, (FxHashSet<PortName>, Option<RowId>)> =
            FxHashMap::default();
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
        known: &mut FxHashMap<usize, (FxHashSet<PortName>, Option<RowId>)>,
        (position, endpoint): (usize, EndpointId),
    ) -> RowId {
        let (number, policies) = selections.list(self.direction, position);
        if policies.is_empty() || !can_be_selected(eval.world, &eval.switches, endpoint) {
            return RowId::EVERYTHING;
        }
        let (names, row) = known.entry(number).or_insert_with(|| {
            let asks = self.direction == Direction::Ingress;
            let rules = policies
                .iter()
                .filter(|_| asks)
                .flat_map(|at| self.rules_of(*at));
            (
                rules.flat_map(|rule| rule.names.iter().copied()).collect(),
                None,
            )
        });
        if let Some(row) = row {
            return *row;
        }
        let own: OwnPorts = if names.is_empty() {
            OwnPorts::default()
        } else {
            own_ports(eval, endpoint, names)
        };
        let key = (Box::from(policies), own);
        let found = match self.ids.get(&key) {
            Some(found) => *found,
            None => self.add(eval, classes, key),
        };
        if names.is_empty() {
            *row = Some(found);
        }
        found
    }

    fn add(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        key: (Box<[PolicyRef]>, OwnPorts),
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
        own: &[(Symbol, Protocol, u16)],
    ) -> Row {
        let mut items = Vec::new();
        for at in policies {
            let rules = self.rules.get(at.tier).and_then(|tier| tier.get(at.policy));
            for rule in rules.into_iter().flat_map(|rules| rules.iter()) {
                let item = |protocol, first, last, peers: Peers| Item {
                    protocol,
                    first,
                    last,
                    tier: at.tier,
                    action: rule.action,
                    yes: peers.yes,
                    maybe: peers.maybe,
                };
                let ranges = rule.ranges.iter();
                items.extend(
                    ranges
                        .map(|(protocol, first, last)| item(*protocol, *first, *last, rule.peers)),
                );
                for (name, protocol) in &rule.names {
                    match self.direction {
                        Direction::Ingress => {
                            let own = own
                                .iter()
                                .filter(|(own, of, _)| (own, of) == (name, protocol));
                            items.extend(
                                own.map(|(.., port)| item(*protocol, *port, *port, rule.peers)),
                            );
                        }
                        Direction::Egress => {
                            let numbers = classes.with_port(*name, *protocol).into_iter().flatten();
                            for (port, having) in numbers {
                                let peers = named(&mut self.sets, rule.peers, having);
                                items.push(item(*protocol, *port, *port, peers));
                            }
                        }
                    }
                }
            }
        }
        let isolating = |at: &PolicyRef| (*at, eval.ruleset[*at].isolates);
        let tiers = Tiers::new(policies.iter().map(isolating));
        compute(&mut self.sets, &tiers, &items)
    }
}

/// Those peers that have a port of a name.
fn named(sets: &mut Sets, peers: Peers, having: &Runs<u32>) -> Peers {
    let having = sets.intern(
        [having.clone(), having.clone()],
        Runs::default(),
        Runs::default(),
    );
    Peers {
        yes: sets.intersection(peers.yes, having),
        maybe: sets.intersection(peers.maybe, having),
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

/// The ports that a rule names by number (K-47..K-50), and ICMP as the engine sees it (K-61).
fn ranges(rule: &Rule, icmp: Icmp) -> Box<[(Protocol, u16, u16)]> {
    let mut ranges = Vec::new();
    for protocol in PROTOCOLS {
        let mut ports = Vec::new();
        for item in &rule.traffic {
            match item {
                PortMatch::Everything if protocol == Protocol::Icmp && icmp == Icmp::Drop => {}
                PortMatch::Everything => ports.push((0, last_port(protocol))),
                PortMatch::Range {
                    protocol: of,
                    first,
                    last,
                    ..
                } if *of == protocol => ports.push((*first, *last)),
                PortMatch::Range { .. } | PortMatch::Named { .. } => {}
            }
        }
        let merged = Runs::from_unsorted(ports);
        ranges.extend(merged.iter().map(|(first, last)| (protocol, first, last)));
    }
    ranges.into()
}
