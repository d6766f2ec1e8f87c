//! From attempts every few milliseconds to how long a change of policies took: a pure function.
//!
//! The clock of the pod is not ours. A line comes some time after its attempt ended; the line that came the
//! fastest tells how the clocks differ, but for the time that it took itself.

use std::time::Duration;

use watertight_core::report::verify::VerifyTiming;

use super::claims::Direction;
use super::wire::{Outcome, Sample};

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Open becomes stopped.
    Enforce,
    /// Stopped becomes open.
    Release,
}

/// A change takes effect once; attempts so soon afterwards may still overlap with it.
const BLUR: f64 = 500.0;

/// One packet may be lost at any time: a denial is in force with this many stops in a row.
const RUN: usize = 5;

/// Attempts with the time of our own clock at which their lines came.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Since the watch began.
    pub samples: Vec<(Duration, Sample)>,
}

/// How long a change took that was stored at `stored`, which took up to `storing`.
#[must_use]
pub fn timing(
    change: Change,
    direction: Direction,
    watched: &Watched,
    stored: Duration,
    storing: Duration,
) -> Option<VerifyTiming> {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let offset = watched
        .samples
        .iter()
        .map(|(came, sample)| milliseconds(*came) - sample.at - sample.took)
        .reduce(f64::min)?;
    let is_changed = |outcome: Outcome| match (change, outcome) {
        (_, Outcome::Error) => None,
        (Change::Release, outcome) => Some(outcome == Outcome::Open),
        (Change::Enforce, outcome) => Some(outcome != Outcome::Open),
    };
    let mut course: Vec<(f64, bool)> = watched
        .samples
        .iter()
        .filter_map(|(_, sample)| {
            let began = sample.at + offset - milliseconds(stored);
            Some((began, is_changed(sample.outcome)?))
        })
        .collect();
    course.sort_by(|one, other| one.0.total_cmp(&other.0));
    let uncertainty = milliseconds(storing);
    let run = match change {
        Change::Enforce => RUN,
        Change::Release => 1,
    };
    let first = course
        .windows(run)
        .filter(|run| run.iter().all(|(_, changed)| *changed))
        .filter_map(|run| run.first().map(|(began, _)| *began))
        .find(|began| *began > -uncertainty);
    let is_earlier = |began: f64| first.is_none_or(|first| began < first);
    let earlier = course
        .iter()
        .filter(|(began, changed)| !changed && is_earlier(*began));
    let not_before = earlier.map(|(began, _)| *began).reduce(f64::max);
    let contradictions = course
        .iter()
        .filter(|(began, changed)| !changed && first.is_some_and(|first| *began > first + BLUR));
    let tenth = |number: f64| (number.max(0.0) * 10.0).round() / 10.0;
    Some(VerifyTiming {
        change: match change {
            Change::Enforce => "enforce".into(),
            Change::Release => "release".into(),
        },
        direction: direction.word().into(),
        not_before: not_before.map(tenth),
        after: first.map(tenth),
        uncertainty: tenth(uncertainty),
        attempts: course.len(),
        contradictions: contradictions.count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::wire::{How, Target};

    /// Attempts at these times of the pod's clock, which began 40 ms after ours; lines take 2 ms and more.
    fn watched(attempts: &[(f64, Outcome)]) -> Watched {
        let target = Target::new(How::Tcp, "10.0.0.1".parse().unwrap(), 80);
        let line = |(number, (at, outcome)): (usize, &(f64, Outcome))| {
            let took = if *outcome == Outcome::Timeout {
                300.0
            } else {
                1.0
            };
            let came = at + took + 40.0 + if number == 0 { 2.0 } else { 9.0 };
            let sample = Sample {
                at: *at,
                took,
                outcome: *outcome,
                ..Sample::error(&target, "")
            };
            (Duration::from_secs_f64(came / 1000.0), sample)
        };
        Watched {
            samples: attempts.iter().enumerate().map(line).collect(),
        }
    }

    fn at(stored: u64, change: Change, attempts: &[(f64, Outcome)]) -> VerifyTiming {
        let (stored, storing) = (Duration::from_millis(stored), Duration::from_millis(5));
        timing(
            change,
            Direction::Ingress,
            &watched(attempts),
            stored,
            storing,
        )
        .unwrap()
    }

    #[test]
    fn clocks_are_compared_by_the_fastest_line() {
        use Outcome::{Open, Timeout};
        let attempts = [
            (0.0, Open),
            (90.0, Open),
            (100.0, Open),
            (110.0, Timeout),
            (120.0, Timeout),
            (130.0, Timeout),
            (140.0, Timeout),
            (150.0, Timeout),
        ];
        // Stored at 92 of our clock: at 50 of the pod's clock, if the fastest line took 2.
        let found = at(92, Change::Enforce, &attempts);
        assert_eq!((found.not_before, found.after), (Some(50.0), Some(60.0)));
        assert_eq!((found.attempts, found.contradictions), (8, 0));
    }

    #[test]
    fn what_contradicts_is_counted() {
        use Outcome::{Error, Open, Timeout};
        let attempts = [
            (0.0, Open),
            (100.0, Timeout),
            (110.0, Timeout),
            (120.0, Timeout),
            (130.0, Timeout),
            (140.0, Timeout),
            (200.0, Open),
            (700.0, Open),
            (710.0, Error),
            (800.0, Timeout),
        ];
        let found = at(52, Change::Enforce, &attempts);
        assert_eq!(
            (found.after, found.contradictions, found.attempts),
            (Some(90.0), 1, 9)
        );
    }

    #[test]
    fn a_packet_that_is_lost_is_no_enforcement() {
        use Outcome::{Open, Timeout};
        let lost = [(0.0, Open), (100.0, Timeout), (110.0, Open), (700.0, Open)];
        let stops = (0..5).map(|number| (800.0 + f64::from(number) * 10.0, Timeout));
        let attempts: Vec<_> = lost.into_iter().chain(stops).collect();
        let found = at(52, Change::Enforce, &attempts);
        assert_eq!((found.after, found.contradictions), (Some(790.0), 0));
        assert_eq!(found.not_before, Some(690.0));
    }

    #[test]
    fn a_change_that_never_comes_has_no_time() {
        let found = at(
            42,
            Change::Enforce,
            &[(0.0, Outcome::Open), (500.0, Outcome::Open)],
        );
        assert_eq!((found.not_before, found.after), (Some(500.0), None));
        let found = at(
            42,
            Change::Release,
            &[(0.0, Outcome::Timeout), (500.0, Outcome::Open)],
        );
        assert_eq!(found.after, Some(500.0));
        assert_eq!(
            timing(
                Change::Enforce,
                Direction::Egress,
                &Watched::default(),
                Duration::ZERO,
                Duration::ZERO
            ),
            None
        );
    }
}
