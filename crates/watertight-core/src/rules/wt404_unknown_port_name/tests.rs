use expect_test::expect;

use super::RULE;
use crate::rules::testing::{findings, findings_on};

/// Pods web (ports `http-web` 8080 and `metrics` 9090) and api (8080 without a name), a client, and
/// a policy with this spec.
fn shop(spec: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: client, namespace: shop, labels: {{app: client}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web, tier: back}}}}
spec:
  containers:
  - name: c
    ports:
    - {{name: http-web, containerPort: 8080}}
    - {{name: metrics, containerPort: 9090}}
    - {{name: gossip, containerPort: 7946, protocol: UDP}}
---
apiVersion: v1
kind: Pod
metadata: {{name: api, namespace: shop, labels: {{app: api, tier: back}}}}
spec: {{containers: [{{name: c, ports: [{{containerPort: 8080}}]}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: guard, namespace: shop}}
spec:
{spec}
"
    )
}

fn service(target: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{tier: back}}
  ports: [{{name: www, port: 80, targetPort: {target}}}]
---"
    )
}

// K-52
#[test]
fn a_misspelt_name() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
    ports:
    - port: metric
  - ports: [{port: \"metric\"}]",
    );
    expect![[r#"
        warning[WT404] port `metric` of NetworkPolicy `shop/guard` matches nothing: shop/Pod/web declares no TCP port of that name
          about: NetworkPolicy shop/guard
          at t.yaml:30:7: `port: metric` the pods declare `http-web` (8080) and `metrics` (9090)
          at t.yaml:31:13: `{port: "metric"}` and here
          evidence: shop/Pod/client -> shop/Pod/web:9090/tcp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:24:18]
          why: K-52 K-57
          fix: write `port: metrics`
            t.yaml:30:13: "metric" => "metrics"
            t.yaml:31:21: "metric" => "metrics"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-81
#[test]
fn the_name_of_the_service_port() {
    let policy = "  podSelector: {matchLabels: {app: web}}
  ingress: [{ports: [{port: www}]}]";
    let yaml = format!("{}{}", service("8080"), shop(policy));
    expect![[r#"
        warning[WT404] port `www` of NetworkPolicy `shop/guard` matches nothing: shop/Pod/web declares no TCP port of that name
          about: NetworkPolicy shop/guard
          at t.yaml:34:22: `{port: www}` the pods declare `http-web` (8080) and `metrics` (9090)
          evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:31:18]
          why: K-52 K-57
          fix: write `port: http-web`: the name written here is that of the Service
            t.yaml:34:29: "www" => "http-web"
    "#]].assert_eq(&findings(&RULE, &yaml));
    let policy = "  podSelector: {matchLabels: {app: api}}
  ingress: [{ports: [{port: 'www'}]}]";
    let yaml = format!("{}{}", service("8080"), shop(policy));
    expect![[r#"
        warning[WT404] port `www` of NetworkPolicy `shop/guard` matches nothing: shop/Pod/api declares no TCP port of that name
          about: NetworkPolicy shop/guard
          at t.yaml:34:22: `{port: 'www'}` the pods declare 8080 (without a name)
          evidence: ip:203.0.113.10 -> shop/Pod/api:8080/tcp DENIED: NetworkPolicy shop/guard isolates shop/Pod/api for ingress and none of its rules matches [t.yaml:31:18]
          why: K-52 K-57
          fix: write `port: 8080`: the name written here is that of the Service
            t.yaml:34:29: "'www'" => "8080"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_name_out_of_the_blue() {
    let yaml = shop(
        "  podSelector: {}
  ingress: [{ports: [{port: grpc}]}]",
    );
    expect![[r#"
        warning[WT404] port `grpc` of NetworkPolicy `shop/guard` matches nothing: none of 3 workloads declares a TCP port of that name
          about: NetworkPolicy shop/guard
          at t.yaml:27:22: `{port: grpc}` the pods declare 8080 (without a name), `http-web` (8080) and `metrics` (9090)
          evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:24:18]
          why: K-52 K-57
          fix: name a port as the pods declare it, or write its number
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-54
#[test]
fn a_name_of_another_protocol() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {}}]
    ports:
    - port: gossip   # membership",
    );
    expect![[r#"
        warning[WT404] port `gossip` of NetworkPolicy `shop/guard` matches nothing: shop/Pod/web declares no TCP port of that name
          about: NetworkPolicy shop/guard
          at t.yaml:30:7: `port: gossip` shop/Pod/web declares `gossip` for UDP
          evidence: shop/Pod/client -> shop/Pod/web:7946/udp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:24:18]
          why: K-54 K-52
          fix: write `protocol: UDP`
            t.yaml:30:7: "" => "protocol: UDP\n      "
    "#]].assert_eq(&findings(&RULE, &yaml));
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  ingress: [{ports: [{port: gossip, protocol: TCP}, {port: metrics, protocol: UDP}]}]",
    );
    expect![[r#"
        warning[WT404] port `gossip` of NetworkPolicy `shop/guard` matches nothing: shop/Pod/web declares no TCP port of that name
          about: NetworkPolicy shop/guard
          at t.yaml:27:22: `{port: gossip, protocol: TCP}` shop/Pod/web declares `gossip` for UDP
          evidence: ip:203.0.113.10 -> shop/Pod/web:7946/udp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:24:18]
          why: K-54 K-52
          fix: write `protocol: UDP`
            t.yaml:27:47: "TCP" => "UDP"
        warning[WT404] port `metrics` of NetworkPolicy `shop/guard` matches nothing: shop/Pod/web declares no UDP port of that name
          about: NetworkPolicy shop/guard
          at t.yaml:27:53: `{port: metrics, protocol: UDP}` shop/Pod/web declares `metrics` for TCP
          evidence: ip:203.0.113.10 -> shop/Pod/web:9090/tcp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:24:18]
          why: K-54 K-52
          fix: write `protocol: TCP`
            t.yaml:27:79: "UDP" => "TCP"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-53: the destination's ports count, the subject's are irrelevant.
#[test]
fn egress_looks_at_the_destination() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
  - to: [{podSelector: {matchLabels: {app: api}}}]
    ports: [{port: metrics}]",
    );
    expect![[r#"
        warning[WT404] port `metrics` of NetworkPolicy `shop/guard` matches nothing: shop/Pod/api declares no TCP port of that name
          about: NetworkPolicy shop/guard
          at t.yaml:30:13: `{port: metrics}` the pods declare 8080 (without a name)
          evidence: shop/Pod/web -> shop/Pod/api:8080/tcp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for egress and none of its rules matches [t.yaml:24:18]
          why: K-53 K-57
          fix: name a port as the pods declare it, or write its number
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-57, K-59
#[test]
fn names_for_addresses() {
    let policy = "  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
  - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
    ports: [{port: https}]";
    expect![[r#"
        warning[WT404] port `https` of NetworkPolicy `shop/guard` matches nothing: the rule is for addresses, and port names belong to pods
          about: NetworkPolicy shop/guard
          at t.yaml:30:13: `{port: https}` only pods declare port names
          why: K-57 K-59
          fix: write the number of the port
    "#]].assert_eq(&findings(&RULE, &shop(policy)));
    // The block holds the assumed pod range, and pods there have the name (K-65).
    let policy = policy
        .replace("203.0.113.0/24", "10.0.0.0/8")
        .replace("https", "metrics");
    expect![[""]].assert_eq(&findings(&RULE, &shop(&policy)));
    expect![[r#"
        warning[WT404] port `metrics` of NetworkPolicy `shop/guard` matches nothing: the rule is for addresses, and port names belong to pods
          about: NetworkPolicy shop/guard
          at t.yaml:30:13: `{port: metrics}` only pods declare port names
          why: K-57 K-59
          fix: write the number of the port
    "#]].assert_eq(&findings_on(&RULE, &shop(&policy), "cilium", &[]));
}

// K-56
#[test]
fn some_pods_call_it_otherwise() {
    let yaml = shop(
        "  podSelector: {matchLabels: {tier: back}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
    ports: [{port: http-web}]",
    );
    expect![[r#"
        note[WT404] port `http-web` of NetworkPolicy `shop/guard` matches nothing on shop/Pod/api
          about: NetworkPolicy shop/guard
          at t.yaml:29:13: `{port: http-web}` port 8080 is without a name there
          evidence: shop/Pod/client -> shop/Pod/api:8080/tcp DENIED: NetworkPolicy shop/guard isolates shop/Pod/api for ingress and none of its rules matches [t.yaml:24:18]
          why: K-56 K-57
          fix: give the port the name `http-web` there, or write the number
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn some_pods_do_not_have_the_port_at_all() {
    let yaml = shop(
        "  podSelector: {matchLabels: {tier: back}}
  ingress: [{ports: [{port: metrics}]}]",
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// Of a whole namespace a name picks the pods that have it.
#[test]
fn a_name_for_whoever_has_it() {
    let yaml = shop(
        "  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{ports: [{port: http-web}]}]
  egress:
  - ports: [{port: http-web}]
  - to: [{namespaceSelector: {}}]
    ports: [{port: http-web}]",
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn nobody_in_the_cluster_has_it() {
    let yaml = shop(
        "  podSelector: {}
  policyTypes: [Egress]
  egress: [{ports: [{port: grpc}]}]",
    );
    expect![[r#"
        warning[WT404] port `grpc` of NetworkPolicy `shop/guard` matches nothing: none of 3 workloads declares a TCP port of that name
          about: NetworkPolicy shop/guard
          at t.yaml:28:21: `{port: grpc}` the pods declare 8080 (without a name), `http-web` (8080) and `metrics` (9090)
          evidence: shop/Pod/client -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/guard isolates shop/Pod/client for egress and none of its rules matches [t.yaml:24:18]
          note: ports outside of the cluster have no names: write their numbers
          why: K-53 K-57
          fix: name a port as the pods declare it, or write its number
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// M-2: the assumed DNS has its usual port names.
#[test]
fn dns_by_name() {
    let yaml = shop(
        "  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
    ports: [{port: dns, protocol: UDP}, {port: dns-tcp}]",
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}
