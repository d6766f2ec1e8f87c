//! One file per engine or family of engines, nothing but rows.
//!
//! INVARIANT: every bound names the component it counts, and a bound that the source gives in prose
//! has no range.

pub(super) mod antrea;
pub(super) mod aws;
pub(super) mod azure;
pub(super) mod calico;
pub(super) mod cilium;
pub(super) mod gke;
pub(super) mod kindnet;
pub(super) mod kube_ovn;
pub(super) mod kube_router;
pub(super) mod other;
pub(super) mod ovn;
pub(super) mod weave;

/// What the other modules of this folder use.
mod prelude {
    pub(super) use super::super::support::Enforcement;
    pub(super) use super::super::{
        Bug, Bundle, Component, Confidence, Effect, EndpointToHost, EnforcementFact,
        EnforcementSwitch, Engine, EngineFacts, Established, Feature, FeatureFact, IpBlockPods,
        NodeLocal, Numbering, PodTunnels, PolicyTypesGate, ServiceDnat, Snat, Status, Support,
        Switches, Timeline,
    };

    /// A verdict that holds in every release.
    pub(super) const fn always(
        state: Enforcement,
        reason: &'static str,
    ) -> Timeline<EnforcementFact> {
        Timeline::always(EnforcementFact::new(state, reason))
    }
}
