//! A policy language that is not evaluated.
//!
//! ## What it finds
//! Objects that admit or deny connections and that no part of Watertight evaluates: policies of Istio
//! and Linkerd (AuthorizationPolicy, Server), of the AWS VPC CNI (ClusterNetworkPolicy and
//! ApplicationNetworkPolicy of `networking.k8s.aws`), MultiNetworkPolicy, and
//! CiliumLocalRedirectPolicy. They are counted and otherwise left out. The languages that are
//! evaluated are NetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy
//! of Kubernetes, and the policies of Calico, Cilium, Antrea, OVN-Kubernetes and OpenShift SDN; of
//! those, an object in a version that is not read is reported here, too.
//!
//! ## Why it matters
//! The answers leave these objects out. A mesh refuses requests on connections that are reported as
//! open, and a rule of another engine may open what is reported as closed. Read the findings as "as far
//! as the evaluated languages are concerned".
//!
//! ## Example
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: only-web, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: db}}
//!   rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]
//! ```
//!
//! ## Instead
//! Nothing has to change. Where somebody else answers for these policies, say so once in
//! `.watertight.yaml`:
//! ```yaml
//! suppressions:
//! - rule: WT008
//!   reason: the mesh is reviewed by the platform team
//! ```
//!
//! ## Semantics
//! - K-16: both ends must allow a connection, whatever else is asked about requests on it
//! - M-5: which of the evaluated languages count is a matter of the engine

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static NOT_EVALUATED: Rule = Rule {
    id: "WT008",
    name: "policy-not-evaluated",
    severity: Severity::Warning,
    summary: "a policy language that is not evaluated",
    source: include_str!("wt008_policy_not_evaluated.rs"),
    check: Check::Reading,
};

#[cfg(test)]
mod tests {
    use crate::rules::testing::findings;
    use expect_test::expect;

    use super::*;

    #[test]
    fn policies_of_other_languages() {
        expect![[r#"
            warning[WT008] 1 AuthorizationPolicy of security.istio.io is not evaluated: the answers leave it out
              at t.yaml:2:7: `AuthorizationPolicy` may allow or deny more
            warning[WT008] 1 CiliumLocalRedirectPolicy of cilium.io is not evaluated: the answers leave it out
              at t.yaml:6:7: `CiliumLocalRedirectPolicy` may allow or deny more
        "#]].assert_eq(&findings(
            &NOT_EVALUATED,
            "apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: l7, namespace: shop}
---
apiVersion: cilium.io/v2
kind: CiliumLocalRedirectPolicy
metadata: {name: dns, namespace: shop}
",
        ));
    }

    #[test]
    fn their_other_kinds_decide_no_connection() {
        for (version, kind) in [
            ("projectcalico.org/v3", "IPPool"),
            ("cilium.io/v2", "CiliumEndpoint"),
            ("security.istio.io/v1", "PeerAuthentication"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
        ] {
            let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n");
            assert_eq!(findings(&NOT_EVALUATED, &text), "", "{version} {kind}");
        }
    }
}
