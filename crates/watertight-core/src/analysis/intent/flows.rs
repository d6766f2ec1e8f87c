//! Statements on a map: source by source, each pair of units once for every statement about it.

use super::PortRange;
use super::check::{Broken, Checker, Outcome, Shown};
use super::ends::{Set, Table};
use super::exact::Exact;
use super::outside;
use super::ports::{first_not_allowed, first_not_denied};
use super::whom::Ends;
use crate::analysis::map::{Answer, Connection, Kept, SourceRow, Span};
use crate::analysis::parties::{PortQuery, Selection};
use crate::eval::reach::{Outcome as Verdict, RowId};
use crate::eval::{Connection as Flow, Party, Reason};
use crate::manifest::Direction;
use crate::sets::Protocol;
use crate::world::NodeId;

/// What must be true of every pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It is allowed on all ports in question.
    Allow,
    /// It is denied on all of them.
    Deny,
    /// The same, but for what no policy can deny.
    Only(Direction),
}

/// A statement on a map.
pub(super) struct Task {
    /// Which one.
    pub(super) statement: usize,
    pub(super) ranges: Vec<PortRange>,
    pub(super) kind: TaskKind,
    pub(super) pairs: usize,
    pub(super) broken: Option<Broken>,
}

pub(super) enum TaskKind {
    /// Pairs one by one.
    Flow {
        rule: Rule,
        sources: Set,
        targets: Set,
        from: Ends,
        to: Ends,
        spared: Ends,
    },
    /// The whole of what somebody reaches.
    Exact(Exact),
}

impl Task {
    pub(super) fn flow(
        table: &Table<'_, '_>,
        rule: Rule,
        (from, to, spared): (&Ends, &Ends, &Ends),
        ranges: Vec<PortRange>,
    ) -> Option<Self> {
        Some(Self {
            statement: 0,
            ranges,
            kind: TaskKind::Flow {
                rule,
                sources: table.units(from)?,
                targets: table.units(to)?,
                from: from.clone(),
                to: to.clone(),
                spared: spared.clone(),
            },
            pairs: 0,
            broken: None,
        })
    }

    pub(super) fn outcome(&self) -> Outcome {
        match &self.broken {
            Some(broken) => Outcome::Broken(Box::new(broken.clone())),
            None => Outcome::Held(self.pairs),
        }
    }

    /// Notes a pair that breaks the statement; only the first one is shown.
    pub(super) fn breaks(&mut self, make: impl FnOnce() -> Broken) {
        match &mut self.broken {
            Some(known) => known.more += 1,
            None => self.broken = Some(make()),
        }
    }

    /// The sources of the pairs that it is about.
    fn sources(&self) -> &[u32] {
        match &self.kind {
            TaskKind::Flow { sources, .. } => sources.list(),
            TaskKind::Exact(exact) => exact.sources(),
        }
    }
}

/// Judges all statements on one map.
pub(super) fn run(checker: &Checker<'_, '_>, table: &Table<'_, '_>, tasks: &mut [Task]) {
    let mut of_source: Vec<Vec<usize>> = vec![Vec::new(); table.len()];
    for (number, task) in tasks.iter().enumerate() {
        for source in task.sources() {
            if let Some(list) = of_source.get_mut(*source as usize) {
                list.push(number);
            }
        }
    }
    let wanted = (0..).zip(&of_source).filter(|(_, list)| !list.is_empty());
    let wanted: Vec<u32> = wanted.map(|(source, _)| source).collect();
    let mut conn_of: Vec<u32> = vec![0; table.len()];
    let mut take = |row: &SourceRow, tasks: &mut [Task]| {
        for (number, connection) in (1..).zip(&row.connections) {
            for target in &connection.targets {
                if let Some(entry) = conn_of.get_mut(*target as usize) {
                    *entry = number;
                }
            }
        }
        let numbers = of_source.get(row.source as usize).into_iter().flatten();
        for number in numbers {
            if let Some(task) = tasks.get_mut(*number) {
                source(checker, table, task, row, &conn_of);
            }
        }
        for target in row
            .connections
            .iter()
            .flat_map(|connection| &connection.targets)
        {
            if let Some(entry) = conn_of.get_mut(*target as usize) {
                *entry = 0;
            }
        }
    };
    // Rows are made on all cores where many are wanted.
    if wanted.len() >= table.len() / 2 {
        let done: Result<(), std::convert::Infallible> = table.map.each(
            |row| row,
            |row| {
                take(&row, tasks);
                Ok(())
            },
        );
        match done {
            Ok(()) => {}
            Err(never) => match never {},
        }
    } else {
        let kept = Kept::default();
        for source in wanted {
            take(&table.map.of_source(source, &kept), tasks);
        }
    }
    for task in tasks {
        outside::judge(table, task);
    }
}

