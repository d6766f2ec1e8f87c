//! The first line: real, partly, decorative or unknown, and why.

use super::flow::Judged;
use super::{Answer, Case, Step, StepState, Target, steps};
use crate::analysis::explain::Outcome;
use crate::engine::detect::State;
use crate::manifest::Direction;

pub(super) fn answer(case: &Case<'_>, steps: &[Step]) -> (Answer, String) {
    let [enforcement, isolation, rest @ ..] = steps else {
        return (Answer::Unknown, String::new());
    };
    if let Target::Flow { .. } = case.target {
        return of_flow(case, enforcement, isolation, rest);
    }
    let missing_pods = isolation.state == StepState::Unknown;
    if case.pods.is_empty() && !case.host_pods.is_empty() {
        let because = "its pods are on the network of their node, where no policy applies to them";
        return (Answer::Decorative, because.to_owned());
    }
    if case.pods.is_empty() {
        let because = match (missing_pods, case.target) {
            (true, _) => isolation.summary.clone(),
            (false, Target::Cluster) if no_policies(case) => {
                return (
                    Answer::Decorative,
                    "there are no policies at all".to_owned(),
                );
            }
            (false, Target::Cluster) => {
                "no pod is in a namespace that has policies, so nothing shows what they do"
                    .to_owned()
            }
            (false, _) => "there are no pods to ask about".to_owned(),
        };
        return (Answer::Unknown, because);
    }
    let isolated = case.pods.iter().any(|pod| {
        let eval = case.context.eval;
        Direction::BOTH
            .iter()
            .any(|direction| eval.is_isolated(*pod, *direction))
    });
    if !isolated && !missing_pods {
        let because = "no policy isolates any of these pods, so everything is allowed whatever the engine does";
        return (Answer::Decorative, because.to_owned());
    }
    match enforcement.state {
        StepState::Failed if all_bad(case) => (Answer::Decorative, enforcement.summary.clone()),
        StepState::Failed => (Answer::Partly, enforcement.summary.clone()),
        StepState::Unknown | StepState::NotApplicable => {
            (Answer::Unknown, enforcement.summary.clone())
        }
        StepState::Passed => {
            let others = || std::iter::once(isolation).chain(rest);
            if let Some(failed) = others().find(|step| step.state == StepState::Failed) {
                return (Answer::Partly, failed.summary.clone());
            }
            if let Some(unknown) = others().find(|step| step.state == StepState::Unknown) {
                return (Answer::Unknown, unknown.summary.clone());
            }
            (Answer::Real, with_bare(case, &enforcement.summary))
        }
    }
}

/// Whether nothing acts for any of the pods.
fn all_bad(case: &Case<'_>) -> bool {
    let states = case.states();
    let open = |state: &State| matches!(state, State::NotEnforced | State::AuditOnly);
    states.keys().all(open)
}

fn no_policies(case: &Case<'_>) -> bool {
    let world = case.context.world;
    world.policy_ids().next().is_none() && world.objects.is_empty()
}

/// What holds, and that other namespaces have nothing that could.
fn with_bare(case: &Case<'_>, summary: &str) -> String {
    let Target::Cluster = case.target else {
        return summary.to_owned();
    };
    let bare = steps::bare_namespaces(case).len();
    match bare {
        0 => summary.to_owned(),
        1 => format!("{summary}; 1 more namespace has pods and no policy"),
        more => format!("{summary}; {more} more namespaces have pods and no policy"),
    }
}

fn of_flow(
    case: &Case<'_>,
    enforcement: &Step,
    isolation: &Step,
    rest: &[Step],
) -> (Answer, String) {
    let unknown = isolation.state == StepState::Unknown;
    // Whatever the policies say, if there are some.
    if unknown && enforcement.state == StepState::Failed && all_bad(case) {
        return (Answer::Decorative, enforcement.summary.clone());
    }
    let Some(judged) = case.connections.as_ref().ok().filter(|_| !unknown) else {
        return (Answer::Unknown, isolation.summary.clone());
    };
    let denied = judged.iter().any(|one| one.outcome == Outcome::Denied);
    let allowed = judged.iter().any(|one| one.outcome == Outcome::Allowed);
    if !denied {
        let above = rest.first().filter(|step| step.state == StepState::Failed);
        if let Some(item) = above.and_then(|step| step.items.first()) {
            return (Answer::Decorative, item.text.clone());
        }
        if !judged.iter().any(Judged::is_isolated) {
            return (Answer::Decorative, isolation.summary.clone());
        }
        // What a rule lets through on paper says nothing about a cluster that enforces nothing.
        return match enforcement.state {
            StepState::Failed if all_bad(case) => (
                Answer::Decorative,
                format!("{}; and {}", isolation.summary, enforcement.summary),
            ),
            StepState::Unknown | StepState::NotApplicable => (
                Answer::Unknown,
                format!(
                    "{}, if they are enforced: {}",
                    isolation.summary, enforcement.summary
                ),
            ),
            _ => (Answer::Partly, isolation.summary.clone()),
        };
    }
    let what = match allowed {
        true => "policies deny a part of it",
        false => "policies deny it",
    };
    match enforcement.state {
        StepState::Failed if all_bad(case) => (
            Answer::Decorative,
            format!("{what}, and {}", enforcement.summary),
        ),
        StepState::Failed => (
            Answer::Partly,
            format!("{what}, but {}", enforcement.summary),
        ),
        StepState::Unknown | StepState::NotApplicable => (
            Answer::Unknown,
            format!("{what}, if they are enforced: {}", enforcement.summary),
        ),
        StepState::Passed if allowed => (Answer::Partly, isolation.summary.clone()),
        StepState::Passed => {
            let summary = format!("{what}, and {}", enforcement.summary);
            // What is wrong with other policies does not touch it; what is wrong with the engine may.
            let broken = rest
                .iter()
                .find(|step| step.name == "versions" && step.state == StepState::Failed);
            match broken {
                Some(broken) => (Answer::Partly, format!("{summary}; but {}", broken.summary)),
                None => (Answer::Real, summary),
            }
        }
    }
}
