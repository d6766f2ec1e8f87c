//! YAML into a tape. The only file that names the YAML parser.
//!
//! Files are cut at `---` lines first: a marker at the start of a line cannot be part of a scalar,
//! so documents can be read in parallel and a broken one ends at the next marker.

use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError};
use rustc_hash::FxHashMap;

use super::{Document, IN_PLACE, Kind, MAX_ALIASED_NODES, MAX_DEPTH, Slot, SyntaxError, resolve};
use crate::source::{FileId, Span};

/// The byte ranges of a file's documents, cut at `---` lines.
pub(super) fn chunks(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    // A %TAG or %YAML directive belongs to the document behind the next marker.
    let directives = bytes.first() == Some(&b'%') || memchr::memmem::find(bytes, b"\n%").is_some();
    if directives {
        return std::iter::once(0..text.len()).collect();
    }
    let is_marker = |at: usize| {
        bytes.get(at..at + 3) == Some(b"---")
            && matches!(bytes.get(at + 3), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
    };
    let mut starts = vec![0];
    starts.extend(
        memchr::memmem::find_iter(bytes, b"\n---")
            .map(|newline| newline + 1)
            .filter(|at| is_marker(*at)),
    );
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(start, end)| start..end)
        .filter(|range| !is_blank(text.get(range.clone()).unwrap_or_default()))
        .collect()
}

/// Whether a chunk holds only markers, comments and white space.
fn is_blank(chunk: &str) -> bool {
    chunk.lines().all(|line| {
        let line = line.trim_start_matches('\u{feff}');
        let line = line.strip_prefix("---").unwrap_or(line).trim_start();
        line.is_empty() || line.starts_with('#')
    })
}

/// Reads the documents of one chunk: more than one only where `...` ends the first.
pub(super) fn read<'s>(
    file: FileId,
    text: &'s str,
    range: Range<usize>,
    found: &mut Vec<Result<Document<'s>, SyntaxError>>,
) {
    let chunk = text.get(range.clone()).unwrap_or_default();
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut parser = Parser::new_from_str_with_options(chunk, options);
    let mut loader = Loader::new(file, text, range.start);
    while let Some(event) = parser.next_event() {
        let step = event
            .map_err(|error| loader.scan_error(&error, chunk))
            .and_then(|(event, span)| loader.event(event, &span));
        match step {
            Ok(Some(document)) => found.push(Ok(document)),
            Ok(None) => {}
            Err(error) => {
                found.push(Err(error));
                loader = Loader::new(file, text, range.start);
                if !matches!(parser.proceed_next_document(), Ok(true)) {
                    return;
                }
            }
        }
    }
}

struct Loader<'s> {
    file: FileId,
    text: &'s str,
    base: usize,
    document: Document<'s>,
    /// Open containers: slot index, anchor, and for mappings whether the next node is a key.
    open: Vec<Open>,
    anchors: FxHashMap<usize, (usize, usize)>,
    aliased: usize,
    /// Where the last value ended: a block collection ends there, not where the next token starts.
    reached: usize,
}

struct Open {
    slot: usize,
    anchor: usize,
    mapping: bool,
    key_next: bool,
    merges: bool,
}

impl<'s> Loader<'s> {
    fn new(file: FileId, text: &'s str, base: usize) -> Self {
        Self {
            file,
            text,
            base,
            document: Document::new(file, text),
            open: Vec::new(),
            anchors: FxHashMap::default(),
            aliased: 0,
            reached: base,
        }
    }

