//! Antrea's objects as written: what its schemas and its webhook accept and refuse (T- rules).

use std::fmt::Write as _;

use super::*;
use crate::manifest::{Body, Options, PolicyObject, load};
use crate::rules::testing::show;
use crate::source::Sources;

fn read(object: &str) -> (Option<AntreaObject>, String) {
    let mut sources = Sources::new();
    sources.add("t.yaml", object.into()).unwrap();
    let loaded = load(&sources, &Options::default());
    let mut said = String::new();
    for finding in &loaded.findings {
        let _ = write!(said, "{}", show(&sources, finding));
    }
    let object = loaded.objects.first().map(|object| match &object.body {
        Body::Policy(_, policy) => match &**policy {
            PolicyObject::Antrea(object) => object.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    (object, said)
}

fn object(kind: &str, metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: crd.antrea.io/v1beta1\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {spec}\n"
    )
}

fn cluster(spec: &str) -> String {
    object("ClusterNetworkPolicy", "name: p", spec)
}

fn namespaced(spec: &str) -> String {
    object("NetworkPolicy", "name: p, namespace: x", spec)
}

/// A ClusterNetworkPolicy for all pods with one rule.
fn with_rule(direction: &str, rule: &str) -> String {
    cluster(&format!(
        "{{priority: 5, appliedTo: [{{podSelector: {{}}}}], {direction}: [{rule}]}}"
    ))
}

fn with_peer(direction: &str, peer: &str) -> String {
    let field = if direction == "ingress" { "from" } else { "to" };
    with_rule(direction, &format!("{{action: Drop, {field}: [{peer}]}}"))
}

#[track_caller]
fn accepted(object: &str) -> AntreaObject {
    let (found, said) = read(object);
    assert_eq!(said, "", "{object}");
    found.unwrap_or_else(|| panic!("nothing read: {object}"))
}

#[track_caller]
fn policy(object: &str) -> AntreaPolicy {
    match accepted(object) {
        AntreaObject::Policy(policy) => policy,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(object: &str, id: &str) {
    let (found, said) = read(object);
    assert!(found.is_none(), "accepted: {object}");
    let cited = said
        .lines()
        .filter_map(|line| line.strip_prefix("  why: "))
        .any(|why| why.split(' ').any(|cited| cited == id));
    assert!(cited, "{id}: {object}\n{said}");
}

#[track_caller]
fn peer(direction: &str, peer: &str) -> AntreaPeerKind {
    let policy = policy(&with_peer(direction, peer));
    let rules = if direction == "ingress" {
        policy.ingress
    } else {
        policy.egress
    };
    rules[0].peers[0].kind.clone()
}

#[test]
fn t_1_tiers() {
    let tier = |tier: &str| {
        policy(&cluster(&format!(
            "{{{tier}priority: 5, appliedTo: [{{podSelector: {{}}}}]}}"
        )))
        .tier
    };
    assert_eq!(&*tier(""), "application");
    assert_eq!(&*tier("tier: baseline, "), "baseline");
    assert_eq!(&*tier("tier: SecurityOps, "), "securityops");
    assert_eq!(&*tier("tier: Mine, "), "Mine");
}

#[test]
fn t_2_priorities() {
    let with = |priority: &str| {
        cluster(&format!(
            "{{{priority} appliedTo: [{{podSelector: {{}}}}]}}"
        ))
    };
    for (text, expected) in [("1", 1.0), ("1.0", 1.0), ("5.5", 5.5), ("10000", 10000.0)] {
        let read = policy(&with(&format!("priority: {text},"))).priority;
        assert!((read - expected).abs() < f64::EPSILON, "{text}: {read}");
    }
    for wrong in [
        "",
        "priority: 0,",
        "priority: 0.9,",
        "priority: 10000.5,",
        "priority: '5',",
    ] {
        refused(&with(wrong), "T-2");
    }
}

#[test]
fn t_3_actions() {
    for (word, action) in [
        ("Allow", AntreaAction::Allow),
        ("Drop", AntreaAction::Drop),
        ("Reject", AntreaAction::Reject),
        ("Pass", AntreaAction::Pass),
    ] {
        let policy = policy(&with_rule("ingress", &format!("{{action: {word}}}")));
        assert_eq!(policy.ingress[0].action, action);
    }
    for wrong in ["{}", "{action: Deny}", "{action: allow}"] {
        refused(&with_rule("ingress", wrong), "T-3");
    }
    refused(
        &with_rule("ingress", "{action: Drop, l7Protocols: [{http: {}}]}"),
        "T-3",
    );
}

#[test]
fn t_4_the_baseline_cannot_pass() {
    for (tier, fine) in [
        ("baseline", false),
        ("Baseline", false),
        ("application", true),
    ] {
        let object = cluster(&format!(
            "{{tier: {tier}, priority: 5, appliedTo: [{{podSelector: {{}}}}], egress: [{{action: \
             Pass}}]}}"
        ));
        if fine {
            accepted(&object);
        } else {
            refused(&object, "T-4");
        }
    }
}

#[test]
fn t_7_traffic() {
    let rule = |rule: &str| {
        let rule = format!("{{action: Allow, {rule}}}");
        policy(&with_rule("egress", &rule)).egress.remove(0)
    };
    assert!(rule("ports: []").traffic.is_empty());
    let read = rule(
        "ports: [{port: 80}, {protocol: UDP}, {port: http}, {port: 1, endPort: 9, sourcePort: 7}], \
         protocols: [{icmp: {icmpType: 8}}, {icmp: {}}, {igmp: {}}]",
    );
    let shown: Vec<_> = read
        .traffic
        .iter()
        .map(|item| match item {
            AntreaTraffic::Port(port) => format!(
                "{} {:?} {:?} {:?}",
                port.protocol.word(),
                port.port,
                port.end_port,
                port.source
            ),
            AntreaTraffic::Icmp { kind, code, .. } => format!("icmp {kind:?} {code:?}"),
            AntreaTraffic::Igmp(_) => "igmp".into(),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "tcp Some(Number(80)) None None",
            "udp None None None",
            "tcp Some(Name(\"http\")) None None",
            "tcp Some(Number(1)) Some(9) Some((7, 7))",
            "icmp Some(8) None",
            "icmp None None",
            "igmp",
        ]
    );
    for wrong in [
        "ports: [{protocol: ICMP}]",
        "ports: [{port: 65536}]",
        "ports: [{endPort: 9}]",
        "ports: [{port: http, endPort: 9}]",
        "ports: [{port: 10, endPort: 9}]",
        "ports: [{sourceEndPort: 9}]",
        "protocols: [{}]",
        "protocols: [{icmp: {icmpType: 256}}]",
        "toServices: [{name: a, namespace: b}], ports: [{port: 80}]",
        "toServices: [{name: a, namespace: b}], to: [{podSelector: {}}]",
    ] {
        refused(
            &with_rule("egress", &format!("{{action: Allow, {wrong}}}")),
            "T-7",
        );
    }
    refused(
        &with_rule("ingress", "{action: Allow, toServices: [{name: a}]}"),
        "T-7",
    );
    let services = rule("toServices: [{name: web, namespace: shop}]").services;
    assert_eq!(
        (&*services[0].name, services[0].namespace.as_deref()),
        ("web", Some("shop"))
    );
    let words =
        rule("l7Protocols: [{http: {method: GET, path: /api}}, {tls: {sni: a.io}}, {tls: {}}]");
    assert_eq!(
        words
            .layer7
            .iter()
            .map(|item| &*item.text)
            .collect::<Vec<_>>(),
        ["HTTP GET /api", "TLS for a.io", "TLS"]
    );
}

#[test]
fn t_8_peers() {
    use AntreaNamespaces::*;
    use AntreaPeerKind as Is;
    assert!(matches!(
        peer("ingress", "{podSelector: {}}"),
        Is::Pods {
            pods: Some(_),
            namespaces: Unwritten
        }
    ));
    assert!(matches!(
        peer("egress", "{namespaceSelector: {}}"),
        Is::Pods {
            pods: None,
            namespaces: Matching(_)
        }
    ));
    assert!(matches!(
        peer("egress", "{namespaceSelector: {}, podSelector: {}}"),
        Is::Pods {
            pods: Some(_),
            namespaces: Matching(_)
        }
    ));
    assert!(matches!(peer("ingress", "{group: g}"), Is::Group(name) if &*name == "g"));
    assert!(matches!(
        peer("ingress", "{serviceAccount: {name: a, namespace: x}}"),
        Is::ServiceAccount(account) if &*account.name == "a"
    ));
    assert!(matches!(peer("egress", "{nodeSelector: {}}"), Is::Nodes(_)));
    assert!(matches!(
        peer("ingress", "{externalEntitySelector: {}}"),
        Is::External
    ));
    assert!(matches!(
        peer("ingress", "{podSelector: {}, scope: ClusterSet}"),
        Is::Pods { .. }
    ));
    for wrong in [
        "{}",
        "{group: g, podSelector: {}}",
        "{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}",
        "{serviceAccount: {name: a}, namespaceSelector: {}}",
        "{serviceAccount: {namespace: a}}",
        "{nodeSelector: {}, namespaceSelector: {}}",
        "{podSelector: {}, externalEntitySelector: {}}",
        "{namespaceSelector: {}, namespaces: {match: Self}}",
    ] {
        refused(&with_peer("ingress", wrong), "T-8");
    }
    refused(
        &with_peer("ingress", "{podSelector: {matchLabels: {a/b/c: d}}}"),
        "V-21",
    );
}

#[test]
fn t_7_names_are_for_egress() {
    for name in ["www.example.com", "'*wayfair.com'"] {
        let found = peer("egress", &format!("{{fqdn: {name}}}"));
        assert!(matches!(found, AntreaPeerKind::Name(_)), "{name}");
    }
    refused(&with_peer("egress", "{fqdn: 'a b'}"), "T-7");
    refused(&with_peer("ingress", "{fqdn: a.io}"), "T-7");
}

#[test]
fn t_9_own_namespace() {
    let own = peer("ingress", "{namespaces: {match: Self}, podSelector: {}}");
    assert!(matches!(
        own,
        AntreaPeerKind::Pods {
            pods: Some(_),
            namespaces: AntreaNamespaces::Own
        }
    ));
    let same = peer("ingress", "{namespaces: {sameLabels: [team, env]}}");
    assert!(matches!(
        same,
        AntreaPeerKind::Pods { pods: None, namespaces: AntreaNamespaces::SameLabels(keys) }
            if keys.len() == 2
    ));
    for wrong in ["{}", "{match: Other}", "{match: Self, sameLabels: [a]}"] {
        refused(
            &with_peer("ingress", &format!("{{namespaces: {wrong}}}")),
            "T-9",
        );
    }
    // A namespaced policy has its own namespace only.
    refused(
        &namespaced(
            "{priority: 5, appliedTo: [{podSelector: {}}], ingress: [{action: Drop, from: \
             [{namespaces: {match: Self}}]}]}",
        ),
        "T-9",
    );
}

#[test]
fn t_10_blocks() {
    let AntreaPeerKind::Block(block) = peer("egress", "{ipBlock: {cidr: 203.0.113.0/24}}") else {
        panic!("no block");
    };
    assert_eq!(block.cidr.net.to_string(), "203.0.113.0/24");
    // The documentation writes blocks with bits beyond the prefix.
    let (found, said) = read(&with_peer("egress", "{ipBlock: {cidr: 192.168.1.1/24}}"));
    assert!(
        found.is_some() && said.starts_with("warning[WT003]"),
        "{said}"
    );
    for wrong in [
        "{}",
        "{cidr: 10.0.0.1}",
        "{cidr: 10.0.0.0/8, except: [10.0.0.0/8]}",
        "{cidr: 10.0.0.0/8, except: [192.168.0.0/16]}",
    ] {
        refused(
            &with_peer("egress", &format!("{{ipBlock: {wrong}}}")),
            "T-10",
        );
    }
}

#[test]
fn t_11_applied_to() {
    let rule = "{action: Drop, appliedTo: [{podSelector: {}}]}";
    let read = policy(&cluster(&format!(
        "{{priority: 5, ingress: [{rule}], egress: [{rule}]}}"
    )));
    assert!(read.applied_to.is_empty() && read.egress[0].applied_to.len() == 1);
    for wrong in [
        "{priority: 5}".to_owned(),
        "{priority: 5, appliedTo: []}".to_owned(),
        "{priority: 5, ingress: [{action: Drop}]}".to_owned(),
        format!("{{priority: 5, ingress: [{rule}, {{action: Drop}}]}}"),
        format!("{{priority: 5, appliedTo: [{{podSelector: {{}}}}], ingress: [{rule}]}}"),
        "{priority: 5, appliedTo: [{}]}".to_owned(),
        "{priority: 5, appliedTo: [{group: a, podSelector: {}}]}".to_owned(),
    ] {
        refused(&cluster(&wrong), "T-11");
    }
    for applied in [
        "{namespaceSelector: {}, podSelector: {}}",
        "{serviceAccount: {name: a, namespace: b}}",
        "{nodeSelector: {}}",
        "{service: {name: a, namespace: b}}",
    ] {
        accepted(&cluster(&format!(
            "{{priority: 5, appliedTo: [{applied}]}}"
        )));
    }
    // T-8: a namespaced policy stays in its namespace.
    accepted(&namespaced("{priority: 5, appliedTo: [{podSelector: {}}]}"));
    refused(
        &namespaced("{priority: 5, appliedTo: [{namespaceSelector: {}}]}"),
        "T-8",
    );
}

#[test]
fn t_15_tiers() {
    let tier = |name: &str, priority: &str| {
        object("Tier", &format!("name: {name}"), &format!("{{{priority}}}"))
    };
    for (name, priority) in [
        ("mine", 0),
        ("mine", 249),
        ("baseline", 253),
        ("emergency", 50),
    ] {
        let found = accepted(&tier(
            name,
            &format!("priority: {priority}, description: d"),
        ));
        assert!(
            matches!(found, AntreaObject::Tier(tier) if i32::from(tier.priority) == priority),
            "{name}"
        );
    }
    for (name, wrong) in [
        ("mine", "priority: 250"),
        ("mine", "priority: 252"),
        ("mine", "priority: 253"),
        ("mine", "priority: 50"),
        ("mine", "priority: -1"),
        ("mine", "priority: 256"),
        ("mine", "description: d"),
        ("baseline", "priority: 252"),
    ] {
        refused(&tier(name, wrong), "T-15");
    }
}

#[test]
fn t_8_groups() {
    let group = |spec: &str| match accepted(&object("ClusterGroup", "name: g", spec)) {
        AntreaObject::Group(group) => group.members,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        group("{podSelector: {}}")[0].kind,
        AntreaPeerKind::Pods { .. }
    ));
    assert_eq!(
        group("{ipBlocks: [{cidr: 10.0.0.0/8}, {cidr: 'fd00::/8'}]}").len(),
        2
    );
    assert_eq!(group("{ipBlock: {cidr: 10.0.0.0/8}}").len(), 1);
    assert_eq!(group("{childGroups: [a, b]}").len(), 2);
    assert!(matches!(
        group("{serviceReference: {name: a, namespace: b}}")[0].kind,
        AntreaPeerKind::Service(_)
    ));
    assert!(group("{}").is_empty());
    for wrong in [
        "{podSelector: {}, ipBlocks: [{cidr: 10.0.0.0/8}]}",
        "{podSelector: {}, childGroups: [a]}",
        "{podSelector: {}, externalEntitySelector: {}}",
    ] {
        refused(&object("Group", "name: g, namespace: x", wrong), "T-8");
    }
}
