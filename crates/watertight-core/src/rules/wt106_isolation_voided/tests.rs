use expect_test::expect;

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::findings_on;

const CLUSTER: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: shop}}}
---
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
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
";

fn admin(action: &str, rest: &str) -> String {
    format!(
        "apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {{name: cluster-traffic}}
spec:
  tier: Admin
  priority: 10
  subject: {{namespaces: {{}}}}
  ingress:
  - action: {action}
    {rest}
"
    )
}

fn found(policies: &str, engine: &str) -> String {
    findings_on(&RULE, &format!("{CLUSTER}{policies}"), engine, Cloud::all())
}

#[test]
fn a_3_an_accept_of_the_admin_tier() {
    let broad = admin("Accept", "from: [{namespaces: {}}]");
    expect![[r#"
        warning[WT106] ClusterNetworkPolicy cluster-traffic ingress rule 1 is asked before `shop/default-deny` and admits what that denies
          about: ClusterNetworkPolicy cluster-traffic
          at t.yaml:29:5: `action: Accept` asked first, and final
          at t.yaml:18:18: `default-deny` isolates for ingress, in vain
          evidence: ops/Pod/agent -> shop/Pod/web:8080/tcp ALLOWED: ClusterNetworkPolicy cluster-traffic ingress rule 1 allows it [t.yaml:29:5]
          why: A-3
          fix: use `Pass` where the namespaces are to decide, or name the peers and ports that the rule is for
    "#]].assert_eq(&found(&broad, "reference"));
    assert_eq!(found(&broad, "calico@3.32"), found(&broad, "reference"));
}

#[test]
fn an_accept_that_names_peers_is_a_note() {
    let narrow = admin(
        "Accept",
        "from: [{namespaces: {matchLabels: {team: ops}}}]\n    protocols: [{tcp: {destinationPort: {number: 8080}}}]",
    );
    expect![[r#"
        note[WT106] ClusterNetworkPolicy cluster-traffic ingress rule 1 is asked before `shop/default-deny` and admits what that denies
          about: ClusterNetworkPolicy cluster-traffic
          at t.yaml:29:5: `action: Accept` asked first, and final
          at t.yaml:18:18: `default-deny` isolates for ingress, in vain
          evidence: ops/Pod/agent -> shop/Pod/web:8080/tcp ALLOWED: ClusterNetworkPolicy cluster-traffic ingress rule 1 allows it [t.yaml:29:5]
          why: A-3
          fix: nothing, if the rule is meant to hold whatever the namespaces say; else use `Pass`
    "#]].assert_eq(&found(&narrow, "reference"));
}

#[test]
fn a_5_a_6_pass_deny_and_peers_that_match_nobody_void_nothing() {
    for policy in [
        admin("Pass", "from: [{namespaces: {}}]"),
        admin("Deny", "from: [{namespaces: {}}]"),
        admin(
            "Accept",
            "from: [{namespaces: {matchLabels: {team: none}}}]",
        ),
    ] {
        assert_eq!(found(&policy, "reference"), "", "{policy}");
    }
}

#[test]
fn what_the_namespace_allows_itself_is_not_voided() {
    let allow = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-all, namespace: shop}
spec: {podSelector: {}, ingress: [{}]}
---
";
    let accept = admin("Accept", "from: [{namespaces: {}}]");
    assert_eq!(found(&format!("{allow}{accept}"), "reference"), "");
}

#[test]
fn c_56_a_tier_of_calico_before_the_default_one() {
    let tier = "
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: platform}
spec: {order: 100}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: platform.allow-ops}
spec:
  tier: platform
  selector: all()
  types: [Ingress]
  ingress: [{action: Allow}]
";
    expect![[r#"
        warning[WT106] GlobalNetworkPolicy platform.allow-ops ingress rule 1 is asked before `shop/default-deny` and admits what that denies
          about: GlobalNetworkPolicy platform.allow-ops
          at t.yaml:34:13: `{action: Allow}` asked first, and final
          at t.yaml:18:18: `default-deny` isolates for ingress, in vain
          evidence: ops/Pod/agent -> shop/Pod/web:8080/tcp ALLOWED: GlobalNetworkPolicy platform.allow-ops ingress rule 1 allows it [t.yaml:34:13]
          why: C-56
          fix: use `Pass` where the namespaces are to decide, or name the peers and ports that the rule is for
    "#]].assert_eq(&found(tier, "calico"));
    assert_eq!(found(tier, "cilium"), "", "not read");
}

#[test]
fn t_3_a_tier_of_antrea() {
    let policy = "
apiVersion: crd.antrea.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {name: allow-all}
spec:
  priority: 1
  tier: application
  appliedTo: [{namespaceSelector: {}}]
  ingress: [{action: Allow, from: [{namespaceSelector: {}}]}]
";
    expect![[r#"
        warning[WT106] ClusterNetworkPolicy allow-all ingress rule 1 is asked before `shop/default-deny` and admits what that denies
          about: ClusterNetworkPolicy allow-all
          at t.yaml:29:13: `{action: Allow, from: [{namespaceSelector: {}}]}` asked first, and final
          at t.yaml:18:18: `default-deny` isolates for ingress, in vain
          evidence: ops/Pod/agent -> shop/Pod/web:8080/tcp ALLOWED: ClusterNetworkPolicy allow-all ingress rule 1 allows it [t.yaml:29:13]
          why: T-3
          fix: use `Pass` where the namespaces are to decide, or name the peers and ports that the rule is for
    "#]].assert_eq(&found(policy, "antrea"));
}

#[test]
fn l_24_cilium_has_no_earlier_tier() {
    let policy = "
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: allow-all}
spec: {endpointSelector: {}, ingress: [{fromEntities: [all]}]}
";
    assert_eq!(found(policy, "cilium"), "");
}

#[test]
fn evidence_tells_the_side_that_the_finding_is_about() {
    let both = format!(
        "{}  egress: [{{action: Accept, to: [{{namespaces: {{}}}}]}}]\n",
        admin("Accept", "from: [{namespaces: {}}]")
    );
    let found = found(&both, "reference");
    assert!(
        found.contains("cluster-traffic ingress rule 1 allows it"),
        "{found}"
    );
}
