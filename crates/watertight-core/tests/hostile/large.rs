//! Valid clusters and policies of odd sizes: the evaluator, rows and rules answer, alike, and at a cost
//! that grows with the input.
//!
//! Sizes are such that a cost that grows with their square would be noticed: tens of thousands times
//! tens of thousands of steps are minutes in a test build.

use serde_json::{Value, json};
use watertight_core::check::{self, CheckOptions};
use watertight_core::engine::Switches;
use watertight_core::eval::reach::{Outcome, Reach};
use watertight_core::eval::{Connection, Evaluator, Party};
use watertight_core::manifest::{self, Direction, Options};
use watertight_core::policy::lower_kubernetes;
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume};

/// Objects of a cluster, beside a namespace, a node and four pods that every test has.
fn sources(objects: impl IntoIterator<Item = Value>) -> Sources {
    let http = json!([{"name": "http", "containerPort": 80}]);
    let mut all = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "labels": {"team": "red"}}}),
        json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.1"}]},
        }),
        pod("a", json!({"app": "a"}), "10.0.0.1", http),
        pod("b", json!({"app": "b"}), "10.0.0.2", json!([])),
        pod("unplaced", json!({"app": "c"}), "", json!([])),
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "h", "namespace": "x"},
            "spec": {"hostNetwork": true, "containers": []},
        }),
    ];
    all.extend(objects);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": all});
    let mut sources = Sources::new();
    sources
        .add("t.json", list.to_string().into_bytes())
        .unwrap();
    sources
}

/// A pod of namespace `x`; without a status if the address is empty.
fn pod(name: &str, labels: Value, ip: &str, ports: Value) -> Value {
    let status = match ip {
        "" => json!({}),
        ip => json!({"phase": "Running", "podIPs": [{"ip": ip}]}),
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "x", "labels": labels},
        "spec": {"containers": [{"name": "c", "ports": ports}]},
        "status": status,
    })
}

fn policy(name: usize, spec: Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": format!("p{name}"), "namespace": "x"},
        "spec": spec,
    })
}

/// A policy on every pod, in both directions, with the same peers and ports.
fn both_ways(peers: &[Value], ports: &[Value]) -> Value {
    policy(
        0,
        json!({
            "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": peers, "ports": ports}],
            "egress": [{"to": peers, "ports": ports}],
        }),
    )
}

