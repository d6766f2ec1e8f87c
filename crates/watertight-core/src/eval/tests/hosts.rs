//! K-71..K-77: host network, own node, loopback, replies.

use super::{check, check_with, policy, with};
use crate::manifest::Direction;

const DENY_ALL: &str = "podSelector: {}\npolicyTypes: [Ingress, Egress]";

#[test]
fn k_71_a_host_network_pod_is_never_isolated() {
    let deny = policy("x/p", DENY_ALL);
    check(
        &deny,
        &[
            ("w/c -> x/h:80/tcp", true),
            ("x/h -> 203.0.113.5:443/tcp", true),
            ("x/b -> w/c:80/tcp", false),
        ],
    );
    let case = with("", &deny);
    let host_pod = case.world.endpoint("x", "h").unwrap();
    for direction in Direction::BOTH {
        assert!(!case.evaluator().is_isolated(host_pod, direction));
        assert!(case.evaluator().policies_of(host_pod, direction).is_empty());
    }
    check_with(
        "host_network=pod-labels",
        &deny,
        &[
            ("w/c -> x/h:80/tcp", false),
            ("x/h -> 203.0.113.5:443/tcp", false),
            // A process of the node is no pod.
            ("w/c -> node:n1:80/tcp", true),
        ],
    );
}

#[test]
fn k_72_a_host_network_pod_is_its_node_to_others() {
    let by_label = policy(
        "w/p",
        "podSelector: {}\ningress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: \
         {app: web}}}]}]",
    );
    check(
        &by_label,
        &[("x/a -> w/c:80/tcp", true), ("x/h -> w/c:80/tcp", false)],
    );
    check_with(
        "host_network=pod-labels",
        &by_label,
        &[
            ("x/h -> w/c:80/tcp", true),
            ("node:n1 -> w/c:80/tcp", false),
            ("192.168.0.1 -> w/c:80/tcp", false),
        ],
    );
    let by_address = policy(
        "w/p",
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 192.168.0.0/24}}]}]",
    );
    check(&by_address, &[("x/h -> w/c:80/tcp", true)]);
    let anybody = policy("w/p", "podSelector: {}\ningress: [{ports: [{port: 80}]}]");
    check(&anybody, &[("x/h -> w/c:80/tcp", true)]);
}

#[test]
fn k_73_a_pod_and_its_own_node() {
    let deny = policy("x/p", DENY_ALL);
    // x/a runs on n1, x/b on n2.
    let connections = |node_to_pod, pod_to_node| {
        [
            ("node:n1 -> x/a:80/tcp", node_to_pod),
            ("192.168.0.1 -> x/a:80/tcp", node_to_pod),
            ("x/a -> node:n1:10250/tcp", pod_to_node),
            ("x/a -> [fd01::1]:10250/tcp", pod_to_node),
            ("node:n2 -> x/a:80/tcp", false),
            ("x/a -> node:n2:10250/tcp", false),
        ]
    };
    check(&deny, &connections(true, true));
    check_with(
        "node_local=exempt-ingress",
        &deny,
        &connections(true, false),
    );
    check_with("node_local=none", &deny, &connections(false, false));
    let case = with("", &deny);
    assert_eq!(case.exempt_by("node:n1 -> x/a:80/tcp"), "K-73");
}

#[test]
fn k_74_a_host_network_pod_shares_the_exemption() {
    let deny = policy("x/p", DENY_ALL);
    let connections = |node_to_pod, pod_to_node| {
        [
            ("x/h -> x/a:80/tcp", node_to_pod),
            ("x/a -> x/h:80/tcp", pod_to_node),
            ("x/h -> x/b:80/tcp", false),
            ("x/b -> x/h:80/tcp", false),
        ]
    };
    check(&deny, &connections(true, true));
    check_with(
        "node_local=exempt-ingress",
        &deny,
        &connections(true, false),
    );
    check_with("node_local=none", &deny, &connections(false, false));
    assert_eq!(with("", &deny).exempt_by("x/h -> x/a:80/tcp"), "K-74");
}

/// Where the engine polices host-network pods, they are pods that run on a node all the same.
#[test]
fn k_73_a_policed_host_network_pod_has_an_own_node() {
    let deny = policy("x/p", DENY_ALL);
    check_with(
        "host_network=pod-labels",
        &deny,
        &[
            ("node:n1 -> x/h:80/tcp", true),
            ("x/h -> node:n1:10250/tcp", true),
            ("node:n2 -> x/h:80/tcp", false),
        ],
    );
    check_with(
        "host_network=pod-labels node_local=exempt-ingress",
        &deny,
        &[
            ("node:n1 -> x/h:80/tcp", true),
            ("x/h -> node:n1:10250/tcp", false),
        ],
    );
}

#[test]
fn k_75_a_pod_reaches_itself() {
    let case = with("node_local=none", &policy("x/p", DENY_ALL));
    for itself in [
        "x/a -> x/a:80/tcp",
        "x/a -> 10.0.0.1:80/tcp",
        "x/a -> [fd00::1]:80/tcp",
        "x/a -> x/a/icmp",
        "x/a -> 127.0.0.1:80/tcp",
        "x/a -> [::1]:80/tcp",
        "z/d -> [::1]:80/tcp",
    ] {
        case.check(&[(itself, true)]);
        assert_eq!(case.exempt_by(itself), "K-75", "{itself}");
    }
}

#[test]
fn k_77_replies_need_no_rule() {
    let deny = policy("x/p", DENY_ALL);
    check(
        &deny,
        &[
            ("x/a -> w/c:51000/tcp reply", true),
            ("x/a -> w/c:51000/tcp", false),
        ],
    );
    // Being reachable does not open the other way.
    let ingress_only = policy(
        "x/p",
        "podSelector: {}\npolicyTypes: [Ingress, Egress]\ningress: [{}]",
    );
    check(
        &ingress_only,
        &[("w/c -> x/a:80/tcp", true), ("x/a -> w/c:8080/tcp", false)],
    );
}
