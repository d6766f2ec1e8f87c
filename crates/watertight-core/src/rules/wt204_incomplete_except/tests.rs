use expect_test::{Expect, expect};

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

fn shop(policies: &str) -> String {
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
{policies}"
    )
}

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

fn check(rules: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, &shop(&policy("web", rules))));
}

fn check_on(clouds: &[Cloud], rules: &str, expected: Expect) {
    let yaml = shop(&policy("web", rules));
    expected.assert_eq(&findings_on(&RULE, &yaml, "reference", clouds));
}

const USUAL: &str = "  - to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
        - 10.0.0.0/8
        - 172.16.0.0/12
        - 192.168.0.0/16
        - 169.254.169.254/32 # metadata
";

// X-4, K-63
#[test]
fn the_best_known_address_is_not_the_only_one() {
    check(
        USUAL,
        expect![[r#"
        warning[WT204] `shop/Deployment/web` can reach 7 metadata addresses that the `except` misses: 169.254.170.2 (AWS), 169.254.169.252 (Google Cloud) and 5 more
          about: NetworkPolicy shop/web
          at t.yaml:22:11: `10.0.0.0/8` the list misses 169.254.170.2, 169.254.169.252 and 5 more
          evidence: shop/Deployment/web -> ip:169.254.170.2:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          evidence: shop/Deployment/web -> ip:168.63.129.16:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-63 X-1 X-4
          fix: add to `except`: 100.100.100.200/32, 168.63.129.16/32, 169.254.0.23/32, 169.254.42.42/32, 169.254.169.252/32, 169.254.170.2/32, 192.0.0.192/32
            t.yaml:25:40: "" => "\n        - 100.100.100.200/32\n        - 168.63.129.16/32\n        - 169.254.0.23/32\n        - 169.254.42.42/32\n        - 169.254.169.252/32\n        - 169.254.170.2/32\n        - 192.0.0.192/32"
    "#]],
    );
    check_on(
        &[Cloud::Azure],
        USUAL,
        expect![[r#"
        error[WT204] `shop/Deployment/web` can reach a metadata address that the `except` misses: 168.63.129.16 (Azure)
          about: NetworkPolicy shop/web
          at t.yaml:22:11: `10.0.0.0/8` the list misses 168.63.129.16
          evidence: shop/Deployment/web -> ip:168.63.129.16:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          why: K-63 X-1 X-4
          fix: add to `except`: 168.63.129.16/32
            t.yaml:25:40: "" => "\n        - 168.63.129.16/32"
    "#]],
    );
    check_on(&[Cloud::Hetzner], USUAL, expect![[""]]);
}

// All of link-local is more than enough on AWS, and not on Azure or Alibaba Cloud.
#[test]
fn link_local_as_a_whole() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}}]\n";
    check_on(&[Cloud::Aws], rules, expect![[""]]);
    check_on(
        &[Cloud::Azure, Cloud::Alibaba],
        rules,
        expect![[r#"
        error[WT204] `shop/Deployment/web` can reach 2 metadata addresses that the `except` misses: 168.63.129.16 (Azure) and 100.100.100.200 (Alibaba Cloud)
          about: NetworkPolicy shop/web
          at t.yaml:18:47: `169.254.0.0/16` the list misses 168.63.129.16 and 100.100.100.200
          evidence: shop/Deployment/web -> ip:168.63.129.16:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          why: K-63 X-1 X-4
          fix: add to `except`: 100.100.100.200/32, 168.63.129.16/32
            t.yaml:18:61: "" => ", 100.100.100.200/32, 168.63.129.16/32"
    "#]],
    );
}

// X-5
#[test]
fn the_task_endpoints_are_not_the_metadata_service() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.170.0/23]}}]\n";
    check(
        rules,
        expect![[r#"
        error[WT204] `shop/Deployment/web` can reach 7 metadata addresses that the `except` misses: 169.254.169.254 (AWS, Google Cloud and 12 more), 169.254.169.252 (Google Cloud) and 5 more
          about: NetworkPolicy shop/web
          at t.yaml:18:47: `169.254.170.0/23` the list misses 169.254.169.254, 169.254.169.252 and 5 more
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          evidence: shop/Deployment/web -> ip:168.63.129.16:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-63 X-1 X-4
          fix: add to `except`: 100.100.100.200/32, 168.63.129.16/32, 169.254.0.23/32, 169.254.42.42/32, 169.254.169.252/32, 169.254.169.254/32, 192.0.0.192/32
    "#]],
    );
    check_on(
        &[Cloud::Aws],
        rules,
        expect![[r#"
        error[WT204] `shop/Deployment/web` can reach a metadata address that the `except` misses: 169.254.169.254 (AWS)
          about: NetworkPolicy shop/web
          at t.yaml:18:47: `169.254.170.0/23` the list misses 169.254.169.254
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          why: K-63 X-1 X-4
          fix: add to `except`: 169.254.169.254/32
            t.yaml:18:63: "" => ", 169.254.169.254/32"
    "#]],
    );
}

// X-6: both families of one rule are one finding.
#[test]
fn ipv6_has_a_list_of_its_own() {
    let rules = "  - to:
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32, 168.63.129.16/32]}
    - ipBlock:
        cidr: ::/0
        except:
        - \"fd00:ec2::254/128\"
";
    check_on(
        &[Cloud::Aws, Cloud::Oracle],
        rules,
        expect![[r#"
        error[WT204] `shop/Deployment/web` can reach 3 metadata addresses that the `except` misses: 169.254.170.2 (AWS), fd00:c1::a9fe:a9fe (Oracle Cloud) and 192.0.0.192 (Oracle Cloud)
          about: NetworkPolicy shop/web
          at t.yaml:19:43: `169.254.169.254/32` the list misses 169.254.170.2 and 192.0.0.192
          at t.yaml:23:11: `"fd00:ec2::254/128"` the list misses fd00:c1::a9fe:a9fe
          evidence: shop/Deployment/web -> ip:169.254.170.2:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          evidence: shop/Deployment/web -> ip:fd00:c1::a9fe:a9fe:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          evidence: shop/Deployment/web -> ip:192.0.0.192:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          why: K-63 X-1 X-4 X-6
          fix: add to `except`: 169.254.170.2/32, 192.0.0.192/32, fd00:c1::a9fe:a9fe/128
            t.yaml:19:79: "" => ", 169.254.170.2/32, 192.0.0.192/32"
            t.yaml:23:30: "" => "\n        - \"fd00:c1::a9fe:a9fe/128\""
    "#]],
    );
    let all = "  - to: [{ipBlock: {cidr: '::/0', except: ['fc00::/7']}}]\n";
    check(all, expect![[""]]);
}

// It would cut credentials that the workload is meant to use.
#[test]
fn pod_identity_is_not_missed() {
    let rules = "  - to:
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32, 169.254.170.2/32]}
    - ipBlock: {cidr: '::/0', except: ['fd00:ec2::254/128']}
";
    check_on(&[Cloud::Aws], rules, expect![[""]]);
}

#[test]
fn only_ports_that_answer_count() {
    let on = |port: u16| USUAL.to_owned() + &format!("    ports: [{{port: {port}}}]\n");
    check(&on(443), expect![[""]]);
    check(&on(53), expect![[""]]);
    check(
        &on(988),
        expect![[r#"
        note[WT204] `shop/Deployment/web` can reach a metadata address that the `except` misses: 169.254.169.252 (Google Cloud)
          about: NetworkPolicy shop/web
          at t.yaml:22:11: `10.0.0.0/8` the list misses 169.254.169.252
          evidence: shop/Deployment/web -> ip:169.254.169.252:988/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-63 X-1 X-4
          fix: add to `except`: 169.254.169.252/32
            t.yaml:25:40: "" => "\n        - 169.254.169.252/32"
    "#]],
    );
}

// WT201 and WT206 speak about these.
#[test]
fn blocks_without_except_are_left_to_others() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0'}}]\n";
    check(rules, expect![[""]]);
    let private = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]\n";
    check(private, expect![[""]]);
}

// X-2: while an earlier rule opens everything, WT201 and WT202 say so; the list is not the cause.
#[test]
fn a_rule_that_does_not_decide_is_not_the_cause() {
    let yaml = shop(&[policy("a", "  - {}\n"), policy("b", USUAL)].concat());
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// X-4: the shared address may be the resolver of GKE, so nothing is edited.
#[test]
fn on_gke_the_shared_address_takes_a_person() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [168.63.129.16/32]}}]\n";
    check_on(
        &[Cloud::Gcp],
        rules,
        expect![[r#"
        error[WT204] `shop/Deployment/web` can reach 2 metadata addresses that the `except` misses: 169.254.169.254 (Google Cloud) and 169.254.169.252 (Google Cloud)
          about: NetworkPolicy shop/web
          at t.yaml:18:47: `168.63.129.16/32` the list misses 169.254.169.254 and 169.254.169.252
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          why: K-63 X-1 X-4
          fix: add to `except`: 169.254.169.252/32, 169.254.169.254/32
    "#]],
    );
    check_on(
        &[Cloud::Hetzner],
        rules,
        expect![[r#"
        error[WT204] `shop/Deployment/web` can reach a metadata address that the `except` misses: 169.254.169.254 (Hetzner Cloud)
          about: NetworkPolicy shop/web
          at t.yaml:18:47: `168.63.129.16/32` the list misses 169.254.169.254
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:18:5]
          why: K-63 X-1 X-4
          fix: add to `except`: 169.254.169.254/32
            t.yaml:18:63: "" => ", 169.254.169.254/32"
    "#]],
    );
}

#[test]
fn pods_without_ipv6_reach_no_ipv6_address() {
    let yaml = format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: web-0, namespace: shop}}
spec: {{containers: [{{name: c, image: i}}]}}
status: {{phase: Running, podIP: 10.0.0.1}}
{}",
        policy(
            "web",
            "  - to: [{ipBlock: {cidr: '::/0', except: ['fd00:ec2::254/128']}}]\n"
        )
    );
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}
