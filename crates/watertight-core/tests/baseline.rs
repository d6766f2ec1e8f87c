//! A baseline made of recorded flows admits exactly these flows, and DNS.
//!
//! Random clusters with random flows; what is expected is computed pair by pair from the flows alone.
//! Pods of a namespace with the same labels are one to every policy, so they are one here.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use watertight_core::analysis::baseline::{Request, is_system, plan, prove};
use watertight_core::engine::Profile;
use watertight_core::eval::{Connection, Evaluator, Party};
use watertight_core::manifest::{Hint, Options};
use watertight_core::observed::Observed;
use watertight_core::policy::lower;
use watertight_core::sets::Protocol;
use watertight_core::source::{Sources, Span};
use watertight_core::world::{self, Assume, EndpointId, World};

const NAMESPACES: [&str; 3] = ["shop", "team-a", "team-b"];
const LABELS: [&str; 6] = [
    "app: web",
    "app: web, tier: front",
    "app: db",
    "tier: front",
    "app: \"on\", pod-template-hash: x1",
    "",
];
const OUTSIDE: [&str; 5] = [
    "203.0.113.9",
    "198.51.100.7",
    "172.16.9.9",
    "169.254.169.254",
    "2001:db8::7",
];
const PORTS: [u16; 4] = [53, 80, 5432, 9090];
const METADATA: &str = "169.254.169.254";

#[derive(Clone, Debug)]
struct Pod {
    namespace: usize,
    labels: usize,
}

/// An end of a flow: a pod, or an address.
#[derive(Clone, Debug)]
enum End {
    Pod(usize),
    Outside(usize),
}

#[derive(Clone, Debug)]
struct Case {
    pods: Vec<Pod>,
    /// Policies of today that open everything, by namespace.
    open: Vec<bool>,
    flows: Vec<(End, End, usize, bool)>,
}

fn cases() -> impl Strategy<Value = Case> {
    let pod = (0..NAMESPACES.len(), 0..LABELS.len());
    let pod = pod.prop_map(|(namespace, labels)| Pod { namespace, labels });
    let pods = prop::collection::vec(pod, 1..9);
    (pods, prop::collection::vec(any::<bool>(), NAMESPACES.len())).prop_flat_map(|(pods, open)| {
        let count = pods.len();
        let end = prop_oneof![
            5 => (0..count).prop_map(End::Pod),
            1 => (0..OUTSIDE.len()).prop_map(End::Outside),
        ];
        let flow = (end.clone(), end, 0..PORTS.len(), any::<bool>());
        let flows = prop::collection::vec(flow, 0..12);
        flows.prop_map(move |flows| Case {
            pods: pods.clone(),
            open: open.clone(),
            flows,
        })
    })
}

fn yaml(case: &Case) -> String {
    let mut text = String::from(
        "{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system}, spec: \
         {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, \
         protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]}}\n---\n\
         {apiVersion: v1, kind: Pod, metadata: {name: dns, namespace: kube-system, labels: {k8s-app: \
         kube-dns}}, spec: {containers: [{name: dns}]}, status: {phase: Running, podIP: 10.244.9.9}}\n",
    );
    for (at, pod) in case.pods.iter().enumerate() {
        let (namespace, labels) = (NAMESPACES[pod.namespace], LABELS[pod.labels]);
        writeln!(
            text,
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p{at}, namespace: {namespace}, labels: \
             {{{labels}}}}}, spec: {{containers: [{{name: c}}]}}, status: {{phase: Running, podIP: \
             10.244.0.{}}}}}",
            at + 1
        )
        .unwrap();
    }
    for (namespace, _) in NAMESPACES.iter().zip(&case.open).filter(|(_, open)| **open) {
        writeln!(
            text,
            "---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: open, \
             namespace: {namespace}}}, spec: {{podSelector: {{}}, ingress: [{{}}], egress: [{{}}], \
             policyTypes: [Ingress, Egress]}}}}"
        )
        .unwrap();
    }
    text
}

struct Read {
    world: World,
    pods: Vec<EndpointId>,
    hints: Vec<Hint>,
    span: Span,
}

fn read(case: &Case) -> Read {
    let mut sources = Sources::new();
    let file = sources.add("t.yaml", yaml(case).into()).unwrap();
    let (world, loaded, hints) =
        world::read_with_hints(&sources, &Options::default(), &Assume::default(), None);
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    let of = |(at, pod): (usize, &Pod)| {
        world
            .endpoint(NAMESPACES[pod.namespace], &format!("p{at}"))
            .unwrap()
    };
    let pods = case.pods.iter().enumerate().map(of).collect();
    Read {
        world,
        pods,
        hints,
        span: Span::new(file, 0, 0),
    }
}

fn party(read: &Read, end: &End) -> Party {
    match end {
        End::Pod(at) => Party::Endpoint(read.pods[*at]),
        End::Outside(at) => Party::Address(OUTSIDE[*at].parse::<IpAddr>().unwrap()),
    }
}

