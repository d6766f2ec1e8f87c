//! Policies that change while packets fly: nothing leaks, nothing is lost, and what has lost its permission ends.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use watertight_node::enforce::{Enforcer, Error};
use watertight_node::netlink::log::Listener;
use watertight_node::netlink::{Protocol, Socket};
use watertight_node::nft::{Contents, Element, Rule, Statement, Table, Verdict, compile, kernel};
use watertight_node::sys::Namespace;

use crate::{Outcome, Test};

use self::established::{cut, reuse};
use self::field::{
    ALLOWED, API, DB, DENIED, Dice, EVIL, FAR, Field, PORT, Pod, SHUT, Tables, VAULT, WEB, check,
    families, policy, random, shop,
};
use self::flows::{Fire, ask, bind, dial, echo, knock, rattle, retransmitted, serve, target};

#[path = "fire/established.rs"]
mod established;
#[path = "fire/field.rs"]
mod field;
#[path = "fire/flows.rs"]
mod flows;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "fire::a_thousand_updates_leak_nothing_and_lose_nothing",
        run: thousand,
    },
    Test {
        name: "fire::established_connections_without_permission_are_cut",
        run: cut,
    },
    Test {
        name: "fire::a_new_pod_inherits_nothing_with_an_address",
        run: reuse,
    },
    Test {
        name: "fire::an_address_of_no_known_pod_is_closed_until_one_update",
        run: unknown,
    },
    Test {
        name: "fire::rules_survive_their_process_and_are_taken_over_without_a_gap",
        run: survive,
    },
    Test {
        name: "fire::what_the_kernel_refuses_leaves_the_rules_as_they_were",
        run: refused,
    },
];

const UPDATES: usize = 1000;

/// How many clusters the updates go between, and how many of them have the same pods.
const CLUSTERS: usize = 50;
const ALIKE: usize = 10;

/// How many updates pods stay for. To forget the connections of one that goes takes longer than all the rest.
const STAY: usize = 50;

