//! Verdicts under Antrea's policies, by rule id (T-1..T-15).

use crate::manifest::Direction;
use crate::policy::testing::{Asked, network_policy, object};

const V1: &str = "crd.antrea.io/v1beta1";

fn cluster(name: &str, spec: &str) -> String {
    object(V1, "ClusterNetworkPolicy", name, spec)
}

fn namespaced(name: &str, spec: &str) -> String {
    object(V1, "NetworkPolicy", name, spec)
}

/// A policy for all pods of `x`.
fn for_x(name: &str, tier: &str, priority: &str, rules: &str) -> String {
    cluster(
        name,
        &format!(
            "{{tier: {tier}, priority: {priority}, appliedTo: [{{namespaceSelector: {{matchLabels: \
             {{ns: x}}}}}}], {rules}}}"
        ),
    )
}

fn from(action: &str, ns: &str) -> String {
    format!(
        "ingress: [{{action: {action}, from: [{{namespaceSelector: {{matchLabels: {{ns: {ns}}}}}}}]}}]"
    )
}

fn asked(policies: &[String]) -> Asked {
    Asked::new("antrea", &[], policies)
}

const DENY_X: &str = "{podSelector: {}, policyTypes: [Ingress]}";

#[test]
fn t_1_t_6_tiers_around_network_policy() {
    let x_admits_w =
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: w}}}]}]}";
    let case = asked(&[
        cluster(
            "base",
            "{tier: baseline, priority: 1, appliedTo: [{podSelector: {}}], ingress: [{action: Drop}]}",
        ),
        for_x("app", "application", "5", &from("Allow", "z")),
        for_x(
            "emg",
            "emergency",
            "100",
            "ingress: [{action: Drop, from: [{podSelector: \
            {matchLabels: {pod: b}}}]}]",
        ),
        network_policy("x/p", x_admits_w),
    ]);
    case.check(&[
        ("x/b -> x/a 80/tcp", false),
        ("z/a -> x/a 80/tcp", true),
        ("w/a -> x/a 80/tcp", true), // T-6: baseline comes behind an isolation
        ("w/a -> z/a 80/tcp", false),
    ]);
    let names: Vec<&str> = case
        .ruleset
        .tiers(Direction::Ingress)
        .iter()
        .map(|tier| &*tier.name)
        .collect();
    assert_eq!(
        names,
        ["emergency", "application", "NetworkPolicy", "baseline"]
    );
}

#[test]
fn t_1_the_own_baseline_comes_first() {
    let case = asked(&[
        for_x("base", "baseline", "1", &from("Drop", "w")),
        object(
            "policy.networking.k8s.io/v1alpha1",
            "BaselineAdminNetworkPolicy",
            "default",
            "{subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {matchLabels: \
             {ns: w}}}]}, {action: Deny, from: [{namespaces: {}}]}]}",
        ),
    ]);
    case.check(&[
        ("w/a -> x/a 80/tcp", false),
        ("z/a -> x/a 80/tcp", false),
        ("w/a -> z/a 80/tcp", true),
    ]);
}

#[test]
fn t_1_the_own_tiers_come_before_the_admin_tier() {
    let admin = object(
        "policy.networking.k8s.io/v1alpha1",
        "AdminNetworkPolicy",
        "p",
        "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
    );
    let case = asked(&[
        for_x("p", "application", "9000", &from("Allow", "w")),
        admin,
    ]);
    case.check(&[("w/a -> x/a 80/tcp", true), ("z/a -> x/a 80/tcp", false)]);
}

#[test]
fn t_2_t_14_one_order_in_a_tier() {
    let case = asked(&[
        for_x("late", "application", "5.5", &from("Drop", "w")),
        namespaced(
            "x/early",
            &format!(
                "{{priority: 5.4, appliedTo: [{{podSelector: {{matchLabels: {{pod: a}}}}}}], {}}}",
                from("Allow", "w")
            ),
        ),
    ]);
    case.check(&[("w/a -> x/a 80/tcp", true), ("w/a -> x/b 80/tcp", false)]);
    let tied = asked(&[
        for_x("a", "application", "5", &from("Allow", "w")),
        for_x("b", "application", "5.0", &from("Drop", "w")),
    ]);
    assert!(tied.verdict("w/a -> x/a 80/tcp").uncertain.is_some());
}

