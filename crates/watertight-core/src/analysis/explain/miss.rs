//! What a rule that does not match lacks: the nearest miss.
//!
//! The evaluator has said which rules were looked at and whether peer or ports failed; here it is only
//! put into words. INVARIANT: a fault is told only of a part that the evaluator found not to match.

use std::net::IpAddr;

use super::admits::is_for_anybody;
use super::miss_peers::Of;
use super::miss_traffic::spelled;
use crate::engine::ServiceDnat;
use crate::eval::{Connection, Evaluator, Family, Party, Step};
use crate::manifest::Direction;
use crate::policy::{Action, Origin, RuleRef};
use crate::sets::Protocol;
use crate::source::Span;
use crate::world::{EndpointId, World};

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A label of the other pod.
    Label,
    /// A label of its namespace.
    NamespaceLabel,
    /// The namespace: without a namespaceSelector a peer means its own (K-24).
    OwnNamespace,
    /// Selectors, and the other end is no pod that they could select.
    NotSelectable,
    /// A kind of peers that the other end is not one of.
    Peer,
    /// The addresses of a DNS name, which are not known.
    Domain,
    /// The address family.
    Family,
    /// Source ports are asked for, and the question names none (C-47).
    SourcePort,
    /// The address is not in a block.
    Address,
    /// The block has the address of the Service and not the one that it leads to (K-79).
    ServiceAddress,
    /// The address is in an exception of a block.
    Except,
    /// The address may be in the block: it is not known (M-1).
    UnknownAddress,
    /// The engine does not match such an end by its address.
    Engine,
    /// The port or the protocol.
    Port,
    /// A port name that the destination does not have.
    PortName,
    /// The Service port is admitted and not the port that it leads to (K-79).
    ServicePort,
}

/// One thing that a rule lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it is about.
    pub kind: FaultKind,
    /// In words, behind "rule 1 ".
    pub text: String,
    /// Where it is written.
    pub span: Span,
}

/// A rule that does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// The rule.
    pub rule: RuleRef,
    /// What it lacks, of the peer that lacks least.
    pub faults: Vec<Fault>,
    /// How far it is from a match; smaller is nearer.
    pub distance: usize,
}

impl Miss {
    /// Whether only its ports fail.
    #[must_use]
    pub fn is_about_ports(&self) -> bool {
        let about_ports = |fault: &Fault| {
            matches!(
                fault.kind,
                FaultKind::Port | FaultKind::PortName | FaultKind::ServicePort
            )
        };
        !self.faults.is_empty() && self.faults.iter().all(about_ports)
    }
}

/// How people call a party: `shop/web`, `node:n1`, `ip:203.0.113.9`.
#[must_use]
pub fn short_name(world: &World, party: Party) -> String {
    match party.resolve(world) {
        Party::Endpoint(id) => {
            let endpoint = &world[id];
            let name = match endpoint.workload {
                Some(workload) => &world[workload].name,
                None => &endpoint.name,
            };
            format!("{}/{name}", world[endpoint.namespace].name)
        }
        Party::Node(id) => format!("node:{}", world[id].name),
        Party::Address(ip) => format!("ip:{ip}"),
        Party::Name(id) => format!("fqdn:{}", world[id].text),
    }
}

/// What the policy of one side sees of the other end.
pub(super) struct Seen {
    pub(super) party: Party,
    pub(super) protocol: Protocol,
    pub(super) port: Option<u16>,
    pub(super) family: Option<Family>,
}

/// The other end of a connection as the policy of a direction sees it.
pub(super) fn seen(eval: &Evaluator<'_>, direction: Direction, connection: &Connection) -> Seen {
    let (from, to) = (connection.from, connection.to);
    let mut seen = Seen {
        party: match direction {
            Direction::Egress => to,
            Direction::Ingress => from,
        },
        protocol: connection.protocol,
        port: connection.port,
        family: connection.family,
    };
    if let (Direction::Egress, Some(service)) = (direction, connection.service)
        && eval.switches.service_dnat == ServiceDnat::Pre
    {
        seen.party = Party::Address(service.ip);
        seen.port = Some(service.port);
    }
    seen
}