/// Runs flows of all kinds in a lab while something is done to its rules; the allowed ones of TCP have nothing
/// to send twice. Afterwards the rules go, and what was denied must arrive: that is the control.
fn under_fire(field: &Field, act: impl FnOnce(&Fire)) {
    let fire = &Fire::default();
    let friends: &[IpAddr] = &[WEB.v4(), WEB.v6()];
    let before = [WEB, API, DB].map(|pod| retransmitted(field.pod(pod)));
    std::thread::scope(|scope| {
        // Whoever fails ends the rest.
        let whole = scope.spawn(|| {
            for (pod, name) in [(API, "api"), (DB, "db"), (VAULT, "vault")] {
                for (port, allowed) in [(PORT, friends), (SHUT, &[])] {
                    let allowed = if name == "vault" { &[] } else { allowed };
                    scope.spawn(move || echo(field.pod(pod), name, port, allowed, fire));
                }
                let allowed = if name == "vault" { &[] } else { friends };
                scope.spawn(move || serve(field.pod(pod), name, PORT, allowed, fire));
            }
            std::thread::sleep(Duration::from_millis(50));
            for (number, (from, to)) in ALLOWED.into_iter().enumerate() {
                let each = to.each(PORT);
                // Datagrams in one family, connections in the other.
                let (one, other) = (each[number % each.len()], each[(number + 1) % each.len()]);
                scope.spawn(move || ask(field.pod(from), from.1, one, fire));
                scope.spawn(move || dial(field.pod(from), from.1, other, fire));
            }
            for from in [EVIL, FAR, WEB] {
                let to = DENIED.into_iter().filter(|(denied, ..)| denied.1 == from.1);
                let to: Vec<_> = to.flat_map(|(_, to, port)| to.each(port)).collect();
                let open = to
                    .iter()
                    .copied()
                    .filter(|to| to.port() == PORT)
                    .collect::<Vec<_>>();
                scope.spawn(move || knock(field.pod(from), &to, fire));
                scope.spawn(move || rattle(field.pod(from), from.1, &open, fire));
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            whole.join().unwrap();
            act(fire);
            std::thread::sleep(Duration::from_millis(20));
            let after = [WEB, API, DB].map(|pod| retransmitted(field.pod(pod)));
            // Attempts in vain are given up before anything is sent twice.
            if before != after {
                fire.note(&format!(
                    "lost: segments of TCP were sent twice: {before:?} became {after:?}"
                ));
            }
            fire.control();
            for node in [1, 2] {
                kernel::delete(&mut field.socket(node), compile::TABLE).unwrap();
            }
            std::thread::sleep(Duration::from_millis(50));
        }));
        fire.end();
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
    fire.judge();
    let count = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::SeqCst);
    let (trips, tries, arrived) = (count(&fire.trips), count(&fire.tries), count(&fire.arrived));
    println!("{trips} round trips, {tries} attempts in vain, {arrived} arrived in the end");
    assert!(trips > 500, "{trips} round trips only");
    assert!(tries > 1000, "{tries} attempts only");
    assert!(
        arrived > 0,
        "what was denied does not arrive without rules either"
    );
}

/// The pods that a table knows, of IPv4.
fn members(table: &Table) -> BTreeSet<Element> {
    match &table.sets["pods4"].contents {
        Contents::Members(members) => members.iter().copied().collect(),
        _ => panic!("a set of pods"),
    }
}

fn thousand() -> Outcome {
    let mut dice = Dice::new(0x5eed);
    let mut pods = 0;
    let text = |number: usize| {
        if number.is_multiple_of(ALIKE) {
            pods = dice.below(64);
        }
        random(&mut dice, pods)
    };
    let texts: Vec<String> = (0..CLUSTERS).map(text).collect();
    texts.iter().for_each(|text| check(text));
    let tables: Vec<Tables> = texts.iter().map(|text| Tables::new(text)).collect();
    let field = Field::new(&shop("client", ""));
    let mut enforcers = field.enforce(&tables[0]);
    under_fire(&field, |fire| {
        let started = Instant::now();
        let (mut at, mut changed, mut gone, mut slowest) = (0, 0, 0, Duration::ZERO);
        for number in 1..=UPDATES {
            let group = number / STAY % (CLUSTERS / ALIKE) * ALIKE;
            let next = group + (at + 1 + dice.below(ALIKE - 1)) % ALIKE;
            fire.update.store(number, Ordering::SeqCst);
            for (enforcer, node) in enforcers.iter_mut().zip([1, 2]) {
                let had = members(enforcer.table());
                let report = enforcer.update(tables[next].of(node).clone());
                let report = report.unwrap_or_else(|error| panic!("update {number}: {error}"));
                assert!(!report.is_adopted, "update {number}: {report}");
                changed += usize::from(!report.is_nothing());
                gone += usize::from(!had.is_subset(&members(enforcer.table())));
                slowest = slowest.max(report.committed);
            }
            if fire.is_wrong() {
                panic!(
                    "from\n{}\nto\n{}\n{:#?}",
                    texts[at],
                    texts[next],
                    fire.judge()
                );
            }
            at = next;
        }
        assert!(
            changed > UPDATES && gone > 10,
            "{changed} changes only, pods went in {gone}"
        );
        for (enforcer, node) in enforcers.iter_mut().zip([1, 2]) {
            assert_eq!(enforcer.table(), tables[at].of(node));
            assert!(
                enforcer.repair().unwrap().is_nothing(),
                "the kernel holds what it should"
            );
        }
        println!(
            "{changed} tables changed in {:?}, the slowest in {slowest:?}",
            started.elapsed()
        );
    });
    Outcome::Passed
}

/// Sends from one pod to another; whether it arrived within a moment.
fn arrives(field: &Field, from: Pod, to: Pod, is_v6: bool) -> bool {
    let receiver = field.pod(to).run(|| bind(PORT)).unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let send = || {
        let socket = bind(0);
        let to = target(&socket, to.at(is_v6, PORT));
        socket.send_to(b"?", to).unwrap();
    };
    field.pod(from).run(send).unwrap();
    receiver.recv(&mut [0; 8]).is_ok()
}

const NEW: Pod = Pod("shop", "new", 1, 77);

fn unknown() -> Outcome {
    let known = shop("client", "");
    let all = shop("client", &NEW.text("app: new"));
    let field = Field::new(&all);
    let (before, after) = (Tables::new(&known), Tables::new(&all));
    let mut logs = [1, 2].map(|node| {
        field
            .node(node)
            .run(|| Listener::open(77))
            .unwrap()
            .unwrap()
    });
    let mut enforcers = field.enforce(&before);
    // To and from it, on its own node and across nodes.
    let pairs = [
        (NEW, API, "eg"),
        (NEW, DB, "eg"),
        (WEB, NEW, "in"),
        (DB, NEW, "in"),
    ];
    for is_v6 in families() {
        for (from, to, way) in pairs {
            let (one, other) = (from.1, to.1);
            assert!(
                !arrives(&field, from, to, *is_v6),
                "leaked: from {one} to {other}"
            );
            let logged = logs[0].read().unwrap();
            let prefix = format!("{}{way}|unknown-pod", compile::PREFIX);
            assert!(
                logged.iter().any(|logged| *logged.prefix == prefix),
                "from {one} to {other} (IPv6: {is_v6}): {logged:?}"
            );
            assert!(logs[1].read().unwrap().is_empty());
        }
        assert!(
            arrives(&field, WEB, API, *is_v6),
            "who is known is let through"
        );
    }
    for (enforcer, node) in enforcers.iter_mut().zip([1, 2]) {
        let report = enforcer.update(after.of(node).clone()).unwrap();
        // One element of each family, or two where hairpins have a set of their own.
        assert_eq!((report.chains, report.sets), (0, 0), "{report}");
        let count = if node == 1 { families().len() } else { 0 };
        assert_eq!(report.elements, 2 * count, "{report}");
    }
    for is_v6 in families() {
        for (from, to, _) in pairs {
            assert!(
                arrives(&field, from, to, *is_v6),
                "lost: from {} to {}",
                from.1,
                to.1
            );
        }
    }
    Outcome::Passed
}

/// The cluster of the process that is killed, and another that it changes to.
fn steady() -> [Tables; 2] {
    [7, 8].map(|seed| {
        Tables::new(&random(
            &mut Dice::new(seed * 0x1234_5678_9abc),
            seed as usize,
        ))
    })
}

/// `enforce PID ONE OTHER`: puts tables into force in the nodes that another process holds by the numbers of
/// their descriptors, and says so; `churn` changes them again and again.
pub(crate) fn role(arguments: &[String]) -> ExitCode {
    let [verb, pid, fds @ ..] = arguments else {
        return ExitCode::FAILURE;
    };
    let tables = steady();
    let mut enforcers = Vec::new();
    for (fd, node) in fds.iter().zip([1, 2]) {
        let namespace = Namespace::of_process(pid.parse().unwrap(), fd.parse().unwrap()).unwrap();
        let socket = namespace
            .run(|| Socket::open(Protocol::Netfilter))
            .unwrap()
            .unwrap();
        let (enforcer, _) = Enforcer::start(socket, tables[0].of(node).clone(), &[]).unwrap();
        enforcers.push(enforcer);
    }
    println!("in force");
    // Whoever started it ends it; if that one has died, it does so itself.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        if verb == "churn" {
            for table in tables.iter().rev() {
                for (enforcer, node) in enforcers.iter_mut().zip([1, 2]) {
                    enforcer.update(table.of(node).clone()).unwrap();
                }
            }
        } else {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    ExitCode::SUCCESS
}

/// Another process, once its tables are in force.
fn start(field: &Field, verb: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--role", "fire", verb, &std::process::id().to_string()]);
    command.args([1, 2].map(|node| field.node(node).number().to_string()));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut said = std::io::BufReader::new(child.stdout.as_mut().unwrap());
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line, "in force\n");
    child
}

