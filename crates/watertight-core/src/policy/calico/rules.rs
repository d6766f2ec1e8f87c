//! Rules of a policy, as policies of the Ruleset.
//!
//! A rule may say something of its own end (C-36). Such rules become entries of their own with a
//! narrower subject, in the order of the rules. A rule may become several: one for each port of a
//! Service (C-50), and for each host that calls another port by a name (C-48).

use std::sync::Arc;

use super::peers::{Condition, OwnEnd};
use super::traffic::{Numbers, requests, traffic};
use super::{Lowering, scope};
use crate::manifest::Direction;
use crate::manifest::policy::calico::{
    CalicoAction, CalicoPort, CalicoPortKind, CalicoRule, EntityRule,
};
use crate::policy::{Action, EndpointSelector, Origin, Peer, Policy, Rule, Subject};
use crate::sets::{Family, PortMatch, Protocol};

/// Whom a policy applies to.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    Pods(EndpointSelector),
    /// By position.
    Hosts(Vec<usize>),
}

/// The entry that a rule goes into: the part of the owners that it is about.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    All,
    Some(OwnEnd),
}

impl Part {
    fn has_host(&self, host: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(part) => part.hosts.contains(&host),
        }
    }
}

impl Lowering<'_> {
    /// The entries of some rules for some owners. At least one of them is about all owners: it
    /// carries the end of the tier (C-7).
    pub(super) fn entries(
        &self,
        rules: &[CalicoRule],
        direction: Direction,
        namespace: Option<&str>,
        owner: &Owner,
        origin: Origin,
    ) -> Vec<Policy> {
        let mut entries: Vec<(Part, Vec<Rule>)> = Vec::new();
        let mut push = |part: Part, rules: Vec<Rule>| match entries.last_mut() {
            Some((last, found)) if *last == part => found.extend(rules),
            _ => entries.push((part, rules)),
        };
        for rule in rules {
            let own = match direction {
                Direction::Ingress => &rule.destination,
                Direction::Egress => &rule.source,
            };
            let part = |family| self.part(own, namespace, family);
            let families = match rule.family() {
                Some(family) => vec![(part(family), Some(family))],
                None => {
                    let [v4, v6] = Family::BOTH.map(part);
                    match v4 == v6 {
                        true => vec![(v4, None)],
                        false => vec![(v4, Some(Family::V4)), (v6, Some(Family::V6))],
                    }
                }
            };
            for (part, family) in families {
                let lowered = |names: Option<Numbers<'_>>| {
                    let mut rules = self.rule(rule, direction, namespace, names);
                    for rule in &mut rules {
                        rule.family = family;
                    }
                    rules
                };
                let Owner::Hosts(hosts) = owner else {
                    push(part, lowered(None));
                    continue;
                };
                if direction == Direction::Egress || !has_names(own) {
                    push(part, lowered(Some(&|_, _| Vec::new())));
                    continue;
                }
                // C-48: the names are those of the host itself.
                let hosts = hosts.iter().copied().filter(|host| part.has_host(*host));
                for host in hosts {
                    let numbers =
                        |name: &str, protocol: Protocol| self.hosts.port(host, name, protocol);
                    let one = Part::Some(OwnEnd {
                        pods: scope::NOBODY,
                        hosts: vec![host],
                    });
                    push(one, lowered(Some(&numbers)));
                }
            }
        }
        if !entries.iter().any(|(part, _)| *part == Part::All) {
            entries.push((Part::All, Vec::new()));
        }
        let entries = entries.into_iter().filter_map(|(part, rules)| {
            let isolates = part == Part::All;
            let subject = self.subject(owner, &part)?;
            let mut policy = Policy::new(subject, origin);
            policy.isolates = isolates;
            policy.rules = rules;
            Some(policy)
        });
        entries.collect()
    }

    fn part(&self, own: &EntityRule, namespace: Option<&str>, family: Family) -> Part {
        match self.own_end(own, namespace, family) {
            Some(part) if part.pods != scope::EVERYBODY || part.hosts.len() != self.hosts.len() => {
                Part::Some(part)
            }
            _ => Part::All,
        }
    }

    fn subject(&self, owner: &Owner, part: &Part) -> Option<Subject> {
        match owner {
            Owner::Pods(pods) => {
                let mut pods = pods.clone();
                if let Part::Some(part) = part {
                    let also = pods.also.as_deref().cloned();
                    let both = scope::all(also.into_iter().chain([part.pods.clone()]));
                    if both == scope::NOBODY {
                        return None;
                    }
                    pods.also = (both != scope::EVERYBODY).then(|| Arc::new(both));
                }
                Some(Subject::Endpoints(pods))
            }
            Owner::Hosts(hosts) => {
                let meant = hosts.iter().copied().filter(|host| part.has_host(*host));
                let nodes = self.hosts.nodes(meant);
                (!nodes.is_empty()).then_some(Subject::Nodes(nodes))
            }
        }
    }

    /// One rule. `names` are the ports of the host at the own end, if it is one.
    fn rule(
        &self,
        rule: &CalicoRule,
        direction: Direction,
        namespace: Option<&str>,
        names: Option<Numbers<'_>>,
    ) -> Vec<Rule> {
        let other = match direction {
            Direction::Ingress => &rule.source,
            Direction::Egress => &rule.destination,
        };
        let conditions = self.other_end(other, namespace);
        // The names of the destination: the own end's where the policy is there.
        let numbers = names.filter(|_| direction == Direction::Ingress);
        let traffic = traffic(rule, numbers);
        let variants: Vec<(Option<Condition>, Vec<PortMatch>)> = match (&other.service, direction) {
            (None, Direction::Egress) if has_names(other) => {
                let hosts = self.hosts.named(other.ports.iter().chain(&other.not_ports));
                // Excluded names are those of the destination, whoever it is.
                let known: Vec<Peer> = hosts.iter().flat_map(|(_, ips)| ips.clone()).collect();
                let is_out = other.not_ports.iter().any(is_name) && !known.is_empty();
                let others = is_out.then(|| vec![Peer::Not(Box::new(Peer::AnyOf(known)))]);
                let hosts = hosts.into_iter().map(|(host, ips)| {
                    let numbers =
                        |name: &str, protocol: Protocol| self.hosts.port(host, name, protocol);
                    (Some(ips), self::traffic(rule, Some(&numbers)))
                });
                std::iter::once((others, traffic)).chain(hosts).collect()
            }
            (None, _) => vec![(None, traffic)],
            (Some(service), Direction::Ingress) => {
                let ends = self.service(service).into_iter();
                vec![(Some(ends.flat_map(|end| end.peers).collect()), traffic)]
            }
            (Some(service), Direction::Egress) => {
                let fits = |found: &PortMatch| is_of(found, rule);
                let ends = self.service(service).into_iter();
                ends.filter(|end| fits(&end.traffic))
                    .map(|end| (Some(end.peers), vec![end.traffic]))
                    .collect()
            }
        };
        let action = match rule.action {
            CalicoAction::Allow => Action::Allow,
            CalicoAction::Deny => Action::Deny,
            CalicoAction::Log => Action::Log,
            CalicoAction::Pass => Action::Pass,
        };
        let lowered = variants.into_iter().map(|(extra, traffic)| {
            let peers = peers(conditions.iter().cloned().chain(extra).collect());
            let mut lowered = Rule::new(action, peers, traffic, rule.span);
            lowered.source_ports = self.source_ports(rule);
            lowered.requests = rule.http.as_ref().map(requests).unwrap_or_default();
            lowered
        });
        lowered.collect()
    }
}

