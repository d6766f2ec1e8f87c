//! The objects as Kubernetes writes them, in several spellings that mean the same.

use serde_json::{Map, Value, json};

use super::yaml;
use crate::oracle::objects::{
    Cluster, ClusterPeer, ClusterPolicy, ClusterRule, Container, Expression, IpBlock, Labels, Peer,
    Pod, PodsOf, Policy, PortItem, PortValue, ProtocolItem, Rule, Selector, Service,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One `kind: List`.
    JsonList,
    /// A file for each object.
    JsonFiles,
    /// One file of several documents.
    Yaml,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spelling {
    pub(crate) format: Format,
    /// Missing fields as null.
    pub(crate) nulls: bool,
    /// No `metadata.namespace` on objects of the namespace `default`.
    pub(crate) bare: bool,
}

/// Names and contents of the files.
pub(crate) fn files(cluster: &Cluster, spelling: Spelling) -> Vec<(String, String)> {
    let objects = objects(cluster, spelling);
    match spelling.format {
        Format::JsonList => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            vec![("all.json".into(), list.to_string())]
        }
        Format::JsonFiles => objects
            .iter()
            .enumerate()
            .map(|(at, object)| (format!("{at}.json"), format!("{object:#}")))
            .collect(),
        Format::Yaml => vec![("all.yaml".into(), yaml::documents(&objects))],
    }
}

/// The cluster for people.
pub(crate) fn show(cluster: &Cluster) -> String {
    let spelling = Spelling {
        format: Format::Yaml,
        nulls: false,
        bare: false,
    };
    yaml::documents(&objects(cluster, spelling))
}

fn objects(cluster: &Cluster, spelling: Spelling) -> Vec<Value> {
    let writer = Writer { spelling };
    let mut objects = Vec::new();
    for namespace in &cluster.namespaces {
        let labels = map(&namespace.labels);
        objects.push(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace.name, "labels": labels},
        }));
    }
    for node in &cluster.nodes {
        let mut internal = [false; 2];
        let address = |ip: &std::net::IpAddr| {
            let first = !std::mem::replace(&mut internal[usize::from(ip.is_ipv6())], true);
            let kind = if first { "InternalIP" } else { "ExternalIP" };
            json!({"type": kind, "address": ip.to_string()})
        };
        let mut addresses = vec![json!({"type": "Hostname", "address": node.name})];
        addresses.extend(node.addresses.iter().map(address));
        objects.push(json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node.name, "labels": map(&node.labels)},
            "status": {"addresses": addresses},
        }));
    }
    objects.extend(cluster.pods.iter().map(|pod| writer.pod(pod)));
    objects.extend(
        cluster
            .services
            .iter()
            .map(|service| writer.service(service)),
    );
    objects.extend(cluster.policies.iter().map(|policy| writer.policy(policy)));
    let of_cluster = cluster.cluster_policies.iter();
    objects.extend(of_cluster.map(|policy| writer.cluster_policy(policy)));
    objects
}

fn map(labels: &Labels) -> Value {
    let entries = labels
        .iter()
        .map(|(key, value)| (key.clone(), value.clone().into()));
    Value::Object(entries.collect())
}

struct Writer {
    spelling: Spelling,
}

impl Writer {
    /// The fields that are there; the others null or not at all.
    fn object(&self, fields: Vec<(&str, Option<Value>)>) -> Value {
        let mut object = Map::new();
        for (name, value) in fields {
            if value.is_some() || self.spelling.nulls {
                object.insert(name.into(), value.unwrap_or(Value::Null));
            }
        }
        Value::Object(object)
    }

    fn metadata(&self, namespace: &str, name: &str, more: Vec<(&str, Value)>) -> Value {
        let mut metadata = Map::new();
        metadata.insert("name".into(), name.into());
        if namespace != "default" || !self.spelling.bare {
            metadata.insert("namespace".into(), namespace.into());
        }
        metadata.extend(more.into_iter().map(|(name, value)| (name.into(), value)));
        Value::Object(metadata)
    }

