//! Fixes: which edits of findings can be made, proved before they are written.
//!
//! Every batch of edits is tried in memory: the edited texts are read, checked and lowered again, and
//! who can reach what is held against what it was. A fix is left out, and said to be, if it is a guess,
//! if it opens a connection, if it breaks something else, or if its finding is still there afterwards.
//! Rules that somebody names are trusted with what they do: theirs may be guesses, and may open.
//!
//! INVARIANT: what [`plan`] returns has been read and checked as it stands; nothing new is allowed by
//! it unless a rule was named.

mod base;
mod batch;
mod edits;
mod opened;
mod settled;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{CheckOptions, Checked, check};
use crate::diag::{Finding, Fix};
use crate::eval::Evaluator;
use crate::policy::{Ruleset, lower};
use crate::rules::Rule;
use crate::source::{FileId, Sources};

use base::Base;
use batch::Round;
pub(super) use edits::Edits;
pub use opened::{Opened, State, examples, opened, same};

/// Rounds of fixes, each on the texts that the one before has made.
const ROUNDS: usize = 8;

/// How many openings are kept to tell of.
const EXAMPLES: usize = 4;

/// What to fix, and how far to go.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// How the input was checked.
    pub options: &'r CheckOptions,
    /// The rules whose fixes are wanted, whatever they open, by id, prefix of ids or name; empty for
    /// the certain fixes of all rules.
    pub rules: &'r [String],
    /// The file that takes new objects.
    pub objects: Option<FileId>,
    /// The files that can be written.
    pub writable: &'r BTreeSet<FileId>,
}

impl Request<'_> {
    fn wants(&self, rule: &Rule) -> bool {
        self.rules.is_empty() || names(self.rules, rule)
    }

    fn trusts(&self) -> bool {
        !self.rules.is_empty()
    }
}

/// Whether a list of ids, prefixes of ids or names has a rule.
fn names(list: &[String], rule: &Rule) -> bool {
    let options = CheckOptions {
        select: list.to_vec(),
        ..CheckOptions::default()
    };
    options.is_active(rule)
}

/// A fix that was made.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What it has settled, as it was.
    pub finding: Finding,
    /// Where its finding was, in the text of that time.
    pub place: Option<String>,
    /// What was done.
    pub message: String,
}

/// A fix that was not made.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// The rule.
    pub rule: &'static Rule,
    /// Where its finding is.
    pub place: Option<String>,
    /// What it would do.
    pub message: String,
    /// Why it was not made.
    pub why: Why,
    /// What identifies the finding.
    key: String,
}

/// Why a fix was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A person should look at it first.
    Doubt(&'static str),
    /// It is a new object, and no file is named for those.
    NewObject,
    /// Its file cannot be written: standard input, a revision.
    NoFile,
    /// It would allow these connections.
    Opens(Vec<Opened>),
    /// It would bring this finding.
    Brings(String),
    /// It would make something invalid that was not, as this finding says.
    Spoils(String),
    /// The file could not be read any more.
    Breaks,
    /// Its finding would still be there.
    NotSettled,
    /// It changes what another fix changes.
    Overlaps,
    /// Others of its rule were left out, and not every one was tried.
    LikeOthers,
    /// The same, though its rule was named.
    Untried,
}

/// The input with fixes made.
#[derive(Debug)]
pub struct Edited {
    /// All files.
    pub sources: Sources,
    /// Those that changed.
    pub changed: Vec<FileId>,
    /// What is left, as the caller's options select it.
    pub checked: Checked,
}

/// What to write.
#[derive(Debug)]
pub struct Plan {
    /// The result; none if no fix is made.
    pub edited: Option<Edited>,
    /// What was done.
    pub applied: Vec<Applied>,
    /// What was not.
    pub left_out: Vec<LeftOut>,
    /// What the fixes allow that was not allowed before; empty unless rules were named.
    pub opened: Vec<Opened>,
}

/// A checked input with what it lowers to.
struct Held {
    sources: Sources,
    checked: Checked,
    ruleset: Ruleset,
}

impl Held {
    fn new(sources: Sources, options: &CheckOptions) -> Self {
        let checked = check(&sources, options);
        let ruleset = lower(&checked.world, &checked.profile);
        Self {
            sources,
            checked,
            ruleset,
        }
    }

