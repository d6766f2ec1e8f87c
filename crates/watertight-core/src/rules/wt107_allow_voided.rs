//! A policy that is asked earlier denies what a policy of the namespace allows.
//!
//! ## What it finds
//! Rules of a namespace's policies that allow nothing because a cluster-wide policy denies it
//! before: a `Deny` of the Admin tier, of an earlier tier or an earlier policy of Calico, of Antrea,
//! or of a CiliumClusterwideNetworkPolicy. Reported only where every connection that was tried for
//! the rule is denied so. One note for each rule that denies.
//!
//! ## Why it matters
//! Mostly this is as it should be: the cluster's owners have the last word. But whoever wrote the
//! rule believes that the connection works, and looks for the fault in the namespace.
//!
//! ## Example
//! ```yaml
//! apiVersion: projectcalico.org/v3
//! kind: GlobalNetworkPolicy
//! metadata: {name: no-telnet}
//! spec:
//!   order: 10
//!   selector: all()
//!   types: [Ingress]
//!   ingress:
//!   - {action: Deny, protocol: TCP, destination: {ports: [23]}}
//!   - {action: Pass}
//! ---
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: allow-telnet, namespace: lab}
//! spec:
//!   podSelector: {}
//!   ingress:
//!   - ports: [{port: 23}]   # never asked
//! ```
//!
//! ## Instead
//! ```yaml
//! # Leave the rule out, or have the cluster-wide policy leave these pods out.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: default-deny, namespace: lab}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress]
//! ```
//!
//! ## Semantics
//! - A-4: a Deny of the Admin tier is final; no NetworkPolicy can reopen it
//! - C-3: in Calico the first rule that allows or denies is final, so a Deny of an earlier policy
//!   beats an allow of NetworkPolicy (C-54)
//! - L-25: a Deny of Cilium beats every allow
//! - T-3: Drop and Reject of Antrea are final

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::isolation::enforced;
use super::{Check, Context, Rule, count, some_of, witness};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::eval::{Decision, Partly};
use crate::manifest::Direction;
use crate::policy::{Action, PolicyRef, RuleRef};
use crate::world::EndpointId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT107",
    name: "allow-voided",
    severity: Severity::Note,
    summary: "an earlier policy denies what a namespace's policy allows",
    source: include_str!("wt107_allow_voided.rs"),
    check: Check::World(check),
};

/// Pods of a policy that are tried for one rule.
const PODS: usize = 4;

/// Rules that a finding points at.
const PLACES: usize = 3;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) || !context.has_other_languages {
        return;
    }
    for direction in Direction::BOTH {
        let wide = wide_denials(context, direction);
        if wide.is_empty() {
            continue;
        }
        let namespaced = |at| context.namespace_of(at).is_some();
        let own = context.eval.only(direction, namespaced);
        let mut voided: BTreeMap<RuleRef, Vec<(RuleRef, Evidence)>> = BTreeMap::new();
        for (at, evidence, by) in allows(context, direction, &wide)
            .filter_map(|(at, pods)| judge(context, &own, at, &pods))
        {
            voided.entry(by).or_default().push((at, evidence));
        }
        findings.extend(
            voided
                .into_iter()
                .map(|(by, rules)| report(context, by, rules)),
        );
    }
}

/// The cluster-wide policies that deny something.
fn wide_denials(context: &Context<'_>, direction: Direction) -> FxHashSet<PolicyRef> {
    let tiers = context.eval.ruleset.tiers(direction).iter().enumerate();
    let all = tiers.flat_map(|(tier, found)| {
        let policies = 0..found.policies.len();
        policies.map(move |policy| PolicyRef {
            direction,
            tier,
            policy,
        })
    });
    all.filter(|at| {
        let mut rules = context.eval.ruleset[*at].rules.iter();
        context.namespace_of(*at).is_none() && rules.any(|rule| rule.action == Action::Deny)
    })
    .collect()
}

