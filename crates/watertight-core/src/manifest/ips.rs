//! The addresses of a pod or a node.
//!
//! Nearly all have one, which is kept in place and costs no allocation.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

/// The addresses of a pod or a node; mostly one.
#[derive(Clone, PartialEq, Eq)]
pub struct Ips(Repr);

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    One(IpAddr),
    /// None, or more than one: the empty box is no allocation.
    Others(Box<[IpAddr]>),
}

impl Default for Ips {
    fn default() -> Self {
        Self(Repr::Others(Box::default()))
    }
}

impl FromIterator<IpAddr> for Ips {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(ips: I) -> Self {
        let mut ips = ips.into_iter();
        let Some(first) = ips.next() else {
            return Self::default();
        };
        match ips.next() {
            None => Self(Repr::One(first)),
            Some(second) => {
                let all = [first, second].into_iter().chain(ips);
                Self(Repr::Others(all.collect()))
            }
        }
    }
}

impl From<Vec<IpAddr>> for Ips {
    fn from(ips: Vec<IpAddr>) -> Self {
        ips.into_iter().collect()
    }
}

impl Deref for Ips {
    type Target = [IpAddr];

    fn deref(&self) -> &[IpAddr] {
        match &self.0 {
            Repr::One(ip) => std::slice::from_ref(ip),
            Repr::Others(ips) => ips,
        }
    }
}

impl<'a> IntoIterator for &'a Ips {
    type Item = &'a IpAddr;
    type IntoIter = std::slice::Iter<'a, IpAddr>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Ips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_their_number_and_order() {
        for count in 0..4u8 {
            let ips: Vec<IpAddr> = (0..count).map(|n| [10, 0, 0, n].into()).collect();
            let kept = Ips::from(ips.clone());
            assert_eq!(*kept, *ips);
            assert_eq!(format!("{kept:?}"), format!("{ips:?}"));
            // One address and none are one value each, however they came about.
            assert_eq!(kept, ips.into_iter().collect());
        }
        assert!(size_of::<Ips>() <= 24);
    }
}
