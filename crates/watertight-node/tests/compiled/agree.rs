//! The properties.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use proptest::strategy::Strategy;
use watertight_core::engine::Switches;
use watertight_core::eval::{Connection, Evaluator, Icmp, Party, Reason};
use watertight_core::policy::{RuleRef, Ruleset};
use watertight_core::sets::Protocol;
use watertight_core::world::{NodeId, World};
use watertight_node::nft::Table;
use watertight_node::nft::compile::{Compiled, Options, Unsaid, compile};

use super::dialects::{Written, antrea, calico, cilium};
use super::simulate::{FORWARD, Packet, stranger};
use crate::runner::{hold, questions_at_most};
use crate::worlds::read::{Read, read};
use crate::worlds::{
    Asked, mixed_readings, mixed_worlds, name, other_readings, rewriting, show_ruleset, worlds,
};

type Ranges = BTreeMap<NodeId, Vec<IpNet>>;

fn tables(eval: &Evaluator<'_>, ranges: &Ranges) -> BTreeMap<NodeId, Compiled> {
    let nodes = eval.world.node_ids();
    nodes
        .map(|node| {
            let compiled = compile(eval, node, &ranges[&node], Options::default());
            (node, compiled)
        })
        .collect()
}

/// Small networks around the pods of each node, in which nobody else is.
fn ranges(world: &World) -> Ranges {
    let net = |ip: IpAddr| {
        let length = if ip.is_ipv4() { 29 } else { 125 };
        IpNet::new(ip, length).unwrap().trunc()
    };
    let mut ranges: Ranges = world.node_ids().map(|node| (node, Vec::new())).collect();
    let is_of = |ip: IpAddr, node: NodeId| match Party::Address(ip).resolve(world) {
        Party::Endpoint(id) => world[id].node == Some(node) && world[id].host_network.is_none(),
        _ => false,
    };
    let pods = world.endpoints.iter().flat_map(|endpoint| &endpoint.ips);
    let nodes = world.nodes.iter().flat_map(|node| &node.ips);
    let names = world.names.iter().flat_map(|name| &name.ips);
    let all: Vec<IpAddr> = pods.chain(nodes).chain(names).copied().collect();
    for (node, nets) in &mut ranges {
        let own = all.iter().filter(|ip| is_of(**ip, *node));
        let found: BTreeSet<IpNet> = own.map(|ip| net(*ip)).collect();
        nets.extend(found.into_iter().filter(|net| {
            let mut inside = all.iter().filter(|ip| net.contains(*ip));
            inside.all(|ip| is_of(*ip, *node))
        }));
    }
    ranges
}

/// Connections with source ports, and messages of ICMP, by turns.
fn varied(mut connection: Connection, ruleset: &Ruleset, turn: usize) -> Connection {
    if connection.protocol == Protocol::Icmp {
        let messages = [(8, 0), (128, 0), (3, 4), (3, 1), (13, 0), (129, 1), (1, 4)];
        if let Some((kind, code)) = messages.get(turn % (messages.len() + 1)).copied() {
            connection.icmp = Some(Icmp { kind, code });
        }
    } else if turn % 3 == 1 {
        let tiers = ruleset.ingress.iter().chain(&ruleset.egress);
        let policies = tiers.flat_map(|tier| &tier.policies);
        let rules = policies.flat_map(|policy| &policy.rules);
        let ranges = rules.flat_map(|rule| rule.source_ports.iter().flatten());
        let mut ports: BTreeSet<u16> = ranges
            .flat_map(|(first, last)| {
                [
                    first.saturating_sub(1),
                    *first,
                    *last,
                    last.saturating_add(1),
                ]
            })
            .collect();
        ports.insert(53);
        connection.source_port = ports.iter().nth(turn / 3 % ports.len()).copied();
    }
    connection
}

