//! How many connections one core judges in a second: by rows, and by the oracle.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::ensure;
use watertight_core::eval::reach::{Outcome, Reach};
use watertight_core::eval::{Connection, Evaluator, Verdict};
use watertight_core::manifest::Direction;

use super::sample::{Dice, Sample};

/// Connections that are drawn before the clock starts.
const BATCH: usize = 1 << 16;

/// Connections a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speed {
    pub(super) outcomes: f64,
    pub(super) verdicts: f64,
}

pub(super) fn speed(
    eval: &Evaluator<'_>,
    reach: &Reach,
    sample: &Sample<'_>,
    connections: usize,
) -> anyhow::Result<Speed> {
    compile(eval);
    let mut dice = Dice::new(1);
    let batches = connections.div_ceil(BATCH).max(1);
    let (mut by_rows, mut by_rules) = (Duration::ZERO, Duration::ZERO);
    for number in 0..batches {
        let batch: Vec<Connection> = (0..BATCH).map(|_| sample.connection(&mut dice)).collect();
        let rows = || timed(&batch, |connection| reach.outcome(eval, connection));
        let rules = || timed(&batch, |connection| outcome(&eval.verdict(connection)));
        // Who comes second finds more of the world in the caches: they take turns.
        let ((row_time, outcomes), (rule_time, verdicts)) = if number % 2 == 0 {
            let first = rows();
            (first, rules())
        } else {
            let first = rules();
            (rows(), first)
        };
        by_rows += row_time;
        by_rules += rule_time;
        same(&batch, &outcomes, &verdicts)?;
    }
    let a_second = |time: Duration| (batches * BATCH) as f64 / time.as_secs_f64();
    Ok(Speed {
        outcomes: a_second(by_rows),
        verdicts: a_second(by_rules),
    })
}

/// Holds rows against the oracle.
pub(super) fn agree(
    eval: &Evaluator<'_>,
    reach: &Reach,
    connections: &[Connection],
) -> anyhow::Result<()> {
    let by = |judge: &dyn Fn(&Connection) -> Outcome| connections.iter().map(judge).collect();
    let outcomes: Vec<Outcome> = by(&|connection| reach.outcome(eval, connection));
    let verdicts: Vec<Outcome> = by(&|connection| outcome(&eval.verdict(connection)));
    same(connections, &outcomes, &verdicts)
}

fn same(batch: &[Connection], outcomes: &[Outcome], verdicts: &[Outcome]) -> anyhow::Result<()> {
    for (connection, (by_rows, by_rules)) in batch.iter().zip(outcomes.iter().zip(verdicts)) {
        ensure!(
            by_rows == by_rules,
            "rows say {by_rows:?}, rules say {by_rules:?} of {connection:?}"
        );
    }
    Ok(())
}

fn timed(batch: &[Connection], judge: impl Fn(&Connection) -> Outcome) -> (Duration, Vec<Outcome>) {
    let mut outcomes = Vec::with_capacity(batch.len());
    let start = Instant::now();
    for connection in batch {
        outcomes.push(black_box(judge(black_box(connection))));
    }
    (start.elapsed(), outcomes)
}

fn outcome(verdict: &Verdict) -> Outcome {
    match (verdict.allowed, verdict.uncertain) {
        (true, _) => Outcome::Allowed,
        (false, Some(_)) => Outcome::Uncertain,
        (false, None) => Outcome::Denied,
    }
}

/// Lets the evaluator find out whom policies select, in every namespace.
fn compile(eval: &Evaluator<'_>) {
    for namespace in &eval.world.namespaces {
        for id in &namespace.endpoints {
            for direction in Direction::BOTH {
                black_box(eval.policies_of(*id, direction));
            }
        }
    }
}
