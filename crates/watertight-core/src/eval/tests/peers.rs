//! K-19..K-37: inside a rule, and who is on the other end.

use super::{check, policy};

fn ingress(rules: &str) -> String {
    policy(
        "x/p",
        &format!("podSelector: {{matchLabels: {{app: db}}}}\ningress: {rules}"),
    )
}

fn from(peers: &str) -> String {
    ingress(&format!("[{{from: {peers}}}]"))
}

#[test]
fn k_19_a_peer_and_a_port() {
    check(
        &ingress("[{from: [{podSelector: {}}], ports: [{port: 80}]}]"),
        &[
            ("x/a -> x/b:80/tcp", true),
            ("x/a -> x/b:81/tcp", false),
            ("w/c -> x/b:80/tcp", false),
        ],
    );
}

#[test]
fn k_20_no_peers_is_everybody() {
    for peers in ["", "from: , ", "from: [], "] {
        check(
            &ingress(&format!("[{{{peers}ports: [{{port: 80}}]}}]")),
            &[
                ("w/c -> x/b:80/tcp", true),
                ("203.0.113.5 -> x/b:80/tcp", true),
                ("[2001:db8::1] -> x/b:80/tcp", true),
                ("node:n1 -> x/b:80/tcp", true),
                ("x/h -> x/b:80/tcp", true),
                ("w/c -> x/b:81/tcp", false),
            ],
        );
    }
}

#[test]
fn k_21_no_ports_is_everything() {
    for ports in ["", ", ports: ", ", ports: []"] {
        check(
            &ingress(&format!("[{{from: [{{podSelector: {{}}}}]{ports}}}]")),
            &[
                ("x/a -> x/b:1/tcp", true),
                ("x/a -> x/b:53/udp", true),
                ("x/a -> x/b:65535/sctp", true),
                ("x/a -> x/b/icmp", true),
                ("w/c -> x/b:1/tcp", false),
            ],
        );
    }
}

#[test]
fn k_22_items_are_alternatives() {
    check(
        &ingress(
            "[{from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.1.0/24}}], ports: [{port: 1}, \
             {port: 2}]}, {ports: [{port: 3}]}]",
        ),
        &[
            ("x/a -> x/b:1/tcp", true),
            ("w/c -> x/b:2/tcp", true),
            ("z/d -> x/b:2/tcp", false),
            ("z/d -> x/b:3/tcp", true),
        ],
    );
}

#[test]
fn k_23_peers_and_ports_form_a_cross_product() {
    let red = "{namespaceSelector: {matchLabels: {team: red}}}";
    let blue = "{namespaceSelector: {matchLabels: {team: blue}}}";
    check(
        &ingress(&format!(
            "[{{from: [{red}, {blue}], ports: [{{port: 1}}, {{port: 2}}]}}]"
        )),
        &[("x/a -> x/b:2/tcp", true), ("w/c -> x/b:1/tcp", true)],
    );
    check(
        &ingress(&format!(
            "[{{from: [{red}], ports: [{{port: 1}}]}}, {{from: [{blue}], ports: [{{port: 2}}]}}]"
        )),
        &[
            ("x/a -> x/b:1/tcp", true),
            ("x/a -> x/b:2/tcp", false),
            ("w/c -> x/b:1/tcp", false),
        ],
    );
}

#[test]
fn k_24_a_pod_selector_alone_is_about_the_own_namespace() {
    check(
        &from("[{podSelector: {matchLabels: {app: web}}}]"),
        &[("x/a -> x/b:80/tcp", true), ("w/c -> x/b:80/tcp", false)],
    );
}

#[test]
fn k_25_a_namespace_selector_alone_is_about_all_its_pods() {
    check(
        &from("[{namespaceSelector: {matchLabels: {team: blue}}}]"),
        &[("w/c -> x/b:80/tcp", true), ("x/a -> x/b:80/tcp", false)],
    );
    check(
        &from("[{namespaceSelector: {matchLabels: {team: red}}}]"),
        &[("x/a -> x/b:80/tcp", true), ("w/c -> x/b:80/tcp", false)],
    );
}

#[test]
fn k_26_both_selectors_in_one_item_must_match() {
    check(
        &from(
            "[{namespaceSelector: {matchLabels: {team: blue}}, podSelector: {matchLabels: {app: \
             web}}}]",
        ),
        &[
            ("w/c -> x/b:80/tcp", true),
            ("x/a -> x/b:80/tcp", false),
            ("z/d -> x/b:80/tcp", false),
        ],
    );
}

#[test]
fn k_27_selectors_in_two_items_are_alternatives() {
    check(
        &from(
            "[{namespaceSelector: {matchLabels: {team: blue}}}, {podSelector: {matchLabels: {app: \
             web}}}]",
        ),
        &[
            ("w/c -> x/b:80/tcp", true),
            ("x/a -> x/b:80/tcp", true),
            ("z/d -> x/b:80/tcp", false),
        ],
    );
}

