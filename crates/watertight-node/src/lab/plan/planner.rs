//! The order in which a plan is made: nodes, then pods, then Services, then what is outside. Whoever comes
//! first keeps an address that two claim.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use watertight_core::engine::ServiceDnat;
use watertight_core::world::{EndpointId, Lifecycle, NodeId, Service, ServiceId, World};

use super::ranges::{
    Hosts, NODES_V4, NODES_V6, PODS_V4, PODS_V6, SERVICES_V4, SERVICES_V6, Taken, unusable,
};
use super::{Families, LeftOut, MOST_NODES, NODES, Node, Options, Plan, Pod, check};
use crate::lab::Error;

pub(super) struct Planner<'w> {
    pub(super) world: &'w mut World,
    pub(super) families: Families,
    pub(super) taken: Taken,
    pub(super) plan: Plan,
}

impl<'w> Planner<'w> {
    pub(super) fn new(world: &'w mut World, families: Families, avoid: &[IpNet]) -> Self {
        Self {
            families,
            taken: Taken::of(world, avoid),
            plan: Plan::default(),
            world,
        }
    }

    pub(super) fn plan(mut self, options: &Options) -> Result<Plan, Error> {
        self.nodes(options.nodes)?;
        self.pods()?;
        self.services(options.service_dnat)?;
        self.outside(options);
        self.plan.dns = self.dns();
        Ok(self.plan)
    }

    fn dns(&self) -> Vec<IpAddr> {
        let service = self.world.dns_service();
        let of_service = service.map(|id| self.world[id].cluster_ips.clone());
        if let Some(ips) = of_service.filter(|ips| !ips.is_empty()) {
            return ips;
        }
        let servers = self.world.dns_servers().into_iter();
        servers
            .flat_map(|server| self.world[server.endpoint].ips.to_vec())
            .collect()
    }

    /// A range for each family, chosen among candidates.
    fn ranges(&self, v4: &[&str], v6: &[&str]) -> Vec<IpNet> {
        let both = [(self.families.v4, v4), (self.families.v6, v6)];
        let wanted = both.into_iter().filter(|(wanted, _)| *wanted);
        wanted
            .filter_map(|(_, candidates)| self.taken.choose(candidates))
            .collect()
    }

    /// One address of each of some ranges.
    fn take(&mut self, hosts: &mut [(IpNet, Hosts)], whom: &str) -> Result<Vec<IpAddr>, Error> {
        let mut ips = Vec::with_capacity(hosts.len());
        for (range, hosts) in hosts {
            let ip = hosts
                .take(&mut self.taken)
                .ok_or_else(|| Error::NoAddress {
                    whom: whom.into(),
                    range: range.to_string().into(),
                })?;
            ips.push(ip);
        }
        Ok(ips)
    }

    pub(super) fn leave_out(&mut self, name: &str, endpoint: Option<EndpointId>, reason: String) {
        self.plan.left_out.push(LeftOut {
            name: name.into(),
            endpoint,
            reason: reason.into(),
        });
    }

    fn nodes(&mut self, at_least: Option<usize>) -> Result<(), Error> {
        let known = self.world.nodes.len();
        let at_least = at_least.unwrap_or(if known == 0 { NODES } else { 1 });
        check("nodes", known.max(at_least), MOST_NODES)?;
        let mut number = 0;
        while self.world.nodes.len() < at_least {
            number += 1;
            let name = format!("node-{number}");
            if self.world.node(&name).is_none() {
                let id = self.world.add_node(&name, Vec::new().into());
                self.plan.made_up.nodes.push(id);
            }
        }
        let ranges = self.ranges(NODES_V4, NODES_V6);
        let mut hosts: Vec<_> = ranges
            .into_iter()
            .map(|net| (net, Hosts::new(net, 2)))
            .collect();
        let mut owners: BTreeMap<IpAddr, Box<str>> = BTreeMap::new();
        for id in self.world.node_ids() {
            let name = self.world[id].name.clone();
            let mut ips = Vec::new();
            let given = self.world[id].ips.clone();
            for ip in given.iter().copied() {
                if !self.families.include(ip) || ips.contains(&ip) {
                    continue;
                }
                let refused = match (unusable(ip), owners.get(&ip)) {
                    (Some(why), _) => format!("address {ip} {why}"),
                    (None, Some(owner)) => format!("address {ip} belongs to node {owner} as well"),
                    (None, None) => {
                        owners.insert(ip, name.clone());
                        ips.push(ip);
                        continue;
                    }
                };
                self.leave_out(&format!("node {name}"), None, refused);
            }
            if ips.is_empty() {
                ips = self.take(&mut hosts, &name)?;
                self.plan.made_up.addresses += 1;
            }
            self.world.set_node_ips(id, ips.clone().into());
            self.plan.nodes.push(Node { id, name, ips });
        }
        Ok(())
    }

