//! `cargo xtask corpus DIR...`: folders of manifests with the connectivity that other tools expect.
//!
//! A folder has an `index.tsv` in one of two forms. Truth tables (`case name tags state probe`) are
//! asked port by port, see `truth_table`. Maps (`kind dir expected dialects features note`) are
//! computed whole, see `maps`; there the conventions of the tool that wrote them are matched here and
//! never in the product. Disagreements are listed with their reasons in `xtask/corpus/`.

mod connectivity;
mod findings;
mod index;
mod judge;
mod listed;
mod manifests;
mod maps;
mod ports;
mod routes;
mod truth_table;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use index::Case;
use listed::{Listed, digest};

/// Arguments of `corpus`.
#[derive(clap::Args)]
pub(crate) struct CorpusArgs {
    /// Folders with an index.tsv
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Print every case that is skipped, with the reason
    #[arg(long)]
    list_skipped: bool,
    /// Print every line that differs, not only the first ones of a case
    #[arg(short, long)]
    verbose: bool,
    /// Run only cases whose name contains this text
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
}

/// Lines of one case that are printed unless all are asked for.
const SHOWN: usize = 12;

/// What became of one case.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// It differs as listed.
    Listed,
    /// What is wrong, line by line.
    Failed(Vec<String>),
    /// Why it was not run.
    Skipped(String),
}

/// The name of a case and what became of it.
type Judged = (String, Outcome);

pub(crate) fn run(args: &CorpusArgs) -> anyhow::Result<()> {
    let mut results = Vec::new();
    for folder in &args.folders {
        let listed = Listed::of(folder)?;
        let found = run_folder(folder, &listed, args.case.as_deref());
        results.extend(found.with_context(|| folder.display().to_string())?);
    }
    let mut out = std::io::stdout().lock();
    let failed = report(&mut out, &results, args)?;
    if failed > 0 {
        bail!("{failed} cases failed");
    }
    Ok(())
}

fn run_folder(folder: &Path, listed: &Listed, only: Option<&str>) -> anyhow::Result<Vec<Judged>> {
    let index = read(&folder.join("index.tsv"))?;
    let mut lines = index.lines();
    let header = lines.next().unwrap_or_default();
    let wanted = |name: &str| only.is_none_or(|text| name.contains(text));
    if header.starts_with(truth_table::HEADER) {
        return truth_table::run(folder, lines, wanted);
    }
    if !header.starts_with(index::HEADER) {
        bail!("index.tsv has neither the columns of truth tables nor those of maps");
    }
    let mut results = Vec::new();
    for line in lines {
        let case = Case::parse(line)?;
        if !wanted(&case.name) {
            continue;
        }
        let outcome =
            run_map(folder, &case, listed).with_context(|| format!("case {}", case.name))?;
        results.push((case.name, outcome));
    }
    let run = |case: &str| results.iter().any(|(name, _)| name == case);
    let unknown: Vec<_> = listed
        .0
        .keys()
        .filter(|case| wanted(case) && !run(case))
        .collect();
    let gone = "is listed, but the folder has no such case; delete the line";
    results.extend(
        unknown
            .into_iter()
            .map(|case| (case.clone(), Outcome::Failed(vec![gone.to_owned()]))),
    );
    Ok(results)
}

fn run_map(folder: &Path, case: &Case, listed: &Listed) -> anyhow::Result<Outcome> {
    let entry = listed.0.get(&case.name);
    if !case.missing.is_empty() {
        let reason = format!("not evaluated: {}", case.missing.join(", "));
        return Ok(Outcome::Skipped(reason));
    }
    if let Some(entry) = entry.filter(|entry| entry.differences == "skipped") {
        return Ok(Outcome::Skipped(entry.why.clone()));
    }
    let mut lines = maps::differences(folder, case)?;
    let digest = digest(&lines);
    Ok(match entry {
        None if lines.is_empty() => Outcome::Passed,
        Some(entry) if entry.differences == digest => Outcome::Listed,
        Some(_) if lines.is_empty() => Outcome::Failed(vec![
            "is listed as different, but agrees; delete the line".to_owned(),
        ]),
        Some(entry) => {
            lines.insert(
                0,
                format!(
                    "{digest} differs from what is listed, {}",
                    entry.differences
                ),
            );
            Outcome::Failed(lines)
        }
        None => {
            lines.insert(0, format!("{digest} lines differ"));
            Outcome::Failed(lines)
        }
    })
}

/// Prints what is to be said and returns the number of failed cases.
fn report(out: &mut impl Write, results: &[Judged], args: &CorpusArgs) -> anyhow::Result<usize> {
    let (mut passed, mut failed, mut differing) = (0usize, 0usize, 0usize);
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (case, outcome) in results {
        match outcome {
            Outcome::Passed => passed += 1,
            Outcome::Listed => {
                passed += 1;
                differing += 1;
            }
            Outcome::Skipped(reason) => reasons.entry(reason).or_default().push(case),
            Outcome::Failed(lines) => {
                failed += 1;
                writeln!(out, "FAILED  {case}")?;
                let shown = if args.verbose { lines.len() } else { SHOWN };
                for line in lines.iter().take(shown) {
                    writeln!(out, "          {line}")?;
                }
                if lines.len() > shown {
                    let more = lines.len() - shown;
                    writeln!(
                        out,
                        "          and {more} more lines (--verbose shows them)"
                    )?;
                }
            }
        }
    }
    let mut skipped = 0usize;
    for (reason, cases) in reasons {
        skipped += cases.len();
        if args.list_skipped {
            for case in cases {
                writeln!(out, "skipped {case} ({reason})")?;
            }
        } else {
            writeln!(out, "skipped {}: {reason}", cases.len())?;
        }
    }
    if differing > 0 {
        writeln!(
            out,
            "{differing} of the passed cases differ as listed in xtask/corpus"
        )?;
    }
    writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped")?;
    Ok(failed)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
