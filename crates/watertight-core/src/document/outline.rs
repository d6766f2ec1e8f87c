//! The values of a JSON file and the items of its Lists, found without reading them.
//!
//! They can then be read in parallel, and one broken item does not hide the rest: `kubectl get -o
//! json` writes whole clusters as one List.

use std::ops::Range;

use super::SyntaxError;
use super::cuts::{Cut, Grain, guess};
use super::scanner::{Result, Scanner};
use crate::source::FileId;

/// One value of a file of concatenated JSON values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outline {
    /// The bytes of the whole value.
    pub whole: Range<usize>,
    /// If the value is a List.
    pub list: Option<List>,
}

/// The `items` of a value whose `kind` is `List` or ends so, as lists of the API do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    /// The bytes of the list, with its brackets.
    pub whole: Range<usize>,
    /// The bytes of its values, by themselves or several with the commas between them.
    pub items: Vec<Cut>,
}

/// Behind so many broken values no further one is looked for: each may cost a look at all the rest.
const MAX_BROKEN: usize = 64;

/// What a file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Any JSON values.
    Any,
    /// Objects; anything else is no JSON at all.
    Objects,
}

/// Finds the values in a range of a file and the items of Lists, skipping over their content. Behind
/// a broken value the next one is looked for at the start of a line, as in line-delimited JSON.
pub(super) fn outline(
    file: FileId,
    text: &str,
    range: Range<usize>,
    values: Values,
    grain: Grain,
) -> (Vec<Outline>, Vec<SyntaxError>) {
    let mut scanner = Scanner::new(file, text, range.start, range.end);
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    loop {
        scanner.skip_blanks();
        if scanner.peek().is_none() {
            return (found, errors);
        }
        if values == Values::Objects && scanner.peek() != Some(b'{') {
            errors.push(*scanner.error("expected nothing more, or an object"));
            return (found, errors);
        }
        let value = scanner.at;
        match scanner.outline(grain) {
            Ok(outline) => found.push(outline),
            Err(error) => {
                errors.push(*error);
                // What broke from the start may be no JSON at all.
                let is_json = values == Values::Any || !found.is_empty();
                let goes_on = is_json && errors.len() < MAX_BROKEN;
                let rest = text.get(value..range.end).filter(|_| goes_on);
                match rest.and_then(|rest| rest.find("\n{")) {
                    Some(next) => scanner.at = value + next + 1,
                    None => return (found, errors),
                }
            }
        }
    }
}

impl Scanner<'_> {
    fn outline(&mut self, grain: Grain) -> Result<Outline> {
        let start = self.at;
        let mut guessed = 0;
        let found = self.value(grain, &mut guessed);
        // Guesses are confirmed by reading the items, so they are of use for the items only.
        let confirmable = guessed == 1
            && found.as_ref().is_ok_and(|outline| {
                let items = outline.list.iter().flat_map(|list| &list.items);
                items.clone().any(|cut| cut.goes_on)
            });
        if guessed == 0 || confirmable {
            return found;
        }
        self.at = start;
        let grain = Grain {
            guess: false,
            ..grain
        };
        self.value(grain, &mut guessed)
    }

    /// The value at the scanner; counts the lists whose items were guessed.
    fn value(&mut self, grain: Grain, guessed: &mut usize) -> Result<Outline> {
        let start = self.at;
        if self.peek() != Some(b'{') {
            let whole = self.skip_value()?;
            // One error is enough for a file that holds something else.
            if !self.text.get(whole.clone()).is_some_and(like_a_value) {
                self.at = start;
                return Err(self.error("expected a value"));
            }
            return Ok(Outline { whole, list: None });
        }
        self.at += 1;
        let (mut is_list, mut list) = (false, None);
        self.skip_blanks();
        while self.peek() != Some(b'}') {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.error("expected a key in double quotes"));
            }
            let from = self.at;
            self.skip_string()?;
            let key = self.text.get(from..self.at).unwrap_or_default();
            self.skip_blanks();
            self.expect(b':', "`:` after the key")?;
            self.skip_blanks();
            let from = self.at;
            // The last one of repeated keys counts.
            if key == "\"items\"" && self.peek() == Some(b'[') {
                let items = self.elements(grain, guessed)?;
                list = Some((from, self.at, items));
            } else {
                let value = self.skip_value()?;
                if key == "\"items\"" {
                    list = None;
                } else if key == "\"kind\"" {
                    let kind = self.text.get(value).unwrap_or_default();
                    is_list = kind.ends_with("List\"");
                }
            }
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {}
                _ => return Err(self.error("expected `,` or `}`")),
            }
        }
        self.at += 1;
        let list = list.filter(|_| is_list).map(|(from, to, items)| List {
            whole: from..to,
            items,
        });
        Ok(Outline {
            whole: start..self.at,
            list,
        })
    }

    fn elements(&mut self, grain: Grain, guessed: &mut usize) -> Result<Vec<Cut>> {
        self.at += 1;
        let mut found = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(found);
        }
        let mut is_first = true;
        // Where the items start that are not among the found ones yet.
        let mut open = None;
        loop {
            let item = self.skip_value()?;
            let start = open.take().unwrap_or(item.start);
            if item.end - start < grain.bytes {
                open = Some(start);
            } else {
                found.push(Cut::between(start..item.end));
            }
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    found.extend(open.map(|start| Cut::between(start..item.end)));
                    return Ok(found);
                }
                _ => return Err(self.error("expected `,` or `]`")),
            }
            if std::mem::take(&mut is_first) && grain.guess {
                self.skip_blanks();
                let starts = guess(self, item.end, grain.bytes);
                if let Some(last) = starts.last() {
                    *guessed += 1;
                    let from = open.take().unwrap_or(self.at);
                    let from = std::iter::once(from).chain(starts.iter().copied());
                    found.extend(from.zip(&starts).map(|(start, end)| Cut {
                        range: start..*end,
                        goes_on: true,
                    }));
                    self.at = *last;
                }
            }
        }
    }

    /// Skips one value by its brackets alone; `read` looks at the rest.
    pub(super) fn skip_value(&mut self) -> Result<Range<usize>> {
        self.skip_blanks();
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') => self.skip_brackets()?,
            Some(b'"') => {
                self.skip_string()?;
            }
            _ => {
                while let Some(byte) = self.peek()
                    && !is_delimiter(byte)
                {
                    self.at += 1;
                }
            }
        }
        if start == self.at {
            return Err(self.error("expected a value"));
        }
        Ok(start..self.at)
    }

    fn skip_brackets(&mut self) -> Result<()> {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        self.at = start;
        Err(self.error("this value has no end"))
    }
}

/// Whether the text of a value starts like JSON.
fn like_a_value(text: &str) -> bool {
    matches!(text, "true" | "false" | "null")
        || text
            .starts_with(|first: char| matches!(first, '[' | '"' | '-') || first.is_ascii_digit())
            && !text.starts_with("--")
}

/// Whether a byte ends a number or a word, or would begin something else.
fn is_delimiter(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\n' | b'\r' | b'\t' | b',' | b':' | b'{' | b'}' | b'[' | b']' | b'"'
    )
}
