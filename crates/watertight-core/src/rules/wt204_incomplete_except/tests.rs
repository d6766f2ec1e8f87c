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
    check(USUAL, expect![[""]]);
    check_on(&[Cloud::Azure], USUAL, expect![[""]]);
    check_on(&[Cloud::Hetzner], USUAL, expect![[""]]);
}

// All of link-local is more than enough on AWS, and not on Azure or Alibaba Cloud.
#[test]
fn link_local_as_a_whole() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}}]\n";
    check_on(&[Cloud::Aws], rules, expect![[""]]);
    check_on(&[Cloud::Azure, Cloud::Alibaba], rules, expect![[""]]);
}

//
#[test]
fn the_task_endpoints_are_not_the_metadata_service() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.170.0/23]}}]\n";
    check(rules, expect![[""]]);
    check_on(&[Cloud::Aws], rules, expect![[""]]);
}

// both families of one rule are one finding.
#[test]
fn ipv6_has_a_list_of_its_own() {
    let rules = "  - to:
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32, 168.63.129.16/32]}
    - ipBlock:
        cidr: ::/0
        except:
        - \"fd00:ec2::254/128\"
";
    check_on(&[Cloud::Aws, Cloud::Oracle], rules, expect![[""]]);
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
    check(&on(988), expect![[""]]);
}

// WT201 and WT206 speak about these.
#[test]
fn blocks_without_except_are_left_to_others() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0'}}]\n";
    check(rules, expect![[""]]);
    let private = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]\n";
    check(private, expect![[""]]);
}

// while an earlier rule opens everything, WT201 and WT202 say so; the list is not the cause.
#[test]
fn a_rule_that_does_not_decide_is_not_the_cause() {
    let yaml = shop(&[policy("a", "  - {}\n"), policy("b", USUAL)].concat());
    expect![[""]].assert_eq(&findings(&RULE, &yaml));
}

// the shared address may be the resolver of GKE, so nothing is edited.
#[test]
fn on_gke_the_shared_address_takes_a_person() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [168.63.129.16/32]}}]\n";
    check_on(&[Cloud::Gcp], rules, expect![[""]]);
    check_on(&[Cloud::Hetzner], rules, expect![[""]]);
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
