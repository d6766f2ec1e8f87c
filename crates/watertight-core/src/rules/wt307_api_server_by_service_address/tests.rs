//! Rules for what pods dial, on engines that look before and after translation.

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
endpoints: [{addresses: [192.168.1.10]}]
ports: [{name: https, port: 6443}]
---
";

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: operator, namespace: ops}
spec: {containers: [{name: operator}]}
---
";

fn rule(to: &str, ports: &str) -> String {
    policy(&format!("  - to: [{to}]\n    ports: {ports}"))
}

fn policy(egress: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: allow-api, namespace: ops}}
spec:
  podSelector: {{}}
  policyTypes: [Egress]
  egress:
{egress}
---
"
    )
}

fn block(cidr: &str) -> String {
    format!("{{ipBlock: {{cidr: \"{cidr}\"}}}}")
}

fn settled_on(engine: &str, yaml: &str) -> String {
    let found = findings_on(&RULE, yaml, engine, Cloud::all());
    let manifest: Vec<_> = found
        .lines()
        .filter_map(|line| line.strip_prefix("    | "))
        .collect();
    assert!(!manifest.is_empty(), "{found}");
    let fixed = format!("{yaml}\n---\n{}\n", manifest.join("\n"));
    assert_eq!(findings_on(&RULE, &fixed, engine, Cloud::all()), "");
    found
}

fn settled(yaml: &str) -> String {
    settled_on("reference", yaml)
}

fn silent(yaml: &str) {
    assert_eq!(findings(&RULE, yaml), "", "{yaml}");
}

