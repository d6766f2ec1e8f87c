//! The spellings of endpoints, without a world: what the parts of a text are.
//!
//! The first part of `A/B` is a kind if kubectl knows one of that name, else a namespace; a
//! namespace that is called like a kind is written with both: `pods/deploy/web`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::labels::{self, Term};
use crate::manifest::WorkloadKind;
use crate::suggest::misspelt;

/// A kind that a name can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pod,
    Service,
    Workload(WorkloadKind),
}

/// The names of kinds, as kubectl takes them; the first one is that of reports.
const KINDS: &[(Kind, &[&str])] = &[
    (Kind::Pod, &["Pod", "pods", "po"]),
    (Kind::Service, &["Service", "services", "svc"]),
    (
        Kind::Workload(WorkloadKind::Deployment),
        &["Deployment", "deployments", "deploy"],
    ),
    (
        Kind::Workload(WorkloadKind::StatefulSet),
        &["StatefulSet", "statefulsets", "sts"],
    ),
    (
        Kind::Workload(WorkloadKind::DaemonSet),
        &["DaemonSet", "daemonsets", "ds"],
    ),
    (
        Kind::Workload(WorkloadKind::ReplicaSet),
        &["ReplicaSet", "replicasets", "rs"],
    ),
    (
        Kind::Workload(WorkloadKind::ReplicationController),
        &["ReplicationController", "replicationcontrollers", "rc"],
    ),
    (Kind::Workload(WorkloadKind::Job), &["Job", "jobs"]),
    (
        Kind::Workload(WorkloadKind::CronJob),
        &["CronJob", "cronjobs", "cj"],
    ),
    (Kind::Workload(WorkloadKind::Other), &["Workload"]),
];

impl Kind {
    /// The kind of a word, with or without its API group: `deploy`, `deployment.apps`.
    fn of(word: &str) -> Option<Self> {
        let word = word.split('.').next().unwrap_or_default();
        let known = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
        KINDS
            .iter()
            .find(|(_, names)| known(names))
            .map(|(kind, _)| *kind)
    }

    /// As reports spell it.
    pub(super) fn word(self) -> &'static str {
        let of = KINDS.iter().find(|(kind, _)| *kind == self);
        of.and_then(|(_, names)| names.first())
            .copied()
            .unwrap_or("Workload")
    }
}

/// ` (kinds are written ...)` for a word that nearly is a kind.
pub(super) fn kind_hint(word: &str) -> String {
    let names = KINDS.iter().flat_map(|(_, names)| names.iter().copied());
    match misspelt(word, names) {
        Some(kind) => format!(
            ", and no kind either (did you mean `{}`?)",
            kind.to_lowercase()
        ),
        None => String::new(),
    }
}

/// A pod, a workload or a Service by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'t> {
    pub(super) namespace: Option<&'t str>,
    pub(super) kind: Option<Kind>,
    pub(super) name: &'t str,
    pub(super) written: &'t str,
}

