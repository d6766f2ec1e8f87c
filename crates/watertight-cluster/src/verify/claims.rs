//! What is claimed of the cluster, connection by connection, once the pods have their addresses.
//!
//! A claim has a treatment, which the policies must stop, a control, which differs in nothing but that no
//! policy selects its pod, and, between pods of ours, a port that is allowed back.
//! INVARIANT: a claim without a control is not made.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watertight_core::facts::metadata;

pub use super::axes::{Direction, Path, Place};
use super::plan::{ALLOWED, Actor, DENIED, Node, Options, Part};
use super::wire::{Facts, How, Target};

/// The port of the kubelet: every node listens there.
const KUBELET: u16 = 10250;

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who: its place among the actors.
    pub actor: usize,
    /// What.
    pub target: Target,
    /// Who must answer, where that can be told.
    pub by: Option<String>,
}

/// What policies must do to a treatment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Stop it.
    Denied,
    /// The API leaves it open, for this reason.
    Either(&'static str),
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose policies.
    pub direction: Direction,
    /// By which kind of address.
    pub path: Path,
    /// Where the ends stand.
    pub place: Place,
    /// The destination, for people.
    pub to: String,
    /// What differs in nothing but the policies.
    pub control: Ask,
    /// What the policies must stop.
    pub treatment: Ask,
    /// What is allowed back.
    pub allowed: Option<Ask>,
    /// What policies must do.
    pub expect: Expect,
    /// Whether the control must work at all: between pods of ours it must.
    pub is_required: bool,
}

#[cfg(test)]
impl Claim {
    /// That egress to `heron` is stopped, as tests of judging take it.
    pub(super) fn of_egress(how: How) -> Self {
        let ask = |actor, port| Ask {
            actor,
            target: Target::new(how, "10.0.0.1".parse().unwrap(), port),
            by: Some("heron".into()),
        };
        Self {
            direction: Direction::Egress,
            path: Path::Pod,
            place: Place::Same,
            to: "heron".into(),
            control: ask(0, 8081),
            treatment: ask(1, 8081),
            allowed: Some(ask(1, 8080)),
            expect: Expect::Denied,
            is_required: how != How::Sctp,
        }
    }
}

impl Claim {
    /// 4 or 6.
    #[must_use]
    pub fn family(&self) -> u8 {
        if self.treatment.target.address.is_ipv4() {
            4
        } else {
            6
        }
    }

    /// Everything that is tried for it.
    pub fn asks(&self) -> impl Iterator<Item = &Ask> {
        let ends = [&self.control, &self.treatment];
        ends.into_iter().chain(&self.allowed)
    }
}

/// A pod that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The pod.
    pub pod: String,
    /// What tells it from another pod of the same name.
    pub uid: String,
    /// How often its containers have started again.
    pub restarts: u64,
    /// Its node.
    pub node: Option<String>,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
}

/// A Service that has its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Addresses.
    pub ips: Vec<IpAddr>,
    /// Node ports by protocol and port.
    pub node_ports: BTreeMap<(String, u16), u16>,
}

/// What is known once the pods run.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// By the place of the actor.
    pub placed: Vec<Placed>,
    /// By the place of the actor that is behind it.
    pub services: BTreeMap<usize, Service>,
    /// Nodes; empty if they cannot be read.
    pub nodes: Vec<Node>,
    /// What the pods were told.
    pub facts: Facts,
    /// Where the API server really listens; empty if that cannot be read.
    pub api_servers: Vec<IpAddr>,
    /// Actors whose kernels speak SCTP.
    pub sctp: BTreeSet<usize>,
}

const OWN_NODE: &str = "a pod and its own node always reach each other, if the engine follows the documentation \
     of Kubernetes (K-73)";
const SERVICE_OF_OWN_NODE: &str = "the node may have put its own address in the place of the client's, and a node always reaches its \
     own pods (K-73)";
const UNKNOWN_SERVER: &str =
    "where the API server stands cannot be read, and it may be on the pod's own node";
const NODE_DNS: &str =
    "the name server has a link-local address, so the pod's own node answers (K-73)";

