//! A policy that looks like a deny only allows.
//!
//! ## What it finds
//! - Policies whose name says deny, block, no, forbid and the like, while a rule of theirs opens
//!   what the name says is closed: everything, the Internet or the metadata service.
//! - Policies with such a name that withhold one range and so open the rest to pods which another
//!   policy had isolated (the usual `0.0.0.0/0` with `except`).
//! - Policies with names like deny-egress whose policyTypes do not contain `Egress`, so that they
//!   deny nothing in that direction; ingress likewise.
//!
//! It counts only what no other policy allows to the same pods. Silent are a default deny without
//! rules, narrow allows (selectors, small blocks, port 53), and names that say what they allow,
//! such as deny-all-except-dns. A name with `restrict` or `isolate` is reported only if a whole
//! direction is open.
//!
//! ## Why it matters
//! A NetworkPolicy has no deny. Its rules can only allow, and what they allow adds to what other
//! policies allow, so a policy written as a deny often opens the namespace that it was to protect.
//!
//! ## Example
//! ```yaml
//! # Beside a default deny this opens all of IPv4 but one address.
//! metadata: {name: deny-metadata, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Egress]
//!   egress:
//!   - to:
//!     - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}
//! ```
//!
//! ## Instead
//! ```yaml
//! # Deny by isolating, and allow what is needed; the rest stays closed.
//! metadata: {name: default-deny, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress, Egress]
//! ```
//!
//! ## Semantics
//! - X-1: a block with `except` allows the rest of its range
//! - X-3: without egress isolation nothing is restricted
//! - K-20: a rule without `to` or `from` is for every address
//! - K-15: policies add up; one more policy on an isolated pod can only open more
//! - K-10: a direction outside the effective policyTypes is not touched

use std::net::IpAddr;

use super::addresses::intent::{self, Intent, Object, Strength};
use super::addresses::{Metadata, Names, blocks, workloads};
use super::isolation::{OUTSIDE, declared_port, enforced};
use super::{Check, Context, Rule, some_of};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::eval::{Connection, Decision, Family, Party};
use crate::manifest::Direction;
use crate::policy::{Peer, PolicyRef, RuleRef};
use crate::sets::Protocol;
use crate::source::Span;
use crate::world::{EndpointId, PolicyId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT203",
    name: "deny-that-allows",
    severity: Severity::Warning,
    summary: "a policy that looks like a deny only allows",
    source: include_str!("wt203_deny_that_allows.rs"),
    check: Check::World(check),
};

/// How many pods of a policy are tried for evidence.
const TRIES: usize = 8;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) {
        return;
    }
    let metadata = Metadata::of(context);
    for id in context.world.policy_ids() {
        let Some(intent) = intent::of(&context.world[id].name) else {
            continue;
        };
        findings.extend(direction_left_out(context, id, &intent));
        if intent.allows {
            continue;
        }
        let directions = Direction::BOTH
            .into_iter()
            .filter(|direction| intent.direction.is_none_or(|said| said == *direction));
        let refs: Vec<PolicyRef> = directions
            .filter_map(|direction| context.policy_ref(id, direction))
            .collect();
        let opened = refs
            .iter()
            .find_map(|at| opens(context, *at, &intent, &metadata));
        findings.extend(opened.map(|opened| report(context, id, intent.strength, &opened)));
    }
}