/// The allowing rules of namespaced policies, with pods that such a denial is asked for before.
fn allows<'c>(
    context: &'c Context<'_>,
    direction: Direction,
    wide: &'c FxHashSet<PolicyRef>,
) -> impl Iterator<Item = (RuleRef, Vec<EndpointId>)> + use<'c> {
    let tiers = context.eval.ruleset.tiers(direction).iter().enumerate();
    let all = tiers.flat_map(move |(tier, found)| {
        let policies = 0..found.policies.len();
        policies.map(move |policy| PolicyRef {
            direction,
            tier,
            policy,
        })
    });
    let own = all.filter(|at| context.namespace_of(*at).is_some());
    own.flat_map(move |at| {
        let subjects = context.eval.subjects_of(at).iter().copied();
        let read = subjects.filter(|id| !context.world[*id].assumed);
        let pods = read.filter(|id| {
            let mut policies = context.policies_of(*id, direction).iter();
            policies.any(|other| *other < at && wide.contains(other))
        });
        let pods: Vec<EndpointId> = pods.take(PODS).collect();
        let rules = witness::rules_of(context, at);
        rules
            .filter(|(_, rule)| rule.action == Action::Allow)
            .map(move |(at, _)| (at, pods.clone()))
    })
    .filter(|(_, pods)| !pods.is_empty())
}

/// The denial that voids a rule, if each connection that the rule would allow is denied by one.
fn judge(
    context: &Context<'_>,
    own: &Partly<'_>,
    at: RuleRef,
    pods: &[EndpointId],
) -> Option<(RuleRef, Evidence, RuleRef)> {
    let direction = at.policy.direction;
    let rule = &context.eval.ruleset[at];
    let mut first = None;
    for pod in pods {
        for connection in witness::connections(context, direction, rule, *pod) {
            let verdict = context.eval.verdict(&connection);
            let decision = witness::side(direction, &verdict);
            // Most rules are not void: no need to ask what they would do alone.
            if decision.rule() == Some(at) && decision.is_allowed() {
                return None;
            }
            let alone = witness::side(direction, &own.verdict(&connection));
            if alone.rule() != Some(at) || !alone.is_allowed() {
                continue;
            }
            let Decision::Rule {
                rule: by,
                allowed: false,
            } = decision
            else {
                return None;
            };
            if context.namespace_of(by.policy).is_some() || verdict.uncertain.is_some() {
                return None;
            }
            first = first.or_else(|| {
                Some((
                    at,
                    witness::evidence(context, direction, &connection, &verdict),
                    by,
                ))
            });
        }
    }
    first
}

fn report(context: &Context<'_>, by: RuleRef, rules: Vec<(RuleRef, Evidence)>) -> Finding {
    let ruleset = context.eval.ruleset;
    let names: Vec<String> = rules.iter().map(|(at, _)| context.rule_name(*at)).collect();
    let what = match names.as_slice() {
        [one] => one.clone(),
        more => format!("{} of namespaces", count(more.len(), "rule")),
    };
    let message = format!(
        "{} denies all that {what} would allow",
        context.rule_name(by)
    );
    let mut finding = Finding::new(&RULE, message)
        .subject(context.subject_of(by.policy))
        .at(ruleset[by].span, "asked first, and final")
        .why(&[witness::final_denial(context, by.policy)])
        .fix(Fix::advice(
            "nothing, if the denial is meant to hold whatever the namespaces say; else have it leave \
             these pods or peers out",
        ));
    for (at, _) in rules.iter().take(PLACES) {
        finding = finding.at(ruleset[*at].span, "allows in vain");
    }
    if names.len() > 1 {
        finding = finding.note(format!("in vain: {}", some_of(&names)));
    }
    finding
        .evidence
        .extend(rules.into_iter().map(|(_, evidence)| evidence).take(2));
    finding
}

#[cfg(test)]
mod tests;
