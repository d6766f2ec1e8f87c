//! Verdicts under admin policies, by rule id (A-1..A-41).

use crate::policy::relower_kubernetes;
use crate::policy::testing::{Asked, network_policy, object};

const V2: &str = "policy.networking.k8s.io/v1alpha2";
const V1: &str = "policy.networking.k8s.io/v1alpha1";

/// A ClusterNetworkPolicy for all pods.
fn cnp(name: &str, tier: &str, priority: u16, rules: &str) -> String {
    for_subject(name, tier, priority, "{namespaces: {}}", rules)
}

fn for_subject(name: &str, tier: &str, priority: u16, subject: &str, rules: &str) -> String {
    let spec = format!("{{tier: {tier}, priority: {priority}, subject: {subject}, {rules}}}");
    object(V2, "ClusterNetworkPolicy", name, &spec)
}

fn asked(policies: &[String]) -> Asked {
    Asked::new("reference", &[], policies)
}

fn from(action: &str, ns: &str) -> String {
    format!(
        "ingress: [{{action: {action}, from: [{{namespaces: {{matchLabels: {{ns: {ns}}}}}}}]}}]"
    )
}

fn to(action: &str, peer: &str) -> String {
    format!("egress: [{{action: {action}, to: [{peer}]}}]")
}

/// All of `x` is isolated for ingress, and admits `w`.
fn x_admits_w() -> String {
    network_policy(
        "x/p",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: w}}}]}]}",
    )
}

#[test]
fn a_1_a_3_a_4_a_15_admin_comes_first() {
    let case = asked(&[
        cnp("deny", "Admin", 1000, &from("Deny", "w")),
        cnp("accept", "Admin", 999, &from("Accept", "z")),
        cnp("base", "Baseline", 0, &from("Accept", "w")),
        x_admits_w(),
    ]);
    case.check(&[
        ("w/a -> x/a 80/tcp", false),
        ("z/a -> x/a 80/tcp", true),
        ("x/b -> x/a 80/tcp", false),
        ("203.0.113.5 -> x/a 80/tcp", false),
    ]);
}

#[test]
fn a_2_a_16_lower_numbers_first_then_the_order_of_rules() {
    let rules = "ingress: [{action: Accept, from: [{pods: {podSelector: {matchLabels: {pod: b}}}}]}, \
                 {action: Deny, from: [{namespaces: {}}]}, {action: Accept, from: [{namespaces: {}}]}]";
    let case = asked(&[
        cnp("late", "Admin", 20, &from("Accept", "w")),
        cnp("early", "Admin", 10, rules),
    ]);
    case.check(&[
        ("x/b -> x/a 80/tcp", true),
        ("w/a -> x/a 80/tcp", false),
        ("z/a -> x/a 80/tcp", false),
    ]);
}

#[test]
fn a_5_a_9_pass_leaves_the_tier() {
    let case = asked(&[
        cnp("pass", "Admin", 1, &from("Pass", "w")),
        cnp("deny", "Admin", 2, &from("Deny", "w")),
        network_policy(
            "x/p",
            "{podSelector: {matchLabels: {pod: a}}, ingress: [{}]}",
        ),
        cnp("base", "Baseline", 0, &from("Deny", "w")),
    ]);
    case.check(&[
        ("w/a -> x/a 80/tcp", true),    // what the NetworkPolicy says
        ("w/a -> x/b 8080/tcp", false), // Baseline
    ]);
}

#[test]
fn a_6_a_7_nothing_is_isolated_by_being_selected() {
    let case = asked(&[
        cnp("accept", "Admin", 1, &from("Accept", "w")),
        cnp("empty", "Admin", 2, "ingress: []"),
        cnp("base", "Baseline", 0, &from("Accept", "w")),
    ]);
    case.check(&[
        ("z/a -> x/a 80/tcp", true),
        ("203.0.113.5 -> x/a 80/tcp", true),
    ]);
    assert!(
        case.ruleset
            .egress
            .iter()
            .all(|tier| tier.policies.is_empty())
    );
}

