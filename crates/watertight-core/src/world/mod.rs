//! The cluster as data: namespaces, endpoints, services, nodes, and the policies as written.
//!
//! Endpoints are pods: those that exist, or one template for each workload that has no pods in the
//! input. Ids are indices made by the builder; a `World` never changes, so they stay valid.
//!
//! INVARIANT: every namespace that is used exists here, with the `kubernetes.io/metadata.name`
//! label that the API server sets (K-35).

mod build;
mod change;
mod dns;
pub mod inventory;
mod objects;
mod place;
mod same;
mod services;
mod shared;
mod symbols;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use rustc_hash::{FxHashMap, FxHashSet};

pub use build::{Assume, ObjectName, Preview, build, read, read_two, read_with_hints};
pub use dns::DnsServer;
pub use inventory::Inventory;
pub use objects::{Name, PolicyItem, Seen};
pub use services::Backend;
pub use shared::Shared;
pub use symbols::{Labels, Symbol, Symbols};

pub use crate::manifest::Ips;
use crate::manifest::{IgnoreAnnotation, NetworkPolicySpec, Published, WorkloadKind};
use crate::sets::Protocol;
use crate::source::Span;

/// The label that holds a namespace's name (K-35).
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident => $field:ident: $item:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            pub(crate) fn at(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// The position in the world's list, for tables beside it.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::ops::Index<$name> for World {
            type Output = $item;

            #[expect(clippy::indexing_slicing, reason = "ids are only made by the builder")]
            fn index(&self, id: $name) -> &$item {
                &self.$field[id.index()]
            }
        }
    )*};
}

ids! {
    /// A namespace of a [`World`].
    NamespaceId => namespaces: Namespace;
    /// An endpoint of a [`World`].
    EndpointId => endpoints: Endpoint;
    /// A workload of a [`World`].
    WorkloadId => workloads: Workload;
    /// A service of a [`World`].
    ServiceId => services: Service;
    /// A node of a [`World`].
    NodeId => nodes: ClusterNode;
    /// A NetworkPolicy of a [`World`].
    PolicyId => policies: Policy;
    /// A DNS name of a [`World`].
    NameId => names: Name;
    /// A policy object of another language of a [`World`].
    ObjectId => objects: PolicyItem;
}

/// A namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// The name.
    pub name: Box<str>,
    /// The labels, the name label included.
    pub labels: Labels,
    /// The object; none if the namespace is only used.
    pub span: Option<Span>,
    /// Where its labels are.
    pub labels_span: Option<Span>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointId>,
    /// Its policies.
    pub policies: Vec<PolicyId>,
}

/// What is known of an endpoint's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Runs, or would run if the manifest were applied.
    Active,
    /// A pod of a live cluster that has no address yet (K-33).
    NoAddress,
    /// Succeeded or failed: owns no address any more (K-86).
    Finished,
}

/// A pod, or the pods that a workload template makes.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The pod's name, or the workload's for a template.
    pub name: Box<str>,
    /// Whether this stands for all pods of a template rather than for one pod.
    pub template: bool,
    /// The labels.
    pub labels: Labels,
    /// The addresses, at most one a family; empty if they are not known.
    pub ips: Ips,
    /// The node.
    pub node: Option<NodeId>,
    /// Where `hostNetwork: true` is written.
    pub host_network: Option<Span>,
    /// The container ports.
    pub ports: Shared<Port>,
    /// The workload it belongs to.
    pub workload: Option<WorkloadId>,
    /// The service account, if one is named.
    pub service_account: Option<Arc<str>>,
    /// Its state.
    pub lifecycle: Lifecycle,
    /// Assumed, not read: the cluster DNS of an input without one (M-2).
    pub assumed: bool,
    /// The object.
    pub span: Option<Span>,
}

/// A container port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// The name.
    pub name: Option<Symbol>,
    /// The number.
    pub number: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// What owns pods; pods of one workload are reported as one.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The kind.
    pub kind: WorkloadKind,
    /// The name.
    pub name: Box<str>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointId>,
    /// The number of pods asked for, where the object says it.
    pub replicas: Option<u32>,
    /// The object; none if only its pods were read.
    pub span: Option<Span>,
}

