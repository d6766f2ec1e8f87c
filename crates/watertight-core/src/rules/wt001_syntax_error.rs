//! A document is no valid YAML or JSON.
//!
//! ## What it finds
//! Documents that cannot be read at all: an unclosed bracket, a tab as indentation, a string
//! without an end, a template that was never rendered. The finding points at the character where
//! reading stopped; the cause may be a line or two above it.
//!
//! A broken document hides no other. The documents before and behind it in the file, the other
//! items of a List and all other files are read and judged.
//!
//! ## Why it matters
//! Nothing in the document is part of the answer. If it holds a policy, the findings and the table
//! show a cluster without that policy, so the run counts as incomplete and ends with exit code 2.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}
//!   policyTypes: [Ingress]
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   policyTypes: [Ingress]
//! ```
//! Charts and overlays are no manifests: pipe in what `helm template` or `kustomize build` print,
//! or leave their directories out with `--exclude`.
//!
//! ## Semantics
//! - section 2: how YAML is read

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static SYNTAX: Rule = Rule {
    id: "WT001",
    name: "syntax-error",
    severity: Severity::Error,
    summary: "a document is no valid YAML or JSON",
    source: include_str!("wt001_syntax_error.rs"),
    check: Check::Reading,
};

#[cfg(test)]
mod tests {
    use crate::rules::testing::findings;
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_place_and_the_likely_cause() {
        expect![[r#"
            error[WT001] while parsing a flow mapping, did not find expected ',' or '}'
              at t.yaml:4:3: `p` 
        "#]].assert_eq(&findings(
            &SYNTAX,
            "kind: NetworkPolicy\nspec:\n  podSelector: {matchLabels: {app: web}\n  policyTypes: [Ingress]\n",
        ));
        expect![[r#"
            error[WT001] tabs disallowed within this context (block indentation)
              at t.yaml:3:2: `h` 
              fix: YAML does not allow tabs as indentation: use spaces
        "#]]
        .assert_eq(&findings(
            &SYNTAX,
            "kind: Pod\nspec:\n\thostNetwork: true\n",
        ));
        expect![[r#"
            error[WT001] "-" is only valid inside a block
              at t.yaml:3:5: `-` 
              fix: this looks like a template that was not rendered: run `helm template` (or your renderer) and check its output
        "#]].assert_eq(&findings(
            &SYNTAX,
            "kind: Service\nmetadata:\n  {{- include \"labels\" . }}\n",
        ));
        expect![[r#"
            error[WT001] unclosed quote
              at t.yaml:1:38: `"` 
        "#]]
        .assert_eq(&findings(
            &SYNTAX,
            "{\"kind\": \"Pod\", \"metadata\": {\"name\": \"a}}\n",
        ));
        expect![[r#"
            error[WT001] this alias refers to the value it is part of
              at t.yaml:1:8: `*x` 
        "#]]
        .assert_eq(&findings(&SYNTAX, "a: &x [*x]\nb: *y\n"));
    }

    #[test]
    fn each_broken_document_is_told_once_and_the_others_are_read() {
        let shown = findings(&SYNTAX, "a: [\n---\nb: 1\n---\nc: {\n");
        assert_eq!(shown.matches("error[WT001]").count(), 2, "{shown}");
    }

    #[test]
    fn odd_documents_that_are_valid() {
        for text in [
            "",
            "---\n",
            "# nothing\n",
            "a: b\n...\n",
            "\u{feff}a: b\n",
            "--- {a: b}\n",
            "- 1\n",
        ] {
            assert_eq!(findings(&SYNTAX, text), "", "{text:?}");
        }
    }
}