fn protocol(udp: bool) -> Protocol {
    if udp { Protocol::Udp } else { Protocol::Tcp }
}

/// What policies can tell of an end; labels that change with every rollout do not count.
fn visible(case: &Case, end: &End) -> (usize, String) {
    match end {
        End::Pod(at) => {
            let pod = &case.pods[*at];
            (pod.namespace, LABELS[pod.labels].to_owned())
        }
        End::Outside(at) => (usize::MAX, OUTSIDE[*at].to_owned()),
    }
}

fn is_impossible(case: &Case, from: &End, to: &End) -> bool {
    // No pod has an IPv6 address; two addresses outside are nobody's business.
    let v6 = |end: &End| matches!(end, End::Outside(at) if OUTSIDE[*at].contains(':'));
    let outside = |end: &End| matches!(end, End::Outside(_));
    let _ = case;
    v6(from) || v6(to) || (outside(from) && outside(to))
}

/// Checks a property on some hundred cases, always the same ones, or on as many as the environment asks
/// for.
fn hold(property: impl Fn(&Case) -> Result<(), TestCaseError>) {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 200;
        config.rng_seed = RngSeed::Fixed(1);
    }
    let outcome = TestRunner::new(config).run(&cases(), |case| property(&case));
    outcome.unwrap();
}

#[test]
fn a_baseline_from_flows_admits_exactly_these_flows_and_dns() {
    hold(|case| {
        let mut read = read(case);
        let profile = Profile::reference();
        let observed = case
            .flows
            .iter()
            .filter(|(from, to, ..)| !is_impossible(case, from, to));
        let observed: Vec<_> = observed
            .map(|(from, to, port, udp)| {
                let (from, to) = (party(&read, from), party(&read, to));
                Observed {
                    connection: Connection::new(from, to, protocol(*udp), PORTS[*port]),
                    otherwise: None,
                    from: format!("{from:?}"),
                    to: format!("{to:?}"),
                    times: 1,
                    refused: false,
                    span: read.span,
                }
            })
            .collect();
        let namespaces: Vec<_> = read
            .world
            .namespace_ids()
            .filter(|id| !is_system(&read.world[*id].name))
            .collect();
        let plan = {
            let ruleset = lower(&read.world, &profile);
            let eval = Evaluator::new(&read.world, &ruleset, profile.switches);
            let request = Request {
                namespaces,
                ignore_policies: true,
                flows: &observed,
                ..Request::default()
            };
            plan(&eval, &read.hints, &request)
        };
        let (proofs, _) = prove(&mut read.world, &profile, &plan);
        for proof in &proofs {
            prop_assert!(proof.holds(), "{proof:?}");
        }
        let ruleset = lower(&read.world, &profile);
        let eval = Evaluator::new(&read.world, &ruleset, profile.switches);
        let wanted: BTreeSet<_> = case
            .flows
            .iter()
            .filter(|(from, to, ..)| !is_impossible(case, from, to))
            .filter(|(_, to, ..)| visible(case, to).1 != METADATA)
            .map(|(from, to, port, udp)| (visible(case, from), visible(case, to), *port, *udp))
            .collect();
        let pods = (0..case.pods.len()).map(End::Pod);
        let ends: Vec<_> = pods.chain((0..OUTSIDE.len()).map(End::Outside)).collect();
        for from in &ends {
            for to in &ends {
                let itself = matches!((from, to), (End::Pod(a), End::Pod(b)) if a == b);
                if itself || is_impossible(case, from, to) {
                    continue;
                }
                for (port, number) in PORTS.iter().enumerate() {
                    for udp in [false, true] {
                        let (a, b) = (party(&read, from), party(&read, to));
                        let connection = Connection::new(a, b, protocol(udp), *number);
                        let expected = (visible(case, from), visible(case, to), port, udp);
                        let expected = wanted.contains(&expected);
                        prop_assert_eq!(
                            eval.allows(&connection),
                            expected,
                            "{:?} -> {:?}:{} udp {}\n{}",
                            from,
                            to,
                            number,
                            udp,
                            plan.namespaces
                                .iter()
                                .map(|found| found.text.as_str())
                                .collect::<String>()
                        );
                    }
                }
            }
        }
        // DNS is alive for all, and nothing else of its pods is open.
        let dns = read.world.endpoint("kube-system", "dns").unwrap();
        for pod in &read.pods {
            for (port, open) in [(53, true), (80, false)] {
                for udp in [false, true] {
                    let (from, to) = (Party::Endpoint(*pod), Party::Endpoint(dns));
                    let query = Connection::new(from, to, protocol(udp), port);
                    prop_assert_eq!(eval.allows(&query), open);
                    let back = Connection::new(to, from, protocol(udp), port);
                    prop_assert!(!eval.allows(&back));
                }
            }
        }
        Ok(())
    });
}