/// Whether a party is an address on the wire, and who has it is all that there is to know of it.
fn is_plain(world: &World, party: Party) -> bool {
    match party.resolve(world) {
        Party::Endpoint(id) => {
            let mut ips = world[id].ips.iter();
            // An address of two pods is one's.
            let is_owner = ips
                .all(|ip| world[id].host_network.is_some() || world.endpoint_at(*ip) == Some(id));
            world[id].node.is_some() && !world[id].ips.is_empty() && is_owner
        }
        Party::Node(id) => !world[id].ips.is_empty(),
        Party::Address(ip) => !ip.is_loopback(),
        Party::Name(_) => false,
    }
}

/// How many connections were compared, and how many of those are of somebody whom nobody knows.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: usize,
    denied: usize,
    strangers: usize,
}

/// Tables against verdicts.
fn agree(
    world: &World,
    ruleset: &Ruleset,
    switches: Switches,
    count: &Cell<Count>,
) -> Result<(), String> {
    let eval = Evaluator::new(world, ruleset, switches);
    let ranges = ranges(world);
    let compiled = tables(&eval, &ranges);
    let tables: BTreeMap<NodeId, Table> = compiled
        .iter()
        .map(|(node, compiled)| (*node, compiled.table.clone()))
        .collect();
    let connections = Asked::of(world, ruleset).connections(questions_at_most());
    for (turn, connection) in connections.into_iter().enumerate() {
        let connection = varied(connection, ruleset, turn);
        if !is_asked(&eval, &compiled, &connection) {
            continue;
        }
        let verdict = eval.verdict(&connection);
        if verdict.uncertain.is_some() || matches!(verdict.reason, Reason::Impossible(..)) {
            continue;
        }
        let Some((packet, hooks)) = Packet::of(&eval, &connection, &ranges) else {
            return Err(format!(
                "{}: no packet, but {verdict:?}",
                name(world, &connection)
            ));
        };
        if hooks.is_empty() {
            // Between parties that share a host nothing comes by.
            continue;
        }
        // Whoever is unknown is closed where packets are forwarded to or from it.
        let unknown = [connection.from, connection.to].map(|party| match party {
            Party::Address(ip) if party.resolve(world) == party => stranger(&ranges, ip),
            _ => None,
        });
        let is_forwarded = |node: NodeId| hooks.contains(&(node, FORWARD));
        let is_closed = unknown.into_iter().flatten().any(is_forwarded);
        if !is_closed && unknown != [None, None] {
            // Between it and its node: that is up to what the node lets through.
            continue;
        }
        let expected = verdict.allowed && !is_closed;
        let mut counted = count.get();
        counted.all += 1;
        counted.denied += usize::from(!expected);
        counted.strangers += usize::from(is_closed);
        count.set(counted);
        let passes = packet.passes(&tables, &hooks);
        if passes != expected {
            let mut message = format!(
                "{}\n  verdict {verdict:?}\n  closed={is_closed} packet {packet:?} passes={passes} {hooks:?}\n{}",
                name(world, &connection),
                show_ruleset(ruleset)
            );
            for (node, _) in hooks {
                message.push_str(&tables[&node].to_string());
            }
            return Err(message);
        }
    }
    Ok(())
}

/// Whether packets show what a connection is about.
fn is_asked(
    eval: &Evaluator<'_>,
    compiled: &BTreeMap<NodeId, Compiled>,
    connection: &Connection,
) -> bool {
    let world = eval.world;
    let ends = [connection.from, connection.to];
    // Nothing listens on port 0: a rule for all ports may well let it through.
    if connection.port == Some(0)
        || connection.service.is_some()
        || connection.via_node.is_some()
        || connection.reply
    {
        return false;
    }
    if !ends.iter().all(|party| is_plain(world, *party)) {
        return false;
    }
    // A packet from an address to itself stays where it is.
    let [from, to] = ends.map(|party| party.resolve(world));
    if from == to {
        return false;
    }
    // Such a pod shares its address with its node and all others like it.
    let is_told_apart = |party: Party| match party {
        Party::Endpoint(id) => world[id].host_network.is_some() && eval.can_be_subject(id),
        _ => false,
    };
    if [from, to].into_iter().any(is_told_apart) {
        return false;
    }
    let verdict = eval.verdict(connection);
    let is_left = |at: RuleRef| {
        compiled.values().any(|compiled| {
            let mut left = compiled.left.iter();
            left.any(|left| {
                left.policy == at.policy
                    && left.rule == Some(at.rule)
                    && left.why == Unsaid::Requests
            })
        })
    };
    let rules = [verdict.egress.rule(), verdict.ingress.rule()];
    !rules.into_iter().flatten().any(is_left)
}

