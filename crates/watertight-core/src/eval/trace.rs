//! A verdict with every step that led to it.

use super::connection::Connection;
use super::side::{Decision, Judged, Own, SideTrace, Step};
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
        let seen = |direction, step| steps.push((direction, step));
        let verdict = self.judge(connection, None, seen);
        let side = |direction, party: Party, judged: Judged| {
            let Judged { decision, maybe } = judged;
            let subject = match decision {
                Decision::NotSubject => None,
                _ => self.own(party.resolve(self.world)),
            };
            let of_side = |(of, step): &(Direction, Step)| (*of == direction).then_some(*step);
            SideTrace {
                direction,
                subject,
                policies: match subject {
                    Some(Own::Endpoint(id)) => self.policies_of(id, direction).to_vec(),
                    Some(Own::Node(id)) => self.policies_of_node(id, direction).to_vec(),
                    None => Vec::new(),
                },
                steps: steps.iter().filter_map(of_side).collect(),
                decision,
                maybe,
            }
        };
        Explanation {
            connection: *connection,
            egress: side(Direction::Egress, connection.from, verdict.sides[0]),
            ingress: side(Direction::Ingress, connection.to, verdict.sides[1]),
            verdict,
        }
    }
}
