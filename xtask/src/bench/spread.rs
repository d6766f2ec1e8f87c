//! Many durations in a few numbers, in milliseconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is usual, what is rare, and the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Spread {
    /// None of nothing.
    pub(super) fn of(durations: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut all: Vec<f64> = durations.into_iter().map(ms).collect();
        all.sort_by(f64::total_cmp);
        // Nearest rank: the least one that this share of all does not exceed.
        let rank = |percent: usize| {
            let rank = (all.len() * percent).div_ceil(100);
            all.get(rank.checked_sub(1)?).copied()
        };
        Some(Self {
            p50: median(all.iter().copied())?,
            p99: rank(99)?,
            max: rank(100)?,
        })
    }
}

pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let high = values.get(values.len() / 2)?;
    let low = values.get(values.len().checked_sub(1)? / 2)?;
    Some((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Spread, median};

    #[test]
    fn the_middle_of_odd_and_even() {
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    #[test]
    fn one_in_a_hundred_is_beyond_the_99th() {
        let spread = |of: u64| Spread::of((1..=of).rev().map(Duration::from_millis));
        let expected = Spread {
            p50: 50.5,
            p99: 99.0,
            max: 100.0,
        };
        assert_eq!(spread(100), Some(expected));
        assert_eq!(spread(300).unwrap().p99, 297.0);
        assert_eq!(spread(3).unwrap().p99, 3.0);
        assert_eq!(spread(0), None);
    }
}
