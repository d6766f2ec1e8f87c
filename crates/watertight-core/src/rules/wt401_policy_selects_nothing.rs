//! A policy selects no pod.
//!
//! ## What it finds
//! Policies whose `podSelector` selects no pod of their namespace, and the one label that is in the
//! way: a value or a key that the pods spell in another way, a selector that contradicts itself,
//! pods that are all on the host network, or a `metadata.namespace` that the input does not have.
//!
//! A namespace that has no pods in the input is only noted, once for all its policies, and so is an
//! input without any pods: there is nothing to hold the selectors against.
//!
//! ## Why it matters
//! The API takes a selector that matches nothing and reports no error. The policy is stored and
//! listed, and it isolates nobody and admits nobody.
//!
//! ## Example
//! ```yaml
//! # The pods have app=catalog.
//! spec:
//!   podSelector:
//!     matchLabels: {app: catalogue}
//! ```
//!
//! ## Instead
//! ```yaml
//! spec:
//!   podSelector:
//!     matchLabels: {app: catalog}
//! ```
//!
//! ## Semantics
//! - K-1: a policy acts on pods of its own namespace only
//! - K-3: what counts are the labels of the pods themselves
//! - K-46: a selector that contradicts itself is legal and selects nothing
//! - K-71: policies do not apply to host-network pods
//! - K-86: finished pods are not selected
//! - V-28: the API does not check whether a selector matches anything

use std::cell::Cell;
use std::collections::BTreeMap;

use super::isolation::is_system_name;
use super::selection::near_miss::{fix, misses, only_slip, point, what_is_missing};
use super::selection::{Selection, contradiction, edits, is_on_host, passed_over, sample};
use super::{Check, Context, Rule, count};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::manifest::Direction;
use crate::source::Span;
use crate::world::{EndpointId, Lifecycle, NamespaceId, PolicyId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT401",
    name: "policy-selects-nothing",
    severity: Severity::Warning,
    summary: "a policy selects no pod",
    source: include_str!("wt401_policy_selects_nothing.rs"),
    check: Check::World(check),
};

/// How many policies a finding about many of them points at.
const PLACES: usize = 3;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let selection = Selection::new(context);
    let world = context.world;
    let mut policies: Vec<PolicyId> = Vec::new();
    let mut without_pods: BTreeMap<NamespaceId, Vec<PolicyId>> = BTreeMap::new();
    for id in world.policy_ids() {
        let refs = Direction::BOTH.map(|direction| context.policy_ref(id, direction));
        let mut refs = refs.iter().flatten().peekable();
        if refs.peek().is_none() {
            continue;
        }
        policies.push(id);
        if refs.any(|at| !context.eval.subjects_of(*at).is_empty()) {
            continue;
        }
        let namespace = world[id].namespace;
        if has_pods(context, namespace) {
            findings.extend(selects_nothing(&selection, id));
        } else {
            without_pods.entry(namespace).or_default().push(id);
        }
    }
    if world.endpoints.iter().all(|endpoint| endpoint.assumed) {
        findings.extend(input_without_pods(context, &policies));
        return;
    }
    let known = KnownNames::new(context);
    for (namespace, policies) in without_pods {
        findings.push(namespace_without_pods(
            context, namespace, &policies, &known,
        ));
    }
}

/// So many names are compared with others, whichever of them: a suggestion is not worth more.
const COMPARISONS: usize = 2_000_000;

/// The namespaces that a misspelt name may mean, by the length of their names.
struct KnownNames<'c> {
    by_length: BTreeMap<usize, Vec<&'c str>>,
    /// Whether the input defines any namespace.
    defines: bool,
    budget: Cell<usize>,
}

impl<'c> KnownNames<'c> {
    fn new(context: &'c Context<'_>) -> Self {
        let mut by_length: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for id in context.world.namespace_ids() {
            let namespace = &context.world[id];
            if namespace.span.is_some() || has_pods(context, id) {
                let name = &*namespace.name;
                by_length.entry(name.len()).or_default().push(name);
            }
        }
        let mut namespaces = context.world.namespaces.iter();
        Self {
            by_length,
            defines: namespaces.any(|namespace| namespace.span.is_some()),
            budget: Cell::new(COMPARISONS),
        }
    }

    /// The one that is probably meant by a name that no namespace has.
    fn meant(&self, name: &str) -> Option<&'c str> {
        // A slip changes at most a quarter of the letters; others differ in digits only.
        let shortest = name.len() - name.len() / 4 - 1;
        let near = self
            .by_length
            .range(shortest..=name.len() + name.len() / 2 + 1);
        let near: Vec<&'c str> = near.flat_map(|(_, names)| names).copied().collect();
        let left = self.budget.get().checked_sub(near.len())?;
        self.budget.set(left);
        only_slip(name, near.into_iter().filter(|other| *other != name))
    }
}

