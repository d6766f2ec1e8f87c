//! Blocks around the addresses of a cluster.

use std::net::IpAddr;

use proptest::prelude::*;

use crate::oracle::objects::{Cluster, IpBlock};
use crate::oracle::{fits, network};

const V4_PREFIXES: &[u32] = &[32, 31, 30, 29, 24, 16, 8, 1, 0];
const V6_PREFIXES: &[u32] = &[128, 127, 126, 124, 64, 32, 8, 1, 0];

/// A block before the addresses of the cluster are known: choices among them.
#[derive(Clone, Debug)]
pub(super) struct RawBlock {
    v6: bool,
    base: u8,
    prefix: u8,
    except: Option<Vec<(u8, u8)>>,
}

pub(super) fn block() -> impl Strategy<Value = RawBlock> {
    let except = prop::collection::vec((0..16u8, 0..6u8), 0..=3);
    let except = prop::option::weighted(0.6, except);
    (prop::bool::weighted(0.3), 0..16u8, 0..9u8, except).prop_map(|(v6, base, prefix, except)| {
        RawBlock {
            v6,
            base,
            prefix,
            except,
        }
    })
}

/// Addresses that nobody in the cluster owns.
pub(super) const OUTSIDE: [&str; 6] = [
    "203.0.113.77",
    "10.0.0.200",
    "127.0.0.1",
    "2001:db8::77",
    "fd00::c8",
    "::1",
];

/// Every address that the cluster knows, and some that it does not.
pub(super) fn pool(cluster: &Cluster) -> Vec<IpAddr> {
    let pods = cluster.pods.iter().flat_map(|pod| &pod.addresses);
    let nodes = cluster.nodes.iter().flat_map(|node| &node.addresses);
    let services = cluster
        .services
        .iter()
        .flat_map(|service| &service.cluster_ips);
    let outside = OUTSIDE.iter().map(|ip| ip.parse().unwrap());
    pods.chain(nodes)
        .chain(services)
        .copied()
        .chain(outside)
        .collect()
}

fn pick<T: Copy>(items: &[T], choice: u8) -> T {
    items[usize::from(choice) % items.len()]
}

fn cidr(ip: IpAddr, prefix: u32) -> String {
    format!("{}/{prefix}", network(ip, prefix).0)
}

impl RawBlock {
    /// The block; its exceptions lie strictly inside it (V-18).
    pub(super) fn around(&self, pool: &[IpAddr]) -> IpBlock {
        let family: Vec<IpAddr> = pool
            .iter()
            .copied()
            .filter(|ip| ip.is_ipv6() == self.v6)
            .collect();
        let prefixes = if self.v6 { V6_PREFIXES } else { V4_PREFIXES };
        let base = pick(&family, self.base);
        let prefix = pick(prefixes, self.prefix);
        let whole = cidr(base, prefix);
        let longer: Vec<u32> = prefixes.iter().copied().filter(|p| *p > prefix).collect();
        let except = self.except.as_ref().map(|except| {
            if longer.is_empty() {
                return Vec::new();
            }
            let inside = |(choice, prefix): &(u8, u8)| {
                let candidate = pick(&family, *choice);
                let base = if fits(&whole, candidate) {
                    candidate
                } else {
                    base
                };
                cidr(base, pick(&longer, *prefix))
            };
            except.iter().map(inside).collect()
        });
        IpBlock {
            cidr: whole,
            except,
        }
    }
}

/// The addresses where the answer of a block may change: its ends, those of its exceptions, and
/// their neighbours.
pub(super) fn boundaries(block: &IpBlock) -> Vec<IpAddr> {
    let cidrs = std::iter::once(&block.cidr).chain(block.except.iter().flatten());
    let mut found = Vec::new();
    for cidr in cidrs {
        let (ip, prefix) = cidr.split_once('/').unwrap();
        let (first, last) = network(ip.parse().unwrap(), prefix.parse().unwrap());
        found.extend(
            [Some(first), Some(last), step(first, -1), step(last, 1)]
                .into_iter()
                .flatten(),
        );
    }
    found
}

pub(super) fn step(ip: IpAddr, by: i8) -> Option<IpAddr> {
    let step = |bits: u128| match by {
        1.. => bits.checked_add(1),
        _ => bits.checked_sub(1),
    };
    match ip {
        IpAddr::V4(v4) => {
            let bits = u32::try_from(step(u32::from(v4).into())?).ok()?;
            Some(IpAddr::V4(bits.into()))
        }
        IpAddr::V6(v6) => Some(IpAddr::V6(step(v6.into())?.into())),
    }
}
