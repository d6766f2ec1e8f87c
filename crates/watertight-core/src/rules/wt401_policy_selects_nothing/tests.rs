use expect_test::expect;

use super::RULE;
use crate::rules::testing::findings;

/// A namespace `shop` with a Deployment `catalog` (app=catalog, port 8080), and what is added.
fn shop(policy: &str) -> String {
    let base = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: catalog, namespace: shop}
spec:
  template:
    metadata: {labels: {app: catalog, tier: backend}}
    spec:
      containers: [{name: c, ports: [{containerPort: 8080}]}]
";
    format!("{base}---{policy}")
}

fn policy(spec: &str) -> String {
    let head = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: guard
  namespace: shop
spec:
";
    format!("{head}{spec}\n")
}

// K-3, V-28
#[test]
fn a_misspelt_value() {
    let yaml = shop(&policy(
        "  podSelector:\n    matchLabels:\n      app: catalogue",
    ));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` selects nothing: no pod of `shop` has `app=catalogue`
          about: NetworkPolicy shop/guard
          at t.yaml:23:7: `app: catalogue` shop/Deployment/catalog has `app=catalog`
          evidence: ip:203.0.113.10 -> shop/Deployment/catalog:8080/tcp ALLOWED: no policy isolates shop/Deployment/catalog for ingress
          why: K-3 V-28
          fix: select `app=catalog`
            t.yaml:23:12: "catalogue" => "catalog"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-45: case counts; quotes stay.
#[test]
fn a_value_in_another_case() {
    let yaml = shop(&policy("  podSelector: {matchLabels: {app: \"Catalog\"}}"));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` selects nothing: no pod of `shop` has `app=Catalog`
          about: NetworkPolicy shop/guard
          at t.yaml:21:31: `app: "Catalog"` shop/Deployment/catalog has `app=catalog`
          evidence: ip:203.0.113.10 -> shop/Deployment/catalog:8080/tcp ALLOWED: no policy isolates shop/Deployment/catalog for ingress
          why: K-3 V-28
          fix: select `app=catalog`
            t.yaml:21:37: "Catalog" => "catalog"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_value_under_another_key() {
    let yaml = shop(&policy(
        "  podSelector: {matchLabels: {app.kubernetes.io/name: catalog}}",
    ));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` selects nothing: no pod of `shop` has `app.kubernetes.io/name=catalog`
          about: NetworkPolicy shop/guard
          at t.yaml:21:31: `app.kubernetes.io/name: catalog` shop/Deployment/catalog has `app=catalog` instead
          evidence: ip:203.0.113.10 -> shop/Deployment/catalog:8080/tcp ALLOWED: no policy isolates shop/Deployment/catalog for ingress
          why: K-3 V-28
          fix: select `app=catalog`
            t.yaml:21:31: "app.kubernetes.io/name" => "app"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_misspelt_value_of_an_expression() {
    let yaml = shop(&policy(
        "  podSelector:
    matchExpressions:
    - {key: app, operator: In, values: [catalogs, web]}
    - {key: tier, operator: Exists}",
    ));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` selects nothing: no pod of `shop` has `app in (catalogs,web)`
          about: NetworkPolicy shop/guard
          at t.yaml:23:7: `{key: app, operator: In, values: [catalogs, web]}` shop/Deployment/catalog has `app=catalog`
          evidence: ip:203.0.113.10 -> shop/Deployment/catalog:8080/tcp ALLOWED: no policy isolates shop/Deployment/catalog for ingress
          why: K-3 V-28
          fix: select `app=catalog`
            t.yaml:23:41: "catalogs" => "catalog"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn nothing_alike() {
    let yaml = shop(&policy("  podSelector: {matchLabels: {app: payments}}"));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` selects nothing: no pod of `shop` has `app=payments`
          about: NetworkPolicy shop/guard
          at t.yaml:21:31: `app: payments` there is `app=catalog`
          why: K-3 V-28
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-38: each label exists, no pod has both.
#[test]
fn no_pod_has_all() {
    let more = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web, tier: frontend}}
---";
    let spec = "  podSelector: {matchLabels: {app: web, tier: backend}}";
    let yaml = shop(&format!("{more}{}", policy(spec)));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` selects nothing: no pod of `shop` has all of `app=web,tier=backend`
          about: NetworkPolicy shop/guard
          at t.yaml:25:31: `app: web` shop/Deployment/catalog has `app=catalog`
          at t.yaml:25:41: `tier: backend` shop/Pod/web has `tier=frontend`
          why: K-3 V-28
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn the_near_miss_is_isolated_already() {
    let deny = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}}
---";
    let spec = "  podSelector: {matchLabels: {app: catalogue}}
  ingress:
  - from: [{podSelector: {}}]
    ports: [{port: 8080}]";
    let web = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---";
    let yaml = shop(&format!("{web}{deny}{}", policy(spec)));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` selects nothing: no pod of `shop` has `app=catalogue`
          about: NetworkPolicy shop/guard
          at t.yaml:30:31: `app: catalogue` shop/Deployment/catalog has `app=catalog`
          evidence: shop/Pod/web -> shop/Deployment/catalog:8080/tcp DENIED: NetworkPolicy shop/default-deny isolates shop/Deployment/catalog for ingress and none of its rules matches [t.yaml:21:18]
          why: K-3 V-28
          fix: select `app=catalog`
            t.yaml:30:36: "catalogue" => "catalog"
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-46
#[test]
fn a_contradiction() {
    let yaml = shop(&policy(
        "  podSelector:
    matchLabels: {app: catalog}
    matchExpressions:
    - {key: app, operator: NotIn, values: [catalog]}",
    ));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` can never select a pod: its podSelector contradicts itself
          about: NetworkPolicy shop/guard
          at t.yaml:22:19: `app: catalog` these exclude each other
          at t.yaml:24:7: `{key: app, operator: NotIn, values: [catalog]}` these exclude each other
          why: K-46 V-28
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-71
#[test]
fn only_host_network_pods() {
    let agent = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  template:
    metadata: {labels: {app: agent}}
    spec:
      hostNetwork: true
      containers: [{name: c, ports: [{containerPort: 9100}]}]
---";
    let spec = "  podSelector: {matchLabels: {app: agent}}";
    let yaml = shop(&format!("{agent}{}", policy(spec)));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` selects only host-network pods, which policies never apply to
          about: NetworkPolicy shop/guard
          at t.yaml:31:16: `{matchLabels: {app: agent}}` selects only shop/DaemonSet/agent
          at t.yaml:22:20: `true` on the host network
          evidence: ip:203.0.113.10 -> shop/DaemonSet/agent:9100/tcp ALLOWED: no policy applies to either end (K-17)
          why: K-71
          fix: take the pods off the host network, or protect their nodes by other means
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-86
#[test]
fn only_finished_pods() {
    let job = "
apiVersion: v1
kind: Pod
metadata: {name: migrate, namespace: shop, labels: {app: migrate}}
status: {phase: Succeeded, podIP: 10.0.0.9}
---";
    let spec = "  podSelector: {matchLabels: {app: migrate}}";
    let yaml = shop(&format!("{job}{}", policy(spec)));
    expect![[r#"
        note[WT401] NetworkPolicy `shop/guard` selects only finished pods, which have no address any more
          about: NetworkPolicy shop/guard
          at t.yaml:26:16: `{matchLabels: {app: migrate}}` selects only shop/Pod/migrate
          why: K-86
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-33: it selects the pod as soon as that has an address.
#[test]
fn pending_pods_count() {
    let pending = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
status: {phase: Pending}
---";
    let spec = "  podSelector: {matchLabels: {app: web}}";
    let yaml = shop(&format!("{pending}{}", policy(spec)));
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_policy_that_selects_a_pod() {
    let yaml = shop(&policy("  podSelector: {matchLabels: {app: catalog}}"));
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_namespace_without_pods_is_noted_once() {
    let more = "
apiVersion: v1
kind: Namespace
metadata: {name: empty}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: empty}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: empty}
spec: {podSelector: {matchLabels: {app: web}}}
";
    expect![[r#"
        note[WT401] 2 policies select nothing yet: `empty` has no pods in the input
          about: NetworkPolicy empty/default-deny
          at t.yaml:21:43: `empty` 
          at t.yaml:26:34: `empty` 
          why: K-1 V-28
    "#]]
    .assert_eq(&findings(&RULE, &shop(more)));
}

#[test]
fn a_misspelt_namespace() {
    let more = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shops}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: \"shops\"
spec: {podSelector: {matchLabels: {app: catalog}}}
";
    expect![[r#"
        warning[WT401] 2 policies select no pod: the input has neither a namespace `shops` nor pods in it
          about: NetworkPolicy shops/default-deny
          at t.yaml:17:43: `shops` 
          at t.yaml:24:15: `shops` 
          why: K-1 V-28
          fix: write `namespace: shop` if that is the one
            t.yaml:17:43: "shops" => "shop"
            t.yaml:24:15: "shops" => "shop"
    "#]].assert_eq(&findings(&RULE, &shop(more)));
}

#[test]
fn an_unknown_namespace() {
    let more = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: payments}
spec: {podSelector: {}}
";
    expect![[r#"
        warning[WT401] NetworkPolicy `payments/default-deny` selects no pod: the input has neither a namespace `payments` nor pods in it
          about: NetworkPolicy payments/default-deny
          at t.yaml:17:43: `payments` 
          why: K-1 V-28
    "#]].assert_eq(&findings(&RULE, &shop(more)));
}

// Without Namespace objects the input may well be a part only.
#[test]
fn an_unknown_namespace_where_none_is_defined() {
    let yaml = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: payments}
spec: {podSelector: {}}
";
    expect![[r#"
        note[WT401] NetworkPolicy `payments/default-deny` selects no pod: the input has neither a namespace `payments` nor pods in it
          about: NetworkPolicy payments/default-deny
          at t.yaml:8:43: `payments` 
          why: K-1 V-28
    "#]].assert_eq(&findings(&RULE, yaml));
}

#[test]
fn no_namespace_written() {
    let more = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: catalog}}}
";
    expect![[r#"
        warning[WT401] NetworkPolicy `default/web` names no namespace and would be created in `default`, where the input has no pods
          about: NetworkPolicy default/web
          at t.yaml:17:18: `web` 
          why: K-1 V-28
          fix: set `metadata.namespace`; pods of other namespaces are never selected
    "#]].assert_eq(&findings(&RULE, &shop(more)));
}

#[test]
fn system_namespaces_are_noted_at_most() {
    let more = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: metrics, namespace: kube-system}
spec: {podSelector: {matchLabels: {k8s-app: metrics-server}}}
";
    expect![[r#"
        note[WT401] NetworkPolicy `kube-system/metrics` selects nothing yet: `kube-system` has no pods in the input
          about: NetworkPolicy kube-system/metrics
          at t.yaml:17:38: `kube-system` 
          why: K-1 V-28
    "#]].assert_eq(&findings(&RULE, &shop(more)));
}

#[test]
fn an_input_of_policies_only() {
    let yaml = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}}
";
    expect![[r#"
        note[WT401] the input has no pods: what 2 policies select cannot be judged
          about: NetworkPolicy shop/web
          at t.yaml:4:18: `web` 
          why: V-28
          fix: check the workloads together with the policies, or read a live cluster
    "#]]
    .assert_eq(&findings(&RULE, yaml));
}

// A shared anchor is not edited: the change would reach further than the finding.
#[test]
fn anchored_text_is_left_alone() {
    let yaml = shop(&policy(
        "  podSelector: &pods\n    matchLabels:\n      app: catalogue",
    ));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` selects nothing: no pod of `shop` has `app=catalogue`
          about: NetworkPolicy shop/guard
          at t.yaml:23:7: `app: catalogue` shop/Deployment/catalog has `app=catalog`
          evidence: ip:203.0.113.10 -> shop/Deployment/catalog:8080/tcp ALLOWED: no policy isolates shop/Deployment/catalog for ingress
          why: K-3 V-28
          fix: if that is meant, select `app=catalog`
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-68: the evidence uses a family that the pod has.
#[test]
fn a_pod_with_ipv6_only() {
    let more = "
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front-web}}
status: {phase: Running, podIP: \"fd00::7\"}
---";
    let spec = "  podSelector: {matchLabels: {app: frontweb}}";
    let yaml = shop(&format!("{more}{}", policy(spec)));
    expect![[r#"
        warning[WT401] NetworkPolicy `shop/guard` selects nothing: no pod of `shop` has `app=frontweb`
          about: NetworkPolicy shop/guard
          at t.yaml:26:31: `app: frontweb` shop/Pod/front has `app=front-web`
          evidence: ip:2001:db8::a -> shop/Pod/front:80/tcp ALLOWED: no policy isolates shop/Pod/front for ingress
          why: K-3 V-28
          fix: select `app=front-web`
            t.yaml:26:36: "frontweb" => "front-web"
    "#]].assert_eq(&findings(&RULE, &yaml));
}
