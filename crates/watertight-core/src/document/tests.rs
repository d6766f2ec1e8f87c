//! The tape from both syntaxes.

mod cuts;
mod documents;
mod go;
mod json;
mod limits;
mod places;

use expect_test::expect;

use super::*;
use crate::source::Sources;

/// Every value on a line: indentation, kind, text, byte range.
fn dump(text: &str) -> String {
    let name = if text.starts_with(['{', '[']) {
        "t.json"
    } else {
        "t.yaml"
    };
    dump_named(name, text)
}

fn dump_named(name: &str, text: &str) -> String {
    let mut sources = Sources::new();
    let file = sources.add(name, text.into()).unwrap();
    let (units, errors) = units(file, name, text);
    let mut out = String::new();
    for error in errors {
        out += &show_error(&sources, &error);
    }
    for unit in units {
        for document in unit.read(text) {
            match document {
                Ok(document) => {
                    out += if unit.is_item() {
                        "item\n"
                    } else {
                        "document\n"
                    };
                    document
                        .root()
                        .into_iter()
                        .for_each(|root| show(root, 1, &mut out));
                }
                Err(error) => out += &show_error(&sources, &error),
            }
        }
    }
    out
}

fn show_error(sources: &Sources, error: &SyntaxError) -> String {
    let help = error
        .help
        .as_deref()
        .map_or(String::new(), |help| format!(" ({help})"));
    let limit = if error.limit { " [limit]" } else { "" };
    format!(
        "error {}: {}{help}{limit}\n",
        sources.locate(error.span),
        error.message
    )
}

fn show(node: Node<'_, '_>, depth: usize, out: &mut String) {
    let value = match node.kind() {
        Kind::String => format!("{:?}", node.str().unwrap()),
        Kind::Bool => node.bool().unwrap().to_string(),
        Kind::Number => node.as_written().to_owned(),
        _ => String::new(),
    };
    let span = node.span();
    *out += &format!(
        "{}{:?} {value} {}..{}\n",
        "  ".repeat(depth),
        node.kind(),
        span.start,
        span.end
    );
    for item in node.items() {
        show(item, depth + 1, out);
    }
    for (key, value) in node.entries() {
        show(key, depth + 1, out);
        show(value, depth + 2, out);
    }
}

