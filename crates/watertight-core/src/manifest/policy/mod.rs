//! Policy objects of every language but NetworkPolicy, as written and as their CRD checks them.
//!
//! One folder or file a language. What they hold is owned: a world keeps it.

pub mod admin;
pub mod antrea;
pub mod calico;
pub mod cilium;
pub mod egress_firewall;
mod network;

use super::decode::{Decoder, Unknown};
use crate::document::Node;
use crate::source::Span;

/// A policy language other than NetworkPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy.
    Admin,
    /// Calico.
    Calico,
    /// Cilium.
    Cilium,
    /// Antrea.
    Antrea,
    /// OVN-Kubernetes and OpenShift SDN.
    EgressFirewall,
}

/// A kind of policy object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyKind {
    /// The language.
    pub dialect: Dialect,
    /// The API group.
    pub group: &'static str,
    /// The kind as the API spells it.
    pub kind: &'static str,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
}

/// Every kind, by group. Kinds of one name are told apart by their group (C-77).
pub(super) const KINDS: &[PolicyKind] = &[
    cluster(Dialect::Admin, ADMIN, "AdminNetworkPolicy"),
    cluster(Dialect::Admin, ADMIN, "BaselineAdminNetworkPolicy"),
    cluster(Dialect::Admin, ADMIN, "ClusterNetworkPolicy"),
    cluster(Dialect::Calico, CALICO, "GlobalNetworkPolicy"),
    cluster(Dialect::Calico, CALICO, "GlobalNetworkSet"),
    cluster(Dialect::Calico, CALICO, "HostEndpoint"),
    namespaced(Dialect::Calico, CALICO, "NetworkPolicy"),
    namespaced(Dialect::Calico, CALICO, "NetworkSet"),
    cluster(Dialect::Calico, CALICO, "Profile"),
    cluster(Dialect::Calico, CALICO, "StagedGlobalNetworkPolicy"),
    namespaced(Dialect::Calico, CALICO, "StagedKubernetesNetworkPolicy"),
    namespaced(Dialect::Calico, CALICO, "StagedNetworkPolicy"),
    cluster(Dialect::Calico, CALICO, "Tier"),
    cluster(Dialect::Cilium, CILIUM, "CiliumCIDRGroup"),
    cluster(Dialect::Cilium, CILIUM, "CiliumClusterwideNetworkPolicy"),
    namespaced(Dialect::Cilium, CILIUM, "CiliumNetworkPolicy"),
    cluster(Dialect::Antrea, ANTREA, "ClusterGroup"),
    cluster(Dialect::Antrea, ANTREA, "ClusterNetworkPolicy"),
    namespaced(Dialect::Antrea, ANTREA, "Group"),
    namespaced(Dialect::Antrea, ANTREA, "NetworkPolicy"),
    cluster(Dialect::Antrea, ANTREA, "Tier"),
    namespaced(Dialect::EgressFirewall, "k8s.ovn.org", "EgressFirewall"),
    namespaced(
        Dialect::EgressFirewall,
        "network.openshift.io",
        "EgressNetworkPolicy",
    ),
];

const ADMIN: &str = "policy.networking.k8s.io";
const CALICO: &str = "projectcalico.org";
const CILIUM: &str = "cilium.io";
const ANTREA: &str = "crd.antrea.io";

const fn cluster(dialect: Dialect, group: &'static str, kind: &'static str) -> PolicyKind {
    PolicyKind {
        dialect,
        group,
        kind,
        namespaced: false,
    }
}

const fn namespaced(dialect: Dialect, group: &'static str, kind: &'static str) -> PolicyKind {
    PolicyKind {
        dialect,
        group,
        kind,
        namespaced: true,
    }
}

impl PolicyKind {
    /// The kind of an object, whatever its version. Calico stores its objects under a group of its
    /// own (C-77).
    #[must_use]
    pub fn find(group: &str, kind: &str) -> Option<Self> {
        let group = group
            .strip_prefix("crd.")
            .filter(|group| *group == CALICO)
            .unwrap_or(group);
        let mut kinds = KINDS.iter().copied();
        kinds.find(|known| known.group == group && known.kind == kind)
    }
}

/// What a policy object says.
#[derive(Clone, Debug)]
pub enum PolicyObject {
    /// AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy.
    Admin(admin::AdminPolicy),
    /// Any kind of Calico.
    Calico(calico::CalicoObject),
    /// Any kind of Cilium.
    Cilium(cilium::CiliumObject),
    /// Any kind of Antrea.
    Antrea(antrea::AntreaObject),
    /// EgressFirewall, EgressNetworkPolicy.
    EgressFirewall(egress_firewall::EgressFirewall),
}

impl PolicyObject {
    /// The DNS names and patterns that it names.
    #[must_use]
    pub fn domains(&self) -> Vec<&str> {
        match self {
            Self::Admin(policy) => policy.domains(),
            // The open edition knows none.
            Self::Calico(_) => Vec::new(),
            Self::Cilium(object) => object.domains(),
            Self::Antrea(object) => object.domains(),
            Self::EgressFirewall(firewall) => firewall.domains(),
        }
    }
}

/// What a decoder of a language is given of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'d, 's, 'n> {
    /// The kind.
    pub kind: PolicyKind,
    /// The name of the object.
    pub name: &'n str,
    /// Where the name is.
    pub name_span: Span,
    /// The spec.
    pub spec: Option<Node<'d, 's>>,
    /// The list of specs, which Cilium knows (L-12).
    pub specs: Option<Node<'d, 's>>,
    /// The object.
    pub span: Span,
}

/// `metadata`, `spec` and `specs` of an object.
pub(super) fn top<'d, 's>(
    decoder: &mut Decoder,
    kind: PolicyKind,
    node: Node<'d, 's>,
) -> [Option<Node<'d, 's>>; 3] {
    if kind.dialect == Dialect::Cilium {
        let known = ["apiVersion", "kind", "metadata", "spec", "specs", "status"];
        let [_, _, metadata, spec, specs, _] = decoder.fields(node, known, Unknown::Refuse);
        return [metadata, spec, specs];
    }
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    let [_, _, metadata, spec, _] = decoder.fields(node, known, Unknown::Refuse);
    [metadata, spec, None]
}

pub(super) fn decode(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> Option<PolicyObject> {
    Some(match written.kind.dialect {
        Dialect::Admin => PolicyObject::Admin(admin::decode(decoder, written)?),
        Dialect::Calico => PolicyObject::Calico(calico::decode(decoder, written)?),
        Dialect::Cilium => PolicyObject::Cilium(cilium::decode(decoder, written)?),
        Dialect::Antrea => PolicyObject::Antrea(antrea::decode(decoder, written)?),
        Dialect::EgressFirewall => {
            PolicyObject::EgressFirewall(egress_firewall::decode(decoder, written)?)
        }
    })
}
