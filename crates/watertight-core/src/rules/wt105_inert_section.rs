//! Rules that policyTypes switches off.
//!
//! ## What it finds
//! An `ingress` or `egress` section with rules whose direction is not in `policyTypes`. The
//! evidence is a connection that would come out the other way if the section counted: one that is
//! open because the section does not isolate, or one that is denied because its rules do not allow.
//! Where no such connection is found the finding is a note.
//!
//! On Cilium it is the other way round: the section isolates and allows although `policyTypes`
//! leaves it out. The finding then says so, for the sake of whoever reads the policy by the book or
//! moves it to another engine.
//!
//! ## Why it matters
//! Who reads the section takes it for protection, and it is none; or takes a connection for
//! allowed that another policy denies.
//!
//! ## Example
//! ```yaml
//! # The ingress rule does nothing: everyone can connect to the web pods.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   policyTypes: [Egress]
//!   ingress:
//!   - from: [{podSelector: {matchLabels: {app: front}}}]
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   policyTypes: [Ingress, Egress]
//!   ingress:
//!   - from: [{podSelector: {matchLabels: {app: front}}}]
//! ```
//!
//! ## Semantics
//! - K-10: a direction that policyTypes leaves out is inert
//! - X-13: `policyTypes: [Egress]` with an ingress section does not protect ingress
//! - D-12: Cilium deviates; there the section acts

mod comparison;

use super::isolation::{enforced, first_line};
use super::{Check, Context, Rule, count};
use crate::diag::{Finding, Fix, Severity};
use crate::engine::{PolicyTypesGate, Profile};
use crate::eval::Evaluator;
use crate::manifest::Direction;
use crate::policy::{NamespaceScope, Ruleset, lower};
use crate::world::{NamespaceId, PolicyId};
use comparison::Comparison;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT105",
    name: "inert-section",
    severity: Severity::Warning,
    summary: "rules that policyTypes switches off",
    source: include_str!("wt105_inert_section.rs"),
    check: Check::World(check),
};

/// A section with rules that policyTypes leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Section {
    policy: PolicyId,
    direction: Direction,
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) {
        return;
    }
    let sections = sections(context);
    if sections.is_empty() {
        return;
    }
    // The same policies as an engine reads them that sees these sections the other way.
    let mut switches = context.eval.switches;
    switches.policy_types_gate = match switches.policy_types_gate {
        PolicyTypesGate::Strict => PolicyTypesGate::Sections,
        PolicyTypesGate::Sections => PolicyTypesGate::Strict,
    };
    let namespaces: Vec<NamespaceId> = sections
        .iter()
        .map(|section| context.world[section.policy].namespace)
        .collect();
    let profile = Profile {
        switches,
        ..*context.profile
    };
    let mut ruleset = lower(context.world, &profile);
    keep(&mut ruleset, namespaces);
    let otherwise = Evaluator::new(context.world, &ruleset, switches);
    let mut comparison = Comparison::new(context, &otherwise, &sections);
    for section in sections {
        findings.push(report(context, &mut comparison, section));
    }
}

fn sections(context: &Context<'_>) -> Vec<Section> {
    let world = context.world;
    let each = |policy| Direction::BOTH.map(|direction| Section { policy, direction });
    world
        .policy_ids()
        .flat_map(each)
        .filter(|section| {
            let spec = &world[section.policy].spec;
            !spec.covers(section.direction) && !spec.section(section.direction).rules.is_empty()
        })
        .collect()
}

/// Drops the policies of all other namespaces: they do not decide the side that is compared.
fn keep(ruleset: &mut Ruleset, mut namespaces: Vec<NamespaceId>) {
    namespaces.sort_unstable();
    for tier in ruleset.ingress.iter_mut().chain(&mut ruleset.egress) {
        tier.policies.retain(
            |policy| match policy.subject.endpoints().map(|of| &of.namespaces) {
                Some(NamespaceScope::Only(id)) => namespaces.binary_search(id).is_ok(),
                _ => true,
            },
        );
    }
}

fn report(context: &Context<'_>, comparison: &mut Comparison<'_, '_>, section: Section) -> Finding {
    let Section {
        policy: id,
        direction,
    } = section;
    let policy = &context.world[id];
    let spec = &policy.spec;
    let (way, api) = (direction.word(), direction.api());
    let rules = &spec.section(direction).rules;
    let acts = context.eval.switches.policy_types_gate == PolicyTypesGate::Sections;
    let proof = comparison.proof(section);
    let name = context.world.policy_name(id);
    let (those, one) = match rules.len() {
        1 => (format!("{way} rule"), true),
        more => (count(more, &format!("{way} rule")), false),
    };
    let verb = |singular: &'static str, plural: &'static str| if one { singular } else { plural };
    let out = format!("policyTypes leaves {api} out");
    let message = match (acts, &proof) {
        (true, _) => format!(
            "`{name}` isolates {way} on {} although {out}: its {those} {} here",
            context.profile.engine.name(),
            verb("counts", "count")
        ),
        (false, Some(evidence)) if evidence.allowed => format!(
            "`{name}` does not limit {way}: {out}, so its {those} {} nothing",
            verb("does", "do")
        ),
        (false, Some(_)) => format!(
            "`{name}` does not allow what its {those} {}: {out}",
            verb("lists", "list")
        ),
        (false, None) => format!(
            "the {those} of `{name}` {} nothing: {out}",
            verb("does", "do")
        ),
    };
    let mut finding = Finding::new(&RULE, message);
    if proof.is_none() && (acts || comparison.selects_pods(section)) {
        finding = finding
            .severity(Severity::Note)
            .note("no connection was found for which that makes a difference");
    }
    if let Some((_, types)) = &spec.policy_types {
        let types = first_line(context.sources, *types);
        finding = finding.at(types, format!("{api} is missing"));
    }
    if let Some(rule) = rules.first() {
        let rule = first_line(context.sources, rule.span);
        let text = if acts {
            "acts all the same"
        } else {
            "does nothing"
        };
        finding = finding.at(rule, text);
    }
    finding = proof.into_iter().fold(finding, Finding::evidence);
    let (why, fix): (&[_], _) = if acts {
        let fix = "say in policyTypes what is meant, so that every engine does the same";
        (&["K-10", "D-12"], fix.to_owned())
    } else {
        let fix = format!("add {api} to policyTypes, or delete the {way} section");
        (&["K-10", "X-13"], fix)
    };
    finding
        .why(why)
        .subject(context.policy_subject(id))
        .fix(Fix::advice(fix))
}

#[cfg(test)]
mod tests;
