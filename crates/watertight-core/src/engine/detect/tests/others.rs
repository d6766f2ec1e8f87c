//! The other engines, and clusters in which none is known.

use super::cluster::{C, Cluster, c};
use super::table::{Case, TWO, calico, labelled, proxy};

fn k3s(args: &str) -> Cluster {
    let info = "status: {nodeInfo: {kubeletVersion: v1.34.1+k3s1}}";
    let server = format!("@k3s.io/node-args: '{args}'@, {info}");
    Cluster::default()
        .node(
            "s1",
            "node-role.kubernetes.io/control-plane: \"true\"",
            &server,
        )
        .node(
            "a1",
            "",
            &format!("@k3s.io/node-args: '[\"agent\"]'@, {info}"),
        )
}

fn flannel(more: Vec<C>) -> Cluster {
    let mut containers = vec![c("kube-flannel", "ghcr.io/flannel-io/flannel:v0.28.1")];
    containers.extend(more);
    Cluster::of(TWO).set("kube-flannel/kube-flannel-ds", &containers, TWO)
}

fn kube_ovn(args: &'static [&'static str]) -> Cluster {
    Cluster::of(TWO)
        .set(
            "kube-system/kube-ovn-cni",
            &[c("cni-server", "docker.io/kubeovn/kube-ovn:v1.15.2")],
            TWO,
        )
        .deployment(
            "kube-system/kube-ovn-controller",
            &[C(
                "kube-ovn-controller",
                "kubeovn/kube-ovn:v1.15.2",
                args,
                &[],
            )],
            1,
        )
}

