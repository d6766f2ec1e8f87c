//! A packet that a rule has logged, read from its IP header on: which question it belongs to.
//!
//! Datagrams carry the tag of their question and are known whatever was translated. TCP says it with
//! addresses and ports only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::icmp::{self, Version};
use super::sctp;
use super::wire::{self, Datagram};

/// What a logged packet is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The question with this tag.
    Tag(u32),
    /// The connection over TCP with these ends.
    Connection {
        source: SocketAddr,
        destination: SocketAddr,
    },
}

/// What a packet is about; none if it is no probe of any kind.
pub(super) fn about(packet: &[u8]) -> Option<About> {
    let (source, destination, protocol, body) = ip(packet)?;
    match protocol {
        6 => {
            let (ports, _) = body.split_first_chunk::<4>()?;
            let [a, b, c, d] = *ports;
            Some(About::Connection {
                source: SocketAddr::new(source, u16::from_be_bytes([a, b])),
                destination: SocketAddr::new(destination, u16::from_be_bytes([c, d])),
            })
        }
        17 => match wire::read(body.get(8..)?) {
            Datagram::Probe(tag) | Datagram::Answer(tag, _) => Some(About::Tag(tag)),
            Datagram::Other => None,
        },
        132 => Some(About::Tag(sctp::read(body)?.chunk.tag())),
        1 => Some(About::Tag(icmp::read(Version::V4, body)?.tag)),
        58 => Some(About::Tag(icmp::read(Version::V6, body)?.tag)),
        _ => None,
    }
}

/// Addresses, protocol and payload of a packet that is no later fragment.
fn ip(packet: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    match packet.first()? >> 4 {
        4 => {
            let (header, _) = packet.split_first_chunk::<20>()?;
            let [
                first,
                _,
                _,
                _,
                _,
                _,
                high,
                low,
                _,
                protocol,
                _,
                _,
                rest @ ..,
            ] = *header;
            let [a, b, c, d, e, f, g, h] = rest;
            if u16::from_be_bytes([high, low]) & 0x1fff != 0 {
                return None;
            }
            let body = packet.get(usize::from(first & 0xf) * 4..)?;
            let source = Ipv4Addr::from([a, b, c, d]);
            let destination = Ipv4Addr::from([e, f, g, h]);
            Some((source.into(), destination.into(), protocol, body))
        }
        6 => {
            let (header, rest) = packet.split_first_chunk::<8>()?;
            let (source, rest) = rest.split_first_chunk::<16>()?;
            let (destination, rest) = rest.split_first_chunk::<16>()?;
            let [_, _, _, _, _, _, next, _] = *header;
            let (protocol, body) = upper(next, rest)?;
            let source = Ipv6Addr::from(*source);
            let destination = Ipv6Addr::from(*destination);
            Some((source.into(), destination.into(), protocol, body))
        }
        _ => None,
    }
}

/// Past the extension headers of IPv6.
fn upper(mut next: u8, mut rest: &[u8]) -> Option<(u8, &[u8])> {
    loop {
        let length = match next {
            0 | 43 | 60 => 8 + usize::from(*rest.get(1)?) * 8,
            44 => {
                let ([_, _, high, low], _) = rest.split_first_chunk::<4>()?;
                if u16::from_be_bytes([*high, *low]) >> 3 != 0 {
                    return None;
                }
                8
            }
            _ => return Some((next, rest)),
        };
        next = *rest.first()?;
        rest = rest.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(protocol: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0];
        bytes.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        bytes.extend(body);
        bytes
    }

    fn v6(next: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 0, next, 64];
        bytes.extend("fd00::1".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend("fd00::2".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn tcp_is_known_by_its_ends() {
        let body = [0x9c, 0x40, 0, 80, 0, 0, 0, 0];
        for (bytes, source, destination) in [
            (v4(6, &body), "10.0.0.1:40000", "10.0.0.2:80"),
            (v6(6, &body), "[fd00::1]:40000", "[fd00::2]:80"),
        ] {
            let expected = About::Connection {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
            };
            assert_eq!(about(&bytes), Some(expected));
        }
    }

    #[test]
    fn datagrams_are_known_by_their_tag() {
        let mut datagram = vec![0; 8];
        datagram.extend(wire::probe(99));
        let init = sctp::init(1, 2, 99);
        let bodies = [
            v4(17, &datagram),
            v6(17, &datagram),
            v4(132, &init),
            v6(132, &init),
            v4(1, &icmp::request(Version::V4, 99)),
            v6(58, &icmp::request(Version::V6, 99)),
        ];
        for bytes in bodies {
            assert_eq!(about(&bytes), Some(About::Tag(99)), "{bytes:?}");
        }
    }

    #[test]
    fn options_and_extension_headers_are_skipped_and_later_fragments_are_nothing() {
        let mut datagram = vec![0; 8];
        datagram.extend(wire::probe(5));
        let mut options = v4(17, &[]);
        options[0] = 0x46;
        options.extend([1, 1, 1, 0]);
        options.extend(&datagram);
        assert_eq!(about(&options), Some(About::Tag(5)));
        let mut fragment = v4(17, &datagram);
        fragment[7] = 1;
        assert_eq!(about(&fragment), None);

        let mut hop = vec![44, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 0];
        hop.extend(&datagram);
        assert_eq!(about(&v6(0, &hop)), Some(About::Tag(5)));
        hop[11] = 9;
        assert_eq!(about(&v6(0, &hop)), None);
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let whole = v6(17, &[0; 16]);
        for length in 0..whole.len() {
            assert_eq!(about(&whole[..length]), None);
        }
        assert_eq!(about(&v4(2, &[0; 40])), None);
    }
}
