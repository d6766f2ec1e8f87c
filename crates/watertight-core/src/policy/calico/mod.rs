//! Calico into the Ruleset: its tiers in order, with NetworkPolicy and the admin policies in the tiers
//! in which Calico keeps them (C-53, C-60).
//!
//! `scope` says whom selectors mean, `peers` who is at an end of a rule, `traffic` which connections,
//! `rules` puts rules together, `hosts` is about host endpoints. Policies about hosts have stages of
//! their own in front of the tiers: failsafe ports, untracked, before translation; and profiles
//! behind them (C-63..C-70). Staged objects do nothing (C-62). The profile of a namespace allows
//! everything (C-8), which is what the end of all tiers does anyway.

mod hosts;
mod lost;
mod peers;
mod rules;
mod scope;
#[cfg(test)]
mod tests;
mod traffic;

pub use lost::{lost_policies, without_tier};

use std::collections::BTreeMap;

use super::kubernetes::lower_all;
use super::{Origin, Policy, Ruleset, Stage, Subject, Tier, lower_admin, lower_kubernetes_policy};
use crate::engine::Switches;
use crate::manifest::policy::admin::AdminTier;
use crate::manifest::policy::calico::{CalicoObject, CalicoPolicy, HostEndpoint, NetworkSet};
use crate::manifest::{Direction, PolicyObject};
use crate::world::{ObjectId, PolicyItem, World};
use hosts::Hosts;
use rules::Owner;

/// The tier of NetworkPolicies, and of Calico policies that name no other (C-11).
pub(super) const DEFAULT: &str = "default";

/// The tier of ClusterNetworkPolicy and AdminNetworkPolicy (C-60).
const KUBE_ADMIN: &str = "kube-admin";

/// The tier of their Baseline (C-60).
const KUBE_BASELINE: &str = "kube-baseline";

/// The order of a NetworkPolicy in its tier (C-53).
const KUBERNETES_ORDER: f64 = 1000.0;

/// What Calico puts before the names of NetworkPolicies.
const KUBERNETES_PREFIX: &str = "knp.default.";

/// A tier as far as it decides the order and the end.
#[derive(Clone, Copy, Debug)]
struct TierFacts {
    /// None is last (C-1).
    order: Option<f64>,
    /// Whether its end denies (C-6).
    denies: bool,
}

/// The tiers that there are, by name (C-11).
fn tiers(world: &World) -> BTreeMap<&str, TierFacts> {
    let built_in = [
        (KUBE_ADMIN, 1_000.0, false),
        (DEFAULT, 1_000_000.0, true),
        (KUBE_BASELINE, 10_000_000.0, false),
    ];
    let mut tiers: BTreeMap<&str, TierFacts> = built_in
        .into_iter()
        .map(|(name, order, denies)| {
            let order = Some(order);
            (name, TierFacts { order, denies })
        })
        .collect();
    for (item, object) in objects(world) {
        if let CalicoObject::Tier(tier) = object {
            let facts = TierFacts {
                order: tier.order,
                denies: tier.denies,
            };
            tiers.insert(&item.name, facts);
        }
    }
    tiers
}

/// Everything of Calico, in reading order.
fn objects(world: &World) -> impl Iterator<Item = (&PolicyItem, &CalicoObject)> {
    let all = world.object_ids().map(|id| &world[id]);
    all.filter_map(|item| match &item.object {
        PolicyObject::Calico(object) => Some((item, object)),
        _ => None,
    })
}

/// The policies that act, in reading order.
fn policies(world: &World) -> impl Iterator<Item = (ObjectId, &PolicyItem, &CalicoPolicy)> {
    world.object_ids().filter_map(|id| match &world[id].object {
        PolicyObject::Calico(CalicoObject::Policy(policy)) => Some((id, &world[id], &**policy)),
        _ => None,
    })
}

/// A place in the order of tiers and of policies; missing is last (C-1).
fn place(order: Option<f64>) -> impl Ord {
    // Zero is zero, whatever its sign.
    let order = order.unwrap_or(f64::INFINITY) + 0.0;
    let bits = order.to_bits();
    if bits >> 63 == 0 {
        bits | 1 << 63
    } else {
        !bits
    }
}

