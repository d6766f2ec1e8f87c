//! Whether a rule matches a peer and its traffic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Family;
use super::compile::is_member;
use super::connection::Request;
use super::{Evaluator, Own, can_be_selected};
use crate::engine::{HostNetwork, Icmp};
use crate::facts::metadata;
use crate::manifest::Direction;
use crate::policy::{Covers, HttpMatch, Peer, Rule, TextMatch};
use crate::sets::{IpBlock, PortMatch, Protocol};
use crate::world::{EndpointId, NameId, NodeId};

/// Where public DNS names do not lead: "this" network, loopback, the local link, multicast, and what
/// nobody was given; and to the metadata services of clouds (M-6).
static NOT_PUBLIC: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let ranges = [
        v4([0, 0, 0, 0], 8),
        v4([127, 0, 0, 0], 8),
        v4([169, 254, 0, 0], 16),
        v4([224, 0, 0, 0], 4),
        v4([240, 0, 0, 0], 4),
        v6(0, 128),
        v6(1, 128),
        v6(0xfe80 << 112, 10),
        v6(0xff00 << 112, 8),
    ];
    let metadata = metadata::endpoints().iter();
    let metadata = metadata.map(|endpoint| IpNet::from(endpoint.address));
    ranges.into_iter().chain(metadata).collect()
});

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6(bits: u128, prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), prefix))
}

/// What an answer rests on that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// An ipBlock covers a part of where the other end may lie (M-1).
    Address,
    /// A rule is about the own node of a pod whose node is not known (M-4).
    Node,
    /// A rule asks for source ports, and the question has none (C-47).
    SourcePort,
    /// Policies of the same priority disagree.
    Tie,
}

impl Cause {
    /// The id of the rule that says so.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Address => "M-1",
            Self::Node => "M-4",
            Self::SourcePort => "C-47",
            Self::Tie => "A-12",
        }
    }
}

/// An answer that may rest on something that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    No,
    Maybe(Cause),
    Yes,
}

impl From<bool> for Match {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Match {
    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe(cause) => Self::Maybe(cause),
            Self::Yes => Self::No,
        }
    }
}

/// What policy sees of the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote {
    /// The pod, if the other end is one.
    pub endpoint: Option<EndpointId>,
    /// Whether it is a node or a host-network pod.
    pub on_host: bool,
    /// The node that it runs on or is.
    pub node: Option<NodeId>,
    /// The DNS name, if it is known by one only.
    pub name: Option<NameId>,
    /// Whether that is a name of public DNS (M-6).
    pub is_public: bool,
    pub address: Option<IpAddr>,
    pub family: Family,
}

/// Who owns an address that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Pod,
    Host,
    Outside,
    /// Whoever a public DNS name stands for: somebody outside, too (M-6).
    PublicName,
}

impl Owner {
    pub(super) const ALL: [Self; 4] = [Self::Pod, Self::Host, Self::Outside, Self::PublicName];

    pub(super) fn is_outside(self) -> bool {
        matches!(self, Self::Outside | Self::PublicName)
    }
}

impl Remote {
    fn owner(&self) -> Owner {
        match (self.on_host, self.endpoint) {
            (true, _) => Owner::Host,
            (false, Some(_)) => Owner::Pod,
            (false, None) if self.is_public => Owner::PublicName,
            (false, None) => Owner::Outside,
        }
    }
}

impl Covers {
    /// Whether addresses of an owner are covered.
    pub(super) fn owner(self, owner: Owner) -> bool {
        match owner {
            Owner::Pod => self.pods,
            Owner::Host => self.nodes,
            Owner::Outside | Owner::PublicName => self.outside,
        }
    }
}

/// What policy sees of the traffic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic<'r> {
    pub protocol: Protocol,
    /// The destination port; for ICMP the message, its type in the high byte.
    pub port: Option<u16>,
    pub source_port: Option<u16>,
    pub request: Option<&'r Request>,
}

