use expect_test::expect;

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::findings_on;

const PODS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: ops, labels: {team: ops}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: ops, labels: {app: agent}}
spec: {containers: [{name: agent}]}
---
";

fn policy(name: &str, priority: u32, rule: &str) -> String {
    format!(
        "---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {{name: {name}}}
spec:
  tier: Admin
  priority: {priority}
  subject: {{namespaces: {{}}}}
  ingress: [{rule}]
"
    )
}

const OPS: &str = "{action: Accept, from: [{namespaces: {matchLabels: {team: ops}}}]}";
const NOBODY: &str = "{action: Deny, from: [{namespaces: {}}]}";

fn found(policies: &[String]) -> String {
    let yaml = format!("{PODS}{}", policies.concat());
    findings_on(&RULE, &yaml, "reference", Cloud::all())
}

#[test]
fn a_12_policies_of_one_priority_disagree() {
    let pair = [
        policy("monitoring", 10, OPS),
        policy("no-cross-talk", 10, NOBODY),
    ];
    expect![[r#"
        warning[WT410] ClusterNetworkPolicy monitoring and ClusterNetworkPolicy no-cross-talk have the same priority and disagree: which is asked first is not defined
          about: ClusterNetworkPolicy monitoring
          at t.yaml:22:13: `{action: Accept, from: [{namespaces: {matchLabels: {team: ops}}}]}` allows the connection
          at t.yaml:31:13: `{action: Deny, from: [{namespaces: {}}]}` denies it
          evidence: ops/Pod/agent -> shop/Pod/web:8080/tcp ALLOWED: ClusterNetworkPolicy monitoring ingress rule 1 allows it, unless ClusterNetworkPolicy no-cross-talk is asked first [t.yaml:22:13]
          why: A-12
          fix: give the policy that is to be asked first the smaller number
    "#]].assert_eq(&found(&pair));
}

#[test]
fn a_2_other_priorities_are_in_order() {
    let pair = [
        policy("monitoring", 9, OPS),
        policy("no-cross-talk", 10, NOBODY),
    ];
    assert_eq!(found(&pair), "");
}

#[test]
fn a_12_policies_that_agree_are_harmless() {
    let pair = [
        policy("monitoring", 10, OPS),
        policy("all", 10, &NOBODY.replace("Deny", "Accept")),
    ];
    assert_eq!(found(&pair), "");
    let other = "{action: Deny, from: [{namespaces: {matchLabels: {team: none}}}]}";
    assert_eq!(
        found(&[policy("a", 10, OPS), policy("b", 10, other)]),
        "",
        "no overlap"
    );
}

#[test]
fn t_2_policies_of_antrea() {
    let policy = |name: &str, action: &str| {
        format!(
            "---
apiVersion: crd.antrea.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {{name: {name}}}
spec:
  priority: 5
  appliedTo: [{{namespaceSelector: {{}}}}]
  ingress: [{{action: {action}, from: [{{namespaceSelector: {{}}}}]}}]
"
        )
    };
    let yaml = format!(
        "{PODS}{}{}",
        policy("open", "Allow"),
        policy("shut", "Drop")
    );
    expect![[r#"
        warning[WT410] ClusterNetworkPolicy open and ClusterNetworkPolicy shut have the same priority and disagree: which is asked first is not defined
          about: ClusterNetworkPolicy open
          at t.yaml:21:13: `{action: Allow, from: [{namespaceSelector: {}}]}` allows the connection
          at t.yaml:29:13: `{action: Drop, from: [{namespaceSelector: {}}]}` denies it
          evidence: shop/Pod/web -> ops/Pod/agent:80/tcp ALLOWED: ClusterNetworkPolicy open ingress rule 1 allows it, unless ClusterNetworkPolicy shut is asked first [t.yaml:21:13]
          why: T-2 A-12
          fix: give the policy that is to be asked first the smaller number
    "#]].assert_eq(&findings_on(&RULE, &yaml, "antrea", Cloud::all()));
}
