//! A lab of namespaces: who reaches whom without any policy.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use watertight_core::manifest;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, World, read};
use watertight_node::lab::{Cluster, Families, Options, Place, Plan, services};
use watertight_node::sys::{Namespace, sysctl};

use crate::{Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "lab::everybody_reaches_everybody_in_both_families",
        run: everybody_reaches_everybody_in_both_families,
    },
    Test {
        name: "lab::services_lead_to_pods_as_a_proxy_would",
        run: services_lead_to_pods_as_a_proxy_would,
    },
    Test {
        name: "lab::nothing_of_a_lab_is_seen_outside_of_it",
        run: nothing_of_a_lab_is_seen_outside_of_it,
    },
    Test {
        name: "lab::two_hundred_pods_are_up_in_seconds",
        run: two_hundred_pods_are_up_in_seconds,
    },
];

pub(crate) const SHOP: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: api, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {hostNetwork: true, containers: [{name: agent, image: agent}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: shop}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
";

pub(crate) fn world(text: &str) -> World {
    let mut sources = Sources::new();
    sources.add("input.yaml", text.into()).unwrap();
    read(
        &sources,
        &manifest::Options::default(),
        &Assume::default(),
        None,
    )
    .0
}

pub(crate) fn options() -> Options {
    Options {
        families: (!sysctl::has_ipv6()).then_some(Families {
            v4: true,
            v6: false,
        }),
        ..Options::default()
    }
}

/// A lab of some manifests.
pub(crate) fn lab(text: &str) -> (World, Plan, Cluster) {
    let mut world = world(text);
    let plan = Plan::new(&mut world, &options()).unwrap();
    let cluster = Cluster::up(&plan, &|_, _, _| {}).unwrap();
    (world, plan, cluster)
}

/// Listens on a port of every family in a namespace, and tells each client its address.
pub(crate) fn serve(namespace: &Namespace, port: u16) {
    let listener = namespace
        .run(|| {
            // A socket of IPv6 takes connections of IPv4 as well, unless the kernel has no IPv6.
            TcpListener::bind(("::", port)).or_else(|_| TcpListener::bind(("0.0.0.0", port)))
        })
        .unwrap()
        .unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let peer = stream.peer_addr().unwrap().ip().to_canonical();
            let _ = stream.write_all(peer.to_string().as_bytes());
        }
    });
}

/// Connects from a namespace; the address that the other end saw.
pub(crate) fn connect(from: &Namespace, to: SocketAddr) -> std::io::Result<IpAddr> {
    let connect = || {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text.parse().unwrap())
    };
    from.run(connect).unwrap()
}

fn everybody_reaches_everybody_in_both_families() -> Outcome {
    let (_, plan, cluster) = lab(SHOP);
    assert_eq!(plan.nodes.len(), 2);
    assert_eq!(plan.pods.len(), 4, "with the DNS server that is assumed");
    let here = plan.pods.iter().filter(|pod| pod.node == plan.pods[0].node);
    assert!(here.count() >= 2, "pods meet on a node and across nodes");
    for place in plan.places() {
        serve(cluster.namespace(place).unwrap(), 8080);
    }
    let mut count = 0;
    for from in plan.places() {
        let own = plan.ips_of(from);
        for to in plan.places() {
            for ip in plan.ips_of(to) {
                let namespace = cluster.namespace(from).unwrap();
                let seen = connect(namespace, SocketAddr::new(ip, 8080));
                let seen = seen.unwrap_or_else(|error| panic!("{from:?} to {to:?} {ip}: {error}"));
                // Nothing is masqueraded, so the other end sees the address that policies are about.
                assert!(own.contains(&seen), "{from:?} to {ip} seen as {seen}");
                assert_eq!(seen.is_ipv4(), ip.is_ipv4());
                count += 1;
            }
        }
    }
    let families = 1 + usize::from(plan.families().v6);
    assert!(count >= 7 * 6 * families, "{count}");
    // Nobody is at an address that nobody has.
    let web = cluster.namespace(Place::Pod(plan.pods[0].id)).unwrap();
    connect(web, "203.0.113.1:8080".parse().unwrap()).unwrap_err();
    Outcome::Passed
}

