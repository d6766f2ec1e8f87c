//! JSON as RFC 8259 has it.

use super::*;

/// A value as JSON without white space; strings as they are understood, numbers as they are written.
pub(super) fn compact(node: Node<'_, '_>) -> String {
    let text = |text: &str| serde_json::to_string(text).unwrap();
    match node.kind() {
        Kind::Null => "null".to_owned(),
        Kind::Bool => node.bool().unwrap().to_string(),
        Kind::Number => node.as_written().to_owned(),
        Kind::String => text(node.str().unwrap()),
        Kind::Sequence => {
            let items: Vec<_> = node.items().map(compact).collect();
            format!("[{}]", items.join(","))
        }
        Kind::Mapping => {
            let entry = |(key, value): (Node<'_, '_>, _)| {
                format!("{}:{}", text(key.str().unwrap()), compact(value))
            };
            let entries: Vec<_> = node.entries().map(entry).collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}

fn read(text: &str) -> Result<String, String> {
    let mut sources = Sources::new();
    let file = sources.add("t.json", text.into()).unwrap();
    let (units, errors) = units(file, "t.json", text);
    let mut found: Vec<_> = units.iter().flat_map(|unit| unit.read(text)).collect();
    found.extend(errors.into_iter().map(Err));
    match found.remove(0) {
        Ok(document) => Ok(compact(document.root().unwrap())),
        Err(error) => {
            let start = sources.start(error.span);
            Err(format!(
                "{}:{}: {}",
                start.line, start.column, error.message
            ))
        }
    }
}

#[test]
fn numbers() {
    for good in [
        "0",
        "-0",
        "12",
        "-1.5",
        "1e3",
        "1E+3",
        "0.1e-2",
        "1e999",
        "123456789012345678901",
    ] {
        assert_eq!(read(good).as_deref(), Ok(good));
        assert_eq!(read(&format!("[{good} ]")), Ok(format!("[{good}]")));
    }
    for bad in [
        "01", "-", "+1", "1.", ".5", "1e", "1e+", "-01", "0x10", "1_0", "Infinity", "NaN", "1a",
        "1 2",
    ] {
        assert!(read(&format!("[{bad}]")).is_err(), "{bad}");
    }
}

#[test]
fn integers() {
    let read = |text: &str| {
        let mut sources = Sources::new();
        let file = sources.add("t.json", text.into()).unwrap();
        let document = units(file, "t.json", text).0[0]
            .read(text)
            .remove(0)
            .unwrap();
        document.root().unwrap().integer()
    };
    assert_eq!(read("8080"), Some(8080));
    assert_eq!(read("-1"), Some(-1));
    // The API server gets these from kubectl as 80.
    assert_eq!(read("80.0"), Some(80));
    assert_eq!(read("8e1"), Some(80));
    assert_eq!(read("80.5"), None);
    assert_eq!(read("1e40"), None);
    assert_eq!(read("\"80\""), None);
    assert_eq!(read("true"), None);
}

#[test]
fn strings() {
    let good = [
        (r#""""#, ""),
        (r#""a\"\\\/b""#, "a\"\\/b"),
        (r#""\b\f\n\r\t""#, "\u{8}\u{c}\n\r\t"),
        (r#""\u00e9\u00E9é""#, "ééé"),
        (r#""\ud83d\ude00\uD83D\uDE00""#, "😀😀"),
        (r#""\u0000\u007f""#, "\0\u{7f}"),
        ("\"\u{7f}\u{2028}\u{feff}\"", "\u{7f}\u{2028}\u{feff}"),
        // Go replaces half a character, so does this.
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ude00x""#, "\u{fffd}x"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ud83dabc""#, "\u{fffd}abc"),
    ];
    for (text, value) in good {
        assert_eq!(
            read(text),
            Ok(serde_json::to_string(value).unwrap()),
            "{text}"
        );
    }
    let bad = [
        (r#""\x41""#, "1:2: this is no JSON escape"),
        (r#""é\u12g4""#, "1:3: this is no JSON escape"),
        (r#""\u+123""#, "1:2: this is no JSON escape"),
        (r#""\u12""#, "1:2: this is no JSON escape"),
        (r#""\é""#, "1:2: this is no JSON escape"),
        (
            "\"a\nb\"",
            "1:3: control characters must be escaped in a string",
        ),
        (
            "\"\t\"",
            "1:2: control characters must be escaped in a string",
        ),
        (
            "\"\0\"",
            "1:2: control characters must be escaped in a string",
        ),
        (r#""a"#, "1:1: this string has no end"),
        (r#""a\"#, "1:1: this string has no end"),
        (r#""a\""#, "1:1: this string has no end"),
        (r#""\é"#, "1:1: this string has no end"),
    ];
    for (text, error) in bad {
        assert_eq!(read(text), Err(error.to_owned()), "{text}");
    }
}

#[test]
fn punctuation() {
    for bad in [
        "[1 2]",
        "[1,]",
        "[,1]",
        "[",
        "]",
        "{",
        "}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
        "[1}",
        "{\"a\":1]",
        "nul",
        "nulll",
        "True",
        "// c\n1",
        "[1] x",
        "\u{a0}1",
        "[\u{feff}1]",
        "é",
        ":",
        ",",
    ] {
        assert!(
            read(bad).is_err() || dump_named("t.json", bad).contains("error"),
            "{bad}"
        );
    }
    assert_eq!(
        read(" {\"a\" :\t[ true , false,null ] ,\r\n\"a\":{} } \n").as_deref(),
        Ok(r#"{"a":[true,false,null],"a":{}}"#)
    );
}
