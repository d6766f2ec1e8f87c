//! One connection, judged step by step as docs/semantics.md, section 1.3, lists the steps.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Readings;
use super::address::fits;
use super::objects::{Cluster, Node, Pod};

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
pub(super) struct End<'c> {
    pub(super) pod: Option<&'c Pod>,
    /// The node that it is, or runs on.
    pub(super) node: Option<&'c Node>,
    /// A node process or a host-network pod.
    pub(super) on_host: bool,
    pub(super) address: IpAddr,
}

/// Protocol and port, as one side sees them.
#[derive(Clone, Copy)]
pub(super) struct Traffic {
    pub(super) protocol: &'static str,
    pub(super) port: Option<u16>,
}

pub(crate) struct Oracle<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) readings: &'c Readings,
}

impl<'c> Oracle<'c> {
    /// The answer to a question that has one only.
    pub(crate) fn allowed(&self, question: &Question) -> bool {
        let outcomes = self.outcomes(question);
        assert_eq!(outcomes.len(), 1, "{question:?} has two answers");
        outcomes.contains(&true)
    }

    /// The answers to a question: two where policies of one priority disagree.
    pub(crate) fn outcomes(&self, question: &Question) -> BTreeSet<bool> {
        let from = self.owner(question.from);
        let to = self.owner(question.to);
        if let (Who::Pod(a), Who::Pod(b)) = (from, to)
            && a == b
        {
            // K-75, K-76
            if question.service.is_none() || self.readings.hairpin_service == "exempt" {
                return BTreeSet::from([true]);
            }
        }
        // K-75: localhost is the pod itself.
        if let Who::Address(ip) = to
            && ["127.0.0.0/8", "::1/128"].iter().any(|cidr| fits(cidr, ip))
        {
            return BTreeSet::from([true]);
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
        BTreeSet::from([false])
    }

    fn between(
        &self,
        question: &Question,
        source: End<'c>,
        target: End<'c>,
        family: Family,
    ) -> BTreeSet<bool> {
        if self.own_node(&source, &target) {
            return BTreeSet::from([true]);
        }
        // K-61
        if question.protocol == "ICMP" && self.readings.icmp == "exempt" {
            return BTreeSet::from([true]);
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
        let egress = self.side("Egress", &source, &seen_target, seen_traffic);
        let ingress = self.side("Ingress", &target, &seen_source, traffic);
        // K-16, A-13
        let both = |out: bool| ingress.iter().map(move |into| out && *into);
        egress.iter().flat_map(|out| both(*out)).collect()
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
}

/// Owns an address now (K-33, K-85, K-86).
pub(super) fn is_running(pod: &Pod) -> bool {
    let ended = pod.phase == "Succeeded" || pod.phase == "Failed";
    let placed = pod.host_network && pod.node.is_some();
    !ended && (placed || !pod.addresses.is_empty())
}
