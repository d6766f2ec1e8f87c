//! Clusters in which ClusterNetworkPolicies, AdminNetworkPolicies among them, stand around the
//! NetworkPolicies of the other generators.

use std::net::IpAddr;

use proptest::prelude::*;

use super::addresses::{self, RawBlock};
use super::policies::{PORT_NAMES, PORTS, namespaces, one_of, pods};
use super::{Described, other_readings, worlds};
use crate::oracle::Readings;
use crate::oracle::objects::{
    ClusterPeer, ClusterPolicy, ClusterRule, Labels, PodsOf, ProtocolItem, Selector,
};

/// Few, so that some are the same.
const PRIORITIES: &[u16] = &[0, 7, 7, 7, 7, 1000];

#[derive(Clone, Debug)]
struct RawPolicy {
    tier: &'static str,
    priority: u16,
    old: bool,
    subject: PodsOf,
    ingress: Vec<RawRule>,
    egress: Vec<RawRule>,
}

#[derive(Clone, Debug)]
struct RawRule {
    action: &'static str,
    peers: Vec<RawPeer>,
    protocols: Option<Vec<ProtocolItem>>,
}

#[derive(Clone, Debug)]
enum RawPeer {
    Pods(PodsOf),
    Nodes(Selector),
    Networks(Vec<RawBlock>),
    Domain,
}

fn pods_of() -> impl Strategy<Value = PodsOf> {
    prop_oneof![
        4 => Just(PodsOf::Namespaces(Selector::default())),
        2 => namespaces().prop_map(PodsOf::Namespaces),
        2 => pods().prop_map(|pods| PodsOf::Pods(None, pods)),
        2 => (namespaces(), pods()).prop_map(|(scope, pods)| PodsOf::Pods(Some(scope), pods)),
    ]
}

fn nodes() -> impl Strategy<Value = Selector> {
    prop_oneof![
        1 => Just(Selector::default()),
        2 => one_of(&["a", "b"]).prop_map(|value| Selector {
            match_labels: Some(Labels::from([("zone".into(), value.into())])),
            match_expressions: None,
        }),
    ]
}

fn outer_peer() -> impl Strategy<Value = RawPeer> {
    prop_oneof![
        3 => pods_of().prop_map(RawPeer::Pods),
        2 => nodes().prop_map(RawPeer::Nodes),
        3 => prop::collection::vec(addresses::block(), 1..=2).prop_map(RawPeer::Networks),
        1 => Just(RawPeer::Domain),
    ]
}

fn protocol_item() -> impl Strategy<Value = ProtocolItem> {
    let protocol = || one_of(&["TCP", "TCP", "UDP", "SCTP"]);
    prop_oneof![
        3 => (protocol(), one_of(PORTS)).prop_map(|(protocol, port)| {
            ProtocolItem::Number(protocol, port)
        }),
        2 => (protocol(), one_of(PORTS), one_of(PORTS)).prop_map(|(protocol, a, b)| {
            if a == b {
                ProtocolItem::Number(protocol, a)
            } else {
                ProtocolItem::Range(protocol, a.min(b), a.max(b))
            }
        }),
        2 => one_of(PORT_NAMES).prop_map(|name| ProtocolItem::Named(name.into())),
    ]
}

fn rule<S: Strategy<Value = RawPeer>>(peer: S) -> impl Strategy<Value = RawRule> {
    let items = prop::collection::vec(protocol_item(), 1..=3);
    (
        one_of(&["Accept", "Deny", "Deny", "Pass"]),
        prop::collection::vec(peer, 1..=3),
        prop::option::weighted(0.4, items),
    )
        .prop_map(|(action, peers, protocols)| RawRule {
            action,
            peers,
            protocols,
        })
}

fn policy() -> impl Strategy<Value = RawPolicy> {
    let inner = pods_of().prop_map(RawPeer::Pods);
    (
        one_of(&["Admin", "Baseline"]),
        one_of(PRIORITIES),
        prop::bool::weighted(0.3),
        pods_of(),
        prop::collection::vec(rule(inner), 0..=4),
        prop::collection::vec(rule(outer_peer()), 0..=4),
    )
        .prop_map(
            |(tier, priority, old, subject, ingress, egress)| RawPolicy {
                tier,
                priority,
                old: old && tier == "Admin",
                subject,
                ingress,
                egress,
            },
        )
}

impl RawPolicy {
    fn finish(&self, at: usize, pool: &[IpAddr]) -> ClusterPolicy {
        let rules = |rules: &[RawRule]| rules.iter().map(|rule| rule.finish(pool)).collect();
        ClusterPolicy {
            // Names in another order than the objects.
            name: format!("c{}", 9 - at),
            tier: self.tier,
            priority: self.priority,
            old: self.old,
            subject: self.subject.clone(),
            ingress: rules(&self.ingress),
            egress: rules(&self.egress),
        }
    }
}

impl RawRule {
    fn finish(&self, pool: &[IpAddr]) -> ClusterRule {
        let peer = |peer: &RawPeer| match peer {
            RawPeer::Pods(pods) => ClusterPeer::Pods(pods.clone()),
            RawPeer::Nodes(nodes) => ClusterPeer::Nodes(nodes.clone()),
            RawPeer::Networks(blocks) => {
                let blocks = blocks.iter().map(|block| block.around(pool).cidr);
                let mut networks: Vec<String> = blocks.collect();
                networks.dedup();
                ClusterPeer::Networks(networks)
            }
            // for rules that admit.
            RawPeer::Domain if self.action == "Accept" => {
                ClusterPeer::DomainNames(vec!["*.example.com".into()])
            }
            RawPeer::Domain => ClusterPeer::Nodes(Selector::default()),
        };
        let peers: Vec<ClusterPeer> = self.peers.iter().map(peer).collect();
        //
        let are_pods = peers
            .iter()
            .all(|peer| matches!(peer, ClusterPeer::Pods(_)));
        let item = |item: &ProtocolItem| match item {
            ProtocolItem::Named(_) if !are_pods => ProtocolItem::Number("TCP", 80),
            other => other.clone(),
        };
        let protocols = self.protocols.as_ref();
        ClusterRule {
            action: self.action,
            peers,
            protocols: protocols.map(|items| items.iter().map(item).collect()),
        }
    }
}

/// Clusters with NetworkPolicies and up to five ClusterNetworkPolicies.
pub(crate) fn mixed_worlds() -> impl Strategy<Value = Described> {
    let zones = prop::collection::vec(prop::option::of(one_of(&["a", "b"])), 3);
    let policies = prop::collection::vec(policy(), 2..=5);
    (worlds(), zones, policies).prop_map(|(mut described, zones, policies)| {
        let cluster = &mut described.cluster;
        for (node, zone) in cluster.nodes.iter_mut().zip(zones) {
            let label = zone.map(|zone| ("zone".into(), zone.into()));
            node.labels.extend(label);
        }
        let pool = addresses::pool(cluster);
        let policies = policies.iter().enumerate();
        let policies = policies.map(|(at, policy)| policy.finish(at, &pool));
        cluster.cluster_policies = policies.collect();
        described
    })
}

/// Readings of all that is left open. Pods of the host network stay their node: no
/// ClusterNetworkPolicy ever means them.
pub(crate) fn mixed_readings() -> impl Strategy<Value = Readings> {
    (
        prop_oneof![Just(Readings::default()), other_readings()],
        one_of(&["per-direction", "per-pod"]),
        one_of(&["error", "by-name"]),
    )
        .prop_map(|(readings, baseline_scope, tie)| Readings {
            baseline_scope,
            tie,
            host_network: "node-ip",
            ..readings
        })
}
