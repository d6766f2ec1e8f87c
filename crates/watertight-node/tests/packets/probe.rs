//! Probes over a router: each way in which a question can end, as packets.

mod listeners;
mod net;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use watertight_core::sets::Protocol::{self, Icmp, Sctp, Tcp, Udp};
use watertight_node::nft::{
    Bytes, Chain, ChainType, Field, Hook, Match, Rule, Statement, Table, Target,
};
use watertight_node::probe::{
    self, Answer, Listeners, Outcome, Progress, Question, Record, Rejection, Settings, Watch,
};

use crate::Test;
use net::{Net, ROUTER4, ROUTER6, Route, drops, logged, to_port, v4, v6};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "probe::who_listens_answers_with_its_name",
        run: who_listens_answers_with_its_name,
    },
    Test {
        name: "probe::where_nobody_listens_it_is_refused",
        run: where_nobody_listens_it_is_refused,
    },
    Test {
        name: "probe::a_router_that_rejects_is_named",
        run: a_router_that_rejects_is_named,
    },
    Test {
        name: "probe::drops_are_proved_by_the_rule_s_record",
        run: drops_are_proved_by_the_rule_s_record,
    },
    Test {
        name: "probe::rules_that_reject_are_told_from_destinations_that_refuse",
        run: rules_that_reject_are_told_from_destinations_that_refuse,
    },
    Test {
        name: "probe::silence_without_a_record_is_a_timeout",
        run: silence_without_a_record_is_a_timeout,
    },
    Test {
        name: "probe::source_ports_and_addresses_are_honoured",
        run: source_ports_and_addresses_are_honoured,
    },
    Test {
        name: "probe::a_log_that_somebody_else_reads_is_an_error",
        run: a_log_that_somebody_else_reads_is_an_error,
    },
    Test {
        name: "probe::translated_addresses_tell_where_they_lead",
        run: translated_addresses_tell_where_they_lead,
    },
    Test {
        name: "probe::all_pairs_at_once_with_few_files_left",
        run: all_pairs_at_once_with_few_files_left,
    },
    Test {
        name: "probe::thousands_at_once_to_one_listener",
        run: thousands_at_once_to_one_listener,
    },
    Test {
        name: "probe::names_are_answered_from_the_table",
        run: listeners::names_are_answered_from_the_table,
    },
    Test {
        name: "probe::taken_ports_are_errors_of_the_listener",
        run: listeners::taken_ports_are_errors_of_the_listener,
    },
    Test {
        name: "probe::captured_packets_are_in_the_file",
        run: listeners::captured_packets_are_in_the_file,
    },
];

const BOTH: [fn(usize) -> IpAddr; 2] = [v4, v6];

fn question(from: usize, to: IpAddr, protocol: Protocol, port: u16) -> Question {
    Question {
        from,
        to,
        protocol,
        port,
        source_port: None,
        from_address: None,
        masked: None,
        to_names: None,
    }
}

/// Asks one question.
fn ask_one(net: &Net, watches: &[Watch], asked: Question) -> Answer {
    ask(net, watches, &[asked]).pop().unwrap()
}

fn ask(net: &Net, watches: &[Watch], questions: &[Question]) -> Vec<Answer> {
    let settings = Settings {
        timeout: Duration::from_millis(300),
        settle: Duration::from_millis(50),
        ..Settings::default()
    };
    probe::run(&net.parties, questions, watches, &settings, &|_| {}).unwrap()
}

/// All pods listen at port 80 and at port 53.
fn listen(net: &Net, ports: &[u16]) -> Listeners {
    let mut listeners = Vec::new();
    for pod in 0..net.parties.len() {
        for port in ports {
            for protocol in [Tcp, Udp, Sctp] {
                listeners.push(net.listener(pod, protocol, *port));
            }
        }
    }
    probe::listen(listeners).unwrap()
}

