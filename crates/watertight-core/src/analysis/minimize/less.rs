//! The Ruleset without what can go, and the proof that nothing changes.

use super::{Held, Item, Part, Removal, State, is_same};
use crate::eval::Evaluator;
use crate::eval::reach::Reach;
use crate::manifest::Direction;
use crate::policy::{Origin, Policy, Ruleset, Tier};

/// Keeps the removals that are proved together; one by one, if all together are not.
pub(super) fn keep_proved(held: &Held, base: State<'_, '_>, removals: &mut Vec<Removal>) {
    if removals.is_empty() || is_proved(held, base, removals) {
        return;
    }
    let all = removals.len();
    let mut kept: Vec<Removal> = Vec::new();
    for removal in removals.drain(..) {
        kept.push(removal);
        // That all of them change something is known.
        if kept.len() == all || !is_proved(held, base, &kept) {
            kept.pop();
        }
    }
    *removals = kept;
}

fn is_proved(held: &Held, base: State<'_, '_>, removals: &[Removal]) -> bool {
    let ruleset = without(&held.ruleset, removals);
    let eval = Evaluator::new(&held.world, &ruleset, held.profile.switches);
    let reach = Reach::new(&eval);
    let after = State {
        eval: &eval,
        reach: &reach,
    };
    is_same(base, after)
}

/// The Ruleset without these.
pub(super) fn without(ruleset: &Ruleset, removals: &[Removal]) -> Ruleset {
    let mut reduced = ruleset.clone();
    for removal in removals {
        let origin = Origin::Kubernetes(removal.policy);
        if removal.whole {
            for tier in reduced.ingress.iter_mut().chain(&mut reduced.egress) {
                for policy in tier
                    .policies
                    .iter_mut()
                    .filter(|policy| policy.origin == origin)
                {
                    void(policy);
                }
            }
            continue;
        }
        for direction in Direction::BOTH {
            let parts = removal.parts.iter();
            let parts: Vec<_> = parts
                .filter(|part| part.at.policy.direction == direction)
                .collect();
            let Some(at) = parts.first().map(|part| part.at.policy) else {
                continue;
            };
            let tiers = tiers_mut(&mut reduced, direction);
            let policy = tiers
                .get_mut(at.tier)
                .and_then(|tier| tier.policies.get_mut(at.policy));
            if let Some(policy) = policy {
                take_out(policy, &parts);
            }
        }
    }
    reduced
}

pub(super) fn tiers_mut(ruleset: &mut Ruleset, direction: Direction) -> &mut Vec<Tier> {
    match direction {
        Direction::Ingress => &mut ruleset.ingress,
        Direction::Egress => &mut ruleset.egress,
    }
}

/// Leaves a policy that does nothing in the place of one, so that others keep their numbers.
pub(super) fn void(policy: &mut Policy) {
    policy.rules.clear();
    policy.isolates = false;
}

/// Takes parts out; rules that lose all of theirs stay, and match nothing.
pub(super) fn take_out(policy: &mut Policy, parts: &[&Part]) {
    let gone = |rule: usize, item: Item| {
        let mut parts = parts.iter();
        parts.any(|part| part.at.rule == rule && part.item == item)
    };
    for (index, rule) in policy.rules.iter_mut().enumerate() {
        if gone(index, Item::Rule) {
            rule.peers.clear();
            rule.traffic.clear();
            continue;
        }
        let mut at = 0;
        rule.peers.retain(|_| {
            at += 1;
            !gone(index, Item::Peer(at - 1))
        });
        at = 0;
        rule.traffic.retain(|_| {
            at += 1;
            !gone(index, Item::Port(at - 1))
        });
    }
}
