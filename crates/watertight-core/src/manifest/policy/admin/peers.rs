//! The peers of a rule (A-22..A-33).

use super::{AdminPods, Form, at_most, one_of};
use crate::diag::{Finding, Severity};
use crate::document::{Kind, Node};
use crate::manifest::Direction;
use crate::manifest::decode::{Decoder, Unknown};
use crate::manifest::policy::network::network;
use crate::manifest::selector;
use crate::rules::reading;
use crate::sets::{Cidr, LabelSelector};
use crate::source::Span;
use crate::suggest::misspelt;

/// One peer of a rule.
#[derive(Clone, Debug)]
pub struct AdminPeer {
    /// What it is.
    pub kind: AdminPeerKind,
    /// Where it is.
    pub span: Span,
}

/// What a peer is.
#[derive(Clone, Debug)]
pub enum AdminPeerKind {
    /// `namespaces` or `pods`: never host-network pods.
    Pods(AdminPods),
    /// Pods of namespaces that compare with the subject's, in release 0.1.1.
    Related(Relation),
    /// Nodes, by the addresses in their status.
    Nodes(LabelSelector),
    /// Any of these networks, whoever owns the address.
    Networks(Vec<Cidr>),
    /// The addresses of any of these names (A-29..A-31).
    Domains(Vec<DomainName>),
    /// A field of a newer schema: fail closed.
    Unknown(Box<str>),
}

/// Pods of namespaces that own all of these labels, with the subject's values or not.
#[derive(Clone, Debug)]
pub struct Relation {
    /// The keys.
    pub keys: Vec<Box<str>>,
    /// All of the values are the subject's; else at least one is not.
    pub is_same: bool,
    /// The pods in them.
    pub pods: LabelSelector,
}

/// A domain name, perhaps with `*.` before it.
#[derive(Clone, Debug)]
pub struct DomainName {
    /// As written.
    pub text: Box<str>,
    /// Where it is.
    pub span: Span,
}

/// Decodes `namespaces`: all pods of the namespaces.
pub(super) fn namespaces(decoder: &mut Decoder, node: Node<'_, '_>) -> AdminPods {
    decoder.field("namespaces", |decoder| {
        refuse_relations(decoder, node);
    });
    AdminPods {
        namespaces: selector::decode(decoder, "namespaces", node),
        pods: LabelSelector::everything(node.span().at_start()),
        span: node.span(),
    }
}

/// What v0.1.1 could say about namespaces; the server would drop it and leave all namespaces.
fn refuse_relations(decoder: &mut Decoder, node: Node<'_, '_>) {
    for (key, _) in node.entries() {
        let Some(name) = key.str().filter(|name| OLD_FIELDS.contains(name)) else {
            continue;
        };
        let message = format!("`{name}` is of version 0.1.1 of the API: current servers drop it");
        let help = "write label selectors of namespaces";
        decoder.invalid(key.span(), message, &["A-33"], Some(help));
    }
}

/// Decodes `pods`.
pub(super) fn pods(decoder: &mut Decoder, node: Node<'_, '_>, form: Form) -> Option<AdminPods> {
    decoder.field("pods", |decoder| {
        let known = ["namespaceSelector", "podSelector"];
        let [namespaces, pods] = decoder.fields(node, known, Unknown::Refuse);
        if node.kind() != Kind::Mapping {
            return None;
        }
        let optional = form == Form::Cluster;
        for (name, field) in [
            (
                "namespaceSelector",
                namespaces.or(pods.filter(|_| optional)),
            ),
            ("podSelector", pods),
        ] {
            if field.is_none() {
                let message = format!("`pods` needs a `{name}`");
                let help = format!("write `{name}: {{}}` for all of them");
                decoder.invalid(node.span(), message, &["A-20"], Some(&help));
            }
        }
        let mut decode = |name, field: Option<Node<'_, '_>>| match field {
            Some(field) => selector::decode(decoder, name, field),
            None => LabelSelector::everything(node.span().at_start()),
        };
        Some(AdminPods {
            namespaces: decode("namespaceSelector", namespaces),
            pods: decode("podSelector", pods),
            span: node.span(),
        })
    })
}