/// Lowers everything that acts on Calico: its own policies, NetworkPolicies and admin policies.
#[must_use]
pub fn lower_calico(world: &World, switches: &Switches) -> Ruleset {
    let mut ruleset = Ruleset::default();
    if switches.enforcement.is_off() {
        return ruleset;
    }
    let named = objects(world).filter_map(|(item, object)| match object {
        CalicoObject::NetworkSet(set) => Some(Named::Set(item, set)),
        CalicoObject::HostEndpoint(host) => Some(Named::Host(item, host)),
        _ => None,
    });
    let lowering = Lowering {
        world,
        switches,
        hosts: Hosts::new(world),
        named: named.collect(),
    };
    let facts = tiers(world);
    let mut tiers: Vec<(&str, TierFacts)> = facts.into_iter().collect();
    // C-1; the map has them by name.
    tiers.sort_by_key(|(_, facts)| place(facts.order));
    for direction in Direction::BOTH {
        *ruleset.tiers_mut(direction) = lowering.direction(&tiers, direction);
    }
    ruleset
}

/// When policies about hosts are asked (C-68, C-69).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Untracked,
    BeforeTranslation,
    Normally,
}

impl When {
    fn of(policy: &CalicoPolicy) -> Self {
        match (policy.do_not_track, policy.pre_dnat) {
            (true, _) => Self::Untracked,
            (_, true) => Self::BeforeTranslation,
            _ => Self::Normally,
        }
    }

    fn stage(self, policy: &CalicoPolicy) -> Stage {
        match self {
            Self::Untracked => Stage::Untracked,
            Self::BeforeTranslation => Stage::Arrival,
            Self::Normally if policy.apply_on_forward => Stage::Forwarded,
            Self::Normally => Stage::Own,
        }
    }

    fn tier(self, name: &str) -> String {
        match self {
            Self::Untracked => format!("{name} (untracked)"),
            Self::BeforeTranslation => format!("{name} (before translation)"),
            Self::Normally => name.to_owned(),
        }
    }
}

/// A policy with its place in a tier: order, name, namespace and kind (C-1).
struct Placed {
    order: Option<f64>,
    name: String,
    namespace: Box<str>,
    kind: &'static str,
    lowered: Vec<Policy>,
}

/// What selectors can mean besides pods (C-41).
enum Named<'w> {
    Set(&'w PolicyItem, &'w NetworkSet),
    Host(&'w PolicyItem, &'w HostEndpoint),
}

struct Lowering<'w> {
    world: &'w World,
    switches: &'w Switches,
    hosts: Hosts<'w>,
    named: Vec<Named<'w>>,
}

