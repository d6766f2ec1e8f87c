//! A snapshot without names judges as the one with names does.

use std::collections::BTreeSet;

use serde_json::json;
use watertight_cluster::redact::{Renamer, redact_with};
use watertight_cluster::{About, File, Header, Named, Reading, Wanted};
use watertight_core::engine::Profile;
use watertight_core::engine::detect::detect;
use watertight_core::eval::{Connection, Evaluator, Party};
use watertight_core::manifest::Options;
use watertight_core::policy::lower;
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, World, read};

use super::fixtures::{cluster, try_reading};

fn world(reading: &Reading) -> World {
    let mut sources = Sources::new();
    for file in &reading.files {
        sources.add_text(&file.name, file.text.clone()).unwrap();
    }
    read(&sources, &Options::default(), &Assume::default(), None).0
}

/// Every pair of pods on a few ports, and every pod with a few addresses: with names from `name`.
fn verdicts(world: &World, mut name: impl FnMut(&str) -> String) -> BTreeSet<String> {
    let profile = Profile::reference();
    let ruleset = lower(world, &profile);
    let eval = Evaluator::new(world, &ruleset, profile.switches);
    let mut parties: Vec<(String, Party)> = world
        .endpoint_ids()
        .map(|id| {
            let endpoint = &world[id];
            let namespace = name(&world[endpoint.namespace].name);
            (
                format!("{namespace}/{}", name(&endpoint.name)),
                Party::Endpoint(id),
            )
        })
        .collect();
    for address in ["203.0.113.9", "10.0.0.9", "169.254.169.254", "2001:db8::1"] {
        parties.push((address.into(), Party::Address(address.parse().unwrap())));
    }
    let mut found = BTreeSet::new();
    for (from_name, from) in &parties {
        for (to_name, to) in &parties {
            for port in [53, 80, 443, 5432, 8080] {
                let connection = Connection::new(*from, *to, Protocol::Tcp, port);
                let verdict = eval.verdict(&connection);
                // Of policies that may be asked in any order, names decide which one is.
                let verdict = match (&verdict.uncertain, verdict.allowed) {
                    (Some(_), _) => "uncertain",
                    (None, true) => "allowed",
                    (None, false) => "denied",
                };
                found.insert(format!("{from_name} -> {to_name}:{port} {verdict}"));
            }
        }
    }
    found
}

fn same_verdicts(reading: &Reading) {
    let mut names = Renamer::default();
    let redacted = redact_with(reading, &mut names);
    let before = verdicts(&world(reading), |name| names.text(name));
    let after = verdicts(&world(&redacted), str::to_owned);
    assert!(before.len() > 100, "{}", before.len());
    let different: Vec<_> = before.symmetric_difference(&after).take(5).collect();
    assert!(different.is_empty(), "{different:#?}");
    let before = detected(&world(reading), |name| names.text(name));
    assert_eq!(before, detected(&world(&redacted), str::to_owned));
}

/// The engines with their states, and that of each node: with names from `name`.
fn detected(world: &World, mut name: impl FnMut(&str) -> String) -> Vec<String> {
    let found = detect(world);
    let provider = found.provider.as_ref().map(|(provider, _)| provider);
    let mut lines = vec![format!("{:?} {provider:?}", found.state)];
    for engine in &found.engines {
        let causes: Vec<_> = engine.causes.iter().map(|cause| cause.id).collect();
        lines.push(format!(
            "{:?} {:?} {:?} {:?}, causes: {causes:?}",
            engine.engine, engine.version, engine.modes, engine.state
        ));
    }
    let nodes = found.nodes.iter();
    let mut nodes: Vec<_> = nodes
        .map(|of| {
            format!(
                "{}: {:?} {:?}",
                name(&world[of.node].name),
                of.kind,
                of.state
            )
        })
        .collect();
    nodes.sort();
    lines.extend(nodes);
    lines
}

#[tokio::test]
async fn a_shop_without_names_is_the_same_shop() {
    let cluster = cluster(fake_cluster::Options::default()).await;
    let wanted = Wanted {
        hints: true,
        ..Wanted::default()
    };
    let reading = try_reading(&cluster, &wanted).await.unwrap();
    same_verdicts(&reading);
    let redacted = watertight_cluster::redact::redact(&reading);
    assert!(redacted.header.redacted);
    for file in &redacted.files {
        for gone in [
            "shop",
            "web",
            "registry.example",
            "5432/shop",
            "nightly",
            "127.0.0.1",
        ] {
            assert!(
                !file.text.contains(gone),
                "{gone} in {}:\n{}",
                file.name,
                file.text
            );
            assert!(!file.name.contains("shop"), "{}", file.name);
        }
    }
}

#[test]
fn examples_without_names_are_the_same() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut directories: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|of| of.unwrap().path())
        .collect();
    directories.sort();
    for directory in directories.into_iter().filter(|path| path.is_dir()) {
        let mut files = Vec::new();
        let mut to_come = vec![directory];
        while let Some(directory) = to_come.pop() {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    to_come.push(path);
                } else if path.extension().is_some_and(|of| of == "yaml") {
                    let name = path.display().to_string();
                    let text = std::fs::read_to_string(&path).unwrap();
                    files.push(File { name, text });
                }
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        if files.is_empty() {
            continue;
        }
        let header = header();
        same_verdicts(&Reading { header, files });
    }
}

