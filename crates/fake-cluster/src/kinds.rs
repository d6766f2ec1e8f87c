//! The kinds that the server knows: those of Kubernetes that matter here, and more by request.

use serde_json::{Value, json};

/// A kind of object as the server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The resource: the lower-case plural of paths.
    pub resource: String,
    /// The kind.
    pub kind: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// `group/version resource Kind`, `*` behind those of no namespace.
const BUILT_IN: &[&str] = &[
    "v1 pods Pod",
    "v1 services Service",
    "v1 endpoints Endpoints",
    "v1 configmaps ConfigMap",
    "v1 secrets Secret",
    "v1 serviceaccounts ServiceAccount",
    "v1 replicationcontrollers ReplicationController",
    "v1 events Event",
    "v1 namespaces Namespace*",
    "v1 nodes Node*",
    "apps/v1 deployments Deployment",
    "apps/v1 daemonsets DaemonSet",
    "apps/v1 statefulsets StatefulSet",
    "apps/v1 replicasets ReplicaSet",
    "batch/v1 jobs Job",
    "batch/v1 cronjobs CronJob",
    "discovery.k8s.io/v1 endpointslices EndpointSlice",
    "networking.k8s.io/v1 networkpolicies NetworkPolicy",
    "networking.k8s.io/v1 ingresses Ingress",
    "rbac.authorization.k8s.io/v1 roles Role",
    "rbac.authorization.k8s.io/v1 rolebindings RoleBinding",
    "rbac.authorization.k8s.io/v1 clusterroles ClusterRole*",
    "rbac.authorization.k8s.io/v1 clusterrolebindings ClusterRoleBinding*",
    "apiextensions.k8s.io/v1 customresourcedefinitions CustomResourceDefinition*",
];

/// What people type in the place of a resource.
const SHORT: &[(&str, &str)] = &[
    ("pods", "po"),
    ("services", "svc"),
    ("endpoints", "ep"),
    ("configmaps", "cm"),
    ("serviceaccounts", "sa"),
    ("events", "ev"),
    ("namespaces", "ns"),
    ("nodes", "no"),
    ("deployments", "deploy"),
    ("daemonsets", "ds"),
    ("statefulsets", "sts"),
    ("replicasets", "rs"),
    ("networkpolicies", "netpol"),
    ("ingresses", "ing"),
    ("customresourcedefinitions", "crd"),
];

impl Kind {
    /// Reads `group/version resource Kind`, with a `*` behind if its objects are in no namespace;
    /// none if it is written otherwise.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (api, resource, kind) = (words.next()?, words.next()?, words.next()?);
        let (group, version) = api.split_once('/').unwrap_or(("", api));
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            kind: kind.trim_end_matches('*').to_owned(),
            namespaced: !kind.ends_with('*'),
        })
    }

    pub(crate) fn built_in() -> Vec<Self> {
        BUILT_IN
            .iter()
            .filter_map(|text| Self::parse(text))
            .collect()
    }

    /// `pods`, `networkpolicies.networking.k8s.io`
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.group, &self.resource)
    }

    /// `v1`, `apps/v1`
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    pub(crate) fn short_names(&self) -> Vec<&'static str> {
        let of = SHORT.iter().filter(|(of, _)| *of == self.resource);
        of.map(|(_, short)| *short).collect()
    }

    /// As a line of a resource list.
    pub(crate) fn listed(&self) -> Value {
        json!({
            "name": self.resource,
            "singularName": self.kind.to_lowercase(),
            "shortNames": self.short_names(),
            "namespaced": self.namespaced,
            "kind": self.kind,
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        })
    }
}

pub(crate) fn key(group: &str, resource: &str) -> String {
    if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    }
}
