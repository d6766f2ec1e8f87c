//! When a part of a run has been watched for long enough.
//!
//! INVARIANT: this decides how long to look, never what was seen. All rounds count for the verdict.

use std::time::Duration;

use super::claims::{Claim, Expect};
use super::judge::{Phase, Round, Seen, State, Verdict, denied_phase};

/// Rounds that must agree.
const FEWEST: usize = 3;

/// Whether everything that is worth waiting for has come.
#[must_use]
pub fn is_settled(claims: &[Claim], rounds: &[Round], phase: Phase, stable: Duration) -> bool {
    claims
        .iter()
        .all(|claim| has_settled(claim, rounds, phase, stable))
}

fn has_settled(claim: &Claim, rounds: &[Round], phase: Phase, stable: Duration) -> bool {
    let seen = Seen { claim, rounds };
    let bases = (seen.base(&claim.control), seen.base(&claim.treatment));
    if phase == Phase::Before {
        let allowed = claim.allowed.as_ref();
        let is_up = bases.0.is_some() && bases.1.is_some();
        return !claim.is_required
            || (is_up && allowed.is_none_or(|allowed| seen.base(allowed).is_some()));
    }
    let ((Some(control), Some(treatment)), Expect::Denied) = (bases, claim.expect) else {
        return true;
    };
    let control = (&claim.control, control);
    let course = seen.course(phase, control, (&claim.treatment, treatment));
    if phase == Phase::Denied {
        let last = course.states.iter().rev();
        let held: Vec<Duration> = last
            .take_while(|(_, state)| *state == State::Stopped)
            .map(|(at, _)| *at)
            .collect();
        let span = held.first().zip(held.last());
        let span = span.map_or(Duration::ZERO, |(end, start)| end.saturating_sub(*start));
        return held.len() >= FEWEST && span >= stable;
    }
    // Only what stopped can come back.
    let denied = seen.course(Phase::Denied, control, (&claim.treatment, treatment));
    let verdict = denied_phase(&denied, Duration::MAX).verdict;
    if verdict != Verdict::Enforced {
        return true;
    }
    match (phase, &claim.allowed) {
        (Phase::Allowed, Some(allowed)) => {
            let Some(base) = seen.base(allowed) else {
                return true;
            };
            let course = seen.course(phase, control, (allowed, base));
            let last = course.states.iter().rev();
            let run = last.take_while(|(_, state)| *state == State::Arrived);
            run.count() >= FEWEST
        }
        (Phase::Allowed, None) => true,
        _ => {
            let last = course.states.last();
            last.is_some_and(|(_, state)| *state == State::Arrived)
        }
    }
}
