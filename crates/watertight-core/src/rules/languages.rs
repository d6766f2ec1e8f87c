//! The rules about NetworkPolicies in clusters with policies of other languages.

use expect_test::expect;

use super::testing::findings_on;
use super::{
    Rule, wt101_ingress_not_isolated, wt102_egress_not_isolated, wt103_ingress_only_default_deny,
    wt201_metadata_open, wt301_dns_broken, wt302_dns_to_anyone, wt401_policy_selects_nothing,
    wt407_half_open, wt408_redundant_rule, wt501_host_network_pod,
};
use crate::facts::metadata::Cloud;

const CLUSTER: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: shop}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: batch}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: batch, labels: {app: job}}
spec: {containers: [{name: job}]}
---
";

fn found(rule: &'static Rule, policies: &str, engine: &str) -> String {
    findings_on(rule, &format!("{CLUSTER}{policies}"), engine, &[Cloud::Aws])
}

fn global(spec: &str) -> String {
    format!(
        "apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {{name: default-deny}}
spec: {{{spec}}}
"
    )
}

fn admin(tier: &str, spec: &str) -> String {
    format!(
        "apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {{name: guard}}
spec: {{tier: {tier}, priority: 10, subject: {{namespaces: {{}}}}, {spec}}}
"
    )
}

const NOTHING: &str = "";

#[test]
fn c_18_a_global_default_deny_isolates_every_namespace() {
    let deny = global("selector: all(), types: [Ingress, Egress]");
    for rule in [
        &wt101_ingress_not_isolated::RULE,
        &wt102_egress_not_isolated::RULE,
        &wt201_metadata_open::RULE,
    ] {
        assert_eq!(found(rule, &deny, "calico"), NOTHING, "{}", rule.id);
        assert!(found(rule, &deny, "kindnet").contains(rule.id), "not read");
    }
}

#[test]
fn l_9_a_clusterwide_default_deny_of_cilium() {
    let deny = "
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: default-deny}
spec: {endpointSelector: {}, ingress: [{}], egress: [{}]}
";
    for rule in [
        &wt101_ingress_not_isolated::RULE,
        &wt102_egress_not_isolated::RULE,
        &wt201_metadata_open::RULE,
    ] {
        assert_eq!(found(rule, deny, "cilium"), NOTHING, "{}", rule.id);
    }
}

#[test]
fn a_4_pods_that_rules_deny_from_everybody_are_closed_without_isolation() {
    let deny = global("order: 1, selector: all(), types: [Ingress], ingress: [{action: Deny}]");
    assert_eq!(
        found(&wt101_ingress_not_isolated::RULE, &deny, "calico"),
        NOTHING
    );
}

