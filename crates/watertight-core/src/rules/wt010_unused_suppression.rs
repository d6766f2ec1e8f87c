//! A suppression suppresses nothing.
//!
//! ## What it finds
//! Suppressions that no finding of this run matches, and suppressions of a rule that does not
//! exist. It looks at all three places: comments (`# watertight: ignore[WT201] reason`, at the end
//! of a line or on the line above), annotations (`ignore.watertight.dev/wt201: "reason"`) and
//! entries of `.watertight.yaml`. A suppression of a rule that did not run (`--select`, `--ignore`)
//! is not counted as unused.
//!
//! ## Why it matters
//! The finding was settled, moved to another line or never was the one that was meant. A
//! suppression that stays behind will hide the next finding that happens to match it, for a reason
//! that was given for something else.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata:
//!   name: default-deny
//!   namespace: shop
//!   annotations:
//!     ignore.watertight.dev/wt201: "the broker needs the metadata service"
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress, Egress]   # nothing is open any more
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: default-deny, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress, Egress]
//! ```
//!
//! ## Semantics
//! - none: this is about the suppression, not about the policy

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static UNUSED: Rule = Rule {
    id: "WT010",
    name: "unused-suppression",
    severity: Severity::Warning,
    summary: "a suppression suppresses nothing",
    source: include_str!("wt010_unused_suppression.rs"),
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
            .filter(|finding| *finding.rule == UNUSED);
        own.map(|finding| show(&sources, finding)).collect()
    }

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: shop\n";

    #[test]
    fn comments_and_annotations_that_nothing_matches() {
        expect![[r#"
            warning[WT010] the annotation for `wt501` suppresses nothing; remove it
              at t.yaml:7:5: `ignore.watertight.dev/wt501: on purpose` 
            warning[WT010] the comment `watertight: ignore[WT502]` suppresses nothing; remove it
              at t.yaml:8:10: `# watertight: ignore[WT502] on purpose` 
        "#]].assert_eq(&found(&format!(
            "{POD}  annotations:\n    ignore.watertight.dev/wt501: on purpose\nspec: {{}} # watertight: ignore[WT502] on purpose\n"
        )));
    }

    #[test]
    fn a_rule_that_does_not_exist() {
        expect![[r#"
            warning[WT010] the annotation for `wt999` names a rule `wt999` that does not exist
              at t.yaml:6:17: `ignore.watertight.dev/wt999: why not` 
        "#]]
        .assert_eq(&found(&format!(
            "{POD}  annotations: {{ignore.watertight.dev/wt999: why not}}\n"
        )));
    }

    #[test]
    fn suppressions_that_are_used() {
        let pod = format!(
            "{POD}  annotations: {{ignore.watertight.dev/wt501: the node's own agent}}\nspec: {{hostNetwork: true}}\n"
        );
        assert_eq!(found(&pod), "");
    }
}
