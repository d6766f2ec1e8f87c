//! Classes and rows are few, and nobody can tell the members of one apart.

use std::collections::{BTreeMap, BTreeSet};

use watertight_core::eval::reach::Reach;
use watertight_core::eval::{Connection, Evaluator, Family, Party, Reason};
use watertight_core::manifest::Direction;
use watertight_core::policy::Peer;
use watertight_core::sets::{PortMatch, Protocol};
use watertight_core::world::EndpointId;

use super::{outcome, under};
use crate::runner::{hold, questions_at_most};
use crate::worlds::{Asked, fading, name, read_under, readings, rewriting, sample, worlds};

/// Endpoints and nodes by their class.
fn members(eval: &Evaluator<'_>, reach: &Reach) -> BTreeMap<u32, Vec<Party>> {
    let endpoints = eval.world.endpoint_ids();
    let endpoints = endpoints.map(|id| (reach.class_of(id), Party::Endpoint(id)));
    let nodes = eval.world.node_ids();
    let nodes = nodes.map(|id| (reach.class_of_node(id), Party::Node(id)));
    let mut found: BTreeMap<u32, Vec<Party>> = BTreeMap::new();
    for (class, party) in endpoints.chain(nodes) {
        if let Some(class) = class {
            found.entry(class).or_default().push(party);
        }
    }
    found
}

/// As a peer of `subject`, a party gets the same answers as another one of its class.
fn are_alike(
    eval: &Evaluator<'_>,
    subject: EndpointId,
    (a, b): (Party, Party),
    traffic: &[(Protocol, Option<u16>)],
) -> Result<(), String> {
    for (protocol, port) in traffic {
        for family in [Some(Family::V4), Some(Family::V6), None] {
            for direction in Direction::BOTH {
                let ask = |other| {
                    let own = Party::Endpoint(subject);
                    let (from, to) = match direction {
                        Direction::Egress => (own, other),
                        Direction::Ingress => (other, own),
                    };
                    let mut connection = Connection::new(from, to, *protocol, 0);
                    (connection.port, connection.family) = (*port, family);
                    (connection, eval.verdict(&connection))
                };
                let ((connection, one), (_, other)) = (ask(a), ask(b));
                // What is told apart by more than policies: a pod itself, its own node.
                if one.reason != Reason::Policies || other.reason != Reason::Policies {
                    continue;
                }
                let side = match direction {
                    Direction::Egress => one.egress == other.egress,
                    Direction::Ingress => one.ingress == other.ingress,
                };
                if !side {
                    return Err(format!(
                        "{} is not as {b:?}: {:?} {:?}",
                        name(eval.world, &connection),
                        outcome(&one),
                        outcome(&other)
                    ));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn members_of_a_class_are_alike_to_everybody() {
    let tally = std::cell::Cell::new(0);
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(200, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        let eval = read.evaluator();
        let reach = Reach::new(&eval);
        let asked = Asked::of(&read.world, &read.ruleset);
        let traffic = sample(asked.traffic(), questions_at_most() / 100);
        for members in members(&eval, &reach).values() {
            let (first, others) = members.split_first().ok_or("a class of nobody")?;
            for other in others {
                tally.set(tally.get() + 1);
                for subject in read.world.endpoint_ids() {
                    are_alike(&eval, subject, (*first, *other), &traffic)
                        .map_err(|it| under(&read.ruleset, it))?;
                }
            }
        }
        Ok(())
    });
    assert!(tally.get() > 100, "{tally:?}");
}

/// Whoever owns an address now is in a class, and nobody else (K-33, K-86).
#[test]
fn everybody_with_an_address_is_in_a_class() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(60, input, |(described, readings, changes)| {
        use watertight_core::world::Lifecycle;
        let read = read_under(described, readings, changes)?;
        let reach = Reach::new(&read.evaluator());
        for id in read.world.endpoint_ids() {
            let active = read.world[id].lifecycle == Lifecycle::Active;
            if reach.class_of(id).is_some() != active {
                return Err(read.world.endpoint_name(id));
            }
        }
        // A node has a class for each of its addresses.
        let nodes = read.world.nodes.iter().map(|node| node.ips.len().max(1));
        let all = read.world.endpoints.len() + nodes.sum::<usize>();
        (reach.classes() <= all)
            .then_some(())
            .ok_or(format!("{} classes of {all}", reach.classes()))
    });
}

/// A row for each list of policies, and within it for each meaning of the port names in use.
#[test]
fn rows_are_no_more_than_they_have_to_be() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(100, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        let eval = read.evaluator();
        let reach = Reach::new(&eval);
        for direction in Direction::BOTH {
            let mut distinct = BTreeSet::new();
            for id in read.world.endpoint_ids() {
                let policies = eval.policies_of(id, direction);
                let items = policies
                    .iter()
                    .flat_map(|at| &read.ruleset[*at].rules)
                    .flat_map(|rule| &rule.traffic);
                let names: BTreeSet<(Protocol, &str)> = items
                    .flat_map(|item| match item {
                        PortMatch::Named { protocol, name, .. } => vec![(*protocol, &**name)],
                        PortMatch::Except {
                            protocol, names, ..
                        } => names.iter().map(|name| (*protocol, &**name)).collect(),
                        _ => Vec::new(),
                    })
                    .collect();
                let rules = || policies.iter().flat_map(|at| &read.ruleset[*at].rules);
                let relative = rules().any(|rule| rule.peers.iter().any(Peer::is_relative));
                let node = read.world[id].node.filter(|_| relative);
                let own: BTreeSet<(Protocol, &str, u16)> = read.world[id]
                    .ports
                    .iter()
                    .filter_map(|port| {
                        let name = read.world.symbols.text(port.name?);
                        Some((port.protocol, name, port.number))
                    })
                    .filter(|(protocol, name, _)| names.contains(&(*protocol, name)))
                    .filter(|_| direction == Direction::Ingress)
                    .collect();
                if !policies.is_empty() {
                    distinct.insert((policies.to_vec(), own, node));
                }
            }
            for id in read.world.node_ids() {
                let policies = eval.policies_of_node(id, direction);
                let rules = || policies.iter().flat_map(|at| &read.ruleset[*at].rules);
                let relative = rules().any(|rule| rule.peers.iter().any(Peer::is_relative));
                if !policies.is_empty() {
                    let node = Some(id).filter(|_| relative);
                    distinct.insert((policies.to_vec(), BTreeSet::new(), node));
                }
            }
            let rows = reach.side(direction).rows().len();
            if rows != distinct.len() + 1 {
                let problem = format!("{rows} rows for {distinct:?}");
                return Err(under(&read.ruleset, problem));
            }
        }
        Ok(())
    });
}
