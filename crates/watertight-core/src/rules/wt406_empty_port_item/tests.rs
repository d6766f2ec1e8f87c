use expect_test::expect;

use super::RULE;
use crate::rules::testing::findings;

/// Pods web (8080) and gossip (7946/UDP), and a policy on both with this spec.
fn shop(spec: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec: {{containers: [{{name: c, ports: [{{containerPort: 8080}}]}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: gossip, namespace: shop, labels: {{app: gossip}}}}
spec: {{containers: [{{name: c, ports: [{{containerPort: 7946, protocol: UDP}}]}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: guard, namespace: shop}}
spec:
  podSelector: {{}}
{spec}
"
    )
}

// K-47
#[test]
fn an_empty_item() {
    let yaml = shop("  ingress: [{from: [{podSelector: {}}], ports: [{}]}]");
    expect![[r#"
        warning[WT406] a port item of NetworkPolicy `shop/guard` admits every TCP port and no UDP
          about: NetworkPolicy shop/guard
          at t.yaml:17:49: `{}` without `protocol` this is TCP only
          evidence: shop/Pod/gossip -> shop/Pod/web:8080/udp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:14:18]
          evidence: shop/Pod/gossip -> shop/Pod/web:8080/tcp ALLOWED: NetworkPolicy shop/guard ingress rule 1 allows it [t.yaml:17:13]
          why: K-47 K-21
          fix: leave `ports` out to admit all traffic, or name the ports that are meant
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn all_numbers_without_a_protocol() {
    let yaml = shop(
        "  policyTypes: [Egress]
  egress:
  - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
    ports: [{port: 1, endPort: 65535}]",
    );
    expect![[r#"
        warning[WT406] a port item of NetworkPolicy `shop/guard` admits every TCP port and no UDP
          about: NetworkPolicy shop/guard
          at t.yaml:20:13: `{port: 1, endPort: 65535}` without `protocol` this is TCP only
          evidence: shop/Pod/web -> ip:203.0.113.2:443/udp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for egress and none of its rules matches [t.yaml:14:18]
          evidence: shop/Pod/web -> ip:203.0.113.2:443/tcp ALLOWED: NetworkPolicy shop/guard egress rule 1 allows it [t.yaml:19:5]
          why: K-47 K-21
          fix: leave `ports` out to admit all traffic, or name the ports that are meant
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn all_of_tcp_on_purpose() {
    for ports in [
        "[{protocol: TCP}]",
        "[{}, {protocol: UDP}]",
        "[{port: 1, endPort: 65535}, {port: 1, endPort: 65535, protocol: UDP}]",
        "[]",
    ] {
        let yaml = shop(&format!("  ingress: [{{ports: {ports}}}]"));
        expect![[""]].assert_eq(&findings(&RULE, &yaml));
    }
}

// K-15: nothing is lost.
#[test]
fn another_rule_allows_udp() {
    let yaml = shop("  ingress: [{ports: [{}]}, {ports: [{protocol: UDP}, {protocol: SCTP}]}]");
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// X-11
#[test]
fn dns_over_tcp_only() {
    let yaml = shop(
        "  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {}
    ports:
    - port: 53 # DNS
  - ports: [{port: 53}]",
    );
    expect![[r#"
        warning[WT406] port 53 of NetworkPolicy `shop/guard` is open for TCP only, and DNS asks over UDP first
          about: NetworkPolicy shop/guard
          at t.yaml:22:7: `port: 53` without `protocol` this is TCP
          at t.yaml:23:13: `{port: 53}` and here
          evidence: shop/Pod/web -> kube-system/Pod/kube-dns:53/udp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for egress and none of its rules matches [t.yaml:14:18]
          evidence: shop/Pod/web -> kube-system/Pod/kube-dns:53/tcp ALLOWED: NetworkPolicy shop/guard egress rule 1 allows it [t.yaml:19:5]
          why: K-47 X-11
          fix: allow port 53 over UDP as well
            t.yaml:22:5: "" => "- protocol: UDP\n      port: 53\n    "
            t.yaml:23:13: "" => "{protocol: UDP, port: 53}, "
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn dns_over_both() {
    for rules in [
        "[{ports: [{port: 53}, {port: 53, protocol: UDP}]}]",
        "[{ports: [{port: 53}]}, {ports: [{port: 53, protocol: UDP}]}]",
        "[{ports: [{port: 53}, {protocol: UDP, port: 1, endPort: 100}]}]",
        "[{ports: [{port: 53, protocol: TCP}]}]",
    ] {
        let yaml = shop(&format!("  policyTypes: [Egress]\n  egress: {rules}"));
        expect![[""]].assert_eq(&findings(&RULE, &yaml));
    }
}

#[test]
fn other_ports_of_udp_are_noted() {
    let yaml = shop(
        "  policyTypes: [Egress]
  egress:
  - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
    ports:
    - port: 123
    - port: 443",
    );
    expect![[r#"
        note[WT406] port 123 of NetworkPolicy `shop/guard` is open for TCP only, and NTP uses UDP
          about: NetworkPolicy shop/guard
          at t.yaml:21:7: `port: 123` without `protocol` this is TCP
          evidence: shop/Pod/web -> ip:203.0.113.2:123/udp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for egress and none of its rules matches [t.yaml:14:18]
          evidence: shop/Pod/web -> ip:203.0.113.2:123/tcp ALLOWED: NetworkPolicy shop/guard egress rule 1 allows it [t.yaml:19:5]
          why: K-47
          fix: allow port 123 over UDP as well
            t.yaml:21:5: "" => "- protocol: UDP\n      port: 123\n    "
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn what_the_pods_declare_decides() {
    let yaml = shop(
        "  ingress:
  - from: [{podSelector: {}}]
    ports:
    - port: 7946
    - port: 8080",
    );
    expect![[r#"
        warning[WT406] port 7946 of NetworkPolicy `shop/guard` is open for TCP only, and the pods declare it for UDP
          about: NetworkPolicy shop/guard
          at t.yaml:20:7: `port: 7946` without `protocol` this is TCP
          evidence: shop/Pod/web -> shop/Pod/gossip:7946/udp DENIED: NetworkPolicy shop/guard isolates shop/Pod/gossip for ingress and none of its rules matches [t.yaml:14:18]
          evidence: shop/Pod/web -> shop/Pod/gossip:7946/tcp ALLOWED: NetworkPolicy shop/guard ingress rule 1 allows it [t.yaml:18:5]
          why: K-47
          fix: write `protocol: UDP` for port 7946
            t.yaml:20:7: "" => "protocol: UDP\n      "
    "#]].assert_eq(&findings(&RULE, &yaml));
    // 8125 over TCP is declared, whatever it is used for elsewhere.
    let yaml = shop("  ingress: [{ports: [{port: 8125}]}]").replace("8080", "8125");
    let yaml = yaml.replace("7946, protocol: UDP", "8125");
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// K-48
#[test]
fn all_of_udp_is_noted() {
    let yaml = shop("  ingress: [{ports: [{protocol: UDP}]}]");
    expect![[r#"
        note[WT406] a port item of NetworkPolicy `shop/guard` admits every UDP port and no TCP
          about: NetworkPolicy shop/guard
          at t.yaml:17:22: `{protocol: UDP}` no port is named
          evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:14:18]
          evidence: ip:203.0.113.10 -> shop/Pod/web:8080/udp ALLOWED: NetworkPolicy shop/guard ingress rule 1 allows it [t.yaml:17:13]
          why: K-48
          fix: name the ports that are meant
    "#]].assert_eq(&findings(&RULE, &yaml));
    let yaml = shop("  ingress: [{ports: [{protocol: UDP}, {port: 80}]}]");
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// K-68: a pod with IPv6 only.
#[test]
fn dns_over_ipv6() {
    let yaml = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
status: {phase: Running, podIP: \"fd00::1\", podIPs: [{ip: \"fd00::1\"}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: guard, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: \"2001:db8::/64\"}}], ports: [{port: 53}]}]
";
    expect![[r#"
        warning[WT406] port 53 of NetworkPolicy `shop/guard` is open for TCP only, and DNS asks over UDP first
          about: NetworkPolicy shop/guard
          at t.yaml:13:63: `{port: 53}` without `protocol` this is TCP
          evidence: shop/Pod/web -> ip:2001:db8::1:53/udp DENIED: NetworkPolicy shop/guard isolates shop/Pod/web for egress and none of its rules matches [t.yaml:9:18]
          evidence: shop/Pod/web -> ip:2001:db8::1:53/tcp ALLOWED: NetworkPolicy shop/guard egress rule 1 allows it [t.yaml:13:12]
          why: K-47 X-11
          fix: allow port 53 over UDP as well
            t.yaml:13:63: "" => "{protocol: UDP, port: 53}, "
    "#]].assert_eq(&findings(&RULE, yaml));
}
