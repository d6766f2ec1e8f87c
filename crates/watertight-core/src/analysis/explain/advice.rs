//! What to do where a connection is denied: one sentence for each side that denies it.
//!
//! INVARIANT: what is proposed opens this connection on that side; it never proposes to remove a
//! policy or an exception.

use std::net::IpAddr;

use super::admits::is_for_anybody;
use super::miss::{Fault, FaultKind, Miss, Seen, seen, short_name};
use super::nearly::Nearly;
use super::written::{RulePlace, policy_words, rule_place, rules_written};
use crate::eval::{Connection, Evaluator, Family, Own, Party};
use crate::facts::metadata::{self, Cloud};
use crate::manifest::Direction;
use crate::policy::{CILIUM_TIER, Origin, PolicyRef, RuleRef, Subject};
use crate::sets::Protocol;
use crate::source::Span;
use crate::world::{EndpointId, World};

/// One proposal, with the place it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What to do, in the imperative.
    pub text: String,
    /// Where.
    pub span: Option<Span>,
}

/// Labels by which a pod is best told from others, best first.
const TELLING: &[&str] = &[
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "name",
    "app.kubernetes.io/component",
    "component",
    "role",
];

/// Labels that controllers set anew for every pod or revision.
const CHANGING: &[&str] = &[
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
];

/// Where NetworkPolicies are asked, beside the tier of their own name.
const AMONG_OTHERS: &[&str] = &["NetworkPolicy", "default", CILIUM_TIER];

/// Whether one more NetworkPolicy would be asked where nothing allowed a connection.
pub(super) fn is_helped_by_network_policies(eval: &Evaluator<'_>, isolated_by: PolicyRef) -> bool {
    let tiers = eval.ruleset.tiers(isolated_by.direction);
    let tier = tiers.get(isolated_by.tier);
    tier.is_some_and(|tier| AMONG_OTHERS.contains(&&*tier.name))
        && matches!(eval.ruleset[isolated_by].subject, Subject::Endpoints(_))
}

/// A side on which a tier has ended without a rule that matches, and denies.
pub(super) struct Denied<'d> {
    pub(super) eval: &'d Evaluator<'d>,
    pub(super) direction: Direction,
    pub(super) subject: Own,
    pub(super) connection: &'d Connection,
    pub(super) isolated_by: PolicyRef,
}

