//! Policies of today: what they name is needed, what they merely open is not.
//!
//! A rule that names pods or addresses tells which connections somebody wanted. One that opens ports
//! to everybody tells that a workload talks to the outside, or is called from there; one that opens
//! everything tells nothing, and is noted.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{Collector, why};
use crate::analysis::baseline::needs::{Block, By, Ports, Whom, Why};
use crate::analysis::baseline::units::UnitId;
use crate::facts::ranges::{ANY_V4, ANY_V6};
use crate::manifest::Direction;
use crate::policy::{Action, EndpointSelector, NamespaceScope, Peer, Policy, PolicyRef, Rule};
use crate::sets::{IpBlock, Operator, PortMatch, Protocol, Requirement};
use crate::world::{NAME_LABEL, PolicyId};

/// Blocks that are at least this wide name nobody.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 16;

/// A peer that stands for more pairs of workloads than these, for each namespace and workload that it names, says how a cluster
/// is divided, and not who needs whom; written out, such rules would grow with the square of the cluster.
const MOST_PAIRS: usize = 64;

/// Whom a peer names.
enum Named {
    /// These.
    Some(Vec<Whom>),
    /// The API server.
    ApiServer,
    /// Every pod.
    AllPods,
    /// Every address.
    Everybody,
    /// Nobody who is there.
    Nobody,
    /// Something that a NetworkPolicy cannot say, or that stays closed: why.
    Not(String),
}

/// A rule, with what is said of it.
struct Seen<'r> {
    direction: Direction,
    /// The units that the policy applies to.
    subjects: &'r [UnitId],
    /// Whether it applies to every pod of its namespace.
    is_broad: bool,
    rule: &'r Rule,
    /// Whether the policy is one of those that the baseline replaces.
    own: bool,
    why: Why,
}

