//! Antrea's policies, tiers and groups as written (T- rules).
//!
//! A policy names its endpoints (`appliedTo`) once or in every rule, and its peers in many ways; all
//! ways are one list of [`AntreaPeer`]s, which groups hold too.

mod group;
mod peers;
mod ports;

pub use group::{AntreaGroup, AntreaTier};
pub use peers::{AntreaNamespaces, AntreaPeer, AntreaPeerKind, NameRef};
pub use ports::{AntreaHttp, AntreaPort, AntreaTraffic, Layer7};

use super::Written;
use crate::document::{Kind, Node};
use crate::manifest::Direction;
use crate::manifest::decode::{Decoder, Unknown};
use crate::source::Span;

/// An object of Antrea.
#[derive(Clone, Debug)]
pub enum AntreaObject {
    /// ClusterNetworkPolicy and NetworkPolicy.
    Policy(AntreaPolicy),
    /// Tier.
    Tier(AntreaTier),
    /// ClusterGroup and Group.
    Group(AntreaGroup),
}

impl AntreaObject {
    /// The domain names that its rules name.
    pub(super) fn domains(&self) -> Vec<&str> {
        let rules = match self {
            Self::Policy(policy) => policy.egress.as_slice(),
            Self::Tier(_) | Self::Group(_) => &[],
        };
        let peers = rules.iter().flat_map(|rule| &rule.peers);
        let names = peers.filter_map(|peer| match &peer.kind {
            AntreaPeerKind::Name(name) => Some(&**name),
            _ => None,
        });
        names.collect()
    }
}

/// What a rule does (T-3, T-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AntreaAction {
    /// `Allow`.
    Allow,
    /// `Drop`.
    Drop,
    /// `Reject`: drops, and says so to the client.
    Reject,
    /// `Pass`.
    Pass,
}

/// ClusterNetworkPolicy and NetworkPolicy of Antrea.
#[derive(Clone, Debug)]
pub struct AntreaPolicy {
    /// The name of the tier; built-in ones in lower case, `application` if none is written (T-1).
    pub tier: Box<str>,
    /// Where the tier is written.
    pub tier_span: Option<Span>,
    /// The place in the tier, the lowest first (T-2).
    pub priority: f64,
    /// The endpoints of all rules; empty if the rules name theirs (T-11).
    pub applied_to: Vec<AntreaPeer>,
    /// Rules for connections to the endpoints, in order.
    pub ingress: Vec<AntreaRule>,
    /// Rules for connections from the endpoints, in order.
    pub egress: Vec<AntreaRule>,
    /// Where the spec is.
    pub span: Span,
}

impl AntreaPolicy {
    /// The rules of a direction.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> &[AntreaRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub struct AntreaRule {
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// What it does.
    pub action: AntreaAction,
    /// The endpoints of this rule; empty if the policy names them (T-11).
    pub applied_to: Vec<AntreaPeer>,
    /// The peers; empty with no Services is any peer (T-7).
    pub peers: Vec<AntreaPeer>,
    /// Services as destinations, in place of peers and traffic.
    pub services: Vec<NameRef>,
    /// The traffic; empty is everything (T-7).
    pub traffic: Vec<AntreaTraffic>,
    /// What an allowed connection must carry: any of these. Empty is anything.
    pub layer7: Vec<Layer7>,
    /// Where it is.
    pub span: Span,
}

/// The built-in tiers with their priorities (T-1).
pub const BUILT_IN_TIERS: &[(&str, u8)] = &[
    ("emergency", 50),
    ("securityops", 100),
    ("networkops", 150),
    ("platform", 200),
    ("application", 250),
    (BASELINE, 253),
];

/// The tier behind NetworkPolicy.
pub const BASELINE: &str = "baseline";

