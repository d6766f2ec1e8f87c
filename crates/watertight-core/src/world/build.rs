//! From objects to the world.

mod duplicates;
mod services;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::OnceLock;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::{
    Assumed, ClusterNode, Endpoint, EndpointId, Labels, Lifecycle, NAME_LABEL, Namespace,
    NamespaceId, NodeId, ObjectIgnore, Policy, PolicyId, Port, Symbols, Workload, WorkloadId,
    World, dns,
};
use crate::diag::Finding;
use crate::manifest::{
    Body, IgnoreAnnotation, Meta, Object, Phase, PodSpec, PodStatus, WorkloadKind,
};
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

/// Builds the world. Of two objects with one name the last one counts, and a finding says so.
#[must_use]
pub fn build(sources: &Sources, objects: &[Object<'_>], assume: &Assume) -> (World, Vec<Finding>) {
    let (kept, findings) = duplicates::without_duplicates(sources, objects, &assume.namespace);
    let mut builder = Builder {
        assume,
        assume_dns: assume.dns && has_pods(&kept) && !has_dns(&kept),
        world: World {
            symbols: Symbols::default(),
            namespaces: Vec::new(),
            endpoints: Vec::new(),
            workloads: Vec::new(),
            services: Vec::new(),
            nodes: Vec::new(),
            policies: Vec::new(),
            ignores: Vec::new(),
            assumed: Assumed {
                pod_cidrs: assume.pod_cidrs.clone(),
                default_namespace: assume.namespace.as_str().into(),
                ..Assumed::default()
            },
            by_ip: FxHashMap::default(),
            node_by_ip: FxHashMap::default(),
            dns: OnceLock::new(),
        },
        workloads: FxHashMap::default(),
        nodes: FxHashMap::default(),
    };
    builder.namespaces(&kept);
    builder.nodes(&kept);
    builder.owners(&kept);
    builder.pods(&kept);
    builder.templates(&kept);
    builder.services(&kept);
    builder.policies(&kept);
    builder.dns();
    builder.addresses();
    (builder.world, findings)
}

fn labels_of<'o>(object: &'o Object<'_>) -> Option<&'o Meta<'o>> {
    match &object.body {
        Body::Pod(..) => Some(&object.meta),
        Body::Workload(workload) => Some(&workload.template),
        _ => None,
    }
}

