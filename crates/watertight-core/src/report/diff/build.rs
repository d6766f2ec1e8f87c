//! From a difference to its report.

use std::collections::{BTreeMap, BTreeSet};

use super::counts::counts;
use super::findings::delta;
use super::icmp::about_icmp;
use super::verdict::{Facts, verdict};
use super::{
    DiffCause, DiffEdit, DiffExample, DiffExternal, DiffObject, DiffReport, DiffRow, DiffShift,
    DiffSide, DiffValue, ObservedChange,
};
use crate::analysis::diff::{
    Cause, Difference, Edit, Example, Judged, Level, OutsideChange, Shift, Shifted, What, Why,
    Written,
};
use crate::analysis::policies::PolicyCounts;
use crate::diag::Finding;
use crate::eval::reach::Outcome;
use crate::eval::{Connection, Verdict};
use crate::facts::metadata::Cloud;
use crate::manifest::Direction;
use crate::observed::{Matched, Observed};
use crate::parallel::both;
use crate::report::build::{assumptions, engine, evidence, finding, location, tool};
use crate::report::reach::{addresses, metadata_in, named, ports};
use crate::report::{API_VERSION, Assumption, Evidence, Location};
use crate::rules::Context;
use crate::source::{Sources, Span};

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct DiffInput<'d, 'e, 'w> {
    /// The files of both states.
    pub sources: &'d Sources,
    /// The state before, and what it was read from.
    pub old: (&'d Judged<'e, 'w>, &'d str),
    /// The state after, and what it was read from.
    pub new: (&'d Judged<'e, 'w>, &'d str),
    /// What differs.
    pub difference: &'d Difference,
    /// What could not be read.
    pub problems: &'d [&'d Finding],
    /// Whether everything could be read.
    pub complete: bool,
    /// Recorded flows in both states.
    pub flows: Option<Flows<'d>>,
    /// The findings of both states, if they are asked for.
    pub findings: Option<[&'d [Finding]; 2]>,
}

/// Recorded flows, as connections of each state.
#[derive(Clone, Copy, Debug)]
pub struct Flows<'d> {
    /// In the state before.
    pub old: &'d Matched,
    /// In the state after.
    pub new: &'d Matched,
}

/// Makes the report.
#[must_use]
pub fn diff_report(input: &DiffInput<'_, '_, '_>) -> DiffReport {
    let words = Words::new(input);
    let observed = words.observed();
    let (causes, findings) = both(
        || words.causes(),
        || {
            let findings = input.findings;
            findings.map(|[old, new]| delta(input.sources, old, new))
        },
    );
    let unaffecting = words.unaffecting();
    let icmp = about_icmp(input.difference, [input.old.0, input.new.0]);
    let mut counts = counts(input.difference, &causes, &observed, findings.as_ref());
    counts.icmp = icmp.len();
    let verdict = verdict(&Facts {
        complete: input.complete,
        counts: &counts,
        icmp: &icmp,
        differs: !input.difference.objects.is_empty()
            || !input.difference.namespaces.is_empty()
            || !input.difference.workloads.is_empty(),
        flows: input.flows.is_some(),
        causes: &causes,
    });
    let problems = input.problems.iter();
    DiffReport {
        api_version: API_VERSION.into(),
        kind: "DiffReport".into(),
        tool: tool(),
        old: side(input.old),
        new: side(input.new),
        complete: input.complete,
        problems: problems
            .map(|found| finding(input.sources, found))
            .collect(),
        assumptions: assumed(input),
        verdict,
        counts,
        observed,
        causes,
        unaffecting,
        findings,
    }
}

fn side((judged, source): (&Judged<'_, '_>, &str)) -> DiffSide {
    let world = judged.eval.world;
    let pods = world.endpoints.iter().filter(|endpoint| !endpoint.assumed);
    DiffSide {
        source: source.into(),
        engine: engine(judged.profile),
        namespaces: world.namespaces.len(),
        pods: pods.count(),
        policies: PolicyCounts::of(world).total(),
    }
}

fn assumed(input: &DiffInput<'_, '_, '_>) -> Vec<Assumption> {
    let mut found = assumptions(input.new.0.eval.world);
    found.push(Assumption {
        id: "K-61".into(),
        text: "ICMP has no ports and is not compared".into(),
    });
    found
}

/// The words of both states.
struct Words<'i, 'd, 'e, 'w> {
    input: &'i DiffInput<'d, 'e, 'w>,
    old: Context<'i>,
    new: Context<'i>,
}

