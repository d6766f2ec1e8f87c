//! Echo requests of ICMP and ICMPv6, and what errors of theirs mean.

use super::wire::{self, Datagram};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Version {
    V4,
    V6,
}

impl Version {
    fn request(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    fn reply(self) -> u8 {
        match self {
            Self::V4 => 0,
            Self::V6 => 129,
        }
    }

    /// Whether an error says of itself that the packet came through to its destination's stack and found
    /// nobody: no such port, or no such protocol.
    pub(super) fn finds_nobody(self, kind: u8, code: u8) -> bool {
        match self {
            Self::V4 => kind == 3 && matches!(code, 2 | 3),
            Self::V6 => (kind, code) == (1, 4) || (kind, code) == (4, 1),
        }
    }

    /// Whether an error is about the size of packets or the pace of sending, and so no refusal.
    pub(super) fn is_advice(self, kind: u8, code: u8) -> bool {
        match self {
            Self::V4 => (kind, code) == (3, 4) || kind == 4 || kind == 5,
            Self::V6 => kind == 2,
        }
    }
}

/// A message of echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    pub(super) tag: u32,
    pub(super) is_reply: bool,
}

/// A request. The kernel fills in the checksum of ICMPv6 and not that of ICMP.
pub(super) fn request(version: Version, tag: u32) -> Vec<u8> {
    let [a, b, c, d] = tag.to_be_bytes();
    let mut bytes = vec![version.request(), 0, 0, 0, c, d, a, b];
    bytes.extend_from_slice(&wire::probe(tag));
    if version == Version::V4 {
        let [high, low] = checksum(&bytes).to_be_bytes();
        for (byte, value) in bytes.iter_mut().skip(2).zip([high, low]) {
            *byte = value;
        }
    }
    bytes
}

/// Reads a message, if it is the echo of a probe.
pub(super) fn read(version: Version, bytes: &[u8]) -> Option<Echo> {
    let ([kind, ..], payload) = bytes.split_first_chunk::<8>()?;
    let is_reply = *kind == version.reply();
    if !is_reply && *kind != version.request() {
        return None;
    }
    match wire::read(payload) {
        Datagram::Probe(tag) => Some(Echo { tag, is_reply }),
        _ => None,
    }
}

/// The checksum of the Internet (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            [high] => u32::from(*high) << 8,
            _ => 0,
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_sum_up_to_nothing() {
        let bytes = request(Version::V4, 0x1234_5678);
        assert_eq!(checksum(&bytes), 0);
        assert_eq!(checksum(&[0, 1, 0xf2]), !0xf201);
    }

    #[test]
    fn echoes_are_told_apart() {
        for version in [Version::V4, Version::V6] {
            let mut bytes = request(version, 77);
            let asked = Echo {
                tag: 77,
                is_reply: false,
            };
            assert_eq!(read(version, &bytes), Some(asked));
            bytes[0] = version.reply();
            let answered = Echo {
                tag: 77,
                is_reply: true,
            };
            assert_eq!(read(version, &bytes), Some(answered));
            bytes[0] = 3;
            assert_eq!(read(version, &bytes), None);
            assert_eq!(read(version, &bytes[..7]), None);
        }
        assert_eq!(read(Version::V4, &request(Version::V6, 1)), None);
    }

    #[test]
    fn errors_that_come_from_the_end_and_errors_on_the_way() {
        use Version::{V4, V6};
        for (version, kind, code) in [(V4, 3, 3), (V4, 3, 2), (V6, 1, 4), (V6, 4, 1)] {
            assert!(
                version.finds_nobody(kind, code),
                "{version:?} {kind}/{code}"
            );
        }
        for (version, kind, code) in [(V4, 3, 13), (V4, 3, 1), (V6, 1, 1), (V6, 3, 0), (V4, 11, 0)]
        {
            assert!(
                !version.finds_nobody(kind, code),
                "{version:?} {kind}/{code}"
            );
            assert!(!version.is_advice(kind, code), "{version:?} {kind}/{code}");
        }
        assert!(V4.is_advice(3, 4) && V6.is_advice(2, 0));
    }
}
