//! Suppressions: findings that somebody decided to live with, each with a reason.
//!
//! Three places: a comment on the line or the line above (`# watertight: ignore[WT201] reason`),
//! an annotation on the object (`ignore.watertight.dev/wt201: "reason"`), and entries of the
//! configuration file. A suppression without a reason or past its date does not count and is a
//! finding itself, as is one that suppresses nothing.

use std::collections::BTreeSet;

use super::Finding;
use crate::rules::{Rule, reading};
use crate::source::{FileId, Sources, Span};
use crate::world::ObjectIgnore;

/// An entry of the configuration file.
#[derive(Clone, Debug)]
pub struct ConfigEntry {
    /// The rules, as written.
    pub rules: Vec<String>,
    /// The files it applies to; all if none.
    pub files: Option<BTreeSet<FileId>>,
    /// The namespaces it applies to; all if none.
    pub namespaces: Vec<String>,
    /// Why.
    pub reason: String,
    /// Whether its date has passed, and that date.
    pub expired: Option<String>,
    /// Where it is, if the configuration file is among the sources.
    pub span: Option<Span>,
}

/// A finding that was suppressed.
#[derive(Clone, Debug)]
pub struct Suppressed {
    /// The finding.
    pub finding: Finding,
    /// Why nobody needs to see it.
    pub reason: String,
}

enum Scope {
    /// Findings that point at this line of this file.
    Line(FileId, u32),
    /// Findings about this object.
    Object {
        kind: &'static str,
        namespace: Option<Box<str>>,
        name: Box<str>,
        span: Span,
    },
    Config {
        files: Option<BTreeSet<FileId>>,
        namespaces: Vec<String>,
    },
}

struct Suppression {
    rules: Vec<&'static Rule>,
    scope: Scope,
    reason: String,
    span: Option<Span>,
    text: String,
    used: bool,
}

/// Where texts may have comments that suppress findings.
#[derive(Debug, Default)]
pub struct Markers(Vec<(FileId, usize)>);

impl Markers {
    /// Looks through all files: once, however many worlds are judged.
    #[must_use]
    pub fn find(sources: &Sources) -> Self {
        let files: Vec<_> = sources.iter().collect();
        let found = crate::parallel::few(&files, |(file, source)| {
            let places = memchr::memmem::find_iter(source.text().as_bytes(), MARKER);
            places.map(|at| (*file, at)).collect::<Vec<_>>()
        });
        Self(found.into_iter().flatten().collect())
    }

    /// Whether no text has such a comment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes suppressed findings out; adds findings about the suppressions themselves. `active` tells
/// which rules ran: a suppression of another rule is not unused.
pub fn apply(
    (sources, markers): (&Sources, &Markers),
    objects: &[ObjectIgnore],
    config: &[ConfigEntry],
    active: impl Fn(&Rule) -> bool,
    findings: &mut Vec<Finding>,
) -> Vec<Suppressed> {
    let mut collected = Collected::default();
    collected.comments(sources, markers);
    collected.annotations(objects);
    collected.config(config);
    let Collected {
        mut suppressions,
        problems,
    } = collected;
    let mut suppressed = Vec::new();
    let mut kept = Vec::with_capacity(findings.len());
    for finding in findings.drain(..) {
        let matching = suppressions
            .iter_mut()
            .find(|suppression| suppression.matches(sources, &finding));
        match matching {
            Some(suppression) => {
                suppression.used = true;
                suppressed.push(Suppressed {
                    finding,
                    reason: suppression.reason.clone(),
                });
            }
            None => kept.push(finding),
        }
    }
    *findings = kept;
    findings.extend(problems.into_iter().filter(|finding| active(finding.rule)));
    if active(&reading::UNUSED) {
        for unused in suppressions.iter().filter(|suppression| !suppression.used) {
            if unused.rules.iter().all(|rule| active(rule)) {
                let message = format!("{} suppresses nothing; remove it", unused.text);
                findings.push(problem(&reading::UNUSED, message, unused.span));
            }
        }
    }
    suppressed
}

fn problem(rule: &'static Rule, message: String, span: Option<Span>) -> Finding {
    let finding = Finding::new(rule, message);
    match span {
        Some(span) => finding.at(span, ""),
        None => finding,
    }
}

impl Suppression {
    fn matches(&self, sources: &Sources, finding: &Finding) -> bool {
        if !self.rules.contains(&finding.rule) {
            return false;
        }
        match &self.scope {
            Scope::Line(file, line) => finding
                .labels
                .iter()
                .filter(|label| label.span.file == *file)
                .any(|label| sources.start(label.span).line == *line),
            Scope::Object {
                kind,
                namespace,
                name,
                span,
            } => {
                let about = finding.subject.as_ref().is_some_and(|subject| {
                    subject.kind == *kind
                        && subject.name == **name
                        && (namespace.is_none()
                            || subject.namespace.as_deref() == namespace.as_deref())
                });
                let cause = finding.span().is_some_and(|cause| {
                    cause.file == span.file && span.start <= cause.start && cause.end <= span.end
                });
                about || cause
            }
            Scope::Config { files, namespaces } => {
                let in_file = files.as_ref().is_none_or(|files| {
                    finding
                        .span()
                        .is_some_and(|span| files.contains(&span.file))
                });
                let subject = finding.subject.as_ref();
                let in_namespace = namespaces.is_empty()
                    || subject.is_some_and(|subject| {
                        let own = subject.namespace.as_ref().unwrap_or(&subject.name);
                        namespaces.contains(own)
                    });
                in_file && in_namespace
            }
        }
    }
}

#[derive(Default)]
struct Collected {
    suppressions: Vec<Suppression>,
    problems: Vec<Finding>,
}

impl Collected {
    fn add(
        &mut self,
        rules: &[&str],
        scope: Scope,
        reason: &str,
        span: Option<Span>,
        text: String,
    ) {
        let mut known = Vec::new();
        for name in rules {
            match Rule::find(name.trim()) {
                Some(rule) => known.push(rule),
                None => {
                    let message =
                        format!("{text} names a rule `{}` that does not exist", name.trim());
                    self.problems.push(problem(&reading::UNUSED, message, span));
                }
            }
        }
        if known.is_empty() {
            return;
        }
        let reason = reason.trim();
        if reason.is_empty() {
            let message = format!("{text} gives no reason, so it does not count");
            self.problems
                .push(problem(&reading::NO_REASON, message, span));
            return;
        }
        self.suppressions.push(Suppression {
            rules: known,
            scope,
            reason: reason.to_owned(),
            span,
            text,
            used: false,
        });
    }

