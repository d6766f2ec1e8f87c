//! The formats of `reach`: JSON and CSV are written while the map is made, all others read the
//! finished report.
//!
//! INVARIANT: a format says nothing that is not in the report, and leaves nothing out without saying
//! so: what is joined or counted in place of being listed has a line that tells.

mod csv;
mod dot;
mod html;
mod intent;
mod json;
pub(super) mod markdown;
mod matrix;
mod mermaid;
pub(super) mod page;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod view;
pub(super) mod words;

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use watertight_core::analysis::map::By;
use watertight_core::diag::Finding;
use watertight_core::report::ReachReport;
use watertight_core::report::reach::Reporter;

use crate::args::ReachFormat;
use view::View;

/// Everything that a format needs.
#[derive(Debug)]
pub(crate) struct Rendering<'m, 'w> {
    /// The map, and what makes a report of it.
    pub(crate) reporter: Reporter<'m, 'w>,
    /// What could not be read, and policies that are not evaluated.
    pub(crate) problems: &'m [&'m Finding],
    /// Whether everything could be read.
    pub(crate) complete: bool,
    /// The columns to wrap text at.
    pub(crate) width: usize,
    /// Whether tables are matrices.
    pub(crate) matrix: bool,
    /// Whether ranges of the outside are listed one by one.
    pub(crate) external: bool,
    /// Whether standard output is a terminal, on which nobody wants thousands of lines.
    pub(crate) on_terminal: bool,
    /// What was written so far.
    pub(crate) written: Written,
}

/// What formats have found out.
#[derive(Debug, Default)]
pub(crate) struct Written {
    report: OnceLock<ReachReport>,
    pairs: AtomicUsize,
    streamed: OnceLock<()>,
    cut: AtomicUsize,
}

/// What is in a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Pairs of units that are connected, or may be.
    pub(crate) pairs: usize,
    /// Units with connections to or from the outside.
    pub(crate) outside: usize,
    /// Lines that a terminal was spared.
    pub(crate) cut: usize,
}

impl Rendering<'_, '_> {
    /// Writes the map as a format.
    pub(crate) fn render(
        &self,
        format: ReachFormat,
        color: bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match format {
            ReachFormat::Json => {
                let pairs = json::render(self, out)?;
                self.streamed(pairs);
                Ok(())
            }
            ReachFormat::Csv => {
                let pairs = csv::render(self, out)?;
                self.streamed(pairs);
                Ok(())
            }
            _ => {
                if format == ReachFormat::Intent {
                    return intent::render(self.report(), out);
                }
                let view = View::new(self.report(), self.reporter.map);
                match format {
                    ReachFormat::Markdown if self.matrix => markdown::matrix(&view, out),
                    ReachFormat::Markdown => markdown::render(self, &view, out),
                    ReachFormat::Dot => dot::render(&view, out),
                    ReachFormat::Mermaid => mermaid::render(&view, out),
                    ReachFormat::Svg => svg::render(&view, out),
                    ReachFormat::Html => html::render(&view, out),
                    _ if self.matrix => matrix::render(&view, color, out),
                    _ => {
                        let cut = table::render(self, &view, color, out)?;
                        self.written.cut.store(cut, Ordering::Relaxed);
                        Ok(())
                    }
                }
            }
        }
    }

    fn streamed(&self, pairs: usize) {
        self.written.pairs.store(pairs, Ordering::Relaxed);
        let _ = self.written.streamed.set(());
    }

    /// The whole report, made once.
    fn report(&self) -> &ReachReport {
        self.written
            .report
            .get_or_init(|| self.reporter.report(self.problems, self.complete))
    }

    /// What is in the map; asks the map where no format has made or written it.
    pub(crate) fn count(&self) -> Counted {
        let outside = self.reporter.map.outside();
        let pairs = if self.written.streamed.get().is_some() {
            self.written.pairs.load(Ordering::Relaxed)
        } else {
            let connections = self.report().connections.iter();
            connections.map(|connection| connection.to.len()).sum()
        };
        Counted {
            pairs,
            outside: outside.iter().map(|row| row.units.len()).sum(),
            cut: self.written.cut.load(Ordering::Relaxed),
        }
    }

    /// How many pairs a file with intents may be about; a part of a map cannot be pinned.
    fn fits_intents(&self) -> Result<usize, String> {
        let query = self.reporter.query;
        if query.from.is_some() || query.to.is_some() {
            return Err("-o intent pins the whole map; leave out --from and --to".into());
        }
        match self.reporter.map.by() {
            By::Namespace => Err("-o intent needs --by workload or --by pod".into()),
            By::Pod | By::Workload => Ok(100_000_000),
        }
    }

    /// Whether a map of this size has a place in a format.
    pub(crate) fn fits(&self, format: ReachFormat) -> Result<(), String> {
        let most = match format {
            ReachFormat::Json | ReachFormat::Csv => return Ok(()),
            ReachFormat::Intent => self.fits_intents()?,
            ReachFormat::Table | ReachFormat::Markdown if !self.matrix => 5_000_000,
            ReachFormat::Table => 40_000,
            ReachFormat::Markdown | ReachFormat::Mermaid => 10_000,
            ReachFormat::Dot | ReachFormat::Svg | ReachFormat::Html => 90_000,
        };
        let (sources, targets) = (
            self.reporter.map.sources().all().len(),
            self.reporter.map.targets().all().len(),
        );
        if sources.saturating_mul(targets.max(1)) <= most {
            return Ok(());
        }
        if format == ReachFormat::Intent {
            return Err(format!(
                "{sources} sources and {targets} destinations are too many for a file that people \
                 read; `watertight test` takes the map of -o json as well"
            ));
        }
        let coarser = match self.reporter.map.by() {
            By::Namespace => "",
            By::Pod | By::Workload => "--by namespace, ",
        };
        Err(format!(
            "{sources} sources and {targets} destinations are too many for this format; \
             use {coarser}--from, --to or -o json"
        ))
    }
}

impl Counted {
    /// Whether anything is listed.
    pub(crate) fn any(self) -> bool {
        self.pairs > 0 || self.outside > 0
    }
}
