//! From an answer to its report: the trace of every row in words.

use super::words::{self, row_names};
use super::{
    API_VERSION, Answer, Case, Example, ExplainReport, ExplainSummary, Help, Miss, Nearly,
    PolicyTrace, Problem, Row, Side, Statement, Trace,
};
use crate::analysis::explain::{self, Denial, Explainer, Outcome, short_name};
use crate::analysis::parties::{PortQuery, Selection, spell};
use crate::analysis::readings::Open;
use crate::diag::Finding;
use crate::engine::Profile;
use crate::eval::{Decision, Party, Reason, SideTrace};
use crate::manifest::Direction;
use crate::policy::{Action, Origin, PolicyRef, RuleRef};
use crate::report::build::{assumptions, engine, finding, location, tool};
use crate::rules::count;
use crate::source::Sources;
use crate::world::World;

/// A question that could be read.
#[derive(Clone, Debug)]
pub struct Asked<'q> {
    /// Who connects.
    pub from: &'q Selection,
    /// To whom.
    pub to: &'q Selection,
    /// The ports; empty for all.
    pub ports: &'q [PortQuery],
    /// The line of the file with questions.
    pub line: Option<usize>,
}

/// Makes a report.
#[derive(Debug)]
pub struct Builder<'a> {
    sources: &'a Sources,
    profile: &'a Profile,
    explainer: &'a Explainer<'a>,
    expected: Option<bool>,
    answers: Vec<Answer>,
}

/// More misses of one policy are not told.
const MOST_MISSES: usize = 3;

impl<'a> Builder<'a> {
    /// An empty report; `expected` is whether everything has to be allowed, or denied.
    #[must_use]
    pub fn new(
        sources: &'a Sources,
        profile: &'a Profile,
        explainer: &'a Explainer<'a>,
        expected: Option<bool>,
    ) -> Self {
        Self {
            sources,
            profile,
            explainer,
            expected,
            answers: Vec::new(),
        }
    }

