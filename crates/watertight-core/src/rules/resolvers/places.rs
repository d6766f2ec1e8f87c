//! Where the DNS servers are, for policies that fixes propose and for words.

use super::{Resolvers, listens};
use crate::facts::ranges::node_local_dns;
use crate::rules::Context;
use crate::rules::proposal::{Allow, Whom};
use crate::sets::Protocol;
use crate::world::EndpointId;

/// The labels that DNS server pods are known by.
const LABELS: [&str; 3] = [
    "k8s-app",
    "app.kubernetes.io/name",
    "dns.operator.openshift.io/daemonset-dns",
];

impl Resolvers {
    /// The rules that admit queries to all servers and caches, if labels or known addresses can
    /// say it.
    pub(in crate::rules) fn allows(&self, context: &Context<'_>) -> Option<Vec<Allow>> {
        let world = context.world;
        let mut rules: Vec<Allow> = Vec::new();
        for class in &self.classes {
            let endpoint = &world[class.server.endpoint];
            let whom: Vec<Whom> = if self.selectable(context, class.server.endpoint) {
                let namespace = world[endpoint.namespace].name.to_string();
                let labels = self.server_labels(context, class.server.endpoint);
                vec![Whom::Pods(namespace, labels)]
            } else if context.eval.switches.ipblock_nodes {
                endpoint.ips.iter().copied().map(Whom::Address).collect()
            } else {
                return None;
            };
            let ports: Vec<_> = [Protocol::Udp, Protocol::Tcp]
                .into_iter()
                .filter_map(|protocol| Some((protocol, listens(&class.server, protocol)?)))
                .collect();
            if whom.is_empty() {
                return None;
            }
            match rules.iter_mut().find(|rule| rule.ports == ports) {
                Some(rule) => rule.whom.extend(whom),
                None => rules.push(Allow { whom, ports }),
            }
        }
        if !self.caches.is_empty() {
            let cache = node_local_dns().first()?.address;
            rules.push(Allow {
                whom: vec![Whom::Address(cache)],
                ports: vec![(Protocol::Udp, 53), (Protocol::Tcp, 53)],
            });
        }
        for rule in &mut rules {
            let mut seen = Vec::new();
            rule.whom.retain(|whom| {
                let new = !seen.contains(whom);
                if new {
                    seen.push(whom.clone());
                }
                new
            });
        }
        let peers: usize = rules.iter().map(|rule| rule.whom.len()).sum();
        (1..=8).contains(&peers).then_some(rules)
    }

    /// Where the servers are, in words for an advice.
    pub(in crate::rules) fn places(&self, context: &Context<'_>) -> Option<String> {
        let mut places = Vec::new();
        for rule in self.allows(context)? {
            let port = |(protocol, port): &(Protocol, u16)| format!("{port}/{}", protocol.word());
            let ports: Vec<_> = rule.ports.iter().map(port).collect();
            let ports = ports.join(" and ");
            for whom in rule.whom {
                places.push(match whom {
                    Whom::AllPods => format!("all pods on {ports}"),
                    Whom::Address(ip) => format!("{ip} on {ports}"),
                    Whom::Pods(namespace, labels) => {
                        let label = |(key, value): &(String, String)| format!("{key}={value}");
                        let labels: Vec<_> = labels.iter().map(label).collect();
                        let labels = labels.join(",");
                        format!("pods labelled `{labels}` in namespace `{namespace}` on {ports}")
                    }
                });
            }
        }
        Some(places.join("; "))
    }

    /// The labels to select a server by.
    pub(in crate::rules) fn server_labels(
        &self,
        context: &Context<'_>,
        id: EndpointId,
    ) -> Vec<(String, String)> {
        let world = context.world;
        let selector = self.service.map(|service| &world[service].selector);
        if let Some(pairs) = selector
            && pairs
                .iter()
                .all(|(key, value)| world.label(id, key) == Some(&**value))
        {
            return pairs
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
        }
        let known = LABELS
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), world.label(id, key)?.to_owned())));
        known.take(1).collect()
    }
}
