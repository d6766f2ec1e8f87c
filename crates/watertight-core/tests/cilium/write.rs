//! The cluster as manifests.

use crate::model::{
    API_OUTSIDE, Cluster, Group, Item, Kubernetes, KubernetesPeer, L7, PARTIES, Party, Peers,
    Policy, Rule, Section, Selector, Traffic, namespace_labels,
};

fn map(labels: &[(&str, &str)]) -> String {
    let entries = labels
        .iter()
        .map(|(key, value)| format!("'{key}': '{value}'"));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
}

fn list<T>(items: &[T], one: impl Fn(&T) -> String) -> String {
    let items = items.iter().map(one);
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

pub(crate) fn cluster(cluster: &Cluster) -> String {
    let mut out = String::new();
    let mut add = |text: String| {
        out += "---\n";
        out += &text;
        out.push('\n');
    };
    for name in ["x", "w"] {
        let labels = map(namespace_labels(name));
        add(format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {labels}}}}}"
        ));
    }
    PARTIES.iter().filter_map(party).for_each(&mut add);
    add(
        "{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: default}, spec: \
         {clusterIP: 10.96.0.1, ports: [{port: 443}]}}"
            .into(),
    );
    add(format!(
        "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: kubernetes, \
         namespace: default, labels: {{kubernetes.io/service-name: kubernetes}}}}, endpoints: \
         [{{addresses: [192.168.0.9, {API_OUTSIDE}]}}], ports: [{{port: 6443}}]}}"
    ));
    for (at, found) in cluster.policies.iter().enumerate() {
        add(policy(at, found));
    }
    for (at, found) in cluster.kubernetes.iter().enumerate() {
        add(kubernetes(at, found));
    }
    out
}

fn party(party: &Party) -> Option<String> {
    Some(match party {
        Party::Pod {
            namespace,
            name,
            labels,
            account,
            node,
            ip,
            host,
        } => {
            let port = if *name == "b" { 8080 } else { 80 };
            let ports = match host {
                true => String::new(),
                false => format!("{{name: http, containerPort: {port}}}"),
            };
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {namespace}, \
                 labels: {}}}, spec: {{nodeName: {node}, hostNetwork: {host}, serviceAccountName: \
                 {account}, containers: [{{ports: [{ports}]}}]}}, status: {{phase: Running, \
                 podIPs: [{{ip: {ip}}}]}}}}",
                map(labels)
            )
        }
        Party::Node { name, zone, ip } => format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: {name}, labels: {{zone: {zone}}}}}, \
             status: {{addresses: [{{type: InternalIP, address: {ip}}}]}}}}"
        ),
        Party::Outside(_) | Party::Name(_) => return None,
    })
}

fn policy(at: usize, policy: &Policy) -> String {
    let (kind, namespace) = match policy.namespace {
        Some(namespace) => ("CiliumNetworkPolicy", format!(", namespace: {namespace}")),
        None => ("CiliumClusterwideNetworkPolicy", String::new()),
    };
    format!(
        "{{apiVersion: cilium.io/v2, kind: {kind}, metadata: {{name: p{at}{namespace}}}, specs: {}}}",
        list(&policy.rules, rule)
    )
}

fn rule(rule: &Rule) -> String {
    let subject = match rule.host {
        true => "nodeSelector",
        false => "endpointSelector",
    };
    let mut fields = vec![format!("{subject}: {}", selector(&rule.subject))];
    let defaults: Vec<String> = ["ingress", "egress"]
        .into_iter()
        .zip(rule.default_deny)
        .filter_map(|(name, value)| Some(format!("{name}: {}", value?)))
        .collect();
    if !defaults.is_empty() {
        fields.push(format!("enableDefaultDeny: {{{}}}", defaults.join(", ")));
    }
    let sections = ["ingress", "egress"].into_iter().zip(&rule.sections);
    for (name, Section { allow, deny }) in sections {
        let prefix = if name == "ingress" { "from" } else { "to" };
        let items = |items: &Vec<Item>| list(items, |found| item(prefix, found));
        fields.extend(
            allow
                .as_ref()
                .map(|allow| format!("{name}: {}", items(allow))),
        );
        fields.extend(
            deny.as_ref()
                .map(|deny| format!("{name}Deny: {}", items(deny))),
        );
    }
    format!("{{{}}}", fields.join(", "))
}

