//! WT502: the Pod Security levels, the one note, and default denies that can be left.

use expect_test::{Expect, expect};

use super::RULE;
use crate::rules::testing::findings;

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

#[test]
fn one_note_for_all_namespaces() {
    check(
        r#"
apiVersion: v1
kind: Namespace
metadata: {name: a}
---
apiVersion: v1
kind: Namespace
metadata: {name: b, labels: {pod-security.kubernetes.io/warn: restricted}}
---
apiVersion: v1
kind: Namespace
metadata: {name: c, labels: {pod-security.kubernetes.io/enforce: privileged}}
---
apiVersion: v1
kind: Namespace
metadata: {name: d, labels: {team: x}}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: b, labels: {app: agent}}
spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 8080}]}]}
"#,
        expect![[r#"
            note[WT502] no Pod Security label keeps pods off the host network in 4 namespaces: `a`, `b` and 2 more
              at t.yaml:4:18: `a` no `enforce` label
              at t.yaml:8:18: `b` warns or audits only: no `enforce` label
              at t.yaml:12:30: `pod-security.kubernetes.io/enforce: privileged` admits hostNetwork
              at t.yaml:16:18: `d` no `enforce` label
              note: `b/Pod/agent` uses the host network today and would be refused
              note: other admission controllers, and defaults of the API server, are not visible in manifests
              why: K-71
              fix: set the label `pod-security.kubernetes.io/enforce: baseline`; try it first with `warn: baseline`, since baseline refuses more than the host network
        "#]],
    );
}

#[test]
fn one_namespace() {
    check(
        r#"
apiVersion: v1
kind: Namespace
metadata: {name: a}
"#,
        expect![[r#"
            note[WT502] no Pod Security label keeps pods off the host network in `a`
              about: Namespace a
              at t.yaml:4:18: `a` no `enforce` label
              note: other admission controllers, and defaults of the API server, are not visible in manifests
              why: K-71
              fix: set the label `pod-security.kubernetes.io/enforce: baseline`; try it first with `warn: baseline`, since baseline refuses more than the host network
        "#]],
    );
}

#[test]
fn baseline_and_restricted_keep_them_out() {
    // An unknown level counts as restricted.
    check(
        r#"
apiVersion: v1
kind: Namespace
metadata: {name: a, labels: {pod-security.kubernetes.io/enforce: baseline}}
---
apiVersion: v1
kind: Namespace
metadata: {name: b, labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/enforce-version: latest}}
---
apiVersion: v1
kind: Namespace
metadata: {name: c, labels: {pod-security.kubernetes.io/enforce: Baseline}}
---
apiVersion: v1
kind: Namespace
metadata: {name: kube-system}
---
apiVersion: v1
kind: Namespace
metadata: {name: openshift-dns}
"#,
        expect![""],
    );
}

#[test]
fn namespaces_without_object_are_unknown() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
"#,
        expect![""],
    );
}

#[test]
fn privileged_beside_a_default_deny() {
    check(
        r#"
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    pod-security.kubernetes.io/enforce-version: latest
    "pod-security.kubernetes.io/enforce": privileged # until the move
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
"#,
        expect![[r#"
            warning[WT502] `shop` has a default deny, and `enforce: privileged` lets pods start outside it on the host network
              about: Namespace shop
              at t.yaml:8:5: `"pod-security.kubernetes.io/enforce": privileged` admits hostNetwork
              at t.yaml:17:18: `default-deny` does not apply to such pods
              why: K-71
              fix: set the label `pod-security.kubernetes.io/enforce: baseline`; try it first with `warn: baseline`, since baseline refuses more than the host network
        "#]],
    );
}

#[test]
fn privileged_beside_a_default_deny_with_such_pods() {
    check(
        r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: privileged}}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop, labels: {app: agent}}
spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"#,
        expect![[r#"
            warning[WT502] `shop` has a default deny, and `enforce: privileged` lets pods start outside it on the host network
              about: Namespace shop
              at t.yaml:4:33: `pod-security.kubernetes.io/enforce: privileged` admits hostNetwork
              at t.yaml:13:18: `default-deny` does not apply to such pods
              note: `shop/Pod/agent` uses the host network today
              why: K-71
              fix: move the pods that need the host network to a namespace of their own, then set the label `pod-security.kubernetes.io/enforce: baseline` here
        "#]],
    );
}

#[test]
fn privileged_beside_other_policies() {
    check(
        r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: privileged, pod-security.kubernetes.io/audit: baseline}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: shop}
spec:
  podSelector: {}
  ingress: [{}]
"#,
        expect![[r#"
            note[WT502] no Pod Security label keeps pods off the host network in `shop`
              about: Namespace shop
              at t.yaml:4:33: `pod-security.kubernetes.io/enforce: privileged` admits hostNetwork
              note: other admission controllers, and defaults of the API server, are not visible in manifests
              why: K-71
              fix: set the label `pod-security.kubernetes.io/enforce: baseline`; try it first with `warn: baseline`, since baseline refuses more than the host network
        "#]],
    );
}

#[test]
fn many_namespaces_are_one_short_note() {
    let namespace = |n| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: n{n}}}\n");
    let found = findings(&RULE, &(100..300).map(namespace).collect::<String>());
    assert_eq!(
        found.lines().filter(|line| line.contains("  at ")).count(),
        10
    );
    assert!(
        found.starts_with(
            "note[WT502] no Pod Security label keeps pods off the host network in 200 namespaces: \
                 `n100`, `n101` and 198 more\n"
        ),
        "{found}"
    );
}
