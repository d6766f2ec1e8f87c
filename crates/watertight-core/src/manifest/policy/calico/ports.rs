//! Protocols and ports: numbers, ranges in one string, names (C-45..C-48, C-75).

use crate::diag::{Finding, Fix, in_place_of};
use crate::document::{Kind, Node};
use crate::manifest::decode::Decoder;
use crate::manifest::validate;
use crate::rules::reading;
use crate::source::Span;

/// The most ports of one list (C-74).
const MAX_PORTS: usize = 50;

/// The names of protocols, with their numbers (C-45).
const NAMES: &[(&str, u8)] = &[
    ("TCP", CalicoProtocol::TCP),
    ("UDP", CalicoProtocol::UDP),
    ("ICMP", CalicoProtocol::ICMP),
    ("ICMPv6", CalicoProtocol::ICMPV6),
    ("SCTP", CalicoProtocol::SCTP),
    ("UDPLite", 136),
];

/// A protocol by its number, whatever way it is written.
#[derive(Clone, Copy, Debug)]
pub struct CalicoProtocol {
    /// The number of the Internet protocol; never 0.
    pub number: u8,
    /// Where it is written.
    pub span: Span,
}

impl CalicoProtocol {
    /// ICMP, which is IPv4's (C-44).
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMPv6, which is IPv6's (C-44).
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;

    /// Whether it has ports (C-46).
    #[must_use]
    pub fn has_ports(self) -> bool {
        matches!(self.number, Self::TCP | Self::UDP | Self::SCTP)
    }

    /// Whether it is ICMP or ICMPv6 (C-49).
    #[must_use]
    pub fn is_icmp(self) -> bool {
        matches!(self.number, Self::ICMP | Self::ICMPV6)
    }
}

/// One entry of a list of ports.
#[derive(Clone, Debug)]
pub struct CalicoPort {
    /// What it is.
    pub kind: CalicoPortKind,
    /// Where it is written.
    pub span: Span,
}

/// Ports by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalicoPortKind {
    /// An inclusive range (C-46).
    Range(u16, u16),
    /// What endpoints call by this name (C-48).
    Name(Box<str>),
}

/// Decodes a protocol: one of the names, or a number.
pub(super) fn protocol(
    decoder: &mut Decoder,
    name: &'static str,
    node: Option<Node<'_, '_>>,
) -> Option<CalicoProtocol> {
    let node = node?;
    let span = node.span();
    let number = match node.kind() {
        Kind::String => {
            let text = node.str().unwrap_or_default();
            let named = NAMES.iter().find(|(name, _)| *name == text);
            match named {
                Some((_, number)) => Some(*number),
                None => text.parse().ok().filter(|number| *number > 0),
            }
        }
        _ => {
            let (value, _) = decoder.integer(name, Some(node))?;
            u8::try_from(value).ok().filter(|number| *number > 0)
        }
    };
    if number.is_none() {
        decoder.field(name, |decoder| {
            let written = node.string().map_or(node.as_written().into(), |text| text);
            let near = NAMES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&written));
            let message = format!("`{written}` is no protocol here");
            let mut finding = Finding::new(&reading::INVALID, message)
                .at(span, "")
                .why(&["C-45"]);
            finding.fix = Some(match near {
                Some((near, _)) => Fix::replace(
                    format!("write `{near}`"),
                    span,
                    in_place_of(node.as_written(), near),
                ),
                None => Fix::advice(
                    "use TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number from 1 to 255",
                ),
            });
            decoder.refuse(finding);
        });
    }
    Some(CalicoProtocol {
        number: number?,
        span,
    })
}

/// Decodes a list of ports.
pub(super) fn list(
    decoder: &mut Decoder,
    name: &'static str,
    node: Option<Node<'_, '_>>,
) -> Vec<CalicoPort> {
    let ports = decoder.items(name, node, port);
    if let Some(node) = node
        && ports.len() > MAX_PORTS
    {
        decoder.field(name, |decoder| {
            let message = format!("{} ports in one list; {MAX_PORTS} are allowed", ports.len());
            decoder.invalid(
                node.span(),
                message,
                &["C-74"],
                Some("use ranges, or two rules"),
            );
        });
    }
    ports
}

fn port(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<CalicoPort> {
    let span = node.span();
    let invalid = |decoder: &mut Decoder, message: String, help: Option<String>| {
        decoder.invalid(span, message, &["C-46", "C-75"], help.as_deref());
    };
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let kind = if node.kind() == Kind::String {
        let text = decoder.item_text(node)?;
        let range = text
            .split_once(':')
            .filter(|(first, last)| digits(first) && digits(last));
        if let Some((first, last)) = range.or_else(|| digits(&text).then_some((&*text, &*text))) {
            let (Some(first), Some(last)) = (number(first), number(last)) else {
                let message = format!("`{}` is not within 1 and 65535", &*text);
                invalid(decoder, message, None);
                return None;
            };
            if last < first {
                let message = format!("the range `{}` ends before it begins", &*text);
                invalid(decoder, message, Some(format!("write `{last}:{first}`")));
                return None;
            }
            CalicoPortKind::Range(first, last)
        } else if let Some(reason) = validate::port_name(&text) {
            let dashed = text.split_once('-');
            let dashed = dashed.filter(|(first, last)| digits(first) && digits(last));
            let (message, help) = match dashed {
                Some((first, last)) => (
                    format!("`{}` is no range of ports", &*text),
                    Some(format!("write `{first}:{last}`")),
                ),
                None => (format!("`{}` is no port: {reason}", &*text), None),
            };
            invalid(decoder, message, help);
            return None;
        } else {
            CalicoPortKind::Name((&*text).into())
        }
    } else {
        let Some(value) = node.integer() else {
            let message = format!("`{}` is no port", node.as_written());
            let help = "use a number, a name, or a range like `8000:8100` in quotes".to_owned();
            invalid(decoder, message, Some(help));
            return None;
        };
        let Some(port) = u16::try_from(value).ok().filter(|port| *port > 0) else {
            invalid(
                decoder,
                format!("port {value} is not within 1 and 65535"),
                None,
            );
            return None;
        };
        CalicoPortKind::Range(port, port)
    };
    Some(CalicoPort { kind, span })
}