/// What must come out.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case =
        |name, cluster: Cluster, expected| cases.push((name, cluster.policy(), expected));
    // The others
    let antrea = || {
        Cluster::of(TWO).set(
            "kube-system/antrea-agent",
            &[c("antrea-agent", "antrea/antrea-agent-ubuntu:v2.4.3")],
            TWO,
        )
    };
    case(
        "antrea",
        antrea().deployment(
            "kube-system/antrea-controller",
            &[c(
                "antrea-controller",
                "antrea/antrea-controller-ubuntu:v2.4.3",
            )],
            1,
        ),
        "enforced | antrea@2.4.3 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "antrea without its controller",
        antrea().deployment(
            "kube-system/antrea-controller",
            &[c(
                "antrea-controller",
                "antrea/antrea-controller-ubuntu:v2.4.3",
            )],
            0,
        ),
        "partial | antrea@2.4.3 partial | antrea-controller-down | n1=partial n2=partial",
    );
    case(
        "flannel",
        flannel(vec![]),
        "not-enforced | flannel@0.28.1 not-enforced | flannel-alone | n1=not-enforced n2=not-enforced",
    );
    case(
        "flannel with the optional container",
        flannel(vec![c(
            "kube-network-policies",
            "registry.k8s.io/networking/kube-network-policies:v0.7.0",
        )]),
        "enforced-with-window | kube-network-policies@0.7.0 enforced-with-window | kube-network-policies-fail-open | n1=enforced-with-window n2=enforced-with-window",
    );
    case(
        "flannel and an engine",
        flannel(vec![]).set(
            "kube-system/calico-node",
            &calico("calico/node:v3.31.2"),
            TWO,
        ),
        "enforced | calico@3.31.2 enforced; flannel@0.28.1 not-enforced | flannel-alone | n1=enforced n2=enforced",
    );
    let router = |args| {
        Cluster::of(TWO).set(
            "kube-system/kube-router",
            &[C(
                "kube-router",
                "docker.io/cloudnativelabs/kube-router:v2.10.1",
                args,
                &[],
            )],
            TWO,
        )
    };
    case(
        "kube-router",
        router(&["--run-router=true", "--run-firewall=true"]),
        "enforced-with-window | kube-router@2.10.1 enforced-with-window | kube-router-window | n1=enforced-with-window n2=enforced-with-window",
    );
    case(
        "kube-router, denying by default",
        router(&["--netpol-default-deny"]),
        "enforced | kube-router@2.10.1 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "kube-router as a service proxy",
        router(&["--run-firewall=false"]),
        "not-enforced | kube-router@2.10.1 not-enforced | kube-router-no-firewall, kube-router-window | n1=not-enforced n2=not-enforced",
    );
    case(
        "k3s",
        k3s("[\"server\"]"),
        "enforced-with-window | k3s@1.34.1 enforced-with-window | k3s-window | s1=enforced-with-window a1=enforced-with-window",
    );
    case(
        "k3s with it disabled",
        k3s("[\"server\",\"--disable-network-policy\"]"),
        "not-enforced | k3s@1.34.1 not-enforced | k3s-disabled | s1=not-enforced a1=not-enforced",
    );
    case(
        "k3s whose servers are not seen",
        k3s("[\"agent\"]"),
        "unknown | k3s@1.34.1 unknown | k3s-servers-unknown | s1=unknown a1=unknown",
    );
    case(
        "k3s with Calico, both on",
        k3s("[\"server\",\"--flannel-backend=none\"]").set(
            "calico-system/calico-node",
            &calico("calico/node:v3.31.2"),
            &["s1", "a1"],
        ),
        "conflict | calico@3.31.2 enforced; k3s@1.34.1 enforced-with-window | two-engines, k3s-window | s1=conflict a1=conflict",
    );
    case(
        "k3s with Calico alone",
        k3s("[\"server\",\"--flannel-backend=none\",\"--disable-network-policy\"]").set(
            "calico-system/calico-node",
            &calico("calico/node:v3.31.2"),
            &["s1", "a1"],
        ),
        "enforced | calico@3.31.2 enforced; k3s@1.34.1 not-enforced | k3s-disabled | s1=enforced a1=enforced",
    );
    let kindnet = |image| {
        Cluster::default()
            .node("n1", "", "spec: {providerID: \"kind://docker/k/n1\"}")
            .set("kube-system/kindnet", &[c("kindnet-cni", image)], &["n1"])
    };
    case(
        "kindnet",
        kindnet("docker.io/kindest/kindnetd:v20240813-c6f155d6"),
        "enforced-with-window | kindnet@20240813 enforced-with-window | release-window | n1=enforced-with-window",
    );
    case(
        "kindnet before it enforced",
        kindnet("docker.io/kindest/kindnetd:v20240513-cd2ac642"),
        "not-enforced | kindnet@20240513 not-enforced | release-does-not-enforce | n1=not-enforced",
    );
    case(
        "kindnet by digest",
        kindnet("kindest/kindnetd@sha256:00"),
        "unknown | kindnet unknown | release-unknown | n1=unknown",
    );
    case(
        "kindnet, fails open",
        Cluster::of(TWO)
            .counted(
                "kube-system/kindnet",
                &[c("kindnet-cni", "kindest/kindnetd:v20250512-df8de77b")],
                2,
                1,
            )
            .pod("kube-system/kindnet", "n1", true)
            .pod("kube-system/kindnet", "n2", false),
        "partial | kindnet@20250512 enforced-with-window | release-window | n1=enforced-with-window n2=not-enforced",
    );
    let knp = |args| {
        Cluster::of(TWO).set(
            "kube-system/kube-network-policies",
            &[C(
                "kube-network-policies",
                "registry.k8s.io/networking/kube-network-policies:v1.1.1",
                args,
                &[],
            )],
            TWO,
        )
    };
    case(
        "kube-network-policies",
        knp(&[]),
        "enforced-with-window | kube-network-policies@1.1.1 enforced-with-window | kube-network-policies-fail-open | n1=enforced-with-window n2=enforced-with-window",
    );
    case(
        "kube-network-policies, fails closed",
        knp(&["--fail-open=false"]),
        "enforced | kube-network-policies@1.1.1 enforced |  | n1=enforced n2=enforced",
    );
    let weave = |env, more: Option<C>| {
        let mut all = vec![C("weave", "weaveworks/weave-kube:2.8.1", &[], env)];
        all.extend(more);
        Cluster::of(TWO).set("kube-system/weave-net", &all, TWO)
    };
    case(
        "weave",
        weave(&[], Some(c("weave-npc", "weaveworks/weave-npc:2.8.1"))),
        "enforced | weave@2.8.1 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "weave without its controller",
        weave(&[], None),
        "not-enforced | weave@2.8.1 not-enforced | weave-no-npc | n1=not-enforced n2=not-enforced",
    );
    case(
        "weave, EXPECT_NPC=0",
        weave(
            &[("EXPECT_NPC", "0")],
            Some(c("weave-npc", "weaveworks/weave-npc:2.8.1")),
        ),
        "not-enforced | weave@2.8.1 not-enforced | weave-expect-npc | n1=not-enforced n2=not-enforced",
    );
    let openshift = "{apiVersion: config.openshift.io/v1, kind: ClusterVersion, metadata: {name: version}, status: {desired: {version: 4.18.9}}}";
    let ovn = |args| {
        Cluster::of(TWO)
            .set(
                "openshift-ovn-kubernetes/ovnkube-node",
                &[C(
                    "ovnkube-controller",
                    "quay.io/openshift-release-dev/ocp@sha256:00",
                    args,
                    &[],
                )],
                TWO,
            )
            .object(openshift)
    };
    case(
        "ovn-kubernetes",
        ovn(&[]),
        "enforced | ovn-kubernetes@4.18.9 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "ovn-kubernetes, ICMP passes",
        ovn(&["--allow-icmp-network-policy=true"]),
        "partial | ovn-kubernetes@4.18.9 partial | ovn-allow-icmp | n1=partial n2=partial",
    );
    let sdn = |mode: &str| {
        let network = format!(
            "{{apiVersion: operator.openshift.io/v1, kind: Network, metadata: {{name: cluster}}, spec: {{defaultNetwork: {{openshiftSDNConfig: {{mode: {mode}}}}}}}}}"
        );
        Cluster::of(TWO)
            .set(
                "openshift-sdn/sdn",
                &[c("sdn", "quay.io/openshift@sha256:00")],
                TWO,
            )
            .object(openshift)
            .object(&network)
    };
    case(
        "openshift sdn",
        sdn("NetworkPolicy"),
        "enforced | openshift-sdn@4.18.9 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "openshift sdn, multitenant",
        sdn("Multitenant"),
        "not-enforced | openshift-sdn@4.18.9 not-enforced | openshift-sdn-other-mode | n1=not-enforced n2=not-enforced",
    );
    case(
        "kube-ovn",
        kube_ovn(&["--enable-np=true"]),
        "enforced | kube-ovn@1.15.2 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "kube-ovn, off",
        kube_ovn(&["--enable-np=false"]),
        "not-enforced | kube-ovn@1.15.2 not-enforced | kube-ovn-off | n1=not-enforced n2=not-enforced",
    );
    case(
        "kube-ovn, lax",
        kube_ovn(&["--np-enforcement=lax"]),
        "partial | kube-ovn@1.15.2 partial | kube-ovn-lax | n1=partial n2=partial",
    );
    case(
        "oke with VCN-native networking",
        labelled("oke.oraclecloud.com/pool.name: a").set(
            "kube-system/vcn-native-ip-cni",
            &[c("vcn-native-ip-cni", "x/oke-public-cloud-provider-oci:v1")],
            TWO,
        ),
        "not-enforced |  | oke-no-engine | n1=not-enforced n2=not-enforced",
    );
    case(
        "oke with Calico",
        labelled("oci.oraclecloud.com/fault-domain: f").set(
            "kube-system/calico-node",
            &calico("calico/node:v3.31.2"),
            TWO,
        ),
        "enforced | calico@3.31.2 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "doks, which is Cilium",
        labelled("doks.digitalocean.com/node-pool: a")
            .set(
                "kube-system/cilium",
                &[c("cilium-agent", "docker.io/digitalocean/cilium:v1.18.4")],
                TWO,
            )
            .config("cilium-config", &[]),
        "enforced | cilium@1.18.4 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "lke, which is Calico",
        labelled("lke.linode.com/pool-id: \"1\"").set(
            "kube-system/calico-node",
            &calico("linode/calico-node:v3.29.1"),
            TWO,
        ),
        "enforced | calico@3.29.1 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "kindnet of its own project, which counts from 1",
        Cluster::of(TWO).set(
            "kube-system/kindnet",
            &[c("kindnetd", "ghcr.io/aojea/kindnetd:v1.8.4")],
            TWO,
        ),
        "enforced-with-window | kindnet@1.8.4 enforced-with-window | release-window | n1=enforced-with-window n2=enforced-with-window",
    );
    case(
        "minikube with its bridge",
        proxy(labelled("minikube.k8s.io/name: m")),
        "not-enforced | minikube-bridge not-enforced | minikube-bridge | n1=not-enforced n2=not-enforced",
    );
    case(
        "minikube with kindnet",
        labelled("minikube.k8s.io/name: m").set(
            "kube-system/kindnet",
            &[c("kindnet-cni", "kindest/kindnetd:v20250512-df8de77b")],
            TWO,
        ),
        "enforced-with-window | kindnet@20250512 enforced-with-window | release-window | n1=enforced-with-window n2=enforced-with-window",
    );
    let micro = "microk8s.io/cluster: \"true\"";
    case(
        "microk8s",
        labelled(micro).set(
            "kube-system/calico-node",
            &calico("docker.io/calico/node:v3.29.3"),
            TWO,
        ),
        "enforced | microk8s enforced |  | n1=enforced n2=enforced",
    );
    case(
        "microk8s with flannel",
        proxy(labelled(micro)),
        "not-enforced | microk8s not-enforced | microk8s-without-calico | n1=not-enforced n2=not-enforced",
    );
    case(
        "romana",
        Cluster::of(TWO).set(
            "kube-system/romana-agent",
            &[c("romana-agent", "quay.io/romana/agent:v2.0.0")],
            TWO,
        ),
        "unknown | romana@2.0.0 unknown | engine-unknown | n1=unknown n2=unknown",
    );
    case(
        "nuage",
        Cluster::of(TWO).set(
            "kube-system/nuage-cni-ds",
            &[c("install", "nuage/cni:v6.0.1")],
            TWO,
        ),
        "unknown | nuage@6.0.1 unknown | engine-unknown | n1=unknown n2=unknown",
    );
    case(
        "terway",
        Cluster::of(TWO).set(
            "kube-system/terway-eniip",
            &[c("terway", "registry/acs/terway:v1.5.0")],
            TWO,
        ),
        "unknown | terway@1.5.0 unknown | engine-unknown | n1=unknown n2=unknown",
    );

    // No engine that is known
    case(
        "only policies",
        Cluster::default(),
        "unknown |  | nothing-read | ",
    );
    case(
        "DaemonSets, none of them an engine",
        proxy(Cluster::of(TWO)),
        "unknown |  | engine-not-known | n1=unknown n2=unknown",
    );
    case(
        "DaemonSets forbidden",
        Cluster::of(TWO).header(&["apps/daemonsets=forbidden"]),
        "unknown |  | daemonsets-unknown | n1=unknown n2=unknown",
    );
    cases
}