/// A name that promises a direction which the policy does not touch (K-10, X-3).
fn direction_left_out(context: &Context<'_>, id: PolicyId, intent: &Intent) -> Option<Finding> {
    let direction = intent.direction?;
    let policy = &context.world[id];
    if intent.strength != Strength::Deny || context.policy_ref(id, direction).is_some() {
        return None;
    }
    let other = Direction::BOTH
        .into_iter()
        .find_map(|direction| context.policy_ref(id, direction))?;
    let open: Vec<EndpointId> = workloads::subjects(context, other)
        .into_iter()
        .filter(|id| !context.is_isolated(*id, direction))
        .collect();
    let (subject, evidence) = open.iter().take(TRIES).find_map(|id| {
        let mut outside = OUTSIDE.into_iter();
        outside.find_map(|ip| {
            let connection = between(context, direction, *id, ip, None);
            let verdict = context.eval.verdict(&connection);
            let evidence = || (*id, context.word(&connection, &verdict));
            verdict.allowed.then(evidence)
        })
    })?;
    let names = Names::of(context, &open);
    let message = format!(
        "`{}` denies no {}: its policyTypes do not include {}, and nothing isolates {}",
        policy.name,
        direction.word(),
        direction.api(),
        names.who(context, context.world[subject].namespace)
    );
    let (span, text) = match &policy.spec.policy_types {
        Some((_, span)) => (*span, format!("without {}", direction.api())),
        None => (policy.name_span, "no policyTypes".to_owned()),
    };
    let mut finding = Finding::new(&RULE, message)
        .at(span, text)
        .evidence(evidence)
        .subject(context.policy_subject(id))
        .why(&["K-10", "K-6"])
        .fix(Fix::advice(format!(
            "set `policyTypes` to `[{}]`, once the traffic that is needed is allowed",
            direction.api()
        )));
    finding.notes.extend(names.note());
    Some(finding)
}

/// What a policy opens that its name says is closed.
struct Opened {
    rule: RuleRef,
    span: Span,
    evidence: Evidence,
    /// The block; none for every address.
    block: Option<String>,
    /// Whether the block leaves out what the name speaks of, and opens the rest to pods that were
    /// isolated.
    widens: bool,
}

fn opens(
    context: &Context<'_>,
    at: PolicyRef,
    intent: &Intent,
    metadata: &Metadata,
) -> Option<Opened> {
    let outside = OUTSIDE.map(|ip| (ip, None));
    let doors: Vec<(IpAddr, Option<u16>)> = if intent.object == Object::Metadata {
        metadata.doors()
    } else {
        outside.to_vec()
    };
    let rules = &context.eval.ruleset[at].rules;
    rules.iter().enumerate().find_map(|(index, rule)| {
        let here = RuleRef {
            policy: at,
            rule: index,
        };
        if blocks::is_dns_only(rule) {
            return None;
        }
        let mut broad = rule.peers.iter().filter_map(|peer| match peer {
            Peer::Any => Some((peer, None)),
            Peer::Block(block, _) if blocks::is_wide(block) => Some((peer, Some(block))),
            _ => None,
        });
        broad.find_map(|(peer, block)| {
            let trimmed = block.is_some_and(|block| !block.except.is_empty());
            let contradicts = match (intent.strength, intent.object) {
                (Strength::Deny, Object::Everything) => true,
                (Strength::Deny, Object::Metadata) => !trimmed,
                _ => !trimmed && blocks::is_all_traffic(rule),
            };
            // What is left out may be all that the name speaks of. Then the name is right, unless
            // another policy isolates the pods and this one opens the rest.
            let widens = !contradicts && trimmed && intent.strength == Strength::Deny;
            if !contradicts && !widens {
                return None;
            }
            Some(Opened {
                rule: here,
                span: block.map_or(rule.span, |block| block.cidr.span),
                evidence: prove(
                    context,
                    here,
                    peer,
                    widens,
                    if widens { &outside } else { &doors },
                )?,
                block: block.map(ToString::to_string),
                widens,
            })
        })
    })
}