    fn comments(&mut self, sources: &Sources, markers: &Markers) {
        for &(file, at) in &markers.0 {
            if let Some(comment) = Comment::parse(sources.file(file).text(), at) {
                let span = Span::new(file, comment.start, comment.end);
                let line = sources.start(span).line;
                // A comment of its own line speaks of the next line.
                let line = if comment.alone { line + 1 } else { line };
                let rules: Vec<_> = comment.rules.split(',').collect();
                let name = format!("the comment `watertight: ignore[{}]`", comment.rules);
                self.add(
                    &rules,
                    Scope::Line(file, line),
                    comment.reason,
                    Some(span),
                    name,
                );
            }
        }
    }

    fn annotations(&mut self, objects: &[ObjectIgnore]) {
        for ignore in objects {
            let annotation = &ignore.annotation;
            let scope = Scope::Object {
                kind: ignore.kind,
                namespace: ignore.namespace.clone(),
                name: ignore.name.clone(),
                span: ignore.object,
            };
            let text = format!("the annotation for `{}`", annotation.rule);
            self.add(
                &[&annotation.rule],
                scope,
                &annotation.reason,
                Some(annotation.span),
                text,
            );
        }
    }

    fn config(&mut self, entries: &[ConfigEntry]) {
        for entry in entries {
            let rules: Vec<_> = entry.rules.iter().map(String::as_str).collect();
            let text = format!("the configured suppression of {}", rules.join(", "));
            if let Some(date) = &entry.expired {
                let message = format!("{text} expired on {date}, so it does not count");
                self.problems
                    .push(problem(&reading::EXPIRED, message, entry.span));
                continue;
            }
            let scope = Scope::Config {
                files: entry.files.clone(),
                namespaces: entry.namespaces.clone(),
            };
            self.add(&rules, scope, &entry.reason, entry.span, text);
        }
    }
}

const MARKER: &[u8] = b"watertight: ignore[";

struct Comment<'t> {
    start: usize,
    end: usize,
    rules: &'t str,
    reason: &'t str,
    alone: bool,
}

impl<'t> Comment<'t> {
    /// The comment whose marker is at `at`, if it is a comment.
    fn parse(text: &'t str, at: usize) -> Option<Self> {
        let line_start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
        let before = text.get(line_start..at)?;
        let hash = before.rfind('#')?;
        let only_blanks = before.get(hash + 1..)?.trim().is_empty();
        let lead = before.get(..hash)?;
        if !only_blanks || !(lead.is_empty() || lead.ends_with([' ', '\t'])) {
            return None;
        }
        let rest = text.get(at + MARKER.len()..)?;
        let rest = rest.split(['\n', '\r']).next()?;
        let (rules, reason) = rest.split_once(']')?;
        Some(Self {
            start: line_start + hash,
            end: at + MARKER.len() + rest.trim_end().len(),
            rules,
            reason: reason.trim(),
            alone: lead.trim().is_empty(),
        })
    }
}

#[cfg(test)]
#[path = "suppression_tests.rs"]
mod tests;
