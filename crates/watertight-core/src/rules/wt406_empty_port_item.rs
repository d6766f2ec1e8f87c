//! A port item without `protocol` means TCP only.
//!
//! ## What it finds
//! - `ports: [{}]`, or ports 1 to 65535 without `protocol`: every TCP port, and nothing of UDP and
//!   SCTP.
//! - A port that is used over UDP, such as 53, in an item without `protocol`, where no rule allows
//!   it over UDP.
//! - `protocol: UDP` without `port` and without any other item: every UDP port, which is noted.
//!
//! Each is reported only if a connection shows the difference: where another rule allows UDP,
//! nothing is lost.
//!
//! ## Why it matters
//! DNS asks over UDP first. A rule for `port: 53` looks like one for DNS, lets TCP through, and
//! names do not resolve.
//!
//! ## Example
//! ```yaml
//! egress:
//! - ports:
//!   - port: 53
//! ```
//!
//! ## Instead
//! ```yaml
//! egress:
//! - ports:
//!   - protocol: UDP
//!     port: 53
//!   - protocol: TCP
//!     port: 53
//! ```
//!
//! ## Semantics
//! - K-21: only a missing or empty `ports` means every port and protocol
//! - K-47: a missing `protocol` is TCP, so `ports: [{}]` is all of TCP
//! - K-48: a missing `port` means all ports of that protocol only
//! - X-11: DNS needs UDP and TCP

use std::collections::BTreeSet;

use super::selection::{Selection, edits, policies_in_force, sample};
use super::{Check, Context, Rule};
use crate::diag::{Edit, Evidence, Finding, Fix, Severity};
use crate::eval::Party;
use crate::manifest::{PolicyPort, PortRef};
use crate::policy::{self, PolicyRef};
use crate::sets::Protocol;
use crate::source::Span;
use crate::world::{EndpointId, PolicyId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT406",
    name: "empty-port-item",
    severity: Severity::Warning,
    summary: "a port item without `protocol` means TCP only",
    source: include_str!("wt406_empty_port_item.rs"),
    check: Check::World(check),
};

/// How many items of one policy a finding points at.
const PLACES: usize = 3;

/// Ports that are used over UDP, and by what.
const UDP_PORTS: &[(u16, &str)] = &[
    (53, "DNS"),
    (67, "DHCP"),
    (69, "TFTP"),
    (123, "NTP"),
    (161, "SNMP"),
    (162, "SNMP"),
    (500, "IKE"),
    (514, "syslog"),
    (1812, "RADIUS"),
    (1813, "RADIUS"),
    (4500, "IPsec"),
    (4789, "VXLAN"),
    (5353, "DNS"),
    (8125, "StatsD"),
    (8472, "VXLAN"),
    (51820, "WireGuard"),
];

/// What an item says that it may not mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slip {
    /// Every TCP port.
    AllTcp,
    /// This TCP port.
    Tcp(u16),
    /// Every UDP port, and nothing else.
    AllUdp,
}

/// What shows the difference.
struct Shown {
    evidence: Vec<Evidence>,
    /// The destination declares the port for UDP and not for TCP.
    udp_only: bool,
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let selection = Selection::new(context);
    let over_udp = over_udp(context);
    for &(policy, at) in policies_in_force(context) {
        let written = &context.world[policy].spec.section(at.direction).rules;
        let mut found: Vec<(Slip, Vec<Span>, Shown)> = Vec::new();
        for (written, rule) in written.iter().zip(&context.eval.ruleset[at].rules) {
            for item in &written.ports {
                let Some(slip) = slip(item, &written.ports) else {
                    continue;
                };
                if matches!(slip, Slip::Tcp(number) if !over_udp.contains(&number)) {
                    continue;
                }
                let known = found.iter_mut().find(|(known, _, _)| *known == slip);
                let Some(shown) = show(&selection, at, rule, slip) else {
                    continue;
                };
                match known {
                    Some((_, spans, known)) => {
                        spans.push(item.span);
                        known.udp_only &= shown.udp_only;
                    }
                    None => found.push((slip, vec![item.span], shown)),
                }
            }
        }
        for (slip, spans, shown) in found {
            findings.push(report(context, policy, slip, &spans, shown));
        }
    }
}

