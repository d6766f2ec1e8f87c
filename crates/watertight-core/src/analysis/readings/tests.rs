use super::*;
use crate::analysis::testing::Sample;
use crate::eval::ServiceAddress;

const CLUSTER: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: c}]}
status: {phase: Running, podIP: 10.0.1.1}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {nodeName: n2, containers: [{name: c}]}
status: {phase: Running, podIP: 10.0.2.1}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop, labels: {app: agent}}
spec: {nodeName: n1, hostNetwork: true, containers: [{name: c}]}
status: {phase: Running, podIP: 192.0.2.1}
---
apiVersion: v1
kind: Pod
metadata: {name: template, namespace: shop, labels: {app: template}}
spec: {containers: [{name: c}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 80}]}]
  egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {}}]}, {from: [{ipBlock: {cidr: 10.244.9.0/24}}]}]
";

fn pod(sample: &Sample, name: &str) -> Party {
    Party::Endpoint(sample.world.endpoint("shop", name).unwrap())
}

fn judge(sample: &Sample, pinned: &[&str], connection: &Connection) -> String {
    let eval = sample.eval();
    let pinned: Vec<String> = pinned.iter().map(|name| (*name).to_owned()).collect();
    let readings = Readings::new(&sample.world, &sample.ruleset, &sample.profile, &pinned)
        .with_unread(&sample.profile);
    let judged = readings.judge(&eval, connection);
    assert_eq!(judged.verdict, eval.verdict(connection));
    match judged.open {
        None if judged.verdict.allowed => "allowed".into(),
        None => "denied".into(),
        Some(Open::Address(_)) => "M-1".into(),
        Some(Open::Rule { id, .. }) => (*id).into(),
        Some(Open::Unread(kind)) => format!("M-8: {kind}"),
        Some(Open::Reading {
            point,
            allowed,
            default,
            other,
        }) => {
            let (this, that) = if allowed {
                ("allowed", "denied")
            } else {
                ("denied", "allowed")
            };
            format!(
                "{}: {this} if it {default}, {that} if it {other}",
                point.id()
            )
        }
    }
}

fn icmp(from: Party, to: Party) -> Connection {
    Connection {
        port: None,
        ..Connection::new(from, to, Protocol::Icmp, 0)
    }
}

#[test]
fn k_61_icmp_is_open_where_engines_disagree() {
    let sample = Sample::new(CLUSTER);
    let (web, db) = (pod(&sample, "web"), pod(&sample, "db"));
    assert_eq!(
        judge(&sample, &[], &icmp(web, db)),
        "K-61: allowed if it polices ICMP by rules without ports, denied if it admits ICMP by no rule"
    );
    assert_eq!(
        judge(&sample, &[], &icmp(db, web)),
        "K-61: denied if it polices ICMP by rules without ports, allowed if it exempts ICMP"
    );
    // Nobody polices it between pods that nothing isolates.
    let template = pod(&sample, "template");
    assert_eq!(judge(&sample, &[], &icmp(db, template)), "allowed");
    assert_eq!(judge(&sample, &["icmp"], &icmp(db, web)), "denied");
}

#[test]
fn with_a_named_engine_nothing_is_open_but_addresses() {
    let sample = Sample::on(CLUSTER, "calico");
    let (web, db) = (pod(&sample, "web"), pod(&sample, "db"));
    for (from, to) in [(web, db), (db, web)] {
        let told = judge(&sample, &[], &icmp(from, to));
        assert!(["allowed", "denied"].contains(&told.as_str()), "{told}");
    }
    // A host-network pod without a known node: its address may be in the block.
    let blocks = CLUSTER.replace("- app: db", "");
    let sample = Sample::on(
        &blocks.replace(
            "{podSelector: {}}",
            "{podSelector: {matchLabels: {app: x}}}",
        ),
        "calico",
    );
    let connection = Connection::new(
        pod(&sample, "template"),
        pod(&sample, "db"),
        Protocol::Tcp,
        1,
    );
    assert_eq!(judge(&sample, &[], &connection), "M-1");
}

#[test]
fn k_72_host_network_pods_may_be_known_by_their_labels() {
    let sample = Sample::new(CLUSTER);
    let (agent, db) = (pod(&sample, "agent"), pod(&sample, "db"));
    let connection = Connection::new(agent, db, Protocol::Tcp, 5432);
    assert_eq!(
        judge(&sample, &[], &connection),
        "K-72: denied if it sees a host-network pod as its node, allowed if it knows a \
         host-network pod by its labels"
    );
    assert_eq!(judge(&sample, &["host_network"], &connection), "denied");
}

