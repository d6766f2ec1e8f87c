//! Every language: pairs against verdicts, requests, names, and nodes that policies are about.

use expect_test::expect;

use super::truth::CLUSTER;
use super::*;
use crate::report::reach::{ReachPorts, Reporter};

/// Cilium: denials first, requests, nodes as peers (L-25, L-39, L-66).
const CILIUM: &str = r#"
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: web, namespace: a}, spec: {endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": b}}], toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET, path: /a}]}}]}, {fromEntities: [host]}, {fromEndpoints: [{matchLabels: {app: db}}], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}], ingressDeny: [{fromEndpoints: [{matchLabels: {app: six}}]}]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: db, namespace: a}, spec: {endpointSelector: {matchLabels: {app: db}}, egress: [{toEndpoints: [{}], toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: POST}]}}]}, {toEntities: [remote-node]}, {toFQDNs: [{matchName: api.example.com}], toPorts: [{ports: [{port: "443", protocol: TCP}]}]}, {toEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": kube-system, k8s-app: kube-dns}}], toPorts: [{ports: [{port: "53", protocol: ANY}], rules: {dns: [{matchPattern: "*"}]}}]}]}}
"#;

/// Calico: a tier that passes, requests, source ports (C-4, C-47, C-51).
const CALICO: &str = r#"
{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: security}, spec: {order: 10}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: security.first}, spec: {tier: security, selector: "app == 'web'", types: [Ingress], ingress: [{action: Deny, protocol: TCP, source: {selector: "app == 'db'"}, destination: {ports: [81]}}, {action: Pass, source: {selector: "app in {'db', 'web', 'front'}"}}, {action: Allow, protocol: TCP, source: {ports: ["1000:2000"]}, destination: {ports: [90]}}]}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: web, namespace: a}, spec: {selector: "app == 'web'", types: [Ingress], ingress: [{action: Allow, protocol: TCP, http: {methods: [GET]}, source: {selector: "app == 'db'"}, destination: {ports: ["80:82"]}}, {action: Allow, protocol: TCP, source: {selector: "app == 'db'"}, destination: {notPorts: ["1:81", http]}}]}}
"#;

/// Host endpoints (C-63, C-64, C-72).
const HOSTS: &str = r#"
{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: n1, labels: {role: edge}}, spec: {node: n1, interfaceName: "*", expectedIPs: [192.0.2.1]}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: edge}, spec: {selector: "role == 'edge'", types: [Ingress, Egress], ingress: [{action: Allow, protocol: TCP, source: {selector: "app == 'db'"}, destination: {ports: [9100]}}, {action: Allow, source: {nets: [192.0.2.2/32]}}], egress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]}}
"#;

/// Tiers around NetworkPolicy, and two policies of one priority (A-1, A-12).
const ADMIN: &str = r#"
{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: one}, spec: {priority: 10, subject: {namespaces: {}}, ingress: [{action: Pass, from: [{namespaces: {matchLabels: {team: blue}}}], ports: [{portNumber: {protocol: TCP, port: 80}}]}, {action: Deny, from: [{namespaces: {}}], ports: [{portRange: {protocol: TCP, start: 80, end: 90}}]}]}}
---
{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: two}, spec: {priority: 10, subject: {namespaces: {matchLabels: {team: red}}}, ingress: [{action: Allow, from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 85}}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: a}, spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}}
---
{apiVersion: policy.networking.k8s.io/v1alpha1, kind: BaselineAdminNetworkPolicy, metadata: {name: default}, spec: {subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 100}}]}]}}
"#;

fn sample(policies: &str, engine: &str) -> Sample {
    Sample::on(&format!("{CLUSTER}---\n{policies}"), engine)
}

#[test]
fn pairs_have_their_verdicts_in_every_language() {
    for (policies, engine) in [
        (CILIUM, "cilium@1.17"),
        (CALICO, "calico@3.30"),
        (HOSTS, "calico@3.30"),
        (ADMIN, "reference"),
    ] {
        for by in [By::Pod, By::Workload, By::Namespace] {
            holds(&sample(policies, engine), by);
        }
    }
}

