//! `A -> B:PORT/PROTOCOL`: the connections that a user asks about, as text.
//!
//! The port is behind the first colon that belongs neither to a prefix (`ns:shop`) nor to an IPv6
//! address, which needs brackets where a port follows. INVARIANT: an error names a place inside the
//! text, and `Display` gives a text that is read as the same flow.

use std::fmt;

use super::spelling::prefix_len;
use crate::sets::Protocol;

/// A part of a text, with its place in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The part.
    pub text: String,
    /// The number of characters in front of it.
    pub at: usize,
}

/// A question as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Who connects.
    pub from: Written,
    /// To whom.
    pub to: Written,
    /// The ports; empty for all of them.
    pub ports: Vec<PortQuery>,
    /// Where the ports are written.
    pub ports_at: usize,
}

/// Ports that are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortQuery {
    /// An inclusive range of numbers.
    Range {
        /// The protocol.
        protocol: Protocol,
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
    },
    /// The ports that the destination calls by this name.
    Named {
        /// The name.
        name: String,
        /// The protocol; whatever the destination declares if none is written.
        protocol: Option<Protocol>,
    },
    /// ICMP, which has no ports.
    Icmp,
}

/// Why a text is no flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowError {
    /// The number of characters in front of the wrong part.
    pub at: usize,
    /// The length of the wrong part in characters, at least one.
    pub length: usize,
    /// What is wrong: one sentence.
    pub message: String,
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FlowError {}

impl FlowError {
    fn new(text: &str, offset: usize, part: &str, message: impl Into<String>) -> Self {
        Self {
            at: characters_before(text, offset),
            length: part.chars().count().max(1),
            message: message.into(),
        }
    }
}

fn characters_before(text: &str, offset: usize) -> usize {
    text.char_indices()
        .take_while(|(at, _)| *at < offset)
        .count()
}

/// The offset of a part of a text.
fn offset_in(text: &str, part: &str) -> usize {
    // INVARIANT: `part` is a slice of `text`.
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

const FORM: &str = "write FROM -> TO:PORT/PROTOCOL in quotes";

impl Flow {
    /// Reads a flow.
    ///
    /// # Errors
    /// When the text is no flow.
    pub fn parse(text: &str) -> Result<Self, FlowError> {
        let arrow = ["->", "→"]
            .iter()
            .filter_map(|arrow| Some((text.find(arrow)?, arrow.len())))
            .min();
        let Some((at, length)) = arrow else {
            let shown = text.trim();
            let message = format!("`{shown}` has no arrow; {FORM}");
            return Err(FlowError::new(text, offset_in(text, shown), shown, message));
        };
        let (from, rest) = text.split_at_checked(at).unwrap_or((text, ""));
        let (_, to) = rest.split_at_checked(length).unwrap_or(("", rest));
        let (from, to) = (from.trim(), to.trim());
        for (part, place, what) in [(from, at, "source"), (to, at + length, "destination")] {
            if part.is_empty() {
                let message = format!("the {what} is missing; {FORM}");
                return Err(FlowError::new(text, place.min(text.len()), "", message));
            }
        }
        if let Some(second) = ["->", "→"].iter().find_map(|arrow| to.find(arrow)) {
            let place = offset_in(text, to) + second;
            return Err(FlowError::new(text, place, "->", "a flow has one arrow"));
        }
        let written = |part: &str| Written {
            text: part.to_owned(),
            at: characters_before(text, offset_in(text, part)),
        };
        let (to, ports) = split_ports(text, to)?;
        Ok(Self {
            from: written(from),
            to: written(to.trim_end()),
            ports_at: ports.map_or(0, |ports| written(ports).at),
            ports: match ports {
                Some(ports) => read_ports(text, ports)?,
                None => Vec::new(),
            },
        })
    }
}

/// `B` and what is behind its colon.
fn split_ports<'t>(text: &str, to: &'t str) -> Result<(&'t str, Option<&'t str>), FlowError> {
    let (_, rest) = to.split_at_checked(prefix_len(to)).unwrap_or(("", to));
    let colon = match rest.find(']') {
        Some(end) if rest.starts_with('[') => {
            let behind = rest.get(end + 1..).unwrap_or_default();
            // `[fd00::]/8` has its length behind the bracket.
            behind.find(':').map(|colon| end + 1 + colon)
        }
        _ if rest.matches(':').count() > 1 => {
            let address = rest.split('/').next().unwrap_or_default();
            let whole =
                rest.parse::<std::net::IpAddr>().is_ok() || rest.parse::<ipnet::IpNet>().is_ok();
            if !whole {
                let message = match address.rsplit_once(':') {
                    Some((address, port)) if address.contains("::") => {
                        format!("put an IPv6 address in brackets: [{address}]:{port}")
                    }
                    _ => format!("`{rest}` has too many colons; an IPv6 address needs brackets"),
                };
                return Err(FlowError::new(text, offset_in(text, rest), rest, message));
            }
            None
        }
        _ => rest.find(':'),
    };
    let Some(colon) = colon else {
        return Ok((to, None));
    };
    let at = to.len() - rest.len() + colon;
    let (to, ports) = to.split_at_checked(at).unwrap_or((to, ""));
    let ports = ports.strip_prefix(':').unwrap_or(ports).trim();
    if ports.is_empty() {
        let place = offset_in(text, to) + to.len();
        let message = "the port behind the colon is missing; leave the colon out to ask about all";
        return Err(FlowError::new(text, place, ":", message));
    }
    Ok((to, Some(ports)))
}

