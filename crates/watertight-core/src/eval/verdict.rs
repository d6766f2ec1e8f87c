//! Both sides together, with the cases in which no policy is asked.

use std::net::IpAddr;

use super::Family;
use super::connection::{Connection, Icmp, Party, Request};
use super::matching::{Match, Remote, Traffic};
use super::side::{Decision, Judged, Own, Step};
use super::{Evaluator, can_be_selected};
use crate::engine::{
    AllowLocalhost, EndpointToHost, EnforcementSwitch, HairpinService, Icmp as IcmpSwitch,
    NodeLocal, PodTunnels, ServiceDnat, Snat,
};
use crate::manifest::Direction;
use crate::policy::{Origin, PolicyRef, Rule, RuleRef, Stage};
use crate::sets::{Protocol, is_public_name};
use crate::world::{Backend, EndpointId, Lifecycle, NodeId, ServiceId};

/// Where VXLAN goes (C-73).
pub(super) const VXLAN: u16 = 4789;

/// What a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The policies of both sides.
    Policies,
    /// No policy is asked: the rule id, and why in a few words.
    Exempt(&'static str, &'static str),
    /// There can be no such connection: the rule id, and why in a few words.
    Impossible(&'static str, &'static str),
    /// The engine refuses it, whatever policies say: the rule id, and why in a few words.
    Blocked(&'static str, &'static str),
    /// A policy about the node through which it enters refuses it.
    Routed,
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
    /// The ingress side; where the node through which the connection enters refuses it, that.
    pub ingress: Decision,
    /// Both sides, egress first, with what might turn them.
    pub sides: [Judged; 2],
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
            sides: [Judged::NOT_SUBJECT; 2],
            uncertain: None,
        }
    }
}

/// An end of a connection once its owner and family are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub party: Party,
    pub remote: Remote,
}

