//! Which kinds there are, and which of them decide connections but are not evaluated.

use super::policy::{Dialect, PolicyKind};
use crate::suggest;

/// How an object is treated by its `apiVersion` and `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Decoded.
    Decode,
    /// An object of another policy language, decoded.
    Policy(PolicyKind),
    /// A version that current servers do not serve; the served one.
    NotServed(&'static str),
    /// A policy language that this version does not evaluate.
    NotEvaluated,
    /// Not a kind of its group, but close to one that is.
    Misspelt(&'static str),
    /// Of no concern.
    Other,
}

/// The languages that are evaluated, with the versions in which servers serve them.
const EVALUATED: &[(Dialect, &[&str])] = &[
    (Dialect::Admin, &["v1alpha1", "v1alpha2"]),
    (Dialect::Antrea, &["v1beta1"]),
    (Dialect::Cilium, &["v2", "v2alpha1"]),
    // As the API has them, and as they are stored (C-77).
    (Dialect::Calico, &["v3", "v1"]),
    (Dialect::EgressFirewall, &["v1"]),
];

/// Kinds with versions that servers know no more, or never knew for the kind; the one to use.
const NOT_SERVED: &[(Dialect, &[&str], &[&str], &str)] = &[
    (
        Dialect::Admin,
        &["AdminNetworkPolicy", "BaselineAdminNetworkPolicy"],
        &["v1alpha2"],
        "policy.networking.k8s.io/v1alpha1",
    ),
    (
        Dialect::Admin,
        &["ClusterNetworkPolicy"],
        &["v1alpha1"],
        "policy.networking.k8s.io/v1alpha2",
    ),
    (
        Dialect::Antrea,
        &["ClusterNetworkPolicy", "NetworkPolicy", "Tier"],
        &["v1alpha1"],
        "crd.antrea.io/v1beta1",
    ),
    (
        Dialect::Antrea,
        &["ClusterGroup", "Group"],
        &["v1alpha2", "v1alpha3"],
        "crd.antrea.io/v1beta1",
    ),
    (
        Dialect::Cilium,
        &["CiliumClusterwideNetworkPolicy", "CiliumNetworkPolicy"],
        &["v2alpha1"],
        "cilium.io/v2",
    ),
];

/// Groups with further kinds that admit or deny connections and are not evaluated.
const NOT_EVALUATED: &[(&str, &[&str])] = &[
    ("cilium.io", &["CiliumLocalRedirectPolicy"]),
    (
        "networking.k8s.aws",
        &["ApplicationNetworkPolicy", "ClusterNetworkPolicy"],
    ),
    ("k8s.cni.cncf.io", &["MultiNetworkPolicy"]),
    ("security.istio.io", &["AuthorizationPolicy"]),
    ("policy.linkerd.io", &["AuthorizationPolicy", "Server"]),
];

/// The decoded kinds and the version in which servers serve them.
const DECODED: &[(&str, &str)] = &[
    ("CronJob", "batch/v1"),
    ("DaemonSet", "apps/v1"),
    ("Deployment", "apps/v1"),
    ("EndpointSlice", "discovery.k8s.io/v1"),
    ("Endpoints", "v1"),
    ("Job", "batch/v1"),
    ("Namespace", "v1"),
    ("NetworkPolicy", "networking.k8s.io/v1"),
    ("Node", "v1"),
    ("Pod", "v1"),
    ("ReplicaSet", "apps/v1"),
    ("ReplicationController", "v1"),
    ("Service", "v1"),
    ("ServiceAccount", "v1"),
    ("StatefulSet", "apps/v1"),
];

/// Groups that served the decoded kinds once; foreign groups may use the same kind names.
const BUILT_IN_GROUPS: &[&str] = &[
    "",
    "apps",
    "batch",
    "discovery.k8s.io",
    "extensions",
    "networking.k8s.io",
];

/// The group of an `apiVersion`; empty for the core group.
fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn policy(api_version: &str, kind: PolicyKind) -> Treatment {
    let Some((_, served)) = EVALUATED.iter().find(|(of, _)| *of == kind.dialect) else {
        return Treatment::NotEvaluated;
    };
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let gone = NOT_SERVED.iter().find(|(of, kinds, versions, _)| {
        *of == kind.dialect && kinds.contains(&kind.kind) && versions.contains(&version)
    });
    if let Some((.., served)) = gone {
        return Treatment::NotServed(served);
    }
    if served.contains(&version) {
        Treatment::Policy(kind)
    } else {
        Treatment::NotEvaluated
    }
}

pub(super) fn treatment(api_version: &str, kind: &str) -> Treatment {
    let group = group_of(api_version);
    if let Some(kind) = PolicyKind::find(group, kind) {
        return policy(api_version, kind);
    }
    let not_evaluated = NOT_EVALUATED
        .iter()
        .any(|(name, kinds)| *name == group && kinds.contains(&kind));
    if not_evaluated {
        return Treatment::NotEvaluated;
    }
    match DECODED.iter().find(|(name, _)| *name == kind) {
        Some((_, served)) if *served == api_version => Treatment::Decode,
        Some((_, served)) if BUILT_IN_GROUPS.contains(&group) => Treatment::NotServed(served),
        Some(_) => Treatment::Other,
        None => {
            let served = DECODED.iter().filter(|(_, served)| *served == api_version);
            let singular = kind.replace("ies", "y");
            suggest::misspelt(&singular, served.map(|(name, _)| *name))
                .map_or(Treatment::Other, Treatment::Misspelt)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_group() {
        use Treatment::*;
        assert_eq!(treatment("networking.k8s.io/v1", "NetworkPolicy"), Decode);
        assert_eq!(
            treatment("extensions/v1beta1", "NetworkPolicy"),
            NotServed("networking.k8s.io/v1")
        );
        for (served, kind) in [
            ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
            (
                "policy.networking.k8s.io/v1alpha1",
                "BaselineAdminNetworkPolicy",
            ),
            ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
            ("projectcalico.org/v3", "NetworkPolicy"),
            ("crd.projectcalico.org/v1", "GlobalNetworkPolicy"),
            ("crd.antrea.io/v1beta1", "ClusterNetworkPolicy"),
            ("crd.antrea.io/v1beta1", "NetworkPolicy"),
            ("crd.antrea.io/v1beta1", "Tier"),
            ("k8s.ovn.org/v1", "EgressFirewall"),
            ("network.openshift.io/v1", "EgressNetworkPolicy"),
        ] {
            let found = treatment(served, kind);
            assert!(matches!(found, Policy(of) if of.kind == kind), "{served}");
        }
        for (version, kind, served) in [
            ("v1alpha2", "AdminNetworkPolicy", "v1alpha1"),
            ("v1alpha2", "BaselineAdminNetworkPolicy", "v1alpha1"),
            ("v1alpha1", "ClusterNetworkPolicy", "v1alpha2"),
        ] {
            let group = "policy.networking.k8s.io";
            let found = treatment(&format!("{group}/{version}"), kind);
            assert!(
                matches!(found, NotServed(of) if of == format!("{group}/{served}")),
                "{kind}: {found:?}"
            );
        }
        assert_eq!(
            treatment("crd.antrea.io/v1alpha1", "NetworkPolicy"),
            NotServed("crd.antrea.io/v1beta1")
        );
        assert_eq!(
            treatment("policy.networking.k8s.io/v9", "ClusterNetworkPolicy"),
            NotEvaluated
        );
        assert_eq!(treatment("serving.knative.dev/v1", "Service"), Other);
        assert_eq!(
            treatment("apps/v1beta2", "Deployment"),
            NotServed("apps/v1")
        );
        assert_eq!(treatment("v1", "ConfigMap"), Other);
        for near in ["Networkpolicy", "NetworkPolicies", "NetworkPolcy"] {
            assert_eq!(
                treatment("networking.k8s.io/v1", near),
                Misspelt("NetworkPolicy"),
                "{near}"
            );
        }
        for other in [
            "Secret",
            "Event",
            "PodTemplate",
            "Ingress",
            "PersistentVolume",
        ] {
            assert_eq!(treatment("v1", other), Other, "{other}");
        }
    }
}
