//! What becomes of policies on a node, and the causes with their proof.

use crate::engine::Enforcement;
use crate::facts::word_enum;
use crate::source::Span;

word_enum! {
    /// What becomes of policies, as far as the API tells: it shows what should enforce them, and
    /// packets alone show what does.
    pub enum State {
        /// Nothing acts on them.
        NotEnforced => "not-enforced",
        /// Two programs act on them and may undo each other's work.
        Conflict => "conflict",
        /// What they deny is logged and let through.
        AuditOnly => "audit-only",
        /// On some nodes, or for some of the traffic.
        Partial => "partial",
        /// What was read does not tell.
        Unknown => "unknown",
        /// They act; a new pod is open for a moment.
        EnforcedWithWindow => "enforced-with-window",
        /// They act.
        Enforced => "enforced",
    }
}

impl State {
    /// The worse of two; the order of the declaration.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        self.min(other)
    }

    /// Whether policies act on all traffic, but perhaps for a moment.
    #[must_use]
    pub const fn is_enforced(self) -> bool {
        matches!(self, Self::Enforced | Self::EnforcedWithWindow)
    }

    /// Whether policies are known not to act, or not on all traffic.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        !self.is_enforced() && !matches!(self, Self::Unknown)
    }

    /// The state as half a sentence: `policies ...`.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NotEnforced => "are not enforced",
            Self::Conflict => "are enforced by two programs at once, which may undo each other",
            Self::AuditOnly => "are only logged: what they deny is let through",
            Self::Partial => "are enforced in part",
            Self::Unknown => "may or may not be enforced",
            Self::EnforcedWithWindow => {
                "should be enforced, with a moment in which a new pod is open"
            }
            Self::Enforced => "should be enforced",
        }
    }
}

impl From<Enforcement> for State {
    fn from(enforcement: Enforcement) -> Self {
        match enforcement {
            Enforcement::Enforced => Self::Enforced,
            Enforcement::EnforcedWithWindow => Self::EnforcedWithWindow,
            Enforcement::NotEnforced => Self::NotEnforced,
            Enforcement::OptIn | Enforcement::Unknown => Self::Unknown,
        }
    }
}

/// A value of an object that proves something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// `ConfigMap kube-system/cilium-config`
    pub object: String,
    /// `data.enable-policy`
    pub field: String,
    /// `never`; `absent` if there is none.
    pub value: String,
    /// Where it is.
    pub span: Option<Span>,
}

/// Why a state is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// A name that does not change: `cilium-enable-policy`.
    pub id: &'static str,
    /// What it comes to.
    pub state: State,
    /// A sentence without a full stop.
    pub text: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// What shows it, or what would.
    pub proof: Vec<Proof>,
    /// Where the rule was read; empty if it is plain to see.
    pub source: &'static str,
}
