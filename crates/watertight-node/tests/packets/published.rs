//! Node ports and outer addresses of Services (K-82): where they lead, whom the other end sees, and that policies do
//! what is predicted of it.

use std::net::{IpAddr, SocketAddr};

use watertight_core::engine::{HostNetwork, Profile};
use watertight_core::report::lab::Trial;
use watertight_core::sets::Protocol;
use watertight_core::world::World;
use watertight_node::lab::{Place, services};
use watertight_node::trial::Ask;

use crate::lab::{connect, lab, serve, world};
use crate::runner::hold;
use crate::trial::run;
use crate::worlds::read::read;
use crate::worlds::{other_readings, worlds};
use crate::{Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "published::nodes_and_outer_addresses_lead_as_a_proxy_would",
        run: lead,
    },
    Test {
        name: "published::policies_see_what_a_proxy_leaves_of_the_source",
        run: policies,
    },
    Test {
        name: "published::services_may_lead_to_the_port_for_names",
        run: names,
    },
    Test {
        name: "published::random_clusters_do_what_is_predicted",
        run: random_clusters,
    },
];

/// Three nodes; `web` is on the first, and behind Services of both policies.
const SHOP: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 172.20.5.1}, {type: InternalIP, address: 'fd00:20:5::1'}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 172.20.5.2}, {type: InternalIP, address: 'fd00:20:5::2'}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n3}, status: {addresses: [{type: InternalIP, address: 172.20.5.3}, {type: InternalIP, address: 'fd00:20:5::3'}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {nodeName: n1, containers: [{name: c, image: c, ports: [{containerPort: 8080}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: shop, labels: {app: client}}, spec: {nodeName: n2, containers: [{name: c, image: c}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: all, namespace: shop},
 spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}], externalIPs: ['2001:db8:5::80']},
 status: {loadBalancer: {ingress: [{ip: 203.0.113.80}]}}}
---
{apiVersion: v1, kind: Service, metadata: {name: near, namespace: shop},
 spec: {type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30081}], externalIPs: ['2001:db8:5::81']},
 status: {loadBalancer: {ingress: [{ip: 203.0.113.81}]}}}
";

fn lead() -> Outcome {
    let (world, plan, cluster) = lab(SHOP);
    services::install(&world, &plan, &cluster).unwrap();
    let pod = |name: &str| Place::Pod(world.endpoint("shop", name).unwrap());
    let node = |name: &str| Place::Node(world.node(name).unwrap());
    serve(cluster.namespace(pod("web")).unwrap(), 8080);
    let seen = |from: Place, ip: IpAddr, port: u16| {
        let namespace = cluster.namespace(from).unwrap();
        connect(namespace, SocketAddr::new(ip, port)).ok()
    };
    // Who is seen when somebody dials a node, or an outer address; none if nobody answers.
    let check = |from: Place, to: &[IpAddr], port: u16, expected: Option<Place>| {
        for ip in to.iter().filter(|ip| plan.families().include(**ip)) {
            let seen = seen(from, *ip, port);
            let as_meant = match (expected, seen) {
                (Some(place), Some(seen)) => {
                    plan.ips_of(place).contains(&seen) && seen.is_ipv4() == ip.is_ipv4()
                }
                (None, None) => true,
                _ => false,
            };
            assert!(
                as_meant,
                "{from:?} to {ip} port {port} is seen as {seen:?}, not {expected:?}"
            );
        }
    };
    let (world_outside, client) = (Place::World, pod("client"));
    for name in ["n1", "n2", "n3"] {
        let (place, ips) = (node(name), plan.ips_of(node(name)));
        // Whoever dials a node is hidden behind it, the node's own pods too.
        check(world_outside, &ips, 30080, Some(place));
        check(client, &ips, 30080, Some(place));
        check(node("n3"), &ips, 30080, Some(place));
        // `Local`: nobody is hidden, and only the node with the pod answers others than its own.
        let is_there = name == "n1";
        check(
            world_outside,
            &ips,
            30081,
            is_there.then_some(world_outside),
        );
        let own = is_there || name == "n2";
        check(client, &ips, 30081, own.then_some(client));
        let own = is_there || name == "n3";
        check(node("n3"), &ips, 30081, own.then_some(node("n3")));
    }
    // Other ports of a node are the node's.
    check(world_outside, &plan.ips_of(node("n1")), 30082, None);
    let outer = |last: u8| -> [IpAddr; 2] {
        [
            format!("203.0.113.{last}").parse().unwrap(),
            format!("2001:db8:5::{last}").parse().unwrap(),
        ]
    };
    // Outer addresses: the world asks one node, and every node translates them for its own pods.
    check(world_outside, &outer(80), 80, Some(node("n1")));
    check(client, &outer(80), 80, Some(node("n2")));
    check(world_outside, &outer(81), 80, Some(world_outside));
    check(client, &outer(81), 80, Some(client));
    check(node("n3"), &outer(81), 80, Some(node("n3")));
    Outcome::Passed
}

/// Whoever waits at the port for names waits for words, whatever port was dialled.
fn names() -> Outcome {
    let mut world = world(
        &SHOP
            .replace("containerPort: 8080", "containerPort: 53")
            .replace("targetPort: 8080", "targetPort: 53"),
    );
    let ask = Ask {
        ports: vec![
            (Protocol::Tcp, 30080),
            (Protocol::Udp, 30080),
            (Protocol::Tcp, 80),
        ],
        icmp: false,
        ..Ask::default()
    };
    let tried =
        run(&mut world, &Profile::reference(), &ask).unwrap_or_else(|wrong| panic!("{wrong}"));
    let dialled = tried.iter().filter(|one| one.connection.service.is_some());
    assert!(dialled.count() > 20);
    Outcome::Passed
}

