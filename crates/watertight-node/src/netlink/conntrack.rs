//! Connections that the kernel keeps: looked at, and forgotten when an address changes hands.
//!
//! INVARIANT: only entries that name an address that is meant are deleted. The kernel is asked for those of few
//! addresses alone; kernels before 5.8 answer with all, so what comes back is looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;
use nix::libc;

use super::message::{Attributes, Message, Reply};
use super::socket::{Error, Socket, nfgenmsg};

const SUBSYSTEM: u16 = (libc::NFNL_SUBSYS_CTNETLINK as u16) << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;

const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const STATUS: u16 = 3;
const ID: u16 = 12;
const ZONE: u16 = 18;
const FILTER: u16 = 25;
const TUPLE_ADDRESSES: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const SOURCE4: u16 = 1;
const DESTINATION4: u16 = 2;
const SOURCE6: u16 = 3;
const DESTINATION6: u16 = 4;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_SOURCE: u16 = 2;
const PROTOCOL_DESTINATION: u16 = 3;
/// In a filter: which fields of a tuple count.
const BY_SOURCE: u32 = 1;
const BY_DESTINATION: u32 = 2;
const FILTER_ORIGINAL: u16 = 1;
const FILTER_REPLY: u16 = 2;

/// Bits of an attribute's kind that say that it holds attributes.
const NESTED: u16 = 0x8000;

/// Whether a packet has gone each way.
const SEEN_REPLY: u32 = 2;

/// The most addresses that the kernel is asked for one by one: it looks through all entries four times for each,
/// which costs a hundredth of having them all listed.
const ASKED_FOR: usize = 16;

/// How often entries are deleted that came back while others were.
const ROUNDS: usize = 4;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// Where packets come from.
    pub source: IpAddr,
    /// Where packets go.
    pub destination: IpAddr,
    /// The transport protocol.
    pub protocol: u8,
    /// The source port; 0 if the protocol has none.
    pub source_port: u16,
    /// The destination port; 0 if the protocol has none.
    pub destination_port: u16,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The way of its first packet, as it was sent.
    pub original: Tuple,
    /// The way back: with what translation made of the addresses.
    pub reply: Tuple,
    /// Whether a packet came back.
    pub is_answered: bool,
}

impl Entry {
    /// Whether an address is one of its four.
    #[must_use]
    pub fn names(&self, ip: IpAddr) -> bool {
        self.ips().any(|of| of == ip)
    }

    fn ips(&self) -> impl Iterator<Item = IpAddr> {
        let both = [self.original, self.reply].into_iter();
        both.flat_map(|tuple| [tuple.source, tuple.destination])
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            destination,
            protocol,
            source_port,
            destination_port,
        } = self;
        write!(
            f,
            "protocol {protocol} {source} port {source_port} to {destination} port {destination_port}"
        )
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered = if self.is_answered {
            ""
        } else {
            " (no answer so far)"
        };
        write!(f, "{}, back {}{answered}", self.original, self.reply)
    }
}

/// All connections of the network namespace.
pub fn dump(socket: &mut Socket) -> Result<Vec<Entry>, Error> {
    let replies = socket
        .dump(&everything())
        .map_err(|error| error.trying("list the connections that the kernel keeps"))?;
    Ok(replies.iter().filter_map(entry).collect())
}

/// Forgets all connections that name one of some addresses; how many they were.
pub fn flush(socket: &mut Socket, ips: &BTreeSet<IpAddr>) -> Result<usize, Error> {
    let Some(first) = ips.first() else {
        return Ok(0);
    };
    let questions: Vec<Message> = match ips.len() > ASKED_FOR {
        true => vec![everything()],
        false => ips.iter().copied().flat_map(questions).collect(),
    };
    let tried = || match ips.len() - 1 {
        0 => format!("forget the connections of {first}"),
        more => format!("forget the connections of {first} and {more} more addresses"),
    };
    forget(socket, &questions, |ip| ips.contains(&ip)).map_err(|error| error.trying(tried()))
}

/// Forgets all connections that name an address of which something holds; how many they were. The kernel lists
/// all that it keeps.
pub fn flush_if(socket: &mut Socket, is_meant: impl Fn(IpAddr) -> bool) -> Result<usize, Error> {
    forget(socket, &[everything()], is_meant)
        .map_err(|error| error.trying("forget the connections of addresses that are no pod's"))
}

fn forget(
    socket: &mut Socket,
    questions: &[Message],
    is_meant: impl Fn(IpAddr) -> bool,
) -> Result<usize, Error> {
    let mut forgotten = 0;
    for _ in 0..ROUNDS {
        let mut deletions: BTreeMap<Vec<u8>, Message> = BTreeMap::new();
        for question in questions {
            let replies = socket.dump(question)?;
            let named = replies
                .iter()
                .filter(|reply| entry(reply).is_some_and(|entry| entry.ips().any(&is_meant)));
            for reply in named {
                let deletion = deletion(reply);
                deletions.insert(deletion.payload().into(), deletion);
            }
        }
        if deletions.is_empty() {
            break;
        }
        let deletions: Vec<Message> = deletions.into_values().collect();
        match socket.requests(&deletions) {
            // It ended by itself.
            Err(error) if error.errno() == Errno::ENOENT => {}
            done => done?,
        }
        forgotten += deletions.len();
    }
    Ok(forgotten)
}

fn everything() -> Message {
    Message::new(GET, 0).bytes(&nfgenmsg(0, 0))
}

