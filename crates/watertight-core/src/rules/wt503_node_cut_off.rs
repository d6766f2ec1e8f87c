//! Policies about nodes cut a node off from the control plane.
//!
//! ## What it finds
//! Nodes that policies about nodes select (HostEndpoint of Calico, `nodeSelector` of a
//! CiliumClusterwideNetworkPolicy) and whose kubelet, port 10250, the API server can no longer
//! reach, or that can no longer reach the API server. There is one finding for each policy and
//! direction. Where the input does not say where the API server is, the other nodes stand for it.
//!
//! ## Why it matters
//! Without port 10250 there are no logs, no `kubectl exec`, no metrics of the node. Without the API
//! server the kubelet reports nothing: the node turns NotReady and its pods are moved. The policies
//! that would repair it may not reach the node either.
//!
//! Calico keeps some ports open whatever the policies say (the failsafe ports); 10250 is not among
//! them, 6443 is.
//!
//! ## Example
//! ```yaml
//! apiVersion: cilium.io/v2
//! kind: CiliumClusterwideNetworkPolicy
//! metadata: {name: host-firewall}
//! spec:
//!   nodeSelector: {}
//!   ingress:
//!   - fromEntities: [cluster]
//!     toPorts: [{ports: [{port: "22", protocol: TCP}]}]
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: cilium.io/v2
//! kind: CiliumClusterwideNetworkPolicy
//! metadata: {name: host-firewall}
//! spec:
//!   nodeSelector: {}
//!   ingress:
//!   - fromEntities: [cluster]
//!     toPorts: [{ports: [{port: "22", protocol: TCP}, {port: "10250", protocol: TCP}]}]
//! ```
//!
//! ## Semantics
//! - C-63: a HostEndpoint drops what no policy and no profile allows
//! - C-64: the failsafe ports stay open
//! - L-74: a policy with `nodeSelector` isolates the nodes that it selects

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::isolation::enforced;
use super::{Check, Context, Rule, some_of, witness};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::eval::{Connection, Decision, Party, Reason, Verdict};
use crate::manifest::policy::calico::CalicoObject;
use crate::manifest::{Dialect, Direction, PolicyObject};
use crate::policy::{Origin, PolicyRef};
use crate::sets::Protocol;
use crate::source::Span;
use crate::world::{NodeId, ObjectId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT503",
    name: "node-cut-off",
    severity: Severity::Error,
    summary: "policies about nodes cut a node off from the control plane",
    source: include_str!("wt503_node_cut_off.rs"),
    check: Check::World(check),
};

/// The port of the kubelet, and the usual one of the API server.
const KUBELET: u16 = 10250;
const API_SERVER: u16 = 6443;

/// Others that are tried for a node.
const OTHERS: usize = 8;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) || !context.has_other_languages {
        return;
    }
    let servers = api_servers(context);
    for direction in Direction::BOTH {
        let mut cut: BTreeMap<PolicyRef, Vec<(NodeId, Evidence, Option<Span>)>> = BTreeMap::new();
        for node in context.world.node_ids() {
            if context.eval.policies_of_node(node, direction).is_empty() {
                continue;
            }
            if let Some((by, evidence)) = cut_off(context, direction, node, &servers) {
                let span = evidence.by;
                cut.entry(by).or_default().push((node, evidence, span));
            }
        }
        for (by, nodes) in cut {
            findings.push(report(context, direction, by, nodes, servers.is_empty()));
        }
    }
}

