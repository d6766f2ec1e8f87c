//! Who is at an end, as the peers of a policy name it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Plan;
use super::needs::{Block, Ports, Whom};
use super::units::Unit;
use super::yaml::{PeerText, RuleText};
use crate::facts::ranges::{ANY_V4, ANY_V6};
use crate::world::{NamespaceId, World};

/// The peers that say who is meant, as a policy of a namespace has to name them, or one of a namespace
/// that does not exist yet.
pub(super) fn peers<'p>(
    world: &'p World,
    plan: &'p Plan,
    whom: &'p Whom,
    of: Option<NamespaceId>,
) -> Vec<PeerText<'p>> {
    match whom {
        Whom::Unit(id) => unit_peers(world, &plan.units[*id], of),
        Whom::AllPods => vec![PeerText::AllPods],
        Whom::Blocks(blocks) => blocks.iter().map(block_peer).collect(),
        Whom::Internet => plan.internet.blocks.iter().map(block_peer).collect(),
        Whom::Everyone => everyone().iter().map(block_peer).collect(),
    }
}

fn unit_peers<'p>(world: &'p World, unit: &'p Unit, of: Option<NamespaceId>) -> Vec<PeerText<'p>> {
    if !unit.host_network {
        let name = &*world[unit.namespace].name;
        let namespace = (Some(unit.namespace) != of).then_some(name);
        let namespaces = namespace.into_iter().collect();
        return vec![PeerText::Pods(namespaces, &unit.selector)];
    }
    let blocks = addresses(world, unit).into_iter();
    blocks
        .map(|ip| PeerText::Block(ip.into(), Vec::new()))
        .collect()
}

/// The rules that let pods of a namespace ask the DNS of the cluster.
pub(super) fn dns_rules<'p>(
    world: &'p World,
    plan: &'p Plan,
    of: Option<NamespaceId>,
) -> Vec<RuleText<'p>> {
    let mut by_ports: BTreeMap<&BTreeSet<Ports>, Vec<PeerText<'_>>> = BTreeMap::new();
    for (whom, ports) in plan.dns.peers.iter().filter(|(_, ports)| !ports.is_empty()) {
        let peers = peers(world, plan, whom, of);
        by_ports.entry(ports).or_default().extend(peers);
    }
    by_ports.retain(|_, peers| !peers.is_empty());
    let rules = by_ports.into_iter().map(|(ports, peers)| RuleText {
        comments: Vec::new(),
        peers,
        ports: ports.clone(),
    });
    rules.collect()
}

/// Every address.
pub(super) fn everyone() -> [Block; 2] {
    [Block::whole(ANY_V4), Block::whole(ANY_V6)]
}

/// Addresses as a peer.
pub(super) fn block_peer(block: &Block) -> PeerText<'static> {
    PeerText::Block(block.net, block.except.clone())
}

/// The addresses of a unit.
pub(super) fn addresses(world: &World, unit: &Unit) -> BTreeSet<IpAddr> {
    let members = unit.members.iter();
    members
        .flat_map(|id| world[*id].ips.iter().copied())
        .collect()
}