/// The ports that anybody is known to use over UDP.
fn over_udp(context: &Context<'_>) -> BTreeSet<u16> {
    let ports = context.world.endpoints.iter().flat_map(|pod| &pod.ports);
    let declared = ports.filter(|port| port.protocol == Protocol::Udp);
    let declared = declared.map(|port| port.number);
    declared
        .chain(UDP_PORTS.iter().map(|(number, _)| *number))
        .collect()
}

fn is_wide(item: &PolicyPort) -> bool {
    match item.port {
        None => true,
        Some(PortRef::Number(first)) => first == 1 && item.end_port == Some(u16::MAX),
        Some(PortRef::Name(_)) => false,
    }
}

/// What may be wrong with an item, as far as its own rule tells.
fn slip(item: &PolicyPort, all: &[PolicyPort]) -> Option<Slip> {
    let mut udp = all.iter().filter(|other| other.protocol == Protocol::Udp);
    if item.protocol == Protocol::Udp {
        return (item.port.is_none() && all.len() == 1).then_some(Slip::AllUdp);
    }
    if item.protocol_written {
        return None;
    }
    if is_wide(item) {
        return (!udp.any(is_wide)).then_some(Slip::AllTcp);
    }
    let (Some(PortRef::Number(number)), None) = (&item.port, item.end_port) else {
        return None;
    };
    let covers = |other: &PolicyPort| match other.port {
        None => true,
        Some(PortRef::Number(first)) => (first..=other.end_port.unwrap_or(first)).contains(number),
        // Which number a name stands for is the pod's affair.
        Some(PortRef::Name(_)) => true,
    };
    (!udp.any(covers)).then_some(Slip::Tcp(*number))
}

/// Connections that the item admits and refuses, if it makes a difference on this cluster.
fn show(
    selection: &Selection<'_>,
    at: PolicyRef,
    rule: &policy::Rule,
    slip: Slip,
) -> Option<Shown> {
    let context = selection.context;
    let subjects: Vec<_> = selection.subjects(at).take(sample::TRIES).collect();
    for subject in subjects {
        let mut others = sample::other_ends(selection, rule, subject);
        if matches!(slip, Slip::Tcp(53 | 5353)) {
            let servers = context.world.dns_servers().into_iter();
            let servers = servers.map(|server| server.endpoint);
            let servers = servers.filter(|server| *server != subject);
            others.splice(0..0, servers.take(sample::TRIES).map(Party::Endpoint));
        }
        for other in others {
            let to = sample::destination(at.direction, subject, other);
            let number = match slip {
                Slip::Tcp(number) => number,
                Slip::AllTcp => port_of(context, to, Protocol::Udp),
                Slip::AllUdp => port_of(context, to, Protocol::Tcp),
            };
            let declares = |protocol| declares(context, to, protocol, number);
            let udp_only = declares(Protocol::Udp) && !declares(Protocol::Tcp);
            let tcp_only = declares(Protocol::Tcp) && !declares(Protocol::Udp);
            if let Slip::Tcp(number) = slip
                && (tcp_only || !udp_only && used_over_udp(number).is_none())
            {
                continue;
            }
            let judged =
                |protocol| sample::connection(at.direction, subject, other, (protocol, number));
            let (wanted, lost) = match slip {
                Slip::AllUdp => (judged(Protocol::Udp), judged(Protocol::Tcp)),
                _ => (judged(Protocol::Tcp), judged(Protocol::Udp)),
            };
            if !context.eval.allows(&wanted) {
                continue;
            }
            if let Some(refused) = sample::refused(context, at.direction, &lost) {
                return Some(Shown {
                    evidence: vec![refused, context.evidence(&wanted)],
                    udp_only,
                });
            }
        }
    }
    None
}

