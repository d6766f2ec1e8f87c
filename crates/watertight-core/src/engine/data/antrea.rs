//! Antrea.

use super::prelude::*;

const ANTREA: Component = Component::Antrea;

pub(in crate::engine) static FACTS: EngineFacts = EngineFacts {
    aliases: &["antrea-agent"],
    numbering: &[Numbering::all(ANTREA)],
    switches: Switches {
        established: Established::Survive,
        ..Switches::REFERENCE
    },
    features: &[
        FeatureFact::full(Feature::Ingress),
        FeatureFact::full(Feature::Egress),
        FeatureFact::full(Feature::IpBlock),
        FeatureFact::full(Feature::Except),
        FeatureFact::full(Feature::NamedPort),
        FeatureFact::changed(
            Feature::EndPort,
            Support::None("before 1.1 only the first port is admitted"),
            &[(ANTREA.at(1, 1, 0), Support::Full)],
        ),
        FeatureFact::full(Feature::Sctp).confidence(Confidence::Unchecked),
        FeatureFact::none(
            Feature::HostNetworkPods,
            "NodeNetworkPolicy, alpha since 1.15, polices nodes through Antrea's own kinds",
        ),
        ADMIN_NETWORK_POLICY,
        FeatureFact {
            feature: Feature::BaselineAdminNetworkPolicy,
            ..ADMIN_NETWORK_POLICY
        },
        FeatureFact::changed(
            Feature::ClusterNetworkPolicy,
            Support::None("read from 2.7 on, behind a feature gate"),
            &[(
                ANTREA.at(2, 7, 0),
                Support::OptIn("alpha feature gate, off by default"),
            )],
        ),
    ],
    bugs: BUGS,
    silent_disable: &[
        "an agent that starts while the controller is down has no policies to enforce",
    ],
    implicit_allow: &[
        "traffic from a node to the pods on it, so that probes work",
        "a pod that reaches itself through a Service",
    ],
    notes: &[
        "its own tiers come before NetworkPolicy, and tier baseline after it",
        "in the mode networkPolicyOnly it polices pods that another plug-in connects",
    ],
    sources: &["antrea-io/antrea build/yamls/antrea.yml, docs/feature-gates.md, CHANGELOG"],
    ..EngineFacts::row(
        "Antrea",
        always(Enforcement::Enforced, "it enforces wherever its agent runs"),
    )
};

const ADMIN_NETWORK_POLICY: FeatureFact = FeatureFact::changed(
    Feature::AdminNetworkPolicy,
    Support::None("read from 1.13 on, behind a feature gate"),
    &[
        (
            ANTREA.at(1, 13, 0),
            Support::OptIn("feature gate AdminNetworkPolicy, alpha, off by default"),
        ),
        (
            ANTREA.at(2, 7, 0),
            Support::OptIn("feature gate AdminNetworkPolicy, deprecated, off by default"),
        ),
    ],
);

static BUGS: &[Bug] = &[
    Bug {
        id: "CVE-2026-25804",
        aliases: &["GO-2026-4461", "antrea-7496"],
        summary: "an integer overflow broke the order of rules of Antrea's own policies",
        effect: Effect::Mixed,
        affected: &[ANTREA.before(2, 3, 2), ANTREA.between((2, 4, 0), (2, 4, 2))],
        source: "golang/vulndb GO-2026-4461; Antrea changelogs 2.3 and 2.4",
        ..Bug::ROW
    },
    Bug {
        id: "antrea-5777",
        summary: "traffic passed between a restart of the agent and the moment its policies were \
                  in place",
        effect: Effect::Window,
        affected: &[
            ANTREA.before(1, 12, 3),
            ANTREA.between((1, 13, 0), (1, 13, 2)),
            ANTREA.between((1, 14, 0), (1, 14, 1)),
        ],
        source: "Antrea changelogs 1.12 to 1.15",
        ..Bug::ROW
    },
    Bug {
        id: "antrea-7217",
        summary: "addresses of finished pods stayed in the groups that policies match",
        effect: Effect::Open,
        affected: &[
            ANTREA.before(2, 1, 2),
            ANTREA.between((2, 2, 0), (2, 2, 1)),
            ANTREA.only(2, 3, 0),
        ],
        source: "Antrea changelogs 2.1, 2.2 and 2.4",
        ..Bug::ROW
    },
    Bug {
        id: "antrea-3809",
        summary: "traffic inside a node could bypass ingress policy",
        effect: Effect::Open,
        affected: &[ANTREA.before(1, 7, 0)],
        source: "Antrea changelog 1.7",
        ..Bug::ROW
    },
    Bug {
        // Fixed in 1.2.4, 1.5.2 and 1.6.0: the lines 1.3 and 1.4 never got it.
        id: "antrea-3467",
        summary: "after a node restarted, policies might not be enforced where an address was used \
                  twice",
        effect: Effect::Open,
        affected: &[ANTREA.before(1, 2, 4), ANTREA.between((1, 3, 0), (1, 5, 1))],
        source: "Antrea changelogs 1.2, 1.5 and 1.6",
        ..Bug::ROW
    },
    Bug {
        id: "antrea-1816",
        summary: "traffic through NodePort Services bypassed policies",
        effect: Effect::Open,
        affected: &[ANTREA.before(0, 12, 2)],
        source: "Antrea changelog 0.x",
        ..Bug::ROW
    },
    Bug {
        id: "antrea-574",
        summary: "a policy that denies all egress was broken",
        effect: Effect::Mixed,
        affected: &[ANTREA.between((0, 4, 0), (0, 5, 0))],
        source: "antrea-io/antrea issue 574",
        ..Bug::ROW
    },
];
