//! Pods become endpoints.

use std::sync::Arc;

use super::part::{Number, Part, Pod, PodOwner};
use super::{Builder, place};
use crate::manifest::{Body, Phase, WorkloadKind};
use crate::world::{
    Endpoint, EndpointId, Labels, Lifecycle, NamespaceId, NodeId, Port, Shared, Symbol, Symbols,
    WorkloadId, dns,
};

/// Whether there are pods or templates of pods, and no DNS server among them.
pub(super) fn miss_dns(parts: &[Part<'_>], pods: &[Vec<Pod<'_>>]) -> bool {
    let mut any = false;
    for object in super::objects(parts) {
        if let Body::Workload(workload) = &object.body {
            any = true;
            let labels = &workload.template.labels;
            let value = |wanted: &str| {
                let label = labels.iter().find(|(key, _)| key == wanted);
                label.map(|(_, value)| &**value)
            };
            if dns::is_dns_server(value) {
                return false;
            }
        }
    }
    for (part, pods) in parts.iter().zip(pods) {
        any |= !pods.is_empty();
        let is_dns = |pod: &Pod<'_>| part.dns_labels.contains(&pod.labels);
        if !part.dns_labels.is_empty() && pods.iter().any(is_dns) {
            return false;
        }
    }
    any
}

/// What the numbers of a part mean in the world, found out when a pod uses them first: in the order
/// in which a single list of all pods would have it.
struct Meaning<'p, 's> {
    part: &'p Part<'s>,
    namespaces: Vec<Option<NamespaceId>>,
    nodes: Vec<Option<NodeId>>,
    symbols: Vec<Option<Symbol>>,
    accounts: Vec<Option<Arc<str>>>,
    labels: Vec<Option<Labels>>,
    ports: Vec<Option<Shared<Port>>>,
    owners: Vec<Option<WorkloadId>>,
}

/// What is known at a position, or else what is found out now.
fn known<T: Clone>(table: &mut [Option<T>], number: Number, find: impl FnOnce() -> T) -> T {
    match table.get_mut(number.index()) {
        Some(place) => place.get_or_insert_with(find).clone(),
        None => find(),
    }
}

impl<'p, 's> Meaning<'p, 's> {
    fn new(part: &'p Part<'s>) -> Self {
        let texts = part.texts.len();
        Self {
            part,
            namespaces: vec![None; texts],
            nodes: vec![None; texts],
            symbols: vec![None; texts],
            accounts: vec![None; texts],
            labels: vec![None; part.labels.len()],
            ports: vec![None; part.ports.len()],
            owners: vec![None; part.owners.len()],
        }
    }

    fn symbol(&mut self, symbols: &mut Symbols, number: Number) -> Symbol {
        known(&mut self.symbols, number, || {
            symbols.intern(self.part.text(number))
        })
    }

    fn labels(&mut self, symbols: &mut Symbols, number: Number) -> Labels {
        if let Some(Some(labels)) = self.labels.get(number.index()) {
            return labels.clone();
        }
        let pairs = self.part.labels.get(number).iter();
        let pairs = pairs.map(|(key, value)| {
            let key = self.symbol(symbols, *key);
            (key, self.symbol(symbols, *value))
        });
        let labels = Symbols::sorted(pairs);
        known(&mut self.labels, number, || labels)
    }

    fn ports(&mut self, symbols: &mut Symbols, number: Number) -> Shared<Port> {
        if let Some(Some(ports)) = self.ports.get(number.index()) {
            return ports.clone();
        }
        let ports = self.part.ports.get(number).iter().map(|port| Port {
            name: port.name.map(|name| self.symbol(symbols, name)),
            number: port.number,
            protocol: port.protocol,
        });
        let ports = ports.collect();
        known(&mut self.ports, number, || ports)
    }
}

impl<'p> Builder<'p> {
    pub(super) fn pods(&mut self, parts: &'p [Part<'_>], pods: Vec<Vec<Pod<'_>>>) {
        let templates = super::objects(parts).filter(|o| matches!(o.body, Body::Workload(_)));
        let most = pods.iter().map(Vec::len).sum::<usize>() + templates.count() + 1;
        self.world.endpoints.reserve_exact(most);
        let owners = parts.iter().map(|part| part.owners.len());
        self.world.workloads.reserve_exact(owners.sum());
        // The records of a part are freed as soon as the world has them.
        for (part, pods) in parts.iter().zip(pods) {
            let mut meaning = Meaning::new(part);
            for pod in pods {
                self.pod(&mut meaning, pod);
            }
        }
    }

    fn pod(&mut self, meaning: &mut Meaning<'p, '_>, pod: Pod<'_>) {
        let part = meaning.part;
        let namespace = self.namespace_of_pod(meaning, pod.namespace);
        let ignores = part.ignores(pod.ordinal);
        self.add_ignores(ignores, &pod.name, "Pod", Some(namespace), pod.span);
        let workload = pod.owner.and_then(|owner| {
            if let Some(Some(workload)) = meaning.owners.get(owner.index()) {
                return Some(*workload);
            }
            let workload = self.owner(part, namespace, part.owners.get(owner.index())?);
            Some(known(&mut meaning.owners, owner, || workload))
        });
        let node = pod
            .node
            .map(|node| known(&mut meaning.nodes, node, || self.node(part.text(node))));
        let host_network = part.host_network(pod.ordinal);
        let ips = self.ips(pod.ips, host_network, node);
        let lifecycle = match pod.phase {
            Some(Phase::Finished) => Lifecycle::Finished,
            Some(_) if ips.is_empty() => Lifecycle::NoAddress,
            _ => Lifecycle::Active,
        };
        let symbols = &mut self.world.symbols;
        let account = pod.service_account;
        let id = EndpointId::at(self.world.endpoints.len());
        if pod.unready {
            self.world.inventory.unready.push(id);
        }
        self.world.endpoints.push(Endpoint {
            namespace,
            name: pod.name.into(),
            template: false,
            labels: meaning.labels(symbols, pod.labels),
            ips,
            node,
            host_network,
            ports: meaning.ports(symbols, pod.ports),
            workload,
            service_account: account
                .map(|name| known(&mut meaning.accounts, name, || part.text(name).into())),
            lifecycle,
            assumed: false,
            span: Some(place(pod.name_span, pod.span)),
        });
        self.attach(id, namespace, workload);
    }

    fn namespace_of_pod(
        &self,
        meaning: &mut Meaning<'p, '_>,
        written: Option<Number>,
    ) -> NamespaceId {
        match written {
            Some(name) => known(&mut meaning.namespaces, name, || {
                self.namespace_of(meaning.part, written)
            }),
            None => self.namespace_of(meaning.part, written),
        }
    }

    fn owner(
        &mut self,
        part: &'p Part<'_>,
        namespace: NamespaceId,
        owner: &PodOwner,
    ) -> WorkloadId {
        let (kind, name) = (owner.kind, part.text(owner.name));
        if let Some(id) = self.workloads.get(&(namespace, kind, name)) {
            return *id;
        }
        // A ReplicaSet that was not read: its name is the Deployment's and the template's hash.
        if kind == WorkloadKind::ReplicaSet {
            let hash = owner.hash.map(|hash| part.text(hash));
            let deployment = hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
            if let Some(deployment) = deployment {
                let id = self.workload(namespace, WorkloadKind::Deployment, deployment);
                self.workloads.insert((namespace, kind, name), id);
                return id;
            }
        }
        self.workload(namespace, kind, name)
    }
}
