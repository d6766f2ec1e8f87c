//! How the programs that enforce policies, or only connect pods, are recognised.
//!
//! A DaemonSet is recognised by its name or by the image of its main container; a renamed
//! DaemonSet and a mirrored image are both still found. CustomResourceDefinitions prove nothing:
//! GKE serves those of Calico with enforcement off, and several engines that enforce have none.

use crate::engine::Engine;

/// How the DaemonSet of an engine looks.
#[derive(Debug)]
pub(super) struct Fingerprint {
    /// The engine.
    pub(super) engine: Engine,
    /// Names of its DaemonSet, with the namespace where that is needed to tell it from another.
    pub(super) daemon_sets: &'static [(Option<&'static str>, &'static str)],
    /// Images of the main container.
    pub(super) images: &'static [&'static str],
    /// The containers whose tag is the release, the best one first.
    pub(super) version_of: &'static [&'static str],
    /// DaemonSets of the same engine for Windows nodes.
    pub(super) windows: &'static [&'static str],
    /// Where this was read.
    pub(super) source: &'static str,
}

const ROW: Fingerprint = Fingerprint {
    engine: Engine::Reference,
    daemon_sets: &[],
    images: &[],
    version_of: &[],
    windows: &[],
    source: "",
};

/// All of them. The first that fits names the DaemonSet, so products stand before what they are
/// made of.
pub(super) static FINGERPRINTS: &[Fingerprint] = &[
    Fingerprint {
        engine: Engine::AwsVpcCni,
        daemon_sets: &[(None, "aws-node")],
        images: &["amazon-k8s-cni", "aws-network-policy-agent"],
        version_of: &["aws-eks-nodeagent", "aws-node"],
        source: "aws/amazon-vpc-cni-k8s charts/aws-vpc-cni/templates/daemonset.yaml",
        ..ROW
    },
    Fingerprint {
        engine: Engine::GkeDpv2,
        daemon_sets: &[(Some("kube-system"), "anetd")],
        source: "cloud.google.com kubernetes-engine concepts/dataplane-v2",
        ..ROW
    },
    Fingerprint {
        engine: Engine::Canal,
        daemon_sets: &[(None, "canal"), (None, "rke2-canal")],
        version_of: &["calico-node"],
        source: "projectcalico/calico manifests/canal.yaml; rancher/rke2-docs basic_network_options.md",
        ..ROW
    },
    Fingerprint {
        engine: Engine::Calico,
        daemon_sets: &[(None, "calico-node")],
        images: &[
            "calico/node",
            "mirrored-calico-node",
            "hardened-calico",
            "calico-node",
        ],
        version_of: &["calico-node"],
        windows: &["calico-node-windows"],
        source: "projectcalico/calico manifests/calico.yaml, charts/tigera-operator",
    },
    Fingerprint {
        engine: Engine::Cilium,
        daemon_sets: &[(None, "cilium")],
        images: &["cilium/cilium", "mirrored-cilium-cilium", "cilium"],
        version_of: &["cilium-agent"],
        source: "cilium/cilium install/kubernetes/cilium; cilium/cilium-cli defaults",
        ..ROW
    },
    Fingerprint {
        engine: Engine::AzureNpm,
        daemon_sets: &[(None, "azure-npm")],
        images: &["containernetworking/azure-npm", "azure-npm"],
        version_of: &["azure-npm"],
        windows: &["azure-npm-win"],
        source: "Azure/azure-container-networking npm/azure-npm.yaml",
    },
    Fingerprint {
        engine: Engine::Antrea,
        daemon_sets: &[(None, "antrea-agent")],
        images: &[
            "antrea/antrea-agent-ubuntu",
            "antrea/antrea-agent-ubi",
            "antrea/antrea-ubuntu",
            "antrea-agent-ubuntu",
        ],
        version_of: &["antrea-agent"],
        windows: &["antrea-agent-windows"],
        source: "antrea-io/antrea build/yamls/antrea.yml",
    },
    Fingerprint {
        engine: Engine::KubeNetworkPolicies,
        daemon_sets: &[(None, "kube-network-policies")],
        images: &[
            "networking/kube-network-policies",
            "kube-network-policies",
            "networking/kube-network-policies-npa-v1alpha1",
            "networking/kube-network-policies-npa-v1alpha2",
        ],
        version_of: &["kube-network-policies"],
        source: "kubernetes-sigs/kube-network-policies install.yaml",
        ..ROW
    },
    Fingerprint {
        engine: Engine::Flannel,
        daemon_sets: &[(None, "kube-flannel-ds"), (None, "kube-flannel")],
        images: &[
            "flannel-io/flannel",
            "flannel/flannel",
            "mirrored-flannel-io-flannel",
            "mirrored-flannelcni-flannel",
            "hardened-flannel",
            "flannel",
        ],
        version_of: &["kube-flannel"],
        source: "flannel-io/flannel chart/kube-flannel, Documentation/netpol.md",
        ..ROW
    },
    Fingerprint {
        engine: Engine::KubeRouter,
        daemon_sets: &[(None, "kube-router")],
        images: &["cloudnativelabs/kube-router", "kube-router"],
        version_of: &["kube-router"],
        source: "cloudnativelabs/kube-router daemonset",
        ..ROW
    },
    Fingerprint {
        engine: Engine::Kindnet,
        daemon_sets: &[(None, "kindnet")],
        images: &["kindest/kindnetd", "kindnetd", "networking/kindnet"],
        version_of: &["kindnet-cni", "kindnetd", "kindnet"],
        source: "kubernetes-sigs/kind pkg/build/nodeimage/const_cni.go",
        ..ROW
    },
    Fingerprint {
        engine: Engine::Weave,
        daemon_sets: &[(None, "weave-net")],
        images: &[
            "weaveworks/weave-kube",
            "weaveworks/weave-npc",
            "weave-kube",
        ],
        version_of: &["weave-npc", "weave"],
        source: "weaveworks/weave prog/weave-kube",
        ..ROW
    },
    Fingerprint {
        engine: Engine::OvnKubernetes,
        daemon_sets: &[
            (None, "ovnkube-node"),
            (None, "ovnkube-single-node-zone"),
            (Some("ovn-kubernetes"), "ovs-node"),
        ],
        source: "openshift/cluster-network-operator bindata/network/ovn-kubernetes; ovn-kubernetes helm",
        ..ROW
    },
    Fingerprint {
        engine: Engine::OpenShiftSdn,
        daemon_sets: &[(Some("openshift-sdn"), "sdn")],
        source: "openshift/sdn README.md",
        ..ROW
    },
    Fingerprint {
        engine: Engine::KubeOvn,
        daemon_sets: &[(None, "kube-ovn-cni")],
        images: &["kubeovn/kube-ovn", "kube-ovn"],
        version_of: &["cni-server"],
        source: "kubeovn/kube-ovn dist/images/install.sh",
        ..ROW
    },
    Fingerprint {
        engine: Engine::Romana,
        daemon_sets: &[(None, "romana-agent")],
        version_of: &["romana-agent"],
        source: "romana/romana containerize/specs/romana-kubeadm.yml",
        ..ROW
    },
    Fingerprint {
        engine: Engine::Nuage,
        daemon_sets: &[
            (None, "nuage-cni-ds"),
            (None, "nuage-vsp"),
            (None, "nuage-vrs-ds"),
        ],
        source: "names only, not verified",
        ..ROW
    },
    Fingerprint {
        engine: Engine::Terway,
        daemon_sets: &[(None, "terway-eniip"), (None, "terway")],
        images: &["acs/terway", "terway"],
        version_of: &["terway"],
        source: "names only, not verified",
        ..ROW
    },
];
