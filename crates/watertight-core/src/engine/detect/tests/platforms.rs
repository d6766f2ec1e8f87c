//! Calico, Cilium, and what Google and Azure make of them.

use super::cluster::{Cluster, c};
use super::table::{Case, TWO, calico, labelled, proxy};

fn cilium(data: &[(&str, &str)]) -> Cluster {
    let agent = [c("cilium-agent", "quay.io/cilium/cilium:v1.19.2@sha256:00")];
    Cluster::of(TWO)
        .set("kube-system/cilium", &agent, TWO)
        .config("cilium-config", data)
}

/// What must come out.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case =
        |name, cluster: Cluster, expected| cases.push((name, cluster.policy(), expected));
    // Calico and what is made of it
    case(
        "calico by the operator",
        Cluster::of(TWO).set(
            "calico-system/calico-node",
            &calico("quay.io/calico/node:v3.31.2"),
            TWO,
        ),
        "enforced | calico@3.31.2 enforced |  | n1=enforced n2=enforced",
    );
    case("calico from a mirror, by digest", Cluster::of(TWO).set("kube-system/calico-node", &calico("registry.corp:5000/m/calico/node@sha256:00"), TWO).object("{apiVersion: crd.projectcalico.org/v1, kind: ClusterInformation, metadata: {name: default}, spec: {calicoVersion: v3.30.1}}"), "enforced | calico@3.30.1 enforced |  | n1=enforced n2=enforced");
    case(
        "calico under another name",
        Cluster::of(TWO).set(
            "net/policy-agent",
            &[c("agent", "registry.corp/calico/node:v3.31.2")],
            TWO,
        ),
        "enforced | calico@3.31.2 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "calico on one node of two",
        Cluster::of(TWO).set(
            "calico-system/calico-node",
            &calico("calico/node:v3.31.2"),
            &["n1"],
        ),
        "partial | calico@3.31.2 enforced |  | n1=enforced n2=not-enforced",
    );
    case(
        "calico not ready on one node",
        Cluster::of(TWO)
            .counted(
                "calico-system/calico-node",
                &calico("calico/node:v3.31.2"),
                2,
                1,
            )
            .pod("calico-system/calico-node", "n1", true)
            .pod("calico-system/calico-node", "n2", false),
        "partial | calico@3.31.2 enforced |  | n1=enforced n2=partial",
    );
    case(
        "calico counts a pod that is not ready, and conditions were not read",
        Cluster::of(TWO)
            .counted(
                "calico-system/calico-node",
                &calico("calico/node:v3.31.2"),
                2,
                1,
            )
            .pod("calico-system/calico-node", "n1", true)
            .pod("calico-system/calico-node", "n2", true),
        "unknown | calico@3.31.2 enforced |  | n1=unknown n2=unknown",
    );
    case(
        "calico, fewer ready pods than nodes, pods not read",
        Cluster::of(&["n1", "n2", "n3"]).counted(
            "calico-system/calico-node",
            &calico("calico/node:v3.31.2"),
            2,
            2,
        ),
        "unknown | calico@3.31.2 enforced |  | n1=unknown n2=unknown n3=unknown",
    );
    case(
        "calico wants no pods",
        Cluster::of(TWO).counted(
            "kube-system/calico-node",
            &calico("calico/node:v3.31.2"),
            0,
            0,
        ),
        "not-enforced | calico@3.31.2 enforced |  | n1=not-enforced n2=not-enforced",
    );
    case(
        "calico and Windows nodes",
        Cluster::of(&["n1"])
            .node("w1", "kubernetes.io/os: windows", "")
            .set(
                "calico-system/calico-node",
                &calico("calico/node:v3.31.2"),
                &["n1"],
            ),
        "partial | calico@3.31.2 enforced |  | n1=enforced w1=not-enforced",
    );
    case(
        "calico for Windows",
        Cluster::of(&["n1"])
            .node("w1", "kubernetes.io/os: windows", "")
            .set(
                "calico-system/calico-node",
                &calico("calico/node:v3.31.2"),
                &["n1"],
            )
            .set(
                "calico-system/calico-node-windows",
                &[c("node", "calico/node-windows:v3.31.2")],
                &["w1"],
            ),
        "enforced | calico@3.31.2 enforced |  | n1=enforced w1=enforced",
    );
    case(
        "calico and a virtual node",
        Cluster::of(&["n1"])
            .node("v1", "type: virtual-kubelet", "")
            .set(
                "calico-system/calico-node",
                &calico("calico/node:v3.31.2"),
                &["n1"],
            ),
        "partial | calico@3.31.2 enforced |  | n1=enforced v1=not-enforced",
    );
    case(
        "canal",
        Cluster::of(TWO).set(
            "kube-system/canal",
            &[
                c("calico-node", "calico/node:v3.31.2"),
                c("kube-flannel", "flannel/flannel:v0.24.4"),
            ],
            TWO,
        ),
        "enforced | canal@3.31.2 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "canal of RKE2",
        Cluster::of(TWO).set(
            "kube-system/rke2-canal",
            &[
                c(
                    "calico-node",
                    "rancher/hardened-calico:v3.30.2-build20250711",
                ),
                c("kube-flannel", "rancher/hardened-flannel:v0.27.1"),
            ],
            TWO,
        ),
        "enforced | canal@3.30.2 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "canal without calico-node",
        Cluster::of(TWO).set(
            "kube-system/canal",
            &[c("kube-flannel", "flannel/flannel:v0.24.4")],
            TWO,
        ),
        "not-enforced | canal@0.24.4 not-enforced | canal-no-calico-node | n1=not-enforced n2=not-enforced",
    );

    // Cilium and what is made of it
    case(
        "cilium",
        cilium(&[("enable-policy", "default")]),
        "enforced | cilium@1.19.2 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "cilium: never",
        cilium(&[("enable-policy", "never")]),
        "not-enforced | cilium@1.19.2 not-enforced | cilium-enable-policy-never | n1=not-enforced n2=not-enforced",
    );
    case(
        "cilium: audit",
        cilium(&[("policy-audit-mode", "true")]),
        "audit-only | cilium@1.19.2 audit-only | cilium-audit-mode | n1=audit-only n2=audit-only",
    );
    case(
        "cilium: no NetworkPolicy",
        cilium(&[("enable-k8s-networkpolicy", "false")]),
        "not-enforced | cilium@1.19.2 not-enforced | cilium-no-kubernetes-policies | n1=not-enforced n2=not-enforced",
    );
    let own = |kind: &str, namespace: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: {kind}, metadata: {{name: a{namespace}}}, spec: {{endpointSelector: {{}}, ingress: [{{}}]}}}}"
        )
    };
    case(
        "cilium: its own kind off",
        cilium(&[("enable-cilium-network-policy", "false")])
            .object(&own("CiliumNetworkPolicy", ", namespace: shop")),
        "partial | cilium@1.19.2 partial | cilium-own-policies-off | n1=partial n2=partial",
    );
    case(
        "cilium: its own kind off, and none of it",
        cilium(&[("enable-cilium-network-policy", "false")]),
        "enforced | cilium@1.19.2 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "cilium: its clusterwide kind off",
        cilium(&[("enable-cilium-clusterwide-network-policy", "false")])
            .object(&own("CiliumClusterwideNetworkPolicy", "")),
        "partial | cilium@1.19.2 partial | cilium-clusterwide-policies-off | n1=partial n2=partial",
    );
    case("cilium: no NetworkPolicy, but its own", cilium(&[("enable-k8s-networkpolicy", "false")]).object("{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: a, namespace: shop}, spec: {endpointSelector: {}, ingress: [{}]}}"), "partial | cilium@1.19.2 partial | cilium-no-kubernetes-policies | n1=partial n2=partial");
    case(
        "cilium: its ConfigMap was not read",
        Cluster::of(TWO).set(
            "kube-system/cilium",
            &[c("cilium-agent", "quay.io/cilium/cilium:v1.19.2")],
            TWO,
        ),
        "unknown | cilium@1.19.2 unknown | cilium-enable-policy-never, cilium-audit-mode, cilium-no-kubernetes-policies | n1=unknown n2=unknown",
    );
    case(
        "cilium of which only pods were read",
        Cluster::of(TWO)
            .pod("kube-system/cilium", "n1", true)
            .pod("kube-system/cilium", "n2", true)
            .config("cilium-config", &[])
            .header(&["apps/daemonsets=forbidden"]),
        "enforced | cilium enforced |  | n1=enforced n2=enforced",
    );
    case(
        "azure cni powered by cilium",
        labelled("kubernetes.azure.com/ebpf-dataplane: cilium").set(
            "kube-system/cilium",
            &[c(
                "cilium-agent",
                "mcr.microsoft.com/containernetworking/cilium/cilium:v1.17.4",
            )],
            TWO,
        ),
        "enforced | azure-cni-cilium@1.17.4 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "gke dataplane v2",
        Cluster::default()
            .node(
                "n1",
                "cloud.google.com/gke-nodepool: a",
                "status: {nodeInfo: {kubeletVersion: v1.33.4-gke.100}}",
            )
            .set(
                "kube-system/anetd",
                &[c("cilium-agent", "gke.gcr.io/cilium/cilium:v1.14.0-gke")],
                &["n1"],
            ),
        "enforced | gke-dpv2@1.33.4 enforced |  | n1=enforced",
    );

    // Google
    let ds = "projectcalico.org/ds-ready: \"true\"";
    let old = Cluster::default()
        .node(
            "n1",
            "cloud.google.com/gke-nodepool: a, projectcalico.org/ds-ready: \"true\"",
            "",
        )
        .node("n2", "cloud.google.com/gke-nodepool: b", "");
    case(
        "gke add-on, a node without the label",
        old.clone().selecting(
            "kube-system/calico-node",
            &calico("gke.gcr.io/calico/node:v3.26.3-gke.1"),
            &["n1"],
            ds,
        ),
        "partial | gke-calico@3.26.3 enforced |  | n1=enforced n2=not-enforced",
    );
    case(
        "gke add-on, no node has the label",
        labelled("cloud.google.com/gke-nodepool: b").selecting(
            "kube-system/calico-node",
            &calico("gke.gcr.io/calico/node:v3.26.3-gke.1"),
            &[],
            ds,
        ),
        "not-enforced | gke-calico@3.26.3 enforced |  | n1=not-enforced n2=not-enforced",
    );
    case("gke: netd alone", labelled("cloud.google.com/gke-nodepool: b").set("kube-system/netd", &[c("netd", "gke.gcr.io/netd:v1")], TWO).object("{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: globalnetworkpolicies.crd.projectcalico.org}}"), "not-enforced |  | gke-no-engine | n1=not-enforced n2=not-enforced");

    // Azure
    let aks = "kubernetes.azure.com/agentpool: a";
    case(
        "azure npm",
        labelled(aks).set(
            "kube-system/azure-npm",
            &[c(
                "azure-npm",
                "mcr.microsoft.com/containernetworking/azure-npm:v1.5.45",
            )],
            TWO,
        ),
        "enforced | azure-npm@1.5.45 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "aks calico",
        labelled(aks).set(
            "calico-system/calico-node",
            &calico("mcr.microsoft.com/oss/calico/node:v3.28.1"),
            TWO,
        ),
        "enforced | aks-calico@3.28.1 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "aks: none",
        proxy(labelled(aks)),
        "not-enforced |  | aks-no-engine | n1=not-enforced n2=not-enforced",
    );
    cases
}
