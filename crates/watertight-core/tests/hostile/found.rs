//! What generated files have found, minimised. Each was wrong once.

use super::targets;

#[test]
fn comments_end_at_old_line_ends() {
    targets::document(b"# comment\rkey: value\r");
    targets::document(b"items:\r- # comment\rkind: Pod\r");
    targets::document(b"a:\r- b\r- c\rd: |\r  e\r");
}

#[test]
fn a_block_scalar_may_be_a_whole_document() {
    targets::document(b"|\na");
    targets::document(b"--- >\n\n  a\n...\n|\nb\n");
}

#[test]
fn lists_below_their_key_may_start_with_any_character() {
    targets::document("a:\n- é\n- b\n".as_bytes());
    targets::document(b"a:\n- -1\n-\n- - b\n");
}

#[test]
fn nothing_may_be_behind_a_comment() {
    targets::document(b"- # comment\n- a\n");
    targets::document(b"? a\n# comment\n: # comment\nb:\n");
}

#[test]
fn yaml_in_a_json_file_is_one_error() {
    use watertight_core::document::units;
    use watertight_core::source::Sources;
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
    let mut sources = Sources::new();
    let file = sources.add("t.json", text.into()).unwrap();
    let (units, errors) = units(file, "t.json", text);
    assert_eq!((units.len(), errors.len()), (0, 1));
}
