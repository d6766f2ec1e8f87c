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

use super::selection::{Selection, count_workloads, edits, one_of_each, policies_in_force, sample};
use super::{Check, Context, Rule, count, parallel};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::eval::Party;
use crate::manifest::{Direction, PeerKind, PolicyPeer};
use crate::policy::{self, EndpointSelector, NamespaceScope, Peer, PolicyRef, RuleRef};
use crate::sets::LabelSelector;
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
    let policies = policies_in_force(context);
    let found = parallel::map(policies, |(policy, at)| of_policy(context, *policy, *at));
    findings.extend(found.into_iter().flatten());
}

fn of_policy(context: &Context<'_>, policy: PolicyId, at: PolicyRef) -> Vec<Finding> {
    // What a policy selects is a matter of its own text.
    if !context.is_asked(context.world[policy].namespace) {
        return Vec::new();
    }
    let selection = Selection::new(context);
    let written = &context.world[policy].spec.section(at.direction).rules;
    let lowered = context.eval.ruleset[at].rules.iter();
    let mut findings = Vec::new();
    for (index, (written, lowered)) in written.iter().zip(lowered).enumerate() {
        let mut peers = written.peers.windows(2).enumerate();
        while let Some((place, pair)) = peers.next() {
            let [first, second] = pair else {
                continue;
            };
            let Some((namespaces, pods)) = apart(first, second) else {
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
                joined: EndpointSelector {
                    also: None,
                    namespaces: NamespaceScope::Matching(namespaces.clone()),
                    pods: pods.clone(),
                },
            };
            if let Some(finding) = split.judge(&selection) {
                findings.push(finding);
                peers.next();
            }
        }
    }
    findings
}

/// The namespaces of one item and the pods of the other, if neither has both.
fn apart<'c>(
    first: &'c PolicyPeer,
    second: &'c PolicyPeer,
) -> Option<(&'c LabelSelector, &'c LabelSelector)> {
    let only = |peer: &'c PolicyPeer| match &peer.kind {
        PeerKind::Selectors { pod, namespace } => Some((namespace.as_ref(), pod.as_ref())),
        PeerKind::IpBlock(_) => None,
    };
    match (only(first)?, only(second)?) {
        ((Some(namespaces), None), (None, Some(pods)))
        | ((None, Some(pods)), (Some(namespaces), None)) => {
            (!pods.is_empty()).then_some((namespaces, pods))
        }
        _ => None,
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
    /// The two as one item.
    joined: EndpointSelector,
}

impl Split<'_> {
    fn judge(&self, selection: &Selection<'_>) -> Option<Finding> {
        let context = selection.context;
        let joined = selection.members(&self.joined);
        if joined.is_empty() {
            return None;
        }
        // Apart from these two the rule may have more peers.
        let mut kept: Vec<EndpointId> = joined.to_vec();
        let mut now: Vec<EndpointId> = Vec::new();
        for (place, peer) in self.rule.peers.iter().enumerate() {
            let Peer::Endpoints(selector, _) = peer else {
                continue;
            };
            let members = selection.members(selector);
            now.extend_from_slice(&members);
            if place != self.place && place != self.place + 1 {
                kept.extend_from_slice(&members);
            }
        }
        now.sort_unstable();
        now.dedup();
        kept.sort_unstable();
        let is_kept = |id: &EndpointId| kept.binary_search(id).is_ok();
        let (then, strangers): (Vec<_>, Vec<_>) = now.iter().copied().partition(is_kept);
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
        let message = "write both selectors in one item if both are meant to hold";
        Some(finding.fix(Fix::edits(message, edit).guess()))
    }

    /// Somebody who is let through because of the split.
    fn stranger(&self, selection: &Selection<'_>, strangers: &[EndpointId]) -> Option<Evidence> {
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
                if !context.allows(&connection) {
                    continue;
                }
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
        context.name_of(at.policy)
    )
}

#[cfg(test)]
mod tests;
