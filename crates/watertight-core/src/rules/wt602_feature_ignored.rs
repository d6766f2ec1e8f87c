//! A policy uses what the engine ignores.
//!
//! ## What it finds
//! Lines of policies that the engine given by `--engine` does not support, or only in part, in the
//! version given or in its newest known one:
//!
//! - port ranges (`endPort`), named ports, SCTP, `except`, ipBlocks, IPv6 blocks and egress rules
//!   on engines and releases that ignore them
//! - ipBlocks that cover pods or nodes of this cluster, on engines that never match those by
//!   address (Cilium and what is built on it)
//!
//! It is an error where a connection shows the difference: one that the policy admits and the
//! engine drops, or the other way round. Where the engine supports a feature in part or only if it
//! is switched on, or where the input has no pods that show the difference, it is a warning. A
//! block of a whole family (`0.0.0.0/0`) that misses pods and nodes is summed up in one note,
//! because it is mostly meant for the world outside.
//!
//! One finding a policy and feature. Sections that `policyTypes` leaves out and that act on Cilium
//! all the same are WT105; engines that enforce nothing are WT601.
//!
//! ## Why it matters
//! The API server accepts the policy, and the engine reads something else without a word. A range
//! that shrinks to its first port breaks a connection; an exception that is not honoured opens what
//! was to stay closed.
//!
//! ## Example
//! ```yaml
//! # watertight check --engine cilium@1.15
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: ftp, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: ftp}}
//!   ingress:
//!   - ports: [{port: 30000, endPort: 30010}]   # this release admits 30000 alone
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: ftp, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: ftp}}
//!   ingress:
//!   - ports: [{port: 30000}, {port: 30001}, {port: 30002}]
//! ```
//!
//! ## Semantics
//! - K-50: a range admits every port up to `endPort`
//! - K-52, K-53: a named port is looked up on the pod that is connected to
//! - K-60: only SCTP items match SCTP
//! - K-63, K-65, K-66, K-70: what an ipBlock matches
//! - D-2 to D-10: where the engines differ

mod by_address;
mod limits;
mod missing;
mod probe;
mod uses;
mod wording;

use super::{Check, Context, Rule, engines};
use crate::diag::{Evidence, Finding, Severity};
use crate::engine::{EndPort, Enforcement, Engine, Feature, IpBlockPods, Profile, Support};
use crate::eval::{Connection, Evaluator};
use crate::manifest::Direction;
use crate::world::PolicyId;
use probe::Prober;
use uses::uses;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT602",
    name: "feature-ignored",
    severity: Severity::Error,
    summary: "a policy uses what the engine ignores",
    source: include_str!("wt602_feature_ignored.rs"),
    check: Check::World(check),
};

/// Features of single lines, in the order in which they are reported.
const OF_LINES: &[Feature] = &[
    Feature::IpBlock,
    Feature::Except,
    Feature::NamedPort,
    Feature::EndPort,
    Feature::Sctp,
    Feature::Ipv6,
];

/// How a feature falls short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    /// Ignored.
    Missing,
    /// Blocks never match pods or never match nodes.
    ByAddress,
    /// Supported with exceptions, or only if switched on.
    Limited(Support),
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if context.profile.enforcement() == Enforcement::NotEnforced {
        return;
    }
    let mut prober = Prober::default();
    let mut no_egress = false;
    for direction in Direction::BOTH {
        let feature = match direction {
            Direction::Ingress => Feature::Ingress,
            Direction::Egress => Feature::Egress,
        };
        match lack(context.profile, feature) {
            Some(Lack::Missing) => {
                no_egress |= direction == Direction::Egress;
                findings.extend(missing::direction(context, direction));
            }
            Some(Lack::Limited(support)) => {
                findings.extend(limits::direction(context, direction, support));
            }
            _ => {}
        }
    }
    for feature in OF_LINES.iter().copied() {
        // Rules that are ignored altogether have no features that are.
        let lines = || {
            let mut lines = uses(context, feature);
            lines.retain(|line| !(no_egress && line.direction == Direction::Egress));
            lines
        };
        match lack(context.profile, feature) {
            None => {}
            Some(Lack::ByAddress) => {
                by_address::check(context, no_egress, findings);
            }
            Some(Lack::Missing) => missing::lines(context, &mut prober, feature, lines(), findings),
            Some(Lack::Limited(support)) => {
                limits::lines(context, &mut prober, (feature, support), lines(), findings);
            }
        }
    }
}

/// How a feature falls short; the switches have the last word where they say the same.
fn lack(profile: &Profile, feature: Feature) -> Option<Lack> {
    let support = profile.feature(feature);
    let switches = &profile.switches;
    let by_address = switches.ipblock_pods == IpBlockPods::Never || !switches.ipblock_nodes;
    match (feature, support) {
        (Feature::EndPort, _) if switches.endport == EndPort::FirstOnly => Some(Lack::Missing),
        (Feature::EndPort, Support::None(_)) => None,
        (Feature::IpBlock, _) if by_address => Some(Lack::ByAddress),
        (Feature::IpBlock, Support::Partial(_)) if engines::runs(profile, Engine::Cilium) => None,
        (Feature::Except, _) if profile.feature(Feature::IpBlock).is_none() => None,
        (_, Support::Full | Support::Unknown) => None,
        (_, Support::None(_)) => Some(Lack::Missing),
        (_, limited) => Some(Lack::Limited(limited)),
    }
}

/// The same run with another evaluator.
fn with_eval<'a>(context: &Context<'a>, eval: &'a Evaluator<'a>) -> Context<'a> {
    Context::new(context.sources, eval, context.profile, context.clouds)
}

/// The connection as evidence, if what the policies say is not what happens.
fn differs(paper: &Context<'_>, truth: &Context<'_>, connection: &Connection) -> Option<Evidence> {
    let real = truth.eval.verdict(connection);
    let written = paper.eval.verdict(connection);
    if real.allowed == written.allowed {
        return None;
    }
    let (real, written) = (
        truth.word(connection, &real),
        paper.word(connection, &written),
    );
    Some(Evidence {
        because: format!("{}; on paper {}", real.because, written.because),
        by: written.by.or(real.by),
        ..real
    })
}

/// The policies that act on a direction.
fn acting(context: &Context<'_>, direction: Direction) -> Vec<PolicyId> {
    let policies = context.world.policy_ids();
    policies
        .filter(|id| context.policy_ref(*id, direction).is_some())
        .collect()
}

#[cfg(test)]
mod tests;
