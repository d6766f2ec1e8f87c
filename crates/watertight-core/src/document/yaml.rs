//! YAML into a tape. The only file that names the YAML parser.
//!
//! INVARIANT: spans are tight, because fixes edit by them. A block collection goes from its first
//! key or dash to the end of its last value, a block scalar from its `|` or `>` to its last line.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use granit_parser::{
    ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, StructureStyle, Tag,
};

use super::anchors::{Anchors, TooMany};
use super::chunks::{self, LINE_BREAKS};
use super::{Document, Kind, MAX_DEPTH, SyntaxError, Text, merge, resolve};
use crate::source::{FileId, Span};

/// Reads the documents of one chunk: more than one only where `...` ends the first, or where
/// directives keep the file in one piece.
pub(super) fn read(
    file: FileId,
    text: &str,
    range: Range<usize>,
) -> Vec<Result<Document<'_>, SyntaxError>> {
    let chunk = text.get(range.clone()).unwrap_or_default();
    let skipped = chunks::inner_mark(chunk);
    let chunk = chunk.get(skipped..).unwrap_or_default();
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut parser = Parser::new_from_str_with_options(chunk, options);
    let mut loader = Loader::new(file, text, range.start + skipped);
    let hints = Hints::new(chunk);
    let mut found = Vec::new();
    while let Some(event) = parser.next_event() {
        let step = event
            .map_err(|error| loader.scan_error(&error, &hints))
            .and_then(|(event, span)| loader.event(event, &span));
        match step {
            Ok(None) => {}
            Ok(Some(document)) => {
                found.push(Ok(document));
                loader.reset();
            }
            Err(mut error) => {
                // `{{ x }}` scans as YAML: only the loader sees that a mapping is no key.
                if error.help.is_none() && !error.limit {
                    error.help = hints.help();
                }
                found.push(Err(error));
                loader.reset();
                if !matches!(parser.proceed_next_document(), Ok(true)) {
                    break;
                }
            }
        }
    }
    found
}

/// What may be wrong with a chunk as a whole. Computed once: many of its documents may be broken.
struct Hints<'s> {
    chunk: &'s str,
    template: OnceCell<bool>,
    tabs: OnceCell<bool>,
}

impl<'s> Hints<'s> {
    fn new(chunk: &'s str) -> Self {
        Self {
            chunk,
            template: OnceCell::new(),
            tabs: OnceCell::new(),
        }
    }

    fn help(&self) -> Option<String> {
        let template = || self.chunk.contains("{{");
        let indented_by_tab = |line: &str| line.trim_start_matches(' ').starts_with('\t');
        let tabs = || self.chunk.lines().any(indented_by_tab);
        let help = if *self.template.get_or_init(template) {
            "this looks like a template that was not rendered: run `helm template` (or your \
             renderer) and check its output"
        } else if *self.tabs.get_or_init(tabs) {
            "YAML does not allow tabs as indentation: use spaces"
        } else {
            return None;
        };
        Some(help.to_owned())
    }
}

struct Loader<'s> {
    file: FileId,
    text: &'s str,
    /// Where the parser's offsets start.
    base: usize,
    /// Where the document starts.
    began: usize,
    document: Document<'s>,
    open: Vec<Open>,
    anchors: Anchors,
    /// Where the last value ended: a block collection ends there, not where the next token starts.
    reached: usize,
}

/// A collection that is being read.
struct Open {
    slot: usize,
    anchor: usize,
    mapping: bool,
    /// Whether the next node is a key.
    key_next: bool,
    /// Whether it ends with a bracket.
    brackets: bool,
    /// The slots of its `<<` keys.
    merges: Vec<usize>,
    /// The number of anchors in front of its content.
    anchors: usize,
}

impl<'s> Loader<'s> {
    fn new(file: FileId, text: &'s str, base: usize) -> Self {
        Self {
            file,
            text,
            base,
            began: base,
            document: Document::new(file, text),
            open: Vec::new(),
            anchors: Anchors::default(),
            reached: base,
        }
    }

    /// Gets ready for the next document.
    fn reset(&mut self) {
        *self = Self::new(self.file, self.text, self.base);
    }

