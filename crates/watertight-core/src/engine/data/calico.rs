//! Calico, and Canal, which is Calico's policy over flannel's network.

use super::prelude::*;

const CALICO: Component = Component::Calico;

/// Also used by the products that install Calico.
pub(super) const SWITCHES: Switches = Switches {
    node_local: NodeLocal::ExemptIngress,
    established: Established::Survive,
    endpoint_to_host: EndpointToHost::Accept,
    pod_tunnels: PodTunnels::Drop,
    ..Switches::REFERENCE
};

pub(super) static SILENT_DISABLE: &[&str] = &[
    "the FelixConfiguration's interfacePrefix must match the workload interfaces where another \
     plug-in does the networking; pods on other interfaces are not policed",
    "an Allow in an earlier tier, or in a Calico policy of lower order, ends the walk before any \
     NetworkPolicy",
    "the Staged kinds look like policies and enforce nothing",
    "IPv6 pods whose IPv4 egress the VPC CNI provides (ENABLE_V4_EGRESS) are not policed",
];

pub(super) static IMPLICIT_ALLOW: &[&str] = &["traffic from a node to the pods on it"];

pub(in crate::engine) static FACTS: EngineFacts = EngineFacts {
    aliases: &["calico-node", "projectcalico"],
    numbering: &[Numbering::all(CALICO)],
    switches: SWITCHES,
    features: FEATURES,
    bugs: BUGS,
    silent_disable: SILENT_DISABLE,
    implicit_allow: IMPLICIT_ALLOW,
    notes: &[
        "3.32 reads ClusterNetworkPolicy instead of AdminNetworkPolicy: old objects stay and do \
         nothing",
        "NetworkPolicy sits at order 1000 of the tier default; GlobalNetworkPolicy can come before \
         it",
        "a pod's traffic to its own node is judged by its egress rules first; then \
         defaultEndpointToHostAction may drop it, which is Felix's default and is set to Accept by \
         every shipped manifest",
        "Calico custom resources in a cluster do not show that Calico enforces: GKE serves them \
         with enforcement off",
    ],
    sources: &[
        "projectcalico/calico v3.32.0 manifests, charts/tigera-operator, release-notes",
        "tigera/docs calico/reference/resources",
    ],
    ..EngineFacts::row(
        "Calico",
        always(
            Enforcement::Enforced,
            "it enforces wherever its node agent runs",
        ),
    )
};

pub(in crate::engine) static CANAL: EngineFacts = EngineFacts {
    aliases: &["rke2-canal", "rke2", "calico-flannel"],
    like: Some(Engine::Calico),
    numbering: &[Numbering::all(CALICO)],
    switches: SWITCHES,
    silent_disable: SILENT_DISABLE,
    implicit_allow: IMPLICIT_ALLOW,
    notes: &["without the container calico-node it is flannel, which enforces nothing"],
    sources: &[
        "projectcalico/calico v3.32.0 manifests/canal.yaml",
        "rancher/rke2-docs basic_network_options.md",
    ],
    ..EngineFacts::row(
        "Canal",
        always(
            Enforcement::Enforced,
            "Calico's node agent enforces over flannel's network",
        ),
    )
};

static FEATURES: &[FeatureFact] = &[
    FeatureFact::full(Feature::Ingress),
    FeatureFact::changed(
        Feature::Egress,
        Support::None("before 2.6 any policy on a pod allowed all of its egress"),
        &[(CALICO.at(2, 6, 0), Support::Full)],
    ),
    FeatureFact::full(Feature::IpBlock),
    FeatureFact::full(Feature::Except),
    FeatureFact::full(Feature::NamedPort),
    FeatureFact::changed(
        Feature::EndPort,
        Support::None("before 3.19 only the first port is admitted"),
        &[(CALICO.at(3, 19, 0), Support::Full)],
    ),
    FeatureFact::full(Feature::Sctp),
    FeatureFact::none(
        Feature::HostNetworkPods,
        "their traffic is the node's: only a HostEndpoint with a GlobalNetworkPolicy polices it",
    ),
    FeatureFact::changed(
        Feature::AdminNetworkPolicy,
        Support::None("read from 3.29 on, and no longer since 3.32"),
        &[
            (CALICO.at(3, 29, 0), Support::Full),
            (CALICO.at(3, 32, 0), REMOVED),
        ],
    )
    .unversioned(Support::Partial(
        "read by 3.29 to 3.31 only; name the version to be sure",
    )),
    FeatureFact::changed(
        Feature::BaselineAdminNetworkPolicy,
        Support::None("read from 3.30 on, and no longer since 3.32"),
        &[
            (CALICO.at(3, 30, 0), Support::Full),
            (CALICO.at(3, 32, 0), REMOVED),
        ],
    )
    .unversioned(Support::Partial(
        "read by 3.30 and 3.31 only; name the version to be sure",
    )),
    FeatureFact::changed(
        Feature::ClusterNetworkPolicy,
        Support::None("read from 3.32 on"),
        &[(CALICO.at(3, 32, 0), Support::Full)],
    ),
    FeatureFact::full(Feature::Icmp),
];

