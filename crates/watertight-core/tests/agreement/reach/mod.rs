//! Rows against verdicts: the evaluator walks rules for one connection, and rows must say the same.

mod bands;
mod classes;
mod outcomes;

use watertight_core::eval::reach::{Outcome, Reach};
use watertight_core::eval::{Connection, Evaluator, Judged, Verdict};
use watertight_core::policy::Ruleset;

use crate::worlds::{name, show_ruleset};

/// The outcome that a verdict stands for.
fn outcome(verdict: &Verdict) -> Outcome {
    match (verdict.uncertain, verdict.allowed) {
        (Some(_), _) => Outcome::Uncertain,
        (None, true) => Outcome::Allowed,
        (None, false) => Outcome::Denied,
    }
}

/// The outcome that one side's decision stands for.
fn of_side(judged: &Judged) -> Outcome {
    match (judged.maybe, judged.is_allowed()) {
        (Some(_), _) => Outcome::Uncertain,
        (None, true) => Outcome::Allowed,
        (None, false) => Outcome::Denied,
    }
}

/// Rows say what the verdict says of each connection.
fn same_outcomes(
    eval: &Evaluator<'_>,
    connections: impl IntoIterator<Item = Connection>,
) -> Result<(), String> {
    let reach = Reach::new(eval);
    for connection in connections {
        let verdict = eval.verdict(&connection);
        let (expected, got) = (outcome(&verdict), reach.outcome(eval, &connection));
        if got != expected {
            return Err(format!(
                "{}{}\n  rows say {got:?}, the verdict is {expected:?}: {verdict:?}",
                show_ruleset(eval.ruleset),
                name(eval.world, &connection)
            ));
        }
    }
    Ok(())
}

/// Where the ruleset is worth to be shown.
fn under(ruleset: &Ruleset, problem: String) -> String {
    show_ruleset(ruleset) + &problem
}
