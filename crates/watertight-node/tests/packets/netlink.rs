//! Sockets of netlink, and the connections that the kernel keeps.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use watertight_node::netlink::{Message, Protocol, Socket, conntrack};
use watertight_node::nft::kernel::replace;
use watertight_node::nft::{Chain, ChainType, Hook, Match, Rule, Statement, Table};
use watertight_node::sys::Namespace;

use crate::{Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "netlink::many_requests_are_all_tried_and_the_first_refusal_is_told",
        run: many_requests,
    },
    Test {
        name: "netlink::connections_of_one_address_are_forgotten",
        run: conntrack_of_one_address,
    },
    Test {
        name: "netlink::connections_of_many_addresses_are_forgotten_at_once",
        run: conntrack_of_many_addresses,
    },
];

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const CREATE: u16 = 0x400;
const EXCLUSIVE: u16 = 0x200;
const NAME: u16 = 3;
const LINK_INFO: u16 = 18;
const INFO_KIND: u16 = 1;

/// A pair of devices.
fn veth(name: &str) -> Message {
    Message::new(NEW_LINK, CREATE | EXCLUSIVE)
        .bytes(&[0; 16])
        .string(NAME, name)
        .nested(LINK_INFO, |info| info.string(INFO_KIND, "veth"))
}

fn many_requests() -> Outcome {
    Namespace::unshare().unwrap();
    let mut socket = Socket::open(Protocol::Route).unwrap();
    let mut links: Vec<Message> = (0..150).map(|number| veth(&format!("v{number}"))).collect();
    // The name is taken; and one is too long for a device.
    links.insert(120, veth("v3"));
    links.insert(130, veth("a-name-that-is-too-long"));
    let error = socket.requests(&links).unwrap_err();
    assert_eq!(error.at(), Some(120));
    assert_eq!(error.errno(), nix::errno::Errno::EEXIST);
    let listed = socket
        .dump(&Message::new(GET_LINK, 0).bytes(&[0; 16]))
        .unwrap();
    // Both ends of each, and the loopback device.
    assert_eq!(listed.len(), 301);
    let is_there = |name: &str| {
        listed
            .iter()
            .any(|link| link.attributes(16).string(NAME) == Some(name))
    };
    assert!(is_there("v149") && is_there("lo"));
    let error = socket
        .request(&veth("a-name-that-is-too-long"))
        .unwrap_err();
    assert!(error.said().is_some(), "{error}");
    Outcome::Passed
}

/// Connection tracking begins with the first rule that asks for a state.
fn tracking() -> Table {
    let hook = Hook {
        kind: ChainType::Filter,
        number: 3,
        priority: 0,
    };
    let rule = Rule {
        matches: vec![Match::State(2)],
        statements: vec![Statement::Counter],
        comment: "".into(),
    };
    Table {
        name: "tracking".into(),
        chains: [(
            "output".into(),
            Chain {
                hook: Some(hook),
                rules: vec![rule],
            },
        )]
        .into(),
        ..Table::default()
    }
}

/// A namespace of so many addresses, a socket of its tracked connections, and one of each address.
pub(crate) fn tracked(count: u8) -> (Socket, Vec<UdpSocket>) {
    Namespace::unshare().unwrap();
    let mut route = Socket::open(Protocol::Route).unwrap();
    // struct ifinfomsg: index 1, flag `up`.
    let mut up = vec![0; 4];
    for word in [1u32, 1, 1] {
        up.extend(word.to_ne_bytes());
    }
    route
        .request(&Message::new(NEW_LINK, 0).bytes(&up))
        .unwrap();
    let ips: Vec<Ipv4Addr> = (1..=count).map(|last| [10, 0, 0, last].into()).collect();
    for ip in &ips {
        // struct ifaddrmsg: family, prefix length, flags, scope, index.
        let header = [2, 32, 0, 0, 1, 0, 0, 0];
        route
            .request(
                &Message::new(NEW_ADDRESS, CREATE)
                    .bytes(&header)
                    .attr(2, &ip.octets()),
            )
            .unwrap();
    }
    let mut socket = Socket::open(Protocol::Netfilter).unwrap();
    replace(&mut socket, &tracking()).unwrap();
    let bound = ips.iter().map(|ip| UdpSocket::bind((*ip, 0)).unwrap());
    (socket, bound.collect())
}

fn conntrack_of_one_address() -> Outcome {
    let (mut socket, sockets) = tracked(3);
    let [one, two, three] = [1, 2, 3].map(|last| Ipv4Addr::new(10, 0, 0, last));
    for (from, to) in [(0, 1), (1, 2), (0, 2), (2, 0)] {
        let to = sockets[to].local_addr().unwrap();
        sockets[from].send_to(b"x", to).unwrap();
    }
    // From the third to the first goes back the way of the one before.
    let entries = conntrack::dump(&mut socket).unwrap();
    assert_eq!(entries.len(), 3, "{entries:?}");
    assert_eq!(entries.iter().filter(|entry| entry.is_answered).count(), 1);
    let mut flush = |ip: IpAddr| conntrack::flush(&mut socket, &[ip].into()).unwrap();
    assert_eq!(flush(two.into()), 2);
    let left = conntrack::dump(&mut socket).unwrap();
    assert_eq!(left.len(), 1);
    assert!(
        !left[0].names(two.into()) && left[0].names(one.into()),
        "{left:?}"
    );
    let mut flush = |ip: IpAddr| conntrack::flush(&mut socket, &[ip].into()).unwrap();
    assert_eq!(flush(two.into()), 0);
    assert_eq!(flush(three.into()), 1);
    assert_eq!(flush("fd00::1".parse().unwrap()), 0);
    assert_eq!(conntrack::flush(&mut socket, &BTreeSet::new()).unwrap(), 0);
    Outcome::Passed
}

/// So many that the kernel lists all of its entries once rather than each address's four times.
fn conntrack_of_many_addresses() -> Outcome {
    let (mut socket, sockets) = tracked(40);
    for from in &sockets[..39] {
        from.send_to(b"x", sockets[39].local_addr().unwrap())
            .unwrap();
    }
    let number = |last: u8| IpAddr::from([10, 0, 0, last]);
    let gone: BTreeSet<IpAddr> = (1..=30).map(number).chain([number(200)]).collect();
    assert_eq!(conntrack::flush(&mut socket, &gone).unwrap(), 30);
    let left = conntrack::dump(&mut socket).unwrap();
    assert_eq!(left.len(), 9, "{left:?}");
    assert!(
        left.iter()
            .all(|entry| !gone.contains(&entry.original.source))
    );
    let is_strange = |ip: IpAddr| (number(31)..=number(33)).contains(&ip);
    assert_eq!(conntrack::flush_if(&mut socket, is_strange).unwrap(), 3);
    assert_eq!(conntrack::flush_if(&mut socket, is_strange).unwrap(), 0);
    assert_eq!(conntrack::dump(&mut socket).unwrap().len(), 6);
    Outcome::Passed
}
