//! The network engine does not enforce policies.
//!
//! ## What it finds
//! With an engine that was named (`--engine`), whether it enforces NetworkPolicy at all:
//!
//! - it does not, as flannel or an old kindnet: an error, with connections that the policies deny
//!   on paper and that are open
//! - it does only where that was switched on, as the Amazon VPC CNI: a warning, with the switches
//!   to look at
//! - it does after a moment in which a new pod is open: a note
//! - nobody knows: a note
//!
//! It is one finding for the whole input, and the notes list what turns the engine off without a
//! sign in the policies. The engine `reference`, which is assumed when none is named, is taken to
//! enforce.
//!
//! ## Why it matters
//! The API server stores a NetworkPolicy whether or not anything acts on it. `kubectl get` shows
//! it, audits count it, and every connection it denies is open.
//!
//! ## Example
//! ```yaml
//! # watertight check --engine flannel
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: default-deny, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress, Egress]
//! ```
//!
//! ## Instead
//! Run an engine that enforces policies, or switch enforcement on, and prove it: a connection that
//! a policy denies has to fail. The policy itself is right.
//! ```yaml
//! # watertight check --engine calico@3.31
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: default-deny, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress, Egress]
//! ```
//!
//! ## Semantics
//! - D-11: flannel and plain bridge networks store policies and never enforce them
//! - D-6, D-7, D-8: engines that enforce late, or only if they are told to
//! - K-6: a pod that nothing isolates is open

use std::net::IpAddr;

use super::{Check, Context, Rule, engines};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::engine::{Enforcement, Profile, Switches};
use crate::eval::{Connection, Evaluator, Party};
use crate::manifest::Direction;
use crate::policy::lower_kubernetes;
use crate::sets::Protocol;
use crate::world::EndpointId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT601",
    name: "not-enforced",
    severity: Severity::Error,
    summary: "the network engine does not enforce policies",
    source: include_str!("wt601_not_enforced.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let found = match context.profile.enforcement() {
        Enforcement::Enforced => return,
        Enforcement::NotEnforced => Some(not_enforced(context)),
        Enforcement::OptIn => Some(opt_in(context)),
        Enforcement::EnforcedWithWindow => window(context),
        Enforcement::Unknown => unknown(context),
    };
    findings.extend(found.map(|finding| with_place(context, finding)));
}

fn not_enforced(context: &Context<'_>) -> Finding {
    let profile = context.profile;
    let facts = profile.facts();
    let by_nature = facts.enforcement.at(&profile.releases()).state == Enforcement::NotEnforced;
    let message = if by_nature || profile.seen.is_some() {
        told(profile)
    } else {
        "with `enforcement=none` nothing enforces network policies".to_owned()
    };
    let consequence = match context.world.policies.len() {
        0 => return nothing_to_enforce(&message).why(&["D-11"]),
        1 => "the one policy is decorative".to_owned(),
        2 => "both policies are decorative".to_owned(),
        policies => format!("all {policies} policies are decorative"),
    };
    let mut finding =
        Finding::new(&RULE, format!("{message}: {consequence}")).why(&["D-11", "K-6"]);
    finding.evidence = open_in_truth(context);
    if profile.seen.is_some() {
        return finding.note(profile.enforcement_fact().reason).fix(Fix::advice(
            "`watertight diagnose` shows where that is set and what to do; until then every pod is open",
        ));
    }
    if !by_nature {
        return finding;
    }
    finding = finding.note(profile.enforcement_fact().reason);
    let never = facts.enforcement.changes.is_empty();
    if never {
        let notes = facts.notes.iter().map(ToString::to_string);
        finding.notes.extend(notes);
    }
    finding.fix(Fix::advice(if never {
        "run an engine that enforces policies; until then every pod is open"
    } else {
        "move to a release that enforces policies; until then every pod is open"
    }))
}

fn opt_in(context: &Context<'_>) -> Finding {
    let message = told(context.profile);
    let relies = match context.world.policies.len() {
        0 => {
            let reason = context.profile.enforcement_fact().reason;
            return nothing_to_enforce(&message).note(reason);
        }
        1 => "1 policy relies on it".to_owned(),
        policies => format!("{policies} policies rely on it"),
    };
    let finding = Finding::new(&RULE, format!("{message}: {relies}")).severity(Severity::Warning);
    reasons(context.profile, finding).fix(Fix::advice(
        "look at the switches named here, then prove it: a connection that a policy denies has to \
         fail",
    ))
}

fn window(context: &Context<'_>) -> Option<Finding> {
    let finding = Finding::new(&RULE, told(context.profile)).severity(Severity::Note);
    let any = !context.world.policies.is_empty();
    any.then(|| reasons(context.profile, finding))
}

fn unknown(context: &Context<'_>) -> Option<Finding> {
    let finding = Finding::new(&RULE, told(context.profile)).severity(Severity::Note);
    let mut finding = reasons(context.profile, finding).fix(Fix::advice(
        "prove it: a connection that a policy denies has to fail",
    ));
    let notes = context.profile.facts().notes.iter();
    finding.notes.extend(notes.map(ToString::to_string));
    let any = !context.world.policies.is_empty();
    any.then_some(finding)
}

