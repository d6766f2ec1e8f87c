//! From trials to their report.

use std::collections::BTreeMap;

use super::unjudged::{Reasons, Unjudged, inconclusive, selecting};
use super::{
    LabConnection, LabCounts, LabDifference, LabLeftOut, LabOutside, LabPair, LabParty, LabReport,
    LabUnsaid,
};
use crate::diag::Finding;
use crate::engine::Profile;
use crate::eval::{Connection, Evaluator, Family, Verdict};
use crate::facts::metadata::Cloud;
use crate::policy::{PolicyRef, RuleRef};
use crate::report::build::{assumptions, engine, evidence, finding, location, tool};
use crate::report::{API_VERSION, Assumption, Evidence};
use crate::rules::Context;
use crate::sets::Protocol;
use crate::source::Sources;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Somebody answered.
    Open,
    /// The destination answered that nobody listens.
    Refused,
    /// Somebody on the way refused it.
    Rejected,
    /// Lost, and a rule logged it.
    Dropped,
    /// Lost without a trace.
    Timeout,
    /// It could not be tried.
    Error,
}

impl Seen {
    /// As the report spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Dropped => "dropped",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }

    /// Whether packets came to the destination; none if that is not known.
    #[must_use]
    pub fn arrived(self) -> Option<bool> {
        match self {
            Self::Open | Self::Refused => Some(true),
            Self::Rejected | Self::Dropped | Self::Timeout => Some(false),
            Self::Error => None,
        }
    }
}

/// What packets showed of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// How it ended.
    pub seen: Seen,
    /// In words.
    pub detail: String,
    /// Rules of the kernel that the packet met, if that was looked at.
    pub kernel: Vec<String>,
}

/// A connection that was tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The source, by its place among the parties.
    pub from: usize,
    /// The destination.
    pub to: usize,
    /// The connection, as the evaluator is asked.
    pub connection: Connection,
    /// The family that it was tried over.
    pub family: Family,
    /// What is predicted.
    pub verdict: Verdict,
    /// Whether packets show everything that the prediction rests on.
    pub is_judged: bool,
    /// Why not, where neither the verdict nor a policy tells: the statement of docs/semantics.md, and the words.
    pub unjudged: Option<(&'static str, &'static str)>,
    /// What became of it while no policy was in force; none if it was not tried then.
    pub control: Option<Seen>,
    /// What became of it.
    pub observed: Observed,
}

/// What a trial says of packets and prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    Allowed,
    Denied,
    Differs,
    Inconclusive,
    NotJudged,
}

impl Trial {
    fn judge(&self) -> Judgement {
        if !self.is_judged {
            return Judgement::NotJudged;
        }
        match (self.verdict.allowed, self.observed.seen.arrived()) {
            (_, None) => Judgement::Inconclusive,
            (true, Some(true)) => Judgement::Allowed,
            // A way that does not exist is no denial.
            (_, Some(false))
                if self
                    .control
                    .is_some_and(|seen| seen.arrived() != Some(true)) =>
            {
                Judgement::Inconclusive
            }
            // Every rule that drops logs: silence without a record may be a packet that was lost.
            (false, Some(false)) if self.observed.seen == Seen::Timeout => Judgement::Inconclusive,
            (false, Some(false)) => Judgement::Denied,
            (true, Some(false)) | (false, Some(true)) => Judgement::Differs,
        }
    }

    fn port(&self) -> String {
        let protocol = self.connection.protocol.word();
        // What was dialled.
        let service = self.connection.service.map(|service| service.port);
        let mut text = match (self.connection.protocol, service.or(self.connection.port)) {
            (Protocol::Icmp, _) | (_, None) => protocol.to_owned(),
            (_, Some(port)) => format!("{port}/{protocol}"),
        };
        if self.family == Family::V6 {
            text.push_str("/ipv6");
        }
        text
    }
}

