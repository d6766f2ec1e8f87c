//! Random clusters: the evaluator against a second reading of the API text, and against laws that
//! hold for any policies.
//!
//! A plain run judges the same few hundred clusters every time. `PROPTEST_CASES=10000` makes it as
//! many new ones for each property (best with `--release`), and `PROPTEST_RNG_SEED` repeats a run.
//! A failure is shrunk, then shown as YAML with the connection and both answers.

mod laws;
mod oracle;
mod runner;
mod worlds;

use std::cell::RefCell;
use std::collections::BTreeMap;

use oracle::{Oracle, Question, Readings, Who};
use runner::{hold, questions_at_most};
use watertight_core::engine::Switches;
use watertight_core::eval::{Decision, Reason};
use watertight_core::manifest::Direction;
use watertight_core::world::Backend;
use worlds::read::{Read, read};
use worlds::{
    Described, at_addresses, between_parties, describe, other_readings, readings, sample,
    to_services, worlds,
};

/// The difference between the two answers to a question, if there is one.
fn compare(
    described: &Described,
    readings: &Readings,
    read: &Read,
    questions: Vec<Question>,
) -> Result<(), String> {
    let oracle = Oracle {
        cluster: &described.cluster,
        readings,
    };
    let evaluator = read.evaluator();
    for question in sample(questions, questions_at_most()) {
        let expected = oracle.allowed(&question);
        let verdict = evaluator.verdict(&read.connection(&question));
        if verdict.allowed != expected {
            return Err(format!(
                "{}\n  expected allowed={expected}, got {verdict:?}",
                describe(&described.cluster, &question)
            ));
        }
        if verdict.uncertain.is_some() {
            return Err(format!(
                "{}\n  uncertain although every address is known",
                describe(&described.cluster, &question)
            ));
        }
    }
    Ok(())
}

#[test]
fn verdicts_agree_with_the_api_text() {
    hold(500, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let questions = between_parties(&described.cluster);
        compare(described, readings, &read, questions)
    });
}

/// K-63, K-66, K-68: a pod or node that is given by an address is judged at that address.
#[test]
fn verdicts_at_addresses_agree_with_the_api_text() {
    hold(100, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let questions = at_addresses(&described.cluster);
        compare(described, readings, &read, questions)
    });
}

/// K-6, K-7
#[test]
fn isolation_agrees_with_the_api_text() {
    hold(150, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let oracle = Oracle {
            cluster: &described.cluster,
            readings,
        };
        let evaluator = read.evaluator();
        for (at, pod) in read.pods.iter().enumerate() {
            for direction in Direction::BOTH {
                let expected = oracle.is_isolated(at, direction.api());
                if evaluator.is_isolated(*pod, direction) != expected {
                    let name = &described.cluster.pods[at].name;
                    return Err(format!("{name} {}: expected {expected}", direction.word()));
                }
            }
        }
        Ok(())
    });
}

/// K-79, K-80: a Service is judged backend by backend, in the family of the address dialled.
#[test]
fn services_agree_with_the_api_text() {
    hold(
        1000,
        (worlds(), other_readings()),
        |(described, readings)| {
            let read = read(described, readings)?;
            for (from, service, port, protocol) in to_services(&described.cluster) {
                same_backends(described, readings, &read, from, service, port, protocol)?;
            }
            Ok(())
        },
    );
}

fn same_backends(
    described: &Described,
    readings: &Readings,
    read: &Read,
    from: Who,
    service: usize,
    port: u16,
    protocol: &'static str,
) -> Result<(), String> {
    let oracle = Oracle {
        cluster: &described.cluster,
        readings,
    };
    let service_object = &described.cluster.services[service];
    let dialled = service_object.cluster_ips.first();
    let answer = |(at, target): (usize, u16)| {
        let question = Question {
            from,
            to: Who::Pod(at),
            family: None,
            protocol,
            port: Some(target),
            service: dialled.map(|ip| (*ip, port)),
            via_node: None,
        };
        (read.pods[at], target, oracle.allowed(&question))
    };
    let mut expected: Vec<_> = oracle
        .backends(service, port, protocol)
        .into_iter()
        .map(answer)
        .collect();
    expected.sort_unstable();
    let id = read
        .world
        .service(&service_object.namespace, &service_object.name)
        .ok_or("the service is not there")?;
    let mut got = Vec::new();
    let protocol = worlds::read::protocol(protocol);
    for (backend, _, verdict) in read
        .evaluator()
        .to_service(read.party(from), id, port, protocol)
    {
        match backend {
            Backend::Endpoint(endpoint, target) => got.push((endpoint, target, verdict.allowed)),
            Backend::Address(ip, _) => return Err(format!("{ip} is no backend")),
        }
    }
    got.sort_unstable();
    if got != expected {
        return Err(format!(
            "{from:?} -> svc:{}/{}:{port}: expected {expected:?}, got {got:?}",
            service_object.namespace, service_object.name
        ));
    }
    Ok(())
}

/// The oracle knows every switch that decides a verdict.
#[test]
fn no_switch_is_left_out() {
    let known: Vec<&str> = Readings::default()
        .pairs()
        .iter()
        .map(|(name, _)| *name)
        .collect();
    // About open connections, about all policies at once, and about spelling.
    let elsewhere = ["established", "enforcement", "strict_cidr"];
    for name in Switches::names() {
        assert!(known.contains(&name) || elsewhere.contains(&name), "{name}");
    }
    let reference = Switches::default().describe();
    for pair in Readings::default().pairs() {
        assert!(reference.contains(&pair), "{pair:?} is no default");
    }
}

/// The generator is directed: answers of every kind are common, and rules decide many of them.
#[test]
fn the_worlds_are_worth_asking_about() {
    let tally: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    hold(200, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let evaluator = read.evaluator();
        for question in sample(between_parties(&described.cluster), 200) {
            let verdict = evaluator.verdict(&read.connection(&question));
            let mut tally = tally.borrow_mut();
            let mut count = |what| *tally.entry(what).or_default() += 1;
            count("asked");
            count(if verdict.allowed { "allowed" } else { "denied" });
            for side in [verdict.egress, verdict.ingress] {
                match side {
                    Decision::Rule { .. } => count("by rule"),
                    Decision::NoRule { .. } => count("no rule"),
                    Decision::NotIsolated => count("not isolated"),
                    Decision::NotSubject => count("not subject"),
                }
            }
            match verdict.reason {
                Reason::Policies => count("policies"),
                Reason::Exempt(id, _) | Reason::Impossible(id, _) => count(id),
            }
        }
        Ok(())
    });
    let tally = tally.into_inner();
    for (what, per_mille) in [
        ("allowed", 200),
        ("denied", 200),
        ("policies", 500),
        ("by rule", 100),
        ("no rule", 100),
        ("not isolated", 100),
        ("K-75", 10),
        ("K-73", 10),
        ("K-68", 10),
        ("K-33", 5),
        ("K-86", 5),
    ] {
        let found = tally.get(what).copied().unwrap_or_default();
        assert!(
            found * 1000 >= tally["asked"] * per_mille,
            "{what}: {tally:#?}"
        );
    }
}
