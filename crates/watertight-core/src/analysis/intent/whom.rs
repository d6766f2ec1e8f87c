//! Parties of a world behind what statements write.

use std::cell::OnceCell;
use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::{Part, PartKind, Whom};
use crate::analysis::map;
use crate::analysis::parties::{Parties, PartyError, Selection, What, is_service_spelling};
use crate::facts::metadata;
use crate::sets::{LabelSelector, Runs};
use crate::world::{EndpointId, Lifecycle, NameId, NodeId, ServiceId, World};

/// Parties of one end.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    /// All pods and nodes, without being listed.
    pub(super) everyone: bool,
    pub(super) endpoints: Vec<EndpointId>,
    pub(super) nodes: Vec<NodeId>,
    /// Addresses that no pod and no node owns.
    pub(super) v4: Runs<u32>,
    pub(super) v6: Runs<u128>,
    pub(super) names: Vec<NameId>,
    pub(super) services: Vec<(ServiceId, Box<str>)>,
}

impl Ends {
    /// Pods, nodes and all addresses.
    pub(super) fn everyone(world: &World) -> Self {
        Self {
            endpoints: present(world),
            nodes: world.node_ids().collect(),
            v4: Runs::all(),
            v6: Runs::all(),
            ..Self::default()
        }
    }

    /// The same, without listing pods and nodes.
    pub(super) fn anybody() -> Self {
        Self {
            everyone: true,
            v4: Runs::all(),
            v6: Runs::all(),
            ..Self::default()
        }
    }

    pub(super) fn has_addresses(&self) -> bool {
        !self.v4.is_empty() || !self.v6.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.everyone
            && self.endpoints.is_empty()
            && self.nodes.is_empty()
            && !self.has_addresses()
            && self.names.is_empty()
            && self.services.is_empty()
    }

    /// Whether somebody is meant by both; these are in order.
    pub(super) fn touches(&self, other: &Self) -> bool {
        let has_endpoint = |id| self.endpoints.binary_search(id).is_ok();
        let has_node = |id| self.nodes.binary_search(id).is_ok();
        self.everyone
            || other.endpoints.iter().any(has_endpoint)
            || other.nodes.iter().any(has_node)
            || self.v4.touches(&other.v4)
            || self.v6.touches(&other.v6)
            // Nobody knows which addresses a name stands for.
            || (self.has_addresses() && !other.names.is_empty())
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.endpoints.extend(&other.endpoints);
        self.nodes.extend(&other.nodes);
        self.v4 = self.v4.union(&other.v4);
        self.v6 = self.v6.union(&other.v6);
        self.names.extend(&other.names);
        self.services.extend(other.services.iter().cloned());
    }

    fn finish(mut self) -> Self {
        self.endpoints.sort_unstable();
        self.endpoints.dedup();
        self.nodes.sort_unstable();
        self.nodes.dedup();
        self.names.sort_unstable();
        self.names.dedup();
        self
    }
}

/// Why a part means nobody: a sentence.
#[derive(Clone, Debug)]
pub(super) struct Nobody {
    pub(super) message: String,
    /// Whether it is open who is meant, so that it is no matter of being there.
    pub(super) ambiguous: bool,
}

impl From<PartyError> for Nobody {
    fn from(error: PartyError) -> Self {
        Self {
            message: error.message,
            ambiguous: error.ambiguous,
        }
    }
}

/// Finds parties, each spelling once.
pub(super) struct Resolver<'w> {
    world: &'w World,
    parties: Parties<'w>,
    known: FxHashMap<Box<str>, Result<Ends, Nobody>>,
    owned: OnceCell<(Runs<u32>, Runs<u128>)>,
}

impl<'w> Resolver<'w> {
    pub(super) fn new(world: &'w World, namespace: Option<&str>) -> Self {
        Self {
            world,
            parties: Parties::new(world, namespace),
            known: FxHashMap::default(),
            owned: OnceCell::new(),
        }
    }

    /// Whether a part is written as a Service.
    pub(super) fn is_service(part: &Part) -> bool {
        matches!(part.kind, PartKind::Spelled) && is_service_spelling(&part.text)
    }

    /// Whom all parts mean together. A part that means nobody is worth a sentence even beside others,
    /// unless it may.
    pub(super) fn ends(&mut self, whom: &Whom, may_be_nobody: bool) -> Result<Ends, Nobody> {
        let mut found = Ends::default();
        let mut first = None;
        for part in &whom.parts {
            let nobody = match self.part(part) {
                Ok(ends) if ends.is_empty() => Nobody {
                    message: match part.kind {
                        PartKind::Outside(..) => format!(
                            "pods and nodes own all addresses of `{}`, so that nobody outside has one",
                            part.text
                        ),
                        _ => format!("`{}` matches nobody in the input", part.text),
                    },
                    ambiguous: false,
                },
                Ok(ends) => {
                    found.add(&ends);
                    continue;
                }
                Err(nobody) => nobody,
            };
            if nobody.ambiguous || !may_be_nobody {
                return Err(nobody);
            }
            first = first.or(Some(nobody));
        }
        match first {
            Some(nobody) if found.is_empty() => Err(nobody),
            _ => Ok(found.finish()),
        }
    }

