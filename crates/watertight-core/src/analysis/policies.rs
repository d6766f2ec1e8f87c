//! How many policies the input has: every object that can admit or deny, whatever its language.
//!
//! Sets, tiers, groups and host endpoints are no policies. Staged ones, which are never enforced
//! (C-62), are counted apart.

use std::collections::BTreeMap;

use crate::manifest::PolicyKind;
use crate::world::{NamespaceId, World};

/// Counts of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyCounts {
    /// Those that act, by `kind.group`.
    pub by_kind: BTreeMap<String, usize>,
    /// Those that are staged.
    pub staged: usize,
    /// By namespace, those that act and live in one.
    by_namespace: Vec<usize>,
}

impl PolicyCounts {
    /// Counts the policies of a world.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let namespaces = world.namespaces.iter();
        let mut counts = Self {
            by_namespace: namespaces
                .map(|namespace| namespace.policies.len())
                .collect(),
            ..Self::default()
        };
        let plain = world.policy_ids().count();
        if plain > 0 {
            let kind = "NetworkPolicy.networking.k8s.io".to_owned();
            counts.by_kind.insert(kind, plain);
        }
        for item in &world.objects {
            match standing(item.kind) {
                Standing::Acts => {
                    let kind = format!("{}.{}", item.kind.kind, item.kind.group);
                    *counts.by_kind.entry(kind).or_default() += 1;
                    let namespace = item.namespace.map(NamespaceId::index);
                    if let Some(count) = namespace.and_then(|at| counts.by_namespace.get_mut(at)) {
                        *count += 1;
                    }
                }
                Standing::Staged => counts.staged += 1,
                Standing::Helps => {}
            }
        }
        counts
    }

    /// All that act.
    #[must_use]
    pub fn total(&self) -> usize {
        self.by_kind.values().sum()
    }

    /// Those that act and live in a namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: NamespaceId) -> usize {
        let count = self.by_namespace.get(namespace.index());
        count.copied().unwrap_or_default()
    }
}

/// What an object is for.
enum Standing {
    Acts,
    Staged,
    /// Others refer to it.
    Helps,
}

fn standing(kind: PolicyKind) -> Standing {
    match kind.kind {
        kind if kind.starts_with("Staged") => Standing::Staged,
        kind if kind.ends_with("Policy") || kind == "EgressFirewall" => Standing::Acts,
        _ => Standing::Helps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::testing::Sample;

    /// C-62: a staged policy is none that acts; sets and tiers are no policies.
    #[test]
    fn every_language_counts() {
        let sample = Sample::new(
            "
{apiVersion: v1, kind: Namespace, metadata: {name: a}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a}, spec: {podSelector: {}}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: a}, spec: {}}
---
{apiVersion: projectcalico.org/v3, kind: StagedNetworkPolicy, metadata: {name: s, namespace: a}, spec: {}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: g}, spec: {}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: g}, spec: {}}
",
        );
        let counts = PolicyCounts::of(&sample.world);
        let kinds: Vec<_> = counts.by_kind.keys().map(String::as_str).collect();
        assert_eq!(
            kinds,
            [
                "GlobalNetworkPolicy.projectcalico.org",
                "NetworkPolicy.networking.k8s.io",
                "NetworkPolicy.projectcalico.org"
            ]
        );
        let namespace = sample.world.namespace("a").unwrap();
        assert_eq!(counts.in_namespace(namespace), 2);
        assert_eq!((counts.total(), counts.staged), (3, 1));
    }
}
