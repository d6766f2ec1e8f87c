//! Tables that are kept in force: what is left over, and whose connections are forgotten.

use std::net::{IpAddr, UdpSocket};

use watertight_core::engine::Profile;
use watertight_core::eval::Evaluator;
use watertight_core::manifest;
use watertight_core::policy::lower;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, EndpointId, World, read};
use watertight_node::enforce::{Enforcer, Follower};
use watertight_node::netlink::{Protocol, Socket, conntrack};
use watertight_node::nft::compile::{Options, TABLE, compile};
use watertight_node::nft::delta::{Change, adoption};
use watertight_node::nft::{
    Bytes, Chain, Contents, Element, KeyType, Rule, Set, Statement, Table, Verdict, kernel,
};

use crate::netlink::tracked;
use crate::{Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "enforce::what_cannot_be_taken_away_is_left_and_said",
        run: leftover,
    },
    Test {
        name: "enforce::pods_that_others_took_from_the_table_are_forgotten",
        run: taken,
    },
    Test {
        name: "enforce::what_follows_pods_is_in_force_as_if_made_anew",
        run: followed,
    },
    Test {
        name: "enforce::pods_that_went_while_nobody_looked_are_forgotten",
        run: unnoticed,
    },
];

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn jump(to: &str) -> Rule {
    Rule {
        statements: vec![Statement::Verdict(Verdict::Jump(to.into()))],
        ..Rule::default()
    }
}

/// A table of some pods, with a chain that leads to one of its own.
fn table(pods: &[u8], own: &str) -> Table {
    let chain = |rules| Chain { hook: None, rules };
    let pods = pods
        .iter()
        .map(|last| Element::one(Bytes::EMPTY.ip(ip(*last))));
    let pods = Set {
        key: vec![KeyType::V4],
        ranges: false,
        contents: Contents::Members(pods.collect()),
    };
    Table {
        name: "guard".into(),
        sets: [("pods4".into(), pods)].into(),
        chains: [
            ("first".into(), chain(vec![jump(own)])),
            (own.into(), chain(Vec::new())),
        ]
        .into(),
    }
}

/// Connections between addresses by their last numbers.
fn open(sockets: &[UdpSocket], pairs: &[(u8, u8)]) {
    let of = |last: u8| &sockets[usize::from(last) - 1];
    for (from, to) in pairs {
        of(*from)
            .send_to(b"x", of(*to).local_addr().unwrap())
            .unwrap();
    }
}

fn remembered(socket: &mut Socket, last: u8) -> bool {
    let entries = conntrack::dump(socket).unwrap();
    entries.iter().any(|entry| entry.names(ip(last)))
}

fn leftover() -> Outcome {
    let (mut socket, sockets) = tracked(3);
    let again = Socket::open(Protocol::Netfilter).unwrap();
    let (mut enforcer, _) = Enforcer::start(again, table(&[1, 2], "old"), &[]).unwrap();
    // A rule of somebody else keeps the old chain.
    let foreign = [
        Change::AddChain("foreign".into(), None),
        Change::AddRules("foreign".into(), vec![jump("old")]),
    ];
    kernel::apply(&mut socket, "guard", &foreign).unwrap();
    open(&sockets, &[(1, 2), (1, 3)]);
    let new = table(&[1], "new");
    let report = enforcer.update(new.clone()).unwrap();
    assert_eq!(enforcer.table(), &new);
    let cause = report.leftover.as_ref().expect("a chain that is left");
    assert!(cause.to_string().contains("delete chain `old`"), "{cause}");
    let said = report.to_string();
    assert!(
        said.ends_with("so what no rule names any more is left for the next update"),
        "{said}"
    );
    // It is in force, and what goes with it is done.
    let held = kernel::read(&mut socket, "guard").unwrap().unwrap();
    assert!(held.chains.contains_key("old") && held.chains.contains_key("new"));
    assert_eq!(report.forgotten, 1);
    assert!(!remembered(&mut socket, 2) && remembered(&mut socket, 3));
    let report = enforcer.update(new.clone()).unwrap();
    assert!(report.is_adopted && report.leftover.is_none(), "{report}");
    let held = kernel::read(&mut socket, "guard").unwrap().unwrap();
    assert_eq!(adoption(&held, &new), []);
    assert!(enforcer.update(new).unwrap().is_nothing());
    Outcome::Passed
}

fn taken() -> Outcome {
    let (mut socket, sockets) = tracked(3);
    let again = Socket::open(Protocol::Netfilter).unwrap();
    let (mut enforcer, _) = Enforcer::start(again, table(&[1, 2], "own"), &[]).unwrap();
    open(&sockets, &[(1, 2), (1, 3)]);
    // By now the kernel does not tell of the second one any more.
    kernel::delete(&mut socket, "guard").unwrap();
    let report = enforcer.update(table(&[1], "own")).unwrap();
    assert_eq!(report.forgotten, 1, "{report}");
    assert!(!remembered(&mut socket, 2) && remembered(&mut socket, 3));
    Outcome::Passed
}

