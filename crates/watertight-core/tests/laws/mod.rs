//! Laws that hold whatever the policies say, without a second evaluator.

mod explained;
mod rewritten;

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
