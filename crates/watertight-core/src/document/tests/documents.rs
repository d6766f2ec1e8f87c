//! Which documents a file has.

use super::*;

/// The values of the documents of a file, as JSON; errors by their places.
fn values(name: &str, text: &str) -> Vec<String> {
    let mut sources = Sources::new();
    let file = sources.add(name, text.into()).unwrap();
    let (units, errors) = units(file, name, text);
    let place = |error: SyntaxError| format!("{}: {}", sources.locate(error.span), error.message);
    let mut found = Vec::new();
    for unit in units {
        for document in unit.read(text) {
            found.push(match document {
                Ok(document) => document.root().map_or("-".to_owned(), json::compact),
                Err(error) => place(error),
            });
        }
    }
    found.extend(errors.into_iter().map(place));
    found
}

fn yaml(text: &str) -> Vec<String> {
    values("t.yaml", text)
}

#[test]
fn markers_separate_documents() {
    assert_eq!(
        yaml("a\n---\nb\n--- \nc\n---\t# d\ne\n"),
        ["\"a\"", "\"b\"", "\"c\"", "\"e\""]
    );
    assert_eq!(
        yaml("--- text\n--- |\n b\n--- {c: 1}\n"),
        ["\"text\"", "\"b\\n\"", "{\"c\":1}"]
    );
    assert_eq!(yaml("a\r\n---\r\nb\r\n"), ["\"a\"", "\"b\""]);
    // No markers: longer, indented, in a block scalar.
    assert_eq!(
        yaml("a: ---x\nb: |\n  ---\n"),
        ["{\"a\":\"---x\",\"b\":\"---\\n\"}"]
    );
    assert_eq!(yaml("---x\n"), ["\"---x\""]);
}

#[test]
fn documents_of_nothing_are_none() {
    for text in [
        "",
        "\n",
        "---\n---\n",
        "# c\n--- # d\n---",
        "\u{feff}",
        "\u{feff}---\n \n",
        "...\n",
    ] {
        assert_eq!(yaml(text), [""; 0], "{text:?}");
    }
    assert_eq!(yaml("---\n...\n---\na\n"), ["null", "\"a\""]);
    for text in ["", " \n", "\u{feff}\n"] {
        assert_eq!(values("t.json", text), [""; 0], "{text:?}");
    }
}

#[test]
fn end_markers_separate_documents() {
    assert_eq!(
        yaml("a\n...\nb\n... # c\n---\nd\n"),
        ["\"a\"", "\"b\"", "\"d\""]
    );
    assert_eq!(
        yaml("x: &x 1\n...\ny: *x\n...\nz: 2\n"),
        [
            "{\"x\":1}",
            "t.yaml:3:4: no value in this document has the anchor of `*x`",
            "{\"z\":2}"
        ],
    );
}

#[test]
fn directives_belong_to_the_document_behind_them() {
    assert_eq!(
        yaml(
            "%YAML 1.1\n---\na: yes\n...\n%TAG !t! tag:yaml.org,2002:\n---\nb: !t!str 1\n---\nc: [\n---\nd: 4\n"
        ),
        [
            "{\"a\":true}",
            "{\"b\":\"1\"}",
            "t.yaml:9:4: unclosed bracket '['",
            "{\"d\":4}"
        ],
    );
    let found = yaml("a: 1\n---\n%x: 2\n");
    assert_eq!(found[0], "{\"a\":1}");
    assert!(found[1].starts_with("t.yaml:3:1: "), "{found:?}");
}

#[test]
fn byte_order_marks_at_the_start_of_a_document_are_nothing() {
    assert_eq!(yaml("\u{feff}a: 1\n"), ["{\"a\":1}"]);
    assert_eq!(yaml("\u{feff}# c\na: 1\n"), ["{\"a\":1}"]);
    assert_eq!(yaml("\u{feff}{\"a\": 1}"), ["{\"a\":1}"]);
    assert_eq!(values("t.json", "\u{feff}{\"a\": 1}"), ["{\"a\":1}"]);
    assert_eq!(
        yaml(
            "\u{feff}---\na: 1\n\u{feff}---\nb: 2\n---\n\u{feff}c: 3\n---\r\n\u{feff}{\"d\": 4}\n"
        ),
        ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "{\"d\":4}"],
    );
}

