//! Servers that policies cannot tell apart, so that one of them is asked for all.

use std::net::IpAddr;

use crate::manifest::Direction;
use crate::policy::{Peer, PolicyRef};
use crate::rules::Context;
use crate::world::{DnsServer, Endpoint, NodeId};

/// Servers that policies cannot tell apart.
#[derive(Clone, Copy, Debug)]
pub(in crate::rules) struct Class {
    /// One of them.
    pub(in crate::rules) server: DnsServer,
    /// How many they are.
    pub(in crate::rules) size: usize,
}

/// Servers with the same namespace, labels, ports and policies, whose addresses no block of any
/// policy tells apart.
pub(super) fn classes(context: &Context<'_>, servers: &[DnsServer]) -> Vec<Class> {
    type Signature<'s> = (
        &'s Endpoint,
        &'s [PolicyRef],
        Vec<(usize, usize)>,
        Option<NodeId>,
    );
    let bounds = Bounds::new(context, servers);
    let signature = |server: &DnsServer| -> Signature<'_> {
        let endpoint = &context.world[server.endpoint];
        let node = endpoint.node.filter(|_| endpoint.host_network.is_some());
        (
            endpoint,
            context
                .eval
                .policies_of(server.endpoint, Direction::Ingress),
            endpoint.ips.iter().map(|ip| bounds.atom(*ip)).collect(),
            node,
        )
    };
    let mut found: Vec<(Class, Signature<'_>)> = Vec::new();
    for server in servers {
        let own = signature(server);
        let same = found.iter_mut().find(|(class, other)| {
            (class.server.udp, class.server.tcp) == (server.udp, server.tcp)
                && other.0.namespace == own.0.namespace
                && other.0.labels == own.0.labels
                && other.0.ports == own.0.ports
                && other.0.host_network.is_some() == own.0.host_network.is_some()
                && (other.1, &other.2, other.3) == (own.1, &own.2, own.3)
        });
        match same {
            Some((class, _)) => class.size += 1,
            None => {
                let class = Class {
                    server: *server,
                    size: 1,
                };
                found.push((class, own));
            }
        }
    }
    found.into_iter().map(|(class, _)| class).collect()
}

/// Where the blocks of egress rules begin and end, as far as that is between two servers.
struct Bounds {
    starts: Vec<IpAddr>,
    ends: Vec<IpAddr>,
}

impl Bounds {
    fn new(context: &Context<'_>, servers: &[DnsServer]) -> Self {
        let mut bounds = Self {
            starts: Vec::new(),
            ends: Vec::new(),
        };
        let ips = servers.iter().flat_map(|s| &context.world[s.endpoint].ips);
        let Some((low, high)) = ips.clone().min().zip(ips.max()) else {
            return bounds;
        };
        let tiers = context.eval.ruleset.tiers(Direction::Egress).iter();
        let rules = tiers
            .flat_map(|tier| &tier.policies)
            .flat_map(|policy| &policy.rules);
        for peer in rules.flat_map(|rule| &rule.peers) {
            peer.leaves(&mut |leaf| {
                let Peer::Block(block, _) = leaf else {
                    return;
                };
                for cidr in std::iter::once(&block.cidr).chain(&block.except) {
                    let (first, last) = (cidr.net.network(), cidr.net.broadcast());
                    if (*low..=*high).contains(&first) {
                        bounds.starts.push(first);
                    }
                    if (*low..=*high).contains(&last) {
                        bounds.ends.push(last);
                    }
                }
            });
        }
        for list in [&mut bounds.starts, &mut bounds.ends] {
            list.sort_unstable();
            list.dedup();
        }
        bounds
    }

    /// Addresses with the same atom are in the same blocks.
    fn atom(&self, ip: IpAddr) -> (usize, usize) {
        let started = self.starts.partition_point(|start| *start <= ip);
        let ended = self.ends.partition_point(|end| *end < ip);
        (started, ended)
    }
}
