//! Objects that are given twice (V-2).

use rustc_hash::FxHashMap;

use crate::diag::{Finding, Severity, Subject};
use crate::manifest::{Body, Object};
use crate::rules::reading;
use crate::source::Sources;

type Key<'o> = (&'static str, &'o str, &'o str);

fn key<'o>(object: &'o Object<'_>, default: &'o str) -> Key<'o> {
    let namespace = if object.body.is_namespaced() {
        object.meta.namespace.as_deref().unwrap_or(default)
    } else {
        ""
    };
    (object.body.kind(), namespace, &object.meta.name)
}

/// The last object of each name (V-2), in reading order.
pub(super) fn without_duplicates<'o, 's>(
    sources: &Sources,
    objects: &'o [Object<'s>],
    default: &'o str,
) -> (Vec<&'o Object<'s>>, Vec<Finding>) {
    let mut last: FxHashMap<Key<'o>, &'o Object<'s>> = FxHashMap::default();
    let mut findings = Vec::new();
    let mut repeated = false;
    last.reserve(objects.len());
    // Generated names only begin alike.
    for object in objects.iter().filter(|object| !object.meta.generated) {
        let Some(earlier) = last.insert(key(object, default), object) else {
            continue;
        };
        repeated = true;
        if sources.text(earlier.span) == sources.text(object.span) {
            continue;
        }
        let (kind, namespace, name) = key(object, default);
        let subject = Subject {
            kind: kind.into(),
            namespace: (!namespace.is_empty()).then(|| namespace.into()),
            name: name.into(),
        };
        let mut finding = Finding::new(
            &reading::DUPLICATE_OBJECT,
            format!("{subject} is given twice with different content; the last one counts"),
        )
        .at(object.meta.name.span, "this one is evaluated")
        .at(earlier.meta.name.span, "this one is overwritten")
        .why(&["V-2"])
        .subject(subject);
        if !matches!(object.body, Body::NetworkPolicy(_)) {
            finding = finding.severity(Severity::Warning);
        }
        findings.push(finding);
    }
    let kept = if repeated {
        let is_last = |object: &&Object<'s>| {
            if object.meta.generated {
                return true;
            }
            last.get(&key(object, default))
                .is_some_and(|last| std::ptr::eq(*last, *object))
        };
        objects.iter().filter(is_last).collect()
    } else {
        objects.iter().collect()
    };
    (kept, findings)
}
