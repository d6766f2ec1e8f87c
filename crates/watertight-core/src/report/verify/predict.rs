//! Connections between pods of a cluster with what is predicted for them: what `verify --real` tries.
//!
//! INVARIANT: the same cluster and the same number give the same sample, and it says of how many it is one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use crate::engine::Profile;
use crate::eval::{Connection, Evaluator, Party};
use crate::facts::metadata::Cloud;
use crate::report::Evidence;
use crate::report::build::evidence;
use crate::rules::Context;
use crate::sets::Protocol;
use crate::source::Sources;
use crate::world::{Endpoint, EndpointId, Lifecycle, World};

/// A connection that can be tried.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// The namespace of the pod that connects.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The address of the other one.
    pub address: IpAddr,
    /// A TCP port that it declares.
    pub port: u16,
    /// Whether it is allowed.
    pub allowed: bool,
    /// Whether the prediction is sure.
    pub is_sure: bool,
    /// What decides it.
    pub evidence: Evidence,
}

/// Some of all connections.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What to try.
    pub connections: Vec<Predicted>,
    /// How many there are.
    pub total: usize,
}

/// Connections from pods, of one namespace or all, to TCP ports that pods declare; at most so many of them,
/// spread over all by a fixed step.
#[must_use]
pub fn predict(
    sources: &Sources,
    eval: &Evaluator<'_>,
    profile: &Profile,
    namespace: Option<&str>,
    most: Option<usize>,
) -> Sample {
    let world = eval.world;
    let is_there = |endpoint: &Endpoint| {
        endpoint.lifecycle == Lifecycle::Active
            && !endpoint.template
            && !endpoint.assumed
            && endpoint.host_network.is_none()
            && !endpoint.ips.is_empty()
    };
    let there: Vec<EndpointId> = world
        .endpoint_ids()
        .filter(|id| is_there(&world[*id]))
        .collect();
    let name_of = |id: EndpointId| &*world[world[id].namespace].name;
    let is_client = |id: &EndpointId| namespace.is_none_or(|namespace| name_of(*id) == namespace);
    let pairs = Pairs::new(world, &there, is_client);
    let total = pairs.total();
    let context = Context::new(sources, eval, profile, Cloud::ALL);
    let mut connections = Vec::new();
    for number in sampled(total, most) {
        let Some((from, to, port)) = pairs.get(number) else {
            continue;
        };
        let mut addresses = world[to].ips.iter();
        let Some(address) = addresses.find(|ip| Families::of(world, from).has(**ip)) else {
            continue;
        };
        let connection = Connection::new(
            Party::Endpoint(from),
            Party::Endpoint(to),
            Protocol::Tcp,
            port,
        );
        let verdict = eval.verdict(&connection);
        connections.push(Predicted {
            namespace: name_of(from).to_owned(),
            pod: world[from].name.to_string(),
            address: *address,
            port,
            allowed: verdict.allowed,
            is_sure: verdict.uncertain.is_none(),
            evidence: evidence(sources, &context.word(&connection, &verdict)),
        });
    }
    Sample { connections, total }
}

/// Address families that a pod has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Families {
    v4: bool,
    v6: bool,
}

impl Families {
    fn of(world: &World, id: EndpointId) -> Self {
        let ips = || world[id].ips.iter();
        Self {
            v4: ips().any(IpAddr::is_ipv4),
            v6: ips().any(IpAddr::is_ipv6),
        }
    }

