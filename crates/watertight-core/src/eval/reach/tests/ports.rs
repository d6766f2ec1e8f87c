//! Lists of ports: where two of them agree, and how they are joined.

use super::super::{Outcome, Ports, joined, meet};
use crate::sets::Protocol::{self, Icmp, Tcp, Udp};
use Outcome::{Allowed, Uncertain};

fn ports(protocol: Protocol, first: u16, last: u16, outcome: Outcome) -> Ports {
    Ports {
        protocol,
        first,
        last,
        outcome,
    }
}

#[test]
fn both_sides_must_agree() {
    let sent = [
        ports(Tcp, 0, 100, Allowed),
        ports(Tcp, 200, u16::MAX, Uncertain),
        ports(Udp, 53, 53, Allowed),
        ports(Icmp, 0, 0, Allowed),
    ];
    let accepted = [
        ports(Tcp, 80, 80, Allowed),
        ports(Tcp, 100, 200, Allowed),
        ports(Tcp, u16::MAX, u16::MAX, Allowed),
        ports(Udp, 54, 60, Allowed),
        ports(Icmp, 0, 0, Uncertain),
    ];
    let both = [
        ports(Tcp, 80, 80, Allowed),
        ports(Tcp, 100, 100, Allowed),
        ports(Tcp, 200, 200, Uncertain),
        ports(Tcp, u16::MAX, u16::MAX, Uncertain),
        ports(Icmp, 0, 0, Uncertain),
    ];
    assert_eq!(meet(&sent, &accepted), both);
    assert_eq!(meet(&accepted, &sent), both);
    assert_eq!(meet(&sent, &[]), []);
}

/// Ports of one protocol are never joined with those of another.
#[test]
fn protocols_are_apart() {
    let sent = [ports(Tcp, 10, 20, Allowed), ports(Udp, 21, 30, Allowed)];
    assert_eq!(meet(&sent, &sent), sent);
    let other = [ports(Udp, 10, 20, Allowed)];
    assert_eq!(meet(&sent[..1], &other), []);
    assert_eq!(meet(&other, &sent[..1]), []);
}

#[test]
fn neighbours_of_one_outcome_are_joined() {
    let list = [
        ports(Tcp, 0, 9, Allowed),
        ports(Tcp, 10, 19, Allowed),
        ports(Tcp, 21, 29, Allowed),
        ports(Tcp, 30, 39, Uncertain),
        ports(Tcp, 40, u16::MAX, Uncertain),
        ports(Udp, 0, 0, Uncertain),
    ];
    let fewer = [
        ports(Tcp, 0, 19, Allowed),
        ports(Tcp, 21, 29, Allowed),
        ports(Tcp, 30, u16::MAX, Uncertain),
        ports(Udp, 0, 0, Uncertain),
    ];
    assert_eq!(joined(list.into_iter()), fewer);
}