#[test]
fn t_2_a_tied_object_is_asked_as_a_whole() {
    let in_rules = "{priority: 5, ingress: [{action: Allow, appliedTo: [{podSelector: {matchLabels: \
                    {pod: a}}}], from: [{namespaceSelector: {matchLabels: {ns: w}}}]}, {action: Drop, \
                    appliedTo: [{podSelector: {matchLabels: {pod: a}}}]}]}";
    let tied = asked(&[
        for_x("a", "application", "5", &from("Drop", "z")),
        cluster("b", in_rules),
    ]);
    tied.check(&[("w/a -> x/a 80/tcp", true), ("z/a -> x/a 80/tcp", false)]);
}

#[test]
fn t_3_t_5_actions() {
    let case = asked(&[
        for_x("a", "application", "5", &from("Allow", "w")),
        for_x("b", "application", "6", &from("Reject", "z")),
    ]);
    case.check(&[
        ("z/a -> x/a 80/tcp", false),
        ("x/b -> x/a 80/tcp", true), // T-5: nothing is isolated
    ]);
    let over = asked(&[
        for_x("a", "application", "5", &from("Allow", "w")),
        network_policy("x/p", DENY_X),
    ]);
    over.check(&[("w/a -> x/a 80/tcp", true), ("z/a -> x/a 80/tcp", false)]);
}

#[test]
fn t_4_pass_goes_to_network_policy_at_once() {
    let case = asked(&[
        for_x("pass", "emergency", "5", &from("Pass", "w")),
        for_x(
            "drop",
            "emergency",
            "6",
            "ingress: [{action: Drop, from: [{podSelector: {matchLabels: \
            {pod: b}}}]}]",
        ),
        // In a later tier: not asked either.
        for_x("later", "application", "1", "ingress: [{action: Drop}]"),
        for_x(
            "base",
            "baseline",
            "1",
            "ingress: [{action: Drop, from: [{podSelector: {}}], ports: \
            [{port: 81}]}]",
        ),
    ]);
    case.check(&[
        ("w/a -> x/a 80/tcp", true),
        ("w/a -> x/a 81/tcp", false),
        ("z/a -> x/a 80/tcp", false),
        ("x/b -> x/a 80/tcp", false),
    ]);
    // What passes does not stop at the tier of AdminNetworkPolicy either.
    let admin = object(
        "policy.networking.k8s.io/v1alpha1",
        "AdminNetworkPolicy",
        "p",
        "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: \
         [{namespaces: {}}]}]}",
    );
    let case = asked(&[for_x("pass", "emergency", "5", &from("Pass", "w")), admin]);
    case.check(&[("w/a -> x/a 80/tcp", true), ("z/a -> x/a 80/tcp", false)]);
}

#[test]
fn t_4_what_passed_is_no_part_of_a_later_tie() {
    let case = asked(&[
        for_x("pass-1", "emergency", "5", &from("Pass", "w")),
        for_x("pass-2", "emergency", "5", &from("Pass", "w")),
        for_x("drop-1", "application", "5", &from("Drop", "w")),
        for_x("drop-2", "application", "5", &from("Drop", "w")),
    ]);
    case.check(&[("w/a -> x/a 80/tcp", true)]);
}

#[test]
fn t_7_nothing_written_is_anything() {
    let case = asked(&[for_x("p", "application", "5", "ingress: [{action: Drop}]")]);
    case.check(&[
        ("203.0.113.5 -> x/a 80/tcp", false),
        ("w/a -> x/a icmp", false),
        ("node:cp -> x/a 80/tcp", false),
    ]);
}

#[test]
fn t_7_traffic() {
    let case = asked(&[for_x(
        "p",
        "application",
        "5",
        "ingress: [{action: Drop, ports: [{port: 1000, endPort: 1005}, {protocol: UDP}, {port: http}], \
         protocols: [{icmp: {icmpType: 8, icmpCode: 0}}]}, {action: Drop, protocols: [{igmp: {}}]}]",
    )]);
    case.check(&[
        ("w/a -> x/a 1005/tcp", false),
        ("w/a -> x/a 1006/tcp", true),
        ("w/a -> x/a 9/udp", false),
        ("w/a -> x/a 80/tcp", false),
        ("w/a -> x/b 80/tcp", true),
        ("w/a -> x/b 8080/tcp", false),
        ("w/a -> x/a 9/sctp", true),
        ("w/a -> x/a icmp", false),
        ("w/a -> x/a icmp v6", true), // an echo of the other family has another type
    ]);
    let icmp = asked(&[for_x(
        "p",
        "application",
        "5",
        "ingress: [{action: Drop, protocols: [{icmp: {}}]}]",
    )]);
    icmp.check(&[
        ("w/a -> x/a icmp", false),
        ("w/a -> x/a icmp v6", false),
        ("w/a -> x/a 80/tcp", true),
    ]);
    let source = asked(&[for_x(
        "p",
        "application",
        "5",
        "ingress: [{action: Drop, ports: [{port: 80, sourcePort: 7}]}]",
    )]);
    // Which source port a connection has is not said.
    assert!(source.verdict("w/a -> x/a 80/tcp").uncertain.is_some());
    source.check(&[("w/a -> x/a 81/tcp", true)]);
}

