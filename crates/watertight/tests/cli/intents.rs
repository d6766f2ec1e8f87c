//! `watertight test` from end to end: the example in every format, files that are found, and what goes
//! wrong.

use expect_test::{Expect, expect};

use crate::harness::{Project, Ran};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// A namespace that is closed but for one connection.
const CLUSTER: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
";

const HOLDS: &str = "
apiVersion: watertight.dev/v1
kind: Intents
statements:
- name: the shop reaches its database
  allow: {from: shop/web, to: shop/db, ports: [5432]}
- name: nobody else does
  only: {from: shop/web, to: shop/db}
";

/// The example and its intents, under short names.
fn example(arguments: &[&str]) -> Ran {
    let project = Project::new(&[]);
    let link = |name: &str| {
        let from = format!("{EXAMPLES}/{name}");
        std::os::unix::fs::symlink(from, project.path().join(name)).unwrap();
    };
    link("shop.intents.yaml");
    link("shop");
    let mut all = vec!["test", "shop.intents.yaml", "-f", "shop"];
    all.extend(arguments);
    project.run(&all)
}

fn project(intents: &str) -> Project {
    Project::new(&[
        ("k8s/cluster.yaml", CLUSTER),
        ("shop.intents.yaml", intents),
    ])
}

#[track_caller]
fn prints(ran: &Ran, code: i32, expected: Expect) {
    assert_eq!(ran.code, code, "{ran:?}");
    expected.assert_eq(&ran.stdout);
}

