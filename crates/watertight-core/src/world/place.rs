//! Where endpoints live, for whoever runs a world: nodes, addresses and cluster addresses that the input
//! does not name.
//!
//! A world that was filled in this way is about one cluster and not about all that fit the manifests:
//! what was uncertain for want of an address is decided.

use std::net::IpAddr;
use std::sync::OnceLock;

use super::{ClusterNode, EndpointId, Ips, Lifecycle, NodeId, ServiceId, World};

impl World {
    /// Adds a node; it has the labels that a kubelet gives every node.
    pub fn add_node(&mut self, name: &str, ips: Ips) -> NodeId {
        let id = NodeId::at(self.nodes.len());
        let labels = [
            ("kubernetes.io/hostname", name),
            ("kubernetes.io/os", "linux"),
        ];
        self.nodes.push(ClusterNode {
            name: name.into(),
            labels: self.symbols.labels(labels),
            ips: Ips::default(),
            span: None,
        });
        self.set_node_ips(id, ips);
        id
    }

    /// Gives a node these addresses in place of those that it has, and with it the host-network pods on it.
    pub fn set_node_ips(&mut self, id: NodeId, ips: Ips) {
        self.node_by_ip.retain(|_, owner| *owner != id);
        for ip in &ips {
            self.node_by_ip.insert(*ip, id);
        }
        for endpoint in &mut self.endpoints {
            if endpoint.host_network.is_some() && endpoint.node == Some(id) {
                endpoint.ips.clone_from(&ips);
            }
        }
        if let Some(node) = self.nodes.get_mut(id.index()) {
            node.ips = ips;
        }
    }

    /// Puts an endpoint on a node, with these addresses; on the host network it has those of the node
    /// instead. A template is one plain pod from now on.
    pub fn place(&mut self, id: EndpointId, node: NodeId, ips: Ips) {
        self.dns = OnceLock::new();
        let on_host = self[id].host_network.is_some();
        for ip in self[id].ips.clone().iter() {
            if self.by_ip.get(ip) == Some(&id) {
                self.by_ip.remove(ip);
            }
        }
        let ips = if on_host { self[node].ips.clone() } else { ips };
        if !on_host && self[id].lifecycle != Lifecycle::Finished {
            for ip in &ips {
                if self.by_ip.insert(*ip, id).is_some() {
                    self.shared_ips.insert(*ip);
                }
            }
        }
        let Some(endpoint) = self.endpoints.get_mut(id.index()) else {
            return;
        };
        let was_counted =
            endpoint.ips.is_empty() && endpoint.lifecycle == Lifecycle::Active && !endpoint.assumed;
        if was_counted && !ips.is_empty() {
            self.assumed.without_address = self.assumed.without_address.saturating_sub(1);
        }
        endpoint.ips = ips;
        endpoint.node = Some(node);
        endpoint.template = false;
    }

    /// Gives a Service these cluster addresses in place of those that it has.
    pub fn set_cluster_ips(&mut self, id: ServiceId, ips: Vec<IpAddr>) {
        if let Some(service) = self.services.get_mut(id.index()) {
            service.cluster_ips = ips;
        }
    }

    /// Gives a Service these addresses outside of the cluster in place of those that it has.
    pub fn set_published_ips(&mut self, id: ServiceId, ips: Vec<IpAddr>) {
        if let Some(service) = self.services.get_mut(id.index()) {
            service.published.ips = ips;
        }
    }

    /// Gives a port of a Service, by its place among them, another port on every node, or none.
    pub fn set_node_port(&mut self, id: ServiceId, at: usize, number: Option<u16>) {
        let service = self.services.get_mut(id.index());
        if let Some(port) = service.and_then(|service| service.ports.get_mut(at)) {
            port.node_port = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Options;
    use crate::source::Sources;
    use crate::world::{Assume, read};

    const TEXT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop}
spec: {hostNetwork: true, containers: [{name: agent, image: agent}]}
";

    fn world() -> World {
        let mut sources = Sources::default();
        sources.add("a.yaml", TEXT.into()).unwrap();
        read(&sources, &Options::default(), &Assume::default(), None).0
    }

    fn ips(ips: &[&str]) -> Ips {
        ips.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn a_template_becomes_one_pod_with_a_node_and_addresses() {
        let mut world = world();
        let web = world.endpoint("shop", "web").unwrap();
        assert_eq!(world.assumed.without_address, 2);
        let node = world.add_node("n1", ips(&["192.168.9.1"]));
        world.place(web, node, ips(&["10.1.0.1", "fd00::1"]));
        let pod = &world[web];
        assert!(!pod.template);
        assert_eq!(pod.node, Some(node));
        assert_eq!(world.assumed.without_address, 1);
        assert_eq!(world.endpoint_at("fd00::1".parse().unwrap()), Some(web));
        assert_eq!(world.node_at("192.168.9.1".parse().unwrap()), Some(node));
        // Elsewhere, it has left its old address.
        world.place(web, node, ips(&["10.1.0.2"]));
        assert_eq!(world.endpoint_at("10.1.0.1".parse().unwrap()), None);
        assert_eq!(world.endpoint_at("10.1.0.2".parse().unwrap()), Some(web));
    }

    #[test]
    fn host_network_pods_share_the_addresses_of_their_node() {
        // K-72: and they own none of them.
        let mut world = world();
        let agent = world.endpoint("shop", "agent").unwrap();
        let node = world.add_node("n1", ips(&["192.168.9.1"]));
        world.place(agent, node, ips(&["10.1.0.1"]));
        assert_eq!(world[agent].ips, ips(&["192.168.9.1"]));
        world.set_node_ips(node, ips(&["192.168.9.2"]));
        assert_eq!(world[agent].ips, ips(&["192.168.9.2"]));
        assert_eq!(world.endpoint_at("192.168.9.2".parse().unwrap()), None);
        assert_eq!(world.node_at("192.168.9.1".parse().unwrap()), None);
    }
}
