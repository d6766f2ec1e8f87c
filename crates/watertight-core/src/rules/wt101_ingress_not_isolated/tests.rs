//! WT101: each cause, what counts as protection, and a fix that settles it.

use expect_test::{Expect, expect};

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

#[test]
fn k_6_namespace_without_policy() {
    // Short: nothing is isolated in either direction.
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
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: blog, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
"#,
        expect![[r#"
            warning[WT101] `shop` has no NetworkPolicy: everyone can connect to its 2 workloads
              about: Namespace shop
              at t.yaml:4:18: `shop` nothing isolates its pods
              evidence: blog/Pod/www -> shop/Deployment/web:8080/tcp ALLOWED: no policy isolates shop/Deployment/web for ingress
              why: K-6
              fix: allow the connections that the pods are there for, then add this default deny
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-ingress
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Ingress]
            warning[WT101] `blog` has no NetworkPolicy: everyone can connect to its 1 workload
              about: Namespace blog
              at t.yaml:26:18: `www` nothing isolates this pod
              evidence: shop/Deployment/web -> blog/Pod/www:8080/tcp ALLOWED: no policy isolates blog/Pod/www for ingress
              why: K-6
              fix: allow the connections that the pods are there for, then add this default deny
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-ingress
                |   namespace: blog
                | spec:
                |   podSelector: {}
                |   policyTypes: [Ingress]
        "#]],
    );
}

#[test]
fn k_12_policies_for_egress_only() {
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
metadata: {name: default-deny-ingress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: blog, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: blog}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"#,
        expect![[r#"
            warning[WT101] the policy of `shop` covers egress only: everyone can connect to its 1 workload
              about: Namespace shop
              at t.yaml:20:16: `[Egress]` Egress only
              evidence: blog/Pod/www -> shop/Deployment/web:8080/tcp ALLOWED: no policy isolates shop/Deployment/web for ingress
              evidence: ip:203.0.113.10 -> shop/Deployment/web:8080/tcp ALLOWED: no policy isolates shop/Deployment/web for ingress
              why: K-7 K-12
              fix: allow the connections that the pods are there for, then add this default deny
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-ingress-2
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Ingress]
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
  podSelector:
    matchLabels: {app: wbe}
  ingress:
  - from: [{podSelector: {}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: egress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
"#,
        expect![[r#"
            warning[WT101] no policy of `shop` for ingress selects any pod: everyone can connect to its 1 workload
              about: Namespace shop
              at t.yaml:12:5: `matchLabels: {app: wbe}` selects no pod
              evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp ALLOWED: no policy isolates shop/Pod/web for ingress
              why: K-6 K-7
              fix: allow the connections that the pods are there for, then add this default deny
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-ingress
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Ingress]
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
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: shop, labels: {app: job}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{}]
"#,
        expect![[r#"
            warning[WT101] no policy for ingress selects 2 of 3 workloads of `shop`: everyone can connect to `shop/Deployment/db` and `shop/Pod/job`
              about: Namespace shop
              at t.yaml:22:18: `job` not isolated for ingress
              at t.yaml:13:18: `db` not isolated for ingress
              evidence: ip:203.0.113.10 -> shop/Pod/job:8080/tcp ALLOWED: no policy isolates shop/Pod/job for ingress
              why: K-6 K-7
              fix: allow the connections that the pods are there for, then add this default deny
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-ingress
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Ingress]
        "#]],
    );
}

#[test]
fn pods_of_one_workload_on_both_sides() {
    // Labels of a single pod were changed by hand.
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, pod-template-hash: x}, ownerReferences: [{kind: ReplicaSet, name: web-x, controller: true}]}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
status: {phase: Running, podIP: "10.0.0.1"}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop, labels: {app: debug, pod-template-hash: x}, ownerReferences: [{kind: ReplicaSet, name: web-x, controller: true}]}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
status: {phase: Running, podIP: "10.0.0.2"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
"#,
        expect![[r#"
            warning[WT101] no policy for ingress selects 1 of 2 pods of `shop`: everyone can connect to `shop/Deployment/web`
              about: Namespace shop
              at t.yaml:10:18: `web-2` not isolated for ingress
              evidence: ip:203.0.113.10 -> shop/Deployment/web:8080/tcp ALLOWED: no policy isolates shop/Deployment/web for ingress
              why: K-6 K-7
              fix: allow the connections that the pods are there for, then add this default deny
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-ingress
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Ingress]
        "#]],
    );
}

#[test]
fn a_default_deny_is_protection() {
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
  policyTypes: [Ingress]
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: blog, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: blog}
spec:
"#,
        expect![""],
    );
}

#[test]
fn k_40_match_expressions_count() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: most, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [public]}]}
"#,
        expect![""],
    );
}

#[test]
fn namespaces_without_pods_are_left_alone() {
    check(
        r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop, labels: {app: agent}}
spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
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
"#,
        expect![[r#"
            warning[WT101] `shop` has no NetworkPolicy: everyone can connect to its 1 workload
              about: Namespace shop
              at t.yaml:4:18: `web` nothing isolates this pod
              evidence: ip:2001:db8::10 -> shop/Pod/web:8080/tcp ALLOWED: no policy isolates shop/Pod/web for ingress
              why: K-6
              fix: allow the connections that the pods are there for, then add this default deny
                | apiVersion: networking.k8s.io/v1
                | kind: NetworkPolicy
                | metadata:
                |   name: default-deny-ingress
                |   namespace: shop
                | spec:
                |   podSelector: {}
                |   policyTypes: [Ingress]
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
---
apiVersion: v1
kind: Pod
metadata: {name: metrics, namespace: kube-system, labels: {app: metrics}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: dns, namespace: openshift-dns, labels: {app: dns}}
spec: {containers: [{name: c, ports: [{containerPort: 5353}]}]}
"#,
        expect![[r#"
            note[WT101] everyone can connect to 3 workloads of the system namespaces `kube-system` and `openshift-dns`
              at t.yaml:4:18: `coredns` nothing isolates this pod
              evidence: ip:203.0.113.10 -> kube-system/Pod/coredns:53/tcp ALLOWED: no policy isolates kube-system/Pod/coredns for ingress
              why: K-6
        "#]],
    );
}

#[test]
fn an_engine_that_enforces_nothing_is_not_asked() {
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n";
    assert!(!findings(&RULE, yaml).is_empty());
    expect![""].assert_eq(&findings_on(&RULE, yaml, "flannel", Cloud::all()));
}

#[test]
fn the_manifest_of_the_fix_settles_it() {
    for policies in ["", "default-deny-ingress"] {
        let mut yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\n\
                            spec: {containers: []}\n"
            .to_owned();
        if !policies.is_empty() {
            // The name is taken: the fix must not overwrite that policy.
            yaml += "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: \
                         {name: default-deny-ingress, namespace: shop}\nspec: {podSelector: {}, \
                         policyTypes: [Egress]}\n";
        }
        let found = findings(&RULE, &yaml);
        let lines = found.lines().filter_map(|line| line.strip_prefix("    | "));
        let manifest = lines.map(|line| format!("{line}\n")).collect::<String>();
        expect![""].assert_eq(&findings(&RULE, &format!("{yaml}---\n{manifest}")));
    }
}
