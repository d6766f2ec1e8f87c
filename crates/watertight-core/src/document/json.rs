//! JSON into a tape, with the bytes of every value.
//!
//! serde_json keeps no places, and findings must point at the line that causes them even in a
//! `kubectl get -o json` dump; so this file reads JSON (RFC 8259) itself, in one pass, without
//! copying strings that have no escapes.

use std::ops::Range;

use super::scanner::{Result, Scanner};
use super::{Document, IN_PLACE, Kind, MAX_DEPTH, SyntaxError, Text};
use crate::source::FileId;

/// Reads the one value that starts at `range.start`; trailing white space is fine. The list at
/// `skip` is read as an empty one.
pub(super) fn read(
    file: FileId,
    text: &str,
    range: Range<usize>,
    skip: Option<Range<usize>>,
) -> std::result::Result<Document<'_>, SyntaxError> {
    read_boxed(file, text, range, skip).map_err(|error| *error)
}

fn read_boxed(
    file: FileId,
    text: &str,
    range: Range<usize>,
    skip: Option<Range<usize>>,
) -> Result<Document<'_>> {
    let skipped = skip.as_ref().map_or(0, Range::len);
    let bytes = range.len().saturating_sub(skipped);
    let mut reader = Reader {
        scanner: Scanner::new(file, text, range.start, range.end),
        document: Document::for_bytes(file, text, bytes),
        skip,
    };
    reader.value(0)?;
    reader.scanner.skip_blanks();
    if reader.scanner.at < range.end {
        return Err(reader
            .scanner
            .error("expected nothing more after the value"));
    }
    Ok(reader.document)
}

/// An item among several that follow each other in a list.
pub(super) enum Item<'d, 's> {
    /// It was read.
    Read(&'d Document<'s>),
    /// The bytes of one that is broken, or too simple to be worth a fast way.
    At(Range<usize>),
}

/// Reads the items in a range of a list, one after the other onto one tape. Tells whether the range
/// is what it should be: items with a comma between them, and one more at the end if the range is
/// `cut` from a longer list.
pub(super) fn items<'s>(
    file: FileId,
    text: &'s str,
    range: Range<usize>,
    cut: bool,
    mut take: impl FnMut(Item<'_, 's>),
) -> bool {
    let mut reader = Reader {
        scanner: Scanner::new(file, text, range.start, range.end),
        document: Document::for_bytes(file, text, range.len()),
        skip: None,
    };
    loop {
        reader.scanner.skip_blanks();
        let start = reader.scanner.at;
        reader.document.clear();
        // A value with an end of its own ends there in the outline too.
        if reader.scanner.peek() == Some(b'{') && reader.value(0).is_ok() {
            take(Item::Read(&reader.document));
        } else {
            reader.scanner.at = start;
            match reader.scanner.skip_value() {
                Ok(range) => take(Item::At(range)),
                Err(_) => return false,
            }
        }
        reader.scanner.skip_blanks();
        match reader.scanner.peek() {
            None => return !cut,
            Some(b',') => reader.scanner.at += 1,
            Some(_) => return false,
        }
        reader.scanner.skip_blanks();
        if reader.scanner.peek().is_none() {
            return cut;
        }
    }
}

struct Reader<'s> {
    scanner: Scanner<'s>,
    document: Document<'s>,
    /// A list to be passed over.
    skip: Option<Range<usize>>,
}

