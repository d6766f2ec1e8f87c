//! An explanation tells the same as the verdict, and its evidence stands by itself.

use std::collections::BTreeMap;

use watertight_core::eval::{Decision, Explanation, Party, Reason, SideTrace};
use watertight_core::manifest::Direction;
use watertight_core::policy::RuleRef;

use super::some_questions;
use crate::oracle::objects::{Cluster, Policy, Spec};
use crate::oracle::{Question, Readings};
use crate::runner::{hold, questions_at_most};
use crate::worlds::read::{Read, read, read_plain};
use crate::worlds::{Described, at_addresses, describe, readings, sample, worlds};

/// A cluster in which one rule is all that is left of the policies.
fn with_rule_alone(
    described: &Described,
    readings: &Readings,
    full: &Read,
    rule: RuleRef,
) -> Result<Read, String> {
    let id = full.ruleset[rule.policy].origin.kubernetes();
    let id = id.ok_or("a rule of another language")?;
    let (namespace, name) = {
        let policy = &full.world[id];
        (&*full.world[policy.namespace].name, &*policy.name)
    };
    let written = |policy: &&Policy| policy.namespace == namespace && policy.name == name;
    let policy = described.cluster.policies.iter().find(written);
    let policy = policy.ok_or_else(|| format!("policy {namespace}/{name} is not there"))?;
    let spec = policy
        .spec
        .as_ref()
        .ok_or("a policy without spec has no rule")?;
    let direction = rule.policy.direction;
    let rules = match direction {
        Direction::Ingress => &spec.ingress,
        Direction::Egress => &spec.egress,
    };
    let alone = rules.as_ref().and_then(|rules| rules.get(rule.rule));
    let alone = vec![alone.ok_or("the rule is not there")?.clone()];
    let mut reduced = Spec {
        pod_selector: spec.pod_selector.clone(),
        policy_types: Some(vec![direction.api()]),
        ..Spec::default()
    };
    match direction {
        Direction::Ingress => reduced.ingress = Some(alone),
        Direction::Egress => reduced.egress = Some(alone),
    }
    let cluster = Cluster {
        policies: vec![Policy {
            spec: Some(reduced),
            ..policy.clone()
        }],
        ..described.cluster.clone()
    };
    read_plain(&cluster, readings)
}

#[test]
fn an_explanation_gives_the_verdict_and_its_evidence() {
    hold(60, (worlds(), readings()), |(described, readings)| {
        let full = read(described, readings)?;
        let evaluator = full.evaluator();
        let mut alone: BTreeMap<RuleRef, Read> = BTreeMap::new();
        for question in some_questions(described) {
            let connection = full.connection(&question);
            let explained = evaluator.explain(&connection);
            let asked = describe(&described.cluster, &question);
            if explained.verdict != evaluator.verdict(&connection) {
                return Err(format!("{asked}: another verdict: {explained:?}"));
            }
            for (trace, decision) in sides(&explained) {
                let problem = || format!("{asked}: {trace:?}");
                if trace.decision != decision || !is_evidence(trace) {
                    return Err(problem());
                }
                let (Decision::Rule { rule, .. }, Some(_)) = (decision, trace.subject) else {
                    continue;
                };
                if let std::collections::btree_map::Entry::Vacant(free) = alone.entry(rule) {
                    free.insert(with_rule_alone(described, readings, &full, rule)?);
                }
                let reduced = &alone[&rule];
                let verdict = reduced.evaluator().verdict(&reduced.connection(&question));
                let side = match trace.direction {
                    Direction::Ingress => verdict.ingress,
                    Direction::Egress => verdict.egress,
                };
                if !matches!(side, Decision::Rule { allowed: true, .. }) {
                    return Err(format!("{}\nalone: {side:?}", problem()));
                }
            }
        }
        Ok(())
    });
}

fn sides(explained: &Explanation) -> [(&SideTrace, Decision); 2] {
    [
        (&explained.egress, explained.verdict.egress),
        (&explained.ingress, explained.verdict.ingress),
    ]
}

/// Whether the steps of a side lead to its decision.
fn is_evidence(trace: &SideTrace) -> bool {
    let hits: Vec<RuleRef> = trace
        .steps
        .iter()
        .filter(|step| step.peer && step.traffic)
        .map(|step| step.rule)
        .collect();
    match trace.decision {
        Decision::NotSubject | Decision::NotIsolated => {
            trace.steps.is_empty() && trace.policies.is_empty()
        }
        // The walk ends with the first rule that matches.
        Decision::Rule { rule, allowed } => {
            let last = trace.steps.last().map(|step| step.rule);
            allowed && hits == [rule] && last == Some(rule) && trace.policies.contains(&rule.policy)
        }
        Decision::NoRule { isolated_by } => {
            hits.is_empty() && trace.maybe.is_none() && trace.policies.first() == Some(&isolated_by)
        }
    }
}

/// One side asked alone is the side of the verdict.
#[test]
fn decide_is_a_side_of_the_verdict() {
    hold(60, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        sides_alone(described, &read, some_questions(described))
    });
}

#[test]
fn decide_at_an_address_is_a_side_of_the_verdict() {
    hold(60, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let questions = sample(at_addresses(&described.cluster), questions_at_most());
        sides_alone(described, &read, questions)
    });
}

fn sides_alone(described: &Described, read: &Read, questions: Vec<Question>) -> Result<(), String> {
    let evaluator = read.evaluator();
    for question in questions {
        let connection = read.connection(&question);
        let verdict = evaluator.verdict(&connection);
        let plain = question.family.is_none() && question.via_node.is_none();
        if verdict.reason != Reason::Policies || !plain {
            continue;
        }
        let port = question.port.unwrap_or_default();
        let (from, to) = (connection.from, connection.to);
        let sides = [
            (Direction::Egress, from, to, verdict.sides[0]),
            (Direction::Ingress, to, from, verdict.sides[1]),
        ];
        for (direction, own, other, decision) in sides {
            let Party::Endpoint(subject) = own else {
                continue;
            };
            let alone = evaluator.decide(direction, subject, other, connection.protocol, port);
            if alone != decision {
                return Err(format!(
                    "{}: {} alone is {alone:?}, in the verdict {decision:?}",
                    describe(&described.cluster, &question),
                    direction.word()
                ));
            }
        }
    }
    Ok(())
}
