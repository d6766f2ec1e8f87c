//! What a rule that does not match lacks: the nearest miss.
//!
//! The evaluator has said which rules were looked at and whether peer or ports failed; here it is only
//! put into words. INVARIANT: a fault is told only of a part that the evaluator found not to match.

use std::net::IpAddr;

use ipnet::IpNet;

use super::admits::is_for_anybody;
use crate::engine::{HostNetwork, Icmp, IpBlockPods, ServiceDnat};
use crate::eval::{Connection, Evaluator, Family, Party, Step};
use crate::manifest::Direction;
use crate::policy::{EndpointSelector, NamespaceScope, Peer, Rule, RuleRef};
use crate::sets::{IpBlock, Operator, PortMatch, Protocol, Requirement};
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
        self.faults.iter().all(about_ports)
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
    family: Option<Family>,
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
    subject: EndpointId,
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
    pub(super) subject: EndpointId,
    pub(super) seen: &'v Seen,
    pub(super) service_port: Option<u16>,
    pub(super) service_ip: Option<IpAddr>,
    /// How the other end is called.
    pub(super) name: String,
}

/// Further away than any label.
const FAR: usize = 4;

impl View<'_> {
    fn miss(&self, step: &Step) -> Miss {
        let rule = &self.eval.ruleset[step.rule];
        let mut faults = Vec::new();
        let mut distance = 0;
        if !step.peer {
            let each = rule.peers.iter().map(|peer| self.peer_faults(rule, peer));
            if let Some((far, nearest)) = each.min_by_key(|(distance, _)| *distance) {
                faults = nearest;
                distance = far;
            }
        }
        if !step.traffic {
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

    fn peer_faults(&self, rule: &Rule, peer: &Peer) -> (usize, Vec<Fault>) {
        match peer {
            // It matches whatever there is.
            Peer::Any => (0, Vec::new()),
            Peer::Block(block, _) => {
                let (distance, fault) = self.block_fault(block);
                (distance, vec![fault])
            }
            Peer::Nodes(..)
            | Peer::OwnNode(_)
            | Peer::OtherNodes(_)
            | Peer::Outside(_)
            | Peer::Domain(..)
            | Peer::All(_)
            | Peer::AnyOf(_)
            | Peer::Not(_) => {
                let is_empty = matches!(peer, Peer::AnyOf(parts) if parts.is_empty());
                let text = match is_empty {
                    true => "means nobody".to_owned(),
                    false => format!(
                        "means {}, and {} is not",
                        peer.words(self.eval.world),
                        self.name
                    ),
                };
                let fault = Fault {
                    kind: FaultKind::NotSelectable,
                    text,
                    span: peer.span().unwrap_or(rule.span),
                };
                (FAR, vec![fault])
            }
            Peer::Endpoints(selector, span) => match self.other() {
                Some(id) if self.eval.can_be_subject(id) => {
                    let faults = self.selector_faults(selector, *span, id);
                    (faults.len(), faults)
                }
                other => {
                    let text = match other {
                        Some(_) if self.on_host() => format!(
                            "selects pods by label, and {} is on the host network (K-72)",
                            self.name
                        ),
                        Some(_) => format!("selects pods, and {} has no address", self.name),
                        None => format!("selects pods, and {} is none", self.name),
                    };
                    let fault = Fault {
                        kind: FaultKind::NotSelectable,
                        text,
                        span: *span,
                    };
                    (FAR, vec![fault])
                }
            },
        }
    }

    pub(super) fn selector_faults(
        &self,
        selector: &EndpointSelector,
        span: Span,
        id: EndpointId,
    ) -> Vec<Fault> {
        let world = self.eval.world;
        let namespace = world[id].namespace;
        let name = &world[namespace].name;
        let mut faults = Vec::new();
        match &selector.namespaces {
            NamespaceScope::Only(own) if *own != namespace => faults.push(Fault {
                kind: FaultKind::OwnNamespace,
                text: format!(
                    "has no namespaceSelector and so means pods of `{}` (K-24), {} is in `{name}`",
                    world[*own].name, self.name
                ),
                span,
            }),
            NamespaceScope::Only(_) => {}
            NamespaceScope::Matching(labels) => {
                for requirement in &labels.requirements {
                    let value = world.namespace_label(namespace, &requirement.key);
                    if holds(requirement, value) {
                        continue;
                    }
                    let unknown = value.is_none() && world.assumed.namespaces.contains(&namespace);
                    let remark = if unknown {
                        ", as far as is known: it has no Namespace object in the input (M-3)"
                    } else {
                        ""
                    };
                    faults.push(Fault {
                        kind: FaultKind::NamespaceLabel,
                        text: format!(
                            "needs {} on the namespace, `{name}` {}{remark}",
                            needs(requirement),
                            has(requirement, value)
                        ),
                        span: requirement.span,
                    });
                }
            }
        }
        for requirement in &selector.pods.requirements {
            let value = world.label(id, &requirement.key);
            if !holds(requirement, value) {
                faults.push(Fault {
                    kind: FaultKind::Label,
                    text: format!(
                        "needs {}, {} {}",
                        needs(requirement),
                        self.name,
                        has(requirement, value)
                    ),
                    span: requirement.span,
                });
            }
        }
        faults
    }

    fn block_fault(&self, block: &IpBlock) -> (usize, Fault) {
        let world = self.eval.world;
        let switches = &self.eval.switches;
        let net = block.cidr.net;
        let fault = |kind, text: String, span| Fault { kind, text, span };
        let span = block.cidr.span;
        let on_host = self.on_host();
        if on_host && !switches.ipblock_nodes {
            let text = format!("admits {net}, and this engine matches no node by it (K-70)");
            return (FAR, fault(FaultKind::Engine, text, span));
        }
        let pod = self.other().filter(|_| !on_host);
        if pod.is_some() && switches.ipblock_pods == IpBlockPods::Never {
            let text = format!("admits {net}, and this engine matches no pod by it (K-65)");
            return (FAR, fault(FaultKind::Engine, text, span));
        }
        if let Some(service) = self.service_ip
            && block.contains(service)
            && self.direction == Direction::Egress
        {
            let text = format!(
                "admits {net}, the address of the Service; policies see {} behind it (K-79)",
                self.name
            );
            return (1, fault(FaultKind::ServiceAddress, text, span));
        }
        let party = self.seen.party.resolve(world);
        let given = match self.seen.party {
            Party::Address(ip) => Some(ip),
            _ => None,
        };
        let of = |family| party.address(world, family);
        let address: Option<IpAddr> = given.or_else(|| match self.seen.family {
            Some(family) => of(family),
            None => of(Family::V4).or_else(|| of(Family::V6)),
        });
        if let Some(ip) = address {
            let whose = match party {
                Party::Address(_) => format!("{ip}"),
                _ => format!("{} ({ip})", self.name),
            };
            let except = block.except.iter().find(|except| except.net.contains(&ip));
            return match except.filter(|_| net.contains(&ip)) {
                Some(except) => {
                    let text = match party {
                        Party::Address(_) => format!("admits {net} but leaves out {}", except.net),
                        _ => format!(
                            "admits {net} but leaves out {}, where {whose} is",
                            except.net
                        ),
                    };
                    (1, fault(FaultKind::Except, text, except.span))
                }
                None if Family::of(net.addr()) != Family::of(ip) => {
                    let text = format!("admits {net}, which is of the other family (K-66)");
                    (3, fault(FaultKind::Address, text, span))
                }
                None => {
                    let text = format!("admits {net}, {whose} is outside of it");
                    (2, fault(FaultKind::Address, text, span))
                }
            };
        }
        let family = Family::of(net.addr());
        let ranges: Vec<IpNet> = world
            .assumed
            .pod_cidrs
            .iter()
            .copied()
            .filter(|range| Family::of(range.addr()) == family)
            .collect();
        let unknown = format!("the input does not tell the address of {}", self.name);
        if on_host || ranges.iter().any(|range| block.touches(*range)) {
            let text = format!("admits {block}, and {unknown} (M-1)");
            return (1, fault(FaultKind::UnknownAddress, text, span));
        }
        let place = ranges.first().map_or(String::new(), |range| {
            format!(", pods lie in {range} (M-1)")
        });
        let text = format!("admits {block}{place}");
        (2, fault(FaultKind::Address, text, span))
    }

    fn port_fault(&self, rule: &Rule) -> Fault {
        let protocol = self.seen.protocol;
        let span = rule.traffic.iter().find_map(PortMatch::span);
        let span = span.unwrap_or(rule.span);
        if protocol == Protocol::Icmp {
            let text = if self.eval.switches.icmp == Icmp::Drop {
                "admits no ICMP, as no rule does on this engine (K-61)".to_owned()
            } else {
                format!(
                    "admits {} only, and no ICMP (K-61)",
                    admitted(&rule.traffic)
                )
            };
            return Fault {
                kind: FaultKind::Port,
                text,
                span,
            };
        }
        let service_port = self
            .service_port
            .filter(|port| Some(*port) != self.seen.port);
        let by_service = service_port.and_then(|wanted| {
            rule.traffic.iter().find(|item| {
                matches!(item, PortMatch::Range { protocol: own, first, last, .. }
                    if *own == protocol && (*first..=*last).contains(&wanted))
            })
        });
        if let (Some(item), Some(port)) = (by_service, self.seen.port) {
            return Fault {
                kind: FaultKind::ServicePort,
                text: format!(
                    "admits {item}, the port of the Service; policies see {port}/{} behind it (K-79)",
                    protocol.word()
                ),
                span: item.span().unwrap_or(span),
            };
        }
        if let [
            PortMatch::Named {
                protocol: own,
                name,
                span,
            },
        ] = rule.traffic.as_slice()
        {
            let text = format!(
                "admits port `{name}`/{}, {}",
                own.word(),
                self.name_at_destination(name, *own)
            );
            return Fault {
                kind: FaultKind::PortName,
                text,
                span: *span,
            };
        }
        let other_protocol = self.seen.port.filter(|port| {
            rule.traffic.iter().any(|item| {
                matches!(item, PortMatch::Range { first, last, .. }
                    if (*first..=*last).contains(port))
            })
        });
        let unless = match other_protocol {
            Some(_) => format!(", not {}", protocol.word()),
            None => " only".to_owned(),
        };
        let known = rule.traffic.iter().map(|item| match item {
            PortMatch::Named { protocol, name, .. } => {
                let at = self.name_at_destination(name, *protocol);
                format!("`{name}`/{} ({at})", protocol.word())
            }
            item => item.to_string(),
        });
        let known: Vec<_> = known.collect();
        Fault {
            kind: FaultKind::Port,
            text: format!("admits {}{unless}", crate::rules::some_of(&known)),
            span,
        }
    }

    /// What a port name is at the destination (K-52..K-57).
    fn name_at_destination(&self, name: &str, protocol: Protocol) -> String {
        let world = self.eval.world;
        let destination = match self.direction {
            Direction::Ingress => Some(self.subject),
            Direction::Egress => self.other().filter(|_| {
                !self.on_host() || self.eval.switches.host_network == HostNetwork::PodLabels
            }),
        };
        let Some(id) = destination else {
            return format!("and {} names no ports (K-57)", self.name);
        };
        let who = short_name(world, Party::Endpoint(id));
        let symbol = world.symbols.get(name);
        let named = world[id].ports.iter().filter(|port| port.name.is_some());
        let own: Vec<_> = named.clone().filter(|port| port.name == symbol).collect();
        let same: Vec<_> = own
            .iter()
            .filter(|port| port.protocol == protocol)
            .collect();
        if let [port] = same.as_slice() {
            return format!("which is {} on {who}", port.number);
        }
        if let [port] = own.as_slice() {
            let word = port.protocol.word();
            return format!("which is {}/{word} on {who} (K-54)", port.number);
        }
        let has: Vec<_> = named
            .filter_map(|port| Some(format!("`{}`", world.symbols.text(port.name?))))
            .collect();
        if has.is_empty() {
            format!("and {who} names no port (K-57)")
        } else {
            format!("and {who} has {} only (K-57)", crate::rules::some_of(&has))
        }
    }
}

fn admitted(traffic: &[PortMatch]) -> String {
    let known: Vec<_> = traffic.iter().map(ToString::to_string).collect();
    crate::rules::some_of(&known)
}

pub(super) fn holds(requirement: &Requirement, value: Option<&str>) -> bool {
    let listed = |values: &[Box<str>]| {
        value.is_some_and(|value| values.iter().any(|listed| **listed == *value))
    };
    match &requirement.operator {
        Operator::In(values) => listed(values),
        Operator::NotIn(values) => !listed(values),
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
    }
}

/// `role=api`, `role in (api, db)`, `a label role`, `no label role`.
pub(super) fn needs(requirement: &Requirement) -> String {
    let key = &requirement.key;
    match &requirement.operator {
        Operator::In(values) => match values.as_slice() {
            [value] => format!("{key}={value}"),
            values => format!("{key} in ({})", some_values(values)),
        },
        Operator::NotIn(values) => match values.as_slice() {
            [value] => format!("{key}!={value}"),
            values => format!("{key} notin ({})", some_values(values)),
        },
        Operator::Exists => format!("a label {key}"),
        Operator::DoesNotExist => format!("no label {key}"),
    }
}

fn some_values(values: &[Box<str>]) -> String {
    match values {
        [one, two, three, _, _, ..] => {
            format!("{one}, {two}, {three}, ... {} more", values.len() - 3)
        }
        values => values.join(", "),
    }
}

/// `has role=web`, `has no label role`.
pub(super) fn has(requirement: &Requirement, value: Option<&str>) -> String {
    let key = &requirement.key;
    match value {
        Some(value) => format!("has {key}={value}"),
        None => format!("has no label {key}"),
    }
}