fn has_pods(objects: &[&Object<'_>]) -> bool {
    objects.iter().any(|object| labels_of(object).is_some())
}

fn has_dns(objects: &[&Object<'_>]) -> bool {
    objects
        .iter()
        .filter_map(|object| labels_of(object))
        .any(|meta| {
            dns::is_dns_server(|key| {
                let label = meta.labels.iter().find(|(known, _)| known == key);
                label.map(|(_, value)| &**value)
            })
        })
}

const DNS_NAMESPACE: &str = "kube-system";

struct Builder<'a> {
    assume: &'a Assume,
    assume_dns: bool,
    world: World,
    workloads: FxHashMap<(NamespaceId, WorkloadKind, Box<str>), WorkloadId>,
    nodes: FxHashMap<Box<str>, NodeId>,
}

impl Builder<'_> {
    fn namespaces(&mut self, objects: &[&Object<'_>]) {
        let mut found: BTreeMap<&str, Option<&Object<'_>>> = BTreeMap::new();
        for object in objects {
            if matches!(object.body, Body::Namespace) {
                found.insert(&object.meta.name, Some(object));
            } else if object.body.is_namespaced() {
                let written = object.meta.namespace.as_deref();
                if written.is_none() {
                    self.world.assumed.without_namespace += 1;
                }
                found
                    .entry(written.unwrap_or(&self.assume.namespace))
                    .or_default();
            }
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

    fn namespace_of(&self, meta: &Meta<'_>) -> NamespaceId {
        let name = meta.namespace.as_deref().unwrap_or(&self.assume.namespace);
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
        for ignore in &meta.ignores {
            self.world.ignores.push(ObjectIgnore {
                kind,
                namespace: in_ns.map(|id| self.world[id].name.clone()),
                name: (&*meta.name).into(),
                object,
                annotation: IgnoreAnnotation {
                    rule: ignore.rule.clone(),
                    reason: ignore.reason.clone().into_owned().into(),
                    span: ignore.span,
                },
            });
        }
    }

    fn nodes(&mut self, objects: &[&Object<'_>]) {
        for object in objects {
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
    fn node(&mut self, name: &str) -> NodeId {
        if let Some(id) = self.nodes.get(name) {
            return *id;
        }
        let id = NodeId::at(self.world.nodes.len());
        self.nodes.insert(name.into(), id);
        self.world.nodes.push(ClusterNode {
            name: name.into(),
            labels: Labels::default(),
            ips: Vec::new(),
            span: None,
        });
        id
    }

    fn workload(&mut self, namespace: NamespaceId, kind: WorkloadKind, name: &str) -> WorkloadId {
        if let Some(id) = self.workloads.get(&(namespace, kind, name.into())) {
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
        self.workloads.insert((namespace, kind, name.into()), id);
        id
    }

    /// Makes the workloads; a ReplicaSet of a Deployment and a Job of a CronJob are the same
    /// workload as their owner.
    fn owners(&mut self, objects: &[&Object<'_>]) {
        for object in objects {
            let Body::Workload(workload) = &object.body else {
                continue;
            };
            let namespace = self.namespace_of(&object.meta);
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
                    let own = (namespace, workload.kind, Box::from(&*object.meta.name));
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

    fn pods(&mut self, objects: &[&Object<'_>]) {
        for object in objects {
            let Body::Pod(spec, status) = &object.body else {
                continue;
            };
            let namespace = self.namespace_of(&object.meta);
            self.ignores(&object.meta, "Pod", Some(namespace), object.span);
            let workload = self.owner_of_pod(namespace, &object.meta);
            self.endpoint(
                &object.meta,
                &object.meta,
                namespace,
                workload,
                spec,
                status.as_ref(),
                object.span,
            );
        }
    }

    fn owner_of_pod(&mut self, namespace: NamespaceId, meta: &Meta<'_>) -> Option<WorkloadId> {
        let owner = meta.owner.as_ref()?;
        let kind = WorkloadKind::from_api(&owner.kind).unwrap_or(WorkloadKind::Other);
        if let Some(id) = self
            .workloads
            .get(&(namespace, kind, Box::from(&*owner.name)))
        {
            return Some(*id);
        }
        // A ReplicaSet that was not read: its name is the Deployment's and the template's hash.
        if kind == WorkloadKind::ReplicaSet {
            let hash = meta
                .labels
                .iter()
                .find(|(key, _)| key == "pod-template-hash");
            let deployment =
                hash.and_then(|(_, hash)| owner.name.strip_suffix(&**hash)?.strip_suffix('-'));
            if let Some(name) = deployment {
                let id = self.workload(namespace, WorkloadKind::Deployment, name);
                let own = (namespace, kind, Box::from(&*owner.name));
                self.workloads.insert(own, id);
                return Some(id);
            }
        }
        Some(self.workload(namespace, kind, &owner.name))
    }

    /// One endpoint for each workload that has no pods in the input.
    fn templates(&mut self, objects: &[&Object<'_>]) {
        for object in objects {
            let Body::Workload(workload) = &object.body else {
                continue;
            };
            if object.meta.owner.is_some() {
                continue;
            }
            let namespace = self.namespace_of(&object.meta);
            let id = self.workload(namespace, workload.kind, &object.meta.name);
            let has_pods = self.world[id].endpoints.iter().any(|id| {
                workload.kind != WorkloadKind::CronJob
                    || self.world[*id].lifecycle != Lifecycle::Finished
            });
            if !has_pods {
                self.endpoint(
                    &object.meta,
                    &workload.template,
                    namespace,
                    Some(id),
                    &workload.pod,
                    None,
                    object.span,
                );
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the two callers name each part")]
    fn endpoint(
        &mut self,
        named: &Meta<'_>,
        labelled: &Meta<'_>,
        namespace: NamespaceId,
        workload: Option<WorkloadId>,
        spec: &PodSpec<'_>,
        status: Option<&PodStatus>,
        span: Span,
    ) {
        let node = spec.node.as_deref().map(|name| self.node(name));
        let mut ips: Vec<IpAddr> = status.map(|status| status.ips.clone()).unwrap_or_default();
        if ips.is_empty() && spec.host_network.is_some() {
            ips = node
                .map(|node| self.world[node].ips.clone())
                .unwrap_or_default();
        }
        let lifecycle = match status.map(|status| status.phase) {
            Some(Phase::Finished) => Lifecycle::Finished,
            Some(_) if ips.is_empty() => Lifecycle::NoAddress,
            _ => Lifecycle::Active,
        };
        let labels = self
            .world
            .symbols
            .labels(labelled.labels.iter().map(|(key, value)| (key, value)));
        let ports = spec
            .ports
            .iter()
            .map(|port| Port {
                name: port
                    .name
                    .as_deref()
                    .map(|name| self.world.symbols.intern(name)),
                number: port.number,
                protocol: port.protocol,
            })
            .collect();
        let id = EndpointId::at(self.world.endpoints.len());
        self.world.endpoints.push(Endpoint {
            namespace,
            name: (&*named.name).into(),
            template: !std::ptr::eq(named, labelled),
            labels,
            ips,
            node,
            host_network: spec.host_network,
            ports,
            workload,
            service_account: spec.service_account.as_deref().map(Into::into),
            lifecycle,
            assumed: false,
            span: Some(if named.name.span.start >= span.start {
                named.name.span
            } else {
                span
            }),
        });
        self.attach(id, namespace, workload);
    }

    fn attach(&mut self, id: EndpointId, namespace: NamespaceId, workload: Option<WorkloadId>) {
        if let Some(namespace) = self.world.namespaces.get_mut(namespace.index()) {
            namespace.endpoints.push(id);
        }
        if let Some(workload) = workload.and_then(|id| self.world.workloads.get_mut(id.index())) {
            workload.endpoints.push(id);
        }
    }

    fn policies(&mut self, objects: &[&Object<'_>]) {
        for object in objects {
            let Body::NetworkPolicy(spec) = &object.body else {
                continue;
            };
            let namespace = self.namespace_of(&object.meta);
            self.ignores(&object.meta, "NetworkPolicy", Some(namespace), object.span);
            let id = PolicyId::at(self.world.policies.len());
            self.world.policies.push(Policy {
                namespace,
                name: (&*object.meta.name).into(),
                name_span: object.meta.name.span,
                spec: (**spec).clone(),
                span: object.span,
            });
            if let Some(namespace) = self.world.namespaces.get_mut(namespace.index()) {
                namespace.policies.push(id);
            }
        }
    }

    fn addresses(&mut self) {
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
                self.world.by_ip.insert(*ip, EndpointId::at(index));
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
