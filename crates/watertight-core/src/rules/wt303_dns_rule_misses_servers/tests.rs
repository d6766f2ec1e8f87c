//! Labels that miss the servers, and rules that only look so.

use expect_test::expect;

use super::RULE;
use crate::rules::testing::findings;

const DNS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: kube-system}
---
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns, tier: dns}}
spec:
  containers:
  - name: coredns
    ports: [{containerPort: 53, protocol: UDP}, {containerPort: 53}]
---
";

const WEB: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: web}]}
---
";

fn rule(to: &str) -> String {
    rule_of("allow-dns", to)
}

fn rule_of(name: &str, to: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  podSelector: {{}}
  policyTypes: [Egress]
  egress:
  - to:
    - {to}
    ports:
    - {{protocol: UDP, port: 53}}
    - {{protocol: TCP, port: 53}}
---
"
    )
}

const RIGHT: &str = "namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector:
        matchLabels:
          k8s-app: kube-dns";

fn silent(yaml: &str) {
    assert_eq!(findings(&RULE, yaml), "", "{yaml}");
}

#[test]
fn a_wrong_pod_label() {
    let wrong = rule(&RIGHT.replace("kube-dns", "coredns"));
    expect![[r#"
        warning[WT303] the DNS rule of `shop/allow-dns` selects no DNS server
          about: NetworkPolicy shop/allow-dns
          at t.yaml:33:11: `k8s-app: coredns` the DNS servers have `k8s-app=kube-dns`
          at t.yaml:35:7: `{protocol: UDP, port: 53}` meant for DNS
          evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:22:18]
          why: K-26
          fix: ask for `k8s-app: kube-dns`
            t.yaml:33:11: "k8s-app: coredns" => "k8s-app: kube-dns"
    "#]].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{wrong}")));
    let unknown = rule(&RIGHT.replace("k8s-app: kube-dns", "app: dns"));
    expect![[r#"
        warning[WT303] the DNS rule of `shop/allow-dns` selects no DNS server
          about: NetworkPolicy shop/allow-dns
          at t.yaml:33:11: `app: dns` the DNS servers have no label `app`; there is `k8s-app=kube-dns`
          at t.yaml:35:7: `{protocol: UDP, port: 53}` meant for DNS
          evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:22:18]
          why: K-26
          fix: ask for `k8s-app: kube-dns`
            t.yaml:33:11: "app: dns" => "k8s-app: kube-dns"
    "#]].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{unknown}")));
}

#[test]
fn the_right_labels_are_silent() {
    silent(&format!("{DNS}{WEB}{}", rule(RIGHT)));
}

#[test]
fn k_36_a_name_label_that_nobody_set() {
    let wrong = rule(&RIGHT.replace("kubernetes.io/metadata.name", "name"));
    expect![[r#"
        warning[WT303] the DNS rule of `shop/allow-dns` selects no DNS server
          about: NetworkPolicy shop/allow-dns
          at t.yaml:30:11: `name: kube-system` namespace `kube-system` of the DNS servers has no label `name`; there is `kubernetes.io/metadata.name=kube-system`
          at t.yaml:35:7: `{protocol: UDP, port: 53}` meant for DNS
          evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:22:18]
          why: K-26
          fix: ask for `kubernetes.io/metadata.name: kube-system`
            t.yaml:30:11: "name: kube-system" => "kubernetes.io/metadata.name: kube-system"
    "#]].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{wrong}")));
    // M-3: without the Namespace object it may be set.
    let pod = DNS.split_once("---").unwrap().1;
    expect![[r#"
        note[WT303] the DNS rule of `shop/allow-dns` selects no DNS server
          about: NetworkPolicy shop/allow-dns
          at t.yaml:26:11: `name: kube-system` the input does not tell whether namespace `kube-system` of the DNS servers has this label
          at t.yaml:31:7: `{protocol: UDP, port: 53}` meant for DNS
          evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:18:18]
          note: the labels of the DNS servers' namespace are not in the input: the rule works if somebody has set the one that it asks for (M-3)
          why: K-36 M-3
          fix: select the DNS servers: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
    "#]].assert_eq(&findings(&RULE, &format!("{pod}{WEB}{wrong}")));
    let labelled = DNS.replace(
        "{name: kube-system}",
        "{name: kube-system, labels: {name: kube-system}}",
    );
    silent(&format!("{labelled}{WEB}{wrong}"));
}

#[test]
fn k_24_only_a_pod_selector_means_the_own_namespace() {
    let own = rule("podSelector: {matchLabels: {k8s-app: kube-dns}}");
    expect![[r#"
        warning[WT303] the DNS rule of `shop/allow-dns` selects no DNS server
          about: NetworkPolicy shop/allow-dns
          at t.yaml:28:7: `podSelector: {matchLabels: {k8s-app: kube-dns}}` without `namespaceSelector` this means pods of `shop` (K-24); the DNS servers are in `kube-system`
          at t.yaml:30:7: `{protocol: UDP, port: 53}` meant for DNS
          evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:22:18]
          why: K-24
          fix: select the DNS servers: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
    "#]].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{own}")));
}