fn has_pods(context: &Context<'_>, namespace: NamespaceId) -> bool {
    let endpoints = &context.world[namespace].endpoints;
    endpoints.iter().any(|id| !context.world[*id].assumed)
}

/// A policy of a namespace that has pods.
fn selects_nothing(selection: &Selection<'_>, id: PolicyId) -> Option<Finding> {
    let context = selection.context;
    let policy = &context.world[id];
    let selector = &policy.spec.pod_selector;
    let name = context.world.policy_name(id);
    let place = if policy.spec.pod_selector_written {
        selector.span
    } else {
        policy.name_span
    };
    if selector.is_contradictory() {
        let message = format!(
            "NetworkPolicy `{name}` can never select a pod: its podSelector contradicts itself"
        );
        let mut finding = Finding::new(&RULE, message);
        for requirement in contradiction(selector) {
            finding = finding.at(requirement.span, "these exclude each other");
        }
        let finding = finding.why(&["K-46", "V-28"]);
        return Some(finding.subject(context.policy_subject(id)));
    }
    let passed_over = passed_over(context, &[policy.namespace], selector);
    if !passed_over.is_empty() {
        return only_passed_over(context, id, &passed_over, place);
    }
    let workloads = selection.workloads(policy.namespace);
    let labelled = workloads.iter().map(|id| (*id, &context.world[*id].labels));
    let misses = misses(context.world, selector, labelled);
    let message = format!(
        "NetworkPolicy `{name}` selects nothing: no pod of `{}` has {}",
        context.world[policy.namespace].name,
        what_is_missing(selector, &misses)
    );
    let mut finding = Finding::new(&RULE, message)
        .why(&["K-3", "V-28"])
        .subject(context.policy_subject(id));
    finding = point(context, finding, &misses, place);
    let probably_meant = misses
        .near
        .first()
        .filter(|miss| miss.likeness.is_some())
        .and_then(|miss| miss.who.first());
    if let Some(pod) = probably_meant
        && let Some(evidence) = without_the_policy(selection, id, *pod)
    {
        finding = finding.evidence(evidence);
    }
    finding.fix = fix(context.sources, policy, &misses);
    Some(finding)
}

/// A policy whose labels fit only pods that policies do not apply to.
fn only_passed_over(
    context: &Context<'_>,
    id: PolicyId,
    pods: &[EndpointId],
    place: Span,
) -> Option<Finding> {
    let world = context.world;
    let name = world.policy_name(id);
    let names = |pods: &[EndpointId]| context.workloads(pods.iter().copied()).some();
    let on_host: Vec<_> = pods
        .iter()
        .copied()
        .filter(|id| is_on_host(context, *id))
        .collect();
    if let Some(pod) = on_host.first() {
        let message = format!(
            "NetworkPolicy `{name}` selects only host-network pods, which policies never apply to"
        );
        let mut finding = Finding::new(&RULE, message)
            .at(place, format!("selects only {}", names(&on_host)))
            .why(&["K-71"])
            .subject(context.policy_subject(id));
        if let Some(span) = world[*pod].host_network {
            finding = finding.at(span, "on the host network");
        }
        let direction = *world[id].spec.effective_types().first()?;
        let connection = outside_connection(context, direction, *pod);
        if let Some(evidence) = sample::unpoliced(context, direction, &connection) {
            finding = finding.evidence(evidence);
        }
        return Some(finding.fix(Fix::advice(
            "take the pods off the host network, or protect their nodes by other means",
        )));
    }
    let finished = pods
        .iter()
        .all(|id| world[*id].lifecycle == Lifecycle::Finished);
    let message = format!(
        "NetworkPolicy `{name}` selects only finished pods, which have no address any more"
    );
    finished.then(|| {
        Finding::new(&RULE, message)
            .severity(Severity::Note)
            .at(place, format!("selects only {}", names(pods)))
            .why(&["K-86"])
            .subject(context.policy_subject(id))
    })
}

fn outside_connection(
    context: &Context<'_>,
    direction: Direction,
    pod: EndpointId,
) -> crate::eval::Connection {
    let other = sample::outside(context.world, pod);
    let to = sample::destination(direction, pod, other);
    let port = sample::port(context.world, &[], to);
    sample::connection(direction, pod, other, port)
}

