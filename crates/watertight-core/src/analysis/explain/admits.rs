//! Whom and what a rule that matches admits, in words.

use super::miss::{View, seen, short_name};
use crate::eval::{Connection, Evaluator, Family, Party};
use crate::manifest::Direction;
use crate::policy::{Peer, Rule, RuleRef};
use crate::sets::{PortMatch, Protocol};
use crate::world::EndpointId;

/// Whether a rule admits everybody: adding a port to it would open that port to all.
pub(super) fn is_for_anybody(rule: &Rule) -> bool {
    rule.peers.iter().any(|peer| match peer {
        Peer::Any => true,
        Peer::Block(block, _) => block.is_whole_family(),
        _ => false,
    })
}

/// Who and what a matching rule admits: `app=web of namespace shop, on 5432/tcp`.
#[must_use]
pub fn admits(
    eval: &Evaluator<'_>,
    direction: Direction,
    subject: Option<EndpointId>,
    connection: &Connection,
    rule: RuleRef,
) -> String {
    let seen = seen(eval, direction, connection);
    let view = View {
        eval,
        direction,
        subject,
        seen: &seen,
        service_port: None,
        service_ip: None,
        name: short_name(eval.world, seen.party),
    };
    let rule = &eval.ruleset[rule];
    let peer = match rule.peers.as_slice() {
        [one] => Some(one),
        peers => peers.iter().find(|peer| view.matches(peer)),
    };
    let port = rule.traffic.iter().find(|item| match item {
        PortMatch::Everything | PortMatch::Any => true,
        PortMatch::Range {
            protocol,
            first,
            last,
            ..
        } => *protocol == seen.protocol && seen.port.is_some_and(|p| (*first..=*last).contains(&p)),
        PortMatch::Named { protocol, .. } | PortMatch::Except { protocol, .. } => {
            *protocol == seen.protocol
        }
        PortMatch::Icmp { .. } => seen.protocol == Protocol::Icmp,
    });
    let who = peer.map_or_else(|| "this peer".to_owned(), |peer| view.tell(peer));
    match port {
        None | Some(PortMatch::Everything | PortMatch::Any) => format!("{who} on all ports"),
        Some(item) => format!("{who} on {item}"),
    }
}

impl View<'_> {
    fn matches(&self, peer: &Peer) -> bool {
        match (peer, self.other()) {
            (Peer::Any, _) => true,
            (Peer::Endpoints(selector, span), Some(id)) => {
                self.eval.can_be_subject(id)
                    && self.selector_faults(true, selector, *span, id).is_empty()
            }
            (Peer::Endpoints(..), None) => false,
            (Peer::Block(block, _), _) => {
                let world = self.eval.world;
                let given = match self.seen.party {
                    Party::Address(ip) => Some(ip),
                    party => party
                        .address(world, Family::V4)
                        .or_else(|| party.address(world, Family::V6)),
                };
                match given {
                    Some(ip) => block.contains(ip),
                    None => {
                        let ranges = &world.assumed.pod_cidrs;
                        self.on_host() || ranges.iter().any(|range| block.contains_all(*range))
                    }
                }
            }
            (Peer::AnyOf(parts), _) => parts.iter().any(|part| self.matches(part)),
            (Peer::All(parts), _) => parts.iter().all(|part| self.matches(part)),
            (Peer::Not(part), _) => !self.matches(part),
            (Peer::Domain(pattern, ..), _) => match self.seen.party {
                Party::Name(id) => pattern.matches(&self.eval.world[id].text),
                _ => true,
            },
            (Peer::Nodes(..) | Peer::AnyNode(_) | Peer::OwnNode(_) | Peer::OtherNodes(_), _) => {
                self.on_host()
            }
            (Peer::Outside(_), _) => !self.on_host() && self.other().is_none(),
        }
    }

    fn tell(&self, peer: &Peer) -> String {
        peer.words(self.eval.world)
    }
}
