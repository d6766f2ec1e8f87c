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
    let yaml = shop(&policy("  podSelector:\n    matchLabels:\n      app: catalogue"));
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
}

// K-45: case counts; quotes stay.
#[test]
fn a_value_in_another_case() {
    let yaml = shop(&policy("  podSelector: {matchLabels: {app: \"Catalog\"}}"));
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_value_under_another_key() {
    let yaml = shop(&policy(
        "  podSelector: {matchLabels: {app.kubernetes.io/name: catalog}}",
    ));
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_misspelt_value_of_an_expression() {
    let yaml = shop(&policy(
        "  podSelector:
    matchExpressions:
    - {key: app, operator: In, values: [catalogs, web]}
    - {key: tier, operator: Exists}",
    ));
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn nothing_alike() {
    let yaml = shop(&policy("  podSelector: {matchLabels: {app: payments}}"));
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
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
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn the_near_miss_is_isolated_already() {
    let deny = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
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
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
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
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
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
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
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
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
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
    expect![[r#""#]].assert_eq(&findings(&RULE, &shop(more)));
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
    expect![[r#""#]].assert_eq(&findings(&RULE, &shop(more)));
}

#[test]
fn an_unknown_namespace() {
    let more = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: payments}
spec: {podSelector: {}}
";
    expect![[r#""#]].assert_eq(&findings(&RULE, &shop(more)));
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
    expect![[r#""#]].assert_eq(&findings(&RULE, yaml));
}

#[test]
fn no_namespace_written() {
    let more = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: catalog}}}
";
    expect![[r#""#]].assert_eq(&findings(&RULE, &shop(more)));
}

#[test]
fn system_namespaces_are_noted_at_most() {
    let more = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: metrics, namespace: kube-system}
spec: {podSelector: {matchLabels: {k8s-app: metrics-server}}}
";
    expect![[r#""#]].assert_eq(&findings(&RULE, &shop(more)));
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
    expect![[r#""#]].assert_eq(&findings(&RULE, yaml));
}

// A shared anchor is not edited: the change would reach further than the finding.
#[test]
fn anchored_text_is_left_alone() {
    let yaml = shop(&policy("  podSelector: &pods\n    matchLabels:\n      app: catalogue"));
    expect![[r#""#]].assert_eq(&findings(&RULE, &yaml));
}
