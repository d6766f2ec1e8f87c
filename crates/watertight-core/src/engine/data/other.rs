//! The reference, plug-ins that enforce nothing, and engines about which little is known.

use super::prelude::*;

pub(in crate::engine) static REFERENCE: EngineFacts = EngineFacts {
    aliases: &["kubernetes", "k8s", "spec", "default"],
    numbering: &[Numbering::all(Component::Kubernetes)],
    features: &[
        FeatureFact::full(Feature::Ingress),
        FeatureFact::full(Feature::Egress),
        FeatureFact::full(Feature::IpBlock),
        FeatureFact::full(Feature::Except),
        FeatureFact::full(Feature::NamedPort),
        FeatureFact::full(Feature::EndPort),
        FeatureFact::full(Feature::Sctp),
        FeatureFact::full(Feature::Ipv6),
        FeatureFact::none(
            Feature::HostNetworkPods,
            "the API leaves them open; most engines see the node's address",
        ),
        FeatureFact::full(Feature::AdminNetworkPolicy),
        FeatureFact::full(Feature::BaselineAdminNetworkPolicy),
        FeatureFact::full(Feature::ClusterNetworkPolicy),
        FeatureFact::always(
            Feature::Icmp,
            Support::Partial("the API leaves it open; the switch `icmp` decides"),
        ),
    ],
    notes: &["no product behaves exactly like this in every point that the API leaves open"],
    sources: &[
        "kubernetes/api networking/v1/types.go",
        "kubernetes-sigs/network-policy-api",
    ],
    ..EngineFacts::row(
        "the reference semantics",
        always(
            Enforcement::Enforced,
            "the reference assumes an engine that enforces every policy",
        ),
    )
};

pub(in crate::engine) static FLANNEL: EngineFacts = EngineFacts {
    aliases: &["kube-flannel"],
    numbering: &[Numbering::all(Component::Flannel)],
    switches: NOTHING,
    bugs: &[Bug {
        id: "CVE-2026-32241",
        aliases: &["GO-2026-4894"],
        summary: "data of the extension backend could run commands on other nodes",
        effect: Effect::Other,
        affected: &[Component::Flannel.before(0, 28, 2)],
        source: "golang/vulndb GO-2026-4894",
        ..Bug::ROW
    }],
    notes: &[
        "since 0.25.5 its chart can add the container kube-network-policies (netpol.enabled, off \
         by default); choose the engine kube-network-policies then",
        "with Calico's policy on top it is Canal, and inside k3s the controller of k3s enforces",
    ],
    sources: &["flannel-io/flannel Documentation/netpol.md, chart/kube-flannel"],
    ..EngineFacts::row(
        "flannel",
        always(
            Enforcement::NotEnforced,
            "flannel connects pods and leaves policies to other programs",
        ),
    )
};

pub(in crate::engine) static MINIKUBE_BRIDGE: EngineFacts = EngineFacts {
    aliases: &["bridge", "host-gw"],
    switches: NOTHING,
    notes: &[
        "minikube uses kindnet, which enforces, for several nodes and for containerd and CRI-O",
    ],
    sources: &["kubernetes/minikube pkg/minikube/cni/cni.go"],
    ..EngineFacts::row(
        "minikube bridge",
        always(
            Enforcement::NotEnforced,
            "the bridge plug-in knows nothing of policies",
        ),
    )
};

pub(in crate::engine) static MICROK8S: EngineFacts = EngineFacts {
    aliases: &["micro-k8s"],
    like: Some(Engine::Calico),
    numbering: &[Numbering::all(Component::Kubernetes)],
    switches: super::calico::SWITCHES,
    silent_disable: &[
        "with the add-on ha-cluster switched off it runs flannel, which enforces nothing",
    ],
    implicit_allow: super::calico::IMPLICIT_ALLOW,
    sources: &["canonical/microk8s upgrade-scripts/000-switch-to-calico"],
    ..EngineFacts::row(
        "MicroK8s",
        always(
            Enforcement::Enforced,
            "Calico comes with the default add-on ha-cluster",
        ),
    )
};

pub(in crate::engine) static ROMANA: EngineFacts = EngineFacts {
    aliases: &["romana-agent"],
    status: Status::Retired,
    notes: &["its last change is of 2018 and knows NetworkPolicy as of Kubernetes 1.8: probe it"],
    sources: &["romana/romana containerize/specs/romana-kubeadm.yml"],
    ..EngineFacts::row(
        "Romana",
        always(
            Enforcement::Unknown,
            "it read an early NetworkPolicy, and nobody has checked it since 2018",
        ),
    )
};

pub(in crate::engine) static NUAGE: EngineFacts = EngineFacts {
    aliases: &["nuage-vsp"],
    status: Status::Unknown,
    confidence: Confidence::Unchecked,
    ..EngineFacts::row(
        "Nuage VSP",
        always(Enforcement::Unknown, "nothing about it was checked"),
    )
};

pub(in crate::engine) static TERWAY: EngineFacts = EngineFacts {
    aliases: &["terway-eniip", "ack-terway"],
    notes: &["enforcement is a setting of the plug-in's configuration"],
    confidence: Confidence::Unchecked,
    ..EngineFacts::row(
        "Terway",
        always(
            Enforcement::Unknown,
            "whether it enforces is a setting that no policy shows",
        ),
    )
};

const NOTHING: Switches = Switches {
    enforcement: EnforcementSwitch::None,
    ..Switches::REFERENCE
};
