//! Changes of single places in manifests that keep them valid.
//!
//! INVARIANT: an edit is made only if the text at its place is what it is thought to be; text that
//! an alias shares, or that is written in a way not known here, gets advice instead.

use crate::diag::{Edit, in_place_of};
use crate::rules::proposal::scalar;
use crate::sets::Requirement;
use crate::source::{Sources, Span};
use crate::world::Policy;

/// Whether the text of a policy is its own: no anchor or alias shares parts of it.
pub(in crate::rules) fn is_unshared(sources: &Sources, policy: &Policy) -> bool {
    let text = sources.text(policy.span);
    let marks = text.match_indices(['&', '*']);
    !marks.into_iter().any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        before.is_none_or(|c| c.is_whitespace() || matches!(c, '[' | '{' | ','))
    })
}

/// Where the value of a requirement is, without quotes.
pub(in crate::rules) fn value_of(
    sources: &Sources,
    requirement: &Requirement,
    value: &str,
) -> Option<Span> {
    let text = sources.text(requirement.span);
    let at = match entry(text, &requirement.key, value) {
        Some((_, at)) => at,
        None => only_token(text, value)?,
    };
    Some(part(requirement.span, at, value.len()))
}

/// Where the key of a requirement is, without quotes.
pub(in crate::rules) fn key_of(sources: &Sources, requirement: &Requirement) -> Option<Span> {
    let text = sources.text(requirement.span);
    let key = &*requirement.key;
    let at = match &requirement.operator {
        crate::sets::Operator::In(values) => match values.as_slice() {
            [value] => entry(text, key, value).map(|(at, _)| at),
            _ => None,
        },
        _ => None,
    };
    let at = match at {
        Some(at) => at,
        None => only_token(text, key)?,
    };
    Some(part(requirement.span, at, key.len()))
}

/// Where the value of `key: value` is inside a text that has the key once, without quotes.
pub(in crate::rules) fn value_in(
    sources: &Sources,
    within: Span,
    key: &str,
    value: &str,
) -> Option<Span> {
    let text = sources.text(within);
    let at = only_token(text, key)?;
    let rest = text.get(at..)?;
    let (_, of_value) = begins_with_entry(rest, key, value)?;
    Some(part(within, at + of_value, value.len()))
}

/// A replacement of a scalar by another, quoted where YAML would not read a string.
pub(in crate::rules) fn replace(sources: &Sources, at: Span, text: &str) -> Edit {
    let file = sources.file(at.file).text();
    let before = file.get(..at.start as usize);
    let quote = before.and_then(|text| text.chars().next_back());
    let Some(quote @ ('"' | '\'')) = quote else {
        let text = scalar(text).into_owned();
        return Edit { span: at, text };
    };
    // The quotes stay where they are: what is between them has to fit.
    let whole = in_place_of(if quote == '"' { "\"" } else { "'" }, text);
    let inside = whole
        .strip_prefix(quote)
        .and_then(|text| text.strip_suffix(quote));
    match inside {
        Some(inside) => Edit {
            span: at,
            text: inside.to_owned(),
        },
        // Nothing that single quotes can hold.
        None => Edit {
            span: Span {
                start: at.start.saturating_sub(1),
                end: at.end.saturating_add(1),
                ..at
            },
            text: whole.into_owned(),
        },
    }
}

/// A new first entry of a mapping: `block` where it is written in lines (lines after the first are
/// relative to it), `flow` where it is in braces.
pub(in crate::rules) fn prepend(
    sources: &Sources,
    mapping: Span,
    block: &str,
    flow: &str,
) -> Option<Edit> {
    let text = sources.text(mapping);
    let span = mapping.at_start();
    if let Some(inside) = text.strip_prefix('{') {
        if inside.trim_start().starts_with(['"', '}']) {
            return None;
        }
        let span = part(mapping, 1, 0);
        let text = format!("{flow}, ");
        return Some(Edit { span, text });
    }
    let indent = indent_of(sources, mapping)?;
    let text: String = block
        .lines()
        .map(|line| format!("{line}\n{indent}"))
        .collect();
    Some(Edit { span, text })
}

/// A copy of a list item, put before it with one entry more.
pub(in crate::rules) fn duplicate_item(sources: &Sources, item: Span, entry: &str) -> Option<Edit> {
    let text = sources.text(item);
    let in_braces = match text.strip_prefix('{') {
        Some(inside) if inside.trim_start().starts_with(['"', '}']) => return None,
        Some(inside) => Some(format!("{{{entry}, {inside}")),
        None => None,
    };
    if text.contains(['#', '\n']) {
        return None;
    }
    let Some(dash) = dash_of(sources, item) else {
        let text = format!("{}, ", in_braces?);
        let span = item.at_start();
        return Some(Edit { span, text });
    };
    let copy = match in_braces {
        Some(copy) => copy,
        None => format!("{entry}\n{}{text}", indent_of(sources, item)?),
    };
    let lead = sources.text(dash.at_start().to(item.at_start()));
    let own = line_before(sources, dash)?;
    Some(Edit {
        span: dash.at_start(),
        text: format!("{lead}{copy}\n{own}"),
    })
}

