//! One round of fixes: as many at once as can be proved together.
//!
//! All candidates are tried together first. If that fails they are halved, rule by rule, until the ones
//! in the way are found; where many of one rule are in the way, the rest of it is left out untried.

use std::collections::{BTreeMap, BTreeSet};

use super::base::Base;
use super::edits::{Edits, append_document};
use super::settled::{Found, Known, key};
use super::{EXAMPLES, Held, Made, Request, Why};
use crate::check::CheckOptions;
use crate::diag::{Finding, Fix};
use crate::rules::Check;
use crate::source::FileId;

/// So many fixes of a rule are found to be in the way before the rest counts as being so.
const FAILURES: usize = 6;

/// So often a round tries.
const ATTEMPTS: usize = 200;

/// A fix that may be made.
#[derive(Clone, Copy)]
struct Candidate<'f> {
    finding: &'f Finding,
    fix: &'f Fix,
}

/// Why a set of fixes cannot be made.
enum Failure {
    /// These would not be settled, by their place in the list.
    Unsettled(Vec<usize>),
    /// All of them together.
    Together(Why),
}

pub(super) struct Round<'r, 'h, 'b> {
    now: &'h Held,
    known: Known,
    base: &'r mut Base<'b>,
    request: &'r Request<'r>,
    proof: &'r CheckOptions,
    made: &'r mut Made,
    /// What the accepted fixes come to.
    result: Option<Held>,
    attempts: usize,
    failures: BTreeMap<&'static str, usize>,
}

impl<'r, 'h, 'b> Round<'r, 'h, 'b> {
    pub(super) fn new(
        now: &'h Held,
        base: &'r mut Base<'b>,
        request: &'r Request<'r>,
        proof: &'r CheckOptions,
        made: &'r mut Made,
    ) -> Self {
        Self {
            known: Known::of(&now.checked),
            now,
            base,
            request,
            proof,
            made,
            result: None,
            attempts: 0,
            failures: BTreeMap::new(),
        }
    }

    /// The texts with the fixes of this round, if there are any.
    pub(super) fn finish(self) -> Option<Held> {
        self.result
    }

    pub(super) fn run(&mut self, findings: &[Finding]) {
        let mut candidates = self.candidates(findings);
        // Those of one rule stand and fall together, more often than not.
        candidates.sort_by_key(|candidate| candidate.finding.rule.id);
        let mut accepted = Vec::new();
        self.take(&candidates, &mut accepted);
        for candidate in accepted {
            let Candidate { finding, fix } = candidate;
            self.made.applied(&self.now.sources, finding, fix);
        }
    }

    fn leave_out(&mut self, candidate: Candidate<'_>, why: Why) {
        let Candidate { finding, fix } = candidate;
        self.made.leave_out(&self.now.sources, finding, fix, why);
    }

