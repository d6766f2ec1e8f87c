//! How a question is answered: pairs of units, judged on cut ports and addresses, and booked by what
//! decides them.

use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHashSet};

use super::addresses::{self, Range};
use super::cells::{CaseKey, Cell, Draft, Key, drafts, key};
use super::ports::{self, Asked};
use super::{
    Answer, Case, Denial, Explainer, Refusal, Row, Unit, advice, misses, nearly, pairs, units,
};
use crate::analysis::parties::{PortQuery, Selection, What};
use crate::analysis::readings::{Judged, Open, Point, Readings};
use crate::engine::NodeLocal;
use crate::eval::{Connection, Decision, Evaluator, Family, Party, Reason};
use crate::manifest::Direction;
use crate::policy::PolicyRef;
use crate::world::{EndpointId, World};

/// More rule items than this are not looked at for one question: it would take seconds.
const BUDGET: usize = 50_000_000;

/// What one verdict costs beside the rules.
const VERDICT: usize = 16;

/// A destination with the ports that are asked about there.
pub(super) struct Target {
    pub(super) unit: Unit,
    pub(super) asked: Vec<Asked>,
}

/// The cases of an answer while they are made.
#[derive(Debug, Default)]
struct Ledger {
    cases: Vec<Case>,
    index: FxHashMap<CaseKey, usize>,
    /// The case, whether it is about the source, and the number of the unit.
    members: FxHashSet<(usize, bool, usize)>,
}

/// What is counted while a question is answered.
#[derive(Debug, Default)]
struct Work {
    done: usize,
}

impl Work {
    /// Counts rule items that are about to be looked at.
    fn add(&mut self, items: usize) -> Result<(), Refusal> {
        self.done = self.done.saturating_add(items);
        if self.done > BUDGET {
            return Err(Refusal::to(
                "the policies here are too many to answer this at once; ask about fewer ports, \
                 addresses or pods"
                    .into(),
            ));
        }
        Ok(())
    }
}

impl<'a> Explainer<'a> {
    /// Answers with an evaluator, and with the readings that are open beside its own.
    #[must_use]
    pub fn new(eval: &'a Evaluator<'a>, readings: &'a Readings<'a>) -> Self {
        Self {
            eval,
            readings,
            asks: OnceLock::new(),
        }
    }

    /// Why a side of a row denies; none if it does not.
    #[must_use]
    pub fn denial(&self, row: &Row, direction: Direction) -> Option<Denial> {
        let side = match direction {
            Direction::Egress => &row.explanation.egress,
            Direction::Ingress => &row.explanation.ingress,
        };
        let subject = side.subject?;
        let Decision::NoRule { isolated_by, .. } = side.decision else {
            return None;
        };
        if row.explanation.verdict.reason != Reason::Policies {
            return None;
        }
        let connection = &row.explanation.connection;
        let service_port = row.ports.first().and_then(|asked| asked.service_port);
        let steps = &side.steps;
        let misses = misses(
            self.eval,
            direction,
            subject.endpoint(),
            connection,
            service_port,
            steps,
        );
        let nearly = match subject.endpoint() {
            Some(pod) if advice::is_helped_by_network_policies(self.eval, isolated_by) => {
                nearly::find(self.eval, direction, pod, connection)
            }
            _ => Vec::new(),
        };
        let asked = advice::Denied {
            eval: self.eval,
            direction,
            subject,
            connection,
            isolated_by,
        };
        let advice = asked.advice(&misses, &nearly);
        Some(Denial {
            misses,
            nearly,
            advice: Some(advice),
        })
    }

    /// What other languages than NetworkPolicy ask for.
    pub(super) fn asks(&self) -> &units::Asks {
        self.asks.get_or_init(|| units::Asks::of(self.eval))
    }

    /// The policies that may decide for a pod or a node, whatever the engine.
    pub(super) fn policies_about(&self, party: Party, direction: Direction) -> Vec<PolicyRef> {
        let world = self.eval.world;
        let node = |id| self.eval.policies_of_node(id, direction).iter().copied();
        match party.resolve(world) {
            Party::Endpoint(id) => {
                let mut found = self.policies_of(id, direction);
                let host = world[id].node.filter(|_| world[id].host_network.is_some());
                found.extend(host.into_iter().flat_map(node));
                found
            }
            Party::Node(id) => node(id).collect(),
            Party::Address(_) | Party::Name(_) => Vec::new(),
        }
    }

