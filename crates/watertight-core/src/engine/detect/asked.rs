//! What rules of detection ask of a cluster: names of objects, and of the values in them.
//!
//! Whoever reads a live cluster reads these objects; whoever makes an inventory keeps these values
//! and no others.

/// ConfigMaps of network engines and providers: namespace (none: any) and name.
pub const CONFIG_MAPS: &[(Option<&str>, &str)] = &[
    (Some("kube-system"), "amazon-vpc-cni"),
    (Some("kube-system"), "aws-auth"),
    (Some("kube-system"), "eks-certificates-controller"),
    (Some("kube-system"), "antrea-config"),
    (Some("kube-system"), "azure-npm-config"),
    (Some("kube-system"), "calico-config"),
    (Some("kube-system"), "canal-config"),
    (None, "cilium-config"),
    (None, "kube-flannel-cfg"),
    (Some("kube-system"), "rke2"),
];

/// Objects of other kinds that configure network engines: group, plural name, kind.
pub const SETTINGS: &[(&str, &str, &str)] = &[
    ("config.openshift.io", "clusterversions", "ClusterVersion"),
    ("config.openshift.io", "networks", "Network"),
    ("crd.antrea.io", "antreaagentinfos", "AntreaAgentInfo"),
    (
        "crd.projectcalico.org",
        "clusterinformations",
        "ClusterInformation",
    ),
    (
        "crd.projectcalico.org",
        "felixconfigurations",
        "FelixConfiguration",
    ),
    ("eks.amazonaws.com", "nodeclasses", "NodeClass"),
    ("operator.openshift.io", "networks", "Network"),
    ("operator.tigera.io", "installations", "Installation"),
    (
        "projectcalico.org",
        "clusterinformations",
        "ClusterInformation",
    ),
    (
        "projectcalico.org",
        "felixconfigurations",
        "FelixConfiguration",
    ),
];

/// Deployments that tell about engines; DaemonSets are all kept.
pub(crate) const DEPLOYMENTS: &[&str] = &[
    "amazon-network-policy-controller-k8s",
    "antrea-controller",
    "calico-kube-controllers",
    "calico-typha",
    "cilium-operator",
    "hubble-relay",
    "kube-ovn-controller",
    "ovn-central",
    "romana-listener",
    "tigera-operator",
];

/// Flags of containers.
pub const FLAGS: &[&str] = &[
    "--allow-mcast",
    "--enable-anp",
    "--enable-ipv6",
    "--enable-network-policy",
    "--enable-np",
    "--fail-open",
    "--netpol-default-deny",
    "--np-enforcement",
    "--run-firewall",
    "--strict-mode",
    "--use-nftables-for-netpol",
    "--allow-icmp-network-policy",
    "allow-icmp-network-policy",
    "--enable-admin-network-policy",
    "enable-admin-network-policy",
];

/// Environment variables of containers.
pub const VARIABLES: &[&str] = &[
    "CALICO_NETWORKING_BACKEND",
    "ENABLE_V4_EGRESS",
    "EXPECT_NPC",
    "FELIX_BPFENABLED",
    "FELIX_DEFAULTENDPOINTTOHOSTACTION",
    "FELIX_INTERFACEPREFIX",
    "NETWORK_POLICY_ENFORCING_MODE",
    "VPC_CNI_VERSION",
];

/// Keys of ConfigMaps, and of the configuration files in them.
pub(crate) const KEYS: &[&str] = &[
    // Cilium
    "allow-localhost",
    "bpf-policy-map-max",
    "cni-chaining-mode",
    "cni-exclusive",
    "enable-cilium-clusterwide-network-policy",
    "enable-cilium-network-policy",
    "enable-endpoint-lockdown-on-policy-overflow",
    "enable-host-firewall",
    "enable-ipv4",
    "enable-ipv6",
    "enable-k8s-cluster-network-policy",
    "enable-k8s-networkpolicy",
    "enable-l7-proxy",
    "enable-non-default-deny-policies",
    "enable-policy",
    "enable-sctp",
    "policy-audit-mode",
    "policy-cidr-match-mode",
    "policy-deny-response",
    // Amazon VPC CNI
    "enable-network-policy-controller",
    "enable-windows-ipam",
    // Calico, Canal
    "calico_backend",
    "typha_service_name",
    // Antrea: keys of antrea-agent.conf and antrea-controller.conf
    "AdminNetworkPolicy",
    "AntreaPolicy",
    "ClusterNetworkPolicy",
    "NodeNetworkPolicy",
    "trafficEncapMode",
];

/// Fields of settings.
pub(crate) const PATHS: &[&str] = &[
    "spec.bpfEnabled",
    "spec.calicoNetwork.linuxDataplane",
    "spec.calicoVersion",
    "spec.cni.type",
    "spec.defaultEndpointToHostAction",
    "spec.defaultNetwork.openshiftSDNConfig.mode",
    "spec.interfacePrefix",
    "spec.networkPolicy",
    "spec.networkType",
    "spec.nftablesMode",
    "spec.variant",
    "status.desired.version",
    "status.networkType",
    "version",
];

/// Annotations of nodes. Of arguments only the words that are about the network are kept.
pub(crate) const ANNOTATIONS: &[&str] = &[
    "flannel.alpha.coreos.com/backend-type",
    "k3s.io/node-args",
    "rke2.io/node-args",
];

/// Flags that are about the network among the arguments that k3s and RKE2 write on their nodes.
pub const NODE_FLAGS: &[&str] = &["--cni", "--disable-network-policy", "--flannel-backend"];

/// Groups of CustomResourceDefinitions.
pub(crate) const CRD_GROUPS: &[&str] = &[
    "cilium.io",
    "crd.antrea.io",
    "crd.projectcalico.org",
    "eks.amazonaws.com",
    "k8s.ovn.org",
    "kubeovn.io",
    "network.openshift.io",
    "networking.k8s.aws",
    "operator.tigera.io",
    "policy.networking.k8s.io",
    "projectcalico.org",
];

/// Services of kube-system that tell the provider, and a label that does; empty if the name is
/// enough.
pub(crate) const PROVIDER_SERVICES: &[(&str, &str)] = &[
    ("kube-dns", "eks.amazonaws.com/component"),
    ("rke2-coredns-rke2-coredns", ""),
];
