//! One rule: what it does, and with which connections (C-3..C-5, C-35, C-44..C-51).

use super::entity::{self, End, EntityRule};
use super::ports::{self, CalicoPort, CalicoPortKind, CalicoProtocol};
use crate::document::Node;
use crate::manifest::decode::{Decoder, Text, Unknown};
use crate::manifest::networkpolicy::Direction;
use crate::sets::{Cidr, Family};
use crate::source::Span;

/// What a matching rule does (C-3..C-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalicoAction {
    /// Admits, finally.
    Allow,
    /// Refuses, finally.
    Deny,
    /// Decides nothing.
    Log,
    /// Leaves the tier.
    Pass,
}

/// One rule: everything in it must hold (C-35).
#[derive(Clone, Debug)]
pub struct CalicoRule {
    /// What it does.
    pub action: CalicoAction,
    /// The only family (C-44).
    pub ip_version: Option<Family>,
    /// The only protocol (C-45).
    pub protocol: Option<CalicoProtocol>,
    /// Any protocol but this (C-45).
    pub not_protocol: Option<CalicoProtocol>,
    /// The only messages of ICMP (C-49).
    pub icmp: Option<IcmpMatch>,
    /// Any messages but these (C-49).
    pub not_icmp: Option<IcmpMatch>,
    /// Where connections come from.
    pub source: EntityRule,
    /// Where they go to.
    pub destination: EntityRule,
    /// The only HTTP requests (C-51).
    pub http: Option<HttpRequest>,
    /// Where it is written.
    pub span: Span,
}

impl CalicoRule {
    /// The only family that it can match, by its networks too (C-44).
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        let by_protocol = self.protocol.and_then(|protocol| match protocol.number {
            CalicoProtocol::ICMP => Some(Family::V4),
            CalicoProtocol::ICMPV6 => Some(Family::V6),
            _ => None,
        });
        self.ip_version
            .or(by_protocol)
            .or_else(|| Some(Family::of(self.nets().next()?.net.addr())))
    }

    /// Every network in it, all of one family (C-44).
    fn nets(&self) -> impl Iterator<Item = &Cidr> {
        let ends = [&self.source, &self.destination];
        ends.into_iter()
            .flat_map(|end| end.nets.iter().chain(&end.not_nets))
    }
}

/// Messages of ICMP (C-49).
#[derive(Clone, Copy, Debug)]
pub struct IcmpMatch {
    /// The type; none is any.
    pub kind: Option<u8>,
    /// The code; none is any.
    pub code: Option<u8>,
    /// Where it is written.
    pub span: Span,
}

/// HTTP requests: one of the methods and one of the paths (C-51).
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The methods; empty is any.
    pub methods: Vec<Box<str>>,
    /// The paths; empty is any.
    pub paths: Vec<HttpPath>,
    /// Where it is written.
    pub span: Span,
}

/// A path of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpPath {
    /// This one.
    Exact(Box<str>),
    /// Any that starts with this.
    Prefix(Box<str>),
}