    fn pod(&self, pod: &Pod) -> Value {
        let mut more = vec![("labels", map(&pod.labels))];
        if pod.terminating {
            more.push(("deletionTimestamp", "2026-01-01T00:00:00Z".into()));
        }
        let of_kind = |sidecar: bool| -> Option<Value> {
            let matching = pod.containers.iter().filter(|c| c.sidecar == sidecar);
            let written: Vec<Value> = matching
                .enumerate()
                .map(|(at, container)| self.container(at, container))
                .collect();
            (!written.is_empty()).then(|| written.into())
        };
        let ips: Vec<Value> = pod
            .addresses
            .iter()
            .map(|ip| json!({"ip": ip.to_string()}))
            .collect();
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": self.metadata(&pod.namespace, &pod.name, more),
            "spec": self.object(vec![
                ("nodeName", pod.node.as_deref().map(Value::from)),
                ("hostNetwork", pod.host_network.then(|| true.into())),
                ("initContainers", of_kind(true)),
                ("containers", of_kind(false)),
            ]),
            "status": self.object(vec![
                ("phase", Some(pod.phase.into())),
                ("podIP", pod.addresses.first().map(|ip| ip.to_string().into())),
                ("podIPs", (!ips.is_empty()).then(|| ips.into())),
            ]),
        })
    }

    fn container(&self, at: usize, container: &Container) -> Value {
        let ports: Vec<Value> = container
            .ports
            .iter()
            .map(|port| {
                self.object(vec![
                    ("name", port.name.as_deref().map(Value::from)),
                    ("containerPort", Some(port.number.into())),
                    ("protocol", port.protocol.map(Value::from)),
                ])
            })
            .collect();
        let kind = if container.sidecar { "s" } else { "c" };
        self.object(vec![
            ("name", Some(format!("{kind}{at}").into())),
            ("image", Some("app".into())),
            ("restartPolicy", container.sidecar.then(|| "Always".into())),
            ("ports", (!ports.is_empty()).then(|| ports.into())),
        ])
    }

    fn service(&self, service: &Service) -> Value {
        let ips: Vec<Value> = service
            .cluster_ips
            .iter()
            .map(|ip| ip.to_string().into())
            .collect();
        let ports: Vec<Value> = service
            .ports
            .iter()
            .map(|port| {
                self.object(vec![
                    ("name", Some(port.name.as_str().into())),
                    ("port", Some(port.port.into())),
                    ("targetPort", port.target.as_ref().map(port_value)),
                    ("protocol", port.protocol.map(Value::from)),
                ])
            })
            .collect();
        let first = ips.first().cloned().unwrap_or_else(|| "None".into());
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(&service.namespace, &service.name, vec![]),
            "spec": self.object(vec![
                ("selector", Some(map(&service.selector))),
                ("clusterIP", Some(first)),
                ("clusterIPs", (!ips.is_empty()).then(|| ips.into())),
                ("ports", Some(ports.into())),
            ]),
        })
    }

    fn policy(&self, policy: &Policy) -> Value {
        let spec = policy.spec.as_ref().map(|spec| {
            self.object(vec![
                (
                    "podSelector",
                    spec.pod_selector.as_ref().map(|s| self.selector(s)),
                ),
                (
                    "policyTypes",
                    spec.policy_types.as_ref().map(|types| json!(types)),
                ),
                (
                    "ingress",
                    spec.ingress.as_ref().map(|rules| self.rules("from", rules)),
                ),
                (
                    "egress",
                    spec.egress.as_ref().map(|rules| self.rules("to", rules)),
                ),
            ])
        });
        let mut object = self.object(vec![("spec", spec)]);
        object["apiVersion"] = "networking.k8s.io/v1".into();
        object["kind"] = "NetworkPolicy".into();
        object["metadata"] = self.metadata(&policy.namespace, &policy.name, vec![]);
        object
    }

    fn rules(&self, peers: &str, rules: &[Rule]) -> Value {
        let write = |rule: &Rule| {
            let peer = |list: &Vec<Peer>| list.iter().map(|peer| self.peer(peer)).collect();
            let port = |list: &Vec<PortItem>| list.iter().map(|port| self.port(port)).collect();
            self.object(vec![
                (peers, rule.peers.as_ref().map(peer)),
                ("ports", rule.ports.as_ref().map(port)),
            ])
        };
        rules.iter().map(write).collect()
    }

    fn peer(&self, peer: &Peer) -> Value {
        let block = |block: &IpBlock| {
            self.object(vec![
                ("cidr", Some(block.cidr.as_str().into())),
                ("except", block.except.as_ref().map(|except| json!(except))),
            ])
        };
        self.object(vec![
            (
                "podSelector",
                peer.pod_selector.as_ref().map(|s| self.selector(s)),
            ),
            (
                "namespaceSelector",
                peer.namespace_selector.as_ref().map(|s| self.selector(s)),
            ),
            ("ipBlock", peer.ip_block.as_ref().map(block)),
        ])
    }

    fn port(&self, port: &PortItem) -> Value {
        self.object(vec![
            ("protocol", port.protocol.map(Value::from)),
            ("port", port.port.as_ref().map(port_value)),
            ("endPort", port.end_port.map(Value::from)),
        ])
    }

    fn cluster_policy(&self, policy: &ClusterPolicy) -> Value {
        let old = policy.old;
        let rules = |peers: &str, rules: &[ClusterRule]| {
            let written = rules.iter().map(|rule| self.cluster_rule(peers, rule, old));
            (!rules.is_empty()).then(|| written.collect())
        };
        let mut spec = self.object(vec![
            ("ingress", rules("from", &policy.ingress)),
            ("egress", rules("to", &policy.egress)),
        ]);
        spec["priority"] = policy.priority.into();
        spec["subject"] = self.pods_of(&policy.subject, old);
        let mut object = json!({"metadata": {"name": policy.name}});
        if old {
            object["apiVersion"] = "policy.networking.k8s.io/v1alpha1".into();
            object["kind"] = "AdminNetworkPolicy".into();
        } else {
            object["apiVersion"] = "policy.networking.k8s.io/v1alpha2".into();
            object["kind"] = "ClusterNetworkPolicy".into();
            spec["tier"] = policy.tier.into();
        }
        object["spec"] = spec;
        object
    }

    fn pods_of(&self, pods: &PodsOf, old: bool) -> Value {
        match pods {
            PodsOf::Namespaces(namespaces) => json!({"namespaces": self.selector(namespaces)}),
            PodsOf::Pods(namespaces, pods) => {
                let mut written = json!({"podSelector": self.selector(pods)});
                let none = Selector::default();
                // The older version wants it written.
                let namespaces = namespaces.as_ref().or(old.then_some(&none));
                if let Some(namespaces) = namespaces {
                    written["namespaceSelector"] = self.selector(namespaces);
                }
                json!({"pods": written})
            }
        }
    }

    fn cluster_rule(&self, peers: &str, rule: &ClusterRule, old: bool) -> Value {
        let peer = |peer: &ClusterPeer| match peer {
            ClusterPeer::Pods(pods) => self.pods_of(pods, old),
            ClusterPeer::Nodes(nodes) => json!({"nodes": self.selector(nodes)}),
            ClusterPeer::Networks(networks) => json!({"networks": networks}),
            ClusterPeer::DomainNames(names) => json!({"domainNames": names}),
        };
        let action = match rule.action {
            "Accept" if old => "Allow",
            action => action,
        };
        let item = |item: &ProtocolItem| match item {
            ProtocolItem::Number(protocol, port) if old => {
                json!({"portNumber": {"protocol": protocol, "port": port}})
            }
            ProtocolItem::Range(protocol, start, end) if old => {
                json!({"portRange": {"protocol": protocol, "start": start, "end": end}})
            }
            ProtocolItem::Named(name) if old => json!({"namedPort": name}),
            ProtocolItem::Number(protocol, port) => {
                json!({protocol.to_lowercase(): {"destinationPort": {"number": port}}})
            }
            ProtocolItem::Range(protocol, start, end) => {
                let range = json!({"start": start, "end": end});
                json!({protocol.to_lowercase(): {"destinationPort": {"range": range}}})
            }
            ProtocolItem::Named(name) => json!({"destinationNamedPort": name}),
        };
        let items = |items: &Vec<ProtocolItem>| items.iter().map(item).collect();
        let list = if old { "ports" } else { "protocols" };
        self.object(vec![
            ("action", Some(action.into())),
            (peers, Some(rule.peers.iter().map(peer).collect())),
            (list, rule.protocols.as_ref().map(items)),
        ])
    }

    fn selector(&self, selector: &Selector) -> Value {
        let expression = |expression: &Expression| {
            self.object(vec![
                ("key", Some(expression.key.as_str().into())),
                ("operator", Some(expression.operator.into())),
                (
                    "values",
                    expression.values.as_ref().map(|values| json!(values)),
                ),
            ])
        };
        let expressions = |list: &Vec<Expression>| list.iter().map(expression).collect();
        self.object(vec![
            ("matchLabels", selector.match_labels.as_ref().map(map)),
            (
                "matchExpressions",
                selector.match_expressions.as_ref().map(expressions),
            ),
        ])
    }
}

fn port_value(port: &PortValue) -> Value {
    match port {
        PortValue::Number(number) => (*number).into(),
        PortValue::Name(name) => name.as_str().into(),
    }
}
