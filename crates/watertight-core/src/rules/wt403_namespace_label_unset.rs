//! A namespaceSelector uses a label that no namespace has.
//!
//! ## What it finds
//! Peers whose `namespaceSelector` selects no namespace because none carries the label. The usual
//! one is `name: shop`: namespaces are not labelled with their name under that key. The label that
//! every namespace has is `kubernetes.io/metadata.name`.
//!
//! Without any Namespace object in the input nobody can say which labels namespaces have, so this
//! is a note then. Peers that name a namespace which is not in the input are WT402.
//!
//! ## Why it matters
//! The peer admits nobody, and the API accepts it. Where somebody later labels a namespace so, it
//! admits all that namespace holds.
//!
//! ## Example
//! ```yaml
//! from:
//! - namespaceSelector:
//!     matchLabels: {name: monitoring}
//! ```
//!
//! ## Instead
//! ```yaml
//! from:
//! - namespaceSelector:
//!     matchLabels: {kubernetes.io/metadata.name: monitoring}
//! ```
//!
//! ## Semantics
//! - K-25: a namespaceSelector selects namespaces by the labels of the Namespace objects
//! - K-35: every namespace carries `kubernetes.io/metadata.name`, set by the API server
//! - K-36: a bare `name` label only works if somebody put it there
//! - K-45: the prefix is part of the key

use std::collections::BTreeMap;

use super::selection::near_miss::{Likeness, Misses, fix, likeness, misses};
use super::selection::{PeerAt, Selection, edits, names_asked, sample, spell};
use super::{Check, Context, Rule, some_of};
use crate::diag::{Edit, Evidence, Finding, Fix, Severity};
use crate::policy::{EndpointSelector, NamespaceScope};
use crate::sets::{LabelSelector, Operator, Requirement};
use crate::world::{NAME_LABEL, NamespaceId, PolicyId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT403",
    name: "namespace-label-unset",
    severity: Severity::Warning,
    summary: "a namespaceSelector uses a label that no namespace has",
    source: include_str!("wt403_namespace_label_unset.rs"),
    check: Check::World(check),
};

/// How many places a finding about many peers points at.
const PLACES: usize = 3;

/// Keys that look as if they held the name of a namespace.
const NAME_KEYS: &[&str] = &["name", "namespace", "ns", "project", "metadata.name"];

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let selection = Selection::new(context);
    let mut unset: BTreeMap<(PolicyId, String), Vec<PeerAt<'_>>> = BTreeMap::new();
    for peer in selection.peers() {
        let NamespaceScope::Matching(labels) = &peer.selector.namespaces else {
            continue;
        };
        if labels.is_empty()
            || !selection.namespaces(&peer.selector.namespaces).is_empty()
            || labels.is_contradictory()
            || names_nothing_known(context, labels)
        {
            continue;
        }
        let key = (peer.policy, labels.to_string());
        let peers = unset.entry(key).or_default();
        if !peers.iter().any(|known| known.span == peer.span) {
            peers.push(peer);
        }
    }
    for peers in unset.values() {
        findings.extend(judge(&selection, peers));
    }
}

/// Whether the selector names namespaces none of which is in the input (WT402).
fn names_nothing_known(context: &Context<'_>, labels: &LabelSelector) -> bool {
    names_asked(labels).is_some_and(|names| {
        let mut names = names.iter();
        names.all(|name| context.world.namespace(name).is_none())
    })
}

/// A requirement that takes the name of a namespace for the value of another label.
struct ByName<'s> {
    requirement: &'s Requirement,
    name: &'s str,
}

/// The requirement that means a name: `name: shop`.
fn by_name(labels: &LabelSelector) -> Option<ByName<'_>> {
    labels.requirements.iter().find_map(|requirement| {
        let Operator::In(values) = &requirement.operator else {
            return None;
        };
        let [name] = values.as_slice() else {
            return None;
        };
        let key = &*requirement.key;
        let last = key.rsplit('/').next().unwrap_or(key);
        let looks_so =
            NAME_KEYS.contains(&last) || likeness(key, NAME_LABEL) == Some(Likeness::Slip);
        (looks_so && key != NAME_LABEL).then_some(ByName { requirement, name })
    })
}

fn judge(selection: &Selection<'_>, peers: &[PeerAt<'_>]) -> Option<Finding> {
    let context = selection.context;
    let world = context.world;
    let peer = peers.first()?;
    let NamespaceScope::Matching(labels) = &peer.selector.namespaces else {
        return None;
    };
    let ids = world.namespace_ids();
    let misses = misses(world, labels, ids.map(|id| (id, &world[id].labels)));
    let by_name = by_name(labels).filter(|by| {
        let mut unset = misses.never.iter();
        unset.any(|(requirement, _)| std::ptr::eq(*requirement, by.requirement))
    });
    let mut finding = match by_name {
        Some(by) => takes_name(selection, peers, peer, &by),
        None => other_label(selection, peers, peer, labels, &misses)?,
    };
    if world
        .namespaces
        .iter()
        .all(|namespace| namespace.span.is_none())
    {
        let note = "the input has no Namespace objects: the labels of the cluster's namespaces \
                    are not known";
        finding = finding.severity(Severity::Note).note(note);
    }
    for again in peers.iter().skip(1).take(PLACES) {
        finding = finding.at(again.span, "and here");
    }
    Some(finding)
}

