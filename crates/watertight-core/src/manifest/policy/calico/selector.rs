//! Selectors of Calico inside objects: errors point into the text (C-29..C-31, C-74).

use crate::diag::{Finding, Fix};
use crate::document::Node;
use crate::manifest::decode::Decoder;
use crate::rules::reading;
use crate::sets::CalicoSelector;
use crate::source::Span;

/// The most characters of a selector (C-74).
const MAX_LENGTH: usize = 1024;

/// A selector that is there and not empty.
#[derive(Clone, Debug)]
pub struct CalicoSelectorText {
    /// What it says.
    pub selector: CalicoSelector,
    /// Where it is written.
    pub span: Span,
}

/// What a field that holds a selector may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Anything but `global()`.
    Labels,
    /// `global()` also, alone: a rule's `namespaceSelector` (C-29).
    Global,
    /// Anything but `global()`, of any length: service accounts of a rule.
    AnyLength,
}

/// Decodes a selector. An empty one says no more than a missing one (C-17, C-28).
pub(super) fn decode(
    decoder: &mut Decoder,
    name: &'static str,
    node: Option<Node<'_, '_>>,
    allowed: Allowed,
) -> Option<CalicoSelectorText> {
    let text = decoder.text(name, node)?;
    if text.is_empty() {
        return None;
    }
    decoder.field(name, |decoder| {
        let length = text.chars().count();
        if length > MAX_LENGTH && allowed != Allowed::AnyLength {
            let message = format!("the selector has {length} characters; {MAX_LENGTH} are allowed");
            decoder.invalid(text.span, message, &["C-74"], None);
            return None;
        }
        let verbatim = verbatim(node?, &text);
        let selector = match CalicoSelector::parse(&text) {
            Ok(selector) => selector,
            Err(error) => {
                let span = verbatim.map(|start| {
                    Span::new(
                        start.file,
                        at(start, error.at.start),
                        at(start, error.at.end),
                    )
                });
                let message = format!("`{}` is no selector: {error}", shown(&text));
                let mut finding = Finding::new(&reading::INVALID, message)
                    .at(span.unwrap_or(text.span), "")
                    .why(&["C-31"]);
                finding.fix = error.instead.map(|instead| {
                    let advice = format!("write `{instead}`");
                    match span {
                        // A quote could end the text that it is put into.
                        Some(span) if !instead.contains('\'') => {
                            Fix::replace(advice, span, instead)
                        }
                        _ => Fix::advice(advice),
                    }
                });
                decoder.refuse(finding);
                return None;
            }
        };
        let alone = allowed == Allowed::Global && selector == CalicoSelector::Global;
        if let Some(found) = text.find("global(")
            && !alone
        {
            let span = verbatim.map_or(text.span, |start| {
                let end = found + "global(".len();
                Span::new(start.file, at(start, found), at(start, end))
            });
            let message = match allowed {
                Allowed::Global => "`global()` cannot be combined with anything else",
                _ => "only the `namespaceSelector` of a rule may say `global()`",
            };
            decoder.invalid(span, message, &["C-29"], None);
            return None;
        }
        Some(CalicoSelectorText {
            selector,
            span: text.span,
        })
    })
}

fn at(start: Span, offset: usize) -> usize {
    start.start as usize + offset
}

/// Where the text starts, if the file has it letter by letter.
fn verbatim(node: Node<'_, '_>, text: &str) -> Option<Span> {
    let written = node.as_written();
    let skipped = match written.chars().next() {
        Some('"' | '\'') => 1,
        _ => 0,
    };
    let inner = written.get(skipped..written.len().checked_sub(skipped)?)?;
    let span = node.span();
    (inner == text).then(|| Span::new(span.file, at(span, skipped), span.end as usize))
}

/// A text in a message, cut where it is long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}...", text.get(..cut).unwrap_or_default()),
        None => text.to_owned(),
    }
}