fn who_listens_answers_with_its_name() -> crate::Outcome {
    let net = Net::new(2);
    let _listeners = listen(&net, &[80, 53]);
    for watches in [vec![], net.watch()] {
        for address in BOTH {
            // Also itself.
            for to in 0..2 {
                for protocol in [Tcp, Udp, Sctp] {
                    for port in [80, 53] {
                        let asked = question(0, address(to), protocol, port);
                        let answer = ask_one(&net, &watches, asked);
                        let Outcome::Open { by: Some(by) } = &answer.outcome else {
                            panic!("{asked:?}: {answer:?}")
                        };
                        assert_eq!(by.name, net.parties[to].name, "{asked:?}");
                        assert_eq!(by.address, Some(address(to)), "{asked:?}");
                        assert_eq!(answer.drops, []);
                        assert!(answer.took < Duration::from_millis(200), "{answer:?}");
                    }
                }
                let answer = ask_one(&net, &watches, question(0, address(to), Icmp, 0));
                assert_eq!(answer.outcome, Outcome::Open { by: None });
            }
        }
    }
    crate::Outcome::Passed
}

fn where_nobody_listens_it_is_refused() -> crate::Outcome {
    let net = Net::new(2);
    let check = |what: &str| {
        for watches in [vec![], net.watch()] {
            for address in BOTH {
                for to in 0..2 {
                    for protocol in [Tcp, Udp, Sctp] {
                        let asked = question(0, address(to), protocol, 81);
                        let answer = ask_one(&net, &watches, asked);
                        assert_eq!(answer.outcome, Outcome::Refused, "{what}: {asked:?}");
                        assert_eq!(answer.outcome.arrived(), Some(true));
                    }
                }
            }
        }
    };
    check("nobody listens at all");
    // The kernel then takes SCTP for somebody's business, and says nothing.
    let _listeners = listen(&net, &[80]);
    check("somebody listens at another port");
    crate::Outcome::Passed
}

fn a_router_that_rejects_is_named() -> crate::Outcome {
    // A router has few errors for one sender and second: each case has a sender of its own.
    let net = Net::new(6);
    net.route("10.9.0.2", Route::Prohibit);
    net.route("10.9.0.3", Route::Unreachable);
    net.route("fd09::2", Route::Prohibit);
    let mut senders = 0..;
    for watches in [vec![], net.watch()] {
        for (to, kind, code) in [("10.9.0.2", 3, 13), ("10.9.0.3", 3, 1), ("fd09::2", 1, 1)] {
            let sender = senders.next().unwrap();
            for protocol in [Tcp, Udp, Sctp, Icmp] {
                let asked = question(sender, to.parse().unwrap(), protocol, 80);
                let Outcome::Rejected { by, with } = ask_one(&net, &watches, asked).outcome else {
                    panic!("{asked:?} was not rejected")
                };
                assert_eq!(with, Rejection::Icmp { kind, code }, "{asked:?}");
                let is_router = by == ROUTER4 || by == ROUTER6;
                assert!(is_router, "{asked:?}: {by}");
            }
        }
    }
    crate::Outcome::Passed
}

fn drops_are_proved_by_the_rule_s_record() -> crate::Outcome {
    let net = Net::new(2);
    let _listeners = listen(&net, &[80, 81]);
    let echo = |protocol| Match::Is(Field::Protocol, Bytes::EMPTY.protocol(protocol));
    let to = |field, address| Match::Is(field, Bytes::EMPTY.ip(address));
    net.rules(vec![
        to_port(81, "np|i|default/web", drops()),
        logged(
            vec![echo(1), to(Field::Destination4, v4(1))],
            "no echo",
            drops(),
        ),
        logged(
            vec![
                echo(58),
                Match::Is(Field::IcmpMessage, Bytes::EMPTY.with(&[128, 0])),
            ],
            "no echo",
            drops(),
        ),
    ]);
    let mut questions = Vec::new();
    for address in BOTH {
        for protocol in [Tcp, Udp, Sctp] {
            questions.push((question(0, address(1), protocol, 81), "np|i|default/web"));
        }
        questions.push((question(0, address(1), Icmp, 0), "no echo"));
    }
    let watches = net.watch();
    let started = Instant::now();
    for (asked, prefix) in &questions {
        let answer = ask_one(&net, &watches, *asked);
        let prefix: Box<str> = (*prefix).into();
        let node = 0;
        let dropped = Outcome::Dropped {
            node,
            prefix: prefix.clone(),
        };
        assert_eq!(answer.outcome, dropped, "{asked:?}");
        assert_eq!(answer.drops, [Record { node, prefix }]);
        assert!(answer.took < Duration::from_millis(250), "{answer:?}");
    }
    let slow = Duration::from_millis(300) * u32::try_from(questions.len()).unwrap();
    assert!(
        started.elapsed() < slow,
        "a proved drop waits for no timeout"
    );
    // The positive control.
    for address in BOTH {
        for protocol in [Tcp, Udp, Sctp] {
            let answer = ask_one(&net, &watches, question(0, address(1), protocol, 80));
            assert!(matches!(answer.outcome, Outcome::Open { .. }), "{answer:?}");
        }
    }
    // Without a watch the same is silence.
    let answer = ask_one(&net, &[], question(0, v4(1), Tcp, 81));
    assert_eq!(answer.outcome, Outcome::Timeout);
    crate::Outcome::Passed
}

