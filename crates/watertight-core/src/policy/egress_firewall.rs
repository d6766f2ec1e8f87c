//! EgressFirewall and EgressNetworkPolicy into the Ruleset: a first tier that only refuses.
//!
//! They are a condition besides all other policies (O-7), so what one of them allows goes on to the
//! next tier. They are about destinations outside the cluster network (O-4): never about pods, but
//! about nodes, whose addresses lie outside of it.

use std::collections::BTreeMap;

use ipnet::{Ipv4Net, Ipv6Net};

use super::nodes::nodes;
use super::{
    Action, Covers, EndpointSelector, NamespaceScope, Origin, Peer, Policy, Rule, Subject, Tier,
};
use crate::manifest::PolicyObject;
use crate::manifest::policy::egress_firewall::{Destination, EgressFirewall, FirewallRule};
use crate::sets::{Cidr, DomainLabels, DomainPattern, IpBlock, LabelSelector, PortMatch};
use crate::source::Span;
use crate::world::{NamespaceId, ObjectId, World};

/// The name of the tier.
const TIER: &str = "EgressFirewall";

/// Lowers all EgressFirewalls and EgressNetworkPolicies, of which an engine reads either (O-13); none
/// if there are none. The tier is about egress.
#[must_use]
pub fn lower_egress_firewall(world: &World) -> Option<Tier> {
    let mut policies = Vec::new();
    let mut legacy: BTreeMap<NamespaceId, Vec<(ObjectId, &EgressFirewall)>> = BTreeMap::new();
    for id in world.object_ids() {
        let item = &world[id];
        let (PolicyObject::EgressFirewall(firewall), Some(namespace)) =
            (&item.object, item.namespace)
        else {
            continue;
        };
        if !firewall.is_legacy {
            policies.push(lower(world, id, namespace, firewall));
        } else {
            legacy.entry(namespace).or_default().push((id, firewall));
        }
    }
    policies.extend(
        legacy
            .iter()
            .filter_map(|(namespace, found)| match &**found {
                [(id, firewall)] => Some(lower(world, *id, *namespace, firewall)),
                [_, (second, _), ..] => {
                    Some(refuse_all(*second, *namespace, world[*second].name_span))
                }
                [] => None,
            }),
    );
    (!policies.is_empty()).then(|| Tier::new(TIER, policies))
}

/// Lowers one; it is about the pods of its namespace, those of the host network aside (O-8).
fn lower(world: &World, id: ObjectId, namespace: NamespaceId, firewall: &EgressFirewall) -> Policy {
    let mut lowered = Policy::new(pods_of(namespace, firewall.span), Origin::Object(id));
    let rules = firewall.rules.iter();
    lowered.rules = rules.map(|rule| lower_rule(world, rule)).collect();
    lowered
}

fn pods_of(namespace: NamespaceId, span: Span) -> Subject {
    let everybody = LabelSelector::everything(span);
    Subject::Endpoints(EndpointSelector::new(
        NamespaceScope::Only(namespace),
        everybody,
    ))
}

/// More than one EgressNetworkPolicy in a namespace cuts it off from everything outside (O-13).
fn refuse_all(id: ObjectId, namespace: NamespaceId, span: Span) -> Policy {
    let mut lowered = Policy::new(pods_of(namespace, span), Origin::Object(id));
    let all = [Ipv4Net::default().into(), Ipv6Net::default().into()];
    let peers = all.map(|net| outside(Cidr { net, span }));
    let everything = vec![PortMatch::Any];
    let rule = Rule::new(Action::Deny, peers.into(), everything, span);
    lowered.rules.push(rule);
    lowered
}

fn outside(cidr: Cidr) -> Peer {
    let block = IpBlock {
        cidr,
        except: Vec::new(),
        span: cidr.span,
    };
    Peer::Block(block, Covers::NOT_PODS)
}

fn lower_rule(world: &World, rule: &FirewallRule) -> Rule {
    let action = if rule.allows {
        Action::Pass
    } else {
        Action::Deny
    };
    let peer = match &rule.to {
        Destination::Network(cidr) => outside(*cidr),
        Destination::Name(name, span) => {
            let pattern = DomainPattern::new(name, DomainLabels::One);
            Peer::Domain(pattern, "O-10", *span)
        }
        Destination::Nodes(selector) => Peer::Nodes(nodes(world, selector), selector.span),
    };
    let mut traffic: Vec<PortMatch> = rule
        .ports
        .iter()
        .map(|port| PortMatch::Range {
            protocol: port.protocol,
            first: port.port,
            last: port.port,
            span: port.span,
        })
        .collect();
    if traffic.is_empty() {
        traffic.push(PortMatch::Any);
    }
    Rule::new(action, vec![peer], traffic, rule.span)
}

#[cfg(test)]
mod tests;
