//! kube-router, and k3s, which runs kube-router's policy controller inside its own process.

use super::prelude::*;

const KUBE_ROUTER: Component = Component::KubeRouter;

const SWITCHES: Switches = Switches {
    established: Established::Survive,
    ..Switches::REFERENCE
};

pub(in crate::engine) static FACTS: EngineFacts = EngineFacts {
    aliases: &["kuberouter"],
    numbering: &[Numbering::all(KUBE_ROUTER)],
    switches: SWITCHES,
    features: FEATURES,
    bugs: BUGS,
    silent_disable: &[
        "--run-firewall=false, as in the manifest that runs it as a service proxy only",
        "--netpol-default-deny turns itself off with a line in the log where pod CIDRs are unknown",
    ],
    implicit_allow: &["traffic from any address of the node to the pods on it"],
    notes: &[
        "an egress rule with a named port and no peer is resolved on pods of the policy's \
         namespace only",
        "--netpol-default-deny, from 2.10.0 on and off by default, closes the moment in which a \
         new pod is open",
    ],
    sources: &["cloudnativelabs/kube-router docs/user-guide.md, daemonset"],
    ..EngineFacts::row("kube-router", WINDOW)
};

const WINDOW: Timeline<EnforcementFact> = always(
    Enforcement::EnforcedWithWindow,
    "a new pod is open until its chain is written, unless --netpol-default-deny is set",
);

static FEATURES: &[FeatureFact] = &[
    FeatureFact::full(Feature::Ingress),
    FeatureFact::full(Feature::Egress),
    FeatureFact::full(Feature::IpBlock),
    FeatureFact::full(Feature::Except),
    FeatureFact::changed(
        Feature::NamedPort,
        Support::None("resolved from 0.3.0 on"),
        &[
            (
                KUBE_ROUTER.at(0, 3, 0),
                Support::Partial("before 2.0.0 address sets for named ports were wrong at times"),
            ),
            (KUBE_ROUTER.at(2, 0, 0), Support::Full),
        ],
    ),
    FeatureFact::changed(
        Feature::EndPort,
        Support::None("before 1.3.0 only the first port is admitted"),
        &[(KUBE_ROUTER.at(1, 3, 0), Support::Full)],
    ),
    FeatureFact::changed(
        Feature::Sctp,
        Support::None("matched from 2.8.0 on"),
        &[(KUBE_ROUTER.at(2, 8, 0), Support::Full)],
    ),
    FeatureFact::changed(
        Feature::HostNetworkPods,
        Support::Partial("before 1.3.0 policies hit them by mistake and could cut nodes off"),
        &[(KUBE_ROUTER.at(1, 3, 0), Support::None("they are skipped"))],
    ),
    FeatureFact::none(Feature::AdminNetworkPolicy, "not read"),
    FeatureFact::none(Feature::BaselineAdminNetworkPolicy, "not read"),
    FeatureFact::none(Feature::ClusterNetworkPolicy, "not read"),
];

static BUGS: &[Bug] = &[
    Bug {
        id: "kube-router-ada3179c",
        summary: "rules for IPv6 used the name of the wrong address set",
        effect: Effect::Open,
        affected: &[KUBE_ROUTER.between((2, 0, 0), (2, 1, 0))],
        condition: "for IPv6",
        source: "cloudnativelabs/kube-router commit ada3179c",
        ..Bug::ROW
    },
    Bug {
        id: "kube-router-f0d7f1e1",
        summary: "a rule with a named port kept the address of one pod only",
        effect: Effect::Closed,
        affected: &[KUBE_ROUTER.before(2, 0, 0)],
        source: "cloudnativelabs/kube-router commit f0d7f1e1",
        ..Bug::ROW
    },
    Bug {
        id: "kube-router-bffdc729",
        summary: "firewall rules and service rules stood in the wrong order",
        effect: Effect::Mixed,
        affected: &[KUBE_ROUTER.before(1, 3, 1)],
        source: "cloudnativelabs/kube-router commit bffdc729",
        ..Bug::ROW
    },
    Bug {
        id: "kube-router-609",
        summary: "denying all egress did not stop traffic to Service addresses and the API server",
        effect: Effect::Open,
        affected: &[KUBE_ROUTER.before(1, 0, 0)],
        source: "cloudnativelabs/kube-router issue 609, commit b5e9bd30",
        ..Bug::ROW
    },
    Bug {
        id: "kube-router-startup",
        summary: "a new pod can be reached until its chain exists",
        effect: Effect::Window,
        condition: "in every release, unless --netpol-default-deny is set",
        source: "cloudnativelabs/kube-router docs/user-guide.md",
        ..Bug::ROW
    },
    Bug {
        id: "CVE-2026-32254",
        aliases: &["GO-2026-4724"],
        summary: "external addresses of Services were trusted, so that traffic could be hijacked",
        effect: Effect::Other,
        affected: &[KUBE_ROUTER.before(2, 8, 0)],
        source: "golang/vulndb GO-2026-4724",
        ..Bug::ROW
    },
];

const LIBRARY: &str = "which release of kube-router a k3s release carries is not recorded";

pub(in crate::engine) static K3S: EngineFacts = EngineFacts {
    aliases: &["k3s-netpol", "k3d"],
    like: Some(Engine::KubeRouter),
    numbering: &[Numbering::all(Component::Kubernetes)],
    switches: SWITCHES,
    features: &[
        FeatureFact::always(Feature::Sctp, Support::Partial("from kube-router 2.8.0 on"))
            .confidence(Confidence::Unchecked),
    ],
    bugs: &[
        Bug {
            id: "k3s-2390",
            summary: "an egress policy on one pod let it past the ingress policies of others",
            effect: Effect::Open,
            affected: &[Component::Kubernetes.before(1, 20, 8)],
            condition: "not wholly fixed by then",
            source: "k3s-io/k3s issue 2390",
            confidence: Confidence::Reported,
            ..Bug::ROW
        },
        Bug {
            id: "kube-router-1777",
            aliases: &["k3s-11493"],
            summary: "nftables rules of another program make the controller crash",
            effect: Effect::Other,
            condition: "seen in December 2024",
            source: "cloudnativelabs/kube-router issue 1777, k3s-io/k3s issue 11493",
            confidence: Confidence::Reported,
            ..Bug::ROW
        },
    ],
    silent_disable: &[
        "--disable-network-policy on the servers; rules already written stay until somebody \
         removes them",
        "a node without ipset logs that it skips the controller and goes on, so that this node \
         enforces nothing",
        "--flannel-backend=none with another engine: both may act",
    ],
    implicit_allow: &["traffic from any address of the node to the pods on it"],
    notes: &[
        "there is no DaemonSet to look for: the controller runs in the k3s process",
        LIBRARY,
    ],
    sources: &[
        "k3s-io/k3s pkg/agent/netpol/netpol.go",
        "k3s-io/docs docs/networking/networking-services.md",
    ],
    ..EngineFacts::row("k3s", WINDOW)
};
