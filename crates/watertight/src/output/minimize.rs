//! What `minimize` prints: policy by policy, with the place of every part and what makes up for it.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::analysis::minimize::{Minimized, Removal};
use watertight_core::report::MinimizeReport;
use watertight_core::rules::count;
use watertight_core::source::Sources;

use super::one_line;

pub(crate) fn text(
    sources: &Sources,
    found: &Minimized,
    color: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let paint = |style: Style| if color { style } else { Style::new() };
    let name_style = paint(Style::new().bold());
    let place_style = paint(AnsiColor::Cyan.on_default());
    for (at, removal) in found.removals.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let name = one_line(&removal.name);
        let place = sources.locate(removal.span);
        let place = one_line(&place);
        let scope = if removal.for_these_pods {
            ", for the pods of the input only"
        } else {
            ""
        };
        let hand = if removal.editable {
            ""
        } else {
            ", to be edited by hand"
        };
        let all = if removal.whole { "all" } else { "parts" };
        writeln!(
            out,
            "{name_style}NetworkPolicy {name}{name_style:#}: {all} of it can go{scope}{hand}"
        )?;
        if removal.whole {
            let why = one_line(&removal.why);
            writeln!(out, "  {place_style}{place}{place_style:#}  {why}")?;
        }
        for part in &removal.parts {
            let place = sources.locate(part.span);
            let place = one_line(&place);
            let (what, why) = (&part.what, one_line(&part.why));
            let by = part.by.map(|by| format!(": {}", sources.locate(by)));
            let by = by.unwrap_or_default();
            let by = one_line(&by);
            writeln!(
                out,
                "  {place_style}{place}{place_style:#}  {what}: {why}{by}"
            )?;
        }
    }
    Ok(())
}

pub(crate) fn json(
    sources: &Sources,
    found: &Minimized,
    complete: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let report = MinimizeReport::new(sources, found, complete);
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

/// `2 policies and 3 parts of others can go`
pub(crate) fn counted(removals: &[Removal]) -> String {
    let whole = removals.iter().filter(|removal| removal.whole).count();
    let parts = removals.iter().filter(|removal| !removal.whole);
    let parts: usize = parts.map(|removal| removal.parts.len()).sum();
    match (whole, parts) {
        (whole, 0) => format!("{} can go", count(whole, "policy")),
        (0, 1) => "part of a policy can go".to_owned(),
        (0, parts) => format!("{} of policies can go", count(parts, "part")),
        (whole, 1) => format!("{} and part of another can go", count(whole, "policy")),
        (whole, parts) => format!(
            "{} and {} of others can go",
            count(whole, "policy"),
            count(parts, "part")
        ),
    }
}
