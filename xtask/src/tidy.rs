//! `cargo xtask tidy`: what no compiler checks. Files stay small, rules are complete, ids that are
//! cited exist, generated pages are up to date.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use watertight_core::rules::ALL;

use crate::docs;

/// Longer source files want splitting.
const MAX_LINES: usize = 600;

/// The headings of a rule's documentation, in order.
const HEADINGS: &[&str] = &[
    "## What it finds",
    "## Why it matters",
    "## Example",
    "## Instead",
    "## Semantics",
];

pub(crate) fn run() -> anyhow::Result<()> {
    let root = docs::root();
    let mut problems = Vec::new();
    let sources = sources(&root)?;
    for (path, text) in &sources {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            problems.push(format!(
                "{}: {lines} lines, more than {MAX_LINES}",
                path.display()
            ));
        }
        // `tests.rs` stands beside the file that it tests and needs no introduction.
        if !text.starts_with("//!") && !text.starts_with("#!") && !path.ends_with("tests.rs") {
            problems.push(format!("{}: no module comment", path.display()));
        }
    }
    rules(&mut problems);
    ids(&root, &sources, &mut problems)?;
    for (path, text) in docs::generated()? {
        let found = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        if found != text {
            problems.push(format!(
                "{}: out of date; run `cargo xtask docs`",
                path.display()
            ));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{} problems:\n{}", problems.len(), problems.join("\n"))
}

/// All Rust sources of the workspace, with paths relative to the root.
fn sources(root: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = ["crates", "xtask", "fuzz"]
        .map(|name| root.join(name))
        .into();
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let short = path.strip_prefix(root).map(Path::to_owned).unwrap_or(path);
                found.push((short, text));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn rules(problems: &mut Vec<String>) {
    for rule in ALL {
        let documentation = rule.documentation();
        let mut at = 0;
        for heading in HEADINGS {
            match documentation.get(at..).and_then(|rest| rest.find(heading)) {
                Some(found) => at += found,
                None => problems.push(format!("{}: `{heading}` is missing or misplaced", rule.id)),
            }
        }
        if !rule.source.contains("mod tests") {
            problems.push(format!("{}: no tests", rule.id));
        }
    }
}

/// Ids that sources cite and `docs/semantics.md` does not define.
fn ids(
    root: &Path,
    sources: &[(PathBuf, String)],
    problems: &mut Vec<String>,
) -> anyhow::Result<()> {
    let page = std::fs::read_to_string(root.join("docs/semantics.md"))?;
    let defined: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("- **")?.split_once("**"))
        .map(|(id, _)| id)
        .collect();
    for (path, text) in sources {
        for id in cited(text) {
            if !defined.contains(id) {
                problems.push(format!(
                    "{}: {id} is not in docs/semantics.md",
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

/// `K-12` and the like, as whole words.
fn cited(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    for word in words {
        let Some((letter, number)) = word.split_once('-') else {
            continue;
        };
        let is_letter = matches!(
            letter,
            "K" | "V" | "X" | "D" | "M" | "A" | "C" | "L" | "T" | "O"
        );
        if is_letter && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            found.insert(word);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::cited;

    #[test]
    fn ids_are_words() {
        let found = cited("see K-12, (V-1) and K-12; not XK-1, K-, K-1a or FIX-2");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["K-12", "V-1"]);
    }
}
