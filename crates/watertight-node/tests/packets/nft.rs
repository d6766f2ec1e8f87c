//! Tables in a kernel: accepted, read back, changed, taken over, and never half of them.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use watertight_node::netlink::log::{Listener, Logged};
use watertight_node::netlink::{Message, Protocol, Socket};
use watertight_node::nft::delta::{Change, adoption, changes, creation};
use watertight_node::nft::kernel::{apply, apply_after, delete, generation, read, replace};
use watertight_node::nft::{
    self, Bytes, Chain, ChainType, Contents, Element, Field, Held, Hook, KeyType, Match, Rule, Set,
    Statement, Table, Verdict,
};
use watertight_node::sys::Namespace;

use crate::{Outcome, Test};

#[path = "tables.rs"]
mod tables;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "nft::every_kind_of_rule_and_set_is_read_back_as_written",
        run: everything,
    },
    Test {
        name: "nft::a_change_leaves_what_a_fresh_table_would_be",
        run: random_changes,
    },
    Test {
        name: "nft::what_cannot_be_changed_as_a_whole_stays_as_it_was",
        run: atomic,
    },
    Test {
        name: "nft::a_table_outlives_its_socket_and_is_taken_over",
        run: taken_over,
    },
    Test {
        name: "nft::a_change_made_for_older_rules_is_refused",
        run: outdated,
    },
    Test {
        name: "nft::nothing_leaks_and_nothing_is_lost_while_rules_change",
        run: under_fire,
    },
    Test {
        name: "nft::a_dropped_packet_is_logged_with_its_prefix",
        run: logged,
    },
    Test {
        name: "nft::many_elements_come_and_go",
        run: many_elements,
    },
];

/// A namespace of its own for this thread, and a socket in it.
fn socket() -> Socket {
    Namespace::unshare().unwrap();
    Socket::open(Protocol::Netfilter).unwrap()
}

/// Sets the loopback device of the thread's namespace up.
fn loopback_up() {
    let mut route = Socket::open(Protocol::Route).unwrap();
    // struct ifinfomsg: family, padding, type, index, flags, mask of flags to change.
    let mut header = vec![0; 4];
    header.extend(1u32.to_ne_bytes());
    header.extend(1u32.to_ne_bytes());
    header.extend(1u32.to_ne_bytes());
    let new_link = 16;
    route
        .request(&Message::new(new_link, 0).bytes(&header))
        .unwrap();
}

fn held(socket: &mut Socket, name: &str) -> Held {
    read(socket, name).unwrap().expect("a table")
}

/// Without what tells one time from another.
fn timeless(mut held: Held) -> Held {
    held.generation = 0;
    for chain in held.chains.values_mut() {
        for rule in &mut chain.rules {
            rule.counted = None;
        }
    }
    held
}

fn everything() -> Outcome {
    let mut socket = socket();
    let table = tables::everything();
    apply(&mut socket, &table.name, &creation(&table)).unwrap();
    let held = held(&mut socket, &table.name);
    assert_eq!(adoption(&held, &table), []);
    for (name, set) in &table.sets {
        assert_eq!(held.sets[name].as_ref(), Some(set), "set {name}");
    }
    // A rule that rejects every protocol is two for the kernel.
    assert_eq!(
        held.chains["filter"].rules.len(),
        table.chains["filter"].rules.len() + 1
    );
    assert_eq!(held.chains["filter"].hook, table.chains["filter"].hook);
    let comment = &held.chains["redirect"].rules[0].comment;
    assert_eq!(&**comment, "a Service");
    delete(&mut socket, &table.name).unwrap();
    assert_eq!(read(&mut socket, &table.name).unwrap(), None);
    delete(&mut socket, &table.name).unwrap();
    Outcome::Passed
}

