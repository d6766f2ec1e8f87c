//! Cluster addresses of Services, as a kube-proxy would serve them: a table of its own in every node.
//!
//! Connections to a Service port go on to its backends by turns, before policies are asked; a pod that comes back
//! to itself is masked as its node, behind policies; a Service port without backends answers that nobody is
//! there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use watertight_core::sets::Protocol;
use watertight_core::world::{Backend, Lifecycle, ServiceId, World};

use super::{Cluster, Error, Place, Plan};
use crate::nft::{
    Bytes, Chain, ChainType, Contents, Element, Field, Hook, KeyType, Match, Rule, Set, Statement,
    Table, Target, Verdict,
};

/// The name of the table.
pub const TABLE: &str = "watertight-services";

/// Priorities that nftables calls `dstnat`, `srcnat` and `filter`.
const BEFORE: i32 = -100;
const BEHIND: i32 = 100;
const FILTER: i32 = 0;

/// An address family in names and fields.
#[derive(Clone, Copy)]
struct Family {
    digit: char,
    is_v6: bool,
    address: KeyType,
    source: Field,
    destination: Field,
}

const FAMILIES: [Family; 2] = [
    Family {
        digit: '4',
        is_v6: false,
        address: KeyType::V4,
        source: Field::Source4,
        destination: Field::Destination4,
    },
    Family {
        digit: '6',
        is_v6: true,
        address: KeyType::V6,
        source: Field::Source6,
        destination: Field::Destination6,
    },
];

impl Family {
    fn has(self, ip: IpAddr) -> bool {
        ip.is_ipv6() == self.is_v6
    }

    fn named(self, name: &str) -> Box<str> {
        format!("{name}{}", self.digit).into()
    }
}

/// The table of a world that was completed by a plan. It is the same on every node.
#[must_use]
pub fn table(world: &World) -> Table {
    let mut table = Table {
        name: TABLE.into(),
        ..Table::default()
    };
    let mut translate = Vec::new();
    let mut hairpins = Vec::new();
    let mut refuse = Vec::new();
    for family in FAMILIES {
        let mut served = BTreeMap::new();
        let mut unserved = Vec::new();
        for id in world.service_ids() {
            serve(world, id, family, &mut table, &mut served, &mut unserved);
        }
        let dialled = vec![family.destination, Field::Protocol, Field::DestinationPort];
        let key = vec![family.address, KeyType::Protocol, KeyType::Port];
        if !served.is_empty() {
            let map = family.named("services");
            translate.push(Rule {
                statements: vec![Statement::Lookup {
                    fields: dialled.clone(),
                    map: map.clone(),
                }],
                ..Rule::default()
            });
            let contents = Contents::Verdicts(served);
            table.sets.insert(map, set(key.clone(), contents));
            let itself = family.named("itself");
            hairpins.push(Rule {
                matches: vec![Match::In {
                    fields: vec![family.source, family.destination],
                    set: itself.clone(),
                    not: false,
                }],
                statements: vec![Statement::Counter, Statement::Masquerade],
                comment: "a pod comes back to itself".into(),
            });
            let contents = Contents::Members(pods_twice(world, family));
            let key = vec![family.address, family.address];
            table.sets.insert(itself, set(key, contents));
        }
        if !unserved.is_empty() {
            unserved.sort_unstable();
            let name = family.named("unserved");
            refuse.push(Rule {
                matches: vec![Match::In {
                    fields: dialled,
                    set: name.clone(),
                    not: false,
                }],
                statements: vec![Statement::Counter, Statement::Reject],
                comment: "nothing is behind the Service".into(),
            });
            table
                .sets
                .insert(name, set(key, Contents::Members(unserved)));
        }
    }
    // For pods, then for processes of the node itself.
    base(
        &mut table,
        "prerouting",
        (ChainType::Nat, 0, BEFORE),
        translate.clone(),
    );
    base(&mut table, "output", (ChainType::Nat, 3, BEFORE), translate);
    base(
        &mut table,
        "postrouting",
        (ChainType::Nat, 4, BEHIND),
        hairpins,
    );
    base(
        &mut table,
        "refuse_forward",
        (ChainType::Filter, 2, FILTER),
        refuse.clone(),
    );
    base(
        &mut table,
        "refuse_output",
        (ChainType::Filter, 3, FILTER),
        refuse,
    );
    table
}

/// Serves cluster addresses on every node.
pub fn install(world: &World, plan: &Plan, cluster: &Cluster) -> Result<(), Error> {
    let table = table(world);
    for node in &plan.nodes {
        cluster.install(Place::Node(node.id), &table)?;
    }
    Ok(())
}

fn base(table: &mut Table, name: &str, hook: (ChainType, u32, i32), rules: Vec<Rule>) {
    let (kind, number, priority) = hook;
    let hook = Some(Hook {
        kind,
        number,
        priority,
    });
    table.chains.insert(name.into(), Chain { hook, rules });
}

fn set(key: Vec<KeyType>, contents: Contents) -> Set {
    Set {
        key,
        ranges: false,
        contents,
    }
}