fn new_finding(context: &Context<'_>, peer: &PeerAt<'_>, what: &str) -> Finding {
    let message = format!(
        "a namespaceSelector of NetworkPolicy `{}` selects no namespace: {what}",
        context.world.policy_name(peer.policy)
    );
    Finding::new(&RULE, message).subject(context.policy_subject(peer.policy))
}

/// `name: shop`
fn takes_name(
    selection: &Selection<'_>,
    peers: &[PeerAt<'_>],
    peer: &PeerAt<'_>,
    by: &ByName<'_>,
) -> Finding {
    let context = selection.context;
    let label = spell(by.requirement);
    let named = context.world.namespace(by.name);
    let (what, severity) = match named {
        Some(_) => (
            format!("namespace `{}` has no label `{label}`", by.name),
            RULE.severity,
        ),
        None => (
            format!("none in the input has the label `{label}`"),
            Severity::Note,
        ),
    };
    let text = format!(
        "`{}` is a label like any other, not the name",
        by.requirement.key
    );
    let mut finding = new_finding(context, peer, &what)
        .severity(severity)
        .at(by.requirement.span, text)
        .why(&["K-36", "K-35"]);
    finding
        .evidence
        .extend(named.and_then(|named| shut_out(selection, peer, named)));
    let edits = named.and_then(|_| use_name_label(context, peers));
    finding.fix(Fix::edits(
        format!("name the namespace by `{NAME_LABEL}: {}`", by.name),
        edits.unwrap_or_default(),
    ))
}

/// Names the namespace by its own label in all of the peers.
fn use_name_label(context: &Context<'_>, peers: &[PeerAt<'_>]) -> Option<Vec<Edit>> {
    let edit = |peer: &PeerAt<'_>| {
        let NamespaceScope::Matching(labels) = &peer.selector.namespaces else {
            return None;
        };
        let policy = &context.world[peer.policy];
        let at = edits::key_of(context.sources, by_name(labels)?.requirement)?;
        edits::is_unshared(context.sources, policy)
            .then(|| edits::replace(context.sources, at, NAME_LABEL))
    };
    peers.iter().map(edit).collect()
}

/// Any other label.
fn other_label(
    selection: &Selection<'_>,
    peers: &[PeerAt<'_>],
    peer: &PeerAt<'_>,
    labels: &LabelSelector,
    misses: &Misses<'_, NamespaceId>,
) -> Option<Finding> {
    let context = selection.context;
    let positive = |requirement: &Requirement| {
        matches!(requirement.operator, Operator::In(_) | Operator::Exists)
    };
    let unset = misses.never.iter().find(|(one, _)| positive(one));
    let what = match unset {
        Some((one, _)) => format!("none in the input has the label `{}`", spell(one)),
        None if misses.never.is_empty() => format!("none in the input has all of `{labels}`"),
        // Only what is not to be there is: the input lacks the other namespaces.
        None => return None,
    };
    let mut finding = new_finding(context, peer, &what).why(&["K-25", "K-45"]);
    let near = misses.near.iter().find(|miss| miss.likeness.is_some());
    finding = match (near.or(misses.near.first()), unset) {
        (Some(miss), _) if near.is_some() || unset.is_none() => {
            let who = miss
                .who
                .iter()
                .map(|id| format!("`{}`", context.world[*id].name));
            let who = some_of(&who.collect::<Vec<_>>());
            let text = format!("namespace {who} {}", miss.tell());
            finding.at(miss.requirement.span, text)
        }
        (_, Some((one, values))) if !values.is_empty() => {
            let values = values.iter().map(|value| format!("`{}={value}`", one.key));
            let text = format!("there is {}", some_of(&values.collect::<Vec<_>>()));
            finding.at(one.span, text)
        }
        (_, Some((one, _))) => {
            finding.at(one.span, format!("no namespace has a label `{}`", one.key))
        }
        _ => finding.at(labels.span, ""),
    };
    let meant = near.and_then(|miss| miss.who.first());
    finding
        .evidence
        .extend(meant.and_then(|meant| shut_out(selection, peer, *meant)));
    finding.fix = fix(context.sources, &context.world[peer.policy], misses);
    if let (Some(fix), [_, _, ..]) = (&mut finding.fix, peers) {
        // The other places would stay as they are.
        fix.edits.clear();
    }
    Some(finding)
}

/// A pod of the namespace that the rule does not admit.
fn shut_out(
    selection: &Selection<'_>,
    peer: &PeerAt<'_>,
    namespace: NamespaceId,
) -> Option<Evidence> {
    let meant = EndpointSelector {
        also: None,
        namespaces: NamespaceScope::Only(namespace),
        pods: peer.selector.pods.clone(),
    };
    let members = selection.members(&meant);
    sample::refused_with(selection, peer, &members)
}

#[cfg(test)]
mod tests;