    /// The fixes that can be tried at once; the others are left out, or wait for the next round.
    fn candidates<'f>(&mut self, findings: &'f [Finding]) -> Vec<Candidate<'f>> {
        let mut chosen = Vec::new();
        let mut edits = Edits::default();
        let mut objects = BTreeSet::new();
        for finding in findings {
            let Some(fix) = finding.fix.as_ref().filter(|fix| fix.is_change()) else {
                continue;
            };
            if !self.request.wants(finding.rule) || self.made.is_left_out(finding, fix) {
                continue;
            }
            let candidate = Candidate { finding, fix };
            let locked = |file: FileId| !self.request.writable.contains(&file);
            let why = match fix.doubt.filter(|_| !self.request.trusts()) {
                Some(doubt) => Some(Why::Doubt(doubt)),
                None if fix.edits.iter().any(|edit| locked(edit.span.file)) => Some(Why::NoFile),
                None if fix.manifest.is_some() && self.request.objects.is_none() => {
                    Some(Why::NewObject)
                }
                None => None,
            };
            if let Some(why) = why {
                self.leave_out(candidate, why);
                continue;
            }
            // Two findings may propose one and the same object, or two of one name.
            let is_free = fix.manifest.as_ref().is_none_or(|manifest| {
                let head = manifest.split("\nspec:").next().unwrap_or_default();
                objects.insert(head.to_owned())
            });
            if is_free && edits.add(&fix.edits) {
                chosen.push(candidate);
            }
        }
        // What becomes readable has findings of its own: those are nobody's fault, and so the other
        // fixes wait for the next round, which knows them.
        if chosen.iter().any(is_reading) {
            chosen.retain(is_reading);
        }
        chosen
    }

    fn take<'f>(&mut self, group: &[Candidate<'f>], accepted: &mut Vec<Candidate<'f>>) {
        if group.is_empty() {
            return;
        }
        let hopeless = |candidate: &Candidate<'_>| {
            let failures = self.failures.get(candidate.finding.rule.id);
            failures.is_some_and(|failures| *failures >= FAILURES)
        };
        if self.attempts >= ATTEMPTS || group.iter().all(hopeless) {
            let why = if self.request.trusts() {
                Why::Untried
            } else {
                Why::LikeOthers
            };
            for candidate in group {
                self.leave_out(*candidate, why.clone());
            }
            return;
        }
        let mut all = accepted.clone();
        all.extend_from_slice(group);
        match self.attempt(&all) {
            Ok(held) => {
                self.result = Some(held);
                *accepted = all;
            }
            Err(Failure::Unsettled(at)) if at.iter().any(|at| *at >= accepted.len()) => {
                let before = accepted.len();
                let mut rest = Vec::new();
                for (index, candidate) in group.iter().enumerate() {
                    if at.contains(&(before + index)) {
                        self.leave_out(*candidate, Why::NotSettled);
                    } else {
                        rest.push(*candidate);
                    }
                }
                self.take(&rest, accepted);
            }
            Err(failure) => match group {
                [one] => {
                    *self.failures.entry(one.finding.rule.id).or_default() += 1;
                    let why = match failure {
                        Failure::Together(why) => why,
                        Failure::Unsettled(_) => Why::Overlaps,
                    };
                    self.leave_out(*one, why);
                }
                _ => {
                    let (first, second) = group.split_at(middle(group));
                    self.take(first, accepted);
                    self.take(second, accepted);
                }
            },
        }
    }

    /// Makes fixes in memory, and looks at what comes of it.
    fn attempt(&mut self, fixes: &[Candidate<'_>]) -> Result<Held, Failure> {
        self.attempts += 1;
        let mut edits = Edits::default();
        for candidate in fixes {
            if !edits.add(&candidate.fix.edits) {
                return Err(Failure::Together(Why::Overlaps));
            }
        }
        let broken = Failure::Together(Why::Breaks);
        let Some(mut held) = self.edited(&edits, fixes) else {
            return Err(broken);
        };
        let found = Found::new(&held.checked);
        if found.is_broken(&self.known) {
            return Err(broken);
        }
        let mut fixed: BTreeMap<String, usize> = BTreeMap::new();
        for candidate in fixes {
            *fixed.entry(key(candidate.finding)).or_default() += 1;
        }
        let before = (&self.now.sources, &self.known);
        let unsettled: Vec<usize> = (0..)
            .zip(fixes)
            .filter(|(_, candidate)| {
                let fixed = fixed.get(&key(candidate.finding)).copied().unwrap_or(1);
                !found.settles(before, &edits, candidate.finding, fixed)
            })
            .map(|(at, _)| at)
            .collect();
        if !unsettled.is_empty() {
            return Err(Failure::Unsettled(unsettled));
        }
        let words = |finding: &Finding| format!("{}: {}", finding.rule.id, finding.message);
        if let Some(finding) = found.spoils(before, &edits) {
            return Err(Failure::Together(Why::Spoils(words(finding))));
        }
        if self.request.trusts() {
            return Ok(held);
        }
        if !fixes.iter().any(is_reading)
            && let Some(finding) = found.brings(&self.known)
        {
            return Err(Failure::Together(Why::Brings(words(finding))));
        }
        let opened = self.base.opened(&mut held, EXAMPLES);
        if !opened.is_empty() {
            return Err(Failure::Together(Why::Opens(opened)));
        }
        Ok(held)
    }

    /// The texts with these fixes, read and checked.
    fn edited(&self, edits: &Edits, fixes: &[Candidate<'_>]) -> Option<Held> {
        let sources = &self.now.sources;
        let mut texts = BTreeMap::new();
        for file in edits.files() {
            texts.insert(file, edits.apply(file, sources.file(file).text())?);
        }
        if let Some(file) = self.request.objects {
            let manifests = fixes.iter().filter_map(|one| one.fix.manifest.as_deref());
            for manifest in manifests {
                let text = texts
                    .entry(file)
                    .or_insert_with(|| sources.file(file).text().to_owned());
                *text = append_document(text, manifest);
            }
        }
        Some(Held::new(sources.with(texts).ok()?, self.proof))
    }
}

fn is_reading(candidate: &Candidate<'_>) -> bool {
    matches!(candidate.finding.rule.check, Check::Reading)
}

/// Where to cut: between two rules if there are several.
fn middle(group: &[Candidate<'_>]) -> usize {
    let half = group.len() / 2;
    let id = |at: usize| group.get(at).map(|candidate| candidate.finding.rule.id);
    let boundaries = (1..group.len()).filter(|at| id(*at) != id(at - 1));
    let nearest = boundaries.min_by_key(|at| at.abs_diff(half));
    nearest.unwrap_or(half)
}
