//! The evaluator against the second reading of the API text, connection by connection.

mod changes;
mod diff;
mod intents;
mod map;
mod reach;
mod tiers;

use watertight_core::manifest::Direction;
use watertight_core::world::Backend;

use crate::oracle::{Oracle, Question, Readings, Who};
use crate::runner::{hold, questions_at_most};
use crate::worlds::read::{Read, protocol, read};
use crate::worlds::{
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
        let expected = oracle.outcomes(&question);
        let verdict = evaluator.verdict(&read.connection(&question));
        if !expected.contains(&verdict.allowed) {
            return Err(format!(
                "{}\n  expected allowed={expected:?}, got {verdict:?}",
                describe(&described.cluster, &question)
            ));
        }
        // every address is known, so only the order of policies can make a difference.
        if verdict.uncertain.is_some() != (expected.len() > 1) {
            return Err(format!(
                "{}\n  expected allowed={expected:?}, uncertain is {:?}",
                describe(&described.cluster, &question),
                verdict.uncertain
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
    let protocol = self::protocol(protocol);
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
