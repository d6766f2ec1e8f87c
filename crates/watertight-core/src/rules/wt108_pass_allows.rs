//! A Pass after which nothing decides, so that the connection is allowed.
//!
//! ## What it finds
//! `Pass` rules that somebody would take for a denial: they hand connections over to later tiers where
//! no policy decides them, although without the rule its own tier would have denied them, or although
//! the name of the policy says that it denies and none of its rules does. The finding shows such a
//! connection. A `Pass` for everybody at the end of a tier that others follow is how such tiers are
//! written, and is not reported.
//!
//! ## Why it matters
//! `Pass` reads like "not for us", and many take it for "denied unless somebody allows it". It is
//! the other way round: what no later tier decides is allowed, in Calico too, where the profile of
//! the namespace allows everything.
//!
//! ## Example
//! ```yaml
//! apiVersion: projectcalico.org/v3
//! kind: GlobalNetworkPolicy
//! metadata: {name: default-deny}
//! spec:
//!   order: 2000
//!   selector: all()
//!   types: [Ingress]
//!   ingress:
//!   - {action: Pass, source: {selector: "team == 'ops'"}}   # allowed by kns
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: projectcalico.org/v3
//! kind: GlobalNetworkPolicy
//! metadata: {name: default-deny}
//! spec:
//!   order: 2000
//!   selector: all()
//!   types: [Ingress]
//! ```
//!
//! ## Semantics
//! - A-9: after a Pass of the Admin tier a pod that no NetworkPolicy isolates is open to the
//!   Baseline tier
//! - A-11: a Pass of the Baseline tier leads to the default, which is to allow
//! - C-9: Pass out of the last tier is allowed by the profile of the namespace
//! - C-11: behind the tier `default` there is nothing but the Baseline tier

use std::collections::BTreeMap;

use super::isolation::{enforced, is_system};
use super::{Check, Context, Group, Rule, count, witness};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::eval::{Connection, Decision, Partly};
use crate::manifest::{Dialect, Direction};
use crate::policy::{Action, Origin, Policy, PolicyRef, RuleRef};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT108",
    name: "pass-allows",
    severity: Severity::Warning,
    summary: "a Pass after which nothing denies",
    source: include_str!("wt108_pass_allows.rs"),
    check: Check::World(check),
};

/// Groups of pods that are tried for one rule.
const GROUPS: usize = 16;

/// The tier of Calico in which NetworkPolicies are (C-11).
const NETWORK_POLICIES: &str = "default";

/// Words of names that promise a denial.
const DENIALS: &[&str] = &[
    "deny",
    "denies",
    "drop",
    "block",
    "isolate",
    "isolation",
    "quarantine",
];

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) || !context.has_other_languages {
        return;
    }
    for direction in Direction::BOTH {
        let mut rules: BTreeMap<RuleRef, Vec<&Group>> = BTreeMap::new();
        for group in context.groups() {
            if is_system(context, group.namespace) {
                continue;
            }
            let policies = group.policies(direction).iter();
            for (at, rule) in policies.flat_map(|at| witness::rules_of(context, *at)) {
                // The allows of an egress firewall are no Pass that anybody wrote.
                if rule.action == Action::Pass && !is_firewall(context, at.policy) {
                    rules.entry(at).or_default().push(group);
                }
            }
        }
        if rules.is_empty() {
            continue;
        }
        let denying = context.eval.without_pass(direction);
        for (at, groups) in rules {
            findings.extend(judge(context, &denying, at, &groups));
        }
    }
}

fn is_firewall(context: &Context<'_>, at: PolicyRef) -> bool {
    let Origin::Object(id) = context.origin(at) else {
        return true;
    };
    context.world[id].kind.dialect == Dialect::EgressFirewall
}

/// A connection that a Pass lets through.
struct Let {
    evidence: Evidence,
    /// What would deny it otherwise, in words.
    otherwise: Option<String>,
}

fn judge(
    context: &Context<'_>,
    denying: &Partly<'_>,
    at: RuleRef,
    groups: &[&Group],
) -> Option<Finding> {
    let promises = promises(context, at.policy);
    // A Pass for everybody hands the tier over on purpose, where there is somebody to take it.
    if witness::is_broad(&context.eval.ruleset[at]) && !promises && !is_last(context, at.policy) {
        return None;
    }
    let mut tried = groups.iter().take(GROUPS);
    let found = tried.find_map(|group| let_through(context, denying, at, group, promises))?;
    let title = context.rule_name(at);
    let message = match &found.otherwise {
        Some(otherwise) => format!(
            "{title} passes connections on that nothing denies later; without it, {otherwise}"
        ),
        None => format!("{title} passes connections on that nothing denies later"),
    };
    let members = groups
        .iter()
        .flat_map(|group| group.members.iter().copied());
    let names = context.workloads(members);
    let mut finding = Finding::new(&RULE, message)
        .subject(context.subject_of(at.policy))
        .at(
            context.eval.ruleset[at].span,
            "hands over to tiers that do not decide",
        )
        .evidence(found.evidence)
        .why(why(context, at.policy));
    if names.count > 1 {
        finding = finding.note(format!(
            "the rule is for {}: {}",
            count(names.count, "workload"),
            names.in_backticks()
        ));
    }
    Some(finding.fix(Fix::advice(
        "use Deny, or isolate the pods by a policy of a later tier; use Allow if the connections are \
         meant to be open",
    )))
}

