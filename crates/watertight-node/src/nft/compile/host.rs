//! A node's own connections: policies about nodes, and what passes between a node and its own pods.

use watertight_core::engine::{
    AllowLocalhost, EndpointToHost, EnforcementSwitch, Icmp, NodeLocal, PodTunnels,
};
use watertight_core::eval::Family;
use watertight_core::manifest::Direction;
use watertight_core::policy::{Origin, PolicyRef, Stage};
use watertight_core::sets::Protocol;
use watertight_core::world::{EndpointId, NodeId};

use super::addresses::owned;
use super::policies::{Maker, go};
use super::ports::protocol_is;
use super::sets::{addresses, digit, number};
use super::{Blame, Left, Unsaid, accept, neighbours, own, states};
use crate::nft::table::{Bytes, Chain, ChainType, Field, Hook, Match, Rule, Statement, Verdict};

const INPUT: u32 = 1;
const OUTPUT: u32 = 3;

/// Where VXLAN goes (C-73).
const VXLAN: u16 = 4789;

/// Chains on the way into and out of the node itself, as far as anything is asked there.
pub(super) fn guard(maker: &mut Maker<'_, '_>, node: NodeId, local: &[EndpointId]) {
    from_pods(maker);
    to_pods(maker, local);
    of_node(maker, node);
    of_host_pods(maker, node);
}

fn base(maker: &mut Maker<'_, '_>, name: &str, number: u32, priority: i32, rules: Vec<Rule>) {
    let hook = Hook {
        kind: ChainType::Filter,
        number,
        priority,
    };
    maker.table.chains.insert(
        name.into(),
        Chain {
            hook: Some(hook),
            rules,
        },
    );
}

/// Whether the address in a field is a known pod's of this node.
fn is_pod(field_of: Direction, family: Family) -> Match {
    Match::In {
        fields: vec![own(field_of, family)],
        set: format!("pods{}", digit(family)).into(),
        not: false,
    }
}

/// A drop that no policy asks for.
fn blocked(maker: &mut Maker<'_, '_>, id: &'static str, what: &str) -> Box<str> {
    let name: Box<str> = format!("blocked-{what}").into();
    let rules = maker.drop(Direction::Egress, &name, Blame::Engine(id));
    maker
        .table
        .chains
        .insert(name.clone(), Chain { hook: None, rules });
    name
}

/// From pods to their own node (K-73, C-72).
fn from_pods(maker: &mut Maker<'_, '_>) {
    let switches = maker.eval.switches;
    if switches.node_local == NodeLocal::ExemptBoth {
        return;
    }
    let mut rules = vec![neighbours()];
    if switches.endpoint_to_host == EndpointToHost::Drop {
        rules.extend(states());
        let chain = blocked(maker, "C-72", "node");
        rules.extend(maker.sets.families.iter().map(|family| Rule {
            matches: vec![is_pod(Direction::Egress, *family)],
            ..go(Verdict::Goto(chain.clone()))
        }));
    }
    rules.push(go(Verdict::Goto("egress".into())));
    base(maker, "egress-input", INPUT, -10, rules);
}

/// From a node to its own pods, as far as it is judged (K-73, L-72).
fn to_pods(maker: &mut Maker<'_, '_>, local: &[EndpointId]) {
    let switches = maker.eval.switches;
    let is_closed = |id: &EndpointId| {
        let by_objects = || {
            let mut policies = maker.eval.policies_of(*id, Direction::Ingress).iter();
            policies.any(|at| !matches!(maker.eval.ruleset[*at].origin, Origin::Engine(..)))
        };
        match (switches.allow_localhost, switches.enforcement) {
            (AllowLocalhost::Policy, _) => true,
            (AllowLocalhost::Auto, EnforcementSwitch::Always) => !by_objects(),
            (AllowLocalhost::Auto, _) => false,
        }
    };
    let closed: Vec<EndpointId> = match switches.node_local {
        NodeLocal::None => local.to_vec(),
        NodeLocal::ExemptBoth | NodeLocal::ExemptIngress => {
            local.iter().copied().filter(is_closed).collect()
        }
    };
    if closed.is_empty() && switches.node_local != NodeLocal::None {
        return;
    }
    let world = maker.eval.world;
    let mut rules = vec![neighbours()];
    for family in maker.sets.families.clone() {
        if closed.len() == local.len() {
            continue;
        }
        let ips = closed.iter().flat_map(|id| owned(world, *id).copied());
        let set: Box<str> = format!("closed{}", digit(family)).into();
        let of_family = ips.filter(|ip| Family::of(*ip) == family);
        maker
            .table
            .sets
            .insert(set.clone(), addresses(family, of_family));
        let fields = vec![own(Direction::Ingress, family)];
        rules.push(accept(vec![Match::In {
            fields,
            set,
            not: true,
        }]));
    }
    rules.push(go(Verdict::Goto("ingress".into())));
    base(maker, "ingress-output", OUTPUT, -9, rules);
}

