//! Policies of other languages, made from the same plan: what a cluster of Calico or Cilium holds beside its
//! NetworkPolicies.
//!
//! Every third policy of a namespace that the other language can say is said in it; and there is what only that
//! language has: tiers, cluster-wide policies, entities, names, requests.

use super::cluster::Namespace;
use super::manifest::{self, object, selector};
use super::node::{Node, map};
use super::policy::{NAME_LABEL, Peer, Policy, Port, PortNumber, Rule, Selector};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mix {
    /// NetworkPolicies alone
    #[default]
    Kubernetes,
    /// NetworkPolicy, ClusterNetworkPolicy and Calico
    Calico,
    /// NetworkPolicy and Cilium
    Cilium,
}

impl Mix {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mix::Kubernetes => "kubernetes",
            Mix::Calico => "calico",
            Mix::Cilium => "cilium",
        }
    }

    /// A policy of a namespace, in whichever language.
    pub(super) fn policy(self, namespace: &str, policy: &Policy, ordinal: usize) -> Node {
        let said = match self {
            _ if !ordinal.is_multiple_of(3) => None,
            Mix::Kubernetes => None,
            Mix::Calico => calico(namespace, policy),
            Mix::Cilium => cilium(namespace, policy),
        };
        said.unwrap_or_else(|| manifest::policy(namespace, policy))
    }

    /// What concerns the whole cluster, once.
    pub(super) fn cluster_wide(self) -> Vec<Node> {
        match self {
            Mix::Kubernetes => Vec::new(),
            Mix::Calico => vec![
                wide(CALICO, "Tier", "security", map([("order", 100u16.into())])),
                wide(
                    CALICO,
                    "GlobalNetworkPolicy",
                    "security.metadata",
                    map([
                        ("tier", "security".into()),
                        ("selector", "all()".into()),
                        ("types", list(["Egress".into()])),
                        (
                            "egress",
                            list([
                                map([
                                    ("action", "Deny".into()),
                                    ("destination", nets("169.254.169.254/32")),
                                ]),
                                map([("action", "Pass".into())]),
                            ]),
                        ),
                    ]),
                ),
                wide(
                    ADMIN,
                    "ClusterNetworkPolicy",
                    "monitoring",
                    map([
                        ("tier", "Admin".into()),
                        ("priority", 10u16.into()),
                        ("subject", map([("namespaces", map([]))])),
                        (
                            "ingress",
                            list([map([
                                ("action", "Accept".into()),
                                ("from", list([in_namespace("monitoring")])),
                            ])]),
                        ),
                    ]),
                ),
                wide(
                    ADMIN,
                    "ClusterNetworkPolicy",
                    "baseline",
                    map([
                        ("tier", "Baseline".into()),
                        ("priority", 10u16.into()),
                        ("subject", map([("namespaces", map([]))])),
                        (
                            "ingress",
                            list([map([
                                ("action", "Deny".into()),
                                ("from", list([map([("namespaces", map([]))])])),
                            ])]),
                        ),
                    ]),
                ),
            ],
            Mix::Cilium => vec![wide(
                CILIUM,
                "CiliumClusterwideNetworkPolicy",
                "metadata",
                map([
                    ("endpointSelector", map([])),
                    ("enableDefaultDeny", map([("egress", false.into())])),
                    (
                        "egressDeny",
                        list([map([("toCIDR", list(["169.254.169.254/32".into()]))])]),
                    ),
                ]),
            )],
        }
    }

    /// What concerns a namespace and only this language can say.
    pub(super) fn of_namespace(self, namespace: &Namespace) -> Vec<Node> {
        let name = namespace.name.as_str();
        match self {
            Mix::Kubernetes => Vec::new(),
            Mix::Calico => vec![wide(
                ADMIN,
                "ClusterNetworkPolicy",
                &format!("isolate-{name}"),
                map([
                    ("tier", "Admin".into()),
                    ("priority", 100u16.into()),
                    ("subject", in_namespace(name)),
                    (
                        "ingress",
                        list([map([
                            ("action", "Pass".into()),
                            ("from", list([in_namespace(name)])),
                        ])]),
                    ),
                ]),
            )],
            Mix::Cilium => vec![own(
                CILIUM,
                "CiliumNetworkPolicy",
                name,
                "outside",
                map([
                    ("endpointSelector", map([])),
                    (
                        "egress",
                        list([
                            map([("toEntities", list(["kube-apiserver".into()]))]),
                            map([
                                (
                                    "toFQDNs",
                                    list([map([("matchName", "api.partner.example".into())])]),
                                ),
                                ("toPorts", list([cilium_ports(&[https()])])),
                            ]),
                            map([
                                (
                                    "toEndpoints",
                                    list([map([(
                                        "matchLabels",
                                        map([
                                            (
                                                "k8s:io.kubernetes.pod.namespace",
                                                "kube-system".into(),
                                            ),
                                            ("k8s-app", "kube-dns".into()),
                                        ]),
                                    )])]),
                                ),
                                (
                                    "toPorts",
                                    list([map([
                                        (
                                            "ports",
                                            list([map([
                                                ("port", "53".into()),
                                                ("protocol", "ANY".into()),
                                            ])]),
                                        ),
                                        (
                                            "rules",
                                            map([(
                                                "dns",
                                                list([map([("matchPattern", "*".into())])]),
                                            )]),
                                        ),
                                    ])]),
                                ),
                            ]),
                        ]),
                    ),
                ]),
            )],
        }
    }
}

