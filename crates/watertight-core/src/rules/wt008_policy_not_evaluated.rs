//! A policy language that is not evaluated.
//!
//! ## What it finds
//! Objects that admit or deny connections and are no `networking.k8s.io/v1` NetworkPolicy: policies
//! of Calico, Cilium, Antrea, OVN-Kubernetes, OpenShift, AWS, Istio and Linkerd, and
//! AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy of
//! `policy.networking.k8s.io`. They are counted and otherwise left out.
//!
//! ## Why it matters
//! The answers cover the NetworkPolicies only. A Calico policy with a lower order, an
//! AdminNetworkPolicy or a Cilium deny rule can open what is reported as closed, and close what is
//! reported as open. Read the findings as "as far as NetworkPolicy is concerned".
//!
//! ## Example
//! ```yaml
//! apiVersion: projectcalico.org/v3
//! kind: GlobalNetworkPolicy
//! metadata: {name: allow-all}
//! spec:
//!   order: 1
//!   ingress: [{action: Allow}]
//! ```
//!
//! ## Instead
//! Nothing has to change. Where somebody else answers for these policies, say so once in
//! `.watertight.yaml`:
//! ```yaml
//! suppressions:
//! - rule: WT008
//!   reason: the Calico policies are reviewed by the platform team
//! ```
//!
//! ## Semantics
//! - the ids `A-`, `C-`, `L-`, `T-` and `O-` are kept for these languages
//! - K-15: among NetworkPolicies alone nothing is ever denied again that one of them allows

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