/// Whether the name of a policy says that it denies, and none of its rules does.
fn promises(context: &Context<'_>, at: PolicyRef) -> bool {
    let name = context.subject_of(at).name;
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let origin = context.origin(at);
    let tiers = context.eval.ruleset.tiers(at.direction).iter();
    let mut own = tiers
        .flat_map(|tier| &tier.policies)
        .filter(|policy| policy.origin == origin)
        .flat_map(|policy| &policy.rules);
    words.any(|word| DENIALS.contains(&word.to_ascii_lowercase().as_str()))
        && !own.any(|rule| rule.action == Action::Deny)
}

/// Whether nothing is asked behind the tier of a policy: on Calico it is the one with the
/// NetworkPolicies or comes later, elsewhere none follows it.
fn is_last(context: &Context<'_>, at: PolicyRef) -> bool {
    let tiers = context.eval.ruleset.tiers(at.direction);
    let is_calico = match context.origin(at) {
        Origin::Object(id) => context.world[id].kind.dialect == Dialect::Calico,
        Origin::Kubernetes(_) | Origin::Engine(..) => false,
    };
    let mut so_far = tiers.iter().take(at.tier + 1);
    let reached = !is_calico || so_far.any(|tier| *tier.name == *NETWORK_POLICIES);
    let mut behind = tiers.iter().skip(at.tier + 1);
    let is_about_pods = |policy: &Policy| policy.subject.endpoints().is_some();
    reached && !behind.any(|tier| tier.policies.iter().any(is_about_pods))
}

fn let_through(
    context: &Context<'_>,
    denying: &Partly<'_>,
    at: RuleRef,
    group: &Group,
    promises: bool,
) -> Option<Let> {
    let direction = at.policy.direction;
    if always_decided(context, direction, group) {
        return None;
    }
    let rule = &context.eval.ruleset[at];
    let tries = witness::connections(context, direction, rule, group.example());
    tries.into_iter().find_map(|connection| {
        let verdict = context.eval.verdict(&connection);
        let open = witness::side(direction, &verdict) == Decision::NotIsolated;
        if !open || !verdict.allowed || !passes(context, at, &connection) {
            return None;
        }
        let without = denying.verdict(&connection);
        let denied = witness::side(direction, &without);
        let party = match direction {
            Direction::Ingress => connection.to,
            Direction::Egress => connection.from,
        };
        let otherwise =
            (!denied.is_allowed()).then(|| context.decision(party, direction, &denied).0);
        if otherwise.is_none() && !promises {
            return None;
        }
        Some(Let {
            evidence: Evidence {
                because: format!(
                    "{} passes it on, and nothing decides",
                    context.rule_name(at)
                ),
                by: Some(rule.span),
                ..context.word(&connection, &verdict)
            },
            otherwise,
        })
    })
}

/// Whether every connection of a group is decided: the last tier that isolates it ends all ways that
/// come to it, unless somebody passes from there on.
fn always_decided(context: &Context<'_>, direction: Direction, group: &Group) -> bool {
    let ruleset = context.eval.ruleset;
    let policies = group.policies(direction);
    let Some(last) = policies.iter().rfind(|at| ruleset[**at].isolates) else {
        return false;
    };
    let mut behind = policies.iter().filter(|at| at.tier >= last.tier);
    let passes = |at: &PolicyRef| {
        let mut rules = ruleset[*at].rules.iter();
        rules.any(|rule| rule.action == Action::Pass)
    };
    !behind.any(passes)
}

/// Whether this rule is the one that passes a connection on.
fn passes(context: &Context<'_>, at: RuleRef, connection: &Connection) -> bool {
    let explained = context.eval.explain(connection);
    let side = match at.policy.direction {
        Direction::Ingress => explained.ingress,
        Direction::Egress => explained.egress,
    };
    let mut steps = side.steps.iter();
    steps.any(|step| step.rule == at && step.peer && step.traffic)
}

/// The statements about a Pass in this language.
fn why(context: &Context<'_>, at: PolicyRef) -> &'static [&'static str] {
    let Origin::Object(id) = context.origin(at) else {
        return &["A-9"];
    };
    match context.world[id].kind.dialect {
        Dialect::Calico => &["C-9"],
        Dialect::Antrea => &["T-4"],
        _ => &["A-9", "A-11"],
    }
}

#[cfg(test)]
mod tests;