    /// The policies that may decide for an endpoint, whatever the engine.
    pub(super) fn policies_of(&self, id: EndpointId, direction: Direction) -> Vec<PolicyRef> {
        self.readings.policies_of(self.eval, id, direction)
    }

    /// The cluster.
    #[must_use]
    pub fn eval(&self) -> &'a Evaluator<'a> {
        self.eval
    }

    /// Answers a question; no ports are all ports.
    ///
    /// # Errors
    /// When there is no such port, nobody to connect to, or too much to judge.
    pub fn answer(
        &self,
        from: &Selection,
        to: &Selection,
        ports: &[PortQuery],
    ) -> Result<Answer, Refusal> {
        let world = self.eval.world;
        if let What::Service(service) = from.what {
            return Err(self.service_as_source(service));
        }
        let sources = {
            let others = units::endpoints_of(world, to);
            units::of_selection(self, from, &others, Direction::Ingress)
        };
        let mut notes = Vec::new();
        let targets = self.targets(from, to, ports, &mut notes)?;
        let mut work = Work::default();
        work.add(sources.len().saturating_mul(targets.len()))?;
        let mut ledger = Ledger::default();
        let mut own = Vec::new();
        for source in sources.iter().enumerate() {
            for target in targets.iter().enumerate() {
                let found = pairs::pairs(world, source.1, &target.1.unit);
                for pair in found {
                    // Nobody asks about a pod and itself beside others (K-75); a Service may well
                    // lead a pod back to itself (K-76).
                    if pair.is_own && to.service().is_none() {
                        own.push((pair, source, target));
                        continue;
                    }
                    let rows = self.rows(&pair, source.1, target.1, &mut work)?;
                    self.book(&mut ledger, rows, source, target, pair.count);
                }
            }
        }
        let beside_others = !ledger.cases.is_empty() && !own.is_empty();
        for (pair, source, target) in own.into_iter().filter(|_| !beside_others) {
            let rows = self.rows(&pair, source.1, target.1, &mut work)?;
            self.book(&mut ledger, rows, source, target, pair.count);
        }
        let mut cases = ledger.cases;
        let replicas = from.endpoints().iter().any(|id| world[*id].template);
        if beside_others || (replicas && from.what == to.what) {
            notes.push("a pod always reaches itself; shown is another pod (K-75)".into());
        }
        if cases.is_empty() {
            return Err(Refusal::to(
                "every address of it belongs to pods and nodes; ask about those".into(),
            ));
        }
        cases.sort_by_key(|case| std::cmp::Reverse(case.pairs));
        self.note_nodes(&cases, &mut notes);
        let outside = sources
            .iter()
            .any(|unit| matches!(unit, Unit::Addresses(_)));
        if outside
            && to.service().is_some()
            && world.nodes.is_empty()
            && self.readings.is_open(Point::Snat)
        {
            notes.push(
                "the address of an outside client may be rewritten to that of a node, and the \
                 input has no nodes to judge that by (K-82)"
                    .into(),
            );
        }
        Ok(Answer {
            cases,
            service: to.service(),
            notes,
        })
    }

    /// The destinations, each with the ports that are asked about there.
    fn targets(
        &self,
        from: &Selection,
        to: &Selection,
        ports: &[PortQuery],
        notes: &mut Vec<String>,
    ) -> Result<Vec<Target>, Refusal> {
        let world = self.eval.world;
        let others = units::endpoints_of(world, from);
        if let What::Service(service) = to.what {
            return self.behind(service, &others, ports, notes);
        }
        let units = units::of_selection(self, to, &others, Direction::Egress);
        let mut targets = Vec::new();
        let mut refused = None;
        for unit in units {
            let asked = match (&unit, unit.example()) {
                (_, Some(Party::Endpoint(id))) => ports::at_endpoint(world, id, ports),
                _ => match unit.address().and_then(|ip| world.endpoint_at(ip)) {
                    Some(id) => ports::at_endpoint(world, id, ports),
                    None => ports::elsewhere(ports),
                },
            };
            match asked {
                Ok(asked) => targets.push(Target { unit, asked }),
                Err(refusal) => {
                    notes.push(refusal.message.clone());
                    refused = refused.or(Some(refusal));
                }
            }
        }
        match refused {
            Some(refusal) if targets.is_empty() => Err(refusal),
            _ => Ok(targets),
        }
    }

