//! policyTypes is left to a default that surprises.
//!
//! ## What it finds
//! Two policies whose missing `policyTypes` does not mean what the rest of them says:
//! - Egress rules and no `ingress` section. The default is then Ingress *and* Egress, so the
//!   selected pods accept no connection at all. Reported only where no other policy isolates those
//!   pods for ingress anyway, since then the default changes nothing.
//! - `egress: []`. It reads as "no egress", yet an empty list counts as a missing one: the policy is
//!   for Ingress only and egress stays open. Reported only where no other policy isolates the pods
//!   for egress.
//!
//! A policy with ingress rules and no `policyTypes` is fine and common, and so is one with rules in
//! both sections. `ingress: []` beside egress rules says that ingress is denied, and it is.
//!
//! ## Why it matters
//! The first one takes a service down when it is applied; the second one leaves open what it was
//! written to close.
//!
//! ## Example
//! ```yaml
//! # Meant to limit egress to DNS; nobody can connect to the web pods any more.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web-egress, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   egress:
//!   - ports: [{port: 53, protocol: UDP}, {port: 53}]
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web-egress, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   policyTypes: [Egress]
//!   egress:
//!   - ports: [{port: 53, protocol: UDP}, {port: 53}]
//! ```
//!
//! ## Semantics
//! - K-8: the default is Ingress, and Egress too if there is an egress rule
//! - K-9: `egress: []` is no egress rule
//! - K-11: a direction without rules is denied whole

use super::isolation::{
    CLOSES, Extent, Probes, acting, empty_egress_by_default, enforced, extent, first_line,
    may_be_closed_elsewhere, named, telling, with_policy_types, workloads,
};
use super::{Check, Context, Group, Rule};
use crate::diag::{Finding, Fix, Severity};
use crate::engine::NodeLocal;
use crate::manifest::{Direction, NetworkPolicySpec};
use crate::source::Span;
use crate::world::{EndpointId, Policy, PolicyId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT104",
    name: "defaulted-policy-types",
    severity: Severity::Warning,
    summary: "policyTypes is left to a default that surprises",
    source: include_str!("wt104_defaulted_policy_types.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) {
        return;
    }
    let probes = Probes::new(context);
    for id in context.world.policy_ids() {
        if isolates_ingress_unasked(&context.world[id].spec) {
            findings.extend(ingress_denied(context, &probes, id));
        } else if empty_egress_by_default(context, id) {
            findings.extend(egress_open(context, &probes, id));
        }
    }
}

/// Egress rules, no policyTypes, and not a word about ingress.
fn isolates_ingress_unasked(spec: &NetworkPolicySpec) -> bool {
    spec.policy_types.is_none() && !spec.egress.rules.is_empty() && spec.ingress.span.is_none()
}

/// The endpoints of those groups that a policy selects and that pass a test. None stands for a
/// namespace without pods, in which the test cannot be made.
fn selected(
    context: &Context<'_>,
    id: PolicyId,
    test: impl Fn(&Group) -> bool,
) -> Option<Vec<EndpointId>> {
    let groups = context.groups_of(context.world[id].namespace);
    if groups.is_empty() {
        return None;
    }
    let at = context.policy_ref(id, Direction::Ingress);
    let found = groups
        .iter()
        .filter(|group| at.is_some_and(|at| group.ingress.contains(&at)) && test(group))
        .flat_map(|group| group.members.iter().copied());
    Some(found.collect())
}

fn without_pods(context: &Context<'_>, policy: &Policy) -> String {
    let name = &context.world[policy.namespace].name;
    format!("the input has no pods of `{name}`; this holds for every pod that the policy selects")
}

