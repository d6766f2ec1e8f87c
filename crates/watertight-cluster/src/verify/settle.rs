//! When a part of a run has been watched for long enough.
//!
//! INVARIANT: this decides how long to look, never what was seen. All rounds count for the verdict.

use std::time::Duration;

use super::claims::{Claim, Expect};
use super::judge::{Phase, Round, Seen, State, Verdict, denied_phase};
use super::wire::How;

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
        return is_up(&seen)
            || match claim.treatment.target.how {
                // Some networks carry none, but a packet that is lost once says nothing of that.
                How::Sctp => is_down(&seen),
                _ => !claim.is_required,
            };
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

/// Whether the last round saw everything work.
fn is_up(seen: &Seen<'_>) -> bool {
    let mut asks = seen.claim.asks();
    asks.all(|ask| seen.base(ask).is_some())
}

/// Whether none of the last rounds did.
fn is_down(seen: &Seen<'_>) -> bool {
    (0..FEWEST).all(|back| {
        let until = seen.rounds.len().checked_sub(back);
        let rounds = until.and_then(|until| seen.rounds.get(..until));
        rounds.is_some_and(|rounds| {
            let claim = seen.claim;
            !rounds.is_empty() && !is_up(&Seen { claim, rounds })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::wire::{Outcome, Sample};

    /// A round in which some asks are open, and the others get no answer.
    fn round(claim: &Claim, phase: Phase, (at, took): (u64, u64), open: [bool; 3]) -> Round {
        let samples = claim.asks().zip(open).map(|(ask, is_open)| {
            let sample = Sample {
                outcome: if is_open {
                    Outcome::Open
                } else {
                    Outcome::Timeout
                },
                by: is_open.then(|| "heron".to_owned()),
                ..Sample::error(&ask.target, "")
            };
            ((ask.actor, ask.target), sample)
        });
        Round {
            phase,
            at: Duration::from_millis(at),
            took: Duration::from_millis(took),
            samples: samples.collect(),
        }
    }

    #[test]
    fn sctp_that_is_lost_once_is_tried_again() {
        let settled = |how: How, course: &str| {
            let claim = Claim::of_egress(how);
            let rounds = course.chars().zip(1..).map(|(letter, number)| {
                let open = [true, letter == 'o', true];
                round(&claim, Phase::Before, (number * 500, 0), open)
            });
            let rounds: Vec<Round> = rounds.collect();
            has_settled(&claim, &rounds, Phase::Before, Duration::ZERO)
        };
        assert!(settled(How::Sctp, "o"));
        assert!(!settled(How::Sctp, "t"));
        assert!(!settled(How::Sctp, "tt"));
        assert!(settled(How::Sctp, "to"));
        // Something else was waited for meanwhile.
        assert!(!settled(How::Sctp, "oott"));
        assert!(settled(How::Sctp, "ttt"));
        // This must work, however long it takes.
        assert!(!settled(How::Tcp, "tttt"));
    }

    #[test]
    fn what_has_held_is_counted_from_round_to_round() {
        let settled = |took: [u64; 3], stable: u64| {
            let claim = Claim::of_egress(How::Tcp);
            let mut rounds = vec![round(&claim, Phase::Before, (0, 0), [true; 3])];
            for (number, took) in (0..).zip(took) {
                let times = (number * 1_000, took);
                rounds.push(round(&claim, Phase::Denied, times, [true, false, false]));
            }
            let stable = Duration::from_millis(stable);
            has_settled(&claim, &rounds, Phase::Denied, stable)
        };
        // How long the first round or the last one took is no matter.
        assert!(settled([900, 0, 0], 2_000));
        assert!(!settled([0, 0, 900], 2_001));
    }
}
