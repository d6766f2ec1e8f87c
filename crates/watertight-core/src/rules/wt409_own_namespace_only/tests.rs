use expect_test::expect;

use super::{RULE, means_everybody};
use crate::facts::metadata::Cloud;
use crate::rules::testing::findings_on;

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: batch, labels: {app: job}}
spec: {containers: [{name: job}]}
---
";

fn policy(kind: &str, name: &str, ingress: &str) -> String {
    let namespace = if kind == "CiliumNetworkPolicy" {
        ", namespace: shop"
    } else {
        ""
    };
    format!(
        "apiVersion: cilium.io/v2
kind: {kind}
metadata: {{name: {name}{namespace}}}
spec:
  endpointSelector: {{}}
  ingress: {ingress}
"
    )
}

fn found(policy: &str) -> String {
    findings_on(&RULE, &format!("{PODS}{policy}"), "cilium", Cloud::all())
}

#[test]
fn l_5_an_empty_selector_is_the_own_namespace() {
    let policy = policy(
        "CiliumNetworkPolicy",
        "allow-all",
        "[{fromEndpoints: [{}]}]",
    );
    expect![[r#"
        note[WT409] `shop/allow-all` admits pods of `shop` alone: `fromEndpoints: [{}]` does not mean everybody
          about: CiliumNetworkPolicy shop/allow-all
          at t.yaml:17:30: `{}` every pod of the own namespace
          evidence: batch/Pod/job -> shop/Pod/web:8080/tcp DENIED: CiliumNetworkPolicy shop/allow-all isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:14:18]
          why: L-5 L-35
          fix: use `fromEntities: [all]` for everybody, or `[cluster]` for pods and nodes; or give the policy a name that speaks of the namespace
    "#]].assert_eq(&found(&policy));
}

#[test]
fn l_9_clusterwide_it_is_everybody() {
    let kind = "CiliumClusterwideNetworkPolicy";
    assert_eq!(
        found(&policy(kind, "allow-all", "[{fromEndpoints: [{}]}]")),
        ""
    );
}

#[test]
fn others_that_are_admitted_elsewhere() {
    let kind = "CiliumNetworkPolicy";
    let ingress = "[{fromEndpoints: [{}]}, {fromEntities: [cluster]}]";
    assert_eq!(found(&policy(kind, "allow-all", ingress)), "");
}

#[test]
fn l_35_the_evidence_is_about_this_selector() {
    // `job` may not send, and the rule is for one port: neither says anything of the selector.
    let allow = policy(
        "CiliumNetworkPolicy",
        "allow-all",
        "[{fromEndpoints: [{}], toPorts: [{ports: [{port: \"9090\", protocol: TCP}]}]}]",
    );
    let closed = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: batch}
spec: {podSelector: {matchLabels: {app: job}}, policyTypes: [Egress]}
---
";
    let only = found(&format!("{closed}{allow}"));
    assert!(
        only.contains("batch/Pod/job -> shop/Pod/web:9090/tcp DENIED: CiliumNetworkPolicy shop/allow-all isolates"),
        "{only}"
    );
    let other = "apiVersion: v1
kind: Pod
metadata: {name: prober, namespace: monitoring, labels: {app: prober}}
spec: {containers: [{name: c}]}
";
    let both = found(&format!("{closed}{other}---\n{allow}"));
    assert!(
        both.contains("monitoring/Pod/prober -> shop/Pod/web:9090/tcp DENIED"),
        "{both}"
    );
}

#[test]
fn names_are_taken_at_their_word() {
    assert!(means_everybody("allow-all") && means_everybody("from.anywhere"));
    assert!(!means_everybody("allow-all-within-namespace"));
    assert!(!means_everybody("allow-same-namespace") && !means_everybody("web"));
}
