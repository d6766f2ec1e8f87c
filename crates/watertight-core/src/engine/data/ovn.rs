//! OVN-Kubernetes, the network of OpenShift, and OpenShift SDN, which came before it.

use super::prelude::*;

const OPENSHIFT: Component = Component::OpenShift;

pub(in crate::engine) static FACTS: EngineFacts = EngineFacts {
    aliases: &[
        "ovnk",
        "ovn",
        "ovn-k8s",
        "openshift",
        "openshift-ovn",
        "ocp",
        "okd",
        "microshift",
    ],
    // Upstream is at 1.x; from 4 on it is a release of OpenShift.
    numbering: &[
        Numbering::range(Component::OvnKubernetes, (0, 0), (4, 0)),
        Numbering::since(OPENSHIFT, (4, 0)),
    ],
    switches: Switches {
        established: Established::ReEvaluate,
        ..Switches::REFERENCE
    },
    features: &[
        FeatureFact::full(Feature::Ingress),
        FeatureFact::full(Feature::Egress),
        FeatureFact::full(Feature::IpBlock),
        FeatureFact::full(Feature::Except),
        FeatureFact::full(Feature::NamedPort),
        FeatureFact::full(Feature::EndPort).confidence(Confidence::Unchecked),
        FeatureFact::full(Feature::Sctp),
        FeatureFact::none(
            Feature::HostNetworkPods,
            "never subjects; as peers the label policy-group.network.openshift.io/host-network \
             stands for them",
        ),
        FeatureFact::always(
            Feature::AdminNetworkPolicy,
            Support::OptIn("needs enable-admin-network-policy"),
        ),
        FeatureFact::always(
            Feature::BaselineAdminNetworkPolicy,
            Support::OptIn("needs enable-admin-network-policy"),
        ),
        FeatureFact::none(Feature::ClusterNetworkPolicy, "not read"),
        FeatureFact::always(
            Feature::Icmp,
            Support::Partial("allow-icmp-network-policy, from 1.3.0 on, lets all ICMP past policy"),
        ),
    ],
    bugs: &[
        Bug {
            id: "ovn-kubernetes-9308fbb84",
            summary: "a pod that the handler missed is added to its policy only at the retry half \
                      a minute later",
            effect: Effect::Window,
            condition: "fixed in March 2026",
            source: "ovn-kubernetes/ovn-kubernetes commit 9308fbb84",
            ..Bug::ROW
        },
        Bug {
            id: "ovn-kubernetes-845",
            summary: "an exception became a drop rule that overrode what other rules allowed",
            effect: Effect::Closed,
            condition: "fixed in September 2020",
            source: "ovn-kubernetes/ovn-kubernetes issue 845, commit d93d11ad2",
            confidence: Confidence::Reported,
            ..Bug::ROW
        },
    ],
    silent_disable: &["allow-icmp-network-policy=true lets all ICMP past every policy"],
    implicit_allow: &["traffic from a node to the pods on it"],
    notes: &[
        "an EgressFirewall must agree as well for traffic that leaves the cluster",
        "OpenShift's DNS pods are in openshift-dns and listen on 5353",
    ],
    sources: &[
        "openshift/cluster-network-operator bindata/network/ovn-kubernetes",
        "ovn-kubernetes/ovn-kubernetes helm",
        "Red Hat documentation, network policy",
    ],
    ..EngineFacts::row(
        "OVN-Kubernetes",
        always(
            Enforcement::Enforced,
            "it enforces wherever its node agent runs",
        ),
    )
};

pub(in crate::engine) static OPENSHIFT_SDN: EngineFacts = EngineFacts {
    aliases: &["sdn", "openshiftsdn"],
    status: Status::Retired,
    switches: Switches {
        legacy_sdn: true,
        ..Switches::REFERENCE
    },
    numbering: &[Numbering::all(OPENSHIFT)],
    features: &[
        FeatureFact::full(Feature::Ingress),
        FeatureFact::changed(
            Feature::Egress,
            Support::None("before OpenShift 4.10 egress rules are ignored"),
            &[(OPENSHIFT.at(4, 10, 0), Support::Full)],
        ),
        FeatureFact::changed(
            Feature::IpBlock,
            Support::None("not matched before OpenShift 4.3"),
            &[(OPENSHIFT.at(4, 3, 0), Support::Full)],
        ),
        FeatureFact::changed(
            Feature::Except,
            Support::None("not honoured before OpenShift 4.10"),
            &[(OPENSHIFT.at(4, 10, 0), Support::Full)],
        ),
        FeatureFact::none(
            Feature::NamedPort,
            "the whole rule is ignored with a line in the log",
        ),
        FeatureFact::changed(
            Feature::EndPort,
            Support::None("before OpenShift 4.10 only the first port is admitted"),
            &[(OPENSHIFT.at(4, 10, 0), Support::Full)],
        ),
        FeatureFact::full(Feature::Sctp),
        FeatureFact::none(Feature::Ipv6, "IPv4 only"),
        FeatureFact::none(Feature::AdminNetworkPolicy, "not read"),
        FeatureFact::none(Feature::BaselineAdminNetworkPolicy, "not read"),
        FeatureFact::none(Feature::ClusterNetworkPolicy, "not read"),
    ],
    silent_disable: &[
        "a policy that needs 10,000 flows or more is ignored, with an Event TooManyFlows",
    ],
    notes: &["the modes Multitenant and Subnet do not enforce NetworkPolicy"],
    sources: &["openshift/sdn pkg/network/node/networkpolicy.go, commits a6e14b449, 8334f806f"],
    confidence: Confidence::Reported,
    ..EngineFacts::row(
        "OpenShift SDN",
        always(
            Enforcement::Enforced,
            "it enforces in its default mode, NetworkPolicy",
        ),
    )
};
