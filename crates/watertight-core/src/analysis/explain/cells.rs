//! Connections that were judged, and what makes two of them one row: the same answer, decided by the
//! same rules.

use std::hash::BuildHasher as _;

use rustc_hash::FxBuildHasher;

use super::addresses::{self, Range};
use super::conditions;
use super::ports::{Asked, Span};
use crate::analysis::readings::{Judged, Open};
use crate::eval::{Connection, Decision, Evaluator, Family, Judged as Side, Reason, Verdict};
use crate::manifest::Direction;
use crate::policy::{PolicyRef, RuleRef};

/// Who decides: rows and cases with the same deciders are shown as one.
type Decider = (u8, Option<PolicyRef>, Option<RuleRef>);
pub(super) type Key = (
    bool,
    Option<&'static str>,
    Decider,
    Decider,
    Option<&'static str>,
    u64,
);

fn decider(side: &Side) -> Decider {
    match &side.decision {
        Decision::NotSubject => (0, None, None),
        Decision::NotIsolated => (1, None, None),
        Decision::Rule { rule, allowed } => (2 + u8::from(*allowed), None, Some(*rule)),
        Decision::NoRule { isolated_by } => {
            let maybe = side.maybe.map(|maybe| maybe.rule);
            (4, Some(*isolated_by), maybe)
        }
    }
}

pub(super) fn key(eval: &Evaluator<'_>, connection: &Connection, judged: &Judged) -> Key {
    let verdict = &judged.verdict;
    let reason = match verdict.reason {
        Reason::Policies => None,
        Reason::Exempt(id, _) | Reason::Impossible(id, _) | Reason::Blocked(id, _) => Some(id),
        Reason::Routed => Some("C-69"),
    };
    let open = judged.open.as_ref().map(Open::id);
    let side = |side: &Side| {
        // Where one side denies, it is all the same which rule of the other one would allow.
        let beside = !verdict.allowed && open.is_none() && side.is_allowed();
        if beside {
            (9, None, None)
        } else {
            decider(side)
        }
    };
    let (egress, ingress) = (side(&verdict.sides[0]), side(&verdict.sides[1]));
    let requests = requests(eval, connection, verdict);
    (verdict.allowed, reason, egress, ingress, open, requests)
}

/// A number for what requests are let through, 0 where all are.
fn requests(eval: &Evaluator<'_>, connection: &Connection, verdict: &Verdict) -> u64 {
    let sides = [
        (Direction::Egress, verdict.egress),
        (Direction::Ingress, verdict.ingress),
    ];
    let conditions =
        sides.map(|(direction, decision)| conditions(eval, direction, decision, connection));
    match conditions.iter().all(Vec::is_empty) {
        true => 0,
        false => FxBuildHasher.hash_one(conditions),
    }
}

/// One connection that was judged, and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) asked: Asked,
    pub(super) family: Option<Family>,
    pub(super) key: Key,
    pub(super) connection: Connection,
    pub(super) open: Option<Open>,
}

/// A row before its explanation, which only those that are kept get.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) ports: Vec<Asked>,
    pub(super) addresses: Vec<Range>,
    pub(super) cell: Cell,
}

/// What makes two pairs one case.
pub(super) type CaseKey = Vec<(Vec<Asked>, Vec<Range>, Option<Family>, Key)>;

/// Joins what the same rules decide.
pub(super) fn drafts(atoms: Vec<(Vec<Range>, Vec<Cell>)>) -> Vec<Draft> {
    let mut rows = Vec::new();
    for (mut ranges, cells) in atoms {
        addresses::join(&mut ranges);
        let mut joined: Vec<(Vec<Asked>, Cell)> = Vec::new();
        let mut before: Option<(Span, Key)> = None;
        for mut cell in cells {
            // What policies deny on the ports around needs no reason of its own.
            let span = cell.asked.span;
            if let (Some("C-73"), Some((around, key @ (false, ..)))) = (cell.key.1, before)
                && around.protocol == span.protocol
                && around.last.checked_add(1) == Some(span.first)
            {
                cell.key = key;
            }
            before = Some((span, cell.key));
            let same = |(_, known): &&mut (Vec<Asked>, Cell)| {
                (known.key, known.family) == (cell.key, cell.family)
            };
            match joined.iter_mut().find(same) {
                Some((asked, _)) => asked.push(cell.asked),
                None => joined.push((vec![cell.asked], cell)),
            }
        }
        rows.extend(joined.into_iter().map(|(mut ports, cell)| {
            join_ports(&mut ports);
            Draft {
                ports,
                addresses: ranges.clone(),
                cell,
            }
        }));
    }
    // What is special comes before "all other".
    rows.sort_by_key(Draft::size);
    rows
}

impl Draft {
    /// How much it is about: addresses, then ports.
    fn size(&self) -> (u128, u32) {
        let addresses = self.addresses.iter();
        let ports = self.ports.iter().map(|asked| asked.span);
        (
            addresses.fold(0, |sum, range| range.extent().saturating_add(sum)),
            ports.map(|span| u32::from(span.last - span.first)).sum(),
        )
    }
}

/// Joins port ranges that touch.
fn join_ports(asked: &mut Vec<Asked>) {
    let mut joined: Vec<Asked> = Vec::new();
    for one in asked.drain(..) {
        match joined.last_mut() {
            Some(last)
                if last.span.protocol == one.span.protocol
                    && (last.service_port, last.dialled) == (one.service_port, one.dialled)
                    && last.span.last.checked_add(1) == Some(one.span.first) =>
            {
                last.span.last = one.span.last;
            }
            _ => joined.push(one),
        }
    }
    *asked = joined;
}
