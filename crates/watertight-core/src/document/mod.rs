//! A YAML or JSON document as a tape: a flat list of slots in reading order.
//!
//! Both syntaxes end in the same [`Document`], where every value knows its bytes in the source.
//! Strings borrow the source where they can. A tape takes one allocation however many values it
//! holds, and a subtree can be copied (YAML aliases) because containers hold lengths, not addresses.
//!
//! INVARIANT: reading never panics and never fails as a whole: it returns the documents it could
//! read and a [`SyntaxError`] for each that it could not.

mod anchors;
mod chunks;
mod cuts;
mod json;
mod merge;
mod outline;
mod read;
mod resolve;
mod scanner;
mod yaml;

use std::borrow::Cow;
use std::hash::Hasher as _;
use std::ops::Range;

use rustc_hash::FxHasher;

pub use read::{Unit, units};
pub(crate) use read::{documents_with, pieces};

use crate::source::{FileId, Span};

/// Deeper documents are refused.
pub const MAX_DEPTH: usize = 128;

/// Documents whose aliases would make them larger than this many values are refused; short ones
/// earlier, so that what is read stays in proportion to what was written.
pub const MAX_ALIASED_NODES: usize = 1_000_000;

/// The one JSON value in a range of a file.
pub(crate) fn json_value(
    file: FileId,
    text: &str,
    range: Range<usize>,
) -> Result<Document<'_>, SyntaxError> {
    json::read(file, text, range, None)
}

/// What is wrong with a document's syntax, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The place.
    pub span: Span,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether a limit against hostile input was hit, rather than the grammar.
    pub limit: bool,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// A boolean.
    Bool,
    /// A number, kept as written.
    Number,
    /// A string.
    String,
    /// A list.
    Sequence,
    /// A mapping with string keys.
    Mapping,
}

impl Kind {
    /// The kind as error messages call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Sequence => "a list",
            Self::Mapping => "a mapping",
        }
    }
}

/// Marks a slot whose text is its own bytes in the source.
const IN_PLACE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Slot {
    kind: Kind,
    /// The text is the slot's bytes without the first and the last one.
    quoted: bool,
    start: u32,
    end: u32,
    /// Containers: the number of slots below. Booleans: 0 or 1. Strings and numbers: index into
    /// `Document::owned`, or `IN_PLACE`.
    payload: u32,
}

impl Slot {
    /// The bytes of a text that is in the source.
    #[inline]
    fn inner(&self) -> Range<usize> {
        let quote = usize::from(self.quoted);
        self.start as usize + quote..(self.end as usize).saturating_sub(quote)
    }

    /// The number of slots that belong to this one and follow it.
    #[inline]
    fn below(&self) -> usize {
        match self.kind {
            Kind::Sequence | Kind::Mapping => self.payload as usize,
            _ => 0,
        }
    }
}

/// Where the text of a slot is.
enum Text {
    /// Its bytes in the source.
    InPlace,
    /// Its bytes in the source without the first and the last one.
    Quoted,
    /// Not in the source.
    Owned(String),
}

/// One document.
#[derive(Debug)]
pub struct Document<'s> {
    file: FileId,
    text: &'s str,
    slots: Vec<Slot>,
    owned: Vec<Box<str>>,
}

impl<'s> Document<'s> {
    fn new(file: FileId, text: &'s str) -> Self {
        Self::for_bytes(file, text, 0)
    }

    /// A tape with room for what so many bytes of JSON usually hold.
    fn for_bytes(file: FileId, text: &'s str, bytes: usize) -> Self {
        Self {
            file,
            text,
            slots: Vec::with_capacity((bytes / 8).min(1 << 12)),
            owned: Vec::new(),
        }
    }

    /// The topmost value, if the document holds any.
    #[must_use]
    pub fn root(&self) -> Option<Node<'_, 's>> {
        self.node(0)
    }

    #[inline]
    fn node(&self, index: usize) -> Option<Node<'_, 's>> {
        self.slots.get(index)?;
        Some(Node {
            document: self,
            index,
        })
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize, payload: u32) -> usize {
        let span = Span::new(self.file, start, end);
        self.slots.push(Slot {
            kind,
            quoted: false,
            start: span.start,
            end: span.end,
            payload,
        });
        self.slots.len() - 1
    }

    /// Opens a container; `close` sets its end.
    fn open(&mut self, kind: Kind, start: usize) -> usize {
        self.push(kind, start, start, 0)
    }

    fn close(&mut self, index: usize, end: usize) {
        let below = self.slots.len().saturating_sub(index + 1);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.payload = u32::try_from(below).unwrap_or(u32::MAX);
            slot.end = Span::new(self.file, slot.start as usize, end).end;
        }
    }

    /// A string whose text is what is between its quotes.
    #[inline]
    fn push_quoted(&mut self, start: usize, end: usize) {
        let span = Span::new(self.file, start, end);
        self.slots.push(Slot {
            kind: Kind::String,
            quoted: true,
            start: span.start,
            end: span.end,
            payload: IN_PLACE,
        });
    }

    /// Forgets all values; the memory is kept for others.
    fn clear(&mut self) {
        self.slots.clear();
        self.owned.clear();
    }

    fn push_text(&mut self, kind: Kind, start: usize, end: usize, text: Text) {
        let quoted = matches!(text, Text::Quoted);
        let payload = match text {
            Text::InPlace | Text::Quoted => IN_PLACE,
            Text::Owned(text) => {
                self.owned.push(text.into_boxed_str());
                u32::try_from(self.owned.len() - 1).unwrap_or(IN_PLACE)
            }
        };
        let index = self.push(kind, start, end, payload);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.quoted = quoted;
        }
    }
}

