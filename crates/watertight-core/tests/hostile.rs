//! Files that nobody would write: by accident, by a broken template, or to take the program down.
//!
//! The targets are those of `fuzz/`. A plain run tries the same few hundred files every time;
//! `PROPTEST_CASES=100000` makes it as many new ones for each property (best with `--release`).

#![allow(
    clippy::string_slice,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that slips fails"
)]

// The attributes tell clippy that helpers of tests are tests.
#[cfg(test)]
#[path = "hostile/bombs.rs"]
mod bombs;
#[cfg(test)]
#[path = "hostile/found.rs"]
mod found;
#[cfg(test)]
#[path = "hostile/large.rs"]
mod large;
#[cfg(test)]
#[path = "hostile/mutations.rs"]
mod mutations;
#[cfg(test)]
#[path = "hostile/seeds.rs"]
mod seeds;
#[cfg(test)]
#[path = "hostile/targets.rs"]
mod targets;

use mutations::mutation;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use serde_json::Value;

/// Runs targets on `cases` generated files, or on as many as the environment asks for.
fn hold(cases: u32, files: impl Strategy<Value = Vec<u8>>, targets: &[fn(&[u8])]) {
    let mut config = Config {
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
        config.rng_seed = RngSeed::Fixed(1);
    }
    let outcome = TestRunner::new(config).run(&files, |bytes| {
        targets.iter().for_each(|target| target(&bytes));
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, bytes)) => panic!(
            "{reason}\nfor {:?}\n{}",
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(&bytes)
        ),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

const ALL: &[fn(&[u8])] = &[
    targets::document,
    targets::json_differential,
    targets::manifest,
    targets::check,
];

/// Those that read other things than manifests.
const OTHERS: &[fn(&[u8])] = &[targets::intents, targets::flows];

fn words(from: &'static [&'static str], at_most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(select(from), 0..at_most).prop_map(|words| words.concat().into_bytes())
}

fn mutated(at_most: usize) -> impl Strategy<Value = Vec<u8>> {
    mutated_of(seeds::ALL, at_most)
}

fn mutated_of(seeds: &'static [&'static str], at_most: usize) -> impl Strategy<Value = Vec<u8>> {
    (select(seeds), vec(mutation(), 1..at_most)).prop_map(|(seed, mutations)| {
        let mut bytes = seed.as_bytes().to_vec();
        mutations
            .iter()
            .for_each(|mutation| mutation.apply(&mut bytes));
        bytes
    })
}

#[test]
fn the_seeds_are_valid() {
    use watertight_core::check::{CheckOptions, check};
    use watertight_core::source::Sources;
    for seed in seeds::ALL {
        let mut sources = Sources::new();
        sources.add("t.yaml", seed.as_bytes().to_vec()).unwrap();
        let checked = check(&sources, &CheckOptions::default());
        let reading = ["WT001", "WT002", "WT003", "WT004", "WT005", "WT006"];
        for finding in &checked.findings {
            assert!(
                !reading.contains(&finding.rule.id),
                "{}\n{seed}",
                finding.message
            );
        }
        ALL.iter().for_each(|target| target(seed.as_bytes()));
    }
}

/// Mutations leave enough to look at: a third of the files can be read whole.
#[test]
fn the_mutations_are_worth_trying() {
    use watertight_core::check::{CheckOptions, check};
    use watertight_core::source::Sources;
    let (read, found) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let mut runner = TestRunner::deterministic();
    for _ in 0..200 {
        let bytes = mutated(3).new_tree(&mut runner).unwrap().current();
        let mut sources = Sources::new();
        if sources.add("t.yaml", bytes).is_err() {
            continue;
        }
        let checked = check(&sources, &CheckOptions::default());
        read.set(read.get() + i32::from(checked.broken == 0));
        found.set(found.get() + i32::from(!checked.findings.is_empty()));
    }
    assert!(read.get() > 60 && found.get() > 100, "{read:?} {found:?}");
}

