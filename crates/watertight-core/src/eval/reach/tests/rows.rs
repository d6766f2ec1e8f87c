//! Rows of small clusters, as text.

use expect_test::{Expect, expect};

use super::super::{Peer, Reach, RowId, SetId, Side};
use super::{Case, pod, policy};
use crate::eval::Family;
use crate::manifest::Direction;
use crate::world::World;

/// Every row of a direction with the endpoints that have it.
fn rows(case: &Case, direction: Direction) -> String {
    let reach = Reach::new(&case.evaluator());
    let side = reach.side(direction);
    let mut text = String::new();
    for (index, row) in side.rows().iter().enumerate() {
        let id = RowId::at(index);
        let having = case
            .world
            .endpoint_ids()
            .filter(|it| side.row_of(*it) == id);
        let having: Vec<String> = having.map(|it| case.world.endpoint_name(it)).collect();
        text += &format!("{}\n", having.join(" "));
        if id == RowId::EVERYTHING {
            continue;
        }
        for band in row.bands() {
            let word = band.protocol.word();
            let mut line = told(&reach, &case.world, side, band.allowed);
            if band.maybe != SetId::NONE {
                let maybe = told(&reach, &case.world, side, band.maybe);
                line += &format!("; perhaps {maybe}");
            }
            text += &format!("  {}-{}/{word} {line}\n", band.first, band.last);
        }
    }
    text
}

/// The endpoints and the number of runs of addresses in a set.
fn told(reach: &Reach, world: &World, side: &Side, set: SetId) -> String {
    let mut parts = Vec::new();
    for id in world.endpoint_ids() {
        let Some(class) = reach.class_of(id) else {
            continue;
        };
        let has = |family| side.sets().has(set, Peer::Class(class, family));
        let word = match (has(Family::V4), has(Family::V6)) {
            (true, true) => "",
            (true, false) => ".v4",
            (false, true) => ".v6",
            (false, false) => continue,
        };
        parts.push(format!("{}{word}", world.endpoint_name(id)));
    }
    let runs = side.sets().v4(set);
    let runs = runs.iter().map(|(first, last)| {
        format!(
            "{}-{}",
            std::net::Ipv4Addr::from(first),
            std::net::Ipv4Addr::from(last)
        )
    });
    parts.extend(runs);
    let runs = side.sets().v6(set);
    let runs = runs.iter().map(|(first, last)| {
        format!(
            "{}-{}",
            std::net::Ipv6Addr::from(first),
            std::net::Ipv6Addr::from(last)
        )
    });
    parts.extend(runs);
    match parts.is_empty() {
        true => "nobody".into(),
        false => parts.join(" "),
    }
}

fn cluster(policies: &[String]) -> Case {
    let pods = [
        pod(
            "x/a",
            "app: a",
            "10.0.0.1 fd00::1",
            "{name: http, containerPort: 80}",
        ),
        pod(
            "x/b",
            "app: b",
            "10.0.0.2",
            "{name: http, containerPort: 8080}",
        ),
        pod(
            "x/new",
            "app: a",
            "",
            "{name: http, containerPort: 80}, {name: http, containerPort: 53, protocol: UDP}",
        ),
        pod("w/c", "app: a", "10.0.1.1", ""),
    ];
    Case::new(&format!("{}{}", pods.concat(), policies.concat()))
}

fn ingress(policies: &[String], expected: &Expect) {
    expected.assert_eq(&rows(&cluster(policies), Direction::Ingress));
}

fn egress(policies: &[String], expected: &Expect) {
    expected.assert_eq(&rows(&cluster(policies), Direction::Egress));
}

