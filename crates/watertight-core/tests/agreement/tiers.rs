//! ClusterNetworkPolicies around the NetworkPolicies: the evaluator against the API text.

use std::cell::RefCell;
use std::collections::BTreeMap;

use watertight_core::eval::Reason;
use watertight_core::policy::Action;

use super::compare;
use crate::runner::hold;
use crate::worlds::read::read;
use crate::worlds::{at_addresses, between_parties, mixed_readings, mixed_worlds, sample};

/// A-1..A-40, but for what DNS answers teach.
#[test]
fn verdicts_of_all_tiers_agree_with_the_api_text() {
    hold(
        500,
        (mixed_worlds(), mixed_readings()),
        |(described, readings)| {
            let read = read(described, readings)?;
            let mut questions = between_parties(&described.cluster);
            questions.extend(at_addresses(&described.cluster));
            compare(described, readings, &read, questions)
        },
    );
}

/// Every tier decides some of the questions, by every action, and some are torn.
#[test]
fn mixed_worlds_are_worth_asking_about() {
    let tally: RefCell<BTreeMap<String, u32>> = RefCell::default();
    hold(
        150,
        (mixed_worlds(), mixed_readings()),
        |(described, readings)| {
            let read = read(described, readings)?;
            let evaluator = read.evaluator();
            for question in sample(between_parties(&described.cluster), 200) {
                let explained = evaluator.explain(&read.connection(&question));
                let mut tally = tally.borrow_mut();
                let mut count = |what: String| *tally.entry(what).or_default() += 1;
                if explained.verdict.reason != Reason::Policies {
                    continue;
                }
                count("asked".into());
                if let Some(uncertain) = explained.verdict.uncertain {
                    count(uncertain.id.into());
                }
                for side in [&explained.egress, &explained.ingress] {
                    let matched = side.steps.iter().filter(|step| step.peer && step.traffic);
                    for step in matched {
                        let at = step.rule.policy;
                        let tier = &read.ruleset.tiers(at.direction)[at.tier].name;
                        let action = match read.ruleset[step.rule].action {
                            Action::Allow => "allows",
                            Action::Deny => "denies",
                            Action::Pass => "passes",
                            Action::Log => "logs",
                        };
                        count(format!("{tier} {action}"));
                    }
                }
            }
            Ok(())
        },
    );
    let tally = tally.into_inner();
    for (what, per_mille) in [
        ("Admin allows", 25),
        ("Admin denies", 45),
        ("Admin passes", 25),
        ("NetworkPolicy allows", 100),
        ("Baseline allows", 5),
        ("Baseline denies", 9),
        ("Baseline passes", 6),
        ("A-12", 1),
    ] {
        let found = tally.get(what).copied().unwrap_or_default();
        assert!(
            found * 1000 >= tally["asked"] * per_mille,
            "{what}: {tally:#?}"
        );
    }
}
