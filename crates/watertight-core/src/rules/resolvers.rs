//! The cluster's DNS as rules see it: who answers queries, and whether a pod gets through.
//!
//! Servers that no policy can tell apart are one class, so that asking costs the same on a cluster
//! with a DNS pod on every node. A node-local cache answers in place of the servers.
//!
//! INVARIANT: `State::Shut` is only said where the verdict on every server is a denial that no
//! unknown address could turn (M-1).

mod classes;
mod miss;
mod places;
mod traffic;
mod usual;

use std::net::IpAddr;

use rustc_hash::FxHashSet;

use super::{Context, Group, egress};
use crate::engine::{HostNetwork, IpBlockPods, NodeLocal, ServiceDnat};
use crate::eval::{Connection, Family, Party, Reason, ServiceAddress, Verdict};
use crate::facts::ranges::node_local_dns;
use crate::manifest::{Direction, WorkloadKind};
use crate::policy::{Action, EndpointSelector, NamespaceScope, Peer, PolicyRef};
use crate::sets::{IpBlock, Protocol};
use crate::world::{DnsServer, EndpointId, ServiceId, WorkloadId, World};

pub(super) use classes::Class;
pub(super) use miss::{Miss, Why};
pub(super) use traffic::{dns_rules, names_dns, takes_port};
pub(super) use usual::is_usual;

/// The cluster's DNS.
#[derive(Debug)]
pub(super) struct Resolvers {
    /// The servers.
    pub classes: Vec<Class>,
    /// The node-local caches on the host network.
    pub caches: Vec<EndpointId>,
    /// Node-local caches that are pods, to which the engine redirects queries.
    cache_pods: Vec<Class>,
    /// Whether the servers were assumed (M-2).
    pub assumed: bool,
    /// The DNS Service, if the servers are behind it.
    pub service: Option<ServiceId>,
    /// The DNS Service's addresses.
    pub service_ips: Vec<IpAddr>,
    /// Other pods that listen where DNS does.
    listeners: Vec<EndpointId>,
    members: FxHashSet<EndpointId>,
    /// A host-network cache on every node.
    cache_on_own_node: bool,
}

/// A connection with its verdict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub connection: Connection,
    pub verdict: Verdict,
}

/// Whether queries get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To every server, or to a cache in front of them.
    Open,
    /// To some servers only (K-80).
    Mixed,
    /// To none.
    Shut,
    /// No server is known for the protocol, or its address would decide.
    Unknown,
}

/// What came of asking the servers over one protocol.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub state: State,
    /// A server that answers.
    pub open: Option<Judged>,
    /// A server that does not; one that the client's own policies admit, if there is such.
    pub shut: Option<Judged>,
    /// The number of servers that answer.
    pub reached: usize,
    /// The number of servers.
    pub servers: usize,
}

impl Resolvers {
    /// The DNS of the world; none if there is none, or no policy that could concern it.
    pub(super) fn find(context: &Context<'_>) -> Option<Self> {
        let world = context.world;
        let tiers = Direction::BOTH.map(|direction| context.eval.ruleset.tiers(direction));
        let mut tiers = tiers.iter().flat_map(|tiers| tiers.iter());
        if tiers.all(|tier| tier.policies.is_empty()) {
            return None;
        }
        let servers = in_system_namespace(world, world.dns_servers());
        let caches = context.node_local_dns();
        if servers.is_empty() && caches.is_empty() {
            return None;
        }
        let members = servers
            .iter()
            .map(|server| server.endpoint)
            .chain(caches.iter().copied())
            .collect::<FxHashSet<_>>();
        let listens = |id: &EndpointId| {
            let mut ports = world[*id].ports.iter();
            ports.any(|port| matches!(port.number, 53 | 5353))
        };
        let listeners = world
            .endpoint_ids()
            .filter(|id| listens(id) && !members.contains(id))
            .collect();
        let on_host = |id: &EndpointId| world[*id].host_network.is_some();
        let (caches, pods): (Vec<_>, Vec<_>) = caches.into_iter().partition(on_host);
        let pods: Vec<_> = pods
            .into_iter()
            .map(|endpoint| DnsServer {
                endpoint,
                udp: Some(53),
                tcp: Some(53),
            })
            .collect();
        let service = world.dns_service().filter(|id| {
            let selected = world.selected_by(*id);
            servers
                .iter()
                .any(|server| selected.contains(&server.endpoint))
        });
        let cache_on_own_node = caches.iter().any(|id| {
            let daemon_set = |workload: WorkloadId| world[workload].kind == WorkloadKind::DaemonSet;
            world[*id].workload.is_some_and(daemon_set)
        });
        Some(Self {
            assumed: servers.iter().any(|server| world[server.endpoint].assumed),
            service,
            service_ips: service
                .map(|id| world[id].cluster_ips.clone())
                .unwrap_or_default(),
            listeners,
            members,
            classes: classes::classes(context, &servers),
            cache_pods: classes::classes(context, &pods),
            caches,
            cache_on_own_node,
        })
    }