/// What a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spelling<'t> {
    World,
    Nodes,
    Node(&'t str),
    Namespace(&'t str),
    Address(IpAddr),
    Block(IpNet),
    /// A DNS name, or a pattern of names.
    Domain(&'t str),
    Labels {
        namespace: Option<&'t str>,
        terms: Vec<Term<'t>>,
    },
    Name(Name<'t>),
}

impl<'t> Spelling<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, String> {
        let text = text.trim();
        match text {
            "" => return Err("there is no endpoint here; write one as NAMESPACE/NAME".into()),
            "world" => return Ok(Self::World),
            "nodes" => return Ok(Self::Nodes),
            _ => {}
        }
        if let Some(name) = text.strip_prefix("ns:") {
            return one_name(name, "ns:NAME").map(Self::Namespace);
        }
        if let Some(name) = text.strip_prefix("node:") {
            return one_name(name, "node:NAME").map(Self::Node);
        }
        if let Some(name) = text.strip_prefix("fqdn:") {
            return domain(name).map(Self::Domain);
        }
        if let Some(address) = text.strip_prefix("ip:").or(text.strip_prefix("cidr:")) {
            return addresses(address).ok_or_else(|| not_an_address(address));
        }
        if let Some(selector) = text.strip_prefix("label:") {
            let terms = labels::parse(selector)?;
            return Ok(Self::Labels {
                namespace: None,
                terms,
            });
        }
        if let Some((namespace, selector)) = text.split_once("/label:") {
            return Ok(Self::Labels {
                namespace: Some(one_name(namespace, "NAMESPACE/label:KEY=VALUE")?),
                terms: labels::parse(selector)?,
            });
        }
        match addresses(text) {
            Some(found) => Ok(found),
            None => Self::name(text),
        }
    }

    fn name(text: &'t str) -> Result<Self, String> {
        if let Some(bad) = text
            .chars()
            .find(|c| c.is_whitespace() || ",:[]()".contains(*c))
        {
            let known = text.split(':').next().unwrap_or_default();
            let prefixes = ["ns", "node", "ip", "cidr", "label", "fqdn"];
            return Err(match misspelt(known, prefixes) {
                Some(prefix) if bad == ':' => {
                    format!("`{text}` is no endpoint (did you mean `{prefix}:`?)")
                }
                _ => format!("`{text}` is no endpoint; write one as NAMESPACE/NAME"),
            });
        }
        let parts: Vec<_> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(format!(
                "`{text}` lacks a part; an endpoint is NAMESPACE/NAME or NAMESPACE/KIND/NAME"
            ));
        }
        let (namespace, kind, name) = match parts.as_slice() {
            [name] => (None, None, *name),
            ["node" | "no" | "nodes", name] => return Ok(Self::Node(name)),
            ["ns" | "namespace" | "namespaces", name] => return Ok(Self::Namespace(name)),
            [first, name] => match Kind::of(first) {
                Some(kind) => (None, Some(kind), *name),
                None if first.parse::<IpAddr>().is_ok() => return Err(not_an_address(text)),
                None => (Some(*first), None, *name),
            },
            [namespace, kind, name] => match Kind::of(kind) {
                Some(kind) => (Some(*namespace), Some(kind), *name),
                None => {
                    let names = KINDS.iter().flat_map(|(_, names)| names.iter().copied());
                    let near = match misspelt(kind, names) {
                        Some(near) => format!(" (did you mean `{}`?)", near.to_lowercase()),
                        None => "; use pod, svc, deploy, sts, ds, rs, job or cj".into(),
                    };
                    return Err(format!("`{kind}` is no kind of endpoint{near}"));
                }
            },
            _ => {
                return Err(format!(
                    "`{text}` has too many parts; an endpoint is NAMESPACE/KIND/NAME at most"
                ));
            }
        };
        Ok(Self::Name(Name {
            namespace,
            kind,
            name,
            written: text,
        }))
    }
}

fn one_name<'t>(name: &'t str, form: &str) -> Result<&'t str, String> {
    let plain =
        !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "/:,".contains(c));
    match (plain, name) {
        (true, name) => Ok(name),
        (false, "") => Err(format!("a name is missing; write {form}")),
        (false, name) => Err(format!("`{name}` is no name; write {form}")),
    }
}

fn domain(name: &str) -> Result<&str, String> {
    let labels = name.strip_suffix('.').unwrap_or(name).split('.');
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_*".contains(c))
    };
    match (name, labels.clone().all(is_label)) {
        ("", _) => Err("a name is missing; write fqdn:NAME".into()),
        (name, true) if name.len() <= 254 => Ok(name),
        (name, _) => Err(format!("`{name}` is no DNS name; write fqdn:NAME")),
    }
}

/// An address or a block, in brackets or without: `[fd00::1]`, `[fd00::]/8`, `[fd00::/8]`.
fn addresses(text: &str) -> Option<Spelling<'static>> {
    let bare = match text.strip_prefix('[') {
        Some(inner) => &inner.replacen(']', "", 1),
        None => text,
    };
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some(Spelling::Address(ip.to_canonical()));
    }
    let net: IpNet = bare.parse().ok()?;
    Some(Spelling::Block(net.trunc()))
}

fn not_an_address(text: &str) -> String {
    let form = "write 203.0.113.9, 10.0.0.0/8 or, with a port behind it, [fd00::1]";
    format!("`{text}` is neither an address nor a block of addresses; {form}")
}

/// Whether a colon in front of the port ends a spelling that begins like this: `ns:shop:80`.
pub(super) fn prefix_len(text: &str) -> usize {
    let prefixes = ["ns:", "node:", "ip:", "cidr:", "label:", "fqdn:"];
    if let Some(prefix) = prefixes.iter().find(|prefix| text.starts_with(**prefix)) {
        return prefix.len();
    }
    let inner = text.find("/label:");
    inner.map_or(0, |at| at + "/label:".len())
}
