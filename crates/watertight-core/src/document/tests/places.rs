//! Where values are: fixes edit by these places.

use expect_test::expect;

use super::*;

/// Every value with the bytes that its place covers.
fn places(text: &str) -> String {
    fn show(node: Node<'_, '_>, depth: usize, out: &mut String) {
        let kind = format!("{:?}", node.kind()).to_lowercase();
        *out += &format!("{}{kind} {:?}", "  ".repeat(depth), node.as_written());
        if let Some(text) = node.str().filter(|text| *text != node.as_written()) {
            *out += &format!(" = {text:?}");
        }
        if node.as_written().is_empty() {
            *out += &format!(" at {}", node.span().start);
        }
        out.push('\n');
        for item in node.items() {
            show(item, depth + 1, out);
        }
        for (key, value) in node.entries() {
            show(key, depth + 1, out);
            show(value, depth + 2, out);
        }
    }
    let mut sources = Sources::new();
    let file = sources.add("t.yaml", text.into()).unwrap();
    let mut out = String::new();
    for unit in units(file, "t.yaml", text).0 {
        for document in unit.read(text) {
            show(document.unwrap().root().unwrap(), 0, &mut out);
        }
    }
    out
}

#[test]
fn block_collections_end_where_their_last_value_ends() {
    expect![[r#"
        mapping "a:\n  b: 1 # c\n\n  c:\n    - x\n    - y  # d\n# e\nd: z"
          string "a"
            mapping "b: 1 # c\n\n  c:\n    - x\n    - y"
              string "b"
                number "1"
              string "c"
                sequence "- x\n    - y"
                  string "x"
                  bool "y"
          string "d"
            string "z"
    "#]]
    .assert_eq(&places(
        "# top\na:\n  b: 1 # c\n\n  c:\n    - x\n    - y  # d\n# e\nd: z\n\n# end\n",
    ));
    expect![[r#"
        sequence "- - a\n  - b: 1\n    c:\n    - x\n-\n  - [p, q]\n- ? r"
          sequence "- a\n  - b: 1\n    c:\n    - x"
            string "a"
            mapping "b: 1\n    c:\n    - x"
              string "b"
                number "1"
              string "c"
                sequence "- x"
                  string "x"
          sequence "- [p, q]"
            sequence "[p, q]"
              string "p"
              string "q"
          mapping "? r"
            string "r"
              null "" at 48
    "#]]
    .assert_eq(&places(
        "- - a\n  - b: 1\n    c:\n    - x\n-\n  - [p, q]\n- ? r\n",
    ));
}

#[test]
fn lists_below_their_key_start_at_their_first_dash() {
    let list = |text: &str| {
        let shown = places(text);
        let line = shown
            .lines()
            .find(|line| line.contains("sequence"))
            .unwrap();
        line.trim().to_owned()
    };
    assert_eq!(list("a:\n- b\n- c\nd: e\n"), r#"sequence "- b\n- c""#);
    assert_eq!(
        list("a: &x !!seq  # - f\n# - g\n\n-\n  é\n"),
        r#"sequence "-\n  é""#
    );
    assert_eq!(list("a:\r\n- é\r\n- \r\n"), r#"sequence "- é\r\n-""#);
    assert_eq!(list("a:\n- - b\n"), r#"sequence "- - b""#);
    assert_eq!(list("a:\n- -1\n"), r#"sequence "- -1""#);
    assert_eq!(list("a:\n-\nb:\n"), r#"sequence "-""#);
    assert_eq!(list("? a\n: - b\n  - c\n"), r#"sequence "- b\n  - c""#);
    assert_eq!(
        list("a:\n- # c\n  # d\n  - b\n"),
        r#"sequence "- # c\n  # d\n  - b""#
    );
}

#[test]
fn flow_collections_have_their_brackets() {
    expect![[r#"
        mapping "a: {x: 1, y: [b, {}, c: d, e: ],  # f\n  }\nb: [\n]"
          string "a"
            mapping "{x: 1, y: [b, {}, c: d, e: ],  # f\n  }"
              string "x"
                number "1"
              string "y" = "true"
                sequence "[b, {}, c: d, e: ]"
                  string "b"
                  mapping "{}"
                  mapping "c: d"
                    string "c"
                      string "d"
                  mapping "e:"
                    string "e"
                      null "" at 29
          string "b"
            sequence "[\n]"
    "#]]
    .assert_eq(&places(
        "a: {x: 1, y: [b, {}, c: d, e: ],  # f\n  }\nb: [\n]\n",
    ));
}

#[test]
fn nothing_is_behind_its_colon_or_dash() {
    expect![[r#"
        mapping "a:\nb:  # c\n\nc:\n  -\n  -  # d\n  - e :\nf: {g, h: , i: ~}"
          string "a"
            null "" at 2
          string "b"
            null "" at 5
          string "c"
            sequence "-\n  -  # d\n  - e :"
              null "" at 18
              null "" at 22
              mapping "e :"
                string "e"
                  null "" at 35
          string "f"
            mapping "{g, h: , i: ~}"
              string "g"
                null "" at 41
              string "h"
                null "" at 45
              string "i"
                null "~"
    "#]]
    .assert_eq(&places(
        "a:\nb:  # c\n\nc:\n  -\n  -  # d\n  - e :\nf: {g, h: , i: ~}\n",
    ));
    expect![[r#"
        mapping "a: !!str\nb: &x\nc: !!null\nd: *x"
          string "a"
            string "" at 8
          string "b"
            null "" at 14
          string "c"
            null "" at 24
          string "d"
            null "" at 14
    "#]]
    .assert_eq(&places("a: !!str\nb: &x\nc: !!null\nd: *x\n"));
}

#[test]
fn block_scalars_go_from_their_header_to_their_last_line() {
    expect![[r#"
        mapping "a: |  # not | this\n\n  one\n\n  two \n\nb: >2-\n    x\nc: &n|o !!str |\n  | y\nd: |\ne: |+\n\n\n\"f |\": >-  \n  g"
          string "a"
            string "|  # not | this\n\n  one\n\n  two " = "\none\n\ntwo \n"
          string "b"
            string ">2-\n    x" = "  x"
          string "c"
            string "|\n  | y" = "| y\n"
          string "d"
            string "|" = ""
          string "e"
            string "|+" = "\n\n"
          string "\"f |\"" = "f |"
            string ">-  \n  g" = "g"
    "#]]
    .assert_eq(&places(
        "a: |  # not | this\n\n  one\n\n  two \n\nb: >2-\n    x\nc: &n|o !!str |\n  | y\nd: |\ne: |+\n\n\n\"f |\": >-  \n  g",
    ));
    expect![[r#"
        string "|\n  a" = "a\n"
        sequence "- |\n  a\n- - >\n    b\n- ? |\n    k\n  : |\n    v"
          string "|\n  a" = "a\n"
          sequence "- >\n    b"
            string ">\n    b" = "b\n"
          mapping "? |\n    k\n  : |\n    v"
            string "|\n    k" = "k\n"
              string "|\n    v" = "v\n"
    "#]]
    .assert_eq(&places(
        "--- |\n  a\n---\n- |\n  a\n- - >\n    b\n- ? |\n    k\n  : |\n    v\n",
    ));
}

#[test]
fn a_collection_that_ends_in_an_alias_ends_behind_it() {
    expect![[r#"
        mapping "a: &a {x: 1}\nb:\n  - *a\nc: *a"
          string "a"
            mapping "{x: 1}"
              string "x"
                number "1"
          string "b"
            sequence "- *a"
              mapping "{x: 1}"
                string "x"
                  number "1"
          string "c"
            mapping "{x: 1}"
              string "x"
                number "1"
    "#]]
    .assert_eq(&places("a: &a {x: 1}\nb:\n  - *a\nc: *a\n"));
}

#[test]
fn windows_line_ends_are_outside() {
    expect![[r#"
        mapping "a: 1\r\nb:\r\n  - x\r\n  - \"é\"\r\nc: |\r\n  t\r\n  u\r\nd:\r\ne: f"
          string "a"
            number "1"
          string "b"
            sequence "- x\r\n  - \"é\""
              string "x"
              string "\"é\"" = "é"
          string "c"
            string "|\r\n  t\r\n  u" = "t\nu\n"
          string "d"
            null "" at 45
          string "e"
            string "f"
    "#]]
    .assert_eq(&places(
        "a: 1\r\nb:\r\n  - x\r\n  - \"é\"\r\nc: |\r\n  t\r\n  u\r\nd:\r\ne: f\r\n",
    ));
}

#[test]
fn old_line_ends_are_line_ends() {
    let with_newlines = "# a\nb: |  # c\n\n  d\ne:\n- f\n-  # g\n- h\n";
    let places = |text: &str| places(text).replace("\\r", "\\n");
    let expected = places(with_newlines);
    assert!(
        expected.contains(r#"sequence "- f\n-  # g\n- h""#),
        "{expected}"
    );
    assert_eq!(places(&with_newlines.replace('\n', "\r")), expected);
}

#[test]
fn properties_are_outside_and_explicit_keys_inside() {
    expect![[r#"
        mapping "a: &x !!map\n  ? b\n  : !!str c\n  ? d"
          string "a"
            mapping "? b\n  : !!str c\n  ? d"
              string "b"
                string "c"
              string "d"
                null "" at 35
    "#]]
    .assert_eq(&places("a: &x !!map\n  ? b\n  : !!str c\n  ? d\n"));
}

#[test]
fn lines_and_columns_count_characters() {
    let text = "é: 1\r\nb: [\"日本\", x: ]\n\tc\n";
    let mut sources = Sources::new();
    let file = sources.add("t.yaml", text.into()).unwrap();
    let found = units(file, "t.yaml", text).0[0].read(text);
    let error = found[0].as_ref().unwrap_err();
    assert_eq!(sources.locate(error.span), "t.yaml:3:2");
    let text = "é: 1\r\nb: [\"日本\", x: y]\n";
    let file = sources.add("u.yaml", text.into()).unwrap();
    let found = units(file, "u.yaml", text).0[0].read(text);
    let root = found[0].as_ref().unwrap().root().unwrap();
    let last = root.get("b").unwrap().items().last().unwrap();
    assert_eq!(sources.locate(last.span()), "u.yaml:2:11");
    assert_eq!(sources.text(last.span()), "x: y");
}
