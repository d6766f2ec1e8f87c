use expect_test::expect;

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::findings_on;

const PODS: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n2, containers: [{name: web}]}
status: {phase: Running, podIP: 10.244.1.5}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: data, labels: {app: db}}
spec: {nodeName: n2, containers: [{name: db, ports: [{containerPort: 5432}]}]}
status: {phase: Running, podIP: 10.244.3.7}
---
";

fn policy(egress: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: to-db, namespace: shop}}
spec:
  endpointSelector: {{}}
{egress}
"
    )
}

fn found(policies: &str, engine: &str) -> String {
    findings_on(&RULE, &format!("{PODS}{policies}"), engine, Cloud::all())
}

#[test]
fn l_44_an_allow_of_a_pod_by_its_address() {
    let policy = policy("  egress: [{toCIDR: [10.244.3.7/32]}]");
    expect![[r#"
        warning[WT208] `10.244.3.7/32` of CiliumNetworkPolicy shop/to-db admits none of the pods in it: blocks are for addresses outside of the cluster
          about: CiliumNetworkPolicy shop/to-db
          at t.yaml:21:22: `10.244.3.7/32` addresses of the cluster
          evidence: shop/Pod/web -> data/Pod/db:5432/tcp DENIED: CiliumNetworkPolicy shop/to-db isolates shop/Pod/web for egress and none of its rules matches [t.yaml:18:18]
          why: L-44
          fix: select the pods by their labels
    "#]].assert_eq(&found(&policy, "cilium"));
    assert_eq!(found(&policy, "calico"), "", "not read");
}

#[test]
fn l_44_a_denial_of_pods_by_their_range_is_an_error() {
    let policy =
        policy("  egress: [{toEntities: [all]}]\n  egressDeny: [{toCIDR: [10.244.0.0/16]}]");
    expect![[r#"
        error[WT208] `10.244.0.0/16` of CiliumNetworkPolicy shop/to-db denies none of the pods in it: blocks are for addresses outside of the cluster
          about: CiliumNetworkPolicy shop/to-db
          at t.yaml:22:26: `10.244.0.0/16` addresses of the cluster
          evidence: shop/Pod/web -> data/Pod/db:5432/tcp ALLOWED: CiliumNetworkPolicy shop/to-db egress rule 1 allows it [t.yaml:21:12]
          why: L-44
          fix: select the pods by their labels
    "#]].assert_eq(&found(&policy, "cilium"));
}

#[test]
fn l_45_nodes_are_missed_as_well() {
    let policy = policy("  egress: [{toCIDRSet: [{cidr: 192.168.0.0/16}]}]");
    expect![[r#"
        note[WT208] `192.168.0.0/16` of CiliumNetworkPolicy shop/to-db admits none of the nodes in it: blocks are for addresses outside of the cluster
          about: CiliumNetworkPolicy shop/to-db
          at t.yaml:21:32: `192.168.0.0/16` addresses of the cluster
          evidence: shop/Pod/web -> node:n1:80/tcp DENIED: CiliumNetworkPolicy shop/to-db isolates shop/Pod/web for egress and none of its rules matches [t.yaml:18:18]
          why: L-45 L-47
          fix: select pods by their labels, and nodes by entities (host, remote-node, kube-apiserver)
    "#]].assert_eq(&found(&policy, "cilium"));
}

#[test]
fn blocks_of_the_world_outside_are_what_blocks_are_for() {
    for egress in [
        "  egress: [{toCIDR: [0.0.0.0/0]}]",
        "  egress: [{toCIDR: [203.0.113.0/24]}]",
        "  egress: [{toCIDR: [10.244.3.7/32]}, {toEntities: [all]}]",
    ] {
        assert_eq!(found(&policy(egress), "cilium"), "", "{egress}");
    }
}
