//! Services and the addresses behind them.

use std::borrow::Cow;
use std::net::IpAddr;

use super::decode::{Decoder, Unknown};
use super::pod::text_of;
use crate::document::Node;
use crate::sets::Protocol;
use crate::source::Span;

const OTHER_FIELDS: &[&str] = &[
    "externalName",
    "healthCheckNodePort",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "loadBalancerClass",
    "loadBalancerIP",
    "publishNotReadyAddresses",
    "sessionAffinity",
    "sessionAffinityConfig",
    "trafficDistribution",
];

/// Where a Service sends the connections of one of its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort<'s> {
    /// A number.
    Number(u16),
    /// The name of a container port, looked up in each backend.
    Name(Cow<'s, str>),
}

/// A port of a Service.
#[derive(Clone, Debug)]
pub struct ServicePort<'s> {
    /// The name, if it has one.
    pub name: Option<Cow<'s, str>>,
    /// The port that clients dial.
    pub port: u16,
    /// The port of the backends.
    pub target: TargetPort<'s>,
    /// The protocol.
    pub protocol: Protocol,
    /// The port on every node, if it has one.
    pub node_port: Option<u16>,
    /// Where it is.
    pub span: Span,
}

/// The spec of a Service.
#[derive(Clone, Debug, Default)]
pub struct Service<'s> {
    /// The labels of its backends; empty for a Service whose endpoints somebody else writes (K-83).
    pub selector: Vec<(Cow<'s, str>, Cow<'s, str>)>,
    /// The cluster addresses; none for headless and ExternalName Services.
    pub cluster_ips: Vec<IpAddr>,
    /// Whether it has no cluster address in any cluster: `clusterIP: None`.
    pub headless: bool,
    /// The ports.
    pub ports: Vec<ServicePort<'s>>,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    pub kind: Option<Cow<'s, str>>,
    /// How it is reached from outside of the cluster.
    pub published: Published,
}

/// How a Service is reached from outside of the cluster, besides its node ports (K-82).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Addresses that nodes translate: those of its load balancer that nodes see, and `externalIPs`.
    pub ips: Vec<IpAddr>,
    /// Whether a node sends clients from outside to its own pods alone, and leaves their addresses as they are:
    /// `externalTrafficPolicy: Local`.
    pub local: bool,
    /// Whether the load balancer admits some clients only: `loadBalancerSourceRanges`.
    pub restricted: bool,
    /// Whether the load balancer does without node ports: `allocateLoadBalancerNodePorts: false`.
    pub portless: bool,
}

pub(super) fn decode<'s>(
    decoder: &mut Decoder,
    node: Option<Node<'_, 's>>,
    status: Option<Node<'_, 's>>,
) -> Service<'s> {
    let Some(node) = node else {
        return Service::default();
    };
    decoder.field("spec", |decoder| {
        let [
            selector,
            cluster_ip,
            cluster_ips,
            ports,
            kind,
            external,
            policy,
            ranges,
            allocate,
        ] = decoder.fields(
            node,
            [
                "selector",
                "clusterIP",
                "clusterIPs",
                "ports",
                "type",
                "externalIPs",
                "externalTrafficPolicy",
                "loadBalancerSourceRanges",
                "allocateLoadBalancerNodePorts",
            ],
            Unknown::NearMiss(OTHER_FIELDS),
        );
        let mut labels = Vec::new();
        decoder.string_map("selector", selector, |_, key, value| {
            labels.push((key.value, value.value));
        });
        let listed = cluster_ips.into_iter().flat_map(Node::items);
        let mut addresses: Vec<IpAddr> = listed.filter_map(|ip| ip.str()?.parse().ok()).collect();
        if addresses.is_empty() {
            addresses.extend(cluster_ip.and_then(|ip| ip.str()?.parse::<IpAddr>().ok()));
        }
        Service {
            selector: labels,
            cluster_ips: addresses,
            headless: cluster_ip.and_then(Node::str) == Some("None"),
            ports: decoder.items("ports", ports, service_port),
            kind: decoder.text("type", kind).map(|text| text.value),
            published: Published {
                ips: published_ips(external, status),
                local: policy.and_then(Node::str) == Some("Local"),
                restricted: ranges.is_some_and(|ranges| ranges.items().next().is_some()),
                portless: allocate.and_then(|allocate| allocate.bool()) == Some(false),
            },
        }
    })
}

