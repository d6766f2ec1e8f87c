//! JSON, one record a line or in a list, and what tools wrap around a record.

use super::collect::Collector;
use super::fields::Wrong;
use super::lines;
use crate::document::{self, Kind, Node};
use crate::source::FileId;

/// What a decoder makes of a value.
pub(super) type Decode = fn(Node<'_, '_>, &mut Collector) -> Result<(), Wrong>;

/// So many containers may be around a record.
const MAX_WRAPPERS: usize = 4;

/// Reads all records of a text.
pub(super) fn read(file: FileId, text: &str, collector: &mut Collector, decode: Decode) {
    values(file, text, |value| {
        match value {
            Ok(node) => {
                if let Err((span, message)) = decode(node, collector) {
                    collector.problem(span, message);
                }
            }
            Err(error) => {
                let message = format!("expected a record in JSON: {}", error.message);
                collector.problem(error.span, message);
            }
        }
        true
    });
}

/// Looks at the first records until `done`.
pub(super) fn sample(file: FileId, text: &str, mut done: impl FnMut(Node<'_, '_>) -> bool) {
    let mut left = 100;
    values(file, text, |value| {
        left -= 1;
        left > 0 && !value.is_ok_and(&mut done)
    });
}

type Value<'v> = Result<Node<'v, 'v>, &'v document::SyntaxError>;

/// Calls `each` for every record for as long as it says so.
fn values(file: FileId, text: &str, mut each: impl FnMut(Value<'_>) -> bool) {
    let Some((_, first)) = lines(text).next() else {
        return;
    };
    // A record a line, as logs are; or else a list, an answer of a server, or what jq prints.
    if first.starts_with('{') && first.ends_with('}') {
        for (at, line) in lines(text) {
            let range = at..at + line.len();
            let go_on = match document::json_value(file, text, range) {
                Ok(document) => document
                    .root()
                    .is_none_or(|node| unwrap(node, 0, &mut each)),
                Err(error) => each(Err(&error)),
            };
            if !go_on {
                return;
            }
        }
        return;
    }
    let (units, errors) = document::units(file, "flows.json", text);
    for unit in units {
        for read in unit.read(text) {
            let go_on = match read {
                Ok(document) => document
                    .root()
                    .is_none_or(|node| unwrap(node, 0, &mut each)),
                Err(error) => each(Err(&error)),
            };
            if !go_on {
                return;
            }
        }
    }
    for error in &errors {
        if !each(Err(error)) {
            return;
        }
    }
}

/// Takes records out of lists, of pages of Whisker and of hits of Elasticsearch.
fn unwrap<'v>(node: Node<'v, '_>, depth: usize, each: &mut impl FnMut(Value<'_>) -> bool) -> bool {
    if depth > MAX_WRAPPERS {
        return true;
    }
    if node.kind() == Kind::Sequence {
        return node.items().all(|item| unwrap(item, depth + 1, each));
    }
    let inner = ["items", "hits", "_source", "flows"]
        .iter()
        .find_map(|key| node.get(key));
    match inner {
        Some(inner) if matches!(inner.kind(), Kind::Sequence | Kind::Mapping) => {
            unwrap(inner, depth + 1, each)
        }
        _ => each(Ok(node)),
    }
}