fn told(profile: &Profile) -> String {
    let meaning = profile.enforcement().meaning();
    format!("{} {meaning}", engines::name(profile))
}

fn nothing_to_enforce(message: &str) -> Finding {
    let message = format!("{message}; there are none in this input");
    Finding::new(&RULE, message).severity(Severity::Note)
}

/// Why the engine is called so, and what turns it off without a sign in the policies.
fn reasons(profile: &Profile, finding: Finding) -> Finding {
    let mut finding = finding.note(profile.enforcement_fact().reason);
    let silent = profile.facts().silent_disable.iter();
    finding
        .notes
        .extend(silent.map(|what| format!("off unnoticed: {what}")));
    if profile.version.is_none() && profile.all_bugs().next().is_some() {
        finding.notes.push(format!(
            "name the version (--engine {}@VERSION) to have its known bugs listed",
            profile.engine
        ));
    }
    finding.why.extend(engines::deviation(profile.engine));
    finding
}

/// Points at the first policy, which stands for all.
fn with_place(context: &Context<'_>, finding: Finding) -> Finding {
    let policies = &context.world.policies;
    match policies.first() {
        Some(first) if policies.len() == 1 => finding.at(first.name_span, "the policy"),
        Some(first) => {
            let text = format!("the first of {} policies", policies.len());
            finding.at(first.name_span, text)
        }
        None => finding,
    }
}

/// Groups of pods that are tried for evidence, and sources that are tried for each.
const GROUPS: usize = 200;
const SOURCES: usize = 8;

/// An address of nobody in particular, from the range that is kept for documentation.
const SOMEWHERE: &str = "203.0.113.10";
const METADATA: &str = "169.254.169.254";

/// One connection into and one out of a pod that the policies deny on paper and that are open.
fn open_in_truth(context: &Context<'_>) -> Vec<Evidence> {
    let switches = Switches::default();
    let ruleset = lower_kubernetes(context.world, &switches);
    let eval = Evaluator::new(context.world, &ruleset, switches);
    let paper = Context::new(context.sources, &eval, context.profile, context.clouds);
    let isolated = |direction| {
        paper
            .groups()
            .iter()
            .map(|group| group.example())
            .filter(move |id| paper.eval.is_isolated(*id, direction))
            .take(GROUPS)
    };
    let into = isolated(Direction::Ingress)
        .flat_map(|target| into(&paper, target))
        .find_map(|connection| open(context, &paper, Direction::Ingress, &connection));
    let out = isolated(Direction::Egress)
        .flat_map(out)
        .find_map(|connection| open(context, &paper, Direction::Egress, &connection));
    into.into_iter().chain(out).collect()
}

/// The connection as evidence, if this side of it is denied on paper and nothing stops it.
fn open(
    context: &Context<'_>,
    paper: &Context<'_>,
    side: Direction,
    connection: &Connection,
) -> Option<Evidence> {
    let written = paper.eval.verdict(connection);
    let (denies, other) = match side {
        Direction::Ingress => (written.ingress, written.egress),
        Direction::Egress => (written.egress, written.ingress),
    };
    let real = context.eval.verdict(connection);
    if denies.is_allowed() || !other.is_allowed() || !real.allowed {
        return None;
    }
    let on_paper = paper.word(connection, &written);
    Some(Evidence {
        because: format!("on paper, {}", on_paper.because),
        by: on_paper.by,
        ..context.word(connection, &real)
    })
}

/// Connections to a pod, strangers first.
fn into(paper: &Context<'_>, target: EndpointId) -> Vec<Connection> {
    let ports = &paper.world[target].ports;
    let port = ports.iter().find(|port| port.protocol == Protocol::Tcp);
    let port = port.map_or(80, |port| port.number);
    let home = paper.world[target].namespace;
    let (near, far): (Vec<_>, Vec<_>) = paper
        .groups()
        .iter()
        .filter(|group| group.example() != target)
        .map(|group| (group.namespace, Party::Endpoint(group.example())))
        .take(GROUPS)
        .partition(|(namespace, _)| *namespace == home);
    let outside = address(SOMEWHERE).map(Party::Address);
    far.into_iter()
        .take(SOURCES)
        .chain(near.into_iter().take(SOURCES))
        .map(|(_, source)| source)
        .chain(outside)
        .map(|source| Connection::new(source, Party::Endpoint(target), Protocol::Tcp, port))
        .collect()
}

/// Connections from a pod to where it does most harm.
fn out(source: EndpointId) -> Vec<Connection> {
    [(METADATA, 80), (SOMEWHERE, 443)]
        .into_iter()
        .filter_map(|(ip, port)| Some((address(ip)?, port)))
        .map(|(ip, port)| {
            let (from, to) = (Party::Endpoint(source), Party::Address(ip));
            Connection::new(from, to, Protocol::Tcp, port)
        })
        .collect()
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

#[cfg(test)]
mod tests;
