//! The map by rule id, on the smallest worlds that show each.

use expect_test::{Expect, expect};

use super::*;

const TWO: &str = r#"
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: db, namespace: shop}, spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}}}}
"#;

fn two(policies: &str) -> Sample {
    let mut yaml = TWO.to_owned();
    if !policies.is_empty() {
        yaml = format!("{yaml}---\n{policies}");
    }
    Sample::new(&yaml)
}

fn check(sample: &Sample, by: By, expected: Expect) {
    let text = printed(sample, by);
    let shop: Vec<_> = text
        .lines()
        .filter(|line| !line.contains("kube-system"))
        .collect();
    if shop.is_empty() {
        return expected.assert_eq("nobody reaches anybody");
    }
    expected.assert_eq(&(shop.join("\n") + "\n"));
}

#[test]
fn k_6_without_policies_everybody_reaches_everybody() {
    check(
        &two(""),
        By::Workload,
        expect![[r#"
        shop/Deployment/db -> shop/Deployment/db: all
        shop/Deployment/db -> shop/Deployment/web: all
        shop/Deployment/web -> shop/Deployment/db: all
        shop/Deployment/web -> shop/Deployment/web: all
    "#]],
    );
}

/// K-16: both sides have to allow it.
#[test]
fn k_16_egress_and_ingress_meet() {
    let sample = two(r#"
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: shop}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5000, endPort: 6000}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: db, namespace: shop}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5400, endPort: 7000}]}]}}
"#);
    check(
        &sample,
        By::Workload,
        expect![[r#"
        shop/Deployment/db -> shop/Deployment/web: all
        shop/Deployment/web -> shop/Deployment/db: 5400-6000/tcp
    "#]],
    );
}

/// K-52, K-53: a name is the number that the destination gives it.
#[test]
fn k_52_names_of_ports_are_numbers() {
    let sample = two(r#"
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: all, namespace: shop}, spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{ports: [{port: pg}, {port: http}]}], egress: [{to: [{podSelector: {}}], ports: [{port: pg}, {port: http}]}]}}
"#);
    check(
        &sample,
        By::Workload,
        expect![[r#"
        shop/Deployment/db -> shop/Deployment/db: 5432-5432/tcp
        shop/Deployment/db -> shop/Deployment/web: 8080-8080/tcp
        shop/Deployment/web -> shop/Deployment/db: 5432-5432/tcp
        shop/Deployment/web -> shop/Deployment/web: 8080-8080/tcp
    "#]],
    );
    check(
        &sample,
        By::Namespace,
        expect![[r#"
        ns:shop -> ns:shop: 5432-5432/tcp some, 8080-8080/tcp some
    "#]],
    );
}

/// K-68: IPv4 where both have it; that IPv6 differs is said.
#[test]
fn k_68_another_answer_over_ipv6_is_said() {
    let sample = Sample::new(
        r#"
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: ns1, labels: {app: a}}, spec: {containers: [{name: c}]}, status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: ns1, labels: {app: b}}, spec: {containers: [{name: c}]}, status: {phase: Running, podIP: 10.0.0.2, podIPs: [{ip: 10.0.0.2}, {ip: "fd00::2"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: six, namespace: ns1, labels: {app: six}}, spec: {containers: [{name: c}]}, status: {phase: Running, podIP: "fd00::6", podIPs: [{ip: "fd00::6"}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: v4, namespace: ns1}, spec: {podSelector: {matchLabels: {app: b}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 80}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: v6, namespace: ns1}, spec: {podSelector: {matchLabels: {app: a}}, ingress: [{from: [{ipBlock: {cidr: "fd00::/16"}}], ports: [{port: 443}]}]}}
"#,
    );
    check(
        &sample,
        By::Pod,
        expect![[r#"
        ns1/Pod/a -> ns1/Pod/six: all
        ns1/Pod/a -> ns1/Pod/b: 80-80/tcp ipv6: none
        ns1/Pod/b -> ns1/Pod/six: all
        ns1/Pod/b -> ns1/Pod/a: none ipv6: 443-443/tcp
        ns1/Pod/six -> ns1/Pod/a: 443-443/tcp
    "#]],
    );
}

/// K-73, K-74: a pod and its own node; where engines differ on the way back it is uncertain.
#[test]
fn k_73_a_pod_and_its_own_node() {
    let sample = Sample::new(
        r#"
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: ns1}, spec: {nodeName: n1, containers: [{name: c}]}, status: {phase: Running, podIP: 10.0.0.1}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: ns1}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}
"#,
    );
    check(
        &sample,
        By::Pod,
        expect![[r#"
        ns1/Pod/a -> node:n1: 1-65535/tcp K-73, 1-65535/udp K-73, 1-65535/sctp K-73
        node:n1 -> ns1/Pod/a: all
    "#]],
    );
    check(
        &sample,
        By::Workload,
        expect![[r#"
        ns1/Pod/a -> nodes: 1-65535/tcp some K-73, 1-65535/udp some K-73, 1-65535/sctp some K-73
        nodes -> ns1/Pod/a: 1-65535/tcp some, 1-65535/udp some, 1-65535/sctp some
    "#]],
    );
}

/// K-75: a pod to itself is no connection, two pods of one workload or template are.
#[test]
fn k_75_a_pod_does_not_connect_to_itself() {
    let pod = |name: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: ns1, labels: {{app: a}}}}, spec: {{containers: [{{name: c}}]}}}}\n"
        )
    };
    check(
        &Sample::new(&pod("a")),
        By::Pod,
        expect!["nobody reaches anybody"],
    );
    check(
        &Sample::new(&pod("a")),
        By::Namespace,
        expect!["nobody reaches anybody"],
    );
    let both = format!("{}---\n{}", pod("a"), pod("b"));
    check(
        &Sample::new(&both),
        By::Namespace,
        expect![[r#"
        ns:ns1 -> ns:ns1: all
    "#]],
    );
}

/// K-79, K-80: a Service stands for its backends on their ports, said of the port dialled.
#[test]
fn k_79_a_service_is_its_backends() {
    let sample = two(r#"
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: 10.96.0.7, selector: {app: db}, ports: [{name: pg, port: 80, targetPort: pg}, {name: other, port: 81, targetPort: 9999}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: db, namespace: shop}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: pg}]}]}}
"#);
    let text = asked(&sample, By::Workload, None, Some("shop/svc/db"));
    expect![[r#"
        shop/Deployment/web -> db: 80-80/tcp
    "#]]
    .assert_eq(&text);
}

/// Both ends in other groupings: a pod of a namespace is not counted against itself.
#[test]
fn ends_may_overlap() {
    let sample = two(r#"
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: shop}, spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}}
"#);
    let text = asked(&sample, By::Namespace, Some("ns:shop"), Some("shop/web"));
    expect![[r#"
        ns:shop -> shop/Deployment/web: 1-65535/tcp some, 1-65535/udp some, 1-65535/sctp some
    "#]]
    .assert_eq(&text);
    let text = asked(&sample, By::Workload, Some("shop/db"), None);
    expect![[r#"
        shop/Deployment/db -> kube-system/Pod/kube-dns: all
        shop/Deployment/db -> shop/Deployment/db: all
        shop/Deployment/db -> shop/Deployment/web: all
    "#]]
    .assert_eq(&text);
    let text = asked(&sample, By::Workload, None, Some("shop/web"));
    expect![[r#"
        shop/Deployment/db -> shop/Deployment/web: all
    "#]]
    .assert_eq(&text);
}

/// What is reached outside and from outside, one profile a line.
fn outside(sample: &Sample) -> String {
    let eval = sample.eval();
    let reach = Reach::new(&eval);
    let question = Question {
        by: By::Workload,
        from: None,
        to: None,
        ports: Vec::new(),
    };
    let map = ReachMap::new(&eval, &reach, &sample.profile, &[], &question).unwrap();
    let mut text = String::new();
    for row in map.outside() {
        for reached in &row.reached {
            let units: Vec<_> = row
                .units
                .iter()
                .map(|unit| &*map.sources().all()[*unit as usize].name)
                .collect();
            let v4: Vec<_> = reached
                .v4
                .iter()
                .map(|(first, last)| {
                    format!(
                        "{}-{}",
                        std::net::Ipv4Addr::from(first),
                        std::net::Ipv4Addr::from(last)
                    )
                })
                .collect();
            let v6: Vec<_> = reached
                .v6
                .iter()
                .map(|(first, last)| {
                    format!(
                        "{}-{}",
                        std::net::Ipv6Addr::from(first),
                        std::net::Ipv6Addr::from(last)
                    )
                })
                .collect();
            text += &format!(
                "{} {}: {} {} {}\n",
                row.direction.word(),
                units.join(" "),
                v4.join(" "),
                v6.join(" "),
                spell(&reached.ports)
            );
        }
    }
    text
}

/// K-63, K-66, M-1: the outside as ranges; a block that covers a part of the assumed addresses.
#[test]
fn k_63_the_outside_is_ranges() {
    let sample = two(r#"
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: shop}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]}, {ports: [{port: 53, protocol: UDP}]}, {to: [{ipBlock: {cidr: 10.244.0.0/17}}], ports: [{port: 99}]}]}}
"#);
    expect![[r#"
        egress kube-system/Pod/kube-dns shop/Deployment/db: 0.0.0.0-255.255.255.255 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff all
        egress shop/Deployment/web: 0.0.0.0-169.254.169.253 169.254.169.255-255.255.255.255  all
        egress shop/Deployment/web: 169.254.169.254-169.254.169.254 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 53-53/udp
        ingress kube-system/Pod/kube-dns shop/Deployment/db: 0.0.0.0-255.255.255.255 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff all
        ingress shop/Deployment/web: 203.0.113.0-203.0.113.255  all
    "#]].assert_eq(&outside(&sample));
    check(
        &sample,
        By::Workload,
        expect![[r#"
        shop/Deployment/db -> shop/Deployment/db: all
        shop/Deployment/web -> shop/Deployment/db: all
    "#]],
    );
}

/// K-70: an address that a node or a pod owns is theirs, and told by name.
#[test]
fn k_70_addresses_of_nodes_and_pods_are_not_outside() {
    let sample = two(r#"
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: all, namespace: shop}, spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 192.0.2.2/32}}]}], egress: [{to: [{ipBlock: {cidr: 192.0.2.1/32}}, {ipBlock: {cidr: 192.0.2.2/32}}], ports: [{port: 9100}]}, {to: [{ipBlock: {cidr: 192.0.2.2/31}}], ports: [{port: 9200}]}]}}
"#);
    expect![[r#"
        egress kube-system/Pod/kube-dns: 0.0.0.0-255.255.255.255 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff all
        egress shop/Deployment/db shop/Deployment/web: 192.0.2.3-192.0.2.3  9200-9200/tcp
        ingress kube-system/Pod/kube-dns: 0.0.0.0-255.255.255.255 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff all
    "#]]
    .assert_eq(&outside(&sample));
}
