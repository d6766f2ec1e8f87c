use expect_test::expect;

use super::RULE;
use crate::rules::testing::findings;

/// `monitoring` has prometheus and grafana, `shop` has web and prometheus; a policy of `shop`.
fn shop(spec: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: prometheus, namespace: monitoring, labels: {{app: prometheus}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: grafana, namespace: monitoring, labels: {{app: grafana}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec: {{containers: [{{name: c, ports: [{{containerPort: 9090}}]}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: cache, namespace: shop, labels: {{app: cache}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: guard, namespace: shop}}
spec:
{spec}
"
    )
}

// K-27
#[test]
fn a_dash_too_many() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: monitoring
    # scrapes
    - podSelector:
        matchLabels:
          app: prometheus
    ports:
    - port: 9090",
    );
    expect![[r#"
        warning[WT405] ingress rule 1 of NetworkPolicy `shop/guard` admits 2 workloads; with these two peers joined it would be 1
          about: NetworkPolicy shop/guard
          at t.yaml:30:7: `podSelector:` this is an alternative, not a condition on the item before it
          at t.yaml:26:7: `namespaceSelector:` this item stands alone
          evidence: monitoring/Pod/grafana -> shop/Pod/web:9090/tcp ALLOWED: NetworkPolicy shop/guard ingress rule 1 allows it [t.yaml:25:5]
          why: K-27 K-26
          fix: write both selectors in one item if both are meant to hold
            t.yaml:30:5: "-" => " "
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_dash_too_many_in_the_other_order() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
  - to:
    -   podSelector: {matchLabels: {app: prometheus}}
    -   namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}",
    );
    expect![[r#"
        warning[WT405] egress rule 1 of NetworkPolicy `shop/guard` reaches 2 workloads; with these two peers joined it would be 1
          about: NetworkPolicy shop/guard
          at t.yaml:28:9: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}` this is an alternative, not a condition on the item before it
          at t.yaml:27:9: `podSelector: {matchLabels: {app: prometheus}}` this item stands alone
          evidence: shop/Pod/web -> monitoring/Pod/grafana:80/tcp ALLOWED: NetworkPolicy shop/guard egress rule 1 allows it [t.yaml:26:5]
          why: K-27 K-26
          fix: write both selectors in one item if both are meant to hold
            t.yaml:28:5: "-" => " "
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn flow_style_gets_advice() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{namespaceSelector: {}}, {podSelector: {matchLabels: {app: prometheus}}}]}]",
    );
    expect![[r#"
        warning[WT405] ingress rule 1 of NetworkPolicy `shop/guard` admits 5 workloads; with these two peers joined it would be 1
          about: NetworkPolicy shop/guard
          at t.yaml:24:46: `{podSelector: {matchLabels: {app: prometheus}}}` this is an alternative, not a condition on the item before it
          at t.yaml:24:21: `{namespaceSelector: {}}` this item stands alone
          evidence: monitoring/Pod/grafana -> shop/Pod/web:9090/tcp ALLOWED: NetworkPolicy shop/guard ingress rule 1 allows it [t.yaml:24:13]
          why: K-27 K-26
          fix: write both selectors in one item if both are meant to hold
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_split_that_changes_nothing() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - podSelector: {matchLabels: {app: cache}}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
      podSelector: {matchLabels: {app: grafana}}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
    - podSelector: {matchLabels: {app: prometheus}}
    - ipBlock: {cidr: 192.0.2.0/24}",
    );
    // Joined, the rule would admit as many: grafana and prometheus are all of `monitoring`.
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// K-28: "and everybody of my own namespace".
#[test]
fn all_pods_of_the_own_namespace() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - podSelector: {}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}",
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// No pod of `monitoring` has app=cache: the two are meant apart.
#[test]
fn two_peers_meant_apart() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
    - podSelector: {matchLabels: {app: cache}}",
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn joined_already() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
      podSelector: {matchLabels: {app: prometheus}}
    - podSelector: {matchLabels: {app: prometheus}}",
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// K-10: the section is inert.
#[test]
fn rules_that_are_not_in_force() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - namespaceSelector: {}
    - podSelector: {matchLabels: {app: prometheus}}",
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// M-2: the DNS that is assumed is one of those that are reached.
#[test]
fn dns_of_an_input_without_it() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {}
    - podSelector: {matchLabels: {k8s-app: kube-dns}}
    ports: [{port: 53, protocol: UDP}]",
    );
    expect![[r#"
        warning[WT405] egress rule 1 of NetworkPolicy `shop/guard` reaches 5 workloads; with these two peers joined it would be 1
          about: NetworkPolicy shop/guard
          at t.yaml:28:7: `podSelector: {matchLabels: {k8s-app: kube-dns}}` this is an alternative, not a condition on the item before it
          at t.yaml:27:7: `namespaceSelector: {}` this item stands alone
          evidence: shop/Pod/web -> monitoring/Pod/prometheus:53/udp ALLOWED: NetworkPolicy shop/guard egress rule 1 allows it [t.yaml:26:5]
          why: K-27 K-26
          fix: write both selectors in one item if both are meant to hold
            t.yaml:28:5: "-" => " "
    "#]].assert_eq(&findings(&RULE, &yaml));
    // Of kube-system nothing else is known.
    let named = "{matchLabels: {kubernetes.io/metadata.name: kube-system}}";
    let yaml = yaml.replace(
        "namespaceSelector: {}",
        &format!("namespaceSelector: {named}"),
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}
