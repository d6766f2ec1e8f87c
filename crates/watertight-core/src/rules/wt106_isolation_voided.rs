//! A policy that is asked earlier admits what the isolation of a namespace would deny.
//!
//! ## What it finds
//! Rules of an earlier tier that allow finally: an `Allow` of AdminNetworkPolicy, an `Accept` of
//! ClusterNetworkPolicy in the Admin tier, an `Allow` in a tier of Calico before the default one or
//! in a tier of Antrea. Where the pods are isolated by a later tier, by NetworkPolicies as a rule,
//! and that tier would deny a connection which the rule admits, the finding shows it. There is one
//! for each such rule.
//!
//! It is a warning where the rule admits everybody on every port, and a note where it names peers or
//! ports: that is what such rules are for, but the default deny of the namespace is not what it
//! seems.
//!
//! ## Why it matters
//! Whoever owns the namespace reads a default deny and a list of what is allowed. Neither shows what
//! somebody else has allowed before, and no NetworkPolicy can take it back.
//!
//! ## Example
//! ```yaml
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: cluster-traffic}
//! spec:
//!   tier: Admin
//!   priority: 10
//!   subject: {namespaces: {}}
//!   ingress:
//!   - action: Accept          # final: default denies of namespaces are not asked
//!     from: [{namespaces: {}}]
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: cluster-traffic}
//! spec:
//!   tier: Admin
//!   priority: 10
//!   subject: {namespaces: {}}
//!   ingress:
//!   - action: Pass            # the namespaces decide
//!     from: [{namespaces: {}}]
//! ```
//!
//! ## Semantics
//! - A-3: an Allow of the Admin tier is final, so it overrides the isolation by NetworkPolicy
//! - C-56: an Allow in a tier before the default one overrides NetworkPolicies
//! - T-3: an Allow of Antrea overrides the isolation by NetworkPolicy

use std::collections::BTreeMap;

use super::isolation::{enforced, is_system};
use super::{Check, Context, Group, Rule, count, witness};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::eval::{Decision, Partly};
use crate::manifest::{Dialect, Direction};
use crate::policy::{Action, Origin, PolicyRef, RuleRef};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT106",
    name: "isolation-voided",
    severity: Severity::Warning,
    summary: "an earlier policy admits what a namespace's isolation would deny",
    source: include_str!("wt106_isolation_voided.rs"),
    check: Check::World(check),
};

/// Groups of pods that are tried for one rule.
const GROUPS: usize = 16;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) || !context.has_other_languages {
        return;
    }
    for direction in Direction::BOTH {
        // By tier: its rules that allow, and the pods that a later tier isolates.
        let mut tiers: BTreeMap<usize, BTreeMap<RuleRef, Vec<&Group>>> = BTreeMap::new();
        for group in context.groups() {
            let ruleset = context.eval.ruleset;
            let policies = group.policies(direction);
            let isolating = policies.iter().rfind(|at| ruleset[**at].isolates);
            let Some(isolating) = isolating.filter(|_| !is_system(context, group.namespace)) else {
                continue;
            };
            let earlier = policies.iter().filter(|at| at.tier < isolating.tier);
            for (at, rule) in earlier.flat_map(|at| witness::rules_of(context, *at)) {
                if rule.action == Action::Allow {
                    let rules = tiers.entry(at.policy.tier).or_default();
                    rules.entry(at).or_default().push(group);
                }
            }
        }
        for (tier, rules) in tiers {
            let later = context.eval.only(direction, |at| at.tier > tier);
            for (rule, groups) in rules {
                findings.extend(judge(context, &later, rule, &groups));
            }
        }
    }
}

/// What a rule admits that the later tiers would deny.
struct Voided {
    isolated_by: PolicyRef,
    evidence: Evidence,
}

fn judge(
    context: &Context<'_>,
    later: &Partly<'_>,
    at: RuleRef,
    groups: &[&Group],
) -> Option<Finding> {
    let mut tried = groups.iter().take(GROUPS);
    let voided = tried.find_map(|group| voided(context, later, at, group))?;
    let rule = &context.eval.ruleset[at];
    let members = groups
        .iter()
        .flat_map(|group| group.members.iter().copied());
    let names = context.workloads(members);
    let broad = witness::is_broad(rule);
    let message = format!(
        "{} is asked before `{}` and admits what that denies",
        context.rule_name(at),
        context.name_of(voided.isolated_by)
    );
    let way = at.policy.direction.word();
    let mut finding = Finding::new(&RULE, message)
        .severity(if broad {
            Severity::Warning
        } else {
            Severity::Note
        })
        .subject(context.subject_of(at.policy))
        .at(rule.span, "asked first, and final")
        .evidence(voided.evidence)
        .why(&[why(context, at.policy)]);
    if let Some(span) = context.name_span(voided.isolated_by) {
        finding = finding.at(span, format!("isolates for {way}, in vain"));
    }
    if names.count > 1 {
        finding = finding.note(format!(
            "the rule is asked first for {} that later policies isolate for {way}: {}",
            count(names.count, "workload"),
            names.in_backticks()
        ));
    }
    Some(finding.fix(Fix::advice(if broad {
        "use `Pass` where the namespaces are to decide, or name the peers and ports that the rule is \
         for"
    } else {
        "nothing, if the rule is meant to hold whatever the namespaces say; else use `Pass`"
    })))
}

fn voided(context: &Context<'_>, later: &Partly<'_>, at: RuleRef, group: &Group) -> Option<Voided> {
    let direction = at.policy.direction;
    let rule = &context.eval.ruleset[at];
    let tries = witness::connections(context, direction, rule, group.example());
    tries.into_iter().find_map(|connection| {
        let verdict = context.eval.verdict(&connection);
        if !verdict.allowed || witness::side(direction, &verdict).rule() != Some(at) {
            return None;
        }
        let without = later.verdict(&connection);
        match witness::side(direction, &without) {
            Decision::NoRule { isolated_by } if without.uncertain.is_none() => Some(Voided {
                isolated_by,
                evidence: witness::evidence(context, direction, &connection, &verdict),
            }),
            _ => None,
        }
    })
}

/// The statement that makes an allow of this language final.
fn why(context: &Context<'_>, at: PolicyRef) -> &'static str {
    let Origin::Object(id) = context.origin(at) else {
        return "A-3";
    };
    match context.world[id].kind.dialect {
        Dialect::Calico => "C-56",
        Dialect::Antrea => "T-3",
        Dialect::Admin | Dialect::Cilium | Dialect::EgressFirewall => "A-3",
    }
}

#[cfg(test)]
mod tests;