/// Policies about the node (C-63, L-74).
fn of_node(maker: &mut Maker<'_, '_>, node: NodeId) {
    let world = maker.eval.world;
    let switches = maker.eval.switches;
    for direction in Direction::BOTH {
        let list: &[PolicyRef] = maker.eval.policies_of_node(node, direction);
        if list.is_empty() {
            continue;
        }
        let routed = list
            .iter()
            .filter(|at| maker.eval.ruleset[**at].stage != Stage::Own);
        let routed = routed.map(|at| Left {
            policy: *at,
            rule: None,
            why: Unsaid::Routed,
        });
        maker.left.extend(routed);
        let mut rules = vec![neighbours()];
        // Between addresses of the node itself nothing leaves it.
        let other = match direction {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        };
        for ip in &world[node].ips {
            let field = own(other, Family::of(*ip));
            rules.push(accept(vec![Match::Is(field, Bytes::EMPTY.ip(*ip))]));
        }
        rules.extend(states());
        let is_exempt = match direction {
            Direction::Ingress => {
                switches.node_local == NodeLocal::ExemptBoth
                    || switches.endpoint_to_host == EndpointToHost::Accept
            }
            Direction::Egress => switches.node_local != NodeLocal::None,
        };
        for family in maker.sets.families.clone() {
            if !is_exempt {
                break;
            }
            let mut matches = vec![is_pod(other, family)];
            let closed: Box<str> = format!("closed{}", digit(family)).into();
            if direction == Direction::Egress && maker.table.chains.contains_key("ingress-output") {
                match maker.table.sets.contains_key(&closed) {
                    true => matches.push(Match::In {
                        fields: vec![own(Direction::Ingress, family)],
                        set: closed,
                        not: true,
                    }),
                    // All pods are closed to the node.
                    false => break,
                }
            }
            rules.push(accept(matches));
        }
        if switches.icmp == Icmp::Exempt {
            rules.extend(
                Family::BOTH
                    .map(|family| accept(vec![protocol_is(number(Protocol::Icmp, family))])),
            );
        }
        let class = maker.class(direction, list);
        rules.push(go(Verdict::Goto(class)));
        match direction {
            Direction::Ingress => base(maker, "node-input", INPUT, -9, rules),
            Direction::Egress => base(maker, "node-output", OUTPUT, -10, rules),
        }
    }
}

/// Host-network pods that a language tells apart by labels share an address: nothing can be done for them.
fn of_host_pods(maker: &mut Maker<'_, '_>, node: NodeId) {
    let world = maker.eval.world;
    let on_host = world.endpoint_ids().filter(|id| {
        let endpoint = &world[*id];
        endpoint.node == Some(node)
            && endpoint.host_network.is_some()
            && maker.eval.can_be_subject(*id)
    });
    for id in on_host {
        for direction in Direction::BOTH {
            let policies = maker.eval.policies_of(id, direction).iter();
            let left = policies.map(|at| Left {
                policy: *at,
                rule: None,
                why: Unsaid::HostPods,
            });
            maker.left.extend(left);
        }
    }
}

/// Tunnels that pods may not open (C-73).
pub(super) fn tunnels(maker: &mut Maker<'_, '_>) -> Vec<Rule> {
    if maker.eval.switches.pod_tunnels != PodTunnels::Drop {
        return Vec::new();
    }
    let chain = blocked(maker, "C-73", "vxlan");
    let families = maker.sets.families.iter();
    let rules = families.map(|family| Rule {
        matches: vec![
            is_pod(Direction::Egress, *family),
            protocol_is(number(Protocol::Udp, *family)),
            Match::Is(Field::DestinationPort, Bytes::EMPTY.port(VXLAN)),
        ],
        statements: vec![Statement::Verdict(Verdict::Goto(chain.clone()))],
        comment: Box::default(),
    });
    rules.collect()
}
