//! What probes and their answers say: a tag, by which an answer (or a logged packet) is known to belong to a
//! question, and who answers.
//!
//! INVARIANT: an answer is never taken for a probe, so that two listeners never talk to each other for ever.

use std::net::IpAddr;
use std::sync::Arc;

const PROBE: &[u8; 4] = b"wt? ";
const ANSWER: &[u8; 4] = b"wt! ";

/// Who answered: a listener says its party's name, and the address at which it was reached after all
/// translation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Responder {
    /// The party's name.
    pub name: Arc<str>,
    /// The address that was really reached, if the listener could tell.
    pub address: Option<IpAddr>,
}

/// What a datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datagram<'a> {
    /// A question with this tag.
    Probe(u32),
    /// The answer to it, and who speaks.
    Answer(u32, &'a [u8]),
    /// Something else.
    Other,
}

/// The payload of a probe.
pub(super) fn probe(tag: u32) -> [u8; 8] {
    let [a, b, c, d] = *PROBE;
    let [e, f, g, h] = tag.to_be_bytes();
    [a, b, c, d, e, f, g, h]
}

/// The payload of an answer to a datagram.
pub(super) fn answer(tag: u32, responder: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + responder.len());
    bytes.extend_from_slice(ANSWER);
    bytes.extend_from_slice(&tag.to_be_bytes());
    bytes.extend_from_slice(responder);
    bytes
}

/// What a payload says.
pub(super) fn read(payload: &[u8]) -> Datagram<'_> {
    let Some((magic, rest)) = payload.split_first_chunk::<4>() else {
        return Datagram::Other;
    };
    let Some((tag, rest)) = rest.split_first_chunk::<4>() else {
        return Datagram::Other;
    };
    let tag = u32::from_be_bytes(*tag);
    match magic {
        PROBE => Datagram::Probe(tag),
        ANSWER => Datagram::Answer(tag, rest),
        _ => Datagram::Other,
    }
}

/// A listener's line about itself: `10.0.0.1 shop/web`.
pub(super) fn introduce(name: &str, address: Option<IpAddr>) -> Vec<u8> {
    match address {
        Some(address) => format!("{} {name}\n", address.to_canonical()),
        None => format!("- {name}\n"),
    }
    .into_bytes()
}

/// Reads the line of [`introduce`]; none if a stranger speaks.
pub(super) fn responder(line: &[u8]) -> Option<Responder> {
    let line = std::str::from_utf8(line).ok()?;
    let (address, name) = line.strip_suffix('\n')?.split_once(' ')?;
    let address = match address {
        "-" => None,
        address => Some(address.parse().ok()?),
    };
    Some(Responder {
        name: name.into(),
        address,
    })
}

/// What a connection over TCP is greeted with.
pub(super) fn greeting(name: &str, address: Option<IpAddr>) -> Vec<u8> {
    let mut bytes = ANSWER.to_vec();
    bytes.extend(introduce(name, address));
    bytes
}

/// Who greets so.
pub(super) fn greeted_by(bytes: &[u8]) -> Option<Responder> {
    responder(bytes.strip_prefix(ANSWER)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_carry_the_tag_and_the_name_back() {
        let Datagram::Probe(tag) = read(&probe(0xdead_beef)) else {
            panic!("not a probe")
        };
        let line = introduce("shop/web 1", Some("::ffff:10.0.0.1".parse().unwrap()));
        let bytes = answer(tag, &line);
        let Datagram::Answer(0xdead_beef, line) = read(&bytes) else {
            panic!("not an answer")
        };
        let responder = responder(line).unwrap();
        assert_eq!(&*responder.name, "shop/web 1");
        assert_eq!(responder.address, Some("10.0.0.1".parse().unwrap()));
        assert_eq!(
            greeted_by(&greeting("shop/web 1", responder.address)),
            Some(responder)
        );
    }

    #[test]
    fn strangers_are_strangers() {
        assert_eq!(read(b""), Datagram::Other);
        assert_eq!(read(b"wt? 12"), Datagram::Other);
        assert_eq!(read(b"HTTP/1.1 200 OK"), Datagram::Other);
        for greeting in ["SSH-2.0-x\n", "wt! ", "wt! \n", "wt! 10.0.0.1", "wt! x y\n"] {
            assert_eq!(greeted_by(greeting.as_bytes()), None, "{greeting}");
        }
        let nameless = greeted_by(b"wt! - world\n").unwrap();
        assert_eq!((&*nameless.name, nameless.address), ("world", None));
    }
}
