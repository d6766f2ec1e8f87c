//! `watertight verify --real`: the cluster's own pods try what is predicted of them, with what their images have.

use std::time::Duration;

use fake_cluster::{Effect, FakeCluster, Fault};
use serde_json::{Value, json};

use crate::Test;
use crate::cluster::serve;
use crate::images::Tools;
use crate::runtime::{LabRuntime, Mode};
use crate::verify::{Run, ended};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "real::a_cluster_that_enforces_differs_nowhere",
        run: enforcing,
    },
    Test {
        name: "real::what_differs_is_told_with_the_line_that_decides_it",
        run: ignoring,
    },
    Test {
        name: "real::a_pod_without_a_shell_is_told_and_agrees_with_nothing",
        run: without_a_shell,
    },
    Test {
        name: "real::an_ephemeral_container_tries_where_there_is_no_shell",
        run: ephemeral,
    },
    Test {
        name: "real::who_may_add_no_containers_is_told_so",
        run: no_containers,
    },
    Test {
        name: "real::who_may_not_exec_adds_no_containers",
        run: no_exec,
    },
    Test {
        name: "real::it_takes_as_long_as_an_attempt_may",
        run: slow_attempts,
    },
    Test {
        name: "real::what_one_attempt_holds_up_does_not_cost_the_others",
        run: stuck,
    },
];

/// Pods of namespace `shop` by name, with their image: what it has they try with.
const PODS: [(&str, &str, &str); 4] = [
    ("api", "node-a", "bash"),
    ("job", "node-b", "nc"),
    ("web", "node-a", "curl"),
    ("sealed", "node-b", "scratch"),
];

fn pod(name: &str, node: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": image}]},
        "status": {"phase": "Pending"},
    })
}

/// A database that `api` may connect to and nobody else, beside a page that everybody may read.
async fn shop(mode: Mode) -> (FakeCluster, LabRuntime) {
    let runtime = LabRuntime::new(&["node-a", "node-b"], mode);
    let cluster = serve(runtime.clone()).await;
    let store = cluster.store();
    let tools: &Tools = &runtime.tools();
    for (name, node, image) in PODS {
        // Not every machine has curl.
        let image = if image == "curl" && !tools.has("curl", "curl") {
            "bash"
        } else {
            image
        };
        store.put(pod(name, node, image)).unwrap();
    }
    let mut database = pod("db", "node-b", "scratch");
    database["spec"]["containers"][0]["ports"] =
        json!([{"containerPort": 5432}, {"containerPort": 5433}]);
    database["spec"]["containers"][0]["command"] = json!([
        "/watertight",
        "probe",
        "serve",
        "--name",
        "db",
        "--tcp",
        "5432,5433"
    ]);
    store.put(database).unwrap();
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "db"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": {"matchLabels": {"app": "api"}}}], "ports": [{"port": 5432}]},
                {"ports": [{"port": 5433}]},
            ],
        },
    });
    store.put(policy).unwrap();
    for _ in 0..200 {
        let pods = store.all("pods");
        let is_up = |pod: &Value| pod.pointer("/status/podIP").is_some();
        if pods.iter().filter(|pod| is_up(pod)).count() == PODS.len() + 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Policies that are there come into force, listeners listen.
    tokio::time::sleep(Duration::from_millis(500)).await;
    (cluster, runtime)
}

fn real(mode: Mode, faults: &[Fault], arguments: &[&str]) -> (Run, FakeCluster) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let (cluster, _) = tokio.block_on(shop(mode));
    for fault in faults {
        cluster.fault(fault.clone());
    }
    let run = ended(&cluster, &[&["--real", "-n", "shop"], arguments].concat());
    // What it was told to try is all that happened.
    let made = cluster.requests();
    let made: Vec<_> = made
        .iter()
        .filter(|request| {
            let verb = request.split(' ').next().unwrap_or_default();
            !matches!(verb, "get" | "list" | "watch" | "discover")
                && !request.starts_with("create selfsubject")
        })
        .filter(|request| !request.contains("pods/ephemeralcontainers"))
        .collect();
    assert_eq!(made, Vec::<&String>::new());
    tokio.shutdown_background();
    (run, cluster)
}

/// `pod -> port verdict`, of all connections.
fn spelled(run: &Run) -> Vec<String> {
    let all = run.report["connections"].as_array().unwrap();
    all.iter()
        .map(|one| {
            let word = |path: &str| {
                let value = one.pointer(path).unwrap_or(&Value::Null);
                value.as_str().map_or(value.to_string(), str::to_owned)
            };
            let pod = word("/pod");
            let pod = pod.rsplit('/').next().unwrap_or_default();
            format!("{pod} {} {}", word("/predicted/port"), word("/verdict"))
        })
        .collect()
}

fn enforcing() {
    let (run, _cluster) = real(Mode::Enforcing, &[], &[]);
    run.ends(0, "enforced");
    assert_eq!(run.count("notEnforced"), 0, "{}", run.shown());
    assert_eq!(
        spelled(&run),
        [
            "api 5432 agree",
            "api 5433 agree",
            "job 5432 agree",
            "job 5433 agree",
            "sealed 5432 inconclusive",
            "sealed 5433 inconclusive",
            "web 5432 agree",
            "web 5433 agree",
        ],
        "{}",
        run.shown()
    );
    let all = run.report["connections"].as_array().unwrap();
    let tool = |pod: &str| {
        let mut all = all.iter();
        let one = all.find(|one| one["pod"] == format!("shop/{pod}"));
        one.unwrap()["tool"].as_str().unwrap()
    };
    assert_eq!((tool("api"), tool("job")), ("bash", "nc"));
}

