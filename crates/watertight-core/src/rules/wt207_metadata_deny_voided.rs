//! A denial of the metadata service comes too late.
//!
//! ## What it finds
//! Policies of a language that can deny, such as ClusterNetworkPolicy, Calico or Antrea, that deny
//! a metadata address by a block for it, while a rule that is asked before allows the address or
//! passes the connection on to where nothing denies it. The finding shows the connection. There is
//! one for each pair of rules.
//!
//! It is as bad as WT201, which is silent about these addresses.
//!
//! ## Why it matters
//! The denial is what everybody relies on, and reviews look for. That it is not asked is seen only
//! by putting all policies in order: tiers first, then priorities or orders, then rules.
//!
//! ## Example
//! ```yaml
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: outbound}
//! spec:
//!   tier: Admin
//!   priority: 10
//!   subject: {namespaces: {}}
//!   egress:
//!   - {action: Accept, to: [{networks: [0.0.0.0/0]}]}
//!   - {action: Deny, to: [{networks: [169.254.169.254/32]}]}   # never asked
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: outbound}
//! spec:
//!   tier: Admin
//!   priority: 10
//!   subject: {namespaces: {}}
//!   egress:
//!   - {action: Deny, to: [{networks: [169.254.169.254/32]}]}
//!   - {action: Accept, to: [{networks: [0.0.0.0/0]}]}
//! ```
//!
//! ## Semantics
//! - A-2: in a tier policies are asked by priority, their rules in order, and the first match decides
//! - A-8: the Baseline tier is never asked for a pod that a NetworkPolicy isolates
//! - C-3: in Calico the first rule that allows or denies is final
//! - O-2: the first rule of an egress firewall that matches decides
//! - T-2: the same holds in a tier of Antrea
//! - X-2: a true denial needs a language that can deny

use std::collections::{BTreeMap, BTreeSet};

use super::addresses::{Exposure, Fate, Fates, Metadata, Names, workloads};
use super::isolation::enforced;
use super::{Check, Context, Group, Rule};
use crate::diag::{Finding, Fix, Severity};
use crate::manifest::Dialect;
use crate::policy::{Action, Origin, RuleRef};
use crate::world::EndpointId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT207",
    name: "metadata-deny-voided",
    severity: Severity::Error,
    summary: "a denial of the metadata service comes too late",
    source: include_str!("wt207_metadata_deny_voided.rs"),
    check: Check::World(check),
};

/// The rule that denies, and the one that is asked before.
type Pair = (RuleRef, RuleRef);

/// What a pair leaves open, and to whom.
#[derive(Default)]
struct Open {
    members: BTreeSet<EndpointId>,
    /// Targets of [`Metadata`] with their ports, and one pod for each.
    doors: BTreeMap<(usize, u16), EndpointId>,
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let metadata = Metadata::of(context);
    if metadata.targets.is_empty() || !enforced(context) || !context.has_other_languages {
        return;
    }
    let mut fates = Fates::new(context, &metadata);
    let mut pairs: BTreeMap<Pair, Open> = BTreeMap::new();
    for group in context.groups() {
        if !context.is_kubernetes_only(&group.egress) {
            of_group(context, &metadata, &mut fates, group, &mut pairs);
        }
    }
    for (pair, open) in pairs {
        findings.extend(report(context, &metadata, pair, &open));
    }
}

fn of_group<'c>(
    context: &Context<'_>,
    metadata: &Metadata,
    fates: &mut Fates<'c>,
    group: &'c Group,
    pairs: &mut BTreeMap<Pair, Open>,
) {
    for (target, port) in metadata.all_doors() {
        let Some(family) = metadata.family(target) else {
            continue;
        };
        let able = || {
            let members = group.members.iter().copied();
            members.filter(move |id| workloads::has_family(context, *id, family))
        };
        let Some(own) = able().next() else {
            continue;
        };
        let Fate::Voided(denied, before) = fates.of(group, own, (target, port)) else {
            continue;
        };
        let open = pairs.entry((denied, before)).or_default();
        open.doors.entry((target, port)).or_insert(own);
        open.members.extend(able());
    }
}

fn report(
    context: &Context<'_>,
    metadata: &Metadata,
    (denied, before): Pair,
    found: &Open,
) -> Option<Finding> {
    let ruleset = context.eval.ruleset;
    let mut open = Exposure::new(metadata);
    for ((target, port), own) in &found.doors {
        open.judge(context, *target, *port, *own, |decision| {
            decision.rule().is_none_or(|rule| rule == before)
        });
    }
    let what = open.phrase(context)?;
    let members: Vec<EndpointId> = found.members.iter().copied().collect();
    let names = Names::of(context, &members);
    let passes = ruleset[before].action == Action::Pass;
    let message = format!(
        "{} can reach {what} although {} denies it: {} is asked before",
        names.who(context, context.namespace_of(before.policy)),
        context.title(denied.policy),
        context.rule_name(before),
    );
    let mut finding = Finding::new(&RULE, message)
        .severity(metadata.severity(open.pairs()))
        .subject(context.subject_of(denied.policy))
        .at(ruleset[denied].span, "denies it, and is not asked")
        .at(
            ruleset[before].span,
            if passes {
                "passes it on before"
            } else {
                "allows it before"
            },
        )
        .why(&["X-2", why(context, denied, before)]);
    finding.evidence = open.evidence(context);
    finding.notes.extend(names.note());
    finding.notes.extend(metadata.note());
    Some(finding.fix(Fix::advice(
        "move the denial before the rule that lets it through: to an earlier tier, to a smaller \
         priority or order, or further up in the list",
    )))
}

/// The statement about order that decides between the two.
fn why(context: &Context<'_>, denied: RuleRef, before: RuleRef) -> &'static str {
    let Origin::Object(id) = context.origin(denied.policy) else {
        return "A-2";
    };
    let written = context.kubernetes(before.policy).is_some();
    match context.world[id].kind.dialect {
        Dialect::Admin if written => "A-8",
        Dialect::Calico => "C-3",
        Dialect::Antrea => "T-2",
        Dialect::EgressFirewall => "O-2",
        Dialect::Admin | Dialect::Cilium => "A-2",
    }
}

#[cfg(test)]
mod tests;
