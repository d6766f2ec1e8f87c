//! What decides a row, in a few words.

use super::Side;
use super::build::Builder;
use crate::analysis::explain::{self, Outcome};
use crate::eval::{Decision, Reason, SideTrace};
use crate::manifest::Direction;
use crate::policy::{PolicyRef, RuleRef};
use crate::source::Span;

impl Builder<'_> {
    /// Where it is decided: nothing to say where it is allowed.
    pub(super) fn at(&self, row: &explain::Row, from: &Side, to: &Side) -> String {
        let verdict = &row.explanation.verdict;
        if row.outcome() != Outcome::Denied || verdict.reason != Reason::Policies {
            return String::new();
        }
        let sides = [
            (from, Direction::Egress, verdict.egress),
            (to, Direction::Ingress, verdict.ingress),
        ];
        let denying: Vec<_> = sides
            .iter()
            .filter(|(_, _, decision)| !decision.is_allowed())
            .map(|(side, direction, _)| match side.members.as_slice() {
                [_] => format!("{} of {}", direction.word(), side.name),
                _ => direction.word().to_owned(),
            })
            .collect();
        if denying.is_empty() {
            return String::new();
        }
        format!("at {}", denying.join(" and at "))
    }

    /// What decides a row, with the deciding line.
    pub(super) fn because(&self, row: &explain::Row) -> (String, Option<Span>) {
        let explanation = &row.explanation;
        if let Reason::Exempt(id, why) | Reason::Impossible(id, why) = explanation.verdict.reason {
            return (format!("{why} ({id})"), None);
        }
        let sides = [&explanation.egress, &explanation.ingress];
        let denying = sides.iter().find(|side| !side.decision.is_allowed());
        let ruling = || {
            sides
                .iter()
                .rev()
                .find(|side| side.decision.rule().is_some())
        };
        match denying.or_else(ruling) {
            Some(side) => {
                let span = match side.decision {
                    Decision::Rule { rule, .. } => Some(self.explainer.eval().ruleset[rule].span),
                    Decision::NoRule { isolated_by, .. } => self.name_span(isolated_by),
                    Decision::NotSubject | Decision::NotIsolated => None,
                };
                (self.decision(side), span)
            }
            None => ("no policy isolates either end (K-6)".into(), None),
        }
    }

    pub(super) fn name_span(&self, policy: PolicyRef) -> Option<Span> {
        self.explainer.eval().ruleset[policy]
            .origin
            .name_span(self.world())
    }

    pub(super) fn policy_name(&self, policy: PolicyRef) -> String {
        let origin = self.explainer.eval().ruleset[policy].origin;
        origin.name(self.world())
    }

    pub(super) fn rule_name(&self, rule: RuleRef) -> String {
        format!(
            "{} {} {} rule {}",
            self.explainer.eval().ruleset[rule.policy]
                .origin
                .kind(self.world()),
            self.policy_name(rule.policy),
            rule.policy.direction.word(),
            rule.rule + 1
        )
    }

    /// A side's decision in a few words.
    pub(super) fn decision(&self, side: &SideTrace) -> String {
        match side.decision {
            Decision::NotSubject => "no policy applies to it".into(),
            Decision::NotIsolated => format!("no policy isolates it for {}", side.direction.word()),
            Decision::Rule { rule, allowed } => {
                let verb = if allowed { "allows" } else { "denies" };
                format!("{} {verb} it", self.rule_name(rule))
            }
            Decision::NoRule { isolated_by, .. } => {
                let name = self.policy_name(isolated_by);
                match side.policies.len() {
                    0 | 1 => format!("NetworkPolicy {name} isolates it, and no rule matches"),
                    more => format!(
                        "{more} policies isolate it (NetworkPolicy {name} first), and no rule matches"
                    ),
                }
            }
        }
    }

    /// Why one row is as it is, for the closing sentence.
    pub(super) fn why(&self, row: &explain::Row) -> String {
        if let Some(open) = &row.open {
            let statement = self.uncertain(open, row);
            return format!("{} ({})", statement.text, statement.id);
        }
        let explanation = &row.explanation;
        if let Reason::Exempt(id, why) | Reason::Impossible(id, why) = explanation.verdict.reason {
            return format!("{why} ({id})");
        }
        let (egress, ingress) = (&explanation.egress, &explanation.ingress);
        match (egress.decision, ingress.decision) {
            (Decision::NotSubject, Decision::NotSubject) => {
                "no policy applies to either end (K-17)".into()
            }
            (a, b) if a.is_allowed() && b.is_allowed() => {
                match (a.rule().is_some(), b.rule().is_some()) {
                    (true, true) => "a rule on each side allows it".into(),
                    (true, false) => "an egress rule allows it, and no policy guards the \
                                      destination"
                        .into(),
                    (false, true) => {
                        "an ingress rule allows it, and no policy guards the source".into()
                    }
                    (false, false) => "no policy isolates either end (K-6)".into(),
                }
            }
            (a, b) if !a.is_allowed() && !b.is_allowed() => {
                "neither side allows it, and both must (K-16)".into()
            }
            (a, _) if !a.is_allowed() => "the egress side does not allow it".into(),
            _ => "the ingress side does not allow it".into(),
        }
    }
}
