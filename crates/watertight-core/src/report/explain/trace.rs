//! The trace of one side: what every tier that takes part came to, and what its policies said.

use super::build::Builder;
use super::{Miss, Nearly, PolicyTrace, Trace};
use crate::analysis::explain::{self, Denial, short_name};
use crate::eval::{Decision, Explanation, Own, Party, Reason, SideTrace, Step};
use crate::manifest::Direction;
use crate::policy::{Action, Origin, PolicyRef};
use crate::report::build::location;

/// More misses of one policy are not told.
const MOST_MISSES: usize = 3;

impl Builder<'_> {
    pub(super) fn trace(
        &self,
        party: Party,
        explanation: &Explanation,
        side: &SideTrace,
        denial: Option<&Denial>,
    ) -> Trace {
        let is_routed = explanation.verdict.reason == Reason::Routed;
        if is_routed && side.direction == Direction::Ingress {
            return self.routed(party, explanation, side);
        }
        let verdict = match side.decision {
            Decision::NotSubject => "none",
            Decision::NotIsolated => "open",
            decision if decision.is_allowed() => "allow",
            _ => "deny",
        };
        let because = match side.decision {
            Decision::NotSubject => self.not_subject(party, side.direction),
            _ => self.decision(side),
        };
        let nearly = denial.map_or(&[][..], |denial| &denial.nearly);
        let as_node = match (side.subject, party.resolve(self.world())) {
            (Some(Own::Node(node)), Party::Endpoint(_)) => {
                Some(short_name(self.world(), Party::Node(node)))
            }
            _ => None,
        };
        Trace {
            party: short_name(self.world(), party),
            as_node,
            verdict: verdict.into(),
            because,
            tiers: self.tiers(side),
            policies: self.policies(explanation, side, denial),
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

    /// The policies that apply; the parts of one object in a tier are one.
    fn policies(
        &self,
        explanation: &Explanation,
        side: &SideTrace,
        denial: Option<&Denial>,
    ) -> Vec<PolicyTrace> {
        let eval = self.explainer.eval();
        let mut objects: Vec<(PolicyRef, Origin, Vec<PolicyRef>)> = Vec::new();
        for at in &side.policies {
            let origin = eval.ruleset[*at].origin;
            // In a tier that is large, parts of one object are near each other.
            let of_tier = objects
                .iter_mut()
                .rev()
                .take_while(|(first, ..)| first.tier == at.tier);
            let is_written = !matches!(origin, Origin::Kubernetes(_));
            let mut same = of_tier.filter(|(_, of, _)| is_written && *of == origin);
            match same.next() {
                Some((_, _, parts)) => parts.push(*at),
                None => objects.push((*at, origin, vec![*at])),
            }
        }
        let decided_in = match side.decision {
            Decision::Rule { rule, .. } => Some(rule.policy),
            Decision::NoRule { isolated_by } => Some(isolated_by),
            Decision::NotIsolated | Decision::NotSubject => None,
        };
        let mut traces = Vec::new();
        let mut left = None;
        for (first, _, parts) in objects {
            let of_object = |step: &&Step| parts.contains(&step.rule.policy);
            let acts = |step: &&Step| {
                step.peer && step.traffic && eval.ruleset[step.rule].action != Action::Log
            };
            let matching = side.steps.iter().filter(of_object).find(acts);
            let action = matching.map(|step| eval.ruleset[step.rule].action);
            let behind = decided_in.is_some_and(|decided| match side.decision {
                Decision::Rule { .. } => first > decided && !parts.contains(&decided),
                _ => first.tier > decided.tier,
            });
            let outcome = match action {
                Some(Action::Allow) => "allows",
                Some(Action::Deny) => "denies",
                Some(Action::Pass) => "passes",
                _ if behind || left == Some(first.tier) => "not-asked",
                _ => "no-match",
            };
            if action == Some(Action::Pass) {
                left = Some(first.tier);
            }
            let misses = denial.map_or(&[][..], |denial| &denial.misses);
            let misses = misses
                .iter()
                .filter(|miss| parts.contains(&miss.rule.policy));
            let place = matching.map(|step| explain::rule_place(eval, step.rule));
            let span = |step: &Step| location(self.sources, eval.ruleset[step.rule].span, "");
            traces.push(PolicyTrace {
                tier: self.tier_name(first).into(),
                kind: eval.ruleset[first].origin.kind(self.world()).into(),
                group: explain::group_of(self.world(), eval.ruleset[first].origin).into(),
                name: self.policy_name(first),
                location: self
                    .name_span(first)
                    .map(|span| location(self.sources, span, "")),
                outcome: outcome.into(),
                rules: explain::rules_written(eval, first),
                isolates: parts.iter().any(|part| eval.ruleset[*part].isolates),
                list: place
                    .filter(|place| place.list != side.direction.word())
                    .map(|place| place.list.into()),
                rule: place.map(|place| place.number),
                admits: matching.map(|step| {
                    explain::admits(
                        eval,
                        side.direction,
                        side.subject.and_then(Own::endpoint),
                        &explanation.connection,
                        step.rule,
                    )
                }),
                rule_location: matching.map(span),
                misses: misses
                    .take(MOST_MISSES)
                    .map(|miss| self.miss(miss))
                    .collect(),
            });
        }
        traces
    }

    /// A connection that policies about the node through which it enters refuse.
    fn routed(&self, party: Party, explanation: &Explanation, side: &SideTrace) -> Trace {
        let eval = self.explainer.eval();
        let node = explanation.connection.via_node.map(Party::Node);
        let node = node.map_or(String::new(), |node| short_name(self.world(), node));
        let refuses = side.decision.rule().map(|rule| {
            let place = explain::rule_place(eval, rule);
            let origin = eval.ruleset[rule.policy].origin;
            PolicyTrace {
                tier: self.tier_name(rule.policy).into(),
                kind: origin.kind(self.world()).into(),
                group: explain::group_of(self.world(), origin).into(),
                name: self.policy_name(rule.policy),
                location: self
                    .name_span(rule.policy)
                    .map(|span| location(self.sources, span, "")),
                outcome: "denies".into(),
                rules: explain::rules_written(eval, rule.policy),
                isolates: eval.ruleset[rule.policy].isolates,
                list: None,
                rule: Some(place.number),
                admits: Some(format!("what enters the cluster at {node}")),
                rule_location: Some(location(self.sources, eval.ruleset[rule].span, "")),
                misses: Vec::new(),
            }
        });
        Trace {
            party: short_name(self.world(), party),
            as_node: None,
            verdict: "deny".into(),
            because: format!("{} where it enters, at {node}", self.decision(side)),
            tiers: Vec::new(),
            policies: refuses.into_iter().collect(),
            nearly: Vec::new(),
        }
    }

    fn not_subject(&self, party: Party, direction: Direction) -> String {
        let eval = self.explainer.eval();
        let node = match party.resolve(self.world()) {
            Party::Endpoint(id) => self.world()[id]
                .node
                .filter(|_| self.world()[id].host_network.is_some()),
            Party::Node(id) => Some(id),
            Party::Address(_) | Party::Name(_) => None,
        };
        if node.is_some_and(|node| !eval.policies_of_node(node, direction).is_empty()) {
            return "a node lets its own pods in, whatever policies about it say (C-72)".into();
        }
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
        let eval = self.explainer.eval();
        let rule = &eval.ruleset[miss.rule];
        let texts: Vec<_> = miss
            .faults
            .iter()
            .map(|fault| fault.text.as_str())
            .collect();
        let span = miss.faults.first().map_or(rule.span, |fault| fault.span);
        Miss {
            rule: explain::rule_place(eval, miss.rule).number,
            text: texts.join("; it "),
            distance: miss.distance,
            location: location(self.sources, span, ""),
        }
    }
}
