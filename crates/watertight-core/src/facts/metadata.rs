//! The addresses from which a machine or a pod gets its cloud credentials.
//!
//! One row is one address of one cloud. Most clouds share 169.254.169.254, so a question about
//! addresses goes to [`distinct_addresses`], which joins the rows.
//!
//! What a NetworkPolicy can do about them is little: it withholds an address from the blocks it
//! allows, and any other rule may still admit it. Host-network pods are never restricted
//! and a hop limit on the cloud's side is not visible in Kubernetes.
//!
//! INVARIANT: no row is a name. A cloud that is reached by public name only has
//! [`Cloud::host_names`] and no row.

mod cloud;
mod table;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

pub use self::cloud::{Cloud, UnknownCloud};
use super::{Confidence, ranges, word_enum};

word_enum! {
    /// What the listener at an address hands out, worst first.
    pub enum Yields {
        /// Credentials or tokens of the machine, the pod or the cluster.
        Credentials => "credentials",
        /// Data about the machine, which includes user-data and so often secrets.
        InstanceData => "instance-data",
        /// Answers to DNS queries: a way out for data, and a dependency of most workloads.
        Dns => "dns",
        /// Time and other services of the platform.
        Plumbing => "plumbing",
    }
}

impl Yields {
    /// Whether an untrusted pod should be kept from it.
    pub const fn is_sensitive(self) -> bool {
        matches!(self, Self::Credentials | Self::InstanceData)
    }
}

word_enum! {
    /// Where in the address space an endpoint sits, which decides which broad block covers it.
    pub enum Scope {
        /// 169.254.0.0/16.
        LinkLocalV4 => "link-local-v4",
        /// fe80::/10.
        LinkLocalV6 => "link-local-v6",
        /// fc00::/7, where the cluster's own IPv6 addresses may be as well.
        UniqueLocal => "unique-local",
        /// 100.64.0.0/10.
        Shared => "shared",
        /// A routable range that the cloud uses privately: outside every list of private ranges.
        Public => "public",
        /// An address set aside for protocols, RFC 6890.
        Special => "special",
    }
}

/// One address of one cloud that hands out credentials or instance data, or that platforms depend
/// on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataEndpoint {
    /// Stable kebab-case id, such as `aws-imds-v4`.
    pub id: &'static str,
    /// The cloud that listens.
    pub cloud: Cloud,
    /// The address a pod would dial.
    pub address: IpAddr,
    /// The ports that answer; TCP, but for DNS (UDP and TCP) and time (UDP).
    pub ports: &'static [u16],
    /// The worst of what it hands out.
    pub yields: Yields,
    /// Where the address sits.
    pub scope: Scope,
    /// What else one should know; may be empty.
    pub note: &'static str,
    /// The code or text that gives the address.
    pub source: &'static str,
    /// How far the row was checked.
    pub confidence: Confidence,
}

impl MetadataEndpoint {
    /// Whether a packet from a pod's own network namespace can get there at all.
    ///
    /// fe80::/10 is valid on one link and is never forwarded, so only host-network pods reach it.
    /// IPv4 link-local addresses have no such protection: the pod sends them to its default gateway
    /// and the node forwards them.
    pub fn reachable_from_pod(&self) -> bool {
        reachable_from_pod(self.address)
    }
}

/// An address at which one or more clouds hand out credentials or instance data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataAddress {
    /// The address.
    pub address: IpAddr,
    /// Every port of every cloud, ascending.
    pub ports: Vec<u16>,
    /// The clouds that listen there, in the order of [`Cloud::ALL`].
    pub clouds: Vec<Cloud>,
    /// The worst of what they hand out.
    pub yields: Yields,
    /// Where the address sits.
    pub scope: Scope,
}

impl MetadataAddress {
    /// As [`MetadataEndpoint::reachable_from_pod`].
    pub fn reachable_from_pod(&self) -> bool {
        reachable_from_pod(self.address)
    }
}

/// Every known endpoint, cloud by cloud.
pub fn endpoints() -> &'static [MetadataEndpoint] {
    table::ENDPOINTS
}

/// The addresses of `clouds` that hand out credentials or instance data, each once, IPv4 before
/// IPv6.
///
/// Pure DNS and time servers are left out: they are dependencies, not secrets. A port of such a row
/// still counts where a sensitive row has the same address.
pub fn distinct_addresses(clouds: &[Cloud]) -> Vec<MetadataAddress> {
    let mut by_address: BTreeMap<IpAddr, MetadataAddress> = BTreeMap::new();
    for endpoint in endpoints()
        .iter()
        .filter(|endpoint| clouds.contains(&endpoint.cloud))
    {
        let joined = by_address
            .entry(endpoint.address)
            .or_insert_with(|| MetadataAddress {
                address: endpoint.address,
                ports: Vec::new(),
                clouds: Vec::new(),
                yields: endpoint.yields,
                scope: endpoint.scope,
            });
        joined.ports.extend(endpoint.ports);
        joined.clouds.push(endpoint.cloud);
        joined.yields = joined.yields.min(endpoint.yields);
    }
    let mut addresses: Vec<MetadataAddress> = by_address
        .into_values()
        .filter(|address| address.yields.is_sensitive())
        .collect();
    for address in &mut addresses {
        address.ports.sort_unstable();
        address.ports.dedup();
        address.clouds.sort_unstable();
        address.clouds.dedup();
    }
    addresses
}

/// The CIDRs an egress rule has to except to withhold exactly [`distinct_addresses`], IPv4 before
/// IPv6.
///
/// They are as narrow as can be on purpose: 169.254.0.0/16 would also withhold node-local DNS and
/// EKS Pod Identity, and fc00::/7 the cluster's own IPv6 addresses. An `except` must lie inside its
/// `cidr` (V-18, V-19), so the caller splits the list by family.
pub fn block_list(clouds: &[Cloud]) -> Vec<IpNet> {
    let hosts: Vec<IpNet> = distinct_addresses(clouds)
        .into_iter()
        .map(|metadata| IpNet::from(metadata.address))
        .collect();
    let mut blocks = IpNet::aggregate(&hosts);
    blocks.sort_unstable();
    blocks
}

fn reachable_from_pod(address: IpAddr) -> bool {
    !ranges::LINK_LOCAL_V6.contains(&address)
}

#[cfg(test)]
mod tests;