/// `externalIPs`, and the addresses of the load balancer. Those of one that is a proxy are not seen by nodes.
fn published_ips(external: Option<Node<'_, '_>>, status: Option<Node<'_, '_>>) -> Vec<IpAddr> {
    let external = external.into_iter().flat_map(Node::items);
    let ingress = status
        .and_then(|status| status.get("loadBalancer")?.get("ingress"))
        .into_iter()
        .flat_map(Node::items);
    let is_seen =
        |ingress: &Node<'_, '_>| ingress.get("ipMode").and_then(Node::str) != Some("Proxy");
    let balancer = ingress
        .filter(is_seen)
        .filter_map(|ingress| ingress.get("ip"));
    let mut ips: Vec<IpAddr> = external
        .chain(balancer)
        .filter_map(|ip| ip.str()?.parse().ok())
        .collect();
    ips.sort_unstable();
    ips.dedup();
    ips
}

fn service_port<'s>(decoder: &mut Decoder, node: Node<'_, 's>) -> Option<ServicePort<'s>> {
    let [name, port, target, protocol, node_port] = decoder.fields(
        node,
        ["name", "port", "targetPort", "protocol", "nodePort"],
        Unknown::NearMiss(&["appProtocol"]),
    );
    let name = decoder.text("name", name).map(|text| text.value);
    let (value, span) = decoder.integer("port", port)?;
    let Ok(port @ 1..) = u16::try_from(value) else {
        let message = format!("service port {value} is not between 1 and 65535");
        decoder.invalid(span, message, &[], None);
        return None;
    };
    let target = match target {
        None => TargetPort::Number(port),
        Some(node) => match (node.integer(), node.string()) {
            (Some(0), _) => TargetPort::Number(port),
            (Some(number), _) => TargetPort::Number(u16::try_from(number).ok()?),
            (None, Some(text)) => match text.parse::<u16>() {
                Ok(number) => TargetPort::Number(number),
                Err(_) => TargetPort::Name(text),
            },
            (None, None) => return None,
        },
    };
    Some(ServicePort {
        name,
        port,
        target,
        protocol: decoder
            .text("protocol", protocol)
            .map_or(Some(Protocol::Tcp), |text| Protocol::from_api(&text))?,
        node_port: decoder
            .integer("nodePort", node_port)
            .and_then(|(port, _)| u16::try_from(port).ok()),
        span: node.span(),
    })
}

/// Addresses and ports behind a Service: one EndpointSlice, or one subset of an Endpoints object.
#[derive(Clone, Debug)]
pub struct EndpointSet<'s> {
    /// The Service's name.
    pub service: Cow<'s, str>,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// The ports, by the name of the Service port.
    pub ports: Vec<(Option<Cow<'s, str>>, u16, Protocol)>,
}

fn endpoint_ports<'s>(node: Option<Node<'_, 's>>) -> Vec<(Option<Cow<'s, str>>, u16, Protocol)> {
    node.into_iter()
        .flat_map(Node::items)
        .filter_map(|port| {
            let number = u16::try_from(port.get("port")?.integer()?).ok()?;
            let protocol = match port.get("protocol").and_then(Node::str) {
                None => Protocol::Tcp,
                Some(text) => Protocol::from_api(text)?,
            };
            let name = port.get("name").and_then(Node::string);
            Some((name.filter(|name| !name.is_empty()), number, protocol))
        })
        .collect()
}

/// An EndpointSlice: server data, read without complaint.
pub(super) fn slice<'s>(object: Node<'_, 's>) -> Option<EndpointSet<'s>> {
    let label = object
        .get("metadata")?
        .get("labels")?
        .get("kubernetes.io/service-name");
    let service = text_of(label)?.value;
    let addresses = object
        .get("endpoints")
        .into_iter()
        .flat_map(Node::items)
        .filter_map(|endpoint| endpoint.get("addresses"))
        .flat_map(Node::items)
        .filter_map(|address| address.str()?.parse().ok())
        .collect();
    Some(EndpointSet {
        service,
        addresses,
        ports: endpoint_ports(object.get("ports")),
    })
}

/// The subsets of an Endpoints object.
pub(super) fn subsets<'s>(object: Node<'_, 's>) -> Vec<EndpointSet<'s>> {
    let Some(service) = text_of(object.get("metadata").and_then(|meta| meta.get("name"))) else {
        return Vec::new();
    };
    object
        .get("subsets")
        .into_iter()
        .flat_map(Node::items)
        .map(|subset| EndpointSet {
            service: service.value.clone(),
            addresses: subset
                .get("addresses")
                .into_iter()
                .flat_map(Node::items)
                .filter_map(|address| address.get("ip")?.str()?.parse().ok())
                .collect(),
            ports: endpoint_ports(subset.get("ports")),
        })
        .collect()
}
