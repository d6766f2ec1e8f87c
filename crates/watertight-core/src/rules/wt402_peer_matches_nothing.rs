//! A peer selects no pod.
//!
//! ## What it finds
//! Peers of `from` and `to` whose selectors select no pod, so that they admit nobody, and why: the
//! pods are in another namespace and the peer lacks a `namespaceSelector`, a label is spelt in
//! another way, the pods are all on the host network, or the selectors contradict themselves.
//!
//! Where the input cannot tell, a note says so once for each namespace: peers that name a namespace
//! that is not in the input, or that has no pods in it. Peers in `kube-system` and the other
//! namespaces of a distribution are not judged without their pods. A namespaceSelector on a label
//! that no namespace has is WT403; peers of DNS are WT303, those of the API server WT306.
//!
//! ## Why it matters
//! The rule reads as if it let somebody in or out, and the connection is refused. What is refused
//! is then often allowed by a wider rule instead of a right one.
//!
//! ## Example
//! ```yaml
//! # A policy of namespace `db`; the pods with app=api are in `shop`.
//! ingress:
//! - from:
//!   - podSelector:
//!       matchLabels: {app: api}
//! ```
//!
//! ## Instead
//! ```yaml
//! ingress:
//! - from:
//!   - namespaceSelector:
//!       matchLabels: {kubernetes.io/metadata.name: shop}
//!     podSelector:
//!       matchLabels: {app: api}
//! ```
//!
//! ## Semantics
//! - K-24: a podSelector alone means pods of the policy's own namespace
//! - K-26: both selectors in one item must match
//! - K-33: peers are pods that run and have an address
//! - K-36: a namespace is named by its label `kubernetes.io/metadata.name`
//! - K-46: a selector that contradicts itself is legal and selects nothing
//! - K-72: host-network pods are no pods to selectors
//! - V-28: the API does not check whether a selector matches anything

use std::collections::BTreeMap;

use super::isolation::is_system_name;
use super::proposal::scalar;
use super::selection::near_miss::{Misses, fix, misses, only_slip, point, what_is_missing};
use super::selection::{
    PeerAt, Selection, contradiction, edits, is_api_server, is_dns, is_on_host, names_asked,
    passed_over, sample,
};
use super::{Check, Context, Rule, count, some_of};
use crate::diag::{Edit, Finding, Fix, Severity};
use crate::policy::{EndpointSelector, NamespaceScope};
use crate::sets::LabelSelector;
use crate::source::Span;
use crate::world::{EndpointId, NAME_LABEL, NamespaceId, PolicyId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT402",
    name: "peer-matches-nothing",
    severity: Severity::Warning,
    summary: "a peer selects no pod",
    source: include_str!("wt402_peer_matches_nothing.rs"),
    check: Check::World(check),
};

/// How many places a finding about many peers points at.
const PLACES: usize = 3;

/// Peers of one policy that say the same.
struct Peers<'c> {
    first: PeerAt<'c>,
    spans: Vec<Span>,
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let selection = Selection::new(context);
    let mut empty: Vec<Peers<'_>> = Vec::new();
    let mut index: BTreeMap<(PolicyId, String), usize> = BTreeMap::new();
    for peer in selection.peers() {
        if selection.has_members(peer.selector)
            || is_dns(&peer.rule.traffic)
            || is_api_server(&peer.selector.pods)
        {
            continue;
        }
        let at = *index
            .entry((peer.policy, said(peer.selector)))
            .or_insert_with(|| {
                empty.push(Peers {
                    first: peer,
                    spans: Vec::new(),
                });
                empty.len() - 1
            });
        if let Some(peers) = empty.get_mut(at)
            && !peers.spans.contains(&peer.span)
        {
            peers.spans.push(peer.span);
        }
    }
    let mut unknown: BTreeMap<Unknown, Vec<(PolicyId, Span)>> = BTreeMap::new();
    for peers in empty {
        match judge(&selection, &peers) {
            Judged::Elsewhere => {}
            Judged::Unknown(what) => {
                for what in what {
                    let at = peers.spans.iter().map(|span| (peers.first.policy, *span));
                    unknown.entry(what).or_default().extend(at);
                }
            }
            Judged::Wrong(mut finding) => {
                let again = peers.spans.get(1..).unwrap_or_default();
                if let Some(fix) = &mut finding.fix
                    && fix.edits.len() <= again.len()
                {
                    // Some places would stay as they are.
                    fix.edits.clear();
                }
                for span in again.iter().take(PLACES) {
                    *finding = finding.at(*span, "and here");
                }
                findings.push(*finding);
            }
        }
    }
    for (what, peers) in unknown {
        findings.extend(cannot_be_judged(context, &what, &peers));
    }
}

