//! The formats of `diff` and `preview`: one module for each, all made from the report.
//!
//! Every format begins with the verdict and says the same in the same words (`words`, `rows`), what would be
//! cut of observed connections first. INVARIANT: what is left out for its length is counted.

mod fold;
mod html;
mod markdown;
mod rows;
mod sarif;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::io::{self, Write};

use watertight_core::report::diff::DiffReport;

use crate::args::DiffFormat;

/// Everything that a format needs.
#[derive(Debug)]
pub(crate) struct Rendering<'a> {
    pub(crate) report: &'a DiffReport,
    /// The names of all units, so that whole namespaces can be told from parts of them.
    pub(crate) units: &'a [String],
    /// The columns to wrap text at.
    pub(crate) width: usize,
    /// Whether nothing is left out for its length.
    pub(crate) all: bool,
}

impl Rendering<'_> {
    /// Writes the report as a format.
    pub(crate) fn render(
        &self,
        format: DiffFormat,
        color: bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match format {
            DiffFormat::Text => text::render(self, color, out),
            DiffFormat::Json => {
                serde_json::to_writer_pretty(&mut *out, self.report)?;
                writeln!(out)
            }
            DiffFormat::Markdown => markdown::render(self, out),
            DiffFormat::Sarif => sarif::render(self, out),
            DiffFormat::Html => html::render(self, out),
        }
    }
}
