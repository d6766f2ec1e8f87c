//! From a document's nodes to typed values, with an error for everything that does not fit.
//!
//! A decoder collects findings and goes on: a wrong field costs that field, and whoever builds the
//! object decides whether it can stand without it. Null reads like a missing field (semantics 0.4).

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::Options;
use crate::diag::{Finding, Fix, brief};
use crate::document::{Kind, Node};
use crate::rules::reading;
use crate::source::Span;
use crate::suggest::misspelt;

/// A text with its place.
#[derive(Clone, Debug)]
pub struct Text<'s> {
    /// The text.
    pub value: Cow<'s, str>,
    /// Where it is.
    pub span: Span,
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.value
    }
}

/// How strict a mapping is about fields it does not know.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unknown {
    /// Every unknown field is an error: the kind is known completely.
    Refuse,
    /// Only near misses of these and of the decoded fields are reported: the kind has many fields
    /// that are of no concern here, and newer servers have more.
    NearMiss(&'static [&'static str]),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Field(&'static str),
    Item(usize),
}

/// Collects what goes wrong while one object is decoded.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) findings: Vec<Finding>,
    /// The object has an error for which an API server would refuse it.
    pub(super) refused: bool,
    /// Refuse CIDRs in sloppy spelling, as Kubernetes does since 1.36 (V-20).
    pub(super) strict_cidr: bool,
    /// Take admin policies as release 0.1.1 of their API did.
    pub(super) old_admin_api: bool,
    path: Vec<Step>,
}