    fn error(&self, range: Range<usize>, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            span: Span::new(self.file, range.start, range.end),
            message: message.into(),
            help: None,
            limit: false,
        }
    }

    fn limit(&self, range: Range<usize>, message: String) -> SyntaxError {
        SyntaxError {
            limit: true,
            ..self.error(range, message)
        }
    }

    fn scan_error(&self, error: &ScanError, hints: &Hints<'_>) -> SyntaxError {
        let local = error.marker().byte_offset().unwrap_or(0);
        let at = (self.base + local).min(self.text.len());
        let width = self
            .text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .filter(|next| !matches!(next, '\n' | '\r'))
            .map_or(0, char::len_utf8);
        let mut found = match error.kind() {
            ErrorKind::RecursionLimitExceeded => self.limit(
                at..at + width,
                format!("nested deeper than {MAX_DEPTH} levels"),
            ),
            ErrorKind::UnknownAnchor => {
                let rest = self.text.get(at..).unwrap_or_default();
                let ends = [' ', '\t', '\r', '\n', ',', '[', ']', '{', '}'];
                let name = rest.split(ends).next().unwrap_or_default();
                let message = format!("no value in this document has the anchor of `{name}`");
                self.error(at..at + name.len(), message)
            }
            _ => self.error(at..at + width, first_lower(&error.info())),
        };
        found.limit |= matches!(
            error.kind(),
            ErrorKind::AnchorCountOverflow
                | ErrorKind::DirectiveByteLimitExceeded { .. }
                | ErrorKind::TooManyReservedDirectiveParams { .. }
        );
        found.help = hints.help();
        found
    }

    fn event(
        &mut self,
        event: Event<'_>,
        span: &granit_parser::Span,
    ) -> Result<Option<Document<'s>>, SyntaxError> {
        let local = span.byte_range().unwrap_or(0..0);
        let range = self.base + local.start..self.base + local.end;
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let slot = self.document.slots.len();
                self.scalar(
                    Scalar {
                        value,
                        style,
                        range,
                    },
                    tag.as_deref(),
                )?;
                self.node_done(slot, anchor);
            }
            Event::SequenceStart(style, anchor, _) => {
                self.start(Kind::Sequence, style, anchor, range)?;
            }
            Event::MappingStart(style, anchor, _) => {
                self.start(Kind::Mapping, style, anchor, range)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.finish(&range)?,
            Event::Alias(anchor) => self.alias(anchor, range)?,
            Event::DocumentStart(explicit, _) => {
                self.began = range.start;
                if explicit {
                    self.reached = range.end;
                }
            }
            Event::DocumentEnd => {
                let done = Document::new(self.file, self.text);
                let done = std::mem::replace(&mut self.document, done);
                return Ok(Some(done).filter(|document| !document.slots.is_empty()));
            }
            _ => {}
        }
        Ok(None)
    }

    fn in_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.key_next)
    }

    fn slice(&self, range: Range<usize>) -> &'s str {
        self.text.get(range).unwrap_or_default()
    }

    /// The bytes of a scalar, where the parser has them otherwise.
    fn scalar_range(&self, value: &str, style: ScalarStyle, range: Range<usize>) -> Range<usize> {
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            return self.block_range(value, range);
        }
        if !range.is_empty() || self.in_key() {
            return range;
        }
        // Nothing: the place behind the colon or the dash.
        let ahead = self.slice(range.start..self.text.len());
        if let Some(behind) = ahead.trim_start_matches([' ', '\t']).strip_prefix(':') {
            let at = self.text.len() - behind.len();
            return at..at;
        }
        let mut rest = self.slice(self.reached..range.start);
        while !rest.is_empty() {
            let (above, line) = rest.rsplit_once(LINE_BREAKS).unwrap_or(("", rest));
            let content = without_comment(line).trim_ascii_end();
            if !content.is_empty() {
                let at = self.reached + rest.len() - line.len() + content.len();
                return at..at;
            }
            rest = above;
        }
        self.reached..self.reached
    }

    /// From the header of a block scalar to the end of its last line.
    fn block_range(&self, value: &str, range: Range<usize>) -> Range<usize> {
        let mut start = range.start;
        let at_header = value.is_empty() && self.slice(range.clone()).starts_with(['|', '>']);
        if !at_header {
            // Only blank lines may stand between the header and the content.
            let before = self.slice(self.reached..start).trim_ascii_end();
            let line = before.rsplit(LINE_BREAKS).next().unwrap_or_default();
            let from = self.reached + before.len() - line.len();
            let header = line.match_indices(['|', '>']).map(|(at, _)| at).find(|at| {
                let (before, from_here) = line.split_at_checked(*at).unwrap_or_default();
                let behind = from_here
                    .trim_start_matches(['|', '>'])
                    .trim_start_matches(|next: char| matches!(next, '0'..='9' | '+' | '-'));
                (before.is_empty() || before.ends_with([' ', '\t']))
                    && (behind.is_empty() || behind.starts_with([' ', '\t']))
            });
            start = header.map_or(start, |at| from + at);
        }
        let all = self.slice(start..range.end);
        let kept = all.trim_ascii_end();
        // Trailing blanks on the last line belong to it.
        let blanks = all.get(kept.len()..).unwrap_or_default();
        let blanks = blanks.split(LINE_BREAKS).next().unwrap_or_default();
        start..start + kept.len() + blanks.len()
    }

    fn scalar(&mut self, mut scalar: Scalar<'_>, tag: Option<&Tag>) -> Result<(), SyntaxError> {
        if scalar.range.is_empty() && scalar.style == ScalarStyle::Plain {
            // The parser says `~`.
            scalar.value = Cow::Borrowed("");
        }
        scalar.range = self.scalar_range(&scalar.value, scalar.style, scalar.range);
        self.reached = scalar.range.end;
        let tag = tag.map(|tag| {
            tag.suffix_in_namespace("tag:yaml.org,2002:")
                .unwrap_or_default()
        });
        let tag = tag.as_deref();
        if tag == Some("binary") {
            let Some(value) = resolve::base64(&scalar.value) else {
                return Err(self.error(scalar.range, "this is not base64"));
            };
            scalar.value = Cow::Owned(value);
        }
        if self.in_key() {
            return self.key(scalar, tag);
        }
        let (kind, truth) = self.kind(&scalar, tag)?;
        match kind {
            Kind::String | Kind::Number => self.push_text(kind, scalar),
            _ => {
                let Range { start, end } = scalar.range;
                self.document.push(kind, start, end, u32::from(truth));
            }
        }
        Ok(())
    }

    /// A key is a string whatever it looks like, as in the JSON that YAML is turned into.
    fn key(&mut self, mut scalar: Scalar<'_>, tag: Option<&str>) -> Result<(), SyntaxError> {
        let (kind, _) = self.kind(&scalar, tag)?;
        if kind != Kind::String {
            let Some(name) = resolve::key(&scalar.value) else {
                return Err(self.error(scalar.range, "a mapping key must not be null"));
            };
            if *name != *scalar.value {
                scalar.value = name.into_owned().into();
            }
        }
        let merges = scalar.style == ScalarStyle::Plain && matches!(tag, None | Some("merge"));
        if merges
            && scalar.value == "<<"
            && let Some(open) = self.open.last_mut()
        {
            open.merges.push(self.document.slots.len());
        }
        self.push_text(Kind::String, scalar);
        Ok(())
    }

    /// What a scalar is, and its value if it is a boolean; `tag` is the name of a standard tag, or
    /// empty for any other.
    fn kind(&self, scalar: &Scalar<'_>, tag: Option<&str>) -> Result<(Kind, bool), SyntaxError> {
        let wanted = match tag {
            None if scalar.style == ScalarStyle::Plain => return Ok(resolve::plain(&scalar.value)),
            Some("bool") => Kind::Bool,
            Some("int" | "float") => Kind::Number,
            Some("null") => Kind::Null,
            _ => return Ok((Kind::String, false)),
        };
        let (kind, truth) = resolve::plain(&scalar.value);
        if kind != wanted {
            let message = format!("this is not what its tag says: {}", wanted.word());
            return Err(self.error(scalar.range.clone(), message));
        }
        Ok((kind, truth))
    }

    fn push_text(&mut self, kind: Kind, scalar: Scalar<'_>) {
        let Range { start, end } = scalar.range;
        let source = self.slice(start..end);
        let value = scalar.value;
        let inside = source.get(1..source.len().saturating_sub(1));
        let quoted = matches!(
            scalar.style,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted
        );
        let text = if source == value {
            Text::InPlace
        } else if quoted && inside == Some(&*value) {
            Text::Quoted
        } else {
            Text::Owned(value.into_owned())
        };
        self.document.push_text(kind, start, end, text);
    }

    fn start(
        &mut self,
        kind: Kind,
        style: StructureStyle,
        anchor: usize,
        range: Range<usize>,
    ) -> Result<(), SyntaxError> {
        if self.in_key() {
            return Err(self.error(range, "a mapping key must be a plain value"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.limit(range, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let start = match (kind, style) {
            (Kind::Sequence, StructureStyle::Block) => self.first_dash(range.start),
            _ => range.start,
        };
        let slot = self.document.open(kind, start);
        let bracket = if kind == Kind::Mapping { '{' } else { '[' };
        let brackets = style == StructureStyle::Flow && self.slice(range).starts_with(bracket);
        self.open.push(Open {
            slot,
            anchor,
            mapping: kind == Kind::Mapping,
            key_next: kind == Kind::Mapping,
            brackets,
            merges: Vec::new(),
            anchors: self.anchors.len(),
        });
        Ok(())
    }

    /// Where a block sequence starts. The parser has it behind the dash if its dashes are below the
    /// key that it is the value of.
    fn first_dash(&self, start: usize) -> usize {
        if !self.open.last().is_some_and(|parent| parent.mapping) {
            return start;
        }
        let mut lines = self.slice(self.reached..start).split_inclusive(LINE_BREAKS);
        let mut at = self.reached + lines.next().map_or(0, str::len);
        for line in lines {
            let content = line.trim_start_matches([' ', '\t']);
            if content.starts_with('-') {
                return at + line.len() - content.len();
            }
            at += line.len();
        }
        start
    }

    fn finish(&mut self, range: &Range<usize>) -> Result<(), SyntaxError> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        if open.brackets {
            self.reached = range.end;
        }
        self.document.close(open.slot, self.reached);
        if !open.merges.is_empty() {
            self.merge(&open)?;
        }
        self.node_done(open.slot, open.anchor);
        Ok(())
    }

    fn merge(&mut self, open: &Open) -> Result<(), SyntaxError> {
        let end = self.reached;
        let bytes = end.saturating_sub(self.began);
        self.anchors
            .set_aside(open.anchors, bytes, &self.document)
            .map_err(|found| self.too_many(end..end, &found))?;
        merge::resolve(&mut self.document, open.slot, &open.merges).map_err(|cannot| {
            let key = self.document.slots.get(cannot.key);
            let place = key.map_or(end..end, |key| key.start as usize..key.end as usize);
            self.error(place, "`<<` can only merge mappings")
        })?;
        self.document.close(open.slot, end);
        Ok(())
    }

    /// Books a finished node: its anchor, and whether its parent expects a key next.
    fn node_done(&mut self, slot: usize, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, slot..self.document.slots.len());
        }
        if let Some(parent) = self.open.last_mut() {
            parent.key_next = parent.mapping && !parent.key_next;
        }
    }

    fn alias(&mut self, anchor: usize, range: Range<usize>) -> Result<(), SyntaxError> {
        let slot = self.document.slots.len();
        let bytes = range.end.saturating_sub(self.began);
        let copied = self.anchors.copy(anchor, bytes, &mut self.document);
        if !copied.map_err(|found| self.too_many(range.clone(), &found))? {
            let message = "this alias refers to the value it is part of";
            return Err(self.error(range, message));
        }
        if self.in_key() && !self.make_key(slot) {
            return Err(self.error(range, "a mapping key must be a plain value"));
        }
        self.reached = range.end;
        self.node_done(slot, 0);
        Ok(())
    }

    /// Turns the last slot into a key; false if that cannot be.
    fn make_key(&mut self, slot: usize) -> bool {
        let Some(node) = self.document.node(slot) else {
            return false;
        };
        let name = match node.kind() {
            Kind::String => return true,
            Kind::Bool => Some(node.bool() == Some(true)).map(|truth| truth.to_string()),
            Kind::Number => resolve::key(node.text()).map(Cow::into_owned),
            Kind::Null | Kind::Sequence | Kind::Mapping => None,
        };
        let (start, end) = (node.slot().start as usize, node.slot().end as usize);
        let Some(name) = name else {
            return false;
        };
        self.document.slots.truncate(slot);
        let text = Text::Owned(name);
        self.document.push_text(Kind::String, start, end, text);
        true
    }

    fn too_many(&self, range: Range<usize>, found: &TooMany) -> SyntaxError {
        let limit = found.limit;
        let message = format!("aliases make more than {limit} values of this document");
        self.limit(range, message)
    }
}

struct Scalar<'v> {
    value: Cow<'v, str>,
    style: ScalarStyle,
    range: Range<usize>,
}

fn without_comment(line: &str) -> &str {
    let mut starts = line.match_indices('#').map(|(at, _)| at);
    let before = |at: usize| line.get(..at).unwrap_or_default();
    let comment = starts.find(|at| before(*at).is_empty() || before(*at).ends_with([' ', '\t']));
    comment.map_or(line, before)
}

fn first_lower(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
