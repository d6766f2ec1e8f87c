//! Sets of destination ports, and their neutral spelling.
//!
//! `all`, `none`, or `PROTOCOL:FIRST-LAST,FIRST-LAST;PROTOCOL:...`. INVARIANT: ranges are sorted, apart
//! and within 1..=65535, and no protocol is listed without one, so equal sets are equal values.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, bail};
use watertight_core::sets::Protocol;

/// The protocols that a NetworkPolicy can name.
pub(super) const PROTOCOLS: [Protocol; 3] = [Protocol::Sctp, Protocol::Tcp, Protocol::Udp];

const LOWEST: u16 = 1;

/// Destination ports of every protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ports(BTreeMap<Protocol, Vec<(u16, u16)>>);

impl Ports {
    /// Every port of every protocol.
    pub(super) fn all() -> Self {
        let whole = |protocol| (protocol, vec![(LOWEST, u16::MAX)]);
        Self(PROTOCOLS.into_iter().map(whole).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, protocol: Protocol, port: u16) -> bool {
        let within = |(first, last): &(u16, u16)| (*first..=*last).contains(&port);
        self.0
            .get(&protocol)
            .is_some_and(|ranges| ranges.iter().any(within))
    }

    pub(super) fn add(&mut self, protocol: Protocol, first: u16, last: u16) {
        let first = first.max(LOWEST);
        if first > last {
            return;
        }
        let ranges = self.0.entry(protocol).or_default();
        ranges.push((first, last));
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges.drain(..) {
            match merged.last_mut() {
                Some((_, end)) if u32::from(first) <= u32::from(*end) + 1 => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        *ranges = merged;
    }

    pub(super) fn union(&mut self, other: &Self) {
        for (protocol, ranges) in &other.0 {
            for (first, last) in ranges {
                self.add(*protocol, *first, *last);
            }
        }
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut ports = Self::default();
        match text {
            "all" => return Ok(Self::all()),
            "none" => return Ok(ports),
            _ => {}
        }
        for part in text.split(';') {
            let (protocol, ranges) = part
                .split_once(':')
                .with_context(|| format!("`{part}` has no `PROTOCOL:`"))?;
            let protocol = Protocol::from_api(protocol)
                .with_context(|| format!("`{protocol}` is no protocol"))?;
            for range in ranges.split(',') {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let (first, last) = (first.parse()?, last.parse()?);
                if first == 0 || first > last {
                    bail!("`{range}` is no range of ports");
                }
                ports.add(protocol, first, last);
            }
        }
        Ok(ports)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        if *self == Self::all() {
            return f.write_str("all");
        }
        for (index, (protocol, ranges)) in self.0.iter().enumerate() {
            let ranges: Vec<_> = ranges
                .iter()
                .map(|(first, last)| format!("{first}-{last}"))
                .collect();
            let separator = if index == 0 { "" } else { ";" };
            write!(f, "{separator}{}:{}", protocol.api(), ranges.join(","))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read_and_written_the_same() {
        for text in ["all", "none", "TCP:80-80", "TCP:1-79,81-65535;UDP:53-53"] {
            assert_eq!(Ports::parse(text).unwrap().to_string(), text);
        }
        let spelt = "SCTP:1-65535;TCP:1-65535;UDP:1-65535";
        assert_eq!(Ports::parse(spelt).unwrap(), Ports::all());
        for bad in ["", "80", "ICMP:1-2", "TCP:0-3", "TCP:5-4", "TCP:x"] {
            assert!(Ports::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn adjacent_and_overlapping_ranges_become_one() {
        let mut ports = Ports::default();
        for (first, last) in [(90, 95), (80, 89), (94, 99), (0, 3), (65535, 65535)] {
            ports.add(Protocol::Tcp, first, last);
        }
        assert_eq!(ports.to_string(), "TCP:1-3,80-99,65535-65535");
        assert!(ports.contains(Protocol::Tcp, 99) && !ports.contains(Protocol::Udp, 99));
    }
}