/// Whether ports are given by name.
fn has_names(entity: &EntityRule) -> bool {
    entity.ports.iter().chain(&entity.not_ports).any(is_name)
}

fn is_name(port: &CalicoPort) -> bool {
    matches!(port.kind, CalicoPortKind::Name(_))
}

/// Whether the port of a Service is of the protocol that a rule asks for.
fn is_of(found: &PortMatch, rule: &CalicoRule) -> bool {
    let protocol = match found {
        PortMatch::Range { protocol, .. } | PortMatch::Named { protocol, .. } => *protocol,
        _ => return true,
    };
    let number = match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
        Protocol::Icmp => 1,
    };
    rule.protocol.is_none_or(|only| only.number == number)
        && rule.not_protocol.is_none_or(|not| not.number != number)
}

/// Any peer for which all conditions hold.
fn peers(mut conditions: Vec<Condition>) -> Vec<Peer> {
    match conditions.pop() {
        None => vec![Peer::Any],
        Some(only) if conditions.is_empty() => only,
        Some(last) => {
            conditions.push(last);
            let one = |mut peers: Condition| match peers.pop() {
                Some(only) if peers.is_empty() => only,
                last => Peer::AnyOf(peers.into_iter().chain(last).collect()),
            };
            vec![Peer::All(conditions.into_iter().map(one).collect())]
        }
    }
}
