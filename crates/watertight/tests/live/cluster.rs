//! The cluster under the tests does what it is meant to: otherwise they prove nothing.

use std::sync::Arc;
use std::time::Duration;

use fake_cluster::{FakeCluster, Options};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::Test;
use crate::runtime::{LabRuntime, Mode};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "cluster::pods_talk_until_a_policy_forbids_it",
    run: pods_talk_until_a_policy_forbids_it,
}];

/// Starts a cluster with two nodes, and the namespaces that every cluster has.
pub(crate) async fn start(mode: Mode) -> FakeCluster {
    serve(LabRuntime::new(&["node-a", "node-b"], mode)).await
}

/// The same with these nodes.
pub(crate) async fn serve(runtime: LabRuntime) -> FakeCluster {
    let nodes = runtime.nodes();
    let options = Options {
        controllers: true,
        ..Options::default()
    };
    let cluster = FakeCluster::start(options, Arc::new(runtime))
        .await
        .unwrap();
    for name in ["default", "kube-system", "shop"] {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        });
        cluster.store().put(namespace).unwrap();
    }
    for node in nodes {
        cluster.store().put(node).unwrap();
    }
    cluster
}

/// A Deployment in `shop` of one pod that listens on TCP port 8080.
pub(crate) fn workload(app: &str) -> Value {
    let command = [
        "/watertight",
        "probe",
        "serve",
        "--name",
        app,
        "--tcp",
        "8080",
    ];
    let container = json!({
        "name": "main",
        "image": "x",
        "command": command,
        "ports": [{"containerPort": 8080}],
    });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": app, "namespace": "shop"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": app}},
            "template": {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container]}},
        },
    })
}

fn pod(name: &str, node: &str, command: &[&str]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "x", "command": command}]},
        "status": {"phase": "Pending"},
    })
}

fn pods_talk_until_a_policy_forbids_it() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    tokio.block_on(async {
        let cluster = start(Mode::Enforcing).await;
        let store = cluster.store();
        store.put(pod("client", "node-a", &[])).unwrap();
        store
            .put(pod(
                "server",
                "node-b",
                &["bash", "-c", "while :; do sleep 1; done"],
            ))
            .unwrap();
        let address = loop {
            let server = store.get("pods", "shop", "server").unwrap();
            if let Some(ip) = server.pointer("/status/podIP").and_then(Value::as_str) {
                break ip.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let client = Client::try_from(Config::new(cluster.url().parse().unwrap())).unwrap();
        let pods: Api<Pod> = Api::namespaced(client, "shop");
        // Nobody listens: who is allowed is refused, who is not hears nothing.
        let dial =
            format!("timeout 0.4 bash -c 'exec 3<>/dev/tcp/{address}/8080' 2>&1; echo code $?");
        let ask = async || {
            let attach = AttachParams::default().stderr(false);
            let mut process = pods
                .exec("client", ["bash", "-c", &dial], &attach)
                .await
                .unwrap();
            let mut said = String::new();
            process
                .stdout()
                .unwrap()
                .read_to_string(&mut said)
                .await
                .unwrap();
            said
        };
        assert!(ask().await.contains("Connection refused"));
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "deny", "namespace": "shop"},
            "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]},
        });
        store.put(policy).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(ask().await.trim(), "code 124");
        store
            .remove("networkpolicies.networking.k8s.io", "shop", "deny")
            .unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(ask().await.contains("Connection refused"));
    });
}
