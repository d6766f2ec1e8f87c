//! Connections to Services from outside of the cluster's own addresses: through a port of a node, or to an outer
//! address that nodes translate.
//!
//! INVARIANT: what is predicted is what policies are shown. Egress of the source sees the node if that is where the
//! connection is translated, and ingress sees the node wherever it hides the source on the way to another node
//! (K-82). Where that and the profile's reading of K-82 make different answers, nothing is judged.

use std::net::IpAddr;

use watertight_core::engine::ServiceDnat;
use watertight_core::eval::{
    Connection, Evaluator, Family, Party as Meant, Reason, ServiceAddress, Verdict,
};
use watertight_core::sets::Protocol;
use watertight_core::world::{Backend, NodeId, ServiceId};

use super::connections::{Planned, is_told_apart};
use super::parties::{Index, Party};
use crate::lab::{Place, Plan};
use crate::probe::{NAMES, Question};

/// Why nothing is judged.
type Why = (&'static str, &'static str);

const SOURCES: Why = (
    "K-82",
    "which source a policy sees behind a node port or a load balancer is up to the engine: the client or the node, \
     and they are judged differently",
);
const TURNS: Why = (
    "K-80",
    "some backends may be reached and some not, and it is up to whose turn it is",
);
const ABSENT: Why = ("K-80", "a backend is not in the lab");

/// A port of a Service as those see it who dial a node, or an outer address.
#[derive(Debug)]
pub(super) struct Entry {
    /// The node, or the address, among the parties.
    to: usize,
    /// The node that is dialled; none for an outer address, which every node translates for those on it.
    node: Option<NodeId>,
    dialled: ServiceAddress,
    protocol: Protocol,
    /// Whether nodes send others to their own pods alone, and hide nobody.
    local: bool,
    /// Backends, and who each of them is.
    backends: Vec<(Backend, Option<usize>)>,
}

/// Everything that can be dialled.
pub(super) fn entries(
    eval: &Evaluator<'_>,
    index: &Index,
    parties: &[Party],
    balancers: &[(usize, ServiceId)],
) -> Vec<Entry> {
    let world = eval.world;
    let mut found = Vec::new();
    // Engines that judge before translation would need a table that does.
    if eval.switches.service_dnat == ServiceDnat::Pre {
        return found;
    }
    for id in world.service_ids() {
        let service = &world[id];
        for port in &service.ports {
            let backends = world.backends(id, port.port, port.protocol).into_iter();
            let backends: Vec<_> = backends.map(|one| (one, index.backend(one))).collect();
            if backends.is_empty() {
                continue;
            }
            let mut add = |to: usize, node: Option<NodeId>, ip: IpAddr, number: u16| {
                found.push(Entry {
                    to,
                    node,
                    dialled: ServiceAddress { ip, port: number },
                    protocol: port.protocol,
                    local: service.published.local,
                    backends: backends.clone(),
                });
            };
            for (at, party) in parties.iter().enumerate() {
                let Meant::Node(node) = party.meant else {
                    continue;
                };
                for ip in port.node_port.iter().flat_map(|_| &party.ips) {
                    add(at, Some(node), *ip, port.node_port.unwrap_or_default());
                }
            }
            for (at, _) in balancers.iter().filter(|(_, of)| *of == id) {
                for ip in parties.get(*at).into_iter().flat_map(|party| &party.ips) {
                    add(*at, None, *ip, port.port);
                }
            }
        }
    }
    found
}

/// What is predicted of one backend.
struct Way {
    connection: Connection,
    verdict: Verdict,
    why: Option<Why>,
}

impl Entry {
    /// What is dialled.
    pub(super) fn port(&self) -> (Protocol, u16) {
        (self.protocol, self.dialled.port)
    }

    /// The same, if a node is dialled.
    pub(super) fn on_node(&self) -> Option<(Protocol, u16)> {
        self.node.map(|_| self.port())
    }

