//! Text as a YAML scalar that is read back as that text, whatever it is.
//!
//! INVARIANT: everything that fixes put into files as a string goes through here.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A text as a YAML string, quoted where YAML would read something else.
#[must_use]
pub fn scalar(text: &str) -> Cow<'_, str> {
    const OTHER: [&str; 10] = [
        "true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan",
    ];
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/'))
        && !OTHER.iter().any(|word| text.eq_ignore_ascii_case(word));
    if plain {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(double_quoted(text))
    }
}

/// A text in place of a scalar, in the quotes that this one has: JSON stays JSON.
#[must_use]
pub fn in_place_of<'t>(written: &str, text: &'t str) -> Cow<'t, str> {
    match written.chars().next() {
        Some('"') => Cow::Owned(double_quoted(text)),
        Some('\'') if !text.contains(char::is_control) => {
            Cow::Owned(format!("'{}'", text.replace('\'', "''")))
        }
        _ => scalar(text),
    }
}

/// A message in which nothing that is quoted in backticks goes on and on.
#[must_use]
pub fn brief(message: String) -> String {
    const SHORT: usize = 300;
    const LONGEST: usize = 80;
    const WHOLE: usize = 1500;
    if message.len() <= SHORT {
        return message;
    }
    let parts = message.split('`').enumerate().map(|(at, part)| {
        // Every other part is inside of backticks; what is quoted may have some of its own.
        let most = if at % 2 == 1 { LONGEST } else { SHORT };
        cut(part, most)
    });
    let joined = parts.collect::<Vec<_>>().join("`");
    cut(&joined, WHOLE).into_owned()
}

fn cut(text: &str, most: usize) -> Cow<'_, str> {
    let end = text.char_indices().nth(most).map(|(end, _)| end);
    match end.and_then(|end| text.get(..end)) {
        Some(start) => Cow::Owned(format!("{start}...")),
        None => Cow::Borrowed(text),
    }
}

/// As JSON writes a string, which YAML reads alike.
fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // What a YAML reader may refuse or take for the end of a line.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::Kind;
    use crate::source::Sources;

    /// What a scalar is read back as, if as a string.
    fn read_back(written: &str, json: bool) -> Option<String> {
        let mut sources = Sources::new();
        let (name, text) = if json {
            ("t.json", format!("{{\"a\": {written}}}"))
        } else {
            (
                "t.yaml",
                format!("a: {written}\nb: [{written}, {{c: {written}}}]\n"),
            )
        };
        let file = sources.add(name, text.into()).unwrap();
        let text = sources.file(file).text();
        let (units, errors) = crate::document::units(file, name, text);
        assert!(errors.is_empty(), "{text}");
        let mut documents = units.first()?.read(text);
        let document = documents.pop()?.ok()?;
        let value = document.root()?.get("a")?;
        (value.kind() == Kind::String).then(|| value.string().unwrap().into_owned())
    }

    #[test]
    fn texts_that_mean_something_to_yaml() {
        for text in [
            "",
            "yes",
            "No",
            "1.0",
            "0x10",
            "1e3",
            "a: b",
            "#x",
            "a #b",
            "- a",
            "[a]",
            "{a}",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a`",
            "a\"b",
            "it's",
            "a\\b",
            "null",
            "~",
            ".inf",
            " a",
            "a ",
            "a\nb",
            "\u{2028}",
            "2001-01-01",
            "1_000",
            "0o7",
            "=",
            "<<",
            "é",
            "a,b",
        ] {
            assert_eq!(read_back(&scalar(text), false).as_deref(), Some(text));
            let quoted = in_place_of("\"x\"", text);
            assert_eq!(read_back(&quoted, true).as_deref(), Some(text));
            let single = in_place_of("'x'", text);
            assert_eq!(read_back(&single, false).as_deref(), Some(text));
        }
        assert_eq!(scalar("networking.k8s.io/v1"), "networking.k8s.io/v1");
    }

    #[test]
    fn messages_quote_no_more_than_the_start_of_a_text() {
        let long = "x".repeat(100_000);
        let message = brief(format!(
            "`{long}` is no port name: it has more than 15 characters"
        ));
        let expected = format!(
            "`{}...` is no port name: it has more than 15 characters",
            "x".repeat(80)
        );
        assert_eq!(message, expected);
        assert!(brief(format!("`{}", "`é".repeat(50_000))).len() < 4000);
        assert_eq!(brief("short `a`".into()), "short `a`");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_read_back(text in ".{0,12}") {
            prop_assert_eq!(read_back(&scalar(&text), false), Some(text.clone()));
            prop_assert_eq!(read_back(&in_place_of("\"", &text), true), Some(text));
        }
    }
}