    fn error(&self, range: Range<usize>, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            span: Span::new(self.file, range.start, range.end),
            message: message.into(),
            help: None,
            limit: false,
        }
    }

    fn scan_error(&self, error: &ScanError, chunk: &str) -> SyntaxError {
        let local = error.marker().byte_offset().unwrap_or(0).min(chunk.len());
        let width = chunk
            .get(local..)
            .and_then(|rest| rest.chars().next())
            .filter(|next| *next != '\n')
            .map_or(0, char::len_utf8);
        let at = self.base + local;
        let mut found = self.error(at..at + width, first_lower(&error.info()));
        found.limit = found.message.contains("nesting") || found.message.contains("limit");
        if chunk.contains("{{") {
            found.help = Some(
                "this looks like a template that was not rendered: run `helm template` (or your \
                 renderer) and check its output"
                    .into(),
            );
        } else if chunk
            .lines()
            .any(|line| line.trim_start_matches(' ').starts_with('\t'))
        {
            found.help = Some("YAML does not allow tabs as indentation: use spaces".into());
        }
        found
    }

    fn range(&self, span: &granit_parser::Span) -> Range<usize> {
        let local = span.byte_range().unwrap_or(0..0);
        self.base + local.start..self.base + local.end
    }

    fn event(
        &mut self,
        event: Event<'_>,
        span: &granit_parser::Span,
    ) -> Result<Option<Document<'s>>, SyntaxError> {
        let range = self.range(span);
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let tag = tag.as_deref().and_then(|tag| tag.core_suffix());
                self.reached = range.end;
                self.scalar(&value, style, tag, range);
                self.node_done(self.document.slots.len() - 1, anchor);
            }
            Event::SequenceStart(_, anchor, _) => self.start(Kind::Sequence, anchor, &range)?,
            Event::MappingStart(_, anchor, _) => self.start(Kind::Mapping, anchor, &range)?,
            Event::SequenceEnd | Event::MappingEnd => self.finish(&range)?,
            Event::Alias(anchor) => self.alias(anchor, &range)?,
            Event::DocumentEnd => {
                let fresh = Self::new(self.file, self.text, self.base);
                let done = std::mem::replace(self, fresh);
                return Ok(Some(done.document).filter(|document| !document.slots.is_empty()));
            }
            _ => {}
        }
        Ok(None)
    }

    fn scalar(&mut self, value: &str, style: ScalarStyle, tag: Option<&str>, range: Range<usize>) {
        let (start, end) = (range.start, range.end);
        let in_key = self.open.last().is_some_and(|open| open.key_next);
        let (kind, truth) = match (style, tag) {
            (_, Some("str")) => (Kind::String, false),
            (ScalarStyle::Plain, _) => resolve::plain(value),
            _ => (Kind::String, false),
        };
        // Keys are strings whatever they look like, as in the JSON that YAML is turned into.
        if kind != Kind::String && !in_key {
            self.document.push(kind, start, end, u32::from(truth));
            return;
        }
        if in_key
            && value == "<<"
            && style == ScalarStyle::Plain
            && let Some(open) = self.open.last_mut()
        {
            open.merges = true;
        }
        let source = self.text.get(range).unwrap_or_default();
        if source == value {
            self.document.push_string(start, end, None);
        } else if source.get(1..source.len().saturating_sub(1)) == Some(value)
            && matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted)
        {
            self.document.push_quoted(start, end);
        } else {
            self.document
                .push_string(start, end, Some(value.to_owned()));
        }
    }

    fn start(
        &mut self,
        kind: Kind,
        anchor: usize,
        range: &Range<usize>,
    ) -> Result<(), SyntaxError> {
        if self.open.last().is_some_and(|open| open.key_next) {
            return Err(self.error(range.clone(), "a mapping key must be a plain value"));
        }
        if self.open.len() >= MAX_DEPTH {
            let mut error = self.error(
                range.clone(),
                format!("nested deeper than {MAX_DEPTH} levels"),
            );
            error.limit = true;
            return Err(error);
        }
        let slot = self.document.open(kind, range.start);
        self.open.push(Open {
            slot,
            anchor,
            mapping: kind == Kind::Mapping,
            key_next: kind == Kind::Mapping,
            merges: false,
        });
        Ok(())
    }

    fn finish(&mut self, range: &Range<usize>) -> Result<(), SyntaxError> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        if open.merges {
            self.merge(open.slot, range)?;
        }
        let closed_by_bracket = matches!(
            self.text.as_bytes().get(range.end.wrapping_sub(1)),
            Some(b'}' | b']')
        ) && range.end > range.start;
        let end = if closed_by_bracket {
            range.end
        } else {
            self.reached
        };
        self.reached = end;
        self.document.close(open.slot, end);
        self.node_done(open.slot, open.anchor);
        Ok(())
    }

    /// Books a finished node: its anchor, and whether its parent expects a key next.
    fn node_done(&mut self, slot: usize, anchor: usize) {
        if anchor != 0 {
            self.anchors
                .insert(anchor, (slot, self.document.slots.len()));
        }
        if let Some(parent) = self.open.last_mut()
            && parent.mapping
        {
            parent.key_next = !parent.key_next;
        }
    }

    fn alias(&mut self, anchor: usize, range: &Range<usize>) -> Result<(), SyntaxError> {
        let Some(&(from, to)) = self.anchors.get(&anchor) else {
            return Err(self.error(
                range.clone(),
                "this alias refers to the value it is part of",
            ));
        };
        self.aliased += to - from;
        if self.aliased > MAX_ALIASED_NODES {
            let mut error = self.error(
                range.clone(),
                format!("aliases make more than {MAX_ALIASED_NODES} values of this document"),
            );
            error.limit = true;
            return Err(error);
        }
        let index = self.document.slots.len();
        if self.open.last().is_some_and(|open| open.key_next)
            && self.document.slots.get(from).map(|slot| slot.kind) != Some(Kind::String)
        {
            return Err(self.error(range.clone(), "a mapping key must be a plain value"));
        }
        self.document.slots.extend_from_within(from..to);
        self.node_done(index, 0);
        Ok(())
    }

    /// Resolves `<<`: entries of the merged mappings that the mapping does not have itself.
    fn merge(&mut self, mapping: usize, range: &Range<usize>) -> Result<(), SyntaxError> {
        let end = self.document.slots.len();
        let below = u32::try_from(end - mapping - 1).unwrap_or(u32::MAX);
        if let Some(slot) = self.document.slots.get_mut(mapping) {
            slot.payload = below;
        }
        let (mut own, mut merged) = (Vec::new(), Vec::new());
        let mut names = Vec::new();
        let Some(node) = self.document.node(mapping) else {
            return Ok(());
        };
        for (key, value) in node.entries() {
            let is_merge = key.slot.payload == IN_PLACE && key.as_written() == "<<";
            if !is_merge {
                names.extend(key.str());
                own.extend(self.copy(key.index, value.index));
            }
        }
        for (key, value) in node.entries() {
            if key.slot.payload != IN_PLACE || key.as_written() != "<<" {
                continue;
            }
            let sources: Vec<_> = match value.kind() {
                Kind::Mapping => vec![value],
                Kind::Sequence => value.items().collect(),
                _ => Vec::new(),
            };
            if sources.is_empty() || sources.iter().any(|node| node.kind() != Kind::Mapping) {
                return Err(self.error(range.clone(), "`<<` can only merge mappings"));
            }
            for (key, value) in sources.into_iter().flat_map(super::Node::entries) {
                if !names.contains(&key.str().unwrap_or_default()) {
                    names.extend(key.str());
                    merged.extend(self.copy(key.index, value.index));
                }
            }
        }
        self.document.slots.truncate(mapping + 1);
        self.document.slots.append(&mut own);
        self.document.slots.append(&mut merged);
        Ok(())
    }

    /// The slots of a key and of its value.
    fn copy(&self, key: usize, value: usize) -> Vec<Slot> {
        let below = |index: usize| match self.document.slots.get(index) {
            Some(slot) if matches!(slot.kind, Kind::Sequence | Kind::Mapping) => {
                slot.payload as usize
            }
            _ => 0,
        };
        let take = |index: usize| {
            self.document
                .slots
                .get(index..=index + below(index))
                .unwrap_or_default()
        };
        [take(key), take(value)].concat()
    }
}

fn first_lower(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
