//! Text taken out of manifests: items of lists, in lines or in brackets, and whole documents.
//!
//! INVARIANT: a cut is made only where the text around it is what it is thought to be; comments that
//! stand directly above an item go with it, all others stay.

use crate::diag::Edit;
use crate::source::{Sources, Span};

/// Takes items out of a list; `gone` is as long as `items`, which are all items of it, in order.
pub(super) fn items(sources: &Sources, items: &[Span], gone: &[bool]) -> Option<Vec<Edit>> {
    let first = items.first()?;
    if !gone.contains(&true) {
        return Some(Vec::new());
    }
    let in_lines = dash_before(sources, *first).is_some();
    if !gone.contains(&false) {
        return Some(vec![if in_lines {
            empty_lines(sources, *first, *items.last()?)?
        } else {
            let last = items.last()?;
            edit(*first, first.start, last.end, "")
        }]);
    }
    if in_lines {
        let gone = items.iter().zip(gone).filter(|(_, gone)| **gone);
        return gone.map(|(item, _)| in_line(sources, *item)).collect();
    }
    in_brackets(items, gone)
}

/// The runs of items that go, each with the comma that holds it to what stays.
fn in_brackets(items: &[Span], gone: &[bool]) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    let mut kept: Option<Span> = None;
    let mut run: Option<Span> = None;
    for (item, gone) in items.iter().zip(gone) {
        match (gone, run) {
            (true, None) => run = Some(*item),
            (true, Some(_)) => {}
            (false, Some(start)) => {
                edits.push(edit(start, start.start, item.start, ""));
                run = None;
            }
            (false, None) => {}
        }
        if !gone {
            kept = Some(*item);
        }
    }
    if run.is_some() {
        let (kept, last) = (kept?, items.last()?);
        edits.push(edit(kept, kept.end, last.end, ""));
    }
    Some(edits)
}

/// An item of a list in lines, with its lines and the comments above.
fn in_line(sources: &Sources, item: Span) -> Option<Edit> {
    let text = sources.file(item.file).text();
    let dash = dash_before(sources, item)?;
    let start = with_comments_above(text, line_start(text, dash), dash - line_start(text, dash));
    let end = line_end(text, item.end as usize)?;
    Some(edit(item, offset(start), offset(end), ""))
}

/// All items of a list in lines: what is left is `[]`.
fn empty_lines(sources: &Sources, first: Span, last: Span) -> Option<Edit> {
    let text = sources.file(first.file).text();
    let start = line_start(text, dash_before(sources, first)?);
    let mut before = text.get(..start)?;
    // Comments between the key and the first item are about the items.
    let colon = loop {
        let trimmed = before.trim_end();
        let line = trimmed.rsplit('\n').next()?;
        if !line.trim_start().starts_with('#') {
            break trimmed.len();
        }
        before = trimmed.get(..trimmed.len() - line.len())?;
    };
    let key = text.get(..colon)?;
    let end = last.end as usize;
    let behind = text.get(end..line_end(text, end)?)?;
    if !key.ends_with(':') || !behind.trim().is_empty() {
        return None;
    }
    Some(edit(first, offset(colon), last.end, " []"))
}

/// Where the dash of an item is, if nothing but spaces is before it.
fn dash_before(sources: &Sources, item: Span) -> Option<usize> {
    let text = sources.file(item.file).text();
    let start = item.start as usize;
    let line = text.get(line_start(text, start)..start)?;
    let lead = line.trim_end_matches(' ').strip_suffix('-')?;
    let is_indent = lead.bytes().all(|byte| byte == b' ') && line.ends_with(' ');
    is_indent.then(|| start - line.len() + lead.len())
}

