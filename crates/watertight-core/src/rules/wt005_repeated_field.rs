//! A field is given twice.
//!
//! ## What it finds
//! Fields that a mapping has more than once, in the parts of an object that are read. Only the last
//! one counts: the earlier value is gone, not merged. The finding points at the one that replaces
//! the earlier value.
//!
//! ## Why it matters
//! Two `ingress:` sections read as if both applied. The API sees one. Which rules are lost depends
//! on their order in the file, and a strict client refuses the object altogether.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   ingress:
//!   - from: [{podSelector: {matchLabels: {app: gateway}}}]
//!   ingress:
//!   - from: [{podSelector: {matchLabels: {app: monitor}}}]   # only this one counts
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   ingress:
//!   - from: [{podSelector: {matchLabels: {app: gateway}}}]
//!   - from: [{podSelector: {matchLabels: {app: monitor}}}]
//! ```
//!
//! ## Semantics
//! - K-22: the rules of one section are alternatives; two sections of one name do not add up

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static REPEATED_FIELD: Rule = Rule {
    id: "WT005",
    name: "repeated-field",
    severity: Severity::Error,
    summary: "a field is given twice",
    source: include_str!("wt005_repeated_field.rs"),
    check: Check::Reading,
};

#[cfg(test)]
mod tests {
    use crate::rules::testing::findings;
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_last_one_counts() {
        expect![[r#"
            error[WT005] field `ingress` is given twice; only the last one counts
              about: NetworkPolicy shop/web
              field: spec
              at t.yaml:7:3: `ingress` this one replaces an earlier value
            error[WT005] field `port` is given twice; only the last one counts
              about: NetworkPolicy shop/web
              field: spec.egress[0].ports[0]
              at t.yaml:8:31: `port` this one replaces an earlier value
        "#]]
        .assert_eq(&findings(
            &REPEATED_FIELD,
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  ingress: [{}]
  ingress: []
  egress: [{ports: [{port: 1, port: 2}]}]
",
        ));
    }

    #[test]
    fn a_merge_key_overridden_by_an_own_field_is_no_repetition() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {<<: {name: a}, name: b}\n";
        assert_eq!(findings(&REPEATED_FIELD, text), "");
    }
}