impl<'i, 'd, 'e, 'w> Words<'i, 'd, 'e, 'w>
where
    'd: 'i,
    'e: 'i,
    'w: 'i,
{
    fn new(input: &'i DiffInput<'d, 'e, 'w>) -> Self {
        let context = |judged: &'i Judged<'e, 'w>| {
            Context::new(input.sources, judged.eval, judged.profile, Cloud::ALL)
        };
        Self {
            old: context(input.old.0),
            new: context(input.new.0),
            input,
        }
    }

    fn place(&self, span: Option<Span>) -> Option<Location> {
        span.map(|span| location(self.input.sources, span, ""))
    }

    fn judged(
        &self,
        context: &Context<'_>,
        (connection, verdict): &(Connection, Verdict),
    ) -> Evidence {
        let mut found = evidence(self.input.sources, &context.word(connection, verdict));
        if Outcome::of(verdict) == Outcome::Uncertain {
            found.verdict = "uncertain".into();
        }
        found
    }

    fn example(&self, example: &Example) -> DiffExample {
        DiffExample {
            old: example
                .old
                .as_ref()
                .map(|found| self.judged(&self.old, found)),
            new: example
                .new
                .as_ref()
                .map(|found| self.judged(&self.new, found)),
        }
    }

    /// Flows that are judged otherwise, the worst first.
    fn observed(&self) -> Vec<ObservedChange> {
        let Some(flows) = &self.input.flows else {
            return Vec::new();
        };
        let before: BTreeMap<Key<'_>, &Observed> = flows
            .old
            .connections
            .iter()
            .map(|seen| (key(seen), seen))
            .collect();
        let mut found = Vec::new();
        let there: BTreeSet<Key<'_>> = flows.new.connections.iter().map(key).collect();
        for seen in flows.new.connections.iter().filter(|seen| !seen.refused) {
            let Some(was) = before.get(&key(seen)) else {
                continue;
            };
            let (old, new) = (best(self.input.old.0, was), best(self.input.new.0, seen));
            let outcomes = (Outcome::of(&old.1), Outcome::of(&new.1));
            let change = match outcomes {
                (a, b) if a == b => continue,
                (_, Outcome::Denied) => "cut",
                (Outcome::Denied, Outcome::Allowed) => "opened",
                _ => "uncertain",
            };
            let (old, new) = (self.judged(&self.old, &old), self.judged(&self.new, &new));
            found.push(self.change(change, seen, old, new));
        }
        found.extend(self.gone(flows, &there));
        let rank = |change: &ObservedChange| match &*change.change {
            "cut" => 0,
            "uncertain" => 1,
            _ => 2,
        };
        found.sort_by(|a, b| {
            let order = |of: &ObservedChange| (rank(of), std::cmp::Reverse(of.times));
            order(a)
                .cmp(&order(b))
                .then_with(|| (&a.from, &a.to, a.port).cmp(&(&b.from, &b.to, b.port)))
        });
        found
    }

    /// Flows that were allowed between ends of which one is not there any more.
    fn gone(&self, flows: &Flows<'_>, there: &BTreeSet<Key<'_>>) -> Vec<ObservedChange> {
        let seen = flows.old.connections.iter();
        let gone = seen.filter(|seen| !seen.refused && !there.contains(&key(seen)));
        let changes = gone.filter_map(|seen| {
            let old = best(self.input.old.0, seen);
            if Outcome::of(&old.1) == Outcome::Denied {
                return None;
            }
            let old = self.judged(&self.old, &old);
            let new = Evidence {
                address: None,
                verdict: "deny".into(),
                because: "one of them is not there any more".into(),
                by: None,
                ..old.clone()
            };
            Some(self.change("cut", seen, old, new))
        });
        changes.collect()
    }

    fn change(
        &self,
        change: &str,
        seen: &Observed,
        old: Evidence,
        new: Evidence,
    ) -> ObservedChange {
        ObservedChange {
            change: change.into(),
            from: seen.from.clone(),
            to: seen.to.clone(),
            protocol: seen.connection.protocol.word().into(),
            port: seen.connection.port,
            times: seen.times,
            seen: location(self.input.sources, seen.span, ""),
            old,
            new,
        }
    }

    fn causes(&self) -> Vec<DiffCause> {
        let difference = self.input.difference;
        let mut found: BTreeMap<Vec<Cause>, Vec<DiffRow>> = BTreeMap::new();
        for (change, why) in &difference.pairs {
            let ends = (self.names(&change.from), self.names(&change.to));
            let pairs = change.from.len().saturating_mul(change.to.len());
            let units = change.from.iter().chain(&change.to);
            let mut row = self.row(ends, &change.change, why, pairs);
            row.new_or_gone = units.copied().any(|unit| self.is_new_or_gone(unit));
            found.entry(why.causes.clone()).or_default().push(row);
        }
        for (change, why) in &difference.outside {
            let (units, world) = (self.names(&change.units), vec!["world".to_owned()]);
            let ends = match change.direction {
                Direction::Egress => (units, world),
                Direction::Ingress => (world, units),
            };
            let mut row = self.row(ends, &change.change, why, change.units.len());
            row.external = Some(external(change));
            let mut units = change.units.iter().copied();
            row.new_or_gone = units.any(|unit| self.is_new_or_gone(unit));
            found.entry(why.causes.clone()).or_default().push(row);
        }
        let mut causes: Vec<(_, DiffCause)> = found
            .into_iter()
            .map(|(causes, rows)| {
                let objects: Vec<DiffObject> = causes
                    .iter()
                    .filter_map(|cause| self.object(*cause))
                    .collect();
                let rank = match causes.first() {
                    Some(Cause::Object(_)) => 0,
                    Some(Cause::Namespace(_)) => 1,
                    Some(Cause::Unit(_)) => 2,
                    Some(Cause::Other) | None => 3,
                };
                let place = objects.first().and_then(|object| {
                    let place = object.new.as_ref().or(object.old.as_ref())?;
                    Some((place.path.clone(), place.line))
                });
                ((rank, place, causes), DiffCause { objects, rows })
            })
            .collect();
        causes.sort_by(|(a, _), (b, _)| a.cmp(b));
        causes.into_iter().map(|(_, cause)| cause).collect()
    }

    fn names(&self, units: &[u32]) -> Vec<String> {
        let of = &self.input.difference.units;
        let units = units.iter().filter_map(|unit| of.get(*unit as usize));
        units.map(|unit| unit.name.clone()).collect()
    }

    fn is_new_or_gone(&self, unit: u32) -> bool {
        let unit = self.input.difference.units.get(unit as usize);
        unit.is_some_and(|unit| !unit.in_old || !unit.in_new)
    }

    fn row(
        &self,
        (from, to): (Vec<String>, Vec<String>),
        change: &Shifted,
        why: &Why,
        pairs: usize,
    ) -> DiffRow {
        let six = |of: &crate::analysis::diff::Ports| of.ipv6.as_deref().map(ports);
        DiffRow {
            change: word(change).into(),
            widens: change.widens(),
            narrows: change.narrows(),
            from,
            to,
            external: None,
            before: ports(&change.before.ports),
            after: ports(&change.after.ports),
            before_ipv6: six(&change.before),
            after_ipv6: six(&change.after),
            shifts: shifts(&change.shifts),
            pairs,
            new_or_gone: false,
            example: why.example.as_ref().map(|example| self.example(example)),
        }
    }

    fn object(&self, cause: Cause) -> Option<DiffObject> {
        let difference = self.input.difference;
        match cause {
            Cause::Object(at) => {
                let object = difference.objects.get(at)?;
                Some(DiffObject {
                    change: what(object.what).into(),
                    kind: object.kind.into(),
                    namespace: object.namespace.as_deref().map(Into::into),
                    name: object.name.to_string(),
                    old: self.place(object.old),
                    new: self.place(object.new),
                    edits: object.edits.iter().map(|edit| self.edit(edit)).collect(),
                    notes: Vec::new(),
                })
            }
            Cause::Namespace(at) => {
                let namespace = difference.namespaces.get(at)?;
                Some(DiffObject {
                    change: "edited".into(),
                    kind: "Namespace".into(),
                    namespace: None,
                    name: namespace.name.to_string(),
                    old: self.place(namespace.old),
                    new: self.place(namespace.new),
                    edits: Vec::new(),
                    notes: namespace.notes.clone(),
                })
            }
            Cause::Unit(at) => {
                let workload = difference.workloads.get(at)?;
                let unit = difference.units.get(workload.unit as usize)?;
                let (kind, namespace, name) = spelled(&unit.name);
                Some(DiffObject {
                    change: what(workload.what).into(),
                    kind,
                    namespace,
                    name,
                    old: self.place(workload.old),
                    new: self.place(workload.new),
                    edits: Vec::new(),
                    notes: workload.notes.clone(),
                })
            }
            Cause::Other => None,
        }
    }

    fn edit(&self, edit: &Edit) -> DiffEdit {
        let value = |of: &Option<Written>| {
            of.as_ref().map(|written| DiffValue {
                text: written.text.clone(),
                place: location(self.input.sources, written.span, ""),
            })
        };
        DiffEdit {
            path: edit.path.clone(),
            old: value(&edit.old),
            new: value(&edit.new),
        }
    }

    /// Policies and namespaces that no row names.
    fn unaffecting(&self) -> Vec<DiffObject> {
        let difference = self.input.difference;
        let pairs = difference.pairs.iter().map(|(_, why)| why);
        let outside = difference.outside.iter().map(|(_, why)| why);
        let named: BTreeSet<Cause> = pairs
            .chain(outside)
            .flat_map(|why| why.causes.iter().copied())
            .collect();
        let objects = (0..difference.objects.len()).map(Cause::Object);
        let namespaces = (0..difference.namespaces.len()).map(Cause::Namespace);
        objects
            .chain(namespaces)
            .filter(|cause| !named.contains(cause))
            .filter_map(|cause| self.object(cause))
            .collect()
    }
}

