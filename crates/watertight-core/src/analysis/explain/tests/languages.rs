//! Questions about several pods at once, where other languages tell them apart.

use super::*;

fn agrees(sample: &Sample, from: &str, to: &str) {
    let eval = sample.eval();
    let readings = Readings::new(&sample.world, &sample.ruleset, &sample.profile, &[]);
    let explainer = Explainer::new(&eval, &readings);
    let parties = Parties::new(&sample.world, None);
    let (from, to) = (parties.select(from).unwrap(), parties.select(to).unwrap());
    let answer = explainer.answer(&from, &to, &[]).unwrap();
    let mut judged = 0;
    for case in &answer.cases {
        for (a, b) in case
            .from
            .iter()
            .flat_map(|a| case.to.iter().map(move |b| (a, b)))
        {
            for (a, b) in parties_of(a).into_iter().flat_map(|a| {
                let targets = parties_of(b).into_iter();
                targets.map(move |b| (a, b))
            }) {
                if a == b {
                    continue;
                }
                for row in &case.rows {
                    for asked in &row.ports {
                        for port in [asked.span.first, asked.span.last] {
                            let connection = Connection::new(a, b, asked.span.protocol, port);
                            let verdict = eval.verdict(&connection);
                            let expected = match (verdict.uncertain, verdict.allowed) {
                                (Some(_), _) => Outcome::Uncertain,
                                (None, true) => Outcome::Allowed,
                                (None, false) => Outcome::Denied,
                            };
                            assert_eq!(row.outcome(), expected, "{connection:?}");
                            judged += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(judged > 0);
}

fn parties_of(unit: &Unit) -> Vec<Party> {
    match unit {
        Unit::Endpoints(all) => all.iter().copied().map(Party::Endpoint).collect(),
        Unit::Node(node) => vec![Party::Node(*node)],
        Unit::Name(name) => vec![Party::Name(*name)],
        Unit::Addresses(_) => Vec::new(),
    }
}

/// Three pods that differ in nothing but their account and their address, and two nodes.
const PODS: &str = r#"
{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {role: edge}}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: blue, namespace: a, labels: {team: blue}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: one, namespace: a, labels: {app: web}}, spec: {nodeName: n1, serviceAccountName: blue, containers: [{name: c}]}, status: {phase: Running, podIP: 10.0.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: two, namespace: a, labels: {app: web}}, spec: {nodeName: n2, containers: [{name: c}]}, status: {phase: Running, podIP: 10.0.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: three, namespace: a, labels: {app: web}}, spec: {nodeName: n2, containers: [{name: c}]}, status: {phase: Running, podIP: 10.0.1.3}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: a, labels: {app: db}}, spec: {nodeName: n2, containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}, status: {phase: Running, podIP: 10.0.0.4}}
"#;

/// C-20, C-22, C-47: accounts, own addresses, excluded ports.
#[test]
fn calico_tells_pods_apart() {
    let sample = Sample::on(
        &format!(
            r#"{PODS}
---
{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: db, namespace: a}}, spec: {{selector: "app == 'db'", types: [Ingress], ingress: [{{action: Allow, protocol: TCP, source: {{serviceAccounts: {{names: [blue]}}}}, destination: {{notPorts: [pg, 80]}}}}, {{action: Allow, protocol: TCP, source: {{nets: [10.0.1.0/24]}}, destination: {{ports: [81]}}}}]}}}}
---
{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: web, namespace: a}}, spec: {{selector: "app == 'web'", types: [Egress], egress: [{{action: Deny, protocol: TCP, source: {{nets: [10.0.0.2/32]}}, destination: {{ports: [90]}}}}, {{action: Allow}}]}}}}
"#
        ),
        "calico@3.30",
    );
    agrees(&sample, "label:app=web", "a/db");
    agrees(&sample, "a/db", "label:app=web");
}

/// C-63: a policy about a node tells pods apart by their addresses.
#[test]
fn c_63_nodes_tell_pods_apart() {
    let sample = Sample::on(
        &format!(
            r#"{PODS}
---
{{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {{name: n1, labels: {{role: edge}}}}, spec: {{node: n1, interfaceName: "*", expectedIPs: [192.0.2.1]}}}}
---
{{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {{name: edge}}, spec: {{selector: "role == 'edge'", types: [Ingress], ingress: [{{action: Allow, protocol: TCP, source: {{nets: [10.0.1.0/24]}}, destination: {{ports: [80]}}}}]}}}}
"#
        ),
        "calico@3.30",
    );
    agrees(&sample, "ns:a", "node:n1");
    agrees(&sample, "ns:a", "node:n2");
}

/// L-39, L-40: the own node of a pod.
#[test]
fn l_39_own_nodes_tell_pods_apart() {
    let sample = Sample::on(
        &format!(
            r#"{PODS}
---
{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: web, namespace: a}}, spec: {{endpointSelector: {{}}, egress: [{{toEntities: [remote-node], toPorts: [{{ports: [{{port: "80", protocol: TCP}}]}}]}}, {{toEntities: [host], toPorts: [{{ports: [{{port: "81", protocol: TCP}}]}}]}}]}}}}
"#
        ),
        "cilium@1.17",
    );
    agrees(&sample, "ns:a", "node:n1");
    agrees(&sample, "ns:a", "node:n2");
}