/// What clients dial on one address: where that leads, or that it leads nowhere.
fn serve(
    world: &World,
    id: ServiceId,
    family: Family,
    table: &mut Table,
    served: &mut BTreeMap<Element, Verdict>,
    unserved: &mut Vec<Element>,
) {
    let service = &world[id];
    let namespace = &world[service.namespace].name;
    let cluster_ips = service.cluster_ips.iter().copied();
    let cluster_ips: Vec<IpAddr> = cluster_ips.filter(|ip| family.has(*ip)).collect();
    if cluster_ips.is_empty() {
        return;
    }
    for port in &service.ports {
        let protocol = match port.protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
            Protocol::Icmp => continue,
        };
        let keys = cluster_ips.iter().map(|ip| {
            let key = Bytes::EMPTY.ip(*ip).protocol(protocol).port(port.port);
            Element::one(key)
        });
        let backends = backends(world, id, port.port, port.protocol, family);
        let (name, word) = (&service.name, port.protocol.word().to_lowercase());
        let chain: Box<str> = format!(
            "service{}/{namespace}/{name}/{}/{word}",
            family.digit, port.port
        )
        .into();
        let target = match backends.as_slice() {
            [] => {
                unserved.extend(keys);
                continue;
            }
            [(ip, port)] => Target::One(*ip, *port),
            several => {
                let values = several.iter().zip(0u32..).map(|((ip, port), number)| {
                    let value = Bytes::EMPTY.ip(*ip).port(*port);
                    (Element::one(Bytes::EMPTY.number(number)), value)
                });
                let contents =
                    Contents::Values(vec![family.address, KeyType::Port], values.collect());
                table
                    .sets
                    .insert(chain.clone(), set(vec![KeyType::Number], contents));
                Target::Turns {
                    map: chain.clone(),
                    count: u32::try_from(several.len()).unwrap_or(u32::MAX),
                    is_v6: family.is_v6,
                }
            }
        };
        served.extend(keys.map(|key| (key, Verdict::Goto(chain.clone()))));
        let rule = Rule {
            matches: Vec::new(),
            statements: vec![Statement::Counter, Statement::Redirect(target)],
            comment: format!("Service {namespace}/{name} port {}/{word}", port.port).into(),
        };
        let rules = vec![rule];
        table.chains.insert(chain, Chain { hook: None, rules });
    }
}

/// Where a Service port leads, in one family, none twice.
fn backends(
    world: &World,
    id: ServiceId,
    port: u16,
    protocol: Protocol,
    family: Family,
) -> Vec<(IpAddr, u16)> {
    let mut found = Vec::new();
    for backend in world.backends(id, port, protocol) {
        match backend {
            Backend::Endpoint(endpoint, port) => {
                let ips = world[endpoint].ips.iter().copied();
                found.extend(ips.filter(|ip| family.has(*ip)).map(|ip| (ip, port)));
            }
            Backend::Address(ip, port) if family.has(ip) => found.push((ip, port)),
            Backend::Address(..) => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Each pod's address beside itself: what a packet shows that a Service sends back to where it is from.
fn pods_twice(world: &World, family: Family) -> Vec<Element> {
    let pods = world.endpoint_ids().map(|id| &world[id]);
    let pods = pods.filter(|pod| pod.lifecycle == Lifecycle::Active && pod.host_network.is_none());
    let ips = pods.flat_map(|pod| pod.ips.iter().copied());
    let mut elements: Vec<_> = ips
        .filter(|ip| family.has(*ip))
        .map(|ip| Element::one(Bytes::EMPTY.ip(ip).ip(ip)))
        .collect();
    elements.sort_unstable();
    elements.dedup();
    elements
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::lab::Options;
    use crate::lab::plan::tests::world_of;

    #[test]
    fn a_service_leads_to_its_backends_by_turns_or_refuses() {
        let mut world = world_of(
            "
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: c, ports: [{name: http, containerPort: 8080}]}]}
---
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: c, ports: [{name: http, containerPort: 8081}]}]}
---
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}, {port: 53, protocol: UDP}]}
---
kind: Service
metadata: {name: nobody, namespace: shop}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
kind: Service
metadata: {name: headless, namespace: shop}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
",
        );
        let options = Options {
            families: Some(crate::lab::Families {
                v4: true,
                v6: false,
            }),
            ..Options::default()
        };
        Plan::new(&mut world, &options).unwrap();
        expect![[r#"
            table inet watertight-services {
            	set itself4 {
            		type ipv4_addr . ipv4_addr
            		elements = { 10.244.0.2 . 10.244.0.2, 10.244.1.2 . 10.244.1.2 }
            	}

            	map services4 {
            		type ipv4_addr . inet_proto . inet_service : verdict
            		elements = { 10.96.0.1 . tcp . 80 : goto service4/shop/web/80/tcp, 10.96.0.1 . udp . 53 : goto service4/shop/web/53/udp }
            	}

            	set unserved4 {
            		type ipv4_addr . inet_proto . inet_service
            		elements = { 10.96.0.2 . tcp . 80 }
            	}

            	chain output {
            		type nat hook output priority -100; policy accept;
            		ip daddr . meta l4proto . th dport vmap @services4
            	}

            	chain postrouting {
            		type nat hook postrouting priority 100; policy accept;
            		ip saddr . ip daddr @itself4 counter masquerade comment "a pod comes back to itself"
            	}

            	chain prerouting {
            		type nat hook prerouting priority -100; policy accept;
            		ip daddr . meta l4proto . th dport vmap @services4
            	}

            	chain refuse_forward {
            		type filter hook forward priority 0; policy accept;
            		ip daddr . meta l4proto . th dport @unserved4 counter reject comment "nothing is behind the Service"
            	}

            	chain refuse_output {
            		type filter hook output priority 0; policy accept;
            		ip daddr . meta l4proto . th dport @unserved4 counter reject comment "nothing is behind the Service"
            	}

            	chain service4/shop/web/53/udp {
            		counter dnat ip to numgen inc mod 2 map { 0 : 10.244.0.2 . 53, 1 : 10.244.1.2 . 53 } comment "Service shop/web port 53/udp"
            	}

            	chain service4/shop/web/80/tcp {
            		counter dnat ip to numgen inc mod 2 map { 0 : 10.244.0.2 . 8080, 1 : 10.244.1.2 . 8081 } comment "Service shop/web port 80/tcp"
            	}
            }
        "#]].assert_eq(&table(&world).to_string());
    }
}
