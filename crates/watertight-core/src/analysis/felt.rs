//! What a change of NetworkPolicies can be felt by: namespaces that have other policies than before, and
//! whatever rests on what policies of these namespaces say.
//!
//! INVARIANT: whatever rests on the policies of some namespaces is the same in both worlds if none of
//! these is touched. So such a finding may be left out of both; a rule leaves out what it finds about an
//! object in one world exactly if it does so in the other, and one that knows of no such namespaces
//! judges everything.

#[cfg(test)]
mod tests;

use crate::eval::Evaluator;
use crate::eval::reach::{Reach, Same};
use crate::source::Sources;
use crate::world::{NamespaceId, PolicyId, World};

/// What a change of NetworkPolicies touches.
#[derive(Clone, Debug)]
pub struct Felt {
    /// By policy of the new world: the same policy of the old one.
    was: Vec<Option<PolicyId>>,
    /// By namespace: whether it has other policies than before, or others first.
    touched: Vec<bool>,
}

impl Felt {
    /// What differs between two worlds; none if it is more than NetworkPolicies, which may be felt
    /// anywhere.
    #[must_use]
    pub fn find(sources: &Sources, old: &World, new: &World) -> Option<Self> {
        if !old.has_cluster_of(new) {
            return None;
        }
        let mut felt = Self {
            was: vec![None; new.policies.len()],
            touched: Vec::with_capacity(new.namespaces.len()),
        };
        for id in new.namespace_ids() {
            let (mut before, mut after) = (written(sources, old, id), written(sources, new, id));
            // Of policies that deny the same, the first is named: their order is a part of it.
            let say_same = |a: &Written<'_>, b: &Written<'_>| (a.0, a.1) == (b.0, b.1);
            let same = before.len() == after.len()
                && before.iter().zip(&after).all(|(a, b)| say_same(a, b));
            felt.touched.push(!same);
            before.sort_unstable();
            after.sort_unstable();
            let mut before = before.into_iter().peekable();
            for (name, text, policy) in after {
                while before.next_if(|of| (of.0, of.1) < (name, text)).is_some() {}
                let known = before.next_if(|of| (of.0, of.1) == (name, text));
                if let Some(entry) = felt.was.get_mut(policy.index()) {
                    *entry = known.map(|(.., known)| known);
                }
            }
        }
        Some(felt)
    }

    /// Whether a namespace has other policies than before.
    #[must_use]
    pub fn is_touched(&self, namespace: NamespaceId) -> bool {
        self.touched.get(namespace.index()).is_none_or(|is| *is)
    }
}

impl Same for Felt {
    fn was(&self, policy: PolicyId) -> Option<PolicyId> {
        self.was.get(policy.index()).copied().flatten()
    }

    fn is_touched(&self, namespace: NamespaceId) -> bool {
        Self::is_touched(self, namespace)
    }
}

/// The rows of two worlds: those of the new one follow from those of the old one where `felt` says what
/// differs.
#[must_use]
pub fn rows([old, new]: [&Evaluator<'_>; 2], felt: Option<&Felt>) -> [Reach; 2] {
    let Some(felt) = felt else {
        let (before, after) = crate::parallel::both(|| Reach::new(old), || Reach::new(new));
        return [before, after];
    };
    let before = Reach::new(old);
    let after = before.follow(old, new, felt);
    let after = after.unwrap_or_else(|| Reach::new(new));
    [before, after]
}

/// The name and the text of a policy.
type Written<'w> = (&'w str, &'w str, PolicyId);

/// The policies of a namespace as they are written, in their order.
fn written<'w>(sources: &'w Sources, world: &'w World, namespace: NamespaceId) -> Vec<Written<'w>> {
    let policies = world[namespace].policies.iter();
    let written = policies.map(|id| {
        let policy = &world[*id];
        (&*policy.name, sources.text(policy.span), *id)
    });
    written.collect()
}