/// Standard error without the time that it took.
fn told(ran: &Ran) -> String {
    let lines = ran.stderr.lines();
    let lines = lines.map(|line| match line.rsplit_once(" in ") {
        Some((line, time)) if time.ends_with(" ms") => line,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_example_as_text() {
    let ran = example(&[]);
    prints(&ran, 1, expect![[r#""#]]);
    expect![[r#""#]].assert_eq(&told(&ran));
}

#[test]
fn the_example_as_tap() {
    prints(&example(&["-o", "tap"]), 1, expect![[r#""#]]);
}

#[test]
fn the_example_as_junit() {
    prints(&example(&["-o", "junit"]), 1, expect![[r#""#]]);
}

#[test]
fn the_example_as_json_is_what_the_schema_says() {
    let ran = example(&["-o", "json"]);
    assert_eq!(ran.code, 1);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let schema = Project::new(&[]).run(&["schema", "test"]).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let mut report = report;
    for statement in report["statements"].as_array_mut().unwrap() {
        // The rest is what `explain` prints, and tested there.
        if let Some(example) = statement.get_mut("counterexample") {
            *example = example["flow"].take();
        }
    }
    let shown = serde_json::json!({
        "summary": report["summary"],
        "statements": report["statements"],
    });
    expect![[r#""#]].assert_eq(&serde_json::to_string_pretty(&shown).unwrap());
}

#[test]
fn the_map_of_the_example_as_a_file() {
    let project = Project::new(&[]);
    let shop = format!("{EXAMPLES}/shop");
    let ran = project.run(&["reach", &shop, "-o", "intent"]);
    prints(&ran, 0, expect![[r#""#]]);
    project.write("today.intents.yaml", &ran.stdout);
    let ran = project.run(&["test", "-f", &shop]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let schema = project.run(&["schema", "intents"]).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(jsonschema::validator_for(&schema).is_ok());
}

#[test]
fn a_pinned_map_fails_when_it_changes() {
    let project = project(HOLDS);
    let map = project.run(&[
        "reach",
        "k8s",
        "-o",
        "json=map.json",
        "-o",
        "intent=map.intents.yaml",
    ]);
    assert_eq!(map.code, 0, "{map:?}");
    for file in ["map.json", "map.intents.yaml"] {
        let ran = project.run(&["test", file, "-f", "k8s"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    project.write("k8s/cluster.yaml", &CLUSTER.replace("5432", "5433"));
    prints(
        &project.run(&["test", "map.json", "-f", "k8s"]),
        1,
        expect![[r#""#]],
    );
    assert_eq!(
        project.run(&["test", "map.intents.yaml", "-f", "k8s"]).code,
        1
    );
    let part = project.run(&["reach", "k8s", "--from", "shop/web", "-o", "json=part.json"]);
    assert_eq!(part.code, 0);
    let ran = project.run(&["test", "part.json", "-f", "k8s"]);
    assert_eq!(ran.code, 2);
    expect![[r#""#]].assert_eq(&ran.stderr);
    let ran = project.run(&["reach", "k8s", "--from", "shop/web", "-o", "intent"]);
    assert_eq!(ran.code, 2);
    expect![[r#""#]].assert_eq(&ran.stderr);
}

#[test]
fn files_are_found_here_or_beside_the_manifests() {
    let project = project(HOLDS);
    prints(&project.run(&["test"]), 0, expect![[r#""#]]);
    prints(
        &project.run(&["test", ".", "-f", "k8s"]),
        0,
        expect![[r#""#]],
    );
    let beside = Project::new(&[("k8s/cluster.yaml", CLUSTER), ("k8s/a.intents.yml", HOLDS)]);
    assert_eq!(beside.run(&["test", "-f", "k8s"]).code, 0);
    let ran = beside.run(&["test"]);
    assert_eq!(ran.code, 2);
    expect![[r#""#]].assert_eq(&ran.stderr);
    let ran = beside.run(&["test", "none.yaml", "-f", "k8s"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("cannot read `none.yaml`"), "{ran:?}");
    let piped = beside.run_with(&["test", "-", "-f", "k8s"], Some(HOLDS));
    assert_eq!(piped.code, 0, "{piped:?}");
}

#[test]
fn gaps_that_close_and_statements_about_nobody_fail() {
    let project = project(
        "
apiVersion: watertight.dev/v1
kind: Intents
statements:
- name: closed by now
  reason: ticket 7
  deny: {from: world, to: shop/db}
  expect: fail
- name: still open
  deny: {from: shop/web, to: world}
  expect: fail
- name: misspelt
  deny: {from: shop/wbe, to: shop/db}
- name: may come one day
  deny: {from: shop/cache, to: shop/db}
  allowVacuous: true
- name: no source
  allow: {from: shop/web, to: shop/db, ports: [http]}
",
    );
    prints(&project.run(&["test", "-f", "k8s"]), 2, expect![[r#""#]]);
}

#[test]
fn what_cannot_be_read_costs_itself() {
    let project = project(
        "
apiVersion: watertight.dev/v1
kind: Intents
statements:
- name: fine
  deny: {from: world, to: shop/db}
- name: not fine
  denny: {from: world, to: shop/db}
",
    );
    let ran = project.run(&["test", "-f", "k8s"]);
    prints(&ran, 2, expect![[r#""#]]);
    expect![[r#""#]].assert_eq(&told(&ran));
    prints(
        &project.run(&["test", "-f", "k8s", "-o", "tap"]),
        2,
        expect![[r#""#]],
    );
    prints(
        &project.run(&["test", "-f", "k8s", "-o", "junit"]),
        2,
        expect![[r#""#]],
    );
}

#[test]
fn text_from_files_cannot_do_harm() {
    let project = project(
        "
apiVersion: watertight.dev/v1
kind: Intents
statements:
- name: \"\\e[31mred # TODO\"
  reason: \"\\e]0;x\"
  deny: {from: shop/web, to: world}
",
    );
    for format in ["text", "tap", "junit", "json"] {
        let ran = project.run(&["test", "-f", "k8s", "-o", format]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(!ran.stdout.contains('\u{1b}'), "{format}: {}", ran.stdout);
    }
    let tap = project.run(&["test", "-f", "k8s", "-o", "tap"]).stdout;
    assert!(tap.contains(r"red \# TODO"), "{tap}");
}
