//! Policies of the same priority that disagree.
//!
//! ## What it finds
//! Two policies of one tier with the same priority that select the same pods, where one would admit
//! a connection and the other refuse it or pass it on. Which of them is asked first is not defined.
//! The finding shows such a connection; there is one for each pair of policies.
//!
//! Engines that are known to go by the names of the policies (switch `tie=by-name`) are left alone,
//! and so are policies that agree wherever both match.
//!
//! ## Why it matters
//! The outcome may differ between engines, between nodes, and before and after a restart.
//!
//! ## Example
//! ```yaml
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: monitoring}
//! spec:
//!   {tier: Admin, priority: 10, subject: {namespaces: {}},
//!    ingress: [{action: Accept, from: [{namespaces: {matchLabels: {team: ops}}}]}]}
//! ---
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: no-cross-talk}
//! spec:
//!   {tier: Admin, priority: 10, subject: {namespaces: {}},
//!    ingress: [{action: Deny, from: [{namespaces: {}}]}]}
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: monitoring}
//! spec:
//!   {tier: Admin, priority: 9, subject: {namespaces: {}},   # asked first
//!    ingress: [{action: Accept, from: [{namespaces: {matchLabels: {team: ops}}}]}]}
//! ```
//!
//! ## Semantics
//! - A-12: policies of the same priority in one tier may be asked in any order
//! - T-2: the same holds for Antrea

use std::collections::{BTreeMap, BTreeSet};

use super::isolation::enforced;
use super::{Check, Context, Rule, witness};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::manifest::{Dialect, Direction};
use crate::policy::{Origin, PolicyRef, RuleRef};
use crate::world::ObjectId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT410",
    name: "tied-priorities",
    severity: Severity::Warning,
    summary: "policies of the same priority disagree",
    source: include_str!("wt410_tied_priorities.rs"),
    check: Check::World(check),
};

/// Pairs of policies that are tried, and groups of pods for each.
const PAIRS: usize = 256;
const GROUPS: usize = 8;

/// What the verdict is not sure of where policies are tied.
const TIE: &str = "A-12";

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) || !context.has_other_languages {
        return;
    }
    let mut reported: BTreeSet<[ObjectId; 2]> = BTreeSet::new();
    for direction in Direction::BOTH {
        for (pair, groups) in pairs(context, direction) {
            let objects = pair.map(|at| context.origin(at));
            let [Origin::Object(one), Origin::Object(other)] = objects else {
                continue;
            };
            let objects = [one.min(other), one.max(other)];
            if one == other || reported.contains(&objects) {
                continue;
            }
            let mut tried = groups.iter().take(GROUPS);
            let found = tried.find_map(|group| disagreement(context, pair, *group));
            if let Some(found) = found {
                reported.insert(objects);
                findings.push(report(context, found));
            }
        }
    }
}

/// Policies that are tied and select the same pods, with one pod of each group of those.
fn pairs(
    context: &Context<'_>,
    direction: Direction,
) -> BTreeMap<[PolicyRef; 2], Vec<crate::world::EndpointId>> {
    let ruleset = context.eval.ruleset;
    let mut found: BTreeMap<[PolicyRef; 2], Vec<_>> = BTreeMap::new();
    for group in context.groups() {
        let policies = group.policies(direction);
        let key = |at: &PolicyRef| (at.tier, ruleset[*at].tie);
        for tied in policies.chunk_by(|a, b| key(a) == key(b)) {
            if tied.len() < 2 || tied.iter().any(|at| ruleset[*at].tie.is_none()) {
                continue;
            }
            for (index, one) in tied.iter().enumerate() {
                for other in tied.iter().skip(index + 1) {
                    let pair = [*one, *other];
                    if found.len() < PAIRS || found.contains_key(&pair) {
                        found.entry(pair).or_default().push(group.example());
                    }
                }
            }
        }
    }
    found
}

/// A connection on which two policies disagree.
struct Disagreement {
    decides: RuleRef,
    other: RuleRef,
    evidence: Evidence,
}

fn disagreement(
    context: &Context<'_>,
    pair: [PolicyRef; 2],
    own: crate::world::EndpointId,
) -> Option<Disagreement> {
    let rules = || {
        pair.into_iter()
            .flat_map(|at| witness::rules_of(context, at))
    };
    rules().find_map(|(_, rule)| {
        let direction = pair.first()?.direction;
        let tries = witness::connections(context, direction, rule, own);
        tries.into_iter().find_map(|connection| {
            let verdict = context.eval.verdict(&connection);
            let uncertain = verdict.uncertain.filter(|uncertain| uncertain.id == TIE)?;
            let decides = witness::side(direction, &verdict).rule();
            let other = uncertain.rule;
            let decides = decides.unwrap_or(other);
            let of_pair = |at: RuleRef| pair.contains(&at.policy);
            if !of_pair(other) || !of_pair(decides) || other.policy == decides.policy {
                return None;
            }
            let evidence = context.word(&connection, &verdict);
            Some(Disagreement {
                decides,
                other,
                evidence: Evidence {
                    because: format!(
                        "{}, unless {} is asked first",
                        evidence.because,
                        context.title(other.policy)
                    ),
                    ..evidence
                },
            })
        })
    })
}

fn report(context: &Context<'_>, found: Disagreement) -> Finding {
    let ruleset = context.eval.ruleset;
    let (one, other) = (found.decides.policy, found.other.policy);
    let message = format!(
        "{} and {} have the same priority and disagree: which is asked first is not defined",
        context.title(one),
        context.title(other)
    );
    let antrea = matches!(
        context.origin(one),
        Origin::Object(id) if context.world[id].kind.dialect == Dialect::Antrea
    );
    let says = |at: RuleRef| match ruleset[at].action {
        crate::policy::Action::Allow => "allows",
        crate::policy::Action::Deny => "denies",
        crate::policy::Action::Pass => "passes on",
        crate::policy::Action::Log => "logs",
    };
    Finding::new(&RULE, message)
        .subject(context.subject_of(one))
        .at(
            ruleset[found.decides].span,
            format!("{} the connection", says(found.decides)),
        )
        .at(
            ruleset[found.other].span,
            format!("{} it", says(found.other)),
        )
        .evidence(found.evidence)
        .why(if antrea { &["T-2", "A-12"] } else { &["A-12"] })
        .fix(Fix::advice(
            "give the policy that is to be asked first the smaller number",
        ))
}

#[cfg(test)]
mod tests;
