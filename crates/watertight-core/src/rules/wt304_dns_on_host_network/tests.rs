//! Caches and servers on the host network, on engines that exempt the own node or not.

use expect_test::expect;

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

const DNS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: coredns}]}
---
";

const CACHE: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-local-dns, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: node-local-dns}}
  template:
    metadata: {labels: {k8s-app: node-local-dns}}
    spec:
      hostNetwork: true
      containers: [{name: cache}]
---
";

const WEB: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: web}]}
---
";

fn rule(namespace: &str, to: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: allow-dns, namespace: {namespace}}}
spec:
  podSelector: {{}}
  policyTypes: [Egress]
  egress:
  - to:
    - {to}
    ports: [{{protocol: UDP, port: 53}}, {{protocol: TCP, port: 53}}]
---
"
    )
}

const BY_LABEL: &str =
    "namespaceSelector: {}\n      podSelector: {matchLabels: {k8s-app: kube-dns}}";

fn on_calico(yaml: &str) -> String {
    findings_on(&RULE, yaml, "calico", Cloud::all())
}

#[test]
fn x_9_a_rule_for_kube_dns_does_not_cover_the_cache() {
    let yaml = format!("{DNS}{CACHE}{WEB}{}", rule("shop", BY_LABEL));
    let found = on_calico(&yaml);
    expect![[r#"
        warning[WT304] the DNS rule of `shop/allow-dns` does not cover the node-local DNS cache
          about: NetworkPolicy shop/allow-dns
          at t.yaml:33:7: `namespaceSelector: {}` no selector matches the node-local DNS cache
          evidence: shop/Pod/web -> ip:169.254.20.10:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:27:18]
          note: 169.254.20.10 is where a node-local DNS cache usually listens; allow the address that the pods' /etc/resolv.conf names
          why: X-9 K-72
          fix: add a policy that allows the address of the cache
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-node-local-dns
            |   namespace: shop
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - ipBlock:
            |         cidr: "169.254.20.10/32"
            |     ports:
            |     - protocol: UDP
            |       port: 53
            |     - protocol: TCP
            |       port: 53
    "#]].assert_eq(&found);
    let manifest: Vec<_> = found
        .lines()
        .filter_map(|line| line.strip_prefix("    | "))
        .collect();
    assert_eq!(on_calico(&format!("{yaml}{}\n", manifest.join("\n"))), "");
}

#[test]
fn k_73_where_the_own_node_is_exempt_one_note_speaks_for_all() {
    let other = WEB.replace("shop", "blog");
    let (shop, blog) = (rule("shop", BY_LABEL), rule("blog", BY_LABEL));
    expect![[r#"
        note[WT304] the DNS rule of `shop/allow-dns` does not cover the node-local DNS cache; names resolve because a pod's own node is exempt from policy
          about: DaemonSet kube-system/node-local-dns
          at t.yaml:33:7: `namespaceSelector: {}` no selector matches the node-local DNS cache
          evidence: shop/Pod/web -> ip:169.254.20.10:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:27:18]
          note: the evidence is what the policies say of the address; it lies on the pod's own node, so they are not asked (K-73). Engines that police this traffic, such as Calico and Cilium, deny it
          why: X-9 K-72 K-73
          fix: allow the address that the pods' /etc/resolv.conf names as well, with an `ipBlock`
    "#]].assert_eq(&findings(&RULE, &format!("{DNS}{CACHE}{WEB}{shop}")));
    expect![[r#"
        note[WT304] the DNS rules of 2 policies do not cover the node-local DNS cache; names resolve because a pod's own node is exempt from policy
          about: DaemonSet kube-system/node-local-dns
          at t.yaml:33:7: `namespaceSelector: {}` no selector matches the node-local DNS cache
          at t.yaml:51:7: `namespaceSelector: {}` no selector matches the node-local DNS cache
          evidence: shop/Pod/web -> ip:169.254.20.10:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:27:18]
          note: the evidence is what the policies say of the address; it lies on the pod's own node, so they are not asked (K-73). Engines that police this traffic, such as Calico and Cilium, deny it
          why: X-9 K-72 K-73
          fix: allow the address that the pods' /etc/resolv.conf names as well, with an `ipBlock`
    "#]].assert_eq(&findings(&RULE, &format!("{DNS}{CACHE}{WEB}{shop}{other}{blog}")));
}

#[test]
fn k_72_labels_of_the_cache_itself_match_nothing() {
    let to = "namespaceSelector: {}\n      podSelector: {matchLabels: {k8s-app: node-local-dns}}";
    let yaml = format!("{DNS}{CACHE}{WEB}{}", rule("shop", to));
    expect![[r#"
        warning[WT304] the DNS rule of `shop/allow-dns` does not cover the node-local DNS cache
          about: NetworkPolicy shop/allow-dns
          at t.yaml:33:7: `namespaceSelector: {}` no selector matches the node-local DNS cache
          evidence: shop/Pod/web -> ip:169.254.20.10:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:27:18]
          note: 169.254.20.10 is where a node-local DNS cache usually listens; allow the address that the pods' /etc/resolv.conf names
          why: X-9 K-72
          fix: add a policy that allows the address of the cache
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-node-local-dns
            |   namespace: shop
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - ipBlock:
            |         cidr: "169.254.20.10/32"
            |     ports:
            |     - protocol: UDP
            |       port: 53
            |     - protocol: TCP
            |       port: 53
    "#]].assert_eq(&on_calico(&yaml));
}

#[test]
fn the_address_of_the_cache_covers_it() {
    for address in ["169.254.20.10", "169.254.25.10", "169.254.10.10"] {
        let to = format!("{BY_LABEL}\n    - ipBlock: {{cidr: {address}/32}}");
        let yaml = format!("{DNS}{CACHE}{WEB}{}", rule("shop", &to));
        assert_eq!(on_calico(&yaml), "");
        assert_eq!(findings(&RULE, &yaml), "");
    }
}

#[test]
fn x_9_the_address_of_the_service_covers_the_iptables_mode() {
    let service = "
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: 10.96.0.10
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]
---
";
    let to = format!("{BY_LABEL}\n    - ipBlock: {{cidr: 10.96.0.10/32}}");
    let yaml = format!("{DNS}{service}{CACHE}{WEB}{}", rule("shop", &to));
    assert_eq!(on_calico(&yaml), "");
}

#[test]
fn no_cache_or_a_cache_that_is_a_pod_is_silent() {
    let policy = rule("shop", BY_LABEL);
    assert_eq!(on_calico(&format!("{DNS}{WEB}{policy}")), "");
    let pods = CACHE.replace("hostNetwork: true", "hostNetwork: false");
    assert_eq!(on_calico(&format!("{DNS}{pods}{WEB}{policy}")), "");
    assert_eq!(on_calico(&format!("{WEB}{policy}")), "");
}

#[test]
fn l_45_on_cilium_no_block_helps() {
    let yaml = format!("{DNS}{CACHE}{WEB}{}", rule("shop", BY_LABEL));
    expect![[r#"
        warning[WT304] the DNS rule of `shop/allow-dns` does not cover the node-local DNS cache
          about: NetworkPolicy shop/allow-dns
          at t.yaml:33:7: `namespaceSelector: {}` no selector matches the node-local DNS cache
          evidence: shop/Pod/web -> kube-system/DaemonSet/node-local-dns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:27:18]
          why: X-9 K-72
          fix: no `ipBlock` matches a node on this engine: allow the host with a policy of the engine's own, or let it redirect queries to a cache that is a pod
    "#]].assert_eq(&findings_on(&RULE, &yaml, "cilium", Cloud::all()));
}

#[test]
fn k_72_servers_on_the_host_network() {
    let dns = "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {hostNetwork: true, nodeName: n1, containers: [{name: coredns}]}
status: {phase: Running, podIP: 192.168.1.10}
---
";
    let yaml = format!("{dns}{WEB}{}", rule("shop", BY_LABEL));
    expect![[r#"
        warning[WT304] the DNS rule of `shop/allow-dns` selects pods on the host network, which no label matches
          about: NetworkPolicy shop/allow-dns
          at t.yaml:22:7: `namespaceSelector: {}` these pods run on the host network, where no selector matches them
          evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:16:18]
          why: K-72 X-9
          fix: allow the addresses instead: 192.168.1.10 on 53/udp and 53/tcp
    "#]].assert_eq(&findings(&RULE, &yaml));
    let open = rule("shop", "ipBlock: {cidr: 192.168.1.0/24}").replace("allow-dns", "nodes");
    assert_eq!(findings(&RULE, &format!("{yaml}{open}")), "");
}