#[test]
fn json_and_yaml_make_the_same_tape() {
    expect![[r#"
        document
          Mapping  0..38
            String "a" 1..4
              Sequence  5..28
                Number 1 6..7
                String "é\n" 8..14
                Bool true 15..19
                Null  20..24
                Mapping  25..27
            String "b" 30..33
              String "x" 34..37
    "#]]
    .assert_eq(&dump(r#"{"a":[1,"é\n",true,null,{}], "b":"x"}"#));
    expect![[r#"
        document
          Mapping  0..41
            String "a" 0..1
              Sequence  5..34
                Number 1 7..8
                String "é\n" 13..19
                Bool true 24..27
                Mapping  32..34
            String "b" 35..36
              String "x" 38..41
    "#]]
    .assert_eq(&dump("a:\n  - 1\n  - \"é\\n\"\n  - yes\n  - {}\nb: 'x'\n"));
}

#[test]
fn lists_are_taken_apart_and_a_broken_item_hides_no_other() {
    expect![[r#"
        document
          Mapping  0..65
            String "kind" 1..7
              String "List" 8..14
            String "items" 15..22
              Sequence  23..50
            String "metadata" 51..61
              Mapping  62..64
        item
          Mapping  24..31
            String "a" 25..28
              Number 1 29..30
        error t.json:1:38: expected a value
        item
          Mapping  42..49
            String "c" 43..46
              Number 3 47..48
    "#]]
    .assert_eq(&dump(
        r#"{"kind":"List","items":[{"a":1},{"b":tru},{"c":3}],"metadata":{}}"#,
    ));
}

#[test]
fn a_broken_document_hides_no_other() {
    expect![[r#"
        document
          Mapping  0..4
            String "a" 0..1
              Number 1 3..4
        error t.yaml:3:4: unclosed bracket '['
        document
          Mapping  19..23
            String "c" 19..20
              Number 3 22..23
        document
          Mapping  53..57
            String "d" 53..54
              Number 4 56..57
    "#]]
    .assert_eq(&dump(
        "a: 1\n---\nb: [1\n---\nc: 3\n...\n---\n# only a comment\n---\nd: 4\n",
    ));
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    expect![[r#"
        document
          Mapping  0..52
            String "base" 0..4
              Mapping  9..21
                String "x" 10..11
                  Number 1 13..14
                String "true" 16..17
                  Number 2 19..20
            String "use" 22..25
              Mapping  29..42
                String "x" 10..11
                  Number 1 13..14
                String "true" 38..39
                  Number 3 41..42
            String "again" 43..48
              Mapping  9..21
                String "x" 10..11
                  Number 1 13..14
                String "true" 16..17
                  Number 2 19..20
    "#]]
    .assert_eq(&dump(
        "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nagain: *b\n",
    ));
}

#[test]
fn hints_for_common_breakage() {
    expect![[r#"
        error t.yaml:2:2: tabs disallowed within this context (block indentation) (YAML does not allow tabs as indentation: use spaces)
    "#]].assert_eq(&dump("a:\n\tb: 1\n"));
    expect![[r#"
        error t.yaml:1:3: "-" is only valid inside a block (this looks like a template that was not rendered: run `helm template` (or your renderer) and check its output)
    "#]]
    .assert_eq(&dump_named(
        "t.yaml",
        "{{- if .Values.x }}\na: 1\n{{- end }}\n",
    ));
    expect![[r#"
        error t.json:2:7: expected a value
        error t.json:1:7: a number must not start with a zero
    "#]]
    .assert_eq(&dump_named("t.json", "{\"a\": 01}\n{\"b\": "));
}

#[test]
fn keys_that_repeat_are_never_overlooked() {
    // So many keys that some hashes meet by chance.
    for count in [0, 1, 2, 10, 100, 1000] {
        let keys: Vec<_> = (0..count).map(|key| format!("\"k{key}\":1,")).collect();
        let mapping = |again: &str| format!("{{{}\"last\":2{again}}}", keys.concat());
        let may_repeat = |text: &str| {
            let mut sources = Sources::new();
            let file = sources.add("t.json", text.into()).unwrap();
            let document = units(file, "t.json", text).0[0].read(text).remove(0);
            document.unwrap().root().unwrap().may_repeat_keys()
        };
        assert!(count > 2 || !may_repeat(&mapping("")));
        let again = (0..count).step_by(7).map(|key| format!(",\"k{key}\":3"));
        for again in again.chain([",\"l\\u0061st\":3".to_owned()]) {
            assert!(may_repeat(&mapping(&again)), "{again} of {count}");
        }
    }
}

#[test]
fn a_string_is_its_text_and_nothing_else() {
    let text = r#"{"a": "a", "b": "\u0061", "c": "", "d": 1, "e": null, "é": "é"}"#;
    let mut sources = Sources::new();
    let file = sources.add("t.json", text.into()).unwrap();
    let document = units(file, "t.json", text).0[0].read(text).remove(0);
    let document = document.unwrap();
    let root = document.root().unwrap();
    for (key, value) in root.entries() {
        for text in ["", "a", "b", "\"a\"", "1", "null", "é", "\\u0061"] {
            assert_eq!(key.is(text), key.str() == Some(text), "{text}");
            assert_eq!(value.is(text), value.str() == Some(text), "{text}");
        }
    }
    let keys = ["b", "missing", "é"];
    assert_eq!(
        root.get_each(keys).map(|value| value.and_then(Node::str)),
        [Some("a"), None, Some("é")]
    );
}