/// What a report is made of.
#[derive(Debug)]
pub struct LabInput<'l, 'w> {
    /// The files.
    pub sources: &'l Sources,
    /// The world of the lab, with the addresses that everybody has there.
    pub eval: &'l Evaluator<'w>,
    /// The engine.
    pub profile: &'l Profile,
    /// What could not be read.
    pub problems: &'l [&'l Finding],
    /// Whether everything could be read.
    pub complete: bool,
    /// What the lab has made up.
    pub made_up: Vec<Assumption>,
    /// Of how many connections the trials are a sample; none if they are all.
    pub sampled_from: Option<usize>,
    /// Who took part.
    pub parties: Vec<LabParty>,
    /// What outside addresses stand for.
    pub outside: Vec<LabOutside>,
    /// Names and reasons of what is not in the lab.
    pub left_out: Vec<LabLeftOut>,
    /// Policies, or rules of them, that packets cannot show, with the words for it.
    pub unsaid: Vec<(PolicyRef, Option<usize>, &'static str)>,
    /// What was tried.
    pub trials: &'l [Trial],
}

/// Makes the report.
#[must_use]
pub fn lab_report(input: &LabInput<'_, '_>) -> LabReport {
    let context = Context::new(input.sources, input.eval, input.profile, Cloud::ALL);
    let mut counts = LabCounts::default();
    let mut pairs: BTreeMap<(usize, usize), LabPair> = BTreeMap::new();
    let mut differences = Vec::new();
    let (mut unclear, mut unjudged) = (Reasons::default(), Reasons::default());
    let why = Unjudged {
        input,
        context: &context,
    };
    for trial in input.trials {
        let pair = pairs
            .entry((trial.from, trial.to))
            .or_insert_with(|| LabPair {
                from: trial.from,
                to: trial.to,
                allowed: Vec::new(),
                denied: Vec::new(),
                differ: Vec::new(),
                inconclusive: Vec::new(),
                not_judged: Vec::new(),
            });
        counts.tried += 1;
        let connection = || LabConnection {
            from: trial.from,
            to: trial.to,
            port: trial.port(),
        };
        let (list, count) = match trial.judge() {
            Judgement::Allowed => (&mut pair.allowed, &mut counts.allowed),
            Judgement::Denied => {
                if trial.observed.seen == Seen::Dropped {
                    counts.proved += 1;
                }
                if trial.control.is_some() {
                    counts.controls += 1;
                }
                (&mut pair.denied, &mut counts.denied)
            }
            Judgement::Differs => {
                differences.push(LabDifference {
                    from: trial.from,
                    to: trial.to,
                    port: trial.port(),
                    predicted: predicted(input.sources, &context, trial),
                    family: if trial.family == Family::V4 { 4 } else { 6 },
                    observed: trial.observed.seen.word().into(),
                    detail: trial.observed.detail.clone(),
                    kernel: trial.observed.kernel.clone(),
                });
                (&mut pair.differ, &mut counts.differ)
            }
            Judgement::Inconclusive => {
                unclear.add(inconclusive(trial), connection());
                (&mut pair.inconclusive, &mut counts.inconclusive)
            }
            Judgement::NotJudged => {
                unjudged.add(why.reason(trial), connection());
                (&mut pair.not_judged, &mut counts.not_judged)
            }
        };
        list.push(trial.port());
        *count += 1;
    }
    let unsaid = input.unsaid.iter().map(|(policy, rule, text)| {
        let span = match rule {
            Some(rule) => {
                let rule = RuleRef {
                    policy: *policy,
                    rule: *rule,
                };
                Some(input.eval.ruleset[rule].span)
            }
            None => input.eval.ruleset[*policy]
                .origin
                .name_span(input.eval.world),
        };
        LabUnsaid {
            policy: context.title(*policy),
            text: (*text).into(),
            place: span.map(|span| location(input.sources, span, "")),
        }
    });
    let problems = input.problems.iter();
    let mut assumptions = assumptions(input.eval.world);
    assumptions.extend_from_slice(&input.made_up);
    let (policies, selecting) = selecting(input.eval);
    LabReport {
        api_version: API_VERSION.into(),
        kind: "LabReport".into(),
        tool: tool(),
        engine: engine(input.profile),
        complete: input.complete,
        problems: problems
            .map(|found| finding(input.sources, found))
            .collect(),
        assumptions,
        policies,
        selecting,
        sampled_from: input.sampled_from,
        counts,
        parties: input.parties.clone(),
        outside: input.outside.clone(),
        left_out: input.left_out.clone(),
        unsaid: unsaid.collect(),
        pairs: pairs.into_values().collect(),
        differences,
        inconclusive: unclear.listed(input.sources),
        unjudged: unjudged.listed(input.sources),
    }
}

fn predicted(sources: &Sources, context: &Context<'_>, trial: &Trial) -> Evidence {
    evidence(sources, &context.word(&trial.connection, &trial.verdict))
}
