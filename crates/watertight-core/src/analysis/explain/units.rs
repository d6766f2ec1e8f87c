//! The parties of one end, in units that no policy of the other end can tell apart.
//!
//! INVARIANT: two endpoints of one unit have the same namespace, labels, container ports, place
//! (host network or not) and state, and lie in the same ipBlocks of the other end, so that a verdict
//! about one holds for all; only the node and being the same pod are looked at pair by pair.

use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::Explainer;
use super::addresses::{Range, outside};
use crate::analysis::parties::{Selection, What};
use crate::eval::{Evaluator, Party};
use crate::manifest::Direction;
use crate::policy::{Peer, PolicyRef, Stage, Subject};
use crate::sets::{Expression, IpBlock};
use crate::world::{EndpointId, Lifecycle, NameId, NamespaceId, NodeId, Port, Symbol, World};

/// Parties that are judged as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Pods that are alike; never none.
    Endpoints(Vec<EndpointId>),
    /// A process on a node.
    Node(NodeId),
    /// Addresses, in order; those that belong to a pod or a node are left out unless there is one
    /// address only.
    Addresses(Vec<Range>),
    /// Whoever a DNS name stands for.
    Name(NameId),
}

impl Unit {
    /// Who stands for all; none for addresses, which policies may tell apart.
    pub(super) fn example(&self) -> Option<Party> {
        match self {
            Self::Endpoints(endpoints) => endpoints.first().copied().map(Party::Endpoint),
            Self::Node(node) => Some(Party::Node(*node)),
            Self::Name(name) => Some(Party::Name(*name)),
            Self::Addresses(_) => None,
        }
    }

    /// The address, if it is exactly one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Addresses(ranges) => match ranges.as_slice() {
                [one] if one.extent() == 0 => Some(one.start()),
                _ => None,
            },
            Self::Endpoints(_) | Self::Node(_) | Self::Name(_) => None,
        }
    }
}

/// What policies can see of a pod, addresses aside.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Look<'w> {
    namespace: NamespaceId,
    labels: &'w [(Symbol, Symbol)],
    ports: &'w [Port],
    on_host: bool,
    has_address: bool,
    account: Option<&'w str>,
    /// Where policies can tell nodes apart.
    node: Option<NodeId>,
    is_template: bool,
    is_active: bool,
}

fn look(world: &World, id: EndpointId, nodes: bool) -> Look<'_> {
    let endpoint = &world[id];
    Look {
        account: endpoint.service_account.as_deref(),
        node: endpoint.node.filter(|_| nodes),
        namespace: endpoint.namespace,
        labels: &endpoint.labels,
        ports: &endpoint.ports,
        on_host: endpoint.host_network.is_some(),
        has_address: !endpoint.ips.is_empty(),
        is_template: endpoint.template,
        is_active: endpoint.lifecycle == Lifecycle::Active,
    }
}

/// Pods by what policies see of them, in reading order.
fn alike(explainer: &Explainer<'_>, endpoints: &[EndpointId]) -> Vec<Vec<EndpointId>> {
    let world = explainer.eval().world;
    let nodes = explainer.asks().nodes;
    let mut index: FxHashMap<Look<'_>, usize> = FxHashMap::default();
    let mut groups: Vec<Vec<EndpointId>> = Vec::new();
    for id in endpoints {
        let at = *index.entry(look(world, *id, nodes)).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(*id),
            None => groups.push(vec![*id]),
        }
    }
    groups
}

/// What other languages than NetworkPolicy ask for, found once.
#[derive(Clone, Debug, Default)]
pub(super) struct Asks {
    /// Whether policies are about single nodes, as subjects or as peers.
    nodes: bool,
    /// Whether policies about nodes are asked about what is routed through them (C-67).
    pub(super) stages: bool,
    /// Networks that the addresses of subjects have to lie in.
    own_nets: Vec<IpNet>,
}

impl Asks {
    pub(super) fn of(eval: &Evaluator<'_>) -> Self {
        let mut asks = Self::default();
        if eval.world.objects.is_empty() {
            return asks;
        }
        let tiers = eval.ruleset.ingress.iter().chain(&eval.ruleset.egress);
        for policy in tiers.flat_map(|tier| &tier.policies) {
            asks.stages |= policy.stage != Stage::Own;
            asks.nodes |= matches!(policy.subject, Subject::Nodes(_));
            for peer in policy.rules.iter().flat_map(|rule| &rule.peers) {
                peer.leaves(&mut |leaf| {
                    asks.nodes |= matches!(
                        leaf,
                        Peer::Nodes(..) | Peer::AnyNode(_) | Peer::OwnNode(_) | Peer::OtherNodes(_)
                    );
                });
            }
            let selector = policy.subject.endpoints();
            if let Some(also) = selector.and_then(|selector| selector.also.as_deref()) {
                also.leaves(&mut |leaf| {
                    if let Expression::Address(nets) = leaf {
                        asks.own_nets.extend(nets);
                    }
                });
            }
        }
        asks.own_nets.sort_unstable();
        asks.own_nets.dedup();
        asks
    }
}

/// The blocks of the policies about a party, for one direction.
pub(super) fn blocks_of<'e>(
    explainer: &Explainer<'e>,
    party: Party,
    direction: Direction,
) -> Vec<&'e IpBlock> {
    blocks(explainer, explainer.policies_about(party, direction))
}

