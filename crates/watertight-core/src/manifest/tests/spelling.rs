//! YAML's traps (semantics, section 2), and fields that are misspelt or repeated.

use expect_test::expect;

use super::*;
use crate::manifest::{Direction, PeerKind, PortRef};

fn pod(labels: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: x, labels: {{{labels}}}}}\n"
    )
}

#[test]
fn label_values_that_yaml_does_not_read_as_strings_get_quotes() {
    expect![[r#"
        error[WT003] expected a string, found a boolean (`true`)
          about: NetworkPolicy x/p
          field: spec.podSelector.matchLabels
          at t.yaml:4:44: `true` 
          fix: quote the value
            t.yaml:4:44: "true" => "\"true\""
    "#]]
    .assert_eq(&read(&policy(
        "{podSelector: {matchLabels: {canary: true}}}",
    )));
    expect![[r#"
        error[WT003] expected a string, found a number (`1`)
          about: Pod x/a
          field: metadata.labels
          at t.yaml:3:50: `1` 
          fix: quote the value
            t.yaml:3:50: "1" => "\"1\""
        error[WT003] expected a string, found a boolean (`no`)
          about: Pod x/a
          field: metadata.labels
          at t.yaml:3:57: `no` 
          fix: quote the value
            t.yaml:3:57: "no" => "\"no\""
    "#]]
    .assert_eq(&read(&pod("tier: 1, on: no")));
    for value in [
        "yes", "off", "n", "1.0", "0755", "0x1F", "1e3", "-1", ".5", "1_000",
    ] {
        let shown = read(&pod(&format!("a: {value}")));
        assert!(
            shown.contains(&format!("\"{value}\" => \"\\\"{value}\\\"\"")),
            "{value}: {shown}"
        );
    }
    for value in [
        "nope",
        "1.2.3",
        "'1'",
        "\"true\"",
        "1-2",
        "2024-01-01",
        "e5",
        "10m",
        "!!str 1",
    ] {
        let shown = read(&pod(&format!("a: {value}")));
        assert_eq!(shown, "Pod x/a\n", "{value}");
    }
    let listed =
        refused("{podSelector: {matchExpressions: [{key: v, operator: In, values: [a, 1]}]}}");
    assert!(listed.contains("matchExpressions[0].values[1]"), "{listed}");
    assert!(listed.contains("\"1\" => \"\\\"1\\\"\""), "{listed}");
}

#[test]
fn k_43_a_null_label_value_is_the_empty_string() {
    with_loaded("t.yaml", &pod("app: , tier: null, x: ''"), |loaded| {
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
        let labels = &loaded.objects[0].meta.labels;
        assert!(
            labels.iter().all(|(_, value)| value.is_empty()),
            "{labels:?}"
        );
        assert_eq!(labels.len(), 3);
    });
    with_spec("{podSelector: {matchLabels: {app: }}}", |spec| {
        assert_eq!(spec.pod_selector.to_string(), "app=");
    });
}

#[test]
fn k_44_null_selectors_are_missing_fields() {
    with_spec("{podSelector: }", |spec| {
        assert!(
            spec.pod_selector.is_empty() && !spec.pod_selector_written,
            "K-2"
        );
    });
    let peer = "{ingress: [{from: [{podSelector: {}, namespaceSelector: null}]}]}";
    with_spec(peer, |spec| {
        let PeerKind::Selectors { pod, namespace } = &spec.ingress.rules[0].peers[0].kind else {
            panic!("no selectors");
        };
        assert!(
            pod.as_ref().is_some_and(|pod| pod.is_empty()) && namespace.is_none(),
            "K-31"
        );
    });
    with_spec(
        "{podSelector: {matchLabels: null, matchExpressions: null}}",
        |spec| {
            assert!(spec.pod_selector.is_empty());
        },
    );
}

#[test]
fn k_13_k_20_k_21_null_missing_and_empty_lists_are_the_same() {
    for written in ["{}", "{ingress: null}", "{ingress: []}", "{ingress: }"] {
        with_spec(written, |spec| {
            assert!(spec.ingress.rules.is_empty(), "{written}");
            assert_eq!(
                spec.effective_types(),
                [Direction::Ingress],
                "K-8 {written}"
            );
        });
    }
    // K-9: an empty egress list isolates nothing.
    with_spec("{egress: []}", |spec| {
        assert!(!spec.covers(Direction::Egress))
    });
    with_spec("{egress: [{}]}", |spec| {
        assert!(spec.covers(Direction::Egress))
    });
    for rule in [
        "{}",
        "{from: null, ports: null}",
        "{from: [], ports: []}",
        "null",
    ] {
        with_spec(&format!("{{ingress: [{rule}]}}"), |spec| {
            let [rule] = &*spec.ingress.rules else {
                panic!("K-14 {rule}");
            };
            assert!(rule.peers.is_empty() && rule.ports.is_empty());
        });
    }
}

#[test]
fn ports_are_numbers_without_quotes_and_names_with_them() {
    let port = |written: &str| {
        with_spec(&ports(&format!("{{port: {written}}}")), |spec| {
            spec.ingress.rules[0].ports[0].port.clone()
        })
    };
    assert_eq!(port("80"), Some(PortRef::Number(80)));
    assert_eq!(port("0x50"), Some(PortRef::Number(80)));
    assert_eq!(port("'8080-tcp'"), Some(PortRef::Name("8080-tcp".into())));
    assert_eq!(port("http"), Some(PortRef::Name("http".into())));
    assert_eq!(port("null"), None);
    // V-12, with the way out.
    let shown = refused("{ingress: [{ports: [{port: \"5432\"}]}]}");
    assert!(shown.contains("\"\\\"5432\\\"\" => \"5432\""), "{shown}");
}

#[test]
fn k_26_k_27_a_dash_makes_two_peers_of_one() {
    let peers = |text: &str| with_spec(text, |spec| spec.ingress.rules[0].peers.len());
    assert_eq!(
        peers("\n  ingress:\n  - from:\n    - namespaceSelector: {}\n      podSelector: {}"),
        1
    );
    assert_eq!(
        peers("\n  ingress:\n  - from:\n    - namespaceSelector: {}\n    - podSelector: {}"),
        2
    );
}

#[test]
fn misspelt_fields_of_a_policy() {
    expect![[r#"
        NetworkPolicy x/p
        error[WT004] unknown field `podSelecter`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec
          at t.yaml:4:8: `podSelecter` no such field here
          fix: write `podSelector`
            t.yaml:4:8: "podSelecter" => "podSelector"
        error[WT004] unknown field `policyType`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec
          at t.yaml:4:25: `policyType` no such field here
          fix: write `policyTypes`
            t.yaml:4:25: "policyType" => "policyTypes"
        error[WT004] unknown field `egres`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec
          at t.yaml:4:47: `egres` no such field here
          fix: write `egress`
            t.yaml:4:47: "egres" => "egress"
    "#]]
    .assert_eq(&read(&policy(
        "{podSelecter: {}, policyType: [Egress], egres: [{}]}",
    )));
    expect![[r#"
        NetworkPolicy x/p
        error[WT004] unknown field `matchLabel`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec.podSelector
          at t.yaml:4:22: `matchLabel` no such field here
          fix: write `matchLabels`
            t.yaml:4:22: "matchLabel" => "matchLabels"
    "#]]
    .assert_eq(&read(&policy("{podSelector: {matchLabel: {app: web}}}")));
    expect![[r#"
        NetworkPolicy x/p
        error[WT004] unknown field `app`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec.podSelector
          at t.yaml:4:22: `app` no such field here
          fix: the fields here are: matchLabels, matchExpressions
    "#]]
    .assert_eq(&read(&policy("{podSelector: {app: web}}")));
    expect![[r#"
        NetworkPolicy x/p
        error[WT004] unknown field `namespaceSelecter`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0]
          at t.yaml:4:27: `namespaceSelecter` no such field here
          fix: write `namespaceSelector`
            t.yaml:4:27: "namespaceSelecter" => "namespaceSelector"
    "#]]
    .assert_eq(&read(&policy(&from(
        "{namespaceSelecter: {}, podSelector: {}}",
    ))));
    // Without its only field the peer is empty.
    expect![[r#"
        error[WT004] unknown field `ipblock`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec.egress[0].to[0]
          at t.yaml:4:24: `ipblock` no such field here
          fix: write `ipBlock`
            t.yaml:4:24: "ipblock" => "ipBlock"
        error[WT003] an empty peer is refused: it does not mean everyone
          about: NetworkPolicy x/p
          field: spec.egress[0].to[0]
          at t.yaml:4:23: `{ipblock: {cidr: 10.0.0.0/8}}` 
          why: V-13
          fix: leave the list out for any peer, or write `podSelector: {}` for all pods of this namespace
    "#]].assert_eq(&read(&policy("{egress: [{to: [{ipblock: {cidr: 10.0.0.0/8}}]}]}")));
    expect![[r#"
        NetworkPolicy x/p
        error[WT004] unknown field `to`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec.ingress[0]
          at t.yaml:4:19: `to` no such field here
          fix: the fields here are: from, ports
    "#]]
    .assert_eq(&read(&policy("{ingress: [{to: [{podSelector: {}}]}]}")));
    expect![[r#"
        NetworkPolicy x/p
        error[WT004] unknown field `protocl`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0]
          at t.yaml:4:38: `protocl` no such field here
          fix: write `protocol`
            t.yaml:4:38: "protocl" => "protocol"
        error[WT004] unknown field `endport`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0]
          at t.yaml:4:52: `"endport"` no such field here
          fix: write `endPort`
            t.yaml:4:52: "\"endport\"" => "\"endPort\""
        error[WT004] unknown field `name`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0]
          at t.yaml:4:67: `name` no such field here
          fix: the fields here are: protocol, port, endPort
    "#]]
    .assert_eq(&read(&policy(
        "{ingress: [{ports: [{port: 80, protocl: UDP, \"endport\": 90, name: web}]}]}",
    )));
    for (spec, near) in [
        (
            "{egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, excpet: []}}]}]}",
            "except",
        ),
        ("{podSelector: {matchExpression: []}}", "matchExpressions"),
        (
            "{podSelector: {matchExpressions: [{key: a, operator: Exists, value: b}]}}",
            "values",
        ),
        ("{Ingress: []}", "ingress"),
        ("{ingresses: []}", "ingress"),
        ("{policytypes: [Egress]}", "policyTypes"),
    ] {
        let shown = read(&policy(spec));
        assert!(
            shown.starts_with("NetworkPolicy x/p\nerror[WT004]"),
            "{shown}"
        );
        assert!(
            shown.contains(&format!("fix: write `{near}`")),
            "{spec}: {shown}"
        );
    }
}

#[test]
fn misspelt_fields_outside_the_spec() {
    expect![[r#"
        NetworkPolicy p
        error[WT004] unknown field `specs`: the API server drops it and uses the default
          about: NetworkPolicy p
          at t.yaml:4:1: `specs` no such field here
          fix: write `spec`
            t.yaml:4:1: "specs" => "spec"
        error[WT004] unknown field `namesapce`: the API server drops it and uses the default
          about: NetworkPolicy p
          field: metadata
          at t.yaml:3:21: `namesapce` no such field here
          fix: write `namespace`
            t.yaml:3:21: "namesapce" => "namespace"
        error[WT004] unknown field `label`: the API server drops it and uses the default
          about: NetworkPolicy p
          field: metadata
          at t.yaml:3:35: `label` no such field here
          fix: write `labels`
            t.yaml:3:35: "label" => "labels"
    "#]]
    .assert_eq(&read(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namesapce: \
         x, label: {a: b}, uid: u, unheard: of}\nspecs: {}\nstatus: {}\n",
    ));
    // Other kinds have many fields that do not matter here: only near misses are told.
    expect![[r#"
        Pod a
        error[WT004] unknown field `stats`: the API server drops it and uses the default
          about: Pod a
          at t.yaml:5:1: `stats` no such field here
          fix: write `status`
            t.yaml:5:1: "stats" => "status"
        error[WT004] unknown field `hostnetwork`: the API server drops it and uses the default
          about: Pod a
          field: spec
          at t.yaml:4:8: `hostnetwork` no such field here
          fix: write `hostNetwork`
            t.yaml:4:8: "hostnetwork" => "hostNetwork"
        error[WT004] unknown field `containerport`: the API server drops it and uses the default
          about: Pod a
          field: spec.containers[0].ports[0]
          at t.yaml:4:97: `containerport` no such field here
          fix: write `containerPort`
            t.yaml:4:97: "containerport" => "containerPort"
    "#]]
    .assert_eq(&read(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostnetwork: true, hostname: h, \
         hostPID: true, newFieldOf2030: 1, containers: [{ports: [{containerport: 80, hostPort: \
         80}]}]}\nstats: {}\n",
    ));
    expect![[r#"
        Service a
        error[WT004] unknown field `selectors`: the API server drops it and uses the default
          about: Service a
          field: spec
          at t.yaml:4:8: `selectors` no such field here
          fix: write `selector`
            t.yaml:4:8: "selectors" => "selector"
        error[WT004] unknown field `targetport`: the API server drops it and uses the default
          about: Service a
          field: spec.ports[0]
          at t.yaml:4:46: `targetport` no such field here
          fix: write `targetPort`
            t.yaml:4:46: "targetport" => "targetPort"
    "#]]
    .assert_eq(&read(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selectors: {a: b}, ports: \
         [{port: 80, targetport: http, appProtocol: h2c}], sessionAffinity: None}\n",
    ));
}

#[test]
fn repeated_fields() {
    expect![[r#"
        NetworkPolicy x/p
        error[WT005] field `ingress` is given twice; only the last one counts
          about: NetworkPolicy x/p
          field: spec
          at t.yaml:4:38: `ingress` this one replaces an earlier value
    "#]]
    .assert_eq(&read(&policy(
        "{podSelector: {}, ingress: [], ingress: [{}]}",
    )));
    expect![[r#"
        Pod b
        error[WT005] field `name` is given twice; only the last one counts
          about: Pod b
          field: metadata
          at t.json:1:63: `"name"` this one replaces an earlier value
    "#]]
    .assert_eq(&read_json(
        r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "name": "b"}}"#,
    ));
    with_loaded(
        "t.yaml",
        &policy("{ingress: [], ingress: [{}]}"),
        |loaded| {
            let Body::NetworkPolicy(spec) = &loaded.objects[0].body else {
                panic!("no policy");
            };
            assert_eq!(spec.ingress.rules.len(), 1, "the last one counts");
        },
    );
}

#[test]
fn wrong_kinds_of_values() {
    expect![[r#"
        error[WT003] expected a mapping, found a list
          about: NetworkPolicy x/p
          field: spec.podSelector
          at t.yaml:4:21: `[]` 
        error[WT003] expected a list, found a mapping
          about: NetworkPolicy x/p
          field: spec.ingress
          at t.yaml:4:34: `{}` 
        error[WT003] expected a mapping, found a string (`x`)
          about: NetworkPolicy x/p
          field: spec.egress[0]
          at t.yaml:4:47: `x` 
    "#]]
    .assert_eq(&read(&policy(
        "{podSelector: [], ingress: {}, egress: [x]}",
    )));
    expect![[r#"
        error[WT003] expected a mapping, found a list
          about: NetworkPolicy x/p
          field: spec
          at t.yaml:4:7: `[]` 
    "#]]
    .assert_eq(&read(&policy("[]")));
    expect![[r#"
        error[WT003] expected a mapping, found a list
          about: NetworkPolicy x/p
          field: spec.podSelector.matchLabels
          at t.yaml:4:35: `[app]` 
    "#]]
    .assert_eq(&read(&policy("{podSelector: {matchLabels: [app]}}")));
    expect![[r#"
        error[WT003] expected a mapping, found a list
          about: Pod a
          field: metadata.labels
          at t.yaml:3:29: `[a]` 
        error[WT003] expected a list, found a mapping
          about: Pod a
          field: spec.containers
          at t.yaml:4:40: `{}` 
        error[WT003] expected a boolean, found a string (`'yes'`)
          about: Pod a
          field: spec.hostNetwork
          at t.yaml:4:21: `'yes'` 
    "#]]
    .assert_eq(&read(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: [a]}\nspec: {hostNetwork: 'yes', \
         containers: {}}\n",
    ));
    let shown = read("apiVersion: v1\nkind: Pod\nmetadata: x\n");
    assert!(
        shown.starts_with("error[WT003] expected a mapping, found a string (`x`)"),
        "{shown}"
    );
}

#[test]
fn anchors_aliases_and_merge_keys_are_read_as_what_they_stand_for() {
    with_spec(
        "\n  podSelector: &web {matchLabels: {app: web}}\n  ingress:\n  - from:\n    - \
         podSelector: *web\n    ports:\n    - &tcp {protocol: TCP, port: 80}\n    - {<<: *tcp, \
         port: 443}\n",
        |spec| {
            let rule = &spec.ingress.rules[0];
            let PeerKind::Selectors { pod: Some(pod), .. } = &rule.peers[0].kind else {
                panic!("no selector");
            };
            assert_eq!(pod, &spec.pod_selector);
            assert_eq!(rule.ports[1].port, Some(PortRef::Number(443)));
            assert!(rule.ports[1].protocol_written);
        },
    );
}
