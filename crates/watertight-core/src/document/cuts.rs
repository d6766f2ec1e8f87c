//! Where to cut a long list of JSON objects, so that its parts can be read at the same time.
//!
//! To know where an item starts one must have looked at everything before it: a bracket may be in a
//! string. But items look alike, so their starts can be guessed. Whoever reads the part in front of a
//! guess comes out exactly there if it is right; and if it is wrong for any part, nothing that was
//! read counts and the list is cut without guesses.

use std::ops::Range;

use memchr::memmem;

use super::scanner::Scanner;

/// Some items of a list that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Their bytes, with the commas between them.
    pub range: Range<usize>,
    /// Whether the range ends where another item starts, behind a comma; if it does not end behind
    /// an item itself. A guess, to be confirmed by reading.
    pub goes_on: bool,
}

impl Cut {
    pub(super) fn between(range: Range<usize>) -> Self {
        Self {
            range,
            goes_on: false,
        }
    }
}

/// How fine to cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grain {
    /// Items that follow each other stay together up to so many bytes.
    pub bytes: usize,
    /// Whether starts of items may be guessed.
    pub guess: bool,
}

impl Grain {
    /// Every item for itself.
    pub(super) const ITEM: Self = Self {
        bytes: 0,
        guess: false,
    };
}

/// So many places that look like the start of an item and then do not like an item end the search:
/// each costs a look at what follows.
const MOST_MISTAKEN: usize = 64;

/// How far to look for the metadata of what may be an item.
const HEAD: usize = 4096;

/// Starts of items about every so many bytes, from the second item of a list on, where the scanner
/// is. What is between the first and the second item is between all of them, if a program wrote it.
pub(super) fn guess(scanner: &Scanner<'_>, first_end: usize, every: usize) -> Vec<usize> {
    let mut starts = Vec::new();
    let bytes = scanner.text.as_bytes();
    let second = scanner.at;
    let Some(key) = first_key(scanner) else {
        return starts;
    };
    let Some(pattern) = bytes.get(first_end..key) else {
        return starts;
    };
    let between = second - first_end;
    let finder = memmem::Finder::new(pattern);
    let mut mistaken = 0;
    let mut from = second.saturating_add(every.max(1));
    while let Some(rest) = bytes.get(from..scanner.end()) {
        let Some(found) = finder.find(rest) else {
            break;
        };
        let start = from + found + between;
        if is_like_an_object(scanner, start) {
            starts.push(start);
            from = start.saturating_add(every.max(1));
        } else {
            mistaken += 1;
            if mistaken == MOST_MISTAKEN {
                break;
            }
            from = start;
        }
    }
    starts
}

/// The end of the first key of the object where the scanner is.
fn first_key(scanner: &Scanner<'_>) -> Option<usize> {
    let mut ahead = Scanner::new(scanner.file, scanner.text, scanner.at, scanner.end());
    if ahead.peek() != Some(b'{') {
        return None;
    }
    ahead.at += 1;
    ahead.skip_blanks();
    let is_key = ahead.peek() == Some(b'"') && ahead.skip_plain_string();
    is_key.then_some(ahead.at)
}

/// Whether what starts here has metadata, as an object of the API and hardly anything inside one.
fn is_like_an_object(scanner: &Scanner<'_>, at: usize) -> bool {
    let end = scanner.end().min(at.saturating_add(HEAD));
    let mut ahead = Scanner::new(scanner.file, scanner.text, at, end);
    loop {
        // The bracket, or the comma behind a value.
        ahead.at += 1;
        ahead.skip_blanks();
        let from = ahead.at;
        if ahead.peek() != Some(b'"') || !ahead.skip_plain_string() {
            return false;
        }
        let key = scanner.text.get(from..ahead.at);
        ahead.skip_blanks();
        if ahead.expect(b':', "").is_err() {
            return false;
        }
        ahead.skip_blanks();
        if key == Some("\"metadata\"") {
            return ahead.peek() == Some(b'{');
        }
        if ahead.skip_value().is_err() {
            return false;
        }
        ahead.skip_blanks();
        if ahead.peek() != Some(b',') {
            return false;
        }
    }
}
