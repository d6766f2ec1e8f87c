//! `-o table`: FROM, TO and PORTS in kubectl's columns.
//!
//! A dense map stays readable: sources that reach the same are one row, destinations on the same
//! ports are one cell, whole namespaces and "every workload" are said in words, and what no policy
//! restricts at either end is said once above the table. INVARIANT: every pair is in the table or
//! covered by the lines above it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::reach::ReachExternal;

use super::Rendering;
use super::view::View;
use super::words::{self, Openness};
use crate::output::{one_line, wrap};

/// A terminal is spared more rows than this.
const MOST_ROWS: usize = 200;
/// No column but the last is wider.
const WIDEST: usize = 40;

/// A row of the table, before it is broken into lines.
pub(super) struct Row {
    pub(super) from: Vec<String>,
    pub(super) to: Vec<String>,
    pub(super) ports: String,
    openness: Openness,
}

/// Writes the table; says how many rows a terminal was spared.
pub(super) fn render(
    rendering: &Rendering<'_, '_>,
    view: &View<'_>,
    color: bool,
    out: &mut dyn Write,
) -> io::Result<usize> {
    let (said, mut rows) = rows(view);
    rows.extend(outside(view, rendering.external));
    for line in &said {
        writeln!(out, "{}", wrap(&one_line(line), rendering.width))?;
    }
    if !said.is_empty() && !rows.is_empty() {
        writeln!(out)?;
    }
    if rows.is_empty() {
        return Ok(0);
    }
    let cut = if rendering.on_terminal {
        rows.len().saturating_sub(MOST_ROWS)
    } else {
        0
    };
    rows.truncate(rows.len() - cut);
    print(&rows, rendering.width, color, out)?;
    if cut > 0 {
        writeln!(out, "... and {cut} more rows")?;
    }
    for line in footnotes(view) {
        writeln!(out, "{}", wrap(&line, rendering.width))?;
    }
    Ok(cut)
}

/// What the marks mean, as far as there are any.
pub(super) fn footnotes(view: &View<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if view.any_some() {
        lines.push("* between some of the pods, not between all".to_owned());
    }
    if view.any_conditional() {
        lines.push("~ certain requests only; `watertight explain` tells which (L-66)".to_owned());
    }
    for id in view.whys() {
        lines.push(format!("? uncertain ({id}): {}", words::why(id)));
    }
    lines
}

/// Lines that are said once, and rows.
pub(super) fn rows(view: &View<'_>) -> (Vec<String>, Vec<Row>) {
    let (said, skip) = without_saying(view);
    let mut groups: Vec<(Vec<Reached>, Vec<usize>)> = Vec::new();
    let mut known: BTreeMap<Vec<Reached>, usize> = BTreeMap::new();
    for from in &view.sources {
        let reached = reached(view, *from, skip);
        if reached.is_empty() {
            continue;
        }
        let at = *known.entry(reached).or_insert_with_key(|reached| {
            groups.push((reached.clone(), Vec::new()));
            groups.len() - 1
        });
        if let Some((_, sources)) = groups.get_mut(at) {
            sources.push(*from);
        }
    }
    let mut rows = Vec::new();
    for (reached, sources) in groups {
        for Reached {
            targets,
            ports,
            openness,
        } in reached
        {
            rows.push(Row {
                from: view.summed(&sources, &view.sources),
                to: view.summed(&targets, &view.targets),
                ports,
                openness,
            });
        }
    }
    (said, rows)
}

/// Destinations that a source reaches alike; ordered by the first of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reached {
    targets: Vec<usize>,
    ports: String,
    openness: Openness,
}

fn reached(view: &View<'_>, from: usize, skip: bool) -> Vec<Reached> {
    let mut by_ports: BTreeMap<String, (Vec<usize>, Openness)> = BTreeMap::new();
    for ((_, to), connection) in view.cells.range((from, 0)..=(from, usize::MAX)) {
        if skip && view.goes_without_saying(from, *to) {
            continue;
        }
        let openness = Openness::of_connection(connection);
        let (targets, _) = by_ports
            .entry(words::connection(connection))
            .or_insert_with(|| (Vec::new(), openness));
        targets.push(*to);
    }
    if view.is_one_pod(from)
        && let Some((targets, _)) = by_ports.get_mut("all")
        && let Err(at) = targets.binary_search(&from)
        && targets.len() > 1
    {
        targets.insert(at, from);
    }
    let reached = by_ports.into_iter();
    let mut reached: Vec<Reached> = reached
        .map(|(ports, (targets, openness))| Reached {
            targets,
            ports,
            openness,
        })
        .collect();
    reached.sort();
    reached
}

