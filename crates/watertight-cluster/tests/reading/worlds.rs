//! Slim texts say all that full ones say: the same world, the same hints, the same findings.

use std::collections::BTreeMap;

use fake_cluster::{FakeCluster, Options};
use watertight_cluster::{Reading, Wanted, kinds};
use watertight_core::check::{CheckOptions, check};
use watertight_core::manifest;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, World, read_with_hints};

use super::fixtures::{cluster, pod, text, try_reading};

async fn told(cluster: &FakeCluster) -> Reading {
    let wanted = Wanted {
        hints: true,
        ..Wanted::default()
    };
    try_reading(cluster, &wanted).await.unwrap()
}

fn slim(reading: &Reading) -> Sources {
    let mut sources = Sources::new();
    for file in reading
        .files
        .iter()
        .filter(|file| file.name != watertight_cluster::HEADER)
    {
        sources.add_text(&file.name, file.text.clone()).unwrap();
    }
    sources
}

/// What the server holds of the kinds that are read, whole, in the same order.
fn full(cluster: &FakeCluster) -> Sources {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for kind in kinds::all() {
        let key = match kind.group {
            "" => kind.resource.to_owned(),
            group => format!("{}.{group}", kind.resource),
        };
        for object in cluster.store().all(&key) {
            let meta = &object["metadata"];
            let of = |field: &str| meta[field].as_str().unwrap_or_default().to_owned();
            let is_policy = kind.kind.ends_with("NetworkPolicy");
            if kind.resource == "configmaps" && of("name") != "cilium-config" {
                continue;
            }
            let name = match (is_policy, kind.group) {
                (false, _) => format!("{}.ndjson", kind.resource),
                (true, "networking.k8s.io") => {
                    format!("{}/{}/{}", kind.resource, of("namespace"), of("name"))
                }
                (true, _) => format!("{key}/{}", of("name")),
            };
            let text = files.entry(name).or_default();
            text.push_str(&object.to_string());
            text.push('\n');
        }
    }
    let mut sources = Sources::new();
    for (name, text) in files {
        sources.add_text(&name, text).unwrap();
    }
    sources
}

/// A debug text without places.
fn without_places(text: &str) -> String {
    let mut left = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("Span {") {
        left.push_str(before);
        left.push_str("place");
        rest = behind.split_once('}').map_or("", |(_, rest)| rest);
    }
    left + rest
}

fn shown(world: &World) -> String {
    let World {
        namespaces,
        endpoints,
        workloads,
        services,
        nodes,
        policies,
        objects,
        ignores,
        assumed,
        ..
    } = world;
    let parts = (
        (namespaces, endpoints, workloads, services),
        (nodes, policies, objects, ignores, assumed),
    );
    without_places(&format!("{parts:#?}"))
}

#[tokio::test]
async fn a_world_of_slim_texts_is_the_world_of_the_full_ones() {
    let cluster = cluster(Options::default()).await;
    let (slim, full) = (slim(&told(&cluster).await), full(&cluster));
    let options = manifest::Options::default();
    let assume = Assume::default();
    let (of_slim, loaded, slim_hints) = read_with_hints(&slim, &options, &assume, None);
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    let (of_full, _, full_hints) = read_with_hints(&full, &options, &assume, None);
    assert_eq!(of_slim.endpoints.len(), of_full.endpoints.len());
    assert!(of_slim.endpoints.len() > 6);
    let (shown_slim, shown_full) = (shown(&of_slim), shown(&of_full));
    for (slim, full) in shown_slim.lines().zip(shown_full.lines()) {
        assert_eq!(slim, full);
    }
    assert_eq!(shown_slim, shown_full);
    let hints = |hints: &[manifest::Hint]| -> Vec<String> {
        let hints = hints
            .iter()
            .map(|hint| without_places(&format!("{hint:?}")));
        hints.collect()
    };
    assert_eq!(hints(&slim_hints), hints(&full_hints));
    assert!(slim_hints.len() > 5);
}

#[tokio::test]
async fn findings_are_the_same() {
    let cluster = cluster(Options::default()).await;
    let (slim, full) = (slim(&told(&cluster).await), full(&cluster));
    let found = |sources: &Sources| -> Vec<String> {
        let checked = check(sources, &CheckOptions::default());
        let findings = checked.findings.iter();
        findings
            .map(|finding| {
                format!(
                    "{} {:?} {}",
                    finding.rule.id, finding.subject, finding.message
                )
            })
            .collect()
    };
    let of_slim = found(&slim);
    assert!(!of_slim.is_empty());
    assert_eq!(of_slim, found(&full));
}

#[tokio::test]
async fn one_pod_tells_for_all_of_its_owner() {
    let cluster = cluster(Options::default()).await;
    let reading = told(&cluster).await;
    let pods = text(&reading, "pods.ndjson");
    let with_values = pods.lines().filter(|line| line.contains("db.shop:5432"));
    assert_eq!(with_values.count(), 5, "of two pods of web one");
    let plain = try_reading(&cluster, &Wanted::default()).await.unwrap();
    assert!(!text(&plain, "pods.ndjson").contains("db.shop:5432"));
}

#[tokio::test]
async fn pods_of_daemon_sets_keep_whether_they_are_ready() {
    let cluster = cluster(Options::default()).await;
    // The controlling owner counts, wherever it stands.
    let mut owned = pod("shop", "agent-y", "agent", 70, Some(("DaemonSet", "agent")));
    owned["metadata"]["ownerReferences"] = serde_json::json!([
        {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n"},
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": true},
    ]);
    cluster.store().put(owned).unwrap();
    for wanted in [false, true] {
        let wanted = Wanted {
            hints: wanted,
            ..Wanted::default()
        };
        let slim = slim(&try_reading(&cluster, &wanted).await.unwrap());
        let world = |sources: &Sources| {
            let options = manifest::Options::default();
            let world = manifest_world(sources, &options);
            let unready = world.inventory.unready.iter();
            let mut names: Vec<_> = unready.map(|id| world.endpoint_name(*id)).collect();
            names.sort();
            names
        };
        assert_eq!(world(&slim), ["shop/agent-x", "shop/agent-y"]);
        assert_eq!(world(&full(&cluster)), world(&slim));
    }
}

fn manifest_world(sources: &Sources, options: &manifest::Options) -> World {
    watertight_core::world::read(sources, options, &Assume::default(), None).0
}
