//! Ports, what Cilium's proxies ask of the traffic on them, and ICMP types (L-60..L-69).

use super::item::{self, Of};
use super::peers::{FqdnSelector, fqdn};
use crate::diag::{Finding, Severity};
use crate::document::{Kind, Node};
use crate::manifest::decode::{Decoder, Text, Unknown};
use crate::manifest::{Direction, validate};
use crate::rules::reading;
use crate::sets::{Family, Protocol};
use crate::source::Span;

/// An entry of `toPorts`.
#[derive(Clone, Debug)]
pub struct PortGroup {
    /// Any of these; of none, no port at all.
    pub ports: Vec<CiliumPort>,
    /// What a proxy asks of the traffic (L-66, L-68).
    pub l7: Option<L7>,
    /// The names that a TLS client may ask for; none written is any.
    pub server_names: Vec<Box<str>>,
    /// The listener of an Envoy configuration that has the last word.
    pub listener: Option<Box<str>>,
    /// Where the entry is.
    pub span: Span,
}

/// A port.
#[derive(Clone, Debug)]
pub struct CiliumPort {
    /// The port.
    pub port: CiliumPortRef,
    /// The last port of a range (L-61).
    pub end_port: Option<u16>,
    /// The protocol.
    pub protocol: CiliumProtocol,
    /// Where it is.
    pub span: Span,
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CiliumPortRef {
    /// A number; 0 is every port (L-61). For ICMP it is a type.
    Number(u16),
    /// A name, in lower case (L-63).
    Name(Box<str>),
}

/// The protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CiliumProtocol {
    /// TCP, UDP and SCTP (L-60).
    Any,
    /// One of them.
    Of(Protocol),
    /// ICMP or ICMPv6.
    Icmp(Family),
    /// A protocol without ports, such as VRRP.
    Portless,
}

/// What a proxy asks of the traffic: any of the rules of a list.
#[derive(Clone, Debug)]
pub enum L7 {
    /// HTTP requests.
    Http(Vec<HttpRule>),
    /// DNS questions (L-57).
    Dns(Vec<FqdnSelector>),
    /// Kafka requests, which Cilium 1.20 no longer knows (L-69).
    Kafka,
    /// What the proxy of that name asks.
    Proxy(Box<str>),
}

/// An HTTP request; the texts are regular expressions.
#[derive(Clone, Debug, Default)]
pub struct HttpRule {
    /// The path.
    pub path: Option<Box<str>>,
    /// The method.
    pub method: Option<Box<str>>,
    /// The host.
    pub host: Option<Box<str>>,
    /// Headers, with or without a value.
    pub headers: Vec<Box<str>>,
}

/// An ICMP type (L-65).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpType {
    /// ICMP for IPv4, ICMPv6 for IPv6.
    pub family: Family,
    /// The type.
    pub kind: u8,
    /// Where it is.
    pub span: Span,
}

/// The most ports of an entry, and the most ICMP types.
const MOST: usize = 40;

