//! From an answer to its report: the trace of every row in words.

use super::sentence;
use super::words::{self, row_names};
use super::{
    API_VERSION, Answer, Case, Example, ExplainReport, ExplainSummary, Help, Problem, Row, Side,
    Statement,
};
use crate::analysis::explain::{self, Explainer, Outcome, short_name};
use crate::analysis::parties::{PortQuery, Selection, spell};
use crate::analysis::readings::Open;
use crate::diag::Finding;
use crate::engine::Profile;
use crate::eval::{Connection, Party, Reason};
use crate::manifest::Direction;
use crate::report::build::{assumptions, engine, finding, location, tool};
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
    pub(super) sources: &'a Sources,
    profile: &'a Profile,
    pub(super) explainer: &'a Explainer<'a>,
    expected: Option<bool>,
    answers: Vec<Answer>,
}

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

    pub(super) fn world(&self) -> &'a World {
        self.explainer.eval().world
    }

    /// Adds a question without an answer.
    pub fn fail(&mut self, given: &str, line: Option<usize>, problem: Problem) {
        self.answers.push(Answer {
            flow: given.trim().to_owned(),
            line,
            verdict: None,
            at: String::new(),
            conditions: Vec::new(),
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
        let outcome = answer.outcome();
        let verdict = outcome.map_or("partial", words::verdict);
        let cases = answer.cases.iter().map(|case| self.case(asked, case));
        let cases: Vec<Case> = cases.collect();
        let at = match (outcome, cases.as_slice()) {
            (Some(_), [case]) => match case.rows.as_slice() {
                [row] => row.at.clone(),
                rows => same(rows.iter().map(|row| &row.at)),
            },
            (Some(_), cases) => same(cases.iter().flat_map(|c| &c.rows).map(|row| &row.at)),
            (None, _) => String::new(),
        };
        let mut of_rows = cases
            .iter()
            .flat_map(|case| &case.rows)
            .map(|row| &row.conditions);
        let first = of_rows.next().cloned().unwrap_or_default();
        let conditions = match of_rows.all(|other| *other == first) {
            true => first,
            false => Vec::new(),
        };
        let mut notes = answer.notes.clone();
        notes.extend(self.name_notes(answer));
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
            conditions,
            summary: self.summary(asked, answer),
            expected: expected.map(expectation),
            met: expected.map(|allow| outcome == Some(wanted(allow))),
            cases,
            notes,
            error: None,
        });
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

    fn case(&self, asked: &Asked<'_>, case: &explain::Case) -> Case {
        let world = self.world();
        let side = |units: &[explain::Unit], selection: &Selection| {
            let members = words::members(world, units);
            let name = if members.members.is_empty() {
                // Addresses are called as they were asked about.
                selection.text.clone()
            } else {
                members.name
            };
            Side {
                name,
                members: members.members,
                pods: members.pods,
            }
        };
        let names = row_names(&case.rows);
        let (from, to) = (side(&case.from, asked.from), side(&case.to, asked.to));
        let rows = names.into_iter().zip(&case.rows).map(|(name, row)| {
            let mut told = self.row(name, row);
            told.at = self.at(row, &from, &to);
            for (trace, side) in [(&mut told.egress, &from), (&mut told.ingress, &to)] {
                if side.members.is_empty() {
                    trace.party.clone_from(&side.name);
                }
            }
            for (trace, other, party) in [
                (&mut told.egress, &to, row.explanation.connection.to),
                (&mut told.ingress, &from, row.explanation.connection.from),
            ] {
                let misses = trace
                    .policies
                    .iter_mut()
                    .flat_map(|policy| &mut policy.misses);
                for miss in misses.filter(|_| other.members.is_empty()) {
                    let example = short_name(world, party);
                    miss.text = miss.text.replace(&example, &other.name);
                }
            }
            told
        });
        Case {
            rows: rows.collect(),
            from,
            to,
            pairs: case.pairs,
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
            // An example out of a range is nothing to open.
            .filter(|_| row.outcome() == Outcome::Denied && row.addresses.is_empty())
            .map(|advice| Help {
                text: advice.text.clone(),
                location: advice.span.map(|span| location(self.sources, span, "")),
            });
        let help = advice
            .chain(row.open.as_ref().map(|open| settle(open, connection)))
            .collect();
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
            at: String::new(),
            because,
            by: by.map(|span| location(self.sources, span, "")),
            conditions: self.conditions(row),
            uncertain: row.open.as_ref().map(|open| self.uncertain(open, row)),
            exempt: match verdict.reason {
                Reason::Policies | Reason::Routed | Reason::Blocked(..) => None,
                Reason::Exempt(id, text) | Reason::Impossible(id, text) => Some(Statement {
                    id: id.into(),
                    text: text.into(),
                }),
            },
            blocked: match verdict.reason {
                Reason::Blocked(id, text) => Some(Statement {
                    id: id.into(),
                    text: text.into(),
                }),
                Reason::Routed => Some(Statement {
                    id: "C-67".into(),
                    text: "policies about the node through which it enters refuse it".into(),
                }),
                _ => None,
            },
            example: Example {
                from: exact(connection.from),
                to: exact(connection.to),
                protocol: connection.protocol.word().into(),
                port: connection.port,
            },
            egress: self.trace(
                connection.from,
                explanation,
                &explanation.egress,
                egress.as_ref(),
            ),
            ingress: self.trace(
                connection.to,
                explanation,
                &explanation.ingress,
                ingress.as_ref(),
            ),
            help,
        }
    }

    pub(super) fn uncertain(&self, open: &Open, row: &explain::Row) -> Statement {
        let world = self.world();
        let text = match open {
            Open::Address(rule) => {
                let connection = &row.explanation.connection;
                let whose = match rule.policy.direction {
                    Direction::Ingress => connection.from,
                    Direction::Egress => connection.to,
                };
                format!(
                    "{} unless the address of {}, which the input does not tell, lies in the \
                     block of {}",
                    if row.explanation.verdict.allowed {
                        "allowed"
                    } else {
                        "denied"
                    },
                    short_name(world, whose),
                    self.rule_name(*rule)
                )
            }
            Open::Rule { id, rule } => self.undecided(id, *rule, row),
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
            Open::Unread(kind) => {
                let this = match row.explanation.verdict.allowed {
                    true => "allowed",
                    false => "denied",
                };
                format!("{this} by what was read, and {kind} could not be listed")
            }
        };
        Statement {
            id: open.id().into(),
            text,
        }
    }

    /// The answer in one sentence.
    fn summary(&self, asked: &Asked<'_>, answer: &explain::Answer) -> String {
        let (from, to) = (&asked.from.text, &asked.to.text);
        let rows: Vec<_> = answer.rows().collect();
        match (rows.as_slice(), answer.cases.as_slice()) {
            ([row], _) => sentence::one_row(from, to, row, &self.why(row)),
            (_, [case]) => sentence::one_case(from, to, case),
            (_, cases) => sentence::many_cases(cases),
        }
    }
}

/// How to make an uncertain answer certain.
fn settle(open: &Open, connection: &Connection) -> Help {
    let text = match open {
        Open::Address(_) if matches!(connection.to, Party::Name(_)) => {
            "ask about an address that the name resolves to".into()
        }
        Open::Address(_) => {
            "give Pod and Node objects with their addresses: kubectl get pods,nodes -A -o yaml"
                .into()
        }
        Open::Rule { id: "C-47", .. } => {
            "leave the source ports out of that rule, or keep in mind which ports clients use"
                .into()
        }
        Open::Rule { id: "A-12", .. } => "give the two policies priorities of their own".into(),
        Open::Rule { .. } => {
            "give Pod objects that name their nodes: kubectl get pods -A -o yaml".into()
        }
        Open::Reading { point, .. } => format!(
            "name the network engine with --engine, or set --switch {}=...",
            point.switch()
        ),
        Open::Unread(kind) => format!("allow `list` of {kind}, and read the cluster again"),
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
