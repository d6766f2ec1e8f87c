//! Which network engine a cluster runs, and on which of its nodes policies are enforced.
//!
//! Rules are data with sources: `fingerprints` say how an engine looks, `traps` which switches turn
//! it off, `provider` who runs the cluster; the rest applies them. The verdict is one for each
//! node, and the cluster is as good as its worst node.
//!
//! INVARIANT: a state says what the API shows, so no more than "should"; what could not be read
//! makes it unknown and never better. CustomResourceDefinitions are never evidence.

mod ask;
mod asked;
mod candidates;
mod fingerprints;
mod image;
mod nodes;
mod none;
mod overall;
mod products;
mod provider;
mod readings;
mod state;
#[cfg(test)]
mod tests;
mod traps;

pub(crate) use self::asked::{
    ANNOTATIONS, CRD_GROUPS, DEPLOYMENTS, KEYS, PATHS, PROVIDER_SERVICES,
};
pub use self::asked::{CONFIG_MAPS, FLAGS, NODE_FLAGS, SETTINGS, VARIABLES};
pub use self::nodes::NodeKind;
pub use self::provider::Provider;
pub use self::state::{Cause, Proof, State};
use super::{Engine, Feature, Profile, Version};
use crate::world::{NodeId, World};

/// An engine that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The engine.
    pub engine: Engine,
    /// What runs it: `DaemonSet kube-system/cilium`.
    pub runs_as: String,
    /// Its release.
    pub version: Option<Version>,
    /// Where the release was seen; or what shows the engine.
    pub seen: Proof,
    /// How it is set up: `policy only`, `eBPF`.
    pub modes: Vec<String>,
    /// What becomes of policies where it runs.
    pub state: State,
    /// Why, worst first.
    pub causes: Vec<Cause>,
    /// Ready pods, desired pods, and nodes for them, as far as known.
    pub pods: Option<(usize, usize, usize)>,
    /// Where the way to recognise it was read.
    pub source: &'static str,
}

/// What becomes of policies on a node.
#[derive(Clone, Debug)]
pub struct NodeState {
    /// The node.
    pub node: NodeId,
    /// Its pool or role.
    pub pool: Option<String>,
    /// What it is.
    pub kind: NodeKind,
    /// The state.
    pub state: State,
    /// Why it differs from the state of the engine; empty if it does not.
    pub because: String,
    /// What shows it.
    pub proof: Vec<Proof>,
}

/// What detection came to.
#[derive(Clone, Debug)]
pub struct Detected {
    /// Who runs the cluster, and what tells it.
    pub provider: Option<(Provider, Proof)>,
    /// The engines, those that act on policies first.
    pub engines: Vec<Found>,
    /// What becomes of policies in the cluster.
    pub state: State,
    /// Why: one sentence without a full stop.
    pub because: String,
    /// Why, cluster-wide: switches, conflicts, what is missing.
    pub causes: Vec<Cause>,
    /// Each node.
    pub nodes: Vec<NodeState>,
    /// The engine with its readings, as far as they are known; none if no engine is.
    pub profile: Option<Profile>,
    /// Switches that objects of the cluster set, with what shows it.
    pub readings: Vec<(&'static str, Proof)>,
    /// Features that are off by default, whether they are on, and what shows it.
    pub features: Vec<(Feature, bool, Proof)>,
}

impl Detected {
    /// The engine that acts on policies, or else the one that was found.
    #[must_use]
    pub fn engine(&self) -> Option<&Found> {
        self.engines.first()
    }

    /// The state of a node; that of the cluster if the node is not known.
    #[must_use]
    pub fn on(&self, node: Option<NodeId>) -> (State, Option<&NodeState>) {
        let found = node.and_then(|node| self.nodes.iter().find(|found| found.node == node));
        match found {
            Some(found) => (found.state, Some(found)),
            None => (self.state, None),
        }
    }
}

/// Finds the engine of a world.
#[must_use]
pub fn detect(world: &World) -> Detected {
    detect_with(world, None)
}

/// The same, where somebody says which engine it is. What the cluster shows has precedence; the name tells
/// what is missing where it shows none.
#[must_use]
pub fn detect_with(world: &World, named: Option<&Profile>) -> Detected {
    let provider = provider::find(world);
    let mut candidates = candidates::find(world, provider.as_ref().map(|(provider, _)| *provider));
    // Those that act first; in the order of fingerprints otherwise.
    candidates.sort_by_key(|candidate| !candidate.acts());
    overall::judge(world, provider, candidates, named)
}
