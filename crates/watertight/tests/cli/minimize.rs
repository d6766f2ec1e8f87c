//! `watertight minimize` from end to end.

use expect_test::expect;
use serde_json::Value;

use crate::harness::{Project, Ran};

const SHOP: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
";

const POLICIES: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
# The shop's own database.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {}}]
    ports: [{port: 5432}]
  # Since the move.
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
  - from: [{podSelector: {matchLabels: {app: gone}}}]
    ports: [{port: 80}]
---
# Nobody remembers why.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all, namespace: shop}
spec: {podSelector: {}}
";

fn shop() -> Project {
    Project::new(&[("pods.yaml", SHOP), ("policies.yaml", POLICIES)])
}

/// Standard error without the time that it took.
fn said(ran: &Ran) -> String {
    let lines = ran
        .stderr
        .lines()
        .map(|line| match line.split_once(") in ") {
            Some((before, after)) => {
                let rest = after.split_once(" ms").map_or("", |(_, rest)| rest);
                format!("{before}){rest}\n")
            }
            None => format!("{line}\n"),
        });
    lines.collect()
}

#[test]
fn what_can_go_and_why() {
    let ran = shop().run(&["minimize"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    expect![[r#"
        NetworkPolicy shop/db: parts of it can go
          policies.yaml:16:5  ingress rule 2: another part of it allows this already: policies.yaml:13:5

        NetworkPolicy shop/deny-all: all of it can go
          policies.yaml:24:18  `shop/deny` isolates the same pods
    "#]].assert_eq(&ran.stdout);
    expect![[r#"
        analysed 3 NetworkPolicies for any pods (engine the reference semantics): 1 policy and part of another can go
    "#]].assert_eq(&said(&ran));
    let ran = shop().run(&["minimize", "--for-these-pods", "-n", "shop"]);
    expect![[r#"
        NetworkPolicy shop/db: parts of it can go, for the pods of the input only
          policies.yaml:16:5  ingress rule 2: another part of it allows this already: policies.yaml:13:5
          policies.yaml:18:5  ingress rule 3: it matches no pod of the input

        NetworkPolicy shop/deny-all: all of it can go
          policies.yaml:24:18  `shop/deny` isolates the same pods
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn the_patch_is_what_is_written() {
    let project = shop();
    let ran = project.run(&["minimize", "--diff"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    expect![[r#"
        --- a/policies.yaml
        +++ b/policies.yaml
        @@ -12,14 +12,5 @@
           ingress:
           - from: [{podSelector: {}}]
             ports: [{port: 5432}]
        -  # Since the move.
        -  - from: [{podSelector: {matchLabels: {app: web}}}]
        -    ports: [{port: 5432}]
           - from: [{podSelector: {matchLabels: {app: gone}}}]
             ports: [{port: 80}]
        ----
        -# Nobody remembers why.
        -apiVersion: networking.k8s.io/v1
        -kind: NetworkPolicy
        -metadata: {name: deny-all, namespace: shop}
        -spec: {podSelector: {}}
    "#]]
    .assert_eq(&ran.stdout);
    assert_eq!(project.read("policies.yaml"), POLICIES);
    let before = project.run(&["reach", "-o", "json", "-q"]).stdout;
    let ran = project.run(&["minimize", "--write"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("wrote 1 file"), "{ran:?}");
    assert!(!project.read("policies.yaml").contains("deny-all"));
    assert_eq!(project.run(&["reach", "-o", "json", "-q"]).stdout, before);
    let again = project.run(&["minimize", "--write"]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""), "{again:?}");
    assert!(again.stderr.contains("nothing can go"), "{again:?}");
}

#[test]
fn json_says_the_same() {
    let project = shop();
    let ran = project.run(&["minimize", "-o", "json", "-o", "text=list.txt"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let schema = project.run(&["schema", "minimize"]).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert!(jsonschema::is_valid(&schema, &report), "{report:#}");
    assert_eq!(
        report["removals"].as_array().unwrap().len(),
        2,
        "{report:#}"
    );
    assert!(project.read("list.txt").contains("all of it can go"));
}

#[test]
fn what_goes_wrong_is_said() {
    let project = shop();
    let ran = project.run(&["minimize", "-n", "shpo"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean `shop`?"), "{ran:?}");
    let ran = Project::new(&[("a.yaml", "")]).run(&["minimize"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("the input is empty"), "{ran:?}");
    project.write("broken.yaml", "a: [\n");
    let ran = project.run(&["minimize"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("broken.yaml:") && !ran.stdout.is_empty(),
        "{ran:?}"
    );
    let piped = shop().run_with(
        &["minimize", "--write", "-"],
        Some(&format!("{SHOP}---\n{POLICIES}")),
    );
    assert_eq!(piped.code, 1, "{piped:?}");
    assert!(piped.stderr.contains("cannot be written"), "{piped:?}");
}
