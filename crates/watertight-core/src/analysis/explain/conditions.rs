//! What a connection that is allowed must carry: the requests that rules admit (L-66, C-51).
//!
//! INVARIANT: a request that is told here, and no other, comes to an allow when the rules from the
//! deciding one on are asked about it in their order.

use super::miss::seen;
use crate::eval::{Connection, Decision, Evaluator, Party};
use crate::manifest::Direction;
use crate::policy::{Action, PolicyRef, RuleRef};

/// The requests of one side, any of which is let through; empty if every one is.
#[must_use]
pub fn conditions(
    eval: &Evaluator<'_>,
    direction: Direction,
    decision: Decision,
    connection: &Connection,
) -> Vec<String> {
    let Decision::Rule {
        rule,
        allowed: true,
    } = decision
    else {
        return Vec::new();
    };
    let mut told = Vec::new();
    if !eval.ruleset[rule].narrows_requests() {
        return told;
    }
    add(eval, rule, &mut told);
    let own = match direction {
        Direction::Ingress => connection.to,
        Direction::Egress => connection.from,
    };
    let Party::Endpoint(subject) = own.resolve(eval.world) else {
        return told;
    };
    let all = eval.policies_of(subject, direction);
    let from = all.iter().skip_while(|at| **at != rule.policy);
    let policies: Vec<PolicyRef> = from.copied().collect();
    let seen = seen(eval, direction, connection);
    let port = seen.port.unwrap_or_default();
    let (party, protocol) = (seen.party, seen.protocol);
    let meets = |found| {
        let rules = std::slice::from_ref(found);
        let first = eval.first_match(rules, direction, subject, party, protocol, port);
        first.is_some()
    };
    for tier in policies.chunk_by(|a, b| a.tier == b.tier) {
        let mut passed = false;
        let rules = tier.iter().flat_map(|at| {
            let rules = (0..).zip(&eval.ruleset[*at].rules);
            rules.map(|(number, found)| {
                let policy = *at;
                let rule = number;
                (RuleRef { policy, rule }, found)
            })
        });
        let behind = |at: &RuleRef| (at.policy, at.rule) > (rule.policy, rule.rule);
        for (at, found) in rules.filter(|(at, _)| behind(at)) {
            if found.action == Action::Log || !meets(found) {
                continue;
            }
            match found.action {
                Action::Allow if !found.narrows_requests() => return Vec::new(),
                Action::Allow => add(eval, at, &mut told),
                Action::Pass => {
                    passed = true;
                    break;
                }
                Action::Deny | Action::Log => return told,
            }
        }
        let isolates = all
            .iter()
            .filter(|at| tier.first().is_some_and(|first| first.tier == at.tier))
            .any(|at| eval.ruleset[*at].isolates);
        if isolates && !passed {
            return told;
        }
    }
    // Nothing refuses what the rules do not admit.
    Vec::new()
}

fn add(eval: &Evaluator<'_>, rule: RuleRef, told: &mut Vec<String>) {
    for request in &eval.ruleset[rule].requests {
        let text = request.text.to_string();
        if !told.contains(&text) {
            told.push(text);
        }
    }
}
