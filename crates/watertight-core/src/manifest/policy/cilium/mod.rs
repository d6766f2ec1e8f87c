//! Objects of Cilium as written, checked as their CRD and the agent check them (L- rules).
//!
//! What either of the two refuses is left out: the agent ignores such an object as a whole, which
//! leaves its endpoints open (L-17).
//!
//! INVARIANT: a missing list and an empty one stay apart wherever Cilium tells them apart (L-16,
//! L-28, L-30).

mod addresses;
mod item;
mod peers;
mod ports;
mod selector;
#[cfg(test)]
mod tests;

pub use addresses::{CidrEntry, CidrGroup, CidrSource};
pub use item::{Authentication, CiliumItem, CiliumTraffic};
pub use peers::{CiliumPeers, Entity, FqdnSelector, ServiceRef, ServiceSelector, ToService};
pub use ports::{CiliumPort, CiliumPortRef, CiliumProtocol, HttpRule, IcmpType, L7, PortGroup};
pub use selector::{IdentityRequirement, IdentitySelector, Source};

use super::Written;
use crate::diag::{Finding, Severity};
use crate::document::{Kind, Node};
use crate::manifest::Direction;
use crate::manifest::decode::{Decoder, Unknown};
use crate::rules::reading;
use crate::source::Span;

/// An object of Cilium.
#[derive(Clone, Debug)]
pub enum CiliumObject {
    /// CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy.
    Policy(CiliumPolicy),
    /// CiliumCIDRGroup.
    CidrGroup(CidrGroup),
}

impl CiliumObject {
    /// The DNS names that it admits as destinations, and those of its DNS rules that are among them.
    #[must_use]
    pub fn domains(&self) -> Vec<&str> {
        let Self::Policy(policy) = self else {
            return Vec::new();
        };
        let items = policy.rules.iter().flat_map(|rule| &rule.egress.allow);
        let destinations: Vec<&FqdnSelector> = items.clone().flat_map(CiliumItem::names).collect();
        let looked_up = items.flat_map(CiliumItem::lookups).filter(|name| {
            let mut meant = destinations.iter();
            name.pattern.is_name() && meant.any(|meant| meant.pattern.matches(name.pattern.text()))
        });
        let all = destinations.iter().copied().chain(looked_up);
        all.map(|name| name.pattern.text()).collect()
    }
}

/// A CiliumNetworkPolicy or a CiliumClusterwideNetworkPolicy.
#[derive(Clone, Debug)]
pub struct CiliumPolicy {
    /// What `spec` and `specs` hold; each stands for itself (L-12).
    pub rules: Vec<CiliumRule>,
    /// Whether the policy has no namespace.
    pub clusterwide: bool,
}

/// One spec of a policy.
#[derive(Clone, Debug)]
pub struct CiliumRule {
    /// Whom it applies to.
    pub subject: CiliumSubject,
    /// Connections to the subject.
    pub ingress: CiliumSection,
    /// Connections from the subject.
    pub egress: CiliumSection,
    /// Where the spec is.
    pub span: Span,
}

