use expect_test::{Expect, expect};

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

/// A pod under policy in one namespace, an open pod in another, both with addresses.
fn world(rest: &str) -> String {
    let pod = |namespace: &str, name: &str, ip: &str| {
        format!(
            "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec:
  nodeName: n1
  containers: [{{name: c, image: i, ports: [{{name: sql, containerPort: 5432}}]}}]
status: {{phase: Running, podIP: {ip}, podIPs: [{{ip: {ip}}}]}}
"
        )
    };
    let node = |name: &str, ip: &str| {
        format!(
            "---
apiVersion: v1
kind: Node
metadata: {{name: {name}}}
status: {{addresses: [{{type: InternalIP, address: {ip}}}]}}
"
        )
    };
    [
        pod("shop", "web", "10.1.0.1"),
        pod("bank", "ledger", "10.1.0.2"),
        node("n1", "192.168.0.1"),
        node("n2", "192.168.0.2"),
        rest.to_owned(),
    ]
    .concat()
}

fn policy(spec: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: shop}}
spec:
  podSelector: {{}}
{spec}"
    )
}

fn egress(rules: &str) -> String {
    world(&policy(&format!(
        "  policyTypes: [Egress]\n  egress:\n{rules}"
    )))
}

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

// K-65, K-70
#[test]
fn pods_and_nodes_are_in_it() {
    check(
        &egress("  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n"),
        expect![[r#"
        warning[WT205] `0.0.0.0/0` is more than the Internet: `shop/Pod/web` can reach pods of other namespaces, nodes and private networks
          about: NetworkPolicy shop/web
          at t.yaml:35:27: `0.0.0.0/0` 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 are in it
          evidence: shop/Pod/web -> bank/Pod/ledger:5432/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          evidence: shop/Pod/web -> node:n2:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          why: K-65 K-70 X-1
          fix: add 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]],
    );
}

#[test]
fn the_port_shown_is_one_of_the_rule() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n    ports: [{port: 8443}]\n";
    check(
        &egress(rules),
        expect![[r#"
        warning[WT205] `0.0.0.0/0` is more than the Internet: `shop/Pod/web` can reach pods of other namespaces, nodes and private networks
          about: NetworkPolicy shop/web
          at t.yaml:35:27: `0.0.0.0/0` 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 are in it
          evidence: shop/Pod/web -> bank/Pod/ledger:8443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          evidence: shop/Pod/web -> node:n2:8443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          why: K-65 K-70 X-1
          fix: add 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]],
    );
    // K-59: a name can only mean the ports of pods.
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n    ports: [{port: sql}]\n";
    check(
        &egress(rules),
        expect![[r#"
        warning[WT205] `0.0.0.0/0` is more than the Internet: `shop/Pod/web` can reach pods of other namespaces
          about: NetworkPolicy shop/web
          at t.yaml:35:27: `0.0.0.0/0` 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 are in it
          evidence: shop/Pod/web -> bank/Pod/ledger:5432/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          why: K-65 K-70 X-1
          fix: add 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]],
    );
}

#[test]
fn halves_of_a_family_are_blocks_for_everywhere() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/1}}, {ipBlock: {cidr: 128.0.0.0/1}}]\n";
    check(
        &egress(rules),
        expect![[r#"
        warning[WT205] `0.0.0.0/1` is more than the Internet: `shop/Pod/web` can reach pods of other namespaces and private networks
          about: NetworkPolicy shop/web
          at t.yaml:35:27: `0.0.0.0/1` 10.0.0.0/8, 100.64.0.0/10 are in it
          evidence: shop/Pod/web -> bank/Pod/ledger:5432/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          evidence: shop/Pod/web -> ip:10.0.0.1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          why: K-65 K-70 X-1
          fix: add 10.0.0.0/8, 100.64.0.0/10 to `except`, and allow the pods and private addresses that are needed by rules of their own
        warning[WT205] `128.0.0.0/1` is more than the Internet: `shop/Pod/web` can reach nodes and private networks
          about: NetworkPolicy shop/web
          at t.yaml:35:57: `128.0.0.0/1` 172.16.0.0/12, 192.168.0.0/16 are in it
          evidence: shop/Pod/web -> node:n2:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          evidence: shop/Pod/web -> ip:172.16.0.1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          why: K-65 K-70 X-1
          fix: add 172.16.0.0/12, 192.168.0.0/16 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]],
    );
}

#[test]
fn complete_lists_are_silent() {
    let rules = "  - to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10]
    - ipBlock: {cidr: '2000::/3'}
";
    check(&egress(rules), expect![[""]]);
}

// 100.64.0.0/10 alone is not worth a word, unless pods are in it.
#[test]
fn shared_address_space_counts_where_it_is_used() {
    let rules = "  - to:
    - ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]}
";
    check(&egress(rules), expect![[""]]);
    let moved = egress(rules).replace("10.1.0.2", "100.64.1.2");
    check(
        &moved,
        expect![[r#"
        warning[WT205] `0.0.0.0/0` is more than the Internet: `shop/Pod/web` can reach pods of other namespaces and private networks
          about: NetworkPolicy shop/web
          at t.yaml:36:23: `0.0.0.0/0` 100.64.0.0/10 is in it
          evidence: shop/Pod/web -> bank/Pod/ledger:5432/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          evidence: shop/Pod/web -> ip:100.64.0.1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          why: K-65 K-70 X-1
          fix: add 100.64.0.0/10 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]],
    );
}

