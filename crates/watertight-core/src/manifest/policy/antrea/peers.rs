//! Who a rule is about: `appliedTo`, `from`, `to` and `toServices` (T-7..T-11).

use crate::document::{Kind, Node};
use crate::manifest::Direction;
use crate::manifest::decode::{Decoder, Text, Unknown};
use crate::manifest::policy::network::network;
use crate::manifest::{selector, validate};
use crate::sets::{IpBlock, LabelSelector};
use crate::source::Span;

/// One item of a list of peers.
#[derive(Clone, Debug)]
pub struct AntreaPeer {
    /// What it is.
    pub kind: AntreaPeerKind,
    /// Where it is.
    pub span: Span,
}

/// What a peer is.
#[derive(Clone, Debug)]
pub enum AntreaPeerKind {
    /// Pods by labels.
    Pods {
        /// Constrains the pod's labels.
        pods: Option<LabelSelector>,
        /// The namespaces.
        namespaces: AntreaNamespaces,
    },
    /// Addresses (T-10).
    Block(IpBlock),
    /// The addresses of a name; `*` stands for any text.
    Name(Box<str>),
    /// Pods by their service account.
    ServiceAccount(NameRef),
    /// The pods behind a Service, or the Service itself in `appliedTo`.
    Service(NameRef),
    /// A ClusterGroup, or a Group in a namespaced policy.
    Group(Box<str>),
    /// Nodes by labels.
    Nodes(LabelSelector),
    /// ExternalEntities, which are no endpoints of the cluster.
    External,
}

/// The namespaces of a peer.
#[derive(Clone, Debug)]
pub enum AntreaNamespaces {
    /// Not written: all of them in a ClusterNetworkPolicy, the own one in a NetworkPolicy (T-8).
    Unwritten,
    /// By labels.
    Matching(LabelSelector),
    /// The namespace of the endpoint that the rule is applied to (T-9).
    Own,
    /// Namespaces whose values of these labels are those of that namespace.
    SameLabels(Vec<Box<str>>),
}

/// A name in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRef {
    /// The name.
    pub name: Box<str>,
    /// The namespace; the own one if it is not written.
    pub namespace: Option<Box<str>>,
    /// Where it is.
    pub span: Span,
}

/// Decodes an `appliedTo` list.
pub(super) fn applied_to(
    decoder: &mut Decoder,
    node: Option<Node<'_, '_>>,
    is_namespaced: bool,
) -> Vec<AntreaPeer> {
    decoder.items("appliedTo", node, |decoder, node| {
        let known = [
            "podSelector",
            "namespaceSelector",
            "externalEntitySelector",
            "group",
            "serviceAccount",
            "service",
            "nodeSelector",
        ];
        let [pods, namespaces, external, group, account, service, nodes] =
            decoder.fields(node, known, Unknown::Refuse);
        let elsewhere = [namespaces, service, nodes];
        if let Some(field) = elsewhere.iter().flatten().next().filter(|_| is_namespaced) {
            let message = "a NetworkPolicy is applied to pods of its namespace";
            let help = "use a ClusterNetworkPolicy for other namespaces, Services and nodes";
            decoder.invalid(field.span(), message, &["T-8"], Some(help));
            return None;
        }
        let written = Fields {
            pods,
            namespaces,
            external,
            group,
            account,
            service,
            nodes,
            ..Fields::default()
        };
        written.decode(decoder, node, "T-11")
    })
}