fn selector(Selector(terms): &Selector) -> String {
    let labels: Vec<(&str, &str)> = terms
        .iter()
        .filter(|term| term.label)
        .map(|term| (term.key, term.value))
        .collect();
    let rest = terms.iter().filter(|term| !term.label).map(|term| {
        let (key, operator, value) = (term.key, term.operator, term.value);
        let values = match operator {
            "In" | "NotIn" => format!(", values: ['{value}']"),
            _ => String::new(),
        };
        format!("{{key: '{key}', operator: {operator}{values}}}")
    });
    let rest: Vec<String> = rest.collect();
    format!(
        "{{matchLabels: {}, matchExpressions: [{}]}}",
        map(&labels),
        rest.join(", ")
    )
}

fn item(prefix: &str, item: &Item) -> String {
    let mut fields = match &item.peers {
        Peers::Unwritten => Vec::new(),
        Peers::Endpoints(entries) => {
            vec![format!("{prefix}Endpoints: {}", list(entries, selector))]
        }
        Peers::Entities(names) => vec![format!("{prefix}Entities: [{}]", names.join(", "))],
        Peers::Cidrs(entries) => vec![format!(
            "{prefix}CIDRSet: {}",
            list(entries, |(cidr, except)| match except {
                Some(except) => format!("{{cidr: {cidr}, except: [{except}]}}"),
                None => format!("{{cidr: {cidr}}}"),
            })
        )],
        Peers::Names(names) => vec![format!("toFQDNs: {}", list(names, |name| fqdn(name)))],
    };
    match &item.traffic {
        Traffic::All => {}
        Traffic::Ports(groups) => fields.push(format!("toPorts: {}", list(groups, group))),
        Traffic::Icmp(kind) => fields.push(format!("icmps: [{{fields: [{{type: {kind}}}]}}]")),
    }
    format!("{{{}}}", fields.join(", "))
}

fn fqdn(name: &str) -> String {
    match name.contains('*') {
        true => format!("{{matchPattern: '{name}'}}"),
        false => format!("{{matchName: {name}}}"),
    }
}

fn group(group: &Group) -> String {
    let mut port = format!("port: '{}'", group.port);
    if let Some(end) = group.end {
        port += &format!(", endPort: {end}");
    }
    if let Some(protocol) = group.protocol {
        port += &format!(", protocol: {protocol}");
    }
    let rules = match &group.l7 {
        None => String::new(),
        Some(L7::Http(method)) => format!(", rules: {{http: [{{method: '{method}'}}]}}"),
        Some(L7::Dns(name)) => format!(", rules: {{dns: [{}]}}", fqdn(name)),
    };
    format!("{{ports: [{{{port}}}]{rules}}}")
}

fn kubernetes(at: usize, policy: &Kubernetes) -> String {
    let labels = |app: Option<&str>| match app {
        Some(app) => format!("{{matchLabels: {{app: {app}}}}}"),
        None => "{}".into(),
    };
    let mut fields = vec![format!("podSelector: {}", labels(policy.app))];
    let names = [("Ingress", "ingress", "from"), ("Egress", "egress", "to")];
    let types = names.iter().zip(policy.types).filter(|(_, there)| *there);
    let types: Vec<&str> = types.map(|((name, ..), _)| *name).collect();
    fields.push(format!("policyTypes: [{}]", types.join(", ")));
    for ((_, name, peers), section) in names.iter().zip(&policy.sections) {
        let Some(rules) = section else {
            continue;
        };
        let rules = list(rules, |peer| {
            let peer = match peer {
                KubernetesPeer::Anybody => return "{}".into(),
                KubernetesPeer::Own { app } => format!("podSelector: {}", labels(Some(app))),
                KubernetesPeer::Team(team) => {
                    format!("namespaceSelector: {{matchLabels: {{team: {team}}}}}")
                }
                KubernetesPeer::Block(cidr) => format!("ipBlock: {{cidr: {cidr}}}"),
            };
            format!("{{{peers}: [{{{peer}}}]}}")
        });
        fields.push(format!("{name}: {rules}"));
    }
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: k{at}, namespace: \
         {}}}, spec: {{{}}}}}",
        policy.namespace,
        fields.join(", ")
    )
}