#[test]
fn two_faults_have_no_edit() {
    let wrong = rule(
        "namespaceSelector: {matchLabels: {name: kube-system}}
      podSelector: {matchExpressions: [{key: k8s-app, operator: NotIn, values: [kube-dns]}]}",
    );
    expect![[r#"
        warning[WT303] the DNS rule of `shop/allow-dns` selects no DNS server
          about: NetworkPolicy shop/allow-dns
          at t.yaml:28:41: `name: kube-system` namespace `kube-system` of the DNS servers has no label `name`; there is `kubernetes.io/metadata.name=kube-system`
          at t.yaml:31:7: `{protocol: UDP, port: 53}` meant for DNS
          evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:22:18]
          why: K-26
          fix: select the DNS servers: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
    "#]].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{wrong}")));
}

#[test]
fn m_2_assumed_servers_make_a_note() {
    let wrong = rule(&RIGHT.replace("kube-dns", "coredns"));
    expect![[r#"
        note[WT303] the DNS rule of `shop/allow-dns` selects no DNS server
          about: NetworkPolicy shop/allow-dns
          at t.yaml:20:11: `k8s-app: coredns` the DNS servers have `k8s-app=kube-dns`
          at t.yaml:22:7: `{protocol: UDP, port: 53}` meant for DNS
          evidence: shop/Pod/web -> kube-system/Pod/kube-dns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:9:18]
          note: the input has no cluster DNS; pods labelled `k8s-app=kube-dns` in `kube-system` that listen on port 53 are assumed (M-2)
          why: K-26 M-2
          fix: select the DNS servers: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
    "#]].assert_eq(&findings(&RULE, &format!("{WEB}{wrong}")));
    let openshift = RIGHT.replace("kube-system", "openshift-dns").replace(
        "k8s-app: kube-dns",
        "dns.operator.openshift.io/daemonset-dns: default",
    );
    let openshift = rule(&openshift).replace("port: 53", "port: 5353");
    silent(&format!("{WEB}{openshift}"));
    // With servers in the input it is wrong here, and unnecessary beside the right one.
    expect![[r#"
        warning[WT303] the DNS rule of `shop/allow-dns` selects no DNS server
          about: NetworkPolicy shop/allow-dns
          at t.yaml:30:11: `kubernetes.io/metadata.name: openshift-dns` namespace `kube-system` of the DNS servers has `kubernetes.io/metadata.name=kube-system`
          at t.yaml:35:7: `{protocol: UDP, port: 5353}` meant for DNS
          evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:22:18]
          why: K-26
          fix: select the DNS servers: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
    "#]].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{openshift}")));
    let right = rule_of("usual", RIGHT);
    silent(&format!("{DNS}{WEB}{openshift}{right}"));
}

#[test]
fn beside_a_rule_that_works_it_is_a_note() {
    let wrong = rule(&RIGHT.replace("kube-dns", "coredns"));
    let right = rule_of("usual", RIGHT);
    expect![[r#"
        note[WT303] a DNS rule of `shop/allow-dns` selects no DNS server; other rules allow DNS
          about: NetworkPolicy shop/allow-dns
          at t.yaml:33:11: `k8s-app: coredns` the DNS servers have `k8s-app=kube-dns`
          at t.yaml:35:7: `{protocol: UDP, port: 53}` meant for DNS
          why: K-26
          fix: ask for `k8s-app: kube-dns`
            t.yaml:33:11: "k8s-app: coredns" => "k8s-app: kube-dns"
    "#]]
    .assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{wrong}{right}")));
}

#[test]
fn other_resolvers_and_other_ports_are_silent() {
    let unbound = "
apiVersion: v1
kind: Pod
metadata: {name: unbound, namespace: infra, labels: {app: unbound}}
spec: {containers: [{name: unbound, ports: [{containerPort: 53, protocol: UDP}]}]}
---
";
    let to = "namespaceSelector: {}\n      podSelector: {matchLabels: {app: unbound}}";
    silent(&format!("{DNS}{WEB}{unbound}{}", rule(to)));
    let https = rule(&RIGHT.replace("kube-dns", "coredns")).replace("port: 53", "port: 443");
    silent(&format!("{DNS}{WEB}{https}"));
    let mixed = rule(&format!(
        "ipBlock: {{cidr: 10.0.0.2/32}}\n    - {}",
        RIGHT.replace("kube-dns", "x")
    ));
    silent(&format!("{DNS}{WEB}{mixed}"));
    silent(&format!("{DNS}{WEB}{}", rule("namespaceSelector: {}")));
}

#[test]
fn json_is_edited_as_json() {
    let policy = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
"metadata": {"name": "allow-dns", "namespace": "shop"},
"spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{
  "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "coredns"}}}],
  "ports": [{"protocol": "UDP", "port": 53}]}]}}
"#;
    expect![[r#"
        warning[WT303] the DNS rule of `shop/allow-dns` selects no DNS server
          about: NetworkPolicy shop/allow-dns
          at t.yaml:23:68: `"k8s-app": "coredns"` the DNS servers have `k8s-app=kube-dns`
          at t.yaml:24:13: `{"protocol": "UDP", "port": 53}` meant for DNS
          evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:21:22]
          why: K-26
          fix: ask for `"k8s-app": "kube-dns"`
            t.yaml:23:68: "\"k8s-app\": \"coredns\"" => "\"k8s-app\": \"kube-dns\""
    "#]].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{policy}")));
}