/// K-15, K-24, K-25
#[test]
fn selectors_and_ports() {
    let policies = [
        policy(
            "p",
            "podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: {matchLabels: {app: a}}}], ports: [{port: 80, endPort: 90}]}]",
        ),
        policy(
            "q",
            "podSelector: {matchLabels: {app: b}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 90}]}]",
        ),
    ];
    ingress(
        &policies,
        &expect![[r#"
        x/a x/new w/c
        x/b
          80-89/tcp x/a x/new
          90-90/tcp x/a x/b x/new w/c
    "#]],
    );
}

/// K-39..K-42: selectors that differ in the operator alone.
#[test]
fn operators_of_selectors() {
    let rule = |port: u16, expression: &str| {
        let selector = format!("{{matchExpressions: [{{key: app, {expression}}}]}}");
        format!(
            "{{from: [{{namespaceSelector: {{}}, podSelector: {selector}}}], ports: [{{port: {port}}}]}}"
        )
    };
    let rules = [
        rule(1, "operator: In, values: [b]"),
        rule(2, "operator: NotIn, values: [b]"),
        rule(3, "operator: Exists"),
        rule(4, "operator: DoesNotExist"),
        rule(5, "operator: NotIn, values: [other]"),
        rule(6, "operator: In, values: [other]"),
    ];
    let spec = format!(
        "podSelector: {{matchLabels: {{app: b}}}}, ingress: [{}]",
        rules.join(", ")
    );
    ingress(
        &[policy("p", &spec)],
        &expect![[r#"
        x/a x/new w/c
        x/b
          1-1/tcp x/b
          2-2/tcp x/a x/new w/c
          3-3/tcp x/a x/b x/new w/c
          5-5/tcp x/a x/b x/new w/c
    "#]],
    );
}

/// K-20, K-21, K-61: an empty rule is everybody, on ICMP too.
#[test]
fn an_empty_rule() {
    ingress(
        &[policy(
            "p",
            "podSelector: {matchLabels: {app: b}}, ingress: [{}]",
        )],
        &expect![[r#"
            x/a x/new w/c
            x/b
              0-65535/tcp x/a x/b x/new w/c 0.0.0.0-255.255.255.255 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
              0-65535/udp x/a x/b x/new w/c 0.0.0.0-255.255.255.255 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
              0-65535/sctp x/a x/b x/new w/c 0.0.0.0-255.255.255.255 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
              0-65535/icmp x/a x/b x/new w/c 0.0.0.0-255.255.255.255 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
        "#]],
    );
    ingress(
        &[policy("p", "podSelector: {matchLabels: {app: b}}")],
        &expect![[r#"
            x/a x/new w/c
            x/b
        "#]],
    );
}

/// K-63, K-66, M-1: addresses of nobody, pods by their addresses, and pods without one.
#[test]
fn blocks() {
    let block = "{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/31, 10.244.0.0/24]}}";
    ingress(
        &[policy(
            "p",
            &format!(
                "podSelector: {{matchLabels: {{app: b}}}}, ingress: [{{from: [{block}], ports: [{{port: 80}}]}}]"
            ),
        )],
        &expect![[r#"
            x/a x/new w/c
            x/b
              80-80/tcp x/b.v4 w/c.v4 10.0.0.2-10.243.255.255 10.244.1.0-10.255.255.255; perhaps x/new.v4
        "#]],
    );
    let block = "{ipBlock: {cidr: '::/0', except: ['fd00::2/127']}}";
    ingress(
        &[policy(
            "p",
            &format!(
                "podSelector: {{matchLabels: {{app: b}}}}, ingress: [{{from: [{block}], ports: [{{port: 80}}]}}]"
            ),
        )],
        &expect![[r#"
            x/a x/new w/c
            x/b
              80-80/tcp x/a.v6 x/new.v6 ::-fd00::1 fd00::4-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
        "#]],
    );
}

/// K-64: an exception of one block is not a block of its own.
#[test]
fn blocks_that_are_spelled_alike() {
    let rule = |port: u16, peers: &str| format!("{{from: [{peers}], ports: [{{port: {port}}}]}}");
    let rules = [
        rule(1, "{ipBlock: {cidr: 10.0.0.0/30, except: [10.0.0.1/32]}}"),
        rule(
            2,
            "{ipBlock: {cidr: 10.0.0.0/30}}, {ipBlock: {cidr: 10.0.0.1/32}}",
        ),
        rule(3, "{ipBlock: {cidr: 10.0.0.1/32}}"),
    ];
    let spec = format!(
        "podSelector: {{matchLabels: {{app: b}}}}, ingress: [{}]",
        rules.join(", ")
    );
    ingress(
        &[policy("p", &spec)],
        &expect![[r#"
        x/a x/new w/c
        x/b
          1-1/tcp x/b.v4 10.0.0.0-10.0.0.0 10.0.0.2-10.0.0.3
          2-2/tcp x/a.v4 x/b.v4 10.0.0.0-10.0.0.3
          3-3/tcp x/a.v4 10.0.0.1-10.0.0.1
    "#]],
    );
}

/// K-52: of the selected pods; each meaning has a row.
#[test]
fn names_of_ingress_ports() {
    let ports = "ports: [{port: http}, {protocol: UDP, port: http}]";
    ingress(
        &[policy(
            "p",
            &format!(
                "ingress: [{{from: [{{podSelector: {{matchLabels: {{app: a}}}}}}], {ports}}}]"
            ),
        )],
        &expect![[r#"
            w/c
            x/a
              80-80/tcp x/a x/new
            x/b
              8080-8080/tcp x/a x/new
            x/new
              80-80/tcp x/a x/new
              53-53/udp x/a x/new
        "#]],
    );
}

/// K-53, K-57: of the other end; nobody outside has one.
#[test]
fn names_of_egress_ports() {
    let ports = "ports: [{port: http}, {protocol: UDP, port: http}]";
    egress(
        &[policy(
            "p",
            &format!("policyTypes: [Egress], egress: [{{{ports}}}]"),
        )],
        &expect![[r#"
            w/c
            x/a x/b x/new
              80-80/tcp x/a x/new
              8080-8080/tcp x/b
              53-53/udp x/new
        "#]],
    );
    let block = "{ipBlock: {cidr: 10.0.0.0/8}}";
    egress(
        &[policy(
            "p",
            &format!("policyTypes: [Egress], egress: [{{to: [{block}], {ports}}}]"),
        )],
        &expect![[r#"
            w/c
            x/a x/b x/new
              80-80/tcp x/a.v4 x/new.v4
              8080-8080/tcp x/b.v4
              53-53/udp x/new.v4
        "#]],
    );
}
