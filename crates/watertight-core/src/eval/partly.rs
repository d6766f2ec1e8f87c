//! What a part of the policies says alone: the same ruleset, of which a walk leaves something out.
//!
//! INVARIANT: nothing is copied and nothing is matched again; who is selected by what stays as it is,
//! only rules and isolation of one direction are left out.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Connection, Evaluator, Verdict};
use crate::manifest::Direction;
use crate::policy::{Action, PolicyRef};

/// What is left out, in one direction.
#[derive(Clone, Debug)]
pub(super) enum Less {
    /// The policies that are not marked, by tier and policy.
    Policies(Direction, Vec<Vec<bool>>),
    /// What `Pass` does: it is as if it were not written.
    Passes(Direction),
}

/// Verdicts of a part of the policies.
#[derive(Debug)]
pub(crate) struct Partly<'w>(Evaluator<'w>);

impl Partly<'_> {
    /// Judges a connection.
    pub(crate) fn verdict(&self, connection: &Connection) -> Verdict {
        self.0.verdict(connection)
    }
}

impl<'w> Evaluator<'w> {
    /// As if in a direction only these policies had rules and isolated.
    pub(crate) fn only(
        &self,
        direction: Direction,
        kept: impl Fn(PolicyRef) -> bool,
    ) -> Partly<'w> {
        let tiers = self.ruleset.tiers(direction).iter().enumerate();
        let kept = tiers.map(|(tier, found)| {
            let policies = 0..found.policies.len();
            let kept = policies.map(|policy| {
                kept(PolicyRef {
                    direction,
                    tier,
                    policy,
                })
            });
            kept.collect()
        });
        self.less(Less::Policies(direction, kept.collect()))
    }

    /// As if no rule of a direction were a `Pass`.
    pub(crate) fn without_pass(&self, direction: Direction) -> Partly<'w> {
        self.less(Less::Passes(direction))
    }

    fn less(&self, less: Less) -> Partly<'w> {
        Partly(Self {
            world: self.world,
            ruleset: self.ruleset,
            switches: self.switches,
            compiled: Arc::clone(&self.compiled),
            less: Some(less),
        })
    }

    /// Those of some policies that a walk looks at.
    pub(super) fn looked_at<'p>(
        &self,
        policies: &'p [PolicyRef],
        direction: Direction,
    ) -> Cow<'p, [PolicyRef]> {
        match &self.less {
            Some(Less::Policies(of, kept)) if *of == direction => {
                let is_kept = |at: &&PolicyRef| {
                    let tier = kept.get(at.tier);
                    tier.and_then(|tier| tier.get(at.policy))
                        .is_some_and(|kept| *kept)
                };
                Cow::Owned(policies.iter().filter(is_kept).copied().collect())
            }
            _ => Cow::Borrowed(policies),
        }
    }

    /// What a rule does in a walk.
    pub(super) fn action(&self, action: Action, direction: Direction) -> Action {
        match (&self.less, action) {
            (Some(Less::Passes(of)), Action::Pass) if *of == direction => Action::Log,
            _ => action,
        }
    }
}
