//! Who runs the cluster: each hint alone is enough, and a distribution stands before the cloud below it.

use std::collections::BTreeSet;

use super::cluster::Cluster;
use crate::engine::detect::Provider;

/// A node with a label.
fn labelled(label: &str) -> Cluster {
    Cluster::default().node("n1", label, "")
}

/// A node with more fields.
fn node(more: &str) -> Cluster {
    Cluster::default().node("n1", "", more)
}

fn service(name: &str, labels: &str) -> Cluster {
    let metadata = format!("name: {name}, namespace: kube-system, labels: {{{labels}}}");
    Cluster::of(&["n1"]).object(&format!(
        "{{apiVersion: v1, kind: Service, metadata: {{{metadata}}}, spec: {{clusterIP: 10.96.0.10}}}}"
    ))
}

/// The header of a live cluster.
fn server(cluster: &str) -> Cluster {
    Cluster::of(&["n1"]).object(&format!(
        "{{apiVersion: watertight.dev/v1, kind: Snapshot, metadata: {{name: t}}, cluster: {{{cluster}}}, kinds: []}}"
    ))
}

fn config(name: &str) -> Cluster {
    Cluster::of(&["n1"]).config(name, &[])
}

fn cases() -> Vec<(Option<Provider>, Cluster)> {
    use Provider::*;
    let kubelet = |version: &str| {
        node(&format!(
            "status: {{nodeInfo: {{kubeletVersion: {version}}}}}"
        ))
    };
    let id = |id: &str| node(&format!("spec: {{providerID: \"{id}\"}}"));
    let openshift = "{apiVersion: config.openshift.io/v1, kind: ClusterVersion, metadata: {name: version}, \
                     status: {desired: {version: 4.18.9}}}";
    let known = vec![
        (K3s, node("@k3s.io/node-args: '[\"server\"]'@")),
        (K3s, kubelet("v1.34.1+k3s1")),
        (K3s, id("k3s://n1")),
        (Rke2, node("@rke2.io/node-args: '[\"server\"]'@")),
        (Rke2, kubelet("v1.34.1+rke2r1")),
        (Rke2, service("rke2-coredns-rke2-coredns", "")),
        (Rke2, config("rke2")),
        (Minikube, labelled("minikube.k8s.io/name: m")),
        (MicroK8s, labelled("microk8s.io/cluster: \"true\"")),
        (Kind, id("kind://docker/kind/n1")),
        (OpenShift, Cluster::of(&["n1"]).object(openshift)),
        (OpenShift, server("apiGroups: [apps, config.openshift.io]")),
        (Gke, labelled("cloud.google.com/gke-nodepool: a")),
        (Gke, server("server: \"https://x.container.googleapis.com\"")),
        (Aks, labelled("kubernetes.azure.com/agentpool: a")),
        (Aks, server("server: \"https://x.hcp.westeurope.azmk8s.io:443\"")),
        (Eks, labelled("eks.amazonaws.com/nodegroup: a")),
        (Eks, config("aws-auth")),
        (Eks, config("eks-certificates-controller")),
        (Eks, service("kube-dns", "eks.amazonaws.com/component: kube-dns")),
        (Eks, server("server: \"https://X.gr7.eu-west-1.eks.amazonaws.com\"")),
        (Oke, labelled("oke.oraclecloud.com/pool.name: a")),
        (Oke, labelled("oci.oraclecloud.com/fault-domain: f")),
        (Doks, labelled("doks.digitalocean.com/node-pool: a")),
        (Lke, labelled("lke.linode.com/pool-id: \"1\"")),
        (Tkg, server("apiGroups: [core.tanzu.vmware.com]")),
        (DockerEnterprise, labelled("com.docker.ucp.orchestrator.kubernetes: \"true\"")),
        // OpenShift, RKE2 and k3s run on the machines of others.
        (OpenShift, labelled("kubernetes.azure.com/agentpool: a").object(openshift)),
        (Rke2, labelled("eks.amazonaws.com/nodegroup: a").object(
            "{apiVersion: v1, kind: Service, metadata: {name: rke2-coredns-rke2-coredns, namespace: kube-system}, spec: {}}",
        )),
    ];
    let known = known
        .into_iter()
        .map(|(provider, cluster)| (Some(provider), cluster));
    // Any cluster has such a Service.
    known
        .chain([
            (None, service("kube-dns", "k8s-app: kube-dns")),
            (None, Cluster::of(&["n1"])),
        ])
        .collect()
}

#[test]
fn every_hint_tells_its_provider() {
    let mut seen = BTreeSet::new();
    for (at, (expected, cluster)) in cases().into_iter().enumerate() {
        let (_, found) = cluster.detect();
        let (provider, field) = match &found.provider {
            Some((provider, proof)) => {
                (Some(*provider), format!("{} {}", proof.object, proof.field))
            }
            None => (None, String::new()),
        };
        assert_eq!(provider, expected, "case {at}: {field}");
        seen.extend(provider.map(Provider::word));
    }
    let missing: Vec<_> = Provider::ALL
        .iter()
        .filter(|of| !seen.contains(of.word()))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

/// Pools go by their label, or else by the role of their nodes.
#[test]
fn nodes_have_the_pool_that_their_labels_tell() {
    let pool = |labels: &str| {
        let (_, found) = labelled(labels).detect();
        found.nodes.first().and_then(|node| node.pool.clone())
    };
    let role = |role: &str| format!("node-role.kubernetes.io/{role}: \"\"");
    let rhcos = "node.openshift.io/os_id: rhcos";
    assert_eq!(pool("karpenter.sh/nodepool: spot").as_deref(), Some("spot"));
    assert_eq!(
        pool(&format!("{rhcos}, {}", role("worker"))).as_deref(),
        Some("worker")
    );
    let master = [rhcos, &role("master"), &role("worker")].join(", ");
    assert_eq!(pool(&master).as_deref(), Some("control-plane"));
    assert_eq!(pool(rhcos), None);
}
