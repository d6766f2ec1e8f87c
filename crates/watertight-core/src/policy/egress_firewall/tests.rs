//! Verdicts under EgressFirewall and EgressNetworkPolicy, by rule id (O-1..O-13).

use crate::policy::testing::{Asked, network_policy, object};

fn firewall(rules: &str) -> String {
    let spec = format!("{{egress: [{rules}]}}");
    object("k8s.ovn.org/v1", "EgressFirewall", "x/default", &spec)
}

fn legacy(name: &str, rules: &str) -> String {
    let spec = format!("{{egress: [{rules}]}}");
    object(
        "network.openshift.io/v1",
        "EgressNetworkPolicy",
        name,
        &spec,
    )
}

fn asked(policies: &[String]) -> Asked {
    Asked::new("ovn-kubernetes", &[], policies)
}

const DENY_ALL: &str = "{type: Deny, to: {cidrSelector: 0.0.0.0/0}}";

#[test]
fn o_2_o_3_the_first_match_decides_and_the_default_is_allow() {
    let case = asked(&[firewall(
        "{type: Allow, to: {cidrSelector: 203.0.113.5/32}}, {type: Deny, to: {cidrSelector: \
         203.0.113.0/24}}",
    )]);
    case.check(&[
        ("x/a -> 203.0.113.5 443/tcp", true),
        ("x/a -> 203.0.113.6 443/tcp", false),
        ("x/a -> 198.51.100.1 443/tcp", true),
        ("w/a -> 203.0.113.6 443/tcp", true), // another namespace
    ]);
}

#[test]
fn o_4_o_8_o_9_destinations_outside_the_cluster_network() {
    let case = asked(&[firewall(DENY_ALL)]);
    case.check(&[
        ("x/a -> w/a 80/tcp", true),
        ("x/a -> 10.0.2.1 80/tcp", true), // a pod, by its address
        ("x/a -> 203.0.113.5 443/tcp", false),
        ("x/a -> node:cp 6443/tcp", false),   // O-9
        ("x/a -> x/h 80/tcp", false),         // at the node's address
        ("x/h -> 203.0.113.5 443/tcp", true), // O-8
        ("x/a -> 2001:db8::1 443/tcp", true), // K-66
        ("203.0.113.5 -> x/a 443/tcp", true),
    ]);
}

#[test]
fn o_6_ports() {
    let case = asked(&[firewall(
        "{type: Deny, to: {cidrSelector: 203.0.113.0/24}, ports: [{protocol: TCP, port: 25}]}, \
         {type: Deny, to: {cidrSelector: 198.51.100.0/24}}",
    )]);
    case.check(&[
        ("x/a -> 203.0.113.5 25/tcp", false),
        ("x/a -> 203.0.113.5 25/udp", true),
        ("x/a -> 203.0.113.5 26/tcp", true),
        ("x/a -> 198.51.100.1 icmp", false),
    ]);
}

#[test]
fn o_7_both_must_allow() {
    let egress = "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress], egress: [{to: \
                  [{ipBlock: {cidr: 203.0.113.0/24}}]}]}";
    let case = asked(&[
        firewall(
            "{type: Allow, to: {cidrSelector: 198.51.100.0/24}}, {type: Deny, to: {cidrSelector: \
             203.0.113.0/25}}",
        ),
        network_policy("x/p", egress),
    ]);
    case.check(&[
        ("x/a -> 203.0.113.5 443/tcp", false), // the NetworkPolicy does not lift a Deny
        ("x/a -> 203.0.113.199 443/tcp", true),
        ("x/a -> 198.51.100.1 443/tcp", false), // an Allow does not lift an isolation
        ("x/b -> 198.51.100.1 443/tcp", true),
    ]);
    // Nor does an Accept of the Admin tier lift a Deny.
    let accept = object(
        "policy.networking.k8s.io/v1alpha1",
        "AdminNetworkPolicy",
        "p",
        "{priority: 1, subject: {namespaces: {}}, egress: [{action: Allow, to: [{networks: \
         [0.0.0.0/0]}]}]}",
    );
    asked(&[firewall(DENY_ALL), accept]).check(&[("x/a -> 203.0.113.5 443/tcp", false)]);
}

#[test]
fn o_10_names() {
    let names: &[(&str, &[&str])] = &[
        ("www.example.com", &["203.0.113.10"]),
        ("a.b.example.com", &["203.0.113.11"]),
    ];
    let rules = format!("{{type: Allow, to: {{dnsName: '*.example.com'}}}}, {DENY_ALL}");
    let case = Asked::new("ovn-kubernetes", names, &[firewall(&rules)]);
    case.check(&[
        ("x/a -> name:www.example.com 443/tcp", true),
        ("x/a -> name:a.b.example.com 443/tcp", false),
    ]);
}

#[test]
fn o_11_nodes_have_their_place_in_the_order() {
    let nodes = "{type: Allow, to: {nodeSelector: {matchLabels: {role: control-plane}}}}";
    let first = asked(&[firewall(&format!("{nodes}, {DENY_ALL}"))]);
    first.check(&[
        ("x/a -> node:cp 6443/tcp", true),
        ("x/a -> 203.0.113.200 6443/tcp", true), // any of its addresses
        ("x/a -> 203.0.113.5 6443/tcp", false),
    ]);
    let last = asked(&[firewall(&format!("{DENY_ALL}, {nodes}"))]);
    last.check(&[("x/a -> node:cp 6443/tcp", false)]);
}

#[test]
fn o_13_the_predecessor() {
    let deny = "{type: Deny, to: {cidrSelector: 203.0.113.0/24}}";
    let one = [legacy("x/any", deny)];
    // It acts on the engine that reads it.
    asked(&one).check(&[("x/a -> 203.0.113.5 443/tcp", true)]);
    let old = |policies: &[String]| Asked::new("openshift-sdn", &[], policies);
    old(&one).check(&[
        ("x/a -> 203.0.113.5 443/tcp", false),
        ("x/a -> 198.51.100.1 443/tcp", true),
    ]);
    let told = Asked::new("ovn-kubernetes legacy_sdn=true", &[], &one);
    told.check(&[("x/a -> 203.0.113.5 443/tcp", false)]);
    let allow = "{type: Allow, to: {cidrSelector: 0.0.0.0/0}}";
    let several = old(&[
        legacy("x/one", allow),
        legacy("x/two", allow),
        legacy("w/one", deny),
    ]);
    several.check(&[
        ("x/a -> 203.0.113.5 443/tcp", false),
        ("x/a -> 198.51.100.1 443/tcp", false),
        ("x/a -> 2001:db8::1 443/tcp", false),
        ("x/a -> w/a 80/tcp", true),
        ("w/a -> 203.0.113.5 443/tcp", false),
        ("w/a -> 198.51.100.1 443/tcp", true),
    ]);
}
