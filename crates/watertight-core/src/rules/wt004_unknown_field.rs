//! A field that the API does not know is dropped.
//!
//! ## What it finds
//! Misspelt and misplaced fields. Of NetworkPolicy every field is known, so every other name is
//! reported: `podSelecter`, `policyType`, a `to` in an ingress rule, labels without `matchLabels`.
//! Of other kinds only near misses of the fields that matter for network policies are
//! (`hostnetwork`, `containerport`, `selectors`), because those kinds have many fields, and newer
//! servers have more.
//!
//! ## Why it matters
//! The API server drops a field it does not know and keeps the object, with a warning that
//! pipelines rarely show; only a client that asks for strict validation gets an error. What is left
//! means something else. Without `podSelector` a policy selects every pod of the namespace, without
//! `policyTypes` it may not touch egress, without `from` a rule admits everybody. The analysis
//! reads the object as the server would: without the field.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: no-egress, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyType: [Egress]   # dropped: this policy isolates for ingress and leaves egress open
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: no-egress, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Egress]
//! ```
//!
//! ## Semantics
//! - section 2: unknown fields are dropped, which leaves the default in force
//! - K-2: without `podSelector` a policy selects every pod of its namespace
//! - K-8: without `policyTypes` a policy isolates for ingress, and for egress only with egress rules
//! - K-20, K-21: a rule without peers admits everybody, one without ports every port

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static UNKNOWN_FIELD: Rule = Rule {
    id: "WT004",
    name: "unknown-field",
    severity: Severity::Error,
    summary: "a field that the API does not know is dropped",
    source: include_str!("wt004_unknown_field.rs"),
    check: Check::Reading,
};

#[cfg(test)]
mod tests {
    use crate::rules::testing::findings;
    use expect_test::expect;

    use super::*;

    const POLICY: &str =
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n";

    #[test]
    fn misspelt_and_misplaced_fields_of_a_policy() {
        expect![[r#"
            error[WT004] unknown field `app`: the API server drops it and uses the default
              about: NetworkPolicy p
              field: spec.podSelector
              at t.yaml:5:17: `app` no such field here
              fix: the fields here are: matchLabels, matchExpressions
            error[WT004] unknown field `policyType`: the API server drops it and uses the default
              about: NetworkPolicy p
              field: spec
              at t.yaml:6:3: `policyType` no such field here
              fix: write `policyTypes`
                t.yaml:6:3: "policyType" => "policyTypes"
            error[WT004] unknown field `from`: the API server drops it and uses the default
              about: NetworkPolicy p
              field: spec.egress[0]
              at t.yaml:8:5: `from` no such field here
              fix: the fields here are: to, ports
        "#]]
        .assert_eq(&findings(
            &UNKNOWN_FIELD,
            &format!(
                "{POLICY}spec:
  podSelector: {{app: web}}
  policyType: [Egress]
  egress:
  - from: [{{podSelector: {{}}}}]
"
            ),
        ));
    }

    #[test]
    fn other_kinds_are_judged_by_near_misses() {
        let pod = |spec: &str| {
            findings(
                &UNKNOWN_FIELD,
                &format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {spec}\n"),
            )
        };
        expect![[r#"
            error[WT004] unknown field `hostnetwork`: the API server drops it and uses the default
              about: Pod a
              field: spec
              at t.yaml:4:8: `hostnetwork` no such field here
              fix: write `hostNetwork`
                t.yaml:4:8: "hostnetwork" => "hostNetwork"
        "#]]
        .assert_eq(&pod("{hostnetwork: true}"));
        for spec in [
            "{hostPID: true}",
            "{aFieldOfTheFuture: 1}",
            "{restartPolicy: Never, hostname: a}",
        ] {
            assert_eq!(pod(spec), "", "{spec}");
        }
    }

    #[test]
    fn every_field_of_the_api_is_known() {
        let all = format!(
            "{POLICY}status: {{}}
spec:
  podSelector: {{matchLabels: {{a: b}}, matchExpressions: [{{key: a, operator: In, values: [b]}}]}}
  policyTypes: [Ingress, Egress]
  ingress: [{{from: [{{podSelector: {{}}, namespaceSelector: {{}}}}], ports: [{{port: 1, endPort: 2, protocol: TCP}}]}}]
  egress: [{{to: [{{ipBlock: {{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}}}]}}]
"
        );
        assert_eq!(findings(&UNKNOWN_FIELD, &all), "");
    }
}