    fn pods(&mut self) -> Result<(), Error> {
        self.plan.pod_ranges = self.ranges(PODS_V4, PODS_V6);
        let mut subnets = Subnets {
            ranges: self.plan.pod_ranges.clone(),
            hosts: BTreeMap::new(),
            next: self.plan.nodes.len(),
        };
        // Those whose node is known fill it; the others then go where there is most room.
        let mut load: Vec<(usize, NodeId)> = Vec::new();
        load.extend(self.plan.nodes.iter().map(|node| (0, node.id)));
        for id in self.world.endpoint_ids() {
            let node = self.world[id]
                .node
                .and_then(|node| load.get_mut(node.index()));
            if let Some((count, _)) = node.filter(|_| self.world[id].lifecycle == Lifecycle::Active)
            {
                *count += 1;
            }
        }
        let ids: Vec<_> = self.world.endpoint_ids().collect();
        for id in ids {
            let name = self.world.endpoint_name(id);
            let given = match self.given(id) {
                Ok(given) => given,
                Err(reason) => {
                    self.leave_out(&name, Some(id), reason);
                    if self.world[id].lifecycle == Lifecycle::Active {
                        self.world.remove_endpoint(id);
                    }
                    continue;
                }
            };
            if self.world[id].template && !self.world[id].assumed {
                self.plan.made_up.templates.push(id);
            }
            let node = match self.world[id].node {
                Some(node) => node,
                None => match load.iter_mut().min() {
                    Some((count, node)) => {
                        *count += 1;
                        self.plan.made_up.placed += 1;
                        *node
                    }
                    None => continue,
                },
            };
            if self.world[id].host_network.is_some() {
                self.world.place(id, node, Vec::new().into());
                self.plan.on_host.insert(id, node);
                self.plan.host_names.insert(id, name.into());
                continue;
            }
            let ips = if given.is_empty() {
                self.plan.made_up.addresses += 1;
                subnets.take(self, node, &name)?
            } else {
                given
            };
            self.world.place(id, node, ips.clone().into());
            let name = name.into();
            self.plan.pods.push(Pod {
                id,
                name,
                node,
                ips,
            });
        }
        Ok(())
    }

    /// The addresses that the input gives an endpoint; or else why it cannot be in the lab.
    fn given(&self, id: EndpointId) -> Result<Vec<IpAddr>, String> {
        let endpoint = &self.world[id];
        match endpoint.lifecycle {
            Lifecycle::Finished => return Err("has finished".into()),
            Lifecycle::NoAddress => return Err("has no address yet".into()),
            Lifecycle::Active => {}
        }
        if endpoint.host_network.is_some() || endpoint.ips.is_empty() {
            return Ok(Vec::new());
        }
        let mut given = Vec::new();
        for ip in endpoint.ips.iter().copied() {
            if let Some(why) = unusable(ip) {
                return Err(format!("has the address {ip}, which {why}"));
            }
            if let Some(node) = self.world.node_at(ip) {
                let node = &self.world[node].name;
                return Err(format!("has the address {ip} of node {node}"));
            }
            match self.world.endpoint_at(ip) {
                Some(other) if other != id => {
                    let other = self.world.endpoint_name(other);
                    return Err(format!("has the address {ip} of {other}"));
                }
                _ => given.push(ip),
            }
        }
        given.retain(|ip| self.families.include(*ip));
        if given.is_empty() {
            return Err("has no address of a family that the lab has".into());
        }
        Ok(given)
    }

