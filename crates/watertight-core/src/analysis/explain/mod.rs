//! Why a connection is allowed or denied: every pair that a question is about, each judged by the
//! evaluator, and those with the same answer for the same reason shown as one.
//!
//! A question names two [`Selection`](crate::analysis::parties::Selection)s and ports. Its [`Answer`] has [`Case`]s: pairs of parties
//! that get the same rows. A [`Row`] is a set of ports and addresses that the same rule decides, with
//! the full explanation of one connection that stands for it. INVARIANT: nothing is said that the
//! evaluator did not say of a connection, and a question too large to answer exactly is refused.

mod addresses;
mod admits;
mod advice;
mod cells;
mod conditions;
mod explainer;
mod miss;
mod miss_peers;
mod miss_traffic;
mod nearly;
mod pairs;
mod ports;
mod service;
mod units;
mod written;

use std::sync::OnceLock;

use super::readings::{Open, Readings};
use crate::eval::{Evaluator, Explanation, Family};
use crate::world::ServiceId;

pub use addresses::Range;
pub use admits::admits;
pub use advice::Advice;
pub use conditions::conditions;
pub use miss::{Fault, FaultKind, Miss, misses, short_name};
pub use nearly::Nearly;
pub use ports::{Asked, Span};
pub use units::Unit;
pub use written::{RulePlace, group_of, kind_words, policy_words, rule_place, rules_written};

/// What an answer says of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It is allowed.
    Allowed,
    /// It is denied.
    Denied,
    /// The specification or the input leaves it open.
    Uncertain,
}

/// Ports and addresses that the same rule decides.
#[derive(Clone, Debug)]
pub struct Row {
    /// The ports.
    pub ports: Vec<Asked>,
    /// The addresses, where one end is more than one address.
    pub addresses: Vec<Range>,
    /// The family, where the two families have different answers (K-68).
    pub family: Option<Family>,
    /// A connection that stands for all, with every step.
    pub explanation: Explanation,
    /// Why the answer is uncertain, if it is.
    pub open: Option<Open>,
}

impl Row {
    /// The answer.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match (&self.open, self.explanation.verdict.allowed) {
            (Some(_), _) => Outcome::Uncertain,
            (None, true) => Outcome::Allowed,
            (None, false) => Outcome::Denied,
        }
    }
}

/// Pairs that get the same rows.
#[derive(Clone, Debug)]
pub struct Case {
    /// Who connects.
    pub from: Vec<Unit>,
    /// To whom.
    pub to: Vec<Unit>,
    /// The number of pairs of pods; a range of addresses counts as one.
    pub pairs: usize,
    /// The rows, in the order of ports and addresses.
    pub rows: Vec<Row>,
}

/// The answer to a question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The cases, those of most pairs first.
    pub cases: Vec<Case>,
    /// The Service that is dialled.
    pub service: Option<ServiceId>,
    /// What else to know.
    pub notes: Vec<String>,
}

impl Answer {
    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.cases.iter().flat_map(|case| &case.rows)
    }

    /// The one answer that all rows have; none if they differ.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        let mut outcomes = self.rows().map(Row::outcome);
        let first = outcomes.next()?;
        outcomes.all(|other| other == first).then_some(first)
    }
}

/// The part of a question that cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Who connects.
    From,
    /// To whom.
    To,
    /// The ports.
    Ports,
}

/// Why a question cannot be answered: one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The part that is to blame.
    pub part: Part,
    /// The sentence.
    pub message: String,
}

impl Refusal {
    fn ports(message: String) -> Self {
        Self {
            part: Part::Ports,
            message,
        }
    }

    fn to(message: String) -> Self {
        Self {
            part: Part::To,
            message,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// Answers questions about one cluster.
#[derive(Debug)]
pub struct Explainer<'a> {
    eval: &'a Evaluator<'a>,
    readings: &'a Readings<'a>,
    asks: OnceLock<units::Asks>,
}

/// Why one side denies a connection, and what to do about it.
#[derive(Clone, Debug)]
pub struct Denial {
    /// The rules that were looked at in vain, nearest first.
    pub misses: Vec<Miss>,
    /// Policies that would allow it if they applied.
    pub nearly: Vec<Nearly>,
    /// What to do; none where a rule denies on purpose.
    pub advice: Option<Advice>,
}

#[cfg(test)]
mod tests;