const REMOVED: Support = Support::None(
    "3.32 reads ClusterNetworkPolicy in place of it: old objects stay and do nothing",
);

const EBPF: &str = "with the eBPF dataplane";

static BUGS: &[Bug] = &[
    Bug {
        id: "calico-13390",
        summary: "a new connection to a pod of the node could skip its ingress policy while its \
                  route was programmed",
        effect: Effect::Window,
        affected: &[
            CALICO.before(3, 31, 7),
            CALICO.between((3, 32, 0), (3, 32, 1)),
        ],
        condition: EBPF,
        source: "Calico release notes 3.31.7, pull request 13390",
        ..Bug::ROW
    },
    Bug {
        id: "calico-11565",
        aliases: &["calico-11569"],
        summary: "the indexes of ingress and egress programs were confused, and cleaning one \
                  removed the other",
        effect: Effect::Mixed,
        affected: &[CALICO.before(3, 31, 3)],
        condition: EBPF,
        source: "Calico release notes 3.31.3 and 3.32.0, pull requests 11565, 11569",
        ..Bug::ROW
    },
    Bug {
        id: "calico-13442",
        aliases: &["calico-13441"],
        summary: "members of address sets were missing after a table was made again; overlapping \
                  CIDRs failed",
        effect: Effect::Mixed,
        affected: &[CALICO.before(3, 31, 7)],
        condition: "with the nftables dataplane",
        source: "Calico release notes 3.31.7, pull requests 13441, 13442",
        ..Bug::ROW
    },
    Bug {
        id: "calico-11986",
        summary: "the check of application-layer policy had no answer for any request",
        effect: Effect::Closed,
        affected: &[CALICO.within((3, 30, 0), (3, 32, 0))],
        source: "Calico release notes 3.32.0, commit dd23ca76e0",
        ..Bug::ROW
    },
    Bug {
        id: "calico-9392",
        summary: "marks were not cleared after do-not-track policy",
        effect: Effect::Open,
        affected: &[CALICO.before(3, 30, 0)],
        condition: EBPF,
        source: "Calico release notes 3.30.0, commit 7b7b7d6894",
        ..Bug::ROW
    },
    Bug {
        id: "calico-7148",
        aliases: &["calico-7152"],
        summary: "a Service that ingress and egress rules both name missed updates once one of the \
                  rules went",
        effect: Effect::Mixed,
        affected: &[CALICO.before(3, 24, 6)],
        source: "Calico release notes 3.24.6 and 3.25.0, pull requests 7148, 7152",
        ..Bug::ROW
    },
    Bug {
        id: "calico-5768",
        summary: "the first packet of a flow that was tracked already was judged with an empty \
                  destination",
        effect: Effect::Mixed,
        affected: &[CALICO.before(3, 22, 2)],
        condition: EBPF,
        source: "Calico release notes 3.22.2 and 3.23.0",
        ..Bug::ROW
    },
    Bug {
        id: "calico-5324",
        summary: "the datastore watch could get stuck, so that old policies and pods stayed in \
                  force",
        effect: Effect::Mixed,
        affected: &[CALICO.line(3, 21)],
        condition: "with more than 500 objects",
        source: "Calico release notes 3.22.0",
        ..Bug::ROW
    },
    Bug {
        id: "calico-3.21-do-not-track",
        summary: "do-not-track ingress policy let connections through a HostEndpoint",
        effect: Effect::Open,
        affected: &[CALICO.before(3, 21, 0)],
        condition: EBPF,
        source: "Calico release notes 3.21.0",
        ..Bug::ROW
    },
    Bug {
        id: "libcalico-go-1370",
        summary: "an empty port item was ignored instead of meaning every TCP port",
        effect: Effect::Closed,
        affected: &[CALICO.before(3, 19, 0)],
        source: "Calico release notes 3.19.0",
        ..Bug::ROW
    },
    Bug {
        id: "calico-2582",
        summary: "policy on HostEndpoints hit pod traffic to Services that stayed on the node",
        effect: Effect::Closed,
        affected: &[CALICO.before(3, 18, 0)],
        source: "Calico release notes 3.18.0",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2022-28224",
        aliases: &["TTA-2022-001"],
        summary: "whoever may annotate pods could take over routes through the floating-address \
                  annotation",
        effect: Effect::Open,
        affected: &[CALICO.through(3, 22, 1)],
        source: "Tigera advisory TTA-2022-001",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2024-33522",
        aliases: &["GO-2024-2801"],
        summary: "the installer left a program that gives root on the node",
        effect: Effect::Other,
        affected: &[
            CALICO.before(3, 26, 5),
            CALICO.between((3, 27, 0), (3, 27, 2)),
        ],
        source: "golang/vulndb GO-2024-2801",
        ..Bug::ROW
    },
    Bug {
        id: "calico-5104",
        summary: "an egress rule by address to 169.254.169.254 fails once the pod has a hostPort",
        effect: Effect::Closed,
        condition: "seen in 2021 on Oracle's Kubernetes with Canal",
        source: "projectcalico/calico issue 5104",
        confidence: Confidence::Reported,
        ..Bug::ROW
    },
];
