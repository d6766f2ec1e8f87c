//! Where the addresses of endpoints lie between the bounds of all blocks in use.
//!
//! Two addresses with no bound between them are in the same blocks. Each stretch between two bounds
//! is an atom; what matters of an endpoint's address is its atom alone (K-63..K-70).

use std::net::IpAddr;

use ipnet::IpNet;

use crate::sets::{Bound, IpBlock, Runs};

/// The addresses of a network, if it is of this family.
pub(super) trait Address: Bound {
    fn of(ip: IpAddr) -> Option<Self>;

    fn range(net: &IpNet) -> Option<(Self, Self)>;
}

impl Address for u32 {
    fn of(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(ip) => Some(ip.into()),
            IpAddr::V6(_) => None,
        }
    }

    fn range(net: &IpNet) -> Option<(Self, Self)> {
        match net {
            IpNet::V4(net) => Some((net.network().into(), net.broadcast().into())),
            IpNet::V6(_) => None,
        }
    }
}

impl Address for u128 {
    fn of(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(ip) => Some(ip.into()),
        }
    }

    fn range(net: &IpNet) -> Option<(Self, Self)> {
        match net {
            IpNet::V4(_) => None,
            IpNet::V6(net) => Some((net.network().into(), net.broadcast().into())),
        }
    }
}

/// The addresses of a block, exceptions left out (K-63).
pub(super) fn addresses<A: Address>(block: &IpBlock) -> Runs<A> {
    let Some((first, last)) = A::range(&block.cidr.net) else {
        return Runs::default();
    };
    let except = block.except.iter();
    let except: Vec<_> = except.filter_map(|cidr| A::range(&cidr.net)).collect();
    Runs::range(first, last).difference(&Runs::from_unsorted(except))
}

/// The atoms of one family that endpoints have addresses in.
#[derive(Clone, Debug)]
pub(super) struct Atoms<A> {
    /// The first address of every atom, and its number; the first atom starts at the lowest.
    starts: Vec<(A, u32)>,
    /// Numbers that were given.
    given: u32,
    /// The classes of every atom that has some, in the order of addresses.
    occupied: Vec<(A, Vec<u32>)>,
}

impl<A: Address> Atoms<A> {
    /// Cuts the address space at the bounds of these blocks.
    pub(super) fn new<'b>(blocks: impl Iterator<Item = &'b IpBlock>) -> Self {
        let mut cuts = vec![A::MIN];
        for block in blocks {
            cuts.extend(bounds_of::<A>(block));
        }
        cuts.sort_unstable();
        cuts.dedup();
        Self {
            given: u32::try_from(cuts.len()).unwrap_or(u32::MAX),
            starts: cuts.into_iter().zip(0..).collect(),
            occupied: Vec::new(),
        }
    }

    fn position(&self, address: A) -> usize {
        let behind = self.starts.partition_point(|(start, _)| *start <= address);
        behind.saturating_sub(1)
    }

    /// The atom of an address.
    pub(super) fn atom(&self, address: A) -> u32 {
        let found = self.starts.get(self.position(address));
        found.map_or(0, |(_, atom)| *atom)
    }

    /// The first address of an atom.
    pub(super) fn start_of(&self, atom: u32) -> Option<A> {
        let found = self.starts.iter().find(|(_, known)| *known == atom);
        found.map(|(start, _)| *start)
    }

    /// Notes that a class has its address in an atom.
    pub(super) fn occupy(&mut self, atom: u32, class: u32) {
        let Some(start) = self.start_of(atom) else {
            return;
        };
        match self
            .occupied
            .binary_search_by_key(&start, |(start, _)| *start)
        {
            Ok(at) => {
                if let Some((_, classes)) = self.occupied.get_mut(at) {
                    classes.push(class);
                }
            }
            Err(at) => self.occupied.insert(at, (start, vec![class])),
        }
    }

    /// Notes the classes of all atoms at once.
    pub(super) fn occupy_all(&mut self, mut classes: Vec<(u32, u32)>) {
        classes.sort_unstable();
        self.occupied = self
            .starts
            .iter()
            .filter_map(|(start, atom)| {
                let from = classes.partition_point(|(of, _)| of < atom);
                let to = classes.partition_point(|(of, _)| of <= atom);
                let found = classes.get(from..to).filter(|found| !found.is_empty())?;
                Some((*start, found.iter().map(|(_, class)| *class).collect()))
            })
            .collect();
    }

    /// The classes with an address in a set that is made of blocks in use.
    pub(super) fn classes_in(&self, addresses: &Runs<A>) -> Runs<u32> {
        let mut found = Vec::new();
        for (first, last) in addresses.iter() {
            let from = self.occupied.partition_point(|(start, _)| *start < first);
            let to = self.occupied.partition_point(|(start, _)| *start <= last);
            for (_, classes) in self.occupied.get(from..to).unwrap_or_default() {
                found.extend_from_slice(classes);
            }
        }
        Runs::from_numbers(found)
    }

    /// Adds the bounds of a block; false if one of them falls between addresses of one atom, so
    /// that classes come apart.
    pub(super) fn cut(
        &mut self,
        block: &IpBlock,
        used: impl Fn(&dyn Fn(A) -> bool) -> bool,
    ) -> bool {
        for bound in bounds_of::<A>(block) {
            let at = self.position(bound);
            let Some((start, atom)) = self.starts.get(at).copied() else {
                return false;
            };
            if start == bound {
                continue;
            }
            let end = self
                .starts
                .get(at + 1)
                .and_then(|(next, _)| next.previous());
            let end = end.unwrap_or(A::MAX);
            let below = used(&|address| start <= address && address < bound);
            let above = used(&|address| bound <= address && address <= end);
            if below && above {
                return false;
            }
            // The number stays with the side that has addresses.
            let fresh = self.given;
            self.given = self.given.saturating_add(1);
            let (low, high) = if above { (fresh, atom) } else { (atom, fresh) };
            if let Some(entry) = self.starts.get_mut(at) {
                entry.1 = low;
            }
            self.starts.insert(at + 1, (bound, high));
            if above
                && let Ok(at) = self
                    .occupied
                    .binary_search_by_key(&start, |(start, _)| *start)
                && let Some(entry) = self.occupied.get_mut(at)
            {
                entry.0 = bound;
            }
        }
        true
    }
}

/// Where the addresses of a block and of its exceptions begin, and where they have ended.
fn bounds_of<A: Address>(block: &IpBlock) -> impl Iterator<Item = A> {
    std::iter::once(&block.cidr)
        .chain(&block.except)
        .filter_map(|cidr| A::range(&cidr.net))
        .flat_map(|(first, last)| [Some(first), last.next()])
        .flatten()
}

/// The same as addresses, whatever the family: one address of every stretch but the lowest.
pub(crate) fn bounds(block: &IpBlock) -> impl Iterator<Item = IpAddr> {
    let v4 = bounds_of::<u32>(block).map(|ip| IpAddr::V4(ip.into()));
    let v6 = bounds_of::<u128>(block).map(|ip| IpAddr::V6(ip.into()));
    v4.chain(v6)
}
