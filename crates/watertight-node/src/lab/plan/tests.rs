//! What plans make of worlds.

use expect_test::expect;
use watertight_core::manifest;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, World, read};

use super::*;

/// The world of some manifests; those without an apiVersion are of `v1`. No DNS server is assumed.
pub(in crate::lab) fn world_of(text: &str) -> World {
    let documents = text.split("\n---\n").map(|document| {
        let has_version = document.contains("apiVersion");
        let version = if has_version { "" } else { "apiVersion: v1\n" };
        format!("{version}{}\n---\n", document.trim())
    });
    let mut sources = Sources::new();
    let text: String = documents.collect();
    sources.add("input.yaml", text.into()).unwrap();
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    read(&sources, &manifest::Options::default(), &assume, None).0
}

/// A plan in lines.
fn shown(world: &World, plan: &Plan) -> String {
    let ips = |ips: &[IpAddr]| {
        let ips: Vec<_> = ips.iter().map(ToString::to_string).collect();
        ips.join(" ")
    };
    let mut lines = Vec::new();
    for node in &plan.nodes {
        lines.push(format!("node {}: {}", node.name, ips(&node.ips)));
    }
    for pod in &plan.pods {
        let node = &world[pod.node].name;
        lines.push(format!("{} on {node}: {}", pod.name, ips(&pod.ips)));
        assert_eq!(*world[pod.id].ips, *pod.ips, "the world knows");
        assert_eq!(world[pod.id].node, Some(pod.node));
        assert!(!world[pod.id].template);
    }
    for (id, node) in &plan.on_host {
        let (name, node) = (world.endpoint_name(*id), &world[*node]);
        assert_eq!(*plan.host_names[id], *name);
        lines.push(format!("{name} in {}: {}", node.name, ips(&world[*id].ips)));
        assert_eq!(world[*id].ips, node.ips);
    }
    for service in &world.services {
        lines.push(format!(
            "Service {}: {}",
            service.name,
            ips(&service.cluster_ips)
        ));
    }
    for outside in &plan.outside {
        lines.push(format!("{} outside: {}", outside.name, outside.ip));
    }
    for left_out in &plan.left_out {
        lines.push(format!("without {}: {}", left_out.name, left_out.reason));
    }
    let made_up = &plan.made_up;
    lines.push(format!(
        "made up: {} nodes, {} places, {} templates, {} addresses{}",
        made_up.nodes.len(),
        made_up.placed,
        made_up.templates.len(),
        made_up.addresses,
        if made_up.families { ", families" } else { "" }
    ));
    lines.join("\n") + "\n"
}

fn planned(text: &str, options: &Options) -> String {
    let mut world = world_of(text);
    let plan = Plan::new(&mut world, options).unwrap();
    // INVARIANT of plans: everybody active has one place, no address two owners.
    let mut owners = BTreeMap::new();
    for place in plan.places() {
        for ip in plan.ips_of(place) {
            assert_eq!(owners.insert(ip, place), None, "{ip}");
        }
    }
    for id in world.endpoint_ids() {
        if world[id].lifecycle == Lifecycle::Active {
            assert!(plan.place_of(id).is_some(), "{}", world.endpoint_name(id));
        }
    }
    shown(&world, &plan)
}

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: c}]}
";

