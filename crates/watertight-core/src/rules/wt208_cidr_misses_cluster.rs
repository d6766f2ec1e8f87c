//! A block of a Cilium policy that covers pods or nodes, which no block matches.
//!
//! ## What it finds
//! Blocks of CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (`fromCIDR`, `toCIDR`, their
//! sets and groups, allowed or denied) in which a pod or a node of the input has its address, where
//! the connection that the block seems to decide comes out the other way. Blocks of a whole family
//! are left alone: they are written for the world outside. The same in NetworkPolicies is WT602.
//!
//! A denial that denies nobody is an error, an allow that admits nobody a warning. It is a note
//! where the block is larger than the ranges of pods and nodes and so may be meant for machines
//! beside the cluster as well.
//!
//! ## Why it matters
//! Cilium looks at the labels of pods, and at addresses only where nobody in the cluster has them.
//! A `toCIDR` of the pod range allows nothing, and an `egressDeny` with it denies nothing.
//!
//! ## Example
//! ```yaml
//! apiVersion: cilium.io/v2
//! kind: CiliumNetworkPolicy
//! metadata: {name: to-db, namespace: shop}
//! spec:
//!   endpointSelector: {}
//!   egress:
//!   - toCIDR: [10.244.3.7/32]   # a pod: never matched
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: cilium.io/v2
//! kind: CiliumNetworkPolicy
//! metadata: {name: to-db, namespace: shop}
//! spec:
//!   endpointSelector: {}
//!   egress:
//!   - toEndpoints: [{matchLabels: {app: db}}]
//! ```
//!
//! ## Semantics
//! - L-44: blocks never match pods
//! - L-45: nor do they match nodes
//! - L-47: unless `policy-cidr-match-mode: nodes` is set, which is about nodes alone

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::isolation::enforced;
use super::selection::sample;
use super::{Check, Context, Rule, some_of, witness};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::eval::{Connection, Decision, Family, Party};
use crate::manifest::{Dialect, Direction};
use crate::policy::{Action, Covers, Origin, Peer, PolicyRef, RuleRef};
use crate::sets::IpBlock;
use crate::source::Span;
use crate::world::{NodeId, ObjectId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT208",
    name: "cidr-misses-cluster",
    severity: Severity::Warning,
    summary: "a block covers pods or nodes that it never matches",
    source: include_str!("wt208_cidr_misses_cluster.rs"),
    check: Check::World(check),
};

/// Pods of a policy, and residents of a block, that are tried.
const SUBJECTS: usize = 3;
const RESIDENTS: usize = 4;

/// Blocks that a finding points at.
const PLACES: usize = 3;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) || !context.has_other_languages {
        return;
    }
    let nodes = nodes(context);
    let mut missed: BTreeMap<(ObjectId, bool), Vec<Missed>> = BTreeMap::new();
    for direction in Direction::BOTH {
        let tiers = context.eval.ruleset.tiers(direction).iter().enumerate();
        for (tier, found) in tiers {
            for (policy, found) in found.policies.iter().enumerate() {
                let Origin::Object(id) = found.origin else {
                    continue;
                };
                if context.world[id].kind.dialect != Dialect::Cilium {
                    continue;
                }
                let at = PolicyRef {
                    direction,
                    tier,
                    policy,
                };
                for (at, rule) in witness::rules_of(context, at) {
                    let denies = rule.action == Action::Deny;
                    for found in blocks(&rule.peers) {
                        let judged = judge(context, &nodes, at, found);
                        missed.entry((id, denies)).or_default().extend(judged);
                    }
                }
            }
        }
    }
    for ((id, denies), missed) in missed {
        findings.extend(report(context, id, denies, missed));
    }
}

/// The blocks of a rule that are not for a whole family.
fn blocks(peers: &[Peer]) -> Vec<(&IpBlock, Covers)> {
    let mut found = Vec::new();
    for peer in peers {
        peer.leaves(&mut |leaf| {
            if let Peer::Block(block, covers) = leaf
                && !block.is_whole_family()
            {
                found.push((block, *covers));
            }
        });
    }
    found
}

/// A block and somebody in it whom it does not match.
struct Missed {
    block: String,
    span: Span,
    node: bool,
    /// Whether the block holds nothing but addresses of the cluster.
    within: bool,
    evidence: Evidence,
}

/// Nodes by their addresses.
type Nodes = BTreeMap<IpAddr, NodeId>;

fn nodes(context: &Context<'_>) -> Nodes {
    let nodes = context.world.node_ids().flat_map(|id| {
        let ips = context.world[id].ips.iter();
        ips.map(move |ip| (*ip, id))
    });
    nodes.collect()
}

fn nodes_in<'n>(nodes: &'n Nodes, block: &'n IpBlock) -> impl Iterator<Item = NodeId> + use<'n> {
    let net = block.cidr.net;
    let range = nodes.range(net.network()..=net.broadcast());
    let inside = range.filter(|(ip, _)| block.contains(**ip));
    inside.map(|(_, id)| *id)
}

