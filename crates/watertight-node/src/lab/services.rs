//! Addresses of Services, as a kube-proxy would serve them: a table of its own in every node.
//!
//! Connections to a Service port go on to its backends by turns, before policies are asked; a pod that comes back
//! to itself is masked as its node, behind policies; a Service port without backends answers that nobody is
//! there.
//!
//! The node's own addresses lead to Services by their node ports, and outer addresses (of load balancers) on any
//! node. Whoever dials those is masked as the node, behind its policies; with `externalTrafficPolicy: Local` nobody
//! is, and who is not of the node gets to its own pods or nowhere (K-82).

use std::collections::BTreeMap;
use std::net::IpAddr;

use watertight_core::sets::Protocol;
use watertight_core::world::{Backend, Lifecycle, NodeId, ServiceId, ServicePort, World};

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

/// The mark of packets whose source is to be hidden behind the node, as a kube-proxy has it.
const MASKED: u32 = 0x4000;

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

/// Where a packet is going: an address, a protocol and a port.
type Dialled = Element;

/// What is written for one node.
struct Maker<'m> {
    world: &'m World,
    node: Option<(&'m Plan, NodeId)>,
    table: Table,
    /// What is dialled, and the chain that it leads to.
    served: BTreeMap<Dialled, Verdict>,
    /// What is dialled and has nothing behind it.
    unserved: Vec<Dialled>,
    /// Whether any packet is marked.
    masks: bool,
    /// Whether who is of the node is told from others.
    tells_own: bool,
}

