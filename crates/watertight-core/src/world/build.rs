//! From objects to the world.
//!
//! Objects come in [`Part`]s, one a batch that was read on its own; in a part, pods are short records
//! already. The parts are put together one after the other, so the world does not depend on where
//! the batches were cut.

mod duplicates;
mod hinted;
mod part;
mod pods;
mod preview;
mod read;
mod services;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use self::part::{Number, Part, Pod};
pub use self::preview::{ObjectName, Preview};
pub use self::read::{build, read, read_two, read_with_hints};
use super::{
    Assumed, ClusterNode, Endpoint, EndpointId, Inventory, Ips, Labels, Lifecycle, NAME_LABEL,
    Namespace, NamespaceId, NodeId, ObjectIgnore, Policy, PolicyId, PolicyItem, Port, Symbols,
    Workload, WorkloadId, World,
};
use crate::diag::Finding;
use crate::manifest::{self, Body, IgnoreAnnotation, Meta, Object, PodSpec, WorkloadKind};
use crate::source::{Sources, Span};

/// What to assume where the input does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assume {
    /// Where endpoints without a known address lie (M-1).
    pub pod_cidrs: Vec<IpNet>,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// Whether to assume a cluster DNS if the input has none (M-2).
    pub dns: bool,
}

impl Default for Assume {
    fn default() -> Self {
        let cidrs = ["10.244.0.0/16", "fd00:10:244::/56"];
        Self {
            pod_cidrs: cidrs.iter().filter_map(|cidr| cidr.parse().ok()).collect(),
            namespace: "default".into(),
            dns: true,
        }
    }
}

fn merge(
    sources: &Sources,
    mut parts: Vec<Part<'_>>,
    assume: &Assume,
    is_meant: impl Fn(Span, Span) -> bool,
) -> (World, Vec<Finding>) {
    let mut inventory = Inventory::default();
    for part in &mut parts {
        inventory.absorb(std::mem::take(&mut part.inventory));
    }
    let mut findings = duplicates::remove(sources, &mut parts, &assume.namespace, is_meant);
    let pods: Vec<_> = parts
        .iter_mut()
        .map(|part| std::mem::take(&mut part.pods))
        .collect();
    let policies: Vec<_> = parts
        .iter_mut()
        .map(|part| std::mem::take(&mut part.policies))
        .collect();
    let mut builder = Builder {
        assume,
        assume_dns: assume.dns && pods::miss_dns(&parts, &pods),
        world: World {
            symbols: Symbols::default(),
            namespaces: Vec::new(),
            endpoints: Vec::new(),
            workloads: Vec::new(),
            services: Vec::new(),
            nodes: Vec::new(),
            policies: Vec::new(),
            objects: Vec::new(),
            names: Vec::new(),
            ignores: Vec::new(),
            assumed: Assumed {
                pod_cidrs: assume.pod_cidrs.clone(),
                default_namespace: assume.namespace.as_str().into(),
                ..Assumed::default()
            },
            inventory: Inventory::default(),
            accounts: FxHashMap::default(),
            by_ip: FxHashMap::default(),
            node_by_ip: FxHashMap::default(),
            dns: OnceLock::new(),
            shared_ips: Default::default(),
            gone_policies: Default::default(),
            gone_endpoints: Default::default(),
        },
        workloads: FxHashMap::default(),
        nodes: FxHashMap::default(),
    };
    builder.namespaces(&parts, &pods, &policies);
    builder.nodes(&parts);
    builder.owners(&parts);
    builder.pods(&parts, pods);
    builder.templates(&parts);
    builder.services(&parts);
    builder.policies(&parts, policies);
    builder.objects(&parts);
    builder.dns();
    builder.addresses();
    findings.extend(inventory.findings());
    inventory.unready = std::mem::take(&mut builder.world.inventory.unready);
    builder.world.inventory = inventory;
    (builder.world, findings)
}

/// The objects of all parts but pods and policies, in reading order.
fn objects<'p, 's>(parts: &'p [Part<'s>]) -> impl Iterator<Item = &'p Object<'s>> {
    let objects = parts.iter().flat_map(|part| &part.objects);
    objects.map(|(_, object)| object)
}

const DNS_NAMESPACE: &str = "kube-system";