    fn services(&mut self, dnat: ServiceDnat) -> Result<(), Error> {
        let ranges = self.ranges(SERVICES_V4, SERVICES_V6);
        let mut hosts: Vec<_> = ranges
            .into_iter()
            .map(|net| (net, Hosts::new(net, 1)))
            .collect();
        let mut owners: BTreeMap<IpAddr, ServiceId> = BTreeMap::new();
        for id in self.world.service_ids() {
            let service = &self.world[id];
            let name = self.service_name(id);
            let given = service.cluster_ips.clone();
            if let Some(reason) = not_dialled(service) {
                self.leave_out(&name, None, reason.into());
                continue;
            }
            let mut ips = Vec::new();
            let families = self.families;
            for ip in given.iter().copied().filter(|ip| families.include(*ip)) {
                let taken =
                    self.world.endpoint_at(ip).is_some() || self.world.node_at(ip).is_some();
                let refused = match unusable(ip) {
                    Some(why) => format!("address {ip} {why}"),
                    None if taken || owners.contains_key(&ip) => {
                        format!("address {ip} belongs to somebody else as well")
                    }
                    None => {
                        owners.insert(ip, id);
                        ips.push(ip);
                        continue;
                    }
                };
                self.leave_out(&name, None, refused);
            }
            if given.is_empty() {
                ips = self.take(&mut hosts, &name)?;
                self.plan.made_up.addresses += 1;
            } else if !given.iter().any(|ip| families.include(*ip)) {
                let reason = "has no address of a family that the lab has";
                self.leave_out(&name, None, reason.into());
            }
            self.world.set_cluster_ips(id, ips);
        }
        match dnat {
            ServiceDnat::Post => self.publish(),
            ServiceDnat::Pre => self.unpublish(),
        }
        Ok(())
    }

    /// `Service shop/web`
    pub(super) fn service_name(&self, id: ServiceId) -> String {
        let service = &self.world[id];
        let namespace = &self.world[service.namespace].name;
        format!("Service {namespace}/{}", service.name)
    }
}

/// Why nobody can dial a Service, as a sentence without its subject.
pub(super) fn not_dialled(service: &Service) -> Option<&'static str> {
    if service.kind.as_deref() == Some("ExternalName") {
        Some("is an alias of a name outside of the cluster (ExternalName)")
    } else if service.headless {
        Some("is headless: it has no address of its own, and its pods are dialled by theirs")
    } else if service.ports.is_empty() {
        Some("has no ports")
    } else {
        None
    }
}

/// The ranges of nodes, from which their pods get addresses: 254 of IPv4 each, and one more range for a node
/// that needs more.
struct Subnets {
    ranges: Vec<IpNet>,
    hosts: BTreeMap<NodeId, Vec<(IpNet, Hosts)>>,
    /// The first that is nobody's.
    next: usize,
}

impl Subnets {
    fn take(
        &mut self,
        planner: &mut Planner<'_>,
        node: NodeId,
        whom: &str,
    ) -> Result<Vec<IpAddr>, Error> {
        let ranges = &self.ranges;
        let hosts = self
            .hosts
            .entry(node)
            .or_insert_with(|| subnets(ranges, node.index()));
        match planner.take(hosts, whom) {
            Err(Error::NoAddress { .. }) => {
                *hosts = subnets(ranges, self.next);
                self.next += 1;
                planner.take(hosts, whom)
            }
            taken => taken,
        }
    }
}

/// The part of each range with a number: a /24, or a /64.
fn subnets(ranges: &[IpNet], number: usize) -> Vec<(IpNet, Hosts)> {
    let part = |range: &IpNet| {
        let length = match range {
            IpNet::V4(_) => 24,
            IpNet::V6(_) => 64,
        };
        let part = range.subnets(length).ok()?.nth(number)?;
        Some((part, Hosts::new(part, 2)))
    };
    ranges.iter().filter_map(part).collect()
}
