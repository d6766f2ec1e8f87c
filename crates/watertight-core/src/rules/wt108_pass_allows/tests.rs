use expect_test::expect;

use super::RULE;
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
metadata: {name: job, namespace: batch, labels: {app: job, team: ops}}
spec: {containers: [{name: job}]}
---
";

fn found(policies: &str, engine: &str) -> String {
    findings_on(&RULE, &format!("{PODS}{policies}"), engine, Cloud::all())
}

const CALICO: &str = "
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: guard}
spec:
  order: 2000
  selector: app == 'web'
  types: [Ingress]
  ingress:
  - {action: Pass, source: {selector: \"team == 'ops'\"}}
";

#[test]
fn c_9_pass_out_of_the_last_tier_is_allowed() {
    expect![[r#"
        warning[WT108] GlobalNetworkPolicy guard ingress rule 1 passes connections on that nothing denies later; without it, GlobalNetworkPolicy guard isolates shop/Pod/web for ingress and none of its rules matches
          about: GlobalNetworkPolicy guard
          at t.yaml:21:5: `{action: Pass, source: {selector: "team == 'ops'"}}` hands over to tiers that do not decide
          evidence: batch/Pod/job -> shop/Pod/web:8080/tcp ALLOWED: GlobalNetworkPolicy guard ingress rule 1 passes it on, and nothing decides [t.yaml:21:5]
          why: C-9
          fix: use Deny, or isolate the pods by a policy of a later tier; use Allow if the connections are meant to be open
    "#]].assert_eq(&found(CALICO, "calico"));
}

#[test]
fn a_later_tier_that_decides() {
    // C-53: the NetworkPolicy is in the same tier, and asked before.
    let policy = "
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}}
";
    let before = CALICO.replace("order: 2000", "order: 10");
    assert!(found(&format!("{before}{policy}"), "calico").contains("WT108"));
    let admin = "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: deny-all}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}
  ingress: [{action: Pass, from: [{namespaces: {}}]}]
";
    assert_eq!(
        found(&format!("{admin}{policy}"), "reference"),
        "",
        "A-9: NetworkPolicy denies"
    );
    expect![[r#"
        warning[WT108] ClusterNetworkPolicy deny-all ingress rule 1 passes connections on that nothing denies later
          about: ClusterNetworkPolicy deny-all
          at t.yaml:20:13: `{action: Pass, from: [{namespaces: {}}]}` hands over to tiers that do not decide
          evidence: batch/Pod/job -> shop/Pod/web:8080/tcp ALLOWED: ClusterNetworkPolicy deny-all ingress rule 1 passes it on, and nothing decides [t.yaml:20:13]
          why: A-9 A-11
          fix: use Deny, or isolate the pods by a policy of a later tier; use Allow if the connections are meant to be open
    "#]].assert_eq(&found(admin, "reference"));
}

#[test]
fn a_plain_pass_is_none_of_this() {
    let admin = "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: delegate}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  ingress: [{action: Pass, from: [{namespaces: {}}]}]
";
    assert_eq!(found(admin, "reference"), "", "nothing denies either way");
}

#[test]
fn a_11_pass_before_a_deny_of_the_baseline_tier() {
    let baseline = "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: baseline}
spec:
  tier: Baseline
  priority: 10
  subject: {namespaces: {}}
  ingress:
  - {action: Pass, from: [{pods: {podSelector: {matchLabels: {team: ops}}}}]}
  - {action: Deny, from: [{namespaces: {}}]}
";
    expect![[r#"
        warning[WT108] ClusterNetworkPolicy baseline ingress rule 1 passes connections on that nothing denies later; without it, ClusterNetworkPolicy baseline ingress rule 2 denies it
          about: ClusterNetworkPolicy baseline
          at t.yaml:21:5: `{action: Pass, from: [{pods: {podSelector: {matchLabels: {team: ops}}}}]}` hands over to tiers that do not decide
          evidence: batch/Pod/job -> shop/Pod/web:8080/tcp ALLOWED: ClusterNetworkPolicy baseline ingress rule 1 passes it on, and nothing decides [t.yaml:21:5]
          note: the rule is for 2 workloads: `batch/Pod/job` and `shop/Pod/web`
          why: A-9 A-11
          fix: use Deny, or isolate the pods by a policy of a later tier; use Allow if the connections are meant to be open
    "#]].assert_eq(&found(baseline, "reference"));
}

#[test]
fn o_7_the_allows_of_an_egress_firewall_are_no_pass() {
    let firewall = "
apiVersion: k8s.ovn.org/v1
kind: EgressFirewall
metadata: {name: default, namespace: shop}
spec: {egress: [{type: Allow, to: {cidrSelector: 198.51.100.0/24}}, {type: Deny, to: {cidrSelector: 0.0.0.0/0}}]}
";
    assert_eq!(found(firewall, "ovn-kubernetes"), "");
}

/// The tier `guards`, before the one with the NetworkPolicies.
const TIER: &str = "
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: guards}
spec: {order: 100}
---
";

/// A policy that denies the metadata address and passes everything else.
fn metadata(name: &str, tier: &str) -> String {
    format!(
        "{TIER}
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {{name: {name}}}
spec:
  tier: {tier}
  selector: app == 'web'
  types: [Egress]
  egress:
  - {{action: Deny, destination: {{nets: [169.254.169.254/32]}}}}
  - {{action: Pass}}
"
    )
}

#[test]
fn the_last_pass_of_a_tier_that_others_follow() {
    // C-10: without it, the end of the tier would deny.
    assert_eq!(found(&metadata("guards.metadata", "guards"), "calico"), "");
    let named = metadata("guards.deny-metadata", "guards");
    assert_eq!(found(&named, "calico"), "", "its first rule denies");
    let hosts = "
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n1}
spec: {node: n1, interfaceName: '*', expectedIPs: [192.168.0.1]}
---
{apiVersion: v1, kind: Node, metadata: {name: n1}}
";
    let last = metadata("metadata", "default");
    for policies in [last.clone(), last + hosts] {
        let found = found(&policies, "calico");
        assert!(found.starts_with("warning[WT108]"), "C-9: {found}");
        assert!(
            found.contains("169.254") || found.contains("ALLOWED"),
            "{found}"
        );
    }
}

#[test]
fn c_9_names_that_promise_what_no_rule_does() {
    let policy = metadata("guards.deny-egress", "guards").replace(
        "  - {action: Deny, destination: {nets: [169.254.169.254/32]}}\n",
        "",
    );
    let found = found(&policy, "calico");
    assert!(found.starts_with("warning[WT108]"), "{found}");
}
