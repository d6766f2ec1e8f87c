//! WT105: sections that open, sections that fail to allow, and Cilium, where they act.

use expect_test::{Expect, expect};

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

#[test]
fn k_10_x_13_ingress_is_not_limited() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
"#,
        expect![[r#"
            warning[WT105] `shop/web` does not limit ingress: policyTypes leaves Ingress out, so its ingress rule does nothing
              about: NetworkPolicy shop/web
              at t.yaml:17:16: `[Egress]` Ingress is missing
              at t.yaml:19:5: `from:` does nothing
              evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp ALLOWED: no policy isolates shop/Pod/web for ingress
              why: K-10 X-13
              fix: add Ingress to policyTypes, or delete the ingress section
        "#]],
    );
}

#[test]
fn k_10_egress_is_not_limited() {
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
  policyTypes:
  - Ingress
  egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/8}}]
  - to: [{ipBlock: {cidr: 192.168.0.0/16}}]
"#,
        expect![[r#"
            warning[WT105] `shop/web` does not limit egress: policyTypes leaves Egress out, so its 2 egress rules do nothing
              about: NetworkPolicy shop/web
              at t.yaml:13:3: `- Ingress` Egress is missing
              at t.yaml:15:5: `to: [{ipBlock: {cidr: 10.0.0.0/8}}]` does nothing
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-10 X-13
              fix: add Egress to policyTypes, or delete the egress section
        "#]],
    );
}

#[test]
fn k_10_what_the_rules_list_is_denied() {
    // Another policy isolates the pod.
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"#,
        expect![[r#"
            warning[WT105] `shop/web` does not allow what its ingress rule lists: policyTypes leaves Ingress out
              about: NetworkPolicy shop/web
              at t.yaml:17:16: `[Egress]` Ingress is missing
              at t.yaml:19:5: `from:` does nothing
              evidence: shop/Pod/front -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/deny isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:25:18]
              why: K-10 X-13
              fix: add Ingress to policyTypes, or delete the ingress section
        "#]],
    );
}

#[test]
fn k_10_addresses_and_named_ports() {
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
spec: {containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress: [{}]
  egress:
  - to: [{podSelector: {matchLabels: {app: db}}}]
    ports: [{port: pg}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
"#,
        expect![[r#"
            warning[WT105] `shop/a` does not allow what its egress rule lists: policyTypes leaves Egress out
              about: NetworkPolicy shop/a
              at t.yaml:17:16: `[Ingress]` Egress is missing
              at t.yaml:20:5: `to: [{podSelector: {matchLabels: {app: db}}}]` does nothing
              evidence: shop/Pod/web -> shop/Pod/db:5432/tcp DENIED: NetworkPolicy shop/b isolates shop/Pod/web for egress and none of its rules matches [t.yaml:25:18]
              why: K-10 X-13
              fix: add Egress to policyTypes, or delete the egress section
        "#]],
    );
}

#[test]
fn k_10_without_effect() {
    // Another policy allows the same and isolates.
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: same, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
"#,
        expect![[r#"
            note[WT105] the ingress rule of `shop/web` does nothing: policyTypes leaves Ingress out
              about: NetworkPolicy shop/web
              at t.yaml:17:16: `[Egress]` Ingress is missing
              at t.yaml:19:5: `from:` does nothing
              note: no connection was found for which that makes a difference
              why: K-10 X-13
              fix: add Ingress to policyTypes, or delete the ingress section
        "#]],
    );
}

#[test]
fn k_10_allow_all_in_an_open_direction() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress: [{}]
"#,
        expect![[r#"
            note[WT105] the egress rule of `shop/all` does nothing: policyTypes leaves Egress out
              about: NetworkPolicy shop/all
              at t.yaml:12:16: `[Ingress]` Egress is missing
              at t.yaml:13:12: `{}` does nothing
              note: no connection was found for which that makes a difference
              why: K-10 X-13
              fix: add Egress to policyTypes, or delete the egress section
        "#]],
    );
}

#[test]
fn policies_without_pods() {
    check(
        r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
"#,
        expect![[r#"
            warning[WT105] the ingress rule of `shop/web` does nothing: policyTypes leaves Ingress out
              about: NetworkPolicy shop/web
              at t.yaml:7:16: `[Egress]` Ingress is missing
              at t.yaml:9:5: `from:` does nothing
              why: K-10 X-13
              fix: add Ingress to policyTypes, or delete the ingress section
        "#]],
    );
}

#[test]
fn listed_or_empty_sections() {
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
  policyTypes: [Ingress]
  ingress: [{}]
  egress: []
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: shop}
spec:
  podSelector: {}
  ingress: [{}]
  egress: [{}]
"#,
        expect![""],
    );
}

#[test]
fn d_12_on_cilium_the_section_acts() {
    let yaml = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
"#;
    let found = findings_on(&RULE, yaml, "cilium", Cloud::all());
    expect![[r#"
        warning[WT105] `shop/web` isolates ingress on Cilium although policyTypes leaves Ingress out: its ingress rule counts here
          about: NetworkPolicy shop/web
          at t.yaml:17:16: `[Egress]` Ingress is missing
          at t.yaml:19:5: `from:` acts all the same
          evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/web isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:14:18]
          why: K-10 D-12
          fix: say in policyTypes what is meant, so that every engine does the same
    "#]].assert_eq(&found);
}

#[test]
fn d_12_on_cilium_without_effect() {
    let yaml = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: same, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
"#;
    let found = findings_on(&RULE, yaml, "cilium", Cloud::all());
    expect![[r#"
        note[WT105] `shop/web` isolates ingress on Cilium although policyTypes leaves Ingress out: its ingress rule counts here
          about: NetworkPolicy shop/web
          at t.yaml:17:16: `[Egress]` Ingress is missing
          at t.yaml:19:5: `from:` acts all the same
          note: no connection was found for which that makes a difference
          why: K-10 D-12
          fix: say in policyTypes what is meant, so that every engine does the same
    "#]].assert_eq(&found);
}
