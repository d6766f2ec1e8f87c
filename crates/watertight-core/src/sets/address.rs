//! Addresses and ipBlocks (K-63..K-70, V-14..V-20).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::source::Span;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// A CIDR with its place.
#[derive(Clone, Copy, Debug)]
pub struct Cidr {
    /// The network, host bits masked away (K-69).
    pub net: IpNet,
    /// Where it is written.
    pub span: Span,
}

/// Why a text is no CIDR that the API takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CidrError {
    /// No prefix length (V-15).
    BareAddress(IpAddr),
    /// No CIDR at all.
    Malformed,
    /// Written in a way that Kubernetes 1.36 no longer takes (V-20); what it was taken for before.
    Sloppy(IpNet, &'static str),
}

impl Cidr {
    /// Parses a CIDR as the API server does.
    ///
    /// # Errors
    /// When the text is no CIDR, or one that only older servers accept.
    pub fn parse(text: &str) -> Result<IpNet, CidrError> {
        let Some((address, length)) = text.split_once('/') else {
            return Err(match text.parse() {
                Ok(address) => CidrError::BareAddress(address),
                Err(_) => CidrError::Malformed,
            });
        };
        if length.is_empty() || length.len() > 3 || !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CidrError::Malformed);
        }
        let prefix: u8 = length.parse().map_err(|_| CidrError::Malformed)?;
        let padded = length.len() > 1 && length.starts_with('0');
        let (address, sloppy) = lenient_address(address).ok_or(CidrError::Malformed)?;
        // Go reads an IPv4-mapped IPv6 address as IPv4, prefix and all.
        let (address, prefix, sloppy) = match address {
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => {
                    let prefix = prefix.checked_sub(96).ok_or(CidrError::Malformed)?;
                    (
                        IpAddr::V4(v4),
                        prefix,
                        Some("it is an IPv4-mapped IPv6 address"),
                    )
                }
                None => (address, prefix, sloppy),
            },
            IpAddr::V4(_) => (address, prefix, sloppy),
        };
        let net = IpNet::new(address, prefix).map_err(|_| CidrError::Malformed)?;
        let sloppy = sloppy
            .or_else(|| padded.then_some("its prefix length has a leading zero"))
            .or_else(|| {
                (net.addr() != net.network()).then_some("it has bits set beyond its prefix")
            });
        match sloppy {
            Some(reason) => Err(CidrError::Sloppy(net.trunc(), reason)),
            None => Ok(net),
        }
    }
}

/// An address, also with leading zeros in IPv4 octets, which older servers read as decimal.
fn lenient_address(text: &str) -> Option<(IpAddr, Option<&'static str>)> {
    if let Ok(address) = text.parse() {
        return Some((address, None));
    }
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        if part.is_empty() || part.len() > 3 || !digits {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    if parts.next().is_some() {
        return None;
    }
    let address = IpAddr::V4(Ipv4Addr::from(octets));
    Some((address, Some("an octet has a leading zero")))
}

/// A block of addresses without its exceptions.
#[derive(Clone, Debug)]
pub struct IpBlock {
    /// The block.
    pub cidr: Cidr,
    /// What it leaves out. Leaving out is not denying: another rule may let it in (K-64).
    pub except: Vec<Cidr>,
    /// Where the block is written.
    pub span: Span,
}

impl IpBlock {
    /// Whether an address is in the block and in none of its exceptions (K-63, K-66).
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.cidr.net.contains(&address)
            && !self
                .except
                .iter()
                .any(|except| except.net.contains(&address))
    }

    /// Whether every address of a network is in the block (M-1).
    #[must_use]
    pub fn contains_all(&self, net: IpNet) -> bool {
        self.cidr.net.contains(&net)
            && !self
                .except
                .iter()
                .any(|except| except.net.contains(&net) || net.contains(&except.net))
    }

    /// Whether any address of a network is in the block.
    #[must_use]
    pub fn touches(&self, net: IpNet) -> bool {
        let overlap = if self.cidr.net.contains(&net) {
            net
        } else if net.contains(&self.cidr.net) {
            self.cidr.net
        } else {
            return false;
        };
        // Exceptions may cover the overlap only together.
        let except = self.except.iter().map(|except| except.net);
        !without(vec![overlap], except).is_empty()
    }

    /// Whether all addresses of the block are in these networks.
    #[must_use]
    pub fn is_within(&self, nets: &[IpNet]) -> bool {
        if nets.iter().any(|net| net.contains(&self.cidr.net)) {
            return true;
        }
        if self.except.is_empty() && !nets.iter().any(|net| self.cidr.net.contains(net)) {
            return false;
        }
        let except = self.except.iter().map(|except| except.net);
        let left = without(vec![self.cidr.net], except);
        without(left, nets.iter().copied()).is_empty()
    }

    /// Whether the block has every address of its family that is not in these networks.
    #[must_use]
    pub fn is_all_but(&self, nets: &[IpNet]) -> bool {
        let nets = || nets.iter().copied();
        let whole = match self.cidr.net {
            IpNet::V4(_) => IpNet::V4(Ipv4Net::default()),
            IpNet::V6(_) => IpNet::V6(Ipv6Net::default()),
        };
        let except = self.except.iter().map(|except| except.net).collect();
        let left = without(vec![whole], nets().chain([self.cidr.net]));
        left.is_empty() && without(except, nets()).is_empty()
    }

    /// Whether the block is all of IPv4 or all of IPv6, exceptions aside.
    #[must_use]
    pub fn is_whole_family(&self) -> bool {
        self.cidr.net.prefix_len() == 0
    }

    /// Whether the block is one of IPv4.
    #[must_use]
    pub fn is_v4(&self) -> bool {
        matches!(self.cidr.net, IpNet::V4(_))
    }
}

