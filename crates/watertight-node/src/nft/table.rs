//! A table of nftables as a value.
//!
//! INVARIANT: names say what a thing is for, not what it contains, so that two tables made from similar
//! clusters differ in elements and rules and not in names; `BTreeMap`s keep the order of output fixed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One table of the `inet` family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The name.
    pub name: Box<str>,
    /// Sets and maps, by name.
    pub sets: BTreeMap<Box<str>, Set>,
    /// Chains, by name.
    pub chains: BTreeMap<Box<str>, Chain>,
}

/// A set, or a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The fields of a key, concatenated.
    pub key: Vec<KeyType>,
    /// Whether elements may be ranges. Of several fields such a set is slow to change (pipapo).
    pub ranges: bool,
    /// What is in it.
    pub contents: Contents,
}

/// What is in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Elements, in order, none twice, no two overlapping.
    Members(Vec<Element>),
    /// Elements that lead to a verdict.
    Verdicts(BTreeMap<Element, Verdict>),
    /// Elements that stand for a value of these fields: backends of a Service by number.
    Values(Vec<KeyType>, BTreeMap<Element, Bytes>),
}

/// The type of one field of a key. Each fills whole words of four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// A transport protocol.
    Protocol,
    /// A port.
    Port,
    /// A plain number.
    Number,
}

impl KeyType {
    /// Bytes of the value itself.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::V4 | Self::Number => 4,
            Self::V6 => 16,
            Self::Protocol => 1,
            Self::Port => 2,
        }
    }

    /// Bytes in a key of several fields: whole words.
    #[must_use]
    pub fn padded(self) -> usize {
        self.size().next_multiple_of(4)
    }

    /// As nftables calls it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::V4 => "ipv4_addr",
            Self::V6 => "ipv6_addr",
            Self::Protocol => "inet_proto",
            Self::Port => "inet_service",
            Self::Number => "integer",
        }
    }
}

/// The most bytes that a key has: two IPv6 addresses and more.
pub(super) const KEY_BYTES: usize = 40;

/// The value of a key as registers hold it: fields in network order, each padded to whole words with
/// zeros behind it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bytes {
    bytes: [u8; KEY_BYTES],
    len: u8,
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.as_slice() {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl Bytes {
    /// Of no field.
    pub const EMPTY: Self = Self {
        bytes: [0; KEY_BYTES],
        len: 0,
    };

    /// What registers hold.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// With one more field behind, padded. What has no room any more is left out: no key has so many.
    #[must_use]
    pub fn with(mut self, field: &[u8]) -> Self {
        let start = usize::from(self.len);
        let end = start + field.len().next_multiple_of(4);
        if let (Some(room), Ok(len)) = (self.bytes.get_mut(start..end), u8::try_from(end)) {
            for (byte, given) in room.iter_mut().zip(field) {
                *byte = *given;
            }
            self.len = len;
        }
        self
    }

    /// An address.
    #[must_use]
    pub fn ip(self, ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => self.v4(ip.to_bits()),
            IpAddr::V6(ip) => self.v6(ip.to_bits()),
        }
    }

    /// An IPv4 address.
    #[must_use]
    pub fn v4(self, ip: u32) -> Self {
        self.with(&ip.to_be_bytes())
    }

    /// An IPv6 address.
    #[must_use]
    pub fn v6(self, ip: u128) -> Self {
        self.with(&ip.to_be_bytes())
    }

    /// A transport protocol by its number.
    #[must_use]
    pub fn protocol(self, number: u8) -> Self {
        self.with(&[number])
    }

    /// A port.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.with(&port.to_be_bytes())
    }

    /// A number as the kernel counts: in the byte order of the machine.
    #[must_use]
    pub fn number(self, number: u32) -> Self {
        self.with(&number.to_ne_bytes())
    }

    /// The fields in words, as nftables writes them.
    #[must_use]
    pub fn words(&self, key: &[KeyType]) -> String {
        let mut rest = self.as_slice();
        let mut words = Vec::new();
        for field in key {
            let (this, behind) = rest.split_at_checked(field.padded()).unwrap_or((rest, &[]));
            rest = behind;
            words.push(field.value(this));
        }
        words.join(" . ")
    }
}

impl KeyType {
    fn value(self, bytes: &[u8]) -> String {
        fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
            bytes.first_chunk().copied().unwrap_or([0; N])
        }
        match self {
            Self::V4 => Ipv4Addr::from(first::<4>(bytes)).to_string(),
            Self::V6 => Ipv6Addr::from(first::<16>(bytes)).to_string(),
            Self::Port => u16::from_be_bytes(first(bytes)).to_string(),
            Self::Number => u32::from_ne_bytes(first(bytes)).to_string(),
            Self::Protocol => match first::<1>(bytes) {
                [1] => "icmp".into(),
                [6] => "tcp".into(),
                [17] => "udp".into(),
                [58] => "ipv6-icmp".into(),
                [132] => "sctp".into(),
                [number] => number.to_string(),
            },
        }
    }
}