/// Runs a property and demands that enough connections were compared, and that not all end alike.
fn counted(property: impl FnOnce(&Cell<Count>), at_least: usize) -> Count {
    let count = Cell::new(Count::default());
    property(&count);
    let count = count.get();
    let Count { all, denied, .. } = count;
    assert!(all >= at_least, "{count:?}");
    assert!(denied > all / 20 && denied < all - all / 20, "{count:?}");
    count
}

#[test]
fn tables_of_network_policies_do_what_verdicts_say() {
    let inputs = (worlds(), other_readings());
    let property = |count: &Cell<Count>| {
        hold(150, inputs, |(described, readings)| {
            let read = read(described, readings)?;
            agree(&read.world, &read.ruleset, read.switches, count)
        });
    };
    let count = counted(property, 20_000);
    assert!(count.strangers > 200, "{count:?}");
}

/// Two pods have one address: it is one's, whichever.
#[test]
fn tables_of_pods_that_share_an_address_do_what_verdicts_say() {
    let inputs = (worlds(), other_readings(), (0..64usize, 0..64usize));
    let property = |count: &Cell<Count>| {
        hold(100, inputs, |(described, readings, (to, from))| {
            let Read {
                mut world,
                ruleset,
                switches,
                ..
            } = read(described, readings)?;
            let pods: Vec<_> = world.endpoint_ids().collect();
            let [to, from] = [to, from].map(|at| at % pods.len().max(1));
            if let (Some(to), Some(from)) = (pods.get(to), pods.get(from)) {
                let mut changed = world[*to].clone();
                if changed.host_network.is_none() && world[*from].host_network.is_none() {
                    changed.ips = world[*from].ips.clone();
                    world.put_endpoint(changed);
                }
            }
            agree(&world, &ruleset, switches, count)
        });
    };
    counted(property, 10_000);
}

#[test]
fn tables_of_several_tiers_do_what_verdicts_say() {
    let inputs = (worlds(), other_readings(), rewriting());
    let property = |count: &Cell<Count>| {
        hold(150, inputs, |(described, readings, rewriting)| {
            let read = read(described, readings)?;
            let ruleset = rewriting.apply(&read.ruleset, &read.world);
            agree(&read.world, &ruleset, read.switches, count)
        });
    };
    counted(property, 20_000);
}

#[test]
fn tables_of_cluster_policies_do_what_verdicts_say() {
    let inputs = (mixed_worlds(), mixed_readings());
    let property = |count: &Cell<Count>| {
        hold(100, inputs, |(described, readings)| {
            let read = read(described, readings)?;
            agree(&read.world, &read.ruleset, read.switches, count)
        });
    };
    counted(property, 10_000);
}

fn of_dialect(written: impl Strategy<Value = Written>) {
    let property = |count: &Cell<Count>| {
        hold(60, written, |written| {
            let (world, ruleset, switches) = written.read()?;
            agree(&world, &ruleset, switches, count)
        });
    };
    counted(property, 10_000);
}

#[test]
fn tables_of_calico_do_what_verdicts_say() {
    of_dialect(calico());
}

#[test]
fn tables_of_cilium_do_what_verdicts_say() {
    of_dialect(cilium());
}

#[test]
fn tables_of_antrea_do_what_verdicts_say() {
    of_dialect(antrea());
}