/// The four places that an address can have in a connection.
fn questions(ip: IpAddr) -> impl Iterator<Item = Message> {
    let (family, source, destination) = match ip {
        IpAddr::V4(_) => (libc::AF_INET, SOURCE4, DESTINATION4),
        IpAddr::V6(_) => (libc::AF_INET6, SOURCE6, DESTINATION6),
    };
    let family = u8::try_from(family).unwrap_or_default();
    let places = [(ORIGINAL, FILTER_ORIGINAL), (REPLY, FILTER_REPLY)].into_iter();
    places.flat_map(move |(tuple, filter)| {
        [(source, BY_SOURCE), (destination, BY_DESTINATION)].map(|(field, by)| {
            let other = FILTER_ORIGINAL + FILTER_REPLY - filter;
            Message::new(GET, 0)
                .bytes(&nfgenmsg(family, 0))
                .nested(tuple, |inner| {
                    inner.nested(TUPLE_ADDRESSES, |inner| address(inner, field, ip))
                })
                .nested(FILTER, |inner| inner.u32(filter, by).u32(other, 0))
        })
    })
}

fn address(message: Message, field: u16, ip: IpAddr) -> Message {
    match ip {
        IpAddr::V4(ip) => message.attr(field, &ip.octets()),
        IpAddr::V6(ip) => message.attr(field, &ip.octets()),
    }
}

/// Deletes exactly this entry: its number keeps a later one with the same addresses and ports safe.
fn deletion(reply: &Reply) -> Message {
    let attributes = reply.attributes(4);
    let family = reply.fixed(1).first().copied().unwrap_or_default();
    let mut message = Message::new(DELETE, 0).bytes(&nfgenmsg(family, 0));
    for (kind, flag) in [(ORIGINAL, NESTED), (ID, 0), (ZONE, 0)] {
        if let Some(payload) = attributes.get(kind) {
            message = message.attr(kind | flag, payload);
        }
    }
    message
}

fn entry(reply: &Reply) -> Option<Entry> {
    let attributes = reply.attributes(4);
    Some(Entry {
        original: tuple(&attributes.inside(ORIGINAL))?,
        reply: tuple(&attributes.inside(REPLY))?,
        is_answered: attributes.be32(STATUS).unwrap_or_default() & SEEN_REPLY != 0,
    })
}

fn tuple(attributes: &Attributes<'_>) -> Option<Tuple> {
    let addresses = attributes.inside(TUPLE_ADDRESSES);
    let ip = |four, six| -> Option<IpAddr> {
        match (addresses.get(four), addresses.get(six)) {
            (Some(bytes), _) => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
            (_, Some(bytes)) => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
            _ => None,
        }
    };
    let protocol = attributes.inside(TUPLE_PROTOCOL);
    Some(Tuple {
        source: ip(SOURCE4, SOURCE6)?,
        destination: ip(DESTINATION4, DESTINATION6)?,
        protocol: protocol.u8(PROTOCOL_NUMBER)?,
        source_port: protocol.be16(PROTOCOL_SOURCE).unwrap_or_default(),
        destination_port: protocol.be16(PROTOCOL_DESTINATION).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(message: Message, kind: u16, source: [u8; 4], destination: [u8; 4]) -> Message {
        message.nested(kind, |inner| {
            inner
                .nested(TUPLE_ADDRESSES, |inner| {
                    inner
                        .attr(SOURCE4, &source)
                        .attr(DESTINATION4, &destination)
                })
                .nested(TUPLE_PROTOCOL, |inner| {
                    inner
                        .u8(PROTOCOL_NUMBER, 6)
                        .be16(PROTOCOL_SOURCE, 40_000)
                        .be16(PROTOCOL_DESTINATION, 80)
                })
        })
    }

    fn translated() -> Reply {
        let message = Message::new(GET, 0).bytes(&nfgenmsg(2, 0));
        let message = write(message, ORIGINAL, [10, 0, 0, 1], [10, 96, 0, 1]);
        let message = write(message, REPLY, [10, 0, 0, 2], [10, 0, 0, 1]);
        let message = message.be32(STATUS, SEEN_REPLY).be32(ID, 7);
        Reply {
            kind: GET,
            flags: 0,
            payload: message.payload().to_vec(),
        }
    }

    #[test]
    fn an_entry_names_what_translation_made_of_it() {
        let entry = entry(&translated()).unwrap();
        for (last, is_named) in [
            ([10, 0, 0, 1], true),
            ([10, 96, 0, 1], true),
            ([10, 0, 0, 2], true),
            ([10, 0, 0, 3], false),
        ] {
            assert_eq!(entry.names(IpAddr::from(last)), is_named);
        }
        assert_eq!(
            entry.to_string(),
            "protocol 6 10.0.0.1 port 40000 to 10.96.0.1 port 80, back protocol 6 10.0.0.2 port 40000 to 10.0.0.1 port 80"
        );
    }

    #[test]
    fn a_deletion_is_of_one_entry_by_its_number() {
        let deletion = deletion(&translated());
        let attributes = Attributes::new(deletion.payload().get(4..).unwrap());
        assert_eq!(attributes.be32(ID), Some(7));
        let original = tuple(&attributes.inside(ORIGINAL)).unwrap();
        assert_eq!(original.destination, IpAddr::from([10, 96, 0, 1]));
        assert_eq!(attributes.get(REPLY), None);
    }
}