fn rules_that_reject_are_told_from_destinations_that_refuse() -> crate::Outcome {
    let net = Net::new(2);
    let _listeners = listen(&net, &[80, 82]);
    net.rules(vec![to_port(82, "reject", Statement::Reject)]);
    let watches = net.watch();
    let drops = [Record {
        node: 0,
        prefix: "reject".into(),
    }];
    for (address, kind, code) in [(v4(1), 3, 3), (v6(1), 1, 4)] {
        for protocol in [Tcp, Udp, Sctp] {
            let asked = question(0, address, protocol, 82);
            let answer = ask_one(&net, &watches, asked);
            assert_eq!(answer.drops, drops, "{asked:?}");
            match (protocol, answer.outcome) {
                (
                    Tcp,
                    Outcome::Rejected {
                        by,
                        with: Rejection::Reset,
                    },
                ) => assert_eq!(by, address),
                (_, Outcome::Rejected { by, with }) => {
                    assert_eq!(with, Rejection::Icmp { kind, code }, "{asked:?}");
                    assert!(by == ROUTER4 || by == ROUTER6, "{asked:?}: {by}");
                }
                (_, outcome) => panic!("{asked:?}: {outcome:?}"),
            }
            let refused = ask_one(&net, &watches, question(0, address, protocol, 83));
            assert_eq!(refused.outcome, Outcome::Refused);
        }
    }
    crate::Outcome::Passed
}

fn silence_without_a_record_is_a_timeout() -> crate::Outcome {
    let net = Net::new(1);
    net.route("10.9.0.1", Route::Blackhole);
    net.route("fd09::1", Route::Blackhole);
    let mut questions = Vec::new();
    for to in ["10.9.0.1", "fd09::1"] {
        for protocol in [Tcp, Udp, Sctp, Icmp] {
            questions.push(question(0, to.parse().unwrap(), protocol, 80));
        }
    }
    let started = Instant::now();
    for (asked, answer) in questions.iter().zip(ask(&net, &net.watch(), &questions)) {
        assert_eq!(answer.outcome, Outcome::Timeout, "{asked:?}");
        assert_eq!(answer.outcome.arrived(), None);
        assert!(
            answer.took >= Duration::from_millis(600),
            "asked twice: {answer:?}"
        );
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "all waited at once"
    );
    crate::Outcome::Passed
}

