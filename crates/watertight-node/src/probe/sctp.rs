//! The first two packets of SCTP (RFC 9260), made and read by hand, because few kernels have SCTP built in.
//!
//! A probe is an INIT whose initiate tag is the question's tag. Whoever answers must repeat that tag as
//! verification tag: INIT ACK if somebody listens there, ABORT if nobody does. Nothing is ever associated.

const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;
const COOKIE: u16 = 7;

/// A packet, as far as probes look into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) source: u16,
    pub(super) destination: u16,
    pub(super) chunk: Chunk<'a>,
}

/// The first chunk, with the tag of the side that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk<'a> {
    /// Somebody asks.
    Init { tag: u32 },
    /// Somebody listens, and says who in the cookie.
    InitAck { tag: u32, cookie: &'a [u8] },
    /// Nobody listens.
    Abort { tag: u32 },
    /// Anything else.
    Other { tag: u32 },
}

impl Chunk<'_> {
    /// The tag of the side that asked.
    pub(super) fn tag(&self) -> u32 {
        match *self {
            Self::Init { tag }
            | Self::InitAck { tag, .. }
            | Self::Abort { tag }
            | Self::Other { tag } => tag,
        }
    }
}

/// An INIT with this tag.
pub(super) fn init(source: u16, destination: u16, tag: u32) -> Vec<u8> {
    packet(source, destination, 0, INIT, &beginning(tag))
}

/// The answer to an INIT by one who listens.
pub(super) fn init_ack(init: &Packet<'_>, cookie: &[u8]) -> Vec<u8> {
    let mut body = beginning(init.chunk.tag() ^ 0x5774_5774);
    let length = u16::try_from(4 + cookie.len()).unwrap_or(u16::MAX);
    body.extend_from_slice(&COOKIE.to_be_bytes());
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(cookie);
    packet(
        init.destination,
        init.source,
        init.chunk.tag(),
        INIT_ACK,
        &body,
    )
}

/// The answer to an INIT where nobody listens.
pub(super) fn abort(init: &Packet<'_>) -> Vec<u8> {
    packet(init.destination, init.source, init.chunk.tag(), ABORT, &[])
}

/// Reads a packet from its common header on. The head of one is enough: an error of ICMP may quote no more.
pub(super) fn read(bytes: &[u8]) -> Option<Packet<'_>> {
    let (source, rest) = bytes.split_first_chunk::<2>()?;
    let (destination, rest) = rest.split_first_chunk::<2>()?;
    let (verification, rest) = rest.split_first_chunk::<4>()?;
    let (_checksum, rest) = rest.split_first_chunk::<4>()?;
    let tag = u32::from_be_bytes(*verification);
    let chunk = chunk(tag, rest).unwrap_or(Chunk::Other { tag });
    Some(Packet {
        source: u16::from_be_bytes(*source),
        destination: u16::from_be_bytes(*destination),
        chunk,
    })
}

fn chunk(verification: u32, bytes: &[u8]) -> Option<Chunk<'_>> {
    let ([kind, _flags, _, _], body) = bytes.split_first_chunk::<4>()?;
    Some(match *kind {
        INIT => Chunk::Init {
            tag: u32::from_be_bytes(*body.first_chunk()?),
        },
        INIT_ACK => Chunk::InitAck {
            tag: verification,
            cookie: body.get(16..).and_then(cookie).unwrap_or_default(),
        },
        ABORT => Chunk::Abort { tag: verification },
        _ => Chunk::Other { tag: verification },
    })
}

/// The state cookie among the parameters of an INIT ACK.
fn cookie(mut parameters: &[u8]) -> Option<&[u8]> {
    loop {
        let ([a, b, c, d], _) = parameters.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        if u16::from_be_bytes([*a, *b]) == COOKIE {
            return parameters.get(4..length);
        }
        parameters = parameters.get(length.max(4).next_multiple_of(4)..)?;
    }
}

