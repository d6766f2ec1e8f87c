//! Rules as rows need them: their peers as sets, and their ports as ranges.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Itself, PortName, Side};
use crate::engine::Icmp;
use crate::eval::reach::classes::Classes;
use crate::eval::reach::row::{Item, PROTOCOLS};
use crate::eval::reach::selectors::Peers;
use crate::eval::reach::sets::{SetId, Sets};
use crate::eval::{Evaluator, Family};
use crate::manifest::Direction;
use crate::policy::{Action, Peer, Rule};
use crate::sets::{PortMatch, Protocol, Runs};
use crate::world::{NodeId, Symbol};

/// A rule, ready for rows.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) action: Action,
    pub(super) peers: Peers,
    /// Whether the peers depend on the node of the endpoint.
    pub(super) relative: bool,
    /// Protocol, first and last port.
    pub(super) ranges: Box<[(Protocol, u16, u16)]>,
    /// Messages of ICMP of one family.
    pub(super) messages: Box<[(Family, u16, u16)]>,
    /// Ranges from which the ports of some names are left out.
    pub(super) without: Box<[Without]>,
    pub(super) names: Box<[PortName]>,
}

/// Ranges of ports but those of some names (C-48).
#[derive(Clone, Debug)]
pub(super) struct Without {
    pub(super) protocol: Protocol,
    pub(super) ranges: Runs<u16>,
    pub(super) names: Box<[Symbol]>,
}

impl Side {
    pub(super) fn ready(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        rules: &[Rule],
    ) -> Arc<[Ready]> {
        let rules = rules.iter().map(|rule| {
            let relative = rule.peers.iter().any(Peer::is_relative);
            let peers = self.peers(eval, classes, rule, None);
            let symbol = |name: &str| eval.world.symbols.get(name);
            let mut names = Vec::new();
            for item in &rule.traffic {
                if let PortMatch::Named { protocol, name, .. } = item {
                    names.extend(symbol(name).map(|name| (name, *protocol)));
                }
            }
            names.sort_unstable();
            names.dedup();
            let items = rule.traffic.iter();
            let without = items.clone().filter_map(|item| match item {
                PortMatch::Except {
                    protocol,
                    ranges,
                    names,
                    ..
                } if !names.is_empty() => Some(Without {
                    protocol: *protocol,
                    ranges: Runs::all().difference(&Runs::from_unsorted(ranges.clone())),
                    names: names.iter().filter_map(|name| symbol(name)).collect(),
                }),
                _ => None,
            });
            let messages = items.filter_map(|item| match item {
                PortMatch::Icmp {
                    family,
                    first,
                    last,
                    ..
                } => Some((*family, *first, *last)),
                _ => None,
            });
            Ready {
                action: rule.action,
                peers,
                relative,
                ranges: ranges(rule, eval.switches.icmp),
                messages: messages.collect(),
                without: without.collect(),
                names: names.into(),
            }
        });
        rules.collect()
    }

    /// The peers of a rule; what may not match for another reason than them is among those that
    /// may.
    pub(super) fn peers(
        &mut self,
        eval: &Evaluator<'_>,
        classes: &Classes,
        rule: &Rule,
        own: Option<NodeId>,
    ) -> Peers {
        let sets = &mut self.sets;
        let peers = self.selectors.peers(eval, classes, sets, rule, own);
        if rule.source_ports.is_none() {
            return peers;
        }
        Peers {
            yes: SetId::NONE,
            maybe: sets.union(&[peers.yes, peers.maybe]),
        }
    }

