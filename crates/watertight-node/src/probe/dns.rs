//! A stub for names: it answers queries for addresses from a table, and knows no other names.
//!
//! One question per query, over UDP, or over TCP with its length before it (RFC 1035).

use std::collections::BTreeMap;
use std::net::IpAddr;

const HEADER: usize = 12;
const A: u16 = 1;
const AAAA: u16 = 28;
const ANY: u16 = 255;
const NO_SUCH_NAME: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;

/// Which addresses names have. Case does not count, nor does a dot at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    table: BTreeMap<Box<str>, Vec<IpAddr>>,
}

impl Names {
    /// Adds an address to a name.
    pub fn add(&mut self, name: &str, address: IpAddr) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.table.entry(name.into()).or_default().push(address);
    }

    /// The answer to a query; none if it is no query.
    pub(super) fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (header, body) = query.split_first_chunk::<HEADER>()?;
        let [id_high, id_low, flags, _, 0, 1, ..] = *header else {
            return None;
        };
        // A response, or a query whose question is elsewhere.
        if flags & 0x80 != 0 {
            return None;
        }
        let (name, rest) = name(body)?;
        let ([a, b, _, 1 | 255], after) = rest.split_first_chunk::<4>()? else {
            return None;
        };
        let kind = u16::from_be_bytes([*a, *b]);
        let known = self.table.get(name.as_str());
        let code = match (flags & 0x78, known) {
            (0, Some(_)) => 0,
            (0, None) => NO_SUCH_NAME,
            _ => NOT_IMPLEMENTED,
        };
        let addresses: Vec<IpAddr> = known
            .filter(|_| code == 0)
            .into_iter()
            .flatten()
            .filter(|address| kind == ANY || kind == if address.is_ipv4() { A } else { AAAA })
            .copied()
            .collect();
        let count = u16::try_from(addresses.len()).ok()?;

        // An answer, of one who is the authority, with recursion if it was wanted.
        let flags = [0x84 | (flags & 0x79), 0x80 | code];
        let mut bytes = vec![id_high, id_low];
        bytes.extend(flags);
        bytes.extend([0, 1]);
        bytes.extend(count.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend_from_slice(body.get(..body.len() - after.len())?);
        for address in addresses {
            // The name is that of the question, which begins behind the header.
            bytes.extend([0xc0, 0x0c]);
            let (kind, octets) = match address {
                IpAddr::V4(address) => (A, address.octets().to_vec()),
                IpAddr::V6(address) => (AAAA, address.octets().to_vec()),
            };
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 1, 0, 0, 0, 5, 0]);
            bytes.push(u8::try_from(octets.len()).ok()?);
            bytes.extend(octets);
        }
        Some(bytes)
    }
}

/// A name without compression, and what comes after it.
fn name(mut bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut name = String::new();
    loop {
        let (length, rest) = bytes.split_first()?;
        if *length == 0 {
            return Some((name, rest));
        }
        if *length > 63 || name.len() > 255 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
        bytes = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0xab, 0xcd, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            bytes.push(u8::try_from(label.len()).unwrap());
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes
    }

    fn names() -> Names {
        let mut names = Names::default();
        names.add("web.shop.svc.cluster.local.", "10.96.0.1".parse().unwrap());
        names.add("web.shop.svc.cluster.local", "fd00:96::1".parse().unwrap());
        names
    }

    /// The code of the answer, and the addresses in it.
    fn ask(name: &str, kind: u16) -> (u8, Vec<u8>) {
        let query = query(name, kind);
        let answer = names().answer(&query).unwrap();
        assert_eq!(answer[..2], [0xab, 0xcd]);
        assert_eq!(
            answer[2], 0x85,
            "an answer, with authority, as it was asked for"
        );
        assert_eq!(answer[12..query.len()], query[12..], "with the question");
        (answer[3] & 0xf, answer[query.len()..].to_vec())
    }

    #[test]
    fn addresses_of_the_kind_that_was_asked_for() {
        let (code, record) = ask("Web.shop.SVC.cluster.local", A);
        assert_eq!(code, 0);
        assert_eq!(
            record,
            [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 96, 0, 1]
        );
        let (_, record) = ask("web.shop.svc.cluster.local", AAAA);
        assert_eq!(record[..12], [0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 5, 0, 16]);
        assert_eq!(record.len(), 28);
        assert_eq!(ask("web.shop.svc.cluster.local", ANY).1.len(), 16 + 28);
    }

    #[test]
    fn a_known_name_without_such_records_is_no_unknown_name() {
        assert_eq!(ask("web.shop.svc.cluster.local", 16), (0, vec![]));
        assert_eq!(ask("example.com", A), (NO_SUCH_NAME, vec![]));
    }

    #[test]
    fn what_is_no_query_is_not_answered() {
        let names = names();
        let whole = query("example.com", A);
        for length in 0..whole.len() {
            assert_eq!(names.answer(&whole[..length]), None, "{length}");
        }
        let mut answer = whole.clone();
        answer[2] |= 0x80;
        assert_eq!(names.answer(&answer), None, "an answer is not answered");
        assert_eq!(names.answer(b"wt? 1234"), None);
    }
}