impl Denied<'_> {
    /// What to do about it.
    pub(super) fn advice(&self, misses: &[Miss], nearly: &[Nearly]) -> Advice {
        let seen = seen(self.eval, self.direction, self.connection);
        if let Party::Address(ip) = seen.party
            && is_metadata(ip)
        {
            return Advice {
                text: format!(
                    "leave it closed: {ip} is a metadata service, which gives the node's \
                     credentials away"
                ),
                span: None,
            };
        }
        if let Some(one) = nearly.first() {
            let policy = self.eval.world.policy_name(one.policy);
            return Advice {
                text: format!("{} in NetworkPolicy {policy}", one.help),
                span: Some(one.span),
            };
        }
        let of_tier = |miss: &&Miss| miss.rule.policy.tier == self.isolated_by.tier;
        let Some(nearest) = misses.iter().find(of_tier) else {
            return self.without_rules(&seen);
        };
        let origin = self.eval.ruleset[nearest.rule.policy].origin;
        match (origin, self.subject) {
            (Origin::Kubernetes(_), Own::Endpoint(pod)) => {
                self.in_network_policy(pod, &seen, nearest)
            }
            _ => self.in_words(&seen, nearest),
        }
    }

    /// Who is judged, and whom and what is to be let through.
    fn wanted(&self, seen: &Seen) -> (String, String, String) {
        let world = self.eval.world;
        let who = short_name(
            world,
            match self.subject {
                Own::Endpoint(id) => Party::Endpoint(id),
                Own::Node(id) => Party::Node(id),
            },
        );
        let ports = match (seen.port, seen.protocol) {
            (_, Protocol::Icmp) => " by ICMP".to_owned(),
            (None, _) => String::new(),
            (Some(port), protocol) => format!(" on {port}/{}", protocol.word()),
        };
        (who, short_name(world, seen.party), ports)
    }

    fn without_rules(&self, seen: &Seen) -> Advice {
        let world = self.eval.world;
        let (who, other, ports) = self.wanted(seen);
        let policies = match self.subject {
            Own::Endpoint(id) => self.eval.policies_of(id, self.direction),
            Own::Node(id) => self.eval.policies_of_node(id, self.direction),
        };
        let isolating = policies
            .iter()
            .filter(|at| at.tier == self.isolated_by.tier && self.eval.ruleset[**at].isolates);
        let has_rules = isolating
            .clone()
            .any(|at| rules_written(self.eval, *at) > 0);
        let mut isolating: Vec<Origin> =
            isolating.map(|at| self.eval.ruleset[*at].origin).collect();
        isolating.dedup();
        let origin = self.eval.ruleset[self.isolated_by].origin;
        let verb = match self.direction {
            Direction::Ingress => "admits",
            Direction::Egress => "lets it connect to",
        };
        let text = if is_helped_by_network_policies(self.eval, self.isolated_by) {
            let none = match (origin, has_rules, isolating.len()) {
                (Origin::Engine(..), ..) => "no policy has a rule for it",
                (_, true, 2..) => "no rule of the policies that isolate it lets anybody through",
                (_, true, _) => "no rule of the policy that isolates it lets anybody through",
                (_, false, 2..) => "none of the policies that isolate it has a rule",
                (_, false, _) => "the policy that isolates it has no rule",
            };
            format!("{none}: add a NetworkPolicy that selects {who} and {verb} {other}{ports}")
        } else if let Origin::Engine(..) = origin {
            format!("add a policy about {who} that {verb} {other}{ports}")
        } else {
            let policy = policy_words(world, origin);
            let way = self.direction.word();
            let verb = match self.direction {
                Direction::Ingress => "admits",
                Direction::Egress => "admits connections to",
            };
            format!("add an {way} rule to {policy} that {verb} {other}{ports}")
        };
        Advice {
            text,
            span: origin.name_span(world),
        }
    }

    /// For languages whose manifests are not written here: what to change, and in which rule.
    fn in_words(&self, seen: &Seen, nearest: &Miss) -> Advice {
        let rule = &self.eval.ruleset[nearest.rule];
        let origin = self.eval.ruleset[nearest.rule.policy].origin;
        let (_, other, ports) = self.wanted(seen);
        let place = place(self.eval, nearest.rule);
        let to = match self.direction {
            Direction::Ingress => "",
            Direction::Egress => "connections to ",
        };
        let anybody = is_for_anybody(rule);
        let fault = nearest.faults.first();
        let is_about = |kind| nearest.faults.iter().any(|fault| fault.kind == kind);
        let text = if is_about(FaultKind::SourcePort) {
            format!("ask about a source port, or leave source ports out of {place}")
        } else if nearest.is_about_ports() && !anybody {
            format!("let {place} take in {}", ports.trim_start_matches(" on "))
        } else if !nearest.faults.iter().any(is_about_ports) && !anybody {
            format!("let {place} admit {to}{other} as well")
        } else {
            let policy = policy_words(self.eval.world, origin);
            let way = self.direction.word();
            format!("add an {way} rule to {policy} that admits {to}{other}{ports}")
        };
        Advice {
            text,
            span: fault.map(|fault| fault.span).or(Some(rule.span)),
        }
    }

    fn in_network_policy(&self, subject: EndpointId, seen: &Seen, nearest: &Miss) -> Advice {
        let (eval, direction, connection) = (self.eval, self.direction, self.connection);
        let world = eval.world;
        let way = direction.word();
        let list = direction.peer_field();
        let port = port_item(connection.protocol.api(), seen.port);
        let rule = &eval.ruleset[nearest.rule];
        let origin = eval.ruleset[nearest.rule.policy].origin;
        let (of, name) = (origin.kind(world), origin.name(world));
        let place = place(eval, nearest.rule);
        let kind = nearest.faults.first().map(|fault| fault.kind);
        let fault_span = nearest.faults.first().map(|fault| fault.span);
        let anybody = is_for_anybody(rule);
        if nearest.is_about_ports() && (!anybody || port.is_none()) {
            let text = match (kind, port) {
                (_, None) => format!("leave `ports` out of {place}, or set the switch `icmp`"),
                (Some(FaultKind::ServicePort), Some(port)) => {
                    format!("write `{port}` in {place}: the Service leads there")
                }
                (_, Some(port)) => format!("add `{port}` to `ports` of {place}"),
            };
            return Advice {
                text,
                span: fault_span,
            };
        }
        let peer = peer_item(eval, direction, subject, seen.party);
        let ports_fit = !nearest.faults.iter().any(is_about_ports);
        let Some(item) = peer.item else {
            return Advice {
                text: peer.whom,
                span: fault_span,
            };
        };
        let text = if ports_fit && !anybody {
            format!("add `{item}` to `{list}` of {place}")
        } else {
            let ports = port.map_or(String::new(), |port| format!(", ports: [{port}]"));
            format!("add `{{{list}: [{item}]{ports}}}` to `{way}` of {of} {name}")
        };
        Advice {
            text,
            span: Some(rule.span),
        }
    }
}