/// Decodes an item of `from` or `to`.
pub(super) fn peer(
    decoder: &mut Decoder,
    node: Node<'_, '_>,
    direction: Direction,
    is_namespaced: bool,
) -> Option<AntreaPeer> {
    let known = [
        "podSelector",
        "namespaceSelector",
        "namespaces",
        "externalEntitySelector",
        "ipBlock",
        "group",
        "serviceAccount",
        "nodeSelector",
        "fqdn",
        "scope",
    ];
    let [
        pods,
        namespaces,
        relation,
        external,
        block,
        group,
        account,
        nodes,
        name,
        scope,
    ] = decoder.fields(node, known, Unknown::Refuse);
    let wrong = match (direction, name, relation) {
        (Direction::Ingress, Some(name), _) => {
            Some((name, "`fqdn` is for egress rules only", "T-7"))
        }
        (_, _, Some(relation)) if is_namespaced => Some((
            relation,
            "`namespaces` is for a ClusterNetworkPolicy only",
            "T-9",
        )),
        _ => None,
    };
    if let Some((field, message, id)) = wrong {
        decoder.invalid(field.span(), message, &[id], None);
        return None;
    }
    let written = Fields {
        pods,
        namespaces,
        relation,
        external,
        block,
        group,
        account,
        nodes,
        name,
        service: None,
    };
    // `ClusterSet` is this cluster and others, of which nothing is known here.
    decoder.text("scope", scope);
    written.decode(decoder, node, "T-8")
}

/// The fields of a peer.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields<'d, 's> {
    pub(super) pods: Option<Node<'d, 's>>,
    pub(super) namespaces: Option<Node<'d, 's>>,
    pub(super) relation: Option<Node<'d, 's>>,
    pub(super) external: Option<Node<'d, 's>>,
    pub(super) block: Option<Node<'d, 's>>,
    pub(super) group: Option<Node<'d, 's>>,
    pub(super) account: Option<Node<'d, 's>>,
    pub(super) nodes: Option<Node<'d, 's>>,
    pub(super) name: Option<Node<'d, 's>>,
    pub(super) service: Option<Node<'d, 's>>,
}

impl<'d, 's> Fields<'d, 's> {
    /// Pods go with namespaces; everything else stands alone.
    pub(super) fn decode(
        self,
        decoder: &mut Decoder,
        node: Node<'d, 's>,
        id: &'static str,
    ) -> Option<AntreaPeer> {
        let Self {
            pods,
            namespaces,
            relation,
            external,
            block,
            group,
            account,
            nodes,
            name,
            service,
        } = self;
        let alone = [block, group, account, nodes, name, service];
        let by_labels = [pods.or(external), namespaces.or(relation)];
        let kinds =
            alone.iter().flatten().count() + usize::from(by_labels.iter().any(Option::is_some));
        let both =
            (pods.is_some() && external.is_some()) || (namespaces.is_some() && relation.is_some());
        if kinds != 1 || both {
            if matches!(node.kind(), Kind::Mapping | Kind::Null) {
                let message = "write one way to select: labels of pods and of their namespaces, or \
                               one of the other fields";
                decoder.invalid(node.span(), message, &[id], None);
            }
            return None;
        }
        let kind = if let Some(block) = block {
            AntreaPeerKind::Block(ip_block(decoder, block)?)
        } else if group.is_some() {
            AntreaPeerKind::Group((&*decoder.text("group", group)?).into())
        } else if let Some(account) = account {
            decoder.field("serviceAccount", |decoder| {
                name_ref(decoder, account).map(AntreaPeerKind::ServiceAccount)
            })?
        } else if let Some(service) = service {
            decoder.field("service", |decoder| {
                name_ref(decoder, service).map(AntreaPeerKind::Service)
            })?
        } else if let Some(nodes) = nodes {
            AntreaPeerKind::Nodes(selector::decode(decoder, "nodeSelector", nodes))
        } else if name.is_some() {
            let text = decoder.text("fqdn", name)?;
            AntreaPeerKind::Name(fqdn(decoder, &text)?)
        } else if external.is_some() {
            AntreaPeerKind::External
        } else {
            AntreaPeerKind::Pods {
                pods: pods.map(|pods| selector::decode(decoder, "podSelector", pods)),
                namespaces: match (namespaces, relation) {
                    (Some(node), _) => AntreaNamespaces::Matching(selector::decode(
                        decoder,
                        "namespaceSelector",
                        node,
                    )),
                    (None, Some(relation)) => own_namespaces(decoder, relation)?,
                    (None, None) => AntreaNamespaces::Unwritten,
                },
            }
        };
        Some(AntreaPeer {
            kind,
            span: node.span(),
        })
    }
}