#[test]
fn k_79_the_address_of_the_service() {
    let yaml = format!(
        "{API}{POD}{}",
        rule(&block("10.96.0.1/32"), "[{port: 443}]")
    );
    expect![[r#"
        error[WT307] `ops/Pod/operator` cannot reach the API server (192.168.1.10:6443): `ops/allow-api` allows its Service's address, which policy never sees
          about: NetworkPolicy ops/allow-api
          at t.yaml:29:27: `"10.96.0.1/32"` policy sees the addresses behind the Service
          evidence: ops/Pod/operator -> ip:192.168.1.10:6443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:24:18]
          why: X-7 K-79 K-83
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
    // All ports do not help.
    let yaml = format!(
        "{API}{POD}{}",
        policy(&format!("  - to: [{}]", block("10.96.0.1/32")))
    );
    assert!(settled(&yaml).starts_with("error"));
}

#[test]
fn x_7_the_port_of_the_service() {
    let yaml = format!(
        "{API}{POD}{}",
        rule(&block("192.168.1.10/32"), "[{port: 443}]")
    );
    expect![[r#"
        error[WT307] `ops/Pod/operator` cannot reach the API server (192.168.1.10:6443): `ops/allow-api` allows port 443, but the server listens on 6443
          about: NetworkPolicy ops/allow-api
          at t.yaml:30:13: `{port: 443}` the port of its Service, which is translated before policy looks
          evidence: ops/Pod/operator -> ip:192.168.1.10:6443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:24:18]
          why: X-7 K-79 K-51
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
fn x_7_port_443_of_everybody_matters_to_pods_that_use_the_api() {
    let web = policy("  - ports: [{port: 443}]");
    silent(&format!("{API}{POD}{web}"));
    let account = POD.replace("spec: {", "spec: {serviceAccountName: operator, ");
    expect![[r#"
        warning[WT307] `ops/Pod/operator` cannot reach the API server (192.168.1.10:6443): `ops/allow-api` allows port 443, but the server listens on 6443
          about: NetworkPolicy ops/allow-api
          at t.yaml:29:13: `{port: 443}` the port of its Service, which is translated before policy looks
          evidence: ops/Pod/operator -> ip:192.168.1.10:6443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:24:18]
          note: the pods have the ServiceAccount `operator`; if they do not use the API, nothing is missing
          why: X-7 K-79 K-51
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
    "#]].assert_eq(&settled(&format!("{API}{account}{web}")));
    let default = POD.replace("spec: {", "spec: {serviceAccountName: default, ");
    silent(&format!("{API}{default}{web}"));
    // Where the server does listen on 443 nothing is missing.
    let managed = API.replace("6443", "443");
    silent(&format!("{managed}{account}{web}"));
}

#[test]
fn rules_that_reach_the_server_are_silent() {
    for egress in [
        format!(
            "  - to: [{}]\n    ports: [{{port: 6443}}]",
            block("192.168.1.10/32")
        ),
        format!(
            "  - to: [{}, {}]",
            block("10.96.0.1/32"),
            block("192.168.1.10/32")
        ),
        "  - ports: [{port: 443}, {port: 6443}]".to_owned(),
        "  - {}".to_owned(),
        "  - to: [{podSelector: {}}]\n    ports: [{port: 443}]".to_owned(),
        format!(
            "  - to: [{}]\n    ports: [{{protocol: UDP, port: 53}}]",
            block("10.96.0.1/32")
        ),
        format!(
            "  - to: [{}]\n    ports: [{{port: 443}}]",
            block("10.0.0.0/8")
        ),
    ] {
        silent(&format!("{API}{POD}{}", policy(&egress)));
    }
    silent(&format!(
        "{API}{}",
        rule(&block("10.96.0.1/32"), "[{port: 443}]")
    ));
}

#[test]
fn a_well_known_address_without_the_service() {
    for ip in [
        "10.96.0.1",
        "10.43.0.1",
        "172.20.0.1",
        "172.30.0.1",
        "10.100.0.1",
    ] {
        let yaml = format!(
            "{POD}{}",
            rule(&block(&format!("{ip}/32")), "[{port: 443}]")
        );
        assert!(findings(&RULE, &yaml).starts_with("warning"), "{ip}");
    }
    let yaml = format!("{POD}{}", rule(&block("10.96.0.1/32"), "[{port: 443}]"));
    expect![[r#"
        warning[WT307] `ops/allow-api` allows 10.96.0.1, the API server's Service address, which policy never sees
          about: NetworkPolicy ops/allow-api
          at t.yaml:14:27: `"10.96.0.1/32"` policy sees the addresses behind the Service
          note: 10.96.0.1 is that address in common distributions; the Service of this cluster is not in the input
          note: the input does not tell the API server's addresses; add the Service and the EndpointSlice `default/kubernetes` of the cluster to have it proven
          why: X-7 K-79 K-83
          fix: allow the addresses and the port of `kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes` with an `ipBlock` each
    "#]].assert_eq(&findings(&RULE, &yaml));
    for to in [
        block("10.96.0.0/24"),
        block("10.96.0.10/32"),
        block("192.0.2.1/32"),
    ] {
        silent(&format!("{POD}{}", rule(&to, "[{port: 443}]")));
    }
    // An address like that may be a gateway's.
    silent(&format!(
        "{POD}{}",
        policy(&format!("  - to: [{}]", block("10.0.0.1/32")))
    ));
    silent(&format!(
        "{yaml}{}",
        policy("  - ports: [{port: 443}]").replace("allow-api", "web")
    ));
    // Policy sees it there.
    assert_eq!(
        findings_on(&RULE, &yaml, "aws-vpc-cni@1.18", Cloud::all()),
        ""
    );
}

#[test]
fn a_service_without_its_slice() {
    let service = API
        .split_once("---")
        .unwrap()
        .0
        .replace("10.96.0.1", "10.1.0.1");
    let yaml = format!(
        "{service}\n---\n{POD}{}",
        rule(&block("10.1.0.1/32"), "[{port: 443}]")
    );
    expect![[r#"
        warning[WT307] `ops/allow-api` allows 10.1.0.1, the API server's Service address, which policy never sees
          about: NetworkPolicy ops/allow-api
          at t.yaml:23:27: `"10.1.0.1/32"` policy sees the addresses behind the Service
          note: the input does not tell the API server's addresses; add the Service and the EndpointSlice `default/kubernetes` of the cluster to have it proven
          why: X-7 K-79 K-83
          fix: allow the addresses and the port of `kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes` with an `ipBlock` each
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn k_79_aws_sees_what_pods_dial() {
    let service = format!(
        "{API}{POD}{}",
        rule(&block("10.96.0.1/32"), "[{port: 443}]")
    );
    assert_eq!(
        findings_on(&RULE, &service, "aws-vpc-cni@1.18", Cloud::all()),
        ""
    );
    let backend = format!(
        "{API}{POD}{}",
        rule(&block("192.168.1.10/32"), "[{port: 6443}]")
    );
    expect![[r#"
        note[WT307] `ops/allow-api` allows the API server's own address, but this engine sees what pods dial: 10.96.0.1:443
          about: NetworkPolicy ops/allow-api
          at t.yaml:29:27: `"192.168.1.10/32"` an address behind the Service
          evidence: ops/Pod/operator -> ip:10.96.0.1:443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:24:18]
          why: K-79
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
            |   - to:
            |     - ipBlock:
            |         cidr: "10.96.0.1/32"
            |     ports:
            |     - protocol: TCP
            |       port: 443
    "#]].assert_eq(&settled_on("aws-vpc-cni@1.18", &backend));
}

#[test]
fn k_72_static_pods_tell_the_address_too() {
    let server = "
apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver-n1, namespace: kube-system, labels: {component: kube-apiserver}}
spec: {hostNetwork: true, nodeName: n1, containers: [{name: kube-apiserver}]}
status: {phase: Running, podIP: 192.168.1.10}
---
";
    let yaml = format!(
        "{server}{POD}{}",
        rule(&block("10.96.0.1/32"), "[{port: 443}]")
    );
    expect![[r#"
        warning[WT307] `ops/Pod/operator` cannot reach the API server (192.168.1.10:6443): `ops/allow-api` allows its Service's address, which policy never sees
          about: NetworkPolicy ops/allow-api
          at t.yaml:21:27: `"10.96.0.1/32"` policy sees the addresses behind the Service
          evidence: ops/Pod/operator -> node:n1:6443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:16:18]
          note: 10.96.0.1 is the Service's address in common distributions; the Service of this cluster is not in the input
          why: X-7 K-79 K-83
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
    // K-73: a pod on the server's own node reaches it.
    let beside = POD.replace("spec: {", "spec: {nodeName: n1, ");
    silent(&yaml.replace(POD, &beside));
}

#[test]
fn k_66_ipv6() {
    let api = API
        .replace("10.96.0.1", "\"fd00:10:96::1\"")
        .replace("192.168.1.10", "\"fd00::10\"")
        .replace("IPv4", "IPv6");
    let yaml = format!(
        "{api}{POD}{}",
        rule(&block("fd00:10:96::1/128"), "[{port: 443}]")
    );
    expect![[r#"
        error[WT307] `ops/Pod/operator` cannot reach the API server ([fd00::10]:6443): `ops/allow-api` allows its Service's address, which policy never sees
          about: NetworkPolicy ops/allow-api
          at t.yaml:29:27: `"fd00:10:96::1/128"` policy sees the addresses behind the Service
          evidence: ops/Pod/operator -> ip:fd00::10:6443/tcp DENIED: NetworkPolicy ops/allow-api isolates ops/Pod/operator for egress and none of its rules matches [t.yaml:24:18]
          why: X-7 K-79 K-83
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
            |         cidr: "fd00::10/128"
            |     ports:
            |     - protocol: TCP
            |       port: 6443
    "#]].assert_eq(&settled(&yaml));
}
