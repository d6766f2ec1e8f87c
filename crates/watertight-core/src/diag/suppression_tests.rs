//! Suppressions, each place and each way to be wrong.

use super::*;
use crate::check::{CheckOptions, check};

const OPEN: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: x
spec:
  containers: [{name: c}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: p
  namespace: x
ANNOTATION
spec:
  podSelector:
    matchLabels: {app: none}  COMMENT
";

/// Ids of the findings about the policy and about suppressions, and the reasons of suppressed ones.
fn run(annotation: &str, comment: &str, config: Vec<ConfigEntry>) -> (Vec<String>, Vec<String>) {
    let yaml = OPEN
        .replace("ANNOTATION\n", annotation)
        .replace("COMMENT", comment);
    let mut sources = Sources::new();
    sources.add("t.yaml", yaml.into()).unwrap();
    let options = CheckOptions {
        suppressions: config,
        ..CheckOptions::default()
    };
    let checked = check(&sources, &options);
    let wanted = ["WT401", "WT010", "WT011", "WT012"];
    let found = checked
        .findings
        .iter()
        .map(|finding| finding.rule.id.to_owned());
    let reasons = checked
        .suppressed
        .into_iter()
        .map(|suppressed| suppressed.reason);
    (
        found.filter(|id| wanted.contains(&id.as_str())).collect(),
        reasons.collect(),
    )
}

fn entry(rule: &str, reason: &str) -> ConfigEntry {
    ConfigEntry {
        rules: vec![rule.into()],
        files: None,
        namespaces: Vec::new(),
        reason: reason.into(),
        expired: None,
        span: None,
    }
}

#[test]
fn nothing_suppressed() {
    assert_eq!(run("", "", Vec::new()).0, ["WT401"]);
}

#[test]
fn a_comment_needs_a_reason_and_a_use() {
    let (found, reasons) = run(
        "",
        "# watertight: ignore[WT401] rolls out next week",
        Vec::new(),
    );
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(reasons, ["rolls out next week"]);
    assert_eq!(
        run("", "# watertight: ignore[WT401]", Vec::new()).0,
        ["WT401", "WT011"]
    );
    assert_eq!(
        run("", "# watertight: ignore[WT405] why", Vec::new()).0,
        ["WT401", "WT010"]
    );
    assert_eq!(
        run("", "# watertight: ignore[WT999] why", Vec::new()).0,
        ["WT401", "WT010"]
    );
    let named = "# watertight: ignore[policy-selects-nothing, wt405] both";
    assert!(run("", named, Vec::new()).0.is_empty());
}

#[test]
fn an_annotation_speaks_of_its_object() {
    let annotation = "  annotations:\n    ignore.watertight.dev/wt401: \"kept for the audit\"\n";
    let (found, reasons) = run(annotation, "", Vec::new());
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(reasons, ["kept for the audit"]);
}

#[test]
fn configuration_entries_by_namespace_and_date() {
    let mut in_x = entry("WT401", "known");
    in_x.namespaces = vec!["x".into()];
    assert!(run("", "", vec![in_x.clone()]).0.is_empty());
    in_x.namespaces = vec!["other".into()];
    assert_eq!(run("", "", vec![in_x]).0, ["WT401", "WT010"]);
    let mut past = entry("WT401", "known");
    past.expired = Some("2026-01-01".into());
    assert_eq!(run("", "", vec![past]).0, ["WT401", "WT012"]);
}

#[test]
fn text_that_only_looks_like_a_comment() {
    for text in [
        "x: watertight: ignore[WT401] y",
        "x: a#watertight: ignore[WT401] y",
    ] {
        let at = text.find("watertight").unwrap();
        assert!(Comment::parse(text, at).is_none(), "{text}");
    }
}
