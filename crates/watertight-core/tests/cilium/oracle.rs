//! The rules of Cilium, straight: labels of identities, a set of allows, a set of denials.

use std::net::Ipv4Addr;

use crate::model::{
    API_OUTSIDE, Cluster, Group, Item, Kubernetes, KubernetesPeer, L7, Party, Peers, Rule,
    Selector, Term, Traffic, is_host, namespace_labels, node_of,
};

/// What is asked of a pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) protocol: &'static str,
    /// The type, for ICMP.
    pub(crate) port: u16,
    /// The method of an HTTP request.
    pub(crate) method: Option<&'static str>,
}

impl Question {
    pub(crate) const fn port(protocol: &'static str, port: u16) -> Self {
        Self {
            protocol,
            port,
            method: None,
        }
    }

    pub(crate) const fn icmp(kind: u16) -> Self {
        Self::port("ICMP", kind)
    }

    pub(crate) const fn request(method: &'static str) -> Self {
        Self {
            protocol: "TCP",
            port: 80,
            method: Some(method),
        }
    }
}

const NAMESPACE: &str = "io.kubernetes.pod.namespace";
const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";

/// Source, key and value.
type Labels = Vec<(&'static str, String, &'static str)>;

/// L-1, L-3, L-71: the labels of a party as a subject on some node sees them.
fn identity(party: &Party, seen_from: Option<&str>) -> Labels {
    let reserved = |name: &str| ("reserved", name.to_owned(), "");
    let mut labels = Vec::new();
    if is_host(party) {
        let own = node_of(party) == seen_from;
        labels.push(reserved(if own { "host" } else { "remote-node" }));
    }
    match party {
        Party::Pod {
            host: false,
            namespace,
            labels: own,
            account,
            ..
        } => {
            labels.extend(
                own.iter()
                    .map(|(key, value)| ("k8s", (*key).to_owned(), *value)),
            );
            labels.push(("k8s", NAMESPACE.into(), namespace));
            let of_namespace = namespace_labels(namespace).iter();
            labels.extend(
                of_namespace
                    .map(|(key, value)| ("k8s", format!("{NAMESPACE_LABELS}{key}"), *value)),
            );
            labels.push(("k8s", "io.cilium.k8s.policy.serviceaccount".into(), account));
        }
        Party::Outside(_) | Party::Name(_) => labels.push(reserved("world")),
        _ => {}
    }
    if matches!(
        party,
        Party::Node { name: "cp", .. } | Party::Outside(API_OUTSIDE)
    ) {
        labels.push(reserved("kube-apiserver"));
    }
    labels
}

fn split(key: &str) -> (&str, &str) {
    match key.split_once(':') {
        Some((source, name)) => (source, name),
        None => ("any", key),
    }
}

fn term_holds(term: &Term, labels: &Labels) -> bool {
    let (source, name) = split(term.key);
    let found = labels
        .iter()
        .find(|(of, key, _)| key == name && (source == "any" || source == *of));
    let value = found.map(|(_, _, value)| *value);
    match term.operator {
        "In" => value == Some(term.value),
        "NotIn" => value != Some(term.value),
        "Exists" => value.is_some(),
        _ => value.is_none(),
    }
}

fn holds(Selector(terms): &Selector, labels: &Labels) -> bool {
    terms.iter().all(|term| term_holds(term, labels))
}

/// L-5..L-9.
fn entry_holds(selector: &Selector, own: Option<&str>, labels: &Labels) -> bool {
    let names = |is: fn(&str, &str) -> bool| {
        selector.0.iter().any(|term| {
            let (source, name) = split(term.key);
            is(source, name)
        })
    };
    let reserved = names(|source, _| source == "reserved");
    let named = names(|source, name| name == NAMESPACE && source != "reserved");
    let labelled = names(|_, name| name.starts_with(NAMESPACE_LABELS));
    let namespace = labels.iter().find(|(_, key, _)| key == NAMESPACE);
    let scope = match own {
        _ if reserved || named => true,
        Some(_) if labelled => true,
        Some(own) => namespace.is_some_and(|(_, _, value)| *value == own),
        None => namespace.is_some(),
    };
    scope && holds(selector, labels)
}

/// L-4, L-10, L-74.
fn selects(rule: &Rule, namespace: Option<&str>, party: &Party) -> bool {
    if rule.host {
        let zones = ["a", "b"]
            .into_iter()
            .filter(|zone| rule.subject.0.iter().all(|term| term.value == *zone));
        let zone = match node_of(party) {
            Some("n2") => "b",
            _ => "a",
        };
        return is_host(party) && zones.into_iter().any(|found| found == zone);
    }
    let Party::Pod {
        host: false,
        namespace: of,
        ..
    } = party
    else {
        return false;
    };
    let labels = identity(party, None);
    let mut terms = rule.subject.0.iter();
    namespace.is_none_or(|own| own == *of)
        && terms.all(|term| {
            let overridden =
                namespace.is_some() && term.label && term.key == "k8s:io.kubernetes.pod.namespace";
            overridden || term_holds(term, &labels)
        })
}