    fn eval(&self) -> Evaluator<'_> {
        let switches = self.checked.profile.switches;
        Evaluator::new(&self.checked.world, &self.ruleset, switches)
    }

    /// The names of DNS that policies name.
    fn names(&self) -> BTreeSet<Box<str>> {
        let names = self.checked.world.names.iter();
        names.map(|name| name.text.clone()).collect()
    }
}

/// Finds out which fixes can be made.
///
/// The findings are those of `checked`, so that a caller may leave some out; later rounds also see
/// findings that earlier fixes have brought to light.
#[must_use]
pub fn plan(sources: &Sources, checked: &Checked, request: &Request<'_>) -> Plan {
    // What the input is taken for must not change while it is edited, and every rule has a say.
    let proof = CheckOptions {
        profile: checked.profile,
        engine_is_named: true,
        select: Vec::new(),
        namespaces: Vec::new(),
        progress: None,
        ..request.options.clone()
    };
    let all = CheckOptions {
        progress: None,
        ..request.options.clone()
    };
    let mut made = Made::default();
    let may_change = |finding: &Finding| {
        request.wants(finding.rule) && finding.fix.as_ref().is_some_and(Fix::is_change)
    };
    if !checked.findings.iter().any(may_change) {
        return made.plan(None, Vec::new());
    }
    let unchanged = sources.with(BTreeMap::new());
    let first = Held::new(unchanged.unwrap_or_default(), &proof);
    let mut base = Base::new(&first, &proof);
    let narrowed = !request.options.select.is_empty() || !request.options.namespaces.is_empty();
    let mut held: Option<Held> = None;
    let mut left: Option<Checked> = None;
    for number in 0..ROUNDS {
        let now = held.as_ref().unwrap_or(&first);
        let findings = match (&left, number) {
            (Some(left), _) => &left.findings,
            (None, 0) => &checked.findings,
            (None, _) => &now.checked.findings,
        };
        let mut round = Round::new(now, &mut base, request, &proof, &mut made);
        round.run(findings);
        let Some(next) = round.finish() else {
            break;
        };
        left = narrowed.then(|| check(&next.sources, &all));
        held = Some(next);
    }
    let opened = match &mut held {
        Some(held) if request.trusts() => base.opened(held, EXAMPLES),
        _ => Vec::new(),
    };
    let edited = held.map(|last| {
        let checked = left.unwrap_or(last.checked);
        made.follow(&last.sources, &checked);
        Edited {
            changed: changed(sources, &last.sources),
            sources: last.sources,
            checked,
        }
    });
    made.plan(edited, opened)
}

fn changed(before: &Sources, after: &Sources) -> Vec<FileId> {
    let files = before.iter().zip(after.iter());
    let changed = files.filter(|((_, old), (_, new))| old.text() != new.text());
    changed.map(|((id, _), _)| id).collect()
}

/// What has been decided so far.
#[derive(Default)]
struct Made {
    applied: Vec<Applied>,
    left_out: Vec<LeftOut>,
}

impl Made {
    fn applied(&mut self, sources: &Sources, finding: &Finding, fix: &Fix) {
        self.applied.push(Applied {
            finding: finding.clone(),
            place: finding.span().map(|span| sources.locate(span)),
            message: fix.message.clone(),
        });
    }

    fn leave_out(&mut self, sources: &Sources, finding: &Finding, fix: &Fix, why: Why) {
        self.left_out.push(LeftOut {
            rule: finding.rule,
            place: finding.span().map(|span| sources.locate(span)),
            message: fix.message.clone(),
            why,
            key: settled::key(finding),
        });
    }

    fn is_left_out(&self, finding: &Finding, fix: &Fix) -> bool {
        let key = settled::key(finding);
        let mut known = self.left_out.iter();
        known.any(|left| {
            left.key == key && left.message == fix.message && *left.rule == *finding.rule
        })
    }

    fn plan(self, edited: Option<Edited>, opened: Vec<Opened>) -> Plan {
        Plan {
            edited,
            applied: self.applied,
            left_out: self.left_out,
            opened,
        }
    }

    /// Places in the text as it is now; what other fixes have settled is not worth a word.
    fn follow(&mut self, sources: &Sources, left: &Checked) {
        let mut by_key: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
        for finding in left.findings.iter().rev() {
            by_key
                .entry(settled::key(finding))
                .or_default()
                .push(finding);
        }
        self.left_out.retain_mut(|one| {
            let Some(finding) = by_key.get_mut(&one.key).and_then(Vec::pop) else {
                return false;
            };
            one.place = finding.span().map(|span| sources.locate(span));
            true
        });
    }
}
