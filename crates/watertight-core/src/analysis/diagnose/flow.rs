//! The connections that a flow stands for: one of each that policies tell apart, so that what is said of
//! all of them was judged for all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::steps::{add, step};
use super::{Case, Given, Item, Step, StepState};
use crate::analysis::explain::{Explainer, Outcome, Row};
use crate::analysis::parties::{PortQuery, Selection, What};
use crate::analysis::readings::{Open, Readings};
use crate::engine::Profile;
use crate::eval::{Connection, Decision, Evaluator, Reason, Verdict};
use crate::sets::Protocol;
use crate::world::{EndpointId, World};

/// A connection that stands for all that the same rules decide in the same way.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) connection: Connection,
    pub(super) verdict: Verdict,
    pub(super) outcome: Outcome,
    /// The statement that an uncertain outcome rests on.
    pub(super) open: Option<&'static str>,
}

impl Judged {
    fn new(row: &Row) -> Self {
        Self {
            connection: row.explanation.connection,
            verdict: row.explanation.verdict,
            outcome: row.outcome(),
            open: row.open.as_ref().map(Open::id),
        }
    }

    /// Whether policies of an end isolate it.
    pub(super) fn is_isolated(&self) -> bool {
        let sides = [self.verdict.egress, self.verdict.ingress];
        let by_policy =
            |side: &Decision| matches!(side, Decision::Rule { .. } | Decision::NoRule { .. });
        sides.iter().any(by_policy)
    }
}

/// Judges a flow; fails with a sentence if there is no such connection.
pub(super) fn judge(
    given: &Given<'_>,
    eval: &Evaluator<'_>,
    profile: &Profile,
    (from, to): (&Selection, &Selection),
    ports: &[PortQuery],
) -> Result<Vec<Judged>, String> {
    let world = eval.world;
    let readings = Readings::new(world, eval.ruleset, profile, given.pinned).with_unread(profile);
    let explainer = Explainer::new(eval, &readings);
    let from = as_source(world, from);
    let (mut judged, mut refused) = (Vec::new(), None);
    for (to, ports) in questions(world, to, ports) {
        match explainer.answer(&from, &to, &ports) {
            Ok(answer) => judged.extend(answer.rows().map(Judged::new)),
            Err(refusal) => refused = refused.or(Some(refusal.message)),
        }
    }
    let mut impossible = None;
    judged.retain(|one| match one.verdict.reason {
        Reason::Impossible(id, why) => {
            impossible = Some(format!("there is no such connection: {why} ({id})"));
            false
        }
        _ => true,
    });
    match (judged.is_empty(), refused.or(impossible)) {
        (true, Some(why)) => Err(why),
        (true, None) => Err("there is no such connection".to_owned()),
        (false, _) => Ok(judged),
    }
}

/// The pods behind a Service where it has to connect: it opens no connections itself.
fn as_source(world: &World, selection: &Selection) -> Selection {
    let what = match &selection.what {
        What::Service(service) => match world.selected_by(*service) {
            pods if pods.is_empty() => selection.what.clone(),
            pods => What::Endpoints(pods),
        },
        what => what.clone(),
    };
    Selection {
        text: selection.text.clone(),
        what,
    }
}

/// Where nobody names a port, the ones that pods declare, pods with the same ones at once.
fn questions(
    world: &World,
    to: &Selection,
    ports: &[PortQuery],
) -> Vec<(Selection, Vec<PortQuery>)> {
    let pods = match &to.what {
        What::Endpoints(pods) if ports.is_empty() => pods,
        // A Service knows its ports itself.
        What::Service(_) => return vec![(to.clone(), ports.to_vec())],
        _ if ports.is_empty() => return vec![(to.clone(), vec![one(Protocol::Tcp, 443)])],
        _ => return vec![(to.clone(), ports.to_vec())],
    };
    let mut by_ports: BTreeMap<Vec<(Protocol, u16)>, Vec<EndpointId>> = BTreeMap::new();
    for id in pods {
        let declared = world[*id].ports.iter();
        let mut declared: Vec<_> = declared.map(|port| (port.protocol, port.number)).collect();
        declared.sort_unstable();
        declared.dedup();
        if declared.is_empty() {
            declared.push((Protocol::Tcp, 80));
        }
        by_ports.entry(declared).or_default().push(*id);
    }
    let questions = by_ports.into_iter().map(|(declared, pods)| {
        let to = Selection {
            text: to.text.clone(),
            what: What::Endpoints(pods),
        };
        let ports = declared
            .into_iter()
            .map(|(protocol, port)| one(protocol, port));
        (to, ports.collect())
    });
    questions.collect()
}