pub(super) fn decode(
    decoder: &mut Decoder,
    node: Node<'_, '_>,
    direction: Direction,
    namespaced: bool,
) -> Option<CalicoRule> {
    let [
        action,
        version,
        protocol,
        not_protocol,
        icmp_node,
        not_icmp,
        source,
        destination,
        http_node,
        _,
    ] = decoder.fields(
        node,
        [
            "action",
            "ipVersion",
            "protocol",
            "notProtocol",
            "icmp",
            "notICMP",
            "source",
            "destination",
            "http",
            "metadata",
        ],
        Unknown::Refuse,
    );
    let written = decoder.text("action", action);
    let action = match written {
        Some(written) => self::action(decoder, &written),
        None if action.is_some() => None,
        None => {
            let help = "use Allow, Deny, Log or Pass";
            decoder.invalid(
                node.span(),
                "a rule needs an `action`",
                &["C-74"],
                Some(help),
            );
            None
        }
    };
    let end = |name, is_own| End {
        name,
        is_own,
        namespaced,
    };
    let source_end = end("source", direction == Direction::Egress);
    let destination_end = end("destination", direction == Direction::Ingress);
    let rule = CalicoRule {
        action: action.unwrap_or(CalicoAction::Deny),
        ip_version: ip_version(decoder, version),
        protocol: ports::protocol(decoder, "protocol", protocol),
        not_protocol: ports::protocol(decoder, "notProtocol", not_protocol),
        icmp: icmp(decoder, "icmp", icmp_node),
        not_icmp: icmp(decoder, "notICMP", not_icmp),
        source: entity::decode(decoder, source, source_end),
        destination: entity::decode(decoder, destination, destination_end),
        http: http(decoder, http_node),
        span: node.span(),
    };
    ports_need_protocol(decoder, &rule);
    one_family(decoder, &rule);
    if let Some(icmp) = &rule.icmp
        && !rule.protocol.is_some_and(CalicoProtocol::is_icmp)
    {
        decoder.field("icmp", |decoder| {
            let message = "`icmp` needs `protocol: ICMP` or `protocol: ICMPv6`";
            decoder.invalid(icmp.span, message, &["C-49"], None);
        });
    }
    if let Some(http) = &rule.http {
        http_fits(decoder, &rule, http.span, direction);
    }
    action.map(|_| rule)
}

fn action(decoder: &mut Decoder, text: &Text<'_>) -> Option<CalicoAction> {
    match &**text {
        "Allow" => Some(CalicoAction::Allow),
        "Deny" => Some(CalicoAction::Deny),
        "Log" => Some(CalicoAction::Log),
        "Pass" => Some(CalicoAction::Pass),
        other => {
            let names = ["Allow", "Deny", "Log", "Pass"];
            let near = names.iter().find(|name| name.eq_ignore_ascii_case(other));
            let help = near.map_or("use Allow, Deny, Log or Pass".to_owned(), |near| {
                format!("write `{near}`")
            });
            decoder.field("action", |decoder| {
                let message = format!("`{other}` is no action");
                decoder.invalid(text.span, message, &["C-74"], Some(&help));
            });
            None
        }
    }
}

fn ip_version(decoder: &mut Decoder, node: Option<Node<'_, '_>>) -> Option<Family> {
    let (value, span) = decoder.integer("ipVersion", node)?;
    match value {
        4 => Some(Family::V4),
        6 => Some(Family::V6),
        _ => {
            decoder.field("ipVersion", |decoder| {
                let message = format!("IP version {value} is neither 4 nor 6");
                decoder.invalid(span, message, &["C-44"], None);
            });
            None
        }
    }
}

fn icmp(
    decoder: &mut Decoder,
    name: &'static str,
    node: Option<Node<'_, '_>>,
) -> Option<IcmpMatch> {
    let node = node?;
    decoder.field(name, |decoder| {
        let [kind, code] = decoder.fields(node, ["type", "code"], Unknown::Refuse);
        let mut number = |name, node, most: u8| {
            let (value, span) = decoder.integer(name, node)?;
            let number = u8::try_from(value).ok().filter(|number| *number <= most);
            if number.is_none() {
                decoder.field(name, |decoder| {
                    let message = format!("ICMP {name} {value} is not within 0 and {most}");
                    decoder.invalid(span, message, &["C-49"], None);
                });
            }
            number
        };
        let matched = IcmpMatch {
            kind: number("type", kind, 254),
            code: number("code", code, 255),
            span: node.span(),
        };
        if code.is_some() && kind.is_none() {
            let message = "an ICMP `code` needs a `type`";
            decoder.invalid(node.span(), message, &["C-49"], None);
        }
        Some(matched)
    })
}

