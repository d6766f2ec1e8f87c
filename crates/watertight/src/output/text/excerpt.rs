//! Pieces of files around places, small enough to draw whatever the file is like.
//!
//! INVARIANT: for every span, also one that is empty, at the end of the file or off the characters,
//! the marks of an excerpt lie on character boundaries of its text, and the text is harmless.

use std::ops::Range;

use watertight_core::diag::Edit;
use watertight_core::source::{Sources, Span};

use crate::output::harmless;

/// A label over more lines than this is drawn at its first line only.
const MAX_LABEL_LINES: usize = 4;
/// An edit of more lines, or in lines of more bytes, is not drawn: patches are not cut at a width.
const MAX_EDIT_LINES: usize = 30;
const MAX_EDIT_LINE: usize = 240;
/// Longer lines (JSON without line breaks) are not drawn.
const MAX_BYTES: usize = 4000;
/// Places this near to each other share an excerpt.
const MAX_GAP_LINES: usize = 12;

/// Whole lines of a file.
#[derive(Debug)]
pub(super) struct Excerpt {
    /// The number of the first line.
    pub(super) line: usize,
    /// The lines.
    pub(super) text: String,
    /// The places in the text, by their number.
    pub(super) marks: Vec<(usize, Range<usize>)>,
}

/// A place in a file, with the whole lines around it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    which: usize,
    span: Span,
    mark: Range<usize>,
    lines: Range<usize>,
}

impl Place {
    /// The lines of a label; none if they are too long to draw.
    pub(super) fn of_label(sources: &Sources, which: usize, span: Span) -> Option<Self> {
        let text = sources.file(span.file).text();
        let mark = on_characters(text, span);
        let marked = text.get(mark.clone()).unwrap_or_default().trim_end();
        let marked = if marked.matches('\n').count() < MAX_LABEL_LINES {
            marked
        } else {
            marked.lines().next().unwrap_or_default()
        };
        let mark = mark.start..mark.start + marked.len();
        Self::new(text, which, span, mark)
    }

    /// The lines of an edit; none if they are too long or too many to draw.
    pub(super) fn of_edit(sources: &Sources, which: usize, edit: &Edit) -> Option<(Self, String)> {
        let (span, new) = (edit.span, edit.text.as_str());
        let text = sources.file(span.file).text();
        let mark = on_characters(text, span);
        let (mark, new) = as_whole_lines(text, &mark, new).unwrap_or((mark, new.to_owned()));
        let old = text.get(mark.clone()).unwrap_or_default();
        let lines = |text: &str| text.matches('\n').count();
        let place = Self::new(text, which, span, mark)?;
        let whole = text.get(place.lines.clone()).unwrap_or_default();
        let longest = whole.lines().chain(new.lines()).map(str::len).max();
        let small = lines(old).max(lines(&new)) <= MAX_EDIT_LINES
            && longest.unwrap_or_default() <= MAX_EDIT_LINE;
        small.then_some((place, new))
    }

    fn new(text: &str, which: usize, span: Span, mark: Range<usize>) -> Option<Self> {
        let (before, behind) = (text.get(..mark.start)?, text.get(mark.end..)?);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = behind
            .find('\n')
            .map_or(text.len(), |newline| mark.end + newline);
        (end - start <= MAX_BYTES).then_some(Self {
            which,
            span,
            mark,
            lines: start..end,
        })
    }

    /// The place in its file, for telling whether two places overlap.
    pub(super) fn mark(&self) -> Range<usize> {
        self.mark.clone()
    }
}

/// The bytes of a span that are there, on character boundaries.
fn on_characters(text: &str, span: Span) -> Range<usize> {
    let start = text.floor_char_boundary(span.start as usize);
    let end = text.floor_char_boundary(span.end as usize);
    start..end.max(start)
}

/// The same edit as an insertion of whole lines where it is one: nothing else then looks changed.
fn as_whole_lines(text: &str, mark: &Range<usize>, new: &str) -> Option<(Range<usize>, String)> {
    let (before, old) = (text.get(..mark.start)?, text.get(mark.clone())?);
    let added = new.strip_prefix(old)?;
    let at_line_end = text.get(mark.end..)?.starts_with('\n');
    if let Some(lines) = added.strip_prefix('\n').filter(|_| at_line_end) {
        return Some((mark.end + 1..mark.end + 1, format!("{lines}\n")));
    }
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let indent = text
        .get(line..mark.start)
        .filter(|indent| indent.trim().is_empty())?;
    let lines = added
        .strip_suffix(indent)
        .filter(|lines| lines.ends_with('\n'))?;
    old.is_empty()
        .then(|| (line..line, format!("{indent}{lines}")))
}

/// Excerpts that show the places of one file, by line.
pub(super) fn excerpts(sources: &Sources, mut places: Vec<Place>) -> Vec<Excerpt> {
    places.sort_by_key(|place| (place.lines.start, place.mark.start));
    let mut excerpts = Vec::new();
    let mut together: Vec<Place> = Vec::new();
    for place in places {
        if !together.is_empty() && !are_near(sources, &together, &place) {
            excerpts.extend(excerpt(sources, &together));
            together.clear();
        }
        together.push(place);
    }
    excerpts.extend(excerpt(sources, &together));
    excerpts
}

fn are_near(sources: &Sources, together: &[Place], place: &Place) -> bool {
    let end = end_of(together);
    let text = sources.file(place.span.file).text();
    // The empty line behind the last line end can only be drawn alone.
    if place.lines.start == text.len() {
        return false;
    }
    // Nothing between them: they share a line or one is inside the other.
    let between = text.get(end..place.lines.start).unwrap_or_default();
    between.len() <= MAX_BYTES && between.matches('\n').count() <= MAX_GAP_LINES
}

fn end_of(places: &[Place]) -> usize {
    places
        .iter()
        .map(|place| place.lines.end)
        .max()
        .unwrap_or_default()
}

/// `places` are of one file and sorted.
fn excerpt(sources: &Sources, places: &[Place]) -> Option<Excerpt> {
    let first = places.first()?;
    let file = first.span.file;
    let text = sources.file(file).text();
    let lines = first.lines.start..end_of(places);
    let start = u32::try_from(lines.start).ok()?;
    let shown = text.get(lines.clone())?;
    let shown = shown.strip_suffix('\r').unwrap_or(shown);
    // Harmless text can be longer than what it replaces.
    let offset = |at: usize| {
        let at = at.min(lines.start + shown.len());
        let before = text.get(lines.start..at).unwrap_or_default();
        harmless(before).len()
    };
    let mut drawn = harmless(shown).into_owned();
    if drawn.ends_with('\n') {
        // The renderer knows no line behind the last line end; a blank makes it one.
        drawn.push(' ');
    }
    Some(Excerpt {
        line: sources.position(file, start).line as usize,
        text: drawn,
        marks: places
            .iter()
            .map(|place| {
                (
                    place.which,
                    offset(place.mark.start)..offset(place.mark.end),
                )
            })
            .collect(),
    })
}
