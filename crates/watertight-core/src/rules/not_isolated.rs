//! Pods that nothing isolates in a direction: what WT101 and WT102 have in common.
//!
//! One finding a namespace. Its cause is the lack of a policy, policies that are all for the other
//! direction, policies that select no pod, or policies that leave some pods out.

use super::isolation::{
    Extent, Probes, acting, add, default_deny, denies_ingress_only, empty_egress_by_default,
    enforced, extent, first_line, is_system, listed, named, open_and_isolated, opposite, telling,
    workloads,
};
use super::{Context, Rule, count};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::manifest::Direction;
use crate::policy::Action;
use crate::world::{EndpointId, NamespaceId, PolicyId};

/// The most places that a finding points at.
const LABELS: usize = 5;

enum Cause {
    NoPolicy,
    OtherDirection(Vec<PolicyId>),
    SelectNothing(Vec<PolicyId>),
    LeftOut { isolated: Vec<EndpointId> },
}

pub(super) fn check(
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
    rule: &'static Rule,
    direction: Direction,
) {
    if !enforced(context) {
        return;
    }
    let probes = Probes::new(context);
    let mut system = Vec::new();
    for namespace in context.world.namespace_ids() {
        let (open, isolated) = open_and_isolated(context, namespace, direction);
        if open.is_empty() {
            findings.extend(half_open(context, &probes, rule, direction, namespace));
            continue;
        }
        if is_system(context, namespace) {
            system.push((namespace, open));
            continue;
        }
        let policies = &context.world[namespace].policies;
        let for_direction = acting(context, namespace, direction);
        let cause = if !isolated.is_empty() {
            Cause::LeftOut { isolated }
        } else if !for_direction.is_empty() {
            Cause::SelectNothing(for_direction)
        } else if !policies.is_empty() {
            Cause::OtherDirection(policies.clone())
        } else {
            Cause::NoPolicy
        };
        findings.extend(report(
            context, &probes, rule, direction, namespace, &open, cause,
        ));
    }
    findings.extend(report_system(context, &probes, rule, direction, &system));
}

fn report(
    context: &Context<'_>,
    probes: &Probes<'_, '_>,
    rule: &'static Rule,
    direction: Direction,
    namespace: NamespaceId,
    open: &[EndpointId],
    cause: Cause,
) -> Option<Finding> {
    let way = direction.word();
    let name = &context.world[namespace].name;
    let who = workloads(context, open.iter().copied());
    let its = format!("its {}", count(who.len(), "workload"));
    let but = has_denials(context, open, direction);
    let whole = consequence(direction, &its, but);
    let finding = match cause {
        Cause::NoPolicy => {
            let message = if has_other_policies(context, open) {
                format!("no policy isolates the pods of `{name}` for {way}: {whole}")
            } else {
                format!("`{name}` has no NetworkPolicy: {whole}")
            };
            let finding = Finding::new(rule, message);
            at_namespace(context, finding, namespace).why(&["K-6"])
        }
        Cause::OtherDirection(policies) => {
            let other = opposite(direction);
            let has = match policies.len() {
                1 => format!("the policy of `{name}` covers"),
                2 => format!("both policies of `{name}` cover"),
                more => format!("all {more} policies of `{name}` cover"),
            };
            let message = format!("{has} {} only: {whole}", other.word());
            let finding = Finding::new(rule, message);
            at_types(context, finding, &policies).why(&["K-7", "K-12"])
        }
        Cause::SelectNothing(policies) => {
            let message = format!("no policy of `{name}` for {way} selects any pod: {whole}");
            let selectors = policies.iter().take(LABELS);
            let finding = selectors.fold(Finding::new(rule, message), |finding, id| {
                let policy = &context.world[*id];
                let span = first_line(context.sources, policy.spec.pod_selector.span);
                finding.at(span, "selects no pod")
            });
            finding.why(&["K-6", "K-7"])
        }
        Cause::LeftOut { isolated } => {
            let names = named(context, &who);
            let (left, all) = shares(context, open, &who, &isolated);
            let follows = consequence(direction, &names, but);
            let message = if has_other_policies(context, open) {
                format!("no policy isolates {left} of {all} of `{name}` for {way}: {follows}")
            } else {
                format!("no policy for {way} selects {left} of {all} of `{name}`: {follows}")
            };
            let finding = Finding::new(rule, message);
            let spans = who.iter().filter_map(|id| context.world[*id].span);
            let label = format!("not isolated for {way}");
            spans
                .take(LABELS)
                .fold(finding, |finding, span| finding.at(span, label.as_str()))
                .why(&["K-6", "K-7"])
        }
    };
    let deferred = deferred_fix(context, direction, namespace);
    let short = deferred.is_some() || nothing_isolated(context, namespace);
    let finding = prove(probes, direction, telling(context, open)?, short, finding)?;
    Some(
        finding
            .subject(context.namespace_subject(namespace))
            .fix(deferred.unwrap_or_else(|| {
                let message = match direction {
                    Direction::Ingress => {
                        "allow the connections that the pods are there for, then add this default \
                         deny"
                    }
                    Direction::Egress => {
                        "allow DNS and the connections that the pods need, then add this default \
                         deny; without the former, names no longer resolve"
                    }
                };
                add(message, default_deny(context, namespace, direction))
            })),
    )
}

