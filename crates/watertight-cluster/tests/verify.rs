//! `verify` from end to end, against an API server in memory whose pods are a model of a network engine.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot run its cluster fails"
)]

#[path = "verify/model.rs"]
mod model;

use std::sync::Arc;
use std::time::Duration;

use fake_cluster::{Effect, FakeCluster, Fault, Options as Served};
use kube::{Client, Config};
use serde_json::json;
use watertight_cluster::verify::access::Access;
use watertight_cluster::verify::plan::{Options, Patience};
use watertight_cluster::verify::run::{Ended, verify};
use watertight_cluster::verify::{answer, clean};
use watertight_core::report::VerifyReport;

use model::{Mode, Model};

fn client(cluster: &FakeCluster) -> Client {
    Client::try_from(Config::new(cluster.url().parse().unwrap())).unwrap()
}

async fn cluster(mode: Mode) -> FakeCluster {
    speaking(mode, &[]).await
}

/// The same with SCTP on some nodes.
async fn speaking(mode: Mode, sctp: &'static [&'static str]) -> FakeCluster {
    let served = Served {
        controllers: true,
        ..Served::default()
    };
    let cluster = FakeCluster::start(served, Arc::new(Model::new(mode, sctp)))
        .await
        .unwrap();
    for (number, node) in ["a", "b", "c"].into_iter().enumerate() {
        let address = format!("172.18.0.{}", number + 2);
        cluster
            .store()
            .put(json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": node, "labels": {"kubernetes.io/os": "linux"}},
                "status": {
                    "addresses": [{"type": "InternalIP", "address": address}],
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            }))
            .unwrap();
    }
    let shop = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    cluster.store().put(shop).unwrap();
    cluster
}

fn options() -> Options {
    Options {
        patience: Patience {
            ready: Duration::from_secs(30),
            settle: Duration::from_secs(6),
            stable: Duration::from_millis(700),
            slow: Duration::from_secs(2),
            attempt: Duration::from_millis(300),
            pause: Duration::from_millis(50),
        },
        ..Options::new("abc123".into(), 1_000)
    }
}

async fn ended(cluster: &FakeCluster, options: &Options) -> Ended {
    verify(
        Access::new(client(cluster)),
        options,
        &|_| {},
        std::future::pending(),
    )
    .await
}

async fn report(cluster: &FakeCluster, options: &Options) -> VerifyReport {
    let ended = ended(cluster, options).await;
    assert_eq!(ended.left_behind, Vec::<String>::new());
    let ran = ended.result.unwrap();
    answer::report("test", options, ran, ended.left_behind)
}

/// Claims with a verdict, spelled.
fn with(report: &VerifyReport, verdict: &str) -> Vec<String> {
    let claims = report
        .claims
        .iter()
        .filter(|claim| claim.verdict == verdict);
    claims
        .map(|claim| {
            let (direction, path, place) = (&claim.direction, &claim.path, &claim.place);
            format!(
                "{direction} {path} {place} {}: {}",
                claim.target, claim.reason
            )
        })
        .collect()
}

fn new_pods(report: &VerifyReport) -> Vec<String> {
    let pods = report.new_pods.iter();
    pods.map(|pod| format!("{} {}", pod.direction, pod.verdict))
        .collect()
}

/// What is there of a run, and all policies.
fn left(cluster: &FakeCluster) -> Vec<String> {
    let kinds = [
        "pods",
        "configmaps",
        "services",
        "serviceaccounts",
        "deployments.apps",
    ];
    let kinds = kinds
        .into_iter()
        .chain(["networkpolicies.networking.k8s.io"]);
    let objects = kinds.flat_map(|kind| cluster.store().all(kind));
    let spelled = objects.map(|object| object.to_string());
    spelled.filter(|object| object.contains("abc123")).collect()
}

