//! JSON into a tape, with the bytes of every value.
//!
//! serde_json keeps no places, and findings must point at the line that causes them even in a
//! `kubectl get -o json` dump; so this file reads JSON (RFC 8259) itself, in one pass, without
//! copying strings that have no escapes. It also finds the items of a List without reading them,
//! so that they can be read in parallel and one broken item does not hide the rest.

use std::ops::Range;

use memchr::memchr2;

use super::{Document, Kind, MAX_DEPTH, SyntaxError};
use crate::source::{FileId, Span};

type Result<T> = std::result::Result<T, SyntaxError>;

/// Reads the one value that starts at `range.start`; trailing white space is fine.
pub(super) fn read(file: FileId, text: &str, range: Range<usize>) -> Result<Document<'_>> {
    let mut reader = Reader {
        scanner: Scanner::new(file, text, range.start, range.end),
        document: Document::new(file, text),
        skip: None,
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

/// Reads a List without its items: the value of `items` becomes an empty list.
pub(super) fn read_head(
    file: FileId,
    text: &str,
    range: Range<usize>,
    items: Range<usize>,
) -> Result<Document<'_>> {
    let mut reader = Reader {
        scanner: Scanner::new(file, text, range.start, range.end),
        document: Document::new(file, text),
        skip: Some(items),
    };
    reader.value(0)?;
    Ok(reader.document)
}

/// One value of a file of concatenated JSON values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outline {
    /// The bytes of the whole value.
    pub whole: Range<usize>,
    /// The values of the topmost `items` list, if there is one.
    pub items: Option<Vec<Range<usize>>>,
    /// The bytes of that list.
    pub list: Range<usize>,
}

/// Finds the values of a file and the items of Lists, skipping over their content; what comes
/// behind a broken value cannot be told apart and is covered by the error.
pub(super) fn outline(file: FileId, text: &str) -> (Vec<Outline>, Option<SyntaxError>) {
    let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut scanner = Scanner::new(file, text, start, text.len());
    let mut found = Vec::new();
    loop {
        scanner.skip_blanks();
        if scanner.peek().is_none() {
            return (found, None);
        }
        match scanner.outline() {
            Ok(outline) => found.push(outline),
            Err(error) => return (found, Some(error)),
        }
    }
}

struct Scanner<'s> {
    file: FileId,
    text: &'s str,
    at: usize,
    end: usize,
}

impl<'s> Scanner<'s> {
    fn new(file: FileId, text: &'s str, at: usize, end: usize) -> Self {
        Self {
            file,
            text,
            at,
            end: end.min(text.len()),
        }
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        let width = self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        SyntaxError {
            span: Span::new(self.file, self.at, self.at + width),
            message: message.into(),
            help: None,
            limit: false,
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        if self.at < self.end {
            self.text.as_bytes().get(self.at).copied()
        } else {
            None
        }
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<()> {
        if self.peek() != Some(byte) {
            return Err(self.error(format!("expected {what}")));
        }
        self.at += 1;
        Ok(())
    }

    /// Skips a string; returns whether it has escapes.
    #[inline]
    fn skip_string(&mut self) -> Result<bool> {
        let open = self.at;
        self.at += 1;
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..self.end);
            match rest.and_then(|rest| Some((memchr2(b'"', b'\\', rest)?, rest))) {
                Some((found, rest)) => {
                    self.at += found + 1;
                    if rest.get(found) == Some(&b'"') {
                        return Ok(escaped);
                    }
                    escaped = true;
                    self.at += 1;
                }
                None => {
                    self.at = open;
                    return Err(self.error("this string has no end"));
                }
            }
        }
    }

    /// Skips one value by its brackets alone; `read` looks at the rest.
    fn skip_value(&mut self) -> Result<Range<usize>> {
        self.skip_blanks();
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.skip_string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' if depth == 0 => break,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                return Ok(start..self.at);
            }
        }
        if depth > 0 {
            self.at = start;
            return Err(self.error("this value has no end"));
        }
        if start == self.at {
            return Err(self.error("expected a value"));
        }
        Ok(start..self.at)
    }

    fn outline(&mut self) -> Result<Outline> {
        let start = self.at;
        if self.peek() != Some(b'{') {
            let whole = self.skip_value()?;
            return Ok(Outline {
                list: whole.clone(),
                whole,
                items: None,
            });
        }
        self.at += 1;
        let (mut items, mut list) = (None, start..start);
        self.skip_blanks();
        while self.peek() != Some(b'}') {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.error("expected a key in double quotes"));
            }
            let key = self.at;
            self.skip_string()?;
            let is_items = self.text.get(key..self.at) == Some("\"items\"");
            self.skip_blanks();
            self.expect(b':', "`:` after the key")?;
            self.skip_blanks();
            if is_items && self.peek() == Some(b'[') {
                let from = self.at;
                items = Some(self.elements()?);
                list = from..self.at;
            } else {
                self.skip_value()?;
            }
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {}
                _ => return Err(self.error("expected `,` or `}`")),
            }
        }
        self.at += 1;
        Ok(Outline {
            whole: start..self.at,
            items,
            list,
        })
    }

    fn elements(&mut self) -> Result<Vec<Range<usize>>> {
        self.at += 1;
        let mut found = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(found);
        }
        loop {
            found.push(self.skip_value()?);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(found);
                }
                _ => return Err(self.error("expected `,` or `]`")),
            }
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
    fn value(&mut self, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            let mut error = self
                .scanner
                .error(format!("nested deeper than {MAX_DEPTH} levels"));
            error.limit = true;
            return Err(error);
        }
        self.scanner.skip_blanks();
        let start = self.scanner.at;
        match self.scanner.peek() {
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
                self.scanner.skip_blanks();
                self.scanner.expect(b':', "`:` after the key")?;
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
        if self.scanner.text.get(start..end) != Some(word) || end > self.scanner.end {
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
        self.document.push(Kind::Number, start, end, 0);
        Ok(())
    }

    fn string(&mut self) -> Result<()> {
        let start = self.scanner.at;
        let escaped = self.scanner.skip_string()?;
        let end = self.scanner.at;
        let inner = self
            .scanner
            .text
            .get(start + 1..end.saturating_sub(1))
            .unwrap_or_default();
        if let Some(bad) = inner.bytes().position(|byte| byte < 0x20) {
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
            self.document.push_string(start, end, Some(value));
        } else {
            self.document.push_quoted(start, end);
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
