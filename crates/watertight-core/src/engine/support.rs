//! Whether an engine enforces policies at all, and which of their features it has.

use std::fmt;

use super::Timeline;
use crate::facts::{Confidence, word_enum};

word_enum! {
    /// Whether an engine acts on NetworkPolicy.
    pub enum Enforcement {
        /// It does.
        Enforced => "enforced",
        /// It does, but a new pod is open for a moment.
        EnforcedWithWindow => "enforced-with-window",
        /// It can, and is off unless somebody switched it on.
        OptIn => "opt-in",
        /// It does not: every policy is inert.
        NotEnforced => "not-enforced",
        /// Nobody has looked, or it depends on something that no manifest shows.
        Unknown => "unknown",
    }
}

impl Enforcement {
    /// The verdict as half a sentence: `the engine ...`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Enforced => "enforces network policies",
            Self::EnforcedWithWindow => {
                "enforces network policies, with a moment after a pod starts in which it is open"
            }
            Self::OptIn => "enforces network policies only where that was switched on",
            Self::NotEnforced => "does not enforce network policies",
            Self::Unknown => "may or may not enforce network policies",
        }
    }
}

/// A verdict on enforcement and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnforcementFact {
    /// The verdict.
    pub state: Enforcement,
    /// One sentence, without the engine's name and without a full stop.
    pub reason: &'static str,
}

impl EnforcementFact {
    pub(super) const fn new(state: Enforcement, reason: &'static str) -> Self {
        Self { state, reason }
    }
}

word_enum! {
    /// Something policies can say or rely on.
    pub enum Feature {
        /// Rules on incoming connections.
        Ingress => "ingress",
        /// Rules on outgoing connections.
        Egress => "egress",
        /// Peers by address.
        IpBlock => "ip-block",
        /// Exceptions from an `ipBlock`.
        Except => "except",
        /// Ports by the name a container gives them.
        NamedPort => "named-port",
        /// Port ranges.
        EndPort => "end-port",
        /// The protocol SCTP.
        Sctp => "sctp",
        /// Policies on IPv6 traffic.
        Ipv6 => "ipv6",
        /// Policies that select host-network pods.
        HostNetworkPods => "host-network-pods",
        /// AdminNetworkPolicy, policy.networking.k8s.io/v1alpha1.
        AdminNetworkPolicy => "admin-network-policy",
        /// BaselineAdminNetworkPolicy, policy.networking.k8s.io/v1alpha1.
        BaselineAdminNetworkPolicy => "baseline-admin-network-policy",
        /// ClusterNetworkPolicy, policy.networking.k8s.io/v1alpha2.
        ClusterNetworkPolicy => "cluster-network-policy",
        /// Policing of ICMP to and from isolated pods.
        Icmp => "icmp",
    }
}

/// How far an engine supports a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As the API describes it.
    Full,
    /// With the exceptions in the note.
    Partial(&'static str),
    /// Off unless switched on as the note says.
    OptIn(&'static str),
    /// Not at all; the note says what happens or what to use instead.
    None(&'static str),
    /// Not known.
    Unknown,
}

impl Support {
    /// The one spelling of this degree of support.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial(_) => "partial",
            Self::OptIn(_) => "opt-in",
            Self::None(_) => "none",
            Self::Unknown => "unknown",
        }
    }

    /// What qualifies it, if anything does.
    pub const fn note(self) -> Option<&'static str> {
        match self {
            Self::Full | Self::Unknown => None,
            Self::Partial(note) | Self::OptIn(note) | Self::None(note) => Some(note),
        }
    }

    /// Whether it is known to be missing.
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None(_))
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.note() {
            Some(note) => write!(f, "{} ({note})", self.word()),
            None => f.write_str(self.word()),
        }
    }
}

/// Features that are off by default and that a cluster was seen to have switched on, or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opted {
    on: u16,
    off: u16,
}

impl Opted {
    /// Notes what was seen.
    pub fn set(&mut self, feature: Feature, on: bool) {
        let bit = Self::bit(feature);
        (self.on, self.off) = match on {
            true => (self.on | bit, self.off & !bit),
            false => (self.on & !bit, self.off | bit),
        };
    }

    /// What was seen; none if nothing tells.
    #[must_use]
    pub fn of(self, feature: Feature) -> Option<bool> {
        let bit = Self::bit(feature);
        match (self.on & bit, self.off & bit) {
            (0, 0) => None,
            (on, _) => Some(on != 0),
        }
    }

    fn bit(feature: Feature) -> u16 {
        let place = Feature::ALL.iter().position(|of| *of == feature);
        place.map_or(0, |place| 1 << place)
    }
}

/// The support of one feature by one engine, release by release.
#[derive(Clone, Copy, Debug)]
pub struct FeatureFact {
    /// The feature.
    pub feature: Feature,
    /// The support, release by release.
    pub support: Timeline<Support>,
    /// What becomes of an opt-in where it is switched on.
    pub once_on: Support,
    /// How far the row was checked.
    pub confidence: Confidence,
}

impl FeatureFact {
    /// The same in every release.
    pub(super) const fn always(feature: Feature, support: Support) -> Self {
        Self {
            feature,
            support: Timeline::always(support),
            once_on: Support::Full,
            confidence: Confidence::Confirmed,
        }
    }

    /// Supported as described, in every release the facts go back to.
    pub(super) const fn full(feature: Feature) -> Self {
        Self::always(feature, Support::Full)
    }

    /// Never supported.
    pub(super) const fn none(feature: Feature, note: &'static str) -> Self {
        Self::always(feature, Support::None(note))
    }

    /// Different before certain releases.
    pub(super) const fn changed(
        feature: Feature,
        first: Support,
        changes: &'static [(super::Release, Support)],
    ) -> Self {
        Self {
            feature,
            support: Timeline::changed(first, changes),
            once_on: Support::Full,
            confidence: Confidence::Confirmed,
        }
    }

    /// What to say when the release is not known and the newest one is no good guess.
    pub(super) const fn unversioned(mut self, support: Support) -> Self {
        self.support.unversioned = Some(support);
        self
    }

    /// What is left to say once it is switched on.
    pub(super) const fn once_on(mut self, support: Support) -> Self {
        self.once_on = support;
        self
    }

    pub(super) const fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }
}
