//! What the README and the examples show is what the command prints.

#![cfg(test)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn watertight(arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_watertight"))
        .args(arguments)
        .args(["--color", "never"])
        .env("COLUMNS", "120")
        .current_dir(root())
        .output()
        .unwrap()
}

/// The arguments of a command line, with what stands in single quotes in one piece.
fn arguments(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            found.push(part.to_owned());
        } else {
            found.extend(part.split_whitespace().map(String::from));
        }
    }
    found
}

/// Every excerpt with the command before it.
fn excerpts(readme: &str) -> Vec<(Vec<String>, &str)> {
    let mut found = Vec::new();
    let mut before = "";
    for (index, block) in readme.split("```").enumerate() {
        if let Some(excerpt) = block.strip_prefix("text\n").filter(|_| index % 2 == 1) {
            let lines = before.lines();
            let mut commands =
                lines.filter_map(|line| line.strip_prefix("$ cargo run --release -- "));
            found.push((arguments(commands.next_back().unwrap()), excerpt));
        }
        if block.starts_with("console\n") {
            before = block;
        }
    }
    found
}

#[test]
fn the_excerpts_are_real() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let excerpts = excerpts(&readme);
    assert_eq!(excerpts.len(), 2);
    for (arguments, excerpt) in excerpts {
        let output = watertight(&arguments);
        let printed = String::from_utf8(output.stdout).unwrap();
        let printed: Vec<_> = printed.lines().collect();
        assert!(excerpt.lines().count() > 3);
        for line in excerpt.lines() {
            assert!(
                printed.contains(&line),
                "the README shows a line that is not printed: {line}"
            );
        }
    }
}

/// The examples with findings that their READMEs explain.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("shop", &["WT202", "WT103", "WT301"]),
    ("calico-platform", &["WT207", "WT106", "WT605"]),
    ("cilium-payments", &["WT409", "WT208", "WT105"]),
    ("cluster-policies", &["WT410", "WT207", "WT106"]),
];

#[test]
fn examples_show_what_is_wrong_in_them() {
    for (example, expected) in EXAMPLES {
        let folder = format!("examples/{example}");
        let output = watertight(&["check".into(), folder.clone()]);
        assert_eq!(output.status.code(), Some(1), "{example}");
        let printed = String::from_utf8(output.stdout).unwrap();
        for rule in *expected {
            let found = printed.contains(&format!("[{rule}]: "));
            assert!(found, "{example}: {rule} is not found");
        }
        // What is read is read in full: nothing is refused, misspelt or passed over.
        assert!(!printed.contains("[WT00"), "{printed}");
    }
}

#[test]
fn commands_of_the_examples_work() {
    for (example, _) in EXAMPLES {
        let readme = root().join("examples").join(example).join("README.md");
        let Ok(readme) = std::fs::read_to_string(readme) else {
            assert_eq!(*example, "shop");
            continue;
        };
        let commands = readme.lines();
        let commands = commands.filter_map(|line| line.strip_prefix("$ watertight "));
        let commands: Vec<_> = commands.map(arguments).collect();
        assert!(commands.len() >= 3, "{example}");
        for command in commands {
            let output = watertight(&command);
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(matches!(output.status.code(), Some(0 | 1)), "{error}");
        }
    }
}

/// Every folder of examples is one of those above, and the README lists it.
#[test]
fn examples_are_listed() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(EXAMPLES.iter().any(|(known, _)| *known == name), "{name}");
        assert!(readme.contains(&format!("(examples/{name})")), "{name}");
    }
}
