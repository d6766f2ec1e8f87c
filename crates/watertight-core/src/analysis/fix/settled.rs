//! Whether a finding is gone, and whether a fix brings others.
//!
//! A finding is known by its rule, its object, its field and its words without numbers; one of the same
//! rule and object at the place that the old one has moved to is the old one, whatever it says now.

use std::collections::{BTreeMap, BTreeSet};

use super::edits::Edits;
use crate::check::Checked;
use crate::diag::{Finding, Severity};
use crate::rules::Check;
use crate::source::Sources;

/// What identifies a finding from one check to the next.
pub(super) fn key(finding: &Finding) -> String {
    let words = finding.message.chars().filter(|c| !c.is_ascii_digit());
    format!("{}\n{}", object(finding), words.collect::<String>())
}

/// The rule, the object and the field of a finding.
fn object(finding: &Finding) -> String {
    let subject = finding.subject.as_ref().map(ToString::to_string);
    let field = finding.field.as_deref().unwrap_or_default();
    format!(
        "{} {} {field}",
        finding.rule.id,
        subject.unwrap_or_default()
    )
}

/// The findings before, counted.
#[derive(Debug)]
pub(super) struct Known {
    /// By key.
    keys: BTreeMap<String, usize>,
    /// Errors by rule and subject.
    errors: BTreeMap<String, usize>,
    /// The objects that were not read without a word.
    faulty: BTreeSet<String>,
    broken: usize,
}

/// What a check found after edits.
#[derive(Debug)]
pub(super) struct Found<'c> {
    known: Known,
    by_object: BTreeMap<String, Vec<&'c Finding>>,
    checked: &'c Checked,
}

impl Known {
    pub(super) fn of(checked: &Checked) -> Self {
        let (mut keys, mut errors) = (BTreeMap::new(), BTreeMap::new());
        let mut faulty = BTreeSet::new();
        for finding in &checked.findings {
            *keys.entry(key(finding)).or_default() += 1;
            if finding.severity == Severity::Error {
                *errors.entry(blame(finding)).or_default() += 1;
            }
            if is_reading(finding) {
                faulty.insert(subject(finding));
            }
        }
        Self {
            keys,
            errors,
            faulty,
            broken: checked.broken,
        }
    }
}

fn is_reading(finding: &Finding) -> bool {
    matches!(finding.rule.check, Check::Reading)
}

fn subject(finding: &Finding) -> String {
    let subject = finding.subject.as_ref().map(ToString::to_string);
    subject.unwrap_or_default()
}

fn blame(finding: &Finding) -> String {
    format!("{} {}", finding.rule.id, subject(finding))
}

impl<'c> Found<'c> {
    pub(super) fn new(checked: &'c Checked) -> Self {
        let mut by_object: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
        for finding in &checked.findings {
            by_object.entry(object(finding)).or_default().push(finding);
        }
        Self {
            known: Known::of(checked),
            by_object,
            checked,
        }
    }

    /// Whether less could be read than before.
    pub(super) fn is_broken(&self, before: &Known) -> bool {
        self.known.broken > before.broken
    }

    /// An error that was not there before.
    pub(super) fn brings(&self, before: &Known) -> Option<&'c Finding> {
        let count = |known: &Known, blame: &str| known.errors.get(blame).copied();
        self.checked.findings.iter().find(|finding| {
            finding.severity == Severity::Error && !is_reading(finding) && {
                let blame = blame(finding);
                count(&self.known, &blame) > count(before, &blame)
            }
        })
    }

    /// A fault of an object that was read without a word before. What was not may have further ones,
    /// but none in the very words that an edit has written.
    pub(super) fn spoils(&self, before: (&Sources, &Known), edits: &Edits) -> Option<&'c Finding> {
        let (sources, before) = before;
        let is_written = |finding: &Finding| {
            finding.span().is_some_and(|span| {
                let text = sources.file(span.file).text();
                edits.has_written(span.file, text, span.start as usize)
            })
        };
        let mut findings = self.checked.findings.iter();
        findings.find(|finding| {
            is_reading(finding)
                && !before.keys.contains_key(&key(finding))
                && (!before.faulty.contains(&subject(finding))
                    || finding.severity == Severity::Error && is_written(finding))
        })
    }

    /// Whether a finding is gone that `fixed` edits of its kind were to settle.
    pub(super) fn settles(
        &self,
        before: (&Sources, &Known),
        edits: &Edits,
        finding: &Finding,
        fixed: usize,
    ) -> bool {
        let (sources, before) = before;
        let key = key(finding);
        let now = self.known.keys.get(&key).copied().unwrap_or_default();
        let then = before.keys.get(&key).copied().unwrap_or_default();
        if now + fixed > then.max(fixed) {
            return false;
        }
        let Some(span) = finding.span() else {
            return true;
        };
        let text = sources.file(span.file).text();
        let (first, last) = edits.follow(span.file, text, span.start);
        let mut others = self.by_object.get(&object(finding)).into_iter().flatten();
        !others.any(|other| {
            // What is said in other words of a text that was changed is another finding.
            other.span().is_some_and(|there| {
                let start = there.start as usize;
                there.file == span.file && first == last && start == first
            })
        })
    }
}
