//! The peers of an item (L-28..L-59).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{EndpointSelector, Lowering, NamespaceScope, Peer, identity};
use crate::manifest::policy::cilium::{
    CidrEntry, CidrSource, CiliumItem, CiliumPeers, Entity, ToService,
};
use crate::policy::Covers;
use crate::sets::{Cidr, IpBlock, LabelSelector, Operator, Requirement};
use crate::source::Span;
use crate::world::{NamespaceId, PolicyItem, ServiceId, World};

/// The API servers: the nodes they run on, and their addresses elsewhere (L-41, L-53).
pub(super) fn api_servers(world: &World) -> Vec<Peer> {
    let mut nodes = Vec::new();
    let mut peers = Vec::new();
    let Some(span) = super::somewhere(world) else {
        return peers;
    };
    for ip in world.api_servers() {
        match world.node_at(ip) {
            Some(node) => nodes.push(node),
            None if world.endpoint_at(ip).is_some() => {}
            None => peers.push(Peer::Block(whole(ip.into(), span), Covers::OUTSIDE)),
        }
    }
    nodes.dedup();
    if !nodes.is_empty() {
        peers.push(Peer::Nodes(nodes.into(), span));
    }
    peers
}

/// A network without exceptions.
fn whole(net: IpNet, span: Span) -> IpBlock {
    IpBlock {
        cidr: Cidr { net, span },
        except: Vec::new(),
        span,
    }
}

/// All addresses outside, family by family.
pub(super) fn families(span: Span) -> [Peer; 2] {
    let nets = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
    nets.map(|net| Peer::Block(whole(net, span), Covers::OUTSIDE))
}

impl Lowering<'_> {
    /// Any of these; none is nobody.
    pub(super) fn peers(&self, item: &CiliumItem, own: Option<NamespaceId>) -> Vec<Peer> {
        match &item.peers {
            // L-29; what has no ports either is no question of peers (L-28).
            CiliumPeers::Unwritten => vec![Peer::Any],
            CiliumPeers::Nobody | CiliumPeers::Groups => Vec::new(),
            CiliumPeers::Endpoints(selectors) => selectors
                .iter()
                .flat_map(|selector| self.endpoints(selector, own))
                .collect(),
            CiliumPeers::Entities(entities) => entities
                .iter()
                .flat_map(|(entity, span)| self.entity(*entity, *span))
                .collect(),
            CiliumPeers::Cidrs(entries) => {
                let entries = entries.iter();
                entries.flat_map(|entry| self.addresses(entry)).collect()
            }
            CiliumPeers::Nodes(selectors) => selectors
                .iter()
                .map(|selector| Peer::Nodes(identity::nodes(self.world, selector), selector.span))
                .collect(),
            CiliumPeers::Services(services) => services
                .iter()
                .flat_map(|service| self.services(service, own))
                .collect(),
            // Who is behind a name depends on the subject: `names` sees to it.
            CiliumPeers::Fqdns(_) => Vec::new(),
        }
    }

    /// L-36..L-42.
    fn entity(&self, entity: Entity, span: Span) -> Vec<Peer> {
        match entity {
            Entity::All => vec![Peer::Any],
            Entity::World => vec![Peer::Outside(span)],
            Entity::Cluster => {
                let namespaces = NamespaceScope::Matching(LabelSelector::everything(span));
                let pods = EndpointSelector::new(namespaces, LabelSelector::everything(span));
                let mut peers = vec![Peer::Endpoints(pods, span), Peer::AnyNode(span)];
                peers.extend(self.api.iter().cloned());
                peers
            }
            Entity::Host => vec![Peer::OwnNode(span)],
            Entity::RemoteNode => vec![Peer::OtherNodes(span)],
            Entity::KubeApiserver => self.api.clone(),
            // A world has no such endpoints: pods in it are managed and have their labels.
            Entity::None | Entity::Init | Entity::Health | Entity::Unmanaged | Entity::Ingress => {
                Vec::new()
            }
        }
    }

    /// L-44, L-45, L-47.
    fn covers(&self) -> Covers {
        Covers {
            nodes: self.switches.cidr_match_nodes,
            ..Covers::OUTSIDE
        }
    }

    /// L-44..L-52.
    fn addresses(&self, entry: &CidrEntry) -> Vec<Peer> {
        let cidrs: Vec<Cidr> = match &entry.source {
            CidrSource::Block(block) => vec![*block],
            CidrSource::GroupRef(name) => self.blocks(|group| group.name == *name),
            CidrSource::GroupSelector(selector) => self.blocks(|group| {
                selector.matches(|key| self.world.symbols.value(&group.labels, key))
            }),
        };
        let cidrs = cidrs.into_iter().filter_map(|cidr| {
            // L-49. What an exception covers as a whole is left out as a whole.
            let gone = entry
                .except
                .iter()
                .any(|except| except.net.contains(&cidr.net));
            let inside = entry.except.iter();
            let inside = inside
                .filter(|except| cidr.net.contains(&except.net))
                .copied();
            (!gone).then(|| IpBlock {
                cidr,
                except: inside.collect(),
                span: entry.span,
            })
        });
        let covers = self.covers();
        cidrs.map(|block| Peer::Block(block, covers)).collect()
    }

    /// The blocks of the groups that are meant, by name or by labels (L-52).
    fn blocks(&self, mut is_meant: impl FnMut(&PolicyItem) -> bool) -> Vec<Cidr> {
        let groups = self.groups.iter().filter(|(item, _)| is_meant(item));
        let blocks = groups.flat_map(|(_, group)| group.cidrs.iter().copied());
        blocks.collect()
    }

    /// L-54, L-55.
    fn services(&self, meant: &ToService, own: Option<NamespaceId>) -> Vec<Peer> {
        let world = self.world;
        let by_name = meant.by_name.as_ref().and_then(|asked| {
            let own = own.map(|own| &*world[own].name);
            world.service(asked.namespace.as_deref().or(own)?, &asked.name)
        });
        let labelled = meant.by_labels.iter().flat_map(|asked| {
            let is_meant = |id: &ServiceId| {
                let service = &world[*id];
                let namespace = &world[service.namespace].name;
                let value_of = |key: &str| world.symbols.value(&service.labels, key);
                asked.namespace.iter().all(|asked| asked == namespace)
                    && asked.selector.matches(value_of)
            };
            world.service_ids().filter(is_meant)
        });
        let services = by_name.into_iter().chain(labelled);
        services
            .flat_map(|id| self.backends(id, meant.span))
            .collect()
    }

    /// Whom a Service stands for.
    fn backends(&self, id: ServiceId, span: Span) -> Vec<Peer> {
        let service = &self.world[id];
        if service.selector.is_empty() {
            let covers = self.covers();
            let addresses = service.addresses.iter();
            return addresses
                .map(|address| Peer::Block(whole(address.ip.into(), span), covers))
                .collect();
        }
        let requirements = service.selector.iter().map(|(key, value)| Requirement {
            key: key.clone(),
            operator: Operator::In(vec![value.clone()]),
            span,
        });
        let pods = LabelSelector {
            requirements: requirements.collect(),
            span,
        };
        let namespaces = NamespaceScope::Only(service.namespace);
        vec![Peer::Endpoints(
            EndpointSelector::new(namespaces, pods),
            span,
        )]
    }
}
