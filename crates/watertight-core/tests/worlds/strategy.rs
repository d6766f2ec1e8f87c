//! Whole clusters, and the readings to judge them by.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::policies::{
    self, NAMESPACE_KEYS, NAMESPACE_VALUES, NAMESPACES, POD_KEYS, POD_VALUES, PORT_NAMES, PORTS,
    RawPolicy, labels, one_of,
};
use super::{Described, Format, Spelling, addresses};
use crate::oracle::Readings;
use crate::oracle::objects::{
    Cluster, Container, ContainerPort, Labels, Namespace, Node, Pod, PortValue, Service,
    ServicePort,
};

#[derive(Clone, Copy, Debug)]
enum Stack {
    Dual,
    V4,
    V6,
}

impl Stack {
    fn take(self, v4: IpAddr, v6: IpAddr) -> Vec<IpAddr> {
        match self {
            Self::Dual => vec![v4, v6],
            Self::V4 => vec![v4],
            Self::V6 => vec![v6],
        }
    }
}

fn stack() -> impl Strategy<Value = Stack> {
    prop_oneof![3 => Just(Stack::Dual), 2 => Just(Stack::V4), 1 => Just(Stack::V6)]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Starting,
    Terminating,
    HostNetwork,
    /// On the host network, before anybody has reported its address.
    HostNetworkPending,
    /// No address yet.
    Unscheduled,
    Succeeded,
    /// Its former address belongs to another pod now.
    FailedAndReused,
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        10 => Just(State::Running),
        1 => Just(State::Starting),
        1 => Just(State::Terminating),
        3 => Just(State::HostNetwork),
        1 => Just(State::HostNetworkPending),
        1 => Just(State::Unscheduled),
        1 => Just(State::Succeeded),
        1 => Just(State::FailedAndReused),
    ]
}

#[derive(Clone, Debug)]
struct RawPod {
    /// It is as the pod before it but for the value of a label and its ports.
    twin: Option<&'static str>,
    namespace: usize,
    node: usize,
    labels: Labels,
    state: State,
    stack: Stack,
    containers: Vec<Container>,
}

#[derive(Clone, Debug)]
struct RawNode {
    stack: Stack,
    /// A second IPv4 address, of type ExternalIP.
    external: bool,
}

#[derive(Clone, Debug)]
struct RawService {
    namespace: usize,
    labels: Labels,
    headless: bool,
    stack: Stack,
    v6_first: bool,
    ports: Vec<ServicePort>,
}

#[derive(Clone, Debug)]
struct Raw {
    namespaces: Vec<Option<Labels>>,
    nodes: Vec<RawNode>,
    pods: Vec<RawPod>,
    services: Vec<RawService>,
    policies: Vec<RawPolicy>,
}

fn container() -> impl Strategy<Value = Container> {
    let port = (
        prop::option::weighted(0.8, one_of(PORT_NAMES)),
        one_of(PORTS),
        policies::protocol(),
    );
    let ports = prop::collection::vec(port, 0..=3);
    (prop::bool::weighted(0.2), ports).prop_map(|(sidecar, ports)| {
        // Within one container names are unique; the API asks for that.
        let mut seen = BTreeSet::new();
        let port = |(name, number, protocol): (Option<&'static str>, _, _)| ContainerPort {
            name: name.filter(|name| seen.insert(*name)).map(str::to_owned),
            number,
            protocol,
        };
        Container {
            sidecar,
            ports: ports.into_iter().map(port).collect(),
        }
    })
}

fn pod() -> impl Strategy<Value = RawPod> {
    (
        prop::option::weighted(0.25, one_of(POD_VALUES)),
        0..NAMESPACES.len(),
        0..3usize,
        labels(POD_KEYS, POD_VALUES, 3),
        state(),
        stack(),
        prop::collection::vec(container(), 1..=2),
    )
        .prop_map(
            |(twin, namespace, node, labels, state, stack, containers)| RawPod {
                twin,
                namespace,
                node,
                labels,
                state,
                stack,
                containers,
            },
        )
}