/// A Service.
#[derive(Clone, Debug)]
pub struct Service {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The name.
    pub name: Box<str>,
    /// Its own labels.
    pub labels: Labels,
    /// The labels of its backends; empty if somebody else writes its endpoints (K-83).
    pub selector: Vec<(Box<str>, Box<str>)>,
    /// The type as it is written: `NodePort`, `LoadBalancer`, `ExternalName`.
    pub kind: Option<Box<str>>,
    /// The cluster addresses.
    pub cluster_ips: Vec<IpAddr>,
    /// Whether it never has one: headless, or an alias of a name outside.
    pub headless: bool,
    /// The ports.
    pub ports: Vec<ServicePort>,
    /// How it is reached from outside of the cluster.
    pub published: Published,
    /// Addresses from EndpointSlices and Endpoints.
    pub addresses: Vec<ServiceAddress>,
    /// The object.
    pub span: Option<Span>,
}

/// A port of a Service.
#[derive(Clone, Debug)]
pub struct ServicePort {
    /// The name.
    pub name: Option<Box<str>>,
    /// What clients dial.
    pub port: u16,
    /// What backends listen on: a number or a container port's name.
    pub target: Result<u16, Box<str>>,
    /// The protocol.
    pub protocol: Protocol,
    /// The port on every node, if it has one.
    pub node_port: Option<u16>,
}

/// An address behind a Service, from an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAddress {
    /// The address.
    pub ip: IpAddr,
    /// The name of the Service port.
    pub port_name: Option<Box<str>>,
    /// The port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// A node.
#[derive(Clone, Debug)]
pub struct ClusterNode {
    /// The name.
    pub name: Box<str>,
    /// The labels.
    pub labels: Labels,
    /// Internal and external addresses.
    pub ips: Ips,
    /// The object; none if only its pods were read.
    pub span: Option<Span>,
}

/// A NetworkPolicy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The name.
    pub name: Box<str>,
    /// Where the name is.
    pub name_span: Span,
    /// What it says.
    pub spec: NetworkPolicySpec,
    /// The object.
    pub span: Span,
}

/// An annotation that suppresses findings, with the object that carries it.
#[derive(Clone, Debug)]
pub struct ObjectIgnore {
    /// The kind of the object.
    pub kind: &'static str,
    /// The namespace, unless the object is cluster-wide.
    pub namespace: Option<Box<str>>,
    /// The name.
    pub name: Box<str>,
    /// The object.
    pub object: Span,
    /// The annotation.
    pub annotation: IgnoreAnnotation<'static>,
}

/// What was not read but assumed, and is said in every report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assumed {
    /// Endpoints without a known address lie somewhere in these (M-1).
    pub pod_cidrs: Vec<IpNet>,
    /// The number of such endpoints.
    pub without_address: usize,
    /// The cluster DNS, if the input has none (M-2).
    pub dns: Option<EndpointId>,
    /// Namespaces that are used but have no object (M-3, K-35).
    pub namespaces: Vec<NamespaceId>,
    /// Objects that name no namespace, and the namespace they were read into.
    pub without_namespace: usize,
    /// That namespace.
    pub default_namespace: Box<str>,
    /// The network engine that the input suggests, and why (M-5).
    pub engine: Option<Box<str>>,
}

/// The cluster.
#[derive(Debug)]
pub struct World {
    /// Interned label keys, label values and port names.
    pub symbols: Symbols,
    /// All namespaces, by name.
    pub namespaces: Vec<Namespace>,
    /// All endpoints, in reading order.
    pub endpoints: Vec<Endpoint>,
    /// All workloads.
    pub workloads: Vec<Workload>,
    /// All services.
    pub services: Vec<Service>,
    /// All nodes.
    pub nodes: Vec<ClusterNode>,
    /// All NetworkPolicies.
    pub policies: Vec<Policy>,
    /// All policy objects of other languages.
    pub objects: Vec<PolicyItem>,
    /// DNS names and patterns that policies name, and names that questions do.
    pub names: Vec<Name>,
    /// Suppressions written on objects.
    pub ignores: Vec<ObjectIgnore>,
    /// What was assumed.
    pub assumed: Assumed,
    /// What the cluster runs beside workloads: network engines, nodes, and what could be read.
    pub inventory: Inventory,
    /// The labels of service accounts.
    accounts: FxHashMap<(NamespaceId, Box<str>), Labels>,
    by_ip: FxHashMap<IpAddr, EndpointId>,
    node_by_ip: FxHashMap<IpAddr, NodeId>,
    /// Found once: several rules ask.
    dns: OnceLock<Vec<DnsServer>>,
    /// Addresses that more than one pod has had.
    shared_ips: FxHashSet<IpAddr>,
    /// Ids of what a change took out.
    gone_policies: FxHashSet<PolicyId>,
    gone_endpoints: FxHashSet<EndpointId>,
}