impl Evaluator<'_> {
    /// Judges a connection.
    #[must_use]
    pub fn verdict(&self, connection: &Connection) -> Verdict {
        self.judge(connection, None, |_, _| {})
    }

    /// Judges a connection that is opened for one request: rules that admit only some requests
    /// (L-66, C-51) match if it is one of those.
    #[must_use]
    pub fn request(&self, connection: &Connection, request: &Request) -> Verdict {
        self.judge(connection, Some(request), |_, _| {})
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
    ) -> Judged {
        let Some(remote) = self.other_end(subject, other) else {
            return Judged::NOT_SUBJECT;
        };
        let traffic = Traffic::plain(protocol, port);
        let own = Own::Endpoint(subject);
        self.walk(direction, own, &remote.remote, traffic, |_| {})
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
        let traffic = Traffic::plain(protocol, port);
        let own = Own::Endpoint(subject);
        rules.iter().position(|rule| {
            let (peer, ports) = self.rule_matches(rule, direction, own, &remote, traffic);
            peer.min(ports) == Match::Yes
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
        let mut remote = Remote {
            endpoint: None,
            on_host: false,
            node: None,
            name: None,
            is_public: false,
            address: party.address(self.world, family),
            family,
        };
        match party {
            Party::Endpoint(id) => {
                let endpoint = &self.world[id];
                remote.endpoint = Some(id);
                remote.on_host = endpoint.host_network.is_some();
                remote.node = endpoint.node;
            }
            Party::Node(node) => {
                remote.on_host = true;
                remote.node = Some(node);
            }
            Party::Name(name) => {
                remote.name = Some(name);
                remote.is_public = is_public_name(&self.world[name].text);
            }
            Party::Address(_) => {}
        }
        End { party, remote }
    }

    /// Whom policies are asked about for an end; none if it is nobody that they apply to.
    pub(super) fn own(&self, party: Party) -> Option<Own> {
        match party {
            Party::Endpoint(id) if can_be_selected(self.world, &self.switches, id) => {
                Some(Own::Endpoint(id))
            }
            Party::Endpoint(id) if self.world[id].host_network.is_some() => {
                self.world[id].node.map(Own::Node)
            }
            Party::Node(id) => Some(Own::Node(id)),
            _ => None,
        }
    }

    /// The one walk behind `verdict` and `explain`.
    pub(super) fn judge(
        &self,
        connection: &Connection,
        request: Option<&Request>,
        mut seen: impl FnMut(Direction, Step),
    ) -> Verdict {
        let (source, target) = match self.settle(connection) {
            Ok(ends) => ends,
            Err(reason) => return Verdict::without_policies(reason),
        };
        let (remote, traffic) = self.seen_at_egress(connection, &target);
        let egress = self.one_side(
            Direction::Egress,
            &source,
            &remote.remote,
            Traffic { request, ..traffic },
            |step| seen(Direction::Egress, step),
        );
        if let Some(routed) = self.routed(connection, &source, &target) {
            return Verdict {
                allowed: false,
                reason: Reason::Routed,
                egress: egress.decision,
                ingress: routed.decision,
                sides: [egress, routed],
                uncertain: None,
            };
        }
        let (remote, traffic) = self.seen_at_ingress(connection, &source);
        let ingress = self.one_side(
            Direction::Ingress,
            &target,
            &remote.remote,
            Traffic { request, ..traffic },
            |step| seen(Direction::Ingress, step),
        );
        Verdict {
            allowed: egress.is_allowed() && ingress.is_allowed(),
            reason: Reason::Policies,
            egress: egress.decision,
            ingress: ingress.decision,
            sides: [egress, ingress],
            uncertain: uncertain(&egress, &ingress),
        }
    }

    /// What refuses a connection at the node through which it enters the cluster, if anything does
    /// (C-67, C-69).
    pub(super) fn routed(
        &self,
        connection: &Connection,
        source: &End,
        target: &End,
    ) -> Option<Judged> {
        let node = connection.via_node?;
        if target.remote.on_host && target.remote.node == Some(node) {
            return None;
        }
        let behind = Traffic::of(connection, source.remote.family);
        let before = Traffic {
            port: connection.node_port.or(behind.port),
            ..behind
        };
        let remote = &source.remote;
        let judged = self.walk_forwarded(Direction::Ingress, node, remote, [before, behind]);
        (!judged.is_allowed()).then_some(judged)
    }

    /// The two ends of a connection that policies judge; or else why they do not.
    pub(super) fn settle(&self, connection: &Connection) -> Result<(End, End), Reason> {
        if connection.reply && !self.is_untracked(connection) {
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
        if let Some(blocked) = self.blocked(connection, &source, &target) {
            return Err(blocked);
        }
        if connection.protocol == Protocol::Icmp && self.switches.icmp == IcmpSwitch::Exempt {
            let why = "this engine does not police ICMP";
            return Err(Reason::Exempt("K-61", why));
        }
        Ok((source, target))
    }

    /// Whether the connection that this is a reply of was let through untracked (C-68).
    fn is_untracked(&self, reply: &Connection) -> bool {
        let untracked = |at: PolicyRef| self.ruleset[at].stage == Stage::Untracked;
        let tiers = self.ruleset.ingress.iter().chain(&self.ruleset.egress);
        let mut policies = tiers.flat_map(|tier| &tier.policies);
        if !policies.any(|policy| policy.stage == Stage::Untracked) {
            return false;
        }
        let first = Connection {
            from: reply.to,
            to: reply.from,
            port: reply.source_port,
            source_port: reply.port,
            reply: false,
            ..*reply
        };
        let verdict = self.verdict(&first);
        let rules = verdict.sides.iter().filter_map(|side| side.decision.rule());
        verdict.allowed && rules.into_iter().any(|rule| untracked(rule.policy))
    }

    /// What the engine itself drops (C-72, C-73).
    fn blocked(&self, connection: &Connection, source: &End, target: &End) -> Option<Reason> {
        let from_pod = source.remote.endpoint.is_some() && !source.remote.on_host;
        let tunnel = connection.protocol == Protocol::Udp && connection.port == Some(VXLAN);
        if from_pod && tunnel && self.switches.pod_tunnels == PodTunnels::Drop {
            return Some(Reason::Blocked("C-73", "pods may not send VXLAN"));
        }
        let same = source.remote.node.is_some() && source.remote.node == target.remote.node;
        if from_pod
            && same
            && target.remote.on_host
            && self.switches.endpoint_to_host == EndpointToHost::Drop
        {
            let why = "traffic from a pod to its own node is dropped";
            return Some(Reason::Blocked("C-72", why));
        }
        None
    }

    fn one_side(
        &self,
        direction: Direction,
        own: &End,
        remote: &Remote,
        traffic: Traffic<'_>,
        seen: impl FnMut(Step),
    ) -> Judged {
        let Some(own) = self.own(own.party) else {
            return Judged::NOT_SUBJECT;
        };
        if let Own::Node(node) = own
            && (self.policies_of_node(node, direction).is_empty()
                || self.is_let_in(direction, node, remote))
        {
            return Judged::NOT_SUBJECT;
        }
        self.walk(direction, own, remote, traffic, seen)
    }

    /// Whether a node lets its own pods in whatever policies about it say (C-72).
    pub(super) fn is_let_in(&self, direction: Direction, node: NodeId, remote: &Remote) -> bool {
        direction == Direction::Ingress
            && self.switches.endpoint_to_host == EndpointToHost::Accept
            && remote.endpoint.is_some()
            && !remote.on_host
            && remote.node == Some(node)
    }

    /// Traffic between a pod and its own node (K-73, K-74).
    fn own_node(&self, source: &End, target: &End) -> Option<Reason> {
        let (source, target) = (&source.remote, &target.remote);
        let same = source.node.is_some() && source.node == target.node;
        let to_pod = source.on_host && target.endpoint.is_some() && self.is_open_to_host(target);
        let from_pod = source.endpoint.is_some() && target.on_host;
        let exempt = match self.switches.node_local {
            NodeLocal::ExemptBoth => to_pod || from_pod,
            NodeLocal::ExemptIngress => to_pod,
            NodeLocal::None => false,
        };
        let by_host_pod = source.endpoint.is_some() && target.endpoint.is_some();
        let id = if by_host_pod { "K-74" } else { "K-73" };
        (same && exempt).then_some(Reason::Exempt(id, "a pod and the node it runs on"))
    }

    /// Whether the engine lets a node reach its own pods (L-72).
    fn is_open_to_host(&self, target: &Remote) -> bool {
        if self.switches.allow_localhost == AllowLocalhost::Policy {
            return false;
        }
        // A pod that only the engine isolates is closed to its node as well.
        self.switches.enforcement != EnforcementSwitch::Always
            || target.on_host
            || target.endpoint.is_none_or(|endpoint| {
                let mut policies = self.policies_of(endpoint, Direction::Ingress).iter();
                policies.any(|at| !matches!(self.ruleset[*at].origin, Origin::Engine(..)))
            })
    }

    /// What the source's policy sees: the Service itself where the engine looks before translation.
    pub(super) fn seen_at_egress(
        &self,
        connection: &Connection,
        target: &End,
    ) -> (End, Traffic<'static>) {
        match connection.service {
            Some(service) if self.switches.service_dnat == ServiceDnat::Pre => (
                self.end(Party::Address(service.ip), Family::of(service.ip)),
                Traffic {
                    port: Some(service.port),
                    ..Traffic::of(connection, Family::of(service.ip))
                },
            ),
            _ => (*target, Traffic::of(connection, target.remote.family)),
        }
    }

    /// What the destination's policy sees: the node where an outside source is translated (K-82).
    pub(super) fn seen_at_ingress(
        &self,
        connection: &Connection,
        source: &End,
    ) -> (End, Traffic<'static>) {
        let end = match (connection.via_node, source.party) {
            (Some(node), Party::Address(_)) if self.switches.snat == Snat::NodeIp => {
                self.end(Party::Node(node), source.remote.family)
            }
            _ => *source,
        };
        (end, Traffic::of(connection, end.remote.family))
    }
}

impl Traffic<'static> {
    fn plain(protocol: Protocol, port: u16) -> Self {
        Self {
            protocol,
            port: Some(port),
            source_port: None,
            request: None,
        }
    }

    pub(super) fn of(connection: &Connection, family: Family) -> Self {
        let port = match (connection.protocol, connection.icmp) {
            (Protocol::Icmp, Some(icmp)) => Some(icmp.number()),
            (Protocol::Icmp, None) => Some(Icmp::echo(family).number()),
            _ => connection.port,
        };
        Self {
            protocol: connection.protocol,
            port,
            source_port: connection.source_port,
            request: None,
        }
    }
}

/// What might turn a verdict: a side that might allow while the other allows or might, or one that
/// might deny.
fn uncertain(egress: &Judged, ingress: &Judged) -> Option<Uncertain> {
    let sides = [egress, ingress];
    let allowed = sides.iter().all(|side| side.is_allowed());
    let maybes = sides.iter().filter_map(|side| side.maybe);
    let found = if allowed {
        maybes.into_iter().next()
    } else {
        let can_open = |side: &&Judged| side.is_allowed() || side.maybe.is_some();
        if !sides.iter().all(can_open) {
            return None;
        }
        let denied = sides.iter().filter(|side| !side.is_allowed());
        denied.filter_map(|side| side.maybe).next_back()
    };
    found.map(|maybe| Uncertain {
        id: maybe.cause.id(),
        rule: maybe.rule,
    })
}
