//! Every statement of docs/semantics.md is cited by a test, or listed here with the reason why none can
//! show it.
//!
//! A test cites an id in the name of its function (`fn c_8_c_10_unselected_pods_are_open`; `l_36_to_l_42` is
//! all of them) or anywhere in its code and comments (`// K-66`). Module comments do not count: they say
//! what a file is about, not what it asserts.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Statements that no test can show, and why.
const NOT_SHOWN: &[(&str, &str)] = &[
    ("K-78", "verdicts are about new connections"),
    (
        "O-12",
        "not modelled: the page says so, and that such a selector finds no pods",
    ),
    (
        "T-13",
        "about connections that are open already; verdicts are about new ones",
    ),
];

/// Every kind of statement.
const PREFIXES: &str = "KVMDXACLTO";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/semantics.md")).unwrap()
}

/// The ids of the page with the text behind each, in its order.
fn statements(page: &str) -> Vec<(&str, &str)> {
    let items = page.lines().filter_map(|line| line.strip_prefix("- **"));
    let items = items.filter_map(|item| item.split_once("** "));
    items.filter(|(id, _)| id_of(id).is_some()).collect()
}

/// The number of an id, by its kind.
fn split(id: &str) -> (char, u32) {
    let (kind, number) = id.split_once('-').unwrap();
    assert!(kind.len() == 1 && PREFIXES.contains(kind), "{id}");
    (kind.chars().next().unwrap(), number.parse().unwrap())
}

/// Whether a word is an id.
fn id_of(word: &str) -> Option<String> {
    let (kind, number) = word.split_once('-')?;
    let is_kind = kind.len() == 1 && PREFIXES.contains(kind);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_kind && is_number).then(|| word.to_owned())
}

/// The parts of all Rust sources below `crates` that are tests.
fn tests() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.extend(test_code(&path, &text).map(|code| (path, code)));
            }
        }
    }
    found.sort();
    found
}

/// What of a file is a test, without module comments and without lists like the one above.
fn test_code(path: &Path, text: &str) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let in_folder = path.components().any(|part| part.as_os_str() == "tests");
    let code = if in_folder || name.ends_with("tests.rs") {
        text
    } else {
        text.split_once("#[cfg(test)]\nmod tests {")?.1
    };
    let code = match code.split_once("const NOT_SHOWN") {
        Some((before, list)) => before.to_owned() + list.split_once("\n];").unwrap().1,
        None => code.to_owned(),
    };
    let lines = code.lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("//!"));
    Some(lines.flat_map(|line| [line, "\n"]).collect())
}

/// The ids that a test cites.
fn cited(code: &str) -> BTreeSet<String> {
    let words = code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let mut found: BTreeSet<String> = words.filter_map(id_of).collect();
    for line in code.lines() {
        if let Some(name) = line.trim_start().strip_prefix("fn ") {
            found.extend(named(name.split('(').next().unwrap()));
        }
    }
    found
}

/// The ids in the name of a function.
fn named(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split('_').collect();
    let id_at = |at: usize| {
        let (kind, number) = (parts.get(at)?, parts.get(at + 1)?);
        id_of(&format!("{}-{number}", kind.to_uppercase()))
    };
    let mut found = Vec::new();
    for at in 0..parts.len() {
        let Some(id) = id_at(at) else { continue };
        let last = parts.get(at + 2).filter(|word| **word == "to");
        if let Some(last) = last.and_then(|_| id_at(at + 3)) {
            let ((kind, from), (other, to)) = (split(&id), split(&last));
            assert!(kind == other && from < to, "{name}");
            found.extend((from..=to).map(|number| format!("{kind}-{number}")));
        }
        found.push(id);
    }
    found
}

#[test]
fn every_statement_is_cited_or_listed() {
    let page = page();
    let ids: BTreeSet<&str> = statements(&page).iter().map(|(id, _)| *id).collect();
    let cited: BTreeSet<String> = tests()
        .iter()
        .flat_map(|(_, code)| self::cited(code))
        .collect();
    let open: Vec<&str> = ids
        .iter()
        .copied()
        .filter(|id| !cited.contains(*id) && !NOT_SHOWN.iter().any(|(listed, _)| listed == id))
        .collect();
    assert_eq!(open, [""; 0], "no test cites these");
    for (id, why) in NOT_SHOWN {
        assert!(ids.contains(id), "{id} is not on the page");
        assert!(!cited.contains(*id), "{id} is cited and listed");
        assert!(!why.is_empty());
    }
}

#[test]
fn every_id_that_a_test_cites_is_on_the_page() {
    let page = page();
    let ids: BTreeSet<&str> = statements(&page).iter().map(|(id, _)| *id).collect();
    for (path, code) in tests() {
        for id in cited(&code) {
            let place = path.display();
            let reserved = page.contains(&format!("`{id}` is reserved"));
            let known = ids.contains(&*id) || reserved;
            assert!(known, "{place}: {id} is not on the page");
        }
    }
}

#[test]
fn statements_are_numbered_and_tagged() {
    let page = page();
    let mut last: BTreeMap<char, u32> = BTreeMap::new();
    for (id, text) in statements(&page) {
        let (kind, number) = split(id);
        let expected = last.get(&kind).copied().unwrap_or_default() + 1;
        assert!(number >= expected, "{id} is out of order, or there twice");
        for skipped in expected..number {
            let reserved = format!("`{kind}-{skipped}` is reserved");
            assert!(page.contains(&reserved), "{kind}-{skipped} is missing");
        }
        last.insert(kind, number);
        let (tag, rest) = text.split_at(3);
        let known = ["[N]", "[C]", "[P]", "[U]", "[B]"];
        assert!(known.contains(&tag) && rest.len() > 10, "{id}: {text}");
    }
    assert_eq!(last.len(), PREFIXES.len());
}

#[test]
fn names_of_functions_are_read() {
    let of = |line: &str| cited(line).into_iter().collect::<Vec<_>>();
    assert_eq!(of("fn k_8_v_3_types() {"), ["K-8", "V-3"]);
    assert_eq!(of("fn l_2_to_l_4_labels() {"), ["L-2", "L-3", "L-4"]);
    assert_eq!(of("    check(X); // A-12, not AA-1"), ["A-12"]);
    assert_eq!(of("fn a_pod() {"), [""; 0]);
    let code = test_code(Path::new("a/tests.rs"), "//! K-1\n// K-2\n");
    assert_eq!(code.as_deref(), Some("// K-2\n"));
    assert_eq!(test_code(Path::new("a/b.rs"), "// K-1\n"), None);
}
