//! Pods accept connections from everywhere.
//!
//! ## What it finds
//! Namespaces in which no policy isolates the pods for ingress, and single workloads that the
//! policies of their namespace leave out. One finding a namespace; it says whether the namespace
//! has no policy, has policies for egress only, has policies that select no pod, or has policies
//! that miss some pods.
//!
//! A policy counts by what it does. An empty `podSelector` without rules is protection, the
//! strictest there is, and so is a policy that selects by `matchExpressions`. A policy for the
//! other direction is none, and neither is one that selects no pod. Namespaces without pods are
//! left alone. The namespaces that come with a cluster (`kube-system`, `openshift-*` and the like)
//! are summed up in one note.
//!
//! ## Why it matters
//! A pod that no policy selects for ingress accepts connections from every pod of every namespace
//! and from every address that is routed to it.
//!
//! ## Example
//! ```yaml
//! # The only policy of the namespace: nothing limits who connects to its pods.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: no-egress, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Egress]
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
//! - K-6: a pod that no policy selects for a direction is open in it
//! - K-7: a policy isolates the pods it selects, in the directions of its policyTypes
//! - K-12: isolation for one direction says nothing about the other

use super::{Check, Context, Rule, not_isolated};
use crate::diag::{Finding, Severity};
use crate::manifest::Direction;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT101",
    name: "ingress-not-isolated",
    severity: Severity::Warning,
    summary: "pods accept connections from everywhere",
    source: include_str!("wt101_ingress_not_isolated.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    not_isolated::check(context, findings, &RULE, Direction::Ingress);
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::RULE;
    use crate::facts::metadata::Cloud;
    use crate::rules::testing::{findings, findings_on};

    fn check(yaml: &str, expected: Expect) {
        expected.assert_eq(&findings(&RULE, yaml));
    }

    #[test]
    fn k_6_namespace_without_policy() {
        // Short: nothing is isolated in either direction.
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
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: blog, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
"#,
            expect![""],
        );
    }

    #[test]
    fn k_12_policies_for_egress_only() {
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
metadata: {name: default-deny-ingress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: blog, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: blog}
spec:
  podSelector: {}
  policyTypes: [Ingress]
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
  podSelector:
    matchLabels: {app: wbe}
  ingress:
  - from: [{podSelector: {}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: egress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
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
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: shop, labels: {app: job}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{}]
"#,
            expect![""],
        );
    }

    #[test]
    fn pods_of_one_workload_on_both_sides() {
        // Labels of a single pod were changed by hand.
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, pod-template-hash: x}, ownerReferences: [{kind: ReplicaSet, name: web-x, controller: true}]}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
status: {phase: Running, podIP: "10.0.0.1"}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop, labels: {app: debug, pod-template-hash: x}, ownerReferences: [{kind: ReplicaSet, name: web-x, controller: true}]}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
status: {phase: Running, podIP: "10.0.0.2"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
"#,
            expect![""],
        );
    }

    #[test]
    fn a_default_deny_is_protection() {
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
  policyTypes: [Ingress]
---
apiVersion: v1
kind: Pod
metadata: {name: www, namespace: blog, labels: {app: www}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: blog}
spec:
"#,
            expect![""],
        );
    }

    #[test]
    fn k_40_match_expressions_count() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: most, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [public]}]}
"#,
            expect![""],
        );
    }

    #[test]
    fn namespaces_without_pods_are_left_alone() {
        check(
            r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop, labels: {app: agent}}
spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
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
---
apiVersion: v1
kind: Pod
metadata: {name: metrics, namespace: kube-system, labels: {app: metrics}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: dns, namespace: openshift-dns, labels: {app: dns}}
spec: {containers: [{name: c, ports: [{containerPort: 5353}]}]}
"#,
            expect![""],
        );
    }

    #[test]
    fn an_engine_that_enforces_nothing_is_not_asked() {
        let yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n";
        assert!(!findings(&RULE, yaml).is_empty());
        expect![""].assert_eq(&findings_on(&RULE, yaml, "flannel", Cloud::all()));
    }

    #[test]
    fn the_manifest_of_the_fix_settles_it() {
        for policies in ["", "default-deny-ingress"] {
            let mut yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\n\
                            spec: {containers: []}\n"
                .to_owned();
            if !policies.is_empty() {
                // The name is taken: the fix must not overwrite that policy.
                yaml += "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: \
                         {name: default-deny-ingress, namespace: shop}\nspec: {podSelector: {}, \
                         policyTypes: [Egress]}\n";
            }
            let found = findings(&RULE, &yaml);
            let lines = found.lines().filter_map(|line| line.strip_prefix("    | "));
            let manifest = lines.map(|line| format!("{line}\n")).collect::<String>();
            expect![""].assert_eq(&findings(&RULE, &format!("{yaml}---\n{manifest}")));
        }
    }
}