    fn world(&self) -> &'a World {
        self.explainer.eval().world
    }

    /// Adds a question without an answer.
    pub fn fail(&mut self, given: &str, line: Option<usize>, problem: Problem) {
        self.answers.push(Answer {
            flow: given.trim().to_owned(),
            line,
            verdict: None,
            at: String::new(),
            summary: problem.message.clone(),
            expected: self.expected.map(expectation),
            met: self.expected.map(|_| false),
            cases: Vec::new(),
            notes: Vec::new(),
            error: Some(problem),
        });
    }

    /// Adds an answer.
    pub fn add(&mut self, asked: &Asked<'_>, answer: &explain::Answer) {
        let world = self.world();
        let outcome = answer.outcome();
        let verdict = outcome.map_or("partial", words::verdict);
        let cases: Vec<Case> = answer.cases.iter().map(|case| self.case(case)).collect();
        let at = match (outcome, cases.as_slice()) {
            (Some(_), [case]) => match case.rows.as_slice() {
                [row] => row.at.clone(),
                rows => same(rows.iter().map(|row| &row.at)),
            },
            (Some(_), cases) => same(cases.iter().flat_map(|c| &c.rows).map(|row| &row.at)),
            (None, _) => String::new(),
        };
        let expected = self.expected;
        let wanted = |allow| {
            if allow {
                Outcome::Allowed
            } else {
                Outcome::Denied
            }
        };
        self.answers.push(Answer {
            flow: spell(&asked.from.text, &asked.to.text, asked.ports),
            line: asked.line,
            verdict: Some(verdict.into()),
            at,
            summary: self.summary(asked, answer),
            expected: expected.map(expectation),
            met: expected.map(|allow| outcome == Some(wanted(allow))),
            cases,
            notes: answer.notes.clone(),
            error: None,
        });
        let _ = world;
    }

    /// The report.
    #[must_use]
    pub fn finish(self, problems: &[&Finding], complete: bool) -> ExplainReport {
        let world = self.world();
        let mut summary = ExplainSummary {
            questions: self.answers.len(),
            complete,
            ..ExplainSummary::default()
        };
        for answer in &self.answers {
            match answer.verdict.as_deref() {
                Some("allow") => summary.allow += 1,
                Some("deny") => summary.deny += 1,
                Some("uncertain") => summary.uncertain += 1,
                Some(_) => summary.partial += 1,
                None => {
                    summary.errors += 1;
                    summary.complete = false;
                }
            }
            if answer.error.is_none() && answer.met == Some(false) {
                summary.unexpected += 1;
            }
        }
        ExplainReport {
            api_version: API_VERSION.into(),
            kind: "ExplainReport".into(),
            tool: tool(),
            engine: engine(self.profile),
            summary,
            problems: problems
                .iter()
                .map(|found| finding(self.sources, found))
                .collect(),
            assumptions: assumptions(world),
            answers: self.answers,
        }
    }

    fn case(&self, case: &explain::Case) -> Case {
        let world = self.world();
        let side = |units: &[explain::Unit]| {
            let members = words::members(world, units);
            Side {
                name: members.name,
                members: members.members,
                pods: members.pods,
            }
        };
        let names = row_names(&case.rows);
        Case {
            from: side(&case.from),
            to: side(&case.to),
            pairs: case.pairs,
            rows: names
                .into_iter()
                .zip(&case.rows)
                .map(|(name, row)| self.row(name, row))
                .collect(),
        }
    }

    fn row(&self, name: String, row: &explain::Row) -> Row {
        let world = self.world();
        let explanation = &row.explanation;
        let connection = &explanation.connection;
        let verdict = &explanation.verdict;
        let denials = Direction::BOTH.map(|direction| self.explainer.denial(row, direction));
        let [ingress, egress] = &denials;
        let (because, by) = self.because(row);
        let exact = |party: Party| match party.resolve(world) {
            Party::Endpoint(id) => world.endpoint_name(id),
            _ => short_name(world, party),
        };
        // Advice on the side that the connection meets first comes first.
        let advice = [egress, ingress]
            .into_iter()
            .flatten()
            .filter_map(|denial| denial.advice.as_ref())
            .filter(|_| row.outcome() == Outcome::Denied)
            .map(|advice| Help {
                text: advice.text.clone(),
                location: advice.span.map(|span| location(self.sources, span, "")),
            });
        let help = advice.chain(row.open.as_ref().map(settle)).collect();
        Row {
            name,
            ports: row
                .ports
                .iter()
                .map(|asked| asked.span.to_string())
                .collect(),
            service_ports: row
                .ports
                .iter()
                .filter_map(|asked| {
                    let port = asked.service_port?;
                    Some(format!("{port}/{}", asked.span.protocol.word()))
                })
                .collect(),
            addresses: row.addresses.iter().map(ToString::to_string).collect(),
            family: row.family.map(|family| match family {
                crate::eval::Family::V4 => "ipv4".into(),
                crate::eval::Family::V6 => "ipv6".into(),
            }),
            verdict: words::verdict(row.outcome()).into(),
            at: self.at(row),
            because,
            by: by.map(|span| location(self.sources, span, "")),
            uncertain: row.open.as_ref().map(|open| self.uncertain(open, row)),
            exempt: match verdict.reason {
                Reason::Policies => None,
                Reason::Exempt(id, text) | Reason::Impossible(id, text) => Some(Statement {
                    id: id.into(),
                    text: text.into(),
                }),
            },
            example: Example {
                from: exact(connection.from),
                to: exact(connection.to),
                protocol: connection.protocol.word().into(),
                port: connection.port,
            },
            egress: self.trace(connection.from, &explanation.egress, egress.as_ref()),
            ingress: self.trace(connection.to, &explanation.ingress, ingress.as_ref()),
            help,
        }
    }

    fn uncertain(&self, open: &Open, row: &explain::Row) -> Statement {
        let world = self.world();
        let text = match open {
            Open::Address(rule) => {
                let connection = &row.explanation.connection;
                let whose = match rule.policy.direction {
                    Direction::Ingress => connection.from,
                    Direction::Egress => connection.to,
                };
                format!(
                    "denied unless the address of {}, which the input does not tell, lies in the \
                     block of {}",
                    short_name(world, whose),
                    self.rule_name(*rule)
                )
            }
            Open::Reading {
                allowed,
                default,
                other,
                ..
            } => {
                let (this, that) = if *allowed {
                    ("allowed", "denied")
                } else {
                    ("denied", "allowed")
                };
                format!("{this} if the engine {default}, {that} if it {other}")
            }
        };
        Statement {
            id: open.id().into(),
            text,
        }
    }

    /// Where it is decided: nothing to say where it is allowed.
    fn at(&self, row: &explain::Row) -> String {
        let world = self.world();
        let explanation = &row.explanation;
        let connection = &explanation.connection;
        if row.outcome() != Outcome::Denied || explanation.verdict.reason != Reason::Policies {
            return String::new();
        }
        let sides = [
            (
                connection.from,
                Direction::Egress,
                explanation.verdict.egress,
            ),
            (
                connection.to,
                Direction::Ingress,
                explanation.verdict.ingress,
            ),
        ];
        let denying = sides
            .iter()
            .filter(|(_, _, decision)| !decision.is_allowed())
            .map(|(party, direction, _)| {
                format!("{} of {}", direction.word(), short_name(world, *party))
            });
        let denying: Vec<_> = denying.collect();
        if denying.is_empty() {
            return String::new();
        }
        format!("at {}", denying.join(" and at "))
    }

    /// What decides a row, with the deciding line.
    fn because(&self, row: &explain::Row) -> (String, Option<crate::source::Span>) {
        let explanation = &row.explanation;
        if let Reason::Exempt(id, why) | Reason::Impossible(id, why) = explanation.verdict.reason {
            return (format!("{why} ({id})"), None);
        }
        let sides = [&explanation.egress, &explanation.ingress];
        let denying = sides.iter().find(|side| !side.decision.is_allowed());
        let ruling = || {
            sides
                .iter()
                .rev()
                .find(|side| side.decision.rule().is_some())
        };
        match denying.or_else(ruling) {
            Some(side) => {
                let span = match side.decision {
                    Decision::Rule { rule, .. } => Some(self.explainer.eval().ruleset[rule].span),
                    Decision::NoRule { isolated_by, .. } => Some(self.name_span(isolated_by)),
                    Decision::NotSubject | Decision::NotIsolated => None,
                };
                (self.decision(side), span)
            }
            None => ("no policy isolates either end (K-6)".into(), None),
        }
    }

    fn name_span(&self, policy: PolicyRef) -> crate::source::Span {
        let Origin::Kubernetes(id) = self.explainer.eval().ruleset[policy].origin;
        self.world()[id].name_span
    }

    fn policy_name(&self, policy: PolicyRef) -> String {
        let Origin::Kubernetes(id) = self.explainer.eval().ruleset[policy].origin;
        self.world().policy_name(id)
    }

    fn rule_name(&self, rule: RuleRef) -> String {
        format!(
            "NetworkPolicy {} {} rule {}",
            self.policy_name(rule.policy),
            rule.policy.direction.word(),
            rule.rule + 1
        )
    }

    /// A side's decision in a few words.
    fn decision(&self, side: &SideTrace) -> String {
        match side.decision {
            Decision::NotSubject => "no policy applies to it".into(),
            Decision::NotIsolated => format!("no policy isolates it for {}", side.direction.word()),
            Decision::Rule { rule, allowed } => {
                let verb = if allowed { "allows" } else { "denies" };
                format!("{} {verb} it", self.rule_name(rule))
            }
            Decision::NoRule { isolated_by, .. } => {
                let name = self.policy_name(isolated_by);
                match side.policies.len() {
                    0 | 1 => format!("NetworkPolicy {name} isolates it, and no rule matches"),
                    more => format!(
                        "{more} policies isolate it (NetworkPolicy {name} first), and no rule matches"
                    ),
                }
            }
        }
    }

    fn trace(&self, party: Party, side: &SideTrace, denial: Option<&Denial>) -> Trace {
        let eval = self.explainer.eval();
        let verdict = match side.decision {
            Decision::NotSubject => "none",
            Decision::NotIsolated => "open",
            decision if decision.is_allowed() => "allow",
            _ => "deny",
        };
        let because = match side.decision {
            Decision::NotSubject => self.not_subject(party),
            _ => self.decision(side),
        };
        let mut policies = Vec::new();
        let mut decided = false;
        for at in &side.policies {
            let policy = &eval.ruleset[*at];
            let steps = || side.steps.iter().filter(|step| step.rule.policy == *at);
            let matching = steps().find(|step| step.peer && step.traffic);
            let action = matching.map(|step| eval.ruleset[step.rule].action);
            let outcome = match action {
                Some(Action::Allow) => "allows",
                Some(Action::Deny) => "denies",
                Some(Action::Pass) => "passes",
                Some(Action::Log) | None if decided => "not-asked",
                Some(Action::Log) | None => "no-match",
            };
            decided |= matches!(action, Some(Action::Allow | Action::Deny));
            let misses = denial.map_or(&[][..], |denial| &denial.misses);
            let misses = misses.iter().filter(|miss| miss.rule.policy == *at);
            policies.push(PolicyTrace {
                tier: eval
                    .ruleset
                    .tiers(at.direction)
                    .get(at.tier)
                    .map_or("", |tier| tier.name)
                    .into(),
                kind: "NetworkPolicy".into(),
                name: self.policy_name(*at),
                location: location(self.sources, self.name_span(*at), ""),
                outcome: outcome.into(),
                rules: policy.rules.len(),
                rule: matching.map(|step| step.rule.rule + 1),
                rule_location: matching.map(|step| {
                    let span = eval.ruleset[step.rule].span;
                    location(self.sources, span, "")
                }),
                misses: misses
                    .take(MOST_MISSES)
                    .map(|miss| self.miss(miss))
                    .collect(),
            });
        }
        let nearly = denial.map_or(&[][..], |denial| &denial.nearly);
        Trace {
            party: short_name(self.world(), party),
            verdict: verdict.into(),
            because,
            policies,
            nearly: nearly
                .iter()
                .map(|nearly| Nearly {
                    name: self.world().policy_name(nearly.policy),
                    rule: nearly.rule + 1,
                    text: nearly.text.clone(),
                    location: location(self.sources, nearly.span, ""),
                })
                .collect(),
        }
    }

    fn not_subject(&self, party: Party) -> String {
        match party.resolve(self.world()) {
            Party::Endpoint(id) if self.world()[id].host_network.is_some() => {
                "on the host network, where no policy applies (K-71)".into()
            }
            Party::Endpoint(_) => "no policy is asked".into(),
            Party::Node(_) => "a node, to which no policy applies (K-17)".into(),
            Party::Address(_) => "outside the cluster, where no policy applies (K-17)".into(),
        }
    }

    fn miss(&self, miss: &explain::Miss) -> Miss {
        let rule = &self.explainer.eval().ruleset[miss.rule];
        let texts: Vec<_> = miss
            .faults
            .iter()
            .map(|fault| fault.text.as_str())
            .collect();
        let span = miss.faults.first().map_or(rule.span, |fault| fault.span);
        Miss {
            rule: miss.rule.rule + 1,
            text: texts.join("; it "),
            distance: miss.distance,
            location: location(self.sources, span, ""),
        }
    }

    /// The answer in one sentence.
    fn summary(&self, asked: &Asked<'_>, answer: &explain::Answer) -> String {
        let (from, to) = (&asked.from.text, &asked.to.text);
        let rows: Vec<_> = answer.rows().collect();
        if let [row] = rows.as_slice() {
            let verb = match row.outcome() {
                Outcome::Allowed => "can connect",
                Outcome::Denied => "cannot connect",
                Outcome::Uncertain => "may or may not connect",
            };
            let ports = words::ports_in_sentence(row);
            return format!("{from} {verb} to {to} on {ports}: {}", self.why(row));
        }
        match answer.cases.as_slice() {
            [case] => one_case(from, to, case),
            cases => many_cases(cases),
        }
    }

    /// Why one row is as it is, for the closing sentence.
    fn why(&self, row: &explain::Row) -> String {
        if let Some(open) = &row.open {
            let statement = self.uncertain(open, row);
            return format!("{} ({})", statement.text, statement.id);
        }
        let explanation = &row.explanation;
        if let Reason::Exempt(id, why) | Reason::Impossible(id, why) = explanation.verdict.reason {
            return format!("{why} ({id})");
        }
        let (egress, ingress) = (&explanation.egress, &explanation.ingress);
        match (egress.decision, ingress.decision) {
            (Decision::NotSubject, Decision::NotSubject) => {
                "no policy applies to either end (K-17)".into()
            }
            (a, b) if a.is_allowed() && b.is_allowed() => {
                match (a.rule().is_some(), b.rule().is_some()) {
                    (true, true) => "a rule on each side allows it".into(),
                    (true, false) => "an egress rule allows it, and no policy guards the \
                                      destination"
                        .into(),
                    (false, true) => {
                        "an ingress rule allows it, and no policy guards the source".into()
                    }
                    (false, false) => "no policy isolates either end (K-6)".into(),
                }
            }
            (a, b) if !a.is_allowed() && !b.is_allowed() => {
                "neither side allows it, and both must (K-16)".into()
            }
            (a, _) if !a.is_allowed() => "the egress side does not allow it".into(),
            _ => "the ingress side does not allow it".into(),
        }
    }
}

