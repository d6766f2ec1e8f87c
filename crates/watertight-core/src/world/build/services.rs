//! Services with the addresses behind them, and the cluster DNS where the input has none.

use std::collections::BTreeMap;

use super::part::Part;
use super::{Builder, DNS_NAMESPACE, objects};
use crate::manifest::{Body, EndpointSet, Ips, TargetPort};
use crate::sets::Protocol;
use crate::world::{
    Endpoint, EndpointId, Lifecycle, NamespaceId, Port, Service, ServiceAddress, ServicePort,
};

impl Builder<'_> {
    pub(super) fn services(&mut self, parts: &[Part<'_>]) {
        let mut sets: BTreeMap<(NamespaceId, &str), Vec<&EndpointSet<'_>>> = BTreeMap::new();
        for object in objects(parts) {
            let found = match &object.body {
                Body::EndpointSlice(set) => std::slice::from_ref(set),
                Body::Endpoints(subsets) => subsets.as_slice(),
                _ => continue,
            };
            let namespace = self.namespace_of_object(&object.meta);
            for set in found {
                sets.entry((namespace, &set.service)).or_default().push(set);
            }
        }
        for object in objects(parts) {
            let Body::Service(service) = &object.body else {
                continue;
            };
            let namespace = self.namespace_of_object(&object.meta);
            let own = sets.get(&(namespace, &*object.meta.name));
            let mut addresses: Vec<ServiceAddress> = own
                .into_iter()
                .flatten()
                .flat_map(|set| flatten(set))
                .collect();
            addresses
                .sort_by(|a, b| (a.ip, a.port, &a.port_name).cmp(&(b.ip, b.port, &b.port_name)));
            // A Service has its addresses twice where Endpoints and EndpointSlices were both read.
            addresses.dedup();
            let ports = service.ports.iter().map(|port| ServicePort {
                name: port.name.as_deref().map(Into::into),
                port: port.port,
                target: match &port.target {
                    TargetPort::Number(number) => Ok(*number),
                    TargetPort::Name(name) => Err((&**name).into()),
                },
                protocol: port.protocol,
                node_port: port.node_port,
            });
            self.ignores(&object.meta, "Service", Some(namespace), object.span);
            let labels = object.meta.labels.iter();
            let labels = labels.map(|(key, value)| (&**key, &**value));
            let labels = self.world.symbols.labels(labels);
            self.world.services.push(Service {
                namespace,
                name: (&*object.meta.name).into(),
                labels,
                selector: service
                    .selector
                    .iter()
                    .map(|(key, value)| ((&**key).into(), (&**value).into()))
                    .collect(),
                kind: service.kind.as_deref().map(Into::into),
                cluster_ips: service.cluster_ips.clone(),
                headless: service.headless || service.kind.as_deref() == Some("ExternalName"),
                ports: ports.collect(),
                published: service.published.clone(),
                addresses,
                span: Some(object.meta.name.span),
            });
        }
    }

    /// Assumes a cluster DNS where the input has none (M-2).
    pub(super) fn dns(&mut self) {
        if !self.assume_dns {
            return;
        }
        let Some(namespace) = self.world.namespace(DNS_NAMESPACE) else {
            return;
        };
        let labels = self.world.symbols.labels([("k8s-app", "kube-dns")]);
        let ports = [("dns", Protocol::Udp), ("dns-tcp", Protocol::Tcp)];
        let ports = ports.map(|(name, protocol)| Port {
            name: Some(self.world.symbols.intern(name)),
            number: 53,
            protocol,
        });
        let id = EndpointId::at(self.world.endpoints.len());
        self.world.endpoints.push(Endpoint {
            namespace,
            name: "kube-dns".into(),
            template: true,
            labels,
            ips: Ips::default(),
            node: None,
            host_network: None,
            ports: ports.as_slice().into(),
            workload: None,
            service_account: None,
            lifecycle: Lifecycle::Active,
            assumed: true,
            span: None,
        });
        self.world.assumed.dns = Some(id);
        self.attach(id, namespace, None);
    }
}

fn flatten(set: &EndpointSet<'_>) -> Vec<ServiceAddress> {
    let each = |(name, port, protocol): &(Option<std::borrow::Cow<'_, str>>, u16, Protocol)| {
        let (name, port, protocol) = (name.as_deref().map(Box::from), *port, *protocol);
        set.addresses
            .iter()
            .map(move |ip| ServiceAddress {
                ip: *ip,
                port_name: name.clone(),
                port,
                protocol,
            })
            .collect::<Vec<_>>()
    };
    set.ports.iter().flat_map(each).collect()
}