    /// The rows of a pair.
    fn rows(
        &self,
        pair: &pairs::Pair,
        source: &Unit,
        target: &Target,
        work: &mut Work,
    ) -> Result<Vec<Draft>, Refusal> {
        let world = self.eval.world;
        let (ranges, subject, direction) = match (source, &target.unit) {
            (Unit::Addresses(ranges), _) => (ranges, pair.to, Direction::Ingress),
            (_, Unit::Addresses(ranges)) => (ranges, pair.from, Direction::Egress),
            _ => {
                let (Some(from), Some(to)) = (pair.from, pair.to) else {
                    return Ok(Vec::new());
                };
                let cells = self.cells(from, to, &target.asked, work)?;
                return Ok(drafts(vec![(Vec::new(), cells)]));
            }
        };
        // Nobody judges what happens between two addresses.
        let mut blocks = match subject {
            Some(party) => units::blocks_of(self, party, direction),
            None => Vec::new(),
        };
        if direction == Direction::Ingress && self.asks().stages {
            // What enters through a node may be refused there.
            for node in world.node_ids() {
                blocks.extend(units::blocks_of(self, Party::Node(node), direction));
            }
        }
        let mut atoms: Vec<(Vec<Range>, Vec<Cell>)> = Vec::new();
        let mut index: FxHashMap<Vec<(Asked, Option<Family>, Key)>, usize> = FxHashMap::default();
        let single = matches!(ranges.as_slice(), [one] if one.extent() == 0);
        for range in addresses::cut(ranges, &blocks) {
            let example = match addresses::unowned(world, range) {
                Some(ip) => ip,
                None if single => range.start(),
                None => continue,
            };
            let example = Party::Address(example);
            let other = |party: Option<Party>, unit: &Unit| match (party, unit) {
                (Some(party), _) => Some(party),
                (None, Unit::Addresses(ranges)) => ranges
                    .iter()
                    .find(|range| example_fits(**range, example))
                    .map(|range| {
                        let free = addresses::unowned(world, *range);
                        Party::Address(free.unwrap_or_else(|| range.start()))
                    }),
                (None, _) => None,
            };
            let (from, to) = match direction {
                Direction::Ingress => (Some(example), other(pair.to, &target.unit)),
                Direction::Egress => (other(pair.from, source), Some(example)),
            };
            let (Some(from), Some(to)) = (from, to) else {
                continue;
            };
            if !single && !have_family(world, from, to) {
                continue;
            }
            let cells = self.cells(from, to, &target.asked, work)?;
            let signature = cells.iter().map(|cell| (cell.asked, cell.family, cell.key));
            let at = *index.entry(signature.collect()).or_insert(atoms.len());
            match atoms.get_mut(at) {
                Some((ranges, _)) => ranges.push(range),
                None => atoms.push((vec![range], cells)),
            }
        }
        if single {
            atoms.iter_mut().for_each(|(ranges, _)| ranges.clear());
        }
        Ok(drafts(atoms))
    }

    /// Judges two parties on all ports that are asked about.
    fn cells(
        &self,
        from: Party,
        to: Party,
        asked: &[Asked],
        work: &mut Work,
    ) -> Result<Vec<Cell>, Refusal> {
        let world = self.eval.world;
        let items: usize = ports::rules_between(self, from, to)
            .map(|rule| rule.peers.len() + rule.traffic.len() + 1)
            .sum();
        let families: &[Option<Family>] = if has_both_families(world, from, to) {
            &[Some(Family::V4), Some(Family::V6)]
        } else {
            &[None]
        };
        let mut cells = Vec::new();
        for one in asked {
            work.add(items)?;
            for span in ports::cut(self, from, to, one.span) {
                let mut judged = Vec::new();
                for family in families {
                    work.add(items + VERDICT)?;
                    let mut connection =
                        Connection::new(from, to, span.protocol, span.example().unwrap_or(0));
                    connection.port = span.example();
                    connection.family = *family;
                    connection.service = one.service_address();
                    if one.service_port.is_some()
                        && matches!(from.resolve(world), Party::Address(_))
                    {
                        // An outside client enters through some node (K-82).
                        connection.via_node = world.node_ids().next();
                    }
                    judged.push((connection, self.readings.judge(self.eval, &connection)));
                }
                let told = |judged: &Judged| {
                    let open = judged.open.as_ref().map(Open::id);
                    (judged.verdict.allowed, open)
                };
                let same = judged.windows(2).all(|pair| match pair {
                    [(_, one), (_, other)] => told(one) == told(other),
                    _ => true,
                });
                let kept = if same { 1 } else { judged.len() };
                for (connection, judged) in judged.into_iter().take(kept) {
                    cells.push(Cell {
                        asked: Asked { span, ..*one },
                        family: connection.family.filter(|_| !same),
                        key: key(self.eval, &connection, &judged),
                        connection,
                        open: judged.open,
                    });
                }
            }
        }
        Ok(cells)
    }

