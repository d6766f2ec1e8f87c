//! One connection, judged step by step as docs/semantics.md, section 1.3, lists the steps.

use std::net::IpAddr;

use super::Readings;
use super::address::fits;
use super::labels::selects;
use super::objects::{Cluster, IpBlock, Labels, Node, Peer, Pod, PortItem, PortValue, Rule, Spec};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// An end of a connection; the numbers are positions in the [`Cluster`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Pod(usize),
    Node(usize),
    Address(IpAddr),
}

/// May this new connection be opened?
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) from: Who,
    pub(crate) to: Who,
    /// None: IPv4 where both ends have it.
    pub(crate) family: Option<Family>,
    pub(crate) protocol: &'static str,
    /// None for ICMP.
    pub(crate) port: Option<u16>,
    /// The cluster address and port that were dialled.
    pub(crate) service: Option<(IpAddr, u16)>,
    /// The node through which it entered the cluster.
    pub(crate) via_node: Option<usize>,
}

/// An end, seen from the other one.
#[derive(Clone, Copy)]
struct End<'c> {
    pod: Option<&'c Pod>,
    /// The node that it is, or runs on.
    node: Option<&'c Node>,
    /// A node process or a host-network pod.
    on_host: bool,
    address: IpAddr,
}

/// Protocol and port, as one side sees them.
#[derive(Clone, Copy)]
struct Traffic {
    protocol: &'static str,
    port: Option<u16>,
}

pub(crate) struct Oracle<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) readings: &'c Readings,
}

impl<'c> Oracle<'c> {
    pub(crate) fn allowed(&self, question: &Question) -> bool {
        let from = self.owner(question.from);
        let to = self.owner(question.to);
        if let (Who::Pod(a), Who::Pod(b)) = (from, to)
            && a == b
        {
            // K-75, K-76
            if question.service.is_none() || self.readings.hairpin_service == "exempt" {
                return true;
            }
        }
        // K-75: localhost is the pod itself.
        if let Who::Address(ip) = to
            && ["127.0.0.0/8", "::1/128"].iter().any(|cidr| fits(cidr, ip))
        {
            return true;
        }
        // K-68: without a common family there is no connection, and without an address (K-33,
        // K-86) there is no family.
        let dialled = |who| match who {
            Who::Address(ip) => Some(Family::of(ip)),
            _ => None,
        };
        let through = question.service.map(|(ip, _)| Family::of(ip));
        let wanted = question
            .family
            .or(dialled(question.from))
            .or(dialled(question.to))
            .or(through);
        let families = match wanted {
            Some(family) => vec![family],
            None => vec![Family::V4, Family::V6],
        };
        for family in families {
            let ends = (
                self.end(question.from, family),
                self.end(question.to, family),
            );
            if let (Some(source), Some(target)) = ends {
                return self.between(question, source, target, family);
            }
        }
        false
    }

    fn between(
        &self,
        question: &Question,
        source: End<'c>,
        target: End<'c>,
        family: Family,
    ) -> bool {
        if self.own_node(&source, &target) {
            return true;
        }
        // K-61
        if question.protocol == "ICMP" && self.readings.icmp == "exempt" {
            return true;
        }
        let traffic = Traffic {
            protocol: question.protocol,
            port: question.port,
        };
        let (mut seen_target, mut seen_traffic) = (target, traffic);
        if let Some((ip, port)) = question.service
            && self.readings.service_dnat == "pre"
        {
            // K-79: the Service is an address, no pod.
            seen_target = End {
                pod: None,
                node: None,
                on_host: false,
                address: ip,
            };
            seen_traffic.port = Some(port);
        }
        let mut seen_source = source;
        if let (Some(node), Who::Address(_)) = (question.via_node, self.owner(question.from))
            && self.readings.snat == "node-ip"
        {
            // K-82
            let node = self.end(Who::Node(node), family);
            seen_source = node.expect("an entry node has the family of what enters");
        }
        // K-16
        self.side("Egress", &source, &seen_target, seen_traffic)
            && self.side("Ingress", &target, &seen_source, traffic)
    }

    /// Who owns an address: the pod that has it now, else the node that has it.
    fn owner(&self, who: Who) -> Who {
        let Who::Address(ip) = who else {
            return who;
        };
        for (at, pod) in self.cluster.pods.iter().enumerate() {
            // K-72: the address of a host-network pod is its node's.
            if !pod.host_network && is_running(pod) && pod.addresses.contains(&ip) {
                return Who::Pod(at);
            }
        }
        for (at, node) in self.cluster.nodes.iter().enumerate() {
            if node.addresses.contains(&ip) {
                return Who::Node(at);
            }
        }
        who
    }