pub(super) fn group(decoder: &mut Decoder, node: Node<'_, '_>, of: Of) -> Option<PortGroup> {
    let known = [
        "ports",
        "rules",
        "serverNames",
        "listener",
        "terminatingTLS",
        "originatingTLS",
    ];
    let [
        list,
        mut rules,
        mut names,
        mut listener,
        mut tls,
        mut origin_tls,
    ] = decoder.fields(node, known, Unknown::Refuse);
    if of.deny {
        item::dropped(decoder, "rules", &mut rules);
        item::dropped(decoder, "serverNames", &mut names);
        item::dropped(decoder, "listener", &mut listener);
        item::dropped(decoder, "terminatingTLS", &mut tls);
        item::dropped(decoder, "originatingTLS", &mut origin_tls);
    }
    let written = list.map_or(0, |list| list.items().count());
    if let Some(list) = list.filter(|_| written > MOST) {
        decoder.field("ports", |decoder| {
            let message = format!("{written} ports in one entry; the most is {MOST}");
            decoder.invalid(
                list.span(),
                message,
                &["L-62"],
                Some("write several entries"),
            );
        });
    }
    let ports = decoder.items("ports", list, port);
    let server_names = decoder.items("serverNames", names, |decoder, node| {
        let name = decoder.item_text(node)?;
        if name.is_empty() {
            decoder.invalid(name.span, "a server name is empty", &[], None);
        }
        Some((&*name).into())
    });
    let listener_name = listener.and_then(|node| {
        let name = node.get("name").and_then(Node::str);
        name.map(Into::into)
    });
    let l7 = rules.and_then(|node| {
        decoder.field("rules", |decoder| {
            let l7 = l7(decoder, node)?;
            proxied(decoder, &l7, &ports, node, of);
            Some(l7)
        })
    });
    if let Some(node) = listener {
        let message = if of.direction == Direction::Ingress {
            Some("a `listener` is for egress only")
        } else if l7.is_some() {
            Some("a `listener` cannot be combined with `rules`")
        } else {
            None
        };
        if let Some(message) = message {
            decoder.field("listener", |decoder| {
                decoder.invalid(node.span(), message, &[], None);
            });
        }
    }
    if let Some(node) = names.filter(|_| l7.is_some() && tls.is_none() && !server_names.is_empty())
    {
        decoder.field("serverNames", |decoder| {
            let message = "`serverNames` beside `rules` need `terminatingTLS`";
            decoder.invalid(node.span(), message, &[], None);
        });
    }
    Some(PortGroup {
        ports,
        l7,
        server_names,
        listener: listener_name,
        span: node.span(),
    })
}

fn port(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<CiliumPort> {
    let known = ["port", "endPort", "protocol"];
    let [port, end, protocol] = decoder.fields(node, known, Unknown::Refuse);
    let protocol = match decoder.text("protocol", protocol) {
        Some(text) => self::protocol(decoder, &text)?,
        None => CiliumProtocol::Any,
    };
    let text = decoder.text("port", port);
    let port = match text {
        Some(text) if !text.is_empty() => {
            decoder.field("port", |decoder| number(decoder, &text))?
        }
        _ if protocol == CiliumProtocol::Portless => CiliumPortRef::Number(0),
        // A port of another kind has been told already.
        _ if port.is_some_and(|port| port.kind() != Kind::String) => return None,
        _ => {
            let help = Some("write `port: \"0\"` for every port");
            let message = "a port item needs a `port`";
            decoder.invalid(node.span(), message, &["L-60"], help);
            return None;
        }
    };
    let end_port = match decoder.integer("endPort", end) {
        None => None,
        Some((value, span)) => match u16::try_from(value) {
            Ok(last) => Some(last),
            Err(_) => {
                let message = format!("port {value} is not between 0 and 65535");
                decoder.field("endPort", |decoder| {
                    decoder.invalid(span, message, &["L-61"], None);
                });
                return None;
            }
        },
    };
    Some(CiliumPort {
        port,
        end_port,
        protocol,
        span: node.span(),
    })
}

fn protocol(decoder: &mut Decoder, text: &Text<'_>) -> Option<CiliumProtocol> {
    Some(match &**text {
        "ANY" => CiliumProtocol::Any,
        "ICMP" => CiliumProtocol::Icmp(Family::V4),
        "ICMPV6" | "ICMPv6" => CiliumProtocol::Icmp(Family::V6),
        "VRRP" | "IGMP" | "GRE" | "IPIP" | "IPV6" | "ESP" | "AH" => CiliumProtocol::Portless,
        other => match Protocol::from_api(other) {
            Some(protocol) => CiliumProtocol::Of(protocol),
            None => {
                let upper = other.to_uppercase();
                let known = upper == "ANY" || Protocol::from_api(&upper).is_some();
                let help = if known {
                    format!("write `{upper}`")
                } else {
                    "use TCP, UDP, SCTP or ANY".to_owned()
                };
                decoder.field("protocol", |decoder| {
                    let message = format!("`{other}` is no protocol here");
                    decoder.invalid(text.span, message, &["L-60"], Some(&help));
                });
                return None;
            }
        },
    })
}

/// A port, which is always a string here; digits make a number, with a leading zero an octal one.
fn number(decoder: &mut Decoder, text: &Text<'_>) -> Option<CiliumPortRef> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let (digits, radix) = match text.strip_prefix('0') {
            Some(octal) if !octal.is_empty() => (octal, 8),
            _ => (&**text, 10),
        };
        if let Ok(number) = u16::from_str_radix(digits, radix) {
            return Some(CiliumPortRef::Number(number));
        }
        let message = format!("port {} is not between 0 and 65535", &**text);
        decoder.invalid(text.span, message, &["L-60"], None);
        return None;
    }
    let name = text.to_lowercase();
    if let Some(reason) = validate::port_name(&name) {
        let message = format!("`{}` is no port name: {reason}", &**text);
        decoder.invalid(text.span, message, &["L-60"], None);
        return None;
    }
    Some(CiliumPortRef::Name(name.into()))
}

