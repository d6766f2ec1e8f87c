//! Fixes are made where they are proved, and left out with the reason where not.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use super::*;

/// What comes of the fixes of a file: the new text, and what was left out.
fn fixed(name: &str, text: &str, rules: &[&str], objects: bool) -> (String, String) {
    let mut sources = Sources::new();
    sources.add(name, text.into()).unwrap();
    let objects = objects.then(|| sources.add("new.yaml", Vec::new()).unwrap());
    let options = CheckOptions::default();
    let checked = check(&sources, &options);
    let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
    let writable: BTreeSet<_> = sources.iter().map(|(id, _)| id).collect();
    let request = Request {
        options: &options,
        rules: &rules,
        objects,
        writable: &writable,
    };
    let plan = plan(&sources, &checked, &request);
    let mut told = String::new();
    for one in &plan.applied {
        told += &format!(
            "{} {}: {}\n",
            one.finding.rule.id,
            place(&one.place),
            one.message
        );
    }
    for one in &plan.left_out {
        let why = format!("{:?}", one.why);
        let why = why.split(['(', '{']).next().unwrap();
        told += &format!("not {} {}: {why}\n", one.rule.id, place(&one.place));
    }
    for one in &plan.opened {
        told += &format!("opens {one}\n");
    }
    let texts = plan.edited.as_ref().map_or(text.to_owned(), |edited| {
        let texts = edited.sources.iter().map(|(_, file)| file.text());
        texts.collect::<Vec<_>>().join("=====\n")
    });
    if let Some(edited) = &plan.edited {
        // What is said to be left is what a check of the new texts finds.
        let again = check(&edited.sources, &options);
        let messages = |checked: &Checked| {
            let all = checked.findings.iter().map(|one| one.message.clone());
            all.collect::<Vec<_>>()
        };
        assert_eq!(messages(&again), messages(&edited.checked));
    }
    (texts, told)
}

fn place(place: &Option<String>) -> &str {
    place.as_deref().unwrap_or("-")
}

#[track_caller]
fn told(text: &str, rules: &[&str], expected: Expect) -> String {
    let (text, told) = fixed("a.yaml", text, rules, false);
    expected.assert_eq(&told);
    text
}

const PODS: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
---
";

const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
";