/// `of 5 pairs, 1 is allowed and 4 are denied`
fn many_cases(cases: &[explain::Case]) -> String {
    let number = |wanted| -> usize {
        let all = |case: &&explain::Case| case.rows.iter().all(|row| row.outcome() == wanted);
        cases.iter().filter(all).map(|case| case.pairs).sum()
    };
    let total: usize = cases.iter().map(|case| case.pairs).sum();
    let mut counted = vec![
        (number(Outcome::Allowed), "allowed"),
        (number(Outcome::Denied), "denied"),
        (number(Outcome::Uncertain), "uncertain"),
    ];
    let told: usize = counted.iter().map(|(number, _)| number).sum();
    counted.push((total.saturating_sub(told), "allowed in part"));
    let told: Vec<_> = counted
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| {
            let verb = if *number == 1 { "is" } else { "are" };
            format!("{number} {verb} {word}")
        })
        .collect();
    match told.as_slice() {
        told => format!("of {}, {}", count(total, "pair"), and(told)),
    }
}

/// `shop/web can connect to shop/db on 5432/tcp, and cannot on all other ports`
fn one_case(from: &str, to: &str, case: &explain::Case) -> String {
    let names = row_names(&case.rows);
    let of = |wanted| -> Vec<String> {
        let rows = case.rows.iter().zip(&names);
        let rows = rows.filter(|(row, _)| row.outcome() == wanted);
        rows.map(|(_, name)| name.clone()).collect()
    };
    let outcomes = [
        (of(Outcome::Allowed), "can connect", "can"),
        (of(Outcome::Denied), "cannot connect", "cannot"),
        (of(Outcome::Uncertain), "may or may not connect", "may or may not"),
    ];
    let told: Vec<_> = outcomes
        .iter()
        .filter(|(names, _, _)| !names.is_empty())
        .collect();
    let by_address = case.rows.iter().any(|row| !row.addresses.is_empty());
    let mut parts = Vec::new();
    for (number, (names, verb, short)) in told.iter().enumerate() {
        let names = and(names);
        let sources = by_address && matches!(case.from.first(), Some(explain::Unit::Addresses(_)));
        parts.push(match (number, by_address) {
            (_, true) if sources => format!("{names} {verb} to {to}"),
            (0, true) => format!("{from} {verb} to {names}"),
            (_, true) => format!("{short} to {names}"),
            (0, false) => format!("{from} {verb} to {to} on {names}"),
            (_, false) => format!("{short} on {names}"),
        });
    }
    parts.join("; ")
}

fn and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// How to make an uncertain answer certain.
fn settle(open: &Open) -> Help {
    let text = match open {
        Open::Address(_) => {
            "give Pod and Node objects with their addresses: kubectl get pods,nodes -A -o yaml".into()
        }
        Open::Reading { point, .. } => format!(
            "name the network engine with --engine, or set --switch {}=...",
            point.switch()
        ),
    };
    Help {
        text,
        location: None,
    }
}

fn expectation(allow: bool) -> String {
    if allow { "allow" } else { "deny" }.into()
}

/// The text that all have, or none.
fn same<'t>(mut texts: impl Iterator<Item = &'t String>) -> String {
    let Some(first) = texts.next() else {
        return String::new();
    };
    if texts.all(|other| other == first) {
        first.clone()
    } else {
        String::new()
    }
}
