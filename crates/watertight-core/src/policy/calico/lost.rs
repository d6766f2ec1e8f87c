//! Policies that no server accepts, for a reason that only all objects together tell (C-76).

use super::{policies, tiers};
use crate::diag::{Finding, Fix, Subject};
use crate::rules::reading;
use crate::suggest::misspelt;
use crate::world::{ObjectId, World};

/// The policies whose tier does not exist; the Ruleset is without them.
#[must_use]
pub fn without_tier(world: &World) -> Vec<ObjectId> {
    let tiers = tiers(world);
    let lost = policies(world).filter(|(_, _, policy)| !tiers.contains_key(&*policy.tier));
    lost.map(|(id, ..)| id).collect()
}

/// The same as findings.
#[must_use]
pub fn lost_policies(world: &World) -> Vec<Finding> {
    let tiers = tiers(world);
    let lost = policies(world).filter(|(_, _, policy)| !tiers.contains_key(&*policy.tier));
    let findings = lost.map(|(_, item, policy)| {
        let span = policy.tier_span.unwrap_or(policy.span);
        let message = format!(
            "there is no Tier `{}`: a cluster refuses this policy, and it is left out",
            policy.tier
        );
        let mut finding = Finding::new(&reading::INVALID, message)
            .at(span, "")
            .why(&["C-76"])
            .subject(Subject {
                kind: item.kind.kind.to_owned(),
                namespace: item.namespace.map(|id| world[id].name.to_string()),
                name: item.name.to_string(),
            })
            .incomplete();
        finding.field = Some("spec.tier".into());
        finding.fix = Some(match misspelt(&policy.tier, tiers.keys().copied()) {
            Some(near) => Fix::rename(span, &policy.tier, near).guess(),
            None => Fix::advice("add the Tier to the input"),
        });
        finding
    });
    findings.collect()
}