/// Random tables, one made from the other. More with WATERTIGHT_PACKETS_CASES.
fn random_changes() -> Outcome {
    let cases = std::env::var("WATERTIGHT_PACKETS_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(40);
    let mut socket = socket();
    let mut runner = TestRunner::deterministic();
    let mut tables = || tables::table().new_tree(&mut runner).unwrap().current();
    let mut old = tables();
    apply(&mut socket, &old.name, &creation(&old)).unwrap();
    for case in 0..cases {
        let new = tables();
        let steps = changes(&old, &new);
        if let Err(error) = apply(&mut socket, &new.name, &steps) {
            panic!("case {case}: {error}\n{old}\n{new}\n{steps:#?}");
        }
        let changed = held(&mut socket, &new.name);
        assert_eq!(adoption(&changed, &new), [], "case {case}\n{old}\n{new}");

        // In a network namespace without a past.
        let fresh = Namespace::new().unwrap();
        let fresh = fresh.run(|| {
            let mut socket = Socket::open(Protocol::Netfilter).unwrap();
            apply(&mut socket, &new.name, &creation(&new)).unwrap();
            held(&mut socket, &new.name)
        });
        assert_eq!(
            timeless(changed),
            timeless(fresh.unwrap()),
            "case {case}\n{old}\n{new}"
        );
        old = new;
    }
    Outcome::Passed
}

fn atomic() -> Outcome {
    let mut socket = socket();
    let table = tables::everything();
    apply(&mut socket, &table.name, &creation(&table)).unwrap();
    let before = timeless(held(&mut socket, &table.name));
    let one = |key| Set {
        key: vec![KeyType::V4],
        ranges: false,
        contents: Contents::Members(vec![Element::one(Bytes::EMPTY.v4(key))]),
    };
    let steps = [
        Change::FlushChain("filter".into()),
        Change::AddElements("four".into(), one(77)),
        // It is not in there.
        Change::RemoveElements("four".into(), one(78)),
        Change::AddChain("new".into(), None),
    ];
    let error = apply(&mut socket, &table.name, &steps)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("remove elements from set `four` in table `everything`"),
        "{error}"
    );
    assert_eq!(timeless(held(&mut socket, &table.name)), before);

    let busy = [Change::DeleteChain("c".into(), None)];
    let error = apply(&mut socket, &table.name, &busy)
        .unwrap_err()
        .to_string();
    assert!(error.contains("delete chain `c`"), "{error}");
    let limited = Rule {
        statements: vec![
            Statement::Log {
                prefix: "p".into(),
                group: 1,
                per_second: Some(1),
            },
            Statement::Verdict(Verdict::Drop),
        ],
        ..Rule::default()
    };
    let leaky = [Change::AddRules("c".into(), vec![limited])];
    let error = apply(&mut socket, &table.name, &leaky)
        .unwrap_err()
        .to_string();
    assert!(error.contains("must be the last statement"), "{error}");
    assert_eq!(timeless(held(&mut socket, &table.name)), before);
    Outcome::Passed
}

fn taken_over() -> Outcome {
    let table = tables::everything();
    let mut first = socket();
    replace(&mut first, &table).unwrap();
    drop(first);
    let mut second = Socket::open(Protocol::Netfilter).unwrap();
    let held = held(&mut second, &table.name);
    assert_eq!(adoption(&held, &table), []);
    replace(&mut second, &table).unwrap();
    assert_eq!(
        generation(&mut second).unwrap(),
        held.generation,
        "nothing was changed"
    );

    // Whatever else lies under the name makes room.
    let mut other = table.clone();
    other.sets.get_mut("four").unwrap().key = vec![KeyType::V6];
    let Contents::Members(members) = &mut other.sets.get_mut("four").unwrap().contents else {
        panic!("a set")
    };
    *members = vec![Element::one(Bytes::EMPTY.v6(1))];
    other
        .chains
        .get_mut("filter")
        .unwrap()
        .rules
        .retain(|rule| {
            !rule
                .matches
                .iter()
                .any(|condition| matches!(condition, Match::In { set, .. } if &**set == "four"))
        });
    replace(&mut second, &other).unwrap();
    let held = self::held(&mut second, &table.name);
    assert_eq!(adoption(&held, &other), []);
    assert_ne!(adoption(&held, &table), []);
    Outcome::Passed
}

fn outdated() -> Outcome {
    let mut socket = socket();
    let table = tables::everything();
    replace(&mut socket, &table).unwrap();
    let old = generation(&mut socket).unwrap();
    let others = Table {
        name: "others".into(),
        ..Table::default()
    };
    replace(&mut socket, &others).unwrap();
    let steps = [Change::AddChain("late".into(), None)];
    let error = apply_after(&mut socket, &table.name, &steps, Some(old)).unwrap_err();
    assert!(error.is_outdated(), "{error}");
    assert!(!held(&mut socket, &table.name).chains.contains_key("late"));
    let now = generation(&mut socket).unwrap();
    apply_after(&mut socket, &table.name, &steps, Some(now)).unwrap();
    between_phases(&mut socket, &table.name);
    Outcome::Passed
}

