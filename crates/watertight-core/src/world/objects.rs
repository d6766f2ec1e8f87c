//! Policy objects of languages other than NetworkPolicy, and what their selectors look at besides pods.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{EndpointId, Labels, NAME_LABEL, NameId, NamespaceId, ObjectId, World};
use crate::manifest::{PolicyKind, PolicyObject};
use crate::sets::{Described, LabelsOf};
use crate::source::Span;

/// A policy object.
#[derive(Clone, Debug)]
pub struct PolicyItem {
    /// The kind.
    pub kind: PolicyKind,
    /// The namespace, unless it is cluster-wide.
    pub namespace: Option<NamespaceId>,
    /// The name.
    pub name: Box<str>,
    /// Where the name is.
    pub name_span: Span,
    /// The labels, by which other objects may select it.
    pub labels: Labels,
    /// What it says.
    pub object: PolicyObject,
    /// The object.
    pub span: Span,
}

/// A DNS name, or a pattern of names, that a policy or a question names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// In lower case, without a trailing dot.
    pub text: Box<str>,
    /// The addresses that pods have learnt for it, as far as they are known.
    pub ips: Vec<IpAddr>,
}

/// The account of pods that name none.
const DEFAULT_ACCOUNT: &str = "default";

impl World {
    /// All names.
    pub fn name_ids(&self) -> impl Iterator<Item = NameId> + use<> {
        (0..self.names.len()).map(NameId::at)
    }

    /// Finds or adds a name that a question names.
    pub fn intern_name(&mut self, text: &str) -> NameId {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if let Some(known) = self.names.iter().position(|name| *name.text == *text) {
            return NameId::at(known);
        }
        self.names.push(Name {
            text: text.into(),
            ips: Vec::new(),
        });
        NameId::at(self.names.len() - 1)
    }

    /// Tells which addresses pods have learnt for a name.
    pub fn learn(&mut self, text: &str, ips: impl IntoIterator<Item = IpAddr>) {
        let id = self.intern_name(text);
        if let Some(name) = self.names.get_mut(id.index()) {
            name.ips.extend(ips);
        }
    }

    /// All ids of policy objects, in reading order.
    pub fn object_ids(&self) -> impl Iterator<Item = ObjectId> + use<> {
        (0..self.objects.len()).map(ObjectId::at)
    }

    /// `namespace/name` of a policy object; its name alone if it is cluster-wide.
    #[must_use]
    pub fn object_name(&self, id: ObjectId) -> String {
        let object = &self[id];
        match object.namespace {
            Some(namespace) => format!("{}/{}", self[namespace].name, object.name),
            None => object.name.to_string(),
        }
    }

    /// The name of the service account of an endpoint.
    #[must_use]
    pub fn account_of(&self, endpoint: EndpointId) -> &str {
        let account = self[endpoint].service_account.as_deref();
        account.unwrap_or(DEFAULT_ACCOUNT)
    }

    /// The labels of a service account.
    #[must_use]
    pub fn account_labels(&self, namespace: NamespaceId, name: &str) -> Option<&Labels> {
        self.accounts.get(&(namespace, name.into()))
    }

    /// The addresses of the API server: those behind `default/kubernetes`, or else those of the host
    /// network pods that run it.
    #[must_use]
    pub fn api_servers(&self) -> Vec<IpAddr> {
        let service = self.service("default", "kubernetes").map(|id| &self[id]);
        let listed = service.into_iter().flat_map(|service| &service.addresses);
        let mut ips: Vec<IpAddr> = listed.map(|address| address.ip).collect();
        if ips.is_empty() {
            let servers = self.endpoint_ids().filter(|id| {
                self[*id].host_network.is_some()
                    && self.label(*id, "component") == Some("kube-apiserver")
            });
            ips.extend(servers.flat_map(|id| self[id].ips.iter().copied()));
        }
        ips.sort_unstable();
        ips.dedup();
        ips
    }
}

/// An endpoint of a world, as expressions look at it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'w>(pub &'w World, pub EndpointId);

impl Described for Seen<'_> {
    fn label(&self, of: LabelsOf, key: &str) -> Option<&str> {
        let Self(world, id) = *self;
        let namespace = world[id].namespace;
        match of {
            LabelsOf::Endpoint => world.label(id, key),
            LabelsOf::Namespace if key == NAME_LABEL => Some(&world[namespace].name),
            LabelsOf::Namespace => world.namespace_label(namespace, key),
            LabelsOf::ServiceAccount => {
                let labels = world.account_labels(namespace, world.account_of(id))?;
                world.symbols.value(labels, key)
            }
        }
    }

    fn service_account(&self) -> &str {
        self.0.account_of(self.1)
    }

    fn is_in(&self, nets: &[IpNet]) -> bool {
        let Self(world, id) = *self;
        let ips = &world[id].ips;
        if !ips.is_empty() {
            return ips.iter().any(|ip| nets.iter().any(|net| net.contains(ip)));
        }
        // An address that is not known is somewhere in these (M-1): only what holds everywhere does.
        let mut cidrs = world.assumed.pod_cidrs.iter();
        cidrs.any(|cidr| nets.iter().any(|net| net.contains(cidr)))
    }
}
