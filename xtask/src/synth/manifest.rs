//! The Kubernetes objects of a namespace as trees, field by field as an API server would print them.

use super::cluster::{ContainerPort, Namespace, Pod, Workload};
use super::node::{Node, map};
use super::policy::{NAME_LABEL, Peer, Policy, Port, PortNumber, Rule, Selector};

pub(super) fn namespace(namespace: &Namespace) -> Node {
    let labels = map([
        (NAME_LABEL, namespace.name.clone().into()),
        ("env", namespace.env.into()),
        ("team", namespace.team.into()),
    ]);
    let metadata = map([("name", namespace.name.clone().into()), ("labels", labels)]);
    map([
        ("apiVersion", "v1".into()),
        ("kind", "Namespace".into()),
        ("metadata", metadata),
    ])
}

pub(super) fn deployment(namespace: &str, workload: &Workload) -> Node {
    let template = map([
        ("metadata", map([("labels", labels(&workload.labels))])),
        ("spec", Node::Map(pod_spec(workload))),
    ]);
    let spec = map([
        ("replicas", Node::Int(workload.pods.len() as u64)),
        (
            "selector",
            map([("matchLabels", map([("app", workload.app.clone().into())]))]),
        ),
        ("template", template),
    ]);
    let metadata = map([
        ("name", workload.app.clone().into()),
        ("namespace", namespace.to_owned().into()),
        ("labels", labels(&workload.labels)),
    ]);
    object("apps/v1", "Deployment", metadata, spec)
}

pub(super) fn pod(namespace: &str, workload: &Workload, pod: &Pod) -> Node {
    let hash = format!("{:08x}", workload.hash);
    let replica_set = format!("{}-{hash}", workload.app);
    let owner = map([
        ("apiVersion", "apps/v1".into()),
        ("kind", "ReplicaSet".into()),
        ("name", replica_set.clone().into()),
        ("controller", true.into()),
        (
            "uid",
            format!("00000000-0000-4000-8000-{:012x}", workload.uid).into(),
        ),
    ]);
    let mut pod_labels = workload.labels.clone();
    pod_labels.push(("pod-template-hash", hash));
    let metadata = map([
        ("name", format!("{replica_set}-{:05x}", pod.suffix).into()),
        ("namespace", namespace.to_owned().into()),
        ("labels", labels(&pod_labels)),
        ("ownerReferences", Node::List(vec![owner])),
    ]);
    let mut spec = pod_spec(workload);
    spec.push(("nodeName", format!("node-{}", pod.node).into()));

    let host_address = node_address(pod.node);
    let address = if workload.host_network {
        host_address.clone()
    } else {
        pod_address(pod.index)
    };
    let status = map([
        ("phase", "Running".into()),
        ("hostIP", host_address.clone().into()),
        (
            "hostIPs",
            Node::List(vec![map([("ip", host_address.into())])]),
        ),
        ("podIP", address.clone().into()),
        ("podIPs", Node::List(vec![map([("ip", address.into())])])),
    ]);
    let mut pod = object("v1", "Pod", metadata, Node::Map(spec));
    if let Node::Map(entries) = &mut pod {
        entries.push(("status", status));
    }
    pod
}

/// The service of a workload, on its first port; none for a workload that listens nowhere.
pub(super) fn service(namespace: &str, workload: &Workload) -> Option<Node> {
    let port = workload.ports.first()?;
    let spec = map([
        ("selector", map([("app", workload.app.clone().into())])),
        (
            "ports",
            Node::List(vec![map([
                ("name", port.name.into()),
                ("port", 80_u16.into()),
                ("targetPort", port.name.into()),
                ("protocol", port.protocol.into()),
            ])]),
        ),
    ]);
    let metadata = map([
        ("name", workload.app.clone().into()),
        ("namespace", namespace.to_owned().into()),
    ]);
    Some(object("v1", "Service", metadata, spec))
}

pub(super) fn policy(namespace: &str, policy: &Policy) -> Node {
    let mut spec = vec![
        ("podSelector", selector(&policy.subject)),
        ("policyTypes", policy.types.iter().copied().collect()),
    ];
    for (field, rules, peers) in [
        ("ingress", &policy.ingress, "from"),
        ("egress", &policy.egress, "to"),
    ] {
        if !rules.is_empty() {
            spec.push((
                field,
                Node::List(rules.iter().map(|r| rule(r, peers)).collect()),
            ));
        }
    }
    let metadata = map([
        ("name", policy.name.clone().into()),
        ("namespace", namespace.to_owned().into()),
    ]);
    object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        metadata,
        Node::Map(spec),
    )
}

