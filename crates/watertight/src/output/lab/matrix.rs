//! One character a pair: rows connect to columns.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::LabReport;

use super::{Cell, cells, group};
use crate::output::{one_line, shortened};

/// Rows of a matrix on a terminal.
const MOST_ROWS: usize = 60;

/// Characters of a name.
const LONGEST: usize = 40;

/// Names with the cells between them.
struct Matrix {
    names: Vec<String>,
    cells: BTreeMap<(usize, usize), Cell>,
}

/// All parties, whatever the width.
pub(super) fn whole(report: &LabReport, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let matrix = single(report);
    let most = matrix.names.len();
    matrix.write(most, most, color, out)
}

/// As much as fits: every party, or else namespaces, or else the first of them.
pub(super) fn fitting(
    report: &LabReport,
    color: bool,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let every = single(report);
    if every.columns(width) >= every.names.len() && every.names.len() <= MOST_ROWS {
        return every.write(every.names.len(), every.names.len(), color, out);
    }
    let parties = every.names.len();
    let grouped = grouped(report);
    writeln!(
        out,
        "{parties} parties are too many for this width: namespaces in their place; -o html has all of them"
    )?;
    let columns = grouped.columns(width).min(grouped.names.len());
    let rows = MOST_ROWS.min(grouped.names.len());
    grouped.write(rows, columns, color, out)?;
    for (kept, what) in [(rows, "row"), (columns, "column")] {
        let more = grouped.names.len() - kept;
        if more > 0 {
            let more = watertight_core::rules::count(more, &format!("more {what}"));
            writeln!(out, "... and {more}; -o html and -o matrix have all of them")?;
        }
    }
    Ok(())
}

fn single(report: &LabReport) -> Matrix {
    let names = report.parties.iter();
    Matrix {
        names: names.map(|party| one_line(&party.name)).collect(),
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
    Matrix {
        names,
        cells: joined,
    }
}

impl Matrix {
    fn label(&self) -> usize {
        let lengths = self.names.iter().map(|name| name.chars().count());
        lengths.max().unwrap_or(0).min(LONGEST)
    }

    /// Numbers stand in front of rows and above columns.
    fn digits(&self) -> usize {
        self.names.len().to_string().len()
    }

    /// How many columns fit.
    fn columns(&self, width: usize) -> usize {
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
        // Numbers of columns are read from top to bottom.
        for line in 0..digits {
            let words = if line + 1 == digits {
                "rows connect to columns"
            } else {
                ""
            };
            let margin = digits + 1 + label;
            write!(out, "{:margin$} ", shortened(words, margin))?;
            for number in 1..=columns {
                let number = format!("{number:>digits$}");
                let digit = number.chars().nth(line).unwrap_or(' ');
                write!(out, " {digit}")?;
            }
            writeln!(out)?;
        }
        for (row, name) in self.names.iter().enumerate().take(rows) {
            let number = row + 1;
            write!(out, "{number:>digits$} {:label$} ", shortened(name, LONGEST))?;
            for column in 0..columns {
                let cell = self.cells.get(&(row, column)).copied();
                cell_of(cell.unwrap_or(Cell::Untried), color, out)?;
            }
            writeln!(out)?;
        }
        let legend: Vec<String> = Cell::LEGEND
            .iter()
            .filter(|(cell, _)| self.has(*cell, rows, columns))
            .map(|(cell, text)| format!("{} {text}", cell.sign()))
            .collect();
        writeln!(out, "{}", legend.join("   "))
    }

    fn has(&self, cell: Cell, rows: usize, columns: usize) -> bool {
        let shown = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let mut shown = shown.map(|at| self.cells.get(&at).copied().unwrap_or(Cell::Untried));
        shown.any(|shown| shown == cell)
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
