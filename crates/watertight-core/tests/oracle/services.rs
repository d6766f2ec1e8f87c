//! What is behind a Service.

use super::Oracle;
use super::judge::is_running;
use super::objects::{Pod, PortValue};

impl Oracle<'_> {
    /// The pods and ports behind a port of a Service that has a selector (K-79).
    pub(crate) fn backends(&self, service: usize, port: u16, protocol: &str) -> Vec<(usize, u16)> {
        let service = &self.cluster.services[service];
        let declared = service.ports.iter().find(|declared| {
            declared.port == port && declared.protocol.unwrap_or("TCP") == protocol
        });
        let declared = declared.expect("asked for a port that is there");
        let mut found = Vec::new();
        for (at, pod) in self.cluster.pods.iter().enumerate() {
            let selected = service
                .selector
                .iter()
                .all(|(key, value)| pod.labels.get(key) == Some(value));
            if pod.namespace != service.namespace || !selected || !is_running(pod) {
                continue;
            }
            let target = match &declared.target {
                None => Some(declared.port),
                Some(PortValue::Number(number)) => Some(*number),
                // The first container port of that name and protocol.
                Some(PortValue::Name(name)) => container_ports(pod)
                    .find(|(known, _, of)| *known == Some(name.as_str()) && *of == protocol)
                    .map(|(_, number, _)| number),
            };
            found.extend(target.map(|target| (at, target)));
        }
        found
    }
}

/// Name, number and protocol of the ports of all containers (K-55, K-87).
pub(super) fn container_ports(pod: &Pod) -> impl Iterator<Item = (Option<&str>, u16, &str)> {
    let main = pod.containers.iter().filter(|container| !container.sidecar);
    let sidecars = pod.containers.iter().filter(|container| container.sidecar);
    main.chain(sidecars)
        .flat_map(|container| &container.ports)
        .map(|port| {
            let protocol = port.protocol.unwrap_or("TCP");
            (port.name.as_deref(), port.number, protocol)
        })
}
