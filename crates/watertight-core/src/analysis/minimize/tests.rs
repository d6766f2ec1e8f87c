//! What can go goes, what keeps isolation or the map stays, and files stay what they are otherwise.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const PODS: &str = "\
# The pods of the shop.
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
status: {phase: Running, podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
status: {phase: Running, podIP: 10.0.0.2}
---
";

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\n{spec}---\n"
    )
}

/// What can go, and the text without it.
fn minimized(name: &str, text: &str, for_these_pods: bool) -> (String, String) {
    let mut sources = Sources::new();
    sources.add(name, text.into()).unwrap();
    let options = CheckOptions::default();
    let found = minimize(&sources, &options, for_these_pods);
    let mut told = String::new();
    for removal in &found.removals {
        let all = if removal.whole { " goes" } else { "" };
        let hand = if removal.editable { "" } else { ", by hand" };
        told += &format!("{}{all}{hand}{}\n", removal.name, dash(&removal.why));
        for part in &removal.parts {
            let by = part.by.map(|by| format!(" ({})", sources.locate(by)));
            told += &format!("  {}: {}{}\n", part.what, part.why, by.unwrap_or_default());
        }
    }
    let text = match &found.edited {
        Some((sources, _)) => sources.iter().map(|(_, file)| file.text()).collect(),
        None => text.to_owned(),
    };
    (told, text)
}

fn dash(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    }
}

#[track_caller]
fn without_pods(spec: &[String], for_these_pods: bool, told: Expect, left: Expect) {
    let text = format!("{PODS}{}", spec.concat());
    let (found, text) = minimized("t.yaml", &text, for_these_pods);
    told.assert_eq(&found);
    let kept = text.strip_prefix(PODS).unwrap_or(&text);
    left.assert_eq(kept);
}

// K-15, K-22
#[test]
fn rules_peers_and_ports_that_others_cover() {
    without_pods(
        &[policy(
            "db",
            "spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  # Everybody here, on every port.
  - from: [{podSelector: {}}]
  # The web server, which is somebody here.
  - from: [{podSelector: {matchLabels: {app: web}}}]  # on 5432
    ports: [{port: 5432}]
  - from:
    - ipBlock: {cidr: 10.0.0.0/8}
    - ipBlock: {cidr: 10.1.0.0/16}
    ports: [{port: 1, endPort: 100}, {port: 80}, {port: 443}]
",
        )],
        false,
        expect![[r#"
            shop/db
              ingress rule 2: another part of it allows this already (t.yaml:23:5)
              peer 2 of ingress rule 3: another part of it allows this already (t.yaml:28:16)
              port 2 of ingress rule 3: another part of it allows this already (t.yaml:30:13)
        "#]],
        expect![[r#"
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: db, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: db}}
              ingress:
              # Everybody here, on every port.
              - from: [{podSelector: {}}]
              - from:
                - ipBlock: {cidr: 10.0.0.0/8}
                ports: [{port: 1, endPort: 100}, {port: 443}]
            ---
        "#]],
    );
}

// K-7: the default deny stays, and what alone isolates stays.
#[test]
fn policies_that_isolate_stay() {
    let deny = |name| policy(name, "spec: {podSelector: {}, policyTypes: [Ingress]}\n");
    let web = policy(
        "web",
        "spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress:
  - {}
  egress:
  - {}
",
    );
    without_pods(
        &[deny("deny"), web],
        true,
        expect![""],
        expect![[r#"
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: deny, namespace: shop}
        spec: {podSelector: {}, policyTypes: [Ingress]}
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: web, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: web}}
          policyTypes: [Ingress, Egress]
          ingress:
          - {}
          egress:
          - {}
        ---
    "#]],
    );
    without_pods(
        &[deny("deny"), deny("deny-again")],
        false,
        expect![[r#"
            shop/deny-again goes: `shop/deny` isolates the same pods
        "#]],
        expect![[r#"
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: deny, namespace: shop}
            spec: {podSelector: {}, policyTypes: [Ingress]}
            ---
        "#]],
    );
}

// K-8, K-9: without rules for egress the policy would be one for ingress only.
#[test]
fn lists_that_become_empty() {
    let all = policy(
        "all",
        "spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]
",
    );
    let types = policy(
        "with-types",
        "spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
  egress:
  # Within the cluster.
  - to:
    - ipBlock: {cidr: 10.1.0.0/16}
",
    );
    without_pods(
        &[all, types],
        false,
        expect![[r#"
            shop/with-types
              egress rule 1: `shop/all` allows this already (t.yaml:22:12)
        "#]],
        expect![[r#"
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: all, namespace: shop}
            spec:
              podSelector: {}
              policyTypes: [Ingress, Egress]
              egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: with-types, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: db}}
              policyTypes: [Ingress, Egress]
              ingress:
              - from: [{podSelector: {matchLabels: {app: web}}}]
              egress: []
            ---
        "#]],
    );
}

#[test]
fn what_only_todays_pods_make_redundant_is_asked_for() {
    let db = policy(
        "db",
        "spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
  - from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}}]
  - from: [{podSelector: {matchLabels: {app: nobody}}}]
",
    );
    let nobody = policy(
        "cache",
        "spec: {podSelector: {matchLabels: {app: cache}}}\n",
    );
    let text = format!("{PODS}{db}{nobody}");
    assert_eq!(
        minimized("t.yaml", &text, false).0,
        "shop/db\n  ingress rule 1: another part of it allows this already (t.yaml:23:5)\n"
    );
    without_pods(
        &[db, nobody],
        true,
        expect![[r#"
            shop/db
              ingress rule 1: another part of it allows this already (t.yaml:23:5)
              ingress rule 3: it matches no pod of the input
            shop/cache goes: it selects no pod of the input
        "#]],
        expect![[r#"
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: db, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: db}}
              ingress:
              - from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}}]
            ---
        "#]],
    );
}

#[test]
fn lists_of_objects_and_json() {
    let json = r#"{"apiVersion": "v1", "kind": "List", "items": [
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "x"}},
{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny", "namespace": "x"}, "spec": {"podSelector": {}}},
{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "more", "namespace": "x"}, "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}, {"port": 81}, {"port": 80}]}, {"ports": [{"port": 80}]}]}},
{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "twice", "namespace": "x"}, "spec": {"podSelector": {}}}
]}"#;
    let (told, text) = minimized("t.json", json, false);
    expect![[r#"
        x/more
          port 3 of ingress rule 1: another part of it allows this already (t.json:4:164)
          ingress rule 2: another part of it allows this already (t.json:4:153)
        x/twice goes: `x/deny` isolates the same pods
    "#]]
    .assert_eq(&told);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["items"].as_array().unwrap().len(), 3, "{text}");
    assert_eq!(
        value["items"][2]["spec"]["ingress"],
        serde_json::json!([{"ports": [{"port": 80}, {"port": 81}]}])
    );
    let yaml = "\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: a, namespace: x}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: deny, namespace: x}
  spec: {podSelector: {}}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: twice, namespace: x}
  spec: {podSelector: {}}
