//! One side of a connection: the policies of one pod, their rules, peers and ports.

use std::collections::BTreeSet;

use super::Oracle;
use super::address::fits;
use super::judge::{End, Traffic, is_running};
use super::labels::selects;
use super::objects::{IpBlock, Labels, Peer, Pod, PortItem, PortValue, Rule, Spec};
use super::services::container_ports;

impl<'c> Oracle<'c> {
    /// Whether policies and selectors can mean a pod: it has an address (K-33, K-86) and is not its
    /// node (K-71, K-72).
    pub(super) fn is_selectable(&self, pod: &Pod) -> bool {
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

    pub(super) fn side(
        &self,
        direction: &str,
        own: &End<'_>,
        other: &End<'_>,
        traffic: Traffic,
    ) -> BTreeSet<bool> {
        // K-17
        let Some(pod) = own.pod.filter(|pod| self.is_selectable(pod)) else {
            return BTreeSet::from([true]);
        };
        let mut outcomes = BTreeSet::new();
        // ..A-6
        for action in self.tier("Admin", direction, pod, other, traffic) {
            match action {
                "Accept" => _ = outcomes.insert(true),
                "Deny" => _ = outcomes.insert(false),
                _ => outcomes.extend(self.behind_admin(direction, pod, other, traffic)),
            }
        }
        outcomes
    }

    fn behind_admin(
        &self,
        direction: &str,
        pod: &Pod,
        other: &End<'_>,
        traffic: Traffic,
    ) -> BTreeSet<bool> {
        //
        if let Some(decided) = self.network_policies(direction, pod, other, traffic) {
            return BTreeSet::from([decided]);
        }
        let selected = || {
            let both = ["Ingress", "Egress"].iter();
            both.clone()
                .any(|direction| !self.selecting(pod, direction).is_empty())
        };
        //
        if self.readings.baseline_scope == "per-pod" && selected() {
            return BTreeSet::from([true]);
        }
        //
        let actions = self.tier("Baseline", direction, pod, other, traffic);
        actions.into_iter().map(|action| action != "Deny").collect()
    }

    /// None: no policy isolates the pod.
    fn network_policies(
        &self,
        direction: &str,
        pod: &Pod,
        other: &End<'_>,
        traffic: Traffic,
    ) -> Option<bool> {
        let policies = self.selecting(pod, direction);
        // K-6
        if policies.is_empty() {
            return None;
        }
        // K-15
        for (namespace, rules) in policies {
            for rule in rules {
                // K-19
                if self.peers_match(namespace, rule.peers.as_deref(), other)
                    && self.ports_match(direction, rule.ports.as_deref(), pod, other, traffic)
                {
                    return Some(true);
                }
            }
        }
        Some(false)
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
    pub(super) fn labels_of(&self, name: &str) -> Labels {
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

/// K-54
pub(super) fn calls(pod: &Pod, name: &str, protocol: &str, number: u16) -> bool {
    container_ports(pod).any(|port| port == (Some(name), number, protocol))
}