impl Evaluator<'_> {
    /// Peers and traffic of one rule; both must match (K-19).
    pub(super) fn rule_matches(
        &self,
        rule: &Rule,
        direction: Direction,
        own: Own,
        remote: &Remote,
        traffic: Traffic<'_>,
    ) -> (Match, Match) {
        let peers = rule
            .peers
            .iter()
            .map(|peer| self.peer_matches(peer, own, remote));
        let mut peer = peers.max().unwrap_or(Match::No);
        if rule.family.is_some_and(|family| family != remote.family) {
            peer = Match::No;
        }
        let ports_of = match direction {
            Direction::Ingress => own.endpoint(),
            // K-57: a name means nothing where the destination is no pod.
            Direction::Egress => remote.endpoint.filter(|_| {
                !remote.on_host || self.switches.host_network == HostNetwork::PodLabels
            }),
        };
        let ports = rule
            .traffic
            .iter()
            .any(|item| self.port_matches(item, traffic, remote.family, ports_of));
        let source = source_matches(rule, traffic.source_port);
        let request = traffic.request.is_none_or(|request| admits(rule, request));
        let ports = Match::from(ports && request).min(source);
        (peer, ports)
    }

    fn peer_matches(&self, peer: &Peer, own: Own, remote: &Remote) -> Match {
        match peer {
            Peer::Any => Match::Yes,
            Peer::Endpoints(selector, _) => Match::from(remote.endpoint.is_some_and(|endpoint| {
                can_be_selected(self.world, &self.switches, endpoint)
                    && is_member(self.world, selector, endpoint)
            })),
            Peer::Block(block, covers) => self.block_matches(block, *covers, remote),
            Peer::Nodes(nodes, _) => match (remote.on_host, remote.node) {
                (false, _) => Match::No,
                (true, Some(node)) => nodes.contains(&node).into(),
                (true, None) => Match::Maybe(Cause::Node),
            },
            Peer::AnyNode(_) => remote.on_host.into(),
            Peer::OwnNode(_) => self.on_own_node(own, remote),
            Peer::OtherNodes(_) if remote.on_host => self.on_own_node(own, remote).not(),
            Peer::OtherNodes(_) => Match::No,
            Peer::Outside(_) => remote.owner().is_outside().into(),
            Peer::Domain(pattern, ..) => self.has_name(remote, |name| pattern.matches(name)),
            Peer::All(parts) => {
                let parts = parts
                    .iter()
                    .map(|part| self.peer_matches(part, own, remote));
                parts.min().unwrap_or(Match::Yes)
            }
            Peer::AnyOf(parts) => {
                let parts = parts
                    .iter()
                    .map(|part| self.peer_matches(part, own, remote));
                parts.max().unwrap_or(Match::No)
            }
            Peer::Not(part) => self.peer_matches(part, own, remote).not(),
        }
    }

    /// L-39.
    fn on_own_node(&self, own: Own, remote: &Remote) -> Match {
        if !remote.on_host {
            return Match::No;
        }
        match (own.node(self.world), remote.node) {
            (Some(own), Some(other)) => (own == other).into(),
            _ => Match::Maybe(Cause::Node),
        }
    }

    /// A name stands for addresses outside; an address, for the names that are known to have it
    /// (A-31, L-57, L-58).
    fn has_name(&self, remote: &Remote, matches: impl Fn(&str) -> bool) -> Match {
        if !remote.owner().is_outside() {
            return Match::No;
        }
        if let Some(name) = remote.name {
            return matches(&self.world[name].text).into();
        }
        let has = |ips: &[IpAddr]| remote.address.is_some_and(|ip| ips.contains(&ip));
        let mut names = self.world.names.iter();
        names
            .any(|name| has(&name.ips) && matches(&name.text))
            .into()
    }

    /// K-63..K-70, M-1.
    fn block_matches(&self, block: &IpBlock, covers: Covers, remote: &Remote) -> Match {
        let owner = remote.owner();
        if !covers.owner(owner) {
            return Match::No;
        }
        match remote.address {
            Some(address) => block.contains(address).into(),
            None => self.unknown_in_block(block, remote.family, owner),
        }
    }

    /// Whether a block covers the address of somebody, which is not known (M-1).
    pub(super) fn unknown_in_block(&self, block: &IpBlock, family: Family, owner: Owner) -> Match {
        match owner {
            Owner::Host => self.node_range_matches(block, family),
            Owner::Outside => anywhere(block, family),
            Owner::PublicName => in_public(block, family),
            Owner::Pod => {
                let of_family = |net: &&IpNet| Family::of(net.addr()) == family;
                let ranges = self.world.assumed.pod_cidrs.iter().filter(of_family);
                ranges
                    .map(
                        |range| match (block.contains_all(*range), block.touches(*range)) {
                            (true, _) => Match::Yes,
                            (false, true) => Match::Maybe(Cause::Address),
                            (false, false) => Match::No,
                        },
                    )
                    .max()
                    .unwrap_or(Match::No)
            }
        }
    }

    /// A host-network pod whose node is not known: certain only where all known nodes agree.
    fn node_range_matches(&self, block: &IpBlock, family: Family) -> Match {
        let nodes = self.world.nodes.iter().flat_map(|node| &node.ips);
        let (mut inside, mut outside) = (false, false);
        for ip in nodes.filter(|ip| Family::of(**ip) == family) {
            if block.contains(*ip) {
                inside = true;
            } else {
                outside = true;
            }
        }
        match (inside, outside) {
            (true, false) => Match::Yes,
            (false, true) => Match::No,
            (true, true) => Match::Maybe(Cause::Address),
            (false, false) => anywhere(block, family),
        }
    }

    /// K-47..K-62.
    fn port_matches(
        &self,
        item: &PortMatch,
        traffic: Traffic<'_>,
        family: Family,
        ports_of: Option<EndpointId>,
    ) -> bool {
        let port = traffic.port.unwrap_or_default();
        let named = |name: &str, protocol: Protocol| {
            let (Some(endpoint), Some(name)) = (ports_of, self.world.symbols.get(name)) else {
                return false;
            };
            // K-55: every container port of that name counts.
            self.world[endpoint].ports.iter().any(|port| {
                port.name == Some(name)
                    && port.protocol == protocol
                    && Some(port.number) == traffic.port
            })
        };
        match item {
            PortMatch::Everything => {
                traffic.protocol != Protocol::Icmp || self.switches.icmp != Icmp::Drop
            }
            PortMatch::Any => true,
            PortMatch::Range {
                protocol,
                first,
                last,
                ..
            } => *protocol == traffic.protocol && (*first..=*last).contains(&port),
            PortMatch::Icmp {
                family: of,
                first,
                last,
                ..
            } => {
                traffic.protocol == Protocol::Icmp
                    && *of == family
                    && (*first..=*last).contains(&port)
            }
            PortMatch::Except {
                protocol,
                ranges,
                names,
                ..
            } => {
                *protocol == traffic.protocol
                    && !ranges
                        .iter()
                        .any(|(first, last)| (*first..=*last).contains(&port))
                    && !names.iter().any(|name| named(name, *protocol))
            }
            PortMatch::Named { protocol, name, .. } => {
                *protocol == traffic.protocol && named(name, *protocol)
            }
        }
    }
}