";
    let (_, text) = minimized("t.yaml", yaml, false);
    assert!(
        !text.contains("twice") && text.ends_with("spec: {podSelector: {}}\n"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_edited_is_said_to_be_for_hands() {
    let text = format!(
        "{PODS}{}",
        policy(
            "db",
            "spec:
  podSelector: {}
  ingress: [&all {from: [{podSelector: {}}]}, *all]
"
        )
    );
    let (told, kept) = minimized("t.yaml", &text, false);
    assert!(told.contains("rule 2"), "{told}");
    // Either the alias goes, proved, or nobody touches it.
    assert!(kept == text || kept == text.replace(", *all", ""), "{kept}");
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(texts)
}

fn any_policy() -> impl Strategy<Value = String> {
    let peer = one_of(&[
        "{podSelector: {}}",
        "{podSelector: {matchLabels: {app: web}}}",
        "{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}}",
        "{namespaceSelector: {}}",
        "{ipBlock: {cidr: 10.0.0.0/8}}",
        "{ipBlock: {cidr: 10.0.0.0/30, except: [10.0.0.1/32]}}",
    ]);
    let port = one_of(&[
        "{port: 80}",
        "{port: 79, endPort: 90}",
        "{protocol: UDP}",
        "{}",
    ]);
    let rule = (
        prop::collection::vec(peer, 0..3),
        prop::collection::vec(port, 0..3),
        any::<bool>(),
    );
    let section = prop::collection::vec(rule, 0..3);
    let pods = one_of(&[
        "{}",
        "{matchLabels: {app: db}}",
        "{matchLabels: {app: none}}",
    ]);
    let types = one_of(&[
        "",
        "  policyTypes: [Ingress, Egress]\n",
        "  policyTypes: [Egress]\n",
    ]);
    (pods, types, section.clone(), section).prop_map(|(pods, types, ingress, egress)| {
        let mut spec = format!("spec:\n  podSelector: {pods}\n{types}");
        for (name, field, rules) in [("ingress", "from", ingress), ("egress", "to", egress)] {
            if rules.is_empty() {
                continue;
            }
            spec += &format!("  {name}:\n");
            for (peers, ports, in_lines) in rules {
                let ports = ports.join(", ");
                if in_lines && !peers.is_empty() {
                    spec += &format!("  - {field}:\n");
                    for peer in peers {
                        spec += &format!("    - {peer}\n");
                    }
                    spec += &format!("    ports: [{ports}]\n");
                } else {
                    spec += &format!(
                        "  - {{{field}: [{}], ports: [{ports}]}}\n",
                        peers.join(", ")
                    );
                }
            }
        }
        spec
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 120,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_map_stays(
        specs in prop::collection::vec(any_policy(), 1..5),
        for_these_pods in any::<bool>(),
    ) {
        let policies = specs.iter().enumerate();
        let policies: String = policies.map(|(at, spec)| policy(&format!("n{at}"), spec)).collect();
        let text = format!("{PODS}{policies}");
        let (_, after) = minimized("t.yaml", &text, for_these_pods);
        let held = |text: &str| {
            let mut sources = Sources::new();
            sources.add("t.yaml", text.into()).unwrap();
            Held::read(&sources, &CheckOptions::default())
        };
        let (a, b) = (held(&text), held(&after));
        prop_assert!(b.findings.is_empty(), "{:?}\n{after}", b.findings);
        // Pair by pair, without any of what `same` does.
        let (one, other) = (a.eval(), b.eval());
        let addresses = ["10.0.0.3", "10.9.9.9", "198.51.100.1"];
        let addresses = addresses.map(|ip| crate::eval::Party::Address(ip.parse().unwrap()));
        let pods = a.world.endpoint_ids().map(crate::eval::Party::Endpoint);
        let parties: Vec<_> = pods.chain(addresses).collect();
        for from in &parties {
            for to in &parties {
                for port in [1, 79, 80, 90, 91] {
                    for protocol in [crate::sets::Protocol::Tcp, crate::sets::Protocol::Udp] {
                        let asked = crate::eval::Connection::new(*from, *to, protocol, port);
                        prop_assert_eq!(
                            one.allows(&asked), other.allows(&asked), "{:?}\n{}\n{}", asked, text, after
                        );
                    }
                }
            }
        }
        for id in a.world.endpoint_ids() {
            for way in Direction::BOTH {
                prop_assert_eq!(one.is_isolated(id, way), other.is_isolated(id, way));
            }
        }
    }
}