fn header() -> Header {
    Header {
        api_version: "watertight.dev/v1".into(),
        kind: "Snapshot".into(),
        metadata: Named {
            name: "example".into(),
        },
        cluster: About::default(),
        taken: "2026-11-23T07:00:00Z".into(),
        redacted: false,
        kinds: Vec::new(),
    }
}

/// A DaemonSet of an engine in kube-system.
fn engine(name: &str, container: serde_json::Value) -> serde_json::Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": {"k8s-app": name}}, "template": {
            "metadata": {"labels": {"k8s-app": name}},
            "spec": {"hostNetwork": true, "containers": container}}},
        "status": {"desiredNumberScheduled": 1, "numberReady": 1},
    })
}

#[tokio::test]
async fn engines_and_nodes_without_names_are_as_they_were() {
    let router = |firewall: &str| {
        let args = json!(["--run-router=true", firewall, "--peer-router=corp.example"]);
        engine(
            "kube-router",
            json!([{"name": "kube-router", "args": args,
                "image": "corp.example/cloudnativelabs/kube-router:v2.4.0"}]),
        )
    };
    let amazon = |enabled: &str| {
        engine(
            "aws-node",
            json!([
                {"name": "aws-node", "image": "corp.example/amazon-k8s-cni:v1.19.0",
                 "env": [{"name": "NETWORK_POLICY_ENFORCING_MODE", "value": "strict"}]},
                {"name": "aws-eks-nodeagent", "args": [enabled, "--cluster=corp"],
                 "image": "corp.example:5000/amazon/aws-network-policy-agent:v1.2.0"},
            ]),
        )
    };
    let mut seen = BTreeSet::new();
    for engine in [
        router("--run-firewall=false"),
        router("--run-firewall=true"),
        amazon("--enable-network-policy=false"),
        amazon("--enable-network-policy=true"),
    ] {
        let cluster = cluster(fake_cluster::Options::default()).await;
        cluster.store().put(engine).unwrap();
        let reading = try_reading(&cluster, &Wanted::default()).await.unwrap();
        let before = detected(&world(&reading), str::to_owned);
        assert!(before.len() > 2, "an engine and a node: {before:?}");
        seen.insert(before);
        same_verdicts(&reading);
    }
    assert_eq!(seen.len(), 4, "{seen:#?}");
}

/// A node with labels, annotations, an id of its provider and the version of its kubelet.
fn node(labels: serde_json::Value, args: &str, id: &str, kubelet: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "ledger-1", "labels": labels,
            "annotations": {"k3s.io/node-args": args, "k3s.io/hostname": "ledger-1"}},
        "spec": {"providerID": id},
        "status": {"nodeInfo": {"kubeletVersion": kubelet, "operatingSystem": "linux"}},
    })
}

#[tokio::test]
async fn k3s_without_names_is_the_same_k3s() {
    let mut seen = BTreeSet::new();
    for args in [
        r#"["server","--token","ledger-hush","--node-name","ledger"]"#,
        r#"["server","--token","ledger-hush","--disable-network-policy"]"#,
        r#"["server","--flannel-backend","none","--disable-network-policy=true"]"#,
        r#"["agent","--server","https://ledger.corp.example"]"#,
    ] {
        let cluster = cluster(fake_cluster::Options::default()).await;
        let node = node(json!({}), args, "k3s://ledger-1", "v1.36.2+k3s1");
        cluster.store().put(node).unwrap();
        let reading = try_reading(&cluster, &Wanted::default()).await.unwrap();
        let found = detected(&world(&reading), str::to_owned);
        assert!(found.iter().any(|line| line.contains("K3s")), "{found:#?}");
        seen.insert(found);
        same_verdicts(&reading);
        let redacted = watertight_cluster::redact::redact(&reading);
        let nodes = redacted
            .files
            .iter()
            .find(|file| file.name == "nodes.ndjson");
        let nodes = &nodes.unwrap().text;
        assert!(
            !nodes.contains("ledger") && !nodes.contains("corp"),
            "{nodes}"
        );
    }
    assert_eq!(seen.len(), 3, "two of them turn policies off: {seen:#?}");
}

#[tokio::test]
async fn providers_without_names_are_the_same_providers() {
    let label = |key: &str| node(json!({key: "ledger"}), "", "", "v1.36.2");
    let config = |name: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "kube-system"}, "data": {}})
    };
    let mut seen = BTreeSet::new();
    for object in [
        label("minikube.k8s.io/name"),
        label("microk8s.io/cluster"),
        label("cloud.google.com/gke-nodepool"),
        label("kubernetes.azure.com/agentpool"),
        label("eks.amazonaws.com/nodegroup"),
        label("com.docker.ucp.orchestrator.kubernetes"),
        node(json!({}), "", "kind://docker/ledger/ledger-1", "v1.36.2"),
        node(json!({}), "", "", "v1.36.2+rke2r1"),
        config("aws-auth"),
        config("eks-certificates-controller"),
        config("rke2"),
    ] {
        let cluster = cluster(fake_cluster::Options::default()).await;
        // Its id would be the first to tell.
        cluster.store().remove("nodes", "", "n1").unwrap();
        let mut object = object;
        if let Some(annotations) = object.pointer_mut("/metadata/annotations") {
            *annotations = json!({});
        }
        cluster.store().put(object.clone()).unwrap();
        let reading = try_reading(&cluster, &Wanted::default()).await.unwrap();
        let found = detect(&world(&reading)).provider;
        let provider = found.map(|(provider, _)| provider);
        assert!(provider.is_some(), "{object}");
        seen.insert(format!("{provider:?}"));
        same_verdicts(&reading);
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}
