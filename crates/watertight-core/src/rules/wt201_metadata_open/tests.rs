use expect_test::{Expect, expect};

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

/// A namespace with one workload and policies.
fn shop(policies: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Namespace
metadata: {{name: shop}}
---
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

fn egress(rules: &str) -> String {
    shop(&policy(
        "web",
        &format!("  policyTypes: [Egress]\n  egress:\n{rules}"),
    ))
}

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

fn check_on(clouds: &[Cloud], yaml: &str, expected: Expect) {
    expected.assert_eq(&findings_on(&RULE, yaml, "reference", clouds));
}

// X-3, K-6
#[test]
fn a_namespace_without_egress_isolation() {
    check(
        &shop(""),
        expect![[r#"
        error[WT201] `shop/Deployment/web` can reach the metadata service 169.254.169.254 and 14 other metadata addresses: no policy isolates it for egress
          about: Namespace shop
          at t.yaml:4:18: `shop` 
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
          evidence: shop/Deployment/web -> ip:fd00:ec2::254:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
          evidence: shop/Deployment/web -> ip:168.63.129.16:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: X-3 K-6
          fix: add a policy that leaves egress open but for the metadata addresses, and narrow it afterwards
            | # GKE with Cloud DNS resolves names at 169.254.169.254: allow port 53 to it.
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: no-metadata
            |   namespace: shop
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - ipBlock:
            |         cidr: "0.0.0.0/0"
            |         except:
            |         - "100.100.100.200/32"
            |         - "168.63.129.16/32"
            |         - "169.254.0.23/32"
            |         - "169.254.42.42/32"
            |         - "169.254.169.252/32"
            |         - "169.254.169.254/32"
            |         - "169.254.170.2/32"
            |         - "192.0.0.192/32"
            |     - ipBlock:
            |         cidr: "::/0"
            |         except:
            |         - "fd00:42::42/128"
            |         - "fd00:c1::a9fe:a9fe/128"
            |         - "fd00:ec2::254/128"
            |         - "fd00:a9fe:a9fe::1/128"
            |         - "fd20:ce::254/128"
    "#]],
    );
    // The fix is itself a policy that this rule is content with.
    let found = findings_on(&RULE, &shop(""), "reference", &[Cloud::Aws, Cloud::Gcp]);
    let manifest: Vec<&str> = found
        .lines()
        .filter_map(|line| line.strip_prefix("    | "))
        .collect();
    let fixed = shop(&format!("---\n{}\n", manifest.join("\n")));
    assert!(fixed.contains("169.254.169.254/32"));
    expect![[""]].assert_eq(&findings_on(
        &RULE,
        &fixed,
        "reference",
        &[Cloud::Aws, Cloud::Gcp],
    ));
}

// X-3, K-8
#[test]
fn a_policy_for_ingress_does_not_help() {
    let yaml = shop(&policy("web", "  policyTypes: [Ingress]\n"));
    check_on(
        &[Cloud::Aws],
        &yaml,
        expect![[r#"
        error[WT201] `shop/Deployment/web` can reach the metadata service 169.254.169.254 and 4 other metadata addresses: no policy isolates it for egress
          about: Namespace shop
          at t.yaml:4:18: `shop` 
          at t.yaml:20:16: `[Ingress]` `web` isolates for ingress only
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
          evidence: shop/Deployment/web -> ip:fd00:ec2::254:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
          why: X-3 K-6
          fix: add a policy that leaves egress open but for the metadata addresses, and narrow it afterwards
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: no-metadata
            |   namespace: shop
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - ipBlock:
            |         cidr: "0.0.0.0/0"
            |         except:
            |         - "169.254.169.254/32"
            |         - "169.254.170.2/32"
            |     - ipBlock:
            |         cidr: "::/0"
            |         except:
            |         - "fd00:ec2::254/128"
    "#]],
    );
}

// K-15: beside another policy, a policy that closes only metadata would open the rest.
#[test]
fn where_others_are_isolated_the_fix_is_advice() {
    let yaml = shop(&format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: db, namespace: shop, labels: {{app: db}}}}
spec: {{containers: [{{name: c, image: i}}]}}
{}",
        policy("db", "  policyTypes: [Egress]\n").replace("{}", "{matchLabels: {app: db}}")
    ));
    check_on(
        &[Cloud::Azure],
        &yaml,
        expect![[r#"
            error[WT201] `shop/Deployment/web` can reach the metadata service 169.254.169.254 and 1 other metadata address: no policy isolates it for egress
              about: Namespace shop
              at t.yaml:4:18: `shop` 
              evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
              evidence: shop/Deployment/web -> ip:168.63.129.16:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
              why: X-3 K-6
              fix: isolate the pods for egress and allow only what they need, as WT102 says
        "#]],
    );
}

#[test]
fn system_namespaces_without_isolation_are_not_reported() {
    let yaml = shop("").replace("shop", "kube-system");
    check(&yaml, expect![[""]]);
}

#[test]
fn a_default_deny_is_silent() {
    check(
        &shop(&policy("deny", "  policyTypes: [Ingress, Egress]\n")),
        expect![[""]],
    );
}

// K-20, X-2
#[test]
fn a_rule_without_peers_is_for_every_address() {
    check(
        &egress("  - {}\n"),
        expect![[r#"
        error[WT201] `shop/Deployment/web` can reach the metadata service 169.254.169.254 and 14 other metadata addresses
          about: NetworkPolicy shop/web
          at t.yaml:22:5: `{}` no `to`: every address
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
          evidence: shop/Deployment/web -> ip:fd00:ec2::254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
          evidence: shop/Deployment/web -> ip:168.63.129.16:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: K-20 X-2
          fix: give the rule a `to` with the peers that it is for, and leave the metadata addresses out of its blocks with `except`
    "#]],
    );
    check(
        &egress("  - ports: [{port: 5432}, {port: 53}]\n"),
        expect![[""]],
    );
}

// X-1, K-63
#[test]
fn a_block_without_except() {
    check(
        &egress(
            "  - to:\n    - ipBlock: {cidr: 0.0.0.0/0}\n    ports: [{port: 80}, {port: 443}]\n",
        ),
        expect![[r#"
            error[WT201] `shop/Deployment/web` can reach the metadata service 169.254.169.254 and 7 other metadata addresses
              about: NetworkPolicy shop/web
              at t.yaml:23:23: `0.0.0.0/0` this block covers 169.254.169.254, 169.254.170.2 and 6 more
              evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
              evidence: shop/Deployment/web -> ip:168.63.129.16:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
              note: the addresses of all clouds are counted; `--cloud` narrows them
              why: X-1 X-2
              fix: withhold them with `except`: 100.100.100.200/32, 168.63.129.16/32, 169.254.0.23/32, 169.254.42.42/32, 169.254.169.254/32, 169.254.170.2/32, 192.0.0.192/32
        "#]],
    );
    check_on(
        &[Cloud::Aws],
        &egress("  - to:\n    - ipBlock: {cidr: 0.0.0.0/0}\n    - ipBlock: {cidr: '::/0'}\n"),
        expect![[r#"
            error[WT201] `shop/Deployment/web` can reach the metadata service 169.254.169.254 and 4 other metadata addresses
              about: NetworkPolicy shop/web
              at t.yaml:23:23: `0.0.0.0/0` this block covers 169.254.169.254, 169.254.170.2 and 169.254.170.23
              at t.yaml:24:23: `'::/0'` this block covers fd00:ec2::254 and fd00:ec2::23
              evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
              evidence: shop/Deployment/web -> ip:fd00:ec2::254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
              why: X-1 X-2
              fix: withhold them with `except`: 169.254.169.254/32, 169.254.170.2/32, fd00:ec2::254/128
                t.yaml:23:32: "" => ", except: [169.254.169.254/32, 169.254.170.2/32]"
                t.yaml:24:29: "" => ", except: ['fd00:ec2::254/128']"
        "#]],
    );
}

// Only IBM serves metadata on 443: a note unless the cloud is named.
#[test]
fn unusual_ports_weigh_less() {
    let yaml = egress("  - to:\n    - ipBlock: {cidr: 0.0.0.0/0}\n    ports: [{port: 443}]\n");
    check(
        &yaml,
        expect![[r#"
            note[WT201] `shop/Deployment/web` can reach port 443 of the metadata address 169.254.169.254 of IBM Cloud
              about: NetworkPolicy shop/web
              at t.yaml:23:23: `0.0.0.0/0` this block covers 169.254.169.254
              evidence: shop/Deployment/web -> ip:169.254.169.254:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
              note: the addresses of all clouds are counted; `--cloud` narrows them
              why: X-1 X-2
              fix: withhold them with `except`: 169.254.169.254/32
        "#]],
    );
    check_on(
        &[Cloud::Ibm],
        &yaml,
        expect![[r#"
        error[WT201] `shop/Deployment/web` can reach port 443 of the metadata address 169.254.169.254 of IBM Cloud
          about: NetworkPolicy shop/web
          at t.yaml:23:23: `0.0.0.0/0` this block covers 169.254.169.254
          evidence: shop/Deployment/web -> ip:169.254.169.254:443/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
          why: X-1 X-2
          fix: withhold them with `except`: 169.254.169.254/32
            t.yaml:23:32: "" => ", except: [169.254.169.254/32]"
    "#]],
    );
    check_on(&[Cloud::Aws], &yaml, expect![[""]]);
}

#[test]
fn port_53_is_no_credential() {
    check(
        &egress("  - ports: [{port: 53}, {port: 53, protocol: UDP}]\n"),
        expect![[""]],
    );
}

// X-5: the block of the task endpoints does not hold 169.254.169.254.
#[test]
fn blocks_are_read_exactly() {
    let yaml = egress("  - to:\n    - ipBlock: {cidr: 169.254.170.0/23}\n");
    check_on(
        &[Cloud::Aws],
        &yaml,
        expect![[r#"
            warning[WT201] `shop/Deployment/web` can reach the metadata address 169.254.170.2 of AWS and 1 other metadata address
              about: NetworkPolicy shop/web
              at t.yaml:23:23: `169.254.170.0/23` this block covers 169.254.170.2 and 169.254.170.23
              evidence: shop/Deployment/web -> ip:169.254.170.2:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
              why: X-1 X-2
              fix: withhold them with `except`: 169.254.170.2/32
                t.yaml:23:39: "" => ", except: [169.254.170.2/32]"
        "#]],
    );
    check_on(&[Cloud::Gcp], &yaml, expect![[""]]);
}

// X-2
#[test]
fn other_rules_that_admit_it_are_named() {
    let policies = [
        policy("a", "  egress:\n  - ports: [{port: 80}]\n"),
        policy(
            "b",
            "  egress:\n  - to: [{ipBlock: {cidr: 169.254.0.0/16}}]\n",
        ),
    ];
    check_on(
        &[Cloud::Hetzner],
        &shop(&policies.concat()),
        expect![[r#"
        error[WT201] `shop/Deployment/web` can reach the metadata service 169.254.169.254
          about: NetworkPolicy shop/a
          at t.yaml:21:5: `ports: [{port: 80}]` no `to`: every address
          at t.yaml:29:27: `169.254.0.0/16` NetworkPolicy shop/b egress rule 1 admits 169.254.169.254 as well
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/a egress rule 1 allows it [t.yaml:21:5]
          why: K-20 X-2
          fix: give the rule a `to` with the peers that it is for, and leave the metadata addresses out of its blocks with `except`
    "#]],
    );
}

// WT204 and WT206 speak about these.
#[test]
fn what_other_rules_report_is_left_to_them() {
    check(
        &egress(
            "  - to:
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}
    - ipBlock: {cidr: '::/0'}
",
        ),
        expect![[""]],
    );
}

#[test]
fn a_block_of_one_address_was_written_on_purpose() {
    let imds = egress("  - to: [{ipBlock: {cidr: 169.254.169.254/32}}]\n    ports: [{port: 80}]\n");
    check_on(
        &[Cloud::Gcp],
        &imds,
        expect![[r#"
        warning[WT201] `shop/Deployment/web` can reach the metadata service 169.254.169.254
          about: NetworkPolicy shop/web
          at t.yaml:22:27: `169.254.169.254/32` this block covers 169.254.169.254
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
          note: a block for exactly one address looks intended: if the pods need it, as for Workload Identity on GKE, suppress this with that reason
          why: X-1 X-2
          fix: remove the block, or apply the policy only to pods that need it
    "#]],
    );
    let own = egress("  - to: [{ipBlock: {cidr: 169.254.170.23/32}}]\n");
    check_on(
        &[Cloud::Aws],
        &own,
        expect![[r#"
            note[WT201] `shop/Deployment/web` can reach EKS Pod Identity at 169.254.170.23
              about: NetworkPolicy shop/web
              at t.yaml:22:27: `169.254.170.23/32` this block covers 169.254.170.23
              evidence: shop/Deployment/web -> ip:169.254.170.23:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:22:5]
              note: it answers with the credentials of the pod's own service account
              why: X-1 X-2
        "#]],
    );
}

// K-68, X-6: pods that are known to have IPv4 only reach no IPv6 address; fe80:: is never reported.
#[test]
fn ipv6_counts_for_pods_that_have_it() {
    let pods = |ips: &str| {
        format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: web-0, namespace: shop}}
spec: {{containers: [{{name: c, image: i}}]}}
status: {{phase: Running, podIP: 10.0.0.1, podIPs: [{ips}]}}
{}",
            policy(
                "web",
                "  egress:\n  - to: [{ipBlock: {cidr: '::/0'}}]\n    ports: [{port: 80}]\n"
            )
        )
    };
    check(&pods("{ip: 10.0.0.1}"), expect![[""]]);
    check(
        &pods("{ip: 10.0.0.1}, {ip: 'fd01::1'}"),
        expect![[r#"
        warning[WT201] `shop/Pod/web-0` can reach the metadata address fd00:ec2::254 of AWS and 5 other metadata addresses
          about: NetworkPolicy shop/web
          at t.yaml:14:27: `'::/0'` this block covers fd00:ec2::254, fd20:ce::254 and 4 more
          evidence: shop/Pod/web-0 -> ip:fd00:ec2::254:80/tcp ALLOWED: NetworkPolicy shop/web egress rule 1 allows it [t.yaml:14:5]
          note: the addresses of all clouds are counted; `--cloud` narrows them
          why: X-1 X-2
          fix: withhold them with `except`: fd00:42::42/128, fd00:c1::a9fe:a9fe/128, fd00:ec2::254/128, fd00:a9fe:a9fe::1/128, fd20:ce::254/128
    "#]],
    );
    check_on(
        &[Cloud::OpenStack],
        &pods("{ip: 10.0.0.1}, {ip: 'fd01::1'}"),
        expect![[""]],
    );
}

// D-11
#[test]
fn an_engine_that_enforces_nothing_is_not_a_finding_of_each_namespace() {
    let found = findings_on(&RULE, &shop(""), "flannel", Cloud::all());
    expect![[""]].assert_eq(&found);
}

// D-3: where blocks reach neither pods nor nodes, a policy of blocks would cut the cluster off.
#[test]
fn the_manifest_is_offered_only_where_it_changes_nothing_else() {
    let found = findings_on(&RULE, &shop(""), "cilium", &[Cloud::Azure]);
    expect![[r#"
        error[WT201] `shop/Deployment/web` can reach the metadata service 169.254.169.254 and 1 other metadata address: no policy isolates it for egress
          about: Namespace shop
          at t.yaml:4:18: `shop` 
          evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
          evidence: shop/Deployment/web -> ip:168.63.129.16:80/tcp ALLOWED: no policy isolates shop/Deployment/web for egress
          why: X-3 K-6
          fix: isolate the pods for egress and allow only what they need, as WT102 says
    "#]].assert_eq(&found);
}
