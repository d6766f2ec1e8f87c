//! Whom and what a rule that matches admits, in words.

use super::miss::{View, seen, short_name};
use crate::eval::{Connection, Evaluator, Family, Party};
use crate::manifest::Direction;
use crate::policy::{NamespaceScope, Peer, Rule, RuleRef};
use crate::sets::PortMatch;
use crate::world::EndpointId;

/// Whether a rule admits everybody: adding a port to it would open that port to all.
pub(super) fn is_for_anybody(rule: &Rule) -> bool {
    rule.peers.iter().any(|peer| match peer {
        Peer::Any => true,
        Peer::Block(block) => block.is_whole_family(),
        Peer::Endpoints(..) => false,
    })
}

/// Who and what a matching rule admits: `app=web of namespace shop, on 5432/tcp`.
#[must_use]
pub fn admits(
    eval: &Evaluator<'_>,
    direction: Direction,
    subject: EndpointId,
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
        PortMatch::Everything => true,
        PortMatch::Range {
            protocol,
            first,
            last,
            ..
        } => *protocol == seen.protocol && seen.port.is_some_and(|p| (*first..=*last).contains(&p)),
        PortMatch::Named { protocol, .. } => *protocol == seen.protocol,
    });
    let who = peer.map_or_else(|| "this peer".to_owned(), |peer| view.tell(peer));
    match port {
        None | Some(PortMatch::Everything) => format!("{who} on all ports"),
        Some(item) => format!("{who} on {item}"),
    }
}

impl View<'_> {
    fn matches(&self, peer: &Peer) -> bool {
        match (peer, self.other()) {
            (Peer::Any, _) => true,
            (Peer::Endpoints(selector, span), Some(id)) => {
                self.eval.can_be_subject(id) && self.selector_faults(selector, *span, id).is_empty()
            }
            (Peer::Endpoints(..), None) => false,
            (Peer::Block(block), _) => {
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
        }
    }

    fn tell(&self, peer: &Peer) -> String {
        let world = self.eval.world;
        match peer {
            Peer::Any => "anybody".into(),
            Peer::Block(block) => block.to_string(),
            Peer::Endpoints(selector, _) => {
                let pods = if selector.pods.is_empty() {
                    "all pods".to_owned()
                } else {
                    selector.pods.to_string()
                };
                match &selector.namespaces {
                    NamespaceScope::Only(own) => {
                        format!("{pods} of namespace {}", world[*own].name)
                    }
                    NamespaceScope::Matching(labels) if labels.is_empty() => {
                        format!("{pods} of every namespace")
                    }
                    NamespaceScope::Matching(labels) => {
                        let named = labels.to_string();
                        match named.strip_prefix("kubernetes.io/metadata.name=") {
                            Some(name) if !name.contains([',', ' ']) => {
                                format!("{pods} of namespace {name}")
                            }
                            _ => format!("{pods} of namespaces with {named}"),
                        }
                    }
                }
            }
        }
    }
}
