//! Edits of texts: put together, held apart, and followed to the places behind them.
//!
//! INVARIANT: a text is edited only where the edits do not touch each other and begin and end between
//! characters; line ends are those of the file.

use std::collections::BTreeMap;

use crate::diag::Edit;
use crate::source::FileId;

/// The edits of several fixes, by file; those of one file are in order.
#[derive(Clone, Debug, Default)]
pub(in crate::analysis) struct Edits {
    files: BTreeMap<FileId, BTreeMap<(u32, u32), String>>,
}

impl Edits {
    /// Adds the edits of a fix, unless one of them touches another.
    pub(in crate::analysis) fn add(&mut self, edits: &[Edit]) -> bool {
        let mut own = Self::default();
        for edit in edits {
            let place = (edit.span.start, edit.span.end);
            let free = !self.touches(edit.span.file, place) && !own.touches(edit.span.file, place);
            if !free || edit.span.start > edit.span.end {
                return false;
            }
            let of_file = own.files.entry(edit.span.file).or_default();
            of_file.insert(place, edit.text.clone());
        }
        for (file, edits) in own.files {
            self.files.entry(file).or_default().extend(edits);
        }
        true
    }

    /// Whether an edit at this place would meet another one.
    fn touches(&self, file: FileId, (start, end): (u32, u32)) -> bool {
        let Some(edits) = self.files.get(&file) else {
            return false;
        };
        let before = edits.range(..=(start, u32::MAX)).next_back();
        let behind = edits.range((start, 0)..).next();
        let clashes = |other: &(u32, u32)| {
            *other == (start, end) || (start < other.1 && other.0 < end) || start == other.0
        };
        before.is_some_and(|(place, _)| clashes(place) || start < place.1)
            || behind.is_some_and(|(place, _)| clashes(place) || place.0 < end)
    }

    /// The files that have edits.
    pub(in crate::analysis) fn files(&self) -> impl Iterator<Item = FileId> {
        self.files.keys().copied()
    }

    /// The text of a file with its edits.
    pub(in crate::analysis) fn apply(&self, file: FileId, text: &str) -> Option<String> {
        let Some(edits) = self.files.get(&file) else {
            return Some(text.to_owned());
        };
        let crlf = uses_crlf(text);
        let mut out = String::with_capacity(text.len() + 64 * edits.len());
        let mut at = 0;
        for ((start, end), new) in edits {
            let (start, end) = (*start as usize, *end as usize);
            out.push_str(text.get(at..start)?);
            text.get(start..end)?;
            out.push_str(&with_ends(new, crlf));
            at = end;
        }
        out.push_str(text.get(at..)?);
        Some(out)
    }

    /// Where the text at a place has gone: the first and the last offset it may have.
    pub(in crate::analysis) fn follow(
        &self,
        file: FileId,
        text: &str,
        offset: u32,
    ) -> (usize, usize) {
        let crlf = uses_crlf(text);
        let offset = offset as usize;
        let (mut gone, mut come) = (0_usize, 0_usize);
        for ((start, end), new) in self.files.get(&file).into_iter().flatten() {
            let (start, end) = (*start as usize, *end as usize);
            let length = with_ends(new, crlf).len();
            if end <= offset && start < offset || end < offset {
                gone += end - start;
                come += length;
            } else if start <= offset {
                let first = start + come - gone;
                return (first, first + length);
            }
        }
        let now = (offset + come).saturating_sub(gone);
        (now, now)
    }

    /// Whether an edit has written what is at a place of the edited text.
    pub(super) fn has_written(&self, file: FileId, text: &str, offset: usize) -> bool {
        let crlf = uses_crlf(text);
        let (mut gone, mut come) = (0_usize, 0_usize);
        let mut edits = self.files.get(&file).into_iter().flatten();
        edits.any(|((start, end), new)| {
            let (start, end) = (*start as usize, *end as usize);
            let first = (start + come).saturating_sub(gone);
            let length = with_ends(new, crlf).len();
            gone += end - start;
            come += length;
            (first..first + length).contains(&offset)
        })
    }
}

