//! Objects that are given twice (V-2).

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::part::{Part, Pod, Policy};
use crate::diag::{Finding, Severity, Subject};
use crate::manifest::{Body, Object};
use crate::rules::reading;
use crate::source::{Sources, Span};

const NETWORK_POLICY: &str = "NetworkPolicy";

/// An object, as far as it can be given twice.
#[derive(Clone, Copy)]
struct Given<'p> {
    /// The kind with its group, the namespace and the name.
    key: ((&'static str, &'static str), &'p str, &'p str),
    /// The position of its part, and its own in the part.
    place: (usize, u32),
    span: Span,
    name_span: Span,
}

impl Given<'_> {
    fn is_policy(&self) -> bool {
        let ((kind, group), ..) = self.key;
        kind == NETWORK_POLICY || !group.is_empty()
    }
}

/// The group of a policy of another language: several have kinds of one name (C-77).
fn group(object: &Object<'_>) -> &'static str {
    match &object.body {
        Body::Policy(kind, _) => kind.group,
        _ => "",
    }
}

/// The objects of a part whose name is not generated: generated names only begin alike.
fn given<'p>(
    index: usize,
    part: &'p Part<'_>,
    default: &'p str,
) -> impl Iterator<Item = Given<'p>> {
    let pods = part.pods.iter().filter(|pod| !pod.generated);
    let pods = pods.map(move |pod: &'p Pod<'_>| {
        let namespace = pod.namespace.map_or(default, |id| part.text(id));
        Given {
            key: (("Pod", ""), namespace, &pod.name),
            place: (index, pod.ordinal),
            span: pod.span,
            name_span: pod.name_span,
        }
    });
    let policies = part.policies.iter().filter(|policy| !policy.generated);
    let policies = policies.map(move |policy: &'p Policy<'_>| {
        let namespace = policy.namespace.map_or(default, |id| part.text(id));
        Given {
            key: ((NETWORK_POLICY, ""), namespace, &policy.name),
            place: (index, policy.ordinal),
            span: policy.span,
            name_span: policy.name_span,
        }
    });
    let others = part
        .objects
        .iter()
        .filter(|(_, object)| !object.meta.generated);
    let others = others.map(move |(ordinal, object): &'p (u32, Object<'_>)| {
        let namespace = if object.body.is_namespaced() {
            object.meta.namespace.as_deref().unwrap_or(default)
        } else {
            ""
        };
        Given {
            key: (
                (object.body.kind(), group(object)),
                namespace,
                &object.meta.name,
            ),
            place: (index, *ordinal),
            span: object.span,
            name_span: object.meta.name.span,
        }
    });
    pods.chain(policies).chain(others)
}

/// Whether no two objects have one name; by hashes, so it may be false for no reason.
fn are_distinct(parts: &[Part<'_>], default: &str) -> bool {
    let counts = parts
        .iter()
        .map(|part| part.pods.len() + part.objects.len() + part.policies.len());
    let mut hashes: FxHashSet<u64> = FxHashSet::default();
    hashes.reserve(counts.sum());
    parts.iter().enumerate().all(|(index, part)| {
        given(index, part, default).all(|given| {
            let mut hasher = FxHasher::default();
            given.key.hash(&mut hasher);
            hashes.insert(hasher.finish())
        })
    })
}

/// Takes out all but the last object of each name (V-2); `is_meant` says of two of them, the earlier
/// first, whether one is there to replace the other.
pub(super) fn remove(
    sources: &Sources,
    parts: &mut [Part<'_>],
    default: &str,
    is_meant: impl Fn(Span, Span) -> bool,
) -> Vec<Finding> {
    if are_distinct(parts, default) {
        return Vec::new();
    }
    let mut all: Vec<_> = parts
        .iter()
        .enumerate()
        .flat_map(|(index, part)| given(index, part, default))
        .collect();
    all.sort_by_key(|given| given.place);
    let mut last: FxHashMap<_, Given<'_>> = FxHashMap::default();
    let mut overwritten: FxHashSet<(usize, u32)> = FxHashSet::default();
    let mut findings = Vec::new();
    for object in all {
        let Some(earlier) = last.insert(object.key, object) else {
            continue;
        };
        overwritten.insert(earlier.place);
        let differs = sources.text(earlier.span) != sources.text(object.span);
        if differs && !is_meant(earlier.span, object.span) {
            findings.push(finding(earlier, object));
        }
    }
    for (index, part) in parts.iter_mut().enumerate() {
        let is_kept = |ordinal: u32| !overwritten.contains(&(index, ordinal));
        part.pods.retain(|pod| is_kept(pod.ordinal));
        part.objects.retain(|(ordinal, _)| is_kept(*ordinal));
        part.policies.retain(|policy| is_kept(policy.ordinal));
    }
    findings
}

fn finding(earlier: Given<'_>, later: Given<'_>) -> Finding {
    let ((kind, _), namespace, name) = later.key;
    let subject = Subject {
        kind: kind.into(),
        namespace: (!namespace.is_empty()).then(|| namespace.into()),
        name: name.into(),
    };
    let finding = Finding::new(
        &reading::DUPLICATE_OBJECT,
        format!("{subject} is given twice with different content; the last one counts"),
    )
    .at(later.name_span, "this one is evaluated")
    .at(earlier.name_span, "this one is overwritten")
    .why(&["V-2"])
    .subject(subject);
    if later.is_policy() {
        finding
    } else {
        finding.severity(Severity::Warning)
    }
}
