//! Where the cluster's DNS is (M-2, X-9, X-10).

use super::{Backend, EndpointId, Lifecycle, ServiceId, World};
use crate::sets::Protocol;

/// Services that clusters resolve names through: namespace and name.
const SERVICES: &[(&str, &str)] = &[
    ("kube-system", "kube-dns"),
    ("kube-system", "coredns"),
    ("kube-system", "rke2-coredns-rke2-coredns"),
    ("openshift-dns", "dns-default"),
];

/// Labels of DNS server pods.
const LABELS: &[(&str, &[&str])] = &[
    ("k8s-app", &["kube-dns", "coredns"]),
    ("app.kubernetes.io/name", &["coredns"]),
    ("dns.operator.openshift.io/daemonset-dns", &["default"]),
];

/// A pod that answers the cluster's DNS queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsServer {
    /// The pod.
    pub endpoint: EndpointId,
    /// The port that queries over UDP arrive at, after translation.
    pub udp: Option<u16>,
    /// The port that queries over TCP arrive at.
    pub tcp: Option<u16>,
}

/// Whether labels are those of a DNS server pod.
pub(super) fn is_dns_server<'l>(mut value_of: impl FnMut(&str) -> Option<&'l str>) -> bool {
    LABELS
        .iter()
        .any(|(key, values)| value_of(key).is_some_and(|value| values.contains(&value)))
}

impl World {
    /// The Service that resolves names, if the input has it.
    #[must_use]
    pub fn dns_service(&self) -> Option<ServiceId> {
        SERVICES
            .iter()
            .find_map(|(namespace, name)| self.service(namespace, name))
    }

    /// The DNS server pods: the backends of the DNS Service, or else pods with their labels.
    #[must_use]
    pub fn dns_servers(&self) -> Vec<DnsServer> {
        self.dns.get_or_init(|| self.find_dns_servers()).clone()
    }

    fn find_dns_servers(&self) -> Vec<DnsServer> {
        let mut found: Vec<DnsServer> = Vec::new();
        if let Some(service) = self.dns_service() {
            for protocol in [Protocol::Udp, Protocol::Tcp] {
                for backend in self.backends(service, 53, protocol) {
                    if let Backend::Endpoint(endpoint, port) = backend {
                        add(&mut found, endpoint, protocol, port);
                    }
                }
            }
        }
        if !found.is_empty() {
            return found;
        }
        for id in self.endpoint_ids() {
            let endpoint = &self[id];
            if endpoint.lifecycle != Lifecycle::Active || !is_dns_server(|key| self.label(id, key))
            {
                continue;
            }
            let dns_ports = endpoint
                .ports
                .iter()
                .filter(|port| matches!(port.number, 53 | 5353));
            for port in dns_ports {
                add(&mut found, id, port.protocol, port.number);
            }
            if !found.iter().any(|server| server.endpoint == id) {
                add(&mut found, id, Protocol::Udp, 53);
                add(&mut found, id, Protocol::Tcp, 53);
            }
        }
        found
    }

    /// The node-local DNS caches, which answer on the host network.
    #[must_use]
    pub fn node_local_dns(&self) -> Vec<EndpointId> {
        self.endpoint_ids()
            .filter(|id| self.label(*id, "k8s-app") == Some("node-local-dns"))
            .filter(|id| self[*id].lifecycle == Lifecycle::Active)
            .collect()
    }
}

fn add(found: &mut Vec<DnsServer>, endpoint: EndpointId, protocol: Protocol, port: u16) {
    let index = found
        .iter()
        .position(|server| server.endpoint == endpoint)
        .unwrap_or_else(|| {
            found.push(DnsServer {
                endpoint,
                udp: None,
                tcp: None,
            });
            found.len() - 1
        });
    if let Some(server) = found.get_mut(index) {
        match protocol {
            Protocol::Udp => server.udp = Some(port),
            Protocol::Tcp => server.tcp = Some(port),
            Protocol::Sctp | Protocol::Icmp => {}
        }
    }
}