fn blocks<'e>(explainer: &Explainer<'e>, mut policies: Vec<PolicyRef>) -> Vec<&'e IpBlock> {
    let eval = explainer.eval();
    policies.sort_unstable();
    policies.dedup();
    let rules = policies
        .into_iter()
        .flat_map(|policy| &eval.ruleset[policy].rules);
    let mut found = Vec::new();
    for peer in rules.flat_map(|rule| &rule.peers) {
        peer.leaves(&mut |leaf: &'e Peer| {
            if let Peer::Block(block, _) = leaf {
                found.push(block);
            }
        });
    }
    found
}

/// Splits pods by the blocks that their addresses lie in.
fn by_blocks(
    world: &World,
    group: Vec<EndpointId>,
    blocks: &[&IpBlock],
    nets: &[IpNet],
) -> Vec<Vec<EndpointId>> {
    if (blocks.is_empty() && nets.is_empty()) || group.len() < 2 {
        return vec![group];
    }
    let mut index: FxHashMap<Vec<Vec<bool>>, usize> = FxHashMap::default();
    let mut groups: Vec<Vec<EndpointId>> = Vec::new();
    for id in group {
        let inside = |ip: &IpAddr| {
            let blocks = blocks.iter().map(|block| block.contains(*ip));
            blocks
                .chain(nets.iter().map(|net| net.contains(ip)))
                .collect()
        };
        let key: Vec<Vec<bool>> = world[id].ips.iter().map(inside).collect();
        let at = *index.entry(key).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(id),
            None => groups.push(vec![id]),
        }
    }
    groups
}

/// The units of pods, as the other end's policies can tell them apart.
pub(super) fn of_endpoints(
    explainer: &Explainer<'_>,
    endpoints: &[EndpointId],
    others: &[EndpointId],
    others_judge: Direction,
) -> Vec<Unit> {
    let world = explainer.eval().world;
    let groups = alike(explainer, endpoints);
    let several = groups.iter().any(|group| group.len() > 1);
    let nets = &explainer.asks().own_nets;
    let blocks = if several {
        // What selects one of a group of alike pods selects all of them.
        let examples = alike(explainer, others).into_iter();
        let examples = examples
            .flat_map(|group| by_blocks(world, group, &[], nets))
            .filter_map(|group| group.first().copied())
            .map(Party::Endpoint);
        // The other end may be on a node that policies are about.
        let nodes = world.node_ids().filter(|_| explainer.asks().nodes);
        let policies = examples
            .chain(nodes.map(Party::Node))
            .flat_map(|party| explainer.policies_about(party, others_judge));
        blocks(explainer, policies.collect())
    } else {
        Vec::new()
    };
    groups
        .into_iter()
        .flat_map(|group| by_blocks(world, group, &blocks, nets))
        .map(Unit::Endpoints)
        .collect()
}

/// The pods and nodes whose addresses lie in networks.
fn owners(world: &World, nets: &[IpNet]) -> (Vec<EndpointId>, Vec<NodeId>) {
    let inside = |ips: &[IpAddr]| ips.iter().any(|ip| nets.iter().any(|net| net.contains(ip)));
    let pods = world.endpoint_ids().filter(|id| {
        let endpoint = &world[*id];
        endpoint.host_network.is_none()
            && endpoint.lifecycle == Lifecycle::Active
            && inside(&endpoint.ips)
    });
    let nodes = world.node_ids().filter(|id| inside(&world[*id].ips));
    (pods.collect(), nodes.collect())
}

/// The pods behind a selection, for finding out which policies the other end meets.
pub(super) fn endpoints_of(world: &World, selection: &Selection) -> Vec<EndpointId> {
    match &selection.what {
        What::Endpoints(endpoints) => endpoints.clone(),
        What::Service(service) => {
            let addresses = world[*service].addresses.iter();
            let by_address = addresses.filter_map(|address| world.endpoint_at(address.ip));
            let mut found = world.selected_by(*service);
            found.extend(by_address);
            found
        }
        What::Addresses(nets) => owners(world, nets).0,
        What::World | What::Nodes(_) | What::Name(_) => Vec::new(),
    }
}

/// The units of a selection that is no Service.
pub(super) fn of_selection(
    explainer: &Explainer<'_>,
    selection: &Selection,
    others: &[EndpointId],
    others_judge: Direction,
) -> Vec<Unit> {
    let world = explainer.eval().world;
    match &selection.what {
        What::Endpoints(endpoints) => of_endpoints(explainer, endpoints, others, others_judge),
        What::Nodes(nodes) => nodes.iter().copied().map(Unit::Node).collect(),
        What::Name(name) => vec![Unit::Name(*name)],
        What::World => vec![Unit::Addresses(outside(world))],
        What::Addresses(nets) => {
            let ranges = nets.iter().copied().map(Range::from).collect();
            if selection.address().is_some() {
                return vec![Unit::Addresses(ranges)];
            }
            let (pods, nodes) = owners(world, nets);
            let mut units = vec![Unit::Addresses(ranges)];
            units.extend(of_endpoints(explainer, &pods, others, others_judge));
            units.extend(nodes.into_iter().map(Unit::Node));
            units
        }
        What::Service(_) => Vec::new(),
    }
}