impl Lowering<'_> {
    /// All tiers of a direction; those without policies are left out.
    fn direction(&self, tiers: &[(&str, TierFacts)], direction: Direction) -> Vec<Tier> {
        let mut found = Vec::new();
        found.extend(self.hosts.failsafes(direction));
        for when in [When::Untracked, When::BeforeTranslation, When::Normally] {
            for (name, facts) in tiers {
                let mut placed = self.own(name, facts.denies, direction, when);
                if when == When::Normally {
                    match *name {
                        DEFAULT => placed.extend(self.kubernetes(direction)),
                        KUBE_ADMIN => placed.extend(self.admin(AdminTier::Admin, direction)),
                        KUBE_BASELINE => placed.extend(self.admin(AdminTier::Baseline, direction)),
                        _ => {}
                    }
                }
                placed.sort_by(|a, b| {
                    let key = |placed: &Placed| place(placed.order);
                    let rest =
                        (&a.name, &a.namespace, a.kind).cmp(&(&b.name, &b.namespace, b.kind));
                    key(a).cmp(&key(b)).then(rest)
                });
                let policies: Vec<_> = placed
                    .into_iter()
                    .flat_map(|placed| placed.lowered)
                    .collect();
                if !policies.is_empty() {
                    found.push(Tier::new(&when.tier(name), policies));
                }
            }
        }
        found.extend(self.hosts.profiles(self, direction));
        found
    }

    /// The policies of Calico in a tier.
    fn own(&self, tier: &str, denies: bool, direction: Direction, when: When) -> Vec<Placed> {
        let of_tier = policies(self.world).filter(|(_, _, policy)| {
            *policy.tier == *tier && policy.covers(direction) && When::of(policy) == when
        });
        let placed = of_tier.map(|(id, item, policy)| {
            // C-68, C-69: nothing is dropped at the end of the early stages.
            let isolates = denies && when == When::Normally;
            Placed {
                order: policy.order,
                name: item.name.to_string(),
                namespace: self.namespace_name(item).into(),
                kind: item.kind.kind,
                lowered: self.policy(id, item, policy, direction, isolates),
            }
        });
        placed.collect()
    }

    fn namespace_name(&self, item: &PolicyItem) -> &str {
        item.namespace.map_or("", |id| &self.world[id].name)
    }

    /// One policy: an entry for pods and one for hosts, each cut where rules say something about
    /// their own end (C-36).
    fn policy(
        &self,
        id: ObjectId,
        item: &PolicyItem,
        policy: &CalicoPolicy,
        direction: Direction,
        isolates: bool,
    ) -> Vec<Policy> {
        let namespace = item.namespace.map(|id| &*self.world[id].name);
        let selector = scope::of_policy(policy, namespace);
        let origin = Origin::Object(id);
        let when = When::of(policy);
        let rules = &policy.section(direction).rules;
        let mut found = Vec::new();
        // C-70: the early stages are about hosts only.
        if when == When::Normally
            && let Some(pods) = scope::pods(self.world, &selector, policy.span)
        {
            found.extend(self.entries(rules, direction, namespace, &Owner::Pods(pods), origin));
        }
        let hosts = self.hosts.selected(&selector);
        if !hosts.is_empty() && item.namespace.is_none() {
            found.extend(self.entries(rules, direction, None, &Owner::Hosts(hosts), origin));
        }
        for entry in &mut found {
            entry.isolates &= isolates;
            if matches!(entry.subject, Subject::Nodes(_)) {
                entry.stage = when.stage(policy);
            }
        }
        found
    }

    /// NetworkPolicies (C-53).
    fn kubernetes(&self, direction: Direction) -> Vec<Placed> {
        let (world, switches) = (self.world, self.switches);
        let ids: Vec<_> = world.policy_ids().collect();
        lower_all(&ids, |id| {
            let lowered = lower_kubernetes_policy(world, switches, id, direction)?;
            let policy = &world[id];
            Some(Placed {
                order: Some(KUBERNETES_ORDER),
                name: format!("{KUBERNETES_PREFIX}{}", policy.name),
                namespace: world[policy.namespace].name.clone(),
                kind: "KubernetesNetworkPolicy",
                lowered: vec![lowered],
            })
        })
    }

    /// Admin policies: their priority is their order (C-60).
    fn admin(&self, tier: AdminTier, direction: Direction) -> Vec<Placed> {
        let tier = lower_admin(self.world, self.switches, tier, direction);
        let policies = tier.into_iter().flat_map(|tier| tier.policies);
        let placed = policies.map(|mut lowered| {
            // C-1: names break ties.
            lowered.tie = None;
            let id = match lowered.origin {
                Origin::Object(id) => Some(id),
                Origin::Kubernetes(_) | Origin::Engine(..) => None,
            };
            let item = id.map(|id| &self.world[id]);
            let order = item.and_then(|item| match &item.object {
                PolicyObject::Admin(policy) => Some(f64::from(policy.priority)),
                _ => None,
            });
            Placed {
                order,
                name: item.map_or(String::new(), |item| item.name.to_string()),
                namespace: Box::default(),
                kind: item.map_or("", |item| item.kind.kind),
                lowered: vec![lowered],
            }
        });
        placed.collect()
    }
}
