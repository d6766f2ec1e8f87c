//! K-47..K-61: ports and protocols.

use super::{check, check_with, policy};

/// Ingress to `x/a`, whose ports are http (80/TCP) and dns (53/UDP).
fn to_a(ports: &str) -> String {
    let spec = format!("podSelector: {{matchLabels: {{app: web}}}}\ningress: [{{ports: {ports}}}]");
    policy("x/p", &spec)
}

/// Egress of the pods in `x`.
fn out(rule: &str) -> String {
    let spec = format!("podSelector: {{}}\npolicyTypes: [Egress]\negress: [{rule}]");
    policy("x/p", &spec)
}

#[test]
fn k_47_no_protocol_is_tcp() {
    check(
        &to_a("[{port: 80}]"),
        &[("x/b -> x/a:80/tcp", true), ("x/b -> x/a:80/udp", false)],
    );
    check(
        &to_a("[{}]"),
        &[
            ("x/b -> x/a:1/tcp", true),
            ("x/b -> x/a:65535/tcp", true),
            ("x/b -> x/a:53/udp", false),
            ("x/b -> x/a:1/sctp", false),
            ("x/b -> x/a/icmp", false),
        ],
    );
}

#[test]
fn k_48_no_port_is_every_port_of_the_protocol() {
    check(
        &to_a("[{protocol: UDP}]"),
        &[
            ("x/b -> x/a:1/udp", true),
            ("x/b -> x/a:65535/udp", true),
            ("x/b -> x/a:1/tcp", false),
        ],
    );
}

#[test]
fn k_49_a_number_needs_no_declaration() {
    check(
        &to_a("[{port: 9999}]"),
        &[
            ("x/b -> x/a:9999/tcp", true),
            ("x/b -> x/a:9998/tcp", false),
            ("x/b -> x/a:80/tcp", false),
        ],
    );
}

#[test]
fn k_50_end_port() {
    let range = to_a("[{port: 8000, endPort: 8002}]");
    check(
        &range,
        &[
            ("x/b -> x/a:7999/tcp", false),
            ("x/b -> x/a:8000/tcp", true),
            ("x/b -> x/a:8002/tcp", true),
            ("x/b -> x/a:8003/tcp", false),
            ("x/b -> x/a:8001/udp", false),
        ],
    );
    check_with(
        "endport=first-only",
        &range,
        &[
            ("x/b -> x/a:8000/tcp", true),
            ("x/b -> x/a:8001/tcp", false),
        ],
    );
    check(
        &to_a("[{port: 8000, endPort: 8000}]"),
        &[
            ("x/b -> x/a:8000/tcp", true),
            ("x/b -> x/a:8001/tcp", false),
        ],
    );
    check(
        &to_a("[{port: 1, endPort: 65535}]"),
        &[("x/b -> x/a:1/tcp", true), ("x/b -> x/a:65535/tcp", true)],
    );
}

#[test]
fn k_52_an_ingress_name_is_looked_up_on_the_subject() {
    check(
        &to_a("[{port: http}]"),
        &[
            ("203.0.113.5 -> x/a:80/tcp", true),
            ("w/c -> x/a:80/tcp", true),
            // The caller's own http is 8080.
            ("w/c -> x/a:8080/tcp", false),
        ],
    );
}

#[test]
fn k_53_an_egress_name_is_looked_up_on_the_destination() {
    check(
        &out("{ports: [{port: http}]}"),
        &[
            ("x/b -> x/a:80/tcp", true),
            ("x/b -> w/c:8080/tcp", true),
            // 80 is http on the caller only.
            ("x/a -> w/c:80/tcp", false),
        ],
    );
}

#[test]
fn k_54_name_and_protocol_must_be_those_of_a_container_port() {
    check(
        &to_a("[{port: dns, protocol: UDP}]"),
        &[("x/b -> x/a:53/udp", true), ("x/b -> x/a:53/tcp", false)],
    );
    check(
        &to_a("[{port: dns}]"),
        &[("x/b -> x/a:53/tcp", false), ("x/b -> x/a:53/udp", false)],
    );
}

