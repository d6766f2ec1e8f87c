//! The two engines of GKE. A release number given for them is GKE's own, unless it can only be
//! Calico's.

use super::prelude::*;
use super::{calico, cilium};

pub(in crate::engine) static CALICO: EngineFacts = EngineFacts {
    aliases: &["gke-network-policy"],
    like: Some(Engine::Calico),
    numbering: &[
        Numbering::range(Component::Kubernetes, (1, 0), (2, 0)),
        Numbering::since(Component::Calico, (2, 0)),
    ],
    switches: calico::SWITCHES,
    silent_disable: &[
        "there are two switches, the add-on on the control plane and enforcement on the nodes: the \
         add-on alone does nothing",
        "calico-node runs only on nodes labelled projectcalico.org/ds-ready=true, and nodes older \
         than the add-on lack the label: the DaemonSet exists and has no pod",
    ],
    implicit_allow: calico::IMPLICIT_ALLOW,
    notes: &[
        "a cluster with the DaemonSet netd alone has no policy engine, although GKE serves \
         Calico's resources",
    ],
    sources: &[
        "hashicorp/terraform-provider-google issue 3673",
        "camunda/camunda-platform-helm issue 6591",
        "kubernetes/k8s.io pull request 8948",
    ],
    confidence: Confidence::Reported,
    ..EngineFacts::row(
        "GKE network policy add-on (Calico)",
        always(
            Enforcement::OptIn,
            "off by default: the add-on and enforcement on the nodes must both be switched on",
        ),
    )
};

pub(in crate::engine) static DATAPLANE_V2: EngineFacts = EngineFacts {
    aliases: &["gke-dataplane-v2", "dataplane-v2", "gke-autopilot", "anetd"],
    like: Some(Engine::Cilium),
    numbering: &[Numbering::all(Component::Kubernetes)],
    switches: cilium::SWITCHES,
    features: &[
        FeatureFact::full(Feature::Sctp).confidence(Confidence::Reported),
        FeatureFact::always(
            Feature::EndPort,
            Support::Partial(
                "from the GKE releases on that carry Cilium 1.16; which these are is not recorded",
            ),
        )
        .confidence(Confidence::Unchecked),
        FeatureFact::always(Feature::HostNetworkPods, Support::Unknown),
        FeatureFact::always(Feature::ClusterNetworkPolicy, Support::Unknown),
    ],
    implicit_allow: cilium::IMPLICIT_ALLOW,
    notes: &[
        "a Standard cluster has it only if it was chosen at creation; new Autopilot clusters have \
         it",
        "Google maintains its own Cilium, so releases and fixes of upstream say nothing about it",
        "Workload Identity needs egress to 169.254.169.254 on TCP 80 and 8080",
    ],
    sources: &["Google Cloud documentation, GKE Dataplane V2"],
    confidence: Confidence::Reported,
    ..EngineFacts::row(
        "GKE Dataplane V2",
        always(
            Enforcement::Enforced,
            "enforcement is built in and always on",
        ),
    )
};
