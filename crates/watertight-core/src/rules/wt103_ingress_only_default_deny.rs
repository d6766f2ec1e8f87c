//! A default deny leaves egress open.
//!
//! ## What it finds
//! Policies that select every pod of their namespace and have no rules, so that they read as
//! "deny everything", but act on ingress only, while no other policy isolates the pods for egress.
//! Where the namespace has no pods in the input, the finding stands on the policies alone.
//! `egress: []` without `policyTypes` is left to WT104.
//!
//! ## Why it matters
//! `policyTypes: [Ingress]`, which is also the default of a policy without rules, says nothing
//! about the other direction. A pod under such a default deny can still send data to any address
//! and fetch credentials from the metadata service of the cloud.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: default-deny, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress]
//! ```
//!
//! ## Instead
//! ```yaml
//! # Cuts off DNS as well: allow it in a policy beside this one.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: default-deny, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress, Egress]
//! ```
//!
//! ## Semantics
//! - K-8: without policyTypes and egress rules, a policy is for Ingress only
//! - K-12: isolation for ingress says nothing about egress
//! - X-3: without egress isolation, nothing keeps a pod from the metadata service

use super::isolation::{
    CLOSES, Probes, acting, denies_ingress_only, empty_egress_by_default, enforced, first_line,
    may_be_closed_elsewhere, named, open_and_isolated, telling, with_egress, with_policy_types,
    workloads,
};
use super::{Check, Context, Rule, count};
use crate::diag::{Finding, Fix, Severity};
use crate::manifest::Direction;
use crate::world::PolicyId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT103",
    name: "ingress-only-default-deny",
    severity: Severity::Warning,
    summary: "a default deny leaves egress open",
    source: include_str!("wt103_ingress_only_default_deny.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) {
        return;
    }
    let probes = Probes::new(context);
    let policies = context.world.policy_ids();
    let default_denies = policies
        .filter(|id| denies_ingress_only(context, *id) && !empty_egress_by_default(context, *id));
    findings.extend(default_denies.filter_map(|id| report(context, &probes, id)));
}

fn report(context: &Context<'_>, probes: &Probes<'_, '_>, id: PolicyId) -> Option<Finding> {
    let policy = &context.world[id];
    let namespace = policy.namespace;
    let name = &context.world[namespace].name;
    let (open, isolated) = open_and_isolated(context, namespace, Direction::Egress);
    let who = workloads(context, open.iter().copied());
    let subject = format!(
        "the default deny `{}` is for ingress only",
        context.world.policy_name(id)
    );
    let finding = match (open.is_empty(), isolated.is_empty()) {
        (false, no_other) => {
            let whom = if no_other {
                format!("{} of `{name}`", count(who.len(), "workload"))
            } else {
                named(context, &who)
            };
            let shown = telling(context, &open)?;
            Finding::new(
                &RULE,
                format!("{subject}: {whom} can connect to everything"),
            )
            .evidence(probes.internet_open(shown)?)
        }
        // K-1, K-7: only policies of the namespace could isolate its pods, whichever they are.
        (true, true)
            if acting(context, namespace, Direction::Egress).is_empty()
                && !may_be_closed_elsewhere(context, Direction::Egress) =>
        {
            let message = format!("{subject}, and no policy of `{name}` limits egress");
            Finding::new(&RULE, message).note(format!(
                "the input has no pods of `{name}`; this holds for every pod there"
            ))
        }
        _ => return None,
    };
    let metadata = telling(context, &open).and_then(|shown| probes.metadata_open(shown));
    let finding = metadata.into_iter().fold(finding, Finding::evidence);
    Some(
        place(context, id, finding)
            .subject(context.policy_subject(id))
            .fix(fix(context, id)),
    )
}

/// Points at `policyTypes`, or at what stands in its place.
fn place(context: &Context<'_>, id: PolicyId, finding: Finding) -> Finding {
    let policy = &context.world[id];
    let spec = &policy.spec;
    let Some((_, types)) = &spec.policy_types else {
        let span = if spec.pod_selector_written {
            first_line(context.sources, spec.pod_selector.span)
        } else {
            policy.name_span
        };
        let text = "all pods, but policyTypes is not written: Ingress only";
        return finding.at(span, text).why(&["K-8", "K-12", "X-3"]);
    };
    let types = first_line(context.sources, *types);
    let finding = finding.at(types, "Egress is missing");
    let finding = match spec.egress.span {
        Some(span) => finding.at(span, "an empty list adds nothing"),
        None => finding,
    };
    finding.why(&["K-12", "X-3"])
}

fn fix(context: &Context<'_>, id: PolicyId) -> Fix {
    let spec = &context.world[id].spec;
    let sources = context.sources;
    let message = "add Egress, and allow DNS and the connections that the pods need";
    let edit = match &spec.policy_types {
        Some((_, types)) => with_egress(sources, *types).map(|text| (*types, text)),
        None if spec.pod_selector_written => {
            let span = spec.pod_selector.span;
            let text = with_policy_types(sources, spec.span, span, "[Ingress, Egress]");
            text.map(|text| (span, text))
        }
        None => None,
    };
    match edit {
        Some((span, text)) => Fix::replace(message, span, text).doubt(CLOSES),
        None => Fix::advice(format!("{message}: `policyTypes: [Ingress, Egress]`")),
    }
}

#[cfg(test)]
mod tests;