/// Whether a block covers an address of which nothing is known.
fn anywhere(block: &IpBlock, family: Family) -> Match {
    if Family::of(block.cidr.net.addr()) != family {
        Match::No
    } else if block.is_whole_family() && block.except.is_empty() {
        Match::Yes
    } else {
        Match::Maybe(Cause::Address)
    }
}

/// Whether a block covers whatever a public DNS name stands for (M-6).
fn in_public(block: &IpBlock, family: Family) -> Match {
    match anywhere(block, family) {
        Match::Maybe(_) if block.is_within(&NOT_PUBLIC) => Match::No,
        // Either half of either family has public addresses.
        Match::Maybe(_) if block.is_whole_family() && block.is_all_but(&NOT_PUBLIC) => Match::Yes,
        otherwise => otherwise,
    }
}

/// C-47.
fn source_matches(rule: &Rule, port: Option<u16>) -> Match {
    match (&rule.source_ports, port) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::Maybe(Cause::SourcePort),
        (Some(ranges), Some(port)) => {
            let mut ranges = ranges.iter();
            ranges
                .any(|(first, last)| (*first..=*last).contains(&port))
                .into()
        }
    }
}

/// Whether a rule admits a request (L-66). What is not about HTTP admits no HTTP request.
fn admits(rule: &Rule, request: &Request) -> bool {
    let fits = |http: &HttpMatch| {
        text_matches(http.method.as_ref(), &request.method)
            && text_matches(http.path.as_ref(), &request.path)
    };
    rule.requests.is_empty()
        || rule
            .requests
            .iter()
            .any(|admitted| admitted.http.as_ref().is_some_and(fits))
}

fn text_matches(wanted: Option<&TextMatch>, text: &str) -> bool {
    match wanted {
        None => true,
        Some(TextMatch::Exact(exact)) => **exact == *text,
        Some(TextMatch::Prefix(prefix)) => text.starts_with(&**prefix),
        Some(TextMatch::Pattern(pattern)) => {
            // One that is no regular expression was refused when it was read.
            let whole = format!("^(?:{pattern})$");
            regex::Regex::new(&whole).is_ok_and(|regex| regex.is_match(text))
        }
    }
}
