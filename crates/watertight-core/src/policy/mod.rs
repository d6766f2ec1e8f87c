//! The Ruleset: one normal form for every policy language.
//!
//! ```text
//! Ruleset = per direction: [Tier] in order; after the last tier: allow
//! Tier    = [Policy] in order
//! Policy  = subject, isolates?, [Rule] in order, origin
//! Rule    = action, peers, traffic, origin
//! ```
//!
//! A tier takes part for an endpoint if one of its policies selects it. The first matching `Allow`
//! or `Deny` is final; `Pass` goes to the next tier; at the end of a tier the verdict is deny if
//! any policy that selects the endpoint `isolates`, else the next tier decides.
//!
//! INVARIANT: languages differ only in their `lower_*`; nothing behind this module knows them.

mod kubernetes;

pub use kubernetes::{lower_kubernetes, lower_kubernetes_policy, relower_kubernetes};

use crate::manifest::Direction;
use crate::sets::{IpBlock, LabelSelector, PortMatch};
use crate::source::Span;
use crate::world::{NamespaceId, PolicyId};

/// What a matching rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Admits, finally.
    Allow,
    /// Refuses, finally.
    Deny,
    /// Leaves the tier.
    Pass,
    /// Decides nothing.
    Log,
}

/// Which namespaces an [`EndpointSelector`] reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceScope {
    /// One namespace.
    Only(NamespaceId),
    /// Namespaces by their labels.
    Matching(LabelSelector),
}

/// Pods by their namespace and their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSelector {
    /// The namespaces.
    pub namespaces: NamespaceScope,
    /// The pods in them.
    pub pods: LabelSelector,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub enum Peer {
    /// Anybody: pods, nodes and addresses of both families (K-20).
    Any,
    /// Pods.
    Endpoints(EndpointSelector, Span),
    /// Addresses.
    Block(IpBlock),
}

impl Peer {
    /// Where it is written, if it is.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Any => None,
            Self::Endpoints(_, span) => Some(*span),
            Self::Block(block) => Some(block.span),
        }
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// Any of these; none matches nobody.
    pub peers: Vec<Peer>,
    /// Any of these.
    pub traffic: Vec<PortMatch>,
    /// Where it is written.
    pub span: Span,
}

/// Where a policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A NetworkPolicy.
    Kubernetes(PolicyId),
}

/// The part of a policy object that concerns one direction.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whom it applies to.
    pub subject: EndpointSelector,
    /// Whether being selected means that what nothing allows is denied.
    pub isolates: bool,
    /// The rules, in order.
    pub rules: Vec<Rule>,
    /// The object.
    pub origin: Origin,
}

/// Policies that are judged together.
#[derive(Clone, Debug)]
pub struct Tier {
    /// The name.
    pub name: &'static str,
    /// The policies, in order.
    pub policies: Vec<Policy>,
}

/// Everything that decides connections.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    /// Tiers for connections to an endpoint.
    pub ingress: Vec<Tier>,
    /// Tiers for connections from an endpoint.
    pub egress: Vec<Tier>,
}

/// A policy of a ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyRef {
    /// The direction.
    pub direction: Direction,
    /// The position of the tier.
    pub tier: usize,
    /// The position in the tier.
    pub policy: usize,
}

/// A rule of a ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef {
    /// The policy.
    pub policy: PolicyRef,
    /// The position in it.
    pub rule: usize,
}

impl Ruleset {
    /// The tiers of a direction.
    #[must_use]
    pub fn tiers(&self, direction: Direction) -> &[Tier] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    fn tiers_mut(&mut self, direction: Direction) -> &mut Vec<Tier> {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }
}

impl std::ops::Index<PolicyRef> for Ruleset {
    type Output = Policy;

    #[expect(
        clippy::indexing_slicing,
        reason = "references are made from this ruleset"
    )]
    fn index(&self, at: PolicyRef) -> &Policy {
        &self.tiers(at.direction)[at.tier].policies[at.policy]
    }
}

impl std::ops::Index<RuleRef> for Ruleset {
    type Output = Rule;

    #[expect(
        clippy::indexing_slicing,
        reason = "references are made from this ruleset"
    )]
    fn index(&self, at: RuleRef) -> &Rule {
        &self[at.policy].rules[at.rule]
    }
}