#[test]
fn json_between_markers_is_read_like_yaml() {
    let text = "{\"a\": 1}\n---\n# c\n{\"b\": 2}\n{\"c\": 3}\n---\nd: 4\n---\n{e: 5}\n";
    let found = [
        "{\"a\":1}",
        "{\"b\":2}",
        "{\"c\":3}",
        "{\"d\":4}",
        "{\"e\":5}",
    ];
    assert_eq!(yaml(text), found);
    // A flow mapping that starts like JSON.
    assert_eq!(
        yaml("{\"a\": b, \"c\": yes}\n"),
        ["{\"a\":\"b\",\"c\":true}"]
    );
    assert_eq!(yaml("{\"a\": 1} # c\n"), ["{\"a\":1}"]);
    assert_eq!(
        yaml("{\"a\": 1}\n...\n{\"b\": 2}\n"),
        ["{\"a\":1}", "{\"b\":2}"]
    );
    assert_eq!(yaml("{\"a\": 1,}\n"), ["{\"a\":1}"]);
    // What is neither is told as JSON.
    assert_eq!(
        yaml("{\"a\": \"\\q\"}\n"),
        ["t.yaml:1:8: this is no JSON escape"]
    );
    let found = yaml("{\"a\": 1}\n{\"b\": tru\n---\nc: 2\n");
    assert_eq!(
        found,
        ["{\"a\":1}", "{\"c\":2}", "t.yaml:3:1: expected `,` or `}`"]
    );
}

#[test]
fn a_file_that_calls_itself_json_is_json() {
    let found = values("t.json", "{\"a\": 1,}");
    assert_eq!(found, ["t.json:1:9: expected a key in double quotes"]);
    let found = values("t.ndjson", "{\"a\":1}\n{\"b\":tru}\nnull\n{\"c\":3}\n");
    assert_eq!(
        found,
        [
            "{\"a\":1}",
            "t.ndjson:2:6: expected a value",
            "null",
            "{\"c\":3}"
        ]
    );
    assert_eq!(values("t.json", "[{\"a\":1}]"), ["[{\"a\":1}]"]);
    // One error is enough for a file of something else.
    for other in [
        "kind: Pod\nmetadata: {}\n",
        "---\n---\na\n",
        "# a b\n# c d\n",
        "tru\nfals\n",
    ] {
        assert_eq!(
            values("t.json", other),
            ["t.json:1:1: expected a value"],
            "{other}"
        );
    }
}

#[test]
fn only_lists_are_taken_apart() {
    let items = |text: &str| {
        let mut sources = Sources::new();
        let file = sources.add("t.json", text.into()).unwrap();
        units(file, "t.json", text)
            .0
            .iter()
            .filter(|unit| unit.is_item())
            .count()
    };
    assert_eq!(items(r#"{"kind":"List","items":[1,2]}"#), 2);
    assert_eq!(items(r#"{"items":[1,2],"kind" : "PodList"}"#), 2);
    assert_eq!(items(r#"{"kind":"ConfigMap","items":[1,2]}"#), 0);
    assert_eq!(items(r#"{"items":[1,2]}"#), 0);
    // The last one of repeated keys counts.
    assert_eq!(items(r#"{"kind":"List","items":[1,2],"items":[3]}"#), 1);
    assert_eq!(items(r#"{"kind":"List","items":[1,2],"items":null}"#), 0);
    assert_eq!(items(r#"{"kind":"List","kind":"Pod","items":[1,2]}"#), 0);
    assert_eq!(
        values("t.json", r#"{"kind":"List","items":[1,2],"items":[3]}"#),
        [r#"{"kind":"List","items":[1,2],"items":[]}"#, "3"]
    );
}
