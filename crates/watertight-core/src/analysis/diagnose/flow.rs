//! The connections that a flow stands for: enough of them to see every kind of answer.

use crate::analysis::parties::{PortQuery, Selection, What};
use crate::eval::{Connection, Evaluator, Party};
use crate::sets::Protocol;
use crate::world::{EndpointId, World};

/// Parties of each end that are tried.
const MOST: usize = 24;

/// An address of nobody in particular, from the range that is kept for documentation.
const SOMEWHERE: &str = "203.0.113.10";

pub(super) fn connections(
    eval: &Evaluator<'_>,
    from: &Selection,
    to: &Selection,
    ports: &[PortQuery],
) -> Vec<Connection> {
    let world = eval.world;
    let sources = parties(world, from);
    if let Some(service) = to.service() {
        let declared = world[service].ports.iter();
        let asked = declared.filter(|port| {
            ports.is_empty()
                || ports.iter().any(|query| match query {
                    PortQuery::Range {
                        protocol,
                        first,
                        last,
                    } => *protocol == port.protocol && (*first..=*last).contains(&port.port),
                    PortQuery::Named { name, .. } => port.name.as_deref() == Some(name.as_str()),
                    PortQuery::Icmp => false,
                })
        });
        let asked: Vec<_> = asked.collect();
        let each = sources.iter().flat_map(|source| {
            asked.iter().flat_map(|port| {
                let judged = eval.to_service(*source, service, port.port, port.protocol);
                judged
                    .into_iter()
                    .take(MOST)
                    .map(|(_, connection, _)| connection)
            })
        });
        return each.collect();
    }
    let mut found = Vec::new();
    for target in parties(world, to) {
        for (protocol, port) in numbers(world, target, ports) {
            for source in &sources {
                if *source != target {
                    found.push(Connection::new(*source, target, protocol, port));
                }
            }
        }
    }
    found
}

/// Pods, addresses or nodes; of a range its first address.
fn parties(world: &World, selection: &Selection) -> Vec<Party> {
    match &selection.what {
        What::Endpoints(pods) => pods
            .iter()
            .take(MOST)
            .map(|id| Party::Endpoint(*id))
            .collect(),
        What::Service(service) => {
            let pods = world.selected_by(*service);
            pods.into_iter().take(MOST).map(Party::Endpoint).collect()
        }
        What::Addresses(nets) => {
            let all = nets.iter().take(MOST);
            all.map(|net| Party::Address(net.addr())).collect()
        }
        What::World => {
            let somewhere = SOMEWHERE.parse().ok();
            somewhere.map(Party::Address).into_iter().collect()
        }
        What::Nodes(nodes) => nodes.iter().take(MOST).map(|id| Party::Node(*id)).collect(),
        What::Name(name) => vec![Party::Name(*name)],
    }
}

/// The ports that are asked about: of a range both ends; what the destination declares if none is.
fn numbers(world: &World, target: Party, ports: &[PortQuery]) -> Vec<(Protocol, u16)> {
    let declared = |id: EndpointId| world[id].ports.iter();
    let mut found = Vec::new();
    for query in ports {
        match query {
            PortQuery::Range {
                protocol,
                first,
                last,
            } => {
                found.extend([(*protocol, *first), (*protocol, *last)]);
            }
            PortQuery::Named { name, .. } => {
                if let Party::Endpoint(id) = target {
                    let symbol = world.symbols.get(name);
                    let named =
                        declared(id).filter(|port| port.name.is_some() && port.name == symbol);
                    found.extend(named.map(|port| (port.protocol, port.number)));
                }
            }
            PortQuery::Icmp => {}
        }
    }
    if ports.is_empty() {
        match target {
            Party::Endpoint(id) => {
                found.extend(declared(id).map(|port| (port.protocol, port.number)));
            }
            _ => found.push((Protocol::Tcp, 443)),
        }
        if found.is_empty() {
            found.push((Protocol::Tcp, 80));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}