#[test]
fn a_10_a_11_baseline_decides_last() {
    let case = asked(&[
        cnp("b1", "Baseline", 5, &from("Deny", "w")),
        cnp("b0", "Baseline", 1, &from("Pass", "z")),
        cnp("b2", "Baseline", 9, &from("Deny", "z")),
    ]);
    case.check(&[
        ("w/a -> x/a 80/tcp", false),
        ("z/a -> x/a 80/tcp", true), // it leaves for the default
    ]);
    let old = asked(&[object(
        V1,
        "BaselineAdminNetworkPolicy",
        "default",
        "{subject: {namespaces: {}}, egress: [{action: Allow, to: [{namespaces: {matchLabels: {ns: \
         w}}}]}, {action: Deny, to: [{namespaces: {}}]}]}",
    )]);
    old.check(&[
        ("x/a -> w/a 80/tcp", true),
        ("x/a -> z/a 80/tcp", false),
        ("x/a -> 203.0.113.5 80/tcp", true),
    ]);
}

#[test]
fn a_12_ties() {
    let policies = [
        cnp("bbb", "Admin", 10, &from("Deny", "w")),
        cnp("aaa", "Admin", 10, &from("Accept", "w")),
        cnp("ccc", "Admin", 10, &from("Deny", "z")),
    ];
    let case = asked(&policies);
    let torn = case.verdict("w/a -> x/a 80/tcp").uncertain.unwrap();
    assert_eq!(torn.id, "A-12");
    let two = asked(&policies[..2]).verdict("w/a -> x/a 80/tcp");
    assert!(two.uncertain.is_some());
    // Only one of them is about `z`, and none is about `x`.
    case.check(&[("z/a -> x/a 80/tcp", false), ("x/b -> x/a 80/tcp", true)]);
    let by_name = Asked::new("reference tie=by-name", &[], &policies);
    by_name.check(&[("w/a -> x/a 80/tcp", true), ("z/a -> x/a 80/tcp", false)]);
    // A tie is one of priorities in a tier: these are none.
    let apart = asked(&[
        cnp("a", "Admin", 10, &from("Accept", "w")),
        cnp("b", "Admin", 11, &from("Deny", "w")),
        cnp("c", "Baseline", 10, &from("Deny", "w")),
    ]);
    apart.check(&[("w/a -> x/a 80/tcp", true)]);
}

#[test]
fn a_13_both_sides_are_asked() {
    let case = asked(&[
        cnp("out", "Admin", 1, &to("Accept", "{namespaces: {}}")),
        network_policy("x/p", "{podSelector: {}, policyTypes: [Ingress]}"),
    ]);
    case.check(&[("w/a -> x/a 80/tcp", false), ("w/a -> z/a 80/tcp", true)]);
}

#[test]
fn a_14_replies() {
    let case = asked(&[cnp("p", "Admin", 1, &to("Deny", "{namespaces: {}}"))]);
    case.check(&[
        ("x/a -> w/a 80/tcp", false),
        ("203.0.113.5 -> x/a 80/tcp", true),
    ]);
}

#[test]
fn a_17_the_scope_of_baseline() {
    let policies = [
        network_policy(
            "x/p",
            "{podSelector: {}, policyTypes: [Egress], egress: [{}]}",
        ),
        cnp("base", "Baseline", 0, &from("Deny", "z")),
    ];
    asked(&policies).check(&[("z/a -> x/a 80/tcp", false), ("z/a -> w/a 80/tcp", false)]);
    let per_pod = Asked::new("reference baseline_scope=per-pod", &[], &policies);
    per_pod.check(&[("z/a -> x/a 80/tcp", true), ("z/a -> w/a 80/tcp", false)]);
    // Where a NetworkPolicy isolates, nothing changes.
    let isolated = Asked::new(
        "reference baseline_scope=per-pod",
        &[],
        &[
            x_admits_w(),
            cnp("base", "Baseline", 0, &from("Accept", "z")),
        ],
    );
    isolated.check(&[("z/a -> x/a 80/tcp", false), ("w/a -> x/a 80/tcp", true)]);
}