struct Builder<'p> {
    assume: &'p Assume,
    assume_dns: bool,
    world: World,
    workloads: FxHashMap<(NamespaceId, WorkloadKind, &'p str), WorkloadId>,
    nodes: FxHashMap<&'p str, NodeId>,
}

impl<'p> Builder<'p> {
    fn namespaces(
        &mut self,
        parts: &[Part<'_>],
        pods: &[Vec<Pod<'_>>],
        policies: &[Vec<part::Policy<'_>>],
    ) {
        let default = &*self.assume.namespace;
        let mut found: BTreeMap<&str, Option<&Object<'_>>> = BTreeMap::new();
        for object in objects(parts) {
            if matches!(object.body, Body::Namespace) {
                found.insert(&object.meta.name, Some(object));
            } else if object.body.is_namespaced() {
                let written = object.meta.namespace.as_deref();
                if written.is_none() {
                    self.world.assumed.without_namespace += 1;
                }
                found.entry(written.unwrap_or(default)).or_default();
            }
        }
        for part in parts {
            for id in &part.namespaces {
                found.entry(part.text(*id)).or_default();
            }
        }
        let pods = pods.iter().flatten().map(|pod| pod.namespace);
        let policies = policies.iter().flatten().map(|policy| policy.namespace);
        let nowhere = pods.chain(policies).filter(Option::is_none).count();
        if nowhere > 0 {
            self.world.assumed.without_namespace += nowhere;
            found.entry(default).or_default();
        }
        if self.assume_dns {
            found.entry(DNS_NAMESPACE).or_default();
        }
        for (name, object) in found {
            let id = NamespaceId::at(self.world.namespaces.len());
            if object.is_none() {
                self.world.assumed.namespaces.push(id);
            }
            let written = object.map(|object| &object.meta.labels);
            let labels = written
                .into_iter()
                .flatten()
                .map(|(key, value)| (&**key, &**value));
            let labels = self
                .world
                .symbols
                .labels(labels.chain([(NAME_LABEL, name)]));
            self.push_namespace(name, labels, object);
        }
    }

    fn push_namespace(&mut self, name: &str, labels: Labels, object: Option<&Object<'_>>) {
        if let Some(object) = object {
            self.ignores(&object.meta, "Namespace", None, object.span);
        }
        self.world.namespaces.push(Namespace {
            name: name.into(),
            labels,
            span: object.map(|object| object.meta.name.span),
            labels_span: object.and_then(|object| object.meta.labels_span),
            endpoints: Vec::new(),
            policies: Vec::new(),
        });
    }

    fn namespace_of_object(&self, meta: &Meta<'_>) -> NamespaceId {
        self.namespace_named(meta.namespace.as_deref())
    }

    /// The namespace that a pod or policy of a part names.
    fn namespace_of(&self, part: &Part<'_>, written: Option<Number>) -> NamespaceId {
        self.namespace_named(written.map(|name| part.text(name)))
    }

    fn namespace_named(&self, written: Option<&str>) -> NamespaceId {
        let name = written.unwrap_or(&self.assume.namespace);
        // INVARIANT: `namespaces` has made every namespace that an object names.
        self.world.namespace(name).unwrap_or(NamespaceId(0))
    }

    fn ignores(
        &mut self,
        meta: &Meta<'_>,
        kind: &'static str,
        in_ns: Option<NamespaceId>,
        object: Span,
    ) {
        self.add_ignores(&meta.ignores, &meta.name, kind, in_ns, object);
    }

    fn add_ignores(
        &mut self,
        ignores: &[IgnoreAnnotation<'_>],
        name: &str,
        kind: &'static str,
        in_ns: Option<NamespaceId>,
        object: Span,
    ) {
        for ignore in ignores {
            self.world.ignores.push(ObjectIgnore {
                kind,
                namespace: in_ns.map(|id| self.world[id].name.clone()),
                name: name.into(),
                object,
                annotation: IgnoreAnnotation {
                    rule: ignore.rule.clone(),
                    reason: ignore.reason.clone().into_owned().into(),
                    span: ignore.span,
                },
            });
        }
    }

    fn nodes(&mut self, parts: &'p [Part<'_>]) {
        for object in objects(parts) {
            if let Body::Node(ips) = &object.body {
                let id = self.node(&object.meta.name);
                let labels = self
                    .world
                    .symbols
                    .labels(object.meta.labels.iter().map(|(key, value)| (key, value)));
                if let Some(node) = self.world.nodes.get_mut(id.index()) {
                    node.ips.clone_from(ips);
                    node.labels = labels;
                    node.span = Some(object.meta.name.span);
                }
            }
        }
    }

    /// The node of a name, made if only its pods were read.
    fn node(&mut self, name: &'p str) -> NodeId {
        if let Some(id) = self.nodes.get(name) {
            return *id;
        }
        let id = NodeId::at(self.world.nodes.len());
        self.nodes.insert(name, id);
        self.world.nodes.push(ClusterNode {
            name: name.into(),
            labels: Labels::default(),
            ips: Ips::default(),
            span: None,
        });
        id
    }

    fn workload(
        &mut self,
        namespace: NamespaceId,
        kind: WorkloadKind,
        name: &'p str,
    ) -> WorkloadId {
        if let Some(id) = self.workloads.get(&(namespace, kind, name)) {
            return *id;
        }
        let id = WorkloadId::at(self.world.workloads.len());
        self.world.workloads.push(Workload {
            namespace,
            kind,
            name: name.into(),
            endpoints: Vec::new(),
            replicas: None,
            span: None,
        });
        self.workloads.insert((namespace, kind, name), id);
        id
    }

    /// Makes the workloads; a ReplicaSet of a Deployment and a Job of a CronJob are the same
    /// workload as their owner.
    fn owners(&mut self, parts: &'p [Part<'_>]) {
        for object in objects(parts) {
            let Body::Workload(workload) = &object.body else {
                continue;
            };
            let namespace = self.namespace_of_object(&object.meta);
            self.ignores(
                &object.meta,
                workload.kind.api(),
                Some(namespace),
                object.span,
            );
            let id = match &object.meta.owner {
                Some(owner) => {
                    let kind = WorkloadKind::from_api(&owner.kind).unwrap_or(WorkloadKind::Other);
                    let id = self.workload(namespace, kind, &owner.name);
                    let own = (namespace, workload.kind, &*object.meta.name);
                    self.workloads.insert(own, id);
                    continue;
                }
                None => self.workload(namespace, workload.kind, &object.meta.name),
            };
            if let Some(found) = self.world.workloads.get_mut(id.index()) {
                found.span = Some(object.meta.name.span);
                found.replicas = workload.replicas;
            }
        }
    }

    /// One endpoint for each workload that has no pods in the input.
    fn templates(&mut self, parts: &'p [Part<'_>]) {
        for object in objects(parts) {
            let Body::Workload(workload) = &object.body else {
                continue;
            };
            if object.meta.owner.is_some() {
                continue;
            }
            let namespace = self.namespace_of_object(&object.meta);
            let id = self.workload(namespace, workload.kind, &object.meta.name);
            let has_pods = self.world[id].endpoints.iter().any(|id| {
                workload.kind != WorkloadKind::CronJob
                    || self.world[*id].lifecycle != Lifecycle::Finished
            });
            if !has_pods {
                self.template(object, workload, namespace, id);
            }
        }
    }

    fn template(
        &mut self,
        object: &'p Object<'_>,
        written: &'p manifest::Workload<'_>,
        namespace: NamespaceId,
        workload: WorkloadId,
    ) {
        let spec: &PodSpec<'_> = &written.pod;
        let node = spec.node.as_deref().map(|name| self.node(name));
        let symbols = &mut self.world.symbols;
        let labels = written.template.labels.iter();
        let labels = symbols.labels(labels.map(|(key, value)| (key, value)));
        let ports = spec.ports.iter().map(|port| Port {
            name: port.name.as_deref().map(|name| symbols.intern(name)),
            number: port.number,
            protocol: port.protocol,
        });
        let ports = ports.collect();
        let id = EndpointId::at(self.world.endpoints.len());
        self.world.endpoints.push(Endpoint {
            namespace,
            name: (&*object.meta.name).into(),
            template: true,
            labels,
            ips: self.ips(Ips::default(), spec.host_network, node),
            node,
            host_network: spec.host_network,
            ports,
            workload: Some(workload),
            service_account: spec.service_account.as_deref().map(Into::into),
            lifecycle: Lifecycle::Active,
            assumed: false,
            span: Some(place(object.meta.name.span, object.span)),
        });
        self.attach(id, namespace, Some(workload));
    }

    /// The addresses of a pod; on the host network they are the node's.
    fn ips(&self, own: Ips, host_network: Option<Span>, node: Option<NodeId>) -> Ips {
        if !own.is_empty() || host_network.is_none() {
            return own;
        }
        node.map(|node| self.world[node].ips.clone())
            .unwrap_or_default()
    }

    fn attach(&mut self, id: EndpointId, namespace: NamespaceId, workload: Option<WorkloadId>) {
        if let Some(namespace) = self.world.namespaces.get_mut(namespace.index()) {
            namespace.endpoints.push(id);
        }
        if let Some(workload) = workload.and_then(|id| self.world.workloads.get_mut(id.index())) {
            workload.endpoints.push(id);
        }
    }

    fn policies(&mut self, parts: &[Part<'_>], policies: Vec<Vec<part::Policy<'_>>>) {
        let count = policies.iter().map(Vec::len).sum();
        self.world.policies.reserve_exact(count);
        for (part, policies) in parts.iter().zip(policies) {
            for policy in policies {
                let namespace = self.namespace_of(part, policy.namespace);
                let ignores = part.ignores(policy.ordinal);
                let kind = "NetworkPolicy";
                self.add_ignores(ignores, &policy.name, kind, Some(namespace), policy.span);
                let id = PolicyId::at(self.world.policies.len());
                self.world.policies.push(Policy {
                    namespace,
                    name: policy.name.into(),
                    name_span: policy.name_span,
                    spec: policy.spec,
                    span: policy.span,
                });
                if let Some(namespace) = self.world.namespaces.get_mut(namespace.index()) {
                    namespace.policies.push(id);
                }
            }
        }
    }

    /// Policy objects of other languages, and service accounts, which their selectors look at.
    fn objects(&mut self, parts: &[Part<'_>]) {
        for object in objects(parts) {
            let labels = object.meta.labels.iter();
            let labels = labels.map(|(key, value)| (&**key, &**value));
            match &object.body {
                Body::ServiceAccount => {
                    let namespace = self.namespace_of_object(&object.meta);
                    let labels = self.world.symbols.labels(labels);
                    let name = (&*object.meta.name).into();
                    self.world.accounts.insert((namespace, name), labels);
                }
                Body::Policy(kind, policy) => {
                    let in_ns = kind.namespaced;
                    let namespace = in_ns.then(|| self.namespace_of_object(&object.meta));
                    self.ignores(&object.meta, kind.kind, namespace, object.span);
                    let labels = self.world.symbols.labels(labels);
                    for domain in policy.domains() {
                        self.world.intern_name(domain);
                    }
                    self.world.objects.push(PolicyItem {
                        kind: *kind,
                        namespace,
                        name: (&*object.meta.name).into(),
                        name_span: object.meta.name.span,
                        labels,
                        object: (**policy).clone(),
                        span: object.span,
                    });
                }
                _ => {}
            }
        }
    }

    fn addresses(&mut self) {
        let ips = self
            .world
            .endpoints
            .iter()
            .map(|endpoint| endpoint.ips.len());
        self.world.by_ip.reserve(ips.sum());
        for (index, endpoint) in self.world.endpoints.iter().enumerate() {
            if endpoint.ips.is_empty()
                && endpoint.lifecycle == Lifecycle::Active
                && !endpoint.assumed
            {
                self.world.assumed.without_address += 1;
            }
            if endpoint.host_network.is_some() || endpoint.lifecycle == Lifecycle::Finished {
                continue;
            }
            for ip in &endpoint.ips {
                if self
                    .world
                    .by_ip
                    .insert(*ip, EndpointId::at(index))
                    .is_some()
                {
                    self.world.shared_ips.insert(*ip);
                }
            }
        }
        // Nodes of a dump without Node objects are known by their host-network pods.
        for endpoint in &self.world.endpoints {
            if let (Some(_), Some(node)) = (endpoint.host_network, endpoint.node)
                && let Some(node) = self.world.nodes.get_mut(node.index())
                && node.ips.is_empty()
            {
                node.ips.clone_from(&endpoint.ips);
            }
        }
        for (index, node) in self.world.nodes.iter().enumerate() {
            for ip in &node.ips {
                self.world.node_by_ip.insert(*ip, NodeId::at(index));
            }
        }
    }
}

/// Where an endpoint is shown: at its name, if that is in the object.
fn place(name: Span, object: Span) -> Span {
    if name.start >= object.start {
        name
    } else {
        object
    }
}