fn one(protocol: Protocol, port: u16) -> PortQuery {
    PortQuery::Range {
        protocol,
        first: port,
        last: port,
    }
}

/// Step 2 for a flow: who isolates which end, and what the policies make of it.
pub(super) fn isolation(
    case: &Case<'_>,
    name: &'static str,
    question: &'static str,
    missing: Vec<Item>,
) -> Step {
    let judged = match &case.connections {
        Ok(judged) => judged,
        Err(why) => {
            return Step {
                name,
                question,
                state: StepState::Unknown,
                summary: why.clone(),
                items: Vec::new(),
                more: 0,
            };
        }
    };
    let (mut items, mut told) = (Vec::new(), BTreeSet::new());
    let mut missing = missing;
    for one in judged {
        // Told by the kinds that were not read.
        if one.open == Some("M-8") {
            continue;
        }
        let evidence = case.context.word(&one.connection, &one.verdict);
        // One connection for each reason is enough.
        if !told.insert((one.outcome, evidence.because.clone())) {
            continue;
        }
        let text = match (one.outcome, one.open) {
            (Outcome::Uncertain, Some(id)) => format!("not certain ({id}): {}", evidence.because),
            (Outcome::Allowed, _) => format!("allowed: {}", evidence.because),
            _ => format!("denied: {}", evidence.because),
        };
        let mut item = Item::of(text).at(evidence.by);
        item.is_cause = one.outcome != Outcome::Denied;
        item.connections.push(evidence);
        item = match one.outcome {
            Outcome::Denied => item,
            Outcome::Uncertain => item.advice("`watertight explain` says what it depends on"),
            Outcome::Allowed if one.is_isolated() => item.advice("if it is not meant to be allowed, narrow the rule that lets it in; `watertight explain` shows every step"),
            Outcome::Allowed if matches!(one.verdict.reason, Reason::Exempt(..)) => item,
            Outcome::Allowed => item.advice("write a policy that isolates the destination for ingress, or the source for egress"),
        };
        match one.outcome {
            Outcome::Uncertain => missing.push(item),
            _ => items.push(item),
        }
    }
    let unread = case.missing_policies();
    if !unread.is_empty() {
        // One of those may deny it, or allow it.
        items.iter_mut().for_each(|item| item.is_cause = false);
        add(&mut missing, unread);
    }
    let any = |outcome| judged.iter().any(|one| one.outcome == outcome);
    step(name, question, items, missing, |_, _| {
        let exempt = judged.iter().find_map(|one| match one.verdict.reason {
            Reason::Exempt(id, why) => Some(format!("no policy is asked: {why} ({id})")),
            _ => None,
        });
        let isolated = judged.iter().any(Judged::is_isolated);
        match (any(Outcome::Allowed), any(Outcome::Denied), exempt) {
            (false, ..) => "policies deny it, if they are enforced".to_owned(),
            (true, true, _) => "policies allow a part of it, and deny the rest".to_owned(),
            (true, false, Some(exempt)) if !isolated => exempt,
            (true, false, _) if !isolated => {
                "no policy isolates either end of it in that direction".to_owned()
            }
            (true, false, _) => {
                "policies isolate an end of it, and a rule lets this connection through".to_owned()
            }
        }
    })
}