impl Collector<'_> {
    /// Carries over what the policies of today name.
    pub(super) fn policies(&mut self) {
        let ruleset = self.eval.ruleset;
        for direction in Direction::BOTH {
            for (tier, policies) in ruleset.tiers(direction).iter().enumerate() {
                for (policy, found) in policies.policies.iter().enumerate() {
                    // What turns another tier off for its pods is not the policy itself.
                    let Some(id) = found.origin.kubernetes().filter(|_| found.isolates) else {
                        continue;
                    };
                    let at = PolicyRef {
                        direction,
                        tier,
                        policy,
                    };
                    self.policy(id, at, found);
                }
            }
        }
    }

    fn policy(&mut self, id: PolicyId, at: PolicyRef, policy: &Policy) {
        let written = &self.world[id];
        let own = self.in_scope(written.namespace);
        let name = format!("NetworkPolicy {}", self.world.policy_name(id));
        let members = self.eval.subjects_of(at);
        let subjects = self.units.of_endpoints(members);
        if own && subjects.is_empty() {
            if !written.spec.pod_selector.is_empty() {
                let text = format!(
                    "{name} selects no pod that policies are about: nothing of it is carried over"
                );
                self.note(text, Some(written.name_span));
            }
            return;
        }
        for rule in &policy.rules {
            if rule.action != Action::Allow || rule.traffic.is_empty() {
                continue;
            }
            let seen = Seen {
                direction: at.direction,
                subjects: &subjects,
                is_broad: written.spec.pod_selector.is_empty(),
                rule,
                own,
                why: why(By::Policy, name.clone(), Some(rule.span)),
            };
            self.rule(&seen);
        }
    }

    fn rule(&mut self, seen: &Seen<'_>) {
        let is_dns = is_dns(seen);
        for peer in &seen.rule.peers {
            let by_labels =
                matches!(peer, Peer::Endpoints(selector, _) if !selector.pods.is_empty());
            match self.named(peer) {
                Named::Some(whom) if is_dns => {
                    let whom = self.beside_dns(whom, by_labels);
                    self.carry(seen, &whom, by_labels, named_one_by_one(peer));
                }
                // Every baseline has a rule for that.
                Named::AllPods | Named::Everybody if is_dns => {}
                Named::Some(whom) => self.carry(seen, &whom, by_labels, named_one_by_one(peer)),
                Named::ApiServer if seen.direction == Direction::Egress => {
                    for unit in seen.subjects {
                        self.needs_api(*unit, seen.why.clone());
                    }
                }
                Named::AllPods => self.open(seen, &Whom::AllPods),
                Named::Everybody => {
                    let whom = match seen.direction {
                        Direction::Egress => Whom::Internet,
                        Direction::Ingress => Whom::Everyone,
                    };
                    self.open(seen, &whom);
                }
                Named::Nobody if seen.own => {
                    let text = format!(
                        "a rule of {} names nobody who is there: nothing of it is carried over",
                        seen.why.text
                    );
                    self.note(text, peer.span().or(seen.why.span));
                }
                Named::Not(reason) if seen.own => {
                    let text = format!("{}: {reason}", seen.why.text);
                    self.note(text, peer.span().or(seen.why.span));
                }
                Named::ApiServer | Named::Nobody | Named::Not(_) => {}
            }
        }
    }

    /// Those of a rule on the ports of DNS that are not the DNS of the cluster, which every baseline
    /// has a rule for: servers of a team's own, or outside.
    fn beside_dns(&self, mut whom: Vec<Whom>, by_labels: bool) -> Vec<Whom> {
        let dialled = self.world.dns_service().map(|id| &self.world[id]);
        let dialled = dialled.map_or(&[][..], |service| &service.cluster_ips);
        let is_server = |block: &Block| {
            let mut known = dialled.iter().chain(&self.dns.caches);
            known.any(|ip| block.net == IpNet::from(*ip))
        };
        let is_dns = |whom: &Whom| match whom {
            Whom::Blocks(blocks) => blocks.iter().all(is_server),
            whom => self.dns.peers.contains_key(whom),
        };
        // Whole namespaces are named because the servers are in them.
        if !by_labels && whom.iter().any(is_dns) {
            return Vec::new();
        }
        whom.retain(|whom| !is_dns(whom));
        whom
    }

    /// Carries over a rule between its subjects and those whom it names.
    fn carry(&mut self, seen: &Seen<'_>, others: &[Whom], by_labels: bool, named: usize) {
        let broad = match seen.direction {
            Direction::Egress => !by_labels,
            Direction::Ingress => seen.is_broad,
        };
        let is_open = seen.is_broad || !by_labels;
        if is_open
            && opens_all_ports(seen.rule)
            && others.iter().any(|whom| matches!(whom, Whom::Unit(_)))
        {
            let (pods, whom) = match seen.direction {
                Direction::Egress => ("its pods", "whole namespaces"),
                Direction::Ingress => ("every pod", "others"),
            };
            let text = format!(
                "{} opens all ports of {pods} or of {whom}: that is not carried over; name the \
                 workloads and ports",
                seen.why.text
            );
            if seen.own {
                self.note(text, seen.why.span);
            }
            return;
        }
        let pairs = seen.subjects.len() * others.len();
        if pairs > MOST_PAIRS * named {
            if seen.own {
                let text = format!(
                    "{} names {pairs} pairs of workloads: that is not carried over; name who needs whom",
                    seen.why.text
                );
                self.note(text, seen.why.span);
            }
            return;
        }
        let targets: Vec<UnitId> = match seen.direction {
            Direction::Ingress => seen.subjects.to_vec(),
            Direction::Egress => others
                .iter()
                .filter_map(|whom| match whom {
                    Whom::Unit(unit) => Some(*unit),
                    _ => None,
                })
                .collect(),
        };
        for subject in seen.subjects {
            let own = Whom::Unit(*subject);
            for other in others {
                let (from, to) = match seen.direction {
                    Direction::Egress => (&own, other),
                    Direction::Ingress => (other, &own),
                };
                if from == to && is_open {
                    continue;
                }
                let target = match to {
                    Whom::Unit(unit) => Some(*unit),
                    _ => None,
                };
                for ports in self.ports(seen.rule, target) {
                    // A selector of all pods means those that listen there.
                    let listens = |unit: &UnitId| self.listens(*unit, ports);
                    if broad && !target.as_ref().is_none_or(listens) && targets.iter().any(listens)
                    {
                        continue;
                    }
                    self.need(from, to, ports, &seen.why);
                }
            }
        }
    }

    /// Whether a unit declares one of these ports.
    fn listens(&self, unit: UnitId, ports: Ports) -> bool {
        let declared = self.declared.get(&unit);
        declared.into_iter().flatten().any(|own| match own {
            Ports::Range(protocol, port, _) => ports.covers(*protocol, *port, *port),
            Ports::All => true,
        })
    }

    /// Carries over a rule that names nobody, if it names ports, and is about some pods only.
    fn open(&mut self, seen: &Seen<'_>, whom: &Whom) {
        if !seen.own {
            return;
        }
        let all_ports = opens_all_ports(seen.rule);
        let direction = match seen.direction {
            Direction::Egress => "to",
            Direction::Ingress => "from",
        };
        let anybody = match whom {
            Whom::AllPods => "every pod of the cluster",
            _ => "any address",
        };
        if all_ports || seen.is_broad {
            let (pods, ports, help) = match (all_ports, seen.is_broad) {
                (true, true) => ("every pod", "all ports", "name who needs what"),
                (true, false) => ("its pods", "all ports", "name the ports that are needed"),
                _ => (
                    "every pod",
                    "these ports",
                    "name the workloads that need it",
                ),
            };
            let text = format!(
                "{} opens {ports} of {pods} {direction} {anybody}: that is not carried over; {help}",
                seen.why.text
            );
            self.note(text, seen.why.span);
            return;
        }
        for subject in seen.subjects {
            let own = Whom::Unit(*subject);
            let target = match seen.direction {
                Direction::Egress => None,
                Direction::Ingress => Some(*subject),
            };
            for ports in self.ports(seen.rule, target) {
                match seen.direction {
                    Direction::Egress => self.need(&own, whom, ports, &seen.why),
                    Direction::Ingress => self.need(whom, &own, ports, &seen.why),
                };
            }
        }
    }

    /// The ports of a rule; those that the target declares where the rule means all.
    fn ports(&self, rule: &Rule, target: Option<UnitId>) -> BTreeSet<Ports> {
        let mut found = BTreeSet::new();
        for item in &rule.traffic {
            match item {
                PortMatch::Everything | PortMatch::Any => {
                    let declared = target.map(|unit| self.declared(unit, None));
                    let declared = declared.filter(|ports| !ports.is_empty());
                    found.extend(declared.unwrap_or_else(|| BTreeSet::from([Ports::All])));
                }
                PortMatch::Range {
                    protocol,
                    first,
                    last,
                    ..
                } => {
                    let whole = *first <= 1 && *last == u16::MAX;
                    let declared = target
                        .filter(|_| whole)
                        .map(|unit| self.declared(unit, Some(*protocol)))
                        .filter(|ports| !ports.is_empty());
                    match declared {
                        Some(ports) => found.extend(ports),
                        None => {
                            found.insert(Ports::Range(*protocol, *first, *last));
                        }
                    }
                }
                PortMatch::Named { protocol, name, .. } => {
                    let members = target.map(|unit| &self.units[unit].members);
                    let name = self.world.symbols.get(name);
                    for id in members.into_iter().flatten() {
                        let ports = self.world[*id].ports.iter();
                        let named = ports.filter(|port| {
                            port.name.is_some() && port.name == name && port.protocol == *protocol
                        });
                        found.extend(named.map(|port| Ports::one(*protocol, port.number)));
                    }
                }
                PortMatch::Icmp { .. } | PortMatch::Except { .. } => {}
            }
        }
        found
    }

    fn named(&mut self, peer: &Peer) -> Named {
        match peer {
            Peer::Any => Named::Everybody,
            Peer::Endpoints(selector, _) => self.selected(selector),
            Peer::Block(block, _) => self.block(block),
            _ => Named::Not("this kind of peer is not carried over".into()),
        }
    }

    /// The units that a selector selects; many policies have the same ones.
    fn members(&mut self, selector: &EndpointSelector) -> Vec<UnitId> {
        let scope = match &selector.namespaces {
            NamespaceScope::Only(id) => format!("{id:?}"),
            NamespaceScope::Matching(labels) => format!("{:?}", labels.normal()),
        };
        let key = format!("{scope} {:?} {:?}", selector.pods.normal(), selector.also);
        if let Some(known) = self.selected.get(&key) {
            return known.clone();
        }
        let units = self.units.of_endpoints(&self.eval.members(selector));
        self.selected.insert(key, units.clone());
        units
    }

    fn selected(&mut self, selector: &EndpointSelector) -> Named {
        let everywhere = match &selector.namespaces {
            NamespaceScope::Matching(labels) => labels.is_empty(),
            NamespaceScope::Only(_) => false,
        };
        if everywhere && selector.pods.is_empty() && selector.also.is_none() {
            return Named::AllPods;
        }
        let units = self.members(selector);
        if units.is_empty() {
            let server = selector.pods.requirements.iter().any(|requirement| {
                let value = matches!(&requirement.operator, Operator::In(values)
                    if values.iter().any(|value| **value == *"kube-apiserver"));
                *requirement.key == *"component" && value
            });
            return if server {
                Named::ApiServer
            } else {
                Named::Nobody
            };
        }
        Named::Some(units.into_iter().map(Whom::Unit).collect())
    }

    fn block(&self, block: &IpBlock) -> Named {
        let net = block.cidr.net;
        let internet_v6 = "2000::/3".parse::<IpNet>().is_ok_and(|known| known == net);
        if net == ANY_V4 || net == ANY_V6 || internet_v6 {
            return Named::Everybody;
        }
        let widest = match net {
            IpNet::V4(_) => WIDEST_V4,
            IpNet::V6(_) => WIDEST_V6,
        };
        if net.prefix_len() < widest {
            return Named::Not(format!("{net} is too wide to be carried over"));
        }
        let server = self.world.service("default", "kubernetes");
        let server = server.map(|id| &self.world[id]);
        let dialled = server
            .is_some_and(|service| service.cluster_ips.iter().any(|ip| IpNet::from(*ip) == net));
        let mut servers = self.api_servers.iter();
        let listens = servers.any(|ip| IpNet::from(*ip) == net);
        if dialled || listens {
            return Named::ApiServer;
        }
        if let Some(found) = self
            .metadata
            .iter()
            .find(|known| block.contains(known.address))
        {
            return Named::Not(format!(
                "{net} holds the metadata address {}, which stays closed",
                found.address
            ));
        }
        Named::Some(vec![Whom::Blocks(vec![Block {
            net,
            except: block.except.iter().map(|except| except.net).collect(),
        }])])
    }
}

