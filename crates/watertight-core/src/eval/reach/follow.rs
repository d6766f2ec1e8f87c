//! Rows of a world that differs from another one in NetworkPolicies, from the rows of that one.
//!
//! INVARIANT: policies that say the same have the same rules in the same classes, so a row of theirs is
//! the same row; endpoints of namespaces without other policies keep theirs.

use rustc_hash::FxHashMap;

use super::Reach;
use super::classes::Classes;
use super::side::Side;
use crate::eval::Evaluator;
use crate::manifest::Direction;
use crate::policy::{NamespaceScope, Origin, PolicyRef};
use crate::world::{NamespaceId, PolicyId};

/// What is the same in two worlds.
pub(crate) trait Same {
    /// The policy of the old world that says what one of the new world says.
    fn was(&self, policy: PolicyId) -> Option<PolicyId>;

    /// Whether a namespace has other policies than before.
    fn is_touched(&self, namespace: NamespaceId) -> bool;
}

/// Where policies of the old world are in the new one.
pub(super) type Moved = FxHashMap<PolicyRef, PolicyRef>;

impl Reach {
    /// The rows of a world with the same endpoints under the same ids; `old` is what these rows are of. None
    /// where policies are about more than the pods of their namespace, or ask for what these classes cannot
    /// tell apart: then they are made from scratch.
    pub(crate) fn follow(
        &self,
        old: &Evaluator<'_>,
        new: &Evaluator<'_>,
        same: &impl Same,
    ) -> Option<Self> {
        if old.switches != new.switches {
            return None;
        }
        let mut classes = self.classes.clone();
        let mut of_side = |side: &Side| side.follow(old, new, &mut classes, same);
        let (ingress, egress) = (of_side(&self.ingress)?, of_side(&self.egress)?);
        Some(Self {
            classes,
            ingress,
            egress,
        })
    }
}

impl Side {
    fn follow(
        &self,
        old: &Evaluator<'_>,
        new: &Evaluator<'_>,
        classes: &mut Classes,
        same: &impl Same,
    ) -> Option<Self> {
        let direction = self.direction();
        let tiers = new.ruleset.tiers(direction);
        if old.ruleset.tiers(direction).len() != tiers.len() {
            return None;
        }
        let mut known = FxHashMap::default();
        for (at, id) in own_pods_only(old, direction)? {
            // One that stands in two places would be one of two rules.
            if known.insert(id, at).is_some() {
                return None;
            }
        }
        let mut moved = Moved::default();
        let mut fresh = Vec::new();
        for (at, id) in own_pods_only(new, direction)? {
            let was = same.was(id).and_then(|id| known.get(&id));
            match was.filter(|was| was.tier == at.tier) {
                Some(was) => {
                    moved.insert(*was, at);
                }
                None => fresh.push(at),
            }
        }
        let can_tell = |at: &PolicyRef| {
            let mut rules = new.ruleset[*at].rules.iter();
            rules.all(|rule| classes.can_tell(new.world, direction, rule))
        };
        if !fresh.iter().all(can_tell) {
            return None;
        }
        let counts = tiers.iter().map(|tier| tier.policies.len());
        let mut side = self.with_policies(counts, &moved);
        side.renew(new, classes, &fresh.into_iter().collect(), false);
        for namespace in new.world.namespace_ids() {
            if same.is_touched(namespace) {
                side.assign(new, classes, namespace);
            }
        }
        Some(side)
    }
}

/// The policies of a direction; none if one of them may be about others than pods of its namespace.
fn own_pods_only(eval: &Evaluator<'_>, direction: Direction) -> Option<Vec<(PolicyRef, PolicyId)>> {
    let mut found = Vec::new();
    for (tier, of) in eval.ruleset.tiers(direction).iter().enumerate() {
        for (policy, of) in of.policies.iter().enumerate() {
            let Origin::Kubernetes(id) = of.origin else {
                return None;
            };
            let NamespaceScope::Only(_) = of.subject.endpoints()?.namespaces else {
                return None;
            };
            let at = PolicyRef {
                direction,
                tier,
                policy,
            };
            found.push((at, id));
        }
    }
    Some(found)
}
