//! `watertight verify` against clusters that enforce policies, or do not, or only seem to.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fake_cluster::{Effect, FakeCluster, Fault};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::Test;
use crate::cluster::{start, workload};
use crate::runtime::Mode;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "verify::a_cluster_that_enforces_is_enforced_and_left_clean",
        run: enforcing,
    },
    Test {
        name: "verify::a_cluster_that_ignores_policies_is_not_enforced",
        run: nothing,
    },
    Test {
        name: "verify::the_one_node_that_ignores_policies_is_named",
        run: one_node,
    },
    Test {
        name: "verify::the_readme_shows_what_a_person_reads",
        run: readme,
    },
    Test {
        name: "verify::policies_that_come_late_are_slow",
        run: slow,
    },
    Test {
        name: "verify::policies_that_come_and_go_are_flapping",
        run: flapping,
    },
    Test {
        name: "verify::who_may_not_exec_learns_nothing_and_leaves_nothing",
        run: no_exec,
    },
    Test {
        name: "verify::an_interrupt_takes_everything_away",
        run: || stopped_by(Signal::SIGINT),
    },
    Test {
        name: "verify::a_terminal_that_goes_takes_everything_away",
        run: || stopped_by(Signal::SIGHUP),
    },
    Test {
        name: "verify::inside_of_a_namespace_only_its_own_is_removed",
        run: inside,
    },
    Test {
        name: "verify::being_told_to_end_takes_everything_away",
        run: || stopped_by(Signal::SIGTERM),
    },
    Test {
        name: "verify::a_second_signal_ends_the_removal_and_names_the_command",
        run: stopped_twice,
    },
    Test {
        name: "verify::what_stays_behind_is_told_and_ends_with_2",
        run: left_behind,
    },
];

/// The program, told to talk to a cluster.
fn program(cluster: &FakeCluster, arguments: &[&str]) -> (tempfile::TempDir, Command) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    std::fs::write(&config, cluster.kubeconfig("lab")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
    command
        .arg("verify")
        .args(arguments)
        .env("KUBECONFIG", &config);
    (dir, command)
}

pub(crate) struct Run {
    code: Option<i32>,
    pub(crate) report: Value,
    output: Output,
}

/// Runs `verify -o json` against a cluster.
pub(crate) fn ended(cluster: &FakeCluster, arguments: &[&str]) -> Run {
    let (_dir, mut command) = program(cluster, arguments);
    let output = command.args(["-o", "json"]).output().unwrap();
    Run {
        code: output.status.code(),
        report: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        output,
    }
}