fn number(ip: &str) -> u32 {
    ip.parse::<Ipv4Addr>().unwrap().into()
}

fn contains(cidr: &str, ip: &str) -> bool {
    let (net, length) = cidr.split_once('/').unwrap();
    let length: u32 = length.parse().unwrap();
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    number(net) & mask == number(ip) & mask
}

/// L-44, L-45, L-47.
fn in_block(cluster: &Cluster, cidr: &str, except: Option<&str>, party: &Party) -> bool {
    let ip = match party {
        Party::Outside(ip) => ip,
        Party::Node { ip, .. } | Party::Pod { host: true, ip, .. } if cluster.cidr_match_nodes => {
            ip
        }
        Party::Name(_) => return cidr == "0.0.0.0/0" && except.is_none(),
        _ => return false,
    };
    contains(cidr, ip) && !except.is_some_and(|except| contains(except, ip))
}

/// L-56.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern {
        "*" => true,
        "*.a.io" => name == "www.a.io",
        exact => exact == name,
    }
}

/// One side of a connection.
struct Side<'c> {
    cluster: &'c Cluster,
    own: &'c Party,
    other: &'c Party,
    egress: bool,
}

impl Side<'_> {
    /// The rules that select the party, with their namespace.
    fn rules(&self) -> impl Iterator<Item = (Option<&'static str>, &Rule)> {
        let policies = self.cluster.policies.iter();
        policies.flat_map(|policy| {
            let rules = policy.rules.iter().map(|rule| (policy.namespace, rule));
            rules.filter(|(namespace, rule)| selects(rule, *namespace, self.own))
        })
    }

    fn entity(&self, name: &str) -> bool {
        let labels = identity(self.other, node_of(self.own));
        let has = |name: &str| {
            labels
                .iter()
                .any(|(source, key, _)| *source == "reserved" && key == name)
        };
        match name {
            "all" => true,
            "cluster" => !has("world") || has("kube-apiserver"),
            name => has(name),
        }
    }

    /// L-57: some rule of the party lets it look the name up.
    fn sees(&self, name: &str) -> bool {
        self.rules().any(|(_, rule)| {
            let items = rule.sections[1].allow.iter().flatten();
            let items = items.filter(|item| !matches_nobody(item));
            items.into_iter().any(|item| match &item.traffic {
                Traffic::Ports(groups) => groups.iter().any(|group| match group.l7 {
                    Some(L7::Dns(pattern)) => fits(pattern, name),
                    _ => false,
                }),
                _ => false,
            })
        })
    }

    fn peers_match(&self, item: &Item, namespace: Option<&str>) -> bool {
        match &item.peers {
            Peers::Unwritten => !is_everything(&item.traffic),
            Peers::Names(names) if names.is_empty() => !is_everything(&item.traffic),
            Peers::Endpoints(entries) => {
                let labels = identity(self.other, node_of(self.own));
                entries
                    .iter()
                    .any(|entry| entry_holds(entry, namespace, &labels))
            }
            Peers::Entities(names) => names.iter().any(|name| self.entity(name)),
            Peers::Cidrs(entries) => entries
                .iter()
                .any(|(cidr, except)| in_block(self.cluster, cidr, *except, self.other)),
            Peers::Names(names) => match self.other {
                Party::Name(name) => {
                    names.iter().any(|pattern| fits(pattern, name)) && self.sees(name)
                }
                _ => false,
            },
        }
    }

    fn traffic_matches(&self, traffic: &Traffic, question: &Question) -> bool {
        match traffic {
            _ if is_everything(traffic) => true,
            Traffic::Icmp(kind) => question.protocol == "ICMP" && u16::from(*kind) == question.port,
            Traffic::Ports(groups) => groups
                .iter()
                .any(|group| self.group_matches(group, question)),
            Traffic::All => true,
        }
    }

    /// L-60..L-64, L-66.
    fn group_matches(&self, group: &Group, question: &Question) -> bool {
        let protocols: &[&str] = match group.protocol {
            None | Some("ANY") => &["TCP", "UDP", "SCTP"],
            Some("TCP") => &["TCP"],
            _ => &["UDP"],
        };
        let port = match group.port {
            "0" => question.protocol != "ICMP",
            "http" => match if self.egress { self.other } else { self.own } {
                Party::Pod {
                    host: false, name, ..
                } => {
                    let number = if *name == "b" { 8080 } else { 80 };
                    question.protocol == "TCP" && question.port == number
                }
                _ => false,
            },
            number => {
                let first: u16 = number.parse().unwrap();
                (first..=group.end.unwrap_or(first)).contains(&question.port)
            }
        };
        let request = match (&group.l7, question.method) {
            (Some(L7::Http(methods)), Some(method)) => methods.split('|').any(|one| one == method),
            (Some(L7::Dns(_)), Some(_)) => false,
            _ => true,
        };
        protocols.contains(&question.protocol) && port && request
    }

    fn admits(
        &self,
        items: Option<&Vec<Item>>,
        namespace: Option<&str>,
        question: &Question,
    ) -> bool {
        items.into_iter().flatten().any(|item| {
            self.peers_match(item, namespace) && self.traffic_matches(&item.traffic, question)
        })
    }

    /// NetworkPolicies that isolate the party (L-79).
    fn kubernetes(&self) -> impl Iterator<Item = &Kubernetes> {
        let at = usize::from(self.egress);
        self.cluster.kubernetes.iter().filter(move |policy| {
            let Party::Pod {
                host: false,
                namespace,
                labels,
                ..
            } = self.own
            else {
                return false;
            };
            let rules = policy.sections[at]
                .as_ref()
                .is_some_and(|rules| !rules.is_empty());
            let selected = policy.app.is_none_or(|app| labels.contains(&("app", app)));
            *namespace == policy.namespace && selected && (policy.types[at] || rules)
        })
    }

    fn kubernetes_admits(&self, policy: &Kubernetes) -> bool {
        let rules = policy.sections[usize::from(self.egress)].iter().flatten();
        rules.into_iter().any(|peer| match (peer, self.other) {
            (KubernetesPeer::Anybody, _) => true,
            (KubernetesPeer::Block(cidr), party) => in_block(self.cluster, cidr, None, party),
            (
                KubernetesPeer::Own { app },
                Party::Pod {
                    host: false,
                    namespace,
                    labels,
                    ..
                },
            ) => *namespace == policy.namespace && labels.contains(&("app", app)),
            (
                KubernetesPeer::Team(team),
                Party::Pod {
                    host: false,
                    namespace,
                    ..
                },
            ) => namespace_labels(namespace).contains(&("team", team)),
            _ => false,
        })
    }

    /// Whether any policy is about the party in this direction.
    fn has_rules(&self) -> bool {
        let at = usize::from(self.egress);
        let mut rules = self.rules();
        rules.any(|(_, rule)| !is_idle(rule, at)) || self.kubernetes().next().is_some()
    }

    /// L-14..L-26.
    fn lets_through(&self, question: &Question) -> bool {
        let at = usize::from(self.egress);
        let mut isolated = self.kubernetes().next().is_some();
        let mut allowed = self
            .kubernetes()
            .any(|policy| self.kubernetes_admits(policy));
        for (namespace, rule) in self.rules() {
            let section = &rule.sections[at];
            if self.admits(section.deny.as_ref(), namespace, question) {
                return false;
            }
            allowed |= self.admits(section.allow.as_ref(), namespace, question);
            isolated |= !is_idle(rule, at) && rule.default_deny[at] != Some(false);
        }
        // L-22.
        isolated |= self.cluster.always && matches!(self.own, Party::Pod { host: false, .. });
        allowed || !isolated
    }
}

