//! The properties.

use std::cell::Cell;
use std::collections::BTreeMap;

use watertight_core::eval::{Connection, Evaluator, Party, Reason};
use watertight_core::policy::RuleRef;
use watertight_core::world::{NodeId, World};
use watertight_node::nft::Table;
use watertight_node::nft::compile::{Compiled, Options, Unsaid, compile};

use super::simulate::Packet;
use crate::runner::{hold, questions_at_most};
use crate::worlds::read::{Read, read};
use crate::worlds::{
    Asked, mixed_readings, mixed_worlds, name, other_readings, rewriting, show_ruleset, worlds,
};

fn tables(eval: &Evaluator<'_>) -> BTreeMap<NodeId, Compiled> {
    let nodes = eval.world.node_ids();
    nodes
        .map(|node| (node, compile(eval, node, &[], Options::default())))
        .collect()
}

/// Whether a party is an address on the wire, and who has it is all that there is to know of it.
fn is_plain(world: &World, party: Party) -> bool {
    match party.resolve(world) {
        Party::Endpoint(id) => world[id].node.is_some() && !world[id].ips.is_empty(),
        Party::Node(id) => !world[id].ips.is_empty(),
        Party::Address(ip) => !ip.is_loopback(),
        Party::Name(_) => false,
    }
}

/// Tables against verdicts; how many connections were compared.
fn agree(read: &Read) -> Result<usize, String> {
    let eval = Evaluator::new(&read.world, &read.ruleset, read.switches);
    let compiled = tables(&eval);
    let tables: BTreeMap<NodeId, Table> = compiled
        .iter()
        .map(|(node, compiled)| (*node, compiled.table.clone()))
        .collect();
    let mut count = 0;
    for connection in Asked::of(&read.world, &read.ruleset).connections(questions_at_most()) {
        if !is_asked(&eval, &compiled, &connection) {
            continue;
        }
        let verdict = eval.verdict(&connection);
        if verdict.uncertain.is_some() || matches!(verdict.reason, Reason::Impossible(..)) {
            continue;
        }
        let Some((packet, hooks)) = Packet::of(&eval, &connection) else {
            return Err(format!(
                "{}: no packet, but {verdict:?}",
                name(&read.world, &connection)
            ));
        };
        if hooks.is_empty() {
            // Between parties that share a host nothing comes by.
            continue;
        }
        count += 1;
        let passes = packet.passes(&tables, &hooks);
        if passes != verdict.allowed {
            let mut message = format!(
                "{}\n  verdict {verdict:?}\n  packet {packet:?} passes={passes} {hooks:?}\n{}",
                name(&read.world, &connection),
                show_ruleset(&read.ruleset)
            );
            for (node, _) in hooks {
                message.push_str(&tables[&node].to_string());
            }
            return Err(message);
        }
    }
    Ok(count)
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

/// Runs a property and demands that enough connections were compared.
fn counted(property: impl FnOnce(&Cell<usize>), at_least: usize) {
    let count = Cell::new(0);
    property(&count);
    assert!(count.get() >= at_least, "{} connections only", count.get());
}

#[test]
fn tables_of_network_policies_do_what_verdicts_say() {
    counted(
        |count| {
            hold(
                150,
                (worlds(), other_readings()),
                |(described, readings)| {
                    let read = read(described, readings)?;
                    count.set(count.get() + agree(&read)?);
                    Ok(())
                },
            );
        },
        20_000,
    );
}

#[test]
fn tables_of_several_tiers_do_what_verdicts_say() {
    counted(
        |count| {
            let inputs = (worlds(), other_readings(), rewriting());
            hold(150, inputs, |(described, readings, rewriting)| {
                let mut read = read(described, readings)?;
                read.ruleset = rewriting.apply(&read.ruleset, &read.world);
                count.set(count.get() + agree(&read)?);
                Ok(())
            });
        },
        20_000,
    );
}

#[test]
fn tables_of_cluster_policies_do_what_verdicts_say() {
    counted(
        |count| {
            hold(
                100,
                (mixed_worlds(), mixed_readings()),
                |(described, readings)| {
                    let read = read(described, readings)?;
                    count.set(count.get() + agree(&read)?);
                    Ok(())
                },
            );
        },
        10_000,
    );
}