#[test]
fn a_17_changes_of_network_policies_are_followed() {
    let mut case = Asked::new(
        "reference baseline_scope=per-pod",
        &[],
        &[
            network_policy(
                "x/p",
                "{podSelector: {}, policyTypes: [Egress], egress: [{}]}",
            ),
            cnp("base", "Baseline", 0, &from("Deny", "z")),
        ],
    );
    case.check(&[("z/a -> x/a 80/tcp", true)]);
    let id = case.world.policy_ids().next().unwrap();
    let policy = case.world[id].clone();
    case.world.remove_policy(id);
    relower_kubernetes(&mut case.ruleset, &case.world, &case.switches, id);
    case.check(&[("z/a -> x/a 80/tcp", false)]);
    let id = case.world.put_policy(policy);
    relower_kubernetes(&mut case.ruleset, &case.world, &case.switches, id);
    case.check(&[("z/a -> x/a 80/tcp", true)]);
}

#[test]
fn a_18_a_20_subjects() {
    let subject = "{pods: {namespaceSelector: {matchLabels: {ns: x}}, podSelector: {matchLabels: \
                   {pod: a}}}}";
    let both = asked(&[for_subject("p", "Admin", 1, subject, &from("Deny", "z"))]);
    both.check(&[
        ("z/a -> x/a 80/tcp", false),
        ("z/a -> x/b 80/tcp", true),
        ("z/a -> w/a 80/tcp", true),
    ]);
    let subject = "{pods: {podSelector: {matchLabels: {pod: a}}}}";
    let everywhere = asked(&[for_subject("p", "Admin", 1, subject, &from("Deny", "z"))]);
    everywhere.check(&[("z/a -> w/a 80/tcp", false), ("z/a -> x/b 80/tcp", true)]);
}

#[test]
fn a_19_every_namespace() {
    let case = asked(&[cnp("p", "Admin", 1, &from("Deny", "z"))]);
    case.check(&[("z/a -> x/a 80/tcp", false), ("z/a -> w/a 80/tcp", false)]);
}

#[test]
fn a_21_a_24_host_network_pods_are_no_pods() {
    let case = asked(&[
        cnp(
            "in",
            "Admin",
            1,
            "ingress: [{action: Deny, from: [{namespaces: {}}]}]",
        ),
        cnp(
            "out",
            "Admin",
            2,
            &to("Deny", "{networks: [203.0.113.0/24]}"),
        ),
    ]);
    case.check(&[
        ("x/h -> 203.0.113.5 443/tcp", true),
        ("x/h -> w/a 80/tcp", true),
        ("x/a -> 203.0.113.5 443/tcp", false),
    ]);
}

#[test]
fn a_22_peers_are_alternatives() {
    let rules = "ingress: [{action: Deny, from: [{namespaces: {matchLabels: {ns: w}}}, {pods: \
                 {podSelector: {matchLabels: {pod: b}}}}]}]";
    let case = asked(&[cnp("p", "Admin", 1, rules)]);
    case.check(&[
        ("w/a -> x/a 80/tcp", false),
        ("x/b -> x/a 80/tcp", false),
        ("z/a -> x/a 80/tcp", true),
    ]);
}

#[test]
fn a_23_a_39_ingress_rules_are_about_pods() {
    let deny = "ingress: [{action: Deny, from: [{namespaces: {}}]}]";
    let case = Asked::new(
        "reference node_local=none",
        &[],
        &[cnp("p", "Admin", 0, deny)],
    );
    case.check(&[
        ("203.0.113.5 -> x/a 80/tcp", true),
        ("node:cp -> x/a 80/tcp", true),
        ("node:n1 -> x/a 80/tcp", true),
        ("w/a -> x/a 80/tcp", false),
    ]);
}

#[test]
fn a_25_a_28_a_40_nodes() {
    let nodes = "{nodes: {matchLabels: {role: control-plane}}}";
    let case = asked(&[cnp("p", "Admin", 1, &to("Deny", nodes))]);
    case.check(&[
        ("x/a -> node:cp 6443/tcp", false),
        ("x/a -> 192.168.0.10 6443/tcp", false),
        ("x/a -> 203.0.113.200 6443/tcp", false), // its external address
        ("x/a -> x/h 80/tcp", false),             // the host network is the node's
        ("x/a -> node:n1 10250/tcp", true),
        ("x/a -> w/a 80/tcp", true),
    ]);
    // the own node, if a rule names it.
    let own = cnp("p", "Admin", 1, &to("Deny", "{nodes: {}}"));
    let case = Asked::new("reference node_local=exempt-ingress", &[], &[own]);
    case.check(&[
        ("x/a -> node:n1 10250/tcp", false),
        ("node:n1 -> x/a 80/tcp", true),
    ]);
}