/// All claims.
#[must_use]
pub fn claims(options: &Options, actors: &[Actor], known: &Known) -> Vec<Claim> {
    let make = Make {
        options,
        actors,
        known,
    };
    let mut claims = Vec::new();
    let closed = make.of(Part::ClosedServer).next();
    let open = make.of(Part::OpenServer).next();
    if let (Some(closed), Some(open)) = (closed, open) {
        for client in make.of(Part::OpenClient) {
            make.servers(
                &mut claims,
                Direction::Ingress,
                (client, closed),
                (client, open),
            );
        }
        for client in make.of(Part::ClosedClient) {
            if let Some(control) = make.beside(client) {
                make.servers(
                    &mut claims,
                    Direction::Egress,
                    (client, open),
                    (control, open),
                );
                if options.surroundings {
                    make.surroundings(&mut claims, client, control);
                }
                make.internet(&mut claims, client, control);
            }
        }
        make.everywhere(&mut claims, open);
    }
    claims.retain(|claim| {
        claim
            .asks()
            .all(|ask| options.image.can_try(ask.target.how))
    });
    claims
}

struct Make<'a> {
    options: &'a Options,
    actors: &'a [Actor],
    known: &'a Known,
}

impl Make<'_> {
    /// The actors of a part that run.
    fn of(&self, part: Part) -> impl DoubleEndedIterator<Item = usize> {
        let actors = self.actors.iter().enumerate();
        actors
            .filter(move |(at, actor)| actor.part == part && !self.ips(*at).is_empty())
            .map(|(at, _)| at)
    }

    fn ips(&self, actor: usize) -> &[IpAddr] {
        self.known
            .placed
            .get(actor)
            .map_or(&[], |placed| &placed.ips)
    }

    fn node(&self, actor: usize) -> Option<&str> {
        self.known.placed.get(actor)?.node.as_deref()
    }

    fn name(&self, actor: usize) -> String {
        self.actors
            .get(actor)
            .map_or(String::new(), |actor| actor.name.clone())
    }

    fn addresses_of(&self, node: Option<&str>) -> &[IpAddr] {
        let nodes = self.known.nodes.iter();
        let mut found = nodes.filter(|known| Some(&*known.name) == node);
        found.next().map_or(&[], |node| &node.addresses)
    }

    /// The client on the same node that no policy selects; any, where nodes differ.
    fn beside(&self, client: usize) -> Option<usize> {
        let node = self.node(client);
        let same = self
            .of(Part::OpenClient)
            .find(|open| self.node(*open) == node);
        same.or_else(|| self.of(Part::OpenClient).next())
    }

    fn place(&self, from: usize, to: usize) -> Place {
        match (self.node(from), self.node(to)) {
            (Some(from), Some(to)) if from == to => Place::Same,
            _ => Place::Other,
        }
    }

    /// SCTP only where all four ends have it.
    fn protocols(&self, ends: [usize; 4]) -> impl Iterator<Item = How> {
        let has_sctp = ends.iter().all(|end| self.known.sctp.contains(end));
        let asked = move |how: &How| match how {
            How::Udp => self.options.udp,
            How::Sctp => has_sctp,
            _ => true,
        };
        [How::Tcp, How::Udp, How::Sctp].into_iter().filter(asked)
    }

    /// From a client to a server, by every path: `pair` is the treatment.
    fn servers(
        &self,
        claims: &mut Vec<Claim>,
        direction: Direction,
        pair: (usize, usize),
        control: (usize, usize),
    ) {
        for how in self.protocols([pair.0, pair.1, control.0, control.1]) {
            for ip in self.ips(pair.1) {
                self.claim(
                    claims,
                    direction,
                    Path::Pod,
                    how,
                    pair,
                    control,
                    &|server, port| {
                        let ips = self.ips(server).iter();
                        let same = ips.copied().find(|other| other.is_ipv4() == ip.is_ipv4());
                        Some((same?, port))
                    },
                );
            }
            // The Services have no ports of SCTP: not every cluster takes them.
            if !self.options.services || how == How::Sctp {
                continue;
            }
            let service = |server: usize| self.known.services.get(&server);
            let ips = service(pair.1).map_or(&[][..], |service| &service.ips);
            for ip in ips.iter().filter(|ip| self.both_have(pair, **ip)) {
                self.claim(
                    claims,
                    direction,
                    Path::ClusterIp,
                    how,
                    pair,
                    control,
                    &|server, port| {
                        let mut ips = service(server)?.ips.iter().copied();
                        Some((ips.find(|other| other.is_ipv4() == ip.is_ipv4())?, port))
                    },
                );
            }
            for via in self.used_nodes() {
                let ips = first_of_each_family(self.addresses_of(Some(via)));
                for ip in ips.into_iter().filter(|ip| self.both_have(pair, *ip)) {
                    let from = claims.len();
                    self.claim(
                        claims,
                        direction,
                        Path::NodePort,
                        how,
                        pair,
                        control,
                        &|server, port| {
                            let key = (how.protocol().to_owned(), port);
                            Some((ip, *service(server)?.node_ports.get(&key)?))
                        },
                    );
                    let own = match direction {
                        Direction::Ingress => self.node(pair.1),
                        Direction::Egress => self.node(pair.0),
                    };
                    for claim in claims.iter_mut().skip(from) {
                        claim.to = format!("{} by node {via}", claim.to);
                        if own == Some(via) {
                            claim.expect = Expect::Either(match direction {
                                Direction::Ingress => SERVICE_OF_OWN_NODE,
                                Direction::Egress => OWN_NODE,
                            });
                        }
                    }
                }
            }
        }
    }

    /// Whether both pods have an address of the family: a Service may have one that nobody can use.
    fn both_have(&self, (from, to): (usize, usize), ip: IpAddr) -> bool {
        let has = |actor: usize| {
            let mut ips = self.ips(actor).iter();
            ips.any(|own| own.is_ipv4() == ip.is_ipv4())
        };
        has(from) && has(to)
    }

    /// Nodes that clients and servers stand on.
    fn used_nodes(&self) -> Vec<&str> {
        let mut nodes = Vec::new();
        for (at, actor) in self.actors.iter().enumerate() {
            if let Some(node) = self.node(at)
                && actor.part != Part::Everywhere
                && !nodes.contains(&node)
            {
                nodes.push(node);
            }
        }
        nodes
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is one axis of the table of claims"
    )]
    fn claim(
        &self,
        claims: &mut Vec<Claim>,
        direction: Direction,
        path: Path,
        how: How,
        pair: (usize, usize),
        control: (usize, usize),
        address: &dyn Fn(usize, u16) -> Option<(IpAddr, u16)>,
    ) {
        let ask = |(from, to): (usize, usize), port: u16| {
            let (ip, port) = address(to, port)?;
            Some(Ask {
                actor: from,
                target: Target::new(how, ip, port),
                by: self.options.image.has_names().then(|| self.name(to)),
            })
        };
        let asks = (ask(pair, DENIED), ask(pair, ALLOWED), ask(control, DENIED));
        if let (Some(treatment), Some(allowed), Some(control)) = asks {
            claims.push(Claim {
                direction,
                path,
                place: self.place(pair.0, pair.1),
                to: self.name(pair.1),
                control,
                treatment,
                allowed: Some(allowed),
                expect: Expect::Denied,
                // Some networks carry no SCTP, policies or not.
                is_required: how != How::Sctp,
            });
        }
    }

    /// One claim a direction for the pod of each node.
    fn everywhere(&self, claims: &mut Vec<Claim>, open: usize) {
        for pod in self.of(Part::Everywhere) {
            let node = self.node(pod);
            let from = claims.len();
            // From another node, if there is one: that is the longer way.
            let clients = || self.of(Part::OpenClient);
            let other = clients().find(|client| self.node(*client) != node);
            if let Some(client) = other.or_else(|| clients().next()) {
                for (direction, pair) in [
                    (Direction::Ingress, (client, pod)),
                    (Direction::Egress, (pod, open)),
                ] {
                    for ip in first_of_each_family(self.ips(pod)) {
                        let same = |other: &IpAddr| other.is_ipv4() == ip.is_ipv4();
                        let address = |server: usize, port: u16| {
                            let mut ips = self.ips(server).iter().copied();
                            Some((ips.find(same)?, port))
                        };
                        let control = (client, open);
                        self.claim(
                            claims,
                            direction,
                            Path::Pod,
                            How::Tcp,
                            pair,
                            control,
                            &address,
                        );
                    }
                }
            }
            for claim in claims.iter_mut().skip(from) {
                claim.place = Place::Node(node.unwrap_or("unknown").to_owned());
            }
        }
    }

    /// Name servers, the API server, nodes, metadata services.
    fn surroundings(&self, claims: &mut Vec<Claim>, client: usize, control: usize) {
        let own = self.addresses_of(self.node(client)).to_vec();
        let reaches = |address: IpAddr| {
            let ips = self.ips(client);
            ips.iter().any(|ip| ip.is_ipv4() == address.is_ipv4())
        };
        let mut push = |path: Path, place: Place, target: Target, to: String, expect: Expect| {
            if reaches(target.address.ip()) {
                claims.push(outside((client, control), path, place, target, to, expect));
            }
        };
        for ip in &self.known.facts.resolvers {
            let is_local = matches!(ip, IpAddr::V4(ip) if ip.is_link_local()) || own.contains(ip);
            let expect = if is_local {
                Expect::Either(NODE_DNS)
            } else {
                Expect::Denied
            };
            let target = Target::new(How::Dns, *ip, 53);
            push(
                Path::Resolver,
                Place::Outside,
                target,
                format!("name server {ip}"),
                expect,
            );
        }
        if let Some(address) = self.known.facts.api_server {
            let servers = &self.known.api_servers;
            let is_own = servers.iter().any(|ip| own.contains(ip))
                || (servers.is_empty() && self.known.nodes.len() == 1);
            let expect = if is_own {
                Expect::Either(OWN_NODE)
            } else if servers.is_empty() {
                Expect::Either(UNKNOWN_SERVER)
            } else {
                Expect::Denied
            };
            let target = Target::new(How::Connect, address.ip(), address.port());
            push(
                Path::ApiServer,
                Place::Outside,
                target,
                "API server".into(),
                expect,
            );
        }
        for node in self.used_nodes() {
            let is_own = self.node(client) == Some(node);
            let (place, expect) = if is_own {
                (Place::Same, Expect::Either(OWN_NODE))
            } else {
                (Place::Other, Expect::Denied)
            };
            for ip in first_of_each_family(self.addresses_of(Some(node))) {
                let target = Target::new(How::Connect, ip, KUBELET);
                push(
                    Path::Node,
                    place.clone(),
                    target,
                    format!("node {node}"),
                    expect,
                );
            }
        }
        let mut clouds: Vec<_> = self
            .known
            .nodes
            .iter()
            .filter_map(|node| node.cloud)
            .collect();
        clouds.sort_unstable();
        clouds.dedup();
        for row in metadata::distinct_addresses(&clouds) {
            let port = row.ports.first().copied().unwrap_or(80);
            if row.reachable_from_pod() {
                let target = Target::new(How::Connect, row.address, port);
                let to = format!("metadata service {}", row.address);
                push(Path::Metadata, Place::Outside, target, to, Expect::Denied);
            }
        }
    }

    fn internet(&self, claims: &mut Vec<Claim>, client: usize, control: usize) {
        for (name, address) in &self.options.internet {
            let target = Target::new(How::Connect, address.ip(), address.port());
            let claim = outside(
                (client, control),
                Path::Internet,
                Place::Outside,
                target,
                name.clone(),
                Expect::Denied,
            );
            claims.push(Claim {
                is_required: true,
                ..claim
            });
        }
    }
}

fn outside(
    (client, control): (usize, usize),
    path: Path,
    place: Place,
    target: Target,
    to: String,
    expect: Expect,
) -> Claim {
    let ask = |actor| Ask {
        actor,
        target,
        by: None,
    };
    Claim {
        direction: Direction::Egress,
        path,
        place,
        to,
        control: ask(control),
        treatment: ask(client),
        allowed: None,
        expect,
        is_required: false,
    }
}

fn first_of_each_family(ips: &[IpAddr]) -> Vec<IpAddr> {
    let v4 = ips.iter().find(|ip| ip.is_ipv4());
    let v6 = ips.iter().find(|ip| ip.is_ipv6());
    v4.into_iter().chain(v6).copied().collect()
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
