//! Worlds that differ in their NetworkPolicies alone: ids of one mean the same in the other.

use super::{Endpoint, Namespace, Service, Workload, World};
use crate::parallel;

impl World {
    /// Whether both have the same cluster under the same ids, and differ in nothing that policies look at
    /// but NetworkPolicies. Where things are written does not count. False where policies of another
    /// language are about.
    #[must_use]
    pub fn has_cluster_of(&self, other: &Self) -> bool {
        let one_language = self.objects.is_empty() && other.objects.is_empty();
        let unchanged =
            |world: &Self| world.gone_policies.is_empty() && world.gone_endpoints.is_empty();
        let same_lengths = self.namespaces.len() == other.namespaces.len()
            && self.endpoints.len() == other.endpoints.len()
            && self.workloads.len() == other.workloads.len()
            && self.services.len() == other.services.len()
            && self.nodes.len() == other.nodes.len();
        if !(one_language && unchanged(self) && unchanged(other) && same_lengths) {
            return false;
        }
        let assumed = self.assumed.pod_cidrs == other.assumed.pod_cidrs
            && self.assumed.dns == other.assumed.dns
            && self.assumed.namespaces == other.assumed.namespaces;
        let mut nodes = self.nodes.iter().zip(&other.nodes);
        let mut namespaces = self.namespaces.iter().zip(&other.namespaces);
        let mut services = self.services.iter().zip(&other.services);
        // Symbols first: labels are compared by their numbers.
        self.symbols == other.symbols
            && assumed
            && self.names == other.names
            && self.accounts == other.accounts
            && nodes.all(|(a, b)| a.name == b.name && a.labels == b.labels && a.ips == b.ips)
            && namespaces.all(|(a, b)| is_same_namespace(a, b))
            && services.all(|(a, b)| is_same_service(a, b))
            && have_same(&self.workloads, &other.workloads, is_same_workload)
            && have_same(&self.endpoints, &other.endpoints, is_same_endpoint)
    }
}

/// So many are compared together.
const TOGETHER: usize = 4096;

fn have_same<T: Sync>(a: &[T], b: &[T], is_same: impl Fn(&T, &T) -> bool + Sync) -> bool {
    let chunks: Vec<_> = a.chunks(TOGETHER).zip(b.chunks(TOGETHER)).collect();
    let same = parallel::few(&chunks, |(a, b)| {
        a.iter().zip(*b).all(|(a, b)| is_same(a, b))
    });
    !same.contains(&false)
}

fn is_same_namespace(a: &Namespace, b: &Namespace) -> bool {
    a.name == b.name && a.labels == b.labels && a.endpoints == b.endpoints
}

fn is_same_service(a: &Service, b: &Service) -> bool {
    let port = |service: &Service| -> Vec<_> {
        let ports = service.ports.iter();
        ports
            .map(|port| {
                (
                    port.name.clone(),
                    port.port,
                    port.target.clone(),
                    port.protocol,
                )
            })
            .collect()
    };
    a.namespace == b.namespace
        && a.name == b.name
        && a.labels == b.labels
        && a.selector == b.selector
        && a.cluster_ips == b.cluster_ips
        && a.headless == b.headless
        && a.addresses == b.addresses
        && port(a) == port(b)
}

fn is_same_workload(a: &Workload, b: &Workload) -> bool {
    a.namespace == b.namespace
        && a.kind == b.kind
        && a.name == b.name
        && a.replicas == b.replicas
        && a.endpoints == b.endpoints
}

fn is_same_endpoint(a: &Endpoint, b: &Endpoint) -> bool {
    a.namespace == b.namespace
        && a.name == b.name
        && a.template == b.template
        && a.labels == b.labels
        && a.ips == b.ips
        && a.node == b.node
        && a.host_network.is_some() == b.host_network.is_some()
        && a.ports == b.ports
        && a.workload == b.workload
        && a.service_account == b.service_account
        && a.lifecycle == b.lifecycle
        && a.assumed == b.assumed
}