fn connection<'r>(row: &'r SourceRow, conn_of: &[u32], target: u32) -> Option<&'r Connection> {
    let number = conn_of.get(target as usize).copied()?;
    row.connections.get(number.checked_sub(1)? as usize)
}

/// Judges the pairs of one source.
fn source(
    checker: &Checker<'_, '_>,
    table: &Table<'_, '_>,
    task: &mut Task,
    row: &SourceRow,
    conn_of: &[u32],
) {
    let from = row.source;
    if matches!(task.kind, TaskKind::Exact(_)) {
        return super::exact::source(table, task, row, |target| connection(row, conn_of, target));
    }
    let TaskKind::Flow { rule, targets, .. } = &task.kind else {
        return;
    };
    let rule = *rule;
    let targets = targets.list().to_vec();
    for to in targets {
        if from == to && !table.has_pairs(from) {
            continue;
        }
        task.pairs += 1;
        let connection = connection(row, conn_of, to);
        let families = connection.map_or([Some(&[][..]), None], |connection| {
            [Some(&*connection.ports), connection.ipv6.as_deref()]
        });
        for spans in families.into_iter().flatten() {
            let found = match rule {
                Rule::Allow => first_not_allowed(spans, &task.ranges),
                Rule::Deny => first_not_denied(spans, &task.ranges),
                Rule::Only(_) => stands(checker, table, (from, to), spans, &task.ranges),
            };
            if let Some((protocol, port)) = found {
                task.breaks(|| broken(table, rule, (from, to), spans, (protocol, port)));
                break;
            }
        }
    }
}

/// `shop/web -> shop/db:5432/tcp is denied`, with what there is to explain it.
fn broken(
    table: &Table<'_, '_>,
    rule: Rule,
    (from, to): (u32, u32),
    spans: &[Span],
    (protocol, port): (Protocol, u16),
) -> Broken {
    let span = spans
        .iter()
        .find(|span| span.protocol == protocol && (span.first..=span.last).contains(&port));
    let (from, to) = (table.selection(from), table.selection(to));
    Broken {
        message: told(rule, (&from, &to), (protocol, port), span),
        more: 0,
        shown: Some(shown(rule, from, to, (protocol, port))),
    }
}

/// What is wrong with a pair in one sentence.
pub(super) fn told(
    rule: Rule,
    (from, to): (&Selection, &Selection),
    (protocol, port): (Protocol, u16),
    span: Option<&Span>,
) -> String {
    let ports = [query(protocol, port)];
    let flow = crate::analysis::parties::spell(&from.text, &to.text, &ports);
    let answer = span.map(|span| match rule {
        Rule::Allow => span.least,
        Rule::Deny | Rule::Only(_) => span.most,
    });
    let some = match span {
        Some(span) if span.differs() => " for some of the pods",
        _ => "",
    };
    match answer.unwrap_or(Answer::Denied) {
        Answer::Denied => format!("{flow} is denied{some}"),
        Answer::Allowed => format!("{flow} is allowed{some}"),
        Answer::Requests => format!("{flow} is allowed{some}, for certain requests"),
        open => {
            let id = open.open().unwrap_or_default();
            format!("{flow} is uncertain{some} ({id})")
        }
    }
}