#[test]
fn a_23_a_denial_of_pods_leaves_addresses_outside() {
    let deny = admin(
        "Baseline",
        "ingress: [{action: Deny, from: [{namespaces: {}}]}]",
    );
    expect![[r#"
        note[WT101] addresses outside can connect to `shop/Pod/web`: rules deny pods, nothing isolates
          about: Namespace shop
          at t.yaml:2:52: `shop` nothing isolates its pods
          evidence: ip:203.0.113.10 -> shop/Pod/web:8080/tcp ALLOWED: no policy isolates shop/Pod/web for ingress
          why: K-6
          fix: allow the connections that the pods are there for, then add this default deny
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: default-deny-ingress
            |   namespace: shop
            | spec:
            |   podSelector: {}
            |   policyTypes: [Ingress]
        note[WT101] addresses outside can connect to `batch/Pod/job`: rules deny pods, nothing isolates
          about: Namespace batch
          at t.yaml:4:52: `batch` nothing isolates its pods
          evidence: ip:203.0.113.10 -> batch/Pod/job:80/tcp ALLOWED: no policy isolates batch/Pod/job for ingress
          why: K-6
          fix: allow the connections that the pods are there for, then add this default deny
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: default-deny-ingress
            |   namespace: batch
            | spec:
            |   podSelector: {}
            |   policyTypes: [Ingress]
    "#]].assert_eq(&found(&wt101_ingress_not_isolated::RULE, &deny, "reference"));
}

#[test]
fn o_4_an_egress_firewall_leaves_the_pods_of_the_cluster() {
    let firewall = "
apiVersion: k8s.ovn.org/v1
kind: EgressFirewall
metadata: {name: default, namespace: shop}
spec: {egress: [{type: Deny, to: {cidrSelector: 0.0.0.0/0}}, {type: Deny, to: {cidrSelector: '::/0'}}]}
";
    expect![[r#"
        note[WT102] `shop/Pod/web` can connect to every pod: rules deny addresses outside, nothing isolates
          about: Namespace shop
          at t.yaml:2:52: `shop` nothing isolates its pods
          evidence: shop/Pod/web -> batch/Pod/job:80/tcp ALLOWED: no policy isolates shop/Pod/web for egress
          why: K-6
          fix: allow the connections that the pods are there for, then add this default deny
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: default-deny-egress
            |   namespace: shop
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
        warning[WT102] `batch` has no NetworkPolicy: its 1 workload can connect to everything
          about: Namespace batch
          at t.yaml:4:52: `batch` nothing isolates its pods
          evidence: batch/Pod/job -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates batch/Pod/job for egress
          why: K-6
          fix: allow DNS and the connections that the pods need, then add this default deny; without the former, names no longer resolve
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: default-deny-egress
            |   namespace: batch
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
    "#]].assert_eq(&found(&wt102_egress_not_isolated::RULE, firewall, "ovn-kubernetes"));
}

#[test]
fn a_6_selected_and_not_isolated() {
    let metadata = admin(
        "Admin",
        "egress: [{action: Deny, to: [{networks: [169.254.169.254/32]}]}]",
    );
    expect![[r#"
        warning[WT102] no policy isolates the pods of `shop` for egress: its 1 workload can connect to everything that no rule denies
          about: Namespace shop
          at t.yaml:2:52: `shop` nothing isolates its pods
          evidence: shop/Pod/web -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates shop/Pod/web for egress
          why: K-6
          fix: allow DNS and the connections that the pods need, then add this default deny; without the former, names no longer resolve
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: default-deny-egress
            |   namespace: shop
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
        warning[WT102] no policy isolates the pods of `batch` for egress: its 1 workload can connect to everything that no rule denies
          about: Namespace batch
          at t.yaml:4:52: `batch` nothing isolates its pods
          evidence: batch/Pod/job -> ip:203.0.113.10:443/tcp ALLOWED: no policy isolates batch/Pod/job for egress
          why: K-6
          fix: allow DNS and the connections that the pods need, then add this default deny; without the former, names no longer resolve
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: default-deny-egress
            |   namespace: batch
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
    "#]].assert_eq(&found(&wt102_egress_not_isolated::RULE, &metadata, "reference"));
    // X-2: the denial holds; the other addresses of the cloud are still open.
    let open = found(&wt201_metadata_open::RULE, &metadata, "reference");
    assert!(
        !open.contains("169.254.169.254:80") && open.contains("fd00:ec2::254"),
        "{open}"
    );
}

#[test]
fn wt103_without_pods_says_nothing_where_others_may_isolate() {
    let policies = format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: deny, namespace: empty}}
spec: {{podSelector: {{}}, policyTypes: [Ingress]}}
---
{}",
        global("selector: all(), types: [Egress]")
    );
    assert_eq!(
        found(&wt103_ingress_only_default_deny::RULE, &policies, "calico"),
        NOTHING
    );
    assert!(found(&wt103_ingress_only_default_deny::RULE, &policies, "kindnet").contains("WT103"));
}

#[test]
fn metadata_that_another_language_opens() {
    let allow = global("selector: all(), types: [Egress], egress: [{action: Allow}]");
    expect![[r#"
        error[WT201] 2 workloads can reach the metadata service 169.254.169.254 and 4 other metadata addresses
          about: GlobalNetworkPolicy default-deny
          at t.yaml:19:51: `{action: Allow}` allowed here
          evidence: batch/Pod/job -> ip:169.254.169.254:80/tcp ALLOWED: GlobalNetworkPolicy default-deny egress rule 1 allows it [t.yaml:19:51]
          evidence: batch/Pod/job -> ip:fd00:ec2::254:80/tcp ALLOWED: GlobalNetworkPolicy default-deny egress rule 1 allows it [t.yaml:19:51]
          note: workloads: `batch/Pod/job` and `shop/Pod/web`
          why: X-2
          fix: deny the metadata addresses in a rule that is asked before this one, or give this one narrower peers
    "#]].assert_eq(&found(&wt201_metadata_open::RULE, &allow, "calico"));
}

#[test]
fn dns_that_another_language_denies() {
    let deny = global(
        "selector: \"team == 'x' || has(app)\", types: [Egress], egress: [{action: Allow, destination: {nets: [198.51.100.0/24]}}]",
    );
    expect![[r#"
        error[WT301] `shop/Pod/web` cannot resolve names: DNS is denied over UDP and TCP
          about: GlobalNetworkPolicy default-deny
          at t.yaml:18:18: `default-deny` isolates for egress
          evidence: shop/Pod/web -> kube-system/Pod/kube-dns:53/udp DENIED: GlobalNetworkPolicy default-deny isolates shop/Pod/web for egress and none of its rules matches [t.yaml:18:18]
          evidence: shop/Pod/web -> kube-system/Pod/kube-dns:53/tcp DENIED: GlobalNetworkPolicy default-deny isolates shop/Pod/web for egress and none of its rules matches [t.yaml:18:18]
          note: the input has no cluster DNS; pods labelled `k8s-app=kube-dns` in `kube-system` that listen on port 53 are assumed (M-2)
          why: K-11 K-15 X-11 M-2
          fix: allow DNS over UDP and TCP in GlobalNetworkPolicy default-deny, or in a policy that is asked before it
    "#]].assert_eq(&found(&wt301_dns_broken::RULE, &deny, "calico"));
    let rule = admin(
        "Admin",
        "egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{udp: {destinationPort: {number: 53}}}, {tcp: {destinationPort: {number: 53}}}]}]",
    );
    expect![[r#"
        error[WT301] 2 workloads of 2 namespaces cannot resolve names: DNS is denied over UDP and TCP
          about: ClusterNetworkPolicy guard
          at t.yaml:19:71: `{action: Deny, to: [{namespaces: {}}], protocols: [{udp: {destinationPort: {number: 53}}}, {tcp: {destinationPort: {number: 53}}}]}` denies queries
          evidence: batch/Pod/job -> kube-system/Pod/kube-dns:53/udp DENIED: ClusterNetworkPolicy guard egress rule 1 denies it [t.yaml:19:71]
          evidence: batch/Pod/job -> kube-system/Pod/kube-dns:53/tcp DENIED: ClusterNetworkPolicy guard egress rule 1 denies it [t.yaml:19:71]
          note: concerned: batch/Pod/job and shop/Pod/web
          note: the input has no cluster DNS; pods labelled `k8s-app=kube-dns` in `kube-system` that listen on port 53 are assumed (M-2)
          why: X-11 A-4 M-2
          fix: allow DNS over UDP and TCP before ClusterNetworkPolicy guard denies it, or leave DNS out of that rule
    "#]].assert_eq(&found(&wt301_dns_broken::RULE, &rule, "reference"));
}

#[test]
fn lints_look_at_networkpolicies_alone() {
    let policies = [
        global("selector: app == 'nobody', types: [Egress], egress: [{action: Allow, protocol: UDP, destination: {ports: [53]}}]"),
        global("selector: all(), types: [Egress], egress: [{action: Allow, protocol: UDP, destination: {ports: [53]}}]")
            .replace("default-deny", "dns"),
    ]
    .join("---\n");
    for rule in [
        &wt302_dns_to_anyone::RULE,
        &wt401_policy_selects_nothing::RULE,
        &wt408_redundant_rule::RULE,
    ] {
        assert_eq!(found(rule, &policies, "calico"), NOTHING, "{}", rule.id);
    }
}

#[test]
fn k_16_the_other_side_may_be_isolated_by_another_language() {
    let policies = format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: to-web, namespace: batch}}
spec:
  podSelector: {{matchLabels: {{app: job}}}}
  policyTypes: [Egress]
  egress:
  - to: [{{namespaceSelector: {{matchLabels: {{team: shop}}}}, podSelector: {{matchLabels: {{app: web}}}}}}]
---
{}",
        global("selector: app == 'web', types: [Ingress]")
    );
    expect![[r#"
        warning[WT407] egress rule 1 of NetworkPolicy `batch/to-web` allows connections to shop/Pod/web, whose policies refuse them
          about: NetworkPolicy batch/to-web
          at t.yaml:23:10: `{namespaceSelector: {matchLabels: {team: shop}}, podSelector: {matchLabels: {app: web}}}` allowed here
          at t.yaml:27:18: `default-deny` isolates the other end for ingress, and no rule admits it there
          evidence: batch/Pod/job -> shop/Pod/web:8080/tcp DENIED: GlobalNetworkPolicy default-deny isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:27:18]
          why: K-16 K-18 X-14
          fix: allow it in GlobalNetworkPolicy default-deny as well, or drop the rule
    "#]].assert_eq(&found(&wt407_half_open::RULE, &policies, "calico"));
}

#[test]
fn c_53_equal_policies_around_one_of_another_language_are_not_redundant() {
    let written = |name: &str| {
        format!(
            "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: shop}}
spec: {{podSelector: {{}}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}
"
        )
    };
    let pair = format!("{}{}", written("a"), written("b"));
    assert!(found(&wt408_redundant_rule::RULE, &pair, "calico").contains("WT408"));
}

#[test]
fn l_74_pods_on_guarded_nodes_are_not_outside_all_policies() {
    let policies = "
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop, labels: {app: agent}}
spec: {nodeName: n1, hostNetwork: true, containers: [{name: agent}]}
status: {phase: Running, podIP: 192.168.0.1}
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: hosts}
spec: {nodeSelector: {}, ingress: [{fromEntities: [cluster]}]}
";
    assert_eq!(
        found(&wt501_host_network_pod::RULE, policies, "cilium"),
        NOTHING
    );
    let others = found(&wt501_host_network_pod::RULE, policies, "calico");
    assert!(others.contains("WT501"), "not read");
}
