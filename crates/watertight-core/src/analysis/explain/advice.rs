//! What to do where a connection is denied: one sentence for each side that denies it.
//!
//! INVARIANT: what is proposed opens this connection on that side; it never proposes to remove a
//! policy or an exception.

use std::net::IpAddr;

use super::admits::is_for_anybody;
use super::miss::{FaultKind, Miss, seen, short_name};
use super::nearly::Nearly;
use crate::eval::{Connection, Evaluator, Family, Party};
use crate::facts::metadata::{self, Cloud};
use crate::manifest::Direction;
use crate::policy::PolicyRef;
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

/// What to do about a side that denies.
pub(super) fn advice(
    eval: &Evaluator<'_>,
    direction: Direction,
    subject: EndpointId,
    connection: &Connection,
    isolated_by: PolicyRef,
    misses: &[Miss],
    nearly: &[Nearly],
) -> Advice {
    let world = eval.world;
    let way = direction.word();
    let list = direction.peer_field();
    let seen = seen(eval, direction, connection);
    if let Party::Address(ip) = seen.party
        && is_metadata(ip)
    {
        return Advice {
            text: format!(
                "leave it closed: {ip} is a metadata service, which gives the node's credentials away"
            ),
            span: None,
        };
    }
    if let Some(one) = nearly.first() {
        let policy = world.policy_name(one.policy);
        return Advice {
            text: format!("{} in NetworkPolicy {policy}", one.help),
            span: Some(one.span),
        };
    }
    let port = port_item(connection.protocol.api(), seen.port);
    let protocol = connection.protocol.word();
    let Some(nearest) = misses.first() else {
        let policies = eval.policies_of(subject, direction);
        let peer = peer_item(eval, direction, subject, seen.party);
        let (who, other) = (short_name(world, Party::Endpoint(subject)), peer.whom);
        let verb = match direction {
            Direction::Ingress => "admits",
            Direction::Egress => "lets it connect to",
        };
        let ports = seen
            .port
            .map_or(String::new(), |port| format!(" on {port}/{protocol}"));
        let none = if policies.len() > 1 {
            "none of the policies that isolate it has a rule"
        } else {
            "the policy that isolates it has no rule"
        };
        let origin = eval.ruleset[isolated_by].origin;
        return Advice {
            text: format!(
                "{none}: add a NetworkPolicy that selects {who} and {verb} {other}{ports}"
            ),
            span: origin.name_span(world),
        };
    };
    let number = nearest.rule.rule + 1;
    let rule = &eval.ruleset[nearest.rule];
    let origin = eval.ruleset[nearest.rule.policy].origin;
    let (of, name) = (origin.kind(world), origin.name(world));
    let place = format!("{way} rule {number} of {of} {name}");
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
    let ports_fit = !nearest.faults.iter().any(|fault| {
        matches!(
            fault.kind,
            FaultKind::Port | FaultKind::PortName | FaultKind::ServicePort
        )
    });
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