impl Decoder {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            findings: Vec::new(),
            refused: false,
            strict_cidr: options.strict_cidr,
            old_admin_api: options.old_admin_api,
            path: Vec::new(),
        }
    }

    /// Makes the decoder fit for the next object.
    pub(super) fn reset(&mut self) {
        self.findings.clear();
        self.refused = false;
        self.path.clear();
    }

    /// Where the decoder is inside the object.
    fn field_path(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                Step::Item(index) => {
                    path.push('[');
                    path.push_str(&index.to_string());
                    path.push(']');
                }
            }
        }
        path
    }

    fn place(&self, finding: Finding) -> Finding {
        let path = self.field_path();
        let mut finding = finding;
        finding.message = brief(std::mem::take(&mut finding.message));
        finding.field = (!path.is_empty()).then_some(path);
        finding
    }

    /// Reports that an API server would refuse the object.
    pub(super) fn refuse(&mut self, finding: Finding) {
        self.refused = true;
        let finding = self.place(finding).incomplete();
        self.findings.push(finding);
    }

    /// Reports something that does not keep the object out.
    pub(super) fn warn(&mut self, finding: Finding) {
        let finding = self.place(finding);
        self.findings.push(finding);
    }

    /// Reports a wrong value: `ids` are the V- rules it breaks.
    pub(super) fn invalid(
        &mut self,
        span: Span,
        message: impl Into<String>,
        ids: &[&'static str],
        help: Option<&str>,
    ) {
        let mut finding = Finding::new(&reading::INVALID, message)
            .at(span, "")
            .why(ids);
        finding.fix = help.map(Fix::advice);
        self.refuse(finding);
    }

    /// Runs `decode` one field deeper.
    pub(super) fn field<T>(
        &mut self,
        name: &'static str,
        decode: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.path.push(Step::Field(name));
        let value = decode(self);
        self.path.pop();
        value
    }

    /// Runs `decode` for every item of a list that is not null; reports what is no list.
    pub(super) fn items<'d, 's: 'd, T>(
        &mut self,
        name: &'static str,
        node: Option<Node<'d, 's>>,
        mut decode: impl FnMut(&mut Self, Node<'d, 's>) -> Option<T>,
    ) -> Vec<T> {
        let Some(node) = node else {
            return Vec::new();
        };
        self.path.push(Step::Field(name));
        // Most are short, and spare room in the many lists of many policies would be most of them.
        let mut found = Vec::with_capacity(node.items().count());
        if node.kind() == Kind::Sequence {
            for (index, item) in node.items().enumerate() {
                self.path.push(Step::Item(index));
                found.extend(decode(self, item));
                self.path.pop();
            }
        } else {
            self.wrong_kind(node, "a list");
        }
        self.path.pop();
        found
    }

    fn wrong_kind(&mut self, node: Node<'_, '_>, expected: &str) {
        let written = node.as_written();
        let scalar = matches!(node.kind(), Kind::Bool | Kind::Number | Kind::String);
        let shown = match written.char_indices().nth(40) {
            Some((cut, _)) => written.get(..cut).map(|start| format!("{start}...")),
            None => Some(written.to_owned()),
        };
        let found = match shown.filter(|_| scalar) {
            Some(shown) => format!("{} (`{shown}`)", node.kind().word()),
            None => node.kind().word().to_owned(),
        };
        let quotable = expected == "a string" && matches!(node.kind(), Kind::Bool | Kind::Number);
        let mut finding = Finding::new(
            &reading::INVALID,
            format!("expected {expected}, found {found}"),
        )
        .at(node.span(), "");
        if quotable {
            finding.fix = Some(Fix::replace(
                "quote the value",
                node.span(),
                format!("\"{written}\""),
            ));
        }
        self.refuse(finding);
    }

    /// The values of the known fields, in their order; missing and null ones are `None`.
    pub(super) fn fields<'d, 's, const N: usize>(
        &mut self,
        node: Node<'d, 's>,
        known: [&'static str; N],
        unknown: Unknown,
    ) -> [Option<Node<'d, 's>>; N] {
        let mut values = [None; N];
        if node.kind() != Kind::Mapping {
            if !node.is_null() {
                self.wrong_kind(node, "a mapping");
            }
            return values;
        }
        let mut seen = [false; N];
        for (key, value) in node.entries() {
            let mut places = known.iter().zip(&mut values).zip(&mut seen);
            match places.find(|((known, _), _)| key.is(known)) {
                Some(((name, place), seen)) => {
                    if std::mem::replace(seen, true) {
                        self.repeated(key, name, "this one replaces an earlier value");
                    }
                    *place = Some(value).filter(|value| !value.is_null());
                }
                None => self.unknown(key, key.str().unwrap_or_default(), &known, unknown),
            }
        }
        values
    }

    fn repeated(&mut self, key: Node<'_, '_>, name: &str, label: &str) {
        let finding = Finding::new(
            &reading::REPEATED_FIELD,
            format!("field `{name}` is given twice; only the last one counts"),
        )
        .at(key.span(), label);
        self.warn(finding);
    }

    fn unknown(&mut self, key: Node<'_, '_>, name: &str, known: &[&'static str], unknown: Unknown) {
        let near = match unknown {
            Unknown::Refuse => misspelt(name, known.iter().copied()),
            Unknown::NearMiss(others) if others.contains(&name) => return,
            Unknown::NearMiss(_) => {
                let Some(near) = misspelt(name, known.iter().copied()) else {
                    return;
                };
                Some(near)
            }
        };
        let mut finding = Finding::new(
            &reading::UNKNOWN_FIELD,
            format!("unknown field `{name}`: the API server drops it and uses the default"),
        )
        .at(key.span(), "no such field here");
        finding.fix = Some(match near {
            Some(near) => Fix::replace(format!("write `{near}`"), key.span(), requote(key, near)),
            None => Fix::advice(format!("the fields here are: {}", known.join(", "))),
        });
        self.warn(finding);
    }

    /// A string; reports any other kind.
    pub(super) fn text<'s>(
        &mut self,
        name: &'static str,
        node: Option<Node<'_, 's>>,
    ) -> Option<Text<'s>> {
        let node = node?;
        match node.string() {
            Some(value) => Some(Text {
                value,
                span: node.span(),
            }),
            None => {
                self.field(name, |decoder| decoder.wrong_kind(node, "a string"));
                None
            }
        }
    }

    /// A string that is an item of a list. A null item reads as the empty string, as in Go.
    pub(super) fn item_text<'s>(&mut self, node: Node<'_, 's>) -> Option<Text<'s>> {
        if node.is_null() {
            return Some(Text {
                value: Cow::Borrowed(""),
                span: node.span(),
            });
        }
        let Some(value) = node.string() else {
            self.wrong_kind(node, "a string");
            return None;
        };
        Some(Text {
            value,
            span: node.span(),
        })
    }

    /// A boolean; false where it is missing.
    pub(super) fn bool(&mut self, name: &'static str, node: Option<Node<'_, '_>>) -> bool {
        let Some(node) = node else {
            return false;
        };
        node.bool().unwrap_or_else(|| {
            self.field(name, |decoder| decoder.wrong_kind(node, "a boolean"));
            false
        })
    }

    /// A whole number.
    pub(super) fn integer(
        &mut self,
        name: &'static str,
        node: Option<Node<'_, '_>>,
    ) -> Option<(i64, Span)> {
        let node = node?;
        match node.integer() {
            Some(value) => Some((value, node.span())),
            None => {
                self.field(name, |decoder| decoder.wrong_kind(node, "a whole number"));
                None
            }
        }
    }

    /// A mapping of strings to strings. A null value reads as the empty string (K-43).
    pub(super) fn string_map<'d, 's>(
        &mut self,
        name: &'static str,
        node: Option<Node<'d, 's>>,
        mut entry: impl FnMut(&mut Self, Text<'s>, Text<'s>),
    ) {
        let Some(node) = node else {
            return;
        };
        self.path.push(Step::Field(name));
        if node.kind() == Kind::Mapping {
            let mut last = LastOf::new(node);
            for (key, value) in node.entries() {
                let Some(name) = key.string() else {
                    continue;
                };
                if !last.is_last(key) {
                    self.repeated(key, &name, "this one is replaced by a later value");
                    continue;
                }
                let text = if value.is_null() {
                    Some(Cow::Borrowed(""))
                } else {
                    value.string()
                };
                match text {
                    Some(text) => {
                        let key = Text {
                            value: name,
                            span: key.span(),
                        };
                        let value = Text {
                            value: text,
                            span: value.span(),
                        };
                        entry(self, key, value);
                    }
                    None => self.wrong_kind(value, "a string"),
                }
            }
        } else {
            self.wrong_kind(node, "a mapping");
        }
        self.path.pop();
    }
}

