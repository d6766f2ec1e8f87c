//! The parties of a world behind the ends of records.
//!
//! What the log says of a pod counts more than its address: addresses are given away again. A pod
//! that is no longer there is found by its workload, by its name or by its labels.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::generated::{is_suffix, splits};
use super::{End, Whose};
use crate::analysis::parties::{Parties, What};
use crate::eval::Party;
use crate::manifest::WorkloadKind;
use crate::suggest::misspelt;
use crate::world::{EndpointId, Lifecycle, NameId, NamespaceId, ServiceId, WorkloadId, World};

/// A spelling that names more workloads than this is no recorded flow.
const MAX_WORKLOADS: usize = 50;

/// Who an end is.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// Each of them.
    Parties(Vec<Party>),
    /// Somebody outside, by a name that policies know, and by the address.
    Named(NameId, Option<IpAddr>),
    /// The backends of a Service.
    Service(ServiceId),
}

/// A thing of a namespace that has a name.
#[derive(Clone, Copy)]
enum Named {
    Workload(WorkloadId),
    Pod(EndpointId),
}

/// Finds parties, each end once.
pub(super) struct Finder<'w, 'r> {
    world: &'w World,
    parties: Parties<'w>,
    found: FxHashMap<&'r End, Result<Who, String>>,
    named: FxHashMap<NamespaceId, FxHashMap<&'w str, Vec<Named>>>,
    services: FxHashMap<IpAddr, ServiceId>,
    /// The names that the world knows.
    names: FxHashMap<&'w str, NameId>,
}

impl<'w, 'r> Finder<'w, 'r> {
    pub(super) fn new(world: &'w World) -> Self {
        let services = world.service_ids().flat_map(|id| {
            let ips = world[id].cluster_ips.iter();
            ips.map(move |ip| (*ip, id))
        });
        let names = world.name_ids().map(|id| (&*world[id].text, id));
        Self {
            world,
            parties: Parties::new(world, None),
            found: FxHashMap::default(),
            named: FxHashMap::default(),
            services: services.collect(),
            names: names.collect(),
        }
    }

    /// Who an end is, or why nobody knows: a clause.
    pub(super) fn who(&mut self, end: &'r End) -> Result<Who, String> {
        if let Some(known) = self.found.get(end) {
            return known.clone();
        }
        let found = self.look(end);
        self.found.insert(end, found.clone());
        found
    }

    fn look(&mut self, end: &End) -> Result<Who, String> {
        if let Some(text) = &end.spelled {
            return self.spelled(text);
        }
        if end.whose == Whose::Node {
            return self.node(end);
        }
        let described = end.namespace.is_some() && !end.labels.is_empty();
        if end.pod.is_some() || end.workload.is_some() || described {
            return self.pod(end).map(one_endpoint);
        }
        match (end.ip, end.whose) {
            (Some(ip), _) => Ok(self.address(ip, &end.names)),
            (None, Whose::Public) => Err("the log does not say which public address".into()),
            (None, Whose::Private) => Err("the log does not say which private address".into()),
            (None, _) => match self.name(&end.names) {
                Some(name) => Ok(Who::Named(name, None)),
                None => Err("the log names neither a pod nor an address".into()),
            },
        }
    }

    fn spelled(&self, text: &str) -> Result<Who, String> {
        let selection = self.parties.select(text).map_err(|error| error.message)?;
        if let Some(ip) = selection.address() {
            return Ok(self.address(ip, &[]));
        }
        match &selection.what {
            What::Endpoints(endpoints) => {
                let found = self.representatives(endpoints);
                if found.len() > MAX_WORKLOADS {
                    return Err(format!(
                        "`{text}` means more than {MAX_WORKLOADS} workloads; a recorded flow is \
                         between two"
                    ));
                }
                Ok(Who::Parties(found))
            }
            What::Service(service) => Ok(Who::Service(*service)),
            What::Nodes(nodes) if nodes.len() <= MAX_WORKLOADS => Ok(Who::Parties(
                nodes.iter().map(|node| Party::Node(*node)).collect(),
            )),
            What::Nodes(nodes) => Err(format!("`{text}` means {} nodes", nodes.len())),
            What::Name(name) => Ok(Who::Named(*name, None)),
            What::Addresses(_) | What::World => Err(format!(
                "`{text}` means many addresses; a recorded flow is with one"
            )),
        }
    }