impl Reader<'_> {
    /// Reads a value inside `depth` others.
    fn value(&mut self, depth: usize) -> Result<()> {
        self.scanner.skip_blanks();
        let start = self.scanner.at;
        match self.scanner.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                let mut error = self
                    .scanner
                    .error(format!("nested deeper than {MAX_DEPTH} levels"));
                error.limit = true;
                Err(error)
            }
            Some(b'{') => self.object(start, depth),
            Some(b'[') => self.array(start, depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(start),
            Some(b't') => self.word("true", Kind::Bool, 1),
            Some(b'f') => self.word("false", Kind::Bool, 0),
            Some(b'n') => self.word("null", Kind::Null, 0),
            _ => Err(self.scanner.error("expected a value")),
        }
    }

    fn object(&mut self, start: usize, depth: usize) -> Result<()> {
        let index = self.document.open(Kind::Mapping, start);
        self.scanner.at += 1;
        self.scanner.skip_blanks();
        if self.scanner.peek() != Some(b'}') {
            loop {
                self.scanner.skip_blanks();
                if self.scanner.peek() != Some(b'"') {
                    return Err(self.scanner.error("expected a key in double quotes"));
                }
                self.string()?;
                if self.scanner.peek() == Some(b':') {
                    self.scanner.at += 1;
                } else {
                    self.scanner.skip_blanks();
                    self.scanner.expect(b':', "`:` after the key")?;
                }
                self.value(depth + 1)?;
                self.scanner.skip_blanks();
                match self.scanner.peek() {
                    Some(b',') => self.scanner.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.scanner.error("expected `,` or `}`")),
                }
            }
        }
        self.scanner.at += 1;
        self.document.close(index, self.scanner.at);
        Ok(())
    }

    fn array(&mut self, start: usize, depth: usize) -> Result<()> {
        let index = self.document.open(Kind::Sequence, start);
        if let Some(skip) = self.skip.as_ref().filter(|skip| skip.start == start) {
            self.scanner.at = skip.end;
            self.document.close(index, skip.end);
            return Ok(());
        }
        self.scanner.at += 1;
        self.scanner.skip_blanks();
        if self.scanner.peek() != Some(b']') {
            loop {
                self.value(depth + 1)?;
                self.scanner.skip_blanks();
                match self.scanner.peek() {
                    Some(b',') => self.scanner.at += 1,
                    Some(b']') => break,
                    _ => return Err(self.scanner.error("expected `,` or `]`")),
                }
            }
        }
        self.scanner.at += 1;
        self.document.close(index, self.scanner.at);
        Ok(())
    }

    fn word(&mut self, word: &str, kind: Kind, payload: u32) -> Result<()> {
        let start = self.scanner.at;
        let end = start + word.len();
        if self.scanner.text.get(start..end) != Some(word) || end > self.scanner.end() {
            return Err(self.scanner.error("expected a value"));
        }
        self.scanner.at = end;
        self.document.push(kind, start, end, payload);
        Ok(())
    }

    fn number(&mut self, start: usize) -> Result<()> {
        let scanner = &mut self.scanner;
        let digits = |scanner: &mut Scanner<'_>| {
            let from = scanner.at;
            while matches!(scanner.peek(), Some(b'0'..=b'9')) {
                scanner.at += 1;
            }
            scanner.at > from
        };
        if scanner.peek() == Some(b'-') {
            scanner.at += 1;
        }
        let leading_zero = scanner.peek() == Some(b'0');
        let whole = scanner.at;
        if !digits(scanner) {
            return Err(scanner.error("expected a digit"));
        }
        if leading_zero && scanner.at > whole + 1 {
            scanner.at = start;
            return Err(scanner.error("a number must not start with a zero"));
        }
        if scanner.peek() == Some(b'.') {
            scanner.at += 1;
            if !digits(scanner) {
                return Err(scanner.error("expected a digit"));
            }
        }
        if matches!(scanner.peek(), Some(b'e' | b'E')) {
            scanner.at += 1;
            if matches!(scanner.peek(), Some(b'+' | b'-')) {
                scanner.at += 1;
            }
            if !digits(scanner) {
                return Err(scanner.error("expected a digit"));
            }
        }
        let end = scanner.at;
        self.document.push(Kind::Number, start, end, IN_PLACE);
        Ok(())
    }

    #[inline]
    fn string(&mut self) -> Result<()> {
        let start = self.scanner.at;
        if self.scanner.skip_plain_string() {
            let end = self.scanner.at;
            self.document.push_quoted(start, end);
            return Ok(());
        }
        self.odd_string()
    }

    /// A string with escapes, or a broken one.
    #[cold]
    fn odd_string(&mut self) -> Result<()> {
        let start = self.scanner.at;
        let escaped = self.scanner.skip_string()?;
        let end = self.scanner.at;
        let inner = self
            .scanner
            .text
            .get(start + 1..end.saturating_sub(1))
            .unwrap_or_default();
        // Without an early exit, which is faster.
        let control = inner.bytes().fold(false, |any, byte| any | (byte < 0x20));
        if control && let Some(bad) = inner.bytes().position(|byte| byte < 0x20) {
            self.scanner.at = start + 1 + bad;
            return Err(self
                .scanner
                .error("control characters must be escaped in a string"));
        }
        if escaped {
            let value = unescape(inner).map_err(|bad| {
                self.scanner.at = start + 1 + bad;
                self.scanner.error("this is no JSON escape")
            })?;
            self.document
                .push_text(Kind::String, start, end, Text::Owned(value));
        } else {
            self.document
                .push_text(Kind::String, start, end, Text::Quoted);
        }
        Ok(())
    }
}

/// Resolves escapes; the error is the offset of the bad one. Lone surrogates become U+FFFD.
fn unescape(text: &str) -> std::result::Result<String, usize> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let at = text.len() - after.len() - 1;
        let mut chars = after.chars();
        match chars.next().ok_or(at)? {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            plain @ ('"' | '\\' | '/') => out.push(plain),
            'u' => {
                let (unit, tail) = hex4(chars.as_str()).ok_or(at)?;
                let low = tail
                    .strip_prefix("\\u")
                    .filter(|_| (0xd800..0xdc00).contains(&unit))
                    .and_then(hex4)
                    .filter(|(low, _)| (0xdc00..0xe000).contains(low));
                match low {
                    Some((low, tail)) => {
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        rest = tail;
                    }
                    None => {
                        out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                        rest = tail;
                    }
                }
                continue;
            }
            _ => return Err(at),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Ok(out)
}

fn hex4(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}
