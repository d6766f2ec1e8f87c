//! WT104: both surprises, and the defaults that harm nobody.

use expect_test::{Expect, expect};

use super::RULE;
use crate::rules::testing::findings;

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

#[test]
fn k_8_egress_rules_isolate_ingress_too() {
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
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: blog, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web-egress, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  egress:
  - ports: [{port: 443}]
"#,
        expect![[r#"
            warning[WT104] `shop/web-egress` denies ingress as well, for want of policyTypes: nobody can connect to `shop/Deployment/web`
              about: NetworkPolicy shop/web-egress
              at t.yaml:22:5: `ports: [{port: 443}]` with egress rules, the default is [Ingress, Egress]
              at t.yaml:20:16: `{matchLabels: {app: web}}` isolated for ingress too
              evidence: blog/Pod/www -> shop/Deployment/web:8080/tcp DENIED: NetworkPolicy shop/web-egress isolates shop/Deployment/web for ingress and none of its rules matches [t.yaml:18:18]
              note: probes of the kubelet still pass: a node reaches its own pods (K-73)
              why: K-8 K-11
              fix: write `policyTypes: [Egress]` if ingress is none of this policy's business, or `policyTypes: [Ingress, Egress]` if it is to be denied
        "#]],
    );
}

#[test]
fn k_8_several_such_policies() {
    // Together they are the cause, and each must be changed.
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: dns, namespace: shop}
spec:
  podSelector: {}
  egress:
  - ports: [{port: 53, protocol: UDP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  egress:
  - ports: [{port: 443}]
"#,
        expect![[r#"
            warning[WT104] `shop/dns` denies ingress as well, for want of policyTypes: nobody can connect to `shop/Pod/web`
              about: NetworkPolicy shop/dns
              at t.yaml:13:5: `ports: [{port: 53, protocol: UDP}]` with egress rules, the default is [Ingress, Egress]
              at t.yaml:11:16: `{}` isolated for ingress too
              evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/dns isolates shop/Pod/web for ingress and no rule of it or of 1 more policy matches [t.yaml:9:18]
              note: probes of the kubelet still pass: a node reaches its own pods (K-73)
              why: K-8 K-11
              fix: write `policyTypes: [Egress]` if ingress is none of this policy's business, or `policyTypes: [Ingress, Egress]` if it is to be denied
            warning[WT104] `shop/web` denies ingress as well, for want of policyTypes: nobody can connect to `shop/Pod/web`
              about: NetworkPolicy shop/web
              at t.yaml:21:5: `ports: [{port: 443}]` with egress rules, the default is [Ingress, Egress]
              at t.yaml:19:16: `{matchLabels: {app: web}}` isolated for ingress too
              evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/dns isolates shop/Pod/web for ingress and no rule of it or of 1 more policy matches [t.yaml:9:18]
              note: probes of the kubelet still pass: a node reaches its own pods (K-73)
              why: K-8 K-11
              fix: write `policyTypes: [Egress]` if ingress is none of this policy's business, or `policyTypes: [Ingress, Egress]` if it is to be denied
        "#]],
    );
}

#[test]
fn only_pods_that_were_open() {
    // Ingress of db is isolated anyway.
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {}
  egress:
  - ports: [{port: 443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{}]
"#,
        expect![[r#"
            warning[WT104] `shop/out` denies ingress as well, for want of policyTypes: nobody can connect to `shop/Pod/web`
              about: NetworkPolicy shop/out
              at t.yaml:18:5: `ports: [{port: 443}]` with egress rules, the default is [Ingress, Egress]
              at t.yaml:16:16: `{}` isolated for ingress too
              evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/out isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:14:18]
              note: probes of the kubelet still pass: a node reaches its own pods (K-73)
              why: K-8 K-11
              fix: write `policyTypes: [Egress]` if ingress is none of this policy's business, or `policyTypes: [Ingress, Egress]` if it is to be denied
        "#]],
    );
}

#[test]
fn ingress_is_isolated_anyway() {
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
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: dns, namespace: shop}
spec:
  podSelector: {}
  egress:
  - ports: [{port: 443}]
"#,
        expect![""],
    );
}

#[test]
fn harmless_defaults() {
    // The common case; rules in both sections; ingress denied in so many words; types written.
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{}]
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: blog, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: blog}
spec:
  podSelector: {}
  ingress: [{}]
  egress:
  - ports: [{port: 443}]
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: wiki, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: c, namespace: wiki}
spec:
  podSelector: {}
  ingress: []
  egress:
  - ports: [{port: 443}]
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: mail, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: d, namespace: mail}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - ports: [{port: 443}]
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: news, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: e, namespace: news}
spec:
  podSelector: {}
"#,
        expect![""],
    );
}

