//! Selectors for the API server, and selectors for pods that look like them.

use expect_test::expect;

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

const API: &str = "
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec:
  clusterIP: 10.96.0.1
  ports: [{name: https, port: 443, targetPort: 6443}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.168.1.10]}, {addresses: [192.168.1.11]}]
ports: [{name: https, port: 6443}]
---
";

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: operator, namespace: ops}
spec: {containers: [{name: operator}]}
---
";

/// As kubeadm makes it.
const STATIC_POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: kube-apiserver-n1
  namespace: kube-system
  labels: {component: kube-apiserver, tier: control-plane}
spec: {hostNetwork: true, nodeName: n1, containers: [{name: kube-apiserver}]}
status: {phase: Running, podIP: 192.168.1.10}
---
";

fn rule(to: &str, ports: &str) -> String {
    rule_of("allow-api", to, ports)
}

fn rule_of(name: &str, to: &str, ports: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: ops}}
spec:
  podSelector: {{}}
  policyTypes: [Egress]
  egress:
  - to: [{to}]
    ports: {ports}
---
"
    )
}

const BY_LABEL: &str =
    "{namespaceSelector: {}, podSelector: {matchLabels: {component: kube-apiserver}}}";
const KUBE_SYSTEM: &str =
    "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}";

fn settled(yaml: &str) -> String {
    let found = findings(&RULE, yaml);
    let manifest: Vec<_> = found
        .lines()
        .filter_map(|line| line.strip_prefix("    | "))
        .collect();
    assert_eq!(
        findings(&RULE, &format!("{yaml}\n---\n{}\n", manifest.join("\n"))),
        ""
    );
    found
}

fn silent(yaml: &str) {
    assert_eq!(findings(&RULE, yaml), "", "{yaml}");
}

