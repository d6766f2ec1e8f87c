//! `-o markdown`: the table, or the matrix, for comments and step summaries.

use std::io::{self, Write};

use super::view::View;
use super::words::Openness;
use super::{Rendering, matrix as signs, table};
use crate::output::one_line;

pub(super) fn render(
    rendering: &Rendering<'_, '_>,
    view: &View<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (said, mut rows) = table::rows(view);
    rows.extend(table::outside(view, rendering.external));
    for line in &said {
        writeln!(out, "{}\n", escaped(line))?;
    }
    if rows.is_empty() {
        return if said.is_empty() {
            writeln!(out, "No connections.")
        } else {
            Ok(())
        };
    }
    writeln!(out, "| from | to | ports |\n|---|---|---|")?;
    for row in &rows {
        let cell = |names: &[String]| {
            let names = names.iter().map(|name| escaped(name));
            names.collect::<Vec<_>>().join(", ")
        };
        let (from, to) = (cell(&row.from), cell(&row.to));
        writeln!(out, "| {from} | {to} | {} |", escaped(&row.ports))?;
    }
    let notes = table::footnotes(view);
    if !notes.is_empty() {
        writeln!(out)?;
    }
    for line in notes {
        writeln!(out, "- {}", escaped(&line))?;
    }
    Ok(())
}

pub(super) fn matrix(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let name = |number: &usize| escaped(view.short(*number));
    write!(out, "| from \\ to |")?;
    for to in &view.targets {
        write!(out, " {} |", name(to))?;
    }
    writeln!(out, " world |")?;
    writeln!(out, "|---|{}", ":-:|".repeat(view.targets.len() + 1))?;
    for from in &view.sources {
        write!(out, "| {} |", name(from))?;
        for to in &view.targets {
            if view.is_no_pair(*from, *to) {
                write!(out, " |")?;
            } else {
                write!(out, " {} |", sign(view.openness(*from, *to)))?;
            }
        }
        let world = view
            .egress
            .get(from)
            .map_or(Openness::Closed, |world| world.openness);
        writeln!(out, " {} |", sign(world))?;
    }
    write!(out, "| world |")?;
    for to in &view.targets {
        let world = view
            .ingress
            .get(to)
            .map_or(Openness::Closed, |world| world.openness);
        write!(out, " {} |", sign(world))?;
    }
    writeln!(out, " |\n")?;
    writeln!(
        out,
        "`#` all ports, `+` some ports or pods, `?` uncertain, `.` nothing"
    )
}

fn sign(openness: Openness) -> String {
    format!("`{}`", signs::sign(openness))
}

/// Text that Markdown takes for nothing else.
pub(in crate::output) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        if matches!(
            c,
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '\\' | '~' | '#' | '&' | '@'
        ) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
