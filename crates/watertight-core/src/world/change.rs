//! Changes of a world that was built: what a watch of a live cluster brings.
//!
//! Policies and endpoints come, change and go; ids stay what they are, and those of what has gone are
//! not given again. Namespaces, nodes and services do not change this way: build a new world.
//!
//! Whoever holds a ruleset follows with [`crate::policy::relower_kubernetes`], whoever holds rows with
//! [`crate::eval::reach::Reach::update`].

use std::sync::OnceLock;

use super::{
    Endpoint, EndpointId, Labels, Lifecycle, ObjectId, Policy, PolicyId, PolicyItem, World,
};
use crate::manifest::{PolicyKind, PolicyObject};
use crate::source::Span;

impl World {
    /// Adds a policy, or replaces the one of the same namespace and name.
    pub fn put_policy(&mut self, policy: Policy) -> PolicyId {
        let namespace = policy.namespace;
        let mut known = self[namespace].policies.iter().copied();
        if let Some(id) = known.find(|id| self[*id].name == policy.name) {
            if let Some(entry) = self.policies.get_mut(id.index()) {
                *entry = policy;
            }
            return id;
        }
        let id = PolicyId::at(self.policies.len());
        self.policies.push(policy);
        if let Some(namespace) = self.namespaces.get_mut(namespace.index()) {
            namespace.policies.push(id);
        }
        id
    }

    /// Adds a cluster-wide policy object of another language.
    pub fn put_object(
        &mut self,
        kind: PolicyKind,
        name: &str,
        name_span: Span,
        object: PolicyObject,
        span: Span,
    ) -> ObjectId {
        let id = ObjectId::at(self.objects.len());
        self.objects.push(PolicyItem {
            kind,
            namespace: None,
            name: name.into(),
            name_span,
            labels: Labels::default(),
            object,
            span,
        });
        id
    }

    /// Takes a policy out.
    pub fn remove_policy(&mut self, id: PolicyId) {
        let namespace = self[id].namespace;
        if let Some(namespace) = self.namespaces.get_mut(namespace.index()) {
            namespace.policies.retain(|known| *known != id);
        }
        self.gone_policies.insert(id);
    }

    /// Adds an endpoint, or replaces the one of the same namespace and name. Its node and workload
    /// must be known.
    pub fn put_endpoint(&mut self, endpoint: Endpoint) -> EndpointId {
        let namespace = endpoint.namespace;
        let mut known = self[namespace].endpoints.iter().copied();
        let known = known.find(|id| {
            let known = &self[*id];
            known.name == endpoint.name && known.template == endpoint.template
        });
        let workload = endpoint.workload;
        let id = known.unwrap_or(EndpointId::at(self.endpoints.len()));
        if known.is_some() {
            self.forget(id);
            if let Some(entry) = self.endpoints.get_mut(id.index()) {
                *entry = endpoint;
            }
        } else {
            self.endpoints.push(endpoint);
            if let Some(namespace) = self.namespaces.get_mut(namespace.index()) {
                namespace.endpoints.push(id);
            }
        }
        if let Some(workload) = workload.and_then(|id| self.workloads.get_mut(id.index())) {
            workload.endpoints.push(id);
            workload.endpoints.sort_unstable();
        }
        let endpoint = &self[id];
        if endpoint.host_network.is_none() && endpoint.lifecycle != Lifecycle::Finished {
            let ips = endpoint.ips.to_vec();
            for ip in ips {
                if self.by_ip.insert(ip, id).is_some() {
                    self.shared_ips.insert(ip);
                }
            }
        }
        id
    }

    /// Takes an endpoint out: it owns no address any more, as if it had finished (K-86).
    pub fn remove_endpoint(&mut self, id: EndpointId) {
        self.forget(id);
        let namespace = self[id].namespace;
        if let Some(namespace) = self.namespaces.get_mut(namespace.index()) {
            namespace.endpoints.retain(|known| *known != id);
        }
        if let Some(endpoint) = self.endpoints.get_mut(id.index()) {
            endpoint.lifecycle = Lifecycle::Finished;
        }
        self.gone_endpoints.insert(id);
    }

    /// Undoes what other lists know of an endpoint.
    fn forget(&mut self, id: EndpointId) {
        self.dns = OnceLock::new();
        let endpoint = &self[id];
        let (ips, workload) = (endpoint.ips.to_vec(), endpoint.workload);
        if let Some(workload) = workload.and_then(|id| self.workloads.get_mut(id.index())) {
            workload.endpoints.retain(|known| *known != id);
        }
        for ip in ips {
            if self.by_ip.get(&ip) != Some(&id) {
                continue;
            }
            // Another pod may have the address as well.
            let is_shared = self.shared_ips.contains(&ip);
            let candidates = if is_shared { self.endpoints.len() } else { 0 };
            let other = self
                .endpoint_ids()
                .take(candidates)
                .filter(|other| *other != id)
                .filter(|other| {
                    let other = &self[*other];
                    other.ips.contains(&ip)
                        && other.host_network.is_none()
                        && other.lifecycle != Lifecycle::Finished
                });
            match other.last() {
                Some(other) => self.by_ip.insert(ip, other),
                None => self.by_ip.remove(&ip),
            };
        }
    }
}