    /// Whether an endpoint is a server or a cache itself: those ask elsewhere.
    pub(super) fn serves(&self, endpoint: EndpointId) -> bool {
        self.members.contains(&endpoint)
    }

    /// All servers and caches, in no order.
    pub(super) fn servers(&self) -> impl Iterator<Item = EndpointId> {
        self.members.iter().copied()
    }

    /// The first pod that a policy applies to, servers aside.
    pub(super) fn client_of(&self, context: &Context<'_>, at: PolicyRef) -> Option<EndpointId> {
        egress::clients(context, at).find(|id| !self.serves(*id))
    }

    /// Whether a policy restricts who may ask a server.
    pub(super) fn guarded(&self, context: &Context<'_>) -> bool {
        let restricts = |at: &PolicyRef| {
            let policy = &context.eval.ruleset[*at];
            let mut rules = policy.rules.iter();
            policy.isolates || rules.any(|rule| rule.action == Action::Deny)
        };
        let mut servers = self.classes.iter().map(|class| class.server.endpoint);
        servers.any(|id| {
            let mut policies = context.policies_of(id, Direction::Ingress).iter();
            policies.any(restricts)
        })
    }

    /// The connection to a server over a protocol, if it listens there.
    pub(super) fn query(
        &self,
        client: EndpointId,
        server: &DnsServer,
        protocol: Protocol,
    ) -> Option<Connection> {
        let port = listens(server, protocol)?;
        let (from, to) = (Party::Endpoint(client), Party::Endpoint(server.endpoint));
        let mut connection = Connection::new(from, to, protocol, port);
        connection.family = self.family();
        Some(connection)
    }

    /// The family of the address that is dialled, which is that of the queries.
    fn family(&self) -> Option<Family> {
        self.service_ips.first().map(|ip| Family::of(*ip))
    }

    /// Asks all servers and caches over a protocol.
    pub(super) fn ask(
        &self,
        context: &Context<'_>,
        client: EndpointId,
        protocol: Protocol,
    ) -> Asked {
        let mut asked = Asked {
            state: State::Unknown,
            open: None,
            shut: None,
            reached: 0,
            servers: 0,
        };
        let mut sure = true;
        for class in &self.classes {
            let Some(connection) = self.query(client, &class.server, protocol) else {
                continue;
            };
            let judged = self.judge(context, connection);
            let impossible = matches!(judged.verdict.reason, Reason::Impossible(..));
            if impossible || judged.verdict.uncertain.is_some() {
                sure = false;
                continue;
            }
            asked.servers += class.size;
            if judged.verdict.allowed {
                asked.reached += class.size;
                asked.open = asked.open.or(Some(judged));
            } else if asked.shut.is_none_or(|shut| {
                judged.verdict.egress.is_allowed() && !shut.verdict.egress.is_allowed()
            }) {
                asked.shut = Some(judged);
            }
        }
        asked.state = match (asked.reached, asked.servers) {
            _ if self.elsewhere(context, client, protocol) => State::Open,
            (reached, servers) if reached == servers && servers > 0 => State::Open,
            _ if !sure => State::Unknown,
            (0, 0) => State::Unknown,
            (0, _) => State::Shut,
            _ => State::Mixed,
        };
        asked
    }

