//! `watertight preview`: what becomes of a state when something is applied on top of it.

use crate::harness::{Project, Ran};

const CLUSTER: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: main}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: main}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop, labels: {stage: trial}}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]
";

const DENY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}
";

fn preview(arguments: &[&str]) -> Ran {
    let project = Project::new(&[
        ("k8s/cluster.yaml", CLUSTER),
        ("deny.yaml", DENY),
        (
            "db.yaml",
            &CLUSTER
                .rsplit("---\n")
                .next()
                .unwrap()
                .replace("5432", "9187"),
        ),
    ]);
    let mut all = vec!["preview", "k8s"];
    all.extend(arguments);
    project.run(&all)
}

#[test]
fn a_new_policy_is_applied_on_top() {
    let ran = preview(&["-f", "deny.yaml"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("narrows: "), "{ran:?}");
    assert!(
        ran.stdout
            .contains("NetworkPolicy shop/deny added   deny.yaml:3"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("of k8s + deny.yaml"), "{ran:?}");
}

#[test]
fn an_object_that_is_there_is_replaced() {
    let ran = preview(&["-f", "db.yaml"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout
            .contains("NetworkPolicy shop/db edited   db.yaml:"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("9187/tcp   was: 5432/tcp"), "{ran:?}");
}

#[test]
fn an_object_is_taken_out() {
    for name in [
        "networkpolicy/shop/db",
        "netpol/shop/db",
        "NetworkPolicy/shop/db",
    ] {
        let ran = preview(&["--delete", name]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stdout.contains("NetworkPolicy shop/db removed"),
            "{ran:?}"
        );
    }
    let ran = preview(&["--delete", "pod/shop/web", "--fail-on", "widen"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn policies_with_a_label_are_taken_as_staged() {
    let ran = preview(&["--staged=stage=trial"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("NetworkPolicy shop/db added"),
        "{ran:?}"
    );
    let ran = preview(&["--staged=stage=other"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn mistakes_are_told() {
    for (arguments, told) in [
        (&[][..], "nothing to preview"),
        (
            &["--delete", "netpol/shop/bd"],
            "there is no NetworkPolicy shop/bd",
        ),
        (&["--delete", "netpool/shop/db"], "is no kind"),
        (&["--delete", "db"], "is not KIND/NAMESPACE/NAME"),
        (&["--staged=trial"], "write KEY=VALUE"),
        (&["-f", "gone.yaml"], "cannot read `gone.yaml`"),
    ] {
        let ran = preview(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
}
