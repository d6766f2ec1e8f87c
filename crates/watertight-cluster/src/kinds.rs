//! Which kinds of a cluster are read, and in which form.
//!
//! Those that core decodes and those that tell which network engine runs; Secrets are not among them,
//! and of ConfigMaps only those of network engines, by name. `deploy/rbac/read-only.yaml` allows just
//! these; tests hold the list against core and the role against the list.

pub use watertight_core::engine::detect::CONFIG_MAPS;

use crate::slim::shapes::{self, Shape};

/// A kind that is read.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The group; empty for the core.
    pub group: &'static str,
    /// The versions that are understood, the best one first. In another one it is read all the same:
    /// that it is not understood is for others to say.
    pub versions: &'static [&'static str],
    /// The kind.
    pub kind: &'static str,
    /// The resource, as in paths.
    pub resource: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What it is read for.
    pub purpose: Purpose,
    pub(crate) form: Form,
    /// The same objects under another name, which is read only if this one is not served.
    pub(crate) instead_of: Option<(&'static str, &'static str)>,
}

/// What a kind is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// It decides connections: whatever is missing makes answers incomplete.
    Verdicts,
    /// It tells which network engine runs, and how.
    Engine,
    /// It tells what pods need; for baselines.
    Hints,
}

/// What becomes of objects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// One line each, in one text for the kind.
    Lines(Shape),
    /// The same, of metadata alone.
    Names(Shape),
    /// A YAML text each, as people write them.
    Files,
    /// The objects of [`CONFIG_MAPS`], one by one.
    ByName(Shape),
}

const V1: &[&str] = &["v1"];

const fn namespaced(
    group: &'static str,
    versions: &'static [&'static str],
    kind: &'static str,
    resource: &'static str,
    form: Form,
) -> Kind {
    Kind {
        group,
        versions,
        kind,
        resource,
        namespaced: true,
        purpose: Purpose::Verdicts,
        form,
        instead_of: None,
    }
}

const fn cluster(
    group: &'static str,
    versions: &'static [&'static str],
    kind: &'static str,
    resource: &'static str,
    form: Form,
) -> Kind {
    let kind = namespaced(group, versions, kind, resource, form);
    Kind {
        namespaced: false,
        ..kind
    }
}

const fn of(purpose: Purpose, kind: Kind) -> Kind {
    Kind { purpose, ..kind }
}

/// A kind of Calico as its API server has it, and as it is stored (C-77): the same objects.
const fn stored(kind: Kind) -> Kind {
    Kind {
        group: "crd.projectcalico.org",
        versions: V1,
        instead_of: Some(("projectcalico.org", kind.resource)),
        ..kind
    }
}

use Form::{ByName, Files, Lines, Names};
use Purpose::{Engine, Hints};

const ADMIN: &str = "policy.networking.k8s.io";
const CALICO: &str = "projectcalico.org";
const CILIUM: &str = "cilium.io";
const ANTREA: &str = "crd.antrea.io";
const ALPHA1: &[&str] = &["v1alpha1"];
const ALPHA2: &[&str] = &["v1alpha2"];
const BETA1: &[&str] = &["v1beta1"];
const V2: &[&str] = &["v2"];
const V2_OR_ALPHA: &[&str] = &["v2", "v2alpha1"];
const V3: &[&str] = &["v3"];

macro_rules! calico {
    ($($make:ident($kind:literal, $resource:literal);)*) => {
        &[
            $($make(CALICO, V3, $kind, $resource, Files),)*
            $(stored($make(CALICO, V3, $kind, $resource, Files)),)*
        ]
    };
}

const CALICO_KINDS: &[Kind] = calico! {
    cluster("GlobalNetworkPolicy", "globalnetworkpolicies");
    cluster("GlobalNetworkSet", "globalnetworksets");
    cluster("HostEndpoint", "hostendpoints");
    namespaced("NetworkPolicy", "networkpolicies");
    namespaced("NetworkSet", "networksets");
    cluster("Profile", "profiles");
    cluster("StagedGlobalNetworkPolicy", "stagedglobalnetworkpolicies");
    namespaced("StagedKubernetesNetworkPolicy", "stagedkubernetesnetworkpolicies");
    namespaced("StagedNetworkPolicy", "stagednetworkpolicies");
    cluster("Tier", "tiers");
};

