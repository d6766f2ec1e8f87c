//! Antrea's policies into the Ruleset: its tiers before NetworkPolicy, and `baseline` behind it (T-1).
//!
//! An object becomes one policy for each item of its `appliedTo`: an endpoint that several select is
//! asked the same rules again, which changes nothing. Peers that depend on the endpoint's own
//! namespace (T-9) make one policy a namespace. What passes in one tier passes in all tiers before
//! NetworkPolicy (T-4): its rules are carried to the front of each.

mod peers;
mod traffic;

use peers::Members;

use super::{NamespaceScope, Origin, Policy, Rule, Subject, Tier};
use crate::engine::{Switches, Tie};
use crate::manifest::policy::antrea::{
    AntreaAction, AntreaNamespaces, AntreaObject, AntreaPeer, AntreaPeerKind, AntreaPolicy,
    AntreaRule, BASELINE, BUILT_IN_TIERS,
};
use crate::manifest::{Direction, PolicyObject};
use crate::policy::Action;
use crate::world::{NamespaceId, ObjectId, World};

/// The tiers of Antrea in a direction.
#[derive(Debug, Default)]
pub struct AntreaTiers {
    /// Those before NetworkPolicy, in order.
    pub before: Vec<Tier>,
    /// What passes in one of them, for the front of any other tier that stands between them and
    /// NetworkPolicy.
    pub passing: Vec<Policy>,
    /// The one behind it.
    pub behind: Option<Tier>,
}

/// Where a tier stands whose object is not in the input: right before the default tier.
const UNKNOWN_TIER: u8 = 249;

/// Lowers all policies of Antrea in a direction.
#[must_use]
pub fn lower_antrea(world: &World, switches: &Switches, direction: Direction) -> AntreaTiers {
    let mut found: Vec<Ranked<'_>> = world
        .object_ids()
        .filter_map(|id| match &world[id].object {
            PolicyObject::Antrea(AntreaObject::Policy(policy)) => Some(Ranked {
                rank: rank(world, &policy.tier),
                id,
                policy,
            }),
            _ => None,
        })
        .filter(|ranked| !ranked.policy.rules(direction).is_empty())
        .collect();
    // T-2, T-14; the name makes the order one that can be repeated.
    found.sort_by(|one, other| {
        let tier = (one.rank, &one.policy.tier).cmp(&(other.rank, &other.policy.tier));
        let priority = one.policy.priority.total_cmp(&other.policy.priority);
        let name = world.object_name(one.id).cmp(&world.object_name(other.id));
        tier.then(priority).then(name)
    });
    let mut tiers = AntreaTiers::default();
    for of_tier in found.chunk_by(|one, other| one.policy.tier == other.policy.tier) {
        let Some(first) = of_tier.first() else {
            continue;
        };
        let own = lower_tier(world, switches, of_tier, direction);
        if &*first.policy.tier == BASELINE {
            tiers.behind = Some(Tier::new(BASELINE, own));
            continue;
        }
        let more: Vec<Policy> = own.iter().filter_map(passing_part).collect();
        let policies = tiers.passing.iter().cloned().chain(own).collect();
        tiers.before.push(Tier::new(&first.policy.tier, policies));
        tiers.passing.extend(more);
    }
    tiers
}

/// A policy with the place of its tier.
struct Ranked<'w> {
    rank: u8,
    id: ObjectId,
    policy: &'w AntreaPolicy,
}

/// The place of a tier (T-1, T-15).
fn rank(world: &World, name: &str) -> u8 {
    let mut built_in = BUILT_IN_TIERS.iter();
    if let Some((_, priority)) = built_in.find(|(known, _)| *known == name) {
        return *priority;
    }
    let mut items = world.objects.iter();
    let written = items.find_map(|item| match &item.object {
        PolicyObject::Antrea(AntreaObject::Tier(tier)) if *item.name == *name => Some(tier),
        _ => None,
    });
    written.map_or(UNKNOWN_TIER, |tier| tier.priority)
}

