//! An API server would refuse this object.
//!
//! ## What it finds
//! Values that the API does not accept: a port that is quoted, a CIDR without a prefix length, an
//! exception that does not lie inside its block, a misspelt policy type, an empty peer, a label
//! value that YAML reads as a number, a missing name. The finding names the field, and where only
//! one correction is possible it carries that as a fix. All faults of an object are reported, not
//! the first alone.
//!
//! Entries that look odd and are valid (`ingress: []`, two equal rules, a selector that matches
//! nothing) are not reported here.
//!
//! A CIDR in loose spelling, such as `10.0.0.5/24`, is an error for Kubernetes 1.36 and later and a
//! warning for earlier releases (`--k8s-version`, switch `strict_cidr`).
//!
//! ## Why it matters
//! The object never reaches the cluster, so it is left out of the analysis as well. A refused
//! policy protects nothing, often without anybody noticing: the pipeline that applies it fails on
//! this one object while the rest of the release goes out.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {canary: true}}
//!   ingress:
//!   - from:
//!     - ipBlock: {cidr: 10.0.0.7}
//!     ports:
//!     - {protocol: tcp, port: "80"}
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {canary: "true"}}
//!   ingress:
//!   - from:
//!     - ipBlock: {cidr: 10.0.0.7/32}
//!     ports:
//!     - {protocol: TCP, port: 80}
//! ```
//!
//! ## Semantics
//! - V-1 to V-26: what the API server refuses
//! - V-27, V-28: what it takes, however odd it looks
//! - K-32: a peer is an ipBlock or selectors, never both

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static INVALID: Rule = Rule {
    id: "WT003",
    name: "invalid-object",
    severity: Severity::Error,
    summary: "an API server would refuse this object",
    source: include_str!("wt003_invalid_object.rs"),
    check: Check::Reading,
};

#[cfg(test)]
mod tests {
    use crate::rules::testing::findings;
    use expect_test::expect;

    use super::*;

    #[test]
    fn every_fault_with_its_field_and_the_way_out() {
        expect![[r#"
            error[WT003] expected a string, found a boolean (`true`)
              about: NetworkPolicy shop/web
              field: spec.podSelector.matchLabels
              at t.yaml:5:39: `true` 
              fix: quote the value
                t.yaml:5:39: "true" => "\"true\""
            error[WT003] `10.0.0.7` is an address; a CIDR needs a prefix length
              about: NetworkPolicy shop/web
              field: spec.ingress[0].from[0].ipBlock.cidr
              at t.yaml:8:23: `10.0.0.7` 
              why: V-15
              fix: write `10.0.0.7/32` for the one address
                t.yaml:8:23: "10.0.0.7" => "\"10.0.0.7/32\""
            error[WT003] `tcp` is no protocol here
              about: NetworkPolicy shop/web
              field: spec.ingress[0].ports[0].protocol
              at t.yaml:10:18: `tcp` 
              why: V-6
              fix: write `TCP`
            error[WT003] `80` is no port name: a port name needs a letter; a port number must not be quoted
              about: NetworkPolicy shop/web
              field: spec.ingress[0].ports[1].port
              at t.yaml:11:14: `"80"` 
              why: V-12
              fix: write the number without quotes
                t.yaml:11:14: "\"80\"" => "80"
        "#]].assert_eq(&findings(
            &INVALID,
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {canary: true}}
  ingress:
  - from:
    - ipBlock: {cidr: 10.0.0.7}
    ports:
    - {protocol: tcp, port: 80}
    - {port: \"80\"}
",
        ));
    }

    #[test]
    fn objects_that_are_incomplete() {
        expect![[r#"
            error[WT003] the object has no `apiVersion`
              at t.yaml:1:1: `` 
              fix: add `apiVersion`
            error[WT003] the Deployment has no pod template
              about: Deployment web
              field: spec
              at t.yaml:4:1: `` 
              fix: add `spec.template`
            error[WT003] the object has no name
              about: Pod 
              field: metadata
              at t.yaml:10:11: `` 
              why: V-1
              fix: add `metadata.name`
        "#]]
        .assert_eq(&findings(
            &INVALID,
            "kind: NetworkPolicy\nmetadata: {name: web}\n---\napiVersion: apps/v1\nkind: \
             Deployment\nmetadata: {name: web}\n---\napiVersion: v1\nkind: Pod\nmetadata: {}\n",
        ));
    }

    #[test]
    fn what_is_valid_although_odd() {
        let policy = |spec: &str| {
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web}}\nspec: {spec}\n"
            )
        };
        for spec in [
            "",
            "{}",
            "{ingress: [{from: [], ports: []}]}",
            "{policyTypes: [Ingress, Ingress]}",
        ] {
            assert_eq!(findings(&INVALID, &policy(spec)), "", "V-27 {spec}");
        }
    }

    #[test]
    fn a_list_that_does_not_say_so() {
        let items = "items:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n";
        expect![[r#"
            error[WT003] the list has no `kind`: a cluster refuses it, and none of its items is read
              at t.yaml:1:1: `` 
              fix: add `kind: List`
                t.yaml:1:1: "" => "apiVersion: v1\nkind: List\n"
        "#]]
        .assert_eq(&findings(&INVALID, items));
        let json =
            "{\"apiVersion\": \"v1\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}]}";
        assert!(findings(&INVALID, json).contains("add `kind: List`"));
        // Items of other things are no objects.
        assert_eq!(findings(&INVALID, "items: [{name: a}]\n"), "");
    }

    #[test]
    fn long_values_are_not_repeated() {
        let name = "x".repeat(100_000);
        let found = findings(
            &INVALID,
            &format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web}}\nspec: \
                 {{ingress: [{{from: [{{ipBlock: {{cidr: {name}}}}}]}}]}}\n"
            ),
        );
        let message = found.lines().next().unwrap();
        assert!(message.len() < 400 && message.contains("x..."), "{message}");
    }
}