impl std::fmt::Display for IpBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.cidr.net)?;
        if !self.except.is_empty() {
            let nets: Vec<_> = self
                .except
                .iter()
                .map(|except| except.net.to_string())
                .collect();
            write!(f, " except {}", nets.join(", "))?;
        }
        Ok(())
    }
}

/// What is left of networks.
fn without(from: Vec<IpNet>, minus: impl Iterator<Item = IpNet>) -> Vec<IpNet> {
    minus.fold(from, |left, minus| {
        let left = left.into_iter();
        left.flat_map(|part| subtract(part, minus)).collect()
    })
}

/// `from` without `minus`, as networks.
fn subtract(from: IpNet, minus: IpNet) -> Vec<IpNet> {
    if minus.contains(&from) {
        return Vec::new();
    }
    if !from.contains(&minus) {
        return vec![from];
    }
    let mut left = Vec::new();
    let mut current = from;
    while current.prefix_len() < minus.prefix_len() {
        let Some((low, high)) = halves(current) else {
            break;
        };
        let (kept, next) = if low.contains(&minus) {
            (high, low)
        } else {
            (low, high)
        };
        left.push(kept);
        current = next;
    }
    left
}

fn halves(net: IpNet) -> Option<(IpNet, IpNet)> {
    let prefix = net.prefix_len() + 1;
    match net {
        IpNet::V4(net) => {
            let bit = 1u32.checked_shl(32u32.checked_sub(u32::from(prefix))?)?;
            let low = u32::from(net.network());
            let half = |bits| {
                Ipv4Net::new(Ipv4Addr::from(bits), prefix)
                    .ok()
                    .map(IpNet::V4)
            };
            Some((half(low)?, half(low | bit)?))
        }
        IpNet::V6(net) => {
            let bit = 1u128.checked_shl(128u32.checked_sub(u32::from(prefix))?)?;
            let low = u128::from(net.network());
            let half = |bits| {
                Ipv6Net::new(Ipv6Addr::from(bits), prefix)
                    .ok()
                    .map(IpNet::V6)
            };
            Some((half(low)?, half(low | bit)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn block(cidr: &str, except: &[&str]) -> IpBlock {
        let file = Sources::new().add("t", Vec::new()).unwrap();
        let span = Span::new(file, 0, 0);
        let parse = |text: &str| Cidr {
            net: Cidr::parse(text).unwrap(),
            span,
        };
        IpBlock {
            cidr: parse(cidr),
            except: except.iter().map(|text| parse(text)).collect(),
            span,
        }
    }

    #[test]
    fn v_15_and_v_20_spelling() {
        assert!(Cidr::parse("10.0.0.0/8").is_ok());
        assert!(Cidr::parse("::/0").is_ok());
        assert!(matches!(
            Cidr::parse("10.0.0.1"),
            Err(CidrError::BareAddress(_))
        ));
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "x/8",
            "10.0.0.0/+8",
            "10.0.0.0/1000",
        ] {
            assert_eq!(Cidr::parse(text), Err(CidrError::Malformed), "{text}");
        }
        for (text, net) in [
            ("10.0.0.5/24", "10.0.0.0/24"),
            ("010.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.0/08", "10.0.0.0/8"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            match Cidr::parse(text) {
                Err(CidrError::Sloppy(found, _)) => {
                    assert_eq!(found, net.parse().unwrap(), "{text}")
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn k_63_k_66_membership() {
        let all = block("0.0.0.0/0", &["169.254.169.254/32", "10.0.0.0/8"]);
        assert!(all.contains("203.0.113.1".parse().unwrap()));
        assert!(!all.contains("169.254.169.254".parse().unwrap()), "K-63");
        assert!(!all.contains("fd00:ec2::254".parse().unwrap()), "K-66");
        assert!(!all.contains_all("10.244.0.0/16".parse().unwrap()));
        assert!(all.contains_all("172.16.0.0/12".parse().unwrap()));
        assert!(
            !all.contains_all("169.254.0.0/16".parse().unwrap()),
            "part of it is left out"
        );
        assert!(all.touches("169.254.0.0/16".parse().unwrap()));
        assert!(!all.touches("10.1.0.0/16".parse().unwrap()));
    }

    #[test]
    fn exceptions_cover_together() {
        let split = block("10.0.0.0/8", &["10.0.0.0/9", "10.128.0.0/9"]);
        assert!(!split.touches("10.0.0.0/8".parse().unwrap()));
        assert!(block("10.0.0.0/8", &["10.0.0.0/9"]).touches("10.0.0.0/7".parse().unwrap()));
        assert!(!block("fd00::/8", &["fd00::/9", "fd80::/9"]).touches("fd00::/8".parse().unwrap()));
    }
}
