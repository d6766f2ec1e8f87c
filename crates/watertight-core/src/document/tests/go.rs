//! YAML as the Go library understands it that Kubernetes uses.

use super::*;

/// The one document of a text as JSON, or what is wrong with it.
fn yaml(text: &str) -> String {
    let mut sources = Sources::new();
    let file = sources.add("t.yaml", text.into()).unwrap();
    let mut found = units(file, "t.yaml", text).0[0].read(text);
    assert_eq!(found.len(), 1, "{text}");
    match found.remove(0) {
        Ok(document) => json::compact(document.root().unwrap()),
        Err(error) => {
            let start = sources.start(error.span);
            format!("{}:{}: {}", start.line, start.column, error.message)
        }
    }
}

#[test]
fn scalars() {
    assert_eq!(
        yaml("[yes, 'yes', \"yes\", !!str yes, ! yes, !foo yes]"),
        r#"[true,"yes","yes","yes","yes","yes"]"#
    );
    assert_eq!(
        yaml("[1, '1', 0x1F, 1_000, 08, 1e999, 1.2.3]"),
        r#"[1,"1",0x1F,1_000,08,"1e999","1.2.3"]"#
    );
    assert_eq!(yaml("[, ]").split(':').count(), 3, "an error");
    assert_eq!(
        yaml("[~, null, '', !!null '', !!str ]"),
        r#"[null,null,"",null,""]"#
    );
    assert_eq!(
        yaml("[2024-01-01, !!timestamp 2024-01-01, 12:30]"),
        r#"["2024-01-01","2024-01-01","12:30"]"#
    );
    assert_eq!(
        yaml("[a b, a\n  b, 'it''s', \"a\\\n  b\", \"\\x41\\u00e9\\t\"]"),
        r#"["a b","a b","it's","ab","Aé\t"]"#
    );
    assert_eq!(
        yaml("a: \"x\n\n  y\"\nb: x\n  y\n\n  z\n"),
        r#"{"a":"x\ny","b":"x y\nz"}"#
    );
    assert_eq!(yaml("a: b#c #d\ne: '#f'\n"), r##"{"a":"b#c","e":"#f"}"##);
    assert_eq!(
        yaml("a: :b\nc: d:e\nf: -g\nh: ?i\n"),
        r#"{"a":":b","c":"d:e","f":"-g","h":"?i"}"#
    );
    assert_eq!(yaml("a:\tb\n-\tc: d\n").split(':').count(), 3, "an error");
    assert_eq!(yaml("a:\tb\t\n"), r#"{"a":"b"}"#);
    assert_eq!(
        yaml("a: b\u{85}c\u{2028}d\n"),
        "{\"a\":\"b\u{85}c\u{2028}d\"}"
    );
}

#[test]
fn tags_that_say_what_a_scalar_is() {
    assert_eq!(
        yaml("[!!int '5', !!float 5, !!bool \"no\", !!binary aGk=]"),
        r#"['5',5,false,"hi"]"#
    );
    assert_eq!(
        yaml("[!<tag:yaml.org,2002:str> 5, !!str [a]]"),
        r#"["5",["a"]]"#
    );
    assert_eq!(
        yaml("a: !!int x\n"),
        "1:10: this is not what its tag says: a number"
    );
    assert_eq!(
        yaml("a: !!bool 1\n"),
        "1:11: this is not what its tag says: a boolean"
    );
    assert_eq!(yaml("a: !!binary x\n"), "1:13: this is not base64");
    assert_eq!(
        yaml("a: !!map {b: c}\nd: !!seq [e]\nf: !!set {g}\n"),
        r#"{"a":{"b":"c"},"d":["e"],"f":{"g":null}}"#
    );
    let mut sources = Sources::new();
    let file = sources.add("t.yaml", "!!int '0x10'".into()).unwrap();
    let found = units(file, "t.yaml", "!!int '0x10'").0[0].read("!!int '0x10'");
    assert_eq!(
        found[0].as_ref().unwrap().root().unwrap().integer(),
        Some(16)
    );
}

#[test]
fn keys_are_the_strings_that_json_gets() {
    assert_eq!(
        yaml("yes: 1\n0x10: 2\n'on': 3\n1.10: 4\n!!str off: 5\n"),
        r#"{"true":1,"16":2,"on":3,"1.1":4,"off":5}"#
    );
    assert_eq!(
        yaml("? a\n: b\n? \"c\"\n? |\n  d\n: e\n"),
        r#"{"a":"b","c":null,"d\n":"e"}"#
    );
    assert_eq!(yaml("'a b' : c\n\"d\":\n e\n"), r#"{"a b":"c","d":"e"}"#);
    assert_eq!(
        yaml("{a, b: c, \"d\":e, f:g}\n"),
        r#"{"a":null,"b":"c","d":"e","f:g":null}"#
    );
    for (text, place) in [
        ("? [a]\n: b\n", "1:3"),
        ("{a: b}: c\n", "1:1"),
        ("? - a\n: b\n", "1:3"),
        ("x: &a [1]\n*a : 2\n", "2:1"),
    ] {
        assert_eq!(
            yaml(text),
            format!("{place}: a mapping key must be a plain value"),
            "{text}"
        );
    }
    for (text, place) in [
        ("~: b\n", "1:1"),
        (": b\n", "1:1"),
        ("? \n: b\n", "2:1"),
        ("a: {null: b}\n", "1:5"),
    ] {
        assert_eq!(
            yaml(text),
            format!("{place}: a mapping key must not be null"),
            "{text}"
        );
    }
}

#[test]
fn aliases_stand_for_the_last_anchor_of_the_name() {
    assert_eq!(
        yaml("a: &x 1\nb: *x\nc: &x [2]\nd: *x\n"),
        r#"{"a":1,"b":1,"c":[2],"d":[2]}"#
    );
    assert_eq!(yaml("a: &x\nb: *x\n"), r#"{"a":null,"b":null}"#);
    assert_eq!(yaml("&x a: &y b\n*x : *y\n"), r#"{"a":"b","a":"b"}"#);
    assert_eq!(
        yaml("- &x yes\n- &y 0x10\n- {*x : 1, *y : 2}\n"),
        r#"[true,0x10,{"true":1,"16":2}]"#
    );
    assert_eq!(
        yaml("a: *b\nb: &b 1\n"),
        "1:4: no value in this document has the anchor of `*b`"
    );
    assert_eq!(
        yaml("a: &x [*x]\n"),
        "1:8: this alias refers to the value it is part of"
    );
    assert_eq!(
        yaml("a: &x {b: &y [1], c: *y}\nd: [*x, *y]\n"),
        r#"{"a":{"b":[1],"c":[1]},"d":[{"b":[1],"c":[1]},[1]]}"#
    );
}

#[test]
fn merged_entries_count_where_the_merge_key_stands() {
    let base = "base: &b {p: 1, q: 2}\n";
    let merged = |text: &str| {
        let found = yaml(&format!("{base}{text}"));
        found
            .strip_prefix(r#"{"base":{"p":1,"q":2},"#)
            .map_or(found.clone(), str::to_owned)
    };
    assert_eq!(merged("u:\n  <<: *b\n  q: 3\n"), r#""u":{"p":1,"q":3}}"#);
    assert_eq!(merged("u:\n  q: 3\n  <<: *b\n"), r#""u":{"p":1,"q":2}}"#);
    assert_eq!(
        merged("u:\n  <<: [{q: 4}, *b, {r: 5, p: 6}]\n"),
        r#""u":{"r":5,"p":1,"q":4}}"#
    );
    assert_eq!(merged("u: {<<: *b, <<: {q: 7}}\n"), r#""u":{"p":1,"q":7}}"#);
    assert_eq!(merged("u: {<<: [], <<: {}, s: 1}\n"), r#""u":{"s":1}}"#);
    assert_eq!(
        merged("u: {s: 1, <<: *b, s: 2}\n"),
        r#""u":{"s":1,"p":1,"q":2,"s":2}}"#
    );
    assert_eq!(
        merged("u: {<<: *b, p: {<<: *b, v: 8}}\n"),
        r#""u":{"q":2,"p":{"p":1,"q":2,"v":8}}}"#
    );
    assert_eq!(merged("u: {!!merge <<: *b}\n"), r#""u":{"p":1,"q":2}}"#);
    // Not merge keys.
    assert_eq!(
        merged("u: {'<<': *b, !!str <<: 1}\n"),
        r#""u":{"<<":{"p":1,"q":2},"<<":1}}"#
    );
    for wrong in [
        "u: {<<: 1}\n",
        "u: {<<: }\n",
        "u:\n  <<: [*b, 1]\n",
        "u: {<<: [[*b]]}\n",
    ] {
        assert!(
            merged(wrong).ends_with(": `<<` can only merge mappings"),
            "{wrong}"
        );
    }
    assert_eq!(merged("u: {<<: 1}\n"), "2:5: `<<` can only merge mappings");
}

#[test]
fn anchors_inside_a_merging_mapping_keep_their_values() {
    assert_eq!(
        yaml("a: &a\n  <<: &m {p: 1}\n  q: &q [2]\n  p: &p 3\nb: [*m, *q, *p, *a]\n"),
        r#"{"a":{"q":[2],"p":3},"b":[{"p":1},[2],3,{"q":[2],"p":3}]}"#
    );
    assert_eq!(
        yaml(
            "a:\n  <<: {x: 1, z: 2}\n  b: &b\n    <<: {w: 3}\n    c: &c {d: 4}\n  x: *c\ne: [*b, *c]\n"
        ),
        r#"{"a":{"z":2,"b":{"w":3,"c":{"d":4}},"x":{"d":4}},"e":[{"w":3,"c":{"d":4}},{"d":4}]}"#
    );
}

#[test]
fn layouts() {
    assert_eq!(
        yaml("a:\n- b\n- c\nd: [\ne,\nf\n]\ng: {\n  h: i\n}\n"),
        r#"{"a":["b","c"],"d":["e","f"],"g":{"h":"i"}}"#
    );
    assert_eq!(
        yaml("a: [x, y: z, {p, q: }, \"r\":s]\n"),
        r#"{"a":["x",{"true":"z"},{"p":null,"q":null},{"r":"s"}]}"#
    );
    assert_eq!(
        yaml("- - a\n  - b\n-\n  - c\n- d: e\n  f: g\n"),
        r#"[["a","b"],["c"],{"d":"e","f":"g"}]"#
    );
    assert_eq!(
        yaml("a: |\n  x\n   y\n\n  z\n\nb: >\n  x\n  y\n\n  z\nc: |-\n  x\nd: |+\n  x\n\n"),
        r#"{"a":"x\n y\n\nz\n","b":"x y\nz\n","c":"x","d":"x\n\n"}"#
    );
    assert_eq!(yaml("a: |\n"), r#"{"a":""}"#);
}
