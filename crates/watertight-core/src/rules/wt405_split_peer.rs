//! Two peers where one was probably meant.
//!
//! ## What it finds
//! A `namespaceSelector` and a `podSelector` that stand in two neighbouring items of `from` or `to`
//! although together in one item they would select fewer pods, and some. It counts what the rule
//! selects now and what it would select then.
//!
//! It is silent where the two are clearly meant apart: an empty `podSelector` ("and everybody of my
//! own namespace"), or selectors that together select nothing.
//!
//! ## Why it matters
//! A dash more turns "these pods of that namespace" into "all pods of that namespace, and these
//! pods of mine". This opens whole namespaces, and nothing about it looks wrong.
//!
//! ## Example
//! ```yaml
//! from:
//! - namespaceSelector:
//!     matchLabels: {kubernetes.io/metadata.name: monitoring}
//! - podSelector:
//!     matchLabels: {app: prometheus}
//! ```
//!
//! ## Instead
//! ```yaml
//! from:
//! - namespaceSelector:
//!     matchLabels: {kubernetes.io/metadata.name: monitoring}
//!   podSelector:
//!     matchLabels: {app: prometheus}
//! ```
//!
//! ## Semantics
//! - K-22: the items of a list are alternatives
//! - K-24: a podSelector alone means pods of the policy's own namespace
//! - K-25: a namespaceSelector alone means all pods of those namespaces
//! - K-26: both selectors in one item must match
//! - K-27: two selectors in two items are alternatives

use rustc_hash::FxHashSet;

use super::selection::{Selection, count_workloads, edits, one_of_each, policies_in_force, sample};
use super::{Check, Context, Rule, count};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::eval::Party;
use crate::manifest::{Direction, PeerKind, PolicyPeer};
use crate::policy::{self, EndpointSelector, NamespaceScope, Peer, RuleRef};
use crate::world::{EndpointId, PolicyId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT405",
    name: "split-peer",
    severity: Severity::Warning,
    summary: "two peers where one was probably meant",
    source: include_str!("wt405_split_peer.rs"),
    check: Check::World(check),
};

/// How many subjects and strangers are tried for the evidence.
const TRIES: usize = 8;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let mut selection = Selection::new(context);
    for (policy, at) in policies_in_force(context) {
        let written = &context.world[policy].spec.section(at.direction).rules;
        let lowered = context.eval.ruleset[at].rules.iter();
        for (index, (written, lowered)) in written.iter().zip(lowered).enumerate() {
            let mut peers = written.peers.windows(2).enumerate();
            while let Some((place, pair)) = peers.next() {
                let [first, second] = pair else {
                    continue;
                };
                let split = Split {
                    policy,
                    at: RuleRef {
                        policy: at,
                        rule: index,
                    },
                    rule: lowered,
                    place,
                    first,
                    second,
                };
                if let Some(finding) = split.judge(&mut selection) {
                    findings.push(finding);
                    peers.next();
                }
            }
        }
    }
}

/// Two neighbouring items of one rule.
struct Split<'c> {
    policy: PolicyId,
    at: RuleRef,
    rule: &'c policy::Rule,
    /// Where the first item is in the list.
    place: usize,
    first: &'c PolicyPeer,
    second: &'c PolicyPeer,
}

impl Split<'_> {
    /// The two as one item, if one has only namespaces and the other only pods.
    fn joined(&self) -> Option<EndpointSelector> {
        let (namespaces, pods) = match (&self.first.kind, &self.second.kind) {
            (
                PeerKind::Selectors {
                    pod: None,
                    namespace: Some(namespaces),
                },
                PeerKind::Selectors {
                    pod: Some(pods),
                    namespace: None,
                },
            )
            | (
                PeerKind::Selectors {
                    pod: Some(pods),
                    namespace: None,
                },
                PeerKind::Selectors {
                    pod: None,
                    namespace: Some(namespaces),
                },
            ) => (namespaces, pods),
            _ => return None,
        };
        (!pods.is_empty()).then(|| EndpointSelector {
            namespaces: NamespaceScope::Matching(namespaces.clone()),
            pods: pods.clone(),
        })
    }

    fn judge(&self, selection: &mut Selection<'_>) -> Option<Finding> {
        let context = selection.context;
        let joined = selection.members(&self.joined()?);
        if joined.is_empty() {
            return None;
        }
        // Apart from these two the rule may have more peers.
        let mut others: FxHashSet<EndpointId> = FxHashSet::default();
        let mut now: Vec<EndpointId> = Vec::new();
        for (place, peer) in self.rule.peers.iter().enumerate() {
            let Peer::Endpoints(selector, _) = peer else {
                continue;
            };
            let members = selection.members(selector);
            now.extend(members.iter().copied());
            if place != self.place && place != self.place + 1 {
                others.extend(members.iter().copied());
            }
        }
        now.sort_unstable();
        now.dedup();
        let kept = |id: &EndpointId| others.contains(id) || joined.contains(id);
        let (then, strangers): (Vec<_>, Vec<_>) = now.iter().copied().partition(kept);
        if strangers.iter().all(|id| context.world[*id].assumed) {
            return None;
        }
        let count_of = |ids: &[EndpointId]| count_workloads(context, ids.iter().copied());
        let verb = match self.at.policy.direction {
            Direction::Ingress => "admits",
            Direction::Egress => "reaches",
        };
        let message = format!(
            "{} {verb} {}; with these two peers joined it would be {}",
            name(context, self.at),
            count(count_of(&now), "workload"),
            count_of(&then),
        );
        let mut finding = Finding::new(&RULE, message)
            .at(
                self.second.span,
                "this is an alternative, not a condition on the item before it",
            )
            .at(self.first.span, "this item stands alone")
            .why(&["K-27", "K-26"])
            .subject(context.policy_subject(self.policy));
        finding
            .evidence
            .extend(self.stranger(selection, &strangers));
        let edit = edits::join_items(context.sources, self.first.span, self.second.span)
            .filter(|_| edits::is_unshared(context.sources, &context.world[self.policy]));
        Some(finding.fix(Fix {
            message: "write both selectors in one item if both are meant to hold".into(),
            edits: edit.into_iter().collect(),
            manifest: None,
        }))
    }

    /// Somebody who is let through because of the split.
    fn stranger(
        &self,
        selection: &mut Selection<'_>,
        strangers: &[EndpointId],
    ) -> Option<Evidence> {
        let context = selection.context;
        let direction = self.at.policy.direction;
        let subjects: Vec<_> = selection.subjects(self.at.policy).take(TRIES).collect();
        for stranger in one_of_each(context, strangers.iter().copied())
            .iter()
            .take(TRIES)
        {
            for subject in subjects.iter().filter(|id| *id != stranger) {
                let other = Party::Endpoint(*stranger);
                let to = sample::destination(direction, *subject, other);
                let port = sample::port(context.world, &self.rule.traffic, to);
                let connection = sample::connection(direction, *subject, other, port);
                let verdict = context.eval.verdict(&connection);
                let decision = match direction {
                    Direction::Ingress => verdict.ingress,
                    Direction::Egress => verdict.egress,
                };
                if verdict.allowed && decision.rule() == Some(self.at) {
                    return Some(context.word(&connection, &verdict));
                }
            }
        }
        None
    }
}

fn name(context: &Context<'_>, at: RuleRef) -> String {
    format!(
        "{} rule {} of NetworkPolicy `{}`",
        at.policy.direction.word(),
        at.rule + 1,
        context.world.policy_name(context.origin(at.policy))
    )
}

#[cfg(test)]
mod tests;
