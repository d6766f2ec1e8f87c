//! Both sides together, with the cases in which no policy is asked.

use std::net::IpAddr;

use super::connection::{Connection, Family, Party};
use super::matching::{Match, Remote, Traffic};
use super::side::{Decision, Step};
use super::{Evaluator, can_be_selected};
use crate::engine::{HairpinService, Icmp as IcmpSwitch, NodeLocal, ServiceDnat, Snat};
use crate::manifest::Direction;
use crate::policy::{Rule, RuleRef};
use crate::sets::Protocol;
use crate::world::{Backend, EndpointId, Lifecycle, NodeId, ServiceId};

/// What a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The policies of both sides.
    Policies,
    /// No policy is asked: the rule id, and why in a few words.
    Exempt(&'static str, &'static str),
    /// There can be no such connection: the rule id, and why in a few words.
    Impossible(&'static str, &'static str),
}

/// What a verdict is not sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncertain {
    /// The id of docs/semantics.md.
    pub id: &'static str,
    /// The rule that may or may not match.
    pub rule: RuleRef,
}

/// The answer for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the connection is allowed.
    pub allowed: bool,
    /// What the verdict rests on.
    pub reason: Reason,
    /// The egress side.
    pub egress: Decision,
    /// The ingress side.
    pub ingress: Decision,
    /// What would change the verdict if the input said more.
    pub uncertain: Option<Uncertain>,
}

impl Verdict {
    /// A verdict that no policy was asked for.
    fn without_policies(reason: Reason) -> Self {
        Self {
            allowed: matches!(reason, Reason::Exempt(..)),
            reason,
            egress: Decision::NotSubject,
            ingress: Decision::NotSubject,
            uncertain: None,
        }
    }
}

/// An end of a connection once its owner and family are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub party: Party,
    /// The pod, host-network pods included.
    pub endpoint: Option<EndpointId>,
    pub remote: Remote,
    /// The node it runs on or is.
    pub node: Option<NodeId>,
}