    fn has(self, ip: IpAddr) -> bool {
        if ip.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// Clients with TCP ports of others that they have a way to, by their numbers and without a list of them all:
/// nobody tries itself.
struct Pairs {
    /// With the number behind its last pair.
    clients: Vec<(EndpointId, Families, usize)>,
    /// What a client of these families can dial, in the order of endpoints.
    servers: BTreeMap<Families, Vec<(EndpointId, u16)>>,
}

impl Pairs {
    fn new(world: &World, there: &[EndpointId], is_client: impl Fn(&EndpointId) -> bool) -> Self {
        let mut pairs = Self {
            clients: Vec::new(),
            servers: BTreeMap::new(),
        };
        let mut total = 0_usize;
        for id in there.iter().filter(|id| is_client(id)) {
            let families = Families::of(world, *id);
            let servers = pairs
                .servers
                .entry(families)
                .or_insert_with(|| servers(world, there, families));
            let own = own(servers, *id);
            total = total.saturating_add(servers.len() - own.len());
            pairs.clients.push((*id, families, total));
        }
        pairs
    }

    fn total(&self) -> usize {
        self.clients.last().map_or(0, |(_, _, end)| *end)
    }

    /// The pair of that number.
    fn get(&self, number: usize) -> Option<(EndpointId, EndpointId, u16)> {
        let at = self.clients.partition_point(|(_, _, end)| *end <= number);
        let start = at
            .checked_sub(1)
            .and_then(|before| self.clients.get(before))
            .map_or(0, |(_, _, end)| *end);
        let (client, families, _) = self.clients.get(at)?;
        let servers = self.servers.get(families)?;
        let own = own(servers, *client);
        let mut place = number.checked_sub(start)?;
        if place >= own.start {
            place += own.len();
        }
        let (server, port) = servers.get(place)?;
        Some((*client, *server, *port))
    }
}

/// Each TCP port once that pods declare and that one of these families leads to.
fn servers(world: &World, there: &[EndpointId], families: Families) -> Vec<(EndpointId, u16)> {
    let is_reached = |id: &&EndpointId| world[**id].ips.iter().any(|ip| families.has(*ip));
    let ports = |id: &EndpointId| {
        let ports = world[*id].ports.iter();
        let ports = ports.filter(|port| port.protocol == Protocol::Tcp);
        let numbers: BTreeSet<u16> = ports.map(|port| port.number).collect();
        let id = *id;
        numbers.into_iter().map(move |number| (id, number))
    };
    there.iter().filter(is_reached).flat_map(ports).collect()
}

/// Where an endpoint's own ports stand.
fn own(servers: &[(EndpointId, u16)], id: EndpointId) -> Range<usize> {
    let start = servers.partition_point(|(server, _)| *server < id);
    let end = servers.partition_point(|(server, _)| *server <= id);
    start..end
}

/// So many numbers below `total`, each once, in an order that jumps about.
fn sampled(total: usize, most: Option<usize>) -> Vec<usize> {
    let wanted = most.unwrap_or(total).min(total);
    if wanted == total {
        return (0..total).collect();
    }
    // A step near the golden section of the whole, without a common divisor: no number comes twice.
    let mut step = total.saturating_mul(618) / 1000;
    while step == 0 || divisor(step, total) != 1 {
        step += 1;
    }
    let mut numbers: Vec<usize> = (0..wanted)
        .scan(0_usize, |at, _| {
            let now = *at;
            *at = (now + step) % total;
            Some(now)
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

/// The greatest common one.
fn divisor(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a.checked_rem(b).unwrap_or_default());
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Options;
    use crate::world::{self, Assume};

    #[test]
    fn nobody_tries_itself_and_every_other_pair_has_a_number() {
        let pod = |name: &str, ip: &str, ports: &str| {
            format!(
                "{{kind: Pod, apiVersion: v1, metadata: {{name: {name}, namespace: shop}}, spec: {{nodeName: a, \
                 containers: [{{name: c, image: c, ports: [{ports}]}}]}}, status: {{phase: Running, podIP: \"{ip}\", \
                 podIPs: [{{ip: \"{ip}\"}}]}}}}\n---\n"
            )
        };
        let text = [
            pod(
                "api",
                "10.0.0.1",
                "{containerPort: 80}, {containerPort: 80, name: again}",
            ),
            pod(
                "db",
                "10.0.0.2",
                "{containerPort: 5432}, {containerPort: 53, protocol: UDP}",
            ),
            pod("job", "10.0.0.3", ""),
            pod("six", "fd00::4", "{containerPort: 443}"),
        ];
        let mut sources = Sources::new();
        sources.add_text("pods.yaml", text.concat()).unwrap();
        let assume = Assume {
            dns: false,
            ..Assume::default()
        };
        let world = world::read(&sources, &Options::default(), &assume, None).0;
        let there: Vec<EndpointId> = world.endpoint_ids().collect();
        let pairs = Pairs::new(&world, &there, |_| true);
        let spelled: Vec<String> = (0..pairs.total() + 1)
            .map_while(|number| pairs.get(number))
            .map(|(from, to, port)| format!("{} -> {}:{port}", world[from].name, world[to].name))
            .collect();
        assert_eq!(
            spelled,
            [
                "api -> db:5432",
                "db -> api:80",
                "job -> api:80",
                "job -> db:5432"
            ]
        );
        assert_eq!(pairs.total(), 4);
    }

    #[test]
    fn a_sample_has_no_number_twice_and_is_spread() {
        for (total, most) in [
            (1, 1),
            (7, 3),
            (100, 10),
            (1000, 999),
            (10, 20),
            (0, 5),
            (2, 1),
        ] {
            let numbers = sampled(total, Some(most));
            let distinct: BTreeSet<_> = numbers.iter().copied().collect();
            assert_eq!(numbers.len(), most.min(total));
            assert_eq!(distinct.len(), numbers.len(), "{total} {most}");
            assert!(numbers.iter().all(|number| *number < total));
        }
        let numbers = sampled(1000, Some(10));
        assert!(
            numbers.iter().any(|number| *number < 200)
                && numbers.iter().any(|number| *number > 800)
        );
        assert_eq!(sampled(4, None), [0, 1, 2, 3]);
    }
}
