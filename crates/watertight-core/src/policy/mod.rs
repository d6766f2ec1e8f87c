//! The Ruleset: one normal form for every policy language.
//!
//! ```text
//! Ruleset = per direction: [Tier] in order; after the last tier: allow
//! Tier    = [Policy] in order
//! Policy  = subject, isolates?, [Rule] in order, origin
//! Rule    = action, peers, traffic, family?, source ports?, requests, origin
//! ```
//!
//! A tier takes part for an endpoint if one of its policies selects it. The first matching `Allow`
//! or `Deny` is final; `Pass` goes to the next tier; at the end of a tier the verdict is deny if
//! any policy that selects the endpoint `isolates`, else the next tier decides.
//!
//! One object may become several policies that follow each other: a rule with conditions on the
//! endpoint itself is a policy with a narrower subject, and the denials of a language that puts them
//! first come before its allows. A language that only refuses (EgressFirewall) is a first tier whose
//! allows are `Pass`.
//!
//! INVARIANT: languages differ only in their `lower_*`; nothing behind this module knows them.

mod admin;
mod antrea;
mod calico;
mod cilium;
mod egress_firewall;
mod kubernetes;
mod nodes;
mod origin;
mod stack;
#[cfg(test)]
pub(crate) mod testing;
mod words;

pub use admin::{ADMIN_TIER, BASELINE_TIER, lower_admin, lower_baseline_scope};
pub use antrea::{AntreaTiers, lower_antrea};
pub use calico::{lost_policies, lower_calico, without_tier};
pub use cilium::{CILIUM_TIER, lower_cilium};
pub use egress_firewall::lower_egress_firewall;
pub use kubernetes::{
    Relowered, lower_kubernetes, lower_kubernetes_policy, relower, relower_kubernetes,
};
pub use stack::{lower, refused};

use std::sync::Arc;

use crate::manifest::Direction;
use crate::sets::{DomainPattern, Expression, Family, IpBlock, LabelSelector, PortMatch};
use crate::source::Span;
use crate::world::{NamespaceId, NodeId, ObjectId, PolicyId};

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
    /// What must hold besides, for what label selectors cannot say.
    pub also: Option<Arc<Expression>>,
}

impl EndpointSelector {
    /// Pods of these namespaces by their labels.
    #[must_use]
    pub fn new(namespaces: NamespaceScope, pods: LabelSelector) -> Self {
        Self {
            namespaces,
            pods,
            also: None,
        }
    }

    /// All pods for which an expression holds.
    #[must_use]
    pub fn expression(expression: Expression, span: Span) -> Self {
        Self {
            namespaces: NamespaceScope::Matching(LabelSelector::everything(span)),
            pods: LabelSelector::everything(span),
            also: Some(Arc::new(expression)),
        }
    }
}

/// Whom a policy applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Pods with a network of their own.
    Endpoints(EndpointSelector),
    /// Nodes: their processes and the host-network pods on them (C-63, L-74).
    Nodes(Arc<[NodeId]>),
}

impl Subject {
    /// The pods, unless it is about nodes.
    #[must_use]
    pub fn endpoints(&self) -> Option<&EndpointSelector> {
        match self {
            Self::Endpoints(selector) => Some(selector),
            Self::Nodes(_) => None,
        }
    }
}

/// Whose addresses a block covers (K-65, K-70, L-44, L-45).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Covers {
    /// Those of pods.
    pub pods: bool,
    /// Those of nodes, and so of host-network pods.
    pub nodes: bool,
    /// All others.
    pub outside: bool,
}

impl Covers {
    /// Every address, whoever owns it.
    pub const ALL: Self = Self {
        pods: true,
        nodes: true,
        outside: true,
    };
    /// Addresses that neither a pod nor a node owns.
    pub const OUTSIDE: Self = Self {
        pods: false,
        nodes: false,
        outside: true,
    };
    /// Every address that no pod owns.
    pub const NOT_PODS: Self = Self {
        pods: false,
        nodes: true,
        outside: true,
    };
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub enum Peer {
    /// Anybody: pods, nodes and addresses of both families (K-20).
    Any,
    /// Pods.
    Endpoints(EndpointSelector, Span),
    /// Addresses.
    Block(IpBlock, Covers),
    /// Nodes: their processes and the host-network pods on them (A-28).
    Nodes(Arc<[NodeId]>, Span),
    /// Any node, and any host-network pod (L-38, A-28).
    AnyNode(Span),
    /// The node that the subject runs on or is (L-39).
    OwnNode(Span),
    /// Every other node (L-40).
    OtherNodes(Span),
    /// Whoever is neither a pod nor a node (L-37).
    Outside(Span),
    /// Whoever a DNS name stands for; pods and nodes never (A-31, L-58). The id says whose rule it
    /// is that an address counts only once it was seen in an answer.
    Domain(DomainPattern, &'static str, Span),
    /// All of these at once; of none, anybody.
    All(Vec<Self>),
    /// Any of these; of none, nobody.
    AnyOf(Vec<Self>),
    /// Everybody else.
    Not(Box<Self>),
}

impl Peer {
    /// Where it is written, if it is.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Any => None,
            Self::Endpoints(_, span)
            | Self::Nodes(_, span)
            | Self::AnyNode(span)
            | Self::OwnNode(span)
            | Self::OtherNodes(span)
            | Self::Outside(span)
            | Self::Domain(.., span) => Some(*span),
            Self::Block(block, _) => Some(block.span),
            Self::All(parts) | Self::AnyOf(parts) => parts.iter().find_map(Self::span),
            Self::Not(part) => part.span(),
        }
    }