/// What the pod lacks for not being selected: isolation, or else what a rule would have admitted.
fn without_the_policy(
    selection: &Selection<'_>,
    id: PolicyId,
    pod: EndpointId,
) -> Option<Evidence> {
    let context = selection.context;
    let directions = context.world[id].spec.effective_types();
    let open = directions.iter().find_map(|direction| {
        let connection = outside_connection(context, *direction, pod);
        sample::unpoliced(context, *direction, &connection)
    });
    if open.is_some() {
        return open;
    }
    for direction in directions {
        let Some(at) = context.policy_ref(id, direction) else {
            continue;
        };
        for rule in &context.eval.ruleset[at].rules {
            let others = sample::other_ends(selection, rule, pod);
            let Some(other) = others.first().copied() else {
                continue;
            };
            let to = sample::destination(direction, pod, other);
            let port = sample::port(context.world, &rule.traffic, to);
            let connection = sample::connection(direction, pod, other, port);
            if let Some(evidence) = sample::refused(context, direction, &connection) {
                return Some(evidence);
            }
        }
    }
    None
}

/// All policies of a namespace that has no pods in the input.
fn namespace_without_pods(
    context: &Context<'_>,
    namespace: NamespaceId,
    policies: &[PolicyId],
    known: &KnownNames<'_>,
) -> Finding {
    let world = context.world;
    let name = &world[namespace].name;
    let unnamed = world.assumed.without_namespace > 0
        && **name == *world.assumed.default_namespace
        && policies
            .iter()
            .all(|id| edits::namespace_of(context.sources, &world[*id], name).is_none());
    let these = policies_of(context, policies);
    let verb = if policies.len() == 1 {
        "selects"
    } else {
        "select"
    };
    let mut finding = if world[namespace].span.is_some() || is_system_name(name) {
        let message = format!("{these} {verb} nothing yet: `{name}` has no pods in the input");
        Finding::new(&RULE, message).severity(Severity::Note)
    } else if unnamed {
        let verb = if policies.len() == 1 { "names" } else { "name" };
        let message = format!(
            "{these} {verb} no namespace and would be created in `{name}`, where the input has no \
             pods"
        );
        let advice = "set `metadata.namespace`; pods of other namespaces are never selected";
        Finding::new(&RULE, message).fix(Fix::advice(advice))
    } else {
        let message = format!(
            "{these} {verb} no pod: the input has neither a namespace `{name}` nor pods in it"
        );
        namespace_fix(context, name, policies, known, Finding::new(&RULE, message))
    };
    for id in policies.iter().take(PLACES) {
        let policy = &world[*id];
        let written = edits::namespace_of(context.sources, policy, name);
        finding = finding.at(written.unwrap_or(policy.name_span), "");
    }
    finding = finding.why(&["K-1", "V-28"]);
    match policies.first() {
        Some(first) => finding.subject(context.policy_subject(*first)),
        None => finding,
    }
}

/// The namespace that was probably meant by one that does not exist.
fn namespace_fix(
    context: &Context<'_>,
    name: &str,
    policies: &[PolicyId],
    known: &KnownNames<'_>,
    finding: Finding,
) -> Finding {
    let world = context.world;
    let Some(meant) = known.meant(name) else {
        return if known.defines {
            finding
        } else {
            finding.severity(Severity::Note)
        };
    };
    let edits: Option<Vec<_>> = policies
        .iter()
        .map(|id| {
            let span = edits::namespace_of(context.sources, &world[*id], name)?;
            Some(edits::replace(context.sources, span, meant))
        })
        .collect();
    let message = format!("write `namespace: {meant}` if that is the one");
    finding.fix(Fix::edits(message, edits.unwrap_or_default()).guess())
}

fn policies_of(context: &Context<'_>, policies: &[PolicyId]) -> String {
    match policies {
        [one] => format!("NetworkPolicy `{}`", context.world.policy_name(*one)),
        more => count(more.len(), "policy"),
    }
}

/// An input that has policies only.
fn input_without_pods(context: &Context<'_>, policies: &[PolicyId]) -> Option<Finding> {
    let first = policies.first()?;
    let message = format!(
        "the input has no pods: what {} {} cannot be judged",
        policies_of(context, policies),
        if policies.len() == 1 {
            "selects"
        } else {
            "select"
        },
    );
    let advice = "check the workloads together with the policies, or read a live cluster";
    Some(
        Finding::new(&RULE, message)
            .severity(Severity::Note)
            .at(context.world[*first].name_span, "")
            .why(&["V-28"])
            .subject(context.policy_subject(*first))
            .fix(Fix::advice(advice)),
    )
}

#[cfg(test)]
mod tests;