/// Decodes one peer.
pub(super) fn peer(
    decoder: &mut Decoder,
    node: Node<'_, '_>,
    direction: Direction,
    form: Form,
) -> Option<AdminPeer> {
    let known = ["namespaces", "pods", "nodes", "networks", "domainNames"];
    // A-23; A-29: v1alpha1 has no domain names in its baseline.
    let here = match (direction, form) {
        (Direction::Ingress, _) => known.get(..2),
        (Direction::Egress, Form::Baseline) => known.get(..4),
        (Direction::Egress, _) => Some(known.as_slice()),
    };
    let here = here.unwrap_or_default();
    let span = node.span();
    let is_set = |name: &str| node.get(name).is_some_and(|value| !value.is_null());
    if !known.iter().any(|name| is_set(name)) {
        return strange(decoder, node, here);
    }
    let fields = decoder.fields(node, known, Unknown::Refuse);
    if !one_of(decoder, node, &fields, "a peer", &["A-46", "A-22"]) {
        return None;
    }
    if let [Some(peer), ..] | [None, Some(peer), ..] = fields
        && decoder.old_admin_api
        && is_old(peer)
    {
        let kind = old_peer(decoder, peer)?;
        return Some(AdminPeer { kind, span });
    }
    if let Some(name) = known
        .iter()
        .find(|name| is_set(name) && !here.contains(name))
    {
        let what = match direction {
            Direction::Ingress => "in an ingress rule",
            Direction::Egress => "of a BaselineAdminNetworkPolicy",
        };
        let message = format!("`{name}` is no peer {what}");
        let help = format!("the peers here are: {}", here.join(", "));
        let id = match direction {
            Direction::Ingress => "A-23",
            Direction::Egress => "A-29",
        };
        decoder.invalid(span, message, &[id, "A-46"], Some(&help));
        return None;
    }
    let [namespaces_at, pods_at, nodes, networks_at, domains_at] = fields;
    let kind = if let Some(node) = namespaces_at {
        AdminPeerKind::Pods(namespaces(decoder, node))
    } else if let Some(node) = pods_at {
        AdminPeerKind::Pods(pods(decoder, node, form)?)
    } else if let Some(node) = nodes {
        AdminPeerKind::Nodes(selector::decode(decoder, "nodes", node))
    } else if let Some(node) = networks_at {
        AdminPeerKind::Networks(networks(decoder, node))
    } else {
        AdminPeerKind::Domains(domains(decoder, domains_at?))
    };
    Some(AdminPeer { kind, span })
}

/// What release 0.1.1 writes into `namespaces`.
const OLD_FIELDS: [&str; 3] = ["namespaceSelector", "sameLabels", "notSameLabels"];

/// Whether the value of `namespaces` or of `pods` is written as in release 0.1.1.
fn is_old(node: Node<'_, '_>) -> bool {
    let has_own = |name: &&str| node.get(name).is_some();
    match node.get("podSelector") {
        Some(_) => node.get("namespaces").is_some(),
        None => OLD_FIELDS.iter().any(has_own),
    }
}