fn is_idle(rule: &Rule, at: usize) -> bool {
    let section = &rule.sections[at];
    [&section.allow, &section.deny]
        .into_iter()
        .flatten()
        .all(Vec::is_empty)
}

/// L-31: an empty `toPorts` is none.
fn is_everything(traffic: &Traffic) -> bool {
    match traffic {
        Traffic::All => true,
        Traffic::Ports(groups) => groups.is_empty(),
        Traffic::Icmp(_) => false,
    }
}

/// L-28, L-30.
fn matches_nobody(item: &Item) -> bool {
    match &item.peers {
        Peers::Unwritten => is_everything(&item.traffic),
        Peers::Names(names) => names.is_empty() && is_everything(&item.traffic),
        Peers::Endpoints(entries) => entries.is_empty(),
        Peers::Entities(names) => names.is_empty(),
        Peers::Cidrs(entries) => entries.is_empty(),
    }
}

/// Whether a connection, or a request on one, is allowed.
pub(crate) fn allows(cluster: &Cluster, from: &Party, to: &Party, question: &Question) -> bool {
    let egress = Side {
        cluster,
        own: from,
        other: to,
        egress: true,
    };
    let ingress = Side {
        cluster,
        own: to,
        other: from,
        egress: false,
    };
    // L-72.
    let to_own_pod = is_host(from) && !is_host(to) && node_of(from) == node_of(to);
    if to_own_pod && !cluster.host_is_policed && (!cluster.always || ingress.has_rules()) {
        return true;
    }
    egress.lets_through(question) && ingress.lets_through(question)
}