/// `80`, `80-90`, `80,443/tcp`, `53/udp,53/tcp`, `http`, `icmp`. An item without a protocol has
/// that of the last item, or else TCP.
fn read_ports(text: &str, ports: &str) -> Result<Vec<PortQuery>, FlowError> {
    let last = ports.rsplit(',').next().unwrap_or_default();
    let shared = match last.split_once('/') {
        Some((_, word)) => Some(protocol(text, word)?),
        None => None,
    };
    let mut found = Vec::new();
    for item in ports.split(',').map(str::trim) {
        let wrong = |part: &str, message: String| {
            Err(FlowError::new(text, offset_in(text, part), part, message))
        };
        let (range, own) = match item.split_once('/') {
            Some((range, word)) => (range.trim(), Some(protocol(text, word)?)),
            None => (item, shared),
        };
        let query = if item.eq_ignore_ascii_case("icmp") || own == Some(Protocol::Icmp) {
            if !item.eq_ignore_ascii_case("icmp") {
                return wrong(item, "ICMP has no ports; write `icmp` alone".into());
            }
            PortQuery::Icmp
        } else if range.starts_with(|c: char| c.is_ascii_digit())
            && range.bytes().all(|b| b.is_ascii_digit() || b == b'-')
        {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let number = |part: &str| part.parse::<u16>().ok().filter(|port| *port > 0);
            let (Some(first), Some(last)) = (number(first), number(last)) else {
                let message = format!("`{range}` is no port; ports are 1 to 65535");
                return wrong(range, message);
            };
            if last < first {
                return wrong(range, format!("`{range}` ends before it begins"));
            }
            PortQuery::Range {
                protocol: own.unwrap_or(Protocol::Tcp),
                first,
                last,
            }
        } else if is_port_name(range) {
            PortQuery::Named {
                name: range.to_owned(),
                protocol: own,
            }
        } else {
            let what = if item.is_empty() {
                "a port is missing".to_owned()
            } else {
                format!("`{item}` is no port")
            };
            return wrong(item, format!("{what}; write 80, 80-90, http or icmp"));
        };
        if !found.contains(&query) {
            found.push(query);
        }
    }
    Ok(found)
}

fn is_port_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 63 && text.chars().all(letters)
}

fn protocol(text: &str, word: &str) -> Result<Protocol, FlowError> {
    let word = word.trim();
    match word.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        "icmp" => Ok(Protocol::Icmp),
        _ => {
            let message = format!("`{word}` is no protocol; use tcp, udp or sctp");
            Err(FlowError::new(text, offset_in(text, word), word, message))
        }
    }
}

impl fmt::Display for PortQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range {
                protocol,
                first,
                last,
            } => {
                write!(f, "{first}")?;
                if first != last {
                    write!(f, "-{last}")?;
                }
                write!(f, "/{}", protocol.word())
            }
            Self::Named { name, protocol } => {
                f.write_str(name)?;
                match protocol {
                    Some(protocol) => write!(f, "/{}", protocol.word()),
                    None => Ok(()),
                }
            }
            Self::Icmp => f.write_str("icmp"),
        }
    }
}

/// `A -> B:PORTS` from canonical spellings, with brackets where they are needed.
#[must_use]
pub fn spell(from: &str, to: &str, ports: &[PortQuery]) -> String {
    if ports.is_empty() {
        return format!("{from} -> {to}");
    }
    let v6 = |prefix: &str| {
        let address = to.strip_prefix(prefix)?;
        let is_v6 = address.contains(':');
        is_v6.then(|| format!("{prefix}[{address}]"))
    };
    let to = v6("ip:")
        .or_else(|| v6("cidr:"))
        .unwrap_or_else(|| to.to_owned());
    let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
    format!("{from} -> {to}:{}", ports.join(","))
}