pub(super) fn object(
    api_version: &'static str,
    kind: &'static str,
    metadata: Node,
    spec: Node,
) -> Node {
    map([
        ("apiVersion", api_version.into()),
        ("kind", kind.into()),
        ("metadata", metadata),
        ("spec", spec),
    ])
}

fn pod_spec(workload: &Workload) -> Vec<(&'static str, Node)> {
    let port = |port: &ContainerPort| {
        map([
            ("name", port.name.into()),
            ("containerPort", port.number.into()),
            ("protocol", port.protocol.into()),
        ])
    };
    let container = map([
        ("name", "main".into()),
        (
            "image",
            format!("registry.example/{}:1", workload.app).into(),
        ),
        (
            "ports",
            Node::List(workload.ports.iter().map(port).collect()),
        ),
    ]);
    let mut spec = vec![("containers", Node::List(vec![container]))];
    if workload.host_network {
        spec.push(("hostNetwork", true.into()));
    }
    spec
}

fn labels(labels: &[(&'static str, String)]) -> Node {
    Node::Map(
        labels
            .iter()
            .map(|(key, value)| (*key, value.clone().into()))
            .collect(),
    )
}

pub(super) fn selector(selector: &Selector) -> Node {
    let mut fields = Vec::new();
    if !selector.labels.is_empty() {
        fields.push(("matchLabels", labels(&selector.labels)));
    }
    if !selector.expressions.is_empty() {
        let expressions = selector.expressions.iter().map(|expression| {
            let mut fields = vec![
                ("key", expression.key.into()),
                ("operator", expression.operator.into()),
            ];
            if !expression.values.is_empty() {
                fields.push(("values", expression.values.iter().copied().collect()));
            }
            Node::Map(fields)
        });
        fields.push(("matchExpressions", Node::List(expressions.collect())));
    }
    Node::Map(fields)
}

fn rule(rule: &Rule, peers: &'static str) -> Node {
    let mut fields = Vec::new();
    if !rule.peers.is_empty() {
        fields.push((peers, Node::List(rule.peers.iter().map(peer).collect())));
    }
    if !rule.ports.is_empty() {
        fields.push(("ports", Node::List(rule.ports.iter().map(port).collect())));
    }
    Node::Map(fields)
}

fn peer(peer: &Peer) -> Node {
    match peer {
        Peer::Pods(pods) => map([("podSelector", selector(pods))]),
        Peer::Namespaces(namespaces) => map([("namespaceSelector", selector(namespaces))]),
        Peer::PodsIn { namespaces, pods } => map([
            ("namespaceSelector", selector(namespaces)),
            ("podSelector", selector(pods)),
        ]),
        Peer::Block { cidr, except } => {
            let block = map([
                ("cidr", cidr.clone().into()),
                ("except", except.iter().cloned().collect()),
            ]);
            map([("ipBlock", block)])
        }
    }
}

fn port(port: &Port) -> Node {
    let mut fields = vec![("protocol", port.protocol.into())];
    match port.number {
        PortNumber::One(number) => fields.push(("port", number.into())),
        PortNumber::Range(low, high) => {
            fields.extend([("port", low.into()), ("endPort", high.into())])
        }
        PortNumber::Named(name) => fields.push(("port", name.into())),
    }
    Node::Map(fields)
}

/// 10.16.0.1 onwards, without .0 and .255.
fn pod_address(index: usize) -> String {
    format!(
        "10.{}.{}.{}",
        16 + index / (254 * 256),
        index / 254 % 256,
        1 + index % 254
    )
}

fn node_address(node: usize) -> String {
    format!(
        "172.{}.{}.{}",
        16 + node / (250 * 256),
        node / 250 % 256,
        1 + node % 250
    )
}

#[cfg(test)]
mod tests {
    use super::{node_address, pod_address};
    use crate::synth::{MAX_PODS, cluster::PODS_PER_NODE};

    #[test]
    fn addresses() {
        assert_eq!(pod_address(0), "10.16.0.1");
        assert_eq!(pod_address(254), "10.16.1.1");
        assert_eq!(pod_address(254 * 256), "10.17.0.1");
        assert_eq!(node_address(0), "172.16.0.1");
        assert_eq!(node_address(250), "172.16.1.1");
    }

    #[test]
    fn the_largest_cluster_has_addresses() {
        let last = MAX_PODS as usize - 1;
        assert!(pod_address(last).parse::<std::net::Ipv4Addr>().is_ok());
        let node: std::net::Ipv4Addr = node_address(last / PODS_PER_NODE).parse().unwrap();
        assert!(node.is_private());
    }
}
