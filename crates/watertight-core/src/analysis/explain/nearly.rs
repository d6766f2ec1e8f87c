//! Policies that would allow a denied connection if they applied to its pod: those whose podSelector
//! misses it by a slip, and those whose section `policyTypes` leaves out.
//!
//! INVARIANT: proved, not guessed: each is judged alone, as if it applied, and must allow.

use super::miss::{seen, short_name};
use super::miss_peers::{holds, needs};
use crate::engine::PolicyTypesGate;
use crate::eval::{Connection, Evaluator, Party};
use crate::manifest::Direction;
use crate::policy::lower_kubernetes_policy;
use crate::sets::{Operator, Requirement};
use crate::source::Span;
use crate::suggest::misspelt;
use crate::world::{EndpointId, PolicyId, World};

/// Why a policy that would allow a connection does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearly {
    /// The policy.
    pub policy: PolicyId,
    /// The rule that would allow it, counting from 0.
    pub rule: usize,
    /// Why it does not, in words.
    pub text: String,
    /// What to change, in words.
    pub help: String,
    /// Where that is written.
    pub span: Span,
}

/// More policies of one namespace are not tried.
const MOST_TRIED: usize = 200;

/// The policies of the subject's namespace that nearly allow a connection, in reading order.
pub(super) fn find(
    eval: &Evaluator<'_>,
    direction: Direction,
    subject: EndpointId,
    connection: &Connection,
) -> Vec<Nearly> {
    let world = eval.world;
    let Some(port) = connection.port else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut tried = 0;
    for id in &world[world[subject].namespace].policies {
        let policy = &world[*id];
        let spec = &policy.spec;
        if spec.section(direction).rules.is_empty() || tried >= MOST_TRIED {
            continue;
        }
        let failing: Vec<_> = spec
            .pod_selector
            .requirements
            .iter()
            .filter(|requirement| !holds(requirement, world.label(subject, &requirement.key)))
            .collect();
        let covers =
            spec.covers(direction) || eval.switches.policy_types_gate == PolicyTypesGate::Sections;
        let who = short_name(world, Party::Endpoint(subject));
        let way = direction.word();
        let (text, help, span) = match (failing.as_slice(), covers) {
            ([], false) => {
                let (types, span) = match &spec.policy_types {
                    Some((_, span)) => ("its policyTypes leave", *span),
                    None => ("without policyTypes it leaves", policy.name_span),
                };
                (
                    format!("{types} {way} out, so that its {way} section does nothing (K-10)"),
                    format!("add `{}` to its policyTypes", direction.api()),
                    span,
                )
            }
            ([requirement], true) => match slip(world, subject, requirement) {
                Some(label) => (
                    format!("it selects {}, {who} has {label}", needs(requirement)),
                    format!("select {label}"),
                    requirement.span,
                ),
                None => continue,
            },
            _ => continue,
        };
        tried += 1;
        if let Some(rule) = would_allow(eval, *id, direction, subject, connection, port) {
            found.push(Nearly {
                policy: *id,
                rule,
                text,
                help,
                span,
            });
        }
    }
    found
}

/// The rule of a policy that would allow a connection if the policy applied to the subject.
fn would_allow(
    eval: &Evaluator<'_>,
    id: PolicyId,
    direction: Direction,
    subject: EndpointId,
    connection: &Connection,
    port: u16,
) -> Option<usize> {
    let world = eval.world;
    // As if policyTypes named the direction, where they do not.
    let mut switches = eval.switches;
    switches.policy_types_gate = PolicyTypesGate::Sections;
    let policy = lower_kubernetes_policy(world, &switches, id, direction)?;
    let seen = seen(eval, direction, connection);
    let port = seen.port.unwrap_or(port);
    let (party, protocol) = (seen.party, connection.protocol);
    eval.first_match(&policy.rules, direction, subject, party, protocol, port)
}

/// The label that a requirement was probably meant to name, if a slip lies between the two: a value
/// that is nearly one of those asked for, or such a value under another key.
fn slip(world: &World, subject: EndpointId, requirement: &Requirement) -> Option<String> {
    let Operator::In(wanted) = &requirement.operator else {
        return None;
    };
    let key = &requirement.key;
    match world.label(subject, key) {
        Some(value) => {
            let near = wanted.iter().any(|wanted| {
                misspelt(wanted, [value]).is_some() || misspelt(value, [&**wanted]).is_some()
            });
            near.then(|| format!("{key}={value}"))
        }
        None => {
            let mut labels = world[subject].labels.iter().map(|(key, value)| {
                let (key, value) = (world.symbols.text(*key), world.symbols.text(*value));
                (key, value)
            });
            let telling = |value: &str| value.len() > 2 && !matches!(value, "true" | "false");
            let same = labels.find(|(_, value)| {
                telling(value) && wanted.iter().any(|wanted| **wanted == **value)
            });
            same.map(|(key, value)| format!("{key}={value}"))
        }
    }
}
