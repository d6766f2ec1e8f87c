//! Kubernetes objects as written, with the place of every value that a finding may point at.
//!
//! One file a kind. Reading never fails as a whole: [`load`] returns the objects it could decode
//! and a finding for everything else. An object that an API server would refuse is left out, as it
//! would be in the cluster.

mod decode;
mod hints;
mod ips;
mod kinds;
mod load;
mod meta;
mod networkpolicy;
mod objects;
mod pod;
pub mod policy;
mod selector;
mod service;
mod validate;
mod workload;

pub use decode::Text;
pub(crate) use hints::HintReader;
pub use hints::{BASELINE_PREFIX, Hint, PortName, Said};
pub use ips::Ips;
pub use load::{Belongs, Loaded, NotEvaluated, Options, load, load_with, unreadable};
pub(crate) use load::{Gather, gather, gather_two};
pub use meta::{IGNORE_PREFIX, IgnoreAnnotation, Meta, Owner};
pub use networkpolicy::{
    Direction, NetworkPolicySpec, PeerKind, PolicyPeer, PolicyPort, PolicyRule, PortRef, Section,
};
pub use pod::{ContainerPort, Phase, PodSpec, PodStatus};
pub use policy::{Dialect, PolicyKind, PolicyObject};
pub use service::{EndpointSet, Published, Service, ServicePort, TargetPort};
pub use workload::{Workload, WorkloadKind};

use crate::source::Span;

/// A decoded object.
#[derive(Clone, Debug)]
pub struct Object<'s> {
    /// Its metadata.
    pub meta: Meta<'s>,
    /// Where the object is.
    pub span: Span,
    /// The rest of it.
    pub body: Body<'s>,
}

/// What an object is.
#[derive(Clone, Debug)]
pub enum Body<'s> {
    /// v1
    Namespace,
    /// v1
    Pod(PodSpec<'s>, Option<PodStatus>),
    /// Anything that makes pods.
    Workload(Box<Workload<'s>>),
    /// v1
    Service(Service<'s>),
    /// discovery.k8s.io/v1
    EndpointSlice(EndpointSet<'s>),
    /// v1
    Endpoints(Vec<EndpointSet<'s>>),
    /// v1, with its addresses
    Node(Ips),
    /// v1
    ServiceAccount,
    /// networking.k8s.io/v1
    NetworkPolicy(Box<NetworkPolicySpec>),
    /// Any other policy language.
    Policy(PolicyKind, Box<PolicyObject>),
}

impl Body<'_> {
    /// The kind as the API spells it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Pod(..) => "Pod",
            Self::Workload(workload) => workload.kind.api(),
            Self::Service(_) => "Service",
            Self::EndpointSlice(_) => "EndpointSlice",
            Self::Endpoints(_) => "Endpoints",
            Self::Node(_) => "Node",
            Self::ServiceAccount => "ServiceAccount",
            Self::NetworkPolicy(_) => "NetworkPolicy",
            Self::Policy(kind, _) => kind.kind,
        }
    }

    /// Whether objects of this kind live in a namespace.
    #[must_use]
    pub fn is_namespaced(&self) -> bool {
        match self {
            Self::Namespace | Self::Node(_) => false,
            Self::Policy(kind, _) => kind.namespaced,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