/// How many namespaces a peer names one by one, and of each how many pods, by the values of a label.
fn named_one_by_one(peer: &Peer) -> usize {
    let Peer::Endpoints(selector, _) = peer else {
        return 1;
    };
    let values = |requirement: &Requirement| match &requirement.operator {
        Operator::In(values) => Some(values.len()),
        _ => None,
    };
    let namespaces = match &selector.namespaces {
        NamespaceScope::Matching(labels) => {
            let by_name = labels.requirements.iter();
            let by_name = by_name.filter(|requirement| *requirement.key == *NAME_LABEL);
            by_name.filter_map(values).min()
        }
        NamespaceScope::Only(_) => None,
    };
    let pods = selector.pods.requirements.iter().filter_map(values).min();
    namespaces.unwrap_or(1).max(1) * pods.unwrap_or(1).max(1)
}

/// Whether a rule is about DNS.
fn is_dns(seen: &Seen<'_>) -> bool {
    let on_dns_port = |item: &PortMatch| {
        matches!(item, PortMatch::Range { protocol: Protocol::Udp | Protocol::Tcp, first, last, .. }
            if first == last && matches!(first, 53 | 5353))
    };
    seen.direction == Direction::Egress && seen.rule.traffic.iter().all(on_dns_port)
}

fn opens_all_ports(rule: &Rule) -> bool {
    let mut traffic = rule.traffic.iter();
    traffic.any(|item| {
        matches!(
            item,
            PortMatch::Everything | PortMatch::Any | PortMatch::Except { .. }
        )
    })
}