/// Tag, window, streams and first sequence number, of INIT and INIT ACK alike.
fn beginning(tag: u32) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    body.extend_from_slice(&tag.to_be_bytes());
    body.extend_from_slice(&0x1_0000_u32.to_be_bytes());
    body.extend_from_slice(&1_u16.to_be_bytes());
    body.extend_from_slice(&1_u16.to_be_bytes());
    body.extend_from_slice(&tag.to_be_bytes());
    body
}

fn packet(source: u16, destination: u16, verification: u32, kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + body.len()).unwrap_or(u16::MAX);
    let mut head = Vec::with_capacity(16 + body.len().next_multiple_of(4));
    head.extend_from_slice(&source.to_be_bytes());
    head.extend_from_slice(&destination.to_be_bytes());
    head.extend_from_slice(&verification.to_be_bytes());
    let mut rest = vec![kind, 0];
    rest.extend_from_slice(&length.to_be_bytes());
    rest.extend_from_slice(body);
    rest.resize(rest.len().next_multiple_of(4), 0);
    let sum = [&*head, &[0; 4], &*rest]
        .iter()
        .fold(!0, |sum, part| crc32c(sum, part));
    head.extend_from_slice(&(!sum).to_le_bytes());
    head.extend_from_slice(&rest);
    head
}

/// The checksum of SCTP (Castagnoli's polynomial, reflected), without the last complement.
fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, byte| {
        let index = (sum ^ u32::from(*byte)) & 0xff;
        let entry = TABLE.get(index as usize).copied().unwrap_or_default();
        (sum >> 8) ^ entry
    })
}

static TABLE: [u32; 256] = table();

#[expect(clippy::indexing_slicing, reason = "the loop ends with the array")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                (value >> 1) ^ 0x82f6_3b78
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The well-known check value of CRC-32C.
    #[test]
    fn checksum_of_the_digits() {
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn packets_have_the_checksum_of_all_their_other_bytes() {
        let mut bytes = init(40_000, 9999, 7);
        assert_eq!(bytes.len(), 12 + 20);
        let sum = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
        bytes[8..12].fill(0);
        assert_eq!(sum, !crc32c(!0, &bytes));
    }

    #[test]
    fn an_init_is_answered_with_its_own_tag() {
        let bytes = init(40_000, 9999, 0xcafe);
        let asked = read(&bytes).unwrap();
        assert_eq!((asked.source, asked.destination), (40_000, 9999));
        assert_eq!(asked.chunk, Chunk::Init { tag: 0xcafe });

        for cookie in [&b"10.0.0.1 shop/web\n"[..], b"x", b""] {
            let bytes = init_ack(&asked, cookie);
            assert_eq!(bytes.len() % 4, 0, "chunks are padded");
            let answer = read(&bytes).unwrap();
            assert_eq!((answer.source, answer.destination), (9999, 40_000));
            assert_eq!(
                answer.chunk,
                Chunk::InitAck {
                    tag: 0xcafe,
                    cookie
                }
            );
        }
        let bytes = abort(&asked);
        assert_eq!(read(&bytes).unwrap().chunk, Chunk::Abort { tag: 0xcafe });
    }

    #[test]
    fn what_is_cut_short_is_read_as_far_as_it_goes() {
        let bytes = init(40_000, 9999, 0xcafe);
        assert_eq!(read(&bytes[..11]), None);
        assert_eq!(read(&bytes[..12]).unwrap().chunk, Chunk::Other { tag: 0 });
        let ack = init_ack(&read(&bytes).unwrap(), b"name");
        let short = read(&ack[..24]).unwrap();
        assert_eq!(
            short.chunk,
            Chunk::InitAck {
                tag: 0xcafe,
                cookie: b""
            }
        );
    }

    /// A kernel's cookie comes after other parameters, and a length of nothing ends no loop.
    #[test]
    fn parameters_before_the_cookie_are_skipped() {
        let parameters = [0x80, 0, 0, 4, 0, 8, 0, 5, 1, 0, 0, 0, 0, 7, 0, 6, 9, 9];
        assert_eq!(cookie(&parameters), Some(&[9, 9][..]));
        assert_eq!(cookie(&[0, 1, 0, 0, 0, 1, 0, 0]), None);
    }
}
