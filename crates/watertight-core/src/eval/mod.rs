//! Verdicts: is this connection allowed, and what decides it.
//!
//! [`Evaluator::verdict`] walks the tiers of the Ruleset for one connection and is kept simple: it
//! is the oracle that every faster answer is held against. [`Evaluator::explain`] walks the same
//! way and keeps the steps.
//!
//! INVARIANT: knows the Ruleset and the world, no policy language.

mod compile;
mod connection;
mod matching;
mod partly;
pub mod reach;
mod side;
mod trace;
mod verdict;

pub use connection::{Connection, Icmp, Party, Request, ServiceAddress};
pub use matching::Cause;
pub(crate) use partly::Partly;
pub use side::{Decision, Judged, Maybe, Own, SideTrace, Step};
pub use trace::Explanation;
pub use verdict::{Reason, Uncertain, Verdict};

use std::sync::Arc;

use crate::engine::{HostNetwork, Switches};
use crate::manifest::Direction;
use crate::policy::{EndpointSelector, PolicyRef, Ruleset};
pub use crate::sets::Family;
use crate::world::{EndpointId, Lifecycle, NodeId, World};
use compile::Compiled;

/// Answers questions about one world under one ruleset.
#[derive(Debug)]
pub struct Evaluator<'w> {
    /// The world.
    pub world: &'w World,
    /// The policies.
    pub ruleset: &'w Ruleset,
    /// How the engine reads what the API leaves open.
    pub switches: Switches,
    compiled: Arc<Compiled>,
    /// What walks leave out.
    less: Option<partly::Less>,
}

impl<'w> Evaluator<'w> {
    /// Prepares a world. Policies are matched against the endpoints of a namespace when somebody
    /// asks about one of them, once.
    #[must_use]
    pub fn new(world: &'w World, ruleset: &'w Ruleset, switches: Switches) -> Self {
        Self {
            world,
            ruleset,
            switches,
            compiled: Arc::new(Compiled::new(world, ruleset)),
            less: None,
        }
    }

    /// The policies that select an endpoint in a direction, in order.
    #[must_use]
    pub fn policies_of(&self, endpoint: EndpointId, direction: Direction) -> &[PolicyRef] {
        self.compiled.selected(self, endpoint, direction)
    }

    /// The policies about a node in a direction, in order.
    #[must_use]
    pub fn policies_of_node(&self, node: NodeId, direction: Direction) -> &[PolicyRef] {
        self.compiled.selected_node(node, direction)
    }

    /// Whether an endpoint is isolated in a direction (K-6, K-7).
    #[must_use]
    pub fn is_isolated(&self, endpoint: EndpointId, direction: Direction) -> bool {
        self.policies_of(endpoint, direction)
            .iter()
            .any(|policy| self.ruleset[*policy].isolates)
    }

    /// The endpoints that a policy applies to: active pods, never host-network ones by default.
    #[must_use]
    pub fn subjects_of(&self, policy: PolicyRef) -> &[EndpointId] {
        self.compiled.subjects(self, policy)
    }

    /// Whether policies can apply to an endpoint at all (K-71, K-86).
    #[must_use]
    pub fn can_be_subject(&self, endpoint: EndpointId) -> bool {
        can_be_selected(self.world, &self.switches, endpoint)
    }

    /// The endpoints that a peer's selectors select (K-24..K-33).
    #[must_use]
    pub fn members(&self, selector: &EndpointSelector) -> Vec<EndpointId> {
        compile::members(self.world, &self.switches, selector)
    }
}

/// Whether selectors can match an endpoint: active, and not a host-network pod unless the engine
/// tells those apart (K-33, K-71, K-72, K-86).
fn can_be_selected(world: &World, switches: &Switches, endpoint: EndpointId) -> bool {
    let endpoint = &world[endpoint];
    endpoint.lifecycle == Lifecycle::Active
        && (endpoint.host_network.is_none() || switches.host_network == HostNetwork::PodLabels)
}

#[cfg(test)]
mod tests;
