use expect_test::expect;

use super::RULE;
use crate::rules::testing::findings;

/// `db` (pod db, app=db, 5432) and `shop` (pods api and web), and a policy of `db` with one rule.
fn db(rule: &str) -> String {
    format!(
        "{}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: guard, namespace: db}}
spec:
  podSelector: {{}}
  ingress:
{rule}
",
        world()
    )
}

fn world() -> &'static str {
    "
apiVersion: v1
kind: Namespace
metadata: {name: db}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: db, labels: {app: db}}
spec: {containers: [{name: c, ports: [{containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api, tier: backend}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web, tier: frontend}}
"
}

// K-24: the most common mistake.
#[test]
fn pods_of_another_namespace() {
    let yaml = db("  - from:
    - podSelector:
        matchLabels:
          app: api
    ports:
    - port: 5432");
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: pods with `app=api` are in `shop`, not in `db`
          about: NetworkPolicy db/guard
          at t.yaml:30:7: `podSelector:` without a namespaceSelector this means pods of `db`
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:25:18]
          why: K-24 V-28
          fix: add a namespaceSelector for `shop` if its pods are meant
            t.yaml:30:7: "" => "namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: shop\n      "
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn pods_of_another_namespace_in_flow_style() {
    let yaml = db("  - from: [{podSelector: {matchLabels: {app: api}}}]");
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: pods with `app=api` are in `shop`, not in `db`
          about: NetworkPolicy db/guard
          at t.yaml:29:12: `{podSelector: {matchLabels: {app: api}}}` without a namespaceSelector this means pods of `db`
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:25:18]
          why: K-24 V-28
          fix: add a namespaceSelector for `shop` if its pods are meant
            t.yaml:29:13: "" => "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, "
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// The dash is not on the line of the selector's key: no edit could be trusted.
#[test]
fn pods_of_another_namespace_behind_an_anchor() {
    let yaml = db("  - from:
    - &peer
      podSelector: {matchLabels: {app: api}}
  - from: [*peer]
    ports: [{port: 80}]");
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: pods with `app=api` are in `shop`, not in `db`
          about: NetworkPolicy db/guard
          at t.yaml:31:7: `podSelector: {matchLabels: {app: api}}` without a namespaceSelector this means pods of `db`
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:25:18]
          why: K-24 V-28
          fix: add a namespaceSelector for `shop` if its pods are meant
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn pods_of_several_other_namespaces() {
    let more = "
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop2, labels: {app: api}}
---";
    let yaml = format!(
        "{more}{}",
        db("  - from: [{podSelector: {matchLabels: {app: api}}}]")
    );
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: pods with `app=api` are in `shop` and `shop2`, not in `db`
          about: NetworkPolicy db/guard
          at t.yaml:33:12: `{podSelector: {matchLabels: {app: api}}}` without a namespaceSelector this means pods of `db`
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:29:18]
          why: K-24 V-28
          fix: add a namespaceSelector for the namespaces that are meant
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-26
#[test]
fn the_wrong_namespace() {
    let yaml = db("  - from:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: db}}
      podSelector: {matchLabels: {app: api}}");
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: pods with `app=api` are in `shop`, not in `db`
          about: NetworkPolicy db/guard
          at t.yaml:30:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: db}}` 
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:25:18]
          why: K-26 V-28
          fix: use a namespaceSelector for `shop` if its pods are meant
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_misspelt_label() {
    let yaml = db("  - from:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
      podSelector: {matchLabels: {tier: back-end}}");
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: no pod of `shop` has `tier=back-end`
          about: NetworkPolicy db/guard
          at t.yaml:31:35: `tier: back-end` shop/Pod/api has `tier=backend`
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:25:18]
          why: K-26 V-28
          fix: select `tier=backend`
            t.yaml:31:41: "back-end" => "backend"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_misspelt_label_in_egress() {
    let yaml = format!(
        "{}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: api, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: api}}}}
  policyTypes: [Egress]
  egress:
  - to:
    - podSelector: {{matchLabels: {{app: Web}}}}
    ports: [{{port: 8080}}]
",
        world()
    );
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `shop/api` selects no pod: no pod of `shop` has `app=Web`
          about: NetworkPolicy shop/api
          at t.yaml:31:35: `app: Web` shop/Pod/web has `app=web`
          evidence: shop/Pod/api -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/api isolates shop/Pod/api for egress and none of its rules matches [t.yaml:25:18]
          why: K-24 V-28
          fix: select `app=web`
            t.yaml:31:40: "Web" => "web"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_misspelt_namespace() {
    let yaml = db("  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: \"shops\"");
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: there is no namespace `shops` in the input, but there is `shop`
          about: NetworkPolicy db/guard
          at t.yaml:32:11: `kubernetes.io/metadata.name: "shops"` 
          why: K-36 V-28
          fix: name `shop` if that is the one
            t.yaml:32:41: "shops" => "shop"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-46
#[test]
fn a_contradiction() {
    let yaml = db("  - from:
    - podSelector:
        matchExpressions:
        - {key: app, operator: Exists}
        - {key: app, operator: DoesNotExist}");
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: its selector contradicts itself
          about: NetworkPolicy db/guard
          at t.yaml:32:11: `{key: app, operator: Exists}` these exclude each other
          at t.yaml:33:11: `{key: app, operator: DoesNotExist}` these exclude each other
          why: K-46 V-28
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-72
#[test]
fn host_network_peers() {
    let more = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ingress, namespace: shop}
spec:
  template:
    metadata: {labels: {app: ingress}}
    spec: {hostNetwork: true}
---";
    let peer = "  - from:
    - namespaceSelector: {}
      podSelector: {matchLabels: {app: ingress}}
    ports: [{port: 5432}]";
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: only host-network pods have its labels (shop/DaemonSet/ingress), and no selector matches those
          about: NetworkPolicy db/guard
          at t.yaml:38:7: `namespaceSelector: {}` matches nobody
          at t.yaml:8:25: `true` on the host network
          evidence: shop/DaemonSet/ingress -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:33:18]
          why: K-72
          fix: allow the addresses of the nodes with an ipBlock, or take the pods off the host network
    "#]].assert_eq(&findings(&RULE, &format!("{more}{}", db(peer))));
}

// Repositories rarely hold all of a cluster.
#[test]
fn missing_namespaces_are_noted_once() {
    let peer = "  - from:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}
      podSelector: {matchLabels: {app: controller}}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: metrics-server}}";
    expect![[r#"
        note[WT402] namespace `ingress-nginx` is not in the input: what 2 peers select cannot be judged
          about: NetworkPolicy db/guard
          at t.yaml:30:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}` 
          at t.yaml:31:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}` 
          why: V-28
    "#]].assert_eq(&findings(&RULE, &db(peer)));
}

#[test]
fn a_namespace_without_pods_is_noted_once() {
    let more = "
apiVersion: v1
kind: Namespace
metadata: {name: monitoring}
---";
    let peer = "  - from:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
      podSelector: {matchLabels: {app: prometheus}}";
    expect![[r#"
        note[WT402] namespace `monitoring` has no pods in the input: what 2 peers select cannot be judged
          about: NetworkPolicy db/guard
          at t.yaml:34:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}` 
          at t.yaml:35:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}` 
          why: V-28
    "#]].assert_eq(&findings(&RULE, &format!("{more}{}", db(peer))));
}

#[test]
fn labels_that_any_namespace_may_have() {
    let peer = "  - from:
    - namespaceSelector: {}
      podSelector: {matchLabels: {app.kubernetes.io/name: ingress-nginx}}";
    expect![[r#"
        note[WT402] the input has no pods with `app.kubernetes.io/name=ingress-nginx`: what 1 peer selects cannot be judged
          about: NetworkPolicy db/guard
          at t.yaml:30:7: `namespaceSelector: {}` 
          why: V-28
    "#]].assert_eq(&findings(&RULE, &db(peer)));
    // A whole cluster: the labels are wrong.
    let system = "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
---";
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: no pod of `db`, `kube-system` and `shop` has `app.kubernetes.io/name=ingress-nginx`
          about: NetworkPolicy db/guard
          at t.yaml:35:35: `app.kubernetes.io/name: ingress-nginx` no pod there has a label `app.kubernetes.io/name`
          why: K-26 V-28
    "#]].assert_eq(&findings(&RULE, &format!("{system}{}", db(peer))));
}

#[test]
fn peers_that_others_speak_of() {
    // WT403, WT303 and WT306.
    let peer = "  - from: [{namespaceSelector: {matchLabels: {name: shop}}}]
  - from: [{podSelector: {matchLabels: {component: kube-apiserver}}}]";
    expect![[""]].assert_eq(&findings(&RULE, &db(peer)));
    let yaml = format!(
        "{}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: api, namespace: shop}}
spec:
  podSelector: {{}}
  policyTypes: [Egress]
  egress:
  - to: [{{podSelector: {{matchLabels: {{k8s-app: coredns}}}}}}]
    ports: [{{port: 53, protocol: UDP}}]
",
        world()
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn peers_that_select_pods() {
    let peer = "  - from:
    - podSelector: {}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
      podSelector: {matchLabels: {app: api}}
    - ipBlock: {cidr: 10.0.0.0/8}";
    expect![[""]].assert_eq(&findings(&RULE, &db(peer)));
}

#[test]
fn policies_without_pods_are_left_to_wt401() {
    let yaml = format!(
        "{}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: guard, namespace: db}}
spec:
  podSelector: {{matchLabels: {{app: other}}}}
  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: api}}}}}}]}}]
",
        world()
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// K-33: a pod that ended or waits is still the one that is meant.
#[test]
fn pods_without_an_address() {
    let more = "
apiVersion: v1
kind: Pod
metadata: {name: migrate, namespace: db, labels: {app: migrate}}
status: {phase: Succeeded}
---";
    let peer = "  - from: [{podSelector: {matchLabels: {app: migrate}}}]";
    expect![[""]].assert_eq(&findings(&RULE, &format!("{more}{}", db(peer))));
}

#[test]
fn one_finding_for_one_mistake() {
    let peer = "  - from: [{podSelector: {matchLabels: {app: api}}}]
    ports: [{port: 5432}]
  - from: [{podSelector: {matchLabels: {app: api}}}]
    ports: [{port: 5433}]";
    expect![[r#"
        warning[WT402] a peer of NetworkPolicy `db/guard` selects no pod: pods with `app=api` are in `shop`, not in `db`
          about: NetworkPolicy db/guard
          at t.yaml:29:12: `{podSelector: {matchLabels: {app: api}}}` without a namespaceSelector this means pods of `db`
          at t.yaml:31:12: `{podSelector: {matchLabels: {app: api}}}` and here
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:25:18]
          why: K-24 V-28
          fix: add a namespaceSelector for `shop` if its pods are meant
            t.yaml:29:13: "" => "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, "
            t.yaml:31:13: "" => "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, "
    "#]].assert_eq(&findings(&RULE, &db(peer)));
}
