//! Kube-OVN.

use super::prelude::*;

const KUBE_OVN: Component = Component::KubeOvn;

pub(in crate::engine) static FACTS: EngineFacts = EngineFacts {
    aliases: &["kubeovn"],
    numbering: &[Numbering::all(KUBE_OVN)],
    features: &[
        FeatureFact::full(Feature::Ingress),
        FeatureFact::full(Feature::Egress),
        FeatureFact::full(Feature::IpBlock),
        FeatureFact::changed(
            Feature::Except,
            Support::Partial("before 1.16.0 it also trimmed the other peers of its rule"),
            &[(KUBE_OVN.at(1, 16, 0), Support::Full)],
        ),
        FeatureFact::changed(
            Feature::NamedPort,
            Support::Partial("before 1.16.0 an unknown name became port 0"),
            &[(
                KUBE_OVN.at(1, 16, 0),
                Support::Partial("with limits that are not described"),
            )],
        ),
        FeatureFact::full(Feature::EndPort),
        FeatureFact::full(Feature::Sctp),
        FeatureFact::none(
            Feature::HostNetworkPods,
            "they are not connected to its network",
        ),
        FeatureFact::always(
            Feature::AdminNetworkPolicy,
            Support::OptIn("needs --enable-anp"),
        ),
        FeatureFact::always(
            Feature::BaselineAdminNetworkPolicy,
            Support::OptIn("needs --enable-anp"),
        ),
        FeatureFact::always(
            Feature::ClusterNetworkPolicy,
            Support::OptIn("experimental"),
        ),
        FeatureFact::always(
            Feature::Icmp,
            Support::Partial("the lax mode, from 1.15.0 on, polices only TCP, UDP and SCTP"),
        ),
    ],
    bugs: &[
        Bug {
            id: "kube-ovn-6419",
            summary: "an exception was applied to every peer of the rule",
            effect: Effect::Closed,
            affected: &[KUBE_OVN.before(1, 16, 0)],
            source: "kubeovn/kube-ovn commit 13f996011",
            ..Bug::ROW
        },
        Bug {
            id: "kube-ovn-6536",
            summary: "an unknown named port became port 0, and with endPort everything from 0 up",
            effect: Effect::Mixed,
            affected: &[KUBE_OVN.before(1, 16, 0)],
            source: "kubeovn/kube-ovn commit b54a61501",
            ..Bug::ROW
        },
        Bug {
            id: "kube-ovn-6461",
            summary: "Service addresses in egress sets let packets through before load balancing \
                      was in place",
            effect: Effect::Window,
            affected: &[KUBE_OVN.before(1, 16, 0)],
            source: "kubeovn/kube-ovn commit 009e0c5a0",
            ..Bug::ROW
        },
        Bug {
            id: "kube-ovn-5089",
            summary: "an egress policy had no effect while no pod matched its peers",
            effect: Effect::Open,
            affected: &[KUBE_OVN.before(1, 14, 0)],
            source: "kubeovn/kube-ovn commit 3310f23dd",
            ..Bug::ROW
        },
        Bug {
            id: "kube-ovn-7269",
            summary: "turning --enable-np off left its access lists in place",
            effect: Effect::Closed,
            affected: &[KUBE_OVN.through(1, 16, 2)],
            source: "kubeovn/kube-ovn commit 96306858a",
            ..Bug::ROW
        },
    ],
    silent_disable: &[
        "--enable-np=false on the Deployment kube-ovn-controller",
        "the lax mode, for all policies or by annotation for one, lets protocols other than TCP, \
         UDP and SCTP pass",
    ],
    sources: &[
        "kubeovn/kube-ovn pkg/controller/config.go, dist/images/install.sh, pkg/util/const.go",
    ],
    ..EngineFacts::row(
        "Kube-OVN",
        always(
            Enforcement::Enforced,
            "it enforces unless --enable-np is false",
        ),
    )
};
