//! DNS names as destinations (L-56..L-58): they stand for the addresses that an endpoint has learnt
//! by lookups which Cilium saw, and it sees those that a DNS rule of the endpoint admits.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{EndpointSelector, NamespaceScope, Peer, Subject, identity, rules, subject};
use crate::manifest::policy::cilium::{CiliumItem, FqdnSelector};
use crate::sets::{DomainPattern, Expression, LabelSelector};
use crate::world::{NamespaceId, World};

/// Whose lookups are seen, and for which names.
#[derive(Default)]
pub(super) struct Lookups {
    /// By the namespace of the subject, if it has one.
    seen: BTreeMap<Option<NamespaceId>, Vec<Seen>>,
}

struct Seen {
    subject: Subject,
    names: Vec<DomainPattern>,
}

impl Lookups {
    pub(super) fn of(world: &World) -> Self {
        let mut lookups = Self::default();
        for (object, rule) in rules(world) {
            let items = rule.egress.allow.iter();
            let items = items.filter(|item| !item.matches_nobody());
            let names = items.flat_map(CiliumItem::lookups);
            let names: Vec<DomainPattern> = names.map(|name| name.pattern.clone()).collect();
            if names.is_empty() {
                continue;
            }
            let own = world[object].namespace;
            let subject = subject(world, own, &rule.subject);
            let seen = lookups.seen.entry(own).or_default();
            match seen.iter_mut().find(|known| known.subject == subject) {
                Some(known) => known.names.extend(names),
                None => seen.push(Seen { subject, names }),
            }
        }
        lookups
    }

    /// Which endpoints of a subject may reach which of some names: for each way to have the lookups
    /// seen, the part of the subject for which it is and the names as peers.
    pub(super) fn admitted(
        &self,
        world: &World,
        subject: &Subject,
        own: Option<NamespaceId>,
        names: &[FqdnSelector],
    ) -> Vec<(Subject, Vec<Peer>)> {
        // A rule of a namespace meets those of its namespace and the cluster-wide ones.
        let near: Vec<&Vec<Seen>> = match own {
            None => self.seen.values().collect(),
            Some(_) => {
                let near = [None, own].into_iter();
                near.filter_map(|of| self.seen.get(&of)).collect()
            }
        };
        let near = near.into_iter().flatten();
        let (covering, others): (Vec<&Seen>, Vec<&Seen>) =
            near.partition(|seen| covers(&seen.subject, subject));
        let mut found = Vec::new();
        let everywhere: Vec<&DomainPattern> =
            covering.iter().flat_map(|seen| &seen.names).collect();
        found.push((subject.clone(), peers(names, &everywhere)));
        // Names that every endpoint may look up need no more.
        let open = |name: &&FqdnSelector| {
            !everywhere
                .iter()
                .any(|seen| seen.matches(name.pattern.text()))
        };
        let left: Vec<FqdnSelector> = names.iter().filter(open).cloned().collect();
        if !left.is_empty() {
            for seen in others {
                let patterns: Vec<&DomainPattern> = seen.names.iter().collect();
                let peers = peers(&left, &patterns);
                if !peers.is_empty()
                    && let Some(narrower) = both(world, subject, &seen.subject)
                {
                    found.push((narrower, peers));
                }
            }
        }
        found.retain(|(_, peers)| !peers.is_empty());
        found
    }
}

/// What belongs to both of two subjects.
fn both(world: &World, one: &Subject, other: &Subject) -> Option<Subject> {
    match (one, other) {
        (Subject::Nodes(one), Subject::Nodes(other)) => {
            let both: Arc<[_]> = one
                .iter()
                .copied()
                .filter(|id| other.contains(id))
                .collect();
            (!both.is_empty()).then_some(Subject::Nodes(both))
        }
        (Subject::Endpoints(one), Subject::Endpoints(other)) => {
            let namespaces = both_scopes(world, &one.namespaces, &other.namespaces)?;
            let also = [&one.also, &other.also].into_iter().flatten();
            let also: Vec<Expression> = also.map(|also| (**also).clone()).collect();
            Some(Subject::Endpoints(EndpointSelector {
                namespaces,
                pods: both_selectors(&one.pods, &other.pods),
                also: (!also.is_empty()).then(|| Arc::new(Expression::All(also))),
            }))
        }
        _ => None,
    }
}

fn both_scopes(
    world: &World,
    one: &NamespaceScope,
    other: &NamespaceScope,
) -> Option<NamespaceScope> {
    Some(match (one, other) {
        (NamespaceScope::Only(one), NamespaceScope::Only(other)) => {
            (one == other).then_some(NamespaceScope::Only(*one))?
        }
        (NamespaceScope::Only(own), NamespaceScope::Matching(labels))
        | (NamespaceScope::Matching(labels), NamespaceScope::Only(own)) => {
            if labels.is_empty() {
                NamespaceScope::Only(*own)
            } else {
                let mut labels = labels.clone();
                let named = identity::is_named(world, *own, labels.span);
                labels.requirements.push(named);
                NamespaceScope::Matching(labels)
            }
        }
        (NamespaceScope::Matching(one), NamespaceScope::Matching(other)) => {
            NamespaceScope::Matching(both_selectors(one, other))
        }
    })
}

fn both_selectors(one: &LabelSelector, other: &LabelSelector) -> LabelSelector {
    let requirements = one.requirements.iter().chain(&other.requirements);
    LabelSelector {
        requirements: requirements.cloned().collect(),
        span: one.span,
    }
}

/// Whether the first subject certainly holds everybody of the second.
fn covers(wide: &Subject, narrow: &Subject) -> bool {
    match (wide, narrow) {
        (Subject::Nodes(wide), Subject::Nodes(narrow)) => narrow.iter().all(|id| wide.contains(id)),
        (Subject::Endpoints(wide), Subject::Endpoints(narrow)) => {
            let all_namespaces = match &wide.namespaces {
                NamespaceScope::Matching(labels) => labels.is_empty(),
                NamespaceScope::Only(_) => false,
            };
            let namespaces = all_namespaces || wide.namespaces == narrow.namespaces;
            let pods = wide.pods.is_empty() || wide.pods == narrow.pods;
            namespaces && pods && (wide.also.is_none() || wide.also == narrow.also)
        }
        _ => false,
    }
}

/// Names as far as lookups of these patterns are admitted.
fn peers(names: &[FqdnSelector], seen: &[&DomainPattern]) -> Vec<Peer> {
    let peer = |pattern: &DomainPattern, name: &FqdnSelector| {
        Peer::Domain(pattern.clone(), "L-57", name.span)
    };
    let names = names.iter().filter_map(|name| {
        let all = peer(&name.pattern, name);
        if seen.iter().any(|seen| seen.matches(name.pattern.text())) {
            return Some(all);
        }
        // A single name that no pattern admits is never looked up.
        if name.pattern.is_name() || seen.is_empty() {
            return None;
        }
        let seen = seen.iter().map(|pattern| peer(pattern, name)).collect();
        Some(Peer::All(vec![all, Peer::AnyOf(seen)]))
    });
    names.collect()
}