#[test]
fn t_8_pods_without_namespaces() {
    let drop_b = "ingress: [{action: Drop, from: [{podSelector: {matchLabels: {pod: a}}}]}]";
    let everywhere = asked(&[for_x("p", "application", "5", drop_b)]);
    everywhere.check(&[("w/a -> x/b 80/tcp", false), ("x/a -> x/b 80/tcp", false)]);
    let own = asked(&[namespaced(
        "x/p",
        &format!("{{priority: 5, appliedTo: [{{podSelector: {{}}}}], {drop_b}}}"),
    )]);
    own.check(&[
        ("w/a -> x/b 80/tcp", true),
        ("x/a -> x/b 80/tcp", false),
        ("x/a -> w/a 80/tcp", true), // not its namespace
    ]);
}

#[test]
fn t_9_namespaces_of_the_endpoint() {
    let all = |peer: &str| {
        cluster(
            "p",
            &format!(
                "{{priority: 5, appliedTo: [{{namespaceSelector: {{}}}}], ingress: [{{action: Allow, \
                 from: [{peer}]}}, {{action: Drop, from: [{{namespaceSelector: {{}}}}]}}]}}"
            ),
        )
    };
    let own = asked(&[all("{namespaces: {match: Self}}")]);
    own.check(&[("x/b -> x/a 80/tcp", true), ("w/a -> x/a 80/tcp", false)]);
    let team = asked(&[all("{namespaces: {sameLabels: [team]}}")]);
    team.check(&[
        ("z/a -> x/a 80/tcp", true),
        ("w/a -> x/a 80/tcp", false),
        ("x/a -> w/a 80/tcp", false),
    ]);
    let only_x = asked(&[for_x(
        "p",
        "application",
        "5",
        "ingress: [{action: Drop, from: [{namespaces: {sameLabels: [team]}}]}]",
    )]);
    only_x.check(&[
        ("z/a -> x/a 80/tcp", false),
        ("x/a -> z/a 80/tcp", true), // not applied there
    ]);
    let none = asked(&[all("{namespaces: {sameLabels: [team, absent]}}")]);
    none.check(&[("x/b -> x/a 80/tcp", false)]);
}

#[test]
fn t_10_blocks() {
    let case = asked(&[for_x(
        "p",
        "application",
        "5",
        "egress: [{action: Allow, to: [{ipBlock: {cidr: 203.0.113.5/32}}]}, {action: Drop, to: \
         [{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: 10.0.2.0/24}}]}]",
    )]);
    case.check(&[
        ("x/a -> 203.0.113.5 443/tcp", true),
        ("x/a -> 203.0.113.6 443/tcp", false),
        ("x/a -> w/a 80/tcp", false), // a pod, by its address
        ("x/a -> w/a 80/tcp v6", true),
    ]);
}

#[test]
fn t_11_applied_to_in_rules() {
    let case = asked(&[cluster(
        "p",
        "{priority: 5, ingress: [{action: Allow, appliedTo: [{podSelector: {matchLabels: {pod: a}}}], \
         ports: [{port: 80}]}, {action: Drop, appliedTo: [{podSelector: {matchLabels: {pod: b}}}, \
         {podSelector: {matchLabels: {pod: a}}}]}]}",
    )]);
    case.check(&[
        ("w/a -> x/a 80/tcp", true),
        ("w/a -> x/a 81/tcp", false),
        ("w/a -> x/b 80/tcp", false),
    ]);
}

#[test]
fn t_11_other_endpoints() {
    let rules =
        "ingress: [{action: Drop, from: [{serviceAccount: {name: builder, namespace: x}}]}]";
    let account = asked(&[cluster(
        "p",
        &format!(
            "{{priority: 5, appliedTo: [{{serviceAccount: {{name: default, namespace: x}}}}], {rules}}}"
        ),
    )]);
    account.check(&[
        ("x/a -> x/b 80/tcp", false),
        ("x/a -> w/a 80/tcp", true), // an account of another namespace
        ("x/b -> x/a 80/tcp", true),
    ]);
    let nodes = asked(&[cluster(
        "p",
        "{priority: 5, appliedTo: [{nodeSelector: {matchLabels: {role: control-plane}}}], ingress: \
         [{action: Drop, from: [{namespaceSelector: {matchLabels: {ns: w}}}]}]}",
    )]);
    nodes.check(&[
        ("w/a -> node:cp 22/tcp", false),
        ("w/a -> node:n1 22/tcp", true),
    ]);
}

