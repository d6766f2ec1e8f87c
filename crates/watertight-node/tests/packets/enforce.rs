//! Tables that are kept in force: what is left over, and whose connections are forgotten.

use std::net::{IpAddr, UdpSocket};

use watertight_node::enforce::Enforcer;
use watertight_node::netlink::{Socket, conntrack};
use watertight_node::nft::delta::{Change, adoption};
use watertight_node::nft::{
    Bytes, Chain, Contents, Element, KeyType, Rule, Set, Statement, Table, Verdict, kernel,
};

use crate::netlink::tracked;
use crate::{Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "enforce::what_cannot_be_taken_away_is_left_and_said",
        run: leftover,
    },
    Test {
        name: "enforce::pods_that_others_took_from_the_table_are_forgotten",
        run: taken,
    },
    Test {
        name: "enforce::pods_that_went_while_nobody_looked_are_forgotten",
        run: unnoticed,
    },
];

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn jump(to: &str) -> Rule {
    Rule {
        statements: vec![Statement::Verdict(Verdict::Jump(to.into()))],
        ..Rule::default()
    }
}

/// A table of some pods, with a chain that leads to one of its own.
fn table(pods: &[u8], own: &str) -> Table {
    let chain = |rules| Chain { hook: None, rules };
    let pods = pods
        .iter()
        .map(|last| Element::one(Bytes::EMPTY.ip(ip(*last))));
    let pods = Set {
        key: vec![KeyType::V4],
        ranges: false,
        contents: Contents::Members(pods.collect()),
    };
    Table {
        name: "guard".into(),
        sets: [("pods4".into(), pods)].into(),
        chains: [
            ("first".into(), chain(vec![jump(own)])),
            (own.into(), chain(Vec::new())),
        ]
        .into(),
    }
}

/// Connections between addresses by their last numbers.
fn open(sockets: &[UdpSocket], pairs: &[(u8, u8)]) {
    let of = |last: u8| &sockets[usize::from(last) - 1];
    for (from, to) in pairs {
        of(*from)
            .send_to(b"x", of(*to).local_addr().unwrap())
            .unwrap();
    }
}

fn remembered(socket: &mut Socket, last: u8) -> bool {
    let entries = conntrack::dump(socket).unwrap();
    entries.iter().any(|entry| entry.names(ip(last)))
}

fn leftover() -> Outcome {
    let (mut socket, sockets) = tracked(3);
    let again = Socket::open(watertight_node::netlink::Protocol::Netfilter).unwrap();
    let (mut enforcer, _) = Enforcer::start(again, table(&[1, 2], "old"), &[]).unwrap();
    // A rule of somebody else keeps the old chain.
    let foreign = [
        Change::AddChain("foreign".into(), None),
        Change::AddRules("foreign".into(), vec![jump("old")]),
    ];
    kernel::apply(&mut socket, "guard", &foreign).unwrap();
    open(&sockets, &[(1, 2), (1, 3)]);
    let new = table(&[1], "new");
    let report = enforcer.update(new.clone()).unwrap();
    assert_eq!(enforcer.table(), &new);
    let cause = report.leftover.as_ref().expect("a chain that is left");
    assert!(cause.to_string().contains("delete chain `old`"), "{cause}");
    let said = report.to_string();
    assert!(
        said.ends_with("so what no rule names any more is left for the next update"),
        "{said}"
    );
    // It is in force, and what goes with it is done.
    let held = kernel::read(&mut socket, "guard").unwrap().unwrap();
    assert!(held.chains.contains_key("old") && held.chains.contains_key("new"));
    assert_eq!(report.forgotten, 1);
    assert!(!remembered(&mut socket, 2) && remembered(&mut socket, 3));
    let report = enforcer.update(new.clone()).unwrap();
    assert!(report.is_adopted && report.leftover.is_none(), "{report}");
    let held = kernel::read(&mut socket, "guard").unwrap().unwrap();
    assert_eq!(adoption(&held, &new), []);
    assert!(enforcer.update(new).unwrap().is_nothing());
    Outcome::Passed
}

fn taken() -> Outcome {
    let (mut socket, sockets) = tracked(3);
    let again = Socket::open(watertight_node::netlink::Protocol::Netfilter).unwrap();
    let (mut enforcer, _) = Enforcer::start(again, table(&[1, 2], "own"), &[]).unwrap();
    open(&sockets, &[(1, 2), (1, 3)]);
    // By now the kernel does not tell of the second one any more.
    kernel::delete(&mut socket, "guard").unwrap();
    let report = enforcer.update(table(&[1], "own")).unwrap();
    assert_eq!(report.forgotten, 1, "{report}");
    assert!(!remembered(&mut socket, 2) && remembered(&mut socket, 3));
    Outcome::Passed
}

fn unnoticed() -> Outcome {
    let (mut socket, sockets) = tracked(8);
    open(&sockets, &[(1, 2), (5, 3), (1, 5), (5, 6)]);
    let again = Socket::open(watertight_node::netlink::Protocol::Netfilter).unwrap();
    let ranges = ["10.0.0.0/30".parse().unwrap()];
    let (mut enforcer, report) = Enforcer::start(again, table(&[1], "own"), &ranges).unwrap();
    assert_eq!(report.forgotten, 2, "{report}");
    for (last, is_remembered) in [(1, true), (2, false), (3, false), (5, true), (6, true)] {
        assert_eq!(remembered(&mut socket, last), is_remembered, "{last}");
    }
    // Once: those that come later are told of.
    open(&sockets, &[(1, 2)]);
    assert_eq!(enforcer.repair().unwrap().forgotten, 0);
    Outcome::Passed
}
