//! Flows of Hubble: `hubble observe -o json` (a flow a line) and `-o jsonpb` (each in `flow`).
//!
//! Every packet that Hubble saw is an entry. Replies are turned round, so that what counts is who
//! opened the connection, as far as that can be told; what was seen on both ends is two entries with
//! one [`Reporter`] each.

use std::net::{IpAddr, SocketAddr};

use super::collect::Collector;
use super::fields::{Wrong, field, ip, number, port, tells_kind_of_pod, text};
use super::{End, Record, Reporter, Whose};
use crate::document::{Kind, Node};
use crate::eval::Icmp;
use crate::manifest::WorkloadKind;
use crate::sets::Protocol;

/// Other things than flows that an export has.
const OTHER_EVENTS: [&str; 5] = [
    "lost_events",
    "node_status",
    "agent_event",
    "debug_event",
    "lost_event",
];

/// Ports from here on are what clients are given by Linux; few servers listen on one.
const EPHEMERAL: u16 = 32768;

/// Whether this is something that Hubble writes.
pub(super) fn is_event(node: Node<'_, '_>) -> bool {
    let flow = node.get("flow").unwrap_or(node);
    let other = OTHER_EVENTS.iter().any(|key| node.get(key).is_some());
    other || flow.get("verdict").is_some() || flow.get("l4").is_some()
}

/// Reads an entry.
pub(super) fn decode(node: Node<'_, '_>, collector: &mut Collector) -> Result<(), Wrong> {
    if OTHER_EVENTS.iter().any(|key| node.get(key).is_some()) {
        collector.pass_over();
        return Ok(());
    }
    let flow = node.get("flow").unwrap_or(node);
    let Some(verdict) = text(flow, &["verdict"])? else {
        let message = "expected a flow of Hubble, which has a `verdict`".to_owned();
        return Err((node.span(), message));
    };
    let refused = match verdict {
        // An audited flow passes, and so does one that a proxy takes over.
        "FORWARDED" | "REDIRECTED" | "AUDIT" => false,
        "DROPPED" => true,
        // Not decided yet, or not about a connection between two ends.
        "ERROR" | "TRACED" | "TRANSLATED" | "VERDICT_UNKNOWN" => {
            collector.pass_over();
            return Ok(());
        }
        _ => {
            let at = flow.get("verdict").unwrap_or(flow);
            let message = format!(
                "expected `verdict` to be FORWARDED, DROPPED, AUDIT or REDIRECTED, found `{verdict}`"
            );
            return Err((at.span(), message));
        }
    };
    let Some(layer) = field(flow, &["l4"]) else {
        // ARP and the like.
        collector.pass_over();
        return Ok(());
    };
    let Some(traffic) = traffic(layer)? else {
        collector.pass_over();
        return Ok(());
    };
    let addresses = field(flow, &["IP", "ip"]);
    let address = |key| addresses.map_or(Ok(None), |node| ip(node, &[key]));
    let mut source = end(flow, "source", "source_names", address("source")?)?;
    let mut target = end(
        flow,
        "destination",
        "destination_names",
        address("destination")?,
    )?;
    let node_name = text(flow, &["node_name"])?.or(text(node, &["node_name"])?);
    let (reply, is_told) = is_reply(flow, &traffic, (source.ip, target.ip), collector)?;
    let incoming = text(flow, &["traffic_direction"])?.map(|word| word == "INGRESS");
    // An entry is written on the node of the end that it is about.
    let own = if incoming == Some(true) {
        &mut target
    } else {
        &mut source
    };
    if own.whose == Whose::Node && is_own_host(flow, incoming) {
        own.node = node_name.map(|name| name.rsplit('/').next().unwrap_or(name).into());
    }
    let (from, to, port) = match (reply, &traffic) {
        (true, traffic) => (target, source, traffic.source_port),
        (false, traffic) => (source, target, traffic.port),
    };
    if from.ip.is_none() && from.pod.is_none() && to.ip.is_none() && to.pod.is_none() {
        let message = "expected `source` and `destination`, or their addresses in `IP`".to_owned();
        return Err((flow.span(), message));
    }
    if port.is_none() && traffic.protocol != Protocol::Icmp {
        let message = "expected `l4` to have a destination port".to_owned();
        return Err((layer.span(), message));
    }
    // The reply to an echo is not what was sent first, and what seems to be a reply and went lost says
    // nothing about a connection.
    if reply && (traffic.protocol == Protocol::Icmp || refused && !is_told) {
        collector.pass_over();
        return Ok(());
    }
    // A reply is seen on the other end first; it passed both ends in any case.
    let reporter = match incoming {
        _ if reply => Reporter::Unsaid,
        Some(true) => Reporter::Destination,
        Some(false) => Reporter::Source,
        None => Reporter::Unsaid,
    };
    collector.add(Record {
        from,
        to,
        protocol: traffic.protocol,
        port: port.filter(|_| traffic.protocol != Protocol::Icmp),
        icmp: traffic.icmp,
        dialled: None::<SocketAddr>,
        reporter,
        // A dropped reply says nothing about who may open the connection.
        refused: refused && !reply,
        times: 1,
        span: node.span(),
    });
    Ok(())
}

/// What `l4` says.
struct Traffic {
    protocol: Protocol,
    source_port: Option<u16>,
    port: Option<u16>,
    icmp: Option<Icmp>,
    /// The SYN and ACK flags of TCP, if any flags are said.
    flags: Option<(bool, bool)>,
}