fn said(selector: &EndpointSelector) -> String {
    match &selector.namespaces {
        NamespaceScope::Only(_) => selector.pods.to_string(),
        NamespaceScope::Matching(labels) => format!("{labels};{}", selector.pods),
    }
}

/// What of the cluster the input leaves out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unknown {
    Namespace(Box<str>),
    PodsOf(NamespaceId),
    PodsSomewhere(String),
}

enum Judged {
    /// Another rule speaks of it, or nobody.
    Elsewhere,
    Unknown(Vec<Unknown>),
    Wrong(Box<Finding>),
}

fn judge(selection: &Selection<'_>, peers: &Peers<'_>) -> Judged {
    let peer = &peers.first;
    let context = selection.context;
    let world = context.world;
    let pods = &peer.selector.pods;
    let scope = match &peer.selector.namespaces {
        NamespaceScope::Only(_) => None,
        NamespaceScope::Matching(labels) => Some(labels),
    };
    for selector in scope.into_iter().chain([pods]) {
        if selector.is_contradictory() {
            return wrong(contradicts(context, peer, selector));
        }
    }
    let namespaces = selection.namespaces(&peer.selector.namespaces);
    if namespaces.is_empty() {
        return match scope.and_then(names_asked) {
            Some(names) if names.iter().all(|name| world.namespace(name).is_none()) => {
                missing_namespace(context, peer, names)
            }
            _ => Judged::Elsewhere,
        };
    }
    let passed_over = passed_over(context, &namespaces, pods);
    if passed_over.iter().any(|id| is_on_host(context, *id)) {
        return wrong(only_on_host(selection, peer, &passed_over));
    }
    if !passed_over.is_empty() {
        return Judged::Elsewhere;
    }
    let workloads: Vec<EndpointId> = namespaces
        .iter()
        .flat_map(|id| selection.workloads(*id).to_vec())
        .collect();
    if workloads.is_empty() {
        let unknown = namespaces
            .iter()
            .filter(|id| !is_system_name(&world[**id].name))
            .map(|id| Unknown::PodsOf(*id));
        return Judged::Unknown(unknown.collect());
    }
    let elsewhere = elsewhere(selection, peer);
    if !elsewhere.is_empty() {
        return wrong(in_other_namespaces(
            selection,
            peers,
            &namespaces,
            &elsewhere,
        ));
    }
    let labelled = workloads.iter().map(|id| (*id, &world[*id].labels));
    let misses = misses(world, pods, labelled);
    let near = misses.near.iter().any(|miss| miss.likeness.is_some());
    let names_one = scope.is_none() || scope.is_some_and(|scope| names_asked(scope).is_some());
    if !near && !names_one && !is_whole_cluster(context) {
        return Judged::Unknown(vec![Unknown::PodsSomewhere(pods.to_string())]);
    }
    wrong(misspelt(selection, peer, &namespaces, &misses))
}

fn wrong(finding: Finding) -> Judged {
    Judged::Wrong(Box::new(finding))
}

/// Whether the input looks like all of a cluster: the pods of the system are in it.
fn is_whole_cluster(context: &Context<'_>) -> bool {
    let world = context.world;
    let Some(system) = world.namespace("kube-system") else {
        return false;
    };
    world[system].endpoints.iter().any(|id| !world[*id].assumed)
}

/// Pods of other namespaces with the peer's labels.
fn elsewhere(selection: &Selection<'_>, peer: &PeerAt<'_>) -> Vec<EndpointId> {
    if peer.selector.pods.is_empty() {
        return Vec::new();
    }
    let anywhere = EndpointSelector {
        also: None,
        namespaces: NamespaceScope::Matching(LabelSelector::everything(peer.span)),
        pods: peer.selector.pods.clone(),
    };
    let found = selection.members(&anywhere);
    let world = selection.context.world;
    let read = found.iter().copied().filter(|id| !world[*id].assumed);
    read.collect()
}

