//! Whole clusters on disk: counts, mix, determinism, and both formats read back as the same objects.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::Value;

use super::{Format, Size, Stats, SynthArgs, Workloads, cluster_dir, generate, parse_share};
use crate::bench::Scratch;

/// The bytes of every file below a directory.
type Files = BTreeMap<String, Vec<u8>>;

fn args(out: &Path, size: Size, format: Format) -> SynthArgs {
    SynthArgs::new(out.to_owned(), size, format)
}

fn files(dir: &Path) -> Files {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|e| {
            (
                e.file_name().into_string().unwrap(),
                fs::read(e.path()).unwrap(),
            )
        })
        .collect()
}

fn synth(label: &str, change: impl Fn(&mut SynthArgs)) -> (Stats, Files, Option<Files>) {
    let scratch = Scratch::create(label).unwrap();
    let mut args = args(&scratch.path().join("out"), Size::S, Format::Json);
    change(&mut args);
    let stats = generate(&args).unwrap();
    let second = args.out.join("cluster2");
    (
        stats,
        files(&cluster_dir(&args.out)),
        second.exists().then(|| files(&second)),
    )
}

fn items(files: &Files, name: &str) -> Vec<Value> {
    let list: Value = serde_json::from_slice(&files[name]).unwrap();
    assert_eq!(
        (&list["apiVersion"], &list["kind"]),
        (&"v1".into(), &"List".into())
    );
    list["items"].as_array().unwrap().clone()
}

