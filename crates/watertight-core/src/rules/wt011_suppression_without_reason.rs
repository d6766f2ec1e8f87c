//! A suppression gives no reason.
//!
//! ## What it finds
//! Comments, annotations and entries of `.watertight.yaml` that name a rule and say nothing on why.
//! Such a suppression does not count: the finding it was meant for is reported as well.
//!
//! ## Why it matters
//! A suppression is a decision to live with a hole. Whoever reviews it in a year has to know what
//! was weighed, and by then nobody remembers.
//!
//! ## Example
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: broker
//!   namespace: shop
//!   annotations:
//!     ignore.watertight.dev/wt201: ""
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: broker
//!   namespace: shop
//!   annotations:
//!     ignore.watertight.dev/wt201: "hands out credentials, reads them from the metadata service"
//! ```
//! On a line, the reason stands behind the bracket:
//! `# watertight: ignore[WT205] the office network`.
//!
//! ## Semantics
//! - none: this is about the suppression, not about the policy

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static NO_REASON: Rule = Rule {
    id: "WT011",
    name: "suppression-without-reason",
    severity: Severity::Error,
    summary: "a suppression gives no reason",
    source: include_str!("wt011_suppression_without_reason.rs"),
    check: Check::Suppression,
};

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::check::{CheckOptions, check};
    use crate::rules::testing::show;
    use crate::source::Sources;

    fn found(yaml: &str) -> String {
        let mut sources = Sources::new();
        sources.add("t.yaml", yaml.into()).unwrap();
        let checked = check(&sources, &CheckOptions::default());
        let own = checked
            .findings
            .iter()
            .filter(|finding| *finding.rule == NO_REASON);
        own.map(|finding| show(&sources, finding)).collect()
    }

    #[test]
    fn comments_and_annotations_without_a_word() {
        expect![[r#"
            error[WT011] the annotation for `wt501` gives no reason, so it does not count
              at t.yaml:3:54: `ignore.watertight.dev/wt501: ""` 
            error[WT011] the comment `watertight: ignore[WT201]` gives no reason, so it does not count
              at t.yaml:4:1: `# watertight: ignore[WT201]` 
        "#]].assert_eq(&found(
            "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, annotations: {ignore.watertight.dev/wt501: \"\"}}
# watertight: ignore[WT201]
spec: {hostNetwork: true}
",
        ));
    }

    #[test]
    fn suppressions_with_a_reason() {
        let pod = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {hostNetwork: true} # watertight: ignore[WT501] the node's own agent
";
        assert_eq!(found(pod), "");
    }
}
