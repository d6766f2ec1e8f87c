//! Who is of one class with whom, and what selectors select of them.

use expect_test::{Expect, expect};

use super::super::Reach;
use super::{Case, pod, policy};
use crate::engine::{HostNetwork, Switches};

const NODES: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: h, namespace: x, labels: {app: a}}, spec: {hostNetwork: true, nodeName: n1, containers: []}}
---
{apiVersion: v1, kind: Pod, metadata: {name: lost, namespace: x, labels: {app: a}}, spec: {hostNetwork: true, containers: []}}
---
{apiVersion: v1, kind: Pod, metadata: {name: done, namespace: x}, spec: {containers: []}, status: {phase: Succeeded}}
---
{apiVersion: v1, kind: Pod, metadata: {name: waiting, namespace: x}, spec: {containers: []}, status: {phase: Pending}}
";

/// The classes, a line for each.
fn classes(case: &Case) -> String {
    let reach = Reach::new(&case.evaluator());
    let mut lines = vec![Vec::new(); reach.classes()];
    let mut nobody = Vec::new();
    for id in case.world.endpoint_ids() {
        let name = case.world.endpoint_name(id);
        match reach.class_of(id) {
            Some(class) => lines[class as usize].push(name),
            None => nobody.push(name),
        }
    }
    for id in case.world.node_ids() {
        let class = reach.class_of_node(id).unwrap();
        lines[class as usize].push(format!("node:{}", case.world[id].name));
    }
    let mut text: String = lines.iter().map(|line| line.join(" ") + "\n").collect();
    if !nobody.is_empty() {
        text += &format!("nobody: {}\n", nobody.join(" "));
    }
    text
}

fn cluster(policies: &[String]) -> String {
    let http = "{name: http, containerPort: 80}";
    let pods = [
        pod("x/a1", "app: a, tier: t", "10.0.0.1", http),
        pod("x/a2", "app: a", "10.0.0.2 fd00::2", http),
        pod(
            "x/b",
            "app: b",
            "10.0.0.9",
            "{name: http, containerPort: 8080}",
        ),
        pod("x/unplaced", "app: b", "", ""),
        pod("w/a", "app: a", "10.0.1.1", ""),
    ];
    format!("{NODES}{}{}", pods.concat(), policies.concat())
}

fn check(policies: &[String], expected: &Expect) {
    expected.assert_eq(&classes(&Case::new(&cluster(policies))));
}

/// Without policies only namespaces, families and what is known of addresses tell pods apart (K-33,
/// K-68, K-86, M-1).
#[test]
fn without_peers_few_classes() {
    check(
        &[],
        &expect![[r#"
        w/a
        x/unplaced
        x/a1 x/b
        x/a2
        x/lost
        x/h node:n1 node:n2
        nobody: x/done x/waiting
    "#]],
    );
}

#[test]
fn labels_that_a_peer_names_tell_pods_apart() {
    let by_app = policy(
        "p",
        "podSelector: {matchLabels: {tier: t}}, ingress: [{from: [{podSelector: {matchLabels: {app: a}}}]}]",
    );
    check(
        &[by_app],
        &expect![[r#"
        w/a
        x/a1
        x/a2
        x/unplaced
        x/b
        x/lost
        x/h node:n1 node:n2
        nobody: x/done x/waiting
    "#]],
    );
    // Labels that only subjects have do not.
    let by_none = policy("p", "podSelector: {matchLabels: {app: a}}, ingress: [{}]");
    check(
        &[by_none],
        &expect![[r#"
        w/a
        x/unplaced
        x/a1 x/b
        x/a2
        x/lost
        x/h node:n1 node:n2
        nobody: x/done x/waiting
    "#]],
    );
}

/// K-53: names that egress rules ask of their peers, not those of ingress rules.
#[test]
fn port_names_of_egress_rules_tell_pods_apart() {
    let ports = "ports: [{port: http}]";
    let egress = policy(
        "p",
        &format!("policyTypes: [Egress], egress: [{{{ports}}}]"),
    );
    check(
        &[egress],
        &expect![[r#"
        w/a
        x/a1
        x/a2
        x/b
        x/unplaced
        x/lost
        x/h node:n1 node:n2
        nobody: x/done x/waiting
    "#]],
    );
    let ingress = policy("p", &format!("ingress: [{{{ports}}}]"));
    check(
        &[ingress],
        &expect![[r#"
        w/a
        x/unplaced
        x/a1 x/b
        x/a2
        x/lost
        x/h node:n1 node:n2
        nobody: x/done x/waiting
    "#]],
    );
}

/// K-63, K-70: bounds of blocks tell pods and nodes apart.
#[test]
fn blocks_tell_addresses_apart() {
    let block = |cidr: &str| {
        policy(
            "p",
            &format!("ingress: [{{from: [{{ipBlock: {{cidr: {cidr}}}}}]}}]"),
        )
    };
    check(
        &[block("10.0.0.0/30")],
        &expect![[r#"
        w/a
        x/unplaced
        x/a1
        x/a2
        x/b
        x/lost
        x/h node:n1 node:n2
        nobody: x/done x/waiting
    "#]],
    );
    check(
        &[block("192.168.0.1/32")],
        &expect![[r#"
        w/a
        x/unplaced
        x/a1 x/b
        x/a2
        x/lost
        x/h node:n1
        node:n2
        nobody: x/done x/waiting
    "#]],
    );
    check(
        &[block("'::/0'")],
        &expect![[r#"
        w/a
        x/unplaced
        x/a1 x/b
        x/a2
        x/lost
        x/h node:n1 node:n2
        nobody: x/done x/waiting
    "#]],
    );
}

/// K-72: with an engine that knows host-network pods by their labels.
#[test]
fn host_network_pods_may_have_labels() {
    let by_app = policy(
        "p",
        "ingress: [{from: [{podSelector: {matchLabels: {app: a}}}]}]",
    );
    let switches = Switches {
        host_network: HostNetwork::PodLabels,
        ..Switches::default()
    };
    let case = Case::under(&cluster(&[by_app]), switches);
    expect![[r#"
        w/a
        x/a1
        x/a2
        x/unplaced
        x/b
        x/lost
        x/h
        node:n1 node:n2
        nobody: x/done x/waiting
    "#]]
    .assert_eq(&classes(&case));
}
