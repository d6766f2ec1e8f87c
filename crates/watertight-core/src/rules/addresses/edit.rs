//! Edits of `except` lists as they stand in the source: flow or block style, JSON, any quotes.
//!
//! INVARIANT: an edit is offered only where the surrounding text was recognised, so that the file
//! stays valid; anything unusual (anchors, tags, two items on a line) yields none.

use ipnet::IpNet;

use crate::diag::Edit;
use crate::sets::IpBlock;
use crate::source::{Sources, Span};

/// Appends networks to the `except` list of a block that has one.
pub(in crate::rules) fn append(sources: &Sources, block: &IpBlock, nets: &[IpNet]) -> Option<Edit> {
    let last = block.except.last()?.span;
    let text = Text::around(sources, last)?;
    let quote = text
        .inner
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''));
    let items = || nets.iter().map(|net| quoted(*net, quote));
    if text.is_flow_item() {
        let list: String = items().map(|item| format!(", {item}")).collect();
        return Some(insertion(last, text.end, list));
    }
    let indent = text.before_on_line.strip_suffix(|c| c == ' ')?.trim_end();
    let spaces = indent.strip_suffix('-')?;
    if !is_blank(spaces) || !text.ends_line() {
        return None;
    }
    let lines: String = items()
        .map(|item| format!("{}{}{item}", text.newline, text.before_on_line))
        .collect();
    Some(insertion(last, text.line_end, lines))
}

/// Gives an `except` list to a block that has none.
pub(in crate::rules) fn insert(sources: &Sources, block: &IpBlock, nets: &[IpNet]) -> Option<Edit> {
    let cidr = block.cidr.span;
    let text = Text::around(sources, cidr)?;
    if !block.except.is_empty() || sources.text(block.span).contains("except") {
        return None;
    }
    let quote = text
        .inner
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''));
    let items: Vec<String> = nets.iter().map(|net| quoted(*net, quote)).collect();
    if sources.text(block.span).starts_with('{') {
        let key = if text.before.trim_end().ends_with("\"cidr\":") {
            "\"except\""
        } else {
            "except"
        };
        let list = format!(", {key}: [{}]", items.join(", "));
        return Some(insertion(cidr, text.end, list));
    }
    let spaces = text.before_on_line.trim_end().strip_suffix("cidr:")?;
    if !is_blank(spaces) || !text.ends_line() {
        return None;
    }
    let newline = text.newline;
    let lines: String = items
        .iter()
        .map(|item| format!("{newline}{spaces}- {item}"))
        .collect();
    Some(insertion(
        cidr,
        text.line_end,
        format!("{newline}{spaces}except:{lines}"),
    ))
}

/// A scalar and the text around it.
struct Text<'s> {
    before: &'s str,
    inner: &'s str,
    after: &'s str,
    before_on_line: &'s str,
    rest_of_line: &'s str,
    newline: &'static str,
    end: usize,
    line_end: usize,
}

impl<'s> Text<'s> {
    fn around(sources: &'s Sources, span: Span) -> Option<Self> {
        let whole = sources.file(span.file).text();
        let (start, end) = (span.start as usize, span.end as usize);
        let (before, after) = (whole.get(..start)?, whole.get(end..)?);
        let line = after.split('\n').next().unwrap_or_default();
        let rest_of_line = line.strip_suffix('\r').unwrap_or(line);
        let newline = if line.len() == rest_of_line.len() {
            "\n"
        } else {
            "\r\n"
        };
        Some(Self {
            before,
            inner: whole.get(start..end)?,
            after,
            before_on_line: before.rsplit('\n').next().unwrap_or_default(),
            rest_of_line,
            newline,
            end,
            line_end: end + rest_of_line.len(),
        })
    }

    /// Whether the scalar is an item of `[a, b]`.
    fn is_flow_item(&self) -> bool {
        self.before.trim_end().ends_with(['[', ','])
            && self.after.trim_start().starts_with([',', ']'])
    }

    /// Whether at most a comment follows on the line.
    fn ends_line(&self) -> bool {
        let rest = self.rest_of_line.trim_start();
        rest.is_empty() || (rest.starts_with('#') && rest.len() < self.rest_of_line.len())
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ')
}

/// IPv6 is quoted always: a colon means something to YAML.
fn quoted(net: IpNet, quote: Option<char>) -> String {
    match (quote, net) {
        (Some(quote), _) => format!("{quote}{net}{quote}"),
        (None, IpNet::V6(_)) => format!("\"{net}\""),
        (None, IpNet::V4(_)) => net.to_string(),
    }
}

fn insertion(near: Span, at: usize, text: String) -> Edit {
    Edit {
        span: Span::new(near.file, at, at),
        text,
    }
}

#[cfg(test)]
mod tests;