    /// Whether every server answers all pods of a group, over every protocol that it speaks.
    ///
    /// A question about many, most of whom are well: it is put to rows, once for pods that no rule
    /// tells apart.
    pub(super) fn answer_all(&self, context: &Context<'_>, group: &Group, guarded: bool) -> bool {
        let reach = context.reach();
        let on_host = |class: &Class| context.world[class.server.endpoint].host_network.is_some();
        // On the node of such a server nobody asks its policies (K-73).
        let by_class = !self.classes.iter().any(on_host);
        let mut seen = FxHashSet::default();
        let mut clients = group.members.iter().copied().filter(|id| !self.serves(*id));
        let mut last = None;
        clients.all(|client| {
            let class = reach.class_of(client);
            let known = if guarded {
                by_class && (last == class || !seen.insert(class))
            } else {
                last.is_some()
            };
            last = class;
            known || self.all_answer(context, client)
        })
    }

    fn all_answer(&self, context: &Context<'_>, client: EndpointId) -> bool {
        let answers = |protocol| {
            let mut queries = self.classes.iter();
            queries.all(|class| {
                let query = self.query(client, &class.server, protocol);
                query.is_none_or(|query| context.allows(&query))
            })
        };
        let mut servers = self.classes.iter();
        servers.any(|class| listens(&class.server, Protocol::Udp).is_some())
            && answers(Protocol::Udp)
            && answers(Protocol::Tcp)
    }

    /// Judged as pod to pod; where policy sees the Service's address before translation, that may
    /// admit the query as well (K-79).
    fn judge(&self, context: &Context<'_>, connection: Connection) -> Judged {
        let verdict = context.eval.verdict(&connection);
        let pre = context.eval.switches.service_dnat == ServiceDnat::Pre;
        if let Some(ip) = self.service_ips.first().filter(|_| pre && !verdict.allowed) {
            let connection = Connection {
                service: Some(ServiceAddress { ip: *ip, port: 53 }),
                ..connection
            };
            let through = context.eval.verdict(&connection);
            if through.allowed {
                return Judged {
                    connection,
                    verdict: through,
                };
            }
        }
        Judged {
            connection,
            verdict,
        }
    }

    /// Whether something else than the servers answers: a cache, or where the servers are only
    /// assumed a place that other distributions are known to have DNS at.
    fn elsewhere(&self, context: &Context<'_>, client: EndpointId, protocol: Protocol) -> bool {
        let allows = |cache: EndpointId| {
            let (from, to) = (Party::Endpoint(client), Party::Endpoint(cache));
            context
                .eval
                .allows(&Connection::new(from, to, protocol, 53))
        };
        let mut pods = self.cache_pods.iter().map(|class| class.server.endpoint);
        pods.any(allows)
            || self.host_cache(context, client, protocol)
            || (self.assumed
                && context
                    .eval
                    .policies_of(client, Direction::Egress)
                    .iter()
                    .flat_map(|at| &context.eval.ruleset[*at].rules)
                    .any(|rule| usual::names_other_place(rule, protocol)))
    }

    /// Whether a cache on the host network answers.
    fn host_cache(&self, context: &Context<'_>, client: EndpointId, protocol: Protocol) -> bool {
        self.cache_is_exempt(context, client)
            || self
                .cache_queries(context, client, protocol)
                .any(|query| context.eval.allows(&query))
    }

    /// Whether a pod reaches the cache on its own node whatever the policies say (K-73).
    pub(super) fn cache_is_exempt(&self, context: &Context<'_>, client: EndpointId) -> bool {
        let node = context.world[client].node;
        let own = |id: &EndpointId| node.is_some() && context.world[*id].node == node;
        context.eval.switches.node_local == NodeLocal::ExemptBoth
            && (self.cache_on_own_node || self.caches.iter().any(own))
    }