/// An element of a set: one key, or all from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Element {
    /// The key, or the first one.
    pub first: Bytes,
    /// The last key; the same as the first unless the set has ranges. In a key of several fields, each
    /// field is a range of its own.
    pub last: Bytes,
}

impl Element {
    /// One key.
    #[must_use]
    pub fn one(key: Bytes) -> Self {
        Self {
            first: key,
            last: key,
        }
    }
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Where the kernel enters it; none for chains that are jumped to.
    pub hook: Option<Hook>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// What kind of base chain it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainType {
    /// Filters.
    Filter,
    /// Translates addresses.
    Nat,
}

/// Where the kernel enters a base chain; its policy is accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The kind.
    pub kind: ChainType,
    /// The number of the hook: prerouting 0, input 1, forward 2, output 3, postrouting 4.
    pub number: u32,
    /// Lower ones are asked first.
    pub priority: i32,
}

impl Hook {
    /// As nftables calls the hook.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.number {
            0 => "prerouting",
            1 => "input",
            2 => "forward",
            3 => "output",
            _ => "postrouting",
        }
    }
}

/// A rule: all matches must hold, then the statements are done in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// What must hold.
    pub matches: Vec<Match>,
    /// What is done.
    pub statements: Vec<Statement>,
    /// Which policy's rule it comes from, for people; kept in the kernel beside the rule.
    pub comment: Box<str>,
}

/// What a packet shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The source address; matches packets of IPv4 only.
    Source4,
    /// The source address; matches packets of IPv6 only.
    Source6,
    /// The destination address; matches packets of IPv4 only.
    Destination4,
    /// The destination address; matches packets of IPv6 only.
    Destination6,
    /// The transport protocol.
    Protocol,
    /// The source port, of TCP, UDP or SCTP.
    SourcePort,
    /// The destination port, of TCP, UDP or SCTP.
    DestinationPort,
    /// Type and code of an ICMP message of either family, as one number of 16 bits.
    IcmpMessage,
    /// What a rule of this node has marked the packet with.
    Mark,
}

impl Field {
    /// The type of its values. An ICMP message is two bytes, like a port.
    #[must_use]
    pub fn key(self) -> KeyType {
        match self {
            Self::Source4 | Self::Destination4 => KeyType::V4,
            Self::Source6 | Self::Destination6 => KeyType::V6,
            Self::Protocol => KeyType::Protocol,
            Self::SourcePort | Self::DestinationPort | Self::IcmpMessage => KeyType::Port,
            Self::Mark => KeyType::Number,
        }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The packet is of a family: 2 is IPv4, 10 is IPv6 (`meta nfproto`).
    Family(u8),
    /// A field has one value.
    Is(Field, Bytes),
    /// A field lies between two values, both included; or outside of them.
    Between {
        /// The field.
        field: Field,
        /// The first value.
        first: Bytes,
        /// The last value.
        last: Bytes,
        /// Whether it must lie outside.
        not: bool,
    },
    /// Fields, concatenated, are in a set; or are not.
    In {
        /// The fields. All addresses among them are of one family.
        fields: Vec<Field>,
        /// The name of the set.
        set: Box<str>,
        /// Whether they must not be in it.
        not: bool,
    },
    /// The connection is in one of these states (`ct state`; bits: invalid 1, established 2, related 4,
    /// new 8, untracked 64).
    State(u32),
    /// The packet goes the way of its connection's first packet (0) or the other way (1).
    Way(u8),
}

/// Where a packet goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Leaves the base chain; later base chains are asked.
    Accept,
    /// Is lost.
    Drop,
    /// Back behind the last jump.
    Return,
    /// To a chain, and back.
    Jump(Box<str>),
    /// To a chain, not back.
    Goto(Box<str>),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Counts packets and bytes.
    Counter,
    /// Tells a listener in user space (`log prefix ... group ...`).
    Log {
        /// At most 127 bytes.
        prefix: Box<str>,
        /// The group that listeners bind to.
        group: u16,
        /// At most so many a second; none is all.
        per_second: Option<u32>,
    },
    /// Goes on elsewhere.
    Verdict(Verdict),
    /// Goes on where a verdict map says for fields; on with the next rule if it says nothing.
    Lookup {
        /// The fields.
        fields: Vec<Field>,
        /// The map.
        map: Box<str>,
    },
    /// Sends the connection elsewhere (`dnat`).
    Redirect(Target),
    /// Marks the packet for rules behind (`meta mark set`).
    Mark(u32),
    /// Sends the connection on as the node's own (`masquerade`).
    Masquerade,
    /// Answers that nobody is there: a reset for TCP, a message of ICMP for others.
    Reject,
}

/// Where a translated connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One address and port.
    One(IpAddr, u16),
    /// One of several by turns (`numgen inc mod COUNT map`): a map from numbers below `count` to addresses
    /// of one family and ports.
    Turns {
        /// The map: from [`KeyType::Number`] to an address and a port.
        map: Box<str>,
        /// How many there are.
        count: u32,
        /// Whether addresses are of IPv6.
        is_v6: bool,
    },
}
