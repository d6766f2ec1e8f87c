//! Whom Antrea's selectors mean: peers, subjects, groups, Services.

use super::super::nodes::nodes;
use crate::manifest::PolicyObject;
use crate::manifest::policy::antrea::{
    AntreaGroup, AntreaNamespaces, AntreaObject, AntreaPeer, AntreaPeerKind, AntreaRule, NameRef,
};
use crate::policy::{Covers, EndpointSelector, NamespaceScope, Peer, Subject};
use crate::sets::{
    Cidr, DomainLabels, DomainPattern, Expression, IpBlock, LabelSelector, Operator, PortMatch,
    Requirement,
};
use crate::source::Span;
use crate::world::{NamespaceId, ServiceId, World};

/// Groups hold groups, and those no further ones.
const MOST_NESTED: usize = 2;

/// Looks selectors up for one policy.
#[derive(Clone, Copy)]
pub(super) struct Members<'w> {
    pub world: &'w World,
    /// The namespace of the policy, if it has one.
    pub home: Option<NamespaceId>,
    /// The namespace of the endpoint that the rules are applied to, where they depend on it.
    pub own: Option<NamespaceId>,
}

impl<'w> Members<'w> {
    /// The peers of a rule; any if it names none (T-7).
    pub(super) fn peers_of(&self, rule: &AntreaRule) -> Vec<Peer> {
        if rule.peers.is_empty() {
            return vec![Peer::Any];
        }
        let peers = rule.peers.iter();
        peers.flat_map(|peer| self.peers(peer)).collect()
    }

    fn peers(&self, peer: &AntreaPeer) -> Vec<Peer> {
        let mut found = Vec::new();
        self.each(peer, MOST_NESTED, &mut |member, peer| {
            let span = peer.span;
            match &peer.kind {
                AntreaPeerKind::Block(block) => {
                    // T-10: whoever owns the address.
                    found.push(Peer::Block(block.clone(), Covers::ALL));
                }
                AntreaPeerKind::Name(name) => {
                    let pattern = DomainPattern::new(name, DomainLabels::AnyText);
                    found.push(Peer::Domain(pattern, "T-7", span));
                }
                AntreaPeerKind::Nodes(selector) => {
                    found.push(Peer::Nodes(nodes(self.world, selector), span));
                }
                AntreaPeerKind::Service(service) => {
                    let service = member.service(service);
                    found.extend(
                        service
                            .map(|id| member.backends(id, span))
                            .unwrap_or_default(),
                    );
                }
                _ => {
                    let pods = member.pods(peer);
                    found.extend(pods.map(|pods| Peer::Endpoints(pods, span)));
                }
            }
        });
        found
    }

    /// The subjects that an item of `appliedTo` means. A Service there is about clients from outside
    /// at its node port, which are no connections of a pod.
    pub(super) fn subjects(&self, item: &AntreaPeer) -> Vec<Subject> {
        let mut found = Vec::new();
        self.each(item, MOST_NESTED, &mut |member, item| match &item.kind {
            AntreaPeerKind::Nodes(selector) => {
                found.push(Subject::Nodes(nodes(self.world, selector)));
            }
            _ => found.extend(member.pods(item).map(Subject::Endpoints)),
        });
        found
    }

    /// Tells a peer, or the members of the group that it names.
    fn each(&self, peer: &AntreaPeer, nested: usize, tell: &mut impl FnMut(&Self, &AntreaPeer)) {
        let AntreaPeerKind::Group(name) = &peer.kind else {
            tell(self, peer);
            return;
        };
        let Some(group) = self.group(name).filter(|_| nested > 0) else {
            return;
        };
        for member in &group.members {
            self.each(member, nested - 1, tell);
        }
    }

