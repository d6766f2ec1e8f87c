//! Who is at the other end of an item: one list of one kind (L-28..L-35).

use super::addresses::{self, CidrEntry};
use super::selector::{self, IdentitySelector};
use crate::diag::{Finding, Fix, Severity};
use crate::document::Node;
use crate::manifest::decode::{Decoder, Unknown};
use crate::manifest::{Direction, selector as labels};
use crate::rules::reading;
use crate::sets::{DomainLabels, DomainPattern, LabelSelector};
use crate::source::Span;
use crate::suggest::misspelt;

/// The peers of an item. Any of the entries of a list (L-34).
#[derive(Clone, Debug)]
pub enum CiliumPeers {
    /// No list: anybody if there are ports or ICMP types, nobody otherwise (L-28, L-29).
    Unwritten,
    /// An empty list, which selects nobody even where there are ports (L-30).
    Nobody,
    /// Pods, by the labels of their identities.
    Endpoints(Vec<IdentitySelector>),
    /// Entities.
    Entities(Vec<(Entity, Span)>),
    /// Addresses.
    Cidrs(Vec<CidrEntry>),
    /// Nodes by their labels (L-59).
    Nodes(Vec<IdentitySelector>),
    /// Services (L-54, L-55).
    Services(Vec<ToService>),
    /// DNS names (L-56..L-58).
    Fqdns(Vec<FqdnSelector>),
    /// Groups of a cloud, which no manifest describes.
    Groups,
}

/// An entity (L-36..L-43).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// Everybody.
    All,
    /// Nobody.
    None,
    /// Outside of the cluster.
    World,
    /// Pods, nodes and everything else of the cluster.
    Cluster,
    /// The node of the subject.
    Host,
    /// Other nodes.
    RemoteNode,
    /// The API server.
    KubeApiserver,
    /// Endpoints that have no labels yet.
    Init,
    /// The health endpoints of Cilium.
    Health,
    /// Pods that Cilium does not manage.
    Unmanaged,
    /// The ingress proxy of Cilium.
    Ingress,
}

impl Entity {
    pub(super) const NAMES: [(&'static str, Self); 11] = [
        ("all", Self::All),
        ("cluster", Self::Cluster),
        ("health", Self::Health),
        ("host", Self::Host),
        ("ingress", Self::Ingress),
        ("init", Self::Init),
        ("kube-apiserver", Self::KubeApiserver),
        ("none", Self::None),
        ("remote-node", Self::RemoteNode),
        ("unmanaged", Self::Unmanaged),
        ("world", Self::World),
    ];

    fn parse(text: &str) -> Option<Self> {
        let mut names = Self::NAMES.iter();
        names
            .find(|(name, _)| *name == text)
            .map(|(_, entity)| *entity)
    }

    /// As policies spell it.
    #[must_use]
    pub fn word(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(_, entity)| *entity == self)
            .map_or("", |(name, _)| *name)
    }
}

/// An entry of `toServices`: a Service that either of the two means.
#[derive(Clone, Debug)]
pub struct ToService {
    /// `k8sService`.
    pub by_name: Option<ServiceRef>,
    /// `k8sServiceSelector`.
    pub by_labels: Option<ServiceSelector>,
    /// Where the entry is.
    pub span: Span,
}

/// A Service by its name.
#[derive(Clone, Debug)]
pub struct ServiceRef {
    /// The name.
    pub name: Box<str>,
    /// The namespace; the policy's if it is not written.
    pub namespace: Option<Box<str>>,
}

/// Services by their labels.
#[derive(Clone, Debug)]
pub struct ServiceSelector {
    /// The labels.
    pub selector: LabelSelector,
    /// The namespace; every one if it is not written.
    pub namespace: Option<Box<str>>,
}

/// DNS names.
#[derive(Clone, Debug)]
pub struct FqdnSelector {
    /// The name or the pattern (L-56).
    pub pattern: DomainPattern,
    /// Where it is.
    pub span: Span,
}

/// The lists of an item as they are written, `from` or `to` in front of their names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists<'d, 's> {
    pub direction: Direction,
    pub endpoints: Option<Node<'d, 's>>,
    pub entities: Option<Node<'d, 's>>,
    pub cidr: Option<Node<'d, 's>>,
    pub cidr_set: Option<Node<'d, 's>>,
    pub nodes: Option<Node<'d, 's>>,
    pub groups: Option<Node<'d, 's>>,
    pub requires: Option<Node<'d, 's>>,
    pub services: Option<Node<'d, 's>>,
    pub fqdns: Option<Node<'d, 's>>,
}

/// A name of a field in both directions.
fn named(direction: Direction, ingress: &'static str, egress: &'static str) -> &'static str {
    match direction {
        Direction::Ingress => ingress,
        Direction::Egress => egress,
    }
}