fn address(number: usize) -> String {
    let [_, a, b, c] = u32::try_from(number).unwrap().to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

fn block(number: usize) -> Value {
    let excepted = format!("{}/32", address(number * 16 + 3));
    json!({"ipBlock": {"cidr": format!("{}/28", address(number * 16)), "except": [excepted]}})
}

/// The numbers of classes and of rows that a cluster has.
#[derive(Debug, PartialEq)]
struct Size {
    classes: usize,
    ingress: usize,
    egress: usize,
}

/// Rows and verdicts agree on connections between the first parties of a cluster.
fn reach(sources: &Sources) -> Size {
    let loaded = manifest::load(sources, &Options::default());
    let (world, _) = world::build(sources, &loaded.objects, &Assume::default());
    let switches = Switches::default();
    let ruleset = lower_kubernetes(&world, &switches);
    let eval = Evaluator::new(&world, &ruleset, switches);
    let reach = Reach::new(&eval);
    let endpoints = world.endpoint_ids().map(Party::Endpoint);
    let mut parties: Vec<Party> = endpoints.take(4).collect();
    parties.extend(world.node_ids().map(Party::Node).take(1));
    parties.extend(["203.0.113.7", "10.0.0.3"].map(|ip| Party::Address(ip.parse().unwrap())));
    for (from, to) in parties
        .iter()
        .flat_map(|a| parties.iter().map(move |b| (*a, *b)))
    {
        let ports = reach.between(&eval, from, to);
        let bands = ports
            .iter()
            .flatten()
            .filter(|it| it.protocol == Protocol::Tcp);
        let bounds = bands.flat_map(|it| [it.first, it.last]);
        for port in bounds.take(3).chain([1, 80, u16::MAX]) {
            let connection = Connection::new(from, to, Protocol::Tcp, port);
            let verdict = eval.verdict(&connection);
            let expected = match (verdict.allowed, verdict.uncertain) {
                (true, _) => Outcome::Allowed,
                (false, Some(_)) => Outcome::Uncertain,
                (false, None) => Outcome::Denied,
            };
            assert_eq!(
                reach.outcome(&eval, &connection),
                expected,
                "{connection:?}"
            );
        }
    }
    let rows = |direction| reach.side(direction).rows().len();
    Size {
        classes: reach.classes(),
        ingress: rows(Direction::Ingress),
        egress: rows(Direction::Egress),
    }
}

/// Every rule looks at the cluster.
fn check(sources: &Sources) -> usize {
    let checked = check::check(sources, &CheckOptions::default());
    assert_eq!(checked.broken, 0, "{:?}", checked.findings.first());
    checked.findings.len()
}

#[test]
fn long_texts_in_selectors() {
    let long = "v".repeat(100_000);
    for selector in [
        json!({"matchLabels": {"app": long}}),
        json!({"matchLabels": {long.as_str(): "v"}}),
        json!({"matchExpressions": [{"key": "app", "operator": "In", "values": [long]}]}),
    ] {
        let refused = policy(0, json!({"podSelector": selector}));
        let sources = sources([refused]);
        let checked = check::check(&sources, &CheckOptions::default());
        // V-21, V-22: never in a cluster, so nobody is isolated.
        let refused = checked.findings.iter();
        assert!(refused.map(|it| it.rule.id).any(|id| id == "WT003"));
        let alone = Size {
            classes: 5,
            ingress: 1,
            egress: 1,
        };
        assert_eq!(reach(&sources), alone);
    }
}

#[test]
fn a_selector_with_many_requirements() {
    let requirements: Vec<Value> = (0..3000)
        .map(|at| json!({"key": format!("key-{at}"), "operator": "DoesNotExist"}))
        .collect();
    let selector = json!({"matchExpressions": requirements});
    let peers = [json!({"podSelector": selector})];
    let sources = sources([both_ways(&peers, &[])]);
    reach(&sources);
    check(&sources);
}

#[test]
fn a_selector_with_ten_thousand_values() {
    let values: Vec<String> = (0..10_000).map(|at| format!("v{at}")).collect();
    for operator in ["In", "NotIn"] {
        let expression = json!({"key": "app", "operator": operator, "values": values});
        let selector = json!({"matchExpressions": [expression]});
        let peers = [json!({"podSelector": selector})];
        let on_some = policy(1, json!({"podSelector": selector}));
        let sources = sources(
            (0..200)
                .map(|at| {
                    let labels = json!({"app": format!("v{}", at * 100)});
                    pod(&format!("s{at}"), labels, &address(70_000 + at), json!([]))
                })
                .chain([both_ways(&peers, &[]), on_some]),
        );
        // Each value is a class of its own.
        assert_eq!(reach(&sources).classes, 206);
        check(&sources);
    }
}

#[test]
fn a_policy_with_very_many_ports() {
    let numbers = |count: usize| -> Vec<Value> {
        let port = |at: usize| json!({"port": at * 7919 % 65_535 + 1});
        (0..count).map(port).collect()
    };
    let ranges = |count: usize| -> Vec<Value> {
        let range = |at: usize| {
            let first = at * 7919 % 65_000 + 1;
            json!({"protocol": "UDP", "port": first, "endPort": first + at % 50})
        };
        (0..count).map(range).collect()
    };
    let names = |count: usize| -> Vec<Value> {
        let name = |at: usize| json!({"port": format!("n{at}")});
        (0..count)
            .map(name)
            .chain([json!({"port": "http"})])
            .collect()
    };
    for of in [&numbers as &dyn Fn(usize) -> Vec<Value>, &ranges, &names] {
        reach(&sources([both_ways(&[], &of(15_000))]));
        check(&sources([both_ways(&[], &of(200))]));
    }
}

#[test]
fn a_policy_with_very_many_blocks() {
    let blocks = |count: usize| (0..count).map(block).collect::<Vec<Value>>();
    reach(&sources([both_ways(&blocks(10_000), &[])]));
    check(&sources([both_ways(&blocks(300), &[])]));
    let except: Vec<String> = (0..10_000)
        .map(|at| format!("{}/32", address(at * 16)))
        .collect();
    let all = json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": except}});
    let sources = sources([both_ways(&[all], &[])]);
    reach(&sources);
    check(&sources);
}

#[test]
fn a_policy_with_very_many_rules() {
    let rules = |count: usize| -> Vec<Value> {
        let rule = |at: usize| json!({"to": [block(at)], "ports": [{"port": at % 65_535 + 1}]});
        (0..count).map(rule).collect()
    };
    let spec = |count: usize| json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": rules(count)});
    reach(&sources([policy(0, spec(5000))]));
    check(&sources([policy(0, spec(300))]));
}

/// Every port is in as many ranges as there are rules on one side of it.
#[test]
fn ranges_within_ranges() {
    let rules = |count: usize| -> Vec<Value> {
        let rule = |at: usize| json!({"from": [block(at)], "ports": [{"port": at + 1, "endPort": 65_535 - at}]});
        (0..count).map(rule).collect()
    };
    reach(&sources([policy(
        0,
        json!({"podSelector": {}, "ingress": rules(500)}),
    )]));
    check(&sources([policy(
        0,
        json!({"podSelector": {}, "ingress": rules(300)}),
    )]));
}

/// K-55: all numbers that a name has count.
#[test]
fn one_name_for_all_ports() {
    let containers: Vec<Value> = (1..=u16::MAX)
        .map(|port| json!({"name": format!("c{port}"), "ports": [{"name": "http", "containerPort": port}]}))
        .collect();
    let mut named = pod("named", json!({"app": "n"}), "10.0.0.9", json!([]));
    named["spec"]["containers"] = containers.into();
    let policy = both_ways(&[], &[json!({"port": "http"})]);
    let sources = sources([named, policy]);
    // Rows: everything, and one for each meaning of the name; on egress one for all.
    let size = reach(&sources);
    assert_eq!((size.ingress, size.egress), (4, 2));
    check(&sources);
}

#[test]
fn namespaces_without_pods() {
    let namespaces = (0..3000).map(|at| {
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": format!("n{at}"), "labels": {"team": format!("t{}", at % 50)}},
        })
    });
    let peers: Vec<Value> = (0..50)
        .map(|at| json!({"namespaceSelector": {"matchLabels": {"team": format!("t{at}")}}}))
        .collect();
    let sources = sources(namespaces.chain([both_ways(&peers, &[])]));
    reach(&sources);
    check(&sources);
}