    /// What a rule says, port by port.
    pub(super) fn items(
        &mut self,
        classes: &Classes,
        rule: &Ready,
        template: Item,
        own: &Itself,
        items: &mut Vec<Item>,
    ) {
        let peers = Peers {
            yes: template.yes,
            maybe: template.maybe,
        };
        let item = |protocol, first, last, peers: Peers| Item {
            protocol,
            first,
            last,
            yes: peers.yes,
            maybe: peers.maybe,
            ..template
        };
        for (protocol, first, last) in &rule.ranges {
            items.push(item(*protocol, *first, *last, peers));
        }
        for (family, first, last) in &rule.messages {
            let of_family = self.sets.of_family(*family);
            let peers = peers.among(&mut self.sets, of_family);
            items.push(item(Protocol::Icmp, *first, *last, peers));
        }
        let own_numbers = |name: Symbol, protocol: Protocol| {
            let own = own.ports.iter();
            own.filter(move |(of, proto, _)| (*of, *proto) == (name, protocol))
                .map(|(.., port)| *port)
        };
        for (name, protocol) in &rule.names {
            match self.direction {
                Direction::Ingress => {
                    let own = own_numbers(*name, *protocol);
                    items.extend(own.map(|port| item(*protocol, port, port, peers)));
                }
                Direction::Egress => {
                    let numbers = classes.with_port(*name, *protocol).into_iter().flatten();
                    for (port, having) in numbers {
                        let having = self.sets.of_classes(having.clone());
                        let peers = peers.among(&mut self.sets, having);
                        items.push(item(*protocol, *port, *port, peers));
                    }
                }
            }
        }
        for without in &rule.without {
            let protocol = without.protocol;
            let mut left = without.ranges.clone();
            match self.direction {
                Direction::Ingress => {
                    for name in &without.names {
                        for port in own_numbers(*name, protocol) {
                            left = left.difference(&Runs::range(port, port));
                        }
                    }
                }
                Direction::Egress => {
                    let mut having: BTreeMap<u16, Vec<&Runs<u32>>> = BTreeMap::new();
                    for name in &without.names {
                        let numbers = classes.with_port(*name, protocol).into_iter().flatten();
                        for (port, classes) in numbers.filter(|(port, _)| left.contains(**port)) {
                            having.entry(*port).or_default().push(classes);
                        }
                    }
                    for (port, having) in having {
                        left = left.difference(&Runs::range(port, port));
                        let having = Runs::union_of(having);
                        let having = self.sets.of_classes(having);
                        let others = self.sets.difference(SetId::ALL, having);
                        let peers = peers.among(&mut self.sets, others);
                        items.push(item(protocol, port, port, peers));
                    }
                }
            }
            let left = left.iter();
            items.extend(left.map(|(first, last)| item(protocol, first, last, peers)));
        }
    }
}

impl Peers {
    /// Those of them that are in a set.
    fn among(self, sets: &mut Sets, set: SetId) -> Self {
        Self {
            yes: sets.intersection(self.yes, set),
            maybe: sets.intersection(self.maybe, set),
        }
    }
}

/// The ports that a rule names by number (K-47..K-50), and ICMP as the engine sees it (K-61).
fn ranges(rule: &Rule, icmp: Icmp) -> Box<[(Protocol, u16, u16)]> {
    let mut ranges = Vec::new();
    for protocol in PROTOCOLS {
        let mut ports = Vec::new();
        for item in &rule.traffic {
            match item {
                PortMatch::Everything if protocol == Protocol::Icmp && icmp == Icmp::Drop => {}
                PortMatch::Everything | PortMatch::Any => ports.push((0, u16::MAX)),
                PortMatch::Range {
                    protocol: of,
                    first,
                    last,
                    ..
                } if *of == protocol => ports.push((*first, *last)),
                PortMatch::Except {
                    protocol: of,
                    ranges,
                    names,
                    ..
                } if *of == protocol && names.is_empty() => {
                    let left = Runs::all().difference(&Runs::from_unsorted(ranges.clone()));
                    ports.extend(left.iter());
                }
                PortMatch::Range { .. }
                | PortMatch::Icmp { .. }
                | PortMatch::Except { .. }
                | PortMatch::Named { .. } => {}
            }
        }
        let merged = Runs::from_unsorted(ports);
        ranges.extend(merged.iter().map(|(first, last)| (protocol, first, last)));
    }
    ranges.into()
}
