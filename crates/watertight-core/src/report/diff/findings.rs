//! Findings that a change introduces or resolves.

use std::collections::BTreeMap;

use super::FindingDelta;
use crate::diag::{self, Finding};
use crate::report::build::finding;
use crate::source::Sources;

/// What tells findings of two states apart: not the file, whose name differs, and not the line.
type Identity<'f> = (
    &'static str,
    Option<&'f diag::Subject>,
    Option<&'f str>,
    &'f str,
);

/// The findings of one state that the other has not, both ways.
pub(super) fn delta(sources: &Sources, old: &[Finding], new: &[Finding]) -> FindingDelta {
    fn identity<'f>(sources: &'f Sources, finding: &'f Finding) -> Identity<'f> {
        let text = match finding.span() {
            Some(span) => sources.text(span).lines().next().unwrap_or_default().trim(),
            None => &finding.message,
        };
        let subject = finding.subject.as_ref();
        (finding.rule.id, subject, finding.field.as_deref(), text)
    }
    let only = |these: &[Finding], others: &[Finding]| {
        let mut known: BTreeMap<Identity<'_>, usize> = BTreeMap::new();
        for other in others {
            *known.entry(identity(sources, other)).or_default() += 1;
        }
        let mut found = Vec::new();
        for this in these {
            match known.get_mut(&identity(sources, this)) {
                Some(left) if *left > 0 => *left -= 1,
                _ => found.push(finding(sources, this)),
            }
        }
        found
    };
    FindingDelta {
        introduced: only(new, old),
        resolved: only(old, new),
    }
}