/// A connection that this rule allows and that no other policy would.
fn prove(
    context: &Context<'_>,
    here: RuleRef,
    peer: &Peer,
    widens: bool,
    doors: &[(IpAddr, Option<u16>)],
) -> Option<Evidence> {
    let at = here.policy;
    let covered: Vec<_> = doors
        .iter()
        .filter(|(ip, _)| match peer {
            Peer::Any => true,
            Peer::Block(block, _) => block.contains(*ip),
            _ => false,
        })
        .collect();
    let subjects = workloads::subjects(context, at);
    subjects.into_iter().take(TRIES).find_map(|id| {
        let others = || {
            let policies = context.policies_of(id, at.direction).iter();
            policies.filter(|other| **other != at)
        };
        if widens && !others().any(|other| context.eval.ruleset[*other].isolates) {
            return None;
        }
        covered.iter().find_map(|(ip, port)| {
            if !workloads::has_family(context, id, Family::of(*ip)) {
                return None;
            }
            let (protocol, port) = port_for(context, here, id, *port)?;
            let admitted = others().any(|other| {
                let mut rules = context.eval.ruleset[*other].rules.iter();
                rules.any(|rule| blocks::admits(rule, *ip, protocol, port))
            });
            if admitted {
                return None;
            }
            let connection = between(context, at.direction, id, *ip, Some((protocol, port)));
            let verdict = context.eval.verdict(&connection);
            let side = match at.direction {
                Direction::Egress => verdict.egress,
                Direction::Ingress => verdict.ingress,
            };
            let decides = matches!(side, Decision::Rule { rule, .. } if rule.policy == at);
            (verdict.allowed && decides).then(|| context.word(&connection, &verdict))
        })
    })
}

/// A port of the rule that shows best what is open; the one asked for, if one is.
fn port_for(
    context: &Context<'_>,
    here: RuleRef,
    id: EndpointId,
    asked: Option<u16>,
) -> Option<(Protocol, u16)> {
    let rule = &context.eval.ruleset[here];
    let has = |(protocol, port): &(Protocol, u16)| blocks::has_port(rule, *protocol, *port);
    if let Some(port) = asked {
        return Some((Protocol::Tcp, port)).filter(has);
    }
    let declared = match here.policy.direction {
        Direction::Ingress => Some(declared_port(context, id)),
        Direction::Egress => None,
    };
    declared.filter(has).or_else(|| blocks::telling_port(rule))
}

fn between(
    context: &Context<'_>,
    direction: Direction,
    subject: EndpointId,
    ip: IpAddr,
    port: Option<(Protocol, u16)>,
) -> Connection {
    let (own, other) = (Party::Endpoint(subject), Party::Address(ip));
    match direction {
        Direction::Egress => {
            let (protocol, port) = port.unwrap_or((Protocol::Tcp, 443));
            Connection::new(own, other, protocol, port)
        }
        Direction::Ingress => {
            let (protocol, port) = port.unwrap_or_else(|| declared_port(context, subject));
            Connection::new(other, own, protocol, port)
        }
    }
}

fn report(context: &Context<'_>, id: PolicyId, strength: Strength, opened: &Opened) -> Finding {
    let policy = &context.world[id];
    let direction = opened.rule.policy.direction;
    let way = match direction {
        Direction::Egress => "egress to",
        Direction::Ingress => "ingress from",
    };
    let rule = &context.eval.ruleset[opened.rule];
    let mut what = match &opened.block {
        Some(block) => format!("{way} `{block}`"),
        None => format!("{way} every address"),
    };
    if !blocks::is_all_traffic(rule) {
        let ports: Vec<String> = rule.traffic.iter().map(ToString::to_string).collect();
        what = format!("{what} on {}", some_of(&ports));
    }
    let name = &policy.name;
    let message = if opened.widens {
        format!("`{name}` denies nothing that was open, and opens {what}")
    } else if strength == Strength::Restrict {
        format!("`{name}` restricts nothing: it allows {what}")
    } else {
        format!("`{name}` allows what its name denies: {what}")
    };
    let names = Names::of(context, &workloads::subjects(context, opened.rule.policy));
    let mut finding = Finding::new(&RULE, message)
        .at(opened.span, "a rule allows; there is no deny")
        .at(policy.name_span, "the name promises a denial")
        .evidence(opened.evidence.clone())
        .subject(context.policy_subject(id))
        .why(match opened.block {
            Some(_) => &["X-1", "K-15"],
            None => &["K-20", "K-15"],
        })
        .fix(Fix::advice(format!(
            "remove the rule: a policy that lists {} in `policyTypes` and has no rules denies it; \
             or give the policy a name that says what it allows",
            direction.api()
        )));
    finding.notes.extend(names.note());
    finding
}

#[cfg(test)]
mod tests;