    /// A ClusterGroup for a cluster-wide policy, a Group of its namespace for any other.
    fn group(&self, name: &str) -> Option<&'w AntreaGroup> {
        let mut items = self.world.objects.iter();
        items.find_map(|item| match &item.object {
            PolicyObject::Antrea(AntreaObject::Group(group))
                if *item.name == *name && item.namespace == self.home =>
            {
                Some(group)
            }
            _ => None,
        })
    }

    /// The pods that labels or a service account mean; none for everything else.
    fn pods(&self, peer: &AntreaPeer) -> Option<EndpointSelector> {
        let span = peer.span;
        match &peer.kind {
            AntreaPeerKind::Pods { pods, namespaces } => {
                let namespaces = match namespaces {
                    AntreaNamespaces::Matching(labels) => NamespaceScope::Matching(labels.clone()),
                    AntreaNamespaces::Unwritten => match self.home {
                        // T-8
                        Some(home) => NamespaceScope::Only(home),
                        None => NamespaceScope::Matching(LabelSelector::everything(span)),
                    },
                    // T-9
                    AntreaNamespaces::Own => NamespaceScope::Only(self.own?),
                    AntreaNamespaces::SameLabels(keys) => {
                        NamespaceScope::Matching(self.same_labels(keys, span)?)
                    }
                };
                let pods = pods.clone();
                let pods = pods.unwrap_or_else(|| LabelSelector::everything(span));
                Some(EndpointSelector::new(namespaces, pods))
            }
            AntreaPeerKind::ServiceAccount(account) => {
                let namespace = self.namespace(account)?;
                let mut selector = EndpointSelector::expression(
                    Expression::ServiceAccount(vec![account.name.clone()]),
                    span,
                );
                selector.namespaces = NamespaceScope::Only(namespace);
                Some(selector)
            }
            _ => None,
        }
    }

    /// Namespaces with the own one's values of some labels; none if it lacks one of them.
    fn same_labels(&self, keys: &[Box<str>], span: Span) -> Option<LabelSelector> {
        let own = self.own?;
        let requirements = keys.iter().map(|key| {
            let value = self.world.namespace_label(own, key)?;
            Some(Requirement {
                key: key.clone(),
                operator: Operator::In(vec![value.into()]),
                span,
            })
        });
        Some(LabelSelector {
            requirements: requirements.collect::<Option<_>>()?,
            span,
        })
    }

    fn namespace(&self, of: &NameRef) -> Option<NamespaceId> {
        match &of.namespace {
            Some(name) => self.world.namespace(name),
            None => self.home,
        }
    }

    fn service(&self, of: &NameRef) -> Option<ServiceId> {
        let namespace = self.namespace(of)?;
        self.world.service(&self.world[namespace].name, &of.name)
    }

    /// Who is behind a Service, on whatever port.
    fn backends(&self, id: ServiceId, span: Span) -> Vec<Peer> {
        let service = &self.world[id];
        if !service.selector.is_empty() {
            let requirements = service.selector.iter().map(|(key, value)| Requirement {
                key: key.clone(),
                operator: Operator::In(vec![value.clone()]),
                span,
            });
            let pods = LabelSelector {
                requirements: requirements.collect(),
                span,
            };
            let namespace = NamespaceScope::Only(service.namespace);
            return vec![Peer::Endpoints(
                EndpointSelector::new(namespace, pods),
                span,
            )];
        }
        let addresses = service.addresses.iter();
        let blocks = addresses.map(|address| {
            let block = IpBlock {
                cidr: Cidr {
                    net: address.ip.into(),
                    span,
                },
                except: Vec::new(),
                span,
            };
            Peer::Block(block, Covers::ALL)
        });
        blocks.collect()
    }

    /// Who is behind each port of a Service that a rule is about, and where: policy is asked about
    /// connections as they arrive (K-79), so the Service is told by what is behind it.
    pub(super) fn service_ports(&self, of: &NameRef) -> Vec<(Vec<Peer>, PortMatch)> {
        let Some(id) = self.service(of) else {
            return Vec::new();
        };
        let ports = self.world[id].ports.iter();
        let ports = ports.map(|port| {
            let (protocol, span) = (port.protocol, of.span);
            let traffic = match &port.target {
                Ok(number) => PortMatch::Range {
                    protocol,
                    first: *number,
                    last: *number,
                    span,
                },
                Err(name) => PortMatch::Named {
                    protocol,
                    name: name.clone(),
                    span,
                },
            };
            (self.backends(id, span), traffic)
        });
        ports.collect()
    }
}