impl Evaluator<'_> {
    /// Judges a connection.
    #[must_use]
    pub fn verdict(&self, connection: &Connection) -> Verdict {
        self.judge(connection, |_, _| {})
    }

    /// Whether a connection is allowed.
    #[must_use]
    pub fn allows(&self, connection: &Connection) -> bool {
        self.verdict(connection).allowed
    }

    /// Judges one side alone: may `subject` open (egress) or accept (ingress) this connection with
    /// `other`, whatever the other side says?
    #[must_use]
    pub fn decide(
        &self,
        direction: Direction,
        subject: EndpointId,
        other: Party,
        protocol: Protocol,
        port: u16,
    ) -> Decision {
        let Some(remote) = self.other_end(subject, other) else {
            return Decision::NotSubject;
        };
        let traffic = Traffic {
            protocol,
            port: Some(port),
        };
        self.walk(direction, subject, &remote.remote, traffic, |_| {})
    }

    /// The first of some rules that matches, as if a policy with them applied to `subject`.
    #[must_use]
    pub fn first_match(
        &self,
        rules: &[Rule],
        direction: Direction,
        subject: EndpointId,
        other: Party,
        protocol: Protocol,
        port: u16,
    ) -> Option<usize> {
        let remote = self.other_end(subject, other)?.remote;
        let traffic = Traffic {
            protocol,
            port: Some(port),
        };
        rules.iter().position(|rule| {
            let (peer, ports) = self.rule_matches(rule, direction, subject, &remote, traffic);
            peer == Match::Yes && ports
        })
    }

    /// The other end as policies of `subject` see it; none if they do not apply to it, or if there
    /// can be no such connection.
    pub(super) fn other_end(&self, subject: EndpointId, other: Party) -> Option<End> {
        let own = Party::Endpoint(subject);
        let given = other.given();
        let other = other.resolve(self.world);
        let family = self.family(own, other, given.map(Family::of))?;
        if !can_be_selected(self.world, &self.switches, subject) {
            return None;
        }
        let mut end = self.end(other, family);
        end.remote.address = given.or(end.remote.address);
        Some(end)
    }

    /// Judges a connection to a Service, once for each backend (K-79, K-80).
    #[must_use]
    pub fn to_service(
        &self,
        from: Party,
        service: ServiceId,
        port: u16,
        protocol: Protocol,
    ) -> Vec<(Backend, Connection, Verdict)> {
        let dialled = self.world[service].cluster_ips.first();
        let service_address = dialled.map(|ip| super::ServiceAddress { ip: *ip, port });
        self.world
            .backends(service, port, protocol)
            .into_iter()
            .map(|backend| {
                let (to, port) = match backend {
                    Backend::Endpoint(endpoint, port) => (Party::Endpoint(endpoint), port),
                    Backend::Address(ip, port) => (Party::Address(ip), port),
                };
                let mut connection = Connection::new(from, to, protocol, port);
                connection.service = service_address;
                (backend, connection, self.verdict(&connection))
            })
            .collect()
    }

    /// The family of a connection: the one asked for, else IPv4 where both ends have it (K-68).
    pub(super) fn family(&self, from: Party, to: Party, asked: Option<Family>) -> Option<Family> {
        let both =
            |family| from.has_family(self.world, family) && to.has_family(self.world, family);
        match asked {
            Some(family) => Some(family).filter(|family| both(*family)),
            None => [Family::V4, Family::V6]
                .into_iter()
                .find(|family| both(*family)),
        }
    }

    pub(super) fn end(&self, party: Party, family: Family) -> End {
        let address = party.address(self.world, family);
        match party {
            Party::Endpoint(id) => {
                let endpoint = &self.world[id];
                End {
                    party,
                    endpoint: Some(id),
                    node: endpoint.node,
                    remote: Remote {
                        endpoint: Some(id),
                        on_host: endpoint.host_network.is_some(),
                        address,
                        family,
                    },
                }
            }
            Party::Node(node) => End {
                party,
                endpoint: None,
                node: Some(node),
                remote: Remote {
                    endpoint: None,
                    on_host: true,
                    address,
                    family,
                },
            },
            Party::Address(_) => End {
                party,
                endpoint: None,
                node: None,
                remote: Remote {
                    endpoint: None,
                    on_host: false,
                    address,
                    family,
                },
            },
        }
    }

    /// The one walk behind `verdict` and `explain`.
    pub(super) fn judge(
        &self,
        connection: &Connection,
        mut seen: impl FnMut(Direction, Step),
    ) -> Verdict {
        let (source, target) = match self.settle(connection) {
            Ok(ends) => ends,
            Err(reason) => return Verdict::without_policies(reason),
        };
        let (egress_remote, egress_traffic) = self.seen_at_egress(connection, &target);
        let egress = self.one_side(
            Direction::Egress,
            &source,
            &egress_remote.remote,
            egress_traffic,
            |step| seen(Direction::Egress, step),
        );
        let (ingress_remote, ingress_traffic) = self.seen_at_ingress(connection, &source);
        let ingress = self.one_side(
            Direction::Ingress,
            &target,
            &ingress_remote.remote,
            ingress_traffic,
            |step| seen(Direction::Ingress, step),
        );
        Verdict {
            allowed: egress.is_allowed() && ingress.is_allowed(),
            reason: Reason::Policies,
            egress,
            ingress,
            uncertain: uncertain(&egress, &ingress),
        }
    }

    /// The two ends of a connection that policies judge; or else why they do not.
    pub(super) fn settle(&self, connection: &Connection) -> Result<(End, End), Reason> {
        if connection.reply {
            return Err(Reason::Exempt("K-77", "a reply of an allowed connection"));
        }
        let from = connection.from.resolve(self.world);
        let to = connection.to.resolve(self.world);
        if let (Party::Endpoint(source), Party::Endpoint(target)) = (from, to)
            && source == target
            && !self.world[source].template
        {
            // K-75; through a Service it is a hairpin (K-76).
            if connection.service.is_none() {
                return Err(Reason::Exempt("K-75", "a pod always reaches itself"));
            }
            if self.switches.hairpin_service == HairpinService::Exempt {
                let why = "a pod reaches itself through a Service";
                return Err(Reason::Exempt("K-76", why));
            }
        }
        if let Party::Address(ip) = to
            && ip.is_loopback()
        {
            return Err(Reason::Exempt("K-75", "traffic inside the pod itself"));
        }
        for party in [from, to] {
            if let Party::Endpoint(id) = party
                && self.world[id].lifecycle != Lifecycle::Active
            {
                let id = match self.world[id].lifecycle {
                    Lifecycle::Finished => "K-86",
                    _ => "K-33",
                };
                return Err(Reason::Impossible(id, "the pod has no address"));
            }
        }
        // An address that the question names stays that address, whoever owns it.
        let (given_from, given_to) = (connection.from.given(), connection.to.given());
        let asked = connection
            .family
            .or(given_from.or(given_to).map(Family::of))
            .or(connection.service.map(|service| Family::of(service.ip)));
        let fits = |ip: Option<IpAddr>| {
            ip.is_none_or(|ip| asked.is_none_or(|family| Family::of(ip) == family))
        };
        let family = self
            .family(from, to, asked)
            .filter(|_| fits(given_from) && fits(given_to));
        let Some(family) = family else {
            let why = "the two ends have no address family in common";
            return Err(Reason::Impossible("K-68", why));
        };
        let (mut source, mut target) = (self.end(from, family), self.end(to, family));
        source.remote.address = given_from.or(source.remote.address);
        target.remote.address = given_to.or(target.remote.address);
        if let Some(exempt) = self.own_node(&source, &target) {
            return Err(exempt);
        }
        if connection.protocol == Protocol::Icmp && self.switches.icmp == IcmpSwitch::Exempt {
            let why = "this engine does not police ICMP";
            return Err(Reason::Exempt("K-61", why));
        }
        Ok((source, target))
    }

    fn one_side(
        &self,
        direction: Direction,
        own: &End,
        remote: &Remote,
        traffic: Traffic,
        seen: impl FnMut(Step),
    ) -> Decision {
        match own.endpoint {
            Some(subject) if can_be_selected(self.world, &self.switches, subject) => {
                self.walk(direction, subject, remote, traffic, seen)
            }
            _ => Decision::NotSubject,
        }
    }

    /// Traffic between a pod and its own node (K-73, K-74).
    fn own_node(&self, source: &End, target: &End) -> Option<Reason> {
        let same = source.node.is_some() && source.node == target.node;
        let to_pod = source.remote.on_host && target.endpoint.is_some();
        let from_pod = source.endpoint.is_some() && target.remote.on_host;
        let exempt = match self.switches.node_local {
            NodeLocal::ExemptBoth => to_pod || from_pod,
            NodeLocal::ExemptIngress => to_pod,
            NodeLocal::None => false,
        };
        let by_host_pod = source.endpoint.is_some() && target.endpoint.is_some();
        let id = if by_host_pod { "K-74" } else { "K-73" };
        (same && exempt).then_some(Reason::Exempt(id, "a pod and the node it runs on"))
    }

    /// What the source's policy sees: the Service itself where the engine looks before translation.
    pub(super) fn seen_at_egress(&self, connection: &Connection, target: &End) -> (End, Traffic) {
        match connection.service {
            Some(service) if self.switches.service_dnat == ServiceDnat::Pre => (
                self.end(Party::Address(service.ip), Family::of(service.ip)),
                Traffic {
                    protocol: connection.protocol,
                    port: Some(service.port),
                },
            ),
            _ => (*target, Traffic::of(connection)),
        }
    }

    /// What the destination's policy sees: the node where an outside source is translated (K-82).
    pub(super) fn seen_at_ingress(&self, connection: &Connection, source: &End) -> (End, Traffic) {
        let end = match (connection.via_node, source.party) {
            (Some(node), Party::Address(_)) if self.switches.snat == Snat::NodeIp => {
                self.end(Party::Node(node), source.remote.family)
            }
            _ => *source,
        };
        (end, Traffic::of(connection))
    }
}

impl Traffic {
    fn of(connection: &Connection) -> Self {
        Self {
            protocol: connection.protocol,
            port: connection.port,
        }
    }
}

/// A denied side that an unknown address might open changes the verdict only if the other side
/// allows, or might.
fn uncertain(egress: &Decision, ingress: &Decision) -> Option<Uncertain> {
    let mut found = None;
    for side in [egress, ingress] {
        match side {
            Decision::NoRule {
                maybe: Some(rule), ..
            } => {
                found = Some(Uncertain {
                    id: "M-1",
                    rule: *rule,
                });
            }
            side if side.is_allowed() => {}
            _ => return None,
        }
    }
    found
}
