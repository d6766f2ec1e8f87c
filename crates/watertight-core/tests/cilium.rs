//! Random policies of Cilium, held against a second reading of its rules that works on identities
//! as Cilium does, and shares no code with the evaluator.
//!
//! `PROPTEST_CASES=10000` judges as many clusters; `PROPTEST_RNG_SEED` repeats a run.

#![cfg(test)]

// The attributes tell clippy that all of it is test code.
#[cfg(test)]
#[path = "cilium/model.rs"]
mod model;
#[cfg(test)]
#[path = "cilium/oracle.rs"]
mod oracle;
#[cfg(test)]
#[path = "cilium/write.rs"]
mod write;

use model::{Cluster, PARTIES, Party};
use oracle::Question;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use watertight_core::engine::Profile;
use watertight_core::eval::reach::{Outcome, Reach};
use watertight_core::eval::{self, Connection, Evaluator, Icmp, Request};
use watertight_core::manifest::{self, Options};
use watertight_core::policy::lower;
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, World, build};

/// What is asked of every pair.
const QUESTIONS: &[Question] = &[
    Question::port("TCP", 80),
    Question::port("TCP", 81),
    Question::port("TCP", 8080),
    Question::port("UDP", 53),
    Question::port("UDP", 80),
    Question::port("SCTP", 80),
    Question::icmp(8),
    Question::icmp(13),
    Question::request("GET"),
    Question::request("POST"),
];

fn party(world: &World, party: &Party) -> eval::Party {
    match party {
        Party::Pod {
            namespace, name, ..
        } => eval::Party::Endpoint(world.endpoint(namespace, name).unwrap()),
        Party::Node { name, .. } => eval::Party::Node(world.node(name).unwrap()),
        Party::Outside(ip) => eval::Party::Address(ip.parse().unwrap()),
        Party::Name(name) => {
            let mut names = world.name_ids();
            eval::Party::Name(names.find(|id| *world[*id].text == **name).unwrap())
        }
    }
}

fn connection(from: eval::Party, to: eval::Party, question: &Question) -> Connection {
    let protocol = Protocol::from_api(question.protocol).unwrap_or(Protocol::Icmp);
    let mut connection = Connection::new(from, to, protocol, question.port);
    if protocol == Protocol::Icmp {
        connection.port = None;
        connection.icmp = Some(Icmp {
            kind: u8::try_from(question.port).unwrap(),
            code: 0,
        });
    }
    connection
}

/// How many answers were compared: allowed, denied, and not sure.
#[derive(Default, Debug)]
struct Seen([usize; 3]);

fn agrees(cluster: &Cluster, seen: &mut Seen) -> Result<(), String> {
    let yaml = write::cluster(cluster);
    let mut sources = Sources::new();
    sources.add("t.yaml", yaml.clone().into()).unwrap();
    let loaded = manifest::load(&sources, &Options::default());
    let refused = loaded.findings.iter().find(|finding| finding.incomplete);
    if let Some(finding) = refused {
        return Err(format!("{yaml}\nrefused: {}", finding.message));
    }
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    let (mut world, _) = build(&sources, &loaded.objects, &assume);
    for party in PARTIES {
        if let Party::Name(name) = party {
            world.intern_name(name);
        }
    }
    let mut profile = Profile::parse("cilium").unwrap();
    for (name, value) in cluster.switches() {
        profile.switches.set(name, value).unwrap();
    }
    let ruleset = lower(&world, &profile);
    let eval = Evaluator::new(&world, &ruleset, profile.switches);
    let reach = Reach::new(&eval);
    let pairs = PARTIES
        .iter()
        .flat_map(|from| PARTIES.iter().map(move |to| (from, to)));
    for (from, to) in pairs.filter(|(from, to)| model::can_connect(from, to)) {
        for question in QUESTIONS {
            let asked = connection(party(&world, from), party(&world, to), question);
            let verdict = match question.method {
                None => eval.verdict(&asked),
                Some(method) => eval.request(
                    &asked,
                    &Request {
                        method: method.into(),
                        path: "/".into(),
                    },
                ),
            };
            let problem = |what: &str| {
                format!("{yaml}\n{from:?}\n-> {to:?}\n{question:?}: {what}\n{verdict:?}")
            };
            if question.method.is_none() && reach.outcome(&eval, &asked) != Outcome::of(&verdict) {
                return Err(problem("rows say something else"));
            }
            if verdict.uncertain.is_some() {
                // The address of a name is not known; everything else is.
                if !matches!((from, to), (_, Party::Name(_)) | (Party::Name(_), _)) {
                    return Err(problem("nothing is uncertain here"));
                }
                seen.0[2] += 1;
                continue;
            }
            if oracle::allows(cluster, from, to, question) != verdict.allowed {
                return Err(problem("the identities say something else"));
            }
            seen.0[usize::from(!verdict.allowed)] += 1;
        }
    }
    Ok(())
}

#[test]
fn verdicts_are_what_identities_say() {
    let mut config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 150;
        config.rng_seed = RngSeed::Fixed(1);
    }
    let seen = std::cell::RefCell::new(Seen::default());
    let tapes = proptest::collection::vec(any::<u16>(), 0..400);
    let outcome = TestRunner::new(config).run(&tapes, |tape| {
        let cluster = Cluster::from_tape(&tape);
        agrees(&cluster, &mut seen.borrow_mut()).map_err(TestCaseError::fail)
    });
    if let Err(proptest::test_runner::TestError::Fail(reason, _)) = outcome {
        panic!("{reason}");
    }
    let Seen([allowed, denied, unsure]) = seen.into_inner();
    let all = allowed + denied + unsure;
    assert!(
        allowed > all / 5 && denied > all / 5 && unsure < all / 10,
        "{allowed} {denied} {unsure}"
    );
}