/// A port of the destination: one that it declares for this protocol, if there is one.
fn port_of(context: &Context<'_>, pod: Option<EndpointId>, protocol: Protocol) -> u16 {
    let ports = pod.map_or(&[][..], |pod| &context.world[pod].ports);
    let of_protocol = ports.iter().find(|port| port.protocol == protocol);
    of_protocol
        .or(ports.first())
        .map_or(443, |port| port.number)
}

fn declares(
    context: &Context<'_>,
    pod: Option<EndpointId>,
    protocol: Protocol,
    number: u16,
) -> bool {
    let ports = pod.map_or(&[][..], |pod| &context.world[pod].ports);
    ports
        .iter()
        .any(|port| port.protocol == protocol && port.number == number)
}

fn used_over_udp(number: u16) -> Option<&'static str> {
    let known = UDP_PORTS.iter().find(|(port, _)| *port == number);
    known.map(|(_, what)| *what)
}

fn report(
    context: &Context<'_>,
    policy: PolicyId,
    slip: Slip,
    spans: &[Span],
    shown: Shown,
) -> Finding {
    let name = context.world.policy_name(policy);
    let (message, text) = match slip {
        Slip::AllTcp => (
            format!("a port item of NetworkPolicy `{name}` admits every TCP port and no UDP"),
            "without `protocol` this is TCP only".to_owned(),
        ),
        Slip::AllUdp => (
            format!("a port item of NetworkPolicy `{name}` admits every UDP port and no TCP"),
            "no port is named".to_owned(),
        ),
        Slip::Tcp(number) => {
            let used = match used_over_udp(number) {
                Some("DNS") => ", and DNS asks over UDP first".to_owned(),
                Some(what) => format!(", and {what} uses UDP"),
                None => ", and the pods declare it for UDP".to_owned(),
            };
            (
                format!("port {number} of NetworkPolicy `{name}` is open for TCP only{used}"),
                "without `protocol` this is TCP".to_owned(),
            )
        }
    };
    let mut finding = Finding::new(&RULE, message).subject(context.policy_subject(policy));
    for (index, span) in spans.iter().take(PLACES).enumerate() {
        finding = finding.at(*span, if index == 0 { &text } else { "and here" });
    }
    let (why, severity): (&[_], _) = match slip {
        Slip::AllTcp => (&["K-47", "K-21"], RULE.severity),
        Slip::AllUdp => (&["K-48"], Severity::Note),
        Slip::Tcp(53 | 5353) => (&["K-47", "X-11"], RULE.severity),
        Slip::Tcp(_) if shown.udp_only => (&["K-47"], RULE.severity),
        Slip::Tcp(_) => (&["K-47"], Severity::Note),
    };
    finding = finding.why(why).severity(severity);
    let edits = |edit: &dyn Fn(Span) -> Option<Edit>| -> Vec<Edit> {
        if !edits::is_unshared(context.sources, &context.world[policy]) {
            return Vec::new();
        }
        let all: Option<Vec<_>> = spans.iter().map(|span| edit(*span)).collect();
        all.unwrap_or_default()
    };
    let fix = match slip {
        Slip::AllTcp => {
            Fix::advice("leave `ports` out to admit all traffic, or name the ports that are meant")
        }
        Slip::AllUdp => Fix::advice("name the ports that are meant"),
        Slip::Tcp(number) if shown.udp_only => Fix::edits(
            format!("write `protocol: UDP` for port {number}"),
            edits(&|span| edits::prepend(context.sources, span, "protocol: UDP", "protocol: UDP")),
        ),
        Slip::Tcp(number) => Fix::edits(
            format!("allow port {number} over UDP as well"),
            edits(&|span| edits::duplicate_item(context.sources, span, "protocol: UDP")),
        ),
    };
    finding.evidence = shown.evidence;
    finding.fix(fix)
}

#[cfg(test)]
mod tests;
