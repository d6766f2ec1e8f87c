//! Requests for links, addresses, neighbours and routes.
//!
//! Every link of a lab is a pair of veth devices with an inner end (a pod's `eth0`, a node's `up0`) and an outer
//! one (of the node, of the world). Both ends call the other one by the same two addresses, [`GATEWAY`] and
//! a link-local one of IPv6, so there are no networks on links and nothing has to be found out about them.
//!
//! The numbers of devices are chosen here and never equal at both ends: the kernel takes a pair with equal
//! numbers for one device and may then wait for a second before packets pass.

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::RawFd;

use nix::libc;

use super::plan::GATEWAY;
use crate::netlink::{Attributes, Message, Reply};

/// The number of every loopback device.
pub(super) const LOOPBACK: u32 = 1;

/// What an inner end calls the outer one, and the other way round.
pub(super) const OUTER_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
pub(super) const INNER_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

/// The attribute of a veth device that describes the other end.
const VETH_PEER: u16 = 1;

/// The state of a device that carries packets (RFC 2863).
const OPERATIONAL: u8 = 6;

/// A pair of devices, by its number in the lab.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link(pub(super) u32);

impl Link {
    pub(super) fn inner(self) -> u32 {
        101 + 2 * self.0
    }

    pub(super) fn outer(self) -> u32 {
        100 + 2 * self.0
    }

    pub(super) fn inner_mac(self) -> [u8; 6] {
        self.mac(2)
    }

    pub(super) fn outer_mac(self) -> [u8; 6] {
        self.mac(1)
    }

    /// Of the range that anybody may use.
    fn mac(self, end: u8) -> [u8; 6] {
        let [_, high, middle, low] = self.0.to_be_bytes();
        [0x02, 0x77, end, high, middle, low]
    }

    /// Makes both ends: the inner one here, the outer one in the namespace of a descriptor.
    pub(super) fn create(self, inner_name: &str, outer_name: &str, outer: RawFd) -> Message {
        let (inner_mac, outer_mac) = (self.inner_mac(), self.outer_mac());
        new(libc::RTM_NEWLINK)
            .bytes(&device(self.inner(), 0))
            .string(libc::IFLA_IFNAME, inner_name)
            .attr(libc::IFLA_ADDRESS, &inner_mac)
            .nested(libc::IFLA_LINKINFO, |info| {
                info.string(libc::IFLA_INFO_KIND, "veth")
                    .nested(libc::IFLA_INFO_DATA, |data| {
                        data.nested(VETH_PEER, |peer| {
                            peer.bytes(&device(self.outer(), 0))
                                .string(libc::IFLA_IFNAME, outer_name)
                                .attr(libc::IFLA_ADDRESS, &outer_mac)
                                .u32(libc::IFLA_NET_NS_FD, outer.cast_unsigned())
                        })
                    })
            })
    }
}

fn new(kind: u16) -> Message {
    let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    Message::new(kind, u16::try_from(flags).unwrap_or_default())
}

/// `struct ifinfomsg`; the only flag that is ever changed is that the device is up.
fn device(index: u32, flags: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    let fields = [index, flags, flags];
    for (room, field) in bytes
        .iter_mut()
        .skip(4)
        .zip(fields.iter().flat_map(|f| f.to_ne_bytes()))
    {
        *room = field;
    }
    bytes
}

/// Takes a device up.
pub(super) fn up(index: u32) -> Message {
    let flags = libc::IFF_UP.cast_unsigned();
    Message::new(libc::RTM_NEWLINK, 0).bytes(&device(index, flags))
}

/// Asks for all devices of a namespace.
pub(super) fn devices() -> Message {
    Message::new(libc::RTM_GETLINK, 0).bytes(&device(0, 0))
}

/// Whether a device that was listed is waited for: it is no loopback device, it is to be up, and it does not
/// carry packets yet.
pub(super) fn is_waited_for(reply: &Reply) -> bool {
    let fixed = reply.fixed(16);
    let flags = fixed.get(8..).and_then(|flags| flags.first_chunk());
    let flags = flags.copied().map(u32::from_ne_bytes).unwrap_or_default();
    let is = |flag: i32| flags & flag.cast_unsigned() != 0;
    let attributes: Attributes<'_> = reply.attributes(16);
    let state = attributes.u8(libc::IFLA_OPERSTATE);
    is(libc::IFF_UP) && !is(libc::IFF_LOOPBACK) && state != Some(OPERATIONAL)
}

