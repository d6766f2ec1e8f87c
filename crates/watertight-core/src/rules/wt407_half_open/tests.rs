use expect_test::expect;

use super::RULE;
use crate::rules::testing::findings;

/// `shop` with web and worker (tier=back), `db` with pg (5432) and redis (6379), and these policies.
fn world(policies: &[&str]) -> String {
    let pods = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: sales}}
---
apiVersion: v1
kind: Namespace
metadata: {name: db, labels: {team: storage}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web, tier: back}}
---
apiVersion: v1
kind: Pod
metadata: {name: worker, namespace: shop, labels: {app: worker, tier: back}}
---
apiVersion: v1
kind: Pod
metadata: {name: pg, namespace: db, labels: {app: pg}}
spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: redis, namespace: db, labels: {app: redis}}
spec: {containers: [{name: c, ports: [{containerPort: 6379}]}]}
";
    let mut all = pods.to_owned();
    for policy in policies {
        all.push_str("---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n");
        all.push_str(policy);
        all.push('\n');
    }
    all
}

const DENY_DB: &str = "metadata: {name: default-deny, namespace: db}
spec: {podSelector: {}}";

const WEB_TO_PG: &str = "metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: db}}
      podSelector: {matchLabels: {app: pg}}
    ports: [{port: 5432}]";

// K-16, X-14
#[test]
fn the_destination_refuses() {
    expect![[r#"
        warning[WT407] egress rule 1 of NetworkPolicy `shop/web` allows connections to db/Pod/pg, whose policies refuse them
          about: NetworkPolicy shop/web
          at t.yaml:36:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: db}}` allowed here
          at t.yaml:42:18: `default-deny` isolates the other end for ingress, and no rule admits it there
          evidence: shop/Pod/web -> db/Pod/pg:5432/tcp DENIED: NetworkPolicy db/default-deny isolates db/Pod/pg for ingress and none of its rules matches [t.yaml:42:18]
          why: K-16 K-18 X-14
          fix: allow it in `db` as well, or drop the rule
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-web
            |   namespace: db
            | spec:
            |   podSelector:
            |     matchLabels:
            |       app: pg
            |   policyTypes: [Ingress]
            |   ingress:
            |   - from:
            |     - namespaceSelector:
            |         matchLabels:
            |           kubernetes.io/metadata.name: shop
            |       podSelector:
            |         matchLabels:
            |           app: web
            |     ports:
            |     - protocol: TCP
            |       port: 5432
    "#]].assert_eq(&findings(&RULE, &world(&[WEB_TO_PG, DENY_DB])));
}

#[test]
fn the_destination_admits() {
    let admit = "metadata: {name: pg, namespace: db}
spec:
  podSelector: {matchLabels: {app: pg}}
  ingress:
  - from: [{namespaceSelector: {matchLabels: {team: sales}}}]
    ports: [{port: sql}]";
    expect![[""]].assert_eq(&findings(&RULE, &world(&[WEB_TO_PG, DENY_DB, admit])));
    expect![[""]].assert_eq(&findings(&RULE, &world(&[WEB_TO_PG])));
}

#[test]
fn the_destination_admits_another_port() {
    let admit = "metadata: {name: pg, namespace: db}
spec:
  podSelector: {matchLabels: {app: pg}}
  ingress:
  - from: [{namespaceSelector: {matchLabels: {team: sales}}}]
    ports: [{port: 9187}]";
    expect![[r#"
        warning[WT407] egress rule 1 of NetworkPolicy `shop/web` allows connections to db/Pod/pg, whose policies refuse them
          about: NetworkPolicy shop/web
          at t.yaml:36:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: db}}` allowed here
          at t.yaml:42:18: `default-deny` isolates the other end for ingress, and no rule admits it there
          evidence: shop/Pod/web -> db/Pod/pg:5432/tcp DENIED: NetworkPolicy db/default-deny isolates db/Pod/pg for ingress and no rule of it or of 1 more policy matches [t.yaml:42:18]
          why: K-16 K-18 X-14
          fix: allow it in `db` as well, or drop the rule
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-web
            |   namespace: db
            | spec:
            |   podSelector:
            |     matchLabels:
            |       app: pg
            |   policyTypes: [Ingress]
            |   ingress:
            |   - from:
            |     - namespaceSelector:
            |         matchLabels:
            |           kubernetes.io/metadata.name: shop
            |       podSelector:
            |         matchLabels:
            |           app: web
            |     ports:
            |     - protocol: TCP
            |       port: 5432
    "#]].assert_eq(&findings(&RULE, &world(&[WEB_TO_PG, DENY_DB, admit])));
}

