//! `-o text`: what people read. The order follows what they need to know first: an engine that
//! enforces nothing, then the findings, then the namespaces, then what the answers rest on.
//!
//! INVARIANT: what makes the answers incomplete is never left out, not even with `--quiet`.

mod excerpt;
mod facts;
mod finding;

use std::collections::BTreeMap;
use std::io::{self, Write};

use annotate_snippets::Renderer;

use super::{Rendering, table};

/// A rule with more findings than this shows only the first [`SHOWN`].
const MANY: usize = 50;
const SHOWN: usize = 20;

/// The rule that leads the report: if policies are not enforced, nothing else matters.
const NOT_ENFORCED: &str = "WT601";

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    findings(rendering, out)?;
    if !rendering.quiet {
        table::render(rendering, out)?;
        if !rendering.report.namespaces.is_empty() {
            writeln!(out)?;
        }
    }
    facts::render(rendering, out)
}

fn findings(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    let renderer = if rendering.color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.term_width(rendering.width.max(40));
    let mut by_rule: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in rendering.findings() {
        *by_rule.entry(&finding.rule).or_default() += 1;
    }
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    let pairs = || rendering.findings().iter().zip(&rendering.checked.findings);
    let first = pairs().filter(|(finding, _)| finding.rule == NOT_ENFORCED);
    let rest = pairs().filter(|(finding, _)| finding.rule != NOT_ENFORCED);
    for (finding, found) in first.chain(rest) {
        let shown = shown.entry(&finding.rule).or_default();
        let many = by_rule
            .get(finding.rule.as_str())
            .is_some_and(|count| *count > MANY);
        if many && *shown >= SHOWN {
            continue;
        }
        *shown += 1;
        finding::render(rendering, &renderer, finding, found, out)?;
        writeln!(out)?;
    }
    let mut cut = false;
    for (rule, count) in by_rule.iter().filter(|(_, count)| **count > MANY) {
        let name = watertight_core::rules::Rule::find(rule).map_or("", |rule| rule.name);
        let more = count - SHOWN;
        writeln!(
            out,
            "not shown: {more} more of the {count} findings of {rule} {name}"
        )?;
        cut = true;
    }
    if cut {
        writeln!(
            out,
            "           -o concise lists all of them, -o json says everything about them"
        )?;
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
