//! Connections that come out differently once the sections that policyTypes leaves out count, or no
//! longer count.
//!
//! INVARIANT: a proof is a connection whose verdict on this engine stands, and that the policed side
//! alone would judge the other way.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Section;
use crate::diag::Evidence;
use crate::eval::{Connection, Evaluator, Party};
use crate::manifest::Direction;
use crate::policy::{EndpointSelector, NamespaceScope, Peer, Policy};
use crate::rules::Context;
use crate::rules::isolation::{Probes, declared_port, opposite};
use crate::sets::{PortMatch, Protocol};
use crate::world::EndpointId;

/// How many differently governed pods of a policy, rules of its section and peers of a rule are
/// tried before the finding is made without a proof.
const TRIED: usize = 8;

#[derive(Debug)]
pub(super) struct Comparison<'c, 'a> {
    context: &'c Context<'a>,
    /// An engine that reads the sections the other way.
    otherwise: &'c Evaluator<'c>,
    probes: Probes<'c, 'a>,
    /// The sections as rules.
    lowered: FxHashMap<Section, &'c Policy>,
    /// Two pods of each selector that was asked for.
    members: FxHashMap<String, Vec<EndpointId>>,
}

impl<'c, 'a> Comparison<'c, 'a> {
    pub(super) fn new(
        context: &'c Context<'a>,
        otherwise: &'c Evaluator<'c>,
        sections: &[Section],
    ) -> Self {
        let asked: FxHashSet<Section> = sections.iter().copied().collect();
        let mut lowered: FxHashMap<Section, &'c Policy> = FxHashMap::default();
        for ruleset in [context.eval.ruleset, otherwise.ruleset] {
            for direction in Direction::BOTH {
                let tiers = ruleset.tiers(direction).iter();
                for found in tiers.flat_map(|tier| &tier.policies) {
                    let Some(policy) = found.origin.kubernetes() else {
                        continue;
                    };
                    let section = Section { policy, direction };
                    if asked.contains(&section) {
                        lowered.insert(section, found);
                    }
                }
            }
        }
        Self {
            context,
            otherwise,
            probes: Probes::new(context),
            lowered,
            members: FxHashMap::default(),
        }
    }