    /// An end in a family; none where it has no address of that family.
    fn end(&self, who: Who, family: Family) -> Option<End<'c>> {
        // An end given by address has that address and no other.
        let given = match who {
            Who::Address(ip) => Some(ip),
            _ => None,
        };
        let pick = |addresses: &[IpAddr]| match given {
            Some(ip) => (Family::of(ip) == family).then_some(ip),
            None => addresses
                .iter()
                .copied()
                .find(|ip| Family::of(*ip) == family),
        };
        match self.owner(who) {
            Who::Pod(at) => {
                let pod = &self.cluster.pods[at];
                let node = self.node_of(pod);
                if !is_running(pod) {
                    return None;
                }
                let address = match node {
                    // K-72
                    Some(node) if pod.host_network => pick(&node.addresses),
                    _ => pick(&pod.addresses),
                };
                Some(End {
                    pod: Some(pod),
                    node,
                    on_host: pod.host_network,
                    address: address?,
                })
            }
            Who::Node(at) => {
                let node = &self.cluster.nodes[at];
                Some(End {
                    pod: None,
                    node: Some(node),
                    on_host: true,
                    address: pick(&node.addresses)?,
                })
            }
            Who::Address(_) => Some(End {
                pod: None,
                node: None,
                on_host: false,
                address: pick(&[])?,
            }),
        }
    }

    fn node_of(&self, pod: &Pod) -> Option<&'c Node> {
        let name = pod.node.as_ref()?;
        self.cluster.nodes.iter().find(|node| node.name == *name)
    }

    /// A pod and the node it runs on (K-73); a host-network pod counts as its node (K-74).
    fn own_node(&self, source: &End<'_>, target: &End<'_>) -> bool {
        let (Some(a), Some(b)) = (source.node, target.node) else {
            return false;
        };
        if a.name != b.name {
            return false;
        }
        let node_to_pod = source.on_host && target.pod.is_some();
        let pod_to_node = source.pod.is_some() && target.on_host;
        match self.readings.node_local {
            "exempt-both" => node_to_pod || pod_to_node,
            "exempt-ingress" => node_to_pod,
            _ => false,
        }
    }

    /// Whether policies and selectors can mean a pod: it has an address (K-33, K-86) and is not its
    /// node (K-71, K-72).
    fn is_selectable(&self, pod: &Pod) -> bool {
        is_running(pod) && (!pod.host_network || self.readings.host_network == "pod-labels")
    }

    /// Whether a pod is isolated in a direction (K-6, K-7).
    pub(crate) fn is_isolated(&self, pod: usize, direction: &str) -> bool {
        let pod = &self.cluster.pods[pod];
        self.is_selectable(pod) && !self.selecting(pod, direction).is_empty()
    }

    /// The rule lists of the policies that select a pod and cover a direction.
    fn selecting(&self, pod: &Pod, direction: &str) -> Vec<(&'c str, &'c [Rule])> {
        let mut found: Vec<(&'c str, &'c [Rule])> = Vec::new();
        for policy in &self.cluster.policies {
            // K-1
            if policy.namespace != pod.namespace {
                continue;
            }
            // K-5, K-2
            let selector = policy
                .spec
                .as_ref()
                .and_then(|spec| spec.pod_selector.as_ref());
            if selector.is_some_and(|selector| !selects(selector, &pod.labels)) {
                continue;
            }
            let rules = section(policy.spec.as_ref(), direction);
            if self.covers(policy.spec.as_ref(), direction) {
                found.push((&policy.namespace, rules));
            }
        }
        found
    }

    /// K-8, K-9, K-10
    pub(crate) fn covers(&self, spec: Option<&Spec>, direction: &str) -> bool {
        let written = spec
            .and_then(|spec| spec.policy_types.as_deref())
            .unwrap_or_default();
        let has_rules = !section(spec, direction).is_empty();
        if self.readings.policy_types_gate == "sections" && has_rules {
            return true;
        }
        if !written.is_empty() {
            return written.contains(&direction);
        }
        direction == "Ingress" || has_rules
    }

    fn side(&self, direction: &str, own: &End<'_>, other: &End<'_>, traffic: Traffic) -> bool {
        // K-17
        let Some(pod) = own.pod.filter(|pod| self.is_selectable(pod)) else {
            return true;
        };
        let policies = self.selecting(pod, direction);
        // K-6
        if policies.is_empty() {
            return true;
        }
        // K-15
        for (namespace, rules) in policies {
            for rule in rules {
                // K-19
                if self.peers_match(namespace, rule.peers.as_deref(), other)
                    && self.ports_match(direction, rule.ports.as_deref(), pod, other, traffic)
                {
                    return true;
                }
            }
        }
        false
    }

    /// K-20, K-22
    fn peers_match(&self, namespace: &str, peers: Option<&[Peer]>, other: &End<'_>) -> bool {
        let peers = peers.unwrap_or_default();
        if peers.is_empty() {
            return true;
        }
        for peer in peers {
            let matches = match &peer.ip_block {
                Some(block) => self.block_matches(block, other),
                None => self.labels_match(namespace, peer, other),
            };
            if matches {
                return true;
            }
        }
        false
    }

    /// K-24..K-31
    fn labels_match(&self, namespace: &str, peer: &Peer, other: &End<'_>) -> bool {
        let Some(pod) = other.pod.filter(|pod| self.is_selectable(pod)) else {
            return false;
        };
        let namespace_matches = match &peer.namespace_selector {
            None => pod.namespace == namespace,
            Some(selector) => selects(selector, &self.labels_of(&pod.namespace)),
        };
        let pod_matches = match &peer.pod_selector {
            None => true,
            Some(selector) => selects(selector, &pod.labels),
        };
        namespace_matches && pod_matches
    }

    /// K-35, M-3
    fn labels_of(&self, name: &str) -> Labels {
        let mut labels = Labels::new();
        for namespace in &self.cluster.namespaces {
            if namespace.name == name {
                labels = namespace.labels.clone();
            }
        }
        labels.insert("kubernetes.io/metadata.name".into(), name.into());
        labels
    }

    /// K-63..K-70
    fn block_matches(&self, block: &IpBlock, other: &End<'_>) -> bool {
        if other.on_host {
            if self.readings.ipblock_nodes == "false" {
                return false;
            }
        } else if other.pod.is_some() && self.readings.ipblock_pods == "never" {
            return false;
        }
        let left_out = block.except.as_deref().unwrap_or_default();
        fits(&block.cidr, other.address)
            && !left_out.iter().any(|except| fits(except, other.address))
    }

    fn ports_match(
        &self,
        direction: &str,
        items: Option<&[PortItem]>,
        subject: &Pod,
        other: &End<'_>,
        traffic: Traffic,
    ) -> bool {
        let items = items.unwrap_or_default();
        let Some(port) = traffic.port else {
            // K-61: no item can name ICMP.
            return items.is_empty() && self.readings.icmp != "drop";
        };
        // K-21
        if items.is_empty() {
            return true;
        }
        // K-52, K-53, K-57
        let named = if direction == "Ingress" {
            Some(subject)
        } else {
            other.pod.filter(|pod| self.is_selectable(pod))
        };
        for item in items {
            // K-47
            if item.protocol.unwrap_or("TCP") != traffic.protocol {
                continue;
            }
            let matches = match &item.port {
                // K-48
                None => true,
                // K-49, K-50
                Some(PortValue::Number(first)) => {
                    let last = match item.end_port {
                        Some(last) if self.readings.endport == "supported" => last,
                        _ => *first,
                    };
                    *first <= port && port <= last
                }
                Some(PortValue::Name(name)) => {
                    named.is_some_and(|pod| calls(pod, name, traffic.protocol, port))
                }
            };
            if matches {
                return true;
            }
        }
        false
    }

    /// The pods and ports behind a port of a Service that has a selector (K-79).
    pub(crate) fn backends(&self, service: usize, port: u16, protocol: &str) -> Vec<(usize, u16)> {
        let service = &self.cluster.services[service];
        let declared = service.ports.iter().find(|declared| {
            declared.port == port && declared.protocol.unwrap_or("TCP") == protocol
        });
        let declared = declared.expect("asked for a port that is there");
        let mut found = Vec::new();
        for (at, pod) in self.cluster.pods.iter().enumerate() {
            let selected = service
                .selector
                .iter()
                .all(|(key, value)| pod.labels.get(key) == Some(value));
            if pod.namespace != service.namespace || !selected || !is_running(pod) {
                continue;
            }
            let target = match &declared.target {
                None => Some(declared.port),
                Some(PortValue::Number(number)) => Some(*number),
                // The first container port of that name and protocol.
                Some(PortValue::Name(name)) => container_ports(pod)
                    .find(|(known, _, of)| *known == Some(name.as_str()) && *of == protocol)
                    .map(|(_, number, _)| number),
            };
            found.extend(target.map(|target| (at, target)));
        }
        found
    }
}