    /// The connections of which a cache on the host network answers one, the likeliest first.
    pub(super) fn cache_queries(
        &self,
        context: &Context<'_>,
        client: EndpointId,
        protocol: Protocol,
    ) -> impl Iterator<Item = Connection> {
        let by_address = context.eval.switches.ipblock_nodes && !self.caches.is_empty();
        let known = node_local_dns().iter().map(|cache| cache.address);
        // In its iptables mode the cache answers on the Service's address.
        let addresses = known
            .chain(self.service_ips.iter().copied())
            .filter(move |_| by_address)
            .map(Party::Address);
        // L-45: where no block matches what is on a node, only a rule for any peer can.
        let cache = self.caches.first().copied().filter(move |_| !by_address);
        addresses
            .chain(cache.map(Party::Endpoint))
            .map(move |to| Connection::new(Party::Endpoint(client), to, protocol, 53))
    }

    /// The note that findings carry where the servers were assumed.
    pub(super) fn assumption(&self) -> Option<&'static str> {
        self.assumed.then_some(
            "the input has no cluster DNS; pods labelled `k8s-app=kube-dns` in `kube-system` that \
             listen on port 53 are assumed (M-2)",
        )
    }

    /// Whether selectors can match a server (K-72).
    pub(super) fn selectable(&self, context: &Context<'_>, server: EndpointId) -> bool {
        context.world[server].host_network.is_none()
            || context.eval.switches.host_network == HostNetwork::PodLabels
    }

    /// Whether a peer takes in a server.
    pub(super) fn admits(&self, context: &Context<'_>, peer: &Peer, server: EndpointId) -> bool {
        let endpoint = &context.world[server];
        match peer {
            Peer::Any => true,
            Peer::Endpoints(selector, _) => {
                self.selectable(context, server) && has_labels(context.world, selector, server)
            }
            Peer::Block(block, _) => {
                let switches = &context.eval.switches;
                let judged = match endpoint.host_network {
                    Some(_) => switches.ipblock_nodes,
                    None => switches.ipblock_pods == IpBlockPods::Match,
                };
                judged && covers(context.world, block, &endpoint.ips, self.family())
            }
            // Other languages are asked by verdicts alone.
            _ => false,
        }
    }
}

/// The port that a server has for a protocol.
pub(super) fn listens(server: &DnsServer, protocol: Protocol) -> Option<u16> {
    match protocol {
        Protocol::Udp => server.udp,
        Protocol::Tcp => server.tcp,
        Protocol::Sctp | Protocol::Icmp => None,
    }
}

/// Whether the labels of an endpoint and its namespace are those that a selector asks for, be the
/// endpoint selectable or not.
pub(super) fn has_labels(world: &World, selector: &EndpointSelector, id: EndpointId) -> bool {
    let namespace = world[id].namespace;
    let in_scope = match &selector.namespaces {
        NamespaceScope::Only(only) => namespace == *only,
        NamespaceScope::Matching(labels) => {
            labels.matches(|key| world.namespace_label(namespace, key))
        }
    };
    in_scope && selector.pods.matches(|key| world.label(id, key))
}

/// Whether a block takes in an address; where none is known, all addresses it may be (M-1).
fn covers(world: &World, block: &IpBlock, ips: &[IpAddr], family: Option<Family>) -> bool {
    let asked = |ip: IpAddr| family.is_none_or(|family| Family::of(ip) == family);
    if ips.is_empty() {
        let mut ranges = world.assumed.pod_cidrs.iter();
        return ranges.any(|range| asked(range.addr()) && block.contains_all(*range));
    }
    ips.iter().any(|ip| asked(*ip) && block.contains(*ip))
}

/// Of servers in several namespaces, those of the system: the others serve somebody else.
fn in_system_namespace(world: &World, servers: Vec<DnsServer>) -> Vec<DnsServer> {
    let in_system = |server: &DnsServer| {
        let namespace = &world[world[server.endpoint].namespace];
        matches!(&*namespace.name, "kube-system" | "openshift-dns")
    };
    if servers.iter().any(in_system) {
        servers.into_iter().filter(in_system).collect()
    } else {
        servers
    }
}