// The other way: the clients' own policies keep them in.
#[test]
fn the_source_is_not_let_out() {
    let admit = "metadata: {name: pg, namespace: db}
spec:
  podSelector: {matchLabels: {app: pg}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
      podSelector: {matchLabels: {tier: back}}
    ports: [{port: sql}]";
    let deny = "metadata: {name: no-egress, namespace: shop}
spec: {podSelector: {}, policyTypes: [Egress]}";
    expect![[r#"
        warning[WT407] ingress rule 1 of NetworkPolicy `db/pg` allows connections from shop/Pod/web and shop/Pod/worker, whose policies refuse them
          about: NetworkPolicy db/pg
          at t.yaml:35:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}` allowed here
          at t.yaml:41:18: `no-egress` isolates the other end for egress, and no rule admits it there
          evidence: shop/Pod/web -> db/Pod/pg:5432/tcp DENIED: NetworkPolicy shop/no-egress isolates shop/Pod/web for egress and none of its rules matches [t.yaml:41:18]
          evidence: shop/Pod/worker -> db/Pod/pg:5432/tcp DENIED: NetworkPolicy shop/no-egress isolates shop/Pod/worker for egress and none of its rules matches [t.yaml:41:18]
          why: K-16 K-18 X-14
          fix: allow it in `shop` as well, or drop the rule
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-pg
            |   namespace: shop
            | spec:
            |   podSelector:
            |     matchLabels:
            |       tier: back
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - namespaceSelector:
            |         matchLabels:
            |           kubernetes.io/metadata.name: db
            |       podSelector:
            |         matchLabels:
            |           app: pg
            |     ports:
            |     - protocol: TCP
            |       port: 5432
    "#]].assert_eq(&findings(&RULE, &world(&[admit, deny])));
    // One of the two clients is let out.
    let out = WEB_TO_PG;
    expect![[r#"
        warning[WT407] ingress rule 1 of NetworkPolicy `db/pg` allows connections from shop/Pod/worker, whose policies refuse them
          about: NetworkPolicy db/pg
          at t.yaml:35:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}` allowed here
          at t.yaml:41:18: `no-egress` isolates the other end for egress, and no rule admits it there
          evidence: shop/Pod/worker -> db/Pod/pg:5432/tcp DENIED: NetworkPolicy shop/no-egress isolates shop/Pod/worker for egress and none of its rules matches [t.yaml:41:18]
          why: K-16 K-18 X-14
          fix: allow it in `shop` as well, or drop the rule
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-pg
            |   namespace: shop
            | spec:
            |   podSelector:
            |     matchLabels:
            |       tier: back
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - namespaceSelector:
            |         matchLabels:
            |           kubernetes.io/metadata.name: db
            |       podSelector:
            |         matchLabels:
            |           app: pg
            |     ports:
            |     - protocol: TCP
            |       port: 5432
    "#]].assert_eq(&findings(&RULE, &world(&[admit, deny, out])));
}

// Some of the chosen sources: worth a note. All of a namespace: by design.
#[test]
fn some_sources_are_refused() {
    let chosen = "metadata: {name: back, namespace: shop}
spec:
  podSelector: {matchLabels: {tier: back}}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: db}}
      podSelector: {matchLabels: {app: pg}}";
    let admit_web = "metadata: {name: pg, namespace: db}
spec:
  podSelector: {matchLabels: {app: pg}}
  ingress:
  - from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}]";
    expect![[r#"
        note[WT407] egress rule 1 of NetworkPolicy `shop/back` allows connections from shop/Pod/worker to db/Pod/pg, whose policies refuse them
          about: NetworkPolicy shop/back
          at t.yaml:36:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: db}}` allowed here
          at t.yaml:41:18: `default-deny` isolates the other end for ingress, and no rule admits it there
          evidence: shop/Pod/worker -> db/Pod/pg:5432/tcp DENIED: NetworkPolicy db/default-deny isolates db/Pod/pg for ingress and no rule of it or of 1 more policy matches [t.yaml:41:18]
          why: K-16 K-18 X-14
          fix: allow it in `db` as well, or drop the rule
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-back
            |   namespace: db
            | spec:
            |   podSelector:
            |     matchLabels:
            |       app: pg
            |   policyTypes: [Ingress]
            |   ingress:
            |   - from:
            |     - namespaceSelector:
            |         matchLabels:
            |           kubernetes.io/metadata.name: shop
            |       podSelector:
            |         matchLabels:
            |           tier: back
            |     ports:
            |     - protocol: TCP
            |       port: 5432
    "#]].assert_eq(&findings(&RULE, &world(&[chosen, DENY_DB, admit_web])));
    let all = chosen.replace("{matchLabels: {tier: back}}", "{}");
    expect![[""]].assert_eq(&findings(&RULE, &world(&[&all, DENY_DB, admit_web])));
}

#[test]
fn a_whole_namespace_refuses() {
    let to_db = "metadata: {name: all, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{namespaceSelector: {matchLabels: {team: storage}}}]}]";
    expect![[r#"
        warning[WT407] egress rule 1 of NetworkPolicy `shop/all` allows connections to db/Pod/pg and db/Pod/redis, whose policies refuse them
          about: NetworkPolicy shop/all
          at t.yaml:34:18: `{namespaceSelector: {matchLabels: {team: storage}}}` allowed here
          at t.yaml:38:18: `default-deny` isolates the other end for ingress, and no rule admits it there
          evidence: shop/Pod/web -> db/Pod/pg:5432/tcp DENIED: NetworkPolicy db/default-deny isolates db/Pod/pg for ingress and none of its rules matches [t.yaml:38:18]
          evidence: shop/Pod/worker -> db/Pod/pg:5432/tcp DENIED: NetworkPolicy db/default-deny isolates db/Pod/pg for ingress and none of its rules matches [t.yaml:38:18]
          why: K-16 K-18 X-14
          fix: allow it in `db` as well, or drop the rule
    "#]].assert_eq(&findings(&RULE, &world(&[to_db, DENY_DB])));
    // One workload of it can be reached: no more was promised.
    let admit = "metadata: {name: redis, namespace: db}
spec: {podSelector: {matchLabels: {app: redis}}, ingress: [{}]}";
    expect![[""]].assert_eq(&findings(&RULE, &world(&[to_db, DENY_DB, admit])));
}

#[test]
fn rules_for_everybody_promise_nothing() {
    let open = "metadata: {name: all, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - {}
  - to: [{namespaceSelector: {}}]
  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]
  - to: [{podSelector: {}}]";
    expect![[""]].assert_eq(&findings(&RULE, &world(&[open, DENY_DB])));
}

// Nobody listens on 8080 there: that is no promise of the rule.
#[test]
fn ports_that_the_destination_does_not_declare() {
    let other = WEB_TO_PG.replace("5432", "8080");
    expect![[""]].assert_eq(&findings(&RULE, &world(&[&other, DENY_DB])));
}

// M-1: whether the block holds the pod is not known.
#[test]
fn an_unknown_address_may_be_admitted() {
    let admit = "metadata: {name: pg, namespace: db}
spec:
  podSelector: {matchLabels: {app: pg}}
  ingress: [{from: [{ipBlock: {cidr: 10.244.7.0/24}}]}]";
    expect![[""]].assert_eq(&findings(&RULE, &world(&[WEB_TO_PG, DENY_DB, admit])));
}

// Two destinations of one peer, refused by one policy: one finding.
#[test]
fn one_finding_for_one_cause() {
    let both = "metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {}
      podSelector:
        matchExpressions: [{key: app, operator: In, values: [pg, redis]}]";
    expect![[r#"
        warning[WT407] egress rule 1 of NetworkPolicy `shop/web` allows connections to db/Pod/pg and db/Pod/redis, whose policies refuse them
          about: NetworkPolicy shop/web
          at t.yaml:36:7: `namespaceSelector: {}` allowed here
          at t.yaml:42:18: `default-deny` isolates the other end for ingress, and no rule admits it there
          evidence: shop/Pod/web -> db/Pod/pg:5432/tcp DENIED: NetworkPolicy db/default-deny isolates db/Pod/pg for ingress and none of its rules matches [t.yaml:42:18]
          evidence: shop/Pod/web -> db/Pod/redis:6379/tcp DENIED: NetworkPolicy db/default-deny isolates db/Pod/redis for ingress and none of its rules matches [t.yaml:42:18]
          why: K-16 K-18 X-14
          fix: allow it in `db` as well, or drop the rule
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-web
            |   namespace: db
            | spec:
            |   podSelector:
            |     matchExpressions:
            |     - key: app
            |       operator: In
            |       values: [pg, redis]
            |   policyTypes: [Ingress]
            |   ingress:
            |   - from:
            |     - namespaceSelector:
            |         matchLabels:
            |           kubernetes.io/metadata.name: shop
            |       podSelector:
            |         matchLabels:
            |           app: web
            |     ports:
            |     - protocol: TCP
            |       port: 5432
            |     - protocol: TCP
            |       port: 6379
    "#]].assert_eq(&findings(&RULE, &world(&[both, DENY_DB])));
}

// The pods of one template, among themselves.
#[test]
fn replicas_among_themselves() {
    let yaml = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: kafka, namespace: shop}
spec:
  template:
    metadata: {labels: {app: kafka}}
    spec: {containers: [{name: c, ports: [{containerPort: 9093}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: kafka, namespace: shop}
spec:
  podSelector: {matchLabels: {app: kafka}}
  policyTypes: [Ingress, Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: kafka}}}]}]
";
    expect![[r#"
        warning[WT407] egress rule 1 of NetworkPolicy `shop/kafka` allows connections to shop/StatefulSet/kafka, whose policies refuse them
          about: NetworkPolicy shop/kafka
          at t.yaml:16:18: `{podSelector: {matchLabels: {app: kafka}}}` allowed here
          at t.yaml:12:18: `kafka` isolates the other end for ingress, and no rule admits it there
          evidence: shop/StatefulSet/kafka -> shop/StatefulSet/kafka:9093/tcp DENIED: NetworkPolicy shop/kafka isolates shop/StatefulSet/kafka for ingress and none of its rules matches [t.yaml:12:18]
          why: K-16 K-18 X-14
          fix: allow it in `shop` as well, or drop the rule
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-kafka
            |   namespace: shop
            | spec:
            |   podSelector:
            |     matchLabels:
            |       app: kafka
            |   policyTypes: [Ingress]
            |   ingress:
            |   - from:
            |     - namespaceSelector:
            |         matchLabels:
            |           kubernetes.io/metadata.name: shop
            |       podSelector:
            |         matchLabels:
            |           app: kafka
            |     ports:
            |     - protocol: TCP
            |       port: 9093
    "#]].assert_eq(&findings(&RULE, yaml));
}
