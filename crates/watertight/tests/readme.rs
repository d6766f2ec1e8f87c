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

/// A block of code: what it is, and its text.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let fence: String = line.chars().take_while(|letter| *letter == '`').collect();
        if fence.len() < 3 {
            continue;
        }
        let inside = lines.by_ref().take_while(|line| *line != fence);
        let text: Vec<&str> = inside.collect();
        found.push((line.trim_start_matches('`'), text.join("\n")));
    }
    found
}

#[test]
fn the_excerpts_are_real() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut command: Option<Vec<String>> = None;
    let mut excerpts = 0;
    let mut needs_cluster = false;
    for (kind, text) in blocks(&readme) {
        let mut run = text.lines().filter_map(|line| {
            line.strip_prefix("$ watertight ")
                .or_else(|| line.strip_prefix("$ cargo run -- "))
        });
        if kind == "console" {
            command = run.next_back().map(arguments);
            needs_cluster = text.contains("$ kubectl watertight");
            continue;
        }
        if std::mem::take(&mut needs_cluster) {
            // `tests/live` holds it against a cluster.
            continue;
        }
        let Some(command) = command.take() else {
            // Not printed by a command: a file.
            let file = std::fs::read_to_string(root().join("examples/shop.intents.yaml")).unwrap();
            is_in(&text, &file);
            continue;
        };
        excerpts += 1;
        let output = watertight(&command);
        let printed = String::from_utf8(output.stdout).unwrap();
        // Namespaces, or IPv6, are not to be had everywhere.
        if command.first().is_some_and(|verb| verb == "lab") && !printed.contains("IPv4 and IPv6") {
            let why = String::from_utf8_lossy(&output.stderr);
            assert!(
                std::env::var_os("WATERTIGHT_REQUIRE_PACKETS").is_none(),
                "{why}"
            );
            println!("skipped: {why}");
            continue;
        }
        is_in(&text, &printed);
    }
    assert_eq!(excerpts, 7);
}

/// Every line of an excerpt is a line of the whole, in the same order.
fn is_in(excerpt: &str, whole: &str) {
    assert!(excerpt.lines().count() > 3);
    let mut lines = whole.lines();
    for line in excerpt.lines() {
        assert!(
            lines.any(|printed| printed == line),
            "the README shows a line that is not there: {line}"
        );
    }
}

/// The examples with findings that their READMEs explain.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("shop", &["WT202", "WT103", "WT301"]),
    ("calico-platform", &["WT207", "WT106", "WT605"]),
    ("cilium-payments", &["WT409", "WT208", "WT105"]),
    ("cluster-policies", &["WT410", "WT207", "WT106"]),
    ("decorative", &["WT601"]),
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

/// Command lines of `watertight` in a line of a page: behind a prompt, an indent or a pipe, without a comment.
#[cfg(all(feature = "live", target_os = "linux"))]
fn command_lines(line: &str) -> Vec<Vec<String>> {
    let line = line.trim_start().trim_start_matches("$ ");
    let end = line.find(" #").or_else(|| line.trim_end().find("  "));
    let line = end.map_or(line, |end| line.get(..end).unwrap());
    let mut found = Vec::new();
    // An arrow stands in quotes, and so does what a shell does not look into.
    let quoted = line.contains('\'') || line.contains('"');
    let parts = match quoted {
        true => vec![line],
        false => line
            .split(['|', '>', ';'])
            .flat_map(|part| part.split("&&"))
            .collect(),
    };
    for part in parts {
        let part = part.trim();
        let part = part.strip_prefix("kubectl ").unwrap_or(part);
        if part.starts_with("watertight ")
            && !part.contains(['{', '[', '…'])
            && !part.ends_with('\\')
        {
            found.push(arguments(&part.replace('"', "'")));
        }
    }
    found
}

/// What the pages tell to type can be typed. What it prints, other tests hold. Not every build has all commands.
#[cfg(all(feature = "live", target_os = "linux"))]
#[test]
fn pages_name_commands_and_flags_that_are_there() {
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "SECURITY.md",
        "BENCHMARKS.md",
        "CONTRIBUTING.md",
    ]
    .iter()
    .map(|page| root().join(page))
    .collect();
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    pages.extend(docs.map(|page| page.unwrap().path()));
    let mut known = 0;
    for page in pages
        .iter()
        .filter(|page| page.extension().is_some_and(|kind| kind == "md"))
    {
        let text = std::fs::read_to_string(page).unwrap();
        for (kind, block) in blocks(&text) {
            if !matches!(kind, "console" | "sh" | "bash" | "text" | "") {
                continue;
            }
            for line in block.lines().flat_map(command_lines) {
                known += 1;
                if let Err(error) = watertight_cli::command().try_get_matches_from(&line) {
                    let is_help = !error.use_stderr();
                    assert!(is_help, "{}: {line:?}: {error}", page.display());
                }
            }
        }
    }
    assert!(known > 70, "{known}");
}

/// Every folder of examples is one of those above, and the README lists it, files too.
#[test]
fn examples_are_listed() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_file() {
            assert!(readme.contains(&format!("examples/{name}")), "{name}");
            continue;
        }
        assert!(EXAMPLES.iter().any(|(known, _)| *known == name), "{name}");
        assert!(readme.contains(&format!("(examples/{name})")), "{name}");
    }
}