pub(super) fn decode(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> Option<AntreaObject> {
    let Some(spec) = written.spec else {
        decoder.invalid(written.span, "the object needs a `spec`", &["T-11"], None);
        return None;
    };
    let is_namespaced = written.kind.namespaced;
    decoder.field("spec", |decoder| {
        Some(match written.kind.kind {
            "Tier" => AntreaObject::Tier(group::tier(decoder, spec, written)?),
            "ClusterGroup" | "Group" => AntreaObject::Group(group::group(decoder, spec)),
            _ => AntreaObject::Policy(policy(decoder, spec, is_namespaced)?),
        })
    })
}

fn policy(decoder: &mut Decoder, node: Node<'_, '_>, is_namespaced: bool) -> Option<AntreaPolicy> {
    let known = ["tier", "priority", "appliedTo", "ingress", "egress"];
    let [tier_at, priority_at, applied_at, ingress, egress] =
        decoder.fields(node, known, Unknown::Refuse);
    let tier = decoder
        .text("tier", tier_at)
        .filter(|name| !name.is_empty());
    let name = tier.as_deref().unwrap_or("application");
    let mut built_in = BUILT_IN_TIERS.iter().map(|(name, _)| *name);
    let name = built_in
        .find(|known| known.eq_ignore_ascii_case(name))
        .unwrap_or(name);
    let priority = priority(decoder, priority_at, node);
    let applied_to = peers::applied_to(decoder, applied_at, is_namespaced);
    let of = |decoder: &mut Decoder, direction: Direction, node: Option<Node<'_, '_>>| {
        decoder.items(direction.word(), node, |decoder, node| {
            rule(decoder, node, direction, is_namespaced)
        })
    };
    let policy = AntreaPolicy {
        tier: name.into(),
        tier_span: tier.as_ref().map(|tier| tier.span),
        ingress: of(decoder, Direction::Ingress, ingress),
        egress: of(decoder, Direction::Egress, egress),
        applied_to,
        priority: priority?,
        span: node.span(),
    };
    check_applied_to(decoder, &policy);
    check_pass(decoder, &policy);
    Some(policy)
}

fn priority(decoder: &mut Decoder, node: Option<Node<'_, '_>>, spec: Node<'_, '_>) -> Option<f64> {
    let help = Some("write a number from 1.0 (first) to 10000.0");
    let Some(node) = node else {
        decoder.invalid(spec.span(), "the policy needs a `priority`", &["T-2"], help);
        return None;
    };
    let number = match node.integer() {
        Some(whole) => i32::try_from(whole).ok().map(f64::from),
        None if node.kind() == Kind::Number => node.as_written().parse().ok(),
        None => None,
    };
    let priority = number.filter(|number: &f64| (1.0..=10000.0).contains(number));
    if priority.is_none() {
        decoder.field("priority", |decoder| {
            let message = format!("`{}` is no priority", node.as_written());
            decoder.invalid(node.span(), message, &["T-2"], help);
        });
    }
    priority
}

/// T-11
fn check_applied_to(decoder: &mut Decoder, policy: &AntreaPolicy) {
    let rules = || policy.ingress.iter().chain(&policy.egress);
    let with = rules().find(|rule| !rule.applied_to.is_empty());
    let without = rules().find(|rule| rule.applied_to.is_empty());
    let (place, message) = match (policy.applied_to.first(), with, without) {
        (Some(_), Some(rule), _) => (
            rule.span,
            "`appliedTo` is in the policy and in a rule; it belongs to one of them",
        ),
        (None, None, _) => (
            policy.span,
            "the policy needs `appliedTo`, or every one of its rules does",
        ),
        (None, Some(_), Some(rule)) => (
            rule.span,
            "the rule needs `appliedTo`: other rules of the policy have it",
        ),
        _ => return,
    };
    // What went wrong inside a list of peers is said already.
    if !decoder.refused {
        decoder.invalid(place, message, &["T-11"], None);
    }
}

/// T-4
fn check_pass(decoder: &mut Decoder, policy: &AntreaPolicy) {
    if &*policy.tier != BASELINE {
        return;
    }
    for rule in policy.ingress.iter().chain(&policy.egress) {
        if rule.action == AntreaAction::Pass {
            let message = "a rule of the tier `baseline` cannot pass: nothing comes behind it";
            decoder.invalid(rule.span, message, &["T-4"], None);
        }
    }
}

fn rule(
    decoder: &mut Decoder,
    node: Node<'_, '_>,
    direction: Direction,
    is_namespaced: bool,
) -> Option<AntreaRule> {
    let known = [
        "name",
        "action",
        "appliedTo",
        "ports",
        "protocols",
        "l7Protocols",
        direction.peer_field(),
        "enableLogging",
        "logLabel",
        "toServices",
    ];
    let [
        name,
        action_at,
        applied,
        ports_at,
        protocols,
        layer7_at,
        peers_at,
        _,
        _,
        services_at,
    ] = decoder.fields(node, known, Unknown::Refuse);
    if let Some(services) = services_at.filter(|_| direction == Direction::Ingress) {
        let message = "`toServices` is for egress rules only";
        decoder.invalid(services.span(), message, &["T-7"], None);
    }
    let name = decoder.text("name", name).map(|name| (&*name).into());
    let action = action(decoder, node, action_at);
    let applied_to = peers::applied_to(decoder, applied, is_namespaced);
    let peers = decoder.items(direction.peer_field(), peers_at, |decoder, node| {
        peers::peer(decoder, node, direction, is_namespaced)
    });
    let services = decoder.items("toServices", services_at, peers::service);
    let has_traffic = ports_at.is_some() || protocols.is_some();
    if services_at.is_some() && (!peers.is_empty() || has_traffic) {
        let message = "`toServices` stands alone: without `to`, `ports` and `protocols`";
        decoder.invalid(node.span(), message, &["T-7"], None);
    }
    let mut traffic = decoder.items("ports", ports_at, ports::port);
    traffic.extend(decoder.items("protocols", protocols, ports::protocol));
    let layer7 = decoder.items("l7Protocols", layer7_at, ports::layer7);
    let action = action?;
    if !layer7.is_empty() && action != AntreaAction::Allow {
        let message = "a rule with `l7Protocols` can only allow";
        decoder.invalid(node.span(), message, &["T-3"], None);
    }
    Some(AntreaRule {
        name,
        action,
        applied_to,
        peers,
        services,
        traffic,
        layer7,
        span: node.span(),
    })
}

fn action(
    decoder: &mut Decoder,
    rule: Node<'_, '_>,
    node: Option<Node<'_, '_>>,
) -> Option<AntreaAction> {
    let help = Some("use Allow, Drop, Reject or Pass");
    if node.is_none() {
        decoder.invalid(rule.span(), "the rule needs an `action`", &["T-3"], help);
        return None;
    }
    let text = decoder.text("action", node)?;
    Some(match &*text {
        "Allow" => AntreaAction::Allow,
        "Drop" => AntreaAction::Drop,
        "Reject" => AntreaAction::Reject,
        "Pass" => AntreaAction::Pass,
        other => {
            let message = format!("`{other}` is no action here");
            decoder.field("action", |decoder| {
                decoder.invalid(text.span, message, &["T-3"], help);
            });
            return None;
        }
    })
}

#[cfg(test)]
mod tests;
