//! Flags, the configuration file, baselines, suppressions, fixes.

use serde_json::Value;

use crate::harness::{OPEN, Project, TIGHT};

#[test]
fn several_outputs_at_once() {
    let project = Project::new(&[("a.yaml", OPEN)]);
    let outputs = [
        "check",
        "-o",
        "json=r.json",
        "-o",
        "sarif=r.sarif",
        "-o",
        "junit=r.xml",
        "-o",
        "concise",
    ];
    let ran = project.run(&outputs);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("WT102"));
    let report: Value = serde_json::from_str(&project.read("r.json")).unwrap();
    assert_eq!(report["apiVersion"], "watertight.dev/v1");
    assert!(!report["findings"].as_array().unwrap().is_empty());
    assert_eq!(report["namespaces"][0]["name"], "open");
    let sarif: Value = serde_json::from_str(&project.read("r.sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(project.read("r.xml").contains("<testsuites"));
    let ran = project.run(&["check", "-o", "json", "-o", "text"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("cannot share standard output"),
        "{ran:?}"
    );
    let ran = project.run(&["check", "-o", "jsn"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`jsn` is no format"), "{ran:?}");
}

#[test]
fn the_json_report_fits_the_published_schema() {
    let project = Project::new(&[("a.yaml", OPEN), ("b.yaml", TIGHT), ("c.yaml", "a: [")]);
    let report: Value =
        serde_json::from_str(&project.run(&["check", "-o", "json"]).stdout).unwrap();
    let schema: Value = serde_json::from_str(&project.run(&["schema", "check"]).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(!validator.is_valid(&serde_json::json!({"apiVersion": 1})));
}

#[test]
fn no_colour_where_there_is_no_terminal() {
    let project = Project::new(&[("a.yaml", OPEN)]);
    assert!(!project.run(&["check"]).stdout.contains('\u{1b}'));
    assert!(
        project
            .run(&["check", "--color", "always"])
            .stdout
            .contains('\u{1b}')
    );
}

#[test]
fn severity_decides_the_exit_code() {
    let project = Project::new(&[("a.yaml", OPEN)]);
    assert_eq!(project.run(&["check", "--select", "WT102"]).code, 1);
    assert_eq!(
        project
            .run(&["check", "--select", "WT102", "--fail-on", "error"])
            .code,
        0
    );
    assert_eq!(project.run(&["check", "--exit-zero"]).code, 0);
    assert_eq!(
        project
            .run(&["check", "--select", "metadata-open", "--fail-on", "error"])
            .code,
        1
    );
}

#[test]
fn rules_are_selected_by_id_prefix_and_name() {
    let project = Project::new(&[("a.yaml", OPEN)]);
    let found = |arguments: &[&str]| {
        let mut all = vec!["check", "-o", "concise"];
        all.extend(arguments);
        project.run(&all).stdout
    };
    assert!(!found(&["--select", "WT1"]).contains("WT2"));
    assert!(found(&["--select", "WT1,metadata-open"]).contains("WT201"));
    assert!(!found(&["--ignore", "wt201"]).contains("WT201"));
    let ran = project.run(&["check", "--ignore", "WT999"]);
    assert_eq!(ran.code, 2, "a typo must not switch nothing off silently");
    assert!(ran.stderr.contains("no rule is called `WT999`"), "{ran:?}");
}

#[test]
fn namespaces_limit_the_report_not_the_analysis() {
    let project = Project::new(&[("a.yaml", OPEN), ("b.yaml", TIGHT)]);
    let ran = project.run(&["check", "-n", "tight"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stdout.contains("open "), "{ran:?}");
    assert_eq!(project.run(&["check", "-n", "open"]).code, 1);
    let ran = project.run(&["check", "-n", "tihgt"]);
    assert_eq!(ran.code, 2, "a typo must not look clean: {ran:?}");
    assert!(ran.stderr.contains("did you mean `tight`?"), "{ran:?}");
}

#[test]
fn engines_and_switches() {
    let project = Project::new(&[("a.yaml", TIGHT)]);
    let ran = project.run(&["check", "--engine", "flannel"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("WT601"), "{ran:?}");
    let ran = project.run(&["check", "--engine", "cilum@1.15"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("cilium"), "{ran:?}");
    let ran = project.run(&["check", "--switch", "icmp=sometimes"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("all-ports-rules"), "{ran:?}");
    let ran = project.run(&["check", "--cloud", "amazn"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn the_configuration_file_decides_and_flags_win() {
    let project = Project::new(&[
        ("a.yaml", OPEN),
        (".watertight.yaml", "failOn: error\nselect: [WT102]\n"),
    ]);
    assert_eq!(project.run(&["check"]).code, 0);
    assert_eq!(project.run(&["check", "--fail-on", "warning"]).code, 1);
    assert_eq!(project.run(&["check", "--no-config"]).code, 1);
    project.write(".watertight.yaml", "failon: error\n");
    let ran = project.run(&["check"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr
            .contains(".watertight.yaml:1:1: unknown field `failon`; did you mean `failOn`?"),
        "{ran:?}"
    );
}

#[test]
fn configured_suppressions_need_a_reason_and_a_valid_date() {
    let entry =
        |rest: &str| format!("suppressions:\n- rule: [WT1, WT101, WT102, WT201, WT502]\n{rest}");
    let project = Project::new(&[("legacy/a.yaml", OPEN)]);
    let run = |rest: &str| {
        project.write(".watertight.yaml", &entry(rest));
        project.run(&[
            "check",
            "-o",
            "concise",
            "--select",
            "WT101,WT102,WT201,WT010,WT011,WT012",
        ])
    };
    let ran = run("  paths: [legacy/**]\n  reason: moves out in May\n");
    assert!(!ran.stdout.contains("[WT102]"), "{ran:?}");
    assert!(ran.stdout.contains("`WT1` that does not exist"), "{ran:?}");
    assert!(
        run("  paths: [other/**]\n  reason: x\n")
            .stdout
            .contains("[WT102]")
    );
    assert!(run("  paths: [legacy/**]\n").stdout.contains("[WT011]"));
    let expired = run("  reason: x\n  expires: 2020-01-01\n");
    assert!(expired.stdout.contains("[WT012]"), "{expired:?}");
    assert!(expired.stdout.contains("[WT102]"), "{expired:?}");
}

#[test]
fn suppressed_findings_are_counted_and_can_be_shown() {
    let commented = OPEN.replace(
        "name: b",
        "name: b  # watertight: ignore[WT101, WT102, WT201] a honeypot",
    );
    let project = Project::new(&[("a.yaml", &commented)]);
    let ran = project.run(&["check", "--select", "WT101,WT102,WT201"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("suppressed"), "{ran:?}");
    assert!(!ran.stdout.contains("a honeypot"), "{ran:?}");
    let shown = project.run(&[
        "check",
        "--select",
        "WT101,WT102,WT201",
        "--show-suppressed",
    ]);
    assert!(shown.stdout.contains("a honeypot"), "{shown:?}");
}

#[test]
fn a_baseline_hides_what_was_known() {
    let project = Project::new(&[("a.yaml", OPEN)]);
    let ran = project.run(&["check", "--write-baseline", "known.json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let ran = project.run(&["check", "--baseline", "known.json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("of the baseline left out"), "{ran:?}");
    project.write("c.yaml", &OPEN.replace("open", "newer"));
    let ran = project.run(&["check", "--baseline", "known.json", "-o", "concise"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("newer") && !ran.stdout.contains("`open`"),
        "{ran:?}"
    );
    let ran = project.run(&["check", "--baseline", "a.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("no baseline file"), "{ran:?}");
}

#[test]
fn fixes_are_shown_and_applied() {
    let misspelt = TIGHT.replace(
        "  podSelector: {}\n  policyTypes: [Ingress",
        "  podSelecter: {}\n  policyTypes: [Ingress",
    );
    let project = Project::new(&[("a.yaml", &misspelt)]);
    let shown = project.run(&["check", "--diff"]);
    assert!(
        shown
            .stdout
            .contains("-  podSelecter: {}\n+  podSelector: {}"),
        "{shown:?}"
    );
    assert_eq!(project.read("a.yaml"), misspelt, "--diff changes nothing");
    let ran = project.run(&["check", "--fix"]);
    assert!(ran.stderr.contains("fixed 1 finding"), "{ran:?}");
    assert_eq!(ran.code, 0, "what is left is reported: {ran:?}");
    assert_eq!(project.read("a.yaml"), TIGHT);
    assert_eq!(project.run(&["check"]).code, 0);
}

#[test]
fn quiet_says_nothing_on_stderr() {
    let ran = Project::new(&[("a.yaml", OPEN)]).run(&["check", "-q"]);
    assert!(ran.stderr.is_empty(), "{ran:?}");
    assert!(ran.stdout.contains("WT102"));
}

#[test]
fn threads_do_not_change_the_answer() {
    let project = Project::new(&[("a.yaml", OPEN), ("b.yaml", TIGHT)]);
    let one = project
        .run(&["check", "--threads", "1", "-o", "json"])
        .stdout;
    let two = project
        .run(&["check", "--threads", "2", "-o", "json"])
        .stdout;
    assert_eq!(one, two);
}