fn unnoticed() -> Outcome {
    let (mut socket, sockets) = tracked(8);
    open(&sockets, &[(1, 2), (5, 3), (1, 5), (5, 6)]);
    let again = Socket::open(Protocol::Netfilter).unwrap();
    let ranges = ["10.0.0.0/30".parse().unwrap()];
    let (mut enforcer, report) = Enforcer::start(again, table(&[1], "own"), &ranges).unwrap();
    assert_eq!(report.forgotten, 2, "{report}");
    for (last, is_remembered) in [(1, true), (2, false), (3, false), (5, true), (6, true)] {
        assert_eq!(remembered(&mut socket, last), is_remembered, "{last}");
    }
    // Once: those that come later are told of.
    open(&sockets, &[(1, 2)]);
    assert_eq!(enforcer.repair().unwrap().forgotten, 0);
    Outcome::Passed
}

/// A node with pods, each of which some policy selects: by an own label, or by one that two of them have.
fn world() -> World {
    let mut text = String::from(
        "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: \
         172.18.0.2}]}}\n---\n",
    );
    for number in 0..8 {
        text += &format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p{number}, namespace: shop, labels: {{app: a{}}}}}, \
             spec: {{nodeName: n1, containers: [{{name: c, ports: [{{name: http, containerPort: 80{number}0}}]}}]}}, \
             status: {{phase: Running, podIPs: [{{ip: 10.0.0.{}}}, {{ip: 'fd00::{}'}}]}}}}\n---\n",
            number / 2,
            number + 1,
            number + 1
        );
        text += &format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: np{number}, namespace: \
             shop}}, spec: {{podSelector: {{matchLabels: {{app: a{number}}}}}, ingress: [{{from: [{{podSelector: \
             {{matchLabels: {{app: a{}}}}}}}], ports: [{{port: http}}]}}]}}}}\n---\n",
            (number + 1) % 8
        );
    }
    let mut sources = Sources::new();
    sources.add("node.yaml", text.into()).unwrap();
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    read(&sources, &manifest::Options::default(), &assume, None).0
}

/// Pods that come, change and go, one after another, while others meddle with the rules.
fn followed() -> Outcome {
    let (mut meddler, sockets) = tracked(9);
    let socket = Socket::open(Protocol::Netfilter).unwrap();
    let mut world = world();
    let profile = Profile::reference();
    let ruleset = lower(&world, &profile);
    let node = world.node("n1").unwrap();
    let ranges = ["10.0.0.0/24".parse().unwrap()];
    let options = Options::default();
    let (mut follower, _) = {
        let eval = Evaluator::new(&world, &ruleset, profile.switches);
        Follower::start(socket, &eval, node, &ranges, options).unwrap()
    };
    let pods: Vec<EndpointId> = world.endpoint_ids().collect();
    let (mut adopted, mut left, mut forgotten, mut rebuilt) = (0, 0, 0, 0);
    for step in 0..60usize {
        let like = pods[step * 5 % pods.len()];
        let id = match step % 4 {
            0 => {
                world.remove_endpoint(like);
                like
            }
            1 => {
                let mut pod = world[pods[(step - 1) * 5 % pods.len()]].clone();
                pod.lifecycle = watertight_core::world::Lifecycle::Active;
                world.put_endpoint(pod)
            }
            2 => {
                let label = format!("a{}", step % 9);
                let mut pod = world[like].clone();
                pod.labels = world.symbols.labels([("app", label.as_str())]);
                world.put_endpoint(pod)
            }
            _ => {
                let mut pod = world[like].clone();
                pod.ports = world[pods[step % 8]].ports.clone();
                world.put_endpoint(pod)
            }
        };
        match step {
            // Somebody takes everything away.
            20 | 41 => kernel::delete(&mut meddler, TABLE).unwrap(),
            // Or keeps chains that may have to go.
            30 => {
                let chains = follower.compiled().table.chains.keys();
                let of_classes = chains.filter(|name| name.starts_with("c-"));
                let rules = of_classes.map(|name| jump(name)).collect();
                let steps = [
                    Change::AddChain("foreign".into(), None),
                    Change::AddRules("foreign".into(), rules),
                ];
                kernel::apply(&mut meddler, TABLE, &steps).unwrap();
            }
            _ => {}
        }
        open(&sockets, &[(9, 1), (9, 2), (9, 3), (9, 4)]);
        let eval = Evaluator::new(&world, &ruleset, profile.switches);
        let mut report = match step % 7 {
            6 => follower.replace(&eval).unwrap(),
            _ => follower.pod(&eval, id).unwrap(),
        };
        if report.is_nothing() {
            // What is not changed is not looked at.
            report = follower.enforcer().repair().unwrap();
        }
        adopted += usize::from(report.is_adopted);
        left += usize::from(report.leftover.is_some());
        forgotten += report.forgotten;
        rebuilt += usize::from(report.chains > 30);
        let anew = compile(&eval, node, &ranges, options);
        assert_eq!(follower.compiled().table, anew.table, "step {step}");
        assert_eq!(follower.enforcer().table(), &anew.table, "step {step}");
        if report.leftover.is_none() {
            let held = kernel::read(&mut meddler, TABLE).unwrap().unwrap();
            assert_eq!(adoption(&held, &anew.table), [], "step {step}");
        }
    }
    assert!(
        left > 0 && adopted > 0 && forgotten > 0,
        "{left} {adopted} {forgotten}"
    );
    assert!(rebuilt < 5, "{rebuilt}");
    Outcome::Passed
}
