//! Findings that a change introduces or resolves.

use rustc_hash::FxHashMap;

use super::FindingDelta;
use crate::diag::Finding;
use crate::parallel::both;
use crate::report::build::finding;
use crate::source::Sources;

/// What tells findings of two states apart: not the file, whose name differs, and not the line.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Identity<'f> {
    rule: &'static str,
    /// Kind, namespace and name.
    subject: Option<(&'f str, Option<&'f str>, &'f str)>,
    field: Option<&'f str>,
    text: &'f str,
}

impl<'f> Identity<'f> {
    fn of(sources: &'f Sources, finding: &'f Finding) -> Self {
        let subject = finding.subject.as_ref();
        Self {
            rule: finding.rule.id,
            subject: subject.map(|of| (&*of.kind, of.namespace.as_deref(), &*of.name)),
            field: finding.field.as_deref(),
            text: match finding.span() {
                Some(span) => sources.text(span).lines().next().unwrap_or_default().trim(),
                None => &finding.message,
            },
        }
    }
}

/// The findings of one state that the other has not, both ways.
pub(crate) fn delta(sources: &Sources, old: &[Finding], new: &[Finding]) -> FindingDelta {
    fn identities<'f>(sources: &'f Sources, findings: &'f [Finding]) -> Vec<Identity<'f>> {
        let findings = findings.iter();
        findings.map(|of| Identity::of(sources, of)).collect()
    }
    let (before, after) = both(|| identities(sources, old), || identities(sources, new));
    let only = |these: &[Finding], own: &[Identity<'_>], others: &[Identity<'_>]| {
        let mut known: FxHashMap<&Identity<'_>, usize> = FxHashMap::default();
        for other in others {
            *known.entry(other).or_default() += 1;
        }
        let mut found = Vec::new();
        for (this, own) in these.iter().zip(own) {
            match known.get_mut(own) {
                Some(left) if *left > 0 => *left -= 1,
                _ => found.push(finding(sources, this)),
            }
        }
        found
    };
    let (introduced, resolved) = both(|| only(new, &after, &before), || only(old, &before, &after));
    FindingDelta {
        introduced,
        resolved,
    }
}