    /// One pod of each workload.
    fn representatives(&self, endpoints: &[EndpointId]) -> Vec<Party> {
        let mut seen = Vec::new();
        let mut found = Vec::new();
        for id in endpoints {
            let workload = self.world[*id].workload;
            if workload.is_none() || !seen.contains(&workload) {
                seen.push(workload);
                found.push(Party::Endpoint(*id));
            }
            if found.len() > MAX_WORKLOADS {
                break;
            }
        }
        found
    }

    fn node(&self, end: &End) -> Result<Who, String> {
        let by_ip = end.ip.and_then(|ip| self.world.node_at(ip));
        let by_name = || end.node.as_deref().and_then(|name| self.world.node(name));
        if let Some(node) = by_ip.or_else(by_name) {
            return Ok(Who::Parties(vec![Party::Node(node)]));
        }
        match (end.ip, &end.node) {
            (Some(ip), _) => Ok(self.address(ip, &end.names)),
            (None, Some(name)) => Err(format!("no node `{name}` in the input")),
            (None, None) => Err("the log does not say which node".into()),
        }
    }

    fn address(&self, ip: IpAddr, names: &[Box<str>]) -> Who {
        let party = Party::Address(ip).resolve(self.world);
        if party != Party::Address(ip) {
            return Who::Parties(vec![party]);
        }
        if let Some(service) = self.services.get(&ip) {
            return Who::Service(*service);
        }
        match self.name(names) {
            Some(name) => Who::Named(name, Some(ip)),
            None => Who::Parties(vec![party]),
        }
    }

    /// The first of some names that the world knows.
    fn name(&self, names: &[Box<str>]) -> Option<NameId> {
        names.iter().find_map(|name| {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            self.names.get(&*name).copied()
        })
    }

    fn pod(&mut self, end: &End) -> Result<EndpointId, String> {
        let called = end.pod.as_deref();
        let called = called.or(end.workload.as_ref().map(|(_, name)| &**name));
        let Some(namespace) = end.namespace.as_deref() else {
            let name = called.unwrap_or_default();
            return Err(format!(
                "the log does not say in which namespace `{name}` is"
            ));
        };
        let Some(id) = self.world.namespace(namespace) else {
            let names = self.world.namespaces.iter();
            let near = misspelt(namespace, names.map(|namespace| &*namespace.name));
            let near = near.map_or(String::new(), |near| format!(" (there is `{near}`)"));
            return Err(format!("no namespace `{namespace}` in the input{near}"));
        };
        let found = self
            .by_pod(id, end)
            .or_else(|| self.by_workload(id, end))
            .or_else(|| self.by_generated_name(id, end))
            .or_else(|| self.by_labels(id, end));
        found.ok_or_else(|| match called {
            Some(name) => format!(
                "no pod or workload of namespace `{namespace}` is called `{name}` or has its labels"
            ),
            None => format!("no pod of namespace `{namespace}` has the labels of the log"),
        })
    }