/// Which entry of each key of a mapping is the last one, the one that counts.
struct LastOf<'d, 's> {
    node: Node<'d, 's>,
    /// All keys are known to differ.
    distinct: bool,
    /// Only for mappings too large to look through again and again.
    large: Option<FxHashMap<&'d str, Span>>,
}

impl<'d, 's> LastOf<'d, 's> {
    fn new(node: Node<'d, 's>) -> Self {
        let distinct = !node.may_repeat_keys();
        let is_large = !distinct && node.entries().nth(16).is_some();
        let large = is_large.then(|| {
            let keys = node.entries().map(|(key, _)| key);
            keys.filter_map(|key| Some((key.str()?, key.span())))
                .collect()
        });
        Self {
            node,
            distinct,
            large,
        }
    }

    fn is_last(&mut self, key: Node<'d, 's>) -> bool {
        if self.distinct {
            return true;
        }
        let name = key.str().unwrap_or_default();
        let last = match &self.large {
            Some(large) => large.get(name).copied(),
            None => {
                let same = self
                    .node
                    .entries()
                    .filter(|(other, _)| other.str() == Some(name));
                same.last().map(|(other, _)| other.span())
            }
        };
        last.is_none_or(|last| last == key.span())
    }
}

fn requote(key: Node<'_, '_>, name: &str) -> String {
    match key.as_written().chars().next() {
        Some(quote @ ('"' | '\'')) => format!("{quote}{name}{quote}"),
        _ => name.to_owned(),
    }
}