#[test]
fn a_26_a_27_networks_are_whoever_owns_the_address() {
    let rules = "egress: [{action: Accept, to: [{networks: [203.0.113.5/32]}]}, {action: Deny, to: \
                 [{networks: [0.0.0.0/0]}]}]";
    let policy = [cnp("p", "Admin", 1, rules)];
    // K-65 is about ipBlocks of NetworkPolicy: networks hit pods on every engine.
    for switches in [
        "reference",
        "reference ipblock_pods=never ipblock_nodes=false",
    ] {
        Asked::new(switches, &[], &policy).check(&[
            ("x/a -> w/a 80/tcp", false),
            ("x/a -> w/a 80/tcp v6", true),
            ("x/a -> w/a icmp", false),
            ("x/a -> node:cp 80/tcp", false),
            ("x/a -> 203.0.113.5 80/tcp", true),
            ("x/a -> 203.0.113.6 80/tcp", false),
        ]);
    }
}

#[test]
fn a_29_a_30_a_31_names() {
    let rules = "egress: [{action: Accept, to: [{domainNames: ['*.example.com', other.org.]}]}, \
                 {action: Deny, to: [{networks: [0.0.0.0/0]}]}]";
    let names: &[(&str, &[&str])] = &[
        ("www.example.com", &["203.0.113.10"]),
        ("deep.api.example.com", &["203.0.113.11"]),
        ("example.com", &["203.0.113.12"]),
        ("other.org", &["203.0.113.13"]),
    ];
    let case = Asked::new("reference", names, &[cnp("p", "Admin", 1, rules)]);
    case.check(&[
        ("x/a -> name:www.example.com 443/tcp", true),
        ("x/a -> name:deep.api.example.com 443/tcp", true),
        ("x/a -> name:example.com 443/tcp", false), // never the apex
        ("x/a -> name:other.org 443/tcp", true),
        ("x/a -> 203.0.113.10 443/tcp", true),
        ("x/a -> 203.0.113.99 443/tcp", false),
        ("x/a -> w/a 53/udp", false), // DNS itself is not granted
    ]);
}

#[test]
fn a_32_what_is_not_known_fails_closed() {
    let future =
        |action: &str| format!("ingress: [{{action: {action}, from: [{{future: {{}}}}]}}]");
    for action in ["Deny", "Pass"] {
        let case = asked(&[cnp("p", "Admin", 1, &future(action))]);
        case.check(&[
            ("w/a -> x/a 80/tcp", false),
            ("203.0.113.5 -> x/a 80/tcp", false),
        ]);
    }
    let accept = [cnp("p", "Admin", 1, &future("Accept")), x_admits_w()];
    asked(&accept).check(&[("w/a -> x/a 80/tcp", true), ("z/a -> x/a 80/tcp", false)]);
    // names in a rule that does not admit.
    for action in ["Deny", "Pass"] {
        let rules = to(action, "{domainNames: [www.example.com]}");
        let case = asked(&[cnp("p", "Admin", 1, &rules)]);
        case.check(&[
            ("x/a -> 198.51.100.1 443/tcp", false),
            ("x/a -> w/a 80/tcp", false),
        ]);
    }
    // One peer that is not known makes the whole rule so.
    let rules =
        "ingress: [{action: Deny, from: [{namespaces: {matchLabels: {ns: w}}}, {future: {}}]}]";
    asked(&[cnp("p", "Admin", 1, rules)]).check(&[("z/a -> x/a 80/tcp", false)]);
}

#[test]
fn a_34_ports_of_v1alpha1() {
    let spec = "{priority: 10, subject: {namespaces: {matchLabels: {ns: x}}}, ingress: [{action: \
                Deny, from: [{namespaces: {}}], ports: [{portNumber: {port: 80}}, {portRange: \
                {protocol: UDP, start: 1000, end: 1005}}, {namedPort: dns}]}]}";
    let case = asked(&[object(V1, "AdminNetworkPolicy", "p", spec)]);
    case.check(&[
        ("w/a -> x/a 80/tcp", false),
        ("w/a -> x/a 80/udp", true),
        ("w/a -> x/a 1005/udp", false),
        ("w/a -> x/a 1006/udp", true),
        ("w/a -> x/a 1000/tcp", true),
        ("w/a -> x/a 53/udp", false), // the protocol is the container port's
        ("w/a -> x/a 53/tcp", true),
        ("w/a -> x/b 53/udp", true),
        ("w/a -> x/a icmp", true),
    ]);
}

