//! A place in JSON text, and the steps that reading it and skipping over it have in common.

use super::SyntaxError;
use crate::source::{FileId, Span};

/// Errors are rare and large.
pub(super) type Result<T> = std::result::Result<T, Box<SyntaxError>>;

pub(super) struct Scanner<'s> {
    pub(super) file: FileId,
    pub(super) text: &'s str,
    /// The text up to where reading ends.
    bytes: &'s [u8],
    pub(super) at: usize,
}

impl<'s> Scanner<'s> {
    pub(super) fn new(file: FileId, text: &'s str, at: usize, end: usize) -> Self {
        let bytes = text.as_bytes();
        Self {
            file,
            text,
            bytes: bytes.get(..end).unwrap_or(bytes),
            at,
        }
    }

    /// Where reading ends.
    pub(super) fn end(&self) -> usize {
        self.bytes.len()
    }

    #[cold]
    pub(super) fn error(&self, message: impl Into<String>) -> Box<SyntaxError> {
        let width = self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        Box::new(SyntaxError {
            span: Span::new(self.file, self.at, self.at + width),
            message: message.into(),
            help: None,
            limit: false,
        })
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    pub(super) fn expect(&mut self, byte: u8, what: &str) -> Result<()> {
        if self.peek() != Some(byte) {
            return Err(self.error(format!("expected {what}")));
        }
        self.at += 1;
        Ok(())
    }

    /// Skips a string of plain characters; tells whether it was one. If not, nothing is skipped.
    #[inline]
    pub(super) fn skip_plain_string(&mut self) -> bool {
        let inner = self.bytes.get(self.at + 1..).unwrap_or_default();
        let length = plain(inner);
        let is_plain = inner.get(length) == Some(&b'"');
        if is_plain {
            self.at += length + 2;
        }
        is_plain
    }

    /// Skips a string; returns whether it has escapes.
    pub(super) fn skip_string(&mut self) -> Result<bool> {
        let open = self.at;
        self.at += 1;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let length = plain(rest);
            match rest.get(length) {
                Some(b'"') => {
                    self.at += length + 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    self.at += length + 2;
                    escaped = true;
                }
                // Whether it is one that must be escaped, `read` looks at.
                Some(_) => self.at += length + 1,
                None => {
                    self.at = open;
                    return Err(self.error("this string has no end"));
                }
            }
        }
    }
}

/// The number of bytes in front of the first quote, backslash or control character.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    // Most strings are short: eight bytes at once, without the cost of starting a longer search.
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let found = not_plain(u64::from_le_bytes(*word));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    at + rest.iter().position(special).unwrap_or(rest.len())
}

/// The lowest bit that is set is in the first of eight bytes that is no plain one. Higher bits mean
/// nothing: a borrow may have set them.
#[inline]
fn not_plain(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let less = |word: u64, than: u8| word.wrapping_sub(ONES * u64::from(than)) & !word;
    let flipped = |byte: u8| word ^ (ONES * u64::from(byte));
    // With their second bit flipped, control characters stay below 0x20, and the quote becomes 0x20.
    (less(flipped(2), 0x21) | less(flipped(b'\\'), 1)) & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_plain_characters_end_at_the_first_other() {
        let alphabet = [
            b'a', b'"', b'\\', 0, 0x1f, b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff,
        ];
        // Every pair of bytes at every two places of three words, one of them cut short.
        for first in alphabet {
            for second in alphabet {
                for at in 0..19 {
                    for length in at..20 {
                        let mut bytes = vec![b'a'; length];
                        bytes.extend([first, second]);
                        bytes[at] = first;
                        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
                        let expected = bytes.iter().position(special).unwrap_or(bytes.len());
                        assert_eq!(plain(&bytes), expected, "{bytes:?}");
                    }
                }
            }
        }
    }
}
