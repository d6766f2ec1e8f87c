//! D-1..D-14: the same policies on engines that read them differently.

use super::{CLUSTER, Case, on, policy};
use crate::engine::{Enforcement, Engine, PolicyTypesGate, Profile, Switches};

const DENY_ALL: &str = "podSelector: {}\npolicyTypes: [Ingress, Egress]";

/// `[node to pod, pod to node]` on one node, under a default deny.
fn own_node(engine: &str) -> [bool; 2] {
    let case = on(engine, &policy("x/p", DENY_ALL));
    let allowed = |text| case.verdict(text).allowed;
    assert!(!allowed("node:n2 -> x/a:80/tcp"));
    [
        allowed("node:n1 -> x/a:80/tcp"),
        allowed("x/a -> node:n1:80/tcp"),
    ]
}

/// Whether a pod may call `[a pod, a node, an outside address]` by a block over all of IPv4.
fn block(engine: &str) -> [bool; 3] {
    let spec = "podSelector: {}\npolicyTypes: [Egress]\negress: [{to: [{ipBlock: {cidr: \
                0.0.0.0/0}}]}]";
    let case = on(engine, &policy("x/p", spec));
    [
        "x/a -> w/c:80/tcp",
        "x/a -> node:n2:80/tcp",
        "x/a -> 203.0.113.5:80/tcp",
    ]
    .map(|text| case.verdict(text).allowed)
}

/// The last port of 80-90.
fn range_ends(engine: &str) -> bool {
    let spec = "podSelector: {}\ningress: [{ports: [{port: 80, endPort: 90}]}]";
    let case = on(engine, &policy("x/p", spec));
    assert!(case.verdict("w/c -> x/a:80/tcp").allowed);
    case.verdict("w/c -> x/a:90/tcp").allowed
}

#[test]
fn d_1_the_reference_has_all_defaults() {
    assert_eq!(
        Profile::parse("reference").unwrap().switches,
        Switches::default()
    );
    assert_eq!(own_node("reference"), [true, true]);
    assert_eq!(block("reference"), [true, true, true]);
    assert!(range_ends("reference"));
}

#[test]
fn d_2_calico_polices_the_way_to_the_own_node() {
    for engine in ["calico", "canal", "aks-calico"] {
        assert_eq!(own_node(engine), [true, false], "{engine}");
        assert_eq!(block(engine), [true, true, true], "{engine}");
    }
    assert!(range_ends("calico@3.30.0"));
    assert!(!range_ends("calico@3.18.0"));
}

#[test]
fn d_3_d_10_cilium_keeps_blocks_away_from_pods_and_nodes() {
    for engine in ["cilium", "gke-dpv2", "azure-cni-cilium"] {
        assert_eq!(own_node(engine), [true, false], "{engine}");
        assert_eq!(block(engine), [false, false, true], "{engine}");
    }
    assert!(range_ends("cilium@1.16.0"));
    assert!(!range_ends("cilium@1.15.5"), "silently the first port only");
}

#[test]
fn d_4_d_5_d_6_d_9_blocks_match_pods_and_nodes() {
    for engine in ["antrea", "ovn-kubernetes", "kube-router", "azure-npm"] {
        assert_eq!(block(engine), [true, true, true], "{engine}");
        assert!(own_node(engine)[0], "{engine}");
    }
    assert!(!range_ends("antrea@1.0.0"));
    assert!(range_ends("antrea@1.1.0"));
}

/// Blocks are looked at with the Service's own address and port.
#[test]
fn d_7_aws_looks_before_translation() {
    let service = "
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: x}
spec: {clusterIP: 10.96.0.10, selector: {app: db}, ports: [{port: 8000, targetPort: sql}]}
";
    let port = |port: u16| {
        let spec = format!(
            "podSelector: {{}}\npolicyTypes: [Egress]\negress: [{{ports: [{{port: {port}}}]}}]"
        );
        format!("{service}{}", policy("w/p", &spec))
    };
    let dialled = |engine: &str, rule| on(engine, &port(rule)).verdict("w/c -> svc:x/db:8000/tcp");
    assert!(dialled("aws-vpc-cni", 8000).allowed);
    assert!(!dialled("aws-vpc-cni", 5432).allowed);
    assert!(dialled("reference", 5432).allowed);
    assert_eq!(own_node("aws-vpc-cni"), [true, true]);
}

/// The page says that the way from a pod to its own node is policed.
#[test]
fn d_8_kube_network_policies_polices_the_way_to_the_own_node() {
    for engine in ["kube-network-policies", "kindnet"] {
        assert_eq!(own_node(engine), [true, false], "{engine}");
    }
}

#[test]
fn d_11_some_enforce_nothing() {
    let deny = policy("x/p", DENY_ALL);
    for engine in ["flannel", "minikube-bridge"] {
        on(engine, &deny).check(&[
            ("w/c -> x/a:80/tcp", true),
            ("x/a -> 169.254.169.254:80/tcp", true),
        ]);
    }
    let mut switches = Switches::default();
    switches.set("enforcement", "none").unwrap();
    let case = Case::new(&format!("{CLUSTER}{deny}"), switches);
    case.check(&[("w/c -> x/a:80/tcp", true)]);
}

/// All that enforce hold to policyTypes, except Cilium and what is built on it.
#[test]
fn d_12_the_policy_types_gate() {
    let spec = "podSelector: {}\npolicyTypes: [Egress]\ningress: [{ports: [{port: 80}]}]";
    for engine in Engine::ALL {
        let profile = Profile::new(*engine, None);
        if profile.enforcement() == Enforcement::NotEnforced {
            continue;
        }
        let facts = engine.facts();
        let cilium = *engine == Engine::Cilium || facts.like == Some(Engine::Cilium);
        let open = on(engine.word(), &policy("x/p", spec)).verdict("w/c -> x/a:81/tcp");
        assert_eq!(open.allowed, !cilium, "{engine}");
        let gate = profile.switches.policy_types_gate;
        assert_eq!(gate == PolicyTypesGate::Sections, cilium, "{engine}");
    }
}

#[test]
fn d_14_static_tools_keep_blocks_away_from_pods() {
    let mut switches = Switches::default();
    switches.set("ipblock_pods", "never").unwrap();
    let spec = "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]";
    let case = Case::new(&format!("{CLUSTER}{}", policy("x/p", spec)), switches);
    case.check(&[
        ("w/c -> x/a:80/tcp", false),
        ("203.0.113.5 -> x/a:80/tcp", true),
    ]);
}
