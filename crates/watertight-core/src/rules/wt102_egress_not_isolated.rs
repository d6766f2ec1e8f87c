//! Pods may connect to everywhere.
//!
//! ## What it finds
//! Namespaces in which no policy isolates the pods for egress, and single workloads that the
//! policies of their namespace leave out. One finding a namespace; it says whether the namespace
//! has no policy, has policies for ingress only, has policies that select no pod, or has policies
//! that miss some pods.
//!
//! A policy counts by what it does. An empty `podSelector` with `policyTypes: [Egress]` and no
//! rules is protection, the strictest there is. A policy for the other direction is none, and
//! neither is one that selects no pod. Where a default deny exists and merely lacks `Egress`, the
//! finding is short, since WT103 or WT104 tells what to change. Namespaces without pods are left
//! alone. The namespaces that come with a cluster (`kube-system`, `openshift-*` and the like) are
//! summed up in one note.
//!
//! ## Why it matters
//! A pod that no policy selects for egress can send what it knows to any address, and can fetch
//! its node's credentials from the metadata service of the cloud.
//!
//! ## Example
//! ```yaml
//! # The only policy of the namespace: its pods can still connect to everything.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {}
//!   ingress:
//!   - ports: [{port: 8080}]
//! ```
//!
//! ## Instead
//! ```yaml
//! # Add a default deny for egress, and DNS, which everything else needs.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: egress, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Egress]
//!   egress:
//!   - to:
//!     - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
//!       podSelector: {matchLabels: {k8s-app: kube-dns}}
//!     ports: [{port: 53, protocol: UDP}, {port: 53}]
//! ```
//!
//! ## Semantics
//! - K-6: a pod that no policy selects for a direction is open in it
//! - K-7: a policy isolates the pods it selects, in the directions of its policyTypes
//! - K-12: isolation for one direction says nothing about the other

use super::{Check, Context, Rule, not_isolated};
use crate::diag::{Finding, Severity};
use crate::manifest::Direction;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT102",
    name: "egress-not-isolated",
    severity: Severity::Warning,
    summary: "pods may connect to everywhere",
    source: include_str!("wt102_egress_not_isolated.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    not_isolated::check(context, findings, &RULE, Direction::Egress);
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::RULE;
    use crate::rules::testing::findings;

    fn check(yaml: &str, expected: Expect) {
        expected.assert_eq(&findings(&RULE, yaml));
    }

    #[test]
    fn k_6_namespace_without_policy() {
        // Short: WT101 reports it as well.
        check(
            r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
"#,
            expect![""],
        );
    }

    #[test]
    fn k_12_policies_for_ingress_only() {
        check(
            r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
"#,
            expect![""],
        );
    }

    #[test]
    fn a_default_deny_without_egress_is_short() {
        // WT103 says what to change.
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"#,
            expect![""],
        );
    }

    #[test]
    fn k_9_a_default_deny_with_an_empty_egress_list() {
        // WT104 says what to change.
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  egress: []
"#,
            expect![""],
        );
    }

    #[test]
    fn k_7_policies_that_select_nothing() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: wbe}}
  policyTypes: [Egress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: in, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
"#,
            expect![""],
        );
    }

    #[test]
    fn workloads_left_out() {
        check(
            r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
"#,
            expect![""],
        );
    }

    #[test]
    fn k_11_a_default_deny_is_protection() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
"#,
            expect![""],
        );
    }

    #[test]
    fn k_8_egress_rules_isolate_by_default() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  egress: [{ports: [{port: 443}]}]
"#,
            expect![""],
        );
    }

    #[test]
    fn ipv6_only_pods() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
status: {phase: Running, podIP: "fd00::1"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: in, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
"#,
            expect![""],
        );
    }

    #[test]
    fn system_namespaces_are_one_note() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {app: coredns}}
spec: {containers: [{name: c, ports: [{containerPort: 53}]}]}
"#,
            expect![""],
        );
    }

    #[test]
    fn the_manifest_of_the_fix_settles_it() {
        let yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: \
                    {containers: []}\n";
        let found = findings(&RULE, yaml);
        let lines = found.lines().filter_map(|line| line.strip_prefix("    | "));
        let manifest = lines.map(|line| format!("{line}\n")).collect::<String>();
        expect![""].assert_eq(&findings(&RULE, &format!("{yaml}---\n{manifest}")));
    }
}