/// A whole object: the document that it is, or the item of a list.
pub(super) fn object(sources: &Sources, object: Span) -> Option<Edit> {
    let text = sources.file(object.file).text();
    let (start, end) = (object.start as usize, object.end as usize);
    let line = line_start(text, start);
    if line == start && !text.get(start..end)?.starts_with('{') {
        return document(text, object);
    }
    if dash_before(sources, object).is_some() {
        return in_line(sources, object);
    }
    // Between brackets: with the comma behind it, or else the one before it.
    let behind = text.get(end..)?;
    let rest = behind.trim_start();
    if let Some(rest) = rest.strip_prefix(',') {
        let next = text.len() - rest.trim_start().len();
        return Some(edit(object, object.start, offset(next), ""));
    }
    let before = text.get(..start)?.trim_end();
    match before.strip_suffix(',') {
        Some(before) if rest.starts_with(']') => {
            Some(edit(object, offset(before.len()), object.end, ""))
        }
        None if before.ends_with('[') && rest.starts_with(']') => {
            Some(edit(object, object.start, object.end, ""))
        }
        None if before.is_empty() && rest.is_empty() => {
            Some(edit(object, object.start, object.end, ""))
        }
        _ => None,
    }
}

/// A document of a file: with one of the markers that it stands between.
fn document(text: &str, object: Span) -> Option<Edit> {
    let start = with_comments_above(text, object.start as usize, 0);
    // The end of the document: the next marker, or the end of the file.
    let mut end = line_end(text, object.end as usize)?;
    let marker = loop {
        let rest = text.get(end..)?;
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        if line.is_empty() {
            break None;
        }
        if is_marker(line) {
            break Some(end + line.len());
        }
        if !line.trim().is_empty() && !line.starts_with('#') {
            // Something of the document that its value does not reach to.
            return None;
        }
        end += line.len();
    };
    let before = text.get(..start)?;
    let line_before = before
        .trim_end_matches(['\n', '\r', ' '])
        .rsplit('\n')
        .next();
    let after_marker = line_before.is_some_and(is_marker);
    let first = before.trim().is_empty();
    Some(match marker {
        // Nothing else is before it in its document: the marker behind goes.
        Some(next) if first || after_marker => edit(object, offset(start), offset(next), ""),
        Some(_) => edit(object, offset(start), offset(end), ""),
        None if after_marker => {
            let cut = before.trim_end_matches(['\n', '\r', ' ']).len() - line_before?.len();
            edit(object, offset(cut), offset(end), "")
        }
        None => edit(object, offset(start), offset(end), ""),
    })
}

fn is_marker(line: &str) -> bool {
    let rest = line.strip_prefix("---");
    rest.is_some_and(|rest| {
        let rest = rest.trim_end();
        rest.is_empty() || (rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#'))
    })
}

/// The start of the comment lines of this indent that end at a line.
fn with_comments_above(text: &str, line: usize, indent: usize) -> usize {
    let mut start = line;
    loop {
        let Some(before) = text.get(..start) else {
            return start;
        };
        let above = before.strip_suffix('\n').unwrap_or(before);
        let line = above.rsplit('\n').next().unwrap_or_default();
        let lead = line.len() - line.trim_start_matches(' ').len();
        let is_comment = line.trim_start().starts_with('#') && lead == indent;
        if before.is_empty() || !is_comment {
            return start;
        }
        start = above.len() - line.len();
    }
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |newline| newline + 1)
}

/// Behind the line that a value ends in, if at most a comment follows it there.
fn line_end(text: &str, at: usize) -> Option<usize> {
    if at == 0 || text.get(..at)?.ends_with('\n') {
        return Some(at);
    }
    let rest = text.get(at..)?;
    let line = rest.split_inclusive('\n').next().unwrap_or_default();
    let behind = line.trim();
    (behind.is_empty() || behind.starts_with('#')).then_some(at + line.len())
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn edit(near: Span, start: u32, end: u32, text: &str) -> Edit {
    Edit {
        span: Span {
            file: near.file,
            start,
            end,
        },
        text: text.to_owned(),
    }
}