const OTHER_KINDS: &[Kind] = &[
    // What connects.
    cluster("", V1, "Namespace", "namespaces", Lines(shapes::NAMESPACES)),
    cluster("", V1, "Node", "nodes", Lines(shapes::NODES)),
    namespaced("", V1, "Pod", "pods", Lines(shapes::PODS)),
    namespaced("", V1, "Service", "services", Lines(shapes::SERVICES)),
    namespaced(
        "",
        V1,
        "ServiceAccount",
        "serviceaccounts",
        Lines(shapes::SERVICE_ACCOUNTS),
    ),
    namespaced(
        "",
        V1,
        "ReplicationController",
        "replicationcontrollers",
        Lines(shapes::WORKLOADS),
    ),
    namespaced(
        "discovery.k8s.io",
        V1,
        "EndpointSlice",
        "endpointslices",
        Lines(shapes::ENDPOINT_SLICES),
    ),
    Kind {
        instead_of: Some(("discovery.k8s.io", "endpointslices")),
        ..namespaced("", V1, "Endpoints", "endpoints", Lines(shapes::ENDPOINTS))
    },
    namespaced(
        "apps",
        V1,
        "DaemonSet",
        "daemonsets",
        Lines(shapes::DAEMON_SETS),
    ),
    namespaced(
        "apps",
        V1,
        "Deployment",
        "deployments",
        Lines(shapes::DEPLOYMENTS),
    ),
    namespaced(
        "apps",
        V1,
        "ReplicaSet",
        "replicasets",
        Lines(shapes::WORKLOADS),
    ),
    namespaced(
        "apps",
        V1,
        "StatefulSet",
        "statefulsets",
        Lines(shapes::WORKLOADS),
    ),
    namespaced("batch", V1, "CronJob", "cronjobs", Lines(shapes::CRON_JOBS)),
    namespaced("batch", V1, "Job", "jobs", Lines(shapes::WORKLOADS)),
    // Policies.
    namespaced(
        "networking.k8s.io",
        V1,
        "NetworkPolicy",
        "networkpolicies",
        Files,
    ),
    cluster(
        ADMIN,
        ALPHA1,
        "AdminNetworkPolicy",
        "adminnetworkpolicies",
        Files,
    ),
    cluster(
        ADMIN,
        ALPHA1,
        "BaselineAdminNetworkPolicy",
        "baselineadminnetworkpolicies",
        Files,
    ),
    cluster(
        ADMIN,
        ALPHA2,
        "ClusterNetworkPolicy",
        "clusternetworkpolicies",
        Files,
    ),
    cluster(
        CILIUM,
        V2_OR_ALPHA,
        "CiliumCIDRGroup",
        "ciliumcidrgroups",
        Files,
    ),
    cluster(
        CILIUM,
        V2,
        "CiliumClusterwideNetworkPolicy",
        "ciliumclusterwidenetworkpolicies",
        Files,
    ),
    namespaced(
        CILIUM,
        V2,
        "CiliumNetworkPolicy",
        "ciliumnetworkpolicies",
        Files,
    ),
    cluster(ANTREA, BETA1, "ClusterGroup", "clustergroups", Files),
    cluster(
        ANTREA,
        BETA1,
        "ClusterNetworkPolicy",
        "clusternetworkpolicies",
        Files,
    ),
    namespaced(ANTREA, BETA1, "Group", "groups", Files),
    namespaced(ANTREA, BETA1, "NetworkPolicy", "networkpolicies", Files),
    cluster(ANTREA, BETA1, "Tier", "tiers", Files),
    namespaced(
        "k8s.ovn.org",
        V1,
        "EgressFirewall",
        "egressfirewalls",
        Files,
    ),
    namespaced(
        "network.openshift.io",
        V1,
        "EgressNetworkPolicy",
        "egressnetworkpolicies",
        Files,
    ),
    // Policies that are not evaluated: that they are there is said.
    namespaced(
        CILIUM,
        V2,
        "CiliumLocalRedirectPolicy",
        "ciliumlocalredirectpolicies",
        Files,
    ),
    namespaced(
        "networking.k8s.aws",
        ALPHA1,
        "ApplicationNetworkPolicy",
        "applicationnetworkpolicies",
        Files,
    ),
    cluster(
        "networking.k8s.aws",
        ALPHA1,
        "ClusterNetworkPolicy",
        "clusternetworkpolicies",
        Files,
    ),
    namespaced(
        "k8s.cni.cncf.io",
        &["v1beta1", "v1beta2"],
        "MultiNetworkPolicy",
        "multi-networkpolicies",
        Files,
    ),
    namespaced(
        "security.istio.io",
        V1,
        "AuthorizationPolicy",
        "authorizationpolicies",
        Files,
    ),
    namespaced(
        "policy.linkerd.io",
        ALPHA1,
        "AuthorizationPolicy",
        "authorizationpolicies",
        Files,
    ),
    namespaced(
        "policy.linkerd.io",
        &["v1beta3", "v1beta2", "v1beta1"],
        "Server",
        "servers",
        Files,
    ),
    // The engine.
    of(
        Engine,
        namespaced(
            "",
            V1,
            "ConfigMap",
            "configmaps",
            ByName(shapes::CONFIG_MAPS),
        ),
    ),
    of(
        Engine,
        cluster(
            "apiextensions.k8s.io",
            V1,
            "CustomResourceDefinition",
            "customresourcedefinitions",
            Names(shapes::DEFINITIONS),
        ),
    ),
    of(
        Engine,
        cluster(
            CALICO,
            V3,
            "FelixConfiguration",
            "felixconfigurations",
            Files,
        ),
    ),
    of(
        Engine,
        stored(cluster(
            CALICO,
            V3,
            "FelixConfiguration",
            "felixconfigurations",
            Files,
        )),
    ),
    of(
        Engine,
        cluster(
            CALICO,
            V3,
            "ClusterInformation",
            "clusterinformations",
            Files,
        ),
    ),
    of(
        Engine,
        stored(cluster(
            CALICO,
            V3,
            "ClusterInformation",
            "clusterinformations",
            Files,
        )),
    ),
    of(
        Engine,
        cluster(
            "operator.tigera.io",
            V1,
            "Installation",
            "installations",
            Files,
        ),
    ),
    of(
        Engine,
        cluster(ANTREA, BETA1, "AntreaAgentInfo", "antreaagentinfos", Files),
    ),
    of(
        Engine,
        cluster(
            "config.openshift.io",
            V1,
            "ClusterVersion",
            "clusterversions",
            Files,
        ),
    ),
    of(
        Engine,
        cluster("config.openshift.io", V1, "Network", "networks", Files),
    ),
    of(
        Engine,
        cluster("eks.amazonaws.com", V1, "NodeClass", "nodeclasses", Files),
    ),
    of(
        Engine,
        namespaced(
            "networking.k8s.aws",
            ALPHA1,
            "PolicyEndpoint",
            "policyendpoints",
            Lines(shapes::POLICY_ENDPOINTS),
        ),
    ),
    of(
        Engine,
        cluster("operator.openshift.io", V1, "Network", "networks", Files),
    ),
    // What pods need.
    of(
        Hints,
        namespaced(
            "networking.k8s.io",
            V1,
            "Ingress",
            "ingresses",
            Lines(shapes::ROUTES),
        ),
    ),
    of(
        Hints,
        namespaced(
            "gateway.networking.k8s.io",
            &["v1", "v1beta1"],
            "HTTPRoute",
            "httproutes",
            Lines(shapes::ROUTES),
        ),
    ),
    of(
        Hints,
        namespaced(
            "gateway.networking.k8s.io",
            &["v1", "v1alpha2"],
            "GRPCRoute",
            "grpcroutes",
            Lines(shapes::ROUTES),
        ),
    ),
    of(
        Hints,
        namespaced(
            "gateway.networking.k8s.io",
            &["v1", "v1alpha3", "v1alpha2"],
            "TLSRoute",
            "tlsroutes",
            Lines(shapes::ROUTES),
        ),
    ),
    of(
        Hints,
        namespaced(
            "gateway.networking.k8s.io",
            &["v1", "v1alpha2"],
            "TCPRoute",
            "tcproutes",
            Lines(shapes::ROUTES),
        ),
    ),
    of(
        Hints,
        namespaced(
            "gateway.networking.k8s.io",
            &["v1", "v1alpha2"],
            "UDPRoute",
            "udproutes",
            Lines(shapes::ROUTES),
        ),
    ),
    of(
        Hints,
        namespaced(
            "rbac.authorization.k8s.io",
            V1,
            "RoleBinding",
            "rolebindings",
            Lines(shapes::BINDINGS),
        ),
    ),
    of(
        Hints,
        cluster(
            "rbac.authorization.k8s.io",
            V1,
            "ClusterRoleBinding",
            "clusterrolebindings",
            Lines(shapes::BINDINGS),
        ),
    ),
];

/// Every kind that may be read, in the order in which texts are given.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    OTHER_KINDS.iter().chain(CALICO_KINDS)
}
