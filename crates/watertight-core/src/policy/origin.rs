//! Where the policies of a ruleset come from, in words.

use super::Origin;
use crate::source::Span;
use crate::world::{NamespaceId, PolicyId, World};

impl Origin {
    /// The NetworkPolicy, if it is one.
    #[must_use]
    pub fn kubernetes(self) -> Option<PolicyId> {
        match self {
            Self::Kubernetes(id) => Some(id),
            Self::Object(_) | Self::Engine(..) => None,
        }
    }

    /// The kind as the API spells it; `engine` for what is not written.
    #[must_use]
    pub fn kind(self, world: &World) -> &'static str {
        match self {
            Self::Kubernetes(_) => "NetworkPolicy",
            Self::Object(id) => world[id].kind.kind,
            Self::Engine(..) => "engine",
        }
    }

    /// `namespace/name`, the name alone of what is cluster-wide, or what the engine does.
    #[must_use]
    pub fn name(self, world: &World) -> String {
        match self {
            Self::Kubernetes(id) => world.policy_name(id),
            Self::Object(id) => world.object_name(id),
            Self::Engine(id, why) => format!("{why} ({id})"),
        }
    }

    /// Where its name is written.
    #[must_use]
    pub fn name_span(self, world: &World) -> Option<Span> {
        match self {
            Self::Kubernetes(id) => Some(world[id].name_span),
            Self::Object(id) => Some(world[id].name_span),
            Self::Engine(..) => None,
        }
    }

    /// Its namespace, unless it is cluster-wide.
    #[must_use]
    pub fn namespace(self, world: &World) -> Option<NamespaceId> {
        match self {
            Self::Kubernetes(id) => Some(world[id].namespace),
            Self::Object(id) => world[id].namespace,
            Self::Engine(..) => None,
        }
    }
}
