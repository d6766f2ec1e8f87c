use expect_test::{Expect, expect};

use super::RULE;
use crate::rules::testing::findings;

fn policy(name: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  podSelector: {{}}
{spec}"
    )
}

fn shop(policies: &[String]) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec: {{containers: [{{name: c, image: i, ports: [{{containerPort: 8080}}]}}]}}
{}",
        policies.concat()
    )
}

fn check(policies: &[String], expected: Expect) {
    expected.assert_eq(&findings(&RULE, &shop(policies)));
}

fn egress(name: &str, rules: &str) -> String {
    policy(
        name,
        &format!("  policyTypes: [Egress]\n  egress:\n{rules}"),
    )
}

fn default_deny() -> String {
    policy("closed", "  policyTypes: [Ingress, Egress]\n")
}

const BUT_METADATA: &str =
    "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]\n";

// X-1, K-15: the folklore in its purest form.
#[test]
fn an_except_beside_a_default_deny_opens_the_rest() {
    check(
        &[default_deny(), egress("deny-metadata", BUT_METADATA)],
        expect![[""]],
    );
}

// By itself the same policy isolates, and the address is withheld: the name is right.
#[test]
fn an_except_by_itself_denies_what_it_says() {
    check(&[egress("deny-metadata", BUT_METADATA)], expect![[""]]);
    let broad = "  - {}\n";
    check(
        &[
            egress("deny-metadata", BUT_METADATA),
            egress("all", broad),
        ],
        expect![[""]],
    );
}

// K-14
#[test]
fn a_deny_that_allows_everything() {
    check(&[egress("deny-all", "  - {}\n")], expect![[""]]);
    check(
        &[policy("deny-all-ingress", "  ingress:\n  - {}\n")],
        expect![[""]],
    );
    check(&[egress("block-metadata", "  - {}\n")], expect![[""]]);
    check(
        &[egress("no-internet", "  - ports: [{port: 443}]\n")],
        expect![[""]],
    );
}

#[test]
fn a_true_deny_is_silent() {
    for name in ["default-deny", "deny-all", "deny-egress", "block-all-traffic"] {
        check(
            &[policy(name, "  policyTypes: [Ingress, Egress]\n")],
            expect![[""]],
        );
    }
}

#[test]
fn narrow_allows_are_silent() {
    let dns = "  - ports: [{port: 53}, {port: 53, protocol: UDP}]\n";
    check(&[egress("default-deny-egress", dns)], expect![[""]]);
    check(&[egress("deny-all-except-dns", dns)], expect![[""]]);
    let pods = "  - to: [{namespaceSelector: {}}]\n";
    check(&[egress("deny-external-egress", pods)], expect![[""]]);
    let block = "  - to: [{ipBlock: {cidr: 10.0.0.0/8}}]\n";
    check(&[egress("deny-internet", block)], expect![[""]]);
}

#[test]
fn names_that_say_what_they_allow_are_silent() {
    let internet = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]\n";
    for name in ["allow-internet", "internet", "deny-all-but-internet", "web"] {
        check(&[default_deny(), egress(name, internet)], expect![[""]]);
    }
}

// A restriction may leave much open; only one that restricts nothing is reported.
#[test]
fn restrictions() {
    let internet = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]\n";
    check(&[egress("restrict-egress", internet)], expect![[""]]);
    check(&[egress("restrict-egress", "  - {}\n")], expect![[""]]);
    check(
        &[egress("deny-ssh", "  - ports: [{port: 1, endPort: 21}]\n")],
        expect![[""]],
    );
}

// What another policy allows anyway is not this one's doing.
#[test]
fn what_others_allow_does_not_count() {
    check(
        &[egress("deny-all", "  - {}\n"), egress("everything", "  - {}\n")],
        expect![[""]],
    );
}

// K-8, K-9, K-10
#[test]
fn a_direction_that_is_left_out() {
    check(&[policy("deny-egress", "  egress: []\n")], expect![[""]]);
    check(
        &[policy("deny-all-ingress", "  policyTypes: [Egress]\n")],
        expect![[""]],
    );
    // Something else isolates them.
    check(
        &[
            policy("deny-egress", "  egress: []\n"),
            policy("closed", "  policyTypes: [Egress]\n"),
        ],
        expect![[""]],
    );
}
