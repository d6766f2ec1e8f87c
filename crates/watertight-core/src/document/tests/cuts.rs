//! However a file is cut, it reads the same.

use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::*;
use crate::document::read::pieces;

/// What `dump_named` shows, read in pieces of so many bytes; nothing if a guess was wrong.
fn in_pieces(name: &str, text: &str, bytes: usize, guess: bool) -> Option<String> {
    let mut sources = Sources::new();
    let file = sources.add(name, text.into()).unwrap();
    let (units, errors) = pieces(file, name, text, bytes, guess);
    let mut out = String::new();
    for error in errors {
        out += &show_error(&sources, &error);
    }
    let mut fits = true;
    for unit in units {
        fits &= unit.read_each(text, |document| match document {
            Ok(document) => {
                out += if unit.is_item() {
                    "item\n"
                } else {
                    "document\n"
                };
                let root = document.root().into_iter();
                root.for_each(|root| show(root, 1, &mut out));
            }
            Err(error) => out += &show_error(&sources, &error),
        });
    }
    fits.then_some(out)
}

/// Asserts that a text reads the same in pieces of every size; tells how many guesses were right.
fn reads_alike(name: &str, text: &str, sizes: impl Iterator<Item = usize>) -> usize {
    let whole = dump_named(name, text);
    let mut right = 0;
    for bytes in sizes {
        let plain = in_pieces(name, text, bytes, false);
        assert_eq!(plain.as_ref(), Some(&whole), "{bytes} bytes of {text}");
        if let Some(guessed) = in_pieces(name, text, bytes, true) {
            assert_eq!(guessed, whole, "guessed, {bytes} bytes of {text}");
            right += 1;
        }
    }
    right
}

fn list(items: &[&str], between: &str) -> String {
    let items = items.join(between);
    format!("{{\"apiVersion\":\"v1\",\"items\":[{items}],\"kind\":\"List\",\"metadata\":{{}}}}")
}

/// An object with this text as its spec.
fn object(spec: &str) -> String {
    format!("{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{}},\"spec\":{spec}}}")
}

#[test]
fn lists_read_alike_however_they_are_cut() {
    let plain = object("{}");
    let tricky = [
        r#""},{\"apiVersion\":\"v1\",\"metadata\":{}}""#,
        r#"["\\","\"","}","]",",{","\\\\\"},{"]"#,
        r#"{"é\u007b":"\u007d","a":[[],{},[{}]]}"#,
        "[1,-2.5e3,true,false,null]",
    ]
    .map(object);
    let mut items = vec![plain.as_str(); 3];
    items.extend(tricky.iter().map(String::as_str));
    items.extend([plain.as_str(); 3]);
    for between in [",", " ,\n    "] {
        let text = list(&items, between);
        let sizes = text.len() + 2;
        for name in ["t.json", "t.yaml"] {
            assert_eq!(reads_alike(name, &text, 1..sizes), sizes - 1, "{between:?}");
        }
    }
}

#[test]
fn long_lists_are_cut_by_guesses() {
    let object = object("{}");
    let text = list(&[object.as_str(); 100], ",\n ");
    let mut sources = Sources::new();
    let file = sources.add("t.json", text.as_str().into()).unwrap();
    let (units, errors) = pieces(file, "t.json", &text, 1000, true);
    assert!(errors.is_empty());
    assert!((6..=9).contains(&units.len()), "{}", units.len());
    let lengths: usize = units.iter().map(Unit::len).sum();
    assert!(lengths <= text.len());
}

