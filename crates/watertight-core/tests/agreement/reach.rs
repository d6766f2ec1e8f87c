//! Rows against verdicts, connection by connection.

use watertight_core::eval::reach::{Outcome, Reach};
use watertight_core::eval::{Connection, Evaluator};

use crate::runner::{hold, questions_at_most};
use crate::worlds::read::read;
use crate::worlds::{
    at_addresses, between_parties, describe, readings, sample, to_services, worlds,
};

/// The outcome that a verdict stands for.
fn outcome(eval: &Evaluator<'_>, connection: &Connection) -> Outcome {
    let verdict = eval.verdict(connection);
    match (verdict.allowed, verdict.uncertain) {
        (true, _) => Outcome::Allowed,
        (false, Some(_)) => Outcome::Uncertain,
        (false, None) => Outcome::Denied,
    }
}

#[test]
fn rows_agree_with_verdicts() {
    hold(300, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let eval = read.evaluator();
        let reach = Reach::new(&eval);
        let mut questions = between_parties(&described.cluster);
        questions.extend(at_addresses(&described.cluster));
        for question in sample(questions, questions_at_most()) {
            let connection = read.connection(&question);
            let expected = outcome(&eval, &connection);
            let got = reach.outcome(&eval, &connection);
            if got != expected {
                return Err(format!(
                    "{}\n  the verdict is {expected:?}, rows say {got:?}",
                    describe(&described.cluster, &question)
                ));
            }
        }
        Ok(())
    });
}

/// K-79..K-81
#[test]
fn rows_agree_with_verdicts_on_services() {
    hold(300, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let eval = read.evaluator();
        let reach = Reach::new(&eval);
        for (from, service, port, protocol) in to_services(&described.cluster) {
            let object = &described.cluster.services[service];
            let service = read
                .world
                .service(&object.namespace, &object.name)
                .ok_or("the service is not there")?;
            let protocol = crate::worlds::read::protocol(protocol);
            for (_, connection, _) in eval.to_service(read.party(from), service, port, protocol) {
                let expected = outcome(&eval, &connection);
                let got = reach.outcome(&eval, &connection);
                if got != expected {
                    return Err(format!(
                        "{from:?} -> {}: the verdict is {expected:?}, rows say {got:?}",
                        object.name
                    ));
                }
            }
        }
        Ok(())
    });
}
