//! Who takes part.

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use watertight_core::engine::ServiceDnat;
use watertight_core::eval::{Evaluator, Family, Party as Meant};
use watertight_core::world::{Backend, EndpointId, ServiceId};

use crate::lab::{Place, Plan};

/// One end.
#[derive(Clone, Debug)]
pub struct Party {
    /// `namespace/name`, `node:NAME`, `ip:ADDRESS`, or `namespace/svc/name`.
    pub name: Arc<str>,
    /// `pod`, `host-pod`, `node`, `outside`, `service`, or `balancer`: an outer address of a Service.
    pub kind: &'static str,
    /// Whom the evaluator is asked about.
    pub meant: Meant,
    /// Where its sockets are.
    pub place: Place,
    /// What listeners there answer with: what shares a namespace and an address cannot be told apart.
    pub host: Arc<str>,
    /// Its addresses, at most one a family.
    pub ips: Vec<IpAddr>,
}

impl Party {
    /// Its address of a family.
    pub(super) fn ip(&self, family: Family) -> Option<IpAddr> {
        self.ips
            .iter()
            .copied()
            .find(|ip| Family::of(*ip) == family)
    }

    /// Whether it is an address that nobody has, because nodes translate it.
    pub fn is_service(&self) -> bool {
        matches!(self.kind, "service" | "balancer")
    }
}

/// Parties by what backends of Services are known by.
#[derive(Debug, Default)]
pub(super) struct Index {
    endpoints: FxHashMap<EndpointId, usize>,
    addresses: FxHashMap<IpAddr, usize>,
}

impl Index {
    pub(super) fn of(parties: &[Party]) -> Self {
        let mut index = Self::default();
        for (at, party) in parties.iter().enumerate() {
            if let Meant::Endpoint(id) = party.meant {
                index.endpoints.entry(id).or_insert(at);
            }
            for ip in party.ips.iter().filter(|_| !party.is_service()) {
                index.addresses.entry(*ip).or_insert(at);
            }
        }
        index
    }

    pub(super) fn backend(&self, backend: Backend) -> Option<usize> {
        match backend {
            Backend::Endpoint(id, _) => self.endpoints.get(&id).copied(),
            Backend::Address(ip, _) => self.addresses.get(&ip).copied(),
        }
    }
}

/// Services that can be dialled, as parties.
pub(super) fn services(eval: &Evaluator<'_>, parties: &mut Vec<Party>) -> Vec<(usize, ServiceId)> {
    // Engines that judge before translation would need a table that does.
    if eval.switches.service_dnat == ServiceDnat::Pre {
        return Vec::new();
    }
    let mut found = Vec::new();
    for id in eval.world.service_ids() {
        let service = &eval.world[id];
        // The evaluator is asked about the first address.
        let Some(ip) = service.cluster_ips.first().copied() else {
            continue;
        };
        let namespace = &eval.world[service.namespace].name;
        let name: Arc<str> = format!("{namespace}/svc/{}", service.name).into();
        found.push((parties.len(), id));
        parties.push(Party {
            host: Arc::clone(&name),
            name,
            kind: "service",
            meant: Meant::Address(ip),
            place: Place::World,
            ips: vec![ip],
        });
    }
    found
}

/// Outer addresses of Services as parties.
pub(super) fn balancers(eval: &Evaluator<'_>, parties: &mut Vec<Party>) -> Vec<(usize, ServiceId)> {
    let mut found = Vec::new();
    if eval.switches.service_dnat == ServiceDnat::Pre {
        return found;
    }
    for id in eval.world.service_ids() {
        let service = &eval.world[id];
        let namespace = &eval.world[service.namespace].name;
        for ip in &service.published.ips {
            found.push((parties.len(), id));
            parties.push(Party {
                host: format!("Service {namespace}/{}", service.name).into(),
                name: format!("ip:{ip}").into(),
                kind: "balancer",
                meant: Meant::Address(*ip),
                place: Place::World,
                ips: vec![*ip],
            });
        }
    }
    found
}

/// Everybody but Services.
#[must_use]
pub fn parties(plan: &Plan, eval: &Evaluator<'_>) -> Vec<Party> {
    let one_a_family = |ips: &[IpAddr]| -> Vec<IpAddr> {
        let of = |family| ips.iter().copied().find(|ip| Family::of(*ip) == family);
        Family::BOTH.into_iter().filter_map(of).collect()
    };
    let mut parties = Vec::new();
    for pod in &plan.pods {
        let name: Arc<str> = Arc::from(&*pod.name);
        parties.push(Party {
            host: Arc::clone(&name),
            name,
            kind: "pod",
            meant: Meant::Endpoint(pod.id),
            place: Place::Pod(pod.id),
            ips: one_a_family(&pod.ips),
        });
    }
    for node in &plan.nodes {
        let name: Arc<str> = format!("node:{}", node.name).into();
        let ips = one_a_family(&node.ips);
        parties.push(Party {
            host: Arc::clone(&name),
            name: Arc::clone(&name),
            kind: "node",
            meant: Meant::Node(node.id),
            place: Place::Node(node.id),
            ips: ips.clone(),
        });
        for (id, _) in plan.on_host.iter().filter(|(_, on)| **on == node.id) {
            parties.push(Party {
                name: eval.world.endpoint_name(*id).into(),
                kind: "host-pod",
                meant: Meant::Endpoint(*id),
                place: Place::Node(node.id),
                host: Arc::clone(&name),
                ips: ips.clone(),
            });
        }
    }
    for outside in &plan.outside {
        let name: Arc<str> = format!("ip:{}", outside.ip).into();
        parties.push(Party {
            name,
            kind: "outside",
            meant: Meant::Address(outside.ip),
            place: Place::World,
            // All outside addresses are in one namespace.
            host: "world".into(),
            ips: vec![outside.ip],
        });
    }
    parties
}