fn traffic(layer: Node<'_, '_>) -> Result<Option<Traffic>, Wrong> {
    let ports = [
        ("TCP", Protocol::Tcp),
        ("UDP", Protocol::Udp),
        ("SCTP", Protocol::Sctp),
    ];
    for (key, protocol) in ports {
        let Some(inner) = field(layer, &[key]) else {
            continue;
        };
        let flags = field(inner, &["flags"]).map(|flags| {
            let is_set = |key| flags.get(key).and_then(Node::bool) == Some(true);
            (is_set("SYN"), is_set("ACK"))
        });
        return Ok(Some(Traffic {
            protocol,
            source_port: port(inner, &["source_port"])?,
            port: port(inner, &["destination_port"])?,
            icmp: None,
            flags,
        }));
    }
    for key in ["ICMPv4", "ICMPv6", "ICMP"] {
        let Some(inner) = field(layer, &[key]) else {
            continue;
        };
        let byte = |key| {
            let found = number(inner, &[key])?;
            Ok::<_, Wrong>(found.and_then(|number| u8::try_from(number).ok()))
        };
        // Zero is left out of the text.
        let kind = byte("type")?.unwrap_or(0);
        let code = byte("code")?.unwrap_or(0);
        return Ok(Some(Traffic {
            protocol: Protocol::Icmp,
            source_port: None,
            port: None,
            icmp: Some(Icmp { kind, code }),
            flags: None,
        }));
    }
    Ok(None)
}

/// Whether a packet goes back to who opened the connection, and whether the entry tells. Those of the
/// middle of a connection often do not: then the packets before it count, and after them the ports.
fn is_reply(
    flow: Node<'_, '_>,
    traffic: &Traffic,
    (source, target): (Option<IpAddr>, Option<IpAddr>),
    collector: &mut Collector,
) -> Result<(bool, bool), Wrong> {
    let told = match field(flow, &["is_reply"]) {
        Some(value) => Some(value.bool().ok_or_else(|| {
            let message = "expected `is_reply` to be true or false".to_owned();
            (value.span(), message)
        })?),
        None => by_packet(flow, traffic),
    };
    let address = |ip: Option<IpAddr>, port: Option<u16>| Some(SocketAddr::new(ip?, port?));
    let ends = address(source, traffic.source_port).zip(address(target, traffic.port));
    let Some((source, target)) = ends else {
        return Ok((told.unwrap_or(false), told.is_some()));
    };
    let (there, back) = (
        (traffic.protocol, source, target),
        (traffic.protocol, target, source),
    );
    let known = &mut collector.openings;
    let reply = told.unwrap_or_else(|| {
        known.contains(&back)
            || !known.contains(&there) && source.port() < EPHEMERAL && target.port() >= EPHEMERAL
    });
    known.insert(if reply { back } else { there });
    Ok((reply, told.is_some()))
}

/// What flags and messages tell.
fn by_packet(flow: Node<'_, '_>, traffic: &Traffic) -> Option<bool> {
    // The older field; if it is false, it may as well not be known.
    let older = flow.get("reply").and_then(Node::bool) == Some(true);
    match (traffic.icmp, traffic.flags) {
        _ if older => Some(true),
        (Some(icmp), _) => Some(matches!(icmp.kind, 0 | 129)),
        (None, Some((true, answers))) => Some(answers),
        (None, _) => None,
    }
}

/// Whether the end that an entry is about is the node on which it was written.
fn is_own_host(flow: Node<'_, '_>, incoming: Option<bool>) -> bool {
    let key = if incoming == Some(true) {
        "destination"
    } else {
        "source"
    };
    let labels = flow.get(key).and_then(|end| end.get("labels"));
    let mut labels = labels.into_iter().flat_map(Node::items);
    labels.any(|label| label.is("reserved:host"))
}

fn end(flow: Node<'_, '_>, key: &str, names: &str, ip: Option<IpAddr>) -> Result<End, Wrong> {
    let mut end = End {
        ip,
        ..End::default()
    };
    if let Some(list) = field(flow, &[names]) {
        let names = list.items().filter_map(Node::str);
        end.names = names.map(Into::into).collect();
    }
    let Some(node) = field(flow, &[key]) else {
        return Ok(end);
    };
    if node.kind() != Kind::Mapping {
        let message = format!(
            "expected `{key}` to be a mapping, found {}",
            node.kind().word()
        );
        return Err((node.span(), message));
    }
    end.namespace = text(node, &["namespace"])?.map(Into::into);
    end.pod = text(node, &["pod_name"])?.map(Into::into);
    if let Some(first) = field(node, &["workloads"]).and_then(|list| list.items().next())
        && let Some(name) = text(first, &["name"])?
    {
        let kind = text(first, &["kind"])?.and_then(WorkloadKind::from_api);
        end.workload = Some((kind, name.into()));
    }
    let labels = field(node, &["labels"]);
    let labels = labels.into_iter().flat_map(Node::items);
    for label in labels.filter_map(Node::str) {
        match label.split_once(':') {
            Some(("k8s", label)) => {
                let (key, value) = label.split_once('=').unwrap_or((label, ""));
                if key == "io.kubernetes.pod.namespace" && end.namespace.is_none() {
                    end.namespace = Some(value.into());
                }
                if tells_kind_of_pod(key) {
                    end.labels.push((key.into(), value.into()));
                }
            }
            Some(("reserved", "host" | "remote-node" | "kube-apiserver")) => {
                end.whose = Whose::Node;
            }
            _ => {}
        }
    }
    end.labels.sort_unstable();
    Ok(end)
}
