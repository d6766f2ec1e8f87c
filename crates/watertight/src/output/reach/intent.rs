//! `-o intent`: the map as a file for `watertight test`, to be changed by people.

use std::io::{self, Write};

use watertight_core::analysis::intent::generate;
use watertight_core::report::ReachReport;

pub(super) fn render(report: &ReachReport, out: &mut dyn Write) -> io::Result<()> {
    let text = generate(&report.clone().into()).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}