/// Whether policies of other languages select some of these pods.
fn has_other_policies(context: &Context<'_>, open: &[EndpointId]) -> bool {
    open.iter().any(|id| {
        let only = |direction| context.is_kubernetes_only(context.policies_of(*id, direction));
        !Direction::BOTH.iter().all(|direction| only(*direction))
    })
}

/// Pods that rules keep from some strangers and not from others: no default deny, but no open door.
fn half_open(
    context: &Context<'_>,
    probes: &Probes<'_, '_>,
    rule: &'static Rule,
    direction: Direction,
    namespace: NamespaceId,
) -> Option<Finding> {
    if !context.has_other_languages || is_system(context, namespace) {
        return None;
    }
    let groups = context.groups_of(namespace).iter();
    let mut partly = groups.filter_map(|group| match extent(context, group, direction) {
        Extent::All | Extent::Nobody => None,
        of => Some((group, of)),
    });
    let (first, of) = partly.next()?;
    let same = partly
        .filter(|(_, other)| *other == of)
        .map(|(group, _)| group);
    let open: Vec<EndpointId> = std::iter::once(first)
        .chain(same)
        .flat_map(|group| group.members.iter().copied())
        .collect();
    let who = named(context, &workloads(context, open.iter().copied()));
    let shown = telling(context, &open)?;
    let pods = of == Extent::Pods;
    let (message, evidence) = match direction {
        Direction::Ingress if pods => (
            format!(
                "every pod can connect to {who}: rules deny addresses outside, nothing isolates"
            ),
            probes.inside_open(shown),
        ),
        Direction::Ingress => (
            format!("addresses outside can connect to {who}: rules deny pods, nothing isolates"),
            probes.outside_open(shown),
        ),
        Direction::Egress if pods => (
            format!(
                "{who} can connect to every pod: rules deny addresses outside, nothing isolates"
            ),
            probes.pods_open(shown),
        ),
        Direction::Egress => (
            format!("{who} can connect to addresses outside: rules deny pods, nothing isolates"),
            probes.internet_open(shown),
        ),
    };
    let finding = Finding::new(rule, message)
        .severity(Severity::Note)
        .why(&["K-6"]);
    Some(
        at_namespace(context, finding, namespace)
            .evidence(evidence?)
            .subject(context.namespace_subject(namespace))
            .fix(add(
                "allow the connections that the pods are there for, then add this default deny",
                default_deny(context, namespace, direction),
            )),
    )
}

/// Whether rules of policies that isolate nobody deny some of these pods something.
fn has_denials(context: &Context<'_>, open: &[EndpointId], direction: Direction) -> bool {
    context.has_other_languages
        && open.iter().any(|id| {
            let policies = context.policies_of(*id, direction).iter();
            let mut rules = policies.flat_map(|at| &context.eval.ruleset[*at].rules);
            rules.any(|rule| rule.action == Action::Deny)
        })
}

/// What follows for the pods called `whom`, of whom rules may deny a part.
fn consequence(direction: Direction, whom: &str, but: bool) -> String {
    match (direction, but) {
        (Direction::Ingress, false) => format!("everyone can connect to {whom}"),
        (Direction::Ingress, true) => format!("everyone whom no rule denies can connect to {whom}"),
        (Direction::Egress, false) => format!("{whom} can connect to everything"),
        (Direction::Egress, true) => {
            format!("{whom} can connect to everything that no rule denies")
        }
    }
}

