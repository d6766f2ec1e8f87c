//! `networking.k8s.io/v1` NetworkPolicy as written, checked as the API server checks it (V- rules).

use super::decode::{Decoder, Unknown};
use super::{selector, validate};
use crate::diag::{Finding, Fix, Severity};
use crate::document::{Kind, Node};
use crate::rules::reading;
use crate::sets::{Cidr, CidrError, IpBlock, LabelSelector, Protocol};
use crate::source::Span;

/// An entry of `policyTypes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Connections to the selected pods.
    Ingress,
    /// Connections from the selected pods.
    Egress,
}

impl Direction {
    /// Both, in the order in which reports name them.
    pub const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    /// Lower case.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// As `policyTypes` spells it.
    #[must_use]
    pub fn api(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }

    /// The name of a rule's peer list.
    #[must_use]
    pub fn peer_field(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// The spec of a NetworkPolicy. A missing spec is an empty one (K-5).
#[derive(Clone, Debug)]
pub struct NetworkPolicySpec {
    /// The pods it applies to; everything if it is not written (K-2).
    pub pod_selector: LabelSelector,
    /// Whether `podSelector` is written.
    pub pod_selector_written: bool,
    /// `policyTypes` with its place, if it is there and not empty (K-8).
    pub policy_types: Option<(Vec<Direction>, Span)>,
    /// The `ingress` section.
    pub ingress: Section,
    /// The `egress` section.
    pub egress: Section,
    /// Where the spec is; where the object is, if there is none.
    pub span: Span,
}

impl NetworkPolicySpec {
    /// The effective policyTypes (K-8, K-9).
    #[must_use]
    pub fn effective_types(&self) -> Vec<Direction> {
        match &self.policy_types {
            Some((types, _)) => types.clone(),
            None if self.egress.rules.is_empty() => vec![Direction::Ingress],
            None => vec![Direction::Ingress, Direction::Egress],
        }
    }

    /// Whether the policy isolates its pods in a direction (K-7).
    #[must_use]
    pub fn covers(&self, direction: Direction) -> bool {
        match &self.policy_types {
            Some((types, _)) => types.contains(&direction),
            None => direction == Direction::Ingress || !self.egress.rules.is_empty(),
        }
    }

    /// The section of a direction.
    #[must_use]
    pub fn section(&self, direction: Direction) -> &Section {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// The rules of a direction. Missing, null and `[]` are the same (K-13).
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Where the section is written, be it empty.
    pub span: Option<Span>,
    /// The rules.
    pub rules: Vec<PolicyRule>,
}

/// An allow rule: any of its peers on any of its ports (K-19, K-22, K-23).
#[derive(Clone, Debug)]
pub struct PolicyRule {
    /// The peers; empty is any peer (K-20).
    pub peers: Vec<PolicyPeer>,
    /// The ports; empty is everything (K-21).
    pub ports: Vec<PolicyPort>,
    /// Where the rule is.
    pub span: Span,
    /// Where `from` or `to` is, be it empty.
    pub peers_span: Option<Span>,
    /// Where `ports` is, be it empty.
    pub ports_span: Option<Span>,
}

/// One peer of a rule.
#[derive(Clone, Debug)]
pub struct PolicyPeer {
    /// What it is.
    pub kind: PeerKind,
    /// Where it is.
    pub span: Span,
}

/// Selectors or addresses, never both (K-32).
#[derive(Clone, Debug)]
pub enum PeerKind {
    /// Pods by labels (K-24..K-31). At least one of the two is there (V-13).
    Selectors {
        /// Constrains the pod's labels.
        pod: Option<LabelSelector>,
        /// Constrains the namespace's labels; none means the policy's own namespace.
        namespace: Option<LabelSelector>,
    },
    /// Addresses (K-63).
    IpBlock(IpBlock),
}

/// One port item of a rule.
#[derive(Clone, Debug)]
pub struct PolicyPort {
    /// The protocol; TCP if it is not written (K-47).
    pub protocol: Protocol,
    /// Whether `protocol` is written.
    pub protocol_written: bool,
    /// The port; none is every port of the protocol (K-48).
    pub port: Option<PortRef>,
    /// The end of a range (K-50).
    pub end_port: Option<u16>,
    /// Where the item is.
    pub span: Span,
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRef {
    /// A number (K-49).
    Number(u16),
    /// A container port's name (K-52).
    Name(Box<str>),
}

pub(super) fn decode(
    decoder: &mut Decoder,
    node: Option<Node<'_, '_>>,
    object: Span,
) -> NetworkPolicySpec {
    decoder.field("spec", |decoder| {
        let mut fields = [None; 4];
        if let Some(node) = node {
            fields = decoder.fields(
                node,
                ["podSelector", "policyTypes", "ingress", "egress"],
                Unknown::Refuse,
            );
        }
        let [pods, types, ingress, egress] = fields;
        let span = node.map_or(object, Node::span);
        NetworkPolicySpec {
            pod_selector_written: pods.is_some(),
            pod_selector: match pods {
                Some(pods) => selector::decode(decoder, "podSelector", pods),
                None => LabelSelector::everything(span.at_start()),
            },
            policy_types: policy_types(decoder, types),
            ingress: section(decoder, Direction::Ingress, ingress),
            egress: section(decoder, Direction::Egress, egress),
            span,
        }
    })
}

fn policy_types(
    decoder: &mut Decoder,
    node: Option<Node<'_, '_>>,
) -> Option<(Vec<Direction>, Span)> {
    let span = node?.span();
    let mut written = 0;
    let mut types = decoder.items("policyTypes", node, |decoder, node| {
        written += 1;
        let text = decoder.item_text(node)?;
        match &*text {
            "Ingress" => Some(Direction::Ingress),
            "Egress" => Some(Direction::Egress),
            other => {
                let message = format!("`{other}` is no policy type");
                let help = "use Ingress or Egress, with a capital letter";
                decoder.invalid(text.span, message, &["V-4"], Some(help));
                None
            }
        }
    });
    if written > 2 {
        decoder.field("policyTypes", |decoder| {
            decoder.invalid(span, "more than two policy types", &["V-3"], None);
        });
    }
    types.sort_unstable();
    types.dedup();
    (written > 0).then_some((types, span))
}

fn section(decoder: &mut Decoder, direction: Direction, node: Option<Node<'_, '_>>) -> Section {
    Section {
        span: node.map(Node::span),
        rules: decoder.items(direction.word(), node, |decoder, node| {
            let peer_field = direction.peer_field();
            let [peers, ports] = decoder.fields(node, [peer_field, "ports"], Unknown::Refuse);
            Some(PolicyRule {
                peers: decoder.items(peer_field, peers, peer),
                ports: decoder.items("ports", ports, port),
                span: node.span(),
                peers_span: peers.map(Node::span),
                ports_span: ports.map(Node::span),
            })
        }),
    }
}

fn peer(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<PolicyPeer> {
    let [pod, namespace, block] = decoder.fields(
        node,
        ["podSelector", "namespaceSelector", "ipBlock"],
        Unknown::Refuse,
    );
    let span = node.span();
    if block.is_some() && (pod.is_some() || namespace.is_some()) {
        decoder.invalid(
            span,
            "a peer is either an `ipBlock` or selectors, not both",
            &["V-16", "K-32"],
            Some("write two peers"),
        );
        return None;
    }
    let kind = if let Some(block) = block {
        PeerKind::IpBlock(ip_block(decoder, block)?)
    } else if pod.is_some() || namespace.is_some() {
        PeerKind::Selectors {
            pod: pod.map(|node| selector::decode(decoder, "podSelector", node)),
            namespace: namespace.map(|node| selector::decode(decoder, "namespaceSelector", node)),
        }
    } else if matches!(node.kind(), Kind::Mapping | Kind::Null) {
        decoder.invalid(
            span,
            "an empty peer is refused: it does not mean everyone",
            &["V-13"],
            Some(
                "leave the list out for any peer, or write `podSelector: {}` for all pods of this \
                 namespace",
            ),
        );
        return None;
    } else {
        return None;
    };
    Some(PolicyPeer { kind, span })
}

fn ip_block(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<IpBlock> {
    decoder.field("ipBlock", |decoder| {
        let [block, except] = decoder.fields(node, ["cidr", "except"], Unknown::Refuse);
        let wrong_kind = block.is_some_and(|block| block.str().is_none());
        let Some(written) = decoder.text("cidr", block).filter(|text| !text.is_empty()) else {
            if wrong_kind {
                return None;
            }
            decoder.invalid(node.span(), "an `ipBlock` needs a `cidr`", &["V-14"], None);
            return None;
        };
        let block = decoder.field("cidr", |decoder| {
            cidr(decoder, &written, written.span, "V-15")
        })?;
        let except = decoder.items("except", except, |decoder, node| {
            let text = decoder.item_text(node)?;
            let except = cidr(decoder, &text, text.span, "V-17")?;
            if !block.net.contains(&except.net) {
                let other_family = block.net.addr().is_ipv4() != except.net.addr().is_ipv4();
                let message = format!("`{}` is not inside `{}`", except.net, block.net);
                let ids: &[_] = if other_family {
                    &["V-19", "K-66"]
                } else {
                    &["V-18"]
                };
                decoder.invalid(text.span, message, ids, None);
                return None;
            }
            if block.net == except.net {
                let message = format!("`{}` leaves nothing of the block", except.net);
                decoder.invalid(text.span, message, &["V-18"], None);
                return None;
            }
            Some(except)
        });
        Some(IpBlock {
            cidr: block,
            except,
            span: node.span(),
        })
    })
}

fn cidr(decoder: &mut Decoder, text: &str, span: Span, id: &'static str) -> Option<Cidr> {
    match Cidr::parse(text) {
        Ok(net) => Some(Cidr { net, span }),
        Err(CidrError::Malformed) => {
            let message = format!("`{text}` is no CIDR");
            let help = "write an address and a prefix length, like 10.0.0.0/8 or fd00::/8";
            decoder.invalid(span, message, &[id], Some(help));
            None
        }
        Err(CidrError::BareAddress(address)) => {
            let length = if address.is_ipv4() { 32 } else { 128 };
            let finding = Finding::new(
                &reading::INVALID,
                format!("`{text}` is an address; a CIDR needs a prefix length"),
            )
            .at(span, "")
            .why(&[id])
            .fix(Fix::replace(
                format!("write `{address}/{length}` for the one address"),
                span,
                format!("\"{address}/{length}\""),
            ));
            decoder.refuse(finding);
            None
        }
        Err(CidrError::Sloppy(net, reason)) => {
            let strict = decoder.strict_cidr;
            let since = if strict {
                "Kubernetes 1.36 and later refuse it"
            } else {
                "accepted with a warning before Kubernetes 1.36, refused since"
            };
            let finding = Finding::new(
                &reading::INVALID,
                format!("`{text}` is no canonical CIDR: {reason}; {since}"),
            )
            .at(span, "")
            .why(&["V-20", "K-69"])
            .fix(Fix::replace(
                format!("write `{net}`"),
                span,
                format!("\"{net}\""),
            ));
            if strict {
                decoder.refuse(finding);
                return None;
            }
            decoder.warn(finding.severity(Severity::Warning));
            Some(Cidr { net, span })
        }
    }
}

fn port(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<PolicyPort> {
    let [protocol, port, end] =
        decoder.fields(node, ["protocol", "port", "endPort"], Unknown::Refuse);
    let protocol_written = protocol.is_some();
    let protocol = match decoder.text("protocol", protocol) {
        None => Protocol::Tcp,
        Some(text) => match Protocol::from_api(&text) {
            Some(protocol) => protocol,
            None => {
                let upper = text.to_uppercase();
                let help = if Protocol::from_api(&upper).is_some() {
                    format!("write `{upper}`")
                } else {
                    "use TCP, UDP or SCTP; NetworkPolicy cannot name other protocols".to_owned()
                };
                decoder.field("protocol", |decoder| {
                    let message = format!("`{}` is no protocol here", &*text);
                    decoder.invalid(text.span, message, &["V-6"], Some(&help));
                });
                return None;
            }
        },
    };
    let number = |decoder: &mut Decoder, name, node, id| -> Option<Option<u16>> {
        let Some((value, span)) = decoder.integer(name, node) else {
            return Some(None);
        };
        match u16::try_from(value) {
            Ok(port @ 1..) => Some(Some(port)),
            _ => {
                decoder.field(name, |decoder| {
                    let message = format!("port {value} is not between 1 and 65535");
                    decoder.invalid(span, message, &[id], None);
                });
                None
            }
        }
    };
    let port_span = port.map(Node::span);
    let port = match port {
        Some(node) if node.kind() == Kind::String => {
            let text = decoder.text("port", Some(node))?;
            if let Some(reason) = validate::port_name(&text) {
                decoder.field("port", |decoder| {
                    let message = format!("`{}` is no port name: {reason}", &*text);
                    let unquoted = text.parse::<u16>().ok();
                    let mut finding = Finding::new(&reading::INVALID, message)
                        .at(text.span, "")
                        .why(&["V-12"]);
                    if let Some(number) = unquoted {
                        finding.fix = Some(Fix::replace(
                            "write the number without quotes",
                            text.span,
                            number.to_string(),
                        ));
                    }
                    decoder.refuse(finding);
                });
                return None;
            }
            Some(PortRef::Name((&*text).into()))
        }
        other => number(decoder, "port", other, "V-7")?.map(PortRef::Number),
    };
    let end_port = number(decoder, "endPort", end, "V-11")?;
    if let Some(last) = end_port {
        let end_span = end.map_or(node.span(), Node::span);
        let problem = match &port {
            None => Some(("`endPort` needs `port`".to_owned(), "V-9")),
            Some(PortRef::Name(_)) => Some((
                "`endPort` needs a numeric `port`, not a name".to_owned(),
                "V-8",
            )),
            Some(PortRef::Number(first)) if last < *first => Some((
                format!("`endPort` {last} is smaller than `port` {first}"),
                "V-10",
            )),
            Some(PortRef::Number(_)) => None,
        };
        if let Some((message, id)) = problem {
            decoder.field("endPort", |decoder| {
                decoder.invalid(
                    end_span.to(port_span.unwrap_or(end_span)),
                    message,
                    &[id],
                    None,
                );
            });
            return None;
        }
    }
    Some(PolicyPort {
        protocol,
        protocol_written,
        port,
        end_port,
        span: node.span(),
    })
}
