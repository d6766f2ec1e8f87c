//! From judged statements to their report.

use super::{IntentError, IntentReport, IntentResult, IntentSummary};
use crate::analysis::explain::Explainer;
use crate::analysis::intent::{Broken, Judged, Outcome, Problem, Shown};
use crate::diag::Finding;
use crate::engine::Profile;
use crate::report::API_VERSION;
use crate::report::build::{assumptions, engine, finding, location, tool};
use crate::report::explain::{self, Answer};
use crate::source::Sources;

/// The file that statements come from.
#[derive(Clone, Debug)]
pub struct FileOf<'f> {
    /// Its name.
    pub name: &'f str,
    /// The files with intents, for places in them.
    pub sources: &'f Sources,
}

/// Makes a report.
#[derive(Debug)]
pub struct Builder<'a> {
    /// The manifests.
    sources: &'a Sources,
    profile: &'a Profile,
    explainer: &'a Explainer<'a>,
    summary: IntentSummary,
    errors: Vec<IntentError>,
    statements: Vec<IntentResult>,
}

impl<'a> Builder<'a> {
    /// An empty report.
    #[must_use]
    pub fn new(sources: &'a Sources, profile: &'a Profile, explainer: &'a Explainer<'a>) -> Self {
        Self {
            sources,
            profile,
            explainer,
            summary: IntentSummary {
                complete: true,
                ..IntentSummary::default()
            },
            errors: Vec::new(),
            statements: Vec::new(),
        }
    }

    /// Adds what could not be read of intents.
    pub fn fail(&mut self, file: &FileOf<'_>, problem: &Problem) {
        self.summary.errors += 1;
        self.errors.push(IntentError {
            message: problem.message.clone(),
            location: location(file.sources, problem.span, ""),
        });
    }

    /// Adds a statement.
    pub fn add(&mut self, file: &FileOf<'_>, judged: &Judged<'_>) {
        let statement = judged.statement;
        let vacuous = "the statement is about nobody";
        let (status, message, pairs, broken) = match (&judged.outcome, statement.expect_fail) {
            (Outcome::Held(pairs), false) => ("pass", String::new(), Some(*pairs), None),
            (Outcome::Held(pairs), true) => (
                "xpass",
                "it holds, so the gap is closed: take `expect: fail` away".to_owned(),
                Some(*pairs),
                None,
            ),
            (Outcome::Broken(broken), false) => {
                ("fail", broken.message.clone(), None, Some(&**broken))
            }
            (Outcome::Broken(broken), true) => {
                ("xfail", broken.message.clone(), None, Some(&**broken))
            }
            (Outcome::Vacuous(why), _) if statement.allow_vacuous => (
                "pass",
                format!("about nobody, as allowed: {why}"),
                None,
                None,
            ),
            (Outcome::Vacuous(why), _) => ("vacuous", format!("{vacuous}: {why}"), None, None),
            (Outcome::Refused(why), _) => ("error", why.clone(), None, None),
        };
        let summary = &mut self.summary;
        summary.statements += 1;
        *match status {
            "pass" => &mut summary.passed,
            "fail" => &mut summary.failed,
            "xfail" => &mut summary.expected_failures,
            "xpass" => &mut summary.unexpected_passes,
            "vacuous" => &mut summary.vacuous,
            _ => &mut summary.errors,
        } += 1;
        let counterexample = broken
            .filter(|_| status == "fail")
            .and_then(|broken| self.counterexample(broken));
        self.statements.push(IntentResult {
            file: file.name.to_owned(),
            name: statement.name.to_string(),
            location: statement.span.map(|span| location(file.sources, span, "")),
            claim: statement.claim.word().to_owned(),
            reason: statement.reason.as_deref().map(str::to_owned),
            status: status.to_owned(),
            message,
            pairs,
            more: broken.map_or(0, |broken| broken.more),
            counterexample,
        });
    }

    /// One connection that should not be as it is, with what decides.
    fn counterexample(&self, broken: &Broken) -> Option<Answer> {
        let Shown {
            from,
            to,
            ports,
            had_to_be_allowed,
        } = broken.shown.as_ref()?;
        let answer = self.explainer.answer(from, to, ports).ok()?;
        let mut builder = explain::Builder::new(
            self.sources,
            self.profile,
            self.explainer,
            Some(*had_to_be_allowed),
        );
        let asked = explain::Asked {
            from,
            to,
            ports,
            line: None,
        };
        builder.add(&asked, &answer);
        let mut answer = builder.finish(&[], true).answers.pop()?;
        // Pairs that are as they should be prove nothing.
        let wanted = if *had_to_be_allowed { "allow" } else { "deny" };
        let is_bad = |row: &explain::Row| row.verdict != wanted;
        if answer.cases.iter().flat_map(|case| &case.rows).any(is_bad) {
            for case in &mut answer.cases {
                case.rows.retain(is_bad);
            }
            answer.cases.retain(|case| !case.rows.is_empty());
        }
        Some(answer)
    }

    /// The report.
    #[must_use]
    pub fn finish(mut self, problems: &[&Finding], complete: bool) -> IntentReport {
        self.summary.complete = complete && self.summary.errors == 0;
        IntentReport {
            api_version: API_VERSION.into(),
            kind: "IntentReport".into(),
            tool: tool(),
            engine: engine(self.profile),
            summary: self.summary,
            problems: problems
                .iter()
                .map(|found| finding(self.sources, found))
                .collect(),
            assumptions: assumptions(self.explainer.eval().world),
            errors: self.errors,
            statements: self.statements,
        }
    }
}
