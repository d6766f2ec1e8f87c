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
metadata: {name: job, namespace: batch, labels: {app: job}}
spec: {containers: [{name: job}]}
---
";

const NO_METADATA: &str = "
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: no-metadata}
spec:
  priority: 10
  subject: {namespaces: {}}
  egress:
  - action: Deny
    to: [{networks: [169.254.169.254/32]}]
";

const GLOBAL: &str = "
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: default-deny}
spec: {selector: \"all()\", types: [Ingress, Egress]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: partners, labels: {partner: \"yes\"}}
spec: {nets: [198.51.100.0/24]}
";

fn found(policies: &str, engine: &str) -> String {
    findings_on(&RULE, &format!("{PODS}{policies}"), engine, Cloud::all())
}

#[test]
fn c_60_calico_has_dropped_admin_network_policy() {
    expect![[r#"
        error[WT604] Calico 3.32 does not read AdminNetworkPolicy: `no-metadata` decides nothing
          about: AdminNetworkPolicy no-metadata
          at t.yaml:15:18: `no-metadata` not read
          evidence: batch/Pod/job -> ip:169.254.169.254:80/tcp ALLOWED: not read, AdminNetworkPolicy no-metadata egress rule 1 denies it [t.yaml:20:5]
          note: 3.32 reads ClusterNetworkPolicy in place of it: old objects stay and do nothing
          why: C-60 D-2
          fix: say it in a kind that this engine reads, a ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2, and remove the objects
    "#]].assert_eq(&found(NO_METADATA, "calico@3.32"));
    assert_eq!(found(NO_METADATA, "calico@3.30"), "");
    assert_eq!(found(NO_METADATA, "reference"), "");
}

#[test]
fn policies_of_another_engine() {
    expect![[r#"
        error[WT604] Cilium does not read GlobalNetworkPolicy: `default-deny` decides nothing
          about: GlobalNetworkPolicy default-deny
          at t.yaml:15:18: `default-deny` not read
          evidence: batch/Pod/job -> ip:169.254.169.254:80/tcp ALLOWED: not read, GlobalNetworkPolicy default-deny isolates batch/Pod/job for egress and none of its rules matches [t.yaml:15:18]
          note: it knows no resources of Calico
          why: D-3
          fix: say it in a kind that this engine reads, a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy, and remove the objects
        note[WT604] Cilium does not read GlobalNetworkSet: `partners` decides nothing
          about: GlobalNetworkSet partners
          at t.yaml:20:18: `partners` not read
          note: it knows no resources of Calico
          why: D-3
          fix: say it in a kind that this engine reads, a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy, and remove the objects
    "#]].assert_eq(&found(GLOBAL, "cilium"));
    assert_eq!(found(GLOBAL, "calico"), "");
}

#[test]
fn without_a_connection_that_they_would_deny_it_is_a_warning() {
    let allow = GLOBAL.replace(
        "types: [Ingress, Egress]",
        "ingress: [{action: Allow}], egress: [{action: Allow}]",
    );
    let found = found(&allow, "antrea");
    assert!(found.starts_with("warning[WT604]"), "{found}");
    assert!(!found.contains("evidence"), "{found}");
}

#[test]
fn egress_firewalls_are_for_ovn_kubernetes() {
    let firewall = "
apiVersion: k8s.ovn.org/v1
kind: EgressFirewall
metadata: {name: default, namespace: shop}
spec: {egress: [{type: Deny, to: {cidrSelector: 0.0.0.0/0}}]}
";
    assert_eq!(found(firewall, "ovn-kubernetes"), "");
    expect![[r#"
        error[WT604] Calico does not read EgressFirewall: `shop/default` decides nothing
          about: EgressFirewall shop/default
          at t.yaml:15:18: `default` not read
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: not read, EgressFirewall shop/default egress rule 1 denies it [t.yaml:16:17]
          note: only OVN-Kubernetes reads egress firewalls
          why: D-2
          fix: say it in a kind that this engine reads, a GlobalNetworkPolicy or NetworkPolicy of projectcalico.org/v3, and remove the objects
    "#]].assert_eq(&found(firewall, "calico"));
}

#[test]
fn what_has_to_be_switched_on_is_a_note() {
    expect![[r#"
        note[WT604] OVN-Kubernetes reads AdminNetworkPolicy only where that was switched on (1 object uses it)
          at t.yaml:15:18: `no-metadata` decides only where it is read
          note: needs enable-admin-network-policy
          why: D-5
    "#]].assert_eq(&found(NO_METADATA, "ovn-kubernetes"));
}

#[test]
fn d_11_engines_that_enforce_nothing_are_left_to_wt601() {
    assert_eq!(found(GLOBAL, "flannel"), "");
}