#[test]
fn t_12_the_own_address() {
    let case = asked(&[for_x("p", "application", "5", "ingress: [{action: Drop}]")]);
    case.check(&[("x/a -> x/a 80/tcp", true)]);
}

#[test]
fn t_15_custom_tiers() {
    let tier = object(V1, "Tier", "urgent", "{priority: 20}");
    let case = asked(&[
        for_x("drop", "emergency", "1", "ingress: [{action: Drop}]"),
        for_x("allow", "urgent", "900", &from("Allow", "w")),
        tier,
    ]);
    case.check(&[("w/a -> x/a 80/tcp", true), ("z/a -> x/a 80/tcp", false)]);
}

#[test]
fn t_15_a_tier_without_an_object_is_right_before_the_default_one() {
    let case = asked(&[
        for_x("drop", "emergency", "1", &from("Drop", "w")),
        for_x(
            "allow",
            "lost",
            "1",
            "ingress: [{action: Allow, from: [{namespaceSelector: {}}]}]",
        ),
        for_x("late", "application", "1", "ingress: [{action: Drop}]"),
    ]);
    case.check(&[
        ("w/a -> x/a 80/tcp", false),
        ("z/a -> x/a 80/tcp", true),
        ("203.0.113.5 -> x/a 80/tcp", false),
    ]);
}

#[test]
fn t_8_groups() {
    let group = |kind: &str, name: &str, spec: &str| object(V1, kind, name, spec);
    let drop = "ingress: [{action: Drop, from: [{group: outer}]}]";
    let case = asked(&[
        for_x("p", "application", "5", drop),
        group(
            "ClusterGroup",
            "outer",
            "{childGroups: [inner, nets, absent]}",
        ),
        group(
            "ClusterGroup",
            "inner",
            "{namespaceSelector: {matchLabels: {ns: w}}}",
        ),
        group(
            "ClusterGroup",
            "nets",
            "{ipBlocks: [{cidr: 203.0.113.0/24}]}",
        ),
    ]);
    case.check(&[
        ("w/a -> x/a 80/tcp", false),
        ("203.0.113.5 -> x/a 80/tcp", false),
        ("z/a -> x/a 80/tcp", true),
    ]);
    let own = asked(&[
        namespaced(
            "x/p",
            "{priority: 5, appliedTo: [{group: g}], ingress: [{action: Drop}]}",
        ),
        group("Group", "w/g", "{podSelector: {}}"),
        group("ClusterGroup", "g", "{podSelector: {}}"),
        group("Group", "x/g", "{podSelector: {matchLabels: {pod: a}}}"),
    ]);
    own.check(&[
        ("z/a -> x/a 80/tcp", false),
        ("z/a -> x/b 80/tcp", true),
        ("z/a -> w/a 80/tcp", true),
    ]);
}

#[test]
fn t_7_services_as_destinations() {
    let service = object(
        "v1",
        "Service",
        "x/web",
        "{clusterIP: 10.96.0.1, selector: {pod: b}, ports: [{port: 80, targetPort: http}]}",
    );
    let case = asked(&[
        cluster(
            "p",
            "{priority: 5, appliedTo: [{podSelector: {}}], egress: [{action: Drop, toServices: \
             [{name: web, namespace: x}]}]}",
        ),
        service,
    ]);
    case.check(&[
        ("w/a -> x/b 8080/tcp", false),
        ("w/a -> x/b 8081/tcp", true),
        ("w/a -> x/a 80/tcp", true),
    ]);
}

#[test]
fn t_7_names() {
    let names: &[(&str, &[&str])] = &[("www.example.com", &["203.0.113.10"])];
    let rules = "egress: [{action: Allow, to: [{fqdn: '*example.com'}]}, {action: Drop, to: [{ipBlock: \
                 {cidr: 0.0.0.0/0}}]}]";
    let case = Asked::new("antrea", names, &[for_x("p", "application", "5", rules)]);
    case.check(&[
        ("x/a -> name:www.example.com 443/tcp", true),
        ("x/a -> 203.0.113.10 443/tcp", true),
        ("x/a -> 203.0.113.11 443/tcp", false),
    ]);
    let pass = rules.replace("Allow", "Pass");
    let case = Asked::new("antrea", names, &[for_x("p", "application", "5", &pass)]);
    case.check(&[
        ("x/a -> name:www.example.com 443/tcp", true),
        ("x/a -> 203.0.113.11 443/tcp", false),
    ]);
}