fn family(ip: IpAddr) -> u8 {
    let family = match ip {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    u8::try_from(family).unwrap_or_default()
}

fn length(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn with_ip(message: Message, kind: u16, ip: IpAddr) -> Message {
    match ip {
        IpAddr::V4(ip) => message.attr(kind, &ip.octets()),
        IpAddr::V6(ip) => message.attr(kind, &ip.octets()),
    }
}

/// Gives a device an address without a network, at once: nobody else has it, so nobody is asked.
pub(super) fn address(index: u32, ip: IpAddr) -> Message {
    let is_link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let (prefix, scope) = if is_link_local {
        (64, libc::RT_SCOPE_LINK)
    } else {
        (length(ip), libc::RT_SCOPE_UNIVERSE)
    };
    let flags = u8::try_from(libc::IFA_F_NODAD).unwrap_or_default();
    let flags = if ip.is_ipv6() { flags } else { 0 };
    let [a, b, c, d] = index.to_ne_bytes();
    let message = new(libc::RTM_NEWADDR).bytes(&[family(ip), prefix, flags, scope, a, b, c, d]);
    with_ip(with_ip(message, libc::IFA_LOCAL, ip), libc::IFA_ADDRESS, ip)
}

/// Says once and for all which device of a link has an address.
pub(super) fn neighbour(index: u32, ip: IpAddr, mac: [u8; 6]) -> Message {
    let [a, b, c, d] = index.to_ne_bytes();
    let [low, high] = libc::NUD_PERMANENT.to_ne_bytes();
    let message =
        new(libc::RTM_NEWNEIGH).bytes(&[family(ip), 0, 0, 0, a, b, c, d, low, high, 0, 0]);
    with_ip(message, libc::NDA_DST, ip).attr(libc::NDA_LLADDR, &mac)
}

/// A route: to whom, through which device, to which gateway, with which source address for own packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// None is everybody of a family.
    pub(super) to: Result<IpAddr, Everybody>,
    pub(super) device: u32,
    pub(super) gateway: Option<IpAddr>,
    pub(super) source: Option<IpAddr>,
}

/// All addresses of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Everybody {
    V4,
    V6,
}

impl Route {
    pub(super) fn message(&self) -> Message {
        let (family, length) = match self.to {
            Ok(ip) => (family(ip), length(ip)),
            Err(Everybody::V4) => (family(IpAddr::V4(GATEWAY)), 0),
            Err(Everybody::V6) => (family(IpAddr::V6(OUTER_V6)), 0),
        };
        let scope = if self.gateway.is_some() {
            libc::RT_SCOPE_UNIVERSE
        } else {
            libc::RT_SCOPE_LINK
        };
        // The gateway is in no network of the device.
        let is_onlink = matches!(self.gateway, Some(IpAddr::V4(_)));
        let flags = u32::from(is_onlink) * ONLINK;
        let [a, b, c, d] = flags.to_ne_bytes();
        let table = libc::RT_TABLE_MAIN;
        let protocol = libc::RTPROT_STATIC;
        let kind = libc::RTN_UNICAST;
        let fixed = [
            family, length, 0, 0, table, protocol, scope, kind, a, b, c, d,
        ];
        let mut message = new(libc::RTM_NEWROUTE).bytes(&fixed);
        if let Ok(ip) = self.to {
            message = with_ip(message, libc::RTA_DST, ip);
        }
        if let Some(ip) = self.gateway {
            message = with_ip(message, libc::RTA_GATEWAY, ip);
        }
        if let Some(ip) = self.source {
            message = with_ip(message, libc::RTA_PREFSRC, ip);
        }
        message.u32(libc::RTA_OIF, self.device)
    }
}

/// `RTNH_F_ONLINK`.
const ONLINK: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_devices_have_a_number_or_an_address_in_common() {
        let mut numbers = std::collections::BTreeSet::new();
        let mut macs = std::collections::BTreeSet::new();
        for link in (0..3000).map(Link) {
            assert!(numbers.insert(link.inner()) && numbers.insert(link.outer()));
            assert!(macs.insert(link.inner_mac()) && macs.insert(link.outer_mac()));
        }
        assert!(!numbers.contains(&LOOPBACK));
        // Neither for many devices at once, nor global.
        assert!(macs.iter().all(|mac| mac[0] & 3 == 2));
    }
}