/// A-12, M-1: where it may be one thing or another, pairs of pods are asked why.
#[test]
fn uncertain_pairs_have_the_causes_of_their_verdicts() {
    let blocks = r#"
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: front, namespace: c}, spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/17}}]}]}}
"#;
    let sample = sample(&format!("{ADMIN}{blocks}"), "reference");
    holds(&sample, By::Pod);
    let all = printed(&sample, By::Pod);
    assert!(all.contains("A-12") && all.contains("M-1"), "{all}");
}

/// L-66: what admits certain requests only is told from what admits all.
#[test]
fn l_66_requests_are_marked() {
    let sample = sample(CILIUM, "cilium@1.17");
    let eval = sample.eval();
    let reach = Reach::new(&eval);
    let parties = Parties::new(&sample.world, None);
    let from = parties.select("b/b-web").unwrap();
    let to = parties.select("a/a-web-0").unwrap();
    let question = Question {
        by: By::Pod,
        from: Some(&from),
        to: Some(&to),
        ports: Vec::new(),
    };
    let map = ReachMap::new(&eval, &reach, &sample.profile, &[], &question).unwrap();
    let spans = &map.rows()[0].connections[0].ports;
    let told: Vec<_> = spans.iter().map(|span| (span.first, span.most)).collect();
    assert_eq!(told, [(80, Answer::Requests)]);
}

/// The names that a map tells, with their ports.
fn names(policies: &str) -> String {
    let sample = sample(policies, "cilium@1.17");
    let eval = sample.eval();
    let reach = Reach::new(&eval);
    let question = Question {
        by: By::Workload,
        from: None,
        to: None,
        ports: Vec::new(),
    };
    let map = ReachMap::new(&eval, &reach, &sample.profile, &[], &question).unwrap();
    let query = crate::report::reach::query(By::Workload, None, None, &[]);
    let reporter = Reporter {
        map: &map,
        world: &sample.world,
        sources: &sample.sources,
        profile: &sample.profile,
        query: &query,
    };
    let mut told = String::new();
    for external in reporter.external() {
        for domain in &external.domains {
            let ports = domain.ports.iter();
            let ports: Vec<_> = ports
                .map(|ports| {
                    let ReachPorts {
                        protocol,
                        first,
                        last,
                        verdict,
                        ..
                    } = ports;
                    format!("{first}-{last}/{protocol} {verdict}")
                })
                .collect();
            let (units, names) = (external.units.join(" "), domain.names.join(" "));
            told += &format!("{units} -> {names}: {}\n", ports.join(" "));
        }
    }
    told
}

/// L-57, A-31: names are destinations where rules are about them; what is denied of some addresses
/// may be denied of theirs (M-1).
#[test]
fn l_57_names_are_destinations() {
    expect![[r#"
        a/Pod/a-db -> fqdn:api.example.com: 443-443/tcp allow
    "#]]
    .assert_eq(&names(CILIUM));
    let denied = |cidr: &str| {
        let deny = format!("egressDeny: [{{toCIDR: [{cidr}]}}], egress: [{{toEndpoints: [{{}}]");
        names(&CILIUM.replace("egress: [{toEndpoints: [{}]", &deny))
    };
    expect![[r#"
        a/Pod/a-db -> fqdn:api.example.com: 443-443/tcp uncertain
    "#]]
    .assert_eq(&denied("10.0.0.0/8"));
    // M-6
    expect![[r#"
        a/Pod/a-db -> fqdn:api.example.com: 443-443/tcp allow
    "#]]
    .assert_eq(&denied("169.254.0.0/16"));
}

/// C-63: nodes that policies are about are told apart, and the others are not claimed to be open to
/// them.
#[test]
fn c_63_nodes_with_policies_have_rows_of_their_own() {
    let sample = sample(HOSTS, "calico@3.30");
    let all = printed(&sample, By::Namespace);
    let of_nodes: Vec<_> = all
        .lines()
        .filter(|line| line.contains("node:n1") && line.contains("node:n2"))
        .collect();
    assert_eq!(of_nodes.len(), 2, "{all}");
    expect![[r#"
        node:n1 -> node:n2: 179-179/tcp, 2379-2380/tcp, 5473-5473/tcp, 6443-6443/tcp, 6666-6667/tcp, 8080-8080/tcp, 53-53/udp, 67-67/udp
        node:n2 -> node:n1: all"#]]
    .assert_eq(&of_nodes.join("\n"));
}
