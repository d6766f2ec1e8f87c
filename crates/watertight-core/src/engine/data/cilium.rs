//! Cilium: policy by identity and not by address, with the deviations that follow.

use super::prelude::*;

const CILIUM: Component = Component::Cilium;

/// Also used by the products that run Cilium.
pub(super) const SWITCHES: Switches = Switches {
    node_local: NodeLocal::ExemptIngress,
    ipblock_pods: IpBlockPods::Never,
    ipblock_nodes: false,
    policy_types_gate: PolicyTypesGate::Sections,
    established: Established::ReEvaluate,
    ..Switches::REFERENCE
};

pub(super) static IMPLICIT_ALLOW: &[&str] =
    &["traffic from a node to the pods on it, unless allow-localhost is policy"];

pub(in crate::engine) static FACTS: EngineFacts = EngineFacts {
    aliases: &["cilium-agent"],
    numbering: &[Numbering::all(CILIUM)],
    switches: SWITCHES,
    features: FEATURES,
    bugs: BUGS,
    silent_disable: &[
        "enable-policy: never in the ConfigMap cilium-config turns all enforcement off",
        "policy-audit-mode: \"true\" logs instead of dropping; it can also be set for one endpoint \
         at run time, which the API does not show",
        "enable-k8s-networkpolicy: \"false\" ignores NetworkPolicy, while CiliumNetworkPolicy \
         still acts",
        "pods that were there before Cilium are unmanaged until they restart",
        "with CNI chaining only pods wired through the chain are policed",
        "an endpoint whose policy map is full runs with part of its policy unless \
         enable-endpoint-lockdown-on-policy-overflow is set",
    ],
    implicit_allow: IMPLICIT_ALLOW,
    notes: &[
        "ipBlock never matches pods, and matches nodes only with policy-cidr-match-mode: nodes \
         (1.15 or later), so 0.0.0.0/0 is less than on other engines",
        "a section that policyTypes leaves out still isolates and allows",
        "with rules that list ports only, ICMP is dropped",
    ],
    sources: &[
        "cilium/cilium Documentation/security/policy, pkg/option/config.go, \
         pkg/k8s/network_policy.go",
        "cilium/cilium install/kubernetes/cilium/templates/cilium-configmap.yaml",
        "golang/vulndb",
    ],
    ..EngineFacts::row(
        "Cilium",
        always(
            Enforcement::Enforced,
            "it enforces for every pod it manages",
        ),
    )
};

static FEATURES: &[FeatureFact] = &[
    FeatureFact::full(Feature::Ingress),
    FeatureFact::full(Feature::Egress),
    FeatureFact::changed(
        Feature::IpBlock,
        Support::Partial("never matches pods or nodes"),
        &[(
            CILIUM.at(1, 15, 0),
            Support::Partial(
                "never matches pods, and nodes only with policy-cidr-match-mode: nodes",
            ),
        )],
    ),
    FeatureFact::full(Feature::Except),
    FeatureFact::always(
        Feature::NamedPort,
        Support::Partial("wrong where one name stands for different numbers on different pods"),
    ),
    FeatureFact::changed(
        Feature::EndPort,
        Support::None("before 1.16 it is ignored without a word: only the first port is admitted"),
        &[(CILIUM.at(1, 16, 0), Support::Full)],
    ),
    FeatureFact::always(
        Feature::Sctp,
        Support::OptIn("needs enable-sctp; SCTP through Services does not work"),
    )
    .once_on(Support::Partial("SCTP through Services does not work")),
    FeatureFact::always(
        Feature::HostNetworkPods,
        Support::OptIn(
            "needs enable-host-firewall and a CiliumClusterwideNetworkPolicy with a nodeSelector",
        ),
    ),
    FeatureFact::none(
        Feature::AdminNetworkPolicy,
        "cilium/cilium issue 23380 asks for it",
    ),
    FeatureFact::none(
        Feature::BaselineAdminNetworkPolicy,
        "cilium/cilium issue 23380 asks for it",
    ),
    FeatureFact::always(
        Feature::ClusterNetworkPolicy,
        Support::OptIn(
            "needs enable-k8s-cluster-network-policy of recent releases, off by default",
        ),
    ),
    FeatureFact::full(Feature::Icmp),
];

