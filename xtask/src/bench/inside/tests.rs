use std::collections::BTreeSet;
use std::fs;

use watertight_core::sets::Protocol;

use super::sample::Dice;
use super::*;
use crate::bench::Scratch;
use crate::synth::{Format, Size, SynthArgs, cluster_dir, generate};

const SHOP: &str = r#"{"kind": "List", "apiVersion": "v1", "items": [
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
     "status": {"podIPs": [{"ip": "10.0.0.1"}]}},
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db", "namespace": "shop"},
     "spec": {"selector": {"matchLabels": {"app": "db"}}, "template": {"metadata": {"labels": {"app": "db"}},
              "spec": {"containers": [{"name": "db", "ports": [{"name": "sql", "containerPort": 5432}]}]}}}},
    {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "db", "namespace": "shop"},
     "spec": {"podSelector": {"matchLabels": {"app": "db"}},
              "ingress": [{"ports": [{"port": 80, "endPort": 90, "protocol": "SCTP"}]}]}}
]}"#;

fn args(dir: &Path) -> InsideArgs {
    InsideArgs {
        dir: dir.to_owned(),
        reach_runs: 3,
        connections: 1,
        pairs: 20,
        changes: 24,
    }
}

#[test]
fn a_synthetic_world_of_either_format_is_measured() {
    let scratch = Scratch::create("inside").unwrap();
    for format in [Format::Json, Format::Yaml] {
        let out = scratch.path().join(format.extension());
        generate(&SynthArgs::new(out.clone(), Size::S, format)).unwrap();
        let inside = measure(&args(&cluster_dir(&out))).unwrap();
        assert!(inside.classes > 10 && inside.rows > 10 && inside.sets > 10);
        assert!(inside.outcomes_a_second > 0.0 && inside.verdicts_a_second > 0.0);
        assert_eq!((inside.policies.count, inside.pods.count), (24, 24));
        assert!(inside.pods.times.p50 <= inside.pods.times.max);
        let line = serde_json::to_string(&inside).unwrap();
        assert!(!line.contains('\n'));
        let read: Inside = serde_json::from_str(&line).unwrap();
        assert_eq!((read.parties, read.rows), (inside.parties, inside.rows));
    }
}

#[test]
fn nothing_to_measure_is_an_error() {
    let scratch = Scratch::create("inside").unwrap();
    fs::write(
        scratch.path().join("a.yaml"),
        "{apiVersion: v1, kind: Namespace, metadata: {name: a}}",
    )
    .unwrap();
    let error = measure(&args(scratch.path())).unwrap_err().to_string();
    assert!(error.starts_with("no pods below"), "{error}");
}

#[test]
fn pods_and_templates_are_spelled_as_explain_takes_them() {
    let mut sources = Sources::new();
    sources.add("shop.json", SHOP.into()).unwrap();
    let options = Options::default();
    let (world, _) = world::read(&sources, &options, &Assume::default(), None);
    let ruleset = lower(&world, &Profile::reference());
    let sample = Sample::of(&world, &ruleset).unwrap();
    // The assumed DNS pod is none of them (M-2).
    assert_eq!(
        parties(&world, &sample),
        ["shop/pod/web", "shop/Deployment/db"]
    );
}

#[test]
fn connections_are_on_ports_that_policies_name_and_on_others() {
    let mut sources = Sources::new();
    sources.add("shop.json", SHOP.into()).unwrap();
    let options = Options::default();
    let (world, _) = world::read(&sources, &options, &Assume::default(), None);
    let ruleset = lower(&world, &Profile::reference());
    let sample = Sample::of(&world, &ruleset).unwrap();
    let mut dice = Dice::new(7);
    let ports: Vec<_> = (0..1000).map(|_| sample.port(&mut dice)).collect();
    let known = [
        (Protocol::Sctp, 80),
        (Protocol::Sctp, 90),
        (Protocol::Tcp, 5432),
    ];
    let (named, others): (Vec<_>, Vec<_>) = ports.iter().partition(|port| known.contains(port));
    assert_eq!(
        named.iter().collect::<BTreeSet<_>>(),
        known.iter().collect()
    );
    assert!((150..350).contains(&others.len()), "{}", others.len());
    // Always the same ones.
    let again = Sample::of(&world, &ruleset).unwrap();
    let mut dice = Dice::new(7);
    assert!(ports.iter().all(|port| *port == again.port(&mut dice)));
}
