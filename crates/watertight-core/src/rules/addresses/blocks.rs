//! What blocks and rules say about plain addresses: which they cover, on which ports.
//!
//! INVARIANT: answers are about addresses that are neither pods nor nodes; selectors never cover
//! those (K-29).

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::facts::ranges::{SHARED_V4, UNIQUE_LOCAL_V6, private_v4, private_v6};
use crate::policy::{Action, Peer, Policy, Rule};
use crate::sets::{IpBlock, PortMatch, Protocol};

/// Blocks of this prefix length or shorter are written for "everywhere". Longer than 0 because
/// some people halve a family to get around checks for `/0`.
const WIDE_PREFIX: u8 = 4;

/// Whether a block stands for its whole family.
pub(in crate::rules) fn is_wide(block: &IpBlock) -> bool {
    block.cidr.net.prefix_len() <= WIDE_PREFIX
}

/// Whether an exception of the block leaves the address out.
pub(in crate::rules) fn withholds(block: &IpBlock, ip: IpAddr) -> bool {
    block.except.iter().any(|except| except.net.contains(&ip))
}

/// Whether the exceptions touch a private range, so that the author has thought of them; single
/// hosts such as IPv6 metadata addresses do not count.
pub(in crate::rules) fn withholds_private(block: &IpBlock) -> bool {
    let mut ranges = private_v4().iter().chain(private_v6());
    ranges.any(|range| {
        block.except.iter().any(|except| {
            let large = except.net.prefix_len() <= except.net.max_prefix_len() - 8;
            except.net.contains(range) || (large && range.contains(&except.net))
        })
    })
}

/// The private ranges that a block covers at least in part, with an address in each.
pub(in crate::rules) fn private_in(block: &IpBlock) -> Vec<(IpNet, IpAddr)> {
    let ranges = private_v4().iter().chain([&SHARED_V4]).chain(private_v6());
    let found = ranges.filter_map(|net| {
        // Only the upper half of fc00::/7 is in use.
        let usual = (*net == UNIQUE_LOCAL_V6).then(|| net.subnets(8).ok()?.last());
        let usual = usual.flatten().and_then(|half| witness(block, half));
        Some((*net, usual.or_else(|| witness(block, *net))?))
    });
    found.collect()
}

/// The first address one would use in a network.
pub(in crate::rules) fn first_of(net: IpNet) -> IpAddr {
    match net {
        IpNet::V4(net) => IpAddr::V4(net.hosts().next().unwrap_or(net.network())),
        IpNet::V6(net) if net.prefix_len() == 128 => IpAddr::V6(net.network()),
        IpNet::V6(net) => IpAddr::V6(Ipv6Addr::from(u128::from(net.network()) | 1)),
    }
}

/// An address of a network that the block covers.
pub(in crate::rules) fn witness(block: &IpBlock, net: IpNet) -> Option<IpAddr> {
    let inside = if block.cidr.net.contains(&net) {
        net
    } else if net.contains(&block.cidr.net) {
        block.cidr.net
    } else {
        return None;
    };
    let except: Vec<IpNet> = block.except.iter().map(|except| except.net).collect();
    left_over(&except, inside)
}

fn left_over(except: &[IpNet], net: IpNet) -> Option<IpAddr> {
    if except.iter().any(|except| except.contains(&net)) {
        return None;
    }
    if !except.iter().any(|except| net.contains(except)) {
        return Some(first_of(net));
    }
    let mut halves = net.subnets(net.prefix_len() + 1).ok()?;
    halves.find_map(|half| left_over(except, half))
}

/// The blocks of a rule.
pub(in crate::rules) fn blocks_of(rule: &Rule) -> impl Iterator<Item = &IpBlock> {
    rule.peers.iter().filter_map(|peer| match peer {
        Peer::Block(block, _) => Some(block),
        _ => None,
    })
}

/// Whether a rule has no peer list, so that everybody is meant (K-20).
pub(in crate::rules) fn is_for_anyone(rule: &Rule) -> bool {
    rule.peers.iter().any(|peer| matches!(peer, Peer::Any))
}

/// Whether an allow rule covers an address (K-20, K-63).
pub(in crate::rules) fn covers(rule: &Rule, ip: IpAddr) -> bool {
    rule.action == Action::Allow
        && (is_for_anyone(rule) || blocks_of(rule).any(|block| block.contains(ip)))
}

/// Whether an allow rule admits a connection with an address on a port of that address.
pub(in crate::rules) fn admits(rule: &Rule, ip: IpAddr, protocol: Protocol, port: u16) -> bool {
    covers(rule, ip) && has_port(rule, protocol, port)
}

