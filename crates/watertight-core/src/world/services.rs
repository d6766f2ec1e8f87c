//! Where a Service sends connections (K-79..K-83).

use std::net::IpAddr;

use super::{EndpointId, Lifecycle, ServiceId, World};
use crate::sets::Protocol;

/// One place that a Service port leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A pod, on a port.
    Endpoint(EndpointId, u16),
    /// An address that is no pod of the input, on a port (K-83).
    Address(IpAddr, u16),
}

impl World {
    /// The backends of a Service port, after translation (K-79). Empty if nothing is behind it.
    #[must_use]
    pub fn backends(&self, id: ServiceId, port: u16, protocol: Protocol) -> Vec<Backend> {
        let service = &self[id];
        let Some(declared) = service
            .ports
            .iter()
            .find(|declared| declared.port == port && declared.protocol == protocol)
        else {
            return Vec::new();
        };
        if service.selector.is_empty() {
            let mut found: Vec<_> = service
                .addresses
                .iter()
                .filter(|address| address.protocol == protocol)
                .filter(|address| address.port_name.is_none() || address.port_name == declared.name)
                .map(|address| match self.endpoint_at(address.ip) {
                    Some(endpoint) => Backend::Endpoint(endpoint, address.port),
                    None => Backend::Address(address.ip, address.port),
                })
                .collect();
            found.dedup();
            return found;
        }
        let mut found = Vec::new();
        for endpoint in self.selected_by(id) {
            let ports = &self[endpoint].ports;
            match &declared.target {
                Ok(number) => found.push(Backend::Endpoint(endpoint, *number)),
                Err(name) => {
                    let name = self.symbols.get(name);
                    let named = ports.iter().find(|port| {
                        port.name.is_some() && port.name == name && port.protocol == protocol
                    });
                    found.extend(named.map(|port| Backend::Endpoint(endpoint, port.number)));
                }
            }
        }
        found
    }

    /// The endpoints that a Service's selector selects.
    #[must_use]
    pub fn selected_by(&self, id: ServiceId) -> Vec<EndpointId> {
        let service = &self[id];
        if service.selector.is_empty() {
            return Vec::new();
        }
        self[service.namespace]
            .endpoints
            .iter()
            .copied()
            .filter(|endpoint| {
                let wanted = |(key, value): &(Box<str>, Box<str>)| {
                    self.label(*endpoint, key) == Some(&**value)
                };
                self[*endpoint].lifecycle == Lifecycle::Active
                    && service.selector.iter().all(wanted)
            })
            .collect()
    }
}