/// The rules that were looked at in vain, nearest first.
#[must_use]
pub fn misses(
    eval: &Evaluator<'_>,
    direction: Direction,
    subject: Option<EndpointId>,
    connection: &Connection,
    service_port: Option<u16>,
    steps: &[Step],
) -> Vec<Miss> {
    let seen = seen(eval, direction, connection);
    let view = View {
        eval,
        direction,
        subject,
        seen: &seen,
        service_port,
        service_ip: connection.service.map(|service| service.ip),
        name: short_name(eval.world, seen.party),
    };
    let mut found: Vec<Miss> = steps
        .iter()
        // A rule that refuses, or leaves the tier, lacks nothing.
        .filter(|step| eval.ruleset[step.rule].action == Action::Allow)
        .filter(|step| !(step.peer && step.traffic))
        .map(|step| view.miss(step))
        .collect();
    let unknown = |miss: &Miss| {
        let kind = miss.faults.first().map(|fault| fault.kind);
        kind != Some(FaultKind::UnknownAddress)
    };
    found.sort_by_key(|miss| (miss.distance, unknown(miss)));
    found
}

pub(super) struct View<'v> {
    pub(super) eval: &'v Evaluator<'v>,
    pub(super) direction: Direction,
    /// Whom the side is judged for, if it is a pod.
    pub(super) subject: Option<EndpointId>,
    pub(super) seen: &'v Seen,
    pub(super) service_port: Option<u16>,
    pub(super) service_ip: Option<IpAddr>,
    /// How the other end is called.
    pub(super) name: String,
}

/// Further away than any label.
pub(super) const FAR: usize = 4;

impl View<'_> {
    fn miss(&self, step: &Step) -> Miss {
        let rule = &self.eval.ruleset[step.rule];
        let origin = self.eval.ruleset[step.rule.policy].origin;
        let mut faults = Vec::new();
        let mut distance = 0;
        if !step.peer {
            let plain = matches!(origin, Origin::Kubernetes(_));
            let of = Of { rule, plain };
            let each = rule.peers.iter().map(|peer| self.peer_faults(of, peer));
            if let Some((far, nearest)) = each.min_by_key(|(distance, _)| *distance) {
                faults = nearest;
                distance = far;
            }
            if faults.is_empty() {
                faults.push(self.whole_rule_fault(rule));
                distance = FAR;
            }
        }
        let ports_fit = !step.traffic && self.takes(rule);
        if let (Some(ports), true) = (&rule.source_ports, ports_fit) {
            let ports: Vec<_> = ports.iter().map(|range| spelled(*range)).collect();
            faults.push(Fault {
                kind: FaultKind::SourcePort,
                text: format!(
                    "asks for source port {}, which the question does not name (C-47)",
                    crate::rules::some_of(&ports)
                ),
                span: rule.span,
            });
            distance += 1;
        } else if !step.traffic {
            faults.push(self.port_fault(rule));
            distance += match faults.last().map(|fault| fault.kind) {
                // The Service is what its author meant.
                Some(FaultKind::ServicePort) => 0,
                // A rule for anybody is hardly meant for this port.
                _ if is_for_anybody(rule) => 2,
                _ => 1,
            };
        }
        Miss {
            rule: step.rule,
            faults,
            distance,
        }
    }

    pub(super) fn other(&self) -> Option<EndpointId> {
        match self.seen.party.resolve(self.eval.world) {
            Party::Endpoint(id) => Some(id),
            _ => None,
        }
    }

    /// Whether the other end is seen as a node.
    pub(super) fn on_host(&self) -> bool {
        match self.seen.party.resolve(self.eval.world) {
            Party::Endpoint(id) => self.eval.world[id].host_network.is_some(),
            Party::Node(_) => true,
            Party::Address(_) | Party::Name(_) => false,
        }
    }
}