// What is left is no pod and no node of this cluster.
#[test]
fn a_partial_list_is_a_note() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16]}}]\n";
    check(
        &egress(rules),
        expect![[r#"
        note[WT205] `0.0.0.0/0` is more than the Internet: `shop/Pod/web` can reach private networks
          about: NetworkPolicy shop/web
          at t.yaml:35:27: `0.0.0.0/0` 172.16.0.0/12, 100.64.0.0/10 are in it
          evidence: shop/Pod/web -> ip:172.16.0.1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          why: K-65 K-70 X-1
          fix: add 172.16.0.0/12, 100.64.0.0/10 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]],
    );
    let pods = "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [192.168.0.0/16, 172.16.0.0/12]}}]\n";
    check(
        &egress(pods),
        expect![[r#"
        warning[WT205] `0.0.0.0/0` is more than the Internet: `shop/Pod/web` can reach pods of other namespaces and private networks
          about: NetworkPolicy shop/web
          at t.yaml:35:27: `0.0.0.0/0` 10.0.0.0/8, 100.64.0.0/10 are in it
          evidence: shop/Pod/web -> bank/Pod/ledger:5432/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          evidence: shop/Pod/web -> ip:10.0.0.1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          why: K-65 K-70 X-1
          fix: add 10.0.0.0/8, 100.64.0.0/10 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]],
    );
}

// Small blocks and selectors beside it say that the pods or addresses are meant.
#[test]
fn what_the_policy_allows_by_itself_is_meant() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]
  - to: [{namespaceSelector: {}}, {ipBlock: {cidr: 192.168.0.0/16}}]
";
    check(
        &egress(rules),
        expect![[r#"
        warning[WT205] `0.0.0.0/0` is more than the Internet: `shop/Pod/web` can reach private networks
          about: NetworkPolicy shop/web
          at t.yaml:35:27: `0.0.0.0/0` 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 are in it
          evidence: shop/Pod/web -> ip:10.0.0.1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          why: K-65 K-70 X-1
          fix: add 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]],
    );
}

// K-16: an isolated pod is not reached, so the block alone shows nothing but nodes.
#[test]
fn isolated_pods_are_not_shown() {
    let bank = policy("  policyTypes: [Ingress]\n").replace("shop", "bank");
    let shop = policy("  egress:\n  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n");
    check(
        &world(&[bank, shop].concat()),
        expect![[r#"
        warning[WT205] `0.0.0.0/0` is more than the Internet: `shop/Pod/web` can reach nodes and private networks
          about: NetworkPolicy shop/web
          at t.yaml:41:27: `0.0.0.0/0` 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 are in it
          evidence: shop/Pod/web -> node:n2:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:41:5]
          evidence: shop/Pod/web -> ip:10.0.0.1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:41:5]
          why: K-65 K-70 X-1
          fix: add 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]],
    );
}

#[test]
fn dns_rules_are_left_to_others() {
    let rules = "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n    ports: [{port: 53, protocol: UDP}]\n";
    check(&egress(rules), expect![[""]]);
}

// D-3
#[test]
fn engines_whose_blocks_match_no_pods() {
    let yaml = egress("  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n");
    let found = findings_on(&RULE, &yaml, "cilium", Cloud::all());
    expect![[r#"
        warning[WT205] `0.0.0.0/0` is more than the Internet: `shop/Pod/web` can reach private networks
          about: NetworkPolicy shop/web
          at t.yaml:35:27: `0.0.0.0/0` 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 are in it
          evidence: shop/Pod/web -> ip:10.0.0.1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:35:5]
          note: with Cilium a block matches no pods or nodes, so this is about machines beside the cluster
          why: K-65 K-70 X-1
          fix: add 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]].assert_eq(&found);
}

#[test]
fn on_ingress_it_is_a_note() {
    let rules = |block: &str| {
        world(&policy(&format!(
            "  ingress:\n  - from: [{{ipBlock: {block}}}]\n"
        )))
    };
    check(
        &rules("{cidr: 0.0.0.0/0}"),
        expect![[r#"
        note[WT205] `0.0.0.0/0` is more than the Internet: it admits pods of other namespaces to `shop/Pod/web`
          about: NetworkPolicy shop/web
          at t.yaml:34:29: `0.0.0.0/0` pods are in it
          evidence: bank/Pod/ledger -> shop/Pod/web:5432/tcp ALLOWED: NetworkPolicy shop/web ingress rule 1 allows it [t.yaml:34:5]
          why: K-65 K-70 X-1
          fix: leave it where everybody is meant; else withhold the pod range with `except`
    "#]],
    );
    check(
        &rules("{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}"),
        expect![[""]],
    );
}

// K-66: templates count as dual stack (M-1).
#[test]
fn ipv6_has_private_ranges_too() {
    let yaml = format!(
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
        policy("  egress:\n  - to: [{ipBlock: {cidr: '::/0'}}]\n")
    );
    check(
        &yaml,
        expect![[r#"
        warning[WT205] `::/0` is more than the Internet: `shop/Deployment/web` can reach private networks
          about: NetworkPolicy shop/web
          at t.yaml:17:27: `'::/0'` fc00::/7 is in it
          evidence: shop/Deployment/web -> ip:fd00::1:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:17:5]
          why: K-65 K-70 X-1
          fix: add fc00::/7 to `except`, and allow the pods and private addresses that are needed by rules of their own
    "#]],
    );
    // WT206 speaks about the second block.
    let both = yaml.replace(
        "{ipBlock: {cidr: '::/0'}}",
        "{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, \
         100.64.0.0/10]}}, {ipBlock: {cidr: '::/0'}}",
    );
    check(&both, expect![[""]]);
}
