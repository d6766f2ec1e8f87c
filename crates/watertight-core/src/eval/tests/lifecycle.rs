//! K-33, K-85..K-87: which pods there are.

use super::{policy, with};
use crate::manifest::Direction;

fn pod(name: &str, rest: &str) -> String {
    format!(
        "\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: x, labels: \
         {{app: e}}{}}}\n{rest}\n",
        if name == "ending" {
            ", deletionTimestamp: '2026-01-01T00:00:00Z'"
        } else {
            ""
        }
    )
}

const DENY_E: &str = "podSelector: {matchLabels: {app: e}}";

#[test]
fn k_33_a_pod_without_an_address_reaches_nobody() {
    let waiting = pod(
        "e",
        "spec: {nodeName: n2, containers: []}\nstatus: {phase: Pending}",
    );
    let case = with("", &waiting);
    case.check(&[("x/e -> w/c:80/tcp", false), ("w/c -> x/e:80/tcp", false)]);
    assert_eq!(case.exempt_by("x/e -> w/c:80/tcp"), "K-33");
    // With an address, a pending pod is a pod: its init containers may run.
    let starting = pod(
        "e",
        "spec: {nodeName: n2, containers: []}\nstatus: {phase: Pending, podIP: 10.0.0.9}",
    );
    with("", &starting).check(&[("x/e -> w/c:80/tcp", true)]);
    let deny = policy("x/p", DENY_E);
    with("", &format!("{starting}{deny}")).check(&[("w/c -> x/e:80/tcp", false)]);
}

/// Nobody has reported its address yet, but it can only be its node's.
#[test]
fn k_33_a_host_network_pod_has_its_nodes_address_from_the_start() {
    let waiting = pod(
        "e",
        "spec: {nodeName: n2, hostNetwork: true, containers: []}\nstatus: {phase: Pending}",
    );
    let from_node = policy(
        "w/p",
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 192.168.0.2/32}}]}]",
    );
    let case = with("node_local=none", &format!("{waiting}{from_node}"));
    case.check(&[("x/e -> w/c:80/tcp", true), ("x/h -> w/c:80/tcp", false)]);
}

#[test]
fn k_85_a_terminating_pod_is_still_a_pod() {
    let ending = pod(
        "ending",
        "spec: {nodeName: n2, containers: []}\nstatus: {phase: Running, podIP: 10.0.0.9}",
    );
    let deny = policy("x/p", DENY_E);
    with("", &format!("{ending}{deny}")).check(&[("w/c -> x/ending:80/tcp", false)]);
    let from_it = policy(
        "w/p",
        "podSelector: {}\ningress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: \
         {app: e}}}]}]",
    );
    with("", &format!("{ending}{from_it}")).check(&[
        ("x/ending -> w/c:80/tcp", true),
        ("10.0.0.9 -> w/c:80/tcp", true),
        ("x/a -> w/c:80/tcp", false),
    ]);
}

#[test]
fn k_86_a_finished_pod_owns_no_address() {
    let by_label = policy(
        "w/p",
        "podSelector: {}\ningress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: \
         {app: e}}}]}]",
    );
    let by_address = policy(
        "w/p",
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.0.0.9/32}}]}]",
    );
    for phase in ["Succeeded", "Failed"] {
        let done = pod(
            "e",
            &format!(
                "spec: {{nodeName: n2, containers: []}}\n\
                 status: {{phase: {phase}, podIP: 10.0.0.9}}"
            ),
        );
        let case = with("", &done);
        assert_eq!(case.exempt_by("x/e -> w/c:80/tcp"), "K-86");
        let denied = with("", &format!("{done}{}", policy("x/p", DENY_E)));
        let ended = denied.world.endpoint("x", "e").unwrap();
        assert!(!denied.evaluator().is_isolated(ended, Direction::Ingress));
        case.check(&[("x/e -> w/c:80/tcp", false)]);
        // Its address is an address like any other.
        let former = "10.0.0.9 -> w/c:80/tcp";
        with("", &format!("{done}{by_label}")).check(&[(former, false)]);
        with("", &format!("{done}{by_address}")).check(&[(former, true)]);
        with("ipblock_pods=never", &format!("{done}{by_address}")).check(&[(former, true)]);
        // Perhaps another pod has it now.
        let next = pod(
            "next",
            "spec: {nodeName: n2, containers: []}\nstatus: {phase: Running, podIP: 10.0.0.9}",
        );
        let reused = format!("{next}{done}{by_label}");
        with("", &reused).check(&[(former, true)]);
    }
}

#[test]
fn k_87_a_policy_is_about_the_pod_not_its_containers() {
    let pod = pod(
        "e",
        "spec:\n  nodeName: n2\n  initContainers: [{name: setup, ports: [{name: web, \
         containerPort: 81}]}]\n  ephemeralContainers: [{name: debug}]\n  containers: [{name: \
         app}]\nstatus: {phase: Running, podIP: 10.0.0.9}",
    );
    let deny = policy("x/p", DENY_E);
    with("", &format!("{pod}{deny}"))
        .check(&[("w/c -> x/e:80/tcp", false), ("w/c -> x/e:81/tcp", false)]);
}
