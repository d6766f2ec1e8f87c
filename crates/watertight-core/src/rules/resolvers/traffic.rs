//! Port items of rules, as far as they concern DNS.

use crate::policy::{Rule, RuleRef};
use crate::rules::{Context, egress};
use crate::sets::{PortMatch, Protocol};
use crate::world::{EndpointId, World};

/// Whether a port item is one that people write for DNS.
pub(in crate::rules) fn names_dns(item: &PortMatch) -> bool {
    match item {
        PortMatch::Everything
        | PortMatch::Any
        | PortMatch::Except { .. }
        | PortMatch::Icmp { .. } => false,
        PortMatch::Range {
            protocol,
            first,
            last,
            ..
        } => {
            matches!(protocol, Protocol::Udp | Protocol::Tcp)
                && first == last
                && matches!(first, 53 | 5353)
        }
        PortMatch::Named { name, .. } => name.starts_with("dns"),
    }
}

/// The egress rules that are meant for DNS, by their ports.
pub(in crate::rules) fn dns_rules<'c>(
    context: &'c Context<'_>,
) -> impl Iterator<Item = (RuleRef, &'c Rule)> + use<'c> {
    egress::rules(context).filter(|(_, rule)| rule.traffic.iter().any(names_dns))
}

/// Whether a port item takes in a port of a server.
pub(in crate::rules) fn takes_port(
    world: &World,
    item: &PortMatch,
    server: EndpointId,
    protocol: Protocol,
    port: u16,
) -> bool {
    match item {
        PortMatch::Named {
            protocol: of, name, ..
        } => {
            let name = world.symbols.get(name);
            let mut ports = world[server].ports.iter();
            *of == protocol
                && name.is_some()
                && ports.any(|found| {
                    found.name == name && found.protocol == protocol && found.number == port
                })
        }
        item => item.takes(protocol, port),
    }
}