/// What it tells people.
pub(crate) fn text(cluster: &FakeCluster, arguments: &[&str]) -> String {
    let (_dir, mut command) = program(cluster, arguments);
    let output = command.env("COLUMNS", "110").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `verify -o json` against a cluster of that mode, and looks that nothing is left of it.
fn verify(mode: Mode, faults: &[Fault], arguments: &[&str]) -> Run {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let cluster = tokio.block_on(start(mode));
    for fault in faults {
        cluster.fault(fault.clone());
    }
    let run = ended(&cluster, arguments);
    nothing_is_left(&cluster);
    run
}

pub(crate) fn nothing_is_left(cluster: &FakeCluster) {
    // What owns everything is gone; the rest follows.
    for _ in 0..100 {
        let namespaces = cluster.store().all("namespaces");
        let own = namespaces.iter().filter(|namespace| {
            let name = namespace.pointer("/metadata/name").and_then(Value::as_str);
            name.is_some_and(|name| name.starts_with("watertight"))
        });
        if own.count() == 0 && cluster.store().all("deployments.apps").is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("something is left behind");
}

impl Run {
    pub(crate) fn shown(&self) -> String {
        let error = String::from_utf8_lossy(&self.output.stderr);
        format!("{:#}\n{error}", self.report)
    }

    pub(crate) fn ends(&self, code: i32, verdict: &str) {
        assert_eq!(self.code, Some(code), "{}", self.shown());
        assert_eq!(self.report["verdict"], verdict, "{}", self.shown());
    }

    pub(crate) fn count(&self, what: &str) -> u64 {
        self.report["counts"][what].as_u64().unwrap()
    }

    /// The verdicts of claims of a place.
    fn verdicts(&self, place: &str) -> Vec<&str> {
        let claims = self.report["claims"].as_array().unwrap();
        let at = claims.iter().filter(|claim| claim["place"] == place);
        at.map(|claim| claim["verdict"].as_str().unwrap()).collect()
    }
}

fn enforcing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("verify.xml");
    let junit = format!("junit={}", file.display());
    let run = verify(Mode::Enforcing, &[], &["--per-node", "-o", &junit]);
    run.ends(0, "enforced");
    let junit = std::fs::read_to_string(file).unwrap();
    assert!(
        junit.contains("<testcase ") && junit.contains("failures=\"0\" errors=\"0\""),
        "{junit}"
    );
    // Whoever waits is told for what.
    let told = String::from_utf8_lossy(&run.output.stderr).into_owned();
    for line in [
        "making 8 pods",
        "policies deny everything; waiting until nothing arrives",
        "policies allow one port back; waiting until it opens",
        "policies are removed; waiting until everything arrives again",
        "removing everything that was made",
    ] {
        assert!(told.contains(line), "no `{line}`: {told}");
    }
    assert!(run.count("enforced") >= 8, "{}", run.shown());
    assert_eq!(
        run.count("notEnforced") + run.count("inconclusive"),
        0,
        "{}",
        run.shown()
    );
    for place in ["same-node", "other-node", "node:node-a", "node:node-b"] {
        assert!(
            run.verdicts(place).contains(&"enforced"),
            "{place}: {}",
            run.shown()
        );
    }
    // Every kind of address, in both directions, on one node and across.
    for direction in ["ingress", "egress"] {
        for path in ["pod-ip", "cluster-ip", "node-port"] {
            for (protocol, family) in [("tcp", 4), ("tcp", 6), ("udp", 4), ("udp", 6)] {
                for place in ["same-node", "other-node"] {
                    let claims = run.report["claims"].as_array().unwrap();
                    let is_it = |claim: &&Value| {
                        claim["direction"] == direction
                            && claim["path"] == path
                            && claim["protocol"] == protocol
                            && claim["family"] == family
                            && claim["place"] == place
                    };
                    let mut of = claims.iter().filter(is_it);
                    assert!(
                        of.any(|claim| claim["verdict"] == "enforced"),
                        "{direction} {path} {protocol} {family} {place}: {}",
                        run.shown()
                    );
                }
            }
        }
    }
    // Where this machine has loaded SCTP; elsewhere it is said not to be tried.
    let protocols = std::fs::read_to_string("/proc/net/protocols").unwrap();
    let claims = run.report["claims"].as_array().unwrap();
    let sctp = claims.iter().filter(|claim| claim["protocol"] == "sctp");
    let enforced = sctp.filter(|claim| claim["verdict"] == "enforced").count();
    if protocols.lines().any(|line| line.starts_with("SCTP")) {
        assert_eq!(enforced, 8, "{}", run.shown());
    } else {
        let notes = run.report["notes"].to_string();
        assert!(notes.contains("SCTP is not tried"), "{}", run.shown());
    }
    let timings = run.report["timings"].as_array().unwrap();
    let mut timed: Vec<_> = timings
        .iter()
        .map(|timing| format!("{} {}", timing["change"], timing["direction"]).replace('"', ""))
        .collect();
    timed.sort_unstable();
    assert_eq!(
        timed,
        [
            "enforce egress",
            "enforce ingress",
            "release egress",
            "release ingress"
        ],
        "{}",
        run.shown()
    );
    // Both ways were tried; nodes may be late for a pod that is new.
    let new_pods = run.report["newPods"].as_array().unwrap();
    assert_eq!(new_pods.len(), 2, "{}", run.shown());
    for pod in new_pods {
        let verdict = pod["verdict"].as_str().unwrap();
        assert!(matches!(verdict, "closed" | "open"), "{}", run.shown());
        assert!(pod["attempts"].as_u64() > Some(50), "{}", run.shown());
    }
}

fn nothing() {
    let run = verify(Mode::Nothing, &[], &["--settle", "8s"]);
    run.ends(1, "not-enforced");
    assert_eq!(run.count("enforced"), 0, "{}", run.shown());
    let new_pods = run.report["newPods"].as_array().unwrap();
    let verdicts: Vec<_> = new_pods.iter().map(|pod| &pod["verdict"]).collect();
    assert_eq!(verdicts, ["never-closed"; 2], "{}", run.shown());
}

fn one_node() {
    let run = verify(
        Mode::OnlyOn(&["node-a"]),
        &[],
        &["--per-node", "--settle", "8s"],
    );
    run.ends(1, "not-enforced");
    assert!(
        run.verdicts("node:node-b").contains(&"not-enforced"),
        "{}",
        run.shown()
    );
    let other = run.verdicts("node:node-a");
    assert!(
        other.iter().all(|verdict| *verdict == "enforced"),
        "{}",
        run.shown()
    );
}

/// The excerpt in the README is what comes out.
fn readme() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let cluster = tokio.block_on(start(Mode::OnlyOn(&["node-a"])));
    let (_dir, mut command) = program(&cluster, &["--per-node", "--no-sctp"]);
    let output = command.env("COLUMNS", "110").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let readme = include_str!("../../../../README.md");
    let mut shown = text.lines().take(5).peekable();
    assert!(shown.peek().is_some());
    for line in shown {
        assert!(
            readme.lines().any(|own| own == line),
            "not in the README: {line}"
        );
    }
}

fn slow() {
    let run = verify(Mode::Slow(Duration::from_secs(4)), &[], &[]);
    run.ends(0, "enforced");
    assert!(run.count("slow") > 0, "{}", run.shown());
    let timings = run.report["timings"].as_array().unwrap();
    let enforce = timings
        .iter()
        .find(|timing| timing["change"] == "enforce")
        .unwrap();
    let after = enforce["after"].as_f64().unwrap();
    assert!((3500.0..6000.0).contains(&after), "{}", run.shown());
}

