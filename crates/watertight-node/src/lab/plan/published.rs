//! Where Services are dialled from outside of the cluster: a port on every node, and outer addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use watertight_core::sets::Protocol;
use watertight_core::world::{Backend, NodeId, Service, ServiceId};

use super::planner::{Planner, not_dialled};
use super::ranges::unusable;

/// Ports on nodes that are made up, as a cluster would give them.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// Why nothing is built for an engine that judges before translation.
const NOT_BUILT: &str = "not built: the engine judges Services before they are translated (service_dnat=pre), and \
                         nodes of the lab translate first";

/// Whether a Service has ports on nodes.
fn is_published(service: &Service) -> bool {
    matches!(service.kind.as_deref(), Some("NodePort" | "LoadBalancer"))
}

impl Planner<'_> {
    /// Gives Services the ports on nodes that they have no number for, and keeps outer addresses that are theirs
    /// alone.
    pub(super) fn publish(&mut self) {
        let ids: Vec<ServiceId> = self.world.service_ids().collect();
        self.node_ports(&ids);
        let mut owners: BTreeMap<IpAddr, ServiceId> = BTreeMap::new();
        for id in ids {
            let service = &self.world[id];
            if not_dialled(service).is_some() {
                self.world.set_published_ips(id, Vec::new());
                continue;
            }
            let name = self.service_name(id);
            let (given, restricted) = (service.published.ips.clone(), service.published.restricted);
            if given.is_empty() && service.kind.as_deref() == Some("LoadBalancer") {
                let reason = match service.ports.iter().any(|port| port.node_port.is_some()) {
                    true => {
                        "has no address in the input; its node ports and its cluster address are built"
                    }
                    false => "has no address in the input; its cluster address is built",
                };
                self.leave_out(&format!("the load balancer of {name}"), None, reason.into());
            }
            let mut ips = Vec::new();
            for ip in given {
                let reason = match (unusable(ip), self.is_taken(ip) || owners.contains_key(&ip)) {
                    _ if !self.families.include(ip) => {
                        "is of a family that the lab does not have".to_owned()
                    }
                    _ if restricted => {
                        "admits some clients only (loadBalancerSourceRanges), which is not built"
                            .to_owned()
                    }
                    (Some(why), _) => why.to_owned(),
                    (None, true) => "belongs to somebody else as well".to_owned(),
                    (None, false) => {
                        owners.insert(ip, id);
                        ips.push(ip);
                        continue;
                    }
                };
                self.leave_out(&format!("address {ip} of {name}"), None, reason);
            }
            self.world.set_published_ips(id, ips.clone());
            for ip in ips {
                let node = self.entry(id, ip);
                self.plan.entries.extend(node.map(|node| (ip, node)));
            }
        }
    }

    /// Takes node ports and outer addresses away from all Services, for engines that judge before translation: nodes
    /// of a lab translate first, and nothing can be predicted of what is dialled there.
    pub(super) fn unpublish(&mut self) {
        let ids: Vec<ServiceId> = self.world.service_ids().collect();
        for id in ids {
            let service = &self.world[id];
            let ips = service.published.ips.clone();
            let ports = service.ports.len();
            if not_dialled(service).is_none() {
                let name = self.service_name(id);
                if is_published(service) {
                    self.leave_out(
                        &format!("node ports of {name}"),
                        None,
                        format!("are {NOT_BUILT}"),
                    );
                }
                if ips.is_empty() && self.world[id].kind.as_deref() == Some("LoadBalancer") {
                    let reason = "has no address in the input; its cluster address is built";
                    self.leave_out(&format!("the load balancer of {name}"), None, reason.into());
                }
                for ip in ips {
                    self.leave_out(
                        &format!("address {ip} of {name}"),
                        None,
                        format!("is {NOT_BUILT}"),
                    );
                }
            }
            self.world.set_published_ips(id, Vec::new());
            for at in 0..ports {
                self.world.set_node_port(id, at, None);
            }
        }
    }

    fn is_taken(&self, ip: IpAddr) -> bool {
        let mut services = self.world.services.iter();
        self.world.endpoint_at(ip).is_some()
            || self.world.node_at(ip).is_some()
            || services.any(|service| service.cluster_ips.contains(&ip))
    }

    /// The node that announces an outer address of a Service: one with an address of the family, and with
    /// `externalTrafficPolicy: Local`, one that has a pod of it.
    fn entry(&self, id: ServiceId, ip: IpAddr) -> Option<NodeId> {
        let nodes = self.plan.nodes.iter();
        let able = nodes.filter(|node| node.ips.iter().any(|own| own.is_ipv4() == ip.is_ipv4()));
        let able: Vec<NodeId> = able.map(|node| node.id).collect();
        let first = able.first().copied();
        let service = &self.world[id];
        if !service.published.local {
            return first;
        }
        let ports = service.ports.iter();
        let backends = ports.flat_map(|port| self.world.backends(id, port.port, port.protocol));
        let nodes = backends.filter_map(|backend| match backend {
            Backend::Endpoint(pod, _) => self.world[pod].node,
            Backend::Address(..) => None,
        });
        nodes.filter(|node| able.contains(node)).min().or(first)
    }

    fn node_ports(&mut self, ids: &[ServiceId]) {
        let mut owners: BTreeMap<(Protocol, u16), ServiceId> = BTreeMap::new();
        let mut lacking = Vec::new();
        for id in ids {
            let service = &self.world[*id];
            let is_published = is_published(service) && not_dialled(service).is_none();
            let is_portless =
                service.published.portless && service.kind.as_deref() == Some("LoadBalancer");
            let ports: Vec<_> = service
                .ports
                .iter()
                .map(|port| (port.protocol, port.node_port))
                .collect();
            for (at, (protocol, given)) in ports.into_iter().enumerate() {
                match given {
                    _ if !is_published => self.world.set_node_port(*id, at, None),
                    None | Some(0) if is_portless => self.world.set_node_port(*id, at, None),
                    None | Some(0) => lacking.push((*id, at, protocol)),
                    Some(number) if owners.contains_key(&(protocol, number)) => {
                        let name = format!(
                            "node port {number}/{} of {}",
                            protocol.word(),
                            self.service_name(*id)
                        );
                        self.leave_out(&name, None, "belongs to another Service as well".into());
                        self.world.set_node_port(*id, at, None);
                    }
                    Some(number) => _ = owners.insert((protocol, number), *id),
                }
            }
        }
        let mut numbers = NODE_PORTS;
        for (id, at, protocol) in lacking {
            let number = numbers.find(|number| !owners.contains_key(&(protocol, *number)));
            self.plan.made_up.node_ports += usize::from(number.is_some());
            if number.is_none() {
                let name = self.service_name(id);
                let word = protocol.word();
                let reason = "has no number left: those from 30000 to 32767 are taken";
                self.leave_out(
                    &format!("a node port ({word}) of {name}"),
                    None,
                    reason.into(),
                );
            }
            self.world.set_node_port(id, at, number);
        }
    }
}
