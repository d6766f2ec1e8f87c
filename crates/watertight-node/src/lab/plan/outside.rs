//! Addresses outside of the cluster.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use watertight_core::world::Service;

use super::planner::Planner;
use super::ranges::unusable;
use super::{Options, Outside};

/// An address of the internet: from the ranges for documentation, which nobody has.
const INTERNET: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)),
];

/// Where clouds tell a machine about itself.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Private addresses; the first that is not near one of the input stands for the company's own network.
const PRIVATE: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(192, 168, 77, 7)),
    IpAddr::V4(Ipv4Addr::new(172, 31, 77, 7)),
    IpAddr::V4(Ipv4Addr::new(10, 177, 77, 7)),
];

impl Planner<'_> {
    pub(super) fn outside(&mut self, options: &Options) {
        for given in &options.outside {
            let reason = match (unusable(given.ip), self.owner(given.ip)) {
                (Some(why), _) => why.to_owned(),
                (None, Some(owner)) => format!("belongs to {owner}"),
                (None, None) if !self.families.include(given.ip) => {
                    "is of a family that the lab does not have".to_owned()
                }
                (None, None) => {
                    self.plan.outside.push(given.clone());
                    continue;
                }
            };
            let name = format!("outside address {}", given.ip);
            self.leave_out(&name, None, reason);
        }
        // What Services of the input lead to and no pod or node is (K-83).
        for id in self.world.service_ids() {
            let service = &self.world[id];
            let name = format!("{}/{}", self.world[service.namespace].name, service.name);
            let addresses: Vec<_> = service.addresses.iter().map(|address| address.ip).collect();
            for ip in addresses {
                self.offer(&name, ip);
            }
        }
        if !options.usual_outside {
            return;
        }
        for ip in INTERNET {
            self.offer("internet", ip);
        }
        for ip in METADATA {
            self.offer("metadata", ip);
        }
        let private = PRIVATE.into_iter().find(|ip| !self.taken.is_near(*ip));
        if let Some(ip) = private {
            self.offer("private", ip);
        }
    }

    /// Adds one, unless it cannot be or is somebody's already.
    fn offer(&mut self, name: &str, ip: IpAddr) {
        if unusable(ip).is_none() && self.families.include(ip) && self.owner(ip).is_none() {
            let name = name.into();
            self.plan.outside.push(Outside { name, ip });
        }
    }

    fn owner(&self, ip: IpAddr) -> Option<String> {
        if let Some(node) = self.world.node_at(ip) {
            return Some(format!("node {}", self.world[node].name));
        }
        if let Some(endpoint) = self.world.endpoint_at(ip) {
            return Some(self.world.endpoint_name(endpoint));
        }
        let mut services = self.world.services.iter();
        let has = |service: &&Service| {
            service.cluster_ips.contains(&ip) || service.published.ips.contains(&ip)
        };
        if let Some(service) = services.find(has) {
            return Some(format!("Service {}", service.name));
        }
        let mut outside = self.plan.outside.iter();
        let twin = outside.find(|outside| outside.ip == ip);
        twin.map(|twin| format!("the outside address {}", twin.name))
    }
}