impl World {
    /// All namespace ids.
    pub fn namespace_ids(&self) -> impl DoubleEndedIterator<Item = NamespaceId> + use<> {
        (0..self.namespaces.len()).map(NamespaceId::at)
    }

    /// All endpoint ids.
    pub fn endpoint_ids(&self) -> impl Iterator<Item = EndpointId> + use<'_> {
        let all = (0..self.endpoints.len()).map(EndpointId::at);
        all.filter(|id| !self.gone_endpoints.contains(id))
    }

    /// All service ids.
    pub fn service_ids(&self) -> impl Iterator<Item = ServiceId> + use<> {
        (0..self.services.len()).map(ServiceId::at)
    }

    /// All node ids.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId::at)
    }

    /// All policy ids.
    pub fn policy_ids(&self) -> impl Iterator<Item = PolicyId> + use<'_> {
        let all = (0..self.policies.len()).map(PolicyId::at);
        all.filter(|id| !self.gone_policies.contains(id))
    }

    /// The namespace of a name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<NamespaceId> {
        let found = self
            .namespaces
            .binary_search_by(|namespace| (*namespace.name).cmp(name));
        found.ok().map(NamespaceId::at)
    }

    /// The pod that owns an address now; finished and host-network pods own none (K-86, K-72).
    #[must_use]
    pub fn endpoint_at(&self, ip: IpAddr) -> Option<EndpointId> {
        self.by_ip.get(&ip).copied()
    }

    /// The node that has an address.
    #[must_use]
    pub fn node_at(&self, ip: IpAddr) -> Option<NodeId> {
        self.node_by_ip.get(&ip).copied()
    }

    /// The node of a name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<NodeId> {
        self.nodes
            .iter()
            .position(|node| *node.name == *name)
            .map(NodeId::at)
    }

    /// A service by namespace and name.
    #[must_use]
    pub fn service(&self, namespace: &str, name: &str) -> Option<ServiceId> {
        let namespace = self.namespace(namespace)?;
        self.services
            .iter()
            .position(|service| service.namespace == namespace && *service.name == *name)
            .map(ServiceId::at)
    }

    /// An endpoint by namespace and pod (or template) name.
    #[must_use]
    pub fn endpoint(&self, namespace: &str, name: &str) -> Option<EndpointId> {
        let namespace = self.namespace(namespace)?;
        let of = &self[namespace].endpoints;
        of.iter().copied().find(|id| *self[*id].name == *name)
    }

    /// The value of a label of an endpoint.
    #[must_use]
    pub fn label(&self, endpoint: EndpointId, key: &str) -> Option<&str> {
        self.symbols.value(&self[endpoint].labels, key)
    }

    /// The value of a label of a namespace.
    #[must_use]
    pub fn namespace_label(&self, namespace: NamespaceId, key: &str) -> Option<&str> {
        self.symbols.value(&self[namespace].labels, key)
    }

    /// `namespace/name` of an endpoint.
    #[must_use]
    pub fn endpoint_name(&self, id: EndpointId) -> String {
        let endpoint = &self[id];
        format!("{}/{}", self[endpoint.namespace].name, endpoint.name)
    }

    /// How reports call an endpoint: its workload where it has one (`shop/Deployment/web`).
    #[must_use]
    pub fn display_name(&self, id: EndpointId) -> String {
        let endpoint = &self[id];
        let namespace = &self[endpoint.namespace].name;
        match endpoint.workload.map(|id| &self[id]) {
            Some(workload) => format!("{namespace}/{}/{}", workload.kind.api(), workload.name),
            None => format!("{namespace}/Pod/{}", endpoint.name),
        }
    }

    /// `namespace/name` of a policy.
    #[must_use]
    pub fn policy_name(&self, id: PolicyId) -> String {
        let policy = &self[id];
        format!("{}/{}", self[policy.namespace].name, policy.name)
    }
}