/// The peers and where they are written.
pub(super) fn decode(
    decoder: &mut Decoder,
    lists: Lists<'_, '_>,
) -> Option<(CiliumPeers, Option<Span>)> {
    let name = |ingress, egress| named(lists.direction, ingress, egress);
    let endpoints_name = name("fromEndpoints", "toEndpoints");
    let entities_name = name("fromEntities", "toEntities");
    let cidr_name = name("fromCIDR", "toCIDR");
    let cidr_set_name = name("fromCIDRSet", "toCIDRSet");
    let nodes_name = name("fromNodes", "toNodes");
    let groups_name = name("fromGroups", "toGroups");
    one_kind(
        decoder,
        &[
            (endpoints_name, lists.endpoints),
            (entities_name, lists.entities),
            (cidr_name, lists.cidr),
            (cidr_set_name, lists.cidr_set),
            (nodes_name, lists.nodes),
            (groups_name, lists.groups),
            ("toServices", lists.services),
            ("toFQDNs", lists.fqdns),
        ],
    );
    removed(decoder, name("fromRequires", "toRequires"), lists.requires);
    let endpoints = decoder.items(endpoints_name, lists.endpoints, |decoder, node| {
        Some(selector::item(decoder, node))
    });
    let entities = decoder.items(entities_name, lists.entities, entity);
    let mut cidrs = decoder.items(cidr_name, lists.cidr, addresses::plain);
    cidrs.extend(decoder.items(cidr_set_name, lists.cidr_set, addresses::entry));
    let nodes = decoder.items(nodes_name, lists.nodes, |decoder, node| {
        Some(selector::item(decoder, node))
    });
    let services = decoder.items("toServices", lists.services, service);
    let fqdns = decoder.items("toFQDNs", lists.fqdns, |decoder, node| {
        fqdn(decoder, node, "L-56")
    });
    let groups = decoder.items(groups_name, lists.groups, |_, _| Some(()));
    let span = |node: Option<Node<'_, '_>>| node.map(Node::span);
    Some(if !endpoints.is_empty() {
        (CiliumPeers::Endpoints(endpoints), span(lists.endpoints))
    } else if !entities.is_empty() {
        (CiliumPeers::Entities(entities), span(lists.entities))
    } else if !cidrs.is_empty() {
        let place = lists.cidr.filter(|list| list.items().next().is_some());
        (CiliumPeers::Cidrs(cidrs), span(place.or(lists.cidr_set)))
    } else if !nodes.is_empty() {
        needs_node_labels(decoder, nodes_name, lists.nodes);
        (CiliumPeers::Nodes(nodes), span(lists.nodes))
    } else if !services.is_empty() {
        (CiliumPeers::Services(services), span(lists.services))
    } else if !fqdns.is_empty() {
        (CiliumPeers::Fqdns(fqdns), span(lists.fqdns))
    } else if !groups.is_empty() {
        not_modelled(decoder, groups_name, lists.groups);
        (CiliumPeers::Groups, span(lists.groups))
    } else {
        let lists = [
            lists.endpoints,
            lists.entities,
            lists.cidr,
            lists.cidr_set,
            lists.nodes,
        ];
        match lists.into_iter().flatten().next() {
            Some(empty) => (CiliumPeers::Nobody, Some(empty.span())),
            None => (CiliumPeers::Unwritten, None),
        }
    })
}