/// The table of a node, in a world that was completed by the plan; or of any node, which serves cluster addresses
/// alone.
#[must_use]
pub fn table(world: &World, node: Option<(&Plan, NodeId)>) -> Table {
    let mut maker = Maker {
        world,
        node,
        table: Table {
            name: TABLE.into(),
            ..Table::default()
        },
        served: BTreeMap::new(),
        unserved: Vec::new(),
        masks: false,
        tells_own: false,
    };
    let (mut translate, mut behind, mut refuse) = (Vec::new(), Vec::new(), Vec::new());
    for family in FAMILIES {
        maker.family(family, &mut translate, &mut behind, &mut refuse);
    }
    if maker.masks {
        behind.push(Rule {
            matches: vec![Match::Is(Field::Mark, Bytes::EMPTY.number(MASKED))],
            statements: vec![Statement::Counter, Statement::Masquerade],
            comment: "who dials a node is hidden behind it".into(),
        });
    }
    let mut table = maker.table;
    // For pods and others, then for processes of the node itself.
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
        behind,
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

/// Serves Services on every node.
pub fn install(world: &World, plan: &Plan, cluster: &Cluster) -> Result<(), Error> {
    for node in &plan.nodes {
        let table = table(world, Some((plan, node.id)));
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

/// A chain that is gone to, in full.
fn chain(table: &mut Table, name: &str, rules: Vec<Rule>) {
    table
        .chains
        .insert(name.into(), Chain { hook: None, rules });
}

fn goto(chain: &str) -> Statement {
    Statement::Verdict(Verdict::Goto(chain.into()))
}

impl Maker<'_> {
    fn family(
        &mut self,
        family: Family,
        translate: &mut Vec<Rule>,
        behind: &mut Vec<Rule>,
        refuse: &mut Vec<Rule>,
    ) {
        for id in self.world.service_ids() {
            for port in &self.world[id].ports {
                self.port(id, port, family);
            }
        }
        let served = std::mem::take(&mut self.served);
        let mut unserved = std::mem::take(&mut self.unserved);
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
            self.table.sets.insert(map, set(key.clone(), contents));
            let itself = family.named("itself");
            behind.push(Rule {
                matches: vec![Match::In {
                    fields: vec![family.source, family.destination],
                    set: itself.clone(),
                    not: false,
                }],
                statements: vec![Statement::Counter, Statement::Masquerade],
                comment: "a pod comes back to itself".into(),
            });
            let contents = Contents::Members(pods_twice(self.world, family));
            let key = vec![family.address, family.address];
            self.table.sets.insert(itself, set(key, contents));
        }
        if std::mem::take(&mut self.tells_own) {
            let own = self.own_ips(family, true).into_iter();
            let mut own: Vec<_> = own.map(|ip| Element::one(Bytes::EMPTY.ip(ip))).collect();
            own.sort_unstable();
            own.dedup();
            let contents = Contents::Members(own);
            let of_node = set(vec![family.address], contents);
            self.table.sets.insert(family.named("own"), of_node);
        }
        if !unserved.is_empty() {
            unserved.sort_unstable();
            unserved.dedup();
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
            let contents = Contents::Members(unserved);
            self.table.sets.insert(name, set(key, contents));
        }
    }

    /// Addresses of the node, and of its pods if they are wanted.
    fn own_ips(&self, family: Family, with_pods: bool) -> Vec<IpAddr> {
        let Some((plan, node)) = self.node else {
            return Vec::new();
        };
        let pods = plan.pods.iter().filter(|pod| with_pods && pod.node == node);
        let pods = pods.flat_map(|pod| pod.ips.iter().copied());
        let ips = pods.chain(plan.ips_of(Place::Node(node)));
        ips.filter(|ip| family.has(*ip)).collect()
    }

    /// What clients dial on a port of a Service: where that leads, or that it leads nowhere.
    fn port(&mut self, id: ServiceId, port: &ServicePort, family: Family) {
        let service = &self.world[id];
        let protocol = match port.protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
            Protocol::Icmp => return,
        };
        let dialled =
            |ip: IpAddr, port: u16| Element::one(Bytes::EMPTY.ip(ip).protocol(protocol).port(port));
        let of_family = |ips: &[IpAddr]| -> Vec<IpAddr> {
            ips.iter().copied().filter(|ip| family.has(*ip)).collect()
        };
        let inner = of_family(&service.cluster_ips);
        let inner: Vec<_> = inner.iter().map(|ip| dialled(*ip, port.port)).collect();
        let outer = of_family(&service.published.ips);
        let outer = outer.iter().map(|ip| dialled(*ip, port.port));
        let outer: Vec<_> = outer.filter(|_| self.node.is_some()).collect();
        let on_node = self.own_ips(family, false);
        let on_node = port
            .node_port
            .iter()
            .flat_map(|number| on_node.iter().map(|ip| dialled(*ip, *number)));
        let on_node: Vec<_> = on_node.collect();
        if inner.is_empty() && outer.is_empty() && on_node.is_empty() {
            return;
        }
        let namespace = &self.world[service.namespace].name;
        let word = port.protocol.word().to_lowercase();
        let spelt = format!("{namespace}/{}/{}/{word}", service.name, port.port);
        let comment = format!(
            "Service {namespace}/{} port {}/{word}",
            service.name, port.port
        );
        let all = backends(self.world, id, port, family);
        if all.is_empty() {
            // The node itself refuses what it has no socket for.
            self.unserved.extend(inner.into_iter().chain(outer));
            return;
        }
        let turns = format!("service{}/{spelt}", family.digit);
        let ways: Vec<_> = all.iter().map(|(ip, port, _)| (*ip, *port)).collect();
        let rule = self.redirect(&turns, &ways, family, &comment);
        chain(&mut self.table, &turns, vec![rule]);
        let go = Verdict::Goto(turns.as_str().into());
        self.served
            .extend(inner.into_iter().map(|key| (key, go.clone())));
        if outer.is_empty() && on_node.is_empty() {
            return;
        }
        let name = format!("outer{}/{spelt}", family.digit);
        let rules = match service.published.local {
            false => {
                self.masks = true;
                vec![Rule {
                    statements: vec![Statement::Mark(MASKED), goto(&turns)],
                    ..Rule::default()
                }]
            }
            true => self.local(&turns, &spelt, &all, family, &comment),
        };
        chain(&mut self.table, &name, rules);
        let go = Verdict::Goto(name.as_str().into());
        let keys = outer.into_iter().chain(on_node);
        self.served.extend(keys.map(|key| (key, go.clone())));
    }

    /// `externalTrafficPolicy: Local`: who is of the node has all backends, others have those on the node.
    fn local(
        &mut self,
        turns: &str,
        spelt: &str,
        all: &[(IpAddr, u16, Option<NodeId>)],
        family: Family,
        comment: &str,
    ) -> Vec<Rule> {
        self.tells_own = true;
        let own = Rule {
            matches: vec![Match::In {
                fields: vec![family.source],
                set: family.named("own"),
                not: false,
            }],
            statements: vec![goto(turns)],
            ..Rule::default()
        };
        let here = self.node.map(|(_, node)| node);
        let near = all
            .iter()
            .filter(|(_, _, node)| node.is_some() && *node == here);
        let near: Vec<_> = near.map(|(ip, port, _)| (*ip, *port)).collect();
        let others = match near.as_slice() {
            [] => Rule {
                statements: vec![Statement::Counter, Statement::Verdict(Verdict::Drop)],
                comment: format!("{comment}: nothing on this node").into(),
                ..Rule::default()
            },
            near => self.redirect(
                &format!("near{}/{spelt}", family.digit),
                near,
                family,
                comment,
            ),
        };
        vec![own, others]
    }

    /// The rule that leads to backends by turns; their map goes by a name.
    fn redirect(
        &mut self,
        map: &str,
        backends: &[(IpAddr, u16)],
        family: Family,
        comment: &str,
    ) -> Rule {
        let target = match backends {
            [(ip, port)] => Target::One(*ip, *port),
            several => {
                let values = several.iter().zip(0u32..).map(|((ip, port), number)| {
                    let value = Bytes::EMPTY.ip(*ip).port(*port);
                    (Element::one(Bytes::EMPTY.number(number)), value)
                });
                let contents =
                    Contents::Values(vec![family.address, KeyType::Port], values.collect());
                self.table
                    .sets
                    .insert(map.into(), set(vec![KeyType::Number], contents));
                Target::Turns {
                    map: map.into(),
                    count: u32::try_from(several.len()).unwrap_or(u32::MAX),
                    is_v6: family.is_v6,
                }
            }
        };
        Rule {
            matches: Vec::new(),
            statements: vec![Statement::Counter, Statement::Redirect(target)],
            comment: comment.into(),
        }
    }
}

/// Where a Service port leads, in one family, none twice, each with the node that it is on.
fn backends(
    world: &World,
    id: ServiceId,
    port: &ServicePort,
    family: Family,
) -> Vec<(IpAddr, u16, Option<NodeId>)> {
    let mut found = Vec::new();
    for backend in world.backends(id, port.port, port.protocol) {
        match backend {
            Backend::Endpoint(endpoint, port) => {
                let node = world[endpoint].node;
                let ips = world[endpoint].ips.iter().copied();
                found.extend(ips.filter(|ip| family.has(*ip)).map(|ip| (ip, port, node)));
            }
            Backend::Address(ip, port) if family.has(ip) => found.push((ip, port, None)),
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
mod tests;
