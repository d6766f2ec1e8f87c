use expect_test::{Expect, expect};

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

fn policy(name: &str, rules: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  podSelector: {{}}
  policyTypes: [Egress]
  egress:
{rules}"
    )
}

fn template(rules: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: c, image: i}}]}}
{}",
        policy("web", rules)
    )
}

fn pod(ips: &str, rules: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: web-0, namespace: shop}}
spec: {{containers: [{{name: c, image: i}}]}}
status: {{phase: Running, podIP: 10.0.0.1, podIPs: [{ips}]}}
{}",
        policy("web", rules)
    )
}

const V4: &str = "{ip: 10.0.0.1}";
const BOTH: &str = "{ip: 10.0.0.1}, {ip: 'fd01::1'}";

const BARE: &str = "  - to:
    - ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 169.254.169.254/32]}
    - ipBlock:
        cidr: ::/0
";

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

// X-3, X-6
#[test]
fn a_bare_block_beside_one_with_exceptions() {
    check(
        &template(BARE),
        expect![[r#"
        warning[WT206] `::/0` has no `except` while `0.0.0.0/0` has one: over IPv6, `shop/Deployment/web` can reach the metadata address fd00:ec2::254 of AWS and 4 other metadata addresses, and private networks
          about: NetworkPolicy shop/web
          at t.yaml:21:15: `::/0` nothing is withheld here
          at t.yaml:19:43: `10.0.0.0/8` withheld for IPv4 only
          evidence: shop/Deployment/web -> ip:fd00:ec2::254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          evidence: shop/Deployment/web -> ip:fd00::1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp DENIED: NetworkPolicy shop/web isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:13:18]
          note: the addresses of all clouds are counted; `--cloud` narrows them
          note: pods without a known address count as having IPv6 (M-1)
          why: K-66 X-3 X-6
          fix: give the IPv6 block an `except` as well: fd00:42::42/128, fd00:c1::a9fe:a9fe/128, fd00:ec2::254/128, fd00:a9fe:a9fe::1/128, fd20:ce::254/128; and fc00::/7 unless pods need it
            t.yaml:21:19: "" => "\n        except:\n        - \"fd00:42::42/128\"\n        - \"fd00:c1::a9fe:a9fe/128\"\n        - \"fd00:ec2::254/128\"\n        - \"fd00:a9fe:a9fe::1/128\"\n        - \"fd20:ce::254/128\""
    "#]],
    );
    let on = |cloud| findings_on(&RULE, &pod(BOTH, BARE), "reference", &[cloud]);
    expect![[r#"
        error[WT206] `::/0` has no `except` while `0.0.0.0/0` has one: over IPv6, `shop/Pod/web-0` can reach the metadata address fd00:ec2::254 of AWS, and private networks
          about: NetworkPolicy shop/web
          at t.yaml:18:15: `::/0` nothing is withheld here
          at t.yaml:16:43: `10.0.0.0/8` withheld for IPv4 only
          evidence: shop/Pod/web-0 -> ip:fd00:ec2::254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:15:5]
          evidence: shop/Pod/web-0 -> ip:fd00::1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:15:5]
          evidence: shop/Pod/web-0 -> ip:169.254.169.254:80/tcp DENIED: NetworkPolicy shop/web isolates shop/Pod/web-0 for egress and none of its rules matches [t.yaml:10:18]
          why: K-66 X-3 X-6
          fix: give the IPv6 block an `except` as well: fd00:ec2::254/128; and fc00::/7 unless pods need it
            t.yaml:18:19: "" => "\n        except:\n        - \"fd00:ec2::254/128\""
    "#]].assert_eq(&on(Cloud::Aws));
    expect![[r#"
        warning[WT206] `::/0` has no `except` while `0.0.0.0/0` has one: over IPv6, `shop/Pod/web-0` can reach private networks
          about: NetworkPolicy shop/web
          at t.yaml:18:15: `::/0` nothing is withheld here
          at t.yaml:16:43: `10.0.0.0/8` withheld for IPv4 only
          evidence: shop/Pod/web-0 -> ip:fd00::1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:15:5]
          evidence: shop/Pod/web-0 -> ip:169.254.169.254:80/tcp DENIED: NetworkPolicy shop/web isolates shop/Pod/web-0 for egress and none of its rules matches [t.yaml:10:18]
          why: K-66 X-3 X-6
          fix: give the IPv6 block an `except` as well: fc00::/7 unless pods need it
    "#]].assert_eq(&on(Cloud::Azure));
}

#[test]
fn only_what_the_other_family_withholds_counts() {
    let metadata = BARE.replace("10.0.0.0/8, ", "");
    check(
        &pod(BOTH, &metadata),
        expect![[r#"
        warning[WT206] `::/0` has no `except` while `0.0.0.0/0` has one: over IPv6, `shop/Pod/web-0` can reach the metadata address fd00:ec2::254 of AWS and 4 other metadata addresses
          about: NetworkPolicy shop/web
          at t.yaml:18:15: `::/0` nothing is withheld here
          at t.yaml:16:43: `169.254.169.254/32` withheld for IPv4 only
          evidence: shop/Pod/web-0 -> ip:fd00:ec2::254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:15:5]
          evidence: shop/Pod/web-0 -> ip:169.254.169.254:80/tcp DENIED: NetworkPolicy shop/web isolates shop/Pod/web-0 for egress and none of its rules matches [t.yaml:10:18]
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-66 X-3 X-6
          fix: give the IPv6 block an `except` as well: fd00:42::42/128, fd00:c1::a9fe:a9fe/128, fd00:ec2::254/128, fd00:a9fe:a9fe::1/128, fd20:ce::254/128; and fc00::/7 unless pods need it
            t.yaml:18:19: "" => "\n        except:\n        - \"fd00:42::42/128\"\n        - \"fd00:c1::a9fe:a9fe/128\"\n        - \"fd00:ec2::254/128\"\n        - \"fd00:a9fe:a9fe::1/128\"\n        - \"fd20:ce::254/128\""
    "#]],
    );
    let other = BARE.replace("10.0.0.0/8, 169.254.169.254/32", "198.51.100.0/24");
    check(&pod(BOTH, &other), expect![[""]]);
    let closed = BARE.replace("cidr: ::/0", "cidr: ::/0\n        except: [\"fc00::/7\"]");
    check(&pod(BOTH, &closed), expect![[""]]);
}

// K-68
#[test]
fn pods_without_ipv6_are_not_concerned() {
    check(&pod(V4, BARE), expect![[""]]);
}

#[test]
fn ipv6_is_open_while_ipv4_is_limited() {
    let rules = "  - to: [{ipBlock: {cidr: 198.51.100.0/24}}]
  - to: [{ipBlock: {cidr: '::/0'}}]
    ports: [{port: 443}]
";
    check(
        &template(rules),
        expect![[r#"
            warning[WT206] `shop/Deployment/web` can reach the Internet over IPv6, while IPv4 is limited to some blocks
              about: NetworkPolicy shop/web
              at t.yaml:19:27: `'::/0'` all of IPv6 is open here
              at t.yaml:18:27: `198.51.100.0/24` IPv4 is limited here
              evidence: shop/Deployment/web -> ip:2001:db8::10:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 2 allows it [t.yaml:19:5]
              evidence: shop/Deployment/web -> ip:203.0.113.10:443/tcp DENIED: NetworkPolicy shop/web isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:13:18]
              note: pods without a known address count as having IPv6 (M-1)
              why: K-66 K-68
              fix: limit IPv6 to the addresses that the pods need, as for IPv4
        "#]],
    );
}

// K-67: a note where clients are known to have both families.
#[test]
fn one_family_is_closed() {
    let v4 = "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n    ports: [{port: 443}]\n";
    check(
        &pod(BOTH, v4),
        expect![[r#"
        note[WT206] `shop/Pod/web-0` can reach the Internet over IPv4 only: IPv6 is closed, clients may stall
          about: NetworkPolicy shop/web
          at t.yaml:15:27: `0.0.0.0/0` IPv4 alone
          evidence: shop/Pod/web-0 -> ip:203.0.113.10:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:15:5]
          evidence: shop/Pod/web-0 -> ip:2001:db8::10:443/tcp DENIED: NetworkPolicy shop/web isolates shop/Pod/web-0 for egress and none of its rules matches [t.yaml:10:18]
          why: K-66 K-68
          fix: add ::/0 without fc00::/7, if the Internet is meant over both families
    "#]],
    );
    check(&pod(V4, v4), expect![[""]]);
    check(&template(v4), expect![[""]]);
    let v6 = v4.replace("0.0.0.0/0", "'::/0'");
    check(
        &pod(BOTH, &v6),
        expect![[r#"
        note[WT206] `shop/Pod/web-0` can reach the Internet over IPv6 only: IPv4 is closed, clients may stall
          about: NetworkPolicy shop/web
          at t.yaml:15:27: `'::/0'` IPv6 alone
          evidence: shop/Pod/web-0 -> ip:2001:db8::10:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:15:5]
          evidence: shop/Pod/web-0 -> ip:203.0.113.10:443/tcp DENIED: NetworkPolicy shop/web isolates shop/Pod/web-0 for egress and none of its rules matches [t.yaml:10:18]
          why: K-66 K-68
          fix: add 0.0.0.0/0 without private and metadata addresses, if IPv4 is used
    "#]],
    );
    check(&template(&v6), expect![[""]]);
}

#[test]
fn both_or_none_is_silent() {
    for rules in [
        "  - {}\n",
        "  - ports: [{port: 443}]\n",
        "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0'}}]\n",
        "  - to: [{podSelector: {}}]\n",
        "  - to: [{ipBlock: {cidr: 198.51.100.0/24}}]\n",
        "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n    ports: [{port: 53, protocol: UDP}]\n",
    ] {
        check(&pod(BOTH, rules), expect![[""]]);
    }
}

// K-15: another policy opens the family that this one leaves out.
#[test]
fn policies_are_judged_together() {
    let v4 = "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n";
    let v6 = policy("v6", "  - to: [{ipBlock: {cidr: '::/0'}}]\n");
    check(&(pod(BOTH, v4) + &v6), expect![[""]]);
}
