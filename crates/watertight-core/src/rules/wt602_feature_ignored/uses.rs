//! Where policies use a feature: which line of which policy.

use crate::engine::Feature;
use crate::manifest::{Direction, PeerKind, PolicyPeer, PolicyPort, PolicyRule, PortRef};
use crate::rules::Context;
use crate::sets::{IpBlock, Protocol};
use crate::source::Span;
use crate::world::PolicyId;

/// The part of a rule that uses a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The port item at this position.
    Port(usize),
    /// The peer at this position.
    Peer(usize),
}

/// A line that uses a feature.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub policy: PolicyId,
    pub direction: Direction,
    /// The position of the rule in its section.
    pub rule: usize,
    pub part: Part,
    /// What is used, for messages.
    pub what: String,
    pub span: Span,
}

impl Use {
    /// The rule as written.
    pub(super) fn rule<'c>(&self, context: &Context<'c>) -> Option<&'c PolicyRule> {
        let section = context.world[self.policy].spec.section(self.direction);
        section.rules.get(self.rule)
    }

    /// The block that the line names, if it names one.
    pub(super) fn block<'c>(&self, context: &Context<'c>) -> Option<&'c IpBlock> {
        match self.part {
            Part::Peer(at) => block(self.rule(context)?.peers.get(at)?),
            Part::Port(_) => None,
        }
    }

    /// The port item that the line is, if it is one.
    pub(super) fn port<'c>(&self, context: &Context<'c>) -> Option<&'c PolicyPort> {
        match self.part {
            Part::Port(at) => self.rule(context)?.ports.get(at),
            Part::Peer(_) => None,
        }
    }
}

/// All lines of all policies that use a feature, by policy.
pub(super) fn uses(context: &Context<'_>, feature: Feature) -> Vec<Use> {
    let mut found = Vec::new();
    for policy in context.world.policy_ids() {
        for direction in Direction::BOTH {
            if context.policy_ref(policy, direction).is_none() {
                continue;
            }
            let rules = &context.world[policy].spec.section(direction).rules;
            for (rule, written) in rules.iter().enumerate() {
                let ports = written.ports.iter().enumerate().filter_map(|(at, port)| {
                    Some((Part::Port(at), port_use(port, feature)?, port.span))
                });
                let peers = written.peers.iter().enumerate().filter_map(|(at, peer)| {
                    let (what, span) = peer_use(peer, feature)?;
                    Some((Part::Peer(at), what, span))
                });
                found.extend(ports.chain(peers).map(|(part, what, span)| Use {
                    policy,
                    direction,
                    rule,
                    part,
                    what,
                    span,
                }));
            }
        }
    }
    found
}

fn port_use(port: &PolicyPort, feature: Feature) -> Option<String> {
    match (feature, &port.port) {
        (Feature::EndPort, Some(PortRef::Number(first))) => {
            let last = port.end_port.filter(|last| last > first)?;
            Some(format!("{first}-{last}"))
        }
        (Feature::NamedPort, Some(PortRef::Name(name))) => Some(format!("`{name}`")),
        (Feature::Sctp, number) if port.protocol == Protocol::Sctp => Some(match number {
            None => "every SCTP port".to_owned(),
            Some(PortRef::Number(first)) => format!("SCTP port {first}"),
            Some(PortRef::Name(name)) => format!("SCTP port `{name}`"),
        }),
        _ => None,
    }
}

fn peer_use(peer: &PolicyPeer, feature: Feature) -> Option<(String, Span)> {
    let block = block(peer)?;
    let whole = || Some((block.cidr.net.to_string(), block.cidr.span));
    match feature {
        Feature::IpBlock => whole(),
        Feature::Ipv6 if !block.is_v4() => whole(),
        Feature::Except => {
            let first = block.except.first()?;
            let nets: Vec<_> = block
                .except
                .iter()
                .map(|except| except.net.to_string())
                .collect();
            Some((nets.join(", "), first.span))
        }
        _ => None,
    }
}

fn block(peer: &PolicyPeer) -> Option<&IpBlock> {
    match &peer.kind {
        PeerKind::IpBlock(block) => Some(block),
        PeerKind::Selectors { .. } => None,
    }
}
