//! Clusters that change while they are followed.

use std::time::Duration;

use fake_cluster::{Effect, FakeCluster, Fault, Options};
use serde_json::json;
use watertight_cluster::{Change, Reading, State, Wanted, Watch, watch};

use super::fixtures::{cluster, connected, flags, pod, reading, state};

async fn watching(cluster: &FakeCluster) -> Watch {
    let connection = connected(&flags(cluster));
    watch(&connection, &Wanted::default()).await.unwrap()
}

async fn changes(watch: &mut Watch) -> Vec<Change> {
    let changed = tokio::time::timeout(Duration::from_secs(20), watch.changed());
    changed.await.unwrap().unwrap()
}

/// Without the moment.
fn same(a: &Reading, b: &Reading) {
    let files = |reading: &Reading| -> Vec<(String, String)> {
        let files = reading
            .files
            .iter()
            .filter(|file| file.name != watertight_cluster::HEADER);
        files
            .map(|file| (file.name.clone(), file.text.clone()))
            .collect()
    };
    assert_eq!(files(a), files(b));
    assert_eq!(a.header.kinds, b.header.kinds);
}

#[tokio::test]
async fn what_is_followed_is_what_is_read() {
    let cluster = cluster(Options::default()).await;
    let mut watch = watching(&cluster).await;
    same(&watch.reading(), &reading(&cluster).await);

    cluster
        .store()
        .put(pod("shop", "new", "web", 40, None))
        .unwrap();
    let [change] = &changes(&mut watch).await[..] else {
        panic!("one change");
    };
    assert_eq!((change.kind, &*change.name), ("Pod", "new"));
    assert!(change.text.as_ref().unwrap().contains("10.244.0.40"));
    cluster
        .store()
        .remove("networkpolicies.networking.k8s.io", "shop", "allow-web")
        .unwrap();
    let changed = changes(&mut watch).await;
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (changed[0].kind, changed[0].text.as_ref()),
        ("NetworkPolicy", None)
    );
    same(&watch.reading(), &reading(&cluster).await);
}

#[tokio::test]
async fn a_change_of_what_nobody_reads_is_none() {
    let cluster = cluster(Options::default()).await;
    let mut watch = watching(&cluster).await;
    let mut same = cluster.store().get("pods", "shop", "alone").unwrap();
    same["status"]["startTime"] = json!("2026-11-23T00:00:00Z");
    cluster.store().put(same).unwrap();
    cluster
        .store()
        .put(pod("shop", "new", "web", 41, None))
        .unwrap();
    let changed = changes(&mut watch).await;
    let names: Vec<_> = changed.iter().map(|change| &*change.name).collect();
    assert_eq!(names, ["new"]);
}

#[tokio::test]
async fn a_forgotten_moment_is_made_up_for() {
    let cluster = cluster(Options::default()).await;
    let mut watch = watching(&cluster).await;
    cluster.store().remove("pods", "shop", "alone").unwrap();
    changes(&mut watch).await;
    cluster.fault(Fault::new("watch", "pods", Effect::Gone).times(1));
    cluster.store().compact();
    cluster
        .store()
        .put(pod("shop", "late", "web", 42, None))
        .unwrap();
    changes(&mut watch).await;
    same(&watch.reading(), &reading(&cluster).await);
}

#[tokio::test]
async fn what_may_not_be_watched_is_unknown() {
    let cluster = cluster(Options::default()).await;
    for verb in ["list", "watch"] {
        cluster.fault(Fault::new(verb, "services", Effect::Forbidden));
    }
    let watch = watching(&cluster).await;
    assert_eq!(state(&watch.reading(), "services"), (State::Forbidden, 0));
    assert_eq!(state(&watch.reading(), "pods"), (State::Complete, 6));
}
