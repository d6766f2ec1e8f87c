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
---
apiVersion: v1
kind: Pod
metadata: {{name: db, namespace: shop, labels: {{app: db}}}}
spec: {{containers: [{{name: c, image: i}}]}}
{}",
        policies.concat()
    )
}

const INTERNET: &str = "  egress:
  - to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
        - 10.0.0.0/8
        - 169.254.169.254/32
";

/// The policy with an `except`, and another one with an egress rule.
fn beside(rule: &str) -> String {
    let other = policy("other", &format!("  egress:\n{rule}"));
    shop(&[policy("internet", INTERNET), other])
}

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

// X-2, K-20
#[test]
fn a_rule_without_peers_undoes_every_except() {
    check(
        &beside("  - {}\n"),
        expect![[r#"
        error[WT202] the `except` of 169.254.169.254/32 does not keep 2 workloads of `shop` from the metadata service 169.254.169.254: another rule allows it
          about: NetworkPolicy shop/internet
          at t.yaml:23:11: `169.254.169.254/32` withheld here
          at t.yaml:31:5: `{}` allowed here in `other`: without `to`, every address
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/other egress rule 1 allows it [t.yaml:31:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]],
    );
}

// X-2: the port of the other rule is enough.
#[test]
fn one_port_opens_the_metadata_service() {
    check(
        &beside("  - ports: [{port: 80}]\n"),
        expect![[r#"
        error[WT202] the `except` of 169.254.169.254/32 does not keep 2 workloads of `shop` from the metadata service 169.254.169.254: another rule allows it
          about: NetworkPolicy shop/internet
          at t.yaml:23:11: `169.254.169.254/32` withheld here
          at t.yaml:31:5: `ports: [{port: 80}]` allowed here in `other`: without `to`, every address
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/other egress rule 1 allows it [t.yaml:31:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]],
    );
    check(&beside("  - ports: [{port: 5432}]\n"), expect![[""]]);
    check(
        &beside("  - ports: [{port: 53}, {port: 53, protocol: UDP}]\n"),
        expect![[""]],
    );
}

// X-2, K-22: a second block beside the first.
#[test]
fn another_peer_of_the_same_rule() {
    let peers = "  egress:
  - to:
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}
    - ipBlock: {cidr: 169.254.0.0/16}
";
    check(
        &shop(&[policy("web", peers)]),
        expect![[r#"
        error[WT202] the `except` of 169.254.169.254/32 does not keep 2 workloads of `shop` from the metadata service 169.254.169.254: another rule allows it
          about: NetworkPolicy shop/web
          at t.yaml:19:43: `169.254.169.254/32` withheld here
          at t.yaml:20:23: `169.254.0.0/16` allowed here
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]],
    );
}

// Two blocks that each withhold something else undo each other.
#[test]
fn two_blocks_with_different_excepts() {
    let other = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [192.168.0.0/16]}}]\n";
    check(
        &beside(other),
        expect![[r#"
        error[WT202] the `except` of 169.254.169.254/32 does not keep 2 workloads of `shop` from the metadata service 169.254.169.254: another rule allows it
          about: NetworkPolicy shop/internet
          at t.yaml:23:11: `169.254.169.254/32` withheld here
          at t.yaml:31:27: `0.0.0.0/0` allowed here in `other`
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/other egress rule 1 allows it [t.yaml:31:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
        note[WT202] the `except` of 192.168.0.0/16 has no effect for 2 workloads of `shop`: another rule allows it
          about: NetworkPolicy shop/other
          at t.yaml:31:47: `192.168.0.0/16` withheld here
          at t.yaml:20:15: `0.0.0.0/0` allowed here in `internet`
          evidence: shop/Pod/web -> ip:192.168.0.1:443/tcp ALLOWED: NetworkPolicy shop/internet egress rule 1 allows it [t.yaml:18:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]],
    );
}

#[test]
fn narrower_rules_are_meant() {
    for rule in [
        "  - to: [{ipBlock: {cidr: 10.1.2.0/24}}]\n",
        "  - to: [{ipBlock: {cidr: 10.0.0.0/8}}]\n",
        "  - to: [{ipBlock: {cidr: 169.254.169.254/32}}]\n",
        "  - to: [{namespaceSelector: {}}]\n",
        "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 169.254.169.254/32]}}]\n",
        "  - to: [{ipBlock: {cidr: '::/0'}}]\n",
    ] {
        check(&beside(rule), expect![[""]]);
    }
}

// K-15: only what applies to the same pods adds up.
#[test]
fn policies_of_other_pods_do_not_count() {
    let web = "  - {}\n";
    let other = policy("db", &format!("  egress:\n{web}"))
        .replace("podSelector: {}", "podSelector: {matchLabels: {app: db}}");
    let internet = policy("internet", INTERNET)
        .replace("podSelector: {}", "podSelector: {matchLabels: {app: web}}");
    check(&shop(&[internet, other.clone()]), expect![[""]]);
    check(
        &shop(&[policy("internet", INTERNET), other]),
        expect![[r#"
        error[WT202] the `except` of 169.254.169.254/32 does not keep `shop/Pod/db` from the metadata service 169.254.169.254: another rule allows it
          about: NetworkPolicy shop/internet
          at t.yaml:23:11: `169.254.169.254/32` withheld here
          at t.yaml:31:5: `{}` allowed here in `db`: without `to`, every address
          evidence: shop/Pod/db -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/db egress rule 1 allows it [t.yaml:31:5]
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]],
    );
}

#[test]
fn ranges_without_metadata_are_a_note() {
    let yaml = beside("  - {}\n").replace("169.254.169.254/32", "172.16.0.0/12");
    check(
        &yaml,
        expect![[r#"
        note[WT202] the `except` of 10.0.0.0/8 and 172.16.0.0/12 has no effect for 2 workloads of `shop`: another rule allows them
          about: NetworkPolicy shop/internet
          at t.yaml:22:11: `10.0.0.0/8` withheld here
          at t.yaml:23:11: `172.16.0.0/12` withheld here
          at t.yaml:31:5: `{}` allowed here in `other`: without `to`, every address
          evidence: shop/Pod/web -> ip:10.0.0.1:443/tcp ALLOWED: NetworkPolicy shop/other egress rule 1 allows it [t.yaml:31:5]
          evidence: shop/Pod/web -> ip:172.16.0.1:443/tcp ALLOWED: NetworkPolicy shop/other egress rule 1 allows it [t.yaml:31:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]],
    );
}

// The address of one cloud, unless somebody says that it is this one.
#[test]
fn clouds_decide_how_bad_it_is() {
    let yaml = beside("  - {}\n").replace("169.254.169.254/32", "100.64.0.0/10");
    check(
        &yaml,
        expect![[r#"
        warning[WT202] the `except` of 100.64.0.0/10 does not keep 2 workloads of `shop` from the metadata address 100.100.100.200 of Alibaba Cloud: another rule allows it
          about: NetworkPolicy shop/internet
          at t.yaml:23:11: `100.64.0.0/10` withheld here
          at t.yaml:31:5: `{}` allowed here in `other`: without `to`, every address
          evidence: shop/Pod/web -> ip:100.100.100.200:80/tcp ALLOWED: NetworkPolicy shop/other egress rule 1 allows it [t.yaml:31:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]],
    );
    let on = |cloud| findings_on(&RULE, &yaml, "reference", &[cloud]);
    expect![[r#"
        error[WT202] the `except` of 100.64.0.0/10 does not keep 2 workloads of `shop` from the metadata address 100.100.100.200 of Alibaba Cloud: another rule allows it
          about: NetworkPolicy shop/internet
          at t.yaml:23:11: `100.64.0.0/10` withheld here
          at t.yaml:31:5: `{}` allowed here in `other`: without `to`, every address
          evidence: shop/Pod/web -> ip:100.100.100.200:80/tcp ALLOWED: NetworkPolicy shop/other egress rule 1 allows it [t.yaml:31:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]].assert_eq(&on(Cloud::Alibaba));
    expect![[r#"
        note[WT202] the `except` of 10.0.0.0/8 and 100.64.0.0/10 has no effect for 2 workloads of `shop`: another rule allows them
          about: NetworkPolicy shop/internet
          at t.yaml:22:11: `10.0.0.0/8` withheld here
          at t.yaml:23:11: `100.64.0.0/10` withheld here
          at t.yaml:31:5: `{}` allowed here in `other`: without `to`, every address
          evidence: shop/Pod/web -> ip:10.0.0.1:443/tcp ALLOWED: NetworkPolicy shop/other egress rule 1 allows it [t.yaml:31:5]
          evidence: shop/Pod/web -> ip:100.64.0.1:443/tcp ALLOWED: NetworkPolicy shop/other egress rule 1 allows it [t.yaml:31:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]].assert_eq(&on(Cloud::Azure));
}

// X-6
#[test]
fn ipv6_excepts_are_undone_as_well() {
    let yaml = beside("  - to: [{ipBlock: {cidr: 'fd00::/8'}}]\n")
        .replace("0.0.0.0/0", "'::/0'")
        .replace("10.0.0.0/8", "fd00:ec2::254/128")
        .replace("169.254.169.254/32", "fd12::/16");
    let found = findings_on(&RULE, &yaml, "reference", &[Cloud::Aws]);
    expect![[r#"
        error[WT202] the `except` of fd00:ec2::254/128 does not keep 2 workloads of `shop` from the metadata address fd00:ec2::254 of AWS: another rule allows it
          about: NetworkPolicy shop/internet
          at t.yaml:22:11: `fd00:ec2::254/128` withheld here
          at t.yaml:31:27: `'fd00::/8'` allowed here in `other`
          evidence: shop/Pod/web -> ip:fd00:ec2::254:80/tcp ALLOWED: NetworkPolicy shop/other egress rule 1 allows it [t.yaml:31:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]].assert_eq(&found);
}

#[test]
fn ingress_has_excepts_too() {
    let ingress = [
        policy(
            "outside",
            "  ingress:\n  - from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]\n",
        ),
        policy("all", "  ingress:\n  - {}\n"),
    ];
    check(
        &shop(&ingress),
        expect![[r#"
        note[WT202] the `except` of 10.0.0.0/8 has no effect for 2 workloads of `shop`: another rule allows it
          about: NetworkPolicy shop/outside
          at t.yaml:18:49: `10.0.0.0/8` withheld here
          at t.yaml:26:5: `{}` allowed here in `all`: without `from`, every address
          evidence: ip:10.0.0.1 -> shop/Pod/web:443/tcp ALLOWED: NetworkPolicy shop/all ingress rule 1 allows it [t.yaml:26:5]
          note: workloads: `shop/Pod/db` and `shop/Pod/web`
          why: K-64 X-2 K-15
          fix: withhold the range in the other rule too, or give that rule narrower peers
    "#]],
    );
}
