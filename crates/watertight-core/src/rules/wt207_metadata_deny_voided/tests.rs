use expect_test::expect;

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::findings_on;
use crate::rules::wt201_metadata_open;

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web}]}
---
";

fn admin(tier: &str, rules: &str) -> String {
    format!(
        "apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {{name: outbound}}
spec:
  tier: {tier}
  priority: 10
  subject: {{namespaces: {{}}}}
  egress:
{rules}
"
    )
}

fn found(policies: &str, engine: &str) -> String {
    findings_on(&RULE, &format!("{PODS}{policies}"), engine, &[Cloud::Aws])
}

fn open(policies: &str, engine: &str) -> String {
    let yaml = format!("{PODS}{policies}");
    findings_on(&wt201_metadata_open::RULE, &yaml, engine, &[Cloud::Aws])
}

const DENY: &str = "  - {action: Deny, to: [{networks: [169.254.169.254/32, 169.254.170.2/32, 169.254.170.23/32, \"fd00:ec2::/64\"]}]}";
const ACCEPT: &str = "  - {action: Accept, to: [{networks: [0.0.0.0/0]}]}";

#[test]
fn a_2_an_accept_before_the_denial() {
    let policy = admin("Admin", &format!("{ACCEPT}\n{DENY}"));
    expect![[r#"
        error[WT207] `shop/Pod/web` can reach the metadata service 169.254.169.254 and 2 other metadata addresses although ClusterNetworkPolicy outbound denies it: ClusterNetworkPolicy outbound egress rule 1 is asked before
          about: ClusterNetworkPolicy outbound
          at t.yaml:16:5: `{action: Deny, to: [{networks: [169.254.169.254/32, 169.254.170.2/32, 169.254.170.23/32, "fd00:ec2::/64"]}]}` denies it, and is not asked
          at t.yaml:15:5: `{action: Accept, to: [{networks: [0.0.0.0/0]}]}` allows it before
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: ClusterNetworkPolicy outbound egress rule 1 allows it [t.yaml:15:5]
          why: X-2 A-2
          fix: move the denial before the rule that lets it through: to an earlier tier, to a smaller priority or order, or further up in the list
    "#]].assert_eq(&found(&policy, "reference"));
    assert!(!open(&policy, "reference").contains("169.254"), "told once");
}

#[test]
fn x_2_a_true_denial_is_silent_here_and_in_wt201() {
    let policy = admin("Admin", &format!("{DENY}\n{ACCEPT}"));
    assert_eq!(found(&policy, "reference"), "");
    assert_eq!(open(&policy, "reference"), "");
    let global = "
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: no-metadata}
spec:
  order: 1
  selector: all()
  types: [Egress]
  egress:
  - {action: Deny, destination: {nets: [169.254.0.0/16]}}
  - {action: Deny, destination: {nets: ['fd00:ec2::/64']}}
  - {action: Allow}
";
    assert_eq!(found(global, "calico"), "");
    assert_eq!(open(global, "calico"), "");
    let clusterwide = "
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: no-metadata}
spec:
  endpointSelector: {}
  egress: [{toEntities: [all]}]
  egressDeny: [{toCIDR: [169.254.0.0/16, 'fd00:ec2::/64']}]
";
    assert_eq!(found(clusterwide, "cilium"), "", "L-25");
    assert_eq!(open(clusterwide, "cilium"), "");
}

#[test]
fn a_8_a_denial_of_the_baseline_tier_behind_a_networkpolicy() {
    let policy = admin("Baseline", DENY);
    let written = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: internet, namespace: shop}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}
";
    assert_eq!(found(&policy, "reference"), "", "the Baseline tier decides");
    expect![[r#"
        error[WT207] `shop/Pod/web` can reach the metadata service 169.254.169.254 and 2 other metadata addresses although ClusterNetworkPolicy outbound denies it: NetworkPolicy shop/internet egress rule 1 is asked before
          about: ClusterNetworkPolicy outbound
          at t.yaml:15:5: `{action: Deny, to: [{networks: [169.254.169.254/32, 169.254.170.2/32, 169.254.170.23/32, "fd00:ec2::/64"]}]}` denies it, and is not asked
          at t.yaml:20:57: `{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}` allows it before
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/internet egress rule 1 allows it [t.yaml:20:57]
          why: X-2 A-8
          fix: move the denial before the rule that lets it through: to an earlier tier, to a smaller priority or order, or further up in the list
    "#]].assert_eq(&found(&format!("{policy}{written}"), "reference"));
}

#[test]
fn c_3_an_allow_in_an_earlier_tier_of_calico() {
    let policies = "
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: platform}
spec: {order: 10}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: platform.internet}
spec:
  tier: platform
  selector: all()
  types: [Egress]
  egress: [{action: Allow, destination: {notNets: [10.0.0.0/8]}}]
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: no-metadata}
spec:
  order: 1
  selector: all()
  types: [Egress]
  egress:
  - {action: Deny, destination: {nets: [169.254.169.254/32]}}
  - {action: Allow}
";
    expect![[r#"
        error[WT207] `shop/Pod/web` can reach the metadata service 169.254.169.254 although GlobalNetworkPolicy no-metadata denies it: GlobalNetworkPolicy platform.internet egress rule 1 is asked before
          about: GlobalNetworkPolicy no-metadata
          at t.yaml:30:5: `{action: Deny, destination: {nets: [169.254.169.254/32]}}` denies it, and is not asked
          at t.yaml:20:12: `{action: Allow, destination: {notNets: [10.0.0.0/8]}}` allows it before
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: GlobalNetworkPolicy platform.internet egress rule 1 allows it [t.yaml:20:12]
          why: X-2 C-3
          fix: move the denial before the rule that lets it through: to an earlier tier, to a smaller priority or order, or further up in the list
    "#]].assert_eq(&found(policies, "calico"));
}

#[test]
fn o_2_an_allow_before_the_denial_of_an_egress_firewall() {
    let firewall = "
apiVersion: k8s.ovn.org/v1
kind: EgressFirewall
metadata: {name: default, namespace: shop}
spec:
  egress:
  - {type: Allow, to: {cidrSelector: 0.0.0.0/0}}
  - {type: Deny, to: {cidrSelector: 169.254.169.254/32}}
";
    expect![[r#"
        error[WT207] `shop/Pod/web` can reach the metadata service 169.254.169.254 although EgressFirewall shop/default denies it: EgressFirewall shop/default egress rule 1 is asked before
          about: EgressFirewall shop/default
          at t.yaml:14:5: `{type: Deny, to: {cidrSelector: 169.254.169.254/32}}` denies it, and is not asked
          at t.yaml:13:5: `{type: Allow, to: {cidrSelector: 0.0.0.0/0}}` passes it on before
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
          why: X-2 O-2
          fix: move the denial before the rule that lets it through: to an earlier tier, to a smaller priority or order, or further up in the list
    "#]].assert_eq(&found(firewall, "ovn-kubernetes"));
}
