//! Features that the engine ignores: the policy then means less, or more, than it says.
//!
//! What the engine does is told by a ruleset without the feature, and the proof is a connection on
//! which that ruleset and the policies as written disagree.

use super::probe::{AddressOf, PortOf, Prober};
use super::uses::Use;
use super::wording::{by_policy, ids, missing_advice, missing_message, noted, place};
use super::{RULE, acting, differs, with_eval};
use crate::diag::{Finding, Fix, Severity};
use crate::engine::{EndPort, Engine, Feature, Profile, Switches};
use crate::eval::{Connection, Evaluator, Party};
use crate::manifest::Direction;
use crate::policy::{self, Peer, Ruleset, Tier};
use crate::rules::{Context, engines};
use crate::sets::{PortMatch, Protocol};

/// A whole direction that the engine ignores: one cause, one finding.
pub(super) fn direction(context: &Context<'_>, direction: Direction) -> Option<Finding> {
    let policies = acting(context, direction);
    let mut ruleset = lower(context, context.eval.switches);
    let tiers = match direction {
        Direction::Ingress => &mut ruleset.ingress,
        Direction::Egress => &mut ruleset.egress,
    };
    for tier in tiers {
        tier.policies
            .retain(|policy| policy.origin.kubernetes().is_none());
    }
    let eval = Evaluator::new(context.world, &ruleset, context.eval.switches);
    let truth = with_eval(context, &eval);
    let outside = ["169.254.169.254", "203.0.113.10", "2001:db8::10"];
    let outside: Vec<_> = outside
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let evidence = policies
        .iter()
        .filter_map(|id| context.policy_ref(*id, direction))
        .filter_map(|at| context.eval.subjects_of(at).first())
        .flat_map(|subject| {
            let (own, others) = (Party::Endpoint(*subject), outside.iter());
            others.map(move |ip| match direction {
                Direction::Ingress => (Party::Address(*ip), own),
                Direction::Egress => (own, Party::Address(*ip)),
            })
        })
        .map(|(from, to)| Connection::new(from, to, Protocol::Tcp, 80))
        .find_map(|connection| differs(context, &truth, &connection));
    let relying = match policies.len() {
        1 => "1 policy leaves it open".to_owned(),
        more => format!("{more} policies leave it open"),
    };
    let message = format!(
        "{} does not enforce {}: {relying}",
        engines::name(context.profile),
        direction.word()
    );
    let feature = match direction {
        Direction::Ingress => Feature::Ingress,
        Direction::Egress => Feature::Egress,
    };
    let mut finding = noted(context, feature, Finding::new(&RULE, message))
        .fix(Fix::advice("move to a release that enforces it"));
    finding.why.insert(0, "K-7");
    for id in policies.iter().take(3) {
        finding = finding.at(
            context.world[*id].name_span,
            "this policy is meant to isolate",
        );
    }
    if evidence.is_none() {
        finding = finding.severity(Severity::Warning);
    }
    finding.evidence.extend(evidence);
    (!policies.is_empty()).then_some(finding)
}

/// Lines with a feature that the engine ignores.
pub(super) fn lines(
    context: &Context<'_>,
    prober: &mut Prober,
    feature: Feature,
    lines: Vec<Use>,
    findings: &mut Vec<Finding>,
) {
    if lines.is_empty() {
        return;
    }
    // What happens to the other family is not known, so nothing is claimed to be closed or open.
    let provable = feature != Feature::Ipv6;
    // A switch makes the evaluator ignore ranges, so the ruleset to compare with is the one that
    // honours them; for the rest it is one without the feature.
    let by_switch = feature == Feature::EndPort;
    let ruleset = if by_switch {
        let switches = Switches {
            endport: EndPort::Supported,
            ..context.eval.switches
        };
        lower(context, switches)
    } else {
        let mut ruleset = lower(context, context.eval.switches);
        without(context.profile, feature, &mut ruleset);
        ruleset
    };
    let eval = Evaluator::new(context.world, &ruleset, context.eval.switches);
    let other = with_eval(context, &eval);
    let (paper, truth) = if by_switch {
        (&other, context)
    } else {
        (context, &other)
    };
    let addresses = match feature {
        Feature::Except => AddressOf::Except,
        _ => AddressOf::Block,
    };
    for (policy, lines) in by_policy(lines) {
        let mut provable = lines.iter().filter(|_| provable);
        let evidence = provable.find_map(|line| {
            let tried = prober.connections(context, line, PortOf::Last, addresses);
            tried
                .iter()
                .find_map(|connection| differs(paper, truth, connection))
        });
        let message = missing_message(context.profile, feature, &lines);
        let mut finding = noted(context, feature, Finding::new(&RULE, message))
            .subject(context.policy_subject(policy));
        if evidence.is_none() {
            finding = finding.severity(Severity::Warning);
        }
        finding.fix = Some(Fix::advice(missing_advice(context.profile, feature)));
        finding.why.splice(0..0, ids(feature, &lines));
        for line in &lines {
            finding = place(finding, line);
        }
        finding.evidence.extend(evidence);
        findings.push(finding);
    }
}

/// All policies as the engine would read them with these switches.
fn lower(context: &Context<'_>, switches: Switches) -> Ruleset {
    let profile = Profile {
        switches,
        ..*context.profile
    };
    policy::lower(context.world, &profile)
}

/// Takes out of the NetworkPolicies of a ruleset what the engine does not read.
fn without(profile: &Profile, feature: Feature, ruleset: &mut Ruleset) {
    let named = |item: &PortMatch| matches!(item, PortMatch::Named { .. });
    let sctp = |item: &PortMatch| match item {
        PortMatch::Everything | PortMatch::Any | PortMatch::Icmp { .. } => false,
        PortMatch::Range { protocol, .. }
        | PortMatch::Except { protocol, .. }
        | PortMatch::Named { protocol, .. } => *protocol == Protocol::Sctp,
    };
    let whole_rules = profile.engine == Engine::OpenShiftSdn;
    let tiers = ruleset.ingress.iter_mut().chain(&mut ruleset.egress);
    let policies = tiers.flat_map(|tier: &mut Tier| &mut tier.policies);
    let policies = policies.filter(|policy| policy.origin.kubernetes().is_some());
    for rule in policies.flat_map(|policy| &mut policy.rules) {
        match feature {
            Feature::NamedPort if whole_rules && rule.traffic.iter().any(named) => {
                rule.peers.clear();
            }
            Feature::NamedPort => rule.traffic.retain(|item| !named(item)),
            Feature::Sctp => rule.traffic.retain(|item| !sctp(item)),
            Feature::IpBlock => rule.peers.retain(|peer| !matches!(peer, Peer::Block(..))),
            Feature::Except => rule.peers.iter_mut().for_each(|peer| {
                if let Peer::Block(block, _) = peer {
                    block.except.clear();
                }
            }),
            _ => {}
        }
    }
}