fn ignoring() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let (cluster, _) = tokio.block_on(shop(Mode::Nothing));
    let run = ended(&cluster, &["--real", "-n", "shop"]);
    run.ends(1, "not-enforced");
    let differ: Vec<_> = spelled(&run);
    let differ: Vec<_> = differ
        .iter()
        .filter(|one| one.ends_with("differ"))
        .collect();
    assert_eq!(
        differ,
        ["job 5432 differ", "web 5432 differ"],
        "{}",
        run.shown()
    );
    let text = crate::verify::text(&cluster, &["--real", "-n", "shop"]);
    for words in [
        "8 connections: 4 as predicted, 2 different, 2 cannot be told",
        "predicted DENIED: NetworkPolicy shop/db isolates",
        "networkpolicies/shop/db.yaml",
        "seen      open (nc in pod shop/job)",
        "somebody answered, although policies deny it",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
}

fn without_a_shell() {
    let (run, _cluster) = real(Mode::Enforcing, &[], &["--sample", "3"]);
    let total = &run.report["notes"][0];
    assert_eq!(total, "3 of 8 connections were tried; --sample 0 tries all");
    let (run, _cluster) = real(Mode::Enforcing, &[], &["--sample", "0"]);
    assert_eq!(run.count("inconclusive"), 2, "{}", run.shown());
    let all = run.report["connections"].as_array().unwrap();
    let sealed = all.iter().filter(|one| one["pod"] == "shop/sealed");
    for one in sealed {
        assert_eq!(one["tool"], "none");
        assert_eq!(
            one["reason"],
            "it could not be tried: the pod has no shell",
            "{}",
            run.shown()
        );
    }
}

fn ephemeral() {
    let (run, cluster) = real(Mode::Enforcing, &[], &["--ephemeral"]);
    run.ends(0, "enforced");
    assert_eq!(run.count("inconclusive"), 0, "{}", run.shown());
    let all = run.report["connections"].as_array().unwrap();
    let mut sealed = all.iter().filter(|one| one["pod"] == "shop/sealed");
    assert!(
        sealed.all(|one| one["tool"] == "watertight"),
        "{}",
        run.shown()
    );
    // Only that pod has one, and the report says so.
    let pods = cluster.store().all("pods");
    let has = |pod: &&Value| pod.pointer("/spec/ephemeralContainers").is_some();
    let marked: Vec<_> = pods
        .iter()
        .filter(has)
        .map(|pod| pod["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(marked, ["sealed"]);
    let notes = run.report["notes"].to_string();
    assert!(
        notes.contains("1 pod now has an ephemeral container"),
        "{notes}"
    );
    assert!(notes.contains("shop/sealed"), "{notes}");
}

fn no_containers() {
    let forbidden = Fault::new("patch", "pods/ephemeralcontainers", Effect::Forbidden);
    let (run, _cluster) = real(Mode::Enforcing, &[forbidden], &["--ephemeral"]);
    run.ends(0, "enforced");
    assert_eq!(run.count("inconclusive"), 2, "{}", run.shown());
    let shown = run.shown();
    assert!(
        shown.contains("cannot add an ephemeral container to pod `shop/sealed`"),
        "{shown}"
    );
}

/// Pods may have shells all the same, and nobody could take the containers out again.
fn no_exec() {
    let forbidden = Fault::new("", "pods/exec", Effect::Forbidden);
    let (run, cluster) = real(Mode::Enforcing, &[forbidden], &["--ephemeral"]);
    run.ends(2, "inconclusive");
    let pods = cluster.store().all("pods");
    let has = |pod: &Value| pod.pointer("/spec/ephemeralContainers").is_some();
    assert!(!pods.iter().any(has), "{}", run.shown());
}

/// Longer than what a command may take besides.
fn slow_attempts() {
    let (run, _cluster) = real(Mode::Enforcing, &[], &["--attempt", "16s"]);
    run.ends(0, "enforced");
    assert!(
        spelled(&run).contains(&"web 5432 agree".to_owned()),
        "{}",
        run.shown()
    );
}

/// An attempt that never ends: what was printed until then counts.
fn stuck() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let (cluster, runtime) = tokio.block_on(shop(Mode::Enforcing));
    let nc = runtime.tools().path("nc").join("nc");
    let text = std::fs::read_to_string(&nc).unwrap();
    let hangs = "case \"$*\" in *5433*) exec sleep 40;; esac\nexec";
    std::fs::write(&nc, text.replace("exec", hangs)).unwrap();
    let run = ended(&cluster, &["--real", "-n", "shop"]);
    run.ends(0, "enforced");
    let spelled = spelled(&run);
    for line in ["job 5432 agree", "job 5433 inconclusive"] {
        assert!(
            spelled.contains(&line.to_owned()),
            "{line}: {}",
            run.shown()
        );
    }
    assert!(run.shown().contains("no answer within"), "{}", run.shown());
}
