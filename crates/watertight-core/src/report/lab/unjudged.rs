//! Why nothing is said of a connection, and whether policies select anybody at all.

use std::collections::{BTreeMap, BTreeSet};

use super::{LabConnection, LabInput, LabReason, Seen, Trial};
use crate::eval::{Evaluator, Party, Uncertain};
use crate::manifest::Direction;
use crate::policy::{Origin, PolicyRef, RuleRef};
use crate::report::build::location;
use crate::rules::Context;
use crate::source::{Sources, Span};

/// A reason, the statement behind it, and the line.
pub(super) type Reason = (String, Option<&'static str>, Option<Span>);

/// Connections by the reason for which nothing is said of them.
#[derive(Default)]
pub(super) struct Reasons(BTreeMap<Reason, Vec<LabConnection>>);

impl Reasons {
    pub(super) fn add(&mut self, reason: Reason, connection: LabConnection) {
        self.0.entry(reason).or_default().push(connection);
    }

    /// All reasons, that of most connections first.
    pub(super) fn listed(self, sources: &Sources) -> Vec<LabReason> {
        let found = self.0.into_iter();
        let listed = found.map(|((reason, id, span), connections)| LabReason {
            reason,
            id: id.map(Into::into),
            place: span.map(|span| location(sources, span, "")),
            connections,
        });
        let mut listed: Vec<_> = listed.collect();
        listed.sort_by_key(|one| std::cmp::Reverse(one.connections.len()));
        listed
    }
}

/// Why a trial is inconclusive.
pub(super) fn inconclusive(trial: &Trial) -> Reason {
    let control = trial.control.filter(|seen| seen.arrived() != Some(true));
    let reason = match (control, trial.observed.seen) {
        (_, Seen::Error) => format!("it could not be tried: {}", trial.observed.detail),
        (Some(control), _) => format!(
            "it did not arrive while no policy was in force either ({})",
            control.word()
        ),
        (None, _) => "silence, and no rule that logged it".into(),
    };
    (reason, None, None)
}

/// Tells why trials are not judged.
pub(super) struct Unjudged<'l, 'w> {
    pub(super) input: &'l LabInput<'l, 'w>,
    pub(super) context: &'l Context<'l>,
}

impl Unjudged<'_, '_> {
    pub(super) fn reason(&self, trial: &Trial) -> Reason {
        let eval = self.input.eval;
        if let Some(uncertain) = trial.verdict.uncertain {
            return self.uncertain(uncertain);
        }
        if let Some((id, reason)) = trial.unjudged {
            return (reason.into(), Some(id), None);
        }
        let rules = [trial.verdict.egress.rule(), trial.verdict.ingress.rule()];
        let mut rules = rules.into_iter().flatten();
        if let Some(rule) = rules.find(|rule| self.is_unsaid(*rule)) {
            let policy = self.context.title(rule.policy);
            let reason = format!("{policy} decides it by what packets do not show");
            return (reason, None, Some(eval.ruleset[rule].span));
        }
        let ends = [trial.connection.from, trial.connection.to];
        let is_told_apart = ends.into_iter().any(|end| match end.resolve(eval.world) {
            Party::Endpoint(id) => eval.world[id].host_network.is_some() && eval.can_be_subject(id),
            _ => false,
        });
        if is_told_apart {
            let reason = "packets do not tell a host-network pod from its node";
            return (reason.into(), Some("K-72"), None);
        }
        self.service(trial).unwrap_or_else(|| {
            let reason = "packets do not show what decides";
            (reason.into(), None, None)
        })
    }

    fn uncertain(&self, of: Uncertain) -> Reason {
        let policy = self.context.title(of.rule.policy);
        let reason = match of.id {
            "A-12" => format!("{policy} has the priority of another that says otherwise"),
            "C-47" => format!("{policy} asks for a source port"),
            _ => format!("whether a rule of {policy} matches is not known"),
        };
        let span = self.input.eval.ruleset[of.rule].span;
        (reason, Some(of.id), Some(span))
    }

    fn is_unsaid(&self, rule: RuleRef) -> bool {
        let mut unsaid = self.input.unsaid.iter();
        unsaid.any(|(policy, at, _)| *policy == rule.policy && at.is_none_or(|at| at == rule.rule))
    }

    /// Of a connection to a Service: what its backends have to do with it.
    fn service(&self, trial: &Trial) -> Option<Reason> {
        let eval = self.input.eval;
        let dialled = trial.connection.service?;
        let mut services = eval.world.service_ids();
        let service = services.find(|id| eval.world[*id].cluster_ips.contains(&dialled.ip))?;
        let (from, protocol) = (trial.connection.from, trial.connection.protocol);
        let backends = eval.to_service(from, service, dialled.port, protocol);
        let verdicts = || backends.iter().map(|(_, _, verdict)| verdict);
        if let Some(uncertain) = verdicts().find_map(|verdict| verdict.uncertain) {
            return Some(self.uncertain(uncertain));
        }
        let name = format!(
            "Service {}/{}",
            eval.world[eval.world[service].namespace].name, eval.world[service].name
        );
        let differ = verdicts().any(|verdict| verdict.allowed != trial.verdict.allowed);
        let reason = if differ {
            format!(
                "some backends of {name} may be reached and some not, and it is up to whose turn it is"
            )
        } else {
            format!("a backend of {name} is not in the lab")
        };
        Some((reason, None, None))
    }
}

/// How many policies there are, and how many of them select somebody.
#[must_use]
pub fn selecting(eval: &Evaluator<'_>) -> (usize, usize) {
    let written = |policy: PolicyRef| object(eval.ruleset[policy].origin);
    let mut selecting = BTreeSet::new();
    for direction in Direction::BOTH {
        for id in eval.world.endpoint_ids() {
            let policies = eval.policies_of(id, direction).iter();
            selecting.extend(policies.filter_map(|policy| written(*policy)));
        }
        for id in eval.world.node_ids() {
            let policies = eval.policies_of_node(id, direction).iter();
            selecting.extend(policies.filter_map(|policy| written(*policy)));
        }
    }
    let tiers = Direction::BOTH.into_iter();
    let tiers = tiers.flat_map(|direction| eval.ruleset.tiers(direction));
    let all: BTreeSet<_> = tiers
        .flat_map(|tier| &tier.policies)
        .filter_map(|policy| object(policy.origin))
        .collect();
    (all.len(), selecting.len())
}

/// Which object a policy is of, both of its directions; none if nobody has written it.
fn object(origin: Origin) -> Option<(u8, usize)> {
    match origin {
        Origin::Kubernetes(id) => Some((0, id.index())),
        Origin::Object(id) => Some((1, id.index())),
        Origin::Engine(..) => None,
    }
}
