//! kube-network-policies, and kindnet, which builds it in. Both queue the first packet of a
//! connection to a program in user space.

use super::prelude::*;

const KIND: Component = Component::Kind;

/// The way from a pod to its own node is judged (D-8).
const SWITCHES: Switches = Switches {
    node_local: NodeLocal::ExemptIngress,
    ..Switches::REFERENCE
};

pub(in crate::engine) static KUBE_NETWORK_POLICIES: EngineFacts = EngineFacts {
    aliases: &["knp"],
    numbering: &[Numbering::all(Component::KubeNetworkPolicies)],
    switches: SWITCHES,
    features: &[
        FeatureFact::full(Feature::Ingress),
        FeatureFact::full(Feature::Egress),
        FeatureFact::full(Feature::IpBlock),
        FeatureFact::full(Feature::Except),
        FeatureFact::full(Feature::NamedPort),
        FeatureFact::full(Feature::EndPort),
        FeatureFact::full(Feature::Sctp),
        FeatureFact::none(
            Feature::HostNetworkPods,
            "they are skipped, by an explicit check since 1.1.1",
        ),
        FeatureFact::always(
            Feature::AdminNetworkPolicy,
            Support::OptIn("only in the build npa-v1alpha1"),
        ),
        FeatureFact::always(
            Feature::BaselineAdminNetworkPolicy,
            Support::OptIn("only in the build npa-v1alpha1"),
        ),
        FeatureFact::always(
            Feature::ClusterNetworkPolicy,
            Support::OptIn("only in the build npa-v1alpha2"),
        ),
    ],
    bugs: &[SHORT_LIVED],
    silent_disable: &["--fail-open, on by default: while its pod is down every packet is accepted"],
    implicit_allow: &["packets that processes of the node itself send"],
    notes: &[
        "since 1.0.0 open connections are judged again when policies change, unless \
         --strict-mode=false",
    ],
    sources: &["kubernetes-sigs/kube-network-policies install.yaml, pkg/cmd/cmd.go"],
    ..EngineFacts::row(
        "kube-network-policies",
        always(
            Enforcement::EnforcedWithWindow,
            "a pod that lives shortly may be open until its policies are known",
        ),
    )
};

const SHORT_LIVED: Bug = Bug {
    id: "kube-network-policies-171",
    summary: "pods that live shortly are not restricted when they start",
    effect: Effect::Window,
    affected: &[KIND.line(0, 27)],
    source: "kubernetes-sigs/kube-network-policies issue 171",
    confidence: Confidence::Reported,
    ..Bug::ROW
};

const ENFORCED: EnforcementFact = EnforcementFact::new(
    Enforcement::EnforcedWithWindow,
    "it enforces since kind 0.24.0; a pod that lives shortly may be open until its policies are \
     known",
);

pub(in crate::engine) static FACTS: EngineFacts = EngineFacts {
    aliases: &["kind", "kindnetd", "minikube-kindnet"],
    like: Some(Engine::KubeNetworkPolicies),
    switches: SWITCHES,
    // kind is below 1.0, the separate project above, and the tags of the image kind ships are
    // dates.
    numbering: &[
        Numbering::range(KIND, (0, 0), (1, 0)),
        Numbering::range(Component::Kindnet, (1, 0), (10_000_000, 0)),
        Numbering::since(Component::KindnetImage, (10_000_000, 0)),
    ],
    features: &[
        FeatureFact::always(Feature::AdminNetworkPolicy, Support::Unknown),
        FeatureFact::always(Feature::BaselineAdminNetworkPolicy, Support::Unknown),
        FeatureFact::always(Feature::ClusterNetworkPolicy, Support::Unknown),
    ],
    bugs: &[
        Bug {
            id: "kind-3713",
            aliases: &["netfilter-1766"],
            summary: "DNS was unreliable for pods under policy, by a bug of netfilter",
            effect: Effect::Closed,
            affected: &[KIND.line(0, 24)],
            source: "kubernetes-sigs/kind issue 3713, commit 36f62932",
            ..Bug::ROW
        },
        Bug {
            id: "kind-e35179f0",
            summary: "open connections and node addresses were judged wrongly at times",
            effect: Effect::Mixed,
            affected: &[KIND.within((0, 24, 0), (0, 32, 0))],
            source: "kubernetes-sigs/kind commit e35179f0",
            ..Bug::ROW
        },
        Bug {
            id: "orbstack-2583",
            summary: "a policy on ingress alone also blocked egress",
            effect: Effect::Closed,
            affected: &[KIND.line(0, 32)],
            condition: "on OrbStack",
            source: "orbstack/orbstack issue 2583",
            confidence: Confidence::Reported,
            ..Bug::ROW
        },
    ],
    silent_disable: &[
        "it always fails open",
        "when its controller cannot start it logs that it skips network policies and keeps running",
        "a kernel without nftables queues, as of WSL2 and some virtual machines: nothing is \
         enforced",
        "a cluster made with disableDefaultCNI has no kindnet",
    ],
    implicit_allow: &["packets that processes of the node itself send"],
    notes: &[
        "minikube uses it for several nodes and for containerd and CRI-O, and a bridge without \
         policy otherwise",
        "since 1.0.0 of kube-network-policies open connections are judged again when policies \
         change",
    ],
    sources: &[
        "kubernetes-sigs/kind pkg/build/nodeimage/const_cni.go, commit e7903573",
        "kubernetes/minikube issue 19871",
    ],
    ..EngineFacts::row(
        "kindnet",
        Timeline::changed(
            EnforcementFact::new(
                Enforcement::NotEnforced,
                "kindnet enforces from kind 0.24.0 on (image of 2024-07-19)",
            ),
            &[
                (Component::Kindnet.at(1, 3, 0), ENFORCED),
                (Component::KindnetImage.at(20_240_719, 0, 0), ENFORCED),
                (KIND.at(0, 24, 0), ENFORCED),
            ],
        ),
    )
};
