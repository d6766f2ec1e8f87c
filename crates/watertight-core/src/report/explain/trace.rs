//! The trace of one side: what every policy that applies said.

use super::build::Builder;
use super::{Miss, Nearly, PolicyTrace, Trace};
use crate::analysis::explain::{self, Denial, short_name};
use crate::eval::{Connection, Decision, Own, Party, SideTrace};
use crate::policy::Action;
use crate::report::build::location;

/// More misses of one policy are not told.
const MOST_MISSES: usize = 3;

impl Builder<'_> {
    pub(super) fn trace(
        &self,
        party: Party,
        connection: &Connection,
        side: &SideTrace,
        denial: Option<&Denial>,
    ) -> Trace {
        let eval = self.explainer.eval();
        let verdict = match side.decision {
            Decision::NotSubject => "none",
            Decision::NotIsolated => "open",
            decision if decision.is_allowed() => "allow",
            _ => "deny",
        };
        let because = match side.decision {
            Decision::NotSubject => self.not_subject(party),
            _ => self.decision(side),
        };
        let mut policies = Vec::new();
        let mut decided = false;
        for at in &side.policies {
            let policy = &eval.ruleset[*at];
            let steps = || side.steps.iter().filter(|step| step.rule.policy == *at);
            let matching = steps().find(|step| step.peer && step.traffic);
            let action = matching.map(|step| eval.ruleset[step.rule].action);
            let outcome = match action {
                Some(Action::Allow) => "allows",
                Some(Action::Deny) => "denies",
                Some(Action::Pass) => "passes",
                Some(Action::Log) | None if decided => "not-asked",
                Some(Action::Log) | None => "no-match",
            };
            decided |= matches!(action, Some(Action::Allow | Action::Deny));
            let misses = denial.map_or(&[][..], |denial| &denial.misses);
            let misses = misses.iter().filter(|miss| miss.rule.policy == *at);
            policies.push(PolicyTrace {
                tier: eval
                    .ruleset
                    .tiers(at.direction)
                    .get(at.tier)
                    .map_or("", |tier| &*tier.name)
                    .into(),
                kind: policy.origin.kind(self.world()).into(),
                name: self.policy_name(*at),
                location: self
                    .name_span(*at)
                    .map(|span| location(self.sources, span, "")),
                outcome: outcome.into(),
                rules: policy.rules.len(),
                rule: matching.map(|step| step.rule.rule + 1),
                admits: matching.zip(side.subject.and_then(Own::endpoint)).map(
                    |(step, subject)| {
                        explain::admits(eval, side.direction, subject, connection, step.rule)
                    },
                ),
                rule_location: matching.map(|step| {
                    let span = eval.ruleset[step.rule].span;
                    location(self.sources, span, "")
                }),
                misses: misses
                    .take(MOST_MISSES)
                    .map(|miss| self.miss(miss))
                    .collect(),
            });
        }
        let nearly = denial.map_or(&[][..], |denial| &denial.nearly);
        Trace {
            party: short_name(self.world(), party),
            verdict: verdict.into(),
            because,
            policies,
            nearly: nearly
                .iter()
                .map(|nearly| Nearly {
                    name: self.world().policy_name(nearly.policy),
                    rule: nearly.rule + 1,
                    text: nearly.text.clone(),
                    location: location(self.sources, nearly.span, ""),
                })
                .collect(),
        }
    }

    fn not_subject(&self, party: Party) -> String {
        match party.resolve(self.world()) {
            Party::Endpoint(id) if self.world()[id].host_network.is_some() => {
                "on the host network, where no policy applies (K-71)".into()
            }
            Party::Endpoint(_) => "no policy is asked".into(),
            Party::Node(_) => "a node, to which no policy applies (K-17)".into(),
            Party::Address(_) | Party::Name(_) => {
                "outside the cluster, where no policy applies (K-17)".into()
            }
        }
    }

    fn miss(&self, miss: &explain::Miss) -> Miss {
        let rule = &self.explainer.eval().ruleset[miss.rule];
        let texts: Vec<_> = miss
            .faults
            .iter()
            .map(|fault| fault.text.as_str())
            .collect();
        let span = miss.faults.first().map_or(rule.span, |fault| fault.span);
        Miss {
            rule: miss.rule.rule + 1,
            text: texts.join("; it "),
            distance: miss.distance,
            location: location(self.sources, span, ""),
        }
    }
}