/// Who is restricted by nothing, if that spares rows, and whether rows may rely on it.
fn without_saying(view: &View<'_>) -> (Vec<String>, bool) {
    let query = &view.report.query;
    if query.from.is_some() || query.to.is_some() || !query.ports.is_empty() {
        return (Vec::new(), false);
    }
    if view.senders.len().saturating_mul(view.takers.len()) < 4 {
        return (Vec::new(), false);
    }
    let all = |units: &BTreeSet<usize>, among: &[usize]| {
        let units: Vec<usize> = units.iter().copied().collect();
        view.summed(&units, among).join(", ")
    };
    let (senders, takers) = (
        all(&view.senders, &view.sources),
        all(&view.takers, &view.targets),
    );
    let lines = vec![
        format!("No policy restricts whom these connect to: {senders}"),
        format!("No policy restricts who connects to these: {takers}"),
        "Each of the former reaches each of the latter on all ports; the rest:".to_owned(),
    ];
    (lines, true)
}

/// Rows about the outside: all ranges, or a line for each unit.
pub(super) fn outside(view: &View<'_>, full: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for external in &view.report.external {
        let among = match external.direction.as_str() {
            "egress" => &view.sources,
            _ => &view.targets,
        };
        let names: BTreeSet<&str> = external.units.iter().map(String::as_str).collect();
        let named = |number: &&usize| {
            let party = view.party(**number);
            party.is_some_and(|party| names.contains(party.unit.name.as_str()))
        };
        let units: Vec<usize> = among.iter().filter(named).copied().collect();
        let units = view.summed(&units, among);
        for (addresses, ports, openness) in ranges(external, full) {
            let (from, to) = match external.direction.as_str() {
                "egress" => (units.clone(), addresses),
                _ => (addresses, units.clone()),
            };
            rows.push(Row {
                from,
                to,
                ports,
                openness,
            });
        }
    }
    rows
}

fn ranges(external: &ReachExternal, full: bool) -> Vec<(Vec<String>, String, Openness)> {
    let told = external.ranges.iter().map(|range| {
        let short = words::address_list(range);
        let addresses = match (short, full) {
            (Some(short), _) => short,
            (None, true) => range.addresses.clone(),
            (None, false) => {
                let count = range.addresses.len();
                vec![format!("world, {count} ranges (--external)")]
            }
        };
        (
            addresses,
            words::ports(&range.ports),
            Openness::of(&range.ports),
        )
    });
    let domains = external.domains.iter().map(|domain| {
        (
            domain.names.clone(),
            words::ports(&domain.ports),
            Openness::of(&domain.ports),
        )
    });
    told.chain(domains).collect()
}

/// Cells broken into lines, side by side.
fn print(rows: &[Row], width: usize, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let widest = |of: &dyn Fn(&Row) -> usize, title: &str| {
        let widest = rows.iter().map(of).max().unwrap_or(0);
        widest.clamp(title.len(), WIDEST)
    };
    let longest = |names: &[String]| names.join(", ").chars().count();
    let from = widest(&|row| longest(&row.from), "FROM");
    let ports = widest(&|row| row.ports.chars().count(), "PORTS");
    let room = width.saturating_sub(from + ports + 6).max(24);
    let to = rows.iter().map(|row| longest(&row.to)).max().unwrap_or(0);
    let to = to.clamp(2, room);
    writeln!(out, "{:from$}   {:to$}   PORTS", "FROM", "TO")?;
    for rows in rows.chunk_by(|a, b| a.from == b.from) {
        // Who it is about is said once, beside all that is said about it.
        let mut names = rows
            .first()
            .map_or(Vec::new(), |row| broken(&row.from, from))
            .into_iter();
        for row in rows {
            let style = match row.openness {
                _ if !color => Style::new(),
                Openness::Open => AnsiColor::Red.on_default(),
                Openness::Uncertain => AnsiColor::Yellow.on_default(),
                _ => Style::new(),
            };
            let room = ports.max(width.saturating_sub(from + to + 6));
            let told = wrap(&row.ports, room);
            let (mut targets, mut told) = (broken(&row.to, to).into_iter(), told.lines());
            loop {
                let (target, line) = (targets.next(), told.next());
                if target.is_none() && line.is_none() {
                    break;
                }
                let name = names.next().unwrap_or_default();
                let (target, line) = (target.unwrap_or_default(), line.unwrap_or_default());
                let text = format!("{name:from$}   {target:to$}   {style}{line}{style:#}");
                writeln!(out, "{}", text.trim_end())?;
            }
        }
        for name in names {
            writeln!(out, "{name}")?;
        }
    }
    Ok(())
}

/// Names with commas, on lines of a width where they fit.
fn broken(names: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let mut name = one_line(name);
        if number + 1 < names.len() {
            name.push(',');
        }
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + name.chars().count() <= width => {
                line.push(' ');
                line.push_str(&name);
            }
            _ => lines.push(name),
        }
    }
    lines
}
