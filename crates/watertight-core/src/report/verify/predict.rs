//! Connections between pods of a cluster with what is predicted for them: what `verify --real` tries.
//!
//! INVARIANT: the same cluster and the same number give the same sample, and it says of how many it is one.

use std::net::IpAddr;

use crate::engine::Profile;
use crate::eval::{Connection, Evaluator, Party};
use crate::facts::metadata::Cloud;
use crate::report::Evidence;
use crate::report::build::evidence;
use crate::rules::Context;
use crate::sets::Protocol;
use crate::source::Sources;
use crate::world::{Endpoint, EndpointId, Lifecycle};

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
    let sources_of = there.iter().copied();
    let clients: Vec<EndpointId> = sources_of
        .filter(|id| namespace.is_none_or(|namespace| name_of(*id) == namespace))
        .collect();
    let servers: Vec<(EndpointId, u16)> = there
        .iter()
        .flat_map(|id| {
            let ports = world[*id].ports.iter();
            let ports = ports.filter(|port| port.protocol == Protocol::Tcp);
            ports.map(|port| (*id, port.number))
        })
        .collect();
    let total = clients.len().saturating_mul(servers.len());
    let context = Context::new(sources, eval, profile, Cloud::ALL);
    let mut connections = Vec::new();
    for number in sampled(total, most) {
        let ends = number
            .checked_div(servers.len())
            .and_then(|at| clients.get(at))
            .zip(
                number
                    .checked_rem(servers.len())
                    .and_then(|at| servers.get(at)),
            );
        let Some((from, (to, port))) = ends else {
            continue;
        };
        let same = |ip: &&IpAddr| {
            world[*from]
                .ips
                .iter()
                .any(|own| own.is_ipv4() == ip.is_ipv4())
        };
        let Some(address) = world[*to].ips.iter().find(same) else {
            continue;
        };
        if from == to {
            continue;
        }
        let connection = Connection::new(
            Party::Endpoint(*from),
            Party::Endpoint(*to),
            Protocol::Tcp,
            *port,
        );
        let verdict = eval.verdict(&connection);
        connections.push(Predicted {
            namespace: name_of(*from).to_owned(),
            pod: world[*from].name.to_string(),
            address: *address,
            port: *port,
            allowed: verdict.allowed,
            is_sure: verdict.uncertain.is_none(),
            evidence: evidence(sources, &context.word(&connection, &verdict)),
        });
    }
    Sample { connections, total }
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
    use std::collections::BTreeSet;

    use super::*;

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