#[test]
fn manifests_without_addresses_get_two_nodes_and_both_families() {
    let host = "kind: Pod\nmetadata: {name: agent}\nspec: {hostNetwork: true, containers: [{name: c, image: c}]}";
    let pods = "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: c}]}\n---\n\
                kind: Pod\nmetadata: {name: b}\nspec: {containers: [{name: c, image: c}]}";
    let services = "kind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: \
                    80}]}\n---\nkind: Service\nmetadata: {name: none}\nspec: {clusterIP: None, ports: [{port: \
                    80}]}\n---\nkind: Service\nmetadata: {name: alias}\nspec: {type: ExternalName, externalName: \
                    a.example.org, ports: [{port: 80}]}";
    let text = format!("{WEB}\n---\n{host}\n---\n{pods}\n---\n{services}");
    expect![[r#"
        node node-1: 172.18.0.2 fd00:172:18::2
        node node-2: 172.18.0.3 fd00:172:18::3
        default/a on node-2: 10.244.1.2 fd00:10:244:1::2
        default/b on node-1: 10.244.0.2 fd00:10:244::2
        shop/web on node-2: 10.244.1.3 fd00:10:244:1::3
        default/agent in node-1: 172.18.0.2 fd00:172:18::2
        Service web: 10.96.0.1 fd00:10:96::1
        Service none: 
        Service alias: 
        internet outside: 198.51.100.7
        internet outside: 2001:db8::7
        metadata outside: 169.254.169.254
        metadata outside: fd00:ec2::254
        private outside: 192.168.77.7
        without Service default/none: is headless: it has no address of its own, and its pods are dialled by theirs
        without Service default/alias: is an alias of a name outside of the cluster (ExternalName)
        made up: 2 nodes, 4 places, 1 templates, 6 addresses, families
    "#]]
    .assert_eq(&planned(&text, &Options::default()));
}

#[test]
fn what_of_services_is_not_built_is_said() {
    let service = |name: &str, spec: &str| {
        format!(
            "kind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: web}}, {spec}}}"
        )
    };
    let services = [
        service(
            "node-port",
            "type: NodePort, ports: [{port: 80, nodePort: 30080}]",
        ),
        service("balanced", "type: LoadBalancer, ports: [{port: 443}]"),
        service("portless", "type: ClusterIP"),
        service("old", "clusterIP: 'fd00:5::5', ports: [{port: 80}]"),
    ];
    let text = format!("{WEB}\n---\n{}", services.join("\n---\n"));
    let options = Options {
        usual_outside: false,
        families: Some(Families {
            v4: true,
            v6: false,
        }),
        ..Options::default()
    };
    expect![[r#"
        node node-1: 172.18.0.2
        node node-2: 172.18.0.3
        shop/web on node-1: 10.244.0.2
        Service node-port: 10.96.0.1
        Service balanced: 10.96.0.2
        Service portless: 
        Service old: 
        without Service shop/portless: has no ports
        without Service shop/old: has no address of a family that the lab has
        without the load balancer of Service shop/balanced: has no address in the input; its node ports and its cluster address are built
        made up: 2 nodes, 1 places, 1 templates, 5 addresses, families
    "#]]
    .assert_eq(&planned(&text, &options));
}

/// K-82: what is claimed twice, or cannot be, is said; what is lacking is made up.
#[test]
fn services_have_ports_on_nodes_and_outer_addresses() {
    let service = |name: &str, spec: &str| {
        format!(
            "kind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: web}}, {spec}}}\n"
        )
    };
    let ingress = |ip: &str| format!("status: {{loadBalancer: {{ingress: [{{ip: {ip}}}]}}}}\n");
    let services = [
        service(
            "first",
            "type: NodePort, ports: [{port: 80, nodePort: 30000}, {port: 80, protocol: UDP}]",
        ),
        service(
            "twin",
            "type: NodePort, ports: [{port: 80, nodePort: 30000}, {port: 81}]",
        ),
        service(
            "inner",
            "ports: [{port: 80, nodePort: 30009}], externalIPs: [203.0.113.5, 10.244.0.2, '2001:db8::5']",
        ),
        service(
            "near",
            "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30007}]",
        ) + &ingress("203.0.113.6"),
        service(
            "fenced",
            "type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8], ports: [{port: 80}]",
        ) + &ingress("203.0.113.7"),
        service("thief", "type: LoadBalancer, ports: [{port: 80}]") + &ingress("203.0.113.6"),
    ];
    let nodes = "kind: Node\nmetadata: {name: n1}\n---\nkind: Node\nmetadata: {name: n2}\n---\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {nodeName: n2, containers: [{name: c, image: c}]}\nstatus: {podIP: 10.244.0.2}";
    let mut world = world_of(&format!("{nodes}\n---\n{}", services.join("\n---\n")));
    let plan = Plan::new(&mut world, &Options::default()).unwrap();
    let mut told = String::new();
    for service in &world.services {
        let ports: Vec<_> = service.ports.iter().map(|port| port.node_port).collect();
        told += &format!("{} {ports:?} {:?}\n", service.name, service.published.ips);
    }
    for (ip, node) in &plan.entries {
        told += &format!("{ip} through {}\n", world[*node].name);
    }
    for left in &plan.left_out {
        told += &format!("without {}: {}\n", left.name, left.reason);
    }
    told += &format!("{} made up\n", plan.made_up.node_ports);
    expect![[r#"
        first [Some(30000), Some(30000)] []
        twin [None, Some(30001)] []
        inner [None] [203.0.113.5]
        near [Some(30007)] [203.0.113.6]
        fenced [Some(30002)] []
        thief [Some(30003)] []
        203.0.113.5 through n1
        203.0.113.6 through n2
        without node port 30000/tcp of Service shop/twin: belongs to another Service as well
        without address 10.244.0.2 of Service shop/inner: belongs to somebody else as well
        without address 2001:db8::5 of Service shop/inner: is of a family that the lab does not have
        without address 203.0.113.7 of Service shop/fenced: admits some clients only (loadBalancerSourceRanges), which is not built
        without address 203.0.113.6 of Service shop/thief: belongs to somebody else as well
        4 made up
    "#]]
    .assert_eq(&told);
}

/// A node port that gets no number is told, and there is none.
#[test]
fn made_up_node_ports_run_out_in_the_open() {
    let ports: Vec<String> = (1..=2_770)
        .map(|port| format!("{{port: {port}}}"))
        .collect();
    let service = format!(
        "kind: Service\nmetadata: {{name: wide, namespace: shop}}\nspec: {{type: NodePort, ports: [{}]}}\n",
        ports.join(", ")
    );
    let mut world = world_of(&service);
    let plan = Plan::new(&mut world, &Options::default()).unwrap();
    assert_eq!(plan.made_up.node_ports, 2_768);
    let left: Vec<&str> = plan.left_out.iter().map(|left| &*left.name).collect();
    assert_eq!(left, ["a node port (tcp) of Service shop/wide"; 2]);
}

#[test]
fn a_load_balancer_without_node_ports_gets_none() {
    let service = "kind: Service\nmetadata: {name: bare, namespace: shop}\nspec: {type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}, {port: 81, nodePort: 30081}]}";
    let mut world = world_of(service);
    let plan = Plan::new(&mut world, &Options::default()).unwrap();
    let ports = world.services[0].ports.iter().map(|port| port.node_port);
    assert_eq!(ports.collect::<Vec<_>>(), [None, Some(30_081)]);
    assert_eq!(plan.made_up.node_ports, 0);
}

#[test]
fn pods_ask_the_dns_service_for_names_or_else_its_pods() {
    let pod = "kind: Pod\nmetadata: {name: dns, namespace: kube-system, labels: {k8s-app: kube-dns}}\nspec: {containers: [{name: c, image: c}]}";
    let service = "kind: Service\nmetadata: {name: kube-dns, namespace: kube-system}\nspec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{port: 53, protocol: UDP}]}";
    let dns = |text: &str| {
        Plan::new(&mut world_of(text), &Options::default())
            .unwrap()
            .dns
    };
    assert_eq!(dns(WEB), [] as [IpAddr; 0]);
    let pods: Vec<IpAddr> = vec![
        "10.244.0.2".parse().unwrap(),
        "fd00:10:244::2".parse().unwrap(),
    ];
    assert_eq!(dns(pod), pods);
    let ip: IpAddr = "10.96.0.10".parse().unwrap();
    assert_eq!(dns(&format!("{pod}\n---\n{service}")), [ip]);
}

#[test]
fn a_dump_keeps_its_addresses() {
    let text = "
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}, {type: ExternalIP, address: 203.0.113.9}]}
---
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 10.0.0.2}, {type: ExternalIP, address: 203.0.113.9}]}
---
kind: Pod
metadata: {name: dual}
spec: {nodeName: n1, containers: [{name: c, image: c}]}
status: {phase: Running, podIP: 10.244.0.5, podIPs: [{ip: 10.244.0.5}, {ip: 'fd00:1::5'}]}
---
kind: Pod
metadata: {name: only-v4}
spec: {nodeName: n2, containers: [{name: c, image: c}]}
status: {phase: Running, podIP: 10.244.1.6, podIPs: [{ip: 10.244.1.6}]}
---
kind: Pod
metadata: {name: done}
spec: {nodeName: n2, containers: [{name: c, image: c}]}
status: {phase: Succeeded, podIP: 10.244.1.7, podIPs: [{ip: 10.244.1.7}]}
---
kind: Pod
metadata: {name: pending}
spec: {containers: [{name: c, image: c}]}
status: {phase: Pending}
---
kind: Pod
metadata: {name: twin}
spec: {nodeName: n2, containers: [{name: c, image: c}]}
status: {phase: Running, podIP: 10.244.1.6, podIPs: [{ip: 10.244.1.6}]}
---
kind: Pod
metadata: {name: thief}
spec: {nodeName: n2, containers: [{name: c, image: c}]}
status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}]}
---
kind: Pod
metadata: {name: lost}
spec: {nodeName: n2, containers: [{name: c, image: c}]}
status: {phase: Running, podIP: 127.0.0.5, podIPs: [{ip: 127.0.0.5}]}
---
kind: Pod
metadata: {name: proxy}
spec: {nodeName: n2, hostNetwork: true, containers: [{name: c, image: c}]}
status: {phase: Running, podIP: 10.0.0.2, podIPs: [{ip: 10.0.0.2}]}
---
kind: Pod
metadata: {name: elsewhere}
spec: {nodeName: n3, hostNetwork: true, containers: [{name: c, image: c}]}
---
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.0.7, ports: [{port: 5432}]}
---
kind: Endpoints
metadata: {name: db}
subsets: [{addresses: [{ip: 192.0.2.44}], ports: [{port: 5432}]}]
";
    let text = format!("{text}---\n{}", WEB.trim());
    expect![[r#"
        node n1: 10.0.0.1 203.0.113.9
        node n2: 10.0.0.2
        node n3: 172.18.0.2 fd00:172:18::2
        default/dual on n1: 10.244.0.5 fd00:1::5
        default/twin on n2: 10.244.1.6
        shop/web on n1: 10.42.0.2 fd00:10:244::2
        default/proxy in n2: 10.0.0.2
        default/elsewhere in n3: 172.18.0.2 fd00:172:18::2
        Service db: 10.96.0.7
        default/db outside: 192.0.2.44
        internet outside: 198.51.100.7
        internet outside: 2001:db8::7
        metadata outside: 169.254.169.254
        metadata outside: fd00:ec2::254
        private outside: 192.168.77.7
        without node n2: address 203.0.113.9 belongs to node n1 as well
        without default/only-v4: has the address 10.244.1.6 of default/twin
        without default/done: has finished
        without default/pending: has no address yet
        without default/thief: has the address 10.0.0.1 of node n1
        without default/lost: has the address 127.0.0.5, which is a loopback address
        made up: 0 nodes, 1 places, 1 templates, 2 addresses
    "#]]
    .assert_eq(&planned(&text, &Options::default()));
}

#[test]
fn ranges_stay_out_of_what_policies_tell_apart() {
    let policy = |cidr: &str| {
        format!(
            "{WEB}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: \
             shop}}\nspec: {{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: {cidr}}}}}]}}]}}"
        )
    };
    let range = |text: &str, options: &Options| {
        let plan = Plan::new(&mut world_of(text), options).unwrap();
        plan.pod_ranges[0].to_string()
    };
    let usual = Options::default();
    assert_eq!(range(WEB, &usual), "10.244.0.0/16");
    assert_eq!(range(&policy("10.244.1.0/24"), &usual), "10.42.0.0/16");
    assert_eq!(range(&policy("10.0.0.0/8"), &usual), "172.29.0.0/16");
    // Every range lies in it, and none is cut by it.
    assert_eq!(range(&policy("0.0.0.0/0"), &usual), "10.244.0.0/16");
    let avoid = Options {
        avoid: vec!["10.244.0.0/17".parse().unwrap()],
        ..Options::default()
    };
    assert_eq!(range(WEB, &avoid), "10.42.0.0/16");
}

#[test]
fn more_pods_than_a_range_of_a_node_has_get_another() {
    let pods: Vec<_> = (0..600)
        .map(|n| {
            format!(
                "kind: Pod\nmetadata: {{name: p{n}}}\nspec: {{containers: [{{name: c, image: c}}]}}"
            )
        })
        .collect();
    let mut world = world_of(&pods.join("\n---\n"));
    let plan = Plan::new(&mut world, &Options::default()).unwrap();
    assert_eq!(plan.pods.len(), 600);
    let parts: std::collections::BTreeSet<_> = plan
        .pods
        .iter()
        .filter_map(|pod| match pod.ips[0] {
            IpAddr::V4(ip) => Some(ip.octets()[2]),
            IpAddr::V6(_) => None,
        })
        .collect();
    assert_eq!(parts.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn what_is_too_much_is_said() {
    let options = Options {
        nodes: Some(1000),
        ..Options::default()
    };
    let error = Plan::new(&mut world_of(WEB), &options).unwrap_err();
    expect![
        "the input has 1000 nodes, and a lab holds at most 200: give it fewer files, or a namespace"
    ]
    .assert_eq(&error.to_string());
}

#[test]
fn options_say_who_is_outside() {
    let outside = |ip: &str| Outside {
        name: "bank".into(),
        ip: ip.parse().unwrap(),
    };
    let options = Options {
        outside: vec![
            outside("203.0.113.5"),
            outside("fe80::1"),
            outside("172.18.0.11"),
            outside("203.0.113.5"),
            outside("2001:db8::99"),
        ],
        usual_outside: false,
        families: Some(Families {
            v4: true,
            v6: false,
        }),
        nodes: Some(1),
        avoid: Vec::new(),
        ..Options::default()
    };
    expect![[r#"
        node node-1: 172.18.0.2
        shop/web on node-1: 10.244.0.2
        bank outside: 203.0.113.5
        bank outside: 172.18.0.11
        without outside address fe80::1: is valid on one link only
        without outside address 203.0.113.5: belongs to the outside address bank
        without outside address 2001:db8::99: is of a family that the lab does not have
        made up: 1 nodes, 1 places, 1 templates, 2 addresses, families
    "#]]
    .assert_eq(&planned(WEB, &options));
}
