//! What is asked, and what of it is not judged. That packets do what is predicted is in `tests/packets/trial.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use watertight_core::engine::Profile;
use watertight_core::eval::{Connection, Evaluator, Party as Meant};
use watertight_core::manifest;
use watertight_core::policy::lower;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, World, read};

use super::unsaid::Unsayable;
use super::*;
use crate::lab::Options as LabOptions;
use crate::nft::compile::{Left, Unsaid};

fn world(text: &str) -> World {
    let mut sources = Sources::new();
    sources.add("cluster.yaml", text.into()).unwrap();
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    read(&sources, &manifest::Options::default(), &assume, None).0
}

fn with<T>(text: &str, engine: &str, then: impl FnOnce(&Plan, &Evaluator<'_>) -> T) -> T {
    let mut world = world(text);
    let plan = Plan::new(&mut world, &LabOptions::default()).unwrap();
    let profile = Profile::parse(engine).unwrap();
    let ruleset = lower(&world, &profile);
    then(&plan, &Evaluator::new(&world, &ruleset, profile.switches))
}

/// Pods of both families on three nodes, a Service, and a policy that names ports.
fn many(pods: usize) -> String {
    let mut text = String::new();
    for number in 0..pods {
        _ = write!(
            text,
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p{number}, namespace: shop, labels: {{app: a{}}}}}, \
             spec: {{nodeName: n{}, containers: [{{name: c, ports: [{{containerPort: 80{:02}}}]}}]}}}}\n---\n",
            number % 5,
            number % 3,
            number % 7,
        );
    }
    text + "{apiVersion: v1, kind: Service, metadata: {name: front, namespace: shop}, \
            spec: {clusterIP: 10.96.0.9, selector: {app: a1}, ports: [{port: 80, targetPort: 8001}]}}\n---\n\
            {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, \
            spec: {podSelector: {matchLabels: {app: a1}}, ingress: [{ports: [{port: 4000, endPort: 4009}]}]}}\n"
}

fn asked(pods: usize, of: &Ask) -> Asked {
    with(&many(pods), "reference", |plan, eval| ask(plan, eval, of))
}

/// A connection by its numbers.
fn number(one: &Planned) -> (usize, usize, String) {
    let Planned {
        from, to, question, ..
    } = one;
    (*from, *to, format!("{question:?}"))
}

#[test]
fn above_the_limit_few_are_asked_of_everything_alike() {
    let unlimited = Ask {
        most: usize::MAX,
        ..Ask::default()
    };
    let everything = asked(20, &unlimited);
    let all = everything.connections.len();
    assert!(!everything.is_shortened && everything.sampled_from.is_none());
    let ask = |most| {
        asked(
            20,
            &Ask {
                most,
                ..Ask::default()
            },
        )
    };

    // That many are not too many; one less, and ports are left out.
    let fits = ask(all);
    assert_eq!((fits.connections.len(), fits.is_shortened), (all, false));
    let shorter = ask(all - 1);
    assert!(shorter.is_shortened && shorter.sampled_from.is_none());
    let few = shorter.connections.len();
    assert!(
        few < all
            && shorter
                .connections
                .iter()
                .all(|one| one.question.port != 4000)
    );
    assert!(
        everything
            .connections
            .iter()
            .any(|one| one.question.port == 4000)
    );

    let most = few / 5;
    let sample = ask(most);
    assert_eq!(sample.sampled_from, Some(few), "so many there could be");
    assert!(sample.is_shortened);
    assert_eq!(sample.connections.len(), most);
    let possible: BTreeSet<_> = shorter.connections.iter().map(number).collect();
    let picked: Vec<_> = sample.connections.iter().map(number).collect();
    assert!(picked.iter().all(|one| possible.contains(one)));
    assert_eq!(
        picked.iter().collect::<BTreeSet<_>>().len(),
        most,
        "none twice"
    );
    assert!(
        ask(most).connections.iter().map(number).eq(picked),
        "the same again"
    );
    // Every party at both ends, every protocol, and the Service.
    let mut counts: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for one in &sample.connections {
        *counts.entry(("from", one.from)).or_default() += 1;
        *counts.entry(("to", one.to)).or_default() += 1;
        *counts.entry((one.question.protocol.word(), 0)).or_default() += 1;
    }
    let ends = sample.parties.len();
    assert_eq!(
        counts.len(),
        2 * ends - 1 + 4,
        "a Service dials nobody: {counts:?}"
    );
}

/// What is asked of ports that are given is limited as well.
#[test]
fn ports_that_are_given_are_sampled_too() {
    let of = Ask {
        ports: vec![(Protocol::Tcp, 80), (Protocol::Udp, 53)],
        icmp: false,
        most: 100,
    };
    let asked = asked(20, &of);
    assert_eq!(asked.connections.len(), 100);
    assert!(!asked.is_shortened && asked.sampled_from.is_some_and(|of| of > 1000));
}

