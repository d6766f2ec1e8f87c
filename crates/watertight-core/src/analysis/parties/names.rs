//! Names of one world, indexed by namespace when they are first asked for.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::spelling::{Kind, Name};
use super::{PartyError, did_you_mean, listed};
use crate::world::{EndpointId, NamespaceId, ServiceId, WorkloadId, World};

/// Something that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    Workload(WorkloadId),
    Pod(EndpointId),
    Service(ServiceId),
}

/// The pods and workloads of one namespace by name.
type Index<'w> = FxHashMap<&'w str, Vec<Found>>;

#[derive(Debug)]
pub(super) struct Names<'w> {
    world: &'w World,
    indexes: Vec<OnceLock<Index<'w>>>,
    services: OnceLock<FxHashMap<(NamespaceId, &'w str), ServiceId>>,
}

impl<'w> Names<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let mut indexes = Vec::new();
        indexes.resize_with(world.namespaces.len(), OnceLock::new);
        Self {
            world,
            indexes,
            services: OnceLock::new(),
        }
    }

    /// The namespace of a name.
    pub(super) fn namespace(&self, name: &str) -> Result<NamespaceId, PartyError> {
        self.world.namespace(name).ok_or_else(|| {
            let namespaces = self.world.namespaces.iter();
            let names = namespaces.map(|namespace| &*namespace.name);
            let near = did_you_mean(name, names, str::to_owned);
            PartyError::new(format!("no namespace `{name}` in the input{near}"))
        })
    }

    fn index(&self, namespace: NamespaceId) -> Option<&Index<'w>> {
        let index = self.indexes.get(namespace.index())?;
        Some(index.get_or_init(|| {
            let world = self.world;
            let mut index = Index::default();
            for id in &world[namespace].endpoints {
                let endpoint = &world[*id];
                if let Some(workload) = endpoint.workload {
                    let found: &mut Vec<Found> = index.entry(&world[workload].name).or_default();
                    if !found.contains(&Found::Workload(workload)) {
                        found.push(Found::Workload(workload));
                    }
                }
                // A template is its workload; the assumed DNS is a template without one.
                if !endpoint.template || endpoint.workload.is_none() {
                    index
                        .entry(&endpoint.name)
                        .or_default()
                        .push(Found::Pod(*id));
                }
            }
            index
        }))
    }

    fn service(&self, namespace: NamespaceId, name: &str) -> Option<ServiceId> {
        let services = self.services.get_or_init(|| {
            let world = self.world;
            let ids = world.service_ids();
            ids.map(|id| ((world[id].namespace, &*world[id].name), id))
                .collect()
        });
        services.get(&(namespace, name)).copied()
    }

    /// Whom a name means in a namespace, sorted. A Service is meant only where its kind is written:
    /// it is no endpoint, and often called like the workload behind it.
    pub(super) fn find(&self, namespace: NamespaceId, name: &Name<'_>) -> Vec<Found> {
        if name.kind == Some(Kind::Service) {
            let found = self.service(namespace, name.name);
            return found.map(Found::Service).into_iter().collect();
        }
        let index = self.index(namespace);
        let found = index.and_then(|index| index.get(name.name));
        let mut found: Vec<_> = found
            .into_iter()
            .flatten()
            .copied()
            .filter(|found| match (name.kind, found) {
                (None, _) | (Some(Kind::Pod), Found::Pod(_)) => true,
                (Some(Kind::Workload(kind)), Found::Workload(id)) => self.world[*id].kind == kind,
                _ => false,
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// Whom a name means in any namespace, by namespace.
    pub(super) fn find_everywhere(&self, name: &Name<'_>) -> Vec<Found> {
        let namespaces = self.world.namespace_ids();
        namespaces
            .flat_map(|namespace| self.find(namespace, name))
            .collect()
    }

    /// `shop/Deployment/web`: a spelling that means this and nothing else.
    pub(super) fn spell(&self, found: Found) -> String {
        let world = self.world;
        let (namespace, kind, name) = match found {
            Found::Workload(id) => (world[id].namespace, world[id].kind.api(), &world[id].name),
            Found::Pod(id) => (world[id].namespace, "Pod", &world[id].name),
            Found::Service(id) => (world[id].namespace, "svc", &world[id].name),
        };
        format!("{}/{kind}/{name}", world[namespace].name)
    }

    /// ` (did you mean ...?)`: names that are nearly the one that nobody has.
    pub(super) fn near(&self, name: &Name<'_>, namespace: Option<&str>) -> String {
        let world = self.world;
        let namespace = namespace.and_then(|namespace| world.namespace(namespace));
        if name.kind == Some(Kind::Service) {
            let mut names: Vec<_> = world
                .services
                .iter()
                .filter(|service| namespace.is_none_or(|id| service.namespace == id))
                .map(|service| &*service.name)
                .collect();
            names.sort_unstable();
            names.dedup();
            return did_you_mean(name.name, names.iter().copied(), str::to_owned);
        }
        let places: Vec<NamespaceId> = match namespace {
            Some(id) => vec![id],
            None => world.namespace_ids().collect(),
        };
        let mut names: Vec<&str> = places
            .iter()
            .flat_map(|id| &world[*id].endpoints)
            .filter_map(|id| {
                let endpoint = &world[*id];
                match (name.kind, endpoint.workload) {
                    // Pods are made up of their workload's name: that one is shorter to tell.
                    (Some(Kind::Pod), _) | (None, None) => Some(&*endpoint.name),
                    (None, Some(workload)) => Some(&*world[workload].name),
                    (Some(Kind::Workload(kind)), Some(workload)) => {
                        (world[workload].kind == kind).then_some(&*world[workload].name)
                    }
                    _ => None,
                }
            })
            .collect();
        if namespace.is_none() && name.kind.is_none() {
            names.extend(["world", "nodes"]);
        }
        names.sort_unstable();
        names.dedup();
        let near = did_you_mean(name.name, names.iter().copied(), str::to_owned);
        match (near.is_empty(), names.as_slice()) {
            (true, [_, ..]) if names.len() <= 8 => {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                match namespace {
                    Some(_) if names.len() > 3 => format!("; it has {}", names.join(", ")),
                    Some(_) => format!("; it has {}", listed(&names).replace(" or ", " and ")),
                    None => String::new(),
                }
            }
            _ => near,
        }
    }
}
