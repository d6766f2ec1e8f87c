//! From the text of a selector to its expression.
//!
//! The grammar, lowest precedence first (C-23): `or := and ("||" and)*`, `and := term ("&&" term)*`,
//! `term := "!"* ( "(" or ")" | "all()" | "global()" | "has(key)" | key operator operand )`.
//! INVARIANT: parsing keeps its own stack, so no input overflows that of the thread.

use std::ops::Range;

use super::CalicoSelector;

/// How deep parentheses may be nested: as deep as a selector of 1024 characters has room for (C-74).
pub(super) const MAX_DEPTH: usize = 512;

/// The most characters that a label name may have (C-30).
const MAX_KEY: usize = 512;

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalicoSelectorError {
    /// What is wrong: one sentence.
    pub message: String,
    /// The bytes of the text that are wrong; empty where something is missing.
    pub at: Range<usize>,
    /// What to write in their place, where that is clear.
    pub instead: Option<String>,
}

impl std::fmt::Display for CalicoSelectorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CalicoSelectorError {}

type Parsed<T> = Result<T, CalicoSelectorError>;

/// What an open parenthesis waits for.
#[derive(Default)]
struct Level {
    /// Where it was opened.
    opened: usize,
    negated: bool,
    /// The alternatives that are complete.
    any: Vec<CalicoSelector>,
    /// The terms of the alternative at hand.
    all: Vec<CalicoSelector>,
}

impl Level {
    fn end_alternative(&mut self) {
        let all = std::mem::take(&mut self.all);
        self.any.push(joined(all, CalicoSelector::And));
    }

    fn end(mut self) -> CalicoSelector {
        self.end_alternative();
        negated(joined(self.any, CalicoSelector::Or), self.negated)
    }
}

fn joined(
    mut terms: Vec<CalicoSelector>,
    join: impl Fn(Vec<CalicoSelector>) -> CalicoSelector,
) -> CalicoSelector {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        Some(last) => {
            terms.push(last);
            join(terms)
        }
        None => join(terms),
    }
}

/// Double negation cancels (C-33).
fn negated(term: CalicoSelector, negate: bool) -> CalicoSelector {
    match term {
        term if !negate => term,
        CalicoSelector::Not(term) => *term,
        term => CalicoSelector::Not(Box::new(term)),
    }
}

impl CalicoSelector {
    /// Reads a selector; the empty text is `all()` (C-28).
    ///
    /// # Errors
    /// When the text is no selector (C-30, C-31), or nested too deep.
    pub fn parse(text: &str) -> Result<Self, CalicoSelectorError> {
        let mut reader = Reader { text, at: 0 };
        reader.blanks();
        if reader.rest().is_empty() {
            return Ok(Self::All);
        }
        let mut outer = Vec::new();
        let mut level = Level::default();
        loop {
            let mut negate = false;
            while reader.take("!") {
                negate = !negate;
            }
            let opened = reader.at;
            if reader.take("(") {
                if outer.len() >= MAX_DEPTH {
                    let message =
                        format!("the selector has more than {MAX_DEPTH} parentheses in each other");
                    return Err(reader.error(opened, message, None));
                }
                let inner = Level {
                    opened,
                    negated: negate,
                    ..Level::default()
                };
                outer.push(std::mem::replace(&mut level, inner));
                continue;
            }
            level.all.push(negated(reader.term()?, negate));
            // Behind a term: an operator, the end of a parenthesis, or the end.
            loop {
                let start = reader.at;
                if reader.take("&&") {
                    break;
                }
                if reader.take("||") {
                    level.end_alternative();
                    break;
                }
                if reader.take(")") {
                    let Some(enclosing) = outer.pop() else {
                        return Err(reader.error(start, "this `)` closes nothing", None));
                    };
                    let closed = std::mem::replace(&mut level, enclosing).end();
                    level.all.push(closed);
                    continue;
                }
                if !reader.rest().is_empty() {
                    return Err(reader.no_operator());
                }
                if outer.is_empty() {
                    return Ok(level.end());
                }
                let opened = level.opened;
                return Err(CalicoSelectorError {
                    message: "this `(` is not closed".to_owned(),
                    at: opened..opened + 1,
                    instead: None,
                });
            }
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-')
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Only blanks and tabs separate (C-34).
    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    /// Takes a token and the blanks behind it.
    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
            self.blanks();
        }
        found
    }

    /// An error from `start` to here, or at the character that is next.
    fn error(
        &self,
        start: usize,
        message: impl Into<String>,
        instead: Option<String>,
    ) -> CalicoSelectorError {
        let taken = self.text.get(start..self.at).unwrap_or_default();
        let taken = taken.trim_end_matches([' ', '\t']);
        let length = match taken.len() {
            0 => self.rest().chars().next().map_or(0, char::len_utf8),
            length => length,
        };
        CalicoSelectorError {
            message: message.into(),
            at: start..start + length,
            instead,
        }
    }