fn new_finding(context: &Context<'_>, peer: &PeerAt<'_>, what: &str) -> Finding {
    let message = format!(
        "a peer of NetworkPolicy `{}` selects no pod: {what}",
        context.world.policy_name(peer.policy)
    );
    Finding::new(&RULE, message).subject(context.policy_subject(peer.policy))
}

fn contradicts(context: &Context<'_>, peer: &PeerAt<'_>, selector: &LabelSelector) -> Finding {
    let mut finding = new_finding(context, peer, "its selector contradicts itself");
    for requirement in contradiction(selector) {
        finding = finding.at(requirement.span, "these exclude each other");
    }
    finding.why(&["K-46", "V-28"])
}

/// The peer names namespaces that the input does not have.
fn missing_namespace(context: &Context<'_>, peer: &PeerAt<'_>, names: &[Box<str>]) -> Judged {
    let world = context.world;
    let missing = || {
        let names = names.iter().filter(|name| !is_system_name(name));
        names.cloned().map(Unknown::Namespace).collect()
    };
    let ([name], NamespaceScope::Matching(scope)) = (names, &peer.selector.namespaces) else {
        return Judged::Unknown(missing());
    };
    let known = world.namespaces.iter().map(|namespace| &*namespace.name);
    let requirement = scope
        .requirements
        .iter()
        .find(|one| *one.key == *NAME_LABEL);
    let (Some(meant), Some(requirement)) = (only_slip(name, known), requirement) else {
        return Judged::Unknown(missing());
    };
    let what = format!("there is no namespace `{name}` in the input, but there is `{meant}`");
    let mut finding = new_finding(context, peer, &what)
        .at(requirement.span, "")
        .why(&["K-36", "V-28"]);
    let at = edits::value_of(context.sources, requirement, name)
        .filter(|_| edits::is_unshared(context.sources, &world[peer.policy]));
    let mut fix = Fix::advice(format!("name `{meant}` if that is the one"));
    fix.edits
        .extend(at.map(|at| edits::replace(context.sources, at, meant)));
    finding.fix = Some(fix.guess());
    wrong(finding)
}

/// The pods are on the host network.
fn only_on_host(selection: &Selection<'_>, peer: &PeerAt<'_>, pods: &[EndpointId]) -> Finding {
    let context = selection.context;
    let pods: Vec<_> = pods
        .iter()
        .copied()
        .filter(|id| is_on_host(context, *id))
        .collect();
    let names = context.workloads(pods.iter().copied()).some();
    let what =
        format!("only host-network pods have its labels ({names}), and no selector matches those");
    let mut finding = new_finding(context, peer, &what).at(peer.span, "matches nobody");
    if let Some(span) = pods.first().and_then(|id| context.world[*id].host_network) {
        finding = finding.at(span, "on the host network");
    }
    if let Some(evidence) = sample::refused_with(selection, peer, &pods) {
        finding = finding.evidence(evidence);
    }
    finding.why(&["K-72"]).fix(Fix::advice(
        "allow the addresses of the nodes with an ipBlock, or take the pods off the host network",
    ))
}