#[test]
fn k_73_only_what_a_pod_sends_to_its_node_is_open() {
    let sample = Sample::new(CLUSTER);
    let web = pod(&sample, "web");
    let node = Party::Node(sample.world.node("n1").unwrap());
    let out = Connection::new(web, node, Protocol::Tcp, 22);
    assert_eq!(
        judge(&sample, &[], &out),
        "K-73: allowed if it exempts what a pod sends to its own node, denied if it polices what a \
         pod sends to its own node"
    );
    // The API text promises that the node reaches the pod.
    let back = Connection::new(node, web, Protocol::Tcp, 22);
    assert_eq!(judge(&sample, &[], &back), "allowed");
    let other = Party::Node(sample.world.node("n2").unwrap());
    let away = Connection::new(web, other, Protocol::Tcp, 22);
    assert_eq!(judge(&sample, &[], &away), "denied");
}

#[test]
fn k_76_a_hairpin_is_open() {
    let sample = Sample::new(CLUSTER);
    let web = pod(&sample, "web");
    let mut connection = Connection::new(web, web, Protocol::Tcp, 80);
    assert_eq!(judge(&sample, &[], &connection), "allowed", "K-75");
    connection.service = Some(ServiceAddress {
        ip: "10.96.0.1".parse().unwrap(),
        port: 80,
    });
    assert_eq!(
        judge(&sample, &[], &connection),
        "K-76: allowed if it exempts a pod that reaches itself through a Service, denied if it \
         polices a pod that reaches itself through a Service"
    );
    assert_eq!(judge(&sample, &["hairpin_service"], &connection), "allowed");
}

#[test]
fn k_82_the_source_behind_an_entry_node_is_open() {
    let sample = Sample::new(CLUSTER);
    let client = Party::Address("203.0.113.9".parse().unwrap());
    let mut connection = Connection::new(client, pod(&sample, "web"), Protocol::Tcp, 80);
    assert_eq!(judge(&sample, &[], &connection), "allowed");
    connection.via_node = sample.world.node("n1");
    assert_eq!(
        judge(&sample, &[], &connection),
        "K-82: allowed if it keeps the client's address, denied if it rewrites the client's address \
         to that of a node"
    );
    connection.port = Some(81);
    assert_eq!(judge(&sample, &[], &connection), "denied");
}

#[test]
fn several_points_may_have_to_change_together() {
    let sample = Sample::new(CLUSTER);
    // To the agent on its own node, ICMP is exempt; nothing but both other readings denies it.
    let connection = icmp(pod(&sample, "web"), pod(&sample, "agent"));
    let told = judge(&sample, &[], &connection);
    assert!(told.starts_with("K-73: allowed"), "{told}");
    assert_eq!(judge(&sample, &["node_local"], &connection), "allowed");
}

/// The cluster with a header that says how the reading of a kind went.
fn read_as(kind: &str) -> Sample {
    let header = format!(
        "{CLUSTER}---\n{{apiVersion: watertight.dev/v1, kind: Snapshot, metadata: {{name: t}}, kinds: [{{{kind}}}]}}\n"
    );
    Sample::new(&header)
}

#[test]
fn m_8_policies_that_were_not_read_leave_open_what_policies_decide() {
    let network =
        "group: networking.k8s.io, version: v1, resource: networkpolicies, kind: NetworkPolicy";
    let tcp = |sample: &Sample, from: &str, to: &str| {
        Connection::new(pod(sample, from), pod(sample, to), Protocol::Tcp, 80)
    };
    let ask = |kind: &str| {
        let sample = read_as(kind);
        let told = [("web", "db"), ("db", "web"), ("template", "template")]
            .map(|(from, to)| judge(&sample, &[], &tcp(&sample, from, to)));
        told.join(", ")
    };
    let unread = "M-8: networkpolicies.networking.k8s.io";
    // No policy is asked what a pod sends itself (K-75).
    assert_eq!(
        ask(&format!("{network}, state: forbidden")),
        format!("{unread}, {unread}, allowed")
    );
    assert_eq!(
        ask(&format!("{network}, state: complete")),
        "allowed, denied, allowed"
    );
    // NetworkPolicies of a namespace are about its own pods.
    assert_eq!(
        ask(&format!("{network}, state: partial, namespaces: [shop]")),
        "allowed, denied, allowed"
    );
    assert_eq!(
        ask(&format!("{network}, state: partial, namespaces: [other]")),
        format!("{unread}, {unread}, allowed")
    );
    // What is staged decides nothing, and other kinds of objects are no policies.
    let calico = "group: projectcalico.org, version: v3, resource: r, state: failed";
    for (kind, found) in [
        ("StagedNetworkPolicy", "allowed, denied, allowed"),
        ("FelixConfiguration", "allowed, denied, allowed"),
        (
            "GlobalNetworkPolicy",
            "M-8: r.projectcalico.org, M-8: r.projectcalico.org, allowed",
        ),
    ] {
        assert_eq!(ask(&format!("{calico}, kind: {kind}")), found, "{kind}");
    }
}
