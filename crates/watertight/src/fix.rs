//! `--fix` and `--diff`: the edits of findings, applied to files or shown.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use similar::TextDiff;
use watertight_core::check::Checked;
use watertight_core::diag::Edit;
use watertight_core::source::{FileId, Sources};

/// The new texts of files that have fixes.
pub(crate) struct Fixed {
    /// File, old text and new text.
    files: Vec<(FileId, String)>,
    /// The number of findings that are settled.
    pub(crate) findings: usize,
}

/// Applies the edits of all findings in memory. Of fixes that touch the same bytes the first counts.
pub(crate) fn collect(sources: &Sources, checked: &Checked) -> Fixed {
    let mut edits: BTreeMap<FileId, Vec<&Edit>> = BTreeMap::new();
    let mut findings = 0;
    for finding in &checked.findings {
        let Some(fix) = finding.fix.as_ref().filter(|fix| !fix.edits.is_empty()) else {
            continue;
        };
        let clashes = fix.edits.iter().any(|edit| {
            edits
                .get(&edit.span.file)
                .into_iter()
                .flatten()
                .any(|other| overlaps(edit, other))
        });
        if !clashes {
            findings += 1;
            for edit in &fix.edits {
                edits.entry(edit.span.file).or_default().push(edit);
            }
        }
    }
    let files = edits
        .into_iter()
        .map(|(file, edits)| (file, apply(sources.file(file).text(), edits)))
        .collect();
    Fixed { files, findings }
}

fn overlaps(a: &Edit, b: &Edit) -> bool {
    a.span == b.span || (a.span.start < b.span.end && b.span.start < a.span.end)
}

fn apply(text: &str, mut edits: Vec<&Edit>) -> String {
    edits.sort_by_key(|edit| edit.span);
    let mut out = String::with_capacity(text.len());
    let mut at = 0usize;
    for edit in edits {
        let (start, end) = (edit.span.start as usize, edit.span.end as usize);
        out.push_str(text.get(at..start).unwrap_or_default());
        out.push_str(&edit.text);
        at = end.max(at);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

impl Fixed {
    /// Writes the files; returns how many. Standard input has no file to write.
    pub(crate) fn write(
        &self,
        sources: &Sources,
        paths: &[Option<PathBuf>],
    ) -> anyhow::Result<usize> {
        let mut written = 0;
        for ((id, _), path) in sources.iter().zip(paths) {
            let fixed = self.files.iter().find(|(file, _)| *file == id);
            if let (Some((_, text)), Some(path)) = (fixed, path) {
                std::fs::write(path, text)
                    .with_context(|| format!("cannot write `{}`", path.display()))?;
                written += 1;
            }
        }
        Ok(written)
    }

    /// Prints unified diffs.
    pub(crate) fn print(
        &self,
        sources: &Sources,
        out: &mut dyn std::io::Write,
    ) -> std::io::Result<()> {
        let mut out = std::io::BufWriter::new(out);
        for (file, text) in &self.files {
            let source = sources.file(*file);
            let diff = TextDiff::from_lines(source.text(), text.as_str());
            let name = source.name();
            write!(
                out,
                "{}",
                diff.unified_diff()
                    .header(&format!("a/{name}"), &format!("b/{name}"))
            )?;
        }
        out.flush()
    }
}