fn judge(
    context: &Context<'_>,
    nodes: &Nodes,
    at: RuleRef,
    (block, covers): (&IpBlock, Covers),
) -> Vec<Missed> {
    let pods = context.pods_in(block).map(Party::Endpoint);
    let pods: Vec<Party> = pods.take(RESIDENTS).collect();
    let nodes = nodes_in(nodes, block).map(Party::Node);
    let nodes: Vec<Party> = nodes.take(RESIDENTS).collect();
    let mut found = Vec::new();
    for (node, hidden, inside) in [(false, !covers.pods, pods), (true, !covers.nodes, nodes)] {
        let mut inside = inside.into_iter().filter(|_| hidden);
        let evidence = inside.find_map(|party| prove(context, at, block, party));
        found.extend(evidence.map(|evidence| Missed {
            block: block.cidr.net.to_string(),
            span: block.cidr.span,
            node,
            within: is_within(context, block),
            evidence,
        }));
    }
    found
}

/// Whether a block holds addresses of the cluster alone.
fn is_within(context: &Context<'_>, block: &IpBlock) -> bool {
    let net: IpNet = block.cidr.net;
    let mut ranges = context.world.assumed.pod_cidrs.iter();
    net.prefix_len() == net.max_prefix_len() || ranges.any(|range| range.contains(&net))
}

/// A connection with somebody in the block that comes out as if the rule were not there.
fn prove(context: &Context<'_>, at: RuleRef, block: &IpBlock, party: Party) -> Option<Evidence> {
    let rule = &context.eval.ruleset[at];
    let direction = at.policy.direction;
    let subjects = context.eval.subjects_of(at.policy).iter().copied();
    let own = subjects.filter(|id| !context.world[*id].assumed && party != Party::Endpoint(*id));
    own.take(SUBJECTS).find_map(|own| {
        let destination = sample::destination(direction, own, party);
        let port = sample::port(context.world, &rule.traffic, destination);
        let connection = Connection {
            family: Some(Family::of(block.cidr.net.addr())),
            ..sample::connection(direction, own, party, port)
        };
        let verdict = context.eval.verdict(&connection);
        let side = witness::side(direction, &verdict);
        let in_vain = match rule.action {
            Action::Deny => verdict.allowed,
            _ => matches!(side, Decision::NoRule { .. }),
        };
        in_vain.then(|| context.word(&connection, &verdict))
    })
}

fn report(
    context: &Context<'_>,
    id: ObjectId,
    denies: bool,
    missed: Vec<Missed>,
) -> Option<Finding> {
    let mut blocks: Vec<String> = Vec::new();
    for miss in &missed {
        let name = format!("`{}`", miss.block);
        if !blocks.contains(&name) {
            blocks.push(name);
        }
    }
    let origin = Origin::Object(id);
    let verb = match (denies, blocks.len()) {
        (true, 1) => "denies",
        (true, _) => "deny",
        (false, 1) => "admits",
        (false, _) => "admit",
    };
    let whom = match (
        missed.iter().any(|miss| !miss.node),
        missed.iter().any(|miss| miss.node),
    ) {
        (true, true) => "none of the pods and nodes in it",
        (false, true) => "none of the nodes in it",
        _ => "none of the pods in it",
    };
    let message = format!(
        "{} of {} {} {verb} {whom}: blocks are for addresses outside of the cluster",
        some_of(&blocks),
        origin.kind(context.world),
        origin.name(context.world),
    );
    let severity = match (missed.iter().any(|miss| miss.within), denies) {
        (false, _) => Severity::Note,
        (true, true) => Severity::Error,
        (true, false) => Severity::Warning,
    };
    let mut finding = Finding::new(&RULE, message)
        .severity(severity)
        .subject(context.origin_subject(origin));
    if missed.iter().any(|miss| !miss.node) {
        finding = finding.why(&["L-44"]);
    }
    if missed.iter().any(|miss| miss.node) {
        finding = finding.why(&["L-45", "L-47"]);
    }
    let mut spans: Vec<Span> = Vec::new();
    for miss in &missed {
        if spans.len() < PLACES && !spans.contains(&miss.span) {
            spans.push(miss.span);
        }
    }
    for span in spans {
        finding = finding.at(span, "addresses of the cluster");
    }
    let nodes = missed.iter().any(|miss| miss.node);
    finding
        .evidence
        .extend(missed.into_iter().map(|miss| miss.evidence).take(2));
    let message = if nodes {
        "select pods by their labels, and nodes by entities (host, remote-node, kube-apiserver)"
    } else {
        "select the pods by their labels"
    };
    (!blocks.is_empty()).then(|| finding.fix(Fix::advice(message)))
}

#[cfg(test)]
mod tests;
