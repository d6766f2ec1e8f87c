//! CIDRs by their bits (K-63, K-66).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address as bits, and how many there are.
fn bits(ip: IpAddr) -> (u128, u32) {
    match ip {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

fn mask(width: u32, prefix: u32) -> u128 {
    (0..prefix).fold(0, |mask, bit| mask | 1 << (width - 1 - bit))
}

/// The first and the last address of the network of a prefix around an address.
pub(crate) fn network(ip: IpAddr, prefix: u32) -> (IpAddr, IpAddr) {
    let (address, width) = bits(ip);
    let first = address & mask(width, prefix);
    let last = first | (mask(width, width) & !mask(width, prefix));
    let back = |bits: u128| match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(bits).unwrap())),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(bits)),
    };
    (back(first), back(last))
}

/// Whether a CIDR contains an address; families never mix (K-66).
pub(crate) fn fits(cidr: &str, ip: IpAddr) -> bool {
    let (base, prefix) = cidr.split_once('/').unwrap();
    let base: IpAddr = base.parse().unwrap();
    let (base, width) = bits(base);
    let (ip, ip_width) = bits(ip);
    let mask = mask(width, prefix.parse().unwrap());
    width == ip_width && base & mask == ip & mask
}
