//! Egress rules of NetworkPolicies, and the pods they are for.

use super::Context;
use crate::manifest::Direction;
use crate::policy::{PolicyRef, Rule, RuleRef};
use crate::world::EndpointId;

/// The egress rules of all NetworkPolicies, policy by policy: those who ask look at how they are
/// written.
pub(super) fn rules<'c>(
    context: &'c Context<'_>,
) -> impl Iterator<Item = (RuleRef, &'c Rule)> + use<'c> {
    let direction = Direction::Egress;
    let tiers = context.eval.ruleset.tiers(direction).iter().enumerate();
    let policies = tiers.flat_map(move |(tier, found)| {
        let policies = found.policies.iter().enumerate();
        let policies = policies.filter(|(_, found)| found.origin.kubernetes().is_some());
        policies.map(move |(policy, found)| {
            let at = PolicyRef {
                direction,
                tier,
                policy,
            };
            (at, found)
        })
    });
    policies.flat_map(|(policy, found)| {
        let rules = found.rules.iter().enumerate();
        rules.map(move |(rule, found)| (RuleRef { policy, rule }, found))
    })
}

/// Pods that a policy applies to, one where several in a row have the same egress policies.
pub(super) fn clients<'c>(
    context: &'c Context<'_>,
    at: PolicyRef,
) -> impl Iterator<Item = EndpointId> + use<'c> {
    let subjects = context.eval.subjects_of(at).iter().copied();
    let read = subjects.filter(|id| !context.world[*id].assumed);
    let mut last = None;
    read.filter(move |id| {
        let policies = context.policies_of(*id, Direction::Egress);
        last.replace(policies) != Some(policies)
    })
}