/// Decodes `namespaces` (T-9).
fn own_namespaces(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<AntreaNamespaces> {
    decoder.field("namespaces", |decoder| {
        let known = ["match", "sameLabels"];
        let [match_at, labels] = decoder.fields(node, known, Unknown::Refuse);
        let help = Some("write `match: Self` or `sameLabels`");
        match (match_at, labels) {
            (Some(_), None) => {
                let text = decoder.text("match", match_at)?;
                if &*text == "Self" {
                    return Some(AntreaNamespaces::Own);
                }
                let message = format!("`{}` is no way to match namespaces", &*text);
                decoder.invalid(text.span, message, &["T-9"], help);
                None
            }
            (None, Some(_)) => {
                let keys = decoder.items("sameLabels", labels, |decoder, node| {
                    let key = decoder.item_text(node)?;
                    if let Some(reason) = validate::label_key(&key) {
                        let message = format!("label key `{}` {reason}", &*key);
                        decoder.invalid(key.span, message, &["V-21"], None);
                    }
                    Some((&*key).into())
                });
                Some(AntreaNamespaces::SameLabels(keys))
            }
            _ => {
                let message = "`namespaces` has exactly one field";
                decoder.invalid(node.span(), message, &["T-9"], help);
                None
            }
        }
    })
}

/// Decodes an `ipBlock`. Newer versions take exceptions (T-10).
pub(super) fn ip_block(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<IpBlock> {
    decoder.field("ipBlock", |decoder| block(decoder, node))
}

pub(super) fn block(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<IpBlock> {
    let [cidr, except] = decoder.fields(node, ["cidr", "except"], Unknown::Refuse);
    let Some(text) = decoder.text("cidr", cidr) else {
        if cidr.is_none() && matches!(node.kind(), Kind::Mapping | Kind::Null) {
            let message = "an `ipBlock` needs a `cidr`";
            decoder.invalid(node.span(), message, &["T-10"], None);
        }
        return None;
    };
    let cidr = decoder.field("cidr", |decoder| network(decoder, &text, &["T-10"]))?;
    let except = decoder.items("except", except, |decoder, node| {
        let text = decoder.item_text(node)?;
        let except = network(decoder, &text, &["T-10"])?;
        if !cidr.net.contains(&except.net) || cidr.net == except.net {
            let message = format!("`{}` is not a part of `{}`", except.net, cidr.net);
            decoder.invalid(text.span, message, &["T-10"], None);
            return None;
        }
        Some(except)
    });
    Some(IpBlock {
        cidr,
        except,
        span: node.span(),
    })
}

/// Decodes an item of `toServices`.
pub(super) fn service(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<NameRef> {
    let known = ["name", "namespace", "scope"];
    let [name, namespace, _] = decoder.fields(node, known, Unknown::Refuse);
    reference(decoder, node, name, namespace)
}

/// Decodes a `name` with a `namespace`.
pub(super) fn name_ref(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<NameRef> {
    let [name, namespace] = decoder.fields(node, ["name", "namespace"], Unknown::Refuse);
    reference(decoder, node, name, namespace)
}

fn reference(
    decoder: &mut Decoder,
    node: Node<'_, '_>,
    name: Option<Node<'_, '_>>,
    namespace: Option<Node<'_, '_>>,
) -> Option<NameRef> {
    let namespace = decoder.text("namespace", namespace);
    if name.is_none() && matches!(node.kind(), Kind::Mapping | Kind::Null) {
        decoder.invalid(node.span(), "`name` is missing", &["T-8"], None);
    }
    let name = decoder.text("name", name)?;
    Some(NameRef {
        name: (&*name).into(),
        namespace: namespace.map(|namespace| (&*namespace).into()),
        span: node.span(),
    })
}

fn fqdn(decoder: &mut Decoder, text: &Text<'_>) -> Option<Box<str>> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'*');
    if !text.is_empty() && text.bytes().all(known) {
        return Some((&**text).into());
    }
    decoder.field("fqdn", |decoder| {
        let message = format!("`{}` is no domain name here", &**text);
        let help = Some("use letters, digits, `-` and `.`, and `*` for any text");
        decoder.invalid(text.span, message, &["T-7"], help);
    });
    None
}