/// The rules for a proxy; empty lists ask for nothing.
fn l7(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<L7> {
    let known = ["http", "dns", "kafka", "l7proto", "l7"];
    let [http, dns, kafka, proxy, pairs] = decoder.fields(node, known, Unknown::Refuse);
    let kinds = [http, dns, kafka, proxy].into_iter().flatten().count();
    if kinds > 1 {
        let message = "one entry has rules for one protocol only";
        decoder.invalid(
            node.span(),
            message,
            &["L-69"],
            Some("write an entry for each"),
        );
    }
    if let Some(pairs) = pairs.filter(|_| proxy.is_none()) {
        decoder.invalid(pairs.span(), "`l7` needs `l7proto`", &["L-69"], None);
    }
    let http = decoder.items("http", http, http_rule);
    let dns = decoder.items("dns", dns, |decoder, node| fqdn(decoder, node, "L-69"));
    if let Some(node) = kafka.filter(|list| list.items().next().is_some()) {
        let finding = Finding::new(
            &reading::INVALID,
            "Cilium 1.20 no longer knows rules for Kafka; older releases do",
        )
        .severity(Severity::Warning)
        .at(node.span(), "")
        .why(&["L-69"]);
        decoder.field("kafka", |decoder| decoder.warn(finding));
        return Some(L7::Kafka);
    }
    if !http.is_empty() {
        return Some(L7::Http(http));
    }
    if !dns.is_empty() {
        return Some(L7::Dns(dns));
    }
    let proxy = decoder
        .text("l7proto", proxy)
        .filter(|name| !name.is_empty())?;
    Some(L7::Proxy((&*proxy).into()))
}

fn http_rule(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<HttpRule> {
    let known = ["path", "method", "host", "headers", "headerMatches"];
    let [path, method, host, headers, matches] = decoder.fields(node, known, Unknown::Refuse);
    let mut pattern = |name, node| {
        let text = decoder.text(name, node).filter(|text| !text.is_empty())?;
        if regex::Regex::new(&format!("^(?:{})$", &*text)).is_err() {
            let message = format!("`{}` is no regular expression", &*text);
            decoder.field(name, |decoder| {
                decoder.invalid(text.span, message, &["L-66"], None);
            });
        }
        Some(Box::from(&*text))
    };
    let path = pattern("path", path);
    let method = pattern("method", method);
    let host = pattern("host", host);
    let mut headers = decoder.items("headers", headers, |decoder, node| {
        decoder.item_text(node).map(|header| Box::from(&*header))
    });
    let matches = matches.into_iter().flat_map(Node::items);
    headers.extend(matches.filter_map(|header| header.get("name")?.str().map(Box::from)));
    Some(HttpRule {
        path,
        method,
        host,
        headers,
    })
}

/// Which traffic a proxy can look into (L-69).
fn proxied(decoder: &mut Decoder, l7: &L7, ports: &[CiliumPort], node: Node<'_, '_>, of: Of) {
    let is_dns = matches!(l7, L7::Dns(_));
    let mut refuse = |message: &str| decoder.invalid(node.span(), message, &["L-69"], None);
    if of.host && !(is_dns && of.direction == Direction::Egress) {
        refuse("a rule for nodes knows `rules` for DNS on egress only");
    } else if is_dns && of.direction == Direction::Ingress {
        refuse("rules for DNS belong to egress: they are about the questions that a pod asks");
    }
    if is_dns && ports.is_empty() {
        refuse("rules for DNS need a port, which is 53");
    }
    for port in ports {
        if port.port == CiliumPortRef::Number(0) {
            refuse("`rules` cannot be used with port 0");
        }
        let is_range = matches!((&port.port, port.end_port), (CiliumPortRef::Number(first), Some(last)) if last > *first);
        if is_dns && is_range {
            refuse("rules for DNS cannot be used with a range of ports");
        }
        if !is_dns && port.protocol != CiliumProtocol::Of(Protocol::Tcp) {
            refuse("these `rules` need `protocol: TCP` on every port of the entry");
        }
    }
}

/// An entry of `icmps`.
pub(super) fn icmp(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<Vec<IcmpType>> {
    let [fields] = decoder.fields(node, ["fields"], Unknown::Refuse);
    let written = fields.map_or(0, |list| list.items().count());
    if let Some(list) = fields.filter(|_| written > MOST) {
        let message = format!("{written} ICMP types in one entry; the most is {MOST}");
        decoder.field("fields", |decoder| {
            decoder.invalid(
                list.span(),
                message,
                &["L-65"],
                Some("write several entries"),
            );
        });
    }
    Some(decoder.items("fields", fields, icmp_type))
}

fn icmp_type(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<IcmpType> {
    let [family, kind] = decoder.fields(node, ["family", "type"], Unknown::Refuse);
    let family = match decoder.text("family", family) {
        None => Family::V4,
        Some(text) => match &*text {
            "IPv4" => Family::V4,
            "IPv6" => Family::V6,
            other => {
                let message = format!("`{other}` is no address family");
                decoder.field("family", |decoder| {
                    decoder.invalid(text.span, message, &["L-65"], Some("use IPv4 or IPv6"));
                });
                return None;
            }
        },
    };
    let Some(kind) = kind else {
        decoder.invalid(node.span(), "an ICMP item needs a `type`", &["L-65"], None);
        return None;
    };
    let number = match kind.kind() {
        Kind::String => {
            let name = kind.str().unwrap_or_default();
            name.parse().ok().or_else(|| type_name(family, name))
        }
        _ => {
            let (value, _) = decoder.integer("type", Some(kind))?;
            u8::try_from(value).ok()
        }
    };
    if number.is_none() {
        let message = format!("`{}` is no ICMP type of this family", kind.as_written());
        decoder.field("type", |decoder| {
            decoder.invalid(kind.span(), message, &["L-65"], None);
        });
    }
    Some(IcmpType {
        family,
        kind: number?,
        span: node.span(),
    })
}

/// The names that Cilium knows for ICMP types.
fn type_name(family: Family, name: &str) -> Option<u8> {
    let names: &[(&str, u8)] = match family {
        Family::V4 => &[
            ("EchoReply", 0),
            ("DestinationUnreachable", 3),
            ("Redirect", 5),
            ("Echo", 8),
            ("EchoRequest", 8),
            ("RouterAdvertisement", 9),
            ("RouterSelection", 10),
            ("TimeExceeded", 11),
            ("ParameterProblem", 12),
            ("Timestamp", 13),
            ("TimestampReply", 14),
            ("Photuris", 40),
            ("ExtendedEchoRequest", 42),
            ("ExtendedEchoReply", 43),
        ],
        Family::V6 => &[
            ("DestinationUnreachable", 1),
            ("PacketTooBig", 2),
            ("TimeExceeded", 3),
            ("ParameterProblem", 4),
            ("EchoRequest", 128),
            ("EchoReply", 129),
            ("MulticastListenerQuery", 130),
            ("MulticastListenerReport", 131),
            ("MulticastListenerDone", 132),
            ("RouterSolicitation", 133),
            ("RouterAdvertisement", 134),
            ("NeighborSolicitation", 135),
            ("NeighborAdvertisement", 136),
            ("RedirectMessage", 137),
            ("RouterRenumbering", 138),
            ("ICMPNodeInformationQuery", 139),
            ("ICMPNodeInformationResponse", 140),
            ("InverseNeighborDiscoverySolicitation", 141),
            ("InverseNeighborDiscoveryAdvertisement", 142),
            ("HomeAgentAddressDiscoveryRequest", 144),
            ("HomeAgentAddressDiscoveryReply", 145),
            ("MobilePrefixSolicitation", 146),
            ("MobilePrefixAdvertisement", 147),
            ("DuplicateAddressRequestCodeSuffix", 157),
            ("DuplicateAddressConfirmationCodeSuffix", 158),
            ("ExtendedEchoRequest", 160),
            ("ExtendedEchoReply", 161),
        ],
    };
    names
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}