#[test]
fn random_bytes() {
    hold(300, vec(any::<u8>(), 0..200), ALL);
    hold(100, vec(any::<u8>(), 0..200), OTHERS);
}

#[test]
fn random_text() {
    let text = vec(any::<char>(), 0..200).prop_map(|text| String::from_iter(text).into_bytes());
    hold(300, text, ALL);
}

#[test]
fn words_of_yaml() {
    const WORDS: &[&str] = &[
        "a",
        "b",
        "1",
        "~",
        "é",
        "yes",
        "<<",
        ": ",
        ":",
        "- ",
        "-",
        "? ",
        "\n",
        "\n",
        "\n ",
        "\n  ",
        "\n    ",
        " ",
        "\t",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ",",
        "\"",
        "'",
        "\\",
        "|\n",
        ">-\n",
        "|+",
        "&a ",
        "*a",
        "*a ",
        "!!str ",
        "!!int ",
        "!x ",
        " # c",
        "#",
        "---",
        "\n---\n",
        "\n...\n",
        "%YAML 1.1\n",
        "\r\n",
        "\u{feff}",
        "\0",
        "<<: *a",
        "a: &a {b: 1}\n",
    ];
    hold(
        1500,
        words(WORDS, 25),
        &[targets::document, targets::manifest],
    );
}

#[test]
fn words_of_json() {
    const WORDS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"\"",
        "\"a\"",
        "\"items\"",
        "\"kind\"",
        "\"List\"",
        "\"\\u00e9\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83d\\ude00\"",
        "\"\\",
        "\"",
        "\\u12",
        "null",
        "true",
        "fals",
        "0",
        "-0",
        "-",
        "01",
        "1.5",
        "1e",
        "1e5",
        "1E+999",
        ".",
        " ",
        "\n",
        "\t",
        "\u{a0}",
        "\u{feff}",
        "\0",
        "{\"kind\":\"List\",\"items\":[",
        "\"é\\n\"",
        "---\n",
        "# c\n",
    ];
    hold(
        2000,
        words(WORDS, 16),
        &[targets::document, targets::json_differential],
    );
}

fn json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-9i32..9).prop_map(Value::from),
    ];
    let text = prop_oneof![
        "[a-z~:#&*!|>%@`'\" -]{0,8}",
        "\\PC{0,8}",
        ".{0,6}",
        select(&["yes", "1", "null", "items", "kind", "List", "<<", "---"][..])
            .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text.clone(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

#[test]
fn json_is_read_alike_by_two_readers() {
    let written = (json(), any::<bool>()).prop_map(|(value, pretty)| {
        if pretty {
            serde_json::to_vec_pretty(&value).unwrap()
        } else {
            serde_json::to_vec(&value).unwrap()
        }
    });
    hold(400, written, &[targets::json_differential]);
    let mutated = (json(), vec(mutation(), 1..3)).prop_map(|(value, mutations)| {
        let mut bytes = serde_json::to_vec_pretty(&value).unwrap();
        mutations
            .iter()
            .for_each(|mutation| mutation.apply(&mut bytes));
        bytes
    });
    hold(
        400,
        mutated,
        &[targets::document, targets::json_differential],
    );
}

#[test]
fn manifests_with_a_few_mistakes() {
    hold(500, mutated(3), ALL);
}

#[test]
fn manifests_with_many_mistakes() {
    hold(500, mutated(12), ALL);
}

#[test]
fn intents_with_mistakes() {
    targets::intents(seeds::INTENTS.as_bytes());
    hold(400, mutated_of(&[seeds::INTENTS], 8), &[targets::intents]);
}

#[test]
fn logs_with_mistakes() {
    seeds::LOGS
        .iter()
        .for_each(|seed| targets::flows(seed.as_bytes()));
    hold(400, mutated_of(seeds::LOGS, 8), &[targets::flows]);
}
