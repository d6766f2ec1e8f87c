//! `watertight reach` from end to end: the whole map of the example, questions about parts of it, and
//! what goes wrong.

use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect;
use serde_json::Value;

use crate::harness::{OPEN, Project, Ran, TIGHT};

fn shop() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
    root.to_str().unwrap().to_owned()
}

fn reach(arguments: &[&str]) -> Ran {
    let project = Project::new(&[]);
    let shop = shop();
    let mut all = vec!["reach", &shop];
    all.extend(arguments);
    project.run(&all)
}

/// Standard error without the time that it took.
fn told(ran: &Ran) -> String {
    let lines = ran
        .stderr
        .lines()
        .map(|line| match line.rsplit_once(" in ") {
            Some((line, time)) if time.ends_with(" ms") => line,
            _ => line,
        });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_whole_map_of_the_example() {
    let ran = reach(&[]);
    assert_eq!(ran.code, 0);
    expect![""].assert_eq(&ran.stdout);
    expect![""].assert_eq(&told(&ran));
}

#[test]
fn namespaces_of_the_example() {
    let ran = reach(&["--by", "namespace"]);
    expect![""].assert_eq(&ran.stdout);
}

#[test]
fn the_matrix() {
    let ran = reach(&["--by", "ns", "--matrix"]);
    expect![""].assert_eq(&ran.stdout);
}

#[test]
fn who_can_reach_and_what_can_be_reached() {
    let ran = reach(&["--to", "shop/orders-db"]);
    expect![""].assert_eq(&ran.stdout);
    let ran = reach(&["--from", "payments/payments-api", "--external"]);
    expect![""].assert_eq(&ran.stdout);
    let ran = reach(&["--from", "ns:shop", "--to", "ns:payments"]);
    expect![""].assert_eq(&ran.stdout);
    let ran = reach(&["--from", "shop/checkout", "--port", "5000-6000"]);
    expect![""].assert_eq(&ran.stdout);
}

/// K-79: the port that clients dial, not that of the pods.
#[test]
fn a_service_is_asked_by_its_own_port() {
    let ran = reach(&["--to", "payments/svc/payments-api"]);
    expect![""].assert_eq(&ran.stdout);
    let ran = reach(&[
        "--to",
        "svc/payments-api",
        "-n",
        "payments",
        "--port",
        "8443",
    ]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn fail_if_any_is_an_exit_code() {
    let metadata = [
        "--to",
        "ip:169.254.169.254",
        "--port",
        "80",
        "--fail-if-any",
    ];
    let ran = reach(&metadata);
    assert_eq!(ran.code, 1);
    expect![""].assert_eq(&ran.stdout);
    let ran = reach(&["--from", "world", "--to", "shop/orders-db", "--fail-if-any"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    expect![""].assert_eq(&told(&ran));
    // What is uncertain counts.
    let ran = reach(&[
        "--from",
        "shop/cart",
        "--to",
        "platform/node-exporter",
        "--fail-if-any",
    ]);
    assert_eq!(ran.code, 1);
    expect![""].assert_eq(&ran.stdout);
}

#[test]
fn several_formats_at_once() {
    let project = Project::new(&[("a.yaml", TIGHT), ("b.yaml", OPEN)]);
    let formats = [
        "json=m.json",
        "csv=m.csv",
        "markdown=m.md",
        "dot=m.dot",
        "mermaid=m.mmd",
        "svg=m.svg",
        "html=m.html",
    ];
    let mut arguments = vec!["reach", "."];
    for format in &formats {
        arguments.extend(["-o", format]);
    }
    let ran = project.run(&arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    for format in formats {
        let (_, file) = format.split_once('=').unwrap();
        assert!(!project.read(file).is_empty(), "{file}");
    }
    let map: Value = serde_json::from_str(&project.read("m.json")).unwrap();
    assert_eq!(map["kind"], "ReachReport");
    assert_eq!(map["units"][0]["name"], "kube-system/Pod/kube-dns");
    assert_eq!(map["units"][0]["assumed"], true);
    assert!(project.read("m.svg").starts_with("<svg "));
    assert!(project.read("m.html").starts_with("<!doctype html>"));
}

#[test]
fn typos_get_the_nearest_names() {
    for (arguments, expected) in [
        (["--to", "shop/orders-dbb"], "did you mean `orders-db`?"),
        (["--from", "ns:shopp"], "did you mean `ns:shop`?"),
        (["--port", "http"], "write a number"),
        (["--port", "icmp"], "ICMP has no ports"),
        (["--port", "99999"], "ports are 1 to 65535"),
        (
            ["--by", "node"],
            "possible values: pod, workload, namespace",
        ),
        (["-o", "yaml"], "use one of table, json"),
        (["--from", "svc/payments-api"], "a Service is no source"),
        (["--to", "ip:127.0.0.1"], "inside each pod"),
    ] {
        let ran = reach(&arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(
            ran.stderr.contains(expected),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert_eq!(ran.stdout, "");
    }
    let ran = reach(&["--from", "world", "--to", "world"]);
    assert!(
        ran.stderr.contains("one end has to be in the cluster"),
        "{ran:?}"
    );
}

#[test]
fn nothing_to_read_is_an_error_and_a_broken_file_costs_itself() {
    let project = Project::new(&[]);
    let ran = project.run(&["reach"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    let project = Project::new(&[("open.yaml", OPEN), ("broken.yaml", "a: [")]);
    let ran = project.run(&["reach", "--no-assumed-dns"]);
    assert_eq!(ran.code, 2);
    expect![""].assert_eq(&ran.stdout);
    assert!(ran.stderr.contains("broken.yaml:1:"), "{ran:?}");
}

#[test]
fn manifests_come_from_standard_input() {
    let project = Project::new(&[]);
    let ran = project.run_with(&["reach", "-", "-q", "--from", "open/b"], Some(OPEN));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    expect![""].assert_eq(&ran.stdout);
}

/// A reader that has seen enough is no error.
#[test]
fn a_closed_pipe_is_fine() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_watertight"))
        .args(["reach", &shop(), "-q", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[test]
fn other_names_of_the_verb_and_of_formats() {
    let project = Project::new(&[("open.yaml", OPEN)]);
    let ran = project.run(&["query", "-q", "-o", "md", "--from", "open/b"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.starts_with("| from | to | ports |"), "{ran:?}");
    let schema = project.run(&["schema", "reach"]);
    assert!(schema.stdout.contains("\"title\": \"ReachReport\""));
}