    pub(super) fn part(&mut self, part: &Part) -> Result<Ends, Nobody> {
        match &part.kind {
            PartKind::Everyone => Ok(Ends::everyone(self.world)),
            PartKind::Pods => Ok(Ends {
                endpoints: present(self.world),
                ..Ends::default()
            }),
            PartKind::Spelled => {
                if let Some(known) = self.known.get(&part.text) {
                    return known.clone();
                }
                let selected = self.parties.select(&part.text);
                let found = selected
                    .map(|selection| self.selected(selection))
                    .map_err(Nobody::from);
                self.known.insert(part.text.clone(), found.clone());
                found
            }
            PartKind::Metadata(clouds) => {
                let all = metadata::distinct_addresses(clouds).into_iter();
                let reachable = all.filter(metadata::MetadataAddress::reachable_from_pod);
                let nets = reachable.map(|found| IpNet::from(found.address));
                Ok(self.addresses(nets.collect::<Vec<_>>().iter(), &[]))
            }
            PartKind::Range(first, last) => {
                let Ends { v4, v6, .. } = range(*first, *last);
                Ok(self.owned(v4, v6))
            }
            PartKind::Outside(first, last) => {
                let Ends { v4, v6, .. } = range(*first, *last);
                Ok(self.beyond(v4, v6))
            }
            PartKind::Block(net, except) => Ok(self.addresses(std::iter::once(net), except)),
            PartKind::Labels {
                namespace,
                namespaces,
                pods,
            } => self.labels(namespace.as_deref(), namespaces.as_ref(), pods),
        }
    }

    fn selected(&self, selection: Selection) -> Ends {
        let one = Ends::default();
        match selection.what {
            What::Endpoints(endpoints) => Ends { endpoints, ..one },
            What::Nodes(nodes) => Ends { nodes, ..one },
            What::World => Ends {
                v4: Runs::all(),
                v6: Runs::all(),
                ..one
            },
            What::Name(name) => Ends {
                names: vec![name],
                ..one
            },
            What::Service(service) => Ends {
                services: vec![(service, selection.text.into())],
                ..one
            },
            What::Addresses(nets) => self.addresses(nets.iter(), &[]),
        }
    }

    fn addresses<'n>(&self, nets: impl Iterator<Item = &'n IpNet>, except: &[IpNet]) -> Ends {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let bounds = |net: &IpNet, v4: &mut Vec<(u32, u32)>, v6: &mut Vec<(u128, u128)>| match net {
            IpNet::V4(net) => v4.push((net.network().into(), net.broadcast().into())),
            IpNet::V6(net) => v6.push((net.network().into(), net.broadcast().into())),
        };
        for net in nets {
            bounds(net, &mut v4, &mut v6);
        }
        let (mut not4, mut not6) = (Vec::new(), Vec::new());
        for net in except {
            bounds(net, &mut not4, &mut not6);
        }
        let v4 = Runs::from_unsorted(v4).difference(&Runs::from_unsorted(not4));
        let v6 = Runs::from_unsorted(v6).difference(&Runs::from_unsorted(not6));
        self.owned(v4, v6)
    }

    /// Addresses with the pods and nodes that own some of them.
    fn owned(&self, v4: Runs<u32>, v6: Runs<u128>) -> Ends {
        let inside = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => v4.contains((*ip).into()),
            IpAddr::V6(ip) => v6.contains((*ip).into()),
        };
        let world = self.world;
        let endpoints = world.endpoint_ids().filter(|id| {
            let endpoint = &world[*id];
            endpoint.host_network.is_none()
                && endpoint.lifecycle == Lifecycle::Active
                && endpoint.ips.iter().any(inside)
        });
        let endpoints: Vec<EndpointId> = endpoints.collect();
        let nodes = world.node_ids();
        let nodes: Vec<NodeId> = nodes
            .filter(|id| world[*id].ips.iter().any(inside))
            .collect();
        Ends {
            endpoints,
            nodes,
            ..self.beyond(v4, v6)
        }
    }

    /// Addresses without the ranges that pods and nodes own altogether. Taking every pod out of every
    /// range would make many ranges of few.
    fn beyond(&self, v4: Runs<u32>, v6: Runs<u128>) -> Ends {
        let (own4, own6) = self.owned.get_or_init(|| map::owned(self.world));
        Ends {
            v4: map::beyond(&v4, own4),
            v6: map::beyond(&v6, own6),
            ..Ends::default()
        }
    }

    fn labels(
        &self,
        namespace: Option<&str>,
        namespaces: Option<&LabelSelector>,
        pods: &LabelSelector,
    ) -> Result<Ends, Nobody> {
        let world = self.world;
        let named = match namespace {
            Some(name) => match self.parties.select(&format!("ns:{name}")) {
                Ok(_) => world.namespace(name),
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        let mut endpoints = Vec::new();
        for id in world.namespace_ids() {
            let is_meant = named.is_none_or(|named| named == id)
                && namespaces
                    .is_none_or(|selector| selector.matches(|key| world.namespace_label(id, key)));
            if is_meant {
                let all = world[id].endpoints.iter().copied();
                endpoints.extend(all.filter(|id| {
                    world[*id].lifecycle == Lifecycle::Active
                        && pods.matches(|key| world.label(*id, key))
                }));
            }
        }
        Ok(Ends {
            endpoints,
            ..Ends::default()
        })
    }
}

fn range(first: IpAddr, last: IpAddr) -> Ends {
    let mut found = Ends::default();
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => found.v4 = Runs::range(first.into(), last.into()),
        (IpAddr::V6(first), IpAddr::V6(last)) => found.v6 = Runs::range(first.into(), last.into()),
        _ => {}
    }
    found
}

/// All pods that own an address.
fn present(world: &World) -> Vec<EndpointId> {
    let all = world.endpoint_ids();
    all.filter(|id| world[*id].lifecycle == Lifecycle::Active)
        .collect()
}
