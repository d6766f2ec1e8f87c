//! Live clusters and snapshots of them, as their users meet them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot run its command fails"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fake_cluster::{Effect, FakeCluster, Fault, NoRuntime, Options};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::harness::{Project, Ran};

/// A cluster, and a directory with a kubeconfig for it.
struct Live {
    // Dropped in this order.
    cluster: FakeCluster,
    project: Project,
    /// Runs the server.
    _runtime: Runtime,
}

fn pod(name: &str, app: &str, last: u8) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": app}},
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "x",
            "ports": [{"containerPort": 5432}]}]},
        "status": {"phase": "Running", "podIP": format!("10.244.0.{last}"),
            "podIPs": [{"ip": format!("10.244.0.{last}")}]},
    })
}

fn policy(allowed: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": allowed}}}]}]},
    })
}

impl Live {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let started = FakeCluster::start(Options::default(), Arc::new(NoRuntime::default()));
        let cluster = runtime.block_on(started).unwrap();
        for object in [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
                "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}),
            pod("web", "web", 1),
            pod("db", "db", 2),
            policy("web"),
        ] {
            cluster.store().put(object).unwrap();
        }
        let project = Project::new(&[("kubeconfig", &cluster.kubeconfig("prod"))]);
        Self {
            cluster,
            project,
            _runtime: runtime,
        }
    }

    /// Runs a verb on the cluster.
    fn run(&self, arguments: &[&str]) -> Ran {
        let arguments: Vec<&str> = arguments
            .iter()
            .copied()
            .chain(["--kubeconfig", "kubeconfig"])
            .collect();
        self.project.run(&arguments)
    }

    fn plugin(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-watertight"));
        command
            .args(arguments)
            .current_dir(self.project.path())
            .env("KUBECONFIG", "kubeconfig");
        command
    }
}

