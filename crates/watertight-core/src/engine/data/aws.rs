//! Amazon VPC CNI: an eBPF agent on the nodes and a controller in the EKS control plane, both off
//! by default.
//!
//! Users know the release of the CNI; the bugs are counted in releases of the agent. The chart of
//! each CNI release says which agent comes with it. Agents are numbered from 1.0 to 1.4 so far and
//! the CNI passed 1.5 in 2019, so a number tells which one is meant.

use super::prelude::*;

const AGENT: Component = Component::AwsAgent;
const CONTROLLER: Component = Component::AwsController;

pub(in crate::engine) static FACTS: EngineFacts = EngineFacts {
    aliases: &[
        "aws",
        "eks",
        "vpc-cni",
        "amazon-vpc-cni",
        "aws-node",
        "eks-auto",
    ],
    numbering: &[
        Numbering::range(AGENT, (1, 0), (1, 5)),
        Numbering::since(Component::VpcCni, (1, 5)),
    ],
    bundles: BUNDLES,
    switches: Switches {
        service_dnat: ServiceDnat::Pre,
        ..Switches::REFERENCE
    },
    features: FEATURES,
    bugs: BUGS,
    silent_disable: &[
        "the agent argument --enable-network-policy and the key enable-network-policy-controller \
         of the ConfigMap kube-system/amazon-vpc-cni must both be true; with one of them nothing \
         is enforced",
        "on EKS Auto Mode the ConfigMap and the NodeClass must both ask for it; without the \
         ConfigMap policies are accepted and ignored",
        "a policy the agent does not support shows as an error in the agent's log only",
        "a bandwidth plug-in in the CNI chain breaks enforcement",
        "secondary interfaces (Multus) are not policed",
        "Windows nodes and Fargate have no agent",
    ],
    implicit_allow: &["traffic from and to the address of the pod's own node, in both directions"],
    requires: &["Linux kernel 5.10", "Kubernetes 1.25"],
    notes: &[
        "in the default mode a new pod is open until its policies are attached, and what it began \
         then stays open; the strict mode starts it closed",
        "pods that belong to no workload controller are policed unreliably: bare pods whose names \
         differ only after the last hyphen share their eBPF programs",
        "one address family per cluster: rules of the other family are ignored",
        "policy sees the Service address before translation; the controller adds Service addresses \
         to the rules, and a Service port should equal its target port",
        "running Calico's policy engine beside it is a conflict",
        "which agent comes with a CNI release is read from the CNI's chart; an installation may \
         override it",
    ],
    sources: &[
        "aws/amazon-vpc-cni-k8s charts/aws-vpc-cni, README.md, docs/network-policy-faq.md",
        "aws/aws-network-policy-agent main.go, pkg/fwruleprocessor, pkg/utils",
        "aws/amazon-network-policy-controller-k8s pkg/utils/configmap",
        "awsdocs/amazon-eks-user-guide latest/ug/automode/auto-net-pol.adoc",
    ],
    ..EngineFacts::row(
        "Amazon VPC CNI",
        Timeline::changed(
            EnforcementFact::new(
                Enforcement::NotEnforced,
                "the plug-in has a policy agent since release 1.14",
            ),
            &[(
                Component::VpcCni.at(1, 14, 0),
                EnforcementFact::new(
                    Enforcement::OptIn,
                    "the agent and the controller are off until both are switched on, and even \
                     then a new pod is open until its policies are attached unless the strict mode \
                     is set",
                ),
            )],
        ),
    )
};