    /// Somebody dials it; none if that leads nowhere, or if nothing can be said about it.
    pub(super) fn from(
        &self,
        eval: &Evaluator<'_>,
        plan: &Plan,
        (from, source): (usize, &Party),
    ) -> Option<Planned> {
        let family = Family::of(self.dialled.ip);
        let own = source.ip(family)?;
        let home = plan.node_of(source.place);
        let node = match self.node {
            Some(node) => node,
            None => home.or_else(|| plan.entries.get(&self.dialled.ip).copied())?,
        };
        // A node without an address of the family can hide nobody.
        let mut ips = plan.ips_of(Place::Node(node)).into_iter();
        let hidden = ips.find(|ip| Family::of(*ip) == family)?;
        let is_near = home == Some(node);
        let backends = self
            .backends
            .iter()
            .filter(|(backend, _)| !self.local || is_near || node_of(eval, *backend) == Some(node));
        let has_family = |backend: &Backend| match *backend {
            Backend::Endpoint(id, _) => {
                let mut ips = eval.world[id].ips.iter();
                ips.any(|ip| Family::of(*ip) == family)
            }
            Backend::Address(ip, _) => Family::of(ip) == family,
        };
        let backends: Vec<_> = backends.filter(|(of, _)| has_family(of)).collect();
        let ways = backends
            .iter()
            .map(|(backend, _)| self.way(eval, (source.meant, home), node, *backend, family));
        let ways: Vec<Way> = ways.collect::<Option<_>>()?;
        let first = ways.first()?;
        let differ = ways
            .iter()
            .any(|way| way.verdict.allowed != first.verdict.allowed);
        let is_absent = backends.iter().any(|(_, party)| party.is_none());
        let is_uncertain = ways.iter().any(|way| way.verdict.uncertain.is_some());
        let why = ways.iter().find_map(|way| way.why);
        let why = why
            .or(differ.then_some(TURNS))
            .or(is_absent.then_some(ABSENT));
        let answer_by = backends.iter().zip(&ways);
        let answer_by =
            answer_by.filter_map(|((_, party), way)| Some(((*party)?, way.connection.port?)));
        Some(Planned {
            from,
            to: self.to,
            connection: first.connection,
            family,
            question: Question {
                from,
                to: self.dialled.ip,
                protocol: self.protocol,
                port: self.dialled.port,
                source_port: None,
                from_address: Some(own),
                masked: Some(if self.local { own } else { hidden }),
                to_names: Some(ways.iter().any(|way| way.connection.port == Some(NAMES))),
            },
            answer_by: answer_by.collect(),
            verdict: first.verdict,
            is_judged: why.is_none()
                && !is_uncertain
                && !ways.iter().any(|way| is_told_apart(eval, &way.connection)),
            unjudged: why,
            backends: ways
                .iter()
                .map(|way| (way.connection, way.verdict))
                .collect(),
        })
    }

    /// What becomes of it on the way to one backend; none if there can be no such connection.
    fn way(
        &self,
        eval: &Evaluator<'_>,
        (source, home): (Meant, Option<NodeId>),
        node: NodeId,
        backend: Backend,
        family: Family,
    ) -> Option<Way> {
        let (to, port) = match backend {
            Backend::Endpoint(id, port) => (Meant::Endpoint(id), port),
            Backend::Address(ip, port) => (Meant::Address(ip), port),
        };
        let between = |from: Meant, to: Meant, port: u16| {
            let mut connection = Connection::new(from, to, self.protocol, port);
            connection.family = Some(family);
            connection
        };
        let mut direct = between(source, to, port);
        direct.service = Some(self.dialled);
        let judged = |connection: &Connection| {
            let verdict = eval.verdict(connection);
            (!matches!(verdict.reason, Reason::Impossible(..))).then_some(verdict)
        };
        // Where the source is, the connection is translated already, or still on its way to the node.
        let is_translated = home.is_none_or(|home| home == node);
        let out = match is_translated {
            true => judged(&direct)?,
            false => judged(&between(source, Meant::Node(node), self.dialled.port))?,
        };
        // A node hides the source behind its own policies, so that those of another see it hidden.
        let is_hidden = !self.local && node_of(eval, backend) != Some(node);
        let seen = match is_hidden {
            true => judged(&between(Meant::Node(node), to, port))?,
            false => judged(&direct)?,
        };
        // What the profile says of clients from outside; pods are never taken for nodes.
        let mut read = direct;
        read.via_node = (!self.local && home.is_none()).then_some(node);
        let read = judged(&read)?;
        let is_let_in = |verdict: &Verdict| verdict.sides[1].is_allowed();
        let is_let_out = out.sides[0].is_allowed();
        let is_open = is_let_out && is_let_in(&read) != is_let_in(&seen);
        let why = is_open.then_some(SOURCES);
        let is_blocked = |verdict: &Verdict| matches!(verdict.reason, Reason::Blocked(..));
        let verdict = if is_blocked(&out) {
            out
        } else {
            Verdict {
                allowed: is_let_out && is_let_in(&seen) && !is_blocked(&seen),
                reason: match out.reason == seen.reason {
                    true => out.reason,
                    false => Reason::Policies,
                },
                egress: out.egress,
                ingress: seen.ingress,
                sides: [out.sides[0], seen.sides[1]],
                uncertain: out.uncertain.or(seen.uncertain),
            }
        };
        // Which policies about nodes act on the way is asked by it.
        direct.via_node = Some(node);
        direct.node_port = self.node.map(|_| self.dialled.port);
        Some(Way {
            connection: direct,
            verdict,
            why,
        })
    }
}

/// The node that a backend is on.
fn node_of(eval: &Evaluator<'_>, backend: Backend) -> Option<NodeId> {
    match backend {
        Backend::Endpoint(id, _) => eval.world[id].node,
        Backend::Address(ip, _) => eval.world.node_at(ip),
    }
}
