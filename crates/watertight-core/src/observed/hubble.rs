//! Flows of Hubble: `hubble observe -o json` (a flow a line) and `-o jsonpb` (each in `flow`).
//!
//! Every packet that Hubble saw is an entry. Replies are turned round, so that what counts is who
//! opened the connection; what was seen on both ends is two entries with one [`Reporter`] each.

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
    let reply = is_reply(flow, &traffic)?;
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
    // The reply to an echo is not what was sent first.
    if reply && traffic.protocol == Protocol::Icmp {
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

/// Whether a packet goes back to who opened the connection.
fn is_reply(flow: Node<'_, '_>, traffic: &Traffic) -> Result<bool, Wrong> {
    if let Some(value) = field(flow, &["is_reply"]) {
        return value.bool().ok_or_else(|| {
            let message = "expected `is_reply` to be true or false".to_owned();
            (value.span(), message)
        });
    }
    let echo_reply = traffic
        .icmp
        .is_some_and(|icmp| matches!(icmp.kind, 0 | 129));
    let answer = traffic.flags == Some((true, true));
    // The older field; if it is false, it may as well not be known.
    let older = flow.get("reply").and_then(Node::bool) == Some(true);
    Ok(older || answer || echo_reply)
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