static FEATURES: &[FeatureFact] = &[
    FeatureFact::full(Feature::Ingress),
    FeatureFact::full(Feature::Egress),
    FeatureFact::full(Feature::IpBlock),
    FeatureFact::changed(
        Feature::Except,
        Support::Partial(
            "before agent 1.0.4 it is ignored beside a rule that covers every address",
        ),
        &[(
            AGENT.at(1, 0, 4),
            Support::Partial(
                "up to 1.4.1 at least, blocks that are equal once masked overwrite each other",
            ),
        )],
    ),
    FeatureFact::always(
        Feature::NamedPort,
        Support::Partial(
            "the controller resolves them; releases before 1.1.6 of it let other ports through",
        ),
    ),
    FeatureFact::full(Feature::EndPort),
    FeatureFact::full(Feature::Sctp),
    FeatureFact::always(
        Feature::Ipv6,
        Support::Partial(
            "one family per cluster; the IPv4 egress interface of IPv6 pods is not policed",
        ),
    ),
    FeatureFact::none(
        Feature::HostNetworkPods,
        "they are left out of the policy endpoints",
    ),
    FeatureFact::none(Feature::AdminNetworkPolicy, ADMIN),
    FeatureFact::none(Feature::BaselineAdminNetworkPolicy, ADMIN),
    FeatureFact::none(Feature::ClusterNetworkPolicy, ADMIN),
];

const ADMIN: &str = "since agent 1.3.0 it reads its own ClusterNetworkPolicy of \
                     networking.k8s.aws, and nothing of policy.networking.k8s.io";

static BUGS: &[Bug] = &[
    Bug {
        id: "aws-network-policy-agent-8147f19",
        summary: "the tracked state of a flow let new traffic of the reverse direction past policy",
        effect: Effect::Open,
        affected: &[AGENT.before(1, 3, 7)],
        source: "aws/aws-network-policy-agent commit 8147f19",
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-bc504a4",
        summary: "two pods whose name and namespace join to the same text shared a key, and the \
                  second got no hook",
        effect: Effect::Open,
        affected: &[AGENT.before(1, 3, 7)],
        source: "aws/aws-network-policy-agent commit bc504a4",
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-8f36492",
        summary: "failed writes of eBPF maps were reported as policies applied",
        effect: Effect::Open,
        affected: &[AGENT.before(1, 3, 7)],
        source: "aws/aws-network-policy-agent commit 8f36492",
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-d145d20",
        summary: "pods of two namespaces whose names join to the same text shared their policies",
        effect: Effect::Mixed,
        affected: &[AGENT.before(1, 4, 0)],
        source: "aws/aws-network-policy-agent commit d145d20",
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-6cb0ee3",
        summary: "when pods came and went quickly a program could load without its maps: the pod \
                  looked policed",
        effect: Effect::Open,
        affected: &[AGENT.before(1, 4, 1)],
        source: "aws/aws-network-policy-agent commit 6cb0ee3",
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-80d9e98",
        aliases: &["aws-network-policy-agent-591"],
        summary: "deleting one of several ingress-only policies dropped all egress of the pod",
        effect: Effect::Closed,
        affected: &[AGENT.before(1, 4, 1)],
        source: "aws/aws-network-policy-agent commit 80d9e98, issue 591",
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-9fdad23",
        summary: "CIDRs that are equal once masked overwrote each other; an exception could \
                  replace its parent",
        effect: Effect::Mixed,
        affected: &[AGENT.through(1, 4, 1)],
        source: "aws/aws-network-policy-agent commits 9fdad23, dc11277",
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-7ce3313",
        summary: "map entries stayed after their policy was deleted",
        effect: Effect::Open,
        affected: &[AGENT.before(1, 2, 3)],
        source: "aws/aws-network-policy-agent commit 7ce3313",
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-92",
        summary: "exceptions were not honoured beside a rule that covers every address",
        effect: Effect::Closed,
        affected: &[
            AGENT.before(1, 0, 4),
            Component::VpcCni.between((1, 14, 0), (1, 15, 0)),
        ],
        source: "aws/aws-network-policy-agent issue 92, commit fb7bac9",
        confidence: Confidence::Reported,
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-271",
        summary: "a policy had no effect until it was deleted and made again",
        effect: Effect::Open,
        condition: "seen in May 2024, without a known fix",
        source: "aws/aws-network-policy-agent issue 271",
        confidence: Confidence::Reported,
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-553",
        summary: "the standard mode denied everything in a cluster without policies",
        effect: Effect::Closed,
        affected: &[AGENT.only(1, 3, 2)],
        source: "aws/aws-network-policy-agent issue 553",
        confidence: Confidence::Reported,
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-572",
        summary: "egress to an empty namespaceSelector with a podSelector was dropped",
        effect: Effect::Closed,
        condition: "seen in May 2026, without a known fix",
        source: "aws/aws-network-policy-agent issue 572",
        confidence: Confidence::Reported,
        ..Bug::ROW
    },
    Bug {
        id: "aws-network-policy-agent-462",
        summary: "cleaning up tracked flows could freeze live ones for about a minute when a port \
                  was reused",
        effect: Effect::Closed,
        affected: &[AGENT.through(1, 4, 1)],
        source: "aws/aws-network-policy-agent commit dd11826, issue 462",
        ..Bug::ROW
    },
    Bug {
        id: "amazon-network-policy-controller-8eca555",
        summary: "a numeric egress port and a Service with a named target port let other ports of \
                  its pods through",
        effect: Effect::Open,
        affected: &[CONTROLLER.before(1, 1, 2)],
        condition: "follow-up fixes until 1.1.6",
        source: "aws/amazon-network-policy-controller-k8s commits 8eca555, 7134cca, 28eafb2",
        ..Bug::ROW
    },
    Bug {
        id: "amazon-network-policy-controller-0be0c0e",
        summary: "rules on one CIDR with different exceptions were merged, and a rule for all \
                  ports lost that",
        effect: Effect::Mixed,
        affected: &[CONTROLLER.before(1, 1, 3)],
        source: "aws/amazon-network-policy-controller-k8s commit 0be0c0e",
        ..Bug::ROW
    },
];