#[test]
fn k_9_empty_egress_denies_nothing() {
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
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-egress, namespace: shop}
spec:
  podSelector: {}
  egress: []
"#,
        expect![[r#"
            warning[WT104] `shop/deny-egress` does not deny egress: without policyTypes, `egress: []` counts as missing, so `shop/Deployment/web` can connect to everything
              about: NetworkPolicy shop/deny-egress
              at t.yaml:16:11: `[]` no rule, so the default is [Ingress]
              at t.yaml:15:16: `{}` not isolated for egress
              evidence: shop/Deployment/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
              evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
              note: what it does deny is ingress, which it does not mention (K-8)
              why: K-9
              fix: add `policyTypes: [Ingress, Egress]`, and allow DNS and the connections that the pods need
                t.yaml:16:11: "[]" => "[]\n  policyTypes: [Ingress, Egress]"
        "#]],
    );
}

#[test]
fn k_9_beside_ingress_rules() {
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
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {}}]
  egress: []
"#,
        expect![[r#"
            warning[WT104] `shop/web` does not deny egress: without policyTypes, `egress: []` counts as missing, so `shop/Pod/web` can connect to everything
              about: NetworkPolicy shop/web
              at t.yaml:14:11: `[]` no rule, so the default is [Ingress]
              at t.yaml:11:16: `{matchLabels: {app: web}}` not isolated for egress
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-9
              fix: add `policyTypes: [Ingress, Egress]`, and allow DNS and the connections that the pods need
                t.yaml:14:11: "[]" => "[]\n  policyTypes: [Ingress, Egress]"
        "#]],
    );
}

#[test]
fn k_8_empty_policy_types_count_as_missing() {
    // No edit: the field would be there twice.
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-egress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: []
  egress: []
"#,
        expect![[r#"
            warning[WT104] `shop/deny-egress` does not deny egress: without policyTypes, `egress: []` counts as missing, so `shop/Pod/web` can connect to everything
              about: NetworkPolicy shop/deny-egress
              at t.yaml:13:11: `[]` no rule, so the default is [Ingress]
              at t.yaml:11:16: `{}` not isolated for egress
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              note: what it does deny is ingress, which it does not mention (K-8)
              why: K-9
              fix: add `policyTypes: [Ingress, Egress]`, and allow DNS and the connections that the pods need
        "#]],
    );
}

#[test]
fn k_9_egress_is_isolated_anyway() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: shop}
spec:
  podSelector: {}
  egress: []
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
"#,
        expect![""],
    );
}

#[test]
fn k_9_policy_types_written() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  egress: []
"#,
        expect![""],
    );
}

#[test]
fn policies_without_pods() {
    check(
        r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  egress:
  - ports: [{port: 443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-egress, namespace: blog}
spec:
  podSelector: {}
  egress: []
"#,
        expect![[r#"
            warning[WT104] `shop/out` denies ingress as well, for want of policyTypes: nobody can connect to the pods it selects
              about: NetworkPolicy shop/out
              at t.yaml:8:5: `ports: [{port: 443}]` with egress rules, the default is [Ingress, Egress]
              at t.yaml:6:16: `{matchLabels: {app: web}}` isolated for ingress too
              note: the input has no pods of `shop`; this holds for every pod that the policy selects
              note: probes of the kubelet still pass: a node reaches its own pods (K-73)
              why: K-8 K-11
              fix: write `policyTypes: [Egress]` if ingress is none of this policy's business, or `policyTypes: [Ingress, Egress]` if it is to be denied
            warning[WT104] `blog/deny-egress` does not deny egress: without policyTypes, `egress: []` counts as missing
              about: NetworkPolicy blog/deny-egress
              at t.yaml:15:11: `[]` no rule, so the default is [Ingress]
              at t.yaml:14:16: `{}` not isolated for egress
              note: the input has no pods of `blog`; this holds for every pod that the policy selects
              note: what it does deny is ingress, which it does not mention (K-8)
              why: K-9
              fix: add `policyTypes: [Ingress, Egress]`, and allow DNS and the connections that the pods need
                t.yaml:15:11: "[]" => "[]\n  policyTypes: [Ingress, Egress]"
        "#]],
    );
}

#[test]
fn policies_without_pods_beside_others() {
    check(
        r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {}
  egress:
  - ports: [{port: 443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: in, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-egress, namespace: blog}
spec:
  podSelector: {}
  egress: []
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: blog}
spec:
  podSelector: {}
  policyTypes: [Egress]
"#,
        expect![""],
    );
}

#[test]
fn policies_that_select_nothing_are_left_to_others() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {matchLabels: {app: wbe}}
  egress:
  - ports: [{port: 443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: none, namespace: shop}
spec:
  podSelector: {matchLabels: {app: wbe}}
  egress: []
"#,
        expect![""],
    );
}
