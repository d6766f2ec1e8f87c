//! Two objects have one name.
//!
//! ## What it finds
//! Two objects of one kind, namespace and name whose content differs, anywhere in the input. The
//! last one is evaluated. It is an error for policies and a warning for other kinds. The same
//! object twice, byte for byte, is not reported: files are often handed in by more than one path.
//!
//! ## Why it matters
//! A cluster holds one object of a name. Applied together, the later one replaces the earlier, and
//! policies do not add up as two names would: the rules of the first are gone. Which one is the
//! later may change with the name of a file.
//!
//! Environments beside each other (`overlays/prod` and `overlays/staging`) are read as one cluster
//! when their parent directory is given. Check them one at a time.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
//! ---
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}   # replaces the policy above
//! spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress]}
//! ```
//!
//! ## Semantics
//! - V-2: one namespace holds one policy of a name; the later one replaces the earlier
//! - K-1: equal names in two namespaces are two policies

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static DUPLICATE_OBJECT: Rule = Rule {
    id: "WT006",
    name: "duplicate-object",
    severity: Severity::Error,
    summary: "two objects have one name",
    source: include_str!("wt006_duplicate_object.rs"),
    check: Check::Reading,
};

#[cfg(test)]
mod tests {
    use crate::rules::testing::findings;
    use expect_test::expect;

    use super::*;

    fn policy(namespace: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web, \
             namespace: {namespace}}}\nspec: {spec}\n"
        )
    }

    #[test]
    fn v_2_the_last_one_counts() {
        let text = policy("shop", "{}") + &policy("shop", "{podSelector: {}}");
        expect![[r#"
            error[WT006] NetworkPolicy shop/web is given twice with different content; the last one counts
              about: NetworkPolicy shop/web
              at t.yaml:9:18: `web` this one is evaluated
              at t.yaml:4:18: `web` this one is overwritten
              why: V-2
        "#]].assert_eq(&findings(&DUPLICATE_OBJECT, &text));
    }

    #[test]
    fn other_kinds_are_a_warning() {
        expect![[r#"
            warning[WT006] Pod default/a is given twice with different content; the last one counts
              about: Pod default/a
              at t.yaml:7:18: `a` this one is evaluated
              at t.yaml:3:18: `a` this one is overwritten
              why: V-2
        "#]]
        .assert_eq(&findings(
            &DUPLICATE_OBJECT,
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: \
             Pod\nmetadata: {name: a, namespace: default, labels: {app: web}}\n",
        ));
    }

    #[test]
    fn equal_objects_and_equal_names_elsewhere_are_fine() {
        let twice = policy("shop", "{}").repeat(2);
        assert_eq!(
            findings(&DUPLICATE_OBJECT, &twice),
            "",
            "one file, handed in twice"
        );
        let elsewhere = policy("shop", "{}") + &policy("bank", "{podSelector: {}}");
        assert_eq!(findings(&DUPLICATE_OBJECT, &elsewhere), "", "K-1");
        let kinds = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: \
                     Service\nmetadata: {name: a}\n";
        assert_eq!(findings(&DUPLICATE_OBJECT, kinds), "");
    }
}