fn two_hundred_pods_are_up_in_seconds() -> Outcome {
    let pods: String = (0..200)
        .map(|n| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{n}, namespace: a}}\nspec: {{containers: [{{name: \
                 c, image: c}}]}}\n---\n"
            )
        })
        .collect();
    let mut world = world(&pods);
    let plan = Plan::new(&mut world, &options()).unwrap();
    let started = Instant::now();
    let cluster = Cluster::up(&plan, &|_, _, _| {}).unwrap();
    let took = started.elapsed();
    println!("{} namespaces in {took:?}", cluster.namespaces().count());
    assert_eq!(cluster.namespaces().count(), 204);
    // Other work on the machine is none of its business: the figure is for an idle one.
    assert!(took < Duration::from_secs(10), "{took:?}");
    let first = &plan.pods[0];
    let last = &plan.pods[199];
    serve(cluster.namespace(Place::Pod(last.id)).unwrap(), 80);
    let from = cluster.namespace(Place::Pod(first.id)).unwrap();
    for ip in &last.ips {
        connect(from, SocketAddr::new(*ip, 80)).unwrap();
    }
    Outcome::Passed
}

fn services_lead_to_pods_as_a_proxy_would() -> Outcome {
    let (world, plan, cluster) = lab(SHOP);
    services::install(&world, &plan, &cluster).unwrap();
    let web = world.endpoint("shop", "web").unwrap();
    let web = plan.pod(web).unwrap();
    let node_ips = plan.ips_of(Place::Node(web.node));
    serve(cluster.namespace(Place::Pod(web.id)).unwrap(), 8080);
    let cluster_ips = |name: &str| {
        let id = world.service("shop", name).unwrap();
        world[id].cluster_ips.clone()
    };
    assert_eq!(cluster_ips("web").len(), plan.families().v6 as usize + 1);
    for place in plan.places().filter(|place| *place != Place::World) {
        let namespace = cluster.namespace(place).unwrap();
        for ip in cluster_ips("web") {
            let seen = connect(namespace, SocketAddr::new(ip, 80));
            let seen = seen.unwrap_or_else(|error| panic!("{place:?} to {ip}: {error}"));
            if place == Place::Pod(web.id) {
                // K-76: a pod that comes back to itself is masked as its node.
                assert!(node_ips.contains(&seen), "a hairpin is seen as {seen}");
            } else {
                let own = plan.ips_of(place);
                assert!(own.contains(&seen), "{place:?} is seen as {seen}");
            }
        }
        // No Service has this port.
        connect(namespace, SocketAddr::new(cluster_ips("web")[0], 81)).unwrap_err();
        for ip in cluster_ips("nobody") {
            let error = connect(namespace, SocketAddr::new(ip, 80)).unwrap_err();
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::ConnectionRefused,
                "{place:?} to {ip}"
            );
        }
    }
    // Cluster addresses are of the cluster.
    let outside = cluster.namespace(Place::World).unwrap();
    connect(outside, SocketAddr::new(cluster_ips("web")[0], 80)).unwrap_err();
    Outcome::Passed
}

/// The devices of the namespace that this thread is in.
pub(crate) fn devices() -> Vec<String> {
    let lines = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let names = lines.lines().filter_map(|line| line.split_once(':'));
    let mut names: Vec<_> = names.map(|(name, _)| name.trim().to_owned()).collect();
    names.sort();
    names
}

fn nothing_of_a_lab_is_seen_outside_of_it() -> Outcome {
    let before = devices();
    let home = Namespace::current().unwrap().inode().unwrap();
    let (_, plan, cluster) = lab(SHOP);
    assert_eq!(devices(), before);
    assert_eq!(Namespace::current().unwrap().inode().unwrap(), home);
    let node = cluster.namespace(Place::Node(plan.nodes[0].id)).unwrap();
    let inside = node.run(devices).unwrap();
    assert!(inside.contains(&"up0".to_owned()), "{inside:?}");
    let mut inodes: Vec<_> = cluster
        .namespaces()
        .map(|(_, namespace)| namespace.inode().unwrap())
        .collect();
    inodes.sort_unstable();
    inodes.dedup();
    assert_eq!(inodes.len(), plan.places().count());
    assert!(!inodes.contains(&home));
    Outcome::Passed
}
