//! What a rule lacks in addresses, ports and port names.

use std::net::IpAddr;

use ipnet::IpNet;

use super::miss::{FAR, Fault, FaultKind, View, short_name};
use crate::engine::{HostNetwork, Icmp, IpBlockPods};
use crate::eval::{Family, Party};
use crate::manifest::Direction;
use crate::policy::Rule;
use crate::sets::{IpBlock, PortMatch, Protocol};

impl View<'_> {
    pub(super) fn block_fault(&self, block: &IpBlock) -> (usize, Fault) {
        let world = self.eval.world;
        let switches = &self.eval.switches;
        let net = block.cidr.net;
        let fault = |kind, text: String, span| Fault { kind, text, span };
        let span = block.cidr.span;
        let on_host = self.on_host();
        if on_host && !switches.ipblock_nodes {
            let text = format!("admits {net}, and this engine matches no node by it (K-70)");
            return (FAR, fault(FaultKind::Engine, text, span));
        }
        let pod = self.other().filter(|_| !on_host);
        if pod.is_some() && switches.ipblock_pods == IpBlockPods::Never {
            let text = format!("admits {net}, and this engine matches no pod by it (K-65)");
            return (FAR, fault(FaultKind::Engine, text, span));
        }
        if let Some(service) = self.service_ip
            && block.contains(service)
            && self.direction == Direction::Egress
        {
            let text = format!(
                "admits {net}, the address of the Service; policies see {} behind it (K-79)",
                self.name
            );
            return (1, fault(FaultKind::ServiceAddress, text, span));
        }
        let party = self.seen.party.resolve(world);
        let given = match self.seen.party {
            Party::Address(ip) => Some(ip),
            _ => None,
        };
        let of = |family| party.address(world, family);
        let address: Option<IpAddr> = given.or_else(|| match self.seen.family {
            Some(family) => of(family),
            None => of(Family::V4).or_else(|| of(Family::V6)),
        });
        if let Some(ip) = address {
            let whose = match party {
                Party::Address(_) => format!("{ip}"),
                _ => format!("{} ({ip})", self.name),
            };
            let except = block.except.iter().find(|except| except.net.contains(&ip));
            return match except.filter(|_| net.contains(&ip)) {
                Some(except) => {
                    let text = match party {
                        Party::Address(_) => format!("admits {net} but leaves out {}", except.net),
                        _ => format!(
                            "admits {net} but leaves out {}, where {whose} is",
                            except.net
                        ),
                    };
                    (1, fault(FaultKind::Except, text, except.span))
                }
                None if Family::of(net.addr()) != Family::of(ip) => {
                    let text = format!("admits {net}, which is of the other family (K-66)");
                    (3, fault(FaultKind::Address, text, span))
                }
                None => {
                    let text = format!("admits {net}, {whose} is outside of it");
                    (2, fault(FaultKind::Address, text, span))
                }
            };
        }
        if let Party::Name(_) = party {
            let text = format!(
                "admits {block}, and nobody knows where {} is (M-1)",
                self.name
            );
            return (1, fault(FaultKind::UnknownAddress, text, span));
        }
        let family = Family::of(net.addr());
        let ranges: Vec<IpNet> = world
            .assumed
            .pod_cidrs
            .iter()
            .copied()
            .filter(|range| Family::of(range.addr()) == family)
            .collect();
        let unknown = format!("the input does not tell the address of {}", self.name);
        if on_host || ranges.iter().any(|range| block.touches(*range)) {
            let text = format!("admits {block}, and {unknown} (M-1)");
            return (1, fault(FaultKind::UnknownAddress, text, span));
        }
        let place = ranges.first().map_or(String::new(), |range| {
            format!(", pods lie in {range} (M-1)")
        });
        let text = format!("admits {block}{place}");
        (2, fault(FaultKind::Address, text, span))
    }

    pub(super) fn port_fault(&self, rule: &Rule) -> Fault {
        let protocol = self.seen.protocol;
        let span = rule.traffic.iter().find_map(PortMatch::span);
        let span = span.unwrap_or(rule.span);
        if protocol == Protocol::Icmp {
            let text = if self.eval.switches.icmp == Icmp::Drop {
                "admits no ICMP, as no rule does on this engine (K-61)".to_owned()
            } else {
                format!(
                    "admits {} only, and no ICMP (K-61)",
                    admitted(&rule.traffic)
                )
            };
            return Fault {
                kind: FaultKind::Port,
                text,
                span,
            };
        }
        let service_port = self
            .service_port
            .filter(|port| Some(*port) != self.seen.port);
        let by_service = service_port.and_then(|wanted| {
            rule.traffic.iter().find(|item| {
                matches!(item, PortMatch::Range { protocol: own, first, last, .. }
                    if *own == protocol && (*first..=*last).contains(&wanted))
            })
        });
        if let (Some(item), Some(port)) = (by_service, self.seen.port) {
            return Fault {
                kind: FaultKind::ServicePort,
                text: format!(
                    "admits {item}, the port of the Service; policies see {port}/{} behind it (K-79)",
                    protocol.word()
                ),
                span: item.span().unwrap_or(span),
            };
        }
        if let [
            PortMatch::Named {
                protocol: own,
                name,
                span,
            },
        ] = rule.traffic.as_slice()
        {
            let text = format!(
                "admits port `{name}`/{}, {}",
                own.word(),
                self.name_at_destination(name, *own)
            );
            return Fault {
                kind: FaultKind::PortName,
                text,
                span: *span,
            };
        }
        let other_protocol = self.seen.port.filter(|port| {
            rule.traffic.iter().any(|item| {
                matches!(item, PortMatch::Range { first, last, .. }
                    if (*first..=*last).contains(port))
            })
        });
        let unless = match other_protocol {
            Some(_) => format!(", not {}", protocol.word()),
            None => " only".to_owned(),
        };
        let known = rule.traffic.iter().map(|item| match item {
            PortMatch::Named { protocol, name, .. } => {
                let at = self.name_at_destination(name, *protocol);
                format!("`{name}`/{} ({at})", protocol.word())
            }
            item => item.to_string(),
        });
        let known: Vec<_> = known.collect();
        Fault {
            kind: FaultKind::Port,
            text: format!("admits {}{unless}", crate::rules::some_of(&known)),
            span,
        }
    }

    /// What a port name is at the destination (K-52..K-57).
    fn name_at_destination(&self, name: &str, protocol: Protocol) -> String {
        let world = self.eval.world;
        let destination = match self.direction {
            Direction::Ingress => self.subject,
            Direction::Egress => self.other().filter(|_| {
                !self.on_host() || self.eval.switches.host_network == HostNetwork::PodLabels
            }),
        };
        let Some(id) = destination else {
            return format!("and {} names no ports (K-57)", self.name);
        };
        let who = short_name(world, Party::Endpoint(id));
        let symbol = world.symbols.get(name);
        let named = world[id].ports.iter().filter(|port| port.name.is_some());
        let own: Vec<_> = named.clone().filter(|port| port.name == symbol).collect();
        let same: Vec<_> = own
            .iter()
            .filter(|port| port.protocol == protocol)
            .collect();
        if let [port] = same.as_slice() {
            return format!("which is {} on {who}", port.number);
        }
        if let [port] = own.as_slice() {
            let word = port.protocol.word();
            return format!("which is {}/{word} on {who} (K-54)", port.number);
        }
        let has: Vec<_> = named
            .filter_map(|port| Some(format!("`{}`", world.symbols.text(port.name?))))
            .collect();
        if has.is_empty() {
            format!("and {who} names no port (K-57)")
        } else {
            format!("and {who} has {} only (K-57)", crate::rules::some_of(&has))
        }
    }
}

pub(super) fn spelled((first, last): (u16, u16)) -> String {
    match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    }
}

fn admitted(traffic: &[PortMatch]) -> String {
    let known: Vec<_> = traffic.iter().map(ToString::to_string).collect();
    crate::rules::some_of(&known)
}