#[test]
fn wrong_guesses_are_found_out() {
    // Objects of the API inside others, with the same in front of them as between items.
    let nested = object(&format!("[{}]", [object("{}"), object("[]")].join(",")));
    let (plain, nested) = (|| object("{}"), || nested.clone());
    let items = [plain(), plain(), nested(), nested(), plain(), plain()];
    let items: Vec<_> = items.iter().map(String::as_str).collect();
    let text = list(&items, ",");
    let sizes = text.len();
    let right = reads_alike("t.json", &text, 1..sizes);
    assert!(right < sizes - 1, "no guess was wrong");
    assert!(right > 0);
    // In a string that ends behind it.
    let text = list(
        &[
            &object("{}"),
            &object("{}"),
            r#"{"a":"x,{","apiVersion":"v1","metadata":{}}"#,
            r#"{"a":[1],"b":"},{","apiVersion":{},"metadata":{}}"#,
        ],
        ",",
    );
    reads_alike("t.json", &text, 1..text.len());
    // More lists behind, lists in lists, and `items` that are no items.
    let short = list(&items, ",");
    reads_alike("t.json", &format!("{short}\n{short}{short}"), 1..600);
    reads_alike("t.yaml", &format!("{short}\n---\n{short}\n"), 1..600);
    reads_alike("t.json", &list(&[&short, &short, &short], ","), 1..600);
    let no_list = short.replace("\"kind\":\"List\"", "\"kind\":\"Thing\"");
    reads_alike("t.json", &no_list, 1..600);
    let twice = short.replace("\"kind\":\"List\"", "\"kind\":\"List\",\"items\":[1,2,3]");
    reads_alike("t.json", &twice, 1..600);
    let first = short.replacen("\"items\":", "\"items\":[1,{},{}],\"items\":", 1);
    reads_alike("t.json", &first, 1..600);
}

#[test]
fn broken_lists_read_alike_however_they_are_cut() {
    let good = object("{}");
    for bad in [
        "{\"apiVersion\":tru}",
        "{\"apiVersion\":\"v1\",\"metadata\":{}]}",
        "{\"apiVersion\":\"v1\",\"metadata\":{}}}",
        "{\"apiVersion\":\"v1\",\"metadata\":{",
        "{\"apiVersion\":\"v1",
        "{\"apiVersion\":\"\n\"}",
        "{\"apiVersion\":\"\\q\",\"metadata\":{}}",
        "{apiVersion: v1, metadata: {}}",
        "1",
        "12a",
        "nul",
        "\"a\"",
        "[]",
        "[{]}",
        "",
        "]",
        "}",
        "{} {}",
    ] {
        for at in 0..4 {
            let mut items = vec![good.as_str(); 5];
            items[at] = bad;
            let text = list(&items, ",");
            reads_alike("t.json", &text, 1..text.len());
            reads_alike("t.yaml", &text, (1..text.len()).step_by(7));
            let (cut, _) = text.split_at(text.len() - 40);
            reads_alike("t.json", cut, (1..text.len()).step_by(7));
        }
    }
}

#[test]
fn any_text_reads_alike_however_it_is_cut() {
    let words = [
        "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[",
        "{\"items\":[",
        "],\"kind\":\"PodList\"}",
        "]}",
        "{\"apiVersion\":\"v1\",\"metadata\":{}}",
        "{\"apiVersion\":\"v1\",\"metadata\":{}}",
        "{\"apiVersion\":\"v1\",\"metadata\":{},\"a\":[",
        ",{\"apiVersion\":\"v1\",\"metadata\":{}}",
        ",",
        ",",
        "\n",
        " ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "1",
        "\"a\":",
        "\"},{\"",
        "---\n",
    ];
    let text = proptest::collection::vec(select(words.to_vec()), 0..40);
    let config = Config {
        failure_persistence: None,
        cases: 2000,
        rng_seed: RngSeed::Fixed(1),
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&(text, 1..200usize), |(words, bytes)| {
        let text = words.concat();
        for name in ["t.json", "t.yaml"] {
            reads_alike(name, &text, [bytes].into_iter());
        }
        let first = "{\"apiVersion\":\"v1\",\"metadata\":{}}";
        let framed = format!("{{\"items\":[{first},{first},{text}],\"kind\":\"List\"}}");
        reads_alike("t.json", &framed, [bytes].into_iter());
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}