/// Where the API server listens.
fn api_servers(context: &Context<'_>) -> Vec<(IpAddr, u16)> {
    let world = context.world;
    let service = world.service("default", "kubernetes").map(|id| &world[id]);
    let listed = service.into_iter().flat_map(|service| &service.addresses);
    let mut found: Vec<(IpAddr, u16)> = listed.map(|address| (address.ip, address.port)).collect();
    if found.is_empty() {
        let ips = world.api_servers();
        found.extend(ips.into_iter().map(|ip| (ip, API_SERVER)));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The policy that keeps every API server, or every other node, from a node; with one connection.
fn cut_off(
    context: &Context<'_>,
    direction: Direction,
    node: NodeId,
    servers: &[(IpAddr, u16)],
) -> Option<(PolicyRef, Evidence)> {
    let own = Party::Node(node);
    let is_own = |party: Party| party.resolve(context.world) == own;
    let known = servers
        .iter()
        .map(|(ip, port)| (Party::Address(*ip), *port));
    let others = context
        .world
        .node_ids()
        .map(|id| (Party::Node(id), API_SERVER));
    let others: Vec<_> = if servers.is_empty() {
        // Whether a node asks another is not known: only what comes to it is judged.
        others.filter(|_| direction == Direction::Ingress).collect()
    } else {
        known.collect()
    };
    let mut first = None;
    for (other, port) in others
        .into_iter()
        .filter(|(other, _)| !is_own(*other))
        .take(OTHERS)
    {
        let connection = match direction {
            Direction::Ingress => Connection::new(other, own, Protocol::Tcp, KUBELET),
            Direction::Egress => Connection::new(own, other, Protocol::Tcp, port),
        };
        let verdict = context.eval.verdict(&connection);
        if matches!(verdict.reason, Reason::Impossible(..)) {
            continue;
        }
        let by = refused_by(direction, &verdict)?;
        first = first.or_else(|| Some((by, context.word(&connection, &verdict))));
    }
    first
}

fn refused_by(direction: Direction, verdict: &Verdict) -> Option<PolicyRef> {
    if verdict.reason != Reason::Policies || verdict.uncertain.is_some() {
        return None;
    }
    match witness::side(direction, verdict) {
        Decision::Rule {
            rule,
            allowed: false,
        } => Some(rule.policy),
        Decision::NoRule { isolated_by } => Some(isolated_by),
        _ => None,
    }
}

fn report(
    context: &Context<'_>,
    direction: Direction,
    by: PolicyRef,
    nodes: Vec<(NodeId, Evidence, Option<Span>)>,
    by_nodes: bool,
) -> Finding {
    let names = nodes
        .iter()
        .map(|(node, ..)| format!("`{}`", context.world[*node].name));
    let names: Vec<String> = names.collect();
    let who = match names.as_slice() {
        [one] => format!("node {one}"),
        more => format!("nodes {}", some_of(more)),
    };
    let whom = if by_nodes {
        "other nodes"
    } else {
        "the API server"
    };
    let message = match direction {
        Direction::Ingress => {
            format!("{whom} can no longer reach the kubelet of {who} (port {KUBELET})")
        }
        Direction::Egress => format!("{who} can no longer reach the API server"),
    };
    let mut finding = Finding::new(&RULE, message).why(why(context, by));
    if let Some((node, evidence, place)) = nodes.into_iter().next() {
        let (object, text) = match context.origin(by) {
            // Nothing but the host endpoint itself closes the node.
            Origin::Engine(..) => (host_endpoint(context, node), "guards the node"),
            Origin::Object(id) => (Some(id), "selects the node"),
            Origin::Kubernetes(_) => (None, ""),
        };
        let span = object.map(|id| context.world[id].name_span);
        if let Some(span) = place.or(span) {
            finding = finding.at(span, text);
        }
        if let Some(id) = object {
            finding = finding.subject(context.origin_subject(Origin::Object(id)));
        }
        finding.evidence.push(evidence);
    }
    let message = match direction {
        Direction::Ingress => {
            "allow TCP 10250 from the API server and from the nodes, before the nodes are selected"
        }
        Direction::Egress => "allow the API server's addresses and port from the nodes",
    };
    finding.fix(Fix::advice(message))
}

/// The host endpoint of a node.
fn host_endpoint(context: &Context<'_>, node: NodeId) -> Option<ObjectId> {
    let world = context.world;
    world.object_ids().find(|id| {
        matches!(&world[*id].object, PolicyObject::Calico(CalicoObject::HostEndpoint(host))
            if host.node == world[node].name)
    })
}

fn why(context: &Context<'_>, at: PolicyRef) -> &'static [&'static str] {
    match context.origin(at) {
        Origin::Object(id) if context.world[id].kind.dialect == Dialect::Cilium => &["L-74"],
        _ => &["C-63", "C-64"],
    }
}

#[cfg(test)]
mod tests;
