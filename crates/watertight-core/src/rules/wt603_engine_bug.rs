//! The engine's version has a known enforcement bug.
//!
//! ## What it finds
//! Published bugs in the enforcement of policies that the release given by `--engine NAME@VERSION`
//! is known to have: advisories, entries of changelogs, commits. One finding a bug, with the
//! releases it affects and its source. It is a warning where forbidden traffic may pass, and a note
//! where allowed traffic is dropped or the harm is another one.
//!
//! Only bugs that can matter for this input are listed: one about `except` needs a policy with an
//! exception, one about IPv6 an IPv6 address, one about the engine's own policy kinds an object of
//! its API group, one about a dataplane of Calico the settings that choose it, or none that were
//! read. A bug that is a missing feature is WT602. Without a version nothing is listed,
//! and a version without a patch (`1.15`) has only the bugs that all of its patches have. No
//! finding means that no bug is known here, not that there is none.
//!
//! ## Why it matters
//! Policy and verdict are right, and the packet passes all the same. Nothing in the manifests shows
//! it.
//!
//! ## Example
//! ```yaml
//! # watertight check --engine kube-router@0.4.0
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: no-egress, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Egress]   # before 1.0.0 traffic to Service addresses passes
//! ```
//!
//! ## Instead
//! Move to a release that has the fix. Where that takes time, suppress the finding until a date,
//! with the reason, in `.watertight.yaml`:
//! ```yaml
//! suppressions:
//! - rule: WT603
//!   reason: the upgrade of the engine is planned for June
//!   expires: 2030-06-30
//! ```
//!
//! ## Semantics
//! - D-2 to D-10: the engines; a version there is the first release with the behaviour

mod needs;

use super::{Check, Context, Rule, engines};
use crate::diag::{Finding, Fix, Severity};
use crate::engine::{Bug, Bundle, Effect, Enforcement};
use crate::facts::Confidence;
use needs::Uses;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT603",
    name: "engine-bug",
    severity: Severity::Warning,
    summary: "the engine's version has a known enforcement bug",
    source: include_str!("wt603_engine_bug.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let profile = context.profile;
    // Where nothing is enforced no bug can break it, and without policies there is nothing to break.
    if profile.enforcement() == Enforcement::NotEnforced || context.world.policies.is_empty() {
        return;
    }
    let mut bugs = profile.bugs().peekable();
    if bugs.peek().is_none() {
        return;
    }
    let uses = Uses::new(context);
    let bugs = bugs.filter(|bug| uses.concern(bug));
    findings.extend(bugs.map(|bug| finding(context, bug)));
}

fn finding(context: &Context<'_>, bug: &Bug) -> Finding {
    let profile = context.profile;
    let mut message = format!("{} has {}: {}", engines::name(profile), bug.id, bug.summary);
    if !bug.condition.is_empty() {
        // Whoever does not meet it has no bug.
        message.push_str(&format!(" ({})", bug.condition));
    }
    let severity = match bug.effect {
        Effect::Open | Effect::Window | Effect::Mixed => Severity::Warning,
        Effect::Closed | Effect::Detect | Effect::Other => Severity::Note,
    };
    let mut finding = Finding::new(&RULE, message).severity(severity);
    let affected: Vec<_> = bug.affected.iter().map(ToString::to_string).collect();
    finding
        .notes
        .push(format!("affected: {}", affected.join(", ")));
    let others = bug.aliases.iter().copied();
    let others = others.filter(|alias| !bug.source.contains(alias));
    let known_as = match others.collect::<Vec<_>>().as_slice() {
        [] => String::new(),
        others => format!(", also known as {}", others.join(", ")),
    };
    let checked = match bug.confidence {
        Confidence::Confirmed => "",
        _ => ", reported and not confirmed",
    };
    finding
        .notes
        .push(format!("source: {}{known_as}{checked}", bug.source));
    finding.why.extend(engines::deviation(profile.engine));
    finding.fix = way_out(context, bug).map(Fix::advice);
    finding
}

/// The first release behind the range that this one is in, where the range is known to end there.
fn way_out(context: &Context<'_>, bug: &Bug) -> Option<String> {
    let releases = context.profile.releases();
    let range = bug
        .affected
        .iter()
        .find(|range| releases.iter().any(|release| range.contains(*release)))
        .filter(|_| bug.confidence == Confidence::Confirmed)?;
    let fixed = range.before?;
    // What is installed may be something that brings the fixed program along.
    let mut bundles = context.profile.facts().bundles.iter();
    let brings = |bundle: &&Bundle| {
        bundle.inner.component == range.component && bundle.inner.version.at_least(fixed)
    };
    Some(match bundles.find(brings) {
        Some(bundle) => format!(
            "move to {} or later, which brings {}",
            bundle.outer, bundle.inner
        ),
        None => format!("move to {} {fixed} or later", range.component),
    })
}

#[cfg(test)]
mod tests;
