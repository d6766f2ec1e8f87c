//! Switches that turn enforcement off, or down, without a sign in the policies; what each engine
//! needs to be on.
//!
//! Each row says where to look, what value does it, what that comes to and what to do. A value that
//! could not be looked at makes the state unknown, never good.

use super::State;
use crate::engine::Engine;

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// Whether the DaemonSet has none of these containers.
    NoContainer(&'static [&'static str]),
    /// A flag of a container of the DaemonSet; any container if the name is empty.
    Flag(&'static str, &'static str),
    /// A variable of a container of the DaemonSet; any container if the name is empty.
    Variable(&'static str, &'static str),
    /// A flag of a Deployment.
    DeploymentFlag(&'static str, &'static str),
    /// Whether a Deployment has pods that are ready: `0` if none.
    DeploymentReady(&'static str),
    /// A key of a ConfigMap; its namespace is that of the DaemonSet if it is empty.
    Key(&'static str, &'static str, &'static str),
    /// A field of objects of a kind.
    Field(&'static str, &'static str),
}

/// Which values do it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Test {
    /// One of these.
    Is(&'static [&'static str]),
    /// Anything but these; also none.
    IsNot(&'static [&'static str]),
    /// For what has no value: that it is so.
    Holds,
}

/// A switch.
#[derive(Debug)]
pub(super) struct Trap {
    pub(super) id: &'static str,
    pub(super) engine: Engine,
    pub(super) ask: Ask,
    pub(super) test: Test,
    /// The kind that it is about; it matters only where there are objects of it.
    pub(super) only_with: Option<&'static str>,
    /// What it comes to.
    pub(super) state: State,
    /// A sentence without a full stop.
    pub(super) text: &'static str,
    pub(super) advice: &'static str,
    /// Where this was read.
    pub(super) source: &'static str,
}