/// CNI 1.`cni` brings agent 1.`agent`.
const fn bundle(cni: (u32, u32), agent: (u32, u32)) -> Bundle {
    Bundle {
        outer: Component::VpcCni.at(1, cni.0, cni.1),
        inner: AGENT.at(1, agent.0, agent.1),
    }
}

// The image tag of the agent in charts/aws-vpc-cni/values.yaml at each tag of the CNI.
static BUNDLES: &[Bundle] = &[
    bundle((14, 0), (0, 1)),
    bundle((14, 1), (0, 2)),
    bundle((15, 0), (0, 2)),
    bundle((15, 1), (0, 4)),
    bundle((15, 3), (0, 5)),
    bundle((15, 4), (0, 6)),
    bundle((15, 5), (0, 7)),
    bundle((16, 0), (0, 7)),
    bundle((16, 2), (0, 7)),
    bundle((16, 3), (0, 8)),
    bundle((16, 4), (0, 8)),
    bundle((17, 1), (1, 0)),
    bundle((18, 0), (1, 0)),
    bundle((18, 1), (1, 1)),
    bundle((18, 2), (1, 2)),
    bundle((18, 3), (1, 2)),
    bundle((18, 4), (1, 3)),
    bundle((18, 5), (1, 3)),
    bundle((18, 6), (1, 4)),
    bundle((19, 0), (1, 5)),
    bundle((19, 2), (1, 6)),
    bundle((19, 3), (2, 0)),
    bundle((19, 4), (2, 1)),
    bundle((19, 5), (2, 1)),
    bundle((19, 6), (2, 2)),
    bundle((20, 0), (2, 3)),
    bundle((20, 1), (2, 4)),
    bundle((20, 2), (2, 6)),
    bundle((20, 3), (2, 6)),
    bundle((20, 4), (2, 7)),
    bundle((20, 5), (2, 7)),
    bundle((21, 0), (3, 0)),
    bundle((21, 1), (3, 1)),
    bundle((21, 2), (3, 5)),
    bundle((22, 0), (3, 1)),
    bundle((22, 1), (3, 5)),
    bundle((22, 2), (3, 5)),
    bundle((22, 3), (3, 7)),
    bundle((22, 4), (4, 0)),
    bundle((23, 0), (4, 1)),
    bundle((23, 1), (4, 2)),
];