/// What tells a flow from others: the line that tells of it first, the ends, the port.
type Key<'k> = (Span, &'k str, &'k str, &'static str, Option<u16>);

fn key(seen: &Observed) -> Key<'_> {
    let connection = &seen.connection;
    let protocol = connection.protocol.word();
    (seen.span, &seen.from, &seen.to, protocol, connection.port)
}

/// The better of two spellings of one connection: by name and by address.
fn best(judged: &Judged<'_, '_>, seen: &Observed) -> (Connection, Verdict) {
    let judge = |connection: &Connection| (*connection, judged.eval.verdict(connection));
    let first = judge(&seen.connection);
    match seen.otherwise.as_ref().map(judge) {
        Some(other) if Outcome::of(&other.1) > Outcome::of(&first.1) => other,
        _ => first,
    }
}

/// Kind, namespace and name of the spelling of a unit.
fn spelled(name: &str) -> (String, Option<String>, String) {
    let parts: Vec<&str> = name.split('/').collect();
    match *parts {
        [namespace, kind, name] => (kind.into(), Some(namespace.into()), name.into()),
        _ => match name.split_once(':') {
            Some(("ns", name)) => ("Namespace".into(), None, name.into()),
            Some((_, name)) => ("Node".into(), None, name.into()),
            None => ("Node".into(), None, name.into()),
        },
    }
}

