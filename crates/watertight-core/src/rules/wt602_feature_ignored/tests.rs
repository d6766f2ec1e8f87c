//! Engines and the lines they do not read as they are written.

use expect_test::expect;

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::findings_on;

fn on(engine: &str, yaml: &str) -> String {
    findings_on(&RULE, yaml, engine, Cloud::all())
}

/// A web pod and a client of it in `shop`, and a policy `p` with this spec on the web pod.
fn shop(spec: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec: {{containers: [{{name: web, ports: [{{name: http, containerPort: 8080}}, {{name: sig, containerPort: 5060, protocol: SCTP}}]}}]}}
status: {{phase: Running, podIP: 10.1.0.1, podIPs: [{{ip: 10.1.0.1}}, {{ip: 'fd00::1'}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: client, namespace: shop, labels: {{app: client}}}}
spec: {{nodeName: n1, containers: [{{name: client, ports: [{{name: http, containerPort: 9090}}]}}]}}
status: {{phase: Running, podIP: 10.1.0.2, podIPs: [{{ip: 10.1.0.2}}, {{ip: 'fd00::2'}}]}}
---
apiVersion: v1
kind: Node
metadata: {{name: n2}}
status: {{addresses: [{{type: InternalIP, address: 192.168.0.2}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: p, namespace: shop}}
spec: {{podSelector: {{matchLabels: {{app: web}}}}, {spec}}}
"
    )
}

#[test]
fn k_50_old_cilium_ignores_ranges() {
    let range = shop("ingress: [{ports: [{port: 8000, endPort: 8100}]}]");
    expect![[r#"
        error[WT602] Cilium 1.15 ignores `endPort`, so of 8000-8100 only the first port is admitted
          about: NetworkPolicy shop/p
          at t.yaml:21:67: `{port: 8000, endPort: 8100}` 
          evidence: shop/Pod/client -> shop/Pod/web:8100/tcp DENIED: NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:21:58]
          note: before 1.16 it is ignored without a word: only the first port is admitted
          why: K-50 D-3
          fix: list the ports one by one, or move to a release that knows `endPort`
    "#]].assert_eq(&on("cilium@1.15", &range));
    expect![[r#"
        error[WT602] Weave Net ignores `endPort`, so of 8000-8100 only the first port is admitted
          about: NetworkPolicy shop/p
          at t.yaml:21:67: `{port: 8000, endPort: 8100}` 
          evidence: shop/Pod/client -> shop/Pod/web:8100/tcp DENIED: NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:21:58]
          note: only the first port is admitted
          why: K-50
          fix: list the ports one by one
    "#]].assert_eq(&on("weave", &range));
    for engine in [
        "cilium@1.16.0",
        "cilium",
        "calico@3.20",
        "reference",
        "antrea",
        "flannel",
    ] {
        assert_eq!(on(engine, &range), "", "{engine}");
    }
    let equal = shop("ingress: [{ports: [{port: 8000, endPort: 8000}]}]");
    assert_eq!(on("cilium@1.15", &equal), "", "one port is no range");
}

#[test]
fn ranges_where_nobody_knows_for_sure() {
    let range = shop("egress: [{ports: [{port: 8000, endPort: 8100}]}], policyTypes: [Egress]");
    expect![[r#"
        note[WT602] Azure Network Policy Manager enforces egress only in part (1 policy)
          at t.yaml:20:18: `p` the first of them
          note: traffic to the address of the pod's own node is always allowed
          why: D-9
        warning[WT602] Azure Network Policy Manager knows `endPort` only in part, and 8000-8100 relies on it
          about: NetworkPolicy shop/p
          at t.yaml:21:66: `{port: 8000, endPort: 8100}` 
          evidence: shop/Pod/web -> shop/Pod/client:8100/tcp ALLOWED: NetworkPolicy shop/p egress rule 1 allows it, if the engine knows `endPort` [t.yaml:21:57]
          note: its documentation claims it for Linux, a user reported that it is ignored (issue 2313)
          why: K-50 D-9
    "#]].assert_eq(&on("azure-npm", &range));
    assert!(on("gke-dpv2", &range).starts_with("warning[WT602] GKE Dataplane V2 knows `endPort`"));
}

#[test]
fn a_lack_that_no_pod_of_the_input_shows_is_a_warning() {
    let alone = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {}, ingress: [{ports: [{port: 1, endPort: 9}, {port: 11, endPort: 19}, {port: 80}]}]}
";
    expect![[r#"
        warning[WT602] Calico 3.18 ignores `endPort`, so of 1-9 and 11-19 only the first port is admitted
          about: NetworkPolicy shop/p
          at t.yaml:4:44: `{port: 1, endPort: 9}` 
          at t.yaml:4:67: `{port: 11, endPort: 19}` 
          note: before 3.19 only the first port is admitted
          why: K-50 D-2
          fix: list the ports one by one, or move to a release that knows `endPort`
    "#]].assert_eq(&on("calico@3.18", alone));
}

#[test]
fn named_ports() {
    let named = shop("ingress: [{from: [{podSelector: {}}], ports: [{port: http}]}]");
    expect![[r#"
        error[WT602] Weave Net ignores named ports, so `http` admits nothing
          about: NetworkPolicy shop/p
          at t.yaml:21:94: `{port: http}` 
          evidence: shop/Pod/client -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:21:58]
          note: the item is skipped with an error in the log
          why: K-52
          fix: write the number
    "#]].assert_eq(&on("weave", &named));
    expect![[r#"
        error[WT602] OpenShift SDN ignores rules with a named port, so the rules with `http` admit nothing
          about: NetworkPolicy shop/p
          at t.yaml:21:94: `{port: http}` 
          evidence: shop/Pod/client -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:21:58]
          note: the whole rule is ignored with a line in the log
          why: K-52
          fix: write the number
    "#]].assert_eq(&on("openshift-sdn", &named));
    for engine in ["calico", "cilium", "ovn", "kube-router", "antrea"] {
        assert_eq!(on(engine, &named), "", "{engine}");
    }
    // `http` is 8080 on one pod and 9090 on the other.
    let egress =
        shop("policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: http}]}]");
    expect![[r#"
        warning[WT602] Cilium knows named ports only in part, and `http` relies on it
          about: NetworkPolicy shop/p
          at t.yaml:21:114: `{port: http}` 
          evidence: shop/Pod/web -> shop/Pod/client:9090/tcp ALLOWED: NetworkPolicy shop/p egress rule 1 allows it, if the engine knows named ports [t.yaml:21:80]
          note: wrong where one name stands for different numbers on different pods
          why: K-53 D-3
    "#]].assert_eq(&on("cilium", &egress));
    let clear = egress.replace("containerPort: 9090", "containerPort: 8080");
    assert_eq!(on("cilium", &clear), "");
}

#[test]
fn sctp() {
    let sctp = shop("ingress: [{ports: [{protocol: SCTP, port: 5060}]}]");
    expect![[r#"
        warning[WT602] Cilium 1.17.0 knows SCTP only if it is switched on, and SCTP port 5060 relies on it
          about: NetworkPolicy shop/p
          at t.yaml:21:67: `{protocol: SCTP, port: 5060}` 
          evidence: shop/Pod/client -> shop/Pod/web:5060/sctp ALLOWED: NetworkPolicy shop/p ingress rule 1 allows it, if the engine knows SCTP [t.yaml:21:58]
          note: needs enable-sctp; SCTP through Services does not work
          why: K-60 D-3
    "#]].assert_eq(&on("cilium@1.17.0", &sctp));
    expect![[r#"
        error[WT602] kube-router 2.7.1 ignores SCTP, so SCTP port 5060 admits nothing
          about: NetworkPolicy shop/p
          at t.yaml:21:67: `{protocol: SCTP, port: 5060}` 
          evidence: shop/Pod/client -> shop/Pod/web:5060/sctp DENIED: NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:21:58]
          note: matched from 2.8.0 on
          why: K-60 D-6
          fix: do without it, or move to a release that knows SCTP
    "#]].assert_eq(&on("kube-router@2.7.1", &sctp));
    for engine in ["kube-router@2.8.0", "calico", "weave"] {
        assert_eq!(on(engine, &sctp), "", "{engine}");
    }
}

#[test]
fn exceptions() {
    let except = shop(
        "policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]}]",
    );
    expect![[r#"
        error[WT602] OpenShift SDN 4.9 does not enforce egress: 1 policy leaves it open
          at t.yaml:20:18: `p` this policy is meant to isolate
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress; on paper NetworkPolicy shop/p isolates shop/Pod/web for egress and none of its rules matches [t.yaml:20:18]
          note: before OpenShift 4.10 egress rules are ignored
          why: K-7
          fix: move to a release that enforces it
    "#]].assert_eq(&on("openshift-sdn@4.9", &except));
    assert_eq!(on("openshift-sdn@4.10", &except), "");
    let ingress = "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.1.0.2/32]}}]}]";
    expect![[r#"
        error[WT602] OpenShift SDN 4.9 ignores `except`, so 10.1.0.2/32 is not left out
          about: NetworkPolicy shop/p
          at t.yaml:21:103: `10.1.0.2/32` 
          evidence: shop/Pod/client -> shop/Pod/web:80/tcp ALLOWED: NetworkPolicy shop/p ingress rule 1 allows it; on paper NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:20:18]
          note: not honoured before OpenShift 4.10
          why: K-63
          fix: write the blocks around the exception instead, or move to a release that knows `except`
    "#]].assert_eq(&on("openshift-sdn@4.9", &shop(ingress)));
    expect![[r#"
        note[WT602] Azure Network Policy Manager enforces egress only in part (1 policy)
          at t.yaml:20:18: `p` the first of them
          note: traffic to the address of the pod's own node is always allowed
          why: D-9
        note[WT602] Azure Network Policy Manager knows `except` only in part (1 policy uses it)
          at t.yaml:21:123: `169.254.169.254/32` 
          note: on Linux nodes; not on Windows
          why: K-63 D-9
    "#]]
    .assert_eq(&on("azure-npm", &except));
    let linux = except.replace("name: n2}", "name: n2, labels: {kubernetes.io/os: linux}}");
    assert!(!on("azure-npm", &linux).contains("`except`"));
    let windows = except.replace(
        "name: n2}",
        "name: n2, labels: {kubernetes.io/os: windows}}",
    );
    assert!(
        on("azure-npm", &windows)
            .contains("warning[WT602] Azure Network Policy Manager knows `except`")
    );
}

#[test]
fn exceptions_that_another_block_overwrites_on_aws() {
    let peers = |peers: &str| {
        shop(&format!(
            "policyTypes: [Egress], egress: [{{to: [{peers}]}}]"
        ))
    };
    let one = "{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}";
    assert_eq!(on("eks@1.23.1", &peers(one)), "");
    let two = peers(&format!(
        "{one}, {{ipBlock: {{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}}}"
    ));
    expect![[r#"
        warning[WT602] Amazon VPC CNI 1.23.1 knows `except` only in part, and 10.0.0.0/8 relies on it
          about: NetworkPolicy shop/p
          at t.yaml:21:123: `10.0.0.0/8` 
          note: up to 1.4.1 at least, blocks that are equal once masked overwrite each other
          why: K-63 D-7
    "#]].assert_eq(&on("eks@1.23.1", &two));
    let everything = peers(&format!("{one}, {{ipBlock: {{cidr: 0.0.0.0/0}}}}"));
    assert!(on("eks@1.0.2", &everything).starts_with("warning[WT602]"));
    assert_eq!(on("eks@1.3.7", &everything), "");
}

#[test]
fn blocks_before_they_were_matched() {
    let block = shop("ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]");
    expect![[r#"
        error[WT602] Weave Net 2.4.0 ignores `ipBlock`, so 203.0.113.0/24 admits nothing
          about: NetworkPolicy shop/p
          at t.yaml:21:83: `203.0.113.0/24` 
          evidence: ip:203.0.113.10 -> shop/Pod/web:80/tcp DENIED: NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:21:58]
          note: not matched before 2.5.0
          why: K-63
          fix: do without it, or move to a release that knows `ipBlock`
    "#]].assert_eq(&on("weave@2.4.0", &block));
    expect![[r#"
        warning[WT602] Weave Net 2.8.1 knows `ipBlock` only in part, and 203.0.113.0/24 relies on it
          about: NetworkPolicy shop/p
          at t.yaml:21:83: `203.0.113.0/24` 
          evidence: ip:203.0.113.10 -> shop/Pod/web:80/tcp ALLOWED: NetworkPolicy shop/p ingress rule 1 allows it, if the engine knows `ipBlock` [t.yaml:21:58]
          note: on ingress only useful with externalTrafficPolicy Local: other sources are rewritten
          why: K-63
    "#]].assert_eq(&on("weave@2.8.1", &block));
    let egress = shop("policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}]");
    assert_eq!(on("weave@2.8.1", &egress), "");
}

#[test]
fn k_65_k_70_blocks_never_match_pods_or_nodes_on_cilium() {
    let from = |cidr: &str| {
        shop(&format!(
            "ingress: [{{from: [{{ipBlock: {{cidr: {cidr}}}}}]}}]"
        ))
    };
    expect![[r#"
        error[WT602] Cilium matches no pods by address, so 10.1.0.0/16 admits none of them
          about: NetworkPolicy shop/p
          at t.yaml:21:83: `10.1.0.0/16` 
          evidence: shop/Pod/client -> shop/Pod/web:80/tcp DENIED: NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:21:58]
          why: K-65 D-3
          fix: select pods by podSelector and namespaceSelector
    "#]].assert_eq(&on("cilium", &from("10.1.0.0/16")));
    expect![[r#"
        error[WT602] Azure CNI powered by Cilium matches no nodes by address, so 192.168.0.0/16 admits none of them
          about: NetworkPolicy shop/p
          at t.yaml:21:83: `192.168.0.0/16` 
          evidence: node:n2 -> shop/Pod/web:80/tcp DENIED: NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:21:58]
          why: K-70 D-10
          fix: admit nodes by a CiliumNetworkPolicy with entities (host, remote-node, kube-apiserver)
    "#]].assert_eq(&on("azure-cni-cilium", &from("192.168.0.0/16")));
    expect![[r#"
        error[WT602] Cilium matches no pods by address, so fd00::/16 admits none of them
          about: NetworkPolicy shop/p
          at t.yaml:21:83: `'fd00::/16'` 
          evidence: shop/Pod/client -> shop/Pod/web:80/tcp DENIED: NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:21:58]
          why: K-65 D-3
          fix: select pods by podSelector and namespaceSelector
    "#]].assert_eq(&on("cilium", &from("'fd00::/16'")));
    expect![[r#"
        note[WT602] Cilium matches neither pods nor nodes by address, so 0.0.0.0/0 admits none of them (1 policy)
          at t.yaml:21:83: `0.0.0.0/0` 
          evidence: node:n2 -> shop/Pod/web:80/tcp DENIED: NetworkPolicy shop/p isolates shop/Pod/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:21:58]
          note: for addresses outside of the cluster it does what it says
          why: K-65 K-70 D-3
    "#]].assert_eq(&on("cilium", &from("0.0.0.0/0")));
    assert_eq!(
        on("cilium", &from("203.0.113.0/24")),
        "",
        "nobody of the cluster"
    );
    assert_eq!(on("calico", &from("10.1.0.0/16")), "");
    let also = shop("ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16}}, {podSelector: {}}]}]");
    assert_eq!(on("cilium", &also), "", "the label lets the same pods in");
    let left_out = from("10.0.0.0/8, except: [10.1.0.0/16]");
    assert_eq!(on("cilium", &left_out), "");
}

#[test]
fn m_1_blocks_over_assumed_addresses_are_a_warning() {
    expect![[r#"
        warning[WT602] Cilium matches no pods by address, so 10.0.0.0/8 admits none of them
          about: NetworkPolicy shop/p
          at t.yaml:14:83: `10.0.0.0/8` 
          evidence: shop/Deployment/client -> shop/Deployment/web:80/tcp DENIED: NetworkPolicy shop/p isolates shop/Deployment/web for ingress and none of its rules matches; on paper NetworkPolicy shop/p ingress rule 1 allows it [t.yaml:14:58]
          note: the addresses of these pods are not known and assumed to lie in the assumed pod range
          why: K-65 D-3 M-1
          fix: select pods by podSelector and namespaceSelector
    "#]].assert_eq(&on(
        "cilium",
        "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: []}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: shop}
spec: {template: {metadata: {labels: {app: client}}, spec: {containers: []}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}
",
    ));
}

#[test]
fn ipv6_blocks_where_only_ipv4_is_policed() {
    let v6 = shop("ingress: [{from: [{ipBlock: {cidr: '2001:db8::/32'}}]}]");
    expect![[r#"
        warning[WT602] OpenShift SDN polices IPv4 only, so 2001:db8::/32 has no effect
          about: NetworkPolicy shop/p
          at t.yaml:21:83: `'2001:db8::/32'` 
          note: IPv4 only
          why: K-66
          fix: run an engine that polices IPv6
    "#]]
    .assert_eq(&on("openshift-sdn", &v6));
    assert!(on("azure-npm", &v6).contains("polices IPv4 only"));
    assert_eq!(
        on(
            "openshift-sdn",
            &v6.replace("'2001:db8::/32'", "203.0.113.0/24")
        ),
        ""
    );
}

#[test]
fn k_7_egress_that_is_not_enforced() {
    let egress = shop(
        "policyTypes: [Ingress, Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: http}]}]",
    );
    expect![[r#"
        error[WT602] Weave Net 2.3.0 does not enforce egress: 1 policy leaves it open
          at t.yaml:20:18: `p` this policy is meant to isolate
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress; on paper NetworkPolicy shop/p isolates shop/Pod/web for egress and none of its rules matches [t.yaml:20:18]
          note: egress rules are ignored before 2.4.0
          why: K-7
          fix: move to a release that enforces it
    "#]].assert_eq(&on("weave@2.3.0", &egress));
    assert!(on("calico@2.5.0", &egress).contains("does not enforce egress"));
    assert_eq!(on("calico@2.6.0", &egress), "");
}

#[test]
fn what_azure_leaves_out_of_a_direction() {
    expect![[r#"
        note[WT602] Azure Network Policy Manager enforces egress only in part (1 policy)
          at t.yaml:20:18: `p` the first of them
          note: traffic to the address of the pod's own node is always allowed
          why: D-9
        note[WT602] Azure Network Policy Manager enforces ingress only in part (1 policy)
          at t.yaml:20:18: `p` the first of them
          note: NodePort and LoadBalancer traffic with externalTrafficPolicy Cluster is not policed
          why: D-9
    "#]]
    .assert_eq(&on("azure-npm", &shop("policyTypes: [Ingress, Egress]")));
}

#[test]
fn several_policies_make_several_findings() {
    let range = "ingress: [{ports: [{port: 8000, endPort: 8100}]}]";
    let two = shop(range)
        + &shop(range)
            .rsplit_once("---")
            .unwrap()
            .1
            .replace("name: p,", "name: q,")
            .replace("apiVersion", "---\napiVersion");
    assert_eq!(on("cilium@1.15", &two).matches("[WT602]").count(), 2);
}
