//! Ranges that nobody in the input uses, and addresses from them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rustc_hash::FxHashSet;
use watertight_core::manifest::PeerKind;
use watertight_core::policy::{Peer, Ruleset};
use watertight_core::sets::IpBlock;
use watertight_core::world::World;

/// The address that every node and the world answer to as gateway. It stands for whoever is at the other
/// end of a link, so nobody may have it.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// Where pods get addresses from, best first: what kubeadm, k3s and others use.
pub(super) const PODS_V4: &[&str] = &[
    "10.244.0.0/16",
    "10.42.0.0/16",
    "172.29.0.0/16",
    "100.96.0.0/16",
    "198.19.0.0/16",
];
pub(super) const PODS_V6: &[&str] = &["fd00:10:244::/48", "fd00:10:42::/48", "fdca:fe00:244::/48"];

/// Where nodes get addresses from.
pub(super) const NODES_V4: &[&str] = &[
    "172.18.0.0/24",
    "172.27.18.0/24",
    "192.168.118.0/24",
    "100.64.18.0/24",
    "198.18.18.0/24",
];
pub(super) const NODES_V6: &[&str] = &["fd00:172:18::/64", "fd00:172:27::/64", "fdca:fe00:18::/64"];

/// Where Services get addresses from.
pub(super) const SERVICES_V4: &[&str] = &[
    "10.96.0.0/16",
    "10.43.0.0/16",
    "172.30.0.0/16",
    "100.97.0.0/16",
    "198.18.96.0/20",
];
pub(super) const SERVICES_V6: &[&str] =
    &["fd00:10:96::/112", "fd00:10:43::/112", "fdca:fe00:96::/112"];

/// The blocks that rules name, with their exceptions.
#[must_use]
pub fn blocks(ruleset: &Ruleset) -> Vec<IpNet> {
    let mut found = Vec::new();
    let tiers = ruleset.ingress.iter().chain(&ruleset.egress);
    let policies = tiers.flat_map(|tier| &tier.policies);
    for peer in policies
        .flat_map(|policy| &policy.rules)
        .flat_map(|rule| &rule.peers)
    {
        peer.leaves(&mut |leaf| {
            if let Peer::Block(block, _) = leaf {
                found.extend(nets(block));
            }
        });
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn nets(block: &IpBlock) -> impl Iterator<Item = IpNet> {
    let all = std::iter::once(&block.cidr).chain(&block.except);
    all.map(|cidr| cidr.net)
}

/// Addresses and networks that mean something in the input.
#[derive(Debug, Default)]
pub(super) struct Taken {
    ips: FxHashSet<IpAddr>,
    nets: Vec<IpNet>,
}

impl Taken {
    pub(super) fn of(world: &World, avoid: &[IpNet]) -> Self {
        let mut taken = Self {
            ips: FxHashSet::default(),
            nets: avoid.to_vec(),
        };
        taken.ips.insert(GATEWAY.into());
        let ips = &mut taken.ips;
        ips.extend(world.endpoints.iter().flat_map(|endpoint| &endpoint.ips));
        ips.extend(world.nodes.iter().flat_map(|node| &node.ips));
        ips.extend(world.names.iter().flat_map(|name| &name.ips));
        for service in &world.services {
            ips.extend(&service.cluster_ips);
            ips.extend(&service.published.ips);
            ips.extend(service.addresses.iter().map(|address| address.ip));
        }
        for id in world.policy_ids() {
            let spec = &world[id].spec;
            let rules = spec.ingress.rules.iter().chain(&spec.egress.rules);
            for peer in rules.flat_map(|rule| &rule.peers) {
                if let PeerKind::IpBlock(block) = &peer.kind {
                    taken.nets.extend(nets(block));
                }
            }
        }
        taken
    }

    pub(super) fn insert(&mut self, ip: IpAddr) {
        self.ips.insert(ip);
    }

    pub(super) fn has(&self, ip: IpAddr) -> bool {
        self.ips.contains(&ip)
    }

    /// Whether an address is near one of the input: in the same /16, or the same /48.
    pub(super) fn is_near(&self, ip: IpAddr) -> bool {
        let net = match ip {
            IpAddr::V4(_) => IpNet::new(ip, 16),
            IpAddr::V6(_) => IpNet::new(ip, 48),
        };
        net.is_ok_and(|net| self.uses(net))
    }

    fn uses(&self, net: IpNet) -> bool {
        #[expect(
            clippy::iter_over_hash_type,
            reason = "whether there is any has no order"
        )]
        for ip in &self.ips {
            if net.contains(ip) {
                return true;
            }
        }
        false
    }

    /// The first range that nothing of the input touches; or else one that lies wholly inside of the
    /// networks that touch it, so that those do not tell its addresses apart; or else the first.
    pub(super) fn choose(&self, candidates: &[&str]) -> Option<IpNet> {
        let candidates = candidates
            .iter()
            .filter_map(|text| text.parse::<IpNet>().ok());
        candidates.min_by_key(|range| {
            let mut rank = u8::from(self.uses(*range)) * 4;
            for net in &self.nets {
                if net.contains(range) {
                    rank |= 1;
                } else if range.contains(net) {
                    rank |= 2;
                }
            }
            // 4 and more: in use. 2 and 3: cut in two. 1: told nothing apart. 0: untouched.
            rank
        })
    }
}

/// Hands out the addresses of a network, first to last, passing over those that are taken.
#[derive(Debug)]
pub(super) struct Hosts {
    next: u128,
    last: u128,
    is_v4: bool,
}

impl Hosts {
    /// From the `first`th address on. The last one is left alone: it is a broadcast address.
    pub(super) fn new(net: IpNet, first: u32) -> Self {
        let (start, end) = (bits(net.network()), bits(net.broadcast()));
        Self {
            next: start.saturating_add(first.into()),
            last: end.saturating_sub(1),
            is_v4: matches!(net, IpNet::V4(_)),
        }
    }

    /// The next one, which is taken from then on.
    pub(super) fn take(&mut self, taken: &mut Taken) -> Option<IpAddr> {
        while self.next <= self.last {
            let ip = address(self.next, self.is_v4)?;
            self.next = self.next.checked_add(1)?;
            if !taken.has(ip) {
                taken.insert(ip);
                return Some(ip);
            }
        }
        None
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn address(bits: u128, is_v4: bool) -> Option<IpAddr> {
    if is_v4 {
        Some(Ipv4Addr::from_bits(u32::try_from(bits).ok()?).into())
    } else {
        Some(Ipv6Addr::from_bits(bits).into())
    }
}

/// Why an address cannot be given to a device; none if it can.
pub(super) fn unusable(ip: IpAddr) -> Option<&'static str> {
    let is_link_local_v6 = match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    if ip.is_loopback() {
        Some("is a loopback address")
    } else if ip.is_multicast() {
        Some("is a multicast address")
    } else if ip.is_unspecified() || matches!(ip, IpAddr::V4(ip) if ip.octets().first() == Some(&0))
    {
        Some("stands for no address")
    } else if matches!(ip, IpAddr::V4(ip) if ip.is_broadcast()) {
        Some("is the broadcast address")
    } else if is_link_local_v6 {
        Some("is valid on one link only")
    } else if matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some()) {
        Some("is an IPv4 address written as IPv6")
    } else if ip == IpAddr::V4(GATEWAY) {
        Some("is the gateway of every link of the lab")
    } else {
        None
    }
}