fn lower_tier(
    world: &World,
    switches: &Switches,
    of_tier: &[Ranked<'_>],
    direction: Direction,
) -> Vec<Policy> {
    let mut lowered = Vec::new();
    let same_priority = |one: &Ranked<'_>, other: &Ranked<'_>| {
        one.policy
            .priority
            .total_cmp(&other.policy.priority)
            .is_eq()
    };
    for (number, same) in (0..).zip(of_tier.chunk_by(same_priority)) {
        let tied = same.len() > 1 && switches.tie == Tie::Error;
        for ranked in same {
            let mut policies = lower(world, ranked.id, ranked.policy, direction);
            for policy in &mut policies {
                policy.tie = tied.then_some(number);
            }
            lowered.append(&mut policies);
        }
    }
    lowered
}

/// The rules of a policy that pass; none if there are none.
fn passing_part(policy: &Policy) -> Option<Policy> {
    let passes = |rule: &&Rule| rule.action == Action::Pass;
    let mut part = policy.clone();
    part.rules = policy.rules.iter().filter(passes).cloned().collect();
    part.tie = None;
    (!part.rules.is_empty()).then_some(part)
}

/// Lowers one object in a direction (T-11).
fn lower(world: &World, id: ObjectId, policy: &AntreaPolicy, direction: Direction) -> Vec<Policy> {
    let rules = policy.rules(direction);
    if !policy.applied_to.is_empty() {
        return apply(world, id, &policy.applied_to, rules);
    }
    let mut lowered = Vec::new();
    for rule in rules {
        let rules = std::slice::from_ref(rule);
        lowered.append(&mut apply(world, id, &rule.applied_to, rules));
    }
    lowered
}

/// Applies rules to every item of an `appliedTo`.
fn apply(
    world: &World,
    id: ObjectId,
    applied_to: &[AntreaPeer],
    rules: &[AntreaRule],
) -> Vec<Policy> {
    let members = Members {
        world,
        home: world[id].namespace,
        own: None,
    };
    let mut lowered = Vec::new();
    for subject in applied_to.iter().flat_map(|item| members.subjects(item)) {
        if !rules.iter().any(is_relative) {
            lowered.push(with_rules(&members, id, subject, rules));
            continue;
        }
        for namespace in world.namespace_ids() {
            let Some(narrowed) = narrowed(world, &subject, namespace) else {
                continue;
            };
            let members = Members {
                own: Some(namespace),
                ..members
            };
            lowered.push(with_rules(&members, id, narrowed, rules));
        }
    }
    lowered
}

fn with_rules(
    members: &Members<'_>,
    id: ObjectId,
    subject: Subject,
    rules: &[AntreaRule],
) -> Policy {
    let mut policy = Policy::new(subject, Origin::Object(id));
    let lowered = rules.iter().flat_map(|rule| lower_rule(members, rule));
    policy.rules = lowered.collect();
    policy
}

/// Whether the peers of a rule depend on the namespace of the endpoint it is applied to.
fn is_relative(rule: &AntreaRule) -> bool {
    rule.peers.iter().any(|peer| {
        let AntreaPeerKind::Pods { namespaces, .. } = &peer.kind else {
            return false;
        };
        matches!(
            namespaces,
            AntreaNamespaces::Own | AntreaNamespaces::SameLabels(_)
        )
    })
}

/// The part of a subject in one namespace.
fn narrowed(world: &World, subject: &Subject, namespace: NamespaceId) -> Option<Subject> {
    let Subject::Endpoints(selector) = subject else {
        return None;
    };
    let is_inside = match &selector.namespaces {
        NamespaceScope::Only(only) => *only == namespace,
        NamespaceScope::Matching(labels) => {
            labels.matches(|key| world.namespace_label(namespace, key))
        }
    };
    is_inside.then(|| {
        let mut narrowed = selector.clone();
        narrowed.namespaces = NamespaceScope::Only(namespace);
        Subject::Endpoints(narrowed)
    })
}

/// Lowers one rule; it becomes several where its parts go with different peers or source ports.
fn lower_rule(members: &Members<'_>, rule: &AntreaRule) -> Vec<Rule> {
    let action = match rule.action {
        AntreaAction::Allow => Action::Allow,
        // T-3: rejecting only tells the client.
        AntreaAction::Drop | AntreaAction::Reject => Action::Deny,
        AntreaAction::Pass => Action::Pass,
    };
    let parts = if rule.services.is_empty() {
        let peers = members.peers_of(rule);
        traffic::parts(rule)
            .into_iter()
            .map(|(source_ports, traffic)| {
                let mut part = Rule::new(action, peers.clone(), traffic, rule.span);
                part.source_ports = source_ports;
                part
            })
            .collect()
    } else {
        let services = rule.services.iter();
        let ports = services.flat_map(|service| members.service_ports(service));
        ports
            .map(|(peers, traffic)| Rule::new(action, peers, vec![traffic], rule.span))
            .collect()
    };
    let mut parts: Vec<Rule> = parts;
    for part in &mut parts {
        part.requests = rule.layer7.iter().map(traffic::request).collect();
    }
    parts
}

#[cfg(test)]
mod tests;
