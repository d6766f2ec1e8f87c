use expect_test::expect;

use super::RULE;
use crate::rules::testing::findings;

/// Namespaces `db` and `shop`, a pod in each, and a policy of `db` with these peers.
fn db(peers: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Namespace
metadata: {{name: db, labels: {{team: storage}}}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: shop, labels: {{team: sales, env: prod}}}}
---{}",
        pods(peers)
    )
}

fn pods(peers: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: db, namespace: db, labels: {{app: db}}}}
spec: {{containers: [{{name: c, ports: [{{containerPort: 5432}}]}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: api, namespace: shop, labels: {{app: api}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: guard, namespace: db}}
spec:
  podSelector: {{}}
  ingress:
  - from:
{peers}
"
    )
}

// K-36
#[test]
fn the_name_under_a_key_of_its_own() {
    let yaml = db("    - namespaceSelector:
        matchLabels:
          name: shop
      podSelector: {matchLabels: {app: api}}
    - namespaceSelector: {matchLabels: {\"name\": 'shop'}}");
    expect![[r#"
        warning[WT403] a namespaceSelector of NetworkPolicy `db/guard` selects no namespace: namespace `shop` has no label `name=shop`
          about: NetworkPolicy db/guard
          at t.yaml:28:11: `name: shop` `name` is a label like any other, not the name
          at t.yaml:30:7: `namespaceSelector: {matchLabels: {"name": 'shop'}}` and here
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:21:18]
          why: K-36 K-35
          fix: name the namespace by `kubernetes.io/metadata.name: shop`
            t.yaml:28:11: "name" => "kubernetes.io/metadata.name"
            t.yaml:30:42: "name" => "kubernetes.io/metadata.name"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn the_name_label_misspelt() {
    let yaml = db("    - namespaceSelector:
        matchExpressions:
        - {key: kubernetes.io/metadata-name, operator: In, values: [shop]}");
    expect![[r#"
        warning[WT403] a namespaceSelector of NetworkPolicy `db/guard` selects no namespace: namespace `shop` has no label `kubernetes.io/metadata-name=shop`
          about: NetworkPolicy db/guard
          at t.yaml:28:11: `{key: kubernetes.io/metadata-name, operator: In, values: [shop]}` `kubernetes.io/metadata-name` is a label like any other, not the name
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:21:18]
          why: K-36 K-35
          fix: name the namespace by `kubernetes.io/metadata.name: shop`
            t.yaml:28:17: "kubernetes.io/metadata-name" => "kubernetes.io/metadata.name"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// The namespace may be one of those that the input leaves out.
#[test]
fn the_name_of_a_namespace_that_is_not_there() {
    let yaml = db("    - namespaceSelector: {matchLabels: {name: monitoring}}");
    expect![[r#"
        note[WT403] a namespaceSelector of NetworkPolicy `db/guard` selects no namespace: none in the input has the label `name=monitoring`
          about: NetworkPolicy db/guard
          at t.yaml:26:41: `name: monitoring` `name` is a label like any other, not the name
          why: K-36 K-35
          fix: name the namespace by `kubernetes.io/metadata.name: monitoring`
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn another_label() {
    let yaml = db("    - namespaceSelector: {matchLabels: {team: payments}}");
    expect![[r#"
        warning[WT403] a namespaceSelector of NetworkPolicy `db/guard` selects no namespace: none in the input has the label `team=payments`
          about: NetworkPolicy db/guard
          at t.yaml:26:41: `team: payments` there is `team=sales` and `team=storage`
          why: K-25 K-45
    "#]].assert_eq(&findings(&RULE, &yaml));
    let yaml = db("    - namespaceSelector: {matchLabels: {zone: a}}");
    expect![[r#"
        warning[WT403] a namespaceSelector of NetworkPolicy `db/guard` selects no namespace: none in the input has the label `zone=a`
          about: NetworkPolicy db/guard
          at t.yaml:26:41: `zone: a` no namespace has a label `zone`
          why: K-25 K-45
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn another_label_misspelt() {
    let yaml = db("    - namespaceSelector: {matchLabels: {team: Sales}}");
    expect![[r#"
        warning[WT403] a namespaceSelector of NetworkPolicy `db/guard` selects no namespace: none in the input has the label `team=Sales`
          about: NetworkPolicy db/guard
          at t.yaml:26:41: `team: Sales` namespace `shop` has `team=sales`
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:21:18]
          why: K-25 K-45
          fix: select `team=sales`
            t.yaml:26:47: "Sales" => "sales"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn labels_of_two_namespaces() {
    let yaml = db("    - namespaceSelector: {matchLabels: {team: storage, env: prod}}");
    expect![[r#"
        warning[WT403] a namespaceSelector of NetworkPolicy `db/guard` selects no namespace: none in the input has all of `team=storage,env=prod`
          about: NetworkPolicy db/guard
          at t.yaml:26:41: `team: storage` namespace `shop` has `team=sales`
          why: K-25 K-45
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// M-3: without Namespace objects no label but the name is known.
#[test]
fn no_namespace_objects() {
    let yaml = pods("    - namespaceSelector: {matchLabels: {name: shop}}");
    expect![[r#"
        note[WT403] a namespaceSelector of NetworkPolicy `db/guard` selects no namespace: namespace `shop` has no label `name=shop`
          about: NetworkPolicy db/guard
          at t.yaml:18:41: `name: shop` `name` is a label like any other, not the name
          evidence: shop/Pod/api -> db/Pod/db:5432/tcp DENIED: NetworkPolicy db/guard isolates db/Pod/db for ingress and none of its rules matches [t.yaml:13:18]
          note: the input has no Namespace objects: the labels of the cluster's namespaces are not known
          why: K-36 K-35
          fix: name the namespace by `kubernetes.io/metadata.name: shop`
            t.yaml:18:41: "name" => "kubernetes.io/metadata.name"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn selectors_that_select() {
    let yaml = db("    - namespaceSelector: {}
    - namespaceSelector: {matchLabels: {team: sales}}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
    - podSelector: {}");
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// WT402 speaks of these; `NotIn` may well fit a namespace that is not in the input.
#[test]
fn selectors_that_others_speak_of() {
    let yaml = db(
        "    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}
    - namespaceSelector:
        matchExpressions:
        - {key: kubernetes.io/metadata.name, operator: NotIn, values: [db, shop]}
    - namespaceSelector:
        matchExpressions:
        - {key: team, operator: Exists}
        - {key: team, operator: DoesNotExist}",
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}
