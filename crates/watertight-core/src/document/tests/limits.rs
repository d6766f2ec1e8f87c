//! Input that would make much out of little.

use super::*;

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn nested_blocks(levels: usize) -> String {
    (0..levels)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect()
}

#[test]
fn nesting_is_limited_alike_in_every_syntax() {
    for (name, good, bad) in [
        ("t.json", nested(MAX_DEPTH), nested(MAX_DEPTH + 1)),
        ("t.yaml", nested(MAX_DEPTH), nested(MAX_DEPTH + 1)),
        (
            "t.yaml",
            nested_blocks(MAX_DEPTH),
            nested_blocks(MAX_DEPTH + 1),
        ),
        ("t.yaml", "- ".repeat(MAX_DEPTH), "- ".repeat(MAX_DEPTH + 1)),
    ] {
        assert!(!dump_named(name, &good).contains("error"), "{name} {good}");
        let found = dump_named(name, &bad);
        assert!(
            found.contains("nested deeper than 128 levels [limit]"),
            "{name} {found}"
        );
    }
    for deep in [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "- ".repeat(100_000),
    ] {
        assert!(dump_named("t.json", &deep).contains("error"));
        assert!(dump(&format!("a: {deep}")).contains("error"));
    }
}

#[test]
fn a_document_that_is_too_deep_hides_no_other() {
    let text = format!("a: 1\n---\n{}\n---\nb: 2\n", nested(MAX_DEPTH + 1));
    let found = dump_named("t.yaml", &text);
    assert!(
        found.contains("String \"a\"") && found.contains("String \"b\""),
        "{found}"
    );
    assert!(found.contains("[limit]"), "{found}");
}

#[test]
fn aliases_make_no_more_than_their_share() {
    let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let refs = vec![format!("*a{}", level - 1); 10].join(",");
        laughs += &format!("a{level}: &a{level} [{refs}]\n");
    }
    let found = dump(&format!("{laughs}---\nb: 1\n"));
    assert!(
        found.starts_with("error t.yaml:4:10: aliases make more than "),
        "{found}"
    );
    assert!(
        found.contains("[limit]") && found.contains("String \"b\""),
        "{found}"
    );

    let merged = laughs.replace(
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]",
        "a0: &a0 {b: 1, c: 2, d: 3}",
    );
    let found = dump(&merged);
    assert!(found.contains("aliases make more than "), "{found}");

    // Merging moves what has anchors, here one around the other.
    let open: String = (0..60)
        .map(|level| format!("{{<<: {{}}, k: &a{level} "))
        .collect();
    let text = format!("a: {open}[{}]{}\n", "x,".repeat(10_000), "}".repeat(60));
    let found = dump(&text);
    assert!(found.contains("aliases make more than "), "{found:.100}");
}

#[test]
fn ordinary_reuse_is_fine() {
    let ports: String = (0..50)
        .map(|port| format!("  - {{port: {port}}}\n"))
        .collect();
    let uses: String = (0..50)
        .map(|at| format!("- name: policy-{at}\n  ports: *ports\n"))
        .collect();
    let found = dump(&format!("ports: &ports\n{ports}items:\n{uses}"));
    assert!(!found.contains("error"), "{found}");
}
