//! Flow logs of Calico: of Enterprise and Cloud (`source_name_aggr`, `num_flows`), of Whisker
//! (no addresses, labels as one text) and of Goldmane (`sourceName`, in `Key`).
//!
//! A flow is reported by its source and by its destination; one that the destination refuses is
//! allowed in the other report.

use super::collect::Collector;
use super::fields::{Wrong, field, ip, number, port, protocol, said, tells_kind_of_pod, text};
use super::{End, Record, Reporter, Whose};
use crate::document::{Kind, Node};
use crate::sets::Protocol;

/// The spellings of the fields of one end.
struct Fields {
    namespace: [&'static str; 2],
    name: [&'static str; 2],
    aggregated: [&'static str; 1],
    ip: [&'static str; 2],
    labels: [&'static str; 2],
    kind: [&'static str; 2],
}

const SOURCE: Fields = Fields {
    namespace: ["source_namespace", "sourceNamespace"],
    name: ["source_name", "sourceName"],
    aggregated: ["source_name_aggr"],
    ip: ["source_ip", "sourceIp"],
    labels: ["source_labels", "sourceLabels"],
    kind: ["source_type", "sourceType"],
};

const DEST: Fields = Fields {
    namespace: ["dest_namespace", "destNamespace"],
    name: ["dest_name", "destName"],
    aggregated: ["dest_name_aggr"],
    ip: ["dest_ip", "destIp"],
    labels: ["dest_labels", "destLabels"],
    kind: ["dest_type", "destType"],
};

/// The values of a record, and those of its key.
fn parts<'d, 's>(node: Node<'d, 's>) -> [Node<'d, 's>; 2] {
    let flow = field(node, &["flow"]).unwrap_or(node);
    [flow, field(flow, &["Key", "key"]).unwrap_or(flow)]
}

/// Whether this is a flow of Calico.
pub(super) fn is_flow(node: Node<'_, '_>) -> bool {
    let [_, key] = parts(node);
    let there = |names: &[&str]| field(key, names).is_some();
    there(&SOURCE.name) && there(&DEST.name) || there(&SOURCE.namespace) && there(&DEST.namespace)
}

/// Reads a record.
pub(super) fn decode(node: Node<'_, '_>, collector: &mut Collector) -> Result<(), Wrong> {
    let [flow, key] = parts(node);
    if !is_flow(node) {
        let message = "expected a flow of Calico, which has `source_name` and `dest_name`";
        return Err((node.span(), message.to_owned()));
    }
    let word = proto(key)?;
    let Some(protocol) = word.as_deref().and_then(protocol) else {
        if word.is_none() {
            let message = "expected `proto` or `protocol` to say tcp, udp, sctp or icmp";
            return Err((node.span(), message.to_owned()));
        }
        collector.pass_over();
        return Ok(());
    };
    let action = text(key, &["action"])?.unwrap_or_default();
    let refused = match action.to_ascii_lowercase().as_str() {
        "allow" => false,
        "deny" => true,
        _ => {
            let at = field(key, &["action"]).unwrap_or(node);
            let message = format!("expected `action` to be allow or deny, found `{action}`");
            return Err((at.span(), message));
        }
    };
    let reporter = match text(key, &["reporter"])?.unwrap_or_default() {
        "src" | "Src" | "source" => Reporter::Source,
        "dst" | "Dst" | "dest" => Reporter::Destination,
        _ => Reporter::Unsaid,
    };
    let port = port(key, &["dest_port", "destPort"])?;
    if port.is_none() && protocol != Protocol::Icmp {
        // Aggregated so far that the port is gone, or a port scan.
        let at = field(key, &["dest_port", "destPort"]).unwrap_or(node);
        let message = "expected `dest_port` to be a port from 1 to 65535";
        return Err((at.span(), message.to_owned()));
    }
    let times = ["num_flows", "num_flows_started"];
    let times = match number(flow, &times)? {
        Some(times) => Some(times),
        None => number(flow, &["numConnectionsLive", "numConnectionsStarted"])?,
    };
    let mut to = end(flow, key, &DEST)?;
    if let Some(domains) = field(flow, &["dest_domains"]) {
        to.names = domains
            .items()
            .filter_map(Node::str)
            .map(Into::into)
            .collect();
    }
    collector.add(Record {
        from: end(flow, key, &SOURCE)?,
        to,
        protocol,
        port: port.filter(|_| protocol != Protocol::Icmp),
        icmp: None,
        dialled: None,
        reporter,
        refused,
        times: times.unwrap_or(1).max(1),
        span: node.span(),
    });
    Ok(())
}

/// The protocol, which is a word or a number.
fn proto(key: Node<'_, '_>) -> Result<Option<String>, Wrong> {
    let keys = ["proto", "protocol"];
    match field(key, &keys) {
        Some(value) if value.kind() == Kind::Number => Ok(Some(value.as_written().to_owned())),
        _ => Ok(text(key, &keys)?.map(str::to_owned)),
    }
}

fn end(flow: Node<'_, '_>, key: Node<'_, '_>, fields: &Fields) -> Result<End, Wrong> {
    let mut end = End {
        namespace: said(key, &fields.namespace)?.map(Into::into),
        ip: ip(key, &fields.ip)?,
        ..End::default()
    };
    let aggregated = said(key, &fields.aggregated)?;
    let name = said(key, &fields.name)?.or(aggregated);
    let kind = text(key, &fields.kind)?.unwrap_or_default();
    match (kind, name, aggregated) {
        (_, Some("pub" | "PUBLIC NETWORK"), _) | (_, _, Some("pub")) => end.whose = Whose::Public,
        (_, Some("pvt" | "PRIVATE NETWORK"), _) | (_, _, Some("pvt")) => end.whose = Whose::Private,
        ("hep" | "HostEndpoint", name, aggregated) => {
            end.whose = Whose::Node;
            end.node = aggregated.or(name).map(Into::into);
        }
        // A set of networks: what counts is the address.
        ("ns" | "NetworkSet" | "net" | "Network", _, _) => end.namespace = None,
        (_, name, _) => end.pod = name.map(Into::into),
    }
    if matches!(end.whose, Whose::Public | Whose::Private) {
        end.namespace = None;
    }
    end.labels = labels(field(flow, &fields.labels));
    Ok(end)
}

/// `{"labels": ["a=b"]}`, `["a=b"]`, or `a=b | c=d`.
fn labels(node: Option<Node<'_, '_>>) -> Vec<(Box<str>, Box<str>)> {
    let Some(node) = node else {
        return Vec::new();
    };
    let list = node.get("labels").unwrap_or(node);
    let written: Vec<&str> = match list.str() {
        Some(text) => text.split(['|', ',']).map(str::trim).collect(),
        None => list.items().filter_map(Node::str).collect(),
    };
    let split = written.iter().filter_map(|label| label.split_once('='));
    let mut found: Vec<_> = split
        .filter(|(key, _)| tells_kind_of_pod(key))
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    found.sort_unstable();
    found
}
