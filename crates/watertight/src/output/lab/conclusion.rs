//! What a run comes to: whether packets and prediction differ, and what that says.
//!
//! INVARIANT: "nowhere" stands alone only where something was put to the test: everything was read, there are pods,
//! and policies select some of them.

use watertight_core::report::lab::LabReport;
use watertight_core::report::{Finding, Location};
use watertight_core::rules::count;

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// On so many connections of so many pairs.
    Differ(usize, usize),
    /// Nothing could be judged.
    Nothing,
    /// There are no pods in the input.
    NoPods,
    /// Not everything could be read.
    Unread,
    /// There are no policies.
    NoPolicies,
    /// There are, and none of them selects anybody.
    NobodySelected,
    /// Nowhere among so many connections that were tried of all these.
    NowhereIn(usize, usize),
    /// Nowhere.
    Nowhere,
}

impl Conclusion {
    pub(crate) fn of(report: &LabReport) -> Self {
        let counts = &report.counts;
        let is_pod = |kind: &str| matches!(kind, "pod" | "host-pod");
        let mut parties = report.parties.iter();
        if counts.differ > 0 {
            let pairs = report.pairs.iter().filter(|pair| !pair.differ.is_empty());
            Self::Differ(counts.differ, pairs.count())
        } else if counts.allowed + counts.denied == 0 {
            Self::Nothing
        } else if !report.complete {
            Self::Unread
        } else if report.selecting == 0 && !parties.any(|party| is_pod(&party.kind)) {
            Self::NoPods
        } else if report.policies == 0 {
            Self::NoPolicies
        } else if report.selecting == 0 {
            Self::NobodySelected
        } else if let Some(all) = report.sampled_from {
            Self::NowhereIn(counts.tried, all)
        } else {
            Self::Nowhere
        }
    }

    /// Goes on behind `packets and prediction differ: `.
    pub(super) fn text(self) -> String {
        match self {
            Self::Differ(connections, pairs) => format!(
                "on {} of {}",
                count(connections, "connection"),
                count(pairs, "pair")
            ),
            Self::Nothing => "not known, nothing could be judged".into(),
            Self::NoPods => "not known, there are no pods in the input".into(),
            Self::Unread => {
                "nowhere in what could be read, AND NOT EVERYTHING COULD BE READ".into()
            }
            Self::NoPolicies => {
                "nowhere, BUT THERE ARE NO POLICIES in the input, and everything is allowed".into()
            }
            Self::NobodySelected => {
                "nowhere, BUT NO POLICY SELECTS A POD, and everything is allowed".into()
            }
            Self::NowhereIn(tried, all) => format!("nowhere among {tried} of {all} connections"),
            Self::Nowhere => "nowhere".into(),
        }
    }

    /// Whether packets have shown that predictions hold.
    pub(super) fn is_good(self) -> bool {
        matches!(self, Self::Nowhere | Self::NowhereIn(..))
    }

    /// Whether anything was put to the test, as far as that can be told.
    pub(crate) fn is_answer(self) -> bool {
        !matches!(self, Self::Nothing | Self::NoPods | Self::Unread)
    }
}

/// `shop.yaml:4:5: error[WT001] what is wrong`
pub(super) fn problem(of: &Finding) -> String {
    let place = of.locations.first();
    let place = place.map_or(
        String::new(),
        |Location {
             path, line, column, ..
         }| { format!("{path}:{line}:{column}: ") },
    );
    format!("{place}{}[{}] {}", of.severity, of.rule, of.message)
}