#[test]
fn a_35_a_36_protocols() {
    let rules = "ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: \
                 {destinationPort: {range: {start: 80, end: 90}}}}, {sctp: {destinationPort: \
                 {number: 7}}}]}], egress: [{action: Deny, to: [{namespaces: {matchLabels: {ns: \
                 x}}}], protocols: [{destinationNamedPort: http}]}]";
    let case = asked(&[cnp("p", "Admin", 1, rules)]);
    case.check(&[
        ("w/a -> z/a 85/tcp", false),
        ("w/a -> z/a 91/tcp", true),
        ("w/a -> z/a 85/udp", true),
        ("w/a -> z/a 7/sctp", false),
        ("w/a -> z/a 7/tcp", true),
        ("w/a -> z/a icmp", true),
        ("z/a -> x/b 8080/tcp", false), // resolved on the destination
        ("z/a -> x/a 8080/tcp", true),
    ]);
    let all = asked(&[cnp("p", "Admin", 1, &from("Deny", "w"))]);
    let accept = [
        cnp("p", "Admin", 1, &from("Accept", "w")),
        network_policy("x/p", "{podSelector: {}, policyTypes: [Ingress]}"),
    ];
    // K-61 is about NetworkPolicy.
    Asked::new("reference icmp=drop", &[], &accept).check(&[("w/a -> x/a icmp", true)]);
    all.check(&[("w/a -> x/a icmp", false), ("w/a -> x/a 9/sctp", false)]);
}

#[test]
fn a_41_the_own_address_is_exempt() {
    let deny = "ingress: [{action: Deny, from: [{namespaces: {}}]}]";
    asked(&[cnp("p", "Admin", 1, deny)]).check(&[("x/a -> x/a 80/tcp", true)]);
}

#[test]
fn a_2_policies_of_both_versions_share_the_order() {
    let old = "{priority: 5, subject: {namespaces: {}}, ingress: [{action: Allow, from: \
               [{namespaces: {matchLabels: {ns: w}}}]}]}";
    let case = asked(&[
        cnp("new", "Admin", 6, &from("Deny", "w")),
        object(V1, "AdminNetworkPolicy", "old", old),
    ]);
    case.check(&[("w/a -> x/a 80/tcp", true)]);
}

#[test]
fn a_33_relations_of_release_0_1_1() {
    let ask = |peer: &str| {
        let spec = format!(
            "{{priority: 1, subject: {{namespaces: {{}}}}, ingress: [{{action: Allow, from: \
             [{peer}]}}, {{action: Deny, from: [{{namespaces: {{namespaceSelector: {{}}}}}}]}}]}}"
        );
        let policy = object(V1, "AdminNetworkPolicy", "p", &spec);
        Asked::new("reference anp_api=v0.1.1", &[], &[policy])
    };
    // `x` and `z` are of one team, `w` of another.
    ask("{namespaces: {sameLabels: [team]}}").check(&[
        ("z/a -> x/a 80/tcp", true),
        ("x/b -> x/a 80/tcp", true),
        ("w/a -> x/a 80/tcp", false),
        ("x/a -> w/a 80/tcp", false),
    ]);
    ask("{pods: {namespaces: {notSameLabels: [team]}, podSelector: {matchLabels: {pod: a}}}}")
        .check(&[
            ("w/a -> x/a 80/tcp", true),
            ("x/b -> w/a 80/tcp", false), // another pod
            ("z/a -> x/a 80/tcp", false),
        ]);
    ask("{namespaces: {notSameLabels: [team, ns]}}")
        .check(&[("z/a -> x/a 80/tcp", true), ("x/b -> x/a 80/tcp", false)]);
    for none in [
        "sameLabels: []",
        "notSameLabels: []",
        "sameLabels: [team, absent]",
        "notSameLabels: [absent]",
    ] {
        ask(&format!("{{namespaces: {{{none}}}}}"))
            .check(&[("z/a -> x/a 80/tcp", false), ("w/a -> x/a 80/tcp", false)]);
    }
}
