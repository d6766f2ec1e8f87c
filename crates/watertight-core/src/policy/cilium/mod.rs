//! Cilium into the Ruleset: one tier for all of its policies and for NetworkPolicy (L-24).
//!
//! Order does not count in Cilium: what one policy denies no other allows (L-25, L-26), and one
//! plain allow is worth more than any number of conditions (L-67). So all denials come first, then
//! the allows without conditions, then the others. One of the three parts of a rule isolates (L-14).

mod identity;
mod names;
mod peers;
#[cfg(test)]
mod tests;
mod traffic;

use super::kubernetes::{lower_all, lower_kubernetes_policy};
use super::{Action, EndpointSelector, NamespaceScope, Origin, Peer, Policy, Rule, Subject, Tier};
use crate::engine::{EnforcementSwitch, Switches};
use crate::manifest::policy::cilium::{
    Authentication, CidrGroup, CiliumItem, CiliumObject, CiliumPeers, CiliumRule, CiliumSubject,
};
use crate::manifest::{Direction, PolicyObject};
use crate::sets::LabelSelector;
use crate::source::Span;
use crate::world::{NamespaceId, ObjectId, PolicyItem, World};
use names::Lookups;

/// The one tier.
pub const CILIUM_TIER: &str = "Cilium";

/// Lowers everything that Cilium reads in a direction; none if it enforces nothing (L-22).
#[must_use]
pub fn lower_cilium(world: &World, switches: &Switches, direction: Direction) -> Option<Tier> {
    if switches.enforcement.is_off() {
        return None;
    }
    let mut lowering = Lowering::new(world, switches, direction);
    if switches.enforcement == EnforcementSwitch::Always {
        lowering.isolate_everybody();
    }
    for (id, rule) in rules(world) {
        lowering.rule(id, rule);
    }
    // L-47, L-78: blocks of NetworkPolicies follow the same option.
    let kubernetes = Switches {
        ipblock_nodes: switches.ipblock_nodes || switches.cidr_match_nodes,
        ..*switches
    };
    let ids: Vec<_> = world.policy_ids().collect();
    lowering.plain.extend(lower_all(&ids, |id| {
        lower_kubernetes_policy(world, &kubernetes, id, direction)
    }));
    let Lowering {
        mut denials,
        plain,
        conditional,
        ..
    } = lowering;
    denials.extend(plain);
    denials.extend(conditional);
    Some(Tier::new(CILIUM_TIER, denials))
}

/// Every rule of every policy, each for itself (L-12).
fn rules(world: &World) -> impl Iterator<Item = (ObjectId, &CiliumRule)> {
    let policies = world.object_ids().filter_map(|id| match &world[id].object {
        PolicyObject::Cilium(CiliumObject::Policy(policy)) => Some((id, policy)),
        _ => None,
    });
    policies.flat_map(|(id, policy)| policy.rules.iter().map(move |rule| (id, rule)))
}

/// Every group of blocks.
fn groups(world: &World) -> Vec<(&PolicyItem, &CidrGroup)> {
    let items = world.object_ids().map(|id| &world[id]);
    let groups = items.filter_map(|item| match &item.object {
        PolicyObject::Cilium(CiliumObject::CidrGroup(group)) => Some((item, group)),
        _ => None,
    });
    groups.collect()
}

/// What one direction comes to.
struct Lowering<'w> {
    world: &'w World,
    switches: &'w Switches,
    direction: Direction,
    /// The API servers as peers (L-41).
    api: Vec<Peer>,
    /// Whether pods have addresses of both families (L-3).
    dual_stack: bool,
    lookups: Lookups,
    /// The groups of blocks (L-52).
    groups: Vec<(&'w PolicyItem, &'w CidrGroup)>,
    denials: Vec<Policy>,
    plain: Vec<Policy>,
    conditional: Vec<Policy>,
}

impl<'w> Lowering<'w> {
    fn new(world: &'w World, switches: &'w Switches, direction: Direction) -> Self {
        Self {
            world,
            switches,
            direction,
            api: peers::api_servers(world),
            dual_stack: identity::is_dual_stack(world),
            lookups: match direction {
                Direction::Egress => Lookups::of(world),
                Direction::Ingress => Lookups::default(),
            },
            groups: groups(world),
            denials: Vec::new(),
            plain: Vec::new(),
            conditional: Vec::new(),
        }
    }

    /// L-22: enforcement `always`.
    fn isolate_everybody(&mut self) {
        // Nothing of it is written, so there is no place; any object of the world has one to lend.
        let Some(span) = somewhere(self.world) else {
            return;
        };
        let namespaces = NamespaceScope::Matching(LabelSelector::everything(span));
        let everybody = EndpointSelector::new(namespaces, LabelSelector::everything(span));
        let origin = Origin::Engine("L-22", "policy enforcement is set to always");
        let mut policy = Policy::new(Subject::Endpoints(everybody), origin);
        policy.isolates = true;
        self.plain.push(policy);
    }

