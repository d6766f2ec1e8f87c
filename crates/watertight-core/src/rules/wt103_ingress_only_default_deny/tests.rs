//! WT103: spellings of policyTypes, near misses, and edits that keep the policy valid.

use expect_test::{Expect, expect};

use super::RULE;
use crate::rules::testing::findings;

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

#[test]
fn k_12_policy_types_in_flow_style() {
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
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/default-deny` is for ingress only: 2 workloads of `shop` can connect to everything
              about: NetworkPolicy shop/default-deny
              at t.yaml:25:16: `[Ingress]` Egress is missing
              evidence: shop/Deployment/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
              evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
              why: K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need
                t.yaml:25:16: "[Ingress]" => "[Ingress, Egress]"
        "#]],
    );
}

#[test]
fn policy_types_in_block_style() {
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
  policyTypes:
  - Ingress
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/default-deny` is for ingress only: 1 workload of `shop` can connect to everything
              about: NetworkPolicy shop/default-deny
              at t.yaml:13:3: `- Ingress` Egress is missing
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need
                t.yaml:13:3: "- Ingress" => "- Ingress\n  - Egress"
        "#]],
    );
}

#[test]
fn quoted_and_indented_block_style() {
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
  policyTypes:
    - "Ingress"
  podSelector: {}
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/default-deny` is for ingress only: 1 workload of `shop` can connect to everything
              about: NetworkPolicy shop/default-deny
              at t.yaml:12:5: `- "Ingress"` Egress is missing
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need
                t.yaml:12:5: "- \"Ingress\"" => "- \"Ingress\"\n    - \"Egress\""
        "#]],
    );
}

#[test]
fn json() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "d", "namespace": "shop"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/d` is for ingress only: 1 workload of `shop` can connect to everything
              about: NetworkPolicy shop/d
              at t.yaml:7:156: `["Ingress"]` Egress is missing
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need
                t.yaml:7:156: "[\"Ingress\"]" => "[\"Ingress\", \"Egress\"]"
        "#]],
    );
}

#[test]
fn k_8_policy_types_by_default() {
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
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/default-deny` is for ingress only: 1 workload of `shop` can connect to everything
              about: NetworkPolicy shop/default-deny
              at t.yaml:11:16: `{}` all pods, but policyTypes is not written: Ingress only
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-8 K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need
                t.yaml:11:16: "{}" => "{}\n  policyTypes: [Ingress, Egress]"
        "#]],
    );
}

#[test]
fn k_8_flow_style_is_not_edited() {
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
spec: {
  podSelector: {}
}
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/default-deny` is for ingress only: 1 workload of `shop` can connect to everything
              about: NetworkPolicy shop/default-deny
              at t.yaml:11:16: `{}` all pods, but policyTypes is not written: Ingress only
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-8 K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need: `policyTypes: [Ingress, Egress]`
        "#]],
    );
}

#[test]
fn k_5_without_spec() {
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
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/default-deny` is for ingress only: 1 workload of `shop` can connect to everything
              about: NetworkPolicy shop/default-deny
              at t.yaml:9:18: `default-deny` all pods, but policyTypes is not written: Ingress only
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-8 K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need: `policyTypes: [Ingress, Egress]`
        "#]],
    );
}

#[test]
fn k_5_repeated_type_is_not_edited() {
    // V-5: valid, and unusual enough to leave alone.
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
  policyTypes: [Ingress, Ingress]
  egress: []
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/default-deny` is for ingress only: 1 workload of `shop` can connect to everything
              about: NetworkPolicy shop/default-deny
              at t.yaml:12:16: `[Ingress, Ingress]` Egress is missing
              at t.yaml:13:11: `[]` an empty list adds nothing
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need: `policyTypes: [Ingress, Egress]`
        "#]],
    );
}

#[test]
fn only_those_that_are_open() {
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
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/default-deny` is for ingress only: `shop/Deployment/db` can connect to everything
              about: NetworkPolicy shop/default-deny
              at t.yaml:25:16: `[Ingress]` Egress is missing
              evidence: shop/Deployment/db -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Deployment/db for egress
              evidence: shop/Deployment/db -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Deployment/db for egress
              why: K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need
                t.yaml:25:16: "[Ingress]" => "[Ingress, Egress]"
        "#]],
    );
}

#[test]
fn policies_without_pods() {
    check(
        r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/default-deny` is for ingress only, and no policy of `shop` limits egress
              about: NetworkPolicy shop/default-deny
              at t.yaml:7:16: `[Ingress]` Egress is missing
              note: the input has no pods of `shop`; this holds for every pod there
              why: K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need
                t.yaml:7:16: "[Ingress]" => "[Ingress, Egress]"
        "#]],
    );
}

#[test]
fn policies_without_pods_and_egress_elsewhere() {
    check(
        r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
"#,
        expect![""],
    );
}

#[test]
fn egress_is_isolated_by_another_policy() {
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
metadata: {name: deny-egress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
"#,
        expect![""],
    );
}

#[test]
fn no_default_deny() {
    // Selects some pods; allows something; covers both; is for egress.
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
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: shop}
spec:
  podSelector: {}
  ingress: [{}]
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: blog, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: c, namespace: blog}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: wiki, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: d, namespace: wiki}
spec:
  podSelector: {}
  policyTypes: [Egress]
"#,
        expect![""],
    );
}

#[test]
fn k_9_empty_egress_without_policy_types_is_wt104() {
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
metadata: {name: deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"#,
        expect![[r#"
            warning[WT103] the default deny `shop/deny` is for ingress only: 1 workload of `shop` can connect to everything
              about: NetworkPolicy shop/deny
              at t.yaml:13:16: `[Ingress]` Egress is missing
              evidence: shop/Pod/web -> ip:2001:db8::10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              evidence: shop/Pod/web -> ip:fd00:ec2::23:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
              why: K-12 X-3
              fix: add Egress, and allow DNS and the connections that the pods need
                t.yaml:13:16: "[Ingress]" => "[Ingress, Egress]"
        "#]],
    );
}

#[test]
fn the_edits_leave_valid_policies_that_cover_both() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n---\n";
    let head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: \
                    d}\nspec:\n";
    for (spec, old, new) in [
        (
            "  podSelector: {}\n  policyTypes: [Ingress]\n",
            "[Ingress]",
            "[Ingress, Egress]",
        ),
        (
            "  policyTypes:\n  - Ingress\n  podSelector: {}\n",
            "- Ingress",
            "- Ingress\n  - Egress",
        ),
        (
            "  podSelector: {}\n",
            "{}",
            "{}\n  policyTypes: [Ingress, Egress]",
        ),
    ] {
        let found = findings(&RULE, &format!("{pod}{head}{spec}"));
        assert!(found.contains(&format!("{old:?} => {new:?}")), "{found}");
        let fixed = spec.replace(old, new);
        expect![""].assert_eq(&findings(&RULE, &format!("{pod}{head}{fixed}")));
    }
}