    /// The pods of a policy. Where its own direction does not act, the other one does.
    fn subjects(&self, section: Section) -> &'c [EndpointId] {
        let context = self.context;
        [opposite(section.direction), section.direction]
            .iter()
            .find_map(|direction| context.policy_ref(section.policy, *direction))
            .map_or(&[], |at| context.eval.subjects_of(at))
    }

    pub(super) fn selects_pods(&self, section: Section) -> bool {
        !self.subjects(section).is_empty()
    }

    /// A connection that would come out the other way if the section counted, or did not: first
    /// with strangers, then with those whom its rules name.
    pub(super) fn proof(&mut self, section: Section) -> Option<Evidence> {
        let pods = self.different(section);
        let direction = section.direction;
        let strangers = pods.iter().find_map(|pod| {
            let tries: Vec<Connection> = match direction {
                Direction::Ingress => {
                    let inside = self.probes.calls_from_inside(*pod);
                    inside.chain(self.probes.calls_from_outside(*pod)).collect()
                }
                Direction::Egress => {
                    let internet = self.probes.calls_to_internet(*pod);
                    internet
                        .chain(self.probes.calls_to_metadata(*pod))
                        .collect()
                }
            };
            self.differing(direction, *pod, &tries)
        });
        strangers.or_else(|| {
            pods.iter().find_map(|pod| {
                let tries = self.listed(section, *pod);
                self.differing(direction, *pod, &tries)
            })
        })
    }

    /// Pods of a policy that are not all under the same policies.
    fn different(&self, section: Section) -> Vec<EndpointId> {
        let of = |id: EndpointId| self.context.policies_of(id, section.direction);
        let mut pods: Vec<EndpointId> = Vec::new();
        for id in self.subjects(section) {
            if !pods.iter().any(|known| of(*known) == of(*id)) {
                pods.push(*id);
            }
            if pods.len() == TRIED {
                break;
            }
        }
        pods
    }

    fn differing(
        &self,
        direction: Direction,
        pod: EndpointId,
        tries: &[Connection],
    ) -> Option<Evidence> {
        tries.iter().find_map(|connection| {
            let other = match direction {
                Direction::Ingress => connection.from,
                Direction::Egress => connection.to,
            };
            let port = connection.port?;
            let side = |eval: &Evaluator<'_>| {
                let decision = eval.decide(direction, pod, other, connection.protocol, port);
                decision.is_allowed()
            };
            let here = side(self.context.eval);
            let verdict = self.context.eval.verdict(connection);
            (here != side(self.otherwise) && verdict.allowed == here)
                .then(|| self.context.word(connection, &verdict))
        })
    }

    /// Connections that the rules of a section name, one for each of their first peers.
    fn listed(&mut self, section: Section, pod: EndpointId) -> Vec<Connection> {
        let lowered = self.lowered.get(&section).copied();
        let rules = lowered.into_iter().flat_map(|policy| &policy.rules);
        let own = Party::Endpoint(pod);
        let mut found = Vec::new();
        for rule in rules.take(TRIED) {
            for peer in rule.peers.iter().take(TRIED) {
                let Some(peer) = self.some_party(peer, pod) else {
                    continue;
                };
                let (from, to) = match section.direction {
                    Direction::Ingress => (peer, own),
                    Direction::Egress => (own, peer),
                };
                if let Some((protocol, port)) = self.some_port(&rule.traffic, to) {
                    found.push(Connection::new(from, to, protocol, port));
                }
            }
        }
        found
    }

    fn some_party(&mut self, peer: &Peer, pod: EndpointId) -> Option<Party> {
        match peer {
            Peer::Any => None,
            Peer::Endpoints(selector, _) => {
                let members = self.two_of(selector).iter();
                let mut others = members.filter(|id| **id != pod);
                others.next().copied().map(Party::Endpoint)
            }
            Peer::Block(block, _) => {
                let net = block.cidr.net;
                let mut some = net.hosts().take(1).chain([net.network(), net.broadcast()]);
                some.find(|ip| block.contains(*ip)).map(Party::Address)
            }
            _ => None,
        }
    }

    fn two_of(&mut self, selector: &EndpointSelector) -> &[EndpointId] {
        let EndpointSelector {
            namespaces, pods, ..
        } = selector;
        let key = match namespaces {
            NamespaceScope::Only(namespace) => format!("{}/{pods}", namespace.index()),
            NamespaceScope::Matching(labels) => format!("[{labels}]/{pods}"),
        };
        let eval = self.context.eval;
        self.members.entry(key).or_insert_with(|| {
            let mut members = eval.members(selector);
            members.truncate(2);
            members
        })
    }

    fn some_port(&self, traffic: &[PortMatch], to: Party) -> Option<(Protocol, u16)> {
        let endpoint = match to {
            Party::Endpoint(id) => Some(id),
            _ => None,
        };
        let context = self.context;
        let declared = || endpoint.map_or((Protocol::Tcp, 80), |id| declared_port(context, id));
        traffic.iter().find_map(|item| match item {
            PortMatch::Everything | PortMatch::Any => Some(declared()),
            PortMatch::Range {
                protocol, first: 0, ..
            } => Some((*protocol, declared().1)),
            PortMatch::Range {
                protocol, first, ..
            } => Some((*protocol, *first)),
            PortMatch::Named { protocol, name, .. } => {
                let name = context.world.symbols.get(name)?;
                let mut ports = context.world[endpoint?].ports.iter();
                let port =
                    ports.find(|port| port.name == Some(name) && port.protocol == *protocol)?;
                Some((*protocol, port.number))
            }
            PortMatch::Except { protocol, .. } => Some((*protocol, declared().1)),
            PortMatch::Icmp { .. } => None,
        })
    }
}
