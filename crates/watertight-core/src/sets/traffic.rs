//! Protocols and ports (K-47..K-62).

use super::Family;
use crate::source::Span;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP (K-60).
    Sctp,
    /// ICMP or ICMPv6, which no NetworkPolicy port item can name (K-61).
    Icmp,
}

impl Protocol {
    /// The protocol as the API spells it.
    #[must_use]
    pub fn from_api(text: &str) -> Option<Self> {
        match text {
            "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    /// Upper case, as the API spells it.
    #[must_use]
    pub fn api(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Icmp => "ICMP",
        }
    }

    /// Lower case, as flows are written: `5432/tcp`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Icmp => "icmp",
        }
    }
}

/// One alternative of a rule's traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortMatch {
    /// Every port of every protocol (K-21); whether ICMP is among them is up to the engine (K-61).
    Everything,
    /// All traffic whatever, ICMP included (A-35, C-35, L-31).
    Any,
    /// An inclusive range of destination ports (K-47..K-50).
    Range {
        /// The protocol.
        protocol: Protocol,
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
        /// Where it is written.
        span: Span,
    },
    /// Messages of ICMP, or of ICMPv6 (C-49, L-65).
    Icmp {
        /// ICMP for IPv4, ICMPv6 for IPv6.
        family: Family,
        /// The first message: its type in the high byte, its code in the low one.
        first: u16,
        /// The last message.
        last: u16,
        /// Where it is written.
        span: Span,
    },
    /// Every port of a protocol but these (C-47, C-48).
    Except {
        /// The protocol.
        protocol: Protocol,
        /// Ranges that are left out.
        ranges: Vec<(u16, u16)>,
        /// The ports that the destination pod calls by these names are left out, too.
        names: Vec<Box<str>>,
        /// Where it is written.
        span: Span,
    },
    /// The ports that the destination pod calls by this name (K-52..K-57).
    Named {
        /// The protocol, which must be the container port's (K-54).
        protocol: Protocol,
        /// The name.
        name: Box<str>,
        /// Where it is written.
        span: Span,
    },
}

impl PortMatch {
    /// Whether it takes in a port by its number; the ports of names depend on the destination.
    #[must_use]
    pub fn takes(&self, protocol: Protocol, port: u16) -> bool {
        let within = |(first, last): &(u16, u16)| (*first..=*last).contains(&port);
        match self {
            Self::Everything | Self::Any => true,
            Self::Range {
                protocol: of,
                first,
                last,
                ..
            } => *of == protocol && within(&(*first, *last)),
            Self::Except {
                protocol: of,
                ranges,
                ..
            } => *of == protocol && !ranges.iter().any(within),
            Self::Named { .. } | Self::Icmp { .. } => false,
        }
    }

    /// Where it is written, if it is.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Everything | Self::Any => None,
            Self::Range { span, .. }
            | Self::Icmp { span, .. }
            | Self::Except { span, .. }
            | Self::Named { span, .. } => Some(*span),
        }
    }
}

impl std::fmt::Display for PortMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everything => f.write_str("all ports"),
            Self::Any => f.write_str("all traffic"),
            Self::Range {
                protocol,
                first,
                last,
                ..
            } => match (*first, *last) {
                (0, u16::MAX) => write!(f, "all {} ports", protocol.api()),
                (first, last) if first == last => write!(f, "{first}/{}", protocol.word()),
                (first, last) => write!(f, "{first}-{last}/{}", protocol.word()),
            },
            Self::Named { protocol, name, .. } => write!(f, "`{name}`/{}", protocol.word()),
            Self::Icmp {
                family,
                first,
                last,
                ..
            } => {
                let name = match family {
                    Family::V4 => "ICMP",
                    Family::V6 => "ICMPv6",
                };
                match (first.to_be_bytes(), last.to_be_bytes()) {
                    ([0, 0], [255, 255]) => f.write_str(name),
                    ([kind, 0], [other, 255]) if kind == other => write!(f, "{name} type {kind}"),
                    ([kind, code], [other, last]) if (kind, code) == (other, last) => {
                        write!(f, "{name} type {kind} code {code}")
                    }
                    ([first, _], [last, _]) => write!(f, "{name} types {first}-{last}"),
                }
            }
            Self::Except {
                protocol,
                ranges,
                names,
                ..
            } => {
                write!(f, "all {} ports but ", protocol.api())?;
                let ranges = ranges.iter().map(|(first, last)| match first == last {
                    true => first.to_string(),
                    false => format!("{first}-{last}"),
                });
                let names = names.iter().map(|name| format!("`{name}`"));
                f.write_str(&ranges.chain(names).collect::<Vec<_>>().join(", "))
            }
        }
    }
}