/// Somebody changes rules between the two transactions of one change: what is new is there by then, and the
/// switch is refused.
fn between_phases(socket: &mut Socket, table: &str) {
    let own = Namespace::current().unwrap();
    let element = |number: u32| Element::one(Bytes::EMPTY.v4(number));
    let many = Set {
        key: vec![KeyType::V4],
        ranges: false,
        // To write the second transaction takes a while.
        contents: Contents::Members((0x0b00_0000..0x0b00_2000).map(element).collect()),
    };
    let steps = [
        Change::AddChain("early".into(), None),
        Change::AddElements("four".into(), many),
    ];
    for round in 0..50 {
        let old = generation(socket).unwrap();
        let is_over = AtomicBool::new(false);
        let (done, came_between) = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                own.enter().unwrap();
                let mut socket = Socket::open(Protocol::Netfilter).unwrap();
                let steps = [Change::AddChain(format!("between-{round}").into(), None)];
                let mut commit = || apply_after(&mut socket, "others", &steps, Some(old + 1));
                loop {
                    match commit() {
                        Ok(_) => return true,
                        Err(error) => assert!(error.is_outdated(), "{error}"),
                    }
                    if is_over.load(Ordering::SeqCst) {
                        return false;
                    }
                }
            });
            let done = apply_after(socket, table, &steps, Some(old));
            is_over.store(true, Ordering::SeqCst);
            (done, other.join().unwrap())
        });
        let is_there = held(socket, table).chains.contains_key("early");
        if came_between {
            assert!(done.unwrap_err().is_outdated());
            assert!(!is_there, "what was made in vain is taken back");
            return;
        }
        done.unwrap();
        assert!(is_there);
        let Change::AddElements(set, many) = steps[1].clone() else {
            panic!("elements")
        };
        let back = [
            Change::RemoveElements(set, many),
            Change::DeleteChain("early".into(), None),
        ];
        apply(socket, table, &back).unwrap();
    }
    panic!("nobody came between");
}

/// A table that drops packets to one port on their way out, and logs them: in a chain of a name, to which a rule
/// or a map leads.
fn guard(port: u16, chain: &str, by_map: bool) -> Table {
    let drop = Rule {
        matches: vec![],
        statements: vec![
            Statement::Log {
                prefix: "wt|no entry".into(),
                group: 77,
                per_second: None,
            },
            Statement::Counter,
            Statement::Verdict(Verdict::Drop),
        ],
        comment: "no entry".into(),
    };
    let to_port = Bytes::EMPTY.port(port);
    let to_chain = Verdict::Goto(chain.into());
    let first = match by_map {
        true => Rule {
            statements: vec![Statement::Lookup {
                fields: vec![Field::DestinationPort],
                map: "ports".into(),
            }],
            ..Rule::default()
        },
        false => Rule {
            matches: vec![Match::Is(Field::DestinationPort, to_port)],
            statements: vec![Statement::Verdict(to_chain.clone())],
            comment: "".into(),
        },
    };
    let hook = Hook {
        kind: ChainType::Filter,
        number: 3,
        priority: -10,
    };
    let map = Set {
        key: vec![KeyType::Port],
        ranges: false,
        contents: Contents::Verdicts([(Element::one(to_port), to_chain)].into()),
    };
    let base = Chain {
        hook: Some(hook),
        rules: vec![first],
    };
    let deny = Chain {
        hook: None,
        rules: vec![drop],
    };
    Table {
        name: "guard".into(),
        sets: by_map.then(|| ("ports".into(), map)).into_iter().collect(),
        chains: [("output".into(), base), (chain.into(), deny)].into(),
    }
}

fn listener() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

