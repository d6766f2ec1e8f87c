//! An apiVersion that clusters no longer serve.
//!
//! ## What it finds
//! Objects of a kind that is known, in a version that current servers do not answer to:
//! `extensions/v1beta1` or a bare `v1` for NetworkPolicy, `batch/v1beta1` for CronJob,
//! `apps/v1beta2` for Deployment. The fix is the version that is served. A kind of the same name in
//! a foreign group (a Service of `serving.knative.dev`) is something else and not reported.
//!
//! ## Why it matters
//! A cluster refuses the object, so it is left out of the analysis. For a NetworkPolicy that means
//! that the protection it describes does not exist; the last server that took `extensions/v1beta1`
//! was Kubernetes 1.15.
//!
//! ## Example
//! ```yaml
//! apiVersion: extensions/v1beta1
//! kind: NetworkPolicy
//! metadata: {name: default-deny, namespace: shop}
//! spec: {podSelector: {}}
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: default-deny, namespace: shop}
//! spec: {podSelector: {}}
//! ```
//!
//! ## Semantics
//! - section 2: only `networking.k8s.io/v1` is served

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static NOT_SERVED: Rule = Rule {
    id: "WT007",
    name: "api-not-served",
    severity: Severity::Error,
    summary: "an apiVersion that clusters no longer serve",
    source: include_str!("wt007_api_not_served.rs"),
    check: Check::Reading,
};

#[cfg(test)]
mod tests {
    use crate::rules::testing::findings;
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_served_version_is_the_fix() {
        expect![[r#"
            error[WT007] `extensions/v1beta1` NetworkPolicy is not served: a cluster refuses this object
              about: NetworkPolicy shop/deny
              at t.yaml:1:13: `extensions/v1beta1` 
              fix: use `networking.k8s.io/v1`
                t.yaml:1:13: "extensions/v1beta1" => "networking.k8s.io/v1"
            error[WT007] `v1` NetworkPolicy is not served: a cluster refuses this object
              about: NetworkPolicy bank/deny
              at t.yaml:5:13: `v1` 
              fix: use `networking.k8s.io/v1`
                t.yaml:5:13: "v1" => "networking.k8s.io/v1"
        "#]].assert_eq(&findings(
            &NOT_SERVED,
            "apiVersion: extensions/v1beta1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
---
apiVersion: v1
kind: NetworkPolicy
metadata: {name: deny, namespace: bank}
",
        ));
    }

    #[test]
    fn kinds_of_other_groups_are_somebody_elses() {
        for (version, kind) in [
            ("serving.knative.dev/v1", "Service"),
            ("networking.k8s.io/v1", "Ingress"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ] {
            let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n");
            assert_eq!(findings(&NOT_SERVED, &text), "", "{version} {kind}");
        }
    }
}