const CALICO: &str = "projectcalico.org/v3";
const ADMIN: &str = "policy.networking.k8s.io/v1alpha2";
const CILIUM: &str = "cilium.io/v2";

fn list<const N: usize>(items: [Node; N]) -> Node {
    Node::List(items.into())
}

fn wide(version: &'static str, kind: &'static str, name: &str, spec: Node) -> Node {
    object(version, kind, map([("name", name.to_owned().into())]), spec)
}

fn own(version: &'static str, kind: &'static str, namespace: &str, name: &str, spec: Node) -> Node {
    let metadata = map([
        ("name", name.to_owned().into()),
        ("namespace", namespace.to_owned().into()),
    ]);
    object(version, kind, metadata, spec)
}

fn nets(net: &'static str) -> Node {
    map([("nets", list([net.into()]))])
}

fn in_namespace(name: &str) -> Node {
    let labels = map([(NAME_LABEL, name.to_owned().into())]);
    map([("namespaces", map([("matchLabels", labels)]))])
}

fn https() -> Port {
    Port {
        protocol: "TCP",
        number: PortNumber::One(443),
    }
}

/// A selector of Calico.
fn expression(selector: &Selector) -> String {
    let labels = selector.labels.iter();
    let mut parts: Vec<String> = labels
        .map(|(key, value)| format!("{key} == '{value}'"))
        .collect();
    for expression in &selector.expressions {
        let key = expression.key;
        let values: Vec<_> = expression
            .values
            .iter()
            .map(|value| format!("'{value}'"))
            .collect();
        let values = values.join(", ");
        parts.push(match expression.operator {
            "In" => format!("{key} in {{{values}}}"),
            "NotIn" => format!("{key} not in {{{values}}}"),
            "Exists" => format!("has({key})"),
            _ => format!("!has({key})"),
        });
    }
    match parts.is_empty() {
        true => "all()".to_owned(),
        false => parts.join(" && "),
    }
}

/// The policy as one of Calico; none if a rule has no counterpart of one rule.
fn calico(namespace: &str, policy: &Policy) -> Option<Node> {
    let mut spec = vec![
        ("selector", expression(&policy.subject).into()),
        ("types", policy.types.iter().copied().collect()),
    ];
    for (field, rules, end) in [
        ("ingress", &policy.ingress, "source"),
        ("egress", &policy.egress, "destination"),
    ] {
        let mut said = Vec::new();
        for rule in rules {
            said.extend(calico_rules(rule, end)?);
        }
        if !said.is_empty() {
            spec.push((field, Node::List(said)));
        }
    }
    Some(own(
        CALICO,
        "NetworkPolicy",
        namespace,
        &policy.name,
        Node::Map(spec),
    ))
}

