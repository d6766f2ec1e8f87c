//! Released versions that treated packets otherwise than the policies said.

use super::{Release, VersionRange};
use crate::facts::{Confidence, word_enum};

word_enum! {
    /// What a bug does to traffic.
    pub enum Effect {
        /// Traffic passes that policy forbids.
        Open => "open",
        /// Traffic is dropped that policy allows.
        Closed => "closed",
        /// Traffic that policy forbids passes for a while.
        Window => "window",
        /// Either of them, depending on the policies.
        Mixed => "mixed",
        /// The engine reports something else than it does.
        Detect => "detect",
        /// Harm that is not about which traffic passes, such as control over a node.
        Other => "other",
    }
}

impl Effect {
    /// Whether forbidden traffic may pass.
    pub const fn may_open(self) -> bool {
        matches!(self, Self::Open | Self::Window | Self::Mixed)
    }
}

/// A published bug in the enforcement of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bug {
    /// Its CVE, advisory, issue or commit.
    pub id: &'static str,
    /// Other ids of the same bug.
    pub aliases: &'static [&'static str],
    /// One line, in lower case and without a full stop.
    pub summary: &'static str,
    /// What it does to traffic.
    pub effect: Effect,
    /// The releases that have it. Empty if no source names any: it is then claimed for no version.
    pub affected: &'static [VersionRange],
    /// What else must hold, or how the source words a bound that is no release; empty if neither
    /// applies.
    pub condition: &'static str,
    /// Where it is described.
    pub source: &'static str,
    /// How far the row was checked.
    pub confidence: Confidence,
}

impl Bug {
    /// A row of which only the rest has to be filled in.
    pub(super) const ROW: Self = Self {
        id: "",
        aliases: &[],
        summary: "",
        effect: Effect::Other,
        affected: &[],
        condition: "",
        source: "",
        confidence: Confidence::Confirmed,
    };

    /// Whether one of the releases is known to have it.
    pub fn affects(&self, releases: &[Release]) -> bool {
        self.affected
            .iter()
            .any(|range| releases.iter().any(|release| range.contains(*release)))
    }
}
