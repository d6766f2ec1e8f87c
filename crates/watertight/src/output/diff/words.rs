//! What all formats say alike: what became of an object, evidence, and what was observed.

use std::collections::BTreeMap;

use watertight_core::report::diff::{
    DiffCause, DiffEdit, DiffObject, DiffReport, DiffValue, ObservedChange,
};
use watertight_core::report::{Evidence, Finding, Location};
use watertight_core::rules::count;

use crate::output::{connection, one_line, shortened};

/// `NetworkPolicy shop/allow-dns`
pub(super) fn object(object: &DiffObject) -> String {
    let name = match &object.namespace {
        Some(namespace) => format!("{namespace}/{}", object.name),
        None => object.name.clone(),
    };
    one_line(&format!("{} {name}", object.kind))
}

/// `NetworkPolicy shop/allow-dns added`
pub(super) fn became(changed: &DiffObject) -> String {
    format!("{} {}", object(changed), one_line(&changed.change))
}

/// What caused something, in one line.
pub(super) fn title(cause: &DiffCause) -> String {
    match cause.objects.as_slice() {
        [] => "addresses, nodes or assumptions".to_owned(),
        [one] => became(one),
        several if told_apart(cause).is_empty() => {
            let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
            for object in several {
                *kinds.entry(&object.kind).or_default() += 1;
            }
            let kinds = kinds.iter();
            let kinds = kinds.map(|(kind, number)| count(*number, &one_line(kind)));
            let change = several.first().map_or("", |first| &first.change);
            format!("{} {change}", kinds.collect::<Vec<_>>().join(", "))
        }
        several => {
            let all: Vec<_> = several.iter().map(became).collect();
            format!("together: {}", all.join(" and "))
        }
    }
}

/// Objects of a cause that are named one by one: not workloads that all come or all go.
pub(super) fn told_apart(cause: &DiffCause) -> &[DiffObject] {
    let all = |word: &str| {
        let mut objects = cause.objects.iter();
        objects.all(|object| object.change == word && !object.kind.contains("Policy"))
    };
    match cause.objects.len() > 1 && (all("added") || all("removed")) {
        true => &[],
        false => &cause.objects,
    }
}

/// What became of the objects of a cause, as a mark.
pub(super) fn mark(cause: &DiffCause) -> char {
    let all = |word: &str| cause.objects.iter().all(|object| object.change == word);
    if cause.objects.is_empty() {
        '~'
    } else if all("added") {
        '+'
    } else if all("removed") {
        '-'
    } else {
        '~'
    }
}

/// `path:line` of an object: where it is, or where it was.
pub(super) fn place(changed: &DiffObject) -> Option<String> {
    let at = changed.new.as_ref().or(changed.old.as_ref())?;
    Some(at_line(at))
}

/// `path:line` of a cause that is one object.
pub(super) fn place_of(cause: &DiffCause) -> Option<String> {
    match cause.objects.as_slice() {
        [one] => place(one),
        _ => None,
    }
}

/// `path:line`
pub(super) fn at_line(at: &Location) -> String {
    format!("{}:{}", one_line(&at.path), at.line)
}

/// A value of a manifest is cut here.
const MOST_VALUE: usize = 60;

/// A value as it is written.
pub(super) fn value(value: &DiffValue) -> String {
    shortened(&one_line(&value.text), MOST_VALUE).into_owned()
}

/// `spec.podSelector.matchLabels.app: catalogue -> catalog`
pub(super) fn edit(edit: &DiffEdit) -> String {
    let told = match (&edit.old, &edit.new) {
        (Some(old), Some(new)) => format!("{} -> {}", value(old), value(new)),
        (None, Some(new)) => format!("added {}", value(new)),
        (Some(old), None) => format!("removed {}", value(old)),
        (None, None) => "differs".to_owned(),
    };
    format!("{}: {told}", one_line(&edit.path))
}

/// What differs in an object, line by line.
pub(super) fn remarks(changed: &DiffObject) -> Vec<String> {
    let notes = changed.notes.iter().map(|note| one_line(note));
    changed.edits.iter().map(edit).chain(notes).collect()
}

/// `denied: NetworkPolicy shop/default-deny isolates it (k8s/shop.yaml:4)`
pub(super) fn answer(evidence: &Evidence) -> String {
    let word = match evidence.verdict.as_str() {
        "allow" => "allowed",
        "deny" => "denied",
        _ => "uncertain",
    };
    let because = one_line(&evidence.because);
    match &evidence.by {
        Some(by) => format!("{word}: {because} ({})", at_line(by)),
        None => format!("{word}: {because}"),
    }
}

/// `shop/web -> shop/db:5432/tcp`
pub(super) fn observed(observed: &ObservedChange) -> String {
    let to = match observed.to.strip_prefix("ip:") {
        Some(ip) if ip.contains(':') && observed.port.is_some() => format!("ip:[{ip}]"),
        _ => observed.to.clone(),
    };
    let port = observed
        .port
        .map_or(String::new(), |port| format!(":{port}"));
    let protocol = &observed.protocol;
    one_line(&format!("{} -> {to}{port}/{protocol}", observed.from))
}

/// `shop/web -> shop/db:5432/tcp`
pub(super) fn asked(evidence: &Evidence) -> String {
    one_line(&connection(evidence))
}

/// `1 time`, `88 times`
pub(super) fn times(times: u64) -> String {
    match times {
        1 => "1 time".to_owned(),
        times => format!("{times} times"),
    }
}

/// Observed connections that would be cut, and those that get another answer.
pub(super) fn by_outcome(report: &DiffReport) -> [Vec<&ObservedChange>; 2] {
    let observed = report.observed.iter();
    let (cut, other) = observed.partition(|observed| observed.change == "cut");
    [cut, other]
}

/// Findings that the change brings, and those that it settles.
pub(super) fn findings(report: &DiffReport) -> [&[Finding]; 2] {
    match &report.findings {
        Some(delta) => [&delta.introduced, &delta.resolved],
        None => [&[], &[]],
    }
}

/// Whether it is safe: one sentence.
pub(super) fn verdict(report: &DiffReport) -> String {
    one_line(&report.verdict.sentence)
}

/// More policies than this are counted.
const MOST_NAMED: usize = 8;

/// Objects without an effect in one line: policies by name, the others counted by kind.
pub(super) fn without_effect(report: &DiffReport) -> Option<String> {
    if report.unaffecting.is_empty() {
        return None;
    }
    let is_policy = |changed: &&DiffObject| changed.kind.contains("Policy");
    let (policies, others): (Vec<_>, Vec<_>) = report.unaffecting.iter().partition(is_policy);
    let named = policies.iter().take(MOST_NAMED);
    let mut told: Vec<String> = named.map(|policy| became(policy)).collect();
    let more = policies.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        told.push(count(more, "more policy"));
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for other in others {
        *kinds.entry(&other.kind).or_default() += 1;
    }
    let kinds = kinds.iter();
    told.extend(kinds.map(|(kind, number)| count(*number, &one_line(kind))));
    Some(told.join(", "))
}
