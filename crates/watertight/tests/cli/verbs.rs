//! The small verbs, help, and the kubectl plugin.

use std::process::Command;

use crate::harness::{OPEN, Project, TIGHT, finish};

#[test]
fn help_of_every_command_has_examples_or_says_what_it_does() {
    let project = Project::new(&[]);
    let help = project.run(&["--help"]);
    assert_eq!(help.code, 0);
    for verb in ["check", "rule", "schema", "completion", "man"] {
        assert!(help.stdout.contains(&format!("\n  {verb} ")), "{verb}");
        let own = project.run(&[verb, "--help"]);
        assert_eq!(own.code, 0);
        assert!(own.stdout.contains("Usage: watertight"), "{own:?}");
    }
    assert!(
        project
            .run(&["check", "--help"])
            .stdout
            .contains("Examples:")
    );
}

#[test]
fn a_misspelt_verb_or_flag_is_usage() {
    let project = Project::new(&[]);
    let ran = project.run(&["chekc"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("'check'"), "{ran:?}");
    let ran = project.run(&["check", "--engin", "x"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--engine"), "{ran:?}");
}

#[test]
fn rules_explain_themselves() {
    let project = Project::new(&[]);
    let list = project.run(&["rule"]).stdout;
    assert!(list.lines().count() > 40, "{list}");
    let one = project.run(&["rule", "wt201"]);
    assert_eq!(one.code, 0);
    assert!(
        one.stdout.starts_with("# WT201 metadata-open (error)\n"),
        "{one:?}"
    );
    assert!(one.stdout.contains("## Why it matters"), "{one:?}");
    let json: serde_json::Value =
        serde_json::from_str(&project.run(&["rule", "-o", "json"]).stdout).unwrap();
    assert_eq!(json[0]["id"], "WT001");
    let ran = project.run(&["rule", "metadata-opne"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("did you mean `metadata-open`?"),
        "{ran:?}"
    );
}

#[test]
fn schemas_are_json_schemas() {
    let project = Project::new(&[]);
    for name in ["check", "config"] {
        let schema: serde_json::Value =
            serde_json::from_str(&project.run(&["schema", name]).stdout).unwrap();
        assert!(jsonschema::validator_for(&schema).is_ok(), "{name}");
    }
}

#[test]
fn completion_and_manual() {
    let project = Project::new(&[]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            project
                .run(&["completion", shell])
                .stdout
                .contains("watertight"),
            "{shell}"
        );
    }
    assert!(project.run(&["man"]).stdout.contains(".TH watertight"));
    assert_eq!(project.run(&["man", "--out", "pages"]).code, 0);
    assert!(
        project
            .read("pages/watertight-check.1")
            .contains("baseline")
    );
}

#[test]
fn the_plugin_speaks_as_kubectl() {
    let mut plugin = Command::new(env!("CARGO_BIN_EXE_kubectl-watertight"));
    let ran = finish(plugin.args(["check", "--help"]), None);
    assert_eq!(ran.code, 0);
    assert!(
        ran.stdout.contains("Usage: kubectl watertight check"),
        "{ran:?}"
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let script = format!(
        "{} rule -o markdown | head -1",
        env!("CARGO_BIN_EXE_watertight")
    );
    let ran = finish(Command::new("sh").args(["-c", &script]), None);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.is_empty(), "{ran:?}");
}

/// `check | head` under `set -o pipefail` is no way past `check`, and a report for a file is written.
#[test]
fn a_closed_pipe_does_not_change_the_answer() {
    let fixable = TIGHT.replace("  podSelector: {}\n", "  podSelecter: {}\n");
    let project = Project::new(&[("open.yaml", OPEN), ("fixable.yaml", &fixable)]);
    let at = project.path().display();
    let watertight = env!("CARGO_BIN_EXE_watertight");
    for (arguments, code) in [
        ("check -o text -o json=all.json", "1"),
        ("check --diff", "1"),
        ("check --exit-zero", "0"),
        ("reach --fail-if-any", "1"),
        ("check --watch", "0"),
    ] {
        let script = format!(
            "cd {at}; (sleep 0.5; {watertight} {arguments} -q; echo $? >&3) 3>&2 2>/dev/null | true"
        );
        let ran = finish(Command::new("sh").args(["-c", &script]), None);
        assert_eq!(ran.stderr.trim(), code, "{arguments}: {ran:?}");
    }
    assert!(project.read("all.json").contains("WT101"));
}
