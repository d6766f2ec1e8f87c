//! The tiers of ClusterNetworkPolicy around NetworkPolicy (A- rules).

use std::collections::BTreeSet;

use super::Oracle;
use super::address::fits;
use super::judge::{End, Traffic};
use super::labels::selects;
use super::objects::{ClusterPeer, ClusterPolicy, ClusterRule, Pod, PodsOf, ProtocolItem};
use super::sides::calls;

impl Oracle<'_> {
    /// The actions that a tier may come to for one side: several where policies of one priority
    /// disagree, and `Pass` where no rule matches.
    pub(super) fn tier(
        &self,
        tier: &str,
        direction: &str,
        pod: &Pod,
        other: &End<'_>,
        traffic: Traffic,
    ) -> BTreeSet<&'static str> {
        let mut policies: Vec<&ClusterPolicy> = Vec::new();
        for policy in &self.cluster.cluster_policies {
            //
            if policy.tier == tier && self.means(&policy.subject, pod) {
                policies.push(policy);
            }
        }
        //
        policies.sort_by_key(|policy| (policy.priority, &policy.name));
        let mut left = policies.as_slice();
        while let Some(first) = left.first() {
            let count = left
                .iter()
                .take_while(|policy| policy.priority == first.priority)
                .count();
            let (same, weaker) = left.split_at(count);
            left = weaker;
            let mut actions = Vec::new();
            for policy in same {
                actions.extend(self.first_match(policy, direction, pod, other, traffic));
            }
            if self.readings.tie == "by-name" {
                actions.truncate(1);
            }
            if !actions.is_empty() {
                return actions.into_iter().collect();
            }
        }
        BTreeSet::from(["Pass"])
    }

    ///
    fn first_match(
        &self,
        policy: &ClusterPolicy,
        direction: &str,
        pod: &Pod,
        other: &End<'_>,
        traffic: Traffic,
    ) -> Option<&'static str> {
        let rules = match direction {
            "Ingress" => &policy.ingress,
            _ => &policy.egress,
        };
        let matches = |rule: &&ClusterRule| {
            //
            rule.peers.iter().any(|peer| self.peer_is(peer, other))
                && self.protocols_match(direction, rule, pod, other, traffic)
        };
        rules.iter().find(matches).map(|rule| rule.action)
    }

    /// A-18..A-20, A-24
    fn means(&self, pods: &PodsOf, pod: &Pod) -> bool {
        if !self.is_selectable(pod) {
            return false;
        }
        let labels = self.labels_of(&pod.namespace);
        match pods {
            PodsOf::Namespaces(namespaces) => selects(namespaces, &labels),
            PodsOf::Pods(namespaces, pods) => {
                let inside = match namespaces {
                    None => true,
                    Some(namespaces) => selects(namespaces, &labels),
                };
                inside && selects(pods, &pod.labels)
            }
        }
    }

    fn peer_is(&self, peer: &ClusterPeer, other: &End<'_>) -> bool {
        match peer {
            ClusterPeer::Pods(pods) => other.pod.is_some_and(|pod| self.means(pods, pod)),
            //
            ClusterPeer::Nodes(nodes) => match other.node {
                Some(node) => other.on_host && selects(nodes, &node.labels),
                None => false,
            },
            //
            ClusterPeer::Networks(networks) => {
                networks.iter().any(|network| fits(network, other.address))
            }
            // nobody has resolved anything.
            ClusterPeer::DomainNames(_) => false,
        }
    }

    /// A-34..A-36
    fn protocols_match(
        &self,
        direction: &str,
        rule: &ClusterRule,
        subject: &Pod,
        other: &End<'_>,
        traffic: Traffic,
    ) -> bool {
        let Some(items) = &rule.protocols else {
            return true;
        };
        let Some(port) = traffic.port else {
            return false;
        };
        let destination = if direction == "Ingress" {
            Some(subject)
        } else {
            other.pod.filter(|pod| self.is_selectable(pod))
        };
        items.iter().any(|item| match item {
            ProtocolItem::Number(protocol, number) => {
                *protocol == traffic.protocol && *number == port
            }
            ProtocolItem::Range(protocol, start, end) => {
                *protocol == traffic.protocol && *start <= port && port <= *end
            }
            ProtocolItem::Named(name) => {
                destination.is_some_and(|pod| calls(pod, name, traffic.protocol, port))
            }
        })
    }
}
