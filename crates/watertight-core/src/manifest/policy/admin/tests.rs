//! Admin policies as written: what their schemas accept and refuse (A- rules).

mod ports;

use std::fmt::Write as _;

use super::*;
use crate::manifest::{Body, Options, PolicyObject, load};
use crate::rules::testing::show;
use crate::source::Sources;

/// The policy that comes out of an object, and what is said about it.
fn read(object: &str) -> (Option<AdminPolicy>, String) {
    read_with(object, &Options::default())
}

fn read_with(object: &str, options: &Options) -> (Option<AdminPolicy>, String) {
    let mut sources = Sources::new();
    sources.add("t.yaml", object.into()).unwrap();
    let loaded = load(&sources, options);
    let mut said = String::new();
    for finding in &loaded.findings {
        let _ = write!(said, "{}", show(&sources, finding));
    }
    let policy = loaded.objects.first().map(|object| match &object.body {
        Body::Policy(_, policy) => match &**policy {
            PolicyObject::Admin(policy) => policy.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    (policy, said)
}

fn object(kind: &str, version: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: policy.networking.k8s.io/{version}\nkind: {kind}\nmetadata: {{name: {name}}}\n\
         spec: {spec}\n"
    )
}

fn cnp(spec: &str) -> String {
    object("ClusterNetworkPolicy", "v1alpha2", "p", spec)
}

fn anp(spec: &str) -> String {
    object("AdminNetworkPolicy", "v1alpha1", "p", spec)
}

fn banp(spec: &str) -> String {
    object("BaselineAdminNetworkPolicy", "v1alpha1", "default", spec)
}

/// A ClusterNetworkPolicy with one rule.
fn with_rule(direction: &str, rule: &str) -> String {
    cnp(&format!(
        "{{tier: Admin, priority: 1, subject: {{namespaces: {{}}}}, {direction}: [{rule}]}}"
    ))
}

/// A ClusterNetworkPolicy with one egress peer.
fn with_peer(peer: &str) -> String {
    with_rule("egress", &format!("{{action: Accept, to: [{peer}]}}"))
}

/// A ClusterNetworkPolicy with one protocol item.
fn with_protocol(item: &str) -> String {
    let rule = format!("{{action: Deny, from: [{{namespaces: {{}}}}], protocols: [{item}]}}");
    with_rule("ingress", &rule)
}

/// An AdminNetworkPolicy with one port item.
fn with_port(item: &str) -> String {
    anp(&format!(
        "{{priority: 1, subject: {{namespaces: {{}}}}, ingress: [{{action: Deny, from: \
         [{{namespaces: {{}}}}], ports: [{item}]}}]}}"
    ))
}

#[track_caller]
fn accepted(object: &str) -> AdminPolicy {
    let (policy, said) = read(object);
    assert_eq!(said, "", "{object}");
    policy.unwrap_or_else(|| panic!("no policy: {object}"))
}

/// Asserts that an object is left out for a rule.
#[track_caller]
fn refused(object: &str, id: &str) -> String {
    let (policy, said) = read(object);
    assert!(policy.is_none(), "accepted: {object}");
    let cited = said
        .lines()
        .filter_map(|line| line.strip_prefix("  why: "))
        .any(|why| why.split(' ').any(|cited| cited == id));
    assert!(cited, "{id}: {object}\n{said}");
    said
}

const ALL: &str = "{namespaces: {}}";

#[test]
fn a_42_priority() {
    let with = |priority: &str| {
        cnp(&format!(
            "{{tier: Admin, {priority} subject: {{namespaces: {{}}}}}}"
        ))
    };
    assert_eq!(accepted(&with("priority: 0,")).priority, 0);
    assert_eq!(accepted(&with("priority: 1000,")).priority, 1000);
    for wrong in ["priority: 1001,", "priority: -1,", "", "priority: null,"] {
        refused(&with(wrong), "A-42");
    }
    refused(&anp("{subject: {namespaces: {}}}"), "A-42");
    assert_eq!(
        accepted(&anp("{priority: 7, subject: {namespaces: {}}}")).priority,
        7
    );
    // A BaselineAdminNetworkPolicy has no priority.
    assert_eq!(accepted(&banp("{subject: {namespaces: {}}}")).priority, 0);
}

#[test]
fn a_43_tiers_and_actions() {
    let tier = |tier: &str| cnp(&format!("{{{tier} priority: 1, subject: {ALL}}}"));
    assert_eq!(accepted(&tier("tier: Admin,")).tier, AdminTier::Admin);
    assert_eq!(accepted(&tier("tier: Baseline,")).tier, AdminTier::Baseline);
    for wrong in ["", "tier: admin,", "tier: NetworkPolicy,"] {
        refused(&tier(wrong), "A-43");
    }
    let baseline = accepted(&banp("{subject: {namespaces: {}}}"));
    assert_eq!(baseline.tier, AdminTier::Baseline);
    let rule = |action: &str| format!("[{{{action} from: [{ALL}]}}]");
    let action = |form: &str, action: &str| {
        let rules = rule(action);
        match form {
            "cnp" => cnp(&format!(
                "{{tier: Baseline, priority: 1, subject: {ALL}, ingress: {rules}}}"
            )),
            "anp" => anp(&format!(
                "{{priority: 1, subject: {ALL}, ingress: {rules}}}"
            )),
            _ => banp(&format!("{{subject: {ALL}, ingress: {rules}}}")),
        }
    };
    for (form, good, wrong) in [
        // Pass in both tiers of v1alpha2, not in the baseline of v1alpha1.
        (
            "cnp",
            &["Accept", "Deny", "Pass"][..],
            &["Allow", "deny"][..],
        ),
        ("anp", &["Allow", "Deny", "Pass"], &["Accept", "Drop"]),
        ("banp", &["Allow", "Deny"], &["Pass", "Accept"]),
    ] {
        for word in good {
            let policy = accepted(&action(form, &format!("action: {word},")));
            let expected = match *word {
                "Deny" => AdminAction::Deny,
                "Pass" => AdminAction::Pass,
                _ => AdminAction::Accept,
            };
            assert_eq!(policy.ingress[0].action, expected, "{form} {word}");
        }
        for word in wrong {
            refused(&action(form, &format!("action: {word},")), "A-43");
        }
        refused(&action(form, ""), "A-43");
    }
}

#[test]
fn a_44_the_baseline_is_called_default() {
    let named = |name| {
        let kind = "BaselineAdminNetworkPolicy";
        object(kind, "v1alpha1", name, "{subject: {namespaces: {}}}")
    };
    accepted(&named("default"));
    refused(&named("mine"), "A-44");
}

#[test]
fn a_45_limits() {
    let many = |count: usize, item: &str| vec![item; count].join(", ");
    let rules = |count| {
        let rules = many(count, "{action: Deny, from: [{namespaces: {}}]}");
        format!("ingress: [{rules}]")
    };
    let cluster = |rules: &str| {
        cnp(&format!(
            "{{tier: Admin, priority: 1, subject: {ALL}, {rules}}}"
        ))
    };
    accepted(&cluster(&rules(25)));
    refused(&cluster(&rules(26)), "A-45");
    let admin = |rules: &str| anp(&format!("{{priority: 1, subject: {ALL}, {rules}}}"));
    accepted(&admin(&rules(100)));
    refused(&admin(&rules(101)), "A-45");
    let peers = |count| {
        let rule = format!("{{action: Deny, from: [{}]}}", many(count, ALL));
        with_rule("ingress", &rule)
    };
    accepted(&peers(25));
    refused(&peers(26), "A-45");
    let protocols = |count| with_protocol(&many(count, "{destinationNamedPort: http}"));
    accepted(&protocols(25));
    refused(&protocols(26), "A-45");
    let numbered = |count: usize, text: &dyn Fn(usize) -> String| {
        (0..count).map(text).collect::<Vec<_>>().join(", ")
    };
    let networks = |count| {
        let list = numbered(count, &|at| format!("10.0.{at}.0/24"));
        with_peer(&format!("{{networks: [{list}]}}"))
    };
    accepted(&networks(25));
    refused(&networks(26), "A-45");
    let domains = |count| {
        let list = numbered(count, &|at| format!("d{at}.io"));
        with_peer(&format!("{{domainNames: [{list}]}}"))
    };
    accepted(&domains(25));
    refused(&domains(26), "A-45");
    refused(&with_peer("{networks: [10.0.0.0/8, 10.0.0.0/8]}"), "A-45");
    let name = |length| {
        let name = "n".repeat(length);
        with_rule(
            "ingress",
            &format!("{{name: {name}, action: Deny, from: [{ALL}]}}"),
        )
    };
    let named = accepted(&name(100));
    assert_eq!(named.ingress[0].name.as_deref().map(str::len), Some(100));
    refused(&name(101), "A-45");
}

#[test]
fn a_45_networks_are_cidrs() {
    let network = |text: &str| with_peer(&format!("{{networks: [{text}]}}"));
    accepted(&network("0.0.0.0/0"));
    accepted(&network("'fd00::/8'"));
    for wrong in [
        "10.0.0.1",
        "example.com",
        "10.0.0.0/33",
        "010.0.0.0/8",
        "''",
    ] {
        refused(&network(wrong), "A-45");
    }
    // Bits beyond the prefix are masked away.
    let (policy, said) = read(&network("10.1.2.3/8"));
    assert!(said.starts_with("warning[WT003]"), "{said}");
    let policy = policy.unwrap();
    let AdminPeerKind::Networks(networks) = &policy.egress[0].peers[0].kind else {
        panic!("{policy:?}");
    };
    assert_eq!(networks[0].net.to_string(), "10.0.0.0/8");
}

#[test]
fn a_46_exactly_one_field() {
    let subject = |subject: &str| cnp(&format!("{{tier: Admin, priority: 1, {subject}}}"));
    for wrong in [
        "subject: {}",
        "subject: {namespaces: null}",
        "subject: {namespaces: {}, pods: {podSelector: {}}}",
    ] {
        refused(&subject(wrong), "A-46");
    }
    refused(&subject(""), "A-18");
    for wrong in [
        "{}",
        "null",
        "{namespaces: null}",
        "{namespaces: {}, networks: [10.0.0.0/8]}",
        "{namespaces: {}, pods: {podSelector: {}}}",
        "{networks: []}",
        "{domainNames: []}",
    ] {
        refused(&with_peer(wrong), "A-46");
    }
    for wrong in [
        "{}",
        "{tcp: {destinationPort: {number: 1}}, udp: {destinationPort: {number: 1}}}",
        "{tcp: {destinationPort: {}}}",
        "{tcp: {destinationPort: {number: 1, range: {start: 1, end: 2}}}}",
    ] {
        refused(&with_protocol(wrong), "A-46");
    }
    for wrong in ["{}", "{namedPort: http, portNumber: {port: 80}}"] {
        refused(&with_port(wrong), "A-46");
    }
}

#[test]
fn a_47_lists_must_not_be_empty() {
    for wrong in [
        "{action: Deny}",
        "{action: Deny, from: null}",
        "{action: Deny, from: []}",
        "{action: Deny, from: [{namespaces: {}}], protocols: []}",
    ] {
        refused(&with_rule("ingress", wrong), "A-47");
    }
    refused(&with_port(""), "A-47");
    // no rules at all are fine.
    let none = accepted(&cnp(&format!(
        "{{tier: Admin, priority: 1, subject: {ALL}, ingress: []}}"
    )));
    assert!(none.ingress.is_empty() && none.egress.is_empty());
}

#[test]
fn a_23_ingress_peers() {
    for peer in [
        "{networks: [10.0.0.0/8]}",
        "{nodes: {}}",
        "{domainNames: [a.io]}",
    ] {
        accepted(&with_peer(peer));
        let rule = format!("{{action: Accept, from: [{peer}]}}");
        refused(&with_rule("ingress", &rule), "A-23");
    }
}

#[test]
fn a_20_pods() {
    let pods = accepted(&with_peer("{pods: {podSelector: {matchLabels: {a: b}}}}"));
    let AdminPeerKind::Pods(pods) = &pods.egress[0].peers[0].kind else {
        panic!("{pods:?}");
    };
    assert!(pods.namespaces.is_empty());
    assert_eq!(pods.pods.to_string(), "a=b");
    refused(&with_peer("{pods: {}}"), "A-20");
    refused(&with_peer("{pods: {namespaceSelector: {}}}"), "A-20");
    // v1alpha1 asks for both.
    let admin = |pods: &str| anp(&format!("{{priority: 1, subject: {{pods: {pods}}}}}"));
    accepted(&admin("{namespaceSelector: {}, podSelector: {}}"));
    refused(&admin("{podSelector: {}}"), "A-20");
}

#[test]
fn a_29_domain_names() {
    // Not in the baseline of v1alpha1.
    let egress = |peer: &str| {
        banp(&format!(
            "{{subject: {ALL}, egress: [{{action: Allow, to: [{peer}]}}]}}"
        ))
    };
    accepted(&egress("{networks: [10.0.0.0/8]}"));
    refused(&egress("{domainNames: [a.io]}"), "A-29");
    // Elsewhere than in an accepting rule they are taken and not understood.
    for action in ["Deny", "Pass"] {
        let rule = format!("{{action: {action}, to: [{{domainNames: [a.io]}}]}}");
        let (policy, said) = read(&with_rule("egress", &rule));
        assert!(policy.is_some());
        assert!(
            said.starts_with("warning[WT003]") && said.contains("why: A-29 A-32"),
            "{said}"
        );
    }
}

#[test]
fn a_30_domain_patterns() {
    let domain = |text: &str| with_peer(&format!("{{domainNames: ['{text}']}}"));
    for good in [
        "a.io",
        "*.example.com",
        "other.org.",
        "WWW.Example.com",
        "x_y.example.com",
        "_dmarc.example.com",
    ] {
        accepted(&domain(good));
    }
    for wrong in [
        "*.com",
        "localhost",
        "www.*.example.com",
        "a*.example.com",
        "*",
        "",
        "a..io",
        "-a.io",
        "a-.io",
        "a_.io",
        "https://a.io",
    ] {
        refused(&domain(wrong), "A-30");
    }
}

#[test]
fn a_32_a_peer_of_a_newer_schema() {
    for action in ["Accept", "Deny", "Pass"] {
        let rule = format!("{{action: {action}, from: [{{futurePeer: {{}}}}]}}");
        let (policy, said) = read(&with_rule("ingress", &rule));
        let policy = policy.unwrap();
        let peer = &policy.ingress[0].peers[0];
        assert!(matches!(&peer.kind, AdminPeerKind::Unknown(name) if &**name == "futurePeer"));
        assert!(said.starts_with("warning[WT004] unknown peer"), "{said}");
    }
    // A slip is no newer schema.
    let said = refused(&with_peer("{namespace: {}}"), "A-46");
    assert!(said.contains("fix: write `namespaces`"), "{said}");
    let said = refused(&with_peer("{podSelector: {}}"), "A-46");
    assert!(
        said.contains("the peers here are: namespaces, pods, nodes"),
        "{said}"
    );
    // Beside a known one it is dropped.
    let (policy, said) = read(&with_peer("{namespaces: {}, futurePeer: {}}"));
    assert!(
        policy.is_some() && said.starts_with("error[WT004]"),
        "{said}"
    );
}

#[test]
fn a_33_relations_of_namespaces_are_gone() {
    let from = |peer: &str| {
        anp(&format!(
            "{{priority: 1, subject: {ALL}, ingress: [{{action: Allow, from: [{peer}]}}]}}"
        ))
    };
    for peer in [
        "{sameLabels: [tenant]}",
        "{notSameLabels: [tenant]}",
        "{namespaces: {sameLabels: [tenant]}}",
        "{namespaces: {namespaceSelector: {}}}",
    ] {
        refused(&from(peer), "A-33");
    }
    refused(
        &from("{pods: {namespaces: {sameLabels: [t]}, podSelector: {}}}"),
        "A-20",
    );
}

#[test]
fn a_33_relations_of_namespaces_in_release_0_1_1() {
    let old = Options {
        old_admin_api: true,
        ..Options::default()
    };
    let peer = |peer: &str| {
        let object = anp(&format!(
            "{{priority: 1, subject: {ALL}, ingress: [{{action: Allow, from: [{peer}]}}]}}"
        ));
        let (policy, said) = read_with(&object, &old);
        (
            policy.map(|policy| policy.ingress[0].peers[0].kind.clone()),
            said,
        )
    };
    for (text, same) in [
        ("{namespaces: {sameLabels: [tenant, env]}}", true),
        (
            "{pods: {namespaces: {notSameLabels: [tenant, env]}, podSelector: {}}}",
            false,
        ),
    ] {
        let (found, said) = peer(text);
        assert_eq!(said, "", "{text}");
        let Some(AdminPeerKind::Related(relation)) = found else {
            panic!("{text}: {found:?}");
        };
        assert_eq!((relation.is_same, relation.keys.len()), (same, 2), "{text}");
    }
    for text in [
        "{namespaces: {namespaceSelector: {}}}",
        "{pods: {namespaces: {namespaceSelector: {}}, podSelector: {}}}",
        // The shape of later versions is taken, too.
        "{namespaces: {matchLabels: {a: b}}}",
        "{pods: {namespaceSelector: {}, podSelector: {}}}",
    ] {
        let (found, said) = peer(text);
        assert!(
            said.is_empty() && matches!(found, Some(AdminPeerKind::Pods(_))),
            "{text}: {said}"
        );
    }
    let (found, said) = peer("{namespaces: {sameLabels: [a], notSameLabels: [b]}}");
    assert!(found.is_none() && said.contains("why: A-33"), "{said}");
}

#[test]
fn a_18_selectors_are_checked() {
    refused(
        &with_peer("{namespaces: {matchExpressions: [{key: a, operator: Equals}]}}"),
        "V-26",
    );
    let (policy, said) = read(&cnp("[]"));
    assert!(
        policy.is_none() && said.contains("expected a mapping"),
        "{said}"
    );
    refused(
        "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: \
         {name: p}\n",
        "A-18",
    );
    let (policy, _) = read(&with_peer("no mapping"));
    assert!(policy.is_none());
}