#[test]
fn a_running_cluster_is_judged() {
    let live = Live::new();
    let ran = live.run(&["check", "--no-config"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = "1 policy, 2 workloads and 2 pods in";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let told = "(live, context prod, Kubernetes v1.36.2, engine ";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let asked = live.run(&["explain", "shop/web -> shop/db:5432", "--expect", "allow"]);
    assert_eq!(asked.code, 0, "{asked:?}");
    assert!(
        asked.stdout.contains("live/networkpolicies/shop/db.yaml:"),
        "{}",
        asked.stdout
    );
}

#[test]
fn manifests_are_laid_on_top_of_the_cluster() {
    let live = Live::new();
    live.project
        .write("new.json", &policy("nobody").to_string());
    let question = [
        "explain",
        "shop/web -> shop/db:5432",
        "-f",
        "new.json",
        "--expect",
        "deny",
    ];
    let asked = live.run(&question);
    assert_eq!(asked.code, 0, "{asked:?}");
    let checked = live.run(&["check", "-f", "new.json", "-o", "concise"]);
    assert!(
        !checked.stdout.contains("WT006"),
        "nobody gave it twice: {}",
        checked.stdout
    );
    let previewed = live.run(&["preview", "-f", "new.json"]);
    assert_eq!(previewed.code, 1, "{previewed:?}");
    assert!(previewed.stdout.contains("shop/db"), "{}", previewed.stdout);
}

#[test]
fn a_snapshot_is_the_cluster() {
    let live = Live::new();
    let saved = live.run(&["snapshot", "save"]);
    assert_eq!(saved.code, 0, "{saved:?}");
    assert!(
        saved
            .stderr
            .contains("wrote 5 objects of prod to `prod.tar.gz`"),
        "{}",
        saved.stderr
    );
    let from_live = live.run(&["check", "-o", "concise", "--quiet"]).stdout;
    let from_file = live
        .project
        .run(&["check", "prod.tar.gz", "-o", "concise", "--quiet"]);
    assert_eq!(from_file.stdout.replace("prod.tar.gz/", "live/"), from_live);
    let flag = live
        .project
        .run(&["check", "--snapshot", "prod.tar.gz", "-o", "concise"]);
    assert_eq!(flag.stdout, from_file.stdout);
    assert!(
        flag.stderr.contains("(snapshot of prod at 20"),
        "{}",
        flag.stderr
    );
    // What it says about itself, moments aside.
    let shown = live
        .project
        .run(&["snapshot", "show", "prod.tar.gz", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["kind"], "SnapshotReport");
    assert_eq!(shown["context"], "prod");
    assert!(
        shown["kinds"]
            .as_array()
            .unwrap()
            .iter()
            .any(|of| of["resource"] == "pods" && of["count"] == 2)
    );
    let text = live
        .project
        .run(&["snapshot", "show", "prod.tar.gz"])
        .stdout;
    assert!(text.contains("       2  pods\n"), "{text}");
    assert!(text.contains("networkpolicies.networking.k8s.io"), "{text}");

    let same = live.run(&["diff", "prod.tar.gz", "live:"]);
    assert_eq!(same.code, 0, "{same:?}");
    live.cluster.store().put(policy("nobody")).unwrap();
    let changed = live.run(&["diff", "prod.tar.gz", "live:prod", "-o", "json"]);
    assert_eq!(changed.code, 1, "{changed:?}");
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_a_snapshot() {
    use std::os::unix::fs::PermissionsExt;

    let live = Live::new();
    let file = live.project.path().join("prod.tar.gz");
    let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(live.run(&["snapshot", "save"]).code, 0);
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(live.run(&["snapshot", "save"]).code, 0);
    assert_eq!(mode(), 0o600, "also of one that was there");
}

#[test]
fn a_redacted_snapshot_names_nobody_and_judges_alike() {
    let live = Live::new();
    let saved = live.run(&["snapshot", "save", "--redact", "bug.tar.gz"]);
    assert_eq!(saved.code, 0, "{saved:?}");
    let checked = live.project.run(&["check", "bug.tar.gz", "-o", "json"]);
    assert!(
        !checked.stdout.contains("shop") && !checked.stdout.contains("prod"),
        "{}",
        checked.stdout
    );
    let rules = |text: &str| -> Vec<String> {
        let report: Value = serde_json::from_str(text).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        let mut rules: Vec<_> = findings.iter().map(|of| of["rule"].to_string()).collect();
        rules.sort();
        rules
    };
    let named = live.run(&["check", "-o", "json"]);
    assert_eq!(rules(&checked.stdout), rules(&named.stdout));
}

/// What `diagnose` comes to, without names.
fn diagnosed(live: &Live, snapshot: &str) -> Value {
    let ran = live
        .project
        .run(&["diagnose", "--snapshot", snapshot, "-o", "json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let of = |field: &str| report.get(field).cloned();
    let steps = of("steps").unwrap();
    let steps = steps.as_array().unwrap().iter().map(|step| {
        let items = step["items"].as_array().unwrap();
        let ids: Vec<_> = items.iter().map(|item| item["id"].clone()).collect();
        json!([step["name"], step["state"], ids])
    });
    json!([
        ran.code,
        of("answer"),
        of("enforcement"),
        steps.collect::<Vec<_>>()
    ])
}

#[test]
fn a_redacted_k3s_is_diagnosed_alike() {
    let mut seen = Vec::new();
    for flag in ["--disable-network-policy", "--node-name=ledger"] {
        let live = Live::new();
        let args = json!(["server", "--token", "hush", flag]).to_string();
        let node = json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "n1", "annotations": {"k3s.io/node-args": args}},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                "nodeInfo": {"kubeletVersion": "v1.36.2+k3s1", "operatingSystem": "linux"}}});
        live.cluster.store().put(node).unwrap();
        live.run(&["snapshot", "save", "named.tar.gz"]);
        let saved = live.run(&["snapshot", "save", "--redact", "bug.tar.gz"]);
        let told = "wrote 5 objects of prod, redacted, to `bug.tar.gz`";
        assert!(saved.stderr.contains(told), "{}", saved.stderr);
        let named = diagnosed(&live, "named.tar.gz");
        assert_eq!(named, diagnosed(&live, "bug.tar.gz"));
        seen.push(named);
    }
    assert!(seen[0].to_string().contains("k3s-disabled"), "{}", seen[0]);
    assert_ne!(seen[0], seen[1]);
}

#[test]
fn what_may_not_be_read_is_said() {
    let live = Live::new();
    live.cluster
        .fault(Fault::new("list", "pods", Effect::Forbidden));
    let ran = live.run(&["check", "-o", "concise"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.stdout.contains("pods could not be listed"),
        "{}",
        ran.stdout
    );
    let saved = live.run(&["snapshot", "save", "part.tar.gz"]);
    assert_eq!(saved.code, 2, "{saved:?}");
    let shown = live
        .project
        .run(&["snapshot", "show", "part.tar.gz"])
        .stdout;
    assert!(
        shown.contains("not known:\n       0  pods  forbidden: "),
        "{shown}"
    );
}

#[test]
fn mistakes_say_what_to_do() {
    let live = Live::new();
    let unknown = live.run(&["check", "--context", "prd"]);
    assert_eq!(unknown.code, 2);
    assert_eq!(
        unknown.stderr,
        "error: the kubeconfig has no context `prd` (did you mean `prod`?)\n"
    );
    live.project.write("notes.txt", "mine");
    let over = live.run(&["snapshot", "save", "notes.txt"]);
    assert_eq!(over.code, 2);
    assert!(
        over.stderr
            .contains("`notes.txt` is there and is no snapshot"),
        "{}",
        over.stderr
    );
    let none = live.project.run(&["snapshot", "show", "notes.txt"]);
    assert!(
        none.stderr.contains("`notes.txt` is no snapshot"),
        "{}",
        none.stderr
    );
    let both = live
        .project
        .run(&["check", "--live", "--snapshot", "a.tar.gz"]);
    assert_eq!(both.code, 2);
    assert!(
        both.stderr.contains("cannot be used with"),
        "{}",
        both.stderr
    );
}

/// The address of a server that answers everything alike, or not at all.
fn elsewhere(answer: Option<&'static str>) -> String {
    use std::io::{Read as _, Write as _};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process.
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            if let Some(answer) = answer {
                let length = answer.split("\r\n\r\n").nth(1).unwrap_or_default().len();
                let head = format!("HTTP/1.1 {answer}");
                let whole = format!("\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
                let _ = stream.write_all(head.replacen("\r\n\r\n", &whole, 1).as_bytes());
            } else {
                held.push(stream);
            }
        }
    });
    format!("http://{address}")
}

#[test]
fn verify_says_what_is_wrong_with_a_server_and_waits_no_longer_than_it_is_told() {
    let live = Live::new();
    let cases = [
        (
            "http://127.0.0.1:1".to_owned(),
            "refuses connections; is the cluster running",
        ),
        (
            elsewhere(None),
            "did not answer within 0.3 s; --request-timeout",
        ),
        (
            elsewhere(Some("200 OK\r\n\r\nhello")),
            "answers, but is no Kubernetes API server",
        ),
        (
            elsewhere(Some("401 Unauthorized\r\n\r\nno")),
            "does not accept the credentials (no (401)); log in again",
        ),
    ];
    for (server, told) in cases {
        for verb in [&["verify"][..], &["verify", "clean"]] {
            // Short only where nobody answers.
            let limit = if told.contains("0.3 s") {
                "0.3s"
            } else {
                "20s"
            };
            let flags = ["--server", &server, "--request-timeout", limit];
            let ran = live.run(&[verb, &flags].concat());
            assert_eq!(ran.code, 2, "{}", ran.stderr);
            let start = format!("error: {server} ");
            assert!(ran.stderr.starts_with(&start), "{}", ran.stderr);
            assert!(ran.stderr.contains(told), "{}", ran.stderr);
        }
    }
    // Later calls as well.
    let slow = Effect::Slow(std::time::Duration::from_secs(30));
    live.cluster.fault(Fault::new("list", "nodes", slow));
    let ran = live.run(&["verify", "--request-timeout", "2s"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("cannot list Nodes: http://127.0.0.1:")
            && ran.stderr.contains(" did not answer within 2 s"),
        "{}",
        ran.stderr
    );
}

#[test]
fn who_may_not_make_anything_is_told_what_verify_needs() {
    let live = Live::new();
    live.cluster
        .fault(Fault::new("create", "namespaces", Effect::Forbidden));
    let ran = live.run(&["verify"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("error: cannot create Namespace `watertight-verify-")
            && ran
                .stderr
                .contains("namespaces is forbidden: User \"tester\"")
            && ran
                .stderr
                .contains("; `watertight verify --dry-run` prints the permissions that it needs"),
        "{}",
        ran.stderr
    );
    // Nothing was made, so nothing is deleted.
    let requests = live.cluster.requests();
    assert!(!requests.iter().any(|request| request.starts_with("delete")));
    live.cluster
        .fault(Fault::new("list", "nodes", Effect::Unauthorized));
    let ran = live.run(&["verify"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("does not accept the credentials (Unauthorized); log in again"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_plugin_of_kubectl_is_about_the_cluster() {
    let live = Live::new();
    let ran = live.plugin(&["check"]).output().unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert!(stderr.contains("(live, context prod"), "{stderr}");
    live.project
        .write("own/policy.json", &policy("web").to_string());
    let ran = live.plugin(&["check", "own"]).output().unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert!(stderr.contains("(1 file, "), "{stderr}");
}

/// A command that ends with its test.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_cluster_is_judged_again_when_it_changes() {
    let live = Live::new();
    let watching = live
        .plugin(&["check", "--watch", "-o", "concise"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut watching = Watching(watching);
    let mut lines = BufReader::new(watching.0.stderr.take().unwrap()).lines();
    let mut until = |text: &str| {
        let found = lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.contains(text));
        assert!(found.is_some(), "{text}");
    };
    until("1 policy, 2 workloads and 2 pods");
    until("watching the cluster");
    live.cluster.store().put(pod("late", "web", 3)).unwrap();
    until("changed: Pod shop/late");
    until("1 policy, 3 workloads and 3 pods");
    live.cluster
        .store()
        .remove("networkpolicies.networking.k8s.io", "shop", "db")
        .unwrap();
    until("gone: NetworkPolicy shop/db");
    until("0 policies, 3 workloads and 3 pods");
}
