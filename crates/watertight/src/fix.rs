//! `--fix` and `--diff`: what core has proved, written to files or shown, and what was left out, told.
//!
//! INVARIANT: a file is replaced as a whole or not at all, and only if it still is what was checked.

mod write;

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use similar::TextDiff;
use watertight_core::analysis::fix::{LeftOut, Plan, Why, examples};
use watertight_core::rules::count;
use watertight_core::source::{FileId, Sources};

use crate::exit::say;
use crate::input::Input;
use crate::output::one_line;
pub(crate) use write::replace_all;

/// The files that can be written.
pub(crate) fn writable(input: &Input) -> BTreeSet<FileId> {
    let files = input.sources.iter().zip(&input.paths);
    let with_path = files.filter(|(_, path)| path.is_some());
    with_path.map(|((id, _), _)| id).collect()
}

/// The file for new objects, which need not be there yet.
pub(crate) fn objects(path: &Path, input: &mut Input) -> anyhow::Result<FileId> {
    let shown = path.display();
    let extension = path.extension().and_then(|extension| extension.to_str());
    if !extension.is_some_and(|extension| matches!(extension, "yaml" | "yml")) {
        bail!("`{shown}` is no name for new objects: they are written as YAML, so end it in .yaml");
    }
    let same = |known: &Option<PathBuf>| {
        let known = known.as_ref().and_then(|known| known.canonicalize().ok());
        known.is_some() && known == path.canonicalize().ok()
    };
    let files = input.sources.iter().zip(&input.paths);
    if let Some(((id, _), _)) = files.into_iter().find(|(_, path)| same(path)) {
        return Ok(id);
    }
    let name = path.strip_prefix("./").unwrap_or(path);
    let id = input
        .sources
        .add_text(&name.display().to_string(), String::new())?;
    input.paths.push(Some(path.to_owned()));
    Ok(id)
}

/// Prints what changes, as unified diffs.
pub(crate) fn print(
    before: &Sources,
    after: &Sources,
    changed: &[FileId],
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let mut out = BufWriter::new(out);
    for file in changed {
        let (old, new) = (before.file(*file), after.file(*file));
        let diff = TextDiff::from_lines(old.text(), new.text());
        let name = old.name();
        let (from, to) = (format!("a/{name}"), format!("b/{name}"));
        let from = if old.text().is_empty() {
            "/dev/null"
        } else {
            &from
        };
        write!(out, "{}", diff.unified_diff().header(from, &to))?;
    }
    out.flush()
}

/// The files to write, with the texts that they must still have.
pub(crate) fn writes<'s>(
    input: &'s Input,
    after: &'s Sources,
    changed: &[FileId],
) -> Vec<write::Replacement<'s>> {
    let files = input.sources.iter().zip(&input.paths);
    let changed = files.filter(|((id, _), _)| changed.contains(id));
    let replacements = changed.filter_map(|((id, old), path)| {
        Some(write::Replacement {
            path: path.as_deref()?,
            old: old.text(),
            new: after.file(id).text(),
        })
    });
    replacements.collect()
}

/// Says what was done and what was not.
pub(crate) fn tell(plan: &Plan, verb: &str, files: usize, verbose: bool) {
    let findings = count(plan.applied.len(), "finding");
    say(&format!("{verb} {findings} in {}", count(files, "file")));
    if verbose {
        for applied in &plan.applied {
            let place = place(applied.place.as_deref());
            let message = one_line(&applied.message);
            say(&format!("  {}{place}: {message}", applied.finding.rule.id));
        }
    }
    if !plan.opened.is_empty() {
        say(&format!("  this allows {}", examples(&plan.opened)));
    }
    // Lists of dozens are not read: one of a kind stands for all of them.
    let mut kinds: Vec<(&LeftOut, usize)> = Vec::new();
    for one in &plan.left_out {
        let alike = |other: &LeftOut| {
            *other.rule == *one.rule
                && std::mem::discriminant(&other.why) == std::mem::discriminant(&one.why)
        };
        let known = kinds.iter_mut().find(|(known, _)| !verbose && alike(known));
        match known {
            Some((_, more)) => *more += 1,
            None => kinds.push((one, 0)),
        }
    }
    for (one, more) in kinds {
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more of the kind"),
        };
        let place = place(one.place.as_deref());
        let id = one.rule.id;
        let message = one_line(&one.message);
        let why = one_line(&why(id, &one.why));
        say(&format!("left out {id}{place}{more}: {message}: {why}"));
    }
}

fn place(place: Option<&str>) -> String {
    place.map_or(String::new(), |place| format!(" at {}", one_line(place)))
}

/// Why a fix of a rule was left out, and what to do about it.
fn why(id: &str, why: &Why) -> String {
    match why {
        Why::Doubt(doubt) => format!("{doubt}; --fix={id} does it"),
        Why::NewObject => "it is a new object; name a file for it with --fix-objects FILE".into(),
        Why::NoFile => "its text comes from no file that can be written; --diff shows it".into(),
        Why::Opens(opened) => format!("would open {}; --fix={id} does it", examples(opened)),
        Why::Brings(finding) => format!("would bring {finding}; --fix={id} does it"),
        Why::Spoils(finding) => format!("would make something invalid, {finding}; edit it by hand"),
        Why::Breaks => "the file could not be read any more; edit it by hand".into(),
        Why::NotSettled => "the finding would still be there; edit it by hand".into(),
        Why::Overlaps => "it changes what another fix changes; run --fix again".into(),
        Why::LikeOthers => format!(
            "others of {id} were left out, and this one was not tried; \
             --fix={id} makes all of {id}, whatever they open"
        ),
        Why::Untried => format!(
            "others of {id} were left out, and this one was not tried; edit those by hand, and run \
             --fix={id} again"
        ),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    /// Nobody is told to name the rule that they have named.
    #[test]
    fn what_is_left_out_of_a_rule_that_was_named() {
        let text = [
            Why::Spoils("WT005: `Sideways` is no direction".into()),
            Why::Untried,
        ]
        .map(|one| why("WT102", &one))
        .join("\n");
        expect![[r#"
            would make something invalid, WT005: `Sideways` is no direction; edit it by hand
            others of WT102 were left out, and this one was not tried; edit those by hand, and run --fix=WT102 again"#]].assert_eq(&text);
        let text = why("WT004", &Why::LikeOthers);
        expect!["others of WT004 were left out, and this one was not tried; --fix=WT004 makes all of WT004, whatever they open"].assert_eq(&text);
    }
}
