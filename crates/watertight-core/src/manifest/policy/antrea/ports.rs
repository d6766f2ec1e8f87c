//! The traffic of a rule: `ports`, `protocols` and `l7Protocols` (T-7).

use crate::document::{Kind, Node};
use crate::manifest::PortRef;
use crate::manifest::decode::{Decoder, Unknown};
use crate::sets::Protocol;
use crate::source::Span;

/// One alternative of a rule's traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AntreaTraffic {
    /// An item of `ports`.
    Port(AntreaPort),
    /// ICMP of both families.
    Icmp {
        /// The type; none is every type.
        kind: Option<u8>,
        /// The code; none is every code.
        code: Option<u8>,
        /// Where it is.
        span: Span,
    },
    /// IGMP, which no connection is.
    Igmp(Span),
}

/// One item of `ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AntreaPort {
    /// The protocol; TCP if it is not written.
    pub protocol: Protocol,
    /// The port; none is every port of the protocol.
    pub port: Option<PortRef>,
    /// The end of a range.
    pub end_port: Option<u16>,
    /// Source ports, if they are constrained.
    pub source: Option<(u16, u16)>,
    /// Where it is.
    pub span: Span,
}

/// Decodes an item of `ports`.
pub(super) fn port(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<AntreaTraffic> {
    let known = ["protocol", "port", "endPort", "sourcePort", "sourceEndPort"];
    let [protocol, port, end, source, source_end] = decoder.fields(node, known, Unknown::Refuse);
    let protocol = match decoder.text("protocol", protocol) {
        None => Protocol::Tcp,
        Some(text) => {
            let Some(protocol) = Protocol::from_api(&text) else {
                decoder.field("protocol", |decoder| {
                    let message = format!("`{}` is no protocol here", &*text);
                    decoder.invalid(text.span, message, &["T-7"], Some("use TCP, UDP or SCTP"));
                });
                return None;
            };
            protocol
        }
    };
    let port = match port {
        Some(node) if node.kind() == Kind::String => {
            Some(PortRef::Name((&*decoder.text("port", port)?).into()))
        }
        _ => number(decoder, "port", port)?.map(PortRef::Number),
    };
    let end_port = number(decoder, "endPort", end)?;
    let source = number(decoder, "sourcePort", source)?;
    let source_end = number(decoder, "sourceEndPort", source_end)?;
    let span = node.span();
    let first = match &port {
        Some(PortRef::Number(first)) => Some(*first),
        _ => None,
    };
    for (first, last, name) in [
        (first, end_port, "endPort"),
        (source, source_end, "sourceEndPort"),
    ] {
        if last.is_some_and(|last| first.is_none_or(|first| last < first)) {
            let message = format!("`{name}` needs a numeric first port that is not larger");
            decoder.invalid(span, message, &["T-7"], None);
            return None;
        }
    }
    Some(AntreaTraffic::Port(AntreaPort {
        protocol,
        port,
        end_port,
        source: source.map(|first| (first, source_end.unwrap_or(first))),
        span,
    }))
}

fn number(
    decoder: &mut Decoder,
    name: &'static str,
    node: Option<Node<'_, '_>>,
) -> Option<Option<u16>> {
    if node.is_none() {
        return Some(None);
    }
    let (value, span) = decoder.integer(name, node)?;
    if let Ok(port) = u16::try_from(value) {
        return Some(Some(port));
    }
    decoder.field(name, |decoder| {
        let message = format!("port {value} is not between 0 and 65535");
        decoder.invalid(span, message, &["T-7"], None);
    });
    None
}

/// Decodes an item of `protocols`.
pub(super) fn protocol(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<AntreaTraffic> {
    let [icmp, igmp] = decoder.fields(node, ["icmp", "igmp"], Unknown::Refuse);
    let span = node.span();
    match (icmp, igmp) {
        (Some(icmp), None) => decoder.field("icmp", |decoder| {
            let known = ["icmpType", "icmpCode"];
            let [kind, code] = decoder.fields(icmp, known, Unknown::Refuse);
            Some(AntreaTraffic::Icmp {
                kind: byte(decoder, "icmpType", kind)?,
                code: byte(decoder, "icmpCode", code)?,
                span,
            })
        }),
        (None, Some(_)) => Some(AntreaTraffic::Igmp(span)),
        _ => {
            if matches!(node.kind(), Kind::Mapping | Kind::Null) {
                let message = "a protocol is either `icmp` or `igmp`";
                decoder.invalid(span, message, &["T-7"], None);
            }
            None
        }
    }
}

fn byte(
    decoder: &mut Decoder,
    name: &'static str,
    node: Option<Node<'_, '_>>,
) -> Option<Option<u8>> {
    if node.is_none() {
        return Some(None);
    }
    let (value, span) = decoder.integer(name, node)?;
    if let Ok(value) = u8::try_from(value) {
        return Some(Some(value));
    }
    decoder.field(name, |decoder| {
        let message = format!("{value} is not between 0 and 255");
        decoder.invalid(span, message, &["T-7"], None);
    });
    None
}

/// What an allowed connection must carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer7 {
    /// In words.
    pub text: Box<str>,
    /// Which requests, if it is HTTP.
    pub http: Option<AntreaHttp>,
    /// Where it is.
    pub span: Span,
}

/// HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AntreaHttp {
    /// The method; none is any.
    pub method: Option<Box<str>>,
    /// The path, in which `*` is any text; none is any.
    pub path: Option<Box<str>>,
}

/// Decodes an item of `l7Protocols`.
pub(super) fn layer7(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<Layer7> {
    let [http, tls] = decoder.fields(node, ["http", "tls"], Unknown::Refuse);
    let span = node.span();
    let Some(http) = http else {
        let [sni] = decoder.fields(tls?, ["sni"], Unknown::Refuse);
        let text = match decoder.text("sni", sni) {
            Some(sni) => format!("TLS for {}", &*sni).into(),
            None => "TLS".into(),
        };
        return Some(Layer7 {
            text,
            http: None,
            span,
        });
    };
    let known = ["method", "path", "host"];
    let fields = decoder.fields(http, known, Unknown::Refuse);
    let [method, path, host] = fields.map(|field| {
        let text = decoder.text("http", field).filter(|text| !text.is_empty());
        text.map(|text| Box::<str>::from(&*text))
    });
    let mut text = String::from("HTTP");
    let words = [("", &method), ("", &path), (" for", &host)];
    for (before, word) in words {
        if let Some(word) = word {
            text += &format!("{before} {word}");
        }
    }
    Some(Layer7 {
        text: text.into(),
        http: Some(AntreaHttp { method, path }),
        span,
    })
}