/// Waits until nothing of a run is there any more.
async fn settled(cluster: &FakeCluster) {
    for _ in 0..400 {
        if left(cluster).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(left(cluster), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_enforces_is_proved_to() {
    let cluster = cluster(Mode::Enforces).await;
    let report = report(&cluster, &options()).await;
    assert_eq!(report.verdict, "enforced", "{:#?}", report.claims);
    assert_eq!(with(&report, "not-enforced"), Vec::<String>::new());
    assert!(report.counts.enforced > 20, "{:?}", report.counts);
    let enforce: Vec<_> = report
        .timings
        .iter()
        .filter(|timing| timing.change == "enforce")
        .collect();
    assert_eq!(enforce.len(), 2, "{:?} {:?}", report.timings, report.notes);
    assert!(
        enforce
            .iter()
            .all(|timing| timing.after.is_some_and(|after| after < 1500.0))
    );
    assert_eq!(new_pods(&report), ["egress closed", "ingress closed"]);
    settled(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_does_nothing_is_caught() {
    let cluster = cluster(Mode::Nothing).await;
    let report = report(&cluster, &options()).await;
    assert_eq!(report.verdict, "not-enforced");
    assert_eq!(report.counts.enforced, 0);
    assert_eq!(
        new_pods(&report),
        ["egress never-closed", "ingress never-closed"]
    );
    settled(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_that_does_not_enforce_is_named() {
    let cluster = cluster(Mode::NotOn("c")).await;
    let mut options = options();
    (options.per_node, options.services, options.surroundings) = (true, false, false);
    let report = report(&cluster, &options).await;
    assert_eq!(report.verdict, "not-enforced");
    let places: Vec<_> = report
        .claims
        .iter()
        .filter(|claim| claim.verdict == "not-enforced")
        .map(|claim| format!("{} {}", claim.direction, claim.place))
        .collect();
    assert_eq!(places, ["ingress node:c", "egress node:c"]);
    settled(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_flapping_engines_are_told_as_such() {
    let slow = cluster(Mode::Slow(Duration::from_millis(2800))).await;
    let mut options = options();
    (options.services, options.surroundings, options.new_pod) = (false, false, false);
    let found = report(&slow, &options).await;
    assert_eq!(
        found.verdict,
        "enforced",
        "{:#?}",
        with(&found, "inconclusive")
    );
    assert_eq!(found.counts.slow, found.counts.enforced);
    let flapping = cluster(Mode::Flaps(Duration::from_millis(500))).await;
    let found = report(&flapping, &options).await;
    assert_eq!(found.verdict, "not-enforced");
    assert!(found.counts.flapping > 0, "{:?}", found.counts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_dies_does_not_pass_for_enforcement() {
    let cluster = cluster(Mode::Dies).await;
    let mut options = options();
    (options.services, options.surroundings, options.new_pod) = (false, false, false);
    options.patience.settle = Duration::from_secs(2);
    let report = report(&cluster, &options).await;
    assert_eq!(report.verdict, "inconclusive");
    assert_eq!((report.counts.enforced, report.counts.not_enforced), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn allow_rules_that_are_not_read_are_overblocking() {
    let cluster = cluster(Mode::ReadsNoAllow).await;
    let mut options = options();
    (options.services, options.surroundings, options.new_pod) = (false, false, false);
    options.patience.settle = Duration::from_secs(3);
    let report = report(&cluster, &options).await;
    assert_eq!(report.verdict, "not-enforced");
    assert_eq!(report.counts.overblocked, report.counts.not_enforced);
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_that_fails_proves_nothing() {
    let cluster = cluster(Mode::Enforces).await;
    cluster.fault(Fault::new("", "pods/exec", Effect::Forbidden));
    let mut options = options();
    options.surroundings = false;
    options.patience.settle = Duration::from_secs(1);
    let report = report(&cluster, &options).await;
    assert_eq!(report.verdict, "inconclusive");
    assert_eq!((report.counts.enforced, report.counts.not_enforced), (0, 0));
    settled(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_namespace_is_all_that_is_touched() {
    let cluster = cluster(Mode::Enforces).await;
    cluster.fault(Fault::new("", "nodes", Effect::Forbidden));
    cluster.fault(Fault::new("", "namespaces", Effect::Forbidden));
    let mut options = options();
    options.namespace = Some("shop".into());
    options.new_pod = false;
    let report = report(&cluster, &options).await;
    assert_eq!(
        report.verdict,
        "enforced",
        "{:#?}",
        with(&report, "inconclusive")
    );
    assert!(
        report.notes[0].contains("nodes cannot be read"),
        "{:?}",
        report.notes
    );
    assert!(cluster.store().get("namespaces", "", "shop").is_some());
    settled(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_or_is_stopped_is_cleaned_up() {
    let cluster = cluster(Mode::Enforces).await;
    cluster.fault(Fault::new("create", "services", Effect::Forbidden));
    let failed = ended(&cluster, &options()).await;
    let error = failed.result.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot create Service `heron-abc123`"),
        "{error}"
    );
    assert!(
        error.ends_with("prints the permissions that it needs"),
        "{error}"
    );
    settled(&cluster).await;
    cluster.heal();
    let stop = tokio::time::sleep(Duration::from_millis(1500));
    let stopped = verify(Access::new(client(&cluster)), &options(), &|_| {}, stop).await;
    assert!(stopped.is_stopped && stopped.left_behind.is_empty());
    settled(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sctp_is_tried_where_kernels_have_it() {
    let mut options = options();
    (options.services, options.surroundings, options.new_pod) = (false, false, false);
    let cluster = speaking(Mode::Enforces, &["a"]).await;
    let found = report(&cluster, &options).await;
    assert_eq!(found.verdict, "enforced");
    let sctp = found.claims.iter().filter(|claim| claim.protocol == "sctp");
    let sctp: Vec<_> = sctp
        .map(|claim| format!("{} {} {}", claim.direction, claim.place, claim.verdict))
        .collect();
    // A kernel that has none is asked for none.
    assert_eq!(
        sctp,
        ["ingress same-node enforced", "egress same-node enforced"]
    );
    let notes = found.notes.join("; ");
    assert!(
        notes.contains("SCTP is not tried from and to `b`"),
        "{notes}"
    );
    settled(&cluster).await;

    let cluster = speaking(Mode::Nothing, &["a", "b"]).await;
    let found = report(&cluster, &options).await;
    let open = with(&found, "not-enforced");
    let open = open.iter().filter(|claim| claim.contains(" sctp:"));
    assert_eq!(open.count(), 4);
    assert!(!found.notes.join("; ").contains("SCTP"));

    // Whose server takes no policy that names SCTP still learns whether denials stop it.
    for (mode, verdict) in [
        (Mode::Enforces, "enforced"),
        (Mode::Nothing, "not-enforced"),
    ] {
        let cluster = speaking(mode, &["a", "b"]).await;
        let fault = |effect| Fault::new("create", "networkpolicies.networking.k8s.io", effect);
        // The denials first.
        cluster.fault(fault(Effect::Slow(Duration::from_millis(1))).times(2));
        cluster.fault(fault(Effect::Forbidden).times(1));
        let found = report(&cluster, &options).await;
        assert_eq!(found.verdict, verdict);
        let sctp = with(&found, verdict);
        let sctp = sctp.iter().filter(|claim| claim.contains(" sctp:"));
        assert_eq!(sctp.count(), 4, "{mode:?}");
        let notes = found.notes.join("; ");
        let told = "what is allowed back is not tried for SCTP: cannot create NetworkPolicy";
        assert!(notes.contains(told), "{notes}");
    }

    // A command that fails says nothing of a kernel.
    let cluster = speaking(Mode::Enforces, &["a", "b"]).await;
    cluster.fault(Fault::new("get", "pods/exec", Effect::Forbidden).times(2));
    let found = report(&cluster, &options).await;
    assert!(found.claims.iter().all(|claim| claim.protocol != "sctp"));
    let notes = found.notes.join("; ");
    for node in ["a", "b"] {
        let told = format!("whether SCTP is loaded on `{node}` could not be told: cannot run");
        assert!(notes.contains(&told), "{notes}");
    }
    assert!(!notes.contains("SCTP is not tried"), "{notes}");

    // A network that carries none, policies or not.
    let cluster = speaking(Mode::NoSctp, &["a", "b"]).await;
    let found = report(&cluster, &options).await;
    assert_eq!(found.verdict, "enforced");
    let closed = with(&found, "closed");
    assert_eq!(closed.len(), 4, "{closed:?}");
    assert!(closed.iter().all(|claim| claim.contains(" sctp:")));

    options.sctp = false;
    let cluster = speaking(Mode::Enforces, &["a", "b"]).await;
    let found = report(&cluster, &options).await;
    assert!(found.claims.iter().all(|claim| claim.protocol != "sctp"));
    // No engine is shown a policy that it may not know.
    let requests = cluster.requests();
    let policies = requests
        .iter()
        .filter(|request| request.starts_with("create networkpolicies"));
    assert_eq!(policies.count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_was_made_nothing_is_left_behind() {
    let cluster = cluster(Mode::Enforces).await;
    cluster.fault(Fault::new("create", "namespaces", Effect::Forbidden));
    cluster.fault(Fault::new("delete", "namespaces", Effect::Forbidden));
    let failed = ended(&cluster, &options()).await;
    assert!(failed.result.is_err());
    assert_eq!(failed.left_behind, Vec::<String>::new());
    cluster.heal();
    let mut options = options();
    options.nodes = vec!["gone".into()];
    let failed = ended(&cluster, &options).await;
    let error = failed.result.unwrap_err().to_string();
    assert!(error.ends_with("there is no node `gone`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_removed_is_told_and_cleaned_later() {
    let cluster = cluster(Mode::Enforces).await;
    cluster.fault(Fault::new("create", "services", Effect::Forbidden));
    cluster.fault(Fault::new("delete", "namespaces", Effect::Forbidden));
    let failed = ended(&cluster, &options()).await;
    assert_eq!(failed.left_behind.len(), 1);
    assert!(failed.left_behind[0].contains("watertight-verify-abc123"));
    cluster.heal();
    let access = Access::new(client(&cluster));
    let runs = clean::runs(&access, None).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].owns_namespace && clean::has_expired(&runs[0], 1_000));
    assert_eq!(clean::remove(&access, &runs[0]).await, Vec::<String>::new());
    settled(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_replaced_is_no_packet_loss() {
    let cluster = Arc::new(cluster(Mode::Enforces).await);
    let mut options = options();
    (options.services, options.surroundings, options.new_pod) = (false, false, false);
    options.patience.settle = Duration::from_secs(2);
    let watched = Arc::clone(&cluster);
    let replacing = tokio::spawn(async move {
        let policies = "networkpolicies.networking.k8s.io";
        while watched.store().all(policies).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let pods = watched.store().all("pods");
        let name = |pod: &serde_json::Value| {
            let name = pod.pointer("/metadata/name").and_then(|name| name.as_str());
            name.unwrap_or_default().to_owned()
        };
        let server = pods.iter().find(|pod| name(pod).starts_with("quartz-"));
        let server = name(server.unwrap());
        watched
            .store()
            .remove("pods", "watertight-verify-abc123", &server);
        server
    });
    let report = report(&cluster, &options).await;
    let server = replacing.await.unwrap();
    let (to_it, others): (Vec<_>, Vec<_>) =
        report.claims.iter().partition(|claim| claim.to == "quartz");
    assert!(!to_it.is_empty() && !others.is_empty());
    for claim in to_it {
        let reason = format!("pod `{server}` was replaced while it was tried");
        assert_eq!((&*claim.verdict, &claim.reason), ("inconclusive", &reason));
    }
    assert!(others.iter().all(|claim| claim.verdict == "enforced"));
    assert_eq!(report.verdict, "inconclusive");
    settled(&cluster).await;
}
