use expect_test::expect;

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::findings_on;

const NODES: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Node, metadata: {name: cp, labels: {role: control-plane}}, status: {addresses: [{type: InternalIP, address: 192.168.0.10}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {role: worker}}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {role: worker}}, status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}}
---
";

const API: &str = "
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, targetPort: 6443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.168.0.10]}]
ports: [{name: https, port: 6443, protocol: TCP}]
---
";

fn found(yaml: &str, engine: &str) -> String {
    findings_on(&RULE, yaml, engine, Cloud::all())
}

fn firewall(sections: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {{name: host-firewall}}
spec:
  nodeSelector: {{matchLabels: {{role: worker}}}}
{sections}
"
    )
}

#[test]
fn l_74_a_host_firewall_without_the_kubelet() {
    let ssh = firewall(
        "  ingress: [{fromEntities: [cluster], toPorts: [{ports: [{port: \"22\", protocol: TCP}]}]}]",
    );
    expect![[r#"
        error[WT503] the API server can no longer reach the kubelet of nodes `n1` and `n2` (port 10250)
          about: CiliumClusterwideNetworkPolicy host-firewall
          at t.yaml:25:18: `host-firewall` selects the node
          evidence: node:cp -> node:n1:10250/tcp DENIED: CiliumClusterwideNetworkPolicy host-firewall isolates node:n1 for ingress and none of its rules matches [t.yaml:25:18]
          why: L-74
          fix: allow TCP 10250 from the API server and from the nodes, before the nodes are selected
    "#]].assert_eq(&found(&format!("{NODES}{API}{ssh}"), "cilium"));
    let all = firewall("  ingress: [{fromEntities: [cluster]}]");
    assert_eq!(found(&format!("{NODES}{API}{all}"), "cilium"), "");
}

#[test]
fn l_74_a_host_firewall_without_the_api_server() {
    let dns = firewall("  egress: [{toEntities: [world]}]");
    expect![[r#"
        error[WT503] nodes `n1` and `n2` can no longer reach the API server
          about: CiliumClusterwideNetworkPolicy host-firewall
          at t.yaml:25:18: `host-firewall` selects the node
          evidence: node:n1 -> node:cp:6443/tcp DENIED: CiliumClusterwideNetworkPolicy host-firewall isolates node:n1 for egress and none of its rules matches [t.yaml:25:18]
          why: L-74
          fix: allow the API server's addresses and port from the nodes
    "#]].assert_eq(&found(&format!("{NODES}{API}{dns}"), "cilium"));
    let server = firewall("  egress: [{toEntities: [kube-apiserver]}]");
    assert_eq!(found(&format!("{NODES}{API}{server}"), "cilium"), "");
}

#[test]
fn other_nodes_stand_for_an_api_server_that_is_not_known() {
    let ssh = firewall("  ingress: [{fromEntities: [world]}]");
    let found = found(&format!("{NODES}{ssh}"), "cilium");
    assert!(found.contains("other nodes can no longer reach"), "{found}");
}

#[test]
fn c_63_a_host_endpoint_that_no_policy_opens() {
    let host = "
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n1-eth0, labels: {host: worker}}
spec: {node: n1, interfaceName: '*', expectedIPs: [192.168.0.1]}
";
    // C-64: the API server's own port is a failsafe one.
    expect![[r#"
        error[WT503] the API server can no longer reach the kubelet of node `n1` (port 10250)
          about: HostEndpoint n1-eth0
          at t.yaml:26:18: `n1-eth0` guards the node
          evidence: node:cp -> node:n1:10250/tcp DENIED: hosts refuse what no profile allows (C-63), and no rule matches
          why: C-63 C-64
          fix: allow TCP 10250 from the API server and from the nodes, before the nodes are selected
    "#]].assert_eq(&found(&format!("{NODES}{API}{host}"), "calico"));
    let open = "
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: kubelet}
spec:
  selector: host == 'worker'
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [10250]}}]
";
    assert_eq!(found(&format!("{NODES}{API}{host}{open}"), "calico"), "");
}