/// All of them.
pub(super) static TRAPS: &[Trap] = &[
    Trap {
        id: "aws-no-agent",
        engine: Engine::AwsVpcCni,
        ask: Ask::NoContainer(&["aws-eks-nodeagent"]),
        test: Test::Holds,
        only_with: None,
        state: State::NotEnforced,
        text: "the Amazon VPC CNI runs without its policy agent, the container aws-eks-nodeagent",
        advice: "install release 1.14 or later of the add-on vpc-cni with nodeAgent.enabled, or another engine",
        source: "aws/amazon-vpc-cni-k8s charts/aws-vpc-cni/values.yaml",
    },
    Trap {
        id: "aws-agent-off",
        engine: Engine::AwsVpcCni,
        ask: Ask::Flag("aws-eks-nodeagent", "--enable-network-policy"),
        test: Test::IsNot(&["true", ""]),
        only_with: None,
        state: State::NotEnforced,
        text: "the policy agent of the Amazon VPC CNI is off, the first of its two switches: policies are stored and ignored",
        advice: "set enableNetworkPolicy to \"true\" in the configuration of the add-on vpc-cni",
        source: "aws/aws-network-policy-agent main.go",
    },
    Trap {
        id: "aws-controller-off",
        engine: Engine::AwsVpcCni,
        ask: Ask::Key(
            "kube-system",
            "amazon-vpc-cni",
            "enable-network-policy-controller",
        ),
        test: Test::IsNot(&["true"]),
        only_with: None,
        state: State::NotEnforced,
        text: "the controller of the Amazon VPC CNI is off, the second of its two switches: the agent on the nodes never hears of a policy",
        advice: "set enable-network-policy-controller to \"true\" in that ConfigMap, or enableNetworkPolicy in the add-on, which sets both",
        source: "aws/amazon-network-policy-controller-k8s pkg/utils/configmap/configmap.go",
    },
    Trap {
        id: "aws-standard-mode",
        engine: Engine::AwsVpcCni,
        ask: Ask::Variable("aws-node", "NETWORK_POLICY_ENFORCING_MODE"),
        test: Test::IsNot(&["strict"]),
        only_with: None,
        state: State::EnforcedWithWindow,
        text: "in the standard mode a new pod is open until its policies are attached",
        advice: "set NETWORK_POLICY_ENFORCING_MODE=strict where that moment matters; every pod then needs a policy",
        source: "aws/amazon-vpc-cni-k8s README.md",
    },
    Trap {
        id: "canal-no-calico-node",
        engine: Engine::Canal,
        ask: Ask::NoContainer(&["calico-node"]),
        test: Test::Holds,
        only_with: None,
        state: State::NotEnforced,
        text: "canal runs without the container calico-node: it is flannel, which enforces nothing",
        advice: "apply the complete manifest of Canal",
        source: "projectcalico/calico manifests/canal.yaml",
    },
    Trap {
        id: "cilium-enable-policy-never",
        engine: Engine::Cilium,
        ask: Ask::Key("", "cilium-config", "enable-policy"),
        test: Test::Is(&["never"]),
        only_with: None,
        state: State::NotEnforced,
        text: "Cilium is told to enforce no policy at all",
        advice: "set enable-policy to \"default\" and restart the DaemonSet cilium",
        source: "cilium/cilium pkg/option/config.go",
    },
    Trap {
        id: "cilium-audit-mode",
        engine: Engine::Cilium,
        ask: Ask::Key("", "cilium-config", "policy-audit-mode"),
        test: Test::Is(&["true"]),
        only_with: None,
        state: State::AuditOnly,
        text: "Cilium logs what policies deny and lets it through",
        advice: "set policy-audit-mode to \"false\" and restart the DaemonSet cilium",
        source: "cilium/cilium Documentation/security/policy-creation.rst",
    },
    Trap {
        id: "cilium-no-kubernetes-policies",
        engine: Engine::Cilium,
        ask: Ask::Key("", "cilium-config", "enable-k8s-networkpolicy"),
        test: Test::Is(&["false"]),
        only_with: None,
        state: State::NotEnforced,
        text: "Cilium ignores every NetworkPolicy; its own kinds still act",
        advice: "set enable-k8s-networkpolicy to \"true\" and restart the DaemonSet cilium",
        source: "cilium/cilium pkg/option/config.go",
    },
    Trap {
        id: "cilium-own-policies-off",
        engine: Engine::Cilium,
        ask: Ask::Key("", "cilium-config", "enable-cilium-network-policy"),
        test: Test::Is(&["false"]),
        only_with: Some("CiliumNetworkPolicy"),
        state: State::Partial,
        text: "Cilium ignores every CiliumNetworkPolicy; other kinds still act",
        advice: "set enable-cilium-network-policy to \"true\" and restart the DaemonSet cilium",
        source: "cilium/cilium pkg/option/config.go",
    },
    Trap {
        id: "cilium-clusterwide-policies-off",
        engine: Engine::Cilium,
        ask: Ask::Key(
            "",
            "cilium-config",
            "enable-cilium-clusterwide-network-policy",
        ),
        test: Test::Is(&["false"]),
        only_with: Some("CiliumClusterwideNetworkPolicy"),
        state: State::Partial,
        text: "Cilium ignores every CiliumClusterwideNetworkPolicy; other kinds still act",
        advice: "set enable-cilium-clusterwide-network-policy to \"true\" and restart the DaemonSet cilium",
        source: "cilium/cilium pkg/option/config.go",
    },
    Trap {
        id: "antrea-controller-down",
        engine: Engine::Antrea,
        ask: Ask::DeploymentReady("antrea-controller"),
        test: Test::Is(&["0"]),
        only_with: None,
        state: State::Partial,
        text: "the controller of Antrea is down: agents that start now get no policies, the others no changes",
        advice: "bring the Deployment kube-system/antrea-controller up",
        source: "antrea-io/antrea docs/design/architecture.md",
    },
    Trap {
        id: "flannel-alone",
        engine: Engine::Flannel,
        ask: Ask::NoContainer(&["kube-network-policies"]),
        test: Test::Holds,
        only_with: None,
        state: State::NotEnforced,
        text: "flannel connects pods and enforces no policies",
        advice: "install its chart with netpol.enabled=true (0.25.5 or later), or run an engine that enforces policies",
        source: "flannel-io/flannel Documentation/netpol.md",
    },
    Trap {
        id: "kube-router-no-firewall",
        engine: Engine::KubeRouter,
        ask: Ask::Flag("", "--run-firewall"),
        test: Test::Is(&["false"]),
        only_with: None,
        state: State::NotEnforced,
        text: "kube-router runs without its firewall, the part that enforces policies",
        advice: "set --run-firewall=true",
        source: "cloudnativelabs/kube-router docs/user-guide.md",
    },
    Trap {
        id: "kube-router-window",
        engine: Engine::KubeRouter,
        ask: Ask::Flag("", "--netpol-default-deny"),
        test: Test::IsNot(&["true", ""]),
        only_with: None,
        state: State::EnforcedWithWindow,
        text: "a new pod is open until its chain is written",
        advice: "set --netpol-default-deny (2.10.0 or later) where that moment matters",
        source: "cloudnativelabs/kube-router docs/user-guide.md",
    },
    Trap {
        id: "kube-network-policies-fail-open",
        engine: Engine::KubeNetworkPolicies,
        ask: Ask::Flag("", "--fail-open"),
        test: Test::IsNot(&["false"]),
        only_with: None,
        state: State::EnforcedWithWindow,
        text: "while its pod is down on a node, everything is let through there (--fail-open, on by default)",
        advice: "set --fail-open=false where that matters",
        source: "kubernetes-sigs/kube-network-policies pkg/cmd/cmd.go",
    },
    Trap {
        id: "weave-no-npc",
        engine: Engine::Weave,
        ask: Ask::NoContainer(&["weave-npc"]),
        test: Test::Holds,
        only_with: None,
        state: State::NotEnforced,
        text: "Weave Net runs without the container weave-npc, the part that enforces policies",
        advice: "apply the complete manifest, or move to an engine that is still developed",
        source: "weaveworks/weave site/kubernetes/kube-addon.md",
    },
    Trap {
        id: "weave-expect-npc",
        engine: Engine::Weave,
        ask: Ask::Variable("", "EXPECT_NPC"),
        test: Test::Is(&["0"]),
        only_with: None,
        state: State::NotEnforced,
        text: "EXPECT_NPC=0 tells Weave Net to do without its policy controller",
        advice: "remove EXPECT_NPC=0, or move to an engine that is still developed",
        source: "weaveworks/weave site/kubernetes/kube-addon.md",
    },
    Trap {
        id: "ovn-allow-icmp",
        engine: Engine::OvnKubernetes,
        ask: Ask::Flag("", "--allow-icmp-network-policy"),
        test: Test::Is(&["true", ""]),
        only_with: None,
        state: State::Partial,
        text: "all ICMP passes, whatever policies say",
        advice: "set allow-icmp-network-policy to false",
        source: "ovn-kubernetes go-controller/pkg/config/config.go",
    },
    Trap {
        id: "openshift-sdn-other-mode",
        engine: Engine::OpenShiftSdn,
        ask: Ask::Field("Network", "spec.defaultNetwork.openshiftSDNConfig.mode"),
        test: Test::Is(&["Multitenant", "Subnet"]),
        only_with: None,
        state: State::NotEnforced,
        text: "OpenShift SDN enforces policies in the mode NetworkPolicy alone, and runs in another",
        advice: "migrate to OVN-Kubernetes, or set the mode NetworkPolicy",
        source: "openshift/sdn README.md",
    },
    Trap {
        id: "kube-ovn-off",
        engine: Engine::KubeOvn,
        ask: Ask::DeploymentFlag("kube-ovn-controller", "--enable-np"),
        test: Test::Is(&["false"]),
        only_with: None,
        state: State::NotEnforced,
        text: "the controller of Kube-OVN is told to ignore policies",
        advice: "set --enable-np=true on the Deployment kube-ovn-controller",
        source: "kubeovn/kube-ovn pkg/controller/config.go",
    },
    Trap {
        id: "kube-ovn-lax",
        engine: Engine::KubeOvn,
        ask: Ask::DeploymentFlag("kube-ovn-controller", "--np-enforcement"),
        test: Test::Is(&["lax"]),
        only_with: None,
        state: State::Partial,
        text: "lax enforcement holds TCP, UDP and SCTP; ICMP and other protocols pass",
        advice: "set --np-enforcement=standard on the Deployment kube-ovn-controller",
        source: "kubeovn/kube-ovn pkg/controller/config.go",
    },
];