fn source_ports_and_addresses_are_honoured() -> crate::Outcome {
    let mut net = Net::new(2);
    let second: IpAddr = "10.1.0.99".parse().unwrap();
    net.add_address(0, second);
    let _listeners = listen(&net, &[80, 8080]);
    let from_port = |port| Match::Is(Field::SourcePort, Bytes::EMPTY.port(port));
    let from = Match::Is(Field::Source4, Bytes::EMPTY.ip(second));
    net.rules(vec![
        logged(vec![from_port(8080)], "from 8080", drops()),
        logged(vec![from], "from the second address", drops()),
    ]);
    let watches = net.watch();
    let prefix = |asked| match ask_one(&net, &watches, asked).outcome {
        Outcome::Dropped { prefix, .. } => prefix.to_string(),
        other => format!("{other:?}"),
    };
    for protocol in [Tcp, Udp, Sctp] {
        for address in BOTH {
            // A port at which the party itself listens.
            let asked = Question {
                source_port: Some(8080),
                ..question(0, address(1), protocol, 80)
            };
            assert_eq!(prefix(asked), "from 8080", "{asked:?}");
            let asked = Question {
                source_port: Some(8081),
                ..question(0, address(1), protocol, 80)
            };
            let answer = ask_one(&net, &watches, asked);
            assert!(
                matches!(answer.outcome, Outcome::Open { .. }),
                "{asked:?}: {answer:?}"
            );
        }
    }
    // The same port to the same place: one after the other.
    for protocol in [Tcp, Udp, Sctp] {
        let asked = Question {
            source_port: Some(8082),
            ..question(0, v4(1), protocol, 80)
        };
        for answer in ask(&net, &watches, &[asked; 5]) {
            assert!(
                matches!(answer.outcome, Outcome::Open { .. }),
                "{protocol:?}: {answer:?}"
            );
        }
    }
    for protocol in [Tcp, Udp, Sctp, Icmp] {
        let asked = Question {
            from_address: Some(second),
            ..question(0, v4(1), protocol, 80)
        };
        assert_eq!(prefix(asked), "from the second address", "{asked:?}");
    }
    // Who is asked at his second address answers from there.
    net.add_address(1, "fd01::99".parse().unwrap());
    net.add_address(1, "10.1.0.98".parse().unwrap());
    for protocol in [Tcp, Udp, Sctp] {
        for to in ["10.1.0.98", "fd01::99"] {
            let to = to.parse().unwrap();
            let answer = ask_one(&net, &watches, question(0, to, protocol, 80));
            let Outcome::Open { by: Some(by) } = answer.outcome else {
                panic!("{protocol:?} {to}: {answer:?}")
            };
            assert_eq!((&*by.name, by.address), ("pod1", Some(to)));
        }
    }
    // An address that is not there is nobody's fault on the way.
    let asked = Question {
        from_address: Some(v4(7)),
        ..question(0, v4(1), Tcp, 80)
    };
    let outcome = ask_one(&net, &watches, asked).outcome;
    assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
    crate::Outcome::Passed
}

/// A second prober cannot hear the rules.
fn a_log_that_somebody_else_reads_is_an_error() -> crate::Outcome {
    let net = Net::new(1);
    net::run(&net.router, || {
        let _taken = watertight_node::netlink::log::Listener::open(net::GROUP).unwrap();
        let asked = [question(0, v4(0), Tcp, 80)];
        let settings = Settings::default();
        let error = probe::run(&net.parties, &asked, &net.watch(), &settings, &|_| {}).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("could not listen to what the rules of `router` log"),
            "{error}"
        );
    });
    crate::Outcome::Passed
}

/// A Service, as a node would translate it: `10.96.0.1:80` to port 8080 of the second pod.
fn translated_addresses_tell_where_they_lead() -> crate::Outcome {
    let net = Net::new(2);
    let _listeners = listen(&net, &[8080]);
    let service: IpAddr = "10.96.0.1".parse().unwrap();
    let redirect = |protocol: u8, port: u16, target: u16| Rule {
        matches: vec![
            Match::Is(Field::Destination4, Bytes::EMPTY.ip(service)),
            Match::Is(Field::Protocol, Bytes::EMPTY.protocol(protocol)),
            Match::Is(Field::DestinationPort, Bytes::EMPTY.port(port)),
        ],
        statements: vec![Statement::Redirect(Target::One(v4(1), target))],
        comment: "".into(),
    };
    let mut redirects = Vec::new();
    for protocol in [6, 17, 132] {
        redirects.push(redirect(protocol, 80, 8080));
        redirects.push(redirect(protocol, 81, 8081));
    }
    let chain = |kind, number, rules| Chain {
        hook: Some(Hook {
            kind,
            number,
            priority: 0,
        }),
        rules,
    };
    let denied = vec![to_port(8081, "behind", drops())];
    net.table(Table {
        name: "service".into(),
        sets: [].into(),
        chains: [
            ("redirect".into(), chain(ChainType::Nat, 0, redirects)),
            ("forward".into(), chain(ChainType::Filter, 2, denied)),
        ]
        .into(),
    });
    for protocol in [Tcp, Udp, Sctp] {
        let answer = ask_one(&net, &net.watch(), question(0, service, protocol, 80));
        let Outcome::Open { by: Some(by) } = answer.outcome else {
            panic!("{protocol:?}: {answer:?}")
        };
        assert_eq!((&*by.name, by.address), ("pod1", Some(v4(1))));
        // The rule sees the packet with the address behind the Service.
        let answer = ask_one(&net, &net.watch(), question(0, service, protocol, 81));
        let dropped = Outcome::Dropped {
            node: 0,
            prefix: "behind".into(),
        };
        assert_eq!(answer.outcome, dropped, "{protocol:?}");
    }
    crate::Outcome::Passed
}

