//! One character a pair: rows connect to columns.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::LabReport;
use watertight_core::rules::count;

use super::{Cell, cells, ends, fits, group, name};
use crate::args::LabFormat;
use crate::output::{one_line, shortened};

/// Rows of a matrix on a terminal.
const MOST_ROWS: usize = 60;

/// Above the rows, beside the numbers of columns.
const WORDS: &str = "rows connect to columns";

/// Characters of a name.
const LONGEST: usize = 40;

/// Rows and columns by name, with the cells between them.
struct Matrix {
    rows: Vec<(usize, String)>,
    columns: Vec<(usize, String)>,
    cells: BTreeMap<(usize, usize), Cell>,
}

/// All parties, whatever the width.
pub(super) fn whole(report: &LabReport, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let matrix = single(report);
    matrix.write(matrix.rows.len(), matrix.columns.len(), color, out)
}

/// As much as fits: every party, or else namespaces, or else the first of them.
pub(super) fn fitting(
    report: &LabReport,
    color: bool,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let every = single(report);
    let (rows, columns) = (every.rows.len(), every.columns.len());
    if every.room(width) >= columns && rows <= MOST_ROWS {
        return every.write(rows, columns, color, out);
    }
    writeln!(
        out,
        "{rows} sources and {columns} destinations have no room here: by namespace; -o {} has them one by one",
        one_by_one(report)
    )?;
    let grouped = grouped(report);
    let columns = grouped.room(width).min(grouped.columns.len());
    let rows = MOST_ROWS.min(grouped.rows.len());
    grouped.write(rows, columns, color, out)?;
    for (more, what) in [
        (grouped.rows.len() - rows, "more row"),
        (grouped.columns.len() - columns, "more column"),
    ] {
        if more > 0 {
            let more = count(more, what);
            writeln!(
                out,
                "... and {more}; -o {} has all of them",
                one_by_one(report)
            )?;
        }
    }
    Ok(())
}

/// The format that has a place for everybody.
fn one_by_one(report: &LabReport) -> &'static str {
    match fits(report.parties.len(), LabFormat::Html) {
        Ok(()) => "html",
        Err(_) => "matrix",
    }
}

fn single(report: &LabReport) -> Matrix {
    let named = |ends: Vec<usize>| {
        let named = ends.into_iter().map(|at| (at, one_line(&name(report, at))));
        named.collect()
    };
    Matrix {
        rows: named(ends(report, |pair| pair.from)),
        columns: named(ends(report, |pair| pair.to)),
        cells: cells(report),
    }
}

fn grouped(report: &LabReport) -> Matrix {
    let mut names: Vec<String> = Vec::new();
    let of: Vec<usize> = report
        .parties
        .iter()
        .map(|party| {
            let group = one_line(group(party));
            let known = names.iter().position(|name| *name == group);
            known.unwrap_or_else(|| {
                names.push(group);
                names.len() - 1
            })
        })
        .collect();
    let mut joined: BTreeMap<(usize, usize), Cell> = BTreeMap::new();
    for ((from, to), cell) in cells(report) {
        if let (Some(from), Some(to)) = (of.get(from), of.get(to)) {
            let both = joined.entry((*from, *to)).or_insert(Cell::Untried);
            *both = both.and(cell);
        }
    }
    let named = |ends: BTreeSet<usize>| {
        let name = |at: usize| (at, names.get(at).cloned().unwrap_or_default());
        ends.into_iter().map(name).collect()
    };
    Matrix {
        rows: named(joined.keys().map(|(from, _)| *from).collect()),
        columns: named(joined.keys().map(|(_, to)| *to).collect()),
        cells: joined,
    }
}

impl Matrix {
    fn label(&self) -> usize {
        let lengths = self.rows.iter().map(|(_, name)| name.chars().count());
        lengths.max().unwrap_or(0).clamp(WORDS.len(), LONGEST)
    }

    /// Numbers stand in front of rows and above columns.
    fn digits(&self) -> usize {
        let ends = self.rows.iter().chain(&self.columns);
        let most = ends.map(|(at, _)| at + 1).max();
        most.unwrap_or(0).to_string().len()
    }

    /// How many columns fit.
    fn room(&self, width: usize) -> usize {
        width.saturating_sub(self.digits() + 1 + self.label() + 1) / 2
    }

    fn write(
        &self,
        rows: usize,
        columns: usize,
        color: bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let (label, digits) = (self.label(), self.digits());
        let margin = digits + 1 + label;
        // Numbers of columns are read from top to bottom.
        for line in 0..digits {
            let words = if line + 1 == digits { WORDS } else { "" };
            write!(out, "{words:margin$} ")?;
            for (at, _) in self.columns.iter().take(columns) {
                let number = format!("{:>digits$}", at + 1);
                let digit = number.chars().nth(line).unwrap_or(' ');
                write!(out, " {digit}")?;
            }
            writeln!(out)?;
        }
        let mut seen = BTreeSet::new();
        for (from, name) in self.rows.iter().take(rows) {
            let number = from + 1;
            write!(
                out,
                "{number:>digits$} {:label$} ",
                shortened(name, LONGEST)
            )?;
            for (to, _) in self.columns.iter().take(columns) {
                let cell = self.cells.get(&(*from, *to)).copied();
                let cell = cell.unwrap_or(Cell::Untried);
                seen.insert(cell);
                cell_of(cell, color, out)?;
            }
            writeln!(out)?;
        }
        // Whatever is in no row: Services do not connect.
        let shown: BTreeSet<usize> = self.rows.iter().take(rows).map(|(at, _)| *at).collect();
        for (at, name) in self.columns.iter().take(columns) {
            if !shown.contains(at) {
                let number = at + 1;
                writeln!(out, "{number:>digits$} {}", shortened(name, LONGEST))?;
            }
        }
        let legend: Vec<String> = Cell::LEGEND
            .iter()
            .filter(|(cell, _)| seen.contains(cell))
            .map(|(cell, text)| format!("{} {text}", cell.sign()))
            .collect();
        writeln!(out, "{}", legend.join("   "))
    }
}

fn cell_of(cell: Cell, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let style = match cell {
        _ if !color => Style::new(),
        Cell::Differs => AnsiColor::Red.on_default().bold(),
        Cell::Inconclusive => AnsiColor::Magenta.on_default(),
        Cell::Open => AnsiColor::Green.on_default(),
        Cell::Part => AnsiColor::Yellow.on_default(),
        Cell::Closed | Cell::NotJudged | Cell::Untried => AnsiColor::BrightBlack.on_default(),
    };
    write!(out, " {style}{}{style:#}", cell.sign())
}