#[test]
fn k_55_all_containers_are_searched() {
    let pod = "
---
apiVersion: v1
kind: Pod
metadata: {name: e, namespace: x, labels: {app: web}}
spec:
  nodeName: n2
  initContainers:
  - {name: proxy, restartPolicy: Always, ports: [{name: http, containerPort: 15001}]}
  containers:
  - {name: one, ports: [{name: http, containerPort: 8080}]}
  - {name: two, ports: [{name: http, containerPort: 9090}]}
status: {phase: Running, podIP: 10.0.0.9}
";
    check(
        &format!("{pod}{}", to_a("[{port: http}]")),
        &[
            ("x/b -> x/e:8080/tcp", true),
            ("x/b -> x/e:9090/tcp", true),
            ("x/b -> x/e:15001/tcp", true),
            ("x/b -> x/e:80/tcp", false),
        ],
    );
}

#[test]
fn k_56_each_pod_is_looked_up_by_itself() {
    let both = policy("x/p", "podSelector: {}\ningress: [{ports: [{port: http}]}]")
        + &policy("w/p", "podSelector: {}\ningress: [{ports: [{port: http}]}]");
    check(
        &both,
        &[
            ("z/d -> x/a:80/tcp", true),
            ("z/d -> x/a:8080/tcp", false),
            ("z/d -> w/c:8080/tcp", true),
            ("z/d -> w/c:80/tcp", false),
        ],
    );
}

#[test]
fn k_57_an_unknown_name_matches_nothing() {
    check(
        &to_a("[{port: metrics}, {port: 81}]"),
        &[("x/b -> x/a:80/tcp", false), ("x/b -> x/a:81/tcp", true)],
    );
    check(
        &out("{ports: [{port: http}]}"),
        &[
            ("x/a -> 203.0.113.5:80/tcp", false),
            ("x/b -> node:n1:80/tcp", false),
            // By default a host-network pod is its node.
            ("x/b -> x/h:80/tcp", false),
        ],
    );
    check_with(
        "host_network=pod-labels",
        &out("{ports: [{port: http}]}"),
        &[("x/b -> x/h:80/tcp", true), ("x/b -> x/h:81/tcp", false)],
    );
}

#[test]
fn k_58_numbers_and_names_mix() {
    check(
        &to_a("[{port: http}, {port: 443}]"),
        &[
            ("x/b -> x/a:80/tcp", true),
            ("x/b -> x/a:443/tcp", true),
            ("x/b -> x/a:81/tcp", false),
        ],
    );
}

#[test]
fn k_59_a_name_with_an_ip_block() {
    let ingress = policy(
        "x/p",
        "podSelector: {}\n\
         ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: http}]}]",
    );
    check(&ingress, &[("203.0.113.5 -> x/a:80/tcp", true)]);
    let egress = out("{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: http}]}");
    let connections = |pods| {
        [
            ("x/a -> w/c:8080/tcp", pods),
            ("x/a -> w/c:80/tcp", false),
            ("x/a -> 203.0.113.5:80/tcp", false),
        ]
    };
    check(&egress, &connections(true));
    check_with("ipblock_pods=never", &egress, &connections(false));
}

#[test]
fn k_60_sctp_is_a_protocol_of_its_own() {
    check(
        &to_a("[{port: 80, protocol: SCTP}]"),
        &[
            ("x/b -> x/a:80/sctp", true),
            ("x/b -> x/a:80/tcp", false),
            ("x/b -> x/a:80/udp", false),
        ],
    );
    check(
        &to_a("[{protocol: TCP}, {protocol: UDP}]"),
        &[("x/b -> x/a:80/sctp", false)],
    );
}

#[test]
fn k_61_icmp() {
    let all_ports = policy(
        "x/p",
        "podSelector: {}\ningress: [{from: [{podSelector: {}}]}]",
    );
    let every_protocol = to_a("[{protocol: TCP}, {protocol: UDP}, {protocol: SCTP}]");
    check(
        &all_ports,
        &[("x/b -> x/a/icmp", true), ("w/c -> x/a/icmp", false)],
    );
    check(&every_protocol, &[("x/b -> x/a/icmp", false)]);
    check_with(
        "icmp=drop",
        &all_ports,
        &[
            ("x/b -> x/a/icmp", false),
            ("x/b -> x/a:80/tcp", true),
            // Nothing isolates w/c.
            ("x/b -> w/c/icmp", true),
        ],
    );
    check_with(
        "icmp=exempt",
        &all_ports,
        &[("w/c -> x/a/icmp", true), ("w/c -> x/a:80/tcp", false)],
    );
}
