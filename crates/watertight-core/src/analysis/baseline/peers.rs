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
pub(super) fn peers(
    world: &World,
    plan: &Plan,
    whom: &Whom,
    of: Option<NamespaceId>,
) -> Vec<PeerText> {
    match whom {
        Whom::Unit(id) => unit_peers(world, &plan.units[*id], of),
        Whom::AllPods => vec![PeerText::AllPods],
        Whom::Blocks(blocks) => blocks.iter().map(block_peer).collect(),
        Whom::Internet => plan.internet.blocks.iter().map(block_peer).collect(),
        Whom::Everyone => everyone().iter().map(block_peer).collect(),
    }
}

fn unit_peers(world: &World, unit: &Unit, of: Option<NamespaceId>) -> Vec<PeerText> {
    if !unit.host_network {
        let name = &world[unit.namespace].name;
        let namespace = (Some(unit.namespace) != of).then(|| name.to_string());
        let namespaces = namespace.into_iter().collect();
        return vec![PeerText::Pods(namespaces, unit.selector.clone())];
    }
    let blocks = addresses(world, unit).into_iter();
    blocks
        .map(|ip| PeerText::Block(ip.into(), Vec::new()))
        .collect()
}

/// The rules that let pods of a namespace ask the DNS of the cluster.
pub(super) fn dns_rules(world: &World, plan: &Plan, of: Option<NamespaceId>) -> Vec<RuleText> {
    let mut by_ports: BTreeMap<&BTreeSet<Ports>, Vec<PeerText>> = BTreeMap::new();
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

fn block_peer(block: &Block) -> PeerText {
    PeerText::Block(block.net, block.except.clone())
}

/// The addresses of a unit.
pub(super) fn addresses(world: &World, unit: &Unit) -> BTreeSet<IpAddr> {
    let members = unit.members.iter();
    members
        .flat_map(|id| world[*id].ips.iter().copied())
        .collect()
}
