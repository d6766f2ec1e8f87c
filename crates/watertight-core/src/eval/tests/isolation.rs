//! K-1..K-18: which pods a policy selects, and how policies combine.

use super::{check, check_with, policy};

#[test]
fn k_1_a_policy_acts_in_its_own_namespace() {
    check(
        &policy("x/p", "podSelector: {}"),
        &[("w/c -> x/a:80/tcp", false), ("x/a -> w/c:80/tcp", true)],
    );
}

#[test]
fn k_2_no_selector_selects_every_pod() {
    for spec in ["policyTypes: [Ingress]", "podSelector:", "podSelector: {}"] {
        check(
            &policy("x/p", spec),
            &[("w/c -> x/a:80/tcp", false), ("w/c -> x/b:80/tcp", false)],
        );
    }
}

/// `team` is a label of the namespace, `owner` an annotation; neither selects.
#[test]
fn k_3_only_the_pods_own_labels_select() {
    let pod = "
---
apiVersion: v1
kind: Pod
metadata: {name: e, namespace: x, labels: {app: e}, annotations: {owner: me}}
spec: {nodeName: n2, containers: []}
status: {phase: Running, podIP: 10.0.0.9}
";
    for label in ["team: red", "owner: me"] {
        let deny = policy("x/p", &format!("podSelector: {{matchLabels: {{{label}}}}}"));
        check(&format!("{pod}{deny}"), &[("w/c -> x/e:80/tcp", true)]);
    }
    let deny = policy("x/p", "podSelector: {matchLabels: {app: e}}");
    check(&format!("{pod}{deny}"), &[("w/c -> x/e:80/tcp", false)]);
}

#[test]
fn k_4_a_policy_may_come_before_its_pods() {
    check(
        &policy("x/p", "podSelector: {matchLabels: {app: canary}}"),
        &[("w/c -> x/a:80/tcp", true)],
    );
}

#[test]
fn k_5_without_spec_all_ingress_is_denied() {
    let bare = "
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: x}
";
    check(
        bare,
        &[("w/c -> x/a:80/tcp", false), ("x/a -> w/c:80/tcp", true)],
    );
}

#[test]
fn k_6_a_pod_that_nothing_selects_is_open() {
    check(
        "",
        &[
            ("w/c -> x/a:80/tcp", true),
            ("203.0.113.5 -> x/a:65535/sctp", true),
            ("x/a -> [2001:db8::1]:1/udp", true),
            ("x/a -> w/c/icmp", true),
        ],
    );
}

#[test]
fn k_7_selected_and_covered_is_isolated() {
    check(
        &policy(
            "x/p",
            "podSelector: {matchLabels: {app: web}}\npolicyTypes: [Egress]",
        ),
        &[
            ("x/a -> w/c:80/tcp", false),
            ("w/c -> x/a:80/tcp", true),
            ("x/b -> w/c:80/tcp", true),
        ],
    );
}

#[test]
fn k_8_default_types() {
    for types in ["", "policyTypes:\n", "policyTypes: []\n"] {
        let spec = |rest: &str| policy("x/p", &format!("podSelector: {{}}\n{types}{rest}"));
        check(
            &spec("ingress: [{}]"),
            &[("x/a -> w/c:80/tcp", true), ("w/c -> x/a:80/tcp", true)],
        );
        // One egress rule, be it empty, adds Egress; Ingress is there in any case.
        check(
            &spec("egress: [{}]"),
            &[("x/a -> w/c:80/tcp", true), ("w/c -> x/a:80/tcp", false)],
        );
        check(
            &spec("egress: [{ports: [{port: 443}]}]"),
            &[("x/a -> w/c:443/tcp", true), ("x/a -> w/c:80/tcp", false)],
        );
    }
}

#[test]
fn k_9_an_empty_egress_list_is_no_egress_section() {
    check(
        &policy("x/p", "podSelector: {}\negress: []"),
        &[("x/a -> w/c:80/tcp", true), ("w/c -> x/a:80/tcp", false)],
    );
}

#[test]
fn k_10_a_section_outside_the_types_is_inert() {
    let inert = policy(
        "x/p",
        "podSelector: {}\npolicyTypes: [Egress]\ningress: [{ports: [{port: 80}]}]",
    );
    let connections = ["w/c -> x/a:80/tcp", "w/c -> x/a:81/tcp"];
    check(&inert, &[(connections[0], true), (connections[1], true)]);
    // It does not allow either, where another policy isolates.
    check(
        &(inert.clone() + &policy("x/deny", "podSelector: {}")),
        &[(connections[0], false)],
    );
    check_with(
        "policy_types_gate=sections",
        &inert,
        &[(connections[0], true), (connections[1], false)],
    );
}

