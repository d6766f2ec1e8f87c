//! Where the documents of a YAML file start and end.
//!
//! Files are cut at `---` lines: a marker at the start of a line cannot be part of a scalar, so
//! documents can be read in parallel and a broken one ends at the next marker.

use std::ops::Range;

/// A byte order mark: editors put one at the start of a file, and files get concatenated.
const BOM: char = '\u{feff}';

/// Either ends a line, or both together do.
pub(super) const LINE_BREAKS: [char; 2] = ['\n', '\r'];

/// The byte ranges of a file's documents, cut at `---` lines.
pub(super) fn cut(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    // A %TAG or %YAML directive belongs to the document behind the next marker.
    let directives = text.trim_start_matches(BOM).starts_with('%')
        || memchr::memmem::find(bytes, b"\n%").is_some();
    if directives {
        return std::iter::once(0..text.len()).collect();
    }
    let mut starts = vec![0];
    let newlines = memchr::memmem::find_iter(bytes, b"\n---").map(|at| at + 1);
    let with_mark = memchr::memmem::find_iter(bytes, "\n\u{feff}---".as_bytes()).map(|at| at + 1);
    starts.extend(newlines.chain(with_mark).filter(|at| {
        let line = text.get(*at..).unwrap_or_default();
        marker(line.trim_start_matches(BOM)).is_some()
    }));
    starts.sort_unstable();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(start, end)| start..end)
        .filter(|range| content_start(text, range.clone()) < range.end)
        .collect()
}

/// What follows a `---` that text starts with.
fn marker(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("---")?;
    (rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])).then_some(rest)
}

/// Where a chunk has something that is no marker, comment or white space.
pub(super) fn content_start(text: &str, range: Range<usize>) -> usize {
    let mut rest = text.get(range.clone()).unwrap_or_default();
    let mut line_start = true;
    loop {
        let content = rest.trim_start_matches([' ', '\t', '\r', '\n', BOM]);
        let (blank, _) = rest
            .split_at_checked(rest.len() - content.len())
            .unwrap_or_default();
        line_start |= blank.contains(LINE_BREAKS);
        let indented = blank.ends_with([' ', '\t']);
        (rest, line_start) = match marker(content) {
            Some(behind) if line_start && !indented => (behind, false),
            _ if content.starts_with('#') => {
                let below = content.split_once(LINE_BREAKS).map(|(_, below)| below);
                (below.unwrap_or_default(), true)
            }
            _ => return range.end - content.len(),
        };
    }
}

/// How much of a chunk to leave out because of a byte order mark behind its `---` line: the parser
/// takes one in front of the marker only.
pub(super) fn inner_mark(chunk: &str) -> usize {
    let rest = marker(chunk).map(|rest| rest.trim_start_matches([' ', '\t', '\r']));
    let behind = rest.and_then(|rest| rest.strip_prefix("\n\u{feff}"));
    behind.map_or(0, |behind| chunk.len() - behind.len())
}
