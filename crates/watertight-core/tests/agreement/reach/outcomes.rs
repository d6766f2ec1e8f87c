//! `Reach::outcome` is the outcome of `Evaluator::verdict`, for any connection.

use std::cell::RefCell;
use std::collections::BTreeMap;

use watertight_core::eval::Reason;

use super::{outcome, same_outcomes};
use crate::runner::{hold, questions_at_most};
use crate::worlds::read::{protocol, read};
use crate::worlds::{
    Asked, at_addresses, between_parties, fading, mixed_readings, mixed_worlds, read_under,
    readings, rewriting, sample, to_services, worlds,
};

#[test]
fn rows_agree_with_verdicts() {
    hold(150, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let mut questions = between_parties(&described.cluster);
        questions.extend(at_addresses(&described.cluster));
        let questions = sample(questions, questions_at_most());
        let connections = questions.iter().map(|question| read.connection(question));
        same_outcomes(&read.evaluator(), connections)
    });
}

/// A-1..A-17
#[test]
fn rows_agree_with_verdicts_of_all_tiers() {
    let input = (mixed_worlds(), mixed_readings());
    hold(200, input, |(described, readings)| {
        let read = read(described, readings)?;
        let mut questions = between_parties(&described.cluster);
        questions.extend(at_addresses(&described.cluster));
        let questions = sample(questions, questions_at_most());
        let connections = questions.iter().map(|question| read.connection(question));
        same_outcomes(&read.evaluator(), connections)
    });
}

/// K-79..K-81
#[test]
fn rows_agree_with_verdicts_on_services() {
    hold(200, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let eval = read.evaluator();
        let mut connections = Vec::new();
        for (from, service, port, of) in to_services(&described.cluster) {
            let object = &described.cluster.services[service];
            let service = read.world.service(&object.namespace, &object.name);
            let service = service.ok_or("the service is not there")?;
            let found = eval.to_service(read.party(from), service, port, protocol(of));
            connections.extend(found.into_iter().map(|(_, connection, _)| connection));
        }
        same_outcomes(&eval, connections)
    });
}

/// M-1, and tiers as in no NetworkPolicy.
#[test]
fn rows_agree_with_verdicts_under_any_ruleset() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(300, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        let asked = Asked::of(&read.world, &read.ruleset);
        same_outcomes(&read.evaluator(), asked.connections(questions_at_most()))
    });
}

/// Answers of every kind are common, and so are rules of every kind that match.
#[test]
fn any_ruleset_is_worth_asking_about() {
    let tally: RefCell<BTreeMap<String, u32>> = RefCell::default();
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(100, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        let eval = read.evaluator();
        for connection in Asked::of(&read.world, &read.ruleset).connections(200) {
            let explained = eval.explain(&connection);
            let mut tally = tally.borrow_mut();
            let mut count = |what: String| *tally.entry(what).or_default() += 1;
            if explained.verdict.reason != Reason::Policies {
                continue;
            }
            count("asked".into());
            count(format!("{:?}", outcome(&explained.verdict)));
            for side in [&explained.egress, &explained.ingress] {
                let decided = side.steps.iter().filter(|step| step.peer && step.traffic);
                for step in decided {
                    let tier = step.rule.policy.tier;
                    count(format!("{:?}", eval.ruleset[step.rule].action));
                    count(format!("tier {tier}"));
                }
            }
        }
        Ok(())
    });
    let tally = tally.into_inner();
    for (what, per_mille) in [
        ("Allowed", 150),
        ("Denied", 150),
        ("Uncertain", 5),
        ("Allow", 50),
        ("Deny", 20),
        ("Pass", 20),
        ("Log", 10),
        ("tier 0", 50),
        ("tier 1", 15),
        ("tier 2", 15),
        ("tier 3", 15),
    ] {
        let found = tally.get(what).copied().unwrap_or_default();
        assert!(
            found * 1000 >= tally["asked"] * per_mille,
            "{what}: {tally:#?}"
        );
    }
}