    /// Tells every peer that is no combination of others.
    pub fn leaves<'p>(&'p self, found: &mut impl FnMut(&'p Self)) {
        match self {
            Self::All(parts) | Self::AnyOf(parts) => {
                parts.iter().for_each(|part| part.leaves(found));
            }
            Self::Not(part) => part.leaves(found),
            _ => found(self),
        }
    }

    /// Whether it depends on the subject's own node.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        let mut relative = false;
        self.leaves(&mut |leaf| {
            relative |= matches!(leaf, Self::OwnNode(_) | Self::OtherNodes(_));
        });
        relative
    }
}

/// A text that a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// This one.
    Exact(Box<str>),
    /// One that starts with this.
    Prefix(Box<str>),
    /// One that this regular expression matches as a whole.
    Pattern(Box<str>),
}

/// A request that a rule admits on a connection (L-66..L-69, C-51). The connection itself is allowed;
/// other requests on it are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMatch {
    /// What it says, for people: `HTTP GET /public`.
    pub text: Box<str>,
    /// The method and the path of an HTTP request; none if it is of another protocol.
    pub http: Option<HttpMatch>,
    /// Whether it admits every request of its protocol: every lookup on a port for DNS (L-56).
    pub is_every: bool,
    /// Where it is written.
    pub span: Span,
}

/// Which HTTP requests are meant. What other conditions there are stands in the text only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpMatch {
    /// The method; none is any.
    pub method: Option<TextMatch>,
    /// The path; none is any.
    pub path: Option<TextMatch>,
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
    /// The only family it matches (C-44).
    pub family: Option<Family>,
    /// The only source ports it matches (C-47).
    pub source_ports: Option<Box<[(u16, u16)]>>,
    /// The requests that it admits; none at all is every request.
    pub requests: Vec<RequestMatch>,
    /// Where it is written.
    pub span: Span,
}

impl Rule {
    /// Whether it admits some requests of the protocol that its ports are for, and refuses others.
    #[must_use]
    pub fn narrows_requests(&self) -> bool {
        !self.requests.is_empty() && !self.requests.iter().any(|request| request.is_every)
    }

    /// A rule without further conditions.
    #[must_use]
    pub fn new(action: Action, peers: Vec<Peer>, traffic: Vec<PortMatch>, span: Span) -> Self {
        Self {
            action,
            peers,
            traffic,
            family: None,
            source_ports: None,
            requests: Vec::new(),
            span,
        }
    }
}

/// Where a policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A NetworkPolicy.
    Kubernetes(PolicyId),
    /// An object of another language.
    Object(ObjectId),
    /// Nothing that is written: what the engine does by itself, by rule id and in a few words.
    Engine(&'static str, &'static str),
}

/// Which connections a policy about nodes is asked about. Policies about pods know only their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Those that begin or end at the subject.
    #[default]
    Own,
    /// Those, and those that are routed through the node (C-67).
    Forwarded,
    /// The same, before Services are translated (C-69).
    Arrival,
    /// The same, before connections are tracked: replies to what it lets through are judged like
    /// new connections (C-68).
    Untracked,
}

/// The part of a policy object that concerns one direction.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whom it applies to.
    pub subject: Subject,
    /// Whether being selected means that what nothing allows is denied.
    pub isolates: bool,
    /// The rules, in order.
    pub rules: Vec<Rule>,
    /// The object.
    pub origin: Origin,
    /// Policies of a tier with the same number follow each other and may be asked in any order
    /// (A-12).
    pub tie: Option<u32>,
    /// Which connections it is asked about.
    pub stage: Stage,
}

impl Policy {
    /// A policy that does not isolate and has no rules yet.
    #[must_use]
    pub fn new(subject: Subject, origin: Origin) -> Self {
        Self {
            subject,
            isolates: false,
            rules: Vec::new(),
            origin,
            tie: None,
            stage: Stage::Own,
        }
    }
}

/// Policies that are judged together.
#[derive(Clone, Debug)]
pub struct Tier {
    /// The name.
    pub name: Box<str>,
    /// The policies, in order.
    pub policies: Vec<Policy>,
}

impl Tier {
    /// A tier.
    #[must_use]
    pub fn new(name: &str, policies: Vec<Policy>) -> Self {
        Self {
            name: name.into(),
            policies,
        }
    }
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