/// Many questions, some of them denied, with room for a few hundred sockets only.
fn all_pairs_at_once_with_few_files_left() -> crate::Outcome {
    let pods = pods();
    let net = Net::new(pods);
    let _listeners = listen(&net, &[80]);
    let denied = |pod: usize| pod.is_multiple_of(3);
    let to = |pod| Match::Is(Field::Destination4, Bytes::EMPTY.ip(v4(pod)));
    let rules = (0..pods).filter(|pod| denied(*pod));
    let matches = |pod| vec![Match::Way(0), to(pod)];
    net.rules(
        rules
            .map(|pod| logged(matches(pod), &format!("pod{pod}"), drops()))
            .collect(),
    );
    let mut questions = Vec::new();
    for protocol in [Tcp, Udp, Sctp, Icmp] {
        for from in 0..pods {
            for to in (0..pods).filter(|to| *to != from) {
                questions.push(question(from, v4(to), protocol, 80));
            }
        }
    }
    // All but a few descriptors are taken.
    let mut taken = Vec::new();
    if std::env::var_os("PROBE_PODS").is_none() {
        while let Ok(file) = std::fs::File::open("/dev/null") {
            taken.push(file);
        }
        taken.truncate(taken.len() - 300);
    }
    let last = Mutex::new(Progress::default());
    let settings = Settings {
        in_flight: 100_000,
        ..Settings::default()
    };
    let settings = if taken.is_empty() {
        Settings::default()
    } else {
        settings
    };
    let started = Instant::now();
    let answers = probe::run(
        &net.parties,
        &questions,
        &net.watch(),
        &settings,
        &|progress| {
            *last.lock().unwrap() = progress;
        },
    )
    .unwrap();
    println!("{} questions in {:?}", questions.len(), started.elapsed());
    drop(taken);
    for (asked, answer) in questions.iter().zip(answers) {
        let to = net
            .parties
            .iter()
            .position(|party| party.addresses.contains(&asked.to))
            .unwrap();
        match answer.outcome {
            Outcome::Dropped { prefix, .. } if denied(to) => {
                assert_eq!(*prefix, *net.parties[to].name, "{asked:?}");
            }
            Outcome::Open { by } if !denied(to) => {
                let name = by.map(|by| by.name);
                let expected = (asked.protocol != Icmp).then(|| Arc::clone(&net.parties[to].name));
                assert_eq!(name, expected, "{asked:?}");
            }
            outcome => panic!("{asked:?}: {outcome:?}"),
        }
    }
    let Progress {
        done,
        total,
        lost_records,
    } = *last.lock().unwrap();
    assert_eq!(
        (done, total, lost_records),
        (questions.len(), questions.len(), 0)
    );
    crate::Outcome::Passed
}

/// No answer is lost where all want the same.
fn thousands_at_once_to_one_listener() -> crate::Outcome {
    let net = Net::new(2);
    let _listeners = listen(&net, &[80]);
    let settings = Settings {
        attempts: 1,
        ..Settings::default()
    };
    for protocol in [Tcp, Udp, Sctp, Icmp] {
        for address in BOTH {
            let asked = question(0, address(1), protocol, 80);
            let questions = vec![asked; 3000];
            let answers = probe::run(&net.parties, &questions, &[], &settings, &|_| {}).unwrap();
            let open = |answer: &&Answer| matches!(answer.outcome, Outcome::Open { .. });
            assert_eq!(answers.iter().filter(open).count(), 3000, "{asked:?}");
        }
    }
    crate::Outcome::Passed
}

fn pods() -> usize {
    std::env::var("PROBE_PODS").map_or(20, |pods| pods.parse().unwrap())
}