/// Kills it, without a chance to tidy up.
fn kill(mut child: Child) {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success());
}

fn survive() -> Outcome {
    let field = Field::new(&shop("client", ""));
    let tables = steady();
    // The descriptors are for another process to open, not to inherit: it finds them by their numbers.
    let mut child = start(&field, "keep");
    under_fire(&field, |fire| {
        let pause = || std::thread::sleep(Duration::from_millis(100));
        pause();
        fire.update.store(1, Ordering::SeqCst);
        kill(child);
        pause();
        fire.update.store(2, Ordering::SeqCst);
        for node in [1, 2] {
            let mut socket = field.socket(node);
            let generation = kernel::generation(&mut socket).unwrap();
            let (_enforcer, report) =
                Enforcer::start(socket, tables[0].of(node).clone(), &[]).unwrap();
            assert!(report.is_adopted && report.is_nothing(), "{report}");
            assert_eq!(
                kernel::generation(&mut field.socket(node)).unwrap(),
                generation
            );
        }
        pause();
        // Killed while it changes rules, wherever that is: the next one makes them what they should be.
        for number in 3..13 {
            fire.update.store(number, Ordering::SeqCst);
            child = start(&field, "churn");
            std::thread::sleep(Duration::from_micros(3_000 + 1_700 * number as u64));
            kill(child);
            std::thread::sleep(Duration::from_millis(5));
            for node in [1, 2] {
                let table = tables[number % 2].of(node);
                let (mut enforcer, report) =
                    Enforcer::start(field.socket(node), table.clone(), &[]).unwrap();
                assert!(report.is_adopted, "{report}");
                let report = enforcer.repair().unwrap();
                assert!(report.is_nothing(), "{report}");
            }
        }
    });
    Outcome::Passed
}

