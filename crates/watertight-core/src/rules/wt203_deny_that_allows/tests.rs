use expect_test::{Expect, expect};

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

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

const BUT_METADATA: &str = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]\n";

// X-1, K-15: the folklore in its purest form.
#[test]
fn an_except_beside_a_default_deny_opens_the_rest() {
    check(
        &[default_deny(), egress("deny-metadata", BUT_METADATA)],
        expect![[r#"
            warning[WT203] `deny-metadata` denies nothing that was open, and opens egress to `0.0.0.0/0 except 169.254.169.254/32`
              about: NetworkPolicy shop/deny-metadata
              at t.yaml:21:27: `0.0.0.0/0` a rule allows; there is no deny
              at t.yaml:16:18: `deny-metadata` the name promises a denial
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: NetworkPolicy shop/deny-metadata egress rule 1 allows it [t.yaml:21:5]
              why: X-1 K-15
              fix: remove the rule: a policy that lists Egress in `policyTypes` and has no rules denies it; or give the policy a name that says what it allows
        "#]],
    );
}

// By itself the same policy isolates, and the address is withheld: the name is right.
#[test]
fn an_except_by_itself_denies_what_it_says() {
    check(&[egress("deny-metadata", BUT_METADATA)], expect![[""]]);
    let broad = "  - {}\n";
    check(
        &[egress("deny-metadata", BUT_METADATA), egress("all", broad)],
        expect![[""]],
    );
}

// On a cloud without metadata over IPv6 the bare block opens none, as in the policy of WT201's fix.
#[test]
fn the_other_family_counts_where_it_has_metadata() {
    let both = "  - to:
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32, 168.63.129.16/32]}
    - ipBlock: {cidr: '::/0'}
";
    let yaml = shop(&[egress("no-metadata", both)]);
    let on = |cloud| findings_on(&RULE, &yaml, "reference", &[cloud]);
    expect![[""]].assert_eq(&on(Cloud::Azure));
    expect![[r#"
        warning[WT203] `no-metadata` allows what its name denies: egress to `::/0`
          about: NetworkPolicy shop/no-metadata
          at t.yaml:16:23: `'::/0'` a rule allows; there is no deny
          at t.yaml:9:18: `no-metadata` the name promises a denial
          evidence: shop/Pod/web -> ip:fd00:ec2::254:80/tcp ALLOWED: NetworkPolicy shop/no-metadata egress rule 1 allows it [t.yaml:14:5]
          why: X-1 K-15
          fix: remove the rule: a policy that lists Egress in `policyTypes` and has no rules denies it; or give the policy a name that says what it allows
    "#]].assert_eq(&on(Cloud::Aws));
}

// K-20
#[test]
fn a_deny_that_allows_everything() {
    check(
        &[egress("deny-all", "  - {}\n")],
        expect![[r#"
        warning[WT203] `deny-all` allows what its name denies: egress to every address
          about: NetworkPolicy shop/deny-all
          at t.yaml:14:5: `{}` a rule allows; there is no deny
          at t.yaml:9:18: `deny-all` the name promises a denial
          evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: NetworkPolicy shop/deny-all egress rule 1 allows it [t.yaml:14:5]
          why: K-20 K-15
          fix: remove the rule: a policy that lists Egress in `policyTypes` and has no rules denies it; or give the policy a name that says what it allows
    "#]],
    );
    check(
        &[policy("deny-all-ingress", "  ingress:\n  - {}\n")],
        expect![[r#"
            warning[WT203] `deny-all-ingress` allows what its name denies: ingress from every address
              about: NetworkPolicy shop/deny-all-ingress
              at t.yaml:13:5: `{}` a rule allows; there is no deny
              at t.yaml:9:18: `deny-all-ingress` the name promises a denial
              evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp ALLOWED: NetworkPolicy shop/deny-all-ingress ingress rule 1 allows it [t.yaml:13:5]
              why: K-20 K-15
              fix: remove the rule: a policy that lists Ingress in `policyTypes` and has no rules denies it; or give the policy a name that says what it allows
        "#]],
    );
    check(
        &[egress("block-metadata", "  - {}\n")],
        expect![[r#"
        warning[WT203] `block-metadata` allows what its name denies: egress to every address
          about: NetworkPolicy shop/block-metadata
          at t.yaml:14:5: `{}` a rule allows; there is no deny
          at t.yaml:9:18: `block-metadata` the name promises a denial
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/block-metadata egress rule 1 allows it [t.yaml:14:5]
          why: K-20 K-15
          fix: remove the rule: a policy that lists Egress in `policyTypes` and has no rules denies it; or give the policy a name that says what it allows
    "#]],
    );
    check(
        &[egress("no-internet", "  - ports: [{port: 443}]\n")],
        expect![[r#"
            warning[WT203] `no-internet` allows what its name denies: egress to every address on 443/tcp
              about: NetworkPolicy shop/no-internet
              at t.yaml:14:5: `ports: [{port: 443}]` a rule allows; there is no deny
              at t.yaml:9:18: `no-internet` the name promises a denial
              evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: NetworkPolicy shop/no-internet egress rule 1 allows it [t.yaml:14:5]
              why: K-20 K-15
              fix: remove the rule: a policy that lists Egress in `policyTypes` and has no rules denies it; or give the policy a name that says what it allows
        "#]],
    );
}

#[test]
fn a_true_deny_is_silent() {
    for name in [
        "default-deny",
        "deny-all",
        "deny-egress",
        "block-all-traffic",
    ] {
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
    check(
        &[egress("restrict-egress", "  - {}\n")],
        expect![[r#"
        warning[WT203] `restrict-egress` restricts nothing: it allows egress to every address
          about: NetworkPolicy shop/restrict-egress
          at t.yaml:14:5: `{}` a rule allows; there is no deny
          at t.yaml:9:18: `restrict-egress` the name promises a denial
          evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: NetworkPolicy shop/restrict-egress egress rule 1 allows it [t.yaml:14:5]
          why: K-20 K-15
          fix: remove the rule: a policy that lists Egress in `policyTypes` and has no rules denies it; or give the policy a name that says what it allows
    "#]],
    );
    check(
        &[egress("deny-ssh", "  - ports: [{port: 1, endPort: 21}]\n")],
        expect![[""]],
    );
}

// What another policy allows anyway is not this one's doing.
#[test]
fn what_others_allow_does_not_count() {
    check(
        &[
            egress("deny-all", "  - {}\n"),
            egress("everything", "  - {}\n"),
        ],
        expect![[""]],
    );
}

// K-8, K-9, K-10
#[test]
fn a_direction_that_is_left_out() {
    check(
        &[policy("deny-egress", "  egress: []\n")],
        expect![[r#"
        warning[WT203] `deny-egress` denies no egress: its policyTypes do not include Egress, and nothing isolates `shop/Pod/web`
          about: NetworkPolicy shop/deny-egress
          at t.yaml:9:18: `deny-egress` no policyTypes
          evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
          why: K-10 K-6
          fix: set `policyTypes` to `[Egress]`, once the traffic that is needed is allowed
    "#]],
    );
    check(
        &[policy("deny-all-ingress", "  policyTypes: [Egress]\n")],
        expect![[r#"
            warning[WT203] `deny-all-ingress` denies no ingress: its policyTypes do not include Ingress, and nothing isolates `shop/Pod/web`
              about: NetworkPolicy shop/deny-all-ingress
              at t.yaml:12:16: `[Egress]` without Ingress
              evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp ALLOWED: no policy isolates shop/Pod/web for ingress
              why: K-10 K-6
              fix: set `policyTypes` to `[Ingress]`, once the traffic that is needed is allowed
        "#]],
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
