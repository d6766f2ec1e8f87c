//! WT102: each cause, where WT103 and WT104 take over, and a fix that settles it.

use expect_test::{Expect, expect};

use super::RULE;
use crate::rules::testing::findings;

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

#[test]
fn k_6_namespace_without_policy() {
    // Short: WT101 reports it as well.
    check(
        r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
"#,
        expect![[r#"
            warning[WT102] `shop` has no NetworkPolicy: its 2 workloads can connect to everything
              about: Namespace shop
              at t.yaml:4:18: `shop` nothing isolates its pods
              evidence: shop/Deployment/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
              why: K-6
              fix: allow DNS and the connections that the pods need, then add this default deny; without the former, names no longer resolve
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-egress
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Egress]
        "#]],
    );
}

#[test]
fn k_12_policies_for_ingress_only() {
    check(
        r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
"#,
        expect![[r#"
            warning[WT102] both policies of `shop` cover ingress only: its 1 workload can connect to everything
              about: Namespace shop
              at t.yaml:17:18: `web` without policyTypes: Ingress only
              at t.yaml:27:16: `[Ingress]` Ingress only
              evidence: shop/Deployment/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
              evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
              why: K-7 K-12
              fix: allow DNS and the connections that the pods need, then add this default deny; without the former, names no longer resolve
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-egress
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Egress]
        "#]],
    );
}

#[test]
fn a_default_deny_without_egress_is_short() {
    // WT103 says what to change.
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
  policyTypes: [Ingress]
"#,
        expect![[r#"
            warning[WT102] the policy of `shop` covers ingress only: its 1 workload can connect to everything
              about: Namespace shop
              at t.yaml:12:16: `[Ingress]` Ingress only
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-7 K-12
              fix: let the default deny `shop/default-deny` cover Egress as well, see WT103
        "#]],
    );
}

#[test]
fn k_9_a_default_deny_with_an_empty_egress_list() {
    // WT104 says what to change.
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
  egress: []
"#,
        expect![[r#"
            warning[WT102] the policy of `shop` covers ingress only: its 1 workload can connect to everything
              about: Namespace shop
              at t.yaml:9:18: `default-deny` without policyTypes: Ingress only
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-7 K-12
              fix: let the default deny `shop/default-deny` cover Egress as well, see WT104
        "#]],
    );
}

#[test]
fn k_7_policies_that_select_nothing() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: wbe}}
  policyTypes: [Egress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: in, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
"#,
        expect![[r#"
            warning[WT102] no policy of `shop` for egress selects any pod: its 1 workload can connect to everything
              about: Namespace shop
              at t.yaml:11:16: `{matchLabels: {app: wbe}}` selects no pod
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-6 K-7
              fix: allow DNS and the connections that the pods need, then add this default deny; without the former, names no longer resolve
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-egress
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Egress]
        "#]],
    );
}

#[test]
fn workloads_left_out() {
    check(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
"#,
        expect![[r#"
            warning[WT102] no policy for egress selects 1 of 2 workloads of `shop`: `shop/Deployment/db` can connect to everything
              about: Namespace shop
              at t.yaml:13:18: `db` not isolated for egress
              evidence: shop/Deployment/db -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Deployment/db for egress
              evidence: shop/Deployment/db -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Deployment/db for egress
              why: K-6 K-7
              fix: allow DNS and the connections that the pods need, then add this default deny; without the former, names no longer resolve
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-egress
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Egress]
        "#]],
    );
}

#[test]
fn k_11_a_default_deny_is_protection() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
"#,
        expect![""],
    );
}

#[test]
fn k_8_egress_rules_isolate_by_default() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  egress: [{ports: [{port: 443}]}]
"#,
        expect![""],
    );
}

#[test]
fn ipv6_only_pods() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
status: {phase: Running, podIP: "fd00::1"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: in, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
"#,
        expect![[r#"
            warning[WT102] the policy of `shop` covers ingress only: its 1 workload can connect to everything
              about: Namespace shop
              at t.yaml:10:18: `in` without policyTypes: Ingress only
              evidence: shop/Pod/web -> ip:2001:db8::10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:fd00:ec2::23:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-7 K-12
              fix: allow DNS and the connections that the pods need, then add this default deny; without the former, names no longer resolve
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-egress
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Egress]
        "#]],
    );
}

#[test]
fn system_namespaces_are_one_note() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {app: coredns}}
spec: {containers: [{name: c, ports: [{containerPort: 53}]}]}
"#,
        expect![[r#"
            note[WT102] 1 workload of the system namespace `kube-system` can connect to everything
              about: Namespace kube-system
              at t.yaml:4:18: `coredns` nothing isolates this pod
              evidence: kube-system/Pod/coredns -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates kube-system/Pod/coredns for egress
              why: K-6
        "#]],
    );
}

#[test]
fn the_manifest_of_the_fix_settles_it() {
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: \
                    {containers: []}\n";
    let found = findings(&RULE, yaml);
    let lines = found.lines().filter_map(|line| line.strip_prefix("    | "));
    let manifest = lines.map(|line| format!("{line}\n")).collect::<String>();
    expect![""].assert_eq(&findings(&RULE, &format!("{yaml}---\n{manifest}")));
}