fn service() -> impl Strategy<Value = RawService> {
    let target = prop_oneof![
        1 => Just(None),
        2 => one_of(PORTS).prop_map(|port| Some(PortValue::Number(port))),
        2 => one_of(PORT_NAMES).prop_map(|name| Some(PortValue::Name(name.into()))),
    ];
    let port = (one_of(PORTS), target, policies::protocol());
    let ports = prop::collection::vec(port, 1..=2).prop_map(|ports| {
        let mut seen = BTreeSet::new();
        ports
            .into_iter()
            .filter(|(port, _, protocol)| seen.insert((*port, protocol.unwrap_or("TCP"))))
            .enumerate()
            .map(|(at, (port, target, protocol))| ServicePort {
                name: format!("port{at}"),
                port,
                target,
                protocol,
            })
            .collect()
    });
    (
        0..NAMESPACES.len(),
        labels(POD_KEYS, POD_VALUES, 1),
        prop::bool::weighted(0.2),
        stack(),
        any::<bool>(),
        ports,
    )
        .prop_map(
            |(namespace, labels, headless, stack, v6_first, ports)| RawService {
                namespace,
                labels,
                headless,
                stack,
                v6_first,
                ports,
            },
        )
}

fn raw() -> impl Strategy<Value = Raw> {
    let labels = labels(NAMESPACE_KEYS, NAMESPACE_VALUES, 2);
    let namespace = prop::option::weighted(0.8, labels.boxed());
    let node = (stack(), prop::bool::weighted(0.3))
        .prop_map(|(stack, external)| RawNode { stack, external });
    let namespaces = prop_oneof![
        3 => prop::collection::vec(namespace.clone(), 1..=2),
        1 => prop::collection::vec(namespace, 3..=4),
    ];
    (
        namespaces,
        prop::collection::vec(node, 1..=3),
        prop::collection::vec(pod(), 1..=6),
        prop::collection::vec(service(), 0..=2),
        prop::collection::vec(policies::policy(), 0..=6),
    )
        .prop_map(|(namespaces, nodes, mut pods, services, policies)| {
            for at in 1..pods.len() {
                if let (before, [pod, ..]) = pods.split_at_mut(at) {
                    pod.follow(&before[at - 1]);
                }
            }
            Raw {
                namespaces,
                nodes,
                pods,
                services,
                policies,
            }
        })
}

impl RawPod {
    fn follow(&mut self, other: &Self) {
        if let Some(value) = self.twin {
            *self = Self {
                twin: self.twin,
                containers: std::mem::take(&mut self.containers),
                ..other.clone()
            };
            if let Some(label) = self.labels.values_mut().next() {
                *label = value.into();
            }
        }
    }
}

fn v4(text: String) -> IpAddr {
    text.parse().unwrap()
}

impl Raw {
    fn finish(&self) -> Cluster {
        let count = self.namespaces.len();
        let mut cluster = Cluster::default();
        for (name, labels) in NAMESPACES.iter().zip(&self.namespaces) {
            cluster
                .namespaces
                .extend(labels.as_ref().map(|labels| Namespace {
                    name: (*name).into(),
                    labels: labels.clone(),
                }));
        }
        for (at, raw) in self.nodes.iter().enumerate() {
            let n = at + 1;
            let mut addresses = raw
                .stack
                .take(v4(format!("192.168.0.{n}")), v4(format!("fd01::{n}")));
            if raw.external {
                addresses.push(v4(format!("203.0.113.{n}")));
            }
            cluster.nodes.push(Node {
                name: format!("n{n}"),
                labels: Labels::new(),
                addresses,
            });
        }
        for (at, raw) in self.pods.iter().enumerate() {
            cluster.pods.push(self.pod(at, raw, &cluster.nodes));
        }
        for (at, raw) in self.services.iter().enumerate() {
            let mut ips = raw.stack.take(
                v4(format!("10.96.0.{}", at + 1)),
                v4(format!("fd02::{}", at + 1)),
            );
            if raw.v6_first {
                ips.reverse();
            }
            if raw.headless {
                ips.clear();
            }
            let mut selector = raw.labels.clone();
            if selector.is_empty() {
                selector.insert("app".into(), "web".into());
            }
            cluster.services.push(Service {
                namespace: NAMESPACES[raw.namespace % count].into(),
                name: format!("s{at}"),
                selector,
                cluster_ips: ips,
                ports: raw.ports.clone(),
            });
        }
        let pool = addresses::pool(&cluster);
        for (at, raw) in self.policies.iter().enumerate() {
            cluster.policies.push(raw.finish(at, count, &pool));
        }
        cluster
    }