/// The switch asks for rules: an empty section has none.
#[test]
fn k_10_sections_without_rules_stay_inert() {
    check_with(
        "policy_types_gate=sections",
        &policy("x/p", "podSelector: {}\npolicyTypes: [Egress]\ningress: []"),
        &[("w/c -> x/a:80/tcp", true), ("x/a -> w/c:80/tcp", false)],
    );
}

#[test]
fn k_11_a_listed_direction_without_rules_is_denied() {
    check(
        &policy("x/p", "podSelector: {}\npolicyTypes: [Egress]"),
        &[
            ("x/a -> w/c:53/udp", false),
            ("x/a -> 203.0.113.5:443/tcp", false),
            ("w/c -> x/a:80/tcp", true),
        ],
    );
    check(
        &policy("x/p", "podSelector: {}\npolicyTypes: [Ingress, Egress]"),
        &[("x/a -> w/c:53/udp", false), ("w/c -> x/a:80/tcp", false)],
    );
}

#[test]
fn k_12_directions_do_not_influence_each_other() {
    check(
        &policy("x/p", "podSelector: {}\npolicyTypes: [Ingress]"),
        &[("x/a -> w/c:80/tcp", true)],
    );
    check(
        &policy(
            "x/p",
            "podSelector: {}\npolicyTypes: [Ingress, Egress]\negress: [{}]",
        ),
        &[("x/a -> w/c:80/tcp", true), ("w/c -> x/a:80/tcp", false)],
    );
}

#[test]
fn k_13_no_rules_in_any_spelling() {
    for section in ["", "\ningress:", "\ningress: []"] {
        check(
            &policy("x/p", &format!("podSelector: {{}}{section}")),
            &[("w/c -> x/a:80/tcp", false)],
        );
    }
}

#[test]
fn k_14_one_empty_rule_allows_the_direction() {
    check(
        &policy("x/p", "podSelector: {}\ningress: [{}]"),
        &[
            ("w/c -> x/a:1/sctp", true),
            ("203.0.113.5 -> x/a:80/tcp", true),
            ("[2001:db8::1] -> x/a:80/udp", true),
            ("node:n2 -> x/a:80/tcp", true),
            ("w/c -> x/a/icmp", true),
        ],
    );
}

#[test]
fn k_15_policies_add_up() {
    let deny = policy("x/deny", "podSelector: {}");
    let web = policy("x/web", "podSelector: {}\ningress: [{ports: [{port: 80}]}]");
    let db = policy(
        "x/db",
        "podSelector: {}\ningress: [{ports: [{port: 5432}]}]",
    );
    let connections = [
        ("w/c -> x/a:80/tcp", true),
        ("w/c -> x/a:5432/tcp", true),
        ("w/c -> x/a:443/tcp", false),
    ];
    check(&format!("{deny}{web}{db}"), &connections);
    check(&format!("{db}{web}{deny}"), &connections);
}

#[test]
fn k_16_both_sides_must_allow() {
    let egress = policy(
        "x/out",
        "podSelector: {}\npolicyTypes: [Egress]\negress: [{ports: [{port: 80}, {port: 81}]}]",
    );
    let ingress = policy(
        "w/in",
        "podSelector: {}\ningress: [{ports: [{port: 81}, {port: 82}]}]",
    );
    check(
        &(egress + &ingress),
        &[
            ("x/a -> w/c:80/tcp", false),
            ("x/a -> w/c:81/tcp", true),
            ("x/a -> w/c:82/tcp", false),
        ],
    );
}

#[test]
fn k_17_an_end_that_is_no_subject_sets_no_condition() {
    let deny = "podSelector: {}\npolicyTypes: [Ingress, Egress]";
    check(
        &policy("w/p", deny),
        &[
            ("203.0.113.5 -> x/a:80/tcp", true),
            ("node:n2 -> x/a:80/tcp", true),
            ("x/a -> node:n2:80/tcp", true),
        ],
    );
}

#[test]
fn k_18_own_namespace_is_the_policys() {
    let same_namespace = "podSelector: {}\ningress: [{from: [{podSelector: {}}]}]";
    check(
        &policy("w/p", same_namespace),
        &[("x/a -> w/c:80/tcp", false), ("x/a -> x/b:80/tcp", true)],
    );
    check(
        &policy("x/p", same_namespace),
        &[("x/b -> x/a:80/tcp", true), ("w/c -> x/a:80/tcp", false)],
    );
}
