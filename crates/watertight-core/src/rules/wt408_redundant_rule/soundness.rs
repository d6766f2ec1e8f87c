//! What is reported can be taken out, all of it at once, and no verdict changes.

use proptest::prelude::*;

use super::{Left, Remaining};
use crate::engine::Profile;
use crate::eval::{Connection, Evaluator, Party};
use crate::manifest::{self, Direction, Options};
use crate::policy::{PolicyRef, Ruleset, lower_kubernetes};
use crate::rules::Context;
use crate::sets::Protocol;
use crate::source::Sources;
use crate::world::{self, Assume};

fn pods() -> String {
    let mut all = String::new();
    for (index, (namespace, labels)) in [
        ("x", "a: '1', b: '1'"),
        ("x", "a: '1', b: '2'"),
        ("x", "a: '2'"),
        ("x", "b: '1'"),
        ("x", ""),
        ("z", "a: '1'"),
        ("z", "b: '2'"),
    ]
    .iter()
    .enumerate()
    {
        all.push_str(&format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p{index}, namespace: {namespace}, labels: {{{labels}}}}}
spec: {{containers: [{{name: c, ports: [{{name: http, containerPort: {}}}]}}]}}
status: {{phase: Running, podIP: 10.0.{index}.1}}
---
",
            80 + index % 3
        ));
    }
    all
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(texts).prop_map(str::to_owned)
}

const PODS: &[&str] = &[
    "{}",
    "{matchLabels: {a: '1'}}",
    "{matchLabels: {a: '1', b: '1'}}",
    "{matchExpressions: [{key: a, operator: In, values: ['1', '2']}]}",
    "{matchExpressions: [{key: a, operator: NotIn, values: ['2']}]}",
    "{matchExpressions: [{key: b, operator: Exists}]}",
    "{matchExpressions: [{key: b, operator: DoesNotExist}]}",
];

const PEERS: &[&str] = &[
    "{namespaceSelector: {}}",
    "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: x}}}",
    "{namespaceSelector: {}, podSelector: {matchLabels: {a: '1'}}}",
    "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: z}}, podSelector: {}}",
    "{podSelector: {}}",
    "{podSelector: {matchLabels: {a: '1'}}}",
    "{podSelector: {matchExpressions: [{key: a, operator: Exists}]}}",
    "{ipBlock: {cidr: 0.0.0.0/0}}",
    "{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/16]}}",
    "{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.1.0/24, 10.0.4.0/24]}}",
    "{ipBlock: {cidr: 10.0.0.0/22}}",
];

const PORTS: &[&str] = &[
    "{}",
    "{port: 80}",
    "{port: 81}",
    "{port: http}",
    "{port: 80, protocol: UDP}",
    "{protocol: UDP}",
    "{port: 80, endPort: 81}",
    "{port: 1, endPort: 65535}",
];

fn list(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(one_of(texts), 0..3).prop_map(|items| format!("[{}]", items.join(", ")))
}

fn rules(field: &'static str) -> impl Strategy<Value = String> {
    let rule = (list(PEERS), list(PORTS))
        .prop_map(move |(peers, ports)| format!("{{{field}: {peers}, ports: {ports}}}"));
    prop::collection::vec(rule, 0..3).prop_map(|rules| format!("[{}]", rules.join(", ")))
}

fn policy() -> impl Strategy<Value = String> {
    let types = one_of(&["[Ingress]", "[Egress]", "[Ingress, Egress]"]);
    (one_of(PODS), types, rules("from"), rules("to")).prop_map(|(pods, types, ingress, egress)| {
        format!(
            "{{podSelector: {pods}, policyTypes: {types}, ingress: {ingress}, egress: {egress}}}"
        )
    })
}

fn without(ruleset: &Ruleset, remaining: &Remaining<'_>) -> Ruleset {
    let mut reduced = ruleset.clone();
    for direction in Direction::BOTH {
        let tiers = match direction {
            Direction::Ingress => &mut reduced.ingress,
            Direction::Egress => &mut reduced.egress,
        };
        for (tier, policies) in tiers.iter_mut().enumerate() {
            let mut policy = 0;
            policies.policies.retain_mut(|kept| {
                let at = PolicyRef {
                    direction,
                    tier,
                    policy,
                };
                policy += 1;
                if let Some(left) = remaining.rules.get(&at) {
                    let mut left = left.iter();
                    kept.rules.retain_mut(|rule| {
                        let left: &Left = left.next().unwrap();
                        let (mut peers, mut ports) = (left.peers.iter(), left.ports.iter());
                        rule.peers.retain(|_| *peers.next().unwrap());
                        rule.traffic.retain(|_| *ports.next().unwrap());
                        !left.is_gone()
                    });
                }
                !remaining.gone.contains(&at)
            });
        }
    }
    reduced
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_changes_without_what_is_redundant(
        specs in prop::collection::vec(policy(), 1..5)
    ) {
        let mut yaml = pods();
        for (index, spec) in specs.iter().enumerate() {
            yaml.push_str(&format!(
                "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: n{index}, namespace: x}}
spec: {spec}
---
"
            ));
        }
        let mut sources = Sources::new();
        sources.add("t.yaml", yaml.into()).unwrap();
        let loaded = manifest::load(&sources, &Options::default());
        prop_assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
        let (world, _) = world::build(&sources, &loaded.objects, &Assume::default());
        let profile = Profile::parse("reference").unwrap();
        let ruleset = lower_kubernetes(&world, &profile.switches);
        let eval = Evaluator::new(&world, &ruleset, profile.switches);
        let context = Context::new(&sources, &eval, &profile, &[]);
        let mut remaining = Remaining::new(&context);
        let policies: Vec<_> = world.policy_ids().collect();
        let found = remaining.judge_all(&policies);
        let reduced = without(&ruleset, &remaining);
        let eval_reduced = Evaluator::new(&world, &reduced, profile.switches);
        let outside = Party::Address("198.51.100.7".parse().unwrap());
        let parties: Vec<_> = world.endpoint_ids().map(Party::Endpoint).chain([outside]).collect();
        for from in &parties {
            for to in &parties {
                for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp] {
                    for port in [79, 80, 81, 82] {
                        let mut connection = Connection::new(*from, *to, protocol, port);
                        if protocol == Protocol::Icmp {
                            connection.port = None;
                        }
                        prop_assert_eq!(
                            eval.allows(&connection),
                            eval_reduced.allows(&connection),
                            "{:?}: {:?}",
                            connection,
                            found.iter().map(|found| found.finding(&context).message).collect::<Vec<_>>()
                        );
                    }
                }
            }
        }
    }
}