fn refused() -> Outcome {
    let field = Field::new(&shop("client", ""));
    let closed = Tables::new(&shop(
        "client",
        &policy("shut", "", "  policyTypes: [Ingress]\n"),
    ));
    let open = Tables::new(&shop("client", ""));
    let [mut enforcer, _other] = field.enforce(&closed);
    assert!(!arrives(&field, WEB, API, false));
    // A table that the kernel does not take: a rule leads nowhere.
    let mut wrong = open.of(1).clone();
    let nowhere = Rule {
        statements: vec![Statement::Verdict(Verdict::Jump("nowhere".into()))],
        ..Rule::default()
    };
    wrong.chains.get_mut("ingress").unwrap().rules.push(nowhere);
    let error = enforcer.update(wrong).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(
        error.to_string().ends_with("; the rules stay as they were"),
        "{error}"
    );
    assert_eq!(enforcer.table(), closed.of(1));
    assert!(!arrives(&field, WEB, API, false));
    let mut renamed = open.of(1).clone();
    renamed.name = "another".into();
    let error = enforcer.update(renamed).unwrap_err().to_string();
    assert!(error.contains("an update keeps the name"), "{error}");

    // Somebody takes the table away: what is asked for comes into force all the same.
    kernel::delete(&mut field.socket(1), compile::TABLE).unwrap();
    assert!(arrives(&field, WEB, API, false), "the control");
    let report = enforcer.repair().unwrap();
    assert!(!report.is_adopted && report.chains > 0, "{report}");
    assert!(!arrives(&field, WEB, API, false));
    kernel::delete(&mut field.socket(1), compile::TABLE).unwrap();
    enforcer.update(open.of(1).clone()).unwrap();
    assert!(arrives(&field, WEB, API, false));
    enforcer.update(closed.of(1).clone()).unwrap();
    drop(enforcer);
    assert!(
        !arrives(&field, WEB, API, false),
        "rules outlive who made them"
    );
    Outcome::Passed
}