/// `web` admits the internet and the second node; `client` may open the node port of the first node and reach `web`.
const POLICIES: &str = "
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: shop},
 spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24}}, {ipBlock: {cidr: 172.20.5.2/32}}, {ipBlock: {cidr: '2001:db8::7/128'}}, {ipBlock: {cidr: 'fd00:20:5::2/128'}}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: client, namespace: shop},
 spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 172.20.5.1/32}}, {ipBlock: {cidr: 'fd00:20:5::1/128'}}], ports: [{port: 30080}]}, {to: [{podSelector: {matchLabels: {app: web}}}]}]}}
";

fn policies() -> Outcome {
    let ask = Ask {
        ports: vec![
            (Protocol::Tcp, 30080),
            (Protocol::Tcp, 30081),
            (Protocol::Tcp, 80),
        ],
        icmp: false,
        ..Ask::default()
    };
    let tried = |snat: &str| -> (World, Vec<Trial>) {
        let mut profile = Profile::reference();
        profile.switches.set("snat", snat).unwrap();
        let mut world = world(&format!("{SHOP}{POLICIES}"));
        let tried = run(&mut world, &profile, &ask).unwrap_or_else(|wrong| panic!("{wrong}"));
        (world, tried)
    };
    // Of one connection in each family: what is predicted, or the statement that leaves it open.
    let told =
        |(world, tried): &(World, Vec<Trial>), from: &str, through: &str, port: u16| -> String {
            let is_from = |one: &Trial| match one.connection.from.resolve(world) {
                watertight_core::eval::Party::Endpoint(id) => world.endpoint_name(id) == from,
                watertight_core::eval::Party::Node(id) => *world[id].name == *from,
                watertight_core::eval::Party::Address(ip) => ip.to_string() == from,
                watertight_core::eval::Party::Name(_) => false,
            };
            let found = tried.iter().filter(|one| {
                let dialled = one.connection.service.is_some_and(|of| of.port == port);
                let node = one.connection.via_node.map(|node| &*world[node].name);
                dialled && node == Some(through) && is_from(one)
            });
            let words = found.map(
                |one| match (one.unjudged, one.is_judged, one.verdict.allowed) {
                    (Some((id, _)), ..) => id,
                    (None, false, _) => "not judged",
                    (None, true, true) => "allowed",
                    (None, true, false) => "denied",
                },
            );
            let mut words: Vec<_> = words.collect();
            words.dedup();
            words.join(" ")
        };
    let preserve = tried("preserve");
    let told_of = |from: &str, through: &str, port: u16| told(&preserve, from, through, port);
    // On the node with the pod, policies are asked before the node hides anybody.
    assert_eq!(told_of("198.51.100.7", "n1", 30080), "allowed");
    assert_eq!(told_of("192.168.77.7", "n1", 30080), "denied");
    // From other nodes packets bear those nodes' addresses.
    assert_eq!(told_of("198.51.100.7", "n2", 30080), "allowed");
    assert_eq!(told_of("192.168.77.7", "n2", 30080), "K-82");
    assert_eq!(told_of("198.51.100.7", "n3", 30080), "K-82");
    assert_eq!(told_of("192.168.77.7", "n3", 30080), "denied");
    // `Local` leaves sources as they are, and other nodes answer nobody.
    assert_eq!(told_of("198.51.100.7", "n1", 30081), "allowed");
    assert_eq!(told_of("192.168.77.7", "n1", 30081), "denied");
    assert_eq!(told_of("198.51.100.7", "n2", 30081), "");
    // A pod: on its own node its egress sees the backend, and elsewhere the node.
    assert_eq!(told_of("shop/client", "n2", 30080), "K-82");
    assert_eq!(told_of("shop/client", "n2", 30081), "denied");
    assert_eq!(told_of("shop/client", "n1", 30080), "denied", "by ingress");
    assert_eq!(told_of("shop/client", "n3", 30080), "denied", "by egress");
    // Outer addresses go through the first node, or the pod's own.
    assert_eq!(told_of("198.51.100.7", "n1", 80), "allowed");
    assert_eq!(told_of("192.168.77.7", "n1", 80), "denied");
    assert_eq!(told_of("n2", "n2", 80), "allowed");
    // The other reading of K-82 is what packets show from other nodes.
    let hidden = tried("node-ip");
    assert_eq!(told(&hidden, "192.168.77.7", "n2", 30080), "allowed");
    assert_eq!(told(&hidden, "198.51.100.7", "n3", 30080), "denied");
    assert_eq!(told(&hidden, "198.51.100.7", "n1", 30080), "K-82");
    assert_eq!(told(&hidden, "198.51.100.7", "n1", 30081), "allowed");
    Outcome::Passed
}

/// Random clusters whose Services have node ports and outer addresses, by turns of both policies.
fn random_clusters() -> Outcome {
    hold(8, (worlds(), other_readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let mut profile = Profile::reference();
        profile.switches = read.switches;
        // Packets show nothing of these.
        profile.switches.host_network = HostNetwork::NodeIp;
        let mut world = read.world;
        for (number, service) in (1u8..).zip(&mut world.services) {
            service.kind = Some("LoadBalancer".into());
            service.published.local = number % 2 == 0;
            service.published.ips = vec![
                [203, 0, 113, number].into(),
                [0x2001, 0xdb8, 0x99, 0, 0, 0, 0, number.into()].into(),
            ];
        }
        run(&mut world, &profile, &Ask::default()).map(|_| ())
    });
    Outcome::Passed
}
