//! What is said about lines that an engine does not read as they are written.

use std::collections::BTreeMap;

use super::uses::Use;
use crate::diag::Finding;
use crate::engine::{Engine, Feature, Profile, Support};
use crate::manifest::Direction;
use crate::rules::{Context, engines, some_of};
use crate::world::PolicyId;

/// Lines of one policy that a finding points at.
const PLACES: usize = 3;

/// A feature in the words of a manifest.
pub(super) fn words(feature: Feature) -> &'static str {
    match feature {
        Feature::IpBlock => "`ipBlock`",
        Feature::Except => "`except`",
        Feature::NamedPort => "named ports",
        Feature::EndPort => "`endPort`",
        Feature::Sctp => "SCTP",
        Feature::Ipv6 => "IPv6",
        Feature::Ingress => "ingress rules",
        Feature::Egress => "egress rules",
        other => other.word(),
    }
}

/// `Cilium knows SCTP only if it is switched on`.
pub(super) fn partly(profile: &Profile, feature: Feature, support: Support) -> String {
    let how = match support {
        Support::OptIn(_) => "only if it is switched on",
        _ => "only in part",
    };
    format!("{} knows {} {how}", engines::name(profile), words(feature))
}

/// What a policy loses where the engine ignores a feature.
pub(super) fn missing_message(profile: &Profile, feature: Feature, lines: &[Use]) -> String {
    let (name, whats) = (engines::name(profile), listed(lines));
    let (admits, is, has) = match lines {
        [_] => ("admits", "is", "has"),
        _ => ("admit", "are", "have"),
    };
    match feature {
        Feature::EndPort => {
            format!("{name} ignores `endPort`, so of {whats} only the first port is admitted")
        }
        Feature::Except => {
            format!("{name} ignores `except`, so {whats} {is} not left out")
        }
        Feature::NamedPort if profile.engine == Engine::OpenShiftSdn => {
            format!(
                "{name} ignores rules with a named port, so the rules with {whats} admit nothing"
            )
        }
        Feature::Ipv6 => format!("{name} polices IPv4 only, so {whats} {has} no effect"),
        other => format!(
            "{name} ignores {}, so {whats} {admits} nothing",
            words(other)
        ),
    }
}

/// What to write instead.
pub(super) fn missing_advice(profile: &Profile, feature: Feature) -> String {
    let instead = match feature {
        Feature::EndPort => "list the ports one by one",
        Feature::Except => "write the blocks around the exception instead",
        Feature::NamedPort => "write the number",
        Feature::Ipv6 => "run an engine that polices IPv6",
        _ => "do without it",
    };
    let fact = profile.facts().feature(feature);
    let newer = fact.is_some_and(|fact| {
        let (releases, changes) = (profile.releases(), fact.support.changes);
        let newest = changes.last().map(|(_, support)| *support);
        fact.support.at(&releases).is_none() && newest.is_some_and(|newest| !newest.is_none())
    });
    if newer {
        format!(
            "{instead}, or move to a release that knows {}",
            words(feature)
        )
    } else {
        instead.to_owned()
    }
}

/// The semantics that a feature rests on.
pub(super) fn ids(feature: Feature, lines: &[Use]) -> Vec<&'static str> {
    let mut ids: Vec<_> = lines
        .iter()
        .filter_map(|line| {
            Some(match (feature, line.direction) {
                (Feature::EndPort, _) => "K-50",
                (Feature::NamedPort, Direction::Ingress) => "K-52",
                (Feature::NamedPort, Direction::Egress) => "K-53",
                (Feature::Sctp, _) => "K-60",
                (Feature::IpBlock | Feature::Except, _) => "K-63",
                (Feature::Ipv6, _) => "K-66",
                _ => return None,
            })
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// With what is known about the engine and a feature.
pub(super) fn noted(context: &Context<'_>, feature: Feature, finding: Finding) -> Finding {
    let mut finding = finding;
    let note = context.profile.feature(feature).note();
    finding.notes.extend(note.map(str::to_owned));
    finding
        .why
        .extend(engines::deviation(context.profile.engine));
    finding
}

/// What lines use, each thing once.
pub(super) fn listed<'u>(lines: impl IntoIterator<Item = &'u Use>) -> String {
    let mut whats: Vec<String> = Vec::new();
    for line in lines {
        if !whats.contains(&line.what) {
            whats.push(line.what.clone());
        }
    }
    some_of(&whats)
}

/// Points at a line, up to a few of them.
pub(super) fn place(finding: Finding, line: &Use) -> Finding {
    let known = finding.labels.iter().any(|label| label.span == line.span);
    if finding.labels.len() < PLACES && !known {
        finding.at(line.span, "")
    } else {
        finding
    }
}

/// Lines by the policy that they are in, in reading order.
pub(super) fn by_policy(lines: Vec<Use>) -> BTreeMap<PolicyId, Vec<Use>> {
    let mut found: BTreeMap<PolicyId, Vec<Use>> = BTreeMap::new();
    for line in lines {
        found.entry(line.policy).or_default().push(line);
    }
    found
}