fn http(decoder: &mut Decoder, node: Option<Node<'_, '_>>) -> Option<HttpRequest> {
    let node = node?;
    decoder.field("http", |decoder| {
        let [methods, paths] = decoder.fields(node, ["methods", "paths"], Unknown::Refuse);
        let methods = decoder.items("methods", methods, |decoder, node| {
            Some((&*decoder.item_text(node)?).into())
        });
        let paths = decoder.items("paths", paths, |decoder, node| {
            let [exact, prefix] = decoder.fields(node, ["exact", "prefix"], Unknown::Refuse);
            let there = |text: &Text<'_>| !text.is_empty();
            let exact = decoder.text("exact", exact).filter(there);
            let prefix = decoder.text("prefix", prefix).filter(there);
            let (text, path) = match (exact, prefix) {
                (Some(exact), None) => {
                    let path = HttpPath::Exact((&*exact).into());
                    (exact, path)
                }
                (None, Some(prefix)) => {
                    let path = HttpPath::Prefix((&*prefix).into());
                    (prefix, path)
                }
                _ => {
                    let message = "a path is either `exact` or a `prefix`";
                    decoder.invalid(node.span(), message, &["C-51"], None);
                    return None;
                }
            };
            if !text.starts_with('/') || text.contains(['?', ' ', '#']) {
                let message = format!("`{}` is no path", &*text);
                let help = "a path starts with `/` and has no `?`, `#` or blank";
                decoder.invalid(text.span, message, &["C-51"], Some(help));
            }
            Some(path)
        });
        Some(HttpRequest {
            methods,
            paths,
            span: node.span(),
        })
    })
}

fn http_fits(decoder: &mut Decoder, rule: &CalicoRule, span: Span, direction: Direction) {
    let is_tcp = |protocol: CalicoProtocol| protocol.number == CalicoProtocol::TCP;
    let message = if direction == Direction::Egress {
        "`http` is for ingress rules"
    } else if rule.action != CalicoAction::Allow {
        "`http` is for rules that allow"
    } else if !rule.protocol.is_none_or(is_tcp) {
        "`http` needs `protocol: TCP`"
    } else {
        return;
    };
    decoder.field("http", |decoder| {
        decoder.invalid(span, message, &["C-51"], None);
    });
}

/// Refuses ports of a protocol that has none; names may stand without a protocol (C-46).
fn ports_need_protocol(decoder: &mut Decoder, rule: &CalicoRule) {
    let is_number = |port: &&CalicoPort| matches!(port.kind, CalicoPortKind::Range(..));
    let ends = [("source", &rule.source), ("destination", &rule.destination)];
    for (name, end) in ends {
        for (list, ports) in [("ports", &end.ports), ("notPorts", &end.not_ports)] {
            let wrong = match rule.protocol {
                Some(protocol) if protocol.has_ports() => None,
                Some(_) => ports.first(),
                None => ports.iter().find(is_number),
            };
            let Some(port) = wrong else {
                continue;
            };
            decoder.field(name, |decoder| {
                decoder.field(list, |decoder| {
                    let message = "ports need `protocol: TCP`, `UDP` or `SCTP` in the rule";
                    decoder.invalid(port.span, message, &["C-46"], None);
                });
            });
        }
    }
}

/// Refuses rules that mix the families (C-44).
fn one_family(decoder: &mut Decoder, rule: &CalicoRule) {
    let ids = &["C-44"];
    let mut families = rule.nets().map(|cidr| (Family::of(cidr.net.addr()), cidr));
    let of_nets = families.next();
    if let Some((family, first)) = of_nets {
        if let Some((_, other)) = families.find(|(other, _)| *other != family) {
            let message = format!(
                "`{}` and `{}` are of different families: the rule would match nothing",
                first.net, other.net
            );
            decoder.invalid(
                other.span,
                message,
                ids,
                Some("write one rule for each family"),
            );
        } else if rule.ip_version.is_some_and(|version| version != family) {
            let message = format!("`{}` is not of the rule's `ipVersion`", first.net);
            decoder.invalid(first.span, message, ids, None);
        }
    }
    for (name, protocol) in [
        ("protocol", rule.protocol),
        ("notProtocol", rule.not_protocol),
    ] {
        let Some(protocol) = protocol else {
            continue;
        };
        let needed = match protocol.number {
            CalicoProtocol::ICMP => Family::V4,
            CalicoProtocol::ICMPV6 => Family::V6,
            _ => continue,
        };
        if rule.ip_version.is_some_and(|version| version != needed) {
            decoder.field(name, |decoder| {
                let message = "the rule's `ipVersion` is not that of this protocol";
                decoder.invalid(protocol.span, message, ids, None);
            });
        }
    }
}