fn is_about_ports(fault: &Fault) -> bool {
    matches!(
        fault.kind,
        FaultKind::Port | FaultKind::PortName | FaultKind::ServicePort
    )
}

/// `ingress rule 2 of NetworkPolicy shop/db`
fn place(eval: &Evaluator<'_>, rule: RuleRef) -> String {
    let origin = eval.ruleset[rule.policy].origin;
    let RulePlace { list, number } = rule_place(eval, rule);
    let policy = policy_words(eval.world, origin);
    format!("{list} rule {number} of {policy}")
}

fn is_metadata(ip: IpAddr) -> bool {
    let known = metadata::distinct_addresses(Cloud::ALL);
    known.iter().any(|known| known.address == ip)
}

/// `{port: 5432}`, `{protocol: UDP, port: 53}`.
fn port_item(protocol: &str, port: Option<u16>) -> Option<String> {
    let port = port?;
    Some(if protocol == "TCP" {
        format!("{{port: {port}}}")
    } else {
        format!("{{protocol: {protocol}, port: {port}}}")
    })
}

struct PeerItem {
    /// The item of `from` or `to`; none if there is no good one.
    item: Option<String>,
    /// Who it is, or what has to be done first.
    whom: String,
}

fn peer_item(
    eval: &Evaluator<'_>,
    direction: Direction,
    subject: EndpointId,
    other: Party,
) -> PeerItem {
    let world = eval.world;
    let whom = short_name(world, other);
    let block = |ip: IpAddr| {
        let length = if ip.is_ipv4() { 32 } else { 128 };
        format!(
            "{{ipBlock: {{cidr: {}}}}}",
            scalar(&format!("{ip}/{length}"))
        )
    };
    match other.resolve(world) {
        Party::Endpoint(id) if eval.can_be_subject(id) => {
            let namespace = &world[world[id].namespace].name;
            let own = world[id].namespace == world[subject].namespace;
            let labels = telling(world, id);
            if labels.is_empty() {
                return PeerItem {
                    item: None,
                    whom: format!("give {whom} a label first: it has none to select it by"),
                };
            }
            let pods = format!("podSelector: {{matchLabels: {{{labels}}}}}");
            let name = scalar(namespace);
            let item = if own {
                format!("{{{pods}}}")
            } else {
                format!(
                    "{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}, \
                     {pods}}}"
                )
            };
            PeerItem {
                item: Some(item),
                whom,
            }
        }
        party => {
            let address = match other {
                Party::Address(ip) => Some(ip),
                _ => party
                    .address(world, Family::V4)
                    .or_else(|| party.address(world, Family::V6)),
            };
            PeerItem {
                item: address.map(block),
                whom: match address {
                    Some(_) => whom,
                    None if matches!(party, Party::Name(_)) => format!(
                        "a NetworkPolicy knows no names: admit the addresses of {whom} by an \
                         ipBlock in `{}`",
                        direction.peer_field()
                    ),
                    None => format!(
                        "no selector matches {whom} (K-72): admit the addresses of its nodes by an \
                         ipBlock in `{}`",
                        direction.peer_field()
                    ),
                },
            }
        }
    }
}

/// The labels to select a pod by.
fn telling(world: &World, id: EndpointId) -> String {
    let labels = || {
        world[id]
            .labels
            .iter()
            .map(|(key, value)| (world.symbols.text(*key), world.symbols.text(*value)))
    };
    let best = TELLING
        .iter()
        .find_map(|wanted| labels().find(|(key, _)| key == wanted));
    let kept: Vec<_> = match best {
        Some(best) => vec![best],
        None => labels()
            .filter(|(key, _)| !CHANGING.contains(key))
            .collect(),
    };
    let pairs = kept
        .iter()
        .map(|(key, value)| format!("{key}: {}", scalar(value)));
    pairs.collect::<Vec<_>>().join(", ")
}

/// A string as YAML reads it, with quotes where it could be taken for something else.
fn scalar(text: &str) -> String {
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphabetic());
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    let cidr = text.parse::<ipnet::Ipv4Net>().is_ok();
    if (plain && !word) || cidr {
        text.to_owned()
    } else {
        format!("\"{text}\"")
    }
}