#[test]
fn policies_without_pods() {
    let alone = (0..1000).map(|at| {
        let mut alone = policy(at, json!({"podSelector": {}, "ingress": [{}]}));
        alone["metadata"]["namespace"] = format!("n{at}").into();
        alone
    });
    let sources = sources(alone);
    let alone = Size {
        classes: 5,
        ingress: 1,
        egress: 1,
    };
    assert_eq!(reach(&sources), alone);
    check(&sources);
}

#[test]
fn pods_without_labels() {
    let pods = (0..3000).map(|at| {
        let mut bare = pod(
            &format!("bare{at}"),
            Value::Null,
            &address(70_000 + at),
            json!([]),
        );
        bare["metadata"].as_object_mut().unwrap().remove("labels");
        bare
    });
    let everybody = [json!({"podSelector": {}}), json!({"namespaceSelector": {}})];
    let on_labelled = policy(1, json!({"podSelector": {"matchLabels": {"app": "a"}}}));
    let sources = sources(pods.chain([both_ways(&everybody, &[]), on_labelled]));
    let size = reach(&sources);
    assert_eq!((size.ingress, size.egress), (3, 2));
    check(&sources);
}

#[test]
fn ipv6_alone() {
    let pods = (0..2000).map(|at| {
        let labels = json!({"app": format!("a{}", at % 20)});
        pod(
            &format!("v6-{at}"),
            labels,
            &format!("fd00::{at:x}"),
            json!([]),
        )
    });
    let policies = (0..20).map(|at| {
        let range =
            json!({"ipBlock": {"cidr": format!("fd00::/{}", 64 + at), "except": ["fd00::f/128"]}});
        let labels = json!({"matchLabels": {"app": format!("a{at}")}});
        policy(
            at,
            json!({"podSelector": labels, "ingress": [{"from": [range]}]}),
        )
    });
    let sources = sources(pods.chain(policies));
    reach(&sources);
    check(&sources);
}

/// V-2: the last one counts.
#[test]
fn the_same_object_many_times() {
    let pods = (0..3000).map(|at| {
        pod(
            "same",
            json!({"app": "s"}),
            &address(70_000 + at),
            json!([]),
        )
    });
    let policies = (0..3000).map(|_| policy(0, json!({"podSelector": {}})));
    let sources = sources(pods.chain(policies));
    let size = reach(&sources);
    assert_eq!((size.ingress, size.egress), (2, 1));
    check(&sources);
}

/// Pods that all say to have the same address; the last one owns it.
#[test]
fn one_address_for_all_pods() {
    let pods = (0..1000).map(|at| {
        pod(
            &format!("s{at}"),
            json!({"app": "s"}),
            "10.0.0.1",
            json!([]),
        )
    });
    let sources = sources(pods.chain([both_ways(&[block(0)], &[])]));
    reach(&sources);
    check(&sources);
}

#[test]
fn many_policies_that_select_the_same_pods() {
    let equal = |at| {
        policy(
            at,
            json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}),
        )
    };
    let distinct = |at| {
        let labels = json!({"matchLabels": {"app": format!("a{at}")}});
        let rule = json!({"from": [{"podSelector": labels}], "ports": [{"port": at + 1}]});
        policy(at, json!({"podSelector": {}, "ingress": [rule]}))
    };
    let blocks = |at| {
        let rule = json!({"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [format!("{}/32", address(at))]}}]});
        policy(at, json!({"podSelector": {}, "ingress": [rule]}))
    };
    for of in [&equal as &dyn Fn(usize) -> Value, &distinct, &blocks] {
        let large = sources((0..3000).map(of));
        let size = reach(&large);
        assert_eq!((size.ingress, size.egress), (2, 1));
        check(&sources((0..300).map(of)));
    }
}

#[test]
fn many_labels_on_many_pods() {
    let pods = (0..50).map(|at| {
        let label = |key: usize| (format!("k{key}"), json!(format!("v{}", key * at % 9)));
        let labels: serde_json::Map<String, Value> = (0..300).map(label).collect();
        pod(
            &format!("s{at}"),
            labels.into(),
            &address(70_000 + at),
            json!([]),
        )
    });
    let policies = (0..300).map(|at| {
        let labels = |value: usize| json!({"matchLabels": {format!("k{at}"): format!("v{value}")}});
        let rule = json!({"from": [{"podSelector": labels(1)}]});
        policy(at, json!({"podSelector": labels(2), "ingress": [rule]}))
    });
    let sources = sources(pods.chain(policies));
    reach(&sources);
    check(&sources);
}