    /// The word that is next, for messages.
    fn word(&self) -> &'t str {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| is_key(*byte)).count();
        match rest.get(..length) {
            Some("") | None => {
                let first = rest.chars().next().map_or(0, char::len_utf8);
                rest.get(..first).unwrap_or_default()
            }
            Some(word) => word,
        }
    }

    fn at_word(&self, message: impl Into<String>, instead: Option<String>) -> CalicoSelectorError {
        CalicoSelectorError {
            message: message.into(),
            at: self.at..self.at + self.word().len(),
            instead,
        }
    }

    fn key(&mut self) -> Option<Parsed<&'t str>> {
        let start = self.at;
        let key = self.word();
        if !key.bytes().next().is_some_and(is_key) {
            return None;
        }
        self.at += key.len();
        if key.len() > MAX_KEY {
            let message = format!("a label name has at most {MAX_KEY} characters");
            return Some(Err(self.error(start, message, None)));
        }
        self.blanks();
        Some(Ok(key))
    }

    /// The inside of `has(`, `all(` or `global(`, which are tokens with their parenthesis (C-34).
    fn close(&mut self, start: usize, name: &str) -> Parsed<()> {
        if self.take(")") {
            return Ok(());
        }
        let message = format!("`{name}(` is not closed");
        Err(self.error(start, message, None))
    }

    fn term(&mut self) -> Parsed<CalicoSelector> {
        let start = self.at;
        if self.take("has(") {
            let Some(key) = self.key() else {
                return Err(self.error(start, "`has(` needs a label name", None));
            };
            let key = key?;
            self.close(start, "has")?;
            return Ok(CalicoSelector::Has(key.into()));
        }
        if self.take("all(") {
            self.close(start, "all")?;
            return Ok(CalicoSelector::All);
        }
        if self.take("global(") {
            self.close(start, "global")?;
            return Ok(CalicoSelector::Global);
        }
        match self.key() {
            Some(key) => self.comparison(start, key?.into()),
            None if self.rest().is_empty() => Err(self.error(
                start,
                "the selector ends where a label name or `has(` is expected",
                None,
            )),
            None => {
                let message = format!(
                    "`{}` stands where a label name, `has(`, `!` or `(` is expected",
                    self.word()
                );
                Err(self.at_word(message, None))
            }
        }
    }

    /// The operator and the operand behind a label name, which alone is no term (C-31).
    fn comparison(&mut self, start: usize, key: Box<str>) -> Parsed<CalicoSelector> {
        if self.take("==") {
            return Ok(CalicoSelector::Equal(key, self.value()?));
        }
        if self.take("!=") {
            return Ok(CalicoSelector::NotEqual(key, self.value()?));
        }
        if self.take("contains") {
            return Ok(CalicoSelector::Contains(key, self.value()?));
        }
        let second = |reader: &mut Self, first: &str, second: &str| {
            let before = reader.at;
            let both = reader.take(first) && reader.take(second);
            if !both {
                reader.at = before;
            }
            both
        };
        if second(self, "starts", "with") {
            return Ok(CalicoSelector::StartsWith(key, self.value()?));
        }
        if second(self, "ends", "with") {
            return Ok(CalicoSelector::EndsWith(key, self.value()?));
        }
        if second(self, "not", "in") {
            return Ok(CalicoSelector::NotIn(key, self.set()?));
        }
        if self.take("in") {
            return Ok(CalicoSelector::In(key, self.set()?));
        }
        if self.rest().starts_with('=') {
            let message = "a single `=` compares nothing";
            return Err(self.at_word(message, Some("==".to_owned())));
        }
        let word = self.word();
        if word.is_empty() || matches!(word, ")" | "&" | "|") {
            let message = format!("the label `{key}` is compared with nothing");
            let instead = Some(format!("has({key})"));
            return Err(CalicoSelectorError {
                message,
                at: start..start + key.len(),
                instead,
            });
        }
        let message = format!("`{word}` stands where an operator for `{key}` is expected");
        Err(self.at_word(message, None))
    }

    /// A text in single or double quotes, without escapes (C-30).
    fn value(&mut self) -> Parsed<Box<str>> {
        let start = self.at;
        let rest = self.rest();
        let quote = match rest.chars().next() {
            Some(quote @ ('\'' | '"')) => quote,
            Some(_) => {
                let word = self.word();
                let is_word = word.bytes().all(is_key);
                let instead = is_word.then(|| format!("'{word}'"));
                return Err(self.at_word(format!("the value `{word}` needs quotes"), instead));
            }
            None => return Err(self.error(start, "a value in quotes is missing", None)),
        };
        let inner = rest.get(1..).unwrap_or_default();
        let Some((value, _)) = inner.split_once(quote) else {
            self.at = self.text.len();
            return Err(self.error(start, "this text has no closing quote", None));
        };
        self.at += value.len() + 2;
        self.blanks();
        Ok(value.into())
    }

    /// `{"a", "b"}`; may be empty, may have a comma behind the last value (C-32).
    fn set(&mut self) -> Parsed<Vec<Box<str>>> {
        let start = self.at;
        if !self.take("{") {
            return Err(self.error(start, "a set of values in `{` and `}` is missing", None));
        }
        let mut values = Vec::new();
        loop {
            if self.take("}") {
                return Ok(values);
            }
            if self.rest().is_empty() {
                return Err(self.error(start, "this set has no closing `}`", None));
            }
            values.push(self.value()?);
            if !self.take(",") && !self.rest().is_empty() && !self.rest().starts_with('}') {
                let message = format!("`{}` stands where `,` or `}}` is expected", self.word());
                return Err(self.at_word(message, None));
            }
        }
    }

    fn no_operator(&self) -> CalicoSelectorError {
        match self.rest().chars().next() {
            Some(half @ ('&' | '|')) => {
                let message = format!("a single `{half}` joins nothing");
                self.at_word(message, Some(format!("{half}{half}")))
            }
            _ => {
                let message = format!("`{}` stands where `&&` or `||` is expected", self.word());
                self.at_word(message, None)
            }
        }
    }
}