/// Decodes the value of `namespaces`, or that of `pods` with `namespaces` inside.
fn old_peer(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<AdminPeerKind> {
    let (namespaces, pods) = match node.get("podSelector") {
        Some(_) => {
            let known = ["namespaces", "podSelector"];
            let [namespaces, pods] = decoder.fields(node, known, Unknown::Refuse);
            (namespaces?, pods)
        }
        None => (node, None),
    };
    let pods = match pods {
        Some(pods) => selector::decode(decoder, "podSelector", pods),
        None => LabelSelector::everything(node.span().at_start()),
    };
    let fields = decoder.fields(namespaces, OLD_FIELDS, Unknown::Refuse);
    if !one_of(decoder, namespaces, &fields, "a peer", &["A-33"]) {
        return None;
    }
    let [selector, same, other] = fields;
    if let Some(selector) = selector {
        return Some(AdminPeerKind::Pods(AdminPods {
            namespaces: selector::decode(decoder, "namespaceSelector", selector),
            pods,
            span: node.span(),
        }));
    }
    let name = if same.is_some() {
        "sameLabels"
    } else {
        "notSameLabels"
    };
    let keys = decoder.items(name, same.or(other), |decoder, node| {
        let key = decoder.item_text(node)?;
        Some((&*key).into())
    });
    Some(AdminPeerKind::Related(Relation {
        keys,
        is_same: same.is_some(),
        pods,
    }))
}

/// A peer without a field that is known: a mistake, or a field of a newer schema.
fn strange(decoder: &mut Decoder, node: Node<'_, '_>, here: &[&'static str]) -> Option<AdminPeer> {
    let span = node.span();
    let mut newer = None;
    let mut mistake = None;
    for (key, value) in node.entries() {
        let name = key.str().unwrap_or_default();
        let old = ["namespaceSelector", "podSelector", "ipBlock"];
        let relation = ["sameLabels", "notSameLabels"];
        if value.is_null() {
            continue;
        }
        if relation.contains(&name) {
            mistake = Some((
                key,
                "A-33",
                "current versions of the API have no such peer".into(),
            ));
        } else if old.contains(&name) || here.contains(&name) {
            let help = format!("the peers here are: {}", here.join(", "));
            mistake = Some((key, "A-46", help));
        } else if let Some(near) = misspelt(name, here.iter().copied()) {
            mistake = Some((key, "A-46", format!("write `{near}`")));
        } else {
            newer = Some((key, name));
        }
    }
    if let Some((key, id, help)) = mistake {
        let name = key.str().unwrap_or_default();
        let message =
            format!("`{name}` is no peer: the API server drops it, and an empty peer is refused");
        decoder.invalid(key.span(), message, &[id, "A-22"], Some(&help));
        return None;
    }
    if let Some((key, name)) = newer {
        let message = format!(
            "unknown peer `{name}`: an engine that does not know it takes an accepting rule for none, \
             and any other rule for one that denies everybody"
        );
        let finding = Finding::new(&reading::UNKNOWN_FIELD, message)
            .severity(Severity::Warning)
            .at(
                key.span(),
                "no such peer in the versions that are known here",
            )
            .why(&["A-32"]);
        decoder.warn(finding);
        let kind = AdminPeerKind::Unknown(name.into());
        return Some(AdminPeer { kind, span });
    }
    // Says what is no mapping, and nothing else: there is no field.
    let [] = decoder.fields(node, [], Unknown::NearMiss(&[]));
    one_of(decoder, node, &[], "a peer", &["A-46", "A-22"]);
    None
}

fn networks(decoder: &mut Decoder, node: Node<'_, '_>) -> Vec<Cidr> {
    at_most(decoder, "networks", Some(node), 25);
    let mut seen: Vec<String> = Vec::new();
    let networks = decoder.items("networks", Some(node), |decoder, node| {
        let text = decoder.item_text(node)?;
        once(decoder, &mut seen, &text, text.span);
        if text.len() > 43 {
            let message = "a CIDR has at most 43 characters";
            decoder.invalid(text.span, message, &["A-45"], None);
            return None;
        }
        network(decoder, &text, &["A-45"])
    });
    not_empty(decoder, "networks", node);
    networks
}

fn domains(decoder: &mut Decoder, node: Node<'_, '_>) -> Vec<DomainName> {
    at_most(decoder, "domainNames", Some(node), 25);
    let mut seen: Vec<String> = Vec::new();
    let domains = decoder.items("domainNames", Some(node), |decoder, node| {
        let text = decoder.item_text(node)?;
        once(decoder, &mut seen, &text, text.span);
        if let Some(reason) = no_domain(&text) {
            let message = format!("`{}` is no domain name here: {reason}", &*text);
            decoder.invalid(text.span, message, &["A-30"], None);
            return None;
        }
        Some(DomainName {
            text: (&*text).into(),
            span: text.span,
        })
    });
    not_empty(decoder, "domainNames", node);
    domains
}

fn not_empty(decoder: &mut Decoder, name: &'static str, node: Node<'_, '_>) {
    if node.kind() == Kind::Sequence && node.items().next().is_none() {
        decoder.field(name, |decoder| {
            decoder.invalid(node.span(), "the list is empty", &["A-46"], None);
        });
    }
}

/// The lists are sets: the schema refuses an item that is repeated.
fn once(decoder: &mut Decoder, seen: &mut Vec<String>, text: &str, span: Span) {
    if seen.iter().any(|known| known == text) {
        let message = format!("`{text}` is in the list twice");
        decoder.invalid(span, message, &["A-45"], Some("remove it"));
    } else {
        seen.push(text.to_owned());
    }
}

/// Why a text is no domain name that the schema takes.
fn no_domain(text: &str) -> Option<&'static str> {
    let rest = text.strip_prefix("*.").unwrap_or(text);
    if rest.contains('*') {
        return Some("a wildcard stands for whole labels at the front, as in *.example.com");
    }
    let rest = rest.strip_suffix('.').unwrap_or(rest);
    if !rest.contains('.') {
        return Some("it needs at least two labels, a wildcard aside");
    }
    // The schema's pattern lets a label start with `_`, and end with it if that is all of it.
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let (first, last) = (label.bytes().next(), label.bytes().last());
        let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        label.bytes().all(inner)
            && (first == Some(b'_') || is_end(first))
            && (label == "_" || is_end(last))
    };
    if rest.split('.').all(label) {
        None
    } else {
        Some("labels are letters, digits, `-` and `_`, and neither start nor end with `-`")
    }
}

/// Domain names are for rules that admit: elsewhere they are a peer that engines do not know (A-29,
///
pub(super) fn domains_need_accept(decoder: &mut Decoder, peers: &[AdminPeer], form: Form) {
    let domains = peers
        .iter()
        .find(|peer| matches!(peer.kind, AdminPeerKind::Domains(_)));
    if let Some(peer) = domains {
        let message = format!(
            "`domainNames` is for {} rules only: engines take this rule for one that denies everybody",
            form.accept()
        );
        let finding = Finding::new(&reading::INVALID, message)
            .severity(Severity::Warning)
            .at(peer.span, "")
            .why(&["A-29", "A-32"]);
        decoder.warn(finding);
    }
}
