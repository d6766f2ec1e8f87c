//! What decides a row, in a few words.

use super::build::Builder;
use super::{Condition, Side};
use crate::analysis::explain::{self, Outcome};
use crate::eval::{Decision, Explanation, Reason, SideTrace};
use crate::manifest::Direction;
use crate::policy::{Origin, PolicyRef, RuleRef};
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
        if let Reason::Exempt(id, why) | Reason::Impossible(id, why) | Reason::Blocked(id, why) =
            explanation.verdict.reason
        {
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
                let condition = match self.conditions(row).as_slice() {
                    [] => String::new(),
                    conditions => format!(", {}", condition_words(conditions)),
                };
                (format!("{}{condition}", self.decision(side)), span)
            }
            None => (self.nobody_isolates(explanation), None),
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
        let explain::RulePlace { list, number } = explain::rule_place(self.explainer.eval(), rule);
        format!("{} {list} rule {number}", self.kind_and_name(rule.policy))
    }

    /// `GlobalNetworkPolicy security.metadata`; for what the engine does by itself, that.
    pub(super) fn kind_and_name(&self, policy: PolicyRef) -> String {
        let origin = self.explainer.eval().ruleset[policy].origin;
        explain::policy_words(self.world(), origin)
    }

    /// What an allowed connection must carry.
    pub(super) fn conditions(&self, row: &explain::Row) -> Vec<Condition> {
        let explanation = &row.explanation;
        if row.outcome() == Outcome::Denied || explanation.verdict.reason != Reason::Policies {
            return Vec::new();
        }
        let sides = [&explanation.egress, &explanation.ingress];
        let conditions = sides.map(|side| Condition {
            side: side.direction.word().into(),
            any_of: explain::conditions(
                self.explainer.eval(),
                side.direction,
                side.decision,
                &explanation.connection,
            ),
        });
        let asked = |condition: &Condition| !condition.any_of.is_empty();
        conditions.into_iter().filter(asked).collect()
    }

    /// What has to be settled for an answer that depends on one rule.
    pub(super) fn undecided(&self, id: &str, rule: RuleRef, row: &explain::Row) -> String {
        let verdict = &row.explanation.verdict;
        let (this, that) = match verdict.allowed {
            true => ("allowed", "denied"),
            false => ("denied", "allowed"),
        };
        let name = self.rule_name(rule);
        let side = match rule.policy.direction {
            Direction::Egress => &row.explanation.egress,
            Direction::Ingress => &row.explanation.ingress,
        };
        match id {
            "A-12" => {
                let first = match side.decision.rule() {
                    Some(first) => format!("if {} is asked first", self.rule_name(first)),
                    None => format!("unless {name} is asked first"),
                };
                format!("{this} {first}, {that} if {name} is: their priorities are the same")
            }
            "C-47" => format!("{this} unless the source port is one that {name} asks for"),
            _ => format!("{this} unless {name} matches, which depends on the node of the pod"),
        }
    }

    /// Where neither side has a rule that decides.
    fn nobody_isolates(&self, explanation: &Explanation) -> String {
        let asked = |side: &SideTrace| !side.policies.is_empty();
        match asked(&explanation.egress) || asked(&explanation.ingress) {
            true => "no tier decides it on either side".into(),
            false => "no policy isolates either end (K-6)".into(),
        }
    }

    /// A side's decision in a few words.
    pub(super) fn decision(&self, side: &SideTrace) -> String {
        match side.decision {
            Decision::NotSubject => "no policy applies to it".into(),
            Decision::NotIsolated if side.policies.is_empty() => {
                format!("no policy isolates it for {}", side.direction.word())
            }
            Decision::NotIsolated => {
                let id = self.end_of_tiers(side);
                format!("no tier decides it for {} ({id})", side.direction.word())
            }
            Decision::Rule { rule, allowed } => {
                let verb = if allowed { "allows" } else { "denies" };
                format!("{} {verb} it", self.rule_name(rule))
            }
            Decision::NoRule { isolated_by, .. } => {
                let name = self.kind_and_name(isolated_by);
                let ruleset = self.explainer.eval().ruleset;
                let mut origins: Vec<Origin> = Vec::new();
                for at in side
                    .policies
                    .iter()
                    .filter(|at| at.tier == isolated_by.tier)
                {
                    let policy = &ruleset[*at];
                    if policy.isolates && !origins.contains(&policy.origin) {
                        origins.push(policy.origin);
                    }
                }
                match (origins.len(), ruleset[isolated_by].origin) {
                    (0 | 1, Origin::Engine(..)) => format!("{name}, and no rule matches"),
                    (0 | 1, _) => format!("{name} isolates it, and no rule matches"),
                    (more, _) => {
                        format!("{more} policies isolate it ({name} first), and no rule matches")
                    }
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
        if let Reason::Exempt(id, why) | Reason::Impossible(id, why) | Reason::Blocked(id, why) =
            explanation.verdict.reason
        {
            return format!("{why} ({id})");
        }
        if explanation.verdict.reason == Reason::Routed {
            return "policies about the node through which it enters refuse it".into();
        }
        let conditions = self.conditions(row);
        if !conditions.is_empty() {
            return condition_words(&conditions);
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
                    (false, false) => self.nobody_isolates(explanation),
                }
            }
            (a, b) if !a.is_allowed() && !b.is_allowed() => {
                let plain = [egress, ingress].iter().all(|side| self.is_plain(side));
                match plain {
                    true => "neither side allows it, and both must (K-16)".into(),
                    false => "neither side allows it, and both must".into(),
                }
            }
            (a, _) if !a.is_allowed() => "the egress side does not allow it".into(),
            _ => "the ingress side does not allow it".into(),
        }
    }

    /// Whether NetworkPolicies alone are asked on a side.
    fn is_plain(&self, side: &SideTrace) -> bool {
        let ruleset = self.explainer.eval().ruleset;
        let mut origins = side.policies.iter().map(|at| ruleset[*at].origin);
        origins.all(|origin| matches!(origin, Origin::Kubernetes(_)))
    }
}

/// `if HTTP GET /api/.* or HTTP GET /healthz`
#[must_use]
pub fn condition_words(conditions: &[Condition]) -> String {
    let told: Vec<_> = conditions
        .iter()
        .map(|condition| match condition.any_of.as_slice() {
            [one] => one.clone(),
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
            [] => String::new(),
        })
        .collect();
    match told.as_slice() {
        [egress, ingress] if egress != ingress => {
            format!("if {egress} (egress), and {ingress} (ingress)")
        }
        told => format!("if {}", told.first().map_or("", String::as_str)),
    }
}
