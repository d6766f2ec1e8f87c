//! The three engines of AKS. An AKS release number says nothing about any of them but Kubernetes.

use super::prelude::*;
use super::{calico, cilium};

const NPM_RELEASE: Component = Component::AzureNpm;

/// AKS releases of Kubernetes have had larger minor numbers than that since 2021; the engines have
/// not.
const AKS: Numbering = Numbering::since(Component::Kubernetes, (1, 21));

pub(in crate::engine) static NPM: EngineFacts = EngineFacts {
    aliases: &["aks-npm", "npm", "azure-network-policy-manager"],
    status: Status::Deprecated,
    numbering: &[Numbering::range(NPM_RELEASE, (0, 0), (1, 21)), AKS],
    features: &[
        FeatureFact::always(
            Feature::Ingress,
            Support::Partial(
                "NodePort and LoadBalancer traffic with externalTrafficPolicy Cluster is not \
                 policed",
            ),
        ),
        FeatureFact::always(
            Feature::Egress,
            Support::Partial("traffic to the address of the pod's own node is always allowed"),
        ),
        FeatureFact::full(Feature::IpBlock),
        FeatureFact::always(Feature::Except, LINUX_ONLY),
        FeatureFact::always(Feature::NamedPort, LINUX_ONLY),
        FeatureFact::always(
            Feature::EndPort,
            Support::Partial(
                "its documentation claims it for Linux, a user reported that it is ignored (issue \
                 2313)",
            ),
        ),
        FeatureFact::always(Feature::Sctp, LINUX_ONLY),
        FeatureFact::none(Feature::Ipv6, "IPv4 only"),
        FeatureFact::none(Feature::HostNetworkPods, "they are skipped"),
        FeatureFact::none(Feature::AdminNetworkPolicy, "not read"),
        FeatureFact::none(Feature::BaselineAdminNetworkPolicy, "not read"),
        FeatureFact::none(Feature::ClusterNetworkPolicy, "not read"),
    ],
    bugs: NPM_BUGS,
    implicit_allow: &[
        "traffic from NodePort and LoadBalancer Services with externalTrafficPolicy Cluster, which \
         is the default",
        "traffic from a pod to the address of its own node",
    ],
    notes: &[
        "support ends on 30 September 2028 for Linux and on 30 September 2026 for Windows",
        "meant for at most 250 nodes and 20,000 pods",
        "on Windows there are no named ports, no SCTP, no exceptions and no negative selectors",
        "a cluster made without --network-policy has no engine",
    ],
    sources: &[
        "MicrosoftDocs/azure-aks-docs use-network-policies.md, \
         migrate-from-npm-to-cilium-network-policy.md",
        "Azure/azure-container-networking npm/azure-npm.yaml",
    ],
    ..EngineFacts::row(
        "Azure Network Policy Manager",
        always(
            Enforcement::Enforced,
            "it runs only where AKS was asked for --network-policy azure, and then enforces",
        ),
    )
};

const LINUX_ONLY: Support = Support::Partial("on Linux nodes; not on Windows");

static NPM_BUGS: &[Bug] = &[
    Bug {
        id: "azure-npm-restart",
        summary: "after a race on large policies it restarts and for about 15 seconds no rule is \
                  in place",
        effect: Effect::Window,
        condition: "documented as a known issue, without releases",
        source: "MicrosoftDocs/azure-aks-docs use-network-policies.md",
        ..Bug::ROW
    },
    Bug {
        id: "azure-npm-4574",
        summary: "two policies could share the name of an address set",
        effect: Effect::Mixed,
        condition: "fixed in July 2026; which release carries the fix is not recorded",
        source: "Azure/azure-container-networking commit b1f7cacae",
        ..Bug::ROW
    },
    Bug {
        id: "azure-npm-2841",
        summary: "a race when a policy with an exception was changed",
        effect: Effect::Mixed,
        affected: &[NPM_RELEASE.before(1, 6, 2)],
        source: "Azure/azure-container-networking commit 2688c5968",
        ..Bug::ROW
    },
    Bug {
        id: "azure-npm-2978",
        summary: "a race when a policy was deleted and made again",
        effect: Effect::Mixed,
        affected: &[NPM_RELEASE.before(1, 6, 5)],
        source: "Azure/azure-container-networking commit e64d9d854",
        ..Bug::ROW
    },
    Bug {
        id: "azure-npm-1739",
        summary: "CIDRs of length 0 were not handled",
        effect: Effect::Mixed,
        affected: &[NPM_RELEASE.before(1, 4, 45)],
        source: "Azure/azure-container-networking commit d7e4f6c98",
        ..Bug::ROW
    },
    Bug {
        id: "azure-aks-1807",
        summary: "policies that worked in 1.1.4 stopped working",
        effect: Effect::Closed,
        affected: &[NPM_RELEASE.only(1, 1, 5)],
        source: "Azure/AKS issue 1807",
        confidence: Confidence::Reported,
        ..Bug::ROW
    },
];

pub(in crate::engine) static CNI_CILIUM: EngineFacts = EngineFacts {
    aliases: &["aks-cilium", "azure-cilium", "aks-automatic"],
    like: Some(Engine::Cilium),
    numbering: &[Numbering::range(Component::Cilium, (1, 0), (1, 21)), AKS],
    switches: cilium::SWITCHES,
    features: &[
        FeatureFact::changed(
            Feature::EndPort,
            Support::None("AKS supports it from Cilium 1.17 on; only the first port is admitted"),
            &[(Component::Cilium.at(1, 17, 0), Support::Full)],
        )
        .unversioned(Support::Partial(
            "from Cilium 1.17 on; name the version to be sure",
        )),
        FeatureFact::always(Feature::HostNetworkPods, Support::Unknown),
        FeatureFact::always(Feature::ClusterNetworkPolicy, Support::Unknown),
    ],
    silent_disable: &["Windows nodes are not policed"],
    implicit_allow: cilium::IMPLICIT_ALLOW,
    notes: &[
        "the default of AKS Automatic",
        "most settings of cilium-config cannot be changed",
        "ipBlock cannot admit pod or node addresses, unlike with Azure Network Policy Manager",
    ],
    sources: &["MicrosoftDocs/azure-aks-docs azure-cni-powered-by-cilium.md"],
    ..EngineFacts::row(
        "Azure CNI powered by Cilium",
        always(
            Enforcement::Enforced,
            "enforcement is built into the dataplane",
        ),
    )
};

pub(in crate::engine) static CALICO: EngineFacts = EngineFacts {
    aliases: &["azure-calico"],
    like: Some(Engine::Calico),
    numbering: &[
        Numbering::range(Component::Kubernetes, (1, 0), (2, 0)),
        Numbering::since(Component::Calico, (2, 0)),
    ],
    switches: calico::SWITCHES,
    silent_disable: calico::SILENT_DISABLE,
    implicit_allow: calico::IMPLICIT_ALLOW,
    notes: &["can be added to an existing cluster, which re-images all node pools"],
    sources: &["MicrosoftDocs/azure-aks-docs use-network-policies.md"],
    ..EngineFacts::row(
        "AKS Calico",
        always(
            Enforcement::Enforced,
            "it runs only where AKS was asked for --network-policy calico, and then enforces",
        ),
    )
};
