//! Laws that hold whatever the policies say, without a second evaluator.

mod explained;
mod fixed;
mod rewritten;
mod rows;

use watertight_core::eval::reach::Reach;

use crate::oracle::Question;
use crate::runner::questions_at_most;
use crate::worlds::read::{Read, verdicts};
use crate::worlds::{Described, between_parties, describe, sample};

/// A part of the questions: laws judge every connection several times.
fn some_questions(described: &Described) -> Vec<Question> {
    sample(between_parties(&described.cluster), questions_at_most() / 3)
}

/// Both clusters, which have the same pods and nodes, answer everything alike.
fn same_answers(described: &Described, before: &Read, after: &Read) -> Result<(), String> {
    let questions = some_questions(described);
    let evaluators = [before, after].map(Read::evaluator);
    let [rows_before, rows_after] = [0, 1].map(|at| Reach::new(&evaluators[at]));
    for question in &questions {
        let a = rows_before.outcome(&evaluators[0], &before.connection(question));
        let b = rows_after.outcome(&evaluators[1], &after.connection(question));
        if a != b {
            let what = describe(&described.cluster, question);
            return Err(format!("{what}: rows said {a:?} and say {b:?}"));
        }
    }
    let answers = verdicts(before, &questions);
    for ((question, a), b) in questions
        .iter()
        .zip(answers)
        .zip(verdicts(after, &questions))
    {
        let sides = |verdict: &watertight_core::eval::Verdict| {
            (
                verdict.allowed,
                verdict.reason,
                verdict.egress.is_allowed(),
                verdict.ingress.is_allowed(),
            )
        };
        if sides(&a) != sides(&b) {
            return Err(format!(
                "{}\n  {a:?}\nbecame\n  {b:?}",
                describe(&described.cluster, question)
            ));
        }
    }
    Ok(())
}
