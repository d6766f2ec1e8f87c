//! Weave Net, which has had no release since 2022.

use super::prelude::*;

const WEAVE: Component = Component::Weave;

pub(in crate::engine) static FACTS: EngineFacts = EngineFacts {
    aliases: &["weave-net", "weaveworks", "weave-npc"],
    status: Status::Retired,
    numbering: &[Numbering::all(WEAVE)],
    switches: Switches {
        snat: Snat::NodeIp,
        ..Switches::REFERENCE
    },
    features: &[
        FeatureFact::full(Feature::Ingress),
        FeatureFact::changed(
            Feature::Egress,
            Support::None("egress rules are ignored before 2.4.0"),
            &[(WEAVE.at(2, 4, 0), Support::Full)],
        ),
        FeatureFact::changed(
            Feature::IpBlock,
            Support::None("not matched before 2.5.0"),
            &[(
                WEAVE.at(2, 5, 0),
                Support::Partial(
                    "on ingress only useful with externalTrafficPolicy Local: other sources are \
                     rewritten",
                ),
            )],
        ),
        FeatureFact::changed(
            Feature::Except,
            Support::None("not matched before 2.5.0"),
            &[(WEAVE.at(2, 5, 0), Support::Full)],
        ),
        FeatureFact::none(
            Feature::NamedPort,
            "the item is skipped with an error in the log",
        ),
        FeatureFact::none(Feature::EndPort, "only the first port is admitted"),
        FeatureFact::none(Feature::AdminNetworkPolicy, "not read"),
        FeatureFact::none(Feature::BaselineAdminNetworkPolicy, "not read"),
        FeatureFact::none(Feature::ClusterNetworkPolicy, "not read"),
    ],
    bugs: &[
        Bug {
            id: "CVE-2020-11091",
            aliases: &["GO-2022-0794"],
            summary: "pods could redirect traffic with IPv6 router advertisements",
            effect: Effect::Other,
            affected: &[WEAVE.before(2, 6, 3)],
            source: "golang/vulndb GO-2022-0794",
            ..Bug::ROW
        },
        Bug {
            id: "weave-3222",
            summary: "ingress was allowed where the selectors of subject and peer were equal",
            effect: Effect::Open,
            affected: &[WEAVE.before(2, 2, 1)],
            source: "weaveworks/weave CHANGELOG.md",
            ..Bug::ROW
        },
    ],
    silent_disable: &[
        "EXPECT_NPC=0, or a pod without the container weave-npc",
        "hosts with iptables 1.8 or later are not supported",
    ],
    implicit_allow: &["multicast, unless --allow-mcast=false"],
    sources: &[
        "weaveworks/weave prog/weave-kube, npc/analyser.go, site/kubernetes/kube-addon.md, \
         CHANGELOG.md",
    ],
    ..EngineFacts::row(
        "Weave Net",
        always(Enforcement::Enforced, "the container weave-npc enforces"),
    )
};