/// The pods are in other namespaces.
fn in_other_namespaces(
    selection: &Selection<'_>,
    peers: &Peers<'_>,
    asked: &[NamespaceId],
    pods: &[EndpointId],
) -> Finding {
    let peer = &peers.first;
    let context = selection.context;
    let world = context.world;
    let mut namespaces: Vec<_> = pods.iter().map(|id| world[*id].namespace).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let names: Vec<_> = namespaces
        .iter()
        .map(|id| world[*id].name.to_string())
        .collect();
    let ticked: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let labels = &peer.selector.pods;
    let asked: Vec<_> = asked
        .iter()
        .map(|id| format!("`{}`", world[*id].name))
        .collect();
    let what = format!(
        "pods with `{labels}` are in {}, not in {}",
        some_of(&ticked),
        some_of(&asked)
    );
    let alone = matches!(peer.selector.namespaces, NamespaceScope::Only(_));
    let mut finding = new_finding(context, peer, &what);
    finding = if alone {
        let own = &world[world[peer.policy].namespace].name;
        finding
            .at(
                peer.span,
                format!("without a namespaceSelector this means pods of `{own}`"),
            )
            .why(&["K-24", "V-28"])
    } else {
        finding.at(peer.span, "").why(&["K-26", "V-28"])
    };
    if let Some(evidence) = sample::refused_with(selection, peer, pods) {
        finding = finding.evidence(evidence);
    }
    let add = if alone { "add" } else { "use" };
    finding.fix(match names.as_slice() {
        [name] => Fix::edits(
            format!("{add} a namespaceSelector for `{name}` if its pods are meant"),
            namespace_selector(context, peers, name).unwrap_or_default(),
        )
        .guess(),
        _ => Fix::advice(format!(
            "{add} a namespaceSelector for the namespaces that are meant"
        )),
    })
}

/// Adds a namespaceSelector to peers that have none.
fn namespace_selector(context: &Context<'_>, peers: &Peers<'_>, name: &str) -> Option<Vec<Edit>> {
    let peer = &peers.first;
    let alone = matches!(peer.selector.namespaces, NamespaceScope::Only(_));
    if !alone || !edits::is_unshared(context.sources, &context.world[peer.policy]) {
        return None;
    }
    let name = scalar(name);
    let block = format!("namespaceSelector:\n  matchLabels:\n    {NAME_LABEL}: {name}");
    let flow = format!("namespaceSelector: {{matchLabels: {{{NAME_LABEL}: {name}}}}}");
    let add = |span: &Span| edits::prepend(context.sources, *span, &block, &flow);
    peers.spans.iter().map(add).collect()
}

/// A label is not what the pods have.
fn misspelt(
    selection: &Selection<'_>,
    peer: &PeerAt<'_>,
    namespaces: &[NamespaceId],
    misses: &Misses<'_, EndpointId>,
) -> Finding {
    let context = selection.context;
    let pods = &peer.selector.pods;
    let names: Vec<_> = namespaces
        .iter()
        .map(|id| format!("`{}`", context.world[*id].name))
        .collect();
    let what = format!(
        "no pod of {} has {}",
        some_of(&names),
        what_is_missing(pods, misses)
    );
    let mut finding = new_finding(context, peer, &what);
    finding = point(context, finding, misses, peer.span);
    let meant = misses.near.iter().filter(|miss| miss.likeness.is_some());
    let meant: Vec<_> = meant.flat_map(|miss| miss.who.iter().copied()).collect();
    if let Some(evidence) = sample::refused_with(selection, peer, &meant) {
        finding = finding.evidence(evidence);
    }
    let why: &[_] = match peer.selector.namespaces {
        NamespaceScope::Only(_) => &["K-24", "V-28"],
        NamespaceScope::Matching(_) => &["K-26", "V-28"],
    };
    finding.fix = fix(context.sources, &context.world[peer.policy], misses);
    finding.why(why)
}

/// What the input does not hold, once for all peers.
fn cannot_be_judged(
    context: &Context<'_>,
    what: &Unknown,
    peers: &[(PolicyId, Span)],
) -> Option<Finding> {
    let (first, _) = peers.first()?;
    let lack = match what {
        Unknown::Namespace(name) => format!("namespace `{name}` is not in the input"),
        Unknown::PodsOf(id) => {
            format!(
                "namespace `{}` has no pods in the input",
                context.world[*id].name
            )
        }
        Unknown::PodsSomewhere(labels) => format!("the input has no pods with `{labels}`"),
    };
    let verb = if peers.len() == 1 {
        "selects"
    } else {
        "select"
    };
    let message = format!(
        "{lack}: what {} {verb} cannot be judged",
        count(peers.len(), "peer")
    );
    let mut finding = Finding::new(&RULE, message)
        .severity(Severity::Note)
        .why(&["V-28"])
        .subject(context.policy_subject(*first));
    for (_, span) in peers.iter().take(PLACES) {
        finding = finding.at(*span, "");
    }
    Some(finding)
}

#[cfg(test)]
mod tests;
