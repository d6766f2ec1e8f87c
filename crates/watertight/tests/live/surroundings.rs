//! Name servers, the API server, the metadata service and what is outside, tried with packets; and images of others, which answer the very commands that
//! `verify` sends.

use std::path::PathBuf;

use fake_cluster::FakeCluster;
use serde_json::{Value, json};

use crate::Test;
use crate::cluster::{serve, start};
use crate::images::works;
use crate::runtime::{LabRuntime, Mode};
use crate::verify::{Run, ended, nothing_is_left};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "surroundings::name_servers_the_api_server_and_what_is_outside_are_denied",
        run: denied,
    },
    Test {
        name: "surroundings::what_stays_open_is_not_enforced_and_hears_nothing",
        run: open,
    },
    Test {
        name: "surroundings::busybox_tries_and_answers",
        run: busybox,
    },
    Test {
        name: "surroundings::agnhost_tries_and_answers",
        run: agnhost,
    },
];

/// Nothing is far away here.
const FAST: &[&str] = &["--settle", "8s", "--stable", "1s", "--attempt", "400ms"];

/// A name server on node-b and an API server on the network of node-b, behind the addresses that every cluster has;
/// outside, a metadata service, and an address of the internet. Nodes are machines of AWS. The file says how many
/// bytes each caller outside has said.
async fn furnished(mode: Mode) -> (FakeCluster, PathBuf) {
    let runtime = LabRuntime::new(&["node-a", "node-b"], mode);
    let callers = runtime.listen_outside(&["80", "443"]);
    runtime.resolve_by("10.96.0.10".parse().unwrap());
    let nodes = runtime.nodes();
    let host = nodes[1].pointer("/status/addresses/0/address").cloned();
    let cluster = serve(runtime).await;
    let store = cluster.store();
    for node in ["node-a", "node-b"] {
        store.change("nodes", "", node, |node| {
            node["spec"] = json!({"providerID": "aws:///eu-west-1a/i-0123456789abcdef0"});
        });
    }
    let service = |namespace: &str, name: &str, ip: &str, port: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": [port]},
        })
    };
    let https = json!({"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443});
    let dns = json!({"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53});
    let mut kube_dns = service("kube-system", "kube-dns", "10.96.0.10", dns);
    kube_dns["spec"]["selector"] = json!({"k8s-app": "kube-dns"});
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [host], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
    });
    let pod = |name: &str, command: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "kube-system", "labels": {"k8s-app": name}},
            "spec": {
                "nodeName": "node-b",
                "containers": [{"name": "main", "image": "x", "command": command}],
            },
            "status": {"phase": "Pending"},
        })
    };
    let mut api = pod(
        "kube-apiserver",
        json!([
            "/watertight",
            "probe",
            "serve",
            "--name",
            "api",
            "--tcp",
            "6443"
        ]),
    );
    api["spec"]["hostNetwork"] = true.into();
    for object in [
        service("default", "kubernetes", "10.96.0.1", https),
        slice,
        kube_dns,
        api,
        pod("kube-dns", json!(["/dns", "0.0.0.0"])),
    ] {
        store.put(object).unwrap();
    }
    (cluster, callers)
}

/// `place verdict` of claims by a kind of address.
fn by(run: &Run, path: &str) -> Vec<String> {
    let claims = run.report["claims"].as_array().unwrap();
    let of = claims.iter().filter(|claim| claim["path"] == path);
    let mut found: Vec<_> = of
        .map(|claim| {
            let word = |key: &str| claim[key].as_str().unwrap();
            let from = usize::try_from(claim["from"].as_u64().unwrap()).unwrap();
            let node = run.report["pods"][from]["node"].as_str().unwrap();
            format!("{} {node} {}", word("to"), word("verdict"))
        })
        .collect();
    found.sort_unstable();
    found
}

/// The run, and how many bytes each caller outside has said.
fn surrounded(mode: Mode) -> Option<(Run, Vec<String>)> {
    if !works("unshare", &["--mount", "true"]) {
        let required = std::env::var("WATERTIGHT_REQUIRE_PACKETS").is_ok_and(|value| value == "1");
        assert!(!required, "needs unshare, and a view of files of its own");
        println!("skipped: needs unshare, and a view of files of its own");
        return None;
    }
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let (cluster, callers) = tokio.block_on(furnished(mode));
    let arguments = [
        "--no-services",
        "--no-new-pod",
        "--no-udp",
        "--internet",
        "198.51.100.7:443",
    ];
    let run = ended(&cluster, &[FAST, &arguments].concat());
    nothing_is_left(&cluster);
    let said = std::fs::read_to_string(callers).unwrap();
    Some((run, said.lines().map(str::to_owned).collect()))
}