/// Whether the lines of a text end as on Windows.
fn uses_crlf(text: &str) -> bool {
    let first = text.split_once('\n').map(|(line, _)| line);
    first.is_some_and(|line| line.ends_with('\r'))
}

fn with_ends(text: &str, crlf: bool) -> std::borrow::Cow<'_, str> {
    if crlf && text.contains('\n') {
        text.replace("\r\n", "\n").replace('\n', "\r\n").into()
    } else {
        text.into()
    }
}

/// A text with a further document behind it.
pub(super) fn append_document(text: &str, document: &str) -> String {
    let crlf = uses_crlf(text);
    let kept = text.trim_end();
    if kept.is_empty() {
        return with_ends(document, crlf).into_owned();
    }
    let end = if crlf { "\r\n" } else { "\n" };
    let marker = if kept.ends_with("\n---") || kept == "---" {
        String::new()
    } else {
        format!("---{end}")
    };
    format!("{kept}{end}{marker}{}", with_ends(document, crlf))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Sources, Span};

    fn edit(file: FileId, start: usize, end: usize, text: &str) -> Edit {
        Edit {
            span: Span::new(file, start, end),
            text: text.into(),
        }
    }

    fn file(text: &str) -> FileId {
        Sources::new().add("t", text.into()).unwrap()
    }

    #[test]
    fn edits_that_touch_are_kept_apart() {
        let at = file("");
        let mut all = Edits::default();
        assert!(all.add(&[edit(at, 4, 8, "x"), edit(at, 10, 10, "y")]));
        for (start, end) in [(4, 8), (5, 6), (3, 5), (7, 9), (2, 12), (10, 10), (4, 4)] {
            assert!(!all.add(&[edit(at, start, end, "")]), "{start}..{end}");
        }
        // None of a fix, if not all of it.
        assert!(!all.add(&[edit(at, 20, 21, ""), edit(at, 5, 6, "")]));
        assert!(!all.add(&[edit(at, 20, 25, ""), edit(at, 22, 23, "")]));
        assert!(all.add(&[edit(at, 0, 4, ""), edit(at, 8, 9, ""), edit(at, 20, 21, "")]));
    }

    #[test]
    fn texts_keep_their_line_ends_and_places_are_followed() {
        let text = "a: 1\r\nb: 2\r\nc: 3\r\n";
        let at = file(text);
        let mut edits = Edits::default();
        assert!(edits.add(&[edit(at, 3, 4, "10\nx: 9"), edit(at, 12, 18, "")]));
        let new = edits.apply(at, text).unwrap();
        assert_eq!(new, "a: 10\r\nx: 9\r\nb: 2\r\n");
        assert_eq!(edits.follow(at, text, 0), (0, 0));
        assert_eq!(edits.follow(at, text, 3), (3, 11));
        let (b, _) = edits.follow(at, text, 6);
        assert!(new.get(b..).unwrap().starts_with("b: 2"));
        let mut broken = Edits::default();
        assert!(broken.add(&[edit(at, 90, 91, "")]));
        assert_eq!(broken.apply(at, text), None);
        let mut inside = Edits::default();
        assert!(inside.add(&[edit(at, 1, 2, "")]));
        assert_eq!(inside.apply(at, "é"), None, "not between characters");
    }

    #[test]
    fn documents_are_put_behind_others() {
        assert_eq!(append_document("", "a: 1\n"), "a: 1\n");
        assert_eq!(append_document("x: 1", "a: 1\n"), "x: 1\n---\na: 1\n");
        assert_eq!(append_document("x: 1\n\n", "a: 1\n"), "x: 1\n---\na: 1\n");
        assert_eq!(
            append_document("x: 1\n---\n", "a: 1\n"),
            "x: 1\n---\na: 1\n"
        );
        assert_eq!(
            append_document("x: 1\r\n", "a: 1\n"),
            "x: 1\r\n---\r\na: 1\r\n"
        );
    }
}