fn flapping() {
    let run = verify(Mode::Flapping(Duration::from_millis(900)), &[], &[]);
    assert_eq!(run.code, Some(1), "{}", run.shown());
    assert!(run.count("flapping") > 0, "{}", run.shown());
}

fn no_exec() {
    let forbidden = Fault::new("", "pods/exec", Effect::Forbidden);
    let run = verify(Mode::Enforcing, &[forbidden], &[]);
    assert_eq!(run.code, Some(2), "{}", run.shown());
    assert!(run.shown().contains("pods/exec"), "{}", run.shown());
}

/// With `-n` it stays inside of a namespace, and whatever else is there stays as it was.
fn inside() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let cluster = tokio.block_on(start(Mode::Enforcing));
    let store = cluster.store();
    store.put(workload("web")).unwrap();
    let policy = serde_json::json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "own", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]},
    });
    store.put(policy).unwrap();
    let own = |key: &str| store.get(key, "shop", "own").unwrap();
    let before = own("networkpolicies.networking.k8s.io");
    // What a Role cannot give is not asked for.
    for (verb, resource) in [("create", "namespaces"), ("list", "nodes")] {
        cluster.fault(Fault::new(verb, resource, Effect::Forbidden));
    }
    let arguments = ["-n", "shop", "--stable", "1s", "--attempt", "400ms"];
    let more = ["--no-surroundings", "--no-new-pod", "--no-udp"];
    let run = ended(&cluster, &[&arguments[..], &more].concat());
    run.ends(0, "enforced");
    assert_eq!(run.report["namespace"], "shop");
    assert_eq!(own("networkpolicies.networking.k8s.io"), before);
    let names = |key: &str| {
        let all = store.all(key);
        let named = all.iter().map(|one| one["metadata"]["name"].to_string());
        named.collect::<Vec<_>>().join(" ")
    };
    for (key, left) in [
        ("deployments.apps", "\"web\""),
        ("networkpolicies.networking.k8s.io", "\"own\""),
        ("services", ""),
        ("configmaps", ""),
        ("serviceaccounts", ""),
    ] {
        assert_eq!(names(key), left, "{key}");
    }
    let requests = cluster.requests();
    let elsewhere = requests.iter().filter(|request| {
        let writes = request.starts_with("create") || request.starts_with("delete");
        writes && !request.ends_with(" shop")
    });
    assert_eq!(elsewhere.count(), 0, "{requests:?}");
}

fn stopped_twice() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let cluster = tokio.block_on(start(Mode::Enforcing));
    let slow = Effect::Slow(Duration::from_secs(20));
    cluster.fault(Fault::new("delete", "namespaces", slow));
    let (_dir, mut command) = program(&cluster, &[]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    while cluster.store().all("deployments.apps").is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    nix::sys::signal::kill(id, Signal::SIGINT).unwrap();
    let asked = || {
        let requests = cluster.requests();
        requests
            .iter()
            .any(|request| request.starts_with("delete namespaces"))
    };
    while !asked() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::sleep(Duration::from_millis(20));
    }
    let began = std::time::Instant::now();
    nix::sys::signal::kill(id, Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it went on removing"
    );
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("stopped while removing; `kubectl delete namespace watertight-verify-"),
        "{said}"
    );
}

fn left_behind() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let cluster = tokio.block_on(start(Mode::Enforcing));
    let fault = Fault::new("delete", "namespaces", Effect::Forbidden);
    cluster.fault(fault);
    let run = ended(
        &cluster,
        &[
            "--stable",
            "1s",
            "--attempt",
            "400ms",
            "--no-services",
            "--no-surroundings",
            "--no-new-pod",
            "--no-udp",
        ],
    );
    run.ends(2, "enforced");
    let left = run.report["leftBehind"].to_string();
    assert!(
        left.contains("cannot delete Namespace `watertight-verify-"),
        "{left}"
    );
    assert!(
        run.shown()
            .contains("`kubectl delete namespace watertight-verify-"),
        "{}",
        run.shown()
    );
    cluster.heal();
    // Its time is not over: who says so removes it all the same.
    let clean = |arguments: &[&str]| {
        let (_dir, mut command) = program(&cluster, &[&["clean"], arguments].concat());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said)
    };
    assert_eq!(clean(&[]), (Some(0), "0 runs removed, 1 kept\n".to_owned()));
    assert_eq!(clean(&["--all"]), (Some(0), "1 run removed\n".to_owned()));
    nothing_is_left(&cluster);
}

fn stopped_by(signal: Signal) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let cluster = tokio.block_on(start(Mode::Enforcing));
    let (_dir, mut command) = program(&cluster, &[]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while cluster.store().all("deployments.apps").is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(id, signal).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(2));
    nothing_is_left(&cluster);
}
