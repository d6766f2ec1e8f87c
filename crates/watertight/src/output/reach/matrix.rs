//! `--matrix`: one character a pair.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::table::footnotes;
use super::view::View;
use super::words::Openness;
use crate::output::one_line;

pub(super) fn render(view: &View<'_>, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let name = |number: &usize| one_line(view.short(*number));
    let rows: Vec<String> = view.sources.iter().map(name).collect();
    let columns: Vec<String> = view.targets.iter().map(name).collect();
    let label = rows
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    let label = label.max("world".len());
    let digits = columns.len().to_string().len().max(2);
    writeln!(out, "{:label$}  rows connect to columns", "")?;
    write!(out, "{:label$} ", "")?;
    for (number, _) in (1..).zip(&columns) {
        write!(out, " {number:>digits$}")?;
    }
    writeln!(out, " {:>digits$}", "W")?;
    for (row, from) in rows.iter().zip(&view.sources) {
        write!(out, "{row:label$} ")?;
        for to in &view.targets {
            if view.is_no_pair(*from, *to) {
                write!(out, " {:>digits$}", "-")?;
            } else {
                cell(view.openness(*from, *to), digits, color, out)?;
            }
        }
        let world = view
            .egress
            .get(from)
            .map_or(Openness::Closed, |world| world.openness);
        cell(world, digits, color, out)?;
        writeln!(out)?;
    }
    write!(out, "{:label$} ", "world")?;
    for to in &view.targets {
        let world = view
            .ingress
            .get(to)
            .map_or(Openness::Closed, |world| world.openness);
        cell(world, digits, color, out)?;
    }
    writeln!(out, "\n")?;
    for (number, name) in (1..).zip(&columns) {
        writeln!(out, "{number:>digits$} {name}")?;
    }
    writeln!(
        out,
        "{:>digits$} world, all that is outside of the cluster",
        "W"
    )?;
    writeln!(
        out,
        "# all ports   + some ports or pods   ? uncertain   . nothing"
    )?;
    for line in footnotes(view).iter().filter(|line| line.starts_with('?')) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

pub(super) fn sign(openness: Openness) -> char {
    match openness {
        Openness::Open => '#',
        Openness::Part => '+',
        Openness::Uncertain => '?',
        Openness::Closed => '.',
    }
}

fn cell(openness: Openness, width: usize, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let style = match openness {
        _ if !color => Style::new(),
        Openness::Open => AnsiColor::Red.on_default().bold(),
        Openness::Part => AnsiColor::Yellow.on_default(),
        Openness::Uncertain => AnsiColor::Magenta.on_default(),
        Openness::Closed => AnsiColor::BrightBlack.on_default(),
    };
    write!(
        out,
        " {:>blank$}{style}{}{style:#}",
        "",
        sign(openness),
        blank = width - 1
    )
}