fn under_fire() -> Outcome {
    let mut socket = socket();
    loopback_up();
    let (open, open_port) = listener();
    let (shut, shut_port) = listener();
    // Rules change, a map comes and goes, its element leads to another chain; the verdict stays the same.
    let tables = [("deny", false), ("deny", true), ("other", true)]
        .map(|(chain, by_map)| guard(shut_port, chain, by_map));
    replace(&mut socket, &tables[0]).unwrap();
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        // The thread begins in the namespace of this one.
        let sender = scope.spawn(|| {
            let (source, _) = listener();
            while !over.load(Ordering::Relaxed) {
                let number = sent.load(Ordering::Relaxed).to_ne_bytes();
                source.send_to(&number, ("127.0.0.1", open_port)).unwrap();
                let denied = source.send_to(b"x", ("127.0.0.1", shut_port));
                assert!(denied.is_err(), "a packet to the shut port was sent");
                let mut bytes = [0; 8];
                open.recv(&mut bytes)
                    .expect("a packet to the open port was lost");
                assert_eq!(bytes, number);
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut made = 0;
        while (made < 300 || sent.load(Ordering::Relaxed) < 3000) && !sender.is_finished() {
            let (old, new) = (&tables[made % 3], &tables[(made + 1) % 3]);
            apply(&mut socket, &new.name, &changes(old, new)).unwrap();
            made += 1;
        }
        over.store(true, Ordering::Relaxed);
        sender.join().unwrap();
    });
    shut.set_nonblocking(true).unwrap();
    let arrived = shut.recv(&mut [0; 8]).map_err(|error| error.kind());
    assert_eq!(arrived, Err(ErrorKind::WouldBlock));
    // The control: it was these rules that dropped.
    delete(&mut socket, "guard").unwrap();
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .send_to(b"x", ("127.0.0.1", shut_port))
        .unwrap();
    shut.set_nonblocking(false).unwrap();
    assert_eq!(shut.recv(&mut [0; 8]).unwrap(), 1);
    Outcome::Passed
}

fn logged() -> Outcome {
    let mut socket = socket();
    loopback_up();
    let (_shut, port) = listener();
    let mut log = Listener::open(77).unwrap();
    assert_eq!(log.read().unwrap(), []);
    replace(&mut socket, &guard(port, "deny", false)).unwrap();
    let (source, source_port) = listener();
    source.send_to(b"nonce", ("127.0.0.1", port)).unwrap_err();
    let started = Instant::now();
    let records = loop {
        let records = log.read().unwrap();
        if !records.is_empty() {
            break records;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "no record came");
        std::thread::sleep(Duration::from_millis(1));
    };
    let [
        Logged {
            prefix,
            packet,
            hook,
            enters,
            leaves,
        },
    ] = &records[..]
    else {
        panic!("{records:?}")
    };
    assert_eq!(&**prefix, "wt|no entry");
    assert_eq!((*hook, *enters, *leaves), (3, 0, 1));
    assert_eq!(packet[0], 0x45);
    assert_eq!(packet[9], 17);
    assert_eq!(packet[20..22], source_port.to_be_bytes());
    assert_eq!(packet[22..24], port.to_be_bytes());
    assert_eq!(&packet[28..], b"nonce");
    assert_eq!(log.overruns(), 0);
    let counted = held(&mut socket, "guard").chains["deny"].rules[0].counted;
    assert_eq!(counted, Some((1, 33)));
    // One listener for a group.
    let error = Listener::open(77).unwrap_err().to_string();
    assert!(error.contains("group 77"), "{error}");
    Outcome::Passed
}

/// More than one message, and more than one datagram when they are read. The table of a hash grows while it is
/// read, and a listing then lacks elements: it must not be taken for the whole.
fn many_elements() -> Outcome {
    let mut socket = socket();
    let with = |count: u32, ranges: bool| {
        let element = |number: u32| {
            let first = Bytes::EMPTY.v4(0x0a00_0000 + number * 4);
            let last = Bytes::EMPTY.v4(0x0a00_0000 + number * 4 + 2 * u32::from(ranges));
            Element { first, last }
        };
        let contents = Contents::Members((0..count).map(element).collect());
        let set = Set {
            key: vec![KeyType::V4],
            ranges,
            contents,
        };
        Table {
            name: "many".into(),
            sets: [("many".into(), set)].into(),
            ..Table::default()
        }
    };
    for (ranges, count) in [(false, 100_000), (true, 10_000)] {
        let (all, half) = (with(count, ranges), with(count / 2, ranges));
        let mut holds = |table: &Table| {
            let held = held(&mut socket, "many");
            assert!(adoption(&held, table).is_empty(), "ranges: {ranges}");
        };
        let mut other = Socket::open(Protocol::Netfilter).unwrap();
        replace(&mut other, &all).unwrap();
        holds(&all);
        apply(&mut other, "many", &changes(&all, &half)).unwrap();
        holds(&half);
        apply(&mut other, "many", &changes(&half, &all)).unwrap();
        holds(&all);
    }
    Outcome::Passed
}
