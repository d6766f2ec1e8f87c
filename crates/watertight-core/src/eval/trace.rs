//! A verdict with every step that led to it.

use super::connection::Connection;
use super::side::{Decision, SideTrace, Step};
use super::verdict::Verdict;
use super::{Evaluator, Party};
use crate::manifest::Direction;

/// A verdict and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was asked.
    pub connection: Connection,
    /// The answer.
    pub verdict: Verdict,
    /// The egress side.
    pub egress: SideTrace,
    /// The ingress side.
    pub ingress: SideTrace,
}

impl Evaluator<'_> {
    /// Judges a connection and keeps the steps.
    #[must_use]
    pub fn explain(&self, connection: &Connection) -> Explanation {
        let mut steps: Vec<(Direction, Step)> = Vec::new();
        let verdict = self.judge(connection, |direction, step| steps.push((direction, step)));
        let side = |direction, party: Party, decision: Decision| {
            let subject = match (party.resolve(self.world), decision) {
                (_, Decision::NotSubject) => None,
                (Party::Endpoint(id), _) => Some(id),
                _ => None,
            };
            let of_side = |(of, step): &(Direction, Step)| (*of == direction).then_some(*step);
            SideTrace {
                direction,
                subject,
                policies: subject
                    .map(|subject| self.policies_of(subject, direction).to_vec())
                    .unwrap_or_default(),
                steps: steps.iter().filter_map(of_side).collect(),
                decision,
            }
        };
        Explanation {
            connection: *connection,
            egress: side(Direction::Egress, connection.from, verdict.egress),
            ingress: side(Direction::Ingress, connection.to, verdict.ingress),
            verdict,
        }
    }
}