fn denied() {
    let Some((run, said)) = surrounded(Mode::Enforcing) else {
        return;
    };
    run.ends(0, "enforced");
    assert_eq!(
        by(&run, "dns"),
        [
            "name server 10.96.0.10 node-a enforced",
            "name server 10.96.0.10 node-b enforced",
        ],
        "{}",
        run.shown()
    );
    // A pod and its own node always reach each other (K-73).
    assert_eq!(
        by(&run, "api-server"),
        ["API server node-a enforced", "API server node-b exempt"],
        "{}",
        run.shown()
    );
    let metadata = by(&run, "metadata");
    let (closed, there): (Vec<_>, Vec<_>) =
        metadata.iter().partition(|one| one.ends_with(" closed"));
    assert_eq!(
        there,
        [
            "metadata service 169.254.169.254 node-a enforced",
            "metadata service 169.254.169.254 node-b enforced",
            "metadata service fd00:ec2::254 node-a enforced",
            "metadata service fd00:ec2::254 node-b enforced",
        ],
        "{}",
        run.shown()
    );
    // Nobody is at the other addresses of AWS.
    assert!(!closed.is_empty(), "{}", run.shown());
    assert_eq!(
        by(&run, "internet"),
        [
            "198.51.100.7:443 node-a enforced",
            "198.51.100.7:443 node-b enforced",
        ],
        "{}",
        run.shown()
    );
    // They connect, and send nothing: no credential is asked for.
    assert!(said.len() > 10, "{said:?}");
    assert!(said.iter().all(|bytes| bytes == "0"), "{said:?}");
}

fn open() {
    let Some((run, said)) = surrounded(Mode::Nothing) else {
        return;
    };
    run.ends(1, "not-enforced");
    assert_eq!(
        by(&run, "api-server"),
        ["API server node-a not-enforced", "API server node-b exempt"],
        "{}",
        run.shown()
    );
    assert!(
        by(&run, "dns")
            .iter()
            .all(|one| one.ends_with("not-enforced")),
        "{}",
        run.shown()
    );
    let open = [by(&run, "metadata"), by(&run, "internet")].concat();
    let open = open.iter().filter(|one| one.ends_with(" not-enforced"));
    assert_eq!(open.count(), 6, "{}", run.shown());
    assert!(!said.is_empty() && said.iter().all(|bytes| bytes == "0"));
}

/// Runs with an image of others.
fn with(mode: Mode, image: &str) -> Run {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let cluster = tokio.block_on(start(mode));
    let arguments = ["--image", image, "--no-surroundings"];
    let run = ended(&cluster, &[FAST, &arguments].concat());
    nothing_is_left(&cluster);
    run
}

/// Protocols of claims that are enforced, and who answered.
fn seen(run: &Run) -> (Vec<&str>, bool) {
    let claims = run.report["claims"].as_array().unwrap();
    let enforced = claims.iter().filter(|claim| claim["verdict"] == "enforced");
    let mut protocols: Vec<_> = enforced
        .map(|claim| claim["protocol"].as_str().unwrap())
        .collect();
    protocols.sort_unstable();
    protocols.dedup();
    let attempts = claims
        .iter()
        .flat_map(|claim| claim["attempts"].as_array().unwrap());
    let mut open = attempts.filter(|attempt| attempt["outcome"] == "open");
    let has_names = open.all(|attempt| attempt["by"].is_string());
    (protocols, has_names)
}

fn busybox() {
    let run = with(Mode::Enforcing, "busybox");
    run.ends(0, "enforced");
    assert_eq!(seen(&run), (vec!["tcp"], true), "{}", run.shown());
    with(Mode::Nothing, "busybox").ends(1, "not-enforced");
}

fn agnhost() {
    let run = with(Mode::Enforcing, "agnhost");
    run.ends(0, "enforced");
    assert_eq!(seen(&run), (vec!["tcp", "udp"], false), "{}", run.shown());
    with(Mode::Nothing, "agnhost").ends(1, "not-enforced");
}