/// K-79, K-82, C-67, L-66.
#[test]
fn what_rests_on_what_tables_do_not_say_is_not_judged() {
    let text = "
{apiVersion: v1, kind: Node, metadata: {name: n1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {nodeName: n1, containers: []}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {nodeName: n1, containers: []}}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: db}}]
    toPorts: [{ports: [{port: '8080', protocol: TCP}], rules: {http: [{method: GET}]}}]
  - fromEndpoints: [{matchLabels: {app: db}}]
    toPorts: [{ports: [{port: '9090', protocol: TCP}]}]
";
    with(text, "cilium", |plan, eval| {
        let tables = tables(plan, eval, Options::default());
        let unsaid = Unsayable::of(tables.values());
        let find = |name| Meant::Endpoint(eval.world.endpoint("shop", name).unwrap());
        let to = |port| Connection::new(find("db"), find("web"), Protocol::Tcp, port);
        let rests = |unsaid: &Unsayable, one: &Connection| unsaid.is_below(one, &eval.verdict(one));
        assert!(rests(&unsaid, &to(8080)), "one request or another");
        assert!(!rests(&unsaid, &to(9090)) && !rests(&unsaid, &to(1)));

        // What concerns the way of a connection concerns all that go this way.
        let left = |why| {
            let mut compiled = tables.values().next().unwrap().clone();
            let policy = compiled.left.first().unwrap().policy;
            compiled.left = [Left {
                policy,
                rule: None,
                why,
            }]
            .into();
            Unsayable::of([&compiled])
        };
        let plain = to(9090);
        let mut dialled = plain;
        let ip = "10.96.0.1".parse().unwrap();
        dialled.service = Some(watertight_core::eval::ServiceAddress { ip, port: 80 });
        let mut through = plain;
        through.via_node = eval.world.node("n1");
        for (why, by_service, by_node) in [
            (Unsaid::Services, true, false),
            // Nodes of a lab make sources as they make them.
            (Unsaid::Sources, false, false),
            (Unsaid::Routed, false, true),
            (Unsaid::HostPods, false, false),
            (Unsaid::Names, false, false),
        ] {
            let unsaid = left(why);
            assert!(!rests(&unsaid, &plain), "{why:?}");
            assert_eq!(rests(&unsaid, &dialled), by_service, "{why:?}");
            assert_eq!(rests(&unsaid, &through), by_node, "{why:?}");
        }
        let whole = left(Unsaid::Requests);
        assert!(rests(&whole, &to(8080)) && !rests(&whole, &to(1)));
    });
}

/// Two nodes share a /24: who is unknown there is nobody's, and it is said.
#[test]
fn networks_that_nodes_share_are_not_guarded_and_said() {
    let pod = |name: &str, node: &str, ip: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop}}, \
             spec: {{nodeName: {node}, containers: []}}, status: {{phase: Running, podIP: {ip}}}}}\n---\n"
        )
    };
    let text =
        pod("a", "n1", "10.1.0.1") + &pod("b", "n2", "10.1.0.2") + &pod("c", "n2", "10.1.2.1");
    with(&text, "reference", |plan, eval| {
        let tables = tables(plan, eval, Options::default());
        let of = |node: &str| &tables[&eval.world.node(node).unwrap()];
        let shared = ["10.1.0.0/24".parse().unwrap()];
        assert_eq!(of("n1").unguarded, shared);
        assert_eq!(of("n2").unguarded, shared);
        let has_guard = |node| of(node).table.chains.contains_key("unknown-in");
        assert!(!has_guard("n1") && has_guard("n2"));
    });
}

/// Whoever waits says who it is; the kernel alone answers echo requests.
#[test]
fn only_who_waits_there_proves_that_something_arrives() {
    let question = |protocol| Question {
        from: 0,
        to: "10.0.0.1".parse().unwrap(),
        protocol,
        port: 80,
        source_port: None,
        from_address: None,
        masked: None,
        to_names: None,
    };
    let of = |outcome: &Outcome, protocol| {
        let observed = Observed {
            seen: seen(outcome),
            detail: "as it was".into(),
            kernel: Vec::new(),
        };
        unanswered(observed, &question(protocol), outcome)
    };
    let (refused, somebody) = (Outcome::Refused, Outcome::Open { by: None });
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        assert_eq!(of(&refused, protocol).seen.arrived(), Some(false));
        assert_eq!(of(&somebody, protocol).seen.arrived(), None);
        assert_eq!(of(&Outcome::Timeout, protocol).detail, "as it was");
    }
    for outcome in [refused, somebody] {
        let same = of(&outcome, Protocol::Icmp);
        assert_eq!((same.seen, &*same.detail), (seen(&outcome), "as it was"));
    }
}
