//! A namespace would admit pods on the host network.
//!
//! ## What it finds
//! Namespaces whose Pod Security labels do not keep out pods with `hostNetwork: true`, which no
//! policy applies to. `pod-security.kubernetes.io/enforce: baseline` keeps them out, and so does
//! `restricted`; `privileged`, a missing label, and `warn` or `audit` alone do not.
//!
//! One note lists all such namespaces. A namespace with a default deny and an explicit
//! `enforce: privileged` gets a warning of its own: whoever may create pods there can walk around
//! the default deny. The namespaces that come with a cluster are left alone, and so are those whose
//! Namespace object is not in the input, because their labels are not known.
//!
//! Not visible in manifests: defaults and exemptions in the configuration of the API server, and
//! other admission controllers.
//!
//! ## Why it matters
//! Network policies hold only as long as nobody can start a pod that they do not apply to.
//!
//! ## Example
//! ```yaml
//! # Warns whoever creates the pod, and admits it.
//! apiVersion: v1
//! kind: Namespace
//! metadata:
//!   name: shop
//!   labels: {pod-security.kubernetes.io/warn: restricted}
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata:
//!   name: shop
//!   labels: {pod-security.kubernetes.io/enforce: baseline}
//! ```
//!
//! ## Semantics
//! - K-71: a host-network pod is selected by no policy

use std::collections::BTreeSet;

use super::isolation::{enforced, is_system, listed, named, workloads};
use super::{Check, Context, Rule, count};
use crate::diag::{Finding, Fix, Severity};
use crate::engine::HostNetwork;
use crate::manifest::Direction;
use crate::source::Span;
use crate::world::{EndpointId, NamespaceId, PolicyId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT502",
    name: "host-network-admitted",
    severity: Severity::Note,
    summary: "a namespace would admit pods on the host network",
    source: include_str!("wt502_host_network_admitted.rs"),
    check: Check::World(check),
};

/// The most namespaces that the note points at.
const LABELS: usize = 10;

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const WARN: &str = "pod-security.kubernetes.io/warn";
const AUDIT: &str = "pod-security.kubernetes.io/audit";

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) || context.eval.switches.host_network == HostNetwork::PodLabels {
        return;
    }
    let mut admitting = Vec::new();
    for namespace in context.world.namespace_ids() {
        let Some(span) = context.world[namespace].span else {
            continue;
        };
        if is_system(context, namespace) {
            continue;
        }
        match context.world.namespace_label(namespace, ENFORCE) {
            None => admitting.push((namespace, span)),
            Some("privileged") => match default_deny(context, namespace) {
                Some(policy) => findings.push(undermined(context, namespace, span, policy)),
                None => admitting.push((namespace, span)),
            },
            // An unknown level counts as the strictest.
            Some(_) => {}
        }
    }
    findings.extend(summary(context, &admitting));
}

/// A policy that denies everything in some direction to all pods of a namespace.
fn default_deny(context: &Context<'_>, namespace: NamespaceId) -> Option<PolicyId> {
    let denies = |id: &PolicyId| {
        let spec = &context.world[*id].spec;
        let whole = |direction: &Direction| {
            spec.section(*direction).rules.is_empty()
                && context.policy_ref(*id, *direction).is_some()
        };
        spec.pod_selector.is_empty() && Direction::BOTH.iter().any(whole)
    };
    let mut policies = context.world[namespace].policies.iter().copied();
    policies.find(denies)
}

fn host_network_pods(
    context: &Context<'_>,
    namespaces: impl IntoIterator<Item = NamespaceId>,
) -> Vec<EndpointId> {
    let namespaces: BTreeSet<NamespaceId> = namespaces.into_iter().collect();
    let pods = context.host_network();
    let pods = pods.filter(|id| namespaces.contains(&context.world[*id].namespace));
    workloads(context, pods)
}