static BUGS: &[Bug] = &[
    Bug {
        id: "CVE-2026-33726",
        aliases: &["GO-2026-4856", "GHSA-hxv8-4j4r-cqgv"],
        summary: "traffic through the L7 proxy could bypass NetworkPolicy between pods of one node",
        effect: Effect::Open,
        affected: &[
            CILIUM.before(1, 17, 14),
            CILIUM.between((1, 18, 0), (1, 18, 7)),
            CILIUM.between((1, 19, 0), (1, 19, 1)),
        ],
        source: "golang/vulndb GO-2026-4856",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2026-26963",
        aliases: &["GO-2026-4522"],
        summary: "the host firewall was not enforced",
        effect: Effect::Open,
        affected: &[CILIUM.between((1, 18, 0), (1, 18, 5))],
        condition: "with native routing, WireGuard and node encryption",
        source: "golang/vulndb GO-2026-4522",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2025-64715",
        aliases: &["GO-2025-4167"],
        summary: "a mistake in toGroups led to unrestricted egress",
        effect: Effect::Open,
        affected: &[
            CILIUM.before(1, 16, 17),
            CILIUM.between((1, 17, 0), (1, 17, 9)),
            CILIUM.between((1, 18, 0), (1, 18, 3)),
        ],
        source: "golang/vulndb GO-2025-4167",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2025-30163",
        aliases: &["GO-2025-3561"],
        summary: "policies on nodes could let traffic of workloads through",
        effect: Effect::Open,
        affected: &[
            CILIUM.between((1, 16, 0), (1, 16, 7)),
            CILIUM.between((1, 17, 0), (1, 17, 1)),
        ],
        source: "golang/vulndb GO-2025-3561",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2025-30162",
        aliases: &["GO-2025-3560"],
        summary: "traffic between pods through a Gateway API load balancer was not subject to \
                  egress policy",
        effect: Effect::Open,
        affected: &[
            CILIUM.between((1, 15, 0), (1, 15, 14)),
            CILIUM.between((1, 16, 0), (1, 16, 7)),
            CILIUM.between((1, 17, 0), (1, 17, 1)),
        ],
        source: "golang/vulndb GO-2025-3560",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2024-52529",
        aliases: &["GO-2024-3290"],
        summary: "an L7 rule on a port range was not enforced",
        effect: Effect::Open,
        affected: &[CILIUM.between((1, 16, 0), (1, 16, 3))],
        source: "golang/vulndb GO-2024-3290",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2024-47825",
        aliases: &["GO-2024-3208"],
        summary: "a deny by CIDR had no effect where a narrower CIDR was allowed",
        effect: Effect::Open,
        affected: &[
            CILIUM.between((1, 14, 0), (1, 14, 15)),
            CILIUM.between((1, 15, 0), (1, 15, 9)),
        ],
        source: "golang/vulndb GO-2024-3208",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2024-42488",
        aliases: &["GO-2024-3072"],
        summary: "a race when the agent starts could leave the host firewall open",
        effect: Effect::Open,
        affected: &[
            CILIUM.before(1, 14, 14),
            CILIUM.between((1, 15, 0), (1, 15, 7)),
        ],
        source: "golang/vulndb GO-2024-3072",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2024-28248",
        aliases: &["GO-2024-2653"],
        summary: "HTTP policies were applied only now and then",
        effect: Effect::Open,
        affected: &[
            CILIUM.between((1, 13, 9), (1, 13, 12)),
            CILIUM.between((1, 14, 0), (1, 14, 7)),
            CILIUM.between((1, 15, 0), (1, 15, 1)),
        ],
        source: "golang/vulndb GO-2024-2653",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2023-41333",
        aliases: &["GO-2023-2080"],
        summary: "a CiliumNetworkPolicy could act outside of its namespace",
        effect: Effect::Open,
        affected: LATE_2023,
        source: "golang/vulndb GO-2023-2080",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2023-39347",
        aliases: &["GO-2023-2078"],
        summary: "whoever may change a pod's labels could get around policy",
        effect: Effect::Open,
        affected: LATE_2023,
        source: "golang/vulndb GO-2023-2078",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2023-30851",
        aliases: &["GO-2023-1785"],
        summary: "rules on HTTP headers could be bypassed",
        effect: Effect::Open,
        affected: &[
            CILIUM.before(1, 11, 16),
            CILIUM.between((1, 12, 0), (1, 12, 8)),
            CILIUM.between((1, 13, 0), (1, 13, 1)),
        ],
        source: "golang/vulndb GO-2023-1785",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2023-27595",
        aliases: &["GO-2023-1644"],
        summary: "the eBPF filters were gone while the agent restarted",
        effect: Effect::Window,
        affected: &[CILIUM.only(1, 13, 0)],
        source: "golang/vulndb GO-2023-1644",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2023-27594",
        aliases: &["GO-2023-1643"],
        summary: "IPv6 routing could lead around policy",
        effect: Effect::Open,
        affected: &[
            CILIUM.before(1, 11, 15),
            CILIUM.between((1, 12, 0), (1, 12, 7)),
            CILIUM.only(1, 13, 0),
        ],
        source: "golang/vulndb GO-2023-1643",
        ..Bug::ROW
    },
    Bug {
        id: "GHSA-pfhr-pccp-hwmh",
        aliases: &["GO-2022-0959"],
        summary: "a pod's own labels could be made to match selectors on namespace labels",
        effect: Effect::Open,
        affected: &[
            CILIUM.before(1, 10, 14),
            CILIUM.between((1, 11, 0), (1, 11, 7)),
            CILIUM.only(1, 12, 0),
        ],
        source: "golang/vulndb GO-2022-0959",
        ..Bug::ROW
    },
    Bug {
        id: "GHSA-c66w-hq56-4q97",
        aliases: &["GO-2022-0393"],
        summary: "ICMP echo requests could bypass policy",
        effect: Effect::Open,
        affected: &[
            CILIUM.between((1, 7, 8), (1, 7, 14)),
            CILIUM.between((1, 8, 3), (1, 8, 7)),
            CILIUM.between((1, 9, 0), (1, 9, 4)),
        ],
        source: "golang/vulndb GO-2022-0393",
        ..Bug::ROW
    },
    Bug {
        id: "cilium-28684",
        summary: "endPort was accepted and ignored",
        effect: Effect::Closed,
        affected: &[CILIUM.before(1, 16, 0)],
        source: "cilium/cilium issue 28684",
        confidence: Confidence::Reported,
        ..Bug::ROW
    },
];

const LATE_2023: &[crate::engine::VersionRange] = &[
    CILIUM.before(1, 12, 14),
    CILIUM.between((1, 13, 0), (1, 13, 6)),
    CILIUM.between((1, 14, 0), (1, 14, 1)),
];
