//! Addresses that a rule about a DNS name might admit: nobody knows what a name resolves to.

use super::build::Builder;
use crate::analysis::explain::{self, FaultKind, Outcome};
use crate::eval::Party;
use crate::manifest::Direction;
use crate::policy::{Peer, Rule};
use crate::rules::some_of;

impl Builder<'_> {
    /// Where an address is denied, or some of many are, and a name is all that a rule lacks.
    pub(super) fn name_notes(&self, answer: &explain::Answer) -> Vec<String> {
        let eval = self.explainer.eval();
        let mut notes: Vec<String> = Vec::new();
        let denied = answer.rows().filter(|row| row.outcome() == Outcome::Denied);
        for row in denied {
            let explanation = &row.explanation;
            let is_name = matches!(explanation.connection.to, Party::Name(_));
            if is_name || !explanation.ingress.decision.is_allowed() {
                continue;
            }
            let Some(denial) = self.explainer.denial(row, Direction::Egress) else {
                continue;
            };
            for miss in &denial.misses {
                let ports = miss
                    .faults
                    .iter()
                    .any(|fault| fault.kind == FaultKind::Port);
                let by_name = miss.faults.iter().all(|fault| match fault.kind {
                    FaultKind::Domain => true,
                    // The port that was judged stands for others.
                    FaultKind::Port => !row.ports.iter().all(|asked| asked.span.is_one()),
                    _ => false,
                });
                let rule = &eval.ruleset[miss.rule];
                let (names, id) = domains(rule);
                if !by_name || names.is_empty() {
                    continue;
                }
                let on: Vec<_> = rule.traffic.iter().map(ToString::to_string).collect();
                let on = match ports {
                    true => format!(" on {}", some_of(&on)),
                    false => String::new(),
                };
                let whose = match row.addresses.is_empty() {
                    true => "it",
                    false => "one of these addresses",
                };
                let text = format!("allowed{on} if {} resolves to {whose} ({id})", or(&names));
                if !notes.contains(&text) {
                    notes.push(text);
                }
            }
        }
        notes
    }
}

/// The names that a rule is about, and whose rule it is that they have to be learnt.
fn domains(rule: &Rule) -> (Vec<String>, &'static str) {
    let (mut names, mut of) = (Vec::new(), "");
    for peer in &rule.peers {
        peer.leaves(&mut |leaf| {
            if let Peer::Domain(pattern, id, _) = leaf {
                of = id;
                names.push(match pattern.is_name() {
                    true => pattern.to_string(),
                    false => format!("a name of {pattern}"),
                });
            }
        });
    }
    (names, of)
}

/// `a, b or c`, of at most four.
fn or(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [a, b, c, _, _, ..] => format!("{a}, {b}, {c} or one of {} more", names.len() - 3),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
