//! Clusters that change while they are followed.

use std::time::Duration;

use fake_cluster::{Effect, FakeCluster, Fault, Options};
use serde_json::json;
use watertight_cluster::{Change, Changes, Progress, Reading, State, Wanted, Watch, watch};

use super::fixtures::{cluster, connected, flags, pod, reading, state, try_reading};

async fn watching(cluster: &FakeCluster) -> Watch {
    let connection = connected(&flags(cluster));
    let progress = Progress::default();
    let watch = watch(&connection, &Wanted::default(), &progress).await;
    assert!(progress.objects.into_inner() > 10, "what is read is shown");
    assert_eq!(progress.kinds.into_inner(), progress.all_kinds.into_inner());
    watch.unwrap()
}

async fn all_changes(watch: &mut Watch) -> Changes {
    let changed = tokio::time::timeout(Duration::from_secs(20), watch.changed());
    changed.await.unwrap().unwrap()
}

async fn changes(watch: &mut Watch) -> Vec<Change> {
    all_changes(watch).await.objects
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

#[tokio::test]
async fn all_namespaces_with_rights_are_followed() {
    let cluster = cluster(Options::default()).await;
    let zoo = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "zoo"}});
    cluster.store().put(zoo).unwrap();
    cluster
        .store()
        .put(pod("zoo", "bear", "bear", 50, None))
        .unwrap();
    for verb in ["list", "get", "watch"] {
        for namespace in ["", "kube-system"] {
            cluster.fault(Fault::new(verb, "", Effect::Forbidden).in_namespace(namespace));
        }
    }
    cluster.fault(Fault::new("watch", "services", Effect::Forbidden).in_namespace("zoo"));
    cluster.fault(Fault::new("list", "services", Effect::Forbidden).in_namespace("zoo"));
    let wanted = Wanted {
        namespaces: ["zoo", "shop", "zoo", "kube-system"].map(Into::into).into(),
        ..Wanted::default()
    };
    let connection = connected(&flags(&cluster));
    let mut watch = watch(&connection, &wanted, &Progress::default())
        .await
        .unwrap();
    let followed = watch.reading();
    assert_eq!(state(&followed, "pods"), (State::Partial, 7));
    assert_eq!(state(&followed, "services"), (State::Partial, 1));
    assert_eq!(state(&followed, "nodes"), (State::Forbidden, 0));
    let read = try_reading(&cluster, &wanted).await.unwrap();
    let without_verb = |reading: &Reading| -> Vec<_> {
        let kinds = reading.header.kinds.iter().cloned();
        let kinds = kinds.map(|kind| (kind.resource, kind.state, kind.count));
        kinds.collect()
    };
    assert_eq!(without_verb(&followed), without_verb(&read));

    for (namespace, name) in [("shop", "late"), ("zoo", "lion")] {
        cluster
            .store()
            .put(pod(namespace, name, "x", 60, None))
            .unwrap();
        let changed = changes(&mut watch).await;
        let names: Vec<_> = changed.iter().map(|change| &*change.name).collect();
        assert_eq!(names, [name]);
    }
    // What is listed again in one namespace leaves the others alone.
    cluster.fault(
        Fault::new("watch", "pods", Effect::Gone)
            .in_namespace("zoo")
            .times(1),
    );
    cluster.store().remove("pods", "zoo", "bear").unwrap();
    changes(&mut watch).await;
    assert_eq!(state(&watch.reading(), "pods"), (State::Partial, 8));
}

#[tokio::test]
async fn config_maps_are_followed_by_name_as_the_role_allows_it() {
    let cluster = cluster(Options::default()).await;
    let mut watch = watching(&cluster).await;
    assert_eq!(state(&watch.reading(), "configmaps"), (State::Complete, 1));
    let config = |namespace: &str, name: &str, policy: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace}, "data": {"enable-policy": policy}})
    };
    // Those that nobody asked about are not even looked at.
    cluster
        .store()
        .put(config("shop", "settings", "x"))
        .unwrap();
    cluster
        .store()
        .put(config("kube-system", "cilium-config", "never"))
        .unwrap();
    let [change] = &changes(&mut watch).await[..] else {
        panic!("one change");
    };
    assert_eq!(&*change.name, "cilium-config");
    assert!(change.text.as_ref().unwrap().contains("never"));
    assert!(
        cluster
            .selectors("configmaps")
            .iter()
            .all(|selector| selector.starts_with("metadata.name=")),
    );
}

#[tokio::test]
async fn what_is_not_told_any_more_is_a_change() {
    let cluster = cluster(Options::default()).await;
    let mut watch = watching(&cluster).await;
    assert_eq!(state(&watch.reading(), "services"), (State::Complete, 2));
    // The rights are taken away while it is followed, and given back.
    for verb in ["list", "watch"] {
        cluster.fault(Fault::new(verb, "services", Effect::Forbidden));
    }
    cluster.store().compact();
    let service = cluster.store().get("services", "shop", "web").unwrap();
    cluster.store().put(service).unwrap();
    cluster.store().compact();
    let lost = all_changes(&mut watch).await;
    let [services] = &lost.kinds[..] else {
        panic!("{lost:?}");
    };
    assert_eq!(
        (&*services.resource, services.state),
        ("services", State::Partial)
    );
    assert!(
        services
            .message
            .starts_with("no changes are told any more: ")
    );
    assert_eq!(state(&watch.reading(), "services"), (State::Partial, 2));
    cluster.heal();
    let found = all_changes(&mut watch).await;
    assert_eq!(found.kinds[0].state, State::Complete);
    assert_eq!(state(&watch.reading(), "services"), (State::Complete, 2));
}
