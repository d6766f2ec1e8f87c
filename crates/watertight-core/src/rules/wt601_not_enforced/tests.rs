//! Engines that enforce nothing, something, or nobody knows.

use expect_test::expect;

use super::*;
use crate::facts::metadata::Cloud;
use crate::manifest::{self, Options};
use crate::rules::testing::{findings_on, show};
use crate::source::Sources;
use crate::world::{self, Assume};

const SHOP: &str = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: batch}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}
";

fn on(engine: &str, yaml: &str) -> String {
    findings_on(&RULE, yaml, engine, Cloud::all())
}

#[test]
fn d_11_flannel_enforces_nothing() {
    expect![[r#"
        error[WT601] flannel does not enforce network policies: both policies are decorative
          at t.yaml:12:18: `deny` the first of 2 policies
          evidence: batch/Pod/job -> shop/Pod/web:8080/tcp ALLOWED: on paper, NetworkPolicy shop/deny isolates shop/Pod/web for ingress and no rule of it or of 1 more policy matches [t.yaml:12:18]
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: on paper, NetworkPolicy shop/deny isolates shop/Pod/web for egress and none of its rules matches [t.yaml:12:18]
          note: flannel connects pods and leaves policies to other programs
          note: since 0.25.5 its chart can add the container kube-network-policies (netpol.enabled, off by default); choose the engine kube-network-policies then
          note: with Calico's policy on top it is Canal, and inside k3s the controller of k3s enforces
          why: D-11 K-6
          fix: run an engine that enforces policies; until then every pod is open
    "#]].assert_eq(&on("flannel", SHOP));
}

#[test]
fn an_old_release_enforces_nothing() {
    expect![[r#"
        error[WT601] kindnet 0.23.0 does not enforce network policies: both policies are decorative
          at t.yaml:12:18: `deny` the first of 2 policies
          evidence: batch/Pod/job -> shop/Pod/web:8080/tcp ALLOWED: on paper, NetworkPolicy shop/deny isolates shop/Pod/web for ingress and no rule of it or of 1 more policy matches [t.yaml:12:18]
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: on paper, NetworkPolicy shop/deny isolates shop/Pod/web for egress and none of its rules matches [t.yaml:12:18]
          note: kindnet enforces from kind 0.24.0 on (image of 2024-07-19)
          why: D-11 K-6
          fix: move to a release that enforces policies; until then every pod is open
    "#]].assert_eq(&on("kind@0.23.0", SHOP));
    assert!(on("eks@1.13.0", SHOP).starts_with("error[WT601] Amazon VPC CNI 1.13.0 does not"));
}

#[test]
fn ipv6_pods_are_open_as_well() {
    expect![[r#"
        error[WT601] minikube bridge does not enforce network policies: the one policy is decorative
          at t.yaml:13:18: `deny` the policy
          evidence: batch/Pod/job -> shop/Pod/web:80/tcp ALLOWED: on paper, NetworkPolicy shop/deny isolates shop/Pod/web for ingress and none of its rules matches [t.yaml:13:18]
          note: the bridge plug-in knows nothing of policies
          note: minikube uses kindnet, which enforces, for several nodes and for containerd and CRI-O
          why: D-11 K-6
          fix: run an engine that enforces policies; until then every pod is open
    "#]].assert_eq(&on(
        "minikube-bridge",
        "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
status: {phase: Running, podIP: 'fd00::1'}
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: batch}
status: {phase: Running, podIP: 'fd00::2'}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}}
",
    ));
}

#[test]
fn policies_without_pods_and_pods_without_policies() {
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\n";
    let shown = on("flannel", policy);
    assert!(
        shown.starts_with("error[WT601]") && !shown.contains("evidence"),
        "{shown}"
    );
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n";
    expect![[r#"
        note[WT601] flannel does not enforce network policies; there are none in this input
          why: D-11
    "#]]
    .assert_eq(&on("flannel", pod));
    expect![[r#"
        note[WT601] Amazon VPC CNI enforces network policies only where that was switched on; there are none in this input
          note: the agent and the controller are off until both are switched on, and even then a new pod is open until its policies are attached unless the strict mode is set
    "#]].assert_eq(&on("eks", pod));
    for engine in ["k3s", "terway", "calico"] {
        assert_eq!(on(engine, pod), "", "{engine}");
    }
}

#[test]
fn engines_that_enforce_if_told_to() {
    expect![[r#"
        warning[WT601] GKE network policy add-on (Calico) enforces network policies only where that was switched on: 2 policies rely on it
          at t.yaml:12:18: `deny` the first of 2 policies
          note: off by default: the add-on and enforcement on the nodes must both be switched on
          note: off unnoticed: there are two switches, the add-on on the control plane and enforcement on the nodes: the add-on alone does nothing
          note: off unnoticed: calico-node runs only on nodes labelled projectcalico.org/ds-ready=true, and nodes older than the add-on lack the label: the DaemonSet exists and has no pod
          note: name the version (--engine gke-calico@VERSION) to have its known bugs listed
          why: D-2
          fix: look at the switches named here, then prove it: a connection that a policy denies has to fail
    "#]].assert_eq(&on("gke-calico", SHOP));
    assert!(on("eks@1.22.3", SHOP).starts_with("warning[WT601] Amazon VPC CNI 1.22.3"));
}

#[test]
fn engines_with_a_window() {
    expect![[r#"
        note[WT601] kube-network-policies enforces network policies, with a moment after a pod starts in which it is open
          at t.yaml:12:18: `deny` the first of 2 policies
          note: a pod that lives shortly may be open until its policies are known
          note: off unnoticed: --fail-open, on by default: while its pod is down every packet is accepted
          note: name the version (--engine kube-network-policies@VERSION) to have its known bugs listed
          why: D-8
    "#]].assert_eq(&on("kube-network-policies", SHOP));
    assert!(!on("k3s@1.30.1", SHOP).contains("name the version"));
}

#[test]
fn engines_that_nobody_checked() {
    expect![[r#"
        note[WT601] Romana may or may not enforce network policies
          at t.yaml:12:18: `deny` the first of 2 policies
          note: it read an early NetworkPolicy, and nobody has checked it since 2018
          note: its last change is of 2018 and knows NetworkPolicy as of Kubernetes 1.8: probe it
          fix: prove it: a connection that a policy denies has to fail
    "#]]
    .assert_eq(&on("romana", SHOP));
}

#[test]
fn engines_that_enforce() {
    for engine in [
        "reference",
        "calico",
        "cilium@1.15",
        "antrea",
        "ovn",
        "weave",
        "kube-ovn",
    ] {
        assert_eq!(on(engine, SHOP), "", "{engine}");
    }
}

#[test]
fn the_switch_has_the_last_word() {
    let with = |engine: &str, value: &str| {
        let mut profile = Profile::parse(engine).unwrap();
        profile.switches.set("enforcement", value).unwrap();
        let mut sources = Sources::new();
        sources.add("t.yaml", SHOP.into()).unwrap();
        let loaded = manifest::load(&sources, &Options::default());
        let (world, _) = world::build(&sources, &loaded.objects, &Assume::default());
        let ruleset = lower_kubernetes(&world, &profile.switches);
        let eval = Evaluator::new(&world, &ruleset, profile.switches);
        let mut found = Vec::new();
        check(&Context::new(&sources, &eval, &profile, &[]), &mut found);
        found
            .iter()
            .map(|finding| show(&sources, finding))
            .collect::<String>()
    };
    assert_eq!(with("flannel", "default"), "");
    expect![[r#"
        error[WT601] with `enforcement=none` nothing enforces network policies: both policies are decorative
          at t.yaml:12:18: `deny` the first of 2 policies
          evidence: batch/Pod/job -> shop/Pod/web:8080/tcp ALLOWED: on paper, NetworkPolicy shop/deny isolates shop/Pod/web for ingress and no rule of it or of 1 more policy matches [t.yaml:12:18]
          evidence: shop/Pod/web -> ip:169.254.169.254:80/tcp ALLOWED: on paper, NetworkPolicy shop/deny isolates shop/Pod/web for egress and none of its rules matches [t.yaml:12:18]
          why: D-11 K-6
    "#]].assert_eq(&with("calico", "none"));
}
