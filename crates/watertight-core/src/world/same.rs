//! Worlds that differ in their NetworkPolicies alone: ids of one mean the same in the other.
//!
//! INVARIANT: every field of what a world is made of is named here, so that a new one is thought of.

use super::{Assumed, ClusterNode, Endpoint, Namespace, Service, ServicePort, Workload, World};
use crate::parallel;

impl World {
    /// Whether both have the same cluster under the same ids, and differ in nothing that policies look at
    /// but NetworkPolicies. Where things are written does not count. False where policies of another
    /// language are about.
    #[must_use]
    pub fn has_cluster_of(&self, other: &Self) -> bool {
        let Self {
            symbols,
            namespaces,
            endpoints,
            workloads,
            services,
            nodes,
            policies: _,
            objects,
            names,
            // Of findings, not of connections.
            ignores: _,
            assumed,
            // Tells the engine, and both worlds are judged by one.
            inventory: _,
            accounts,
            // They follow from endpoints and nodes.
            by_ip: _,
            node_by_ip: _,
            dns: _,
            shared_ips: _,
            gone_policies,
            gone_endpoints,
        } = self;
        let one_language = objects.is_empty() && other.objects.is_empty();
        let unchanged = gone_policies.is_empty()
            && other.gone_policies.is_empty()
            && gone_endpoints.is_empty()
            && other.gone_endpoints.is_empty();
        // Symbols come first: labels are compared by their numbers.
        one_language
            && unchanged
            && *symbols == other.symbols
            && is_assumed_alike(assumed, &other.assumed)
            && *names == other.names
            && *accounts == other.accounts
            && have_same(nodes, &other.nodes, |a, b| node(a) == node(b))
            && have_same(namespaces, &other.namespaces, |a, b| {
                namespace(a) == namespace(b)
            })
            && have_same(services, &other.services, |a, b| service(a) == service(b))
            && have_same(workloads, &other.workloads, |a, b| {
                workload(a) == workload(b)
            })
            && have_same(endpoints, &other.endpoints, |a, b| {
                endpoint(a) == endpoint(b)
            })
    }
}

/// So many are compared together.
const TOGETHER: usize = 4096;

fn have_same<T: Sync>(a: &[T], b: &[T], is_same: impl Fn(&T, &T) -> bool + Sync + Send) -> bool {
    let chunks: Vec<_> = a.chunks(TOGETHER).zip(b.chunks(TOGETHER)).collect();
    let same = parallel::few(&chunks, |(a, b)| {
        a.iter().zip(*b).all(|(a, b)| is_same(a, b))
    });
    a.len() == b.len() && !same.contains(&false)
}

fn is_assumed_alike(a: &Assumed, b: &Assumed) -> bool {
    let Assumed {
        pod_cidrs,
        without_address,
        dns,
        namespaces,
        // It is where objects are, policies too.
        without_namespace: _,
        default_namespace,
        engine: _,
    } = a;
    *pod_cidrs == b.pod_cidrs
        && *without_address == b.without_address
        && *dns == b.dns
        && *namespaces == b.namespaces
        && *default_namespace == b.default_namespace
}

fn namespace(of: &Namespace) -> impl PartialEq {
    let Namespace {
        name,
        labels,
        span: _,
        labels_span: _,
        endpoints,
        policies: _,
    } = of;
    (name, labels, endpoints)
}

fn service(of: &Service) -> impl PartialEq {
    let Service {
        namespace,
        name,
        labels,
        selector,
        kind,
        cluster_ips,
        headless,
        ports,
        published,
        addresses,
        span: _,
    } = of;
    let ports = ports.iter().map(|port| {
        let ServicePort {
            name,
            port,
            target,
            protocol,
            node_port,
        } = port;
        (name, port, target, protocol, node_port)
    });
    (
        (namespace, name, labels, selector),
        (kind, cluster_ips, headless, published, addresses),
        ports.collect::<Vec<_>>(),
    )
}

fn node(of: &ClusterNode) -> impl PartialEq {
    let ClusterNode {
        name,
        labels,
        ips,
        span: _,
    } = of;
    (name, labels, ips)
}

fn workload(of: &Workload) -> impl PartialEq {
    let Workload {
        namespace,
        kind,
        name,
        endpoints,
        replicas,
        span: _,
    } = of;
    (namespace, kind, name, endpoints, replicas)
}

fn endpoint(of: &Endpoint) -> impl PartialEq {
    let Endpoint {
        namespace,
        name,
        template,
        labels,
        ips,
        node,
        host_network,
        ports,
        workload,
        service_account,
        lifecycle,
        assumed,
        span: _,
    } = of;
    (
        (namespace, name, template, labels, ips, node),
        (host_network.is_some(), ports, workload),
        (service_account, lifecycle, assumed),
    )
}