fn ingress_denied(context: &Context<'_>, probes: &Probes<'_, '_>, id: PolicyId) -> Option<Finding> {
    let policy = &context.world[id];
    let name = context.world.policy_name(id);
    let only_unasked = |group: &Group| {
        let mut policies = group.ingress.iter();
        policies.all(|at| {
            let written = context.written(*at);
            written.is_some_and(|policy| isolates_ingress_unasked(&policy.spec))
        })
    };
    let finding = match selected(context, id, only_unasked) {
        Some(cut) => {
            let shown = telling(context, &cut)?;
            let who = named(context, &workloads(context, cut));
            let message = format!(
                "`{name}` denies ingress as well, for want of policyTypes: nobody can connect to \
                 {who}"
            );
            Finding::new(&RULE, message).evidence(probes.ingress_denied(shown)?)
        }
        None => {
            let others = acting(context, policy.namespace, Direction::Ingress);
            let changes = |id: &PolicyId| isolates_ingress_unasked(&context.world[*id].spec);
            if !others.iter().all(changes) || may_be_closed_elsewhere(context, Direction::Ingress) {
                return None;
            }
            let message = format!(
                "`{name}` denies ingress as well, for want of policyTypes: nobody can connect to \
                 the pods it selects"
            );
            Finding::new(&RULE, message).note(without_pods(context, policy))
        }
    };
    let rule = policy.spec.egress.rules.first()?;
    let rule = first_line(context.sources, rule.span);
    let finding = finding
        .at(rule, "with egress rules, the default is [Ingress, Egress]")
        .at(selector_span(context, policy), "isolated for ingress too")
        .why(&["K-8", "K-11"])
        .subject(context.policy_subject(id))
        .fix(Fix::advice(
            "write `policyTypes: [Egress]` if ingress is none of this policy's business, or \
             `policyTypes: [Ingress, Egress]` if it is to be denied",
        ));
    Some(match context.eval.switches.node_local {
        NodeLocal::None => finding,
        _ => finding.note("probes of the kubelet still pass: a node reaches its own pods (K-73)"),
    })
}

fn egress_open(context: &Context<'_>, probes: &Probes<'_, '_>, id: PolicyId) -> Option<Finding> {
    let policy = &context.world[id];
    let spec = &policy.spec;
    let subject = format!(
        "`{}` does not deny egress: without policyTypes, `egress: []` counts as missing",
        context.world.policy_name(id)
    );
    let open = |group: &Group| extent(context, group, Direction::Egress) == Extent::All;
    let finding = match selected(context, id, open) {
        Some(open) => {
            let shown = telling(context, &open)?;
            let who = named(context, &workloads(context, open));
            let message = format!("{subject}, so {who} can connect to everything");
            let finding = Finding::new(&RULE, message).evidence(probes.internet_open(shown)?);
            let metadata = probes.metadata_open(shown);
            metadata.into_iter().fold(finding, Finding::evidence)
        }
        None if acting(context, policy.namespace, Direction::Egress).is_empty()
            && !may_be_closed_elsewhere(context, Direction::Egress) =>
        {
            Finding::new(&RULE, subject).note(without_pods(context, policy))
        }
        None => return None,
    };
    let empty = spec.egress.span?;
    let finding = finding
        .at(empty, "no rule, so the default is [Ingress]")
        .at(selector_span(context, policy), "not isolated for egress")
        .why(&["K-9"])
        .subject(context.policy_subject(id))
        .fix(egress_fix(context, spec, empty));
    Some(if spec.ingress.span.is_none() {
        finding.note("what it does deny is ingress, which it does not mention (K-8)")
    } else {
        finding
    })
}

/// Keeps Ingress, which is in force today: taking it away would open something.
fn egress_fix(context: &Context<'_>, spec: &NetworkPolicySpec, empty: Span) -> Fix {
    let message = "add `policyTypes: [Ingress, Egress]`, and allow DNS and the connections that \
                   the pods need";
    match with_policy_types(context.sources, spec.span, empty, "[Ingress, Egress]") {
        Some(text) => Fix::replace(message, empty, text).doubt(CLOSES),
        None => Fix::advice(message),
    }
}

fn selector_span(context: &Context<'_>, policy: &Policy) -> Span {
    if policy.spec.pod_selector_written {
        first_line(context.sources, policy.spec.pod_selector.span)
    } else {
        policy.name_span
    }
}

#[cfg(test)]
mod tests;
