//! A place in JSON text, and the steps that reading it and skipping over it have in common.

use memchr::memchr2;

use super::SyntaxError;
use crate::source::{FileId, Span};

pub(super) type Result<T> = std::result::Result<T, SyntaxError>;

pub(super) struct Scanner<'s> {
    pub(super) file: FileId,
    pub(super) text: &'s str,
    pub(super) at: usize,
    pub(super) end: usize,
}

impl<'s> Scanner<'s> {
    pub(super) fn new(file: FileId, text: &'s str, at: usize, end: usize) -> Self {
        Self {
            file,
            text,
            at,
            end: end.min(text.len()),
        }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
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
    pub(super) fn peek(&self) -> Option<u8> {
        if self.at < self.end {
            self.text.as_bytes().get(self.at).copied()
        } else {
            None
        }
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

    /// Skips a string; returns whether it has escapes.
    #[inline]
    pub(super) fn skip_string(&mut self) -> Result<bool> {
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
}