/// `2` and `5 workloads`; pods are counted where one workload has pods on both sides.
fn shares(
    context: &Context<'_>,
    open: &[EndpointId],
    who: &[EndpointId],
    isolated: &[EndpointId],
) -> (usize, String) {
    let all = workloads(context, open.iter().chain(isolated).copied());
    let others = workloads(context, isolated.iter().copied());
    if who.len() + others.len() > all.len() {
        return (open.len(), count(open.len() + isolated.len(), "pod"));
    }
    (who.len(), count(all.len(), "workload"))
}

fn at_namespace(context: &Context<'_>, finding: Finding, namespace: NamespaceId) -> Finding {
    let text = match context.world[namespace].span {
        Some(_) => "nothing isolates its pods",
        None => "nothing isolates this pod",
    };
    match context.namespace_span(namespace) {
        Some(span) => finding.at(span, text),
        None => finding,
    }
}

/// Points at what keeps each policy to one direction.
fn at_types(context: &Context<'_>, finding: Finding, policies: &[PolicyId]) -> Finding {
    policies.iter().take(LABELS).fold(finding, |finding, id| {
        let policy = &context.world[*id];
        match &policy.spec.policy_types {
            Some((types, span)) => {
                let only = types.first().map_or("nothing", |first| first.api());
                let span = first_line(context.sources, *span);
                finding.at(span, format!("{only} only"))
            }
            None => finding.at(policy.name_span, "without policyTypes: Ingress only"),
        }
    })
}

/// The way out that another rule offers for the same cause.
fn deferred_fix(
    context: &Context<'_>,
    direction: Direction,
    namespace: NamespaceId,
) -> Option<Fix> {
    if direction != Direction::Egress {
        return None;
    }
    let policies = &context.world[namespace].policies;
    let id = policies
        .iter()
        .find(|id| denies_ingress_only(context, **id))?;
    let rule = if empty_egress_by_default(context, *id) {
        "WT104"
    } else {
        "WT103"
    };
    let name = context.world.policy_name(*id);
    Some(Fix::advice(format!(
        "let the default deny `{name}` cover Egress as well, see {rule}"
    )))
}

fn nothing_isolated(context: &Context<'_>, namespace: NamespaceId) -> bool {
    context.groups_of(namespace).iter().all(|group| {
        Direction::BOTH
            .iter()
            .all(|direction| !group.is_isolated(*direction))
    })
}

/// Adds one open connection, or two; no finding without any.
fn prove(
    probes: &Probes<'_, '_>,
    direction: Direction,
    shown: EndpointId,
    short: bool,
    finding: Finding,
) -> Option<Finding> {
    let found: [Option<Evidence>; 2] = match direction {
        Direction::Ingress => [probes.inside_open(shown), probes.outside_open(shown)],
        Direction::Egress => [probes.internet_open(shown), probes.metadata_open(shown)],
    };
    let found: Vec<Evidence> = found.into_iter().flatten().collect();
    if found.is_empty() {
        return None;
    }
    let most = if short { 1 } else { 2 };
    Some(
        found
            .into_iter()
            .take(most)
            .fold(finding, Finding::evidence),
    )
}

/// One note for everything that came with the cluster.
fn report_system(
    context: &Context<'_>,
    probes: &Probes<'_, '_>,
    rule: &'static Rule,
    direction: Direction,
    system: &[(NamespaceId, Vec<EndpointId>)],
) -> Option<Finding> {
    let (first, open) = system.first()?;
    let everyone = system.iter().flat_map(|(_, open)| open.iter().copied());
    let number = workloads(context, everyone).len();
    let names: Vec<_> = system
        .iter()
        .map(|(namespace, _)| &*context.world[*namespace].name)
        .collect();
    let noun = if names.len() == 1 {
        "system namespace"
    } else {
        "system namespaces"
    };
    let whom = format!(
        "{} of the {noun} {}",
        count(number, "workload"),
        listed(names)
    );
    let finding = Finding::new(rule, consequence(direction, &whom, false))
        .severity(Severity::Note)
        .why(&["K-6"]);
    let finding = at_namespace(context, finding, *first);
    let finding = prove(probes, direction, telling(context, open)?, true, finding)?;
    Some(match system {
        [_] => finding.subject(context.namespace_subject(*first)),
        _ => finding,
    })
}
