//! `watertight lab`: what it says without privileges, and a real run where there are some.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::path::Path;
use std::process::Command;

use crate::harness::{OPEN, Project, Ran, TIGHT, finish};

/// Runs in the repository.
fn ran(arguments: &[&str]) -> Ran {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
    command
        .args(arguments)
        .current_dir(root)
        .env_remove("WATERTIGHT_CONFIG")
        .env_remove("WATERTIGHT_ENGINE")
        .env_remove("WATERTIGHT_COLOR")
        .env("COLUMNS", "140");
    finish(&mut command, None)
}

/// Whether packets cannot be sent on this machine; says so. Where they must be, that is a failure.
fn skipped(ran: &Ran) -> bool {
    let reasons = ["error: the lab needs", "error: without root the lab needs"];
    let reason = ran
        .stderr
        .lines()
        .find(|line| reasons.iter().any(|reason| line.starts_with(reason)));
    let Some(reason) = reason else {
        return false;
    };
    println!("skipped: {reason}");
    let is_required = std::env::var("WATERTIGHT_REQUIRE_PACKETS").is_ok_and(|value| value == "1");
    assert!(!is_required, "{reason}");
    true
}

#[test]
fn rulesets_are_printed_without_privileges() {
    let found = ran(&["lab", "run", "examples/shop", "--nft"]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert!(
        found
            .stdout
            .starts_with("# node worker-1\ntable inet watertight {\n")
    );
    assert!(
        found
            .stdout
            .contains("\n# node worker-2\ntable inet watertight {\n")
    );
    assert!(
        found
            .stdout
            .contains("\n# every node\ntable inet watertight-services {\n")
    );
    let again = ran(&["lab", "run", "examples/shop", "--nft"]);
    assert_eq!(
        again.stdout, found.stdout,
        "the same input has the same output"
    );
}

#[test]
fn more_nodes_have_more_rulesets() {
    let project = Project::new(&[("a.yaml", TIGHT), ("b.yaml", OPEN)]);
    let found = project.run(&["lab", "run", "--nft", "--nodes", "3"]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert_eq!(found.stdout.matches("# node ").count(), 3);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_built() {
    let project = Project::new(&[("a.yaml", TIGHT)]);
    let cases: &[(&[&str], &str)] = &[
        (&["lab", "run", "nothing.yaml"], "nothing.yaml"),
        (
            &["lab", "run", "--port", "http"],
            "`http` is no port; write a number and a protocol, as 5432/tcp",
        ),
        (
            &["lab", "run", "--port", "80/icmp"],
            "`icmp` is no protocol with ports",
        ),
        (
            &["lab", "run", "--outside", "10.0.0.0/8"],
            "`10.0.0.0/8` is no address",
        ),
        (&["lab", "run", "--nodes", "0"], "0 is not in 1..=200"),
        (&["lab", "run", "--nft", "--keep"], "cannot be used with"),
        (
            &["lab", "run", "-o", "json", "-o", "text"],
            "two formats cannot share standard output",
        ),
        (&["lab", "up", "-"], "cannot be read from standard input"),
        (
            &["lab", "up", "--name", "a/b"],
            "`a/b` cannot be the name of a lab",
        ),
        (
            &["lab", "probe", "a -> b", "--name", "no-such-lab"],
            "no lab is called `no-such-lab`",
        ),
        (
            &["lab", "shell", "a", "--name", "no-such-lab"],
            "no lab is called `no-such-lab`",
        ),
        (
            &["lab", "down", "no-such-lab"],
            "no lab is called `no-such-lab`",
        ),
    ];
    for (arguments, expected) in cases {
        let found = project.run(arguments);
        assert_eq!(found.code, 2, "{arguments:?}: {}", found.stdout);
        assert!(
            found.stderr.contains(expected),
            "{arguments:?}: {}",
            found.stderr
        );
        assert_eq!(found.stdout, "", "{arguments:?}");
    }
}

#[test]
fn the_schema_is_that_of_the_report() {
    let found = ran(&["schema", "lab"]);
    assert_eq!(found.code, 0);
    let schema: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(schema["title"], "LabReport");
}

#[test]
fn packets_and_prediction_agree_on_the_example() {
    let project = Project::new(&[]);
    let path = |name: &str| project.path().join(name).display().to_string();
    let (json, html) = (path("lab.json"), path("lab.html"));
    let found = ran(&[
        "lab",
        "run",
        "examples/shop",
        "-o",
        "text",
        "-o",
        &format!("json={json}"),
        "-o",
        &format!("html={html}"),
        "--pcap",
        &path("lab.pcap"),
    ]);
    if skipped(&found) {
        return;
    }
    assert_eq!(found.code, 0, "{}{}", found.stdout, found.stderr);
    assert!(
        found
            .stdout
            .contains("\npackets and prediction differ: nowhere\n"),
        "{}",
        found.stdout
    );
    let report: serde_json::Value = serde_json::from_str(&project.read("lab.json")).unwrap();
    let counts = &report["counts"];
    assert!(counts["allowed"].as_u64() > Some(1000), "{counts}");
    assert!(counts["denied"].as_u64() > Some(1000), "{counts}");
    assert_eq!(counts["differ"], 0, "{counts}");
    assert_eq!(counts["controls"], counts["denied"], "{counts}");
    assert!(project.read("lab.html").ends_with("</html>\n"));
    for node in ["worker-1", "worker-2"] {
        let packets = std::fs::metadata(path(&format!("lab.pcap.{node}"))).unwrap();
        assert!(packets.len() > 10_000, "{node}: {}", packets.len());
    }
}

#[test]
fn a_lab_stays_up_is_asked_and_goes_down() {
    let name = format!("cli-test-{}", std::process::id());
    let project = Project::new(&[("a.yaml", TIGHT), ("b.yaml", OPEN)]);
    let up = project.run(&["lab", "up", "--name", &name]);
    if skipped(&up) {
        return;
    }
    assert_eq!(up.code, 0, "{}", up.stderr);
    assert!(
        up.stdout
            .starts_with(&format!("lab `{name}` is up: 3 pods on 2 nodes")),
        "{}",
        up.stdout
    );
    let run = |arguments: &[&str]| {
        let mut all = vec!["lab"];
        all.extend_from_slice(arguments);
        all.extend(["--name", &name]);
        project.run(&all)
    };
    // The policy of the example closes `a`, and nothing is said of `b`.
    let denied = run(&["probe", "open/b -> tight/a:80"]);
    let shell = run(&["shell", "open/b"]);
    let open = run(&["probe", "ip:198.51.100.7", "open/b", "80/tcp"]);
    let many = run(&["probe", "open/b -> tight/a:80-99"]);
    let inside = project.run(&[
        "lab",
        "shell",
        "--name",
        &name,
        "tight/a",
        "--",
        "sh",
        "-c",
        "cat /proc/net/dev; exit 3",
    ]);
    project.write("a.yaml", OPEN);
    let changed = run(&["probe", "open/b -> tight/a:80"]);
    let down = project.run(&["lab", "down", &name]);

    assert_eq!(denied.code, 0, "{}", denied.stderr);
    assert!(
        denied.stdout.contains("\n  seen       dropped on node "),
        "{}",
        denied.stdout
    );
    assert!(
        denied
            .stdout
            .contains("isolated by tight/default-deny, and no rule allows it"),
        "{}",
        denied.stdout
    );
    assert!(denied.stdout.contains("(a.yaml:"), "{}", denied.stdout);
    assert!(
        denied.stdout.contains("\n  result     as predicted\n"),
        "{}",
        denied.stdout
    );
    assert_eq!(open.code, 0, "{}", open.stderr);
    assert!(
        open.stdout
            .contains("\n  seen       open: open/b answered at "),
        "{}",
        open.stdout
    );
    assert!(
        many.stdout
            .contains("open/b -> tight/a:99/tcp: dropped, as predicted\n"),
        "{}",
        many.stdout
    );
    // Its standard input is at its end.
    assert_eq!(shell.code, 0, "{}", shell.stderr);
    assert_eq!(inside.code, 3, "{}", inside.stderr);
    assert!(inside.stdout.contains("eth0:"), "{}", inside.stdout);
    assert_eq!(changed.code, 2);
    assert!(
        changed
            .stderr
            .contains("the manifests have changed since the lab"),
        "{}",
        changed.stderr
    );
    assert_eq!(
        down.stdout,
        format!("lab `{name}` is down\n"),
        "{}",
        down.stderr
    );
}