/// A value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Node<'d, 's> {
    document: &'d Document<'s>,
    /// A slot of the document.
    index: usize,
}

/// What a slot that is not there would be.
const NOTHING: Slot = Slot {
    kind: Kind::Null,
    quoted: false,
    start: 0,
    end: 0,
    payload: 0,
};

impl<'d, 's> Node<'d, 's> {
    #[inline]
    fn slot(self) -> &'d Slot {
        // INVARIANT: nodes are only made for slots that are there.
        self.document.slots.get(self.index).unwrap_or(&NOTHING)
    }

    /// The type.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.slot().kind
    }

    /// Where the value is.
    #[must_use]
    pub fn span(self) -> Span {
        let slot = self.slot();
        Span {
            file: self.document.file,
            start: slot.start,
            end: slot.end,
        }
    }

    /// Whether this is null, which the API reads like a missing field (semantics 0.4).
    #[must_use]
    pub fn is_null(self) -> bool {
        self.slot().kind == Kind::Null
    }

    fn source(self) -> &'s str {
        let slot = self.slot();
        let bytes = slot.start as usize..slot.end as usize;
        self.document.text.get(bytes).unwrap_or_default()
    }

    /// The text of a string.
    #[must_use]
    pub fn string(self) -> Option<Cow<'s, str>> {
        if self.slot().kind != Kind::String {
            return None;
        }
        Some(
            match self.document.owned.get(self.slot().payload as usize) {
                Some(owned) => Cow::Owned(owned.to_string()),
                None => Cow::Borrowed(self.in_place()),
            },
        )
    }

    /// The text of a string, for as long as the document lives.
    #[must_use]
    pub fn str(self) -> Option<&'d str> {
        (self.slot().kind == Kind::String).then(|| self.text())
    }

    fn text(self) -> &'d str {
        match self.document.owned.get(self.slot().payload as usize) {
            Some(owned) => owned,
            None => self.in_place(),
        }
    }

    fn in_place(self) -> &'s str {
        let text = self.document.text;
        text.get(self.slot().inner()).unwrap_or_default()
    }

    /// Whether this is a string with this text.
    #[inline]
    #[must_use]
    pub fn is(self, text: &str) -> bool {
        let slot = self.slot();
        if slot.kind != Kind::String {
            return false;
        }
        if slot.payload != IN_PLACE {
            return self.text() == text;
        }
        let inner = slot.inner();
        inner.len() == text.len()
            && self.document.text.as_bytes().get(inner) == Some(text.as_bytes())
    }

    /// A boolean.
    #[must_use]
    pub fn bool(self) -> Option<bool> {
        (self.slot().kind == Kind::Bool).then_some(self.slot().payload == 1)
    }

    /// A whole number, in any notation that YAML 1.1 and JSON know.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        if self.slot().kind != Kind::Number {
            return None;
        }
        resolve::integer(self.text())
    }

    /// A scalar as it is written, for messages.
    #[must_use]
    pub fn as_written(self) -> &'s str {
        self.source()
    }

    /// The items of a list; nothing for other kinds.
    pub fn items(self) -> impl Iterator<Item = Node<'d, 's>> {
        self.children(Kind::Sequence)
    }

    fn children(self, of: Kind) -> Children<'d, 's> {
        let below = if self.slot().kind == of {
            self.slot().below()
        } else {
            0
        };
        Children {
            document: self.document,
            next: self.index + 1,
            end: self.index + 1 + below,
        }
    }

    /// The entries of a mapping in reading order, keys as string nodes; nothing for other kinds.
    pub fn entries(self) -> impl Iterator<Item = (Node<'d, 's>, Node<'d, 's>)> {
        let mut children = self.children(Kind::Mapping);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// The value of a key: the last one if the key is repeated, as Go decodes it.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Node<'d, 's>> {
        let [value] = self.get_each([key]);
        value
    }

    /// The values of several keys, as `get` has them.
    #[must_use]
    pub fn get_each<const N: usize>(self, keys: [&str; N]) -> [Option<Node<'d, 's>>; N] {
        let mut values = [None; N];
        for (name, value) in self.entries() {
            let mut places = keys.iter().zip(&mut values);
            if let Some((_, place)) = places.find(|(key, _)| name.is(key)) {
                *place = Some(value);
            }
        }
        values
    }

    /// The number of entries of a mapping of scalars; not less than that of any other mapping.
    pub(crate) fn most_entries(self) -> usize {
        match self.kind() {
            Kind::Mapping => self.slot().below() / 2,
            _ => 0,
        }
    }

    /// Whether two keys of a mapping may be the same: false is certain.
    pub(crate) fn may_repeat_keys(self) -> bool {
        let mut seen = [0u64; 4];
        self.entries().any(|(key, _)| {
            let mut hasher = FxHasher::default();
            hasher.write(key.str().unwrap_or_default().as_bytes());
            let hash = hasher.finish();
            let bit = 1u64 << (hash & 63);
            let word = seen.get_mut((hash >> 6 & 3) as usize);
            word.is_none_or(|word| std::mem::replace(word, *word | bit) & bit != 0)
        })
    }
}

struct Children<'d, 's> {
    document: &'d Document<'s>,
    next: usize,
    end: usize,
}

impl<'d, 's> Iterator for Children<'d, 's> {
    type Item = Node<'d, 's>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let index = self.next;
        self.next += 1 + self.document.slots.get(index)?.below();
        Some(Node {
            document: self.document,
            index,
        })
    }
}

#[cfg(test)]
mod tests;