fn undermined(
    context: &Context<'_>,
    namespace: NamespaceId,
    span: Span,
    policy: PolicyId,
) -> Finding {
    let name = &context.world[namespace].name;
    let label = enforce_span(context, namespace).unwrap_or(span);
    let pods = host_network_pods(context, [namespace]);
    let finding = Finding::new(
        &RULE,
        format!(
            "`{name}` has a default deny, and `enforce: privileged` lets pods start outside it on \
             the host network"
        ),
    )
    .severity(Severity::Warning)
    .at(label, "admits hostNetwork")
    .at(
        context.world[policy].name_span,
        "does not apply to such pods",
    )
    .why(&["K-71"])
    .subject(context.namespace_subject(namespace));
    if pods.is_empty() {
        return finding.fix(Fix::advice(format!(
            "set the label `{ENFORCE}: baseline`; try it first with `warn: baseline`, since \
             baseline refuses more than the host network"
        )));
    }
    let verb = if pods.len() == 1 { "uses" } else { "use" };
    finding
        .note(format!(
            "{} {verb} the host network today",
            named(context, &pods)
        ))
        .fix(Fix::advice(format!(
            "move the pods that need the host network to a namespace of their own, then set the \
             label `{ENFORCE}: baseline` here"
        )))
}

/// The line of the level, if the labels are plain enough to find it.
fn enforce_span(context: &Context<'_>, namespace: NamespaceId) -> Option<Span> {
    let labels = context.world[namespace].labels_span?;
    let text = context.sources.text(labels);
    let (start, _) = text.match_indices(ENFORCE).find(|(start, key)| {
        let behind = text.get(start + key.len()..).unwrap_or_default();
        behind.trim_start_matches(['"', '\'']).starts_with(':')
    })?;
    let quote = text.get(..start)?.ends_with(['"', '\'']);
    let start = if quote { start - 1 } else { start };
    let line = text.get(start..)?;
    let end = line.find(['\n', ',', '}', '#']).unwrap_or(line.len());
    let length = line.get(..end)?.trim_end().len();
    let start = labels.start.checked_add(u32::try_from(start).ok()?)?;
    Some(Span {
        start,
        end: start.checked_add(u32::try_from(length).ok()?)?,
        ..labels
    })
}

/// All namespaces that nothing else is to be said of.
fn summary(context: &Context<'_>, admitting: &[(NamespaceId, Span)]) -> Option<Finding> {
    let (first, _) = admitting.first()?;
    let names = admitting.iter().map(|(id, _)| &*context.world[*id].name);
    let whose = match admitting {
        [_] => listed(names),
        more => format!("{}: {}", count(more.len(), "namespace"), listed(names)),
    };
    let message = format!("no Pod Security label keeps pods off the host network in {whose}");
    let labels = admitting.iter().take(LABELS);
    let finding = labels.fold(Finding::new(&RULE, message), |finding, (id, span)| {
        let has = |label| context.world.namespace_label(*id, label).is_some();
        match (has(ENFORCE), has(WARN) || has(AUDIT)) {
            (true, _) => {
                let span = enforce_span(context, *id).unwrap_or(*span);
                finding.at(span, "admits hostNetwork")
            }
            (false, true) => finding.at(*span, "warns or audits only: no `enforce` label"),
            (false, false) => finding.at(*span, "no `enforce` label"),
        }
    });
    let pods = host_network_pods(context, admitting.iter().map(|(id, _)| *id));
    let finding = match pods.len() {
        0 => finding,
        1 => finding.note(format!(
            "{} uses the host network today and would be refused",
            named(context, &pods)
        )),
        _ => finding.note(format!(
            "{} use the host network today and would be refused",
            named(context, &pods)
        )),
    };
    let finding = finding
        .note(
            "other admission controllers, and defaults of the API server, are not visible in \
             manifests",
        )
        .why(&["K-71"])
        .fix(Fix::advice(format!(
            "set the label `{ENFORCE}: baseline`; try it first with `warn: baseline`, since \
             baseline refuses more than the host network"
        )));
    Some(match admitting {
        [_] => finding.subject(context.namespace_subject(*first)),
        _ => finding,
    })
}

#[cfg(test)]
mod tests;