    /// Books a pair: with those that have the same rows, or as a new case.
    fn book(
        &self,
        ledger: &mut Ledger,
        rows: Vec<Draft>,
        source: (usize, &Unit),
        target: (usize, &Target),
        count: usize,
    ) {
        if rows.is_empty() || count == 0 {
            return;
        }
        let signature: CaseKey = rows
            .iter()
            .map(|row| {
                let (ports, ranges) = (row.ports.clone(), row.addresses.clone());
                (ports, ranges, row.cell.family, row.cell.key)
            })
            .collect();
        let cases = &mut ledger.cases;
        let at = *ledger.index.entry(signature).or_insert(cases.len());
        if cases.len() == at {
            let explained = |row: Draft| Row {
                ports: row.ports,
                addresses: row.addresses,
                family: row.cell.family,
                explanation: self.eval.explain(&row.cell.connection),
                open: row.cell.open,
            };
            cases.push(Case {
                from: Vec::new(),
                to: Vec::new(),
                pairs: 0,
                rows: rows.into_iter().map(explained).collect(),
            });
        }
        if let Some(case) = cases.get_mut(at) {
            case.pairs = case.pairs.saturating_add(count);
            if ledger.members.insert((at, true, source.0)) {
                case.from.push(source.1.clone());
            }
            if ledger.members.insert((at, false, target.0)) {
                case.to.push(target.1.unit.clone());
            }
        }
    }

    /// Where an end is on the host network and the nodes are not known, a pod on the same node is
    /// another matter than the one that is shown.
    fn note_nodes(&self, cases: &[Case], notes: &mut Vec<String>) {
        let world = self.eval.world;
        let unknown = cases.iter().flat_map(|case| &case.rows).any(|row| {
            let connection = &row.explanation.connection;
            let ends = [connection.from, connection.to].map(|party| match party.resolve(world) {
                Party::Endpoint(id) => {
                    let endpoint = &world[id];
                    Some((endpoint.host_network.is_some(), endpoint.node))
                }
                Party::Node(node) => Some((true, Some(node))),
                Party::Address(_) | Party::Name(_) => None,
            });
            match ends {
                [Some((from_host, from)), Some((to_host, to))] => {
                    from_host != to_host && (from.is_none() || to.is_none())
                }
                _ => false,
            }
        });
        if unknown && self.eval.switches.node_local != NodeLocal::None {
            notes.push(
                "the input does not tell the nodes; between a pod and the node it runs on no \
                 policy is asked (K-73)"
                    .into(),
            );
        }
    }
}

fn example_fits(range: Range, example: Party) -> bool {
    matches!(example, Party::Address(ip) if Family::of(ip) == range.family)
}

fn have_family(world: &World, from: Party, to: Party) -> bool {
    let Party::Address(ip) = (match (from, to) {
        (Party::Address(_), Party::Address(_)) => return true,
        (Party::Address(_), _) => from,
        _ => to,
    }) else {
        return true;
    };
    let other = if from == Party::Address(ip) { to } else { from };
    let ips = match other {
        Party::Endpoint(id) => &world[id].ips,
        Party::Node(id) => &world[id].ips,
        Party::Address(_) | Party::Name(_) => return true,
    };
    if ips.is_empty() {
        let cidrs = &world.assumed.pod_cidrs;
        let on_host = matches!(other, Party::Node(_))
            || matches!(other, Party::Endpoint(id) if world[id].host_network.is_some());
        return on_host
            || cidrs
                .iter()
                .any(|net| Family::of(net.addr()) == Family::of(ip));
    }
    ips.iter().any(|known| Family::of(*known) == Family::of(ip))
}

/// Whether both ends are known to have addresses of both families (K-68).
fn has_both_families(world: &World, from: Party, to: Party) -> bool {
    let both = |party: Party| {
        let ips = match party {
            Party::Endpoint(id) => &world[id].ips,
            Party::Node(id) => &world[id].ips,
            Party::Address(_) | Party::Name(_) => return false,
        };
        let has = |family| ips.iter().any(|ip| Family::of(*ip) == family);
        has(Family::V4) && has(Family::V6)
    };
    both(from) && both(to)
}
