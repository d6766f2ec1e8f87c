//! What is read, and what happens when it cannot be.

use crate::harness::{OPEN, Project, TIGHT};

#[test]
fn clean_manifests_exit_with_zero() {
    let ran = Project::new(&[("a.yaml", TIGHT)]).run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("analysed 2 policies"), "{ran:?}");
}

#[test]
fn findings_exit_with_one() {
    let ran = Project::new(&[("a.yaml", OPEN)]).run(&["check", "."]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("WT102"), "{ran:?}");
}

#[test]
fn a_directory_is_read_recursively_without_what_git_ignores() {
    let project = Project::new(&[
        ("k8s/deep/a.yaml", TIGHT),
        ("k8s/rendered/b.yaml", OPEN),
        (".gitignore", "rendered/\n"),
        ("k8s/notes.txt", "not: yaml: at: all"),
    ]);
    let ran = project.run(&["check", "k8s"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("(1 file,"), "{ran:?}");
    let ran = project.run(&["check", "k8s", "k8s/rendered/b.yaml"]);
    assert_eq!(ran.code, 1, "a file that is named is read: {ran:?}");
}

#[test]
fn globs_leave_files_out() {
    let project = Project::new(&[("a.yaml", TIGHT), ("legacy/b.yaml", OPEN)]);
    assert_eq!(project.run(&["check"]).code, 1);
    for glob in ["legacy", "legacy/**", "legacy/*.yaml"] {
        assert_eq!(project.run(&["check", "--exclude", glob]).code, 0, "{glob}");
    }
    let ran = project.run(&["check", "--exclude", "a[b"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`a[b` is no glob"), "{ran:?}");
}

#[test]
fn standard_input_is_a_dash() {
    let project = Project::new(&[]);
    let ran = project.run_with(&["check", "-"], Some(OPEN));
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("<stdin>:4:9"), "{ran:?}");
    let ran = project.run_with(&["check", "-f", "-"], Some(TIGHT));
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn json_lists_are_read_like_yaml() {
    let list = r#"{"apiVersion":"v1","kind":"PodList","items":[
        {"metadata":{"name":"b","namespace":"open","labels":{"app":"b"}},"spec":{"containers":[]}}]}"#;
    let ran = Project::new(&[]).run_with(&["check", "-", "-o", "concise"], Some(list));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("<stdin>:2:29: "), "{ran:?}");
}

#[test]
fn one_broken_document_hides_no_other() {
    let project = Project::new(&[
        ("broken.yaml", &format!("a: [1\n---\n{OPEN}")),
        ("bytes.yaml", "\u{feff}# only a comment\n"),
    ]);
    std::fs::write(project.path().join("latin1.yaml"), b"name: caf\xe9\n").unwrap();
    let ran = project.run(&["check", "-o", "concise"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.stdout.contains("broken.yaml:1:4: error[WT001]"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("WT102"), "the other document: {ran:?}");
    assert!(ran.stdout.contains("WT009"), "{ran:?}");
    assert!(ran.stdout.contains("latin1.yaml"), "{ran:?}");
}

#[test]
fn an_object_that_a_server_refuses_is_reported_and_left_out() {
    let refused = TIGHT.replace(
        "policyTypes: [Ingress, Egress]",
        "policyTypes: [ingress, Egress]",
    );
    let ran = Project::new(&[("a.yaml", &refused)]).run(&["check", "-o", "concise"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains("a.yaml:24:17: error[WT003]"), "{ran:?}");
    assert!(
        ran.stdout.contains("WT101"),
        "without it the pod is open: {ran:?}"
    );
}

#[test]
fn a_missing_path_names_the_nearest() {
    let project = Project::new(&[("manifests/a.yaml", TIGHT)]);
    let ran = project.run(&["check", "manifest"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean `manifests`?"), "{ran:?}");
    assert!(ran.stdout.is_empty());
}

#[test]
fn an_empty_directory_is_no_success() {
    let ran = Project::new(&[]).run(&["check"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("found no YAML or JSON file"), "{ran:?}");
}

#[test]
fn files_without_any_object_are_no_success() {
    let ran = Project::new(&[("values.yaml", "replicas: 3\n")]).run(&["check"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.stderr.contains("they are no Kubernetes objects"),
        "{ran:?}"
    );
}

#[test]
fn an_unrendered_chart_gets_a_hint() {
    let chart = "metadata:\n  name: {{ .Release.Name }}\n  {{- if .Values.x }}\n";
    let ran = Project::new(&[("t.yaml", chart)]).run(&["check"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stdout.contains("helm template"), "{ran:?}");
}
