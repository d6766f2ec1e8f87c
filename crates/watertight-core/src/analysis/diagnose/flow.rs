//! The connections that a flow stands for: one of each that policies tell apart, so that what is said of
//! all of them was judged for all of them.

use std::collections::BTreeMap;

use super::Given;
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