    fn rule(&mut self, object: ObjectId, rule: &CiliumRule) {
        let section = rule.section(self.direction);
        if section.is_empty() {
            return;
        }
        let own = self.world[object].namespace;
        let subject = subject(self.world, own, &rule.subject);
        let mut parts = Parts::default();
        for item in &section.deny {
            parts.denials.extend(self.item(item, own, Action::Deny));
        }
        let mut narrower = Vec::new();
        for item in &section.allow {
            let CiliumPeers::Fqdns(names) = &item.peers else {
                parts.allow(self.item(item, own, Action::Allow));
                continue;
            };
            // L-57: it acts on endpoints only that have their lookups seen.
            for (seen, peers) in self.lookups.admitted(self.world, &subject, own, names) {
                let rules = self.item_with(item, &peers, Action::Allow);
                if seen == subject {
                    parts.allow(rules);
                } else {
                    let mut parts = Parts::default();
                    parts.allow(rules);
                    narrower.push((seen, parts));
                }
            }
        }
        self.add(object, &subject, parts, section.isolates());
        for (subject, parts) in narrower {
            self.add(object, &subject, parts, false);
        }
    }

    /// Makes policies of the parts of a rule. One of them isolates: whichever says most about what
    /// is let in.
    fn add(&mut self, object: ObjectId, subject: &Subject, parts: Parts, isolates: bool) {
        let Parts {
            denials,
            plain,
            conditional,
        } = parts;
        let only_denials = plain.is_empty() && conditional.is_empty() && !denials.is_empty();
        let by_conditional = plain.is_empty() && !conditional.is_empty();
        let nothing = plain.is_empty() && !only_denials && !by_conditional;
        let by_plain = !plain.is_empty() || nothing;
        // L-72: under `always` it counts that there is a policy, whatever it says.
        let counts = nothing && self.switches.enforcement == EnforcementSwitch::Always;
        let make = |rules: Vec<Rule>, isolates: bool, counts: bool| {
            let mut policy = Policy::new(subject.clone(), Origin::Object(object));
            policy.rules = rules;
            policy.isolates = isolates;
            (isolates || counts || !policy.rules.is_empty()).then_some(policy)
        };
        self.denials
            .extend(make(denials, isolates && only_denials, false));
        self.plain.extend(make(plain, isolates && by_plain, counts));
        self.conditional
            .extend(make(conditional, isolates && by_conditional, false));
    }

    /// The rules that an item becomes.
    fn item(&self, item: &CiliumItem, own: Option<NamespaceId>, action: Action) -> Vec<Rule> {
        if item.matches_nobody() {
            return Vec::new();
        }
        self.item_with(item, &self.peers(item, own), action)
    }

    fn item_with(&self, item: &CiliumItem, peers: &[Peer], action: Action) -> Vec<Rule> {
        if peers.is_empty() || item.authentication == Authentication::AlwaysFails {
            return Vec::new();
        }
        let parts = traffic::parts(item, self.switches).into_iter();
        parts
            .map(|part| {
                let mut rule = Rule::new(action, peers.to_vec(), part.traffic, part.span);
                rule.requests = part.requests;
                rule
            })
            .collect()
    }
}

/// What a rule comes to, by the place it has in the tier.
#[derive(Default)]
struct Parts {
    denials: Vec<Rule>,
    plain: Vec<Rule>,
    conditional: Vec<Rule>,
}

impl Parts {
    fn allow(&mut self, rules: Vec<Rule>) {
        for rule in rules {
            if rule.requests.is_empty() {
                self.plain.push(rule);
            } else {
                self.conditional.push(rule);
            }
        }
    }
}

/// Whom a rule applies to.
fn subject(world: &World, own: Option<NamespaceId>, subject: &CiliumSubject) -> Subject {
    match subject {
        CiliumSubject::Endpoints(selector) => {
            Subject::Endpoints(identity::subject(world, selector, own))
        }
        CiliumSubject::Nodes(selector) => Subject::Nodes(identity::nodes(world, selector)),
    }
}

/// A place of the world.
fn somewhere(world: &World) -> Option<Span> {
    let namespaces = world.namespace_ids().filter_map(|id| world[id].span);
    let endpoints = world.endpoint_ids().filter_map(|id| world[id].span);
    let objects = world.object_ids().map(|id| world[id].span);
    let policies = world.policy_ids().map(|id| world[id].span);
    let nodes = world.node_ids().filter_map(|id| world[id].span);
    let services = world.service_ids().filter_map(|id| world[id].span);
    let mut found = namespaces
        .chain(endpoints)
        .chain(objects)
        .chain(policies)
        .chain(nodes)
        .chain(services);
    found.next()
}
