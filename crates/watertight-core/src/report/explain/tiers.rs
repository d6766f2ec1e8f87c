//! What every tier came to that takes part on a side, with the statement that makes it so.

use super::TierTrace;
use super::build::Builder;
use crate::analysis::explain::Explainer;
use crate::eval::{Decision, SideTrace};
use crate::manifest::Dialect;
use crate::policy::{Action, CILIUM_TIER, Origin, PolicyRef};

/// The tier of NetworkPolicies alone, and the pool in which Cilium has them: names that no manifest
/// knows.
const UNNAMED: [&str; 2] = ["NetworkPolicy", CILIUM_TIER];

/// Whose rules a tier follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Kubernetes,
    Of(Dialect),
}

impl Language {
    fn of(explainer: &Explainer<'_>, tier: &[PolicyRef], name: &str) -> Self {
        let eval = explainer.eval();
        let dialect = tier.iter().find_map(|at| match eval.ruleset[*at].origin {
            Origin::Object(id) => Some(eval.world[id].kind.dialect),
            Origin::Kubernetes(_) | Origin::Engine(..) => None,
        });
        match (dialect, name) {
            // Calico keeps the policies of others in tiers of its own.
            (_, "default" | "kube-admin" | "kube-baseline") => Self::Of(Dialect::Calico),
            (_, CILIUM_TIER) => Self::Of(Dialect::Cilium),
            (Some(dialect), _) => Self::Of(dialect),
            (None, _) => Self::Kubernetes,
        }
    }

    /// The statement behind an outcome.
    fn id(self, outcome: &str) -> &'static str {
        let ids = match self {
            Self::Kubernetes => ["K-15", "K-15", "K-15", "K-6", "K-6"],
            Self::Of(Dialect::Admin) => ["A-3", "A-4", "A-8", "A-5", "A-6"],
            Self::Of(Dialect::Calico) => ["C-3", "C-3", "C-6", "C-4", "C-6"],
            Self::Of(Dialect::Cilium) => ["L-24", "L-25", "L-14", "L-14", "L-14"],
            Self::Of(Dialect::Antrea) => ["T-3", "T-3", "T-3", "T-4", "T-1"],
            Self::Of(Dialect::EgressFirewall) => ["O-7", "O-7", "O-7", "O-7", "O-7"],
        };
        let [allows, denies, isolates, passes, skipped] = ids;
        match outcome {
            "allows" => allows,
            "denies" => denies,
            "isolates" => isolates,
            "passes" => passes,
            _ => skipped,
        }
    }
}

impl Builder<'_> {
    /// The tiers in the order in which they are asked.
    pub(super) fn tiers(&self, side: &SideTrace) -> Vec<TierTrace> {
        let ruleset = self.explainer.eval().ruleset;
        let parts: Vec<_> = side.policies.chunk_by(|a, b| a.tier == b.tier).collect();
        let several = parts.len() > 1;
        let traces = parts.iter().filter_map(|tier| {
            let first = *tier.first()?;
            let name = self.tier_name(first);
            let passes = side.steps.iter().any(|step| {
                let of_tier = step.rule.policy.tier == first.tier;
                of_tier && step.peer && step.traffic && ruleset[step.rule].action == Action::Pass
            });
            let decided_in = match side.decision {
                Decision::Rule { rule, allowed } => {
                    Some((rule.policy.tier, if allowed { "allows" } else { "denies" }))
                }
                Decision::NoRule { isolated_by } => Some((isolated_by.tier, "isolates")),
                Decision::NotIsolated | Decision::NotSubject => None,
            };
            let outcome = match decided_in {
                Some((tier, outcome)) if tier == first.tier => outcome,
                Some((tier, _)) if tier < first.tier => "not-asked",
                _ if passes => "passes",
                _ => "skipped",
            };
            let by_engine = tier.iter().find_map(|at| match ruleset[*at].origin {
                Origin::Engine(id, _) => Some(id),
                Origin::Kubernetes(_) | Origin::Object(_) => None,
            });
            let by_engine = by_engine.filter(|_| {
                let mut origins = tier.iter().map(|at| ruleset[*at].origin);
                origins.all(|origin| matches!(origin, Origin::Engine(..)))
            });
            let language = Language::of(self.explainer, tier, name);
            Some(TierTrace {
                name: name.into(),
                outcome: outcome.into(),
                id: by_engine.unwrap_or_else(|| language.id(outcome)).into(),
                by_engine: by_engine.is_some(),
                named: several || !UNNAMED.contains(&name),
            })
        });
        traces.collect()
    }

    pub(super) fn tier_name(&self, at: PolicyRef) -> &str {
        let tiers = self.explainer.eval().ruleset.tiers(at.direction);
        tiers.get(at.tier).map_or("", |tier| &*tier.name)
    }

    /// The statement by which a connection is allowed that no tier decides.
    pub(super) fn end_of_tiers(&self, side: &SideTrace) -> &'static str {
        let tiers = side.policies.chunk_by(|a, b| a.tier == b.tier);
        let mut languages = tiers.rev().filter_map(|tier| {
            let first = *tier.first()?;
            Some(Language::of(self.explainer, tier, self.tier_name(first)))
        });
        match languages.next() {
            Some(Language::Of(Dialect::Calico)) => "C-9",
            Some(Language::Of(Dialect::Admin)) => "A-1",
            Some(Language::Of(Dialect::Antrea)) => "T-1",
            Some(Language::Of(Dialect::Cilium)) => "L-14",
            Some(Language::Of(Dialect::EgressFirewall)) => "O-7",
            Some(Language::Kubernetes) | None => "K-6",
        }
    }
}