    fn of_name(&mut self, namespace: NamespaceId, name: &str) -> &[Named] {
        let world = self.world;
        let index = self.named.entry(namespace).or_insert_with(|| {
            let mut index: FxHashMap<&str, Vec<Named>> = FxHashMap::default();
            let mut last = None;
            for id in &world[namespace].endpoints {
                let endpoint = &world[*id];
                if let Some(workload) = endpoint.workload
                    && endpoint.workload != last
                {
                    last = endpoint.workload;
                    let named = index.entry(&world[workload].name).or_default();
                    let known =
                        |named: &Named| matches!(named, Named::Workload(id) if *id == workload);
                    if !named.iter().any(known) {
                        named.push(Named::Workload(workload));
                    }
                }
                if !endpoint.template || endpoint.workload.is_none() {
                    index
                        .entry(&endpoint.name)
                        .or_default()
                        .push(Named::Pod(*id));
                }
            }
            index
        });
        index.get(name).map_or(&[], Vec::as_slice)
    }

    /// A pod that is there, and not over.
    fn by_pod(&mut self, namespace: NamespaceId, end: &End) -> Option<EndpointId> {
        let world = self.world;
        let named = self.of_name(namespace, end.pod.as_deref()?);
        named.iter().find_map(|named| match named {
            Named::Pod(id) if world[*id].lifecycle != Lifecycle::Finished => Some(*id),
            _ => None,
        })
    }

    fn by_workload(&mut self, namespace: NamespaceId, end: &End) -> Option<EndpointId> {
        let world = self.world;
        let (kind, name) = end.workload.as_ref()?;
        let named = self.of_name(namespace, name);
        let workloads: Vec<WorkloadId> = named
            .iter()
            .filter_map(|named| match named {
                Named::Workload(id) => Some(*id),
                Named::Pod(_) => None,
            })
            .collect();
        let same = |id: &&WorkloadId| kind.is_none_or(|kind| world[**id].kind == kind);
        let found = workloads.iter().find(same).or_else(|| match &*workloads {
            [one] => Some(one),
            _ => None,
        });
        self.member(*found?)
    }

    fn by_generated_name(&mut self, namespace: NamespaceId, end: &End) -> Option<EndpointId> {
        let world = self.world;
        for (name, rest) in splits(end.pod.as_deref()?) {
            let named = self.of_name(namespace, name);
            let found = named.iter().find_map(|named| match named {
                Named::Workload(id) if is_suffix(world[*id].kind, rest) => {
                    Some(Named::Workload(*id))
                }
                // The assumed DNS stands for pods of a workload that was not read.
                Named::Pod(id)
                    if world[*id].template && is_suffix(WorkloadKind::Deployment, rest) =>
                {
                    Some(Named::Pod(*id))
                }
                _ => None,
            });
            match found {
                Some(Named::Workload(id)) => return self.member(id),
                Some(Named::Pod(id)) => return Some(id),
                None => {}
            }
        }
        None
    }

    /// The pods of one workload that have all labels of the record.
    fn by_labels(&self, namespace: NamespaceId, end: &End) -> Option<EndpointId> {
        if end.labels.is_empty() {
            return None;
        }
        let world = self.world;
        let symbols = &world.symbols;
        let has_all = |id: EndpointId| {
            let labels = &world[id].labels;
            let mut wanted = end.labels.iter();
            wanted.all(|(key, value)| symbols.value(labels, key) == Some(&**value))
        };
        let mut found: Option<EndpointId> = None;
        for id in &world[namespace].endpoints {
            if world[*id].lifecycle == Lifecycle::Finished || !has_all(*id) {
                continue;
            }
            match found {
                None => found = Some(*id),
                Some(known) => {
                    let workload = world[known].workload;
                    if workload.is_none() || workload != world[*id].workload {
                        return None;
                    }
                }
            }
        }
        found
    }

    /// A pod of a workload, one that runs if there is any.
    fn member(&self, workload: WorkloadId) -> Option<EndpointId> {
        let all = &self.world[workload].endpoints;
        let mut running = all.iter().copied();
        let active = |id: &EndpointId| self.world[*id].lifecycle == Lifecycle::Active;
        running.find(active).or(all.first().copied())
    }
}

fn one_endpoint(id: EndpointId) -> Who {
    Who::Parties(vec![Party::Endpoint(id)])
}