/// Refuses peers of two kinds in one item (L-33).
fn one_kind(decoder: &mut Decoder, lists: &[(&'static str, Option<Node<'_, '_>>)]) {
    let mut written = lists.iter().filter_map(|(name, node)| {
        let node = (*node)?;
        node.items().next().map(|_| (*name, node))
    });
    if let (Some((first, _)), Some((second, node))) = (written.next(), written.next()) {
        let message = format!("`{first}` and `{second}` cannot be combined in one item");
        decoder.field(second, |decoder| {
            decoder.invalid(
                node.span(),
                message,
                &["L-33"],
                Some("write an item for each"),
            );
        });
    }
}

fn warning(
    decoder: &mut Decoder,
    name: &'static str,
    span: Span,
    message: String,
    ids: &[&'static str],
) {
    let finding = Finding::new(&reading::INVALID, message)
        .severity(Severity::Warning)
        .at(span, "")
        .why(ids);
    decoder.field(name, |decoder| decoder.warn(finding));
}

fn removed(decoder: &mut Decoder, name: &'static str, node: Option<Node<'_, '_>>) {
    if let Some(node) = node {
        let message = format!("`{name}` has no effect: Cilium 1.19 removed it");
        warning(decoder, name, node.span(), message, &["L-59"]);
    }
}

fn needs_node_labels(decoder: &mut Decoder, name: &'static str, node: Option<Node<'_, '_>>) {
    if let Some(node) = node {
        let message = format!(
            "`{name}` needs `nodeSelectorLabels` to be enabled in Cilium; without it the whole \
             object is ignored"
        );
        warning(decoder, name, node.span(), message, &["L-59"]);
    }
}

fn not_modelled(decoder: &mut Decoder, name: &'static str, node: Option<Node<'_, '_>>) {
    if let Some(node) = node {
        let message = format!(
            "`{name}` asks a cloud provider for addresses that are in no manifest: the item is \
             taken to match nobody"
        );
        let finding = Finding::new(&reading::INVALID, message)
            .severity(Severity::Warning)
            .at(node.span(), "")
            .incomplete();
        decoder.field(name, |decoder| decoder.warn(finding));
    }
}

fn entity(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<(Entity, Span)> {
    let text = decoder.item_text(node)?;
    if let Some(entity) = Entity::parse(&text) {
        return Some((entity, text.span));
    }
    let names = Entity::NAMES.map(|(name, _)| name);
    // Known inside Cilium, but not to the CRD.
    let internal = matches!(&*text, "world-ipv4" | "world-ipv6");
    let ids: &[_] = if internal {
        &["L-43", "L-37"]
    } else {
        &["L-43"]
    };
    let mut finding = Finding::new(&reading::INVALID, format!("`{}` is no entity", &*text))
        .at(text.span, "")
        .why(ids);
    let near = if internal {
        Some("world")
    } else {
        misspelt(&text, names)
    };
    finding.fix = Some(match near {
        Some(near) => Fix::rename(text.span, &text, near),
        None => Fix::advice(format!("the entities are {}", names.join(", "))),
    });
    decoder.refuse(finding);
    None
}

fn service(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<ToService> {
    let known = ["k8sService", "k8sServiceSelector"];
    let [by_name, by_labels] = decoder.fields(node, known, Unknown::Refuse);
    let by_name = by_name.and_then(|node| {
        decoder.field("k8sService", |decoder| {
            let known = ["serviceName", "namespace"];
            let [name, namespace] = decoder.fields(node, known, Unknown::Refuse);
            Some(ServiceRef {
                name: decoder
                    .text("serviceName", name)
                    .map(|name| (&*name).into())?,
                namespace: text(decoder, "namespace", namespace),
            })
        })
    });
    let by_labels = by_labels.and_then(|node| {
        decoder.field("k8sServiceSelector", |decoder| {
            let known = ["selector", "namespace"];
            let [selector, namespace] = decoder.fields(node, known, Unknown::Refuse);
            let Some(selector) = selector else {
                let message = "a `k8sServiceSelector` needs a `selector`";
                decoder.invalid(node.span(), message, &["L-54"], None);
                return None;
            };
            Some(ServiceSelector {
                selector: labels::decode(decoder, "selector", selector),
                namespace: text(decoder, "namespace", namespace),
            })
        })
    });
    Some(ToService {
        by_name,
        by_labels,
        span: node.span(),
    })
}

fn text(decoder: &mut Decoder, name: &'static str, node: Option<Node<'_, '_>>) -> Option<Box<str>> {
    let text = decoder.text(name, node)?;
    (!text.is_empty()).then(|| (&*text).into())
}

/// A name or a pattern, of a destination or of a DNS rule.
pub(super) fn fqdn(
    decoder: &mut Decoder,
    node: Node<'_, '_>,
    id: &'static str,
) -> Option<FqdnSelector> {
    let [name, pattern] = decoder.fields(node, ["matchName", "matchPattern"], Unknown::Refuse);
    let name = decoder.text("matchName", name);
    let pattern = decoder.text("matchPattern", pattern);
    let (text, is_pattern) = match (name, pattern) {
        (Some(name), None) => (name, false),
        (None, Some(pattern)) => (pattern, true),
        _ => {
            let message =
                "a DNS name is given by `matchName` or by `matchPattern`, and one of them";
            decoder.invalid(node.span(), message, &[id], None);
            return None;
        }
    };
    let is_dns = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = text
        .bytes()
        .all(|byte| is_dns(byte) || (is_pattern && byte == b'*'));
    if !fits || text.is_empty() {
        let message = format!("`{}` is no DNS name", &*text);
        let help =
            (text.contains('*') && !is_pattern).then_some("use `matchPattern` for wildcards");
        let field = if is_pattern {
            "matchPattern"
        } else {
            "matchName"
        };
        decoder.field(field, |decoder| {
            decoder.invalid(text.span, message, &[id], help)
        });
        return None;
    }
    Some(FqdnSelector {
        pattern: DomainPattern::new(&text, DomainLabels::Within),
        span: node.span(),
    })
}
