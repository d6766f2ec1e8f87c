//! Protocols and ports (K-47..K-62).

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
    /// Every port of every protocol, those beyond TCP, UDP and SCTP included (K-21).
    Everything,
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
    /// Where it is written, if it is.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Everything => None,
            Self::Range { span, .. } | Self::Named { span, .. } => Some(*span),
        }
    }
}

impl std::fmt::Display for PortMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everything => f.write_str("all ports"),
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
        }
    }
}
