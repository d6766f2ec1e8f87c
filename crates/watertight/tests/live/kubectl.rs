//! A real kubectl, where this machine has one: it understands the server under the tests, finds the program as its
//! plugin, and takes what a dry run prints. WATERTIGHT_REQUIRE_KUBECTL=1 makes a machine without one a failure.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fake_cluster::FakeCluster;
use serde_json::Value;

use crate::Test;
use crate::cluster::{start, workload};
use crate::runtime::Mode;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "kubectl::lists_applies_and_runs_commands",
        run: lists_applies_and_runs_commands,
    },
    Test {
        name: "kubectl::finds_the_plugin_and_takes_a_dry_run",
        run: finds_the_plugin_and_takes_a_dry_run,
    },
];

/// Whether this machine has a kubectl that runs commands over WebSockets, as the server under the tests does.
fn is_there() -> bool {
    let asked = Command::new("kubectl")
        .args(["version", "--client", "-o", "json"])
        .output();
    let Ok(output) = asked else { return false };
    let version: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let minor = version.pointer("/clientVersion/minor");
    let minor = minor.and_then(Value::as_str).unwrap_or_default();
    let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
    digits.parse::<u32>().is_ok_and(|minor| minor >= 31)
}

/// A cluster with one workload, and a directory for what kubectl keeps.
struct Lab {
    cluster: FakeCluster,
    dir: tempfile::TempDir,
    _tokio: tokio::runtime::Runtime,
}

impl Lab {
    fn new() -> Option<Self> {
        if !is_there() {
            let required = std::env::var("WATERTIGHT_REQUIRE_KUBECTL");
            assert!(
                required != Ok("1".to_owned()),
                "needs kubectl 1.31 or later"
            );
            println!("skipped: there is no kubectl of 1.31 or later");
            return None;
        }
        let tokio = tokio::runtime::Runtime::new().unwrap();
        let cluster = tokio.block_on(start(Mode::Nothing));
        cluster.store().put(workload("web")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config"), cluster.kubeconfig("lab")).unwrap();
        Some(Self {
            cluster,
            dir,
            _tokio: tokio,
        })
    }

    /// What kubectl prints and says, and whether it ends well.
    fn run(&self, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
        let own = Path::new(env!("CARGO_BIN_EXE_kubectl-watertight"));
        let path = std::env::var_os("PATH").unwrap();
        let places = [own.parent().unwrap().to_owned()];
        let places = places.into_iter().chain(std::env::split_paths(&path));
        let mut child = Command::new("kubectl")
            .args(arguments)
            .env("KUBECONFIG", self.dir.path().join("config"))
            .env("HOME", self.dir.path())
            .env("PATH", std::env::join_paths(places).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// The same where it has to end well.
    fn printed(&self, arguments: &[&str], input: &str) -> String {
        let (code, printed, said) = self.run(arguments, input);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        printed
    }
}

fn lists_applies_and_runs_commands() {
    let Some(lab) = Lab::new() else { return };
    // Of no pods at all it says that nothing matches, and fails.
    for _ in 0..400 {
        if !lab.cluster.store().all("pods").is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let ready = [
        "wait",
        "-n",
        "shop",
        "--for=condition=Ready",
        "pod",
        "--all",
    ];
    lab.printed(&ready, "");
    let pods = lab.printed(&["get", "po", "-n", "shop", "-o", "name"], "");
    let pod = pods.trim();
    assert!(pod.starts_with("pod/web-"), "{pods}");
    let policy = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "deny", "namespace": "shop"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}"#;
    for end in ["created", "unchanged"] {
        let said = lab.printed(&["apply", "-f", "-"], policy);
        assert_eq!(
            said.trim(),
            format!("networkpolicy.networking.k8s.io/deny {end}")
        );
    }
    let own = lab.cluster.store().all("networkpolicies.networking.k8s.io");
    assert_eq!(own.len(), 1);
    let command = "cat; echo no >&2; exit 3";
    let exec = ["exec", "-i", "-n", "shop", pod, "--", "sh", "-c", command];
    let (code, printed, said) = lab.run(&exec, "yes");
    assert_eq!((code, &*printed), (Some(3), "yes"), "{said}");
    assert!(said.starts_with("no\n"), "{said}");
    lab.printed(&["delete", "netpol", "deny", "-n", "shop"], "");
    assert!(
        lab.cluster
            .store()
            .all("networkpolicies.networking.k8s.io")
            .is_empty()
    );
}

fn finds_the_plugin_and_takes_a_dry_run() {
    let Some(lab) = Lab::new() else { return };
    let said = lab.printed(&["watertight", "--version"], "");
    assert!(said.contains(env!("CARGO_PKG_VERSION")), "{said}");
    let objects = lab.printed(&["watertight", "verify", "--dry-run"], "");
    let said = lab.printed(&["apply", "--dry-run=client", "-f", "-"], &objects);
    for object in [
        "clusterrole.rbac.authorization.k8s.io/watertight-verify",
        "deployment.apps/heron-",
        "networkpolicy.networking.k8s.io/deny-egress-",
    ] {
        assert!(said.contains(object), "{said}");
    }
    let inside = lab.printed(&["watertight", "verify", "-n", "shop", "--dry-run"], "");
    // The server takes every object.
    let said = lab.printed(&["apply", "--dry-run=server", "-f", "-"], &inside);
    assert!(
        said.contains("role.rbac.authorization.k8s.io/watertight-verify created"),
        "{said}"
    );
    assert!(
        lab.cluster
            .store()
            .all("roles.rbac.authorization.k8s.io")
            .is_empty()
    );
}