fn what(what: What) -> &'static str {
    match what {
        What::Added => "added",
        What::Removed => "removed",
        What::Edited => "edited",
    }
}

fn word(change: &Shifted) -> &'static str {
    let nothing = |of: &crate::analysis::diff::Ports| of.ports.is_empty() && of.ipv6.is_none();
    if change.is_uncertain() {
        "uncertain"
    } else if nothing(&change.before) {
        "gained"
    } else if nothing(&change.after) {
        "lost"
    } else {
        "ports"
    }
}

fn level(level: Level) -> String {
    match level {
        Level::Denied => "deny",
        Level::Uncertain => "uncertain",
        Level::Requests => "requests",
        Level::Allowed => "allow",
    }
    .into()
}

fn shifts(shifts: &[Shift]) -> Vec<DiffShift> {
    let one = |shift: &Shift, protocol: &str| DiffShift {
        protocol: protocol.into(),
        first: shift.first,
        last: shift.last,
        old: level(shift.before),
        new: level(shift.after),
        widens: shift.widens,
        narrows: shift.narrows,
    };
    // The same on every port of every protocol is said once.
    if let [first, second, third] = shifts
        && [first, second, third].iter().all(|shift| {
            (shift.first, shift.last) == (1, u16::MAX)
                && (shift.before, shift.after) == (first.before, first.after)
                && (shift.widens, shift.narrows) == (first.widens, first.narrows)
        })
        && first.protocol != second.protocol
        && second.protocol != third.protocol
    {
        return vec![one(first, "any")];
    }
    let word = |shift: &Shift| one(shift, shift.protocol.word());
    shifts.iter().map(word).collect()
}

fn external(change: &OutsideChange) -> DiffExternal {
    DiffExternal {
        addresses: addresses(&change.v4, &change.v6),
        names: named(&change.v4, &change.v6),
        metadata: match change.direction {
            Direction::Egress => metadata_in(&change.v4, &change.v6),
            Direction::Ingress => Vec::new(),
        },
        domains: change
            .names
            .iter()
            .map(|name| format!("fqdn:{name}"))
            .collect(),
    }
}
