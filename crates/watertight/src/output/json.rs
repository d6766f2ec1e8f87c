//! `-o json`: the report as `watertight_core::report` defines it.
//!
//! A large cluster may have thousands of findings: they are made and put into words in parts, on
//! all cores, and never all in memory at once.

use std::io::{self, Write};

use rayon::prelude::*;
use serde::Serialize;
use watertight_core::diag;
use watertight_core::report::{self, finding};
use watertight_core::source::Sources;

use super::Rendering;

/// The findings of one part.
const PART: usize = 64;
/// Parts that wait to be written.
const PARTS: usize = 32;

/// Before and behind the items of the list in a report, as they are printed.
const BEFORE: &str = "\n  \"findings\": [";
const BEHIND: &str = "\n  ]";

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_json::to_string_pretty(rendering.report)?;
    let findings = &rendering.checked.findings;
    match text.split_once(BEFORE) {
        Some((head, tail)) if !findings.is_empty() => {
            out.write_all(head.as_bytes())?;
            out.write_all(BEFORE.as_bytes())?;
            list(rendering.sources, findings, out)?;
            out.write_all(BEHIND.as_bytes())?;
            let tail = tail.strip_prefix(']').unwrap_or(tail);
            out.write_all(tail.as_bytes())?;
        }
        _ => out.write_all(text.as_bytes())?,
    }
    writeln!(out)
}

/// The items of the list.
fn list(sources: &Sources, findings: &[diag::Finding], out: &mut dyn Write) -> io::Result<()> {
    let mut first = true;
    for batch in findings.chunks(PART * PARTS) {
        let parts = batch.par_chunks(PART).map(|found| part(sources, found));
        let parts: serde_json::Result<Vec<String>> = parts.collect();
        for part in parts? {
            let items = part
                .split_once(BEFORE)
                .and_then(|(_, rest)| rest.rsplit_once(BEHIND));
            let Some((items, _)) = items else {
                return Err(io::Error::other(
                    "a part of the report is not as it was to be",
                ));
            };
            if !first {
                out.write_all(b",")?;
            }
            first = false;
            out.write_all(items.as_bytes())?;
        }
    }
    Ok(())
}

/// Some findings, as far in as they are in a report.
fn part(sources: &Sources, findings: &[diag::Finding]) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Part {
        findings: Vec<report::Finding>,
    }
    let findings = findings
        .iter()
        .map(|found| finding(sources, found))
        .collect();
    serde_json::to_string_pretty(&Part { findings })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use watertight_core::report::check_schema;

    use super::super::Format;
    use super::super::testing::Sample;
    use super::*;

    #[test]
    fn the_report_is_what_the_schema_says() {
        let schema = check_schema().to_value();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for sample in [Sample::shop(), Sample::read(&[("broken.yaml", "a: [")])] {
            let text = sample.print(Format::Json);
            assert!(text.ends_with("}\n"));
            let report: Value = serde_json::from_str(&text).unwrap();
            let errors: Vec<_> = validator
                .iter_errors(&report)
                .map(|error| error.to_string())
                .collect();
            assert_eq!(errors, Vec::<String>::new());
            assert_eq!(report["apiVersion"], "watertight.dev/v1");
        }
    }

    #[test]
    fn parts_make_the_same_text_as_the_whole() {
        for number in [0, 1, PART, PART + 1, PART * PARTS + 1] {
            let mut sample = Sample::shop();
            let all = sample.checked.findings.clone();
            let findings = all.into_iter().cycle().take(number);
            sample.checked.findings = findings.enumerate().map(numbered).collect();
            let mut whole = report::report(&sample.sources, &sample.checked);
            whole.tool.version = sample.report().tool.version;
            let whole = serde_json::to_string_pretty(&whole).unwrap();
            let text = sample.print(Format::Json);
            assert!(text == whole + "\n", "{number} findings");
        }
    }

    /// With a text that looks like the places at which parts are joined.
    fn numbered((number, mut finding): (usize, diag::Finding)) -> diag::Finding {
        finding.message = format!("{number} {BEFORE}{BEHIND}");
        finding
    }
}
