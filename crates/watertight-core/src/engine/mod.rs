//! Which network engine enforces the policies, and how it differs from the API text.
//!
//! A [`Profile`] is an engine, perhaps its version, and the [`Switches`] that tell the evaluator
//! which of the readings the API leaves open this engine takes. Beside it stand facts that no
//! verdict shows: whether the engine enforces at all, what it supports since when, and which of its
//! released versions let wrong packets through.
//!
//! INVARIANT: a bug or a missing feature is claimed only where the version given is known to have
//! it. Bounds that the sources give in prose stay prose.

mod bug;
mod catalog;
mod data;
pub mod detect;
mod infer;
mod kinds;
mod profile;
mod release;
mod support;
mod switches;
mod version;

pub use self::bug::{Bug, Effect};
pub use self::catalog::{Bundle, Engine, EngineFacts, Numbering, Status, UnknownEngine};
pub use self::infer::{Inferred, infer, take_detected};
pub use self::kinds::{Inert, inert, unread_policies};
pub use self::profile::{Profile, ProfileError};
pub use self::release::{Component, Release, Timeline, VersionRange};
pub use self::support::{Enforcement, EnforcementFact, Feature, FeatureFact, Opted, Support};
pub use self::switches::{
    AllowLocalhost, AnpApi, BaselineScope, EndPort, EndpointToHost, EnforcementSwitch, Established,
    HairpinService, HostNetwork, Icmp, IpBlockPods, NodeLocal, PodTunnels, PolicyTypesGate,
    ServiceDnat, Snat, SwitchError, Switches, Tie,
};
pub use self::version::{Version, VersionError};
pub use crate::facts::Confidence;

#[cfg(test)]
mod tests;
