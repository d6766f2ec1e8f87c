//! Ranges of addresses, cut where a policy may begin or cease to match.
//!
//! INVARIANT: every address of a cut range lies in the same blocks as its example, and ranges come
//! in order without overlap.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use crate::eval::Family;
use crate::sets::IpBlock;
use crate::world::World;

/// An inclusive range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Range {
    /// The family.
    pub family: Family,
    /// The first address, as a number.
    pub first: u128,
    /// The last address.
    pub last: u128,
}

impl From<IpNet> for Range {
    fn from(net: IpNet) -> Self {
        Self {
            family: Family::of(net.addr()),
            first: number(net.network()),
            last: number(net.broadcast()),
        }
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        Family::V6 => Ipv6Addr::from(number).into(),
    }
}

impl Range {
    /// The first address.
    #[must_use]
    pub fn start(self) -> IpAddr {
        address(self.family, self.first)
    }

    /// The last address.
    #[must_use]
    pub fn end(self) -> IpAddr {
        address(self.family, self.last)
    }

    /// Whether it is all of its family.
    #[must_use]
    pub fn is_whole_family(self) -> bool {
        let last = match self.family {
            Family::V4 => u128::from(u32::MAX),
            Family::V6 => u128::MAX,
        };
        self.first == 0 && self.last == last
    }

    /// The size less one, which always fits.
    #[must_use]
    pub fn extent(self) -> u128 {
        self.last - self.first
    }
}

/// A network where it is one, else `first-last`.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.start(), self.end());
        if first == last {
            return write!(f, "{first}");
        }
        let mut nets: Box<dyn Iterator<Item = IpNet>> = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Box::new(Ipv4Subnets::new(first, last, 0).map(IpNet::V4))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Box::new(Ipv6Subnets::new(first, last, 0).map(IpNet::V6))
            }
            _ => return Ok(()),
        };
        match (nets.next(), nets.next()) {
            (Some(net), None) => write!(f, "{net}"),
            _ => write!(f, "{first}-{last}"),
        }
    }
}

/// What no question about the world means: addresses inside the pod that asks.
const LOOPBACK: [(IpAddr, u8); 2] = [
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// Every address but loopback, and but the range where pods of unknown address lie (M-1).
pub(super) fn outside(world: &World) -> Vec<Range> {
    let mut ranges = vec![
        Range {
            family: Family::V4,
            first: 0,
            last: u128::from(u32::MAX),
        },
        Range {
            family: Family::V6,
            first: 0,
            last: u128::MAX,
        },
    ];
    let loopback = LOOPBACK
        .iter()
        .filter_map(|(ip, length)| IpNet::new(*ip, *length).ok());
    let assumed: &[IpNet] = if world.assumed.without_address > 0 {
        &world.assumed.pod_cidrs
    } else {
        &[]
    };
    for net in loopback.chain(assumed.iter().copied()) {
        ranges = without(&ranges, Range::from(net));
    }
    ranges
}

fn without(ranges: &[Range], hole: Range) -> Vec<Range> {
    let mut left = Vec::new();
    for range in ranges {
        if range.family != hole.family || hole.last < range.first || range.last < hole.first {
            left.push(*range);
            continue;
        }
        if range.first < hole.first {
            left.push(Range {
                last: hole.first - 1,
                ..*range
            });
        }
        if hole.last < range.last {
            left.push(Range {
                first: hole.last + 1,
                ..*range
            });
        }
    }
    left
}

/// Cuts ranges at the edges of blocks and of their exceptions.
pub(super) fn cut(ranges: &[Range], blocks: &[&IpBlock]) -> Vec<Range> {
    let mut edges: Vec<(Family, u128)> = blocks
        .iter()
        .flat_map(|block| std::iter::once(&block.cidr).chain(&block.except))
        .map(|cidr| Range::from(cidr.net))
        .flat_map(|net| {
            let behind = net.last.checked_add(1).map(|edge| (net.family, edge));
            [Some((net.family, net.first)), behind]
        })
        .flatten()
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let mut found = Vec::new();
    for range in ranges {
        let mut rest = *range;
        let first = edges.partition_point(|edge| *edge <= (range.family, range.first));
        let inside = edges.get(first..).unwrap_or_default();
        for (_, edge) in inside
            .iter()
            .take_while(|edge| **edge <= (range.family, range.last))
        {
            found.push(Range {
                last: edge - 1,
                ..rest
            });
            rest.first = *edge;
        }
        found.push(rest);
    }
    found
}

/// How many owned addresses are skipped before a range counts as owned altogether.
const MOST_SKIPPED: u128 = 1 << 17;

/// Addresses for documentation: better examples than the first address there is.
const EXAMPLES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// An address of a range that belongs to no pod and no node.
pub(super) fn unowned(world: &World, range: Range) -> Option<IpAddr> {
    let free = |ip: &IpAddr| world.endpoint_at(*ip).is_none() && world.node_at(*ip).is_none();
    let inside = |ip: &IpAddr| {
        Family::of(*ip) == range.family && (range.first..=range.last).contains(&number(*ip))
    };
    if let Some(example) = EXAMPLES.into_iter().find(|ip| inside(ip) && free(ip)) {
        return Some(example);
    }
    let limit = range.extent().min(MOST_SKIPPED);
    (0..=limit)
        .map(|step| address(range.family, range.first + step))
        .find(free)
}

/// Joins ranges that touch.
pub(super) fn join(ranges: &mut Vec<Range>) {
    ranges.sort_unstable();
    let mut joined: Vec<Range> = Vec::new();
    for range in ranges.drain(..) {
        match joined.last_mut() {
            Some(last)
                if last.family == range.family && last.last.checked_add(1) == Some(range.first) =>
            {
                last.last = range.last;
            }
            _ => joined.push(range),
        }
    }
    *ranges = joined;
}