#[test]
fn k_28_an_empty_pod_selector_is_the_own_namespace() {
    check(
        &from("[{podSelector: {}}]"),
        &[("x/a -> x/b:80/tcp", true), ("w/c -> x/b:80/tcp", false)],
    );
}

#[test]
fn k_29_an_empty_namespace_selector_is_every_pod_and_nobody_else() {
    check(
        &from("[{namespaceSelector: {}}]"),
        &[
            ("x/a -> x/b:80/tcp", true),
            ("z/d -> x/b:80/tcp", true),
            ("203.0.113.5 -> x/b:80/tcp", false),
            ("node:n1 -> x/b:80/tcp", false),
            ("x/h -> x/b:80/tcp", false),
        ],
    );
}

#[test]
fn k_30_such_pods_in_any_namespace() {
    check(
        &from("[{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}]"),
        &[
            ("x/a -> x/b:80/tcp", true),
            ("w/c -> x/b:80/tcp", true),
            ("z/d -> x/b:80/tcp", false),
        ],
    );
}

#[test]
fn k_31_a_missing_selector_does_not_constrain() {
    let all_of_blue = [("w/c -> x/b:80/tcp", true), ("x/a -> x/b:80/tcp", false)];
    for pods in ["", ", podSelector: ", ", podSelector: {}"] {
        let blue = "namespaceSelector: {matchLabels: {team: blue}}";
        check(&from(&format!("[{{{blue}{pods}}}]")), &all_of_blue);
    }
    let own_web = [("x/a -> x/b:80/tcp", true), ("w/c -> x/b:80/tcp", false)];
    for namespaces in ["", ", namespaceSelector: "] {
        let web = "podSelector: {matchLabels: {app: web}}";
        check(&from(&format!("[{{{web}{namespaces}}}]")), &own_web);
    }
}

#[test]
fn k_33_label_peers_mean_every_address_of_a_pod() {
    check(
        &from("[{podSelector: {matchLabels: {app: web}}}]"),
        &[
            ("x/a -> x/b:80/tcp v4", true),
            ("x/a -> x/b:80/tcp v6", true),
            ("10.0.0.1 -> x/b:80/tcp", true),
        ],
    );
}

#[test]
fn k_35_every_namespace_has_its_name_label() {
    check(
        &from("[{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: z}}}]"),
        &[("z/d -> x/b:80/tcp", true), ("w/c -> x/b:80/tcp", false)],
    );
    let lies = "
---
apiVersion: v1
kind: Namespace
metadata: {name: z, labels: {kubernetes.io/metadata.name: trusted}}
";
    let trusted =
        from("[{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: trusted}}}]");
    check(&format!("{lies}{trusted}"), &[("z/d -> x/b:80/tcp", false)]);
}

#[test]
fn k_36_a_plain_name_label_must_have_been_put_there() {
    check(
        &from("[{namespaceSelector: {matchLabels: {name: w}}}]"),
        &[("w/c -> x/b:80/tcp", true)],
    );
    check(
        &from("[{namespaceSelector: {matchLabels: {name: z}}}]"),
        &[("z/d -> x/b:80/tcp", false)],
    );
}

#[test]
fn k_37_all_namespaces_but_one() {
    let but_blue = "{key: team, operator: NotIn, values: [blue]}";
    let unlabelled = "{key: team, operator: DoesNotExist}";
    check(
        &from(&format!(
            "[{{namespaceSelector: {{matchExpressions: [{but_blue}]}}}}]"
        )),
        &[
            ("x/a -> x/b:80/tcp", true),
            ("w/c -> x/b:80/tcp", false),
            ("z/d -> x/b:80/tcp", true),
        ],
    );
    check(
        &from(&format!(
            "[{{namespaceSelector: {{matchExpressions: [{unlabelled}]}}}}]"
        )),
        &[("x/a -> x/b:80/tcp", false), ("z/d -> x/b:80/tcp", true)],
    );
}

/// The same peers on the other side.
#[test]
fn k_24_to_k_30_for_egress() {
    let to = |peers: &str| {
        let spec = format!("podSelector: {{}}\npolicyTypes: [Egress]\negress: [{{to: {peers}}}]");
        policy("x/p", &spec)
    };
    check(
        &to("[{podSelector: {matchLabels: {app: db}}}]"),
        &[
            ("x/a -> x/b:80/tcp", true),
            ("x/b -> x/a:80/tcp", false),
            ("x/a -> w/c:80/tcp", false),
        ],
    );
    check(
        &to("[{namespaceSelector: {}}]"),
        &[
            ("x/a -> w/c:80/tcp", true),
            ("x/a -> 203.0.113.5:80/tcp", false),
            ("x/b -> node:n1:80/tcp", false),
            ("x/b -> x/h:80/tcp", false),
        ],
    );
}