/// One rule for each peer; none if its ports are of several protocols.
fn calico_rules(rule: &Rule, end: &'static str) -> Option<Vec<Node>> {
    let protocol = rule.ports.first().map(|port| port.protocol);
    if rule
        .ports
        .iter()
        .any(|port| Some(port.protocol) != protocol)
    {
        return None;
    }
    let peers: Vec<Option<&Peer>> = match rule.peers.is_empty() {
        true => vec![None],
        false => rule.peers.iter().map(Some).collect(),
    };
    let rules = peers.into_iter().map(|peer| {
        let mut entity = match peer {
            None => Vec::new(),
            Some(Peer::Pods(pods)) => vec![("selector", expression(pods).into())],
            Some(Peer::Namespaces(of)) => vec![("namespaceSelector", expression(of).into())],
            Some(Peer::PodsIn { namespaces, pods }) => vec![
                ("namespaceSelector", expression(namespaces).into()),
                ("selector", expression(pods).into()),
            ],
            Some(Peer::Block { cidr, except }) => {
                let mut nets = vec![("nets", list([cidr.clone().into()]))];
                if !except.is_empty() {
                    nets.push(("notNets", except.iter().cloned().collect()));
                }
                nets
            }
        };
        let mut fields = vec![("action", "Allow".into())];
        if let Some(protocol) = protocol {
            fields.push(("protocol", protocol.into()));
            let ports = rule.ports.iter().map(|port| match port.number {
                PortNumber::One(number) => number.into(),
                PortNumber::Range(low, high) => format!("{low}:{high}").into(),
                PortNumber::Named(name) => name.into(),
            });
            let ports = ("ports", Node::List(ports.collect()));
            if end == "destination" {
                entity.push(ports);
            } else {
                fields.push(("destination", Node::Map(vec![ports])));
            }
        }
        fields.push((end, Node::Map(entity)));
        Node::Map(fields)
    });
    Some(rules.collect())
}

/// The policy as one of Cilium; none where it selects namespaces by labels.
fn cilium(namespace: &str, policy: &Policy) -> Option<Node> {
    let mut spec = vec![("endpointSelector", selector(&policy.subject))];
    for (field, rules, peers, blocks) in [
        ("ingress", &policy.ingress, "fromEndpoints", "fromCIDRSet"),
        ("egress", &policy.egress, "toEndpoints", "toCIDRSet"),
    ] {
        let mut said = Vec::new();
        for rule in rules {
            let ports = (!rule.ports.is_empty()).then(|| list([cilium_ports(&rule.ports)]));
            let item = |entry: Option<(&'static str, Node)>| {
                let ports = ports.clone().map(|ports| ("toPorts", ports));
                Node::Map(entry.into_iter().chain(ports).collect())
            };
            if rule.peers.is_empty() {
                said.push(item(None));
            }
            for peer in &rule.peers {
                said.push(item(Some(match peer {
                    Peer::Block { cidr, except } => {
                        let mut block = vec![("cidr", cidr.clone().into())];
                        if !except.is_empty() {
                            block.push(("except", except.iter().cloned().collect()));
                        }
                        (blocks, list([Node::Map(block)]))
                    }
                    Peer::Pods(pods) => (peers, list([selector(pods)])),
                    Peer::Namespaces(_) | Peer::PodsIn { .. } => return None,
                })));
            }
        }
        if policy.types.iter().any(|of| of.eq_ignore_ascii_case(field)) && said.is_empty() {
            said.push(map([]));
        }
        if !said.is_empty() {
            spec.push((field, Node::List(said)));
        }
    }
    Some(own(
        CILIUM,
        "CiliumNetworkPolicy",
        namespace,
        &policy.name,
        Node::Map(spec),
    ))
}

fn cilium_ports(ports: &[Port]) -> Node {
    let ports = ports.iter().map(|port| {
        let mut fields = match port.number {
            PortNumber::One(number) => vec![("port", number.to_string().into())],
            PortNumber::Range(low, high) => {
                vec![("port", low.to_string().into()), ("endPort", high.into())]
            }
            PortNumber::Named(name) => vec![("port", name.into())],
        };
        fields.push(("protocol", port.protocol.into()));
        Node::Map(fields)
    });
    map([("ports", Node::List(ports.collect()))])
}