/// Joins two neighbouring list items, mappings in lines, into one: the second loses its dash.
pub(in crate::rules) fn join_items(sources: &Sources, first: Span, second: Span) -> Option<Edit> {
    let between = sources.file(first.file).text();
    let between = between.get(first.end as usize..second.start as usize)?;
    // First of all: a dump in JSON may be one line of many megabytes.
    if sources.text(first).starts_with('{') || sources.text(second).starts_with('{') {
        return None;
    }
    let same_indent = indent_of(sources, first)? == indent_of(sources, second)?;
    let dash = dash_of(sources, second)?;
    let only_a_dash = between
        .lines()
        .all(|line| line.trim().trim_start_matches('-').trim().is_empty() || is_comment(line));
    (first.file == second.file && same_indent && only_a_dash).then(|| Edit {
        span: dash,
        text: " ".to_owned(),
    })
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The dash of a list item.
fn dash_of(sources: &Sources, item: Span) -> Option<Span> {
    let before = line_before(sources, item)?;
    let trimmed = before.trim_end_matches(' ');
    let leading = trimmed.strip_suffix('-')?;
    if !leading.chars().all(|c| c == ' ') || trimmed.len() == before.len() {
        return None;
    }
    let back = u32::try_from(before.len() - leading.len()).ok()?;
    let start = item.start.checked_sub(back)?;
    let end = start + 1;
    Some(Span { start, end, ..item })
}

/// The spaces in front of the entries of a mapping that is written in lines.
fn indent_of(sources: &Sources, mapping: Span) -> Option<String> {
    let before = line_before(sources, mapping)?;
    before
        .chars()
        .all(|c| matches!(c, ' ' | '-'))
        .then(|| " ".repeat(before.len()))
}

/// Nobody indents further than this, and a dump may be one line of many megabytes.
const LONGEST_INDENT: usize = 4096;

/// What stands before a place in its line, unless that is far more than an indent.
fn line_before(sources: &Sources, at: Span) -> Option<&str> {
    let text = sources.file(at.file).text();
    let before = text.get(..at.start as usize)?;
    let mut start = before.len().saturating_sub(LONGEST_INDENT);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    match before.get(start..)?.rsplit_once('\n') {
        Some((_, line)) => Some(line),
        None => Some(before).filter(|_| start == 0),
    }
}

/// The places of key and value if a text is one entry and nothing else.
fn entry(text: &str, key: &str, value: &str) -> Option<(usize, usize)> {
    let (of_key, of_value) = begins_with_entry(text, key, value)?;
    let rest = text.get(of_value + value.len()..)?;
    matches!(rest, "" | "\"" | "'").then_some((of_key, of_value))
}

/// The places of key and value if a text begins with that entry.
fn begins_with_entry(text: &str, key: &str, value: &str) -> Option<(usize, usize)> {
    let unquoted = text.trim_start_matches(['"', '\'']);
    let of_key = text.len() - unquoted.len();
    let rest = unquoted.strip_prefix(key)?;
    let rest = rest.trim_start_matches(['"', '\'']).trim_start();
    let rest = rest.strip_prefix(':')?.trim_start_matches(' ');
    let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
    let after = rest.strip_prefix(value)?;
    (!after.starts_with(is_word)).then_some((of_key, text.len() - rest.len()))
}

/// Where a word is that occurs once.
fn only_token(text: &str, word: &str) -> Option<usize> {
    let mut found = text.match_indices(word).filter(|(at, _)| {
        let before = text.get(..*at).and_then(|text| text.chars().next_back());
        let after = text
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    });
    let (at, _) = found.next().filter(|_| !word.is_empty())?;
    found.next().is_none().then_some(at)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')
}

fn part(of: Span, offset: usize, length: usize) -> Span {
    let start = of.start as usize + offset;
    Span::new(of.file, start, start + length)
}

/// Where a policy writes its namespace, without quotes.
pub(in crate::rules) fn namespace_of(
    sources: &Sources,
    policy: &Policy,
    name: &str,
) -> Option<Span> {
    let spec = policy.spec.span;
    let before = Span {
        end: spec.start.clamp(policy.span.start, policy.span.end),
        ..policy.span
    };
    let behind = Span {
        start: spec.end.clamp(policy.span.start, policy.span.end),
        ..policy.span
    };
    [before, behind]
        .into_iter()
        .find_map(|part| value_in(sources, part, "namespace", name))
}

/// A replacement of a scalar by a number: its quotes go as well.
pub(in crate::rules) fn replace_with_number(sources: &Sources, at: Span, number: u16) -> Edit {
    let wider = Span {
        start: at.start.saturating_sub(1),
        end: at.end.saturating_add(1),
        ..at
    };
    let quoted = sources.text(wider).starts_with(['"', '\'']);
    Edit {
        span: if quoted { wider } else { at },
        text: number.to_string(),
    }
}