/// Whether a rule's traffic includes a port; names are no ports of an address (K-57).
pub(in crate::rules) fn has_port(rule: &Rule, protocol: Protocol, port: u16) -> bool {
    rule.traffic.iter().any(|item| match item {
        PortMatch::Everything | PortMatch::Any => true,
        PortMatch::Range {
            protocol: of,
            first,
            last,
            ..
        } => *of == protocol && (*first..=*last).contains(&port),
        PortMatch::Except {
            protocol: of,
            ranges,
            ..
        } => {
            let left_out = |(first, last): &(u16, u16)| (*first..=*last).contains(&port);
            *of == protocol && !ranges.iter().any(left_out)
        }
        PortMatch::Named { .. } | PortMatch::Icmp { .. } => false,
    })
}

/// A port of the rule's traffic that makes sense to a reader; none if it has only names.
pub(in crate::rules) fn telling_port(rule: &Rule) -> Option<(Protocol, u16)> {
    let usual = [443, 80].into_iter().map(|port| (Protocol::Tcp, port));
    let written = rule.traffic.iter().filter_map(|item| match item {
        PortMatch::Range {
            protocol, first, ..
        } => Some((*protocol, (*first).max(1))),
        _ => None,
    });
    usual
        .chain(written)
        .find(|(protocol, port)| has_port(rule, *protocol, *port))
}

/// Whether a rule is about DNS alone: WT302 speaks about those.
pub(in crate::rules) fn is_dns_only(rule: &Rule) -> bool {
    rule.traffic.iter().all(|item| match item {
        PortMatch::Range { first, last, .. } => first == last && matches!(first, 53 | 853 | 5353),
        PortMatch::Named { name, .. } => name.starts_with("dns"),
        PortMatch::Everything
        | PortMatch::Any
        | PortMatch::Except { .. }
        | PortMatch::Icmp { .. } => false,
    })
}

/// Whether a rule's traffic is everything.
pub(in crate::rules) fn is_all_traffic(rule: &Rule) -> bool {
    rule.traffic.contains(&PortMatch::Everything)
}

/// Whether one rule admits at least the ports of another.
pub(in crate::rules) fn covers_traffic(outer: &Rule, inner: &Rule) -> bool {
    let covered = |item: &PortMatch| match item {
        PortMatch::Everything | PortMatch::Any => false,
        PortMatch::Named { .. } | PortMatch::Except { .. } | PortMatch::Icmp { .. } => {
            outer.traffic.contains(item)
        }
        PortMatch::Range {
            protocol: of,
            first: low,
            last: high,
            ..
        } => outer.traffic.iter().any(|other| {
            matches!(other, PortMatch::Range { protocol, first, last, .. }
                if protocol == of && first <= low && high <= last)
        }),
    };
    is_all_traffic(outer) || inner.traffic.iter().all(covered)
}

/// The IPv4 block with exceptions that stands beside an IPv6 block for everywhere without any, in
/// the same policy: the author thought of one family only.
pub(in crate::rules) fn counterpart<'p>(policy: &'p Policy, bare: &IpBlock) -> Option<&'p IpBlock> {
    if bare.is_v4() || !bare.except.is_empty() || !is_wide(bare) {
        return None;
    }
    policy
        .rules
        .iter()
        .flat_map(blocks_of)
        .find(|block| block.is_v4() && is_wide(block) && !block.except.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sets::Cidr;
    use crate::source::{Sources, Span};

    fn block(cidr: &str, except: &[&str]) -> IpBlock {
        let file = Sources::new().add("t", Vec::new()).unwrap();
        let span = Span::new(file, 0, 0);
        let parse = |text: &str| Cidr {
            net: text.parse().unwrap(),
            span,
        };
        IpBlock {
            cidr: parse(cidr),
            except: except.iter().map(|text| parse(text)).collect(),
            span,
        }
    }

    fn left(cidr: &str, except: &[&str], net: &str) -> Option<String> {
        let found = witness(&block(cidr, except), net.parse().unwrap());
        found.map(|ip| ip.to_string())
    }

    #[test]
    fn a_witness_is_the_first_address_that_no_exception_takes() {
        let found = |except: &[&str]| left("0.0.0.0/0", except, "10.0.0.0/8").unwrap_or_default();
        assert_eq!(found(&[]), "10.0.0.1");
        assert_eq!(found(&["10.0.0.0/9"]), "10.128.0.1");
        assert_eq!(found(&["10.0.0.0/9", "10.128.0.0/9"]), "", "together");
        assert_eq!(found(&["0.0.0.0/1"]), "");
        assert_eq!(left("10.1.0.0/16", &[], "10.0.0.0/8").unwrap(), "10.1.0.1");
        assert_eq!(left("10.0.0.0/8", &[], "192.168.0.0/16"), None);
        assert_eq!(left("0.0.0.0/0", &[], "fc00::/7"), None, "K-66");
        assert_eq!(left("::/0", &[], "fc00::/7").unwrap(), "fc00::1");
        let host = left("::/0", &[], "fd00:ec2::254/128").unwrap();
        assert_eq!(host, "fd00:ec2::254");
    }
}