pub(super) fn shown(
    rule: Rule,
    from: Selection,
    to: Selection,
    (protocol, port): (Protocol, u16),
) -> Shown {
    Shown {
        from,
        to,
        ports: vec![query(protocol, port)],
        had_to_be_allowed: rule == Rule::Allow,
    }
}

fn query(protocol: Protocol, port: u16) -> PortQuery {
    PortQuery::Range {
        protocol,
        first: port,
        last: port,
    }
}

/// A port on which somebody gets through who should not, other than between a pod and its own node,
/// which no policy can deny (K-73).
fn stands(
    checker: &Checker<'_, '_>,
    table: &Table<'_, '_>,
    (from, to): (u32, u32),
    spans: &[Span],
    ranges: &[PortRange],
) -> Option<(Protocol, u16)> {
    let usual = first_not_denied(spans, ranges)?;
    let world = table.world;
    let on_node = |party: &Party| match party {
        Party::Node(_) => true,
        Party::Endpoint(id) => world[*id].host_network.is_some(),
        Party::Address(_) | Party::Name(_) => false,
    };
    let parties = |unit| table.parties(unit);
    if !parties(from).iter().chain(parties(to)).any(on_node) {
        return Some(usual);
    }
    let (sources, targets) = (few(checker, table, from), few(checker, table, to));
    for span in spans {
        let Some(port) = first_not_denied(std::slice::from_ref(span), ranges) else {
            continue;
        };
        // Where engines differ on all pairs, and not merely on a pod and its node.
        let open =
            |answer: Answer| answer.outcome() == Verdict::Uncertain && answer != Answer::NodeLocal;
        if open(span.least) || open(span.most) {
            return Some(port);
        }
        for source in &sources {
            for target in &targets {
                let flow = Flow::new(*source, *target, port.0, port.1);
                let verdict = checker.eval.verdict(&flow);
                let exempt = matches!(verdict.reason, Reason::Exempt(..));
                if !exempt && Verdict::of(&verdict) != Verdict::Denied {
                    return Some(port);
                }
            }
        }
    }
    None
}

/// Members that no rule tells apart.
struct Alike {
    class: Option<u32>,
    rows: [Option<RowId>; 2],
    /// The node of the first one that was taken.
    node: Option<NodeId>,
    taken: usize,
}

/// Of the members that no rule tells apart two, on different nodes if there are such.
fn few(checker: &Checker<'_, '_>, table: &Table<'_, '_>, unit: u32) -> Vec<Party> {
    let reach = checker.reach;
    let world = table.world;
    let mut seen: Vec<Alike> = Vec::new();
    let mut found = Vec::new();
    for party in table.parties(unit) {
        let (class, node) = match party {
            Party::Endpoint(id) => (reach.class_of(*id), world[*id].node),
            Party::Node(id) => (reach.class_of_node(*id), Some(*id)),
            Party::Address(_) | Party::Name(_) => continue,
        };
        let rows = Direction::BOTH.map(|direction| {
            let side = reach.side(direction);
            match party {
                Party::Endpoint(id) => Some(side.row_of(*id)),
                Party::Node(id) => Some(side.row_of_node(*id)),
                Party::Address(_) | Party::Name(_) => None,
            }
        });
        let known = seen
            .iter_mut()
            .find(|alike| alike.class == class && alike.rows == rows);
        match known {
            None => seen.push(Alike {
                class,
                rows,
                node,
                taken: 1,
            }),
            Some(alike) if alike.taken == 1 && alike.node != node => alike.taken = 2,
            Some(_) => continue,
        }
        found.push(*party);
    }
    found
}