impl CiliumRule {
    /// The section of a direction.
    #[must_use]
    pub fn section(&self, direction: Direction) -> &CiliumSection {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// Whom a rule applies to (L-11).
#[derive(Clone, Debug)]
pub enum CiliumSubject {
    /// Pods (L-4, L-10).
    Endpoints(IdentitySelector),
    /// Nodes: the host firewall (L-74).
    Nodes(IdentitySelector),
}

/// The two lists of a direction.
#[derive(Clone, Debug)]
pub struct CiliumSection {
    /// `enableDefaultDeny` for this direction, if written.
    pub default_deny: Option<bool>,
    /// `ingress` or `egress`.
    pub allow: Vec<CiliumItem>,
    /// `ingressDeny` or `egressDeny`.
    pub deny: Vec<CiliumItem>,
    /// Where the allow list is written, be it empty.
    pub allow_span: Option<Span>,
    /// Where the deny list is written, be it empty.
    pub deny_span: Option<Span>,
}

impl CiliumSection {
    /// Whether there is no item at all, so that the rule does not act in this direction (L-16).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether the rule puts its subject into default deny in this direction (L-14, L-18..L-20,
    /// L-23).
    #[must_use]
    pub fn isolates(&self) -> bool {
        !self.is_empty() && self.default_deny.unwrap_or(true)
    }
}

const GROUP_KIND: &str = "CiliumCIDRGroup";

pub(super) fn decode(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> Option<CiliumObject> {
    let kind = written.kind.kind;
    if kind == GROUP_KIND {
        return addresses::group(decoder, written).map(CiliumObject::CidrGroup);
    }
    let clusterwide = !written.kind.namespaced;
    let mut rules = Vec::new();
    if let Some(spec) = written.spec {
        rules.extend(decoder.field("spec", |decoder| rule(decoder, spec, clusterwide)));
    }
    rules.extend(decoder.items("specs", written.specs, |decoder, spec| {
        rule(decoder, spec, clusterwide)
    }));
    if written.spec.is_none() && written.specs.is_none() {
        let place = written.span.at_start();
        decoder.invalid(place, "a policy needs `spec` or `specs`", &["L-12"], None);
    }
    Some(CiliumObject::Policy(CiliumPolicy { rules, clusterwide }))
}

fn rule(decoder: &mut Decoder, node: Node<'_, '_>, clusterwide: bool) -> Option<CiliumRule> {
    let fields = [
        "endpointSelector",
        "nodeSelector",
        "enableDefaultDeny",
        "ingress",
        "ingressDeny",
        "egress",
        "egressDeny",
        "labels",
        "description",
        "log",
    ];
    let known = decoder.fields(node, fields, Unknown::Refuse);
    let [
        endpoints,
        nodes,
        default_deny,
        ingress,
        ingress_deny,
        egress,
        egress_deny,
        ..,
    ] = known;
    if node.kind() != Kind::Mapping {
        return None;
    }
    let span = node.span();
    let subject = subject(decoder, span, endpoints, nodes, clusterwide);
    let defaults = default_deny.map_or([None; 2], |node| {
        decoder.field("enableDefaultDeny", |decoder| {
            let [ingress, egress] = decoder.fields(node, ["ingress", "egress"], Unknown::Refuse);
            [("ingress", ingress), ("egress", egress)].map(|(name, node)| {
                let node = node?;
                Some((decoder.bool(name, Some(node)), node.span()))
            })
        })
    });
    let host = nodes.is_some();
    let mut section =
        |direction: Direction, default: Option<(bool, Span)>, [allow, deny]: [_; 2]| {
            let of = |deny| item::Of {
                direction,
                deny,
                host,
            };
            let allow_name = direction.word();
            let deny_name = match direction {
                Direction::Ingress => "ingressDeny",
                Direction::Egress => "egressDeny",
            };
            let section = CiliumSection {
                default_deny: default.map(|(value, _)| value),
                allow: decoder.items(allow_name, allow, |decoder, node| {
                    item::decode(decoder, node, of(false))
                }),
                deny: decoder.items(deny_name, deny, |decoder, node| {
                    item::decode(decoder, node, of(true))
                }),
                allow_span: allow.map(Node::span),
                deny_span: deny.map(Node::span),
            };
            let nothing = [allow, deny].into_iter().flatten().all(is_empty);
            if let Some((true, span)) = default.filter(|_| nothing) {
                idle_default_deny(decoder, span, direction);
            }
            section
        };
    let [ingress_default, egress_default] = defaults;
    let ingress_lists = [ingress, ingress_deny];
    let egress_lists = [egress, egress_deny];
    let rule = CiliumRule {
        ingress: section(Direction::Ingress, ingress_default, ingress_lists),
        egress: section(Direction::Egress, egress_default, egress_lists),
        subject: subject?,
        span,
    };
    let mut lists = ingress_lists.into_iter().chain(egress_lists).flatten();
    if lists.all(is_empty) {
        decoder.invalid(
            span,
            "the rule has no item in `ingress`, `ingressDeny`, `egress` and `egressDeny`: Cilium \
             ignores the whole object and denies nothing",
            &["L-17"],
            Some("to deny everything, write an item that selects nobody: `ingress: [{}]`"),
        );
        return None;
    }
    Some(rule)
}

fn is_empty(list: Node<'_, '_>) -> bool {
    list.items().next().is_none()
}

/// Exactly one of the two selectors (L-11).
fn subject(
    decoder: &mut Decoder,
    rule: Span,
    endpoints: Option<Node<'_, '_>>,
    nodes: Option<Node<'_, '_>>,
    clusterwide: bool,
) -> Option<CiliumSubject> {
    let endpoint_selector =
        endpoints.map(|node| selector::decode(decoder, "endpointSelector", node));
    let node_selector = nodes.map(|node| selector::decode(decoder, "nodeSelector", node));
    match (endpoint_selector, node_selector) {
        (Some(endpoints), None) => return Some(CiliumSubject::Endpoints(endpoints)),
        (None, Some(nodes)) if clusterwide => return Some(CiliumSubject::Nodes(nodes)),
        (None, Some(nodes)) => {
            let message = "a CiliumNetworkPolicy cannot have a `nodeSelector`";
            let help = "write a CiliumClusterwideNetworkPolicy";
            decoder.invalid(nodes.span, message, &["L-11"], Some(help));
        }
        (Some(_), Some(nodes)) => {
            let message = "a rule has an `endpointSelector` or a `nodeSelector`, not both";
            decoder.invalid(nodes.span, message, &["L-11"], Some("write two policies"));
        }
        (None, None) => {
            let help = if clusterwide {
                "write `endpointSelector: {}` for all pods of the cluster"
            } else {
                "write `endpointSelector: {}` for all pods of the namespace"
            };
            let message = "the rule selects nobody: it has no `endpointSelector`";
            decoder.invalid(rule, message, &["L-11"], Some(help));
        }
    }
    None
}

/// What is said about a default deny that nothing turns on (L-20).
fn idle_default_deny(decoder: &mut Decoder, span: Span, direction: Direction) {
    let word = direction.word();
    let message = format!(
        "`enableDefaultDeny` asks for {word}, but the rule has no {word} items: it isolates nobody"
    );
    let finding = Finding::new(&reading::INVALID, message)
        .severity(Severity::Warning)
        .at(span, "")
        .why(&["L-20"])
        .fix(crate::diag::Fix::advice(format!(
            "add `{word}: [{{}}]`, an item that selects nobody"
        )));
    decoder.field("enableDefaultDeny", |decoder| decoder.warn(finding));
}
