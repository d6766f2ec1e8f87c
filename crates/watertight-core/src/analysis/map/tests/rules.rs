//! The map by rule id, on the smallest worlds that show each.

use expect_test::{Expect, expect};

use super::*;

const TWO: &str = r#"
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: db, namespace: shop}, spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}}}}
"#;

fn two(policies: &str) -> Sample {
    let mut yaml = TWO.to_owned();
    if !policies.is_empty() {
        yaml = format!("{yaml}---\n{policies}");
    }
    Sample::new(&yaml)
}

fn check(sample: &Sample, by: By, expected: Expect) {
    let text = printed(sample, by);
    let shop: Vec<_> = text.lines().filter(|line| !line.contains("kube-system")).collect();
    expected.assert_eq(&(shop.join("\n") + "\n"));
}
