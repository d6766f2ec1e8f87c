//! Kubernetes objects as the API shapes them, as plain data.
//!
//! `None` is a field that is missing or null; `Some` of an empty list or map is one that is written
//! and empty. What these mean is the judge's business.

use std::collections::BTreeMap;
use std::net::IpAddr;

pub(crate) type Labels = BTreeMap<String, String>;

/// Everything in a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cluster {
    /// Namespaces that have an object; others exist by being used (M-3).
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) services: Vec<Service>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) cluster_policies: Vec<ClusterPolicy>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Namespace {
    pub(crate) name: String,
    /// As written, perhaps with a wrong name label.
    pub(crate) labels: Labels,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) labels: Labels,
    /// Internal addresses first.
    pub(crate) addresses: Vec<IpAddr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) node: Option<String>,
    pub(crate) host_network: bool,
    pub(crate) phase: &'static str,
    pub(crate) terminating: bool,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) containers: Vec<Container>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Container {
    /// A restartable init container.
    pub(crate) sidecar: bool,
    pub(crate) ports: Vec<ContainerPort>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ContainerPort {
    pub(crate) name: Option<String>,
    pub(crate) number: u16,
    pub(crate) protocol: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) spec: Option<Spec>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spec {
    pub(crate) pod_selector: Option<Selector>,
    pub(crate) policy_types: Option<Vec<&'static str>>,
    pub(crate) ingress: Option<Vec<Rule>>,
    pub(crate) egress: Option<Vec<Rule>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rule {
    /// `from` or `to`.
    pub(crate) peers: Option<Vec<Peer>>,
    pub(crate) ports: Option<Vec<PortItem>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Peer {
    pub(crate) pod_selector: Option<Selector>,
    pub(crate) namespace_selector: Option<Selector>,
    pub(crate) ip_block: Option<IpBlock>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IpBlock {
    pub(crate) cidr: String,
    pub(crate) except: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PortItem {
    pub(crate) protocol: Option<&'static str>,
    pub(crate) port: Option<PortValue>,
    pub(crate) end_port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PortValue {
    Number(u16),
    Name(String),
}

/// A ClusterNetworkPolicy, or the AdminNetworkPolicy that says the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClusterPolicy {
    pub(crate) name: String,
    /// `Admin` or `Baseline`.
    pub(crate) tier: &'static str,
    pub(crate) priority: u16,
    /// Written as an AdminNetworkPolicy of v1alpha1, which knows the tier Admin only.
    pub(crate) old: bool,
    pub(crate) subject: PodsOf,
    pub(crate) ingress: Vec<ClusterRule>,
    pub(crate) egress: Vec<ClusterRule>,
}

/// `namespaces` or `pods`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PodsOf {
    Namespaces(Selector),
    Pods(Option<Selector>, Selector),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClusterRule {
    /// `Accept`, `Deny` or `Pass`.
    pub(crate) action: &'static str,
    pub(crate) peers: Vec<ClusterPeer>,
    pub(crate) protocols: Option<Vec<ProtocolItem>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClusterPeer {
    Pods(PodsOf),
    Nodes(Selector),
    Networks(Vec<String>),
    DomainNames(Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ProtocolItem {
    Number(&'static str, u16),
    Range(&'static str, u16, u16),
    Named(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector {
    pub(crate) match_labels: Option<Labels>,
    pub(crate) match_expressions: Option<Vec<Expression>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expression {
    pub(crate) key: String,
    pub(crate) operator: &'static str,
    pub(crate) values: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) selector: Labels,
    /// None for a headless Service.
    pub(crate) cluster_ips: Vec<IpAddr>,
    pub(crate) ports: Vec<ServicePort>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServicePort {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) target: Option<PortValue>,
    pub(crate) protocol: Option<&'static str>,
}