    fn pod(&self, at: usize, raw: &RawPod, nodes: &[Node]) -> Pod {
        let namespace = raw.namespace % self.namespaces.len();
        let node = &nodes[raw.node % nodes.len()];
        let own = |at: usize| {
            let raw = &self.pods[at % self.pods.len()];
            let namespace = raw.namespace % self.namespaces.len();
            raw.stack.take(
                v4(format!("10.0.{namespace}.{at}")),
                v4(format!("fd00::{namespace}:{at:x}")),
            )
        };
        // Kubernetes reports at most one address a family, internal ones first.
        let mut of_node = node.addresses.clone();
        of_node.dedup_by_key(|ip| ip.is_ipv4());
        of_node.truncate(2);
        let (phase, addresses) = match raw.state {
            State::Running | State::Terminating => ("Running", own(at)),
            State::Starting => ("Pending", own(at)),
            State::HostNetwork => ("Running", of_node),
            State::HostNetworkPending | State::Unscheduled => ("Pending", Vec::new()),
            State::Succeeded => ("Succeeded", own(at)),
            State::FailedAndReused => ("Failed", own((at + 1) % self.pods.len())),
        };
        Pod {
            namespace: NAMESPACES[namespace].into(),
            name: format!("a{at}"),
            labels: raw.labels.clone(),
            node: (raw.state != State::Unscheduled).then(|| node.name.clone()),
            host_network: matches!(raw.state, State::HostNetwork | State::HostNetworkPending),
            phase,
            terminating: raw.state == State::Terminating,
            addresses,
            containers: raw.containers.clone(),
        }
    }
}

fn spelling() -> impl Strategy<Value = Spelling> {
    let format = one_of(&[Format::JsonList, Format::JsonFiles, Format::Yaml]);
    (format, any::<bool>(), any::<bool>()).prop_map(|(format, nulls, bare)| Spelling {
        format,
        nulls,
        bare,
    })
}

/// Clusters of 1-4 namespaces, 1-3 nodes, 1-6 pods, 0-2 Services and 0-6 policies.
pub(crate) fn worlds() -> impl Strategy<Value = Described> {
    (raw(), spelling()).prop_map(|(raw, spelling)| Described {
        cluster: raw.finish(),
        spelling,
    })
}

/// The default readings half of the time, else some others.
pub(crate) fn readings() -> impl Strategy<Value = Readings> {
    prop_oneof![Just(Readings::default()), other_readings()]
}

/// Readings of which about half are not the default.
pub(crate) fn other_readings() -> impl Strategy<Value = Readings> {
    fn either(
        default: &'static str,
        other: &'static [&'static str],
    ) -> impl Strategy<Value = &'static str> {
        prop_oneof![Just(default), one_of(other)]
    }
    (
        either("exempt-both", &["exempt-ingress", "none"]),
        either("node-ip", &["pod-labels"]),
        either("match", &["never"]),
        either("true", &["false"]),
        either("all-ports-rules", &["exempt", "drop"]),
        either("supported", &["first-only"]),
        either("strict", &["sections"]),
        either("exempt", &["policed"]),
        either("post", &["pre"]),
        either("preserve", &["node-ip"]),
    )
        .prop_map(
            |(local, host, pods, nodes, icmp, endport, gate, hairpin, dnat, snat)| Readings {
                node_local: local,
                host_network: host,
                ipblock_pods: pods,
                ipblock_nodes: nodes,
                icmp,
                endport,
                policy_types_gate: gate,
                hairpin_service: hairpin,
                service_dnat: dnat,
                snat,
                ..Readings::default()
            },
        )
}