#[test]
fn a_field_that_was_dropped_comes_back() {
    let text = format!("{PODS}{POLICY}  policyTyps: [Ingress]   # kept\n");
    let fixed = told(
        &text,
        &["WT004"],
        expect![[r#"
            WT004 a.yaml:18:3: write `policyTypes`
        "#]],
    );
    assert_eq!(fixed, text.replace("policyTyps", "policyTypes"));
}

// K-15: what a fix allows is new unless something allowed it before.
#[test]
fn what_opens_is_left_out_unless_its_rule_is_named() {
    let text = format!("{PODS}{POLICY}  policyTypes: [Ingress]\n  ingres: [{{}}]\n");
    let fixed = told(
        &text,
        &[],
        expect![[r#"
            not WT201 a.yaml:3:18: NewObject
            not WT101 a.yaml:7:18: Doubt
            not WT102 a.yaml:18:16: Doubt
            not WT004 a.yaml:19:3: Opens
        "#]],
    );
    assert_eq!(fixed, text);
    let fixed = told(
        &text,
        &["WT004"],
        expect![[r#"
            WT004 a.yaml:19:3: write `ingress`
            opens shop/Pod/web -> shop/Pod/db all tcp
            opens shop/Pod/web -> shop/Pod/db all udp
            opens shop/Pod/web -> shop/Pod/db all sctp
            opens shop/Pod/web -> shop/Pod/db icmp
        "#]],
    );
    assert!(fixed.ends_with("  ingress: [{}]\n"), "{fixed}");
}

#[test]
fn one_fix_after_another_until_nothing_changes() {
    // The served version shows the object, and then its fields.
    let text = format!("{PODS}{POLICY}  policyTyps: [Ingress]\n  ingress: []\n")
        .replace("networking.k8s.io/v1", "extensions/v1beta1");
    let fixed = told(
        &text,
        &["WT00"],
        expect![[r#"
            WT007 a.yaml:13:13: use `networking.k8s.io/v1`
            WT004 a.yaml:18:3: write `policyTypes`
        "#]],
    );
    assert!(fixed.contains("networking.k8s.io/v1") && fixed.contains("policyTypes"));
}

#[test]
fn fixes_that_spoil_each_other_are_not_made_together() {
    let text = format!(
        "{PODS}{POLICY}  ingress:
  - from:
    - namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: shop}}}}
    - podSelector: {{matchLabels: {{app: prometheus}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: monitoring, labels: {{app: prometheus}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: q, namespace: monitoring, labels: {{app: grafana}}}}
"
    );
    let text = text.replace("name: shop}}", "name: monitoring}}");
    let fixed = told(
        &text,
        &["WT402", "WT405"],
        expect![[r#"
            WT402 a.yaml:21:7: add a namespaceSelector for `monitoring` if its pods are meant
        "#]],
    );
    let mut sources = Sources::new();
    sources.add("a.yaml", fixed.into()).unwrap();
    let left = check(&sources, &CheckOptions::default());
    assert!(left.findings.iter().all(|one| one.rule.id != "WT005"));
    // Alone the other one can be made.
    let (_, said) = super::tests::fixed("a.yaml", &text, &["WT405"], false);
    assert!(said.starts_with("WT405 "), "{said}");
}

#[test]
fn json_stays_json_and_line_ends_stay() {
    let json = r#"{"apiVersion": "extensions/v1beta1", "kind": "NetworkPolicy", "metadata": {"name": "a", "namespace": "x"}, "spec": {"podSelecter": {}}}"#;
    let (fixed, said) = fixed("a.json", json, &["WT00"], false);
    expect![[r#"
        WT007 a.json:1:16: use `networking.k8s.io/v1`
        WT004 a.json:1:119: write `podSelector`
    "#]]
    .assert_eq(&said);
    let value = json.replace("extensions/v1beta1", "networking.k8s.io/v1");
    assert_eq!(fixed, value.replace("podSelecter", "podSelector"));
    let windows = format!("{PODS}{POLICY}  policyTypes: [Ingress]\n").replace('\n', "\r\n");
    let (fixed, _) = super::tests::fixed("a.yaml", &windows, &["WT201"], true);
    let (_, new) = fixed.split_once("=====\n").unwrap();
    assert!(
        new.starts_with("apiVersion") || new.starts_with('#'),
        "{new}"
    );
}

#[test]
fn anchors_and_what_cannot_be_written() {
    let text = format!(
        "{PODS}{POLICY}  policyTypes: [Egress]
  egress:
  - to: &all [{{ipBlock: {{cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}}}]
  - to: *all
    ports: [{{port: 80}}]
"
    );
    let (fixed, _) = fixed("a.yaml", &text, &[], false);
    // Whatever is done to the list that two rules share has been read and judged as both of them.
    assert!(fixed.contains("*all"), "{fixed}");
    let mut sources = Sources::new();
    let text = format!("{PODS}{POLICY}  policyTyps: [Ingress]\n");
    sources.add("<stdin>", text.into()).unwrap();
    let options = CheckOptions::default();
    let checked = check(&sources, &options);
    let request = Request {
        options: &options,
        rules: &["WT004".into()],
        objects: None,
        writable: &BTreeSet::new(),
    };
    let plan = plan(&sources, &checked, &request);
    assert!(plan.edited.is_none());
    assert_eq!(
        plan.left_out.first().map(|one| &one.why),
        Some(&Why::NoFile)
    );
}

#[test]
fn a_dozen_that_open_are_not_all_tried() {
    let mut text = PODS.to_owned();
    for number in 0..40 {
        let policy = POLICY.replace("name: db,", &format!("name: db-{number},"));
        text += &format!("{policy}  policyTypes: [Ingress]\n  ingres: [{{}}]\n---\n");
    }
    let (_, told) = fixed("a.yaml", &text, &[], false);
    assert_eq!(told.matches("not WT004").count(), 40, "{told}");
    assert!(told.contains("LikeOthers"), "{told}");
}
