//! What is promised of large clusters, to be printed beside what was measured. Nothing fails by it.

use super::parse::Kind;

/// Promises are about inputs of at least this many bytes; below, starting a process is most of the work.
const JUDGED_FROM: u64 = 10_000_000;

/// A bound on a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    /// Peak memory, as a multiple of the input.
    pub(super) const MEMORY: Self = Self::AtMost(2.0);
    /// Verdicts a second on one core, in millions.
    pub(super) const VERDICTS: Self = Self::AtLeast(5.0);
    /// What `explain` adds to the time of loading, in milliseconds.
    pub(super) const EXPLAIN: Self = Self::AtMost(5.0);
    /// Comparing two worlds, as a multiple of loading one after the other.
    pub(super) const DIFF: Self = Self::AtMost(1.2);
    /// Writing a baseline, as a multiple of loading.
    pub(super) const BASELINE: Self = Self::AtMost(2.0);
    /// From one change to the new rows, in milliseconds.
    pub(super) const CHANGE: Self = Self::AtMost(10.0);
    /// Growth of the time of all rows, as a multiple of the growth of the input.
    pub(super) const GROWTH: Self = Self::AtMost(1.3);

    /// A whole run, as a multiple of the mere parse.
    pub(super) fn of_parse(kind: Kind) -> Self {
        match kind {
            Kind::Json | Kind::Mixed => Self::AtMost(2.0),
            Kind::Yaml => Self::AtMost(1.3),
        }
    }

    pub(super) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    /// A measured number with what it means; only the number for an input that is too small to be judged.
    pub(super) fn show(self, value: Option<f64>, decimals: usize, bytes: u64) -> String {
        let number = number(value, decimals);
        match value.filter(|_| bytes >= JUDGED_FROM) {
            Some(value) if self.is_met(value) => number + " ok",
            Some(_) => number + " MISSED",
            None => number,
        }
    }
}

/// A measured number, or a dash.
pub(super) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::{Goal, JUDGED_FROM, Kind};

    #[test]
    fn bounds_are_met_exactly() {
        assert!(Goal::AtMost(2.0).is_met(2.0) && !Goal::AtMost(2.0).is_met(2.1));
        assert!(Goal::AtLeast(5.0).is_met(5.0) && !Goal::AtLeast(5.0).is_met(4.9));
        assert!(Goal::of_parse(Kind::Json).is_met(1.9));
        assert!(!Goal::of_parse(Kind::Yaml).is_met(1.9));
    }

    #[test]
    fn only_large_inputs_are_judged() {
        let show = |value, bytes| Goal::AtMost(2.0).show(value, 1, bytes);
        assert_eq!(show(Some(1.94), JUDGED_FROM), "1.9 ok");
        assert_eq!(show(Some(2.06), JUDGED_FROM), "2.1 MISSED");
        assert_eq!(show(Some(2.06), JUDGED_FROM - 1), "2.1");
        assert_eq!(show(None, JUDGED_FROM), "-");
    }
}
