//! Source files and places in them.
//!
//! A [`Span`] is a byte range of one file. Lines and columns are computed only when somebody asks,
//! so that carrying a span on every value costs twelve bytes and no time.

mod revision;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

pub use revision::{split_revision, without_revision};

/// Files larger than this are refused: spans are 32-bit, and no cluster dump is this large.
pub const MAX_FILE_BYTES: usize = 2 << 30;

/// A file of a [`Sources`], counted from one: an `Option<Span>` is no larger than a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(NonZeroU32);

impl FileId {
    fn at(index: usize) -> Self {
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A byte range of one file; `start <= end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span of the bytes `start..end` of `file`.
    #[must_use]
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        // INVARIANT: `Sources::add` refuses files that do not fit 32 bits.
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            file,
            start: narrow(start),
            end: narrow(end.max(start)),
        }
    }

    /// An empty span where this one starts.
    #[must_use]
    pub fn at_start(self) -> Self {
        Self {
            end: self.start,
            ..self
        }
    }

    /// The smallest span that covers both; `self` if they are in different files.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file != other.file {
            return self;
        }
        Self {
            file: self.file,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// A place for people: both numbers count from 1, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One file that was read.
#[derive(Debug)]
pub struct SourceFile {
    name: Box<str>,
    text: Box<str>,
    lines: OnceLock<Vec<u32>>,
    /// The number of characters before every `BLOCK` bytes, empty for ASCII: a dump may be one line
    /// of 100 MB, whose columns must not be counted from its start again and again.
    characters: OnceLock<Vec<u32>>,
}

/// How far apart the counts of `SourceFile::characters` are.
const BLOCK: usize = 1024;

/// Bytes that begin a character.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte as i8) >= -0x40).count()
}

impl SourceFile {
    /// The name as the user gave it or as the directory walk found it; `<stdin>` for standard input.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number of characters before a byte.
    fn characters_before(&self, offset: u32) -> usize {
        let counts = self.characters.get_or_init(|| {
            if self.text.is_ascii() {
                return Vec::new();
            }
            let mut total = 0;
            let blocks = self.text.as_bytes().chunks(BLOCK);
            blocks
                .map(|block| {
                    let before = total;
                    total += characters(block);
                    u32::try_from(before).unwrap_or(u32::MAX)
                })
                .collect()
        });
        let offset = (offset as usize).min(self.text.len());
        if counts.is_empty() {
            return offset;
        }
        let block = offset / BLOCK;
        let counted = counts.get(block).map_or(0, |count| *count as usize);
        let rest = self.text.as_bytes().get(block * BLOCK..offset);
        counted + rest.map_or(0, characters)
    }

    fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let newlines = memchr::memchr_iter(b'\n', self.text.as_bytes());
            std::iter::once(0)
                .chain(newlines.filter_map(|at| u32::try_from(at + 1).ok()))
                .collect()
        })
    }
}

/// Why a file cannot be read as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// Not UTF-8; the number is the offset of the first bad byte.
    NotUtf8(usize),
    /// More than [`MAX_FILE_BYTES`].
    TooLarge(usize),
}

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotUtf8(at) => write!(f, "not UTF-8 text (bad byte at offset {at})"),
            Self::TooLarge(size) => write!(
                f,
                "{size} bytes, more than the {MAX_FILE_BYTES} that one file may have; split it"
            ),
        }
    }
}

impl std::error::Error for SourceError {}

/// The bytes of a file as text.
///
/// # Errors
/// When the bytes are no UTF-8 or too many.
pub fn text(bytes: Vec<u8>) -> Result<String, SourceError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(SourceError::TooLarge(bytes.len()));
    }
    String::from_utf8(bytes).map_err(|error| SourceError::NotUtf8(error.utf8_error().valid_up_to()))
}

/// All files of a run, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Sources {
    /// Shared with the files of other `Sources` that differ in a few of them.
    files: Vec<Arc<SourceFile>>,
    /// Files of a cluster that others are laid on top of, in order.
    base: Vec<FileId>,
}

impl Sources {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    ///
    /// # Errors
    /// When the bytes are no UTF-8 or too many.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<FileId, SourceError> {
        self.add_text(name, text(bytes)?)
    }

    /// Adds a file that is known to be text.
    ///
    /// # Errors
    /// When the text is too long.
    pub fn add_text(&mut self, name: &str, text: String) -> Result<FileId, SourceError> {
        if text.len() > MAX_FILE_BYTES {
            return Err(SourceError::TooLarge(text.len()));
        }
        let id = FileId::at(self.files.len());
        self.files.push(Arc::new(SourceFile {
            name: name.into(),
            text: text.into_boxed_str(),
            lines: OnceLock::new(),
            characters: OnceLock::new(),
        }));
        Ok(id)
    }

    /// The same files, some of them with another text.
    ///
    /// # Errors
    /// When a text is too long.
    pub fn with(&self, texts: BTreeMap<FileId, String>) -> Result<Self, SourceError> {
        let mut files = self.files.clone();
        for (id, text) in texts {
            if text.len() > MAX_FILE_BYTES {
                return Err(SourceError::TooLarge(text.len()));
            }
            if let Some(file) = files.get_mut(id.index()) {
                *file = Arc::new(SourceFile {
                    name: file.name.clone(),
                    text: text.into_boxed_str(),
                    lines: OnceLock::new(),
                    characters: OnceLock::new(),
                });
            }
        }
        let base = self.base.clone();
        Ok(Self { files, base })
    }

    /// Says that the file that was added last is what a cluster holds: objects of other files replace
    /// those in it, as applying them would, and nobody calls that a mistake.
    pub fn last_is_base(&mut self) {
        if let Some(last) = self.files.len().checked_sub(1) {
            self.base.push(FileId::at(last));
        }
    }

    /// Whether an object of the second place is there to replace one of the first.
    #[must_use]
    pub fn replaces(&self, earlier: Span, later: Span) -> bool {
        let is_base = |span: Span| self.base.binary_search(&span.file).is_ok();
        is_base(earlier) && !is_base(later)
    }

    /// The file of an id.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "ids are only made by `add`")]
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.index()]
    }

    /// All files with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        let files = self.files.iter().map(|file| &**file);
        (0..).map(FileId::at).zip(files)
    }

    /// The number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The text that a span covers; empty if the span is not on character boundaries.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file)
            .text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// Where a byte offset is, for people.
    #[must_use]
    pub fn position(&self, file: FileId, offset: u32) -> Position {
        let source = self.file(file);
        let starts = source.line_starts();
        let line = starts.partition_point(|start| *start <= offset);
        let start = line
            .checked_sub(1)
            .and_then(|index| starts.get(index))
            .copied()
            .unwrap_or(0);
        let column = source
            .characters_before(offset)
            .saturating_sub(source.characters_before(start));
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
        }
    }

    /// Where a span starts, for people.
    #[must_use]
    pub fn start(&self, span: Span) -> Position {
        self.position(span.file, span.start)
    }

    /// Where a span ends, for people (the place behind its last character).
    #[must_use]
    pub fn end(&self, span: Span) -> Position {
        self.position(span.file, span.end)
    }

    /// `name:line:column` of a span's start.
    #[must_use]
    pub fn locate(&self, span: Span) -> String {
        let Position { line, column } = self.start(span);
        format!("{}:{line}:{column}", self.file(span.file).name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let mut sources = Sources::new();
        let file = sources.add("a.yaml", "a: é\nb: x".into()).unwrap();
        let at = |offset| {
            let Position { line, column } = sources.position(file, offset);
            (line, column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(3), (1, 4));
        assert_eq!(at(5), (1, 5), "é is one column and two bytes");
        assert_eq!(at(6), (2, 1));
        assert_eq!(at(10), (2, 5));
        assert_eq!(sources.locate(Span::new(file, 6, 7)), "a.yaml:2:1");
    }

    #[test]
    fn columns_of_long_lines_are_counted_in_characters() {
        let mut sources = Sources::new();
        let text = format!("first\n{}", "aé".repeat(5000));
        let file = sources.add("long.json", text.clone().into()).unwrap();
        for at in [0, 1, 1023, 1024, 1025, 9999] {
            let offset = text.char_indices().nth(6 + at).unwrap().0;
            let position = sources.position(file, u32::try_from(offset).unwrap());
            assert_eq!((position.line, position.column as usize), (2, at + 1));
        }
        let end = sources.position(file, u32::try_from(text.len()).unwrap());
        assert_eq!(end.column, 10_001);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let error = Sources::new().add("x", vec![b'a', 0xff]).unwrap_err();
        assert_eq!(error, SourceError::NotUtf8(1));
        assert_eq!(text(vec![0xe9]), Err(SourceError::NotUtf8(0)));
        assert_eq!(text(b"a".to_vec()).as_deref(), Ok("a"));
    }
}