#[test]
fn x_8_a_label_of_the_server() {
    let yaml = format!("{API}{PODS}{}", rule(BY_LABEL, "[{port: 6443}]"));
    expect![[r#"
        error[WT306] `ops/Pod/operator` cannot reach the API server (192.168.1.10:6443, 192.168.1.11:6443): `ops/allow-api` selects it by a label, which never matches
          about: NetworkPolicy ops/allow-api
          at t.yaml:29:62: `component: kube-apiserver` a label of the API server, which is on the host network or outside
          evidence: ops/Pod/operator -> ip:192.168.1.10:6443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:24:18]
          why: X-8 K-72 K-29
          fix: add a policy that allows the addresses of the API server
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-api-server
            |   namespace: ops
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - ipBlock:
            |         cidr: "192.168.1.10/32"
            |     - ipBlock:
            |         cidr: "192.168.1.11/32"
            |     ports:
            |     - protocol: TCP
            |       port: 6443
    "#]].assert_eq(&settled(&yaml));
}

#[test]
fn k_72_its_static_pod_is_no_peer() {
    let yaml = format!("{STATIC_POD}{PODS}{}", rule(BY_LABEL, "[{port: 6443}]"));
    expect![[r#"
        error[WT306] `ops/Pod/operator` cannot reach the API server (192.168.1.10:6443): `ops/allow-api` selects it by a label, which never matches
          about: NetworkPolicy ops/allow-api
          at t.yaml:24:62: `component: kube-apiserver` a label of the API server, which is on the host network or outside
          evidence: ops/Pod/operator -> node:n1:6443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:19:18]
          why: X-8 K-72 K-29
          fix: add a policy that allows the addresses of the API server
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-api-server
            |   namespace: ops
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - ipBlock:
            |         cidr: "192.168.1.10/32"
            |     ports:
            |     - protocol: TCP
            |       port: 6443
    "#]].assert_eq(&settled(&yaml));
}

#[test]
fn k_29_a_namespace_and_a_port() {
    let yaml = format!("{API}{PODS}{}", rule(KUBE_SYSTEM, "[{port: 443}]"));
    expect![[r#"
        warning[WT306] `ops/Pod/operator` cannot reach the API server (192.168.1.10:6443, 192.168.1.11:6443): `ops/allow-api` seems to select it by a label, which never matches
          about: NetworkPolicy ops/allow-api
          at t.yaml:29:45: `kubernetes.io/metadata.name: kube-system` pods of this namespace; the API server is none of them
          at t.yaml:30:13: `{port: 443}` a port of the API server
          evidence: ops/Pod/operator -> ip:192.168.1.10:6443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:24:18]
          why: X-8 K-72 K-29
          fix: add a policy that allows the addresses of the API server
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-api-server
            |   namespace: ops
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - ipBlock:
            |         cidr: "192.168.1.10/32"
            |     - ipBlock:
            |         cidr: "192.168.1.11/32"
            |     ports:
            |     - protocol: TCP
            |       port: 6443
    "#]].assert_eq(&settled(&yaml));
    for to in [
        KUBE_SYSTEM.replace("kube-system", "default"),
        "{namespaceSelector: {}}".to_owned(),
        "{namespaceSelector: {}, podSelector: {matchLabels: {tier: control-plane}}}".to_owned(),
    ] {
        let yaml = format!("{API}{PODS}{}", rule(&to, "[{port: 6443}]"));
        assert!(settled(&yaml).starts_with("warning"), "{to}");
    }
}

#[test]
fn without_the_addresses_only_its_own_labels_tell() {
    let yaml = format!("{PODS}{}", rule(BY_LABEL, "[{port: 6443}]"));
    expect![[r#"
        warning[WT306] `ops/allow-api` selects the API server by a label, which matches no pod
          about: NetworkPolicy ops/allow-api
          at t.yaml:14:62: `component: kube-apiserver` a label of the API server, which is on the host network or outside
          note: the input does not tell the API server's addresses; add the Service and the EndpointSlice `default/kubernetes` of the cluster to have it proven
          why: X-8 K-72 K-29
          fix: allow the addresses and the port of `kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes` with an `ipBlock` each
    "#]].assert_eq(&findings(&RULE, &yaml));
    silent(&format!("{PODS}{}", rule(KUBE_SYSTEM, "[{port: 6443}]")));
    // Another rule may well reach it.
    let web = rule_of("web", "{ipBlock: {cidr: 0.0.0.0/0}}", "[{port: 443}]");
    silent(&format!("{yaml}{web}"));
}

#[test]
fn rules_that_reach_it_or_are_for_pods_are_silent() {
    let by_label = rule(BY_LABEL, "[{port: 6443}]");
    let by_address = rule_of(
        "addresses",
        "{ipBlock: {cidr: 192.168.1.0/24}}",
        "[{port: 6443}]",
    );
    silent(&format!("{API}{PODS}{by_label}{by_address}"));
    // Other ports of kube-system, own namespaces.
    silent(&format!(
        "{API}{PODS}{}",
        rule(KUBE_SYSTEM, "[{port: 53, protocol: UDP}]")
    ));
    silent(&format!(
        "{API}{PODS}{}",
        rule("{podSelector: {}}", "[{port: 443}]")
    ));
    silent(&format!(
        "{API}{PODS}{}",
        rule("{namespaceSelector: {}}", "[{port: 443}]")
    ));
    // A policy without pods.
    silent(&format!("{API}{}", rule(BY_LABEL, "[{port: 6443}]")));
}

#[test]
fn a_control_plane_of_plain_pods_can_be_selected() {
    let hosted = STATIC_POD
        .replace("hostNetwork: true, ", "")
        .replace("192.168.1.10", "10.244.3.3");
    silent(&format!(
        "{API}{hosted}{PODS}{}",
        rule(BY_LABEL, "[{port: 6443}]")
    ));
    let webhook = "
apiVersion: v1
kind: Pod
metadata: {name: webhook, namespace: kube-system}
spec: {containers: [{name: webhook, ports: [{containerPort: 443}]}]}
---
";
    silent(&format!(
        "{API}{webhook}{PODS}{}",
        rule(KUBE_SYSTEM, "[{port: 443}]")
    ));
}

#[test]
fn l_45_on_cilium_the_fix_is_no_block() {
    let yaml = format!("{STATIC_POD}{PODS}{}", rule(BY_LABEL, "[{port: 6443}]"));
    expect![[r#"
        error[WT306] `ops/Pod/operator` cannot reach the API server (192.168.1.10:6443): `ops/allow-api` selects it by a label, which never matches
          about: NetworkPolicy ops/allow-api
          at t.yaml:24:62: `component: kube-apiserver` a label of the API server, which is on the host network or outside
          evidence: ops/Pod/operator -> node:n1:6443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:19:18]
          why: X-8 K-72 K-29
          fix: no `ipBlock` matches a node on this engine: allow the entity `kube-apiserver` in a CiliumNetworkPolicy
    "#]].assert_eq(&findings_on(&RULE, &yaml, "cilium", Cloud::all()));
}

#[test]
fn ipv6_addresses() {
    let api = API
        .replace("10.96.0.1", "\"fd00:10:96::1\"")
        .replace("192.168.1.1", "\"fd00::a")
        .replace("0]", "0\"]")
        .replace("1]", "1\"]")
        .replace("IPv4", "IPv6");
    let yaml = format!("{api}{PODS}{}", rule(BY_LABEL, "[{port: 6443}]"));
    expect![[r#"
        error[WT306] `ops/Pod/operator` cannot reach the API server ([fd00::a0]:6443, [fd00::a1]:6443): `ops/allow-api` selects it by a label, which never matches
          about: NetworkPolicy ops/allow-api
          at t.yaml:29:62: `component: kube-apiserver` a label of the API server, which is on the host network or outside
          evidence: ops/Pod/operator -> ip:fd00::a0:6443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:24:18]
          why: X-8 K-72 K-29
          fix: add a policy that allows the addresses of the API server
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-api-server
            |   namespace: ops
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - ipBlock:
            |         cidr: "fd00::a0/128"
            |     - ipBlock:
            |         cidr: "fd00::a1/128"
            |     ports:
            |     - protocol: TCP
            |       port: 6443
    "#]].assert_eq(&settled(&yaml));
}