fn key(object: &Value) -> String {
    let text = |field: &str| {
        object["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    format!("{} {}/{}", object["kind"], text("namespace"), text("name"))
}

/// The documents of a YAML file, as the JSON values they stand for.
fn yaml_documents(text: &str) -> Vec<Value> {
    let mut documents = Vec::new();
    // Open collections, each with the key that waits for its value.
    let mut stack: Vec<(Value, Option<String>)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let done = match event.unwrap().0 {
            Event::SequenceStart(..) => {
                stack.push((Value::Array(Vec::new()), None));
                continue;
            }
            Event::MappingStart(..) => {
                stack.push((Value::Object(serde_json::Map::new()), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => stack.pop().unwrap().0,
            Event::Scalar(text, ScalarStyle::Plain, ..) => {
                serde_json::from_str(&text).unwrap_or_else(|_| text.into_owned().into())
            }
            Event::Scalar(text, ..) => text.into_owned().into(),
            _ => continue,
        };
        match stack.last_mut() {
            None => documents.push(done),
            Some((Value::Array(items), _)) => items.push(done),
            Some((Value::Object(fields), key)) => match key.take() {
                Some(key) => assert_eq!(fields.insert(key, done), None, "duplicate key"),
                None => *key = Some(done.as_str().unwrap().to_owned()),
            },
            Some((scalar, _)) => panic!("{scalar} is no collection"),
        }
    }
    documents
}

#[test]
fn counts_of_size_s() {
    let (stats, files, second) = synth("s-json", |_| {});
    assert_eq!(
        (stats.namespaces, stats.pods, stats.policies),
        (10, 100, 50)
    );
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["namespaces.json", "policies.json", "workloads.json"]
    );
    assert_eq!(items(&files, "namespaces.json").len(), 10);
    assert_eq!(items(&files, "policies.json").len(), 50);
    assert!(
        items(&files, "workloads.json")
            .iter()
            .all(|object| object["kind"] == "Pod")
    );
    assert_eq!(items(&files, "workloads.json").len(), 100);
    assert_eq!(second, None);
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    let make = |seed, format| {
        synth("repeat", |args| {
            (args.seed, args.format, args.diff) = (seed, format, true)
        })
    };
    for format in [Format::Json, Format::Yaml] {
        assert_eq!(make(1, format), make(1, format));
        assert_ne!(make(1, format).1, make(2, format).1);
    }
}

#[test]
fn yaml_and_json_hold_the_same_objects() {
    let full = |format| {
        synth("formats", |args| {
            (args.format, args.services, args.hostnetwork) = (format, true, 0.2);
        })
    };
    let (json_stats, json, _) = full(Format::Json);
    let (yaml_stats, yaml, _) = full(Format::Yaml);
    assert_eq!(json_stats, yaml_stats);
    assert_eq!(
        yaml.len(),
        11,
        "one file a namespace, and the namespaces: {:?}",
        yaml.keys()
    );

    let by_key = |objects: Vec<Value>| -> BTreeMap<String, Value> {
        let all = objects.len();
        let map: BTreeMap<_, _> = objects
            .into_iter()
            .map(|object| (key(&object), object))
            .collect();
        assert_eq!(map.len(), all, "two objects of one name");
        map
    };
    let json = by_key(json.keys().flat_map(|name| items(&json, name)).collect());
    let yaml = yaml
        .values()
        .flat_map(|bytes| yaml_documents(std::str::from_utf8(bytes).unwrap()));
    assert_eq!(json, by_key(yaml.collect()));
    assert_eq!(json.len(), 10 + 100 + 50 + json_stats.workloads);
}

#[test]
fn every_template_has_its_share() {
    let (stats, ..) = synth("mix", |args| args.size = Size::L);
    assert_eq!(
        (stats.namespaces, stats.pods, stats.policies),
        (500, 20_000, 3_000)
    );
    let count = |name: &str| stats.templates[name];
    let dns = count("allow-dns");
    assert!(
        (400..450).contains(&dns),
        "one for each namespace that has policies: {dns}"
    );
    assert_eq!(
        count("default-deny-both") + count("default-deny-ingress"),
        dns
    );
    assert!((50..70).contains(&(100 * count("default-deny-both") / dns)));
    let drawn = stats.policies - 2 * dns;
    let share = |name: &str| 14 * count(name) * 100 / drawn;
    assert!((255..345).contains(&share("app-to-app")), "{stats:?}");
    let others = [
        "same-namespace",
        "team-namespaces",
        "expr-selectors",
        "named-port",
        "end-port",
        "ipblock-in",
        "ipblock-out",
        "metrics",
        "ingress-controller",
        "multi-rule",
        "all-namespaces",
    ];
    for name in others {
        assert!((70..130).contains(&share(name)), "{name}: {stats:?}");
    }
    assert_eq!(stats.templates.len(), 4 + others.len());
}

#[test]
fn deployments_stand_for_the_same_pods() {
    let (stats, files, _) = synth("deployments", |args| {
        args.workloads = Workloads::Deployments
    });
    let deployments = items(&files, "workloads.json");
    assert_eq!(deployments.len(), stats.workloads);
    assert!(
        deployments
            .iter()
            .all(|object| object["kind"] == "Deployment")
    );
    assert_eq!(
        deployments
            .iter()
            .map(|d| d["spec"]["replicas"].as_u64().unwrap())
            .sum::<u64>(),
        100
    );
}

#[test]
fn services_point_at_their_workloads() {
    let (stats, files, _) = synth("services", |args| args.services = true);
    let services = items(&files, "extra.json");
    assert_eq!(services.len(), stats.workloads);
    assert!(
        services
            .iter()
            .all(|s| s["metadata"]["name"] == s["spec"]["selector"]["app"])
    );
}

#[test]
fn host_network_pods_have_their_node_s_address() {
    let (_, files, _) = synth("host", |args| args.hostnetwork = 0.3);
    let pods = items(&files, "workloads.json");
    let host = |pod: &Value| pod["spec"]["hostNetwork"] == true;
    assert!(pods.iter().any(host) && !pods.iter().all(host));
    for pod in &pods {
        assert_eq!(pod["status"]["podIP"] == pod["status"]["hostIP"], host(pod));
    }
}

#[test]
fn diff_changes_one_policy_in_a_hundred_and_nothing_else() {
    for (size, policies) in [(Size::S, 50_usize), (Size::M, 500)] {
        let (stats, before, after) = synth("diff", |args| (args.size, args.diff) = (size, true));
        let after = after.unwrap();
        assert_eq!(before["namespaces.json"], after["namespaces.json"]);
        assert_eq!(before["workloads.json"], after["workloads.json"]);
        let after = items(&after, "policies.json");
        let before = items(&before, "policies.json");
        let changed = before
            .iter()
            .filter(|policy| !after.contains(policy))
            .count();
        assert_eq!((before.len(), changed), (policies, policies.div_ceil(100)));
        assert_eq!(stats.changed, Some(changed));
    }
}

#[test]
fn explicit_counts_replace_those_of_the_size() {
    let (stats, ..) = synth("counts", |args| {
        (args.namespaces, args.pods, args.policies) = (Some(4), Some(0), Some(60));
    });
    assert_eq!(
        (
            stats.namespaces,
            stats.workloads,
            stats.pods,
            stats.policies
        ),
        (4, 0, 0, 60)
    );
}

#[test]
fn shares_are_from_0_to_1() {
    assert_eq!(parse_share("0.25"), Ok(0.25));
    for bad in ["-0.1", "1.5", "NaN", "half", ""] {
        assert!(parse_share(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_existing_cluster_is_left_alone() {
    let scratch = Scratch::create("existing").unwrap();
    let args = args(scratch.path(), Size::S, Format::Yaml);
    generate(&args).unwrap();
    let error = generate(&args).unwrap_err().to_string();
    assert!(error.contains("already exists"), "{error}");
}