fn section<'c>(spec: Option<&'c Spec>, direction: &str) -> &'c [Rule] {
    let Some(spec) = spec else {
        return &[];
    };
    let rules = match direction {
        "Ingress" => &spec.ingress,
        _ => &spec.egress,
    };
    rules.as_deref().unwrap_or_default()
}

/// Owns an address now (K-33, K-85, K-86).
fn is_running(pod: &Pod) -> bool {
    let ended = pod.phase == "Succeeded" || pod.phase == "Failed";
    let placed = pod.host_network && pod.node.is_some();
    !ended && (placed || !pod.addresses.is_empty())
}

/// Name, number and protocol of the ports of all containers (K-55, K-87).
fn container_ports(pod: &Pod) -> impl Iterator<Item = (Option<&str>, u16, &str)> {
    let main = pod.containers.iter().filter(|container| !container.sidecar);
    let sidecars = pod.containers.iter().filter(|container| container.sidecar);
    main.chain(sidecars)
        .flat_map(|container| &container.ports)
        .map(|port| {
            let protocol = port.protocol.unwrap_or("TCP");
            (port.name.as_deref(), port.number, protocol)
        })
}

/// K-54
fn calls(pod: &Pod, name: &str, protocol: &str, number: u16) -> bool {
    container_ports(pod).any(|port| port == (Some(name), number, protocol))
}
